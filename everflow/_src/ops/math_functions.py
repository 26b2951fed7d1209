"""Elementary functions: roots, exponentials, logarithms, trigonometry, rounding, complex numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.tensor import Tensor
from everflow._src.ops.broadcasting import sum_to_shape
from everflow._src.ops.by_name import cards
from everflow._src.ops.families import binary, fast_unary, unary
from everflow._src.ops.math_arithmetic import conjugated
from everflow._src.ops.naming import name_scope

_F, _C = dtypes.FLOATS, dtypes.COMPLEX
_FC = _F + _C


def _number(value: float, like: Any) -> Any:
    """A constant of the dtype of `like`, for gradients."""
    return np.full((), value, like.dtype.numpy_dtype)


# ---- kernels


def _sigmoid(xp: Any, x: Any) -> Any:
    one = x.dtype.type(1)
    return xp.divide(one, xp.add(one, xp.exp(xp.negative(x))))


def _rsqrt(xp: Any, x: Any) -> Any:
    return xp.divide(x.dtype.type(1), xp.sqrt(x))


def _round(xp: Any, x: Any) -> Any:
    if x.dtype.kind in "iu":
        return x
    return xp.round(x) if x.dtype.kind == "c" else xp.rint(x)


def _of_half(name: str) -> Any:
    """A NumPy function that some of NumPy's builds lack for bfloat16."""

    def kernel(xp: Any, x: Any) -> Any:
        if xp is np and x.dtype == dtypes.bfloat16.numpy_dtype:
            return getattr(np, name)(x.astype(np.float32)).astype(x.dtype)
        return getattr(xp, name)(x)

    return kernel


# ---- cards: roots, exponentials and logarithms


def _sqrt_grad(xp: Any, y: Any, dy: Any) -> Any:
    # A gradient of zero stays zero where the root is zero, so that masks keep infinities out.
    return xp.where(dy == 0, dy, xp.divide(dy * y.dtype.type(0.5), xp.conj(y)))


SqrtGrad = binary(
    "SqrtGrad",
    _sqrt_grad,
    _FC,
    lambda dz, *, y, dy: (
        conjugated(dz) * dy * _number(-0.5, y) / cards.Square(conjugated(y)),
        SqrtGrad(conjugated(y), dz),
    ),
    left=(0.5, 1.0, 2.0),
    right=(1.0, -1.0, 0.5),
    signature="y: T, dy: T -> z: T",
    shape=shapes.merged,
    doc="Gradient of Sqrt, of its output y.",
)
Sqrt = unary("Sqrt", _of_half("sqrt"), _FC, lambda dy, *, y: SqrtGrad(y, dy), 0.5, 3.0)

RsqrtGrad = binary(
    "RsqrtGrad",
    lambda xp, y, dy: dy * (y.dtype.type(-0.5) * xp.conj(y)) * xp.conj(y) * xp.conj(y),
    _FC,
    lambda dz, *, y, dy: (
        conjugated(dz) * dy * _number(-1.5, y) * cards.Square(conjugated(y)),
        RsqrtGrad(conjugated(y), dz),
    ),
    left=(0.5, 1.0, 2.0),
    right=(1.0, -1.0, 0.5),
    signature="y: T, dy: T -> z: T",
    shape=shapes.merged,
    doc="Gradient of Rsqrt, of its output y.",
)
Rsqrt = unary(
    "Rsqrt", _rsqrt, _FC, lambda dy, *, y: RsqrtGrad(y, dy), 0.5, 3.0, xla=lambda jax, x: jax.lax.rsqrt(x)
)
Exp = unary("Exp", _of_half("exp"), _FC, lambda dy, *, y: dy * conjugated(y))
Expm1 = unary("Expm1", _of_half("expm1"), _FC, lambda dy, *, x: dy * Exp(conjugated(x)))
Log = unary("Log", _of_half("log"), _FC, lambda dy, *, x: dy * cards.Reciprocal(conjugated(x)), 0.5, 3.0)
Log1p = unary(
    "Log1p",
    _of_half("log1p"),
    _FC,
    lambda dy, *, x: dy * cards.Reciprocal(_number(1, x) + conjugated(x)),
    -0.5,
    3.0,
)

# ---- cards: trigonometry


def _cosine_squared(x: Any) -> Any:
    return cards.Square(Cos(conjugated(x)))


def _one_minus_square(x: Any) -> Any:
    return _number(1, x) - cards.Square(conjugated(x))


