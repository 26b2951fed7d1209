"""tf.TensorArray beyond what the conformance tests ask of it."""

import numpy as np
import pytest

import everflow as tf


def test_eager_arrays_change_in_place_and_clear_what_is_read():
    array = tf.TensorArray(tf.float32, 2)
    assert array.write(0, 1.0) is array and array.unstack([5.0, 6.0]) is array and array.identity() is array
    assert float(array.read(1)) == 6.0
    with pytest.raises(tf.errors.InvalidArgumentError, match="Could not read index 1 twice"):
        array.read(1)
    array.write(1, 7.0)
    assert float(array.read(1)) == 7.0


@pytest.mark.parametrize(
    ("use", "error", "text"),
    [
        (lambda a: a.write(-1, 1.0), tf.errors.OutOfRangeError, "negative"),
        (lambda a: a.read(4), tf.errors.OutOfRangeError, "array size is: 2"),
        (lambda a: a.read(-1), tf.errors.OutOfRangeError, "negative"),
        (lambda a: a.read(0), ValueError, "never written"),
        (lambda a: a.stack(), ValueError, "never written"),
        (lambda a: a.unstack([1.0, 2.0, 3.0]), ValueError, "static size 2"),
        (lambda a: a.split([1.0, 2.0, 3.0], [1, 1]), tf.errors.InvalidArgumentError, "sum of lengths"),
        (lambda a: a.split([1.0, 2.0], [2]), tf.errors.InvalidArgumentError, "size of lengths"),
        (lambda a: a.split(1.0, [1, 1]), tf.errors.InvalidArgumentError, "at least a vector"),
        (lambda a: a.grad("g"), NotImplementedError, "grad"),
    ],
)
def test_eager_errors(use, error, text):
    with pytest.raises(error, match=text):
        use(tf.TensorArray(tf.float32, 2))


@pytest.mark.parametrize(
    ("use", "text"),
    [
        (lambda: tf.TensorArray(tf.float32, 1).write(5, 1.0).stack(), "modify element 5 in a list with 1"),
        (lambda: tf.TensorArray(tf.float32, 1).read(0), "uninitialized"),
        (lambda: tf.TensorArray(tf.float32, 1, element_shape=[2]).read(4), "access element 4 in a list with 1"),
        (lambda: tf.TensorArray(tf.float32, 0).stack(), "empty list with non-fully-defined element_shape"),
        (
            lambda: tf.TensorArray(tf.float32, 2, infer_shape=False).write(0, [1.0]).write(1, [1.0, 2.0]).stack(),
            "Incompatible shapes",
        ),
    ],
)
def test_errors_in_functions(use, text):
    with pytest.raises(tf.errors.InvalidArgumentError, match=text):
        tf.function(use)()


def test_functions_take_and_return_arrays():
    @tf.function
    def doubled(array):
        return array.write(1, array.read(0) * 2.0)

    result = doubled(tf.TensorArray(tf.float32, 2, element_shape=[2]).write(0, [1.0, 2.0]))
    assert isinstance(result, tf.TensorArray) and result.element_shape == [2] and result.flow.dtype == tf.variant
    assert result.stack().numpy().tolist() == [[1.0, 2.0], [2.0, 4.0]]
    assert doubled(result).read(1).numpy().tolist() == [2.0, 4.0]


def test_names_and_shapes_in_graphs():
    with tf.Graph().as_default() as graph:
        array = tf.TensorArray(tf.float32, 3)
        assert array.handle is None and array.flow.name == "TensorArrayV2:0"
        stacked = array.write(0, tf.ones([2])).stack()
        assert stacked.name == "TensorArrayV2Stack/TensorListStack:0" and stacked.shape == [3, 2]
        names = [o.name for o in graph.get_operations()]
    assert "TensorArrayV2/num_elements" in names and "TensorArrayV2Write/TensorListSetItem/index" in names


def test_what_a_loop_learns_of_elements_is_known_behind_it():
    @tf.function
    def f(x):
        array = tf.TensorArray(tf.float32, 3)
        array = tf.while_loop(lambda i, _: i < 3, lambda i, a: (i + 1, a.write(i, x)), (0, array))[1]
        assert array.element_shape == [2] and array.stack().shape == [3, 2]
        return array.stack()

    assert f(tf.ones([2])).shape == [3, 2]


def test_strings():
    @tf.function
    def f():
        return tf.TensorArray(tf.string, 3, element_shape=[]).write(1, "a").stack()

    assert f().numpy().tolist() == [b"", b"a", b""]


def test_spec():
    spec = tf.type_spec_from_value(tf.TensorArray(tf.float32, 2, element_shape=[2]))
    assert spec == tf.TensorArraySpec([2], tf.float32) and spec.value_type is tf.TensorArray
    assert repr(spec) == "TensorArraySpec(TensorShape([2]), tf.float32, False, True)"


def test_handles_are_refused():
    with pytest.raises(ValueError, match="handles"):
        tf.TensorArray(tf.float32, handle=tf.constant(1))


def test_splits_and_joins_have_gradients():
    def f(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            array = tf.TensorArray(tf.float32, 2, infer_shape=False).split(x, [1, 2])
            y = tf.reduce_sum(array.concat() ** 2) + tf.reduce_sum(array.read(1)) * 5.0
        return tape.gradient(y, x)

    x = tf.constant([1.0, 2.0, 3.0])
    np.testing.assert_allclose(tf.function(f)(x).numpy(), [2.0, 9.0, 11.0])


def test_gradients_of_arrays_between_functions():
    @tf.function
    def taken_apart(x):
        return tf.TensorArray(tf.float32, 2).unstack(x)

    @tf.function
    def product(array):
        return array.read(0) * array.read(1)

    x = tf.constant([2.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        array = taken_apart(x)
        y = product(array) + array.read(0) * array.read(1) + tf.reduce_sum(array.stack() ** 2)
    assert tape.gradient(y, x).numpy().tolist() == [10.0, 10.0]
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = product(tf.TensorArray(tf.float32, 2).unstack(x))
    assert tape.gradient(y, x).numpy().tolist() == [3.0, 2.0]
