"""Whole Jacobians: one gradient per element of the target, stacked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.context import current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.registry import CARDS
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.constants import constant_of
from everflow._src.ops.while_loop import while_loop_v2

UNROLLED = 16  # rows; a graph with more of them gets a loop

Row = Callable[[Any], Sequence[Any]]


def jacobian(gradient: Row, target: Any, sources: Sequence[Any]) -> list[Any]:
    """Derivatives of each element of `target` by each element of each source.

    Args:
      gradient: from a gradient of `target` to dense gradients of the sources (None where unconnected).
      target: a tensor.
      sources: tensors.

    Returns:
      One tensor of shape `target.shape + source.shape` per source, or None.
    """
    target_shape = _shape_vector(target)
    count = target.shape.num_elements()
    rows = _stacked_rows(
        lambda selector: gradient(CARDS["Reshape"](selector, target_shape)), count, CARDS["Size"](target), target.dtype
    )
    results = []
    for row, source in zip(rows, sources):
        if row is None:
            results.append(None)
            continue
        shape = CARDS["ConcatV2"]([target_shape, _shape_vector(source)], 0)
        result = CARDS["Reshape"](row, shape)
        result.set_shape(target.shape.concatenate(source.shape))
        results.append(result)
    return results


def batch_jacobian(gradient: Row, target: Any, source: Any) -> Any:
    """Derivatives of each element of each row of `target` by the elements of the same row of `source`.

    Args:
      gradient: from a gradient of `target` to a list of one dense gradient of `source` (or None).
      target: a tensor of shape [b, y1, ...].
      source: a tensor of shape [b, x1, ...].

    Returns:
      A tensor of shape [b, y1, ..., x1, ...], or None.
    """
    target_shape = _shape_vector(target)
    row_shape = _slice_from(target_shape, 1)
    static_row = target.shape[1:]
    one_per_row = CARDS["ConcatV2"]([constant_of([1], dtypes.int32), row_shape], 0)
    size = CARDS["Prod"](row_shape, constant_of([0], dtypes.int32))

    def row(selector: Any) -> Sequence[Any]:
        return gradient(CARDS["BroadcastTo"](CARDS["Reshape"](selector, one_per_row), target_shape))

    (rows,) = _stacked_rows(row, static_row.num_elements(), size, target.dtype)
    if rows is None:
        return None
    rank = source.shape.rank
    if rank is None:
        raise ValueError("batch_jacobian needs a source of known rank")
    by_example = CARDS["Transpose"](rows, constant_of([1, 0, *range(2, rank + 1)], dtypes.int32))
    result = CARDS["Reshape"](
        by_example, CARDS["ConcatV2"]([target_shape, _slice_from(_shape_vector(source), 1)], 0)
    )
    result.set_shape(target.shape.concatenate(source.shape[1:]))
    return result


def _stacked_rows(row: Row, count: int | None, dynamic_count: Any, dtype: Any) -> list[Any]:
    """`row(selector)` for each of the unit vectors, stacked along a new first axis."""
    dtype = dtype.base_dtype
    graph = current_graph()
    if count is None and graph is None:
        count = int(dynamic_count)
    if count and (graph is None or count <= UNROLLED):
        unit_vectors = np.eye(count, dtype=dtype.as_numpy_dtype)
        rows = [_dense(row(constant_of(vector, dtype))) for vector in unit_vectors]
        return [None if parts[0] is None else CARDS["Pack"](list(parts), axis=0) for parts in zip(*rows)]
    return _looped_rows(row, dynamic_count, dtype)


def _looped_rows(row: Row, count: Any, dtype: Any) -> list[Any]:
    indices = CARDS["Range"](constant_of(0, dtypes.int32), count, constant_of(1, dtypes.int32))
    # What is connected, and of which shape, only a gradient shows; this one is never run.
    samples = _dense(row(CARDS["Cast"](indices, DstT=dtype)))
    connected = [position for position, sample in enumerate(samples) if sample is not None]
    start = []
    for position in connected:
        shape = CARDS["ConcatV2"]([constant_of([0], dtypes.int32), CARDS["Shape"](samples[position])], 0)
        start.append(CARDS["Fill"](shape, constant_of(0, samples[position].dtype)))

    def body(i: Any, *stacks: Any) -> tuple[Any, ...]:
        parts = _dense(row(CARDS["Cast"](CARDS["Equal"](indices, i), DstT=dtype)))
        grown = [
            CARDS["ConcatV2"]([stack, CARDS["ExpandDims"](parts[position], constant_of(0, dtypes.int32))], 0)
            for stack, position in zip(stacks, connected)
        ]
        return CARDS["AddV2"](i, constant_of(1, dtypes.int32)), *grown

    shapes = [TensorShape([None]).concatenate(samples[position].shape) for position in connected]
    results: list[Any] = [None] * len(samples)
    loop = while_loop_v2(
        lambda i, *_: CARDS["Less"](i, count), body, (constant_of(0, dtypes.int32), *start), (TensorShape([]), *shapes)
    )
    for position, stack in zip(connected, loop[1:]):
        results[position] = stack
    return results


def _dense(gradients: Sequence[Any]) -> list[Any]:
    return [convert(g) if isinstance(g, IndexedSlices) else g for g in gradients]


def _shape_vector(tensor: Any) -> Any:
    if tensor.shape.is_fully_defined():
        return constant_of(tensor.shape.as_list(), dtypes.int32)
    return CARDS["Shape"](convert(tensor))


def _slice_from(vector: Any, start: int) -> Any:
    return CARDS["Slice"](vector, constant_of([start], dtypes.int32), constant_of([-1], dtypes.int32))