Sin = unary("Sin", _of_half("sin"), _FC, lambda dy, *, x: dy * Cos(conjugated(x)))
Cos = unary("Cos", _of_half("cos"), _FC, lambda dy, *, x: -dy * Sin(conjugated(x)))
Tan = unary(
    "Tan", _of_half("tan"), _FC, lambda dy, *, x: dy * cards.Reciprocal(_cosine_squared(x)), -1.0, 1.0
)
Asin = unary("Asin", _of_half("arcsin"), _FC, lambda dy, *, x: dy * Rsqrt(_one_minus_square(x)), -0.7, 0.7)
Acos = unary("Acos", _of_half("arccos"), _FC, lambda dy, *, x: -dy * Rsqrt(_one_minus_square(x)), -0.7, 0.7)
Atan = unary(
    "Atan",
    _of_half("arctan"),
    _FC,
    lambda dy, *, x: dy * cards.Reciprocal(_number(1, x) + cards.Square(conjugated(x))),
)
Sinh = unary("Sinh", _of_half("sinh"), _FC, lambda dy, *, x: dy * Cosh(conjugated(x)))
Cosh = unary("Cosh", _of_half("cosh"), _FC, lambda dy, *, x: dy * Sinh(conjugated(x)))
Asinh = unary("Asinh", _of_half("arcsinh"), _FC, lambda dy, *, y: dy / Cosh(conjugated(y)))
Acosh = unary("Acosh", _of_half("arccosh"), _FC, lambda dy, *, y: dy / Sinh(conjugated(y)), 1.3, 3.0)
Atanh = unary(
    "Atanh", _of_half("arctanh"), _FC, lambda dy, *, x: dy * cards.Reciprocal(_one_minus_square(x)), -0.7, 0.7
)


def _atan2_gradient(dz: Any, *, y: Any, x: Any, y_shape: Any, x_shape: Any) -> Any:
    scale = dz / (cards.Square(x) + cards.Square(y))
    return sum_to_shape(x * scale, y_shape, x_shape), sum_to_shape(-y * scale, x_shape, y_shape)


Atan2 = binary(
    "Atan2", lambda xp, y, x: xp.arctan2(y, x), _F, _atan2_gradient, signature="y: T, x: T -> z: T"
)

# ---- cards: squashing functions

TanhGrad = binary(
    "TanhGrad",
    lambda xp, y, dy: dy * (y.dtype.type(1) - xp.square(y)),
    _FC,
    lambda dz, *, y, dy: (_number(-2, y) * dz * conjugated(y * dy), TanhGrad(conjugated(y), dz)),
    left=(0.5, -0.3, 0.2),
    right=(1.0, -1.0, 0.5),
    signature="y: T, dy: T -> z: T",
    shape=shapes.merged,
    doc="Gradient of Tanh, of its (conjugated) output y.",
)
Tanh = unary("Tanh", _of_half("tanh"), _FC, lambda dy, *, y: TanhGrad(conjugated(y), dy))

SigmoidGrad = binary(
    "SigmoidGrad",
    lambda xp, y, dy: dy * y * (y.dtype.type(1) - y),
    _FC,
    lambda dz, *, y, dy: (
        dz * conjugated(dy * (_number(1, y) - _number(2, y) * y)),
        SigmoidGrad(conjugated(y), dz),
    ),
    left=(0.5, 0.3, 0.2),
    right=(1.0, -1.0, 0.5),
    signature="y: T, dy: T -> z: T",
    shape=shapes.merged,
    doc="Gradient of Sigmoid, of its (conjugated) output y.",
)
Sigmoid = unary(
    "Sigmoid",
    _sigmoid,
    _FC,
    lambda dy, *, y: SigmoidGrad(conjugated(y), dy),
    xla=lambda jax, x: jax.nn.sigmoid(x),
)

# ---- cards: rounding

Round = unary("Round", _round, _F + dtypes.SIGNED + _C, lambda dy: None, values=(-1.6, -0.4, 0.3, 1.7, 2.6))
Rint = unary("Rint", lambda xp, x: xp.rint(x), _F, lambda dy: None, values=(-1.6, -0.4, 0.3, 1.7, 2.6))
Ceil = unary("Ceil", lambda xp, x: xp.ceil(x), _F, lambda dy: None, values=(-1.5, -0.4, 0.5, 2.6))
Floor = unary("Floor", lambda xp, x: xp.floor(x), _F, lambda dy: None, values=(-1.5, -0.4, 0.5, 2.6))
NextAfter = binary(
    "NextAfter",
    lambda xp, x, y: xp.nextafter(x, y),
    (dtypes.float64, dtypes.float32),
    lambda dz, *, x1_shape, x2, x2_shape: (sum_to_shape(dz, x1_shape, x2_shape), cards.ZerosLike(x2)),
    signature="x1: T, x2: T -> output: T",
)

