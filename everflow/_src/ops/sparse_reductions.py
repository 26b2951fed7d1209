"""Sums and maxima over dimensions of sparse tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.constant_value import constant_value, constant_value_as_shape
from everflow._src.framework.context import current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import UNDEFINED_GRADIENT, op
from everflow._src.framework.sparse_tensor import SparseTensor, as_sparse
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.by_name import cards
from everflow._src.ops.sparse_dense import SAMPLE, positions_of, unraveled
from everflow._src.runtime.failures import invalid


def _reduced_axes(axes: Any, rank: int) -> list[int]:
    found = []
    for axis in np.asarray(axes).reshape(-1).tolist():
        if not -rank <= axis < rank:
            raise invalid(f"Invalid reduction dimension {axis}, for input with {rank} dimensions.")
        found.append(axis % rank)
    # No axes at all mean every axis.
    return sorted(set(found)) or list(range(rank))


def _reduced(indices: Any, values: Any, shape: Any, axes: Any, keep_dims: bool, maximum: bool
             ) -> tuple[Any, Any, list[int]]:
    """Positions with an element, their values, and the shape of the result."""
    rank = len(shape)
    reduced = _reduced_axes(axes, rank)
    rest = [i for i in range(rank) if i not in reduced]
    positions_of(indices, shape)
    group = positions_of(indices[:, rest], np.asarray(shape)[rest]) if rest else np.zeros(len(values), np.int64)
    present, inverse = np.unique(group, return_inverse=True)
    if maximum:
        lowest = -np.inf if values.dtype.kind not in "iu" else np.iinfo(values.dtype).min
        result = np.full(len(present), lowest, values.dtype)
        np.maximum.at(result, inverse, values)
    else:
        result = np.zeros(len(present), values.dtype)
        np.add.at(result, inverse, values)
    sizes = [1 if i in reduced else int(shape[i]) for i in range(rank) if keep_dims or i in rest]
    return present, result, sizes


def _shape(op: Any) -> TensorShape:
    known, axes = constant_value_as_shape(op._inputs[2]), constant_value(op._inputs[3])
    if known.rank is None or axes is None:
        return TensorShape(None)
    reduced = [int(a) % known.rank for a in axes.reshape(-1)] or range(known.rank)
    keep = op._attrs["keep_dims"]
    return TensorShape([1 if i in reduced else d for i, d in enumerate(known.as_list()) if keep or i not in reduced])


def _sparse_shape(op: Any) -> list[TensorShape]:
    rank = _shape(op).rank
    return [TensorShape([None, rank]), TensorShape([None]), TensorShape([rank])]


def _sum_gradient(dy: Any, *, input_indices: Any, input_shape: Any, reduction_axes: Any) -> Any:
    rank = cards.Size(input_shape)
    axes = cards.Reshape(reduction_axes, np.array([-1], np.int32))
    every = cards.Range(0, rank, 1)
    marked = _marked(axes, rank, every)
    none = cards.Equal(cards.Size(axes), 0)  # no axes mean every axis
    axes = cards.SelectV2(none, every, marked)
    kept = cards.SelectV2(cards.GreaterEqual(axes, 0), cards.OnesLike(input_shape), input_shape)
    scale = cards.FloorDiv(input_shape, kept)
    return None, cards.GatherNd(cards.Reshape(dy, kept), cards.FloorDiv(input_indices, scale)), None, None


def _cards(suffix: str, maximum: bool) -> tuple[Any, Any]:
    def kernel(xp: Any, indices: Any, values: Any, shape: Any, axes: Any, *, keep_dims: bool) -> Any:
        present, result, sizes = _reduced(indices, values, shape, axes, keep_dims, maximum)
        whole = np.zeros(sizes, values.dtype)
        whole.reshape(-1)[present] = result
        return whole

    def sparse_kernel(xp: Any, indices: Any, values: Any, shape: Any, axes: Any, *, keep_dims: bool) -> Any:
        present, result, sizes = _reduced(indices, values, shape, axes, keep_dims, maximum)
        return unraveled(present, sizes), result, np.array(sizes, np.int64)

    inputs = "input_indices: int64, input_values: T, input_shape: int64, reduction_axes: int32 -> "
    common: dict[str, Any] = {
        "T": dtypes.REAL if maximum else dtypes.NUMERIC, "keep_dims": False, "host": True,
        "sample": lambda: ([*SAMPLE, np.array([1], np.int32)], {}),
    }
    whole = op(
        f"SparseReduce{suffix}", f"{inputs}output: T", kernel=kernel, shape=_shape,
        gradient=None if maximum else _sum_gradient, no_gradient=UNDEFINED_GRADIENT if maximum else False,
        doc="A reduction of a sparse tensor to a whole one.", **common,
    )
    sparse = op(
        f"SparseReduce{suffix}Sparse", f"{inputs}output_indices: int64, output_values: T, output_shape: int64",
        kernel=sparse_kernel, shape=_sparse_shape, value_as_shape=lambda op: [None, None, _shape(op)],
        no_gradient=UNDEFINED_GRADIENT, doc="A reduction of a sparse tensor to a sparse one.", **common,
    )
    return whole, sparse


SparseReduceSum, SparseReduceSumSparse = _cards("Sum", False)
SparseReduceMax, SparseReduceMaxSparse = _cards("Max", True)


def _marked(axes: Any, rank: Any, every: Any) -> Any:
    """For each dimension: itself if it is among the axes, else -1."""
    axes = cards.FloorMod(axes, rank)
    hits = cards.Any(cards.Equal(cards.ExpandDims(every, 1), cards.ExpandDims(axes, 0)), np.array(1, np.int32))
    return cards.SelectV2(hits, every, cards.OnesLike(every) * -1)


def _reduce(whole: Any, sparse_card: Any, sp_input: Any, axis: Any, keepdims: Any, sparse_output: bool,
            name: str | None = None) -> Any:
    sparse = as_sparse(sp_input)
    if axis is None:
        rank = sparse.dense_shape.shape.as_list()[0]
        axis = cards.Range(0, cards.Size(sparse.dense_shape), 1) if rank is None else np.arange(rank, dtype=np.int32)
    parts = (sparse.indices, sparse.values, sparse.dense_shape, convert(axis, dtypes.int32))
    if sparse_output:
        return SparseTensor(*sparse_card(*parts, keep_dims=bool(keepdims), name=name))
    result = whole(*parts, keep_dims=bool(keepdims), name=name)
    known = sparse.shape
    if current_graph() is not None and known.rank is not None and not hasattr(axis, "op"):
        reduced = [int(a) % known.rank for a in np.asarray(axis).reshape(-1)] or range(known.rank)
        dims = known.as_list()
        result.set_shape([1 if i in reduced else d for i, d in enumerate(dims) if keepdims or i not in reduced])
    return result


@export("sparse.reduce_sum", v1=[])
def sparse_reduce_sum(
    sp_input: Any, axis: Any = None, keepdims: bool | None = None, output_is_sparse: bool = False,
    name: str | None = None,
) -> Any:
    """Sums over dimensions of a sparse tensor.

    Args:
      sp_input: a SparseTensor of numbers.
      axis: the dimension or dimensions to sum over; all when None.
      keepdims: keep them, with size 1.
      output_is_sparse: return a SparseTensor.
      name: name of the operation.

    >>> import everflow as tf
    >>> tf.sparse.reduce_sum(tf.SparseTensor([[0, 1], [1, 0]], [5, 2], [2, 2]), 1).numpy()
    array([5, 2], dtype=int32)
    """
    return _reduce(SparseReduceSum, SparseReduceSumSparse, sp_input, axis, keepdims, output_is_sparse, name)


@export("sparse.reduce_max", v1=[])
def sparse_reduce_max(
    sp_input: Any, axis: Any = None, keepdims: bool | None = None, output_is_sparse: bool = False,
    name: str | None = None,
) -> Any:
    """Maxima over dimensions of a sparse tensor: of the elements that it has; zero where it has none.

    The arguments are those of `tf.sparse.reduce_sum`.
    """
    return _reduce(SparseReduceMax, SparseReduceMaxSparse, sp_input, axis, keepdims, output_is_sparse, name)


def _old(axis: Any, keepdims: Any, reduction_axes: Any, keep_dims: Any) -> tuple[Any, Any]:
    for new, old, names in ((axis, reduction_axes, "axis and reduction_axes"), (keepdims, keep_dims, "keepdims and "
                                                                               "keep_dims")):
        if new is not None and old is not None:
            raise ValueError(f"Cannot specify both {names}")
    return axis if axis is not None else reduction_axes, keepdims if keepdims is not None else keep_dims


@export(v1=["sparse.reduce_sum", "sparse_reduce_sum"])
def sparse_reduce_sum_v1(
    sp_input: Any, axis: Any = None, keepdims: Any = None, reduction_axes: Any = None, keep_dims: Any = None
) -> Any:
    """Sums over dimensions of a sparse tensor."""
    axis, keepdims = _old(axis, keepdims, reduction_axes, keep_dims)
    return sparse_reduce_sum(sp_input, axis, keepdims)


@export(v1=["sparse.reduce_sum_sparse", "sparse_reduce_sum_sparse"])
def sparse_reduce_sum_sparse(
    sp_input: Any, axis: Any = None, keepdims: Any = None, reduction_axes: Any = None, keep_dims: Any = None
) -> SparseTensor:
    """Sums over dimensions of a sparse tensor, as a sparse tensor."""
    axis, keepdims = _old(axis, keepdims, reduction_axes, keep_dims)
    return sparse_reduce_sum(sp_input, axis, keepdims, True)


@export(v1=["sparse.reduce_max", "sparse_reduce_max"])
def sparse_reduce_max_v1(
    sp_input: Any, axis: Any = None, keepdims: Any = None, reduction_axes: Any = None, keep_dims: Any = None
) -> Any:
    """Maxima over dimensions of a sparse tensor."""
    axis, keepdims = _old(axis, keepdims, reduction_axes, keep_dims)
    return sparse_reduce_max(sp_input, axis, keepdims)


@export(v1=["sparse.reduce_max_sparse", "sparse_reduce_max_sparse"])
def sparse_reduce_max_sparse(
    sp_input: Any, axis: Any = None, keepdims: Any = None, reduction_axes: Any = None, keep_dims: Any = None
) -> SparseTensor:
    """Maxima over dimensions of a sparse tensor, as a sparse tensor."""
    axis, keepdims = _old(axis, keepdims, reduction_axes, keep_dims)
    return sparse_reduce_max(sp_input, axis, keepdims, True)
