"""Seeded NumPy arrays: every framework gets the same numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    """float32 normal numbers of standard deviation `scale`."""
    return (np.random.default_rng([seed, *shape]).standard_normal(shape) * scale).astype(np.float32)


def weight(*shape: int, seed: int = 0) -> np.ndarray:
    """Initial weights: normal numbers scaled by the fan-in, all dimensions but the last."""
    return normal(*shape, seed=seed, scale=float(np.prod(shape[:-1])) ** -0.5)


def labels(size: int, classes: int, seed: int = 0) -> np.ndarray:
    """int32 class indices."""
    return np.random.default_rng([seed, size, classes]).integers(0, classes, size, dtype=np.int32)


def batches(make: Callable[[int], Any], count: int = 8) -> Iterator[Any]:
    """An endless cycle of `count` batches made in advance, as a data loader in memory gives them."""
    return itertools.cycle([make(seed) for seed in range(count)])
