"""tf.function: when it traces, what a trace keeps, and what a call does (AutoGraph has files of its own)."""

import numpy as np
import pytest
import tensorflow as tf

tf1 = tf.compat.v1


def counting(**options):
    """A tf.function that doubles its first argument, and the list of what each trace saw."""
    traces = []

    @tf.function(**options)
    def double(*arguments, **keywords):
        traces.append((arguments, keywords))
        return arguments[0] + arguments[0]

    return double, traces


# ------------------------------------------------------------------ calling


def test_as_a_decorator_and_as_a_call():
    def f(x, y=2.0):
        """Adds."""
        return x + y

    decorated = tf.function(f)
    assert float(decorated(tf.constant(1.0))) == 3.0
    assert float(decorated(1.0, y=tf.constant(4.0))) == 5.0
    assert float(decorated(y=1.0, x=1.0)) == 2.0
    assert decorated.__name__ == "f" and decorated.__doc__ == "Adds."
    assert decorated.python_function is f
    assert float(tf.function()(f)(1.0)) == 3.0
    with pytest.raises(TypeError, match="callable"):
        tf.function(3)


def test_results_are_eager_tensors():
    result = tf.function(lambda x: x * 2)(tf.constant([1, 2]))
    assert isinstance(result, tf.Tensor) and result.numpy().tolist() == [2, 4]
    assert result.dtype is tf.int32 and result.shape == [2]


def test_structures_of_results():
    @tf.function
    def f(x):
        return {"a": x, "b": [None, 3, "s", (x + 1, 2.5)], "c": (), "d": True}

    result = f(tf.constant(1.0))
    assert isinstance(result, dict) and list(result) == ["a", "b", "c", "d"]
    assert result["b"][0] is None and result["c"] == ()
    assert isinstance(result["b"], list) and isinstance(result["b"][3], tuple)
    kinds = [result["b"][1].dtype, result["b"][2].dtype, result["b"][3][1].dtype, result["d"].dtype]
    assert kinds == [tf.int32, tf.string, tf.float32, tf.bool]
    assert tf.function(lambda: None)() is None


def test_arrays_come_back_as_tensors():
    @tf.function
    def f():
        return np.float64(3.0), np.arange(3), tf.TensorShape([1, 2])

    number, array, shape = f()
    assert number.dtype is tf.float64 and array.dtype is tf.int64
    assert shape.numpy().tolist() == [1, 2]


@pytest.mark.parametrize("bad", [object(), {1, 2}])
def test_what_cannot_be_returned(bad):
    with pytest.raises(TypeError, match="Tensor"):
        tf.function(lambda: bad)()


def test_returned_argument_and_capture_are_the_values():
    captured = tf.constant(5.0)
    v = tf.Variable(2.0)

    @tf.function
    def f(x):
        return x, captured, v

    x = tf.constant(1.0)
    assert [float(t) for t in f(x)] == [1.0, 5.0, 2.0]


@pytest.mark.parametrize("call", [lambda f: f(), lambda f: f(1, 2, 3), lambda f: f(1, z=3)])
def test_bad_calls(call):
    @tf.function
    def f(x, y=2):
        return x + y

    with pytest.raises(TypeError):
        call(f)


def test_starred_arguments():
    @tf.function
    def f(first, *rest, scale=1.0, **named):
        return scale * (first + sum(rest)) + named.get("bias", 0.0)

    one = tf.constant(1.0)
    assert float(f(one)) == 1.0
    assert float(f(one, one, one, scale=2.0)) == 6.0
    assert float(f(one, bias=one * 10)) == 11.0


# ------------------------------------------------------------------ how often it traces


def test_traces_by_type_and_shape():
    double, traces = counting()
    calls = [
        (tf.constant(1), 1), (tf.constant(7), 1), (tf.constant(1.0), 2), (tf.constant([1, 2]), 3),
        (tf.constant([3, 4]), 3), (tf.constant([1, 2, 3]), 4), (tf.constant([[1, 2]]), 5),
        (tf.constant(2), 5),
    ]  # fmt: skip
    for argument, expected in calls:
        assert double(argument).dtype == argument.dtype
        assert len(traces) == expected
    assert double.experimental_get_tracing_count() == 5
    assert all(tf.is_tensor(arguments[0]) for arguments, _ in traces)


