"""Variables that are kept in parts, and the functions that say how many."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from everflow._src.framework import dtypes
from everflow._src.framework.context import current_graph
from everflow._src.framework.conversion import register_tensor_conversion_function
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.registry import CARDS
from everflow._src.framework.tensor_shape import TensorShape


class PartitionInfo:
    """Tells an initializer which part of a larger variable it fills.

    Args:
      full_shape: shape of the whole variable.
      var_offset: where the part begins in each dimension.
    """

    def __init__(self, full_shape: Sequence[int], var_offset: Sequence[int]) -> None:
        if len(full_shape) != len(var_offset):
            raise ValueError(f"full_shape and var_offset must have one length, received {full_shape} and {var_offset}")
        self.full_shape = list(full_shape)
        self.var_offset = list(var_offset)

    def single_offset(self, shape: Sequence[int]) -> int:
        """Where the part of the given shape begins in the dimension that is partitioned."""
        index = self.single_slice_dim(shape)
        return 0 if index is None else self.var_offset[index]

    def single_slice_dim(self, shape: Sequence[int]) -> int | None:
        """The dimension that is partitioned; None when the part is the whole.

        Raises:
          ValueError: `shape` does not fit, or more than one dimension is partitioned.
        """
        if len(shape) != len(self.full_shape):
            raise ValueError(f"Expected equal length, but received shape={shape} of length {len(shape)} while "
                             f"full_shape={self.full_shape} is of length {len(self.full_shape)}.")
        sliced = [i for i, (part, whole) in enumerate(zip(shape, self.full_shape)) if part != whole]
        if len(sliced) > 1:
            raise ValueError(f"Cannot use single_slice_dim() with shape={shape} and full_shape={self.full_shape}: "
                             "more than one dimension is sliced")
        return sliced[0] if sliced else None


class PartitionedVariable:
    """A variable whose value is the concatenation of several variables along one dimension."""

    def __init__(self, name: str, shape: Any, dtype: Any, variable_list: Sequence[Any], partitions: Sequence[int]
                 ) -> None:
        self._name = name
        self._shape = TensorShape(shape)
        self._dtype = as_dtype(dtype).base_dtype
        self._parts = list(variable_list)
        self._partition_counts = list(partitions)
        self._axis = max(range(len(partitions)), key=lambda i: partitions[i])

    def __iter__(self) -> Iterator[Any]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts) if self._partition_counts[self._axis] > 1 else 1

    def _partition_axes(self) -> list[int]:
        return [self._axis]

    def _get_partitions(self) -> list[int]:
        return self._partition_counts

    def _get_variable_list(self) -> list[Any]:
        return self._parts

    @property
    def name(self) -> str:
        """The name of the whole."""
        return self._name

    @property
    def dtype(self) -> Any:
        """The dtype of the values."""
        return self._dtype

    @property
    def shape(self) -> TensorShape:
        """The shape of the whole."""
        return self._shape

    def get_shape(self) -> TensorShape:
        """The same as `.shape`."""
        return self._shape

    @property
    def _distribute_strategy(self) -> None:
        return None

    def as_tensor(self) -> Any:
        """The whole value as one tensor, made anew in the current name and device scopes."""
        return self._dense_var_to_tensor()

    def _dense_var_to_tensor(self, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Any:
        parts = self._parts
        graph = current_graph()
        if graph is None:
            return parts[0].value() if len(parts) == 1 else CARDS["ConcatV2"](parts, self._axis)
        whole = parts[0]
        if len(parts) > 1:
            with graph.name_scope(self._name + "/ConcatPartitions/"):
                whole = CARDS["ConcatV2"](parts, self._axis, name="concat")
        with graph.name_scope(None):
            return CARDS["Identity"](whole, name=self._name)

    def assign(self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
               ) -> list[Any]:
        """Assigns the pieces of `value` to the parts; returns one assignment per part."""
        return self._each("assign", value, use_locking, name, read_value)

    def assign_add(self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
                   ) -> list[Any]:
        """Adds the pieces of `value` to the parts."""
        return self._each("assign_add", value, use_locking, name, read_value)

    def assign_sub(self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
                   ) -> list[Any]:
        """Subtracts the pieces of `value` from the parts."""
        return self._each("assign_sub", value, use_locking, name, read_value)

    def _each(self, method: str, value: Any, use_locking: bool, name: str | None, read_value: bool) -> list[Any]:
        if isinstance(value, PartitionedVariable):
            pieces = [part.value() for part in value]
        else:
            sizes = [part.shape.as_list()[self._axis] for part in self._parts]
            pieces = CARDS["SplitV"](value, sizes, self._axis, num_split=len(sizes), name="split")
        return [
            getattr(part, method)(piece, use_locking=use_locking, read_value=read_value,
                                  **({"name": f"{name}_{index}"} if name else {}))
            for index, (part, piece) in enumerate(zip(self._parts, pieces))
        ]

    def __getitem__(self, index: Any) -> Any:
        return self.as_tensor()[index]

    def __repr__(self) -> str:
        return f"<PartitionedVariable '{self._name}' shape={self._shape} dtype={self._dtype.name}>"


def _convert(variable: PartitionedVariable, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Any:
    if as_ref:
        raise NotImplementedError("A PartitionedVariable has no reference")
    if dtype is not None and not as_dtype(dtype).is_compatible_with(variable.dtype):
        raise ValueError(f"Incompatible type conversion requested to type '{as_dtype(dtype).name}' for variable of "
                         f"type '{variable.dtype.name}'")
    return variable.as_tensor()


register_tensor_conversion_function(PartitionedVariable, _convert)


# ---- how many parts


def _bytes_per_element(dtype: Any, bytes_per_string_element: int) -> int:
    dtype = as_dtype(dtype)
    return bytes_per_string_element if dtype.base_dtype == dtypes.string else dtype.size


@export(v1=["fixed_size_partitioner"])
def fixed_size_partitioner(num_shards: int, axis: int = 0) -> Callable[..., list[int]]:
    """A partitioner that cuts a variable into a fixed number of parts along one dimension.

    Args:
      num_shards: the number of parts.
      axis: the dimension to cut.

    >>> import everflow.compat.v1 as tf
    >>> with tf.Graph().as_default():
    ...     v = tf.get_variable("v", [5, 2], partitioner=tf.fixed_size_partitioner(2),
    ...                         initializer=tf.zeros_initializer())
    ...     [part.shape.as_list() for part in v]
    [[3, 2], [2, 2]]
    """

    def partitioner(shape: Any, **_: Any) -> list[int]:
        partitions = [1] * len(shape)
        partitions[axis] = min(num_shards, TensorShape(shape).as_list()[axis])
        return partitions

    return partitioner


@export(v1=["variable_axis_size_partitioner"])
def variable_axis_size_partitioner(
    max_shard_bytes: int, axis: int = 0, bytes_per_string_element: int = 16, max_shards: int | None = None
) -> Callable[..., list[int]]:
    """A partitioner that keeps each part at most `max_shard_bytes` large.

    Args:
      max_shard_bytes: the most bytes of a part.
      axis: the dimension to cut.
      bytes_per_string_element: what an element of a string variable is taken to need.
      max_shards: the most parts, None for no limit.

    Raises:
      ValueError: an argument is not positive.
    """
    if max_shard_bytes < 1 or bytes_per_string_element < 1:
        raise ValueError("max_shard_bytes and bytes_per_string_element must be positive, received "
                         f"{max_shard_bytes} and {bytes_per_string_element}")
    if max_shards is not None and max_shards < 1:
        raise ValueError(f"max_shards must be positive, received {max_shards}")

    def partitioner(shape: Any, dtype: Any) -> list[int]:
        dims = TensorShape(shape).as_list()
        partitions = [1] * len(dims)
        element = _bytes_per_element(dtype, bytes_per_string_element)
        slice_bytes = math.prod(dims) // dims[axis] * element
        per_shard = max(1, max_shard_bytes // slice_bytes)
        shards = -(-dims[axis] // per_shard)
        partitions[axis] = shards if max_shards is None else min(max_shards, shards)
        return partitions

    return partitioner


@export(v1=["min_max_variable_partitioner"])
def min_max_variable_partitioner(
    max_partitions: int = 1, axis: int = 0, min_slice_size: int = 256 << 10, bytes_per_string_element: int = 16
) -> Callable[..., list[int]]:
    """A partitioner that makes as many parts as possible, each of at least `min_slice_size` bytes.

    Args:
      max_partitions: the most parts.
      axis: the dimension to cut.
      min_slice_size: the least bytes of a part.
      bytes_per_string_element: what an element of a string variable is taken to need.
    """

    def partitioner(shape: Any, dtype: Any) -> list[int]:
        dims = TensorShape(shape).as_list()
        partitions = [1] * len(dims)
        if axis >= len(dims):
            raise ValueError(f"Cannot partition variable along axis {axis} when shape is only {shape}")
        total = math.prod(dims) * _bytes_per_element(dtype, bytes_per_string_element)
        slices = -(-total // min_slice_size)
        partitions[axis] = max(1, min(dims[axis], max_partitions, slices))
        return partitions

    return partitioner
