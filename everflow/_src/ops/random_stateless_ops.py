"""Random operations without state: the same seed, or key and counter, gives the same numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.errors import UnimplementedError
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops import random_bits as bits
from everflow._src.ops import random_rejection as rejection
from everflow._src.ops.random_ops import (
    FLOATS,
    INDEX,
    LOGITS,
    check_range,
    choose,
    classes_shape,
    ending_with,
    gamma_gradient,
    shuffled,
    sizes_of,
)
from everflow._src.runtime.failures import invalid

PHILOX, THREEFRY, AUTO_SELECT = 1, 2, 3

_FULL_INTEGERS = (dtypes.int32, dtypes.int64, dtypes.uint32, dtypes.uint64)
_INDEX_INT32 = Attr("type", dtypes.int32, allowed=INDEX)
_SEED = Attr("type", dtypes.int64, allowed=INDEX)
_FLOAT32 = Attr("type", dtypes.float32, allowed=FLOATS)

# ---- from seeds to streams

_SCRAMBLE = np.uint64(0x02461E293EC8F720)


def stream_of_seed(xp: Any, seed: Any) -> Any:
    """The stream of a pair of seeds, which are scrambled: seeds need not look random.

    Raises:
      InvalidArgumentError: it is no pair.
    """
    if tuple(seed.shape) != (2,):
        raise invalid(f"seed must have shape [2], not {list(seed.shape)}")
    pair = seed.astype(np.int64).astype(np.uint64)
    key = xp.asarray(_SCRAMBLE).reshape(1)
    mixed = bits.rounds(xp, pair[0:1], pair[1:2], key)
    return xp.concatenate([
        xp.zeros(1, np.uint64), mixed[2] | (mixed[3] << np.uint64(32)), mixed[0] | (mixed[1] << np.uint64(32))])


def stream_of(xp: Any, key: Any, counter: Any, algorithm: Any) -> Any:
    """The stream that a key and a counter name.

    Raises:
      InvalidArgumentError: their shapes are not those of Philox.
      UnimplementedError: the algorithm is not Philox.
    """
    algorithm = int(algorithm)
    if algorithm not in (PHILOX, AUTO_SELECT):
        if algorithm == THREEFRY:
            raise UnimplementedError(None, None, "The algorithm ThreeFry is not available on CPU; use Philox.")
        raise invalid(f"Unsupported algorithm id: {algorithm}")
    if tuple(key.shape) != (1,):
        raise invalid(f"key must have shape [1], not {list(key.shape)}")
    if len(counter.shape) != 1 or counter.shape[0] < 2:
        raise invalid(f"counter must be a vector of at least 2 elements, not of shape {list(counter.shape)}")
    return xp.concatenate([counter[:2], key])


def _pair_shape(op: Any) -> None:
    if not op._inputs[-1]._shape.is_compatible_with(TensorShape([2])):
        raise ValueError(f"seed must have shape [2], not {op._inputs[-1]._shape}")


def _key_counter_shapes(op: Any) -> list[TensorShape]:
    _pair_shape(op)
    return [TensorShape([1]), TensorShape([2]), TensorShape([])][:len(op._outputs)]


def _key_counter(xp: Any, seed: Any) -> tuple[Any, Any]:
    stream = stream_of_seed(xp, seed)
    return stream[2:3], stream[0:2]


_PAIR = np.array([3, -4], np.int64)

StatelessRandomGetKeyCounter = op(
    "StatelessRandomGetKeyCounter", "seed: Tseed -> key: uint64, counter: uint64", Tseed=_SEED, kernel=_key_counter,
    shape=_key_counter_shapes, no_gradient="its values are random bits",
    doc="The key and counter that a pair of seeds stands for.", sample=lambda: ([_PAIR], {}),
)
StatelessRandomGetKeyCounterAlg = op(
    "StatelessRandomGetKeyCounterAlg", "seed: Tseed -> key: uint64, counter: uint64, alg: int32", Tseed=_SEED,
    kernel=lambda xp, seed: (*_key_counter(xp, seed), np.array(PHILOX, np.int32)), shape=_key_counter_shapes,
    no_gradient="its values are random bits",
    doc="The key and counter that a pair of seeds stands for, and the algorithm.",
    sample=lambda: ([_PAIR], {}),
)
StatelessRandomGetAlg = op(
    "StatelessRandomGetAlg", "-> alg: int32", kernel=lambda xp: np.array(PHILOX, np.int32), shape=shapes.scalar,
    no_gradient="its value is a constant", doc="The number of the algorithm that serves this device.", stateful=True,
    reads_only=True, sample=lambda: ([], {}),
)

# ---- numbers, of a seed or of a key and a counter

_KEYED = "key: uint64, counter: uint64, alg: int32"
_KEY, _COUNTER, _ALG = np.array([7], np.uint64), np.array([5, 6], np.uint64), np.array(PHILOX, np.int32)


def _shape_with_seed(op: Any) -> TensorShape:
    if len(op._inputs) == 2:
        _pair_shape(op)
    return shapes.from_value(0)(op)


def _twins(name: str, second: str, draw: Callable, dtype: Attr, doc: str, draw_xla: Callable | None = None) -> None:
    """The operation that takes a seed and its second version, which takes a key and a counter."""

    def keyed(draw: Callable) -> Callable:
        def kernel(xp: Any, shape: Any, key: Any, counter: Any, alg: Any, *, dtype: Any) -> Any:
            sizes = sizes_of(shape)
            numpy = getattr(xp, "numpy", xp) if draw is draw_xla else xp
            return draw(xp, stream_of(numpy, key, counter, alg), math.prod(sizes), dtype).reshape(sizes)
        return kernel

    def seeded(draw: Callable) -> Callable:
        def kernel(xp: Any, shape: Any, seed: Any, *, dtype: Any) -> Any:
            sizes = sizes_of(shape)
            numpy = getattr(xp, "numpy", xp) if draw is draw_xla else xp
            return draw(xp, stream_of_seed(numpy, seed), math.prod(sizes), dtype).reshape(sizes)
        return kernel

    common: dict[str, Any] = {"dtype": dtype, "shape": _shape_with_seed,
                              "no_gradient": "its value does not depend on its operands", "doc": doc}
    op(name, "shape: T, seed: Tseed -> output: dtype", T=_INDEX_INT32, Tseed=_SEED, kernel=seeded(draw),
       xla=seeded(draw_xla) if draw_xla else None, static=("shape",),
       sample=lambda: ([np.array([2, 3], np.int32), _PAIR], {}), **common)
    op(second, f"shape: Tshape, {_KEYED} -> output: dtype", Tshape=_INDEX_INT32, kernel=keyed(draw),
       xla=keyed(draw_xla) if draw_xla else None, static=("shape", "alg"),
       sample=lambda: ([np.array([2, 3], np.int32), _KEY, _COUNTER, _ALG], {}), **common)


_twins("StatelessRandomUniform", "StatelessRandomUniformV2", bits.uniform, _FLOAT32,
       "Uniformly distributed numbers in [0, 1).")
_twins("StatelessRandomNormal", "StatelessRandomNormalV2", bits.normal, _FLOAT32,
       "Numbers of the standard normal distribution.")
_twins("StatelessTruncatedNormal", "StatelessTruncatedNormalV2", bits.truncated_normal, _FLOAT32,
       "Numbers of the standard normal distribution of absolute values below 2.",
       lambda jax, stream, count, dtype: bits.truncated_normal(jax.numpy, stream, count, dtype, jax))
_twins("StatelessRandomUniformFullInt", "StatelessRandomUniformFullIntV2", bits.full_range,
       Attr("type", dtypes.uint64, allowed=_FULL_INTEGERS), "Integers, each of the dtype as likely as the others.")


def _within(xp: Any, shape: Any, stream: Any, low: Any, high: Any, dtype: Any) -> Any:
    sizes = sizes_of(shape)
    check_range(low, high)
    return bits.uniform_range(xp, stream, math.prod(sizes), dtype, low, high).reshape(sizes)


StatelessRandomUniformInt = op(
    "StatelessRandomUniformInt", "shape: T, seed: Tseed, minval: dtype, maxval: dtype -> output: dtype", T=INDEX,
    Tseed=_SEED, dtype=INDEX, shape=shapes.from_value(0), static=("shape",),
    kernel=lambda xp, shape, seed, low, high, *, dtype: _within(xp, shape, stream_of_seed(xp, seed), low, high, dtype),
    no_gradient="its value is an integer", doc="Uniformly distributed integers in [minval, maxval).",
    sample=lambda: ([np.array([5], np.int32), _PAIR, np.array(-2, np.int32), np.array(9, np.int32)], {}),
)
StatelessRandomUniformIntV2 = op(
    "StatelessRandomUniformIntV2", f"shape: Tshape, {_KEYED}, minval: dtype, maxval: dtype -> output: dtype",
    Tshape=_INDEX_INT32, dtype=_FULL_INTEGERS, shape=shapes.from_value(0), static=("shape", "alg"),
    kernel=lambda xp, shape, key, counter, alg, low, high, *, dtype: _within(
        xp, shape, stream_of(xp, key, counter, alg), low, high, dtype),
    no_gradient="its value is an integer", doc="Uniformly distributed integers in [minval, maxval).",
    sample=lambda: ([np.array([5], np.int32), _KEY, _COUNTER, _ALG, np.array(-2, np.int32), np.array(9, np.int32)],
                    {}),
)

# ---- distributions with parameters, classes, orders


def _gamma_v2(xp: Any, jax: Any, shape: Any, stream: Any, alpha: Any, dtype: Any) -> Any:
    sizes = sizes_of(shape)
    samples = ending_with(sizes, alpha.shape)
    return rejection.gamma(xp, jax, stream, samples, alpha, dtype).reshape(sizes)


_REAL = (dtypes.float16, dtypes.float32, dtypes.float64)

StatelessRandomGammaV2 = op(
    "StatelessRandomGammaV2", "shape: T, seed: Tseed, alpha: dtype -> output: dtype", T=INDEX, Tseed=_SEED, dtype=_REAL,
    kernel=lambda xp, shape, seed, alpha, *, dtype: _gamma_v2(xp, None, shape, stream_of_seed(xp, seed), alpha, dtype),
    xla=lambda jax, shape, seed, alpha, *, dtype: _gamma_v2(
        jax.numpy, jax, shape, stream_of_seed(jax.numpy, seed), alpha, dtype),
    shape=shapes.from_value(0), static=("shape",), doc="Numbers of gamma distributions with scale 1.",
    gradient=lambda dy, *, alpha, output, alpha_shape: (
        None, None, gamma_gradient(dy, alpha=alpha, output=output, alpha_shape=alpha_shape)),
    sample=lambda: ([np.array([4, 2], np.int32), _PAIR, np.array([0.5, 3.0], np.float32)], {}),
)
StatelessRandomGammaV3 = op(
    "StatelessRandomGammaV3", f"shape: shape_dtype, {_KEYED}, alpha: dtype -> output: dtype", shape_dtype=_INDEX_INT32,
    dtype=_REAL,
    kernel=lambda xp, shape, key, counter, alg, alpha, *, dtype: _gamma_v2(
        xp, None, shape, stream_of(xp, key, counter, alg), alpha, dtype),
    xla=lambda jax, shape, key, counter, alg, alpha, *, dtype: _gamma_v2(
        jax.numpy, jax, shape, stream_of(jax.numpy, key, counter, alg), alpha, dtype),
    shape=shapes.from_value(0), static=("shape", "alg"), doc="Numbers of gamma distributions with scale 1.",
    gradient=lambda dy, *, alpha, output, alpha_shape: (
        None, None, None, None, gamma_gradient(dy, alpha=alpha, output=output, alpha_shape=alpha_shape)),
    sample=lambda: ([np.array([4, 2], np.int32), _KEY, _COUNTER, _ALG, np.array([0.5, 3.0], np.float32)], {}),
)

_COUNTS = (dtypes.float16, dtypes.float32, dtypes.float64, dtypes.int32, dtypes.int64)


def _stateless_poisson(xp: Any, jax: Any, shape: Any, seed: Any, rate: Any, dtype: Any) -> Any:
    sizes = sizes_of(shape)
    samples = ending_with(sizes, rate.shape)
    return rejection.poisson(xp, jax, stream_of_seed(xp, seed), samples, rate, dtype).reshape(sizes)


StatelessRandomPoisson = op(
    "StatelessRandomPoisson", "shape: T, seed: Tseed, lam: Rtype -> output: dtype", T=INDEX, Tseed=_SEED, Rtype=_COUNTS,
    dtype=_COUNTS,
    kernel=lambda xp, shape, seed, rate, *, dtype: _stateless_poisson(xp, None, shape, seed, rate, dtype),
    xla=lambda jax, shape, seed, rate, *, dtype: _stateless_poisson(jax.numpy, jax, shape, seed, rate, dtype),
    shape=shapes.from_value(0), static=("shape",), no_gradient="its value is a count",
    doc="Numbers of Poisson distributions.",
    sample=lambda: ([np.array([4, 2], np.int32), _PAIR, np.array([0.5, 20.0], np.float32)], {"dtype": dtypes.int32}),
)


def draw_binomial(xp: Any, jax: Any, shape: Any, stream: Any, counts: Any, probs: Any, dtype: Any) -> Any:
    """Numbers of binomial distributions, of a shape that ends with that of the parameters."""
    sizes = sizes_of(shape)
    samples = ending_with(sizes, np.broadcast_shapes(counts.shape, probs.shape))
    return rejection.binomial(xp, jax, stream, samples, counts, probs, dtype).reshape(sizes)


StatelessRandomBinomial = op(
    "StatelessRandomBinomial", "shape: S, seed: Tseed, counts: T, probs: T -> output: dtype", S=INDEX, Tseed=_SEED,
    T=Attr("type", dtypes.float64, allowed=_COUNTS), dtype=Attr("type", dtypes.int64, allowed=_COUNTS),
    kernel=lambda xp, shape, seed, counts, probs, *, dtype: draw_binomial(
        xp, None, shape, stream_of_seed(xp, seed), counts, probs, dtype),
    xla=lambda jax, shape, seed, counts, probs, *, dtype: draw_binomial(
        jax.numpy, jax, shape, stream_of_seed(jax.numpy, seed), counts, probs, dtype),
    shape=shapes.from_value(0), static=("shape",), no_gradient="its value is a count",
    doc="Numbers of binomial distributions.",
    sample=lambda: ([np.array([4, 2], np.int32), _PAIR, np.array([10.0, 100.0]), np.array([0.3, 0.6])], {}),
)

StatelessMultinomial = op(
    "StatelessMultinomial", "logits: T, num_samples: int32, seed: Tseed -> output: output_dtype", T=LOGITS, Tseed=_SEED,
    output_dtype=Attr("type", dtypes.int64, allowed=INDEX), shape=classes_shape, static=("num_samples",),
    kernel=lambda xp, logits, num_samples, seed, *, output_dtype: choose(
        xp, None, stream_of_seed(xp, seed), logits, int(num_samples), output_dtype),
    xla=lambda jax, logits, num_samples, seed, *, output_dtype: choose(
        jax.numpy, jax, stream_of_seed(jax.numpy, seed), logits, int(num_samples), output_dtype),
    no_gradient="its value is an integer", doc="Class numbers, drawn with the probabilities softmax(logits).",
    sample=lambda: ([np.array([[0.5, 1.0, -1.0]], np.float32), np.array(5, np.int32), _PAIR], {}),
)


def _stateless_shuffle(xp: Any, jax: Any, value: Any, key: Any, counter: Any, alg: Any) -> Any:
    stream = stream_of(xp, key, counter, alg)
    if value.ndim == 0 or value.shape[0] <= 1 or value.size == 0:
        return value
    count = value.shape[0]
    return value[shuffled(xp, jax, bits.words(xp, stream, count - 1), count)]


StatelessShuffle = op(
    "StatelessShuffle", f"value: T, {_KEYED} -> output: T", T=dtypes.ALL, shape=shapes.unchanged, static=("alg",),
    kernel=lambda xp, value, key, counter, alg: _stateless_shuffle(xp, None, value, key, counter, alg),
    xla=lambda jax, value, key, counter, alg: _stateless_shuffle(jax.numpy, jax, value, key, counter, alg),
    no_gradient="TensorFlow has none", doc="The rows of a tensor in random order.",
    sample=lambda: ([np.arange(5, dtype=np.float32), _KEY, _COUNTER, _ALG], {}),
)
