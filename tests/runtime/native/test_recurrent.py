"""Recurrent layers and cells by the native kernels, in compiled programs and eagerly, against double precision."""

import subprocess
import sys
import textwrap

import jax
import numpy as np
import pytest

import everflow as tf
from everflow._src.framework.registry import CARDS
from everflow._src.ops import nn_recurrent
from everflow._src.runtime.native import product
from everflow._src.runtime.native import recurrent as native
from everflow._src.runtime.native.library import compiled_library, library
from tests.runtime.native.cases import needs_native, python_environment
from tests.runtime.native.test_concurrency import in_threads

pytestmark = needs_native

ORDERS = {"icfo": False, "ifco": True}
# Time, batch, size, cells, length: several blocks of steps with and without a rest, batches that are cut and such that
# are too small for it, rows of one block that are one step of the whole batch.
LONG = [(120, 40, 5, 8, 111), (1500, 2, 8, 16, 1499), (9, 33, 30, 31, 9), (3, 700, 9, 20, 3), (2, 2100, 3, 5, 2),
        (40, 3, 60, 40, 40), (300, 1, 33, 17, 300), (4, 8, 7, 16, 1)]


def arrays(random, *shapes):
    return [random.standard_normal(shape).astype(np.float32) for shape in shapes]


def lstm_operands(random, time, batch, size, cells, length=None):
    given = arrays(random, (time, batch, size), (batch, cells), (batch, cells), (size + cells, 4 * cells), (cells,),
                   (cells,), (cells,), (4 * cells,))
    given[3] /= np.sqrt(np.float32(size + cells))
    for weight in given[3:7]:
        weight *= 0.4  # gradients over many steps stay finite
    return [np.array(time if length is None else length, np.int64), *given]


def gru_operands(random, batch, size, cells):
    return arrays(random, (batch, size), (batch, cells), (size + cells, 2 * cells), (size + cells, cells), (2 * cells,),
                  (cells,))


def doubled(operands):
    return [v.astype(np.float64) if v.dtype == np.float32 else v for v in operands]


