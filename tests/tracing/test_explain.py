"""What `explain()` tells of a function's traces, and the warnings about too many of them."""

import gc
import pathlib

import pytest

import everflow as tf
from everflow._src.framework import logging

HERE = str(pathlib.Path(__file__))


@pytest.fixture
def warnings_given(monkeypatch):
    given = []
    monkeypatch.setattr(logging, "warning", lambda text, *args: given.append(text % args))
    return given


def test_traces_are_told_apart():
    @tf.function
    def f(batch, training=False):
        return tf.reduce_sum(batch["x"]) * batch["scale"]

    for _ in range(3):
        f({"x": tf.ones([2, 3]), "scale": tf.constant(2.0)})
    f({"x": tf.ones([4, 3]), "scale": tf.constant(2.0)})
    f({"x": tf.ones([4, 3]), "scale": tf.constant(2.0)}, training=True)
    f({"x": tf.ones([4, 3]), "scale": 2.0}, training=True)
    first, second, third, fourth = f.explain().traces
    assert first.arguments == {
        "batch['scale']": "float32 ()", "batch['x']": "float32 (2, 3)", "training": "False"
    }  # fmt: skip
    assert (first.differs_from, first.differences, first.calls) == (None, (), 3)
    assert second.differs_from == 1
    assert second.differences == (("batch['x']", "float32 (2, 3)", "float32 (4, 3)"),)
    assert third.differs_from == 2 and third.differences == (("training", "False", "True"),)
    assert fourth.differs_from == 3 and fourth.differences == (("batch['scale']", "float32 ()", "2.0"),)
    assert all(t.called_from.startswith(f"{HERE}:") for t in f.explain().traces)
    assert first.called_from != second.called_from
    text = str(f.explain())
    assert text == repr(f.explain()) and text.splitlines()[0].endswith("4 traces, 6 calls")
    assert "from trace 1: batch['x']: float32 (2, 3) -> float32 (4, 3)" in text


def test_tiers_and_steps():
    @tf.function(jit_compile=True)
    def compiled(x):
        return tf.reduce_sum(tf.exp(x) * 2.0)

    @tf.function(jit_compile=False)
    def interpreted(x):
        return tf.exp(x)

    for _ in range(20):
        compiled(tf.ones([3]))
        interpreted(tf.ones([3]))
    (trace,) = compiled.explain().traces
    assert (trace.numpy_runs, trace.compiled_runs) == (0, 20) and trace.tier.startswith("compiled")
    assert [step.kind for step in trace.steps] == ["compiled"] and trace.steps[0].reasons == ()
    (trace,) = interpreted.explain().traces
    assert (trace.numpy_runs, trace.compiled_runs) == (20, 0) and trace.tier == "NumPy (jit_compile=False)"
    assert [step.kind for step in trace.steps] == ["can be compiled"]


def test_why_operations_run_on_the_host():
    @tf.function(jit_compile=True)
    def f(x):
        y = tf.exp(x)
        tf.print("sum", tf.reduce_sum(y), output_stream="file:///dev/null")
        return y * 2.0

    f.get_concrete_function(tf.TensorSpec([3]))
    (trace,) = f.explain().traces
    assert (trace.calls, trace.steps, trace.tier.split()[0]) == (0, (), "NumPy")
    f(tf.ones([3]))
    (trace,) = f.explain().traces
    reasons = [reason for step in trace.steps for reason in step.reasons]
    assert {step.kind for step in trace.steps} == {"compiled", "host"}
    assert any(r.startswith("PrintV2 ") and f"({HERE}:" in r and "string values" in r for r in reasons)
    assert "host: " in str(f.explain())


def test_gradients_run_the_trace_too():
    @tf.function
    def f(x):
        return tf.exp(x) * x

    x = tf.constant([1.0, 2.0])
    f(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    tape.gradient(y, x)
    (trace,) = f.explain().traces
    assert (trace.calls, trace.numpy_runs + trace.compiled_runs) == (2, 2)


class Thing:
    pass


def test_objects():
    @tf.function
    def f(thing):
        return tf.constant(1)

    one, two = Thing(), Thing()
    f(one)
    f(two)
    del two
    gc.collect()
    first, second = f.explain().traces
    assert first.arguments["thing"].startswith("<Thing object at ")
    assert not first.dropped and second.dropped and second.calls == 1
    assert "is gone" in second.tier
    assert float(f(one)) == 1 and f.experimental_get_tracing_count() == 2


def test_only_the_latest_dropped_traces_are_kept():
    @tf.function
    def f(thing):
        return tf.constant(1)

    for _ in range(40):
        f(Thing())
    assert len(f.explain().traces) < 30 and f.experimental_get_tracing_count() == 40
    assert f.total_calls() == 40


def test_a_function_without_traces():
    assert str(tf.function(lambda: 1).explain()).endswith("0 traces, 0 calls")


# ------------------------------------------------------------------ warnings


def test_five_traces_in_a_row(warnings_given):
    @tf.function
    def f(x):
        return x * 2.0

    for size in range(1, 5):
        f(tf.ones([size]))
    assert warnings_given == []
    f(tf.ones([5]))
    (text,) = warnings_given
    assert f"tf.function f ({HERE}:" in text and "in each of its last 5 calls" in text
    assert "argument 'x' was float32 (4,), is float32 (5,)" in text and "reduce_retracing=True" in text
    for size in range(6, 12):
        f(tf.ones([size]))
    assert len(warnings_given) == 1


def test_calls_in_between_count(warnings_given):
    @tf.function
    def f(x):
        return x * 2.0

    for size in range(1, 9):
        f(tf.ones([size]))
        f(tf.ones([1]))
    for size in range(20, 30):
        f.get_concrete_function(tf.TensorSpec([size]))
    assert warnings_given == []


@pytest.mark.parametrize(
    "arguments,advice", [(range(5), "pass a tensor"), ([Thing() for _ in range(5)], "pass the same object")]
)
def test_advice(warnings_given, arguments, advice):
    @tf.function
    def f(argument):
        return tf.constant(1.0)

    for argument in arguments:
        f(argument)
    assert len(warnings_given) == 1 and advice in warnings_given[0]


def test_functions_made_in_a_loop(warnings_given):
    def double(x):
        return x * 2.0

    for _ in range(8):
        tf.function(double)(tf.constant(1.0))
    (text,) = warnings_given
    assert "5 tf.functions were made of" in text and "double" in text and "outside of the loop" in text


def test_functions_that_are_used_are_no_waste(warnings_given):
    def triple(x):
        return x * 3.0

    for _ in range(8):
        f = tf.function(triple)
        for _ in range(3):
            f(tf.constant(1.0))
        del f
        gc.collect()
    assert warnings_given == []
