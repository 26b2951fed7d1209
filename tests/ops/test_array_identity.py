"""Tensors that are passed on, with or without their gradients."""

import pytest

import everflow as tf


@pytest.mark.parametrize("compiled", [False, True])
def test_stop_gradient(compiled):
    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = x * tf.stop_gradient(x * x)
        return tape.gradient(y, x)

    function = tf.function(slope, jit_compile=True) if compiled else slope
    assert function(tf.constant(3.0)).numpy() == 9.0


def test_stopped_tensors_are_not_their_sources():
    x = tf.constant(1.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.stop_gradient(x)
    assert tape.gradient(y, x) is None


def test_a_refused_gradient_says_why():
    x = tf.constant(1.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.raw_ops.PreventGradient(input=x, message="it is a count")
    with pytest.raises(LookupError, match="it is a count"):
        tape.gradient(y, x)


def test_identity_n_passes_lists():
    x, y = tf.constant(1.0), tf.constant([2, 3])
    with tf.GradientTape() as tape:
        tape.watch(x)
        a, b = tf.identity_n([x, y])
        z = a * 4.0
    assert b.numpy().tolist() == [2, 3] and tape.gradient(z, x).numpy() == 4.0
