"""Maxima and averages over windows by the native kernels: against what a window by itself says, and against NumPy."""

import functools
import itertools
import subprocess
import sys

import jax
import numpy as np
import pytest

import everflow as tf
from everflow._src.framework.registry import CARDS
from everflow._src.ops import nn_pooling as pooling
from everflow._src.ops.nn_pooling import _Pool
from everflow._src.runtime.native import pooling as native
from everflow._src.runtime.native.library import compiled_library, library
from everflow._src.runtime.native.pooling import AVERAGE, AVERAGE_GRADIENT, MAXIMUM, MAXIMUM_GRADIENT
from tests.runtime.native.cases import needs_native, python_environment

pytestmark = needs_native
KINDS = (MAXIMUM, MAXIMUM_GRADIENT, AVERAGE, AVERAGE_GRADIENT)


def random_case(random, dims):
    """The shape of images, and the geometry of windows over them."""
    sizes = [int(s) for s in random.integers(*{1: (20, 60), 2: (5, 16), 3: (3, 8)}[dims], dims)]
    windows = [int(min(random.integers(1, 5), s)) for s in sizes]
    strides = [int(s) for s in random.integers(1, 4, dims)]
    padding, explicit = str(random.choice(["SAME", "VALID", "EXPLICIT"])), ()
    if padding == "EXPLICIT":
        explicit = (0, 0, *(int(p) for w in windows for p in random.integers(0, w, 2)), 0, 0)
    shape = (int(random.integers(1, 6)), *sizes, int(random.choice([4, 5, 8, 16, 33, 64])))
    return shape, _Pool(shape, [1, *windows, 1], [1, *strides, 1], padding, explicit, "NHWC")


def operands(kind, shape, pool, random, draw=None):
    """x, y and dy of the kind; `draw` makes the images."""
    x = (draw or random.standard_normal)(shape).astype(np.float32)
    pooled = (shape[0], *pool.outputs, shape[-1])
    dy = random.standard_normal(pooled).astype(np.float32)
    if kind == MAXIMUM_GRADIENT:
        return x, reference(MAXIMUM, shape, pool, x).astype(np.float32), dy
    return (None, None, dy) if kind == AVERAGE_GRADIENT else (x, None, None)


def reference(kind, shape, pool, x=None, y=None, dy=None):
    """Window by window, in double precision."""
    is_gradient = kind in (MAXIMUM_GRADIENT, AVERAGE_GRADIENT)
    result = np.zeros(shape if is_gradient else (shape[0], *pool.outputs, shape[-1]))
    for place in itertools.product(*(range(o) for o in pool.outputs)):
        begins = [p * s - b for p, s, (b, _) in zip(place, pool.strides, pool.pads)]
        window = (slice(None), *(slice(max(b, 0), b + w) for b, w in zip(begins, pool.windows)))
        at = (slice(None), *place)
        count = np.prod([len(range(*s.indices(n))) for s, n in zip(window[1:], pool.sizes)])
        axes = tuple(range(1, 1 + len(place)))
        if kind == MAXIMUM:
            result[at] = x[window].max(axes)
        elif kind == AVERAGE:
            result[at] = x[window].astype(np.float64).mean(axes)
        elif kind == AVERAGE_GRADIENT:
            result[window] += np.expand_dims(dy[at], axes) / count
        else:
            inside = x[window].reshape(shape[0], -1, shape[-1])
            hits = inside == y[at][:, None]
            first = hits & (np.cumsum(hits, axis=1) == 1)
            result[window] += (first * dy[at][:, None].astype(np.float64)).reshape(x[window].shape)
    return result


def by_numpy(monkeypatch, kind, shape, pool, x, y, dy):
    """What the kernels of the cards compute without the native ones."""
    with monkeypatch.context() as patched:
        patched.setattr(native, "eager", lambda *args, **kwargs: None)
        return {
            MAXIMUM: lambda: pooling._max(np, x, pool),
            MAXIMUM_GRADIENT: lambda: pooling._max_gradient(np, x, y, dy, pool),
            AVERAGE: lambda: pooling._average(np, x, pool),
            AVERAGE_GRADIENT: lambda: pooling._average_gradient(np, shape, dy, pool),
        }[kind]()


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_random_shapes(monkeypatch, kind, dims):
    random = np.random.default_rng(10 * kind + dims)
    native_ones = 0
    for _ in range(25):
        shape, pool = random_case(random, dims)
        given = operands(kind, shape, pool, random)
        result = native.eager(kind, pool, shape, *given)
        if result is None:
            continue
        native_ones += 1
        expected = reference(kind, shape, pool, *given)
        assert result.dtype == np.float32
        if kind == MAXIMUM:
            np.testing.assert_array_equal(result, expected)
        np.testing.assert_allclose(result, expected, rtol=2e-6, atol=2e-6)
        np.testing.assert_allclose(result, by_numpy(monkeypatch, kind, shape, pool, *given), rtol=2e-6, atol=2e-6)
    assert native_ones > 15


