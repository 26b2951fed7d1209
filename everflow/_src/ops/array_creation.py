"""Tensors made of little: zeros, ones, ranges, one-hot rows, masks of sequences."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value, constant_value_as_shape
from everflow._src.framework.context import STATE, current_graph
from everflow._src.framework.conversion import constant_array, convert, to_numpy
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.shape_rules import UNKNOWN_SHAPE
from everflow._src.framework.tensor import EagerTensor, Tensor
from everflow._src.framework.tensor_shape import Dimension, TensorShape
from everflow._src.ops.array_casting import cast
from everflow._src.ops.array_shape import dimension_value, index_attr, shape_internal
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid

_INT32 = np.dtype("int32")

# ---- filled tensors


def _fill(xp: Any, dims: Any, value: Any) -> Any:
    if dims.ndim != 1:
        raise invalid(f"dims must be a vector, got shape {list(dims.shape)}")
    if value.ndim != 0:
        raise invalid(f"value must be a scalar, got shape {list(value.shape)}")
    sizes = tuple(dims.tolist())
    for size in sizes:
        if size < 0:
            raise invalid(f"Fill dimensions must be >= 0, got {size}")
    return xp.full(sizes, value, dtype=value.dtype)


Fill = op(
    "Fill", "dims: index_type, value: T -> output: T", T=dtypes.ALL, index_type=index_attr(), kernel=_fill,
    shape=lambda op: _fill_shape(op), static=("dims",),
    value_as_shape=lambda op: _filled_value(op),
    gradient=lambda dy: (None, cards.Sum(dy, cards.Range(0, cards.Rank(dy), 1)) if dy.shape.rank is None
                         else cards.Sum(dy, np.arange(dy.shape.rank, dtype=_INT32))),
    doc="A tensor of one value.",
    sample=lambda: ([np.array([2, 3], np.int32), np.array(1.5, np.float32)], {}),
)


def _fill_shape(op: Any) -> TensorShape:
    shapes.with_rank(op._inputs[0]._shape, 1)
    shapes.with_rank(op._inputs[1]._shape, 0)
    dims = constant_value(op._inputs[0])
    if dims is not None and dims.size and dims.min() < 0:
        raise ValueError(f"Fill dimensions must be >= 0, got {dims.tolist()}")
    return constant_value_as_shape(op._inputs[0])


def _filled_value(op: Any) -> TensorShape | None:
    size = op._outputs[0]._shape.num_elements()
    value = dimension_value(op._inputs[1]) if op._inputs[1]._shape.rank == 0 else None
    return None if size is None or value is None else TensorShape([value] * size)


@export("fill")
def fill(dims: Any, value: Any, name: str | None = None, layout: Any = None) -> Tensor:
    """A tensor of shape `dims` in which every element is `value`.

    Args:
      dims: the sizes, a vector of integers.
      value: a scalar of any dtype.
      name: name of the operation.
      layout: accepted; everflow places tensors itself.

    Raises:
      tf.errors.InvalidArgumentError: a size is negative, or `value` is no scalar.

    >>> import everflow as tf
    >>> tf.fill([2, 2], 7).numpy().tolist()
    [[7, 7], [7, 7]]
    """
    if not STATE.busy and (type(dims) is list or type(dims) is tuple):
        kind = type(value)
        dtype = np.float32 if kind is float else np.int32 if kind is int and abs(value) < 2**31 else None
        if dtype is not None:
            try:
                return EagerTensor(np.full(dims, value, dtype))
            except (TypeError, ValueError):
                pass  # the door below raises it with its explanation
    return Fill(dims, value, name=name)


def _static_sizes(shape: Any) -> list[int] | None:
    """The sizes in `shape` when all are plain numbers, else None."""
    if isinstance(shape, TensorShape):
        return list(shape._dims) if shape.is_fully_defined() else None  # type: ignore[arg-type]
    if isinstance(shape, EagerTensor):
        array = np.asarray(shape._array)
        return array.tolist() if array.ndim == 1 else [int(array)] if array.ndim == 0 else None
    if isinstance(shape, np.ndarray):
        return shape.tolist() if shape.ndim == 1 and shape.dtype.kind in "iu" else None
    if isinstance(shape, (list, tuple)):
        sizes = []
        for size in shape:
            if isinstance(size, Tensor) and not isinstance(size, EagerTensor):
                return None
            try:
                sizes.append(size.value if isinstance(size, Dimension) else operator.index(size))
            except TypeError:
                return None
        return None if None in sizes else sizes
    return None


# Below this many elements a graph holds the zeros themselves; above it, the operation that makes them.
_LARGEST_CONSTANT = 1000


def _filled(shape: Any, number: int, dtype: Any, name: str | None, default_name: str) -> Tensor:
    dtype = as_dtype(dtype).base_dtype
    if not STATE.busy:
        kind = type(shape)
        if (kind is list or kind is tuple) and dtype is not dtypes.string:
            try:
                make = np.ones if number else np.zeros
                return EagerTensor(make(shape, dtype.numpy_dtype))
            except (TypeError, ValueError):
                pass
    value = np.full((), (b"1" if number else b"") if dtype == dtypes.string else number, dtype.numpy_dtype)
    with name_scope(name, default_name) as scope:
        if not isinstance(shape, Tensor):
            sizes = _static_sizes(shape)
            if sizes is not None:
                in_graph = STATE.busy and current_graph() is not None
                if in_graph and -1 < min(sizes, default=0) and np.prod(sizes, dtype=float) < _LARGEST_CONSTANT:
                    return constant_array(np.full(sizes, value, value.dtype), dtype, scope or None)
                shape = constant_array(np.array(sizes, _INT32), dtypes.int32, "shape_as_tensor")
            else:
                in_graph = STATE.busy and current_graph() is not None
                shape = convert(shape, hint=dtypes.int32, name="packed") if in_graph or not isinstance(
                    shape, (list, tuple)) else convert(shape, dtypes.int32)
        if shape.shape.rank == 0:
            shape = cards.Reshape(shape, [-1])
        if shape.dtype.base_dtype not in (dtypes.int32, dtypes.int64):
            if not shape.dtype.is_integer:
                raise TypeError(f"A shape consists of integers, received {shape!r}")
            shape = cards.Cast(shape, DstT=dtypes.int32)
        return Fill(shape, constant_array(value, dtype), name=scope or None)


@export("zeros")
def zeros(shape: Any, dtype: Any = dtypes.float32, name: str | None = None, layout: Any = None) -> Tensor:
    """A tensor of `shape` and `dtype` in which every element is zero (False, or the empty string).

    >>> import everflow as tf
    >>> tf.zeros([2, 3])
    <tf.Tensor: shape=(2, 3), dtype=float32, numpy=
    array([[0., 0., 0.],
           [0., 0., 0.]], dtype=float32)>
    """
    return _filled(shape, 0, dtype, name, "zeros")


@export("ones")
def ones(shape: Any, dtype: Any = dtypes.float32, name: str | None = None, layout: Any = None) -> Tensor:
    """A tensor of `shape` and `dtype` in which every element is one (True).

    >>> import everflow as tf
    >>> tf.ones([2], tf.int32)
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([1, 1], dtype=int32)>
    """
    return _filled(shape, 1, dtype, name, "ones")


def _zeros_of(xp: Any, x: Any) -> Any:
    if hasattr(x, "zeros_like_list"):
        return x.zeros_like_list()
    if x is None:
        return None  # what only a branch that was not taken computes, and only its gradient asks for
    if x.dtype == object:
        return np.full(x.shape, b"", object)
    return xp.zeros(x.shape, x.dtype)


# Not shape_only: what they make may be large, and would then be a constant of every executable.
ZerosLike = op(
    "ZerosLike", "x: T -> y: T", T=dtypes.ALL, kernel=_zeros_of, shape=shapes.unchanged, takes_lists=True,
    no_gradient="its value is constant", doc="Zeros of the shape and dtype of a tensor.",
    sample=lambda: ([np.arange(3, dtype=np.float32)], {}),
)

OnesLike = op(
    "OnesLike", "x: T -> y: T", T=dtypes.NUMERIC + (dtypes.bool,), kernel=lambda xp, x: xp.ones(x.shape, x.dtype),
    shape=shapes.unchanged, no_gradient="its value is constant",
    doc="Ones of the shape and dtype of a tensor.",
    sample=lambda: ([np.arange(3, dtype=np.float32)], {}),
)


def _like(input: Any, number: int, dtype: Any, name: str | None, optimize: bool) -> Any:
    if type(input) is EagerTensor and not STATE.busy:
        value = input._value
        wanted = value.dtype if dtype is None else as_dtype(dtype).numpy_dtype
        if wanted.kind in "fiubcV":
            return EagerTensor((np.ones if number else np.zeros)(value.shape, wanted))
    default_name = "ones_like" if number else "zeros_like"
    with name_scope(name, default_name) as scope:
        if not isinstance(input, Tensor):
            if hasattr(input, "with_values"):  # a sparse tensor
                return input.with_values(_like(input.values, number, dtype, name, optimize))
            if isinstance(input, IndexedSlices):
                return IndexedSlices(_like(input.values, number, dtype, None, optimize), input.indices,
                                     input.dense_shape)
            if hasattr(input, "flat_values") and hasattr(input, "with_flat_values"):  # a ragged tensor
                return input.with_flat_values(_like(input.flat_values, number, dtype, None, optimize))
            input = convert(input, name="tensor")
        base = input.dtype.base_dtype
        wanted_dtype = base if dtype is None else as_dtype(dtype).base_dtype
        fill_with = ones if number else zeros
        static = input.shape
        if number and wanted_dtype == dtypes.string:
            return OnesLike(input, name=scope or None)  # which says that there is no such thing
        if optimize and base != dtypes.variant and static.is_fully_defined() and wanted_dtype != dtypes.variant:
            return fill_with(static, wanted_dtype, scope or None)
        if wanted_dtype != base and base != dtypes.variant:
            return fill_with(shape_internal(input, optimize=optimize), wanted_dtype, scope or None)
        return (OnesLike if number else ZerosLike)(input, name=scope or None)


@export("zeros_like", v1=[])
def zeros_like(input: Any, dtype: Any = None, name: str | None = None, layout: Any = None) -> Any:
    """Zeros of the shape of `input`, of its dtype or of `dtype`.

    >>> import everflow as tf
    >>> tf.zeros_like([1, 2])
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([0, 0], dtype=int32)>
    """
    return _like(input, 0, dtype, name, True)


@export(v1=["zeros_like"])
def zeros_like_v1(tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True) -> Any:
    """Zeros of the shape of `tensor`, of its dtype or of `dtype`.

    Args:
      tensor: a tensor.
      dtype: the dtype of the zeros.
      name: name of the operation.
      optimize: True makes a constant where the shape is known statically.
    """
    return _like(tensor, 0, dtype, name, optimize)


@export("ones_like", v1=[])
def ones_like(input: Any, dtype: Any = None, name: str | None = None, layout: Any = None) -> Any:
    """Ones of the shape of `input`, of its dtype or of `dtype`.

    >>> import everflow as tf
    >>> tf.ones_like([[1., 2.]]).numpy().tolist()
    [[1.0, 1.0]]
    """
    return _like(input, 1, dtype, name, True)


@export(v1=["ones_like"])
def ones_like_v1(tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True) -> Any:
    """Ones of the shape of `tensor`, of its dtype or of `dtype`; see `zeros_like`."""
    return _like(tensor, 1, dtype, name, optimize)


# ---- ranges


def _range_size(start: Any, limit: Any, delta: Any, error: Any) -> int:
    start, limit, delta = (v.reshape(())[()] for v in (start, limit, delta))
    if delta == 0:
        raise error(f"Requires delta != 0: {delta}")
    if delta > 0 and start > limit:
        raise error(f"Requires start <= limit when delta > 0: {start}/{limit}")
    if delta < 0 and start < limit:
        raise error(f"Requires start >= limit when delta < 0: {start}/{limit}")
    if np.dtype(delta.dtype).kind in "iu":
        start, limit, delta = int(start), int(limit), int(delta)
        return max(0, -((start - limit) // delta))
    size = np.ceil(abs((np.float64(limit) - np.float64(start)) / np.float64(delta)))
    if not np.isfinite(size):
        raise error(f"Requires finite start, limit and delta: {start}/{limit}/{delta}")
    return int(size)


def _range(xp: Any, start: Any, limit: Any, delta: Any) -> Any:
    for name, value in (("start", start), ("limit", limit), ("delta", delta)):
        if value.size != 1:
            raise invalid(f"{name} must be a scalar, not shape {list(value.shape)}")
    size = _range_size(start, limit, delta, invalid)
    dtype = start.dtype
    start, delta = start.reshape(())[()], delta.reshape(())[()]
    steps = np.arange(size)
    if dtype.kind in "iu":
        return (int(start) + steps * int(delta)).astype(dtype)
    if dtype.itemsize < 4:
        # TensorFlow adds the step again and again in these types; multiplying is closer to what is meant.
        return (float(start) + steps * float(delta)).astype(dtype)
    return (start + steps.astype(dtype) * delta).astype(dtype)


def _range_shape(op: Any) -> TensorShape:
    for tensor in op._inputs:
        shapes.with_rank(tensor._shape, 0)
    values = [constant_value(t) for t in op._inputs]
    if any(v is None for v in values):
        limit = dimension_value(op._inputs[1]) if op._inputs[1]._dtype.is_integer else None
        if limit is not None and all(v is not None for v in (values[0], values[2])):
            return TensorShape([_range_size(values[0], np.array(limit, values[0].dtype), values[2], ValueError)])
        return TensorShape([None])
    return TensorShape([_range_size(*values, ValueError)])


Range = op(
    "Range", "start: Tidx, limit: Tidx, delta: Tidx -> output: Tidx",
    Tidx=Attr("type", dtypes.int32, allowed=(dtypes.bfloat16, dtypes.float16, dtypes.float32, dtypes.float64,
                                              dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64,
                                              dtypes.uint16, dtypes.uint32)),
    kernel=_range, shape=_range_shape, static=("start", "limit", "delta"),
    no_gradient="its values are positions", doc="Numbers from start to limit in steps of delta.",
    sample=lambda: ([np.array(v, np.int32) for v in (1, 7, 2)], {}),
)

_RANGE_ORDER = (dtypes.int32, dtypes.int64, dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64)


@export("range")
def range(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: str = "range") -> Tensor:
    """The numbers from `start`, in steps of `delta`, as long as they are below `limit` (above, for delta < 0).

    Args:
      start: the first number; with `limit` None, the limit, and the first number is 0.
      limit: where the numbers end; it is not among them.
      delta: the step.
      dtype: dtype of the result; of the arguments when None.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError, ValueError (in a graph): the step is zero or leads away from `limit`.

    >>> import everflow as tf
    >>> tf.range(3), tf.range(3, 18, 5).numpy().tolist()
    (<tf.Tensor: shape=(3,), dtype=int32, numpy=array([0, 1, 2], dtype=int32)>, [3, 8, 13])
    """
    if limit is None:
        start, limit = 0, start
    if not STATE.busy and type(start) is int and type(limit) is int and type(delta) is int and dtype is None:
        if delta and 0 <= (limit - start) // delta < 2**20 and abs(limit) < 2**31 > abs(start):
            return EagerTensor(np.arange(start, limit, delta, _INT32))
    with name_scope(name, "range") as scope:
        wanted = as_dtype(dtype) if dtype is not None else None
        values = []
        for value, label in ((start, "start"), (limit, "limit"), (delta, "delta")):
            if isinstance(value, Tensor) or hasattr(value, "_dense_var_to_tensor"):
                values.append(convert(value))
            else:
                values.append(convert(value, wanted, name=label))
        if wanted is None:
            given = [v.dtype.base_dtype for v in values]
            if any(g not in _RANGE_ORDER for g in given):
                wanted = next(g for g in given if g not in _RANGE_ORDER)
                if any(g != wanted for g in given):
                    raise TypeError("Arguments of tf.range have dtypes that do not fit each other: "
                                    f"{', '.join(g.name for g in given)}")
            else:
                wanted = max(given, key=_RANGE_ORDER.index)
        values = [v if v.dtype.base_dtype == wanted else cards.Cast(v, DstT=wanted) for v in values]
        return Range(*values, name=scope or None)


def _lin_space(xp: Any, start: Any, stop: Any, num: Any) -> Any:
    number = int(num.reshape(()))
    if number <= 0:
        raise invalid(f"Requires num > 0: {number}")
    if number == 1:
        return xp.reshape(start, (1,))
    dtype = start.dtype
    # Each number from its index, and the last one exactly.
    wide = np.dtype("float64") if dtype == np.float64 else np.dtype("float32")
    a, b = xp.asarray(start).astype(wide), xp.asarray(stop).astype(wide)
    step = (b - a) / wide.type(number - 1)
    inner = a + step * np.arange(number - 1).astype(wide)
    return xp.concatenate([inner, xp.reshape(b, (1,))]).astype(dtype)


def _lin_space_shape(op: Any) -> TensorShape:
    number = constant_value(op._inputs[2])
    if number is not None and int(number.reshape(())) <= 0:
        raise ValueError(f"Requires num > 0: {int(number.reshape(()))}")
    return TensorShape([None if number is None else int(number.reshape(()))])


LinSpace = op(
    "LinSpace", "start: T, stop: T, num: Tidx -> output: T", T=dtypes.FLOATS, Tidx=index_attr(),
    kernel=_lin_space, shape=_lin_space_shape, static=("num",), no_gradient="as TensorFlow has it",
    doc="Numbers evenly spaced over an interval.",
    sample=lambda: ([np.array(0, np.float32), np.array(1, np.float32), np.array(5, np.int32)], {}),
)


@export("linspace", v1=["linspace", "lin_space"])
def linspace(start: Any, stop: Any, num: Any, name: str | None = None, axis: int = 0) -> Tensor:
    """`num` numbers evenly spaced from `start` to `stop`, both included.

    Args:
      start, stop: the ends, tensors that broadcast; integers become float64.
      num: how many numbers, at least 1.
      name: name of the operations.
      axis: where the new dimension stands, if `start` and `stop` are no scalars.

    Raises:
      ValueError: `axis` is out of range.

    >>> import everflow as tf
    >>> tf.linspace(0., 1., 5).numpy().tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    with name_scope(name, "linspace"):
        start = convert(start, name="start")
        if start.dtype.is_integer:
            start = cast(start, dtypes.float64)
        dtype = start.dtype.base_dtype
        stop = convert(stop, name="stop")
        stop = cast(stop, dtype)
        number = convert(num, name="num")
        if number.dtype.base_dtype not in (dtypes.int32, dtypes.int64):
            number = cast(number, dtypes.int32)
        count = constant_value(number)
        if start.shape.rank != 0 or stop.shape.rank != 0:
            shape = cards.BroadcastArgs(shape_internal(start), shape_internal(stop))
            start, stop = cards.BroadcastTo(start, shape), cards.BroadcastTo(stop, shape)
        rank = start.shape.rank
        if rank is None and axis != 0:
            raise ValueError("tf.linspace along an axis other than 0 needs ends of known rank")
        if rank is not None:
            if not -rank - 1 <= axis <= rank:
                raise ValueError(f"Argument `axis` = {axis} not in range [{-rank - 1}, {rank}]")
            axis += rank + 1 if axis < 0 else 0
        first, last = cards.ExpandDims(start, axis), cards.ExpandDims(stop, axis)
        if count is not None and int(count) <= 1:
            return first if int(count) == 1 else first[((slice(None),) * axis + (slice(0, 0),))]
        if rank is None:
            form: Any = cards.ConcatV2([np.array([-1], _INT32), cards.OnesLike(cards.Shape(start))], 0)
        else:
            form = np.ones(rank + 1, _INT32)
            form[axis] = -1
        one = cards.Cast(np.ones((), _INT32), DstT=number.dtype)
        gaps = cards.Cast(cards.Maximum(cards.Sub(number, one), one), DstT=dtype)
        step = cards.RealDiv(cards.Sub(last, first), gaps)
        # One number is the start alone: the steps between the ends are 1, ..., num - 2.
        inner = cards.Range(one, cards.Maximum(cards.Sub(number, one), one), one)
        middle = cards.AddV2(first, cards.Mul(step, cards.Reshape(cards.Cast(inner, DstT=dtype), form)))
        whole = cards.ConcatV2([first, middle, last], axis)
        if count is not None:
            return whole
        keep = (slice(None),) * axis
        return whole[(*keep, slice(None, cards.Cast(number, DstT=dtypes.int32)))]