def test_traces_by_python_value():
    double, traces = counting()
    for argument, expected in [(1, 1), (1, 1), (2, 2), (2.5, 3), ("a", 4), ("a", 4), ("b", 5), (1, 5)]:
        double(argument)
        assert len(traces) == expected
    assert traces[0][0] == (1,) and traces[3][0] == ("a",)
    assert double("a").numpy() == b"aa"


def test_arrays_are_tensors():
    double, traces = counting()
    double(np.array([1.0, 2.0]))
    double(np.array([5.0, 7.0]))
    double(tf.constant([5.0, 7.0], tf.float64))
    assert len(traces) == 1 and tf.is_tensor(traces[0][0][0])
    double(np.float64(1.0))
    double(np.float64(2.0))
    assert len(traces) == 2


def test_traces_by_structure():
    double, traces = counting()
    x = tf.constant(1)
    for second, expected in [
        ([x, x], 1), ([x * 2, x], 1), ((x, x), 2), ([x, x, x], 3), ({"a": x}, 4), ({"a": x + 1}, 4),
        ({"b": x}, 5), ([x, [x]], 6), (None, 7), (None, 7), ([1, 2], 8), ([1, 2], 8), ([1, 3], 9),
    ]:  # fmt: skip
        double(x, second)
        assert len(traces) == expected


def test_keywords_and_positions_share_a_trace():
    traces = []

    @tf.function
    def f(x, y=3):
        traces.append(y)
        return x + y

    x = tf.constant(1)
    for _ in range(2):
        f(x)
        f(x, 3)
        f(x=x, y=3)
        f(y=3, x=x)
    assert traces == [3]
    f(x, y=4)
    assert traces == [3, 4]


def test_objects_count_by_identity():
    class Settings:
        def __init__(self, scale):
            self.scale = scale

    traces = []

    @tf.function
    def f(x, settings):
        traces.append(settings)
        return x * settings.scale

    two, three = Settings(2.0), Settings(3.0)
    assert float(f(1.0, two)) == 2.0 and float(f(1.0, three)) == 3.0 and float(f(1.0, two)) == 2.0
    assert len(traces) == 2


def test_variables_as_arguments():
    traces = []

    @tf.function
    def increase(v, amount):
        traces.append(v)
        v.assign_add(amount)
        return v * 2.0

    a, b = tf.Variable(1.0), tf.Variable(10.0)
    assert float(increase(a, tf.constant(1.0))) == 4.0
    assert float(increase(b, tf.constant(1.0))) == 22.0
    assert float(increase(a, tf.constant(1.0))) == 6.0
    assert (float(a), float(b)) == (3.0, 11.0) and len(traces) == 1


def test_unhashable_arguments():
    with pytest.raises(TypeError):
        tf.function(lambda x, s: x)(1.0, {1: {2}})


def test_python_effects_happen_while_tracing():
    log = []

    @tf.function
    def f(x):
        log.append("traced")
        return x + len(log)

    results = [int(f(tf.constant(0))) for _ in range(3)]
    assert log == ["traced"] and results == [1, 1, 1]


def test_reduce_retracing():
    plain, plain_traces = counting()
    relaxed, relaxed_traces = counting(reduce_retracing=True)
    for size in (1, 2, 3, 4, 5):
        plain(tf.ones([size, 2]))
        relaxed(tf.ones([size, 2]))
    assert len(plain_traces) == 5 and len(relaxed_traces) == 2
    assert relaxed_traces[1][0][0].shape.as_list() == [None, 2]


# ------------------------------------------------------------------ input_signature


