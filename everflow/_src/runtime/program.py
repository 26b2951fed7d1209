"""Programs: a graph, or the part of it that some fetches need, as a list of instructions.

One loop runs them (`interpret`).  With numbers it computes; a compiled step (runtime/compiler) runs the same
instructions once with tracers.  `execute` chooses the tier: NumPy at first, compiled once the program proves
hot.  Compiling happens in the background while NumPy serves the calls, unless a run with NumPy takes longer than
waiting would; what an earlier process found out about the program is taken from the cache on disk.
"""

from __future__ import annotations

import functools
import heapq
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from everflow._src.framework.errors import InvalidArgumentError
from everflow._src.framework.func_graph import GraphFunction
from everflow._src.framework.operation import Operation
from everflow._src.framework.tensor import SymbolicTensor
from everflow._src.runtime.background import BACKGROUND
from everflow._src.runtime.compiler import CompiledStep, cut
from everflow._src.runtime.executables import expected_seconds
from everflow._src.runtime.frames import install_loop_compiler, install_program_factory
from everflow._src.runtime.growing_loops import run_growing
from everflow._src.runtime.instructions import Instruction, interpret, mark_sole_readers, on_host
from everflow._src.runtime.jax_backend import jax_is_loaded, jax_modules
from everflow._src.runtime.notes import NOTHING, look_up, write_down
from everflow._src.runtime.quiet import be_loud, be_quiet
from everflow._src.runtime.resources import Resource

# A NumPy run above this many seconds makes a program worth compiling when it runs again.
_HOT_RUN = 150e-6
# Programs that take less than this per run gain nothing from a compiled call, which costs about as much.
_TINY_RUN = 25e-6
# Total seconds in NumPy after which even a program of short runs is compiled.
_HOT_TOTAL = 0.1
# Seconds for which a program that is being compiled steps aside before each run with NumPy. Python hands over to a
# thread only when that one has waited for its turn, or when the other sleeps: operations of NumPy let go of Python so
# often, and take it again so fast, that importing jax beside them would take ten times as long, or forever.
_STEP_ASIDE = 1e-4
# Shapes that come rarely, like a last small batch, stay on NumPy until they have come this often.
_RARE_RUNS = 3


def prune(outputs: Iterable[SymbolicTensor], targets: Iterable[Operation], fed: set[int]) -> list[Operation]:
    """The operations that the outputs and targets need, in an order in which they can run.

    Operations run in the order they were made, as far as their inputs allow: this is what makes reads and
    writes of variables come in program order.
    """
    needed: dict[int, Operation] = {}
    stack = [t._op for t in outputs if id(t) not in fed]
    stack.extend(targets)
    while stack:
        op = stack.pop()
        if id(op) in needed:
            continue
        needed[id(op)] = op
        if op._outputs and all(id(t) in fed for t in op._outputs):
            continue  # replaced by what is fed: what it would have needed does not run
        stack.extend(t._op for t in op._inputs if id(t) not in fed)
        stack.extend(op._control_inputs)
    return _sort(needed, fed)


def _sort(needed: dict[int, Operation], fed: set[int]) -> list[Operation]:
    ordered = sorted(needed.values(), key=lambda op: op._id)
    done: set[int] = set()
    for op in ordered:
        if any(id(p) in needed and id(p) not in done for p in _producers(op, fed)):
            break
        done.add(id(op))
    else:
        return ordered
    # Inputs were rewired after the fact: sort properly, earliest made first among those that are ready.
    waiting = {id(op): {id(p) for p in _producers(op, fed) if id(p) in needed} for op in ordered}
    users: dict[int, list[Operation]] = {}
    for op in ordered:
        for producer in waiting[id(op)]:
            users.setdefault(producer, []).append(op)
    ready = [(op._id, id(op)) for op in ordered if not waiting[id(op)]]
    heapq.heapify(ready)
    result = []
    while ready:
        _, key = heapq.heappop(ready)
        result.append(needed[key])
        for user in users.get(key, ()):
            waiting[id(user)].discard(key)
            if not waiting[id(user)]:
                heapq.heappush(ready, (user._id, id(user)))
    if len(result) != len(ordered):
        stuck = next(op for op in ordered if waiting[id(op)])
        raise InvalidArgumentError(None, stuck, f"The graph has a cycle through operation {stuck.name!r}")
    return result


