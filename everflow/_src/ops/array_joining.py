"""Tensors joined and taken apart: stack, unstack, concat, split."""

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
from everflow._src.framework.registry import INT, SHAPE, UNDEFINED_GRADIENT, Attr, op
from everflow._src.framework.shape_rules import UNKNOWN_SHAPE
from everflow._src.framework.tensor import EagerTensor, SymbolicTensor, Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.array_shape import dimension_value, index_attr
from everflow._src.ops.by_name import cards
from everflow._src.ops.constants import identity
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid

_INT32 = np.dtype("int32")


def _sequence(values: Any) -> list[Any]:
    """A list of tensors, from a list or from one tensor along its first dimension."""
    if isinstance(values, (list, tuple)):
        return list(values)
    if isinstance(values, SymbolicTensor):
        return cards.Unpack(values, num=values.shape[0], axis=0)
    return list(values)


# ---- pack and unpack


def _pack(xp: Any, values: Any, *, axis: int) -> Any:
    first = values[0]
    for value in values[1:]:
        if value.shape != first.shape:
            raise invalid(f"Shapes of all inputs must match: values[0].shape = {list(first.shape)} != values["
                          f"{_index(values, value)}].shape = {list(value.shape)}")
    rank = first.ndim + 1
    if not -rank <= axis < rank:
        raise invalid(f"Axis = {axis} not in [{-rank}, {rank})")
    return xp.stack(values, axis)


def _index(values: list[Any], value: Any) -> int:
    return next(i for i, v in enumerate(values) if v is value)


def _pack_shape(op: Any) -> TensorShape:
    shape = op._inputs[0]._shape
    for tensor in op._inputs[1:]:
        if not shape.is_compatible_with(tensor._shape):
            raise ValueError(f"Shapes must be equal rank and size, but are {shape} and {tensor._shape}")
        shape = shape.merge_with(tensor._shape)
    if shape._dims is None:
        return UNKNOWN_SHAPE
    rank, axis = len(shape._dims) + 1, op._attrs["axis"]
    if not -rank <= axis < rank:
        raise ValueError(f"Axis = {axis} not in [{-rank}, {rank})")
    axis %= rank
    return TensorShape(shape._dims[:axis] + (len(op._inputs),) + shape._dims[axis:])


def _pack_value(op: Any) -> TensorShape | None:
    if op._inputs[0]._shape.rank != 0:
        return None
    return TensorShape([dimension_value(t) for t in op._inputs])


def _pack_gradient(dy: Any, *, N: int, axis: int) -> list[Any]:
    return Unpack(dy, num=N, axis=axis)


Pack = op(
    "Pack", "values: N*T -> output: T", T=dtypes.ALL, axis=0, kernel=_pack, shape=_pack_shape,
    value_as_shape=_pack_value, gradient=_pack_gradient, doc="Tensors of one shape as slices of a new dimension.",
    sample=lambda: ([[np.array([1.0, 2.0], np.float32), np.array([3.0, 4.0], np.float32)]], {"axis": 1}),
)


def _unpack(xp: Any, value: Any, *, num: int, axis: int) -> tuple[Any, ...]:
    rank = value.ndim
    if not -rank <= axis < rank:
        raise invalid(f"axis = {axis} not in [{-rank}, {rank})")
    if value.shape[axis] != num:
        raise invalid(f"Input shape axis {axis} must equal {num}, got shape {list(value.shape)}")
    lead = (slice(None),) * (axis % rank)
    return tuple([value[(*lead, i, ...)] for i in range(num)])


def _unpack_shape(op: Any) -> list[TensorShape]:
    dims, num, axis = op._inputs[0]._shape._dims, op._attrs["num"], op._attrs["axis"]
    if dims is None:
        return [UNKNOWN_SHAPE] * num
    axis = _axis_in(axis, len(dims), ValueError)
    if dims[axis] is not None and dims[axis] != num:
        raise ValueError(f"Dimension must be {num} but is {dims[axis]}")
    return [TensorShape(dims[:axis] + dims[axis + 1:])] * num


def _axis_in(axis: int, rank: int, error: Any) -> int:
    if not -rank <= axis < rank:
        raise error(f"axis = {axis} not in [{-rank}, {rank})")
    return axis % rank


