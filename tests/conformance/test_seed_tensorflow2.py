"""A tutorial's tour of TensorFlow 2: eager execution, tapes, tf.function, with the output that it shows.

Its examples that need Python control flow on tensors to be converted are with the tests of AutoGraph.
"""

import timeit

import numpy as np
import pytest
import tensorflow as tf

# ------------------------------------------------------------------ eager execution


def test_results_at_once(capsys):
    x = tf.ones((2, 2), dtype=tf.dtypes.float32)
    y = tf.constant([[1, 2], [3, 4]], dtype=tf.dtypes.float32)
    z = tf.matmul(x, y)
    print(z)
    assert capsys.readouterr().out == "tf.Tensor(\n[[4. 6.]\n [4. 6.]], shape=(2, 2), dtype=float32)\n"
    print(z.numpy())
    assert capsys.readouterr().out == "[[4. 6.]\n [4. 6.]]\n"


@pytest.mark.parametrize("seed", range(4))
def test_python_conditions(seed, capsys):
    tf.random.set_seed(seed)
    random_value = tf.random.uniform([], 0, 1)
    x = tf.reshape(tf.range(0, 4), [2, 2])
    print(random_value)
    if random_value.numpy() > 0.5:
        y = tf.matmul(x, x)
        assert y.numpy().tolist() == [[2, 3], [6, 11]]
    else:
        y = tf.add(x, x)
        assert y.numpy().tolist() == [[0, 2], [4, 6]]
    assert y.dtype is tf.int32 and 0.0 <= float(random_value) < 1.0
    printed = capsys.readouterr().out
    assert printed.startswith("tf.Tensor(0.") and printed.endswith(", shape=(), dtype=float32)\n")


def test_gradient_of_a_variable(capsys):
    w = tf.Variable([[1.0]])
    with tf.GradientTape() as tape:
        loss = w * w + 2.0 * w + 5.0
    grad = tape.gradient(loss, w)
    print(grad)
    assert capsys.readouterr().out == "tf.Tensor([[4.]], shape=(1, 1), dtype=float32)\n"


def test_numpy_goes_in_and_comes_out():
    a = np.array([[1.0, 2.0], [3.0, 4.0]])
    t = tf.add(a, 1)
    assert t.dtype is tf.float64
    assert np.multiply(t, 2).tolist() == [[4.0, 6.0], [8.0, 10.0]]
    assert isinstance(np.multiply(t, 2), np.ndarray) and isinstance(np.sum(t), float)
    assert isinstance(a + t, tf.Tensor) and (a @ t).shape == [2, 2]
    assert tf.matmul(a, a).numpy().tolist() == (a @ a).tolist()


# ------------------------------------------------------------------ AutoGraph's eager side


def square_if_positive(x):
    if x > 0:
        x = x * x
    else:
        x = 0.0
    return x


def sum_even(items):
    s = 0
    for c in items:
        if c % 2 > 0:
            continue
        s += c
    return s


def test_plain_python_on_eager_tensors():
    shown = (square_if_positive(tf.constant(9.0)), square_if_positive(tf.constant(-9.0)))
    assert "Eager results: %2.2f, %2.2f" % shown == "Eager results: 81.00, 0.00"
    assert "Eager result: %d" % sum_even(tf.constant([10, 12, 15, 20])) == "Eager result: 42"


def test_converted_functions_in_a_graph(capsys):
    tf_square_if_positive = tf.autograph.to_graph(square_if_positive)
    with tf.Graph().as_default():
        g_out1 = tf_square_if_positive(tf.constant(9.0))
        g_out2 = tf_square_if_positive(tf.constant(-9.0))
        with tf.compat.v1.Session() as sess:
            print("Graph results: %2.2f, %2.2f\n" % (sess.run(g_out1), sess.run(g_out2)))
    tf_sum_even = tf.autograph.to_graph(sum_even)
    with tf.Graph().as_default(), tf.compat.v1.Session() as sess:
        print("Graph result: %d\n\n" % sess.run(tf_sum_even(tf.constant([10, 12, 15, 20]))))
    assert capsys.readouterr().out == "Graph results: 81.00, 0.00\n\nGraph result: 42\n\n\n"


