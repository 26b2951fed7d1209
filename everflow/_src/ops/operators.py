"""Operators of tensors: `a + b`, `-a`, `a == b`, `a @ b` and the rest, installed on Tensor when this loads.

Every operator exists twice: a general one, for symbolic tensors, mixed operands and recording, and one for
eager tensors that goes straight to NumPy when both operands are of one dtype and nobody watches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.context import STATE, executing_eagerly_outside_functions
from everflow._src.framework.conversion import convert
from everflow._src.framework.tensor import DeviceTensor, EagerTensor, SymbolicTensor, Tensor, install_method
from everflow._src.ops import comparison
from everflow._src.ops import linalg_products as products
from everflow._src.ops import math_arithmetic as arithmetic
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope

_FLOAT_DTYPES = frozenset(np.dtype(n) for n in ("float32", "float64"))
_NUMBER_DTYPES = _FLOAT_DTYPES | frozenset(np.dtype(n) for n in ("int32", "int64"))

# Values of these types are converted, or the attempt raises; other types may know better what to do.
_PLAIN = (bool, int, float, complex, str, bytes, list, tuple, np.ndarray, np.generic, Tensor, type(None))


def _guarded(method: str, reflected: str, general: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The general operator, which lets operands of foreign types answer when it cannot."""

    def forward(x: Any, y: Any) -> Any:
        try:
            return general(x, y)
        except (TypeError, ValueError):
            if isinstance(y, _PLAIN) or not hasattr(type(y), reflected):
                raise
        return NotImplemented

    forward.__name__ = method
    return forward


