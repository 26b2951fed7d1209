"""Reductions of segments of chosen rows: gathering and reducing in one operation."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.constant_value import constant_value
from everflow._src.framework.export import export
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.by_name import cards
from everflow._src.ops.segments import (
    _check_sorted,
    _counts,
    _expand_to,
    _gather_rows,
    _reduce_rows,
    _reduce_rows_xla,
)
from everflow._src.runtime.failures import invalid

_INDEX = Attr("type", dtypes.int32, allowed=(dtypes.int32, dtypes.int64))

# ---- kernels


def _kernels(how: str) -> tuple[Any, Any]:
    def divided(xp: Any, sums: Any, segment_ids: Any, count: int) -> Any:
        if how == "sum":
            return sums
        counts = _counts(segment_ids, count, sums.ndim, sums.dtype)
        return xp.divide(sums, counts if how == "mean" else np.sqrt(counts).astype(sums.dtype))

    def size(indices: Any, segment_ids: Any, num_segments: Any) -> int:
        if indices.shape != segment_ids.shape:
            raise invalid("segment_ids and indices should have same size.")
        count = _check_sorted(segment_ids, segment_ids)
        if num_segments is None:
            return count
        if count > int(num_segments):
            raise invalid(f"segment ids must be < num_segments, received {count - 1} and {int(num_segments)}")
        return int(num_segments)

    def kernel(xp: Any, data: Any, indices: Any, segment_ids: Any, num_segments: Any = None) -> Any:
        count = size(indices, segment_ids, num_segments)
        if indices.size and (indices.min() < 0 or indices.max() >= data.shape[0]):
            place = int(np.argmax((indices < 0) | (indices >= data.shape[0])))
            raise invalid(f"indices[{place}] == {indices[place]} out of range [0, {data.shape[0]})")
        return divided(np, _reduce_rows("sum", data[indices], segment_ids, count, 0), segment_ids, count)

    def xla(jax: Any, data: Any, indices: Any, segment_ids: Any, num_segments: Any = None) -> Any:
        count = size(indices, segment_ids, num_segments)
        sums = _reduce_rows_xla(jax, "sum", data[indices], segment_ids, count, 0, 0)
        return divided(jax.numpy, sums, segment_ids, count)

    return kernel, xla


# ---- shape and gradient


def _shape(op: Any) -> TensorShape:
    dims = op._inputs[0]._shape._dims
    for tensor in op._inputs[1:3]:
        if tensor._shape.rank not in (None, 1):
            raise ValueError(f"Shape must be rank 1 but is rank {tensor._shape.rank}")
    if dims is None:
        return TensorShape(None)
    if len(op._inputs) > 3:
        known = constant_value(op._inputs[3])
        return TensorShape((None if known is None else int(known), *dims[1:]))
    known = constant_value(op._inputs[2])
    return TensorShape((int(known[-1]) + 1 if known is not None and known.size else None, *dims[1:]))


def _gradient(how: str, doutput: Any, data_shape: Any, indices: Any, segment_ids: Any) -> Any:
    rows = _gather_rows(doutput, segment_ids)
    if how != "sum":
        ones = cards.Cast(cards.OnesLike(segment_ids), DstT=dtypes.int32)
        counts = _gather_rows(cards.SegmentSum(ones, segment_ids), segment_ids)
        counts = _expand_to(cards.Cast(counts, DstT=doutput.dtype.base_dtype), rows)
        rows = cards.RealDiv(rows, counts if how == "mean" else cards.Sqrt(counts))
    dims = data_shape.static._dims
    size = np.int32(dims[0]) if dims and dims[0] is not None else data_shape.tensor()[0]
    return cards.UnsortedSegmentSum(rows, indices, size)


def _cards(name: str, how: str, types: tuple[Any, ...]) -> tuple[Any, Any]:
    kernel, xla = _kernels(how)
    common: dict[str, Any] = {
        "T": types,
        "Tidx": _INDEX,
        "Tsegmentids": _INDEX,
        "sparse_gradient": False,
        "shape": _shape,
        "xla": xla,
    }

    def sample() -> list[Any]:
        return [
            np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], np.float32),
            np.array([0, 2, 1], np.int32),
            np.array([0, 0, 2], np.int32),
        ]

    def gradient(doutput: Any, *, data_shape: Any, indices: Any, segment_ids: Any) -> Any:
        return _gradient(how, doutput, data_shape, indices, segment_ids), None, None

    def gradient_with_count(doutput: Any, *, data_shape: Any, indices: Any, segment_ids: Any) -> Any:
        return _gradient(how, doutput, data_shape, indices, segment_ids), None, None, None

    plain = op(
        name,
        "data: T, indices: Tidx, segment_ids: Tsegmentids -> output: T",
        kernel=lambda xp, data, indices, segment_ids: kernel(xp, data, indices, segment_ids),
        static=("segment_ids",),
        gradient=gradient,
        sample=lambda: (sample(), {}),
        doc="Chosen rows, reduced by segments.",
        **common,
    )
    counted = op(
        f"{name}WithNumSegments",
        "data: T, indices: Tidx, segment_ids: Tsegmentids, num_segments: Tnumsegments -> output: T",
        Tnumsegments=_INDEX,
        kernel=lambda xp, data, indices, segment_ids, count: kernel(xp, data, indices, segment_ids, count),
        static=("segment_ids", "num_segments"),
        gradient=gradient_with_count,
        sample=lambda: ([*sample(), np.array(4, np.int32)], {}),
        doc="Chosen rows, reduced by segments, of which there are as many as stated.",
        **common,
    )
    return plain, counted


SparseSegmentSum, SparseSegmentSumWithNumSegments = _cards("SparseSegmentSum", "sum", dtypes.REAL)
SparseSegmentMean, SparseSegmentMeanWithNumSegments = _cards("SparseSegmentMean", "mean", dtypes.FLOATS)
SparseSegmentSqrtN, SparseSegmentSqrtNWithNumSegments = _cards("SparseSegmentSqrtN", "sqrt_n", dtypes.FLOATS)


# ---- public functions


def _apply(
    plain: Any,
    counted: Any,
    data: Any,
    indices: Any,
    segment_ids: Any,
    num_segments: Any,
    name: str | None,
    sparse_gradient: bool,
) -> Any:
    if num_segments is None:
        return plain(data, indices, segment_ids, sparse_gradient=sparse_gradient, name=name)
    return counted(data, indices, segment_ids, num_segments, sparse_gradient=sparse_gradient, name=name)


@export("sparse.segment_sum", v1=[])
def sparse_segment_sum(
    data: Any,
    indices: Any,
    segment_ids: Any,
    num_segments: Any = None,
    name: str | None = None,
    sparse_gradient: bool = False,
) -> Any:
    """Sums of chosen rows by segments, given by sorted ids.

    Args:
      data: tensor of shape [n, ...].
      indices: vector of the rows to take.
      segment_ids: sorted integers, one for each index: the segment that it belongs to.
      num_segments: number of segments; one more than the last id when None.
      name: name of the operation.
      sparse_gradient: accepted; the gradient is the same, and dense.

    Raises:
      tf.errors.InvalidArgumentError: the ids are not sorted, or an index is out of range.

    >>> import everflow as tf
    >>> tf.sparse.segment_sum([[1., 2.], [3., 4.], [5., 6.]], [0, 2], [0, 0])
    <tf.Tensor: shape=(1, 2), dtype=float32, numpy=array([[6., 8.]], dtype=float32)>
    """
    return _apply(
        SparseSegmentSum,
        SparseSegmentSumWithNumSegments,
        data,
        indices,
        segment_ids,
        num_segments,
        name,
        sparse_gradient,
    )


@export(v1=["sparse.segment_sum", "sparse_segment_sum"])
def sparse_segment_sum_v1(
    data: Any,
    indices: Any,
    segment_ids: Any,
    name: str | None = None,
    num_segments: Any = None,
    sparse_gradient: bool = False,
) -> Any:
    """Sums of chosen rows by segments, given by sorted ids."""
    return sparse_segment_sum(data, indices, segment_ids, num_segments, name, sparse_gradient)


@export("sparse.segment_mean", v1=[])
def sparse_segment_mean(
    data: Any,
    indices: Any,
    segment_ids: Any,
    num_segments: Any = None,
    name: str | None = None,
    sparse_gradient: bool = False,
) -> Any:
    """Means of chosen rows by segments, given by sorted ids.

    Args:
      data: tensor of shape [n, ...].
      indices: vector of the rows to take.
      segment_ids: sorted integers, one for each index: the segment that it belongs to.
      num_segments: number of segments; one more than the last id when None.
      name: name of the operation.
      sparse_gradient: accepted; the gradient is the same, and dense.

    Raises:
      tf.errors.InvalidArgumentError: the ids are not sorted, or an index is out of range.

    >>> import everflow as tf
    >>> tf.sparse.segment_mean([[1., 2.], [3., 4.], [5., 6.]], [0, 2], [0, 0])
    <tf.Tensor: shape=(1, 2), dtype=float32, numpy=array([[3., 4.]], dtype=float32)>
    """
    return _apply(
        SparseSegmentMean,
        SparseSegmentMeanWithNumSegments,
        data,
        indices,
        segment_ids,
        num_segments,
        name,
        sparse_gradient,
    )


@export(v1=["sparse.segment_mean", "sparse_segment_mean"])
def sparse_segment_mean_v1(
    data: Any,
    indices: Any,
    segment_ids: Any,
    name: str | None = None,
    num_segments: Any = None,
    sparse_gradient: bool = False,
) -> Any:
    """Means of chosen rows by segments, given by sorted ids."""
    return sparse_segment_mean(data, indices, segment_ids, num_segments, name, sparse_gradient)


@export("sparse.segment_sqrt_n", v1=[])
def sparse_segment_sqrt_n(
    data: Any,
    indices: Any,
    segment_ids: Any,
    num_segments: Any = None,
    name: str | None = None,
    sparse_gradient: bool = False,
) -> Any:
    """Sums, divided by the square root of the number of rows, of chosen rows by segments, given by sorted ids.

    Args:
      data: tensor of shape [n, ...].
      indices: vector of the rows to take.
      segment_ids: sorted integers, one for each index: the segment that it belongs to.
      num_segments: number of segments; one more than the last id when None.
      name: name of the operation.
      sparse_gradient: accepted; the gradient is the same, and dense.

    Raises:
      tf.errors.InvalidArgumentError: the ids are not sorted, or an index is out of range.

    >>> import everflow as tf
    >>> tf.sparse.segment_sqrt_n([[1., 2.], [3., 4.], [5., 6.]], [0, 2], [0, 0])
    <tf.Tensor: shape=(1, 2), dtype=float32, numpy=array([[4.242641, 5.656854]], dtype=float32)>
    """
    return _apply(
        SparseSegmentSqrtN,
        SparseSegmentSqrtNWithNumSegments,
        data,
        indices,
        segment_ids,
        num_segments,
        name,
        sparse_gradient,
    )


@export(v1=["sparse.segment_sqrt_n", "sparse_segment_sqrt_n"])
def sparse_segment_sqrt_n_v1(
    data: Any,
    indices: Any,
    segment_ids: Any,
    name: str | None = None,
    num_segments: Any = None,
    sparse_gradient: bool = False,
) -> Any:
    """Sums, divided by the square root of the number of rows, of chosen rows by segments, given by sorted ids."""
    return sparse_segment_sqrt_n(data, indices, segment_ids, num_segments, name, sparse_gradient)
