"""The compiled gradient of a convolution by its weights, against the one that NumPy computes."""

import numpy as np
import pytest

import everflow as tf
from everflow._src.framework.registry import CARDS
from everflow._src.ops import nn_convolution  # noqa: F401 - declares the cards


@pytest.mark.parametrize("batch", [0, 1, 3])
@pytest.mark.parametrize(
    ("size", "window", "strides", "dilations", "padding"),
    [
        ((9, 8), (3, 3), (1, 1), (1, 1), "SAME"),
        ((9, 8), (3, 2), (2, 3), (1, 1), "VALID"),
        ((9, 8), (2, 3), (1, 1), (2, 2), "SAME"),
        ((9, 8), (1, 1), (2, 2), (1, 1), "SAME"),
        ((40, 40), (33, 1), (1, 1), (1, 1), "VALID"),
    ],
)
def test_compiled_gradient_by_weights(batch, size, window, strides, dilations, padding):
    random = np.random.default_rng(0)
    x = random.standard_normal((batch, *size, 4)).astype(np.float32)
    w = random.standard_normal((*window, 4, 5)).astype(np.float32)
    options = {"strides": [1, *strides, 1], "dilations": [1, *dilations, 1], "padding": padding}
    dy = random.standard_normal(CARDS["Conv2D"](x, w, **options).shape).astype(np.float32)

    def gradient(x, dy):
        return CARDS["Conv2DBackpropFilter"](x, np.array(w.shape, np.int32), dy, **options)

    compiled = tf.function(gradient, jit_compile=True)(tf.constant(x), tf.constant(dy))
    np.testing.assert_allclose(compiled.numpy(), gradient(x, dy).numpy(), rtol=1e-4, atol=1e-4)


def test_compiled_gradient_by_weights_of_groups():
    random = np.random.default_rng(0)
    x = random.standard_normal((2, 6, 6, 4)).astype(np.float32)
    dy = random.standard_normal((2, 6, 6, 6)).astype(np.float32)

    def gradient(x, dy):
        sizes = np.array([3, 3, 2, 6], np.int32)
        return CARDS["Conv2DBackpropFilter"](x, sizes, dy, strides=[1, 1, 1, 1], padding="SAME")

    compiled = tf.function(gradient, jit_compile=True)(tf.constant(x), tf.constant(dy))
    np.testing.assert_allclose(compiled.numpy(), gradient(x, dy).numpy(), rtol=1e-4, atol=1e-4)
