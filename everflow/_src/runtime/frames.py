"""Frames of execution: what a kernel may ask for besides its inputs.

A kernel that names `frame` among its keyword-only parameters can read and assign resources, find the hidden
state of its operation, and run functions.  `HostFrame` does so at once; the frame of a compiling step
(runtime/compiler) does so with tracers.
"""

from __future__ import annotations

import copy
import math
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework.func_graph import GraphFunction
from everflow._src.framework.registry import Card
from everflow._src.framework.seeds import install_reset
from everflow._src.runtime.background import BACKGROUND
from everflow._src.runtime.instructions import on_host
from everflow._src.runtime.resources import EAGER_STORE, STATE_LOCK, Store, VariableResource

# Every eager random operation without a seed of its own starts a sequence; most are never continued.
_MOST_SEQUENCES = 20_000
# A loop on which the host has spent as many seconds as compiling it takes is compiled: it may well go on.
_COMPILING_TAKES = 0.3
# After so many runs in compiled pieces the host has another try; where it is this much faster, it keeps the loop.
# Other loops read what this one saves: pieces hand it on as it is, the host takes it apart.
_COMPILED_TRIALS = 6
_CLEARLY_FASTER = 2.0

_program_factory: Callable[[GraphFunction], Any] | None = None
_program_class: Callable[..., Any] | None = None
_loop_compiler: Callable[..., Any] | None = None


def install_program_factory(factory: Callable[[GraphFunction], Any], program_class: Callable[..., Any]) -> None:
    """Programs run in frames and frames run programs: runtime/program introduces itself here."""
    global _program_factory, _program_class
    _program_factory, _program_class = factory, program_class


def install_loop_compiler(compile_loop: Callable[..., Any]) -> None:
    """Loops that depend on data run in pieces that are compiled: runtime/growing_loops introduces itself here."""
    global _loop_compiler
    _loop_compiler = compile_loop


