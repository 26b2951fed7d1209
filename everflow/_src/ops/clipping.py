"""Values kept within limits: clipping by value and by norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import op
from everflow._src.framework.shape_rules import unchanged
from everflow._src.framework.tensor import Tensor
from everflow._src.ops.broadcasting import sum_to_shape
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.ops.reductions import reduce_sum


def _clip_gradient(
    doutput: Any,
    *,
    t: Any,
    clip_value_min: Any,
    clip_value_max: Any,
    clip_value_min_shape: Any,
    clip_value_max_shape: Any,
) -> Any:
    zero = np.zeros((), doutput.dtype.numpy_dtype)
    below, above = cards.Less(t, clip_value_min), cards.Greater(t, clip_value_max)
    inside = cards.SelectV2(cards.LogicalOr(below, above), zero, doutput)
    return (
        inside,
        sum_to_shape(cards.SelectV2(below, doutput, zero), clip_value_min_shape),
        sum_to_shape(cards.SelectV2(above, doutput, zero), clip_value_max_shape),
    )


ClipByValue = op(
    "ClipByValue",
    "t: T, clip_value_min: T, clip_value_max: T -> output: T",
    T=dtypes.NUMERIC,
    kernel=lambda xp, t, low, high: xp.maximum(xp.minimum(t, high), low),
    shape=unchanged,
    gradient=_clip_gradient,
    sample=lambda: ([np.array([-2.0, 0.5, 3.0], np.float32), np.float32(-1), np.float32(2)], {}),
    doc="Elements kept between two limits.",
)


def _is_slices(value: Any) -> bool:
    """Whether `value` is an IndexedSlices: values with the rows that they belong to."""
    return hasattr(value, "indices") and hasattr(value, "values") and hasattr(value, "dense_shape")


def _values_of(value: Any, name: str) -> Any:
    return value.values if _is_slices(value) else convert(value, name=name)


@export("clip_by_value")
def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None) -> Any:
    """Elements kept between two limits.

    Args:
      t: a tensor or `tf.IndexedSlices`.
      clip_value_min: the lower limit: a number, or a tensor that broadcasts to the shape of `t`.
      clip_value_max: the upper limit, likewise.
      name: name of the operations.

    Raises:
      ValueError: a limit would broadcast `t` to a larger shape.

    >>> import everflow as tf
    >>> tf.clip_by_value([-5, 1, 5], -1, 2)
    <tf.Tensor: shape=(3,), dtype=int32, numpy=array([-1,  1,  2], dtype=int32)>
    """
    with name_scope(name, "clip_by_value") as scope:
        values = _values_of(t, "t")
        below = cards.Minimum(values, clip_value_max)
        values.shape.assert_is_compatible_with(below.shape)
        result = cards.Maximum(below, clip_value_min, name=scope or None)
        values.shape.assert_is_compatible_with(result.shape)
        return type(t)(result, t.indices, t.dense_shape) if _is_slices(t) else result


@export("clip_by_norm")
def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None, name: str | None = None) -> Any:
    """`t` scaled down so that its Euclidean norm is at most `clip_norm`.

    Args:
      t: a tensor or `tf.IndexedSlices` of floating point numbers.
      clip_norm: the greatest norm, a positive number or a tensor that broadcasts to the norms.
      axes: the axes of each norm; all when None.
      name: name of the operations.

    Raises:
      ValueError: `clip_norm` would broadcast `t` to a larger shape.

    >>> import everflow as tf
    >>> tf.clip_by_norm([3., 4.], 2.)
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([1.2, 1.6], dtype=float32)>
    """
    with name_scope(name, "clip_by_norm") as scope:
        values = _values_of(t, "t")
        squares = reduce_sum(values * values, axes, keepdims=True)
        zero = np.zeros((), values.dtype.numpy_dtype)
        positive = cards.Greater(squares, zero)
        # The square root has no slope at 0: it is taken of 1 there.
        safe = cards.SelectV2(positive, squares, cards.OnesLike(squares))
        norm = cards.SelectV2(positive, cards.Sqrt(safe), squares)
        scaled = values * clip_norm
        values.shape.assert_is_compatible_with(scaled.shape)
        result = cards.Identity(scaled / cards.Maximum(norm, clip_norm), name=scope or None)
        return type(t)(result, t.indices, t.dense_shape) if _is_slices(t) else result


@export(v1=["clip_by_average_norm"])
def clip_by_average_norm(t: Any, clip_norm: Any, name: str | None = None) -> Any:
    """`t` scaled down so that its Euclidean norm, divided by its number of elements, is at most `clip_norm`."""
    with name_scope(name, "clip_by_average_norm") as scope:
        t = convert(t, name="t")
        count = cards.Cast(cards.Size(t), DstT=dtypes.float32)
        inverse = count * cards.Rsqrt(
            reduce_sum(t * t, list(range(t._rank)) if t._rank is not None else None)
        )
        limit = np.float32(1) / convert(clip_norm, t.dtype.base_dtype)
        return cards.Mul(t * clip_norm, cards.Minimum(inverse, limit), name=scope or None)


def _list_of(t_list: Any) -> list[Any]:
    if not isinstance(t_list, Sequence) or isinstance(t_list, str):
        raise TypeError(f"`t_list` should be a sequence of tensors. Received {type(t_list)}.")
    return list(t_list)


@export("linalg.global_norm", v1=["global_norm", "linalg.global_norm"])
def global_norm(t_list: Any, name: str | None = None) -> Any:
    """The Euclidean norm of all elements of several tensors together.

    Args:
      t_list: a list of tensors, `tf.IndexedSlices`, and None, which counts for nothing.
      name: name of the operations.

    Raises:
      TypeError: `t_list` is no sequence.

    >>> import everflow as tf
    >>> tf.linalg.global_norm([tf.constant([3.]), tf.constant([4.])])
    <tf.Tensor: shape=(), dtype=float32, numpy=5.0>
    """
    tensors = [t for t in _list_of(t_list) if t is not None]
    with name_scope(name, "global_norm"):
        halves = [cards.L2Loss(_values_of(t, f"t_{i}")) for i, t in enumerate(tensors)]
        total = reduce_sum(cards.Pack(halves))
        return cards.Sqrt(total * np.array(2, total.dtype.numpy_dtype), name="global_norm")


@export("clip_by_global_norm")
def clip_by_global_norm(t_list: Any, clip_norm: Any, use_norm: Any = None, name: str | None = None) -> Any:
    """Several tensors scaled down together, so that their common Euclidean norm is at most `clip_norm`.

    Args:
      t_list: a list of tensors, `tf.IndexedSlices`, and None, which stays None.
      clip_norm: the greatest norm, a positive number.
      use_norm: the common norm, when it is known already.
      name: name of the operations.

    Returns:
      The list of scaled tensors, and the common norm before. All are NaN if the norm is infinite.

    Raises:
      TypeError: `t_list` is no sequence.

    >>> import everflow as tf
    >>> tensors, norm = tf.clip_by_global_norm([tf.constant([3.]), tf.constant([4.])], 2.)
    >>> norm
    <tf.Tensor: shape=(), dtype=float32, numpy=5.0>
    >>> tensors[0]
    <tf.Tensor: shape=(1,), dtype=float32, numpy=array([1.2], dtype=float32)>
    """
    tensors = _list_of(t_list)
    if use_norm is None:
        use_norm = global_norm(tensors, name)
    with name_scope(name, "clip_by_global_norm") as scope:
        one = np.array(1, use_norm.dtype.numpy_dtype) if isinstance(use_norm, Tensor) else 1.0
        limit = convert(clip_norm, use_norm.dtype.base_dtype if isinstance(use_norm, Tensor) else None)
        scale = limit * cards.Minimum(one / use_norm, one / limit)
        # Infinite norms make NaN of everything, which is better seen than zeros.
        scale = scale + (use_norm - use_norm)
        clipped: list[Any] = []
        for index, tensor in enumerate(tensors):
            if tensor is None:
                clipped.append(None)
                continue
            result = cards.Identity(
                _values_of(tensor, "t") * scale, name=f"{scope}_{index}" if scope else None
            )
            clipped.append(
                type(tensor)(result, tensor.indices, tensor.dense_shape) if _is_slices(tensor) else result
            )
        return clipped, use_norm
