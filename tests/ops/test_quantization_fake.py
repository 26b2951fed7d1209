"""Fake quantisation: levels, gradients of the range, errors.  Values are those of TensorFlow 2.15."""

import numpy as np
import pytest

import everflow as tf

X = np.array([-8.0, -5.7, -0.3, 0.0, 0.26, 3.3, 5.5, 9.0], np.float32)


def test_zero_is_a_level_of_every_range():
    narrow = tf.quantization.fake_quant_with_min_max_args(X, -1.3, 7.1, 4, True)
    np.testing.assert_allclose(narrow, [-1.2, -1.2, -0.6, 0, 0, 3.6, 5.4, 7.2], rtol=1e-6)
    above = tf.quantization.fake_quant_with_min_max_vars(X, 1.0, 6.0)
    np.testing.assert_allclose(above, [0, 0, 0, 0, 0.25490198, 3.2941177, 5, 5], rtol=1e-6)
    assert not tf.quantization.fake_quant_with_min_max_vars(X, 0.0, 0.0).numpy().any()


def test_gradients_outside_go_to_the_ends():
    low, high = tf.constant(-5.0), tf.constant(5.0)
    with tf.GradientTape() as tape:
        tape.watch([low, high])
        y = tf.quantization.fake_quant_with_min_max_vars(X, low, high) * tf.range(8.0)
    assert [g.numpy() for g in tape.gradient(y, [low, high])] == [1.0, 13.0]
    ends = tf.fill([8], -3.0), tf.range(8.0) + 0.5
    _, at_low, at_high = tf.quantization.fake_quant_with_min_max_vars_per_channel_gradient(
        tf.ones([2, 8]), tf.ones([2, 8]) * X, *ends
    )
    assert at_low.numpy().tolist() == [2, 2, 0, 0, 0, 0, 0, 0] and at_high.numpy().tolist() == [0] * 7 + [2]


def test_empty_ranges_are_refused():
    with pytest.raises(tf.errors.InvalidArgumentError, match="smaller than max"):
        tf.quantization.fake_quant_with_min_max_args(X, 3.0, 1.0)
    with pytest.raises(tf.errors.InvalidArgumentError, match="num_bits"):
        tf.quantization.fake_quant_with_min_max_vars(X, 0.0, 1.0, num_bits=17)
