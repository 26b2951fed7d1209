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


def random_operands(random):
    """Operands of which one extent may be long, and the rest of the arguments of `product.compiled`."""
    rows, columns, inner = (int(n) for n in random.integers(1, 70, 3))
    inner *= int(random.choice([1, 1, 40]))
    batch = tuple(int(n) for n in random.integers(1, 5, random.integers(0, 3)))
    transpose_a, transpose_b = (bool(t) for t in random.integers(0, 2, 2))
    a = random.standard_normal((*batch, *((inner, rows) if transpose_a else (rows, inner))))
    b = random.standard_normal((*batch, *((columns, inner) if transpose_b else (inner, columns))))
    return a.astype(np.float32), b.astype(np.float32), transpose_a, transpose_b


def reference(a, b, transpose_a, transpose_b, take=lambda v: v):
    a, b = (take(np.asarray(v, np.float64)) for v in (a, b))
    return np.matmul(a.swapaxes(-1, -2) if transpose_a else a, b.swapaxes(-1, -2) if transpose_b else b)


def check(result, a, b, transpose_a, transpose_b):
    size = reference(a, b, transpose_a, transpose_b, np.abs)
    assert (np.abs(result - reference(a, b, transpose_a, transpose_b)) <= 2e-6 * size).all()


def test_programs_of_random_products():
    random = np.random.default_rng(0)
    rows = [random_operands(random) for _ in range(60)]
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


def eager(a, b, transpose_a, transpose_b):
    rows, inner = a.shape[-2:][::-1] if transpose_a else a.shape[-2:]
    columns = b.shape[-2 if transpose_b else -1]
    count = int(np.prod(a.shape[:-2]))
    result = np.full((*a.shape[:-2], rows, columns), 7, np.float32)
    numbers = np.array([0, count, rows, columns, inner, transpose_a, transpose_b])
    library().call("everflow_product", numbers, a, b, result)
    return result


def test_the_entry_point_on_random_products():
    random = np.random.default_rng(1)
    for _ in range(300):
        row = random_operands(random)
        check(eager(*row), *row)


@pytest.mark.parametrize(("a_shape", "b_shape"), [
    ((700, 90), (90, 300)),  # cut by rows
    ((90, 300), (300, 700)),  # by columns
    ((20, 60_000), (60_000, 17)),  # into parts of the sums
    ((9, 200, 64), (9, 64, 200)),  # by products
])
def test_the_same_bits_every_time(a_shape, b_shape):
    random = np.random.default_rng(0)
    a, b = (random.standard_normal(shape).astype(np.float32) for shape in (a_shape, b_shape))
    check(eager(a, b, False, False), a, b, False, False)
    first = eager(a, b, False, False)
    for _ in range(10):
        np.testing.assert_array_equal(eager(a, b, False, False), first)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("inner", [64, 50_000])
def test_what_is_not_finite_is_carried_through(inner, value):
    random = np.random.default_rng(0)
    a, b = random.standard_normal((19, inner)), random.standard_normal((inner, 23))
    a[3, 5], b[7, 11] = value, value
    a, b = a.astype(np.float32), b.astype(np.float32)
    with np.errstate(invalid="ignore"):
        result, expected = eager(a, b, False, False), reference(a, b, False, False)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(result), np.isinf(expected))


def test_mapped():
    random = np.random.default_rng(0)
    a, b = (random.standard_normal(s).astype(np.float32) for s in [(3, 2, 20, 30), (2, 40, 30)])

    def otherwise(a, b):
        return jax.numpy.matmul(a, b.swapaxes(-1, -2))

    call = functools.partial(native.compiled, jax, transpose_a=False, transpose_b=True, otherwise=otherwise)
    mapped = jax.jit(jax.vmap(lambda a, b: call(a, b), in_axes=(0, None)))(a, b)
    np.testing.assert_allclose(np.asarray(mapped), reference(a, b[None], False, True), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("a_shape", "b_shape", "dtype"), [
    ((2, 20, 30), (2, 30, 40), np.float64), ((2, 20, 30), (2, 30, 40), np.float16),
    ((2, 20, 30), (1, 30, 40), np.float32), ((0, 20, 30), (0, 30, 40), np.float32),
    ((2, 20, 0), (2, 0, 40), np.float32), ((2, 3), (3, 2), np.float32),
])
def test_what_is_left_to_xla(a_shape, b_shape, dtype):
    assert native.compiled(jax, np.zeros(a_shape, dtype), np.zeros(b_shape, dtype), False, False, None) is None


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
