"""Lists of tensors as values of dtype variant: what loops save for their gradients, and TensorArrays hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value_as_shape
from everflow._src.framework.registry import TYPE, Attr, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.runtime.failures import invalid
from everflow._src.runtime.resources import Variant

_INDEX = Attr("type", dtypes.int32, allowed=(dtypes.int32, dtypes.int64))


class TensorList(Variant):
    """An immutable list.  Lists that grow one by one share their memory."""

    __slots__ = ("items", "length", "element_dtype", "element_shape")

    def __init__(self, items: list[Any], length: int, element_dtype: Any, element_shape: Any) -> None:
        self.items = items
        self.length = length
        self.element_dtype = element_dtype
        self.element_shape = element_shape

    def push(self, value: Any) -> TensorList:
        """The list with `value` behind it."""
        items = self.items
        if len(items) != self.length:  # somebody pushed onto this list before: it goes its own way
            items = items[:self.length]
        items.append(value)
        return TensorList(items, self.length + 1, self.element_dtype, self.element_shape)

    def values(self) -> list[Any]:
        """The elements."""
        return self.items[:self.length]

    def __repr__(self) -> str:
        return f"<list of {self.length} tensors of {self.element_dtype.name}>"


EmptyTensorList = op(
    "EmptyTensorList", "element_shape: shape_type, max_num_elements: int32 -> handle: variant", shape_type=_INDEX,
    element_dtype=TYPE,
    kernel=lambda xp, element_shape, max_num_elements, *, element_dtype: TensorList(
        [], 0, element_dtype, element_shape),
    shape=shapes.scalar, host=True, no_gradient="a list without elements", doc="A list without elements.",
)

TensorListReserve = op(
    "TensorListReserve", "element_shape: shape_type, num_elements: int32 -> handle: variant", shape_type=_INDEX,
    element_dtype=TYPE,
    kernel=lambda xp, element_shape, num_elements, *, element_dtype: TensorList(
        [None] * int(num_elements), int(num_elements), element_dtype, element_shape),
    shape=shapes.scalar, host=True, no_gradient="its elements are not set", doc="A list of elements that are not set.",
)


def _zeros_like_element(items: TensorList) -> Any:
    shape = np.asarray(items.element_shape)
    known = next((v for v in items.values() if v is not None), None)
    if known is not None:
        return np.zeros(np.shape(known), items.element_dtype.numpy_dtype)
    if shape.ndim == 1 and (shape >= 0).all():
        return np.zeros(tuple(shape), items.element_dtype.numpy_dtype)
    raise invalid("Trying to read an uninitialized tensor but element_shape is not fully defined")


def _pop(xp: Any, items: TensorList, element_shape: Any) -> tuple[TensorList, Any]:
    if items.length == 0:
        raise invalid("Trying to pop from an empty list.")
    value = items.items[items.length - 1]
    if value is None:
        value = _zeros_like_element(items)
    return TensorList(items.items, items.length - 1, items.element_dtype, items.element_shape), value


def _element_shape_of(index: int) -> Any:
    return lambda op: constant_value_as_shape(op._inputs[index])


def _push_gradient(dy: Any, *, tensor_shape: Any, element_dtype: Any) -> Any:
    return TensorListPopBack(dy, tensor_shape.tensor(), element_dtype=element_dtype)


def _pop_gradient(dlist: Any, dtensor: Any, *, element_dtype: Any) -> Any:
    if dlist is None:
        dlist = empty_list(element_dtype)
    return TensorListPushBack(dlist, dtensor, element_dtype=element_dtype), None


TensorListPushBack = op(
    "TensorListPushBack", "input_handle: variant, tensor: element_dtype -> output_handle: variant",
    element_dtype=dtypes.ALL, kernel=lambda xp, items, tensor: items.push(tensor), shape=shapes.scalar, host=True,
    gradient=_push_gradient, doc="The list with a tensor behind it.",
)

TensorListPopBack = op(
    "TensorListPopBack", "input_handle: variant, element_shape: int32 -> output_handle: variant, tensor: element_dtype",
    element_dtype=dtypes.ALL, kernel=_pop,
    shape=lambda op: [shapes.SCALAR, constant_value_as_shape(op._inputs[1])], host=True,
    gradient=_pop_gradient, doc="The list without its last tensor, and that tensor.",
)


def empty_list(element_dtype: Any, element_shape: Any = None) -> Any:
    """A list without elements; None dimensions are unknown."""
    dims = TensorShape(element_shape)
    if dims.rank is None:
        shape = np.array(-1, np.int32)
    else:
        shape = np.array([-1 if d is None else d for d in dims.as_list()], np.int32)
    return EmptyTensorList(shape, -1, element_dtype=element_dtype)
