"""Fingerprints: texts that two programs share only when they compile to the same code.

What tracing a step depends on goes in: its instructions with those attrs that kernels receive, how values pass
between them, constants that are folded, shapes and dtypes of everything else.  A kernel receives nothing
besides (framework/registry, `Card.bind`), so names, files and lines stay out.  A value with no fixed form, such
as a Python function, leaves a step without a fingerprint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from everflow._src.framework.dtypes import DType
from everflow._src.framework.func_graph import GraphFunction
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.runtime.frames import program_of
from everflow._src.runtime.instructions import Instruction

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


class NoFingerprint(Exception):
    """Something in it has no form that another process would give it too."""


def of_instructions(instructions: Sequence[Instruction], *more: Any) -> str:
    """The fingerprint of instructions, and of values that they depend on.

    Raises:
      NoFingerprint: an attr is of no known kind.
    """
    writer = _Writer()
    writer.instructions(instructions)
    writer.value(more)
    return writer.hash.hexdigest()


class _Writer:
    """Feeds everything, each with its kind and length, into one hash."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.functions: dict[int, int] = {}

    def text(self, text: str) -> None:
        self.hash.update(f"{len(text)}:{text}".encode())

    def value(self, value: Any) -> None:
        if isinstance(value, _PLAIN):
            self.text(f"{type(value).__name__} {value!r}")
        elif isinstance(value, (np.ndarray, np.generic)):
            array = np.asarray(value)
            if array.dtype.hasobject:
                if not all(isinstance(v, (str, bytes)) for v in array.flat):
                    raise NoFingerprint("an array of Python objects")
                self.text(f"strings {array.shape} {array.tolist()!r}")
            else:
                self.text(f"array {array.dtype.name} {array.shape}")
                self.hash.update(np.ascontiguousarray(array).tobytes())
        elif isinstance(value, DType):
            self.text(f"dtype {value.name}")
        elif isinstance(value, np.dtype):
            self.text(f"numpy {value.name}")
        elif isinstance(value, TensorShape):
            self.text(f"shape {value._dims!r}")
        elif isinstance(value, (tuple, list)):
            self.text(f"{'tuple' if isinstance(value, tuple) else 'list'} {len(value)}")
            for part in value:
                self.value(part)
        elif isinstance(value, dict):
            self.text(f"dict {len(value)}")
            for key in sorted(value):
                self.value(key)
                self.value(value[key])
        elif isinstance(value, GraphFunction):
            self.function(value)
        else:
            raise NoFingerprint(f"{type(value).__name__} has no fixed form")

    def function(self, function: GraphFunction) -> None:
        known = self.functions.get(id(function))
        if known is not None:
            self.text(f"function again {known}")
            return
        self.functions[id(function)] = len(self.functions)
        program = program_of(function)
        self.text(f"function {program.input_slots} {program.output_slots} {program.output_reads}")
        self.value([(t._dtype, t._shape) for t in (*function.inputs, *function.outputs)])
        self.value([t._op.type for t in function.outputs])
        self.value([(slot, program.template[slot]) for slot in sorted(program.constants)])
        self.instructions(program.instructions)

    def instructions(self, instructions: Sequence[Instruction]) -> None:
        self.text(f"instructions {len(instructions)}")
        for instruction in instructions:
            card, op = instruction.card, instruction.op
            self.text(f"{card.name} {instruction.inputs} {instruction.outputs} {instruction.derefs}")
            wanted = dict.fromkeys((*card.kernel_wants, *card.xla_wants))
            # An operation is asked for its attrs, and by its name for the state that is its own.
            attrs = instruction.attrs if "op" in wanted else {n: instruction.attrs.get(n) for n in wanted}
            if "op" in wanted:
                self.text(op.name)
            for argument in card.inputs:
                if argument.is_list:
                    self.text(str(card.list_length(argument, instruction.attrs)))
            for name in sorted(attrs):
                if name not in ("frame", "op"):
                    self.text(name)
                    self.value(attrs[name])
            for function in instruction.functions:
                self.function(function)
            for tensor in (*op._inputs, *op._outputs):
                self.text(f"{tensor._dtype.name} {tensor._shape._dims!r}")
