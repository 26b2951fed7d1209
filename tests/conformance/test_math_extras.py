"""Less used functions: polynomials, monotonicity, fake quantisation, Fourier basics, index arithmetic."""

import numpy as np
import pytest
import tensorflow as tf

from .three_ways import check, check_gradient, known_rank

F32 = np.float32
INVALID = (tf.errors.InvalidArgumentError, ValueError)


def normal(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape)


def test_polyval():
    x = np.array([-1.0, 0.5, 2.0])
    check(
        lambda x: tf.math.polyval([2.0, -1.0, 3.0], x), [x.astype(F32)], np.polyval([2, -1, 3], x).astype(F32)
    )
    check(lambda x: tf.math.polyval([x, x * x], x), [x], np.polyval([x, x * x], x))
    check_gradient(lambda x: tf.math.polyval([x, tf.constant(2.0, tf.float64), x], x), [x])


@pytest.mark.parametrize(
    "values, non_decreasing, increasing",
    [
        ([1, 2, 3], True, True),
        ([1, 1, 2], True, False),
        ([2, 1], False, False),
        ([5], True, True),
        ([], True, True),
    ],
)
def test_monotonicity(values, non_decreasing, increasing):
    x = np.array(values, F32)
    check(tf.math.is_non_decreasing, [x], np.bool_(non_decreasing), session_shapes=[[None]])
    check(tf.math.is_strictly_increasing, [x], np.bool_(increasing), session_shapes=[[None]])


def test_unravel_index():
    check(lambda i: tf.unravel_index(i, [7, 6]), [np.array([22, 41, 37])], np.array([[3, 6, 6], [4, 5, 1]]))
    check(lambda i: tf.unravel_index(i, [7, 6]), [np.int64(22)], np.array([3, 4]))
    with pytest.raises(INVALID):
        tf.unravel_index([42], [7, 6])


def test_required_space_to_batch_paddings():
    paddings, crops = tf.compat.v1.required_space_to_batch_paddings([5, 8], [2, 3])
    np.testing.assert_array_equal(paddings, [[0, 1], [0, 1]])
    np.testing.assert_array_equal(crops, [[0, 1], [0, 1]])
    paddings, crops = tf.compat.v1.required_space_to_batch_paddings([5], [4], base_paddings=[[1, 1]])
    np.testing.assert_array_equal(paddings, [[1, 2]])
    np.testing.assert_array_equal(crops, [[0, 1]])


def test_scalar_mul_and_sum_of_gradients():
    x = normal(3)
    check(lambda x: tf.math.scalar_mul(2.0, x), [x.astype(F32)], (2 * x).astype(F32))
    check(lambda s, x: tf.math.scalar_mul(s, x), [np.float64(3), x], 3 * x, session_shapes=[[], [None]])
    with pytest.raises(ValueError):
        tf.math.scalar_mul(tf.constant([1.0, 2.0]), tf.constant([1.0, 2.0]))


def test_fake_quantisation():
    x = np.array([-8.0, -5.7, -0.3, 0.0, 0.26, 3.3, 5.5, 9.0], F32)
    step = 12 / 255
    quantised = np.clip(np.round((np.clip(x, -6, 6) + 6) / step), 0, 255) * step - 6
    check(
        lambda x: tf.quantization.fake_quant_with_min_max_args(x),
        [x],
        quantised.astype(F32),
        atol=step * 1.01,
    )
    check(
        lambda x: tf.quantization.fake_quant_with_min_max_vars(x, -6.0, 6.0),
        [x],
        quantised.astype(F32),
        atol=step * 1.01,
    )
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.quantization.fake_quant_with_min_max_args(x)
    np.testing.assert_array_equal(tape.gradient(y, x), [0, 1, 1, 1, 1, 1, 1, 0])


@pytest.mark.parametrize("shape", [(8,), (3, 5), (2, 3, 4)], ids=str)
def test_fourier(shape):
    z = (normal(*shape) + 1j * normal(*shape[::-1]).reshape(shape)).astype(np.complex64)
    x = z.real.copy()
    tolerance = {"rtol": 1e-4, "atol": 1e-5}
    shapes = {"session_shapes": [list(shape)], "function_shapes": [list(shape)]}
    check(tf.signal.fft, [z], np.fft.fft(z).astype(np.complex64), **tolerance)
    check(tf.signal.ifft, [z], np.fft.ifft(z).astype(np.complex64), **tolerance)
    check(tf.signal.rfft, [x], np.fft.rfft(x).astype(np.complex64), **tolerance, **shapes)
    check(lambda x: tf.signal.irfft(tf.signal.rfft(x), [shape[-1]]), [x], x, **tolerance, **shapes)
    if len(shape) > 1:
        check(tf.signal.fft2d, [z], np.fft.fft2(z).astype(np.complex64), **tolerance)
    check(lambda z: tf.signal.fftshift(z), [z], np.fft.fftshift(z), **shapes)


def test_fourier_gradient():
    check_gradient(
        lambda x: tf.abs(tf.signal.fft(tf.complex(x, x * x))), [normal(4)], ways=("eager", "session")
    )
    check_gradient(
        lambda x: tf.abs(tf.signal.rfft(x)), [normal(6)], ways=("eager",), session_shapes=[[6]], rtol=1e-4
    )


def test_approximate_top_k():
    x = np.array([[3, 9, 1, 7], [2, 8, 5, 0]], F32)
    values, indices = tf.math.approx_max_k(x, 2)
    np.testing.assert_array_equal(np.sort(values), [[7, 9], [5, 8]])
    np.testing.assert_array_equal(np.sort(indices), [[1, 3], [1, 2]])


def test_sobol_sample():
    expected = np.array([[0.5, 0.5], [0.75, 0.25], [0.25, 0.75], [0.375, 0.375]], F32)
    check(lambda: tf.math.sobol_sample(2, 4), [], expected)


def test_extract_volume_patches():
    x = np.arange(8, dtype=F32).reshape(1, 2, 2, 2, 1)
    check(
        lambda x: tf.extract_volume_patches(x, [1, 2, 2, 2, 1], [1, 1, 1, 1, 1], "VALID"),
        [x],
        x.reshape(1, 1, 1, 1, 8),
        ways=("eager", "function"),  # the shape that TensorFlow infers for an unknown rank is wrong
    )


def test_extract_image_patches_v1():
    x = np.arange(16, dtype=F32).reshape(1, 4, 4, 1)
    check(
        lambda x: tf.compat.v1.extract_image_patches(x, [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID"),
        [x],
        x.reshape(1, 2, 2, 2, 2, 1).transpose(0, 1, 3, 2, 4, 5).reshape(1, 2, 2, 4),
    )
    check_gradient(
        lambda x: tf.image.extract_patches(x * x, [1, 2, 2, 1], [1, 1, 1, 1], [1, 1, 1, 1], "SAME"),
        [normal(1, 3, 3, 1)],
        ways=("eager",),
    )


def test_batch_dimension_helpers():
    x = normal(2, 3, 4)
    check(lambda x: tf.map_fn(tf.reduce_sum, x), [x], x.sum((1, 2)), session_shapes=known_rank(x))
    check(
        lambda x: tf.vectorized_map(lambda row: tf.reduce_max(row, 0), x),
        [x],
        x.max(1),
        session_shapes=[[2, 3, 4]],
    )
