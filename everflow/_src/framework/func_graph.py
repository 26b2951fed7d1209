"""Graphs of functions: graphs with inputs and outputs that may capture tensors from outside."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.context import LOCAL, current_graph
from everflow._src.framework.dtypes import DType
from everflow._src.framework.errors import InaccessibleTensorError
from everflow._src.framework.graph import Graph
from everflow._src.framework.registry import CARDS
from everflow._src.framework.seeds import global_seed
from everflow._src.framework.tensor import DeviceTensor, EagerTensor, SymbolicTensor
from everflow._src.framework.tensor_shape import TensorShape

# Captured values up to this many elements become constants of the function, so that shapes and axes
# that were computed outside are known while compiling.
_LARGEST_INLINE_CONSTANT = 128

_uids = itertools.count()


class FuncGraph(Graph):
    """The graph of one function body.

    Attributes:
      inputs: its Placeholder tensors, arguments first, captures after them.
      outputs: the tensors that it returns.
      outer_graph: the graph it is built in, None when that is eager mode.
      captures: (outer tensor, inner placeholder) pairs, in the order of the inputs.
    """

    building_function = True

    def __init__(self, name: str, outer_graph: Any = "current") -> None:
        super().__init__()
        self.name = name
        self.outer_graph = current_graph() if isinstance(outer_graph, str) else outer_graph
        self.inputs: list[SymbolicTensor] = []
        self.outputs: list[SymbolicTensor] = []
        self.structured_input_signature: Any = None
        self.structured_outputs: Any = None
        self.control_outputs: list[Any] = []
        self._captures: dict[int, tuple[Any, SymbolicTensor]] = {}
        # Small constants from outside, copied in; the outer tensors are kept alive since their identity is
        # the key.
        self._inlined: dict[int, tuple[Any, SymbolicTensor]] = {}
        # Variables that the function read or wrote while it was traced, by the identity of the variable.
        self.watched_variables: dict[int, Any] = {}
        # A branch or body of control flow shares random seeds and variable stores with its surroundings.
        if isinstance(self.outer_graph, Graph):
            self._seed = self.outer_graph.seed
            self._collections = self.outer_graph._collections
            self.stores = self.outer_graph.stores
            self._scopes.gradient_overrides = self.outer_graph._scopes.gradient_overrides
        elif self.outer_graph is None:
            self._seed = global_seed()

    def add_input(self, dtype: DType, shape: TensorShape, name: str) -> SymbolicTensor:
        """Adds an argument: a Placeholder of this graph."""
        op = self.add_operation(CARDS["Placeholder"], (), {"dtype": dtype, "shape": shape}, name)
        tensor = op._outputs[0]
        self.inputs.append(tensor)
        return tensor

    def accept(self, tensor: Any) -> SymbolicTensor:
        """`tensor` of this graph, or the placeholder by which this graph knows a tensor from outside."""
        if isinstance(tensor, SymbolicTensor) and tensor._op.graph is self:
            return tensor
        placeholder = self.capture(tensor)
        for recorder in LOCAL.recorders:
            # Whoever watches the tensor from outside watches the placeholder that stands for it.
            recorder.record_function("captured_value", (tensor,), (placeholder,), _pass_on)
        return placeholder

    def capture(self, tensor: Any, name: str | None = None) -> SymbolicTensor:
        """The placeholder that stands for a tensor from outside of this function.

        Raises:
          TypeError: `tensor` belongs to a function that does not surround this one.
        """
        if isinstance(tensor, SymbolicTensor):
            if tensor._op.graph is self:
                return tensor
            known = self._captures.get(id(tensor)) or self._inlined.get(id(tensor))
            if known is not None:
                return known[1]
            self._check_surrounds(tensor)
            if tensor._op.card.name == "Const" and _is_copied(tensor._dtype) and \
                    tensor._op._attrs["value"].size <= _LARGEST_INLINE_CONSTANT:
                return self._inline(tensor, tensor._op._attrs["value"], tensor._dtype)
            if tensor._op.graph is not self.outer_graph:
                # Each function in between captures it too, so that every call passes it on.
                tensor = self.outer_graph.capture(tensor)
                known = self._captures.get(id(tensor))
                if known is not None:
                    return known[1]
            return self._add_capture(tensor, tensor._op.name.rpartition("/")[2])
        if isinstance(tensor, EagerTensor):
            known = self._captures.get(id(tensor)) or self._inlined.get(id(tensor))
            if known is not None:
                return known[1]
            dtype = tensor.dtype
            if _is_copied(dtype) and not isinstance(tensor, DeviceTensor):
                value = tensor._value
                if value.size <= _LARGEST_INLINE_CONSTANT:
                    return self._inline(tensor, np.asarray(value), dtype)
            return self._add_capture(tensor, name or "capture")
        raise TypeError(f"A function cannot capture {tensor!r}: it is no tensor")

    def _inline(self, tensor: Any, value: np.ndarray, dtype: DType) -> SymbolicTensor:
        previous, self._scopes.controllers = self._scopes.controllers, ()
        try:
            op = self.add_operation(CARDS["Const"], (), {"value": value, "dtype": dtype}, "Const")
        finally:
            self._scopes.controllers = previous
        self._inlined[id(tensor)] = (tensor, op._outputs[0])
        return op._outputs[0]

    def _check_surrounds(self, tensor: SymbolicTensor) -> None:
        graph = self.outer_graph
        while graph is not None:
            if graph is tensor._op.graph:
                return
            graph = graph.outer_graph
        raise inaccessible(tensor, f"the function {self.name!r}")

    def _add_capture(self, tensor: Any, name: str) -> SymbolicTensor:
        scope, self._scopes.name = self._scopes.name, ""
        controllers, self._scopes.controllers = self._scopes.controllers, ()
        try:
            shape = tensor.shape
            placeholder = self.add_input(tensor.dtype, shape, name.replace(":", "_") or "capture")
        finally:
            self._scopes.name, self._scopes.controllers = scope, controllers
        self._captures[id(tensor)] = (tensor, placeholder)
        return placeholder

    @property
    def captures(self) -> list[tuple[Any, SymbolicTensor]]:
        """(outer tensor, inner placeholder) pairs, without repetitions, in the order of the inputs."""
        unique = {id(inner): (outer, inner) for outer, inner in self._captures.values()}
        order = {id(t): i for i, t in enumerate(self.inputs)}
        return sorted(unique.values(), key=lambda pair: order[id(pair[1])])

    @property
    def external_captures(self) -> list[Any]:
        return [outer for outer, _ in self.captures]

    @property
    def internal_captures(self) -> list[SymbolicTensor]:
        return [inner for _, inner in self.captures]

    def replace_capture(self, tensor: Any, placeholder: SymbolicTensor) -> None:
        """Makes an existing input of this graph stand for `tensor`."""
        self._captures[id(tensor)] = (tensor, placeholder)


def _is_copied(dtype: DType) -> bool:
    """True when small tensors of `dtype` are copied into functions that use them.

    Integers are, since shapes and axes should be known while compiling.  Numbers with a fraction are captured
    even when small: somebody outside may differentiate with respect to them.
    """
    return dtype.is_integer or dtype.is_bool or dtype == dtypes.string


def _pass_on(dys: Sequence[Any]) -> Sequence[Any]:
    return dys


def inaccessible(tensor: SymbolicTensor, here: str) -> Exception:
    """The error for a symbolic tensor that is used where its graph is not."""
    from_graph = getattr(tensor._op.graph, "name", None)
    where = f"the function {from_graph!r}" if from_graph else "another graph"
    return InaccessibleTensorError(
        f"{tensor!r} is out of scope: it was made in {where} at {tensor._op.location}, and {here} cannot reach it. "
        "Return it from the function that makes it, or use a tf.Variable"
    )


class GraphFunction:
    """A function in the form programs call it: a name and a finished FuncGraph.

    The value of `func` attrs.  `program` is filled in by the runtime when it first runs.
    """

    __slots__ = ("name", "graph", "program", "extra", "_outputs", "__weakref__")

    def __init__(self, graph: FuncGraph, name: str | None = None, outputs: Sequence[SymbolicTensor] | None = None
                 ) -> None:
        self.name = name or f"__inference_{graph.name}_{next(_uids)}"
        self.graph = graph
        self.program: Any = None
        self.extra: dict[str, Any] = {}
        # Differentiation makes functions of the same graph that return intermediates besides its outputs.
        self._outputs = list(outputs) if outputs is not None else None

    @property
    def inputs(self) -> list[SymbolicTensor]:
        return self.graph.inputs

    @property
    def outputs(self) -> list[SymbolicTensor]:
        return self.graph.outputs if self._outputs is None else self._outputs

    def __repr__(self) -> str:
        return f"<function {self.name}: {len(self.inputs)} inputs, {len(self.outputs)} outputs>"


def uid() -> int:
    """A number that no other function of this process has in its name."""
    return next(_uids)


def flat_shapes(tensors: Sequence[SymbolicTensor]) -> tuple[TensorShape, ...]:
    """Static shapes, for the `output_shapes` attr of functional operations."""
    return tuple(t._shape for t in tensors)
