"""Learning rates that fall: formulas beside those of the conformance tests, dtypes, and their use."""

import math

import numpy as np
import pytest

import everflow as tf

train = tf.compat.v1.train


def linear_cosine(step, total=10, periods=0.5, alpha=0.1, beta=0.01):
    step = min(step, total)
    return (alpha + (total - step) / total) * 0.5 * (1 + math.cos(math.pi * 2 * periods * step / total)) + beta


@pytest.mark.parametrize("step", [0, 3, 10, 12])
def test_linear_cosine(step):
    rate = train.linear_cosine_decay(0.5, step, 10, alpha=0.1, beta=0.01)
    np.testing.assert_allclose(float(rate()), 0.5 * linear_cosine(step), rtol=1e-5)


def test_noise_has_the_variance_asked_for():
    tf.random.set_seed(1)
    rate = train.noisy_linear_cosine_decay(1.0, 3, 10, initial_variance=4.0, variance_decay=1.0, beta=0.0)
    draws = np.array([float(rate()) for _ in range(400)])
    cosine = 0.5 * (1 + math.cos(math.pi * 0.3))
    np.testing.assert_allclose(draws.mean(), 0.7 * cosine, atol=0.15)
    np.testing.assert_allclose(draws.std(), cosine, rtol=0.15)


@pytest.mark.parametrize("t_mul, expected", [(1.0, [1.0, 0.5, 0.5, 0.25]), (2.0, [1.0, 0.5, 0.5, 0.4267767])])
def test_restarts_of_one_length_and_of_growing_length(t_mul, expected):
    rates = [float(train.cosine_decay_restarts(1.0, s, 4, t_mul=t_mul, m_mul=0.5)()) for s in (0, 2, 4, 6)]
    np.testing.assert_allclose(rates, expected, rtol=1e-5)


def test_names_and_dtypes():
    with tf.Graph().as_default():
        step = train.get_or_create_global_step()
        assert train.exponential_decay(0.1, step, 2, 0.5).op.name == "ExponentialDecay"
        assert train.natural_exp_decay(0.1, step, 2, 0.5).op.name == "ExponentialDecay_1"
        assert train.inverse_time_decay(np.float64(0.1), step, 2, 0.5).dtype == tf.float64
        assert train.polynomial_decay(0.1, step, 2, name="mine").op.name == "mine"
        assert train.piecewise_constant(step, [3], [1.0, 0.5]).dtype == tf.float32


def test_wrong_boundaries():
    with tf.Graph().as_default():
        with pytest.raises(ValueError, match="same dtype as x"):
            train.piecewise_constant(tf.constant(1), [1.5], [1.0, 2.0])
        with pytest.raises(ValueError, match="all with the same dtype"):
            train.piecewise_constant(tf.constant(1), [1], [1.0, 2])
        with pytest.raises(ValueError, match="1 less than"):
            train.piecewise_constant(tf.constant(1), [1], [1.0])


def test_a_rate_that_falls_while_training():
    step = tf.Variable(0, dtype=tf.int64)
    v = tf.Variable(10.0)
    optimizer = train.GradientDescentOptimizer(train.exponential_decay(1.0, step, 1, 0.5))
    for expected in (9.0, 8.5, 8.25):
        optimizer.apply_gradients([(tf.constant(1.0), v)], global_step=step)
        assert float(v) == expected
