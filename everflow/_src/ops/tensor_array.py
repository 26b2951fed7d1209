"""`tf.TensorArray`: an array of tensors that loops fill and read.

Eagerly it is a Python list.  In graphs and functions it is a list of dtype variant (ops/tensor_list.py), its `flow`:
each write makes a new flow, and whatever takes the array apart (loops, branches, functions) sees the flow alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.constant_value import constant_value
from everflow._src.framework.context import STATE, current_graph, init_scope
from everflow._src.framework.conversion import convert
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.errors import InvalidArgumentError, OutOfRangeError
from everflow._src.framework.export import export
from everflow._src.framework.registry import CARDS
from everflow._src.framework.tensor import EagerTensor, Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.framework.tensor_spec import TensorSpec
from everflow._src.framework.type_spec import TypeSpec
from everflow._src.ops.constants import constant_of
from everflow._src.ops.naming import name_scope
from everflow._src.ops.tensor_list import shape_operand


def _as_tensor(value: Any, dtype: Any, name: str | None = None) -> Any:
    """`value` as a tensor; one of another dtype stays what it is."""
    if isinstance(value, Tensor) or hasattr(value, "_dense_var_to_tensor"):
        return convert(value, name=name)
    return convert(value, dtype, name=name)


def _int32(value: Any) -> Any:
    if isinstance(value, (int, np.integer)):
        return int(value)  # the operation that takes it names it
    value = convert(value) if not isinstance(value, Tensor) else value
    return value if value.dtype.base_dtype == dtypes.int32 else CARDS["Cast"](value, DstT=dtypes.int32)


def _in_graph() -> bool:
    return bool(STATE.busy) and current_graph() is not None


class _ShapeBox:
    """What is known of the shape of the elements: one object for an array and all arrays made of it."""

    __slots__ = ("shape", "infers")

    def __init__(self, shape: Any, infers: bool) -> None:
        self.shape = TensorShape(shape)
        self.infers = infers

    def learn(self, shape: TensorShape, text: str) -> None:
        """Takes in the shape of an element.

        Raises:
          ValueError: it contradicts what is known.
        """
        if not self.shape.is_compatible_with(shape):
            raise ValueError(text.format(shape, self.shape))
        if self.infers:
            self.shape = self.shape.merge_with(shape)


# ---- eager arrays


class _Elements:
    """An eager array: a Python list of tensors, changed in place."""

    flow_is_list = False

    def __init__(self, dtype: Any, size: Any, dynamic_size: bool, clear_after_read: bool, box: _ShapeBox) -> None:
        if size is None:
            raise ValueError("Size must be declared for TensorArrays when eager execution is enabled.")
        self.dtype = dtype
        self.dynamic_size = dynamic_size
        self.clear_after_read = clear_after_read
        self.box = box
        self.items: list[Any] = [None] * int(size)
        self.cleared: set[int] = set()

    @property
    def flow(self) -> Any:
        return constant_of(0, dtypes.int32)

    def size(self, name: str | None = None) -> Any:
        return constant_of(len(self.items), dtypes.int32)

    def _zero(self, index: int) -> Any:
        if not self.box.shape.is_fully_defined():
            raise ValueError(f"Element {index} of the TensorArray was never written, and has no known shape: "
                             f"its element_shape is {self.box.shape}. Pass element_shape= or write it first")
        return constant_of(np.zeros(self.box.shape.as_list(), self.dtype.numpy_dtype), self.dtype)

    def read(self, index: Any, name: str | None = None) -> Any:
        index = int(index)
        if index < 0:
            raise OutOfRangeError(None, None, f"Reading from negative indices (index {index}) is not allowed.")
        if index >= len(self.items):
            raise OutOfRangeError(None, None,
                                  f"Tried to read from index {index} but array size is: {len(self.items)} ")
        if index in self.cleared:
            raise InvalidArgumentError(
                None, None, f"Could not read index {index} twice because it was cleared after a previous read (perhaps "
                "try setting clear_after_read = false?)",
            )
        value = self.items[index]
        if value is None:
            value = self.items[index] = self._zero(index)
        if self.clear_after_read:
            self.items[index] = None
            self.cleared.add(index)
        return value

    def write(self, index: Any, value: Any, name: str | None = None) -> None:
        index = int(index)
        value = self._element(value)
        if index < 0:
            raise OutOfRangeError(None, None, f"Writing to negative indices (index {index}) is not allowed.")
        if index >= len(self.items):
            if not self.dynamic_size:
                raise OutOfRangeError(
                    None, None,
                    f"Tried to write to index {index} but array is not resizeable and size is: {len(self.items)} ",
                )
            self.items.extend([None] * (index + 1 - len(self.items)))
        self.items[index] = value
        self.cleared.discard(index)

    def _element(self, value: Any) -> Any:
        value = _as_tensor(value, self.dtype)
        if value.dtype.base_dtype != self.dtype:
            raise InvalidArgumentError(
                None, None,
                f"TensorArray dtype is {self.dtype.name} but Op is trying to write dtype {value.dtype.name} ",
            )
        self.box.learn(value.shape, "Incompatible shape for value ({}), expected ({})")
        return value

    def stack(self, name: str | None = None) -> Any:
        for index, value in enumerate(self.items):
            if value is None:
                self.items[index] = self._zero(index)
        if not self.items:
            shape = self.box.shape
            return convert(np.zeros([0, *(shape.as_list() if shape.is_fully_defined() else ())],
                                    self.dtype.numpy_dtype), self.dtype)
        return CARDS["Pack"](list(self.items), axis=0, name=name)

    def gather(self, indices: Any, name: str | None = None) -> Any:
        if isinstance(indices, Tensor):
            indices = indices.numpy()  # type: ignore[attr-defined]
        values = [self.items[i] if self.items[i] is not None else self._zero(i) for i in map(int, indices)]
        if not values:
            return self.stack(name) if not self.items else CARDS["Slice"](
                self.stack(name), *(constant_of([0] * (1 + self.box.shape.rank), dtypes.int32),
                                    constant_of([0, *self.box.shape.as_list()], dtypes.int32)))
        return CARDS["Pack"](values, axis=0, name=name)

    def concat(self, name: str | None = None) -> Any:
        values = [v if v is not None else self._zero(i) for i, v in enumerate(self.items)]
        if len(values) == 1:
            return values[0]
        return CARDS["ConcatV2"](values, 0, name=name)

    def unstack(self, value: Any, name: str | None = None) -> None:
        value = _as_tensor(value, self.dtype)
        if value.shape.rank == 0:
            raise ValueError(f"Cannot unstack a scalar into a TensorArray: {value!r}")
        rows = CARDS["Unpack"](value, num=value.shape.as_list()[0], axis=0)
        if len(rows) > len(self.items) and not self.dynamic_size:
            raise ValueError(f"Cannot unstack {len(rows)} tensors into a TensorArray of static size "
                             f"{len(self.items)} ")
        self.cleared.clear()
        self.items = [self._element(row) for row in rows]

    def scatter(self, indices: Any, value: Any, name: str | None = None) -> None:
        if isinstance(indices, Tensor):
            indices = indices.numpy()  # type: ignore[attr-defined]
        value = _as_tensor(value, self.dtype)
        rows = CARDS["Unpack"](value, num=value.shape.as_list()[0], axis=0)
        for index, row in zip([int(i) for i in indices], rows):
            self.write(index, row)

    def split(self, value: Any, lengths: Any, name: str | None = None) -> None:
        value = _as_tensor(value, self.dtype)
        lengths = np.asarray(convert(lengths, dtypes.int64).numpy())
        if value.shape.rank == 0:
            raise InvalidArgumentError(None, None, "Expected value to be at least a vector, but received shape: [] ")
        total = int(lengths.sum())
        if total != value.shape.as_list()[0]:
            raise InvalidArgumentError(
                None, None, f"Expected sum of lengths to be equal to values.shape[0], but sum of lengths is {total} "
                f"and value's shape is: {value.shape.as_list()} ",
            )
        if not self.dynamic_size and len(self.items) != lengths.size:
            raise InvalidArgumentError(
                None, None, f"TensorArray's size is not equal to the size of lengths ({len(self.items)} vs. "
                f"{lengths.size}), and the TensorArray is not marked as dynamically resizeable.",
            )
        pieces = CARDS["SplitV"](value, convert(lengths), 0, num_split=int(lengths.size))
        self.cleared.clear()
        self.items = [self._element(piece) for piece in pieces]

    def close(self, name: str | None = None) -> None:
        self.items.clear()

    def as_list(self) -> Any:
        """A list of dtype variant with the same elements."""
        if _in_graph() and all(v is None or isinstance(v, EagerTensor) for v in self.items):
            with init_scope():  # it stays a value from outside
                return self.as_list()
        if self.box.shape.rank is None and any(v is None for v in self.items) or len({
                tuple(v.shape) for v in self.items if v is not None}) > 1:
            flow = CARDS["TensorListReserve"](shape_operand(self.box.shape), len(self.items), element_dtype=self.dtype)
            for index, value in enumerate(self.items):
                if value is not None:
                    flow = CARDS["TensorListSetItem"](flow, index, value, element_dtype=self.dtype)
            return flow
        stacked = self.stack()
        return CARDS["TensorListFromTensor"](stacked, shape_operand(self.box.shape), element_dtype=self.dtype)


# ---- arrays in graphs


class _Flow:
    """An array in a graph, or from one: a list of dtype variant.  Operations return new flows."""

    flow_is_list = True

    def __init__(self, dtype: Any, size: Any, dynamic_size: bool, box: _ShapeBox, flow: Any, name: str | None) -> None:
        self.dtype = dtype
        self.dynamic_size = dynamic_size
        self.clear_after_read = False
        self.box = box
        self.static_size: int | None = None
        if flow is not None:
            self.flow = flow
            return
        with name_scope(name, "TensorArrayV2") as scope:
            size = _int32(size)
            known = size if isinstance(size, int) else constant_value(size)
            if known is not None and not dynamic_size:
                self.static_size = int(known)
            self.flow = CARDS["TensorListReserve"](shape_operand(box.shape), size, element_dtype=dtype,
                                                   name=scope or None)

    def follow(self, flow: Any) -> _Flow:
        """The array after an operation that gave `flow`."""
        copy = _Flow(self.dtype, None, self.dynamic_size, self.box, flow, None)
        copy.static_size = self.static_size
        return copy

    def _count(self) -> int:
        return self.static_size if self.static_size is not None and not self.dynamic_size else -1

    def size(self, name: str | None = None) -> Any:
        if self._count() >= 0:
            return constant_of(self._count(), dtypes.int32)
        return CARDS["TensorListLength"](self.flow, name=name)

    def read(self, index: Any, name: str | None = None) -> Any:
        with name_scope(name, "TensorArrayV2Read"):
            return CARDS["TensorListGetItem"](self.flow, _int32(index), shape_operand(self.box.shape),
                                              element_dtype=self.dtype)

    def _element(self, value: Any, shape: Any = None) -> Any:
        value = _as_tensor(value, self.dtype)
        if value.dtype.base_dtype != self.dtype:
            raise InvalidArgumentError(None, None, f"Invalid data types; op elements {value.dtype.name} but list "
                                       f"elements {self.dtype.name}")
        return value

    def write(self, index: Any, value: Any, name: str | None = None) -> _Flow:
        with name_scope(name, "TensorArrayV2Write"):
            value = self._element(value)
            self.box.learn(value.shape, "Inconsistent shapes: saw {} but expected {} ")
            return self.follow(CARDS["TensorListSetItem"](
                self.flow, _int32(index), value, element_dtype=self.dtype,
                resize_if_index_out_of_bounds=self.dynamic_size))

    def stack(self, name: str | None = None) -> Any:
        with name_scope(name, "TensorArrayV2Stack"):
            return CARDS["TensorListStack"](self.flow, shape_operand(self.box.shape), element_dtype=self.dtype,
                                            num_elements=self._count())

    def gather(self, indices: Any, name: str | None = None) -> Any:
        return CARDS["TensorListGather"](self.flow, _int32(indices), shape_operand(self.box.shape),
                                         element_dtype=self.dtype, name=name)

    def concat(self, name: str | None = None) -> Any:
        shape = self.box.shape
        if shape.rank is not None:
            shape = TensorShape([None]).concatenate(shape[1:])
        with name_scope(name, "TensorArrayV2Concat"):
            return CARDS["TensorListConcatV2"](self.flow, shape_operand(shape), constant_of([], dtypes.int64),
                                               element_dtype=self.dtype)[0]

    def unstack(self, value: Any, name: str | None = None) -> _Flow:
        with name_scope(name, "TensorArrayUnstack"):
            value = self._element(value)
            if value.shape.rank == 0:
                raise ValueError(f"Cannot unstack a scalar into a TensorArray: {value!r}")
            element = value.shape[1:] if value.shape.rank is not None else TensorShape(None)
            self.box.learn(element, "Inconsistent shapes: saw {} but expected {} ")
            result = self.follow(CARDS["TensorListFromTensor"](value, shape_operand(element),
                                                               element_dtype=self.dtype))
        known = value.shape.as_list()[0] if value.shape.rank is not None else None
        if result.static_size != known:
            result.static_size = known
        return result

    def scatter(self, indices: Any, value: Any, name: str | None = None) -> _Flow:
        with name_scope(name, "TensorArrayScatter"):
            value = self._element(value)
            if value.shape.rank is not None:
                self.box.learn(value.shape[1:], "Inconsistent shapes: saw {} but expected {} ")
            return self.follow(CARDS["TensorListScatterIntoExistingList"](self.flow, value, _int32(indices),
                                                                          element_dtype=self.dtype))

    def split(self, value: Any, lengths: Any, name: str | None = None) -> _Flow:
        with name_scope(name, "TensorArraySplit"):
            value = self._element(value)
            lengths = convert(lengths)
            if lengths.dtype != dtypes.int64:
                lengths = CARDS["Cast"](lengths, DstT=dtypes.int64)
            element = TensorShape(None)
            if value.shape.rank is not None:
                known = constant_value(lengths)
                same = known is not None and len(set(known.tolist())) == 1
                element = TensorShape([int(known[0]) if same else None]).concatenate(value.shape[1:])
            self.box.learn(element, "Inconsistent shapes: saw {} but expected {} ")
            result = self.follow(CARDS["TensorListSplit"](value, shape_operand(element), lengths,
                                                          element_dtype=self.dtype))
        result.static_size = lengths.shape.as_list()[0] if lengths.shape.rank == 1 else None
        return result

    def close(self, name: str | None = None) -> Any:
        return CARDS["NoOp"](name=name)

    def as_list(self) -> Any:
        return self.flow


# ---- what users see


@export("TensorArray", v1=["TensorArray"])
class TensorArray:
    """An array of tensors of one dtype, for loops that read and write one element per iteration.

    In graphs and functions an array does not change: operations that write return a new one, which is to be used
    from then on.  Eager arrays change in place, and return themselves.

    Args:
      dtype: dtype of the elements.
      size: how many elements it has.
      dynamic_size: True lets it grow when something is written behind its end.
      clear_after_read: True (by default) lets each element be read once only; eager arrays check it.
      tensor_array_name: accepted.
      handle: must be None: arrays have no handle.
      flow: the list (dtype variant) of another array, which this one then is.
      infer_shape: True takes in the shapes of elements as they are written, and checks that they agree.
      element_shape: the shape of the elements, as far as it is known.
      colocate_with_first_write_call: accepted.
      name: name of the operation in a graph.

    Raises:
      ValueError: neither `size` nor `flow` is given, or both are.

    >>> import everflow as tf
    >>> array = tf.TensorArray(tf.int32, size=3)
    >>> for i in range(3):
    ...     array = array.write(i, i * i)
    >>> array.stack().numpy()
    array([0, 1, 4], dtype=int32)
    """

    def __init__(self, dtype: Any, size: Any = None, dynamic_size: bool | None = None,
                 clear_after_read: bool | None = None, tensor_array_name: str | None = None, handle: Any = None,
                 flow: Any = None, infer_shape: bool = True, element_shape: Any = None,
                 colocate_with_first_write_call: bool = True, name: str | None = None) -> None:
        dtype = as_dtype(dtype).base_dtype
        graph = current_graph() if STATE.busy else None
        if handle is not None:
            where = "in everflow" if graph is not None else "when eager execution is enabled"
            raise ValueError(f"TensorArray handles are not supported {where}.")
        if flow is not None and not (isinstance(flow, Tensor) and flow.dtype == dtypes.variant):
            raise TypeError(f"The flow of a TensorArray is a list of dtype variant, received {flow!r}")
        if flow is not None and size is not None:
            raise ValueError("Cannot provide both a flow and size at the same time to TensorArray")
        if flow is None and size is None and graph is not None:
            raise ValueError("Size must be provided if flow is not provided to TensorArray")
        box = _ShapeBox(element_shape, infer_shape)
        self._array: Any
        if graph is None and flow is None:
            clear = True if clear_after_read is None else bool(clear_after_read)
            self._array = _Elements(dtype, size, bool(dynamic_size), clear, box)
        else:
            self._array = _Flow(dtype, size, bool(dynamic_size), box, flow, name)

    def _follow(self, result: Any) -> TensorArray:
        if result is None:
            return self
        return _wrap(result)

    def _continued_as(self, other: TensorArray) -> None:
        """`other` is this array inside of a loop or behind it: what one learns of elements, the other knows."""
        if isinstance(self._array, _Flow):
            other._array.box = self._array.box
            other._array.static_size = self._array.static_size

    # ---- properties

    @property
    def flow(self) -> Any:
        """The list of dtype variant that the array is in graphs and functions."""
        return self._array.flow

    @property
    def handle(self) -> None:
        """None: arrays have no handle."""
        return None

    @property
    def dtype(self) -> Any:
        """Dtype of the elements."""
        return self._array.dtype

    @property
    def dynamic_size(self) -> bool:
        """True when the array grows as it is written."""
        return self._array.dynamic_size

    @property
    def element_shape(self) -> TensorShape:
        """Static shape of the elements, as far as it is known."""
        return self._array.box.shape

    @property
    def _type_spec(self) -> TensorArraySpec:
        return TensorArraySpec(self.element_shape, self.dtype, self.dynamic_size, self._array.box.infers)

    def __tf_tracing_type__(self, context: Any) -> TensorArraySpec:
        return self._type_spec

    # ---- operations

    def identity(self) -> TensorArray:
        """The same array."""
        if isinstance(self._array, _Elements):
            return self
        return _wrap(self._array.follow(CARDS["Identity"](self._array.flow)))

    def grad(self, source: str, flow: Any = None, name: str | None = None) -> Any:
        """Gradients of arrays need no array of their own here; this raises.

        Raises:
          NotImplementedError: always.
        """
        raise NotImplementedError("TensorArray.grad is not supported: the gradients of operations that use "
                                  "TensorArrays neither use nor need it.")

    def read(self, index: Any, name: str | None = None) -> Any:
        """The element at `index`.

        Raises:
          tf.errors.OutOfRangeError: (eager) there is none.
          tf.errors.InvalidArgumentError: it was read before and cleared (eager), or there is none (graphs).
        """
        return self._array.read(index, name)

    def write(self, index: Any, value: Any, name: str | None = None) -> TensorArray:
        """The array with `value` at `index`.

        Raises:
          ValueError: the shape of `value` differs from that of other elements, though `infer_shape`.
          tf.errors.InvalidArgumentError: it has another dtype than the array.
          tf.errors.OutOfRangeError: (eager) the array has no such index and does not grow.
        """
        return self._follow(self._array.write(index, value, name))

    def stack(self, name: str | None = None) -> Any:
        """All elements, along a new first axis; what was never written is zero."""
        return self._array.stack(name)

    def gather(self, indices: Any, name: str | None = None) -> Any:
        """The elements at `indices`, along a new first axis."""
        return self._array.gather(indices, name)

    def concat(self, name: str | None = None) -> Any:
        """The elements one behind another along their first axis."""
        return self._array.concat(name)

    def unstack(self, value: Any, name: str | None = None) -> TensorArray:
        """The array with the rows of `value` as its elements."""
        return self._follow(self._array.unstack(value, name))

    def scatter(self, indices: Any, value: Any, name: str | None = None) -> TensorArray:
        """The array with the rows of `value` at `indices`."""
        return self._follow(self._array.scatter(indices, value, name))

    def split(self, value: Any, lengths: Any, name: str | None = None) -> TensorArray:
        """The array of pieces of `value` that have `lengths` along its first axis."""
        return self._follow(self._array.split(value, lengths, name))

    def size(self, name: str | None = None) -> Any:
        """The number of elements, an int32 scalar."""
        return self._array.size(name)

    def close(self, name: str | None = None) -> Any:
        """Lets the elements go."""
        return self._array.close(name)

    def mark_used(self) -> None:
        """Accepted: unused arrays raise no alarm here."""


def _wrap(array: Any) -> TensorArray:
    result = TensorArray.__new__(TensorArray)
    result._array = array
    return result


@export("TensorArraySpec", v1=["TensorArraySpec"])
class TensorArraySpec(TypeSpec):
    """Describes a `tf.TensorArray`.

    Args:
      element_shape: the shape of its elements, as far as it is known.
      dtype: their dtype.
      dynamic_size: whether the array grows as it is written.
      infer_shape: whether it takes in the shapes of elements as they are written.
    """

    def __init__(self, element_shape: Any = None, dtype: Any = dtypes.float32, dynamic_size: bool = False,
                 infer_shape: bool = True) -> None:
        self._element_shape = TensorShape(element_shape)
        self._dtype = as_dtype(dtype)
        self._dynamic_size = dynamic_size
        self._infer_shape = infer_shape

    @property
    def value_type(self) -> type:
        return TensorArray

    @property
    def _component_specs(self) -> Sequence[Any]:
        return [TensorSpec([], dtypes.variant)]

    def _to_components(self, value: Any) -> Sequence[Any]:
        if not isinstance(value, TensorArray):
            raise TypeError(f"value must be a TensorArray, but saw: {type(value)}.")
        return [value._array.as_list()]

    def _from_components(self, components: Sequence[Any]) -> Any:
        box = _ShapeBox(self._element_shape, self._infer_shape)
        return _wrap(_Flow(self._dtype, None, self._dynamic_size, box, components[0], None))

    def _serialize(self) -> tuple[Any, ...]:
        return (self._element_shape, self._dtype, self._dynamic_size, self._infer_shape)

    def is_compatible_with(self, other: Any) -> bool:
        if not isinstance(other, TypeSpec):
            other = getattr(other, "_type_spec", None)
        return (isinstance(other, TensorArraySpec) and self._dtype.is_compatible_with(other._dtype)
                and self._element_shape.is_compatible_with(other._element_shape)
                and self._dynamic_size == other._dynamic_size)

    def __repr__(self) -> str:
        return (f"TensorArraySpec({self._element_shape!r}, {self._dtype!r}, {self._dynamic_size}, "
                f"{self._infer_shape})")
