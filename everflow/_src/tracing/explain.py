"""`f.explain()`: which traces a function has, why, how often they ran and in which tier."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import logging, nest
from everflow._src.framework.operation import location_text, user_frames
from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.framework.tensor_spec import TensorSpec
from everflow._src.framework.type_spec import TypeSpec
from everflow._src.runtime.background import BACKGROUND
from everflow._src.runtime.compiler import HostStep
from everflow._src.tracing.cache_key import by_value
from everflow._src.variables.variable import Variable

# Traces in this many calls in a row are worth a warning.
TRACES_IN_A_ROW = 5
_LONGEST_VALUE = 60
_CONTEXT = "the surroundings"

Arguments = dict[str, str]


# ------------------------------------------------------------------ arguments, for people to read


def describe(names: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any], shapes: Sequence[TensorShape],
             surroundings: Any) -> Arguments:
    """What a trace was made for: a text per tensor and per Python value of the arguments, by its path."""
    described: Arguments = {}
    remaining = list(shapes)

    def visit(path: str, value: Any) -> None:
        if isinstance(value, Variable):
            described[path] = f"variable {value.name!r} {_tensor_text(value.dtype, value.shape)}"
        elif isinstance(value, (Tensor, TensorSpec)):
            described[path] = _tensor_text(value.dtype, remaining.pop(0))
        elif isinstance(value, (np.ndarray, np.generic)):
            described[path] = _tensor_text(value.dtype, remaining.pop(0))
        elif isinstance(value, Mapping):
            for key in _sorted(value):
                visit(f"{path}[{key!r}]", value[key])
            if not value:
                described[path] = "an empty dict"
        elif isinstance(value, tuple) and hasattr(value, "_fields"):
            for field in value._fields:
                visit(f"{path}.{field}", getattr(value, field))
        elif isinstance(value, (list, tuple)):
            for index, part in enumerate(value):
                visit(f"{path}[{index}]", part)
            if not value:
                described[path] = f"an empty {type(value).__name__}"
        else:
            spec = value if isinstance(value, TypeSpec) else getattr(value, "_type_spec", None)
            if isinstance(spec, TypeSpec):
                described[path] = repr(spec)
                for _ in nest.flatten(value, expand_composites=True):
                    remaining.pop(0)
            elif hasattr(value, "__array__") and not isinstance(value, type) and not callable(value):
                described[path] = _tensor_text(np.asarray(value).dtype, remaining.pop(0))
            else:
                described[path] = _value_text(value)

    try:
        for name, value in [*zip(names, args), *sorted(kwargs.items())]:
            visit(name, value)
    except IndexError:  # a kind of argument that holds tensors elsewhere
        described["arguments"] = "of a kind of their own"
    if surroundings is not None:
        graph, device = surroundings
        parts = [f"graph {graph:#x}"] if graph is not None else []
        described[_CONTEXT] = ", ".join([*parts, *([f"device {device}"] if device is not None else [])])
    return described


def _sorted(mapping: Mapping[Any, Any]) -> list[Any]:
    try:
        return sorted(mapping)
    except TypeError:
        return list(mapping)


def _tensor_text(dtype: Any, shape: Any) -> str:
    name = getattr(dtype, "name", str(dtype))
    shape = TensorShape(shape)
    return f"{name} {shape if shape.rank is not None else '<unknown shape>'}"


def _value_text(value: Any) -> str:
    if isinstance(value, (bool, int, float, complex, str, bytes, type(None), range, frozenset)) or by_value(value):
        text = repr(value)
        return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "..."
    if isinstance(value, type) or callable(value) and hasattr(value, "__qualname__"):
        return f"{getattr(value, '__qualname__', value)} at {id(value):#x}"
    return f"<{type(value).__name__} object at {id(value):#x}>"


def differences(old: Arguments, new: Arguments) -> list[tuple[str, str, str]]:
    """(argument, as it was, as it is) of everything in which two traces differ."""
    paths = list(dict.fromkeys([*old, *new]))
    return [(p, old.get(p, "absent"), new.get(p, "absent")) for p in paths if old.get(p) != new.get(p)]


def closest(earlier: Sequence[Arguments], new: Arguments) -> tuple[int, list[tuple[str, str, str]]] | None:
    """The earlier trace that differs least from `new` (the latest of these), and in what."""
    found = None
    for index, old in enumerate(earlier):
        differing = differences(old, new)
        if found is None or len(differing) <= len(found[1]):
            found = (index, differing)
    return found


# ------------------------------------------------------------------ warnings


def advice_for(differing: Sequence[tuple[str, str, str]]) -> str:
    """What to do about a trace that was made for these differences."""
    if not differing:
        return "pass the same object instead of a new one, or what is needed of it as tensors"
    _, old, new = differing[0]
    if " (" in old and " (" in new and old.partition(" ")[0] == new.partition(" ")[0] and old[-1] == new[-1] == ")":
        return "make the function with reduce_retracing=True, or with an input_signature of unknown dimensions"
    if " object at 0x" in new or new.startswith("variable"):
        return "pass the same object instead of a new one, or what is needed of it as tensors"
    return "pass a tensor (tf.constant) where the value changes from call to call"


def warn_of_retracing(name: str, defined: str, called: str, differing: Sequence[tuple[str, str, str]]) -> None:
    """Says, once per function, that it is traced over and over."""
    if differing:
        changes = "; ".join(f"argument {path!r} was {old}, is {new}" for path, old, new in differing[:3])
    else:
        changes = "an argument is another object of the same kind"
    logging.warning(
        "tf.function %s (%s) was traced in each of its last %d calls, now at %s: %s. Tracing takes much longer than "
        "running: %s. explain() of the function lists its traces.",
        name, defined, TRACES_IN_A_ROW, called, changes, advice_for(differing),
    )


class _Making:
    """How often one piece of Python code became a tf.function that was traced and then hardly used."""

    def __init__(self) -> None:
        self.in_a_row = 0
        self.warned = False
        self.last: Any = lambda: None
        self.last_calls = 0


_makings: weakref.WeakKeyDictionary[Any, _Making] = weakref.WeakKeyDictionary()


def note_first_trace(function: Any, code: Any, defined: str, called: str) -> None:
    """Warns when the same code is made into a tf.function again and again, and traced each time."""
    if code is None:
        return
    making = _makings.setdefault(code, _Making())
    last = making.last()
    calls = last.total_calls() if last is not None else making.last_calls
    making.in_a_row = making.in_a_row + 1 if calls <= 1 else 1
    making.last = weakref.ref(function)
    making.last_calls = 0
    counted = weakref.finalize(function, _note_calls, making, function.call_counter)
    counted.atexit = False
    if making.in_a_row >= TRACES_IN_A_ROW and not making.warned:
        making.warned = True
        logging.warning(
            "%d tf.functions were made of %s (%s), and each was traced for a single call, the latest at %s. Make the "
            "tf.function once, outside of the loop or of the function that makes it.",
            making.in_a_row, getattr(code, "co_qualname", code.co_name), defined, called,
        )


def _note_calls(making: _Making, counter: Any) -> None:
    making.last_calls = counter.total()


def call_site() -> str:
    """The user's file, line and function from which everflow was called."""
    return location_text(user_frames())