# ---- cards: complex numbers

_COMPLEX_IN = Attr("type", dtypes.complex64, allowed=_C)
_REAL_OUT = Attr("type", dtypes.float32, allowed=(dtypes.float32, dtypes.float64))
_COMPLEX_SAMPLE = np.array([[1 + 2j, -0.5 + 0.25j], [0.75 - 1j, -2 - 0.5j]], np.complex64)


def _make_complex(xp: Any, real: Any, imag: Any, *, Tout: Any) -> Any:
    target = Tout.numpy_dtype
    return xp.add(real.astype(target), xp.multiply(imag.astype(target), target.type(1j)))


def _make_complex_numpy(xp: Any, real: Any, imag: Any, *, Tout: Any) -> Any:
    # Filling the parts keeps infinities and NaNs apart, which a product with 1j would mix.
    if xp is not np:
        return _make_complex(xp, real, imag, Tout=Tout)
    result = np.empty(np.broadcast_shapes(real.shape, imag.shape), Tout.numpy_dtype)
    result.real, result.imag = real, imag
    return result


def _complex_gradient(dout: Any, *, real_shape: Any, imag_shape: Any, T: Any) -> Any:
    return (
        sum_to_shape(Real(dout, Tout=T), real_shape, imag_shape),
        sum_to_shape(Imag(dout, Tout=T), imag_shape, real_shape),
    )


Complex = op(
    "Complex",
    "real: T, imag: T -> out: Tout",
    T=_REAL_OUT,
    Tout=_COMPLEX_IN,
    kernel=_make_complex_numpy,
    xla=lambda jax, real, imag, *, Tout: jax.lax.complex(*jax.numpy.broadcast_arrays(real, imag)),
    shape=shapes.broadcast,
    gradient=_complex_gradient,
    sample=lambda: ([np.array([1.0, 2.0], np.float32), np.array([[0.5], [-1.0]], np.float32)], {}),
    doc="Complex numbers of their parts.",
)


def _part(name: str, kernel: Any, gradient: Any, doc: str, **fields: Any) -> Any:
    return op(
        name,
        "input: T -> output: Tout",
        T=_COMPLEX_IN,
        Tout=_REAL_OUT,
        kernel=kernel,
        shape=shapes.unchanged,
        gradient=gradient,
        sample=lambda: ([_COMPLEX_SAMPLE.copy()], {}),
        doc=doc,
        **fields,
    )


def _to_complex(real: Any, imag: Any, dtype: Any) -> Any:
    return Complex(real, imag, Tout=dtype)


Real = _part(
    "Real", lambda xp, x: xp.real(x), lambda dy, *, T: _to_complex(dy, _number(0, dy), T), "Real parts."
)
Imag = _part(
    "Imag", lambda xp, x: xp.imag(x), lambda dy, *, T: _to_complex(_number(0, dy), dy, T), "Imaginary parts."
)


def _angle_gradient(dy: Any, *, input: Any, T: Any) -> Any:
    real, imag = Real(input, Tout=dy.dtype), Imag(input, Tout=dy.dtype)
    return -_to_complex(dy, _number(0, dy), T) * cards.Reciprocal(_to_complex(imag, real, T))


Angle = _part("Angle", lambda xp, x: xp.angle(x), _angle_gradient, "Angles of complex numbers, in radians.")

ComplexAbs = op(
    "ComplexAbs",
    "x: T -> y: Tout",
    T=_COMPLEX_IN,
    Tout=_REAL_OUT,
    kernel=lambda xp, x: xp.abs(x),
    shape=shapes.unchanged,
    sample=lambda: ([_COMPLEX_SAMPLE.copy()], {}),
    gradient=lambda dy, *, x, T: _to_complex(dy, _number(0, dy), T) * cards.Sign(x),
    doc="Moduli of complex numbers.",
)

Conj = op(
    "Conj",
    "input: T -> output: T",
    T=Attr("type", dtypes.complex64, allowed=_C + (dtypes.variant,)),
    kernel=lambda xp, x: xp.conj(x),
    shape=shapes.unchanged,
    gradient=lambda dy: Conj(dy),
    sample=lambda: ([_COMPLEX_SAMPLE.copy()], {}),
    doc="Complex conjugates.",
)


