"""Initializers of 1.x: objects that, called with a shape, make the initial value of a variable."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.registry import CARDS
from everflow._src.ops.array_creation import ones, zeros
from everflow._src.ops.constants import constant_v1
from everflow._src.ops.random_functions import normal as random_normal
from everflow._src.ops.random_functions import truncated_normal
from everflow._src.ops.random_functions import uniform as random_uniform

# The standard deviation of a normal distribution that is cut off at two standard deviations.
TRUNCATED_STDDEV = 0.87962566103423978


class Initializer:
    """What all initializers share.  They are called as `initializer(shape, dtype)` and return a tensor."""

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, as plain values."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """An initializer made of what `get_config` returned."""
        return cls(**config)


def dims_of(shape: Any) -> list[int]:
    """A shape as a list of ints."""
    if hasattr(shape, "as_list"):
        return shape.as_list()
    if isinstance(shape, (int, np.integer)):
        return [int(shape)]
    return [int(getattr(d, "value", d)) for d in shape]


def floating(dtype: Any) -> Any:
    """`dtype` as a DType.

    Raises:
      ValueError: it is no floating-point type.
    """
    dtype = as_dtype(dtype)
    if not dtype.is_floating:
        raise ValueError(f"Argument `dtype` is expected to be floating point. Received: {dtype}.")
    return dtype


@export(v1=["zeros_initializer", "initializers.zeros"])
class Zeros(Initializer):
    """Makes zeros.

    >>> import everflow as tf
    >>> tf.compat.v1.zeros_initializer()([2]).numpy()
    array([0., 0.], dtype=float32)
    """

    def __init__(self, dtype: Any = dtypes.float32) -> None:
        self.dtype = as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        return zeros(shape, self.dtype if dtype is None else dtype)

    def get_config(self) -> dict[str, Any]:
        return {"dtype": self.dtype.name}


@export(v1=["ones_initializer", "initializers.ones"])
class Ones(Initializer):
    """Makes ones."""

    def __init__(self, dtype: Any = dtypes.float32) -> None:
        self.dtype = as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        return ones(shape, self.dtype if dtype is None else dtype)

    def get_config(self) -> dict[str, Any]:
        return {"dtype": self.dtype.name}


def check_constant(value: Any) -> None:
    """Raises TypeError when `value` is nothing that a constant initializer takes."""
    if not (np.isscalar(value) or isinstance(value, (list, tuple, np.ndarray))):
        raise TypeError(
            f"Invalid type for initial value={value} of type: {type(value).__name__}. Expected Python scalar, list or "
            "tuple of values, or numpy.ndarray."
        )


@export(v1=["constant_initializer", "initializers.constant"])
class Constant(Initializer):
    """Makes tensors of a given value.

    Args:
      value: a number, or a list or array with as many elements as the shape has (in a graph, with fewer: the
        last one is repeated).
      dtype: the default dtype.
      verify_shape: True demands that `value` has exactly the shape asked for.

    Raises:
      TypeError: `value` is neither a number nor a list or array of them.
    """

    def __init__(self, value: Any = 0, dtype: Any = dtypes.float32, verify_shape: bool = False) -> None:
        check_constant(value)
        self.value = value
        self.dtype = as_dtype(dtype)
        self._verify_shape = verify_shape

    def __call__(
        self, shape: Any, dtype: Any = None, partition_info: Any = None, verify_shape: bool | None = None
    ) -> Any:
        verify = self._verify_shape if verify_shape is None else verify_shape
        if verify and list(np.shape(self.value)) != dims_of(shape):
            raise TypeError(f"Expected Tensor's shape: {tuple(dims_of(shape))}, but got {np.shape(self.value)}.")
        return constant_v1(self.value, dtype=self.dtype if dtype is None else dtype, shape=shape)

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value, "dtype": self.dtype.name}


@export(v1=["random_uniform_initializer", "initializers.random_uniform"])
class RandomUniform(Initializer):
    """Makes numbers that are uniformly distributed.

    Args:
      minval: the least value.
      maxval: the limit, which is not reached; 1 for floats when None.
      seed: a seed of the operation.
      dtype: the default dtype.
    """

    def __init__(self, minval: Any = 0.0, maxval: Any = None, seed: int | None = None, dtype: Any = dtypes.float32
                 ) -> None:
        self.minval = minval
        self.maxval = maxval
        self.seed = seed
        self.dtype = as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        dtype = self.dtype if dtype is None else as_dtype(dtype)
        return random_uniform(shape, self.minval, self.maxval, dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed, "dtype": self.dtype.name}


@export(v1=["random_normal_initializer", "initializers.random_normal"])
class RandomNormal(Initializer):
    """Makes numbers that are normally distributed.

    Args:
      mean: the mean.
      stddev: the standard deviation.
      seed: a seed of the operation.
      dtype: the default dtype.

    Raises:
      ValueError: `dtype` is not floating.
    """

    def __init__(self, mean: Any = 0.0, stddev: Any = 1.0, seed: int | None = None, dtype: Any = dtypes.float32
                 ) -> None:
        self.mean = mean
        self.stddev = stddev
        self.seed = seed
        self.dtype = floating(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        dtype = self.dtype if dtype is None else as_dtype(dtype)
        return random_normal(shape, self.mean, self.stddev, dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed, "dtype": self.dtype.name}


@export(v1=["truncated_normal_initializer", "initializers.truncated_normal"])
class TruncatedNormal(RandomNormal):
    """Makes numbers of a normal distribution, without those beyond two standard deviations."""

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        dtype = self.dtype if dtype is None else as_dtype(dtype)
        return truncated_normal(shape, self.mean, self.stddev, dtype, seed=self.seed)


@export(v1=["uniform_unit_scaling_initializer", "initializers.uniform_unit_scaling"])
class UniformUnitScaling(Initializer):
    """Makes uniform numbers between `-limit` and `limit = factor * sqrt(3 / inputs)`.

    With it, the inputs of a layer and its outputs are of one scale. Sussillo and Abbott,
    https://arxiv.org/abs/1412.6558.

    Args:
      factor: of the limit; depends on the activation.
      seed: a seed of the operation.
      dtype: the default dtype.
    """

    def __init__(self, factor: float = 1.0, seed: int | None = None, dtype: Any = dtypes.float32) -> None:
        self.factor = factor
        self.seed = seed
        self.dtype = floating(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        dtype = self.dtype if dtype is None else as_dtype(dtype)
        scale_shape = shape if partition_info is None else partition_info.full_shape
        inputs = max(1.0, float(math.prod(dims_of(scale_shape)[:-1])))
        limit = math.sqrt(3 / inputs) * self.factor
        return random_uniform(shape, -limit, limit, dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "seed": self.seed, "dtype": self.dtype.name}


def fans(shape: Any) -> tuple[int, int]:
    """The number of inputs and of outputs of a weight: the last two dimensions, times those before them."""
    dims = dims_of(shape)
    if not dims:
        return 1, 1
    if len(dims) == 1:
        return dims[0], dims[0]
    field = math.prod(dims[:-2])
    return dims[-2] * field, dims[-1] * field


def check_variance_scaling(scale: float, mode: str, distribution: str) -> str:
    """The distribution in the name it has today.

    Raises:
      ValueError: an argument has no allowed value.
    """
    if scale <= 0.0:
        raise ValueError(f"Argument `scale` must be a positive float. Received: {scale}")
    modes = ("fan_in", "fan_out", "fan_avg")
    if mode not in modes:
        raise ValueError(f"Argument `mode` should be one of {modes}. Received: {mode}")
    distribution = distribution.lower()
    distributions = ("normal", "uniform", "truncated_normal", "untruncated_normal")
    if distribution not in distributions:
        raise ValueError(f"Argument `distribution` should be one of {distributions}. Received: {distribution}")
    return "truncated_normal" if distribution == "normal" else distribution


def scaled(scale: float, mode: str, shape: Any) -> float:
    """The variance that the numbers shall have."""
    fan_in, fan_out = fans(shape)
    fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}[mode]
    return scale / max(1.0, fan)


@export(v1=["variance_scaling_initializer", "initializers.variance_scaling"])
class VarianceScaling(Initializer):
    """Makes random numbers whose variance is `scale / n`, where n counts inputs, outputs or their mean.

    Args:
      scale: the numerator, positive.
      mode: "fan_in", "fan_out" or "fan_avg".
      distribution: "truncated_normal" (also "normal"), "untruncated_normal" or "uniform".
      seed: a seed of the operation.
      dtype: the default dtype.

    Raises:
      ValueError: an argument has no allowed value, or `dtype` is not floating.
    """

    def __init__(
        self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal",
        seed: int | None = None, dtype: Any = dtypes.float32,
    ) -> None:
        check_variance_scaling(scale, mode, distribution)
        self.scale = scale
        self.mode = mode
        self.distribution = distribution.lower()
        self.seed = seed
        self.dtype = floating(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        dtype = self.dtype if dtype is None else as_dtype(dtype)
        variance = scaled(self.scale, self.mode, shape if partition_info is None else partition_info.full_shape)
        if self.distribution in ("normal", "truncated_normal"):
            return truncated_normal(shape, 0.0, math.sqrt(variance) / TRUNCATED_STDDEV, dtype, seed=self.seed)
        if self.distribution == "untruncated_normal":
            return random_normal(shape, 0.0, math.sqrt(variance), dtype, seed=self.seed)
        limit = math.sqrt(3.0 * variance)
        return random_uniform(shape, -limit, limit, dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {
            "scale": self.scale, "mode": self.mode, "distribution": self.distribution, "seed": self.seed,
            "dtype": self.dtype.name,
        }


@export(v1=["glorot_uniform_initializer", "initializers.glorot_uniform"])
class GlorotUniform(VarianceScaling):
    """Makes uniform numbers between plus and minus `sqrt(6 / (inputs + outputs))`: what variables get by default.

    Glorot and Bengio, http://proceedings.mlr.press/v9/glorot10a.html.
    """

    def __init__(self, seed: int | None = None, dtype: Any = dtypes.float32) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed, "dtype": self.dtype.name}


@export(v1=["glorot_normal_initializer", "initializers.glorot_normal"])
class GlorotNormal(VarianceScaling):
    """Makes truncated normal numbers of the standard deviation `sqrt(2 / (inputs + outputs))`."""

    def __init__(self, seed: int | None = None, dtype: Any = dtypes.float32) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed, "dtype": self.dtype.name}


@export(v1=["initializers.he_normal"])
def he_normal(seed: int | None = None) -> VarianceScaling:
    """An initializer of truncated normal numbers of the variance `2 / inputs`; https://arxiv.org/abs/1502.01852."""
    return VarianceScaling(2.0, "fan_in", "truncated_normal", seed)


