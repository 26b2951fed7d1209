"""Loops with gradients whose length depends on data: they run compiled, and compute what the host computes."""

import gc

import numpy as np
import pytest

import everflow as tf
from everflow._src.runtime import frames
from everflow._src.runtime.frames import LoopRecord
from everflow._src.runtime.growing_loops import GrowingLoop

RANDOM = np.random.RandomState(0)
W = RANDOM.randn(4, 4) / 2
X = RANDOM.randn(3, 4)
# Fewer than the smallest capacity, none, more, and as many; up and down again.
LENGTHS = (5, 5, 0, 40, 1, 32, 33, 200, 7)


@pytest.fixture(autouse=True)
def compiled_ever_after(request, monkeypatch):
    """How long anything takes must not decide what is tested."""
    if not request.node.name.startswith("test_record"):
        monkeypatch.setattr(frames, "_COMPILING_TAKES", 0.0)
        monkeypatch.setattr(frames, "_COMPILED_TRIALS", -1)


def compiled_loops():
    gc.collect()
    return {id(o): o for o in gc.get_objects() if isinstance(o, GrowingLoop)}


def refused_loops():
    gc.collect()
    return sum(1 for o in gc.get_objects() if isinstance(o, LoopRecord) and o.pieces is False)


@pytest.fixture
def loops():
    """What was compiled in a test; nothing may have been refused."""
    before, refused = compiled_loops(), refused_loops()
    yield lambda: [v for k, v in compiled_loops().items() if k not in before]
    assert refused_loops() <= refused


def recurrent(x, w, n):
    h = x
    for _ in tf.range(n):
        h = tf.tanh(tf.matmul(h, w) + x)
    return tf.reduce_sum(h * h)


def with_gradient(function):
    def both(x, w, n):
        with tf.GradientTape() as tape:
            tape.watch((x, w))
            y = function(x, w, n)
        return (y, *tape.gradient(y, (x, w), unconnected_gradients="zero"))

    return both


def reference(n):
    """Value and gradients of `recurrent`, with NumPy."""
    states = [X]
    for _ in range(n):
        states.append(np.tanh(states[-1] @ W + X))
    dh, dx, dw = 2 * states[-1], np.zeros_like(X), np.zeros_like(W)
    for t in reversed(range(n)):
        dz = dh * (1 - states[t + 1] ** 2)
        dx += dz
        dw += states[t].T @ dz
        dh = dz @ W.T
    return np.sum(states[-1] ** 2), dx + dh, dw


def compare(actual, wanted, tolerance=1e-9):
    for a, w in zip(tf.nest.flatten(actual), tf.nest.flatten(wanted), strict=True):
        np.testing.assert_allclose(a, w, rtol=tolerance, atol=tolerance)


def test_values_and_gradients(loops):
    compiled = tf.function(with_gradient(recurrent), jit_compile=True)
    for n in LENGTHS:
        compare(compiled(tf.constant(X), tf.constant(W), tf.constant(n)), reference(n))
    found = loops()
    assert len(found) == 2  # forwards and backwards
    # One piece for each capacity, not for each length.
    assert all(0 < len(loop.pieces) <= 4 for loop in found)


def test_without_being_asked_to_compile(loops):
    function = tf.function(with_gradient(recurrent))
    for n in (200, 200, 200, 300):
        compare(function(tf.constant(X), tf.constant(W), tf.constant(n)), reference(n))
    assert len(loops()) == 2


def test_in_a_session(loops):
    with tf.Graph().as_default():
        n = tf.compat.v1.placeholder(tf.int32, [])
        x, w = tf.constant(X), tf.constant(W)
        h = tf.while_loop(lambda i, h: i < n, lambda i, h: (i + 1, tf.tanh(tf.matmul(h, w) + x)), (0, x))[1]
        y = tf.reduce_sum(h * h)
        fetches = [y, *tf.gradients(y, [x, w])]
        with tf.compat.v1.Session() as session:
            for length in (300, 300, 300, 40):
                compare(session.run(fetches, {n: length}), reference(length))
    assert len(loops()) == 2


def test_second_derivatives(loops):
    def second(x, w, n):
        with tf.GradientTape() as outer:
            outer.watch((x, w))
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = recurrent(x, w, n)
            total = tf.reduce_sum(inner.gradient(y, x) ** 2)
        return outer.gradient(total, (x, w), unconnected_gradients="zero")

    compiled = tf.function(second, jit_compile=True)
    for n in (3, 40, 0, 5):
        compare(compiled(tf.constant(X), tf.constant(W), tf.constant(n)),
                second(tf.constant(X), tf.constant(W), tf.constant(n)))
    assert loops()


def test_a_condition_on_what_is_computed(loops):
    def halve(x, w, n):
        y = x
        while tf.reduce_max(tf.abs(y)) > 1.0 / tf.cast(n, tf.float64):
            y = tf.sin(y) * 0.9
        return tf.reduce_sum(y * x)

    function = with_gradient(halve)
    compiled = tf.function(function, jit_compile=True)
    for n in (1, 10, 10**6, 100):
        compare(compiled(tf.constant(X), tf.constant(W), tf.constant(n)),
                function(tf.constant(X), tf.constant(W), tf.constant(n)))
    assert len(loops()) == 2


