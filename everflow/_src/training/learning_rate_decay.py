"""Learning rates that fall with the step.

In a graph each function returns a tensor; in eager mode a function of no arguments that gives the rate of the
moment, which optimizers accept in place of a number.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from everflow._src.framework.context import current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import CARDS
from everflow._src.framework.scopes import open_name_scope
from everflow._src.framework.tensor import Tensor
from everflow._src.ops.array_casting import cast
from everflow._src.ops.random_functions import normal
from everflow._src.variables.variable import Variable


def _now_or_later(rate: Callable[[], Any]) -> Any:
    return rate() if current_graph() is not None else rate


def _check(name: str, **arguments: Any) -> None:
    for argument, value in arguments.items():
        if value is None:
            raise ValueError(f"{argument} is required for {name}.")


@export(v1=["train.exponential_decay"])
def exponential_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, decay_rate: Any, staircase: bool = False,
    name: str | None = None,
) -> Any:
    """`learning_rate * decay_rate ^ (global_step / decay_steps)`.

    Args:
      learning_rate: the rate at step 0.
      global_step: the step: a variable, a tensor or a number.
      decay_steps: after how many steps the rate has fallen by `decay_rate`.
      decay_rate: the factor.
      staircase: True lets the rate fall at multiples of `decay_steps` only.
      name: name of the operation.

    Raises:
      ValueError: there is no `global_step`.

    >>> import everflow as tf
    >>> rate = tf.compat.v1.train.exponential_decay(0.5, tf.Variable(20), 10, 0.5)
    >>> float(rate())
    0.125
    """
    _check("exponential_decay", global_step=global_step)
    return _now_or_later(functools.partial(
        _exponential, learning_rate, global_step, decay_steps, decay_rate, staircase, name))


def _fraction(global_step: Any, decay_steps: Any, dtype: Any, staircase: bool) -> Any:
    steps = cast(decay_steps, dtype)
    done = cast(global_step, dtype) / steps
    return CARDS["Floor"](done) if staircase else done


def _exponential(learning_rate: Any, global_step: Any, decay_steps: Any, decay_rate: Any, staircase: bool,
                 name: str | None) -> Any:
    with open_name_scope(name or "ExponentialDecay") as scope:
        rate = convert(learning_rate, name="initial_learning_rate")
        fraction = _fraction(global_step, decay_steps, rate.dtype, staircase)
        return CARDS["Mul"](rate, CARDS["Pow"](cast(decay_rate, rate.dtype), fraction), name=scope)


@export(v1=["train.natural_exp_decay"])
def natural_exp_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, decay_rate: Any, staircase: bool = False,
    name: str | None = None,
) -> Any:
    """`learning_rate * exp(-decay_rate * global_step / decay_steps)`; see `exponential_decay`.

    Raises:
      ValueError: there is no `global_step`.
    """
    _check("natural_exp_decay", global_step=global_step)

    def rate() -> Any:
        factor = CARDS["Exp"](CARDS["Neg"](convert(float(decay_rate) if isinstance(decay_rate, int) else decay_rate)))
        return _exponential(learning_rate, global_step, decay_steps, factor, staircase, name)

    return _now_or_later(rate)


@export(v1=["train.inverse_time_decay"])
def inverse_time_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, decay_rate: Any, staircase: bool = False,
    name: str | None = None,
) -> Any:
    """`learning_rate / (1 + decay_rate * global_step / decay_steps)`; see `exponential_decay`.

    Raises:
      ValueError: there is no `global_step`.
    """
    _check("inverse_time_decay", global_step=global_step)

    def rate() -> Any:
        with open_name_scope(name or "InverseTimeDecay") as scope:
            start = convert(learning_rate, name="initial_learning_rate")
            fraction = _fraction(global_step, decay_steps, start.dtype, staircase)
            divisor = CARDS["AddV2"](cast(1, start.dtype), cast(decay_rate, start.dtype) * fraction, name="Add")
            return CARDS["RealDiv"](start, divisor, name=scope)

    return _now_or_later(rate)


@export(v1=["train.polynomial_decay"])
def polynomial_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, end_learning_rate: Any = 0.0001, power: Any = 1.0,
    cycle: bool = False, name: str | None = None,
) -> Any:
    """Falls from `learning_rate` to `end_learning_rate` along `(1 - global_step / decay_steps) ^ power`.

    Args:
      learning_rate: the rate at step 0.
      global_step: the step.
      decay_steps: the step at which the end is reached.
      end_learning_rate: the rate then.
      power: 1 for a straight line.
      cycle: True starts over at the end, with steps that are longer each time.
      name: name of the operation.

    Raises:
      ValueError: there is no `global_step`.
    """
    _check("polynomial_decay", global_step=global_step)

    def rate() -> Any:
        with open_name_scope(name or "PolynomialDecay") as scope:
            start = convert(learning_rate, name="initial_learning_rate")
            dtype = start.dtype
            end, exponent = cast(end_learning_rate, dtype), cast(power, dtype)
            step, total = cast(global_step, dtype), cast(decay_steps, dtype)
            if cycle:
                rounds = CARDS["Ceil"](step / decay_steps)
                total = total * CARDS["SelectV2"](CARDS["Equal"](step, 0), 1.0, rounds)
            else:
                step = CARDS["Minimum"](step, total)
            left = CARDS["Pow"](1 - step / total, exponent)
            return CARDS["AddV2"]((start - end) * left, end, name=scope)

    return _now_or_later(rate)


@export(v1=["train.piecewise_constant", "train.piecewise_constant_decay"])
def piecewise_constant(x: Any, boundaries: Sequence[Any], values: Sequence[Any], name: str | None = None) -> Any:
    """The first value up to the first boundary, the second one up to the second boundary, and so on.

    Args:
      x: the step.
      boundaries: increasing numbers; at a boundary itself the value before it holds.
      values: one more than boundaries.
      name: name of the operation.

    Raises:
      ValueError: the lengths or the dtypes do not fit.
    """
    _check("piecewise_constant", x=x)
    if len(boundaries) != len(values) - 1:
        raise ValueError("The length of boundaries should be 1 less than the length of values: received "
                         f"{len(boundaries)} and {len(values)}")

    def rate() -> Any:
        # In the name scope of its caller, as TensorFlow has it.
        limits = [convert(b) for b in boundaries]
        choices = [convert(v) for v in values]
        step = x if isinstance(x, (Tensor, Variable)) else convert(x)
        dtype = step.dtype.base_dtype
        for index, limit in enumerate(limits):
            if limit.dtype.base_dtype == dtype:
                continue
            if limit.dtype.base_dtype.name == "int32" and dtype.name == "int64":
                limits[index] = cast(limit, dtype)
            else:
                raise ValueError(f"Boundaries ({limit.dtype}) must have the same dtype as x ({dtype}).")
        for choice in choices[1:]:
            if choice.dtype != choices[0].dtype:
                raise ValueError(f"Values must have elements all with the same dtype ({choices[0].dtype} vs "
                                 f"{choice.dtype}).")
        with open_name_scope(name or "PiecewiseConstant"):
            if not limits:
                return choices[0]
            passed = CARDS["Greater"](step, CARDS["Pack"](limits))
            position = CARDS["Sum"](CARDS["Cast"](passed, DstT="int32"), 0)
            return CARDS["GatherV2"](CARDS["Pack"](choices), position, 0)

    return _now_or_later(rate)


@export(v1=["train.cosine_decay"])
def cosine_decay(learning_rate: Any, global_step: Any, decay_steps: Any, alpha: Any = 0.0, name: str | None = None
                 ) -> Any:
    """Falls along half a cosine, from `learning_rate` to `alpha * learning_rate` at `decay_steps`.

    Loshchilov and Hutter, https://arxiv.org/abs/1608.03983.

    Raises:
      ValueError: there is no `global_step`.
    """
    _check("cosine_decay", global_step=global_step)

    def rate() -> Any:
        with open_name_scope(name or "CosineDecay"):
            start = convert(learning_rate, name="initial_learning_rate")
            total = cast(decay_steps, start.dtype)
            fraction = CARDS["Minimum"](cast(global_step, start.dtype), total) / total
            cosine = 0.5 * (1.0 + CARDS["Cos"](convert(math.pi, start.dtype) * fraction))
            return CARDS["Mul"](start, (1 - alpha) * cosine + alpha)

    return _now_or_later(rate)


@export(v1=["train.cosine_decay_restarts"])
def cosine_decay_restarts(
    learning_rate: Any, global_step: Any, first_decay_steps: Any, t_mul: Any = 2.0, m_mul: Any = 1.0,
    alpha: Any = 0.0, name: str | None = None,
) -> Any:
    """Cosine decay that starts over, each time for longer and from a lower rate.

    Args:
      learning_rate: the rate at step 0.
      global_step: the step.
      first_decay_steps: the length of the first period.
      t_mul: how much longer each period is than the one before.
      m_mul: what is left of the start after each period.
      alpha: the least rate, as a part of `learning_rate`.
      name: name of the operation.

    Raises:
      ValueError: there is no `global_step`.
    """
    _check("cosine_decay_restarts", global_step=global_step)

    def rate() -> Any:
        with open_name_scope(name or "SGDRDecay") as scope:
            start = convert(learning_rate, name="initial_learning_rate")
            dtype = start.dtype
            first = cast(first_decay_steps, dtype)
            least, longer, lower = cast(alpha, dtype), cast(t_mul, dtype), cast(m_mul, dtype)
            done = cast(global_step, dtype) / first
            # With periods of one length the place in the period is a remainder, else it follows from the
            # geometric series of their lengths.
            even = CARDS["Equal"](longer, convert(1.0, dtype))
            # Where lengths are even the series has no sum: any other factor keeps the branch not taken finite.
            factor = CARDS["SelectV2"](even, longer + 1, longer)
            grown = CARDS["Floor"](CARDS["Log"](1.0 - done * (1.0 - factor)) / CARDS["Log"](factor))
            begun = (1.0 - CARDS["Pow"](factor, grown)) / (1.0 - factor)
            period = CARDS["SelectV2"](even, CARDS["Floor"](done), grown)
            place = CARDS["SelectV2"](
                even, done - CARDS["Floor"](done), (done - begun) / CARDS["Pow"](factor, grown))
            cosine = 0.5 * CARDS["Pow"](lower, period) * (1.0 + CARDS["Cos"](convert(math.pi, dtype) * place))
            return CARDS["Mul"](start, (1 - least) * cosine + least, name=scope)

    return _now_or_later(rate)


@export(v1=["train.linear_cosine_decay"])
def linear_cosine_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, num_periods: Any = 0.5, alpha: Any = 0.0,
    beta: Any = 0.001, name: str | None = None,
) -> Any:
    """A falling line times a cosine, `(alpha + line) * cosine + beta` of `learning_rate`.

    Bello et al., https://arxiv.org/abs/1709.07417.

    Args:
      learning_rate: the rate at step 0.
      global_step: the step.
      decay_steps: the step at which the line reaches zero.
      num_periods: how often the cosine swings until then.
      alpha: added to the line.
      beta: added to the product.
      name: name of the operation.

    Raises:
      ValueError: there is no `global_step`.
    """
    _check("linear_cosine_decay", global_step=global_step)
    return _now_or_later(functools.partial(
        _linear_cosine, learning_rate, global_step, decay_steps, None, num_periods, alpha, beta,
        name or "LinearCosineDecay"))


def _linear_cosine(learning_rate: Any, global_step: Any, decay_steps: Any, noise: Callable[[Any], Any] | None,
                   num_periods: Any, alpha: Any, beta: Any, name: str) -> Any:
    with open_name_scope(name) as scope:
        start = convert(learning_rate, name="initial_learning_rate")
        dtype = start.dtype
        total = cast(decay_steps, dtype)
        periods, raised, least = cast(num_periods, dtype), cast(alpha, dtype), cast(beta, dtype)
        step = CARDS["Minimum"](cast(global_step, dtype), total)
        line = (total - step) / total
        if noise is not None:
            line = line + noise(step)
        swings = 2.0 * periods * (step / total)
        cosine = 0.5 * (1.0 + CARDS["Cos"](convert(math.pi, dtype) * swings))
        return CARDS["Mul"](start, (raised + line) * cosine + least, name=scope)


@export(v1=["train.noisy_linear_cosine_decay"])
def noisy_linear_cosine_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, initial_variance: Any = 1.0, variance_decay: Any = 0.55,
    num_periods: Any = 0.5, alpha: Any = 0.0, beta: Any = 0.001, name: str | None = None,
) -> Any:
    """Linear cosine decay with normal noise of the variance `initial_variance / (1 + step)^variance_decay`.

    Args:
      learning_rate: the rate at step 0.
      global_step: the step.
      decay_steps: the step at which the line reaches zero.
      initial_variance: variance of the noise at step 0.
      variance_decay: how fast the variance falls.
      num_periods, alpha, beta: see `linear_cosine_decay`.
      name: name of the operation.

    Raises:
      ValueError: there is no `global_step`.
    """
    _check("noisy_linear_cosine_decay", global_step=global_step)

    def noise(step: Any) -> Any:
        variance = cast(initial_variance, step.dtype) / CARDS["Pow"](1.0 + step, cast(variance_decay, step.dtype))
        return normal(step.shape, stddev=CARDS["Sqrt"](variance), dtype=step.dtype)

    return _now_or_later(functools.partial(
        _linear_cosine, learning_rate, global_step, decay_steps, noise, num_periods, alpha, beta,
        name or "NoisyLinearCosineDecay"))
