"""Instructions: operations of a program with their kernels bound, and the loop that runs them.

One loop runs every program (`interpret`).  With numbers it computes; a compiled step (runtime/compiler) runs the
same instructions once with tracers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.func_graph import GraphFunction
from everflow._src.framework.operation import Operation
from everflow._src.runtime.failures import explain
from everflow._src.runtime.resources import STATE_LOCK


class Instruction:
    """One operation of a program, with its kernel bound and its operands as slots of the environment."""

    __slots__ = ("op", "card", "attrs", "kernel", "wants_frame", "inputs", "outputs", "single", "output",
                 "grouped", "derefs", "host", "host_reason", "frees", "xla", "xla_wants_frame", "functions",
                 "sole_reader_of")

    def __init__(self, op: Operation, slot_of: dict[int, int]) -> None:
        card = op.card
        self.op = op
        self.card = card
        self.attrs = op._attrs
        self.inputs = tuple(slot_of[id(t)] for t in op._inputs)
        self.outputs = tuple(slot_of[id(t)] for t in op._outputs)
        self.single = card.single_output and len(self.outputs) == 1
        self.output = self.outputs[0] if self.outputs else -1
        self.grouped = card.has_list_inputs
        self.frees: tuple[int, ...] = ()
        self.sole_reader_of: tuple[int, ...] = ()
        self.kernel = card.bind(self.attrs, op)
        self.wants_frame = "frame" in card.kernel_wants
        self.xla = card.bind(self.attrs, op, xla=True) if card.xla is not None else None
        self.xla_wants_frame = "frame" in card.xla_wants
        self.functions = tuple(_functions_in(self.attrs))
        self.derefs = _positions_to_read(op)
        self.host = card.host
        self.host_reason = f"{card.name} runs on the host" if card.host else ""
        for tensor in (*op._inputs, *op._outputs):
            kind = tensor._dtype.base_dtype
            if kind == dtypes.string or kind == dtypes.variant and not card.takes_lists:
                self.host, self.host_reason = True, f"{tensor._dtype.name} values stay on the host"
        if card.name != "Identity" and any(
            argument.type_attr and self.attrs[argument.type_attr] == dtypes.resource for argument in card.inputs
        ):
            self.host, self.host_reason = True, "handles are arranged on the host"

    def arguments(self, env: list[Any], frame: Any) -> list[Any]:
        """The operands, with 1.x variables read where their value is wanted."""
        values = [env[i] for i in self.inputs]
        for position in self.derefs:
            values[position] = frame.read(values[position])
        return values

    def __repr__(self) -> str:
        return f"<{self.card.name} {self.op.name!r}: {self.inputs} -> {self.outputs}>"


def mark_sole_readers(instructions: Sequence[Instruction], kept: Iterable[int]) -> None:
    """Notes which operands of operations that join others (a field of their cards) nobody else reads."""
    if not any(i.card.joins for i in instructions):
        return
    readers = Counter(kept)
    for instruction in instructions:
        if not instruction.card.shape_only:
            readers.update(instruction.inputs)
    for instruction in instructions:
        if instruction.card.joins:
            instruction.sole_reader_of = tuple(i for i, s in enumerate(instruction.inputs) if readers[s] == 1)


def _functions_in(attrs: dict[str, Any]) -> Iterable[GraphFunction]:
    for value in attrs.values():
        if isinstance(value, GraphFunction):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from (v for v in value if isinstance(v, GraphFunction))


def _positions_to_read(op: Operation) -> tuple[int, ...]:
    if not any(t._dtype._is_ref_dtype for t in op._inputs):
        return ()
    positions = []
    flags: list[bool] = []
    for argument in op.card.inputs:
        count = op.card.list_length(argument, op._attrs) if argument.is_list else 1
        flags.extend([argument.is_ref] * count)
    for function in _functions_in(op._attrs):
        # What a function has captured goes in as the variable it is: the function may assign it.
        offset = len(op._inputs) - len(function.inputs)
        for index, tensor in enumerate(function.inputs):
            if tensor._dtype._is_ref_dtype and 0 <= offset + index < len(flags):
                flags[offset + index] = True
    for position, tensor in enumerate(op._inputs):
        if tensor._dtype._is_ref_dtype and not (position < len(flags) and flags[position]):
            positions.append(position)
    return tuple(positions)


def on_host(value: Any) -> Any:
    """A value as the NumPy tier takes it."""
    if hasattr(value, "addressable_data"):
        return np.asarray(value)
    return value


def interpret(instructions: Sequence[Instruction], env: list[Any], frame: Any) -> None:
    """The loop: runs the instructions on the values in `env`, with NumPy."""
    for instruction in instructions:
        values = [env[i] for i in instruction.inputs]
        try:
            if instruction.derefs:
                for position in instruction.derefs:
                    values[position] = frame.read(values[position])
            arguments = instruction.card.group(values, instruction.attrs) if instruction.grouped else values
            if not instruction.wants_frame:
                result = instruction.kernel(np, *arguments)
            elif instruction.card.updates_state:
                with STATE_LOCK:
                    result = instruction.kernel(np, *arguments, frame=frame)
            else:
                result = instruction.kernel(np, *arguments, frame=frame)
        except Exception as error:
            raise explain(error, instruction.card, values, instruction.op).with_traceback(None) from None
        if instruction.single:
            env[instruction.output] = result
        elif result is not None:
            for slot, value in zip(instruction.outputs, result):
                env[slot] = value
        for slot in instruction.frees:
            env[slot] = None
