"""Dropout: elements are zeroed at random and the others scaled, so that sums keep their expected value.

N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.
"""

from __future__ import annotations

import functools
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from everflow._src.framework.conversion import constant_array, convert
from everflow._src.framework.export import export
from everflow._src.framework.seeds import get_seed
from everflow._src.framework.tensor import SymbolicTensor, Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.array_shape import shape_internal
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.ops.random_functions import uniform
from everflow._src.ops.random_stateless import stateless_uniform


def _noise_shape(x: Tensor, noise_shape: Any) -> Any:
    """The shape of the random numbers; None in it stands for the dimension of `x`."""
    if noise_shape is None:
        return shape_internal(x)
    if isinstance(noise_shape, Tensor):
        return noise_shape
    try:
        wanted = TensorShape(noise_shape)
    except (TypeError, ValueError):
        return noise_shape
    given = x.shape
    if given.rank is None or given.rank != wanted.rank:
        return noise_shape
    return TensorShape([own if size is None else size for size, own in zip(wanted.as_list(), given.as_list())])


def _dropout(x: Any, rate: Any, noise_shape: Any, sampler: Callable, draws_anyway: Callable[[], Any],
             name: str | None, default_name: str) -> Any:
    with name_scope(name, default_name):
        is_number = isinstance(rate, numbers.Real)
        if is_number and not 0 <= rate < 1:
            raise ValueError("`rate` must be a scalar tensor or a float in the range [0, 1). Received: "
                             f"rate={rate}")
        x = convert(x, name="x")
        dtype = x.dtype.base_dtype
        if not dtype.is_floating:
            raise ValueError("`x.dtype` must be a floating point tensor as `x` will be scaled. Received: "
                             f"x_dtype={dtype!r}")
        if is_number:
            if rate == 0:
                # The numbers that later operations draw do not depend on whether this one drew any.
                draws_anyway()
                return x
            scale = constant_array(np.asarray(1 / (1 - rate), dtype.numpy_dtype), dtype, "Const")
            kept = cards.Mul(x, scale)
        else:
            rate = getattr(rate, "_dense_var_to_tensor", lambda **_: rate)()
            if not isinstance(rate, Tensor):
                raise ValueError(f"`rate` must be a scalar or scalar tensor. Received: rate={rate}")
            rate.shape.assert_has_rank(0)
            if rate.dtype.base_dtype != dtype:
                raise ValueError("`x.dtype` must be compatible with `rate.dtype`. Received: "
                                 f"x.dtype={dtype!r} and rate.dtype={rate.dtype!r}")
            one = constant_array(np.ones((), dtype.numpy_dtype), dtype, "Const")
            kept = cards.RealDiv(x, cards.Sub(one, rate))
        numbers_drawn = sampler(shape=_noise_shape(x, noise_shape), dtype=dtype)
        # A number equal to the rate keeps its element: of rate 0 nothing would be dropped.
        keep = cards.GreaterEqual(numbers_drawn, rate)
        zero = constant_array(np.zeros((), dtype.numpy_dtype), dtype, "Const")
        result = cards.SelectV2(keep, kept, zero)
        if isinstance(result, SymbolicTensor):
            result.set_shape(x.shape)
        return result


@export("nn.dropout", v1=[])
def dropout(x: Any, rate: Any, noise_shape: Any = None, seed: int | None = None, name: str | None = None) -> Any:
    """Zeroes elements with probability `rate` and scales the others by 1 / (1 - rate).

    Args:
      x: a floating tensor.
      rate: a number in [0, 1), or a scalar tensor of the dtype of `x`.
      noise_shape: the shape of what is drawn, which broadcasts to that of `x`: along an axis of size 1 elements
        are kept or dropped together; None stands for the size of `x`.
      seed: a seed of the operation; see `tf.random.set_seed`.
      name: name of the operation.

    Raises:
      ValueError: `rate` is out of range, or `x` is not floating.

    >>> import everflow as tf
    >>> y = tf.nn.dropout(tf.ones([100]), rate=0.5, seed=1)
    >>> sorted(set(y.numpy().tolist()))
    [0.0, 2.0]
    """
    return _dropout(x, rate, noise_shape, functools.partial(uniform, seed=seed), lambda: get_seed(seed), name,
                    "dropout")


@export(v1=["nn.dropout"])
def dropout_v1(x: Any, keep_prob: Any = None, noise_shape: Any = None, seed: int | None = None,
               name: str | None = None, rate: Any = None) -> Any:
    """Keeps elements with probability `keep_prob`, scaled by 1 / keep_prob, and zeroes the others.

    Args:
      x: a floating tensor.
      keep_prob: a number in (0, 1], or a scalar tensor of the dtype of `x`; `1 - rate`.
      noise_shape: the shape of what is drawn, which broadcasts to that of `x`.
      seed: a seed of the operation.
      name: name of the operation.
      rate: the probability of zeroing an element, in place of `keep_prob`.

    Raises:
      ValueError: both or neither of `keep_prob` and `rate` are given, one is out of range, or `x` is not floating.
    """
    if keep_prob is not None and rate is not None:
        raise ValueError("Cannot specify both 'keep_prob' and 'rate'.")
    if keep_prob is not None:
        try:
            rate = 1 - keep_prob
        except TypeError:
            raise ValueError("`keep_prob` must be a floating point number or Tensor. Received: "
                             f"keep_prob={keep_prob}") from None
    if rate is None:
        raise ValueError(f"`rate` must be provided. Received: rate={rate}")
    return dropout(x, rate, noise_shape, seed, name)


@export("nn.experimental.stateless_dropout")
def stateless_dropout(x: Any, rate: Any, seed: Any, rng_alg: Any = None, noise_shape: Any = None,
                      name: str | None = None) -> Any:
    """Dropout in which what is dropped is a function of the seed.

    Args:
      x: a floating tensor.
      rate: a number in [0, 1), or a scalar tensor of the dtype of `x`.
      seed: two integers, int32 or int64.
      rng_alg: "philox" or "auto_select", the default.
      noise_shape: the shape of what is drawn, which broadcasts to that of `x`.
      name: name of the operation.

    Raises:
      ValueError: `rate` is out of range, or `x` is not floating.

    >>> import everflow as tf
    >>> a = tf.nn.experimental.stateless_dropout(tf.ones([5]), 0.5, seed=[1, 0])
    >>> bool((a == tf.nn.experimental.stateless_dropout(tf.ones([5]), 0.5, seed=[1, 0])).numpy().all())
    True
    """
    sampler = functools.partial(stateless_uniform, seed=seed, alg="auto_select" if rng_alg is None else rng_alg)
    return _dropout(x, rate, noise_shape, sampler, lambda: None, name, "stateless_dropout")


@export("nn.experimental.general_dropout")
def general_dropout(x: Any, rate: Any, uniform_sampler: Callable, noise_shape: Any = None, name: str | None = None
                    ) -> Any:
    """Dropout with random numbers of the caller's choice.

    Args:
      x: a floating tensor.
      rate: a number in [0, 1), or a scalar tensor of the dtype of `x`.
      uniform_sampler: `uniform_sampler(shape, dtype)` returns numbers in [0, 1); an element is kept where its number
        is not below `rate`.
      noise_shape: the shape of what is drawn, which broadcasts to that of `x`.
      name: name of the operation.

    Raises:
      ValueError: `rate` is out of range, or `x` is not floating.
    """
    return _dropout(x, rate, noise_shape, uniform_sampler, lambda: None, name, "dropout")