def check(found, expected):
    """Within what rounding comes to: results are sums of numbers of the size of one."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        one = np.asarray(one)
        assert one.dtype == np.float32
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-5 * (1 + np.abs(other).max(initial=0)))


def ways(function, operands):
    """What a function of (jax or None, *operands) gives of NumPy arrays and in a compiled program."""
    yield function(None, *operands)
    with jax.enable_x64(True):
        yield jax.jit(lambda *given: function(jax, *given))(*operands)


@pytest.fixture
def of_any_size(monkeypatch):
    """The kernels take cells that NumPy and XLA do faster, too."""
    for name in ("_LEAST_CELL_WORK", "_LEAST_EAGER_CELL_WORK", "_LEAST_EAGER_ELEMENTS"):
        monkeypatch.setattr(native, name, 0)


@pytest.fixture
def is_native(monkeypatch, of_any_size):
    """Fails a test in which the kernels refuse."""
    for name, function in (("eager", native.eager), ("compiled", native.compiled)):
        def watched(*given, function=function):
            found = function(*given)
            assert found is not None or any(v.dtype == np.float64 for v in given if isinstance(v, np.ndarray))
            return found

        monkeypatch.setattr(native, name, watched)


def check_layer(random, shape, order, clip, use_peephole):
    *extents, length = shape
    operands = lstm_operands(random, *extents, length)
    forget_bias = 0.7 if order == "icfo" else 0.0

    def layer(jax, *given):
        return nn_recurrent._block(order, jax, given, forget_bias, clip, use_peephole)

    def gradient(jax, *given):
        return nn_recurrent._block_back(order, jax, given, use_peephole)

    gates = layer(None, *doubled(operands))
    for found in ways(layer, operands):
        check(found, gates)
        assert not any(np.asarray(v)[length:].any() for v in found)
    made = [v.astype(np.float32) for v in gates]
    given = [*operands, *made, *arrays(random, *[gates[1].shape] * 2)]
    expected = gradient(None, *doubled(given))
    for found in ways(gradient, given):
        check(found, expected)


@pytest.mark.parametrize("order", ORDERS)
def test_layers_of_random_shapes(order, is_native):
    random = np.random.default_rng(0)
    for number in range(16):
        time, batch, size, cells = (int(random.integers(1, n)) for n in (8, 10, 41, 41))
        length = time if random.random() < 0.6 else int(random.integers(0, time + 1))
        check_layer(random, (time, batch, size, cells, length), order, (0.0, 0.3)[number % 2], number % 4 > 1)


@pytest.mark.parametrize("shape", LONG)
def test_layers_that_are_cut(shape, is_native):
    random = np.random.default_rng(1)
    check_layer(random, shape, "icfo", 0.0, False)
    check_layer(random, shape, "ifco", 0.5, True)


def test_cells_of_random_shapes(is_native):
    random = np.random.default_rng(2)
    for number in range(12):
        batch, size, cells = (int(random.integers(1, n)) for n in (40, 41, 41))
        attrs = {"use_peephole": number % 2 == 0}

        def cell(jax, *given, attrs=attrs, clip=(0.3, -1.0)[number % 2]):
            return nn_recurrent._lstm_cell(jax, *given, forget_bias=0.4, cell_clip=clip, **attrs)

        def back(jax, *given, attrs=attrs):
            return nn_recurrent._lstm_cell_back(jax, *given, **attrs)

        _, x, *others = lstm_operands(random, 1, batch, size, cells)
        operands = [x[0], *others]
        gates = cell(None, *doubled(operands))
        for found in ways(cell, operands):
            check(found, gates)
        made = [v.astype(np.float32) for v in gates[:6]]
        given = [*operands, *made, *arrays(random, *[gates[1].shape] * 2)]
        expected = back(None, *doubled(given))
        for found in ways(back, given):
            check(found, expected)


def test_gru_cells_of_random_shapes(is_native):
    random = np.random.default_rng(3)
    for shape in [*(random.integers(1, (40, 41, 41)) for _ in range(10)), (200, 50, 60)]:
        operands = gru_operands(random, *(int(n) for n in shape))
        gates = nn_recurrent._gru_cell(None, *doubled(operands))
        for found in ways(nn_recurrent._gru_cell, operands):
            check(found, gates)
        made = [v.astype(np.float32) for v in gates[:3]]
        given = [*operands, *made, *arrays(random, gates[3].shape)]
        expected = nn_recurrent._gru_cell_back(None, *doubled(given))
        for found in ways(nn_recurrent._gru_cell_back, given):
            check(found, expected)


# ---- the functions


def functions_of(values):
    """The logistic function and tanh of an array, as the input gate and the candidate of cells with the input 1 * x."""
    cells = 37  # of whole vectors and a rest
    x = np.asarray(values, np.float32)[:, None]
    w = np.zeros((1 + cells, 4 * cells), np.float32)
    w[0] = 1
    state, row = np.zeros((len(x), cells), np.float32), np.zeros(cells, np.float32)
    form = native.Form(native.LSTM_CELL, 1, len(x), 1, cells)
    i, _, f, o, ci, _, _ = native.eager(form, x, state, state, w, row, row, row, np.zeros(4 * cells, np.float32))
    for gate in (f, o, i):
        np.testing.assert_array_equal(gate, np.broadcast_to(i[:, :1], i.shape))
    np.testing.assert_array_equal(ci, np.broadcast_to(ci[:, :1], ci.shape))
    return i[:, 0], ci[:, 0]


def in_last_places(found, expected):
    """The largest error in units of the last place of the expected number."""
    return np.max(np.abs(found - expected) / np.spacing(np.abs(expected).astype(np.float32)).astype(np.float64))


def test_the_logistic_function_and_tanh_are_accurate(of_any_size):
    bits = np.arange(0, 0x7f800000, 0x3fff, dtype=np.uint32).view(np.float32)  # of every size
    near = np.linspace(-20, 20, 60_001, dtype=np.float32)
    values = np.concatenate([bits, -bits, near, np.linspace(-110, 110, 20_001, dtype=np.float32)])
    values = values[np.abs(values) < 1e30]
    logistic, tangent = functions_of(values)
    wide = values.astype(np.float64)
    with np.errstate(over="ignore"):
        assert in_last_places(logistic, 1 / (1 + np.exp(-wide))) <= 2.5
    assert in_last_places(tangent, np.tanh(wide)) <= 2.5


def test_the_functions_of_what_is_not_finite_and_of_the_largest_numbers(of_any_size):
    largest = np.finfo(np.float32).max
    logistic, tangent = functions_of([np.inf, -np.inf, np.nan, largest, -largest, 0.0])
    np.testing.assert_array_equal(logistic, np.array([1, 0, np.nan, 1, 0, 0.5], np.float32))
    np.testing.assert_array_equal(tangent, np.array([1, -1, np.nan, 1, -1, 0], np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", range(1, 9))
def test_what_is_not_finite_is_carried_through(which, value):
    random = np.random.default_rng(4)
    operands = lstm_operands(random, 4, 9, 6, 19)
    operands[which].flat[operands[which].size // 2] = value
    with np.errstate(invalid="ignore", over="ignore"):
        for clip in (0.0, 0.6):
            expected = nn_recurrent._block("icfo", None, doubled(operands), 1.0, clip, True)
            found = nn_recurrent._block("icfo", None, operands, 1.0, clip, True)
            for one, other in zip(found, expected):
                np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)  # NaN where there is NaN
        made = [v.astype(np.float32) for v in expected]
        given = [*operands, *made, *arrays(random, *[made[1].shape] * 2)]
        expected = nn_recurrent._block_back("icfo", None, doubled(given), True)
        for one, other in zip(nn_recurrent._block_back("icfo", None, given, True), expected):
            np.testing.assert_array_equal(np.isnan(one), np.isnan(other))


@pytest.mark.parametrize("length", [0, 2])
def test_nothing_is_read_behind_the_length(length):
    random = np.random.default_rng(5)
    operands = lstm_operands(random, 5, 3, 4, 6, length)
    operands[1][length:] = np.nan
    for gates in ways(lambda jax, *given: nn_recurrent._block("icfo", jax, given, 1.0, 0.0, True), operands):
        grads = arrays(random, *[gates[1].shape] * 2)
        for grad in grads:
            grad[length:] = np.nan
        made = [np.array(v) for v in gates]
        for value in made:
            assert not value[length:].any()
            value[length:] = np.nan
        given = [*operands, *made, *grads]
        for found in ways(lambda jax, *given: nn_recurrent._block_back("icfo", jax, given, True), given):
            assert not np.isnan(found[3]).any()
            assert length or not any(np.asarray(v).any() for v in found)


@pytest.mark.parametrize("length", [-3, 7, 2 ** 62])
def test_a_length_out_of_range_in_a_program(length):
    operands = lstm_operands(np.random.default_rng(0), 5, 3, 4, 6)
    expected = nn_recurrent._block("icfo", None, [np.int64(np.clip(length, 0, 5)), *operands[1:]], 1.0, 0.0, False)
    with jax.enable_x64(True):
        found = jax.jit(lambda n, *given: nn_recurrent._block("icfo", jax, (n, *given), 1.0, 0.0, False))(
            np.int64(length), *operands[1:])
    check(found, expected)


# ---- again, at once, mapped, without


@pytest.mark.parametrize("shape", LONG)
def test_the_same_bits_every_time(shape):
    random = np.random.default_rng(6)
    operands = lstm_operands(random, *shape)
    layer = native.Form(native.LSTM, *shape[:4])
    gates = native.eager(layer, *operands)
    given = [*operands, *gates, gates[1], gates[6]]
    back = native.eager(layer._replace(kind=native.LSTM_GRADIENT), *given)
    for _ in range(4):
        again = native.eager(layer, *operands), native.eager(layer._replace(kind=native.LSTM_GRADIENT), *given)
        for one, other in zip((*gates, *back), (*again[0], *again[1])):
            np.testing.assert_array_equal(one, other)


def test_several_threads_at_once():
    def make(number):
        random = np.random.default_rng(number)
        operands = lstm_operands(random, 20, 9 + number, 30, 24 + number)

        def step(*given):
            with tf.GradientTape() as tape:
                tape.watch(given[1:])
                loss = tf.reduce_sum(CARDS["BlockLSTM"](*given)[6] ** 2)
            return [loss, *(g for g in tape.gradient(loss, given[1:]) if g is not None)]

        tensors = [tf.constant(v) for v in operands]
        call = tf.function(step, jit_compile=True) if number % 2 else step
        expected = [v.numpy() for v in call(*tensors)]

        def work():
            for _ in range(15):
                for value, other in zip(call(*tensors), expected):
                    np.testing.assert_array_equal(value.numpy(), other)

        return work

    in_threads([make(number) for number in range(5)])


def test_mapped():
    random = np.random.default_rng(7)
    batches = [lstm_operands(random, 5, 3, 4, 6) for _ in range(3)]
    stacked = [np.stack(values) for values in zip(*batches)]

    def both(jax, n, x, cs_prev, h_prev, *weights):
        gates = nn_recurrent._block("icfo", jax, (n, x, cs_prev, h_prev, *weights), 1.0, 0.0, True)
        return (*gates, *nn_recurrent._block_back(
            "icfo", jax, (n, x, cs_prev, h_prev, *weights, *gates, gates[1], gates[6]), True))

    axes = (None, 0, 0, 0, *[None] * 5)  # the weights are shared
    given = [v if axis == 0 else v[0] for v, axis in zip(stacked, axes)]
    with jax.enable_x64(True):
        found = jax.jit(jax.vmap(lambda *given: both(jax, *given), in_axes=axes))(*given)
    for k in range(3):
        alone = [v[k] if axis == 0 else v for v, axis in zip(given, axes)]
        check([np.asarray(v)[k] for v in found], both(None, *doubled(alone)))


def test_cells_in_loops_are_left_to_xla():
    form = native.Form(native.LSTM_CELL, 1, 32, 20, 20)
    zeros = [np.zeros(s, np.float32) for s in [(32, 20)] * 3 + [(40, 80), (20,), (20,), (20,), (80,)]]
    with product.left_to_xla():
        assert native.compiled(jax, form, None, *zeros) is None


def test_small_cells_are_left_to_others():
    for form in FORMS[2:]:
        assert native.eager(form, *operands_of(form)) is None
        assert native.compiled(jax, form._replace(batch=1), None, *operands_of(form)) is None


def test_what_is_left_to_others():
    operands = lstm_operands(np.random.default_rng(0), 2, 3, 4, 5)
    form = native.Form(native.LSTM, 2, 3, 4, 5)
    for wrong in (doubled(operands), [v.astype(np.float16) for v in operands]):
        assert native.eager(form, *wrong) is None
        assert native.compiled(jax, form, None, *wrong) is None
    for field in ("steps", "batch", "size", "cells"):
        for extent in (0, 2 ** 29):
            assert form._replace(**{field: extent}).numbers() is None


def test_without_the_kernels():
    program = """
        import numpy as np
        import everflow as tf
        from everflow._src.runtime.native.library import library
        assert library() is None
        from tests.runtime.native.test_recurrent import lstm_operands
        given = [tf.constant(v) for v in lstm_operands(np.random.default_rng(0), 4, 3, 5, 6)]
        def step(*given):
            with tf.GradientTape() as tape:
                tape.watch(given[4])
                loss = tf.reduce_sum(tf.raw_ops.BlockLSTM(
                    **dict(zip("seq_len_max x cs_prev h_prev w wci wcf wco b".split(), given))).h ** 2)
            return tape.gradient(loss, given[4])
        print(float(tf.reduce_sum(step(*given))), float(tf.reduce_sum(tf.function(step, jit_compile=True)(*given))))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True,
                          env=python_environment(EVERFLOW_NATIVE="0"), timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    operands = lstm_operands(np.random.default_rng(0), 4, 3, 5, 6)
    gates = nn_recurrent._block("icfo", None, operands, 1.0, 3.0, False)
    w_grad = nn_recurrent._block_back("icfo", None, [*operands, *gates, 0 * gates[1], 2 * gates[6]], False)[3]
    np.testing.assert_allclose([float(v) for v in done.stdout.split()], w_grad.sum(), rtol=1e-4)


