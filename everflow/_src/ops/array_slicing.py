"""Slices: tf.slice, tf.strided_slice, and what stands between square brackets."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.constant_value import constant_value, constant_value_as_shape
from everflow._src.framework.context import LOCAL, STATE, current_graph
from everflow._src.framework.conversion import constant_array, convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.shape_rules import UNKNOWN_SHAPE
from everflow._src.framework.tensor import EagerTensor, Tensor, install_method
from everflow._src.framework.tensor_shape import Dimension, TensorShape
from everflow._src.ops.array_shape import computes_at_once, recorded
from everflow._src.ops.array_where import boolean_mask
from everflow._src.ops.broadcasting import sum_to_shape
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import HostNeeded, invalid

# ---- tf.slice


def _slice_bounds(x: Any, begin: Any, size: Any) -> tuple[list[int], list[int]]:
    rank = x.ndim
    if begin.ndim != 1 or size.ndim != 1 or begin.size != rank or size.size != rank:
        raise invalid(f"Expected begin and size arguments to be 1-D tensors of size {rank}, but got shapes "
                      f"{list(begin.shape)} and {list(size.shape)} instead.")
    starts, sizes = [int(b) for b in begin], [int(s) for s in size]
    for axis, (start, length) in enumerate(zip(starts, sizes)):
        whole = x.shape[axis]
        if length == -1:
            length = sizes[axis] = whole - start
        if not 0 <= start <= whole:
            raise invalid(f"Expected begin[{axis}] in [0, {whole}], but got {start}")
        if length < 0 or start + length > whole:
            raise invalid(f"Expected size[{axis}] in [0, {whole - start}], but got {sizes[axis]}")
    return starts, sizes


def _slice(xp: Any, x: Any, begin: Any, size: Any) -> Any:
    starts, sizes = _slice_bounds(x, begin, size)
    return x[(*(slice(a, a + n) for a, n in zip(starts, sizes)), ...)]


def _slice_xla(jax: Any, x: Any, begin: Any, size: Any) -> Any:
    if not isinstance(begin, jax.core.Tracer):
        starts, sizes = _slice_bounds(x, begin, size)
        return jax.lax.slice(x, starts, [a + n for a, n in zip(starts, sizes)])
    sizes = [int(s) for s in size]
    if -1 in sizes:
        raise HostNeeded("how much it slices off depends on a value")
    for length, whole in zip(sizes, x.shape):
        if length > whole:
            raise invalid(f"Expected size in [0, {whole}], but got {length}")
    return jax.lax.dynamic_slice(x, [begin[i] for i in range(len(sizes))], sizes)


def _slice_shape(op: Any) -> TensorShape:
    dims = op._inputs[0]._shape._dims
    begin, size = known_elements(op._inputs[1]), constant_value(op._inputs[2])
    rank = len(dims) if dims is not None else None
    for known in (op._inputs[1]._shape._dims, op._inputs[2]._shape._dims):
        if known is not None:
            if len(known) != 1:
                raise ValueError(f"Shape must be rank 1 but is rank {len(known)}")
            if rank is not None and known[0] is not None and known[0] != rank:
                raise ValueError(f"Dimension must be {rank} but is {known[0]}: begin and size have one element per "
                                 "dimension")
            rank = known[0] if rank is None else rank
    if rank is None:
        return UNKNOWN_SHAPE
    if size is None:
        sizes = constant_value_as_shape(op._inputs[2])._dims
        if sizes is not None and len(sizes) == rank:
            # A size that is not known may be -1, and then says nothing.
            return TensorShape(sizes)
        return TensorShape([None] * rank)
    result: list[int | None] = []
    for axis in range(rank):
        whole = dims[axis] if dims is not None else None
        start, length = begin[axis] if begin else None, int(size[axis])
        if length == -1:
            if start == 0 and whole is not None:
                result.append(whole)
            else:
                result.append(None if start is None or whole is None else whole - start)
            if result[-1] is not None and result[-1] < 0:
                result[-1] = None  # fails when it runs
            continue
        if length < 0:
            raise ValueError(f"Expected size[{axis}] >= -1, but got {length}")
        result.append(length)
    return TensorShape(result)


def _slice_value(op: Any) -> TensorShape | None:
    source = constant_value_as_shape(op._inputs[0])._dims if op._inputs[0]._shape.rank == 1 else None
    begin, size = constant_value(op._inputs[1]), constant_value(op._inputs[2])
    if source is None or begin is None or size is None:
        return None
    start, length = int(begin[0]), int(size[0])
    return TensorShape(source[start:] if length == -1 else source[start:start + length])


def _slice_gradient(dy: Any, *, input_shape: Any, begin: Any, size: Any) -> tuple[Any, None, None]:
    # What was sliced off gets zeros: `begin` of them before, the rest after.
    start = constant_value(begin)
    whole, piece = input_shape.static, dy.shape
    if start is not None and whole.is_fully_defined() and piece.is_fully_defined():
        after = np.array(whole.as_list(), start.dtype) - start - np.array(piece.as_list(), start.dtype)
        return cards.Pad(dy, np.stack([start, after.astype(start.dtype)], 1)), None, None
    if start is None and piece.is_fully_defined():
        # The same as a strided slice, which XLA can write into place.
        end = begin + np.array(piece.as_list(), begin.dtype.as_numpy_dtype)
        ones = np.ones(len(piece.as_list()), begin.dtype.as_numpy_dtype)
        return StridedSliceGrad(input_shape.tensor(begin.dtype), begin, end, ones, dy), None, None
    after = input_shape.tensor(begin.dtype) - cards.Shape(dy, out_type=begin.dtype) - begin
    return cards.Pad(dy, cards.Pack([begin, after], axis=1)), None, None


Slice = op(
    "Slice", "input: T, begin: Index, size: Index -> output: T", T=dtypes.ALL,
    Index=(dtypes.int32, dtypes.int64), kernel=_slice, xla=_slice_xla, shape=_slice_shape, static=("size",),
    value_as_shape=_slice_value, gradient=_slice_gradient, doc="A block of a tensor, by its corner and size.",
    sample=lambda: ([np.arange(12, dtype=np.float32).reshape(3, 4), np.array([1, 0], np.int32),
                     np.array([2, 3], np.int32)], {}),
)


@export("slice")
def slice_(input_: Any, begin: Any, size: Any, name: str | None = None) -> Tensor:
    """The block of `input_` that begins at `begin` and has `size` elements along each dimension.

    Args:
      input_: a tensor.
      begin: position of the first element, one integer per dimension.
      size: sizes of the result; -1 stands for all that is left of a dimension.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError, ValueError (in a graph): the block does not lie inside of `input_`.

    >>> import everflow as tf
    >>> tf.slice([[1, 2, 3], [4, 5, 6]], [0, 1], [2, -1]).numpy().tolist()
    [[2, 3], [5, 6]]
    """
    return Slice(input_, begin, size, name=name)


# ---- strided slices

Step = tuple[str, int, int]


def slice_plan(rank: int, length: int, *, begin_mask: int = 0, end_mask: int = 0, ellipsis_mask: int = 0,
               new_axis_mask: int = 0, shrink_axis_mask: int = 0, error: Callable = invalid) -> list[Step]:
    """What a strided slice does, step by step: (kind, dimension of the input, position in the specification).

    Kinds are "all" (a dimension that is not mentioned), "new", "shrink" and "slice".
    """
    ellipses = [i for i in range(length) if ellipsis_mask >> i & 1]
    if len(ellipses) > 1:
        raise error("Multiple ellipses in slice spec not allowed")
    where = ellipses[0] if ellipses else length
    used = sum(1 for i in range(length) if i != where and not new_axis_mask >> i & 1)
    if used > rank:
        raise error(f"Index out of range using input dim {rank}; input has only {rank} dims")
    steps: list[Step] = []
    dimension = 0
    for i in range(length + (not ellipses)):
        if i == where:
            for _ in range(rank - used):
                steps.append(("all", dimension, -1))
                dimension += 1
        elif new_axis_mask >> i & 1:
            steps.append(("new", -1, i))
        else:
            steps.append(("shrink" if shrink_axis_mask >> i & 1 else "slice", dimension, i))
            dimension += 1
    return steps


def _static_index(shape: Any, begin: Any, end: Any, strides: Any, masks: dict[str, int], error: Callable = invalid,
                  skip: Sequence[int] = ()) -> list[Any]:
    """The NumPy index of a strided slice, one entry per step; dimensions in `skip` are kept whole."""
    if begin.ndim != 1 or begin.shape != end.shape or begin.shape != strides.shape:
        raise error(f"Expected begin, end, and strides to be 1D equal size tensors, but got shapes "
                    f"{list(begin.shape)}, {list(end.shape)}, and {list(strides.shape)} instead.")
    begins, ends, steps = begin.tolist(), end.tolist(), strides.tolist()
    index: list[Any] = []
    for kind, dimension, i in slice_plan(len(shape), len(begins), error=error, **masks):
        if kind == "all" or dimension in skip:
            index.append(slice(None))
        elif kind == "new":
            index.append(None)
        else:
            step = steps[i]
            if step == 0:
                raise error(f"strides[{i}] must be non-zero")
            if kind == "shrink":
                if step < 0:
                    raise error("only stride 1 allowed on non-range indexing.")
                size, at = shape[dimension], begins[i]
                if size is not None and not -size <= at < size:
                    raise error(f"slice index {at} of dimension {dimension} out of bounds.")
                index.append(at)
            else:
                index.append(slice(None if masks["begin_mask"] >> i & 1 else begins[i],
                                   None if masks["end_mask"] >> i & 1 else ends[i], step))
    return index


_MASKS = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")


def _strided_slice(xp: Any, x: Any, begin: Any, end: Any, strides: Any, *, begin_mask: int, end_mask: int,
                   ellipsis_mask: int, new_axis_mask: int, shrink_axis_mask: int) -> Any:
    masks = {"begin_mask": begin_mask, "end_mask": end_mask, "ellipsis_mask": ellipsis_mask,
             "new_axis_mask": new_axis_mask, "shrink_axis_mask": shrink_axis_mask}
    return x[(*_static_index(x.shape, begin, end, strides, masks), ...)]


def known_elements(tensor: Any) -> list[int | None]:
    """The elements of a vector of a graph, with None for those that are not known."""
    value = constant_value(tensor)
    if value is not None:
        return value.reshape(-1).tolist()
    source = tensor._op
    if source.type == "Pack" and tensor._shape.rank == 1:
        values = [constant_value(t) for t in source._inputs]
        return [None if v is None else int(v) for v in values]
    if source.type in ("Identity", "Cast"):
        return known_elements(source._inputs[0])
    return [None] * (tensor._shape.num_elements() or 0)


def _split_dynamic(jax: Any, shape: Any, begin: Any, end: Any, strides: Any, masks: dict[str, int], op: Any,
                   first_input: int) -> tuple[list[Any], dict[int, Any]]:
    """The index in which only what is known stands, and per dimension the scalar that is known when it runs."""
    tracer = jax.core.Tracer
    vectors = []
    dynamic: dict[int, Any] = {}
    for offset, value in enumerate((begin, end)):
        if isinstance(value, tracer):
            known = known_elements(op._inputs[first_input + offset])
            if len(known) != value.shape[0]:
                known = [None] * value.shape[0]
            vectors.append(known)
        else:
            vectors.append(np.asarray(value).tolist())
    begins, ends = vectors
    for kind, dimension, i in slice_plan(len(shape), len(begins), **masks):
        if kind == "shrink" and begins[i] is None:
            at = begin[i]
            at = at.astype(np.int64)  # positions of one slice are all of one dtype
            dynamic[dimension] = jax.numpy.where(at < 0, at + shape[dimension], at)
        elif kind == "slice":
            if begins[i] is None and not masks["begin_mask"] >> i & 1 or \
                    ends[i] is None and not masks["end_mask"] >> i & 1:
                raise HostNeeded("how much it slices off depends on a value")
    plain = [np.array([0 if v is None else v for v in vector], np.int64) for vector in vectors]
    index = _static_index(shape, plain[0], plain[1], np.asarray(strides), masks, skip=tuple(dynamic))
    return index, dynamic


def _strided_slice_xla(jax: Any, x: Any, begin: Any, end: Any, strides: Any, *, begin_mask: int, end_mask: int,
                       ellipsis_mask: int, new_axis_mask: int, shrink_axis_mask: int, op: Any) -> Any:
    masks = {"begin_mask": begin_mask, "end_mask": end_mask, "ellipsis_mask": ellipsis_mask,
             "new_axis_mask": new_axis_mask, "shrink_axis_mask": shrink_axis_mask}
    index, dynamic = _split_dynamic(jax, x.shape, begin, end, strides, masks, op, 1)
    if dynamic:
        # The slices first: they make less to move.  New dimensions last, so that dimensions keep their numbers.
        x = jax.numpy.asarray(x)
        starts = [dynamic.get(d, np.int64(0)) for d in range(x.ndim)]
        x = jax.lax.dynamic_slice(x, starts, [1 if d in dynamic else n for d, n in enumerate(x.shape)])
        entries, dimension = [], 0
        for entry in index:
            if entry is None:
                entries.append(None)
                continue
            entries.append(0 if dimension in dynamic else entry)
            dimension += 1
        index = entries
    return jax.numpy.asarray(x)[tuple(index)]


def _strided_slice_shape(op: Any) -> TensorShape:
    dims = op._inputs[0]._shape._dims
    masks = {name: op._attrs[name] for name in _MASKS}
    begin, end, strides = (_elements(t) for t in op._inputs[1:4])
    lengths = [len(v) for v in (begin, end, strides) if v is not None]
    if dims is None or not lengths:
        return UNKNOWN_SHAPE
    length = lengths[0]
    if any(n != length for n in lengths):
        raise ValueError(f"begin, end and strides must have equal sizes, but have {lengths}")
    unknown = [None] * length
    begin, end, strides = begin or unknown, end or unknown, strides or unknown
    result: list[int | None] = []
    for kind, dimension, i in slice_plan(len(dims), length, error=ValueError, **masks):
        if kind == "all":
            result.append(dims[dimension])
        elif kind == "new":
            result.append(1)
        else:
            size, step = dims[dimension], strides[i]
            if step == 0:
                raise ValueError(f"strides[{i}] must be non-zero")
            if kind == "shrink":
                if step is not None and step < 0:
                    raise ValueError("only stride 1 allowed on non-range indexing.")
                if size is not None and begin[i] is not None and not -size <= begin[i] < size:
                    raise ValueError(f"slice index {begin[i]} of dimension {dimension} out of bounds.")
                continue
            result.append(_slice_length(size, begin[i], end[i], step, masks["begin_mask"] >> i & 1,
                                        masks["end_mask"] >> i & 1))
    return TensorShape(result)


def _slice_length(size: int | None, begin: int | None, end: int | None, step: int | None, all_before: int,
                  all_after: int) -> int | None:
    if step is None or (begin is None and not all_before) or (end is None and not all_after):
        return None
    if size is not None:
        return len(range(*slice(None if all_before else begin, None if all_after else end, step).indices(size)))
    # Without the size, all that is known is a slice that is empty anyway.
    if not all_before and not all_after and begin is not None and end is not None \
            and (begin < 0) == (end < 0) and (end - begin) * step <= 0:
        return 0
    return None


def _elements(tensor: Any) -> list[int | None] | None:
    known = known_elements(tensor)
    if not known and tensor._shape.num_elements() != 0:
        return None
    return known


def _strided_slice_value(op: Any) -> TensorShape | None:
    if op._inputs[0]._shape.rank != 1:
        return None
    source = constant_value_as_shape(op._inputs[0])._dims
    bounds = [constant_value(t) for t in op._inputs[1:4]]
    masks = {name: op._attrs[name] for name in _MASKS}
    if source is None or any(b is None or b.size != 1 for b in bounds) or masks["shrink_axis_mask"] \
            or masks["new_axis_mask"] or masks["ellipsis_mask"]:
        return None
    index = _static_index((len(source),), *bounds, masks, error=ValueError)
    return TensorShape(source[index[0]])


def _strided_slice_gradient(dy: Any, *, input_shape: Any, begin: Any, end: Any, strides: Any, begin_mask: int,
                            end_mask: int, ellipsis_mask: int, new_axis_mask: int, shrink_axis_mask: int) -> Any:
    if hasattr(dy, "dense_shape"):
        dy = convert(dy)
    masks = {"begin_mask": begin_mask, "end_mask": end_mask, "ellipsis_mask": ellipsis_mask,
             "new_axis_mask": new_axis_mask, "shrink_axis_mask": shrink_axis_mask}
    return (StridedSliceGrad(input_shape.tensor(begin.dtype), begin, end, strides, dy, **masks), None, None, None)


_SLICE_TYPES: dict[str, Any] = {
    "T": dtypes.ALL, "Index": Attr("type", allowed=(dtypes.int16, dtypes.int32, dtypes.int64)), "begin_mask": 0,
    "end_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": 0,
}


def _vectors(*values: list[int]) -> list[np.ndarray]:
    return [np.array(v, np.int32) for v in values]


StridedSlice = op(
    "StridedSlice", "input: T, begin: Index, end: Index, strides: Index -> output: T", **_SLICE_TYPES,
    kernel=_strided_slice, xla=_strided_slice_xla, shape=_strided_slice_shape, static=("strides",),
    value_as_shape=_strided_slice_value, gradient=_strided_slice_gradient,
    doc="What x[begin:end:strides, ...] means.",
    sample=lambda: ([np.arange(12, dtype=np.float32).reshape(3, 4), *_vectors([2, 1], [0, 0], [-1, 2])],
                    {"end_mask": 2}),
)


def _strided_slice_grad(xp: Any, shape: Any, begin: Any, end: Any, strides: Any, dy: Any, *, begin_mask: int,
                        end_mask: int, ellipsis_mask: int, new_axis_mask: int, shrink_axis_mask: int) -> Any:
    masks = {"begin_mask": begin_mask, "end_mask": end_mask, "ellipsis_mask": ellipsis_mask,
             "new_axis_mask": new_axis_mask, "shrink_axis_mask": shrink_axis_mask}
    result = np.zeros(tuple(shape.tolist()), dy.dtype)
    index = (*_static_index(result.shape, begin, end, strides, masks), ...)
    if result[index].shape != dy.shape:
        raise invalid(f"shape of dy was {list(dy.shape)} instead of {list(result[index].shape)}")
    result[index] = dy
    return result


def _strided_slice_grad_xla(jax: Any, shape: Any, begin: Any, end: Any, strides: Any, dy: Any, *, begin_mask: int,
                            end_mask: int, ellipsis_mask: int, new_axis_mask: int, shrink_axis_mask: int,
                            op: Any) -> Any:
    masks = {"begin_mask": begin_mask, "end_mask": end_mask, "ellipsis_mask": ellipsis_mask,
             "new_axis_mask": new_axis_mask, "shrink_axis_mask": shrink_axis_mask}
    sizes = tuple(shape.tolist())
    index, dynamic = _split_dynamic(jax, sizes, begin, end, strides, masks, op, 1)
    lengths, pads, flipped, starts = [], [], [], []
    for dimension, entry in enumerate(e for e in index if e is not None):
        size = sizes[dimension]
        if dimension in dynamic:
            lengths.append(1)
            pads.append((0, 0, 0))
        elif isinstance(entry, slice):
            chosen = range(*entry.indices(size))
            count = len(chosen)
            lengths.append(count)
            low, high = (min(chosen[0], chosen[-1]), max(chosen[0], chosen[-1])) if count else (0, size - 1)
            if chosen.step < 0:
                flipped.append(dimension)
            pads.append((low, size - 1 - high, abs(chosen.step) - 1) if count else (size, 0, 0))
        else:
            lengths.append(1)
            at = entry % size
            pads.append((at, size - 1 - at, 0))
        starts.append(dynamic.get(dimension, np.int64(0)))
    jnp = jax.numpy
    dy = jnp.reshape(jnp.asarray(dy), lengths)
    if flipped:
        dy = jnp.flip(dy, flipped)
    dy = jax.lax.pad(dy, np.zeros((), dy.dtype), pads)
    if dynamic:
        return jax.lax.dynamic_update_slice(jnp.zeros(sizes, dy.dtype), dy, starts)
    return dy


def _strided_slice_grad_gradient(dy: Any, *, begin: Any, end: Any, strides: Any, begin_mask: int, end_mask: int,
                                 ellipsis_mask: int, new_axis_mask: int, shrink_axis_mask: int) -> Any:
    return (None, None, None, None, StridedSlice(
        dy, begin, end, strides, begin_mask=begin_mask, end_mask=end_mask, ellipsis_mask=ellipsis_mask,
        new_axis_mask=new_axis_mask, shrink_axis_mask=shrink_axis_mask))


StridedSliceGrad = op(
    "StridedSliceGrad", "shape: Index, begin: Index, end: Index, strides: Index, dy: T -> output: T", **_SLICE_TYPES,
    kernel=_strided_slice_grad, xla=_strided_slice_grad_xla,
    shape=lambda op: constant_value_as_shape(op._inputs[0]), static=("shape", "strides"),
    gradient=_strided_slice_grad_gradient, doc="The gradient of StridedSlice: its values in place, zeros elsewhere.",
    sample=lambda: ([*_vectors([4, 3], [1, 0], [3, 3], [1, 1]), np.arange(1, 7, dtype=np.float32).reshape(2, 3)], {}),
)


def _update_slice(xp: Any, x: Any, begin: Any, end: Any, strides: Any, value: Any, *, begin_mask: int,
                  end_mask: int, ellipsis_mask: int, new_axis_mask: int, shrink_axis_mask: int) -> Any:
    masks = {"begin_mask": begin_mask, "end_mask": end_mask, "ellipsis_mask": ellipsis_mask,
             "new_axis_mask": new_axis_mask, "shrink_axis_mask": shrink_axis_mask}
    index = (*_static_index(x.shape, begin, end, strides, masks), ...)
    if xp is not np:
        return xp.asarray(x).at[index].set(value)
    result = np.array(x, copy=True)
    result[index] = value
    return result


def _update_slice_gradient(dy: Any, *, begin: Any, end: Any, strides: Any, value_shape: Any, begin_mask: int,
                           end_mask: int, ellipsis_mask: int, new_axis_mask: int, shrink_axis_mask: int) -> Any:
    masks = {"begin_mask": begin_mask, "end_mask": end_mask, "ellipsis_mask": ellipsis_mask,
             "new_axis_mask": new_axis_mask, "shrink_axis_mask": shrink_axis_mask}
    taken = StridedSlice(dy, begin, end, strides, **masks)
    kept = TensorStridedSliceUpdate(dy, begin, end, strides, cards.ZerosLike(taken), **masks)
    return (kept, None, None, None, sum_to_shape(taken, value_shape))


TensorStridedSliceUpdate = op(
    "TensorStridedSliceUpdate", "input: T, begin: Index, end: Index, strides: Index, value: T -> output: T",
    **_SLICE_TYPES, kernel=_update_slice, shape=lambda op: op._inputs[0]._shape, static=("begin", "end", "strides"),
    gradient=_update_slice_gradient, doc="A tensor in which a strided slice has another value.",
    sample=lambda: ([np.arange(6, dtype=np.float32), *_vectors([1], [5], [2]), np.array([9.0, 8.0], np.float32)], {}),
)


@export("tensor_strided_slice_update", v1=[])
def tensor_strided_slice_update(input: Any, begin: Any, end: Any, strides: Any, value: Any, begin_mask: int = 0,
                                end_mask: int = 0, ellipsis_mask: int = 0, new_axis_mask: int = 0,
                                shrink_axis_mask: int = 0, name: str | None = None) -> Tensor:
    """`input` with `value` where a strided slice lies; `value` broadcasts to the slice."""
    return TensorStridedSliceUpdate(
        input, begin, end, strides, value, begin_mask=begin_mask, end_mask=end_mask, ellipsis_mask=ellipsis_mask,
        new_axis_mask=new_axis_mask, shrink_axis_mask=shrink_axis_mask, name=name)


@export("strided_slice")
def strided_slice(input_: Any, begin: Any, end: Any, strides: Any = None, begin_mask: int = 0, end_mask: int = 0,
                  ellipsis_mask: int = 0, new_axis_mask: int = 0, shrink_axis_mask: int = 0, var: Any = None,
                  name: str | None = None) -> Tensor:
    """What `input_[begin[0]:end[0]:strides[0], ...]` means, spelled out.

    Args:
      input_: a tensor.
      begin, end, strides: integers, one per entry of the index; strides are 1 by default.
      begin_mask: bit i set: the slice of entry i begins at the beginning, whatever `begin[i]` says.
      end_mask: bit i set: the slice of entry i ends at the end.
      ellipsis_mask: bit i set: entry i stands for all dimensions that are not mentioned.
      new_axis_mask: bit i set: entry i makes a new dimension of size 1.
      shrink_axis_mask: bit i set: entry i is the single index `begin[i]`, its dimension disappears.
      var: the variable that `input_` was read from; its slice can be assigned to.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError, ValueError (in a graph): an index is out of range, or a stride is zero.

    >>> import everflow as tf
    >>> tf.strided_slice([1, 2, 3, 4, 5], [1], [5], [2]).numpy().tolist()
    [2, 4]
    """
    if strides is None:
        begin = convert(begin, name="begin")
        strides = cards.OnesLike(begin) if constant_value(begin) is None else np.ones_like(constant_value(begin))
    return StridedSlice(input_, begin, end, strides, begin_mask=begin_mask, end_mask=end_mask,
                        ellipsis_mask=ellipsis_mask, new_axis_mask=new_axis_mask,
                        shrink_axis_mask=shrink_axis_mask, name=name or "StridedSlice")


# ---- square brackets


def _is_plain(entry: Any) -> bool:
    """True for an entry of an index that NumPy reads as TensorFlow does."""
    kind = type(entry)
    if kind is int or entry is None or entry is Ellipsis:
        return True
    if kind is slice:
        start, stop, step = entry.start, entry.stop, entry.step
        return ((start is None or type(start) is int) and (stop is None or type(stop) is int)
                and (step is None or type(step) is int and step != 0))
    return False


def _plain(entry: Any) -> Any:
    """An entry of an index as a plain number where it is a number in another guise, else itself."""
    kind = type(entry)
    if kind is EagerTensor:
        value = entry._value
        return int(value) if getattr(value, "shape", None) == () and value.dtype.kind in "iu" else entry
    if kind is slice:
        return slice(_plain(entry.start), _plain(entry.stop), _plain(entry.step))
    return int(entry) if isinstance(entry, np.integer) else entry


def _numpy_index(key: Any) -> Any:
    """The index by which NumPy selects what TensorFlow does, when there is one; it gives an array, never a scalar."""
    kind = type(key)
    if kind is int:
        return (key, ...)
    if kind is slice:
        entry = key if _is_plain(key) else _plain(key)
        return entry if _is_plain(entry) else None
    if kind is tuple:
        for entry in key:
            if not _is_plain(entry):
                key = tuple([_plain(e) for e in key])
                if not all(map(_is_plain, key)):
                    return None
                break
        return key if Ellipsis in key else (*key, ...)
    entry = _plain(key)
    return (entry, ...) if _is_plain(entry) and type(entry) is not slice else None


def _on_cpu(tensor: Any) -> bool:
    """True when NumPy sees what compiled code left in this tensor without moving it."""
    return next(iter(tensor._value.devices())).platform == "cpu"


def _getitem(tensor: Any, key: Any) -> Tensor:
    """The elements that `key` selects; what `tensor[key]` calls.

    `key` is an integer, a slice, `...`, `tf.newaxis`, a tuple of these, or a boolean mask; integers may be
    scalar tensors.

    Raises:
      TypeError: an index is neither of these.
      tf.errors.InvalidArgumentError, ValueError (in a graph): an index is out of range.
    """
    if isinstance(tensor, EagerTensor) and computes_at_once() and (type(tensor) is EagerTensor or _on_cpu(tensor)):
        index = _numpy_index(key)
        if index is not None:
            try:
                result = EagerTensor(tensor._array[index])
            except Exception:  # the door below raises it, with its explanation
                pass
            else:
                if not STATE.busy or not LOCAL.recorders:
                    return result
                vectors, masks = index_vectors(key)
                return recorded(StridedSlice, (tensor, *vectors), result, Index=vectors[0].dtype, **masks)
    if _is_mask(key):
        return boolean_mask(tensor, key)
    with name_scope(None, "strided_slice") as scope:
        vectors, masks = index_vectors(key)
        return StridedSlice(tensor, *vectors, name=scope or None, **masks)


def index_vectors(key: Any) -> tuple[list[Any], dict[str, int]]:
    """The begin, end and strides that an index between square brackets means, and the masks beside them.

    Raises:
      TypeError: an index is neither integer, slice, `...`, `tf.newaxis` nor a scalar tensor.
    """
    entries = list(key) if isinstance(key, (list, tuple)) else [key]
    begin: list[Any] = []
    end: list[Any] = []
    strides: list[Any] = []
    masks = dict.fromkeys(_MASKS, 0)
    for position, entry in enumerate(entries):
        bit = 1 << position
        if entry is Ellipsis:
            _append(begin, end, strides, 0, 0, 1)
            masks["ellipsis_mask"] |= bit
        elif entry is None:
            _append(begin, end, strides, 0, 0, 1)
            masks["new_axis_mask"] |= bit
        elif isinstance(entry, slice):
            _append(begin, end, strides, 0, 0, 1)
            if entry.start is None:
                masks["begin_mask"] |= bit
            else:
                begin[-1] = _as_index(entry.start)
            if entry.stop is None:
                masks["end_mask"] |= bit
            else:
                end[-1] = _as_index(entry.stop)
            if entry.step is not None:
                strides[-1] = _as_index(entry.step)
        else:
            at = _as_index(entry)
            _append(begin, end, strides, at, at + 1, 1)
            masks["shrink_axis_mask"] |= bit
    if not begin:
        return [convert(np.zeros(0, np.int32), name=n) for n in ("stack", "stack_1", "stack_2")], masks
    vectors = [_as_vector(v, n) for v, n in ((begin, "stack"), (end, "stack_1"), (strides, "stack_2"))]
    if any(v.dtype.base_dtype == dtypes.int64 for v in vectors):
        vectors = [v if v.dtype.base_dtype == dtypes.int64 else cards.Cast(v, DstT=dtypes.int64) for v in vectors]
    return vectors, masks


def _append(begin: list[Any], end: list[Any], strides: list[Any], a: Any, b: Any, c: Any) -> None:
    begin.append(a)
    end.append(b)
    strides.append(c)


def _is_mask(key: Any) -> bool:
    if isinstance(key, bool):
        return True
    given = getattr(key, "dtype", None)
    return given is not None and not isinstance(key, Dimension) and given in (dtypes.bool, np.bool_)


def _as_index(value: Any) -> Any:
    """An integer of an index: a Python number, or a scalar tensor.

    Raises:
      TypeError: it is neither.
    """
    if type(value) is int:
        return value
    if isinstance(value, EagerTensor) and not STATE.busy:
        array = value._array
        if array.ndim == 0 and array.dtype.kind in "iu":
            return value if array.dtype == np.int64 else int(array)
    if isinstance(value, Tensor) or hasattr(value, "_dense_var_to_tensor"):
        if value.dtype.base_dtype not in (dtypes.int32, dtypes.int64, dtypes.int16, dtypes.uint8, dtypes.int8,
                                          dtypes.uint16, dtypes.uint32):
            raise _bad_index(value)
        if value.shape.rank not in (0, None):
            raise _bad_index(value)
        value = convert(value)
        return value if value.dtype.base_dtype in (dtypes.int32, dtypes.int64) else cards.Cast(value, DstT=dtypes.int32)
    if isinstance(value, Dimension):
        return value.value
    if isinstance(value, np.ndarray) and value.ndim:
        raise _bad_index(value)
    try:
        return operator.index(value)
    except TypeError:
        raise _bad_index(value) from None


def _bad_index(value: Any) -> TypeError:
    return TypeError("Only integers, slices (`:`), ellipsis (`...`), tf.newaxis (`None`) and scalar tf.int32/tf.int64 "
                     f"tensors are valid indices, got {value!r}")


def _as_vector(values: list[Any], name: str) -> Any:
    if all(type(v) is int for v in values):
        wide = any(not -(2**31) <= v < 2**31 for v in values)
        vector = np.array(values, np.int64 if wide else np.int32)
        return constant_array(vector, name=name) if STATE.busy and current_graph() is not None else EagerTensor(vector)
    tensors = [v for v in values if isinstance(v, Tensor)]
    dtype = dtypes.int64 if any(t.dtype.base_dtype == dtypes.int64 for t in tensors) else dtypes.int32
    values = [cards.Cast(v, DstT=dtype) if isinstance(v, Tensor) and v.dtype.base_dtype != dtype else v for v in values]
    return cards.Pack(values, name=name)


def _iterate(self: Any) -> Any:
    """The slices along the first dimension of an eager tensor."""
    value = self._array
    if not value.shape:
        raise TypeError("Cannot iterate over a scalar tensor")
    if STATE.busy:
        return (self[i] for i in range(value.shape[0]))
    return (EagerTensor(value[i, ...]) for i in range(value.shape[0]))


install_method("__getitem__", _getitem)
install_method("__iter__", _iterate, EagerTensor)
