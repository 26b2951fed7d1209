"""The other optimizers of version 1, moving averages and learning rates that decay."""

import math

import numpy as np
import pytest
import tensorflow as tf

tf1 = tf.compat.v1
train = tf1.train

GRADIENTS = [[0.1, -0.3], [0.2, 0.4], [-0.5, 0.1], [0.7, 0.7], [0.0, -0.2]]
START = [1.0, 2.0]


def adagrad(gradients, rate=0.5):
    value, total = np.array(START), np.full(2, 0.1)
    for gradient in gradients:
        total = total + gradient**2
        value = value - rate * gradient / np.sqrt(total)
        yield value


def rmsprop(gradients, rate=0.1, decay=0.9, momentum=0.0, epsilon=1e-10, centered=False):
    value, mean_square, mean, velocity = np.array(START), np.ones(2), np.zeros(2), np.zeros(2)
    for gradient in gradients:
        mean_square = decay * mean_square + (1 - decay) * gradient**2
        mean = decay * mean + (1 - decay) * gradient if centered else mean
        velocity = momentum * velocity + rate * gradient / np.sqrt(mean_square - mean**2 + epsilon)
        value = value - velocity
        yield value


def adadelta(gradients, rate=1.0, rho=0.9, epsilon=1e-3):
    value, total, updates = np.array(START), np.zeros(2), np.zeros(2)
    for gradient in gradients:
        total = rho * total + (1 - rho) * gradient**2
        update = np.sqrt(updates + epsilon) / np.sqrt(total + epsilon) * gradient
        updates = rho * updates + (1 - rho) * update**2
        value = value - rate * update
        yield value


def ftrl(gradients, rate=0.5, power=-0.5, initial=0.1, l1=0.0, l2=0.0):
    value, total, linear = np.array(START), np.full(2, initial), np.zeros(2)
    for gradient in gradients:
        new_total = total + gradient**2
        linear = linear + gradient - (new_total**-power - total**-power) / rate * value
        quadratic = new_total**-power / rate + 2 * l2
        value = np.where(np.abs(linear) > l1, (np.sign(linear) * l1 - linear) / quadratic, 0.0)
        total = new_total
        yield value


def shrink(value, rate, l1, l2):
    return np.sign(value) / (1 + rate * l2) * np.maximum(np.abs(value) - rate * l1, 0.0)


def proximal_descent(gradients, rate=0.5, l1=0.1, l2=0.2):
    value = np.array(START)
    for gradient in gradients:
        value = shrink(value - rate * gradient, rate, l1, l2)
        yield value


def proximal_adagrad(gradients, rate=0.5, l1=0.1, l2=0.2):
    value, total = np.array(START), np.full(2, 0.1)
    for gradient in gradients:
        total = total + gradient**2
        scaled = rate / np.sqrt(total)
        value = shrink(value - scaled * gradient, scaled, l1, l2)
        yield value


