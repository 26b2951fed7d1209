"""Conversions between dtypes, at the ends of their ranges."""

import numpy as np
import pytest

import everflow as tf

NUMBERS = ["float16", "bfloat16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64", "uint32", "uint64"]


@pytest.mark.parametrize("target", [*NUMBERS, "bool", "complex64"])
@pytest.mark.parametrize("source", [*NUMBERS, "bool", "complex64"])
def test_cast_is_the_same_compiled(source, target):
    x = tf.cast(tf.constant([0, 1, 2, 100]), source)
    result = tf.cast(x, target)
    assert result.dtype.name == target
    compiled = tf.function(lambda t: tf.cast(t, target), jit_compile=True)(x)
    assert compiled.dtype.name == target
    assert compiled.numpy().tolist() == result.numpy().tolist()


def test_fractions_and_imaginary_parts_are_dropped():
    assert tf.cast([1.9, -1.9], tf.int32).numpy().tolist() == [1, -1]
    assert tf.cast([1 + 2j], tf.float32).numpy().tolist() == [1.0]
    assert tf.cast([0.0, 0.5, np.nan], tf.bool).numpy().tolist() == [False, True, True]


def test_a_tensor_of_the_dtype_is_itself():
    x = tf.constant([1.0])
    assert tf.cast(x, tf.float32) is x
    with tf.Graph().as_default():
        y = tf.constant([1.0])
        assert tf.cast(y, "float32") is y


def test_text_is_no_number():
    with pytest.raises(tf.errors.UnimplementedError, match="Cast string to float is not supported"):
        tf.cast(tf.constant(["1"]), tf.float32)


def test_gradients_pass_between_floats_only():
    x = tf.constant([1.5, 2.5])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        wide, whole = tf.cast(x, tf.float64) * 2.0, tf.cast(tf.cast(x, tf.int32), tf.float32)
    gradient = tape.gradient(wide, x)
    assert gradient.dtype == tf.float32 and gradient.numpy().tolist() == [2.0, 2.0]
    assert tape.gradient(whole, x) is None


@pytest.mark.parametrize("target", NUMBERS)
@pytest.mark.parametrize("source", ["float32", "float64", "int32", "int64", "uint8"])
def test_saturated_numbers_stay_in_range(source, target):
    low, high = (np.array(v).astype(tf.as_dtype(source).as_numpy_dtype) for v in
                 (tf.as_dtype(source).min, tf.as_dtype(source).max))  # fmt: skip
    result = tf.saturate_cast(tf.constant([low, 1, high]), target).numpy().astype(np.float64)
    limits = tf.as_dtype(target)
    expected = np.clip([float(low), 1, float(high)], float(limits.min), float(limits.max))
    np.testing.assert_allclose(result, expected, 0.01)


def test_bits():
    x = tf.constant([1.0, -2.0])
    whole = tf.bitcast(x, tf.uint8)
    assert whole.shape == [2, 4]
    assert tf.bitcast(whole, tf.float32).numpy().tolist() == [1.0, -2.0]
    compiled = tf.function(lambda t: tf.bitcast(tf.bitcast(t, tf.int16), tf.float32), jit_compile=True)
    assert compiled(x).numpy().tolist() == [1.0, -2.0]
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.bitcast(tf.zeros([3]), tf.float64)
