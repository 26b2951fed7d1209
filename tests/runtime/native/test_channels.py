"""What normalization does to channels, by the native kernels in compiled programs, against double precision."""

import functools

import jax
import numpy as np
import pytest

from everflow._src.runtime.native import channels as native
from everflow._src.runtime.native.library import compiled_library
from tests.runtime.native.cases import needs_native

pytestmark = needs_native


@pytest.fixture(autouse=True)
def known_to_xla():
    """As after `serves`, which is asked first."""
    assert compiled_library(jax) is not None


SHAPES = [(3, 33, 21, 16), (700, 3), (1, 4096), (50_000, 5), (2, 9, 9, 9, 33), (2049, 1)]


def moments(x):
    rows = x.reshape(-1, x.shape[-1]).astype(np.float64)
    return rows.mean(0), rows.var(0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("offset", [0, 1000])
def test_moments(shape, offset):
    x = (np.random.default_rng(0).standard_normal(shape) + offset).astype(np.float32)
    assert native.serves(jax, x)
    mean, variance = jax.jit(lambda x: native.moments(jax, x, None))(x)
    for found, expected in zip((mean, variance), moments(x)):
        np.testing.assert_allclose(np.asarray(found), expected, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_products(shape):
    random = np.random.default_rng(0)
    dy, x = (random.standard_normal(shape).astype(np.float32) for _ in range(2))
    mean = random.standard_normal(shape[-1]).astype(np.float32)
    found = jax.jit(lambda *given: native.products(jax, *given, None))(dy, x, mean)
    d, deviation = (v.reshape(-1, shape[-1]).astype(np.float64) for v in (dy, x - mean))
    for one, other, size in zip(found, (d.sum(0), (d * deviation).sum(0)),
                                (np.abs(d).sum(0), np.abs(d * deviation).sum(0))):
        assert (np.abs(np.asarray(one) - other) <= 2e-6 * size).all()


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("addends", [0, 1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_affine(shape, addends, relu):
    random = np.random.default_rng(0)
    x, z = (random.standard_normal(shape).astype(np.float32) for _ in range(2))
    shift, factor, offset, share = random.standard_normal((4, shape[-1])).astype(np.float32)
    x[(0,) * len(shape)] = np.nan
    more = (z, share)[:addends]
    program = jax.jit(functools.partial(native.affine, jax, None, relu=relu))
    found = np.asarray(program(x, shift, factor, offset, *more))
    expected = factor * (x.astype(np.float64) - shift) + offset
    if addends:
        expected = expected + z.astype(np.float64) * (share if addends == 2 else 1)
    expected = np.where(expected < 0, 0, expected) if relu else expected
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_same_bits_every_time():
    random = np.random.default_rng(0)
    dy, x = (random.standard_normal((16, 40, 40, 24)).astype(np.float32) for _ in range(2))
    mean = x.mean((0, 1, 2))
    program = jax.jit(lambda dy, x, mean: (native.moments(jax, x, None), native.products(jax, dy, x, mean, None)))
    first = jax.tree.leaves(program(dy, x, mean))
    for _ in range(10):
        for one, other in zip(jax.tree.leaves(program(dy, x, mean)), first):
            np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_its_channel(value):
    x = np.random.default_rng(0).standard_normal((20, 20, 20, 8)).astype(np.float32)
    x[3, 4, 5, 6] = value
    mean, variance = (np.asarray(v) for v in jax.jit(lambda x: native.moments(jax, x, None))(x))
    assert not np.isfinite(mean[6])
    assert np.isnan(variance[6])
    assert np.isfinite(np.delete(mean, 6)).all()
    assert np.isfinite(np.delete(variance, 6)).all()


def test_mapped():
    x = np.random.default_rng(0).standard_normal((3, 400, 16)).astype(np.float32)

    def otherwise(x):
        return jax.numpy.mean(x, 0), jax.numpy.var(x, 0)

    found = jax.jit(jax.vmap(lambda x: native.moments(jax, x, otherwise)))(x)
    np.testing.assert_allclose(np.asarray(found[0]), x.mean(1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.asarray(found[1]), x.var(1), rtol=1e-4, atol=1e-5)


def test_what_is_left_to_xla():
    for x in (np.zeros((50, 8), np.float32), np.zeros((500, 8), np.float64), np.zeros((0, 8), np.float32),
              np.zeros(5000, np.float32)):
        assert not native.serves(jax, x)


def call(name, results, numbers, *shapes, dtype=np.float32):
    arrays = [np.ones(shape, dtype) for shape in shapes]
    kinds = [jax.ShapeDtypeStruct(shape, np.float32) for shape in results]
    target = jax.ffi.ffi_call(name, kinds[0] if len(kinds) == 1 else tuple(kinds))
    return jax.jit(functools.partial(target, numbers=np.array(numbers, np.int64)))(*arrays)


@pytest.mark.parametrize("numbers", [
    [], [6, 4], [6, 4, 0, 0], [0, 4, 0], [6, -4, 0], [2 ** 62, 4, 0], [2 ** 39, 2 ** 39, 0], [6, 5, 0], [7, 4, 0],
    [6, 4, 2],
])
def test_numbers_that_make_no_sense(numbers):
    for name, results, shapes in [
        ("everflow_channel_moments", [(4,), (4,)], [(6, 4)]),
        ("everflow_channel_products", [(4,), (4,)], [(6, 4), (6, 4), (4,)]),
        ("everflow_channel_affine", [(6, 4)], [(6, 4), (4,), (4,), (4,)]),
    ]:
        call(name, results, [6, 4, 0], *shapes)
        with pytest.raises(Exception, match="channels|another size"):
            call(name, results, numbers, *shapes)


@pytest.mark.parametrize(("name", "results", "shapes"), [
    ("everflow_channel_moments", [(4,), (3,)], [(6, 4)]),
    ("everflow_channel_moments", [(4,), (4,)], [(6, 3)]),
    ("everflow_channel_products", [(4,), (4,)], [(6, 4), (5, 4), (4,)]),
    ("everflow_channel_products", [(4,), (4,)], [(6, 4), (6, 4), (5,)]),
    ("everflow_channel_affine", [(6, 4)], [(6, 4), (4,), (4,), (3,)]),
    ("everflow_channel_affine", [(6, 3)], [(6, 4), (4,), (4,), (4,)]),
    ("everflow_channel_affine", [(6, 4)], [(6, 4), (4,), (4,), (4,), (5, 4)]),
    ("everflow_channel_affine", [(6, 4)], [(6, 4), (4,), (4,), (4,), (6, 4), (3,)]),
    ("everflow_channel_affine", [(6, 4)], [(6, 4), (4,), (4,), (4,), (6, 4), (4,), (4,)]),
    ("everflow_channel_affine", [(6, 4)], [(6, 4), (4,), (4,)]),
    ("everflow_channel_affine", [(6, 4)], []),
])
def test_buffers_that_do_not_fit(name, results, shapes):
    with pytest.raises(Exception, match="another size|number of operands|decode|missing"):
        call(name, results, [6, 4, 0], *shapes)


def test_operands_of_another_type():
    with pytest.raises(Exception, match="unexpected type"):
        call("everflow_channel_moments", [(4,), (4,)], [6, 4, 0], (6, 4), dtype=np.int32)
