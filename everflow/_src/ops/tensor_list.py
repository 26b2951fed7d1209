"""Lists of tensors as values of dtype variant: what loops save for their gradients, and TensorArrays hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value_as_shape
from everflow._src.framework.registry import TYPE, Attr, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.runtime.tensor_lists import TensorList

_INDEX = Attr("type", dtypes.int32, allowed=(dtypes.int32, dtypes.int64))


EmptyTensorList = op(
    "EmptyTensorList", "element_shape: shape_type, max_num_elements: int32 -> handle: variant", shape_type=_INDEX,
    element_dtype=TYPE,
    kernel=lambda xp, element_shape, max_num_elements, *, element_dtype: TensorList(
        [], 0, element_dtype, element_shape),
    shape=shapes.scalar, takes_lists=True, static=("element_shape", "max_num_elements"),
    no_gradient="a list without elements", doc="A list without elements.",
)

TensorListReserve = op(
    "TensorListReserve", "element_shape: shape_type, num_elements: int32 -> handle: variant", shape_type=_INDEX,
    element_dtype=TYPE,
    kernel=lambda xp, element_shape, num_elements, *, element_dtype: TensorList(
        [None] * int(num_elements), int(num_elements), element_dtype, element_shape),
    shape=shapes.scalar, takes_lists=True, static=("element_shape", "num_elements"),
    no_gradient="its elements are not set", doc="A list of elements that are not set.",
)


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
    element_dtype=dtypes.ALL, kernel=lambda xp, items, tensor: items.push(tensor), shape=shapes.scalar,
    takes_lists=True,
    gradient=_push_gradient, doc="The list with a tensor behind it.",
)

TensorListPopBack = op(
    "TensorListPopBack", "input_handle: variant, element_shape: int32 -> output_handle: variant, tensor: element_dtype",
    element_dtype=dtypes.ALL, kernel=lambda xp, items, element_shape: items.pop(),
    shape=lambda op: [shapes.SCALAR, constant_value_as_shape(op._inputs[1])], takes_lists=True,
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
