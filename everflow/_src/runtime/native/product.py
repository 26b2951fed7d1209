"""Products of matrices by the native kernels: large ones of NumPy arrays, and inside of compiled programs those where
XLA's own are slower.

NumPy's BLAS has threads of its own, which wait for each other: on a machine that is busy with something else, one
product takes many times as long as on one thread. The native kernels take what no other thread has begun.

XLA runs a batch of products one after another on one thread, and cuts long sums with a small result badly; oneDNN's
kernels do neither. Where these have blocked kernels for the processor (on x86 that takes AVX-512), they are faster for
nearly all products, most of all for transposed ones, small ones and bfloat16. Elsewhere other products are as fast in
XLA, and there it can put what comes behind them into the same loop.
"""

from __future__ import annotations

import contextlib
import functools
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.runtime.native.convolution import with_vmap
from everflow._src.runtime.native.library import Library, compiled_library, library
from everflow._src.runtime.unfinished import Unfinished, finished, where_positive

# Fewer multiplications than this NumPy's BLAS does on one thread.
LEAST_EAGER_WORK = 4_000_000
# Fewer multiplications than this are done by XLA before a call has crossed over.
_LEAST_WORK = 2_000
# The same for blocked kernels, which also want sums of some length; XLA goes through a transposed left matrix slowly.
_LEAST_BLOCKED_WORK = 2_000_000
_LEAST_TRANSPOSED_WORK = 500_000
_LEAST_WORK_IN_LOOP = 8_000_000
_SHORT = 16
# Results of fewer numbers are still in the cache when XLA goes through them once more.
_LARGE_RESULT = 1 << 18
# Where the description of products has the number of rows; that of columns is next, then the length of the sums.
_ROWS = 2
_TYPES = {np.dtype(np.float32): 0, np.dtype(dtypes.bfloat16.numpy_dtype): 1}
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


class Behind(NamedTuple):
    """What is done to one product in single precision in the same go, in this order.

    bias: added to every row. relu: True takes the maximum with 0. positive: an array of the shape of the result; it
    becomes 0 where that is not above 0.
    """

    bias: Any = None
    relu: bool = False
    positive: Any = None

    def flags(self) -> list[bool]:
        return [self.bias is not None, self.relu, self.positive is not None]

    def operands(self) -> list[Any]:
        return [v for v in (self.bias, self.positive) if v is not None]


NOTHING = Behind()


def _described(a: Any, b: Any, transpose_a: bool, transpose_b: bool, behind: Behind = NOTHING) -> np.ndarray:
    """The description that `ProductShape` in kernels/product.h reads."""
    rows, inner = a.shape[-2:][::-1] if transpose_a else a.shape[-2:]
    columns, count = b.shape[-2 if transpose_b else -1], math.prod(a.shape[:-2])
    numbers = [_TYPES[np.dtype(a.dtype)], count, rows, columns, inner, transpose_a, transpose_b, *behind.flags()]
    return np.array(numbers, np.int64)