# ---- one-hot


def _one_hot(xp: Any, indices: Any, depth: Any, on: Any, off: Any, *, axis: int) -> Any:
    rank = indices.ndim
    size = int(depth.reshape(())) if depth.size == 1 else -1
    if depth.size != 1:
        raise invalid(f"depth must be a scalar, but got: {list(depth.shape)}")
    if size < 0:
        raise invalid(f"depth must be non-negative, got: {size}")
    if on.ndim or off.ndim:
        raise invalid(f"on_value and off_value must be scalars, but got shapes {list(on.shape)}, {list(off.shape)}")
    if axis != -1 and not 0 <= axis <= rank:
        raise invalid(f"Expected axis to be -1 or between [0, {rank + 1}).  But received: {axis}")
    position = rank if axis == -1 else axis
    classes = np.arange(size, dtype=np.int64 if indices.dtype == np.int64 else np.int32)
    classes = classes.reshape((size,) + (1,) * (rank - position))
    hot = xp.equal(xp.expand_dims(indices, position), classes)
    return xp.where(hot, on, off)


def _one_hot_shape(op: Any) -> TensorShape:
    dims, depth, axis = op._inputs[0]._shape._dims, constant_value(op._inputs[1]), op._attrs["axis"]
    for tensor in op._inputs[1:]:
        shapes.with_rank(tensor._shape, 0)
    if depth is not None and int(depth) < 0:
        raise ValueError(f"depth must be non-negative, got: {int(depth)}")
    if axis < -1:
        raise ValueError(f"axis must be >= -1, received {axis}")
    if dims is None or axis > len(dims):
        return UNKNOWN_SHAPE
    position = len(dims) if axis == -1 else axis
    size = dimension_value(op._inputs[1])
    return TensorShape(dims[:position] + (size,) + dims[position:])


