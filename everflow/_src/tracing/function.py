"""`tf.function`: Python functions that become programs, one trace per kind of arguments."""

from __future__ import annotations

import functools
import inspect
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import nest
from everflow._src.framework.context import LOCAL, STATE, current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.func_graph import FuncGraph, uid
from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.framework.tensor_spec import TensorSpec
from everflow._src.framework.type_spec import TypeSpec
from everflow._src.tracing import explain
from everflow._src.tracing.cache_key import part_of_key, references_in
from everflow._src.tracing.compiler_ir import compiler_ir
from everflow._src.tracing.concrete_function import ConcreteFunction
from everflow._src.tracing.signatures import FunctionSpec, covers, name_of, weak_method, without_shapes
from everflow._src.tracing.tracer import trace_into
from everflow._src.variables.variable import Variable
from everflow._src.variables.variable_store import VariableStore

_run_eagerly = False


@export("config.run_functions_eagerly", "config.experimental_run_functions_eagerly",
        v1=["config.run_functions_eagerly", "config.experimental_run_functions_eagerly"])
def run_functions_eagerly(run_eagerly: bool) -> None:
    """With True, functions under `tf.function` run as plain Python, for debugging."""
    global _run_eagerly
    _run_eagerly = bool(run_eagerly)


@export("config.functions_run_eagerly", "config.experimental_functions_run_eagerly",
        v1=["config.functions_run_eagerly", "config.experimental_functions_run_eagerly"])
def functions_run_eagerly() -> bool:
    """Whether functions under `tf.function` run as plain Python."""
    return _run_eagerly


class Trace:
    """One concrete function, and what it was traced for; dropped when an object among that is gone."""

    __slots__ = ("key", "shapes", "concrete", "arguments", "called_from", "keys", "references",
                 "calls_when_dropped")

    def __init__(self, key: Any, shapes: list[TensorShape], concrete: ConcreteFunction, arguments: explain.Arguments,
                 called_from: str) -> None:
        self.key = key
        self.shapes = shapes
        self.concrete: ConcreteFunction | None = concrete
        self.arguments = arguments
        self.called_from = called_from
        self.keys: list[Any] = []  # under which the cache has it
        self.references: list[Any] = []
        self.calls_when_dropped = 0


_KEPT_DROPPED = 20


class CallCounter:
    """How often a function was called, whichever trace served."""

    def __init__(self, traces: list[Trace]) -> None:
        self.traces = traces
        self.of_dropped = 0

    def total(self) -> int:
        """Calls of all traces."""
        alive = [t.concrete for t in list(self.traces)]
        return self.of_dropped + sum(c.calls for c in alive if c is not None)


