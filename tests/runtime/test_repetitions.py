"""Unrolled loops that a compiled step runs as loops, against the same operations one by one."""

import numpy as np
import pytest

import everflow as tf
from everflow._src.framework.errors import OpError
from everflow._src.runtime import repetitions
from everflow._src.runtime.failures import HostNeeded
from everflow._src.runtime.repetitions import NoLoop, Repetition

STEPS, BATCH, WIDTH, UNITS = 14, 3, 4, 5


@pytest.fixture
def loops(monkeypatch):
    """The numbers of stretches that were run as loops; only what is expected may stand in the way."""
    found = []

    def run(self, env, frame, trace):
        try:
            self.attempt(env, frame, trace)
            found.append(self.count)
        except (NoLoop, HostNeeded, OpError) as error:
            found.append(type(error).__name__)
            trace(self.instructions, env, frame)

    monkeypatch.setattr(Repetition, "run", run)
    return found


def arrays(*shapes, seed=0):
    random = np.random.default_rng(seed)
    return [random.standard_normal(shape).astype(np.float32) * 0.5 for shape in shapes]


def check(function, *inputs, tolerance=2e-5):
    wanted = tf.nest.flatten(function(*map(tf.constant, inputs)))
    found = tf.nest.flatten(tf.function(function, jit_compile=True)(*map(tf.constant, inputs)))
    assert len(wanted) == len(found) > 0
    for w, f in zip(wanted, found):
        assert f.dtype == w.dtype
        assert f.shape == w.shape
        size = max(1.0, float(np.abs(w.numpy()).max()))
        np.testing.assert_allclose(f.numpy(), w.numpy(), rtol=tolerance, atol=tolerance * size)


def cell(x, h, c, kernel, bias):
    i, j, f, o = tf.split(tf.matmul(tf.concat([x, h], 1), kernel) + bias, 4, 1)
    c = c * tf.sigmoid(f + 1.0) + tf.sigmoid(i) * tf.tanh(j)
    return tf.tanh(c) * tf.sigmoid(o), c


def lstm(x, kernel, bias, slices=True):
    h = c = tf.zeros([BATCH, UNITS])
    outputs = []
    for t, row in zip(range(STEPS), [None] * STEPS if slices else tf.unstack(x, axis=1)):
        h, c = cell(x[:, t] if slices else row, h, c, kernel, bias)
        outputs.append(h)
    return outputs, c


LSTM_SHAPES = (BATCH, STEPS, WIDTH), (WIDTH + UNITS, 4 * UNITS), (4 * UNITS,)


@pytest.mark.parametrize("slices", [True, False])
def test_a_recurrent_network(loops, slices):
    def network(x, kernel, bias):
        outputs, c = lstm(x, kernel, bias, slices)
        return tf.stack(outputs, 1), outputs[-1], c

    check(network, *arrays(*LSTM_SHAPES))
    assert loops == [STEPS - 1]


@pytest.mark.parametrize("slices", [True, False])
@pytest.mark.parametrize("of_images", [True, False])
def test_its_gradient(loops, slices, of_images):
    def gradients(x, kernel, bias):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel, bias] if of_images else [kernel, bias])
            outputs, c = lstm(x, kernel, bias, slices)
            loss = tf.reduce_sum(outputs[-1] ** 2) + tf.reduce_mean(c)
        return tape.gradient(loss, [x, kernel, bias] if of_images else [kernel, bias])

    check(gradients, *arrays(*LSTM_SHAPES))
    assert len(loops) == 2
    assert min(loops) >= STEPS - 3


def test_a_loss_of_every_step(loops):
    def gradients(x, kernel, bias):
        with tf.GradientTape() as tape:
            tape.watch([kernel, bias])
            outputs, _ = lstm(x, kernel, bias)
            loss = tf.add_n([tf.reduce_sum(h * h) for h in outputs])
        return loss, *tape.gradient(loss, [kernel, bias])

    check(gradients, *arrays(*LSTM_SHAPES))
    assert [n for n in loops if isinstance(n, int)]


