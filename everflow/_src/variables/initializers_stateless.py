"""Initializers of 2.x under `tf.initializers`: constants, random numbers, scaled weights, matrices.

An initializer here gives the same numbers each time that it is called: they follow from its seed alone, and
not from the global seed. Without a seed of its own it draws one when it is first called.
"""

from __future__ import annotations

import math
import random
import warnings
from typing import Any

from everflow._src.framework import dtypes
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export
from everflow._src.ops.array_creation import ones, zeros
from everflow._src.ops.constants import constant
from everflow._src.ops.random_stateless import (
    fold_in,
    stateless_normal,
    stateless_truncated_normal,
    stateless_uniform,
)
from everflow._src.variables.initializers import (
    TRUNCATED_STDDEV,
    check_variance_scaling,
    dims_of,
    floating,
    identity_matrix,
    orthogonal,
    scaled,
)
from everflow._src.variables.initializers_v2 import InitializerV2

_CALL_KEYWORDS = ["partition_shape", "partition_offset", "layout"]
_LARGEST_SEED = 10**9


class InitializerDefaults:
    """What initializers use that were told nothing else.

    Attributes:
      float_type: the dtype of a call without one.
      seeds: where initializers without a seed draw one; None stands for Python's own generator.
    """

    float_type: Any = dtypes.float32
    seeds: random.Random | None = None


def _dtype(dtype: Any) -> Any:
    return as_dtype(InitializerDefaults.float_type if dtype is None else dtype)


def _check_keywords(initializer: Any, kwargs: dict[str, Any], partitions: bool = True) -> None:
    unknown = [key for key in kwargs if key not in _CALL_KEYWORDS]
    if unknown:
        raise TypeError(
            f"{type(initializer).__name__} was called with unknown keyword arguments {unknown}. "
            f"Expected only {_CALL_KEYWORDS}."
        )
    if kwargs.get("layout") is not None:
        raise NotImplementedError(
            f"{type(initializer).__name__}: `layout` expects None, since DTensor layouts are not supported. "
            f"Received: {kwargs['layout']!r}"
        )
    if not partitions and (kwargs.get("partition_shape") or kwargs.get("partition_offset")):
        raise ValueError(
            f"{type(initializer).__name__} makes whole matrices only: it expects neither `partition_shape` nor "
            f"`partition_offset`. Received: {kwargs}"
        )


def _part(shape: Any, kwargs: dict[str, Any]) -> Any:
    """The shape to fill: that of a part, where one is given."""
    part = kwargs.get("partition_shape")
    return shape if part is None else part


def _number_or_bool(dtype: Any) -> Any:
    dtype = _dtype(dtype)
    if not dtype.is_numpy_compatible or dtype == dtypes.string:
        raise ValueError(f"Argument `dtype` is expected to be numeric or boolean. Received: {dtype}.")
    return dtype


@export("initializers.Initializer", v1=[])
class Initializer(InitializerV2):
    """The base of initializers: subclasses define `__call__(shape, dtype=None, **kwargs)`.

    A subclass with arguments returns them from `get_config`, so that it can be saved.
    """

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        """A tensor of the given shape.

        Args:
          shape: of the tensor.
          dtype: of the tensor; None means float32.
          **kwargs: `partition_shape` and `partition_offset` when only a part of the tensor is wanted.

        Raises:
          NotImplementedError: the subclass does not define this.
        """
        raise NotImplementedError(f"{type(self).__name__} is an Initializer and does not define __call__")


@export("initializers.Zeros", "initializers.zeros", v1=[])
class Zeros(Initializer):
    """Makes zeros.

    >>> import everflow as tf
    >>> tf.initializers.Zeros()([2]).numpy()
    array([0., 0.], dtype=float32)
    """

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        """Zeros; raises ValueError when `dtype` is neither numeric nor boolean."""
        _check_keywords(self, kwargs)
        return zeros(_part(shape, kwargs), _number_or_bool(dtype))


@export("initializers.Ones", "initializers.ones", v1=[])
class Ones(Initializer):
    """Makes ones.

    >>> import everflow as tf
    >>> tf.initializers.Ones()([2], tf.int32).numpy()
    array([1, 1], dtype=int32)
    """

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        """Ones; raises ValueError when `dtype` is neither numeric nor boolean."""
        _check_keywords(self, kwargs)
        return ones(_part(shape, kwargs), _number_or_bool(dtype))


