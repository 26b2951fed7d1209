"""Reductions over axes: sums, means, products, extrema, logic, norms and their public functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value
from everflow._src.framework.context import STATE
from everflow._src.framework.conversion import constant_array, convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.tensor import EagerTensor, Tensor
from everflow._src.ops.by_name import cards
from everflow._src.ops.math_arithmetic import conjugated
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid

_INDEX = Attr("type", dtypes.int32, allowed=(dtypes.int32, dtypes.int64))
_ORDERED = dtypes.REAL + dtypes.QUANTIZED
_NUMBERS = dtypes.NUMERIC
_SMALL_FLOATS = frozenset(d.numpy_dtype for d in (dtypes.float16, dtypes.bfloat16))
_FAST_FLOATS = frozenset(np.dtype(n) for n in ("float32", "float64"))
_FAST_NUMBERS = _FAST_FLOATS | frozenset(np.dtype(n) for n in ("int32", "int64"))


# ---- kernels


def axes_of(x: Any, reduction_indices: Any) -> tuple[int, ...]:
    """The axes to reduce, non-negative.

    Raises:
      tf.errors.InvalidArgumentError: an axis is out of range, or stands twice.
    """
    rank = x.ndim
    axes = []
    for axis in reduction_indices.reshape(-1).tolist():
        if not -rank <= axis < rank:
            raise invalid(f"Invalid reduction dimension ({axis} for input with {rank} dimension(s)")
        axis += rank if axis < 0 else 0
        if axis in axes:
            raise invalid(f"Invalid reduction arguments: Axes contains duplicate dimension: {axis}")
        axes.append(axis)
    return tuple(axes)


def _joined(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[list[int], tuple[int, ...]]:
    """A shape in which neighbours that are all summed, or all kept, are one axis; and its axes to sum."""
    sizes: list[int] = []
    summed: list[bool] = []
    for axis, size in enumerate(shape):
        if summed and summed[-1] == (axis in axes):
            sizes[-1] *= size
        else:
            sizes.append(size)
            summed.append(axis in axes)
    return sizes, tuple(i for i, s in enumerate(summed) if s)


def compiled_sum(xp: Any, x: Any, axes: tuple[int, ...], keep_dims: bool = False) -> Any:
    """The sum over axes, as XLA does it best on a CPU: over few long axes instead of many short ones."""
    sizes, joined = _joined(x.shape, axes)
    if len(sizes) == x.ndim or 0 in sizes:
        return xp.sum(x, axes, x.dtype, keepdims=keep_dims)
    kept = [1 if i in axes else d for i, d in enumerate(x.shape) if keep_dims or i not in axes]
    return xp.sum(x.reshape(sizes), joined, x.dtype).reshape(kept)


def _accumulated(xp: Any, x: Any, axes: tuple[int, ...], keep_dims: bool) -> Any:
    """The sum over axes; in float32 for the small floating point types, which would stop growing early."""
    if xp is not np:
        return compiled_sum(xp, x.astype(np.float32) if x.dtype in _SMALL_FLOATS else x, axes, keep_dims)
    return np.sum(x, axes, np.float32 if x.dtype in _SMALL_FLOATS else x.dtype, keepdims=keep_dims)


def _sum(xp: Any, x: Any, axes: tuple[int, ...], keep_dims: bool) -> Any:
    return _accumulated(xp, x, axes, keep_dims).astype(x.dtype, copy=False)


def _sum_kernel(xp: Any, x: Any, indices: Any, *, keep_dims: bool) -> Any:
    return _sum(xp, x, axes_of(x, indices), keep_dims)


def _prod_kernel(xp: Any, x: Any, indices: Any, *, keep_dims: bool) -> Any:
    axes = axes_of(x, indices)
    if xp is np and x.dtype in _SMALL_FLOATS:
        return np.prod(x, axes, np.float32, keepdims=keep_dims).astype(x.dtype)
    return xp.prod(x, axes, x.dtype, keepdims=keep_dims)


def _mean_kernel(xp: Any, x: Any, indices: Any, *, keep_dims: bool) -> Any:
    axes = axes_of(x, indices)
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    kind = x.dtype.kind
    if kind in "iu":
        total = _sum(xp, x, axes, keep_dims)
        if count == 0:
            return total
        divisor = np.array(count).astype(x.dtype)
        quotient = xp.floor_divide(total, divisor)
        # Rounded towards zero, as C++ divides.
        return quotient + ((total < 0) & (quotient * divisor != total)).astype(x.dtype) if kind == "i" else quotient
    total = _accumulated(xp, x, axes, keep_dims)
    return xp.divide(total, np.array(count, total.dtype)).astype(x.dtype, copy=False)


def _lowest(dtype: np.dtype) -> Any:
    if dtype.kind in "iu":
        return np.iinfo(dtype).min
    return -np.inf


def _highest(dtype: np.dtype) -> Any:
    if dtype.kind in "iu":
        return np.iinfo(dtype).max
    return np.inf


def _max_kernel(xp: Any, x: Any, indices: Any, *, keep_dims: bool) -> Any:
    return xp.max(x, axes_of(x, indices), keepdims=keep_dims, initial=np.array(_lowest(x.dtype), x.dtype))


def _min_kernel(xp: Any, x: Any, indices: Any, *, keep_dims: bool) -> Any:
    return xp.min(x, axes_of(x, indices), keepdims=keep_dims, initial=np.array(_highest(x.dtype), x.dtype))


def _all_kernel(xp: Any, x: Any, indices: Any, *, keep_dims: bool) -> Any:
    return xp.all(x, axes_of(x, indices), keepdims=keep_dims)


def _any_kernel(xp: Any, x: Any, indices: Any, *, keep_dims: bool) -> Any:
    return xp.any(x, axes_of(x, indices), keepdims=keep_dims)


def _euclidean_norm_kernel(xp: Any, x: Any, indices: Any, *, keep_dims: bool) -> Any:
    squares = xp.square(xp.abs(x)) if x.dtype.kind == "c" else xp.square(x)
    total = _sum(xp, squares, axes_of(x, indices), keep_dims)
    return xp.sqrt(total).astype(x.dtype)


# ---- gradients


def shape_operand(shape: Any) -> Any:
    """A shape as gradients receive it, for an operation to take: a constant where it is known."""
    dims = shape.static._dims
    if dims is not None and None not in dims:
        return np.array(dims, np.int32)
    return shape.tensor()


def _static_axes(indices: Any, rank: int | None) -> list[int] | None:
    axes = constant_value(indices)
    if axes is None or rank is None:
        return None
    return sorted({int(a) % rank if rank else 0 for a in axes.reshape(-1)})


def keep_reduced(value: Any, x_shape: Any, indices: Any, keep_dims: bool) -> Any:
    """A result of a reduction with the reduced axes put back, of size 1."""
    if keep_dims:
        return value
    dims = x_shape.static._dims
    axes = _static_axes(indices, None if dims is None else len(dims))
    if axes is None:
        shape = x_shape.tensor()
        rank = cards.Size(shape)
        positions = cards.Range(np.int32(0), rank, np.int32(1))
        reduced = cards.FloorMod(cards.Cast(indices, DstT=dtypes.int32) + rank, rank)
        return cards.Reshape(value, cards.DynamicStitch([positions, reduced], [shape, cards.OnesLike(reduced)]))
    if not axes:
        return value
    kept = [1 if i in axes else d for i, d in enumerate(dims)]
    if None not in kept:
        return cards.Reshape(value, np.array(kept, np.int32))
    for axis in axes:
        value = cards.ExpandDims(value, np.int32(axis))
    return value


def _sum_gradient(doutput: Any, *, reduction_indices: Any, input_shape: Any, keep_dims: bool) -> Any:
    if not keep_dims and doutput._shape_tuple() == ():
        return cards.Fill(shape_operand(input_shape), doutput), None
    kept = keep_reduced(doutput, input_shape, reduction_indices, keep_dims)
    return cards.BroadcastTo(kept, shape_operand(input_shape)), None


def _mean_gradient(doutput: Any, *, reduction_indices: Any, input_shape: Any, keep_dims: bool) -> Any:
    count: Any = None
    dims = input_shape.static._dims
    axes = _static_axes(reduction_indices, None if dims is None else len(dims))
    if axes is not None and all(dims[a] is not None for a in axes):
        number = int(np.prod([dims[a] for a in axes], dtype=np.int64))
        count = np.array(max(number, 1), doutput.dtype.numpy_dtype)
    else:
        total = cards.Prod(input_shape.tensor(), np.array([0], np.int32))
        left = cards.Maximum(cards.Size(doutput), np.int32(1))
        count = cards.Cast(cards.Maximum(cards.FloorDiv(total, left), np.int32(1)), DstT=doutput.dtype.base_dtype)
    kept = keep_reduced(cards.RealDiv(doutput, count), input_shape, reduction_indices, keep_dims)
    return cards.BroadcastTo(kept, shape_operand(input_shape)), None


def _extremum_gradient(
    doutput: Any, *, input: Any, output: Any, reduction_indices: Any, input_shape: Any, keep_dims: bool
) -> Any:
    chosen = cards.Cast(
        cards.Equal(keep_reduced(output, input_shape, reduction_indices, keep_dims), input),
        DstT=doutput.dtype.base_dtype,
    )
    count = cards.Sum(chosen, reduction_indices, keep_dims=True)
    kept = keep_reduced(doutput, input_shape, reduction_indices, keep_dims)
    # Elements that share the extremum share its gradient.
    return cards.RealDiv(chosen, count) * kept, None


def _prod_gradient(
    doutput: Any, *, input: Any, output: Any, reduction_indices: Any, input_shape: Any, keep_dims: bool
) -> Any:
    kept = keep_reduced(doutput, input_shape, reduction_indices, keep_dims)
    dims = input_shape.static._dims
    axes = _static_axes(reduction_indices, None if dims is None else len(dims))
    if axes is None:
        product = keep_reduced(output, input_shape, reduction_indices, keep_dims)
        return kept * conjugated(cards.RealDiv(product, input)), None
    if not axes:
        return kept, None
    # The product of all others, without a division, so that zeros do no harm.
    if len(axes) == 1:
        return kept * conjugated(_product_of_others(input, axes[0])), None
    order = [*axes, *(i for i in range(len(dims)) if i not in axes)]
    shape = shape_operand(input_shape)
    moved = cards.Transpose(input, np.array(order, np.int32))
    moved_shape = cards.GatherV2(shape, np.array(order, np.int32), np.int32(0))
    rest = cards.GatherV2(moved_shape, np.arange(len(axes), len(dims), dtype=np.int32), np.int32(0))
    flat = cards.Reshape(moved, cards.ConcatV2([np.array([-1], np.int32), rest], np.int32(0)))
    others = cards.Reshape(_product_of_others(flat, 0), moved_shape)
    return kept * conjugated(cards.Transpose(others, np.argsort(order).astype(np.int32))), None


def _product_of_others(x: Any, axis: int) -> Any:
    before = cards.Cumprod(x, np.int32(axis), exclusive=True)
    after = cards.Cumprod(x, np.int32(axis), exclusive=True, reverse=True)
    return before * after


def _euclidean_norm_gradient(
    doutput: Any, *, input: Any, output: Any, reduction_indices: Any, input_shape: Any, keep_dims: bool
) -> Any:
    kept = keep_reduced(doutput, input_shape, reduction_indices, keep_dims)
    norm = keep_reduced(output, input_shape, reduction_indices, keep_dims)
    return cards.RealDiv(input, norm) * kept, None


# ---- cards


def _reduction(name: str, kernel: Any, types: tuple[Any, ...], gradient: Any = None) -> Any:
    return op(
        name,
        "input: T, reduction_indices: Tidx -> output: T",
        T=types,
        Tidx=_INDEX,
        keep_dims=False,
        kernel=kernel,
        static=("reduction_indices",),
        shape=shapes.reduction,
        gradient=gradient,
        no_gradient=gradient is None,
        doc=f"{name} over axes.",
        sample=lambda: (
            [np.linspace(-1.5, 2, 12, dtype=np.float32).reshape(2, 3, 2), np.array([0, 2], np.int32)],
            {},
        ),
    )


def _logical_reduction(name: str, kernel: Any) -> Any:
    return op(
        name,
        "input: bool, reduction_indices: Tidx -> output: bool",
        Tidx=_INDEX,
        keep_dims=False,
        kernel=kernel,
        static=("reduction_indices",),
        shape=shapes.reduction,
        no_gradient=True,
        doc=f"{name} over axes.",
        sample=lambda: ([np.array([[True, False], [True, True]]), np.array(0, np.int32)], {}),
    )


Sum = _reduction("Sum", _sum_kernel, _NUMBERS, _sum_gradient)
Mean = _reduction("Mean", _mean_kernel, _NUMBERS, _mean_gradient)
Prod = _reduction("Prod", _prod_kernel, _NUMBERS, _prod_gradient)
Max = _reduction("Max", _max_kernel, _ORDERED, _extremum_gradient)
Min = _reduction("Min", _min_kernel, _ORDERED, _extremum_gradient)
EuclideanNorm = _reduction("EuclideanNorm", _euclidean_norm_kernel, _NUMBERS, _euclidean_norm_gradient)
All = _logical_reduction("All", _all_kernel)
Any_ = _logical_reduction("Any", _any_kernel)


# ---- public functions


def reduction_axes(x: Any, axis: Any) -> Any:
    """`axis` for a reduction operation: all axes of `x` when it is None."""
    if axis is not None:
        return list(axis) if isinstance(axis, (tuple, range)) else axis
    rank = x._rank
    if rank is not None:
        return constant_array(np.arange(rank, dtype=np.int32))
    return cards.Range(np.int32(0), cards.Rank(x), np.int32(1), name="range")


def _reduce(card: Any, input_tensor: Any, axis: Any, keepdims: Any, name: str | None, dtype: Any = None) -> Any:
    x = convert(input_tensor, dtype, name="input")
    axes = reduction_axes(x, axis)
    if isinstance(axes, list) and not axes:
        axes = np.array([], np.int32)
    result = card(x, axes, keep_dims=bool(keepdims), name=name)
    if axis is None and not keepdims and x._rank is None:
        result.set_shape([])  # the axes are known only when it runs, but they are all of them
    return result


def old_arguments(axis: Any, keepdims: Any, reduction_indices: Any, keep_dims: Any) -> tuple[Any, bool]:
    """`axis` and `keepdims` out of their newer and older 1.x names.

    Raises:
      ValueError: both names of one argument are given.
    """
    if reduction_indices is not None:
        if axis is not None:
            raise ValueError("Cannot specify both 'reduction_indices' and 'axis'.")
        axis = reduction_indices
    if keep_dims is not None:
        if keepdims is not None:
            raise ValueError("Cannot specify both 'keep_dims' and 'keepdims'.")
        keepdims = keep_dims
    return axis, bool(keepdims)


@export("math.reduce_sum", "reduce_sum", v1=[])
def reduce_sum(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
    """Sums over axes.

    Args:
      input_tensor: a tensor of numbers.
      axis: an axis or a list of axes, negative ones counted from the end; all when None.
      keepdims: True leaves the reduced axes, of size 1.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError, ValueError: an axis is out of range.

    >>> import everflow as tf
    >>> tf.reduce_sum([[1, 2], [3, 4]], axis=0)
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([4, 6], dtype=int32)>
    """
    if type(input_tensor) is EagerTensor and not STATE.busy and (axis is None or type(axis) is int):
        x = input_tensor._value
        if x.dtype in _FAST_NUMBERS:
            try:
                return EagerTensor(np.add.reduce(x, axis, x.dtype, None, bool(keepdims)))
            except (ValueError, RuntimeWarning):  # the door explains the first and keeps quiet about the second
                pass
    return _reduce(Sum, input_tensor, axis, keepdims, name)


@export("math.reduce_mean", "reduce_mean", v1=[])
def reduce_mean(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
    """Means over axes; of integers, rounded towards zero.

    Args:
      input_tensor: a tensor of numbers.
      axis: an axis or a list of axes; all when None.
      keepdims: True leaves the reduced axes, of size 1.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError, ValueError: an axis is out of range.

    >>> import everflow as tf
    >>> tf.reduce_mean([[1., 2.], [3., 4.]], axis=1)
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([1.5, 3.5], dtype=float32)>
    """
    if type(input_tensor) is EagerTensor and not STATE.busy and (axis is None or type(axis) is int):
        x = input_tensor._value
        if x.dtype in _FAST_FLOATS and x.size:
            try:
                total = np.add.reduce(x, axis, x.dtype, None, bool(keepdims))
                return EagerTensor(total / (x.size if axis is None else x.shape[axis]))
            except (ValueError, IndexError, RuntimeWarning):  # the door raises it, or computes it in silence
                pass
    return _reduce(Mean, input_tensor, axis, keepdims, name)


@export("math.reduce_prod", "reduce_prod", v1=[])
def reduce_prod(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
    """Products over axes.

    Args:
      input_tensor: a tensor of numbers.
      axis: an axis or a list of axes; all when None.
      keepdims: True leaves the reduced axes, of size 1.
      name: name of the operation.

    >>> import everflow as tf
    >>> tf.reduce_prod([[1, 2], [3, 4]])
    <tf.Tensor: shape=(), dtype=int32, numpy=24>
    """
    return _reduce(Prod, input_tensor, axis, keepdims, name)


@export("math.reduce_max", "reduce_max", v1=[])
def reduce_max(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
    """Greatest elements over axes; NaN if one is NaN.

    Args:
      input_tensor: a tensor of real numbers.
      axis: an axis or a list of axes; all when None.
      keepdims: True leaves the reduced axes, of size 1.
      name: name of the operation.

    >>> import everflow as tf
    >>> tf.reduce_max([[1, 5], [3, 4]], axis=1)
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([5, 4], dtype=int32)>
    """
    if type(input_tensor) is EagerTensor and not STATE.busy and (axis is None or type(axis) is int):
        x = input_tensor._value
        if x.dtype in _FAST_NUMBERS and x.size:
            try:
                return EagerTensor(np.maximum.reduce(x, axis, None, None, bool(keepdims)))
            except (ValueError, RuntimeWarning):  # the door raises it, or computes it in silence
                pass
    return _reduce(Max, input_tensor, axis, keepdims, name)


@export("math.reduce_min", "reduce_min", v1=[])
def reduce_min(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
    """Smallest elements over axes; NaN if one is NaN.

    Args:
      input_tensor: a tensor of real numbers.
      axis: an axis or a list of axes; all when None.
      keepdims: True leaves the reduced axes, of size 1.
      name: name of the operation.

    >>> import everflow as tf
    >>> tf.reduce_min([[1, 5], [3, 4]], axis=1)
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([1, 3], dtype=int32)>
    """
    if type(input_tensor) is EagerTensor and not STATE.busy and (axis is None or type(axis) is int):
        x = input_tensor._value
        if x.dtype in _FAST_NUMBERS and x.size:
            try:
                return EagerTensor(np.minimum.reduce(x, axis, None, None, bool(keepdims)))
            except (ValueError, RuntimeWarning):  # the door raises it, or computes it in silence
                pass
    return _reduce(Min, input_tensor, axis, keepdims, name)


@export("math.reduce_all", "reduce_all", v1=[])
def reduce_all(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
    """True where all elements over axes are True.

    Args:
      input_tensor: a bool tensor.
      axis: an axis or a list of axes; all when None.
      keepdims: True leaves the reduced axes, of size 1.
      name: name of the operation.

    >>> import everflow as tf
    >>> tf.reduce_all([[True, False], [True, True]], axis=1)
    <tf.Tensor: shape=(2,), dtype=bool, numpy=array([False,  True])>
    """
    return _reduce(All, input_tensor, axis, keepdims, name, _bool_unless_tensor(input_tensor))


@export("math.reduce_any", "reduce_any", v1=[])
def reduce_any(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
    """True where any element over axes is True.

    Args:
      input_tensor: a bool tensor.
      axis: an axis or a list of axes; all when None.
      keepdims: True leaves the reduced axes, of size 1.
      name: name of the operation.

    >>> import everflow as tf
    >>> tf.reduce_any([[True, False], [False, False]], axis=1)
    <tf.Tensor: shape=(2,), dtype=bool, numpy=array([ True, False])>
    """
    return _reduce(Any_, input_tensor, axis, keepdims, name, _bool_unless_tensor(input_tensor))


def _bool_unless_tensor(value: Any) -> Any:
    return None if isinstance(value, Tensor) or hasattr(value, "_dense_var_to_tensor") else dtypes.bool


@export("math.reduce_euclidean_norm")
def reduce_euclidean_norm(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
    """Euclidean norms over axes.

    Args:
      input_tensor: a tensor of numbers.
      axis: an axis or a list of axes; all when None.
      keepdims: True leaves the reduced axes, of size 1.
      name: name of the operation.

    >>> import everflow as tf
    >>> tf.math.reduce_euclidean_norm([3., 4.])
    <tf.Tensor: shape=(), dtype=float32, numpy=5.0>
    """
    return _reduce(EuclideanNorm, input_tensor, axis, keepdims, name)


@export("math.reduce_logsumexp", "reduce_logsumexp", v1=[])
def reduce_logsumexp(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
    """log(sum(exp(x))) over axes, without overflow.

    Args:
      input_tensor: a tensor of floating point numbers.
      axis: an axis or a list of axes; all when None.
      keepdims: True leaves the reduced axes, of size 1.
      name: name of the operations.

    >>> import everflow as tf
    >>> tf.reduce_logsumexp([1000., 1000.])
    <tf.Tensor: shape=(), dtype=float32, numpy=1000.6932>
    """
    with name_scope(name, "ReduceLogSumExp") as scope:
        x = convert(input_tensor, name="input")
        raw_max = reduce_max(x, axis, keepdims=True)
        # Shifting by an infinite maximum would give NaN.
        shift = cards.StopGradient(cards.SelectV2(cards.IsFinite(raw_max), raw_max, np.zeros((), x.dtype.numpy_dtype)))
        total = cards.Log(reduce_sum(cards.Exp(x - shift), axis, keepdims=keepdims))
        if not keepdims:
            shift = cards.Reshape(shift, cards.Shape(total))
        return cards.AddV2(total, shift, name=scope or None)


@export("math.reduce_variance")
def reduce_variance(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
    """Variances over axes, of the elements taken as the whole population.

    Args:
      input_tensor: a tensor of floating point or complex numbers.
      axis: an axis or a list of axes; all when None.
      keepdims: True leaves the reduced axes, of size 1.
      name: name of the operations.

    Raises:
      TypeError: the tensor holds integers.

    >>> import everflow as tf
    >>> tf.math.reduce_variance([1., 3.])
    <tf.Tensor: shape=(), dtype=float32, numpy=1.0>
    """
    with name_scope(name, "reduce_variance"):
        x = convert(input_tensor)
        means = reduce_mean(x, axis, keepdims=True)
        if means.dtype.is_integer:
            raise TypeError(f"Input must be either real or complex. Received integer type {means.dtype}.")
        difference = x - means
        if difference.dtype.is_complex:
            squares = cards.Cast(
                cards.Real(difference * conjugated(difference), Tout=difference.dtype.real_dtype),
                DstT=difference.dtype.real_dtype,
            )
        else:
            squares = cards.Square(difference)
        return reduce_mean(squares, axis, keepdims=keepdims)


@export("math.reduce_std")
def reduce_std(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
    """Standard deviations over axes, of the elements taken as the whole population.

    Args:
      input_tensor: a tensor of floating point or complex numbers.
      axis: an axis or a list of axes; all when None.
      keepdims: True leaves the reduced axes, of size 1.
      name: name of the operations.

    Raises:
      TypeError: the tensor holds integers.

    >>> import everflow as tf
    >>> tf.math.reduce_std([1., 3.])
    <tf.Tensor: shape=(), dtype=float32, numpy=1.0>
    """
    with name_scope(name, "reduce_std"):
        return cards.Sqrt(reduce_variance(input_tensor, axis, keepdims))


@export("math.count_nonzero", v1=[])
def count_nonzero(
    input: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    dtype: Any = dtypes.int64,
    name: str | None = None,
) -> Any:
    """How many elements over axes are not zero (of strings: not empty).

    Args:
      input: a tensor of numbers, bools or strings.
      axis: an axis or a list of axes; all when None.
      keepdims: True leaves the reduced axes, of size 1.
      dtype: dtype of the result.
      name: name of the operations.

    >>> import everflow as tf
    >>> tf.math.count_nonzero([[0, 1], [2, 3]], axis=1)
    <tf.Tensor: shape=(2,), dtype=int64, numpy=array([1, 2])>
    """
    with name_scope(name, "count_nonzero"):
        x = convert(input, name="input")
        empty = np.array(b"", object) if x.dtype.base_dtype == dtypes.string else np.zeros((), x.dtype.numpy_dtype)
        nonzero = cards.Cast(cards.NotEqual(x, constant_array(empty, x.dtype.base_dtype, "zeros")), DstT=dtypes.int64)
        counts = reduce_sum(nonzero, axis, keepdims=bool(keepdims))
        wanted = dtypes.as_dtype(dtype)
        return counts if wanted == dtypes.int64 else cards.Cast(counts, DstT=wanted)


# ---- the same with the arguments of 1.x


@export(v1=["math.reduce_sum", "reduce_sum"])
def reduce_sum_v1(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Any:
    """Sums over axes; `reduction_indices` and `keep_dims` are older names of `axis` and `keepdims`."""
    axis, keep = old_arguments(axis, keepdims, reduction_indices, keep_dims)
    return reduce_sum(input_tensor, axis, keep, name)


@export(v1=["math.reduce_mean", "reduce_mean"])
def reduce_mean_v1(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Any:
    """Means over axes; `reduction_indices` and `keep_dims` are older names of `axis` and `keepdims`."""
    axis, keep = old_arguments(axis, keepdims, reduction_indices, keep_dims)
    return reduce_mean(input_tensor, axis, keep, name)


@export(v1=["math.reduce_prod", "reduce_prod"])
def reduce_prod_v1(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Any:
    """Products over axes; `reduction_indices` and `keep_dims` are older names of `axis` and `keepdims`."""
    axis, keep = old_arguments(axis, keepdims, reduction_indices, keep_dims)
    return reduce_prod(input_tensor, axis, keep, name)


@export(v1=["math.reduce_max", "reduce_max"])
def reduce_max_v1(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Any:
    """Maxima over axes; `reduction_indices` and `keep_dims` are older names of `axis` and `keepdims`."""
    axis, keep = old_arguments(axis, keepdims, reduction_indices, keep_dims)
    return reduce_max(input_tensor, axis, keep, name)


@export(v1=["math.reduce_min", "reduce_min"])
def reduce_min_v1(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Any:
    """Minima over axes; `reduction_indices` and `keep_dims` are older names of `axis` and `keepdims`."""
    axis, keep = old_arguments(axis, keepdims, reduction_indices, keep_dims)
    return reduce_min(input_tensor, axis, keep, name)


@export(v1=["math.reduce_all", "reduce_all"])
def reduce_all_v1(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Any:
    """Logical "and" over axes; `reduction_indices` and `keep_dims` are older names of `axis` and `keepdims`."""
    axis, keep = old_arguments(axis, keepdims, reduction_indices, keep_dims)
    return reduce_all(input_tensor, axis, keep, name)


@export(v1=["math.reduce_any", "reduce_any"])
def reduce_any_v1(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Any:
    """Logical "or" over axes; `reduction_indices` and `keep_dims` are older names of `axis` and `keepdims`."""
    axis, keep = old_arguments(axis, keepdims, reduction_indices, keep_dims)
    return reduce_any(input_tensor, axis, keep, name)


@export(v1=["math.reduce_logsumexp", "reduce_logsumexp"])
def reduce_logsumexp_v1(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Any:
    """log(sum(exp(x))) over axes; `reduction_indices` and `keep_dims` are older names of `axis` and `keepdims`."""
    axis, keep = old_arguments(axis, keepdims, reduction_indices, keep_dims)
    return reduce_logsumexp(input_tensor, axis, keep, name)


@export(v1=["count_nonzero", "math.count_nonzero"])
def count_nonzero_v1(
    input_tensor: Any = None,
    axis: Any = None,
    keepdims: bool | None = None,
    dtype: Any = dtypes.int64,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
    input: Any = None,
) -> Any:
    """How many elements are not zero; `reduction_indices` and `keep_dims` are older names."""
    if input_tensor is None:
        input_tensor = input
    elif input is not None:
        raise ValueError("Cannot specify both 'input_tensor' and 'input'.")
    axis, keep = old_arguments(axis, keepdims, reduction_indices, keep_dims)
    return count_nonzero(input_tensor, axis, keep, dtype, name)