def test_input_signature():
    traces = []

    @tf.function(input_signature=[tf.TensorSpec([None, 2]), tf.TensorSpec([], tf.int32, name="n")])
    def f(x, n):
        traces.append((x.shape.as_list(), n.name))
        return tf.reduce_sum(x) * tf.cast(n, tf.float32)

    assert float(f(tf.ones([3, 2]), 3)) == 18.0
    assert float(f([[1.0, 2.0]], tf.constant(1))) == 3.0
    assert float(f([[1, 2]], n=1)) == 3.0
    assert float(f(np.ones([1, 2], np.float32), 2)) == 4.0
    assert traces == [([None, 2], "n:0")]
    assert f.input_signature[1] == tf.TensorSpec([], tf.int32, name="n")
    signature = f.get_concrete_function().structured_input_signature
    assert signature[0][0] == tf.TensorSpec([None, 2], tf.float32, name="x") and signature[1] == {}
    for bad in [
        lambda: f(tf.ones([3]), 3),
        lambda: f(tf.ones([3, 2], tf.float64), 3),
        lambda: f(tf.ones([3, 2], tf.int32), 3),
        lambda: f(tf.ones([3, 2])),
        lambda: f(tf.ones([3, 2]), 1, 2),
        lambda: f(tf.ones([3, 2]), 1.5),
        lambda: f(tf.ones([3, 2]), m=1),
    ]:
        with pytest.raises(TypeError):
            bad()
    assert len(traces) == 1


def test_input_signature_of_structures():
    spec = {"a": tf.TensorSpec([None]), "b": (tf.TensorSpec([], tf.int32),)}

    @tf.function(input_signature=[spec])
    def f(parts):
        return tf.reduce_sum(parts["a"]) * tf.cast(parts["b"][0], tf.float32)

    assert float(f({"a": tf.ones([3]), "b": (tf.constant(2),)})) == 6.0
    with pytest.raises((TypeError, ValueError)):
        f({"a": tf.ones([3])})


def test_empty_input_signature():
    assert tf.function(lambda: tf.constant(3), input_signature=[])().numpy() == 3


def test_bad_input_signatures():
    with pytest.raises(TypeError):
        tf.function(lambda x: x, input_signature=tf.TensorSpec([]))
    with pytest.raises(TypeError):
        tf.function(lambda x: x, input_signature=[1])
    with pytest.raises(TypeError):
        tf.function(lambda x, y: x, input_signature=[tf.TensorSpec([])])(1.0)
    with pytest.raises(TypeError):
        tf.function(lambda x: x, input_signature=[tf.TensorSpec([])] * 2)(1.0)


def test_unknown_rank_in_the_signature():
    @tf.function(input_signature=[tf.TensorSpec(shape=None, dtype=tf.float32)])
    def f(x):
        assert x.shape.rank is None
        return x + 1.0

    assert f(1.0).numpy() == 2.0 and f([1.0]).numpy().tolist() == [2.0]
    assert f(tf.zeros([2, 2])).shape == [2, 2]


# ------------------------------------------------------------------ concrete functions


def test_concrete_function():
    @tf.function
    def f(x, y=2):
        return x + y

    concrete = f.get_concrete_function(tf.TensorSpec([None], tf.float32, name="numbers"))
    assert concrete.structured_input_signature == (
        (tf.TensorSpec([None], tf.float32, name="numbers"), 2),
        {},
    )
    assert [t.name for t in concrete.inputs] == ["numbers:0"]
    assert len(concrete.outputs) == 1 and concrete.outputs[0].shape.as_list() == [None]
    assert concrete.structured_outputs.shape.as_list() == [None]
    assert concrete.output_dtypes is tf.float32 and concrete.output_shapes.as_list() == [None]
    assert concrete.name.startswith(b"__inference_f_")
    assert concrete.variables == () and concrete.captured_inputs == []
    assert isinstance(concrete.graph, tf.Graph)
    assert "TensorSpec(shape=(None,), dtype=tf.float32, name='numbers')" in str(concrete)
    assert repr(concrete).startswith("<ConcreteFunction (x: TensorSpec(")
    values = tf.constant([1.0, 2.0])
    for call in (lambda: concrete(values), lambda: concrete(numbers=values), lambda: concrete(values, y=2)):
        assert call().numpy().tolist() == [3.0, 4.0]
    with pytest.raises(TypeError):
        concrete()
    with pytest.raises(TypeError):
        concrete(values, 3)
    with pytest.raises(tf.errors.InvalidArgumentError):
        concrete(tf.constant([1, 2]))
    assert f.experimental_get_tracing_count() == 1
    assert f(values).numpy().tolist() == [3.0, 4.0]


