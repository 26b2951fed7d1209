"""Shapes: what shape a tensor has, and the same elements in another shape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value, constant_value_as_shape
from everflow._src.framework.context import LOCAL, STATE, current_graph
from everflow._src.framework.conversion import constant_array, convert
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export, export_constant
from everflow._src.framework.registry import SHAPE, Attr, Card, op
from everflow._src.framework.shape_rules import UNKNOWN_SHAPE
from everflow._src.framework.tensor import EagerTensor, Tensor, install_method
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.broadcasting import BroadcastArgs, sum_to_shape
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid

INDEX = (dtypes.int32, dtypes.int64)
_INT32 = np.dtype("int32")

newaxis = None
export_constant(__name__, "newaxis", "newaxis")


def index_attr(default: Any = dtypes.int32) -> Attr:
    """A type attr of indices and sizes."""
    return Attr("type", default, allowed=INDEX)


def computes_at_once() -> bool:
    """True when operations of this thread compute at once, on the CPU, whoever records them."""
    return not STATE.busy or (current_graph() is None and LOCAL.device is None)


def recorded(card: Card, inputs: tuple[Any, ...], output: Any, **attrs: Any) -> Any:
    """`output`, which straight code computed in place of `card`, after telling those who record."""
    if STATE.busy:
        attrs["T"] = output.dtype
        for recorder in LOCAL.recorders:
            recorder.record(card, attrs, inputs, (output,))
    return output


# ---- the shape itself

Shape = op(
    "Shape", "input: T -> output: out_type", T=dtypes.ALL, out_type=index_attr(),
    kernel=lambda xp, x, *, out_type: np.array(x.shape, out_type.numpy_dtype),
    shape=lambda op: TensorShape([op._inputs[0]._shape.rank]),
    value_as_shape=lambda op: op._inputs[0]._shape, shape_only=True,
    no_gradient=True, doc="The shape of a tensor, as a vector.",
    sample=lambda: ([np.zeros((2, 3), np.float32)], {}),
)

ShapeN = op(
    "ShapeN", "input: N*T -> output: N*out_type", T=dtypes.ALL, out_type=index_attr(),
    kernel=lambda xp, xs, *, out_type: tuple(np.array(x.shape, out_type.numpy_dtype) for x in xs),
    shape=lambda op: [TensorShape([t._shape.rank]) for t in op._inputs], shape_only=True,
    value_as_shape=lambda op: [t._shape for t in op._inputs],
    no_gradient=True, doc="The shapes of several tensors.",
    sample=lambda: ([[np.zeros((2, 3), np.float32), np.zeros(4, np.float32)]], {}),
)

Size = op(
    "Size", "input: T -> output: out_type", T=dtypes.ALL, out_type=index_attr(),
    kernel=lambda xp, x, *, out_type: np.array(x.size, out_type.numpy_dtype),
    shape=shapes.scalar, shape_only=True, no_gradient=True, doc="The number of elements of a tensor.",
    sample=lambda: ([np.zeros((2, 3), np.float32)], {}),
)


Rank = op(
    "Rank", "input: T -> output: int32", T=dtypes.ALL,
    kernel=lambda xp, x: np.array(x.ndim, _INT32),
    shape=shapes.scalar, shape_only=True, no_gradient=True, doc="The number of dimensions of a tensor.",
    sample=lambda: ([np.zeros((2, 3), np.float32)], {}),
)


def shape_internal(input: Any, name: str | None = None, optimize: bool = True, out_type: Any = None) -> Tensor:
    """The shape as a vector; a constant where it is known statically and `optimize` is True."""
    dtype = dtypes.int32 if out_type is None else as_dtype(out_type)
    if type(input) is EagerTensor and not STATE.busy:
        value = input._value
        if hasattr(value, "shape") and dtype in INDEX:
            return EagerTensor(np.array(value.shape, dtype.numpy_dtype))
    if not isinstance(input, Tensor):
        dense_shape = getattr(input, "dense_shape", None)
        if dense_shape is not None and hasattr(input, "indices"):
            return cards.Cast(dense_shape, DstT=dtype, name=name)
        input = convert(input)
    if optimize and current_graph() is not None:
        static = input.shape
        if static.is_fully_defined():
            return constant_array(np.array(static.as_list(), dtype.numpy_dtype), dtype, name or "Shape")
    return Shape(input, out_type=dtype, name=name)


@export("shape", v1=[])
def shape(input: Any, out_type: Any = None, name: str | None = None) -> Tensor:
    """The shape of `input` as a vector of integers.

    In a graph the vector holds the sizes that the tensor will have when the graph runs, known statically or
    not.

    Args:
      input: a tensor, or a sparse one.
      out_type: `tf.int32` (the default) or `tf.int64`.
      name: name of the operation.

    >>> import everflow as tf
    >>> tf.shape(tf.zeros([2, 3]))
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([2, 3], dtype=int32)>
    """
    return shape_internal(input, name, True, out_type)


@export(v1=["shape"])
def shape_v1(input: Any, name: str | None = None, out_type: Any = None) -> Tensor:
    """The shape of `input` as a vector of `out_type` (int32 by default)."""
    return shape_internal(input, name, True, out_type)


@export("shape_n")
def shape_n(input: Any, out_type: Any = dtypes.int32, name: str | None = None) -> list[Tensor]:
    """The shapes of several tensors, each as a vector of `out_type`."""
    return ShapeN(input, out_type=out_type, name=name)


def size_internal(input: Any, name: str | None = None, optimize: bool = True, out_type: Any = None) -> Tensor:
    """The number of elements; a constant where it is known statically and `optimize` is True."""
    dtype = dtypes.int32 if out_type is None else as_dtype(out_type)
    if not isinstance(input, Tensor):
        dense_shape = getattr(input, "dense_shape", None)
        if dense_shape is not None and hasattr(input, "indices"):
            with name_scope(name, "Size"):
                return cards.Prod(cards.Cast(dense_shape, DstT=dtype), 0)
        input = convert(input)
    static = input.shape
    if optimize and static.is_fully_defined():
        return constant_array(np.array(static.num_elements(), dtype.numpy_dtype), dtype, name or "Size")
    return Size(input, out_type=dtype, name=name)


@export("size", v1=[])
def size(input: Any, out_type: Any = None, name: str | None = None) -> Tensor:
    """The number of elements of `input`, a scalar of `out_type` (int32 by default).

    >>> import everflow as tf
    >>> tf.size(tf.zeros([2, 3])).numpy() == 6
    True
    """
    return size_internal(input, name, True, out_type)


@export(v1=["size"])
def size_v1(input: Any, name: str | None = None, out_type: Any = None) -> Tensor:
    """The number of elements of `input`, a scalar of `out_type` (int32 by default)."""
    return size_internal(input, name, True, out_type)


@export("rank")
def rank(input: Any, name: str | None = None) -> Tensor:
    """The number of dimensions of `input`, an int32 scalar.

    >>> import everflow as tf
    >>> tf.rank(tf.zeros([2, 3])).numpy() == 2
    True
    """
    if not isinstance(input, Tensor):
        if hasattr(input, "dense_shape") and hasattr(input, "indices"):
            return Size(input.dense_shape, name=name)
        input = convert(input)
    number = input.shape.rank
    if number is not None:
        return constant_array(np.array(number, _INT32), dtypes.int32, name or "Rank")
    return Rank(input, name=name)


# ---- the same elements in another shape


def _reshape(xp: Any, x: Any, target: Any) -> Any:
    if target.ndim > 1:
        raise invalid(f"shape must be a vector of {{int32,int64}}, got shape {list(target.shape)}")
    sizes = tuple(target.reshape(-1).tolist())
    if sizes.count(-1) > 1:
        first = sizes.index(-1)
        raise invalid(f"Only one input size may be -1, not both {first} and {sizes.index(-1, first + 1)}")
    for index, size in enumerate(sizes):
        if size < -1:
            raise invalid(f"Size {index} must be non-negative, not {size}")
    try:
        return x.reshape(sizes)
    except (ValueError, TypeError, ZeroDivisionError):
        pass
    known = 1
    for size in sizes:
        known *= size if size != -1 else 1
    if -1 not in sizes:
        raise invalid(f"Input to reshape is a tensor with {x.size} values, but the requested shape has {known}")
    if known == 0 and x.size == 0:
        # Where sizes of zero stand on both sides, the missing one is what the others leave.
        have, want = (int(np.prod([n for n in shape if n > 0], dtype=int)) for shape in (x.shape, sizes))
        return x.reshape([have // want if s == -1 else s for s in sizes])
    raise invalid(f"Input to reshape is a tensor with {x.size} values, but the requested shape requires a multiple "
                  f"of {known}")


def _reshape_shape(op: Any) -> TensorShape:
    source = op._inputs[0]._shape
    if op._inputs[1]._shape.rank not in (1, None):
        raise ValueError(f"Shape must be rank 1 but is rank {op._inputs[1]._shape.rank}")
    wanted = constant_value_as_shape(op._inputs[1])
    if wanted._dims is None:
        return UNKNOWN_SHAPE
    sizes = list(wanted._dims)
    total = source.num_elements()
    value = constant_value(op._inputs[1])
    if value is not None and (value < -1).any():
        raise ValueError(f"The sizes of a shape must be non-negative, or -1 for one of them: {value.tolist()}")
    known = 1
    for size in sizes:
        known *= 1 if size is None else size
    unknown = sizes.count(None)
    if total is not None:
        if unknown == 0 and known != total:
            raise ValueError(f"Cannot reshape a tensor with {total} elements to shape {_text(sizes)} ({known} "
                             "elements)")
        if unknown == 1:
            if known == 0:
                pass  # what the missing size is shows when it runs
            elif total % known:
                raise ValueError(f"Dimension size must be evenly divisible by {known} but is {total}")
            else:
                sizes[sizes.index(None)] = total // known
    elif unknown == 1 and source._dims is not None and source._dims.count(None) == 1 and known:
        # [?, 4, 3] to [-1, 12]: whatever the unknown size is, it is the same on both sides.
        rest = 1
        for size in source._dims:
            rest *= 1 if size is None else size
        if rest == 0 and value is not None:
            sizes[sizes.index(None)] = 0
    return TensorShape(sizes)


def _text(sizes: Any) -> str:
    return "[" + ",".join("?" if s is None else str(s) for s in sizes) + "]"


def _reshape_joins(unfinished: Any, position: int, others: Any, attrs: Any) -> Any:
    """A result that is held back, in another shape; what is wrong with the shape is for the kernel to say."""
    target = others[0]
    if position != 0 or not isinstance(target, np.ndarray) or target.ndim != 1:
        return None
    sizes = target.tolist()
    if sizes.count(-1) == 1:
        known = -math.prod(sizes)
        sizes[sizes.index(-1)] = math.prod(unfinished.shape) // known if known > 0 else 0
    return unfinished.reshaped(tuple(sizes))


Reshape = op(
    "Reshape", "tensor: T, shape: Tshape -> output: T", T=dtypes.ALL, Tshape=index_attr(),
    kernel=_reshape, shape=_reshape_shape, static=("shape",), joins=_reshape_joins,
    value_as_shape=lambda op: constant_value_as_shape(op._inputs[0]) if op._inputs[0]._shape.rank == 1 else None,
    gradient=lambda dy, *, tensor_shape: (reshape(dy, tensor_shape.tensor()), None),
    doc="The same elements in another shape.",
    sample=lambda: ([np.arange(6, dtype=np.float32).reshape(2, 3), np.array([3, -1], np.int32)], {}),
)


@export("reshape", "manip.reshape", v1=["reshape", "manip.reshape"])
def reshape(tensor: Any, shape: Any, name: str | None = None) -> Tensor:
    """The elements of `tensor`, in the same order, in another shape.

    Args:
      tensor: a tensor.
      shape: the sizes of the result; one of them may be -1, which stands for what is left.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError, ValueError (in a graph): the elements do not fit `shape`.

    >>> import everflow as tf
    >>> tf.reshape([[1, 2, 3], [4, 5, 6]], [3, -1])
    <tf.Tensor: shape=(3, 2), dtype=int32, numpy=
    array([[1, 2],
           [3, 4],
           [5, 6]], dtype=int32)>
    """
    if type(tensor) is EagerTensor and computes_at_once():
        kind = type(shape)
        try:
            if kind is list or kind is tuple:
                if not shape or min(shape) >= -1:
                    result = EagerTensor(tensor._value.reshape(shape))
                    if not STATE.busy:
                        return result
                    sizes = EagerTensor(np.array(result._value.shape, _INT32))
                    return recorded(Reshape, (tensor, sizes), result, Tshape=dtypes.int32)
            elif kind is EagerTensor and shape._value.min(initial=0) >= -1:
                result = EagerTensor(tensor._value.reshape(shape._value))
                return recorded(Reshape, (tensor, shape), result, Tshape=shape.dtype)
        except Exception:  # the door below raises it, with its explanation
            pass
    return Reshape(tensor, shape, name=name)


def _axis_value(axis: Any) -> int:
    if axis.size != 1:
        raise invalid(f"'dim' must be a tensor with a single value, received shape {list(axis.shape)}")
    return int(axis.reshape(()))


def _expand_dims(xp: Any, x: Any, axis: Any) -> Any:
    position = _axis_value(axis)
    rank = x.ndim
    if not -1 - rank <= position <= rank:
        raise invalid(f"Tried to expand dim index {position} for tensor with {rank} dimensions.")
    position += rank + 1 if position < 0 else 0
    return x.reshape(x.shape[:position] + (1,) + x.shape[position:])


def _expand_dims_shape(op: Any) -> TensorShape:
    dims = op._inputs[0]._shape._dims
    axis = constant_value(op._inputs[1])
    if dims is None:
        return UNKNOWN_SHAPE
    if axis is None:
        return TensorShape([None] * (len(dims) + 1))
    position = int(axis.reshape(-1)[0]) if axis.size == 1 else 0
    if not -1 - len(dims) <= position <= len(dims):
        raise ValueError(f"dim {position} not in the interval [{-1 - len(dims)}, {len(dims)}].")
    position += len(dims) + 1 if position < 0 else 0
    return TensorShape(dims[:position] + (1,) + dims[position:])


def _scalar_as_shape(op: Any) -> TensorShape | None:
    """A scalar that became a vector of one element, read as a shape."""
    source = op._inputs[0]
    if source._shape.rank != 0:
        return None
    return TensorShape([dimension_value(source)])


def dimension_value(tensor: Any) -> int | None:
    """The value of a scalar that stands for a dimension, when it is known.

    A size that an operation picked from a shape that is partly known counts as known.
    """
    value = constant_value(tensor)
    if value is not None:
        if value.size != 1:
            return None
        number = int(value.reshape(()))
        return number if number >= 0 else None
    source = tensor._op
    if source.type in ("Cast", "Identity", "Squeeze"):
        inner = source._inputs[0]
        if inner._shape.rank == 1:
            whole = constant_value_as_shape(inner)
            return whole._dims[0] if whole._dims is not None and len(whole._dims) == 1 else None
        return dimension_value(inner) if inner._shape.rank == 0 else None
    if source.type == "StridedSlice":
        begin = constant_value(source._inputs[1])
        if (begin is not None and begin.size == 1 and source._attrs["shrink_axis_mask"] == 1
                and source._inputs[0]._shape.rank == 1):
            return _pick(constant_value_as_shape(source._inputs[0]), int(begin.reshape(())))
    if source.type == "GatherV2" and source._inputs[0]._shape.rank == 1:
        index = constant_value(source._inputs[1])
        if index is not None and index.ndim == 0:
            return _pick(constant_value_as_shape(source._inputs[0]), int(index))
    if source.type == "Unpack" and source._inputs[0]._shape.rank == 1:
        return _pick(constant_value_as_shape(source._inputs[0]), tensor._value_index)
    return None


def _pick(whole: TensorShape, index: int) -> int | None:
    if whole._dims is None or not -len(whole._dims) <= index < len(whole._dims):
        return None
    return whole._dims[index]


ExpandDims = op(
    "ExpandDims", "input: T, dim: Tdim -> output: T", T=dtypes.ALL, Tdim=index_attr(),
    kernel=_expand_dims, shape=_expand_dims_shape, static=("dim",), value_as_shape=_scalar_as_shape,
    gradient=lambda dy, *, input_shape: (reshape(dy, input_shape.tensor()), None),
    doc="One more dimension, of size 1.",
    sample=lambda: ([np.arange(3, dtype=np.float32), np.array(1, np.int32)], {}),
)


@export("expand_dims", v1=[])
def expand_dims(input: Any, axis: Any, name: str | None = None) -> Tensor:
    """`input` with one more dimension, of size 1, at `axis`.

    Args:
      input: a tensor of rank r.
      axis: where the dimension goes, in [-r - 1, r]; negative counts from the end.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError, ValueError (in a graph): `axis` is out of range.

    >>> import everflow as tf
    >>> tf.expand_dims([1, 2], 0).shape, tf.expand_dims([1, 2], -1).shape
    (TensorShape([1, 2]), TensorShape([2, 1]))
    """
    if type(input) is EagerTensor and type(axis) is int and computes_at_once():
        try:
            value = input._value
            number = value.ndim
            if -1 - number <= axis <= number:
                position = axis if axis >= 0 else axis + number + 1
                sizes = value.shape
                result = EagerTensor(value.reshape(sizes[:position] + (1,) + sizes[position:]))
                if not STATE.busy:
                    return result
                dim = EagerTensor(np.array(axis, _INT32))
                return recorded(ExpandDims, (input, dim), result, Tdim=dtypes.int32)
        except Exception:  # the door below raises it, with its explanation
            pass
    return ExpandDims(input, axis, name=name)


@export(v1=["expand_dims"])
def expand_dims_v1(input: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Tensor:
    """`input` with one more dimension, of size 1, at `axis` (or `dim`, its older name).

    Raises:
      ValueError: neither or both of `axis` and `dim` are given.
    """
    axis = renamed("axis", axis, "dim", dim)
    if axis is None:
        raise ValueError("Must specify an axis argument to tf.expand_dims()")
    return expand_dims(input, axis, name)


def renamed(new_name: str, new: Any, old_name: str, old: Any) -> Any:
    """The value of an argument that has two names.

    Raises:
      ValueError: both are given.
    """
    if old is None:
        return new
    if new is not None:
        raise ValueError(f"Cannot specify both '{old_name}' and '{new_name}'.")
    return old


def _squeeze(xp: Any, x: Any, *, squeeze_dims: Any) -> Any:
    return x.reshape(_squeezed(x.shape, squeeze_dims, invalid))


def _squeezed(dims: tuple[int | None, ...], axes: Any, error: Any) -> tuple[int | None, ...]:
    if not axes:
        return tuple([d for d in dims if d != 1])
    rank = len(dims)
    chosen = set()
    for axis in axes:
        if not -rank <= axis < rank:
            raise error(f"Tried to squeeze dim index {axis} for tensor with {rank} dimensions.")
        chosen.add(axis % rank)
    for axis in chosen:
        if dims[axis] is not None and dims[axis] != 1:
            raise error(f"Can not squeeze dim[{axis}], expected a dimension of 1, got {dims[axis]}")
    return tuple([d for i, d in enumerate(dims) if i not in chosen])


def _squeeze_shape(op: Any) -> TensorShape:
    dims, axes = op._inputs[0]._shape._dims, op._attrs["squeeze_dims"]
    if dims is None or (not axes and None in dims):
        return UNKNOWN_SHAPE
    return TensorShape(_squeezed(dims, axes, ValueError))


Squeeze = op(
    "Squeeze", "input: T -> output: T", T=dtypes.ALL, squeeze_dims=Attr("list(int)", []),
    kernel=_squeeze, shape=_squeeze_shape,
    gradient=lambda dy, *, input_shape: reshape(dy, input_shape.tensor()),
    doc="Without dimensions of size 1.",
    sample=lambda: ([np.arange(3, dtype=np.float32).reshape(1, 3, 1)], {"squeeze_dims": [0]}),
)


@export("squeeze", v1=[])
def squeeze(input: Any, axis: Any = None, name: str | None = None) -> Tensor:
    """`input` without its dimensions of size 1.

    Args:
      input: a tensor.
      axis: a dimension or a list of dimensions to remove; all of size 1 when None or empty.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError, ValueError (in a graph): a dimension in `axis` is not of size 1.

    >>> import everflow as tf
    >>> tf.squeeze(tf.zeros([1, 2, 1])).shape, tf.squeeze(tf.zeros([1, 2, 1]), 0).shape
    (TensorShape([2]), TensorShape([2, 1]))
    """
    if type(input) is EagerTensor and not STATE.busy:
        value = input._value
        try:
            if axis is None:
                return EagerTensor(value.reshape([d for d in value.shape if d != 1]))
            if type(axis) is int and value.shape[axis] == 1:
                position = axis % value.ndim
                return EagerTensor(value.reshape(value.shape[:position] + value.shape[position + 1:]))
        except Exception:  # the door below raises it, with its explanation
            pass
    if axis is None:
        axis = ()
    elif not isinstance(axis, (list, tuple)):
        axis = np.atleast_1d(np.asarray(axis)).tolist()
    return Squeeze(input, squeeze_dims=list(axis), name=name)


@export(v1=["squeeze"])
def squeeze_v1(input: Any, axis: Any = None, name: str | None = None, squeeze_dims: Any = None) -> Tensor:
    """`input` without its dimensions of size 1, or without those in `axis` (formerly `squeeze_dims`)."""
    return squeeze(input, renamed("axis", axis, "squeeze_dims", squeeze_dims), name)


# ---- broadcasting


def _broadcast_to(xp: Any, x: Any, target: Any) -> Any:
    sizes = tuple(target.tolist())
    rank = x.ndim
    if len(sizes) < rank:
        raise invalid(f"Rank of input ({rank}) must be no greater than rank of output shape ({len(sizes)}).")
    # -1 keeps the size of the input.
    lead = len(sizes) - rank
    sizes = tuple([x.shape[i - lead] if s == -1 and i >= lead else s for i, s in enumerate(sizes)])
    for have, want in zip(x.shape, sizes[lead:]):
        if have != want and have != 1:
            raise invalid(f"Incompatible shapes: {_text(x.shape)} vs. {_text(sizes)}")
    return xp.broadcast_to(x, sizes)


def _broadcast_to_shape(op: Any) -> TensorShape:
    source = op._inputs[0]._shape._dims
    wanted = constant_value_as_shape(op._inputs[1])._dims
    if wanted is None:
        return UNKNOWN_SHAPE
    if source is None:
        return TensorShape(wanted)
    if len(source) > len(wanted):
        raise ValueError(f"Rank of input ({len(source)}) must be no greater than rank of output shape ({len(wanted)})")
    lead = len(wanted) - len(source)
    result: list[int | None] = list(wanted)
    for index, (have, want) in enumerate(zip(source, wanted[lead:])):
        if have is not None and want is not None and have not in (1, want):
            raise ValueError(f"Incompatible shapes: {_text(source)} vs. {_text(wanted)}")
        if want is None and have is not None and have != 1:
            result[lead + index] = have
    return TensorShape(result)


BroadcastTo = op(
    "BroadcastTo", "input: T, shape: Tidx -> output: T", T=dtypes.ALL, Tidx=index_attr(),
    kernel=_broadcast_to, shape=_broadcast_to_shape, static=("shape",),
    gradient=lambda dy, *, input_shape: (sum_to_shape(convert(dy), input_shape), None),
    doc="Repeats dimensions of size 1, and adds leading ones.",
    sample=lambda: ([np.arange(3, dtype=np.float32).reshape(3, 1), np.array([2, 3, 4], np.int32)], {}),
)


@export("broadcast_to")
def broadcast_to(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """`input` repeated to `shape`, as NumPy broadcasts.

    Raises:
      tf.errors.InvalidArgumentError, ValueError (in a graph): the shapes do not fit.

    >>> import everflow as tf
    >>> tf.broadcast_to([1, 2], [2, 2]).numpy().tolist()
    [[1, 2], [1, 2]]
    """
    return BroadcastTo(input, shape, name=name)


@export("broadcast_static_shape")
def broadcast_static_shape(shape_x: TensorShape, shape_y: TensorShape) -> TensorShape:
    """The static shape to which two static shapes broadcast.

    Raises:
      ValueError: they do not fit.

    >>> import everflow as tf
    >>> tf.broadcast_static_shape(tf.TensorShape([2, 1]), tf.TensorShape([3]))
    TensorShape([2, 3])
    """
    left, right = TensorShape(shape_x), TensorShape(shape_y)
    try:
        return TensorShape(shapes.broadcast_dims(left._dims, right._dims))
    except ValueError:
        raise ValueError(f"Incompatible shapes for broadcasting. Two shapes are compatible if for each dimension "
                         f"pair they are either equal or one of them is 1. Received: {left} and {right}.") from None


@export("broadcast_dynamic_shape")
def broadcast_dynamic_shape(shape_x: Any, shape_y: Any) -> Tensor:
    """The shape, as a vector, to which two shapes (vectors of integers) broadcast.

    >>> import everflow as tf
    >>> tf.broadcast_dynamic_shape([2, 1], [3]).numpy().tolist()
    [2, 3]
    """
    return BroadcastArgs(convert(shape_x, hint=dtypes.int32), convert(shape_y, hint=dtypes.int32))


# ---- what is known of a shape


def _ensure_shape(xp: Any, x: Any, *, shape: TensorShape) -> Any:
    if not shape.is_compatible_with(TensorShape(x.shape)):
        raise invalid(f"Shape of tensor input {_text(x.shape)} is not compatible with expected shape "
                      f"{_text(shape._dims or ())}.")
    return x


EnsureShape = op(
    "EnsureShape", "input: T -> output: T", T=dtypes.ALL, more_attrs={"shape": SHAPE}, kernel=_ensure_shape,
    shape=lambda op: op._inputs[0]._shape.merge_with(op._attrs["shape"]),
    value_as_shape=lambda op: constant_value_as_shape(op._inputs[0]) if op._inputs[0]._shape.rank == 1 else None,
    gradient=lambda dy: dy, doc="The same tensor, whose shape is checked when it runs.",
    sample=lambda: ([np.arange(3, dtype=np.float32)], {"shape": [None]}),
)


@export("ensure_shape")
def ensure_shape(x: Any, shape: Any, name: str | None = None) -> Tensor:
    """`x`, of which it is known from here on that it has `shape`, and checked when it runs.

    Raises:
      tf.errors.InvalidArgumentError: `x` has another shape.

    >>> import everflow as tf
    >>> tf.ensure_shape(tf.zeros([2, 3]), [None, 3]).shape
    TensorShape([2, 3])
    """
    return EnsureShape(x, shape=TensorShape(shape), name=name)


GuaranteeConst = op(
    "GuaranteeConst", "input: T -> output: T", T=dtypes.ALL, kernel=lambda xp, x: x, shape=shapes.unchanged,
    no_gradient="a promise that the value never changes", doc="The same tensor, promised never to change.",
    sample=lambda: ([np.arange(3, dtype=np.float32)], {}),
)


@export("guarantee_const")
def guarantee_const(input: Any, name: str | None = None) -> Tensor:
    """`input`, which the program promises never to change; the gradient stops here."""
    return GuaranteeConst(input, name=name)


install_method("_shape_as_list", lambda self: None if self.shape.rank is None else self.shape.as_list())