def _reflected(method: str, general: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def backward(y: Any, x: Any) -> Any:
        return general(x, y)

    backward.__name__ = method
    return backward


def _eager(
    ufunc: Callable, general: Callable[[Any, Any], Any], integers: bool, method: str
) -> Callable[[Any, Any], Any]:
    """`x op y` for an eager tensor x: at once when y is one of the same dtype, or a Python number."""
    state = STATE
    tensors = scalars = _NUMBER_DTYPES if integers else _FLOAT_DTYPES
    floats = _FLOAT_DTYPES

    def forward(x: Any, y: Any) -> Any:
        if not state.busy:
            a = x._value
            cls = type(y)
            try:
                if cls is EagerTensor:
                    b = y._value
                    dtype = a.dtype
                    if dtype is b.dtype and dtype in tensors:
                        return EagerTensor(ufunc(a, b))
                elif cls is float and a.dtype in floats or cls is int and a.dtype in scalars:
                    return EagerTensor(ufunc(a, y))
            except Exception:
                pass
        return general(x, y)

    forward.__name__ = method
    return forward


def _eager_reflected(
    ufunc: Callable, general: Callable[[Any, Any], Any], integers: bool, method: str
) -> Callable[[Any, Any], Any]:
    """`x op y` for an eager tensor y and a Python number x."""
    state = STATE
    scalars = _NUMBER_DTYPES if integers else _FLOAT_DTYPES
    floats = _FLOAT_DTYPES

    def backward(y: Any, x: Any) -> Any:
        if not state.busy:
            b = y._value
            cls = type(x)
            try:
                if cls is float and b.dtype in floats or cls is int and b.dtype in scalars:
                    return EagerTensor(ufunc(x, b))
            except Exception:
                pass
        return general(x, y)

    backward.__name__ = method
    return backward


def _install_binary(
    name: str,
    general: Callable[[Any, Any], Any],
    ufunc: Callable | None = None,
    integers: bool = True,
    reflected_general: Callable[[Any, Any], Any] | None = None,
) -> None:
    forward, backward = f"__{name}__", f"__r{name}__"
    guarded = _guarded(forward, backward, general)
    reflected = _reflected(backward, reflected_general or general)
    install_method(forward, guarded)
    install_method(backward, reflected)
    if ufunc is None:
        return
    install_method(forward, _eager(ufunc, guarded, integers, forward), EagerTensor)
    install_method(
        backward, _eager_reflected(ufunc, reflected_general or general, integers, backward), EagerTensor
    )
    # A DeviceTensor is an EagerTensor whose value is no NumPy array.
    install_method(forward, guarded, DeviceTensor)
    install_method(backward, reflected, DeviceTensor)


def _apply(card: Any, name: str) -> Callable[[Any, Any], Any]:
    def general(x: Any, y: Any) -> Any:
        return card(x, y, name=name)

    return general


def _add(x: Any, y: Any) -> Any:
    if isinstance(x, SymbolicTensor) and isinstance(y, SymbolicTensor) and x._dtype != dtypes.string:
        return arithmetic.AddV2(x, y, name="add")
    return arithmetic.add_promoted(x, y, None, "add")


def _reflected_add(x: Any, y: Any) -> Any:
    if y.dtype.base_dtype == dtypes.string:
        return arithmetic.Add(x, y, name="add")
    return arithmetic.AddV2(x, y, name="add")


def _truediv(x: Any, y: Any) -> Any:
    return arithmetic.truediv(x, y)


def _bitwise_or_logical(
    logical: Callable[[Any, Any, str], Any], bitwise: str, name: str
) -> Callable[[Any, Any], Any]:
    def general(x: Any, y: Any) -> Any:
        tensor = x if isinstance(x, Tensor) else y
        if tensor.dtype.base_dtype == dtypes.bool:
            return logical(x, y, name)
        with name_scope(None, name):
            return getattr(cards, bitwise)(x, y)

    return general


def _logical_xor(x: Any, y: Any, name: str) -> Any:
    with name_scope(None, name) as scope:
        x = convert(x, dtypes.bool)
        y = convert(y, dtypes.bool)
        return cards.LogicalAnd(
            cards.LogicalOr(x, y), cards.LogicalNot(cards.LogicalAnd(x, y)), name=scope or None
        )


# In 1.x the operator `/` of Python 2 reached tensors as __div__; it is still there to be called.
_install_binary("add", _add, np.add, reflected_general=_reflected_add)
_install_binary("sub", _apply(arithmetic.Sub, "sub"), np.subtract)
_install_binary("mul", _apply(arithmetic.Mul, "mul"), np.multiply)
_install_binary("truediv", _truediv, np.true_divide, integers=False)
_install_binary("div", arithmetic.div)
_install_binary("floordiv", _apply(arithmetic.FloorDiv, "floordiv"))
_install_binary("mod", _apply(arithmetic.FloorMod, "mod"), np.mod, integers=False)
_install_binary("pow", _apply(arithmetic.Pow, "pow"), np.power)
_install_binary("matmul", lambda x, y: products.matmul(x, y, name="matmul"))
_install_binary(
    "and", _bitwise_or_logical(lambda x, y, n: cards.LogicalAnd(x, y, name=n), "BitwiseAnd", "and")
)
_install_binary("or", _bitwise_or_logical(lambda x, y, n: cards.LogicalOr(x, y, name=n), "BitwiseOr", "or"))
_install_binary("xor", _bitwise_or_logical(_logical_xor, "BitwiseXor", "xor"))


# ---- operators of one operand


def _negative(x: Any) -> Any:
    return arithmetic.negative(x)


def _absolute(x: Any) -> Any:
    return arithmetic.abs(x)


def _invert(x: Any) -> Any:
    if x.dtype.base_dtype == dtypes.bool:
        return comparison.logical_not(x)
    return comparison.invert(x)


install_method("__neg__", _negative)
install_method("__abs__", _absolute)
install_method("__invert__", _invert)


# ---- comparisons

for _method, _card, _reflected_method, _ufunc in (
    ("__lt__", comparison.Less, "__gt__", np.less),
    ("__le__", comparison.LessEqual, "__ge__", np.less_equal),
    ("__gt__", comparison.Greater, "__lt__", np.greater),
    ("__ge__", comparison.GreaterEqual, "__le__", np.greater_equal),
):
    _general = _guarded(_method, _reflected_method, _apply(_card, None))
    install_method(_method, _general)
    install_method(_method, _eager(_ufunc, _general, True, _method), EagerTensor)
    install_method(_method, _general, DeviceTensor)


def _compares_by_value(x: Tensor) -> bool:
    """In 2.x tensors compare by value, except in plain graphs, where they are names of values."""
    if not STATE.equality:
        return False
    if isinstance(x, SymbolicTensor) and not x.graph.building_function:
        return False
    return not STATE.busy or executing_eagerly_outside_functions()


def _equality(card: Any, method: str, answer_for_none: bool) -> Callable[[Any, Any], Any]:
    def compare(x: Any, y: Any) -> Any:
        if y is None:
            return answer_for_none
        if not _compares_by_value(x):
            return (x is y) != answer_for_none
        try:
            return card(x, y, incompatible_shape_error=False)
        except (TypeError, ValueError):
            if isinstance(y, _PLAIN) or not hasattr(type(y), method) or type(y).__eq__ is object.__eq__:
                raise
        return NotImplemented

    compare.__name__ = method
    return compare


def _eager_equality(
    ufunc: Callable, general: Callable[[Any, Any], Any], method: str
) -> Callable[[Any, Any], Any]:
    state = STATE
    allowed = _NUMBER_DTYPES

    def compare(x: Any, y: Any) -> Any:
        if not state.busy and state.equality and type(y) is EagerTensor:
            a, b = x._value, y._value
            if a.dtype is b.dtype and a.dtype in allowed and a.shape == b.shape:
                return EagerTensor(ufunc(a, b))
        return general(x, y)

    compare.__name__ = method
    return compare


for _method, _card, _ufunc, _answer in (
    ("__eq__", comparison.Equal, np.equal, False),
    ("__ne__", comparison.NotEqual, np.not_equal, True),
):
    _general = _equality(_card, _method, _answer)
    install_method(_method, _general)
    install_method(_method, _eager_equality(_ufunc, _general, _method), EagerTensor)
    install_method(_method, _general, DeviceTensor)