@export(v1=["initializers.he_uniform"])
def he_uniform(seed: int | None = None) -> VarianceScaling:
    """An initializer of uniform numbers of the variance `2 / inputs`."""
    return VarianceScaling(2.0, "fan_in", "uniform", seed)


@export(v1=["initializers.lecun_normal"])
def lecun_normal(seed: int | None = None) -> VarianceScaling:
    """An initializer of truncated normal numbers of the variance `1 / inputs`."""
    return VarianceScaling(1.0, "fan_in", "truncated_normal", seed)


@export(v1=["initializers.lecun_uniform"])
def lecun_uniform(seed: int | None = None) -> VarianceScaling:
    """An initializer of uniform numbers of the variance `1 / inputs`."""
    return VarianceScaling(1.0, "fan_in", "uniform", seed)


def orthogonal(shape: Any, gain: Any, draw: Callable[[list[int]], Any]) -> Any:
    """A tensor whose flat rows or columns are orthogonal and of the length `gain`.

    Args:
      shape: of the tensor.
      gain: a factor.
      draw: called with the shape of a matrix, returns normally distributed numbers.

    Raises:
      ValueError: the shape has fewer than two dimensions.
    """
    dims = dims_of(shape)
    if len(dims) < 2:
        raise ValueError("The tensor to initialize, specified by argument `shape` must be at least two-dimensional. "
                         f"Received shape={tuple(dims)}")
    rows, columns = math.prod(dims[:-1]), dims[-1]
    normal = draw([max(rows, columns), min(rows, columns)])
    q, r = CARDS["Qr"](normal, full_matrices=False)
    # Signs make the distribution uniform over all orthogonal matrices.
    q = q * CARDS["Sign"](CARDS["DiagPart"](r))
    if rows < columns:
        q = CARDS["Transpose"](q, np.array([1, 0], np.int32))
    return gain * CARDS["Reshape"](q, np.array(dims, np.int32))


