"""Elements chosen by a condition: where, select, boolean_mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value
from everflow._src.framework.context import STATE, current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.tensor import EagerTensor, Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.array_gather import GatherV2, as_array
from everflow._src.ops.broadcasting import sum_to_shape
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid

_INT32 = np.dtype("int32")

def _where_shape(op: Any) -> TensorShape:
    return TensorShape([None, op._inputs[0]._shape.rank])


Where = op(
    "Where", "input: T -> index: int64",
    T=Attr("type", dtypes.bool, allowed=tuple(d for d in dtypes.ALL if d.is_numeric or d.is_bool)),
    kernel=lambda xp, x: np.argwhere(x).astype(np.int64).reshape(-1, x.ndim), shape=_where_shape, host=True,
    no_gradient="its values are positions", doc="Where a tensor is not zero.",
    sample=lambda: ([np.array([[True, False], [True, True]])], {}),
)


def _select_v2(xp: Any, condition: Any, x: Any, y: Any) -> Any:
    return as_array(xp.where(condition, x, y), x.dtype)


def _select_v2_gradient(dy: Any, *, condition: Any, t_shape: Any, e_shape: Any) -> tuple[None, Any, Any]:
    if isinstance(dy, IndexedSlices):
        dy = convert(dy)
    zero = np.zeros((), dy.dtype.as_numpy_dtype)
    return (None, sum_to_shape(SelectV2(condition, dy, zero), t_shape),
            sum_to_shape(SelectV2(condition, zero, dy), e_shape))


SelectV2 = op(
    "SelectV2", "condition: bool, t: T, e: T -> output: T", T=dtypes.ALL, kernel=_select_v2, shape=shapes.broadcast,
    gradient=_select_v2_gradient, doc="Elements of one tensor where a condition holds, of another elsewhere.",
    sample=lambda: ([np.array([True, False]), np.array([[1.0], [2.0]], np.float32), np.array([5.0, 6.0], np.float32)],
                    {}),
)


def _select(xp: Any, condition: Any, x: Any, y: Any) -> Any:
    if x.shape != y.shape:
        raise invalid(f"'then' and 'else' must have the same size.  but received: {list(x.shape)} vs. {list(y.shape)}")
    if condition.shape != x.shape and condition.ndim:
        if condition.ndim != 1 or not x.ndim or condition.shape[0] != x.shape[0]:
            raise invalid("'cond' must be a scalar, a vector of the first dimension's size, or of the shape of "
                          "'then': "
                          f"received {list(condition.shape)} for {list(x.shape)}")
        condition = xp.reshape(condition, condition.shape + (1,) * (x.ndim - 1))
    return as_array(xp.where(condition, x, y), x.dtype)


def _select_shape(op: Any) -> TensorShape:
    shape = op._inputs[1]._shape.merge_with(op._inputs[2]._shape)
    condition = op._inputs[0]._shape
    if condition.rank == 1 and shape._dims:
        TensorShape(shape._dims[:1]).assert_is_compatible_with(condition)
    if condition.rank not in (None, 0, 1):
        if not condition.is_compatible_with(shape):
            raise ValueError(f"Shapes must be equal, but are {condition} and {shape}")
        return shape.merge_with(condition)
    return shape


def _select_gradient(dy: Any, *, condition: Any) -> tuple[None, Any, Any]:
    if isinstance(dy, IndexedSlices):
        dy = convert(dy)
    zero = cards.ZerosLike(dy)
    return None, Select(condition, dy, zero), Select(condition, zero, dy)


Select = op(
    "Select", "condition: bool, t: T, e: T -> output: T", T=dtypes.ALL, kernel=_select, shape=_select_shape,
    gradient=_select_gradient, doc="Elements, or rows, of one tensor where a condition holds, of another elsewhere.",
    sample=lambda: ([np.array([True, False]), np.array([[1.0], [2.0]], np.float32),
                     np.array([[5.0], [6.0]], np.float32)], {}),
)


@export("where", v1=["where_v2"])
def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Tensor:
    """Elements of `x` where `condition` holds and of `y` elsewhere; without them, where it holds.

    Args:
      condition: booleans; without `x` and `y` numbers too, which hold when they are not zero.
      x: values to take where the condition holds.
      y: values to take elsewhere; all three broadcast.
      name: name of the operation.

    Returns:
      The chosen values; without `x` and `y` an int64 matrix with one row per element that holds, its position.

    Raises:
      ValueError: only one of `x` and `y` is given.

    >>> import everflow as tf
    >>> tf.where([True, False, True], [1, 2, 3], 0).numpy().tolist(), tf.where([0, 3, 4]).numpy().tolist()
    ([1, 0, 3], [[1], [2]])
    """
    if x is None and y is None:
        return Where(convert(condition, hint=dtypes.bool), name=name)
    if x is None or y is None:
        raise ValueError("x and y must both be non-None or both be None.")
    return SelectV2(condition, x, y, name=name)


@export(v1=["where"])
def where_v1(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Tensor:
    """Elements of `x` where `condition` holds and of `y` elsewhere; without them, where it holds.

    `x` and `y` have one shape, and `condition` has it too, or is a scalar, or a vector that chooses rows.

    Raises:
      ValueError: only one of `x` and `y` is given.
    """
    if x is None and y is None:
        return Where(convert(condition, hint=dtypes.bool), name=name)
    if x is None or y is None:
        raise ValueError("x and y must both be non-None or both be None.")
    return Select(condition, x, y, name=name)


def boolean_mask(tensor: Any, mask: Any, axis: Any = None, name: str = "boolean_mask") -> Tensor:
    """The slices of `tensor` at which `mask` holds; see `tf.boolean_mask`."""
    if type(tensor) is EagerTensor and not STATE.busy and (axis is None or axis == 0):
        given = mask._array if isinstance(mask, EagerTensor) else mask
        if isinstance(given, (np.ndarray, list)):
            given = np.asarray(given)
            value = tensor._value
            if given.dtype.kind in "bi" and given.ndim and given.shape == value.shape[:given.ndim]:
                return EagerTensor(value[given.astype(bool)])
    with name_scope(name, "boolean_mask"):
        tensor, mask = convert(tensor, name="tensor"), convert(mask, name="mask")
        shape, form = tensor.shape, mask.shape
        if form.rank is None:
            raise ValueError("Number of mask dimensions must be specified, even if some dimensions are None.  E.g. "
                             "shape=[None] is ok, but shape=None is not.")
        if form.rank == 0:
            raise ValueError("mask cannot be scalar.")
        position = 0 if axis is None else int(np.asarray(constant_value(axis) if isinstance(axis, Tensor) else axis))
        if position < 0:
            if shape.rank is None:
                raise ValueError("A negative axis of tf.boolean_mask needs a tensor of known rank")
            position += shape.rank
        last = position + form.rank
        if shape.rank is not None:
            TensorShape(shape.as_list()[position:last]).assert_is_compatible_with(form)
        whole = cards.Shape(tensor)
        rows = cards.Prod(whole[position:last], np.array([0], _INT32))
        flat = cards.Reshape(tensor, cards.ConcatV2([whole[:position], cards.Pack([rows]), whole[last:]], 0))
        if shape.rank is not None:
            dims = shape.as_list()
            inner = dims[position:last]
            count = None if None in inner else int(np.prod(inner))
            flat.set_shape(TensorShape([*dims[:position], count, *dims[last:]]))
        known = constant_value(mask) if current_graph() is not None else None
        if known is not None:
            # Which slices hold is known before anything runs, so that what follows compiles; that their number
            # is known too stays hidden, as in TensorFlow.
            places = np.flatnonzero(known)
            chosen = cards.PlaceholderWithDefault(places, shape=TensorShape([None]), name="Squeeze")
        else:
            chosen = cards.Squeeze(Where(cards.Reshape(mask, [-1])), squeeze_dims=[1])
        return GatherV2(flat, chosen, position)


@export("boolean_mask", v1=[])
def boolean_mask_v2(tensor: Any, mask: Any, axis: Any = None, name: str = "boolean_mask") -> Tensor:
    """The slices of `tensor` at which `mask` holds.

    Args:
      tensor: a tensor of shape [a0, ..., d0, ..., dk, b0, ...].
      mask: booleans of shape [d0, ..., dk], of known rank.
      axis: the dimension of `tensor` at which the mask begins, 0 by default.
      name: name of the operations.

    Returns:
      A tensor of shape [a0, ..., n, b0, ...] with the n slices for which the mask holds.

    Raises:
      ValueError: the mask is a scalar, or its shape does not fit.

    >>> import everflow as tf
    >>> tf.boolean_mask([[1, 2], [3, 4], [5, 6]], [True, False, True]).numpy().tolist()
    [[1, 2], [5, 6]]
    """
    return boolean_mask(tensor, mask, axis, name)


@export(v1=["boolean_mask"])
def boolean_mask_v1(tensor: Any, mask: Any, name: str = "boolean_mask", axis: Any = None) -> Tensor:
    """The slices of `tensor` at which `mask` holds; see the 2.x `tf.boolean_mask`."""
    return boolean_mask(tensor, mask, axis, name)
