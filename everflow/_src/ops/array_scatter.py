"""Elements put in their positions: scatter_nd, and tensors updated at some positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value_as_shape
from everflow._src.framework.export import export
from everflow._src.framework.registry import op
from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.array_gather import INDICES, SMALL_INDICES, GatherNd, check_depth, check_positions, index_columns
from everflow._src.ops.by_name import cards
from everflow._src.runtime.failures import invalid


def _check_scatter(indices: Any, updates: Any, shape: Any) -> None:
    check_depth(indices, len(shape))
    wanted = indices.shape[:-1] + tuple(shape[indices.shape[-1]:])
    if updates.shape != wanted:
        raise invalid(f"Dimensions [0,{indices.ndim - 1}) of indices[shape={list(indices.shape)}] and the rest of the "
                      f"output shape {list(shape)} ask for updates of shape {list(wanted)}, but got updates of shape "
                      f"{list(updates.shape)}")


_COMBINE = {
    "update": (None, lambda ref, updates: ref.set(updates)),
    # Of booleans the sum is whether any holds, which XLA calls their maximum.
    "add": (np.add, lambda ref, updates: (ref.max if updates.dtype == bool else ref.add)(updates, mode="drop")),
    "sub": (np.subtract, lambda ref, updates: ref.add(-updates, mode="drop")),
    "min": (np.minimum, lambda ref, updates: ref.min(updates, mode="drop")),
    "max": (np.maximum, lambda ref, updates: ref.max(updates, mode="drop")),
}


def scatter_into(xp: Any, tensor: Any, indices: Any, updates: Any, how: str) -> Any:
    """`tensor` with `updates` combined in at the rows of `indices`; NumPy writes into `tensor` itself."""
    ufunc, compiled = _COMBINE[how]
    _check_scatter(indices, updates, tensor.shape)
    if xp is np:
        check_positions(indices, tensor.shape, "shape")
        place = (*index_columns(indices), ...)
        if ufunc is None:
            tensor[place] = updates
        else:
            ufunc.at(tensor, place, updates)
        return tensor
    tensor = xp.asarray(tensor)
    if not indices.shape[-1]:
        return _scatter_whole(xp, tensor, updates, indices.ndim - 1, how)
    return compiled(tensor.at[index_columns(xp.asarray(indices))], updates)


def _scatter_whole(xp: Any, tensor: Any, updates: Any, rows: int, how: str) -> Any:
    """Each update covers the whole tensor."""
    updates = xp.reshape(updates, (-1, *tensor.shape))
    if how == "update":
        return updates[-1] if updates.shape[0] else tensor
    if how in ("add", "sub"):
        total = xp.sum(updates, 0).astype(tensor.dtype)
        return tensor + total if how == "add" else tensor - total
    return (xp.minimum if how == "min" else xp.maximum)(tensor, (xp.min if how == "min" else xp.max)(updates, 0))


def _scatter_shape(op: Any) -> TensorShape:
    shape = constant_value_as_shape(op._inputs[2])
    _check_scatter_shapes(shape, op._inputs[0]._shape, op._inputs[1]._shape)
    return shape


def _tensor_scatter_shape(op: Any) -> TensorShape:
    tensor, indices, updates = (t._shape for t in op._inputs)
    _check_scatter_shapes(tensor, indices, updates)
    return tensor


def _check_scatter_shapes(shape: TensorShape, indices: TensorShape, updates: TensorShape) -> None:
    if shape._dims is None or updates._dims is None or not indices._dims or indices._dims[-1] is None:
        return
    depth = indices._dims[-1]
    if depth > len(shape._dims):
        raise ValueError(f"index innermost dimension length must be <= params rank; saw: {depth} vs. "
                         f"{len(shape._dims)}")
    wanted = TensorShape(indices._dims[:-1] + shape._dims[depth:])
    if not wanted.is_compatible_with(updates):
        raise ValueError(f"Dimensions of indices {indices} and of the output {shape} ask for updates of shape "
                         f"{wanted}, "
                         f"but updates have shape {updates}")


def _scatter_nd(xp: Any, indices: Any, updates: Any, shape: Any) -> Any:
    sizes = tuple(shape.tolist())
    if min(sizes, default=0) < 0:
        raise invalid(f"output_shape must be non-negative, got {list(sizes)}")
    if updates.dtype == object:
        result = np.full(sizes, b"", object)
    else:
        result = (np if xp is np else xp).zeros(sizes, updates.dtype)
    return scatter_into(xp, result, indices, updates, "add")


ScatterNd = op(
    "ScatterNd", "indices: Tindices, updates: T, shape: Tindices -> output: T", T=dtypes.ALL,
    Tindices=SMALL_INDICES, kernel=_scatter_nd, shape=lambda op: _scatter_shape(op), static=("shape",),
    gradient=lambda dy, *, indices: (None, GatherNd(dy, indices), None),
    doc="Zeros, to which slices are added at given positions.",
    sample=lambda: ([np.array([[1], [3], [1]], np.int32), np.array([1.0, 2.0, 3.0], np.float32),
                     np.array([4], np.int32)], {}),
)


@export("scatter_nd", v1=["scatter_nd", "manip.scatter_nd"])
def scatter_nd(indices: Any, updates: Any, shape: Any, name: str | None = None) -> Tensor:
    """A tensor of `shape`, zero but where `updates` are added at the positions `indices`.

    Args:
      indices: integers of shape [..., k], each row a position in the first k dimensions.
      updates: a tensor of shape `indices.shape[:-1] + shape[k:]`; those of equal positions add up.
      shape: the shape of the result.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError: a position is out of range.

    >>> import everflow as tf
    >>> tf.scatter_nd([[1], [3], [1]], [1, 2, 3], [4]).numpy().tolist()
    [0, 4, 0, 2]
    """
    return ScatterNd(indices, updates, shape, name=name)


ScatterNdNonAliasingAdd = op(
    "ScatterNdNonAliasingAdd", "input: T, indices: Tindices, updates: T -> output: T",
    T=dtypes.NUMERIC + (dtypes.bool,),
    Tindices=INDICES,
    kernel=lambda xp, x, indices, updates: scatter_into(xp, np.array(x) if xp is np else x, indices, updates, "add"),
    shape=shapes.unchanged, gradient=lambda dy, *, indices: (dy, None, GatherNd(dy, indices)),
    doc="A tensor with slices added at given positions.",
    sample=lambda: ([np.ones(4, np.float32), np.array([[1], [3]], np.int32), np.array([1.0, 2.0], np.float32)], {}),
)


def _tensor_scatter(how: str, doc: str, gradient: Any) -> Any:
    def kernel(xp: Any, tensor: Any, indices: Any, updates: Any) -> Any:
        if xp is not np:
            return scatter_into(xp, tensor, indices, updates, how)
        return scatter_into(np, np.array(tensor), indices, updates, how)

    return op(
        f"TensorScatter{how.title()}", "tensor: T, indices: Tindices, updates: T -> output: T", T=dtypes.ALL,
        Tindices=SMALL_INDICES, kernel=kernel, shape=_tensor_scatter_shape, gradient=gradient, doc=doc,
        sample=lambda: ([np.arange(8, dtype=np.float32).reshape(4, 2), np.array([[3], [0]], np.int32),
                         np.array([[9.0, -9.0], [2.0, 7.0]], np.float32)], {}),
    )


def _extreme_gradient(dy: Any, *, tensor: Any, indices: Any, updates: Any, output: Any) -> tuple[Any, None, Any]:
    # Several candidates may tie for one element: they share its gradient.
    kept = cards.Cast(cards.Equal(tensor, output), DstT=dy.dtype)
    won = cards.Cast(cards.Equal(updates, GatherNd(output, indices)), DstT=dy.dtype)
    shared = cards.RealDiv(dy, TensorScatterAdd(kept, indices, won))
    return cards.Mul(shared, kept), None, cards.Mul(GatherNd(shared, indices), won)


def _update_gradient(dy: Any, *, indices: Any) -> tuple[Any, None, Any]:
    taken = GatherNd(dy, indices)
    return TensorScatterUpdate(dy, indices, cards.ZerosLike(taken)), None, taken


TensorScatterUpdate = _tensor_scatter("update", "A tensor with other slices at given positions.", _update_gradient)
TensorScatterAdd = _tensor_scatter("add", "A tensor with slices added at given positions.",
                                   lambda dy, *, indices: (dy, None, GatherNd(dy, indices)))
TensorScatterSub = _tensor_scatter("sub", "A tensor with slices subtracted at given positions.",
                                   lambda dy, *, indices: (dy, None, cards.Neg(GatherNd(dy, indices))))
TensorScatterMin = _tensor_scatter("min", "A tensor, or slices at given positions where those are less.",
                                   _extreme_gradient)
TensorScatterMax = _tensor_scatter("max", "A tensor, or slices at given positions where those are more.",
                                   _extreme_gradient)


@export("tensor_scatter_nd_update", v1=["tensor_scatter_nd_update", "tensor_scatter_update"])
def tensor_scatter_nd_update(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """`tensor` with `updates` in place of what stands at the positions `indices`.

    Args:
      tensor: a tensor.
      indices: integers of shape [..., k], each row a position in the first k dimensions.
      updates: a tensor of shape `indices.shape[:-1] + tensor.shape[k:]`.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError: a position is out of range.

    >>> import everflow as tf
    >>> tf.tensor_scatter_nd_update([1, 2, 3], [[0], [2]], [7, 9]).numpy().tolist()
    [7, 2, 9]
    """
    return TensorScatterUpdate(tensor, indices, updates, name=name)


@export("tensor_scatter_nd_add", v1=["tensor_scatter_nd_add", "tensor_scatter_add"])
def tensor_scatter_nd_add(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """`tensor` with `updates` added at the positions `indices`; those of equal positions add up."""
    return TensorScatterAdd(tensor, indices, updates, name=name)


@export("tensor_scatter_nd_sub", v1=["tensor_scatter_nd_sub", "tensor_scatter_sub"])
def tensor_scatter_nd_sub(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """`tensor` with `updates` subtracted at the positions `indices`."""
    return TensorScatterSub(tensor, indices, updates, name=name)


@export("tensor_scatter_nd_min")
def tensor_scatter_nd_min(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """`tensor`, at the positions `indices` the lesser of it and `updates`."""
    return TensorScatterMin(tensor, indices, updates, name=name)


@export("tensor_scatter_nd_max")
def tensor_scatter_nd_max(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """`tensor`, at the positions `indices` the greater of it and `updates`."""
    return TensorScatterMax(tensor, indices, updates, name=name)
