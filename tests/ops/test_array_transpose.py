"""Dimensions in every order."""

import itertools

import numpy as np
import pytest

import everflow as tf


@pytest.mark.parametrize("perm", list(itertools.permutations(range(3))))
def test_every_permutation_and_its_gradient(perm):
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)

    def both(t):
        with tf.GradientTape() as tape:
            tape.watch(t)
            y = tf.transpose(t, perm)
        return y, tape.gradient(y, t, np.transpose(x * x, perm))

    for function in (both, tf.function(both, jit_compile=True)):
        value, gradient = function(tf.constant(x))
        np.testing.assert_array_equal(value.numpy(), x.transpose(perm))
        np.testing.assert_array_equal(gradient.numpy(), x * x)


def test_an_order_that_shows_late():
    x = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    signature = [tf.TensorSpec(None), tf.TensorSpec([None], tf.int32)]
    order = tf.function(lambda t, p: tf.transpose(t, p), input_signature=signature)
    np.testing.assert_array_equal(order(x, [2, 0, 1]).numpy(), x.transpose(2, 0, 1))
    turned = tf.function(lambda t: (tf.transpose(t), tf.linalg.matrix_transpose(t)), input_signature=signature[:1])
    for actual, expected in zip(turned(x), (x.T, x.transpose(0, 2, 1))):
        np.testing.assert_array_equal(actual.numpy(), expected)


@pytest.mark.parametrize("perm", [[0], [0, 0], [0, 2], [0, 1, 2], [-3, 0]])
def test_what_is_no_permutation(perm):
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.transpose(tf.zeros([2, 3]), perm)


def test_conjugates():
    x = np.array([[1 + 2j, 3j]], np.complex64)
    assert tf.transpose(x, conjugate=True).numpy().tolist() == x.T.conj().tolist()
    assert tf.transpose([[1.0, 2.0]], conjugate=True).numpy().tolist() == [[1.0], [2.0]]
