"""IndexedSlices: a tensor of which only some slices along the first axis are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from everflow._src.framework.conversion import convert, register_tensor_conversion_function
from everflow._src.framework.export import export
from everflow._src.framework.tensor import EagerTensor, Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.framework.tensor_spec import IndexedSlicesSpec


@export("IndexedSlices", v1=["IndexedSlices"])
class IndexedSlices:
    """Slices of a larger tensor: `values[i]` stands at `indices[i]` of the first axis.

    Gradients of `tf.gather` have this form, since most rows are untouched.  Rows that occur twice add up.

    Attributes:
      values: shape [n, d1, ...].
      indices: integers of shape [n].
      dense_shape: the shape of the whole tensor, or None when it is unknown.
    """

    __array_priority__ = 100

    def __init__(self, values: Any, indices: Any, dense_shape: Any = None) -> None:
        self._values = values
        self._indices = indices
        self._dense_shape = dense_shape

    @property
    def _type_spec(self) -> IndexedSlicesSpec:
        dense = self._dense_shape
        return IndexedSlicesSpec(self.shape, self._values.dtype, self._indices.dtype,
                                 None if dense is None else dense.dtype, self._indices.shape)

    @property
    def values(self) -> Any:
        """The slices."""
        return self._values

    @property
    def indices(self) -> Any:
        """Where the slices stand."""
        return self._indices

    @property
    def dense_shape(self) -> Any:
        """The shape of the whole tensor, as a vector, or None."""
        return self._dense_shape

    @property
    def dtype(self) -> Any:
        return self._values.dtype

    @property
    def shape(self) -> TensorShape:
        """The static shape of the whole tensor."""
        if self._dense_shape is None:
            return TensorShape([None]).concatenate(self._values.shape[1:])
        if isinstance(self._dense_shape, EagerTensor):
            return TensorShape([int(d) for d in self._dense_shape._array])
        return _shape_from(self._dense_shape)

    def get_shape(self) -> TensorShape:
        return self.shape

    @property
    def name(self) -> str:
        return self._values.name

    @property
    def op(self) -> Any:
        return self._values.op

    @property
    def graph(self) -> Any:
        return self._values.graph

    @property
    def device(self) -> str:
        return self._values.device

    def consumers(self) -> list[Any]:
        return self._values.consumers()

    def __neg__(self) -> IndexedSlices:
        return IndexedSlices(-self._values, self._indices, self._dense_shape)

    def __str__(self) -> str:
        shape = f", dense_shape={self._dense_shape}" if self._dense_shape is not None else ""
        return f"IndexedSlices(indices={self._indices}, values={self._values}{shape})"

    __repr__ = object.__repr__

    def _dense_var_to_tensor(self, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Tensor:
        return to_dense(self, dtype, name, as_ref)

    @property
    def _parts(self) -> tuple[Any, ...]:
        if self._dense_shape is None:
            return (self._values, self._indices)
        return (self._values, self._indices, self._dense_shape)


def _shape_from(dense_shape: Any) -> TensorShape:
    return _static_shape(dense_shape)


def _unknown_shape(dense_shape: Any) -> TensorShape:
    return TensorShape(None)


_static_shape: Callable[[Any], TensorShape] = _unknown_shape
_densifier: Callable[[IndexedSlices], Tensor] | None = None


def install_densifier(function: Callable[[IndexedSlices], Tensor], static_shape: Callable[[Any], TensorShape]
                      ) -> None:
    """Adding slices up takes operations, which live in ops/."""
    global _densifier, _static_shape
    _densifier, _static_shape = function, static_shape


def to_dense(slices: IndexedSlices, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Any:
    """The whole tensor, zero where no slice stands.

    Raises:
      ValueError: the dense shape is unknown.
    """
    if slices.dense_shape is None:
        raise ValueError(
            "Tensor conversion requested for IndexedSlices for which the dense shape is unknown: "
            f"{slices}"
        )
    if _densifier is None:
        raise RuntimeError("operations are not loaded")
    return convert(_densifier(slices), dtype)


@export(v1=["IndexedSlicesValue"])
class IndexedSlicesValue(NamedTuple):
    """The value of IndexedSlices, as `Session.run` returns it."""

    values: Any
    indices: Any
    dense_shape: Any


register_tensor_conversion_function(IndexedSlices, to_dense)
