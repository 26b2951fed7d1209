"""Factories for families of like operations, and the eager fast path of the most frequent ones."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.context import STATE
from everflow._src.framework.dtypes import DType
from everflow._src.framework.registry import Card, op
from everflow._src.framework.sparse_tensor import SparseTensor
from everflow._src.framework.tensor import EagerTensor

# The fast path calls NumPy without switching its warnings off, which would double its time.  What overflows
# there overflows silently, as in TensorFlow.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"everflow\._src\.ops\..*")

_FLOATS = frozenset(np.dtype(n) for n in ("float32", "float64"))
_NUMBERS = _FLOATS | frozenset(np.dtype(n) for n in ("int32", "int64"))


def fast_binary(card: Card, ufunc: Callable, integers: bool = True) -> Callable[[Any, Any], Any]:
    """A function of two tensors that goes straight to NumPy when nothing else is to be done.

    It is straight when both are eager tensors of one common dtype and nobody builds a graph or records;
    anything else, failures included, goes through the door, which explains what is wrong.
    """
    allowed = _NUMBERS if integers else _FLOATS
    state = STATE

    def call(x: Any, y: Any, name: str | None = None) -> Any:
        if type(x) is EagerTensor and type(y) is EagerTensor and not state.busy:
            a, b = x._value, y._value
            if a.dtype is b.dtype and a.dtype in allowed:
                try:
                    return EagerTensor(ufunc(a, b))
                except Exception:
                    pass
        return card(x, y, name=name)

    return call


def fast_unary(card: Card, ufunc: Callable, integers: bool = False, sparse: bool = False) -> Callable[[Any], Any]:
    """A function of one tensor that goes straight to NumPy when nothing else is to be done.

    With `sparse` it takes sparse tensors too, whose elements it changes; it must keep zeros.
    """
    allowed = _NUMBERS if integers else _FLOATS
    state = STATE

    def call(x: Any, name: str | None = None) -> Any:
        if type(x) is EagerTensor and not state.busy:
            a = x._value
            if a.dtype in allowed:
                try:
                    return EagerTensor(ufunc(a))
                except Exception:
                    pass
        if sparse and isinstance(x, SparseTensor):
            return x.with_values(card(x.values, name=name))
        return card(x, name=name)

    return call


def unary(
    name: str,
    kernel: Callable,
    types: tuple[DType, ...],
    gradient: Callable | None = None,
    low: float = -2.0,
    high: float = 2.0,
    signature: str = "x: T -> y: T",
    values: Sequence[Any] | None = None,
    **fields: Any,
) -> Card:
    """The card of an element-wise function of one operand.

    Args:
      name: the operation type.
      kernel: `kernel(xp, x)`.
      types: the dtypes that it takes.
      gradient: `gradient(dy, *, x or y)`.
      low, high: the range in which the test sample lies, where the function is smooth.
      signature: for other names of input and output, or another dtype of the output.
      values: the test sample itself, where a range does not do.
      **fields: further fields of the card.
    """
    if gradient is None:
        fields.setdefault("no_gradient", True)
    if dtypes.float32 in types:
        data: Any = np.asarray(values if values is not None else np.linspace(low, high, 6).reshape(2, 3))
        data = data.astype(np.float32)
    else:
        data = np.asarray(values if values is not None else [[0, 1, 2], [3, 4, 5]])
        data = data.astype(types[0].numpy_dtype)
    fields.setdefault("doc", f"{name} of every element.")
    return op(name, signature, T=types, kernel=kernel, gradient=gradient, shape=shapes.unchanged,
              sample=lambda: ([data.copy()], {}), **fields)


def binary(
    name: str,
    kernel: Callable,
    types: tuple[DType, ...],
    gradient: Callable | None = None,
    left: Any = ((1.0, 2.0, 3.0), (4.0, 5.0, 6.5)),
    right: Any = (0.5, 1.5, 2.25),
    signature: str = "x: T, y: T -> z: T",
    **fields: Any,
) -> Card:
    """The card of an element-wise function of two operands that are broadcast against each other.

    Args:
      name: the operation type.
      kernel: `kernel(xp, x, y)`.
      types: the dtypes that it takes.
      gradient: `gradient(dz, *, x, y, z, x_shape, y_shape)`, of which it names what it needs.
      left, right: the test sample, where the function is smooth.
      signature: for other names of inputs and output, or another dtype of the output.
      **fields: further fields of the card.
    """
    if gradient is None:
        fields.setdefault("no_gradient", True)
    dtype = np.float32 if dtypes.float32 in types else types[0].numpy_dtype
    fields.setdefault("doc", f"{name} of every pair of elements.")
    fields.setdefault("shape", shapes.broadcast)
    return op(name, signature, T=types, kernel=kernel, gradient=gradient,
              sample=lambda: ([np.array(left).astype(dtype), np.array(right).astype(dtype)], {}), **fields)
