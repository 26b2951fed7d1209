"""Recurrent networks written as loops: values, gradients and second derivatives beside NumPy's, in float64."""

import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.conftest import ON_TENSORFLOW

STEPS, BATCH, INPUTS, UNITS = 6, 3, 4, 5
RANDOM = np.random.RandomState(0)
X = RANDOM.randn(STEPS, BATCH, INPUTS)
KERNEL = RANDOM.randn(INPUTS + UNITS, 4 * UNITS) / 3
BIAS = RANDOM.randn(4 * UNITS) / 5
NAMES = ("x", "kernel", "bias")


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm_in_numpy(x, kernel, bias, steps=STEPS):
    """The mean square of the last output of an LSTM, and its gradients."""
    h, c = np.zeros((BATCH, UNITS)), np.zeros((BATCH, UNITS))
    kept = []
    for t in range(steps):
        joined = np.concatenate([x[t], h], 1)
        i, j, f, o = np.split(joined @ kernel + bias, 4, axis=1)
        i, j, f, o = sigmoid(i), np.tanh(j), sigmoid(f + 1), sigmoid(o)
        before, c = c, f * c + i * j
        h = o * np.tanh(c)
        kept.append((joined, i, j, f, o, before, c))
    dh, dc = 2 * h / h.size, np.zeros_like(c)
    dx, dkernel, dbias = np.zeros_like(x), np.zeros_like(kernel), np.zeros_like(bias)
    for t in reversed(range(steps)):
        joined, i, j, f, o, before, c = kept[t]
        dc = dc + dh * o * (1 - np.tanh(c) ** 2)
        dz = np.concatenate([dc * j * i * (1 - i), dc * i * (1 - j ** 2), dc * before * f * (1 - f),
                             dh * np.tanh(c) * o * (1 - o)], 1)
        dkernel += joined.T @ dz
        dbias += dz.sum(0)
        djoined = dz @ kernel.T
        dx[t], dh, dc = djoined[:, :INPUTS], djoined[:, INPUTS:], dc * f
    return np.mean(h * h), dx, dkernel, dbias


def cell(x, h, c, kernel, bias):
    i, j, f, o = tf.split(tf.matmul(tf.concat([x, h], 1), kernel) + bias, 4, axis=1)
    c = tf.sigmoid(f + 1.0) * c + tf.sigmoid(i) * tf.tanh(j)
    return tf.sigmoid(o) * tf.tanh(c), c


def zeros():
    return tf.zeros([BATCH, UNITS], tf.float64)


def while_loop(x, kernel, bias, steps):
    return tf.while_loop(
        lambda t, h, c: t < steps, lambda t, h, c: (t + 1, *cell(x[t], h, c, kernel, bias)), (0, zeros(), zeros())
    )[1]


def for_loop(x, kernel, bias, steps):
    h, c = zeros(), zeros()
    for t in tf.range(steps):
        h, c = cell(x[t], h, c, kernel, bias)
    return h


def backwards_over_turned_rows(x, kernel, bias, steps):
    turned = tf.reverse(x[:steps], [0])
    return tf.while_loop(
        lambda t, h, c: t >= 0, lambda t, h, c: (t - 1, *cell(turned[t], h, c, kernel, bias)),
        (steps - 1, zeros(), zeros()),
    )[1]


def read_from_an_array(x, kernel, bias, steps):
    rows = tf.TensorArray(tf.float64, STEPS, element_shape=[BATCH, INPUTS]).unstack(x)
    h, c = zeros(), zeros()
    for t in tf.range(steps):
        h, c = cell(rows.read(t), h, c, kernel, bias)
    return h


def outputs_in_an_array(x, kernel, bias, steps):
    outputs = tf.TensorArray(tf.float64, 0, dynamic_size=True, element_shape=[BATCH, UNITS])
    h, c = zeros(), zeros()
    for t in tf.range(steps):
        h, c = cell(x[t], h, c, kernel, bias)
        outputs = outputs.write(t, h)
    return outputs.stack()[-1]


def gathered(x, kernel, bias, steps):
    order = tf.constant([3, 1, 0, 2, 5, 4])
    shuffled = tf.gather(x, tf.math.invert_permutation(order))
    h, c = zeros(), zeros()
    for t in tf.range(steps):
        h, c = cell(tf.gather(shuffled, order[t]), h, c, kernel, bias)
    return h


def with_two_products(x, kernel, bias, steps):
    h, c = zeros(), zeros()
    for t in tf.range(steps):
        z = tf.matmul(x[t], kernel[:INPUTS]) + tf.matmul(h, kernel[INPUTS:]) + bias
        i, j, f, o = tf.split(z, 4, axis=1)
        c = tf.sigmoid(f + 1.0) * c + tf.sigmoid(i) * tf.tanh(j)
        h = tf.sigmoid(o) * tf.tanh(c)
    return h


LOOPS = [while_loop, for_loop, backwards_over_turned_rows, read_from_an_array, outputs_in_an_array, gathered,
         with_two_products]


