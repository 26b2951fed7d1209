"""Recurrent networks: loops over 50 steps of 128 units, the same as one operation, and one cell of 10 units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.arrays import batches, normal, weight
from benchmarks.registry import TENSORFLOW, Task, Workload

STEPS, BATCH, UNITS = 50, 32, 128
RATE = 0.1

LOOP = Workload("LSTM 50x32x128 step, while loop", tolerance=1e-3)
AUTOGRAPH = Workload("LSTM 50x32x128 step, for loop", tolerance=1e-3)
UNROLLED = Workload("LSTM 50x32x128 step, unrolled", tolerance=1e-3)
SESSION = Workload("LSTM 50x32x128 step, while loop, Session.run", tolerance=1e-3)
BLOCK = Workload("BlockLSTM 50x32x128, forward and back", tolerance=1e-3)
CELL_EAGER = Workload("LSTM cell of 10 units, eager")
CELL_FUNCTION = Workload("LSTM cell of 10 units, function")


def _weights() -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias; the columns are the input, candidate, forget and output gates, in this order."""
    return weight(2 * UNITS, 4 * UNITS), np.zeros(4 * UNITS, np.float32)


def _batches() -> Any:
    return batches(lambda seed: normal(STEPS, BATCH, UNITS, seed=seed))


def _number(value: Any) -> float:
    return value


