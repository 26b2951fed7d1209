"""Elements picked by their positions: gather and gather_nd."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.constant_value import constant_value, constant_value_as_shape
from everflow._src.framework.context import STATE
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.shape_rules import UNKNOWN_SHAPE
from everflow._src.framework.tensor import EagerTensor, Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.array_shape import size_internal
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid

INDICES = Attr("type", allowed=(dtypes.int32, dtypes.int64))
SMALL_INDICES = Attr("type", allowed=(dtypes.int16, dtypes.int32, dtypes.int64))
_INT32 = np.dtype("int32")

# ---- gather


def _check_range(indices: Any, size: int) -> None:
    if not indices.size or (indices.min() >= 0 and indices.max() < size):
        return
    wrong = np.argwhere((indices < 0) | (indices >= size))[0]
    at = f"[{','.join(map(str, wrong.tolist()))}]" if indices.ndim else ""
    raise invalid(f"indices{at} = {indices[tuple(wrong)]} is not in [0, {size})")


def _gather_axes(params: Any, indices: Any, axis: int, batch_dims: int) -> tuple[int, int]:
    rank = params.ndim
    if not -indices.ndim <= batch_dims <= indices.ndim:
        raise invalid(f"Expected batch_dims in the range [{-indices.ndim}, {indices.ndim}], but got {batch_dims}")
    batch = batch_dims + indices.ndim if batch_dims < 0 else batch_dims
    if not -rank <= axis < rank:
        raise invalid(f"Expected axis in the range [{-rank}, {rank}), but got {axis}" if rank
                      else "params must be at least 1 dimensional")
    axis = axis + rank if axis < 0 else axis
    if axis < batch:
        raise invalid(f"batch_dims ({batch}) must be less than or equal to axis ({axis}).")
    if params.shape[:batch] != indices.shape[:batch]:
        raise invalid(f"params.shape[:{batch}] = {list(params.shape[:batch])} should be equal to indices.shape"
                      f"[:{batch}] = {list(indices.shape[:batch])}")
    return axis, batch


def _gather(xp: Any, params: Any, indices: Any, axis: Any, *, batch_dims: int) -> Any:
    position, batch = _gather_axes(params, indices, int(axis.reshape(())), batch_dims)
    if xp is np:
        _check_range(indices, params.shape[position])
        if not batch:
            return as_array(np.asarray(params).take(indices, position), params.dtype)
    elif not batch:
        return xp.take(params, indices, axis=position, mode="clip")
    # The gathered dimension comes right after the batch; each batch element picks by its own row of indices.
    moved = xp.moveaxis(params, position, batch)
    grids = tuple(np.arange(n).reshape((n,) + (1,) * (indices.ndim - i - 1))
                  for i, n in enumerate(indices.shape[:batch]))
    if xp is np:
        picked = moved[(*grids, indices)]
    else:
        picked = xp.asarray(moved).at[(*grids, indices)].get(mode="clip")
    new, after = indices.ndim - batch, position - batch
    # [batch, new, between, rest] to [batch, between, new, rest]
    order = [*range(batch), *range(batch + new, batch + new + after), *range(batch, batch + new),
             *range(batch + new + after, picked.ndim)]
    return xp.transpose(picked, order)


def as_array(value: Any, dtype: Any) -> Any:
    """What NumPy picks from an array of objects may be the object itself."""
    if np.dtype(dtype).kind != "O" or isinstance(value, np.ndarray):
        return value
    result = np.empty((), dtype)
    result[()] = value
    return result


def _gather_shape(op: Any) -> TensorShape:
    params, indices = op._inputs[0]._shape, op._inputs[1]._shape
    axis = constant_value(op._inputs[2]) if len(op._inputs) > 2 else np.array(0)
    batch = op._attrs.get("batch_dims", 0)
    if params._dims is not None and not params._dims:
        raise ValueError("Shape must be at least rank 1 but is rank 0")
    if indices._dims is None:
        return UNKNOWN_SHAPE
    if not -len(indices._dims) <= batch <= len(indices._dims):
        raise ValueError(f"batch_dims {batch} is not in the range of indices' rank {len(indices._dims)}")
    batch += len(indices._dims) if batch < 0 else 0
    if axis is None or params._dims is None:
        if params._dims is None:
            return UNKNOWN_SHAPE
        return TensorShape([None] * (len(params._dims) + len(indices._dims) - batch - 1))
    rank = len(params._dims)
    position = int(axis.reshape(()))
    if not -rank <= position < rank:
        raise ValueError(f"Shape must be at least rank {position + 1 if position >= 0 else -position} but is rank "
                         f"{rank}")
    position %= rank
    if position < batch:
        raise ValueError(f"batch_dims ({batch}) must be less than or equal to axis ({position})")
    head = [a if a is not None else b for a, b in zip(params._dims[:batch], indices._dims[:batch])]
    return TensorShape((*head, *params._dims[batch:position], *indices._dims[batch:], *params._dims[position + 1:]))


def _gather_value(op: Any) -> TensorShape | None:
    if op._inputs[0]._shape.rank != 1 or op._inputs[1]._shape.rank != 1:
        return None
    source, indices = constant_value_as_shape(op._inputs[0])._dims, constant_value(op._inputs[1])
    if source is None or indices is None or (indices.size and not 0 <= indices.min() <= indices.max() < len(source)):
        return None
    return TensorShape([source[i] for i in indices.tolist()])


def _dims_of(handle: Any) -> list[Any]:
    """Dimensions as numbers where they are known, as scalar tensors elsewhere; the rank is known."""
    dims = handle.static._dims
    if None not in dims:
        return list(dims)
    vector = handle.tensor()
    return [d if d is not None else vector[i] for i, d in enumerate(dims)]


def _product(dims: list[Any]) -> Any:
    number, rest = 1, []
    for size in dims:
        if isinstance(size, Tensor):
            rest.append(size)
        else:
            number *= size
    for size in rest:
        number = size * number
    return number


def _vector(dims: list[Any]) -> Any:
    return cards.Pack(dims) if any(isinstance(d, Tensor) for d in dims) else np.array(dims, _INT32)


def _gather_gradient(dy: Any, *, params_shape: Any, indices: Any, indices_shape: Any, axis: Any, batch_dims: int
                     ) -> tuple[Any, None, None]:
    if isinstance(dy, IndexedSlices):
        dy = convert(dy)
    return _gather_transposed(dy, params_shape, indices, indices_shape, constant_value(axis), batch_dims,
                              axis), None, None


def _gather_transposed(dy: Any, params_shape: Any, indices: Any, indices_shape: Any, known_axis: Any,
                       batch_dims: int, axis: Any) -> Any:
    static, index_rank = params_shape.static, indices_shape.static.rank
    if known_axis is not None and static.rank is not None:
        position = int(known_axis.reshape(())) % static.rank
    elif known_axis is not None and int(known_axis.reshape(())) == 0:
        position = 0
    else:
        position = None
    if position == 0 and batch_dims == 0:
        # Most rows were not picked: the gradient consists of those that were.
        count = cards.Reshape(size_internal(indices), [1])
        if static.rank is not None:
            inner = _dims_of(params_shape)[1:]
            shape = _vector([indices_shape.static.num_elements() if indices_shape.static.is_fully_defined()
                             else size_internal(indices), *inner])
        else:
            shape = cards.ConcatV2([count, params_shape.tensor()[1:]], 0)
        return IndexedSlices(cards.Reshape(dy, shape), cards.Reshape(indices, [-1]), params_shape.tensor())
    if position is None or static.rank is None or index_rank is None:
        if batch_dims:
            raise ValueError("The gradient of tf.gather with batch_dims needs to know the axis and the ranks of params "
                             "and indices")
        return _gather_transposed_dynamically(dy, params_shape, indices, axis)
    batch = batch_dims % index_rank if batch_dims < 0 else batch_dims
    new = index_rank - batch
    dims, index_dims = _dims_of(params_shape), _dims_of(indices_shape)
    order = [*range(batch), *range(position, position + new), *range(batch, position),
             *range(position + new, static.rank - 1 + new)]
    inner = dims[batch:position] + dims[position + 1:]
    size, groups = dims[position], _product(dims[:batch])
    rows = cards.Reshape(cards.Transpose(dy, np.array(order, _INT32)), _vector([_product(index_dims), *inner]))
    ids = cards.Reshape(indices, _vector([groups, _product(index_dims[batch:])]))
    if batch:
        steps = cards.Cast(cards.Range(0, groups, 1) * size, DstT=indices.dtype)
        ids = ids + cards.ExpandDims(steps, 1)
    total = cards.UnsortedSegmentSum(rows, cards.Reshape(ids, [-1]), _scalar(groups * size))
    whole = cards.Reshape(total, _vector([*dims[:batch], size, *inner]))
    back = [*range(batch), *range(batch + 1, position + 1), batch, *range(position + 1, static.rank)]
    return cards.Transpose(whole, np.array(back, _INT32))


def _scalar(number: Any) -> Any:
    return number if isinstance(number, Tensor) else np.array(number, _INT32)


def _gather_transposed_dynamically(dy: Any, params_shape: Any, indices: Any, axis: Any) -> Any:
    """The gradient when the axis or a rank shows only as the program runs; no batch dimensions."""
    shape = params_shape.tensor()
    rank = cards.Size(shape)
    axis = cards.Cast(axis, DstT=dtypes.int32)
    axis = cards.SelectV2(cards.Less(axis, 0), axis + rank, axis)
    before, after = shape[:axis], shape[axis + 1:]
    flat = cards.Reshape(dy, cards.Pack([cards.Prod(before, 0), cards.Size(indices), cards.Prod(after, 0)]))
    rows = cards.Transpose(flat, np.array([1, 0, 2], _INT32))
    total = cards.UnsortedSegmentSum(rows, cards.Reshape(indices, [-1]), shape[axis])
    return cards.Reshape(cards.Transpose(total, np.array([1, 0, 2], _INT32)), shape)


GatherV2 = op(
    "GatherV2", "params: Tparams, indices: Tindices, axis: Taxis -> output: Tparams", Tparams=dtypes.ALL,
    Tindices=SMALL_INDICES, Taxis=INDICES, batch_dims=0, kernel=_gather, shape=_gather_shape, static=("axis",),
    value_as_shape=_gather_value, gradient=_gather_gradient, doc="Slices of a dimension, picked by their positions.",
    sample=lambda: ([np.arange(12, dtype=np.float32).reshape(3, 4), np.array([2, 0], np.int32),
                     np.array(1, np.int32)], {}),
)

Gather = op(
    "Gather", "params: Tparams, indices: Tindices -> output: Tparams", Tparams=dtypes.ALL, Tindices=INDICES,
    validate_indices=True, kernel=lambda xp, params, indices: _gather(xp, params, indices, np.array(0), batch_dims=0),
    shape=_gather_shape,
    gradient=lambda dy, *, params_shape, indices, indices_shape: (
        _gather_transposed(dy, params_shape, indices, indices_shape, np.array(0), 0, None), None),
    doc="Slices of the first dimension, picked by their positions; the older spelling.",
    sample=lambda: ([np.arange(6, dtype=np.float32).reshape(3, 2), np.array([2, 0], np.int32)], {}),
)


@export("gather", v1=[])
def gather(params: Any, indices: Any, validate_indices: Any = None, axis: Any = None, batch_dims: int = 0,
           name: str | None = None) -> Tensor:
    """Slices of `params` along `axis`, at the positions `indices`.

    Args:
      params: a tensor, or a variable, of which only the slices are read.
      indices: integers of any shape.
      validate_indices: has no effect; indices are always checked where they are not compiled.
      axis: the dimension to pick from; the first after the batch when None.
      batch_dims: how many leading dimensions `params` and `indices` have in common; each element picks from
        its own.
      name: name of the operation.

    Returns:
      A tensor of shape `params.shape[:axis] + indices.shape[batch_dims:] + params.shape[axis + 1:]`.

    Raises:
      tf.errors.InvalidArgumentError: an index is out of range.

    >>> import everflow as tf
    >>> tf.gather([10, 20, 30], [2, 0]).numpy().tolist()
    [30, 10]
    >>> tf.gather([[1, 2], [3, 4]], [[1], [0]], batch_dims=1).numpy().tolist()
    [[2], [3]]
    """
    if axis is None:
        axis = batch_dims
    if not isinstance(params, Tensor):
        # A variable reads only the rows that are asked for; a ragged tensor gathers in its own way.
        own = getattr(params, "_gather" if hasattr(params, "flat_values") else "sparse_read", None)
        if own is not None and hasattr(params, "flat_values"):
            return own(indices, axis=axis, batch_dims=batch_dims, name=name)
        if own is not None and batch_dims == 0 and type(axis) is int and axis == 0:
            return own(indices, name=name)
    elif type(params) is EagerTensor and not STATE.busy and type(axis) is int and batch_dims == 0:
        array = params._value
        if type(indices) is EagerTensor:
            chosen = indices._value
            if chosen.dtype.kind == "i" and array.dtype.kind in "fiubc" and -array.ndim <= axis < array.ndim:
                if not chosen.size or (chosen.min() >= 0 and chosen.max() < array.shape[axis]):
                    return EagerTensor(array.take(chosen, axis))
    return GatherV2(params, indices, axis, batch_dims=batch_dims, name=name)


@export(v1=["gather"])
def gather_v1(params: Any, indices: Any, validate_indices: Any = None, name: str | None = None, axis: Any = None,
              batch_dims: int = 0) -> Tensor:
    """Slices of `params` along `axis`, at the positions `indices`; see the 2.x `tf.gather`."""
    return gather(params, indices, validate_indices, axis, batch_dims, name)


@export(v1=["batch_gather"])
def batch_gather(params: Any, indices: Any, name: str | None = None) -> Tensor:
    """`tf.gather` in which all dimensions of `indices` but the last are batch dimensions.

    Raises:
      ValueError: the rank of `indices` is not known.
    """
    with name_scope(name, "BatchGather"):
        params, indices = convert(params, name="params"), convert(indices, name="indices")
        if indices.shape.rank is None:
            raise ValueError("batch_gather does not allow indices with unknown shape.")
        return GatherV2(params, indices, indices.shape.rank - 1, batch_dims=indices.shape.rank - 1)


# ---- gather_nd


def index_columns(indices: Any) -> tuple[Any, ...]:
    return tuple([indices[..., i] for i in range(indices.shape[-1])])


def check_positions(indices: Any, shape: Any, what: str = "param") -> None:
    if not indices.ndim or not indices.shape[-1]:
        return
    limits = np.array(shape[:indices.shape[-1]])
    wrong = ((indices < 0) | (indices >= limits)).any(-1)
    if not wrong.any():
        return
    at = np.argwhere(wrong)[0]
    raise invalid(f"indices[{','.join(map(str, at.tolist()))}] = {indices[tuple(at)].tolist()} does not index into "
                  f"{what} shape {list(shape)}")


def check_depth(indices: Any, rank: int) -> None:
    if not indices.ndim:
        raise invalid("indices must be at least a vector")
    if indices.shape[-1] > rank:
        raise invalid(f"index innermost dimension length must be <= params rank; saw: {indices.shape[-1]} vs. {rank}")


def _gather_nd(xp: Any, params: Any, indices: Any) -> Any:
    if not params.ndim:
        raise invalid("params must be at least a vector")
    check_depth(indices, params.ndim)
    if not indices.shape[-1]:
        return xp.broadcast_to(params, indices.shape[:-1] + params.shape)
    if xp is np:
        check_positions(indices, params.shape)
        return as_array(params[(*index_columns(indices), ...)], params.dtype)
    return xp.asarray(params).at[index_columns(xp.asarray(indices))].get(mode="clip")


def _gather_nd_shape(op: Any) -> TensorShape:
    params, indices = op._inputs[0]._shape._dims, op._inputs[1]._shape._dims
    if params is None or indices is None or indices[-1:] == (None,):
        return UNKNOWN_SHAPE
    if not indices:
        raise ValueError("Shape must be at least rank 1 but is rank 0")
    if indices[-1] > len(params):
        raise ValueError(f"indices.shape[-1] must be <= params.rank, but saw indices shape: {list(indices)} and params "
                         f"shape: {list(params)}")
    return TensorShape(indices[:-1] + params[indices[-1]:])


def _gather_nd_gradient(dy: Any, *, params_shape: Any, indices: Any) -> tuple[Any, None]:
    if indices.shape.rank == 2 and indices.shape.as_list()[-1] == 1:
        return IndexedSlices(dy, cards.Squeeze(indices, squeeze_dims=[-1]), params_shape.tensor(indices.dtype)), None
    return cards.ScatterNd(indices, dy, params_shape.tensor(indices.dtype)), None


GatherNd = op(
    "GatherNd", "params: Tparams, indices: Tindices -> output: Tparams", Tparams=dtypes.ALL,
    Tindices=SMALL_INDICES, kernel=_gather_nd, shape=_gather_nd_shape, gradient=_gather_nd_gradient,
    doc="Slices picked by positions in several dimensions.",
    sample=lambda: ([np.arange(12, dtype=np.float32).reshape(3, 4), np.array([[2, 0], [1, 3]], np.int32)], {}),
)


@export("gather_nd", v1=[])
def gather_nd(params: Any, indices: Any, batch_dims: int = 0, name: str | None = None) -> Tensor:
    """Slices of `params` at positions of several dimensions each.

    Args:
      params: a tensor.
      indices: integers of shape [..., k]: each row is a position in the first k dimensions of `params` (after
        the batch).
      batch_dims: how many leading dimensions `params` and `indices` have in common.
      name: name of the operation.

    Returns:
      A tensor of shape `indices.shape[:-1] + params.shape[batch_dims + k:]`.

    Raises:
      tf.errors.InvalidArgumentError: an index is out of range.

    >>> import everflow as tf
    >>> tf.gather_nd([[1, 2], [3, 4]], [[0, 0], [1, 1]]).numpy().tolist()
    [1, 4]
    """
    static = constant_value(batch_dims) if isinstance(batch_dims, Tensor) else np.array(batch_dims)
    if static is None:
        raise ValueError("batch_dims of tf.gather_nd must be known statically")
    batch = int(static)
    if batch == 0:
        if not isinstance(params, Tensor) and hasattr(params, "gather_nd"):
            return params.gather_nd(indices, name=name)
        return GatherNd(params, indices, name=name)
    with name_scope(name, "BatchGatherND"):
        params, indices = convert(params, name="params"), convert(indices, name="indices")
        rank, depth = params.shape.rank, indices.shape.rank
        if rank is None or depth is None or not 0 <= batch < min(rank, depth):
            raise ValueError(f"batch_dims = {batch} must be non-negative and less than the ranks of params ({rank}) "
                             f"and indices ({depth})")
        # The batch becomes part of the position: each row of indices is preceded by its own place.
        sizes = cards.Shape(indices)
        columns = []
        for axis in range(batch):
            steps = cards.Range(cards.Cast(np.zeros((), _INT32), DstT=indices.dtype),
                                cards.Cast(sizes[axis], DstT=indices.dtype),
                                cards.Cast(np.ones((), _INT32), DstT=indices.dtype))
            form = np.ones(depth, _INT32)
            form[axis] = -1
            column = cards.Reshape(steps, form)
            columns.append(cards.BroadcastTo(column, cards.ConcatV2([sizes[:-1], np.ones(1, _INT32)], 0)))
        return GatherNd(params, cards.ConcatV2([*columns, indices], -1))


@export(v1=["gather_nd", "manip.gather_nd"])
def gather_nd_v1(params: Any, indices: Any, name: str | None = None, batch_dims: int = 0) -> Tensor:
    """Slices of `params` at positions of several dimensions each; see the 2.x `tf.gather_nd`."""
    return gather_nd(params, indices, batch_dims, name)
