"""tf.function: kinds of arguments, lifetimes, failed traces, threads, and tf.compat.v1.wrap_function."""

import collections
import dataclasses
import functools
import gc
import threading
import weakref

import numpy as np
import pytest
import tensorflow as tf


def tracing(**options):
    """A function of one argument, and the list of arguments that it was traced with."""
    traces = []

    @tf.function(**options)
    def f(argument):
        traces.append(argument)
        return tf.constant(len(traces))

    return f, traces


def counts(arguments, **options):
    """How many traces there were after each call."""
    f, traces = tracing(**options)
    found = []
    for argument in arguments:
        f(argument)
        found.append(len(traces))
    return found


# ------------------------------------------------------------------ kinds of arguments

Pair = collections.namedtuple("Pair", "a b")


@dataclasses.dataclass(frozen=True)
class Settings:
    width: int
    depth: int


class ByValue:
    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return f"ByValue({self.value})"

    def __eq__(self, other):
        return isinstance(other, ByValue) and self.value == other.value

    def __hash__(self):
        return hash(self.value)


@pytest.mark.parametrize(
    "arguments,expected",
    [
        ([None, None, 0], [1, 1, 2]),
        ([tf.float32, tf.float32, tf.int32], [1, 1, 2]),
        ([tf.TensorShape([2]), tf.TensorShape([2]), tf.TensorShape([3])], [1, 1, 2]),
        ([len, len, max], [1, 1, 2]),
        ([frozenset([1]), frozenset([1]), frozenset([2])], [1, 1, 2]),
        ([range(3), range(3), range(4)], [1, 1, 2]),
        ([Settings(1, 2), Settings(1, 2), Settings(1, 3)], [1, 1, 2]),
        ([ByValue(1), ByValue(1), ByValue(2)], [1, 1, 2]),
        ([Pair(1, 2), (1, 2), Pair(1, 2), [1, 2]], [1, 2, 2, 3]),
        ([{"a": 1, "b": 2}, collections.OrderedDict(b=2, a=1), {"b": 2, "a": 1}], [1, 1, 1]),
        ([np.int32(1), np.int32(2), np.float32(1)], [1, 1, 2]),
    ],
    ids=str,
)
def test_values(arguments, expected):
    assert counts(arguments) == expected


def test_indexed_slices():
    def slices(rows):
        return tf.IndexedSlices(tf.ones([rows, 2]), tf.range(rows), tf.constant([5, 2]))

    assert counts([slices(1), slices(1), slices(3)]) == [1, 1, 2]

    @tf.function
    def double(s):
        return tf.IndexedSlices(s.values * 2.0, s.indices, s.dense_shape), s.indices

    doubled, indices = double(slices(2))
    assert isinstance(doubled, tf.IndexedSlices) and indices.numpy().tolist() == [0, 1]
    assert tf.convert_to_tensor(doubled).numpy().sum() == 8.0
    (spec,), _ = double.get_concrete_function(slices(2)).structured_input_signature
    assert isinstance(spec, tf.IndexedSlicesSpec) and spec.value_type is tf.IndexedSlices


@pytest.mark.parametrize("bad", [{1, 2}, bytearray(b"a"), [{1}]])
def test_what_cannot_be_compared_is_refused(bad):
    with pytest.raises(TypeError):
        tracing()[0](bad)


def test_unhashable_dataclass_is_refused():
    @dataclasses.dataclass
    class Mutable:
        x: int

    with pytest.raises(TypeError):
        tracing()[0](Mutable(1))


def test_custom_nests():
    @dataclasses.dataclass
    class Masked:
        values: tf.Tensor
        times: int

        def __tf_flatten__(self):
            return (self.times,), (self.values,)

        @classmethod
        def __tf_unflatten__(cls, metadata, components):
            return cls(components[0], metadata[0])

    traces = []

    @tf.function
    def f(masked):
        traces.append(masked.times)
        return Masked(masked.values * float(masked.times), masked.times)

    result = f(Masked(tf.constant(2.0), 3))
    assert isinstance(result, Masked) and float(result.values) == 6.0 and result.times == 3
    f(Masked(tf.constant(4.0), 3))
    assert float(f(Masked(tf.constant(4.0), 4)).values) == 16.0 and traces == [3, 4]


