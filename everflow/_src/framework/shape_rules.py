"""Shape rules that many cards share.

A rule takes the operation under construction and returns the static shape of its output, or a list of
shapes, one per output.  `op.input_shape(i)` is the shape of input i; `constant_value(op.inputs[i])` its
value, where that is known.  A rule raises ValueError when the inputs can never fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from everflow._src.framework.constant_value import constant_value, constant_value_as_shape
from everflow._src.framework.tensor_shape import TensorShape

UNKNOWN_SHAPE = TensorShape(None)
SCALAR = TensorShape(())


def unchanged(op: Any) -> TensorShape:
    """The output has the shape of the first input."""
    return op._inputs[0]._shape


def scalar(op: Any) -> TensorShape:
    """The output has no dimensions."""
    return SCALAR


def unknown(op: Any) -> list[TensorShape]:
    """Nothing is known of the outputs."""
    return [UNKNOWN_SHAPE] * len(op._outputs)


def no_outputs(op: Any) -> list[TensorShape]:
    """The operation has no outputs."""
    return []


def unknown_vector(op: Any) -> TensorShape:
    """A vector whose length only the data tells."""
    return TensorShape([None])


def like_input(index: int) -> Callable[[Any], TensorShape]:
    """The output has the shape of input `index`."""
    return lambda op: op._inputs[index]._shape


def like_inputs(*indices: int) -> Callable[[Any], list[TensorShape]]:
    """Output i has the shape of input indices[i]."""
    return lambda op: [op._inputs[i]._shape for i in indices]


def from_attr(name: str) -> Callable[[Any], TensorShape]:
    """The output has the shape that an attr states."""
    return lambda op: TensorShape(op._attrs[name])


def from_value(index: int) -> Callable[[Any], TensorShape]:
    """The output has the shape that is the value of input `index`."""
    return lambda op: constant_value_as_shape(op._inputs[index])


def broadcast_dims(
    left: tuple[int | None, ...] | None, right: tuple[int | None, ...] | None
) -> tuple[int | None, ...] | None:
    """The dimensions of two broadcast shapes, as NumPy broadcasts.

    Raises:
      ValueError: two known dimensions differ and neither is 1.
    """
    if left is None or right is None:
        return None
    if len(left) < len(right):
        left = (1,) * (len(right) - len(left)) + left
    elif len(right) < len(left):
        right = (1,) * (len(left) - len(right)) + right
    result: list[int | None] = []
    for a, b in zip(left, right):
        if a == b or b == 1:
            result.append(a)
        elif a == 1:
            result.append(b)
        elif a is None:
            # The unknown side must be 1 or agree with the other, which is above 1.
            result.append(b)
        elif b is None:
            result.append(a)
        else:
            raise ValueError(f"Dimensions must be equal, but are {a} and {b}")
    return tuple(result)


def broadcast(op: Any) -> TensorShape:
    """The output has the broadcast shape of all inputs."""
    dims = op._inputs[0]._shape._dims
    for tensor in op._inputs[1:]:
        dims = broadcast_dims(dims, tensor._shape._dims)
    return TensorShape(dims)


def merged(op: Any) -> TensorShape:
    """All inputs have one shape, and so has the output.

    Raises:
      ValueError: two inputs disagree.
    """
    shape = op._inputs[0]._shape
    for tensor in op._inputs[1:]:
        shape = shape.merge_with(tensor._shape)
    return shape


def reduction(op: Any) -> TensorShape:
    """Input 0 reduced over the axes in input 1, with the attr `keep_dims`."""
    dims = op._inputs[0]._shape._dims
    axes = constant_value(op._inputs[1])
    keep = op._attrs.get("keep_dims", False)
    if dims is None:
        return UNKNOWN_SHAPE
    rank = len(dims)
    if axes is None:
        if keep:
            return TensorShape([None] * rank)
        return UNKNOWN_SHAPE
    reduced = set()
    for axis in axes.reshape(-1).tolist():
        if not -rank <= axis < max(rank, 1):
            raise ValueError(f"Invalid reduction dimension {axis} for input with {rank} dimensions")
        reduced.add(axis % rank if rank else 0)
    if keep:
        return TensorShape([1 if i in reduced else d for i, d in enumerate(dims)])
    return TensorShape([d for i, d in enumerate(dims) if i not in reduced])


def with_rank(shape: TensorShape, rank: int, what: str = "Shape") -> TensorShape:
    """`shape`, of which at least the rank is known.

    Raises:
      ValueError: it has another rank.
    """
    if shape.rank is None:
        return TensorShape([None] * rank)
    if shape.rank != rank:
        raise ValueError(f"{what} must be rank {rank} but is rank {shape.rank}")
    return shape


def normalize_axis(axis: int, rank: int) -> int:
    """A non-negative axis.

    Raises:
      ValueError: `axis` is outside of [-rank, rank).
    """
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} is out of range: expected a value in [{-rank}, {rank})")
    return axis + rank if axis < 0 else axis