@export("initializers.Constant", "initializers.constant", v1=[])
class Constant(Initializer):
    """Makes tensors of a given value.

    Args:
      value: a number, or a list or array with as many elements as the shape has.

    >>> import everflow as tf
    >>> tf.initializers.Constant(3)([2]).numpy()
    array([3., 3.], dtype=float32)
    """

    def __init__(self, value: Any = 0) -> None:
        self.value = value

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        """The value in that shape; raises TypeError when their numbers of elements differ."""
        _check_keywords(self, kwargs)
        return constant(self.value, dtype=_dtype(dtype), shape=_part(shape, kwargs))

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value}


class _Random(Initializer):
    """An initializer with a seed, or with one that it draws for itself."""

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed
        self._used_seed = seed

    def _key(self, kwargs: dict[str, Any]) -> Any:
        """The seed of a stateless operation: each part of a tensor has its own."""
        if self._used_seed is None:
            generator = random if InitializerDefaults.seeds is None else InitializerDefaults.seeds
            self._used_seed = generator.randint(1, _LARGEST_SEED)
        elif self.seed is None:
            warnings.warn(
                f"{type(self).__name__} has no seed and is called again: it returns the same numbers as before. "
                "Make one initializer for each tensor, or give it a seed to say that this is intended.",
                stacklevel=3,
            )
        key = [self._used_seed, 0]
        offset = kwargs.get("partition_offset")
        # Hashes of tuples of ints do not vary between processes.
        return fold_in(key, hash(tuple(dims_of(offset)))) if offset else key


