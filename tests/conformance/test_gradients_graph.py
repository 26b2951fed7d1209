"""tf.gradients: symbolic differentiation of graphs."""

import numpy as np
import pytest
import tensorflow as tf

tf1 = tf.compat.v1


def run(fetches, feed=None):
    """Runs in a new session after initialising the variables; arrays become lists."""
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        return tf.nest.map_structure(lambda value: np.asarray(value).tolist(), session.run(fetches, feed))


# ------------------------------------------------------------------ values


def test_gradient_of_a_placeholder(graph):
    x = tf1.placeholder(tf.float32, [])
    gradients = tf.gradients(x * x + 3.0 * x, x)
    assert isinstance(gradients, list) and len(gradients) == 1
    assert isinstance(gradients[0], tf.Tensor)
    assert gradients[0].shape == [] and gradients[0].dtype is tf.float32
    assert run(gradients[0], {x: 2.0}) == 7.0


def test_version_1_name(graph):
    x = tf.constant(2.0)
    (gradient,) = tf1.gradients(x**3, [x])
    assert run(gradient) == 12.0


def test_several_sources_keep_their_order(graph):
    x, y, unused = tf.constant(2.0), tf.constant(5.0), tf.constant(1.0)
    gradients = tf.gradients(x * y * y, [y, unused, x])
    assert gradients[1] is None
    assert run([gradients[0], gradients[2]]) == [20.0, 25.0]


def test_several_targets_add_up(graph):
    x = tf.constant([1.0, 2.0])
    assert run(tf.gradients([x * x, 10.0 * x], x)) == [[12.0, 14.0]]


def test_target_of_any_shape_is_summed(graph):
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    assert run(tf.gradients(x * x, x)[0]) == [[2.0, 4.0], [6.0, 8.0]]
    assert run(tf.gradients(tf.reduce_mean(x), x)[0]) == [[0.25, 0.25], [0.25, 0.25]]


def test_broadcasting_is_undone(graph):
    row, column = tf.constant([1.0, 2.0, 3.0]), tf.constant([[10.0], [20.0]])
    by_row, by_column = tf.gradients(row * column, [row, column])
    assert by_row.shape == [3] and by_column.shape == [2, 1]
    assert run([by_row, by_column]) == [[30.0, 30.0, 30.0], [[6.0], [6.0]]]