# ---- public functions

_sqrt_fast = fast_unary(Sqrt, np.sqrt, sparse=True)
_exp_fast = fast_unary(Exp, np.exp)
_log_fast = fast_unary(Log, np.log)
_tanh_fast = fast_unary(Tanh, np.tanh, sparse=True)
_sin_fast = fast_unary(Sin, np.sin)
_cos_fast = fast_unary(Cos, np.cos)


@export("math.sqrt", "sqrt")
def sqrt(x: Any, name: str | None = None) -> Any:
    """Square root, element-wise; NaN of negative numbers.

    >>> import everflow as tf
    >>> tf.sqrt([4.0, 2.25])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([2. , 1.5], dtype=float32)>
    """
    return _sqrt_fast(x, name)


@export("math.rsqrt", v1=["math.rsqrt", "rsqrt"])
def rsqrt(x: Any, name: str | None = None) -> Any:
    """1 / sqrt(x), element-wise.

    >>> import everflow as tf
    >>> tf.math.rsqrt([4.0, 16.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.5 , 0.25], dtype=float32)>
    """
    return Rsqrt(x, name=name)


@export("exp", "math.exp")
def exp(x: Any, name: str | None = None) -> Any:
    """e to the power of x, element-wise.

    >>> import everflow as tf
    >>> tf.exp([0.0, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([1.      , 2.718282], dtype=float32)>
    """
    return _exp_fast(x, name)


@export("math.expm1", v1=["expm1", "math.expm1"])
def expm1(x: Any, name: str | None = None) -> Any:
    """exp(x) - 1, element-wise, exact for small x.

    >>> import everflow as tf
    >>> tf.math.expm1([0.0, 1.0]).numpy().round(4)
    array([0.    , 1.7183], dtype=float32)
    """
    return Expm1(x, name=name)


@export("math.log", v1=["log", "math.log"])
def log(x: Any, name: str | None = None) -> Any:
    """Natural logarithm, element-wise; NaN of negative numbers.

    >>> import everflow as tf
    >>> tf.math.log([1.0, 10.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.       , 2.3025851], dtype=float32)>
    """
    return _log_fast(x, name)


@export("math.log1p", v1=["log1p", "math.log1p"])
def log1p(x: Any, name: str | None = None) -> Any:
    """log(1 + x), element-wise, exact for small x.

    >>> import everflow as tf
    >>> tf.math.log1p([0.0, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.       , 0.6931472], dtype=float32)>
    """
    return Log1p(x, name=name)


@export("math.sin", "sin")
def sin(x: Any, name: str | None = None) -> Any:
    """Sine of angles in radians, element-wise.

    >>> import everflow as tf
    >>> tf.sin([0.0, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.      , 0.841471], dtype=float32)>
    """
    return _sin_fast(x, name)


@export("cos", "math.cos")
def cos(x: Any, name: str | None = None) -> Any:
    """Cosine of angles in radians, element-wise.

    >>> import everflow as tf
    >>> tf.cos([0.0, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([1.       , 0.5403023], dtype=float32)>
    """
    return _cos_fast(x, name)


@export("math.tan", "tan")
def tan(x: Any, name: str | None = None) -> Any:
    """Tangent of angles in radians, element-wise.

    >>> import everflow as tf
    >>> tf.tan([0.0, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.       , 1.5574077], dtype=float32)>
    """
    return Tan(x, name=name)


@export("asin", "math.asin")
def asin(x: Any, name: str | None = None) -> Any:
    """Inverse sine in radians, element-wise; NaN outside of [-1, 1].

    >>> import everflow as tf
    >>> tf.asin([0.0, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.       , 1.5707964], dtype=float32)>
    """
    return Asin(x, name=name)


@export("acos", "math.acos")
def acos(x: Any, name: str | None = None) -> Any:
    """Inverse cosine in radians, element-wise; NaN outside of [-1, 1].

    >>> import everflow as tf
    >>> tf.acos([0.0, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([1.5707964, 0.       ], dtype=float32)>
    """
    return Acos(x, name=name)


@export("atan", "math.atan")
def atan(x: Any, name: str | None = None) -> Any:
    """Inverse tangent in radians, element-wise.

    >>> import everflow as tf
    >>> tf.atan([0.0, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.       , 0.7853982], dtype=float32)>
    """
    return Atan(x, name=name)


