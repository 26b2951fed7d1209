"""A training step of one transformer block (pre-norm, 8 heads) on 8 sequences of 128 vectors of 256."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.arrays import batches, normal, weight
from benchmarks.registry import TENSORFLOW, Task, Workload

BATCH, LENGTH, WIDTH, HEADS = 8, 128, 256, 8
HEAD_WIDTH = WIDTH // HEADS
RATE = 0.01

AIMS = {"tensorflow": 0.85, "torch": 1.0}
FUNCTION = Workload("transformer block 8x128x256 step, function", tolerance=1e-3, at_most=AIMS)
SESSION = Workload("transformer block 8x128x256 step, Session.run", tolerance=1e-3, at_most=AIMS)
GELU = Workload("transformer block 8x128x256 step, gelu, function", tolerance=1e-3, at_most=AIMS)


def _parameters() -> list[np.ndarray]:
    ones, zeros = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)
    return [
        ones, zeros, weight(WIDTH, 3 * WIDTH), np.zeros(3 * WIDTH, np.float32),
        weight(WIDTH, WIDTH), zeros,
        ones, zeros, weight(WIDTH, 4 * WIDTH), np.zeros(4 * WIDTH, np.float32),
        weight(4 * WIDTH, WIDTH), zeros,
    ]


def _batches() -> Any:
    shape = (BATCH, LENGTH, WIDTH)
    return batches(lambda seed: (normal(*shape, seed=seed), normal(*shape, seed=100 + seed)))


def _number(value: Any) -> float:
    return value


def _tensorflow_loss(tf: Any, parameters: list[Any], x: Any, target: Any, activation: Callable[[Any], Any]) -> Any:
    def normalized(x: Any, scale: Any, offset: Any) -> Any:
        mean = tf.reduce_mean(x, -1, keepdims=True)
        variance = tf.reduce_mean(tf.square(x - mean), -1, keepdims=True)
        return (x - mean) * tf.math.rsqrt(variance + 1e-5) * scale + offset

    scale1, offset1, w_qkv, b_qkv, w_out, b_out, scale2, offset2, w1, b1, w2, b2 = parameters
    qkv = tf.tensordot(normalized(x, scale1, offset1), w_qkv, 1) + b_qkv
    qkv = tf.transpose(tf.reshape(qkv, [BATCH, LENGTH, 3, HEADS, HEAD_WIDTH]), [2, 0, 3, 1, 4])
    query, key, value = tf.unstack(qkv)
    scores = tf.matmul(query, key, transpose_b=True) * HEAD_WIDTH**-0.5
    mixed = tf.transpose(tf.matmul(tf.nn.softmax(scores), value), [0, 2, 1, 3])
    x = x + tf.tensordot(tf.reshape(mixed, [BATCH, LENGTH, WIDTH]), w_out, 1) + b_out
    hidden = activation(tf.tensordot(normalized(x, scale2, offset2), w1, 1) + b1)
    return tf.reduce_mean(tf.square(x + tf.tensordot(hidden, w2, 1) + b2 - target))


def _by_function(activation: str) -> Callable[[Any], Task]:
    def build(tf: Any) -> Task:
        parameters = [tf.Variable(value) for value in _parameters()]
        data = _batches()

        @tf.function
        def train(x: Any, target: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = _tensorflow_loss(tf, parameters, x, target, getattr(tf.nn, activation))
            for parameter, gradient in zip(parameters, tape.gradient(loss, parameters), strict=True):
                parameter.assign_sub(RATE * gradient)
            return loss

        return Task(lambda: float(train(*next(data))), _number)

    return build


FUNCTION.on(*TENSORFLOW)(_by_function("relu"))
GELU.on(*TENSORFLOW)(_by_function("gelu"))


@SESSION.on(*TENSORFLOW)
def session(tf: Any) -> Task:
    tf1 = tf.compat.v1
    with tf.Graph().as_default():
        x = tf1.placeholder(tf.float32, [BATCH, LENGTH, WIDTH])
        target = tf1.placeholder(tf.float32, [BATCH, LENGTH, WIDTH])
        parameters = [
            tf1.get_variable(f"parameter_{i}", initializer=tf.constant(value))
            for i, value in enumerate(_parameters())
        ]
        loss = _tensorflow_loss(tf, parameters, x, target, tf.nn.relu)
        train = tf1.train.GradientDescentOptimizer(RATE).minimize(loss)
        run = tf1.Session()
        run.run(tf1.global_variables_initializer())
    data = _batches()

    def step() -> float:
        features, targets = next(data)
        return run.run([loss, train], {x: features, target: targets})[0]

    return Task(step, _number)


def _train_torch(torch: Any, activation: Callable[[Any], Any]) -> Task:
    functional = torch.nn.functional
    parameters = [torch.tensor(value, requires_grad=True) for value in _parameters()]
    scale1, offset1, w_qkv, b_qkv, w_out, b_out, scale2, offset2, w1, b1, w2, b2 = parameters
    optimizer = torch.optim.SGD(parameters, lr=RATE)
    data = _batches()

    def block(x: Any) -> Any:
        qkv = functional.layer_norm(x, [WIDTH], scale1, offset1) @ w_qkv + b_qkv
        query, key, value = qkv.reshape(BATCH, LENGTH, 3, HEADS, HEAD_WIDTH).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        x = x + mixed.transpose(1, 2).reshape(BATCH, LENGTH, WIDTH) @ w_out + b_out
        hidden = activation(functional.layer_norm(x, [WIDTH], scale2, offset2) @ w1 + b1)
        return x + hidden @ w2 + b2

    def step() -> float:
        x, target = (torch.from_numpy(array) for array in next(data))
        loss = functional.mse_loss(block(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return Task(step, _number)


FUNCTION.on("torch")(lambda torch: _train_torch(torch, torch.relu))
SESSION.on("torch")(lambda torch: _train_torch(torch, torch.relu))
GELU.on("torch")(lambda torch: _train_torch(torch, torch.nn.functional.gelu))


def _train_jax(jax: Any, activation: Callable[[Any], Any]) -> Task:
    jnp = jax.numpy
    data = _batches()

    def normalized(x: Any, scale: Any, offset: Any) -> Any:
        mean = jnp.mean(x, -1, keepdims=True)
        variance = jnp.mean((x - mean) ** 2, -1, keepdims=True)
        return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * scale + offset

    def loss_of(parameters: list[Any], x: Any, target: Any) -> Any:
        scale1, offset1, w_qkv, b_qkv, w_out, b_out, scale2, offset2, w1, b1, w2, b2 = parameters
        qkv = normalized(x, scale1, offset1) @ w_qkv + b_qkv
        query, key, value = qkv.reshape(BATCH, LENGTH, 3, HEADS, HEAD_WIDTH).transpose(2, 0, 3, 1, 4)
        scores = query @ key.swapaxes(-1, -2) * HEAD_WIDTH**-0.5
        mixed = (jax.nn.softmax(scores) @ value).transpose(0, 2, 1, 3).reshape(BATCH, LENGTH, WIDTH)
        x = x + mixed @ w_out + b_out
        hidden = activation(normalized(x, scale2, offset2) @ w1 + b1)
        return jnp.mean((x + hidden @ w2 + b2 - target) ** 2)

    def train(parameters: list[Any], x: Any, target: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, target)
        return [p - RATE * g for p, g in zip(parameters, gradients, strict=True)], loss

    compiled = jax.jit(train, donate_argnums=0)
    parameters = [jnp.array(value) for value in _parameters()]

    def step() -> float:
        nonlocal parameters
        parameters, loss = compiled(parameters, *next(data))
        return float(loss)

    return Task(step, _number)


FUNCTION.on("jax")(lambda jax: _train_jax(jax, jax.nn.relu))
SESSION.on("jax")(lambda jax: _train_jax(jax, jax.nn.relu))
GELU.on("jax")(lambda jax: _train_jax(jax, lambda x: jax.nn.gelu(x, approximate=False)))