def test_code_of_a_converted_function(capsys):
    print(tf.autograph.to_code(square_if_positive))
    code = capsys.readouterr().out
    assert code.startswith("def tf__square_if_positive(x):\n")
    for name in ("ag__.if_stmt(", "def if_body", "def else_body", "def get_state", "def set_state"):
        assert name in code


def test_the_same_function_three_ways():
    """The tutorial times these; what they compute is the same."""
    x = tf.constant([10, 12, 15, 20])
    tf_sum_even = tf.autograph.to_graph(sum_even)
    found = [int(sum_even(x)), int(tf_sum_even(x))]
    assert timeit.timeit(lambda: sum_even(x), number=3) > 0 and timeit.timeit(lambda: tf_sum_even(x), number=3) > 0
    with tf.Graph().as_default(), tf.compat.v1.Session() as sess:
        graph_op = tf_sum_even(tf.constant([10, 12, 15, 20]))
        found.append(int(sess.run(graph_op)))
        assert timeit.timeit(lambda: sess.run(graph_op), number=3) > 0
    assert found == [42, 42, 42]


def test_without_autograph_symbolic_tensors_are_refused():
    sum_even_autograph_off = tf.function(sum_even, autograph=False)
    with pytest.raises(tf.errors.OperatorNotAllowedInGraphError):
        sum_even_autograph_off(tf.constant([10, 12, 15, 20]))
    with pytest.raises(tf.errors.OperatorNotAllowedInGraphError):
        tf.function(square_if_positive, autograph=False)(tf.constant(9.0))


# ------------------------------------------------------------------ tf.function


def test_a_function_prints_symbols_while_it_is_traced(capsys):
    def f(x, y):
        print(x, y)
        return tf.reduce_mean(tf.multiply(x**2, 3) + y)

    g = tf.function(f)
    x = tf.constant([[2.0, 3.0]])
    y = tf.constant([[3.0, -2.0]])
    assert f(x, y).numpy() == g(x, y).numpy() == 20.0
    eager, symbolic = capsys.readouterr().out.splitlines()
    assert eager == (
        "tf.Tensor([[2. 3.]], shape=(1, 2), dtype=float32) "
        "tf.Tensor([[ 3. -2.]], shape=(1, 2), dtype=float32)"
    )
    assert symbolic == (
        'Tensor("x:0", shape=(1, 2), dtype=float32) Tensor("y:0", shape=(1, 2), dtype=float32)'
    )
    g(x + 1.0, y)
    assert capsys.readouterr().out == ""


class Conv2D:
    """The tutorial's convolutional layer: weights are made when the first image shows how many channels it has."""

    def __init__(self, filters, size):
        self.filters, self.size, self.kernel = filters, size, None

    def __call__(self, image):
        if self.kernel is None:
            values = np.random.default_rng(0).normal(size=[self.size, self.size, image.shape[-1], self.filters])
            self.kernel = tf.Variable(values.astype(np.float32) * 0.05)
            self.bias = tf.Variable(tf.zeros([self.filters]))
        return tf.nn.bias_add(tf.nn.conv2d(image, self.kernel, 1, "VALID"), self.bias)


class LSTMCell:
    """The tutorial's recurrent layer: one step of a long short-term memory (Hochreiter, Schmidhuber, 1997)."""

    def __init__(self, units):
        self.units, self.kernel = units, None

    def __call__(self, inputs, states):
        hidden, carry = states
        if self.kernel is None:
            random = np.random.default_rng(0)
            shape = [inputs.shape[-1] + self.units, 4 * self.units]
            self.kernel = tf.Variable(random.normal(size=shape).astype(np.float32) * 0.1)
            self.bias = tf.Variable(tf.zeros([4 * self.units]))
        gates = tf.matmul(tf.concat([inputs, hidden], 1), self.kernel) + self.bias
        enter, forget, candidate, leave = tf.split(gates, 4, axis=1)
        carry = tf.sigmoid(forget) * carry + tf.sigmoid(enter) * tf.tanh(candidate)
        hidden = tf.sigmoid(leave) * tf.tanh(carry)
        return hidden, [hidden, carry]


