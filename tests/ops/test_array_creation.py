"""Constants and ranges: what graphs hold for them, and which dtype they have."""

import numpy as np
import pytest

import everflow as tf


def test_small_ones_are_constants_and_large_ones_are_made():
    with tf.Graph().as_default():
        assert [tf.zeros([2, 3]).op.type, tf.ones([999]).op.type] == ["Const", "Const"]
        large = tf.zeros([2000])
        assert large.op.type == "Fill" and large.op.inputs[0].name == "zeros_1/shape_as_tensor:0"
        x = tf.compat.v1.placeholder(tf.float32, [2, 3])
        assert tf.zeros_like(x).op.type == "Const"
        assert tf.compat.v1.zeros_like(x, optimize=False).op.type == "ZerosLike"
        y = tf.compat.v1.placeholder(tf.float32, [None])
        assert tf.ones_like(y).op.type == "OnesLike" and tf.ones_like(y, tf.int32).op.type == "Fill"


@pytest.mark.parametrize("make", [tf.zeros, tf.ones])
@pytest.mark.parametrize("shape", [[2, 3], (2, 3), np.array([2, 3]), tf.TensorShape([2, 3])], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "uint8", "bool", "complex64"])
def test_forms_of_shapes(make, shape, dtype):
    result = make(shape, dtype)
    assert result.dtype.name == dtype and result.shape == [2, 3]
    assert make(tf.constant([2, 3]), dtype).shape == make([tf.constant(2), 3], dtype).shape == [2, 3]


def test_zeros_of_text_are_empty():
    assert tf.zeros([2], tf.string).numpy().tolist() == [b"", b""]
    with pytest.raises((TypeError, tf.errors.InvalidArgumentError)):
        tf.ones_like(tf.constant(["a"]))


@pytest.mark.parametrize(
    "arguments, dtype, expected",
    [
        ((3,), "int32", [0, 1, 2]),
        ((3.0,), "float32", [0, 1, 2]),
        ((1, 4.0), "float32", [1, 2, 3]),
        ((5, 0, -2), "int32", [5, 3, 1]),
        ((np.int64(2),), "int64", [0, 1]),
        ((0, 1, 0.25), "float32", [0, 0.25, 0.5, 0.75]),
        ((2**33, 2**33 + 2), "int64", [2**33, 2**33 + 1]),
        ((3, 3), "int32", []),
    ],
)
def test_range(arguments, dtype, expected):
    result = tf.range(*arguments)
    assert result.dtype.name == dtype and result.numpy().tolist() == expected
    with tf.Graph().as_default():
        assert tf.range(*arguments).shape == [len(expected)]


@pytest.mark.parametrize("arguments", [(0, 3, 0), (3, 0), (0, 3, -1)])
def test_ranges_that_lead_nowhere(arguments):
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.range(*arguments)
    with tf.Graph().as_default(), pytest.raises(ValueError, match="delta"):
        tf.range(*arguments)


def test_linspace_differentiates_to_its_ends():
    ends = tf.constant(1.0), tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(ends)
        y = tf.linspace(*ends, 5)
    start, stop = tape.gradient(y, ends)
    assert y.numpy().tolist() == [1.0, 1.5, 2.0, 2.5, 3.0]
    assert start.numpy() == stop.numpy() == 2.5
    assert tf.linspace(0, 10, 3).dtype == tf.float64
    assert tf.linspace([0.0, 1.0], [2.0, 3.0], 3, axis=-1).numpy().tolist() == [[0, 1, 2], [1, 2, 3]]


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_one_hot_of_what_is_out_of_range_is_off(axis):
    indices = tf.constant([[0, 2], [-1, 3]])
    result = tf.one_hot(indices, 3, axis=axis).numpy()
    expected = np.moveaxis((indices.numpy()[..., None] == np.arange(3)), -1, -1 if axis is None else axis)
    np.testing.assert_array_equal(result, expected.astype(np.float32))
    compiled = tf.function(lambda i: tf.one_hot(i, 3, axis=axis), jit_compile=True)
    np.testing.assert_array_equal(compiled(indices).numpy(), result)


def test_sequence_mask_without_a_length():
    assert tf.sequence_mask([1, 3, 0]).shape == [3, 3]
    mask = tf.function(tf.sequence_mask, input_signature=[tf.TensorSpec([None], tf.int64)])
    assert mask([0, 2]).numpy().tolist() == [[False, False], [True, True]]
