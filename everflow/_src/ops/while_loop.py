"""`tf.while_loop`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes, nest
from everflow._src.framework.context import STATE, current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.func_graph import FuncGraph, GraphFunction
from everflow._src.framework.registry import CARDS
from everflow._src.framework.tensor import SymbolicTensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.constants import Identity
from everflow._src.ops.control_flow import StatelessWhile, While, _python_truth
from everflow._src.ops.tensor_array import TensorArray

# Every While carries, before the user's variables, how often it ran and how often it may (-1: no limit).
COUNTERS = 2


def _convert_leaf(value: Any) -> Any:
    return value if hasattr(type(value), "_type_spec") else convert(value)


def _check_callable(cond: Any, body: Any) -> None:
    if not callable(cond):
        raise TypeError("'cond' must be callable.")
    if not callable(body):
        raise TypeError("'body' must be callable.")


def _while_eagerly(cond: Callable, body: Callable, loop_vars: Any, maximum_iterations: Any, packed: bool) -> Any:
    limit = None if maximum_iterations is None else int(maximum_iterations)
    loop_vars = nest.map_structure(_convert_leaf, loop_vars)
    count = 0
    while (limit is None or count < limit) and _python_truth(cond(*loop_vars)):
        result = body(*loop_vars)
        if packed and not isinstance(result, (list, tuple)):
            result = (result,)
        nest.assert_same_structure(list(loop_vars), list(result))
        loop_vars = nest.map_structure(_convert_leaf, result)
        count += 1
    return loop_vars


def _invariants(loop_vars: Any, shape_invariants: Any, tensors: Sequence[Any]) -> list[TensorShape]:
    if shape_invariants is None:
        return [t.shape for t in tensors]
    flat: list[TensorShape] = []
    nest.assert_same_structure(
        nest.map_structure(lambda _: 0, loop_vars),
        nest.map_structure_up_to(loop_vars, lambda _: 0, shape_invariants),
    )
    for invariant in nest.flatten_up_to(loop_vars, shape_invariants):
        shape = getattr(invariant, "shape", invariant)
        flat.append(TensorShape(shape))
    for tensor, shape in zip(tensors, flat):
        if not _is_less_specific(shape, tensor.shape):
            raise ValueError(
                f"The shape invariant specified for {tensor.name} is not compatible with the initial shape of the loop "
                f"variable. It enters the loop with shape {tensor.shape}, but the specified shape invariant is {shape}."
            )
    return flat


def _is_less_specific(general: TensorShape, specific: TensorShape) -> bool:
    if general.rank is None:
        return True
    if specific.rank != general.rank:
        return False
    return all(g is None or g == s for g, s in zip(general.as_list(), specific.as_list()))


def while_in_graph(graph: Any, cond: Callable, body: Callable, loop_vars: Any, shape_invariants: Any,
                    parallel_iterations: int, maximum_iterations: Any, name: str, packed: bool) -> Any:
    with graph.name_scope(name) as scope:
        flat = [convert(v, name="loop_var") if not isinstance(v, SymbolicTensor) else graph.accept(v)
                for v in nest.flatten(loop_vars, expand_composites=True)]
        invariants = _invariants(loop_vars, shape_invariants, flat)
        limit = convert(-1 if maximum_iterations is None else maximum_iterations, dtypes.int32,
                        name="maximum_iterations") if not isinstance(maximum_iterations, SymbolicTensor) \
            else _as_int32(maximum_iterations)
        counter = convert(0, dtypes.int32, name="loop_counter")
        entering = [counter, limit, *flat]
        shapes = [TensorShape([]), TensorShape([]), *invariants]
        label = scope[:-1].rpartition("/")[2]

        def placeholders(function_graph: FuncGraph) -> list[Any]:
            with function_graph.as_default():
                return [function_graph.add_input(t.dtype.base_dtype, s, _argument_name(t, i))
                        for i, (t, s) in enumerate(zip(entering, shapes))]

        def structured(tensors: Sequence[Any]) -> Any:
            packed = nest.pack_sequence_as(loop_vars, list(tensors), expand_composites=True)
            nest.map_structure(_same_array, loop_vars, packed)
            return packed

        cond_graph = FuncGraph(f"{label}_cond")
        arguments = placeholders(cond_graph)
        with cond_graph.as_default():
            holds = convert(cond(*structured(arguments[COUNTERS:])))
            if holds.dtype != dtypes.bool and not holds.dtype.is_integer and not holds.dtype.is_floating:
                raise TypeError(f"The condition of tf.while_loop returned {holds!r}, expected a boolean scalar")
            if maximum_iterations is not None:
                holds = CARDS["LogicalAnd"](CARDS["Less"](arguments[0], arguments[1]), _as_bool(holds))
            cond_graph.outputs = [cond_graph.accept(holds)]
        body_graph = FuncGraph(f"{label}_body")
        arguments = placeholders(body_graph)
        with body_graph.as_default():
            result = body(*structured(arguments[COUNTERS:]))
            if packed and not isinstance(result, (list, tuple)):
                result = (result,)
            _check_structure(loop_vars, result)
            returned = [convert(v) for v in nest.flatten(result, expand_composites=True)]
            _check_types(flat, invariants, returned)
            count = CARDS["AddV2"](arguments[0], 1)
            body_graph.outputs = [body_graph.accept(t) for t in (count, arguments[1], *returned)]
        captured = share_loop_captures(cond_graph, body_graph, len(entering))
        outputs = make_while(graph, cond_graph, body_graph, [*entering, *captured], parallel_iterations, scope)
        results = [Identity(t) for t in outputs[COUNTERS:COUNTERS + len(flat)]]
        for tensor, shape in zip(results, invariants):
            tensor.set_shape(shape)
    return structured(results)


def _same_array(before: Any, after: Any) -> None:
    if isinstance(before, TensorArray):
        before._continued_as(after)


def _as_int32(tensor: Any) -> Any:
    return tensor if tensor.dtype == dtypes.int32 else CARDS["Cast"](tensor, DstT=dtypes.int32)


def _as_bool(tensor: Any) -> Any:
    return tensor if tensor.dtype == dtypes.bool else CARDS["NotEqual"](tensor, np.zeros((), tensor.dtype.numpy_dtype))


def _argument_name(tensor: Any, index: int) -> str:
    name = tensor.op.name.rpartition("/")[2] if isinstance(tensor, SymbolicTensor) else "loop_var"
    return name or f"loop_var_{index}"


def share_loop_captures(cond_graph: FuncGraph, body_graph: FuncGraph, explicit: int) -> list[Any]:
    """Gives condition and body the same inputs; captures become loop variables that stay as they are."""
    outer: dict[int, Any] = {}
    for graph in (cond_graph, body_graph):
        for tensor, _ in graph.captures:
            outer.setdefault(id(tensor), tensor)
    for graph in (cond_graph, body_graph):
        inner = []
        for tensor in outer.values():
            with graph.as_default():
                inner.append(graph.capture(tensor))
        graph.inputs = [*graph.inputs[:explicit], *inner]
    body_graph.outputs = [*body_graph.outputs[:explicit], *body_graph.inputs[explicit:]]
    return list(outer.values())


def make_while(graph: Any, cond_graph: FuncGraph, body_graph: FuncGraph, inputs: Sequence[Any],
               parallel_iterations: int, name: str) -> list[Any]:
    """Adds the While operation of a finished condition and body; returns its outputs."""
    condition, body = GraphFunction(cond_graph), GraphFunction(body_graph)
    graph.add_function(condition)
    graph.add_function(body)
    stateful = any(o.card.stateful for g in (cond_graph, body_graph) for o in g._operations)
    card = While if stateful else StatelessWhile
    shapes = [TensorShape([]), TensorShape([]), *(t._shape for t in body_graph.inputs[COUNTERS:])]
    return card(inputs, cond=condition, body=body, output_shapes=shapes,
                parallel_iterations=int(parallel_iterations or 10), name=name)


def _check_structure(loop_vars: Any, result: Any) -> None:
    try:
        nest.assert_same_structure(list(loop_vars), list(result), expand_composites=True)
    except (ValueError, TypeError) as error:
        raise type(error)(f"The body of tf.while_loop must return what it takes: {error}") from None


def _check_types(entering: Sequence[Any], invariants: Sequence[TensorShape], returned: Sequence[Any]) -> None:
    for before, shape, after in zip(entering, invariants, returned):
        if before.dtype.base_dtype != after.dtype.base_dtype:
            raise TypeError(f"Loop var {before.name} enters the loop with type {before.dtype!r} but has type "
                            f"{after.dtype!r} after 1 iteration.")
        if not _is_less_specific(shape, after.shape):
            if shape == before.shape:
                raise ValueError(
                    f"Input tensor {before.name!r} enters the loop with shape {shape}, but has shape {after.shape} "
                    "after one iteration. To allow the shape to vary across iterations, use the `shape_invariants` "
                    "argument of tf.while_loop to specify a less-specific shape."
                )
            raise ValueError(
                f"The shape invariant specified for {before.name} is {shape}, but it has shape {after.shape} after one "
                "iteration."
            )


def _loop(cond: Any, body: Any, loop_vars: Any, shape_invariants: Any, parallel_iterations: Any,
          maximum_iterations: Any, name: str | None, same_structure: bool) -> Any:
    _check_callable(cond, body)
    if not loop_vars and not isinstance(loop_vars, dict):
        raise ValueError("'loop_vars' must be provided.")
    if parallel_iterations is not None and parallel_iterations < 1:
        raise TypeError("'parallel_iterations' must be a positive integer.")
    if maximum_iterations is not None and hasattr(maximum_iterations, "shape") and maximum_iterations.shape.rank:
        raise ValueError(f"'maximum_iterations' must be a scalar. Received shape: {maximum_iterations.shape}")
    packed = len(loop_vars) == 1
    graph = current_graph() if STATE.busy else None
    if graph is None:
        return _while_eagerly(cond, body, loop_vars, maximum_iterations, packed)
    results = while_in_graph(graph, cond, body, loop_vars, shape_invariants, parallel_iterations or 10,
                              maximum_iterations, name or "while", packed)
    if same_structure:
        return results
    return results[0] if len(loop_vars) == 1 else results


@export("while_loop", v1=[])
def while_loop_v2(cond: Any, body: Any, loop_vars: Any, shape_invariants: Any = None, parallel_iterations: int = 10,
                  back_prop: bool = True, swap_memory: bool = False, maximum_iterations: Any = None,
                  name: str | None = None) -> Any:
    """Calls `body` on its own results as long as `cond` holds of them.

    Args:
      cond: a function of the loop variables that returns a boolean scalar.
      body: a function of the loop variables that returns their next values, in the same structure.
      loop_vars: a list or tuple of (nested structures of) tensors.
      shape_invariants: static shapes that hold in every iteration, for variables whose shape changes.
      parallel_iterations: accepted; iterations run in order.
      back_prop: accepted; use `tf.stop_gradient` instead.
      swap_memory: accepted.
      maximum_iterations: a limit on the number of iterations.
      name: name of the operation in a graph.

    Returns:
      The last values of the loop variables.

    Raises:
      TypeError: `cond` or `body` is not callable, or a variable changes its dtype.
      ValueError: there are no loop variables, or one changes its shape or structure.

    >>> import everflow as tf
    >>> i, total = tf.while_loop(lambda i, s: i < 4, lambda i, s: (i + 1, s + i), (tf.constant(0), tf.constant(0)))
    >>> total.numpy()
    6
    """
    return _loop(cond, body, loop_vars, shape_invariants, parallel_iterations, maximum_iterations, name, True)


@export(v1=["while_loop"])
def while_loop(cond: Any, body: Any, loop_vars: Any, shape_invariants: Any = None, parallel_iterations: int = 10,
               back_prop: bool = True, swap_memory: bool = False, name: str | None = None,
               maximum_iterations: Any = None, return_same_structure: bool = False) -> Any:
    """Calls `body` on its own results as long as `cond` holds of them; see `tf.while_loop`.

    A single loop variable is returned without a list around it, unless `return_same_structure`.
    """
    return _loop(cond, body, loop_vars, shape_invariants, parallel_iterations, maximum_iterations, name,
                 return_same_structure)