CASES = {
    "adagrad": (lambda: train.AdagradOptimizer(0.5), adagrad, ["accumulator"]),
    "rmsprop": (lambda: train.RMSPropOptimizer(0.1), rmsprop, ["momentum", "rms"]),
    "rmsprop with momentum": (
        lambda: train.RMSPropOptimizer(0.1, decay=0.8, momentum=0.5, epsilon=0.01),
        lambda gradients: rmsprop(gradients, decay=0.8, momentum=0.5, epsilon=0.01),
        ["momentum", "rms"],
    ),
    "centered rmsprop": (
        lambda: train.RMSPropOptimizer(0.1, epsilon=0.01, centered=True),
        lambda gradients: rmsprop(gradients, epsilon=0.01, centered=True),
        ["mg", "momentum", "rms"],
    ),
    "adadelta": (
        lambda: train.AdadeltaOptimizer(1.0, rho=0.9, epsilon=1e-3),
        adadelta,
        ["accum", "accum_update"],
    ),
    "ftrl": (lambda: train.FtrlOptimizer(0.5), ftrl, ["accum", "linear"]),
    "regularized ftrl": (
        lambda: train.FtrlOptimizer(0.5, l1_regularization_strength=0.2, l2_regularization_strength=0.3),
        lambda gradients: ftrl(gradients, l1=0.2, l2=0.3),
        ["accum", "linear"],
    ),
    "proximal descent": (
        lambda: train.ProximalGradientDescentOptimizer(
            0.5, l1_regularization_strength=0.1, l2_regularization_strength=0.2
        ),
        proximal_descent,
        [],
    ),
    "proximal adagrad": (
        lambda: train.ProximalAdagradOptimizer(
            0.5, l1_regularization_strength=0.1, l2_regularization_strength=0.2
        ),
        proximal_adagrad,
        ["accumulator"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_values_in_a_session(graph, case):
    make, formula, slots = CASES[case]
    v = tf1.get_variable("v", initializer=START)
    gradient = tf1.placeholder(tf.float32, [2])
    optimizer = make()
    step = optimizer.apply_gradients([(gradient, v)])
    assert sorted(optimizer.get_slot_names()) == slots
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        for fed, expected in zip(GRADIENTS, formula(np.array(GRADIENTS)), strict=True):
            session.run(step, {gradient: fed})
            np.testing.assert_allclose(session.run(v), expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_values_eagerly(case):
    make, formula, _ = CASES[case]
    v = tf.Variable(START)
    optimizer = make()
    for gradient, expected in zip(GRADIENTS, formula(np.array(GRADIENTS)), strict=True):
        optimizer.apply_gradients([(tf.constant(gradient), v)])
        np.testing.assert_allclose(v.numpy(), expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("case", ["adagrad", "rmsprop", "adadelta", "ftrl", "proximal descent"])
def test_sparse_rows_are_updated_like_dense_ones(graph, case):
    """Rows that get a gradient each time follow the dense formula; rows without one stay as they are."""
    make, formula, _ = CASES[case]
    table = tf1.get_variable("table", initializer=[[5.0, 5.0], START], use_resource=True)
    rows = tf1.placeholder(tf.float32, [None, 2])
    step = make().apply_gradients([(tf.IndexedSlices(rows, tf.constant([1]), tf.constant([2, 2])), table)])
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        for fed, expected in zip(GRADIENTS, formula(np.array(GRADIENTS)), strict=True):
            session.run(step, {rows: [fed]})
            np.testing.assert_allclose(session.run(table), [[5.0, 5.0], expected], rtol=2e-5, atol=1e-6)


def test_names_of_slots(graph):
    v = tf1.get_variable("v", initializer=START)
    for optimizer in (train.AdagradOptimizer(0.1), train.RMSPropOptimizer(0.1), train.FtrlOptimizer(0.1)):
        optimizer.minimize(tf.reduce_sum(v * v))
    assert [variable.name for variable in tf1.global_variables()] == [
        "v:0", "v/Adagrad:0", "v/RMSProp:0", "v/RMSProp_1:0", "v/Ftrl:0", "v/Ftrl_1:0",
    ]  # fmt: skip


def test_adagrad_dual_averaging(graph):
    v = tf1.get_variable("v", initializer=START)
    gradient = tf1.placeholder(tf.float32, [2])
    global_step = train.get_or_create_global_step()
    step = train.AdagradDAOptimizer(0.5, global_step).apply_gradients([(gradient, v)], global_step)
    total, squares = np.zeros(2), np.full(2, 0.1)
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        for fed in np.array(GRADIENTS):
            session.run(step, {gradient: fed})
            total, squares = total + fed, squares + fed**2
            np.testing.assert_allclose(session.run(v), -0.5 * total / np.sqrt(squares), rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------ moving averages


def test_exponential_moving_average(graph):
    v = tf1.get_variable("v", initializer=10.0)
    average = train.ExponentialMovingAverage(0.9)
    update = average.apply([v])
    assert average.average(v).name == "v/ExponentialMovingAverage:0" == average.average_name(v) + ":0"
    assert average.variables_to_restore()["v/ExponentialMovingAverage"] is v
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        assert session.run(average.average(v)) == 10.0
        session.run(v.assign(20.0))
        session.run(update)
        np.testing.assert_allclose(session.run(average.average(v)), 11.0)


def test_moving_average_with_num_updates_and_of_tensors(graph):
    v = tf1.get_variable("v", initializer=10.0)
    updates = tf1.placeholder(tf.float32, [])
    average = train.ExponentialMovingAverage(0.9, num_updates=updates)
    tensor = tf.identity(v * 2.0)
    update = average.apply([v, tensor])
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        session.run(v.assign(20.0))
        session.run(update, {updates: 0.0})
        np.testing.assert_allclose(session.run(average.average(v)), 0.1 * 10 + 0.9 * 20, rtol=1e-6)
        assert session.run(average.average(tensor)) == pytest.approx(36.0)  # averages of tensors start at 0


def test_moving_average_eagerly():
    v = tf.Variable(10.0)
    average = tf.train.ExponentialMovingAverage(0.5)
    average.apply([v])
    v.assign(20.0)
    average.apply([v])
    assert float(average.average(v)) == 15.0


# ------------------------------------------------------------------ learning rates

SCHEDULES = {
    "exponential": (lambda t: train.exponential_decay(1.0, t, 4, 0.5), lambda t: 0.5 ** (t / 4)),
    "staircase": (
        lambda t: train.exponential_decay(1.0, t, 4, 0.5, staircase=True),
        lambda t: 0.5 ** (t // 4),
    ),
    "natural": (lambda t: train.natural_exp_decay(1.0, t, 4, 0.5), lambda t: math.exp(-0.5 * t / 4)),
    "inverse": (lambda t: train.inverse_time_decay(1.0, t, 4, 0.5), lambda t: 1 / (1 + 0.5 * t / 4)),
    "polynomial": (
        lambda t: train.polynomial_decay(1.0, t, 8, 0.2, power=2.0),
        lambda t: 0.8 * (1 - min(t, 8) / 8) ** 2 + 0.2,
    ),
    "cycling polynomial": (
        lambda t: train.polynomial_decay(1.0, t, 8, 0.2, cycle=True),
        lambda t: 0.8 * (1 - t / (8 * max(1, math.ceil(t / 8)))) + 0.2,
    ),
    "piecewise": (
        lambda t: train.piecewise_constant(t, [3, 9], [1.0, 0.5, 0.1]),
        lambda t: 1.0 if t <= 3 else 0.5 if t <= 9 else 0.1,
    ),
    "cosine": (
        lambda t: train.cosine_decay(1.0, t, 10, alpha=0.1),
        lambda t: 0.9 * 0.5 * (1 + math.cos(math.pi * min(t, 10) / 10)) + 0.1,
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_in_a_graph(graph, name):
    make, formula = SCHEDULES[name]
    step = tf1.placeholder(tf.int64, [])
    rate = make(step)
    with tf1.Session() as session:
        for t in (0, 1, 3, 4, 8, 9, 10, 17):
            np.testing.assert_allclose(session.run(rate, {step: t}), formula(t), rtol=1e-5)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_eagerly_are_callables(name):
    make, formula = SCHEDULES[name]
    step = tf.Variable(0, dtype=tf.int64)
    rate = make(step)
    for t in (0, 4, 9):
        step.assign(t)
        np.testing.assert_allclose(rate(), formula(t), rtol=1e-5)


def test_cosine_with_restarts(graph):
    step = tf1.placeholder(tf.int64, [])
    rate = train.cosine_decay_restarts(1.0, step, 4, t_mul=2.0, m_mul=0.5)
    with tf1.Session() as session:
        for t, expected in [(0, 1.0), (2, 0.5), (4, 0.5), (8, 0.25), (12, 0.25)]:
            np.testing.assert_allclose(session.run(rate, {step: t}), expected, rtol=1e-5, atol=1e-7)


def test_piecewise_errors(graph):
    with pytest.raises(ValueError):
        train.piecewise_constant(tf.constant(0), [1, 2], [1.0, 0.5])
    with pytest.raises(ValueError):
        train.exponential_decay(1.0, None, 4, 0.5)
