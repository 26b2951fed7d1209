"""Datasets in memory: time per pass over 4,096 examples of 64 features in shuffled batches of 32."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.arrays import normal
from benchmarks.registry import TENSORFLOW, Task, Workload

FEATURES = normal(4096, 64)

PLAIN = Workload("dataset shuffle.batch, 4096 examples", at_most={"tensorflow": 0.1})
MAPPED = Workload("dataset map.shuffle.batch, 4096 examples", at_most={"tensorflow": 0.1})


def _pass(dataset: Any) -> Any:
    # The sum over a pass is the same in every order, up to rounding.
    total = np.zeros((), np.float64)
    for batch in dataset:
        total += batch.numpy().sum(dtype=np.float64)
    return total


@PLAIN.on(*TENSORFLOW)
def plain(tf: Any) -> Task:
    dataset = tf.data.Dataset.from_tensor_slices(FEATURES).shuffle(4096).batch(32)
    return Task(lambda: _pass(dataset), lambda value: value)


@MAPPED.on(*TENSORFLOW)
def mapped(tf: Any) -> Task:
    dataset = tf.data.Dataset.from_tensor_slices(FEATURES).map(lambda x: x * 2.0 + 1.0)
    dataset = dataset.shuffle(4096).batch(32)
    return Task(lambda: _pass(dataset), lambda value: value)
