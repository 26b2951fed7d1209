"""Python inside of graphs: tf.py_function, tf.numpy_function and the old py_func."""

import numpy as np
import pytest
import tensorflow as tf

tf1 = tf.compat.v1


def test_py_function_sees_eager_tensors():
    kinds = []

    def double(x):
        kinds.append((type(x).__name__, x.numpy().dtype, tf.executing_eagerly()))
        return x * 2

    assert float(tf.py_function(double, [tf.constant(1.0)], tf.float32)) == 2.0
    traced = tf.function(lambda x: tf.py_function(double, [x], tf.float32))
    assert [float(traced(tf.constant(n))) for n in (1.0, 5.0)] == [2.0, 10.0]
    with tf.Graph().as_default():
        x = tf1.placeholder(tf.float32, [])
        y = tf.py_function(double, [x], tf.float32)
        with tf1.Session() as session:
            assert session.run(y, {x: 3.0}) == 6.0
    assert kinds == [("EagerTensor", np.float32, True)] * 4


def test_numpy_function_sees_arrays():
    kinds = []

    def double(x):
        kinds.append(isinstance(x, (np.ndarray, np.generic)))
        return x * 2

    x = tf.constant([1.0, 2.0])
    assert tf.numpy_function(double, [x], tf.float32).numpy().tolist() == [2.0, 4.0]
    traced = tf.function(lambda x: tf.numpy_function(double, [x], tf.float32) + 1.0)
    assert traced(x).numpy().tolist() == [3.0, 5.0]
    assert tf1.py_func(double, [x], tf.float32).numpy().tolist() == [2.0, 4.0]
    assert kinds == [True] * 3


@pytest.mark.parametrize("name", ["py_function", "numpy_function"])
def test_numbers_of_results(name):
    function = getattr(tf, name)
    x = tf.constant([1.0])
    assert not function(lambda x: None, [x], [])
    assert np.reshape(function(lambda x: x, [x], [tf.float32]), [-1]).tolist() == [1.0]
    pair = function(lambda x: (x, np.int64(7)), [x], [tf.float32, tf.int64])
    assert isinstance(pair, list) and pair[1].dtype is tf.int64 and int(pair[1]) == 7


def test_strings():
    result = tf.numpy_function(lambda x: np.array([s.upper() for s in x], object), [["ab", "c"]], tf.string)
    assert result.numpy().tolist() == [b"AB", b"C"]
    assert tf.numpy_function(lambda: "abc", [], tf.string).numpy() == b"abc"


def test_static_shapes_are_unknown(graph):
    x = tf1.placeholder(tf.float32, [3])
    y, z = tf.py_function(tf.square, [x], tf.float32), tf.numpy_function(np.square, [x], tf.float32)
    assert y.shape.rank is None and z.shape.rank is None
    assert (y.op.type, z.op.type) == ("EagerPyFunc", "PyFunc")
    stateless = tf1.py_func(np.square, [x], tf.float32, stateful=False, name="squared")
    assert stateless.op.type == "PyFuncStateless" and stateless.name == "squared:0"
    y.set_shape([3])
    with tf1.Session() as session:
        results = session.run([y, z, stateless], {x: [1.0, 2.0, 3.0]})
    assert [result.tolist() for result in results] == [[1.0, 4.0, 9.0]] * 3


def test_gradients_go_through_py_function(evaluate_gradient):
    assert evaluate_gradient(lambda x: tf.py_function(lambda a: a * a * a, [x], tf.float32) * 2.0) == 54.0


@pytest.fixture(params=["eager", "function", "session"])
def evaluate_gradient(request):
    """The derivative of a function at 3."""

    def gradient(function):
        def derivative(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = function(x)
            return tape.gradient(y, x)

        if request.param == "session":
            with tf.Graph().as_default():
                x = tf.constant(3.0)
                result = tf.gradients(function(x), x)[0]
                with tf1.Session() as session:
                    return session.run(result)
        run = derivative if request.param == "eager" else tf.function(derivative)
        return float(run(tf.constant(3.0)))

    return gradient


def test_gradients_stop_at_numpy_function(graph):
    x = tf.constant(3.0)
    assert tf.gradients(tf.numpy_function(np.square, [x], tf.float32), x) == [None]


@pytest.mark.parametrize("error", [ValueError, TypeError, KeyError, NotImplementedError])
def test_errors_in_eager_numpy_functions_are_the_users(error):
    def fail(x):
        raise error("my message")

    with pytest.raises(error, match="my message"):
        tf.numpy_function(fail, [1.0], tf.float32)


@pytest.mark.parametrize(
    "error,shown", [(ValueError, "InvalidArgumentError"), (TypeError, "InvalidArgumentError"),
                    (KeyError, "UnknownError"), (NotImplementedError, "UnimplementedError"),
                    (StopIteration, "OutOfRangeError")],
)  # fmt: skip
def test_errors_in_graphs_name_the_users(graph, error, shown):
    def fail(x):
        raise error("my message")

    y = tf.numpy_function(fail, [1.0], tf.float32)
    with tf1.Session() as session, pytest.raises(getattr(tf.errors, shown), match="my message"):
        session.run(y)


def test_effects_happen_in_order_and_each_time():
    log = []

    @tf.function
    def f(x):
        tf.py_function(lambda n: log.append(("first", int(n))), [x], [])
        tf.numpy_function(lambda n: log.append(("second", int(n))), [x], [])

    f(tf.constant(1))
    f(tf.constant(2))
    assert log == [("first", 1), ("second", 1), ("first", 2), ("second", 2)]


def test_in_a_loop(graph):
    seen = []

    def body(i, total):
        term = tf.numpy_function(lambda n: seen.append(int(n)) or np.float32(n * n), [i], tf.float32)
        term.set_shape([])
        return i + 1, total + term

    _, total = tf.while_loop(lambda i, _: i < 4, body, (0, 0.0))
    with tf1.Session() as session:
        assert session.run(total) == 14.0
    assert sorted(seen) == [0, 1, 2, 3]


def test_closures_see_their_current_values():
    factor = [2.0]
    traced = tf.function(lambda x: tf.numpy_function(lambda a: np.float32(a * factor[0]), [x], tf.float32))
    assert float(traced(tf.constant(3.0))) == 6.0
    factor[0] = 10.0
    assert float(traced(tf.constant(3.0))) == 30.0
