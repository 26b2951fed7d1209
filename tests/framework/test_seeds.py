"""From seeds of programs and operations to the pairs that operations get."""

import pytest

import everflow as tf
from everflow._src.framework.seeds import DEFAULT_GRAPH_SEED, GLOBAL, get_seed


@pytest.fixture(autouse=True)
def unseeded():
    tf.random.set_seed(None)
    yield
    tf.random.set_seed(None)


def test_eager_pairs():
    assert get_seed(None) == (None, None)
    assert get_seed(3) == (DEFAULT_GRAPH_SEED, 3)
    tf.random.set_seed(1)
    assert [get_seed(None) for _ in range(3)] == [(1, 577090037), (1, 271041745), (1, 1095513148)]
    assert get_seed(2**40 + 3) == (1, 515)
    assert get_seed(-1) == (1, 2**31 - 2)
    tf.random.set_seed(0)
    assert get_seed(0) == (0, 2**31 - 1)


def test_graph_pairs():
    with tf.Graph().as_default():
        assert get_seed(None) == (None, None)
        tf.compat.v1.set_random_seed(3)
        assert [get_seed(None), get_seed(9), get_seed(None)] == [(3, 0), (3, 9), (3, 1)]
        assert GLOBAL.seed is None
    assert get_seed(None) == (None, None)


def test_functions_inherit_the_global_seed():
    tf.random.set_seed(7)
    pairs = []

    @tf.function
    def function():
        pairs.extend([get_seed(None), get_seed(None)])
        return tf.constant(0)

    function()
    assert pairs == [(7, 0), (7, 1)]
