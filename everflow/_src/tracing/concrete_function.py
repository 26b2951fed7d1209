"""Concrete functions: one trace of a Python function, called with tensors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from everflow._src.autodiff.functional import (
    Differentiable,
    Level,
    _fill,
    call_function,
    differentiable,
    unpack_results,
)
from everflow._src.framework import nest
from everflow._src.framework.context import LOCAL, STATE, current_graph
from everflow._src.framework.conversion import convert, operand_of
from everflow._src.framework.errors import InvalidArgumentError
from everflow._src.framework.export import export
from everflow._src.framework.func_graph import FuncGraph, GraphFunction
from everflow._src.framework.tensor import MissingTensor, Tensor, as_eager
from everflow._src.framework.tensor_spec import TensorSpec
from everflow._src.framework.type_spec import TypeSpec
from everflow._src.runtime.frames import HOST_FRAME, program_of
from everflow._src.tracing.tracer import Held


def run_function(function: GraphFunction, tensors: Sequence[Any]) -> list[Any]:
    """Runs a function on eager tensors; nobody records."""
    results = program_of(function).execute([t._value for t in tensors], HOST_FRAME)
    return [MissingTensor(t) if r is None else as_eager(r) for r, t in zip(results, function.outputs)]


def call_eagerly(function: GraphFunction, tensors: Sequence[Any], variables: Sequence[Any] = ()) -> list[Any]:
    """Runs a function on eager tensors and tells the active tapes how to go back over it."""
    recorders = LOCAL.recorders if STATE.busy else ()
    if not recorders:
        return run_function(function, tensors)
    for variable in variables:
        for recorder in recorders:
            recorder.variable_accessed(variable)
    watching = [r for r in recorders if r.is_watching(tensors)]
    if not watching:
        return run_function(function, tensors)
    known = differentiable(function)
    # The innermost tape takes a first derivative; each tape around it differentiates that derivative too.
    orders = []
    order = 0
    for recorder in reversed(watching):
        order += 2 if getattr(recorder, "_persistent", False) else 1
        orders.append((recorder, order))
    levels = levels_up_to(known, order)
    values = run_function(known.extended(), tensors)
    for recorder, order in orders:
        level = levels[order - 1]
        _record_call(recorder, function, known, level, tensors, values)
    return values[:known.original]


def levels_up_to(known: Differentiable, order: int) -> list[Level]:
    """Gradients of the function, of the function with its intermediates, and so on, `order` times."""
    levels = []
    count = known.original
    for _ in range(order):
        levels.append(known.level(count))
        count = len(known.outputs)
    return levels


def _record_call(recorder: Any, function: GraphFunction, known: Differentiable, level: Level,
                 tensors: Sequence[Any], values: Sequence[Any]) -> None:
    sources = [tensors[i] if kind == "input" else values[i] for kind, i in level.sources]
    outputs = values[:level.count]
    metas = list(outputs)

    def backward(dys: Sequence[Any]) -> list[Any]:
        arguments = [*_fill(dys, level.targets, metas), *sources]
        if current_graph() is not None:
            results = call_function(level.backward, arguments)
        else:
            results = call_eagerly(level.backward, [convert(a) for a in arguments])
        return unpack_results(level, results)

    backward.accepts_none = True  # type: ignore[attr-defined]
    recorder.record_function(function.name, tensors, outputs, backward)


class ConcreteFunction:
    """One trace of a Python function: a graph, and the tensors and variables it captured.

    Call it with tensors in place of the arguments that were tensors when it was traced.
    """

    def __init__(self, graph: FuncGraph, name: str, signature: Any = None, jit_compile: bool | None = None) -> None:
        self.graph = graph
        self.name_in_graph = name
        self.function = GraphFunction(graph, name)
        self.function.extra["compile_now"] = jit_compile
        self._signature = signature
        self._captured = [outer for outer, _ in graph.captures]
        self._variables = tuple(graph.watched_variables.values())
        self._output_structure = graph.structured_outputs
        self._arguments = len(graph.inputs) - len(self._captured)
        self._flat_outputs = nest.flatten(graph.structured_outputs, expand_composites=True)
        self._single = isinstance(self._output_structure, Tensor)
        self.argument_names: list[str] = []
        self.argument_kinds: list[str] = []
        self.kept_variables: list[Any] = []  # made while it was traced; they live as long as it does
        self.calls = 0

    # ---- what it is

    @property
    def name(self) -> bytes:
        """The name of the function in graphs."""
        return self.function.name.encode()

    @property
    def inputs(self) -> list[Any]:
        """The placeholders of the arguments and, after them, of what was captured."""
        return list(self.graph.inputs)

    @property
    def outputs(self) -> list[Any]:
        """The tensors that the graph returns."""
        return list(self.graph.outputs)

    @property
    def structured_outputs(self) -> Any:
        """What the Python function returned: the tensors of the graph, in their structure."""
        return self._output_structure

    @property
    def structured_input_signature(self) -> Any:
        """The specs of the arguments: a tuple of positional ones and a dict of keyword ones."""
        if self._signature is None:
            return None
        positional, keyword = self._signature
        return tuple(_released(s) for s in positional), {k: _released(s) for k, s in keyword.items()}

    @property
    def output_shapes(self) -> Any:
        """Static shapes of the outputs, structured."""
        return nest.map_structure(lambda t: t.shape if isinstance(t, Tensor) else None, self._output_structure)

    @property
    def output_dtypes(self) -> Any:
        """Dtypes of the outputs, structured."""
        return nest.map_structure(lambda t: t.dtype if isinstance(t, Tensor) else None, self._output_structure)

    @property
    def captured_inputs(self) -> list[Any]:
        """Tensors and handles from outside that the function uses."""
        return list(self._captured)

    @property
    def variables(self) -> tuple[Any, ...]:
        """The variables that the function uses."""
        return self._variables

    @property
    def trainable_variables(self) -> tuple[Any, ...]:
        """The trainable ones among them."""
        return tuple(v for v in self._variables if v.trainable)

    @property
    def function_def(self) -> Any:
        raise NotImplementedError("ConcreteFunction.function_def (FunctionDef export) is not in everflow yet")

    def add_to_graph(self, g: Any = None) -> None:
        """Registers the function with a graph."""
        graph = g if g is not None else current_graph()
        if graph is not None:
            graph.add_function(self.function)

    # ---- calling it

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function with tensors (or what converts to them) for its tensor arguments.

        Raises:
          TypeError: too few or too many arguments, or one of the wrong kind.
        """
        return self.call_flat(self._bind(args, kwargs))

    def _bind(self, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Any]:
        if self._signature is None:
            return [convert(a) for a in args]
        positional, keyword = self.structured_input_signature
        names = self.argument_names
        values: dict[int | str, Any] = dict(enumerate(args))
        for key, value in kwargs.items():
            declared = [getattr(spec, "name", None) for spec in positional]
            if key in names or key in declared:
                values[(names if key in names else declared).index(key)] = value
            elif key in keyword:
                values[key] = value
            else:
                raise TypeError(f"{self.function.name} got unexpected keyword arguments: {key}")
        tensors: list[Any] = []
        if len(args) > len(positional):
            raise TypeError(
                f"{self.function.name} takes {len(positional)} positional arguments but {len(args)} were given"
            )
        for index, spec in enumerate(positional):
            self._bind_one(spec, values, index, names[index] if index < len(names) else str(index), tensors)
        for key, spec in keyword.items():
            self._bind_one(spec, values, key, key, tensors)
        return tensors

    def _bind_one(self, spec: Any, values: dict[Any, Any], key: Any, label: str, tensors: list[Any]) -> None:
        specs = nest.flatten(spec, expand_composites=True)
        if not any(isinstance(s, TensorSpec) for s in specs):
            # A Python value that the trace was made for.
            if key in values and not (values[key] is spec or values[key] == spec):
                raise TypeError(f"Binding inputs to tf.function failed: {self.function.name} was traced for {label} = "
                                f"{spec!r}, received {values[key]!r}")
            return
        if key not in values:
            raise TypeError(f"{self.function.name} missing required argument: {label}")
        given = nest.flatten(values[key], expand_composites=True)
        if len(given) != len(specs):
            raise TypeError(f"Structure of argument {label} does not match: expected {spec}, received {values[key]!r}")
        for part, wanted in zip(given, specs):
            if not isinstance(wanted, TensorSpec):
                continue
            tensor = convert(part, wanted.dtype) if not isinstance(part, Tensor) else part
            if tensor.dtype.base_dtype != wanted.dtype:
                raise InvalidArgumentError(
                    None, None, f"cannot compute {self.function.name}: argument {label} was expected to be a "
                    f"{wanted.dtype.name} tensor but is a {tensor.dtype.name} tensor"
                )
            if not wanted.shape.is_compatible_with(tensor.shape):
                raise TypeError(f"Binding inputs to tf.function failed: argument {label} must be {wanted}, received "
                                f"{tensor.dtype.name} of shape {tensor.shape}")
            tensors.append(tensor)

    def call_flat(self, tensors: Sequence[Any]) -> Any:
        """Calls the function with one tensor per tensor argument, in order."""
        self.calls += 1
        inputs = [*tensors, *self._captured] if self._captured else tensors
        if not STATE.busy:
            results = [as_eager(r) for r in
                       program_of(self.function).execute([operand_of(t) for t in inputs], HOST_FRAME)]
        else:
            graph = current_graph()
            if graph is None:
                results = call_eagerly(self.function, inputs, self._variables)
            else:
                for variable in self._variables:
                    for recorder in LOCAL.recorders:
                        recorder.variable_accessed(variable)
                    if graph.building_function:
                        graph.watched_variables.setdefault(id(variable), variable)
                graph.add_function(self.function)
                results = call_function(self.function, [graph.accept(convert(t)) for t in inputs])
                for result, inner in zip(results, self.graph.outputs):
                    result.set_shape(inner.shape)
        if self._single:
            return results[0]
        return self._structure(results)

    def _structure(self, results: Sequence[Any]) -> Any:
        if self._output_structure is None:
            return None
        remaining = iter(results)
        flat = [next(remaining) if isinstance(leaf, Tensor) else leaf for leaf in self._flat_outputs]
        return nest.pack_sequence_as(self._output_structure, flat, expand_composites=True)

    def pretty_printed_signature(self, verbose: bool = True) -> str:
        """The signature, for people to read."""
        if not verbose:
            return self._signature_in_a_line()
        lines = ["Input Parameters:"]
        for name, kind, spec in self._parameters():
            lines.append(f"  {name} ({kind}): {_type_text(spec, name)}")
        lines += ["Output Type:", f"  {_type_text(self._output_types())}", "Captures:"]
        captures = [f"  {id(t)}: {_type_text(TensorSpec(t.shape, t.dtype))}" for t in self._captured]
        return "\n".join([*lines, *(captures or ["  None"])])

    def _signature_in_a_line(self) -> str:
        parameters = ", ".join(f"{name}: {_type_text(spec, name)}" for name, _, spec in self._parameters())
        return f"({parameters}) -> {_type_text(self._output_types())}"

    def _output_types(self) -> Any:
        def type_of(part: Any) -> Any:
            if isinstance(part, Tensor):
                return TensorSpec(part.shape, part.dtype, None)
            return getattr(part, "_type_spec", part)

        return nest.map_structure(type_of, self._output_structure)

    def _parameters(self) -> list[tuple[str, str, Any]]:
        positional, keyword = self.structured_input_signature or ((), {})
        names = [*self.argument_names, *(str(i) for i in range(len(self.argument_names), len(positional)))]
        kinds = [*self.argument_kinds, *["POSITIONAL_ONLY"] * (len(positional) - len(self.argument_kinds))]
        return [*zip(names, kinds, positional), *((k, "KEYWORD_ONLY", s) for k, s in keyword.items())]

    def __repr__(self) -> str:
        return f"<ConcreteFunction {self._signature_in_a_line()} at {id(self):#x}>"

    def __str__(self) -> str:
        return f"ConcreteFunction {self.pretty_printed_signature()}"


def _released(spec: Any) -> Any:
    """A signature with the Python values themselves."""
    def value_of(part: Any) -> Any:
        return part.value() if isinstance(part, Held) else part

    return nest.map_structure(value_of, spec) if nest.is_nested(spec) else value_of(spec)


def _type_text(value: Any, argument: str = "") -> str:
    """A structure of specs and Python values, written as TensorFlow writes it."""
    if isinstance(value, TensorSpec) and re.fullmatch(f"{re.escape(argument)}(_\\d+)?", value.name or ""):
        return repr(TensorSpec(value.shape, value.dtype))  # the name is not the user's, but that of the argument
    if isinstance(value, TypeSpec):
        return repr(value)
    if isinstance(value, dict):
        return f"Dict[{', '.join(f'[{k!r}, {_type_text(v)}]' for k, v in value.items())}]"
    if isinstance(value, (list, tuple)):
        return f"{'List' if isinstance(value, list) else 'Tuple'}[{', '.join(_type_text(v, argument) for v in value)}]"
    return f"Literal[{value!r}]"


export("types.experimental.ConcreteFunction", v1=["types.experimental.ConcreteFunction"])(ConcreteFunction)
