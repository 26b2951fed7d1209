"""Special functions: error functions, gamma and beta functions, Bessel functions, integrals.

NumPy has none of them; SciPy, which jax brings along, does, and is loaded when one is first computed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import op
from everflow._src.ops.broadcasting import sum_to_shape
from everflow._src.ops.by_name import cards
from everflow._src.ops.families import binary, unary
from everflow._src.ops.naming import name_scope

_F = dtypes.FLOATS
_FLOAT32_64 = (dtypes.float32, dtypes.float64)
_SMALL_FLOATS = frozenset(d.numpy_dtype for d in (dtypes.float16, dtypes.bfloat16))


def _number(value: float, like: Any) -> Any:
    return np.full((), value, like.dtype.numpy_dtype)


# ---- kernels


def _scipy(name: str) -> Any:
    """A kernel that calls a function of scipy.special; the small types are computed in float32."""

    def kernel(xp: Any, *operands: Any) -> Any:
        from scipy import special

        dtype = operands[0].dtype
        if dtype in _SMALL_FLOATS:
            operands = tuple(x.astype(np.float32) for x in operands)
        return getattr(special, name)(*operands).astype(dtype)

    return kernel


def _jax(name: str) -> Any:
    """A kernel that calls a function of jax.scipy.special."""

    def kernel(jax: Any, *operands: Any) -> Any:
        from jax.scipy import special

        dtype = operands[0].dtype
        if dtype in _SMALL_FLOATS:
            operands = tuple(x.astype(np.float32) for x in operands)
        return getattr(special, name)(*operands).astype(dtype)

    return kernel


def _special(
    name: str,
    scipy_name: str,
    gradient: Any,
    low: float,
    high: float,
    jax_name: str | None = None,
    types: tuple[Any, ...] = _F,
) -> Any:
    """The card of a special function of one operand; on the host where jax has no such function."""
    return unary(
        name,
        _scipy(scipy_name),
        types,
        gradient,
        low,
        high,
        xla=_jax(jax_name) if jax_name else None,
        host=jax_name is None,
    )


# ---- cards: error functions and the normal distribution

Erf = _special(
    "Erf", "erf", lambda dy, *, x: dy * (_number(2 / math.sqrt(math.pi), x) * _gaussian(x)), -2, 2, "erf"
)
Erfc = _special(
    "Erfc", "erfc", lambda dy, *, x: dy * (_number(-2 / math.sqrt(math.pi), x) * _gaussian(x)), -2, 2, "erfc"
)
Erfinv = _special(
    "Erfinv",
    "erfinv",
    lambda dy, *, y: dy * (_number(math.sqrt(math.pi) / 2, y) * cards.Exp(cards.Square(y))),
    -0.8,
    0.8,
    "erfinv",
)
Ndtri = _special(
    "Ndtri",
    "ndtri",
    lambda dy, *, y: dy * (_number(math.sqrt(2 * math.pi), y) * cards.Exp(cards.Square(y) * _number(0.5, y))),
    0.1,
    0.9,
    "ndtri",
)


def _gaussian(x: Any) -> Any:
    return cards.Exp(-cards.Square(x))


# ---- cards: gamma functions

Lgamma = _special("Lgamma", "gammaln", lambda dy, *, x: dy * Digamma(x), 0.5, 4, "gammaln")


def _digamma(xp: Any, x: Any) -> Any:
    values = _scipy("psi")(xp, x)
    return np.where(x == 0, values.dtype.type(np.nan), values)  # scipy tells the two infinities apart


Digamma = unary(
    "Digamma",
    _digamma,
    _F,
    lambda dy, *, x: dy * Polygamma(_number(1, x), x),
    0.5,
    4,
    xla=_jax("digamma"),
    host=False,
)


def _polygamma_gradient(dz: Any, *, a: Any, x: Any, a_shape: Any, x_shape: Any) -> Any:
    return None, sum_to_shape(dz * Polygamma(a + _number(1, a), x), x_shape, a_shape)


def _polygamma(xp: Any, a: Any, x: Any) -> Any:
    from scipy import special

    order = a + a.dtype.type(1)
    sign = np.where(np.mod(a, 2) == 0, -1.0, 1.0)
    values = sign * special.gamma(order) * special.zeta(order, x)
    values = np.where(a == 0, special.psi(x), values)
    # Only whole orders that are not negative have a meaning.
    return np.where((a < 0) | (a != np.floor(a)), np.nan, values).astype(x.dtype)


def _polygamma_xla(jax: Any, a: Any, x: Any) -> Any:
    from jax.scipy import special

    xp, one = jax.numpy, a.dtype.type(1)
    sign = xp.where(xp.mod(a, 2) == 0, -one, one)
    values = sign * xp.exp(special.gammaln(a + one)) * special.zeta(a + one, x)
    values = xp.where(a == 0, special.digamma(x), values)
    return xp.where((a < 0) | (a != xp.floor(a)), xp.asarray(np.nan, x.dtype), values).astype(x.dtype)


Polygamma = binary(
    "Polygamma",
    _polygamma,
    _FLOAT32_64,
    _polygamma_gradient,
    left=((1.0,), (2.0,)),
    right=(0.7, 1.5, 2.5),
    signature="a: T, x: T -> z: T",
    xla=_polygamma_xla,
)


def _zeta_gradient(dz: Any, *, x: Any, q: Any, x_shape: Any, q_shape: Any) -> Any:
    return None, sum_to_shape(dz * (-x * Zeta(x + _number(1, x), q)), q_shape, x_shape)


Zeta = binary(
    "Zeta",
    _scipy("zeta"),
    _FLOAT32_64,
    _zeta_gradient,
    left=((1.5,), (3.0,)),
    right=(0.7, 1.5, 2.5),
    signature="x: T, q: T -> z: T",
    xla=_jax("zeta"),
)


def _igamma_gradient(dz: Any, *, a: Any, x: Any, a_shape: Any, x_shape: Any) -> Any:
    density = cards.Exp((a - _number(1, a)) * cards.Log(x) - x - Lgamma(a))
    return (
        sum_to_shape(dz * IgammaGradA(a, x), a_shape, x_shape),
        sum_to_shape(dz * density, x_shape, a_shape),
    )


def _igammac_gradient(dz: Any, *, a: Any, x: Any, a_shape: Any, x_shape: Any) -> Any:
    return _igamma_gradient(-dz, a=a, x=x, a_shape=a_shape, x_shape=x_shape)


def _igamma_grad_a(xp: Any, a: Any, x: Any) -> Any:
    """Derivative of the regularized incomplete gamma function by `a`: a central difference of fourth order."""
    from scipy import special

    order, point = np.float64(a), np.float64(x)
    step = 1e-3 * order
    slope = 8 * (special.gammainc(order + step, point) - special.gammainc(order - step, point)) - (
        special.gammainc(order + 2 * step, point) - special.gammainc(order - 2 * step, point)
    )
    return (slope / (12 * step)).astype(a.dtype)


def _where_defined(compute: Any) -> Any:
    """`compute(module, a, x)` of an incomplete gamma function, NaN where TensorFlow's is: a <= 0 or x < 0."""

    def kernel(module: Any, a: Any, x: Any) -> Any:
        xp = getattr(module, "numpy", module)
        return xp.where((a <= 0) | (x < 0), xp.full((), np.nan, a.dtype), compute(module, a, x))

    return kernel


