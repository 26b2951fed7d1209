"""Conditions: known ones compile, others choose on the host."""

import numpy as np
import pytest

import everflow as tf
from everflow._src.framework.graph import Graph
from everflow._src.ops.constants import placeholder
from everflow._src.runtime.frames import HostFrame
from everflow._src.runtime.program import Program
from everflow._src.runtime.resources import EAGER_STORE


def test_a_known_mask_compiles_and_hides_its_size():
    x, mask = np.arange(12, dtype=np.float32).reshape(3, 4), np.array([True, False, True])
    with Graph().as_default():
        fed = placeholder(tf.float32, [3, 4])
        rows = tf.boolean_mask(fed, mask)
        assert rows.shape.as_list() == [None, 4]
    program = Program([fed], [rows], compile_now=True)
    np.testing.assert_array_equal(program.execute([x], HostFrame(EAGER_STORE))[0], x[mask])
    assert not any(i.host for i in program.instructions)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_mask_that_shows_late(axis):
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    mask = np.arange(x.shape[axis]) % 2 == 0
    choose = tf.function(
        lambda t, m: tf.boolean_mask(t, m, axis=axis),
        input_signature=[tf.TensorSpec([None, None, None]), tf.TensorSpec([None], tf.bool)],
    )
    np.testing.assert_array_equal(choose(x, mask).numpy(), np.compress(mask, x, axis))


def test_numbers_are_masks_where_they_are_not_zero():
    assert tf.boolean_mask([1, 2, 3], [1, 0, 2]).numpy().tolist() == [1, 3]
    x = tf.constant([1, 2, 3])
    assert x[x > 1].numpy().tolist() == [2, 3] and x[np.array([True, False, False])].numpy().tolist() == [1]


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16, tf.bool, tf.complex64, tf.uint8])
def test_where_finds_what_is_not_zero(dtype):
    x = tf.cast([[0, 1], [1, 0]], dtype)
    assert tf.where(x).numpy().tolist() == [[0, 1], [1, 0]]


def test_old_where_chooses_rows_and_gradients_follow():
    x, y = tf.ones([2, 3]), tf.zeros([2, 3])
    with tf.GradientTape() as tape:
        tape.watch([x, y])
        z = tf.compat.v1.where([True, False], x, y)
    dx, dy = tape.gradient(z, [x, y])
    assert dx.numpy().tolist() == [[1, 1, 1], [0, 0, 0]] and dy.numpy().tolist() == [[0, 0, 0], [1, 1, 1]]
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.compat.v1.where([True, False, True], x, y)


def test_gradients_of_what_was_broadcast_add_up():
    c, x, y = tf.constant([[True], [False]]), tf.constant([1.0, 2.0]), tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch([x, y])
        z = tf.where(c, x, y)
    dx, dy = tape.gradient(z, [x, y])
    assert dx.numpy().tolist() == [1.0, 1.0] and dy.numpy() == 2.0
