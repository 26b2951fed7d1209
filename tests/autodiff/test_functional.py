"""Derivatives of calls, branches and loops: every order, against differences of numbers."""

import numpy as np
import pytest

import everflow as tf

# Points at which no branch changes.
POINTS = (-1.3, 0.4, 1.7)


def called(x):
    return tf.function(lambda y: tf.sin(y) * y)(x) + x


def called_twice(x):
    @tf.function
    def inner(y, z):
        return y * tf.exp(z), tf.cos(y)

    a, b = inner(x, x * 0.5)
    c, _ = inner(a, b)
    return c


def nested_calls(x):
    @tf.function
    def first(y):
        return tf.tanh(y)

    @tf.function
    def second(y):
        return first(y) * first(y * 2.0)

    return second(x) * x


def branched(x):
    return tf.cond(x > 0.0, lambda: tf.sin(x) * x, lambda: x * x * x)


def branches_that_capture(x):
    y = tf.exp(x)
    return tf.cond(x > 0.0, lambda: y * x, lambda: tf.sin(y)) * y


def branches_in_branches(x):
    return tf.cond(
        x > 0.0, lambda: tf.cond(x > 1.0, lambda: x * x * tf.sin(x), lambda: tf.exp(x)), lambda: tf.cos(x) * x
    )


def switched(x):
    index = tf.cast(x > 0.0, tf.int32) + tf.cast(x > 1.0, tf.int32)
    return tf.switch_case(index, [lambda: tf.sin(x), lambda: x * x * x, lambda: tf.exp(x) * x])


def looped(x):
    _, y = tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, tf.sin(y) * x + y), (tf.constant(0), x))
    return y


def loops_that_capture(x):
    z = tf.exp(x * 0.3)
    _, y = tf.while_loop(lambda i, y: i < 2, lambda i, y: (i + 1, y * z + tf.sin(x)), (tf.constant(0), x))
    return y * z


def loops_in_loops(x):
    def outer(i, y):
        _, inner = tf.while_loop(lambda j, u: j < 2, lambda j, u: (j + 1, tf.tanh(u) * y), (tf.constant(0), y))
        return i + 1, y + inner

    return tf.while_loop(lambda i, y: i < 2, outer, (tf.constant(0), x))[1]


def branches_in_loops(x):
    def body(i, y):
        return i + 1, tf.cond(tf.equal(i % 2, 0), lambda: tf.sin(y) + x, lambda: y * y * 0.5)

    return tf.while_loop(lambda i, y: i < 3, body, (tf.constant(0), x))[1]


def loops_in_branches(x):
    return tf.cond(x > 0.0, lambda: looped(x), lambda: tf.sin(x))


def loops_of_data_dependent_length(x):
    return tf.while_loop(lambda y: tf.abs(y) < 5.0, lambda y: [y * 1.5 + tf.sign(y)], [x])[0] * x


def calls_in_loops(x):
    inner = tf.function(lambda y: tf.sin(y) + y * 0.5)
    return tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, inner(y) * x), (tf.constant(0), x))[1]


def zero_iterations(x):
    return tf.while_loop(lambda i, y: i < 0, lambda i, y: (i + 1, y * y), (tf.constant(0), x))[1] * tf.sin(x)


def converted(x):
    y = x
    for i in tf.range(3):
        if y > 1.0:
            y = y * 0.5 + tf.sin(x)
        else:
            y = tf.exp(y * 0.2) + x * tf.cast(i, x.dtype)
    return y


FUNCTIONS = [
    called, called_twice, nested_calls, branched, branches_that_capture, branches_in_branches, switched, looped,
    loops_that_capture, loops_in_loops, branches_in_loops, loops_in_branches, loops_of_data_dependent_length,
    calls_in_loops, zero_iterations, converted,
]


def derivatives(function, order):
    """Functions for the value and the derivatives up to an order, by tapes in tapes."""
    found = [function]
    for _ in range(order):
        def derivative(x, inner=found[-1]):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = inner(x)
            gradient = tape.gradient(y, x)
            return tf.zeros_like(x) if gradient is None else gradient

        found.append(derivative)
    return found


def numeric(function, x):
    step = 1e-5
    up, down = (float(function(tf.constant(x + s, tf.float64))) for s in (step, -step))
    return (up - down) / (2 * step)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("jit_compile", [False, True], ids=["numpy", "compiled"])
