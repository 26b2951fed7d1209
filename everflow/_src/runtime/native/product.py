"""Products of matrices by the native kernels: large ones of NumPy arrays, and inside of compiled programs those where
XLA's own are slower.

NumPy's BLAS has threads of its own, which wait for each other: on a machine that is busy with something else, one
product takes many times as long as on one thread. The native kernels take what no other thread has begun.

XLA runs a batch of products one after another on one thread, and cuts long sums with a small result badly; oneDNN's
kernel does neither. Other products are as fast in XLA, transposed or not, and there it can put what comes behind them
into the same loop.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from everflow._src.runtime.native.convolution import with_vmap
from everflow._src.runtime.native.library import compiled_library, library

# Fewer multiplications than this NumPy's BLAS does on one thread.
LEAST_EAGER_WORK = 4_000_000
# Fewer multiplications than this are done by XLA before a call has crossed over.
_LEAST_WORK = 2_000
# A sum this many times as long as the result is wide counts as long.
_LONG = 16
_NARROW = 32

_left = threading.local()


@contextlib.contextmanager
def left_to_xla() -> Iterator[None]:
    """Products that this thread traces meanwhile are XLA's.

    The body of a loop is small work over and over, which calls cost more of; and its products must be seen as such
    by who moves them out of the loop (runtime/counted_loops).
    """
    before = getattr(_left, "active", False)
    _left.active = True
    try:
        yield
    finally:
        _left.active = before


def is_left_to_xla() -> bool:
    """Whether the thread traces inside of `left_to_xla`."""
    return getattr(_left, "active", False)


def eager(a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    """The product of two NumPy arrays of shape [rows, inner] and [inner, columns]; None where NumPy does as well."""
    if a.dtype != np.float32 or b.dtype != np.float32 or a.size * b.shape[1] < LEAST_EAGER_WORK:
        return None
    found = library()
    if found is None:
        return None
    # A transposed view is read as it lies.
    transpose_a, transpose_b = (m.flags.f_contiguous and not m.flags.c_contiguous for m in (a, b))
    numbers = np.array([1, a.shape[0], b.shape[1], a.shape[1], transpose_a, transpose_b], np.int64)
    left, right = (np.ascontiguousarray(m.T if t else m) for m, t in ((a, transpose_a), (b, transpose_b)))
    result = np.empty((a.shape[0], b.shape[1]), np.float32)
    found.call("everflow_product", numbers, left, right, result)
    return result


def compiled(jax: Any, a: Any, b: Any, transpose_a: bool, transpose_b: bool, otherwise: Callable[[Any, Any], Any]
             ) -> Any:
    """The product of two tracers of shape [..., rows, inner] and [..., inner, columns]; None where XLA does better.

    Args:
      jax: the module.
      a, b: the operands, with equal leading dimensions.
      transpose_a, transpose_b: the last two dimensions of an operand are the other way round.
      otherwise: computes the same by XLA; it stands in under `vmap`.
    """
    if is_left_to_xla():
        return None
    if a.dtype != np.float32 or b.dtype != np.float32 or a.ndim < 2 or a.shape[:-2] != b.shape[:-2]:
        return None
    rows, inner = a.shape[-2:][::-1] if transpose_a else a.shape[-2:]
    columns = b.shape[-2 if transpose_b else -1]
    count = int(np.prod(a.shape[:-2], dtype=np.int64))
    if count * rows * columns * inner < _LEAST_WORK:
        return None
    if not _is_faster(count, rows, columns, inner):
        return None
    if compiled_library(jax) is None:
        return None
    numbers = np.array([count, rows, columns, inner, transpose_a, transpose_b], np.int64)
    target = jax.ffi.ffi_call("everflow_product", jax.ShapeDtypeStruct((*a.shape[:-2], rows, columns), a.dtype))
    return with_vmap(jax, lambda a, b: target(a, b, numbers=numbers), otherwise)(a, b)


def _is_faster(count: int, rows: int, columns: int, inner: int) -> bool:
    """Measured beside XLA's products on processors with AVX2."""
    return count > 1 or min(rows, columns) <= _NARROW or inner >= _LONG * max(rows, columns)
