"""Random numbers by rejection: gamma, Poisson and binomial distributions.

Every output has its own part of the stream, `RESERVED_PER_OUTPUT` counters, from which it draws until a candidate
passes.  All outputs proceed together, as lanes: the interpreter drops the lanes that are done, a compiled program
masks them.  Algorithms and order of draws are TensorFlow's, so the same seeds give the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from everflow._src.ops import random_bits as bits

_TWO = np.int32(2)


class Draws:
    """What the lanes have drawn: each group of 128 bits gives two doubles, of which the second is used first."""

    def __init__(self, xp: Any, stream: Any, state: dict[str, Any]) -> None:
        self.xp = xp
        self.stream = stream
        self.state = dict(state)

    @staticmethod
    def start(xp: Any, count: int, stride: int) -> dict[str, Any]:
        """The state of `count` lanes that have drawn nothing."""
        offsets = xp.arange(count, dtype=np.uint64) * np.uint64(stride)
        zeros, none = xp.zeros(count), xp.zeros(count, np.int32)
        return {"counter": offsets, "u0": zeros, "u1": zeros, "u_left": none, "n0": zeros, "n1": zeros, "n_left": none}

    def _next(self, kind: str, active: Any, transform: Callable) -> Any:
        xp, state = self.xp, self.state
        left = state[kind + "_left"]
        empty = active & (left == 0)
        low = self.stream[0:1] + state["counter"]
        high = self.stream[1:2] + (low < self.stream[0:1]).astype(np.uint64)
        words = bits.rounds(xp, low, high, self.stream[2:3])
        first, second = transform(bits.unit_doubles(xp, words[0], words[1]), bits.unit_doubles(xp, words[2], words[3]))
        state[kind + "0"] = xp.where(empty, first, state[kind + "0"])
        state[kind + "1"] = xp.where(empty, second, state[kind + "1"])
        state["counter"] = state["counter"] + empty.astype(np.uint64)
        left = xp.where(empty, _TWO, left) - active.astype(np.int32)
        state[kind + "_left"] = left
        return xp.where(left == 1, state[kind + "1"], state[kind + "0"])

    def uniform(self, active: Any) -> Any:
        """A number in [0, 1) for each active lane."""
        return self._next("u", active, lambda first, second: (first, second))

    def normal(self, active: Any) -> Any:
        """A normal number for each active lane."""
        return self._next("n", active, lambda first, second: bits.box_muller(self.xp, first, second, np.float64))


def run_lanes(xp: Any, jax: Any, body: Callable, stream: Any, parameters: dict[str, Any], done: Any, result: Any,
              extra: dict[str, Any] | None = None, stride: int = bits.RESERVED_PER_OUTPUT) -> Any:
    """Repeats `body` until every lane has a result.

    Args:
      xp, jax: the arrays' module, and jax where a program is compiled.
      body: `body(xp, draws, parameters) -> (passed, values)`; keeps what lanes carry on in `draws.state`.
      stream: the stream of lane 0.
      parameters: float64 [n] arrays.
      done: bool [n]: lanes with a result already.
      result: float64 [n]: their results.
      extra: more per-lane state than what was drawn.
      stride: the number of counters from lane to lane.
    """
    state = {**Draws.start(xp, done.shape[0], stride), **(extra or {})}
    if xp is np:
        result = np.array(result)
        lanes = np.flatnonzero(~done)
        state = {k: v[lanes] for k, v in state.items()}
        parameters = {k: v[lanes] for k, v in parameters.items()}
        while lanes.size:
            draws = Draws(np, stream, state)
            passed, values = body(np, draws, parameters)
            result[lanes[passed]] = values[passed]
            going = ~passed
            state = draws.state
            if passed.any():
                lanes = lanes[going]
                state = {k: v[going] for k, v in state.items()}
                parameters = {k: v[going] for k, v in parameters.items()}
        return result

    def step(carry: Any) -> Any:
        state, done, result = carry
        draws = Draws(xp, stream, state)
        passed, values = body(xp, draws, parameters)
        return draws.state, done | passed, xp.where(passed & ~done, values, result)

    return jax.lax.while_loop(lambda carry: ~carry[1].all(), step, (state, done, result))[2]


# ---- gamma (G. Marsaglia and W. Tsang, "A simple method for generating gamma variables", 2000)


def _gamma_body(xp: Any, draws: Draws, p: dict[str, Any]) -> tuple[Any, Any]:
    alpha, c, d = p["alpha"], p["c"], p["d"]
    exponential = alpha == 1
    x = draws.normal(~exponential)
    v = 1 + c * x
    positive = ~exponential & (v > 0)
    v = v * v * v
    u = draws.uniform(positive | exponential)
    passed = positive & ((u < 1 - 0.0331 * (x * x) * (x * x)) | (xp.log(u) < 0.5 * x * x + d * (1 - v + xp.log(v))))
    small = passed & (alpha < 1)
    power = draws.uniform(small)
    value = xp.where(small, d * v * power ** (1 / alpha), d * v)
    return passed | exponential, xp.where(exponential, -xp.log1p(-u), value)


def gamma(xp: Any, jax: Any, stream: Any, samples: int, alpha: Any, dtype: Any) -> Any:
    """`samples` numbers for each alpha, [samples, number of alphas]."""
    alpha = alpha.astype(np.float64).reshape(-1)
    count = alpha.shape[0]
    alpha = xp.repeat(alpha, samples, total_repeat_length=count * samples) if jax else np.repeat(alpha, samples)
    d = alpha + xp.where(alpha < 1, 2.0 / 3, -1.0 / 3)
    c = 1.0 / 3 / xp.sqrt(d)
    # Nothing passes for what is no positive number.
    bad = ~(alpha > 0) | xp.isinf(alpha)
    result = xp.where(bad, xp.where(alpha == 0, 0.0, np.nan), 0.0)
    result = run_lanes(xp, jax, _gamma_body, stream, {"alpha": alpha, "c": c, "d": d}, bad, result)
    return result.reshape(count, samples).T.astype(dtype.numpy_dtype)


# ---- Poisson (D. Knuth; W. Hoermann, "The transformed rejection method for generating Poisson random variables", 1993)


def _knuth_body(xp: Any, draws: Draws, p: dict[str, Any]) -> tuple[Any, Any]:
    state = draws.state
    product = state["product"] * draws.uniform(state["product"] == state["product"])
    count = state["count"]
    draws.state["product"], draws.state["count"] = product, count + 1
    return (product <= p["limit"]), count


def _hoermann_body(xp: Any, draws: Draws, p: dict[str, Any], log_gamma: Callable, largest: float) -> tuple[Any, Any]:
    rate, a, b, inverse_alpha, log_rate = p["rate"], p["a"], p["b"], p["inverse_alpha"], p["log_rate"]
    every = rate == rate
    u = draws.uniform(every) - 0.5
    v = draws.uniform(every)
    shifted = 0.5 - abs(u)
    k = xp.floor((2 * a / shifted + b) * u + rate + 0.43)
    fits = k <= largest
    at_once = (shifted >= 0.07) & (v <= 0.9277 - 3.6224 / (b - 2))
    hopeless = (k < 0) | ((shifted < 0.013) & (v > shifted))
    s = xp.log(v * inverse_alpha / (a / (shifted * shifted) + b))
    t = -rate + k * log_rate - log_gamma(xp.maximum(k, 0.0) + 1)
    return fits & (at_once | (~hopeless & (s <= t))), k


def _log_gamma(jax: Any) -> Callable:
    if jax:
        return jax.lax.lgamma
    from scipy import special

    return special.gammaln


def poisson(xp: Any, jax: Any, stream: Any, samples: int, rate: Any, dtype: Any) -> Any:
    """`samples` numbers for each rate, [samples, number of rates]."""
    rate = rate.astype(np.float64).reshape(-1)
    count = rate.shape[0]
    rate = xp.repeat(rate, samples, total_repeat_length=count * samples) if jax else np.repeat(rate, samples)
    largest = float(dtype.max)
    bad = ~(rate >= 0) | xp.isinf(rate)
    few = rate < 10
    result = xp.where(bad, xp.where(xp.isinf(rate) & (rate > 0), np.inf, np.nan), 0.0)
    ones = xp.ones(rate.shape)
    result = run_lanes(xp, jax, _knuth_body, stream, {"limit": xp.exp(-rate)}, bad | ~few, result,
                       {"product": ones, "count": 0 * ones})
    safe = xp.where(bad | few, 10.0, rate)
    b = 0.931 + 2.53 * xp.sqrt(safe)
    a = -0.059 + 0.02483 * b
    parameters = {"rate": safe, "a": a, "b": b, "inverse_alpha": 1.1239 + 1.1328 / (b - 3.4), "log_rate": xp.log(safe)}
    log_gamma = _log_gamma(jax)
    result = run_lanes(xp, jax, lambda xp, draws, p: _hoermann_body(xp, draws, p, log_gamma, largest), stream,
                       parameters, bad | few, result)
    return result.reshape(count, samples).T.astype(dtype.numpy_dtype)


# ---- binomial (inversion; W. Hoermann, "The generation of binomial random variates", 1993)

# Counters that TensorFlow gives each output of inversion, which draws about ten numbers.
_INVERSION_STRIDE = 42

_TAILS = np.array([
    0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211,
    0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287,
])


def _stirling_tail(xp: Any, k: Any) -> Any:
    """What Stirling's formula leaves out of log(k!)."""
    square = (k + 1) * (k + 1)
    series = (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1)
    return xp.where(k <= 9, xp.asarray(_TAILS)[xp.clip(k, 0, 9).astype(np.int32)], series)


