"""Small eager operations, where everything that is not arithmetic is what one waits for."""

from __future__ import annotations

from typing import Any

from benchmarks.arrays import normal
from benchmarks.registry import TENSORFLOW, Task, Workload

A, B = normal(10, 10, seed=1), normal(10, 10, seed=2)
QUARTER_AND_HALF_MORE = {"tensorflow": 0.25, "torch": 1.5}

ADD = Workload("eager add 10x10", at_most=QUARTER_AND_HALF_MORE)
MATMUL = Workload("eager matmul 10x10", at_most=QUARTER_AND_HALF_MORE)
TAPE = Workload("tape gradient sum(tanh(a@b)*a) 10x10", at_most={"tensorflow": 0.25})


def _array(tensor: Any) -> Any:
    return tensor.numpy()


@ADD.on(*TENSORFLOW)
def add_tensorflow(tf: Any) -> Task:
    a, b = tf.constant(A), tf.constant(B)
    return Task(lambda: a + b, _array)


@ADD.on("torch")
def add_torch(torch: Any) -> Task:
    a, b = torch.tensor(A), torch.tensor(B)
    return Task(lambda: a + b, _array)


@ADD.on("jax")
def add_jax(jax: Any) -> Task:
    a, b = jax.numpy.array(A), jax.numpy.array(B)
    return Task(lambda: a + b, lambda value: value)


@MATMUL.on(*TENSORFLOW)
def matmul_tensorflow(tf: Any) -> Task:
    a, b = tf.constant(A), tf.constant(B)
    return Task(lambda: tf.matmul(a, b), _array)


@MATMUL.on("torch")
def matmul_torch(torch: Any) -> Task:
    a, b = torch.tensor(A), torch.tensor(B)
    return Task(lambda: torch.matmul(a, b), _array)


@MATMUL.on("jax")
def matmul_jax(jax: Any) -> Task:
    jnp = jax.numpy
    a, b = jnp.array(A), jnp.array(B)
    return Task(lambda: jnp.matmul(a, b), lambda value: value)


@TAPE.on(*TENSORFLOW)
def tape_tensorflow(tf: Any) -> Task:
    a, b = tf.constant(A), tf.constant(B)

    def step() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(a)
            loss = tf.reduce_sum(tf.tanh(a @ b) * a)
        return tape.gradient(loss, a)

    return Task(step, _array)


@TAPE.on("torch")
def tape_torch(torch: Any) -> Task:
    a, b = torch.tensor(A, requires_grad=True), torch.tensor(B)

    def step() -> Any:
        loss = torch.sum(torch.tanh(a @ b) * a)
        return torch.autograd.grad(loss, a)[0]

    return Task(step, _array)


@TAPE.on("jax")
def tape_jax(jax: Any) -> Task:
    jnp = jax.numpy
    a, b = jnp.array(A), jnp.array(B)
    gradient = jax.grad(lambda a: jnp.sum(jnp.tanh(a @ b) * a))
    return Task(lambda: gradient(a), lambda value: value)