def test_concrete_functions_share_the_cache():
    double, traces = counting()
    first = double.get_concrete_function(tf.TensorSpec([], tf.float32))
    assert double.get_concrete_function(tf.constant(1.0)) is first
    double(tf.constant(3.0))
    assert len(traces) == 1


def test_concrete_function_of_structures():
    @tf.function
    def f(pair, scale):
        return {"sum": (pair[0] + pair[1]) * scale, "none": None}

    spec = tf.TensorSpec([], tf.float32)
    concrete = f.get_concrete_function([spec, spec], 3.0)
    assert len(concrete.inputs) == 2
    assert set(concrete.structured_outputs) == {"sum", "none"} and concrete.structured_outputs["none"] is None
    result = concrete([tf.constant(1.0), tf.constant(2.0)], 3.0)
    assert float(result["sum"]) == 9.0 and result["none"] is None


def test_concrete_function_knows_its_captures():
    v, w = tf.Variable(2.0), tf.Variable(3.0, trainable=False)
    constant = tf.constant([4.0])

    @tf.function
    def f(x):
        return x * v * w * constant

    concrete = f.get_concrete_function(1.0)
    assert {variable.ref() for variable in concrete.variables} == {v.ref(), w.ref()}
    assert [variable.ref() for variable in concrete.trainable_variables] == [v.ref()]
    assert len(concrete.captured_inputs) == 3 and len(concrete.inputs) == 3
    assert concrete(1.0).numpy().tolist() == [24.0]


def test_graph_of_a_concrete_function():
    @tf.function
    def f(x):
        return tf.tanh(tf.square(x, name="squared"))

    graph = f.get_concrete_function(tf.TensorSpec([2])).graph
    types = [operation.type for operation in graph.get_operations()]
    assert types[:3] == ["Placeholder", "Square", "Tanh"]
    assert graph.get_operation_by_name("squared").inputs[0].name == "x:0"
    definition = graph.as_graph_def()
    assert [node.op for node in definition.node][:2] == ["Placeholder", "Square"]


# ------------------------------------------------------------------ captures and variables


def test_captured_tensors_are_values_and_python_numbers_are_frozen():
    scale = [2.0]
    captured = tf.constant(10.0)
    v = tf.Variable(1.0)

    @tf.function
    def f(x):
        return x * scale[0] + captured + v

    x = tf.constant(1.0)
    assert float(f(x)) == 13.0
    scale[0] = 100.0
    v.assign(5.0)
    assert float(f(x)) == 17.0


def test_variable_created_on_the_first_call():
    class Dense:
        def __init__(self):
            self.w = None

        @tf.function
        def __call__(self, x):
            if self.w is None:
                self.w = tf.Variable(tf.ones([2, 1]) * 3.0)
            return x @ self.w

    layer = Dense()
    for _ in range(3):
        assert layer(tf.ones([1, 2])).numpy().tolist() == [[6.0]]
    layer.w.assign([[1.0], [1.0]])
    assert layer(tf.ones([1, 2])).numpy().tolist() == [[2.0]]


def test_variable_created_on_every_call_is_an_error():
    @tf.function
    def f():
        return tf.Variable(1.0) + 1.0

    with pytest.raises(ValueError, match="tf.Variable"):
        f()


def test_variable_handles_update_in_place():
    v = tf.Variable([1.0, 2.0])

    @tf.function
    def step(amount):
        v.assign_add(amount)
        return v.read_value()

    results = [step(tf.constant([1.0, 10.0])).numpy().tolist() for _ in range(3)]
    assert results == [[2.0, 12.0], [3.0, 22.0], [4.0, 32.0]]
    assert v.numpy().tolist() == [4.0, 32.0]


# ------------------------------------------------------------------ order of effects


