"""Slices sorted into several tensors and put together again; grids; repetition."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.constant_value import constant_value
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import INT, Attr, op
from everflow._src.framework.shape_rules import UNKNOWN_SHAPE
from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.array_where import boolean_mask
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid

_INT32 = np.dtype("int32")
_INDEX_TYPES = Attr("type", allowed=(dtypes.int32, dtypes.int64))

# ---- parts


def _dynamic_partition(xp: Any, data: Any, partitions: Any, *, num_partitions: int) -> tuple[Any, ...]:
    if data.shape[:partitions.ndim] != partitions.shape:
        raise invalid(f"data.shape must start with partitions.shape, got data.shape = {list(data.shape)}, "
                      f"partitions.shape = {list(partitions.shape)}")
    if partitions.size and (partitions.min() < 0 or partitions.max() >= num_partitions):
        at = np.argwhere((partitions < 0) | (partitions >= num_partitions))[0].tolist()
        raise invalid(f"partitions{at} = {partitions[tuple(at)]} is not in [0, {num_partitions})")
    return tuple([np.asarray(data)[partitions == i] for i in range(num_partitions)])


def _dynamic_partition_shape(op: Any) -> list[TensorShape]:
    data, partitions = op._inputs[0]._shape, op._inputs[1]._shape
    count = op._attrs["num_partitions"]
    if data.rank is None or partitions.rank is None:
        return [UNKNOWN_SHAPE] * count
    if not TensorShape(data._dims[:partitions.rank]).is_compatible_with(partitions):
        raise ValueError(f"data.shape {data} must start with partitions.shape {partitions}")
    return [TensorShape([None, *data._dims[partitions.rank:]])] * count


def _dynamic_partition_gradient(dys: Any, *, data_shape: Any, partitions: Any, num_partitions: int) -> tuple[Any, None]:
    whole = cards.Shape(partitions)
    positions = cards.Reshape(cards.Range(0, cards.Size(partitions), 1), whole)
    places = DynamicPartition(positions, partitions, num_partitions=num_partitions)
    merged = cards.ParallelDynamicStitch(places, [convert(dy) for dy in dys])
    return cards.Reshape(merged, data_shape.tensor()), None


DynamicPartition = op(
    "DynamicPartition", "data: T, partitions: int32 -> outputs: num_partitions*T", T=dtypes.ALL, num_partitions=INT,
    kernel=_dynamic_partition, shape=_dynamic_partition_shape, host=True, gradient=_dynamic_partition_gradient,
    doc="Slices sorted into several tensors.",
    sample=lambda: ([np.arange(6, dtype=np.float32).reshape(3, 2), np.array([1, 0, 1], np.int32)],
                    {"num_partitions": 2}),
)


@export("dynamic_partition")
def dynamic_partition(data: Any, partitions: Any, num_partitions: int, name: str | None = None) -> list[Tensor]:
    """The slices of `data` sorted into `num_partitions` tensors.

    Args:
      data: a tensor whose shape begins with that of `partitions`.
      partitions: int32; the number of the tensor that each slice goes to.
      num_partitions: how many tensors there are.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError: a number in `partitions` is out of range.

    >>> import everflow as tf
    >>> [t.numpy().tolist() for t in tf.dynamic_partition([10, 20, 30], [0, 1, 0], 2)]
    [[10, 30], [20]]
    """
    return DynamicPartition(data, partitions, num_partitions=num_partitions, name=name)


def _dynamic_stitch(xp: Any, indices: Any, data: Any) -> Any:
    rest = data[0].shape[indices[0].ndim:]
    rows = []
    for i, (places, values) in enumerate(zip(indices, data)):
        if values.shape[:places.ndim] != places.shape:
            raise invalid(f"data[{i}].shape must start with indices[{i}].shape, got data[{i}].shape = "
                          f"{list(values.shape)}, indices[{i}].shape = {list(places.shape)}")
        if values.shape[places.ndim:] != rest:
            raise invalid(f"Need data[0].shape[{indices[0].ndim}:] = data[{i}].shape[{places.ndim}:], got "
                          "data[0].shape "
                          f"= {list(data[0].shape)}, data[{i}].shape = {list(values.shape)}")
        rows.append(xp.reshape(values, (-1, *rest)))
    flat = np.concatenate([np.asarray(p).reshape(-1) for p in indices])
    if flat.size and flat.min() < 0:
        raise invalid(f"indices must be non-negative, got {int(flat.min())}")
    size = int(flat.max()) + 1 if flat.size else 0
    # The last slice for a place wins; places that nothing goes to hold zeros.
    source = np.full(size, -1)
    source[flat] = np.arange(flat.size)
    merged = xp.concatenate(rows, 0)
    if (source >= 0).all():
        return xp.take(merged, source, axis=0)
    zero = np.full((1, *rest), b"", object) if merged.dtype == object else np.zeros((1, *rest), merged.dtype)
    return xp.take(xp.concatenate([merged, zero], 0), np.where(source < 0, flat.size, source), axis=0)


def _dynamic_stitch_shape(op: Any) -> TensorShape:
    count = op._attrs["N"]
    indices, data = op._inputs[:count], op._inputs[count:]
    rest = UNKNOWN_SHAPE
    largest: int | None = -1
    for places, values in zip(indices, data):
        known = constant_value(places)
        if known is None:
            largest = None
        elif largest is not None and known.size:
            largest = max(largest, int(known.max()))
        if places._shape.rank is not None and values._shape.rank is not None:
            if not TensorShape(values._shape._dims[:places._shape.rank]).is_compatible_with(places._shape):
                raise ValueError(f"data shape {values._shape} must start with indices shape {places._shape}")
            rest = rest.merge_with(TensorShape(values._shape._dims[places._shape.rank:]))
    return TensorShape([None if largest is None else largest + 1]).concatenate(rest)


def _dynamic_stitch_gradient(dy: Any, *, indices: Any) -> tuple[list[None], list[Any]]:
    dy = convert(dy)
    return [None] * len(indices), [cards.GatherV2(dy, places, 0) for places in indices]


def _stitch(name: str, doc: str) -> Any:
    return op(
        name, "indices: N*int32, data: N*T -> merged: T", T=dtypes.ALL, kernel=_dynamic_stitch,
        shape=_dynamic_stitch_shape, static=("indices",), gradient=_dynamic_stitch_gradient, doc=doc,
        sample=lambda: ([[np.array([0, 2], np.int32), np.array(1, np.int32)],
                         [np.array([[1.0], [2.0]], np.float32), np.array([3.0], np.float32)]], {}),
    )


DynamicStitch = _stitch("DynamicStitch", "Slices of several tensors put in their places in one.")
ParallelDynamicStitch = _stitch("ParallelDynamicStitch", "DynamicStitch for places that are all different.")


@export("dynamic_stitch")
def dynamic_stitch(indices: Any, data: Any, name: str | None = None) -> Tensor:
    """The slices of several tensors put in their places in one: `merged[indices[m][i]] = data[m][i]`.

    Args:
      indices: a list of int32 tensors.
      data: a list of tensors; the shape of each begins with that of its indices.
      name: name of the operation.

    Returns:
      A tensor of max(indices) + 1 slices; of several slices for one place the last one is taken.

    >>> import everflow as tf
    >>> tf.dynamic_stitch([[0, 2], [1]], [[10, 30], [20]]).numpy().tolist()
    [10, 20, 30]
    """
    return DynamicStitch(indices, data, name=name)


# ---- grids and repetition


@export("meshgrid")
def meshgrid(*args: Any, **kwargs: Any) -> list[Tensor]:
    """Tensors of the coordinates of the points of a grid.

    Args:
      *args: vectors, the coordinates along each dimension.
      indexing: "xy" (the default; the first two dimensions are swapped, as pictures have it) or "ij".
      name: name of the operations.

    Returns:
      As many tensors as there are vectors, each with one dimension per vector.

    Raises:
      TypeError: an unknown keyword.
      ValueError: `indexing` is neither "xy" nor "ij".

    >>> import everflow as tf
    >>> x, y = tf.meshgrid([1, 2, 3], [4, 5])
    >>> x.numpy().tolist(), y.numpy().tolist()
    ([[1, 2, 3], [1, 2, 3]], [[4, 4, 4], [5, 5, 5]])
    """
    indexing, name = kwargs.pop("indexing", "xy"), kwargs.pop("name", "meshgrid")
    if kwargs:
        raise TypeError(f"'{next(iter(kwargs))}' is an invalid keyword argument for this function")
    if indexing not in ("xy", "ij"):
        raise ValueError(f"Argument `indexing` parameter must be either 'xy' or 'ij', got '{indexing}'")
    with name_scope(name, "meshgrid"):
        count = len(args)
        vectors = [cards.Reshape(convert(a), np.array([-1], _INT32)) for a in args]
        # "xy": the second vector runs along the first dimension.
        order = [1, 0, *range(2, count)] if indexing == "xy" and count > 1 else list(range(count))
        lengths = [v.shape.as_list()[0] for v in vectors]
        if None in lengths:
            shape: Any = cards.Pack([cards.Size(vectors[i]) for i in order])
        else:
            shape = np.array([lengths[i] for i in order], _INT32)
        result = []
        for i, vector in enumerate(vectors):
            form = np.ones(count, _INT32)
            form[order.index(i)] = -1
            result.append(cards.BroadcastTo(cards.Reshape(vector, form), shape))
        return result


@export("repeat")
def repeat(input: Any, repeats: Any, axis: int | None = None, name: str | None = None) -> Tensor:
    """`input` with each of its slices along `axis` repeated.

    Args:
      input: a tensor.
      repeats: how often: one integer, or one for each slice.
      axis: the dimension; None flattens `input` first.
      name: name of the operations.

    Raises:
      ValueError: `axis` is out of range, or `repeats` has more than one dimension.

    >>> import everflow as tf
    >>> tf.repeat([1, 2], 2).numpy().tolist(), tf.repeat([[1, 2], [3, 4]], [1, 2], axis=0).numpy().tolist()
    ([1, 1, 2, 2], [[1, 2], [3, 4], [3, 4]])
    """
    with name_scope(name, "Repeat"):
        input = convert(input)
        if axis is None:
            input, axis = cards.Reshape(input, np.array([-1], _INT32)), 0
        repeats = convert(repeats, hint=dtypes.int32, name="repeats")
        if repeats.dtype.base_dtype not in (dtypes.int32, dtypes.int64):
            raise TypeError(f"Argument `repeats` must be of type integer. Received {repeats!r}")
        if repeats.shape.rank not in (0, 1, None):
            raise ValueError("Shape must be rank 0 or 1 but is rank " + str(repeats.shape.rank))
        rank = input.shape.rank
        if rank is None:
            raise ValueError("tf.repeat needs an input of known rank, or axis=None")
        if not -rank <= axis < rank:
            raise ValueError(f"axis {axis} is out of range for an input of rank {rank}")
        axis = axis % rank
        if repeats.shape.rank == 1 and repeats.shape.as_list()[0] == 1 and input.shape.as_list()[axis] != 1:
            repeats = cards.Reshape(repeats, np.zeros(0, _INT32))
        if repeats.shape.rank == 0:
            return _repeat_evenly(input, cards.Cast(repeats, DstT=dtypes.int32), axis)
        known = constant_value(repeats)
        if known is not None and known.ndim == 1:
            if known.size and known.min() < 0:
                raise ValueError(f"repeats must be non-negative, received {known.tolist()}")
            size = input.shape.as_list()[axis]
            if size is not None and size != known.size:
                raise ValueError(f"repeats must have one number for each of {size} slices, received {known.size}")
            # Seen through a reshape the gradient is a dense tensor, as that of all other ways to repeat.
            same = cards.Reshape(input, cards.Shape(input))
            return cards.GatherV2(same, np.repeat(np.arange(known.size, dtype=_INT32), known), np.array(axis, _INT32))
        return _repeat_unevenly(input, repeats, axis)


def _repeat_evenly(input: Any, repeats: Any, axis: int) -> Any:
    expanded = cards.ExpandDims(input, axis + 1)
    rank = input.shape.rank + 1
    ones: list[Any] = [1] * rank
    known = constant_value(repeats)
    ones[axis + 1] = int(known) if known is not None else repeats
    multiples = np.array(ones, _INT32) if known is not None else cards.Pack(ones)
    tiled = cards.Tile(expanded, multiples)
    dims = input.shape.as_list()
    if known is not None and dims.count(None) <= (dims[axis] is None):
        sizes = [-1 if d is None else d for d in dims]
        sizes[axis] = -1 if dims[axis] is None else dims[axis] * int(known)
        if -1 not in sizes or 0 not in sizes:
            return cards.Reshape(tiled, np.array(sizes, _INT32))
    whole = cards.Shape(input)
    sizes = [whole[i] if d is None else d for i, d in enumerate(dims)]
    sizes[axis] = sizes[axis] * (int(known) if known is not None else repeats)
    return cards.Reshape(tiled, cards.Pack(sizes))


def _repeat_unevenly(input: Any, repeats: Any, axis: int) -> Any:
    whole = cards.Shape(input)
    repeats = cards.BroadcastTo(repeats, whole[axis:axis + 1])
    longest = cards.Maximum(cards.Max(repeats, np.array([0], _INT32)),
                            cards.Cast(np.zeros((), _INT32), DstT=repeats.dtype))
    steps = cards.Range(cards.Cast(np.zeros((), _INT32), DstT=repeats.dtype), longest,
                        cards.Cast(np.ones((), _INT32), DstT=repeats.dtype))
    mask = cards.Less(steps, cards.ExpandDims(repeats, 1))
    expanded = cards.ExpandDims(input, axis + 1)
    ones: list[Any] = [1] * (input.shape.rank + 1)
    ones[axis + 1] = cards.Cast(longest, DstT=dtypes.int32)
    return boolean_mask(cards.Tile(expanded, cards.Pack(ones)), mask, axis=axis)
