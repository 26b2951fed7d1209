"""Random operations with state: each continues a sequence that its seeds start.

The state is the counter of a Philox stream, a hidden variable of the operation: per session in a graph, per pair
of seeds in eager mode.  A call reserves as much of the stream as TensorFlow's operation reserves, so that call
after call gives TensorFlow's numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.registry import op
from everflow._src.ops import random_bits as bits
from everflow._src.runtime.failures import invalid

INDEX = (dtypes.int32, dtypes.int64)
FLOATS = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64)


def initial_stream(op: Any) -> np.ndarray:
    """The stream of an operation before its first call."""
    return bits.stream_of_seeds(op._attrs["seed"], op._attrs["seed2"])


def reserve(xp: Any, frame: Any, op: Any, count: int) -> Any:
    """The stream from which this call draws; the next call starts `count` groups further on."""
    state = frame.hidden(op)
    stream = frame.read(state)
    frame.assign(state, bits.skip(xp, stream, count))
    return stream


def sizes_of(shape: Any) -> tuple[int, ...]:
    """The sizes in a shape operand.

    Raises:
      InvalidArgumentError: it is no vector of sizes.
    """
    shape = np.asarray(shape)
    if shape.ndim != 1:
        raise invalid(f"shape must be a vector of integers, received shape {list(shape.shape)}")
    sizes = tuple(int(d) for d in shape)
    if any(d < 0 for d in sizes):
        raise invalid(f"Dimension {min(sizes)} must be >= 0: received the shape {list(sizes)}")
    return sizes


def _drawing(draw: Callable) -> Callable:
    def kernel(xp: Any, shape: Any, *, dtype: Any, op: Any, frame: Any) -> Any:
        sizes = sizes_of(shape)
        count = math.prod(sizes)
        return draw(xp, reserve(xp, frame, op, count * bits.RESERVED_PER_OUTPUT), count, dtype).reshape(sizes)

    return kernel


def _draw_card(name: str, draw: Callable, doc: str, xla: Callable | None = None) -> Any:
    return op(
        name, "shape: T -> output: dtype", T=INDEX, dtype=FLOATS, seed=0, seed2=0, kernel=_drawing(draw), xla=xla,
        shape=shapes.from_value(0), static=("shape",), stateful=True, own_state=initial_stream,
        no_gradient="its value does not depend on its operand", doc=doc,
        sample=lambda: ([np.array([2, 3], np.int32)], {"dtype": dtypes.float32, "seed": 1, "seed2": 2}),
    )


RandomUniform = _draw_card("RandomUniform", bits.uniform, "Uniformly distributed numbers in [0, 1).")
RandomStandardNormal = _draw_card("RandomStandardNormal", bits.normal, "Numbers of the standard normal distribution.")


def _truncated_xla(jax: Any, shape: Any, *, dtype: Any, op: Any, frame: Any) -> Any:
    sizes = sizes_of(shape)
    count = math.prod(sizes)
    stream = reserve(jax.numpy, frame, op, count * bits.RESERVED_PER_OUTPUT)
    return bits.truncated_normal(jax.numpy, stream, count, dtype, jax).reshape(sizes)


TruncatedNormal = _draw_card(
    "TruncatedNormal", bits.truncated_normal, "Numbers of the standard normal distribution of absolute values below 2.",
    _truncated_xla)


def check_range(low: Any, high: Any) -> None:
    """Refuses bounds of integers between which there is nothing, where they are known."""
    if np.ndim(low) or np.ndim(high):
        raise invalid(f"minval and maxval must be scalars, received shapes {np.shape(low)} and {np.shape(high)}")
    if isinstance(low, (np.ndarray, np.generic)) and isinstance(high, (np.ndarray, np.generic)) and low >= high:
        raise invalid(f"Need minval < maxval, got {low} >= {high}")


def _uniform_int(xp: Any, shape: Any, low: Any, high: Any, *, Tout: Any, op: Any, frame: Any) -> Any:
    sizes = sizes_of(shape)
    count = math.prod(sizes)
    check_range(low, high)
    stream = reserve(xp, frame, op, count * bits.RESERVED_PER_OUTPUT)
    return bits.uniform_range(xp, stream, count, Tout, low, high).reshape(sizes)


RandomUniformInt = op(
    "RandomUniformInt", "shape: T, minval: Tout, maxval: Tout -> output: Tout", T=INDEX, Tout=INDEX, seed=0, seed2=0,
    kernel=_uniform_int, shape=shapes.from_value(0), static=("shape",), stateful=True, own_state=initial_stream,
    no_gradient="its value is an integer", doc="Uniformly distributed integers in [minval, maxval).",
    sample=lambda: ([np.array([5], np.int32), np.array(2, np.int32), np.array(9, np.int32)], {"seed": 1}),
)