def _tensorflow_step(tf: Any, kernel: Any, bias: Any, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    i, j, f, o = tf.split(tf.matmul(tf.concat([x, h], 1), kernel) + bias, 4, axis=1)
    c = tf.sigmoid(f + 1.0) * c + tf.sigmoid(i) * tf.tanh(j)
    return tf.sigmoid(o) * tf.tanh(c), c


def _while_loop(tf: Any, kernel: Any, bias: Any, x: Any, h: Any, c: Any) -> Any:
    _, h, c = tf.while_loop(
        lambda t, h, c: t < STEPS,
        lambda t, h, c: (t + 1, *_tensorflow_step(tf, kernel, bias, x[t], h, c)),
        (tf.constant(0), h, c),
    )
    return h


def _for_loop(tf: Any, kernel: Any, bias: Any, x: Any, h: Any, c: Any) -> Any:
    for t in tf.range(STEPS):
        h, c = _tensorflow_step(tf, kernel, bias, x[t], h, c)
    return h


def _unrolled(tf: Any, kernel: Any, bias: Any, x: Any, h: Any, c: Any) -> Any:
    for t in range(STEPS):
        h, c = _tensorflow_step(tf, kernel, bias, x[t], h, c)
    return h


def _block(tf: Any, kernel: Any, bias: Any, x: Any, h: Any, c: Any) -> Any:
    """The layer as one operation, which takes the columns in the same order."""
    peephole = tf.zeros([UNITS])
    return tf.raw_ops.BlockLSTM(
        seq_len_max=tf.constant(STEPS, tf.int64), x=x, cs_prev=c, h_prev=h, w=kernel, wci=peephole, wcf=peephole,
        wco=peephole, b=bias, forget_bias=1.0, cell_clip=-1.0, use_peephole=False).h[-1]


def _tensorflow(loop: Callable[..., Any]) -> Callable[[Any], Task]:
    def build(tf: Any) -> Task:
        parameters = [tf.Variable(value) for value in _weights()]
        data = _batches()

        def run(x: Any) -> Any:
            zeros = tf.zeros([BATCH, UNITS])
            h = loop(tf, *parameters, x, zeros, zeros)
            return tf.reduce_mean(h * h)

        @tf.function
        def train(x: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = run(x)
            for parameter, gradient in zip(parameters, tape.gradient(loss, parameters), strict=True):
                parameter.assign_sub(RATE * gradient)
            return loss

        return Task(lambda: float(train(next(data))), _number)

    return build


LOOP.on(*TENSORFLOW)(_tensorflow(_while_loop))
AUTOGRAPH.on(*TENSORFLOW)(_tensorflow(_for_loop))
UNROLLED.on(*TENSORFLOW)(_tensorflow(_unrolled))
BLOCK.on(*TENSORFLOW)(_tensorflow(_block))


@SESSION.on(*TENSORFLOW)
def session(tf: Any) -> Task:
    """The same step as a 1.x program: one graph, a while loop in it, `minimize`."""
    tf1 = tf.compat.v1
    with tf.Graph().as_default():
        x = tf1.placeholder(tf.float32, [STEPS, BATCH, UNITS])
        parameters = [
            tf1.get_variable(name, initializer=tf.constant(value))
            for name, value in zip(("kernel", "bias"), _weights(), strict=True)
        ]
        zeros = tf.zeros([BATCH, UNITS])
        _, h, _ = tf1.while_loop(
            lambda t, h, c: t < STEPS,
            lambda t, h, c: (t + 1, *_tensorflow_step(tf, *parameters, x[t], h, c)),
            (tf.constant(0), zeros, zeros),
        )
        loss = tf.reduce_mean(h * h)
        train = tf1.train.GradientDescentOptimizer(RATE).minimize(loss)
        run = tf1.Session()
        run.run(tf1.global_variables_initializer())
    data = _batches()
    return Task(lambda: run.run([loss, train], {x: next(data)})[0], _number)


def _torch_weights(torch: Any) -> list[Any]:
    return [torch.tensor(value, requires_grad=True) for value in _weights()]


def _torch_train(torch: Any, parameters: list[Any], run: Callable[[Any], Any]) -> Task:
    optimizer = torch.optim.SGD(parameters, lr=RATE)
    data = _batches()

    def step() -> float:
        h = run(torch.from_numpy(next(data)))
        loss = (h * h).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return Task(step, _number)


@LOOP.on("torch")
@AUTOGRAPH.on("torch")
@SESSION.on("torch")
@BLOCK.on("torch")
def fused_torch(torch: Any) -> Task:
    """PyTorch's own layer: its loop is inside one operation."""
    kernel, bias = _weights()
    i, j, f, o = np.split(kernel.T, 4)
    ordered = np.concatenate([i, f, j, o])
    bias_ordered = bias.copy()
    bias_ordered[UNITS:2 * UNITS] += 1.0  # the forget gate's bias of 1
    layer = torch.nn.LSTM(UNITS, UNITS)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.tensor(ordered[:, :UNITS]))
        layer.weight_hh_l0.copy_(torch.tensor(ordered[:, UNITS:]))
        layer.bias_ih_l0.copy_(torch.tensor(bias_ordered))
        layer.bias_hh_l0.zero_()
    # The other frameworks have one bias; training both would move the sum twice as far.
    layer.bias_hh_l0.requires_grad_(False)
    trained = [p for p in layer.parameters() if p.requires_grad]
    return _torch_train(torch, trained, lambda x: layer(x)[1][0][0])


@UNROLLED.on("torch")
def loop_torch(torch: Any) -> Task:
    parameters = _torch_weights(torch)
    kernel, bias = parameters

    def run(x: Any) -> Any:
        h, c = torch.zeros(BATCH, UNITS), torch.zeros(BATCH, UNITS)
        for t in range(STEPS):
            i, j, f, o = torch.chunk(torch.cat([x[t], h], 1) @ kernel + bias, 4, dim=1)
            c = torch.sigmoid(f + 1.0) * c + torch.sigmoid(i) * torch.tanh(j)
            h = torch.sigmoid(o) * torch.tanh(c)
        return h

    return _torch_train(torch, parameters, run)


def _jax_step(jax: Any, kernel: Any, bias: Any, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    jnp = jax.numpy
    i, j, f, o = jnp.split(jnp.concatenate([x, h], 1) @ kernel + bias, 4, axis=1)
    c = jax.nn.sigmoid(f + 1.0) * c + jax.nn.sigmoid(i) * jnp.tanh(j)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def _jax(unrolled: bool) -> Callable[[Any], Task]:
    def build(jax: Any) -> Task:
        jnp = jax.numpy

        def loss_of(parameters: list[Any], x: Any) -> Any:
            zeros = jnp.zeros((BATCH, UNITS))
            state = (zeros, zeros)
            if unrolled:
                for t in range(STEPS):
                    state = _jax_step(jax, *parameters, x[t], *state)
            else:
                state, _ = jax.lax.scan(
                    lambda state, x: (_jax_step(jax, *parameters, x, *state), None), state, x
                )
            return jnp.mean(state[0] ** 2)

        def train(parameters: list[Any], x: Any) -> Any:
            loss, gradients = jax.value_and_grad(loss_of)(parameters, x)
            return [p - RATE * g for p, g in zip(parameters, gradients, strict=True)], loss

        compiled = jax.jit(train, donate_argnums=0)
        parameters = [jnp.array(value) for value in _weights()]
        data = _batches()

        def step() -> float:
            nonlocal parameters
            parameters, loss = compiled(parameters, next(data))
            return float(loss)

        return Task(step, _number)

    return build


LOOP.on("jax")(_jax(unrolled=False))
AUTOGRAPH.on("jax")(_jax(unrolled=False))
SESSION.on("jax")(_jax(unrolled=False))
BLOCK.on("jax")(_jax(unrolled=False))
UNROLLED.on("jax")(_jax(unrolled=True))


# One cell, as TensorFlow's guide to tf.function measures it.
CELL_INPUT, CELL_STATE = normal(10, 10, seed=1), normal(10, 10, seed=2)
CELL_KERNEL, CELL_RECURRENT = weight(10, 40, seed=3), weight(10, 40, seed=4)
CELL_BIAS = normal(40, seed=5, scale=0.1)


def _cell_tensorflow(compiled: bool) -> Callable[[Any], Task]:
    def build(tf: Any) -> Task:
        kernel, recurrent, bias = (tf.constant(value) for value in (CELL_KERNEL, CELL_RECURRENT, CELL_BIAS))

        def cell(x: Any, h: Any, c: Any) -> tuple[Any, Any]:
            i, f, j, o = tf.split(tf.matmul(x, kernel) + tf.matmul(h, recurrent) + bias, 4, axis=1)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(j)
            return tf.sigmoid(o) * tf.tanh(c), c

        call = tf.function(cell) if compiled else cell
        x, state = tf.constant(CELL_INPUT), tf.constant(CELL_STATE)
        return Task(lambda: call(x, state, state), lambda value: value[0].numpy())

    return build


@CELL_EAGER.on("torch")
@CELL_FUNCTION.on("torch")
def cell_torch(torch: Any) -> Task:
    cell = torch.nn.LSTMCell(10, 10)
    with torch.no_grad():
        cell.weight_ih.copy_(torch.tensor(CELL_KERNEL.T))
        cell.weight_hh.copy_(torch.tensor(CELL_RECURRENT.T))
        cell.bias_ih.copy_(torch.tensor(CELL_BIAS))
        cell.bias_hh.zero_()
    x, state = torch.tensor(CELL_INPUT), (torch.tensor(CELL_STATE), torch.tensor(CELL_STATE))
    return Task(lambda: cell(x, state), lambda value: value[0].detach().numpy())


def _cell_jax(compiled: bool) -> Callable[[Any], Task]:
    def build(jax: Any) -> Task:
        jnp = jax.numpy
        kernel, recurrent, bias = jnp.array(CELL_KERNEL), jnp.array(CELL_RECURRENT), jnp.array(CELL_BIAS)

        def cell(x: Any, h: Any, c: Any) -> tuple[Any, Any]:
            i, f, j, o = jnp.split(x @ kernel + h @ recurrent + bias, 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(j)
            return jax.nn.sigmoid(o) * jnp.tanh(c), c

        call = jax.jit(cell) if compiled else cell
        x, state = jnp.array(CELL_INPUT), jnp.array(CELL_STATE)
        return Task(lambda: call(x, state, state), lambda value: value[0])

    return build


for _workload, _compiled in ((CELL_EAGER, False), (CELL_FUNCTION, True)):
    _workload.on(*TENSORFLOW)(_cell_tensorflow(_compiled))
    _workload.on("jax")(_cell_jax(_compiled))
