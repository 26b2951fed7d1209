"""Arrays as TensorProto messages and back."""

import ml_dtypes
import numpy as np
import pytest

import everflow as tf

ARRAYS = [
    np.array([[1.5, -2.0], [0.0, 3.0]], np.float32),
    np.array(2.5, np.float64),
    np.array([1, -2], np.int8),
    np.array(7, np.uint64),
    np.array([True, False]),
    np.array([1 + 2j, 3j], np.complex64),
    np.array(1 - 1j),
    np.array([1.0, 2.5], np.float16),
    np.array(1.5, np.float16),
    np.array([1.0, 2.5], ml_dtypes.bfloat16),
    np.array(0.5, ml_dtypes.bfloat16),
    np.zeros([0, 3], np.int32),
]


@pytest.mark.parametrize("array", ARRAYS, ids=repr)
def test_round_trip(array):
    back = tf.make_ndarray(tf.make_tensor_proto(array))
    assert back.dtype == array.dtype and back.shape == array.shape
    np.testing.assert_array_equal(back, array)


def test_strings():
    message = tf.make_tensor_proto([["a", b"\xff"]])
    assert list(message.string_val) == [b"a", b"\xff"]
    assert tf.make_ndarray(message).tolist() == [[b"a", b"\xff"]]


def test_forms():
    assert str(tf.make_tensor_proto(3)) == "dtype: DT_INT32\ntensor_shape {\n}\nint_val: 3\n"
    assert tf.make_tensor_proto([1.0, 2.0]).tensor_content == np.array([1.0, 2.0], "<f4").tobytes()
    message = tf.make_tensor_proto([1, 2], tf.int64)
    assert tf.make_tensor_proto(message) is message


def test_the_last_element_stands_for_what_is_left_out():
    message = tf.make_tensor_proto([1, 2], shape=[4])
    assert list(message.int_val) == [1, 2]
    assert tf.make_ndarray(message).tolist() == [1, 2, 2, 2]


def test_what_does_not_fit():
    with pytest.raises(ValueError):
        tf.make_tensor_proto([1, 2, 3], shape=[2])
    with pytest.raises(TypeError):
        tf.make_tensor_proto([1, 2], shape=[3], verify_shape=True)
    with pytest.raises(ValueError):
        tf.make_tensor_proto([1, 2], verify_shape=True, allow_broadcast=True)
