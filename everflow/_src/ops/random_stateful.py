"""Operations on the state of a `tf.random.Generator`: a variable that holds a counter and a key."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.errors import UnimplementedError
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops import random_bits as bits
from everflow._src.ops.random_ops import FLOATS, INDEX, check_range, ending_with, sizes_of
from everflow._src.ops.random_stateless_ops import AUTO_SELECT, PHILOX, THREEFRY, draw_binomial
from everflow._src.runtime.failures import invalid

_INT64_SHAPE = Attr("type", dtypes.int64, allowed=INDEX)
_FULL_INTEGERS = (dtypes.int32, dtypes.int64, dtypes.uint32, dtypes.uint64)
# What TensorFlow reserves for binomial numbers: for each pair of parameters this much per number, and three more.
_BINOMIAL_FACTOR = 50


def advance(xp: Any, frame: Any, resource: Any, algorithm: Any, delta: Any) -> Any:
    """The value of the state variable; it is left as if `delta` numbers had been drawn.

    Raises:
      UnimplementedError: the algorithm is ThreeFry.
      InvalidArgumentError: there is no such algorithm, or the variable does not hold its state.
    """
    algorithm = int(algorithm)
    if algorithm == THREEFRY:
        raise UnimplementedError(None, None, "Non-XLA devices don't support the ThreeFry algorithm.")
    if algorithm not in (PHILOX, AUTO_SELECT):
        raise invalid(f"Unsupported algorithm id: {algorithm}")
    state = frame.read(resource)
    if len(state.shape) != 1 or state.shape[0] < 3:
        raise invalid(f"The state of a Philox generator is a vector of at least 3 elements, received shape "
                      f"{list(state.shape)}")
    if state.dtype != np.int64:
        raise invalid(f"The state of a generator is of dtype int64, received {state.dtype}")
    stream = state[:3].view(np.uint64)
    delta = xp.asarray(delta).astype(np.uint64) * np.uint64(bits.RESERVED_PER_OUTPUT)
    new = bits.skip(xp, stream, delta).view(np.int64)
    frame.assign(resource, xp.concatenate([new, state[3:]]))
    return state


def _skip(xp: Any, resource: Any, algorithm: Any, delta: Any, *, frame: Any) -> None:
    advance(xp, frame, resource, algorithm, delta)


RngReadAndSkip = op(
    "RngReadAndSkip", "resource: resource, alg: int32, delta: uint64 -> value: int64", static=("alg",),
    kernel=lambda xp, resource, alg, delta, *, frame: advance(xp, frame, resource, alg, delta),
    shape=lambda op: TensorShape([None]), stateful=True, no_gradient="its value is a counter",
    doc="The state of a generator, which is advanced as if numbers had been drawn.",
)
RngSkip = op(
    "RngSkip", "resource: resource, algorithm: int64, delta: int64 ->", static=("algorithm",), kernel=_skip,
    shape=shapes.no_outputs, stateful=True, no_gradient="no outputs",
    doc="Advances a generator as if numbers had been drawn.",
)


def _draws(name: str, draw: Callable, allowed: tuple, default: Any, doc: str, xla: Callable | None = None
           ) -> None:
    """The card of `draw(xp, stream, count, dtype)` on the state of a generator."""

    def of(draw: Callable, compiled: bool) -> Callable:
        def kernel(module: Any, resource: Any, algorithm: Any, shape: Any, *, dtype: Any, frame: Any) -> Any:
            xp = module.numpy if compiled else module
            sizes = sizes_of(shape)
            count = math.prod(sizes)
            stream = advance(xp, frame, resource, algorithm, count)[:3].view(np.uint64)
            return draw(module, stream, count, dtype).reshape(sizes)

        return kernel

    def rule(op: Any) -> TensorShape:
        return shapes.from_value(2)(op)

    op(name, "resource: resource, algorithm: int64, shape: shape_dtype -> output: dtype", shape_dtype=_INT64_SHAPE,
       dtype=Attr("type", default, allowed=allowed), kernel=of(draw, False), xla=of(xla, True) if xla else None,
       shape=rule, static=("algorithm", "shape"), stateful=True, doc=doc,
       no_gradient="its value does not depend on its operands")


_draws("StatefulUniform", bits.uniform, FLOATS, dtypes.float32, "Uniformly distributed numbers in [0, 1).")
_draws("StatefulStandardNormalV2", bits.normal, FLOATS, dtypes.float32, "Numbers of the standard normal distribution.")
_draws("StatefulTruncatedNormal", bits.truncated_normal, FLOATS, dtypes.float32,
       "Numbers of the standard normal distribution of absolute values below 2.",
       lambda jax, stream, count, dtype: bits.truncated_normal(jax.numpy, stream, count, dtype, jax))
_draws("StatefulUniformFullInt", bits.full_range, _FULL_INTEGERS, dtypes.uint64,
       "Integers, each of the dtype as likely as the others.")


def _uniform_int(xp: Any, resource: Any, algorithm: Any, shape: Any, low: Any, high: Any, *, dtype: Any, frame: Any
                 ) -> Any:
    sizes = sizes_of(shape)
    count = math.prod(sizes)
    check_range(low, high)
    stream = advance(xp, frame, resource, algorithm, count)[:3].view(np.uint64)
    return bits.uniform_range(xp, stream, count, dtype, low, high).reshape(sizes)


StatefulUniformInt = op(
    "StatefulUniformInt",
    "resource: resource, algorithm: int64, shape: shape_dtype, minval: dtype, maxval: dtype -> output: dtype",
    shape_dtype=_INT64_SHAPE, dtype=Attr("type", dtypes.int64, allowed=_FULL_INTEGERS), kernel=_uniform_int,
    shape=shapes.from_value(2), static=("algorithm", "shape"), stateful=True, no_gradient="its value is an integer",
    doc="Uniformly distributed integers in [minval, maxval).",
)


def _binomial(xp: Any, jax: Any, resource: Any, algorithm: Any, shape: Any, counts: Any, probs: Any, dtype: Any,
              frame: Any) -> Any:
    given = np.broadcast_shapes(counts.shape, probs.shape)
    reserved = math.prod(given) * (ending_with(sizes_of(shape), given) + 3) * _BINOMIAL_FACTOR
    stream = advance(xp, frame, resource, algorithm, reserved)[:3].view(np.uint64)
    return draw_binomial(xp, jax, shape, stream, counts, probs, dtype)


_COUNTS = (dtypes.float16, dtypes.float32, dtypes.float64, dtypes.int32, dtypes.int64)

StatefulRandomBinomial = op(
    "StatefulRandomBinomial",
    "resource: resource, algorithm: int64, shape: S, counts: T, probs: T -> output: dtype", S=INDEX,
    T=Attr("type", dtypes.float64, allowed=_COUNTS), dtype=Attr("type", dtypes.int64, allowed=_COUNTS),
    kernel=lambda xp, resource, algorithm, shape, counts, probs, *, dtype, frame: _binomial(
        xp, None, resource, algorithm, shape, counts, probs, dtype, frame),
    xla=lambda jax, resource, algorithm, shape, counts, probs, *, dtype, frame: _binomial(
        jax.numpy, jax, resource, algorithm, shape, counts, probs, dtype, frame),
    shape=shapes.from_value(2), static=("algorithm", "shape"), stateful=True, no_gradient="its value is a count",
    doc="Numbers of binomial distributions.",
)


def _from_system(xp: Any, shape: Any, *, dtype: Any) -> Any:
    sizes = sizes_of(shape)
    kind = dtype.numpy_dtype
    return np.frombuffer(os.urandom(math.prod(sizes) * kind.itemsize), kind).reshape(sizes).copy()


NonDeterministicInts = op(
    "NonDeterministicInts", "shape: shape_dtype -> output: dtype", shape_dtype=_INT64_SHAPE,
    dtype=Attr("type", dtypes.int64, allowed=_FULL_INTEGERS), kernel=_from_system, shape=shapes.from_value(0),
    host=True, stateful=True, no_gradient="its value is random bits", doc="Random bits of the operating system.",
)
