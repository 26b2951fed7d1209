"""Norms of vectors and matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.ops.by_name import cards
from everflow._src.ops.math_arithmetic import abs as absolute
from everflow._src.ops.math_arithmetic import conjugated
from everflow._src.ops.naming import name_scope
from everflow._src.ops.reductions import reduce_max, reduce_sum

_MATRIX_NORMS = ("euclidean", "fro")


@export("linalg.norm", "norm", v1=[])
def norm(
    tensor: Any,
    ord: Any = "euclidean",
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
) -> Any:
    """Norms of vectors or matrices.

    Args:
      tensor: floating point or complex numbers.
      ord: "euclidean", "fro", 1, 2, np.inf, or for vectors any positive number.
      axis: an axis for norms of vectors, a pair of axes for norms of matrices; None takes all elements as one
        vector.
      keepdims: True leaves the reduced axes, of size 1.
      name: name of the operations.

    Raises:
      ValueError: `ord` or `axis` is not supported.

    >>> import everflow as tf
    >>> tf.norm([[3., 4.], [0., 1.]], axis=1)
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([5., 1.], dtype=float32)>
    """
    keep = bool(keepdims)
    is_matrix = isinstance(axis, (tuple, list)) and len(axis) == 2
    if is_matrix:
        axis = tuple(axis)
        if not all(isinstance(a, (int, np.integer)) for a in axis) or axis[0] == axis[1]:
            raise ValueError(f"'axis' must be None, an integer, or a tuple of 2 unique integers, got {axis}")
        supported: tuple[Any, ...] = ("euclidean", "fro", 1, 2, np.inf)
        if ord not in supported:
            raise ValueError(f"'ord' must be a supported matrix norm in {list(supported)}, got {ord}")
    else:
        if not (
            axis is None or isinstance(axis, (int, np.integer)) or isinstance(axis, (tuple, list)) and len(axis) == 1
        ):
            raise ValueError(f"'axis' must be None, an integer, or a tuple of 2 unique integers, got {axis}")
        if isinstance(ord, str) and ord not in ("euclidean",) or not isinstance(ord, str) and ord <= 0:
            raise ValueError(f"'ord' must be a supported vector norm, got {ord}")
        if isinstance(axis, (tuple, list)):
            axis = axis[0]
    with name_scope(name, "norm"):
        x = convert(tensor)
        if ord in ("euclidean", "fro") or ord == 2 and not is_matrix:
            # The root of a complex number keeps the dtype, as TensorFlow has it.
            result = cards.Sqrt(reduce_sum(x * conjugated(x), axis, keepdims=True))
        else:
            size = absolute(x)
            if is_matrix and ord == 2:
                result = _spectral_norm(x, axis)
            elif is_matrix and ord == 1:
                result = reduce_max(reduce_sum(size, axis[0], keepdims=True), axis[-1], keepdims=True)
            elif is_matrix:
                result = reduce_max(reduce_sum(size, axis[1], keepdims=True), axis[0], keepdims=True)
            elif ord == 1:
                result = reduce_sum(size, axis, keepdims=True)
            elif ord == np.inf:
                result = reduce_max(size, axis, keepdims=True)
            else:
                power = np.array(ord, size.dtype.numpy_dtype)
                inverse = np.array(1.0 / ord, size.dtype.numpy_dtype)
                result = cards.Pow(reduce_sum(cards.Pow(size, power), axis, keepdims=True), inverse)
        if keep:
            return result
        if axis is None:
            axes = list(range(x._rank)) if x._rank is not None else None
        else:
            axes = list(axis) if is_matrix else [int(axis)]
        if axes is None:
            return cards.Reshape(result, np.zeros((0,), np.int32))
        return cards.Squeeze(result, squeeze_dims=axes) if axes else result


def _spectral_norm(x: Any, axis: tuple[int, int]) -> Any:
    """The greatest singular value of matrices in the axes `axis`, which stay, of size 1."""
    rank = x._rank
    pair = [a % rank for a in axis] if rank is not None else list(axis)
    if pair == [-2, -1] or rank is not None and pair == [rank - 2, rank - 1]:
        return _greatest_singular_value(x)
    if rank is not None:
        others = [i for i in range(rank) if i not in pair]
        order: Any = np.array([*others, *pair], np.int32)
        back: Any = np.argsort(order).astype(np.int32)
    else:
        count = cards.Rank(x)
        last = cards.FloorMod(np.array(pair, np.int32), count)
        rest = cards.ListDiff(cards.Range(np.int32(0), count, np.int32(1)), last)[0]
        order = cards.ConcatV2([rest, last], np.int32(0))
        back = cards.InvertPermutation(order)
    return cards.Transpose(_greatest_singular_value(cards.Transpose(x, order)), back)


def _greatest_singular_value(x: Any) -> Any:
    values = cards.Svd(x, compute_uv=False)[0]
    if values.dtype.is_complex:
        values = cards.Real(values, Tout=values.dtype.real_dtype)
    return cards.ExpandDims(reduce_max(values, -1, keepdims=True), np.int32(-1))


@export(v1=["linalg.norm", "norm"])
def norm_v1(
    tensor: Any,
    ord: Any = "euclidean",
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    keep_dims: bool | None = None,
) -> Any:
    """Norms of vectors or matrices; `keep_dims` is an older name of `keepdims`."""
    if keep_dims is not None:
        if keepdims is not None:
            raise ValueError("Cannot specify both 'keep_dims' and 'keepdims'.")
        keepdims = keep_dims
    return norm(tensor, ord, axis, bool(keepdims), name)


@export("linalg.normalize")
def normalize(tensor: Any, ord: Any = "euclidean", axis: Any = None, name: str | None = None) -> Any:
    """Vectors or matrices divided by their norms.

    Args:
      tensor: floating point or complex numbers.
      ord: the norm, see `tf.norm`.
      axis: the axis or axes of the norm, see `tf.norm`.
      name: name of the operations.

    Returns:
      The divided tensor, and the norms, of the same rank.

    >>> import everflow as tf
    >>> divided, norms = tf.linalg.normalize([3., 4.])
    >>> divided
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.6, 0.8], dtype=float32)>
    """
    with name_scope(name, "normalize"):
        tensor = convert(tensor)
        if tensor.dtype.base_dtype == dtypes.int32:
            raise TypeError("normalize needs floating point or complex numbers, received int32")
        norms = norm(tensor, ord, axis, True)
        if norms.dtype.base_dtype != tensor.dtype.base_dtype:
            norms = cards.Cast(norms, DstT=tensor.dtype.base_dtype)
        return tensor / norms, norms


@export("linalg.l2_normalize", "math.l2_normalize", "nn.l2_normalize")
def l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12, name: str | None = None, dim: Any = None) -> Any:
    """`x` divided by its Euclidean norm along axes.

    Args:
      x: floating point or complex numbers.
      axis: an axis or a list of axes; all when None.
      epsilon: the least square of a norm that is divided by.
      name: name of the operations.
      dim: an older name of `axis`.

    Raises:
      ValueError: both `axis` and `dim` are given.

    >>> import everflow as tf
    >>> tf.math.l2_normalize([3., 4.])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0.6, 0.8], dtype=float32)>
    """
    if dim is not None:
        if axis is not None:
            raise ValueError("Cannot specify both 'dim' and 'axis'.")
        axis = dim
    with name_scope(name, "l2_normalize") as scope:
        x = convert(x, name="x")
        if x.dtype.is_complex:
            real, imaginary = cards.Real(x, Tout=x.dtype.real_dtype), cards.Imag(x, Tout=x.dtype.real_dtype)
            squares = reduce_sum(cards.Square(real) + cards.Square(imaginary), axis, keepdims=True)
            inverse = cards.Rsqrt(cards.Maximum(squares, np.array(epsilon, squares.dtype.numpy_dtype)))
            return cards.Complex(real * inverse, imaginary * inverse, Tout=x.dtype, name=scope or None)
        squares = reduce_sum(cards.Square(x), axis, keepdims=True)
        inverse = cards.Rsqrt(cards.Maximum(squares, epsilon))
        return cards.Mul(x, inverse, name=scope or None)