def test_effects_keep_program_order(capfd):
    v = tf.Variable(1.0)

    @tf.function
    def f():
        before = v.read_value()
        v.assign(before * 10.0)
        tf.print("one", v)
        middle = v + 0.0
        v.assign_add(5.0)
        tf.print("two", v)
        v.assign(v * v)
        tf.print("three")
        return before, middle, v.read_value()

    assert [float(t) for t in f()] == [1.0, 10.0, 225.0]
    assert capfd.readouterr().err == "one 10\ntwo 15\nthree\n"
    assert float(v) == 225.0


def test_effects_happen_though_unused():
    v = tf.Variable(0)

    @tf.function
    def f():
        v.assign_add(1)

    for _ in range(3):
        assert f() is None
    assert int(v) == 3


def test_swap():
    a, b = tf.Variable(1.0), tf.Variable(2.0)

    @tf.function
    def swap():
        old = a.read_value()
        a.assign(b)
        b.assign(old)

    swap()
    assert (float(a), float(b)) == (2.0, 1.0)


def test_random_operations_draw_anew():
    tf.random.set_seed(1)
    f = tf.function(lambda: tf.random.uniform([4]))
    first, second = f().numpy(), f().numpy()
    assert not np.array_equal(first, second)
    tf.random.set_seed(1)
    g = tf.function(lambda: tf.random.uniform([4], seed=3))
    again = [g().numpy() for _ in range(2)]
    tf.random.set_seed(1)
    h = tf.function(lambda: tf.random.uniform([4], seed=3))
    np.testing.assert_array_equal(again, [h().numpy() for _ in range(2)])


# ------------------------------------------------------------------ functions in functions, methods, modules


def test_functions_call_functions():
    inner, inner_traces = counting()

    @tf.function
    def outer(x):
        return inner(x) + inner(x * 2) + inner(3)

    assert int(outer(tf.constant(1))) == 12
    assert len(inner_traces) == 2
    assert int(inner(tf.constant(5))) == 10 and len(inner_traces) == 2


def test_recursive_python_values():
    @tf.function
    def power(x, n):
        if n == 0:
            return tf.constant(1.0)
        return x * power(x, n - 1)

    assert float(power(tf.constant(2.0), 5)) == 32.0


def test_methods_have_a_cache_per_instance():
    class Model:
        def __init__(self, scale):
            self.scale = scale
            self.traces = 0

        @tf.function
        def __call__(self, x):
            self.traces += 1
            return x * self.scale

        @tf.function(input_signature=[tf.TensorSpec([None])])
        def total(self, x):
            return tf.reduce_sum(x) * self.scale

    two, three = Model(2.0), Model(3.0)
    x = tf.constant(1.0)
    assert [float(two(x)), float(two(x)), float(three(x))] == [2.0, 2.0, 3.0]
    assert (two.traces, three.traces) == (1, 1)
    assert float(two.total([1.0, 2.0])) == 6.0 and float(three.total([1.0])) == 3.0
    assert two.total.get_concrete_function().structured_input_signature[0] == (
        tf.TensorSpec([None], tf.float32, name="x"),
    )


def test_module():
    class Linear(tf.Module):
        def __init__(self, size, name=None):
            super().__init__(name=name)
            self.w = tf.Variable(tf.ones([size, size]), name="w")
            self.b = tf.Variable(tf.zeros([size]), name="b", trainable=False)

        @tf.function
        def __call__(self, x):
            return x @ self.w + self.b

    class Stack(tf.Module):
        def __init__(self):
            super().__init__()
            self.layers = [Linear(2), Linear(2)]
            self.named = {"extra": Linear(1, name="extra")}

    stack = Stack()
    assert stack.name == "stack" and stack.layers[0].name == "linear"
    assert len(stack.variables) == 6 and len(stack.trainable_variables) == 3
    assert len(stack.non_trainable_variables) == 3
    assert [module.name for module in stack.submodules] == ["linear", "linear", "extra"]
    assert stack.layers[0](tf.ones([1, 2])).numpy().tolist() == [[2.0, 2.0]]
    with tf.name_scope("outside"):
        assert Linear(1).w.name == "outside/w:0"


