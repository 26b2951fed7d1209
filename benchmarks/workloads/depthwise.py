"""A training step of a small network of depthwise separable convolutions (MobileNet; Howard et al., 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.arrays import batches, labels, normal, weight
from benchmarks.layers import Parameter
from benchmarks.registry import Workload
from benchmarks.training import Training

STEP = Workload(
    "depthwise separable network step, batch 32", tolerance=1e-3, at_most={"tensorflow": 0.8, "torch": 1.0}
)
SESSION = Workload(
    "depthwise separable network step, batch 32, Session.run", tolerance=1e-3,
    at_most={"tensorflow": 0.8, "torch": 1.0},
)

# Channels and stride of every separable convolution, on images of 32x32 behind a stem of 32 channels.
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1))


def _scale_and_offset(channels: int) -> list[Parameter]:
    return [Parameter(np.ones(channels, np.float32)), Parameter(np.zeros(channels, np.float32))]


def _parameters() -> list[Parameter]:
    parameters = [Parameter(weight(3, 3, 3, 32), "kernel"), *_scale_and_offset(32)]
    inputs = 32
    for seed, (outputs, _) in enumerate(BLOCKS):
        parameters += [
            Parameter(normal(3, 3, inputs, 1, seed=seed, scale=1 / 3), "depthwise"), *_scale_and_offset(inputs),
            Parameter(weight(1, 1, inputs, outputs, seed=seed), "kernel"), *_scale_and_offset(outputs),
        ]
        inputs = outputs
    return [*parameters, Parameter(weight(inputs, 10)), Parameter(np.zeros(10, np.float32))]


def _loss(layers: Any, parameters: Sequence[Any], x: Any, y: Any) -> Any:
    take = iter(parameters).__next__
    x = layers.relu(layers.batch_norm(layers.conv(x, take()), take(), take()))
    for _, stride in BLOCKS:
        x = layers.relu(layers.batch_norm(layers.depthwise(x, take(), stride), take(), take()))
        x = layers.relu(layers.batch_norm(layers.conv(x, take()), take(), take()))
    return layers.cross_entropy(layers.dense(layers.mean_over_image(x), take(), take()), y)


def _batches() -> Any:
    return batches(lambda seed: (normal(32, 32, 32, 3, seed=seed), labels(32, 10, seed)))


Training(_loss, _parameters, _batches, rate=0.1).declare(STEP, SESSION)
