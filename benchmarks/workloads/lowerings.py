"""Operations forward and back, alone: what they are lowered to is what a training step is made of.

Each step computes a function and its gradients by all of its arguments, for a given gradient of its result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.arrays import labels, normal, weight
from benchmarks.registry import TENSORFLOW, Task, Workload

EPSILON = 1e-3


def _declare(
    name: str,
    arguments: Sequence[np.ndarray],
    by_tensorflow: Callable[..., Any],
    by_torch: Callable[..., Any],
    by_jax: Callable[..., Any],
    output_shape: Sequence[int],
) -> None:
    workload = Workload(name, tolerance=1e-3, check_steps=1)
    gradient = normal(*output_shape, seed=99)

    @workload.on(*TENSORFLOW)
    def tensorflow(tf: Any) -> Task:
        values = [tf.constant(a) for a in arguments]
        dy = tf.constant(gradient)

        @tf.function
        def both(values: Any, dy: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(values)
                y = by_tensorflow(tf, *values)
            return y, tape.gradient(y, values, dy)

        return Task(lambda: both(values, dy), _numpy)

    @workload.on("torch")
    def torch(torch: Any) -> Task:
        values = [torch.tensor(a, requires_grad=True) for a in arguments]
        dy = torch.tensor(gradient)

        def step() -> Any:
            y = by_torch(torch, *values)
            return y.detach(), torch.autograd.grad(y, values, dy)

        return Task(step, _numpy)

    @workload.on("jax")
    def jax(jax: Any) -> Task:
        values, dy = [jax.numpy.array(a) for a in arguments], jax.numpy.array(gradient)

        def both(values: Any, dy: Any) -> Any:
            y, back = jax.vjp(lambda *values: by_jax(jax, *values), *values)
            return y, back(dy)

        compiled = jax.jit(both)
        return Task(lambda: compiled(values, dy), lambda value: [value[0], *value[1]])


def _numpy(value: Any) -> list[np.ndarray]:
    return [value[0].numpy(), *(gradient.numpy() for gradient in value[1])]


def _jax_batch_norm(jax: Any, x: Any, scale: Any, offset: Any) -> Any:
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    return (x - mean) * (scale * jax.lax.rsqrt(variance + EPSILON)) + offset


_declare(
    "batch norm 32x32x32x64, forward and back",
    [normal(32, 32, 32, 64), 1.0 + normal(64, scale=0.1), normal(64, seed=1)],
    lambda tf, x, scale, offset: tf.compat.v1.nn.fused_batch_norm(x, scale, offset, epsilon=EPSILON)[0],
    lambda torch, x, scale, offset: torch.nn.functional.batch_norm(
        x.permute(0, 3, 1, 2), None, None, scale, offset, training=True, eps=EPSILON).permute(0, 2, 3, 1),
    _jax_batch_norm,
    (32, 32, 32, 64),
)


def _layer_norm(framework: Any, rsqrt: Callable[[Any], Any], mean: Callable[[Any], Any], *arguments: Any) -> Any:
    x, scale, offset = arguments
    centered = x - mean(x)
    return centered * rsqrt(mean(centered * centered) + EPSILON) * scale + offset


_declare(
    "layer norm 8x512x512, forward and back",
    [normal(8, 512, 512), 1.0 + normal(512, scale=0.1), normal(512, seed=1)],
    lambda tf, *a: _layer_norm(tf, tf.math.rsqrt, lambda x: tf.reduce_mean(x, -1, keepdims=True), *a),
    lambda torch, x, scale, offset: torch.nn.functional.layer_norm(x, [512], scale, offset, EPSILON),
    lambda jax, *a: _layer_norm(jax, jax.lax.rsqrt, lambda x: x.mean(-1, keepdims=True), *a),
    (8, 512, 512),
)
_declare(
    "softmax 8x8x256x256, forward and back", [normal(8, 8, 256, 256)],
    lambda tf, x: tf.nn.softmax(x), lambda torch, x: torch.softmax(x, -1), lambda jax, x: jax.nn.softmax(x),
    (8, 8, 256, 256),
)
_declare(
    "gelu 8x512x1024, forward and back", [normal(8, 512, 1024)],
    lambda tf, x: tf.nn.gelu(x), lambda torch, x: torch.nn.functional.gelu(x),
    lambda jax, x: jax.nn.gelu(x, approximate=False), (8, 512, 1024),
)
_declare(
    "dense gelu 8x128x256 to 1024, forward and back",
    [normal(8, 128, 256), weight(256, 1024), normal(1024, seed=1)],
    lambda tf, x, w, b: tf.nn.gelu(tf.matmul(x, w) + b),
    lambda torch, x, w, b: torch.nn.functional.gelu(x @ w + b),
    lambda jax, x, w, b: jax.nn.gelu(x @ w + b, approximate=False),
    (8, 128, 1024),
)
_declare(
    "einsum btd,df->btf 8x128x256 to 1024, forward and back", [normal(8, 128, 256), weight(256, 1024)],
    lambda tf, x, w: tf.einsum("btd,df->btf", x, w), lambda torch, x, w: torch.einsum("btd,df->btf", x, w),
    lambda jax, x, w: jax.numpy.einsum("btd,df->btf", x, w), (8, 128, 1024),
)


def _tensorflow_attention(tf: Any, query: Any, key: Any, value: Any) -> Any:
    return tf.matmul(tf.nn.softmax(tf.matmul(query, key, transpose_b=True) * 0.125), value)


def _jax_attention(jax: Any, query: Any, key: Any, value: Any) -> Any:
    return jax.nn.softmax(query @ key.swapaxes(-1, -2) * 0.125) @ value


_declare(
    "attention 8x8x128x64, forward and back", [normal(8, 8, 128, 64, seed=i) for i in range(3)],
    _tensorflow_attention,
    lambda torch, q, k, v: torch.softmax(q @ k.transpose(-1, -2) * 0.125, -1) @ v,
    _jax_attention, (8, 8, 128, 64),
)

def _attention_by_einsum(framework: Any, softmax: Callable[[Any], Any], q: Any, k: Any, v: Any) -> Any:
    scores = framework.einsum("btnh,bsnh->bnts", q, k) * 0.125
    return framework.einsum("bnts,bsnh->btnh", softmax(scores), v)


_declare(
    "attention by einsum 8x128x8x64, forward and back", [normal(8, 128, 8, 64, seed=i) for i in range(3)],
    lambda tf, *a: _attention_by_einsum(tf, tf.nn.softmax, *a),
    lambda torch, *a: _attention_by_einsum(torch, lambda x: torch.softmax(x, -1), *a),
    lambda jax, *a: _attention_by_einsum(jax.numpy, jax.nn.softmax, *a), (8, 128, 8, 64),
)

CLASSES = labels(4096, 1000)


def _jax_cross_entropy(jax: Any, x: Any) -> Any:
    return -jax.numpy.take_along_axis(jax.nn.log_softmax(x), CLASSES[:, None], axis=1)[:, 0]


_declare(
    "sparse softmax cross entropy 4096x1000, forward and back", [normal(4096, 1000)],
    lambda tf, x: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=CLASSES, logits=x),
    lambda torch, x: torch.nn.functional.cross_entropy(x, torch.from_numpy(CLASSES).long(), reduction="none"),
    _jax_cross_entropy, (4096,),
)
_declare(
    "bias 32x32x32x64, forward and back", [normal(32, 32, 32, 64), normal(64)],
    lambda tf, x, b: tf.nn.bias_add(x, b), lambda torch, x, b: x + b, lambda jax, x, b: x + b, (32, 32, 32, 64),
)