@pytest.mark.parametrize("dims", [2, 3])
def test_ties_go_to_the_first(monkeypatch, dims):
    random = np.random.default_rng(dims)
    for _ in range(15):
        shape, pool = random_case(random, dims)
        given = operands(MAXIMUM_GRADIENT, shape, pool, random, lambda s: random.integers(0, 3, s))
        result = native.eager(MAXIMUM_GRADIENT, pool, shape, *given)
        if result is not None:
            np.testing.assert_allclose(result, reference(MAXIMUM_GRADIENT, shape, pool, *given), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_finite_is_as_numpy_has_it(monkeypatch, kind):
    random = np.random.default_rng(kind)

    def draw(shape):
        return random.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0], shape, p=[.04, .1, .5, .1, .1, .1, .06])

    native_ones = 0
    for _ in range(40):
        shape, pool = random_case(random, int(random.integers(2, 4)))
        with np.errstate(invalid="ignore"):
            given = operands(kind, shape, pool, random, draw)
            if given[2] is not None:
                given[2][random.random(given[2].shape) < 0.1] = random.choice([np.nan, np.inf])
            result = native.eager(kind, pool, shape, *given)
            if result is not None:
                native_ones += 1
                expected = by_numpy(monkeypatch, kind, shape, pool, *given)
                np.testing.assert_allclose(result, expected, rtol=2e-6, atol=2e-6)
    assert native_ones > 20


@pytest.mark.parametrize("kind", KINDS)
def test_same_bits_every_time(kind):
    random = np.random.default_rng(0)
    for shape in ((1, 40, 41, 70), (7, 30, 30, 32)):  # cut by channels; by images
        pool = _Pool(shape, [1, 3, 3, 1], [1, 2, 2, 1], "SAME", (), "NHWC")
        given = operands(kind, shape, pool, random)
        first = native.eager(kind, pool, shape, *given)
        np.testing.assert_allclose(first, reference(kind, shape, pool, *given), rtol=2e-6, atol=2e-6)
        for _ in range(10):
            np.testing.assert_array_equal(native.eager(kind, pool, shape, *given), first)


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
@pytest.mark.parametrize("name", ["MaxPool", "AvgPool"])
def test_operations(monkeypatch, name, data_format):
    random = np.random.default_rng(0)
    x = random.standard_normal((3, 14, 15, 16)).astype(np.float32)
    first = data_format == "NCHW"
    spread = (lambda v: [1, 1, v, v]) if first else (lambda v: [1, v, v, 1])
    options = {"ksize": spread(3), "strides": spread(2), "padding": "SAME", "data_format": data_format}

    def values():
        tx = tf.constant(np.moveaxis(x, -1, 1) if first else x)
        with tf.GradientTape() as outer:
            outer.watch(tx)
            with tf.GradientTape() as tape:
                tape.watch(tx)
                y = CARDS[name](tx, **options)
                loss = tf.reduce_sum(y ** 3)
            gradient = tape.gradient(loss, tx)
            again = tf.reduce_sum(gradient ** 2)
        return [v.numpy() for v in (y, gradient, outer.gradient(again, tx))]

    counted = []
    call = native.eager
    with monkeypatch.context() as patched:
        patched.setattr(native, "eager", lambda *a, **k: counted.append(1) or call(*a, **k))
        found = values()
    assert len(counted) >= 2
    with monkeypatch.context() as patched:
        patched.setattr(native, "eager", lambda *a, **k: None)
        expected = values()
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_what_is_left_to_numpy():
    x = np.zeros((2, 8, 8, 16), np.float32)
    pool = _Pool(x.shape, [1, 2, 2, 1], [1, 2, 2, 1], "VALID", (), "NHWC")
    assert native.eager(MAXIMUM, pool, x.shape, x) is not None
    assert native.eager(MAXIMUM, pool, x.shape, x.astype(np.float64)) is None
    assert native.eager(MAXIMUM, pool, x.shape, x.astype(np.float16)) is None
    for shape in ((2, 8, 8, 2), (1, 2, 2, 4), (0, 8, 8, 16)):
        pool = _Pool(shape, [1, 2, 2, 1], [1, 2, 2, 1], "VALID", (), "NHWC")
        assert native.eager(MAXIMUM, pool, shape, np.zeros(shape, np.float32)) is None
    wide = _Pool(x.shape, [1, 2, 2, 1], [1, 1, 1, 1], "EXPLICIT", (0, 0, 3, 0, 0, 1, 0, 0), "NHWC")
    assert native.eager(MAXIMUM, wide, x.shape, x) is None
    assert np.isneginf(pooling._max(np, x, wide)[0, 0]).all()  # windows without an element