def test_second_derivatives(loops):
    def hessian_product(x, kernel, bias):
        with tf.GradientTape() as outer:
            outer.watch(kernel)
            with tf.GradientTape() as tape:
                tape.watch(kernel)
                outputs, _ = lstm(x, kernel, bias)
                loss = tf.reduce_sum(outputs[-1] ** 2)
            gradient = tape.gradient(loss, kernel)
            size = tf.reduce_sum(gradient * gradient)
        return outer.gradient(size, kernel)

    check(hessian_product, *arrays(*LSTM_SHAPES), tolerance=2e-4)
    assert [n for n in loops if isinstance(n, int)]


def test_variables_are_read_once_for_all(loops):
    kernel, bias = (tf.Variable(a) for a in arrays(*LSTM_SHAPES[1:]))

    def network(x):
        return lstm(x, kernel, bias)[1]

    check(network, *arrays(LSTM_SHAPES[0], seed=1))
    assert len(loops) == 1 and loops[0] >= STEPS - 2


def test_variables_that_the_stretches_change(loops):
    total = tf.Variable(np.zeros((BATCH, UNITS), np.float32))

    def network(x, h):
        for t in range(40):
            h = tf.tanh(h * 0.9 + x[t])
            total.assign_add(h)
        return h, total.read_value()

    x, h = arrays((40, BATCH, UNITS), (BATCH, UNITS))
    first = [v.numpy() for v in network(tf.constant(x), tf.constant(h))]
    total.assign(np.zeros((BATCH, UNITS), np.float32))
    second = tf.function(network, jit_compile=True)(tf.constant(x), tf.constant(h))
    for a, b in zip(first, second):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-5)
    assert loops == []


def test_a_number_of_its_own_in_each(loops):
    def network(h):
        for t in range(40):
            h = tf.sin(h * (1.0 + 0.01 * t)) + h
        return h

    check(network, *arrays((BATCH, UNITS)), tolerance=1e-4)
    assert loops == [39]


def test_whole_numbers_that_only_host_or_slices_can_use(loops):
    def network(x, h):
        for t in range(40):
            h = tf.tanh(h + tf.gather(x, t)) + tf.reduce_sum(x[t:t + 2], 0) + tf.cast(t, tf.float32)
        return h

    check(network, *arrays((45, UNITS), (BATCH, UNITS)), tolerance=1e-4)
    assert loops == [39]


def test_whole_numbers_that_are_carried(loops):
    def network(h):
        n = tf.constant(3)
        for _ in range(40):
            h = tf.tanh(h) + tf.cast(n, tf.float32)
            n = n * 2 % 7
        return h, n

    check(network, *arrays((BATCH, UNITS)))


def test_layers_with_weights_of_their_own_are_no_loop(loops):
    weights = [tf.Variable(a) for a in arrays(*[(UNITS, UNITS)] * 45)]

    def network(h):
        for w in weights:
            h = tf.tanh(tf.matmul(h, w))
        return h

    check(network, *arrays((BATCH, UNITS)))
    assert loops == ["NoLoop"] * len(loops)


def test_a_step_that_reads_two_steps_back(loops):
    def network(h):
        before = h * 0.5
        for _ in range(45):
            before, h = h, tf.sin(h) * 0.7 + tf.cos(before)
        return h, before

    check(network, *arrays((BATCH, UNITS)))


def test_every_output_and_the_first_are_wanted(loops):
    def network(h):
        found = []
        for _ in range(40):
            h = tf.tanh(h) * 1.1 + 0.1
            found.append(h)
        return found, tf.add_n(found), tf.stack(found[::3])

    check(network, *arrays((BATCH, UNITS)))
    assert loops == [39]


def test_two_loops_of_which_one_reads_the_other_backwards(loops):
    def network(h):
        rows = []
        for _ in range(20):
            h = tf.tanh(h * 1.1) + 0.1
            rows.append(h)
        for row in reversed(rows):
            h = tf.cos(h) * row - 0.3
            h = h + tf.sigmoid(h)
        return h

    check(network, *arrays((BATCH, UNITS)))
    assert len([n for n in loops if isinstance(n, int)]) == 2


