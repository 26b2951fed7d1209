"""Running sums and products along an axis, and where along an axis the extremes are."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.by_name import cards
from everflow._src.ops.math_arithmetic import conjugated
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid

_INDEX = Attr("type", dtypes.int32, allowed=(dtypes.int32, dtypes.int64))
_SMALL_FLOATS = frozenset(d.numpy_dtype for d in (dtypes.float16, dtypes.bfloat16))

# ---- kernels


def _scan_axis(x: Any, axis: Any) -> int:
    if axis.ndim != 0:
        raise invalid(f"ScanOp: axis must be a scalar, not {list(axis.shape)}")
    value = int(axis)
    if not -x.ndim <= value < x.ndim:
        raise invalid(f"ScanOp: Expected scan axis in the range [{-x.ndim}, {x.ndim}), but got {value}")
    return value % x.ndim


def _scan(xp: Any, x: Any, axis: Any, exclusive: bool, reverse: bool, accumulate: Any, start: Any) -> Any:
    """`accumulate(x, axis)` in either direction, shifted by one element when exclusive."""
    axis = _scan_axis(x, axis)
    if reverse:
        x = xp.flip(x, axis)
    if exclusive and x.shape[axis]:
        last = (slice(None),) * axis + (slice(0, -1),)
        first_shape = x.shape[:axis] + (1,) + x.shape[axis + 1 :]
        result = xp.concatenate([xp.full(first_shape, start, x.dtype), accumulate(x[last], axis)], axis)
    else:
        result = accumulate(x, axis)
    return xp.flip(result, axis) if reverse else result


def _cumsum(xp: Any, x: Any, axis: Any, *, exclusive: bool, reverse: bool) -> Any:
    return _scan(xp, x, axis, exclusive, reverse, lambda v, a: xp.cumsum(v, a, x.dtype), 0)


def _cumprod(xp: Any, x: Any, axis: Any, *, exclusive: bool, reverse: bool) -> Any:
    return _scan(xp, x, axis, exclusive, reverse, lambda v, a: xp.cumprod(v, a, x.dtype), 1)


def _cumulative_logsumexp(xp: Any, x: Any, axis: Any, *, exclusive: bool, reverse: bool) -> Any:
    def accumulate(v: Any, a: int) -> Any:
        if v.dtype in _SMALL_FLOATS:
            return np.logaddexp.accumulate(v.astype(np.float32), a).astype(v.dtype)
        return np.logaddexp.accumulate(v, a)

    return _scan(xp, x, axis, exclusive, reverse, accumulate, -np.inf)


def _cumulative_logsumexp_xla(jax: Any, x: Any, axis: Any, *, exclusive: bool, reverse: bool) -> Any:
    return _scan(jax.numpy, x, axis, exclusive, reverse, lambda v, a: jax.lax.cumlogsumexp(v, a), -np.inf)


# ---- cards


def _cumsum_gradient(dout: Any, *, axis: Any, exclusive: bool, reverse: bool) -> Any:
    return Cumsum(dout, axis, exclusive=exclusive, reverse=not reverse), None


def _cumprod_gradient(dout: Any, *, x: Any, out: Any, axis: Any, exclusive: bool, reverse: bool) -> Any:
    # Each output is a product that holds x once: its slope there is the product divided by x.
    total = Cumsum(conjugated(out) * dout, axis, exclusive=exclusive, reverse=not reverse)
    return cards.DivNoNan(total, conjugated(x)), None


def _cumulative_logsumexp_gradient(
    dout: Any, *, x: Any, out: Any, axis: Any, exclusive: bool, reverse: bool
) -> Any:
    # The sum of dout * exp(x - out) over the outputs that x reaches; gradients of either sign go separately,
    # so that everything stays in logarithms.
    lowest = np.full(
        (),
        np.finfo(np.float32).min if x.dtype != dtypes.float64 else np.finfo(np.float64).min,
        x.dtype.numpy_dtype,
    )
    zero = np.zeros((), x.dtype.numpy_dtype)

    def of_sign(gradient: Any) -> Any:
        positive = cards.Greater(gradient, zero)
        safe = cards.SelectV2(positive, gradient, np.ones((), x.dtype.numpy_dtype))
        logs = cards.SelectV2(positive, cards.Log(safe), lowest)
        return cards.Exp(CumulativeLogsumexp(logs - out, axis, exclusive=exclusive, reverse=not reverse) + x)

    return of_sign(dout) - of_sign(-dout), None


def _scan_card(
    name: str, kernel: Any, types: tuple[Any, ...], gradient: Any, doc: str, xla: Any = None
) -> Any:
    return op(
        name,
        "x: T, axis: Tidx -> out: T",
        T=types,
        Tidx=_INDEX,
        exclusive=False,
        reverse=False,
        kernel=kernel,
        xla=xla,
        static=("axis",),
        shape=shapes.unchanged,
        gradient=gradient,
        doc=doc,
        sample=lambda: (
            [np.array([[1.0, 2.0, -0.5], [0.5, -1.5, 3.0]], np.float32), np.array(1, np.int32)],
            {"reverse": True},
        ),
    )


Cumsum = _scan_card("Cumsum", _cumsum, dtypes.NUMERIC, _cumsum_gradient, "Running sums along an axis.")
Cumprod = _scan_card(
    "Cumprod", _cumprod, dtypes.NUMERIC, _cumprod_gradient, "Running products along an axis."
)
CumulativeLogsumexp = _scan_card(
    "CumulativeLogsumexp",
    _cumulative_logsumexp,
    dtypes.FLOATS,
    _cumulative_logsumexp_gradient,
    "Running log(sum(exp(x))) along an axis.",
    _cumulative_logsumexp_xla,
)


def _extreme_position(find: str, replacement: float) -> Any:
    def kernel(xp: Any, x: Any, dimension: Any, *, output_type: Any) -> Any:
        axis = int(dimension.reshape(()))
        if not -x.ndim <= axis < x.ndim:
            raise invalid(f"Expected dimension in the range [{-x.ndim}, {x.ndim}), but got {axis}")
        if x.shape[axis] == 0:
            raise invalid(f"Reduction axis {axis} is empty in shape {list(x.shape)}")
        if x.dtype.kind not in "biu" and (xp is not np or np.isnan(np.sum(x))):
            # NaN never wins in TensorFlow, and always in NumPy.
            x = xp.where(xp.isnan(x), x.dtype.type(replacement), x)
        return getattr(xp, find)(x, axis).astype(output_type.numpy_dtype)

    return kernel


def _position_shape(op: Any) -> TensorShape:
    dims = op._inputs[0]._shape._dims
    axis = constant_value(op._inputs[1])
    if dims is None:
        return TensorShape(None)
    if axis is None:
        return TensorShape([None] * (len(dims) - 1))
    position = shapes.normalize_axis(int(axis.reshape(())), len(dims))
    return TensorShape(dims[:position] + dims[position + 1 :])


def _position_card(name: str, kernel: Any, index_types: Any, output_types: Any) -> Any:
    return op(
        name,
        "input: T, dimension: Tidx -> output: output_type",
        T=dtypes.REAL + dtypes.QUANTIZED + (dtypes.bool,),
        Tidx=Attr("type", dtypes.int32, allowed=index_types),
        output_type=Attr("type", dtypes.int64, allowed=output_types),
        kernel=kernel,
        static=("dimension",),
        shape=_position_shape,
        no_gradient="positions do not change smoothly",
        doc=f"Position of the {name[3:]}.",
        sample=lambda: (
            [np.array([[1.0, 3.0, 2.0], [5.0, 4.0, 6.0]], np.float32), np.array(1, np.int32)],
            {},
        ),
    )


_WIDE = (dtypes.int32, dtypes.int64)
ArgMax = _position_card(
    "ArgMax",
    _extreme_position("argmax", -np.inf),
    (dtypes.int16, *_WIDE),
    (dtypes.int16, dtypes.uint16, *_WIDE),
)
ArgMin = _position_card("ArgMin", _extreme_position("argmin", np.inf), _WIDE, _WIDE)


# ---- public functions


@export("math.cumsum", "cumsum")
def cumsum(
    x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Any:
    """Running sums along an axis.

    Args:
      x: a tensor of numbers.
      axis: the axis, a number.
      exclusive: True leaves the element itself out: the first result is 0.
      reverse: True starts at the end.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError: `axis` is out of range.

    >>> import everflow as tf
    >>> tf.cumsum([1, 2, 3])
    <tf.Tensor: shape=(3,), dtype=int32, numpy=array([1, 3, 6], dtype=int32)>
    """
    return Cumsum(x, axis, exclusive=exclusive, reverse=reverse, name=name)


@export("math.cumprod", v1=["cumprod", "math.cumprod"])
def cumprod(
    x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Any:
    """Running products along an axis.

    Args:
      x: a tensor of numbers.
      axis: the axis, a number.
      exclusive: True leaves the element itself out: the first result is 1.
      reverse: True starts at the end.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError: `axis` is out of range.

    >>> import everflow as tf
    >>> tf.math.cumprod([1, 2, 3])
    <tf.Tensor: shape=(3,), dtype=int32, numpy=array([1, 2, 6], dtype=int32)>
    """
    return Cumprod(x, axis, exclusive=exclusive, reverse=reverse, name=name)


@export("math.cumulative_logsumexp")
def cumulative_logsumexp(
    x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Any:
    """Running log(sum(exp(x))) along an axis, without overflow.

    Args:
      x: a tensor of floating point numbers.
      axis: the axis, a number.
      exclusive: True leaves the element itself out: the first result is -inf.
      reverse: True starts at the end.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError: `axis` is out of range.

    >>> import everflow as tf
    >>> tf.math.cumulative_logsumexp([0., 0.])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.       , 0.6931472], dtype=float32)>
    """
    return CumulativeLogsumexp(x, axis, exclusive=exclusive, reverse=reverse, name=name)


@export("math.argmax", "argmax", v1=[])
def argmax(input: Any, axis: Any = None, output_type: Any = dtypes.int64, name: str | None = None) -> Any:
    """The position of the greatest element along an axis; the first of equal ones.

    Args:
      input: a tensor of real numbers or bools.
      axis: the axis, the first when None.
      output_type: int16, uint16, int32 or int64.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError: `axis` is out of range, or empty.

    >>> import everflow as tf
    >>> tf.argmax([[1, 5], [7, 2]], axis=1)
    <tf.Tensor: shape=(2,), dtype=int64, numpy=array([1, 0])>
    """
    return ArgMax(input, 0 if axis is None else axis, output_type=output_type, name=name)


@export("math.argmin", "argmin", v1=[])
def argmin(input: Any, axis: Any = None, output_type: Any = dtypes.int64, name: str | None = None) -> Any:
    """The position of the smallest element along an axis; the first of equal ones.

    Args:
      input: a tensor of real numbers or bools.
      axis: the axis, the first when None.
      output_type: int32 or int64.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError: `axis` is out of range, or empty.

    >>> import everflow as tf
    >>> tf.argmin([[1, 5], [7, 2]], axis=1)
    <tf.Tensor: shape=(2,), dtype=int64, numpy=array([0, 1])>
    """
    return ArgMin(input, 0 if axis is None else axis, output_type=output_type, name=name)


def _old_dimension(axis: Any, dimension: Any) -> Any:
    if dimension is not None:
        if axis is not None:
            raise ValueError("Cannot specify both 'dimension' and 'axis'.")
        return dimension
    return 0 if axis is None else axis


@export(v1=["argmax", "math.argmax"])
def argmax_v1(
    input: Any,
    axis: Any = None,
    name: str | None = None,
    dimension: Any = None,
    output_type: Any = dtypes.int64,
) -> Any:
    """The position of the greatest element along an axis; `dimension` is an older name of `axis`."""
    return argmax(input, _old_dimension(axis, dimension), output_type, name)


@export(v1=["argmin", "math.argmin"])
def argmin_v1(
    input: Any,
    axis: Any = None,
    name: str | None = None,
    dimension: Any = None,
    output_type: Any = dtypes.int64,
) -> Any:
    """The position of the smallest element along an axis; `dimension` is an older name of `axis`."""
    return argmin(input, _old_dimension(axis, dimension), output_type, name)


@export(v1=["arg_max"])
def arg_max(input: Any, dimension: Any, output_type: Any = dtypes.int64, name: str | None = None) -> Any:
    """The position of the greatest element along `dimension`."""
    return ArgMax(input, dimension, output_type=output_type, name=name)


@export(v1=["arg_min"])
def arg_min(input: Any, dimension: Any, output_type: Any = dtypes.int64, name: str | None = None) -> Any:
    """The position of the smallest element along `dimension`."""
    return ArgMin(input, dimension, output_type=output_type, name=name)


@export("math.polyval")
def polyval(coeffs: Any, x: Any, name: str | None = None) -> Any:
    """The value of a polynomial at x, element-wise, by Horner's rule.

    Args:
      coeffs: a list of coefficients, the one of the highest power first.
      x: where to evaluate it.
      name: name of the operations.

    Raises:
      ValueError: `coeffs` is no list.

    >>> import everflow as tf
    >>> tf.math.polyval([1, 2, 3], 2)
    <tf.Tensor: shape=(), dtype=int32, numpy=11>
    """
    if not isinstance(coeffs, list):
        raise ValueError(f"Argument coeffs must be list type. Received type {type(coeffs)}.")
    with name_scope(name, "polyval"):
        x = convert(x, name="x")
        if not coeffs:
            return cards.ZerosLike(x)
        tensors = [
            convert(c, x.dtype.base_dtype if not hasattr(c, "dtype") else None, name=f"{i}_coeff")
            for i, c in enumerate(coeffs)
        ]
        value = tensors[0]
        for coefficient in tensors[1:]:
            value = coefficient + value * x
        return value


def _differences(x: Any) -> Any:
    flat = cards.Reshape(x, np.array([-1], np.int32))
    return flat[1:], flat[:-1]


@export(
    "math.is_non_decreasing",
    v1=["debugging.is_non_decreasing", "is_non_decreasing", "math.is_non_decreasing"],
)
def is_non_decreasing(x: Any, name: str | None = None) -> Any:
    """True when no element is smaller than the one before, in row-major order.

    Raises:
      TypeError: x does not hold numbers.

    >>> import everflow as tf
    >>> tf.math.is_non_decreasing([1, 1, 2])
    <tf.Tensor: shape=(), dtype=bool, numpy=True>
    """
    with name_scope(name, "is_non_decreasing"):
        later, earlier = _differences(convert(x, name="x"))
        return cards.All(cards.LessEqual(earlier, later), np.array([0], np.int32))


@export(
    "math.is_strictly_increasing",
    v1=["debugging.is_strictly_increasing", "is_strictly_increasing", "math.is_strictly_increasing"],
)
def is_strictly_increasing(x: Any, name: str | None = None) -> Any:
    """True when every element is greater than the one before, in row-major order.

    Raises:
      TypeError: x does not hold numbers.

    >>> import everflow as tf
    >>> tf.math.is_strictly_increasing([1, 1, 2])
    <tf.Tensor: shape=(), dtype=bool, numpy=False>
    """
    with name_scope(name, "is_strictly_increasing"):
        later, earlier = _differences(convert(x, name="x"))
        return cards.All(cards.Less(earlier, later), np.array([0], np.int32))
