"""Compiled steps: runs of instructions that become one XLA executable each.

A program is cut into compiled steps and host steps.  The same instructions that NumPy interprets are run once
with tracers under `jax.jit`; variables that a step reads come in as arguments, those it assigns go out as
results, donated, so that updates happen in place.  An operation that turns out to need the host while a step is
traced (a shape that depends on data, say) cuts the step in two around it.
"""

from __future__ import annotations

import copy
import functools
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.errors import OpError, UnimplementedError
from everflow._src.framework.func_graph import GraphFunction
from everflow._src.runtime.counted_loops import run_counted
from everflow._src.runtime.executables import LARGEST_FOLDED, Executable
from everflow._src.runtime.failures import HostNeeded, explain
from everflow._src.runtime.frames import program_of
from everflow._src.runtime.instructions import Instruction, interpret
from everflow._src.runtime.jax_backend import jax_modules
from everflow._src.runtime.loop_lists import BranchLists, CarriedLists, LoopBounds
from everflow._src.runtime.quiet import be_loud, be_quiet
from everflow._src.runtime.repetitions import Repetition, with_repetitions
from everflow._src.runtime.resources import Resource, VariableResource, Variant, uninitialized
from everflow._src.runtime.tensor_lists import AnyList
from everflow._src.runtime.unfinished import Unfinished, finished, join

ON_THE_BORDER = "it shares a variant with the host"


def cut(program: Any, instructions: Sequence[Instruction]) -> list[Any]:
    """Compiled steps and host steps that together run `instructions`, as few as possible."""
    order = _schedule(instructions)
    groups: list[list[Instruction]] = []
    for instruction in order:
        if not groups or groups[-1][0].host != instruction.host:
            groups.append([])
        groups[-1].append(instruction)
    used_after: set[int] = set(program.output_slots)
    needed_by = [{s for i in g for s in i.inputs} for g in groups]
    steps: list[Any] = []
    for index, group in enumerate(groups):
        later = set().union(*needed_by[index + 1:]) if index + 1 < len(groups) else set()
        if group[0].host:
            steps.append(HostStep(group))
        else:
            steps.append(CompiledStep(program, group, later | used_after))
    return steps


def _schedule(instructions: Sequence[Instruction]) -> list[Instruction]:
    """Gathers compiled instructions together, as far as data and the order of effects allow."""
    if not any(i.host for i in instructions):
        return list(instructions)
    made_by = {slot: n for n, i in enumerate(instructions) for slot in i.outputs}
    by_op = {id(i.op): n for n, i in enumerate(instructions)}
    waiting: list[set[int]] = []
    previous_effect = None
    for n, instruction in enumerate(instructions):
        needs = {made_by[s] for s in instruction.inputs if s in made_by}
        needs |= {by_op[id(c)] for c in instruction.op._control_inputs if id(c) in by_op}
        if instruction.card.stateful or instruction.wants_frame or instruction.derefs:
            if previous_effect is not None:
                needs.add(previous_effect)
            previous_effect = n
        needs.discard(n)
        waiting.append(needs)
    result: list[Instruction] = []
    left = list(range(len(instructions)))
    done: set[int] = set()
    on_host = False
    while left:
        progressed, rest = False, []
        for n in left:
            if instructions[n].host == on_host and waiting[n] <= done:
                done.add(n)
                result.append(instructions[n])
                progressed = True
            else:
                rest.append(n)
        left = rest
        if not progressed or left:
            on_host = not on_host
    return result


class HostStep:
    """Instructions that run with NumPy between two compiled steps."""

    def __init__(self, instructions: Sequence[Instruction]) -> None:
        # Their own copies: in another order than the program's, values must not be freed where the program would.
        self.instructions = [copy.copy(i) for i in instructions]
        for instruction in self.instructions:
            instruction.frees = ()
        self.input_slots = tuple({s for i in instructions for s in i.inputs})

    def run(self, env: list[Any], frame: Any) -> None:
        for slot in self.input_slots:
            if hasattr(env[slot], "addressable_data"):
                env[slot] = np.asarray(env[slot])
        token = be_quiet()
        try:
            interpret(self.instructions, env, frame)
        finally:
            be_loud(token)

    def __repr__(self) -> str:
        return f"<host step: {len(self.instructions)} operations>"


