"""Loops that save something in each iteration, and whose number of iterations depends on data.

Compiled code has lists as buffers of a fixed size.  Such a loop runs until its buffers are full; they are made larger,
and it goes on from where it stopped.  It is compiled once for each size, a power of two; the next time it begins with
the size that was enough.  Memory is proportional to the most iterations.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from everflow._src.framework.errors import OpError
from everflow._src.framework.func_graph import GraphFunction
from everflow._src.runtime.compiler import TraceFrame, find_touched
from everflow._src.runtime.failures import HostNeeded
from everflow._src.runtime.frames import HostFrame, LoopRecord, program_of
from everflow._src.runtime.jax_backend import jax_modules
from everflow._src.runtime.loop_lists import LoopBounds
from everflow._src.runtime.resources import STATE_LOCK, Resource, VariableResource, Variant
from everflow._src.runtime.tensor_lists import StackedList, TensorList, TracedList

_SMALLEST_CAPACITY = 32
# Up to this capacity buffers grow by more at a time: compiling takes longer than zeros.
_SMALL_CAPACITY = 512
# Integers that do not change in the loop are often shapes: they may be known while compiling, if they are few.
_LARGEST_SHAPE = 16
# A loop of which the forms of the arguments keep changing stays on the host.
_MOST_FORMS = 32
_NO_LIMIT = 1 << 62


class _NotNow(HostNeeded):
    """These arguments have no form on the device; others may have."""


def run_growing(frame: HostFrame, condition: GraphFunction, body: GraphFunction, arguments: Sequence[Any],
                record: LoopRecord) -> list[Any] | None:
    """The results of a loop that runs in compiled pieces; None when it cannot."""
    if record.pieces is None:
        record.pieces = GrowingLoop(condition, body)
    started = time.perf_counter()
    try:
        results, count = record.pieces.run(frame, arguments)
    except _NotNow:
        return None
    except HostNeeded:
        record.pieces = False
        return None
    record.note(True, time.perf_counter() - started, count)
    return results


class _Known:
    """Integers that are part of a compiled loop."""

    __slots__ = ("array", "key")

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.key = (array.dtype.str, array.shape, array.tobytes())


class _ListForm:
    """What compiled code must know of a list besides its elements and their number."""

    __slots__ = ("items", "key")

    def __init__(self, items: TensorList, empty: bool, buffer: Any) -> None:
        shape = items.element_shape
        self.items = TensorList([], 0, items.element_dtype, shape if shape is None else np.asarray(shape))
        described = None if shape is None else (np.asarray(shape).shape, np.asarray(shape).tobytes())
        self.key = (items.element_dtype.name, described, empty, None if empty else tuple(buffer.shape))


class GrowingLoop:
    """A loop in compiled pieces."""

    def __init__(self, condition: GraphFunction, body: GraphFunction) -> None:
        self.condition = condition
        self.body = body
        self.capacity = _SMALLEST_CAPACITY
        self.shapes_known = False
        self.growths: dict[int, Any] | None = None  # by position of a list: (elements an iteration, dims, dtype)
        self.pieces: dict[Any, _Piece] = {}
        self.lock = threading.RLock()

    def run(self, frame: HostFrame, arguments: Sequence[Any]) -> tuple[list[Any], int]:
        """The values behind the loop, and how often its body ran.

        Raises:
          HostNeeded: something in it has no compiled form.
        """
        modules = jax_modules()
        with modules.x64():
            if self.growths is None:
                with self.lock:
                    self._look(frame, arguments)
            state, capacity, count = list(arguments), self.capacity, 0
            while True:
                results, ran, holds, wanted = self._run_piece(frame, state, capacity)
                if wanted:  # some iteration wrote beyond the end: nothing was changed
                    capacity = _power_of_two(wanted)
                    continue
                state, count = results, count + ran
                if not holds:
                    break
                capacity *= 4 if capacity < _SMALL_CAPACITY else 2
        self.capacity = max(self.capacity, capacity)
        return state, count

    def _look(self, frame: HostFrame, arguments: Sequence[Any]) -> None:
        """Traces the loop to see how its lists grow."""
        while True:
            forms, arrays = self._take_apart(arguments, None)
            piece = _Piece(self, frame, forms, 1, jax_modules())
            try:
                self.growths = piece.look(arrays)
                return
            except OpError:
                if any(isinstance(f, _ListForm) and f.key[2] for f in forms):
                    raise _NotNow("a list without elements does not tell their shape") from None
                raise
            except HostNeeded:
                if self.shapes_known:
                    raise
                self.shapes_known = True

    def _run_piece(self, frame: HostFrame, arguments: Sequence[Any], capacity: int
                   ) -> tuple[list[Any], int, bool, int]:
        """Runs as many iterations as there is room for.

        Returns:
          The values behind them, their number, whether there are more, and how much capacity lists lacked: the values
          mean nothing then, and nothing was changed.
        """
        forms, arrays = self._take_apart(arguments, capacity)
        key = (id(frame.store), tuple(id(f) if isinstance(f, Resource) else f if isinstance(f, int) else f.key
                                      for f in forms))
        with self.lock:
            piece = self.pieces.get(key)
            if piece is None:
                if len(self.pieces) >= _MOST_FORMS:
                    raise HostNeeded("the forms of its arguments keep changing")
                piece = self.pieces[key] = _Piece(self, frame, forms, 0, jax_modules())
        limit = _NO_LIMIT
        for position, (count, _, _) in self.growths.items():  # type: ignore[union-attr]
            if count > 0:
                items = arguments[position]
                limit = min(limit, (_capacity(items, capacity) - items.length) // count)
        with STATE_LOCK:
            result = piece.run(arrays, limit)
            results, count, holds, wanted = _put_together(result, arguments)
            if not wanted:
                for resource, value in zip(piece.written, result.arrays[1]):
                    resource.value = value
                    resource.shared = True
        return results, count, holds, wanted

    def _take_apart(self, arguments: Sequence[Any], capacity: int | None) -> tuple[list[Any], list[Any]]:
        """Forms of the arguments, and arrays; buffers have room up to `capacity` where lists grow."""
        forms: list[Any] = []
        arrays: list[Any] = []
        steady = steady_positions(self.body) if self.shapes_known else set()
        for position, value in enumerate(arguments):
            if isinstance(value, TensorList):
                if value.open:
                    raise HostNeeded("the length of the gradient of a list is not known while compiling")
                buffer = _stacked(value)
                if capacity is not None and position in self.growths:  # type: ignore[operator]
                    count, dims, dtype = self.growths[position]  # type: ignore[index]
                    buffer = _with_room(buffer, _capacity(value, capacity) if count else 1, dims, dtype)
                forms.append(_ListForm(value, buffer is None, buffer))
                if buffer is not None:
                    arrays.extend((buffer, np.asarray(value.length, np.int32)))
            elif isinstance(value, Resource):
                forms.append(value)
            elif value is None or isinstance(value, Variant) or np.dtype(getattr(value, "dtype", None)).kind == "O":
                raise HostNeeded("a value has no form on the device")
            elif position in steady and np.asarray(value).dtype.kind in "iu" and np.size(value) <= _LARGEST_SHAPE:
                forms.append(_Known(np.asarray(value)))
            else:
                forms.append(0)
                arrays.append(value)
        return forms, arrays


class _Leaving:
    """What the values behind a piece are: None for an array, a dtype and a shape of elements for a list."""

    __slots__ = ("forms",)

    def __init__(self, forms: list[Any]) -> None:
        self.forms = forms


_SAME = "as it was"


def _put_together(result: Any, arguments: Sequence[Any]) -> tuple[list[Any], int, bool, int]:
    (values, _, count, holds), results, wanted = result.arrays, [], 0
    for position, (value, form) in enumerate(zip(values, result.form.forms)):
        if form is None:
            results.append(value)
        elif form == _SAME:
            results.append(arguments[position])
        else:
            buffer, length = value[0], int(value[1])
            wanted = max(wanted, length if length > buffer.shape[0] else 0)
            results.append(StackedList(buffer, length, *form))
    return results, int(count), bool(holds), wanted


class _Piece:
    """Some iterations of a loop, compiled for one form of its arguments."""

    def __init__(self, loop: GrowingLoop, frame: HostFrame, forms: Sequence[Any], room: int, modules: Any) -> None:
        self.loop = loop
        self.frame = frame
        self.forms = list(forms)
        self.room = room
        self.modules = modules
        self.growths: dict[int, Any] = {}
        touched: dict[int, list[Any]] = {}
        for function in (loop.condition, loop.body):
            program = program_of(function)
            inner = {slot: f for slot, f in zip(program.input_slots, forms) if isinstance(f, Resource)}
            find_touched(program.instructions, inner, frame, touched)
        for form in forms:
            if isinstance(form, Resource):
                touched.setdefault(id(form), [form, False])
        variables = [(r, w) for r, w in touched.values() if isinstance(r, VariableResource)]
        self.written = [r for r, w in variables if w]
        self.read = [r for r, w in variables if not w]
        self.function = modules.jit(self._trace)

    def run(self, arrays: Sequence[Any], limit: int) -> Any:
        """The compiled function on the present values of its variables, for no more than `limit` iterations."""
        values = [r.value for r in self.written], [r.value for r in self.read]
        return self.function(*values, arrays, np.asarray(limit, np.int64))

    def look(self, arrays: Sequence[Any]) -> dict[int, Any]:
        """How lists grow, by position: elements in an iteration, their shape and their dtype."""
        values = [r.value for r in self.written], [r.value for r in self.read]
        self.modules.jax.eval_shape(self._trace, *values, arrays, np.asarray(1, np.int64))
        return self.growths

    def _trace(self, written: Sequence[Any], read: Sequence[Any], arrays: Sequence[Any], limit: Any) -> Any:
        jax, jnp = self.modules.jax, self.modules.numpy
        values = {id(r): v for r, v in (*zip(self.written, written), *zip(self.read, read))}
        frame = TraceFrame(self.frame, values, self.modules)
        given = iter(arrays)
        arguments: list[Any] = []
        for form in self.forms:
            if isinstance(form, Resource):
                arguments.append(form)
            elif isinstance(form, _Known):
                arguments.append(form.array)
            elif isinstance(form, _ListForm):
                arguments.append(form.items if form.key[2] else TracedList(jax, next(given), next(given), form.items))
            else:
                arguments.append(next(given))
        bounds = LoopBounds(self.room, tried=True)
        results = frame.loop(self.loop.condition, self.loop.body, arguments, limit, bounds)
        for position, growth in bounds.growths.items():
            buffer = results[position].buffer
            self.growths[position] = (int(growth.elastic) or growth.count, tuple(buffer.shape[1:]), buffer.dtype)
        holds = frame.run(self.loop.condition, results)[0]
        leaving: list[Any] = []
        forms: list[Any] = []
        for value, before in zip(results, arguments):
            if value is before:
                leaving.append(())
                forms.append(_SAME)
            elif isinstance(value, TracedList):
                leaving.append((value.buffer, jnp.asarray(value.length, "int32")))
                forms.append((value.element_dtype, value.element_shape))
            elif isinstance(value, Variant):
                raise HostNeeded("a value has no form on the device")
            else:
                leaving.append(jnp.asarray(value))
                forms.append(None)
        state = [jnp.asarray(values[id(r)]) for r in self.written]
        return self.modules.Formed((leaving, state, bounds.ran, jnp.reshape(jnp.asarray(holds, bool), ())),
                                   _Leaving(forms))


def steady_positions(body: GraphFunction) -> set[int]:
    """Positions that the body returns as it received them."""
    return {i for i, (given, returned) in enumerate(zip(body.inputs, body.outputs)) if given is returned}


def _power_of_two(number: int) -> int:
    return 1 << max(number - 1, 0).bit_length()


def _stacked(items: TensorList) -> Any:
    """The elements of a list in one array, with room up to a power of two; None for a list without elements.

    Raises:
      HostNeeded: they have no common shape, or none on the device.
    """
    if isinstance(items, StackedList):
        return items.buffer
    if not items.length:
        return None
    values = items.values()
    known = [v for v in values if v is not None]
    if any(isinstance(v, Variant) or np.asarray(v).dtype == object for v in known) or not known:
        raise HostNeeded("a list has no form on the device")
    if any(np.shape(v) != np.shape(known[0]) for v in known):
        raise HostNeeded("the elements of a list differ in their shapes")
    buffer = np.zeros((_power_of_two(items.length), *np.shape(known[0])), np.asarray(known[0]).dtype)
    for row, value in enumerate(values):
        if value is not None:
            buffer[row] = value
    return buffer



def _capacity(items: TensorList, capacity: int) -> int:
    """The capacity of a list that grows: what it has at first does not count."""
    return max(capacity, _power_of_two(items.length + 1))


def _with_room(buffer: Any, capacity: int, dims: tuple[int, ...], dtype: Any) -> Any:
    if buffer is None:
        return np.zeros((capacity, *dims), dtype)
    if buffer.shape[0] >= capacity:
        return buffer
    larger = np.zeros((capacity, *dims), dtype)
    larger[:buffer.shape[0]] = buffer
    return larger
