"""Elements picked by their positions: gather, scatter, where, masks."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value, constant_value_as_shape
from everflow._src.framework.context import STATE, current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.shape_rules import UNKNOWN_SHAPE
from everflow._src.framework.tensor import EagerTensor, Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.array_shape import size_internal
from everflow._src.ops.broadcasting import sum_to_shape
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid

INDICES = Attr("type", allowed=(dtypes.int32, dtypes.int64))
_SMALL_INDICES = Attr("type", allowed=(dtypes.int16, dtypes.int32, dtypes.int64))
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
            return _as_array(np.asarray(params).take(indices, position), params.dtype)
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


def _as_array(value: Any, dtype: Any) -> Any:
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
    Tindices=_SMALL_INDICES, Taxis=INDICES, batch_dims=0, kernel=_gather, shape=_gather_shape, static=("axis",),
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


# ---- gather_nd and scatters


def _columns(indices: Any) -> tuple[Any, ...]:
    return tuple([indices[..., i] for i in range(indices.shape[-1])])


def _check_nd(indices: Any, shape: Any, what: str = "param") -> None:
    if not indices.ndim or not indices.shape[-1]:
        return
    limits = np.array(shape[:indices.shape[-1]])
    wrong = ((indices < 0) | (indices >= limits)).any(-1)
    if not wrong.any():
        return
    at = np.argwhere(wrong)[0]
    raise invalid(f"indices[{','.join(map(str, at.tolist()))}] = {indices[tuple(at)].tolist()} does not index into "
                  f"{what} shape {list(shape)}")


def _check_depth(indices: Any, rank: int) -> None:
    if not indices.ndim:
        raise invalid("indices must be at least a vector")
    if indices.shape[-1] > rank:
        raise invalid(f"index innermost dimension length must be <= params rank; saw: {indices.shape[-1]} vs. {rank}")


def _gather_nd(xp: Any, params: Any, indices: Any) -> Any:
    if not params.ndim:
        raise invalid("params must be at least a vector")
    _check_depth(indices, params.ndim)
    if not indices.shape[-1]:
        return xp.broadcast_to(params, indices.shape[:-1] + params.shape)
    if xp is np:
        _check_nd(indices, params.shape)
        return _as_array(params[(*_columns(indices), ...)], params.dtype)
    return xp.asarray(params).at[_columns(xp.asarray(indices))].get(mode="clip")


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
    return ScatterNd(indices, dy, params_shape.tensor(indices.dtype)), None


GatherNd = op(
    "GatherNd", "params: Tparams, indices: Tindices -> output: Tparams", Tparams=dtypes.ALL,
    Tindices=_SMALL_INDICES, kernel=_gather_nd, shape=_gather_nd_shape, gradient=_gather_nd_gradient,
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


def _check_scatter(indices: Any, updates: Any, shape: Any) -> None:
    _check_depth(indices, len(shape))
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
        _check_nd(indices, tensor.shape, "shape")
        place = (*_columns(indices), ...)
        if ufunc is None:
            tensor[place] = updates
        else:
            ufunc.at(tensor, place, updates)
        return tensor
    tensor = xp.asarray(tensor)
    if not indices.shape[-1]:
        return _scatter_whole(xp, tensor, updates, indices.ndim - 1, how)
    return compiled(tensor.at[_columns(xp.asarray(indices))], updates)


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
    Tindices=_SMALL_INDICES, kernel=_scatter_nd, shape=lambda op: _scatter_shape(op), static=("shape",),
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
        Tindices=_SMALL_INDICES, kernel=kernel, shape=_tensor_scatter_shape, gradient=gradient, doc=doc,
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


# ---- where


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
    return _as_array(xp.where(condition, x, y), x.dtype)


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
    return _as_array(xp.where(condition, x, y), x.dtype)


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


