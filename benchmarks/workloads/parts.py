"""Single operations that networks spend their time in: gradients of 1x1 convolutions and of pooling, bfloat16."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.arrays import normal, weight
from benchmarks.registry import TENSORFLOW, Task, Workload

POINTWISE = Workload("gradients of a 1x1 convolution 32x28x28x128 to 128", tolerance=1e-3)
POOL_2 = Workload("gradient of max pooling 2x2 by 2, 64x28x28x32")
POOL_3 = Workload("gradient of max pooling 3x3 by 2, 16x57x57x64")
MATMUL_BF16 = Workload("matmul 128x784 by 784x512, bfloat16", tolerance=2e-2)
CONV_BF16 = Workload("conv 8x28x28x128 by 3x3x128x128, bfloat16", tolerance=2e-2)

NUMBERS = ("NHWC", "HWIO", "NHWC")


def _first_axis(array: np.ndarray) -> np.ndarray:
    """Channels first, in memory that PyTorch sees as its "channels last"."""
    return array.transpose(0, 3, 1, 2)


def _oihw(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array.transpose(3, 2, 0, 1))


# ---- both gradients of a 1x1 convolution

POINTS, POINT_KERNEL, POINT_GRADIENT = normal(32, 28, 28, 128), weight(1, 1, 128, 128), normal(32, 28, 28, 128, seed=1)


@POINTWISE.on(*TENSORFLOW)
def pointwise_tensorflow(tf: Any) -> Task:
    x, kernel, dy = tf.constant(POINTS), tf.constant(POINT_KERNEL), tf.constant(POINT_GRADIENT)

    @tf.function
    def gradients(x: Any, kernel: Any, dy: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = tf.nn.conv2d(x, kernel, 1, "SAME")
        return tape.gradient(y, [x, kernel], dy)

    return Task(lambda: gradients(x, kernel, dy), lambda value: [value[0].numpy(), value[1].numpy()])


@POINTWISE.on("torch")
def pointwise_torch(torch: Any) -> Task:
    x = torch.from_numpy(_first_axis(POINTS)).requires_grad_()
    kernel = torch.tensor(_oihw(POINT_KERNEL), requires_grad=True)
    dy = torch.from_numpy(_first_axis(POINT_GRADIENT))

    def step() -> Any:
        return torch.autograd.grad(torch.nn.functional.conv2d(x, kernel), (x, kernel), dy)

    def value(gradients: Any) -> Any:
        dx, d_kernel = gradients
        return [dx.permute(0, 2, 3, 1).numpy(), d_kernel.permute(2, 3, 1, 0).numpy()]

    return Task(step, value)


@POINTWISE.on("jax")
def pointwise_jax(jax: Any) -> Task:
    arguments = [jax.numpy.array(a) for a in (POINTS, POINT_KERNEL, POINT_GRADIENT)]

    def convolve(x: Any, kernel: Any) -> Any:
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=NUMBERS)

    gradients = jax.jit(lambda x, kernel, dy: jax.vjp(convolve, x, kernel)[1](dy))
    return Task(lambda: gradients(*arguments), list)


# ---- the gradient of max pooling


def _declare_pool(workload: Workload, size: int, image: np.ndarray) -> None:
    side = (image.shape[1] - size) // 2 + 1
    gradient = normal(image.shape[0], side, side, image.shape[3], seed=1)

    @workload.on(*TENSORFLOW)
    def tensorflow(tf: Any) -> Task:
        x, dy = tf.constant(image), tf.constant(gradient)

        @tf.function
        def backward(x: Any, dy: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = tf.nn.max_pool2d(x, size, 2, "VALID")
            return tape.gradient(y, x, dy)

        return Task(lambda: backward(x, dy), lambda value: value.numpy())

    @workload.on("torch")
    def torch(torch: Any) -> Task:
        x = torch.from_numpy(_first_axis(image)).requires_grad_()
        dy = torch.from_numpy(_first_axis(gradient))

        def step() -> Any:
            return torch.autograd.grad(torch.nn.functional.max_pool2d(x, size, 2), x, dy)[0]

        return Task(step, lambda value: value.permute(0, 2, 3, 1).numpy())

    @workload.on("jax")
    def jax(jax: Any) -> Task:
        lax = jax.lax
        x, dy = jax.numpy.array(image), jax.numpy.array(gradient)

        def pool(x: Any) -> Any:
            return lax.reduce_window(x, -np.inf, lax.max, (1, size, size, 1), (1, 2, 2, 1), "VALID")

        backward = jax.jit(lambda x, dy: jax.vjp(pool, x)[1](dy)[0])
        return Task(lambda: backward(x, dy), lambda value: value)


_declare_pool(POOL_2, 2, normal(64, 28, 28, 32))
_declare_pool(POOL_3, 3, normal(16, 57, 57, 64))


# ---- bfloat16


def _declare_bfloat16(
    workload: Workload, left: np.ndarray, right: np.ndarray,
    by_tensorflow: Callable[..., Any], by_torch: Callable[..., Any], by_jax: Callable[..., Any],
    for_torch: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]] = lambda a, b: (a, b),
) -> None:
    @workload.on(*TENSORFLOW)
    def tensorflow(tf: Any) -> Task:
        a, b = (tf.cast(tf.constant(array), tf.bfloat16) for array in (left, right))
        function = tf.function(lambda a, b: by_tensorflow(tf, a, b))
        return Task(lambda: function(a, b), lambda value: value.numpy())

    @workload.on("torch")
    def torch(torch: Any) -> Task:
        a, b = (torch.from_numpy(array).to(torch.bfloat16) for array in for_torch(left, right))

        def value(output: Any) -> Any:
            output = output.float()
            return (output.permute(0, 2, 3, 1) if output.ndim == 4 else output).numpy()

        return Task(lambda: by_torch(torch, a, b), value)

    @workload.on("jax")
    def jax(jax: Any) -> Task:
        a, b = (jax.numpy.array(array, jax.numpy.bfloat16) for array in (left, right))
        function = jax.jit(lambda a, b: by_jax(jax, a, b))
        return Task(lambda: function(a, b), lambda value: value)


_declare_bfloat16(
    MATMUL_BF16, normal(128, 784), weight(784, 512),
    lambda tf, a, b: tf.matmul(a, b), lambda torch, a, b: a @ b, lambda jax, a, b: a @ b,
)
_declare_bfloat16(
    CONV_BF16, normal(8, 28, 28, 128), weight(3, 3, 128, 128),
    lambda tf, x, kernel: tf.nn.conv2d(x, kernel, 1, "SAME"),
    lambda torch, x, kernel: torch.nn.functional.conv2d(x, kernel, padding=1),
    lambda jax, x, kernel: jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=NUMBERS),
    lambda x, kernel: (_first_axis(x), _oihw(kernel)),
)
