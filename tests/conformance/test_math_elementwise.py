"""Element-wise arithmetic, comparisons, logic and bits: values, dtypes, broadcasting, gradients, errors."""

import numpy as np
import pytest
import tensorflow as tf

from .three_ways import check, check_gradient, run

F32 = np.float32
INVALID = (tf.errors.InvalidArgumentError, ValueError)
BFLOAT16 = tf.bfloat16.as_numpy_dtype
FLOATS = [np.float16, BFLOAT16, np.float32, np.float64]
INTEGERS = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64]

A = np.array([[1.5, -2.25, 3.0], [0.5, 4.0, -0.75]])
B = np.array([[0.5, 1.25, -2.0], [3.0, -0.25, 1.5]])
POSITIVE = np.array([[0.1, 0.5, 1.0], [1.5, 2.5, 4.0]])
UNIT = np.array([[-0.9, -0.5, -0.1], [0.2, 0.6, 0.8]])


def _wide(function, *arguments):
    """`function` on float64 copies of the arguments, rounded to the first argument's dtype."""
    with np.errstate(all="ignore"):
        return np.asarray(function(*[np.asarray(a, np.float64) for a in arguments])).astype(
            arguments[0].dtype
        )


# unary functions

UNARY = {
    "abs": (tf.abs, np.abs, A),
    "negative": (tf.negative, np.negative, A),
    "square": (tf.square, np.square, A),
    "sqrt": (tf.sqrt, np.sqrt, POSITIVE),
    "rsqrt": (tf.math.rsqrt, lambda x: 1 / np.sqrt(x), POSITIVE),
    "reciprocal": (tf.math.reciprocal, np.reciprocal, A),
    "exp": (tf.exp, np.exp, A),
    "expm1": (tf.math.expm1, np.expm1, A),
    "log": (tf.math.log, np.log, POSITIVE),
    "log1p": (tf.math.log1p, np.log1p, POSITIVE),
    "sin": (tf.sin, np.sin, A),
    "cos": (tf.cos, np.cos, A),
    "tan": (tf.tan, np.tan, A),
    "asin": (tf.asin, np.arcsin, UNIT),
    "acos": (tf.acos, np.arccos, UNIT),
    "atan": (tf.atan, np.arctan, A),
    "sinh": (tf.sinh, np.sinh, A),
    "cosh": (tf.cosh, np.cosh, A),
    "tanh": (tf.tanh, np.tanh, A),
    "asinh": (tf.asinh, np.arcsinh, A),
    "acosh": (tf.acosh, np.arccosh, POSITIVE + 1.5),
    "atanh": (tf.atanh, np.arctanh, UNIT),
    "sigmoid": (tf.sigmoid, lambda x: 1 / (1 + np.exp(-x)), A),
    "log_sigmoid": (tf.math.log_sigmoid, lambda x: -np.log1p(np.exp(-x)), A),
    "softplus": (tf.math.softplus, lambda x: np.log1p(np.exp(x)), A),
    "softsign": (tf.math.softsign, lambda x: x / (1 + np.abs(x)), A),
}

PIECEWISE = {
    "sign": (tf.sign, np.sign, np.array([-2.5, 0.0, 3.0])),
    "ceil": (tf.math.ceil, np.ceil, np.array([-1.5, -0.0, 0.5, 2.0])),
    "floor": (tf.floor, np.floor, np.array([-1.5, -0.0, 0.5, 2.0])),
    "round": (tf.round, np.round, np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 1.2, -1.7])),
    "rint": (tf.math.rint, np.rint, np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 1.2, -1.7])),
}


UNARY_CASES = [(name, dtype) for name in [*UNARY, *PIECEWISE] for dtype in FLOATS]
UNARY_CASES.remove(("rint", np.float16))  # no such kernels for processors
UNARY_CASES.remove(("rint", BFLOAT16))


@pytest.mark.parametrize("name, dtype", UNARY_CASES)
def test_unary(name, dtype):
    function, reference, x = {**UNARY, **PIECEWISE}[name]
    x = x.astype(dtype)
    ways = ("eager", "function", "session") if dtype in (np.float32, np.float64) else ("eager",)
    check(function, [x], _wide(reference, x), ways=ways)


@pytest.mark.parametrize("name", UNARY)
def test_unary_gradient(name):
    function, _, x = UNARY[name]
    check_gradient(function, [x])
    if name != "softsign":  # TensorFlow defines no second gradient
        check_gradient(lambda x: tf.square(function(x)), [x], order=2, ways=("eager",), rtol=1e-4)