_IGAMMA_SAMPLE: dict[str, Any] = {"left": ((0.7,), (2.5,)), "right": (0.5, 1.5, 3.0)}

Igamma = binary(
    "Igamma",
    _where_defined(_scipy("gammainc")),
    _F,
    _igamma_gradient,
    signature="a: T, x: T -> z: T",
    xla=_where_defined(_jax("gammainc")),
    **_IGAMMA_SAMPLE,
)
Igammac = binary(
    "Igammac",
    _where_defined(_scipy("gammaincc")),
    _F,
    _igammac_gradient,
    signature="a: T, x: T -> z: T",
    xla=_where_defined(_jax("gammaincc")),
    **_IGAMMA_SAMPLE,
)
IgammaGradA = binary(
    "IgammaGradA",
    _igamma_grad_a,
    _FLOAT32_64,
    signature="a: T, x: T -> z: T",
    xla=lambda jax, a, x: jax.lax.igamma_grad_a(*jax.numpy.broadcast_arrays(a, x)),
    no_gradient="TensorFlow has no second derivative of igamma by a either",
    doc="Derivative of Igamma by a.",
    **_IGAMMA_SAMPLE,
)


def _betainc_gradient(dz: Any, *, a: Any, b: Any, x: Any, a_shape: Any, x_shape: Any) -> Any:
    one = _number(1, x)
    log_beta = Lgamma(a) + Lgamma(b) - Lgamma(a + b)
    density = cards.Exp((b - one) * cards.Log1p(-x) + (a - one) * cards.Log(x) - log_beta)
    return None, None, sum_to_shape(dz * density, x_shape, a_shape)