def test_images_that_do_not_lie_in_order():
    x = np.random.default_rng(0).standard_normal((2, 8, 9, 16)).astype(np.float32)
    pool = _Pool(x.shape, [1, 2, 2, 1], [1, 2, 2, 1], "SAME", (), "NHWC")
    np.testing.assert_array_equal(native.eager(MAXIMUM, pool, x.shape, np.asfortranarray(x)),
                                  native.eager(MAXIMUM, pool, x.shape, x))


# ---- inside of compiled programs


def by_card(first, kind, pool, shape, *given):
    """What the kernels of the cards compute of the operands that the kind has; `first` is NumPy or jax."""
    return {
        MAXIMUM: lambda x: pooling._max(first, x, pool),
        MAXIMUM_GRADIENT: lambda x, y, dy: pooling._max_gradient(first, x, y, dy, pool),
        AVERAGE: lambda x: pooling._average(first, x, pool),
        AVERAGE_GRADIENT: lambda dy: pooling._average_gradient(first, shape, dy, pool),
    }[kind](*given)


def here(given):
    return [a for a in given if a is not None]


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_programs_of_random_shapes(monkeypatch, kind, dims):
    random = np.random.default_rng(100 + 10 * kind + dims)
    cases = [random_case(random, dims) for _ in range(15)]
    rows = [operands(kind, shape, pool, random) for shape, pool in cases]
    monkeypatch.setattr(native, "_is_measured_faster", lambda kind, pool, shape: native._work(pool, shape) > 0)

    def program(rows):
        return [by_card(jax, kind, pool, shape, *given) for (shape, pool), given in zip(cases, rows)]

    lowered = jax.jit(program).lower([here(given) for given in rows])
    assert lowered.as_text().count("@everflow_pooling") >= 12
    for (shape, pool), given, result in zip(cases, rows, lowered.compile()([here(given) for given in rows])):
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, reference(kind, shape, pool, *given), rtol=2e-6, atol=2e-6)
        if (eager := native.eager(kind, pool, shape, *given)) is not None:
            np.testing.assert_array_equal(np.asarray(result), eager)