Unpack = op(
    "Unpack", "value: T -> output: num*T", T=dtypes.ALL, num=INT, axis=0, kernel=_unpack, shape=_unpack_shape,
    gradient=lambda dys, *, axis: Pack(dys, axis=axis), doc="The slices of a dimension, one by one.",
    sample=lambda: ([np.arange(6, dtype=np.float32).reshape(2, 3)], {"num": 3, "axis": 1}),
)


@export("stack")
def stack(values: Any, axis: int = 0, name: str = "stack") -> Tensor:
    """Tensors of one shape and dtype as the slices of a new dimension.

    Args:
      values: a list of tensors.
      axis: where the new dimension stands.
      name: name of the operation.

    Raises:
      ValueError: `axis` is out of range.
      tf.errors.InvalidArgumentError, ValueError (in a graph): the shapes differ.

    >>> import everflow as tf
    >>> tf.stack([[1, 4], [2, 5], [3, 6]], axis=1).numpy().tolist()
    [[1, 2, 3], [4, 5, 6]]
    """
    if not STATE.busy and isinstance(values, (list, tuple)) and values and type(axis) is int:
        first = values[0]
        if type(first) is EagerTensor and first._value.dtype.kind in "fiubc":
            form, dtype = first._value.shape, first._value.dtype
            if all(type(v) is EagerTensor and v._value.shape == form and v._value.dtype is dtype for v in values):
                position = axis if axis >= 0 else axis + len(form) + 1
                if 0 <= position <= len(form):
                    lead = (*(slice(None),) * position, None, ...)
                    return EagerTensor(np.concatenate([v._value[lead] for v in values], position))
    if axis == 0 and isinstance(values, Tensor):
        return values  # its slices, stacked again
    if axis == 0:
        # A list of plain numbers is a constant, not an operation.
        try:
            if not _has_tensors(values):
                return convert(values, name=name)
        except (TypeError, ValueError):
            pass
    values = _sequence(values)
    for value in values:
        rank = _rank_of(value)
        if rank is not None:
            if not -rank - 1 <= axis <= rank:
                raise ValueError(f"Argument `axis` = {axis} not in range [{-rank - 1}, {rank + 1})")
            break
    return Pack(values, axis=axis, name=name)


def _has_tensors(values: Any) -> bool:
    if isinstance(values, (list, tuple)):
        return any(_has_tensors(v) for v in values)
    return isinstance(values, Tensor) or hasattr(values, "_dense_var_to_tensor")


def _rank_of(value: Any) -> int | None:
    shape = getattr(value, "shape", None)
    if shape is None:
        return None if isinstance(value, (list, tuple)) and _has_tensors(value) else np.ndim(value)
    return shape.rank if isinstance(shape, TensorShape) else len(shape)


@export("unstack")
def unstack(value: Any, num: int | None = None, axis: int = 0, name: str = "unstack") -> list[Tensor]:
    """The slices of `value` along `axis`, as a list of tensors without that dimension.

    Args:
      value: a tensor.
      num: how many slices there are; only needed in a graph, where the size of `axis` is not known.
      axis: the dimension to take apart.
      name: name of the operation.

    Raises:
      ValueError: `axis` is out of range, or the number of slices is not known.

    >>> import everflow as tf
    >>> [t.numpy().tolist() for t in tf.unstack([[1, 2], [3, 4]])]
    [[1, 2], [3, 4]]
    """
    if num is None:
        value = convert(value)
        if type(value) is EagerTensor and axis == 0 and not STATE.busy and value._value.ndim:
            array = value._value
            return [EagerTensor(array[i, ...]) for i in range(array.shape[0])]
        dims = value.shape._dims
        if dims is not None:
            if not -len(dims) <= axis < len(dims):
                raise ValueError(f"Argument `axis` = {axis} not in range [{-len(dims)}, {len(dims)})")
            num = dims[axis]
        if num is None:
            raise ValueError(f"Cannot infer argument `num` from shape {value.shape}")
    return Unpack(value, num=num, axis=axis, name=name)