Betainc = op(
    "Betainc",
    "a: T, b: T, x: T -> z: T",
    T=_FLOAT32_64,
    kernel=_scipy("betainc"),
    xla=_jax("betainc"),
    shape=shapes.broadcast,
    gradient=_betainc_gradient,
    sample=lambda: (
        [
            np.array([0.7, 2.0], np.float32),
            np.array([1.5, 0.8], np.float32),
            np.array([0.3, 0.6], np.float32),
        ],
        {},
    ),
    doc="Regularized incomplete beta function.",
)

# ---- cards: Bessel functions


def _by_x(numerator: Any, x: Any) -> Any:
    return cards.DivNoNan(numerator, x)


def _i1_gradient(dy: Any, *, x: Any, y: Any) -> Any:
    # The limit of I1(x) / x at 0 is 1/2.
    ratio = cards.SelectV2(cards.Equal(x, _number(0, x)), _number(0.5, x), _by_x(y, x))
    return dy * (BesselI0(x) - ratio)


def _i1e_gradient(dy: Any, *, x: Any, y: Any) -> Any:
    is_zero = cards.Equal(x, _number(0, x))
    slope = BesselI0e(x) - y * (cards.Sign(x) + cards.DivNoNan(_number(1, x), x))
    return dy * cards.SelectV2(is_zero, _number(0.5, x), slope)


def _j1_gradient(dy: Any, *, x: Any, y: Any) -> Any:
    ratio = cards.SelectV2(cards.Equal(x, _number(0, x)), _number(0.5, x), _by_x(y, x))
    return dy * (BesselJ0(x) - ratio)


BesselI0 = _special("BesselI0", "i0", lambda dy, *, x: dy * BesselI1(x), -2, 2, "i0")
BesselI0e = _special(
    "BesselI0e", "i0e", lambda dy, *, x, y: dy * (BesselI1e(x) - cards.Sign(x) * y), 0.5, 2, "i0e"
)
BesselI1 = _special("BesselI1", "i1", _i1_gradient, 0.5, 2, "i1")
BesselI1e = _special("BesselI1e", "i1e", _i1e_gradient, 0.5, 2, "i1e")
BesselJ0 = _special("BesselJ0", "j0", lambda dy, *, x: dy * -BesselJ1(x), 0.5, 3)
BesselJ1 = _special("BesselJ1", "j1", _j1_gradient, 0.5, 3)
BesselK0 = _special("BesselK0", "k0", lambda dy, *, x: dy * -BesselK1(x), 0.5, 3)
BesselK0e = _special("BesselK0e", "k0e", lambda dy, *, x, y: dy * (y - BesselK1e(x)), 0.5, 3)
BesselK1 = _special("BesselK1", "k1", lambda dy, *, x, y: dy * (-BesselK0(x) - y / x), 0.5, 3)
BesselK1e = _special(
    "BesselK1e",
    "k1e",
    lambda dy, *, x, y: dy * (y * (_number(1, x) - cards.Reciprocal(x)) - BesselK0e(x)),
    0.5,
    3,
)
BesselY0 = _special("BesselY0", "y0", lambda dy, *, x: dy * -BesselY1(x), 0.5, 3)
BesselY1 = _special("BesselY1", "y1", lambda dy, *, x, y: dy * (BesselY0(x) - y / x), 0.5, 3)

