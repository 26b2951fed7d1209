"""Gathers and their gradients, for every axis and number of batch dimensions, known statically or not."""

import numpy as np
import pytest

import everflow as tf


def reference(x, indices, axis, batch):
    if batch == 0:
        return np.take(x, indices, axis)
    return np.stack([reference(a, i, axis - 1, batch - 1) for a, i in zip(x, indices)])


CASES = [(axis, batch) for batch in range(3) for axis in range(batch, 3)]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("axis, batch", CASES)
def test_gradient_adds_up_what_was_picked(axis, batch, known):
    random = np.random.default_rng(axis + 3 * batch)
    x = random.standard_normal((2, 3, 4)).astype(np.float32)
    indices = random.integers(0, x.shape[axis], (*x.shape[:batch], 5)).astype(np.int32)
    weights = random.standard_normal(reference(x, indices, axis, batch).shape).astype(np.float32)
    spec = tf.TensorSpec([2, 3, 4] if known else [None, None, None], tf.float32)

    def gradient(x, indices):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.gather(x, indices, axis=axis, batch_dims=batch)
        return y, tf.convert_to_tensor(tape.gradient(y, x, output_gradients=weights))

    expected = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        one = np.zeros_like(x)
        one[place] = 1
        expected[place] = (reference(one, indices, axis, batch) * weights).sum()
    signature = [spec, tf.TensorSpec([None] * indices.ndim, tf.int32)]
    for function in (gradient, tf.function(gradient, input_signature=signature, jit_compile=True)):
        value, slopes = function(tf.constant(x), tf.constant(indices))
        np.testing.assert_array_equal(value.numpy(), reference(x, indices, axis, batch))
        np.testing.assert_allclose(slopes.numpy(), expected, 1e-6, 1e-6)


def test_gradient_when_nothing_is_known():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        params, axis = tf.compat.v1.placeholder(tf.float32), tf.compat.v1.placeholder(tf.int32, [])
        y = tf.gather(params, [2, 0, 2], axis=axis)
        slopes = tf.convert_to_tensor(tf.gradients(y, params)[0])
        assert session.run(slopes, {params: x, axis: 1}).tolist() == [[1, 0, 2], [1, 0, 2]]
        assert session.run(slopes, {params: x.T, axis: -2}).tolist() == [[1, 1], [0, 0], [2, 2]]


def test_rows_picked_have_a_sparse_gradient():
    x = tf.constant(np.ones((4, 2), np.float32))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        rows, points = tf.gather(x, [[3, 0]]), tf.gather_nd(x, [[1], [1]])
    for y, indices in ((rows, [3, 0]), (points, [1, 1])):
        slices = tape.gradient(y, x)
        assert isinstance(slices, tf.IndexedSlices)
        assert slices.indices.numpy().tolist() == indices and slices.values.shape == [2, 2]
        assert slices.shape == [4, 2]


@pytest.mark.parametrize("index", [4, -1])
def test_positions_out_of_range(index):
    x = tf.zeros([4, 2])
    for function in (tf.gather, lambda p, i: tf.gather_nd(p, [[i]]), lambda p, i: tf.gather(p, [0, i])):
        with pytest.raises(tf.errors.InvalidArgumentError, match="is not in|does not index"):
            function(x, index)


def test_compiled_positions_stop_at_the_ends():
    function = tf.function(lambda x, i: tf.gather(x, i), jit_compile=True)
    assert function(tf.constant([1.0, 2.0]), tf.constant([-5, 7])).numpy().tolist() == [1.0, 2.0]


def test_text_is_gathered_as_text():
    x = tf.constant(["a", "b", "c"])
    assert tf.gather(x, 1).numpy() == b"b" and tf.gather_nd(x, [2]).numpy() == b"c"
    assert tf.gather(x, [2, 0]).numpy().tolist() == [b"c", b"a"]


def test_batch_gather():
    x = np.arange(12).reshape(2, 2, 3)
    result = tf.compat.v1.batch_gather(x, [[[0, 2]] * 2] * 2)
    np.testing.assert_array_equal(result.numpy(), x[..., [0, 2]])
    with tf.Graph().as_default(), pytest.raises(ValueError, match="unknown shape"):
        tf.compat.v1.batch_gather(x, tf.compat.v1.placeholder(tf.int32))