ParallelConcat = op(
    "ParallelConcat", "values: N*T -> output: T", T=dtypes.ALL, more_attrs={"shape": SHAPE},
    kernel=lambda xp, values: xp.concatenate(values, 0), shape=shapes.from_attr("shape"),
    no_gradient=UNDEFINED_GRADIENT, doc="Tensors whose first dimension is 1, one after another.",
    sample=lambda: ([[np.ones((1, 2), np.float32), np.zeros((1, 2), np.float32)]], {"shape": [2, 2]}),
)


@export("parallel_stack")
def parallel_stack(values: Any, name: str = "parallel_stack") -> Tensor:
    """Tensors of one fully known shape as the slices of a new first dimension; for graphs.

    Raises:
      RuntimeError: eager execution is on.
    """
    if current_graph() is None:
        raise RuntimeError("tf.parallel_stack() is not compatible with eager execution.")
    with name_scope(name, "parallel_stack"):
        values = [convert(v) for v in values]
        static = values[0].shape
        return ParallelConcat([cards.ExpandDims(v, 0) for v in values],
                              shape=TensorShape([len(values)]).concatenate(static))


# ---- concat and split


def _concat(xp: Any, values: Any, axis: Any) -> Any:
    if axis.size != 1:
        raise invalid(f"ConcatOp : Expected concat dim to be a scalar, but got shape {list(axis.shape)}")
    position, rank = int(axis.reshape(())), values[0].ndim
    if not rank:
        raise invalid("ConcatOp : Can't concatenate scalars (use tf.stack instead)")
    if not -rank <= position < rank:
        raise invalid(f"ConcatOp : Expected concatenating dimensions in the range [{-rank}, {rank}), but got "
                      f"{position}")
    position %= rank
    first = values[0].shape
    for index, value in enumerate(values):
        shape = value.shape
        if len(shape) != rank:
            raise invalid(f"ConcatOp : Ranks of all input tensors should match: shape[0] = {list(first)} vs. "
                          f"shape[{index}] = {list(shape)}")
        if shape[:position] != first[:position] or shape[position + 1:] != first[position + 1:]:
            raise invalid(f"ConcatOp : Dimension {position} in both shapes must be equal: shape[0] = {list(first)} vs. "
                          f"shape[{index}] = {list(shape)}")
    return xp.concatenate(values, position)


def _concat_shape_of(inputs: Any, axis: Any) -> TensorShape:
    if axis is not None and axis.ndim:
        raise ValueError(f"Shape must be rank 0 but is rank {axis.ndim}")
    known = [t._shape._dims for t in inputs if t._shape._dims is not None]
    if not known:
        return UNKNOWN_SHAPE
    rank = len(known[0])
    for dims in known:
        if len(dims) != rank:
            raise ValueError(f"Shapes must be equal rank, but are {rank} and {len(dims)}")
    if not rank:
        raise ValueError("Can't concatenate scalars (use tf.stack instead)")
    if axis is None:
        return TensorShape([None] * rank)
    position = int(axis.reshape(-1)[0])
    if not -rank <= position < rank:
        raise ValueError(f"Dimension {position} not in range [{-rank}, {rank})")
    position %= rank
    result: list[int | None] = [None] * rank
    total: int | None = 0
    for tensor in inputs:
        dims = tensor._shape._dims
        if dims is None:
            total = None
            continue
        for i, size in enumerate(dims):
            if i == position:
                total = None if total is None or size is None else total + size
            elif size is not None:
                if result[i] is not None and result[i] != size:
                    raise ValueError(f"Dimension {i} in both shapes must be equal, but are {result[i]} and {size}")
                result[i] = size
    result[position] = total
    return TensorShape(result)


def _concat_value(op: Any) -> TensorShape | None:
    result: TensorShape = TensorShape(())
    for tensor in op._inputs[:-1]:
        if tensor._shape.rank not in (1, None):
            return None
        result = result.concatenate(constant_value_as_shape(tensor))
    return result


def _concat_gradient(dy: Any, *, axis: Any, values: Any) -> tuple[list[Any], None]:
    return _concat_pieces(dy, axis, values), None