def test_objects_with_a_tracing_type():
    class Any(tf.types.experimental.TraceType):
        def is_subtype_of(self, other):
            return isinstance(other, Any)

        def most_specific_common_supertype(self, others):
            return self

        def placeholder_value(self, placeholder_context):
            return "placeholder"

        def __eq__(self, other):
            return isinstance(other, Any)

        def __hash__(self):
            return 1

    class Thing:
        def __tf_tracing_type__(self, context):
            return Any()

    f, traces = tracing()
    f(Thing())
    f(Thing())
    assert len(traces) == 1


def test_relaxed_shapes():
    ones = [tf.ones(s) for s in ([1], [2], [3], [2, 2], [3, 3], [4, 4], [5])]
    assert counts(ones, reduce_retracing=True) == [1, 2, 2, 3, 3, 3, 3]
    assert counts(ones[:3], experimental_relax_shapes=True) == [1, 2, 2]
    assert counts([1, 2, 3], reduce_retracing=True) == [1, 2, 3]


def test_defaults_and_keywords():
    traces = []

    @tf.function
    def f(x, mask=None, *others, training=False, **named):
        traces.append((mask is None, training))
        total = x if mask is None else x * mask
        return tf.add_n([total, *others, *named.values()])

    assert [float(f(1.0)), float(f(1.0, None)), float(f(1.0, training=False))] == [1.0] * 3
    assert len(traces) == 1
    assert float(f(1.0, mask=2.0)) == 2.0 and float(f(1.0, 2.0, 3.0, bias=tf.constant(4.0))) == 9.0
    signature = f.get_concrete_function(tf.TensorSpec([]), 1.0, tf.TensorSpec([]), z=tf.TensorSpec([]))
    positional, keyword = signature.structured_input_signature
    assert positional[0] == tf.TensorSpec([], name="x") and positional[1] == 1.0
    assert keyword["z"] == tf.TensorSpec([], name="z") and keyword["training"] is False


def test_signature_and_defaults():
    @tf.function(input_signature=[tf.TensorSpec([])])
    def f(x, y=2.0):
        return x - y

    assert float(f(3.0)) == 1.0 and float(f(tf.Variable(3.0), 2.0)) == 1.0
    with pytest.raises(TypeError):
        f(3.0, 5.0)


def test_callables():
    class Adder:
        def __call__(self, x):
            return x + 1

    def product(a, b, c):
        return a + b * c

    assert int(tf.function(Adder())(1)) == 2
    assert float(tf.function(functools.partial(product, b=2.0))(1.0, c=tf.constant(3.0))) == 7.0
    assert int(tf.function(functools.partial(product, 1))(tf.constant(2), c=3)) == 7
    assert int(tf.function(tf.function(Adder()))(1)) == 2
    with pytest.raises(TypeError):
        tf.function(Settings(1, 2))(1)
    with pytest.raises(TypeError):
        tf.function(Adder(), unknown_option=1)


# ------------------------------------------------------------------ what a trace says of itself


def test_pretty_printed_signature():
    @tf.function
    def f(x, flag=None, mode="x"):
        return {"r": x, "none": None, "t": (x, [x])}

    concrete = f.get_concrete_function(tf.TensorSpec([None, 2]))
    spec = "TensorSpec(shape=(None, 2), dtype=tf.float32, name=None)"
    returned = f"Dict[['r', {spec}], ['none', Literal[None]], ['t', Tuple[{spec}, List[{spec}]]]]"
    parameters = ("x", spec), ("flag", "Literal[None]"), ("mode", "Literal['x']")
    lines = ["Input Parameters:", *(f"  {n} (POSITIONAL_OR_KEYWORD): {s}" for n, s in parameters), "Output Type:",
             f"  {returned}", "Captures:", "  None"]  # fmt: skip
    assert concrete.pretty_printed_signature() == "\n".join(lines)
    in_a_line = f"({', '.join(f'{n}: {s}' for n, s in parameters)}) -> {returned}"
    assert concrete.pretty_printed_signature(verbose=False) == in_a_line
    assert f.pretty_printed_concrete_signatures(verbose=False) == in_a_line
    assert f.function_spec.fullargspec.args == ["x", "flag", "mode"]
    assert concrete.structured_outputs["r"].shape.as_list() == [None, 2]
    assert tf.is_tensor(concrete.structured_outputs["t"][1][0])


