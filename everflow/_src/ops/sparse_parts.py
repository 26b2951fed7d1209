"""Sparse tensors joined, split and sliced; rows without elements; functions of their values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes, nest
from everflow._src.framework.constant_value import constant_value, constant_value_as_shape
from everflow._src.framework.context import current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import INT, UNDEFINED_GRADIENT, op
from everflow._src.framework.sparse_tensor import SparseTensor, as_sparse, is_sparse, like
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.ops.sparse_dense import SAMPLE, positions_of, sparse_shapes
from everflow._src.runtime.failures import invalid

# ---- joining


def _concat(xp: Any, indices: Sequence[Any], values: Sequence[Any], shapes: Sequence[Any], *, concat_dim: int
            ) -> tuple[Any, Any, Any]:
    rank = len(shapes[0])
    if not -rank <= concat_dim < rank:
        raise invalid(f"Concat dimension must be in range [{-rank}, {rank}), got {concat_dim}")
    axis, total = concat_dim % rank, np.array(shapes[0], np.int64)
    moved, offset = [], 0
    for number, (part, shape) in enumerate(zip(indices, shapes)):
        if len(shape) != rank:
            raise invalid(f"Ranks of all input tensors must match: expected {rank} but got {len(shape)} at position "
                          f"{number}")
        for i in range(rank):
            if i != axis and shape[i] != total[i]:
                raise invalid(f"Input shapes must match: expected {total[i]} for dimension {i} but got {shape[i]} at "
                              f"position {number}")
        shift = np.zeros(rank, np.int64)
        shift[axis] = offset
        moved.append(part + shift)
        offset += int(shape[axis])
    total[axis] = offset
    joined = np.concatenate(moved)
    order = np.argsort(positions_of(joined, total), kind="stable")
    return joined[order], np.concatenate(values)[order], total


def _concat_dims(op: Any) -> TensorShape:
    count = op._attrs["N"]
    known = [constant_value_as_shape(t) for t in op._inputs[2 * count:]]
    rank = next((k.rank for k in known if k.rank is not None), None)
    if rank is None:
        return TensorShape(None)
    axis, dims = op._attrs["concat_dim"] % rank, []
    for i in range(rank):
        sizes = [k.as_list()[i] if k.rank == rank else None for k in known]
        if i == axis:
            dims.append(None if None in sizes else sum(sizes))
        else:
            dims.append(next((s for s in sizes if s is not None), None))
    return TensorShape(dims)


SparseConcat = op(
    "SparseConcat", "indices: N*int64, values: N*T, shapes: N*int64 -> output_indices: int64, output_values: T, "
    "output_shape: int64", T=dtypes.ALL, concat_dim=INT, kernel=_concat, host=True,
    shape=lambda op: sparse_shapes(_concat_dims(op)), value_as_shape=lambda op: [None, None, _concat_dims(op)],
    no_gradient="TensorFlow passes none", doc="Sparse tensors one after the other along a dimension.",
    sample=lambda: ([[SAMPLE[0], SAMPLE[0]], [SAMPLE[1], SAMPLE[1]], [SAMPLE[2], SAMPLE[2]]], {"concat_dim": 1}),
)


@export("sparse.concat", v1=[])
def sparse_concat(axis: Any, sp_inputs: Any, expand_nonconcat_dims: bool = False, name: str | None = None
                  ) -> SparseTensor:
    """Sparse tensors one after the other along a dimension.

    Args:
      axis: the dimension.
      sp_inputs: a list of SparseTensors of the same shape otherwise.
      expand_nonconcat_dims: let the shapes differ in the other dimensions too; the largest sizes count.
      name: name of the operation.

    Raises:
      TypeError: an input is no SparseTensor.
      tf.errors.InvalidArgumentError: the shapes do not fit.

    >>> import everflow as tf
    >>> s = tf.SparseTensor([[0, 1]], [5], [1, 2])
    >>> tf.sparse.concat(1, [s, s]).indices.numpy().tolist()
    [[0, 1], [0, 3]]
    """
    inputs = [as_sparse(s, "sp_inputs") for s in ([sp_inputs] if is_sparse(sp_inputs) else sp_inputs)]
    if len(inputs) == 1:
        return inputs[0]
    axis = int(np.asarray(axis))
    shapes: list[Any] = [s.dense_shape for s in inputs]
    if expand_nonconcat_dims:
        largest = cards.Max(cards.Pack(shapes), np.array(0, np.int32))
        at = axis if axis >= 0 else axis + inputs[0].dense_shape.shape.as_list()[0]
        shapes = [
            cards.ConcatV2([largest[:at], shape[at:at + 1], largest[at + 1:]], np.array(0, np.int32))
            for shape in shapes
        ]
    return SparseTensor(*SparseConcat(
        [s.indices for s in inputs], [s.values for s in inputs], shapes, concat_dim=axis, name=name
    ))


@export(v1=["sparse.concat", "sparse_concat"])
def sparse_concat_v1(
    axis: Any, sp_inputs: Any, name: str | None = None, expand_nonconcat_dim: bool = False, concat_dim: Any = None,
    expand_nonconcat_dims: bool | None = None,
) -> SparseTensor:
    """Sparse tensors one after the other along a dimension; `concat_dim` is the older name of `axis`."""
    if expand_nonconcat_dims is None:
        expand_nonconcat_dims = expand_nonconcat_dim
    if concat_dim is not None:
        if axis is not None:
            raise ValueError("Cannot specify both 'axis' and 'concat_dim'")
        axis = concat_dim
    return sparse_concat(axis, sp_inputs, expand_nonconcat_dims, name)


# ---- splitting and slicing


def _cut(indices: Any, values: Any, start: Any, size: Any) -> tuple[Any, Any]:
    inside = ((indices >= start) & (indices < np.asarray(start) + size)).all(axis=1)
    return indices[inside] - start, values[inside]


def _split(xp: Any, split_dim: Any, indices: Any, values: Any, shape: Any, *, num_split: int) -> tuple[Any, ...]:
    rank, axis = len(shape), int(split_dim)
    if not -rank <= axis < rank:
        raise invalid(f"Input split_dim should be between {-rank} and rank ({rank}), got {axis}")
    axis %= rank
    length = int(shape[axis])
    if not 1 <= num_split <= length:
        raise invalid(f"Input num_split should be between 1 and the splitting dimension size ({length}), got "
                      f"{num_split}")
    parts, offset = [], 0
    for i in range(num_split):
        # The first parts are larger by one where the length is no multiple.
        start, size = np.zeros(rank, np.int64), np.array(shape, np.int64)
        start[axis], size[axis] = offset, length // num_split + (i < length % num_split)
        offset += int(size[axis])
        parts.append((*_cut(indices, values, start, size), size))
    return tuple(part[i] for i in range(3) for part in parts)


def _split_shape(op: Any) -> list[TensorShape]:
    rank, count = constant_value_as_shape(op._inputs[3]).rank, op._attrs["num_split"]
    return [TensorShape([None, rank])] * count + [TensorShape([None])] * count + [TensorShape([rank])] * count


SparseSplit = op(
    "SparseSplit", "split_dim: int64, indices: int64, values: T, shape: int64 -> output_indices: num_split*int64, "
    "output_values: num_split*T, output_shape: num_split*int64", T=dtypes.ALL, num_split=INT, kernel=_split,
    host=True, shape=_split_shape, no_gradient=UNDEFINED_GRADIENT,
    doc="A sparse tensor cut along a dimension.",
    sample=lambda: ([np.array(1, np.int64), *SAMPLE], {"num_split": 2}),
)


@export("sparse.split", v1=[])
def sparse_split(sp_input: Any = None, num_split: Any = None, axis: Any = None, name: str | None = None
                 ) -> list[SparseTensor]:
    """A sparse tensor cut into `num_split` along `axis`; the first are larger where the size is no multiple.

    Raises:
      ValueError: an argument is missing.
      tf.errors.InvalidArgumentError: there are more parts than the dimension is long.
    """
    for value, what in ((sp_input, "sp_input"), (num_split, "num_split"), (axis, "axis")):
        if value is None:
            raise ValueError(f"{what} is required")
    sparse = as_sparse(sp_input)
    parts = SparseSplit(
        axis, sparse.indices, sparse.values, sparse.dense_shape, num_split=int(np.asarray(num_split)), name=name
    )
    return [SparseTensor(*part) for part in zip(*parts)]


@export(v1=["sparse.split", "sparse_split"])
def sparse_split_v1(
    keyword_required: Any = None, sp_input: Any = None, num_split: Any = None, axis: Any = None,
    name: str | None = None, split_dim: Any = None,
) -> list[SparseTensor]:
    """A sparse tensor cut into `num_split` along `axis`; all arguments are keywords.

    Raises:
      ValueError: a positional argument is given, or one is missing.
    """
    if keyword_required is not None:
        raise ValueError("Keyword arguments are required for this function.")
    return sparse_split(sp_input, num_split, axis if axis is not None else split_dim, name)


def _slice(xp: Any, indices: Any, values: Any, shape: Any, start: Any, size: Any) -> tuple[Any, Any, Any]:
    if len(start) != len(shape) or len(size) != len(shape):
        raise invalid(f"Expected start and size of length {len(shape)} but got {len(start)} and {len(size)}")
    if (np.asarray(size) < 0).any():
        raise invalid(f"sizes of a slice must not be negative: {list(map(int, size))}")
    size = np.maximum(np.minimum(size, np.asarray(shape) - start), 0).astype(np.int64)
    return *_cut(indices, values, np.asarray(start), size), size


def _slice_gradient(dindices: Any, dvalues: Any, dshape: Any, *, indices: Any, start: Any, output_indices: Any
                    ) -> Any:
    return None, SparseSliceGrad(dvalues, indices, start, output_indices), None, None, None


def _slice_shape(op: Any) -> list[TensorShape]:
    return sparse_shapes(TensorShape([None] * rank if (rank := constant_value_as_shape(op._inputs[2]).rank) is not None
                                     else None))


def _sliced(op: Any) -> list[Any]:
    shape, start, size = (constant_value_as_shape(op._inputs[2]), *map(constant_value, op._inputs[3:5]))
    if start is None or size is None or shape.rank is None:
        return [None, None, None]
    dims = [None if d is None else max(min(int(n), d - int(b)), 0) for d, b, n in zip(shape.as_list(), start, size)]
    return [None, None, TensorShape(dims)]


SparseSlice = op(
    "SparseSlice", "indices: int64, values: T, shape: int64, start: int64, size: int64 -> output_indices: int64, "
    "output_values: T, output_shape: int64", T=dtypes.ALL, kernel=_slice, host=True, shape=_slice_shape,
    value_as_shape=_sliced, gradient=_slice_gradient, doc="A part of a sparse tensor.",
    sample=lambda: ([*SAMPLE, np.array([0, 1], np.int64), np.array([2, 2], np.int64)], {}),
)


def _slice_grad(xp: Any, dy: Any, indices: Any, start: Any, kept: Any) -> Any:
    result = np.zeros(len(indices), dy.dtype)
    where = {tuple(row): i for i, row in enumerate((np.asarray(kept) + start).tolist())}
    for i, row in enumerate(np.asarray(indices).tolist()):
        found = where.get(tuple(row))
        if found is not None:
            result[i] = dy[found]
    return result


def _slice_grad_gradient(dy: Any, *, input_indices: Any, input_start: Any, output_indices: Any) -> Any:
    size = cards.Max(input_indices, np.array(0, np.int32)) + np.int64(1)
    whole = cards.ScatterNd(input_indices, dy, size)
    return cards.GatherNd(whole, output_indices + input_start), None, None, None


SparseSliceGrad = op(
    "SparseSliceGrad", "backprop_val_grad: T, input_indices: int64, input_start: int64, output_indices: int64 -> "
    "val_grad: T", T=dtypes.NUMERIC, kernel=_slice_grad, host=True, gradient=_slice_grad_gradient,
    shape=lambda op: op._inputs[1]._shape[:1], doc="The gradient of SparseSlice.",
    sample=lambda: ([np.array([1.0, 2.0], np.float32), SAMPLE[0], np.array([0, 1], np.int64),
                     np.array([[0, 0], [1, 1]], np.int64)], {}),
)


@export("sparse.slice", v1=["sparse.slice", "sparse_slice"])
def sparse_slice(sp_input: Any, start: Any, size: Any, name: str | None = None) -> SparseTensor:
    """The part of a sparse tensor that begins at `start` and has the sizes `size`, or as much as there is.

    >>> import everflow as tf
    >>> tf.sparse.to_dense(tf.sparse.slice(tf.SparseTensor([[0, 1]], [5], [2, 2]), [0, 1], [2, 1])).numpy()
    array([[5],
           [0]], dtype=int32)
    """
    sparse = as_sparse(sp_input)
    start, size = convert(start, dtypes.int64), convert(size, dtypes.int64)
    with name_scope(name, "SparseSlice") as scope:
        return SparseTensor(*SparseSlice(
            sparse.indices, sparse.values, sparse.dense_shape, start, size, name=scope or None
        ))


# ---- rows without elements


def _fill(xp: Any, indices: Any, values: Any, shape: Any, default: Any) -> tuple[Any, Any, Any, Any]:
    rows = int(shape[0])
    outside = (indices[:, 0] < 0) | (indices[:, 0] >= rows)
    if outside.any():
        place = int(np.argmax(outside))
        raise invalid(f"indices({place}, 0) is invalid: {int(indices[place, 0])} >= {rows}")
    empty = np.ones(rows, bool)
    empty[indices[:, 0]] = False
    added = np.zeros((int(empty.sum()), len(shape)), np.int64)
    added[:, 0] = np.flatnonzero(empty)
    joined = np.concatenate([indices, added])
    order = np.argsort(joined[:, 0], kind="stable")
    filled = np.concatenate([values, np.full(len(added), default, values.dtype)])[order]
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return joined[order], filled, empty, place[: len(indices)]


def _fill_shape(op: Any) -> list[TensorShape]:
    known = constant_value_as_shape(op._inputs[2])
    rows = known.as_list()[0] if known.rank else None
    rank = op._inputs[0]._shape._dims[1] if op._inputs[0]._shape._dims else known.rank
    return [TensorShape([None, rank]), TensorShape([None]), TensorShape([rows]), op._inputs[0]._shape[:1]]


def _fill_gradient(dindices: Any, dvalues: Any, dempty: Any, dmap: Any, *, reverse_index_map: Any) -> Any:
    values, default = SparseFillEmptyRowsGrad(reverse_index_map, dvalues)
    return None, values, None, default


SparseFillEmptyRows = op(
    "SparseFillEmptyRows", "indices: int64, values: T, dense_shape: int64, default_value: T -> output_indices: int64, "
    "output_values: T, empty_row_indicator: bool, reverse_index_map: int64", T=dtypes.ALL, kernel=_fill, host=True,
    shape=_fill_shape, gradient=_fill_gradient, doc="A sparse tensor with an element in every row.",
    sample=lambda: ([*SAMPLE[:2], np.array([4, 3], np.int64), np.array(7.0, np.float32)], {}),
)


def _fill_grad(xp: Any, place: Any, dy: Any) -> tuple[Any, Any]:
    rest = np.ones(len(dy), bool)
    rest[place] = False
    return dy[place], np.asarray(dy[rest].sum(), dy.dtype)


def _fill_grad_gradient(dvalues: Any, ddefault: Any, *, reverse_index_map: Any, grad_values_shape: Any) -> Any:
    size = grad_values_shape.tensor(dtype=dtypes.int64)
    where = cards.ExpandDims(reverse_index_map, np.array(1, np.int32))
    ones = cards.ScatterNd(where, cards.OnesLike(dvalues), size)
    return None, cards.ScatterNd(where, dvalues, size) + (1 - ones) * ddefault


SparseFillEmptyRowsGrad = op(
    "SparseFillEmptyRowsGrad", "reverse_index_map: int64, grad_values: T -> d_values: T, d_default_value: T",
    T=dtypes.NUMERIC, kernel=_fill_grad, host=True, gradient=_fill_grad_gradient,
    shape=lambda op: [op._inputs[0]._shape, TensorShape([])], doc="The gradient of SparseFillEmptyRows.",
    sample=lambda: ([np.array([0, 2], np.int64), np.array([1.0, 2.0, 3.0], np.float32)], {}),
)


@export("sparse.fill_empty_rows", v1=["sparse.fill_empty_rows", "sparse_fill_empty_rows"])
def sparse_fill_empty_rows(sp_input: Any, default_value: Any, name: str | None = None) -> tuple[SparseTensor, Any]:
    """A sparse tensor with `default_value` in the first column of every row that had no element.

    Returns:
      The SparseTensor, and a vector of booleans: which rows had no element.

    >>> import everflow as tf
    >>> filled, empty = tf.sparse.fill_empty_rows(tf.SparseTensor([[1, 0]], [5], [2, 2]), 9)
    >>> filled.values.numpy(), empty.numpy()
    (array([9, 5], dtype=int32), array([ True, False]))
    """
    sparse = as_sparse(sp_input)
    with name_scope(name, "SparseFillEmptyRows"):
        default = convert(default_value, sparse.dtype.base_dtype)
        indices, values, empty, _ = SparseFillEmptyRows(
            sparse.indices, sparse.values, sparse.dense_shape, default
        )
        return like(sparse, indices, values), empty


# ---- functions of the values


@export("sparse.map_values", v1=[])
def map_values(op: Callable[..., Any], *args: Any, **kwargs: Any) -> SparseTensor:
    """Applies `op` to the elements of sparse tensors.

    Args:
      op: a function of tensors.
      *args: its arguments; sparse tensors among them, all with the same positions, are given as their values.
      **kwargs: its keyword arguments, likewise.

    Returns:
      A SparseTensor with the positions of the arguments.

    Raises:
      ValueError: no argument is sparse.
      tf.errors.InvalidArgumentError: the positions differ.

    >>> import everflow as tf
    >>> tf.sparse.map_values(tf.add, tf.SparseTensor([[0, 1]], [5], [1, 2]), 2).values.numpy()
    array([7], dtype=int32)
    """
    found = [leaf for leaf in nest.flatten([args, kwargs]) if isinstance(leaf, SparseTensor)]
    if not found:
        raise ValueError("No SparseTensor in argument list of map_values")
    checks = [
        cards.Assert(cards.All(cards.Equal(a, b), np.arange(n, dtype=np.int32)), ["The sparse tensors differ in", what])
        for other in found[1:]
        for a, b, n, what in (
            (found[0].indices, other.indices, 2, "their positions."),
            (found[0].dense_shape, other.dense_shape, 1, "their shape."),
        )
    ]

    def values_of(part: Any) -> Any:
        return part.values if isinstance(part, SparseTensor) else part

    values = op(*nest.map_structure(values_of, args), **nest.map_structure(values_of, kwargs))
    graph = current_graph()
    if graph is not None and checks:
        with graph.control_dependencies(checks):
            return like(found[0], cards.Identity(found[0].indices), values)
    return like(found[0], found[0].indices, values)