def _concat_pieces(dy: Any, axis: Any, values: Any) -> list[Any]:
    if isinstance(dy, IndexedSlices):
        dy = convert(dy)
    known = constant_value(axis)
    rank = next((v.shape.rank for v in values if v.shape.rank is not None), None)
    if known is not None and rank is not None:
        position = int(known.reshape(())) % rank
        sizes = [v.shape.as_list()[position] if v.shape.rank is not None else None for v in values]
        if None not in sizes:
            return split(dy, sizes, position, num=len(sizes))
        return split(dy, Pack([cards.Shape(v)[position] for v in values]), position, num=len(sizes))
    # The axis or rank shows only when it runs: the sizes along it are gathered from the shapes.
    every = Pack(cards.ShapeN(values), axis=1)
    position = axis % cards.Rank(values[0])
    return split(dy, cards.GatherV2(every, position, 0), position, num=len(values))


ConcatV2 = op(
    "ConcatV2", "values: N*T, axis: Tidx -> output: T", T=dtypes.ALL, Tidx=index_attr(), kernel=_concat,
    shape=lambda op: _concat_shape_of(op._inputs[:-1], constant_value(op._inputs[-1])), static=("axis",),
    value_as_shape=_concat_value, gradient=_concat_gradient, doc="Tensors one after another along a dimension.",
    sample=lambda: ([[np.ones((2, 1), np.float32), np.zeros((2, 2), np.float32)], np.array(1, np.int32)], {}),
)

Concat = op(
    "Concat", "concat_dim: int32, values: N*T -> output: T", T=dtypes.ALL,
    kernel=lambda xp, axis, values: _concat(xp, values, axis),
    shape=lambda op: _concat_shape_of(op._inputs[1:], constant_value(op._inputs[0])), static=("concat_dim",),
    gradient=lambda dy, *, concat_dim, values: (None, _concat_pieces(dy, concat_dim, values)),
    doc="Tensors one after another along a dimension; the older spelling.",
    sample=lambda: ([np.array(1, np.int32), [np.ones((2, 1), np.float32), np.zeros((2, 2), np.float32)]], {}),
)


def _concat_offset(xp: Any, axis: Any, offsets: Any) -> tuple[Any, ...]:
    position, start, result = int(axis), 0, []
    position %= max(offsets[0].size, 1)
    for shape in offsets:
        offset = np.zeros_like(shape)
        offset[position] = start
        start += int(shape[position])
        result.append(offset)
    return tuple(result)


ConcatOffset = op(
    "ConcatOffset", "concat_dim: int32, shape: N*shape_type -> offset: N*shape_type", shape_type=index_attr(),
    kernel=_concat_offset, shape=lambda op: [t._shape for t in op._inputs[1:]], static=("concat_dim", "shape"),
    no_gradient="its values are positions", doc="Where each of several tensors begins in their concatenation.",
    sample=lambda: ([np.array(1, np.int32), [np.array([2, 3], np.int32), np.array([2, 5], np.int32)]], {}),
)


@export("concat")
def concat(values: Any, axis: Any, name: str = "concat") -> Tensor:
    """Tensors one after another along `axis`.

    Args:
      values: a list of tensors whose shapes differ along `axis` only.
      axis: the dimension; negative counts from the end.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError, ValueError (in a graph): the shapes or the axis do not fit.

    >>> import everflow as tf
    >>> tf.concat([[[1, 2]], [[3, 4]]], 0).numpy().tolist()
    [[1, 2], [3, 4]]
    """
    if not isinstance(values, (list, tuple)):
        values = [values]
    if not values:
        message = "List argument 'values' to 'ConcatV2' Op with length 0 shorter than minimum length 2."
        raise invalid(message) if current_graph() is None else ValueError(message)
    if len(values) == 1:
        with name_scope(name, "concat"):
            checked = convert(axis, name="concat_dim")
            if checked.shape.rank not in (0, None):
                raise ValueError(f"Argument `axis` of tf.concat must be a scalar, received shape {checked.shape}")
            return identity(values[0], name=name if STATE.busy else None)
    if not STATE.busy and type(axis) is int:
        try:
            arrays = [v._value for v in values if type(v) is EagerTensor]
            if len(arrays) == len(values) and all(a.dtype is arrays[0].dtype for a in arrays):
                return EagerTensor(np.concatenate(arrays, axis))
        except Exception:  # the door below raises it, with its explanation
            pass
    return ConcatV2(list(values), axis, name=name)


