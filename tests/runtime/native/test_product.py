"""Products of matrices by the native kernels, in compiled programs and eagerly, against double precision."""

import functools

import jax
import numpy as np
import pytest

import everflow as tf
from everflow._src.runtime.native import product as native
from everflow._src.runtime.native.library import library
from tests.runtime.native.cases import needs_native

pytestmark = needs_native
BFLOAT16 = np.dtype(tf.bfloat16.as_numpy_dtype)
# oneDNN has kernels for bfloat16 where the processor has instructions for it.
SQUARE = np.array([1, 1, 64, 64, 64, 0, 0, 0, 0, 0])
HAS_BFLOAT16 = library() is not None and bool(library().product_implementation(SQUARE))
needs_bfloat16 = pytest.mark.skipif(not HAS_BFLOAT16, reason="the processor has no products in bfloat16")
TYPES = [np.dtype(np.float32), pytest.param(BFLOAT16, marks=needs_bfloat16)]


def bits(array):
    return array.view(np.uint8)


def random_operands(random, dtype=np.float32):
    """Operands of which one extent may be long, and the rest of the arguments of `product.compiled`."""
    rows, columns, inner = (int(n) for n in random.integers(1, 70, 3))
    inner *= int(random.choice([1, 1, 40]))
    batch = tuple(int(n) for n in random.integers(1, 5, random.integers(0, 3)))
    transpose_a, transpose_b = (bool(t) for t in random.integers(0, 2, 2))
    a = random.standard_normal((*batch, *((inner, rows) if transpose_a else (rows, inner))))
    b = random.standard_normal((*batch, *((columns, inner) if transpose_b else (inner, columns))))
    return a.astype(dtype), b.astype(dtype), transpose_a, transpose_b


def reference(a, b, transpose_a, transpose_b, take=lambda v: v):
    a, b = (take(np.asarray(v, np.float64)) for v in (a, b))
    return np.matmul(a.swapaxes(-1, -2) if transpose_a else a, b.swapaxes(-1, -2) if transpose_b else b)


def check(result, a, b, transpose_a, transpose_b):
    """Sums are in single precision in any case; the result is rounded to its type."""
    assert result.dtype == a.dtype
    size, expected = reference(a, b, transpose_a, transpose_b, np.abs), reference(a, b, transpose_a, transpose_b)
    rounding = 2.0 ** -8 * np.abs(expected) if result.dtype == BFLOAT16 else 0
    assert (np.abs(result.astype(np.float64) - expected) <= 2e-6 * size + rounding).all()


@pytest.mark.parametrize("dtype", TYPES)
def test_programs_of_random_products(dtype):
    random = np.random.default_rng(0)
    rows = [random_operands(random, dtype) for _ in range(60)]
    native_ones = []

    def program(operands):
        results = []
        for (a, b), (*_, transpose_a, transpose_b) in zip(operands, rows):
            found = native.compiled(jax, a, b, transpose_a, transpose_b, None)
            native_ones.append(found is not None)
            results.append(found if found is not None else 0)
        return results

    results = jax.jit(program)([row[:2] for row in rows])
    for row, is_native, result in zip(rows, native_ones, results):
        if is_native:
            check(np.asarray(result), *row)
    assert sum(native_ones) > 30


def described(a, b, transpose_a, transpose_b):
    return native._described(a, b, transpose_a, transpose_b)


def eager(a, b, transpose_a, transpose_b):
    numbers = described(a, b, transpose_a, transpose_b)
    result = np.full((*a.shape[:-2], *numbers[2:4]), 7, a.dtype)
    library().call("everflow_product", numbers, a, b, None, None, result)
    return result


