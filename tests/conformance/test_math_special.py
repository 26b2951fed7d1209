"""Special functions: erf, gamma, beta, zeta and Bessel families. Values are recorded from TensorFlow."""

import math

import numpy as np
import pytest
import tensorflow as tf

from .recorded import Recorded
from .three_ways import check, check_gradient, run

RECORDED = Recorded("math_special")
F32 = np.float32
SPREAD = np.array([-3.3, -1.7, -0.6, -0.1, 0.0, 0.2, 0.75, 1.0, 1.5, 2.0, 4.25, 9.0])
POSITIVE = np.array([0.05, 0.3, 0.8, 1.0, 1.6, 2.0, 3.5, 7.0, 20.0])
UNIT = np.array([-0.95, -0.5, -0.1, 0.0, 0.3, 0.8])
PROBABILITY = np.array([0.01, 0.2, 0.5, 0.7, 0.999])

UNARY = {
    "erf": (tf.math.erf, SPREAD),
    "erfc": (tf.math.erfc, SPREAD),
    "erfinv": (tf.math.erfinv, UNIT),
    "erfcinv": (tf.math.erfcinv, 1 - UNIT),
    "ndtri": (tf.math.ndtri, PROBABILITY),
    "lgamma": (tf.math.lgamma, SPREAD[np.abs(SPREAD) > 0.01]),
    "digamma": (tf.math.digamma, SPREAD[np.abs(SPREAD) > 0.01]),
    "bessel_i0": (tf.math.bessel_i0, SPREAD),
    "bessel_i0e": (tf.math.bessel_i0e, SPREAD),
    "bessel_i1": (tf.math.bessel_i1, SPREAD),
    "bessel_i1e": (tf.math.bessel_i1e, SPREAD),
    "bessel_j0": (tf.math.special.bessel_j0, SPREAD),
    "bessel_j1": (tf.math.special.bessel_j1, SPREAD),
    "bessel_y0": (tf.math.special.bessel_y0, POSITIVE),
    "bessel_y1": (tf.math.special.bessel_y1, POSITIVE),
    "bessel_k0": (tf.math.special.bessel_k0, POSITIVE),
    "bessel_k0e": (tf.math.special.bessel_k0e, POSITIVE),
    "bessel_k1": (tf.math.special.bessel_k1, POSITIVE),
    "bessel_k1e": (tf.math.special.bessel_k1e, POSITIVE),
    "dawsn": (tf.math.special.dawsn, SPREAD),
    "expint": (tf.math.special.expint, POSITIVE),
    "fresnel_cos": (tf.math.special.fresnel_cos, SPREAD),
    "fresnel_sin": (tf.math.special.fresnel_sin, SPREAD),
    "spence": (tf.math.special.spence, POSITIVE),
}

SECOND_ORDER = ["erf", "erfc", "erfinv", "ndtri", "lgamma", "digamma", "bessel_i0e", "bessel_j0"]


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unary(name, dtype):
    function, x = UNARY[name]
    tolerance = 2e-5 if dtype is np.float32 else 1e-8
    for way in ("eager", "session"):
        value = run(way, function, [x.astype(dtype)])
        RECORDED.check(f"{name} {np.dtype(dtype)}", value, rtol=tolerance, atol=tolerance / 10)


@pytest.mark.parametrize("name", ["erf", "erfc", "lgamma", "digamma"])
def test_unary_half(name):
    function, x = UNARY[name]
    reference = function(tf.constant(x.astype(np.float16).astype(np.float64))).numpy()
    check(function, [x.astype(np.float16)], reference.astype(np.float16), ways=("eager",), rtol=1e-2)


@pytest.mark.parametrize("name", UNARY)
def test_unary_gradient(name):
    function, x = UNARY[name]
    # away from the kinks of the piecewise approximations
    x = x[np.abs(x) > 0.01]
    check_gradient(function, [x], ways=("eager", "session"), rtol=1e-4, atol=1e-5)
    if name in SECOND_ORDER:
        check_gradient(function, [x], order=2, ways=("eager",), rtol=1e-3, atol=1e-4)


def test_against_the_standard_library():
    x = np.array([0.1, 0.7, 1.9, 4.2])
    check(tf.math.erf, [x], np.array([math.erf(v) for v in x]))
    check(tf.math.erfc, [x], np.array([math.erfc(v) for v in x]))
    check(tf.math.lgamma, [x], np.array([math.lgamma(v) for v in x]))
    check(tf.exp, [x], np.array([math.exp(v) for v in x]))
    check(tf.math.erfinv, [np.array([math.erf(v) for v in x[:3]])], x[:3], rtol=1e-7)


