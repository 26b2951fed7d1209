"""Fourier transforms: lengths, shapes, shifts, gradients."""

import numpy as np
import pytest

import everflow as tf


def test_lengths_cut_and_fill():
    assert tf.signal.rfft(tf.range(7.0), [4]).numpy().tolist() == [6, -2 + 2j, -2]
    np.testing.assert_allclose(tf.signal.rfft(tf.range(3.0), [5]), np.fft.rfft(np.arange(3.0), 5), rtol=1e-5)
    z = np.arange(3) + 1j
    np.testing.assert_allclose(tf.signal.irfft(z.astype(np.complex64), [7]), np.fft.irfft(z, 7), rtol=1e-4, atol=1e-6)
    both = tf.signal.rfft2d(tf.ones([3, 4]), [2, 6])
    np.testing.assert_allclose(both, np.fft.rfft2(np.ones((2, 4)), (2, 6)), atol=1e-6)


def test_doubles_and_three_dimensions():
    x = np.random.default_rng(1).normal(size=(2, 3, 4, 5))
    assert tf.signal.rfft(x).dtype is tf.complex64  # arrays are taken as float32
    x = tf.constant(x)
    assert tf.signal.rfft(x).dtype is tf.complex128
    np.testing.assert_allclose(tf.signal.rfft3d(x), np.fft.rfftn(x.numpy(), axes=(1, 2, 3)))
    np.testing.assert_allclose(tf.signal.irfft3d(tf.signal.rfft3d(x), [3, 4, 5]), x)
    np.testing.assert_allclose(tf.signal.ifft3d(tf.signal.fft3d(tf.cast(x, tf.complex128))), x, atol=1e-12)


def test_static_shapes_in_functions():
    @tf.function(input_signature=[tf.TensorSpec([None, 8])])
    def transform(x):
        y = tf.signal.rfft(x)
        assert y.shape.as_list() == [None, 5] and tf.signal.irfft(y).shape.as_list() == [None, 8]
        return tf.signal.irfft(y)

    x = np.random.default_rng(2).normal(size=(3, 8)).astype(np.float32)
    np.testing.assert_allclose(transform(x), x, atol=1e-5)


@pytest.mark.parametrize("axes", [None, 0, [1], [0, 1]])
def test_shifts(axes):
    x = np.arange(15.0).reshape(3, 5)
    np.testing.assert_array_equal(tf.signal.fftshift(x, axes), np.fft.fftshift(x, axes))
    np.testing.assert_array_equal(tf.signal.ifftshift(tf.signal.fftshift(x, axes), axes), x)


def test_energy_has_the_gradient_of_parseval():
    x = tf.constant([1.0, -2.0, 0.5, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        energy = tf.reduce_sum(tf.abs(tf.signal.fft(tf.cast(x, tf.complex64))) ** 2)
    np.testing.assert_allclose(tape.gradient(energy, x), 8 * x.numpy(), rtol=1e-5)


def test_real_input_is_refused_by_the_complex_transform():
    with pytest.raises((TypeError, tf.errors.InvalidArgumentError)):
        tf.signal.fft(tf.constant([1.0, 2.0]))
