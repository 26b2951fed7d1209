"""SparseTensor: the elements of a large tensor that are not zero, and where they stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.composite_tensor import CompositeTensor
from everflow._src.framework.constant_value import constant_value_as_shape
from everflow._src.framework.context import STATE, current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.tensor import EagerTensor, Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.framework.tensor_spec import TensorSpec
from everflow._src.framework.type_spec import BatchableTypeSpec


@export(v1=["SparseTensorValue"])
class SparseTensorValue(NamedTuple):
    """The value of a sparse tensor in NumPy arrays, as `Session.run` returns it."""

    indices: Any
    values: Any
    dense_shape: Any


def _merged(a: TensorShape, b: TensorShape) -> TensorShape:
    # A value that contradicts what is known shows when the program runs; what is known stays as it is.
    return a.merge_with(b) if a.is_compatible_with(b) else a


@export("SparseTensor", "sparse.SparseTensor", v1=["SparseTensor", "sparse.SparseTensor"])
class SparseTensor(CompositeTensor):
    """A tensor of which only some elements are given; all others are zero.

    Most operations expect the positions in the order of rows; `tf.sparse.reorder` makes it.

    Args:
      indices: int64 matrix [n, rank]: the position of each element.
      values: vector of the n elements.
      dense_shape: int64 vector [rank]: the shape of the whole tensor.

    Raises:
      ValueError: the shapes of the three do not fit each other.
      TypeError: the positions are no integers.

    >>> import everflow as tf
    >>> tf.sparse.to_dense(tf.SparseTensor([[0, 1]], [5], [2, 2])).numpy()
    array([[0, 5],
           [0, 0]], dtype=int32)
    """

    def __init__(self, indices: Any, values: Any, dense_shape: Any) -> None:
        graph = current_graph() if STATE.busy else None
        if graph is None or all(isinstance(part, Tensor) for part in (indices, values, dense_shape)):
            self._convert(indices, values, dense_shape)
        else:
            with graph.name_scope("SparseTensor"):
                self._convert(indices, values, dense_shape)
        shape = self._dense_shape.shape.with_rank(1)
        positions = self._indices.shape.with_rank(2)
        positions[:1].assert_is_compatible_with(self._values.shape.with_rank(1))
        positions[1:].assert_is_compatible_with(shape)
        self._known = TensorShape(None)

    def _convert(self, indices: Any, values: Any, dense_shape: Any) -> None:
        self._indices = convert(indices, dtypes.int64, name="indices")
        self._values = convert(values, name="values")
        self._dense_shape = convert(dense_shape, dtypes.int64, name="dense_shape")

    @classmethod
    def from_value(cls, sparse_tensor_value: Any) -> SparseTensor:
        """A sparse tensor of a SparseTensorValue, or of another sparse tensor.

        Raises:
          TypeError: it is neither.
        """
        if not isinstance(sparse_tensor_value, (SparseTensor, SparseTensorValue)):
            raise TypeError(
                "Expected a SparseTensor or a SparseTensorValue: sparse_tensor_value = "
                f"{sparse_tensor_value!r} is neither a SparseTensor nor SparseTensorValue"
            )
        return cls(*parts_of(sparse_tensor_value))

    @property
    def indices(self) -> Any:
        """Positions of the elements, an int64 matrix [n, rank]."""
        return self._indices

    @property
    def values(self) -> Any:
        """The elements, a vector [n]."""
        return self._values

    @property
    def dense_shape(self) -> Any:
        """The shape of the whole tensor, an int64 vector [rank]."""
        return self._dense_shape

    @property
    def dtype(self) -> Any:
        """The dtype of the elements."""
        return self._values.dtype

    @property
    def shape(self) -> TensorShape:
        """The static shape of the whole tensor."""
        return _merged(constant_value_as_shape(self._dense_shape), self._known)

    def get_shape(self) -> TensorShape:
        """The static shape of the whole tensor."""
        return self.shape

    def set_shape(self, shape: Any) -> None:
        """Adds to what is known of the static shape.

        Raises:
          ValueError: it contradicts what is known.
        """
        self._known = self.shape.merge_with(TensorShape(shape))

    @property
    def graph(self) -> Any:
        """The graph of the three parts."""
        return self._indices.graph

    @property
    def op(self) -> Any:
        """The operation that computes the elements."""
        return self._values.op

    @property
    def name(self) -> str:
        return self._values.name

    def consumers(self) -> list[Any]:
        """The operations that use one of the three parts."""
        found: list[Any] = []
        if isinstance(self._values, EagerTensor):
            return found
        for part in parts_of(self):
            found.extend(operation for operation in part.consumers() if operation not in found)
        return found

    def eval(self, feed_dict: Any = None, session: Any = None) -> SparseTensorValue:
        """Runs the graph for the three parts in `session`, or the default one.

        Raises:
          AttributeError: the tensor is eager.
          ValueError: there is no session.
        """
        if isinstance(self._indices, EagerTensor):
            return self._indices.graph  # raises the error of eager tensors
        return _evaluator(self, feed_dict, session)

    def with_values(self, new_values: Any) -> SparseTensor:
        """A sparse tensor with the same positions and other elements.

        Raises:
          ValueError: there are not as many.
        """
        return like(self, self._indices, new_values)

    @property
    def _type_spec(self) -> SparseTensorSpec:
        return SparseTensorSpec(self.shape, self.dtype)

    def _shape_invariant_to_type_spec(self, shape: TensorShape) -> SparseTensorSpec:
        shape = TensorShape(shape)
        if shape.rank is None or len(shape) != 1:
            return SparseTensorSpec(shape, self.dtype)
        # The invariant of a sparse tensor is the shape of its vector `dense_shape`.
        return SparseTensorSpec(TensorShape([None] * shape[0] if shape[0] is not None else None), self.dtype)

    def __repr__(self) -> str:
        return f"SparseTensor(indices={self._indices}, values={self._values}, dense_shape={self._dense_shape})"

    __str__ = __repr__


def parts_of(value: Any) -> tuple[Any, Any, Any]:
    """Positions, elements and shape of a SparseTensor or a SparseTensorValue."""
    return value.indices, value.values, value.dense_shape


def like(sparse: SparseTensor, indices: Any, values: Any) -> SparseTensor:
    """A sparse tensor of the shape of `sparse`, of which as much is known."""
    result = SparseTensor(indices, values, sparse.dense_shape)
    result._known = sparse._known
    return result


def _no_evaluator(sparse: SparseTensor, feed_dict: Any, session: Any) -> Any:
    raise ValueError("Cannot evaluate a sparse tensor using `eval()`: no runtime is loaded")


_evaluator: Callable[[Any, Any, Any], Any] = _no_evaluator


def install_sparse_evaluator(function: Callable[[Any, Any, Any], Any]) -> None:
    """`SparseTensor.eval` needs a session, which lives one floor above."""
    global _evaluator
    _evaluator = function


@export("SparseTensorSpec", v1=["SparseTensorSpec", "data.experimental.SparseTensorStructure"])
class SparseTensorSpec(BatchableTypeSpec):
    """The type of a sparse tensor: the static shape of the whole tensor and the dtype of its elements.

    Args:
      shape: the static shape; None when it is unknown.
      dtype: the dtype of the elements.

    >>> import everflow as tf
    >>> tf.SparseTensorSpec([3, None], tf.int32)
    SparseTensorSpec(TensorShape([3, None]), tf.int32)
    """

    __slots__ = ("_shape", "_dtype")

    def __init__(self, shape: Any = None, dtype: Any = dtypes.float32) -> None:
        self._shape = TensorShape(shape)
        self._dtype = as_dtype(dtype)

    @classmethod
    def from_value(cls, value: Any) -> SparseTensorSpec:
        """The spec of a sparse tensor, or of a SparseTensorValue.

        Raises:
          TypeError: `value` is neither.
        """
        if isinstance(value, SparseTensor):
            return cls(value.shape, value.dtype)
        if isinstance(value, SparseTensorValue):
            if isinstance(value.values, np.ndarray):
                return cls(value.dense_shape, value.values.dtype)
            return cls.from_value(SparseTensor.from_value(value))
        raise TypeError(f"Expected a SparseTensor or a SparseTensorValue, received {value!r}")

    @property
    def shape(self) -> TensorShape:
        """The static shape of the whole tensor."""
        return self._shape

    @property
    def dtype(self) -> Any:
        """The dtype of the elements."""
        return self._dtype

    @property
    def value_type(self) -> type:
        """The class `tf.SparseTensor`."""
        return SparseTensor

    def _serialize(self) -> tuple[Any, Any]:
        return self._shape, self._dtype

    @property
    def _component_specs(self) -> list[TensorSpec]:
        rank = self._shape.rank
        return [
            TensorSpec([None, rank], dtypes.int64),
            TensorSpec([None], self._dtype),
            TensorSpec([rank], dtypes.int64),
        ]

    def _to_components(self, value: Any) -> list[Any]:
        return list(parts_of(value if isinstance(value, SparseTensor) else SparseTensor.from_value(value)))

    def _from_components(self, components: Any) -> Any:
        if all(isinstance(part, np.ndarray) for part in components):
            return SparseTensorValue(*components)
        result = SparseTensor(*components)
        result._known = self._shape
        return result

    def _batch(self, batch_size: Any) -> SparseTensorSpec:
        return SparseTensorSpec(TensorShape([batch_size]).concatenate(self._shape), self._dtype)

    def _unbatch(self) -> SparseTensorSpec:
        if self._shape.rank == 0:
            raise ValueError("Unbatching a sparse tensor is only supported for rank >= 1")
        return SparseTensorSpec(self._shape[1:], self._dtype)

    def _to_legacy_output_types(self) -> Any:
        return self._dtype

    def _to_legacy_output_shapes(self) -> TensorShape:
        return self._shape

    def _to_legacy_output_classes(self) -> type:
        return SparseTensor


def as_sparse(value: Any, name: str = "sp_input") -> SparseTensor:
    """`value`, a SparseTensor or a SparseTensorValue, as a SparseTensor.

    Raises:
      TypeError: it is neither.
    """
    if isinstance(value, SparseTensor):
        return value
    if isinstance(value, SparseTensorValue):
        return SparseTensor.from_value(value)
    raise TypeError(f"Input must be a SparseTensor. Received {name}={value!r} of type {type(value).__name__}")


def is_sparse(value: Any) -> bool:
    """Whether `value` is a sparse tensor or the value of one."""
    return isinstance(value, (SparseTensor, SparseTensorValue))


@export(v1=["convert_to_tensor_or_sparse_tensor"])
def convert_to_tensor_or_sparse_tensor(value: Any, dtype: Any = None, name: str | None = None) -> Any:
    """`value` as a SparseTensor, if it is sparse, else as a tensor.

    Args:
      value: a SparseTensor, a SparseTensorValue, or anything that converts to a tensor.
      dtype: the dtype that it must have.
      name: name of the constant in a graph.

    Raises:
      RuntimeError: a sparse tensor of another dtype.
    """
    wanted = None if dtype is None else as_dtype(dtype)
    if not is_sparse(value):
        return convert(value, wanted, name)
    sparse = as_sparse(value)
    if wanted is not None and not wanted.is_compatible_with(sparse.dtype):
        raise RuntimeError(f"Sparse dtype mismatch. Requested: {wanted.name},  Actual: {sparse.dtype.name}")
    return sparse