def test_steps_that_grow(loops):
    def network(h):
        for _ in range(45):
            h = tf.concat([tf.tanh(h), h[:, -1:]], 1)
        return h

    check(network, *arrays((BATCH, UNITS)))
    assert loops == []


def test_not_a_number_stays(loops):
    def network(h):
        for _ in range(40):
            h = tf.maximum(tf.tanh(h) + 0.1, h)
        return h

    x = np.array([[np.nan, 1, np.inf, -np.inf]], np.float32)
    wanted, found = network(tf.constant(x)), tf.function(network, jit_compile=True)(tf.constant(x))
    np.testing.assert_array_equal(np.isnan(wanted), np.isnan(found))
    np.testing.assert_allclose(wanted, found, rtol=1e-5)
    assert loops == [39]


def test_in_a_session(loops):
    v1 = tf.compat.v1
    x_value, kernel_value, bias_value = arrays(*LSTM_SHAPES)
    with v1.Graph().as_default():
        x = v1.placeholder(tf.float32, LSTM_SHAPES[0])
        kernel = v1.Variable(kernel_value, use_resource=False)
        bias = v1.Variable(bias_value, use_resource=False)
        outputs, c = lstm(x, kernel, bias)
        loss = tf.reduce_mean(outputs[-1] ** 2) + tf.reduce_sum(c)
        gradients = v1.gradients(loss, [kernel, bias])
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            found = [session.run([loss, *gradients], {x: x_value}) for _ in range(6)]
    for later in found[1:]:
        for a, b in zip(found[0], later):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def random_program(random):
    """A step of a few random operations on two states and a row of `x`, and what is made of all steps."""
    choices = [int(n) for n in random.integers(0, 8, 5)]
    ends = int(random.integers(0, 4))

    def step(t, row, a, b, w):
        for choice in choices:
            if choice == 0:
                a = tf.tanh(tf.matmul(a, w) + row)
            elif choice == 1:
                b = b * 0.8 + tf.sin(a)
            elif choice == 2:
                a, b = b, a
            elif choice == 3:
                a = a + row * (0.1 * t)
            elif choice == 4:
                b = tf.reduce_mean(a, 1, keepdims=True) + b * tf.sigmoid(row)
            elif choice == 5:
                a = tf.concat([a[:, 1:], b[:, :1]], 1)
            elif choice == 6:
                b = tf.where(a > b, a, b - 0.1)
            else:
                a = a + tf.reduce_sum(w, 0) * 0.05
        return a, b

    def program(x, w):
        with tf.GradientTape() as tape:
            tape.watch([x, w])
            a, b, kept = x[0], x[1] * 0.5, []
            for t in range(20):
                a, b = step(t, x[t], a, b, w)
                kept.append(a if t % 2 or ends < 2 else b)
            loss = tf.reduce_sum(a * a) + tf.reduce_sum(tf.sin(b))
            if ends == 1:
                loss += tf.add_n([tf.reduce_mean(k) for k in kept])
            elif ends == 2:
                loss += tf.reduce_mean(tf.stack(kept[3:]) ** 2)
            elif ends == 3:
                loss += tf.reduce_sum(kept[7]) * tf.reduce_sum(kept[12])
        return loss, a, b, tape.gradient(loss, [x, w], unconnected_gradients="zero")

    return program


@pytest.mark.parametrize("seed", range(10))
def test_random_programs(loops, seed):
    program = random_program(np.random.default_rng(seed))
    check(program, *arrays((20, BATCH, UNITS), (UNITS, UNITS), seed=seed), tolerance=1e-3)


def test_what_is_found():
    kinds = np.array([9, 8, *[1, 2, 3] * 10, 1, 2, 7, *[4, 4, 5] * 9, 6])
    assert repetitions._longest(kinds) == (2, 3, 32)
    assert repetitions._longest(kinds[34:]) == (1, 3, 27)
    assert repetitions._longest(np.arange(100)) is None
    assert repetitions._longest(np.zeros(100, np.int64)) == (0, 3, 100)
