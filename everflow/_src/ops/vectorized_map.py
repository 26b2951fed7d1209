"""`tf.vectorized_map`: a function of one row, applied to all rows at once.

The function is traced once, for one row.  Compiled, the trace runs under `jax.vmap`; NumPy takes row after row, and
so does whatever has effects or needs the host.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes, nest
from everflow._src.framework.context import STATE, current_graph, recorders
from everflow._src.framework.conversion import convert
from everflow._src.framework.errors import InvalidArgumentError
from everflow._src.framework.export import export
from everflow._src.framework.func_graph import FuncGraph, GraphFunction
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.registry import CARDS, FUNCTION, INTS, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.constants import constant_of
from everflow._src.runtime.failures import invalid


def _map_rows(xp: Any, args: Sequence[Any], *, f: GraphFunction, mapped: Sequence[int], frame: Any) -> Any:
    rows = {int(a.shape[0]) for a, m in zip(args, mapped) if m}
    if len(rows) != 1:
        raise invalid(f"tf.vectorized_map needs as many rows of all elems, received {sorted(rows)}")
    return tuple(frame.map_rows(f, args, mapped, rows.pop()))


def _map_shapes(op: Any) -> list[TensorShape]:
    rows = TensorShape([None])
    for tensor, mapped in zip(op._inputs, op._attrs["mapped"]):
        if mapped and tensor._shape.rank is not None:
            rows = rows.merge_with(tensor._shape[:1])
    return [rows.concatenate(t._shape) for t in op._attrs["f"].outputs]


def _map_card(name: str, stateful: bool) -> Any:
    return op(
        name, "args: *Tin -> output: *Tout", f=FUNCTION, mapped=INTS, kernel=_map_rows, shape=_map_shapes,
        stateful=stateful, no_gradient="installed by autodiff/functional",
        doc="Calls a function on each row of some of its arguments, and stacks the results.",
    )


_VectorizedMap = _map_card("_VectorizedMap", False)
_StatefulVectorizedMap = _map_card("_StatefulVectorizedMap", True)


def map_rows(function: Callable[[list[Any]], Any], tensors: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Adds an operation that applies `function`, of a list of rows, to the rows of `tensors`.

    Returns:
      What `function` returned for the placeholders of one row, and a tensor of all rows for each tensor in that.
    """
    graph = FuncGraph("loop_body")
    with graph.as_default():
        rows = [
            graph.add_input(t.dtype.base_dtype, t.shape[1:] if t.shape.rank is not None else TensorShape(None), "row")
            for t in tensors
        ]
        result = function(rows)
        flat = [None if v is None else _dense(v) for v in _leaves(result)]
        graph.outputs = [graph.accept(t) for t in flat if t is not None]
    graph.structured_outputs = result
    captured = [outer for outer, _ in graph.captures]
    body = GraphFunction(graph)
    outside = current_graph()
    if outside is not None:
        outside.add_function(body)
    card = _StatefulVectorizedMap if any(o.card.stateful for o in graph._operations) else _VectorizedMap
    mapped = [1] * len(rows) + [0] * len(captured)
    outputs = card([*tensors, *captured], Tout=tuple(t.dtype.base_dtype for t in graph.outputs), f=body, mapped=mapped,
                   name="VectorizedMap")
    outputs = list(outputs) if graph.outputs else []
    return result, [None if v is None else outputs.pop(0) for v in flat]


def _dense(value: Any) -> Any:
    return value._dense_var_to_tensor() if isinstance(value, IndexedSlices) else convert(value)


def _leaves(result: Any) -> list[Any]:
    return nest.flatten(result)


