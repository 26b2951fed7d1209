"""Dimensions in another order."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.constant_value import constant_value
from everflow._src.framework.context import STATE
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import op
from everflow._src.framework.shape_rules import UNKNOWN_SHAPE
from everflow._src.framework.tensor import EagerTensor, Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.array_shape import Rank, index_attr
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid

INDEX = (dtypes.int32, dtypes.int64)
_INT32 = np.dtype("int32")

_INT32 = np.dtype("int32")


def _permutation(x: Any, perm: Any) -> tuple[int, ...]:
    order = tuple(perm.reshape(-1).tolist())
    rank = x.ndim
    if perm.ndim != 1:
        raise invalid(f"perm must be rank 1, got shape {list(perm.shape)}")
    if len(order) != rank:
        raise invalid(f"transpose expects a vector of size {rank}. But input(1) is a vector of size {len(order)}")
    normal = tuple([axis + rank if axis < 0 else axis for axis in order])
    for position, axis in enumerate(normal):
        if not 0 <= axis < rank:
            raise invalid(f"{order[position]} is out of range [{-rank} .. {rank})")
    if len(set(normal)) != rank:
        missing = next(i for i in range(rank) if i not in normal)
        raise invalid(f"{missing} is missing from {{{','.join(map(str, order))}}}.")
    return normal


def _transpose_shape(op: Any) -> TensorShape:
    dims = op._inputs[0]._shape._dims
    perm = constant_value(op._inputs[1])
    for axis in () if perm is None else perm.reshape(-1).tolist():
        if not -perm.size <= axis < perm.size:
            raise ValueError(f"perm dim {axis} is out of range of input rank {perm.size}")
    if perm is None:
        if dims is not None:
            return TensorShape([None] * len(dims))
        length = op._inputs[1]._shape.num_elements()
        return UNKNOWN_SHAPE if length is None else TensorShape([None] * length)
    if dims is None:
        return TensorShape([None] * perm.size)
    if perm.size != len(dims):
        raise ValueError(f"Dimension must be {perm.size} but is {len(dims)}")
    return TensorShape([dims[axis] for axis in perm.reshape(-1).tolist()])


def inverse_permutation(perm: Any) -> Any:
    """The permutation that undoes `perm`."""
    known = constant_value(perm)
    if known is None:
        return cards.InvertPermutation(perm)
    return np.argsort(known % max(known.size, 1), kind="stable").astype(known.dtype)


Transpose = op(
    "Transpose", "x: T, perm: Tperm -> y: T", T=dtypes.ALL, Tperm=index_attr(),
    kernel=lambda xp, x, perm: xp.transpose(x, _permutation(x, perm)),
    shape=_transpose_shape, static=("perm",),
    gradient=lambda dy, *, perm: (Transpose(dy, inverse_permutation(perm)), None),
    doc="Dimensions in another order.",
    sample=lambda: ([np.arange(6, dtype=np.float32).reshape(2, 3), np.array([1, 0], np.int32)], {}),
)

ConjugateTranspose = op(
    "ConjugateTranspose", "x: T, perm: Tperm -> y: T", T=dtypes.ALL, Tperm=index_attr(),
    kernel=lambda xp, x, perm: xp.conj(xp.transpose(x, _permutation(x, perm))),
    shape=_transpose_shape, static=("perm",),
    gradient=lambda dy, *, perm: (ConjugateTranspose(dy, inverse_permutation(perm)), None),
    doc="Dimensions in another order, and the conjugates of complex elements.",
    sample=lambda: ([(np.arange(6) * (1 + 2j)).astype(np.complex64).reshape(2, 3), np.array([1, 0], np.int32)], {}),
)


@export("transpose", v1=[])
def transpose(a: Any, perm: Any = None, conjugate: bool = False, name: str = "transpose") -> Tensor:
    """`a` with its dimensions in the order `perm`.

    Args:
      a: a tensor of rank r.
      perm: a permutation of 0 to r - 1; reversed order when None, so that a matrix is transposed.
      conjugate: True conjugates complex elements as well.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError, ValueError (in a graph): `perm` is no permutation of the dimensions.

    >>> import everflow as tf
    >>> tf.transpose([[1, 2, 3], [4, 5, 6]]).shape, tf.transpose(tf.zeros([2, 3, 4]), [1, 0, 2]).shape
    (TensorShape([3, 2]), TensorShape([3, 2, 4]))
    """
    if type(a) is EagerTensor and not STATE.busy and not conjugate:
        try:
            if perm is None:
                return EagerTensor(a._value.T)
            if type(perm) is list or type(perm) is tuple:
                return EagerTensor(a._value.transpose(perm))
        except Exception:  # the door below raises it, with its explanation
            pass
    with name_scope(name, "transpose") as scope:
        a = convert(a, name="a")
        card = ConjugateTranspose if conjugate and a.dtype.is_complex else Transpose
        if perm is None:
            number = a.shape.rank
            if number is not None:
                perm = np.arange(number - 1, -1, -1, dtype=_INT32)
            else:
                perm = cards.Range(cards.Sub(Rank(a), 1), -1, -1)
        return card(a, perm, name=scope or None)


@export(v1=["transpose"])
def transpose_v1(a: Any, perm: Any = None, name: str = "transpose", conjugate: bool = False) -> Tensor:
    """`a` with its dimensions in the order `perm`, reversed when None; see the 2.x `tf.transpose`."""
    return transpose(a, perm, conjugate, name)


@export("linalg.matrix_transpose", v1=["linalg.transpose", "linalg.matrix_transpose", "matrix_transpose"])
def matrix_transpose(a: Any, name: str = "matrix_transpose", conjugate: bool = False) -> Tensor:
    """`a` with its last two dimensions swapped.

    Args:
      a: a tensor of rank 2 or more.
      name: name of the operations.
      conjugate: True conjugates complex elements as well.

    Raises:
      ValueError: `a` has less than two dimensions.

    >>> import everflow as tf
    >>> tf.linalg.matrix_transpose(tf.zeros([5, 2, 3])).shape
    TensorShape([5, 3, 2])
    """
    with name_scope(name, "matrix_transpose"):
        a = convert(a, name="a")
        number = a.shape.rank
        if number is None:
            total = Rank(a)
            order = cards.ConcatV2([cards.Range(0, cards.Sub(total, 2), 1),
                                       cards.Pack([cards.Sub(total, 1), cards.Sub(total, 2)])], 0)
            return transpose(a, order, conjugate)
        if number < 2:
            raise ValueError(f"Argument `a` should be a (batch) matrix with rank >= 2. Received `a` = {a!r} with "
                             f"shape: {a.shape}")
        return transpose(a, [*range(number - 2), number - 1, number - 2], conjugate)
