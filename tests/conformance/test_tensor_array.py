"""tf.TensorArray, eagerly, in tf.function and in graphs."""

import numpy as np
import pytest
import tensorflow as tf

from . import three_ways

tf1 = tf.compat.v1


@pytest.fixture(params=three_ways.WAYS)
def evaluate(request):
    """Calls a function of tensors with arrays in one of the three ways of running."""

    def call(function, *arrays):
        shapes = three_ways.static(*arrays)
        return three_ways.run(request.param, function, arrays, shapes, shapes)

    return call


def floats(*values):
    return np.array(values, np.float32)


def test_write_read_stack(evaluate):
    def f(x):
        array = tf.TensorArray(tf.float32, size=3, clear_after_read=False)
        array = array.write(0, x[0]).write(2, x[1] * 10.0).write(1, x[2])
        return array.stack(), array.read(2), array.size(), array.gather([1, 0])

    stacked, third, size, gathered = evaluate(f, floats(1, 2, 3))
    assert stacked.tolist() == [1.0, 3.0, 20.0] and third == 20.0 and size == 3
    assert gathered.tolist() == [3.0, 1.0]


def test_unstack_scatter_split_concat(evaluate):
    def f(x):
        rows = tf.TensorArray(tf.float32, 3).unstack(x)
        scattered = tf.TensorArray(tf.float32, 3).scatter([2, 0, 1], x)
        pieces = tf.TensorArray(tf.float32, 2, infer_shape=False).split(x, [1, 2])
        return rows.stack(), scattered.stack(), pieces.concat()

    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    rows, scattered, joined = evaluate(f, x)
    np.testing.assert_array_equal(rows, x)
    np.testing.assert_array_equal(scattered, x[[1, 2, 0]])
    np.testing.assert_array_equal(joined, x)


def test_growing(evaluate):
    def f(n):
        array = tf.TensorArray(tf.int32, size=0, dynamic_size=True)
        _, array = tf.while_loop(lambda i, _: i < n, lambda i, a: (i + 1, a.write(i, i * i)), (0, array))
        return array.stack(), array.size()

    for n in (0, 1, 5):
        stacked, size = evaluate(f, np.int32(n))
        assert stacked.tolist() == [i * i for i in range(n)] and size == n


def test_what_was_not_written_is_zero(evaluate):
    def f(x):
        return tf.TensorArray(tf.float32, size=3, element_shape=[2]).write(1, x).stack()

    assert evaluate(f, floats(5, 6)).tolist() == [[0.0, 0.0], [5.0, 6.0], [0.0, 0.0]]


def test_gradients(evaluate):
    def f(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            array = tf.TensorArray(tf.float32, 3).unstack(x * x)
            array = (
                tf.TensorArray(tf.float32, 2).write(0, array.read(2) * 10.0).write(1, array.read(0) * x[1])
            )
            y = tf.reduce_sum(array.stack() * tf.constant([1.0, 100.0]))
        return tape.gradient(y, x)

    # y = 10 x2² + 100 x0² x1
    assert evaluate(f, floats(1, 2, 3)).tolist() == [400.0, 100.0, 60.0]


def test_symbolic_gradients(graph):
    x = tf.constant(2.0)
    array = tf.TensorArray(tf.float32, size=3).unstack([x, x * 2, x * 3])
    assert array.stack().shape == [3]
    gradients = [tf.gradients(y, x)[0] for y in (array.read(1) * 5.0, array.stack(), array.gather([2, 0]))]
    with tf1.Session() as session:
        assert session.run(gradients) == [10.0, 6.0, 4.0]


def test_second_order_through_a_loop(evaluate):
    """y[i] = x**(i+1), summed: 1 + 2x + 3x² and then 2 + 6x."""

    def total(x):
        def body(i, power, array):
            power = power * x
            return i + 1, power, array.write(i, power)

        start = (0, tf.ones_like(x), tf.TensorArray(x.dtype, 3))
        return tf.reduce_sum(tf.while_loop(lambda i, *_: i < 3, body, start)[2].stack())

    def orders(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = total(x)
            first = inner.gradient(y, x)
        return y, first, outer.gradient(first, x)

    assert [float(n) for n in evaluate(orders, np.float64(2.0))] == [14.0, 17.0, 14.0]


def test_properties():
    array = tf.TensorArray("float", 2, element_shape=[None, 3])
    assert array.dtype is tf.float32 and array.element_shape.as_list() == [None, 3]
    assert array.dynamic_size is False and int(array.size()) == 2
    assert tf.TensorArray(tf.int32, 0, dynamic_size=True).dynamic_size is True
    assert isinstance(array.identity(), tf.TensorArray)


def test_element_shapes_are_inferred():
    shapes = []

    @tf.function
    def f(x):
        array = tf.TensorArray(tf.float32, 2).write(0, x).write(1, x)
        shapes.append((array.element_shape, array.stack().shape, array.read(0).shape))

    f(tf.ones([4]))
    assert shapes == [([4], [2, 4], [4])]


def test_errors():
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        tf.TensorArray(tf.float32, 2).write(0, tf.constant(1))
    with pytest.raises(ValueError, match="shape"):
        tf.TensorArray(tf.float32, 2, element_shape=[2]).write(0, [1.0])
    with pytest.raises(ValueError, match="shape"):
        tf.TensorArray(tf.float32, 2).write(0, [1.0]).write(1, [1.0, 2.0])
    with pytest.raises(tf.errors.OutOfRangeError):
        tf.TensorArray(tf.float32, 1).write(5, 1.0)
    with pytest.raises(ValueError, match="[Ss]ize"):
        tf.TensorArray(tf.float32)
    array = tf.TensorArray(tf.float32, 2).unstack([1.0, 2.0])
    assert float(array.read(0)) == 1.0
    with pytest.raises(tf.errors.InvalidArgumentError, match="twice"):
        array.read(0)
