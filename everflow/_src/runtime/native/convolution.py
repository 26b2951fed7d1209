"""Convolutions by the native kernels.  Images are [batch, sizes..., channels], filters [windows..., in, out].

Every function returns None where the kernels are missing or oneDNN has nothing worth using for the shape; the caller
then goes on with NumPy or XLA.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.runtime.native.library import Library, compiled_library, library

FORWARD, BY_DATA, BY_WEIGHTS = 0, 1, 2
_TYPES = {np.dtype(np.float32): 0, np.dtype(dtypes.bfloat16.numpy_dtype): 1}
# Fewer multiplications than this are done by NumPy before a call has crossed over.
_LEAST_EAGER_WORK = 20_000
# Smaller filters are brought into another layout in no time.
_LARGE_FILTERS = 1 << 14


class Behind(NamedTuple):
    """What is done to a forward convolution in the same go, in this order.

    bias: added to every channel. affine: (shift, factor, offset), one number per channel each, for
    factor * (. - shift) + offset. addend: an array of the shape of the result. relu: True takes the maximum with 0.
    """

    bias: Any = None
    affine: tuple[Any, ...] = ()
    addend: Any = None
    relu: bool = False

    def flags(self) -> list[int]:
        return [int(self.bias is not None), int(bool(self.affine)), int(self.addend is not None), int(self.relu)]

    def operands(self) -> list[Any]:
        return [v for v in (self.bias, *self.affine, self.addend) if v is not None]


NOTHING = Behind()


_named = threading.local()


class Versions:
    """Tells, while a program is traced, which filters come from outside and may be the same from call to call.

    Args:
      operands: the tracers that stand for what comes from outside.
      numbers: a tracer of as many 64-bit integers. Where two calls have the same version of an operand other than 0,
        the operand is the same too, and the kernels may keep what they made of it.
    """

    def __init__(self, operands: Sequence[Any], numbers: Any) -> None:
        self._positions = {id(operand): position for position, operand in enumerate(operands)}
        self._operands = operands  # kept alive: their identities are the keys
        self.numbers = numbers
        self.used: list[int] = []

    def position(self, operand: Any) -> int | None:
        """The position of an operand, which is noted as used; None for what is computed in the program."""
        position = self._positions.get(id(operand))
        if position is not None and position not in self.used:
            self.used.append(position)
        return position

    def __enter__(self) -> Versions:
        self._before = getattr(_named, "versions", None)
        _named.versions = self
        return self

    def __exit__(self, *exception: object) -> None:
        _named.versions = self._before


def _numbers(kind: int, dtype: Any, x_shape: Sequence[int], w_shape: Sequence[int], g: Any, behind: Behind = NOTHING
             ) -> np.ndarray | None:
    """The description that `ConvolutionShape` in kernels/convolution.h reads; None for what it does not take."""
    code = _TYPES.get(np.dtype(dtype))
    dims = len(g.windows)
    flags = behind.flags()
    if code is None or any(flags[1:]) and code != 0 or not 1 <= dims <= 3:
        return None
    if 0 in x_shape or 0 in w_shape or 0 in g.outputs:
        return None
    spare = [0] * (3 - dims)
    for size, window, stride, dilation, output, (before, _) in zip(
        g.sizes, g.windows, g.strides, g.dilations, g.outputs, g.pads
    ):
        reach = (window - 1) * dilation + 1
        after = (output - 1) * stride + reach - size - before
        if not 0 <= before < reach or not -stride < after < reach:
            return None  # padding wider than the window: oneDNN has no such convolution
    rows: list[int] = [kind, code, dims, x_shape[0], x_shape[-1], w_shape[-1], g.groups, *flags]
    for extents in (g.sizes, g.windows, g.outputs, g.strides, g.dilations, [before for before, _ in g.pads]):
        rows += [*extents, *spare]
    return np.array([*rows, 0], np.int64)


@functools.lru_cache(maxsize=4096)
def _is_worth_it(found: Library, numbers: bytes) -> bool:
    return bool(found.convolution_implementation(np.frombuffer(numbers, np.int64)))


def eager(kind: int, a: np.ndarray, b: np.ndarray, x_shape: Sequence[int], w_shape: Sequence[int], g: Any
          ) -> np.ndarray | None:
    """A convolution, or its gradient by data or by weights, of NumPy arrays; the operands as in `compiled`."""
    work = int(np.prod(w_shape)) * int(np.prod(g.outputs)) * int(x_shape[0])
    if work < _LEAST_EAGER_WORK:
        return None
    found = library()
    numbers = None if found is None else _numbers(kind, a.dtype, x_shape, w_shape, g)
    if found is None or numbers is None or not _is_worth_it(found, numbers.tobytes()):
        return None
    result = np.empty(_result_shape(kind, x_shape, w_shape, g), a.dtype)
    found.call("everflow_convolution", numbers, np.ascontiguousarray(a), np.ascontiguousarray(b), None, result)
    return result


def _compiled_numbers(kind: int, jax: Any, dtype: Any, x_shape: Sequence[int], w_shape: Sequence[int], g: Any,
                      behind: Behind = NOTHING) -> np.ndarray | None:
    found = compiled_library(jax)
    numbers = None if found is None else _numbers(kind, dtype, x_shape, w_shape, g, behind)
    if found is None or numbers is None or not _is_worth_it(found, numbers.tobytes()):
        return None
    return numbers


def compiles(kind: int, jax: Any, dtype: Any, x_shape: Sequence[int], w_shape: Sequence[int], g: Any) -> bool:
    """Whether `compiled` would find a kernel for this convolution."""
    return _compiled_numbers(kind, jax, dtype, x_shape, w_shape, g) is not None


def compiled(kind: int, jax: Any, a: Any, b: Any, x_shape: Sequence[int], w_shape: Sequence[int], g: Any,
             otherwise: Callable[..., Any], behind: Behind = NOTHING) -> Any:
    """The same of tracers, as a call inside of the program that is being compiled.

    Args:
      kind: FORWARD (images, filters), BY_DATA (gradient of the result, filters) or BY_WEIGHTS (images, gradient of
        the result).
      jax: the module.
      a, b: the two operands.
      x_shape, w_shape: shapes of the images and of the filters.
      g: the geometry; see `Geometry` in ops/nn_convolution_kernels.
      otherwise: computes the same by XLA, of `a`, `b` and the operands behind; it stands in under `vmap`.
      behind: what is done to the result in the same go.
    """
    numbers = _compiled_numbers(kind, jax, a.dtype, x_shape, w_shape, g, behind)
    if numbers is None:
        return None
    target = jax.ffi.ffi_call(
        "everflow_convolution", jax.ShapeDtypeStruct(_result_shape(kind, x_shape, w_shape, g), a.dtype))
    operands = behind.operands()
    is_large = kind == FORWARD and math.prod(w_shape) >= _LARGE_FILTERS
    versions = getattr(_named, "versions", None) if is_large else None
    position = None if versions is None else versions.position(b)
    if position is not None:
        numbers = numbers.copy()
        numbers[-1] = position + 1
        operands.append(versions.numbers)  # type: ignore[union-attr]
    native = with_vmap(jax, lambda *given: target(*given, numbers=numbers), otherwise)
    return native(a, b, *operands)


def with_vmap(jax: Any, native: Callable[..., Any], otherwise: Callable[..., Any]) -> Callable[..., Any]:
    """`native`, in whose place `otherwise` is mapped where jax maps over it."""
    function = jax.custom_batching.custom_vmap(native)

    def rule(size: int, batched: Sequence[bool], *operands: Any) -> tuple[Any, Any]:
        del size
        mapped = jax.vmap(otherwise, in_axes=tuple(0 if b else None for b in batched))(*operands)
        return mapped, jax.tree.map(lambda _: True, mapped)

    function.def_vmap(rule)
    return function


def _result_shape(kind: int, x_shape: Sequence[int], w_shape: Sequence[int], g: Any) -> tuple[int, ...]:
    if kind == BY_DATA:
        return tuple(int(s) for s in x_shape)
    if kind == BY_WEIGHTS:
        return tuple(int(s) for s in w_shape)
    return (int(x_shape[0]), *(int(o) for o in g.outputs), int(w_shape[-1]))