@export("math.sinh", "sinh")
def sinh(x: Any, name: str | None = None) -> Any:
    """Hyperbolic sine, element-wise.

    >>> import everflow as tf
    >>> tf.sinh([0.0, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.       , 1.1752012], dtype=float32)>
    """
    return Sinh(x, name=name)


@export("cosh", "math.cosh")
def cosh(x: Any, name: str | None = None) -> Any:
    """Hyperbolic cosine, element-wise.

    >>> import everflow as tf
    >>> tf.cosh([0.0, 1.0]).numpy().round(4)
    array([1.    , 1.5431], dtype=float32)
    """
    return Cosh(x, name=name)


@export("math.tanh", "nn.tanh", "tanh")
def tanh(x: Any, name: str | None = None) -> Any:
    """Hyperbolic tangent, element-wise.

    >>> import everflow as tf
    >>> tf.tanh([0.0, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.       , 0.7615942], dtype=float32)>
    """
    return _tanh_fast(x, name)


@export("asinh", "math.asinh")
def asinh(x: Any, name: str | None = None) -> Any:
    """Inverse hyperbolic sine, element-wise.

    >>> import everflow as tf
    >>> tf.asinh([0.0, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.       , 0.8813736], dtype=float32)>
    """
    return Asinh(x, name=name)


@export("acosh", "math.acosh")
def acosh(x: Any, name: str | None = None) -> Any:
    """Inverse hyperbolic cosine, element-wise; NaN below 1.

    >>> import everflow as tf
    >>> tf.acosh([1.0, 2.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.      , 1.316958], dtype=float32)>
    """
    return Acosh(x, name=name)


@export("atanh", "math.atanh")
def atanh(x: Any, name: str | None = None) -> Any:
    """Inverse hyperbolic tangent, element-wise; NaN outside of [-1, 1].

    >>> import everflow as tf
    >>> tf.atanh([0.0, 0.5])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.        , 0.54930615], dtype=float32)>
    """
    return Atanh(x, name=name)


@export("math.sigmoid", "nn.sigmoid", "sigmoid")
def sigmoid(x: Any, name: str | None = None) -> Any:
    """1 / (1 + exp(-x)), element-wise.

    >>> import everflow as tf
    >>> tf.sigmoid([0.0, 2.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.5     , 0.880797], dtype=float32)>
    """
    return Sigmoid(convert(x, name="x"), name=name)


@export("math.round", "round")
def round(x: Any, name: str | None = None) -> Any:
    """The nearest integer, element-wise; halves go to the even one.

    >>> import everflow as tf
    >>> tf.round([0.5, 1.5, 2.6])
    <tf.Tensor: shape=(3,), dtype=float32, numpy=array([0., 2., 3.], dtype=float32)>
    """
    x = convert(x, name="x")
    return x if x.dtype.is_integer else Round(x, name=name)


@export("math.rint", v1=["math.rint", "rint"])
def rint(x: Any, name: str | None = None) -> Any:
    """The nearest integer, element-wise; halves go to the even one.

    >>> import everflow as tf
    >>> tf.math.rint([0.5, 1.5, 2.6])
    <tf.Tensor: shape=(3,), dtype=float32, numpy=array([0., 2., 3.], dtype=float32)>
    """
    return Rint(x, name=name)


@export("math.ceil", v1=["ceil", "math.ceil"])
def ceil(x: Any, name: str | None = None) -> Any:
    """The smallest integer that is not below x, element-wise.

    >>> import everflow as tf
    >>> tf.math.ceil([0.5, -1.5])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([ 1., -1.], dtype=float32)>
    """
    return Ceil(x, name=name)


@export("floor", "math.floor")
def floor(x: Any, name: str | None = None) -> Any:
    """The greatest integer that is not above x, element-wise.

    >>> import everflow as tf
    >>> tf.floor([0.5, -1.5])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([ 0., -2.], dtype=float32)>
    """
    return Floor(x, name=name)


@export("math.atan2", "atan2")
def atan2(y: Any, x: Any, name: str | None = None) -> Any:
    """The angle of the point (x, y) in radians, in (-pi, pi], element-wise and broadcast.

    >>> import everflow as tf
    >>> tf.atan2([0., 1.], [-1., 0.])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([3.1415927, 1.5707964], dtype=float32)>
    """
    return Atan2(y, x, name=name)


@export("math.nextafter")
def nextafter(x1: Any, x2: Any, name: str | None = None) -> Any:
    """The next floating point number after x1 towards x2, element-wise and broadcast.

    >>> import everflow as tf
    >>> tf.math.nextafter(1., 2.)
    <tf.Tensor: shape=(), dtype=float32, numpy=1.0000001>
    """
    return NextAfter(x1, x2, name=name)


