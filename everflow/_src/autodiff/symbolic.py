"""`tf.gradients`: derivatives of tensors of a graph, as further operations of the graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from everflow._src.autodiff.backprop import AggregationMethod, Record, UnconnectedGradients, accumulate
from everflow._src.autodiff.jacobian import jacobian
from everflow._src.autodiff.rules import (
    backward_function,
    constant_zeros,
    is_trainable_dtype,
)
from everflow._src.framework import dtypes, logging
from everflow._src.framework.context import current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.func_graph import FuncGraph
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.operation import Operation
from everflow._src.framework.registry import CARDS
from everflow._src.framework.tensor import SymbolicTensor, Tensor, identity_of
from everflow._src.ops.constants import constant_of


def _as_sequence(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _key_tensor(x: Any, graph: Any) -> Any:
    """The tensor by which the graph knows `x`: of a variable its handle."""
    if not isinstance(x, Tensor):
        handle = getattr(x, "_recorded_handle", None)
        x = handle if handle is not None else x.values if isinstance(x, IndexedSlices) else convert(x)
    if isinstance(graph, FuncGraph) and not (isinstance(x, SymbolicTensor) and x.graph is graph):
        known = graph._captures.get(id(x))
        if known is not None:
            return known[1]
    return x


def differentiate(
    ys: Sequence[Any],
    xs: Sequence[Any],
    grad_ys: Sequence[Any],
    stops: Sequence[Any] = (),
    scope_of: Callable[[Operation], Any] | None = None,
) -> list[Any]:
    """Gradients of symbolic `ys` by `xs`, made in the current graph; None where they are not connected.

    Args:
      ys: tensors of one graph.
      xs: tensors of the same graph, variables' handles among them.
      grad_ys: one gradient per y, None to leave a y out.
      stops: tensors that gradients do not go past.
      scope_of: the name scope for the gradient of an operation.
    """
    sources = [identity_of(x) for x in xs]
    stop_ids = {identity_of(s) for s in stops}
    records = []
    reachable = set(sources)
    for op in _ancestors(ys):
        if not any(identity_of(t) in reachable for t in op._inputs):
            continue
        outputs = list(op._outputs)
        if not any(is_trainable_dtype(t._dtype) for t in outputs):
            continue
        reachable.update(identity_of(t) for t in outputs if identity_of(t) not in stop_ids)
        records.append(_lazy_record(op, scope_of))
    return accumulate(records, [identity_of(y) for y in ys], grad_ys, sources, stop_ids)


def _lazy_record(op: Operation, scope_of: Callable[[Operation], Any] | None) -> Record:
    """A record whose gradient rule is only looked up when gradients reach the operation."""

    def backward(dys: Sequence[Any]) -> Sequence[Any]:
        function = backward_function(op.card, op._attrs, op._inputs, op._outputs)
        count = len(op._inputs)
        if function is None:
            return [None] * count
        dys = list(dys) + [None] * (len(op._outputs) - len(dys))
        results = list(function(dys))
        # A functional operation may have learned new inputs while it was differentiated.
        return results[:count] if len(results) > count else results

    backward.accepts_none = getattr(op.card.gradient, "accepts_none", False)  # type: ignore[attr-defined]
    metas = [
        (t._shape, t._dtype.base_dtype, t)
        if is_trainable_dtype(t._dtype) and t._dtype.name not in ("resource", "variant") else None
        for t in op._outputs
    ]
    inputs = [identity_of(t) for t in op._inputs]
    record = Record(inputs, [identity_of(t) for t in op._outputs], metas, backward, op.card.name)
    if scope_of is not None:
        record.scope = lambda: scope_of(op)
    return record


def _ancestors(ys: Sequence[Any]) -> list[Operation]:
    found: dict[int, Operation] = {}
    stack = [y._op for y in ys]
    while stack:
        op = stack.pop()
        if id(op) not in found:
            found[id(op)] = op
            stack.extend(t._op for t in op._inputs)
    return sorted(found.values(), key=lambda op: op._id)


def gradients(
    ys: Any,
    xs: Any,
    grad_ys: Any = None,
    name: str = "gradients",
    stop_gradients: Any = None,
    unconnected_gradients: str = UnconnectedGradients.NONE,
    aggregation_method: int | None = None,
) -> list[Any]:
    """The common part of both generations' `tf.gradients`."""
    if aggregation_method not in (None, 0, 1, 2):
        raise ValueError(f"Invalid `aggregation_method` specified {aggregation_method}. Accepted values are "
                         "those of tf.AggregationMethod: 0, 1 and 2")
    graph = current_graph()
    if graph is None:
        raise RuntimeError(
            "tf.gradients is not supported when eager execution is enabled. Use tf.GradientTape instead."
        )
    unconnected_gradients = UnconnectedGradients(unconnected_gradients)
    y_list, x_list = _as_sequence(ys), _as_sequence(xs)
    starts = _as_sequence(grad_ys) if grad_ys is not None else [None] * len(y_list)
    if len(starts) != len(y_list):
        raise ValueError(f"Length mismatch. `grad_ys` has {len(starts)} elements and `ys` has {len(y_list)}")
    with graph.name_scope(name) as scope:
        y_tensors = [convert(y, name=f"y_{i}") if not isinstance(y, IndexedSlices) else y.values
                     for i, y in enumerate(y_list)]
        x_tensors = [_key_tensor(x, graph) for x in x_list]
        for tensor in y_tensors:
            if not is_trainable_dtype(tensor.dtype):
                logging.log_first_n(
                    logging.WARN, "The dtype of the target tensor must be floating when calling tf.gradients, got "
                    "%r", 5, tensor.dtype,
                )
        values = []
        for index, (tensor, start) in enumerate(zip(y_tensors, starts)):
            values.append(_start(tensor, start, index, graph))
        stops = [_key_tensor(t, graph) for t in _as_sequence(stop_gradients)] if stop_gradients is not None else []
        results = differentiate(
            y_tensors, x_tensors, values, stops,
            lambda op: graph.name_scope(f"{scope}{op.name}_grad/") if op.graph is graph else graph.name_scope(scope),
        )
        if unconnected_gradients == UnconnectedGradients.ZERO:
            results = [
                _zeros(x) if r is None else r for r, x in zip(results, x_list)
            ]
    return results


