"""Lists in converted code: `append`, `pop` and items of Python lists, tensors, TensorArrays and lists of tensors.

With `Feature.LISTS`, a Python list that a loop or branch of the graph makes longer or shorter becomes a list of tensors
there, of dtype variant; what is known of its elements is noted on the tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from everflow._src.autograph.state import is_symbolic
from everflow._src.framework import dtypes
from everflow._src.framework.conversion import convert
from everflow._src.framework.registry import CARDS
from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops import array_joining
from everflow._src.ops.tensor_array import TensorArray
from everflow._src.ops.tensor_list import empty_list, shape_operand


class Element(NamedTuple):
    """What is known of the elements of a list."""

    dtype: Any
    shape: TensorShape

    def merged(self, other: Element | None) -> Element:
        """What holds for the elements of both lists.

        Raises:
          TypeError: they have different dtypes.
        """
        if other is None:
            return self
        if other.dtype != self.dtype:
            raise TypeError(f"a list of tensors holds elements of one dtype, received {self.dtype.name} and "
                            f"{other.dtype.name}")
        return Element(self.dtype, self.shape.most_specific_compatible_shape(other.shape))


def is_tensor_list(value: Any) -> bool:
    """True for a list of tensors of the graph."""
    return is_symbolic(value) and value.dtype == dtypes.variant


def element_of(value: Any) -> Element | None:
    """What is known of the elements of a list of tensors."""
    return getattr(value, "_list_element", None)


def marked(tensor: Any, element: Element | None) -> Any:
    """`tensor`, a list of elements like `element`."""
    if element is not None:
        tensor._list_element = element
    return tensor


def common_element(values: Sequence[Any]) -> Element | None:
    """What holds for all of `values`, the elements of a Python list."""
    result: Element | None = None
    for value in values:
        tensor = value if isinstance(value, Tensor) else convert(value)
        element = Element(tensor.dtype.base_dtype, tensor.shape)
        result = element.merged(result)
    return result


def elements_of(value: Any) -> Element | None:
    """What is known of the elements of a Python list or a list of tensors."""
    return common_element(value) if type(value) is list else element_of(value)


def as_tensor_list(values: Any, element: Element | None) -> Any:
    """A Python list as a list of tensors; a list of tensors as it is."""
    if type(values) is not list:
        return values
    if element is None:
        raise TypeError("a list that a loop of the graph fills needs an element by which its dtype is known")
    result = empty_list(element.dtype, element.shape)
    for value in values:
        result = CARDS["TensorListPushBack"](result, convert(value, element.dtype))
    return marked(result, element)


def _known(target: Any, what: str) -> Element:
    element = element_of(target)
    if element is None:
        raise ValueError(f"{what} of a list of tensors: the dtype of its elements is not known here")
    return element


# ---- operations


def list_append(target: Any, *values: Any) -> Any:
    """`target.append(value)`; the list to go on with."""
    if isinstance(target, TensorArray) and len(values) == 1:
        return target.write(target.size(), values[0])
    if not is_tensor_list(target):
        target.append(*values)
        return target
    (value,) = values
    element = element_of(target)
    item = convert(value, element.dtype if element is not None and not isinstance(value, Tensor) else None)
    grown = Element(item.dtype.base_dtype, item.shape).merged(element)
    return marked(CARDS["TensorListPushBack"](target, item), grown)


def list_pop(target: Any, *index: Any) -> tuple[Any, Any]:
    """`target.pop()`: the list to go on with, and the element."""
    if isinstance(target, TensorArray):
        raise NotImplementedError("pop() of a TensorArray; keep the index of its end and read it")
    if not is_tensor_list(target):
        return target, target.pop(*index)
    if index and not (isinstance(index[0], int) and index[0] == -1):
        raise NotImplementedError(f"pop({index[0]!r}) of a list of tensors: only its last element can be taken")
    element = _known(target, "pop()")
    rest, item = CARDS["TensorListPopBack"](target, shape_operand(element.shape), element_dtype=element.dtype)
    item.set_shape(element.shape)
    return marked(rest, element), item


class _Index:
    """`ag__.index[1:2]` is the key of `x[1:2]`."""

    def __getitem__(self, key: Any) -> Any:
        return key


index = _Index()


def _position(target: Any, key: Any) -> Any:
    if isinstance(key, (int, np.integer)):
        return CARDS["AddV2"](CARDS["TensorListLength"](target), int(key)) if key < 0 else convert(int(key))
    key = convert(key)
    return key if key.dtype == dtypes.int32 else CARDS["Cast"](key, DstT=dtypes.int32)


def get_item(target: Any, key: Any) -> Any:
    """`target[key]`."""
    if isinstance(target, TensorArray):
        return target.read(key)
    if not is_tensor_list(target):
        return target[key]
    element = _known(target, "an item")
    if isinstance(key, slice):
        return stack(target)[key]
    item = CARDS["TensorListGetItem"](target, _position(target, key), shape_operand(element.shape),
                                      element_dtype=element.dtype)
    item.set_shape(element.shape)
    return item


def set_item(target: Any, key: Any, value: Any) -> Any:
    """`target[key] = value`; what to go on with: of a tensor, a tensor with those elements replaced."""
    if isinstance(target, TensorArray):
        return target.write(key, value)
    if not is_symbolic(target):
        target[key] = value
        return target
    if target.dtype == dtypes.variant:
        element = element_of(target)
        item = convert(value, element.dtype if element is not None and not isinstance(value, Tensor) else None)
        changed = CARDS["TensorListSetItem"](target, _position(target, key), item)
        return marked(changed, Element(item.dtype.base_dtype, item.shape).merged(element))
    shape = CARDS["Shape"](target)
    size = CARDS["Size"](target)
    flat = np.array([-1], np.int32)
    # Which elements of the flat tensor the key names, in the shape of what is assigned.
    places = CARDS["Reshape"](CARDS["Range"](0, size, 1), shape)[key]
    updates = CARDS["BroadcastTo"](convert(value, target.dtype), CARDS["Shape"](places))
    changed = CARDS["TensorScatterUpdate"](
        CARDS["Reshape"](target, flat), CARDS["Reshape"](places, np.array([-1, 1], np.int32)),
        CARDS["Reshape"](updates, flat))
    result = CARDS["Reshape"](changed, shape)
    result.set_shape(target.shape)
    return result


def length(target: Any) -> Any:
    """The length of a list of tensors."""
    return CARDS["TensorListLength"](target)


def stack(target: Any, element_dtype: Any = None, strict: bool = True) -> Any:
    """The elements of a list as one tensor.

    Args:
      target: a Python list, a list of tensors or a TensorArray.
      element_dtype: the dtype of the elements of a list of tensors; not needed where they are known.
      strict: False returns anything else as it is.

    Raises:
      ValueError: `target` is no list, or the dtype of its elements is not known.
    """
    if isinstance(target, TensorArray):
        return target.stack()
    if is_tensor_list(target):
        element = element_of(target)
        if element is None:
            if element_dtype is None:
                raise ValueError("stack() of a list of tensors: pass element_dtype, which is not known here")
            element = Element(dtypes.as_dtype(element_dtype), TensorShape(None))
        return CARDS["TensorListStack"](target, shape_operand(element.shape), element_dtype=element.dtype)
    if isinstance(target, (list, tuple)):
        return array_joining.stack(target)
    if strict:
        raise ValueError(f"stack() needs a list, received {target!r}")
    return target


# ---- lists in control flow


def agree(before: Any, first: Any, second: Any) -> tuple[Any, Any, Element | None]:
    """The lists at the ends of two branches, and what holds for their elements where these become tensors.

    An `Element` is returned when both have to be made lists of tensors.
    """
    if all(type(v) is list for v in (before, first, second)) and len(before) == len(first) == len(second) and all(
            a is b and a is c for a, b, c in zip(before, first, second)):
        return before, before, None
    lists = [type(v) is list or is_tensor_list(v) for v in (first, second)]
    if not all(lists) or (type(first) is type(second) is list and len(first) == len(second)):
        return first, second, None
    element: Element | None = None
    for value in (first, second):
        own = elements_of(value)
        element = own.merged(element) if own is not None else element
    return first, second, element


def grown(before: Any, after: Any) -> Element | None:
    """What holds for the elements of a Python list that an iteration made longer or shorter; None if it did not."""
    if type(before) is not list or not (is_tensor_list(after) or (type(after) is list and len(after) != len(before))):
        return None
    first, second = elements_of(before), elements_of(after)
    return second if first is None else first.merged(second)