# ------------------------------------------------------------------ lifetimes


class Scale:
    def __init__(self, value=2.0):
        self.value = value


def test_arguments_do_not_stay_alive():
    @tf.function
    def f(scale, x):
        return x * scale.value

    scale = Scale()
    reference = weakref.ref(scale)
    assert float(f(scale, 3.0)) == 6.0
    del scale
    gc.collect()
    assert reference() is None
    assert [float(f(Scale(v), 3.0)) for v in (4.0, 5.0)] == [12.0, 15.0]


class Model(tf.Module):
    def __init__(self):
        super().__init__()
        self.v = None

    @tf.function
    def __call__(self, x):
        if self.v is None:
            self.v = tf.Variable(2.0)
        return self.v * x

    @tf.function(input_signature=[tf.TensorSpec([None])])
    def first(self, x):
        return x[0]


def test_methods():
    one, two = Model(), Model()
    for argument in (1.0, 2.0):
        assert float(one(argument)) == 2 * argument
    two(1.0)
    assert len(one.variables) == 1 and one.variables[0] is not two.variables[0]
    assert one.__call__.experimental_get_tracing_count() > two.__call__.experimental_get_tracing_count()
    assert float(one.first(tf.constant([3.0]))) == 3.0
    (spec,), _ = one.first.get_concrete_function().structured_input_signature
    assert spec == tf.TensorSpec([None], name="x")
    reference = weakref.ref(one)
    del one
    gc.collect()
    assert reference() is None


# ------------------------------------------------------------------ failures and threads


def test_a_failed_trace_leaves_nothing_behind():
    fail = [True]

    @tf.function(autograph=False)
    def f(x):
        y = tf.ones([2, 3]) + 1.0
        if fail[0]:
            raise KeyError("not yet")
        return tf.matmul(x, y)

    for _ in range(2):
        with pytest.raises(KeyError):
            f(tf.ones([2, 2]))
    assert f.experimental_get_tracing_count() == 0
    assert tf.executing_eagerly() and not isinstance(tf.ones([]) + 1.0, type(None))
    assert (tf.ones([2]) + 1.0).numpy().tolist() == [2.0, 2.0]
    fail[0] = False
    assert f(tf.ones([2, 2])).numpy().tolist() == [[4.0] * 3] * 2
    with pytest.raises(ValueError):
        f(tf.ones([2, 5]))
    assert f.experimental_get_tracing_count() == 1
    with tf.GradientTape() as tape:
        x = tf.constant([[1.0, 2.0]])
        tape.watch(x)
        y = f(x)
    assert tape.gradient(y, x).numpy().tolist() == [[6.0, 6.0]]


def test_two_threads_trace_once():
    traces = []
    start = threading.Barrier(4)
    results = []

    @tf.function(autograph=False)
    def f(x):
        traces.append(x)
        threading.Event().wait(0.05)
        return x + 1

    def call():
        start.wait()
        results.append(int(f(tf.constant(1))))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(traces) == 1 and results == [2] * 4


def test_graph_variables_of_1x():
    @tf.function
    def f(x):
        with tf.compat.v1.variable_scope("scope", reuse=tf.compat.v1.AUTO_REUSE):
            v = tf.compat.v1.get_variable("v", initializer=2.0)
        return v * x

    assert [float(f(1.0)), float(f(2.0)), float(f(tf.constant(3.0)))] == [2.0, 4.0, 6.0]


def test_accepted_options():
    everything = tf.autograph.experimental.Feature.ALL
    assert int(tf.function(lambda x: x, experimental_autograph_options=everything)(1)) == 1
    assert int(tf.function(lambda x: x, experimental_implements="a.b")(2)) == 2


