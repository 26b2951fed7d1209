"""Initializers of 2.x that stand at the top level: zeros, ones, constants, random numbers."""

from __future__ import annotations

from typing import Any

from everflow._src.framework import dtypes
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export
from everflow._src.ops.array_creation import ones, zeros
from everflow._src.ops.constants import constant
from everflow._src.ops.random_functions import normal, uniform
from everflow._src.ops.random_stateless import stateless_normal, stateless_uniform
from everflow._src.variables.initializers import check_constant, floating


class InitializerV2:
    """What these initializers share.  They are called as `initializer(shape, dtype)` and return a tensor."""

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, as plain values."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """An initializer made of what `get_config` returned."""
        config = dict(config)
        config.pop("dtype", None)
        return cls(**config)


def _part(shape: Any, kwargs: dict[str, Any]) -> Any:
    """The shape to fill: that of a part, where one is given."""
    unknown = [key for key in kwargs if key not in ("partition_shape", "partition_offset")]
    if unknown:
        raise TypeError(
            f"Keyword argument should be one of ['partition_shape', 'partition_offset']. Received: {unknown[0]}"
        )
    return kwargs.get("partition_shape", shape)


def _number_or_bool(dtype: Any) -> Any:
    dtype = as_dtype(dtype)
    if not dtype.is_numpy_compatible or dtype == dtypes.string:
        raise ValueError(f"Argument `dtype` expected to be numeric or boolean. Received {dtype}.")
    return dtype


@export("zeros_initializer", v1=[])
class ZerosV2(InitializerV2):
    """Makes zeros.

    >>> import everflow as tf
    >>> tf.zeros_initializer()([2]).numpy()
    array([0., 0.], dtype=float32)
    """

    def __call__(self, shape: Any, dtype: Any = dtypes.float32, **kwargs: Any) -> Any:
        dtype = _number_or_bool(dtype)
        return zeros(_part(shape, kwargs), dtype)


@export("ones_initializer", v1=[])
class OnesV2(InitializerV2):
    """Makes ones."""

    def __call__(self, shape: Any, dtype: Any = dtypes.float32, **kwargs: Any) -> Any:
        dtype = _number_or_bool(dtype)
        return ones(_part(shape, kwargs), dtype)


@export("constant_initializer", v1=[])
class ConstantV2(InitializerV2):
    """Makes tensors of a given value.

    Args:
      value: a number, or a list or array with as many elements as the shape has.
      support_partition: accepted; parts of variables are supported.

    Raises:
      TypeError: `value` is neither a number nor a list or array of them.
    """

    def __init__(self, value: Any = 0, support_partition: bool = False) -> None:
        check_constant(value)
        self.value = value
        self.support_partition = support_partition

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        if dtype is not None:
            dtype = as_dtype(dtype)
        return constant(self.value, dtype=dtype, shape=_part(shape, kwargs))

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value}


@export("random_uniform_initializer", v1=[])
class RandomUniformV2(InitializerV2):
    """Makes numbers that are uniformly distributed.

    Args:
      minval: the least value.
      maxval: the limit, which is not reached.
      seed: a seed: the same one gives the same numbers each time.
    """

    def __init__(self, minval: Any = -0.05, maxval: Any = 0.05, seed: int | None = None) -> None:
        self.minval = minval
        self.maxval = maxval
        self.seed = seed

    def __call__(self, shape: Any, dtype: Any = dtypes.float32, **kwargs: Any) -> Any:
        dtype = as_dtype(dtype)
        if not dtype.is_floating and not dtype.is_integer:
            raise ValueError(f"Argument `dtype` expected to be numeric or boolean. Received {dtype}.")
        if self.seed is None:
            return uniform(_part(shape, kwargs), self.minval, self.maxval, dtype)
        return stateless_uniform(_part(shape, kwargs), [self.seed, 0], self.minval, self.maxval, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed}


@export("random_normal_initializer", v1=[])
class RandomNormalV2(InitializerV2):
    """Makes numbers that are normally distributed.

    Args:
      mean: the mean.
      stddev: the standard deviation.
      seed: a seed: the same one gives the same numbers each time.
    """

    def __init__(self, mean: Any = 0.0, stddev: Any = 0.05, seed: int | None = None) -> None:
        self.mean = mean
        self.stddev = stddev
        self.seed = seed

    def __call__(self, shape: Any, dtype: Any = dtypes.float32, **kwargs: Any) -> Any:
        dtype = floating(dtype)
        if self.seed is None:
            return normal(_part(shape, kwargs), self.mean, self.stddev, dtype)
        return stateless_normal(_part(shape, kwargs), [self.seed, 0], self.mean, self.stddev, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed}
