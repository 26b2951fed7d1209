"""From Python values to tensors."""

import numpy as np
import pytest

import everflow as tf
from everflow._src.framework.conversion import operand_of
from everflow._src.framework.tensor import EagerTensor


@pytest.mark.parametrize("value, dtype, shape", [
    (1, tf.int32, []), (2**31, tf.int64, []), (-(2**31), tf.int32, []), (1.5, tf.float32, []), (True, tf.bool, []),
    (1j, tf.complex128, []), ("a", tf.string, []), (b"a", tf.string, []), ([], tf.float32, [0]),
    ([[]], tf.float32, [1, 0]), ([1, 2.5], tf.float32, [2]), ([1, 2**40], tf.int64, [2]), (range(3), tf.int32, [3]),
    ((1, 2), tf.int32, [2]), (np.float64(1), tf.float64, []), ([np.float64(1)], tf.float64, [1]),
    (np.arange(3, dtype=np.int8), tf.int8, [3]), ([np.ones(2, np.float16)], tf.float16, [1, 2]),
    (["a", b"b"], tf.string, [2]),
    (tf.TensorShape([2, 3]), tf.int32, [2]), (np.array(["a", "b"]), tf.string, [2]),
])
def test_dtypes(value, dtype, shape):
    tensor = tf.convert_to_tensor(value)
    assert tensor.dtype == dtype and tensor.shape == shape
    with tf.Graph().as_default():
        symbolic = tf.convert_to_tensor(value)
        assert symbolic.dtype == dtype and symbolic.shape == shape


@pytest.mark.parametrize("value, dtype", [
    (1.5, tf.int32), (1, tf.bool), ("a", tf.float32), (1, tf.string), (1j, tf.float32),
    ([1, "a"], None),
    ([[1], [1, 2]], None), (object(), None), (2**70, None), (None, None), ({1: 2}, None), ([True, 1], None),
])
def test_what_does_not_fit(value, dtype):
    with pytest.raises((TypeError, ValueError)):
        tf.convert_to_tensor(value, dtype)
    with tf.Graph().as_default(), pytest.raises((TypeError, ValueError)):
        tf.convert_to_tensor(value, dtype)


def test_lists_of_tensors_and_numbers():
    x = tf.constant(2.0)
    for value in ([x, 1], [[x, x], [3, 4]], (x, np.float32(1))):
        tensor = tf.convert_to_tensor(value)
        assert tensor.dtype == tf.float32 and tensor.shape[-1] == 2
    with tf.Graph().as_default():
        y = tf.compat.v1.placeholder(tf.float32, [])
        stacked = tf.convert_to_tensor([[y, 1.0], [2.0, y]])
        with tf.compat.v1.Session() as session:
            assert session.run(stacked, {y: 5.0}).tolist() == [[5, 1], [2, 5]]


def test_tensors_of_another_dtype():
    with pytest.raises(ValueError, match="float32.*int32|int32.*float32"):
        tf.convert_to_tensor(tf.constant(1), tf.float32)
    x = tf.constant(1)
    assert tf.convert_to_tensor(x) is x and tf.convert_to_tensor(x, tf.int32) is x


def test_hints_are_no_orders():
    assert tf.convert_to_tensor(1, dtype_hint=tf.float32).dtype == tf.float32
    assert tf.convert_to_tensor(1.5, dtype_hint=tf.int32).dtype == tf.float32


def test_objects_that_say_how():
    class Meters:
        def __init__(self, value):
            self.value = value

    class Feet(Meters):
        pass

    def to_tensor(value, dtype=None, name=None, as_ref=False):
        return tf.constant(value.value, dtype, name=name)

    tf.register_tensor_conversion_function(Meters, to_tensor)
    tf.register_tensor_conversion_function(Feet, lambda value, **options: NotImplemented, priority=1)
    assert float(tf.convert_to_tensor(Meters(3.0)) + Feet(1.0)) == 4.0
    with pytest.raises(TypeError):
        tf.register_tensor_conversion_function(int, to_tensor)
    with pytest.raises(TypeError):
        tf.register_tensor_conversion_function(Meters, "no function")


def test_arrays_like_objects():
    class Like:
        def __array__(self, dtype=None, copy=None):
            return np.arange(3.0)

    assert tf.convert_to_tensor(Like()).dtype == tf.float64
    assert tf.convert_to_tensor(np.arange(6)[::2]).numpy().tolist() == [0, 2, 4]
    big_endian = np.arange(3, dtype=">i4")
    assert tf.convert_to_tensor(big_endian).numpy().tolist() == [0, 1, 2]


def test_large_operands_are_brought_to_where_xla_takes_them_as_they_lie():
    memory = np.arange(40_001, dtype=np.float32)
    begin = 1 if memory.ctypes.data % 64 == 0 else 0
    tensor = EagerTensor(memory[begin:begin + 40_000])
    value = operand_of(tensor)
    assert value.ctypes.data % 64 == 0 and tensor._value is value and operand_of(tensor) is value
    np.testing.assert_array_equal(value, memory[begin:begin + 40_000])
    small = EagerTensor(memory[1:9])
    assert operand_of(small) is small._value and np.shares_memory(small._value, memory)
    scalar = tf.constant(3)
    assert operand_of(scalar) is scalar._value

    @tf.function
    def double(x):
        return x + x

    tensor = EagerTensor(memory[begin:begin + 40_000])
    np.testing.assert_array_equal(double(tensor).numpy(), 2 * memory[begin:begin + 40_000])
    assert tensor._value.ctypes.data % 64 == 0


def test_values_are_copied():
    array = np.ones(3)
    x, y = tf.constant(array), tf.convert_to_tensor(array)
    with tf.Graph().as_default():
        z = tf.constant(array)
        array[:] = 2
        with tf.compat.v1.Session() as session:
            assert session.run(z).tolist() == [1, 1, 1]
    assert x.numpy().tolist() == y.numpy().tolist() == [1, 1, 1]
    x.numpy()[:] = 7
    assert x.numpy().tolist() == [1, 1, 1]


def test_large_arrays_lie_where_xla_takes_them_without_a_copy():
    source = np.arange(40_000, dtype=np.float32).reshape(200, 200)
    for value in (source, source.T, source[::2, 3:], source.astype(np.float64), source.astype(np.complex64)):
        for dtype in (None, tf.as_dtype(value.dtype)):
            array = tf.constant(value, dtype)._array
            assert array.ctypes.data % 64 == 0
            assert array.flags.c_contiguous
            assert array.flags.writeable
            assert not np.shares_memory(array, value)
            assert array.dtype == value.dtype
            np.testing.assert_array_equal(array, value)
