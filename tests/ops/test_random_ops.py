"""Stateful random operations draw the same numbers eagerly, from programs that NumPy runs, and compiled."""

import gc

import numpy as np
import pytest

import everflow as tf
from everflow._src.runtime.frames import HOST_FRAME

DRAWS = {
    "uniform": lambda: tf.random.uniform([5], seed=3),
    "integers": lambda: tf.random.uniform([5], 0, 2**40, tf.int64, seed=3),
    "normal": lambda: tf.random.normal([5], 1.0, 2.0, seed=3),
    "truncated_normal": lambda: tf.random.truncated_normal([9], seed=3),
    "gamma": lambda: tf.random.gamma([4], [0.5, 1.0, 4.0], seed=3),
    "poisson": lambda: tf.random.poisson([4], [0.5, 30.0], seed=3),
    "categorical": lambda: tf.random.categorical([[0.1, 2.0, 0.3], [1.0, 1.0, -4.0]], 8, seed=3),
    "shuffle": lambda: tf.random.shuffle(tf.range(20), seed=3),
    "crop": lambda: tf.image.random_crop(tf.reshape(tf.range(48), [6, 8]), [2, 3], seed=3),
    "dropout": lambda: tf.nn.dropout(tf.ones([12]), 0.5, seed=3),
    "dropout of a tensor": lambda: tf.nn.dropout(tf.ones([12]), tf.constant(0.5), seed=3),
}


@pytest.mark.parametrize("name", DRAWS)
def test_all_ways_draw_the_same(name):
    draw = DRAWS[name]
    tf.random.set_seed(1)
    eager = [draw().numpy() for _ in range(3)]
    for jit_compile in (False, True):
        tf.random.set_seed(1)
        function = tf.function(draw, jit_compile=jit_compile)
        for expected in eager:
            np.testing.assert_allclose(function().numpy(), expected, 2e-5, 2e-6)


def test_setting_the_seed_restarts_compiled_functions():
    tf.random.set_seed(5)
    function = tf.function(lambda: tf.random.uniform([3]), jit_compile=True)
    first, second = function().numpy(), function().numpy()
    assert (first != second).any()
    tf.random.set_seed(5)
    np.testing.assert_array_equal(function().numpy(), first)


def test_loops_draw_anew_each_time():
    @tf.function
    def draws(n):
        result = tf.zeros([0])
        for _ in range(3):
            result = tf.concat([result, tf.random.uniform([1])], 0)
        return tf.while_loop(lambda i, r: i < n, lambda i, r: (i + 1, r + tf.random.uniform([])), (0, result[0]))[1]

    values = {float(draws(tf.constant(4))) for _ in range(5)}
    assert len(values) == 5


def test_sequences_of_eager_calls_are_bounded():
    tf.random.set_seed(1)
    before = len(HOST_FRAME._hidden_eager)
    for _ in range(50):
        tf.random.uniform([1])
    assert before <= len(HOST_FRAME._hidden_eager) <= 20_000
    tf.random.set_seed(1)
    assert not HOST_FRAME._hidden_eager


def test_unseeded_operations_differ():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        a = tf.random.normal([3])
        assert (session.run(a) != session.run(a)).any()
    gc.collect()


@pytest.mark.parametrize("shape", [3, [[2]], [-1]])
def test_bad_shapes(shape):
    with pytest.raises(tf.errors.InvalidArgumentError, match="shape|>= 0"):
        tf.random.uniform(shape)


def test_bad_ranges_and_dtypes():
    with pytest.raises(tf.errors.InvalidArgumentError, match="minval < maxval"):
        tf.random.uniform([2], 5, 5, tf.int32)
    with pytest.raises(ValueError, match="maxval"):
        tf.random.uniform([2], dtype=tf.int64)
    with pytest.raises(ValueError, match="dtype"):
        tf.random.uniform([2], dtype=tf.uint8)


def test_parameterized_truncated_normal_stays_within_bounds():
    for low, high in ((-0.5, 2.0), (3.0, 4.0), (3.0, np.inf), (-np.inf, -1.0)):
        values = tf.random.stateless_parameterized_truncated_normal(
            [200], [1, 2], 0.0, 1.0, np.float32(low), np.float32(high)
        ).numpy()
        assert values.min() >= low and values.max() <= high
    with pytest.raises(tf.errors.InvalidArgumentError, match="Invalid parameters"):
        tf.random.stateless_parameterized_truncated_normal([2], [1, 2], 0.0, -1.0)
