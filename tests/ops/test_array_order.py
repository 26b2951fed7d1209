"""Reversed and rolled, in every tier."""

import numpy as np
import pytest

import everflow as tf


@pytest.mark.parametrize("batch, along", [(0, 1), (1, 0), (0, 2), (2, 1), (-1, 0)])
def test_reverse_sequence(batch, along):
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    lengths = np.random.default_rng(0).integers(0, x.shape[along] + 1, x.shape[batch])
    expected = np.moveaxis(x.copy(), (batch, along), (0, 1))
    for row, length in zip(expected, lengths):
        row[:length] = row[:length][::-1].copy()
    expected = np.moveaxis(expected, (0, 1), (batch, along))

    def reverse(t, n):
        return tf.reverse_sequence(t, n, seq_axis=along, batch_axis=batch)

    for function in (reverse, tf.function(reverse, jit_compile=True)):
        np.testing.assert_array_equal(function(tf.constant(x), tf.constant(lengths)).numpy(), expected)


@pytest.mark.parametrize("shift, axis", [(1, 0), (-5, 1), ([1, 2], [1, 0]), ([1, 1], [0, 0]), ([], [])])
def test_shifts_that_show_late_compile(shift, axis):
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    shift = np.array(shift, np.int32)
    roll = tf.function(lambda t, s: tf.roll(t, s, np.array(axis, np.int32)), jit_compile=True)
    expected = np.roll(x, shift.tolist(), axis) if shift.size else x
    np.testing.assert_array_equal(roll(tf.constant(x), tf.constant(shift)).numpy(), expected)


@pytest.mark.parametrize("axis", [[2], [-3], [0, 0], [0, -2]])
def test_axes_that_do_not_fit(axis):
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.reverse(tf.zeros([2, 3]), axis)