@pytest.mark.parametrize("name", PIECEWISE)
def test_piecewise_gradient(name):
    function, _, _ = PIECEWISE[name]
    x = tf.constant([0.3, -1.2])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    gradient = tape.gradient(y, x)
    assert gradient is None or np.all(gradient.numpy() == 0)
    assert (gradient is None) == (name in ("ceil", "floor", "round", "rint"))


COMPLEX_UNARY = [
    "negative", "square", "sqrt", "rsqrt", "reciprocal", "exp", "expm1", "log", "log1p", "sin", "cos", "tan",
    "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "sigmoid",
]  # fmt: skip


@pytest.mark.parametrize("name", COMPLEX_UNARY)
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_unary_complex(name, dtype):
    function, reference, _ = UNARY[name]
    z = np.array([0.5 + 0.25j, -0.75 + 0.5j, 1.5 - 2j]).astype(dtype)
    check(
        function, [z], reference(z.astype(np.complex128)).astype(dtype), rtol=2e-5, ways=("eager", "session")
    )


@pytest.mark.parametrize("name", ["abs", "negative", "square", "sign"])
@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64])
def test_unary_integer(name, dtype):
    function, reference, _ = {**UNARY, **PIECEWISE}[name]
    x = np.array([-5, 0, 7], dtype)
    check(function, [x], reference(x), ways=("eager", "function"))


def test_unary_integer_rounding():
    for function in (tf.round, tf.math.round):
        check(function, [np.array([-5, 2], np.int32)], np.array([-5, 2], np.int32))
    check(tf.abs, [np.array([-(2**31)], np.int32)], np.array([-(2**31)], np.int32))


def test_unary_type_errors():
    for function in (tf.exp, tf.sqrt, tf.sin, tf.tanh, tf.sigmoid, tf.math.log):
        with pytest.raises((TypeError, *INVALID)):
            function(tf.constant([1, 2]))
        with pytest.raises((TypeError, *INVALID)):
            function(tf.constant([True]))
    with pytest.raises((TypeError, *INVALID)):
        tf.negative(tf.constant(["a"]))


def test_unary_special_values():
    x = np.array([-np.inf, -1, -0.0, 0.0, np.inf, np.nan], F32)
    nan, inf = np.nan, np.inf
    check(tf.sqrt, [x], np.array([nan, nan, -0.0, 0, inf, nan], F32))
    check(tf.math.log, [x], np.array([nan, nan, -inf, -inf, inf, nan], F32))
    check(tf.exp, [x], np.array([0, np.exp(-1), 1, 1, inf, nan], F32))
    check(tf.tanh, [x], np.array([-1, np.tanh(-1), 0, 0, 1, nan], F32))
    check(tf.sigmoid, [x], np.array([0, 1 / (1 + np.e), 0.5, 0.5, 1, nan], F32))
    check(tf.math.softplus, [x], np.array([0, np.log1p(1 / np.e), np.log(2), np.log(2), inf, nan], F32))
    check(tf.math.reciprocal, [x], np.array([-0.0, -1, -inf, inf, 0, nan], F32))
    check(tf.abs, [x], np.abs(x))
    check(tf.sign, [x], np.array([-1, -1, 0, 0, 1, nan], F32))
    check(tf.math.floor, [x], np.floor(x))
    check(tf.math.is_nan, [x], np.isnan(x))
    check(tf.math.is_inf, [x], np.isinf(x))
    check(tf.math.is_finite, [x], np.isfinite(x))
    check(lambda x: tf.compat.v1.is_nan(x), [x], np.isnan(x))
    check(tf.math.rsqrt, [x], np.array([nan, nan, -inf, inf, 0, nan], F32))
    large = np.array([-1000, -50, 50, 1000], F32)
    check(tf.math.softplus, [large], np.array([0, np.exp(-50), 50, 1000], F32), atol=1e-25)
    check(tf.math.log_sigmoid, [large], np.array([-1000, -50, -np.exp(-50), 0], F32), atol=1e-25)
    check(tf.sigmoid, [large], np.array([0, np.exp(-50), 1, 1], F32), atol=1e-25)


# complex numbers


