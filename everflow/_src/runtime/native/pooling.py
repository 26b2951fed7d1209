"""Maxima and averages over windows, and their gradients, by the native kernels.

Images are [batch, sizes..., channels].  Every function returns None where the kernels are missing or others are as
fast; the caller then goes on with NumPy or XLA.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.runtime.native.convolution import with_vmap
from everflow._src.runtime.native.library import compiled_library, library

MAXIMUM, MAXIMUM_GRADIENT, AVERAGE, AVERAGE_GRADIENT = range(4)
_GRADIENTS = (MAXIMUM_GRADIENT, AVERAGE_GRADIENT)
# Fewer reads than this are done by NumPy before a call has crossed over.
_LEAST_WORK = 500
# The kernels work along the channels; NumPy is faster where there are few.
_LEAST_CHANNELS = 4
# The same of XLA, whose loops over windows without padding are as fast, and which puts them into those around.
_LEAST_COMPILED_WORK = 1000
_LEAST_FORWARD_CHANNELS = 16
# Windows of this many elements are large: XLA goes through the images once per element.
_LARGE = 16


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
    if _work(pool, x_shape) < _LEAST_WORK or x_shape[-1] < _LEAST_CHANNELS:
        return None
    if any(a is not None and a.dtype != np.float32 for a in (x, y, dy)):
        return None
    numbers = _described(kind, pool, x_shape)
    found = None if numbers is None else library()
    if found is None or numbers is None:
        return None
    result = np.empty(_result_shape(kind, pool, x_shape), np.float32)
    operands = [None if a is None else np.ascontiguousarray(a) for a in (x, y, dy)]
    found.call("everflow_pooling", numbers, *operands, result)
    return result


def compiles(kind: int, jax: Any, dtype: Any, pool: Any, x_shape: Sequence[int]) -> bool:
    """Whether `compiled` would take it."""
    return (dtype == np.float32 and _is_measured_faster(kind, pool, x_shape)
            and _described(kind, pool, x_shape) is not None and compiled_library(jax) is not None)


def compiled(kind: int, jax: Any, pool: Any, x_shape: Sequence[int], *operands: Any, otherwise: Callable[..., Any],
             positive: bool = False) -> Any:
    """The same of tracers, as a call inside of the program that is being compiled; None where XLA does as well.

    Args:
      kind: as in `eager`.
      jax: the module.
      pool: the geometry; see `_Pool` in ops/nn_pooling.
      x_shape: shape of the images.
      operands: what the kind needs of the images, their maxima and the gradient of what was pooled, in this order.
      otherwise: computes the same of the operands by XLA; it stands in under `vmap`.
      positive: of the gradient of a maximum: where the images are not above 0, it is 0.
    """
    dtype = operands[0].dtype
    if any(a.dtype != dtype for a in operands) or not compiles(kind, jax, dtype, pool, x_shape):
        return None
    numbers = _described(kind, pool, x_shape, positive)
    target = jax.ffi.ffi_call(
        "everflow_pooling", jax.ShapeDtypeStruct(_result_shape(kind, pool, x_shape), np.float32))
    return with_vmap(jax, lambda *given: target(*given, numbers=numbers), otherwise)(*operands)


def _is_measured_faster(kind: int, pool: Any, x_shape: Sequence[int]) -> bool:
    """Measured beside XLA's loops on processors with AVX-512."""
    if _work(pool, x_shape) < _LEAST_COMPILED_WORK:
        return False
    if kind in _GRADIENTS:
        # XLA makes an array of the size of the images of each element of a window.
        return x_shape[-1] >= _LEAST_CHANNELS
    # XLA writes down a padded copy of the images.
    return x_shape[-1] >= _LEAST_FORWARD_CHANNELS and (
        any(b or a for b, a in pool.pads) or math.prod(pool.windows) >= _LARGE)


def _work(pool: Any, x_shape: Sequence[int]) -> int:
    """How many elements of windows are read; 0 where there is nothing to be done."""
    return int(x_shape[0]) * int(x_shape[-1]) * math.prod(pool.outputs) * math.prod(pool.windows)


def _described(kind: int, pool: Any, x_shape: Sequence[int], positive: bool = False) -> np.ndarray | None:
    """The description that `PoolingShape` in kernels/pooling.h reads; None for what it does not take."""
    dims = len(pool.windows)
    if dims > 3:
        return None
    if not all(0 <= b < w and 0 <= a < w for (b, a), w in zip(pool.pads, pool.windows)):
        return None  # padding wider than the window: windows without an element
    rows: list[int] = [kind, int(x_shape[0]), int(x_shape[-1])]
    spare = 3 - dims
    for extents in (pool.sizes, pool.windows, pool.outputs, pool.strides):
        rows += [*[1] * spare, *extents]
    return np.array([*rows, *[0] * spare, *(b for b, _ in pool.pads), positive], np.int64)


def _result_shape(kind: int, pool: Any, x_shape: Sequence[int]) -> tuple[int, ...]:
    if kind in _GRADIENTS:
        return tuple(int(s) for s in x_shape)
    return (int(x_shape[0]), *(int(o) for o in pool.outputs), int(x_shape[-1]))
