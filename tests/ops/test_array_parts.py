"""Parts and repetitions whose numbers show only as a program runs."""

import numpy as np
import pytest

import everflow as tf


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
def test_repeats_that_show_late(axis, dtype):
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    signature = [tf.TensorSpec([None, None]), tf.TensorSpec([None], dtype)]
    repeat = tf.function(lambda t, n: tf.repeat(t, n, axis), input_signature=signature)
    counts = [2, 0, 1][: x.shape[axis]]
    np.testing.assert_array_equal(repeat(x, counts).numpy(), np.repeat(x, counts, axis))
    evenly = tf.function(lambda t, n: tf.repeat(t, n, axis), input_signature=[signature[0], tf.TensorSpec([], dtype)])
    np.testing.assert_array_equal(evenly(x, 3).numpy(), np.repeat(x, 3, axis))


@pytest.mark.parametrize("repeats", [2, [1, 2, 0], [2]])
def test_gradient_of_repeat_is_dense(repeats):
    x = tf.constant([1.0, 2.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.repeat(x, repeats) * 2.0
    gradient = tape.gradient(y, x)
    assert isinstance(gradient, tf.Tensor)
    np.testing.assert_array_equal(gradient.numpy(), 2.0 * np.broadcast_to(repeats, 3))


def test_known_places_stitch_in_compiled_code():
    stitch = tf.function(lambda a, b: tf.dynamic_stitch([[4, 0], [[1, 2]]], [a, b]), jit_compile=True)
    assert stitch([7.0, 8.0], [[1.0, 2.0]]).numpy().tolist() == [8.0, 1.0, 2.0, 0.0, 7.0]


def test_partitions_and_their_gradient():
    x = tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        first, second = tf.dynamic_partition(x, [1, 0, 1], 2)
        y = tf.reduce_sum(first) + 10.0 * tf.reduce_sum(second)
    assert tape.gradient(y, x).numpy().tolist() == [[10, 10], [1, 1], [10, 10]]


@pytest.mark.parametrize("indexing", ["xy", "ij"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_meshgrid(count, indexing):
    vectors = [np.arange(n + 2) for n in range(count)]
    grid = tf.function(lambda *v: tf.meshgrid(*v, indexing=indexing), jit_compile=True)
    for result in (tf.meshgrid(*vectors, indexing=indexing), grid(*[tf.constant(v) for v in vectors])):
        for actual, expected in zip(result, np.meshgrid(*vectors, indexing=indexing)):
            np.testing.assert_array_equal(actual.numpy(), expected)