def test_layers_as_functions():
    """What the tutorial times: the same layers called eagerly and through tf.function."""
    conv_layer = Conv2D(100, 3)

    @tf.function
    def conv_fn(image):
        return conv_layer(image)

    image = tf.zeros([1, 200, 200, 100])
    assert conv_layer(image).shape == conv_fn(image).shape == [1, 198, 198, 100]

    lstm_cell = LSTMCell(10)

    @tf.function
    def lstm_fn(input, state):
        return lstm_cell(input, state)

    input = tf.ones([10, 10])
    state = [tf.zeros([10, 10])] * 2
    output, (hidden, carry) = lstm_cell(input, state)
    for eager, traced in zip([output, hidden, carry], tf.nest.flatten(lstm_fn(input, state)), strict=True):
        np.testing.assert_allclose(eager, traced, rtol=1e-5, atol=1e-6)


def test_one_graph_two_programs():
    """The same with version 1: a placeholder, a Session, and a fed intermediate tensor."""
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32)
        y = tf.square(x)
        z = tf.add(x, y)
        sess = tf.compat.v1.Session()
        z0 = sess.run([z], feed_dict={x: 2.0})
        z1 = sess.run([z], feed_dict={x: 2.0, y: 2.0})
        sess.close()
    assert z0 == [6.0] and z1 == [4.0]
    assert isinstance(z0[0], np.float32)


def test_two_functions_instead():
    @tf.function
    def compute_z1(x, y):
        return tf.add(x, y)

    @tf.function
    def compute_z0(x):
        return compute_z1(x, tf.square(x))

    z0 = compute_z0(2.0)
    z1 = compute_z1(2.0, 2.0)
    assert z0.numpy() == 6.0 and z1.numpy() == 4.0
    assert z0.dtype is tf.float32


def test_polymorphism(capsys):
    @tf.function
    def double(a):
        print("Tracing with", a)
        return a + a

    print(double(tf.constant(1)))
    print(double(tf.constant(1.1)))
    print(double(tf.constant([1, 2])))
    assert capsys.readouterr().out == (
        'Tracing with Tensor("a:0", shape=(), dtype=int32)\n'
        "tf.Tensor(2, shape=(), dtype=int32)\n"
        'Tracing with Tensor("a:0", shape=(), dtype=float32)\n'
        "tf.Tensor(2.2, shape=(), dtype=float32)\n"
        'Tracing with Tensor("a:0", shape=(2,), dtype=int32)\n'
        "tf.Tensor([2 4], shape=(2,), dtype=int32)\n"
    )
    double(tf.constant(5)), double(tf.constant([7, 8]))
    assert capsys.readouterr().out == ""


def test_input_signature(capsys):
    @tf.function(input_signature=[tf.TensorSpec(shape=None, dtype=tf.float32)])
    def f(x):
        return tf.add(x, 1.0)

    print(f(tf.constant(1.0)))
    print(f(tf.constant([1.0])))
    assert capsys.readouterr().out == (
        "tf.Tensor(2.0, shape=(), dtype=float32)\ntf.Tensor([2.], shape=(1,), dtype=float32)\n"
    )
    with pytest.raises(TypeError, match="int32"):
        f(tf.constant([1]))
    assert f.experimental_get_tracing_count() == 1


class ScalarModel:
    def __init__(self):
        self.v = tf.Variable(0)

    @tf.function
    def increment(self, amount):
        self.v.assign_add(amount)


def test_methods():
    model1 = ScalarModel()
    model1.increment(tf.constant(3))
    assert int(model1.v) == 3
    model1.increment(tf.constant(4))
    assert int(model1.v) == 7
    model2 = ScalarModel()
    model2.increment(tf.constant(5))
    assert int(model2.v) == 5 and int(model1.v) == 7