def _producers(op: Operation, fed: set[int]) -> list[Operation]:
    return [*(t._op for t in op._inputs if id(t) not in fed), *op._control_inputs]


class _Shaped(NamedTuple):
    """Stands for an array where only its form is wanted."""

    shape: tuple[int, ...]
    dtype: Any


def _form(value: Any) -> Any:
    if isinstance(value, Resource) or not hasattr(value, "shape") or not hasattr(value, "dtype"):
        return value
    return _Shaped(tuple(value.shape), value.dtype)


class TierRecord:
    """What is known of running a program with one set of input shapes."""

    __slots__ = ("runs", "seconds", "compiled", "settled", "compiled_runs", "compiled_seconds", "pending", "failed",
                 "known", "first")

    def __init__(self) -> None:
        self.runs = 0
        self.seconds = 0.0
        self.first = 0.0  # seconds of the first run with NumPy, were the machine its own
        self.compiled = False
        self.pending = 0  # the generation of the background thread that compiles it
        self.failed = ""  # why it cannot be compiled
        self.known = NOTHING  # what an earlier process found out
        self.settled = False
        self.compiled_runs = 0
        self.compiled_seconds = 0.0


class Program:
    """Instructions, and what is needed to run them in either tier.

    Args:
      inputs: tensors whose values `execute` receives, in order.
      outputs: tensors whose values it returns.
      targets: operations to run for their effects.
      graph_effects: a graph all of whose stateful operations run, needed or not (function bodies).
      compile_now: True compiles at the first run, False never, None when hot.
    """

    def __init__(
        self,
        inputs: Sequence[SymbolicTensor],
        outputs: Sequence[SymbolicTensor],
        targets: Sequence[Operation] = (),
        graph_effects: Any = None,
        compile_now: bool | None = None,
    ) -> None:
        self.compile_now = compile_now
        fed = {id(t) for t in inputs}
        targets = list(targets)
        if graph_effects is not None:
            targets.extend(op for op in graph_effects._operations if op.card.stateful and not op.card.reads_only)
        self.operations = prune(outputs, targets, fed)
        self.slot_of: dict[int, int] = {}
        for tensor in inputs:
            self.slot_of.setdefault(id(tensor), len(self.slot_of))
        self.input_slots = [self.slot_of[id(t)] for t in inputs]
        self.template: list[Any] = [None] * len(self.slot_of)
        self.instructions: list[Instruction] = []
        self.constants: set[int] = set()
        for op in self.operations:
            for tensor in op._outputs:
                if id(tensor) not in self.slot_of:
                    self.slot_of[id(tensor)] = len(self.template)
                    self.template.append(None)
            if op._outputs and all(id(t) in fed for t in op._outputs):
                continue
            if op.type == "Const":
                slot = self.slot_of[id(op._outputs[0])]
                self.template[slot] = op._attrs["value"]
                self.constants.add(slot)
                continue
            if op.type == "NoOp":
                continue
            self.instructions.append(Instruction(op, self.slot_of))
        self.outputs = list(outputs)
        self.output_slots = [self.slot_of[id(t)] for t in outputs]
        # A variable that only passes through, as those that the body of a loop has captured, stays what it is.
        self.output_reads = tuple(
            i for i, t in enumerate(outputs) if t._dtype._is_ref_dtype and id(t) not in fed
        )
        self._free_early()
        mark_sole_readers(self.instructions, self.output_slots)
        self.items: list[Any] | None = None  # the instructions as a compiled step runs them, see runtime/repetitions
        self.holds_loop = any(i.card.name in ("While", "StatelessWhile") for i in self.instructions)
        self.dynamic = not all(t._shape.is_fully_defined() for t in inputs)
        self.records: dict[Any, TierRecord] = {}
        self.steps: list[Any] | None = None
        self.lock = threading.RLock()
        self._size: int | None = None
        self.compilable = any(not i.host for i in self.instructions)
        # The tensors are known by identity only while they live.
        self._keep = (list(inputs), targets)

    def _free_early(self) -> None:
        """Marks where each value is used for the last time, so that memory peaks no higher than it must."""
        kept = set(self.output_slots) | set(self.input_slots) | self.constants
        seen: set[int] = set()
        for instruction in reversed(self.instructions):
            slots = set(instruction.inputs) | set(instruction.outputs)
            instruction.frees = tuple(s for s in slots if s not in seen and s not in kept)
            seen |= slots

    # ---- running

    def execute(self, arguments: Sequence[Any], frame: Any) -> list[Any]:
        """Runs the program; `arguments` and the result are NumPy or jax arrays, or resources."""
        if self.dynamic:
            key = tuple([getattr(a, "shape", None) for a in arguments])
        else:
            key = None
        record = self.records.get(key)
        if record is None:
            record = self.records[key] = TierRecord()
        if frame.interprets and not self.compile_now:
            return self._execute_numpy(arguments, frame)
        if record.compiled and not BACKGROUND.only_numpy:
            return self._execute_compiled(arguments, frame, record)
        if not record.runs and self.compile_now is None:
            record.known = look_up(self, arguments)
            if record.known.slower_compiled:
                record.settled = True
        seen = None
        if record.pending != BACKGROUND.generation and self._is_hot(record):
            if self._should_wait(record):
                record.compiled = True
                return self._execute_compiled(arguments, frame, record)
            seen = self._start_looking(arguments)
        if record.pending:
            time.sleep(_STEP_ASIDE)
        started = time.perf_counter()
        if record.runs:
            result = self._execute_numpy(arguments, frame, seen)
            record.seconds += time.perf_counter() - started
        else:
            busy = time.process_time()
            result = self._execute_numpy(arguments, frame, seen)
            record.seconds = time.perf_counter() - started
            # Other processes slow a run down; its threads make it quicker than its processor time.
            record.first = min(record.seconds, time.process_time() - busy)
        record.runs += 1
        if seen is not None:
            record.pending = BACKGROUND.generation
            BACKGROUND.submit(functools.partial(self._compile_aside, record, seen, frame))
        return result

    def _is_hot(self, record: TierRecord) -> bool:
        if not self.compilable or self.compile_now is False or BACKGROUND.only_numpy:
            return False
        if self.compile_now:
            return True
        if record.settled:
            return False
        if record.known.hot and not BACKGROUND.deterministic:
            return True
        if record.runs == 0:
            return False
        if len(self.records) > 1 and record.runs < _RARE_RUNS:
            return False
        if BACKGROUND.deterministic:
            return True
        average = record.seconds / record.runs
        if average < _TINY_RUN:
            return False
        return average > _HOT_RUN or self.holds_loop or record.seconds > _HOT_TOTAL

    def _should_wait(self, record: TierRecord) -> bool:
        """Whether waiting for the compiled program is better than another run with NumPy."""
        if self.compile_now or not BACKGROUND.is_wanted():
            return True
        return self.numpy_seconds(record) > expected_seconds(self.size(), record.known.hot, jax_is_loaded())

    def numpy_seconds(self, record: TierRecord) -> float:
        """How long a run with NumPy takes on a machine that does nothing else; 0 when that is not known."""
        if not record.runs:
            return record.known.numpy_seconds
        return min(record.first, record.seconds / record.runs)

    def size(self) -> int:
        """Number of operations, those of the functions that it calls among them."""
        if self._size is None:
            functions = [f for i in self.instructions for f in i.functions]
            self._size = len(self.instructions)
            self._size += sum(program_of_function(f).size() if f.program is None else f.program.size()
                              for f in functions)
        return self._size

    # ---- compiling in the background

    def _start_looking(self, arguments: Sequence[Any]) -> dict[int, Any]:
        """Forms of the values that compiled steps need, so far as they are known before a run."""
        if self.steps is None:
            with self.lock:
                if self.steps is None:
                    self.steps = cut(self, self.instructions)
        seen: dict[int, Any] = {}
        for slot, value in (*zip(self.input_slots, arguments), *((s, self.template[s]) for s in self.constants)):
            seen[slot] = _form(value)
        return seen

    def _compile_aside(self, record: TierRecord, seen: dict[int, Any], frame: Any) -> None:
        """The job: compiles the steps for values of the forms in `seen`, then lets calls use them."""
        try:
            with BACKGROUND.aside():
                jax_modules()
            BACKGROUND.guard_exit()
            if BACKGROUND.stopping:
                return
            env = self.template.copy()
            for slot, value in seen.items():
                env[slot] = value
            for step in list(self.steps or ()):
                if not isinstance(step, CompiledStep):
                    continue
                if any(slot not in seen for slot in (*step.input_slots, *step.resource_slots)):
                    record.pending = 0  # the program was cut in another way meanwhile: look again
                    return
                replacement = step.prepare(env, frame)
                if replacement is not None:
                    self._replace(step, replacement)
                    record.pending = 0  # the next run shows what the new steps receive
                    return
            record.compiled = True
            write_down(self, record)
        except Exception as error:  # NumPy can do it: the user need not hear that XLA cannot
            record.failed = f"{type(error).__name__}: {error}".splitlines()[0]
            record.settled = True
        finally:
            if record.compiled or record.failed:
                record.pending = 0

    def _replace(self, step: Any, replacement: Sequence[Any]) -> None:
        """Compiling found an operation that needs the host: the step was cut again."""
        with self.lock:
            current = list(self.steps or ())
            if step in current:
                position = current.index(step)
                current[position:position + 1] = replacement
                self.steps = current

    def environment(self, arguments: Sequence[Any]) -> list[Any]:
        """Slots of all values, with constants and `arguments` in place."""
        env = self.template.copy()
        for slot, value in zip(self.input_slots, arguments):
            env[slot] = value
        return env

    def results(self, env: list[Any], frame: Any) -> list[Any]:
        """The values of the outputs."""
        results = [env[s] for s in self.output_slots]
        for position in self.output_reads:
            if hasattr(results[position], "assign"):
                results[position] = frame.read(results[position])
        return results

    def _execute_numpy(self, arguments: Sequence[Any], frame: Any, seen: dict[int, Any] | None = None) -> list[Any]:
        env = self.environment([on_host(a) for a in arguments])
        if self.compile_now is False:
            frame = frame.interpreted()
        token = be_quiet()
        try:
            if seen is None:
                interpret(self.instructions, env, frame)
            else:
                self._interpret_and_look(env, frame, seen)
            return self.results(env, frame)
        finally:
            be_loud(token)

    def _interpret_and_look(self, env: list[Any], frame: Any, seen: dict[int, Any]) -> None:
        """Runs the instructions; notes the forms of what passes from one step to another."""
        wanted = {slot for step in self.steps or () if isinstance(step, CompiledStep)
                  for slot in (*step.input_slots, *step.resource_slots)}
        for instruction in self.instructions:
            frees, instruction_outputs = instruction.frees, instruction.outputs
            interpret((instruction,), env, frame)
            for slot in instruction_outputs:
                if slot in wanted and slot not in frees:
                    seen[slot] = _form(env[slot])

    def _execute_compiled(self, arguments: Sequence[Any], frame: Any, record: TierRecord) -> list[Any]:
        if self.compile_now:
            frame = frame.compiling()
        env = self.environment(arguments)
        steps = self.steps
        if steps is None:
            with self.lock:
                if self.steps is None:
                    self.steps = cut(self, self.instructions)
                steps = self.steps
        if not record.settled:
            started = time.perf_counter()
        index = 0
        while index < len(steps):
            replacement = steps[index].run(env, frame)
            if replacement is not None:
                self._replace(steps[index], replacement)
                steps = [*steps[:index], *replacement, *steps[index + 1:]]
                continue
            index += 1
        if not record.settled:
            self._compare(record, time.perf_counter() - started)
        else:
            record.compiled_runs += 1
        return self.results(env, frame)

    def _compare(self, record: TierRecord, seconds: float) -> None:
        """After some compiled runs: keeps the tier that was faster."""
        record.compiled_runs += 1
        if record.compiled_runs == 1:
            write_down(self, record)
        if record.compiled_runs <= 3:  # compiling, and warming up
            return
        record.compiled_seconds += seconds
        if record.compiled_runs < 13:
            return
        record.settled = True
        if record.runs and self.compile_now is None and not self.holds_loop:
            if record.compiled_seconds / 10 > 1.5 * record.seconds / record.runs and not BACKGROUND.deterministic:
                record.compiled = False
        write_down(self, record)


def program_of_function(function: GraphFunction) -> Program:
    """The program of a function body: all of its effects happen, in the order they were written.

    With `pruned` among its extras only what its outputs and its `targets` need runs, as in a session.
    """
    if function.extra.get("pruned"):
        targets = function.extra.get("targets", ())
        return Program(function.inputs, function.outputs, targets, None, function.extra.get("compile_now"))
    return Program(function.inputs, function.outputs, (), function.graph,
                   function.extra.get("compile_now"))


install_program_factory(program_of_function, Program)
install_loop_compiler(run_growing)