# ---- the entry points

FIELDS = ["kind", "order", "steps", "batch", "size", "cells", "peephole", "by_sums", "forget_bias", "cell_clip"]
FORMS = [native.Form(kind, 3 if kind in (native.LSTM, native.LSTM_GRADIENT) else 1, 4, 5, 6)
         for kind in range(native.GRU_CELL_GRADIENT + 1)]


def operands_of(form):
    """Arrays of ones, of the shapes that a kind takes."""
    _, time, batch, size, cells, *_ = form
    state = (batch, cells)
    rows = [(cells,)] * 3
    weights = [(size + cells, 4 * cells), *rows, (4 * cells,)]
    gru = [(batch, size), state, (size + cells, 2 * cells), (size + cells, cells)]
    shapes = {
        native.LSTM: [(time, batch, size), state, state, *weights],
        native.LSTM_GRADIENT: [(time, batch, size), state, state, *weights, *[(time, *state)] * 9],
        native.LSTM_CELL: [(batch, size), state, state, *weights],
        native.LSTM_CELL_GRADIENT: [state, *rows, *[state] * 8],
        native.GRU_CELL: [*gru, (2 * cells,), (cells,)],
        native.GRU_CELL_GRADIENT: [*gru, *[state] * 4],
    }[form.kind]
    arrays = [np.ones(shape, np.float32) for shape in shapes]
    return [np.array(time, np.int64), *arrays] if form.kind in (native.LSTM, native.LSTM_GRADIENT) else arrays


