"""Lists of tensors joined, and what becomes of lists of plain numbers."""

import numpy as np
import pytest

import everflow as tf


def test_numbers_are_a_constant_and_tensors_an_operation():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [])
        assert tf.stack([1, 2]).op.type == "Const" and tf.stack([x, 2.0]).op.type == "Pack"
        assert tf.stack([1.0, x]).dtype == tf.float32
        whole = tf.compat.v1.placeholder(tf.float32, [None, 3])
        assert tf.stack(whole) is whole


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_stack_and_unstack_undo_each_other(axis):
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)

    def there_and_back(t):
        return tf.stack(tf.unstack(t, axis=axis), axis)

    for function in (there_and_back, tf.function(there_and_back, jit_compile=True)):
        np.testing.assert_array_equal(function(tf.constant(x)).numpy(), x)


def test_gradient_of_concat_where_sizes_show_late():
    signature = [tf.TensorSpec([None, None]), tf.TensorSpec([None, None]), tf.TensorSpec([], tf.int32)]

    @tf.function(input_signature=signature)
    def gradients(a, b, axis):
        with tf.GradientTape() as tape:
            tape.watch([a, b])
            y = tf.concat([a, b], axis)
            z = tf.reduce_sum(y * tf.reshape(tf.range(tf.cast(tf.size(y), tf.float32)), tf.shape(y)))
        return tape.gradient(z, [a, b])

    a, b = gradients(tf.ones([2, 1]), tf.ones([2, 2]), 1)
    assert a.numpy().tolist() == [[0], [3]] and b.numpy().tolist() == [[1, 2], [4, 5]]
    a, b = gradients(tf.ones([1, 2]), tf.ones([2, 2]), -2)
    assert a.numpy().tolist() == [[0, 1]] and b.numpy().tolist() == [[2, 3], [4, 5]]


def test_concat_of_one_is_the_same_tensor():
    assert tf.concat([[1, 2]], 0).numpy().tolist() == [1, 2]
    with tf.Graph().as_default():
        assert tf.concat([tf.zeros([2])], 0).op.type == "Identity"


@pytest.mark.parametrize("make", [lambda: tf.concat([], 0), lambda: tf.concat([[1], [[2]]], 0),
                                  lambda: tf.concat([1, 2], 0), lambda: tf.stack([[1], [1, 2]])])  # fmt: skip
def test_lists_that_do_not_join(make):
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        make()


def test_split_sizes():
    x = tf.reshape(tf.range(12), [3, 4])
    assert [t.shape.as_list() for t in tf.split(x, [1, -1, 1], 1)] == [[3, 1], [3, 2], [3, 1]]
    with pytest.raises(ValueError, match="Cannot infer argument `num`"):
        with tf.Graph().as_default():
            tf.split(tf.zeros([4]), tf.compat.v1.placeholder(tf.int32, [None]))
    for wrong in ([1, 1], [5, -1], [-1, -1, 1]):
        with pytest.raises(tf.errors.InvalidArgumentError):
            tf.split(x, wrong, 1)


def test_parallel_stack_is_for_graphs():
    with pytest.raises(RuntimeError, match="not compatible with eager execution"):
        tf.parallel_stack([[1], [2]])