# ---- cards: integrals

_HALF_PI = math.pi / 2


def _fresnel(name: str, which: int, function: str) -> Any:
    def kernel(xp: Any, x: Any) -> Any:
        from scipy import special

        wide = x.astype(np.float32) if x.dtype in _SMALL_FLOATS else x
        return special.fresnel(wide)[which].astype(x.dtype)

    return unary(
        name,
        kernel,
        _F,
        lambda dy, *, x: dy * getattr(cards, function)(_number(_HALF_PI, x) * cards.Square(x)),
        host=True,
    )


FresnelSin = _fresnel("FresnelSin", 0, "Sin")
FresnelCos = _fresnel("FresnelCos", 1, "Cos")
Dawsn = _special("Dawsn", "dawsn", lambda dy, *, x, y: dy * (_number(1, x) - _number(2, x) * x * y), -2, 2)
Expint = _special("Expint", "expi", lambda dy, *, x: dy * (cards.Exp(x) / x), 0.5, 2, "expi")


def _spence_gradient(dy: Any, *, x: Any) -> Any:
    one = _number(1, x)
    slope = cards.DivNoNan(cards.Log(x), one - x)
    return dy * cards.SelectV2(cards.Equal(x, one), _number(-1, x), slope)


Spence = _special("Spence", "spence", _spence_gradient, 0.3, 2.7, "spence")

# ---- cards: products and quotients with zeros that win

_FC = _F + dtypes.COMPLEX


def _zero_wins(compute: Any) -> Any:
    def kernel(xp: Any, x: Any, y: Any) -> Any:
        is_zero = x == 0
        return xp.where(is_zero, xp.zeros((), x.dtype), compute(xp, x, y))

    return kernel


def _is_nonzero(x: Any) -> Any:
    return cards.Cast(cards.NotEqual(x, _number(0, x)), DstT=x.dtype.base_dtype)


def _pair(dx: Any, dy: Any, x_shape: Any, y_shape: Any) -> tuple[Any, Any]:
    return sum_to_shape(dx, x_shape, y_shape), sum_to_shape(dy, y_shape, x_shape)


Xdivy = binary(
    "Xdivy",
    _zero_wins(lambda xp, x, y: xp.divide(x, y)),
    _FC,
    lambda dz, *, x, y, x_shape, y_shape: _pair(
        dz * Xdivy(_is_nonzero(x), y), dz * Xdivy(-x, cards.Square(y)), x_shape, y_shape
    ),
)
Xlogy = binary(
    "Xlogy",
    _zero_wins(lambda xp, x, y: xp.multiply(x, xp.log(y))),
    _FC,
    lambda dz, *, x, y, x_shape, y_shape: _pair(
        dz * Xlogy(_is_nonzero(x), y), dz * Xdivy(x, y), x_shape, y_shape
    ),
)
Xlog1py = binary(
    "Xlog1py",
    _zero_wins(lambda xp, x, y: xp.multiply(x, xp.log1p(y))),
    _FC,
    lambda dz, *, x, y, x_shape, y_shape: _pair(
        dz * Xlog1py(_is_nonzero(x), y), dz * Xdivy(x, y + _number(1, y)), x_shape, y_shape
    ),
)


# ---- public functions


@export("math.erf", v1=["erf", "math.erf"])
def erf(x: Any, name: str | None = None) -> Any:
    """The error function, element-wise.

    >>> import everflow as tf
    >>> tf.math.erf([0.0, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.       , 0.8427008], dtype=float32)>
    """
    return Erf(x, name=name)


@export("math.erfc", v1=["erfc", "math.erfc"])
def erfc(x: Any, name: str | None = None) -> Any:
    """1 - erf(x), element-wise, exact for large x.

    >>> import everflow as tf
    >>> tf.math.erfc([0.0, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([1.       , 0.1572992], dtype=float32)>
    """
    return Erfc(x, name=name)


