"""tf.test.compute_gradient, and its 1.x form, which works on graphs."""

import numpy as np
import pytest
import tensorflow as tf

checked = tf.test.compute_gradient


def agree(by_gradient, by_differences, expected, tolerance=1e-2):
    assert len(by_gradient) == len(by_differences) == len(expected)
    for exact, approximate, wanted in zip(by_gradient, by_differences, expected):
        wanted = np.asarray(wanted)
        assert exact.shape == approximate.shape == wanted.shape
        np.testing.assert_allclose(exact, wanted, rtol=1e-5)
        np.testing.assert_allclose(approximate, wanted, rtol=tolerance, atol=tolerance)


def test_scalars():
    by_gradient, by_differences = checked(lambda x: x * x, [3.0])
    agree(by_gradient, by_differences, [[[6.0]]])
    assert by_gradient[0].dtype == np.float32 and isinstance(by_gradient, tuple)
    agree(*checked(tf.function(lambda x: x * x), (3.0,)), [[[6.0]]])
    agree(*checked(lambda x: x * x, [tf.Variable(3.0)]), [[[6.0]]])


def test_rows_are_outputs():
    def f(x, y):
        return tf.stack([x[0] * y, x[1], x[2] * 2.0])

    x_part = [[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 2.0]]
    agree(*checked(f, [[1.0, 2.0, 3.0], np.float32(2)]), [x_part, [[1.0], [0.0], [0.0]]])


def test_double_precision():
    x = np.array([[1.0, 2.0]])
    by_gradient, by_differences = checked(tf.sin, [x])
    agree(by_gradient, by_differences, [np.diag(np.cos(x[0]))], 1e-6)
    assert by_gradient[0].dtype == by_differences[0].dtype == np.float64


def test_complex_numbers_are_pairs():
    x = np.array([1 + 2j], np.complex64)
    agree(*checked(lambda x: x * x, [x]), [[[2.0, -4.0], [4.0, 2.0]]])
    agree(*checked(lambda x: tf.math.real(x * x), [x]), [[[2.0, -4.0]]])
    agree(*checked(lambda x: tf.complex(x, x * 2.0), [np.ones(1, np.float32)]), [[[1.0], [2.0]]])


def test_what_has_no_gradient_is_zero():
    agree(*checked(lambda x, y: x, [3.0, 2.0]), [[[1.0]], [[0.0]]])
    agree(*checked(tf.round, [3.0]), [[[0.0]]])


def test_slices():
    expected = np.tile(np.eye(4)[:2], [2, 1])
    agree(*checked(lambda x: tf.gather(x, [0, 0]), [np.ones((2, 2), np.float32)]), [expected])


def test_delta():
    _, by_differences = checked(lambda x: x**3, [3.0], delta=1.0)
    assert by_differences[0].tolist() == [[28.0]]


def test_refusals():
    with pytest.raises(ValueError):
        checked(lambda x: x, 3.0)
    with pytest.raises((TypeError, AssertionError)):
        checked(lambda x: x, [np.array([1, 2])])


def test_in_a_graph(session):
    agree(*checked(lambda x: x * x, [3.0]), [[[6.0]]])


# ------------------------------------------------------------------ 1.x


def test_graph_tensors(session):
    x = tf.constant([1.0, 2.0])
    start = np.array([1.0, 2.0], np.float32)
    exact, approximate = tf.compat.v1.test.compute_gradient(x, [2], x * x, [2], x_init_value=start)
    np.testing.assert_allclose(exact, [[2.0, 0.0], [0.0, 4.0]])
    np.testing.assert_allclose(approximate, exact, atol=1e-3)
    total = tf.reduce_sum(x * x)
    exact, _ = tf.compat.v1.test.compute_gradient(x, [2], total, [1], x_init_value=start)
    assert exact.tolist() == [[2.0], [4.0]]  # rows are inputs
    assert tf.compat.v1.test.compute_gradient_error(x, [2], tf.sin(x), [2]) < 1e-3


def test_several_graph_tensors(session):
    a, b, v = tf.constant([1.0, 2.0]), tf.constant([3.0]), tf.compat.v1.Variable(2.0)
    p = tf.compat.v1.placeholder(tf.float32, [])
    starts = [np.array([1.0, 2.0], np.float32), np.array([3.0], np.float32)]
    options = {"init_targets": [v.initializer], "extra_feed_dict": {p: 1.0}}
    pairs = tf.compat.v1.test.compute_gradient([a, b], [[2], [1]], a * b * v * p, [2], starts, **options)
    np.testing.assert_allclose(pairs[0][0], [[6.0, 0.0], [0.0, 6.0]])
    np.testing.assert_allclose(pairs[1][0], [[2.0, 4.0]])
    error = tf.compat.v1.test.compute_gradient_error([a, b], [[2], [1]], a * b * v * p, [2], starts, **options)
    assert error < 1e-2


def test_complex_graph_tensors(session):
    x = tf.constant([1 + 1j], tf.complex64)
    start = np.array([1 + 1j], np.complex64)
    exact, approximate = tf.compat.v1.test.compute_gradient(x, [1], x * x, [1], start)
    assert exact.tolist() == [[2.0, 2.0], [-2.0, 2.0]]
    np.testing.assert_allclose(approximate, exact, atol=1e-2)