@export("initializers.RandomUniform", "initializers.random_uniform", v1=[])
class RandomUniform(_Random):
    """Makes numbers that are uniformly distributed.

    Args:
      minval: the least value.
      maxval: the limit, which is not reached.
      seed: what the numbers follow from; None draws one.

    >>> import everflow as tf
    >>> tf.initializers.RandomUniform(0, 10, seed=1)([2, 2], tf.int32).numpy()
    array([[9, 4],
           [0, 6]], dtype=int32)
    """

    def __init__(self, minval: Any = -0.05, maxval: Any = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.minval = minval
        self.maxval = maxval

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        """Random numbers; raises ValueError when `dtype` is neither floating nor an integer type."""
        _check_keywords(self, kwargs)
        dtype = _dtype(dtype)
        if not dtype.is_floating and not dtype.is_integer:
            raise ValueError(f"Argument `dtype` is expected to be floating point or integer. Received: {dtype}.")
        return stateless_uniform(_part(shape, kwargs), self._key(kwargs), self.minval, self.maxval, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed}


@export("initializers.RandomNormal", "initializers.random_normal", v1=[])
class RandomNormal(_Random):
    """Makes numbers that are normally distributed.

    Args:
      mean: the mean.
      stddev: the standard deviation.
      seed: what the numbers follow from; None draws one.
    """

    def __init__(self, mean: Any = 0.0, stddev: Any = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean = mean
        self.stddev = stddev

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        """Random numbers; raises ValueError when `dtype` is not floating."""
        _check_keywords(self, kwargs)
        dtype = floating(_dtype(dtype))
        return stateless_normal(_part(shape, kwargs), self._key(kwargs), self.mean, self.stddev, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed}


@export("initializers.TruncatedNormal", "initializers.truncated_normal", v1=[])
class TruncatedNormal(_Random):
    """Makes numbers of a normal distribution, without those beyond two standard deviations.

    Args:
      mean: the mean.
      stddev: the standard deviation, of the distribution before it is cut off.
      seed: what the numbers follow from; None draws one.
    """

    def __init__(self, mean: Any = 0.0, stddev: Any = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean = mean
        self.stddev = stddev

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        """Random numbers; raises ValueError when `dtype` is not floating."""
        _check_keywords(self, kwargs)
        dtype = floating(_dtype(dtype))
        return stateless_truncated_normal(_part(shape, kwargs), self._key(kwargs), self.mean, self.stddev, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed}


@export("initializers.VarianceScaling", "initializers.variance_scaling", v1=[])
class VarianceScaling(_Random):
    """Makes random numbers whose variance is `scale / n`, where n counts inputs, outputs or their mean.

    The last two dimensions are inputs and outputs; those before them are a receptive field, which multiplies
    both.

    Args:
      scale: the numerator, positive.
      mode: "fan_in", "fan_out" or "fan_avg".
      distribution: "truncated_normal" (also "normal"), "untruncated_normal" or "uniform".
      seed: what the numbers follow from; None draws one.

    Raises:
      ValueError: an argument has no allowed value.
    """

    def __init__(
        self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        self.distribution = check_variance_scaling(scale, mode, distribution)
        super().__init__(seed)
        self.scale = scale
        self.mode = mode

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        """Random numbers; raises ValueError when `dtype` is not floating."""
        _check_keywords(self, kwargs)
        dtype = floating(_dtype(dtype))
        # A part is scaled by its own size, not by that of the whole.
        shape = _part(shape, kwargs)
        variance = scaled(self.scale, self.mode, shape)
        key = self._key(kwargs)
        if self.distribution == "truncated_normal":
            return stateless_truncated_normal(shape, key, 0.0, math.sqrt(variance) / TRUNCATED_STDDEV, dtype)
        if self.distribution == "untruncated_normal":
            return stateless_normal(shape, key, 0.0, math.sqrt(variance), dtype)
        limit = math.sqrt(3.0 * variance)
        return stateless_uniform(shape, key, -limit, limit, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"scale": self.scale, "mode": self.mode, "distribution": self.distribution, "seed": self.seed}


@export("initializers.GlorotUniform", "initializers.glorot_uniform", v1=[])
class GlorotUniform(VarianceScaling):
    """Makes uniform numbers between plus and minus `sqrt(6 / (inputs + outputs))`.

    Glorot and Bengio, http://proceedings.mlr.press/v9/glorot10a.html.

    Args:
      seed: what the numbers follow from; None draws one.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}


@export("initializers.GlorotNormal", "initializers.glorot_normal", v1=[])
class GlorotNormal(VarianceScaling):
    """Makes truncated normal numbers of the standard deviation `sqrt(2 / (inputs + outputs))`.

    Glorot and Bengio, http://proceedings.mlr.press/v9/glorot10a.html.

    Args:
      seed: what the numbers follow from; None draws one.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}


@export("initializers.HeNormal", "initializers.he_normal", v1=[])
class HeNormal(VarianceScaling):
    """Makes truncated normal numbers of the variance `2 / inputs`; He et al., https://arxiv.org/abs/1502.01852.

    Args:
      seed: what the numbers follow from; None draws one.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(2.0, "fan_in", "truncated_normal", seed)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}


@export("initializers.HeUniform", "initializers.he_uniform", v1=[])
class HeUniform(VarianceScaling):
    """Makes uniform numbers of the variance `2 / inputs`; He et al., https://arxiv.org/abs/1502.01852.

    Args:
      seed: what the numbers follow from; None draws one.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(2.0, "fan_in", "uniform", seed)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}


@export("initializers.LecunNormal", "initializers.lecun_normal", v1=[])
class LecunNormal(VarianceScaling):
    """Makes truncated normal numbers of the variance `1 / inputs`; see https://arxiv.org/abs/1706.02515.

    Args:
      seed: what the numbers follow from; None draws one.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_in", "truncated_normal", seed)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}


@export("initializers.LecunUniform", "initializers.lecun_uniform", v1=[])
class LecunUniform(VarianceScaling):
    """Makes uniform numbers of the variance `1 / inputs`; see https://arxiv.org/abs/1706.02515.

    Args:
      seed: what the numbers follow from; None draws one.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_in", "uniform", seed)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}


@export("initializers.Orthogonal", "initializers.orthogonal", v1=[])
class Orthogonal(_Random):
    """Makes orthogonal matrices; of more than two dimensions, all but the last are taken together.

    Saxe et al., https://arxiv.org/abs/1312.6120.

    Args:
      gain: a factor.
      seed: what the numbers follow from; None draws one.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        """A matrix; raises ValueError below two dimensions, for parts and when `dtype` is not floating."""
        _check_keywords(self, kwargs, partitions=False)
        dtype = floating(_dtype(dtype))
        key = self._key(kwargs)
        return orthogonal(shape, self.gain, lambda flat: stateless_normal(flat, key, dtype=dtype))

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, "seed": self.seed}


@export("initializers.Identity", "initializers.identity", v1=[])
class Identity(Initializer):
    """Makes matrices with `gain` on the diagonal.

    Args:
      gain: a factor.

    >>> import everflow as tf
    >>> tf.initializers.Identity(2)([2, 2]).numpy()
    array([[2., 0.],
           [0., 2.]], dtype=float32)
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        """A matrix; raises ValueError for other shapes, for parts and when `dtype` is not floating."""
        _check_keywords(self, kwargs, partitions=False)
        return identity_matrix(shape, self.gain, floating(_dtype(dtype)))

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}
