"""Paddings against NumPy, and their gradients, of every mode."""

import numpy as np
import pytest

import everflow as tf


@pytest.mark.parametrize("mode", ["CONSTANT", "REFLECT", "SYMMETRIC"])
@pytest.mark.parametrize("paddings", [[[0, 0], [0, 0]], [[1, 2], [0, 1]], [[2, 2], [3, 3]], [[0, 2], [3, 0]]])
def test_pad_and_its_gradient_in_every_tier(mode, paddings):
    x = np.arange(12, dtype=np.float64).reshape(3, 4)
    weights = np.random.default_rng(0).standard_normal(np.pad(x, paddings).shape)
    source = np.pad(np.arange(1.0, 13).reshape(3, 4), paddings, mode.lower())

    def both(t):
        with tf.GradientTape() as tape:
            tape.watch(t)
            y = tf.pad(t, paddings, mode)
        return y, tape.gradient(y, t, weights)

    expected = [weights[source == i].sum() for i in range(1, 13)]
    for function in (both, tf.function(both, jit_compile=True)):
        value, gradient = function(tf.constant(x))
        np.testing.assert_array_equal(value.numpy(), np.pad(x, paddings, mode.lower()))
        np.testing.assert_allclose(gradient.numpy().ravel(), expected, 1e-12)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "bfloat16", "complex64", "string"])
def test_what_is_padded_is_zero(dtype):
    x = tf.constant(["a"]) if dtype == "string" else tf.cast([1], dtype)
    result = tf.pad(x, [[1, 0]])
    assert result.dtype.name == dtype and result.shape == [2]
    assert result.numpy()[0] == (b"" if dtype == "string" else 0)


def test_tile_where_multiples_show_late():
    x = tf.constant([[1.0, 2.0]])

    @tf.function(input_signature=[tf.TensorSpec([None, None]), tf.TensorSpec([2], tf.int32)])
    def both(t, n):
        with tf.GradientTape() as tape:
            tape.watch(t)
            y = tf.tile(t, n)
        return y, tape.gradient(y, t)

    value, gradient = both(x, [2, 3])
    assert value.shape == [2, 6] and gradient.numpy().tolist() == [[6.0, 6.0]]