def _zeros(x: Any) -> Any:
    tensor = x if isinstance(x, Tensor) else x._dense_var_to_tensor()
    if tensor.shape.is_fully_defined():
        return constant_zeros(tensor.shape.as_list(), tensor.dtype.base_dtype)
    return CARDS["ZerosLike"](tensor)


def _start(tensor: Any, start: Any, index: int, graph: Any) -> Any:
    if start is None:
        if tensor.dtype.is_complex:
            raise TypeError(f"Gradients of complex tensors ({tensor}) must set grad_ys (y.dtype = {tensor.dtype!r})")
        if not is_trainable_dtype(tensor.dtype):
            return None
        if tensor.shape.is_fully_defined():
            shape = constant_of(tensor.shape.as_list(), dtypes.int32)
        else:
            shape = CARDS["Shape"](tensor)
        return CARDS["Fill"](shape, constant_of(1, tensor.dtype.base_dtype), name=f"grad_ys_{index}")
    if isinstance(start, IndexedSlices):
        return start
    start = convert(start, name=f"grad_ys_{index}")
    if tensor.dtype.is_floating and not start.dtype.is_floating or tensor.dtype.is_complex != start.dtype.is_complex:
        raise TypeError(
            f"Gradient type {start.dtype.name} generated for real- or complex-valued tensor {tensor} with type "
            f"{tensor.dtype.name} must be of the same kind"
        )
    if not start.shape.is_compatible_with(tensor.shape):
        raise ValueError(f"grad_ys[{index}] has shape {start.shape}, but ys[{index}] has shape {tensor.shape}")
    return start


@export("gradients", v1=[])
def gradients_v2(
    ys: Any, xs: Any, grad_ys: Any = None, name: str = "gradients", gate_gradients: bool = False,
    aggregation_method: int | None = None, stop_gradients: Any = None,
    unconnected_gradients: str = UnconnectedGradients.NONE,
) -> list[Any]:
    """Derivatives of the sum of `ys` by each of `xs`, in a graph or inside of a `tf.function`.

    Args:
      ys: a tensor or a list of tensors.
      xs: a tensor, a variable, or a list of these.
      grad_ys: gradients to start from, one per y; ones when None.
      name: name scope of the operations made.
      gate_gradients: accepted; gradients are complete in any case.
      aggregation_method: accepted, see `tf.AggregationMethod`.
      stop_gradients: tensors that are taken as constants.
      unconnected_gradients: "none" or "zero".

    Returns:
      One gradient per x, or None.

    Raises:
      RuntimeError: operations compute at once here; use `tf.GradientTape`.
      LookupError: an operation in between has no gradient.
      ValueError, TypeError: arguments do not fit each other.
    """
    return gradients(ys, xs, grad_ys, name or "gradients", stop_gradients, unconnected_gradients,
                     aggregation_method)


@export(v1=["gradients"])
def gradients_v1(
    ys: Any, xs: Any, grad_ys: Any = None, name: str = "gradients", colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False, aggregation_method: int | None = AggregationMethod.DEFAULT,
    stop_gradients: Any = None, unconnected_gradients: str = UnconnectedGradients.NONE,
) -> list[Any]:
    """Derivatives of the sum of `ys` by each of `xs`; the 1.x spelling of `tf.gradients`."""
    return gradients(ys, xs, grad_ys, name or "gradients", stop_gradients, unconnected_gradients,
                     aggregation_method)


@export("hessians", v1=[])
def hessians_v2(
    ys: Any, xs: Any, gate_gradients: bool = False, aggregation_method: int | None = None, name: str = "hessians",
) -> list[Any]:
    """Second derivatives of the sum of `ys` by each of `xs`, in a graph or inside of a `tf.function`.

    Args:
      ys: a tensor or a list of tensors.
      xs: a tensor or a list of tensors.
      gate_gradients: accepted.
      aggregation_method: accepted, see `tf.AggregationMethod`.
      name: name scope of the operations made.

    Returns:
      A tensor of shape `x.shape + x.shape` per x.

    Raises:
      RuntimeError: operations compute at once here.
      LookupError: an operation in between has no gradient.
    """
    results = []
    graph = current_graph()
    for x in _as_sequence(xs):
        (first,) = gradients(ys, x, name=name or "hessians", aggregation_method=aggregation_method)
        if first is None:
            raise ValueError(f"There is no hessian of {ys!r} with respect to {x!r}: they are not connected")
        first = convert(first)

        def row(start: Any, first: Any = first, x: Any = x) -> list[Any]:
            return gradients(first, x, start, unconnected_gradients=UnconnectedGradients.ZERO)

        with graph.name_scope(name or "hessians"):  # type: ignore[union-attr]
            results += jacobian(row, first, [x if isinstance(x, Tensor) else x._dense_var_to_tensor()])
    return results


@export(v1=["hessians"])
def hessians_v1(
    ys: Any, xs: Any, name: str = "hessians", colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False, aggregation_method: int | None = None,
) -> list[Any]:
    """Second derivatives; the 1.x spelling of `tf.hessians`."""
    return hessians_v2(ys, xs, gate_gradients, aggregation_method, name)
