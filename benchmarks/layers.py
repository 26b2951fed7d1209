"""The few layers that networks of the benchmarks are made of, for each framework in its own words.

A network is described once, as a function of one of these classes, its parameters and its input; what runs
is then what each framework's users would write.  everflow and TensorFlow share one class.  Images come as
[batch, height, width, channels]; PyTorch has the channels first.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

EPSILON = 1e-3


class Parameter(NamedTuple):
    """An initial value and what it is: "kernel" (height, width, in, out), "depthwise" (h, w, in, 1) or "array"."""

    value: np.ndarray
    kind: str = "array"


class TensorFlowLayers:
    """For TensorFlow and everflow."""

    def __init__(self, tf: Any) -> None:
        self.tf = tf
        self.relu, self.leaky_relu = tf.nn.relu, tf.nn.leaky_relu

    def constant(self, parameter: Parameter) -> Any:
        return self.tf.constant(parameter.value)

    def variable(self, parameter: Parameter) -> Any:
        return self.tf.Variable(parameter.value)

    def images(self, array: np.ndarray) -> Any:
        return self.tf.constant(array)

    def conv(self, x: Any, kernel: Any, stride: int = 1) -> Any:
        around = kernel.shape[0] // 2
        padding = "SAME" if stride == 1 else [[0, 0], [around, around], [around, around], [0, 0]]
        return self.tf.nn.conv2d(x, kernel, strides=stride, padding=padding)

    def depthwise(self, x: Any, kernel: Any, stride: int = 1) -> Any:
        around = kernel.shape[0] // 2
        padding = "SAME" if stride == 1 else [[0, 0], [around, around], [around, around], [0, 0]]
        return self.tf.nn.depthwise_conv2d(x, kernel, strides=[1, stride, stride, 1], padding=padding)

    def batch_norm(self, x: Any, scale: Any, offset: Any) -> Any:
        return self.tf.compat.v1.nn.fused_batch_norm(x, scale, offset, epsilon=EPSILON)[0]

    def batch_norm_inference(self, x: Any, scale: Any, offset: Any, mean: Any, variance: Any) -> Any:
        return self.tf.compat.v1.nn.fused_batch_norm(
            x, scale, offset, mean, variance, epsilon=EPSILON, is_training=False
        )[0]

    def max_pool_3x3(self, x: Any) -> Any:
        """Windows of 3x3, 2 apart, of features that are not negative."""
        return self.tf.nn.max_pool2d(self.tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), 3, 2, "VALID")

    def mean_over_image(self, x: Any) -> Any:
        return self.tf.reduce_mean(x, axis=[1, 2])

    def dense(self, x: Any, kernel: Any, bias: Any) -> Any:
        return self.tf.matmul(x, kernel) + bias

    def flat(self, x: Any) -> Any:
        return self.tf.reshape(x, [x.shape[0], -1])

    def cross_entropy(self, logits: Any, labels: Any) -> Any:
        return self.tf.reduce_mean(
            self.tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        )


class TorchLayers:
    """For PyTorch."""

    def __init__(self, torch: Any) -> None:
        self.torch, self.functional = torch, torch.nn.functional
        self.relu = torch.relu

    def constant(self, parameter: Parameter) -> Any:
        order = {"kernel": (3, 2, 0, 1), "depthwise": (2, 3, 0, 1)}.get(parameter.kind)
        value = parameter.value if order is None else np.ascontiguousarray(parameter.value.transpose(order))
        return self.torch.tensor(value)

    def variable(self, parameter: Parameter) -> Any:
        return self.constant(parameter).requires_grad_()

    def images(self, array: np.ndarray) -> Any:
        # Channels first in memory too: measured 1.3 to 6 times faster in training than "channels last".
        return self.torch.from_numpy(array).permute(0, 3, 1, 2).contiguous()

    def leaky_relu(self, x: Any) -> Any:
        return self.functional.leaky_relu(x, 0.2)

    def conv(self, x: Any, kernel: Any, stride: int = 1) -> Any:
        return self.functional.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)

    def depthwise(self, x: Any, kernel: Any, stride: int = 1) -> Any:
        return self.functional.conv2d(
            x, kernel, stride=stride, padding=kernel.shape[-1] // 2, groups=kernel.shape[0]
        )

    def batch_norm(self, x: Any, scale: Any, offset: Any) -> Any:
        return self.functional.batch_norm(x, None, None, scale, offset, training=True, eps=EPSILON)

    def batch_norm_inference(self, x: Any, scale: Any, offset: Any, mean: Any, variance: Any) -> Any:
        return self.functional.batch_norm(x, mean, variance, scale, offset, eps=EPSILON)

    def max_pool_3x3(self, x: Any) -> Any:
        return self.functional.max_pool2d(x, 3, 2, padding=1)

    def mean_over_image(self, x: Any) -> Any:
        return x.mean((2, 3))

    def dense(self, x: Any, kernel: Any, bias: Any) -> Any:
        return x @ kernel + bias

    def flat(self, x: Any) -> Any:
        # The features in the order that the others have them in.
        return x.permute(0, 2, 3, 1).flatten(1)

    def cross_entropy(self, logits: Any, labels: Any) -> Any:
        return self.functional.cross_entropy(logits, labels.long())


class JaxLayers:
    """For JAX."""

    def __init__(self, jax: Any) -> None:
        self.jax, self.jnp = jax, jax.numpy
        self.relu = jax.nn.relu

    def constant(self, parameter: Parameter) -> Any:
        return self.jnp.array(parameter.value)

    variable = constant

    def images(self, array: np.ndarray) -> Any:
        return self.jnp.array(array)

    def leaky_relu(self, x: Any) -> Any:
        return self.jax.nn.leaky_relu(x, 0.2)

    def conv(self, x: Any, kernel: Any, stride: int = 1, groups: int = 1) -> Any:
        around = kernel.shape[0] // 2
        return self.jax.lax.conv_general_dilated(
            x, kernel, (stride, stride), [(around, around)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )

    def depthwise(self, x: Any, kernel: Any, stride: int = 1) -> Any:
        return self.conv(x, kernel.swapaxes(2, 3), stride, groups=kernel.shape[2])

    def batch_norm(self, x: Any, scale: Any, offset: Any) -> Any:
        mean, variance = self.jnp.mean(x, (0, 1, 2)), self.jnp.var(x, (0, 1, 2))
        return self.batch_norm_inference(x, scale, offset, mean, variance)

    def batch_norm_inference(self, x: Any, scale: Any, offset: Any, mean: Any, variance: Any) -> Any:
        return (x - mean) * (scale * self.jax.lax.rsqrt(variance + EPSILON)) + offset

    def max_pool_3x3(self, x: Any) -> Any:
        lax = self.jax.lax
        around = ((0, 0), (1, 1), (1, 1), (0, 0))
        return lax.reduce_window(x, -self.jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), around)

    def mean_over_image(self, x: Any) -> Any:
        return self.jnp.mean(x, (1, 2))

    def dense(self, x: Any, kernel: Any, bias: Any) -> Any:
        return x @ kernel + bias

    def flat(self, x: Any) -> Any:
        return x.reshape(x.shape[0], -1)

    def cross_entropy(self, logits: Any, labels: Any) -> Any:
        logarithms = self.jax.nn.log_softmax(logits)
        return -self.jnp.mean(self.jnp.take_along_axis(logarithms, labels[:, None], axis=1))
