"""tf.vectorized_map: row by row on the host, at once when compiled, with the same results."""

import numpy as np
import pytest

import everflow as tf

X = np.random.RandomState(0).rand(5, 3).astype(np.float32)
C = tf.constant([1.0, 2.0, 3.0])


def one_row(row):
    """Branches and loops that depend on the row, and a tensor from outside."""
    hidden = tf.tanh(row * C)
    chosen = tf.cond(tf.reduce_sum(row) > 1.5, lambda: hidden * 2.0, lambda: hidden)
    powers = tf.while_loop(lambda i, z: i < 3, lambda i, z: (i + 1, z * row), (0, hidden))[1]
    return {"sum": tf.reduce_sum(hidden), "chosen": chosen, "powers": powers}


def slopes(x):
    with tf.GradientTape() as tape:
        tape.watch([x, C])
        parts = tf.vectorized_map(one_row, x)
        y = tf.add_n([tf.reduce_sum(p**2) for p in tf.nest.flatten(parts)])
    return *tf.nest.flatten(parts), *tape.gradient(y, [x, C])


@pytest.mark.parametrize("jit_compile", [None, True])
def test_functions_agree_with_eager_rows(jit_compile):
    x = tf.constant(X)
    function = tf.function(slopes, jit_compile=jit_compile)
    for _ in range(2):
        for actual, expected in zip(function(x), slopes(x), strict=True):
            np.testing.assert_allclose(actual.numpy(), expected.numpy(), rtol=1e-4, atol=1e-5)


def test_second_gradients():
    def second(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = tf.reduce_sum(tf.vectorized_map(lambda row: row**4, x))
            slope = inner.gradient(y, x)
        return outer.gradient(slope, x)

    for wrap in (lambda f: f, tf.function):
        np.testing.assert_allclose(wrap(second)(tf.constant(X)).numpy(), 12 * X**2, rtol=1e-5)


def test_rows_draw_their_own_random_numbers():
    draw = tf.function(lambda x: tf.vectorized_map(lambda row: tf.random.uniform([]), x), jit_compile=True)
    assert len(set(draw(tf.ones([4])).numpy().tolist())) == 4


def test_single_rows_serve_all_and_no_rows_give_none():
    pairs = (tf.ones([2, 2]), tf.ones([1, 2]))
    assert tf.vectorized_map(lambda p: p[0] + p[1], pairs).numpy().tolist() == [[2.0, 2.0], [2.0, 2.0]]
    assert tf.vectorized_map(lambda row: row, tf.ones([0, 2])).shape == [0, 2]
    assert tf.vectorized_map(lambda row: None, tf.ones([2])) is None


def test_errors():
    with pytest.raises(TypeError, match="callable"):
        tf.vectorized_map(3, tf.ones([2]))
    with pytest.raises(IndexError, match="scalar"):
        tf.vectorized_map(lambda x: x, tf.constant(1.0))
    with pytest.raises(tf.errors.InvalidArgumentError, match="rows"):
        tf.vectorized_map(lambda p: p[0], (tf.ones([2]), tf.ones([3])))


def test_graphs():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 2])
        y = tf.vectorized_map(tf.reduce_prod, x)
        assert y.shape.as_list() == [None]
        (slope,) = tf.gradients(y, x)
        with tf.compat.v1.Session() as session:
            values = session.run([y, slope], {x: [[2.0, 3.0], [4.0, 5.0]]})
    assert values[0].tolist() == [6.0, 20.0] and values[1].tolist() == [[3.0, 2.0], [5.0, 4.0]]
