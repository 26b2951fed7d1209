"""Lists of tensors as values of dtype variant: what loops save for their gradients, and TensorArrays hold.

On the host, and in compiled code as long as indices are known, a list is a Python list (`TensorList`).  Compiled code
that indexes a list by a traced number, and every compiled loop, has it as a buffer of fixed capacity and a length
(`TracedList`).  A gradient that touches few elements stays the sum of these (`SparseList`), so that adding it to
another list costs no more than the elements it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.runtime.failures import HostNeeded, invalid
from everflow._src.runtime.resources import Variant


def is_known(value: Any) -> bool:
    """True for numbers, False for what is traced."""
    return isinstance(value, (np.ndarray, np.generic, int))


def _dims(shape: Any) -> tuple[int, ...] | None:
    """An element shape as a kernel receives it; None when it is not wholly known."""
    if shape is None or not is_known(shape):
        return None
    array = np.asarray(shape)
    if array.ndim == 0 or (array < 0).any():
        return None
    return tuple(int(d) for d in array)


def zeros(dims: Sequence[int], dtype: Any) -> np.ndarray:
    """What an element that was never set reads as."""
    if dtype == dtypes.string:
        return np.full(tuple(dims), b"", object)
    return np.zeros(tuple(dims), dtype.numpy_dtype)


def describe(shape: Any) -> str:
    """An element shape in a message."""
    if shape is None or not is_known(shape) or np.asarray(shape).ndim == 0:
        return "<unknown>"
    return "[" + ",".join("?" if d < 0 else str(d) for d in np.asarray(shape).tolist()) + "]"


def _numpy(jax: Any, values: Sequence[Any]) -> Any:
    return np if jax is None or all(is_known(v) for v in values) else jax.numpy


def _sum(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    return a.add_lists(b) if hasattr(a, "add_lists") else a + b


class TensorList(Variant):
    """An immutable list; None stands for an element that was never set.  Lists that grow one by one share memory.

    A gradient of which only some elements are known is `open`: how long it is, is not said.
    """

    __slots__ = ("items", "length", "element_dtype", "element_shape", "room", "open")

    def __init__(self, items: list[Any], length: int, element_dtype: Any, element_shape: Any, room: Any = False
                 ) -> None:
        self.items = items
        self.length = length
        self.element_dtype = element_dtype
        self.element_shape = element_shape
        self.room = room
        self.open = False

    @property
    def grown(self) -> int:
        return self.length

    def _with(self, items: list[Any]) -> TensorList:
        result = TensorList(items, len(items), self.element_dtype, self.element_shape, self.room)
        result.open = self.open
        return result

    def opened(self) -> TensorList:
        """The same elements, of a list of any length."""
        result = self._with(self.values())
        result.open = True
        return result

    def values(self) -> list[Any]:
        """The elements."""
        return self.items[:self.length]

    def enter(self, unknown: Any = True) -> TensorList:
        """The same list as a loop looks at it; its length is `unknown`, a traced number, to who asks."""
        return TensorList(self.values(), self.length, self.element_dtype, self.element_shape, (unknown,))

    # ---- one element

    def push(self, jax: Any, value: Any) -> TensorList:
        """The list with `value` behind it."""
        items = self.items
        if len(items) != self.length:  # somebody pushed onto this list before: it goes its own way
            items = items[:self.length]
        items.append(value)
        return TensorList(items, self.length + 1, self.element_dtype, self.element_shape, self.room)

    def pop(self, jax: Any, element_shape: Any = None) -> tuple[TensorList, Any]:
        """The list without its last element, and that element.

        Raises:
          InvalidArgumentError: the list is empty.
        """
        if self.length == 0:
            raise invalid("Trying to pop from an empty list.")
        value = self.items[self.length - 1]
        if value is None:
            value = self.unset(element_shape)
        return (TensorList(self.items, self.length - 1, self.element_dtype, self.element_shape, self.room), value)

    def get(self, jax: Any, index: Any, element_shape: Any, forgiving: bool = False) -> Any:
        """The element at `index`; beyond the end zeros if `forgiving`.

        Raises:
          InvalidArgumentError: there is no such element, or it was never set and nothing tells its shape.
        """
        if not is_known(index):
            if self.open:
                sparse = self.sparse(jax)
                return self.unset(element_shape) if sparse is self else sparse.get(jax, index, element_shape)
            value = self.traced(jax, _dims(element_shape)).get(jax, index, element_shape)
            return jax.numpy.where(index < self.length, value, jax.numpy.zeros((), value.dtype)) if forgiving else value
        index = int(index)
        if not 0 <= index < self.length:
            if forgiving:
                return self.unset(element_shape)
            raise invalid(f"Trying to access element {index} in a list with {self.length} elements.")
        value = self.items[index]
        return self.unset(element_shape) if value is None else value

    def set(self, jax: Any, index: Any, value: Any, resize: bool = False) -> AnyList:
        """The list with another element at `index`.

        Raises:
          InvalidArgumentError: there is no such element, or `value` has another dtype.
        """
        self._check_dtype(value)
        if not is_known(index):
            return self.traced(jax, tuple(value.shape)).set(jax, index, value, resize)
        index = int(index)
        if index < 0 or index >= self.length and not resize:
            raise invalid(f"Trying to modify element {index} in a list with {self.length} elements.")
        items = self.values()
        if index >= len(items):
            items.extend([None] * (index + 1 - len(items)))
        items[index] = value
        return self._with(items)

    def unset(self, element_shape: Any) -> Any:
        """What an element that was never set reads as.

        Raises:
          InvalidArgumentError: nothing tells its shape.
        """
        dims = self.dims(element_shape)
        if dims is None:
            raise invalid("Trying to read an uninitialized tensor but element_shape is not fully defined: "
                          f"{describe(self.element_shape)} and no list element is set.")
        return zeros(dims, self.element_dtype)

    def dims(self, element_shape: Any = None) -> tuple[int, ...] | None:
        """The shape of the elements, by what is asked for, what was declared, or what the others have."""
        dims = _dims(element_shape)
        if dims is None:
            dims = _dims(self.element_shape)
        if dims is None:
            known = next((v for v in self.values() if v is not None), None)
            dims = None if known is None else tuple(known.shape)
        return dims

    def _check_dtype(self, value: Any) -> None:
        wanted = self.element_dtype.numpy_dtype
        if value.dtype != wanted and self.element_dtype not in (dtypes.string, dtypes.variant):
            raise invalid(f"Invalid data types; op elements {value.dtype} but list elements {self.element_dtype.name}")

    # ---- several elements

    def filled(self, element_shape: Any = None) -> list[Any]:
        """The elements, with zeros where none were set."""
        values = self.values()
        if any(v is None for v in values):
            unset = self.unset(element_shape)
            values = [unset if v is None else v for v in values]
        return values

    def stack(self, jax: Any, element_shape: Any, num_elements: int = -1) -> Any:
        """All elements, along a new first axis.

        Raises:
          InvalidArgumentError: they differ in shape, their number is not `num_elements`, or no shape is known.
        """
        if num_elements >= 0 and num_elements != self.length:
            raise invalid(f"Operation expected a list with {num_elements} elements but got a list with "
                          f"{self.length} elements.")
        dims = self.dims(element_shape)
        if dims is None:
            if self.length == 0:
                raise invalid("Tried to stack elements of an empty list with non-fully-defined element_shape: "
                              f"{describe(element_shape)}")
            raise invalid("Tried to stack list which only contains uninitialized tensors and has a "
                          f"non-fully-defined element_shape: {describe(element_shape)}")
        if not self.length:
            return zeros((0, *dims), self.element_dtype)
        values = self.filled(dims)
        shape = tuple(values[0].shape)
        for value in values:
            if tuple(value.shape) != shape:
                raise invalid(f"PartialTensorShape: Incompatible shapes during merge: {list(shape)} vs. "
                              f"{list(value.shape)}")
        return _numpy(jax, values).stack(values)

    def gather(self, jax: Any, indices: Any, element_shape: Any, forgiving: bool = False) -> Any:
        """The elements at `indices`, along a new first axis."""
        if not is_known(indices):
            return self.traced(jax, _dims(element_shape)).gather(jax, indices, element_shape, forgiving)
        if not len(indices):
            dims = self.dims(element_shape)
            if dims is None:
                raise invalid("Tried to gather no elements of a list with non-fully-defined element_shape: "
                              f"{describe(element_shape)}")
            return zeros((0, *dims), self.element_dtype)
        values = [self.get(jax, i, element_shape if element_shape is not None else self.dims(), forgiving)
                  for i in indices]
        if any(tuple(v.shape) != tuple(values[0].shape) for v in values):
            raise invalid("PartialTensorShape: Incompatible shapes during merge of the elements of a list: "
                          f"{[list(v.shape) for v in values]}")
        return _numpy(jax, values).stack(values)

    def scatter(self, jax: Any, indices: Any, tensor: Any) -> AnyList:
        """The list with the rows of `tensor` at `indices`; it grows as far as they reach."""
        self._check_dtype(tensor)
        if not is_known(indices):
            return self.traced(jax, tuple(tensor.shape[1:])).scatter(jax, indices, tensor)
        items = self.values()
        for row, index in enumerate(np.asarray(indices).tolist()):
            if index < 0:
                raise invalid(f"Indices in TensorListScatter must all be non-negative, received {index}")
            if index >= len(items):
                items.extend([None] * (index + 1 - len(items)))
            items[index] = tensor[row]
        return self._with(items)

    def without(self, jax: Any, indices: Any) -> AnyList:
        """The list with nothing at `indices`."""
        if not is_known(indices):
            sparse = self.sparse(jax)
            return sparse if sparse is self else sparse.without(jax, indices)
        items = self.values()
        for index in np.asarray(indices).reshape(-1).tolist():
            if 0 <= index < len(items):
                items[index] = None
        return self._with(items)

    def resize(self, jax: Any, size: int) -> TensorList:
        """The first `size` elements."""
        if size < 0:
            raise invalid(f"TensorListSlice expects size to be non-negative. Got: {size}")
        items = self.values()[:size]
        return TensorList(items + [None] * (size - len(items)), size, self.element_dtype, self.element_shape, self.room)

    def concat(self, jax: Any, element_shape: Any, leading_dims: Any) -> tuple[Any, np.ndarray]:
        """The elements one behind another along their first axis, and their lengths."""
        values = self.values()
        if any(v is None for v in values):
            after = next((tuple(v.shape[1:]) for v in values if v is not None), None)
            given = np.asarray(element_shape)
            if after is None and given.ndim == 1 and (given[1:] >= 0).all():
                after = tuple(int(d) for d in given[1:])
            first = int(given[0]) if given.ndim == 1 and given.size and given[0] >= 0 else None
            for position, value in enumerate(values):
                if value is not None:
                    continue
                length = int(leading_dims[position]) if position < len(leading_dims) else first
                if after is None or length is None:
                    raise invalid("Concat requires the shape of elements that were never set: element_shape is "
                                  f"{describe(element_shape)}")
                values[position] = zeros((length, *after), self.element_dtype)
        for value in values:
            if value.ndim == 0:
                raise invalid("Concat saw a scalar shape at index 0 but requires at least vectors.")
        lengths = np.array([v.shape[0] for v in values], np.int64)
        if not values:
            given = np.asarray(element_shape)
            if given.ndim == 0 or (given[1:] < 0).any():
                raise invalid("All except the first dimension must be fully defined when concating an empty tensor "
                              f"list. element_shape: {describe(element_shape)}")
            return zeros((0, *given[1:].tolist()), self.element_dtype), lengths
        if any(v.shape[1:] != values[0].shape[1:] for v in values):
            raise invalid("Tried to concat tensors with unequal shapes: "
                          f"{[list(v.shape) for v in values]}")
        return _numpy(jax, values).concatenate(values), lengths

    # ---- sums

    def zeros_like_list(self) -> TensorList:
        """A list of as many zeros."""
        # One zero, seen in every place of an element.
        items = [
            v if v is None else v.zeros_like_list() if hasattr(v, "zeros_like_list")
            else np.broadcast_to(np.zeros((), v.dtype), v.shape) for v in self.values()
        ]
        return TensorList(items, self.length, self.element_dtype, self.element_shape)

    def add_lists(self, other: AnyList) -> AnyList:
        """The element-wise sum; what was never set counts as zero, and so does what a shorter list lacks."""
        if not isinstance(other, TensorList):
            return other.add_lists(self)
        first, second = self.values(), other.values()
        if len(first) < len(second):
            first, second = second, first
        items = [_sum(a, b) for a, b in zip(first, second)] + first[len(second):]
        dtype, shape = self.element_dtype, self.element_shape
        if _dims(shape) is None:
            shape = other.element_shape
        result = TensorList(items, len(items), dtype, shape)
        result.open = self.open and other.open
        return result

    # ---- compiling

    def sparse(self, jax: Any) -> AnyList:
        """A gradient list as the sum of the elements that are set, whatever its length; itself if none is."""
        where = [i for i, v in enumerate(self.values()) if v is not None]
        if not where:
            return self
        values = [self.items[i] for i in where]
        if any(tuple(v.shape) != tuple(values[0].shape) for v in values):
            raise HostNeeded("the elements of a list differ in their shapes")
        return SparseList(jax, [(np.array(where, np.int32), jax.numpy.stack(values))], self.element_dtype)

    def traced(self, jax: Any, dims: Any, room: int = 0) -> TracedList:
        """The list as compiled code indexes it, with `room` for further elements.

        Raises:
          HostNeeded: the elements differ in shape, or their shape is not known.
        """
        if self.open:
            raise HostNeeded("the length of the gradient of a list is not known while compiling")
        if self.element_dtype in (dtypes.string, dtypes.variant):
            raise HostNeeded(f"a list of {self.element_dtype.name} elements is indexed by a computed number")
        if dims is None:
            dims = self.dims()
        values = self.values()
        if dims is None:
            raise HostNeeded("the shape of the elements of a list is not known while compiling")
        if any(v is not None and tuple(v.shape) != tuple(dims) for v in values):
            raise HostNeeded("the elements of a list differ in their shapes")
        jnp = jax.numpy
        known = next((v for v in values if v is not None), None)
        dtype = self.element_dtype.numpy_dtype if known is None else known.dtype
        capacity = self.length + room
        if known is None:
            buffer = jnp.zeros((max(capacity, 1), *dims), dtype)
        else:
            blank = np.zeros(dims, dtype)
            buffer = jnp.stack([jnp.asarray(blank if v is None else v) for v in values])
            if room:
                buffer = jnp.concatenate([buffer, jnp.zeros((room, *dims), dtype)])
        return TracedList(jax, buffer, self.length, self, self.length, bool(self.room))

    def __repr__(self) -> str:
        return f"<list of {self.length} tensors of {self.element_dtype.name}>"


class StackedList(TensorList):
    """A list as a compiled loop returns it: the elements stacked, with room behind them.

    Attributes:
      buffer: the stacked elements; those from `length` on mean nothing.
    """

    __slots__ = ("buffer", "_rows")

    def __init__(self, buffer: Any, length: int, element_dtype: Any, element_shape: Any) -> None:
        self.buffer = buffer
        self._rows: list[Any] | None = None
        self.length = length
        self.element_dtype = element_dtype
        self.element_shape = element_shape
        self.room = False
        self.open = False

    @property
    def items(self) -> list[Any]:  # type: ignore[override]
        """The elements one by one, taken apart when somebody asks."""
        if self._rows is None:
            self._rows = list(np.asarray(self.buffer)[:self.length])
        return self._rows

    def stack(self, jax: Any, element_shape: Any, num_elements: int = -1) -> Any:
        """All elements, along a new first axis."""
        if self._rows is None and self.length and num_elements in (-1, self.length):
            return np.asarray(self.buffer)[:self.length]
        return super().stack(jax, element_shape, num_elements)

    def zeros_like_list(self) -> TensorList:
        """A list of as many zeros."""
        return TensorList(super().zeros_like_list().items, self.length, self.element_dtype, self.element_shape)


class TracedList(Variant):
    """A list in compiled code.

    Attributes:
      buffer: the elements, stacked; those from `length` on mean nothing.
      length: a number, or traced.
      grown: a bound of the elements pushed less those popped, comparable within the body of one loop.
      room: True in a loop that has made sure that the buffer is large enough for every index.
      elastic: True when a traced index may have made the list longer.
      uneven: True when `grown` is no more than a bound.
    """

    __slots__ = ("jax", "buffer", "length", "element_dtype", "element_shape", "grown", "room", "elastic", "uneven")

    def __init__(self, jax: Any, buffer: Any, length: Any, like: Any, grown: int = 0, room: bool = False,
                 elastic: bool = False, uneven: bool = False) -> None:
        self.jax = jax
        self.buffer = buffer
        self.length = length
        self.element_dtype = like.element_dtype
        self.element_shape = like.element_shape
        self.grown = grown
        self.room = room
        self.elastic = elastic
        self.uneven = uneven

    def _with(self, buffer: Any, length: Any = None, grown: int = 0, elastic: bool = False) -> TracedList:
        return TracedList(self.jax, buffer, self.length if length is None else length, self, self.grown + grown,
                          self.room, self.elastic or elastic, self.uneven)

    def enter(self, unknown: Any = None) -> TracedList:
        """The same list as a loop looks at it."""
        return TracedList(self.jax, self.buffer, self.length, self, 0, True)

    def dims(self, element_shape: Any = None) -> tuple[int, ...]:
        """The shape of the elements."""
        return tuple(self.buffer.shape[1:])

    def _static_length(self, purpose: str) -> int:
        if not is_known(self.length):
            raise HostNeeded(f"the length of a list is not known while compiling, where it is {purpose}")
        return int(self.length)

    def _fit(self, value: Any) -> Any:
        if tuple(value.shape) != self.dims():
            raise HostNeeded("the elements of a list differ in their shapes")
        return self.jax.numpy.asarray(value, self.buffer.dtype)

    def push(self, jax: Any, value: Any) -> TracedList:
        """The list with `value` behind it."""
        value = self._fit(value)
        buffer = self.buffer
        if is_known(self.length) and int(self.length) >= buffer.shape[0]:
            buffer = jax.numpy.concatenate([buffer, value[None]])
        else:
            buffer = jax.lax.dynamic_update_index_in_dim(buffer, value, self.length, 0)
        return self._with(buffer, self.length + 1, 1)

    def pop(self, jax: Any, element_shape: Any = None) -> tuple[TracedList, Any]:
        """The list without its last element, and that element."""
        length = self.length - 1
        value = jax.lax.dynamic_index_in_dim(self.buffer, length, 0, keepdims=False)
        return self._with(self.buffer, length, -1), value

    def get(self, jax: Any, index: Any, element_shape: Any = None, forgiving: bool = False) -> Any:
        """The element at `index`."""
        return jax.lax.dynamic_index_in_dim(self.buffer, index, 0, keepdims=False)

    def set(self, jax: Any, index: Any, value: Any, resize: bool = False) -> TracedList:
        """The list with another element at `index`."""
        value = self._fit(value)
        length = None
        if resize:
            if not self.room:
                raise HostNeeded("a list grows to a length that is not known while compiling")
            length = jax.numpy.maximum(jax.numpy.asarray(self.length, "int32"), index + 1)
        buffer = jax.lax.dynamic_update_index_in_dim(self.buffer, value, index, 0)
        return self._with(buffer, length, 0, resize)

    def stack(self, jax: Any, element_shape: Any = None, num_elements: int = -1) -> Any:
        """All elements, along a new first axis."""
        length = num_elements if num_elements >= 0 else self._static_length("stacked")
        return self.buffer if length == self.buffer.shape[0] else self.buffer[:length]

    def gather(self, jax: Any, indices: Any, element_shape: Any = None, forgiving: bool = False) -> Any:
        """The elements at `indices`, along a new first axis."""
        if forgiving:
            return jax.numpy.take(self.buffer, indices, axis=0, mode="fill", fill_value=0)
        return jax.numpy.take(self.buffer, indices, axis=0, mode="clip")

    def scatter(self, jax: Any, indices: Any, tensor: Any) -> TracedList:
        """The list with the rows of `tensor` at `indices`."""
        return self._with(self.jax.numpy.asarray(self.buffer).at[indices].set(tensor))

    def without(self, jax: Any, indices: Any) -> TracedList:
        """The list with zeros at `indices`."""
        if np.ndim(indices) == 0:
            blank = jax.numpy.zeros(self.dims(), self.buffer.dtype)
            return self._with(jax.lax.dynamic_update_index_in_dim(self.buffer, blank, indices, 0))
        return self._with(self.jax.numpy.asarray(self.buffer).at[indices].set(0))

    def resize(self, jax: Any, size: int) -> TracedList:
        """The first `size` elements."""
        length = self._static_length("resized")
        buffer = self.buffer[:min(length, size)]
        if size > buffer.shape[0]:
            jnp = jax.numpy
            buffer = jnp.concatenate([buffer, jnp.zeros((size - buffer.shape[0], *self.dims()), buffer.dtype)])
        return self._with(buffer, size, size - length)

    def concat(self, jax: Any, element_shape: Any, leading_dims: Any) -> tuple[Any, np.ndarray]:
        """The elements one behind another along their first axis, and their lengths."""
        stacked = self.stack(jax)
        if stacked.ndim < 2:
            raise invalid("Concat saw a scalar shape at index 0 but requires at least vectors.")
        lengths = np.full(stacked.shape[0], stacked.shape[1], np.int64)
        return jax.numpy.reshape(stacked, (stacked.shape[0] * stacked.shape[1], *stacked.shape[2:])), lengths

    def zeros_like_list(self) -> TracedList:
        """A list of as many zeros."""
        return TracedList(self.jax, self.jax.numpy.zeros(self.buffer.shape, self.buffer.dtype), self.length, self)

    def add_lists(self, other: AnyList) -> AnyList:
        """The element-wise sum."""
        if isinstance(other, SparseList):
            return other.add_lists(self)
        if isinstance(other, TensorList):
            if all(v is None for v in other.values()) and is_known(self.length) and other.length <= self.length:
                return self
            if other.open:
                sparse = other.sparse(self.jax)
                return self if sparse is other else self.add_lists(sparse)
            other = other.traced(self.jax, self.dims())
        if other.buffer.shape != self.buffer.shape:
            size = max(self._static_length("added"), other._static_length("added"))
            return self.resize(self.jax, size).add_lists(other.resize(self.jax, size))
        return self._with(self.buffer + other.buffer)

    def zeros_like(self) -> TracedList:
        """A list of as many zeros."""
        return TracedList(self.jax, self.jax.numpy.zeros_like(self.buffer), self.length, self, self.grown)

    def __repr__(self) -> str:
        return f"<traced list of up to {self.buffer.shape[0]} tensors of {self.element_dtype.name}>"


class SparseList(Variant):
    """The gradient of a list of which compiled code read few elements: a sum of (index, value) pairs.

    An index is a number or a vector, the value one element or as many.  How long the list is, is not known: it
    becomes a buffer when it is added to one.
    """

    __slots__ = ("jax", "parts", "element_dtype", "element_shape")

    def __init__(self, jax: Any, parts: list[tuple[Any, Any]], element_dtype: Any) -> None:
        self.jax = jax
        self.parts = parts
        self.element_dtype = element_dtype
        self.element_shape = np.array(self.dims(), np.int32)

    def dims(self, element_shape: Any = None) -> tuple[int, ...]:
        """The shape of the elements."""
        index, value = self.parts[0]
        return tuple(value.shape[np.ndim(index):])

    def _dense(self, jax: Any, size: int) -> TracedList:
        dims, value = self.dims(), self.parts[0][1]
        start = TracedList(jax, jax.numpy.zeros((max(size, 1), *dims), value.dtype), size, self)
        return self._onto(start)

    def _onto(self, target: TracedList) -> TracedList:
        jax = self.jax
        buffer = jax.numpy.asarray(target.buffer)
        for index, value in self.parts:
            if np.ndim(index):
                buffer = buffer.at[index].add(value)
            else:
                # Rows that do not exist stay out of it: a slice would be moved to the last.
                inside = jax.numpy.logical_and(index >= 0, index < buffer.shape[0])
                value = jax.numpy.where(inside, value, jax.numpy.zeros((), value.dtype))
                before = jax.lax.dynamic_index_in_dim(buffer, index, 0, keepdims=False)
                buffer = jax.lax.dynamic_update_index_in_dim(buffer, before + value, index, 0)
        return target._with(buffer)

    def resize(self, jax: Any, size: int) -> TracedList:
        """The first `size` elements."""
        return self._dense(jax, size)

    def get(self, jax: Any, index: Any, element_shape: Any = None, forgiving: bool = True) -> Any:
        """The element at `index`."""
        jnp = jax.numpy
        total: Any = 0
        for where, value in self.parts:
            if np.ndim(where):
                mask = jnp.reshape(where == index, (-1,) + (1,) * (value.ndim - 1))
                total = total + jnp.sum(jnp.where(mask, value, jnp.zeros((), value.dtype)), axis=0)
            else:
                total = total + jnp.where(where == index, value, jnp.zeros((), value.dtype))
        return total

    def without(self, jax: Any, indices: Any) -> SparseList:
        """The list with zeros at `indices`."""
        jnp = jax.numpy
        parts = []
        for where, value in self.parts:
            equal = jnp.equal(jnp.reshape(jnp.asarray(where), (-1, 1)), jnp.reshape(jnp.asarray(indices), (1, -1)))
            gone = jnp.any(equal, axis=1)
            mask = jnp.reshape(gone, np.shape(where) + (1,) * (value.ndim - np.ndim(where)))
            parts.append((where, jnp.where(mask, jnp.zeros((), value.dtype), value)))
        return SparseList(jax, parts, self.element_dtype)

    def add_lists(self, other: AnyList) -> AnyList:
        """The element-wise sum."""
        if isinstance(other, SparseList):
            return SparseList(self.jax, [*self.parts, *other.parts], self.element_dtype)
        if isinstance(other, TracedList):
            return self._onto(other)
        other = other.sparse(self.jax)  # the other may be shorter than what an index here reaches
        return self if isinstance(other, TensorList) else self.add_lists(other)

    def _unsupported(self, *args: Any, **kwargs: Any) -> Any:
        raise HostNeeded("the length of the gradient of a list is not known while compiling")

    push = pop = set = stack = gather = scatter = concat = traced = zeros_like_list = enter = _unsupported

    def __repr__(self) -> str:
        return f"<sum of {len(self.parts)} elements of a list>"


AnyList = TensorList | TracedList | SparseList
