"""Executables: a compiled step's code for the resources it touches and the shapes it receives.

Code comes from the cache on disk (runtime/compile_cache) when a step with the same fingerprint was compiled
before; such a step is not even traced.  On accelerators jax's own jit compiles and keeps it.
"""

from __future__ import annotations

import base64
import importlib
import itertools
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.runtime import fingerprint
from everflow._src.runtime.background import BACKGROUND
from everflow._src.runtime.compile_cache import WORTH_KEEPING, compile_cache
from everflow._src.runtime.fingerprint import NoFingerprint
from everflow._src.runtime.jax_backend import jax_modules
from everflow._src.runtime.memory import MALLOC
from everflow._src.runtime.native.convolution import Versions
from everflow._src.runtime.native.library import compiled_library, status
from everflow._src.runtime.resources import STATE_LOCK, Resource, VariableResource
from everflow._src.runtime.unfinished import finished

# Values known while compiling become part of the executable up to this many elements; larger ones are
# computed by it, or passed to it.
LARGEST_FOLDED = 1024
# Of operands that were the same in two calls; no number is given twice in a process.
_VERSIONS = itertools.count(1)

# Seconds in which a program of so many operations compiles here, jax's import aside: what the tiers expect.
_COMPILES_IN = 0.1
_COMPILES_IN_PER_OPERATION = 4e-3
_IMPORTS_IN = 0.6

# Functions outside of it that a program calls, in the text of its StableHLO.
_CALLS = re.compile(r'custom_call @"?([^("\s]+)|call_target_name = "([^"]*)"')

Values = dict[int, Any]


def expected_seconds(operations: int, cached: bool, jax_is_loaded: bool) -> float:
    """About how long a program waits for its executables, for deciding whether to wait."""
    seconds = 0.0 if jax_is_loaded else _IMPORTS_IN
    if cached:
        return seconds + _COMPILES_IN / 2
    return seconds + _COMPILES_IN + _COMPILES_IN_PER_OPERATION * operations


def _stands_alone(lowered: Any) -> bool:
    """Whether code can run in a process that never traced it: LAPACK's functions, say, are found while tracing."""
    return all(name.startswith("everflow_") for names in _CALLS.findall(lowered.as_text())
               for name in names if name)


class Form:
    """What one trace of a step found out about its results; another trace, of other shapes, may find otherwise."""

    __slots__ = ("outputs", "plain", "assigned", "versioned")

    def __init__(self) -> None:
        self.outputs: list[int] = []  # slots of what it computes
        self.plain: dict[int, Any] = {}  # slots whose values were known while compiling
        self.assigned: list[int] = []  # positions of the variables that have new values
        self.versioned: list[int] = []  # positions of what it reads of which kernels want to know the version