def test_three_orders_inside_of_a_function(function, jit_compile):
    several = (called_twice, branches_in_branches, loops_in_loops, branches_in_loops, converted)
    points = POINTS if function in several or not jit_compile else POINTS[1:2]
    levels = derivatives(function, 3)
    traced = [tf.function(f, jit_compile=jit_compile, input_signature=[tf.TensorSpec([], tf.float64)]) for f in levels]
    slow = [tf.function(f, jit_compile=False) for f in levels] if jit_compile else traced
    for x in points:
        for order in (1, 2, 3):
            expected = numeric(slow[order - 1], x)
            np.testing.assert_allclose(float(traced[order](tf.constant(x, tf.float64))), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_three_orders_by_tapes_around_a_function(function):
    traced = tf.function(function, input_signature=[tf.TensorSpec([], tf.float64)], jit_compile=False)
    levels = derivatives(traced, 3)
    for x in POINTS:
        for order in (1, 2, 3):
            value = float(levels[order](tf.constant(x, tf.float64)))
            np.testing.assert_allclose(value, numeric(levels[order - 1], x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("function", [f for f in FUNCTIONS if f is not converted], ids=lambda f: f.__name__)
def test_three_orders_in_a_session(function):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float64, [])
        levels = [function(x)]
        for _ in range(3):
            levels.append(tf.gradients(levels[-1], x)[0])
        for point in POINTS:
            step = 1e-5
            up, down = (session.run(levels[:3], {x: point + s}) for s in (step, -step))
            found = session.run(levels[1:], {x: point})
            np.testing.assert_allclose(found, [(u - d) / (2 * step) for u, d in zip(up, down)], rtol=1e-4, atol=1e-5)


def test_several_variables_and_a_matrix():
    generator = np.random.default_rng(0)
    w = tf.Variable(generator.normal(size=(3, 3)))
    b = tf.Variable(generator.normal(size=3))

    @tf.function
    def f(x):
        state = x
        for _ in tf.range(4):
            state = tf.tanh(tf.linalg.matvec(w, state) + b)
        return tf.reduce_sum(state * x)

    x = tf.constant(generator.normal(size=3))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    for variable, gradient in zip((w, b), tape.gradient(y, [w, b, x])):
        start = variable.numpy().copy()
        for index in np.ndindex(start.shape):
            moved = []
            for step in (1e-6, -1e-6):
                changed = start.copy()
                changed[index] += step
                variable.assign(changed)
                moved.append(float(f(x)))
            variable.assign(start)
            np.testing.assert_allclose(gradient.numpy()[index], (moved[0] - moved[1]) / 2e-6, rtol=1e-4, atol=1e-7)


def test_integers_among_the_outputs():
    @tf.function
    def f(x):
        n = tf.cast(x, tf.int32)
        return n, x * x, tf.shape(x)

    with tf.GradientTape() as tape:
        x = tf.Variable(3.0)
        _, y, _ = f(x)
    assert float(tape.gradient(y, x)) == 6.0


def test_an_output_that_is_an_input():
    @tf.function
    def f(x, y):
        return x, x * y, x

    x, y = tf.constant(2.0), tf.constant(5.0)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, y])
        a, b, c = f(x, y)
        total = a * 10.0 + b + c * 100.0
    assert [float(g) for g in tape.gradient(total, [x, y])] == [115, 2]
    assert tape.gradient(a, y, unconnected_gradients="zero") == 0.0


def test_the_gradient_of_a_function_is_made_once():
    traces = []

    @tf.function
    def f(x):
        traces.append(1)
        return tf.sin(x) * x

    for n in range(3):
        with tf.GradientTape() as tape:
            x = tf.Variable(float(n))
            y = f(x)
        np.testing.assert_allclose(tape.gradient(y, x), np.sin(n) + n * np.cos(n), rtol=1e-6)
    concrete = f._traces[-1].concrete
    assert len(concrete.function.extra["differentiable"]._levels) == 1


def test_sparse_gradients_pass_through_calls():
    table = tf.Variable(tf.ones([4, 2]))

    @tf.function
    def look_up(i):
        return tf.reduce_sum(tf.gather(table, i) * 3.0)

    with tf.GradientTape() as tape:
        y = look_up(tf.constant([1, 1, 3]))
    gradient = tape.gradient(y, table)
    np.testing.assert_array_equal(tf.convert_to_tensor(gradient), [[0, 0], [6, 6], [0, 0], [3, 3]])
