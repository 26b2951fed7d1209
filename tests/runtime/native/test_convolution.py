"""Convolutions by the native kernels against double precision, eagerly and inside of compiled programs."""

import functools
from pathlib import Path

import jax
import numpy as np
import pytest

import everflow as tf
from everflow._src.framework.registry import CARDS
from everflow._src.ops import nn_convolution  # noqa: F401 - declares the cards
from everflow._src.ops import nn_convolution_kernels as kernels
from everflow._src.runtime.native import convolution as native
from everflow._src.runtime.native.convolution import BY_DATA, BY_WEIGHTS, FORWARD
from everflow._src.runtime.native.library import library
from everflow._src.runtime.unfinished import finished
from tests.runtime.native.cases import KINDS, Case, check, needs_native, random_case, reference

pytestmark = needs_native
BFLOAT16 = np.dtype(tf.bfloat16.as_numpy_dtype)


def eager(kind, case, a, b):
    return native.eager(kind, a, b, case.x_shape, case.w_shape, case.geometry)


def traced(kind, case, a, b):
    """The same among tracers, by the functions that the cards call."""
    g = case.geometry
    if kind == FORWARD:
        return finished(kernels.compiled_forward(jax, a, b, g))
    if kind == BY_DATA:
        return kernels.compiled_by_data(jax, a, b, case.x_shape, g)
    return kernels.compiled_by_weights(jax, a, b, case.w_shape, g)


def compiled(kind, case, a, b):
    """The same in a program of its own."""
    return np.asarray(jax.jit(functools.partial(traced, kind, case))(a, b))


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_eager_calls_on_random_shapes(kind, dims):
    random = np.random.default_rng(100 * kind + dims)
    native_ones = 0
    for _ in range(25):
        case = random_case(random, dims)
        a, b = case.operands(kind, random)
        result = eager(kind, case, a, b)
        if result is not None:
            native_ones += 1
            check(kind, case, a, b, result)
    assert native_ones >= 12  # the others are too small, or oneDNN has no fast kernel for them


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_calls_on_random_shapes(kind):
    random = np.random.default_rng(kind)
    cases = [random_case(random, dims) for dims in (1, 2, 2, 2, 2, 2, 3, 3)]
    operands = [case.operands(kind, random) for case in cases]

    def program(operands):
        return [traced(kind, case, a, b) for case, (a, b) in zip(cases, operands)]

    lowered = jax.jit(program).lower(operands)
    assert lowered.as_text().count("@everflow_convolution") >= 4
    for case, (a, b), result in zip(cases, operands, lowered.compile()(operands)):
        check(kind, case, a, b, np.asarray(result))


CUT = Case((1, 33, 21, 16), (3, 3, 16, 24), (1, 1), (1, 1), "SAME")


def has_bfloat16():
    return native._is_worth_it(library(), native._numbers(
        FORWARD, BFLOAT16, CUT.x_shape, CUT.w_shape, CUT.geometry).tobytes())


