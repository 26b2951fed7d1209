"""Patches: SAME padding, rates, gradients, errors."""

import numpy as np
import pytest

import everflow as tf


def test_same_padding_and_rates():
    x = tf.reshape(tf.range(9.0), [1, 3, 3, 1])
    spread = tf.image.extract_patches(x, [1, 2, 2, 1], [1, 1, 1, 1], [1, 2, 2, 1], "VALID")
    assert spread.numpy().tolist() == [[[[0, 2, 6, 8]]]]
    same = tf.image.extract_patches(x, [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], "SAME")
    assert same.numpy().tolist() == [[[[0, 1, 3, 4], [2, 0, 5, 0]], [[6, 7, 0, 0], [8, 0, 0, 0]]]]


def test_gradient_counts_the_patches_of_each_pixel():
    x = tf.ones([2, 3, 3, 2])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.image.extract_patches(x, [1, 2, 2, 1], [1, 1, 1, 1], [1, 1, 1, 1], "VALID")
    expected = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]])
    np.testing.assert_array_equal(tape.gradient(y, x), np.broadcast_to(expected[None, :, :, None], (2, 3, 3, 2)))


def test_ranks_and_names_are_checked():
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        tf.image.extract_patches(tf.ones([3, 3, 1]), [1, 2, 2, 1], [1, 1, 1, 1], [1, 1, 1, 1], "VALID")
    with pytest.raises(ValueError, match="ksizes"):
        tf.compat.v1.extract_image_patches(tf.ones([1, 3, 3, 1]), ksizes=[1] * 4, sizes=[1] * 4)
