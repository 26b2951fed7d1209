"""tf.function: captures, effects and their order, functions in functions, gradients, symbolic tensors.

Python control flow on tensors (AutoGraph) has files of its own.
"""

import numpy as np
import pytest
import tensorflow as tf

tf1 = tf.compat.v1


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
    inner_traces = []

    @tf.function
    def inner(x):
        inner_traces.append(x)
        return x + x

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