class CompiledStep:
    """Instructions that run as one XLA executable per set of resources and input shapes."""

    def __init__(self, program: Any, instructions: Sequence[Instruction], needed_later: set[int]) -> None:
        self.program = program
        self.instructions = list(instructions)
        self.needed_later = needed_later
        made = {s for i in instructions for s in i.outputs}
        used = {s for i in instructions for s in i.inputs}
        self.output_slots = tuple(sorted(made & needed_later))
        self.resource_slots: list[int] = []
        self.constant_slots: list[int] = []
        self.input_slots: list[int] = []
        types = self._slot_types()
        for slot in sorted(used - made):
            if types[slot] == dtypes.resource or types[slot]._is_ref_dtype:
                self.resource_slots.append(slot)
            elif slot in program.constants and program.template[slot].size <= LARGEST_FOLDED:
                self.constant_slots.append(slot)
            else:
                self.input_slots.append(slot)
        self.items: list[Any] | None = None
        self.executables: dict[Any, Executable] = {}
        self.latest: Executable | None = None
        self.lock = threading.RLock()

    def _slot_types(self) -> dict[int, Any]:
        types = {}
        for instruction in self.instructions:
            for slot, tensor in zip(instruction.inputs, instruction.op._inputs):
                types[slot] = tensor._dtype
            for slot, tensor in zip(instruction.outputs, instruction.op._outputs):
                types[slot] = tensor._dtype
        self.types = types
        return types

    def _keep_variants_off_the_border(self) -> bool:
        """Values of dtype variant live within a step; what takes one in or hands one out goes to the host."""
        border = {s for s in (*self.input_slots, *self.output_slots) if self.types[s] == dtypes.variant}
        found = False
        for instruction in self.instructions if border else ():
            if border.intersection(instruction.inputs) or border.intersection(instruction.outputs):
                instruction.host, instruction.host_reason = True, ON_THE_BORDER
                found = True
        return found

    def run(self, env: list[Any], frame: Any) -> list[Any] | None:
        """Runs the step; returns the steps to run in its place when it had to be cut."""
        if not self.executables and self._keep_variants_off_the_border():
            with self.lock:
                return _cut_again(self)
        resources = [env[s] for s in self.resource_slots]
        executable = self.latest
        try:
            if executable is None or not executable.fits(resources, frame):
                executable = self.latest = self.executable(env, frame)
            executable.run(env)
        except HostNeeded as needed:
            return self._cut_around(needed)
        return None

    def prepare(self, env: list[Any], frame: Any) -> list[Any] | None:
        """Compiles the step for inputs of which `env` may hold no more than shape and dtype.

        Returns the steps to prepare in its place when it had to be cut.
        """
        if not self.executables and self._keep_variants_off_the_border():
            with self.lock:
                return _cut_again(self)
        try:
            self.executable(env, frame).prepare(env)
        except HostNeeded as needed:
            return self._cut_around(needed)
        return None

    def executable(self, env: list[Any], frame: Any) -> Executable:
        """The executable for the resources in `env`."""
        resources = [env[s] for s in self.resource_slots]
        key = tuple([id(r) for r in resources]) + (id(frame.store),)
        executable = self.executables.get(key)
        if executable is None or not executable.fits(resources, frame):
            with self.lock:
                executable = self.executables.get(key)
                if executable is None or not executable.fits(resources, frame):
                    touched: dict[int, list[Any]] = {}
                    find_touched(self.instructions, {s: env[s] for s in self.resource_slots}, frame, touched)
                    executable = self.executables[key] = Executable(
                        self, resources, list(touched.values()), frame, self._run_traced(frame))
        return executable

    def _run_traced(self, host: Any) -> Any:
        def run(env: list[Any], values: dict[int, Any]) -> Any:
            frame = TraceFrame(host, values, jax_modules())
            if self.items is None:
                self.items = with_repetitions(self.instructions, self.needed_later)
            trace(self.items, env, frame)
            return frame.is_tracer

        return run

    def _cut_around(self, needed: HostNeeded) -> list[Any]:
        culprit = needed.__dict__.get("instruction")
        if culprit is None:
            raise needed
        culprit.host = True
        culprit.host_reason = needed.reason
        with self.lock:
            return _cut_again(self)

    def __repr__(self) -> str:
        return f"<compiled step: {len(self.instructions)} operations>"


