"""Shapes that are known though values are not, and the forms that sizes may have."""

import numpy as np
import pytest

import everflow as tf

CARRIED = {
    "stack": (lambda x: tf.zeros(tf.stack([tf.shape(x)[0], 4])), [2, 4]),
    "stack unknown": (lambda x: tf.zeros(tf.stack([tf.shape(x)[1], 4])), [None, 4]),
    "concat": (lambda x: tf.zeros(tf.concat([tf.shape(x)[1:], [5]], 0)), [None, 3, 5]),
    "reversed": (lambda x: tf.zeros(tf.shape(x)[::-1]), [3, None, 2]),
    "gather": (lambda x: tf.zeros(tf.gather(tf.shape(x), [2, 0])), [3, 2]),
    "one of gather": (lambda x: tf.zeros([tf.gather(tf.shape(x), 2)]), [3]),
    "cast": (lambda x: tf.zeros(tf.cast(tf.shape(x), tf.int64)), [2, None, 3]),
    "unstack": (lambda x: tf.zeros(tf.unstack(tf.shape(x))[::2]), [2, 3]),
    "split": (lambda x: tf.zeros(tf.split(tf.shape(x), [1, 2])[1]), [None, 3]),
    "shape_n": (lambda x: tf.zeros(tf.shape_n([x, x])[1]), [2, None, 3]),
    "slice": (lambda x: tf.zeros(tf.slice(tf.shape(x), [1], [2])), [None, 3]),
    "expand": (lambda x: tf.zeros(tf.expand_dims(tf.shape(x)[2], 0)), [3]),
    "fill": (lambda x: tf.zeros(tf.fill([2], tf.shape(x)[2])), [3, 3]),
    "identity": (lambda x: tf.zeros(tf.identity(tf.stop_gradient(tf.shape(x)))), [2, None, 3]),
    "broadcast": (lambda x: tf.zeros(tf.broadcast_dynamic_shape(tf.shape(x), [4, 1, 1, 1])), [4, 2, None, 3]),
    "reshape": (lambda x: tf.reshape(x, [tf.shape(x)[0], -1, 3]), [2, None, 3]),
    "range": (lambda x: tf.range(tf.shape(x)[2]), [3]),
    "one_hot": (lambda x: tf.one_hot([0, 1], tf.shape(x)[2]), [2, 3]),
    "tile": (lambda x: tf.tile(x, tf.stack([tf.shape(x)[0], 2, 1])), [4, None, 3]),
    "broadcast_to": (lambda x: tf.broadcast_to(1.0, tf.shape(x)), [2, None, 3]),
}


@pytest.mark.parametrize("name", CARRIED)
def test_partly_known_shapes_flow_through(name):
    function, expected = CARRIED[name]
    with tf.Graph().as_default():
        assert function(tf.compat.v1.placeholder(tf.float32, [2, None, 3])).shape.as_list() == expected


def test_shapes_that_are_known_are_constants():
    with tf.Graph().as_default():
        x = tf.zeros([2, 3])
        assert tf.shape(x).op.type == tf.size(x).op.type == tf.rank(x).op.type == "Const"
        y = tf.compat.v1.placeholder(tf.float32, [None, 3])
        assert tf.shape(y).op.type == "Shape" and tf.size(y).op.type == "Size" and tf.rank(y).op.type == "Const"
        assert tf.shape(y).name == "Shape_2:0"


@pytest.mark.parametrize(
    "shape", [[3, 2], (3, -1), np.array([3, 2]), tf.TensorShape([3, 2]), [np.int64(3), 2]], ids=str
)
def test_forms_of_a_shape(shape):
    x = tf.constant([[1, 2, 3], [4, 5, 6]])
    assert tf.reshape(x, shape).shape == [3, 2]
    assert tf.reshape(x, tf.constant([3, 2], tf.int64)).shape == [3, 2]
    assert tf.reshape(x, [tf.constant(3), -1]).shape == [3, 2]


@pytest.mark.parametrize("shape", [[4], [-1, 4], [-2, 3], [-1, -1], [2.0, 3.0], "ab"])
def test_shapes_that_do_not_fit(shape):
    with pytest.raises((tf.errors.InvalidArgumentError, TypeError, ValueError)):
        tf.reshape(tf.zeros([2, 3]), shape)


def test_a_reshape_shares_no_changes():
    x = tf.constant([1.0, 2.0])
    y = tf.reshape(x, [2, 1]) + 1.0
    assert x.numpy().tolist() == [1.0, 2.0] and y.numpy().tolist() == [[2.0], [3.0]]


def test_gradients_take_the_shape_back():
    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32)])
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(tf.transpose(tf.reshape(x, [-1])) ** 2.0)
        return tape.gradient(y, x)

    x = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    np.testing.assert_array_equal(gradient(x).numpy(), 2 * x)


def test_ensure_shape_checks_when_it_runs():
    with pytest.raises(tf.errors.InvalidArgumentError, match="not compatible with expected shape"):
        tf.ensure_shape(tf.zeros([2, 3]), [None, 4])
    with tf.Graph().as_default():
        x = tf.ensure_shape(tf.compat.v1.placeholder(tf.float32), [None, 4])
        assert x.shape.as_list() == [None, 4]