def _inversion_body(xp: Any, draws: Draws, p: dict[str, Any]) -> tuple[Any, Any]:
    successes, total = draws.state["successes"], draws.state["total"]
    u = draws.uniform(total == total)
    total = total + xp.ceil(xp.log(u) / p["log_failure"])
    draws.state["successes"], draws.state["total"] = successes + 1, total
    return total > p["count"], successes


def _btrs_body(xp: Any, draws: Draws, p: dict[str, Any]) -> tuple[Any, Any]:
    count, prob = p["count"], p["prob"]
    deviation = xp.sqrt(count * prob * (1 - prob))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * prob
    odds = prob / (1 - prob)
    alpha = (2.83 + 5.1 / b) * deviation
    mode = xp.floor((count + 1) * prob)
    every = count == count
    u = draws.uniform(every) - 0.5
    v = draws.uniform(every)
    shifted = 0.5 - abs(u)
    k = xp.floor((2 * a / shifted + b) * u + count * prob + 0.5)
    at_once = (shifted >= 0.07) & (v <= 0.92 - 4.2 / b)
    possible = (k >= 0) & (k <= count)
    k_safe = xp.clip(k, 0, count)
    v = xp.log(v * alpha / (a / (shifted * shifted) + b))
    bound = (
        (mode + 0.5) * xp.log((mode + 1) / (odds * (count - mode + 1)))
        + (count + 1) * xp.log((count - mode + 1) / (count - k_safe + 1))
        + (k_safe + 0.5) * xp.log(odds * (count - k_safe + 1) / (k_safe + 1))
        + _stirling_tail(xp, mode) + _stirling_tail(xp, count - mode)
        - _stirling_tail(xp, k_safe) - _stirling_tail(xp, count - k_safe)
    )
    return at_once | (possible & (v <= bound)), k


