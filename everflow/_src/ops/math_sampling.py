"""Sequences that fill space evenly, and approximate selections."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.constant_value import constant_value
from everflow._src.framework.export import export
from everflow._src.framework.registry import INT, Attr, op
from everflow._src.framework.shape_rules import normalize_axis
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid


def _sobol(xp: Any, dim: Any, num_results: Any, skip: Any, *, dtype: Any) -> Any:
    from scipy.stats import qmc

    dimensions, count, start = int(dim), int(num_results), int(skip)
    if dimensions < 1:
        raise invalid("dim must be at least one")
    if count < 0 or start < 0:
        raise invalid("num_results and skip must not be negative")
    engine = qmc.Sobol(dimensions, scramble=False)
    engine.fast_forward(start + 1)  # the first point of the sequence, all zeros, is left out
    return engine.random(count).astype(dtype.numpy_dtype)


def _sobol_shape(op: Any) -> TensorShape:
    dim, count = constant_value(op._inputs[0]), constant_value(op._inputs[1])
    return TensorShape((None if count is None else int(count), None if dim is None else int(dim)))


SobolSample = op(
    "SobolSample",
    "dim: int32, num_results: int32, skip: int32 -> samples: dtype",
    dtype=Attr("type", dtypes.float32, allowed=(dtypes.float32, dtypes.float64)),
    kernel=_sobol,
    host=True,
    shape=_sobol_shape,
    no_gradient="its operands are whole numbers",
    sample=lambda: ([np.int32(2), np.int32(4), np.int32(1)], {}),
    doc="Points of the Sobol sequence.",
)


def _top(xp: Any, x: Any, *, k: int, reduction_dimension: int, is_max_k: bool) -> Any:
    axis = reduction_dimension
    # Stable: of equal elements, the first ones win.
    order = xp.argsort(xp.negative(x) if is_max_k else x, axis=axis, stable=True)
    chosen = xp.take(order, np.arange(k), axis=axis)
    return xp.take_along_axis(x, chosen, axis=axis), chosen.astype(np.int32)


def _top_shape(op: Any) -> list[TensorShape]:
    dims = op._inputs[0]._shape._dims
    if dims is None:
        return [TensorShape(None)] * 2
    axis = normalize_axis(op._attrs["reduction_dimension"], len(dims))
    shape = TensorShape((*dims[:axis], op._attrs["k"], *dims[axis + 1 :]))
    return [shape, shape]


def _top_gradient(dvalues: Any, dindices: Any, *, input: Any, indices: Any, reduction_dimension: int) -> Any:
    rank = input._rank
    if rank is None:
        raise NotImplementedError("The gradient of approx_max_k needs a tensor of known rank")
    axis = reduction_dimension % rank
    depth = cards.GatherV2(cards.Shape(input), np.int32(axis), np.int32(0))
    dtype = dvalues.dtype.numpy_dtype
    # [..., k, ...] against the positions along the axis, which follow it.
    places = cards.OneHot(indices, depth, np.ones((), dtype), np.zeros((), dtype), axis=axis + 1)
    return cards.Sum(cards.ExpandDims(dvalues, np.int32(axis + 1)) * places, np.array([axis], np.int32))


ApproxTopK = op(
    "ApproxTopK",
    "input: T -> values: T, indices: int32",
    T=(dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64),
    k=INT,
    reduction_dimension=-1,
    recall_target=0.95,
    is_max_k=True,
    reduction_input_size_override=-1,
    aggregate_to_topk=True,
    kernel=_top,
    shape=_top_shape,
    gradient=_top_gradient,
    sample=lambda: ([np.array([[3.0, 9.0, 1.0, 7.0], [2.0, 8.0, 5.0, 0.0]], np.float32)], {"k": 2}),
    doc="The greatest or smallest elements; here, exactly.",
)


@export("math.sobol_sample")
def sobol_sample(
    dim: Any, num_results: Any, skip: Any = 0, dtype: Any = dtypes.float32, name: str | None = None
) -> Any:
    """Points of the Sobol sequence, which fill the unit cube evenly.

    Args:
      dim: number of dimensions.
      num_results: number of points.
      skip: how many points of the sequence to leave out first.
      dtype: float32 or float64.
      name: name of the operation.

    Returns:
      A tensor of shape [num_results, dim].

    >>> import everflow as tf
    >>> tf.math.sobol_sample(2, 2)
    <tf.Tensor: shape=(2, 2), dtype=float32, numpy=
    array([[0.5 , 0.5 ],
           [0.75, 0.25]], dtype=float32)>
    """
    with name_scope(name, "sobol") as scope:
        return SobolSample(dim, num_results, skip, dtype=dtype, name=scope or None)


def _approximate(
    operand: Any,
    k: int,
    reduction_dimension: int,
    recall_target: float,
    size_override: int,
    aggregate: bool,
    is_max_k: bool,
    name: str | None,
) -> Any:
    return ApproxTopK(
        operand,
        k=k,
        reduction_dimension=reduction_dimension,
        recall_target=recall_target,
        is_max_k=is_max_k,
        reduction_input_size_override=size_override,
        aggregate_to_topk=aggregate,
        name=name,
    )


@export("math.approx_max_k", "nn.approx_max_k")
def approx_max_k(
    operand: Any,
    k: int,
    reduction_dimension: int = -1,
    recall_target: float = 0.95,
    reduction_input_size_override: int = -1,
    aggregate_to_topk: bool = True,
    name: str | None = None,
) -> Any:
    """The k greatest elements along an axis, and their positions.

    Args:
      operand: a tensor of floating point numbers.
      k: how many.
      reduction_dimension: the axis.
      recall_target: the share that must be found; here all are.
      reduction_input_size_override, aggregate_to_topk: accepted; they steer TPUs.
      name: name of the operation.

    Returns:
      A named tuple of `values`, greatest first, and `indices`.

    >>> import everflow as tf
    >>> tf.math.approx_max_k([1., 3., 2.], 2).indices
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([1, 2], dtype=int32)>
    """
    return _approximate(
        operand, k, reduction_dimension, recall_target, reduction_input_size_override, aggregate_to_topk, True, name
    )


@export("math.approx_min_k", "nn.approx_min_k")
def approx_min_k(
    operand: Any,
    k: int,
    reduction_dimension: int = -1,
    recall_target: float = 0.95,
    reduction_input_size_override: int = -1,
    aggregate_to_topk: bool = True,
    name: str | None = None,
) -> Any:
    """The k smallest elements along an axis, and their positions.

    Args:
      operand: a tensor of floating point numbers.
      k: how many.
      reduction_dimension: the axis.
      recall_target: the share that must be found; here all are.
      reduction_input_size_override, aggregate_to_topk: accepted; they steer TPUs.
      name: name of the operation.

    Returns:
      A named tuple of `values`, smallest first, and `indices`.

    >>> import everflow as tf
    >>> tf.math.approx_min_k([1., 3., 2.], 2).indices
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([0, 2], dtype=int32)>
    """
    return _approximate(
        operand, k, reduction_dimension, recall_target, reduction_input_size_override, aggregate_to_topk, False, name
    )
