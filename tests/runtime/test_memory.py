"""Long runs need no more memory than short ones."""

import collections
import gc

import jax
import numpy as np
import pytest

import everflow as tf


def census():
    """Live jax arrays, and objects of everflow's classes."""
    gc.collect()
    counts = collections.Counter(
        type(o).__name__ for o in gc.get_objects() if str(type(o).__module__).startswith("everflow.")
    )
    counts["jax arrays"] = len(jax.live_arrays())
    return counts


def grown(step, times=300):
    """What there is more of after many steps than after a few."""
    for _ in range(20):
        step()
    before = census()
    for _ in range(times):
        step()
    return {k: n - before[k] for k, n in census().items() if n > before[k]}


def model(generator):
    weights = [tf.Variable(generator.normal(size=s).astype(np.float32)) for s in ((4, 8), (8, 1))]

    def loss(x, y):
        return tf.reduce_mean(tf.square(tf.tanh(x @ weights[0]) @ weights[1] - y))

    return weights, loss


@pytest.mark.parametrize("jit_compile", [True, False])
def test_training_with_a_function(jit_compile):
    generator = np.random.default_rng(0)
    weights, loss = model(generator)

    @tf.function(jit_compile=jit_compile)
    def train(x, y):
        with tf.GradientTape() as tape:
            value = loss(x, y)
        for w, g in zip(weights, tape.gradient(value, weights)):
            w.assign_sub(0.01 * g)
        return value

    x, y = generator.normal(size=(16, 4)).astype(np.float32), np.ones((16, 1), np.float32)
    first = float(train(tf.constant(x), tf.constant(y)))
    assert not grown(lambda: train(tf.constant(x), tf.constant(y)))
    assert float(loss(x, y)) < first


def test_training_with_a_tape_around_a_function():
    generator = np.random.default_rng(1)
    weights, loss = model(generator)
    compiled = tf.function(loss, jit_compile=True)
    x, y = tf.constant(generator.normal(size=(16, 4)), tf.float32), tf.ones((16, 1))

    def train():
        with tf.GradientTape() as tape:
            value = compiled(x, y)
        for w, g in zip(weights, tape.gradient(value, weights)):
            w.assign_sub(0.01 * g)

    assert not grown(train)


def test_training_eagerly():
    generator = np.random.default_rng(2)
    weights, loss = model(generator)
    x, y = tf.constant(generator.normal(size=(16, 4)), tf.float32), tf.ones((16, 1))

    def train():
        with tf.GradientTape(persistent=True) as tape:
            value = loss(x, y)
        for w in weights:
            w.assign_sub(0.01 * tape.gradient(value, w))

    assert not grown(train, 100)


def test_training_in_a_session():
    generator = np.random.default_rng(3)
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 4])
        w = tf.compat.v1.get_variable("w", initializer=np.ones((4, 1), np.float32))
        value = tf.reduce_mean(tf.square(x @ w))
        train = tf.compat.v1.train.GradientDescentOptimizer(0.01).minimize(value)
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            batch = generator.normal(size=(16, 4))
            session.run([train, value], {x: batch})
            for plan in session._plans.values():
                plan[2].compile_now = True
            assert not grown(lambda: session.run([train, value], {x: batch}))


def test_functions_and_graphs_go_when_their_makers_do():
    def make():
        v = tf.Variable(1.0)

        @tf.function(jit_compile=True)
        def f(x):
            for _ in tf.range(2):
                v.assign_add(x)
            return v * x

        with tf.GradientTape() as tape:
            y = f(tf.constant(1.0))
        tape.gradient(y, v)
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            session.run(tf.constant(1.0) + 1.0)

    make()
    before = census()
    for _ in range(3):
        make()
    after = census()
    heavy = ("Graph", "FuncGraph", "Operation", "SymbolicTensor", "Program", "_Executable", "VariableResource",
             "Session", "jax arrays")
    assert {k: after[k] - before[k] for k in heavy if after[k] > before[k]} == {}
