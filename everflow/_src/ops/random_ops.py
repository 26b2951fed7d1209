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
from everflow._src.framework.constant_value import constant_value
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops import random_bits as bits
from everflow._src.ops import random_rejection as rejection
from everflow._src.ops.broadcasting import sum_to_shape
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


# ---- numbers of distributions with parameters


def ending_with(sizes: tuple[int, ...], given: tuple[int, ...]) -> int:
    """How many numbers there are for each parameter, where the shape of the result ends with the parameters'.

    Raises:
      InvalidArgumentError: it does not.
    """
    if sizes[len(sizes) - len(given):] != tuple(given):
        raise invalid(f"Shape passed in must end with broadcasted shape: received shape {list(sizes)}, parameters of "
                      f"shape {list(given)}")
    return math.prod(sizes[:len(sizes) - len(given)])


def _with_parameters(sample: Callable) -> tuple[Callable, Callable]:
    """The two kernels of `sample(xp, jax, stream, samples, parameter, dtype)` with state."""

    def draw(xp: Any, jax: Any, shape: Any, parameter: Any, dtype: Any, op: Any, frame: Any) -> Any:
        sizes = sizes_of(shape)
        samples = math.prod(sizes)
        stream = reserve(xp, frame, op, samples * parameter.size * bits.RESERVED_PER_OUTPUT)
        return sample(xp, jax, stream, samples, parameter, dtype).reshape(sizes + tuple(parameter.shape))

    def kernel(xp: Any, shape: Any, parameter: Any, *, dtype: Any, op: Any, frame: Any) -> Any:
        return draw(xp, None, shape, parameter, dtype, op, frame)

    def xla(jax: Any, shape: Any, parameter: Any, *, dtype: Any, op: Any, frame: Any) -> Any:
        return draw(jax.numpy, jax, shape, parameter, dtype, op, frame)

    return kernel, xla


def _shape_then_parameters(op: Any) -> TensorShape:
    return shapes.from_value(0)(op).concatenate(op._inputs[1]._shape)


_gamma_kernel, _gamma_xla = _with_parameters(rejection.gamma)
_poisson_kernel, _poisson_xla = _with_parameters(rejection.poisson)

_REAL = (dtypes.float16, dtypes.float32, dtypes.float64)
_NUMBERS = (dtypes.float16, dtypes.float32, dtypes.float64, dtypes.int32, dtypes.int64)


def gamma_gradient(dy: Any, *, alpha: Any, output: Any, alpha_shape: Any) -> Any:
    """The gradient by alpha: samples move with it so that the distribution function stays what it is."""
    return sum_to_shape(dy * RandomGammaGrad(alpha, output), alpha_shape)


RandomGamma = op(
    "RandomGamma", "shape: S, alpha: T -> output: T", S=INDEX, T=_REAL, seed=0, seed2=0,
    kernel=lambda xp, shape, alpha, *, T, op, frame: _gamma_kernel(xp, shape, alpha, dtype=T, op=op, frame=frame),
    xla=lambda jax, shape, alpha, *, T, op, frame: _gamma_xla(jax, shape, alpha, dtype=T, op=op, frame=frame),
    shape=_shape_then_parameters, static=("shape",), stateful=True, own_state=initial_stream,
    gradient=lambda dy, *, alpha, output, alpha_shape: (
        None, gamma_gradient(dy, alpha=alpha, output=output, alpha_shape=alpha_shape)),
    doc="Numbers of gamma distributions with scale 1.",
    sample=lambda: ([np.array([4], np.int32), np.array([0.5, 1.0, 3.0], np.float32)], {"seed": 1}),
)

RandomPoissonV2 = op(
    "RandomPoissonV2", "shape: S, rate: R -> output: dtype", S=INDEX,
    R=Attr("type", dtypes.float64, allowed=_NUMBERS), dtype=Attr("type", dtypes.int64, allowed=_NUMBERS),
    seed=0, seed2=0, kernel=_poisson_kernel, xla=_poisson_xla, shape=_shape_then_parameters, static=("shape",),
    stateful=True, own_state=initial_stream, no_gradient="its value is a count",
    doc="Numbers of Poisson distributions.",
    sample=lambda: ([np.array([4], np.int32), np.array([0.5, 20.0], np.float32)], {"seed": 1}),
)

RandomPoisson = op(
    "RandomPoisson", "shape: S, rate: dtype -> output: dtype", S=INDEX, dtype=_REAL, seed=0, seed2=0,
    kernel=_poisson_kernel, xla=_poisson_xla, shape=_shape_then_parameters, static=("shape",), stateful=True,
    own_state=initial_stream, no_gradient="its value is a count", doc="Numbers of Poisson distributions.",
    sample=lambda: ([np.array([4], np.int32), np.array([0.5, 20.0], np.float32)], {"seed": 1}),
)


def _gamma_slope(xp: Any, alpha: Any, sample: Any) -> Any:
    """d sample / d alpha: minus the slope of the distribution function by alpha, over the density."""
    from scipy import special

    order, point = np.float64(alpha), np.float64(sample)
    step = 1e-3 * order
    cumulative = special.gammainc
    slope = (8 * (cumulative(order + step, point) - cumulative(order - step, point))
             - (cumulative(order + 2 * step, point) - cumulative(order - 2 * step, point))) / (12 * step)
    density = np.exp((order - 1) * np.log(point) - point - special.gammaln(order))
    return np.asarray(-slope / density).astype(alpha.dtype)


