"""Sums and scalings of channels by the native kernels, against double precision."""

import jax
import numpy as np
import pytest

import everflow as tf
from everflow._src.runtime.native import channels as native
from everflow._src.runtime.native.library import library
from tests.runtime.native.cases import needs_native

pytestmark = needs_native

SHAPES = [(64, 33), (3, 700), (1, 2048), (2, 5, 7, 48), (4099, 1), (130, 3, 16)]


def array(*shape, seed=0, mean=0.0, scale=1.0):
    return (np.random.RandomState(seed).randn(*shape) * scale + mean).astype(np.float32)


def close(actual, expected, tolerance):
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mean", [0.0, 1000.0])
def test_moments(shape, mean):
    x = array(*shape, mean=mean)
    assert native.serves(jax, x)
    found = jax.jit(lambda x: native.moments(jax, x, None))(x)
    wide = x.astype(np.float64).reshape(-1, shape[-1])
    # The numbers themselves are rounded to the 24 bits of their mean.
    close(found[0], wide.mean(0), 1e-6 * max(1, mean))
    close(found[1], wide.var(0), 1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_products(shape):
    dy, x, mean = array(*shape), array(*shape, seed=1, mean=3), array(shape[-1], seed=2, mean=3)
    found = jax.jit(lambda *a: native.products(jax, *a, None))(dy, x, mean)
    dy, x = (t.astype(np.float64).reshape(-1, shape[-1]) for t in (dy, x))
    close(found[0], dy.sum(0), 1e-4)
    close(found[1], (dy * (x - mean)).sum(0), 1e-3)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("addends", [0, 1, 2])
def test_affine(shape, relu, addends):
    x, addend = array(*shape), array(*shape, seed=1)
    shift, factor, offset, weight = (array(shape[-1], seed=s) for s in range(2, 6))
    rest = (addend, weight)[:addends]
    found = jax.jit(lambda *a: native.affine(jax, None, *a, relu=relu))(x, shift, factor, offset, *rest)
    expected = (x.astype(np.float64) - shift) * factor + offset
    if addends:
        expected = expected + addend * (weight if addends == 2 else 1)
    close(found, np.maximum(expected, 0) if relu else expected, 1e-5)


def test_nan_and_infinity_are_carried_through():
    x = array(100, 32)
    x[7, 3], x[9, 4] = np.nan, np.inf
    mean, variance = jax.jit(lambda x: native.moments(jax, x, None))(x)
    assert np.isnan(mean[3]) and np.isnan(variance[3])
    assert not np.isfinite(mean[4]) and not np.isfinite(variance[4])
    assert np.isfinite(np.delete(mean, [3, 4])).all()
    ones = np.ones(32, np.float32)
    result = np.asarray(jax.jit(lambda x: native.affine(jax, None, x, 0 * ones, ones, ones, relu=True))(x))
    assert np.isnan(result[7, 3]) and np.isposinf(result[9, 4]) and np.isnan(result).sum() == 1


def test_the_same_bits_every_time():
    x = array(5000, 48)
    moments = jax.jit(lambda x: native.moments(jax, x, None))
    first = [np.asarray(v).tobytes() for v in moments(x)]
    assert all([np.asarray(v).tobytes() for v in moments(x)] == first for _ in range(20))


def test_what_the_kernels_leave_to_xla():
    assert not native.serves(jax, array(4, 4))
    assert not native.serves(jax, np.ones((64, 64)))
    assert not native.serves(jax, np.ones((0, 4096), np.float32))
    assert not native.serves(jax, np.ones(4096, np.float32))


@pytest.mark.parametrize(("numbers", "shapes", "message"), [
    ([64, 33], [(64, 33)], "incomplete"),
    ([64, 0, 0], [(64, 33)], "out of range"),
    ([2 ** 62, 2 ** 62, 0], [(64, 33)], "out of range"),
    ([-64, 33, 0], [(64, 33)], "out of range"),
    ([64, 33, 7], [(64, 33)], "neither 0 nor 1"),
    ([65, 33, 0], [(64, 33)], "another size"),
])
def test_malformed_calls_are_errors(numbers, shapes, message):
    assert library().register(jax)
    vector = jax.ShapeDtypeStruct((33,), np.float32)
    target = jax.ffi.ffi_call("everflow_channel_moments", (vector, vector))
    with pytest.raises(Exception, match=message):
        jax.block_until_ready(target(*map(array, *zip(*shapes)), numbers=np.array(numbers, np.int64)))


@pytest.mark.parametrize("operands", [3, 7])
def test_an_unexpected_number_of_operands(operands):
    assert library().register(jax)
    target = jax.ffi.ffi_call("everflow_channel_affine", jax.ShapeDtypeStruct((64, 33), np.float32))
    with pytest.raises(Exception, match="number of operands"):
        jax.block_until_ready(target(*[array(64, 33)] * operands, numbers=np.array([64, 33, 0], np.int64)))


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
@pytest.mark.parametrize("mean", [0.0, 30.0])
def test_normalization_and_its_derivatives_agree_with_numpy(data_format, mean):
    def derivatives(x, scale, offset, addend):
        with tf.GradientTape() as second:
            second.watch([x, scale, offset])
            with tf.GradientTape() as first:
                first.watch([x, scale, offset, addend])
                y, *_ = tf.compat.v1.nn.fused_batch_norm(x, scale, offset, data_format=data_format)
                loss = tf.reduce_sum(tf.sin(tf.nn.relu(y + addend)) * addend)
            gradients = first.gradient(loss, [x, scale, offset, addend])
            again = tf.add_n([tf.reduce_sum(tf.square(g)) for g in gradients])
        return loss, *gradients, *second.gradient(again, [x, scale, offset])

    shape = (4, 9, 9, 16) if data_format == "NHWC" else (4, 16, 9, 9)
    operands = [tf.constant(array(*s, seed=i, mean=m)) for i, (s, m) in enumerate(
        [(shape, mean), ((16,), 0), ((16,), 0), (shape, 0)])]
    expected = derivatives(*operands)  # eagerly, by NumPy
    for ours, theirs in zip(tf.function(derivatives, jit_compile=True)(*operands), expected):
        largest = np.abs(theirs.numpy()).max()
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-4 * largest)


def test_normalization_is_mapped():
    x = tf.constant(array(3, 4, 9, 9, 16))
    scale, offset = tf.constant(array(16)), tf.constant(array(16, seed=1))

    def one(x):
        return tf.compat.v1.nn.fused_batch_norm(x, scale, offset)[0]

    mapped = tf.function(lambda x: tf.vectorized_map(one, x), jit_compile=True)(x)
    close(mapped, np.stack([one(t).numpy() for t in x]), 1e-4)