# ---- arrays


def appending(x, w, n):
    array = tf.TensorArray(tf.float64, 0, dynamic_size=True, element_shape=[4])
    for i in tf.range(n):
        array = array.write(i, tf.tanh(x[0] * tf.cast(i, tf.float64)))
    return tf.reduce_sum(array.stack() ** 2)


def with_gaps(x, w, n):
    """Writes far beyond what has been written so far."""
    array = tf.TensorArray(tf.float64, 0, dynamic_size=True, element_shape=[4])
    for i in tf.range(n):
        array = array.write(i * 7, tf.tanh(x[0] * tf.cast(i, tf.float64)))
    return tf.reduce_sum(array.stack() ** 2)


def in_some_iterations(x, w, n):
    array = tf.TensorArray(tf.float64, 0, dynamic_size=True, element_shape=[4])
    for i in tf.range(n):
        if i % 3 > 0:
            array = array.write(array.size(), x[i % 3] ** 2)
    return tf.reduce_sum(array.stack() ** 2)


def of_known_size(x, w, n):
    array = tf.TensorArray(tf.float64, n, element_shape=[4])
    for i in tf.range(n):
        array = array.write(i, x[i % 3] ** 3)
    return tf.reduce_sum(array.stack() ** 2)


def reading(x, w, n):
    given = tf.TensorArray(tf.float64, 3, clear_after_read=False, element_shape=[4]).unstack(x)
    total = tf.zeros([4], tf.float64)
    for i in tf.range(n):
        total = tf.tanh(total + given.read(i % 3))
    return tf.reduce_sum(total ** 2)


@pytest.mark.parametrize("function", [appending, with_gaps, in_some_iterations, of_known_size, reading])
def test_arrays(function):
    gradient = with_gradient(function)
    compiled = tf.function(gradient, jit_compile=True)
    host = tf.function(gradient, jit_compile=False)
    for n in (4, 50, 1, 130, 12):
        arguments = tf.constant(X), tf.constant(W), tf.constant(n)
        compare(compiled(*arguments), host(*arguments))


@pytest.mark.parametrize("function", [appending, with_gaps, in_some_iterations])
def test_arrays_that_grow_run_compiled(function, loops):
    compiled = tf.function(function, jit_compile=True)
    host = tf.function(function, jit_compile=False)
    for n in (4, 50, 1, 130, 12):
        arguments = tf.constant(X), tf.constant(W), tf.constant(n)
        compare(compiled(*arguments), host(*arguments))
    (loop,) = loops()
    assert len(loop.pieces) <= 6


def test_elements_keep_their_names_and_shapes():
    @tf.function(jit_compile=True)
    def rows(n):
        array = tf.TensorArray(tf.int32, 0, dynamic_size=True)
        for i in tf.range(n):
            array = array.write(i, tf.stack([i, i * i]))
        return array.stack(), array.size(), array.read(n - 1)

    for n in (3, 40, 2):
        stacked, size, last = rows(tf.constant(n))
        np.testing.assert_array_equal(stacked, [[i, i * i] for i in range(n)])
        assert int(size) == n
        np.testing.assert_array_equal(last, [n - 1, (n - 1) ** 2])


# ---- loops in loops, variables, and what stays on the host


def test_loops_in_loops():
    def nested(x, w, n):
        y = x
        for i in tf.range(n):
            for _ in tf.range(i % 4):
                y = tf.tanh(tf.matmul(y, w))
            y = y + x
        return tf.reduce_sum(y)

    function = with_gradient(nested)
    compiled = tf.function(function, jit_compile=True)
    for n in (2, 9, 0, 9):
        arguments = tf.constant(X), tf.constant(W), tf.constant(n)
        compare(compiled(*arguments), function(*arguments))


def test_a_loop_of_known_length_in_one_that_depends_on_data(loops):
    def nested(x, w, n):
        y = x
        for _ in tf.range(n):
            for i in tf.range(3):
                y = tf.tanh(tf.matmul(y, w) + x[i])
        return tf.reduce_sum(y)

    compiled = tf.function(nested, jit_compile=True)
    for n in (2, 9, 0, 40):
        arguments = tf.constant(X), tf.constant(W), tf.constant(n)
        compare(compiled(*arguments), nested(*arguments))


def test_variables_are_written_once_when_room_runs_out(loops):
    """A write beyond the buffer makes the piece run again: what it did to variables must not count twice."""
    count, weights = tf.Variable(0), tf.Variable(W)

    @tf.function(jit_compile=True)
    def run(x, n):
        array = tf.TensorArray(tf.float64, 0, dynamic_size=True, element_shape=[3, 4])
        for i in tf.range(n):
            count.assign_add(1)
            array = array.write(i * 9, tf.matmul(x, weights))
        return array.stack()

    total = 0
    for n in (3, 20, 50, 2):
        stacked = run(tf.constant(X), tf.constant(n)).numpy()
        total += n
        assert int(count) == total
        assert stacked.shape == (9 * n - 8, 3, 4)
        np.testing.assert_allclose(stacked[::9], np.broadcast_to(X @ W, (n, 3, 4)))
    assert loops()