def new_program(inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
    """A program that is never compiled, for looking ahead while another one is."""
    return _program_class(inputs, outputs, compile_now=False)  # type: ignore[misc]


def program_of(function: GraphFunction) -> Any:
    """The program of a function, built when it first runs."""
    if function.program is None:
        function.program = _program_factory(function)  # type: ignore[misc]
    return function.program


class LoopRecord:
    """What is known of a loop that needs the host: how long an iteration takes there, and in compiled pieces.

    Attributes:
      runs: how often the host ran it.
      pieces: what runs it otherwise, once it was compiled; False when it cannot be, or is slower.
    """

    __slots__ = ("runs", "pieces", "_seconds", "_compiled_runs", "_fastest", "_settled")

    def __init__(self) -> None:
        self.runs = 0
        self.pieces: Any = None
        self._seconds = 0.0
        self._compiled_runs = 0
        self._fastest = {True: math.inf, False: math.inf}  # seconds an iteration, compiled or not
        self._settled = False

    def is_hot(self, now: bool) -> bool:
        """True when the loop is to run in compiled pieces this time.

        Args:
          now: it was asked for.
        """
        if self.pieces is False or BACKGROUND.only_numpy:
            return False
        if now or self._settled:
            return True
        if BACKGROUND.deterministic:
            return self.runs > 0
        if self._compiled_runs == _COMPILED_TRIALS:
            return False  # once more on the host, where all is warm by now
        return self._compiled_runs > 0 or self._seconds > _COMPILING_TAKES

    def note(self, compiled: bool, seconds: float, iterations: int) -> None:
        """Takes note of a run; after some in both ways the faster is kept."""
        if compiled:
            self._compiled_runs += 1
        else:
            self.runs += 1
            self._seconds += seconds
        if iterations and (not compiled or self._compiled_runs > 1):
            self._fastest[compiled] = min(self._fastest[compiled], seconds / iterations)
        if not compiled and self._compiled_runs == _COMPILED_TRIALS and not self._settled and (
            not BACKGROUND.deterministic
        ):
            self._settled = True
            if self._fastest[True] > _CLEARLY_FASTER * self._fastest[False]:
                self.pieces = False


class EagerOp:
    """Stands for the operation in an eager call, for kernels that ask which operation they serve."""

    __slots__ = ("card", "type", "_attrs", "name")

    def __init__(self, card: Card, attrs: dict[str, Any]) -> None:
        self.card = card
        self.type = card.name
        self._attrs = attrs
        self.name = ""


class HostFrame:
    """Executes at once, on the resources of one store."""

    tracing = False

    def __init__(self, store: Store) -> None:
        self.store = store
        self._hidden: weakref.WeakKeyDictionary[Any, VariableResource] = weakref.WeakKeyDictionary()
        self._hidden_eager: dict[Any, VariableResource] = {}
        self.interprets = False
        self.compiles = False
        self._interpreted: HostFrame | None = None
        self._compiling: HostFrame | None = None

    def interpreted(self) -> HostFrame:
        """The same frame for programs that are not to be compiled, nor the functions that they call."""
        if self._interpreted is None:
            frame = copy.copy(self)
            frame.interprets = True
            self._interpreted = frame._interpreted = frame
        return self._interpreted

    def compiling(self) -> HostFrame:
        """The same frame for programs that are to be compiled at once, with the loops in them."""
        if self._compiling is None:
            frame = copy.copy(self)
            frame.compiles = True
            self._compiling = frame._compiling = frame
        return self._compiling

    # ---- state

    def read(self, resource: VariableResource) -> Any:
        """The value of a variable, as NumPy has it."""
        value = resource.read()
        return value if isinstance(value, (np.ndarray, np.generic)) else np.asarray(value)

    def assign(self, resource: VariableResource, value: Any) -> None:
        """Gives a variable a value."""
        resource.assign(value)

    def hidden(self, op: Any) -> VariableResource:
        """The hidden variable of an operation, such as the counter of a random one."""
        if isinstance(op, EagerOp):
            # Eager calls with the same attrs continue one sequence, as TensorFlow's cached kernels do.
            key = (op.type, frozenset(op._attrs.items()))
            found = self._hidden_eager.pop(key, None)
            if found is None:
                found = VariableResource(op.card.own_state(op), name=op.type)  # type: ignore[misc]
                if len(self._hidden_eager) >= _MOST_SEQUENCES:
                    self._hidden_eager.pop(next(iter(self._hidden_eager)), None)
            self._hidden_eager[key] = found  # the last used is the last to be forgotten
            return found
        found = self._hidden.get(op)
        if found is None:
            with STATE_LOCK:  # a program may be compiled while it runs: both mean one state
                found = self._hidden.get(op)
                if found is None:
                    found = self._hidden[op] = VariableResource(op.card.own_state(op), name=op.name)
        return found

    def forget_hidden(self) -> None:
        """Starts all sequences of random operations anew, those inside of functions too."""
        self._hidden_eager.clear()
        for op, state in list(self._hidden.items()):
            state.assign(op.card.own_state(op))  # compiled functions hold the state itself

    # ---- functions

    def run(self, function: GraphFunction, arguments: Sequence[Any]) -> list[Any]:
        """The outputs of a function, as the NumPy tier takes them."""
        return [on_host(v) for v in program_of(function).execute(arguments, self)]

    def branch(self, index: Any, functions: Sequence[GraphFunction], arguments: Sequence[Any]) -> list[Any]:
        """The outputs of the function at `index`."""
        return self.run(functions[int(index)], arguments)

    def loop(self, condition: GraphFunction, body: GraphFunction, arguments: Sequence[Any],
             maximum_iterations: int | None = None) -> list[Any]:
        """Runs `body` on its own outputs as long as `condition` holds of them."""
        state = list(arguments)
        condition_program, body_program = program_of(condition), program_of(body)
        record = body.extra.get("loop_record")
        if record is None:
            record = body.extra["loop_record"] = LoopRecord()
        can_compile = not self.interprets and maximum_iterations is None and _loop_compiler is not None
        if can_compile and record.is_hot(self.compiles):
            compiled = _loop_compiler(self, condition, body, state, record)  # type: ignore[misc]
            if compiled is not None:
                return [on_host(v) for v in compiled]
        started = time.perf_counter()
        count = 0
        while maximum_iterations is None or count < maximum_iterations:
            if not bool(np.asarray(condition_program.execute(state, self)[0])):
                break
            state = body_program.execute(state, self)
            count += 1
        record.note(False, time.perf_counter() - started, count)
        return [on_host(v) for v in state]

    def map_rows(self, function: GraphFunction, arguments: Sequence[Any], mapped: Sequence[int], rows: int
                 ) -> list[Any]:
        """The outputs of `function` for each row of the arguments that are `mapped`, stacked."""
        program = program_of(function)
        if not rows:
            shapes = [t._shape.as_list() if t._shape.rank is not None else () for t in function.outputs]
            return [np.zeros((0, *(d or 0 for d in s)), t._dtype.numpy_dtype)
                    for s, t in zip(shapes, function.outputs)]
        arguments = [np.asarray(a) if m else a for a, m in zip(arguments, mapped)]
        results = [
            program.execute([a[row] if m else a for a, m in zip(arguments, mapped)], self) for row in range(rows)
        ]
        return [np.stack([np.asarray(v) for v in column]) for column in zip(*results)]


HOST_FRAME = HostFrame(EAGER_STORE)
install_reset(HOST_FRAME.forget_hidden)