# ------------------------------------------------------------------ gradients


def test_gradients_from_outside():
    v = tf.Variable(3.0)

    @tf.function
    def f(x):
        return x * x * v

    x = tf.constant(2.0)
    for _ in range(3):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = f(x) * 2.0
        assert [float(g) for g in tape.gradient(y, [x, v])] == [24.0, 8.0]
    assert f.experimental_get_tracing_count() == 1


def test_gradients_from_inside():
    v = tf.Variable(3.0)

    @tf.function
    def train():
        with tf.GradientTape() as tape:
            loss = (v - 1.0) ** 2
        v.assign_sub(0.25 * tape.gradient(loss, v))
        return loss

    losses = [float(train()) for _ in range(4)]
    assert losses == [4.0, 1.0, 0.25, 0.0625]


def test_second_order_through_a_function():
    f = tf.function(lambda x: x**3 + tf.sin(x))
    x = tf.constant(2.0)
    with tf.GradientTape() as outermost:
        outermost.watch(x)
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = f(x)
            first = inner.gradient(y, x)
        second = outer.gradient(first, x)
    third = outermost.gradient(second, x)
    np.testing.assert_allclose(
        [first, second, third], [12 + np.cos(2.0), 12 - np.sin(2.0), 6 - np.cos(2.0)], rtol=1e-5
    )


def test_tape_outside_and_inside():
    @tf.function
    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = x**4
        return tape.gradient(y, x)

    x = tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        first = slope(x)
    assert (float(first), float(tape.gradient(first, x))) == (32.0, 48.0)


def test_gradients_of_several_results():
    @tf.function
    def f(x, y):
        return {"product": x * y, "same": y, "steps": tf.cast(x, tf.int32)}

    x, y = tf.constant(2.0), tf.constant(3.0)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, y])
        result = f(x, y)
    assert [float(g) for g in tape.gradient(result["product"], [x, y])] == [3.0, 2.0]
    assert tape.gradient(result["same"], x, unconnected_gradients="zero").numpy() == 0.0
    assert float(tape.gradient(result["same"], y)) == 1.0
    assert [float(g) for g in tape.gradient([result["product"], result["same"]], [x, y])] == [3.0, 3.0]


# ------------------------------------------------------------------ symbolic tensors


def test_symbolic_tensors_refuse_what_needs_values():
    def trace(function):
        return tf.function(function, autograph=False)(tf.constant([1.0]))

    for function in (
        lambda x: bool(x),
        lambda x: 1 if x[0] > 0 else 2,
        lambda x: list(x),
        lambda x: x[0] > 0 and x,
        lambda x: not x,
    ):
        with pytest.raises(tf.errors.OperatorNotAllowedInGraphError):
            trace(function)
    assert issubclass(tf.errors.OperatorNotAllowedInGraphError, TypeError)
    for function in (lambda x: len(x), lambda x: float(x), lambda x: int(x), lambda x: 1.0 in x):
        with pytest.raises(TypeError):
            trace(function)
    with pytest.raises(AttributeError, match="numpy"):
        trace(lambda x: x.numpy())
    with pytest.raises(NotImplementedError):
        trace(lambda x: np.asarray(x))


def test_tensors_that_leak():
    leaked = []

    @tf.function
    def f(x):
        leaked.append(x * 2)
        return x

    f(tf.constant(1.0))
    assert str(leaked[0]) == 'Tensor("mul:0", shape=(), dtype=float32)'
    assert repr(leaked[0]) == "<tf.Tensor 'mul:0' shape=() dtype=float32>"
    with pytest.raises(TypeError, match="(?s)mul:0.*out of scope"):
        _ = leaked[0] + 1
    with pytest.raises(TypeError, match="out of scope"):
        tf.function(lambda y: y + leaked[0])(1.0)