@pytest.mark.parametrize("kind", KINDS)
def test_programs_with_what_is_not_finite(monkeypatch, kind):
    """As XLA has it: ties go to the first, NaN to nobody."""
    random = np.random.default_rng(kind)

    def draw(shape):
        return random.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0], shape, p=[.05, .1, .45, .1, .1, .2])

    for _ in range(6):
        shape, pool = random_case(random, 2)
        with np.errstate(invalid="ignore"):
            given = here(operands(kind, shape, pool, random, draw))
        results = []
        for is_faster in (True, False):
            monkeypatch.setattr(native, "_is_measured_faster", lambda *_, answer=is_faster: answer)
            program = jax.jit(functools.partial(by_card, jax, kind, pool, shape))
            results.append(np.asarray(program(*given)))
        np.testing.assert_allclose(*results, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_programs_give_the_same_bits_every_time(kind):
    random = np.random.default_rng(0)
    for shape in ((1, 40, 41, 70), (7, 30, 30, 32)):
        pool = _Pool(shape, [1, 3, 3, 1], [1, 2, 2, 1], "SAME", (), "NHWC")
        given = operands(kind, shape, pool, random)
        program = jax.jit(functools.partial(by_card, jax, kind, pool, shape))
        assert "everflow_pooling" in program.lower(*here(given)).as_text()
        for _ in range(10):
            np.testing.assert_array_equal(np.asarray(program(*here(given))), native.eager(kind, pool, shape, *given))


def rectified(x, w, size, stride, padding, features=None):
    """The gradient of maxima of what a rectifier has made; of another rectifier where `features` are given."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.nn.relu(x)
        pooled = tf.nn.max_pool2d(y, size, stride, padding)
    gradient = tape.gradient(pooled, [y, x] if features is None else y, w)
    return gradient if features is None else tf.raw_ops.ReluGrad(gradients=gradient, features=features)


@pytest.mark.parametrize(("size", "stride", "padding"), [(2, 2, "VALID"), (3, 2, "SAME"), (3, 1, "SAME")])
def test_the_gradient_of_a_rectifier_in_the_same_go(monkeypatch, size, stride, padding):
    flags = []
    described = native._described

    def watched(*args):
        flags.append(args[3:])
        return described(*args)

    monkeypatch.setattr(native, "_described", watched)
    monkeypatch.setenv("EVERFLOW_CACHE", "0")
    random = np.random.default_rng(0)
    values = random.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, 2.0, -1.0], (3, 13, 12, 20))
    x = tf.constant(values, tf.float32)
    w = tf.constant(random.standard_normal(tf.nn.max_pool2d(x, size, stride, padding).shape), tf.float32)
    alone = tf.function(lambda x, w: rectified(x, w, size, stride, padding)[1], jit_compile=True)
    expected = rectified(x, w, size, stride, padding)
    np.testing.assert_allclose(alone(x, w).numpy(), expected[1].numpy(), rtol=1e-6, atol=1e-6)
    assert (True,) in flags
    # Where the gradient of the maxima is wanted too, or the rectifier is another one, they are computed one by one.
    flags.clear()
    both = tf.function(lambda x, w: rectified(x, w, size, stride, padding), jit_compile=True)
    for ours, theirs in zip(both(x, w), expected):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6, atol=1e-6)
    other = tf.constant(random.standard_normal(x.shape), tf.float32)
    program = tf.function(lambda *given: rectified(*given[:2], size, stride, padding, given[2]), jit_compile=True)
    np.testing.assert_allclose(program(x, w, other).numpy(), rectified(x, w, size, stride, padding, other).numpy(),
                               rtol=1e-6, atol=1e-6)
    assert (True,) not in flags


def pooled_twice(x):
    """Maxima and averages, with gradients of gradients: everything that there is a kernel for."""
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.nn.avg_pool2d(tf.nn.max_pool2d(x, 3, 2, "SAME"), 3, 1, "SAME")
            loss = tf.reduce_sum(y ** 3)
        gradient = tape.gradient(loss, x)
        again = tf.reduce_sum(gradient ** 2)
    return [y, gradient, outer.gradient(again, x)]


def test_functions_and_second_derivatives():
    x = np.random.default_rng(0).standard_normal((3, 14, 15, 16))
    found = tf.function(pooled_twice, jit_compile=True)(tf.constant(x, tf.float32))
    for one, eager, double in zip(found, pooled_twice(tf.constant(x, tf.float32)), pooled_twice(tf.constant(x))):
        np.testing.assert_allclose(one.numpy(), eager.numpy(), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(one.numpy(), double.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["MaxPool", "AvgPool"])
def test_functions_with_channels_in_front(name):
    x = np.random.default_rng(0).standard_normal((3, 16, 14, 15)).astype(np.float32)

    @tf.function(jit_compile=True)
    def both(x, options):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = CARDS[name](x, padding="SAME", **options)
        return y, tape.gradient(y, x)

    first = both(tf.constant(x), {"ksize": [1, 1, 3, 3], "strides": [1, 1, 2, 2], "data_format": "NCHW"})
    last = both(tf.constant(np.moveaxis(x, 1, -1)), {"ksize": [1, 3, 3, 1], "strides": [1, 2, 2, 1]})
    for one, other in zip(first, last):
        np.testing.assert_array_equal(one.numpy(), np.moveaxis(other.numpy(), -1, 1))


@pytest.mark.parametrize("jit_compile", [None, True])
def test_vectorized_map(jit_compile):
    x = np.random.default_rng(0).standard_normal((4, 2, 9, 9, 16)).astype(np.float32)

    def each(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.nn.avg_pool2d(tf.nn.max_pool2d(x, 3, 2, "SAME"), 2, 2, "SAME")
        return y, tape.gradient(y, x)

    mapped = tf.function(lambda x: tf.vectorized_map(each, x), jit_compile=jit_compile)
    for _ in range(3):
        results = mapped(tf.constant(x))
    for i in range(4):
        for result, expected in zip(results, each(tf.constant(x[i]))):
            np.testing.assert_allclose(result[i].numpy(), expected.numpy(), rtol=1e-6, atol=1e-6)


def test_without_the_native_kernels(tmp_path):
    """The same numbers in a process that has none."""
    script = (
        "import numpy as np, everflow as tf\n"
        "from tests.runtime.native.test_pooling import pooled_twice\n"
        "from everflow._src.runtime.native.library import library\n"
        "assert library() is None\n"
        "x = tf.constant(np.random.default_rng(0).standard_normal((3, 14, 15, 16)), tf.float32)\n"
        "found = tf.function(pooled_twice, jit_compile=True)(x)\n"
        f"np.savez({str(tmp_path / 'found.npz')!r}, *[v.numpy() for v in found])\n")
    subprocess.run([sys.executable, "-c", script], check=True, env=python_environment(EVERFLOW_NATIVE="0"))
    x = tf.constant(np.random.default_rng(0).standard_normal((3, 14, 15, 16)), tf.float32)
    with np.load(tmp_path / "found.npz") as without:
        for name, value in zip(without.files, tf.function(pooled_twice, jit_compile=True)(x)):
            np.testing.assert_allclose(without[name], value.numpy(), rtol=1e-5, atol=1e-5)


def test_what_is_left_to_xla():
    def is_native(kind, shape, window=3, stride=2, padding="SAME", dtype=np.float32):
        pool = _Pool(shape, [1, window, window, 1], [1, stride, stride, 1], padding, (), "NHWC")
        pooled = (shape[0], *pool.outputs, shape[-1])
        shapes = {MAXIMUM_GRADIENT: [shape, pooled, pooled], AVERAGE_GRADIENT: [pooled]}.get(kind, [shape])
        given = [jax.ShapeDtypeStruct(s, dtype) for s in shapes]
        program = jax.jit(functools.partial(by_card, jax, kind, pool, shape))
        return "everflow_pooling" in program.lower(*given).as_text()

    image = (2, 20, 20, 16)
    for kind in KINDS:
        assert is_native(kind, image)
        assert not is_native(kind, image, dtype=np.float16)
        assert not is_native(kind, (2, 20, 20, 3))
        assert not is_native(kind, (1, 3, 3, 4))
        assert not is_native(kind, (0, 20, 20, 16))
        assert is_native(kind, image, 2, 2, "VALID") is (kind in (MAXIMUM_GRADIENT, AVERAGE_GRADIENT))


# ---- the entry point

NUMBERS = {  # images of 2 x 9 x 8 x 6, windows of 3 x 2 by 2 x 2, padding of 1 in front of the rows
    MAXIMUM: [0, 2, 6, 1, 9, 8, 1, 3, 2, 1, 5, 4, 1, 2, 2, 0, 1, 0, 0],
}


def call(numbers, images=(2, 9, 8, 6), maxima=None, gradient=None, result=(2, 5, 4, 6)):
    arrays = [None if shape is None else np.ones(shape, np.float32) for shape in (images, maxima, gradient, result)]
    library().call("everflow_pooling", np.array(numbers, np.int64), *arrays)
    return arrays[-1]


def changed(position, value):
    numbers = list(NUMBERS[MAXIMUM])
    numbers[position] = value
    return numbers


def test_sizes_are_checked():
    numbers = NUMBERS[MAXIMUM]
    np.testing.assert_array_equal(call(numbers), 1)
    image, pooled = (2, 9, 8, 6), (2, 5, 4, 6)
    call(changed(0, MAXIMUM_GRADIENT), image, pooled, pooled, image)
    call(changed(0, AVERAGE), image, None, None, pooled)
    call(changed(0, AVERAGE_GRADIENT), None, None, pooled, image)
    for kind, shapes in [
        (MAXIMUM, ((2, 9, 8, 5), None, None, pooled)), (MAXIMUM, (image, None, None, image)),
        (MAXIMUM, (None, None, None, pooled)), (MAXIMUM, (image, pooled, None, pooled)),
        (MAXIMUM, (image, None, None, None)), (MAXIMUM_GRADIENT, (image, None, pooled, image)),
        (MAXIMUM_GRADIENT, (image, pooled, None, image)), (MAXIMUM_GRADIENT, (image, pooled, pooled, pooled)),
        (AVERAGE, (image, None, pooled, pooled)), (AVERAGE_GRADIENT, (image, None, pooled, image)),
        (AVERAGE_GRADIENT, (None, None, pooled, pooled)),
    ]:
        with pytest.raises(RuntimeError, match="has another size"):
            call(changed(0, kind), *shapes)


@pytest.mark.parametrize(("position", "value", "message"), [
    (0, 4, "unknown kind"), (0, -1, "unknown kind"), (1, 0, "out of range"), (2, -6, "out of range"),
    (1, 2 ** 31, "out of range"), (4, 0, "out of range"), (7, 2 ** 62, "out of range"), (10, 0, "out of range"),
    (13, 0, "out of range"), (16, 3, "wider than the window"), (16, -1, "wider than the window"),
    (11, 9, "contradict"), (14, 2 ** 30, "contradict"), (6, 2 ** 31 - 1, "too many elements"),
    (18, 1, "whether it is positive"), (18, 2, "whether it is positive"),
])
def test_numbers_that_make_no_sense(position, value, message):
    numbers = changed(position, value)
    if message == "too many elements":
        numbers[7] = numbers[8] = 2 ** 31 - 1
    with pytest.raises(RuntimeError, match=message):
        call(numbers)


def test_a_description_of_another_length():
    for numbers in ([], NUMBERS[MAXIMUM][:-1], [*NUMBERS[MAXIMUM], 1]):
        with pytest.raises(RuntimeError, match="the description is incomplete"):
            call(numbers)


def ffi(numbers, shapes, dtypes=(np.float32,) * 5):
    compiled_library(jax)
    arrays = [np.ones(shape, dtype) for shape, dtype in zip(shapes, dtypes)]
    result = jax.ShapeDtypeStruct(arrays[-1].shape, arrays[-1].dtype)
    program = jax.jit(lambda *given: jax.ffi.ffi_call("everflow_pooling", result)(*given, numbers=np.array(numbers)))
    return np.asarray(program(*arrays[:-1]))


def test_xla_gives_what_makes_no_sense():
    image, pooled = (2, 9, 8, 6), (2, 5, 4, 6)
    shapes = {MAXIMUM: [image, pooled], MAXIMUM_GRADIENT: [image, pooled, pooled, image], AVERAGE: [image, pooled],
              AVERAGE_GRADIENT: [pooled, image]}
    for kind, given in shapes.items():
        numbers = changed(0, kind)
        assert ffi(numbers, given).shape == given[-1]
        for position, value, message in [(1, 0, "out of range"), (16, 3, "wider than the window"),
                                         (14, 2 ** 30, "contradict"), (2, 5, "has another size")]:
            with pytest.raises(Exception, match=message):
                ffi([*numbers[:position], value, *numbers[position + 1:]], given)
        with pytest.raises(Exception, match="incomplete"):
            ffi(numbers[:-1], given)
        for wrong in ([*given[:1], *given], [given[-1]]):
            with pytest.raises(Exception, match="number of operands"):
                ffi(numbers, wrong)
        for which in range(len(given)):
            with pytest.raises(Exception, match="has another size"):
                ffi(numbers, [(*s[:-1], 7) if i == which else s for i, s in enumerate(given)])
            with pytest.raises(Exception, match="unexpected type"):
                ffi(numbers, given, [np.int32 if i == which else np.float32 for i in range(len(given))])
    with pytest.raises(Exception, match="unknown kind"):
        ffi(changed(0, 4), shapes[MAXIMUM])


def test_numbers_at_random():
    random = np.random.default_rng(0)
    image, pooled = (2, 9, 8, 6), (2, 5, 4, 6)
    shapes = [(image, None, None, pooled), (image, pooled, pooled, image), (image, None, None, pooled),
              (None, None, pooled, image)]
    refused = 0
    for _ in range(2000):
        kind = int(random.integers(4))
        numbers = changed(0, kind)
        for _ in range(int(random.integers(1, 4))):
            numbers[random.integers(1, 19)] = int(random.choice([-1, 0, 1, 2, 3, 5, 9, 2 ** 31, 2 ** 62, -(2 ** 63)]))
        try:
            call(numbers, *shapes[kind])
        except RuntimeError:
            refused += 1
    assert 1000 < refused < 2000
