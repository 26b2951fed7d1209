"""tf.function: calling it, when it traces, input signatures, concrete functions."""

import numpy as np
import pytest
import tensorflow as tf


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
    assert (float(a), float(b)) == (3.0, 11.0)
    assert len(traces) <= 2  # one for both, or one for each


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