# ------------------------------------------------------------------ wrap_function


def test_wrap_function():
    def count(x):
        v = tf.compat.v1.get_variable("v", shape=[2], initializer=tf.compat.v1.zeros_initializer())
        with tf.control_dependencies([v.assign_add(x)]):
            return tf.identity(v, name="out")

    wrapped = tf.compat.v1.wrap_function(count, [tf.TensorSpec([2], name="x")])
    assert [wrapped(tf.ones([2])).numpy().tolist() for _ in range(2)] == [[1.0, 1.0], [2.0, 2.0]]
    assert [v.name for v in wrapped.variables] == ["v:0"]
    assert wrapped.variables[0].numpy().tolist() == [2.0, 2.0]
    assert wrapped.inputs[0].name == "x:0" and wrapped.outputs[0].name == "out:0"
    pruned = wrapped.prune("x:0", "out:0")
    assert pruned(tf.ones([2])).numpy().tolist() == [3.0, 3.0]
    assert wrapped.variables[0].numpy().tolist() == [3.0, 3.0]


def test_wrapped_functions_run_what_they_need():
    def body(x):
        v = tf.compat.v1.get_variable("v", initializer=2.0)
        tf.compat.v1.assign_add(v, 1.0)
        return {"product": v * x, "same": (x,)}

    wrapped = tf.compat.v1.wrap_function(body, [tf.TensorSpec([], tf.float32)])
    for _ in range(2):
        result = wrapped(tf.constant(3.0))
        assert float(result["product"]) == 6.0 and float(result["same"][0]) == 3.0
    with tf.GradientTape() as tape:
        loss = wrapped(tf.constant(3.0))["product"]
    assert float(tape.gradient(loss, wrapped.variables[0])) == 3.0
    assert tf.compat.v1.wrap_function(lambda: None, [])() is None


def test_pruning_to_intermediate_tensors():
    def body(x, y):
        total = tf.add(x, y, name="total")
        return tf.square(total, name="squared")

    spec = tf.TensorSpec([], tf.float32)
    wrapped = tf.compat.v1.wrap_function(body, [spec, spec])
    squared = wrapped.prune(wrapped.graph.get_tensor_by_name("total:0"), wrapped.outputs)
    assert float(squared(tf.constant(3.0))[0]) == 9.0
    total = wrapped.prune(wrapped.inputs, {"total": "total:0"})
    assert float(total(tf.constant(1.0), tf.constant(2.0))["total"]) == 3.0


# ------------------------------------------------------------------ what the compiler has


def test_compiler_ir():
    v = tf.Variable(1.0)

    @tf.function(jit_compile=True)
    def f(x):
        return v.assign_add(tf.reduce_sum(tf.exp(x) * 2.0))

    stages = f.experimental_get_compiler_ir(tf.ones([3]))
    assert stages().startswith("HloModule") and "exponential" in stages(stage="hlo")
    assert stages(stage="optimized_hlo").startswith("HloModule")
    assert isinstance(stages(stage="hlo_serialized"), bytes) and float(v) == 1.0
    assert f.experimental_get_compiler_ir(tf.TensorSpec([4]))().startswith("HloModule")
    with pytest.raises(ValueError):
        stages(stage="unknown")
    with pytest.raises(ValueError):
        f.experimental_get_compiler_ir(tf.TensorSpec([None]))()
    with pytest.raises(ValueError):
        tf.function(lambda x: x).experimental_get_compiler_ir(1.0)


def test_signatures_of_starred_arguments():
    spec = tf.TensorSpec([], tf.int32)
    f = tf.function(lambda *numbers: sum(numbers), input_signature=[spec, spec])
    assert int(f(1, 2)) == 3
    for arguments in ((1,), (1, 2, 3)):
        with pytest.raises(TypeError):
            f(*arguments)
    g = tf.function(lambda x, *, k=2: x * k, input_signature=[spec])
    assert int(g(3)) == 6
    with pytest.raises(TypeError):
        tf.function(lambda x, *, k: x * k, input_signature=[spec])(1, k=2)
