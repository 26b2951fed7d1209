"""Training steps of a 784-512-512-10 network on batches of 128 that come as NumPy arrays.

The loss is read after every step, as training loops that report it do; it is also what the results
are compared by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.arrays import batches, labels, normal, weight
from benchmarks.registry import TENSORFLOW, Task, Workload

SIZES = (784, 512, 512, 10)
BATCH = 128
LEARNING_RATE = {"SGD": 0.05, "Adam": 0.001}
AIMS = {"tensorflow": 0.75, "torch": 1.0, "jax": 1.1}


def _parameters() -> list[Any]:
    parameters: list[Any] = []
    for fan_in, units in zip(SIZES, SIZES[1:], strict=False):
        parameters += [weight(fan_in, units), normal(units, scale=0.01)]
    return parameters


def _batches() -> Any:
    return batches(lambda seed: (normal(BATCH, 784, seed=seed), labels(BATCH, 10, seed)))


def _number(value: Any) -> float:
    return value


def _tensorflow_loss(tf: Any, parameters: list[Any], x: Any, y: Any) -> Any:
    for kernel, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        x = tf.nn.relu(tf.matmul(x, kernel) + bias)
    logits = tf.matmul(x, parameters[-2]) + parameters[-1]
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))


def _by_function(optimizer_name: str, eager: bool = False) -> Callable[[Any], Task]:
    def build(tf: Any) -> Task:
        parameters = [tf.Variable(value) for value in _parameters()]
        optimizer = getattr(tf.keras.optimizers, optimizer_name)(LEARNING_RATE[optimizer_name])
        data = _batches()

        def train(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                loss = _tensorflow_loss(tf, parameters, x, y)
            gradients = tape.gradient(loss, parameters)
            optimizer.apply_gradients(zip(gradients, parameters, strict=True))
            return loss

        step = train if eager else tf.function(train)
        return Task(lambda: float(step(*next(data))), _number)

    return build


def _by_assignment(tf: Any) -> Task:
    """SGD without an optimizer object: the update is written out."""
    parameters = [tf.Variable(value) for value in _parameters()]
    rate = LEARNING_RATE["SGD"]
    data = _batches()

    @tf.function
    def train(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = _tensorflow_loss(tf, parameters, x, y)
        for parameter, gradient in zip(parameters, tape.gradient(loss, parameters), strict=True):
            parameter.assign_sub(rate * gradient)
        return loss

    return Task(lambda: float(train(*next(data))), _number)


def _by_session(optimizer_name: str) -> Callable[[Any], Task]:
    def build(tf: Any) -> Task:
        tf1 = tf.compat.v1
        with tf.Graph().as_default():
            x = tf1.placeholder(tf.float32, [None, 784])
            y = tf1.placeholder(tf.int32, [None])
            parameters = [
                tf1.get_variable(f"parameter_{i}", initializer=tf.constant(value))
                for i, value in enumerate(_parameters())
            ]
            loss = _tensorflow_loss(tf, parameters, x, y)
            rate = LEARNING_RATE[optimizer_name]
            if optimizer_name == "SGD":
                optimizer = tf1.train.GradientDescentOptimizer(rate)
            else:
                optimizer = tf1.train.AdamOptimizer(rate, epsilon=1e-7)
            train = optimizer.minimize(loss)
            session = tf1.Session()
            session.run(tf1.global_variables_initializer())
        data = _batches()

        def step() -> float:
            features, targets = next(data)
            return session.run([loss, train], {x: features, y: targets})[0]

        return Task(step, _number)

    return build


def _torch(optimizer_name: str) -> Callable[[Any], Task]:
    def build(torch: Any) -> Task:
        functional = torch.nn.functional
        parameters = [torch.tensor(value, requires_grad=True) for value in _parameters()]
        rate = LEARNING_RATE[optimizer_name]
        options = {"eps": 1e-7} if optimizer_name == "Adam" else {}
        optimizer = getattr(torch.optim, optimizer_name)(parameters, lr=rate, **options)
        data = _batches()

        def step() -> float:
            features, targets = next(data)
            x, y = torch.from_numpy(features), torch.from_numpy(targets).long()
            for kernel, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
                x = torch.relu(x @ kernel + bias)
            loss = functional.cross_entropy(x @ parameters[-2] + parameters[-1], y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.item()

        return Task(step, _number)

    return build


def _jax(optimizer_name: str) -> Callable[[Any], Task]:
    def build(jax: Any) -> Task:
        jnp = jax.numpy
        rate = LEARNING_RATE[optimizer_name]

        def loss_of(parameters: list[Any], x: Any, y: Any) -> Any:
            for kernel, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
                x = jax.nn.relu(x @ kernel + bias)
            logits = jax.nn.log_softmax(x @ parameters[-2] + parameters[-1])
            return -jnp.mean(jnp.take_along_axis(logits, y[:, None], axis=1))

        def sgd(state: Any, x: Any, y: Any) -> Any:
            loss, gradients = jax.value_and_grad(loss_of)(state, x, y)
            return [p - rate * g for p, g in zip(state, gradients, strict=True)], loss

        def adam(state: Any, x: Any, y: Any) -> Any:
            parameters, first, second, count = state
            loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y)
            count = count + 1
            corrected = rate * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
            first = [0.9 * m + 0.1 * g for m, g in zip(first, gradients, strict=True)]
            second = [0.999 * v + 0.001 * g * g for v, g in zip(second, gradients, strict=True)]
            parameters = [
                p - corrected * m / (jnp.sqrt(v) + 1e-7)
                for p, m, v in zip(parameters, first, second, strict=True)
            ]
            return (parameters, first, second, count), loss

        parameters = [jnp.array(value) for value in _parameters()]
        if optimizer_name == "SGD":
            train, state = jax.jit(sgd, donate_argnums=0), parameters
        else:
            train = jax.jit(adam, donate_argnums=0)
            state = (
                parameters, [jnp.zeros_like(p) for p in parameters], [jnp.zeros_like(p) for p in parameters],
                jnp.zeros((), jnp.float32),
            )
        data = _batches()

        def step() -> float:
            nonlocal state
            state, loss = train(state, *next(data))
            return float(loss)

        return Task(step, _number)

    return build


def _declare(name: str, optimizer_name: str, tensorflow: Callable[[Any], Task], **fields: Any) -> None:
    # Adam's first steps divide noise by noise, and frameworks place epsilon differently.
    workload = Workload(name, tolerance=1e-4 if optimizer_name == "SGD" else 2e-3, **fields)
    workload.on(*TENSORFLOW)(tensorflow)
    workload.on("torch")(_torch(optimizer_name))
    workload.on("jax")(_jax(optimizer_name))


_declare("MLP step, SGD, tf.function", "SGD", _by_assignment, at_most=AIMS)
_declare("MLP step, SGD, Session.run", "SGD", _by_session("SGD"), at_most=AIMS)
_declare("MLP step, Keras SGD, tf.function", "SGD", _by_function("SGD"), at_most=AIMS)
_declare("MLP step, Keras Adam, tf.function", "Adam", _by_function("Adam"), at_most=AIMS)
_declare("MLP step, Adam, Session.run", "Adam", _by_session("Adam"), at_most=AIMS)
_declare("MLP step, Keras SGD, eager tape", "SGD", _by_function("SGD", eager=True))