def _cut_again(step: CompiledStep) -> list[Any]:
    """The steps that replace one in which operations turned out to need the host."""
    order = _schedule(step.instructions)
    groups: list[list[Instruction]] = []
    for instruction in order:
        if not groups or groups[-1][0].host != instruction.host:
            groups.append([])
        groups[-1].append(instruction)
    steps: list[Any] = []
    for index, group in enumerate(groups):
        later = {s for g in groups[index + 1:] for i in g for s in i.inputs} | step.needed_later
        steps.append(HostStep(group) if group[0].host else CompiledStep(step.program, group, later))
    return steps


def find_touched(instructions: Sequence[Instruction], env: dict[int, Any], frame: Any, touched: dict[int, list[Any]]
           ) -> None:
    """Finds the resources that instructions touch, and whether they may write them."""
    for instruction in instructions:
        resources = []
        for position, slot in enumerate(instruction.inputs):
            value = env.get(slot)
            if isinstance(value, Resource):
                resources.append(value)
                reads = instruction.card.reads_only or position in instruction.derefs or not instruction.card.stateful
                if not instruction.functions:
                    entry = touched.setdefault(id(value), [value, False])
                    entry[1] = entry[1] or not reads
        if instruction.functions:
            for function in instruction.functions:
                program = program_of(function)
                offset = len(instruction.inputs) - len(program.input_slots)
                inner = {
                    slot: env[instruction.inputs[offset + n]]
                    for n, slot in enumerate(program.input_slots)
                    if isinstance(env.get(instruction.inputs[offset + n]), Resource)
                }
                find_touched(program.instructions, inner, frame, touched)
        if instruction.card.own_state is not None:
            hidden = frame.hidden(instruction.op)
            touched[id(hidden)] = [hidden, True]
        for slot, tensor in zip(instruction.outputs, instruction.op._outputs):
            if tensor._dtype == dtypes.resource or tensor._dtype._is_ref_dtype:
                if resources:
                    env[slot] = resources[0]
                elif not instruction.inputs and instruction.wants_frame:
                    env[slot] = instruction.kernel(np, frame=frame)
                if isinstance(env.get(slot), Resource):
                    touched.setdefault(id(env[slot]), [env[slot], False])


