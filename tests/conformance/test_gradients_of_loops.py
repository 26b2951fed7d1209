"""First and second derivatives through converted loops, by tapes around the calls of a tf.function.

What a loop saves for its gradient depends on how often it was differentiated before, so each is asked for twice.
"""

import numpy as np
import pytest
import tensorflow as tf

ROWS = [[1.0, 2.0], [3.0, 4.0]]


@pytest.fixture
def weights():
    return tf.Variable([[0.5, -0.3], [0.2, 0.8]]), tf.Variable(1.5)


def recurrent(x, w, v):
    outputs = tf.TensorArray(tf.float32, 2)
    h = tf.zeros([2])
    for i in tf.range(2):
        h = tf.tanh(tf.linalg.matvec(w, x[i]) + h)
        outputs = outputs.write(i, h)
    return tf.reduce_sum(outputs.stack() * v)


def matrices(x, w, v):
    h = tf.zeros([2, 1])
    for i in tf.range(2):
        h = tf.matmul(w, tf.expand_dims(x[i], -1)) * v + h * h
    return tf.reduce_sum(h)


def branching(x, w, v):
    s = tf.constant(0.0)
    for y in x:
        if y > 1.5:
            s += y * y * v
        else:
            s -= y * y * y * w[0, 0]
    return s


def of_data_dependent_length(x, w, v):
    while tf.reduce_sum(x) < 100.0:
        x = x * x * v + w[1]
    return tf.reduce_sum(x)


def nested(x, w, v):
    s = tf.constant(0.0)
    for i in tf.range(2):
        for j in tf.range(i + 1):
            s += x[i] * x[j] * tf.tanh(w[i, j]) * tf.cast(j + 1, tf.float32)
    return s * v


def derivatives(function, x, w, v):
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = function(x)
        first = inner.gradient(y, [x, w, v])
        squares = tf.reduce_sum(first[0] * first[0])
    second = outer.gradient(squares, [x, w, v])
    return [y, *first, *second]


@pytest.mark.parametrize("function, argument", [
    (recurrent, ROWS), (matrices, ROWS), (branching, [1.0, 2.0]), (of_data_dependent_length, [1.0, 2.0]),
    (nested, [1.0, 2.0]),
])
def test_derivatives(weights, function, argument):
    w, v = weights
    x = tf.constant(argument)
    expected = derivatives(lambda x: function(x, w, v), x, w, v)
    traced = tf.function(lambda x: function(x, w, v))
    for _ in range(2):
        for found, wanted in zip(derivatives(traced, x, w, v), expected):
            assert (found is None) == (wanted is None)
            if found is not None:
                np.testing.assert_allclose(tf.convert_to_tensor(found), tf.convert_to_tensor(wanted), rtol=2e-4,
                                           atol=1e-5)