@pytest.mark.parametrize("dtype", TYPES)
def test_the_entry_point_on_random_products(dtype):
    random = np.random.default_rng(1)
    for _ in range(300):
        row = random_operands(random, dtype)
        check(eager(*row), *row)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("a_shape", "b_shape"), [
    ((700, 90), (90, 300)),  # cut by rows
    ((90, 300), (300, 700)),  # by columns
    ((20, 60_000), (60_000, 17)),  # into parts of the sums
    ((9, 200, 64), (9, 64, 200)),  # by products
    ((3, 150, 200), (3, 200, 150)),  # by rows of each, where there are more threads than products
    ((1, 900), (900, 4000)),  # one row
])
@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True), (True, True)])
def test_the_same_bits_every_time(a_shape, b_shape, transposed, dtype):
    random = np.random.default_rng(0)
    a, b = (random.standard_normal(shape).astype(dtype) for shape in (a_shape, b_shape))
    a, b = (np.ascontiguousarray(m.swapaxes(-1, -2)) if t else m for m, t in zip((a, b), transposed))
    first = eager(a, b, *transposed)
    check(first, a, b, *transposed)
    for _ in range(5):
        np.testing.assert_array_equal(bits(eager(a, b, *transposed)), bits(first))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("inner", [64, 50_000])
def test_what_is_not_finite_is_carried_through(inner, value, dtype):
    random = np.random.default_rng(0)
    a, b = random.standard_normal((19, inner)), random.standard_normal((inner, 23))
    a[3, 5], b[7, 11] = value, value
    a, b = a.astype(dtype), b.astype(dtype)
    with np.errstate(invalid="ignore"):
        result, expected = eager(a, b, False, False).astype(np.float64), reference(a, b, False, False)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
    np.testing.assert_array_equal(np.where(np.isinf(result), result, 0), np.where(np.isinf(expected), expected, 0))


@pytest.mark.parametrize("dtype", TYPES)
def test_mapped(dtype):
    random = np.random.default_rng(0)
    a, b = (random.standard_normal(s).astype(dtype) for s in [(3, 2, 20, 30), (2, 40, 30)])

    def otherwise(a, b):
        return jax.numpy.matmul(a, b.swapaxes(-1, -2))

    call = functools.partial(native.compiled, jax, transpose_a=False, transpose_b=True, otherwise=otherwise)
    mapped = jax.jit(jax.vmap(lambda a, b: call(a, b), in_axes=(0, None)))(a, b)
    check(np.asarray(mapped), a, b[None], False, True)


@pytest.mark.parametrize(("a_shape", "b_shape", "dtype"), [
    ((2, 20, 30), (2, 30, 40), np.float64), ((2, 20, 30), (2, 30, 40), np.float16),
    ((2, 20, 30), (1, 30, 40), np.float32), ((0, 20, 30), (0, 30, 40), np.float32),
    ((2, 20, 0), (2, 0, 40), np.float32), ((2, 3), (3, 2), np.float32),
])
def test_what_is_left_to_xla(a_shape, b_shape, dtype):
    assert native.compiled(jax, np.zeros(a_shape, dtype), np.zeros(b_shape, dtype), False, False, None) is None


# ---- bfloat16 through the operations, whoever computes them


def gradients_of_product(a, b, dy, transpose_a, transpose_b):
    with tf.GradientTape() as tape:
        tape.watch([a, b])
        y = tf.matmul(a, b, transpose_a=transpose_a, transpose_b=transpose_b)
    return [y, *tape.gradient(y, [a, b], output_gradients=dy)]


@pytest.mark.parametrize("batch", [(), (3,)])
@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True), (True, True)])
def test_bfloat16_in_functions(transposed, batch):
    random = np.random.default_rng(0)
    a, b, dy = (random.standard_normal((*batch, *shape)) for shape in [(130, 257), (257, 65), (130, 65)])
    a, b = (np.ascontiguousarray(m.swapaxes(-1, -2)) if t else m for m, t in zip((a, b), transposed))
    a, b, dy = (m.astype(BFLOAT16) for m in (a, b, dy))
    function = tf.function(gradients_of_product, jit_compile=True)
    y, da, db = (v.numpy() for v in function(*map(tf.constant, (a, b, dy)), *transposed))
    check(y, a, b, *transposed)
    turn_a, turn_b = transposed
    check(*((da, b, dy, turn_b, True) if turn_a else (da, dy, b, False, not turn_b)))
    check(*((db, dy, a, True, turn_a) if turn_b else (db, a, dy, not turn_a, False)))


@pytest.mark.skipif(HAS_BFLOAT16, reason="the processor has products in bfloat16")
def test_bfloat16_without_instructions_is_left_to_xla():
    a, b = (np.ones(shape, BFLOAT16) for shape in [(300, 300), (300, 300)])
    assert native.compiled(jax, a, b, False, False, None) is None
    with pytest.raises(RuntimeError, match="product of matrices"):
        eager(a, b, False, False)