@export("math.lgamma", v1=["lgamma", "math.lgamma"])
def lgamma(x: Any, name: str | None = None) -> Any:
    """Logarithm of the absolute value of the gamma function, element-wise.

    >>> import everflow as tf
    >>> tf.math.lgamma([1.0, 4.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.       , 1.7917595], dtype=float32)>
    """
    return Lgamma(x, name=name)


@export("math.digamma", v1=["digamma", "math.digamma"])
def digamma(x: Any, name: str | None = None) -> Any:
    """Derivative of `tf.math.lgamma`, element-wise.

    >>> import everflow as tf
    >>> tf.math.digamma([1.0, 4.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([-0.5772157,  1.2561177], dtype=float32)>
    """
    return Digamma(x, name=name)


@export("math.bessel_i0", "math.special.bessel_i0")
def bessel_i0(x: Any, name: str | None = None) -> Any:
    """Modified Bessel function of the first kind and order 0, element-wise.

    >>> import everflow as tf
    >>> tf.math.bessel_i0([0.5, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([1.0634834, 1.2660658], dtype=float32)>
    """
    return BesselI0(x, name=name)


@export("math.bessel_i0e", "math.special.bessel_i0e")
def bessel_i0e(x: Any, name: str | None = None) -> Any:
    """exp(-|x|) bessel_i0(x), element-wise.

    >>> import everflow as tf
    >>> tf.math.bessel_i0e([0.5, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.64503527, 0.4657596 ], dtype=float32)>
    """
    return BesselI0e(x, name=name)


@export("math.bessel_i1", "math.special.bessel_i1")
def bessel_i1(x: Any, name: str | None = None) -> Any:
    """Modified Bessel function of the first kind and order 1, element-wise.

    >>> import everflow as tf
    >>> tf.math.bessel_i1([0.5, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.2578943, 0.5651591], dtype=float32)>
    """
    return BesselI1(x, name=name)


@export("math.bessel_i1e", "math.special.bessel_i1e")
def bessel_i1e(x: Any, name: str | None = None) -> Any:
    """exp(-|x|) bessel_i1(x), element-wise.

    >>> import everflow as tf
    >>> tf.math.bessel_i1e([0.5, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.1564208 , 0.20791042], dtype=float32)>
    """
    return BesselI1e(x, name=name)


@export("math.special.bessel_j0")
def bessel_j0(x: Any, name: str | None = None) -> Any:
    """Bessel function of the first kind and order 0, element-wise.

    >>> import everflow as tf
    >>> tf.math.special.bessel_j0([0.5, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.9384698, 0.7651977], dtype=float32)>
    """
    return BesselJ0(x, name=name)


@export("math.special.bessel_j1")
def bessel_j1(x: Any, name: str | None = None) -> Any:
    """Bessel function of the first kind and order 1, element-wise.

    >>> import everflow as tf
    >>> tf.math.special.bessel_j1([0.5, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.24226846, 0.44005057], dtype=float32)>
    """
    return BesselJ1(x, name=name)


@export("math.special.bessel_k0")
def bessel_k0(x: Any, name: str | None = None) -> Any:
    """Modified Bessel function of the second kind and order 0, element-wise.

    >>> import everflow as tf
    >>> tf.math.special.bessel_k0([0.5, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.92441905, 0.42102444], dtype=float32)>
    """
    return BesselK0(x, name=name)


@export("math.special.bessel_k0e")
def bessel_k0e(x: Any, name: str | None = None) -> Any:
    """exp(x) bessel_k0(x), element-wise.

    >>> import everflow as tf
    >>> tf.math.special.bessel_k0e([0.5, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([1.5241094, 1.1444631], dtype=float32)>
    """
    return BesselK0e(x, name=name)


@export("math.special.bessel_k1")
def bessel_k1(x: Any, name: str | None = None) -> Any:
    """Modified Bessel function of the second kind and order 1, element-wise.

    >>> import everflow as tf
    >>> tf.math.special.bessel_k1([0.5, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([1.6564411 , 0.60190725], dtype=float32)>
    """
    return BesselK1(x, name=name)


