"""Lists of tensors as values of dtype variant: what loops save for their gradients, and TensorArrays hold.

On the host, and in compiled code outside of loops, a list is a Python list.  A compiled loop carries it as a
buffer of fixed capacity and a length that is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from everflow._src.framework.func_graph import GraphFunction
from everflow._src.runtime.failures import HostNeeded, invalid
from everflow._src.runtime.frames import new_program
from everflow._src.runtime.resources import Resource, Variant

# Loops are counted ahead up to this many iterations.
_LONGEST_COUNTED = 20_000


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

    def pop(self) -> tuple[TensorList, Any]:
        """The list without its last element, and that element.

        Raises:
          InvalidArgumentError: the list is empty.
        """
        if self.length == 0:
            raise invalid("Trying to pop from an empty list.")
        value = self.items[self.length - 1]
        if value is None:
            value = self.zeros_like_element()
        return TensorList(self.items, self.length - 1, self.element_dtype, self.element_shape), value

    def zeros_like_element(self) -> Any:
        """What an element that was never set reads as.

        Raises:
          InvalidArgumentError: nothing tells its shape.
        """
        shape = np.asarray(self.element_shape)
        known = next((v for v in self.values() if v is not None), None)
        if known is not None:
            return np.zeros(np.shape(known), self.element_dtype.numpy_dtype)
        if shape.ndim == 1 and (shape >= 0).all():
            return np.zeros(tuple(shape), self.element_dtype.numpy_dtype)
        raise invalid("Trying to read an uninitialized tensor but element_shape is not fully defined")

    def values(self) -> list[Any]:
        """The elements."""
        return self.items[:self.length]

    def __repr__(self) -> str:
        return f"<list of {self.length} tensors of {self.element_dtype.name}>"


class TracedList(Variant):
    """A list inside of a compiled loop.

    Attributes:
      buffer: the elements, stacked; those from `length` on mean nothing.
      length: a traced integer.
      grown: elements pushed less those popped since this object entered the body of the loop.
    """

    __slots__ = ("jax", "buffer", "length", "element_dtype", "element_shape", "grown")

    def __init__(self, jax: Any, buffer: Any, length: Any, like: Any, grown: int = 0) -> None:
        self.jax = jax
        self.buffer = buffer
        self.length = length
        self.element_dtype = like.element_dtype
        self.element_shape = like.element_shape
        self.grown = grown

    def push(self, value: Any) -> TracedList:
        """The list with `value` behind it."""
        if tuple(value.shape) != tuple(self.buffer.shape[1:]):
            raise HostNeeded("the elements of a list differ in their shapes")
        value = self.jax.numpy.asarray(value, self.buffer.dtype)
        buffer = self.jax.lax.dynamic_update_index_in_dim(self.buffer, value, self.length, 0)
        return TracedList(self.jax, buffer, self.length + 1, self, self.grown + 1)

    def pop(self) -> tuple[TracedList, Any]:
        """The list without its last element, and that element."""
        length = self.length - 1
        value = self.jax.lax.dynamic_index_in_dim(self.buffer, length, 0, keepdims=False)
        return TracedList(self.jax, self.buffer, length, self, self.grown - 1), value

    def __repr__(self) -> str:
        return f"<traced list of up to {self.buffer.shape[0]} tensors of {self.element_dtype.name}>"


AnyList = (TensorList, TracedList)


class Growth:
    """How one iteration changes a list: by how many elements, and what they look like."""

    __slots__ = ("count", "shape", "dtype")

    def __init__(self, before: Any, after: Any) -> None:
        if type(before) is not type(after):
            raise HostNeeded("a loop replaces a list by another one")
        self.count: int
        if isinstance(after, TracedList):
            self.count = after.grown - before.grown
            self.shape, self.dtype = tuple(after.buffer.shape[1:]), after.buffer.dtype
            return
        self.count = after.length - before.length
        examples = [v for v in (*before.values(), *after.values()) if v is not None]
        if not examples:
            raise HostNeeded("the shape of the elements of a list is not known while compiling")
        self.shape, self.dtype = tuple(examples[0].shape), examples[0].dtype
        if any(tuple(v.shape) != self.shape for v in examples):
            raise HostNeeded("the elements of a list differ in their shapes")


def with_room(jax: Any, items: Any, growth: Growth, iterations: int) -> TracedList:
    """`items` as a compiled loop carries it, with room for what the iterations push."""
    jnp = jax.numpy
    room = max(growth.count, 0) * iterations
    if isinstance(items, TracedList):
        if not room:
            return TracedList(jax, items.buffer, items.length, items)
        buffer = jnp.concatenate([items.buffer, jnp.zeros((room, *growth.shape), growth.dtype)])
        return TracedList(jax, buffer, items.length, items)
    if any(v is None for v in items.values()):
        raise HostNeeded("a list has elements that were never set")
    buffer = jnp.zeros((max(room, 1 - items.length), *growth.shape), growth.dtype)
    if items.length:
        buffer = jnp.concatenate([jnp.stack([jnp.asarray(v) for v in items.values()]), buffer])
    return TracedList(jax, buffer, jnp.asarray(items.length, "int32"), items)


def most_iterations(condition: GraphFunction, body: GraphFunction, arguments: Sequence[Any]) -> int | None:
    """How often the body can run at most, where arithmetic on known numbers tells; None where it does not.

    The condition often is the conjunction of a count and of something that depends on data: each part of it
    bounds the loop.
    """
    bounds = [
        _count(condition, part, body, arguments) for part in _conjuncts(condition.outputs[0])
    ]
    return min((b for b in bounds if b is not None), default=None)


def _conjuncts(tensor: Any) -> list[Any]:
    op = tensor._op
    if op.type == "LogicalAnd":
        return [c for t in op._inputs for c in _conjuncts(t)]
    if op.type == "Identity":
        return _conjuncts(op._inputs[0])
    return [tensor]


def _used_inputs(program: Any) -> set[int]:
    slots = {s for i in program.instructions for s in i.inputs} | set(program.output_slots)
    return {position for position, slot in enumerate(program.input_slots) if slot in slots}


def _count(condition: GraphFunction, part: Any, body: GraphFunction, arguments: Sequence[Any]) -> int | None:
    holds = new_program(condition.inputs, [part])
    needed = _used_inputs(holds)
    while True:
        positions = sorted(needed)
        following = new_program(body.inputs, [body.outputs[i] for i in positions])
        more = needed | _used_inputs(following)
        if more == needed:
            break
        needed = more
    for instruction in (*holds.instructions, *following.instructions):
        if instruction.host or instruction.wants_frame or instruction.card.stateful:
            return None
    state: list[Any] = [None] * len(arguments)
    for position in positions:
        value = arguments[position]
        if isinstance(value, (Resource, Variant)) or not isinstance(value, (np.ndarray, np.generic)):
            return None
        state[position] = value
    for count in range(_LONGEST_COUNTED + 1):
        if not bool(np.asarray(holds.execute(state, None)[0])):
            return count
        for position, value in zip(positions, following.execute(state, None)):
            state[position] = value
    return None
