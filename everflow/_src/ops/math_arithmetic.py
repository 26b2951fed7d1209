"""Arithmetic: sums, products, quotients, remainders and powers, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.context import STATE
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.sparse_tensor import SparseTensor
from everflow._src.framework.tensor import EagerTensor, Tensor
from everflow._src.ops.broadcasting import sum_to_shape
from everflow._src.ops.by_name import cards
from everflow._src.ops.families import binary, fast_binary, fast_unary, unary
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid

_F, _C = dtypes.FLOATS, dtypes.COMPLEX
_FC = _F + _C
_ALL_NUMBERS = _F + dtypes.INTEGERS + _C
_SIGNED = _F + dtypes.SIGNED + _C


def conjugated(tensor: Any) -> Any:
    """The complex conjugate; the tensor itself when it is real."""
    return cards.Conj(tensor) if tensor.dtype.is_complex else tensor


# ---- kernels


def _check_divisor(xp: Any, divisor: Any) -> None:
    # A compiled program cannot stop in the middle; NumPy can.
    if xp is np and not np.all(divisor):
        raise invalid("Integer division by zero")


def _add_strings(xp: Any, x: Any, y: Any) -> Any:
    return np.asarray(np.add(x, y), object)


def _add(xp: Any, x: Any, y: Any) -> Any:
    return _add_strings(xp, x, y) if x.dtype.kind == "O" else xp.add(x, y)


def _floor_divide(xp: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind in "iu":
        _check_divisor(xp, y)
        return xp.floor_divide(x, y)
    # NumPy's floor_divide makes NaN of a division by zero, TensorFlow infinity.
    return xp.floor(xp.divide(x, y)) if x.dtype.kind != "c" else xp.divide(x, y)


def _floor_mod(xp: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind in "iu":
        _check_divisor(xp, y)
    return xp.mod(x, y)


def _truncate_divide(xp: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind not in "iu":
        return xp.trunc(xp.divide(x, y)) if x.dtype.kind != "c" else xp.divide(x, y)
    _check_divisor(xp, y)
    quotient = xp.floor_divide(x, y)
    if x.dtype.kind == "u":
        return quotient
    inexact = (quotient * y != x) & ((x < 0) != (y < 0))
    return quotient + inexact.astype(x.dtype)


def _truncate_mod(xp: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind in "iu":
        _check_divisor(xp, y)
    return xp.fmod(x, y)


def _real_divide(xp: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind in "iu":
        raise NotImplementedError("RealDiv of integers: use truediv, which converts them to floating point")
    return xp.divide(x, y)


def _divide(xp: Any, x: Any, y: Any) -> Any:
    return _truncate_divide(xp, x, y) if x.dtype.kind in "iu" else xp.divide(x, y)


def _zero_where(xp: Any, condition: Any, value: Any) -> Any:
    return xp.where(condition, xp.zeros((), value.dtype), value)


def _divide_no_nan(xp: Any, x: Any, y: Any) -> Any:
    return _zero_where(xp, y == 0, xp.divide(x, y))


def _power(xp: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind == "i" and xp is np and np.any(y < 0):
        raise invalid("Integers to negative integer powers are not allowed")
    return xp.power(x, y)


def _reciprocal(xp: Any, x: Any) -> Any:
    if x.dtype.kind in "iu":
        _check_divisor(xp, x)
        return _truncate_divide(xp, xp.ones_like(x), x)
    return xp.divide(xp.ones((), x.dtype), x)


def _sign(xp: Any, x: Any) -> Any:
    if x.dtype.kind != "c":
        return xp.sign(x)
    length = xp.abs(x)
    return xp.where(
        length == 0, xp.zeros((), x.dtype), x / xp.where(length == 0, xp.ones((), length.dtype), length)
    )


# ---- cards of two operands


def _sum_gradient(dz: Any, *, x_shape: Any, y_shape: Any) -> Any:
    return sum_to_shape(dz, x_shape, y_shape), sum_to_shape(dz, y_shape, x_shape)


def _difference_gradient(dz: Any, *, x_shape: Any, y_shape: Any) -> Any:
    return sum_to_shape(dz, x_shape, y_shape), sum_to_shape(-dz, y_shape, x_shape)


def _product_gradient(dz: Any, *, x: Any, y: Any, x_shape: Any, y_shape: Any) -> Any:
    return (
        sum_to_shape(dz * conjugated(y), x_shape, y_shape),
        sum_to_shape(dz * conjugated(x), y_shape, x_shape),
    )


def _quotient_gradient(dz: Any, *, x: Any, y: Any, x_shape: Any, y_shape: Any) -> Any:
    x, y = conjugated(x), conjugated(y)
    return (
        sum_to_shape(cards.RealDiv(dz, y), x_shape, y_shape),
        sum_to_shape(dz * cards.RealDiv(cards.RealDiv(-x, y), y), y_shape, x_shape),
    )


Add = binary(
    "Add",
    _add,
    _F + (dtypes.uint8, dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64) + _C + (dtypes.string,),
    _sum_gradient,
)
AddV2 = binary("AddV2", lambda xp, x, y: xp.add(x, y), _ALL_NUMBERS, _sum_gradient,
               joins=lambda unfinished, position, others, attrs: unfinished.plus(others[0]))
Sub = binary("Sub", lambda xp, x, y: xp.subtract(x, y), _ALL_NUMBERS, _difference_gradient)
Mul = binary("Mul", lambda xp, x, y: xp.multiply(x, y), _ALL_NUMBERS, _product_gradient)
RealDiv = binary("RealDiv", _real_divide, _ALL_NUMBERS, _quotient_gradient)
Div = binary("Div", _divide, _ALL_NUMBERS, _quotient_gradient)
FloorDiv = binary(
    "FloorDiv",
    _floor_divide,
    _ALL_NUMBERS,
    lambda dz: (None, None),
    left=[[1.1, 2.2, 3.4], [4.1, 5.2, 6.5]],
)
TruncateDiv = binary(
    "TruncateDiv",
    _truncate_divide,
    _ALL_NUMBERS,
    lambda dz: (None, None),
    left=[[1.1, 2.2, 3.4], [4.1, 5.2, 6.5]],
)


def _no_nan_gradient(dz: Any, *, x: Any, y: Any, x_shape: Any, y_shape: Any) -> Any:
    x, y = conjugated(x), conjugated(y)
    return (
        sum_to_shape(DivNoNan(dz, y), x_shape, y_shape),
        sum_to_shape(dz * DivNoNan(DivNoNan(-x, y), y), y_shape, x_shape),
    )


def _product_no_nan_gradient(dz: Any, *, x: Any, y: Any, x_shape: Any, y_shape: Any) -> Any:
    return (sum_to_shape(MulNoNan(dz, y), x_shape, y_shape), sum_to_shape(MulNoNan(x, dz), y_shape, x_shape))


DivNoNan = binary("DivNoNan", _divide_no_nan, _FC, _no_nan_gradient)
MulNoNan = binary(
    "MulNoNan", lambda xp, x, y: _zero_where(xp, y == 0, xp.multiply(x, y)), _FC, _product_no_nan_gradient
)


def _floor_mod_gradient(dz: Any, *, x: Any, y: Any, x_shape: Any, y_shape: Any) -> Any:
    return (
        sum_to_shape(dz, x_shape, y_shape),
        sum_to_shape(dz * -cards.Floor(cards.RealDiv(x, y)), y_shape, x_shape),
    )


def _truncate_mod_gradient(dz: Any, *, x: Any, y: Any, x_shape: Any, y_shape: Any) -> Any:
    return (sum_to_shape(dz, x_shape, y_shape), sum_to_shape(dz * -TruncateDiv(x, y), y_shape, x_shape))


FloorMod = binary(
    "FloorMod", _floor_mod, _F + dtypes.INTEGERS, _floor_mod_gradient, left=[[1.1, 2.2, 3.4], [4.1, 5.2, 6.5]]
)
TruncateMod = binary(
    "TruncateMod",
    _truncate_mod,
    _F + (dtypes.int32, dtypes.int64),
    _truncate_mod_gradient,
    left=[[1.1, 2.2, 3.4], [4.1, 5.2, 6.5]],
)
Mod = binary(
    "Mod",
    _truncate_mod,
    _F + (dtypes.int32, dtypes.int64),
    _truncate_mod_gradient,
    left=[[1.1, 2.2, 3.4], [4.1, 5.2, 6.5]],
)


def _power_gradient(dz: Any, *, x: Any, y: Any, z: Any, x_shape: Any, y_shape: Any) -> Any:
    x, y, z = conjugated(x), conjugated(y), conjugated(z)
    one = np.ones((), x.dtype.numpy_dtype)
    zero = np.zeros((), x.dtype.numpy_dtype)
    dx = dz * y * Pow(x, y - one)
    # 0 ** y is flat in y: the logarithm is taken only where it is finite.
    usable = cards.NotEqual(x, zero) if x.dtype.is_complex else cards.Greater(x, zero)
    logarithm = cards.SelectV2(usable, cards.Log(cards.SelectV2(usable, x, one)), zero)
    return sum_to_shape(dx, x_shape, y_shape), sum_to_shape(dz * z * logarithm, y_shape, x_shape)


Pow = binary("Pow", _power, _F + dtypes.SIGNED + _C, _power_gradient)


def _squared_difference_gradient(dz: Any, *, x: Any, y: Any, x_shape: Any, y_shape: Any) -> Any:
    dx = dz * np.full((), 2, dz.dtype.numpy_dtype) * (x - y)
    return sum_to_shape(dx, x_shape, y_shape), sum_to_shape(-dx, y_shape, x_shape)


def _squared_difference(xp: Any, x: Any, y: Any) -> Any:
    difference = xp.subtract(x, y)
    return difference * xp.conj(difference) if x.dtype.kind == "c" else difference * difference


SquaredDifference = binary(
    "SquaredDifference",
    _squared_difference,
    _F + (dtypes.int32, dtypes.int64) + _C,
    _squared_difference_gradient,
)


# ---- cards of one operand

Neg = unary("Neg", lambda xp, x: xp.negative(x), _SIGNED, lambda dy: -dy)
Abs = unary("Abs", lambda xp, x: xp.abs(x), _F + dtypes.SIGNED, lambda dy, *, x: dy * cards.Sign(x), 0.5, 3.0)


def _sign_gradient(dy: Any, *, x: Any, y: Any) -> Any:
    if not x.dtype.is_complex:
        return cards.ZerosLike(dy)
    # x / |x| turns with x: the part of dy along x is lost, the rest is divided by |x|.
    real = x.dtype.real_dtype
    along = cards.Real(cards.Conj(dy) * y, Tout=real)
    length = cards.ComplexAbs(x, Tout=real)
    return cards.DivNoNan(dy - y * cards.Cast(along, DstT=x.dtype), cards.Cast(length, DstT=x.dtype))


Sign = unary("Sign", _sign, _SIGNED, _sign_gradient, 0.5, 3.0)
Square = unary(
    "Square",
    lambda xp, x: xp.square(x),
    _ALL_NUMBERS,
    lambda dy, *, x: dy * (np.full((), 2, x.dtype.numpy_dtype) * conjugated(x)),
)


def _reciprocal_gradient(dx: Any, *, y: Any) -> Any:
    return cards.ReciprocalGrad(y, dx)


def _reciprocal_grad_gradient(dz: Any, *, y: Any, dy: Any) -> Any:
    # The operation conjugates y itself: its slope along y is that of a function of conj(y).
    minus_two = np.full((), -2, y.dtype.numpy_dtype)
    return minus_two * conjugated(dz * y) * dy, cards.ReciprocalGrad(conjugated(y), dz)


Reciprocal = unary("Reciprocal", _reciprocal, _SIGNED, _reciprocal_gradient, 0.5, 3.0)
Inv = unary("Inv", _reciprocal, _SIGNED, _reciprocal_gradient, 0.5, 3.0)


def _reciprocal_grad(xp: Any, y: Any, dy: Any) -> Any:
    y = xp.conj(y)
    return -dy * (y * y)


ReciprocalGrad = binary(
    "ReciprocalGrad",
    _reciprocal_grad,
    _FC,
    _reciprocal_grad_gradient,
    right=((0.5, 1.5, 2.25),) * 2,
    signature="y: T, dy: T -> z: T",
    shape=shapes.merged,
    doc="Gradient of Reciprocal, of its output y.",
)
InvGrad = binary(
    "InvGrad",
    _reciprocal_grad,
    _FC,
    _reciprocal_grad_gradient,
    right=((0.5, 1.5, 2.25),) * 2,
    signature="y: T, dy: T -> z: T",
    shape=shapes.merged,
    doc="Gradient of Inv, of its output y.",
)

# ---- sums of many tensors


def _add_n(xp: Any, inputs: list[Any]) -> Any:
    inputs = [v for v in inputs if v is not None]
    if not inputs:
        return None  # gradients of what only a branch that was not taken computes
    total = inputs[0]
    if not isinstance(total, (np.ndarray, np.generic)) and hasattr(total, "add_lists"):
        return _add_variants(inputs)
    for value in inputs[1:]:
        if value.shape != total.shape:
            raise invalid(
                f"Inputs to operation AddN must have the same size and shape. Input 0: "
                f"{list(total.shape)} != input: {list(value.shape)}"
            )
        total = xp.add(total, value)
    return total


def _add_variants(inputs: list[Any]) -> Any:
    total = inputs[0]
    for value in inputs[1:]:
        total = total.add_lists(value)
    return total


_SUMMABLE = _ALL_NUMBERS + dtypes.QUANTIZED

AddN = op(
    "AddN",
    "inputs: N*T -> sum: T",
    T=_SUMMABLE + (dtypes.variant,),
    kernel=_add_n,
    shape=shapes.merged,
    takes_lists=True,
    gradient=lambda dsum, *, N: [dsum] * N,
    sample=lambda: ([[np.ones((2, 2), np.float32), np.eye(2, dtype=np.float32)]], {}),
    doc="Sum of tensors of one shape.",
)

AccumulateNV2 = op(
    "AccumulateNV2",
    "inputs: N*T -> sum: T",
    T=_SUMMABLE,
    more_attrs={"shape": Attr("shape")},
    kernel=_add_n,
    shape=shapes.from_attr("shape"),
    gradient=lambda dsum, *, N: [dsum] * N,
    sample=lambda: ([[np.ones((2, 2), np.float32), np.eye(2, dtype=np.float32)]], {"shape": [2, 2]}),
    doc="Sum of tensors of one shape.",
)


# ---- public functions

_add_fast = fast_binary(AddV2, np.add)
_subtract_fast = fast_binary(Sub, np.subtract)
_multiply_fast = fast_binary(Mul, np.multiply)
_negative_fast = fast_unary(Neg, np.negative, integers=True, sparse=True)
_square_fast = fast_unary(Square, np.square, integers=True, sparse=True)


@export("math.add", "add")
def add(x: Any, y: Any, name: str | None = None) -> Any:
    """x + y, element-wise and broadcast; strings are concatenated.

    Raises:
      tf.errors.InvalidArgumentError, TypeError: the dtypes differ.

    >>> import everflow as tf
    >>> tf.add([1, 2], 10)
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([11, 12], dtype=int32)>
    """
    if type(x) is EagerTensor and type(y) is EagerTensor and not STATE.busy:
        return _add_fast(x, y, name)
    return add_promoted(x, y, name, "Add")


def add_promoted(x: Any, y: Any, name: str | None, default_name: str) -> Any:
    """x + y, where a `y` that does not fit the dtype of `x` keeps its own (and the operation complains)."""
    with name_scope(name, default_name) as scope:
        x = convert(x, name="x")
        y = convert(y, hint=x.dtype.base_dtype, name="y")
        return (Add if x.dtype.base_dtype == dtypes.string else AddV2)(x, y, name=scope or None)


@export("math.subtract", "subtract")
def subtract(x: Any, y: Any, name: str | None = None) -> Any:
    """x - y, element-wise and broadcast.

    >>> import everflow as tf
    >>> tf.subtract([1., 2.], 10.)
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([-9., -8.], dtype=float32)>
    """
    return _subtract_fast(x, y, name)


@export("math.multiply", "multiply")
def multiply(x: Any, y: Any, name: str | None = None) -> Any:
    """x * y, element-wise and broadcast.

    >>> import everflow as tf
    >>> tf.multiply([[1], [2]], [3, 4])
    <tf.Tensor: shape=(2, 2), dtype=int32, numpy=
    array([[3, 4],
           [6, 8]], dtype=int32)>
    """
    return _multiply_fast(x, y, name)


# What integers are converted to before they are divided.
_QUOTIENT_TYPES = {
    dtypes.uint8: dtypes.float32,
    dtypes.int8: dtypes.float32,
    dtypes.uint16: dtypes.float32,
    dtypes.int16: dtypes.float32,
    dtypes.uint32: dtypes.float64,
    dtypes.int32: dtypes.float64,
    dtypes.uint64: dtypes.float64,
    dtypes.int64: dtypes.float64,
}
_DIVISIBLE = frozenset(_QUOTIENT_TYPES) | frozenset(_FC)


@export("math.truediv", "truediv")
def truediv(x: Any, y: Any, name: str | None = None) -> Any:
    """x / y as Python 3 divides: integers are converted to floating point first.

    8 and 16 bit integers become float32, wider ones float64.

    Raises:
      TypeError: the dtypes differ, or cannot be divided.

    >>> import everflow as tf
    >>> tf.truediv(7, 2)
    <tf.Tensor: shape=(), dtype=float64, numpy=3.5>
    """
    with name_scope(name, "truediv") as scope:
        x_tensor = isinstance(x, Tensor)
        if not x_tensor and (isinstance(y, Tensor) or hasattr(y, "_dense_var_to_tensor")):
            y = convert(y, name="y")
            x = convert(x, hint=y.dtype.base_dtype, name="x")
        else:
            x = convert(x, name="x")
            y = convert(y, hint=x.dtype.base_dtype, name="y")
        dtype = x.dtype.base_dtype
        if dtype != y.dtype.base_dtype:
            raise TypeError(f"`x` and `y` must have the same dtype, got {dtype!r} != {y.dtype.base_dtype!r}.")
        if dtype not in _DIVISIBLE:
            raise TypeError(
                f"Invalid dtype {dtype!r} in division. Expected one of "
                f"{{{', '.join(sorted(d.name for d in _DIVISIBLE))}}}."
            )
        target = _QUOTIENT_TYPES.get(dtype)
        if target is not None:
            x, y = cards.Cast(x, DstT=target), cards.Cast(y, DstT=target)
        return RealDiv(x, y, name=scope or None)


@export("math.divide", "divide")
def divide(x: Any, y: Any, name: str | None = None) -> Any:
    """x / y with Python's rules; the same as `tf.truediv` for tensors.

    >>> import everflow as tf
    >>> tf.divide([16, 12, 11], [4, 6, 2])
    <tf.Tensor: shape=(3,), dtype=float64, numpy=array([4. , 2. , 5.5])>
    """
    return truediv(x, y, name)


@export("realdiv")
def realdiv(x: Any, y: Any, name: str | None = None) -> Any:
    """x / y of real or complex tensors.

    >>> import everflow as tf
    >>> tf.realdiv(7., 2.)
    <tf.Tensor: shape=(), dtype=float32, numpy=3.5>
    """
    return RealDiv(x, y, name=name)


@export("math.floordiv", v1=["floordiv", "math.floordiv"])
def floordiv(x: Any, y: Any, name: str | None = None) -> Any:
    """x / y rounded down, for integers and floating point.

    >>> import everflow as tf
    >>> tf.math.floordiv([7, -7], 2)
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([ 3, -4], dtype=int32)>
    """
    return FloorDiv(x, y, name=name or "floordiv")


@export(v1=["floor_div"])
def floor_div(x: Any, y: Any, name: str | None = None) -> Any:
    """x / y rounded down."""
    return FloorDiv(x, y, name=name)


@export("math.floormod", "math.mod", v1=["floormod", "math.floormod", "math.mod", "mod"])
def floormod(x: Any, y: Any, name: str | None = None) -> Any:
    """Remainder of division rounded down: it has the sign of `y`.

    >>> import everflow as tf
    >>> tf.math.floormod([5, -5], 3)
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([2, 1], dtype=int32)>
    """
    return FloorMod(x, y, name=name)


@export("truncatediv")
def truncatediv(x: Any, y: Any, name: str | None = None) -> Any:
    """x / y rounded towards zero.

    >>> import everflow as tf
    >>> tf.truncatediv(-7, 2)
    <tf.Tensor: shape=(), dtype=int32, numpy=-3>
    """
    return TruncateDiv(x, y, name=name)


@export("truncatemod")
def truncatemod(x: Any, y: Any, name: str | None = None) -> Any:
    """Remainder of division rounded towards zero: it has the sign of `x`.

    >>> import everflow as tf
    >>> tf.truncatemod(-7, 2)
    <tf.Tensor: shape=(), dtype=int32, numpy=-1>
    """
    return TruncateMod(x, y, name=name)


@export(v1=["div"])
def div(x: Any, y: Any, name: str | None = None) -> Any:
    """x / y as Python 2 divides: integers are rounded down, floating point numbers are not."""
    with name_scope(name, "div") as scope:
        x = convert(x, name="x")
        y = convert(y, x.dtype.base_dtype, name="y")
        if x.dtype.is_floating or x.dtype.is_complex:
            return RealDiv(x, y, name=scope or None)
        return FloorDiv(x, y, name=scope or None)


@export("math.divide_no_nan", v1=["div_no_nan", "math.divide_no_nan"])
def divide_no_nan(x: Any, y: Any, name: str | None = None) -> Any:
    """x / y, and 0 where y is 0; integers are converted to floating point first.

    >>> import everflow as tf
    >>> tf.math.divide_no_nan([1., 2.], [0., 4.])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0. , 0.5], dtype=float32)>
    """
    with name_scope(name, "div_no_nan") as scope:
        if not isinstance(x, Tensor) and isinstance(y, Tensor):
            x = convert(x, hint=y.dtype.base_dtype, name="x")
        x = convert(x, name="x")
        y = convert(y, x.dtype.base_dtype if not isinstance(y, Tensor) else None, name="y")
        if x.dtype.base_dtype != y.dtype.base_dtype:
            raise TypeError(f"`x` and `y` must have the same dtype, got {x.dtype!r} != {y.dtype!r}.")
        if x.dtype.base_dtype not in _DIVISIBLE:
            raise TypeError(
                f"Invalid dtype {x.dtype!r} in tf.math.divide_no_nan. Expected one of "
                f"{{{', '.join(sorted(d.name for d in _DIVISIBLE))}}}."
            )
        target = _QUOTIENT_TYPES.get(x.dtype.base_dtype)
        if target is not None:
            x, y = cards.Cast(x, DstT=target), cards.Cast(y, DstT=target)
        return DivNoNan(x, y, name=scope or None)


@export("math.multiply_no_nan")
def multiply_no_nan(x: Any, y: Any, name: str | None = None) -> Any:
    """x * y, and 0 where y is 0, even if x is infinite or NaN.

    >>> import everflow as tf
    >>> tf.math.multiply_no_nan(float("nan"), 0.)
    <tf.Tensor: shape=(), dtype=float32, numpy=0.0>
    """
    with name_scope(name, "multiply_no_nan") as scope:
        x = convert(x, name="x")
        y = convert(y, x.dtype.base_dtype if not isinstance(y, Tensor) else None, name="y")
        return MulNoNan(x, y, name=scope or None)


@export("math.reciprocal_no_nan")
def reciprocal_no_nan(x: Any, name: str | None = None) -> Any:
    """1 / x, and 0 where x is 0.

    >>> import everflow as tf
    >>> tf.math.reciprocal_no_nan([2., 0.])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.5, 0. ], dtype=float32)>
    """
    with name_scope(name, "reciprocal_no_nan") as scope:
        x = convert(x, name="x")
        one = convert(np.ones((), x.dtype.numpy_dtype), name="one")
        return DivNoNan(one, x, name=scope or None)


@export("math.reciprocal", v1=["math.reciprocal", "reciprocal"])
def reciprocal(x: Any, name: str | None = None) -> Any:
    """1 / x, element-wise.

    >>> import everflow as tf
    >>> tf.math.reciprocal([2., 4.])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.5 , 0.25], dtype=float32)>
    """
    return Reciprocal(x, name=name)


@export("math.pow", "pow")
def pow(x: Any, y: Any, name: str | None = None) -> Any:
    """x to the power of y, element-wise and broadcast.

    Raises:
      tf.errors.InvalidArgumentError: an integer to a negative power.

    >>> import everflow as tf
    >>> tf.pow([2, 3], [3, 2])
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([8, 9], dtype=int32)>
    """
    return Pow(x, y, name=name)


@export("math.squared_difference", v1=["math.squared_difference", "squared_difference"])
def squared_difference(x: Any, y: Any, name: str | None = None) -> Any:
    """conj(x - y) * (x - y), element-wise and broadcast.

    >>> import everflow as tf
    >>> tf.math.squared_difference([1., 2.], 4.)
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([9., 4.], dtype=float32)>
    """
    return SquaredDifference(x, y, name=name)


@export("math.negative", "negative")
def negative(x: Any, name: str | None = None) -> Any:
    """-x, element-wise.

    >>> import everflow as tf
    >>> tf.negative([1, -2])
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([-1,  2], dtype=int32)>
    """
    return _negative_fast(x, name)


@export("math.abs", "abs")
def abs(x: Any, name: str | None = None) -> Any:
    """Absolute value, element-wise; the modulus, a real number, of complex numbers.

    >>> import everflow as tf
    >>> tf.abs([-2.5, 3.])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([2.5, 3. ], dtype=float32)>
    """
    if isinstance(x, SparseTensor):
        return x.with_values(abs(x.values, name))
    x = convert(x, name="x")
    if x.dtype.is_complex:
        return cards.ComplexAbs(x, Tout=x.dtype.real_dtype, name=name)
    return Abs(x, name=name)


@export("math.sign", "sign")
def sign(x: Any, name: str | None = None) -> Any:
    """-1, 0 or 1 with the sign of x; x / |x| of complex numbers, 0 of zero.

    >>> import everflow as tf
    >>> tf.sign([-2., 0., 5.])
    <tf.Tensor: shape=(3,), dtype=float32, numpy=array([-1.,  0.,  1.], dtype=float32)>
    """
    if isinstance(x, SparseTensor):
        return x.with_values(Sign(x.values, name=name))
    return Sign(x, name=name)


@export("math.square", "square")
def square(x: Any, name: str | None = None) -> Any:
    """x * x, element-wise.

    >>> import everflow as tf
    >>> tf.square([-2., 3.])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([4., 9.], dtype=float32)>
    """
    return _square_fast(x, name)


@export("math.scalar_mul", "scalar_mul", v1=[])
def scalar_mul(scalar: Any, x: Any, name: str | None = None) -> Any:
    """A number times a tensor or `tf.IndexedSlices`.

    Raises:
      ValueError: `scalar` has dimensions.

    >>> import everflow as tf
    >>> tf.math.scalar_mul(3., [1., 2.])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([3., 6.], dtype=float32)>
    """
    if not isinstance(x, Tensor) and not hasattr(x, "indices"):
        x = convert(x)
    with name_scope(name, "scalar_mul") as scope:
        scalar = convert(scalar, dtype=x.dtype.base_dtype, name="scalar")
        if scalar.shape.rank not in (0, None):
            raise ValueError(f"The input scalar must be a 0-D value. Received shape {scalar.shape}.")
        if hasattr(x, "indices"):
            return type(x)(Mul(scalar, x.values, name=scope or None), x.indices, x.dense_shape)
        return Mul(scalar, x, name=scope or None)


@export(v1=["math.scalar_mul", "scalar_mul"])
def scalar_mul_v1(scalar: Any, x: Any, name: str | None = None) -> Any:
    """A number times a tensor or `tf.IndexedSlices`."""
    return scalar_mul(scalar, x, name)


@export("math.add_n", "add_n")
def add_n(inputs: Any, name: str | None = None) -> Any:
    """Sum of a list of tensors of one shape and dtype.

    Raises:
      ValueError: the list is empty, or the shapes differ (in a graph).
      tf.errors.InvalidArgumentError: the shapes differ (eager).

    >>> import everflow as tf
    >>> tf.add_n([tf.constant([1, 2]), tf.constant([3, 4])])
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([4, 6], dtype=int32)>
    """
    if isinstance(inputs, Tensor):
        inputs = [inputs]
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise ValueError(
            "Inputs must be an iterable of at least one Tensor/IndexedSlices with the same dtype and "
            f"shape. Received: {inputs!r}"
        )
    tensors = [convert(x) for x in inputs]
    if len(tensors) == 1:
        return cards.Identity(tensors[0], name=name) if name else tensors[0]
    return AddN(tensors, name=name)


@export("math.accumulate_n", v1=["accumulate_n", "math.accumulate_n"])
def accumulate_n(inputs: Any, shape: Any = None, tensor_dtype: Any = None, name: str | None = None) -> Any:
    """Sum of a list of tensors of one shape and dtype, as `tf.add_n`.

    Args:
      inputs: tensors.
      shape: their shape, when it is not known otherwise.
      tensor_dtype: their dtype, checked.
      name: name of the operation.

    Raises:
      ValueError: the list is empty, or shapes or dtypes differ.

    >>> import everflow as tf
    >>> tf.math.accumulate_n([tf.constant([1, 2]), tf.constant([3, 4])])
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([4, 6], dtype=int32)>
    """
    if not inputs or not isinstance(inputs, (list, tuple)):
        raise ValueError(
            f"inputs must be a list of at least one Tensor with the same dtype and shape. "
            f"Received: {inputs!r}"
        )
    tensors = [convert(x) for x in inputs]
    if any(t.dtype.base_dtype != tensors[0].dtype.base_dtype for t in tensors):
        raise ValueError(
            "inputs must be a list of at least one Tensor with the same dtype and shape. Received "
            f"dtypes {[t.dtype.name for t in tensors]}"
        )
    if tensor_dtype is not None and dtypes.as_dtype(tensor_dtype) != tensors[0].dtype.base_dtype:
        raise TypeError(
            f"The `tensor_dtype` argument is {tensor_dtype}, but `input` is of type "
            f"{tensors[0].dtype}. These must be equal."
        )
    common = tensors[0].shape.merge_with(shape) if shape is not None else tensors[0].shape
    for tensor in tensors:
        common = common.merge_with(tensor.shape)
    if len(tensors) == 1:
        return cards.Identity(tensors[0], name=name) if name else tensors[0]
    return AddN(tensors, name=name)
