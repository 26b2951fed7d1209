"""Results that are held back while a program is compiled, so that what reads them can be computed in the same go.

The kernels of convolutions and of normalization return them. An operation behind one whose card says that it `joins`
(a bias, an addition, a rectifier) takes it further; whatever else reads it, finishes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any


class Unfinished:
    """A result that is yet to be computed.

    Args:
      shape, dtype: of the array that it will be.
      compute: `compute(**later)` -> the array, with what came behind it in the same go: `bias` is added to its last
        dimension; `affine` is a (shift, factor, offset) of vectors for factor * (. - shift) + offset; `addend` is
        another array of its shape; where `relu` is True, the maximum with 0 is taken; it becomes 0 where `positive`,
        another array of its shape, is not above 0.
      takes: which of these `compute` knows, in the order in which it does them.
      later: those that have come.
    """

    __slots__ = ("shape", "dtype", "_compute", "_takes", "_later", "_array")

    def __init__(self, shape: tuple[int, ...], dtype: Any, compute: Callable[..., Any], takes: tuple[str, ...],
                 **later: Any) -> None:
        self.shape = shape
        self.dtype = dtype
        self._compute = compute
        self._takes = takes
        self._later = later
        self._array: Any = None

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def _with(self, name: str, value: Any) -> Unfinished | None:
        if name not in self._takes:
            return None
        rank = self._takes.index
        if any(rank(earlier) >= rank(name) for earlier in self._later):
            return None
        return Unfinished(self.shape, self.dtype, self._compute, self._takes, **self._later, **{name: value})

    def plus(self, other: Any) -> Unfinished | None:
        """This plus a bias or an array of the same shape; None when that cannot be had in the same go."""
        if other.dtype != self.dtype:
            return None
        if other.shape == self.shape:
            return self._with("addend", other)
        is_bias = other.shape[-1:] == self.shape[-1:] and other.size == self.shape[-1] and other.ndim <= self.ndim
        return self._with("bias", other.reshape(-1)) if is_bias else None

    def scaled(self, shift: Any, factor: Any, offset: Any) -> Unfinished | None:
        """factor * (this - shift) + offset, of vectors; None when that cannot be had in the same go."""
        vectors = (shift, factor, offset)
        if any(v.dtype != self.dtype or v.shape != self.shape[-1:] for v in vectors):
            return None
        return self._with("affine", vectors)

    def with_relu(self) -> Unfinished | None:
        """The maximum of this and 0; None when that cannot be had in the same go."""
        return self._with("relu", True)

    def where_positive(self, features: Any) -> Unfinished | None:
        """This where `features` are above 0, else 0; None when that cannot be had in the same go."""
        if features.shape != self.shape or features.dtype != self.dtype:
            return None
        return self._with("positive", features)

    def reshaped(self, shape: tuple[int, ...]) -> Unfinished | None:
        """The same elements in another shape; None when what comes behind would then be another dimension's."""
        if shape[-1:] != self.shape[-1:] or math.prod(shape) != math.prod(self.shape) or not self.shape:
            return None

        def compute(**later: Any) -> Any:
            for name in ("addend", "positive"):
                if name in later:
                    later[name] = later[name].reshape(self.shape)
            return self._compute(**later).reshape(shape)

        return Unfinished(shape, self.dtype, compute, self._takes, **self._later)

    def finish(self) -> Any:
        """The array."""
        if self._array is None:
            self._array = self._compute(**self._later)
        return self._array


def where_positive(numpy: Any, features: Any, value: Any) -> Any:
    """`value` where `features` are above 0, else 0, by jax's module `numpy`."""
    return numpy.where(features > 0, value, numpy.zeros((), value.dtype))


def finished(value: Any) -> Any:
    """`value`, computed if it was held back."""
    return value.finish() if isinstance(value, Unfinished) else value


def join(instruction: Any, values: list[Any]) -> Any:
    """What `instruction` makes of an unfinished operand that nobody else reads; None where it wants all finished."""
    for position in instruction.sole_reader_of:
        if isinstance(values[position], Unfinished):
            others = [finished(v) for i, v in enumerate(values) if i != position]
            return instruction.card.joins(values[position], position, others, instruction.attrs)
    return None
