"""Lists of tensors as values of dtype variant: what loops save for their gradients, and TensorArrays hold.

The gradient of a list is a list.  It may be shorter, and lack elements: both count as zeros.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value_as_shape
from everflow._src.framework.registry import CARDS, TYPE, Attr, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.runtime.failures import HostNeeded, invalid
from everflow._src.runtime.tensor_lists import SparseList, TensorList, TracedList, is_known

_INDEX = Attr("type", dtypes.int32, allowed=(dtypes.int32, dtypes.int64))


def _list_op(name: str, signature: str, function: Callable, **fields: Any) -> Any:
    """The card of an operation on lists; `function(jax, *inputs)` receives None for `jax` on the host."""

    @functools.wraps(function)
    def kernel(xp: Any, *inputs: Any, **attrs: Any) -> Any:
        return function(None, *inputs, **attrs)

    return op(name, signature, kernel=kernel, xla=function, takes_lists=True, **fields)


def _known(value: Any, what: str) -> Any:
    if not is_known(value):
        raise HostNeeded(f"{what} is not known while compiling")
    return np.asarray(value)


def shape_operand(shape: TensorShape) -> np.ndarray:
    """A static shape as an operand: -1 where a dimension is not known, the scalar -1 for an unknown rank."""
    if shape.rank is None:
        return np.array(-1, np.int32)
    return np.array([-1 if d is None else d for d in shape.as_list()], np.int32)


# ---- making lists


def _reserve(jax: Any, element_shape: Any, num_elements: Any, *, element_dtype: Any) -> TensorList:
    count = int(_known(num_elements, "the length of a list"))
    if count < 0:
        raise invalid(f"The num_elements to reserve must be a non negative number, but got {count}")
    return TensorList([None] * count, count, element_dtype, element_shape)


EmptyTensorList = _list_op(
    "EmptyTensorList", "element_shape: shape_type, max_num_elements: int32 -> handle: variant",
    lambda jax, element_shape, max_num_elements, *, element_dtype: TensorList([], 0, element_dtype, element_shape),
    shape_type=_INDEX, element_dtype=TYPE, shape=shapes.scalar, static=("element_shape", "max_num_elements"),
    no_gradient="a list without elements", doc="A list without elements.",
)

TensorListReserve = _list_op(
    "TensorListReserve", "element_shape: shape_type, num_elements: int32 -> handle: variant", _reserve,
    shape_type=_INDEX, element_dtype=TYPE, shape=shapes.scalar, static=("num_elements",),
    no_gradient="its elements are not set", doc="A list of elements that are not set.",
)


def _from_tensor(jax: Any, tensor: Any, element_shape: Any, *, element_dtype: Any) -> Any:
    if not tensor.ndim:
        raise invalid("Tensor must be at least a vector, but saw shape: []")
    like = TensorList([], 0, element_dtype, element_shape)
    if jax is not None and not is_known(tensor) and tensor.shape[0]:
        return TracedList(jax, tensor, int(tensor.shape[0]), like, int(tensor.shape[0]))
    return TensorList(list(tensor), int(tensor.shape[0]), element_dtype, element_shape)


def _from_tensor_gradient(dlist: Any, *, tensor_shape: Any, element_dtype: Any) -> Any:
    return _stacked_like(dlist, tensor_shape, element_dtype), None


def _stacked_like(dlist: Any, shape: Any, dtype: Any) -> Any:
    """A gradient list as a tensor of a shape."""
    dims = shape.tensor()
    count = CARDS["Squeeze"](CARDS["Slice"](dims, np.array([0], np.int32), np.array([1], np.int32)))
    rest = CARDS["Slice"](dims, np.array([1], np.int32), np.array([-1], np.int32))
    known = shape.static.rank is not None and shape.static.as_list()[0] is not None
    stacked = TensorListStack(TensorListResize(dlist, count), rest, element_dtype=dtype,
                              num_elements=shape.static.as_list()[0] if known else -1)
    stacked.set_shape(shape.static)
    return stacked


TensorListFromTensor = _list_op(
    "TensorListFromTensor", "tensor: element_dtype, element_shape: shape_type -> output_handle: variant",
    _from_tensor, element_dtype=dtypes.ALL, shape_type=_INDEX, shape=shapes.scalar,
    gradient=_from_tensor_gradient, doc="The list of the rows of a tensor.",
)


# ---- length and shape


def _length(jax: Any, items: Any) -> Any:
    length = items.length
    if isinstance(items, TensorList) and items.room:
        return items.room[0]  # a loop looks at its body: it will not be this length in every iteration
    return np.array(length, np.int32) if is_known(length) else jax.numpy.asarray(length, "int32")


TensorListLength = _list_op(
    "TensorListLength", "input_handle: variant -> length: int32", _length, shape=shapes.scalar, no_gradient=True,
    doc="The number of elements of a list.",
)


def _declared_shape(jax: Any, items: Any, *, shape_type: Any) -> Any:
    dims = items.dims()
    shape = items.element_shape if dims is None else dims
    return np.array(-1 if shape is None else shape, shape_type.numpy_dtype)


TensorListElementShape = _list_op(
    "TensorListElementShape", "input_handle: variant -> element_shape: shape_type", _declared_shape,
    shape_type=_INDEX, shape=lambda op: TensorShape([None]), no_gradient=True,
    doc="The shape of the elements of a list, as far as it is known.",
)

TensorListResize = _list_op(
    "TensorListResize", "input_handle: variant, size: int32 -> output_handle: variant",
    lambda jax, items, size: items.resize(jax, int(_known(size, "the size of a list"))), shape=shapes.scalar,
    gradient=lambda dy: (dy, None), doc="The first elements of a list, and unset ones behind them.",
)


# ---- elements at the end


def _push_gradient(dy: Any, *, tensor_shape: Any, element_dtype: Any) -> Any:
    rest, item = TensorListPopBack(dy, tensor_shape.tensor(), element_dtype=element_dtype)
    flows = element_dtype.is_floating or element_dtype.is_complex or element_dtype == dtypes.variant
    return rest, item if flows else None  # conditions that a loop saved: several of them have no sum


def _pop_gradient(dlist: Any, dtensor: Any, *, tensor: Any, element_dtype: Any) -> Any:
    if dlist is None:
        dlist = empty_list(element_dtype)
    if dtensor is None:  # numbers without a fraction and lists have no gradient of their own
        dtensor = CARDS["ZerosLike"](tensor)
    return TensorListPushBack(dlist, dtensor, element_dtype=element_dtype), None


TensorListPushBack = _list_op(
    "TensorListPushBack", "input_handle: variant, tensor: element_dtype -> output_handle: variant",
    lambda jax, items, tensor: items.push(jax, tensor), element_dtype=dtypes.ALL, shape=shapes.scalar,
    gradient=_push_gradient, doc="The list with a tensor behind it.",
)

TensorListPopBack = _list_op(
    "TensorListPopBack", "input_handle: variant, element_shape: int32 -> output_handle: variant, tensor: element_dtype",
    lambda jax, items, element_shape: items.pop(jax, element_shape), element_dtype=dtypes.ALL,
    shape=lambda op: [shapes.SCALAR, constant_value_as_shape(op._inputs[1])],
    gradient=_pop_gradient, doc="The list without its last tensor, and that tensor.",
)


# ---- elements by index


def _gradient_items(dlist: Any, index: Any, element_shape: Any, element_dtype: Any) -> Any:
    return _TensorListItemsOrZeros(dlist, index, element_shape, element_dtype=element_dtype, name="ListItemGrad")


def _gradient_without(dlist: Any, index: Any) -> Any:
    return _TensorListWithout(dlist, index, name="ListWithoutItem")


def _gradient_of_items(index: Any, item: Any, element_dtype: Any) -> Any:
    return _TensorListOfItems(index, item, element_dtype=element_dtype, name="ListOfItem")


def _set_item_gradient(dlist: Any, *, index: Any, item_shape: Any, element_dtype: Any) -> Any:
    item = _gradient_items(dlist, index, item_shape.tensor(), element_dtype=element_dtype)
    item.set_shape(item_shape.static)
    return _gradient_without(dlist, index), None, item


def _get_item_gradient(ditem: Any, *, index: Any, element_dtype: Any) -> Any:
    return _gradient_of_items(index, ditem, element_dtype=element_dtype), None, None


TensorListGetItem = _list_op(
    "TensorListGetItem", "input_handle: variant, index: int32, element_shape: int32 -> item: element_dtype",
    lambda jax, items, index, element_shape: items.get(jax, index, element_shape), element_dtype=dtypes.ALL,
    shape=shapes.from_value(2), gradient=_get_item_gradient, doc="The element of a list at an index.",
)

TensorListSetItem = _list_op(
    "TensorListSetItem", "input_handle: variant, index: int32, item: element_dtype -> output_handle: variant",
    lambda jax, items, index, item, *, resize_if_index_out_of_bounds: items.set(
        jax, index, item, resize_if_index_out_of_bounds),
    element_dtype=dtypes.ALL, resize_if_index_out_of_bounds=False, shape=shapes.scalar, gradient=_set_item_gradient,
    doc="The list with another element at an index.",
)


def _of_items(jax: Any, index: Any, item: Any, *, element_dtype: Any) -> Any:
    if not is_known(index):
        return SparseList(jax, [(index, item)], element_dtype)
    items = TensorList([], 0, element_dtype, np.array(item.shape[np.ndim(index):], np.int32))
    if np.ndim(index) == 0:
        return items.set(jax, index, item, True).opened()
    for row, where in enumerate(np.asarray(index).tolist()):
        items = items.add_lists(TensorList([None] * where + [item[row]], where + 1, element_dtype, items.element_shape))
    return items.opened()


def _of_items_gradient(dlist: Any, *, index: Any, item_shape: Any, element_dtype: Any) -> Any:
    element = item_shape.tensor()
    if index.shape.rank == 1:
        element = CARDS["Slice"](element, np.array([1], np.int32), np.array([-1], np.int32))
    item = _gradient_items(dlist, index, element, element_dtype=element_dtype)
    item.set_shape(item_shape.static)
    return None, item


_TensorListOfItems = _list_op(
    "_TensorListOfItems", "index: int32, item: element_dtype -> handle: variant", _of_items,
    element_dtype=dtypes.ALL, shape=shapes.scalar, gradient=_of_items_gradient,
    doc="A list in which only one element is set, or some: the gradient of reading elements.",
)


def _items_or_zeros(jax: Any, items: Any, index: Any, element_shape: Any) -> Any:
    if np.ndim(index):
        return items.gather(jax, index, element_shape, forgiving=True)
    return items.get(jax, index, element_shape, forgiving=True)


def _items_or_zeros_gradient(ditem: Any, *, index: Any, element_dtype: Any) -> Any:
    return _gradient_of_items(index, ditem, element_dtype=element_dtype), None, None


_TensorListItemsOrZeros = _list_op(
    "_TensorListItemsOrZeros", "input_handle: variant, index: int32, element_shape: int32 -> item: element_dtype",
    _items_or_zeros, element_dtype=dtypes.ALL, gradient=_items_or_zeros_gradient,
    shape=lambda op: op._inputs[1]._shape.concatenate(constant_value_as_shape(op._inputs[2])),
    doc="Elements of a gradient list, which may lack them.",
)

_TensorListWithout = _list_op(
    "_TensorListWithout", "input_handle: variant, index: int32 -> output_handle: variant",
    lambda jax, items, index: items.without(jax, index), shape=shapes.scalar,
    gradient=lambda dy, *, index: (_gradient_without(dy, index), None),
    doc="A gradient list without one of its elements, or some.",
)


# ---- many elements


def _stack_shape(op: Any) -> TensorShape:
    count = op._attrs["num_elements"]
    return TensorShape([count if count >= 0 else None]).concatenate(constant_value_as_shape(op._inputs[1]))


def _stack_gradient(dtensor: Any, *, element_dtype: Any) -> Any:
    return TensorListFromTensor(dtensor, shape_operand(dtensor.shape[1:]), element_dtype=element_dtype), None


TensorListStack = _list_op(
    "TensorListStack", "input_handle: variant, element_shape: int32 -> tensor: element_dtype",
    lambda jax, items, element_shape, *, num_elements: items.stack(jax, element_shape, num_elements),
    element_dtype=dtypes.ALL, num_elements=-1, shape=_stack_shape, gradient=_stack_gradient,
    doc="The elements of a list, along a new first axis.",
)


def _gather_gradient(dvalues: Any, *, indices: Any, element_dtype: Any) -> Any:
    return _gradient_of_items(indices, dvalues, element_dtype=element_dtype), None, None


TensorListGather = _list_op(
    "TensorListGather", "input_handle: variant, indices: int32, element_shape: int32 -> values: element_dtype",
    lambda jax, items, indices, element_shape: items.gather(jax, indices, element_shape), element_dtype=dtypes.ALL,
    shape=lambda op: shapes.with_rank(op._inputs[1]._shape, 1).concatenate(constant_value_as_shape(op._inputs[2])),
    gradient=_gather_gradient, doc="Elements of a list, along a new first axis.",
)


def _scatter(jax: Any, tensor: Any, indices: Any, element_shape: Any, num_elements: Any, *, element_dtype: Any
             ) -> Any:
    count = int(_known(num_elements, "the length of a list"))
    if count < -1:
        raise invalid(f"TensorListScatter expects num_elements >= -1, found: {count}")
    if count < 0 and not is_known(indices):
        raise HostNeeded("the length of a list is not known while compiling")
    items = TensorList([None] * max(count, 0), max(count, 0), element_dtype, element_shape)
    _check_rows(tensor, indices)
    return items.scatter(jax, indices, tensor)


def _check_rows(tensor: Any, indices: Any) -> None:
    if not tensor.ndim or tensor.shape[0] != indices.shape[0]:
        raise invalid(f"Invalid number of rows in input tensor. Expected: {indices.shape[0]} Actual: "
                      f"{tensor.shape[0] if tensor.ndim else 'a scalar'}")


def _scatter_gradient(dlist: Any, *, tensor_shape: Any, indices: Any, element_dtype: Any) -> Any:
    element = CARDS["Slice"](tensor_shape.tensor(), np.array([1], np.int32), np.array([-1], np.int32))
    rows = _gradient_items(dlist, indices, element, element_dtype=element_dtype)
    rows.set_shape(tensor_shape.static)
    return rows, None, None, None


TensorListScatterV2 = _list_op(
    "TensorListScatterV2",
    "tensor: element_dtype, indices: int32, element_shape: shape_type, num_elements: int32 -> output_handle: variant",
    _scatter, element_dtype=dtypes.ALL, shape_type=_INDEX, shape=shapes.scalar, gradient=_scatter_gradient,
    doc="The list that has the rows of a tensor at given indices.",
)

TensorListScatter = _list_op(
    "TensorListScatter",
    "tensor: element_dtype, indices: int32, element_shape: shape_type -> output_handle: variant",
    lambda jax, tensor, indices, element_shape, *, element_dtype: _scatter(
        jax, tensor, indices, element_shape, np.array(-1), element_dtype=element_dtype),
    element_dtype=dtypes.ALL, shape_type=_INDEX, shape=shapes.scalar,
    gradient=lambda dlist, *, tensor_shape, indices, element_dtype: _scatter_gradient(
        dlist, tensor_shape=tensor_shape, indices=indices, element_dtype=element_dtype)[:3],
    doc="The list that has the rows of a tensor at given indices.",
)


def _scatter_into(jax: Any, items: Any, tensor: Any, indices: Any) -> Any:
    _check_rows(tensor, indices)
    return items.scatter(jax, indices, tensor)


def _scatter_into_gradient(dlist: Any, *, tensor_shape: Any, indices: Any, element_dtype: Any) -> Any:
    rows = _scatter_gradient(dlist, tensor_shape=tensor_shape, indices=indices, element_dtype=element_dtype)[0]
    return _gradient_without(dlist, indices), rows, None


TensorListScatterIntoExistingList = _list_op(
    "TensorListScatterIntoExistingList",
    "input_handle: variant, tensor: element_dtype, indices: int32 -> output_handle: variant",
    _scatter_into, element_dtype=dtypes.ALL, shape=shapes.scalar, gradient=_scatter_into_gradient,
    doc="The list with the rows of a tensor at given indices.",
)


def _concat_shape(op: Any) -> list[TensorShape]:
    shape = constant_value_as_shape(op._inputs[1])
    if shape.rank:
        shape = TensorShape([None]).concatenate(shape[1:])
    return [shape, TensorShape([None])]


def _concat_gradient(dtensor: Any, dlengths: Any, *, lengths: Any, element_shape: Any, element_dtype: Any) -> Any:
    return TensorListSplit(dtensor, element_shape, lengths, element_dtype=element_dtype), None, None


TensorListConcatV2 = _list_op(
    "TensorListConcatV2",
    "input_handle: variant, element_shape: shape_type, leading_dims: int64 -> tensor: element_dtype, lengths: int64",
    lambda jax, items, element_shape, leading_dims: items.concat(jax, element_shape, leading_dims),
    element_dtype=dtypes.ALL, shape_type=_INDEX, shape=_concat_shape, gradient=_concat_gradient,
    static=("element_shape", "leading_dims"), doc="The elements of a list, one behind another along their first axis.",
)


def _split(jax: Any, tensor: Any, element_shape: Any, lengths: Any, *, element_dtype: Any) -> TensorList:
    lengths = _known(lengths, "into which lengths to split")
    if not tensor.ndim:
        raise invalid("Tensor must be at least a vector, but saw shape: []")
    if (lengths < 0).any():
        raise invalid(f"Invalid value in lengths: {lengths.min()}")
    if lengths.sum() != tensor.shape[0]:
        raise invalid(f"The lengths {lengths.tolist()} of the pieces do not add up to the length of the tensor, "
                      f"{tensor.shape[0]}")
    ends = np.cumsum(lengths)
    items = [tensor[end - length:end] for length, end in zip(lengths.tolist(), ends.tolist())]
    return TensorList(items, len(items), element_dtype, element_shape)


def _split_gradient(dlist: Any, *, lengths: Any, tensor_shape: Any, element_dtype: Any) -> Any:
    dims = tensor_shape.tensor()
    count = CARDS["Size"](lengths)
    rest = CARDS["Slice"](dims, np.array([1], np.int32), np.array([-1], np.int32))
    element = CARDS["ConcatV2"]([np.array([-1], np.int32), rest], 0)
    joined = TensorListConcatV2(TensorListResize(dlist, count), element, lengths, element_dtype=element_dtype)[0]
    joined.set_shape(tensor_shape.static)
    return joined, None, None


TensorListSplit = _list_op(
    "TensorListSplit",
    "tensor: element_dtype, element_shape: shape_type, lengths: int64 -> output_handle: variant",
    _split, element_dtype=dtypes.ALL, shape_type=_INDEX, shape=shapes.scalar, gradient=_split_gradient,
    doc="The list of pieces of a tensor, cut along its first axis.",
)


def empty_list(element_dtype: Any, element_shape: Any = None) -> Any:
    """A list without elements; None dimensions are unknown."""
    return EmptyTensorList(shape_operand(TensorShape(element_shape)), -1, element_dtype=element_dtype)
