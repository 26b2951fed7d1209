"""Random tensors: `tf.random.uniform`, `normal`, `truncated_normal`, `shuffle`, and what crops at random.

With a global seed (`tf.random.set_seed`) or a seed of the operation the numbers are those of TensorFlow 2.15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.context import STATE, current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.scopes import control_dependencies
from everflow._src.framework.seeds import seed_attrs
from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_shape import Dimension, TensorShape
from everflow._src.ops.array_shape import shape_internal
from everflow._src.ops.by_name import cards
from everflow._src.ops.debugging import Assert
from everflow._src.ops.naming import name_scope
from everflow._src.ops.random_ops import (
    Multinomial,
    RandomGamma,
    RandomPoissonV2,
    RandomShuffle,
    RandomStandardNormal,
    RandomUniform,
    RandomUniformInt,
    TruncatedNormal,
)
from everflow._src.ops.reductions import reduce_all


def shape_operand(shape: Any) -> Tensor:
    """`shape` as a vector of int32, or of int64 where it is one already or needs it.

    Raises:
      ValueError: a dimension is not known.
    """
    if isinstance(shape, TensorShape):
        if not shape.is_fully_defined():
            raise ValueError(f"Cannot convert a partially known TensorShape {shape} to a Tensor.")
        shape = shape.as_list()
    if isinstance(shape, (list, tuple)):
        if not shape:
            return convert(shape, dtypes.int32, "shape")
        shape = [d.value if isinstance(d, Dimension) else d for d in shape]
        if all(isinstance(d, (int, np.integer)) for d in shape) and max(shape) < 2**31:
            return convert(np.array(shape, np.int32), None, "shape")
    return convert(shape, name="shape", hint=dtypes.int32)


def is_number(value: Any, number: int) -> bool:
    """True for the Python or NumPy number itself, in eager mode; a graph holds what was asked for."""
    return (current_graph() is None if STATE.busy else True) and isinstance(value, (int, float)) and value == number


@export("random.uniform", v1=["random.uniform", "random_uniform"])
def uniform(shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = dtypes.float32, seed: int | None = None,
            name: str | None = None) -> Tensor:
    """Random numbers, uniformly distributed in [minval, maxval).

    Args:
      shape: the shape of the result, a vector of integers.
      minval: the lower bound, included; a tensor that broadcasts against `shape`, for integers a scalar.
      maxval: the upper bound, excluded; 1 for floats when None.
      dtype: float16, bfloat16, float32, float64, int32 or int64.
      seed: a seed of the operation; see `tf.random.set_seed`.
      name: name of the operation.

    Raises:
      ValueError: `dtype` is another one, or an integer and `maxval` is None.
      tf.errors.InvalidArgumentError: `minval` is not below `maxval`.

    >>> import everflow as tf
    >>> tf.random.uniform([2, 3]).shape
    TensorShape([2, 3])
    """
    dtype = as_dtype(dtype)
    if not (dtype.is_floating and dtype.size <= 8 or dtype in (dtypes.int32, dtypes.int64)):
        raise ValueError("Argument `dtype` got invalid value " f"{dtype!r}. Accepted dtypes are float16, bfloat16, "
                         "float32, float64, int32, int64.")
    if maxval is None:
        if dtype.is_integer:
            raise ValueError(f"Must specify maxval for integer dtype {dtype!r}")
        maxval = 1
    with name_scope(name, "random_uniform") as scope:
        shape = shape_operand(shape)
        if dtype.is_integer:
            minval, maxval = convert(minval, dtype, "min"), convert(maxval, dtype, "max")
            return RandomUniformInt(shape, minval, maxval, **seed_attrs(seed), name=scope or None)
        from_zero = type(minval) is int and minval == 0
        to_one = type(maxval) is int and maxval == 1
        if not (from_zero and to_one):
            if not from_zero:
                minval = convert(minval, dtype, "min")
            maxval = convert(maxval, dtype, "max")
        numbers = RandomUniform(shape, dtype=dtype, **seed_attrs(seed))
        if from_zero:
            return numbers if to_one else cards.Mul(numbers, maxval, name=scope or None)
        return cards.AddV2(cards.Mul(numbers, cards.Sub(maxval, minval, name="sub"), name="mul"), minval,
                           name=scope or None)


def scaled(card: Any, default_name: str, shape: Any, mean: Any, stddev: Any, dtype: Any, seed: int | None,
           name: str | None) -> Tensor:
    """Numbers of a standard distribution, times `stddev`, plus `mean`."""
    dtype = as_dtype(dtype)
    with name_scope(name, default_name) as scope:
        shape = shape_operand(shape)
        if is_number(mean, 0) and is_number(stddev, 1):
            return card(shape, dtype=dtype, **seed_attrs(seed))
        mean, stddev = convert(mean, dtype, "mean"), convert(stddev, dtype, "stddev")
        numbers = card(shape, dtype=dtype, **seed_attrs(seed))
        return cards.AddV2(cards.Mul(numbers, stddev, name="mul"), mean, name=scope or None)


@export("random.normal", v1=["random.normal", "random_normal"])
def normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dtypes.float32, seed: int | None = None,
           name: str | None = None) -> Tensor:
    """Random numbers of a normal distribution.

    Args:
      shape: the shape of the result, a vector of integers.
      mean: the mean, a number or a tensor that broadcasts against `shape`.
      stddev: the standard deviation, likewise.
      dtype: float16, bfloat16, float32 or float64.
      seed: a seed of the operation; see `tf.random.set_seed`.
      name: name of the operation.

    >>> import everflow as tf
    >>> tf.random.normal([4], mean=3., stddev=[1., 2., 3., 4.]).shape
    TensorShape([4])
    """
    return scaled(RandomStandardNormal, "random_normal", shape, mean, stddev, dtype, seed, name)


@export("random.truncated_normal", v1=["random.truncated_normal", "truncated_normal"])
def truncated_normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = dtypes.float32,
                     seed: int | None = None, name: str | None = None) -> Tensor:
    """Random numbers of a normal distribution, without those two or more standard deviations off the mean.

    Args:
      shape: the shape of the result, a vector of integers.
      mean: the mean, a number or a tensor that broadcasts against `shape`.
      stddev: the standard deviation before truncation, likewise.
      dtype: float16, bfloat16, float32 or float64.
      seed: a seed of the operation; see `tf.random.set_seed`.
      name: name of the operation.

    >>> import everflow as tf
    >>> bool((abs(tf.random.truncated_normal([100])) < 2).numpy().all())
    True
    """
    return scaled(TruncatedNormal, "truncated_normal", shape, mean, stddev, dtype, seed, name)


@export("random.gamma", v1=["random.gamma", "random_gamma"])
def gamma(shape: Any, alpha: Any, beta: Any = None, dtype: Any = dtypes.float32, seed: int | None = None,
          name: str | None = None) -> Tensor:
    """Random numbers of gamma distributions, `shape` of them for each pair of parameters.

    Samples are differentiable by both parameters (M. Figurnov et al., "Implicit reparameterization gradients",
    2018).

    Args:
      shape: how many numbers to draw for each parameter, a vector of integers.
      alpha: the shape parameters.
      beta: the inverse scales, which broadcast against `alpha`; 1 when None.
      dtype: float16, float32 or float64.
      seed: a seed of the operation; see `tf.random.set_seed`.
      name: name of the operation.

    Returns:
      A tensor of shape `shape + tf.shape(alpha + beta)`.

    >>> import everflow as tf
    >>> tf.random.gamma([10], [0.5, 1.5]).shape
    TensorShape([10, 2])
    """
    dtype = as_dtype(dtype)
    with name_scope(name, "random_gamma"):
        shape = shape_operand(shape)
        alpha, beta = convert(alpha, dtype, "alpha"), convert(1 if beta is None else beta, dtype, "beta")
        return above_zero(RandomGamma(shape, broadcast_parameter(alpha, beta), **seed_attrs(seed)), beta, dtype)


def broadcast_parameter(alpha: Any, beta: Any) -> Tensor:
    """`alpha` in the shape to which both parameters broadcast."""
    if current_graph() is None and alpha.shape == beta.shape:
        return alpha
    return cards.BroadcastTo(alpha, cards.BroadcastArgs(shape_internal(alpha), shape_internal(beta)))


def above_zero(numbers: Any, beta: Any, dtype: Any) -> Tensor:
    """Numbers over their inverse scale, at least the smallest positive one: logarithms of samples are finite."""
    tiny = np.array(np.finfo(dtype.numpy_dtype).tiny, dtype.numpy_dtype)
    return cards.Maximum(tiny, numbers / beta)


@export("random.poisson", v1=[])
def poisson(shape: Any, lam: Any, dtype: Any = dtypes.float32, seed: int | None = None, name: str | None = None
            ) -> Tensor:
    """Random numbers of Poisson distributions, `shape` of them for each rate.

    Args:
      shape: how many numbers to draw for each rate, a vector of integers.
      lam: the rates, of float16, float32, float64, int32 or int64.
      dtype: the dtype of the result, one of the same.
      seed: a seed of the operation; see `tf.random.set_seed`.
      name: name of the operation.

    Returns:
      A tensor of shape `shape + tf.shape(lam)`.

    >>> import everflow as tf
    >>> tf.random.poisson([10], [0.5, 1.5]).shape
    TensorShape([10, 2])
    """
    with name_scope(name, "random_poisson"):
        return RandomPoissonV2(shape_operand(shape), lam, dtype=as_dtype(dtype), **seed_attrs(seed))


@export(v1=["random.poisson", "random_poisson"])
def poisson_v1(lam: Any, shape: Any, dtype: Any = dtypes.float32, seed: int | None = None, name: str | None = None
               ) -> Tensor:
    """Random numbers of Poisson distributions; `tf.random.poisson` with the rates first."""
    return poisson(shape, lam, dtype, seed, name)


@export("random.categorical", v1=["random.categorical"])
def categorical(logits: Any, num_samples: Any, dtype: Any = None, seed: int | None = None, name: str | None = None
                ) -> Tensor:
    """Class numbers drawn from categorical distributions.

    Args:
      logits: unnormalized log-probabilities, [batch, classes].
      num_samples: how many to draw for each row, a scalar.
      dtype: int64 (the default) or int32.
      seed: a seed of the operation; see `tf.random.set_seed`.
      name: name of the operation.

    Returns:
      A tensor [batch, num_samples].

    >>> import everflow as tf
    >>> tf.random.categorical([[0.5, 0.5]], 5).shape
    TensorShape([1, 5])
    """
    with name_scope(name, "categorical"):
        return _multinomial(logits, num_samples, seed, dtype)


@export(v1=["random.multinomial", "multinomial"])
def multinomial(logits: Any, num_samples: Any, seed: int | None = None, name: str | None = None,
                output_dtype: Any = None) -> Tensor:
    """Class numbers drawn from categorical distributions; the 1.x spelling of `tf.random.categorical`."""
    with name_scope(name, "multinomial"):
        return _multinomial(logits, num_samples, seed, output_dtype)


def _multinomial(logits: Any, num_samples: Any, seed: int | None, dtype: Any) -> Tensor:
    logits = convert(logits, name="logits")
    dtype = dtypes.int64 if dtype is None else as_dtype(dtype)
    return Multinomial(logits, num_samples, output_dtype=dtype, **seed_attrs(seed))


@export("random.shuffle", v1=["random.shuffle", "random_shuffle"])
def shuffle(value: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """The rows of `value` in random order.

    Args:
      value: a tensor of any dtype; its first axis is shuffled.
      seed: a seed of the operation; see `tf.random.set_seed`.
      name: name of the operation.

    >>> import everflow as tf
    >>> sorted(tf.random.shuffle([1, 2, 3]).numpy().tolist())
    [1, 2, 3]
    """
    return RandomShuffle(value, **seed_attrs(seed), name=name)


@export("image.random_crop", v1=["image.random_crop", "random_crop"])
def random_crop(value: Any, size: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """A part of `value` of shape `size`, at a random place.

    Args:
      value: the tensor to crop.
      size: the shape of the result, as many numbers as `value` has axes.
      seed: a seed of the operation; see `tf.random.set_seed`.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError: `size` exceeds the shape of `value`.

    >>> import everflow as tf
    >>> tf.image.random_crop(tf.reshape(tf.range(20), [4, 5]), [2, 3]).shape
    TensorShape([2, 3])
    """
    with name_scope(name, "random_crop") as scope:
        value, size = convert(value, name="value"), convert(size, dtypes.int32, "size")
        available, limit = crop_room(value, size)
        offset = cards.FloorMod(uniform(shape_internal(available), dtype=size.dtype, maxval=size.dtype.max, seed=seed),
                                limit, name="mod")
        return cards.Slice(value, offset, size, name=scope or None)


def crop_room(value: Any, size: Any) -> tuple[Any, Any]:
    """The shape of `value`, and how many places there are along each axis for a part of shape `size`."""
    available = shape_internal(value)
    check = Assert(reduce_all(available >= size),
                   ["Need value.shape >= size, got ", available, size], summarize=1000)
    if check is not None:
        with control_dependencies([check]):
            available = cards.Identity(available, name="control_dependency")
    return available, available - size + 1
