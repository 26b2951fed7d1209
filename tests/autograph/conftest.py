import pytest

import everflow as tf


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph
