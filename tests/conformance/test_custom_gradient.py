"""Gradients that the user states: custom_gradient, stop_gradient, registered and overridden gradients."""

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


def derivative(function, *arguments):
    """Gradients of the sum of `function(*arguments)` for each argument."""
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        result = function(*arguments)
    return tape.gradient(result, list(arguments))


def wrong_square():
    """x², whose gradient is said to be 7 times what arrives."""

    @tf.custom_gradient
    def square(x):
        def gradient(upstream):
            return upstream * 7.0

        return x * x, gradient

    return square


# ------------------------------------------------------------------ custom_gradient, the three ways


def test_value_and_gradient(evaluate):
    square = wrong_square()

    def both(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = square(x) * 2.0
        return y, tape.gradient(y, x)

    value, gradient = evaluate(both, np.float32(3.0))
    assert value == 18.0 and gradient == 14.0


def test_symbolic_gradient(graph):
    x = tf1.placeholder(tf.float32, [None])
    y = wrong_square()(x)
    (gradient,) = tf.gradients(y, x)
    with tf1.Session() as session:
        results = session.run([y, gradient], {x: [1.0, 2.0]})
    assert [result.tolist() for result in results] == [[1.0, 4.0], [7.0, 7.0]]


def test_log1pexp_is_stable(evaluate):
    """The example of the documentation: log(1 + exp(x))."""

    @tf.custom_gradient
    def log1pexp(x):
        e = tf.exp(x)

        def gradient(upstream):
            return upstream * (1 - 1 / (1 + e))

        return tf.math.log(1 + e), gradient

    def plain(x):
        return tf.math.log(1 + tf.exp(x))

    def slopes(x):
        return derivative(log1pexp, x)[0], derivative(plain, x)[0]

    stable, unstable = evaluate(slopes, np.float32(100.0))
    assert stable == 1.0 and np.isnan(unstable)


def test_name_is_kept():
    def doubled(x):
        """Twice x."""
        return 2.0 * x, lambda upstream: upstream

    decorated = tf.custom_gradient(doubled)
    assert decorated.__name__ == "doubled" and decorated.__doc__ == "Twice x."
    assert callable(decorated)


def test_arguments_become_tensors():
    kinds = []

    @tf.custom_gradient
    def f(x, n):
        kinds.append((tf.is_tensor(x), tf.is_tensor(n)))
        return x * n, lambda upstream: (upstream * 100.0, None)

    assert f(2.0, 3.0).numpy() == 6.0
    x = tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = f(x, 3)
    assert float(tape.gradient(y, x)) == 100.0
    assert kinds[1][0] is True


def test_several_arguments_and_results(evaluate):
    @tf.custom_gradient
    def f(x, y):
        def gradient(by_product, by_sum):
            return by_product * 2.0 + by_sum * 20.0, by_product * 3.0 + by_sum * 30.0

        return (x * y, x + y), gradient

    def both(x, y):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([x, y])
            product, total = f(x, y)
            weighted = product * 10.0
        return tape.gradient(weighted, [x, y]), tape.gradient([weighted, total], [x, y]), product, total

    one, two, product, total = evaluate(both, np.float32(2.0), np.float32(3.0))
    assert list(one) == [20.0, 30.0] and list(two) == [40.0, 60.0]
    assert (product, total) == (6.0, 5.0)


def test_none_stops_a_path(evaluate):
    @tf.custom_gradient
    def f(x, y):
        return x * y, lambda upstream: (upstream, None)

    def gradients(x, y):
        by_x, by_y = derivative(f, x, y)
        assert by_y is None
        return by_x

    assert evaluate(gradients, np.float32(2.0), np.float32(3.0)) == 1.0


def test_number_of_gradients_is_checked():
    @tf.custom_gradient
    def f(x, y):
        return x * y, lambda upstream: upstream

    with pytest.raises(ValueError, match="2 gradients.*1"):
        derivative(f, tf.constant(2.0), tf.constant(3.0))


def test_structures():
    @tf.custom_gradient
    def f(parts):
        def gradient(by_a, by_b):
            return {"x": by_a * 5.0, "y": by_b * 50.0}

        return {"a": parts["x"] * 2.0, "b": parts["y"] * 3.0}, gradient

    parts = {"x": tf.constant(1.0), "y": tf.constant(2.0)}
    with tf.GradientTape() as tape:
        tape.watch(parts)
        result = f(parts)
    assert set(result) == {"a", "b"}
    gradients = tape.gradient(result, parts)
    assert (float(gradients["x"]), float(gradients["y"])) == (5.0, 50.0)


# ------------------------------------------------------------------ keywords and variables


def test_keywords_in_eager_execution():
    @tf.custom_gradient
    def f(x, *, factor=1.0):
        return x * factor, lambda upstream: upstream * factor * 2.0

    assert float(derivative(lambda x: f(x, factor=5.0), tf.constant(3.0))[0]) == 10.0
    with pytest.raises(TypeError, match="nonsense"):
        f(tf.constant(1.0), nonsense=1)


def test_keywords_are_refused_in_graphs(graph):
    @tf.custom_gradient
    def f(x, factor=1.0):
        return x * factor, lambda upstream: upstream

    with pytest.raises(ValueError, match="keyword"):
        f(tf.constant(1.0), factor=2.0)


def test_variables_argument():
    v = tf.Variable(3.0)
    seen = []

    @tf.custom_gradient
    def f(x):
        def gradient(upstream, variables=None):
            seen.extend(variables)
            return upstream * 10.0, [upstream * 100.0 for _ in variables]

        return x * v, gradient

    x = tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    assert [float(g) for g in tape.gradient(y, [x, v])] == [10.0, 100.0]
    assert len(seen) == 1 and seen[0] is v


def test_variables_argument_in_a_function():
    v = tf.Variable(3.0)

    @tf.custom_gradient
    def f(x):
        def gradient(upstream, variables=None):
            return upstream * 10.0, [upstream * 100.0 for _ in variables]

        return x * v, gradient

    @tf.function
    def gradients(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = f(x)
        return tape.gradient(y, [x, v])

    assert [float(g) for g in gradients(tf.constant(2.0))] == [10.0, 100.0]


def test_variables_argument_in_a_graph(graph):
    x = tf.constant(2.0)
    v = tf1.get_variable("v", initializer=3.0, use_resource=True)

    @tf.custom_gradient
    def f(x):
        def gradient(upstream, variables=None):
            assert [variable.name for variable in variables] == ["v:0"]
            return upstream * 10.0, [upstream * 100.0 for _ in variables]

        with tf1.variable_scope("", reuse=True):
            return x * tf1.get_variable("v", use_resource=True), gradient

    y = f(x)
    gradients = tf.gradients(y, [x, v])
    with tf1.Session() as session:
        session.run(v.initializer)
        assert session.run([y, *gradients]) == [6.0, 10.0, 100.0]


def test_variables_need_the_argument():
    v = tf.Variable(3.0)

    @tf.custom_gradient
    def f(x):
        return x * v, lambda upstream: upstream

    with tf.GradientTape() as tape, pytest.raises(TypeError, match="variables"):
        x = tf.constant(1.0)
        tape.watch(x)
        f(x)


def test_variable_as_an_argument():
    v = tf.Variable(2.0)

    @tf.custom_gradient
    def f(x):
        return x * 2.0, lambda upstream: upstream * 9.0

    with tf.GradientTape() as tape:
        y = f(v)
    assert float(y) == 4.0 and float(tape.gradient(y, v)) == 9.0


# ------------------------------------------------------------------ higher orders


def test_the_gradient_is_differentiated():
    @tf.custom_gradient
    def cube(x):
        return x**3, lambda upstream: upstream * 3.0 * x * x

    x = tf.constant(2.0)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = cube(x)
        first = inner.gradient(y, x)
    assert float(first) == 12.0 and float(outer.gradient(first, x)) == 12.0


def test_nested_custom_gradients(evaluate):
    """A custom gradient of the gradient."""

    @tf.custom_gradient
    def f(x):
        @tf.custom_gradient
        def first_order(x):
            return 3.0 * x * x, lambda upstream: upstream * 1000.0

        return x**3, lambda upstream: upstream * first_order(x)

    def orders(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = f(x)
            first = inner.gradient(y, x)
        return first, outer.gradient(first, x)

    assert evaluate(orders, np.float32(2.0)) == (12.0, 1000.0)


def test_composition_of_custom_gradients():
    square = wrong_square()
    assert float(derivative(lambda x: square(square(x)), tf.constant(2.0))[0]) == 49.0


def test_function_with_a_custom_gradient_inside_a_tape_outside():
    square = wrong_square()

    @tf.function
    def f(x):
        return square(x) + x

    assert float(derivative(f, tf.constant(5.0))[0]) == 8.0


def test_function_inside_a_custom_gradient():
    @tf.custom_gradient
    def f(x):
        return tf.function(tf.square)(x), tf.function(lambda upstream: upstream * 5.0)

    assert float(derivative(f, tf.constant(3.0))[0]) == 5.0


def test_custom_gradient_of_a_clipped_identity(evaluate):
    @tf.custom_gradient
    def clip_gradient(x):
        return tf.identity(x), lambda upstream: tf.clip_by_value(upstream, -1.0, 1.0)

    def gradient(x):
        return derivative(lambda x: clip_gradient(x) * tf.constant([0.5, 5.0, -7.0]), x)[0]

    assert evaluate(gradient, np.ones(3, np.float32)).tolist() == [0.5, 1.0, -1.0]


# ------------------------------------------------------------------ stop_gradient and its relatives


def test_stop_gradient(evaluate):
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = x * tf.stop_gradient(x) + tf.stop_gradient(x * x) + x
        return tape.gradient(y, x), y

    gradient, value = evaluate(gradient, np.float32(3.0))
    assert gradient == 4.0 and value == 21.0


def test_prevent_gradient():
    x = tf.constant(1.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.raw_ops.PreventGradient(input=x, message="not this way")
    with pytest.raises(LookupError, match="not this way"):
        tape.gradient(y, x)


def test_grad_pass_through(evaluate):
    step = tf.grad_pass_through(lambda x: tf.cast(x > 0.0, tf.float32) * 5.0)

    def both(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = step(x) * 3.0
        return y, tape.gradient(y, x)

    value, gradient = evaluate(both, np.array([-1.0, 2.0], np.float32))
    assert value.tolist() == [0.0, 15.0] and gradient.tolist() == [3.0, 3.0]


def test_recompute_grad():
    v = tf.Variable(3.0)
    calls = []

    def layer(x):
        calls.append(1)
        return tf.sin(x) * v

    checkpointed = tf.recompute_grad(layer)
    x = tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = checkpointed(x)
    assert len(calls) == 1
    gradients = tape.gradient(y, [x, v])
    assert len(calls) == 2
    np.testing.assert_allclose(gradients, [3 * np.cos(2.0), np.sin(2.0)], rtol=1e-6)
    np.testing.assert_allclose(y, 3 * np.sin(2.0), rtol=1e-6)


# ------------------------------------------------------------------ registered gradients


@tf.RegisterGradient("ConformanceFortyTwo")
def _forty_two(op, gradient):
    assert op.type == "Square" and len(op.inputs) == 1 and len(op.outputs) == 1
    return gradient * 42.0


@tf.RegisterGradient("ConformanceTwoInputs")
def _two_inputs(op, gradient):
    return [gradient * op.inputs[1] * 100.0, None]


def test_gradient_override_map(graph):
    x = tf.constant(2.0)
    with graph.gradient_override_map({"Square": "ConformanceFortyTwo"}):
        inside = tf.square(x)
    outside = tf.square(x)
    assert inside.op.get_attr("_gradient_op_type") == b"ConformanceFortyTwo"
    with tf1.Session() as session:
        assert session.run(tf.gradients(inside, x)) == [42.0]
        assert session.run(tf.gradients(outside, x)) == [4.0]
        assert session.run([inside, outside]) == [4.0, 4.0]


def test_gradient_override_with_missing_gradients(graph):
    x, y = tf.constant(2.0), tf.constant(3.0)
    with graph.gradient_override_map({"Mul": "ConformanceTwoInputs"}):
        z = x * y
    gradients = tf.gradients(z, [x, y])
    assert gradients[1] is None
    with tf1.Session() as session:
        assert session.run(gradients[0]) == 300.0


def test_gradient_override_map_is_checked(graph):
    for bad in ([1], {1: "a"}, {"a": 1}):
        with pytest.raises(TypeError), graph.gradient_override_map(bad):
            pass
    with graph.gradient_override_map({"Exp": "NobodyRegisteredThis"}):
        y = tf.exp(tf.constant(1.0))
    with pytest.raises(LookupError, match="Exp"):
        tf.gradients(y, y.op.inputs[0])


def test_override_maps_nest(graph):
    x = tf.constant(3.0)
    with graph.gradient_override_map({"Square": "ConformanceFortyTwo"}):
        with graph.gradient_override_map({"Square": "Identity"}):
            inner = tf.square(x)
        outer = tf.square(x)
    with tf1.Session() as session:
        assert session.run(tf.gradients([inner], x)) == [1.0]
        assert session.run(tf.gradients([outer], x)) == [42.0]


def test_registering_twice_is_refused():
    with pytest.raises(KeyError, match="ConformanceFortyTwo"):
        tf.RegisterGradient("ConformanceFortyTwo")(lambda op, gradient: gradient)
    with pytest.raises(TypeError, match="string"):
        tf.RegisterGradient(3)
    with pytest.raises(TypeError):
        tf.no_gradient(3)


def test_not_differentiable(graph):
    tf1.NotDifferentiable("ConformanceConstantLike")
    with graph.gradient_override_map({"Exp": "ConformanceConstantLike"}):
        x = tf.constant(1.0)
        y = tf.exp(x)
    assert tf.gradients(y, x) == [None]
    tf.no_gradient("ConformanceAnotherConstantLike")