def binomial(xp: Any, jax: Any, stream: Any, samples: int, counts: Any, probs: Any, dtype: Any) -> Any:
    """`samples` numbers for each pair of count and probability, [samples, number of pairs]."""
    counts, probs = xp.broadcast_arrays(counts, probs)
    above = probs > probs.dtype.type(0.5)
    prob = xp.where(above, 1 - probs, probs)
    flat = [v.reshape(-1) for v in (xp.floor(counts.astype(np.float64)), prob.astype(np.float64), above)]
    number = flat[0].shape[0]
    count, prob, above = (
        xp.repeat(v, samples, total_repeat_length=number * samples) if jax else np.repeat(v, samples) for v in flat)
    unknown = ~(xp.isfinite(count) & (prob >= 0))
    none = ~unknown & ((count <= 0) | (prob == 0))
    done = unknown | none
    result = xp.where(unknown, np.nan, 0.0)
    many = count * prob >= 10
    zeros = xp.zeros(count.shape)
    p = {"count": xp.where(done, 100.0, count), "prob": xp.where(done, 0.5, prob)}
    result = run_lanes(xp, jax, _inversion_body, stream, {**p, "log_failure": xp.log1p(-p["prob"])}, done | many,
                       result, {"successes": zeros, "total": zeros}, _INVERSION_STRIDE)
    result = run_lanes(xp, jax, _btrs_body, stream, p, done | ~many, result)
    result = xp.where(above & ~unknown, count - result, result)
    return result.reshape(number, samples).T.astype(dtype.numpy_dtype)