def test_a_variable_that_the_loop_reads_may_change_between_calls(loops):
    weights = tf.Variable(W)

    @tf.function(jit_compile=True)
    def run(x, n):
        with tf.GradientTape() as tape:
            y = recurrent(x, weights, n)
        gradient = tape.gradient(y, weights)
        weights.assign_sub(0.01 * gradient)
        return y, gradient

    value = W.copy()
    for n in (3, 40, 3):
        with tf.GradientTape() as tape:
            w = tf.constant(value)
            tape.watch(w)
            wanted = recurrent(tf.constant(X), w, tf.constant(n))
        gradient = tape.gradient(wanted, w).numpy()
        compare(run(tf.constant(X), tf.constant(n)), (wanted, gradient))
        value -= 0.01 * gradient
        np.testing.assert_allclose(weights.numpy(), value, rtol=1e-9)
    assert len(loops()) == 2


def test_shapes_that_change_stay_on_the_host():
    def growing(x, n):
        y = x
        for i in tf.range(n):
            tf.autograph.experimental.set_loop_options(shape_invariants=[(y, tf.TensorShape([None, 4]))])
            y = tf.concat([y, x * tf.cast(i, tf.float64)], 0)
        return tf.reduce_sum(y * y)

    def both(x, n):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = growing(x, n)
        return y, tape.gradient(y, x)

    compiled = tf.function(both)
    for n in (4, 4, 4, 9):
        compare(compiled(tf.constant(X), tf.constant(n)), both(tf.constant(X), tf.constant(n)))


def test_strings_stay_on_the_host():
    @tf.function
    def letters(n):
        array = tf.TensorArray(tf.string, 0, dynamic_size=True, element_shape=[])
        for i in tf.range(n):
            array = array.write(i, tf.strings.as_string(i))
        return array.stack()

    for n in (3, 3, 3, 12):
        assert letters(tf.constant(n)).numpy().tolist() == [b"%d" % i for i in range(n)]


def test_random_numbers_go_on(loops):
    """The state of a random operation passes through all pieces, and through a piece that runs again."""
    tf.random.set_seed(3)

    def draw(n):
        array = tf.TensorArray(tf.float32, 0, dynamic_size=True, element_shape=[])
        for i in tf.range(n):
            array = array.write(i, tf.random.uniform([], seed=5))
        return array.stack()

    compiled = tf.function(draw, jit_compile=True)
    found = np.concatenate([compiled(tf.constant(n)).numpy() for n in (5, 40, 200, 3)])
    assert len(np.unique(found)) == len(found) == 248
    tf.random.set_seed(3)
    host = tf.function(draw, jit_compile=False)
    wanted = np.concatenate([host(tf.constant(n)).numpy() for n in (5, 40, 200, 3)])
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_errors_name_the_operation():
    @tf.function(jit_compile=True)
    def wrong(x, n):
        array = tf.TensorArray(tf.float64, 0, dynamic_size=True, element_shape=[None])
        for i in tf.range(n):
            array = array.write(i, tf.reshape(x, [5]))
        return array.stack()

    with pytest.raises((tf.errors.InvalidArgumentError, ValueError), match="(?i)reshape"):
        wrong(tf.constant(X), tf.constant(3))


# ---- which way


@pytest.mark.parametrize("compiled_seconds, wanted", [(0.5, True), (1.5, True), (2.5, False)])
def test_record_keeps_the_faster_way(compiled_seconds, wanted):
    record = LoopRecord()
    assert not record.is_hot(False)  # the host is first
    record.note(False, 30.0, 10)
    for run in range(frames._COMPILED_TRIALS):
        assert record.is_hot(False)
        record.pieces = record.pieces or object()
        record.note(True, 10 * compiled_seconds if run else 60.0, 10)
    assert not record.is_hot(False)  # once more there, warm
    record.note(False, 10.0, 10)
    for _ in range(3):
        assert record.is_hot(False) == wanted


def test_record_of_a_short_loop():
    record = LoopRecord()
    for _ in range(99):
        record.note(False, 1e-5, 3)
        assert not record.is_hot(False)
    assert record.is_hot(True)  # unless it is asked for


def test_record_without_a_clock(monkeypatch):
    """With deterministic operations time decides nothing."""
    monkeypatch.setattr(frames.BACKGROUND, "deterministic", True)
    record = LoopRecord()
    assert not record.is_hot(False)
    record.note(False, 1e-9, 3)
    for _ in range(9):
        assert record.is_hot(False)
        record.pieces = record.pieces or object()
        record.note(True, 99.0, 3)


def test_record_of_a_child_process(monkeypatch):
    monkeypatch.setattr(frames.BACKGROUND, "only_numpy", True)
    assert not LoopRecord().is_hot(True)