def call(numbers, form, change=lambda arrays: arrays):
    results = [np.empty(shape, np.float32) for shape in form.result_shapes()]
    library().call_with_table("everflow_recurrent", numbers, *change([*operands_of(form), *results]))


@pytest.mark.parametrize("form", FORMS)
def test_descriptions_and_buffers_that_do_not_fit(form):
    numbers = form.numbers()
    assert numbers.size == len(FIELDS)
    call(numbers, form)
    for wrong in (numbers[:0], numbers[:-1], np.append(numbers, 1)):
        with pytest.raises(RuntimeError, match="the description is incomplete"):
            call(wrong, form)
    for change in (lambda a: a[:-1], lambda a: [*a, a[-1]], lambda a: []):
        with pytest.raises(RuntimeError, match="number of arrays"):
            call(numbers, form, change)
    count = len(operands_of(form)) + len(form.result_shapes())
    for which in range(count):
        for other in (lambda a: a.reshape(-1)[:-1], lambda a: np.append(a, a.reshape(-1)[:1])):
            with pytest.raises(RuntimeError, match="another size than its shape says"):
                call(numbers, form, lambda a, which=which, other=other: [
                    other(v) if k == which else v for k, v in enumerate(a)])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("field", FIELDS)
def test_numbers_that_make_no_sense(form, field):
    for value in (-1, 2 ** 29, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 62, 2 ** 63 - 1, -(2 ** 63)):
        numbers = form.numbers()
        numbers[FIELDS.index(field)] = value
        if field in ("forget_bias", "cell_clip") and 0 <= value < 2 ** 32:
            call(numbers, form)
            continue
        with pytest.raises(RuntimeError, match="recurrent: "):
            call(numbers, form)
    if field in ("steps", "batch", "size", "cells"):
        for value in (0, 2, 7):
            numbers = form.numbers()
            numbers[FIELDS.index(field)] = value
            if field == "size" and form.kind == native.LSTM_CELL_GRADIENT and value:
                call(numbers, form)  # which has no input
                continue
            with pytest.raises(RuntimeError, match="out of range|another size|one step"):
                call(numbers, form)


