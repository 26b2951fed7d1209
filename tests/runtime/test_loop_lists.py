"""Lists in compiled loops and branches: what compiles, and that it computes what the host computes."""

import gc

import numpy as np
import pytest

import everflow as tf
from everflow._src.runtime.program import Program

X = np.random.RandomState(0).rand(6).astype(np.float32)


def on_host():
    """Types of the operations that compiled programs of this process leave to the host."""
    gc.collect()
    programs = [p for p in gc.get_objects() if isinstance(p, Program) and p.steps]
    return {i.card.name for p in programs for s in p.steps for i in s.instructions if i.host}


def squares(x):
    """An array that is written and another that is read, both by the index of the loop."""
    xs = tf.TensorArray(tf.float32, 6).unstack(x)
    loop = tf.while_loop(
        lambda i, _: i < 6, lambda i, a: (i + 1, a.write(i, xs.read(i) ** 2)), (0, tf.TensorArray(tf.float32, 6))
    )
    return loop[1].stack()


def growing(x):
    array = tf.TensorArray(tf.float32, 0, dynamic_size=True)
    return tf.while_loop(lambda i, _: i < 4, lambda i, a: (i + 1, a.write(i + 1, x[i] ** 3)), (0, array))[1].stack()


def choosing(x):
    """Only some iterations write."""
    xs = tf.TensorArray(tf.float32, 6, clear_after_read=False).unstack(x)

    def body(i, a):
        return i + 1, tf.cond(x[i] > 0.5, lambda: a.write(i, xs.read(i) ** 2 * x[0]), lambda: a)

    return tf.while_loop(lambda i, _: i < 6, body, (0, tf.TensorArray(tf.float32, 6, element_shape=[])))[1].stack()


def carrying(x):
    """An array that is read and written in one loop."""

    def body(i, a):
        return i + 1, a.write(i, a.read(i - 1) * x[i])

    array = tf.TensorArray(tf.float32, 6, clear_after_read=False).write(0, x[0])
    return tf.while_loop(lambda i, _: i < 6, body, (1, array))[1].stack()


def picking(x):
    """Elements taken and put by computed indices, some of them twice."""
    i = tf.argmax(x, output_type=tf.int32)
    array = tf.TensorArray(tf.float32, 6, clear_after_read=False).unstack(x)
    put = tf.TensorArray(tf.float32, 6).scatter(tf.stack([i, 0]), x[:2] ** 2).stack()
    one, some = array.read(i) * x[0], array.gather(tf.stack([i, i, 0])) ** 2
    return one, some, array.write(i, x[1] ** 3).stack(), put


def with_gradient(function):
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
            total = tf.add_n([tf.reduce_sum(part * part) for part in tf.nest.flatten(y)])
        return *tf.nest.flatten(y), tape.gradient(total, x)

    return gradient


@pytest.mark.parametrize("function", [squares, growing, choosing, carrying, picking])
def test_arrays_compile_with_their_gradients(function):
    x = tf.constant(X)
    expected = with_gradient(function)(x)
    before = on_host()
    compiled = tf.function(with_gradient(function), jit_compile=True)
    for actual, wanted in zip(compiled(x), expected, strict=True):
        np.testing.assert_allclose(actual.numpy(), wanted.numpy(), rtol=1e-5, atol=1e-6)
    assert on_host() <= before


def test_second_gradients_of_loops_of_known_length_compile():
    def second(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = tf.reduce_sum(carrying(x))
            total = tf.reduce_sum(inner.gradient(y, x) ** 2)
        return outer.gradient(total, x)

    expected = second(tf.constant(X)).numpy()
    before = on_host()
    np.testing.assert_allclose(tf.function(second, jit_compile=True)(tf.constant(X)).numpy(), expected, rtol=1e-4)
    assert on_host() <= before


def test_a_length_that_depends_on_data_is_computed_by_the_host():
    @tf.function(jit_compile=True)
    def count_to(n):
        array = tf.TensorArray(tf.int32, 0, dynamic_size=True)
        return tf.while_loop(lambda i, _: i < n, lambda i, a: (i + 1, a.write(i, i)), (0, array))[1].stack()

    for n in (0, 3, 5):
        assert count_to(tf.constant(n)).numpy().tolist() == list(range(n))


@pytest.mark.parametrize("end", [lambda a: a.size(), lambda a: a.size() * 2])
def test_arrays_that_grow_in_some_iterations_only(end):
    def positive(x):
        def body(i, a):
            return i + 1, tf.cond(x[i] > 0.5, lambda: a.write(end(a), x[i]), lambda: a)

        array = tf.TensorArray(tf.float32, 0, dynamic_size=True, element_shape=[])
        return tf.while_loop(lambda i, _: i < 6, body, (0, array))[1].stack()

    expected = positive(tf.constant(X)).numpy()
    for _ in range(2):
        np.testing.assert_array_equal(tf.function(positive, jit_compile=True)(tf.constant(X)).numpy(), expected)
