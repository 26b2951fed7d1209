"""tf.cond, tf.case, tf.switch_case, tf.while_loop and the functions made of them; groups and dependencies."""

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


def float32(value):
    return np.asarray(value, np.float32)


def slope(function, x):
    """Derivative of a scalar function, by tape (in every way of running)."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tape.gradient(y, x)


# ------------------------------------------------------------------ cond


@pytest.mark.parametrize("predicate,expected", [(True, 8.0), (False, -2.0)])
def test_cond(evaluate, predicate, expected):
    result = evaluate(lambda p, x: tf.cond(p, lambda: x**3, lambda: -x), predicate, float32(2.0))
    assert result == expected and result.dtype == np.float32


def test_cond_runs_one_branch():
    log = []
    assert tf.cond(tf.constant(True), lambda: log.append("yes"), lambda: log.append("no")) is None
    assert log == ["yes"]
    assert tf.cond(False, lambda: 1, lambda: 2) == 2


def test_cond_of_structures(evaluate):
    def f(p, x):
        return tf.cond(p, lambda: {"a": x, "b": (x + 1, [x + 2])}, lambda: {"a": -x, "b": (-x, [x * 0])})

    result = evaluate(f, True, np.int32(5))
    assert result["a"] == 5 and result["b"][0] == 6 and result["b"][1][0] == 7
    assert evaluate(f, False, np.int32(5))["a"] == -5


def test_cond_nests(evaluate):
    def classify(x):
        return tf.cond(x < 0, lambda: -1, lambda: tf.cond(tf.equal(x, 0), lambda: 0, lambda: 1))

    for number, expected in ((-3, -1), (0, 0), (7, 1)):
        assert evaluate(classify, np.int32(number)) == expected


def test_cond_merges_shapes(graph):
    p = tf1.placeholder(tf.bool, [])
    assert tf.cond(p, lambda: tf.constant([1]), lambda: tf.constant([1, 2])).shape.as_list() == [None]
    assert tf.cond(p, lambda: tf.constant([1]), lambda: tf.constant([[1]])).shape.rank is None
    assert tf.cond(p, lambda: tf.zeros([2, 3]), lambda: tf.zeros([2, 4])).shape.as_list() == [2, None]
    assert tf.cond(p, lambda: 1.0, lambda: tf.constant(2.0)).dtype is tf.float32


@pytest.mark.parametrize(
    "yes,no",
    [
        (lambda: tf.constant(1), lambda: tf.constant(2.0)),
        (lambda: tf.constant(1), lambda: [tf.constant(1)]),
        (lambda: {"a": tf.constant(1)}, lambda: {"b": tf.constant(1)}),
    ],
)
def test_branches_of_cond_must_agree(graph, yes, no):
    with pytest.raises(TypeError, match="true_fn"):
        tf.cond(tf1.placeholder(tf.bool, []), yes, no)


def test_bad_arguments_of_cond():
    with pytest.raises(TypeError, match="true_fn"):
        tf.cond(tf.constant(True), tf.constant(1), lambda: tf.constant(2))
    with pytest.raises(TypeError, match="false_fn"):
        tf.cond(tf.constant(True), lambda: tf.constant(1), 2)
    with tf.Graph().as_default(), pytest.raises(TypeError, match="bool"):
        tf.cond(True, lambda: tf.constant(1), lambda: tf.constant(2))


@pytest.mark.parametrize("x,expected", [(2.0, (12.0, 12.0, 6.0)), (-2.0, (1.0, 0.0, 0.0))])
def test_gradients_through_cond(evaluate, x, expected):
    def f(x):
        return tf.cond(x > 0, lambda: x**3, lambda: x + 5.0)

    def orders(x):
        def first(x):
            return slope(f, x)

        def second(x):
            return slope(first, x)

        return first(x), second(x), slope(second, x)

    if x < 0:
        first = evaluate(lambda x: slope(f, x), float32(x))
        assert first == 1.0
    else:
        np.testing.assert_allclose(evaluate(orders, float32(x)), expected)


def test_symbolic_gradients_through_cond(graph):
    x = tf1.placeholder(tf.float32, [])
    y = tf.cond(x > 0, lambda: x**3, lambda: -x)
    first = tf.gradients(y, x)[0]
    second = tf.gradients(first, x)[0]
    with tf1.Session() as session:
        assert session.run([y, first, second], {x: 2.0}) == [8.0, 12.0, 12.0]
        assert session.run([y, first, second], {x: -2.0}) == [2.0, -1.0, 0.0]


def test_captured_values_of_one_branch_get_zero(graph):
    x, w = tf.constant(2.0), tf.constant([1.0, 2.0])
    p = tf1.placeholder(tf.bool, [])
    y = tf.cond(p, lambda: tf.reduce_sum(w) * x, lambda: x * 10.0)
    gradients = tf.gradients(y, [x, w])
    with tf1.Session() as session:
        by_x, by_w = session.run(gradients, {p: False})
        assert by_x == 10.0 and by_w.tolist() == [0.0, 0.0]
        by_x, by_w = session.run(gradients, {p: True})
        assert by_x == 3.0 and by_w.tolist() == [2.0, 2.0]


def test_assignments_in_branches():
    v = tf.Variable(1.0)

    @tf.function
    def f(p):
        tf.cond(p, lambda: v.assign_add(10.0), lambda: v.assign(v * 100.0))
        return v + 0.0

    assert [float(f(tf.constant(p))) for p in (True, False, True)] == [11.0, 1100.0, 1110.0]


def test_assignments_in_branches_of_a_graph(graph):
    v = tf1.get_variable("v", initializer=1.0, use_resource=True)
    p = tf1.placeholder(tf.bool, [])
    step = tf.cond(p, lambda: v.assign_add(10.0).read_value(), lambda: v.assign(0.0).read_value())
    with tf1.Session() as session:
        session.run(v.initializer)
        results = [session.run(step, {p: value}) for value in (True, True, False, True)]
        assert results == [11.0, 21.0, 0.0, 10.0]


# ------------------------------------------------------------------ case and switch_case


def test_case(evaluate):
    def f(x):
        return tf.case([(x < 0, lambda: -1), (x < 10, lambda: 0), (x < 100, lambda: 1)], default=lambda: 2)

    assert [int(evaluate(f, np.int32(n))) for n in (-5, 5, 50, 500)] == [-1, 0, 1, 2]


def test_case_without_default():
    false, true = tf.constant(False), tf.constant(True)
    assert tf.case([(false, lambda: 1), (true, lambda: 2)]) == 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="(?s)None of.*conditions"):
        tf.case([(false, lambda: 1), (false, lambda: 2)])
    with pytest.raises(TypeError):
        tf.case([1])
    with pytest.raises(TypeError):
        tf.case([(True, lambda: 1)])


def test_exclusive_case(graph):
    a, b = tf1.placeholder(tf.bool, []), tf1.placeholder(tf.bool, [])
    pairs = [(a, lambda: tf.constant(1)), (b, lambda: tf.constant(2))]
    first, exclusive = tf.case(pairs), tf.case(pairs, exclusive=True, default=lambda: tf.constant(3))
    with tf1.Session() as session:
        assert session.run(first, {a: True, b: True}) == 1
        assert session.run([first, exclusive], {a: False, b: True}) == [2, 2]
        assert session.run(exclusive, {a: False, b: False}) == 3


def test_switch_case(evaluate):
    def f(i):
        return tf.switch_case(i, [lambda: 10, lambda: 20, lambda: 30])

    assert [int(evaluate(f, np.int32(i))) for i in (0, 1, 2, 7, -1)] == [10, 20, 30, 30, 30]


def test_switch_case_with_keys():
    branches = {0: lambda: "a", 1: lambda: "b"}
    assert tf.switch_case(tf.constant(1), branches) == "b"
    assert tf.switch_case(tf.constant(5), branches, default=lambda: "else") == "else"
    with pytest.raises(ValueError, match="contiguous"):
        tf.switch_case(tf.constant(1), {3: lambda: 1, 5: lambda: 2})
    with pytest.raises(TypeError, match="branch_index"):
        tf.switch_case(1, branches)
    with pytest.raises(TypeError, match="branch_index"):
        tf.switch_case(tf.constant(1.0), branches)


def test_gradients_through_switch_case(graph):
    i, x = tf1.placeholder(tf.int32, []), tf.constant(3.0)
    y = tf.switch_case(i, [lambda: x, lambda: x**2, lambda: x**3])
    with tf1.Session() as session:
        gradient = tf.gradients(y, x)[0]
        assert [session.run(gradient, {i: k}) for k in range(3)] == [1.0, 6.0, 27.0]
    with pytest.raises(TypeError):
        tf.switch_case(i, [lambda: tf.constant(1), lambda: tf.constant(2.0)])


# ------------------------------------------------------------------ while_loop


def power(x, n):
    """x**n by repeated multiplication, a loop whose length depends on data."""
    _, y = tf.while_loop(lambda i, y: i < n, lambda i, y: (i + 1, y * x), (tf.constant(0), tf.ones_like(x)))
    return y


@pytest.mark.parametrize("n", [0, 1, 5])
def test_while_loop_of_data_dependent_length(evaluate, n):
    assert evaluate(power, float32(2.0), np.int32(n)) == 2.0**n


@pytest.mark.parametrize("n,first,second", [(5, 80.0, 160.0), (3, 12.0, 12.0), (2, 4.0, 2.0)])
def test_gradients_through_while_loop(evaluate, n, first, second):
    def orders(x, n):
        def gradient(x):
            return slope(lambda x: power(x, n), x)

        return gradient(x), slope(gradient, x)

    np.testing.assert_allclose(evaluate(orders, float32(2.0), np.int32(n)), [first, second])


def test_symbolic_gradients_through_while_loop(graph):
    x, n = tf1.placeholder(tf.float32, []), tf1.placeholder(tf.int32, [])
    y = power(x, n)
    first = tf.gradients(y, x)[0]
    second = tf.gradients(first, x)[0]
    with tf1.Session() as session:
        assert session.run([y, first, second], {x: 2.0, n: 5}) == [32.0, 80.0, 160.0]
        assert session.run([y, first, second], {x: 2.0, n: 0}) == [1.0, 0.0, 0.0]


def test_structures_of_loop_variables(evaluate):
    def f(start):
        def body(i, state):
            return i + 1, {"a": state["a"] * 2, "rest": [state["rest"][0] + i, (state["rest"][1][0],)]}

        state = {"a": start, "rest": [tf.constant(0), (tf.constant("kept"),)]}
        return tf.while_loop(lambda i, state: i < 4, body, [tf.constant(0), state])

    i, state = evaluate(f, float32([1.0, 3.0]))
    assert i == 4 and state["a"].tolist() == [16.0, 48.0] and state["rest"][0] == 6
    assert state["rest"][1][0] == b"kept" and isinstance(state["rest"][1], tuple)


def test_structure_of_the_result(graph):
    loop = [lambda i: i < 3, lambda i: (i + 1,), [tf.constant(0)]]
    assert isinstance(tf.while_loop(*loop), list)
    assert isinstance(tf1.while_loop(*loop), tf.Tensor)
    assert isinstance(tf1.while_loop(*loop, return_same_structure=True), list)
    assert isinstance(tf.while_loop(*loop[:2], (tf.constant(0),)), tuple)


def test_loops_nest(evaluate):
    def f(n):
        def outer(i, total):
            _, total = tf.while_loop(lambda j, _: j < i, lambda j, t: (j + 1, t + i * j), (0, total))
            return i + 1, total

        return tf.while_loop(lambda i, _: i < n, outer, (0, 0))[1]

    expected = sum(i * j for i in range(6) for j in range(i))
    assert evaluate(f, np.int32(6)) == expected


def test_cond_in_a_loop_and_its_gradient(evaluate):
    """Collatz-like: the branch depends on the loop variable."""

    def f(x):
        def body(i, y):
            return i + 1, tf.cond(tf.equal(i % 2, 0), lambda: y * x, lambda: y + x)

        return tf.while_loop(lambda i, y: i < 4, body, (tf.constant(0), x))[1]

    # x*x, +x, *x, +x: x³ + x² + x
    value, gradient = evaluate(lambda x: (f(x), slope(f, x)), float32(3.0))
    assert (value, gradient) == (39.0, 34.0)


def test_maximum_iterations(evaluate):
    def f(x):
        return tf.while_loop(lambda i, y: i < 100, lambda i, y: (i + 1, y * x), (0, x), maximum_iterations=3)

    i, y = evaluate(f, float32(2.0))
    assert (i, y) == (3, 16.0)
    _, gradient = evaluate(lambda x: (x, slope(lambda x: f(x)[1], x)), float32(2.0))
    assert gradient == 32.0


def test_shape_invariants(graph):
    def grow(**options):
        start = [tf.constant(0), tf.ones([1, 2])]
        return tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, tf.concat([x, x], 0)), start, **options)

    with pytest.raises(ValueError, match="(?s)shape.*shape_invariants"):
        grow()
    i, x = grow(shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, 2])])
    assert i.shape == [] and x.shape.as_list() == [None, 2]
    gradient_source = tf.constant(1.0)
    _, y = tf.while_loop(
        lambda i, y: i < 2,
        lambda i, y: (i + 1, tf.concat([y, y * gradient_source], 0)),
        [tf.constant(0), tf.fill([1], 3.0) * gradient_source],
        shape_invariants=[tf.TensorShape([]), tf.TensorShape([None])],
    )
    slope = tf.gradients(y, gradient_source)[0]
    with tf1.Session() as session:
        assert session.run(x).shape == (8, 2)
        assert session.run(slope) == 3.0 * (1 + 2 + 2 + 3)


@pytest.mark.parametrize(
    "body,error",
    [
        (lambda i, x: (i + 1, tf.cast(x, tf.int32)), TypeError),
        (lambda i, x: (i + 1, tf.zeros([3])), ValueError),
        (lambda i, x: (i + 1,), ValueError),
        (lambda i, x: (i + 1, x, x), ValueError),
        (lambda i, x: (i + 1, {"a": x}), ValueError),
    ],
)
def test_bodies_that_change_their_variables(graph, body, error):
    with pytest.raises(error):
        tf.while_loop(lambda i, x: i < 3, body, [tf.constant(0), tf.ones([2])])


def test_bad_arguments_of_while_loop():
    with pytest.raises(TypeError, match="cond"):
        tf.while_loop(3, lambda i: (i,), [tf.constant(0)])
    with pytest.raises(TypeError, match="body"):
        tf.while_loop(lambda i: i < 3, 3, [tf.constant(0)])
    with pytest.raises(ValueError, match="loop_vars"):
        tf.while_loop(lambda: True, lambda: (), [])


def test_variables_in_loops():
    v = tf.Variable(1.0)

    @tf.function
    def f(n):
        def body(i):
            v.assign(v * 2.0 + tf.cast(i, tf.float32))
            return (i + 1,)

        tf.while_loop(lambda i: i < n, body, (tf.constant(0),))
        return v + 0.0

    assert float(f(tf.constant(4))) == 27.0
    assert float(f(tf.constant(1))) == 54.0


def test_gradient_of_a_variable_read_in_a_loop():
    v = tf.Variable([2.0, 3.0])

    @tf.function
    def f(n):
        with tf.GradientTape() as tape:
            _, y = tf.while_loop(lambda i, y: i < n, lambda i, y: (i + 1, y * v), (0, tf.ones([2])))
            loss = tf.reduce_sum(y)
        return tape.gradient(loss, v)

    assert f(tf.constant(3)).numpy().tolist() == [12.0, 27.0]


def test_recurrent_network_gradient(evaluate):
    """A loop with matrices and a TensorArray, against the same written out."""
    rng = np.random.RandomState(0)
    inputs, w, u = rng.randn(5, 2, 3), rng.randn(3, 4) * 0.5, rng.randn(4, 4) * 0.5

    def looped(w, u):
        xs = tf.TensorArray(tf.float64, 5).unstack(tf.constant(inputs))
        outputs = tf.TensorArray(tf.float64, 5)

        def body(t, h, outputs):
            h = tf.tanh(xs.read(t) @ w + h @ u)
            return t + 1, h, outputs.write(t, h)

        state = (tf.constant(0), tf.zeros([2, 4], tf.float64), outputs)
        _, _, outputs = tf.while_loop(lambda t, *_: t < 5, body, state)
        return tf.reduce_sum(outputs.stack() ** 2)

    def unrolled(w, u):
        h, total = tf.zeros([2, 4], tf.float64), 0.0
        for t in range(5):
            h = tf.tanh(tf.constant(inputs[t]) @ w + h @ u)
            total += tf.reduce_sum(h**2)
        return total

    def gradients(function):
        def run(w, u):
            with tf.GradientTape() as tape:
                tape.watch([w, u])
                y = function(w, u)
            return [y, *tape.gradient(y, [w, u])]

        return run

    for a, b in zip(evaluate(gradients(looped), w, u), evaluate(gradients(unrolled), w, u), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_back_prop_off(graph):
    x = tf.constant(2.0)
    (y,) = tf.nest.map_structure(
        tf.stop_gradient, tf.while_loop(lambda y: y < 100.0, lambda y: (y * x,), (tf.constant(1.0),))
    )
    assert tf.gradients(y, x) == [None]
    with tf1.Session() as session:
        assert session.run(y) == 128.0


# ------------------------------------------------------------------ map_fn, folds, scan


def test_map_fn(evaluate):
    def f(x):
        both = tf.map_fn(lambda row: (tf.reduce_sum(row), -row), x, fn_output_signature=(tf.int32, tf.int32))
        return tf.map_fn(lambda row: row * row, x), both

    squares, (sums, negatives) = evaluate(f, np.array([[1, 2], [3, 4]], np.int32))
    assert squares.tolist() == [[1, 4], [9, 16]]
    assert sums.tolist() == [3, 7] and negatives.tolist() == [[-1, -2], [-3, -4]]


def test_map_fn_types_and_several_inputs():
    x, y = tf.constant([1, 2, 3]), tf.constant([4, 5, 6])
    products = tf.map_fn(lambda pair: pair[0] * pair[1], (x, y), fn_output_signature=tf.int32)
    assert products.numpy().tolist() == [4, 10, 18]
    floats = tf.map_fn(lambda n: tf.cast(n, tf.float32), x, fn_output_signature=tf.float32)
    assert floats.dtype is tf.float32
    assert tf.map_fn(lambda n: n, tf.zeros([0, 2])).shape[0] == 0
    with pytest.raises(ValueError):
        tf.map_fn(lambda n: n, tf.constant(1))


def test_gradient_through_map_fn(evaluate):
    gradient = evaluate(lambda x: slope(lambda x: tf.map_fn(lambda row: row**3, x), x), float32([1.0, 2.0]))
    assert gradient.tolist() == [3.0, 12.0]


def test_folds(evaluate):
    def f(x):
        def step(a, n):
            return a * 10 + n

        return tf.foldl(step, x), tf.foldr(step, x), tf.foldl(step, x, initializer=7), tf.foldr(step, x, 7)

    assert [int(n) for n in evaluate(f, np.array([1, 2, 3], np.int32))] == [123, 321, 7123, 7321]


def test_scan(evaluate):
    def f(x):
        fibonacci = tf.scan(lambda a, _: (a[1], a[0] + a[1]), tf.zeros(6), initializer=(0, 1))
        return (
            tf.scan(lambda a, n: a + n, x),
            tf.scan(lambda a, n: a + n, x, initializer=10.0),
            tf.scan(lambda a, n: a + n, x, reverse=True),
            fibonacci[1],
        )

    sums, shifted, backward, fibonacci = evaluate(f, float32([1.0, 2.0, 3.0]))
    assert sums.tolist() == [1, 3, 6] and shifted.tolist() == [11, 13, 16] and backward.tolist() == [6, 5, 3]
    assert fibonacci.tolist() == [1, 2, 3, 5, 8, 13]


def test_gradient_through_scan(evaluate):
    def f(x):
        return tf.scan(lambda a, n: a * n, x)[-1]

    assert evaluate(lambda x: slope(f, x), float32([2.0, 3.0, 4.0])).tolist() == [12.0, 8.0, 6.0]


# ------------------------------------------------------------------ groups and control dependencies


def test_group(graph):
    v, w = (tf1.get_variable(name, initializer=0, use_resource=True) for name in "vw")
    both = tf.group(v.assign_add(1), [w.assign_add(10)], name="both")
    assert isinstance(both, tf.Operation) and both.type == "NoOp" and both.name == "both"
    assert tf.group().type == "NoOp" and tf.no_op(name="nothing").name == "nothing"
    constant = tf.constant(1)
    assert [op.name for op in tf.group(constant).control_inputs] == [constant.op.name]
    with pytest.raises(TypeError):
        tf.group(3)
    with tf1.Session() as session:
        session.run([v.initializer, w.initializer])
        for _ in range(2):
            assert session.run(both) is None
        assert session.run([v, w]) == [2, 20]


def test_tuple(graph):
    v = tf1.get_variable("v", initializer=0, use_resource=True)
    a = tf.constant(5)
    first, nothing = tf.tuple([a, None], control_inputs=[v.assign_add(1).op])
    assert nothing is None
    with pytest.raises(ValueError):
        tf.tuple([None])
    with tf1.Session() as session:
        session.run(v.initializer)
        assert session.run(first) == 5 and session.run(v) == 1


def test_control_dependencies(graph):
    a, b = tf.constant(1), tf.constant(2)
    with tf.control_dependencies([a, b.op]):
        inside = tf.constant(3)
        with tf.control_dependencies(None):
            outside = tf.constant(4)
        with tf.control_dependencies([inside]):
            nested = tf.constant(5)
    assert {op.name for op in inside.op.control_inputs} == {a.op.name, b.op.name}
    assert outside.op.control_inputs == []
    assert inside.op in nested.op.control_inputs
    with pytest.raises(TypeError), tf.control_dependencies([3]):
        pass


def test_control_dependencies_order_assignments(graph):
    v = tf1.get_variable("v", initializer=1.0, use_resource=True)
    with tf.control_dependencies([v.assign(v * 10.0)]):
        with tf.control_dependencies([v.assign_add(5.0)]):
            result = v.read_value()
    with tf1.Session() as session:
        session.run(v.initializer)
        assert [session.run(result) for _ in range(2)] == [15.0, 155.0]


def test_eager_versions_do_nothing():
    v = tf.Variable(1)
    assert tf.group(v.assign_add(1)) is None and tf.no_op() is None
    called = []
    with tf.control_dependencies([tf.constant(1), lambda: called.append(1)]):
        pass
    assert called == [1]
    assert tf.tuple([tf.constant(1)])[0].numpy() == 1


def test_predicates_of_one_element(graph):
    x = tf.compat.v1.placeholder(tf.bool, [1])
    y = tf.cond(x, lambda: tf.constant(1), lambda: tf.constant(2))
    with tf.compat.v1.Session() as session:
        assert session.run(y, {x: [True]}) == 1


def test_lists_of_one_tensor():
    """With control flow of 2.x, graphs keep the list that the branches return."""
    @tf.function(autograph=False)
    def f(x):
        return tf.compat.v1.cond(x, lambda: [tf.constant(1)], lambda: [tf.constant(2)])

    result = f(tf.constant(False))
    assert isinstance(result, list) and int(result[0]) == 2