def test_numbers_at_random():
    random = np.random.default_rng(8)
    refused = 0
    for _ in range(1500):
        form = FORMS[random.integers(len(FORMS))]
        numbers = form.numbers()
        for _ in range(int(random.integers(1, 4))):
            huge = [2 ** 29 - 1, 2 ** 31, 2 ** 40, 2 ** 63 - 1, -(2 ** 63)]
            numbers[random.integers(numbers.size)] = (
                random.choice(huge) if random.random() < 0.3 else random.integers(-2, 8))
        try:
            call(numbers, form)
        except RuntimeError as error:
            refused += 1
            assert str(error)
    assert refused > 700


def ffi(numbers, operands, results):
    compiled_library(jax)
    with jax.enable_x64(True):
        target = jax.ffi.ffi_call("everflow_recurrent", tuple(jax.ShapeDtypeStruct(*r) for r in results))
        return jax.jit(lambda *given: target(*given, numbers=np.asarray(numbers)))(*operands)


@pytest.mark.parametrize("form", FORMS)
def test_xla_gives_what_does_not_fit(form):
    operands, results = operands_of(form), [(shape, np.float32) for shape in form.result_shapes()]
    numbers = form.numbers()
    ffi(numbers, operands, results)
    with pytest.raises(Exception, match="the description is incomplete"):
        ffi(numbers[:-1], operands, results)
    for field in ("batch", "cells"):
        wrong = numbers.copy()
        wrong[FIELDS.index(field)] = 9
        with pytest.raises(Exception, match="another size"):
            ffi(wrong, operands, results)
    with pytest.raises(Exception, match="number of operands"):
        ffi(numbers, operands[:-1], results)
    with pytest.raises(Exception, match="number of results"):
        ffi(numbers, operands, results[:-1])
    for which in range(len(operands)):
        other = [v.astype(np.int32) if k == which else v for k, v in enumerate(operands)]
        with pytest.raises(Exception, match="unexpected type"):
            ffi(numbers, other, results)
        other = [np.append(v, v.flat[0]) if k == which else v for k, v in enumerate(operands)]
        with pytest.raises(Exception, match="another size"):
            ffi(numbers, other, results)
    for which in range(len(results)):
        other = [(s, np.int32) if k == which else (s, t) for k, (s, t) in enumerate(results)]
        with pytest.raises(Exception, match="unexpected type"):
            ffi(numbers, operands, other)
