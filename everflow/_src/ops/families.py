"""Factories for families of like operations, and the eager fast path of the most frequent ones."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from everflow._src.framework.context import STATE
from everflow._src.framework.registry import Card
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
                except Exception:  # noqa: BLE001,S110 - the door below raises it with its explanation
                    pass
        return card(x, y, name=name)

    return call


def fast_unary(card: Card, ufunc: Callable, integers: bool = False) -> Callable[[Any], Any]:
    """A function of one tensor that goes straight to NumPy when nothing else is to be done."""
    allowed = _NUMBERS if integers else _FLOATS
    state = STATE

    def call(x: Any, name: str | None = None) -> Any:
        if type(x) is EagerTensor and not state.busy:
            a = x._value
            if a.dtype in allowed:
                try:
                    return EagerTensor(ufunc(a))
                except Exception:  # noqa: BLE001,S110 - the door below raises it with its explanation
                    pass
        return card(x, name=name)

    return call