def test_unknown_dimensions_are_resolved_when_running(graph):
    x = tf1.placeholder(tf.float32, [None, 2])
    bias = tf1.placeholder(tf.float32, None)
    by_x, by_bias = tf.gradients(tf.nn.relu(x + bias), [x, bias])
    assert by_x.shape.as_list() == [None, 2] and by_bias.shape.rank is None
    values = [[-1.0, 2.0], [3.0, -4.0], [5.0, 6.0]]
    dense = [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    assert run([by_x, by_bias], {x: values, bias: 0.0}) == [dense, 4.0]
    assert run([by_x, by_bias], {x: values, bias: [0.0, 0.0]}) == [dense, [2.0, 2.0]]


def test_source_is_a_target(graph):
    x = tf.constant([2.0, 3.0])
    y = x * 2.0
    assert run(tf.gradients(x, x)) == [[1.0, 1.0]]
    assert run(tf.gradients([y, x], [x, y])) == [[3.0, 3.0], [1.0, 1.0]]


def test_intermediate_results_are_sources(graph):
    x = tf.constant(2.0)
    y = x * x
    z = y * y + x
    assert run(tf.gradients(z, [x, y])) == [33.0, 8.0]


def test_diamond(graph):
    x = tf.constant(2.0)
    left, right = x * 3.0, x * x
    assert run(tf.gradients(left * right, [x, left, right])) == [36.0, 4.0, 6.0]


def test_many_outputs_of_one_operation(graph):
    x = tf.constant([1.0, 2.0, 3.0, 4.0])
    first, second = tf.split(x, 2)
    assert run(tf.gradients(second * 5.0, x)[0]) == [0.0, 0.0, 5.0, 5.0]
    assert run(tf.gradients(first * second, x)[0]) == [3.0, 4.0, 1.0, 2.0]
    a, b, c, _ = tf.unstack(x)
    assert run(tf.gradients(a * b * c, x)[0]) == [6.0, 3.0, 2.0, 0.0]


# ------------------------------------------------------------------ arguments


def test_grad_ys(graph):
    x = tf.constant([1.0, 2.0])
    y, z = x * x, x * 3.0
    weight = tf.constant([10.0, 100.0])
    assert run(tf.gradients(y, x, grad_ys=weight)[0]) == [20.0, 400.0]
    assert run(tf.gradients(y, x, grad_ys=[np.array([10, 100], np.float32)])[0]) == [20.0, 400.0]
    assert run(tf.gradients([y, z], x, grad_ys=[None, weight])[0]) == [32.0, 304.0]
    with pytest.raises(ValueError, match="[Ll]ength"):
        tf.gradients(y, x, grad_ys=[weight, weight])
    with pytest.raises(ValueError, match="[Ll]ength"):
        tf.gradients([y, z], x, grad_ys=weight)


def test_stop_gradients(graph):
    a = tf.constant(0.0)
    b = 2.0 * a
    assert run(tf.gradients(a + b, [a, b])) == [3.0, 1.0]
    assert run(tf.gradients(a + b, [a, b], stop_gradients=[a, b])) == [1.0, 1.0]
    assert run(tf.gradients(a + b, [a], stop_gradients=[b])) == [1.0]
    assert run(tf.gradients(a + b, [a, b], stop_gradients=b)) == [1.0, 1.0]


def test_stop_gradient_operation(graph):
    x = tf.constant(3.0)
    assert run(tf.gradients(x * tf.stop_gradient(x), x)[0]) == 3.0
    assert tf.gradients(tf.stop_gradient(x * x), x) == [None]


def test_unconnected_gradients(graph):
    x, y = tf.constant(1.0), tf.constant([[1.0, 2.0]])
    z = x * 2.0
    assert tf.gradients(z, y) == [None]
    assert tf.gradients(z, [y], unconnected_gradients="none") == [None]
    (zero,) = tf.gradients(z, [y], unconnected_gradients=tf.UnconnectedGradients.ZERO)
    assert run(zero) == [[0.0, 0.0]]
    assert run(tf.gradients(z, [x, y], unconnected_gradients="zero")) == [2.0, [[0.0, 0.0]]]
    with pytest.raises(ValueError, match="nonsense"):
        tf.gradients(z, y, unconnected_gradients="nonsense")
    assert tf.UnconnectedGradients("zero") is tf.UnconnectedGradients.ZERO


@pytest.mark.parametrize("colocate", [False, True])
@pytest.mark.parametrize("gate", [False, True])
@pytest.mark.parametrize("aggregation", [None, 0, 1, 2])
def test_flags_do_not_change_values(graph, colocate, gate, aggregation):
    x = tf.constant(2.0)
    gradients = tf1.gradients(
        x * x + tf.exp(x) * 0.0 + x,
        [x],
        colocate_gradients_with_ops=colocate,
        gate_gradients=gate,
        aggregation_method=aggregation,
    )
    assert run(gradients) == [5.0]


def test_aggregation_method_names(graph):
    assert tf.AggregationMethod.ADD_N == 0 and tf.AggregationMethod.DEFAULT == 0
    assert tf.AggregationMethod.EXPERIMENTAL_TREE == 1
    assert tf.AggregationMethod.EXPERIMENTAL_ACCUMULATE_N == 2
    x = tf.constant(1.0)
    with pytest.raises(ValueError, match="7"):
        tf.gradients(x * x, x, aggregation_method=7)


def test_no_sources(graph):
    assert tf.gradients(tf.constant(1.0), []) == []


def test_numbers_as_sources(graph):
    x = tf.constant(1.0)
    assert tf.gradients(x * 2.0, 3.0) == [None]


def test_eager_execution_is_refused():
    with pytest.raises(RuntimeError, match="GradientTape"):
        tf.gradients(tf.constant(1.0), tf.constant(1.0))


# ------------------------------------------------------------------ types and operations without gradients


def test_integer_paths_end(graph):
    x, i = tf.constant(2.0), tf.constant(3)
    assert tf.gradients(i * i, i) == [None]
    assert tf.gradients(tf.cast(x, tf.int32), x) == [None]
    assert run(tf.gradients(tf.cast(tf.cast(x, tf.int32), tf.float32) * x, x)) == [2.0]
    assert tf.gradients(tf.argmax([x, x]), x) == [None]


def test_operation_without_a_gradient_is_named(graph):
    x = tf.constant([2.0, 3.0])
    unique = tf.unique(x, name="only_once")
    with pytest.raises(LookupError, match="(?s)only_once.*Unique"):
        tf.gradients(unique.y, x)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_gradient_has_the_type_of_its_source(graph, dtype):
    x = tf1.placeholder(dtype, [2])
    (gradient,) = tf.gradients(tf.cast(x * x, tf.float32), x)
    assert gradient.dtype == dtype
    with tf1.Session() as session:
        result = session.run(gradient, {x: np.array([1, 2], dtype)})
    assert result.dtype == dtype and result.tolist() == [2.0, 4.0]


def test_complex_targets_need_grad_ys(graph):
    x = tf.constant(1.0 + 2.0j, tf.complex64)
    with pytest.raises(TypeError, match="grad_ys"):
        tf.gradients(x * x, x)
    (gradient,) = tf.gradients(x * x, x, grad_ys=tf.constant(1.0 + 0.0j, tf.complex64))
    with tf1.Session() as session:
        assert session.run(gradient) == 2.0 - 4.0j


# ------------------------------------------------------------------ higher orders


def test_gradients_of_gradients(graph):
    x = tf1.placeholder(tf.float64, [])
    derivatives = [x**4]
    for _ in range(4):
        derivatives.append(tf.gradients(derivatives[-1], x)[0])
    assert run(derivatives, {x: 2.0}) == [16.0, 32.0, 48.0, 48.0, 24.0]


@pytest.mark.parametrize(
    "function,second",
    [
        (tf.sin, lambda x: -np.sin(x)),
        (tf.exp, np.exp),
        (tf.math.log, lambda x: -1 / x**2),
        (tf.sqrt, lambda x: -0.25 * x**-1.5),
        (tf.tanh, lambda x: -2 * np.tanh(x) * (1 - np.tanh(x) ** 2)),
        (lambda x: tf.nn.softplus(x), lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2),
        (tf.math.reciprocal, lambda x: 2 / x**3),
        (lambda x: x / (1.0 + x), lambda x: -2 / (1 + x) ** 3),
    ],
)
def test_second_derivatives(graph, function, second):
    points = np.array([0.3, 0.7, 1.9])
    x = tf1.placeholder(tf.float64, [3])
    first = tf.gradients(function(x), x)[0]
    with tf1.Session() as session:
        result = session.run(tf.gradients(first, x)[0], {x: points})
    np.testing.assert_allclose(result, second(points), rtol=1e-9)


def test_hessians(graph):
    x = tf.constant([1.0, 2.0])
    y = x[0] ** 2 * x[1]
    (hessian,) = tf.hessians(y, x)
    assert run(hessian) == [[4.0, 2.0], [2.0, 0.0]]


def test_gradient_norm_can_be_trained(graph):
    w = tf1.get_variable("w", initializer=3.0)
    x = tf.constant(2.0)
    slope = tf.gradients(w * w * x, x)[0]
    assert run(tf.gradients(slope**2, w)) == [4 * 27.0]


# ------------------------------------------------------------------ variables and sparse gradients


@pytest.mark.parametrize("use_resource", [False, True])
def test_gradients_of_variables(graph, use_resource):
    v = tf1.get_variable("v", initializer=[1.0, 2.0], use_resource=use_resource)
    w = tf1.get_variable("w", [], initializer=tf1.zeros_initializer(), use_resource=use_resource)
    gradients = tf.gradients(tf.reduce_sum(v * v * 3.0), [v, w])
    assert gradients[1] is None
    assert gradients[0].shape == [2] and gradients[0].dtype is tf.float32
    assert run(gradients[0]) == [6.0, 12.0]
    assert run(tf.gradients(v * v + v, tf1.trainable_variables()[:1])) == [[3.0, 5.0]]


@pytest.mark.parametrize("use_resource", [False, True])
def test_gather_gives_indexed_slices(graph, use_resource):
    table = tf1.get_variable("table", initializer=tf.ones([4, 2]), use_resource=use_resource)
    indices = tf1.placeholder(tf.int32, [None])
    (gradient,) = tf.gradients(tf.reduce_sum(tf.gather(table, indices) * 3.0), table)
    assert isinstance(gradient, tf.IndexedSlices)
    assert gradient.values.shape.as_list() == [None, 2] and gradient.dtype is tf.float32
    assert gradient.graph is graph and gradient.name == gradient.values.name
    assert gradient.op is gradient.values.op
    assert repr(str(gradient)).count("Tensor(") == 3
    feed = {indices: [3, 0, 3]}
    assert run([gradient.indices, gradient.values], feed) == [[3, 0, 3], [[3.0, 3.0]] * 3]
    dense = run(tf.convert_to_tensor(gradient), feed)
    assert dense == [[3.0, 3.0], [0.0, 0.0], [0.0, 0.0], [6.0, 6.0]]


def test_session_fetches_indexed_slices(graph):
    table = tf1.get_variable("table", initializer=tf.ones([4, 2]), use_resource=True)
    (gradient,) = tf.gradients(tf.gather(table, [1, 1]), table)
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        fetched = session.run(gradient)
    assert type(fetched).__name__ == "IndexedSlicesValue" and fetched._fields[0] == "values"
    assert fetched.indices.tolist() == [1, 1] and fetched.values.tolist() == [[1.0, 1.0]] * 2
    assert fetched.dense_shape.tolist() == [4, 2]


def test_sparse_and_dense_gradients_meet(graph):
    table = tf1.get_variable("table", initializer=tf.ones([3, 1]), use_resource=True)
    both = tf.reduce_sum(tf.gather(table, [2, 2])) + tf.reduce_sum(table * table)
    assert run(tf.convert_to_tensor(tf.gradients(both, table)[0])) == [[2.0], [2.0], [4.0]]
    twice = tf.gather(table, [0]) + tf.nn.embedding_lookup(table, [2])
    (gradient,) = tf.gradients(twice, table)
    assert isinstance(gradient, tf.IndexedSlices)
    assert sorted(run(gradient.indices)) == [0, 2]


# ------------------------------------------------------------------ names


def test_names_of_gradient_operations(graph):
    x = tf1.placeholder(tf.float32, [None], name="x")
    y = tf.tanh(tf.exp(x, name="power"), name="squashed")
    first = tf.gradients(y, x)[0]
    assert first.name == "gradients/power_grad/mul:0"
    assert graph.get_operation_by_name("gradients/grad_ys_0").type == "Fill"
    assert graph.get_operation_by_name("gradients/squashed_grad/TanhGrad").type == "TanhGrad"
    second = tf.gradients(y, x)[0]
    assert second.name == "gradients_1/power_grad/mul:0"
    assert tf.gradients(y, x, name="mine")[0].name == "mine/power_grad/mul:0"
    with tf.name_scope("scope"):
        assert tf.gradients(y, x)[0].name == "scope/gradients/power_grad/mul:0"
    assert repr(first) == "<tf.Tensor 'gradients/power_grad/mul:0' shape=(None,) dtype=float32>"


def test_sums_are_called_add_n(graph):
    x = tf.constant(2.0)
    (gradient,) = tf.gradients(tf.exp(x) + tf.sin(x), x)
    assert gradient.op.type == "AddN" and gradient.name == "gradients/AddN:0"
    assert len(gradient.op.inputs) == 2


# ------------------------------------------------------------------ functions and devices


def test_inside_a_function():
    @tf.function
    def derivative(x):
        y = x * x * x
        return tf.gradients(tf.gradients(y, x)[0], x)[0], tf.gradients(y, x, grad_ys=2.0 * y)[0]

    second, weighted = derivative(tf.constant(2.0))
    assert (float(second), float(weighted)) == (12.0, 192.0)


def test_through_a_function_call(graph):
    @tf.function
    def cube(x):
        return x**3, x

    x = tf.constant(2.0)
    y, same = cube(x)
    first = tf.gradients(y, x)[0]
    assert run([first, tf.gradients(first, x)[0], tf.gradients(same, x)[0]]) == [12.0, 12.0, 1.0]


def test_gradients_use_values_at_their_time(graph):
    v = tf1.get_variable("v", initializer=3.0, use_resource=True)
    gradient = tf.gradients(v * v, v)[0]
    with tf1.Session() as session:
        session.run(v.initializer)
        assert session.run(gradient) == 6.0
        session.run(v.assign(5.0))
        assert session.run(gradient) == 10.0


def test_graph_of_another_default(graph):
    x = tf.constant(2.0)
    y = x * x
    with tf.Graph().as_default():
        with graph.as_default():
            gradient = tf.gradients(y, x)[0]
    assert gradient.graph is graph
    assert run(gradient) == 4.0


def test_linear_regression_step_by_hand(graph):
    inputs = np.array([[1.0], [2.0], [3.0]], np.float32)
    targets = 2.0 * inputs - 1.0
    x, t = tf1.placeholder(tf.float32, [None, 1]), tf1.placeholder(tf.float32, [None, 1])
    w = tf1.get_variable("w", initializer=[[0.0]])
    b = tf1.get_variable("b", initializer=[0.0])
    loss = tf.reduce_mean((tf.matmul(x, w) + b - t) ** 2)
    step = tf.group(
        *[
            variable.assign_sub(0.1 * gradient)
            for variable, gradient in zip([w, b], tf.gradients(loss, [w, b]), strict=True)
        ]
    )
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        for _ in range(300):
            session.run(step, {x: inputs, t: targets})
        np.testing.assert_allclose(session.run(w), [[2.0]], atol=1e-2)
        np.testing.assert_allclose(session.run(b), [-1.0], atol=2e-2)