OneHot = op(
    "OneHot", "indices: TI, depth: int32, on_value: T, off_value: T -> output: T", T=dtypes.ALL,
    TI=Attr("type", dtypes.int64, allowed=(dtypes.uint8, dtypes.int8, dtypes.int32, dtypes.int64)), axis=-1,
    kernel=_one_hot, shape=_one_hot_shape, static=("depth",), no_gradient="as TensorFlow has it",
    doc="Rows with one value on and all others off.",
    sample=lambda: ([np.array([0, 2, -1], np.int32), np.array(3, np.int32), np.array(1, np.float32),
                     np.array(0, np.float32)], {}),
)


@export("one_hot")
def one_hot(indices: Any, depth: Any, on_value: Any = None, off_value: Any = None, axis: int | None = None,
            dtype: Any = None, name: str | None = None) -> Tensor:
    """A tensor with one more dimension, in which `on_value` stands at the index and `off_value` elsewhere.

    Args:
      indices: integers of any shape; one out of [0, depth) gives a row of `off_value`.
      depth: size of the new dimension.
      on_value: value at the index, 1 by default.
      off_value: value elsewhere, 0 by default.
      axis: where the new dimension stands; the last one by default.
      dtype: dtype of the result; that of the values, else float32.
      name: name of the operation.

    Raises:
      TypeError: `on_value`, `off_value` and `dtype` disagree.

    >>> import everflow as tf
    >>> tf.one_hot([0, 2], 3).numpy().tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    if type(indices) is EagerTensor and type(depth) is int and depth >= 0 and not STATE.busy \
            and on_value is None and off_value is None and (axis is None or axis == -1):
        array = indices._value
        target = np.dtype("float32") if dtype is None else as_dtype(dtype).numpy_dtype
        if array.dtype.kind in "iu" and array.dtype.itemsize >= 4 and target.kind in "fiu":
            return EagerTensor((array[..., None] == np.arange(depth)).astype(target))
    with name_scope(name, "one_hot") as scope:
        wanted = as_dtype(dtype).base_dtype if dtype is not None else None
        on_dtype = _dtype_of(on_value, wanted)
        off_dtype = _dtype_of(off_value, wanted)
        if wanted is not None:
            for label, given in (("on_value", on_dtype), ("off_value", off_dtype)):
                if given is not None and given != wanted:
                    raise TypeError(f"dtype {given.name} of {label} does not match dtype parameter {wanted.name}")
        elif on_dtype is not None or off_dtype is not None:
            wanted = on_dtype or off_dtype
            if on_dtype is not None and off_dtype is not None and on_dtype != off_dtype:
                raise TypeError(f"dtype {on_dtype.name} of on_value does not match dtype {off_dtype.name} of off_value")
        else:
            wanted = dtypes.float32
        on = constant_array(np.ones((), wanted.numpy_dtype), wanted, "Const") if on_value is None \
            else convert(on_value, wanted, name="on_value")
        off = constant_array(np.zeros((), wanted.numpy_dtype), wanted, "Const") if off_value is None \
            else convert(off_value, wanted, name="off_value")
        return OneHot(indices, depth, on, off, axis=-1 if axis is None else axis, name=scope or None)


def _dtype_of(value: Any, wanted: Any) -> Any:
    """The dtype that a value has, or takes when it is a plain number and `wanted` accepts it."""
    if value is None:
        return None
    given = getattr(value, "dtype", None)
    if given is not None:
        return as_dtype(given).base_dtype
    if wanted is not None:
        try:
            to_numpy(value, wanted)
        except (TypeError, ValueError):
            pass
        else:
            return wanted
    return as_dtype(np.asarray(to_numpy(value)).dtype)


@export("sequence_mask")
def sequence_mask(lengths: Any, maxlen: Any = None, dtype: Any = dtypes.bool, name: str | None = None) -> Tensor:
    """A mask of the first positions of each sequence.

    Args:
      lengths: integers of shape S.
      maxlen: size of the last dimension of the result; the largest length when None.
      dtype: dtype of the result.
      name: name of the operations.

    Returns:
      A tensor of shape S + [maxlen], in which position j is 1 (True) where j < lengths[i].

    Raises:
      ValueError: `maxlen` is no scalar.

    >>> import everflow as tf
    >>> tf.sequence_mask([1, 3], 3).numpy().tolist()
    [[True, False, False], [True, True, True]]
    """
    with name_scope(name, "SequenceMask"):
        lengths = convert(lengths)
        if maxlen is None:
            rank = lengths.shape.rank
            axes = cards.Range(0, cards.Rank(lengths), 1) if rank is None else np.arange(rank, dtype=_INT32)
            maxlen = cards.Max(lengths, axes)
            maxlen = cards.Maximum(cards.Cast(np.zeros((), _INT32), DstT=maxlen.dtype), maxlen)
        else:
            maxlen = convert(maxlen)
        if maxlen.shape.rank is not None and maxlen.shape.rank != 0:
            raise ValueError(f"Argument `maxlen` must be scalar for sequence_mask, received `maxlen` = {maxlen} with "
                             f"shape '{maxlen.shape}' instead")
        columns = range(constant_array(np.zeros((), maxlen.dtype.numpy_dtype)), maxlen,
                        constant_array(np.ones((), maxlen.dtype.numpy_dtype)))
        matrix = cast(cards.ExpandDims(lengths, -1), maxlen.dtype)
        result = cards.Less(columns, matrix)
        if dtype is None or as_dtype(dtype) == dtypes.bool:
            return result
        return cast(result, dtype)
