"""Stretches of a program that repeat themselves: loops that Python has unrolled, found again.

A recurrent network written as a Python loop is a program of thousands of operations, its gradient as many more.  XLA
would compile them one by one, for half a minute, into code that nothing can be moved out of.  Where like operations
follow one another in like order, each stretch of them reading what the one before it computed, a compiled step runs one
stretch in a loop, as it does with loops that were written as such (runtime/counted_loops).

What a stretch reads from outside is the same for all; or there is one for each, and these are stacked; or it is a known
number for each (where a slice begins): operations that read those run before the loop, once for each stretch, or behind
it.  What is read of each stretch outside is stacked, and a sum of all (a gradient) is added up in the loop.  Two
stretches stay out of the loop: the first, which shows the shapes and what the loop starts with, and whatever is left
behind the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from everflow._src.runtime.counted_loops import LARGEST_STACK, run_counted
from everflow._src.runtime.instructions import Instruction
from everflow._src.runtime.resources import Resource, Variant
from everflow._src.runtime.unfinished import Unfinished, finished

# Programs of fewer operations compile quickly as they are.
_LEAST_PROGRAM = 120
# Stretches of fewer operations, or fewer of them, are not worth a loop.
_LEAST_PERIOD = 3
_LEAST_STRETCHES = 8
_LARGEST_PERIOD = 1500

FIXED, ONCE_EACH, LOOP, BEHIND = range(4)


class NoLoop(Exception):
    """The stretches differ in something that a loop cannot express."""


class Source(NamedTuple):
    """Where an operation of a stretch reads: the output of one in the same stretch (`back` 0), or in the one before."""

    back: int
    position: int
    output: int


class Row(Unfinished):
    """One row of a stack, taken out when something reads it."""

    __slots__ = ("stack", "index")

    def __init__(self, jax: Any, stack: Any, index: int) -> None:
        super().__init__(stack.shape[1:], stack.dtype, lambda: jax.lax.index_in_dim(stack, index, keepdims=False), ())
        self.stack = stack
        self.index = index


def with_repetitions(instructions: Sequence[Instruction], kept: Iterable[int]) -> list[Any]:
    """The instructions, with a `Repetition` in the place of each stretch that repeats itself often.

    Args:
      instructions: in the order in which they run.
      kept: slots that are read behind them.
    """
    instructions = list(instructions)
    if len(instructions) < _LEAST_PROGRAM:
        return instructions
    kinds = _kinds(instructions)
    found: list[Repetition] = []
    waiting = [(0, len(instructions))]
    graph = _Graph(instructions, kept)
    while waiting:
        first, last = waiting.pop()
        place = _longest(kinds[first:last])
        if place is None:
            continue
        start, period, length = place
        start += first
        waiting += [(first, start), (start + length, last)]
        repetition = _repetition(graph, start, period, length // period)
        if repetition is not None:
            found.append(repetition)
    items: list[Any] = []
    position = 0
    for repetition in sorted(found, key=lambda r: r.start):
        items += [*instructions[position:repetition.start], repetition]
        position = repetition.end
    return items + instructions[position:]


def _kinds(instructions: Sequence[Instruction]) -> np.ndarray:
    """Numbers that are equal for instructions that do the same to values of the same shapes."""
    numbers: dict[Any, int] = {}
    kinds = np.empty(len(instructions), np.int64)
    for index, instruction in enumerate(instructions):
        card = instruction.card
        if instruction.host or instruction.functions or card.own_state is not None or (
            card.stateful and not card.reads_only
        ):
            key: Any = index
        else:
            attrs = tuple(sorted((k, repr(v)) for k, v in instruction.attrs.items() if not k.startswith("_")))
            shapes = tuple((t._dtype, repr(t._shape)) for t in (*instruction.op._inputs, *instruction.op._outputs))
            key = (card.name, attrs, shapes, instruction.derefs)
        kinds[index] = numbers.setdefault(key, len(numbers))
    return kinds


def _longest(kinds: np.ndarray) -> tuple[int, int, int] | None:
    """Start, period and length of the longest stretch that repeats itself; of equally long ones the shortest period."""
    best, longest = None, _LEAST_STRETCHES * _LEAST_PERIOD - 1
    for period in range(_LEAST_PERIOD, min(len(kinds) // _LEAST_STRETCHES, _LARGEST_PERIOD) + 1):
        differs = np.flatnonzero(kinds[period:] != kinds[:-period])
        edges = np.concatenate(([-1], differs, [len(kinds) - period]))
        runs = np.diff(edges) - 1
        at = int(np.argmax(runs))
        length = int(runs[at]) + period
        if length > longest and length >= _LEAST_STRETCHES * period:
            best, longest = (int(edges[at]) + 1, period, length), length
    return best


class _Graph:
    """Who makes what is in a slot, and who reads it."""

    def __init__(self, instructions: Sequence[Instruction], kept: Iterable[int]) -> None:
        self.instructions = instructions
        self.makers = {slot: (i, o) for i, instruction in enumerate(instructions)
                       for o, slot in enumerate(instruction.outputs)}
        self.readers: dict[int, list[int]] = {}
        for i, instruction in enumerate(instructions):
            for slot in instruction.inputs:
                self.readers.setdefault(slot, []).append(i)
        self.kept = set(kept)


def _repetition(graph: _Graph, start: int, period: int, count: int) -> Repetition | None:
    """The longest run of stretches that read in the same way, from `start` on; None where there is none."""
    signatures = [_sources(graph, start, period, k) for k in range(count)]
    best, first = (0, 0), 0
    for k in range(1, count + 1):
        if k == count or signatures[k] != signatures[first]:
            if k - first > best[1] - best[0]:
                best = (first, k)
            first = k
    first, last = best
    sources = signatures[first]
    # The stretch before the first shows what the loop starts with.
    if first == 0 or last - first < _LEAST_STRETCHES - 1 or sources is None or not any(
        s is not None and s.back for each in sources for s in each
    ):
        return None
    return Repetition(graph, start + first * period, period, last - first, sources)


def _sources(graph: _Graph, start: int, period: int, stretch: int) -> list[list[Source | None]] | None:
    """Where the operations of a stretch read; None stands for outside.  None altogether for what reaches further."""
    found: list[list[Source | None]] = []
    for position in range(period):
        row: list[Source | None] = []
        for slot in graph.instructions[start + stretch * period + position].inputs:
            maker, output = graph.makers.get(slot, (-1, 0))
            if maker < start:
                row.append(None)
                continue
            origin, place = divmod(maker - start, period)
            if stretch - origin > 1:
                return None
            row.append(Source(stretch - origin, place, output))
        found.append(row)
    return found


class Repetition:
    """Stretches of a program that one loop can run.

    Args:
      graph: the program.
      start: where the first stretch of the loop begins; the one that ends there is like it.
      period: how many instructions a stretch has.
      count: how many stretches there are.
      sources: by position in a stretch and by operand: where it is read.
    """

    def __init__(self, graph: _Graph, start: int, period: int, count: int, sources: list[list[Source | None]]) -> None:
        self.start = start
        self.end = start + period * count
        self.period = period
        self.count = count
        self.sources = sources
        self.instructions = graph.instructions[start:self.end]
        self.before = graph.instructions[start - period:start]
        self.from_outside = {slot for slot in self._read_outside() if _is_from_outside(graph, slot)}
        # By (position, output): in which stretches it is read outside of the loop.
        self.read_of: dict[tuple[int, int], set[int]] = {}
        self.summed: set[tuple[int, int]] = set()
        for position in range(period):
            for output in range(len(self.instructions[position].outputs)):
                self._look_outside(graph, position, output)

    def _read_outside(self) -> Iterable[int]:
        for k in range(self.count):
            for position, row in enumerate(self.sources):
                yield from (s for s, source in zip(self._at(k, position).inputs, row) if source is None)

    def _at(self, stretch: int, position: int) -> Instruction:
        return self.instructions[stretch * self.period + position]

    def _slots(self, position: int, output: int) -> list[int]:
        return [self._at(k, position).outputs[output] for k in range(self.count)]

    def _look_outside(self, graph: _Graph, position: int, output: int) -> None:
        slots = self._slots(position, output)
        outside = [[r for r in graph.readers.get(slot, ()) if not self.start <= r < self.end] for slot in slots]
        read = {k for k, slot in enumerate(slots) if outside[k] or slot in graph.kept}
        if not read:
            return
        self.read_of[position, output] = read
        readers = {r for each in outside for r in each}
        if len(read) == self.count and len(readers) == 1 and not graph.kept.intersection(slots):
            reader = graph.instructions[next(iter(readers))]
            if reader.card.name == "AddN" and all(reader.inputs.count(s) == 1 for s in slots):
                self.summed.add((position, output))

    def run(self, env: list[Any], frame: Any, trace: Callable[[Sequence[Any], list[Any], Any], None]) -> None:
        """Leaves in `env` what the instructions compute: by a loop, or one by one where that cannot be."""
        try:
            self.attempt(env, frame, trace)
        except Exception:  # whatever is wrong shows again, with the operation that it belongs to
            trace(self.instructions, env, frame)

    def attempt(self, env: list[Any], frame: Any, trace: Callable[[Sequence[Any], list[Any], Any], None]) -> None:
        """The same by a loop.

        Raises:
          NoLoop: the stretches differ in something that a loop cannot express.
        """
        _Attempt(self, env, frame, trace).run()

    def __repr__(self) -> str:
        return f"<{self.count} times {self.period} operations>"


def _is_from_outside(graph: _Graph, slot: int) -> bool:
    """Whether a value is an argument or a variable's, as weights are: nothing that one would stack copies of."""
    maker = graph.makers.get(slot)
    return maker is None or graph.instructions[maker[0]].card.stateful


