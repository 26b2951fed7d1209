"""Residual networks (He et al., 2015): one block, ResNet-20 as for CIFAR, and ResNet-50 at inference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.arrays import batches, labels, normal, weight
from benchmarks.layers import JaxLayers, Parameter, TensorFlowLayers, TorchLayers
from benchmarks.registry import TENSORFLOW, Task, Workload
from benchmarks.training import Training

BLOCK = Workload(
    "ResNet block 32x32x32x64 step, function", tolerance=1e-3, at_most={"tensorflow": 1.0, "torch": 1.0}
)
SMALL = Workload(
    "ResNet-20 CIFAR step, batch 32, function", tolerance=1e-3, at_most={"tensorflow": 0.9, "torch": 1.0}
)
SMALL_SESSION = Workload(
    "ResNet-20 CIFAR step, batch 32, Session.run", tolerance=1e-3, at_most={"tensorflow": 0.9, "torch": 1.0}
)


def _normalized_kernel(size: int, inputs: int, outputs: int, seed: int) -> list[Parameter]:
    """A convolution's kernel, and scale and offset of the batch normalization behind it."""
    return [
        Parameter(weight(size, size, inputs, outputs, seed=seed), "kernel"),
        Parameter(1.0 + normal(outputs, seed=seed, scale=0.1)),
        Parameter(normal(outputs, seed=seed + 1, scale=0.1)),
    ]


def _images(batch: int, size: int, channels: int, classes: int) -> Callable[[], Iterator[Any]]:
    return lambda: batches(
        lambda seed: (normal(batch, size, size, channels, seed=seed), labels(batch, classes, seed))
    )


def _basic_block(layers: Any, take: Callable[[], Any], x: Any, stride: int, projected: bool) -> Any:
    """Two 3x3 convolutions, around which the input passes: as it is, or by a 1x1 convolution."""
    y = layers.relu(layers.batch_norm(layers.conv(x, take(), stride), take(), take()))
    y = layers.batch_norm(layers.conv(y, take()), take(), take())
    if projected:
        x = layers.batch_norm(layers.conv(x, take(), stride), take(), take())
    return layers.relu(x + y)


def _block_loss(layers: Any, parameters: Sequence[Any], x: Any, y: Any) -> Any:
    x = _basic_block(layers, iter(parameters).__next__, x, 1, False)
    return layers.cross_entropy(layers.mean_over_image(x), y)


Training(
    _block_loss,
    lambda: [*_normalized_kernel(3, 64, 64, 1), *_normalized_kernel(3, 64, 64, 2)],
    _images(32, 32, 64, 64),
    rate=0.1,
).declare(BLOCK)


# ---- ResNet-20: three stages of three blocks with 16, 32 and 64 channels

STAGES = (16, 32, 64)


def _small_parameters() -> list[Parameter]:
    parameters = _normalized_kernel(3, 3, 16, 0)
    inputs, seed = 16, 1
    for channels in STAGES:
        for _ in range(3):
            parameters += _normalized_kernel(3, inputs, channels, seed)
            parameters += _normalized_kernel(3, channels, channels, seed + 1)
            if inputs != channels:
                parameters += _normalized_kernel(1, inputs, channels, seed + 2)
            inputs, seed = channels, seed + 3
    return [*parameters, Parameter(weight(64, 10)), Parameter(np.zeros(10, np.float32))]


def _small_loss(layers: Any, parameters: Sequence[Any], x: Any, y: Any) -> Any:
    take = iter(parameters).__next__
    x = layers.relu(layers.batch_norm(layers.conv(x, take()), take(), take()))
    inputs = 16
    for channels in STAGES:
        for _ in range(3):
            first = inputs != channels
            x = _basic_block(layers, take, x, 2 if first else 1, first)
            inputs = channels
    return layers.cross_entropy(layers.dense(layers.mean_over_image(x), take(), take()), y)


Training(_small_loss, _small_parameters, _images(32, 32, 3, 10), rate=0.01).declare(SMALL, SMALL_SESSION)


# ---- ResNet-50 forward: four stages of bottlenecks; batch normalization with the moments of training

BOTTLENECKS = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2))


def _inference_kernel(size: int, inputs: int, outputs: int, seed: int) -> list[Parameter]:
    """Like `_normalized_kernel`, with mean and variance."""
    return [
        *_normalized_kernel(size, inputs, outputs, seed),
        Parameter(normal(outputs, seed=seed + 2, scale=0.1)),
        Parameter(1.0 + np.abs(normal(outputs, seed=seed + 3, scale=0.1))),
    ]


def _large_parameters() -> list[Parameter]:
    parameters = _inference_kernel(7, 3, 64, 0)
    inputs, seed = 64, 1
    for blocks, width, _ in BOTTLENECKS:
        for block in range(blocks):
            parameters += _inference_kernel(1, inputs, width, seed)
            parameters += _inference_kernel(3, width, width, seed + 1)
            parameters += _inference_kernel(1, width, 4 * width, seed + 2)
            if block == 0:
                parameters += _inference_kernel(1, inputs, 4 * width, seed + 3)
            inputs, seed = 4 * width, seed + 4
    return [*parameters, Parameter(weight(2048, 1000)), Parameter(np.zeros(1000, np.float32))]


def _large(layers: Any, parameters: Sequence[Any], x: Any) -> Any:
    take = iter(parameters).__next__

    def normalized(x: Any, stride: int = 1) -> Any:
        return layers.batch_norm_inference(layers.conv(x, take(), stride), take(), take(), take(), take())

    x = layers.max_pool_3x3(layers.relu(normalized(x, 2)))
    for blocks, _, stride in BOTTLENECKS:
        for block in range(blocks):
            step = stride if block == 0 else 1
            y = layers.relu(normalized(x))
            y = layers.relu(normalized(y, step))
            y = normalized(y)
            x = layers.relu((normalized(x, step) if block == 0 else x) + y)
    return layers.dense(layers.mean_over_image(x), take(), take())


def _declare_large(batch: int) -> None:
    workload = Workload(f"ResNet-50 forward 224x224, batch {batch}, function", tolerance=1e-3, check_steps=1)

    @workload.on(*TENSORFLOW)
    def tensorflow(tf: Any) -> Task:
        layers = TensorFlowLayers(tf)
        parameters = [layers.constant(p) for p in _large_parameters()]
        predict = tf.function(lambda x: _large(layers, parameters, x))
        x = layers.images(normal(batch, 224, 224, 3))
        return Task(lambda: predict(x), lambda value: value.numpy())

    @workload.on("torch")
    def torch(torch: Any) -> Task:
        layers = TorchLayers(torch)
        parameters = [layers.constant(p) for p in _large_parameters()]
        x = layers.images(normal(batch, 224, 224, 3))
        return Task(lambda: _large(layers, parameters, x), lambda value: value.numpy())

    @workload.on("jax")
    def jax(jax: Any) -> Task:
        layers = JaxLayers(jax)
        parameters = [layers.constant(p) for p in _large_parameters()]
        predict = jax.jit(lambda parameters, x: _large(layers, parameters, x))
        x = layers.images(normal(batch, 224, 224, 3))
        return Task(lambda: predict(parameters, x), lambda value: value)


for _batch in (1, 8):
    _declare_large(_batch)
