"""`tf.compat.v1.wrap_function`: a piece of 1.x graph code as a function of tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from everflow._src.framework import nest
from everflow._src.framework.export import export
from everflow._src.framework.func_graph import FuncGraph, uid
from everflow._src.framework.operation import Operation
from everflow._src.framework.tensor import SymbolicTensor, Tensor
from everflow._src.framework.tensor_spec import TensorSpec
from everflow._src.runtime.program import prune
from everflow._src.tracing.concrete_function import ConcreteFunction
from everflow._src.tracing.tracer import trace_into
from everflow._src.variables.variable_store import VariableStore


class WrappedFunction(ConcreteFunction):
    """1.x graph code as a function; what its outputs do not need does not run, as in a session.

    Made by `tf.compat.v1.wrap_function`.
    """

    def __init__(self, graph: FuncGraph, name: str, signature: Any, created: Sequence[Any]) -> None:
        super().__init__(graph, name, signature)
        self.function.extra["pruned"] = True
        self._created = list(created)
        self.variables_kept: list[Any] = []

    @property
    def variables(self) -> tuple[Any, ...]:
        """The variables that it made or used."""
        made = [v for v in (r() for r in self._created) if v is not None]
        return tuple(made + [v for v in self._variables if not any(v is m for m in made)])

    @property
    def trainable_variables(self) -> tuple[Any, ...]:
        """The trainable ones among them."""
        return tuple(v for v in self.variables if v.trainable)

    def prune(self, feeds: Any, fetches: Any, name: str | None = None, input_signature: Any = None
              ) -> WrappedFunction:
        """A function of other inputs and outputs of the same graph; the variables are shared.

        Args:
          feeds: tensors of the graph, or their names, whose values the new function takes, nested as one likes.
          fetches: tensors or operations of the graph, or their names, whose values it returns, nested likewise;
            an operation runs and returns None.
          name: name of the new function.
          input_signature: specs of the feeds, for its signature.

        Raises:
          ValueError: something is not an element of the graph.
          TypeError: a feed is no tensor.
        """
        flat_feeds = [self.graph.as_graph_element(f) for f in nest.flatten(feeds)]
        flat_fetches = [f if f is None else self.graph.as_graph_element(f) for f in nest.flatten(fetches)]
        for feed in flat_feeds:
            if not isinstance(feed, Tensor):
                raise TypeError(f"Feeds must be tensors, received {feed!r}")
        captured = {id(inner) for inner in self.graph.internal_captures}
        flat_feeds = [f for f in flat_feeds if id(f) not in captured]
        graph = FuncGraph(name or self.graph.name, outer_graph=self.graph.outer_graph)
        copies = _copy_into(graph, self.graph, flat_feeds, flat_fetches)
        structured = nest.pack_sequence_as(
            fetches, [copies[id(f)] if isinstance(f, SymbolicTensor) else None for f in flat_fetches]
        )
        graph.structured_outputs = structured
        graph.outputs = [t for t in nest.flatten(structured) if isinstance(t, Tensor)]
        graph.watched_variables = dict(self.graph.watched_variables)
        signature = _signature_of(graph, flat_feeds, input_signature)
        pruned = WrappedFunction(graph, f"__inference_pruned_{uid()}", signature, self._created)
        pruned.variables_kept = self.variables_kept
        pruned.argument_names = [t.op.name.rpartition("/")[2] for t in graph.inputs[:len(flat_feeds)]]
        pruned.function.extra["targets"] = [copies[id(f)] for f in flat_fetches if isinstance(f, Operation)]
        return pruned


def _signature_of(graph: FuncGraph, feeds: Sequence[SymbolicTensor], declared: Any) -> Any:
    if declared is not None:
        return tuple(declared) if isinstance(declared, (list, tuple)) else (declared,), {}
    return tuple(TensorSpec(t.shape, t.dtype, t.op.name) for t in graph.inputs[:len(feeds)]), {}


def _copy_into(graph: FuncGraph, source: FuncGraph, feeds: Sequence[SymbolicTensor], fetches: Sequence[Any]
               ) -> dict[int, Any]:
    """Copies what `fetches` need into `graph`; returns what stands for each tensor and operation."""
    copies: dict[int, Any] = {}
    for feed in feeds:
        copies[id(feed)] = graph.add_input(feed.dtype, feed.shape, feed.op.name)
    outer_of = {id(inner): outer for outer, inner in source.captures}
    needed = prune([f for f in fetches if isinstance(f, SymbolicTensor)],
                   [f for f in fetches if isinstance(f, Operation)], {id(f) for f in feeds})
    for operation in needed:
        if operation._outputs and all(id(t) in copies for t in operation._outputs):
            copies[id(operation)] = copies[id(operation._outputs[0])].op
            continue
        if len(operation._outputs) == 1 and id(operation._outputs[0]) in outer_of:
            tensor = operation._outputs[0]
            copies[id(tensor)] = graph.capture(outer_of[id(tensor)], operation.name)
            continue
        if operation.type == "Placeholder":
            raise ValueError(f"The fetches need the value of {operation.name!r}, which is not among the feeds")
        controls = [copies[id(c)] for c in operation._control_inputs if id(c) in copies]
        with graph.control_dependencies(controls):
            made = graph.add_operation(
                operation.card, [copies[id(t)] for t in operation._inputs], dict(operation._attrs), operation.name
            )
        copies[id(operation)] = made
        for old, new in zip(operation._outputs, made._outputs):
            new.set_shape(old.shape)
            copies.setdefault(id(old), new)
    return copies


@export(v1=["wrap_function"])
def wrap_function(fn: Callable, signature: Any, name: str | None = None) -> WrappedFunction:
    """Builds a graph of 1.x code once and returns it as a function.

    Variables that `fn` makes, with `get_variable` or otherwise, belong to the result.  What its outputs do not
    need does not run, unless control dependencies ask for it.

    Args:
      fn: a Python function of tensors that builds a graph.
      signature: `tf.TensorSpec`s of its arguments, nested as one likes.
      name: name of the function.

    Returns:
      A function of tensors; its `prune` gives functions of other parts of the graph.

    >>> import everflow as tf
    >>> double = tf.compat.v1.wrap_function(lambda x: x * 2., [tf.TensorSpec([], tf.float32)])
    >>> float(double(tf.constant(3.)))
    6.0
    """
    graph = FuncGraph(name or "wrapped_function")
    store = VariableStore(keeps_eager=True)
    created: list[Any] = []
    arguments = tuple(signature) if isinstance(signature, (list, tuple)) else (signature,)
    shapes = [s.shape for s in nest.flatten(arguments, expand_composites=True) if isinstance(s, TensorSpec)]
    specs = trace_into(
        graph, fn, arguments, {}, ["Placeholder"] * len(arguments), shapes, created, store,
        identities=False,
    )
    wrapped = WrappedFunction(graph, f"__inference_{graph.name}_{uid()}", specs, created)
    wrapped.variables_kept = list(wrapped.variables)  # they live as long as the function does
    wrapped.argument_names = [f"arg{i}" for i in range(len(arguments))]
    return wrapped
