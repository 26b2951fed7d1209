"""Lists that compiled loops carry: how much room they need, found by looking at one iteration and counting ahead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework.func_graph import GraphFunction
from everflow._src.runtime.failures import HostNeeded
from everflow._src.runtime.frames import HOST_FRAME, new_program
from everflow._src.runtime.resources import Resource, Variant
from everflow._src.runtime.tensor_lists import AnyList, SparseList, TensorList, TracedList, is_known

# Loops are counted ahead up to this many iterations.
_LONGEST_COUNTED = 20_000


class CarriedLists:
    """The lists among the variables of a loop.

    Args:
      jax: the jax module.
      condition: the condition of the loop.
      body: its body.
      arguments: what enters the loop.
      positions: where lists are among the arguments.
      maximum_iterations: a limit on iterations besides the condition, or None.
      bounds: what is known of the number of iterations.
    """

    def __init__(self, jax: Any, condition: GraphFunction, body: GraphFunction, arguments: Sequence[Any],
                 positions: Sequence[int], maximum_iterations: int | None, bounds: LoopBounds) -> None:
        self.jax = jax
        self.bounds = bounds
        self.body = body
        self.condition = condition
        self.arguments = arguments
        self.positions = list(positions)
        self.maximum_iterations = maximum_iterations
        self.entering: dict[int, Any] = {}
        self.final_lengths: dict[int, int] = {}
        self.uneven: dict[int, bool] = {}

    def make_room(self, run_body: Callable[[], Sequence[Any]]) -> None:
        """Runs the body once, for its shapes alone, and gives each list the buffer that the loop needs.

        Raises:
          HostNeeded: a list has no form on the device, or how much room it needs is not known.
        """
        if not self.positions:
            return
        growths: dict[int, Growth] = {}

        def look(unknown: Any) -> None:
            self.entering = {i: self.arguments[i].enter(unknown) for i in self.positions}
            outputs = run_body()
            growths.update({i: Growth(self.entering[i], outputs[i]) for i in self.positions})

        self.jax.eval_shape(look, np.zeros((), np.int32))
        iterations, exact = 0, False
        if any(g.count or g.elastic or g.uneven for g in growths.values()):
            iterations, exact = self._iterations(any(g.count > 0 for g in growths.values()))
        for position, growth in growths.items():
            self.entering[position] = self._with_room(position, growth, iterations, exact)
        self.bounds.growths = growths

    def _iterations(self, needed: bool) -> tuple[int, bool]:
        found, exact = self.bounds.most, self.bounds.exact
        if self.maximum_iterations is not None and not self.bounds.tried:
            found = self.maximum_iterations if found is None else min(found, self.maximum_iterations)
        if found is None:
            if needed:
                raise HostNeeded("it saves values in each iteration, and their number is not known")
            return 0, False
        return found, exact

    def _with_room(self, position: int, growth: Growth, iterations: int, exact: bool) -> TracedList:
        jnp = self.jax.numpy
        items = self.arguments[position]
        length = items.length
        capacity = length if is_known(length) else None
        room = max(growth.count, 0) * iterations
        final = None
        if growth.elastic and self.bounds.tried:
            # Where it reaches is seen behind the loop.
            room = max(room, iterations)
        elif growth.elastic:
            last = self._last_index(position)
            if capacity is None:
                raise HostNeeded("a list of unknown length grows in a loop")
            room = max(room, last + 1 - capacity)
            if exact and not growth.count:
                final = max(capacity, last + 1)
        elif exact and growth.count and not growth.uneven and is_known(length):
            final = length + growth.count * iterations
        if isinstance(items, TensorList):
            traced = items.traced(self.jax, growth.shape, room)
        elif room:
            more = jnp.zeros((room, *growth.shape), items.buffer.dtype)
            traced = TracedList(self.jax, jnp.concatenate([items.buffer, more]), length, items)
        else:
            traced = TracedList(self.jax, items.buffer, length, items)
        if final is not None:
            self.final_lengths[position] = final
        if growth.count or growth.elastic or growth.uneven:
            length = jnp.asarray(length, "int32")
        grown = max(growth.count, 0) * iterations
        self.uneven[position] = growth.uneven or growth.elastic or not exact
        return TracedList(self.jax, traced.buffer, length, traced, grown, True)

    def _last_index(self, position: int) -> int:
        """The largest index at which the body makes a list longer."""
        indices = []
        tensor, given = self.body.outputs[position], self.body.inputs[position]
        while tensor is not given:
            op = tensor._op
            if op.type == "TensorListSetItem":
                if op._attrs["resize_if_index_out_of_bounds"]:
                    indices.append(op._inputs[1])
            elif op.type != "Identity":
                raise HostNeeded(f"{op.type} changes a list that grows in a loop")
            tensor = op._inputs[0]
        last = largest_values(self.condition, self.body, self.arguments, indices)
        if last is None:
            raise HostNeeded("a list grows to a length that is not known while compiling")
        return last

    # ---- what lax.while_loop carries

    def start(self) -> list[Any]:
        """The arrays of all lists as the loop begins."""
        parts = []
        for position in self.positions:
            _, *length = _parts(self.entering[position])
            known = self.arguments[position].length
            if length and is_known(known):
                length = [np.asarray(known, np.int32)]
            parts.append((self._buffer(position), *length))
        return parts

    def _buffer(self, position: int) -> Any:
        """The elements of a list as the loop begins; integers that are known stay so."""
        items, buffer = self.arguments[position], self.entering[position].buffer
        if not isinstance(items, TensorList) or buffer.dtype.kind not in "iu" or buffer.size > _LONGEST_COUNTED:
            return buffer
        known = np.zeros(buffer.shape, buffer.dtype)
        for row, value in enumerate(items.values()):
            if value is not None:
                if not is_known(value):
                    return buffer
                known[row] = value
        return known

    def rebuild(self, full: list[Any], parts: Sequence[Any]) -> None:
        """Puts lists made of the carried arrays in their places."""
        for position, part in zip(self.positions, parts):
            like = self.entering[position]
            full[position] = TracedList(self.jax, part[0], part[1] if len(part) > 1 else like.length, like, 0, True)

    def finish(self, full: list[Any], parts: Sequence[Any]) -> None:
        """Puts the lists that leave the loop in their places."""
        for position, part in zip(self.positions, parts):
            like = self.entering[position]
            length = self.final_lengths.get(position)
            if length is None:
                length = part[1] if len(part) > 1 else like.length
            before = self.arguments[position]
            grown = (before.length if isinstance(before, TensorList) else before.grown) + like.grown
            uneven = isinstance(before, TracedList) and before.uneven
            if not is_known(like.length):
                uneven = uneven or self.uneven[position]
            full[position] = TracedList(self.jax, part[0], length, like, grown, bool(before.room), uneven=uneven)

    def taken(self, outputs: Sequence[Any]) -> list[Any]:
        """The arrays of all lists after an iteration."""
        results: list[Any] = []
        for position in self.positions:
            like, after = self.entering[position], outputs[position]
            if isinstance(after, SparseList):
                after = after.resize(self.jax, like.buffer.shape[0])
            if isinstance(after, TensorList):
                after = after.traced(self.jax, like.dims(), max(like.buffer.shape[0] - after.length, 0))
            buffer = after.buffer
            missing = like.buffer.shape[0] - buffer.shape[0]
            if missing > 0:
                more = self.jax.numpy.zeros((missing, *like.dims()), buffer.dtype)
                buffer = self.jax.numpy.concatenate([buffer, more])
            elif missing < 0:
                buffer = buffer[:like.buffer.shape[0]]
            if is_known(like.length):
                if not is_known(after.length) or int(after.length) != int(like.length):
                    raise HostNeeded("a loop changes the length of a list")
                results.append((buffer,))
            else:
                results.append((buffer, self.jax.numpy.asarray(after.length, "int32")))
        return results


def _parts(items: TracedList) -> tuple[Any, ...]:
    return (items.buffer,) if is_known(items.length) else (items.buffer, items.length)


class Growth:
    """How one iteration changes a list: by how many elements, and what they look like."""

    __slots__ = ("count", "shape", "elastic", "uneven")

    def __init__(self, before: Any, after: Any) -> None:
        self.elastic = self.uneven = False
        if isinstance(after, SparseList):
            # The sum of an empty list and of gradients that one iteration adds.
            raise HostNeeded("the length of the gradient of a list is not known while compiling")
        self.count: int = after.grown - before.grown
        if isinstance(after, TracedList):
            self.shape: Any = after.dims()
            self.elastic, self.uneven = after.elastic, after.uneven
            return
        shapes = {tuple(v.shape) for items in (before, after) for v in items.values() if v is not None}
        if len(shapes) > 1:
            raise HostNeeded("the elements of a list differ in their shapes")
        self.shape = shapes.pop() if shapes else None


class BranchLists:
    """The lists that branches return: all branches must return them in one form."""

    def __init__(self, jax: Any) -> None:
        self.jax = jax
        self.seen: dict[int, list[Any]] = {}
        self.forms: dict[int, TracedList] = {}

    def see(self, position: int, items: AnyList) -> None:
        """Takes note of what one branch returns."""
        self.seen.setdefault(position, []).append(items)

    def settle(self) -> None:
        """Chooses forms that hold what any branch returns.

        Raises:
          HostNeeded: there is none.
        """
        for position, found in self.seen.items():
            shapes = {d for d in (items.dims() for items in found) if d is not None}
            if len(shapes) != 1:
                raise HostNeeded("the elements of a list differ in their shapes, or these are not known")
            sized = [items for items in found if isinstance(items, TracedList)
                     or isinstance(items, TensorList) and not items.open]
            if not sized:
                raise HostNeeded("the length of the gradient of a list is not known while compiling")
            dims = shapes.pop()
            traced = [i.traced(self.jax, dims) if isinstance(i, TensorList) else i for i in sized]
            # Forms are Python objects of a trace that is over: only shapes and numbers of them are used.
            largest = max(traced, key=lambda i: i.buffer.shape[0])
            lengths = {int(i.length) if is_known(i.length) else None for i in traced}
            uneven = len({i.grown for i in traced}) > 1 or any(i.uneven for i in traced)
            form = TracedList(self.jax, self.jax.ShapeDtypeStruct(largest.buffer.shape, largest.buffer.dtype),
                              lengths.pop() if len(lengths) == 1 else None, largest, max(i.grown for i in traced),
                              all(i.room for i in traced), any(i.elastic for i in traced), uneven)
            self.forms[position] = form

    def parts(self, position: int, items: AnyList | None) -> tuple[Any, ...]:
        """The arrays of one list; zeros for a branch that does not make it."""
        jnp, form = self.jax.numpy, self.forms[position]
        capacity, dims = form.buffer.shape[0], form.dims()
        if items is None:
            buffer, length = jnp.zeros(form.buffer.shape, form.buffer.dtype), 0
        else:
            if isinstance(items, SparseList) or isinstance(items, TensorList) and items.open:
                items = items.resize(self.jax, capacity)
            if isinstance(items, TensorList):
                items = items.traced(self.jax, dims)
            buffer, length = items.buffer, items.length
            if buffer.shape[0] < capacity:
                more = jnp.zeros((capacity - buffer.shape[0], *dims), buffer.dtype)
                buffer = jnp.concatenate([buffer, more])
        return (buffer,) if form.length is not None else (buffer, jnp.asarray(length, "int32"))

    def rebuild(self, position: int, parts: tuple[Any, ...]) -> TracedList:
        """The list that the branches return."""
        form = self.forms[position]
        length = form.length if form.length is not None else parts[1]
        return TracedList(self.jax, parts[0], length, form, form.grown, form.room, form.elastic, form.uneven)


# ---- counting ahead


class LoopBounds:
    """How often a body can run, where arithmetic on known numbers tells.

    The condition often is the conjunction of a count and of something that depends on data: each part of it
    bounds the loop.

    Attributes:
      most: a bound, or None.
      exact: True when the body runs as often as that.
      finals: if it is exact, the last values of the variables that tell so, by position.
      tried: True when it is no bound: the loop stops while there is room, and goes on elsewhere.
      growths: how lists of a loop that is tried grow in an iteration, by position.
      ran: how often the body ran, once it did.
    """

    __slots__ = ("most", "exact", "finals", "tried", "growths", "ran")

    def __init__(self, most: int | None, exact: bool = False, finals: dict[int, Any] | None = None,
                 tried: bool = False) -> None:
        self.most = most
        self.exact = exact
        self.finals = finals or {}
        self.tried = tried
        self.growths: dict[int, Growth] = {}
        self.ran: Any = None

    @classmethod
    def counted(cls, condition: GraphFunction, body: GraphFunction, arguments: Sequence[Any]) -> LoopBounds:
        """What running ahead tells."""
        ahead = []
        for part in _conjuncts(condition.outputs[0]):
            # The count that every tf.while_loop keeps is wanted too: the loop of its gradient goes by it.
            run = _Ahead(condition, part, body, arguments, (), (0,))
            ahead.append(run if run.count is not None else _Ahead(condition, part, body, arguments, ()))
        known = [a for a in ahead if a.count is not None]
        first = min(known, key=lambda a: a.count or 0, default=None)
        exact = len(known) == len(ahead)
        if first is None:
            return cls(None, exact)
        return cls(first.count, exact, first.finals if exact else None)


def largest_values(condition: GraphFunction, body: GraphFunction, arguments: Sequence[Any], tensors: Sequence[Any]
                   ) -> int | None:
    """The largest value that integers computed in the body take, or None where that is not known."""
    results = []
    for part in _conjuncts(condition.outputs[0]):
        ahead = _Ahead(condition, part, body, arguments, tensors)
        if ahead.count is not None:
            results.append(ahead.largest)
    return min(results, default=None)


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


class _Ahead:
    """A loop run ahead as far as its condition, and the tensors that are watched, depend on known numbers alone.

    Attributes:
      count: the number of iterations, or None.
      largest: the largest value of the watched tensors, -1 when the body never runs.
      finals: the last values of the variables on which the condition depends.
    """

    def __init__(self, condition: GraphFunction, part: Any, body: GraphFunction, arguments: Sequence[Any],
                 watched: Sequence[Any], also: Sequence[int] = ()) -> None:
        self.count: int | None = None
        self.largest = -1
        self.finals: dict[int, Any] = {}
        watched = list(watched)
        holds = new_program(condition.inputs, [part])
        needed = _used_inputs(holds) | {i for i in also if i < len(arguments) and is_known(arguments[i])}
        while True:
            positions = sorted(needed)
            following = new_program(body.inputs, [*(body.outputs[i] for i in positions), *watched])
            more = needed | _used_inputs(following)
            if more == needed:
                break
            needed = more
        for instruction in (*holds.instructions, *following.instructions):
            if instruction.host or instruction.wants_frame or instruction.card.stateful:
                return
        state: list[Any] = [None] * len(arguments)
        for position in positions:
            value = arguments[position]
            if isinstance(value, (Resource, Variant)) or not isinstance(value, (np.ndarray, np.generic)):
                return
            state[position] = value
        self._run(holds, following, positions, state)

    def _run(self, holds: Any, following: Any, positions: list[int], state: list[Any]) -> None:
        for count in range(_LONGEST_COUNTED + 1):
            if not bool(np.asarray(holds.execute(state, HOST_FRAME)[0])):
                self.count = count
                self.finals = {p: np.asarray(state[p]) for p in positions}
                return
            results = following.execute(state, HOST_FRAME)
            for position, value in zip(positions, results):
                state[position] = value
            for value in results[len(positions):]:
                self.largest = max(self.largest, int(np.asarray(value)))
