"""What one process finds out about a program and the next one uses: whether it is worth compiling, and where to cut it.

Notes lie in the cache of compiled programs, by the fingerprint of the program and the shapes of its arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from everflow._src.runtime import fingerprint
from everflow._src.runtime.background import BACKGROUND
from everflow._src.runtime.compile_cache import compile_cache
from everflow._src.runtime.compiler import ON_THE_BORDER
from everflow._src.runtime.executables import LARGEST_FOLDED
from everflow._src.runtime.fingerprint import NoFingerprint
from everflow._src.runtime.resources import VariableResource

# Programs of fewer operations are done before anybody could look up a note.
_SMALLEST = 2


class Known:
    """What is known of a program from earlier processes.

    Attributes:
      hot: one compiled it.
      slower_compiled: one measured that NumPy is faster.
      numpy_seconds: how long a run with NumPy took there; 0 when it never ran so.
    """

    __slots__ = ("forms", "name", "note", "hot", "slower_compiled", "numpy_seconds")

    def __init__(self, forms: Sequence[Any] | None = None, name: str | None = None,
                 note: dict[str, Any] | None = None) -> None:
        self.forms = forms
        self.name = name
        self.note = note or {}
        self.hot = self.note.get("tier") == "compiled"
        self.slower_compiled = self.note.get("tier") == "numpy"
        seconds = self.note.get("numpy_seconds")
        self.numpy_seconds = float(seconds) if isinstance(seconds, (int, float)) else 0.0


NOTHING = Known()


def look_up(program: Any, arguments: Sequence[Any]) -> Known:
    """What earlier processes found out about a program that runs for the first time with such arguments."""
    cache = compile_cache()
    if cache.path is None or BACKGROUND.deterministic or len(program.instructions) < _SMALLEST \
            or not program.compilable:
        return NOTHING
    forms = [_form(a) for a in arguments]
    if not cache.has_notes():
        return Known(forms)
    name = _name(program, forms)
    note = cache.note(name) if name is not None else None
    if note is not None and program.steps is None:
        _apply_cuts(program, note.get("host"))
    return Known(forms, name, note)


def write_down(program: Any, record: Any) -> None:
    """Tells later processes in which tier the program runs now."""
    known = record.known
    if known.forms is None or program.compile_now is not None:
        return
    note = {
        "tier": "compiled" if record.compiled else "numpy",
        "numpy_seconds": program.numpy_seconds(record),
        "host": [[n, i.host_reason] for n, i in enumerate(program.instructions)
                 if i.host and not i.card.host and i.host_reason is not ON_THE_BORDER],
    }
    if note["tier"] == known.note.get("tier") and note["host"] == known.note.get("host"):
        return
    name = known.name or _name(program, known.forms)
    if name is not None:
        compile_cache().put_note(name, note)
        record.known = Known(known.forms, name, note)


def _form(value: Any) -> tuple[Any, ...]:
    if isinstance(value, VariableResource):
        return ("variable", value.value_dtype, value.value_shape)
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    return (type(value).__name__,) if not isinstance(dtype, np.dtype) else (dtype, tuple(shape or ()))


def _name(program: Any, forms: Sequence[Any]) -> str | None:
    constants = [(slot, program.template[slot]) for slot in sorted(program.constants)]
    try:
        return fingerprint.of_instructions(
            program.instructions, program.input_slots, program.output_slots, list(forms),
            [(s, v if v.size <= LARGEST_FOLDED else (v.dtype, v.shape)) for s, v in constants],
        )
    except NoFingerprint:
        return None


def _apply_cuts(program: Any, cuts: Any) -> None:
    """Operations of which an earlier process found, by tracing, that they need the host."""
    for entry in cuts if isinstance(cuts, list) else ():
        if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], int) \
                and 0 <= entry[0] < len(program.instructions):
            instruction = program.instructions[entry[0]]
            instruction.host, instruction.host_reason = True, str(entry[1])
