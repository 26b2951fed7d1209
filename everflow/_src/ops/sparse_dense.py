"""Sparse tensors to whole ones and back, their order, and the values of some of their parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value_as_shape
from everflow._src.framework.context import STATE, current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.registry import op
from everflow._src.framework.sparse_tensor import SparseTensor, SparseTensorValue, as_sparse, like
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.by_name import cards
from everflow._src.ops.constants import placeholder
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import HostNeeded, invalid

INDICES = (dtypes.int32, dtypes.int64)

# What the samples of sparse cards share: a matrix of shape [2, 3] with three elements.
SAMPLE = (
    np.array([[0, 1], [1, 0], [1, 2]], np.int64),
    np.array([1.5, -2.0, 3.0], np.float32),
    np.array([2, 3], np.int64),
)


def positions_of(indices: Any, shape: Any) -> np.ndarray:
    """The position of each element in the flat order of rows.

    Raises:
      tf.errors.InvalidArgumentError: an element stands outside of the shape.
    """
    if indices.shape[1] != len(shape):
        raise invalid(f"Positions have rank {indices.shape[1]}, the shape {list(map(int, shape))} has {len(shape)}")
    outside = ((indices < 0) | (indices >= shape)).any(axis=1)
    if outside.any():
        place = int(np.argmax(outside))
        raise invalid(
            f"indices[{place}] = {_listed(indices[place])} is out of bounds: need 0 <= index < {_listed(shape)}"
        )
    if not len(shape):
        return np.zeros(len(indices), np.int64)
    return np.asarray(np.ravel_multi_index(tuple(indices.T), tuple(int(d) for d in shape)), np.int64)


def _listed(row: Any) -> str:
    return "[" + ",".join(str(int(v)) for v in row) + "]"


def unraveled(positions: Any, shape: Any) -> np.ndarray:
    """The inverse of `positions_of`: int64 [n, rank]."""
    if not len(shape):
        return np.zeros((len(positions), 0), np.int64)
    return np.stack(np.unravel_index(positions, tuple(int(d) for d in shape)), axis=1).astype(np.int64)


def sparse_shapes(known: Any, count: Any = None) -> list[TensorShape]:
    """Shapes of the three parts of a sparse tensor whose static shape is `known`."""
    return [TensorShape([count, known.rank]), TensorShape([count]), TensorShape([known.rank])]


# ---- cards


def _as_positions(indices: Any) -> Any:
    """Positions as a matrix: SparseToDense takes a vector, or a single number, for a dense vector too."""
    return indices.reshape(-1, 1) if indices.ndim < 2 else indices


def _sparse_to_dense(
    xp: Any, indices: Any, output_shape: Any, values: Any, default: Any, *, validate_indices: bool
) -> Any:
    shape = tuple(int(d) for d in output_shape)
    indices = _as_positions(indices)
    if indices.shape[1] != len(shape):
        raise invalid(f"output_shape has incorrect number of elements: {len(shape)} should be: {indices.shape[1]}")
    if np.ndim(values) and np.shape(values)[0] != indices.shape[0]:
        raise invalid(f"sparse_values has {np.shape(values)[0]} elements, should be: {indices.shape[0]}")
    positions = positions_of(indices, np.asarray(output_shape))
    if validate_indices and len(positions) > 1:
        steps = np.diff(positions)
        if (steps <= 0).any():
            place = int(np.argmax(steps <= 0)) + 1
            fault = "is repeated" if steps[place - 1] == 0 else (
                "is out of order. Many sparse ops require sorted indices.\n"
                "Use `tf.sparse.reorder` to create a correctly ordered copy."
            )
            raise invalid(f"indices[{place}] = {_listed(indices[place])} {fault}")
    result = np.full(shape, default, dtype=np.asarray(values).dtype)
    result.reshape(-1)[positions] = values
    return result


def _sparse_to_dense_xla(
    jax: Any, indices: Any, output_shape: Any, values: Any, default: Any, *, validate_indices: bool
) -> Any:
    if validate_indices and not isinstance(indices, np.ndarray):
        raise HostNeeded("positions of a sparse tensor are checked")
    shape = tuple(int(d) for d in output_shape)
    indices = _as_positions(indices)
    dense = jax.numpy.full(shape, default, dtype=values.dtype)
    return dense.at[tuple(indices[:, i] for i in range(len(shape)))].set(values)


def _sparse_to_dense_gradient(dy: Any, *, sparse_indices: Any, sparse_values_shape: Any) -> Any:
    indices, static = sparse_indices, sparse_values_shape.static
    if indices.shape.rank is not None and indices.shape.rank < 2:
        indices = cards.Reshape(indices, np.array([-1, 1], np.int32))
    taken = cards.GatherNd(dy, indices)
    total = cards.Sum(taken, cards.Range(0, cards.Rank(taken), 1))
    rest = cards.Sum(dy, cards.Range(0, cards.Rank(dy), 1)) - total
    return None, None, total if static.rank == 0 else taken, rest


SparseToDense = op(
    "SparseToDense",
    "sparse_indices: Tindices, output_shape: Tindices, sparse_values: T, default_value: T -> dense: T",
    T=dtypes.ALL, Tindices=INDICES, validate_indices=True,
    kernel=_sparse_to_dense, xla=_sparse_to_dense_xla, static=("output_shape",), shape=shapes.from_value(1),
    gradient=_sparse_to_dense_gradient, doc="A tensor of given elements, and a default everywhere else.",
    sample=lambda: (
        [SAMPLE[0], SAMPLE[2], SAMPLE[1], np.array(0.5, np.float32)], {"validate_indices": False},
    ),
)


def _reorder(xp: Any, indices: Any, values: Any, shape: Any) -> tuple[Any, Any]:
    order = np.argsort(positions_of(indices, shape), kind="stable")
    return indices[order], values[order]


def _reorder_gradient(dindices: Any, dvalues: Any, *, input_indices: Any, input_shape: Any) -> Any:
    count = cards.Shape(input_indices)[0]
    _, order = SparseReorder(input_indices, cards.Range(0, count, 1), input_shape)
    return None, cards.GatherV2(dvalues, cards.InvertPermutation(order), np.array(0, np.int32)), None


SparseReorder = op(
    "SparseReorder", "input_indices: int64, input_values: T, input_shape: int64 -> output_indices: int64, "
    "output_values: T", T=dtypes.ALL, kernel=_reorder, host=True, gradient=_reorder_gradient,
    shape=shapes.like_inputs(0, 1), doc="The elements of a sparse tensor in the order of rows.",
    sample=lambda: ([SAMPLE[0][::-1].copy(), SAMPLE[1], SAMPLE[2]], {}),
)


def _reshape(xp: Any, indices: Any, shape: Any, new_shape: Any) -> tuple[Any, Any]:
    size, target = int(np.prod(shape)), np.array(new_shape, np.int64)
    unknown = np.flatnonzero(target == -1)
    if len(unknown) > 1:
        raise invalid(f"only one output dimension may be -1, not both {unknown[0]} and {unknown[1]}")
    rest = int(np.prod(target[target != -1]))
    if len(unknown):
        target[unknown[0]] = size // rest if rest else 0
    if int(np.prod(target)) != size:
        raise invalid(
            f"Input to reshape is a SparseTensor with {size} dense values, but the requested shape requires "
            f"{'a multiple of ' if len(unknown) else ''}{rest}. input_shape={_listed(shape)} "
            f"output_shape={_listed(target)}"
        )
    return unraveled(positions_of(indices, shape), target), target


def _reshape_shape(op: Any) -> list[TensorShape]:
    known = constant_value_as_shape(op._inputs[2])
    count = op._inputs[0]._shape._dims[0] if op._inputs[0]._shape._dims else None
    return [TensorShape([count, known.rank]), TensorShape([known.rank])]


def _reshaped(op: Any) -> list[Any]:
    known, old = constant_value_as_shape(op._inputs[2]), constant_value_as_shape(op._inputs[1])
    dims = known.as_list() if known.rank is not None else None
    if dims is not None and dims.count(None) == 1 and old.is_fully_defined():
        rest = int(np.prod([d for d in dims if d is not None]))
        known = TensorShape([old.num_elements() // rest if d is None and rest else d for d in dims])
    return [None, known]


SparseReshape = op(
    "SparseReshape", "input_indices: int64, input_shape: int64, new_shape: int64 -> output_indices: int64, "
    "output_shape: int64", kernel=_reshape, host=True, shape=_reshape_shape, value_as_shape=_reshaped,
    no_gradient="its values are positions", doc="The positions of a sparse tensor in another shape.",
    sample=lambda: ([SAMPLE[0], SAMPLE[2], np.array([3, -1], np.int64)], {}),
)


# ---- to and from whole tensors


def _default_for(values: Any, default_value: Any) -> Any:
    if default_value is not None:
        return convert(default_value, values.dtype.base_dtype, name="default_value")
    is_text = values.dtype.base_dtype == dtypes.string
    return np.array(b"", object) if is_text else np.zeros((), values.dtype.as_numpy_dtype)


@export("sparse.to_dense", v1=["sparse.to_dense", "sparse_tensor_to_dense"])
def to_dense(sp_input: Any, default_value: Any = None, validate_indices: bool = True, name: str | None = None) -> Any:
    """The whole tensor.

    Args:
      sp_input: a SparseTensor, its elements in the order of rows (see `tf.sparse.reorder`).
      default_value: what stands where it has no element; zero, or the empty string, when None.
      validate_indices: check that the positions are in order and none is repeated.
      name: name of the operation.

    Raises:
      TypeError: `sp_input` is no SparseTensor.
      tf.errors.InvalidArgumentError: a position is out of bounds, out of order, or repeated.

    >>> import everflow as tf
    >>> tf.sparse.to_dense(tf.SparseTensor([[0, 1]], [5], [2, 2]), default_value=-1).numpy()
    array([[-1,  5],
           [-1, -1]], dtype=int32)
    """
    sparse = as_sparse(sp_input)
    dense = SparseToDense(
        sparse.indices, sparse.dense_shape, sparse.values, _default_for(sparse.values, default_value),
        validate_indices=validate_indices, name=name,
    )
    if current_graph() is not None:
        dense.set_shape(sparse.shape)
    return dense


@export(v1=["sparse_to_dense"])
def sparse_to_dense(
    sparse_indices: Any, output_shape: Any, sparse_values: Any, default_value: Any = 0,
    validate_indices: bool = True, name: str | None = None,
) -> Any:
    """A tensor of shape `output_shape`: `sparse_values` at `sparse_indices`, `default_value` elsewhere.

    Args:
      sparse_indices: integers: a matrix [n, rank], a vector [n], or one number.
      output_shape: a vector of integers of the same dtype.
      sparse_values: a vector of n values, or one for all positions.
      default_value: what stands elsewhere.
      validate_indices: check that the positions are in order and none is repeated.
      name: name of the operation.
    """
    return SparseToDense(
        sparse_indices, output_shape, sparse_values, default_value, validate_indices=validate_indices, name=name
    )


@export("sparse.from_dense", v1=["sparse.from_dense"])
def from_dense(tensor: Any, name: str | None = None) -> SparseTensor:
    """The elements of a tensor that are not zero, as a sparse tensor.

    >>> import everflow as tf
    >>> tf.sparse.from_dense([[0, 3], [0, 0]]).indices.numpy()
    array([[0, 1]])
    """
    with name_scope(name, "dense_to_sparse"):
        tensor = convert(tensor)
        zero = b"" if tensor.dtype.base_dtype == dtypes.string else np.zeros((), tensor.dtype.as_numpy_dtype)
        indices = cards.Where(cards.NotEqual(tensor, zero))
        values = cards.GatherNd(tensor, indices)
        return SparseTensor(indices, values, cards.Shape(tensor, out_type=dtypes.int64))


@export(v1=["sparse.placeholder", "sparse_placeholder"])
def sparse_placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> SparseTensor:
    """A sparse tensor that is fed: with a SparseTensorValue, or a tuple (indices, values, dense_shape).

    Args:
      dtype: dtype of the elements.
      shape: what is known of the shape of the whole tensor.
      name: prefix of the names of the three placeholders.

    Raises:
      RuntimeError: eager execution is enabled.
    """
    if current_graph() is None:
        raise RuntimeError("`sparse_placeholder` is not compatible with eager execution.")
    known = TensorShape(shape if shape is None or not hasattr(shape, "numpy") else shape.numpy())
    names = [None] * 3 if name is None else [f"{name}/{part}" for part in ("shape", "values", "indices")]
    dense_shape = placeholder(dtypes.int64, [known.rank], names[0])
    values = placeholder(dtype, [None], names[1])
    indices = placeholder(dtypes.int64, [None, known.rank], names[2])
    result = SparseTensor(indices, values, dense_shape)
    result.set_shape(known)
    return result


# ---- order and shape


@export("sparse.reorder", v1=["sparse.reorder", "sparse_reorder"])
def reorder(sp_input: Any, name: str | None = None) -> SparseTensor:
    """The same sparse tensor, its elements in the order of rows.

    >>> import everflow as tf
    >>> tf.sparse.reorder(tf.SparseTensor([[1, 0], [0, 1]], [5, 2], [2, 2])).values.numpy()
    array([2, 5], dtype=int32)
    """
    sparse = as_sparse(sp_input)
    return like(sparse, *SparseReorder(sparse.indices, sparse.values, sparse.dense_shape, name=name))


@export("sparse.reshape", v1=["sparse.reshape", "sparse_reshape"])
def sparse_reshape(sp_input: Any, shape: Any, name: str | None = None) -> SparseTensor:
    """The elements of a sparse tensor in another shape of the same size; one size of it may be -1.

    Raises:
      tf.errors.InvalidArgumentError: the sizes differ.
    """
    sparse = as_sparse(sp_input)
    new_shape = convert(shape, None if hasattr(shape, "dtype") else dtypes.int64)
    with name_scope(name, "SparseReshape") as scope:
        indices, dense_shape = SparseReshape(
            sparse.indices, sparse.dense_shape, cards.Cast(new_shape, DstT=dtypes.int64)
            if new_shape.dtype != dtypes.int64 else new_shape, name=scope or None,
        )
        result = SparseTensor(indices, cards.Identity(sparse.values), dense_shape)
    known, old = result.shape, sparse.shape
    if known.rank is not None and known.as_list().count(None) == 1 and old.is_fully_defined():
        rest = int(np.prod([d for d in known.as_list() if d is not None]))
        result.set_shape([old.num_elements() // rest if d is None and rest else d for d in known.as_list()])
    return result


@export("sparse.transpose", v1=["sparse.transpose", "sparse_transpose"])
def sparse_transpose(sp_input: Any, perm: Any = None, name: str | None = None) -> SparseTensor:
    """A sparse tensor with its dimensions in another order: reversed, or as `perm` says.

    >>> import everflow as tf
    >>> tf.sparse.transpose(tf.SparseTensor([[0, 2]], [5], [2, 3])).dense_shape.numpy()
    array([3, 2])
    """
    sparse = as_sparse(sp_input)
    with name_scope(name, "SparseTranspose"):
        if perm is None:
            rank = sparse.dense_shape.shape.as_list()[0] if sparse.dense_shape.shape.rank else None
            if rank is not None:
                perm = np.arange(rank)[::-1].astype(np.int32)
            else:
                rank = cards.Size(sparse.dense_shape)
                perm = rank - 1 - cards.Range(0, rank, 1)
        indices = cards.GatherV2(sparse.indices, perm, np.array(1, np.int32))
        dense_shape = cards.GatherV2(sparse.dense_shape, perm, np.array(0, np.int32))
        result = reorder(SparseTensor(indices, sparse.values, dense_shape))
        if isinstance(perm, (list, tuple, np.ndarray)) and sparse.shape.rank is not None:
            dims = sparse.shape.as_list()
            result.set_shape([dims[int(axis)] for axis in perm])
        return result


@export("sparse.expand_dims", v1=["sparse.expand_dims"])
def sparse_expand_dims(sp_input: Any, axis: Any = None, name: str | None = None) -> SparseTensor:
    """A sparse tensor with a dimension of size 1 put in at `axis` (the last when None).

    Raises:
      ValueError: `axis` is out of range.
    """
    sparse = as_sparse(sp_input)
    axis = -1 if axis is None else int(np.asarray(axis))
    with name_scope(name, "expand_dims"):
        rank = sparse.dense_shape.shape.as_list()[0]
        if rank is None:
            raise ValueError("tf.sparse.expand_dims needs a sparse tensor of known rank")
        if not -rank - 1 <= axis <= rank:
            raise ValueError(f"axis = {axis} is out of range [{-rank - 1}, {rank}] for a tensor of rank {rank}")
        axis = axis + rank + 1 if axis < 0 else axis
        one = np.array([1], np.int64)
        shape, indices = sparse.dense_shape, sparse.indices
        column = cards.ZerosLike(indices[:, :1]) if rank else cards.ZerosLike(sparse.values)[:, None]
        indices = cards.ConcatV2([indices[:, :axis], column, indices[:, axis:]], np.array(1, np.int32), name="concat")
        shape = cards.ConcatV2([shape[:axis], one, shape[axis:]], np.array(0, np.int32), name="concat")
        return SparseTensor(indices, sparse.values, shape)


@export("sparse.reset_shape", v1=["sparse.reset_shape", "sparse_reset_shape"])
def reset_shape(sp_input: Any, new_shape: Any = None) -> SparseTensor:
    """The same elements in another shape: a larger one, or the smallest that holds them.

    Args:
      sp_input: a SparseTensor.
      new_shape: sizes at least as large as those of `sp_input`; the smallest that hold all elements when None.

    Raises:
      TypeError: `sp_input` is no SparseTensor.
      ValueError: `new_shape` is known to be too small or of another rank.
      tf.errors.InvalidArgumentError: it shows to be so when the program runs.
    """
    sparse = as_sparse(sp_input)
    indices, values = cards.Identity(sparse.indices), cards.Identity(sparse.values)
    if new_shape is None:
        # The maximum of no positions at all is below -1: the shape of no elements is zero.
        ends = cards.Max(indices, np.array(0, np.int32))
        return SparseTensor(indices, values, cards.Maximum(np.int64(0), ends) + cards.Cast(
            cards.GreaterEqual(ends, np.int64(0)), DstT=dtypes.int64))
    target = convert(new_shape)
    target = target if target.dtype == dtypes.int64 else cards.Cast(target, DstT=dtypes.int64)
    known, old = constant_value_as_shape(target), sparse.shape
    if known.rank is not None and old.rank is not None:
        if known.rank != old.rank:
            raise ValueError(f"new_shape {known} has another rank than the sparse tensor of shape {old}")
        for new, size in zip(known.as_list(), old.as_list()):
            if new is not None and size is not None and new < size:
                raise ValueError(
                    f"Requested new_shape should have dimension sizes >= sp_input.shape.  Found new_shape ({known}), "
                    f"sp_input.shape ({old})."
                )
    if STATE.busy and not (known.is_fully_defined() and old.is_fully_defined()):
        fits = cards.All(cards.LessEqual(sparse.dense_shape, target), np.array([0], np.int32))
        check = cards.Assert(fits, ["new_shape is smaller than the shape of the sparse tensor:", target])
        graph = current_graph()
        if graph is not None:
            with graph.control_dependencies([check]):
                target = cards.Identity(target)
    return SparseTensor(indices, values, target)


# ---- parts


@export("sparse.retain", v1=["sparse.retain", "sparse_retain"])
def retain(sp_input: Any, to_retain: Any) -> SparseTensor:
    """Those elements of a sparse tensor for which `to_retain`, a vector of booleans, holds.

    Raises:
      ValueError: there are not as many booleans as elements.
    """
    sparse = as_sparse(sp_input)
    chosen = convert(to_retain)
    chosen.shape[:1].assert_is_compatible_with(sparse.values.shape[:1])
    where = cards.Reshape(cards.Where(chosen), np.array([-1], np.int32))
    axis = np.array(0, np.int32)
    return like(sparse, cards.GatherV2(sparse.indices, where, axis), cards.GatherV2(sparse.values, where, axis))


@export("sparse.to_indicator", v1=["sparse.to_indicator", "sparse_to_indicator"])
def to_indicator(sp_input: Any, vocab_size: Any, name: str | None = None) -> Any:
    """Booleans that tell which ids occur: the last dimension of ids becomes one of `vocab_size` booleans.

    >>> import everflow as tf
    >>> tf.sparse.to_indicator(tf.SparseTensor([[0, 0]], [2], [1, 2]), 3).numpy()
    array([[False, False,  True]])
    """
    sparse = as_sparse(sp_input)
    with name_scope(name, "SparseToIndicator") as scope:
        marks = like(sparse, sparse.indices, cards.OnesLike(cards.Cast(sparse.values, DstT=dtypes.bool)))
        merged = merge_ids(sparse, marks, vocab_size, False)
        return to_dense(merged, False, validate_indices=False, name=scope or None)


def merge_ids(sp_ids: SparseTensor, sp_values: SparseTensor, vocab_size: Any, already_sorted: bool) -> SparseTensor:
    """Elements of `sp_values` at the ids, which take the place of the last dimension."""
    ids = sp_ids.values
    ids = ids if ids.dtype == dtypes.int64 else cards.Cast(ids, DstT=dtypes.int64)
    rank = sp_ids.indices.shape.as_list()[1]
    columns = sp_ids.indices[:, : rank - 1] if rank is not None else sp_ids.indices[:, :-1]
    one = np.array(1, np.int32)
    size = convert(vocab_size)
    size = cards.Reshape(cards.Cast(size, DstT=dtypes.int64), np.array([1], np.int32))
    merged = SparseTensor(
        cards.ConcatV2([columns, cards.ExpandDims(ids, one)], one),
        sp_values.values,
        cards.ConcatV2([sp_ids.dense_shape[:-1], size], np.array(0, np.int32)),
    )
    if already_sorted:
        return merged
    return reorder(merged)


@export(v1=["sparse.merge", "sparse_merge"])
def sparse_merge(
    sp_ids: Any, sp_values: Any, vocab_size: Any, name: str | None = None, already_sorted: bool = False
) -> SparseTensor:
    """A sparse tensor of the elements of `sp_values`, each at its id from `sp_ids` in the last dimension.

    Args:
      sp_ids: a SparseTensor of integers, or a list of them, one for each of several last dimensions.
      sp_values: a SparseTensor of the same shape.
      vocab_size: the size of the last dimension, or a list of sizes.
      name: prefix of the names.
      already_sorted: the ids of each row are in order.

    Raises:
      TypeError: an argument is no SparseTensor.
      ValueError: there are not as many sizes as lists of ids.
    """
    if isinstance(sp_ids, SparseTensorValue) or isinstance(sp_ids, SparseTensor):
        sp_ids, vocab_size = [sp_ids], [vocab_size]
    sp_ids = [as_sparse(ids, "sp_ids") for ids in sp_ids]
    if len(sp_ids) != len(vocab_size):
        raise ValueError(f"sp_ids and vocab_size have to have the same length: {len(sp_ids)} and {len(vocab_size)}")
    values = as_sparse(sp_values, "sp_values")
    with name_scope(name, "SparseMerge"):
        merged = merge_ids(sp_ids[0], values, vocab_size[0], True)
        one = np.array(1, np.int32)
        for ids, size in zip(sp_ids[1:], vocab_size[1:]):
            column = cards.ExpandDims(cards.Cast(ids.values, DstT=dtypes.int64), one)
            end = cards.Reshape(cards.Cast(convert(size), DstT=dtypes.int64), np.array([1], np.int32))
            merged = SparseTensor(
                cards.ConcatV2([merged.indices, column], one), merged.values,
                cards.ConcatV2([merged.dense_shape, end], np.array(0, np.int32)),
            )
        return merged if already_sorted else reorder(merged)


@export("sparse.mask", v1=["sparse.mask", "sparse_mask"])
def sparse_mask(a: Any, mask_indices: Any, name: str | None = None) -> IndexedSlices:
    """`a`, IndexedSlices, without the slices whose index is in `mask_indices`."""
    with name_scope(name, "sparse_mask") as scope:
        out, kept = cards.ListDiff(convert(a.indices), mask_indices)
        values = cards.GatherV2(a.values, kept, np.array(0, np.int32), name=scope or None)
        return IndexedSlices(values, out, a.dense_shape)


@export("sparse.eye", v1=["sparse.eye"])
def sparse_eye(
    num_rows: Any, num_columns: Any = None, dtype: Any = dtypes.float32, name: str | None = None
) -> SparseTensor:
    """A matrix with ones on its diagonal.

    Args:
      num_rows: number of rows.
      num_columns: number of columns; that of the rows when None.
      dtype: dtype of the ones.
      name: prefix of the names.
    """
    with name_scope(name, "eye"):
        rows = convert(num_rows)
        rows = cards.Cast(rows, DstT=dtypes.int64)
        columns = rows if num_columns is None else cards.Cast(convert(num_columns), DstT=dtypes.int64)
        count = cards.Minimum(rows, columns)
        line = cards.Range(np.int64(0), count, np.int64(1))
        ones = cards.OnesLike(cards.Cast(line, DstT=as_dtype(dtype)))
        return SparseTensor(cards.Pack([line, line], axis=1), ones, cards.Pack([rows, columns]))