def _split(xp: Any, axis: Any, value: Any, *, num_split: int) -> tuple[Any, ...]:
    position = _axis_scalar(axis, value)
    size = value.shape[position]
    if num_split <= 0:
        raise invalid(f"Number of ways to split should be > 0, but got {num_split}")
    if size % num_split:
        raise invalid(f"Number of ways to split should evenly divide the split dimension, but got split_dim {position} "
                      f"(size = {size}) and num_split {num_split}")
    return _cut(value, position, [size // num_split] * num_split)


def _axis_scalar(axis: Any, value: Any) -> int:
    if axis.size != 1:
        raise invalid(f"split_dim must be a scalar, received shape {list(axis.shape)}")
    position, rank = int(axis.reshape(())), value.ndim
    if not -rank <= position < rank:
        raise invalid(f"{-rank} <= split_dim < input rank ({rank}), but got {position}")
    return position % rank


def _cut(value: Any, axis: int, sizes: Any) -> tuple[Any, ...]:
    pieces, start = [], 0
    lead = (slice(None),) * axis
    for size in sizes:
        pieces.append(value[(*lead, slice(start, start + size))])
        start += size
    return tuple(pieces)


def _split_shape(op: Any) -> list[TensorShape]:
    num, dims, axis = op._attrs["num_split"], op._inputs[1]._shape._dims, constant_value(op._inputs[0])
    if num < 1:
        raise ValueError(f"Attr 'num_split' of 'Split' Op passed {num} less than minimum 1.")
    if dims is None:
        return [UNKNOWN_SHAPE] * num
    if axis is None:
        return [TensorShape([None] * len(dims))] * num
    position = _axis_in(int(axis.reshape(())), len(dims), ValueError)
    size = dims[position]
    if size is not None and size % num:
        raise ValueError(f"Dimension size must be evenly divisible by {num} but is {size}")
    piece = None if size is None else size // num
    return [TensorShape(dims[:position] + (piece,) + dims[position + 1:])] * num


def _split_value(op: Any) -> list[TensorShape] | None:
    source = op._inputs[1 if op.type == "Split" else 0]
    pieces = [t._shape.num_elements() for t in op._outputs]
    whole = constant_value_as_shape(source)._dims if source._shape.rank == 1 else None
    if whole is None or None in pieces or sum(pieces) != len(whole):
        return None
    ends = np.cumsum(pieces).tolist()
    return [TensorShape(whole[end - size:end]) for size, end in zip(pieces, ends)]


Split = op(
    "Split", "split_dim: int32, value: T -> output: num_split*T", T=dtypes.ALL, num_split=INT, kernel=_split,
    shape=_split_shape, static=("split_dim",), value_as_shape=_split_value,
    gradient=lambda dys, *, split_dim: (None, ConcatV2(dys, split_dim)), doc="Equal pieces of a dimension.",
    sample=lambda: ([np.array(1, np.int32), np.arange(8, dtype=np.float32).reshape(2, 4)], {"num_split": 2}),
)


def _split_v(xp: Any, value: Any, sizes: Any, axis: Any, *, num_split: int) -> tuple[Any, ...]:
    position = _axis_scalar(axis, value)
    total = value.shape[position]
    if sizes.ndim != 1 or sizes.size != num_split:
        raise invalid(f"size_splits must be a 1-D tensor of length num_split ({num_split}), got shape "
                      f"{list(sizes.shape)}")
    actual = [int(s) for s in sizes]
    unknown = [i for i, s in enumerate(actual) if s == -1]
    if len(unknown) > 1:
        raise invalid(f"There can only be one -1 in the input, received {actual}")
    given = sum(s for s in actual if s != -1)
    if unknown:
        if given > total:
            raise invalid(f"Determined shape must be less than or equal to the size of the split dimension, got sizes "
                          f"{actual} for size {total}")
        actual[unknown[0]] = total - given
    elif given != total:
        raise invalid(f"Determined shape must either match input shape along split_dim exactly if fully specified, or "
                      f"be less than the size of the input along split_dim if not fully specified.  Got: {given} "
                      f"for size {total}")
    if min(actual, default=0) < 0:
        raise invalid(f"Split size at index {actual.index(min(actual))} must be >= 0. Got: {min(actual)}")
    return _cut(value, position, actual)


def _split_v_shape(op: Any) -> list[TensorShape]:
    num, dims = op._attrs["num_split"], op._inputs[0]._shape._dims
    sizes, axis = constant_value(op._inputs[1]), constant_value(op._inputs[2])
    if dims is None:
        return [UNKNOWN_SHAPE] * num
    if axis is None:
        return [TensorShape([None] * len(dims))] * num
    position = _axis_in(int(axis.reshape(())), len(dims), ValueError)
    total = dims[position]
    if sizes is not None:
        actual: list[int | None] = [int(s) if s >= 0 else None for s in sizes.reshape(-1)]
        if len(actual) != num:
            raise ValueError(f"size_splits has {len(actual)} elements, expected {num}")
        if total is not None:
            given = sum(s for s in actual if s is not None)
            if actual.count(None) == 1 and given <= total:
                actual[actual.index(None)] = total - given
            elif given != total:
                raise ValueError(f"can't split axis of size {total} into pieces of size {sizes.tolist()}")
    else:
        known = constant_value_as_shape(op._inputs[1])._dims
        actual = list(known) if known is not None and len(known) == num else [None] * num
    return [TensorShape(dims[:position] + (size,) + dims[position + 1:]) for size in actual]


SplitV = op(
    "SplitV", "value: T, size_splits: Tlen, split_dim: int32 -> output: num_split*T", T=dtypes.ALL,
    Tlen=Attr("type", dtypes.int64, allowed=(dtypes.int8, dtypes.int32, dtypes.int64)), num_split=INT,
    kernel=_split_v, shape=_split_v_shape, static=("size_splits", "split_dim"), value_as_shape=_split_value,
    gradient=lambda dys, *, split_dim: (ConcatV2(dys, split_dim), None, None),
    doc="Pieces of a dimension, of given sizes.",
    sample=lambda: ([np.arange(8, dtype=np.float32).reshape(2, 4), np.array([1, 3], np.int32),
                     np.array(1, np.int32)], {"num_split": 2}),
)


@export("split")
def split(value: Any, num_or_size_splits: Any, axis: Any = 0, num: int | None = None, name: str = "split"
          ) -> list[Tensor]:
    """Pieces of `value` along `axis`.

    Args:
      value: a tensor.
      num_or_size_splits: how many equal pieces, or a list of their sizes, one of which may be -1.
      axis: the dimension; negative counts from the end.
      num: how many sizes there are, where that is not known from `num_or_size_splits`.
      name: name of the operation.

    Raises:
      ValueError: the number of pieces is not known.
      tf.errors.InvalidArgumentError, ValueError (in a graph): the sizes do not fit.

    >>> import everflow as tf
    >>> [t.numpy().tolist() for t in tf.split([1, 2, 3, 4], 2)]
    [[1, 2], [3, 4]]
    >>> [t.numpy().tolist() for t in tf.split([1, 2, 3, 4], [1, -1])]
    [[1], [2, 3, 4]]
    """
    if isinstance(num_or_size_splits, (int, np.integer)) and not isinstance(num_or_size_splits, bool):
        if type(value) is EagerTensor and type(axis) is int and not STATE.busy and num_or_size_splits > 0:
            array = value._value
            if -array.ndim <= axis < array.ndim and array.shape[axis] % num_or_size_splits == 0:
                size = array.shape[axis] // num_or_size_splits
                return [EagerTensor(p) for p in _cut(array, axis % array.ndim, [size] * int(num_or_size_splits))]
        return Split(axis, value, num_split=num_or_size_splits, name=name)
    sizes = convert(num_or_size_splits)
    if sizes.shape.rank == 0:
        raise ValueError("Rank-0 tensors are not supported as the num_or_size_splits argument to split. Argument "
                         f"provided: {num_or_size_splits}")
    if num is None:
        num = sizes.shape.num_elements() if sizes.shape.rank == 1 else None
        if num is None:
            raise ValueError(f"Cannot infer argument `num` from shape {num_or_size_splits}")
    return SplitV(value, sizes, axis, num_split=num, name=name)
