"""Loops whose gradients need what the iterations saved: compiled where their length is known, else on the host."""

import gc

import numpy as np
import pytest

import everflow as tf
from everflow._src.runtime.program import Program


def host_operations(function):
    """Types of the operations of the compiled programs of `function` that run on the host."""
    concrete = function.get_concrete_function(tf.TensorSpec([3]))
    wanted = concrete.graph
    return [
        i.card.name
        for p in gc.get_objects() if isinstance(p, Program) and p.steps
        for s in p.steps for i in s.instructions
        if i.host and i.op.graph is wanted
    ]


def gradient_of(loop, **options):
    @tf.function(**options)
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(loop(x))
        return tape.gradient(y, x)

    return gradient


def powers(x):
    """x ** 6, by a loop of five iterations."""
    return tf.while_loop(lambda i, y: i < 5, lambda i, y: (i + 1, y * x), (0, x))[1]


def sines(x):
    """A loop in a loop."""

    def outer(i, y):
        y = tf.while_loop(lambda j, z: j < i + 1, lambda j, z: (j + 1, tf.sin(z) * x), (0, y))[1]
        return i + 1, y

    return tf.while_loop(lambda i, y: i < 3, outer, (0, x))[1]


def until_large(x):
    """The number of iterations depends on the data."""
    return tf.while_loop(lambda y: tf.reduce_max(y) < 50.0, lambda y: (y * x,), (x,))[0]


def until_large_or_three(x):
    return tf.while_loop(lambda y: tf.reduce_max(y) < 1e6, lambda y: (y * x,), (x,), maximum_iterations=3)[0]


X = np.array([1.5, -2.0, 3.0], np.float32)


@pytest.mark.parametrize("loop", [powers, sines, until_large, until_large_or_three])
def test_compiled_gradients_are_those_of_eager_loops(loop):
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(loop(x))
    expected = tape.gradient(y, x).numpy()
    function = gradient_of(loop, jit_compile=True)
    for _ in range(2):
        np.testing.assert_allclose(function(x).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize(("loop", "compiles"), [(powers, True), (until_large_or_three, True), (until_large, False)])
def test_loops_of_known_length_compile(loop, compiles):
    function = gradient_of(loop, jit_compile=True)
    function(tf.constant(X))
    assert ("StatelessWhile" not in host_operations(function)) == compiles


def test_loops_of_known_length_differentiate_twice():
    @tf.function(jit_compile=True)
    def second(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = powers(x)
            dy = inner.gradient(y, x)
        return outer.gradient(dy, x)

    np.testing.assert_allclose(second(tf.constant(X)).numpy(), 30 * X**4, rtol=1e-4)
