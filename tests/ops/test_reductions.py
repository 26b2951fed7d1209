"""Sums in compiled programs, which join neighbouring axes first."""

import itertools

import numpy as np
import pytest

import everflow as tf
from everflow._src.ops.reductions import compiled_sum

SHAPES = [(3, 4, 5, 2), (1, 4, 1, 3), (2, 0, 3, 4), (0, 3, 2, 0), (7, 1, 1, 1)]


def subsets(rank):
    return [axes for count in range(rank + 1) for axes in itertools.combinations(range(rank), count)]


@pytest.mark.parametrize("keep_dims", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_joined_axes_give_the_sum_over_each(shape, keep_dims):
    x = np.random.default_rng([*shape]).standard_normal(shape)
    for axes in subsets(len(shape)):
        found = compiled_sum(np, x, axes, keep_dims)
        expected = x.sum(axes, keepdims=keep_dims)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2), (0, 3), (2, 3), (0, 1, 2, 3), (1,)])
@pytest.mark.parametrize("reduce", [tf.reduce_sum, tf.reduce_mean])
def test_compiled_sums_are_those_of_double_precision(reduce, axes):
    x = np.random.default_rng(1).standard_normal((9, 7, 5, 6)).astype(np.float32)
    compiled = tf.function(lambda x: reduce(x, axes), jit_compile=True)
    expected = getattr(np, "sum" if reduce is tf.reduce_sum else "mean")(x.astype(np.float64), axes)
    np.testing.assert_allclose(compiled(x).numpy(), expected, rtol=1e-5, atol=1e-5)


def test_compiled_integer_sums_wrap():
    compiled = tf.function(lambda x: tf.reduce_sum(x, [0, 1]), jit_compile=True)
    assert compiled(np.full((2, 2, 3), 100, np.int8)).numpy().tolist() == [-112] * 3


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_small_floats_are_summed_in_single_precision(dtype, jit_compile):
    x = tf.cast(tf.fill([30, 100, 2], 0.1), dtype)
    exact = float(x[0, 0, 0])
    function = tf.function(
        lambda x: (tf.reduce_sum(x, [0, 1]), tf.reduce_mean(x, [0, 1]), tf.reduce_sum(x, 1)[0], tf.norm(x, axis=1)[0]),
        jit_compile=jit_compile,
    )
    for found, expected in zip(function(x), (3000 * exact, exact, 100 * exact, 10 * exact), strict=True):
        assert found.dtype == dtype
        np.testing.assert_allclose(tf.cast(found, tf.float32).numpy(), [expected] * 2, rtol=2.0**-8)


def test_nan_and_infinity_stay_in_their_channel():
    x = np.ones((4, 3, 2, 5), np.float32)
    x[1, 2, 0, 1], x[0, 0, 1, 2], x[3, 1, 1, 2], x[2, 2, 1, 4] = np.nan, np.inf, -np.inf, np.inf
    for function in (lambda x: tf.reduce_sum(x, [0, 1, 2]), lambda x: tf.raw_ops.BiasAddGrad(out_backprop=x)):
        found = tf.function(function, jit_compile=True)(x).numpy()
        np.testing.assert_array_equal(found, [24, np.nan, np.nan, 24, np.inf])


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_compiled_gradients_of_biases_twice(data_format):
    random = np.random.default_rng(2)
    x, bias = (tf.constant(random.standard_normal(s)) for s in ((2, 3, 4, 3), (3,)))

    @tf.function(jit_compile=True)
    def gradient_norm(x, bias):
        with tf.GradientTape() as tape:
            tape.watch(bias)
            loss = tf.reduce_sum(tf.nn.bias_add(x, bias, data_format) ** 3)
        return tf.reduce_sum(tape.gradient(loss, bias) ** 2)

    theoretical, numerical = tf.test.compute_gradient(gradient_norm, [x, bias])
    for one, other in zip(theoretical, numerical, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())
