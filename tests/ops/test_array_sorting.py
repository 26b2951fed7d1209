"""Order among equals, at the ends of dtypes, and of what is no number."""

import numpy as np
import pytest

import everflow as tf


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int32, np.uint8, np.int64])
@pytest.mark.parametrize("k", [0, 1, 3, 7])
def test_the_first_of_equals_comes_first(dtype, k):
    x = np.random.default_rng(k).integers(0, 4, (5, 7)).astype(dtype)
    order = np.argsort(-x.astype(np.int64), -1, kind="stable")[:, :k]
    for function in (tf.math.top_k, tf.function(tf.math.top_k, jit_compile=True)):
        values, indices = function(tf.constant(x), k)
        np.testing.assert_array_equal(indices.numpy(), order)
        np.testing.assert_array_equal(values.numpy(), np.take_along_axis(x, order, -1))


def test_gradient_of_the_largest():
    x = tf.constant([[3.0, 1.0, 2.0], [0.0, 5.0, 5.0]])

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            values, _ = tf.math.top_k(x, 2)
            y = tf.reduce_sum(values * [[1.0, 10.0], [100.0, 1000.0]])
        return tape.gradient(y, x)

    expected = [[1, 0, 10], [0, 100, 1000]]
    signature = [tf.TensorSpec([None, None], tf.float32)]
    assert gradient(x).numpy().tolist() == expected
    assert tf.function(gradient, input_signature=signature)(x).numpy().tolist() == expected


@pytest.mark.parametrize("direction", ["ASCENDING", "DESCENDING"])
@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint8, np.int8])
def test_sort_in_every_tier(dtype, axis, direction):
    random = np.random.default_rng(3)
    x = random.integers(0, 5, (4, 3, 2)).astype(dtype)
    if np.dtype(dtype).kind in "iu":
        x.flat[:2] = np.iinfo(dtype).min, np.iinfo(dtype).max
    expected = np.sort(x, axis) if direction == "ASCENDING" else -np.sort(-x.astype(np.int64), axis)
    sort = lambda t: tf.sort(t, axis, direction)
    argsort = lambda t: tf.argsort(t, axis, direction)
    places = argsort(tf.constant(x)).numpy()
    np.testing.assert_array_equal(np.take_along_axis(x, places, axis), expected)
    for function in (sort, tf.function(sort), tf.function(sort, jit_compile=True)):
        np.testing.assert_array_equal(function(tf.constant(x)).numpy(), expected)
    np.testing.assert_array_equal(tf.function(argsort)(tf.constant(x)).numpy(), places)


def test_what_is_no_number_comes_last():
    assert tf.sort([2.0, np.nan, 1.0]).numpy().tolist()[:2] == [1.0, 2.0]
    assert tf.math.top_k([2.0, np.nan, 1.0], 2).values.numpy().tolist() == [2.0, 1.0]


def test_unique_keeps_the_order_of_first_occurrence():
    for x in ([3, 1, 3, 2], [2.5, -1.0, 2.5, 0.0], ["b", "a", "b", "c"]):
        y, idx, count = tf.unique_with_counts(x)
        assert y.numpy().tolist() == tf.constant(x).numpy()[[0, 1, 3]].tolist()
        assert idx.numpy().tolist() == [0, 1, 0, 2] and count.numpy().tolist() == [2, 1, 1]
    assert tf.unique([np.nan, np.nan]).y.shape == [2]


def test_searchsorted_is_numpys_row_by_row():
    random = np.random.default_rng(0)
    rows, values = np.sort(random.integers(0, 9, (3, 6)), -1), random.integers(-1, 10, (3, 4))
    for side in ("left", "right"):
        expected = [np.searchsorted(r, v, side) for r, v in zip(rows, values)]
        find = lambda r, v, side=side: tf.searchsorted(r, v, side)
        for function in (find, tf.function(find, jit_compile=True)):
            np.testing.assert_array_equal(function(tf.constant(rows), tf.constant(values)).numpy(), expected)


@pytest.mark.parametrize("wrong", [[0, 0], [1, 2], [-1, 0]])
def test_what_is_no_permutation(wrong):
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.math.invert_permutation(wrong)


def test_in_top_k_counts_equals_and_refuses_what_is_not_finite():
    predictions = [[0.5, 0.5, 0.0], [np.inf, 0.0, 1.0], [0.2, 0.3, 0.5]]
    for function in (tf.math.in_top_k, tf.function(tf.math.in_top_k, jit_compile=True)):
        assert function([1, 2, 7], tf.constant(predictions), 1).numpy().tolist() == [True, False, False]
