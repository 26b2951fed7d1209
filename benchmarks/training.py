"""Training steps of a network described once (`layers.py`), as each framework's users write them.

A step takes the next batch from memory, computes the loss, and moves every parameter against its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.layers import JaxLayers, Parameter, TensorFlowLayers, TorchLayers
from benchmarks.registry import TENSORFLOW, Task, Workload

# Layers, parameters, images, labels -> loss.
Loss = Callable[[Any, Sequence[Any], Any, Any], Any]


def _number(value: Any) -> float:
    return value


class Training:
    """A loss, the initial parameters, the batches and the learning rate."""

    def __init__(
        self,
        loss: Loss,
        parameters: Callable[[], list[Parameter]],
        data: Callable[[], Iterator[tuple[np.ndarray, np.ndarray]]],
        rate: float,
    ) -> None:
        self.loss, self.parameters, self.data, self.rate = loss, parameters, data, rate

    def by_function(self, tf: Any) -> Task:
        layers = TensorFlowLayers(tf)
        parameters = [layers.variable(p) for p in self.parameters()]
        data, rate = self.data(), self.rate

        @tf.function
        def train(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = self.loss(layers, parameters, x, y)
            for parameter, gradient in zip(parameters, tape.gradient(loss, parameters), strict=True):
                parameter.assign_sub(rate * gradient)
            return loss

        return Task(lambda: float(train(*next(data))), _number)

    def by_session(self, tf: Any) -> Task:
        """The same step as a 1.x program: one graph, and `minimize`."""
        tf1 = tf.compat.v1
        data = self.data()
        images, targets = next(data)
        with tf.Graph().as_default():
            x = tf1.placeholder(images.dtype, images.shape)
            y = tf1.placeholder(targets.dtype, targets.shape)
            parameters = [
                tf1.get_variable(f"parameter_{i}", initializer=tf.constant(parameter.value))
                for i, parameter in enumerate(self.parameters())
            ]
            loss = self.loss(TensorFlowLayers(tf), parameters, x, y)
            train = tf1.train.GradientDescentOptimizer(self.rate).minimize(loss)
            run = tf1.Session()
            run.run(tf1.global_variables_initializer())
        data = self.data()

        def step() -> float:
            images, targets = next(data)
            return run.run([loss, train], {x: images, y: targets})[0]

        return Task(step, _number)

    def by_torch(self, torch: Any) -> Task:
        layers = TorchLayers(torch)
        parameters = [layers.variable(p) for p in self.parameters()]
        optimizer = torch.optim.SGD(parameters, lr=self.rate)
        data = self.data()

        def step() -> float:
            images, targets = next(data)
            x = layers.images(images) if images.ndim == 4 else torch.from_numpy(images)
            loss = self.loss(layers, parameters, x, torch.from_numpy(targets))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.item()

        return Task(step, _number)

    def by_jax(self, jax: Any) -> Task:
        layers = JaxLayers(jax)

        def train(parameters: list[Any], x: Any, y: Any) -> Any:
            loss, gradients = jax.value_and_grad(lambda p: self.loss(layers, p, x, y))(parameters)
            return [p - self.rate * g for p, g in zip(parameters, gradients, strict=True)], loss

        compiled = jax.jit(train, donate_argnums=0)
        parameters = [layers.variable(p) for p in self.parameters()]
        data = self.data()

        def step() -> float:
            nonlocal parameters
            parameters, loss = compiled(parameters, *next(data))
            return float(loss)

        return Task(step, _number)

    def declare(self, function: Workload, session: Workload | None = None) -> None:
        """Makes these steps the builders of a workload, and of its twin with `Session.run`."""
        function.on(*TENSORFLOW)(self.by_function)
        if session is not None:
            session.on(*TENSORFLOW)(self.by_session)
        for workload in filter(None, (function, session)):
            workload.on("torch")(self.by_torch)
            workload.on("jax")(self.by_jax)