@export("math.special.bessel_k1e")
def bessel_k1e(x: Any, name: str | None = None) -> Any:
    """exp(x) bessel_k1(x), element-wise.

    >>> import everflow as tf
    >>> tf.math.special.bessel_k1e([0.5, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([2.7310097, 1.6361535], dtype=float32)>
    """
    return BesselK1e(x, name=name)


@export("math.special.bessel_y0")
def bessel_y0(x: Any, name: str | None = None) -> Any:
    """Bessel function of the second kind and order 0, element-wise.

    >>> import everflow as tf
    >>> tf.math.special.bessel_y0([0.5, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([-0.44451874,  0.08825696], dtype=float32)>
    """
    return BesselY0(x, name=name)


@export("math.special.bessel_y1")
def bessel_y1(x: Any, name: str | None = None) -> Any:
    """Bessel function of the second kind and order 1, element-wise.

    >>> import everflow as tf
    >>> tf.math.special.bessel_y1([0.5, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([-1.4714724, -0.7812128], dtype=float32)>
    """
    return BesselY1(x, name=name)


@export("math.special.dawsn")
def dawsn(x: Any, name: str | None = None) -> Any:
    """Dawson's integral exp(-x^2) times the integral of exp(t^2) from 0 to x, element-wise.

    >>> import everflow as tf
    >>> tf.math.special.dawsn([0.5, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.4244364, 0.5380795], dtype=float32)>
    """
    return Dawsn(x, name=name)


@export("math.special.expint")
def expint(x: Any, name: str | None = None) -> Any:
    """The exponential integral Ei, element-wise.

    >>> import everflow as tf
    >>> tf.math.special.expint([0.5, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.4542199, 1.8951178], dtype=float32)>
    """
    return Expint(x, name=name)


@export("math.special.fresnel_cos")
def fresnel_cos(x: Any, name: str | None = None) -> Any:
    """The integral of cos(pi t^2 / 2) from 0 to x, element-wise.

    >>> import everflow as tf
    >>> tf.math.special.fresnel_cos([0.5, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.49234423, 0.7798934 ], dtype=float32)>
    """
    return FresnelCos(x, name=name)


@export("math.special.fresnel_sin")
def fresnel_sin(x: Any, name: str | None = None) -> Any:
    """The integral of sin(pi t^2 / 2) from 0 to x, element-wise.

    >>> import everflow as tf
    >>> tf.math.special.fresnel_sin([0.5, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.06473243, 0.43825915], dtype=float32)>
    """
    return FresnelSin(x, name=name)


@export("math.special.spence")
def spence(x: Any, name: str | None = None) -> Any:
    """Spence's integral of log(t) / (1 - t) from 1 to x, element-wise.

    >>> import everflow as tf
    >>> tf.math.special.spence([0.5, 2.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([ 0.5822405, -0.822467 ], dtype=float32)>
    """
    return Spence(x, name=name)


@export("math.erfinv")
def erfinv(x: Any, name: str | None = None) -> Any:
    """Inverse of the error function, element-wise.

    >>> import everflow as tf
    >>> tf.math.erfinv([0.0, 0.5])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.        , 0.47693628], dtype=float32)>
    """
    with name_scope(name, "erfinv"):
        return Erfinv(x)


@export("math.ndtri")
def ndtri(x: Any, name: str | None = None) -> Any:
    """The quantiles of the standard normal distribution, element-wise.

    >>> import everflow as tf
    >>> tf.math.ndtri([0.5, 0.975])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.       , 1.9599644], dtype=float32)>
    """
    with name_scope(name, "ndtri"):
        return Ndtri(x)


@export("math.erfcinv")
def erfcinv(x: Any, name: str | None = None) -> Any:
    """Inverse of `tf.math.erfc`, element-wise.

    >>> import everflow as tf
    >>> tf.math.erfcinv([0.5, 1.5])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([ 0.47693625, -0.47693625], dtype=float32)>
    """
    with name_scope(name, "erfcinv"):
        x = convert(x, name="start")
        return -Ndtri(_number(0.5, x) * x) * _number(math.sqrt(0.5), x)