def test_complex_parts():
    z = np.array([1 + 2j, -3 - 4j, 0j], np.complex64)
    check(tf.math.real, [z], z.real.copy())
    check(tf.math.imag, [z], z.imag.copy())
    check(tf.math.conj, [z], z.conj())
    check(tf.math.angle, [z], np.angle(z))
    check(tf.abs, [z], np.abs(z))
    check(tf.sign, [z], np.array([z[0] / abs(z[0]), z[1] / 5, 0], np.complex64))
    check(tf.math.real, [z.astype(np.complex128)], z.real.astype(np.float64))
    check(tf.complex, [z.real.copy(), z.imag.copy()], z)
    check(tf.dtypes.complex, [A, B], A + 1j * B)
    x = np.array([1.0, -2.0], F32)
    check(tf.math.real, [x], x)
    check(tf.math.imag, [x], np.zeros(2, F32))
    check(tf.math.conj, [x], x)
    check(tf.math.angle, [x], np.array([0, np.pi], F32))
    check(lambda z: tf.add(z, 1), [z], z + 1)
    check(lambda z: z * z - 2j * z, [z], z * z - np.complex64(2j) * z)
    with pytest.raises((TypeError, *INVALID)):
        tf.complex(1, 2)


def test_complex_gradients():
    check_gradient(lambda x, y: tf.complex(x * y, y), [A, B])
    check_gradient(lambda x, y: tf.abs(tf.complex(x, y)), [A, B])
    check_gradient(lambda x, y: tf.math.angle(tf.complex(x, y)), [A, B])
    check_gradient(lambda x, y: tf.math.real(tf.square(tf.complex(x, y))), [A, B])
    check_gradient(
        lambda x, y: tf.exp(tf.complex(x, y)) / tf.complex(y, x), [A, B], ways=("eager", "session")
    )
    check_gradient(lambda x, y: tf.math.conj(tf.complex(x, y)) * tf.complex(y, x), [A, B], ways=("eager",))
    z = tf.constant([1 + 2j], tf.complex64)
    with tf.GradientTape() as tape:
        tape.watch(z)
        y = z * z
    np.testing.assert_allclose(tape.gradient(y, z).numpy(), [2 - 4j])


# binary functions

BINARY = {
    "add": (tf.add, np.add),
    "subtract": (tf.subtract, np.subtract),
    "multiply": (tf.multiply, np.multiply),
    "divide": (tf.divide, np.divide),
    "maximum": (tf.maximum, np.maximum),
    "minimum": (tf.minimum, np.minimum),
    "squared_difference": (tf.math.squared_difference, lambda a, b: (a - b) ** 2),
    "floordiv": (tf.math.floordiv, np.floor_divide),
    "floormod": (tf.math.floormod, np.mod),
    "mod": (tf.math.mod, np.mod),
    "atan2": (tf.atan2, np.arctan2),
    "div_no_nan": (tf.math.divide_no_nan, np.divide),
    "multiply_no_nan": (tf.math.multiply_no_nan, np.multiply),
}


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("dtype", FLOATS)
def test_binary(name, dtype):
    function, reference = BINARY[name]
    a, b = A.astype(dtype), B.astype(dtype)
    ways = ("eager", "function", "session") if dtype is np.float32 else ("eager",)
    check(function, [a, b], _wide(reference, a, b), ways=ways)


@pytest.mark.parametrize("name", BINARY)
def test_binary_broadcasting(name):
    function, reference = BINARY[name]
    a, b = A.astype(F32), B.astype(F32)
    for x, y in [
        (a, b[0]),
        (a[0], b),
        (a[:, :1], b),
        (a[:, :1], b[0]),
        (a, b[0, 0]),
        (a[0, 0], b),
        (a[None], b[:, None]),
    ]:
        check(function, [x, y], reference(x, y).astype(F32), ways=("eager", "session"))
    check(function, [a[:0], b[0]], np.zeros((0, 3), F32))


@pytest.mark.parametrize("name", sorted(set(BINARY) - {"floordiv"}))
def test_binary_gradient(name):
    function, _ = BINARY[name]
    a = A + 0.06  # no ties, no whole quotients
    check_gradient(function, [a, B], ways=("eager", "session"))
    check_gradient(function, [a[:, :1], B[0]], ways=("eager", "function", "session"))
    check_gradient(lambda a, b: tf.square(function(a, b)), [a, B[0, 0]], order=2, ways=("eager",), rtol=1e-4)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize(
    "name", ["add", "subtract", "multiply", "maximum", "minimum", "floordiv", "floormod"]
)
def test_binary_integer(name, dtype):
    function, reference = BINARY[name]
    a, b = np.array([7, 3, 100, 0], dtype), np.array([2, 3, 7, 5], dtype)
    with np.errstate(all="ignore"):
        check(function, [a, b], reference(a, b), ways=("eager", "function"))


