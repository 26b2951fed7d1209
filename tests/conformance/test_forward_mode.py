"""tf.autodiff.ForwardAccumulator (Jacobian-vector products) and tf.vectorized_map."""

import numpy as np
import pytest
import tensorflow as tf


def test_jacobian_vector_product():
    x = tf.constant([1.0, 2.0])
    with tf.autodiff.ForwardAccumulator(primals=x, tangents=tf.constant([1.0, 0.0])) as accumulator:
        y = tf.reduce_sum(x * x)
        unrelated = tf.constant(1.0)
    assert float(accumulator.jvp(y)) == 2.0
    assert accumulator.jvp(unrelated) is None
    assert float(accumulator.jvp(unrelated, unconnected_gradients="zero")) == 0.0
    assert accumulator.jvp(x).numpy().tolist() == [1.0, 0.0]
    pair = accumulator.jvp([y, {"none": unrelated}])
    assert float(pair[0]) == 2.0 and pair[1] == {"none": None}


@pytest.mark.parametrize(
    "function,derivative",
    [
        (tf.sin, np.cos),
        (tf.exp, np.exp),
        (lambda x: x / (1.0 + x * x), lambda x: (1 - x**2) / (1 + x**2) ** 2),
        (lambda x: tf.concat([x, x * 3.0], 0)[3:], lambda x: 3 * np.ones_like(x)),
        (lambda x: tf.cumsum(x), lambda x: np.arange(1.0, 4.0)),
        (lambda x: tf.gather(x, [2, 0, 0]), lambda x: np.ones(3)),
        (lambda x: tf.reshape(tf.reshape(x, [3, 1]) @ tf.constant([[2.0]], tf.float64), [3]),
         lambda x: 2 * np.ones(3)),
    ],
)  # fmt: skip
def test_derivatives(function, derivative):
    points = np.array([0.3, 0.7, 1.9])
    x = tf.constant(points)
    with tf.autodiff.ForwardAccumulator(x, tf.ones_like(x)) as accumulator:
        y = function(x)
    np.testing.assert_allclose(accumulator.jvp(y), derivative(points), rtol=1e-9)


def test_several_primals():
    v, x = tf.Variable(3.0), tf.constant([1.0, 2.0])
    with tf.autodiff.ForwardAccumulator([v, x], [tf.constant(2.0), tf.constant([1.0, 1.0])]) as accumulator:
        y = v * x
    assert accumulator.jvp(y).numpy().tolist() == [5.0, 7.0]
    with pytest.raises(ValueError):
        tf.autodiff.ForwardAccumulator(x, [tf.ones([2])])


def test_forward_over_reverse():
    """A Hessian-vector product."""
    v = tf.Variable([2.0, 3.0])
    with tf.autodiff.ForwardAccumulator(v, tf.constant([1.0, 0.0])) as accumulator:
        with tf.GradientTape() as tape:
            y = v[0] ** 3 * v[1]
        gradient = tape.gradient(y, v)
    assert tf.convert_to_tensor(gradient).numpy().tolist() == [36.0, 8.0]
    assert tf.convert_to_tensor(accumulator.jvp(gradient)).numpy().tolist() == [36.0, 12.0]
    assert float(accumulator.jvp(y)) == 36.0


def test_forward_over_forward():
    x = tf.constant([1.0, 2.0])
    with tf.autodiff.ForwardAccumulator(x, tf.ones_like(x)) as outer:
        with tf.autodiff.ForwardAccumulator(x, tf.ones_like(x)) as inner:
            y = x**3
        first = inner.jvp(y)
    assert first.numpy().tolist() == [3.0, 12.0] and outer.jvp(first).numpy().tolist() == [6.0, 12.0]


def test_through_and_inside_functions():
    x = tf.constant([1.0, 2.0])
    function = tf.function(lambda x: x * x * 2.0)
    with tf.autodiff.ForwardAccumulator(x, tf.constant([1.0, 10.0])) as accumulator:
        y = function(x)
    assert accumulator.jvp(y).numpy().tolist() == [4.0, 80.0]

    @tf.function
    def inside(x):
        with tf.autodiff.ForwardAccumulator(x, tf.ones_like(x)) as accumulator:
            y = x**3
        return accumulator.jvp(y)

    assert inside(x).numpy().tolist() == [3.0, 12.0]


def test_custom_gradients_are_for_reverse_mode():
    @tf.custom_gradient
    def square(x):
        return x * x, lambda dy: dy * 10.0

    x = tf.constant([1.0, 2.0])
    with tf.autodiff.ForwardAccumulator(x, tf.ones([2])) as accumulator:
        y = square(x)
        z = y * 3.0
    assert accumulator.jvp(y).numpy().tolist() == [2.0, 4.0]
    assert accumulator.jvp(z).numpy().tolist() == [6.0, 12.0]
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = square(x)
    assert tape.gradient(y, x).numpy().tolist() == [10.0, 10.0]


# ------------------------------------------------------------------ vectorized_map


def test_vectorized_map():
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    assert tf.vectorized_map(lambda row: tf.reduce_sum(row) * 2.0, x).numpy().tolist() == [6.0, 14.0]
    products, same = tf.vectorized_map(
        lambda p: (p[0] @ p[1], p[0]), (tf.ones([2, 2, 2]), tf.ones([2, 2, 3]))
    )
    assert products.shape == [2, 2, 3] and products.numpy()[0, 0, 0] == 2.0 and same.shape == [2, 2, 2]
    assert tf.vectorized_map(lambda row: 1.0, x).numpy().tolist() == [1.0, 1.0]
    nested = tf.vectorized_map(lambda d: {"sum": d["a"] + d["b"]}, {"a": x, "b": x})
    assert nested["sum"].numpy().tolist() == [[2.0, 4.0], [6.0, 8.0]]


def test_vectorized_map_in_functions_and_tapes():
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])

    @tf.function
    def per_example(x):
        def gradient(row):
            with tf.GradientTape() as tape:
                tape.watch(row)
                y = tf.reduce_sum(row**3)
            return tape.gradient(y, row)

        return tf.vectorized_map(gradient, x)

    assert per_example(x).numpy().tolist() == [[3.0, 12.0], [27.0, 48.0]]
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.vectorized_map(lambda row: tf.reduce_prod(row), x)
    assert tape.gradient(y, x).numpy().tolist() == [[2.0, 1.0], [4.0, 3.0]]