def test_init_scope_leaves_the_trace():
    inside = []

    @tf.function
    def f(x):
        with tf.init_scope():
            inside.append((tf.executing_eagerly(), tf.constant(2.0) + 1.0))
        assert not tf.executing_eagerly()
        return x + inside[0][1]

    assert float(f(tf.constant(1.0))) == 4.0
    assert inside[0][0] is True and inside[0][1].numpy() == 3.0


def test_executing_eagerly():
    assert tf.executing_eagerly()
    states = []
    tf.function(lambda: states.append(tf.executing_eagerly()))()
    assert states == [False]


def test_run_functions_eagerly():
    seen = []

    @tf.function
    def f(x):
        seen.append(float(x) if tf.executing_eagerly() else None)
        return x + 1

    assert not tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        assert tf.config.functions_run_eagerly()
        for number in (1.0, 2.0):
            assert float(f(tf.constant(number))) == number + 1
    finally:
        tf.config.run_functions_eagerly(False)
    assert seen == [1.0, 2.0]
    f(tf.constant(1.0))
    assert seen[-1] is None


def test_errors_in_the_body_keep_their_type():
    @tf.function
    def f(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        f(1.0)
    with pytest.raises(ValueError, match="[Dd]imensions must be equal"):
        tf.function(lambda a, b: a + b)(tf.ones([2]), tf.ones([3]))

    @tf.function(input_signature=[tf.TensorSpec([None]), tf.TensorSpec([None])])
    def add(a, b):
        return a + b

    with pytest.raises(tf.errors.InvalidArgumentError):
        add(tf.ones([2]), tf.ones([3]))
    assert add([1.0], [2.0]).numpy().tolist() == [3.0]


# ------------------------------------------------------------------ functions in graphs, compilation


def test_function_in_a_session_graph(graph):
    f = tf.function(lambda x, y: (x * y, x + y))
    x = tf1.placeholder(tf.float32, [None])
    product, total = f(x, tf.constant(2.0))
    assert not tf.executing_eagerly() and isinstance(product, tf.Tensor)
    with tf1.Session() as session:
        values = session.run([product, total], {x: [1.0, 5.0]})
    assert [value.tolist() for value in values] == [[2.0, 10.0], [3.0, 7.0]]


def test_function_with_a_variable_in_a_session_graph(graph):
    v = tf1.get_variable("v", initializer=1.0, use_resource=True)

    @tf.function
    def increase(x):
        v.assign_add(x)
        return v.read_value()

    result = increase(tf.constant(2.0))
    with tf1.Session() as session:
        session.run(v.initializer)
        assert [session.run(result) for _ in range(3)] == [3.0, 5.0, 7.0]


@pytest.mark.parametrize("jit_compile", [None, True, False])
def test_jit_compile(jit_compile):
    v = tf.Variable(1.0)

    @tf.function(jit_compile=jit_compile)
    def f(x):
        v.assign_add(tf.reduce_sum(x))
        return tf.tanh(x) * v, {"n": tf.shape(x)[0]}

    for size in (2, 3):
        result, extra = f(tf.ones([size]))
        assert int(extra["n"]) == size
        np.testing.assert_allclose(result, np.tanh(np.ones(size)) * float(v), rtol=1e-6)
    assert float(v) == 6.0


def test_many_calls_give_the_same_as_few():
    """Long enough for an engine that compiles what proves hot."""
    w = tf.Variable(tf.zeros([3, 1]))
    generator = np.random.RandomState(0)
    inputs = generator.randn(64, 3).astype(np.float32)
    targets = inputs @ np.array([[1.0], [-2.0], [3.0]], np.float32)

    @tf.function
    def train(x, t):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((x @ w - t) ** 2)
        w.assign_sub(0.1 * tape.gradient(loss, w))
        return loss

    reference = np.zeros([3, 1])
    for _ in range(100):
        residual = inputs @ reference - targets
        np.testing.assert_allclose(float(train(inputs, targets)), np.mean(residual**2), rtol=1e-3, atol=1e-6)
        reference -= 0.1 * 2 * inputs.T @ residual / len(inputs)
    np.testing.assert_allclose(w.numpy(), [[1.0], [-2.0], [3.0]], atol=1e-3)
    assert train.experimental_get_tracing_count() == 1