# ---- NumPy arrays


@pytest.mark.parametrize("rows, columns, inner", [(128, 512, 784), (2000, 10, 300), (17, 4000, 71), (5, 3, 400_000)])
@pytest.mark.parametrize("turned", ["", "a", "b", "ab"])
def test_large_eager_products(rows, columns, inner, turned):
    random = np.random.default_rng(0)
    a, b = random.standard_normal((rows, inner), np.float32), random.standard_normal((inner, columns), np.float32)
    left = np.ascontiguousarray(a.T) if "a" in turned else a
    right = np.ascontiguousarray(b.T) if "b" in turned else b
    found = tf.matmul(left, right, transpose_a="a" in turned, transpose_b="b" in turned).numpy()
    size = np.abs(a).astype(np.float64) @ np.abs(b)
    assert (np.abs(found - a.astype(np.float64) @ b) <= 1e-6 * size).all()


def test_eager_products_of_parts_of_arrays():
    a = np.random.default_rng(0).standard_normal((600, 600), np.float32)
    for left, right in ((a[::2], a[:, ::3]), (a[:, 5:400], a[5:400]), (a.T[::-1], a[::-1]), (a[:, ::-1], a.T[:, 7:])):
        found = native.eager(left, right)
        np.testing.assert_allclose(found, left.astype(np.float64) @ right, rtol=1e-4, atol=1e-3)


def test_eager_products_that_numpy_does_as_well():
    assert native.eager(np.ones((10, 10), np.float32), np.ones((10, 10), np.float32)) is None
    assert native.eager(np.ones((300, 300)), np.ones((300, 300))) is None


def test_large_eager_products_of_sizes_that_do_not_fit():
    with pytest.raises(tf.errors.InvalidArgumentError, match="Matrix size-incompatible"):
        tf.matmul(np.ones((500, 300), np.float32), np.ones((400, 500), np.float32))


# ---- what comes behind a product


def behind_of(random, columns, rows, draw=None):
    """Some of what may come behind, of numbers of which about half are not above 0."""
    draw = draw or random.standard_normal
    bias, relu, positive = (bool(n) for n in random.integers(0, 2, 3))
    return native.Behind(draw(columns).astype(np.float32) if bias else None, relu,
                         draw((rows, columns)).astype(np.float32) if positive else None)


def with_behind(product, behind):
    """As TensorFlow's operations have it: NaNs stay behind a rectifier."""
    result = product if behind.bias is None else product + behind.bias
    result = np.where(result < 0, 0, result) if behind.relu else result
    return result if behind.positive is None else np.where(behind.positive > 0, result, 0)


def eager_behind(a, b, transpose_a, transpose_b, behind):
    numbers = native._described(a, b, transpose_a, transpose_b, behind)
    result = np.full(numbers[2:4], 7, np.float32)
    library().call("everflow_product", numbers, a, b, behind.bias, behind.positive, result)
    return result


def test_what_comes_behind_random_products():
    random = np.random.default_rng(6)
    for _ in range(200):
        a, b, *transposed = random_operands(random)
        a, b = a.reshape(-1, *a.shape[-2:])[0], b.reshape(-1, *b.shape[-2:])[0]
        plain = eager(a, b, *transposed)
        behind = behind_of(random, plain.shape[1], plain.shape[0])
        np.testing.assert_allclose(eager_behind(a, b, *transposed, behind), with_behind(plain, behind),
                                   rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("a_shape", "b_shape"), [
    ((700, 90), (90, 300)), ((90, 300), (300, 700)), ((20, 60_000), (60_000, 17)), ((900, 300), (300, 400)),
])
@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True)])
def test_what_comes_behind_pieces(a_shape, b_shape, transposed):
    """However a product is cut, each piece gets what belongs to it; NaN and infinity are carried through."""
    random = np.random.default_rng(7)
    a, b = (np.ascontiguousarray(m.T if t else m).astype(np.float32) for m, t in zip(
        (random.standard_normal(a_shape), random.standard_normal(b_shape)), transposed))
    a.flat[::977] = random.choice([np.nan, np.inf, -np.inf], a.flat[::977].shape)
    plain = eager(a, b, *transposed)

    def draw(shape):
        return random.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0], shape)

    for _ in range(8):
        behind = behind_of(random, *plain.shape[::-1], draw)
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(eager_behind(a, b, *transposed, behind), with_behind(plain, behind))


