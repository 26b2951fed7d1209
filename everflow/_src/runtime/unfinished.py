"""Results that are held back while a program is compiled, so that what reads them can be computed in the same go.

The kernel of a convolution returns one. An operation behind it whose card says that it `joins` (a bias, a rectifier)
takes it further; whatever else reads it, finishes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Unfinished:
    """A result that is yet to be computed.

    Args:
      shape, dtype: of the array that it will be.
      compute: `compute(bias, relu)` -> the array, with `bias` added to its last dimension unless that is None, and
        the maximum with 0 taken behind it where `relu` is true.
    """

    __slots__ = ("shape", "dtype", "_compute", "_bias", "_relu", "_array")

    def __init__(self, shape: tuple[int, ...], dtype: Any, compute: Callable[[Any, bool], Any], bias: Any = None,
                 relu: bool = False) -> None:
        self.shape = shape
        self.dtype = dtype
        self._compute = compute
        self._bias = bias
        self._relu = relu
        self._array: Any = None

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def with_bias(self, bias: Any) -> Unfinished | None:
        """This plus `bias`; None when that cannot be had in the same go."""
        if self._relu or self._bias is not None or bias.dtype != self.dtype or bias.size != self.shape[-1]:
            return None
        if bias.shape[-1:] != (self.shape[-1],) or bias.ndim > self.ndim:
            return None
        return Unfinished(self.shape, self.dtype, self._compute, bias.reshape(-1))

    def with_relu(self) -> Unfinished | None:
        """The maximum of this and 0; None when that cannot be had in the same go."""
        if self._relu:
            return None
        return Unfinished(self.shape, self.dtype, self._compute, self._bias, True)

    def finish(self) -> Any:
        """The array."""
        if self._array is None:
            self._array = self._compute(self._bias, self._relu)
        return self._array


def finished(value: Any) -> Any:
    """`value`, computed if it was held back."""
    return value.finish() if isinstance(value, Unfinished) else value


def join(instruction: Any, values: list[Any]) -> Unfinished | None:
    """What `instruction` makes of an unfinished operand that nobody else reads; None where it wants all finished."""
    for position in instruction.sole_reader_of:
        if isinstance(values[position], Unfinished):
            others = [v for i, v in enumerate(values) if i != position]
            if not any(isinstance(v, Unfinished) for v in others):
                return instruction.card.joins(values[position], others, instruction.attrs)
    return None
