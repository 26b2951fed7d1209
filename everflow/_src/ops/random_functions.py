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
from everflow._src.framework.seeds import seed_attrs
from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_shape import Dimension, TensorShape
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.ops.random_ops import RandomStandardNormal, RandomUniform, RandomUniformInt, TruncatedNormal


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
        if not any(isinstance(d, Tensor) for d in shape) and max(map(int, shape)) < 2**31:
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
