"""`tf.random.stateless_*`: random numbers as functions of a seed of two integers, and seeds made of seeds."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.conversion import convert
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.tensor import Tensor
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.ops.random_functions import above_zero, broadcast_parameter, shape_operand
from everflow._src.ops.random_stateless_ops import AUTO_SELECT, PHILOX, THREEFRY


@export("random.Algorithm", "random.experimental.Algorithm")
class Algorithm(enum.Enum):
    """Algorithms of random bits."""

    PHILOX = PHILOX
    THREEFRY = THREEFRY
    AUTO_SELECT = AUTO_SELECT


def algorithm_number(alg: Any) -> Any:
    """The number of an algorithm, given by number, name or member.

    Raises:
      ValueError: there is no such algorithm.
    """
    if isinstance(alg, Algorithm):
        return alg.value
    if isinstance(alg, Tensor):
        return alg
    if isinstance(alg, str):
        number = _NUMBERS.get(alg)
        if number is not None:
            return number
    elif isinstance(alg, (int, np.integer)):
        return int(alg)
    raise ValueError(f"Argument `alg` got unsupported value {alg}. Supported values are philox for the Philox "
                     "algorithm, threefry for the ThreeFry algorithm, and auto_select for auto-selection.")


_NUMBERS = {"philox": PHILOX, "threefry": THREEFRY, "auto_select": AUTO_SELECT}


def _keyed(seed: Any, alg: Any) -> tuple[Any, Any, Any]:
    """Key, counter and algorithm of a seed."""
    number = algorithm_number("auto_select" if alg is None else alg)
    if not isinstance(number, Tensor) and number == THREEFRY:
        pair = convert(seed)
        return (cards.Bitcast(cards.Cast(pair, DstT=dtypes.int32), type=dtypes.uint64),
                np.zeros(1, np.uint64), number)
    key, counter = cards.StatelessRandomGetKeyCounter(seed)
    return key, counter, number


_DTYPES = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64, dtypes.int32, dtypes.int64, dtypes.uint32,
           dtypes.uint64)


@export("random.stateless_uniform")
def stateless_uniform(shape: Any, seed: Any, minval: Any = 0, maxval: Any = None, dtype: Any = dtypes.float32,
                      name: str | None = None, alg: Any = "auto_select") -> Tensor:
    """Numbers that are uniformly distributed in [minval, maxval), as a function of the seed.

    Args:
      shape: the shape of the result, a vector of integers.
      seed: two integers, int32 or int64.
      minval: the lower bound, included; None with `maxval` None for all integers of the dtype.
      maxval: the upper bound, excluded; 1 for floats when None.
      dtype: float16, bfloat16, float32, float64, int32, int64, uint32 or uint64.
      name: name of the operation.
      alg: "philox" or "auto_select".

    Raises:
      ValueError: dtype or bounds do not fit together.

    >>> import everflow as tf
    >>> a = tf.random.stateless_uniform([3], seed=[1, 2])
    >>> bool((a == tf.random.stateless_uniform([3], seed=[1, 2])).numpy().all())
    True
    """
    dtype = as_dtype(dtype)
    if dtype not in _DTYPES:
        raise ValueError(f"Argument `dtype` got invalid value {dtype!r}. Accepted dtypes are "
                         f"{', '.join(d.name for d in _DTYPES)}.")
    if dtype.is_integer:
        if (minval is None) != (maxval is None):
            raise ValueError(f"For integer `dtype` argument {dtype!r}, argument `minval` and `maxval` must be both "
                             f"None or not None. Got `minval`={minval} and `maxval`={maxval}.")
        if minval is not None and dtype in (dtypes.uint32, dtypes.uint64):
            raise ValueError(f"Argument `dtype` got invalid value {dtype!r} when argument `minval` is not None. Please "
                             "don't use unsigned integers in this case.")
    elif maxval is None:
        maxval = 1
    with name_scope(name, "stateless_random_uniform") as scope:
        shape = shape_operand(shape)
        if dtype.is_integer and minval is None:
            return cards.StatelessRandomUniformFullIntV2(shape, *_keyed(seed, alg), dtype=dtype, name=scope or None)
        minval, maxval = convert(minval, dtype, "min"), convert(maxval, dtype, "max")
        keyed = _keyed(seed, alg)
        if dtype.is_integer:
            return cards.StatelessRandomUniformIntV2(shape, *keyed, minval, maxval, name=scope or None)
        numbers = cards.StatelessRandomUniformV2(shape, *keyed, dtype=dtype)
        return cards.AddV2(cards.Mul(numbers, cards.Sub(maxval, minval, name="sub"), name="mul"), minval,
                           name=scope or None)


def _scaled(card: Any, default_name: str, shape: Any, seed: Any, mean: Any, stddev: Any, dtype: Any,
            name: str | None, alg: Any) -> Tensor:
    dtype = as_dtype(dtype)
    with name_scope(name, default_name) as scope:
        shape = shape_operand(shape)
        mean, stddev = convert(mean, dtype, "mean"), convert(stddev, dtype, "stddev")
        numbers = card(shape, *_keyed(seed, alg), dtype=dtype)
        return cards.AddV2(cards.Mul(numbers, stddev, name="mul"), mean, name=scope or None)


@export("random.stateless_normal")
def stateless_normal(shape: Any, seed: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dtypes.float32,
                     name: str | None = None, alg: Any = "auto_select") -> Tensor:
    """Numbers of a normal distribution, as a function of the seed.

    Args:
      shape: the shape of the result, a vector of integers.
      seed: two integers, int32 or int64.
      mean, stddev: parameters, numbers or tensors that broadcast against `shape`.
      dtype: float16, bfloat16, float32 or float64.
      name: name of the operation.
      alg: "philox" or "auto_select".
    """
    return _scaled(cards.StatelessRandomNormalV2, "stateless_random_normal", shape, seed, mean, stddev, dtype, name,
                   alg)


@export("random.stateless_truncated_normal")
def stateless_truncated_normal(shape: Any, seed: Any, mean: Any = 0.0, stddev: Any = 1.0,
                               dtype: Any = dtypes.float32, name: str | None = None, alg: Any = "auto_select"
                               ) -> Tensor:
    """Numbers of a normal distribution without those beyond two standard deviations, as a function of the seed.

    Args:
      shape: the shape of the result, a vector of integers.
      seed: two integers, int32 or int64.
      mean, stddev: parameters before truncation, numbers or tensors that broadcast against `shape`.
      dtype: float16, bfloat16, float32 or float64.
      name: name of the operation.
      alg: "philox" or "auto_select".
    """
    return _scaled(cards.StatelessTruncatedNormalV2, "stateless_truncated_normal", shape, seed, mean, stddev, dtype,
                   name, alg)


@export("random.stateless_gamma")
def stateless_gamma(shape: Any, seed: Any, alpha: Any, beta: Any = None, dtype: Any = dtypes.float32,
                    name: str | None = None) -> Tensor:
    """Numbers of gamma distributions, as a function of the seed; differentiable by the parameters.

    Args:
      shape: the shape of the result, which ends with that of the parameters.
      seed: two integers, int32 or int64.
      alpha: the shape parameters.
      beta: the inverse scales, which broadcast against `alpha`; 1 when None.
      dtype: float16, float32 or float64.
      name: name of the operation.
    """
    dtype = as_dtype(dtype)
    with name_scope(name, "stateless_random_gamma"):
        shape = shape_operand(shape)
        alpha, beta = convert(alpha, dtype, "alpha"), convert(1 if beta is None else beta, dtype, "beta")
        alpha = broadcast_parameter(alpha, beta)
        return above_zero(cards.StatelessRandomGammaV3(shape, *_keyed(seed, None), alpha), beta, dtype)


@export("random.stateless_poisson")
def stateless_poisson(shape: Any, seed: Any, lam: Any, dtype: Any = dtypes.int32, name: str | None = None) -> Tensor:
    """Numbers of Poisson distributions, as a function of the seed.

    Args:
      shape: the shape of the result, which ends with that of `lam`.
      seed: two integers, int32 or int64.
      lam: the rates.
      dtype: float16, float32, float64, int32 or int64.
      name: name of the operation.
    """
    with name_scope(name, "stateless_random_poisson"):
        return cards.StatelessRandomPoisson(shape_operand(shape), seed, lam, dtype=dtype)


@export("random.stateless_binomial")
def stateless_binomial(shape: Any, seed: Any, counts: Any, probs: Any, output_dtype: Any = dtypes.int32,
                       name: str | None = None) -> Tensor:
    """Numbers of binomial distributions, as a function of the seed.

    Args:
      shape: the shape of the result, which ends with that to which the parameters broadcast.
      seed: two integers, int32 or int64.
      counts: numbers of trials.
      probs: probabilities of success, of the dtype of `counts`.
      output_dtype: float16, float32, float64, int32 or int64.
      name: name of the operation.
    """
    with name_scope(name, "stateless_random_binomial"):
        shape = shape_operand(shape)
        probs = convert(probs, None, "probs", dtypes.float32)
        counts = convert(counts, None, "counts", probs.dtype)
        return cards.StatelessRandomBinomial(shape, seed, counts, probs, dtype=output_dtype)


@export("random.stateless_categorical")
def stateless_categorical(logits: Any, num_samples: Any, seed: Any, dtype: Any = dtypes.int64, name: str | None = None
                          ) -> Tensor:
    """Class numbers drawn from categorical distributions, as a function of the seed.

    Args:
      logits: unnormalized log-probabilities, [batch, classes].
      num_samples: how many to draw for each row, a scalar.
      seed: two integers, int32 or int64.
      dtype: int64 or int32.
      name: name of the operation.

    Returns:
      A tensor [batch, num_samples].
    """
    with name_scope(name, "stateless_categorical"):
        return cards.StatelessMultinomial(convert(logits, name="logits"), num_samples, seed, output_dtype=dtype)


@export(v1=["random.stateless_multinomial"])
def stateless_multinomial(logits: Any, num_samples: Any, seed: Any, output_dtype: Any = dtypes.int64,
                          name: str | None = None) -> Tensor:
    """Class numbers drawn from categorical distributions; the 1.x spelling of `tf.random.stateless_categorical`."""
    with name_scope(name, "stateless_multinomial"):
        return cards.StatelessMultinomial(convert(logits, name="logits"), num_samples, seed, output_dtype=output_dtype)


@export("random.experimental.stateless_shuffle")
def stateless_shuffle(value: Any, seed: Any, alg: Any = "auto_select", name: str | None = None) -> Tensor:
    """The rows of `value` in an order that is a function of the seed.

    Args:
      value: a tensor of any dtype; its first axis is shuffled.
      seed: two integers, int32 or int64.
      alg: "philox" or "auto_select".
      name: name of the operation.
    """
    with name_scope(name, "stateless_shuffle"):
        return cards.StatelessShuffle(value, *_keyed(seed, alg))


@export("random.split", "random.experimental.stateless_split")
def split(seed: Any, num: Any = 2, alg: Any = "auto_select") -> Tensor:
    """New seeds made of a seed, [num, 2].

    Args:
      seed: two integers, int32 or int64.
      num: how many.
      alg: "philox" or "auto_select".

    >>> import everflow as tf
    >>> tf.random.split([1, 2], 3).shape
    TensorShape([3, 2])
    """
    seed = convert(seed)
    return stateless_uniform([num, 2], seed, None, None, seed.dtype, alg=alg)


@export("random.fold_in", "random.experimental.stateless_fold_in")
def fold_in(seed: Any, data: Any, alg: Any = "auto_select") -> Tensor:
    """A new seed made of a seed and an integer, such as the number of a replica.

    Args:
      seed: two integers, int32 or int64.
      data: an int32 or int64 scalar.
      alg: "philox" or "auto_select".

    >>> import everflow as tf
    >>> tf.random.fold_in([1, 2], 5).shape
    TensorShape([2])
    """
    data = convert(data)
    first = stateless_uniform([], seed, None, None, data.dtype, alg=alg)
    return cards.Pack([first, data], name="stack")
