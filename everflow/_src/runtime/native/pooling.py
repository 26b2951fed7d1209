"""Maxima and averages over windows, and their gradients, by the native kernels, for eager calls.

Images are [batch, sizes..., channels]. Compiled programs have XLA's own, which are as fast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from everflow._src.runtime.native.library import library

MAXIMUM, MAXIMUM_GRADIENT, AVERAGE, AVERAGE_GRADIENT = range(4)
# Fewer reads than this are done by NumPy before a call has crossed over.
_LEAST_WORK = 500
# The kernels work along the channels; NumPy is faster where there are few.
_LEAST_CHANNELS = 4


def eager(kind: int, pool: Any, x_shape: Sequence[int], x: np.ndarray | None, y: np.ndarray | None = None,
          dy: np.ndarray | None = None) -> np.ndarray | None:
    """The pooled images, or the gradient by the images; None where the kernels are missing or NumPy is as fast.

    Args:
      kind: MAXIMUM or AVERAGE (of x), MAXIMUM_GRADIENT (of x, y, dy) or AVERAGE_GRADIENT (of dy).
      pool: the geometry; see `_Pool` in ops/nn_pooling.
      x_shape: shape of the images.
      x: the images.
      y: their maxima.
      dy: the gradient of what was pooled.
    """
    batch, channels = int(x_shape[0]), int(x_shape[-1])
    dims = len(pool.windows)
    work = batch * channels * math.prod(pool.outputs) * math.prod(pool.windows)
    if work < _LEAST_WORK or channels < _LEAST_CHANNELS or dims > 3:
        return None
    if any(a is not None and a.dtype != np.float32 for a in (x, y, dy)):
        return None
    if not all(0 <= b < w and 0 <= a < w for (b, a), w in zip(pool.pads, pool.windows)):
        return None  # padding wider than the window: windows without an element
    found = library()
    if found is None:
        return None
    rows: list[int] = [kind, batch, channels]
    spare = 3 - dims
    for extents in (pool.sizes, pool.windows, pool.outputs, pool.strides):
        rows += [*[1] * spare, *extents]
    numbers = np.array([*rows, *[0] * spare, *(b for b, _ in pool.pads)], np.int64)
    is_gradient = kind in (MAXIMUM_GRADIENT, AVERAGE_GRADIENT)
    result = np.empty(tuple(x_shape) if is_gradient else (batch, *pool.outputs, channels), np.float32)
    operands = [None if a is None else np.ascontiguousarray(a) for a in (x, y, dy)]
    found.call("everflow_pooling", numbers, *operands, result)
    return result