def trace(items: Sequence[Any], env: list[Any], frame: TraceFrame) -> None:
    """The loop, with tracers: values known while compiling are computed, the rest is compiled.

    Args:
      items: instructions, and repetitions of them.
      env: values by slot.
      frame: what kernels ask for.
    """
    jax, jnp = frame.jax.jax, frame.jax.numpy
    for instruction in items:
        if isinstance(instruction, Repetition):
            instruction.run(env, frame, trace)
            continue
        values = [env[i] for i in instruction.inputs]
        card = instruction.card
        try:
            # As part of a larger program, what is on the border of its own program may be inside.
            if instruction.host and instruction.host_reason is not ON_THE_BORDER:
                raise HostNeeded(instruction.host_reason)
            for position in instruction.derefs:
                values[position] = frame.read(values[position])
            joined = join(instruction, values) if instruction.sole_reader_of else None
            if joined is not None:
                for slot, value in zip(instruction.outputs, (joined,) if instruction.single else joined):
                    env[slot] = value
                continue
            if not card.shape_only:
                for position, value in enumerate(values):
                    if isinstance(value, Unfinished):
                        values[position] = value.finish()
            arguments = card.group(values, instruction.attrs) if instruction.grouped else values
            for position in card.static_positions:
                if frame.is_tracer(arguments[position]):
                    raise HostNeeded(f"its operand {card.inputs[position].name!r} is not known while compiling")
            if card.shape_only or (not card.stateful and not instruction.wants_frame
                                   and not any(frame.is_tracer(v) or isinstance(v, Variant) for v in values)
                                   and _is_small(instruction)):
                if card.shape_only:
                    arguments = [_stand_in(v) for v in arguments]
                result = instruction.kernel(np, *arguments)
            elif instruction.xla is not None:
                result = (instruction.xla(jax, *arguments, frame=frame) if instruction.xla_wants_frame
                          else instruction.xla(jax, *arguments))
            elif instruction.wants_frame:
                result = instruction.kernel(jnp, *arguments, frame=frame)
            else:
                result = instruction.kernel(jnp, *arguments)
        except HostNeeded as needed:
            # Seen from the outermost program, it is the operation there that needs the host.
            needed.instruction = instruction  # type: ignore[attr-defined]
            raise
        except frame.jax.needs_value as error:
            wants_value = HostNeeded(f"its kernel needs a value: {type(error).__name__}")
            wants_value.instruction = instruction  # type: ignore[attr-defined]
            raise wants_value from None
        except OpError as error:
            raise explain(error, card, values, instruction.op).with_traceback(None) from None
        except Exception as error:
            raise explain(error, card, values, instruction.op) from error
        if instruction.single:
            env[instruction.output] = result
        elif result is not None:
            for slot, value in zip(instruction.outputs, result):
                env[slot] = value


def _is_small(instruction: Instruction) -> bool:
    for tensor in instruction.op._outputs:
        size = tensor._shape.num_elements()
        if size is not None and size > LARGEST_FOLDED:
            return False
    return True


def _stand_in(value: Any) -> Any:
    """An array of the same shape and dtype without memory of its own, for kernels that look at shapes."""
    if isinstance(value, (list, tuple)):
        return [_stand_in(v) for v in value]
    return np.broadcast_to(np.zeros((), value.dtype), value.shape)