@export("vectorized_map", v1=["vectorized_map"])
def vectorized_map(fn: Callable, elems: Any, fallback_to_while_loop: bool = True, warn: bool = True) -> Any:
    """Applies `fn` to each row of `elems`, like `tf.map_fn`, but to all rows at once.

    Args:
      fn: a function of one argument, in the structure of `elems` without their first axis.
      elems: a tensor, or a nested structure of tensors with the same number of rows (or one row, which then
        serves for all).
      fallback_to_while_loop: accepted: what cannot be vectorized is done row after row.
      warn: accepted.

    Returns:
      Tensors in the structure that `fn` returns, with one row per row of `elems`.

    Raises:
      TypeError: `fn` is not callable.
      IndexError: `elems` are scalars.
      tf.errors.InvalidArgumentError: `elems` have different numbers of rows.

    >>> import everflow as tf
    >>> tf.vectorized_map(lambda row: tf.reduce_sum(row), tf.constant([[1., 2.], [3., 4.]])).numpy()
    array([3., 7.], dtype=float32)
    """
    if not callable(fn):
        raise TypeError(f"'fn' must be callable. Received: {fn!r}")
    flat = [convert(e) for e in nest.flatten(elems)]
    if not flat:
        raise ValueError(f"elems must be a Tensor or a nested structure of Tensors. Received: {elems!r}")
    rows = set()
    for tensor in flat:
        if tensor.shape.rank == 0:
            raise IndexError(f"tf.vectorized_map goes over the first axis of elems, and a scalar has none: {tensor!r}")
        rows.add(tensor.shape.as_list()[0] if tensor.shape.rank is not None else None)
    single = [len(rows) > 1 and t.shape.rank is not None and t.shape.as_list()[0] == 1 for t in flat]
    several = rows - {1, None}
    if len(several) > 1:
        raise InvalidArgumentError(
            None, None, f"tf.vectorized_map needs as many rows of all elems, received {sorted(several)}")
    first_rows = [CARDS["Squeeze"](t, squeeze_dims=[0]) if s else None for t, s in zip(flat, single)]

    def call(parts: list[Any]) -> Any:
        remaining = list(parts)
        return fn(nest.pack_sequence_as(elems, [
            row if one else remaining.pop(0) for row, one in zip(first_rows, single)
        ]))

    mapped = [t for t, one in zip(flat, single) if not one]
    in_graph = STATE.busy and current_graph() is not None
    if not in_graph and rows != {0}:
        return _row_by_row(call, mapped, several.pop() if several else 1)
    if in_graph:
        structure, outputs = map_rows(call, mapped)
    else:
        with recorders(()):
            structure, outputs = map_rows(call, mapped)
    return nest.pack_sequence_as(structure, outputs)


def _row_by_row(call: Callable, tensors: Sequence[Any], rows: int) -> Any:
    split = [CARDS["Unpack"](t, num=rows, axis=0) for t in tensors]
    results = [call([parts[row] for parts in split]) for row in range(rows)]
    columns = zip(*(_leaves(r) for r in results))
    stacked = [None if column[0] is None else _stack([_dense(v) for v in column]) for column in columns]
    return nest.pack_sequence_as(results[0], stacked)


def _stack(values: list[Any]) -> Any:
    return CARDS["Pack"](values, axis=0)


def gradient_of_rows(arguments: Sequence[Any], mapped: Sequence[int], backward: Callable[[list[Any]], list[Any]],
                     summed: Sequence[bool]) -> list[Any]:
    """Gradients, row by row, of which some are summed over the rows.

    Args:
      arguments: what `backward` takes.
      mapped: which of the arguments have rows.
      backward: from one row of the arguments to gradients, or None.
      summed: for each gradient, whether it belongs to a tensor that all rows share.
    """
    rows = [a for a, m in zip(arguments, mapped) if m]

    def call(parts: list[Any]) -> list[Any]:
        remaining = list(parts)
        return backward([remaining.pop(0) if m else a for a, m in zip(arguments, mapped)])

    _, found = map_rows(call, rows)
    axis = constant_of(np.array([0]), dtypes.int32)
    return [g if g is None or not s else CARDS["Sum"](g, axis) for g, s in zip(found, summed)]
