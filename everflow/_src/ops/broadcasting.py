"""Broadcasting backwards: from the gradient of a broadcast result to the gradient of an operand."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.constant_value import constant_value_as_shape
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.by_name import cards
from everflow._src.runtime import dispatch  # noqa: F401 - cards become callable
from everflow._src.runtime.failures import invalid

_INDEX = Attr("type", dtypes.int32, allowed=(dtypes.int32, dtypes.int64))


def _broadcast_gradient_axes(xp: Any, left: Any, right: Any) -> tuple[Any, Any]:
    a, b = left.tolist(), right.tolist()
    rank = max(len(a), len(b))
    a, b = [1] * (rank - len(a)) + a, [1] * (rank - len(b)) + b
    axes_left, axes_right = [], []
    for axis, (m, n) in enumerate(zip(a, b)):
        if m != n and m != 1 and n != 1:
            raise invalid(f"Incompatible shapes: {left.tolist()} vs. {right.tolist()}")
        # Axes of size 1 on both sides are listed too, as TensorFlow does: summing one element changes nothing.
        if m == 1:
            axes_left.append(axis)
        if n == 1:
            axes_right.append(axis)
    return np.array(axes_left, left.dtype), np.array(axes_right, right.dtype)


BroadcastGradientArgs = op(
    "BroadcastGradientArgs",
    "s0: T, s1: T -> r0: T, r1: T",
    T=_INDEX,
    kernel=_broadcast_gradient_axes,
    static=("s0", "s1"),
    shape=lambda op: [TensorShape([None]), TensorShape([None])],
    no_gradient="its values are axes",
    sample=lambda: ([np.array([2, 1, 3], np.int32), np.array([4, 1], np.int32)], {}),
    doc="The axes over which to sum the gradient of a broadcast operation, for either operand.",
)

BroadcastArgs = op(
    "BroadcastArgs",
    "s0: T, s1: T -> r0: T",
    T=_INDEX,
    kernel=lambda xp, a, b: np.array(_broadcast_shapes(a, b), a.dtype),
    static=("s0", "s1"),
    shape=lambda op: TensorShape([_longest(op)]),
    no_gradient="its value is a shape",
    value_as_shape=lambda op: _broadcast_known(op),
    sample=lambda: ([np.array([2, 1, 3], np.int32), np.array([4, 1], np.int32)], {}),
    doc="The shape to which two shapes broadcast.",
)


def _broadcast_shapes(left: Any, right: Any) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(tuple(left.tolist()), tuple(right.tolist()))
    except ValueError:
        raise invalid(f"Incompatible shapes: {left.tolist()} vs. {right.tolist()}") from None


def _longest(op: Any) -> int | None:
    lengths = [t._shape._dims[0] if t._shape._dims else None for t in op._inputs]
    return None if None in lengths else max(lengths)  # type: ignore[type-var]


def _broadcast_known(op: Any) -> TensorShape | None:
    left, right = (constant_value_as_shape(t)._dims for t in op._inputs)
    if left is None or right is None:
        return None
    rank = max(len(left), len(right))
    left, right = (1,) * (rank - len(left)) + left, (1,) * (rank - len(right)) + right
    result = []
    for m, n in zip(left, right):
        if m is not None and m > 1:
            result.append(m)
        elif n is not None and n > 1:
            result.append(n)
        else:
            result.append(n if m == 1 else m if n == 1 else m if m == n else None)
    return TensorShape(result)


def sum_to_shape(dy: Any, x_shape: Any, other_shape: Any = None, fixed: int = 0) -> Any:
    """The gradient `dy` of a broadcast result, summed to the shape of one operand.

    Args:
      dy: gradient of the result.
      x_shape: shape of the operand: an object with `.static` and `.tensor()`, as gradients receive it.
      other_shape: the same of the other operand, when there is one: where it is known to have size 1, the
        result has the operand's own size.
      fixed: number of last axes that are not broadcast, such as the two of a matrix.

    Returns:
      A tensor of the shape of the operand; `dy` itself when nothing was broadcast.
    """
    target = x_shape.static._dims
    given = dy._shape_tuple()
    if given == target and target is not None and None not in target:
        return dy
    if target is not None and given is not None:
        leading = len(given) - len(target)
        other = other_shape.static._dims if other_shape is not None else None
        if other is not None:
            other = (1,) * (len(given) - len(other)) + other
        ones = []
        for axis, size in enumerate(target[: len(target) - fixed], leading):
            if size is None:
                if other is not None and other[axis] == 1 or given[axis] == 1:
                    continue
                break
            if size == 1 and given[axis] != 1:
                ones.append(axis)
        else:
            if ones:
                dy = cards.Sum(dy, np.array(ones, np.int32), keep_dims=True)
            if leading:
                dy = cards.Sum(dy, np.arange(leading, dtype=np.int32))
            return dy
    shape = x_shape.tensor()
    axes, _ = cards.BroadcastGradientArgs(shape, cards.Shape(dy))
    return cards.Reshape(cards.Sum(dy, axes), shape)