def skip_without_bfloat16():
    if not has_bfloat16():
        pytest.skip("the processor has no convolutions in bfloat16")


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("strides", [(1, 1), (2, 1), (3, 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_few_images_are_cut_into_rows(kind, strides, batch):
    # With enough work for several threads; how many there are depends on the machine.
    case = CUT._replace(x_shape=(batch, *CUT.x_shape[1:]), strides=strides)
    a, b = case.operands(kind, np.random.default_rng(0))
    check(kind, case, a, b, eager(kind, case, a, b))
    check(kind, case, a, b, compiled(kind, case, a, b))


@pytest.mark.parametrize("kind", KINDS)
def test_same_bits_every_time(kind):
    random = np.random.default_rng(0)
    for batch in (1, 3, 8):
        case = CUT._replace(x_shape=(batch, *CUT.x_shape[1:]))
        a, b = case.operands(kind, random)
        program = jax.jit(functools.partial(traced, kind, case))
        first, first_compiled = eager(kind, case, a, b), np.asarray(program(a, b))
        for _ in range(10):
            np.testing.assert_array_equal(eager(kind, case, a, b), first)
            np.testing.assert_array_equal(np.asarray(program(a, b)), first_compiled)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_finite_is_carried_through(kind, value):
    random = np.random.default_rng(0)
    for case in (CUT, CUT._replace(x_shape=(2, 19, 21, 5), w_shape=(3, 2, 5, 7), strides=(2, 2)),
                 CUT._replace(x_shape=(2, 17, 13, 20), w_shape=(3, 3, 1, 20))):
        a, b = case.operands(kind, random)
        place = (0, 4, 3, 2)
        a[place] = value
        with np.errstate(invalid="ignore"):
            expected = reference(kind, case, a, b)
        assert np.isnan(expected).any() or np.isinf(expected).any()
        for result in (eager(kind, case, a, b), compiled(kind, case, a, b)):
            np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
            np.testing.assert_array_equal(np.where(np.isinf(result), result, 0),
                                          np.where(np.isinf(expected), expected, 0))
            finite = np.isfinite(expected)
            np.testing.assert_allclose(result[finite], expected[finite], rtol=1e-4, atol=1e-4)


def test_filters_that_are_not_finite():
    case = CUT._replace(padding="VALID")
    x, w = case.operands(FORWARD, np.random.default_rng(0))
    w[1, 1, 3, 5] = np.nan
    result = eager(FORWARD, case, x, w)
    assert np.isnan(result[..., 5]).all()
    assert np.isfinite(np.delete(result, 5, axis=-1)).all()


# Filters that are much larger than the images are cut by output channels, where there are several threads.
WIDE = (
    Case((1, 7, 7, 128), (3, 3, 128, 192), (1, 1), (1, 1), "SAME"),
    Case((2, 9, 8, 256), (3, 3, 256, 128), (2, 2), (1, 1), "SAME"),
    Case((1, 4, 4, 512), (1, 1, 512, 640), (1, 1), (1, 1), "VALID"),
    Case((1, 11, 128), (9, 128, 256), (1,), (1,), "SAME"),
    Case((1, 3, 4, 3, 64), (3, 3, 3, 64, 128), (1, 1, 1), (1, 1, 1), "SAME"),
    Case((1, 7, 6, 200), (3, 3, 200, 128), (1, 1), (2, 2), "SAME"),
)


@pytest.mark.parametrize("dtype", [np.dtype(np.float32), BFLOAT16])
@pytest.mark.parametrize("case", WIDE)
def test_large_filters_of_few_images(case, dtype):
    if dtype == BFLOAT16:
        skip_without_bfloat16()
    x, w = case.operands(FORWARD, np.random.default_rng(0), dtype)
    program = jax.jit(functools.partial(traced, FORWARD, case))
    first = np.asarray(program(x, w))
    check(FORWARD, case, x, w, first)
    check(FORWARD, case, x, w, eager(FORWARD, case, x, w))
    for _ in range(5):
        assert np.asarray(program(x, w)).tobytes() == first.tobytes()
    # Other filters at the same place in memory.
    w[...] = w[::-1]
    check(FORWARD, case, x, w, eager(FORWARD, case, x, w))
    w[..., 100] = np.nan
    result = eager(FORWARD, case, x, w).astype(np.float32)
    assert np.isnan(result[..., 100]).all()
    assert np.isfinite(np.delete(result, 100, axis=-1)).all()


@pytest.mark.parametrize("names", [
    (), ("bias",), ("affine",), ("addend",), ("bias", "affine", "addend"), ("affine", "addend"),
])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("case", [CUT, CUT._replace(x_shape=(4, *CUT.x_shape[1:])), *WIDE[:2]])
def test_what_comes_behind(case, relu, names):
    random = np.random.default_rng(0)
    x, w = case.operands(FORWARD, random)
    plain = reference(FORWARD, case, x, w)

    def numbers(*shape):
        return random.standard_normal(shape).astype(np.float32)

    channels = case.w_shape[-1]
    later = {"bias": numbers(channels), "affine": tuple(numbers(channels) for _ in range(3)),
             "addend": numbers(*plain.shape)}
    later = {name: later[name] for name in names}

    def program(x, w, later):
        found = native.compiled(FORWARD, jax, x, w, case.x_shape, case.w_shape, case.geometry, None,
                                native.Behind(**later, relu=relu))
        assert found is not None
        return found

    expected = plain + later.get("bias", 0)
    if "affine" in later:
        shift, factor, offset = later["affine"]
        expected = (expected - shift) * factor + offset
    expected = expected + later.get("addend", 0)
    expected = np.maximum(expected, 0) if relu else expected
    np.testing.assert_allclose(np.asarray(jax.jit(program)(x, w, later)), expected, rtol=1e-4, atol=2e-4)
    x[0, 5, 6, 7] = np.nan
    result = np.asarray(jax.jit(program)(x, w, later))
    np.testing.assert_array_equal(np.isnan(result), np.isnan(reference(FORWARD, case, x, w)))


# ---- bfloat16: natively where the processor has instructions for it, otherwise by XLA


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_on_random_shapes(kind, dims):
    skip_without_bfloat16()
    random = np.random.default_rng(100 * kind + dims)
    native_ones = 0
    for i in range(25):
        case = random_case(random, dims)
        a, b = case.operands(kind, random, BFLOAT16)
        result = eager(kind, case, a, b)
        if result is not None:
            native_ones += 1
            assert result.dtype == BFLOAT16
            check(kind, case, a, b, result)
            if i % 6 == 0:
                check(kind, case, a, b, compiled(kind, case, a, b))
    assert native_ones >= 6


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
@pytest.mark.parametrize("strides", [(1, 1), (3, 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_gives_the_same_bits_every_time(kind, strides, batch):
    skip_without_bfloat16()
    case = CUT._replace(x_shape=(batch, 33, 21, 48), w_shape=(3, 3, 48, 24), strides=strides)
    a, b = case.operands(kind, np.random.default_rng(0), BFLOAT16)
    first = eager(kind, case, a, b)
    check(kind, case, a, b, first)
    program = jax.jit(functools.partial(traced, kind, case))
    first_compiled = np.asarray(program(a, b))
    check(kind, case, a, b, first_compiled)
    for _ in range(5):
        assert eager(kind, case, a, b).tobytes() == first.tobytes()
        assert np.asarray(program(a, b)).tobytes() == first_compiled.tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_that_is_not_finite(kind, value):
    skip_without_bfloat16()
    random = np.random.default_rng(0)
    for case in (CUT, CUT._replace(x_shape=(2, 19, 21, 5), w_shape=(3, 2, 5, 7), strides=(2, 2)),
                 CUT._replace(x_shape=(2, 17, 13, 64), w_shape=(1, 1, 64, 40))):
        a, b = case.operands(kind, random, BFLOAT16)
        a[0, 4, 3, 2] = value
        with np.errstate(invalid="ignore"):
            expected = reference(kind, case, a, b)
        for result in (eager(kind, case, a, b), compiled(kind, case, a, b)):
            result = result.astype(np.float64)
            np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
            np.testing.assert_array_equal(np.where(np.isinf(result), result, 0),
                                          np.where(np.isinf(expected), expected, 0))


def gradients_of_convolution(x, w, bias, dy):
    with tf.GradientTape() as tape:
        tape.watch([x, w, bias])
        y = tf.nn.bias_add(tf.nn.conv2d(x, w, 2, "SAME"), bias)
    return [y, *tape.gradient(y, [x, w, bias], output_gradients=dy)]


@pytest.mark.parametrize("batch", [1, 4])
def test_bfloat16_in_functions(batch):
    case = CUT._replace(x_shape=(batch, 33, 21, 32), w_shape=(3, 3, 32, 24), strides=(2, 2))
    random = np.random.default_rng(0)
    x, w, bias, dy = (random.standard_normal(shape).astype(BFLOAT16)
                      for shape in (case.x_shape, case.w_shape, (24,), case.y_shape))
    function = tf.function(gradients_of_convolution, jit_compile=True)
    y, dx, dw, db = (v.numpy() for v in function(*map(tf.constant, (x, w, bias, dy))))
    assert {v.dtype for v in (y, dx, dw, db)} == {BFLOAT16}
    expected = reference(FORWARD, case, x, w)
    size = reference(FORWARD, case, *(np.abs(v.astype(np.float64)) for v in (x, w))) + 1
    # The convolution may be rounded before the bias is added to it.
    assert (np.abs(y.astype(np.float64) - expected - bias.astype(np.float64))
            <= 2e-6 * size + 2.0 ** -8 * (2 * np.abs(expected) + 5)).all()
    check(BY_DATA, case, dy, w, dx)
    check(BY_WEIGHTS, case, x, dy, dw)


def test_bfloat16_with_a_bias():
    skip_without_bfloat16()
    case = CUT._replace(x_shape=(3, 17, 21, 40))._replace(w_shape=(3, 3, 40, 24))
    random = np.random.default_rng(0)
    x, w = case.operands(FORWARD, random, BFLOAT16)
    bias = random.standard_normal(24).astype(BFLOAT16)

    def program(x, w, bias):
        return native.compiled(FORWARD, jax, x, w, case.x_shape, case.w_shape, case.geometry, None,
                               native.Behind(bias=bias))

    result = np.asarray(jax.jit(program)(x, w, bias)).astype(np.float64)
    expected = reference(FORWARD, case, x, w) + bias.astype(np.float64)
    np.testing.assert_allclose(result, expected, rtol=2.0 ** -8, atol=1e-3)


# ---- through the operations


def operations(dims, data_format, case, a, b, kind):
    """The cards' own results, in their layouts."""
    first = data_format.startswith("NC")
    spread = (lambda v: [1, 1, *v]) if first else (lambda v: [1, *v, 1])
    options = {"strides": spread(case.strides), "dilations": spread(case.dilations), "padding": case.padding,
               "data_format": data_format}
    if case.padding == "EXPLICIT":
        pairs = list(case.explicit[2:-2])
        options["explicit_paddings"] = [0, 0, 0, 0, *pairs] if first else [0, 0, *pairs, 0, 0]
    forward, by_data, by_weights = (
        ("Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter") if dims == 2
        else ("Conv3D", "Conv3DBackpropInputV2", "Conv3DBackpropFilterV2"))

    def layout(value):
        return tf.constant(np.moveaxis(value, -1, 1) if first else value)

    x_shape = (case.x_shape[0], case.x_shape[-1], *case.x_shape[1:-1]) if first else case.x_shape
    if kind == FORWARD:
        result = tf.function(lambda a, b: CARDS[forward](a, b, **options), jit_compile=True), layout(a), tf.constant(b)
    elif kind == BY_DATA:
        result = (tf.function(lambda a, b: CARDS[by_data](np.array(x_shape, np.int32), b, a, **options),
                              jit_compile=True), layout(a), tf.constant(b))
    else:
        result = (tf.function(lambda a, b: CARDS[by_weights](a, np.array(case.w_shape, np.int32), b, **options),
                              jit_compile=True), layout(a), layout(b))
    function, *operands = result
    for value in (function.python_function(*operands).numpy(), function(*operands).numpy()):
        yield np.moveaxis(value, 1, -1) if first and kind != BY_WEIGHTS else value


@pytest.mark.parametrize(("dims", "data_format"), [(2, "NHWC"), (2, "NCHW"), (3, "NDHWC"), (3, "NCDHW")])
@pytest.mark.parametrize("kind", KINDS)
def test_operations_in_every_layout(kind, dims, data_format):
    random = np.random.default_rng(dims)
    for padding in ("SAME", "VALID", "EXPLICIT") if dims == 2 else ("SAME", "VALID"):
        case = random_case(random, dims)
        while case.padding != padding:
            case = random_case(random, dims)
        a, b = case.operands(kind, random)
        for value in operations(dims, data_format, case, a, b, kind):
            check(kind, case, a, b, value)


def test_depthwise_operations():
    random = np.random.default_rng(0)
    x = random.standard_normal((2, 15, 14, 12)).astype(np.float32)
    w = random.standard_normal((3, 3, 12, 2)).astype(np.float32)
    case = Case(x.shape, (3, 3, 1, 24), (2, 2), (1, 1), "SAME")
    with tf.GradientTape() as tape:
        tx, tw = tf.constant(x), tf.constant(w)
        tape.watch([tx, tw])
        y = tf.nn.depthwise_conv2d(tx, tw, [1, 2, 2, 1], "SAME")
    dy = random.standard_normal(y.shape).astype(np.float32)
    dx, dw = tape.gradient(y, [tx, tw], output_gradients=tf.constant(dy))
    check(FORWARD, case, x, w.reshape(case.w_shape), y.numpy())
    check(BY_DATA, case, dy, w.reshape(case.w_shape), dx.numpy())
    check(BY_WEIGHTS, case, x, dy, dw.numpy().reshape(case.w_shape))


@pytest.mark.parametrize("kind", KINDS)
def test_what_onednn_does_not_take_is_computed_all_the_same(kind):
    random = np.random.default_rng(0)
    wide = CUT._replace(padding="EXPLICIT", explicit=(0, 0, 5, 4, 0, 3, 0, 0))
    a, b = wide.operands(kind, random)
    assert eager(kind, wide, a, b) is None
    for value in operations(2, "NHWC", wide, a, b, kind):
        check(kind, wide, a, b, value)
    a, b = CUT.operands(kind, random, np.float64)
    assert eager(kind, CUT, a, b) is None
    for value in operations(2, "NHWC", CUT, a, b, kind):
        np.testing.assert_allclose(value, reference(kind, CUT, a, b), rtol=1e-10, atol=1e-10)


def test_integers_are_not_for_the_native_kernels():
    random = np.random.default_rng(0)
    x = random.integers(-9, 9, (2, 12, 12, 8)).astype(np.int32)
    w = random.integers(-9, 9, (3, 3, 8, 8)).astype(np.int32)
    case = Case(x.shape, w.shape, (1, 1), (1, 1), "SAME")
    assert eager(FORWARD, case, x, w) is None
    result = tf.nn.conv2d(tf.constant(x), tf.constant(w), 1, "SAME").numpy()
    np.testing.assert_array_equal(result, reference(FORWARD, case, x, w).astype(np.int32))


def test_images_that_do_not_lie_in_order():
    case = CUT
    x, w = case.operands(FORWARD, np.random.default_rng(0))
    turned = np.asfortranarray(x)
    assert not turned.flags.c_contiguous
    np.testing.assert_array_equal(eager(FORWARD, case, turned, w), eager(FORWARD, case, x, w))


def test_empty_images():
    for shape in ((0, 9, 9, 64), (2, 0, 9, 64)):
        x = np.zeros(shape, np.float32)
        y = tf.nn.conv2d(tf.constant(x), tf.zeros([3, 3, 64, 64]), 1, "SAME")
        assert y.shape == shape
    assert library() is not None


# ---- gradients of gradients, and mapping


def critic(x, filters):
    for w in filters:
        x = tf.nn.leaky_relu(tf.nn.conv2d(x, w, 2, "SAME"))
    return tf.reduce_sum(x, axis=[1, 2, 3])


def penalty_and_gradients(x, filters):
    """The gradient penalty of a Wasserstein critic (Gulrajani et al. 2017), and its gradients by the filters."""
    with tf.GradientTape() as outer:
        outer.watch(filters)
        with tf.GradientTape() as inner:
            inner.watch(x)
            score = critic(x, filters)
        gradient = inner.gradient(score, x)
        slopes = tf.sqrt(tf.reduce_sum(gradient ** 2, axis=[1, 2, 3]))
        penalty = tf.reduce_mean((slopes - 1) ** 2)
    return [penalty, *outer.gradient(penalty, filters)]


@pytest.mark.parametrize("how", ["eager", "compiled"])
def test_gradients_of_gradients(how):
    random = np.random.default_rng(0)
    x = random.standard_normal((4, 20, 20, 3))
    filters = [random.standard_normal(s) / 5 for s in [(5, 5, 3, 16), (3, 3, 16, 24), (3, 3, 24, 8)]]
    compiled = tf.function(penalty_and_gradients, jit_compile=True)

    def values(function, dtype):
        return [v.numpy() for v in function(tf.constant(x, dtype), [tf.constant(w, dtype) for w in filters])]

    singles = values(penalty_and_gradients if how == "eager" else compiled, tf.float32)
    for single, double in zip(singles, values(penalty_and_gradients, tf.float64)):
        np.testing.assert_allclose(single, double, rtol=2e-3, atol=2e-4 * np.abs(double).max())


@pytest.mark.parametrize("jit_compile", [None, True])
def test_vectorized_map(jit_compile):
    random = np.random.default_rng(0)
    x = random.standard_normal((3, 2, 12, 12, 8)).astype(np.float32)
    w = random.standard_normal((3, 3, 3, 8, 8)).astype(np.float32)

    def each(pair):
        with tf.GradientTape() as tape:
            tape.watch(pair)
            y = tf.nn.conv2d(pair[0], pair[1], 1, "SAME")
            loss = tf.reduce_sum(y ** 2)
        return [y, *tape.gradient(loss, pair)]

    mapped = tf.function(lambda x, w: tf.vectorized_map(each, (x, w)), jit_compile=jit_compile)
    for _ in range(3):
        results = mapped(tf.constant(x), tf.constant(w))
    one_by_one = [each((tf.constant(x[i]), tf.constant(w[i]))) for i in range(3)]
    for index, result in enumerate(results):
        expected = np.stack([row[index].numpy() for row in one_by_one])
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-4, atol=1e-3)


def _halves_its_vectors():
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return False
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return (facts.get("vendor_id"), facts.get("cpu family")) == ("AuthenticAMD", "25") and "avx512f" in facts["flags"]


@pytest.mark.skipif(not _halves_its_vectors(), reason="the processor has no vectors of 512 bits that it halves")
@pytest.mark.parametrize(("channels", "kernel"), [
    (8, "avx2"), (40, "avx2"), (100, "avx2"), (64, "avx512"), (48, "avx512"),
])
def test_narrow_vectors_where_wide_ones_would_be_padding(channels, kernel):
    case = Case((2, 20, 20, 32), (3, 3, 32, channels), (1, 1), (1, 1), "SAME")
    numbers = native._numbers(FORWARD, np.float32, case.x_shape, case.w_shape, case.geometry)
    assert kernel in library().convolution_implementation(numbers)
