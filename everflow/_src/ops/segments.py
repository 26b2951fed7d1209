"""Reductions of rows that belong together: segments, given by ids."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.constant_value import constant_value
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.by_name import cards
from everflow._src.ops.math_arithmetic import conjugated
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid

_WIDE = (dtypes.int32, dtypes.int64)

# The ufunc of each reduction, and the method of jax's indexed updates that does the same.
_UFUNCS = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}
_UPDATES = {"sum": "add", "prod": "multiply", "max": "max", "min": "min"}


# ---- kernels


def _reduce_rows(how: str, data: Any, ids: Any, count: int, empty: Any) -> Any:
    """Rows of `data` with the same id (0 to count - 1) reduced; `empty` where there are none."""
    result = np.full((count, *data.shape[1:]), empty, data.dtype)
    if not ids.size:
        return result
    if not np.all(ids[1:] >= ids[:-1]):
        order = np.argsort(ids, kind="stable")
        ids, data = ids[order], data[order]
    starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
    result[ids[starts]] = _UFUNCS[how].reduceat(data, starts, axis=0, dtype=data.dtype)
    return result


def _reduce_rows_xla(jax: Any, how: str, data: Any, ids: Any, count: int, empty: Any, start: Any) -> Any:
    jnp = jax.numpy
    result = jnp.full((count, *data.shape[1:]), start, data.dtype)
    # Ids out of range are dropped: negative ones are moved there, since they would count from the end.
    ids = jnp.where(ids < 0, count, ids)
    result = getattr(result.at[ids], _UPDATES[how])(data, mode="drop")
    if empty is start:
        return result
    present = jnp.zeros((count,), bool).at[ids].set(True, mode="drop")
    return jnp.where(present.reshape(-1, *[1] * (data.ndim - 1)), result, jnp.asarray(empty, data.dtype))


def _lowest(dtype: Any) -> Any:
    if dtype.kind in "iu":
        return np.iinfo(dtype).min
    return dtypes.as_dtype(dtype).min


def _highest(dtype: Any) -> Any:
    if dtype.kind in "iu":
        return np.iinfo(dtype).max
    return dtypes.as_dtype(dtype).max


_STARTS = {"sum": lambda d: 0, "prod": lambda d: 1, "max": _lowest, "min": _highest}


def _check_sorted(data: Any, ids: Any) -> int:
    """The number of segments.

    Raises:
      tf.errors.InvalidArgumentError: the ids do not fit the data, or are not sorted.
    """
    if ids.ndim != 1:
        raise invalid("segment_ids should be a vector.")
    if data.ndim < 1 or data.shape[0] != ids.shape[0]:
        raise invalid("segment_ids should be the same size as dimension 0 of input.")
    if not ids.size:
        return 0
    count = int(ids[-1]) + 1
    if not np.all(ids[1:] >= ids[:-1]):
        raise invalid("segment ids are not increasing")
    if ids[0] < 0:
        raise invalid(
            f"Segment id {ids[0]} out of range [0, {count}), possibly because 'segment_ids' input is "
            "not sorted."
        )
    return count


def _sorted_kernel(how: str) -> tuple[Any, Any]:
    def empty_of(dtype: Any) -> Any:
        return 1 if how == "prod" else 0

    def kernel(xp: Any, data: Any, segment_ids: Any) -> Any:
        count = _check_sorted(data, segment_ids)
        return _reduce_rows(how, data, segment_ids, count, empty_of(data.dtype))

    def xla(jax: Any, data: Any, segment_ids: Any) -> Any:
        count = _check_sorted(data, segment_ids)
        return _reduce_rows_xla(
            jax, how, data, segment_ids, count, empty_of(data.dtype), _STARTS[how](data.dtype)
        )

    return kernel, xla


def _counts(ids: Any, count: int, ndim: int, dtype: Any) -> Any:
    counts = np.bincount(ids, minlength=count) if ids.size else np.zeros(count, np.int64)
    return np.maximum(counts, 1).reshape(-1, *[1] * (ndim - 1)).astype(dtype)


def _mean_rows(xp: Any, sums: Any, counts: Any) -> Any:
    if sums.dtype.kind not in "iu":
        return xp.divide(sums, counts)
    quotient = xp.floor_divide(sums, counts)
    return quotient + ((sums < 0) & (quotient * counts != sums)).astype(sums.dtype)


def _mean_kernel(xp: Any, data: Any, segment_ids: Any) -> Any:
    count = _check_sorted(data, segment_ids)
    sums = _reduce_rows("sum", data, segment_ids, count, 0)
    return _mean_rows(np, sums, _counts(segment_ids, count, data.ndim, data.dtype))


def _mean_xla(jax: Any, data: Any, segment_ids: Any) -> Any:
    count = _check_sorted(data, segment_ids)
    sums = _reduce_rows_xla(jax, "sum", data, segment_ids, count, 0, 0)
    return _mean_rows(jax.numpy, sums, _counts(segment_ids, count, data.ndim, data.dtype))


def _flat_rows(data: Any, ids: Any) -> tuple[Any, Any]:
    if data.shape[: ids.ndim] != ids.shape:
        raise invalid(
            f"data.shape = {list(data.shape)} does not start with segment_ids.shape = {list(ids.shape)}"
        )
    return data.reshape(-1, *data.shape[ids.ndim :]) if ids.ndim != 1 else data, ids.reshape(-1)


def _unsorted_kernel(how: str) -> tuple[Any, Any]:
    def kernel(xp: Any, data: Any, segment_ids: Any, num_segments: Any) -> Any:
        count = int(num_segments)
        if count < 0:
            raise invalid(f"Input num_segments == {count} must not be negative.")
        data, ids = _flat_rows(data, segment_ids)
        if ids.size:
            if ids.max() >= count:
                place = int(np.argmax(ids >= count))
                index = ",".join(str(i) for i in np.unravel_index(place, segment_ids.shape))
                raise invalid(f"segment_ids[{index}] = {ids[place]} is out of range [0, {count})")
            if ids.min() < 0:
                kept = ids >= 0
                data, ids = data[kept], ids[kept]
        return _reduce_rows(how, data, ids, count, _STARTS[how](data.dtype))

    def xla(jax: Any, data: Any, segment_ids: Any, num_segments: Any) -> Any:
        data, ids = _flat_rows(data, segment_ids)
        start = _STARTS[how](data.dtype)
        return _reduce_rows_xla(jax, how, data, ids, int(num_segments), start, start)

    return kernel, xla


# ---- shapes


def _sorted_shape(op: Any) -> TensorShape:
    data, ids = op._inputs[0]._shape._dims, op._inputs[1]._shape
    if ids.rank not in (None, 1):
        raise ValueError(f"Shape must be rank 1 but is rank {ids.rank}")
    if data is None:
        return TensorShape(None)
    known = constant_value(op._inputs[1])
    return TensorShape((int(known[-1]) + 1 if known is not None and known.size else None, *data[1:]))


def _unsorted_shape(op: Any) -> TensorShape:
    data, ids = op._inputs[0]._shape._dims, op._inputs[1]._shape._dims
    count = constant_value(op._inputs[2])
    if data is None or ids is None:
        return TensorShape(None)
    for left, right in zip(data, ids):
        if left is not None and right is not None and left != right:
            raise ValueError(f"Dimensions must be equal, but are {left} and {right}")
    if len(ids) > len(data):
        raise ValueError(f"Shape must be at most rank {len(data)} but is rank {len(ids)}")
    return TensorShape((None if count is None else int(count), *data[len(ids) :]))


# ---- gradients


def _gather_rows(values: Any, ids: Any) -> Any:
    return cards.GatherV2(values, ids, np.int32(0))


def _expand_to(mask: Any, like: Any) -> Any:
    """`mask`, whose axes are the first of `like`, with axes of size 1 added."""
    if like._rank is None or mask._rank is None:
        missing = cards.ExpandDims(cards.Rank(like) - cards.Rank(mask), np.int32(0))
        shape = cards.ConcatV2([cards.Shape(mask), cards.Fill(missing, np.int32(1))], np.int32(0))
        return cards.Reshape(mask, shape)
    for _ in range(like._rank - mask._rank):
        mask = cards.ExpandDims(mask, np.int32(-1))
    return mask


def _gather_known(values: Any, ids: Any) -> tuple[Any, Any]:
    """Rows of `values` by id, zeros for ids below 0; and which ids are not below 0."""
    zero = np.zeros((), ids.dtype.numpy_dtype)
    rows = _gather_rows(values, cards.Maximum(ids, zero))
    known = _expand_to(cards.GreaterEqual(ids, zero), rows)
    return cards.SelectV2(known, rows, np.zeros((), values.dtype.numpy_dtype)), known


def _segment_sum_gradient(doutput: Any, *, segment_ids: Any) -> Any:
    return _gather_rows(doutput, segment_ids), None


def _segment_mean_gradient(doutput: Any, *, segment_ids: Any) -> Any:
    ones = cards.Cast(cards.OnesLike(segment_ids), DstT=dtypes.int32)
    counts = cards.Maximum(SegmentSum(ones, segment_ids), np.int32(1))
    shares = cards.RealDiv(doutput, cards.Cast(_expand_to(counts, doutput), DstT=doutput.dtype.base_dtype))
    return _gather_rows(shares, segment_ids), None


def _segment_extremum_gradient(doutput: Any, *, data: Any, output: Any, segment_ids: Any) -> Any:
    chosen = cards.Cast(cards.Equal(data, _gather_rows(output, segment_ids)), DstT=doutput.dtype.base_dtype)
    counts = SegmentSum(chosen, segment_ids)
    return chosen * _gather_rows(cards.DivNoNan(doutput, counts), segment_ids), None


def _unsorted_sum_gradient(doutput: Any, *, segment_ids: Any) -> Any:
    return _gather_known(doutput, segment_ids)[0], None, None


def _unsorted_extremum_gradient(
    doutput: Any, *, data: Any, output: Any, segment_ids: Any, num_segments: Any
) -> Any:
    winners, known = _gather_known(output, segment_ids)
    chosen = cards.LogicalAnd(cards.Equal(data, winners), known)
    chosen = cards.Cast(chosen, DstT=doutput.dtype.base_dtype)
    counts = UnsortedSegmentSum(chosen, segment_ids, num_segments)
    return chosen * _gather_known(cards.DivNoNan(doutput, counts), segment_ids)[0], None, None


def _prod_slopes(data: Any, segment_ids: Any, reduce_prod: Any, reduce_sum: Any, gather: Any) -> Any:
    """Products of the other rows of each row's segment, without a division by zero.

    A zero hides the product of the others: that is computed without the zeros, and counts where there is no
    other zero.
    """
    zero = np.zeros((), data.dtype.numpy_dtype)
    is_zero = cards.Equal(data, zero)
    zeros_here = cards.Cast(is_zero, DstT=dtypes.int32)
    others = gather(reduce_prod(cards.SelectV2(is_zero, cards.OnesLike(data), data)))
    other_zeros = gather(reduce_sum(zeros_here)) - zeros_here
    slopes = cards.SelectV2(is_zero, others, cards.DivNoNan(others, data))
    return conjugated(cards.SelectV2(cards.Equal(other_zeros, np.int32(0)), slopes, zero))


def _segment_prod_gradient(doutput: Any, *, data: Any, segment_ids: Any) -> Any:
    slopes = _prod_slopes(
        data,
        segment_ids,
        lambda v: SegmentProd(v, segment_ids),
        lambda v: SegmentSum(v, segment_ids),
        lambda v: _gather_rows(v, segment_ids),
    )
    return slopes * _gather_rows(doutput, segment_ids), None


def _unsorted_prod_gradient(doutput: Any, *, data: Any, segment_ids: Any, num_segments: Any) -> Any:
    slopes = _prod_slopes(
        data,
        segment_ids,
        lambda v: UnsortedSegmentProd(v, segment_ids, num_segments),
        lambda v: UnsortedSegmentSum(v, segment_ids, num_segments),
        lambda v: _gather_known(v, segment_ids)[0],
    )
    return slopes * _gather_known(doutput, segment_ids)[0], None, None


# ---- cards


def _sorted_card(name: str, kernels: tuple[Any, Any], types: tuple[Any, ...], gradient: Any) -> Any:
    return op(
        name,
        "data: T, segment_ids: Tindices -> output: T",
        T=types,
        Tindices=_WIDE,
        kernel=kernels[0],
        xla=kernels[1],
        static=("segment_ids",),
        shape=_sorted_shape,
        doc=f"{name}: rows of sorted segments reduced.",
        sample=lambda: (
            [np.array([[1.0, 2.0], [3.0, 0.5], [-1.0, 4.0]], np.float32), np.array([0, 2, 2], np.int32)],
            {},
        ),
        gradient=gradient,
    )


def _unsorted_card(
    name: str, how: str, types: tuple[Any, ...], gradient: Any, index_types: Any = _WIDE
) -> Any:
    kernel, xla = _unsorted_kernel(how)
    return op(
        name,
        "data: T, segment_ids: Tindices, num_segments: Tnumsegments -> output: T",
        T=types,
        Tindices=index_types,
        Tnumsegments=Attr("type", dtypes.int32, allowed=_WIDE),
        kernel=kernel,
        xla=xla,
        static=("num_segments",),
        shape=_unsorted_shape,
        gradient=gradient,
        doc=f"{name}: rows of segments reduced.",
        sample=lambda: (
            [
                np.array([[1.0, 2.0], [3.0, 0.5], [-1.0, 4.0]], np.float32),
                np.array([1, 0, 1], np.int32),
                np.array(2, np.int32),
            ],
            {},
        ),
    )


SegmentSum = _sorted_card("SegmentSum", _sorted_kernel("sum"), dtypes.NUMERIC, _segment_sum_gradient)
SegmentMean = _sorted_card("SegmentMean", (_mean_kernel, _mean_xla), dtypes.NUMERIC, _segment_mean_gradient)
SegmentProd = _sorted_card("SegmentProd", _sorted_kernel("prod"), dtypes.NUMERIC, _segment_prod_gradient)
SegmentMax = _sorted_card("SegmentMax", _sorted_kernel("max"), dtypes.REAL, _segment_extremum_gradient)
SegmentMin = _sorted_card("SegmentMin", _sorted_kernel("min"), dtypes.REAL, _segment_extremum_gradient)

UnsortedSegmentSum = _unsorted_card(
    "UnsortedSegmentSum", "sum", dtypes.NUMERIC, _unsorted_sum_gradient, (dtypes.int16, *_WIDE)
)
UnsortedSegmentProd = _unsorted_card("UnsortedSegmentProd", "prod", dtypes.NUMERIC, _unsorted_prod_gradient)
UnsortedSegmentMax = _unsorted_card("UnsortedSegmentMax", "max", dtypes.REAL, _unsorted_extremum_gradient)
UnsortedSegmentMin = _unsorted_card("UnsortedSegmentMin", "min", dtypes.REAL, _unsorted_extremum_gradient)


# ---- public functions


@export("math.segment_sum", v1=["math.segment_sum", "segment_sum"])
def segment_sum(data: Any, segment_ids: Any, name: str | None = None) -> Any:
    """Sums of the rows of segments, given by sorted ids; 0 for ids without a row.

    Args:
      data: tensor of shape [n, ...].
      segment_ids: n sorted integers: the id of each row.
      name: name of the operation.

    Returns:
      A tensor of shape [last id + 1, ...].

    Raises:
      tf.errors.InvalidArgumentError: the ids are not sorted, or not as many as rows.

    >>> import everflow as tf
    >>> tf.math.segment_sum([1., 2., 3.], [0, 2, 2])
    <tf.Tensor: shape=(3,), dtype=float32, numpy=array([1., 0., 5.], dtype=float32)>
    """
    return SegmentSum(data, segment_ids, name=name)


@export("math.segment_mean", v1=["math.segment_mean", "segment_mean"])
def segment_mean(data: Any, segment_ids: Any, name: str | None = None) -> Any:
    """Means of the rows of segments, given by sorted ids; 0 for ids without a row.

    Args:
      data: tensor of shape [n, ...].
      segment_ids: n sorted integers: the id of each row.
      name: name of the operation.

    Returns:
      A tensor of shape [last id + 1, ...].

    Raises:
      tf.errors.InvalidArgumentError: the ids are not sorted, or not as many as rows.

    >>> import everflow as tf
    >>> tf.math.segment_mean([1., 2., 3.], [0, 2, 2])
    <tf.Tensor: shape=(3,), dtype=float32, numpy=array([1. , 0. , 2.5], dtype=float32)>
    """
    return SegmentMean(data, segment_ids, name=name)


@export("math.segment_prod", v1=["math.segment_prod", "segment_prod"])
def segment_prod(data: Any, segment_ids: Any, name: str | None = None) -> Any:
    """Products of the rows of segments, given by sorted ids; 1 for ids without a row.

    Args:
      data: tensor of shape [n, ...].
      segment_ids: n sorted integers: the id of each row.
      name: name of the operation.

    Returns:
      A tensor of shape [last id + 1, ...].

    Raises:
      tf.errors.InvalidArgumentError: the ids are not sorted, or not as many as rows.

    >>> import everflow as tf
    >>> tf.math.segment_prod([1., 2., 3.], [0, 2, 2])
    <tf.Tensor: shape=(3,), dtype=float32, numpy=array([1., 1., 6.], dtype=float32)>
    """
    return SegmentProd(data, segment_ids, name=name)


@export("math.segment_max", v1=["math.segment_max", "segment_max"])
def segment_max(data: Any, segment_ids: Any, name: str | None = None) -> Any:
    """Maxima of the rows of segments, given by sorted ids; 0 for ids without a row.

    Args:
      data: tensor of shape [n, ...].
      segment_ids: n sorted integers: the id of each row.
      name: name of the operation.

    Returns:
      A tensor of shape [last id + 1, ...].

    Raises:
      tf.errors.InvalidArgumentError: the ids are not sorted, or not as many as rows.

    >>> import everflow as tf
    >>> tf.math.segment_max([1., 2., 3.], [0, 2, 2])
    <tf.Tensor: shape=(3,), dtype=float32, numpy=array([1., 0., 3.], dtype=float32)>
    """
    return SegmentMax(data, segment_ids, name=name)


@export("math.segment_min", v1=["math.segment_min", "segment_min"])
def segment_min(data: Any, segment_ids: Any, name: str | None = None) -> Any:
    """Minima of the rows of segments, given by sorted ids; 0 for ids without a row.

    Args:
      data: tensor of shape [n, ...].
      segment_ids: n sorted integers: the id of each row.
      name: name of the operation.

    Returns:
      A tensor of shape [last id + 1, ...].

    Raises:
      tf.errors.InvalidArgumentError: the ids are not sorted, or not as many as rows.

    >>> import everflow as tf
    >>> tf.math.segment_min([1., 2., 3.], [0, 2, 2])
    <tf.Tensor: shape=(3,), dtype=float32, numpy=array([1., 0., 2.], dtype=float32)>
    """
    return SegmentMin(data, segment_ids, name=name)


@export("math.unsorted_segment_sum", v1=["math.unsorted_segment_sum", "unsorted_segment_sum"])
def unsorted_segment_sum(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Any:
    """Sums of the rows of segments, given by ids in any order; 0 for ids without a row.

    Args:
      data: tensor whose shape starts with the shape of `segment_ids`.
      segment_ids: integers below `num_segments`; rows of negative ids are dropped.
      num_segments: number of segments, the size of the first axis of the result.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError: an id is too large, or the shapes do not fit.

    >>> import everflow as tf
    >>> tf.math.unsorted_segment_sum([1., 2., 3.], [1, 0, 1], 2)
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([2., 4.], dtype=float32)>
    """
    return UnsortedSegmentSum(data, segment_ids, num_segments, name=name)


@export("math.unsorted_segment_prod", v1=["math.unsorted_segment_prod", "unsorted_segment_prod"])
def unsorted_segment_prod(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Any:
    """Products of the rows of segments, given by ids in any order; 1 for ids without a row.

    Args:
      data: tensor whose shape starts with the shape of `segment_ids`.
      segment_ids: integers below `num_segments`; rows of negative ids are dropped.
      num_segments: number of segments, the size of the first axis of the result.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError: an id is too large, or the shapes do not fit.

    >>> import everflow as tf
    >>> tf.math.unsorted_segment_prod([1., 2., 3.], [1, 0, 1], 2)
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([2., 3.], dtype=float32)>
    """
    return UnsortedSegmentProd(data, segment_ids, num_segments, name=name)


@export("math.unsorted_segment_max", v1=["math.unsorted_segment_max", "unsorted_segment_max"])
def unsorted_segment_max(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Any:
    """Maxima of the rows of segments, given by ids in any order; the lowest number for ids without a row.

    Args:
      data: tensor whose shape starts with the shape of `segment_ids`.
      segment_ids: integers below `num_segments`; rows of negative ids are dropped.
      num_segments: number of segments, the size of the first axis of the result.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError: an id is too large, or the shapes do not fit.

    >>> import everflow as tf
    >>> tf.math.unsorted_segment_max([1., 2., 3.], [1, 0, 1], 2)
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([2., 3.], dtype=float32)>
    """
    return UnsortedSegmentMax(data, segment_ids, num_segments, name=name)


@export("math.unsorted_segment_min", v1=["math.unsorted_segment_min", "unsorted_segment_min"])
def unsorted_segment_min(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Any:
    """Minima of the rows of segments, given by ids in any order; the greatest number for ids without a row.

    Args:
      data: tensor whose shape starts with the shape of `segment_ids`.
      segment_ids: integers below `num_segments`; rows of negative ids are dropped.
      num_segments: number of segments, the size of the first axis of the result.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError: an id is too large, or the shapes do not fit.

    >>> import everflow as tf
    >>> tf.math.unsorted_segment_min([1., 2., 3.], [1, 0, 1], 2)
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([2., 1.], dtype=float32)>
    """
    return UnsortedSegmentMin(data, segment_ids, num_segments, name=name)


def _row_counts(totals: Any, segment_ids: Any, num_segments: Any) -> Any:
    """How many rows each segment has, at least 1, with the rank and dtype of `totals`."""
    ones = cards.Cast(cards.OnesLike(segment_ids), DstT=dtypes.int32)
    counts = cards.Maximum(UnsortedSegmentSum(ones, segment_ids, num_segments), np.int32(1))
    return cards.Cast(_expand_to(counts, totals), DstT=totals.dtype.base_dtype)


@export("math.unsorted_segment_mean", v1=["math.unsorted_segment_mean", "unsorted_segment_mean"])
def unsorted_segment_mean(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Any:
    """Means of the rows of segments, given by ids in any order; 0 for ids without a row.

    Args:
      data: tensor whose shape starts with the shape of `segment_ids`.
      segment_ids: integers below `num_segments`; rows of negative ids are dropped.
      num_segments: number of segments, the size of the first axis of the result.
      name: name of the operations.

    >>> import everflow as tf
    >>> tf.math.unsorted_segment_mean([1., 2., 3.], [1, 0, 1], 2)
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([2., 2.], dtype=float32)>
    """
    with name_scope(name, "UnsortedSegmentMean"):
        data, segment_ids = convert(data), convert(segment_ids)
        num_segments = convert(num_segments)
        totals = UnsortedSegmentSum(data, segment_ids, num_segments)
        return totals / _row_counts(totals, segment_ids, num_segments)


@export("math.unsorted_segment_sqrt_n", v1=["math.unsorted_segment_sqrt_n", "unsorted_segment_sqrt_n"])
def unsorted_segment_sqrt_n(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Any:
    """Sums of the rows of segments, divided by the square root of their number.

    Args:
      data: tensor whose shape starts with the shape of `segment_ids`.
      segment_ids: integers below `num_segments`; rows of negative ids are dropped.
      num_segments: number of segments, the size of the first axis of the result.
      name: name of the operations.

    >>> import everflow as tf
    >>> tf.math.unsorted_segment_sqrt_n([1., 2., 3.], [1, 0, 1], 2)
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([2.      , 2.828427], dtype=float32)>
    """
    with name_scope(name, "UnsortedSegmentSqrtN"):
        data, segment_ids = convert(data), convert(segment_ids)
        num_segments = convert(num_segments)
        totals = UnsortedSegmentSum(data, segment_ids, num_segments)
        return totals / cards.Sqrt(_row_counts(totals, segment_ids, num_segments))