# ------------------------------------------------------------------ the report


@dataclasses.dataclass(frozen=True)
class StepReport:
    """One step of a program.

    `kind` is "compiled", "can be compiled" or "host"; `reasons` says why operations run on the host.
    """

    kind: str
    operations: int
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        noun = "operation" if self.operations == 1 else "operations"
        text = f"{self.kind}: {self.operations} {noun}"
        return f"{text}: {'; '.join(self.reasons)}" if self.reasons else text


@dataclasses.dataclass(frozen=True)
class TraceReport:
    """One trace of a function.

    Attributes:
      number: its number, from 1.
      arguments: path of an argument -> what it was traced for.
      differs_from: number of the earlier trace it is compared with, None for the first.
      differences: (argument, old, new) in which they differ.
      called_from: the user's file and line whose call made the trace.
      calls: calls since then.
      numpy_runs, compiled_runs: how often the program ran in either tier; a call inside of another function
        runs as part of that one.
      tier: what the next run will use.
      steps: compiled steps and host steps, in order; as far as is known when it was not compiled yet, and then what
        could be compiled is of kind "can be compiled".
      dropped: True when an object it was made for is gone, and the trace with it.
    """

    number: int
    arguments: Arguments
    differs_from: int | None
    differences: tuple[tuple[str, str, str], ...]
    called_from: str
    calls: int
    numpy_runs: int
    compiled_runs: int
    tier: str
    steps: tuple[StepReport, ...]
    dropped: bool = False

    @property
    def because(self) -> str:
        """Why it was traced, in a line."""
        if self.differs_from is None:
            return "first call"
        if not self.differences:
            return f"other object than trace {self.differs_from}"
        return f"from trace {self.differs_from}: " + "; ".join(f"{p}: {o} -> {n}" for p, o, n in self.differences)


