"""Calls of tiny compiled functions and runs of tiny graphs, and tracing: what is paid before any arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.arrays import normal
from benchmarks.registry import TENSORFLOW, Task, Workload

A, B = normal(10, 10, seed=1), normal(10, 10, seed=2)

CALL = Workload("tiny function call (x*y+x)", at_most={"tensorflow": 0.125})
RUN = Workload("tiny Session.run with a feed", at_most={"tensorflow": 1 / 3})
TRACE = Workload("tracing 1,000 operations", at_most={"tensorflow": 1.0}, check_steps=1)
TRACE_CONTROL = Workload("tracing 50 branches and loops", at_most={"tensorflow": 1.0}, check_steps=1)


@CALL.on(*TENSORFLOW)
def call_tensorflow(tf: Any) -> Task:
    a, b = tf.constant(A), tf.constant(B)
    function = tf.function(lambda x, y: x * y + x)
    return Task(lambda: function(a, b), lambda value: value.numpy())


@CALL.on("torch")
def call_torch(torch: Any) -> Task:
    a, b = torch.tensor(A), torch.tensor(B)

    def function(x: Any, y: Any) -> Any:
        return x * y + x

    return Task(lambda: function(a, b), lambda value: value.numpy())


@CALL.on("jax")
def call_jax(jax: Any) -> Task:
    a, b = jax.numpy.array(A), jax.numpy.array(B)
    function = jax.jit(lambda x, y: x * y + x)
    return Task(lambda: function(a, b), lambda value: value)


@RUN.on(*TENSORFLOW)
def run_tensorflow(tf: Any) -> Task:
    tf1 = tf.compat.v1
    with tf.Graph().as_default():
        x = tf1.placeholder(tf.float32, [10, 10])
        y = tf.matmul(x, tf.constant(B)) + 1.0
        session = tf1.Session()
    return Task(lambda: session.run(y, {x: A}), lambda value: value)


@RUN.on("torch")
def run_torch(torch: Any) -> Task:
    b = torch.tensor(B)
    return Task(lambda: (torch.from_numpy(A) @ b + 1.0).numpy(), lambda value: value)


@RUN.on("jax")
def run_jax(jax: Any) -> Task:
    b = jax.numpy.array(B)
    function = jax.jit(lambda x: x @ b + 1.0)
    return Task(lambda: np.asarray(function(A)), lambda value: value)


@TRACE.on(*TENSORFLOW)
def trace_tensorflow(tf: Any) -> Task:
    def body(x: Any) -> Any:
        for _ in range(250):
            x = tf.tanh(x * 1.5) + 0.5 - x
        return x

    return _tracing(tf, body)


@TRACE_CONTROL.on(*TENSORFLOW)
def trace_control_tensorflow(tf: Any) -> Task:
    def body(x: Any) -> Any:
        for _ in range(25):
            if tf.reduce_sum(x) > 0:
                x = tf.tanh(x)
            else:
                x = -x
            for i in tf.range(3):
                if i == 2:
                    break
                x = x + tf.cast(i, tf.float32)
        return x

    return _tracing(tf, body)


def _tracing(tf: Any, body: Any) -> Task:
    a = tf.constant(A)
    return Task(lambda: tf.function(body).get_concrete_function(a), lambda traced: traced(a).numpy())
