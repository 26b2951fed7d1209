"""What is known of values before anything runs."""

import itertools
import random

import numpy as np
import pytest

import everflow as tf
from everflow._src.framework.constant_value import constant_value, constant_value_as_shape


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def placeholder(*shape, dtype=tf.float32):
    return tf.compat.v1.placeholder(dtype, shape)


def test_constants_and_arithmetic_on_them():
    x = tf.constant([1, 2, 3])
    np.testing.assert_array_equal(constant_value(tf.reverse(x * 2 + 1, [0])), [7, 5, 3])
    np.testing.assert_array_equal(constant_value(tf.unstack(x)[1]), 2)
    assert constant_value(placeholder(2) * 2.0) is None
    assert tf.get_static_value(x[0]) == 1 and tf.get_static_value(placeholder(2)) is None
    assert tf.get_static_value([1, 2]) is None


def test_shapes_need_no_values():
    x = placeholder(2, 3)
    assert constant_value(tf.shape(x)).tolist() == [2, 3] and constant_value(tf.size(x)) == 6
    assert constant_value(tf.rank(x)) == 2
    assert constant_value(tf.shape(placeholder(None, 3))) is None
    assert constant_value(tf.shape(placeholder(None, 3))[1]) in (3, None)


def test_what_has_state_is_not_known():
    assert constant_value(tf.random.uniform([])) is None
    v = tf.compat.v1.get_variable("v", initializer=1.0)
    assert constant_value(v.read_value()) is None


def test_large_values_are_not_computed():
    assert constant_value(tf.zeros([100, 100])) is None
    assert constant_value(tf.zeros([10, 10])).shape == (10, 10)


def test_what_fails_is_not_known():
    x = tf.raw_ops.Reshape(tensor=tf.constant([1, 2]), shape=placeholder(1, dtype=tf.int32))
    assert constant_value(x) is None


@pytest.mark.parametrize("make, expected", [
    (lambda x: tf.shape(x), [None, 3]),
    (lambda x: tf.stack([tf.shape(x)[0], 5]), [None, 5]),
    (lambda x: tf.concat([tf.shape(x), [7]], 0), [None, 3, 7]),
    (lambda x: tf.shape(x)[1:], [3]),
    (lambda x: tf.cast(tf.shape(x), tf.int64), [None, 3]),
    (lambda x: tf.constant([2, -1]), [2, None]),
    (lambda x: placeholder(2, dtype=tf.int32), [None, None]),
])
def test_partly_known_shapes(make, expected):
    assert constant_value_as_shape(make(placeholder(None, 3))).as_list() == expected


def test_shapes_of_nothing_known():
    assert constant_value_as_shape(placeholder(None, dtype=tf.int32)).rank is None
    assert constant_value_as_shape(tf.constant(-1)).rank is None
    assert constant_value_as_shape([2, -1]).as_list() == [2, None]
    for bad in (tf.constant(3), tf.constant([[1]])):
        with pytest.raises(ValueError):
            constant_value_as_shape(bad)


def test_static_shapes_hold_when_it_runs():
    generator = random.Random(4)
    for _ in range(30):
        x = placeholder(None, 3, 4)
        y = x
        for _ in range(4):
            y = generator.choice([
                lambda y: tf.reshape(y, [tf.shape(y)[0], -1]),
                lambda y: tf.reshape(y, tf.stack([tf.shape(y)[0], tf.size(y) // tf.shape(y)[0]])),
                lambda y: tf.transpose(y),
                lambda y: tf.concat([y, y], -1),
                lambda y: tf.expand_dims(y, 0),
                lambda y: tf.reduce_sum(y, axis=-1, keepdims=True),
                lambda y: y[..., :2],
                lambda y: tf.broadcast_to(y, tf.concat([[2], tf.shape(y)], 0)),
            ])(y)
        with tf.compat.v1.Session() as session:
            for n in (1, 5):
                value = session.run(y, {x: np.ones((n, 3, 4))})
                assert tf.TensorShape(value.shape).is_compatible_with(y.shape), (y.shape, value.shape)


def test_folding_gives_what_running_gives():
    for a, b in itertools.product(([1, 2, 3], [4.0, 5.0, -6.0]), repeat=2):
        x, y = tf.constant(a, tf.float32), tf.constant(b, tf.float32)
        outputs = [tf.maximum(x, y) / (y + 0.5), tf.cumsum(x * y), tf.cast(x, tf.int32) % 2, tf.stack([x, y])[:, 1]]
        with tf.compat.v1.Session() as session:
            for output, value in zip(outputs, session.run(outputs)):
                np.testing.assert_array_equal(constant_value(output), value)