class TraceFrame:
    """What kernels ask for while a step is traced: variables are values that pass through the program."""

    tracing = True

    def __init__(self, host: Any, values: dict[int, Any], modules: Any) -> None:
        self.host = host
        self.store = host.store
        self.values = values
        self.jax = modules
        self.is_tracer = modules.is_tracer

    def read(self, resource: VariableResource) -> Any:
        value = self.values.get(id(resource))
        if value is None:
            if id(resource) not in self.values:
                raise HostNeeded(f"it reads {resource.name!r}, which is not known to be a variable of this step")
            raise uninitialized(resource)
        return value

    def assign(self, resource: VariableResource, value: Any) -> None:
        if id(resource) not in self.values:
            raise HostNeeded(f"it writes {resource.name!r}, which is not known to be a variable of this step")
        dtype = resource.value_dtype
        if not self.is_tracer(value):
            value = self.jax.numpy.asarray(value, dtype.numpy_dtype if dtype is not None else None)
        self.values[id(resource)] = value

    def hidden(self, op: Any) -> VariableResource:
        return self.host.hidden(op)

    def run(self, function: GraphFunction, arguments: Sequence[Any]) -> list[Any]:
        return run_traced(function, arguments, self)

    # ---- control flow

    def branch(self, index: Any, functions: Sequence[GraphFunction], arguments: Sequence[Any]) -> list[Any]:
        if not self.is_tracer(index):
            return self.run(functions[int(index)], arguments)
        written = self._written_by(functions, arguments)

        fakes = [[t._op.type == "FakeParam" for t in f.outputs] for f in functions]
        forms: dict[int, Any] = {}

        lists = BranchLists(self.jax.jax)

        def call(function: GraphFunction, missing: Sequence[bool], looking: bool, state: Sequence[Any]) -> Any:
            inner = self._child(written, state)
            outputs = inner.run(function, arguments)
            if any(isinstance(o, Resource) for o in outputs):
                raise HostNeeded("its branches return resources")
            values: list[Any] = []
            for position, output in enumerate(outputs):
                if missing[position]:
                    # What only another branch computes: zeros of the form it has there.
                    if position in lists.forms:
                        values.append(lists.parts(position, None))
                    elif position in forms:
                        values.append(self.jax.numpy.zeros(forms[position].shape, forms[position].dtype))
                    continue
                if isinstance(output, AnyList):
                    if looking:
                        lists.see(position, output)
                    values.append(None if looking else lists.parts(position, output))
                    continue
                values.append(self._array(output))
            return values, [inner.values[id(r)] for r in written]

        state = [self.values[id(r)] for r in written]
        if any(s is None for s in state):
            raise HostNeeded("its branches initialize variables")
        state = [self._array(s) for s in state]
        try:
            if any(any(f) for f in fakes) or any(t._dtype == dtypes.variant for t in functions[0].outputs):

                def look(state: Sequence[Any]) -> Any:
                    shaped = [call(f, m, True, state) for f, m in zip(functions, fakes)]
                    lists.settle()
                    return shaped

                for missing, (shaped, _) in zip(fakes, self.jax.jax.eval_shape(look, state)):
                    forms.update(zip([i for i, m in enumerate(missing) if not m], shaped))
            outputs, state = self.jax.jax.lax.switch(
                self.jax.numpy.asarray(index, "int32"),
                [functools.partial(call, f, m, False) for f, m in zip(functions, fakes)], state,
            )
        except TypeError as error:
            raise HostNeeded(f"its branches do not agree in shapes: {str(error)[:200]}") from None
        for resource, value in zip(written, state):
            self.values[id(resource)] = value
        return [lists.rebuild(i, o) if i in lists.forms else o for i, o in enumerate(outputs)]

    def loop(self, condition: GraphFunction, body: GraphFunction, arguments: Sequence[Any],
             maximum_iterations: int | None = None, bounds: LoopBounds | None = None) -> list[Any]:
        fixed = _loop_invariants(body)
        carried = [i for i, a in enumerate(arguments) if i not in fixed and not isinstance(a, Resource)]
        positions = [i for i in carried if isinstance(arguments[i], AnyList)]
        carried = [i for i in carried if i not in positions]
        written = self._written_by([body], arguments)
        if self._written_by([condition], arguments):
            raise HostNeeded("its condition assigns variables")
        # Numbers that are known stay so: a loop that is counted ahead follows them.
        start = [np.asarray(a) if isinstance(a, (np.ndarray, np.generic)) else self._array(a)
                 for a in (arguments[i] for i in carried)]
        state = [self.values[id(r)] for r in written]
        if any(s is None for s in state):
            raise HostNeeded("its body initializes variables")
        state = [self._array(s) for s in state]
        if bounds is None:
            bounds = LoopBounds.counted(condition, body, arguments)
        lists = CarriedLists(self.jax.jax, condition, body, arguments, positions, maximum_iterations, bounds)

        def look() -> list[Any]:
            full = list(arguments)
            for position, value in zip(carried, start):
                full[position] = self._array(value)
            for position, items in lists.entering.items():
                full[position] = items
            return self._child(written, state).run(body, full)

        lists.make_room(look)

        def rebuild(values: Sequence[Any], parts: Sequence[Any]) -> list[Any]:
            full = list(arguments)
            for position, value in zip(carried, values):
                full[position] = value
            lists.rebuild(full, parts)
            return full

        def holds(carry: Any) -> Any:
            count, values, variables, parts = carry
            inner = self._child(written, variables)
            result = self.jax.numpy.reshape(self._array(inner.run(condition, rebuild(values, parts))[0]), ())
            if maximum_iterations is not None:
                result = self.jax.numpy.logical_and(result, count < maximum_iterations)
            return result

        def step(carry: Any) -> Any:
            count, values, variables, parts = carry
            inner = self._child(written, variables)
            outputs = inner.run(body, rebuild(values, parts))
            return (count + 1, [self._array(outputs[i]) for i in carried], [inner.values[id(r)] for r in written],
                    lists.taken(outputs))

        entering = (np.zeros((), np.int64), start, state, lists.start())
        try:
            leaving = None
            if bounds.exact and bounds.most is not None:
                iterations = bounds.most if maximum_iterations is None else min(bounds.most, maximum_iterations)
                leaving = run_counted(self.jax.jax, step, entering, iterations)
            if leaving is None:
                leaving = self.jax.jax.lax.while_loop(holds, step, entering)
            bounds.ran, values, state, parts = leaving
        except TypeError as error:
            raise HostNeeded(f"a loop variable changes its shape: {str(error)[:200]}") from None
        for resource, value in zip(written, state):
            self.values[id(resource)] = value
        results = rebuild(values, parts)
        lists.finish(results, parts)
        if maximum_iterations is None:
            # Counters are known behind the loop: the loop of its gradient counts down from there.
            for position, value in bounds.finals.items():
                results[position] = value
        return results

    def map_rows(self, function: GraphFunction, arguments: Sequence[Any], mapped: Sequence[int], rows: int
                 ) -> list[Any]:
        """The loop over the function once more, under `jax.vmap`."""
        if self._written_by([function], arguments):
            raise HostNeeded("each row changes variables")
        positions = [i for i, m in enumerate(mapped) if m]

        def one(values: Sequence[Any]) -> list[Any]:
            full = list(arguments)
            for position, value in zip(positions, values):
                full[position] = value
            return [self._array(v) for v in self._child((), ()).run(function, full)]

        try:
            return list(self.jax.jax.vmap(one)([self._array(arguments[i]) for i in positions]))
        except (NotImplementedError, UnimplementedError) as error:
            raise HostNeeded(f"it cannot be vectorized: {str(error)[:200]}") from None

    def _array(self, value: Any) -> Any:
        if self.is_tracer(value):
            return value
        if value is None:
            raise HostNeeded("a value is missing")
        if isinstance(value, Variant):
            raise HostNeeded("a variant has no form on the device")
        return self.jax.numpy.asarray(value, getattr(value, "dtype", None))

    def _child(self, written: Sequence[VariableResource], state: Sequence[Any]) -> TraceFrame:
        values = dict(self.values)
        for resource, value in zip(written, state):
            values[id(resource)] = value
        return TraceFrame(self.host, values, self.jax)

    def _written_by(self, functions: Sequence[GraphFunction], arguments: Sequence[Any]) -> list[VariableResource]:
        touched: dict[int, list[Any]] = {}
        for function in functions:
            program = program_of(function)
            offset = len(arguments) - len(program.input_slots)
            inner = {
                slot: arguments[offset + n] for n, slot in enumerate(program.input_slots)
                if isinstance(arguments[offset + n], Resource)
            }
            find_touched(program.instructions, inner, self.host, touched)
        written = [r for r, w in touched.values() if w and isinstance(r, VariableResource)]
        if any(id(r) not in self.values for r in written):
            raise HostNeeded("it writes a resource that is no variable of this step")
        return written


def _loop_invariants(body: GraphFunction) -> set[int]:
    """Positions that the body returns as it received them."""
    fixed = set()
    for position, (given, returned) in enumerate(zip(body.inputs, body.outputs)):
        while returned is not given and returned._op.type == "Identity":
            returned = returned._op._inputs[0]
        if returned is given:
            fixed.add(position)
    return fixed


def run_traced(function: GraphFunction, arguments: Sequence[Any], frame: TraceFrame) -> list[Any]:
    """The outputs of a function whose arguments are tracers or known values."""
    program = program_of(function)
    env = program.template.copy()
    for slot, value in zip(program.input_slots, arguments):
        env[slot] = value
    if program.items is None:
        program.items = with_repetitions(program.instructions, program.output_slots)
    trace(program.items, env, frame)
    results = [finished(env[s]) for s in program.output_slots]
    for position in program.output_reads:
        if isinstance(results[position], Resource):
            results[position] = frame.read(results[position])
    return results