def with_gradient(loop, names=NAMES):
    def run(x, kernel, bias, steps):
        given = {"x": x, "kernel": kernel, "bias": bias}
        with tf.GradientTape() as tape:
            tape.watch([given[n] for n in names])
            h = loop(x, kernel, bias, steps)
            loss = tf.reduce_mean(h * h)
        return [loss, *(tf.convert_to_tensor(g) for g in tape.gradient(loss, [given[n] for n in names]))]

    return run


def arguments():
    return tf.constant(X), tf.constant(KERNEL), tf.constant(BIAS)


# TensorFlow's XLA takes no arrays of unknown size.
COMPILED = [None] if ON_TENSORFLOW else [None, True]


@pytest.mark.parametrize("compiled", COMPILED)
@pytest.mark.parametrize("loop", LOOPS)
def test_known_length(loop, compiled):
    function = tf.function(lambda *given: with_gradient(loop)(*given, STEPS), jit_compile=compiled)
    for _ in range(3):
        for actual, wanted in zip(function(*arguments()), lstm_in_numpy(X, KERNEL, BIAS), strict=True):
            np.testing.assert_allclose(actual, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("compiled", COMPILED)
@pytest.mark.parametrize("loop", LOOPS)
def test_length_from_data(loop, compiled):
    function = tf.function(with_gradient(loop), jit_compile=compiled)
    for steps in (2, 4, STEPS, 4):
        wanted = lstm_in_numpy(X, KERNEL, BIAS, steps)
        for actual, expected in zip(function(*arguments(), tf.constant(steps)), wanted, strict=True):
            np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("compiled", COMPILED)
@pytest.mark.parametrize("names", [["x"], ["kernel"], ["bias"], ["bias", "x"]])
def test_some_of_the_gradients(names, compiled):
    function = tf.function(lambda *given: with_gradient(for_loop, names)(*given, STEPS), jit_compile=compiled)
    wanted = dict(zip(NAMES, lstm_in_numpy(X, KERNEL, BIAS)[1:]))
    for _ in range(3):
        _, *actual = function(*arguments())
        for name, gradient in zip(names, actual, strict=True):
            np.testing.assert_allclose(gradient, wanted[name], rtol=1e-9, atol=1e-12)


def test_in_a_session():
    with tf.Graph().as_default():
        x, kernel, bias = arguments()
        h = while_loop(x, kernel, bias, STEPS)
        loss = tf.reduce_mean(h * h)
        fetches = [loss, *tf.gradients(loss, [x, kernel, bias])]
        with tf.compat.v1.Session() as session:
            for _ in range(3):
                for actual, wanted in zip(session.run(fetches), lstm_in_numpy(X, KERNEL, BIAS), strict=True):
                    np.testing.assert_allclose(actual, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("compiled", COMPILED)
@pytest.mark.parametrize("loop", [while_loop, with_two_products])
def test_second_derivatives(loop, compiled):
    """The derivative of the gradient along a direction, beside differences of NumPy's gradients."""
    direction = [RANDOM.randn(*v.shape) for v in (X, KERNEL, BIAS)]

    @tf.function(jit_compile=compiled)
    def second(x, kernel, bias):
        with tf.GradientTape() as outer:
            outer.watch((x, kernel, bias))
            _, *gradients = with_gradient(loop)(x, kernel, bias, STEPS)
            along = tf.add_n([tf.reduce_sum(g * d) for g, d in zip(gradients, direction)])
        return outer.gradient(along, (x, kernel, bias))

    step = 1e-5
    ahead = lstm_in_numpy(*(v + step * d for v, d in zip((X, KERNEL, BIAS), direction)))[1:]
    behind = lstm_in_numpy(*(v - step * d for v, d in zip((X, KERNEL, BIAS), direction)))[1:]
    for _ in range(3):
        for actual, a, b in zip(second(*arguments()), ahead, behind, strict=True):
            np.testing.assert_allclose(actual, (a - b) / (2 * step), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("compiled", COMPILED)
def test_training_moves_as_numpy_does(compiled):
    variables = [tf.Variable(KERNEL), tf.Variable(BIAS)]

    @tf.function(jit_compile=compiled)
    def train(x):
        with tf.GradientTape() as tape:
            h = for_loop(x, *variables, STEPS)
            loss = tf.reduce_mean(h * h)
        for variable, gradient in zip(variables, tape.gradient(loss, variables)):
            variable.assign_sub(0.5 * gradient)
        return loss

    kernel, bias = KERNEL.copy(), BIAS.copy()
    for _ in range(5):
        wanted, _, dkernel, dbias = lstm_in_numpy(X, kernel, bias)
        np.testing.assert_allclose(train(tf.constant(X)), wanted, rtol=1e-9)
        kernel -= 0.5 * dkernel
        bias -= 0.5 * dbias
    np.testing.assert_allclose(variables[0].numpy(), kernel, rtol=1e-9)
    np.testing.assert_allclose(variables[1].numpy(), bias, rtol=1e-9)