RandomGammaGrad = op(
    "RandomGammaGrad", "alpha: T, sample: T -> output: T", T=(dtypes.float32, dtypes.float64),
    kernel=_gamma_slope, xla=lambda jax, alpha, sample: jax.lax.random_gamma_grad(
        *jax.numpy.broadcast_arrays(alpha, sample)),
    shape=shapes.broadcast, no_gradient="TensorFlow has no second derivative of samples either",
    doc="Derivative of samples of gamma distributions by alpha.",
    sample=lambda: ([np.array([0.5, 2.0], np.float32), np.array([0.7, 1.5], np.float32)], {}),
)


# ---- choosing classes


def choose(xp: Any, jax: Any, stream: Any, logits: Any, samples: int, dtype: Any) -> Any:
    """Class numbers, drawn with the probabilities softmax(logits): [batch, samples]."""
    if logits.ndim != 2:
        raise invalid(f"logits should be a matrix, got shape {list(logits.shape)}")
    batch, classes = logits.shape
    if samples < 0:
        raise invalid(f"num_samples should be nonnegative, got {samples}")
    if batch and samples and not classes:
        raise invalid("num_classes should be positive, got 0")
    draws = bits.uniform(xp, stream, batch * samples, dtypes.float64).reshape(batch, samples)
    finite = xp.isfinite(logits)
    low = xp.asarray(np.finfo(np.float64).min)
    wide = logits.astype(np.float64)
    largest = xp.max(xp.where(finite, wide, low), 1, keepdims=True) if classes else xp.zeros((batch, 1))
    cumulative = xp.cumsum(xp.where(finite, xp.exp(wide - largest), 0.0), 1)
    if not classes:
        return xp.zeros((batch, samples), dtype.numpy_dtype)
    targets = draws * cumulative[:, -1:]
    if jax:
        found = jax.vmap(lambda c, t: xp.searchsorted(c, t, side="right"))(cumulative, targets)
        return found.astype(dtype.numpy_dtype)
    result = np.empty((batch, samples), dtype.numpy_dtype)
    for row in range(batch):
        result[row] = np.searchsorted(cumulative[row], targets[row], side="right")
    return result


def _multinomial(xp: Any, jax: Any, logits: Any, num_samples: Any, dtype: Any, op: Any, frame: Any) -> Any:
    samples = int(num_samples)
    # A double takes two words, and samples come in fours.
    reserved = logits.shape[0] * (-(-max(samples, 0) // 4) * 4) * 2 * bits.RESERVED_PER_OUTPUT if logits.ndim else 0
    return choose(xp, jax, reserve(xp, frame, op, reserved), logits, samples, dtype)


def classes_shape(op: Any) -> TensorShape:
    """[batch, number of samples]"""
    logits = shapes.with_rank(op._inputs[0]._shape, 2)
    shapes.with_rank(op._inputs[1]._shape, 0)
    samples = constant_value(op._inputs[1])
    return TensorShape([logits[0], None if samples is None else int(samples)])


LOGITS = (*dtypes.INTEGERS, *FLOATS)

Multinomial = op(
    "Multinomial", "logits: T, num_samples: int32 -> output: output_dtype", T=LOGITS,
    output_dtype=Attr("type", dtypes.int64, allowed=INDEX), seed=0, seed2=0,
    kernel=lambda xp, logits, num_samples, *, output_dtype, op, frame: _multinomial(
        xp, None, logits, num_samples, output_dtype, op, frame),
    xla=lambda jax, logits, num_samples, *, output_dtype, op, frame: _multinomial(
        jax.numpy, jax, logits, num_samples, output_dtype, op, frame),
    shape=classes_shape, static=("num_samples",), stateful=True, own_state=initial_stream,
    no_gradient="its value is an integer", doc="Class numbers, drawn with the probabilities softmax(logits).",
    sample=lambda: ([np.array([[0.5, 1.0, -1.0]], np.float32), np.array(5, np.int32)], {"seed": 1}),
)


# ---- orders


def shuffled(xp: Any, jax: Any, words: Any, count: int) -> Any:
    """A random order of `count` things (R. Fisher and F. Yates): position i swaps with one at or after it."""
    steps = words % xp.arange(count, 1, -1, dtype=np.uint32)
    if not jax:
        order = list(range(count))
        for index, offset in enumerate(steps.tolist()):
            other = index + offset
            order[index], order[other] = order[other], order[index]
        return np.array(order, np.int32)

    def swap(index: Any, order: Any) -> Any:
        other = index + steps[index].astype(np.int32)
        a, b = order[index], order[other]
        return order.at[index].set(b).at[other].set(a)

    return jax.lax.fori_loop(0, count - 1, swap, xp.arange(count, dtype=np.int32))


def _shuffle(xp: Any, jax: Any, value: Any, op: Any, frame: Any) -> Any:
    if value.ndim == 0 or value.shape[0] <= 1 or value.size <= 1:
        return value
    count = value.shape[0]
    stream = reserve(xp, frame, op, (count - 1 + 3) // 4)
    return value[shuffled(xp, jax, bits.words(xp, stream, count - 1), count)]


RandomShuffle = op(
    "RandomShuffle", "value: T -> output: T", T=dtypes.ALL, seed=0, seed2=0,
    kernel=lambda xp, value, *, op, frame: _shuffle(xp, None, value, op, frame),
    xla=lambda jax, value, *, op, frame: _shuffle(jax.numpy, jax, value, op, frame),
    shape=shapes.unchanged, stateful=True, own_state=initial_stream,
    no_gradient="TensorFlow has none", doc="The rows of a tensor in random order.",
    sample=lambda: ([np.arange(5, dtype=np.float32)], {"seed": 1}),
)
