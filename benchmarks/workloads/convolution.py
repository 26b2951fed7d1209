"""Convolutional networks: one large convolution, and a training step of a small MNIST network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.arrays import batches, labels, normal, weight
from benchmarks.registry import TENSORFLOW, Task, Workload

LARGE = Workload(
    "conv 1x200x200x100 by 3x3x100x100", tolerance=1e-3, at_most={"tensorflow": 0.95, "torch": 1.0}
)
AIMS = {"tensorflow": 0.9, "torch": 1.0}
FUNCTION = Workload("MNIST CNN step, batch 64, tf.function", tolerance=1e-3, at_most=AIMS)
SESSION = Workload("MNIST CNN step, batch 64, Session.run", tolerance=1e-3, at_most=AIMS)

BATCH, RATE = 64, 0.05
NUMBERS = ("NHWC", "HWIO", "NHWC")
IMAGE, FILTERS = normal(1, 200, 200, 100), weight(3, 3, 100, 100)


@LARGE.on(*TENSORFLOW)
def large_tensorflow(tf: Any) -> Task:
    image, filters = tf.constant(IMAGE), tf.constant(FILTERS)
    return Task(lambda: tf.nn.conv2d(image, filters, strides=1, padding="SAME"), lambda value: value.numpy())


@LARGE.on("torch")
def large_torch(torch: Any) -> Task:
    image = torch.tensor(np.ascontiguousarray(IMAGE.transpose(0, 3, 1, 2)))
    filters = torch.tensor(np.ascontiguousarray(FILTERS.transpose(3, 2, 0, 1)))
    return Task(
        lambda: torch.nn.functional.conv2d(image, filters, padding="same"),
        lambda value: value.numpy().transpose(0, 2, 3, 1),
    )


@LARGE.on("jax")
def large_jax(jax: Any) -> Task:
    image, filters = jax.numpy.array(IMAGE), jax.numpy.array(FILTERS)
    convolve = jax.jit(
        lambda image, filters: jax.lax.conv_general_dilated(
            image, filters, (1, 1), "SAME", dimension_numbers=NUMBERS
        )
    )
    return Task(lambda: convolve(image, filters), lambda value: value)


def _parameters() -> list[np.ndarray]:
    """Two convolutions of 3x3 with 32 and 64 filters, dense layers of 128 and 10 units."""
    shapes = [(3, 3, 1, 32), (3, 3, 32, 64), (7 * 7 * 64, 128), (128, 10)]
    return [p for shape in shapes for p in (weight(*shape), np.full(shape[-1], 0.01, np.float32))]


def _batches() -> Any:
    return batches(lambda seed: (normal(BATCH, 28, 28, 1, seed=seed), labels(BATCH, 10, seed)))


def _number(value: Any) -> float:
    return value


def _tensorflow_loss(tf: Any, parameters: list[Any], x: Any, y: Any) -> Any:
    for kernel, bias in (parameters[0:2], parameters[2:4]):
        x = tf.nn.relu(tf.nn.conv2d(x, kernel, strides=1, padding="SAME") + bias)
        x = tf.nn.max_pool2d(x, 2, 2, "VALID")
    x = tf.reshape(x, [-1, 7 * 7 * 64])
    x = tf.nn.relu(tf.matmul(x, parameters[4]) + parameters[5])
    logits = tf.matmul(x, parameters[6]) + parameters[7]
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))


@FUNCTION.on(*TENSORFLOW)
def function(tf: Any) -> Task:
    parameters = [tf.Variable(value) for value in _parameters()]
    data = _batches()

    @tf.function
    def train(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = _tensorflow_loss(tf, parameters, x, y)
        for parameter, gradient in zip(parameters, tape.gradient(loss, parameters), strict=True):
            parameter.assign_sub(RATE * gradient)
        return loss

    return Task(lambda: float(train(*next(data))), _number)


@SESSION.on(*TENSORFLOW)
def session(tf: Any) -> Task:
    tf1 = tf.compat.v1
    with tf.Graph().as_default():
        x, y = tf1.placeholder(tf.float32, [None, 28, 28, 1]), tf1.placeholder(tf.int32, [None])
        parameters = [
            tf1.get_variable(f"parameter_{i}", initializer=tf.constant(value))
            for i, value in enumerate(_parameters())
        ]
        loss = _tensorflow_loss(tf, parameters, x, y)
        train = tf1.train.GradientDescentOptimizer(RATE).minimize(loss)
        run = tf1.Session()
        run.run(tf1.global_variables_initializer())
    data = _batches()

    def step() -> float:
        images, targets = next(data)
        return run.run([loss, train], {x: images, y: targets})[0]

    return Task(step, _number)


@FUNCTION.on("torch")
@SESSION.on("torch")
def train_torch(torch: Any) -> Task:
    functional = torch.nn.functional
    values = _parameters()
    for i in (0, 2):
        values[i] = np.ascontiguousarray(values[i].transpose(3, 2, 0, 1))
    # Channels come first in PyTorch, and so do they when its features are flattened.
    values[4] = np.ascontiguousarray(
        values[4].reshape(7, 7, 64, 128).transpose(2, 0, 1, 3).reshape(7 * 7 * 64, 128)
    )
    parameters = [torch.tensor(value, requires_grad=True) for value in values]
    optimizer = torch.optim.SGD(parameters, lr=RATE)
    data = _batches()

    def step() -> float:
        images, targets = next(data)
        x, y = torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(targets).long()
        for kernel, bias in (parameters[0:2], parameters[2:4]):
            x = functional.max_pool2d(torch.relu(functional.conv2d(x, kernel, bias, padding=1)), 2)
        x = torch.relu(x.flatten(1) @ parameters[4] + parameters[5])
        loss = functional.cross_entropy(x @ parameters[6] + parameters[7], y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return Task(step, _number)


def _jax_loss(jax: Any) -> Callable[..., Any]:
    jnp, lax = jax.numpy, jax.lax

    def loss_of(parameters: list[Any], x: Any, y: Any) -> Any:
        for kernel, bias in (parameters[0:2], parameters[2:4]):
            x = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=NUMBERS)
            x = jax.nn.relu(x + bias)
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        x = jax.nn.relu(x.reshape(x.shape[0], -1) @ parameters[4] + parameters[5])
        logits = jax.nn.log_softmax(x @ parameters[6] + parameters[7])
        return -jnp.mean(jnp.take_along_axis(logits, y[:, None], axis=1))

    return loss_of


@FUNCTION.on("jax")
@SESSION.on("jax")
def train_jax(jax: Any) -> Task:
    loss_of = _jax_loss(jax)

    def train(parameters: list[Any], x: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y)
        return [p - RATE * g for p, g in zip(parameters, gradients, strict=True)], loss

    compiled = jax.jit(train, donate_argnums=0)
    parameters = [jax.numpy.array(value) for value in _parameters()]
    data = _batches()

    def step() -> float:
        nonlocal parameters
        parameters, loss = compiled(parameters, *next(data))
        return float(loss)

    return Task(step, _number)
