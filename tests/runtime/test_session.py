"""What everflow's sessions promise beyond TensorFlow's."""

import numpy as np
import pytest

import everflow as tf

v1 = tf.compat.v1


@pytest.fixture
def session():
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as fresh:
        yield fresh


def test_fed_arrays_may_be_overwritten_after_the_run(session):
    x = v1.placeholder(tf.float32, [2])
    variable = v1.get_variable("v", [2], use_resource=True)
    array = np.zeros(2, np.float32)
    result = session.run(tf.identity(x), {x: array})
    session.run(variable.assign(tf.identity(x)), {x: array})
    array[0] = 9.0
    assert result.tolist() == [0.0, 0.0] == session.run(variable).tolist()


def test_fed_arrays_may_be_overwritten_while_a_queue_holds_them(session):
    x = v1.placeholder(tf.float32, [2])
    queue = v1.FIFOQueue(2, tf.float32, [[2]])
    array = np.zeros(2, np.float32)
    put = session.make_callable(queue.enqueue(x), [x])
    put(array)
    array[0] = 9.0
    assert session.run(queue.dequeue()).tolist() == [0.0, 0.0]
