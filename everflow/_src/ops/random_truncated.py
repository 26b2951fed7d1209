"""Normal numbers between bounds of one's own (C. Robert, "Simulation of truncated normal variables", 1995).

Which of three ways of rejection is used depends on where the bounds lie; each takes its candidates from the stream
in order, batch after batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.tensor import Tensor
from everflow._src.ops import random_bits as bits
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.ops.random_functions import shape_operand
from everflow._src.ops.random_ops import FLOATS, INDEX, ending_with, initial_stream, reserve, sizes_of
from everflow._src.ops.random_stateless_ops import stream_of_seed
from everflow._src.runtime.failures import invalid

# Within bounds this many standard deviations off the mean, plain normal numbers pass often enough.
_WIDE = 1.3
_MOST_TRIES = 1000


class _Sequence:
    """A stream from which groups of 128 bits are taken one after the other."""

    def __init__(self, stream: Any, dtype: Any) -> None:
        self.stream = stream
        self.dtype = dtype
        self.per_group = 2 if dtype == dtypes.float64 else 4

    def collect(self, count: int, groups_per_try: int, candidates: Callable) -> np.ndarray:
        """The first `count` values that pass; `candidates(stream, tries)` gives values and whether each passes."""
        parts: list[np.ndarray] = []
        found = 0
        while found < count:
            tries = max(4, 2 * (count - found) // self.per_group)
            values, passes = candidates(self.stream, tries)
            places = np.flatnonzero(passes)
            missing = count - found
            if places.size >= missing:
                used = places[missing - 1] * tries // values.size + 1
                places = places[:missing]
            else:
                used = tries
            self.stream = bits.skip(np, self.stream, int(used) * groups_per_try)
            parts.append(values[places])
            found += places.size
        return np.concatenate(parts) if parts else np.zeros(0, self.dtype.numpy_dtype)

    def normal(self, count: int, low: Any, high: Any) -> np.ndarray:
        """Normal numbers that lie between the bounds."""
        def candidates(stream: Any, tries: int) -> tuple[Any, Any]:
            values = bits.normal(np, stream, tries * self.per_group, self.dtype)
            return values, (values >= low) & (values <= high)

        return self.collect(count, 1, candidates)

    def uniform(self, count: int, low: Any, high: Any) -> np.ndarray:
        """Uniform numbers between the bounds, kept with the probability that their density says."""
        kind = self.dtype.numpy_dtype.type
        offset = kind(0) if low < 0 else low * low

        def candidates(stream: Any, tries: int) -> tuple[Any, Any]:
            pairs = bits.uniform(np, stream, 2 * tries * self.per_group, self.dtype).reshape(tries, 2, self.per_group)
            values = (pairs[:, 0] * (high - low) + low).reshape(-1)
            return values, pairs[:, 1].reshape(-1) <= np.exp((offset - values * values) / kind(2))

        return self.collect(count, 2, candidates)

    def exponential(self, count: int, low: Any, high: Any) -> np.ndarray:
        """Exponential numbers from the lower bound on, kept likewise."""
        kind = self.dtype.numpy_dtype.type
        alpha = (low + np.sqrt(low * low + kind(4))) / kind(2)

        def candidates(stream: Any, tries: int) -> tuple[Any, Any]:
            pairs = bits.uniform(np, stream, tries * self.per_group, self.dtype).reshape(-1, 2)
            values = -np.log(pairs[:, 0]) / alpha + low
            x = alpha - values if low < alpha else low - alpha
            return values, (pairs[:, 1] <= np.exp(-x * x / kind(2))) & (values < high)

        return self.collect(count, 1, candidates)


def _between(stream: Any, samples: int, parameters: list[Any], dtype: Any) -> np.ndarray:
    """`samples` numbers for each set of parameters: [number of sets, samples].

    Raises:
      InvalidArgumentError: a deviation is not positive, or bounds are not in order or both infinite.
    """
    kind = dtype.numpy_dtype.type
    result = np.empty((parameters[0].size, samples), dtype.numpy_dtype)
    sequence = _Sequence(stream, dtype)
    for row, (mean, deviation, low, high) in enumerate(zip(*(p.reshape(-1) for p in parameters))):
        if not (deviation > 0 and low < high and (np.isfinite(low) or np.isfinite(high))):
            raise invalid(f"Invalid parameters: expected stddev > 0 and minval < maxval, one of them finite; received "
                          f"mean={mean}, stddev={deviation}, minval={low}, maxval={high}")
        if np.isinf(low) and low < 0 or high < mean:
            low, high, deviation = high, low, -deviation
        low, high = (low - mean) / deviation, (high - mean) / deviation
        root = np.sqrt(low * low + kind(4))
        cutoff = kind(2) * np.exp(kind(0.5) + low * (low - root) / kind(4)) / (low + root)
        if low < -_WIDE and high >= 0 or high > _WIDE and low <= 0:
            numbers = sequence.normal(samples, low, high)
        elif high - low < cutoff:
            numbers = sequence.uniform(samples, low, high)
        else:
            numbers = sequence.exponential(samples, low, high)
        result[row] = numbers * deviation + mean
    return result


def _with_state(xp: Any, shape: Any, means: Any, deviations: Any, low: Any, high: Any, *, dtype: Any, op: Any,
                frame: Any) -> Any:
    sizes = sizes_of(shape)
    if not sizes:
        raise invalid(f"Shape must have at least 1 dimension, received {list(sizes)}")
    scalars = not any(np.ndim(p) for p in (means, deviations, low, high))
    parameters = [np.atleast_1d(p) for p in (means, deviations, low, high)]
    for name, p in zip(("means", "stdevs", "minvals", "maxvals"), parameters):
        if p.ndim > 1 or p.shape[0] not in (1, sizes[0]):
            raise invalid(f"Input {name} should have length 1 or shape[0] = {sizes[0]}, got shape {list(p.shape)}")
    total = math.prod(sizes)
    batches, samples = sizes[0], math.prod(sizes[1:])
    if scalars and total:
        # What threads share is about as many batches as there are numbers in each; the last may be short.
        batches = math.isqrt(total)
        samples = -(-total // batches)
    stream = reserve(xp, frame, op, batches * 2 * _MOST_TRIES * (samples + 3) // 4)
    if not total:
        return np.zeros(sizes, dtype.numpy_dtype)
    parameters = [np.broadcast_to(p, batches) for p in parameters]
    return _between(stream, samples, parameters, dtype).reshape(-1)[:total].reshape(sizes)


_SAMPLE = [np.array([0.0, 1.0], np.float32), np.array([1.0, 2.0], np.float32), np.array([-1.0, 2.0], np.float32),
           np.array([1.5, 3.0], np.float32)]

ParameterizedTruncatedNormal = op(
    "ParameterizedTruncatedNormal",
    "shape: T, means: dtype, stdevs: dtype, minvals: dtype, maxvals: dtype -> output: dtype", T=INDEX, dtype=FLOATS,
    seed=0, seed2=0, kernel=_with_state, shape=shapes.from_value(0), host=True, stateful=True,
    own_state=initial_stream, no_gradient="TensorFlow has none", doc="Normal numbers between bounds.",
    sample=lambda: ([np.array([2, 3], np.int32), *_SAMPLE], {"seed": 1}),
)


def _without_state(xp: Any, shape: Any, seed: Any, *parameters: Any, dtype: Any) -> Any:
    sizes = sizes_of(shape)
    together = list(np.broadcast_arrays(*parameters))
    samples = ending_with(sizes, together[0].shape)
    return _between(stream_of_seed(np, seed), samples, together, dtype).T.reshape(sizes)


StatelessParameterizedTruncatedNormal = op(
    "StatelessParameterizedTruncatedNormal",
    "shape: S, seed: Tseed, means: dtype, stddevs: dtype, minvals: dtype, maxvals: dtype -> output: dtype", S=INDEX,
    Tseed=Attr("type", dtypes.int64, allowed=INDEX), dtype=(dtypes.float16, dtypes.float32, dtypes.float64),
    kernel=lambda xp, shape, seed, means, deviations, low, high, *, dtype: _without_state(
        xp, shape, seed, means, deviations, low, high, dtype=dtype),
    shape=shapes.from_value(0), host=True, no_gradient="TensorFlow has none", doc="Normal numbers between bounds.",
    sample=lambda: ([np.array([3, 2], np.int32), np.array([3, -4], np.int64), *_SAMPLE], {}),
)


@export("random.stateless_parameterized_truncated_normal")
def stateless_parameterized_truncated_normal(
    shape: Any, seed: Any, means: Any = 0.0, stddevs: Any = 1.0, minvals: Any = -2.0, maxvals: Any = 2.0,
    name: str | None = None,
) -> Tensor:
    """Numbers of normal distributions between bounds, as a function of the seed.

    Args:
      shape: the shape of the result, which ends with that to which the parameters broadcast.
      seed: two integers, int32 or int64.
      means, stddevs: parameters before truncation.
      minvals, maxvals: the bounds, absolute ones; one of the two may be infinite.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError: a deviation is not positive, or bounds are not in order.

    >>> import everflow as tf
    >>> x = tf.random.stateless_parameterized_truncated_normal([100], [1, 2], minvals=1., maxvals=3.)
    >>> bool(((x >= 1) & (x <= 3)).numpy().all())
    True
    """
    with name_scope(name, "stateless_parameterized_truncated_normal"):
        shape = shape_operand(shape)
        means = convert(means, name="means")
        dtype = means.dtype.base_dtype
        others = (convert(v, dtype, n) for v, n in ((stddevs, "stddevs"), (minvals, "minvals"), (maxvals, "maxvals")))
        return cards.StatelessParameterizedTruncatedNormal(shape, seed, means, *others)
