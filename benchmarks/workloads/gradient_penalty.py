"""A critic's step with gradient penalty (Gulrajani et al., 2017): the gradient of a gradient, by convolutions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.arrays import batches, normal, weight
from benchmarks.layers import JaxLayers, Parameter, TensorFlowLayers, TorchLayers
from benchmarks.registry import TENSORFLOW, Task, Workload

STEP = Workload("WGAN critic step with gradient penalty, batch 32", tolerance=1e-3)
BATCH, RATE, PENALTY = 32, 1e-3, 10.0


def _parameters() -> list[Parameter]:
    return [
        Parameter(weight(5, 5, 1, 32), "kernel"), Parameter(weight(5, 5, 32, 64), "kernel"),
        Parameter(weight(7 * 7 * 64, 1)), Parameter(np.zeros(1, np.float32)),
    ]


def _batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    shape = (BATCH, 28, 28, 1)
    return batches(lambda seed: (normal(*shape, seed=seed), normal(*shape, seed=100 + seed, scale=0.5)))


def _critic(layers: Any, parameters: Sequence[Any], x: Any) -> Any:
    for kernel in parameters[:2]:
        x = layers.leaky_relu(layers.conv(x, kernel, 2))
    return layers.dense(layers.flat(x), *parameters[2:])


@STEP.on(*TENSORFLOW)
def step_tensorflow(tf: Any) -> Task:
    layers = TensorFlowLayers(tf)
    parameters = [layers.variable(p) for p in _parameters()]
    data = _batches()

    @tf.function
    def train(real: Any, fake: Any) -> Any:
        with tf.GradientTape() as tape:
            mixed = 0.5 * (real + fake)
            with tf.GradientTape() as inner:
                inner.watch(mixed)
                score = _critic(layers, parameters, mixed)
            slope = inner.gradient(score, mixed)
            norm = tf.sqrt(tf.reduce_sum(tf.square(slope), [1, 2, 3]))
            loss = tf.reduce_mean(_critic(layers, parameters, fake) - _critic(layers, parameters, real))
            loss += PENALTY * tf.reduce_mean(tf.square(norm - 1.0))
        gradients = tape.gradient(loss, parameters, unconnected_gradients="zero")
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.assign_sub(RATE * gradient)
        return loss

    return Task(lambda: float(train(*next(data))), lambda value: value)


@STEP.on("torch")
def step_torch(torch: Any) -> Task:
    layers = TorchLayers(torch)
    parameters = [layers.variable(p) for p in _parameters()]
    optimizer = torch.optim.SGD(parameters, lr=RATE)
    data = _batches()

    def step() -> float:
        real, fake = (layers.images(array) for array in next(data))
        mixed = (0.5 * (real + fake)).requires_grad_()
        slope = torch.autograd.grad(_critic(layers, parameters, mixed).sum(), mixed, create_graph=True)[0]
        norm = slope.square().sum((1, 2, 3)).sqrt()
        loss = (_critic(layers, parameters, fake) - _critic(layers, parameters, real)).mean()
        loss = loss + PENALTY * (norm - 1.0).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return Task(step, lambda value: value)


@STEP.on("jax")
def step_jax(jax: Any) -> Task:
    layers, jnp = JaxLayers(jax), jax.numpy
    data = _batches()

    def loss_of(parameters: list[Any], real: Any, fake: Any) -> Any:
        slope = jax.grad(lambda x: _critic(layers, parameters, x).sum())(0.5 * (real + fake))
        norm = jnp.sqrt(jnp.sum(slope**2, (1, 2, 3)))
        loss = jnp.mean(_critic(layers, parameters, fake) - _critic(layers, parameters, real))
        return loss + PENALTY * jnp.mean((norm - 1.0) ** 2)

    def train(parameters: list[Any], real: Any, fake: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(parameters, real, fake)
        return [p - RATE * g for p, g in zip(parameters, gradients, strict=True)], loss

    compiled = jax.jit(train, donate_argnums=0)
    parameters = [layers.variable(p) for p in _parameters()]

    def step() -> float:
        nonlocal parameters
        parameters, loss = compiled(parameters, *next(data))
        return float(loss)

    return Task(step, lambda value: value)