class Explanation:
    """What `explain()` returns; print it. `traces` holds the same as data."""

    def __init__(self, name: str, defined: str, traces: Sequence[TraceReport]) -> None:
        self.name = name
        self.defined = defined
        self.traces = tuple(traces)

    def __str__(self) -> str:
        calls = sum(t.calls for t in self.traces)
        lines = [f"tf.function {self.name} ({self.defined}): {_count(len(self.traces), 'trace')}, "
                 f"{_count(calls, 'call')}"]
        if not self.traces:
            return lines[0]
        rows = [("trace", "calls", "NumPy", "compiled", "called from", "traced because")]
        rows += [
            (str(t.number), str(t.calls), str(t.numpy_runs), str(t.compiled_runs), t.called_from, t.because)
            for t in self.traces
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        for row in rows:
            cells = [
                cell.rjust(width) if 0 < column < 4 else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths))
            ]
            lines.append("  ".join([*cells, row[5]]).rstrip())
        for trace in self.traces:
            given = ", ".join(f"{path}: {text}" for path, text in trace.arguments.items()) or "no arguments"
            lines.append(f"trace {trace.number}: {given}")
            lines.append(f"  next run: {trace.tier}")
            lines += [f"  {step}" for step in trace.steps]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def report(number: int, arguments: Arguments, earlier: Sequence[Arguments], called_from: str, concrete: Any,
           calls_when_dropped: int = 0) -> TraceReport:
    """The report of one trace; `concrete` is None when the trace was dropped."""
    found = closest(earlier, arguments)
    differs_from, differing = (None, ()) if found is None else (found[0] + 1, tuple(found[1]))
    if concrete is None:
        return TraceReport(number, arguments, differs_from, differing, called_from, calls_when_dropped, 0, 0,
                           "none: an object it was traced for is gone", (), True)
    programs = _programs(concrete)
    records = [r for p in programs for r in p.records.values()]
    latest = programs[-1] if programs else None
    return TraceReport(
        number, arguments, differs_from, differing, called_from, concrete.calls,
        sum(r.runs for r in records), sum(r.compiled_runs for r in records), _tier(latest), _steps(latest),
    )


def _programs(concrete: Any) -> list[Any]:
    """The programs in which a trace ran: its own, and those that return more for a gradient."""
    functions = [concrete.function]
    known = concrete.function.extra.get("differentiable")
    if known is not None:
        functions += [f for f in known._extended.values() if f is not concrete.function]
    return [f.program for f in functions if f.program is not None]


def _tier(program: Any) -> str:
    if program is None:
        return "NumPy (it did not run by itself yet)"
    if program.compile_now is False:
        return "NumPy (jit_compile=False)"
    if not program.compilable:
        return "NumPy (nothing in it can be compiled)"
    if BACKGROUND.only_numpy:
        return "NumPy (in a forked process: XLA's threads stay with its parent)"
    if program.compile_now:
        return "compiled (jit_compile=True)"
    records = list(program.records.values())
    compiled = [r for r in records if r.compiled]
    if compiled and len(compiled) < len(records):
        return f"compiled for {len(compiled)} of {len(records)} shapes of inputs, NumPy for the others"
    if compiled:
        return "compiled"
    failed = next((r.failed for r in records if r.failed), None)
    if failed:
        return f"NumPy (it does not compile: {failed})"
    if any(r.pending == BACKGROUND.generation for r in records):
        return "NumPy, until it is compiled in the background"
    if any(r.settled for r in records):
        return "NumPy (measured to be faster than compiled)"
    return "NumPy (compiled when it proves hot)"


def _steps(program: Any) -> tuple[StepReport, ...]:
    if program is None:
        return ()
    if program.steps is not None:
        ran = any(r.compiled or r.compiled_runs for r in program.records.values())
        kind = "compiled" if ran else "can be compiled"
        return tuple(
            StepReport("host", len(s.instructions), _reasons(s.instructions)) if isinstance(s, HostStep)
            else StepReport(kind, len(s.instructions)) for s in program.steps
        )
    on_host = [i for i in program.instructions if i.host]
    steps = []
    if len(on_host) < len(program.instructions):
        steps.append(StepReport("can be compiled", len(program.instructions) - len(on_host)))
    if on_host:
        steps.append(StepReport("host", len(on_host), _reasons(on_host)))
    return tuple(steps)


def _reasons(instructions: Sequence[Any]) -> tuple[str, ...]:
    reasons = {}
    for instruction in instructions:
        if instruction.host:
            op, reason = instruction.op, instruction.host_reason
            reasons.setdefault((op.type, reason), f"{op.type} {op.name!r} ({op.location}): {reason}")
    return tuple(reasons.values())
