"""Blocks of pixels and back, in several dimensions."""

import numpy as np
import pytest

import everflow as tf


@pytest.mark.parametrize("block", [[2], [2, 3], [1, 2, 2]])
@pytest.mark.parametrize("compiled", [False, True])
def test_space_to_batch_and_back(block, compiled):
    random = np.random.default_rng(len(block))
    x = random.standard_normal((2, *(int(n) for n in random.integers(2, 6, len(block))), 3)).astype(np.float32)
    paddings, crops = tf.required_space_to_batch_paddings(x.shape[1:-1], block, [[1, 0]] * len(block))
    crops = np.array(paddings)

    def there(t):
        return tf.space_to_batch(t, block, np.array(paddings))

    def back(t):
        return tf.batch_to_space(t, block, crops)

    if compiled:
        there, back = tf.function(there, jit_compile=True), tf.function(back, jit_compile=True)
    blocks = there(tf.constant(x))
    assert blocks.shape[0] == 2 * np.prod(block)
    np.testing.assert_array_equal(back(blocks).numpy(), x)


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
def test_space_to_depth_and_back(data_format):
    x = np.arange(2 * 4 * 6 * 3, dtype=np.float32).reshape(2, 4, 6, 3)
    x = x if data_format == "NHWC" else x.transpose(0, 3, 1, 2)
    deep = tf.nn.space_to_depth(x, 2, data_format)
    assert deep.shape == ([2, 2, 3, 12] if data_format == "NHWC" else [2, 12, 2, 3])
    np.testing.assert_array_equal(tf.nn.depth_to_space(deep, 2, data_format).numpy(), x)


def test_static_shapes():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 4, None, 8])
        assert tf.nn.depth_to_space(x, 2).shape.as_list() == [None, 8, None, 2]
        assert tf.space_to_batch(x, [2], [[0, 2]]).shape.as_list() == [None, 3, None, 8]
        with pytest.raises(ValueError, match="evenly divisible"):
            tf.nn.space_to_depth(x, 3)


def test_paddings_that_show_late():
    paddings, crops = tf.function(lambda s: tf.required_space_to_batch_paddings(s, [2, 3]))(tf.constant([5, 7]))
    assert paddings.numpy().tolist() == [[0, 1], [0, 2]] and crops.numpy().tolist() == [[0, 1], [0, 2]]