class Function:
    """A Python function that is traced once per kind of arguments and then runs as a program.

    Made by `tf.function`.
    """

    def __init__(
        self,
        python_function: Callable,
        name: str | None = None,
        input_signature: Any = None,
        autograph: bool = True,
        jit_compile: bool | None = None,
        reduce_retracing: bool = False,
        creates_variables: bool = False,
    ) -> None:
        self._creates_variables = creates_variables  # in every trace, not in the first alone
        self._python_function = python_function
        self._name = name or getattr(python_function, "__name__", None) or name_of(python_function)
        self._autograph = autograph
        self._autograph_options: Any = None
        self._jit_compile = jit_compile
        self._reduce_retracing = reduce_retracing
        self._lock = threading.RLock()
        self._cache: dict[Any, ConcreteFunction] = {}
        self._traces: list[Trace] = []
        self.call_counter = CallCounter(self._traces)
        self._trace_count = 0
        # How many calls there were at each of the latest traces: traces in a row are worth a warning.
        self._calls_at_traces: deque[int] = deque(maxlen=explain.TRACES_IN_A_ROW)
        self._warned = False
        self._store = VariableStore(keeps_eager=True)
        self._created_variables: list[Any] | None = None
        self._instances: weakref.WeakKeyDictionary[Any, Function] = weakref.WeakKeyDictionary()
        self._instances_by_id: dict[int, Any] = {}
        self._bound_to: Any = None
        target = python_function
        try:
            self._signature: inspect.Signature | None = inspect.signature(target)
        except (TypeError, ValueError):
            self._signature = None
        self._positional = self._count_positional()
        self.input_signature = self._check_input_signature(input_signature)
        functools.update_wrapper(self, python_function, updated=())

    # ---- what it is

    @property
    def python_function(self) -> Callable:
        """The function that is traced."""
        return self._python_function

    @property
    def name(self) -> str:
        """The name that traces are named after."""
        return self._name

    @property
    def function_spec(self) -> FunctionSpec:
        """The signature of the Python function and what was said of it."""
        return FunctionSpec(self._signature, self._python_function, self.input_signature, self._jit_compile,
                            self._name)

    @property
    def function_type(self) -> inspect.Signature | None:
        """The signature of the Python function."""
        return self._signature

    def total_calls(self) -> int:
        """How often it was called, by any trace."""
        return self.call_counter.total()

    def explain(self) -> explain.Explanation:
        """Which traces there are, why each was made, how often it ran, and in which tier; print it.

        Returns:
          An `Explanation`, whose text is a table and whose `traces` are the same as data.

        >>> import everflow as tf
        >>> double = tf.function(lambda x: x * 2)
        >>> _ = double(tf.constant(1.)), double(tf.constant([1., 2.])), double(tf.constant(3.))
        >>> for trace in double.explain().traces:
        ...     print(trace.number, trace.calls, trace.because)
        1 2 first call
        2 1 from trace 1: x: float32 () -> float32 (2,)
        """
        with self._lock:
            traces = list(self._traces)
            reports = [
                explain.report(n + 1, t.arguments, [e.arguments for e in traces[:n]], t.called_from, t.concrete,
                               t.calls_when_dropped)
                for n, t in enumerate(traces)
            ]
        return explain.Explanation(self._name, self._defined_at(), reports)

    def _code(self) -> Any:
        return getattr(inspect.unwrap(getattr(self._python_function, "func", self._python_function)), "__code__", None)

    def _defined_at(self) -> str:
        code = self._code()
        return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else type(self._python_function).__name__

    def experimental_get_tracing_count(self) -> int:
        """How many times the Python function was traced."""
        return self._trace_count

    def pretty_printed_concrete_signatures(self, verbose: bool = True) -> str:
        """The signatures of all traces, for people to read."""
        alive = [t.concrete for t in self._traces]
        return "\n\n".join(c.pretty_printed_signature(verbose) for c in alive if c is not None)

    def experimental_get_compiler_ir(self, *args: Any, **kwargs: Any) -> Callable[..., str | bytes]:
        """A function of a stage (see `compiler_ir.STAGES`) that returns what XLA has of the trace for these arguments.

        Raises:
          ValueError: the function was not made with jit_compile=True, a shape is unknown, or an operation runs on
            the host.
        """
        if not self._jit_compile:
            raise ValueError("Compiler IR can only be returned for functions marked with 'jit_compile=True'")
        concrete = self.get_concrete_function(*args, **kwargs)
        args, kwargs = self._bind(args, kwargs)
        tensors: list[Any] = []
        for value in [*args, *(v for _, v in sorted(kwargs.items()))]:
            part_of_key(value, tensors)
        return compiler_ir(concrete, tensors)

    def _count_positional(self) -> int:
        """How many plain positional parameters there are; -1 when the signature needs Python's own binding."""
        if self._signature is None:
            return -1
        count = 0
        for parameter in self._signature.parameters.values():
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                count += 1
            else:
                return -1
        return count

    def _check_input_signature(self, signature: Any) -> Any:
        if signature is None:
            return None
        if not isinstance(signature, (list, tuple)):
            raise TypeError(f"input_signature must be either a tuple or a list, got {type(signature)}.")
        for spec in nest.flatten(list(signature)):
            if not hasattr(spec, "is_compatible_with") or isinstance(spec, Tensor):
                raise TypeError(
                    f"input_signature must be a possibly nested sequence of TensorSpec objects, got {spec!r}"
                )
        if self._positional >= 0 and len(signature) > self._positional:
            raise TypeError(
                f"When input_signature is provided, all inputs to the Python function must be covered: it has "
                f"{len(signature)} entries, and {self._name} takes {self._positional} arguments"
            )
        return tuple(signature)

    def _check_signature_covers_arguments(self) -> None:
        # Not before the first trace: a function of a class turns into a method, which has one argument less.
        if self._signature is None:
            return
        plain = [p for p in self._signature.parameters.values()
                 if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        for parameter in plain[len(self.input_signature):]:
            if parameter.default is parameter.empty:
                raise TypeError(
                    f"When input_signature is provided, all required arguments of {self._name} need a spec: "
                    f"{parameter.name!r} has none"
                )
        for parameter in self._signature.parameters.values():
            if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
                raise TypeError(
                    f"When input_signature is provided, keyword-only arguments of {self._name} must have a default: "
                    f"{parameter.name!r} has none"
                )

    # ---- methods

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        try:
            found = self._instances.get(instance)
        except TypeError:  # not hashable, or not weakly referable
            entry = self._instances_by_id.get(id(instance))
            found = entry[1] if entry is not None and entry[0] is instance else None
        if found is None:
            found = Function(weak_method(self._python_function, instance), self._name, None, self._autograph,
                             self._jit_compile, self._reduce_retracing, self._creates_variables)
            found.input_signature = self.input_signature
            found._bound_to = True
            found._autograph_options = self._autograph_options
            try:
                self._instances[instance] = found
            except TypeError:
                self._instances_by_id[id(instance)] = (instance, found)
        return found

    # ---- calling

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if _run_eagerly and current_graph() is None:
            return self._python_function(*args, **kwargs)
        if kwargs or len(args) != self._positional:
            args, kwargs = self._bind(args, kwargs)
        if self.input_signature is not None:
            args = self._cast_to_signature(args, kwargs)
        tensors: list[Any] = []
        key: Any = tuple([part_of_key(a, tensors) for a in args])
        if kwargs:
            key = (key, tuple([(k, part_of_key(v, tensors)) for k, v in sorted(kwargs.items())]))
        if STATE.busy:
            outside = self._context()
            if outside is not None:
                key = (key, outside)
        concrete = self._cache.get(key)
        if concrete is None:
            concrete = self._trace_for(key, args, kwargs, tensors, True)
        for index, tensor in enumerate(tensors):
            if not isinstance(tensor, Tensor):
                tensors[index] = convert(tensor)
        return concrete.call_flat(tensors)

    def _bind(self, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments as positional ones as far as the signature goes, defaults filled in."""
        if self._signature is None:
            return tuple(args), kwargs
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"Binding inputs to tf.function failed due to `{error}`. Received args: {args!r} and "
                            f"kwargs: {kwargs!r} for signature: {self._name}{self._signature}.") from None
        bound.apply_defaults()
        return bound.args, bound.kwargs

    @staticmethod
    def _context() -> Any:
        """What besides the arguments a trace depends on."""
        graph = current_graph()
        while graph is not None and graph.building_function:
            graph = graph.outer_graph
        device = LOCAL.device
        outside = id(graph) if graph is not None else None
        return (outside, device) if device is not None or outside is not None else None

    def _cast_to_signature(self, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        cast = []
        if self._positional < 0 and len(args) != len(self.input_signature):
            raise TypeError(
                f"Binding inputs to tf.function failed: {self._name} received {len(args)} positional arguments, its "
                f"input_signature has {len(self.input_signature)} entries"
            )
        for index, value in enumerate(args):
            if index >= len(self.input_signature):
                self._check_default(index, value)
                cast.append(value)
                continue
            cast.append(self._cast(self.input_signature[index], value))
        return tuple(cast)

    def _cast(self, spec: Any, value: Any) -> Any:
        def cast_one(wanted: Any, part: Any) -> Any:
            if not isinstance(wanted, TensorSpec):
                return self._cast(wanted, part) if isinstance(wanted, TypeSpec) else part
            if isinstance(part, Variable):
                part = part.value()
            if not isinstance(part, Tensor):
                try:
                    part = convert(part, wanted.dtype)
                except (TypeError, ValueError) as error:
                    raise self._cannot_cast(wanted, part, str(error)) from None
            if part.dtype.base_dtype != wanted.dtype or not wanted.shape.is_compatible_with(part.shape):
                raise self._cannot_cast(wanted, TensorSpec(part.shape, part.dtype), "")
            return part

        if isinstance(spec, TensorSpec):
            return cast_one(spec, value)
        if isinstance(spec, TypeSpec):
            if not spec.is_compatible_with(value):
                raise self._cannot_cast(spec, value, "")
            return value
        try:
            return nest.map_structure_up_to(spec, cast_one, spec, value)
        except ValueError as error:
            raise TypeError(f"Binding inputs to tf.function failed due to `{error}` for input_signature "
                            f"{self.input_signature}") from None

    def _check_default(self, index: int, value: Any) -> None:
        """An argument without a spec keeps its default: the one trace was made for that."""
        plain = list(self._signature.parameters.values()) if self._signature is not None else []
        if index >= len(plain) or plain[index].default is plain[index].empty:
            return
        default = plain[index].default
        if value is not default and (isinstance(value, Tensor) or value != default):
            raise TypeError(
                f"Binding inputs to tf.function failed due to `Can not cast {value!r} to {default!r}`: "
                f"{plain[index].name!r} has no spec in the input_signature of {self._name}, so it keeps its default"
            )

    def _cannot_cast(self, wanted: Any, got: Any, reason: str) -> TypeError:
        return TypeError(
            f"Binding inputs to tf.function failed due to `Can not cast {got} to {wanted}`. {reason} The "
            f"input_signature of {self._name} is {self.input_signature}"
        )

    # ---- tracing

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> ConcreteFunction:
        """The trace for arguments of this kind; `tf.TensorSpec` stands for any tensor that fits it.

        Raises:
          TypeError, ValueError: the arguments do not fit the signature.
        """
        if self.input_signature is not None and not args and not kwargs:
            args = self.input_signature
        args, kwargs = self._bind(args, kwargs)
        if self.input_signature is not None:
            args = tuple(
                a if isinstance(a, TypeSpec) else self._cast(self.input_signature[i], a)
                if i < len(self.input_signature) else a for i, a in enumerate(args)
            )
        tensors: list[Any] = []
        key: Any = tuple([part_of_key(a, tensors) for a in args])
        if kwargs:
            key = (key, tuple([(k, part_of_key(v, tensors)) for k, v in sorted(kwargs.items())]))
        outside = self._context() if STATE.busy else None
        if outside is not None:
            key = (key, outside)
        concrete = self._cache.get(key)
        if concrete is None:
            concrete = self._trace_for(key, args, kwargs, tensors, False)
        return concrete

    def _trace_for(self, key: Any, args: Sequence[Any], kwargs: dict[str, Any], tensors: Sequence[Any], called: bool
                   ) -> ConcreteFunction:
        """The trace for a key that the cache lacks; one thread at a time looks for it or makes it."""
        with self._lock:
            concrete = self._cache.get(key)
            if concrete is not None:
                return concrete
            shapes = [TensorShape(np.shape(t) if not hasattr(t, "shape") else t.shape) for t in tensors]
            if self.input_signature is not None:
                self._check_signature_covers_arguments()
                shapes = self._signature_shapes(shapes)
                if all(isinstance(spec, TensorSpec) for spec in nest.flatten(list(self.input_signature))):
                    args = (*self.input_signature, *args[len(self.input_signature):])
            structure = without_shapes(key)
            general = self._general_trace(structure, shapes)
            if general is not None:
                general.keys.append(key)
                self._cache[key] = general.concrete  # type: ignore[assignment]
                return general.concrete  # type: ignore[return-value]
            if self._reduce_retracing:
                shapes = self._relaxed(structure, shapes)
            names = self._argument_names(len(args))
            concrete = self._trace_now(args, kwargs, names, shapes)
            surroundings = self._context() if STATE.busy else None
            trace = Trace(structure, shapes, concrete, explain.describe(names, args, kwargs, shapes, surroundings),
                          explain.call_site())
            trace.keys.append(key)
            trace.references = [weakref.ref(r(), self._dropper(trace)) for r in references_in(key) if r() is not None]
            self._forget_dropped()
            self._note_trace(trace, called)
            self._traces.append(trace)
            self._cache[key] = concrete
            return concrete

    def _dropper(self, trace: Trace) -> Callable[[Any], None]:
        """What to do when an object is gone for which `trace` was made."""
        cache, counter = self._cache, self.call_counter

        def drop(reference: Any) -> None:
            # May run at any time, in any thread: single steps, and no lock.
            concrete, trace.concrete = trace.concrete, None
            if concrete is not None:
                trace.calls_when_dropped = concrete.calls
                counter.of_dropped += concrete.calls
            for key in trace.keys:
                cache.pop(key, None)

        return drop

    def _forget_dropped(self) -> None:
        """Keeps only the latest of the traces that were dropped."""
        dropped = [t for t in self._traces if t.concrete is None]
        for trace in dropped[:-_KEPT_DROPPED]:
            self._traces.remove(trace)

    def _note_trace(self, trace: Trace, called: bool) -> None:
        """Warns, once, of a function that is traced call after call."""
        if not called:
            return
        calls = self.total_calls()
        self._calls_at_traces.append(calls)
        if not self._traces and self._bound_to is None:
            explain.note_first_trace(self, self._code(), self._defined_at(), trace.called_from)
        if self._warned or len(self._calls_at_traces) < explain.TRACES_IN_A_ROW:
            return
        if calls - self._calls_at_traces[0] == explain.TRACES_IN_A_ROW - 1:
            self._warned = True
            found = explain.closest([t.arguments for t in self._traces], trace.arguments)
            explain.warn_of_retracing(self._name, self._defined_at(), trace.called_from, found[1] if found else [])

    def _signature_shapes(self, shapes: list[TensorShape]) -> list[TensorShape]:
        flat = nest.flatten(list(self.input_signature), expand_composites=True)
        declared = [s.shape for s in flat if isinstance(s, TensorSpec)]
        return [*declared, *shapes[len(declared):]]

    def _general_trace(self, structure: Any, shapes: Sequence[TensorShape]) -> Trace | None:
        for trace in self._traces:
            if trace.concrete is not None and trace.key == structure and len(trace.shapes) == len(shapes) and all(
                covers(g, s) for g, s in zip(trace.shapes, shapes)
            ):
                return trace
        return None

    def _relaxed(self, structure: Any, shapes: list[TensorShape]) -> list[TensorShape]:
        for trace in reversed(self._traces):
            if trace.key == structure and len(trace.shapes) == len(shapes):
                return [a.most_specific_compatible_shape(b) for a, b in zip(trace.shapes, shapes)]
        return shapes

    def _trace_now(self, args: Sequence[Any], kwargs: dict[str, Any], names: Sequence[str],
                   shapes: Sequence[TensorShape]) -> ConcreteFunction:
        """A new trace; when it fails, everything is as it was before."""
        count = self._trace_count
        try:
            if self._creates_variables:
                made: list[Any] = []
                concrete = self._trace_once(args, kwargs, names, shapes, made)
                concrete.kept_variables = [r() for r in made]
                return concrete
            if self._created_variables is not None:
                return self._trace_once(args, kwargs, names, shapes, None)
            created: list[Any] = []
            concrete = self._trace_once(args, kwargs, names, shapes, created)
            if created:
                # The variables exist now: the program that stays is one that only uses them.
                concrete = self._trace_once(args, kwargs, names, shapes, None)
            self._created_variables = created
            return concrete
        except BaseException:
            self._trace_count = count
            raise

    def _trace_once(self, args: Sequence[Any], kwargs: dict[str, Any], names: Sequence[str],
                    shapes: Sequence[TensorShape], created: list[Any] | None) -> ConcreteFunction:
        graph = FuncGraph(self._name)
        self._trace_count += 1
        signature = trace_into(graph, self._converted(), args, kwargs, names, shapes, created, self._store)
        concrete = ConcreteFunction(graph, f"__inference_{self._name}_{uid()}", signature, self._jit_compile)
        concrete.argument_names = list(names)
        concrete.argument_kinds = self._argument_kinds(len(names))
        concrete.python_name = self._name  # type: ignore[attr-defined]
        return concrete

    def _converted(self) -> Callable:
        """The function to trace: converted by AutoGraph where that is asked for and available."""
        if not self._autograph or _autograph is None:
            return self._python_function
        return _autograph(self._python_function, self._autograph_options)

    def _argument_names(self, count: int) -> list[str]:
        names: list[str] = []
        rest = "args"
        if self._signature is not None:
            for parameter in self._signature.parameters.values():
                if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                    names.append(parameter.name)
                elif parameter.kind is parameter.VAR_POSITIONAL:
                    rest = parameter.name
        names = names[:count]
        names += [f"{rest}_{i}" for i in range(count - len(names))]
        return names

    def _argument_kinds(self, count: int) -> list[str]:
        if self._signature is None:
            return ["POSITIONAL_ONLY"] * count
        plain = [p.kind.name for p in self._signature.parameters.values()
                 if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        if count > len(plain):  # what stands before starred arguments can only be given by position
            return ["POSITIONAL_ONLY"] * count
        return plain[:count]

    def __repr__(self) -> str:
        return f"<tf.function {self._name}: {len(self._traces)} traces>"


_autograph: Callable[[Callable, Any], Callable] | None = None


def install_autograph(convert_function: Callable[[Callable, Any], Callable]) -> None:
    """AutoGraph, one floor above, converts functions before they are traced."""
    global _autograph
    _autograph = convert_function


@export("function", v1=["function"])
def function(
    func: Callable | None = None,
    input_signature: Any = None,
    autograph: bool = True,
    jit_compile: bool | None = None,
    reduce_retracing: bool = False,
    experimental_implements: str | None = None,
    experimental_autograph_options: Any = None,
    experimental_attributes: dict[str, Any] | None = None,
    experimental_relax_shapes: bool | None = None,
    experimental_compile: bool | None = None,
    experimental_follow_type_hints: bool | None = None,
) -> Any:
    """Makes a program of a Python function.

    The function is traced once per structure, dtypes and shapes of its tensor arguments and per value of its
    other arguments; what it computes then runs as one program.

    Args:
      func: the function; a decorator is returned when None.
      input_signature: `tf.TensorSpec`s that limit tracing to one trace.
      autograph: True converts Python control flow on tensors.
      jit_compile: True compiles at the first call, False never; None when the program proves hot.
      reduce_retracing: True lets one trace serve several shapes.
      experimental_implements: accepted.
      experimental_autograph_options: `tf.autograph.experimental.Feature`s to convert besides control flow.
      experimental_attributes: accepted.
      experimental_relax_shapes: the older name of `reduce_retracing`.
      experimental_compile: the older name of `jit_compile`.
      experimental_follow_type_hints: accepted.

    Raises:
      TypeError: `func` is not callable, or `input_signature` does not fit it.

    >>> import everflow as tf
    >>> @tf.function
    ... def square_sum(x):
    ...     return tf.reduce_sum(x * x)
    >>> square_sum(tf.constant([1., 2.])).numpy()
    5.0
    """
    if jit_compile is None:
        jit_compile = experimental_compile
    if experimental_relax_shapes is not None:
        reduce_retracing = experimental_relax_shapes

    def decorated(inner: Callable) -> Function:
        if not callable(inner):
            raise TypeError(f"tf.function takes a callable, received {inner!r}")
        made = Function(inner, None, input_signature, autograph, jit_compile, reduce_retracing)
        made._autograph_options = experimental_autograph_options
        return made

    return decorated if func is None else decorated(func)


export("types.experimental.PolymorphicFunction", "types.experimental.GenericFunction",
       v1=["types.experimental.PolymorphicFunction", "types.experimental.GenericFunction"])(Function)