# ---- public functions: complex numbers


@export("dtypes.complex", "complex")
def complex(real: Any, imag: Any, name: str | None = None) -> Any:
    """Complex numbers of their real and imaginary parts.

    Args:
      real: float32 or float64 tensor.
      imag: tensor of the same dtype.
      name: name of the operation.

    Raises:
      TypeError: the dtypes differ or are neither float32 nor float64.

    >>> import everflow as tf
    >>> tf.complex([1., 2.], [0.5, -1.])
    <tf.Tensor: shape=(2,), dtype=complex64, numpy=array([1.+0.5j, 2.-1.j ], dtype=complex64)>
    """
    with name_scope(name, "Complex") as scope:
        real = convert(real, name="real")
        imag = convert(imag, name="imag")
        pair = (real.dtype.base_dtype, imag.dtype.base_dtype)
        if pair == (dtypes.float32, dtypes.float32):
            target = dtypes.complex64
        elif pair == (dtypes.float64, dtypes.float64):
            target = dtypes.complex128
        else:
            raise TypeError(
                f"The `real` and `imag` components have incorrect types: {real.dtype.name} "
                f"{imag.dtype.name}. They must be consistent, and one of [tf.float32, tf.float64]."
            )
        return Complex(real, imag, Tout=target, name=scope or None)


@export("math.real", v1=["math.real", "real"])
def real(input: Any, name: str | None = None) -> Any:
    """The real part, element-wise; a real tensor is returned as it is.

    >>> import everflow as tf
    >>> tf.math.real([1 + 2j, 3 - 1j])
    <tf.Tensor: shape=(2,), dtype=float64, numpy=array([1., 3.])>
    """
    x = convert(input, name="input")
    if not x.dtype.is_complex:
        if not x.dtype.is_numeric:
            raise TypeError(f"input must be a numeric tensor, but got tensor with dtype {x.dtype!r}")
        return x
    with name_scope(name, "Real") as scope:
        return Real(x, Tout=x.dtype.real_dtype, name=scope or None)


@export("math.imag", v1=["imag", "math.imag"])
def imag(input: Any, name: str | None = None) -> Any:
    """The imaginary part, element-wise; zeros of a real tensor.

    >>> import everflow as tf
    >>> tf.math.imag([1 + 2j, 3 - 1j])
    <tf.Tensor: shape=(2,), dtype=float64, numpy=array([ 2., -1.])>
    """
    with name_scope(name, "Imag") as scope:
        x = convert(input, name="input")
        if not x.dtype.is_complex:
            return cards.ZerosLike(x)
        return Imag(x, Tout=x.dtype.real_dtype, name=scope or None)


@export("math.angle", v1=["angle", "math.angle"])
def angle(input: Any, name: str | None = None) -> Any:
    """The angle of complex numbers in radians, element-wise; 0 or pi of real numbers.

    >>> import everflow as tf
    >>> tf.math.angle([1 + 0j, 1j])
    <tf.Tensor: shape=(2,), dtype=float64, numpy=array([0.        , 1.57079633])>
    """
    with name_scope(name, "Angle") as scope:
        x = convert(input, name="input")
        if x.dtype.is_complex:
            return Angle(x, Tout=x.dtype.real_dtype, name=scope or None)
        return cards.SelectV2(
            cards.Less(x, _number(0, x)), cards.Mul(math.pi, cards.OnesLike(x)), cards.ZerosLike(x)
        )


@export("math.conj", v1=["conj", "math.conj"])
def conj(x: Any, name: str | None = None) -> Any:
    """The complex conjugate, element-wise; a real tensor is returned as it is.

    Raises:
      TypeError: the tensor does not hold numbers.

    >>> import everflow as tf
    >>> tf.math.conj([1 + 2j])
    <tf.Tensor: shape=(1,), dtype=complex128, numpy=array([1.-2.j])>
    """
    if isinstance(x, Tensor) and (x.dtype.is_floating or x.dtype.is_integer):
        return x
    with name_scope(name, "Conj") as scope:
        x = convert(x, name="x")
        if x.dtype.is_complex or x.dtype == dtypes.variant:
            return Conj(x, name=scope or None)
        if x.dtype.is_floating or x.dtype.is_integer:
            return x
        raise TypeError(f"Expected numeric or variant tensor, got dtype {x.dtype!r}.")
