"""What dropout refuses, and what it does to programs around it."""

import numpy as np
import pytest

import everflow as tf


@pytest.mark.parametrize("rate", [1.0, 1, 1.5, -0.1])
def test_rates_out_of_range(rate):
    with pytest.raises(ValueError, match="range"):
        tf.nn.dropout(tf.ones([3]), rate)


def test_other_refusals():
    with pytest.raises(ValueError, match="floating"):
        tf.nn.dropout(tf.ones([3], tf.int32), 0.5)
    with pytest.raises(ValueError, match="scalar"):
        tf.nn.dropout(tf.ones([3]), "a")
    with pytest.raises(ValueError, match="compatible"):
        tf.nn.dropout(tf.ones([3]), tf.constant(0.5, tf.float64))
    with pytest.raises(ValueError, match="rank"):
        tf.nn.dropout(tf.ones([3]), tf.constant([0.5, 0.5]))
    v1 = tf.compat.v1.nn
    with pytest.raises(ValueError, match="both"):
        v1.dropout(tf.ones([3]), 0.5, rate=0.5)
    with pytest.raises(ValueError, match="provided"):
        v1.dropout(tf.ones([3]))
    with pytest.raises(ValueError, match="keep_prob"):
        v1.dropout(tf.ones([3]), "x")


def test_rate_zero_returns_its_input_and_takes_its_seed():
    tf.random.set_seed(1)
    tf.nn.dropout(tf.ones([3]), 0.5)
    expected = tf.random.uniform([2]).numpy()
    tf.random.set_seed(1)
    x = tf.ones([3])
    assert tf.nn.dropout(x, 0.0) is x
    np.testing.assert_array_equal(tf.random.uniform([2]).numpy(), expected)


def test_noise_shape_drops_rows_together():
    y = tf.nn.dropout(tf.ones([50, 4]), 0.5, noise_shape=[None, 1], seed=2).numpy()
    assert set(y.sum(1).tolist()) == {0.0, 8.0}


def test_gradient_goes_where_values_went():
    x = tf.ones([20])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.nn.dropout(x, 0.25, seed=2)
    np.testing.assert_array_equal(tape.gradient(y, x).numpy(), y.numpy())


def test_general_dropout():
    y = tf.nn.experimental.general_dropout(tf.ones([3]), 0.5, lambda shape, dtype: tf.constant([0.4, 0.5, 0.9]))
    assert y.numpy().tolist() == [0.0, 2.0, 2.0]