class Executable:
    """A step specialised to the resources it touches, with its code by the shapes of its inputs.

    Args:
      step: the compiled step.
      resources: values of the slots of the step that hold resources.
      touched: (resource, whether it may be written) of every resource that the step reaches.
      frame: the frame of execution.
      run_traced: runs the instructions of the step on an environment of tracers, with the values of variables
        by identity, which it updates; the result tells a tracer from a value.
    """

    def __init__(self, step: Any, resources: Sequence[Any], touched: Sequence[Sequence[Any]], frame: Any,
                 run_traced: Callable[[list[Any], Values], Callable[[Any], bool]]) -> None:
        self.step = step
        self.store = frame.store
        self.jax = jax_modules()
        self.run_traced = run_traced
        self.resources = list(resources)  # kept alive: the key is their identity
        self.touched = [r for r, _ in touched]
        variables = [(r, w) for r, w in touched if isinstance(r, VariableResource)]
        self.written = [r for r, w in variables if w]
        self.read = [r for r, w in variables if not w]
        self.all_variables = [r for r, _ in variables]
        self.uninitialized = frozenset(id(r) for r in self.all_variables if r.value is None)
        # A value that may come back in another shape cannot take the memory of the old one.
        self.fixed = all(r.value_shape is None or r.value_shape.is_fully_defined() for r in self.written)
        self.loose = [r for r in self.all_variables if r.value_shape is None or not r.value_shape.is_fully_defined()]
        self.function = self.jax.jit(self._trace, donate_argnums=(0,) if self.fixed else ())
        # What each call reads and does not write: the variables that are only read, and then the inputs.
        self.versions = np.zeros(len(self.read) + len(step.input_slots), np.int64)
        self.versioned: frozenset[int] = frozenset()  # positions of which some code wants to know the version
        self.seen: dict[int, Any] = {}
        self.versions_lock = threading.Lock()  # `lock` is held for as long as compiling takes
        self.code: dict[Any, Callable[..., Any]] = {}
        self.last: tuple[list[Any] | None, Any] = (None, None)
        self.lock = threading.RLock()

    def fits(self, resources: Sequence[Any], frame: Any) -> bool:
        """False for other resources, and once a variable was initialized or forgotten since this was made."""
        if frame.store is not self.store or resources != self.resources:  # resources are equal by identity
            return False
        if self.uninitialized:
            return self.uninitialized == {id(r) for r in self.all_variables if r.value is None}
        for variable in self.all_variables:
            if variable.value is None:
                return False
        return True

    # ---- running

    def run(self, env: list[Any]) -> None:
        """Computes the outputs of the step into `env`, and gives variables their new values."""
        inputs = [env[s] for s in self.step.input_slots]
        key = [a.shape for a in inputs]
        if self.loose:
            key = self._key(inputs)
        with self.jax.x64():
            last, code = self.last
            changed = key != last
            if changed:
                code = self._code(key, inputs)
                self.last = key, code
            if self.all_variables:
                with STATE_LOCK:
                    while self.loose and self._key(inputs) != key:  # assigned by another thread meanwhile
                        key = self._key(inputs)
                        code = self._code(key, inputs)
                    own = self.jax.copy
                    read = [r.value for r in self.read]
                    result = code([own(r.value) if r.shared else r.value for r in self.written], read, inputs,
                                  self._versions(read, inputs))
                    new_values, outputs = result.arrays
                    written = self.written
                    for index, value in zip(result.form.assigned, new_values):
                        resource = written[index]
                        resource.value = value
                        resource.shared = False
            else:
                result = code([], [], inputs, self._versions([], inputs))
                _, outputs = result.arrays
        form = result.form
        if not self.versioned.issuperset(form.versioned):
            with self.versions_lock:
                self.versioned = self.versioned.union(form.versioned)
        for slot, value in zip(form.outputs, outputs):
            env[slot] = value
        if changed:
            MALLOC.give_back()  # temporaries of other sizes may have left holes
        if form.plain:
            for slot, value in form.plain.items():
                env[slot] = value

    def _versions(self, read: Sequence[Any], inputs: Sequence[Any]) -> np.ndarray:
        """A number for each thing that is read, other than 0 for what was the same array in the call before, too.

        Values of variables and of tensors do not change in place: the same array is the same values.
        """
        if not self.versioned:
            return self.versions
        with self.versions_lock:
            for position in self.versioned:
                value = read[position] if position < len(read) else inputs[position - len(read)]
                same, version = value is self.seen.get(position), self.versions[position]
                if same and version:
                    continue
                self.seen[position] = value
                if same or version:
                    self.versions = self.versions.copy()  # XLA may still be reading the last one
                    self.versions[position] = next(_VERSIONS) if same else 0
            return self.versions

    def prepare(self, env: Sequence[Any]) -> None:
        """Compiles for inputs of which `env` may hold no more than shape and dtype."""
        inputs = [env[s] for s in self.step.input_slots]
        with self.jax.x64():
            self._code(self._key(inputs), inputs)

    def _key(self, inputs: Sequence[Any]) -> list[Any]:
        """Shapes that may differ from one run to the next."""
        return [a.shape for a in inputs] + [getattr(r.value, "shape", None) for r in self.loose]

    def _code(self, shapes: list[Any], inputs: Sequence[Any]) -> Callable[..., Any]:
        key = tuple(shapes)
        return self.code.get(key) or self._compile(key, inputs)

    # ---- compiling

    def lowered(self, inputs: Sequence[Any]) -> Any:
        """What jax lowers the step to, for variables as they are and inputs of which shape and dtype count."""
        return self.function.lower(*self._arguments(inputs))

    def _arguments(self, inputs: Sequence[Any]) -> list[Any]:
        struct = self.jax.jax.ShapeDtypeStruct
        arguments: list[Any] = [
            [None if v is None else struct(v.shape, v.dtype) for v in values]
            for values in ([r.value for r in self.written], [r.value for r in self.read], inputs)
        ]
        return [*arguments, struct(self.versions.shape, self.versions.dtype)]

    def _compile(self, key: Any, inputs: Sequence[Any]) -> Callable[..., Any]:
        arguments = self._arguments(inputs)
        if not self.jax.on_cpu:
            with BACKGROUND.aside():
                self.function.lower(*arguments).compile()  # jit finds it
            self.code[key] = self.function
            return self.function
        with self.lock:
            if key in self.code:
                return self.code[key]
            compiled_library(self.jax.jax)  # code from the cache may call its handlers
            name = self._fingerprint(arguments)
            code = self._load(name, arguments)
            if code is None:
                started = time.perf_counter()
                lowered = self.function.lower(*arguments)
                with BACKGROUND.aside():
                    code = self.jax.compile_for_cpu(lowered)
                if name is not None and time.perf_counter() - started > WORTH_KEEPING and _stands_alone(lowered):
                    self._keep(name, code)
            self.code[key] = code
            return code

    def _trace(self, written: Sequence[Any], read: Sequence[Any], inputs: Sequence[Any], numbers: Any) -> Any:
        with Versions([*read, *inputs], numbers) as versions:
            results, form = self._trace_step(written, read, inputs)
        form.versioned = versions.used
        return self.jax.Formed(results, form)

    def _trace_step(self, written: Sequence[Any], read: Sequence[Any], inputs: Sequence[Any]) -> tuple[Any, Form]:
        step = self.step
        values: Values = {}
        for resource, value in zip(self.written, written):
            values[id(resource)] = value
        for resource, value in zip(self.read, read):
            values[id(resource)] = value
        env: list[Any] = [None] * len(step.program.template)
        for slot in step.constant_slots:
            env[slot] = step.program.template[slot]
        for slot, resource in zip(step.resource_slots, self.resources):
            env[slot] = resource
        for slot, value in zip(step.input_slots, inputs):
            env[slot] = value
        is_tracer = self.run_traced(env, values)
        form, results = Form(), []
        incoming = {id(v) for v in (*written, *read, *inputs)}
        stored = {id(values[id(r)]) for r in self.all_variables if values[id(r)] is not None}
        for slot in step.output_slots:
            value = finished(env[slot])
            if isinstance(value, Resource) or value is None:
                form.plain[slot] = value
                continue
            if not is_tracer(value):
                value = np.asarray(value)
                if value.size <= LARGEST_FOLDED:
                    # The value was known while compiling: no reason to compute it again.
                    form.plain[slot] = value
                    continue
            if id(value) in stored or id(value) in incoming:
                # A result of its own: the next step overwrites the memory of the variable.
                value = self.jax.own_copy(value)
            form.outputs.append(slot)
            results.append(value)
        new_values = []
        for index, resource in enumerate(self.written):
            value = values[id(resource)]
            if value is None:
                continue
            form.assigned.append(index)
            new_values.append(value)
        return (new_values, results), form

    # ---- the cache on disk

    def _fingerprint(self, arguments: Sequence[Sequence[Any]]) -> str | None:
        """The name of this code in the cache; None for what cannot be told from other code."""
        if compile_cache().path is None or len(self.all_variables) != len(self.touched):
            return None
        step = self.step
        position = {id(r): i for i, r in enumerate((*self.written, *self.read))}
        try:
            return fingerprint.of_instructions(
                step.instructions, status().what, self.jax.settings(), step.input_slots, step.output_slots,
                [(s, step.program.template[s]) for s in step.constant_slots],
                [(s, position[id(r)]) for s, r in zip(step.resource_slots, self.resources)],
                [[None if a is None else (np.dtype(a.dtype), a.shape) for a in part] for part in arguments[:-1]],
                self.fixed,
            )
        except (NoFingerprint, KeyError):
            return None

    def _load(self, name: str | None, arguments: Sequence[Any]) -> Callable[..., Any] | None:
        found = compile_cache().get(name) if name is not None else None
        if found is None:
            return None
        header, payload = found
        tree = self.jax.jax.tree_util.tree_structure
        try:
            form = self._read_form(header)
            results = self.jax.Formed(([0] * len(form.assigned), [0] * len(form.outputs)), form)
            serialization = importlib.import_module("jax.experimental.serialize_executable")
            with BACKGROUND.aside():
                return serialization.deserialize_and_load(
                    payload, tree((tuple(arguments), {})), tree(results),
                    execution_devices=self.jax.jax.devices()[:1],
                )
        except Exception:  # of another XLA, or not what it says it is: compiled anew
            return None

    def _keep(self, name: str, code: Any) -> None:
        try:
            serialization = importlib.import_module("jax.experimental.serialize_executable")
            payload, _, tree = serialization.serialize(code)
            form = self.jax.jax.tree_util.tree_unflatten(tree, [0] * tree.num_leaves).form
            compile_cache().put(name, self._written_form(form), payload)
        except Exception:  # jax cannot take every executable apart, and values may be of any kind
            return

    def _written_form(self, form: Form) -> dict[str, Any]:
        plain: list[Any] = []
        for slot, value in form.plain.items():
            if value is None:
                plain.append([slot, None])
            elif isinstance(value, Resource):
                plain.append([slot, next(i for i, r in enumerate(self.all_variables) if r is value)])
            else:
                array = np.asarray(value)
                if array.dtype.hasobject:
                    raise NoFingerprint("Python objects among the results")
                text = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
                plain.append([slot, dtypes.as_dtype(array.dtype).name, list(array.shape), text])
        return {"outputs": form.outputs, "assigned": form.assigned, "versioned": form.versioned, "plain": plain}

    def _read_form(self, header: dict[str, Any]) -> Form:
        form = Form()
        form.outputs, form.assigned, form.versioned = (
            list(map(int, header[name])) for name in ("outputs", "assigned", "versioned"))
        for slot, *value in header["plain"]:
            if len(value) == 1:
                form.plain[slot] = None if value[0] is None else self.all_variables[value[0]]
            else:
                name, shape, text = value
                dtype = dtypes.as_dtype(name).numpy_dtype
                form.plain[slot] = np.frombuffer(base64.b64decode(text), dtype).reshape(shape)
        return form