def eager(a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    """The product of two NumPy arrays of shape [rows, inner] and [inner, columns]; None where NumPy does as well."""
    if a.dtype != np.float32 or b.dtype != np.float32 or a.size * b.shape[1] < LEAST_EAGER_WORK:
        return None
    found = library()
    if found is None:
        return None
    # A transposed view is read as it lies.
    transpose_a, transpose_b = (m.flags.f_contiguous and not m.flags.c_contiguous for m in (a, b))
    left, right = (np.ascontiguousarray(m.T if t else m) for m, t in ((a, transpose_a), (b, transpose_b)))
    numbers = _described(left, right, transpose_a, transpose_b)
    result = np.empty((a.shape[0], b.shape[1]), np.float32)
    found.call("everflow_product", numbers, left, right, None, None, result)
    return result


def compiled(jax: Any, a: Any, b: Any, transpose_a: bool, transpose_b: bool, otherwise: Callable[[Any, Any], Any]
             ) -> Any:
    """The product of two tracers of shape [..., rows, inner] and [..., inner, columns]; None where XLA does better.

    Args:
      jax: the module.
      a, b: the operands, with equal leading dimensions.
      transpose_a, transpose_b: the last two dimensions of an operand are the other way round.
      otherwise: computes the same by XLA; it stands in where `vmap` makes products of another kind of these.
    """
    return finished(held_back(jax, a, b, transpose_a, transpose_b, otherwise))


def held_back(jax: Any, a: Any, b: Any, transpose_a: bool, transpose_b: bool, otherwise: Callable[[Any, Any], Any]
              ) -> Any:
    """The same, where one product in single precision is yet to be computed with what comes behind it."""
    if is_left_to_xla() or not _is_faster(jax, a, b, transpose_a, transpose_b):
        return None
    plain = _mappable(jax, transpose_a, transpose_b, otherwise)
    if a.ndim != 2 or a.dtype != np.float32:
        return plain(a, b)
    shape = tuple(int(n) for n in _described(a, b, transpose_a, transpose_b)[_ROWS:_ROWS + 2])

    def compute(**later: Any) -> Any:
        if not later:
            return plain(a, b)
        behind = Behind(**later)
        numbers = _described(a, b, transpose_a, transpose_b, behind)
        target = jax.ffi.ffi_call("everflow_product", jax.ShapeDtypeStruct(shape, a.dtype))

        def mapped(a: Any, b: Any, *operands: Any) -> Any:
            rest = iter(operands)
            result = plain(a, b)
            result = result if behind.bias is None else result + next(rest)
            result = jax.numpy.maximum(result, jax.numpy.zeros((), result.dtype)) if behind.relu else result
            return result if behind.positive is None else where_positive(jax.numpy, next(rest), result)

        product = with_vmap(jax, lambda *given: target(*given, numbers=numbers), mapped)
        return product(a, b, *behind.operands())

    takes = Behind._fields if math.prod(shape) >= _LARGE_RESULT else Behind._fields[:1]
    return Unfinished(shape, a.dtype, compute, takes)


def dot_general(jax: Any, a: Any, b: Any, params: dict[str, Any], is_mapped: bool = False, in_loop: bool = False
                ) -> Any:
    """What jax's primitive of this name computes of tracers; None where XLA does better, or where they lie otherwise.

    Args:
      jax: the module.
      a, b: the operands.
      params: the parameters of the primitive.
      is_mapped: the caller maps over it with `vmap`: what does better is decided of the product that this makes.
      in_loop: each iteration of a loop waits for it; there, waking a second thread costs more than it saves.
    """
    (left, right), batch = params["dimension_numbers"]
    leading = tuple(range(a.ndim - 2))
    if a.ndim != b.ndim or a.ndim < 2 or len(left) != 1 or any(tuple(dims) != leading for dims in batch):
        return None
    if params["preferred_element_type"] not in (None, a.dtype) or params["precision"] is not None:
        return None
    transpose_a, transpose_b = left[0] == a.ndim - 2, right[0] == b.ndim - 1
    if in_loop and a.size * b.shape[-2 if transpose_b else -1] < _LEAST_WORK_IN_LOOP:
        return None

    def otherwise(a: Any, b: Any) -> Any:
        return jax.numpy.matmul(a.swapaxes(-1, -2) if transpose_a else a, b.swapaxes(-1, -2) if transpose_b else b)

    if is_mapped:
        return _mappable(jax, transpose_a, transpose_b, otherwise)(a, b)
    return compiled(jax, a, b, transpose_a, transpose_b, otherwise)


def _mappable(jax: Any, transpose_a: bool, transpose_b: bool, otherwise: Callable[[Any, Any], Any]
              ) -> Callable[[Any, Any], Any]:
    """A product by the faster of the two, of which `vmap` makes larger products and decides again."""

    def decided(a: Any, b: Any) -> Any:
        if not _is_faster(jax, a, b, transpose_a, transpose_b):
            return otherwise(a, b)
        numbers = _described(a, b, transpose_a, transpose_b)
        shape = (*a.shape[:-2], *(int(n) for n in numbers[_ROWS:_ROWS + 2]))
        return jax.ffi.ffi_call("everflow_product", jax.ShapeDtypeStruct(shape, a.dtype))(a, b, numbers=numbers)

    product = jax.custom_batching.custom_vmap(decided)

    def rule(size: int, batched: Sequence[bool], a: Any, b: Any) -> tuple[Any, bool]:
        del size
        if batched[0] and batched[1]:
            return decided(a, b), True
        if batched[0] and a.ndim == 3 and not transpose_a:  # many left matrices: their rows are those of one
            flat = decided(a.reshape(-1, a.shape[-1]), b)
            return flat.reshape(*a.shape[:-1], flat.shape[-1]), True
        return jax.vmap(otherwise, in_axes=tuple(0 if b else None for b in batched))(a, b), True

    product.def_vmap(rule)
    return product


def _is_faster(jax: Any, a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> bool:
    if a.dtype != b.dtype or a.dtype not in _TYPES or a.ndim < 2 or a.shape[:-2] != b.shape[:-2]:
        return False
    numbers = _described(a, b, transpose_a, transpose_b)
    if np.prod(numbers[1:_ROWS + 3]) < _LEAST_WORK:
        return False
    found = compiled_library(jax)
    return found is not None and _is_measured_faster(found, numbers.tobytes())


@functools.lru_cache(maxsize=4096)
def _is_measured_faster(found: Library, numbers: bytes) -> bool:
    """Measured beside XLA's products on processors with AVX2 and with AVX-512."""
    described = np.frombuffer(numbers, np.int64)
    code, count, rows, columns, inner, transpose_a = (int(n) for n in described[:6])
    implementation = found.product_implementation(described)
    if code == 1:  # XLA makes single precision of them first
        return bool(implementation)
    many, is_long = count > 1, inner >= _LONG * max(rows, columns)
    if "avx512" in implementation:
        least = _LEAST_TRANSPOSED_WORK if transpose_a else _LEAST_BLOCKED_WORK
        return many or is_long or inner >= _SHORT and rows * columns * inner >= least
    return bool(implementation) and (many or is_long or min(rows, columns) <= _NARROW)