@export("math.polygamma", v1=["math.polygamma", "polygamma"])
def polygamma(a: Any, x: Any, name: str | None = None) -> Any:
    """Derivative of order a of `tf.math.digamma`, element-wise.

    >>> import everflow as tf
    >>> tf.math.polygamma([1.0, 2.0], [1.0, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([ 1.644934 , -2.4041138], dtype=float32)>
    """
    return Polygamma(a, x, name=name)


@export("math.zeta", v1=["math.zeta", "zeta"])
def zeta(x: Any, q: Any, name: str | None = None) -> Any:
    """The Hurwitz zeta function, the sum of (q + n)^-x, element-wise.

    >>> import everflow as tf
    >>> tf.math.zeta([2.0, 3.0], [1.0, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([1.644934 , 1.2020569], dtype=float32)>
    """
    return Zeta(x, q, name=name)


@export("math.igamma", v1=["igamma", "math.igamma"])
def igamma(a: Any, x: Any, name: str | None = None) -> Any:
    """The lower regularized incomplete gamma function, element-wise.

    >>> import everflow as tf
    >>> tf.math.igamma([1.0, 2.0], [1.0, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.63212055, 0.26424113], dtype=float32)>
    """
    return Igamma(a, x, name=name)


@export("math.igammac", v1=["igammac", "math.igammac"])
def igammac(a: Any, x: Any, name: str | None = None) -> Any:
    """The upper regularized incomplete gamma function, element-wise.

    >>> import everflow as tf
    >>> tf.math.igammac([1.0, 2.0], [1.0, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.36787945, 0.7357589 ], dtype=float32)>
    """
    return Igammac(a, x, name=name)


@export("math.xdivy")
def xdivy(x: Any, y: Any, name: str | None = None) -> Any:
    """x / y, and 0 where x is 0, element-wise.

    >>> import everflow as tf
    >>> tf.math.xdivy([1.0, 3.0], [2.0, 2.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.5, 1.5], dtype=float32)>
    """
    with name_scope(name, "xdivy"):
        return Xdivy(x, y)


@export("math.xlogy")
def xlogy(x: Any, y: Any, name: str | None = None) -> Any:
    """x log(y), and 0 where x is 0, element-wise.

    >>> import everflow as tf
    >>> tf.math.xlogy([0.0, 1.0], [0.0, 2.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.       , 0.6931472], dtype=float32)>
    """
    return Xlogy(x, y, name=name)


@export("math.xlog1py")
def xlog1py(x: Any, y: Any, name: str | None = None) -> Any:
    """x log(1 + y), and 0 where x is 0, element-wise.

    >>> import everflow as tf
    >>> tf.math.xlog1py([0.0, 1.0], [-1.0, 1.0])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.       , 0.6931472], dtype=float32)>
    """
    with name_scope(name, "xlog1py"):
        return Xlog1py(x, y)


@export("math.betainc", v1=["betainc", "math.betainc"])
def betainc(a: Any, b: Any, x: Any, name: str | None = None) -> Any:
    """The regularized incomplete beta function, element-wise.

    >>> import everflow as tf
    >>> tf.math.betainc(1., 2., 0.5)
    <tf.Tensor: shape=(), dtype=float32, numpy=0.75>
    """
    return Betainc(a, b, x, name=name)


@export("math.lbeta", v1=["lbeta", "math.lbeta"])
def lbeta(x: Any, name: str | None = None) -> Any:
    """Logarithm of the absolute value of the beta function of the last axis.

    Args:
      x: tensor of shape [..., n].
      name: name of the operations.

    Returns:
      A tensor of shape [...].

    >>> import everflow as tf
    >>> tf.math.lbeta([1., 1.])
    <tf.Tensor: shape=(), dtype=float32, numpy=0.0>
    """
    with name_scope(name, "lbeta"):
        x = convert(x, name="x")
        products = cards.Sum(Lgamma(x), np.array([-1], np.int32))
        total = Lgamma(cards.Sum(x, np.array([-1], np.int32)))
        return products - total
