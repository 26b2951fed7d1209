"""What happens while a Python function is traced: arguments become placeholders, results become outputs."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.autodiff.tape import VariableWatcher
from everflow._src.framework import context, nest
from everflow._src.framework.conversion import convert
from everflow._src.framework.dtypes import DType, as_dtype
from everflow._src.framework.func_graph import FuncGraph
from everflow._src.framework.operation import Operation
from everflow._src.framework.tensor import EagerTensor, SymbolicTensor, Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.framework.tensor_spec import IndexedSlicesSpec, TensorSpec
from everflow._src.framework.type_spec import TypeSpec
from everflow._src.ops.constants import Identity
from everflow._src.runtime.frames import HOST_FRAME
from everflow._src.runtime.program import Program
from everflow._src.tracing.cache_key import by_value
from everflow._src.variables.creation import variable_creator_scope
from everflow._src.variables.variable import Variable
from everflow._src.variables.variable_store import VariableStore, replace_store

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


class Held:
    """A Python object in the signature of a trace, which does not keep it alive."""

    __slots__ = ("_reference", "_strong")

    def __init__(self, value: Any) -> None:
        self._strong: Any = None
        self._reference: Any = None
        try:
            if type(value) in _PLAIN or by_value(value):
                self._strong = value
            else:
                self._reference = weakref.ref(value)
        except TypeError:
            self._strong = value

    def value(self) -> Any:
        """The object, or None once it is gone."""
        return self._strong if self._reference is None else self._reference()


def trace_into(
    graph: FuncGraph, function: Callable, args: Sequence[Any], kwargs: dict[str, Any], names: Sequence[str],
    shapes: Sequence[TensorShape], created: list[Any] | None, store: VariableStore | None = None,
    identities: bool = True,
) -> tuple[Any, Any]:
    """Runs a Python function with placeholders, so that its operations go into `graph`.

    Args:
      graph: an empty graph; gets inputs, outputs and the variables that were used.
      function: what to run.
      args, kwargs: its arguments; tensors and specs among them become placeholders.
      names: names of the positional arguments.
      shapes: static shapes of the placeholders, in order.
      created: receives weak references to the variables that are created; None forbids creating any.
      store: keeps what `tf.compat.v1.get_variable` makes.
      identities: False returns the function's own tensors instead of named copies.

    Returns:
      The signature: specs of the positional and of the keyword arguments, with `Held` Python values.
    """

    def creator(next_creator: Callable[..., Any], **arguments: Any) -> Any:
        if created is None:
            raise ValueError(
                "tf.function only supports singleton tf.Variables created on the first call. Make sure the "
                "tf.Variable is only created once or created outside tf.function."
            )
        arguments["initial_value"] = _lifted(arguments.get("initial_value"), graph)
        variable = next_creator(**arguments)
        created.append(weakref.ref(variable))
        return variable

    remaining = list(shapes)
    previous = replace_store(store) if store is not None else None
    try:
        with context.recorders(()), graph.as_default(), VariableWatcher() as watcher, \
                variable_creator_scope(creator):
            inner_args = [placeholders_for(graph, value, name, remaining) for name, value in zip(names, args)]
            inner_kwargs = {k: placeholders_for(graph, v, k, remaining) for k, v in sorted(kwargs.items())}
            signature = (tuple(_spec_of(a) for a in inner_args), {k: _spec_of(v) for k, v in inner_kwargs.items()})
            finish(graph, function(*inner_args, **inner_kwargs), identities)
    finally:
        if store is not None:
            replace_store(previous)
    for variable in watcher.watched_variables():
        graph.watched_variables.setdefault(id(variable), variable)
    graph.structured_input_signature = signature
    return signature


def placeholders_for(graph: FuncGraph, value: Any, name: str, shapes: list[TensorShape]) -> Any:
    """An argument as the Python function sees it: placeholders in place of tensors."""

    def replace(part: Any) -> Any:
        if isinstance(part, TensorSpec):
            return _argument(graph, part.dtype, shapes.pop(0), part.name or name)
        if isinstance(part, Variable):
            return part
        if isinstance(part, Tensor) or isinstance(part, (np.ndarray, np.generic)):
            return replace_array(part)
        if isinstance(part, TypeSpec):
            components = getattr(part, "_component_specs", part)
            return part if components is part else part._from_components(nest.map_structure(replace, components))
        spec = getattr(part, "_type_spec", None)
        if isinstance(spec, TypeSpec):
            if not isinstance(spec, IndexedSlicesSpec):
                # A trace serves all values of the spec, whatever the shapes of the parts of this one.
                for index, component in enumerate(nest.flatten(spec, expand_composites=True)):
                    shapes[index] = component.shape
            return spec._from_components(nest.map_structure(replace, spec._to_components(part)))
        if hasattr(part, "__tf_tracing_type__") and not isinstance(part, type):
            return part.__tf_tracing_type__(None).placeholder_value(None)
        if hasattr(part, "__array__") and not isinstance(part, type) and not callable(part):
            return replace_array(part)
        return part

    def replace_array(part: Any) -> Any:
        placeholder = _argument(graph, part.dtype if isinstance(part, Tensor) else _dtype_of(part), shapes.pop(0), name)
        for attribute in ("_handle_shape", "_handle_dtype"):
            if hasattr(part, attribute):
                setattr(placeholder, attribute, getattr(part, attribute))
        return placeholder

    return nest.map_structure(replace, value) if nest.is_nested(value) else replace(value)


def _dtype_of(value: Any) -> DType:
    """The dtype of the tensor that an array becomes."""
    array = np.asarray(value)
    return as_dtype("string") if array.dtype.kind in "USO" else as_dtype(array.dtype)


def _argument(graph: FuncGraph, dtype: Any, shape: TensorShape, name: str) -> SymbolicTensor:
    safe = "".join(c if c.isalnum() or c in "_.-/" else "_" for c in name)
    return graph.add_input(dtype, shape, safe if safe and (safe[0].isalnum() or safe[0] == ".") else f"arg_{safe}")


def _spec_of(value: Any) -> Any:
    def spec_of(part: Any) -> Any:
        if isinstance(part, SymbolicTensor):
            return TensorSpec(part.shape, part.dtype, part.op.name)
        if not isinstance(part, Variable):
            spec = getattr(part, "_type_spec", None)
            if isinstance(spec, TypeSpec):
                return spec
        return Held(part)

    return nest.map_structure(spec_of, value) if nest.is_nested(value) else spec_of(value)


def _lifted(initial_value: Any, graph: FuncGraph) -> Any:
    """An initial value that does not live in the function that is being traced."""
    if callable(initial_value) and not isinstance(initial_value, (Tensor, Variable)):
        with context.init_scope():
            return initial_value()
    if isinstance(initial_value, SymbolicTensor) and initial_value.graph is graph:
        depends = {id(op) for op in Program([], [initial_value]).operations}
        for placeholder in graph.inputs:
            if id(placeholder.op) in depends:
                raise ValueError(
                    "Tensor-typed variable initializers must either be wrapped in an init_scope or callable: the "
                    f"initial value {initial_value!r} depends on the argument {placeholder.name!r} of the function"
                )
        value = Program([], [initial_value]).execute([], HOST_FRAME)[0]
        return EagerTensor(np.asarray(value))
    return initial_value


def finish(graph: FuncGraph, result: Any, identities: bool = True) -> None:
    """Makes what the Python function returned the outputs of the graph."""

    def as_output(value: Any) -> Any:
        if value is None or isinstance(value, Operation):
            return None
        try:
            if isinstance(value, (DType, TypeSpec)):
                raise TypeError(f"a {type(value).__name__} describes tensors and is none")
            tensor = graph.accept(convert(value))
        except (TypeError, ValueError) as error:
            if isinstance(error, (TypeError,)) and type(error) is not TypeError:
                raise
            raise TypeError(
                "To be compatible with tf.function, Python functions must return zero or more Tensors or "
                f"ExtensionTypes or None values; in compilation of {graph.name!r}, found return value of type "
                f"{type(value).__name__}, which is not a Tensor or ExtensionType. ({error})"
            ) from None
        if not identities:
            return tensor
        output = Identity(tensor)
        if tensor._dtype.name == "resource":
            output._handle_shape = getattr(tensor, "_handle_shape", None)
        return output

    if isinstance(result, Variable):
        structured = as_output(result)
    else:
        structured = nest.map_structure(as_output, result, expand_composites=True)
    graph.structured_outputs = structured
    graph.outputs = [t for t in nest.flatten(structured, expand_composites=True) if isinstance(t, Tensor)]
