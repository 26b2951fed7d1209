"""Counts: of integers, of values within bins, of labels against predictions."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.constant_value import constant_value
from everflow._src.framework.conversion import convert
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.ops.reductions import count_nonzero, reduce_max
from everflow._src.runtime.failures import invalid

_WIDE = (dtypes.int32, dtypes.int64)
_COUNTS = (dtypes.int32, dtypes.int64, dtypes.float32, dtypes.float64)

# ---- kernels


def _count_flat(values: Any, size: int, weights: Any, binary: bool, dtype: Any) -> Any:
    if values.size and values.min() < 0:
        raise invalid("Input arr must be non-negative!")
    kept = values < size
    if binary:
        result = np.zeros(size, dtype)
        result[values[kept]] = 1
        return result
    if weights is None:
        return np.bincount(values[kept], minlength=size).astype(dtype)
    result = np.zeros(size, dtype)
    np.add.at(result, values[kept], weights[kept])
    return result


def _bincount(xp: Any, values: Any, size: Any, weights: Any, *, binary_output: bool) -> Any:
    count = int(size.reshape(()))
    if count < 0:
        raise invalid(f"size ({count}) must be non-negative")
    if weights.size and weights.shape != values.shape:
        raise invalid(
            "`weights` must be the same shape as `arr` or a length-0 `Tensor`, in which case it acts as "
            f"all weights equal to 1. Received {list(weights.shape)}"
        )
    if values.ndim > 2:
        raise invalid(f"Shape must be at most rank 2 but is rank {values.ndim}")
    weighted = weights.size > 0
    if values.ndim < 2:
        return _count_flat(
            values.reshape(-1), count, weights.reshape(-1) if weighted else None, binary_output, weights.dtype
        )
    result = np.zeros((values.shape[0], count), weights.dtype)
    for row in range(values.shape[0]):
        result[row] = _count_flat(
            values[row], count, weights[row] if weighted else None, binary_output, weights.dtype
        )
    return result


def _bincount_xla(jax: Any, values: Any, size: Any, weights: Any, *, binary_output: bool) -> Any:
    jnp = jax.numpy
    count = int(size.reshape(()))
    added = weights if weights.size else jnp.ones(values.shape, weights.dtype)
    index = jnp.where(values < 0, count, values)

    def one(index: Any, added: Any) -> Any:
        result = jnp.zeros((count,), weights.dtype)
        if binary_output:
            return result.at[index].set(1, mode="drop")
        return result.at[index].add(added, mode="drop")

    if values.ndim < 2:
        return one(index.reshape(-1), added.reshape(-1))
    return jax.vmap(one)(index, added)


def _old_bincount(xp: Any, values: Any, size: Any, weights: Any) -> Any:
    return _bincount(xp, values.reshape(-1), size, weights.reshape(-1), binary_output=False)


def _bins(xp: Any, values: Any, value_range: Any, count: int) -> Any:
    if value_range.shape != (2,):
        raise invalid(
            f"value_range should be a vector of 2 elements, but got shape {list(value_range.shape)}"
        )
    low, high = value_range[0], value_range[1]
    if not low < high:
        raise invalid(
            f"value_range should satisfy value_range[0] < value_range[1], but got '[{low}, {high}]'"
        )
    if count <= 0:
        raise invalid(f"nbins should be a positive number, but got '{count}'")
    step = (np.float64(high) - np.float64(low)) / count
    index = xp.floor((values.astype(np.float64) - np.float64(low)) / step)
    return xp.clip(index, 0, count - 1).astype(np.int32)


def _histogram(xp: Any, values: Any, value_range: Any, nbins: Any, *, dtype: Any) -> Any:
    count = int(nbins.reshape(()))
    index = _bins(xp, values.reshape(-1), value_range, count)
    return np.bincount(index, minlength=count).astype(dtype.numpy_dtype)


def _histogram_xla(jax: Any, values: Any, value_range: Any, nbins: Any, *, dtype: Any) -> Any:
    count = int(nbins.reshape(()))
    index = _bins(jax.numpy, values.reshape(-1), value_range, count)
    return jax.numpy.zeros((count,), dtype.numpy_dtype).at[index].add(1)


# ---- cards


def _size_of(op: Any) -> int | None:
    size = constant_value(op._inputs[1])
    return None if size is None else int(size.reshape(()))


def _bincount_shape(op: Any) -> TensorShape:
    dims = op._inputs[0]._shape._dims
    if dims is None:
        return TensorShape(None)
    if len(dims) > 2:
        raise ValueError(f"Shape must be at most rank 2 but is rank {len(dims)}")
    return TensorShape((dims[0], _size_of(op)) if len(dims) == 2 else (_size_of(op),))


DenseBincount = op(
    "DenseBincount",
    "input: Tidx, size: Tidx, weights: T -> output: T",
    Tidx=_WIDE,
    T=_COUNTS,
    binary_output=False,
    kernel=_bincount,
    xla=_bincount_xla,
    static=("size",),
    shape=_bincount_shape,
    no_gradient="counts do not change smoothly",
    sample=lambda: (
        [np.array([1, 1, 2], np.int32), np.array(4, np.int32), np.array([1, 2, 3], np.float32)],
        {},
    ),
    doc="How often each integer occurs.",
)

Bincount = op(
    "Bincount",
    "arr: int32, size: int32, weights: T -> bins: T",
    T=_COUNTS,
    kernel=_old_bincount,
    xla=lambda jax, arr, size, weights: _bincount_xla(
        jax, arr.reshape(-1), size, weights.reshape(-1), binary_output=False
    ),
    static=("size",),
    shape=lambda op: TensorShape((_size_of(op),)),
    no_gradient="counts do not change smoothly",
    sample=lambda: (
        [np.array([1, 1, 2], np.int32), np.array(4, np.int32), np.array([1, 2, 3], np.float32)],
        {},
    ),
    doc="How often each integer occurs.",
)


def _bin_count_of(op: Any) -> TensorShape:
    count = constant_value(op._inputs[2])
    return TensorShape((None if count is None else int(count.reshape(())),))


HistogramFixedWidth = op(
    "HistogramFixedWidth",
    "values: T, value_range: T, nbins: int32 -> out: dtype",
    T=_COUNTS,
    dtype=Attr("type", dtypes.int32, allowed=_WIDE),
    kernel=_histogram,
    xla=_histogram_xla,
    static=("value_range", "nbins"),
    shape=_bin_count_of,
    no_gradient="counts do not change smoothly",
    sample=lambda: (
        [
            np.array([-1.0, 0.0, 1.5, 2.0, 5.0, 15], np.float32),
            np.array([0.0, 5.0], np.float32),
            np.array(5, np.int32),
        ],
        {},
    ),
    doc="How many values fall into each of several bins of equal width.",
)


# ---- public functions


@export("math.bincount", v1=[])
def bincount(
    arr: Any,
    weights: Any = None,
    minlength: Any = None,
    maxlength: Any = None,
    dtype: Any = dtypes.int32,
    name: str | None = None,
    axis: int | None = None,
    binary_output: bool = False,
) -> Any:
    """How often each integer occurs.

    Args:
      arr: integers that are not negative.
      weights: what each counts, of the shape of `arr`; 1 when None.
      minlength: the least length of the result.
      maxlength: the greatest length: integers above are dropped.
      dtype: dtype of the result when there are no weights.
      name: name of the operations.
      axis: 0 or None counts all elements together; -1 counts each row of a matrix.
      binary_output: True tells only whether an integer occurs.

    Returns:
      A tensor of length max(arr) + 1, or of a row of that length for each row.

    Raises:
      ValueError: `axis` is neither 0 nor -1, or weights go with `binary_output`.
      tf.errors.InvalidArgumentError: an integer is negative.

    >>> import everflow as tf
    >>> tf.math.bincount([1, 1, 2])
    <tf.Tensor: shape=(3,), dtype=int32, numpy=array([0, 2, 1], dtype=int32)>
    """
    if weights is not None and binary_output:
        raise ValueError(
            "Arguments `binary_output` and `weights` are mutually exclusive. Please specify only one."
        )
    with name_scope(name, "bincount"):
        if not hasattr(arr, "dtype"):
            arr = np.asarray(arr)
            if arr.size == 0:
                arr = arr.astype(np.int32)
        arr = convert(arr, name="arr")
        if arr.dtype.base_dtype not in _WIDE:
            arr = cards.Cast(arr, DstT=dtypes.int32)
        if axis not in (None, 0, -1):
            raise ValueError(
                f"Unsupported value for argument axis={axis}. Only 0 and -1 are currently supported."
            )
        if weights is None:
            weights = convert(np.zeros((0,), as_dtype(dtype).numpy_dtype))
        else:
            weights = convert(weights, name="weights")
        size = _length(arr, minlength, maxlength)
        if axis != -1:
            arr = cards.Reshape(arr, np.array([-1], np.int32))
            if weights._rank != 1 or weights._shape_tuple() != (0,):
                weights = cards.Reshape(weights, np.array([-1], np.int32))
        return cards.DenseBincount(arr, size, weights, binary_output=binary_output)


def _length(arr: Any, minlength: Any, maxlength: Any) -> Any:
    """The number of counts: one more than the greatest integer, within the limits."""
    index = arr.dtype.base_dtype
    nonempty = cards.Cast(cards.Greater(cards.Size(arr, out_type=dtypes.int32), np.int32(0)), DstT=index)
    flat = cards.Reshape(arr, np.array([-1], np.int32))
    greatest = reduce_max(cards.ConcatV2([flat, np.array([-1], index.numpy_dtype)], np.int32(0)))
    length = nonempty * (greatest + np.array(1, index.numpy_dtype))
    if minlength is not None:
        length = cards.Maximum(convert(minlength, index), length)
    if maxlength is not None:
        length = cards.Minimum(convert(maxlength, index), length)
    return length


@export(v1=["bincount", "math.bincount"])
def bincount_v1(
    arr: Any, weights: Any = None, minlength: Any = None, maxlength: Any = None, dtype: Any = dtypes.int32
) -> Any:
    """How often each integer occurs."""
    return bincount(arr, weights, minlength, maxlength, dtype)


@export("histogram_fixed_width")
def histogram_fixed_width(
    values: Any, value_range: Any, nbins: Any = 100, dtype: Any = dtypes.int32, name: str | None = None
) -> Any:
    """How many values fall into each of several bins of equal width; the outer bins take what lies outside.

    Args:
      values: a tensor of numbers.
      value_range: two numbers, the lower and upper end of all bins.
      nbins: number of bins.
      dtype: dtype of the counts.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError: the range is empty.

    >>> import everflow as tf
    >>> tf.histogram_fixed_width([-1., 0., 1.5, 2., 5., 15.], [0., 5.], nbins=5)
    <tf.Tensor: shape=(5,), dtype=int32, numpy=array([2, 1, 1, 0, 2], dtype=int32)>
    """
    with name_scope(name, "histogram_fixed_width") as scope:
        return HistogramFixedWidth(values, value_range, nbins, dtype=dtype, name=scope or None)


@export("histogram_fixed_width_bins")
def histogram_fixed_width_bins(
    values: Any, value_range: Any, nbins: Any = 100, dtype: Any = dtypes.int32, name: str | None = None
) -> Any:
    """The bin of equal width that each value falls into; the outer bins take what lies outside.

    Args:
      values: a tensor of numbers.
      value_range: two numbers, the lower and upper end of all bins.
      nbins: number of bins.
      dtype: dtype of the result.
      name: name of the operations.

    Returns:
      A tensor of the shape of `values`.

    >>> import everflow as tf
    >>> tf.histogram_fixed_width_bins([-1., 1.5, 5.], [0., 5.], nbins=5)
    <tf.Tensor: shape=(3,), dtype=int32, numpy=array([0, 1, 4], dtype=int32)>
    """
    with name_scope(name, "histogram_fixed_width_bins"):
        values = convert(values, name="values")
        flat = cards.Reshape(values, np.array([-1], np.int32))
        value_range = convert(value_range, name="value_range")
        nbins = convert(nbins, dtypes.int32, name="nbins")
        low, high = value_range[0], value_range[1]
        scaled = (flat - low) / (high - low)
        index = cards.Floor(cards.Cast(nbins, DstT=scaled.dtype.base_dtype) * scaled)
        index = cards.Cast(index, DstT=dtypes.int32)
        limited = cards.Maximum(cards.Minimum(index, nbins - np.int32(1)), np.int32(0))
        return cards.Cast(cards.Reshape(limited, cards.Shape(values)), DstT=as_dtype(dtype))


@export("math.confusion_matrix", v1=[])
def confusion_matrix(
    labels: Any,
    predictions: Any,
    num_classes: Any = None,
    weights: Any = None,
    dtype: Any = dtypes.int32,
    name: str | None = None,
) -> Any:
    """How often each class was predicted for each true class.

    Args:
      labels: vector of true classes.
      predictions: vector of predicted classes.
      num_classes: number of classes; one more than the greatest class when None.
      weights: what each prediction counts; 1 when None.
      dtype: dtype of the result.
      name: name of the operations.

    Returns:
      A matrix: a row for each true class, a column for each predicted one.

    Raises:
      tf.errors.InvalidArgumentError: a class is negative, or not below `num_classes`.

    >>> import everflow as tf
    >>> tf.math.confusion_matrix([1, 2, 1], [1, 1, 1])
    <tf.Tensor: shape=(3, 3), dtype=int32, numpy=
    array([[0, 0, 0],
           [0, 2, 0],
           [0, 1, 0]], dtype=int32)>
    """
    with name_scope(name, "confusion_matrix"):
        labels = cards.Cast(convert(labels), DstT=dtypes.int64)
        predictions = cards.Cast(convert(predictions), DstT=dtypes.int64)
        labels, predictions = _same_rank(labels, predictions)
        if num_classes is None:
            greatest = cards.Maximum(reduce_max(predictions), reduce_max(labels))
            count = cards.Maximum(greatest + np.int64(1), np.int64(0))
        else:
            count = cards.Cast(convert(num_classes), DstT=dtypes.int64)
        target = as_dtype(dtype)
        if weights is None:
            added = cards.Cast(cards.OnesLike(predictions), DstT=target)
        else:
            added = cards.Cast(convert(weights), DstT=target)
        indices = cards.Pack([labels, predictions], axis=1)
        return cards.ScatterNd(indices, added, cards.Pack([count, count]))


def _same_rank(labels: Any, predictions: Any) -> tuple[Any, Any]:
    """Both without the last axis of size 1 that one of them has more than the other."""
    if labels._rank is not None and predictions._rank is not None:
        if labels._rank == predictions._rank + 1:
            labels = cards.Squeeze(labels, squeeze_dims=[-1])
        elif predictions._rank == labels._rank + 1:
            predictions = cards.Squeeze(predictions, squeeze_dims=[-1])
    return labels, predictions


@export(v1=["confusion_matrix", "math.confusion_matrix"])
def confusion_matrix_v1(
    labels: Any,
    predictions: Any,
    num_classes: Any = None,
    dtype: Any = dtypes.int32,
    name: str | None = None,
    weights: Any = None,
) -> Any:
    """How often each class was predicted for each true class."""
    return confusion_matrix(labels, predictions, num_classes, weights, dtype, name)


@export("math.zero_fraction", "nn.zero_fraction")
def zero_fraction(value: Any, name: str | None = None) -> Any:
    """The share of elements that are zero, a float32.

    >>> import everflow as tf
    >>> tf.math.zero_fraction([0, 1, 0, 2])
    <tf.Tensor: shape=(), dtype=float32, numpy=0.5>
    """
    with name_scope(name, "zero_fraction"):
        value = convert(value, name="value")
        size = cards.Size(value, out_type=dtypes.int64)
        zeros = size - count_nonzero(value, dtype=dtypes.int64)
        share = cards.Cast(zeros, DstT=dtypes.float32) / cards.Cast(size, DstT=dtypes.float32)
        return cards.Identity(share, name="fraction")
