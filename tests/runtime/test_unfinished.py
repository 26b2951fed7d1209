"""Results that are held back, and what is computed in one go with them."""

import jax
import numpy as np
import pytest

import everflow as tf
from everflow._src.runtime.native.library import status
from everflow._src.runtime.unfinished import Unfinished, finished

ONES = np.ones(3, np.float32)


def unfinished(takes=("bias", "affine", "addend", "relu")):
    calls = []

    def compute(**later):
        calls.append(later)
        return later

    return Unfinished((2, 3), np.dtype(np.float32), compute, takes), calls


def test_it_is_computed_once():
    value, calls = unfinished()
    assert value.finish() is value.finish() and calls == [{}]
    assert finished(value) == {} and finished(5) == 5


def test_what_comes_behind_in_order():
    value, _ = unfinished()
    addend = np.ones((2, 3), np.float32)
    last = value.plus(ONES[None]).scaled(ONES, ONES, ONES).plus(addend).with_relu()
    assert list(last.finish()) == ["bias", "affine", "addend", "relu"]
    assert last.finish()["bias"].shape == (3,) and last.shape == (2, 3) and last.ndim == 2


def test_another_shape():
    value, calls = unfinished(("bias", "positive"))
    features = np.ones((2, 1, 3), np.float32)
    with pytest.raises(AttributeError):  # what is computed here is no array that could be brought into the shape
        value.plus(ONES).reshaped((2, 1, 3)).where_positive(features).finish()
    assert list(calls[0]) == ["bias", "positive"] and calls[0]["positive"].shape == (2, 3)
    for shape in ((3, 2), (6,), (), (2, 2, 3), (-1, 3)):
        assert value.reshaped(shape) is None
    assert value.where_positive(features) is None and value.where_positive(ONES) is None


def test_what_does_not_fit_is_refused():
    value, _ = unfinished()
    assert value.plus(np.float32(1)) is None
    assert value.plus(ONES.astype(np.float64)) is None
    assert value.plus(np.ones((5, 2, 3), np.float32)) is None
    assert value.plus(np.ones((2, 1), np.float32)) is None
    assert value.with_relu().plus(ONES) is None
    assert value.with_relu().with_relu() is None
    assert value.plus(ONES).plus(ONES) is None
    assert value.scaled(ONES, ONES[:1], ONES) is None
    only_bias, _ = unfinished(("bias",))
    assert only_bias.with_relu() is None and only_bias.plus(np.ones((2, 3), np.float32)) is None


X = tf.constant(np.random.RandomState(0).randn(2, 12, 12, 8).astype(np.float32))
W = tf.constant(np.random.RandomState(1).randn(3, 3, 8, 16).astype(np.float32))
B = tf.constant(np.random.RandomState(2).randn(16).astype(np.float32))
PROGRAMS = {
    "bias": lambda y: y + B,
    "bias first": lambda y: B + y,
    "bias_add": lambda y: tf.nn.bias_add(y, B),
    "relu": tf.nn.relu,
    "bias and relu": lambda y: tf.nn.relu(y + B),
    "relu and bias": lambda y: tf.nn.relu(y) + B,
    "two biases": lambda y: (y + B) + B,
    "itself": lambda y: tf.nn.relu(y + y),
    "read twice": lambda y: tf.nn.relu(y + B) - y,
    "its shape read": lambda y: tf.nn.relu(y + B) * tf.cast(tf.shape(y)[1], tf.float32),
    "returned too": lambda y: (tf.nn.relu(y), y),
    "another convolution": lambda y: tf.nn.relu(y + tf.nn.conv2d(X, 2 * W, 1, "SAME")),
    "inference": lambda y: tf.nn.relu(tf.compat.v1.nn.fused_batch_norm(
        y, B, B, 0.1 * B, tf.abs(B) + 1, is_training=False)[0]),
    "inference and an addition": lambda y: tf.nn.relu(X[..., :1] * B + tf.compat.v1.nn.fused_batch_norm(
        y, B, B, 0.1 * B, tf.abs(B) + 1, is_training=False)[0]),
    "in a branch": lambda y: tf.cond(tf.reduce_sum(X) > 0, lambda: tf.nn.relu(y + B), lambda: y),
    "in a loop": lambda y: tf.while_loop(
        lambda i, z: i < 3, lambda i, z: (i + 1, tf.nn.relu(tf.nn.conv2d(z, W[..., :8], 1, "SAME") + B[:8]) / 50),
        (0, X))[1],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_agree_with_numpy(name):
    def program():
        return PROGRAMS[name](tf.nn.conv2d(X, W, 1, "SAME"))

    expected = tf.nest.flatten(program())
    for ours, theirs in zip(tf.nest.flatten(tf.function(program, jit_compile=True)()), expected, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not status().available, reason=f"the native kernels are not here: {status().what}")
@pytest.mark.parametrize(("name", "operands"), [
    ("bias and relu", 3), ("relu and bias", 2), ("read twice", 2), ("its shape read", 3), ("inference", 5),
])
def test_how_many_operands_the_convolution_takes(name, operands, monkeypatch):
    calls = []
    call = jax.ffi.ffi_call

    def watched(target, *args, **kwargs):
        def note(*given, **attrs):
            calls.append((target, len(given)))
            return call(target, *args, **kwargs)(*given, **attrs)
        return note

    monkeypatch.setattr(jax.ffi, "ffi_call", watched)
    monkeypatch.setenv("EVERFLOW_CACHE", "0")
    tf.function(lambda x: PROGRAMS[name](tf.nn.conv2d(x, W, 1, "SAME")), jit_compile=True)(2 * X)
    assert ("everflow_convolution", operands) in calls