def watched_calls(monkeypatch):
    """The flags of what comes behind, of each product that is compiled from now on."""
    found = []
    call = jax.ffi.ffi_call

    def watched(target, *args, **kwargs):
        def note(*given, **attrs):
            if target == "everflow_product":
                found.append(tuple(attrs["numbers"][-3:].tolist()))
            return call(target, *args, **kwargs)(*given, **attrs)
        return note

    monkeypatch.setattr(jax.ffi, "ffi_call", watched)
    monkeypatch.setenv("EVERFLOW_CACHE", "0")
    return found


def dense_layers(x, w1, b1, w2):
    """Two layers behind a reshape, as `tensordot` makes them, and their gradients."""
    with tf.GradientTape() as tape:
        tape.watch([x, w1, b1, w2])
        hidden = tf.nn.relu(tf.tensordot(x, w1, 1) + b1)
        loss = tf.reduce_sum(tf.tensordot(hidden, w2, 1) ** 2)
    return [loss, *tape.gradient(loss, [x, w1, b1, w2])]


def test_dense_layers(monkeypatch):
    monkeypatch.setattr(native, "_is_measured_faster", lambda found, numbers: True)
    found = watched_calls(monkeypatch)
    random = np.random.default_rng(8)
    shapes = ((4, 160, 70), (70, 430), (430,), (430, 90))
    double = [tf.constant(random.standard_normal(shape) / 8) for shape in shapes]
    single = [tf.cast(value, tf.float32) for value in double]
    results = tf.function(dense_layers, jit_compile=True)(*single)
    for ours, exact in zip(results, dense_layers(*double)):
        np.testing.assert_allclose(ours.numpy(), exact.numpy(), rtol=2e-4, atol=2e-4)
    assert (1, 1, 0) in found, "the bias and the rectifier are computed with the first product"
    assert (0, 0, 1) in found, "the gradient of the rectifier with that of the second by its input"


def test_small_results_take_a_bias_only(monkeypatch):
    monkeypatch.setattr(native, "_is_measured_faster", lambda found, numbers: True)
    found = watched_calls(monkeypatch)
    a, b = tf.ones([30, 40]), tf.ones([40, 50])
    result = tf.function(lambda a, b: tf.nn.relu(a @ b - 41.0 * tf.ones([50])), jit_compile=True)(a, b)
    np.testing.assert_array_equal(result, np.zeros((30, 50)))
    tf.function(lambda a, b: tf.nn.relu(a @ b + tf.ones([50])), jit_compile=True)(a, b)
    assert found == [(0, 0, 0), (1, 0, 0)]


def test_what_comes_behind_under_vectorized_map(monkeypatch):
    monkeypatch.setattr(native, "_is_measured_faster", lambda found, numbers: True)
    random = np.random.default_rng(9)
    x, w, b = (tf.constant(random.standard_normal(s), tf.float32) for s in ((3, 520, 40), (40, 530), (530,)))

    def layer(x):
        return tf.nn.relu(x @ w + b)

    mapped = tf.function(lambda x: tf.vectorized_map(layer, x), jit_compile=True)(x)
    np.testing.assert_allclose(mapped.numpy(), np.stack([layer(row).numpy() for row in x]), rtol=1e-5, atol=1e-5)


def test_the_second_operand_of_a_gradient_is_not_what_is_held_back(monkeypatch):
    monkeypatch.setattr(native, "_is_measured_faster", lambda found, numbers: True)
    random = np.random.default_rng(10)
    a, b, dy = (tf.constant(random.standard_normal(s), tf.float32) for s in ((520, 40), (40, 530), (520, 530)))

    def program(a, b, dy):
        return tf.raw_ops.ReluGrad(gradients=dy, features=a @ b)

    ours = tf.function(program, jit_compile=True)(a, b, dy)
    np.testing.assert_allclose(ours.numpy(), program(a, b, dy).numpy(), rtol=1e-6)
