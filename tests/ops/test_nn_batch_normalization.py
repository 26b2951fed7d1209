"""Batch normalization in compiled programs, with its derivatives, against NumPy's."""

import numpy as np
import pytest

import everflow as tf


def array(*shape, seed=0, mean=0.0):
    return (np.random.RandomState(seed).randn(*shape) + mean).astype(np.float32)


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
    np.testing.assert_allclose(mapped, np.stack([one(t).numpy() for t in x]), rtol=1e-4, atol=1e-4)