def test_signed_division():
    a, b = np.array([7, -7, 7, -7, 6, -6], np.int32), np.array([2, 2, -2, -2, 3, 3], np.int32)
    check(tf.math.floordiv, [a, b], np.array([3, -4, -4, 3, 2, -2], np.int32))
    check(tf.math.floormod, [a, b], np.array([1, 1, -1, -1, 0, 0], np.int32))
    check(tf.truncatediv, [a, b], np.array([3, -3, -3, 3, 2, -2], np.int32))
    check(tf.truncatemod, [a, b], np.array([1, -1, 1, -1, 0, 0], np.int32))
    check(lambda a, b: a // b, [a, b], np.array([3, -4, -4, 3, 2, -2], np.int32))
    check(lambda a, b: a % b, [a, b], np.array([1, 1, -1, -1, 0, 0], np.int32))
    check(lambda a, b: tf.compat.v1.floor_div(a, b), [a, b], np.array([3, -4, -4, 3, 2, -2], np.int32))
    check(lambda a, b: tf.compat.v1.div(a, b), [a, b], np.array([3, -4, -4, 3, 2, -2], np.int32))
    f = a.astype(F32)
    check(tf.math.floordiv, [f, b.astype(F32)], np.array([3, -4, -4, 3, 2, -2], F32))
    check(tf.math.floormod, [f, b.astype(F32)], np.array([1, 1, -1, -1, 0, 0], F32))
    check(tf.truncatemod, [f, b.astype(F32)], np.array([1, -1, 1, -1, 0, 0], F32))
    check(lambda a, b: tf.compat.v1.div(a, b), [f, b.astype(F32)], (f / b).astype(F32))


@pytest.mark.parametrize(
    "dtype, result",
    [
        (np.int8, np.float32),
        (np.uint8, np.float32),
        (np.int16, np.float32),
        (np.int32, np.float64),
        (np.int64, np.float64),
    ],
)
def test_true_division_of_integers(dtype, result):
    a, b = np.array([7, 3], dtype), np.array([2, 4], dtype)
    for function in (tf.divide, tf.truediv, tf.math.truediv, lambda a, b: a / b):
        check(function, [a, b], np.array([3.5, 0.75], result), ways=("eager", "session"))


def test_division_by_zero():
    zero = tf.constant([0, 0])
    for function in (tf.math.floordiv, tf.math.floormod):
        with pytest.raises(tf.errors.InvalidArgumentError):
            function(tf.constant([1, 2]), zero)
    for function in (tf.truncatediv, tf.truncatemod):
        with pytest.raises(tf.errors.OpError):
            function(tf.constant([1, 2]), zero)
    x, y = np.array([1, -1, 0], F32), np.zeros(3, F32)
    check(tf.divide, [x, y], np.array([np.inf, -np.inf, np.nan], F32))
    check(tf.math.divide_no_nan, [x, y], np.zeros(3, F32))
    check(lambda x, y: tf.compat.v1.div_no_nan(x, y), [x, y], np.zeros(3, F32))
    check(tf.math.multiply_no_nan, [np.array([np.nan, np.inf, 2], F32), y], np.zeros(3, F32))
    check(
        tf.math.multiply_no_nan, [y, np.array([np.nan, np.inf, 2], F32)], np.array([np.nan, np.nan, 0], F32)
    )
    check(tf.math.xdivy, [y, y], np.zeros(3, F32))
    check(tf.math.xdivy, [x, np.array([2, 4, 0], F32)], np.array([0.5, -0.25, 0], F32))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        p = tf.compat.v1.placeholder(tf.int32)
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run(p // 0, {p: [1]})


def test_division_overflow():
    lowest = np.array([-128], np.int8)
    check(tf.math.floordiv, [lowest, np.array([2], np.int8)], np.array([-64], np.int8))
    check(tf.add, [np.array([127], np.int8), np.array([1], np.int8)], lowest)
    check(tf.multiply, [np.array([2**30], np.int32), np.array([4], np.int32)], np.array([0], np.int32))


@pytest.mark.parametrize("dtype", FLOATS)
def test_pow_float(dtype):
    x, y = POSITIVE.astype(dtype), A.astype(dtype)
    check(tf.pow, [x, y], _wide(np.power, x, y), ways=("eager",))
    check(lambda x: x**2, [x], _wide(np.square, x), ways=("eager", "function"))
    check(lambda x: 2**x, [x], _wide(np.exp2, x), ways=("eager",))


def test_pow_integer_and_special():
    check(
        tf.pow,
        [np.array([2, -3, 0, 7], np.int32), np.array([10, 3, 0, 1], np.int32)],
        np.array([1024, -27, 1, 7], np.int32),
    )
    check(tf.pow, [np.array([2], np.int64), np.array([40])], np.array([2**40]))
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.pow(tf.constant([2]), tf.constant([-1]))
    check(
        tf.pow,
        [np.array([-2, -2, 0, 0], F32), np.array([3, 0.5, 0, -1], F32)],
        np.array([-8, np.nan, 1, np.inf], F32),
    )
    check(tf.pow, [np.array([1j], np.complex64), np.array([2], np.complex64)], np.array([-1], np.complex64))
    check_gradient(tf.pow, [POSITIVE, A], ways=("eager", "session"))
    check_gradient(tf.pow, [POSITIVE, A[0]], order=2, rtol=1e-4, ways=("eager",))
    x = tf.constant([0.0, -2.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x**3.0
        exponent = tf.constant([2.0, 2.0])
        tape.watch(exponent)
        z = tf.pow(x, exponent)
    np.testing.assert_allclose(tape.gradient(y, x), [0, 12])
    np.testing.assert_allclose(tape.gradient(z, exponent), [0, 0])


def test_maximum_minimum_ties_and_nan():
    x = tf.constant([1.0, 2.0, 2.0])
    y = tf.constant([2.0, 2.0, 1.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, y])
        high, low = tf.maximum(x, y), tf.minimum(x, y)
    np.testing.assert_array_equal(tape.gradient(high, x), [0, 1, 1])
    np.testing.assert_array_equal(tape.gradient(high, y), [1, 0, 0])
    np.testing.assert_array_equal(tape.gradient(low, x), [1, 1, 0])
    np.testing.assert_array_equal(tape.gradient(low, y), [0, 0, 1])
    check(
        tf.maximum,
        [np.array([np.nan, 1], F32), np.array([1, np.nan], F32)],
        np.array([np.nan, np.nan], F32),
        ways=("eager",),
    )


def test_logarithmic_products():
    x, y = np.array([0, 0, 2, 3], F32), np.array([0, -1, 0.5, np.e], F32)
    check(tf.math.xlogy, [x, y], np.array([0, 0, 2 * np.log(0.5), 3], F32))
    check(tf.math.xlog1py, [x, np.array([-1, -2, 1, 0], F32)], np.array([0, 0, 2 * np.log(2), 0], F32))
    check(
        tf.math.xlogy,
        [np.array([1j], np.complex64), np.array([2], np.complex64)],
        np.array([1j * np.log(2)], np.complex64),
    )
    check_gradient(tf.math.xlogy, [A, POSITIVE], ways=("eager", "session"))
    check_gradient(tf.math.xlog1py, [A, POSITIVE[0]], ways=("eager", "session"))
    check_gradient(tf.math.xdivy, [A, B[0]], ways=("eager", "session"))


def test_nextafter():
    for dtype in (F32, np.float64):
        a, b = np.array([1, 1, 0], dtype), np.array([2, 0, -1], dtype)
        check(tf.math.nextafter, [a, b], np.nextafter(a, b), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [F32, np.int32])
def test_operators(dtype):
    a, b = np.array([7, -3, 2]).astype(dtype), np.array([2, 2, -5]).astype(dtype)
    check(lambda a, b: a + b, [a, b], a + b)
    check(lambda a, b: a - b, [a, b], a - b)
    check(lambda a, b: a * b, [a, b], a * b)
    check(lambda a, b: a // b, [a, b], a // b)
    check(lambda a, b: a % b, [a, b], a % b)
    check(lambda a: -a, [a], -a)
    check(lambda a: abs(a), [a], abs(a))
    check(lambda a: +a if hasattr(a, "__pos__") else a, [a], a)
    check(lambda a: 1 + a - 2 * a, [a], (1 + a - 2 * a).astype(dtype))
    check(lambda a: 10 - a, [a], (10 - a).astype(dtype))
    check(lambda a: 20 // (a + 4), [a], (20 // (a + 4)).astype(dtype))
    check(lambda a: 20 % (a + 4), [a], (20 % (a + 4)).astype(dtype))
    check(lambda a: a + np.ones(3, dtype), [a], a + np.ones(3, dtype))
    check(lambda a: np.ones(3, dtype) + a, [a], a + np.ones(3, dtype))
    check(lambda a: [1, 2, 3] + a, [a], (a + [1, 2, 3]).astype(dtype))
    for function, reference in [
        (lambda a, b: a < b, a < b),
        (lambda a, b: a <= b, a <= b),
        (lambda a, b: a > b, a > b),
        (lambda a, b: a >= b, a >= b),
    ]:
        check(function, [a, b], reference)


def test_binary_errors():
    with pytest.raises((TypeError, *INVALID)):
        tf.constant(1) + tf.constant(1.0)
    with pytest.raises((TypeError, *INVALID)):
        tf.constant(1) + 1.5
    with pytest.raises((TypeError, *INVALID)):
        tf.constant([True]) + tf.constant([True])
    with pytest.raises((TypeError, *INVALID)):
        tf.constant([1.0]) + "a"
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.zeros([2]) + tf.zeros([3])
    with tf.Graph().as_default():
        with pytest.raises(ValueError):
            tf.zeros([2]) + tf.zeros([3])
        with pytest.raises((TypeError, ValueError)):
            tf.constant(1) + tf.constant(1.0)
    with pytest.raises((TypeError, *INVALID)):
        tf.add(tf.constant(1, tf.int64), tf.constant(1, tf.int32))


def test_string_addition():
    a, b = np.array([b"a", b"b"], object), np.array([b"x"], object)
    check(lambda a, b: a + b, [a, b], [b"ax", b"bx"])
    check(lambda a: "<" + a, [a], [b"<a", b"<b"])


# comparisons and logic

COMPARISONS = {
    "equal": (tf.equal, np.equal),
    "not_equal": (tf.not_equal, np.not_equal),
    "less": (tf.less, np.less),
    "less_equal": (tf.less_equal, np.less_equal),
    "greater": (tf.greater, np.greater),
    "greater_equal": (tf.greater_equal, np.greater_equal),
}


@pytest.mark.parametrize("name", COMPARISONS)
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_comparison(name, dtype):
    function, reference = COMPARISONS[name]
    a, b = np.array([[1, 2], [3, 4]]).astype(dtype), np.array([2, 2]).astype(dtype)
    ways = ("eager", "function", "session") if dtype in (F32, np.int32) else ("eager",)
    check(function, [a, b], reference(a, b), ways=ways)
    check(lambda a: function(a, 3), [a], reference(a, 3).astype(bool), ways=ways)


def test_comparison_of_nan():
    x = np.array([np.nan, 1, np.inf], F32)
    for function, reference in COMPARISONS.values():
        check(function, [x, x], reference(x, x))


def test_equality_of_other_types():
    check(tf.equal, [np.array([True, False]), np.array([True, True])], np.array([True, False]))
    check(
        tf.not_equal,
        [np.array([b"a", b"b"], object), np.array([b"a", b"c"], object)],
        np.array([False, True]),
    )
    check(lambda s: tf.equal(s, "a"), [np.array([b"a", b"b"], object)], np.array([True, False]))
    check(
        tf.equal, [np.array([1j, 2], np.complex64), np.array([1j, 1], np.complex64)], np.array([True, False])
    )
    not_v1 = ("eager", "function")
    check(lambda a, b: a == b, [np.array([1, 2]), np.array([1, 3])], np.array([True, False]), ways=not_v1)
    check(lambda a, b: a != b, [np.array([1, 2]), np.array([1, 3])], np.array([False, True]), ways=not_v1)
    with tf.Graph().as_default():  # outside functions, tensors of a graph compare by identity
        a = tf.constant([1, 2])
        assert (a == tf.constant([1, 2])) is False
        assert (a == a) is True
        assert (a != tf.constant([1, 2])) is True
    with pytest.raises((TypeError, *INVALID)):
        tf.less(tf.constant([True]), tf.constant([False]))
    with pytest.raises((TypeError, *INVALID)):
        tf.less(tf.constant(["a"]), tf.constant(["b"]))


def test_equality_of_incompatible_shapes():
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.equal(tf.zeros([2]), tf.zeros([3]))
    assert (tf.zeros([2]) == tf.zeros([3])).numpy() is np.False_
    assert (tf.zeros([2]) != tf.zeros([3])).numpy() is np.True_
    assert (tf.zeros([2]) == [0.0, 0.0, 0.0]).numpy() is np.False_
    assert not tf.function(lambda: tf.zeros([2]) == tf.zeros([3]))()
    with pytest.raises(ValueError):
        tf.function(lambda: tf.equal(tf.zeros([2]), tf.zeros([3])))()
    equal, not_equal = tf.raw_ops.Equal, tf.raw_ops.NotEqual
    flag = {"incompatible_shape_error": False}
    np.testing.assert_array_equal(equal(x=[1.0, 2.0], y=[1.0], **flag), [True, False])
    assert equal(x=[1.0, 2.0], y=[1.0] * 3, **flag).numpy() is np.False_
    assert not_equal(x=[1.0, 2.0], y=[1.0] * 3, **flag).numpy() is np.True_
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.less(tf.zeros([2]), tf.zeros([3]))


def test_approximate_equal():
    a = np.array([1.0, 2.0], F32)
    check(lambda a: tf.raw_ops.ApproximateEqual(x=a, y=a + 1e-6, tolerance=1e-5), [a], np.array([True, True]))
    check(lambda a: tf.raw_ops.ApproximateEqual(x=a, y=a + 1e-4), [a], np.array([False, False]))


def test_logic():
    a, b = np.array([True, True, False, False]), np.array([True, False, True, False])
    check(tf.logical_and, [a, b], a & b)
    check(tf.logical_or, [a, b], a | b)
    check(tf.math.logical_xor, [a, b], a ^ b)
    check(tf.logical_not, [a], ~a)
    check(lambda a, b: a & b, [a, b], a & b)
    check(lambda a, b: a | b, [a, b], a | b)
    check(lambda a, b: a ^ b, [a, b], a ^ b)
    check(lambda a: ~a, [a], ~a)
    check(lambda a: tf.logical_and(a, True), [a], a)
    check(lambda a, b: tf.logical_and(a[:, None], b), [a, b], a[:, None] & b, session_shapes=[[None], [None]])
    with pytest.raises((TypeError, *INVALID)):
        tf.logical_and([1], [0])


@pytest.mark.parametrize("dtype", [*INTEGERS, np.uint32, np.uint64])
def test_bitwise(dtype):
    a, b = np.array([12, 7, 127], dtype), np.array([10, 2, 1], dtype)
    check(tf.bitwise.bitwise_and, [a, b], a & b, ways=("eager",))
    check(tf.bitwise.bitwise_or, [a, b], a | b, ways=("eager",))
    check(tf.bitwise.bitwise_xor, [a, b], a ^ b, ways=("eager",))
    check(tf.bitwise.invert, [a], ~a, ways=("eager",))
    shift = np.array([1, 2, 0], dtype)
    check(tf.bitwise.left_shift, [a, shift], a << shift, ways=("eager",))
    check(tf.bitwise.right_shift, [a, shift], a >> shift, ways=("eager",))
    check(lambda x: tf.raw_ops.PopulationCount(x=x), [a], np.array([2, 3, 7], np.uint8), ways=("eager",))


def test_bitwise_operators():
    a, b = np.array([12, -7], np.int32), np.array([10, 3], np.int32)
    check(lambda a, b: a & b, [a, b], a & b)
    check(lambda a, b: a | b, [a, b], a | b)
    check(lambda a, b: a ^ b, [a, b], a ^ b)
    check(lambda a: ~a, [a], ~a)
    check(tf.bitwise.right_shift, [a, np.array([1, 1], np.int32)], a >> 1)
    with pytest.raises((TypeError, *INVALID)):
        tf.bitwise.bitwise_and([1.0], [2.0])


# clipping


def test_clip_by_value():
    x = np.array([-3, -1, 0, 2, 5], F32)
    check(lambda x: tf.clip_by_value(x, -1.0, 2.0), [x], np.clip(x, -1, 2))
    check(lambda x: tf.clip_by_value(x, -1, 2), [x.astype(np.int32)], np.clip(x, -1, 2).astype(np.int32))
    check(
        lambda x, a: tf.clip_by_value(x, a, 2.0),
        [x, np.array([0, -2, 1, 1, 1], F32)],
        np.array([0, -1, 1, 2, 2], F32),
    )
    check(lambda x: tf.clip_by_value(x, tf.constant(0.0), np.inf), [x], np.maximum(x, 0))
    check_gradient(lambda x: tf.clip_by_value(x * x, 1.0, 5.0), [A])
    check_gradient(lambda x, a: tf.clip_by_value(x, a, 2.0), [A, np.float64(-1)], ways=("eager",))
    with pytest.raises(INVALID):
        tf.clip_by_value(tf.zeros([2]), tf.zeros([3]), 1.0)


def test_clip_by_norms():
    x = np.array([[3, 4], [0.3, 0.4]], F32)
    norm = np.linalg.norm(x)
    check(lambda x: tf.clip_by_norm(x, 1.0), [x], (x / norm).astype(F32))
    check(lambda x: tf.clip_by_norm(x, 100.0), [x], x)
    check(lambda x: tf.clip_by_norm(x, 1.0, axes=[1]), [x], np.array([[0.6, 0.8], [0.3, 0.4]], F32))
    check(lambda x: tf.clip_by_norm(x, 1.0), [np.zeros(2, F32)], np.zeros(2, F32))
    check(lambda x: tf.compat.v1.clip_by_average_norm(x, 1.0), [x], (x / (norm / 4)).astype(F32))
    check_gradient(lambda x: tf.clip_by_norm(x, 1.0), [A])
    y = np.array([12.0], F32)
    total = np.sqrt(norm**2 + 144)
    check(lambda x, y: tf.linalg.global_norm([x, y]), [x, y], np.float32(total))
    clipped, found = run("session", lambda x, y: tf.clip_by_global_norm([x, y], 2.0), [x, y])
    np.testing.assert_allclose(found, total, rtol=1e-6)
    np.testing.assert_allclose(clipped[0], x * 2 / total, rtol=1e-6)
    clipped, _ = tf.clip_by_global_norm([x, None, y], 2.0, use_norm=tf.constant(4.0))
    assert clipped[1] is None
    np.testing.assert_allclose(clipped[2], y / 2)
    clipped, _ = tf.clip_by_global_norm([tf.constant([np.inf])], 1.0)
    assert np.isnan(clipped[0].numpy()).all()
    slices = tf.IndexedSlices(tf.constant([[3.0, 4.0]]), tf.constant([1]), tf.constant([2, 2]))
    (clipped,), found = tf.clip_by_global_norm([slices], 1.0)
    assert isinstance(clipped, tf.IndexedSlices)
    np.testing.assert_allclose(clipped.values, [[0.6, 0.8]], rtol=1e-6)
    np.testing.assert_allclose(found, 5.0)


# aliases


def test_aliases():
    v1 = tf.compat.v1
    pairs = [
        (v1.log, tf.math.log), (v1.log1p, tf.math.log1p), (v1.ceil, tf.math.ceil), (v1.mod, tf.math.mod),
        (v1.floormod, tf.math.floormod), (v1.mul if hasattr(v1, "mul") else v1.multiply, tf.multiply),
        (v1.rsqrt, tf.math.rsqrt), (v1.digamma, tf.math.digamma), (v1.lgamma, tf.math.lgamma),
        (v1.erf, tf.math.erf), (v1.is_inf, tf.math.is_inf), (v1.logical_xor, tf.math.logical_xor),
        (v1.reciprocal, tf.math.reciprocal), (v1.log_sigmoid, tf.math.log_sigmoid), (v1.real, tf.math.real),
        (v1.conj, tf.math.conj), (v1.squared_difference, tf.math.squared_difference),
    ]  # fmt: skip
    for old, new in pairs:
        assert callable(old) and callable(new)
    x = tf.constant([1.0, 2.0])
    np.testing.assert_allclose(v1.log(x), np.log([1.0, 2.0]), rtol=1e-6)
    np.testing.assert_allclose(v1.rsqrt(x), 1 / np.sqrt([1.0, 2.0]), rtol=1e-6)
    np.testing.assert_allclose(v1.mod(x, 1.5), [1.0, 0.5])
    np.testing.assert_allclose(tf.math.scalar_mul(2.0, x), [2.0, 4.0])
    np.testing.assert_allclose(v1.scalar_mul(2.0, x), [2.0, 4.0])