def test_poles_and_limits():
    x = np.array([0.0, -1.0, -2.0, np.inf, np.nan], F32)
    check(tf.math.lgamma, [x], np.array([np.inf, np.inf, np.inf, np.inf, np.nan], F32))
    check(tf.math.erf, [np.array([np.inf, -np.inf, np.nan], F32)], np.array([1, -1, np.nan], F32))
    check(tf.math.erfinv, [np.array([-1, 1, 2], F32)], np.array([-np.inf, np.inf, np.nan], F32))
    check(tf.math.ndtri, [np.array([0, 1, 2], F32)], np.array([-np.inf, np.inf, np.nan], F32))
    RECORDED.check("digamma poles", run("eager", tf.math.digamma, [x]))


BINARY = {
    "igamma": (tf.math.igamma, POSITIVE[:, None], POSITIVE[None, ::2] + 0.1),
    "igammac": (tf.math.igammac, POSITIVE[:, None], POSITIVE[None, ::2] + 0.1),
    "polygamma": (tf.math.polygamma, np.array([[0.0], [1.0], [3.0]]), POSITIVE[None]),
    "zeta": (tf.math.zeta, np.array([[1.5], [2.0], [7.0]]), POSITIVE[None]),
    "xlogy": (tf.math.xlogy, SPREAD[:, None], POSITIVE[None, ::2]),
}


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary(name, dtype):
    function, a, b = BINARY[name]
    tolerance = 5e-5 if dtype is np.float32 else 1e-8
    for way in ("eager", "session"):
        value = run(way, function, [a.astype(dtype), b.astype(dtype)])
        RECORDED.check(f"{name} {np.dtype(dtype)}", value, rtol=tolerance, atol=1e-7)


def test_binary_gradients():
    a, b = np.array([[0.7], [2.5]]), np.array([0.4, 1.3, 3.0])
    check_gradient(tf.math.igamma, [a, b], ways=("eager", "session"), rtol=1e-4)
    check_gradient(tf.math.igammac, [a, b], ways=("eager",), rtol=1e-4)
    check_gradient(
        lambda x: tf.math.polygamma(tf.constant(1.0, tf.float64), x), [b], ways=("eager", "session")
    )
    check_gradient(lambda q: tf.math.zeta(tf.constant(2.5, tf.float64), q), [b], ways=("eager", "session"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_betainc(dtype):
    a, b = np.array([[0.5], [2.0], [7.5]], dtype), np.array([0.3, 1.0, 4.0], dtype)
    for x in (0.0, 0.2, 0.9, 1.0):
        full = np.full((3, 3), x, dtype)
        value = run("eager", tf.math.betainc, [a + 0 * full, b + 0 * full, full])
        RECORDED.check(f"betainc {x} {np.dtype(dtype)}", value, rtol=1e-4, atol=1e-6)
    x = np.array([0.2, 0.5, 0.8])
    check_gradient(
        lambda x: tf.math.betainc(tf.constant([2.0] * 3, tf.float64), tf.constant([0.7] * 3, tf.float64), x),
        [x],
    )


def test_lbeta():
    x = np.array([[1.0, 2.0, 3.5], [0.5, 0.5, 4.0]])
    expected = [sum(math.lgamma(v) for v in row) - math.lgamma(sum(row)) for row in x]
    check(tf.math.lbeta, [x], np.array(expected))
    check(tf.math.lbeta, [x[0]], np.asarray(expected[0]))
    check_gradient(tf.math.lbeta, [x], ways=("eager",))


def test_v1_names():
    v1 = tf.compat.v1
    x = tf.constant([0.5, 1.5])
    for name in ("erf", "erfc", "lgamma", "digamma"):
        np.testing.assert_array_equal(getattr(v1, name)(x), getattr(tf.math, name)(x))
    for name in ("igamma", "igammac", "polygamma", "zeta"):
        np.testing.assert_array_equal(getattr(v1, name)(x + 1, x), getattr(tf.math, name)(x + 1, x))
    np.testing.assert_array_equal(v1.lbeta(x), tf.math.lbeta(x))
    np.testing.assert_array_equal(v1.betainc(x, x, x / 2), tf.math.betainc(x, x, x / 2))