class _Attempt:
    """A repetition while it is traced."""

    def __init__(self, repetition: Repetition, env: list[Any], frame: Any, trace: Any) -> None:
        self.repetition = repetition
        self.env = env
        self.frame = frame
        self.trace = trace
        self.jax = frame.jax.jax
        self.jnp = frame.jax.numpy
        self.levels: list[int] = []
        # By the slots of the stretches, one of each: what is read of each, stacked.
        self.varying: dict[tuple[int, ...], Any] = {}

    def run(self) -> None:
        self._sort_out()
        repetition = self.repetition
        carried = self._carried()
        last: list[tuple[int, int]] = []
        stacked: list[tuple[int, int]] = []
        for key, stretches in repetition.read_of.items():
            if self.levels[key[0]] == LOOP and key not in repetition.summed:
                (last if stretches == {repetition.count - 1} else stacked).append(key)
        for position, row in enumerate(repetition.sources):
            if self.levels[position] == BEHIND:
                stacked += [(s.position, s.output) for s in row if s is not None and self.levels[s.position] == LOOP]
        last = [k for k in last if k not in stacked and k not in carried]
        stacked = list(dict.fromkeys(stacked))
        summed = [k for k in repetition.summed if self.levels[k[0]] == LOOP]
        self._loop(carried, last, stacked, summed)
        behind = [p for p, level in enumerate(self.levels) if level == BEHIND]
        for k in range(repetition.count if behind else 0):
            self.trace([repetition._at(k, p) for p in behind], self.env, self.frame)

    # ---- what runs where

    def _sort_out(self) -> None:
        """Finds what runs in the loop; runs what comes before it."""
        repetition, env = self.repetition, self.env
        for position, row in enumerate(repetition.sources):
            level = FIXED
            known_each = False
            for index, source in enumerate(row):
                slots = tuple(repetition._at(k, position).inputs[index] for k in range(repetition.count))
                if source is not None and source.back:
                    level = max(level, LOOP)
                elif source is not None and self.levels[source.position] >= LOOP:
                    level = max(level, self.levels[source.position])
                else:
                    kind = self._kind(slots, index in repetition._at(0, position).card.static_positions)
                    known_each = known_each or kind == ONCE_EACH
                    level = max(level, kind if kind != ONCE_EACH else FIXED)
            if known_each:
                level = BEHIND if level >= LOOP else ONCE_EACH
            self.levels.append(level)
            if level == FIXED:
                self.trace([repetition._at(0, position)], env, self.frame)
                for output, first in enumerate(repetition._at(0, position).outputs):
                    value = env[first] = finished(env[first])
                    for slot in repetition._slots(position, output):
                        env[slot] = value
            elif level == ONCE_EACH:
                self.trace([repetition._at(k, position) for k in range(repetition.count)], env, self.frame)
        for row, level in zip(repetition.sources, self.levels):
            for source in row:
                if level != LOOP or source is None:
                    continue
                read = self.levels[source.position]
                if read == BEHIND or read == ONCE_EACH and source.back:
                    raise NoLoop

    def _kind(self, slots: tuple[int, ...], is_static: bool) -> int:
        """FIXED for a value that is the same for all stretches, ONCE_EACH for known ones, LOOP for others."""
        values = [self.env[s] for s in slots]
        first = values[0]
        if all(v is first for v in values):
            return FIXED
        if any(isinstance(v, (Resource, Variant)) or v is None for v in values):
            raise NoLoop
        if not any(isinstance(v, Row) or self.frame.is_tracer(v) or isinstance(v, Unfinished) for v in values):
            arrays = [np.asarray(v) for v in values]
            if all(a.dtype == arrays[0].dtype and np.array_equal(a, arrays[0]) for a in arrays):
                return FIXED
            if is_static or arrays[0].dtype.kind not in "fc":
                return ONCE_EACH
        elif is_static:
            raise NoLoop
        self._stack(slots, values)
        return LOOP

    def _stack(self, slots: tuple[int, ...], values: list[Any]) -> None:
        """Notes of what the loop reads a row in each iteration."""
        if slots in self.varying:
            return
        if any(s in self.repetition.from_outside and self.frame.is_tracer(v) for s, v in zip(slots, values)):
            raise NoLoop
        shape, dtype = values[0].shape, values[0].dtype
        if any(v.shape != shape or v.dtype != dtype for v in values) or not self._is_small(shape, dtype):
            raise NoLoop
        if all(isinstance(v, Row) and v.stack is values[0].stack for v in values):
            step = values[1].index - values[0].index
            if all(b.index - a.index == step for a, b in zip(values, values[1:])):
                self.varying[slots] = (values[0].stack, values[0].index, step)
                return
        self.varying[slots] = (self.jnp.stack([finished(v) for v in values]), 0, 1)

    def _is_small(self, shape: tuple[int, ...], dtype: Any) -> bool:
        return self.repetition.count * int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize <= LARGEST_STACK

    def _carried(self) -> list[tuple[int, int]]:
        """What stretches read of the one before."""
        return list(dict.fromkeys(
            (s.position, s.output) for row, level in zip(self.repetition.sources, self.levels) if level >= LOOP
            for s in row if s is not None and s.back))

    # ---- the loop

    def _loop(self, carried: list[tuple[int, int]], last: list[tuple[int, int]], stacked: list[tuple[int, int]],
              summed: list[tuple[int, int]]) -> None:
        repetition, env, jax, jnp = self.repetition, self.env, self.jax, self.jnp
        body = [repetition._at(0, p) for p, level in enumerate(self.levels) if level == LOOP]
        if not body:
            return
        made = {(p, o) for p, level in enumerate(self.levels) if level == LOOP
                for o in range(len(repetition._at(0, p).outputs))}

        def slot(key: tuple[int, int]) -> int:
            return repetition._at(0, key[0]).outputs[key[1]]

        def slot_before(key: tuple[int, int]) -> int:
            return repetition.before[key[0]].outputs[key[1]]

        # What the loop sets must not be something that all stretches read.
        changed = {slots[0] for slots in self.varying} | {slot_before(k) for k in carried}
        if len(changed) < len(self.varying) + len(carried) or changed & self._fixed_slots():
            raise NoLoop

        def compute(count: Any, values: Sequence[Any]) -> list[Any]:
            local = list(env)
            for key, value in zip(carried, values):
                local[slot_before(key)] = value
            for slots, (stack, first, step) in self.varying.items():
                local[slots[0]] = jax.lax.dynamic_index_in_dim(
                    stack, np.int32(first) + np.int32(step) * count, keepdims=False)
            self.trace(body, local, self.frame)
            return local

        def array(value: Any) -> Any:
            value = finished(value)
            return value if self.frame.is_tracer(value) else jnp.asarray(value, value.dtype)

        start = [finished(env[slot_before(k)]) for k in carried]
        start = [v if isinstance(v, (np.ndarray, np.generic)) and v.dtype.kind in "iu" else array(v) for v in start]
        kept = list(made & {*last, *stacked, *summed})
        forms = dict(zip(kept, jax.eval_shape(
            lambda count, values: [array(compute(count, values)[slot(k)]) for k in kept], np.int32(0), start)))
        if any(not self._is_small(forms[k].shape, forms[k].dtype) for k in stacked):
            raise NoLoop

        # The first row is that of the stretch before: its like are read together.
        of_before = [k for k in stacked if self._fits(env[slot_before(k)], forms[k])]
        stacks = []
        for key in stacked:
            stack = jnp.zeros((repetition.count + 1, *forms[key].shape), forms[key].dtype)
            if key in of_before:
                stack = jax.lax.dynamic_update_index_in_dim(stack, array(env[slot_before(key)]), 0, 0)
            stacks.append(stack)
        zeros = [jnp.zeros(forms[k].shape, forms[k].dtype) for k in (*last, *summed)]

        def step(carry: Any) -> Any:
            count, values, stacks, ends, sums = carry
            local = compute(count, values)
            stacks = [jax.lax.dynamic_update_index_in_dim(s, array(local[slot(k)]), count + np.int32(1), 0)
                      for s, k in zip(stacks, stacked)]
            sums = [jax.lax.add(s, array(local[slot(k)])) for s, k in zip(sums, summed)]
            return (count + np.int32(1), [array(local[slot(k)]) for k in carried], stacks,
                    [array(local[slot(k)]) for k in last], sums)

        entering = (np.zeros((), np.int32), start, stacks, zeros[:len(last)], zeros[len(last):])
        leaving = run_counted(jax, step, entering, repetition.count)
        if leaving is None:
            leaving = jax.lax.while_loop(lambda carry: carry[0] < np.int32(repetition.count), step, entering)
        _, values, stacks, ends, sums = leaving
        for key, value in (*zip(carried, values), *zip(last, ends)):
            env[repetition._slots(*key)[-1]] = value
        for key, stack in zip(stacked, stacks):
            for k, place in enumerate(repetition._slots(*key)):
                env[place] = Row(jax, stack, k + 1)
            if key in of_before:
                env[slot_before(key)] = Row(jax, stack, 0)
        for key, value in zip(summed, sums):
            *others, end = repetition._slots(*key)
            env[end] = value
            for place in others:
                env[place] = None  # AddN passes over them

    def _fixed_slots(self) -> set[int]:
        """What the loop reads of outside that is the same for all stretches."""
        repetition = self.repetition
        found = set()
        for position, (row, level) in enumerate(zip(repetition.sources, self.levels)):
            for index, source in enumerate(row if level == LOOP else ()):
                slots = tuple(repetition._at(k, position).inputs[index] for k in range(repetition.count))
                if not (source is not None and (source.back or self.levels[source.position] == LOOP)) and (
                    slots not in self.varying
                ):
                    found.add(slots[0])
        return found

    def _fits(self, value: Any, form: Any) -> bool:
        return value is not None and not isinstance(value, Row) and (
            value.shape == form.shape and value.dtype == form.dtype)
