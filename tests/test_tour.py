"""A tour of everflow, to be read first, from top to bottom.

One tiny problem, a line through four points, is solved in the three styles in which TensorFlow programs
have been written; then each part is looked at alone. `everflow` speaks TensorFlow 2, and
`everflow.compat.v1` speaks 1.x.
"""

import subprocess
import sys

import numpy as np
import pytest

import everflow as tf

tf1 = tf.compat.v1

X = np.array([0.0, 1.0, 2.0, 3.0], np.float32)
Y = 2.0 * X + 1.0
STEPS = 200


# ------------------------------------------------------------------ one problem, three styles


def fit_with_a_graph():
    """1.x: first describe everything as a graph, then run parts of it in a session."""
    with tf.Graph().as_default():
        x = tf1.placeholder(tf.float32, [None], name="x")
        y = tf1.placeholder(tf.float32, [None], name="y")
        slope = tf1.get_variable("slope", initializer=0.0)
        offset = tf1.get_variable("offset", initializer=0.0)
        loss = tf.reduce_mean((slope * x + offset - y) ** 2)
        train = tf1.train.GradientDescentOptimizer(0.1).minimize(loss)
        with tf1.Session() as session:
            session.run(tf1.global_variables_initializer())
            for _ in range(STEPS):
                session.run(train, feed_dict={x: X, y: Y})
            return session.run([slope, offset])


def fit_eagerly():
    """2.x: every operation computes at once; a tape records them and plays them backwards."""
    slope, offset = tf.Variable(0.0), tf.Variable(0.0)
    for _ in range(STEPS):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((slope * X + offset - Y) ** 2)
        for variable, gradient in zip([slope, offset], tape.gradient(loss, [slope, offset])):
            variable.assign_sub(0.1 * gradient)
    return [slope.numpy(), offset.numpy()]


def fit_with_a_function():
    """2.x, faster: the same Python is traced into a graph once, and the graph is run."""
    slope, offset = tf.Variable(0.0), tf.Variable(0.0)

    @tf.function
    def train(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((slope * x + offset - y) ** 2)
        for variable, gradient in zip([slope, offset], tape.gradient(loss, [slope, offset])):
            variable.assign_sub(0.1 * gradient)

    for _ in range(STEPS):
        train(X, Y)
    return [slope.numpy(), offset.numpy()]


@pytest.mark.parametrize("fit", [fit_with_a_graph, fit_eagerly, fit_with_a_function])
def test_the_three_styles_find_the_same_line(fit):
    slope, offset = fit()
    np.testing.assert_allclose([slope, offset], [2.0, 1.0], atol=1e-3)


# ------------------------------------------------------------------ tensors and operations


def test_a_tensor_is_an_array_with_a_type():
    matrix = tf.constant([[1, 2], [3, 4]], tf.float32)
    assert repr(tf.reduce_sum(matrix)) == "<tf.Tensor: shape=(), dtype=float32, numpy=10.0>"
    assert matrix.shape == [2, 2] and matrix.dtype is tf.float32
    assert (matrix @ matrix + 1.0)[0].numpy().tolist() == [8.0, 11.0]
    np.testing.assert_array_equal(np.transpose(matrix), [[1, 3], [2, 4]])  # NumPy takes tensors


def test_a_variable_is_state():
    counter = tf.Variable(1)
    counter.assign_add(10)
    assert int(counter) == 11 and (counter * 2).numpy() == 22


def test_a_graph_is_a_list_of_operations():
    with tf.Graph().as_default() as graph:
        x = tf1.placeholder(tf.float32, name="x")
        y = tf.add(tf.square(x), x, name="y")
        assert [operation.type for operation in graph.get_operations()] == ["Placeholder", "Square", "AddV2"]
        assert str(y) == 'Tensor("y:0", dtype=float32)'
        with tf1.Session() as session:  # only what a fetch needs is run, and any tensor can be fed
            assert session.run("y:0", {x: 3.0}) == 12.0
            assert session.run(y, {x: 3.0, y.op.inputs[0]: 100.0}) == 103.0


# ------------------------------------------------------------------ gradients


def test_gradients_of_gradients():
    x = tf.constant(2.0)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = x**3
        first = inner.gradient(y, x)
    assert (float(first), float(outer.gradient(first, x))) == (12.0, 12.0)


def test_symbolic_gradients_are_more_operations():
    with tf.Graph().as_default():
        x = tf1.placeholder(tf.float32, [])
        (gradient,) = tf.gradients(tf.exp(2.0 * x), x)
        with tf1.Session() as session:
            assert session.run(gradient, {x: 0.0}) == 2.0


# ------------------------------------------------------------------ functions


def test_a_function_is_traced_once_per_kind_of_argument():
    traces = []

    @tf.function
    def double(x):
        traces.append(x)  # a Python effect: it happens while tracing only
        return x + x

    assert double(tf.constant(2)).numpy() == 4 and double(tf.constant(5)).numpy() == 10
    assert len(traces) == 1 and str(traces[0]) == 'Tensor("x:0", shape=(), dtype=int32)'
    assert double(tf.constant([1.5, 2.5])).numpy().tolist() == [3.0, 5.0]
    assert len(traces) == 2


def test_loops_and_branches_depend_on_data():
    @tf.function
    def collatz_steps(n):
        def step(n, count):
            return tf.cond(n % 2 == 0, lambda: n // 2, lambda: 3 * n + 1), count + 1

        return tf.while_loop(lambda n, count: n > 1, step, (n, 0))[1]

    assert collatz_steps(tf.constant(27)).numpy() == 111


# ------------------------------------------------------------------ errors, and 1.x programs as they are


def test_a_mistake_is_explained():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[2,3\].*\[2,3\]"):
        tf.matmul(tf.ones([2, 3]), tf.ones([2, 3]))
    with tf.Graph().as_default(), pytest.raises(ValueError, match="[Dd]imensions must be equal"):
        tf.matmul(tf.ones([2, 3]), tf.ones([2, 3]))


def test_a_program_of_version_1():
    """`import everflow.compat.v1 as tf` makes the whole program one of 1.x: no eager execution."""
    program = """
import everflow.compat.v1 as tf
x = tf.placeholder(tf.float32)
with tf.Session() as sess:
    print(sess.run(x * 2, feed_dict={x: [1, 2]}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[2. 4.]\n", "")
