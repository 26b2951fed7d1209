"""Comparisons, logic, maxima and minima, and operations on bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import op
from everflow._src.framework.shape_rules import broadcast, broadcast_dims
from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.broadcasting import sum_to_shape
from everflow._src.ops.by_name import cards
from everflow._src.ops.families import binary, fast_binary, unary
from everflow._src.runtime.failures import invalid

_REAL = dtypes.REAL
_BOOLS = ([[True, False, True]], [[True], [False]])


# ---- cards: comparisons


def _comparison(name: str, ufunc: str) -> Any:
    return binary(
        name,
        lambda xp, x, y: getattr(xp, ufunc)(x, y),
        _REAL,
        signature="x: T, y: T -> z: bool",
        left=((1.0, 2.0, 3.0),),
        right=((2.0,), (3.0,)),
    )


Less = _comparison("Less", "less")
LessEqual = _comparison("LessEqual", "less_equal")
Greater = _comparison("Greater", "greater")
GreaterEqual = _comparison("GreaterEqual", "greater_equal")


def _are_compatible(left: tuple[int, ...], right: tuple[int, ...]) -> bool:
    return all(a == b or a == 1 or b == 1 for a, b in zip(left[::-1], right[::-1]))


def _equality_kernel(ufunc: str, answer: bool) -> Any:
    def kernel(xp: Any, x: Any, y: Any, *, incompatible_shape_error: bool) -> Any:
        if not incompatible_shape_error and not _are_compatible(x.shape, y.shape):
            return np.array(answer)
        result = getattr(xp, ufunc)(x, y)
        # Comparing arrays of objects gives Python's own answer when there are no dimensions.
        return result if hasattr(result, "dtype") else np.bool_(result)

    return kernel


def _equality_shape(op: Any) -> TensorShape:
    if op._attrs["incompatible_shape_error"]:
        return broadcast(op)
    left, right = op._inputs[0]._shape._dims, op._inputs[1]._shape._dims
    if left is None or right is None or None in left or None in right:
        return TensorShape(None)
    try:
        return TensorShape(broadcast_dims(left, right))
    except ValueError:
        return TensorShape(())


_COMPARABLE = _REAL + dtypes.COMPLEX + dtypes.QUANTIZED + (dtypes.bool, dtypes.string)

Equal = binary(
    "Equal",
    _equality_kernel("equal", False),
    _COMPARABLE,
    signature="x: T, y: T -> z: bool",
    left=((1.0, 2.0, 3.0),),
    right=((2.0,), (3.0,)),
    shape=_equality_shape,
    incompatible_shape_error=True,
)
NotEqual = binary(
    "NotEqual",
    _equality_kernel("not_equal", True),
    _COMPARABLE,
    signature="x: T, y: T -> z: bool",
    left=((1.0, 2.0, 3.0),),
    right=((2.0,), (3.0,)),
    shape=_equality_shape,
    incompatible_shape_error=True,
)


def _approximately_equal(xp: Any, x: Any, y: Any, *, tolerance: float) -> Any:
    if x.shape != y.shape:
        raise invalid(
            f"x and y must be of the same shape. x shape: {list(x.shape)}. y shape: {list(y.shape)}"
        )
    # The tolerance is a float32 in TensorFlow; differences of float32 values are compared as such.
    return xp.abs(xp.subtract(x, y)) < np.float32(tolerance)


ApproximateEqual = binary(
    "ApproximateEqual",
    _approximately_equal,
    _REAL + dtypes.COMPLEX + dtypes.QUANTIZED,
    signature="x: T, y: T -> z: bool",
    tolerance=1e-5,
    left=(1.0, 2.0),
    right=(1.0, 2.1),
)


# ---- cards: logic


def _logical(name: str, ufunc: str) -> Any:
    return op(
        name,
        "x: bool, y: bool -> z: bool",
        kernel=lambda xp, x, y: getattr(xp, ufunc)(x, y),
        shape=broadcast,
        no_gradient=True,
        doc=f"{name} of every pair of elements.",
        sample=lambda: ([np.array(v) for v in _BOOLS], {}),
    )


LogicalAnd = _logical("LogicalAnd", "logical_and")
LogicalOr = _logical("LogicalOr", "logical_or")
LogicalNot = op(
    "LogicalNot",
    "x: bool -> y: bool",
    kernel=lambda xp, x: xp.logical_not(x),
    shape=lambda op: op._inputs[0]._shape,
    no_gradient=True,
    doc="The opposite of every element.",
    sample=lambda: ([np.array([True, False])], {}),
)


def _property_of_floats(name: str, ufunc: str) -> Any:
    return unary(
        name,
        lambda xp, x: getattr(xp, ufunc)(x),
        dtypes.FLOATS,
        signature="x: T -> y: bool",
        values=(1.0, np.inf, np.nan, -np.inf),
    )


IsNan = _property_of_floats("IsNan", "isnan")
IsInf = _property_of_floats("IsInf", "isinf")
IsFinite = _property_of_floats("IsFinite", "isfinite")


# ---- cards: maxima and minima


def _extremum(name: str, ufunc: str, wins: str) -> Any:
    def gradient(dz: Any, *, x: Any, y: Any, x_shape: Any, y_shape: Any) -> Any:
        x_wins = getattr(cards, wins)(x, y)
        zero = np.zeros((), dz.dtype.numpy_dtype)
        return (
            sum_to_shape(cards.SelectV2(x_wins, dz, zero), x_shape, y_shape),
            sum_to_shape(cards.SelectV2(x_wins, zero, dz), y_shape, x_shape),
        )

    return binary(
        name,
        lambda xp, x, y: getattr(xp, ufunc)(x, y),
        _REAL,
        gradient,
        left=((1.0, 2.0, 3.0),),
        right=((1.5,), (2.5,)),
    )


Maximum = _extremum("Maximum", "maximum", "GreaterEqual")
Minimum = _extremum("Minimum", "minimum", "LessEqual")


# ---- cards: bits


def _bits(name: str, kernel: Any) -> Any:
    return binary(name, kernel, dtypes.INTEGERS, left=(5, 6, 12), right=(3, 1, 2))


def _left_shift(xp: Any, x: Any, y: Any) -> Any:
    # Shifts beyond the width are clamped, as TensorFlow's kernel does to have defined results.
    return xp.left_shift(x, _clamped_shift(xp, x, y))


def _right_shift(xp: Any, x: Any, y: Any) -> Any:
    return xp.right_shift(x, _clamped_shift(xp, x, y))


def _clamped_shift(xp: Any, x: Any, y: Any) -> Any:
    bits = x.dtype.itemsize * 8
    return xp.minimum(xp.maximum(y, np.zeros((), y.dtype)), np.array(bits - 1, y.dtype))


BitwiseAnd = _bits("BitwiseAnd", lambda xp, x, y: xp.bitwise_and(x, y))
BitwiseOr = _bits("BitwiseOr", lambda xp, x, y: xp.bitwise_or(x, y))
BitwiseXor = _bits("BitwiseXor", lambda xp, x, y: xp.bitwise_xor(x, y))
LeftShift = _bits("LeftShift", _left_shift)
RightShift = _bits("RightShift", _right_shift)
Invert = unary("Invert", lambda xp, x: xp.invert(x), dtypes.INTEGERS)


def _population_count(xp: Any, x: Any) -> Any:
    unsigned = np.dtype(f"uint{x.dtype.itemsize * 8}")
    return xp.bitwise_count(x.view(unsigned)).astype(np.uint8)


PopulationCount = unary("PopulationCount", _population_count, dtypes.INTEGERS, signature="x: T -> y: uint8")


# ---- public functions: comparisons

_less_fast = fast_binary(Less, np.less)
_less_equal_fast = fast_binary(LessEqual, np.less_equal)
_greater_fast = fast_binary(Greater, np.greater)
_greater_equal_fast = fast_binary(GreaterEqual, np.greater_equal)
_equal_fast = fast_binary(Equal, np.equal)
_not_equal_fast = fast_binary(NotEqual, np.not_equal)
_maximum_fast = fast_binary(Maximum, np.maximum)
_minimum_fast = fast_binary(Minimum, np.minimum)


@export("math.less", "less")
def less(x: Any, y: Any, name: str | None = None) -> Any:
    """x < y, element-wise and broadcast.

    >>> import everflow as tf
    >>> tf.less([1, 5], 3)
    <tf.Tensor: shape=(2,), dtype=bool, numpy=array([ True, False])>
    """
    return _less_fast(x, y, name)


@export("math.less_equal", "less_equal")
def less_equal(x: Any, y: Any, name: str | None = None) -> Any:
    """x <= y, element-wise and broadcast.

    >>> import everflow as tf
    >>> tf.less_equal([1, 3, 5], 3)
    <tf.Tensor: shape=(3,), dtype=bool, numpy=array([ True,  True, False])>
    """
    return _less_equal_fast(x, y, name)


@export("math.greater", "greater")
def greater(x: Any, y: Any, name: str | None = None) -> Any:
    """x > y, element-wise and broadcast.

    >>> import everflow as tf
    >>> tf.greater([1, 5], 3)
    <tf.Tensor: shape=(2,), dtype=bool, numpy=array([False,  True])>
    """
    return _greater_fast(x, y, name)


@export("math.greater_equal", "greater_equal")
def greater_equal(x: Any, y: Any, name: str | None = None) -> Any:
    """x >= y, element-wise and broadcast.

    >>> import everflow as tf
    >>> tf.greater_equal([1, 3, 5], 3)
    <tf.Tensor: shape=(3,), dtype=bool, numpy=array([False,  True,  True])>
    """
    return _greater_equal_fast(x, y, name)


@export("math.equal", "equal")
def equal(x: Any, y: Any, name: str | None = None) -> Any:
    """x == y, element-wise and broadcast, for all dtypes.

    Raises:
      tf.errors.InvalidArgumentError: the shapes cannot be broadcast.

    >>> import everflow as tf
    >>> tf.equal([1, 2], [1, 3])
    <tf.Tensor: shape=(2,), dtype=bool, numpy=array([ True, False])>
    """
    return _equal_fast(x, y, name)


@export("math.not_equal", "not_equal")
def not_equal(x: Any, y: Any, name: str | None = None) -> Any:
    """x != y, element-wise and broadcast, for all dtypes.

    >>> import everflow as tf
    >>> tf.not_equal([1, 2], [1, 3])
    <tf.Tensor: shape=(2,), dtype=bool, numpy=array([False,  True])>
    """
    return _not_equal_fast(x, y, name)


@export("math.maximum", "maximum")
def maximum(x: Any, y: Any, name: str | None = None) -> Any:
    """The greater of x and y, element-wise and broadcast; NaN where either is NaN.

    >>> import everflow as tf
    >>> tf.maximum([-1., 2.], 0.)
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0., 2.], dtype=float32)>
    """
    return _maximum_fast(x, y, name)


@export("math.minimum", "minimum")
def minimum(x: Any, y: Any, name: str | None = None) -> Any:
    """The smaller of x and y, element-wise and broadcast; NaN where either is NaN.

    >>> import everflow as tf
    >>> tf.minimum([-1., 2.], 0.)
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([-1.,  0.], dtype=float32)>
    """
    return _minimum_fast(x, y, name)


# ---- public functions: logic


@export("math.logical_and", "logical_and")
def logical_and(x: Any, y: Any, name: str | None = None) -> Any:
    """True where both are True.

    >>> import everflow as tf
    >>> tf.logical_and([True, True], [True, False])
    <tf.Tensor: shape=(2,), dtype=bool, numpy=array([ True, False])>
    """
    return LogicalAnd(x, y, name=name)


@export("math.logical_or", "logical_or")
def logical_or(x: Any, y: Any, name: str | None = None) -> Any:
    """True where either is True.

    >>> import everflow as tf
    >>> tf.logical_or([False, True], [False, False])
    <tf.Tensor: shape=(2,), dtype=bool, numpy=array([False,  True])>
    """
    return LogicalOr(x, y, name=name)


@export("math.logical_not", "logical_not")
def logical_not(x: Any, name: str | None = None) -> Any:
    """True where x is False.

    >>> import everflow as tf
    >>> tf.logical_not([True, False])
    <tf.Tensor: shape=(2,), dtype=bool, numpy=array([False,  True])>
    """
    return LogicalNot(x, name=name)


@export("math.logical_xor", v1=["logical_xor", "math.logical_xor"])
def logical_xor(x: Any, y: Any, name: str | None = "LogicalXor") -> Any:
    """True where exactly one of the two is True.

    >>> import everflow as tf
    >>> tf.math.logical_xor([True, True], [True, False])
    <tf.Tensor: shape=(2,), dtype=bool, numpy=array([False,  True])>
    """
    x = x if isinstance(x, Tensor) else convert(x, dtypes.bool, name="x")
    y = y if isinstance(y, Tensor) else convert(y, dtypes.bool, name="y")
    return LogicalAnd(LogicalOr(x, y), LogicalNot(LogicalAnd(x, y)), name=name)


@export("math.is_nan", v1=["debugging.is_nan", "is_nan", "math.is_nan"])
def is_nan(x: Any, name: str | None = None) -> Any:
    """True where x is NaN.

    >>> import everflow as tf
    >>> tf.math.is_nan([1., float("nan")])
    <tf.Tensor: shape=(2,), dtype=bool, numpy=array([False,  True])>
    """
    return IsNan(x, name=name)


@export("math.is_inf", v1=["debugging.is_inf", "is_inf", "math.is_inf"])
def is_inf(x: Any, name: str | None = None) -> Any:
    """True where x is infinite, of either sign.

    >>> import everflow as tf
    >>> tf.math.is_inf([1., float("-inf")])
    <tf.Tensor: shape=(2,), dtype=bool, numpy=array([False,  True])>
    """
    return IsInf(x, name=name)


@export("math.is_finite", v1=["debugging.is_finite", "is_finite", "math.is_finite"])
def is_finite(x: Any, name: str | None = None) -> Any:
    """True where x is neither infinite nor NaN.

    >>> import everflow as tf
    >>> tf.math.is_finite([1., float("inf"), float("nan")])
    <tf.Tensor: shape=(3,), dtype=bool, numpy=array([ True, False, False])>
    """
    return IsFinite(x, name=name)


# ---- public functions: bits


@export("bitwise.bitwise_and")
def bitwise_and(x: Any, y: Any, name: str | None = None) -> Any:
    """The bits that are set in both integers.

    >>> import everflow as tf
    >>> tf.bitwise.bitwise_and(6, 3)
    <tf.Tensor: shape=(), dtype=int32, numpy=2>
    """
    return BitwiseAnd(x, y, name=name)


@export("bitwise.bitwise_or")
def bitwise_or(x: Any, y: Any, name: str | None = None) -> Any:
    """The bits that are set in either integer.

    >>> import everflow as tf
    >>> tf.bitwise.bitwise_or(6, 3)
    <tf.Tensor: shape=(), dtype=int32, numpy=7>
    """
    return BitwiseOr(x, y, name=name)


@export("bitwise.bitwise_xor")
def bitwise_xor(x: Any, y: Any, name: str | None = None) -> Any:
    """The bits that are set in exactly one of the integers.

    >>> import everflow as tf
    >>> tf.bitwise.bitwise_xor(6, 3)
    <tf.Tensor: shape=(), dtype=int32, numpy=5>
    """
    return BitwiseXor(x, y, name=name)


@export("bitwise.invert")
def invert(x: Any, name: str | None = None) -> Any:
    """All bits of an integer flipped.

    >>> import everflow as tf
    >>> tf.bitwise.invert(5)
    <tf.Tensor: shape=(), dtype=int32, numpy=-6>
    """
    return Invert(x, name=name)


@export("bitwise.left_shift")
def left_shift(x: Any, y: Any, name: str | None = None) -> Any:
    """The bits of x moved up by y places.

    >>> import everflow as tf
    >>> tf.bitwise.left_shift(3, 2)
    <tf.Tensor: shape=(), dtype=int32, numpy=12>
    """
    return LeftShift(x, y, name=name)


@export("bitwise.right_shift")
def right_shift(x: Any, y: Any, name: str | None = None) -> Any:
    """The bits of x moved down by y places; the sign stays.

    >>> import everflow as tf
    >>> tf.bitwise.right_shift(-8, 2)
    <tf.Tensor: shape=(), dtype=int32, numpy=-2>
    """
    return RightShift(x, y, name=name)