@export(v1=["orthogonal_initializer", "initializers.orthogonal"])
class Orthogonal(Initializer):
    """Makes orthogonal matrices; of more than two dimensions, the first ones are taken together.

    Args:
      gain: a factor.
      seed: a seed of the operation.
      dtype: the default dtype.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None, dtype: Any = dtypes.float32) -> None:
        self.gain = gain
        self.seed = seed
        self.dtype = floating(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        dtype = self.dtype if dtype is None else as_dtype(dtype)
        return orthogonal(shape, self.gain, lambda flat: random_normal(flat, dtype=dtype, seed=self.seed))

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, "seed": self.seed, "dtype": self.dtype.name}


def identity_matrix(shape: Sequence[int], gain: Any, dtype: Any) -> Any:
    """`gain` on the diagonal of a matrix, zero elsewhere.

    Raises:
      ValueError: the shape is not that of a matrix.
    """
    dims = dims_of(shape)
    if len(dims) != 2:
        raise ValueError("The tensor to initialize, specified by argument `shape` must be at least two-dimensional. "
                         f"Received shape={tuple(dims)}")
    return constant_v1(np.eye(*dims) * gain, dtype=dtype, name="eye")


@export(v1=["initializers.identity"])
class Identity(Initializer):
    """Makes matrices with `gain` on the diagonal."""

    def __init__(self, gain: float = 1.0, dtype: Any = dtypes.float32) -> None:
        self.gain = gain
        self.dtype = floating(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        full = dims_of(shape if partition_info is None else partition_info.full_shape)
        dtype = self.dtype if dtype is None else as_dtype(dtype)
        whole = identity_matrix(full, self.gain, dtype)
        if partition_info is None:
            return whole
        begin = partition_info.var_offset
        return whole[begin[0]:begin[0] + dims_of(shape)[0], begin[1]:begin[1] + dims_of(shape)[1]]

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, "dtype": self.dtype.name}
