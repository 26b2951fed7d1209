"""`tf.debugging`: assertions about values, ranks, dtypes and shapes.

What is known while a graph is built is checked then; the rest becomes an `Assert` operation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value
from everflow._src.framework.context import current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.errors import InvalidArgumentError
from everflow._src.framework.export import export
from everflow._src.framework.registry import op
from everflow._src.framework.tensor import Tensor
from everflow._src.ops.by_name import cards
from everflow._src.ops.constants import no_op
from everflow._src.ops.printing import number_text, old_text, tensor_text
from everflow._src.runtime.failures import invalid

# ---- cards


def _assert(xp: Any, condition: Any, data: Sequence[Any], *, summarize: int) -> None:
    if not np.asarray(condition).all():
        raise invalid("assertion failed: " + " ".join(f"[{old_text(d, summarize)}]" for d in data))


AssertCard = op(
    "Assert", "condition: bool, data: *T ->", summarize=3, kernel=_assert, shape=shapes.no_outputs, host=True,
    stateful=True, no_gradient="it has no result", doc="Fails when the condition is false.",
)


def _check_numerics(xp: Any, tensor: Any, *, message: str) -> Any:
    values = np.asarray(tensor)
    found = [name for name, test in (("Inf", np.isinf), ("NaN", np.isnan)) if test(values).any()]
    if found:
        text = message.decode() if isinstance(message, bytes) else message
        raise invalid(f"{text} : Tensor had {' and '.join(found)} values")
    return tensor


CheckNumerics = op(
    "CheckNumerics", "tensor: T -> output: T", message="", kernel=_check_numerics, shape=shapes.unchanged, host=True,
    T=(dtypes.bfloat16, dtypes.float16, dtypes.float32, dtypes.float64), stateful=True,
    gradient=lambda dy: dy, doc="The same tensor; fails when a value is not finite.",
)


# ---- conditions


@export("Assert", "debugging.Assert", v1=["Assert", "debugging.Assert"])
def Assert(condition: Any, data: Sequence[Any], summarize: int | None = None, name: str | None = None) -> Any:
    """Fails when `condition` is false, and shows `data`.

    Args:
      condition: a boolean scalar.
      data: tensors to show.
      summarize: how many elements of each to show; 3 when None.
      name: name of the operation in a graph.

    Returns:
      None in eager mode, the operation in a graph.

    Raises:
      tf.errors.InvalidArgumentError: the condition is false.
    """
    summarize = 3 if summarize is None else summarize
    if current_graph() is None:
        if not condition:
            shown = "\n".join(_summary(convert(d).numpy(), summarize) for d in data)
            raise InvalidArgumentError(None, None, f"Expected '{condition}' to be true. Summarized data: {shown}")
        return None
    return AssertCard(condition, [convert(d) for d in data], summarize=summarize, name=name)


def _summary(value: Any, summarize: int) -> str:
    flat = np.asarray(value).reshape(-1)
    count = len(flat) if summarize < 0 else summarize
    return ", ".join([number_text(v) for v in flat[:count]] + (["..."] if len(flat) > count else []))


def _nothing(name: str | None = None) -> Any:
    return None if current_graph() is None else no_op(name=name)


def _check(what: str, tensors: dict[str, Any], holds: Callable[..., Any], message: str | None, data: Any,
           summarize: int | None, name: str | None, default_name: str, test: Callable[..., Any]) -> Any:
    """The common part: `holds` is the condition in NumPy, `test` in operations; both give a value per element."""
    arrays = [constant_value(t) for t in tensors.values()]
    if all(a is not None for a in arrays):
        try:
            result = np.asarray(holds(*arrays))
        except ValueError:
            incompatible = " vs. ".join(str(list(a.shape)) for a in arrays)
            raise InvalidArgumentError(None, None, f"{message or ''} Incompatible shapes: {incompatible}") from None
        if result.all():
            return _nothing(name)
        raise InvalidArgumentError(None, None, _failure(what, dict(zip(tensors, arrays)), result, message, summarize))
    elements = test(*tensors.values())
    condition = cards.All(elements, cards.Range(0, cards.Rank(elements), 1))
    if data is None:
        data = [f"Condition {what} did not hold element-wise:"]
        for label, tensor in tensors.items():
            data += [f"{label} ({tensor.name}) = ", tensor]
    return Assert(condition, [*([message] if message else []), *data], summarize, name or default_name)


def _failure(what: str, arrays: dict[str, Any], result: Any, message: str | None, summarize: int | None) -> str:
    count = 3 if summarize is None else summarize
    lines = [message] if message else []
    lines.append(f"Condition {what} did not hold{' element-wise' if len(arrays) == 1 else ''}.")
    if len(arrays) > 1 and result.ndim:
        places = np.argwhere(~result)
        lines += [f"Indices of first {min(count, len(places))} different values:", str(places[:count])]
        for label, array in arrays.items():
            values = np.broadcast_to(array, result.shape)[~result][:count]
            lines += [f"Corresponding {label} values:", str(values)]
    for label, array in arrays.items():
        flat = np.asarray(array).reshape(-1)
        shown = min(count, len(flat)) if count >= 0 else len(flat)
        lines += [f"First {shown} elements of {label}:", tensor_text(flat[:shown], -1)]
    return "\n".join(lines)


def _pair(x: Any, y: Any) -> tuple[Any, Any]:
    if isinstance(x, Tensor) or hasattr(x, "_dense_var_to_tensor"):
        x = convert(x)
        return x, convert(y, x.dtype.base_dtype) if not isinstance(y, Tensor) else y
    if isinstance(y, Tensor) or hasattr(y, "_dense_var_to_tensor"):
        y = convert(y)
        return convert(x, y.dtype.base_dtype), y
    return convert(x), convert(y)


def _binary(public: str, symbol: str, numpy: Callable[..., Any], card: str) -> tuple[Callable, Callable]:
    def version_1(x: Any, y: Any, data: Any = None, summarize: int | None = None, message: str | None = None,
                  name: str | None = None) -> Any:
        x, y = _pair(x, y)
        if x is y and public in ("assert_equal", "assert_less_equal", "assert_greater_equal"):
            return _nothing(name)
        return _check(f"x {symbol} y", {"x": x, "y": y}, numpy, message, data, summarize, name, public,
                      lambda a, b: getattr(cards, card)(a, b))

    def version_2(x: Any, y: Any, message: str | None = None, summarize: int | None = None, name: str | None = None
                  ) -> Any:
        return version_1(x, y, None, summarize, message, name)

    return _documented(public, f"x {symbol} y", version_1, version_2)


def _unary(public: str, symbol: str, numpy: Callable[..., Any], card: str) -> tuple[Callable, Callable]:
    def version_1(x: Any, data: Any = None, summarize: int | None = None, message: str | None = None,
                  name: str | None = None) -> Any:
        x = convert(x)
        return _check(f"x {symbol} 0", {"x": x}, lambda a: numpy(a, 0), message, data, summarize, name, public,
                      lambda a: getattr(cards, card)(a, convert(0, a.dtype.base_dtype)))

    def version_2(x: Any, message: str | None = None, summarize: int | None = None, name: str | None = None) -> Any:
        return version_1(x, None, summarize, message, name)

    return _documented(public, f"x {symbol} 0", version_1, version_2)


_TOP_LEVEL_2 = ("assert_equal", "assert_greater", "assert_less", "assert_rank")


def _documented(public: str, condition: str, version_1: Callable, version_2: Callable) -> tuple[Callable, Callable]:
    for function in (version_1, version_2):
        function.__name__ = function.__qualname__ = public
        function.__doc__ = f"""Fails unless {condition} holds for every element.

    Returns:
      None in eager mode, an operation in a graph.

    Raises:
      tf.errors.InvalidArgumentError: it does not hold; in a graph at once where the values are known.
    """
    names = [f"debugging.{public}", *([public] if public in _TOP_LEVEL_2 else [])]
    export(*names, v1=[])(version_2)
    export(v1=[public, f"debugging.{public}"])(version_1)
    return version_1, version_2


assert_equal, assert_equal_v2 = _binary("assert_equal", "==", np.equal, "Equal")
assert_none_equal, assert_none_equal_v2 = _binary("assert_none_equal", "!=", np.not_equal, "NotEqual")
assert_less, assert_less_v2 = _binary("assert_less", "<", np.less, "Less")
assert_less_equal, assert_less_equal_v2 = _binary("assert_less_equal", "<=", np.less_equal, "LessEqual")
assert_greater, assert_greater_v2 = _binary("assert_greater", ">", np.greater, "Greater")
assert_greater_equal, assert_greater_equal_v2 = _binary("assert_greater_equal", ">=", np.greater_equal, "GreaterEqual")
assert_positive, assert_positive_v2 = _unary("assert_positive", ">", np.greater, "Greater")
assert_negative, assert_negative_v2 = _unary("assert_negative", "<", np.less, "Less")
assert_non_negative, assert_non_negative_v2 = _unary("assert_non_negative", ">=", np.greater_equal, "GreaterEqual")
assert_non_positive, assert_non_positive_v2 = _unary("assert_non_positive", "<=", np.less_equal, "LessEqual")


@export(v1=["assert_near", "debugging.assert_near"])
def assert_near(x: Any, y: Any, rtol: Any = None, atol: Any = None, data: Any = None, summarize: int | None = None,
                message: str | None = None, name: str | None = None) -> Any:
    """Fails unless |x - y| <= atol + rtol |y| for every element; the tolerances are 10 epsilons when None."""
    x, y = _pair(x, y)
    epsilon = 10 * float(np.finfo(x.dtype.base_dtype.real_dtype.as_numpy_dtype).eps) if x.dtype.is_floating else 0.0
    relative, absolute = (float(epsilon if t is None else t) for t in (rtol, atol))

    def test(a: Any, b: Any) -> Any:
        dtype = a.dtype.base_dtype
        bound = cards.AddV2(convert(absolute, dtype), cards.Mul(convert(relative, dtype), cards.Abs(b)))
        return cards.LessEqual(cards.Abs(cards.Sub(a, b)), bound)

    return _check(f"x and y equal to tolerance rtol = {relative}, atol = {absolute}:", {"x": x, "y": y},
                  lambda a, b: np.abs(a - b) <= absolute + relative * np.abs(b), message, data, summarize, name,
                  "assert_near", test)


@export("debugging.assert_near", v1=[])
def assert_near_v2(x: Any, y: Any, rtol: Any = None, atol: Any = None, message: str | None = None,
                   summarize: int | None = None, name: str | None = None) -> Any:
    """Fails unless |x - y| <= atol + rtol |y| for every element; the tolerances are 10 epsilons when None."""
    return assert_near(x, y, rtol, atol, None, summarize, message, name)


@export("debugging.check_numerics", v1=["check_numerics", "debugging.check_numerics"])
def check_numerics(tensor: Any, message: str, name: str | None = None) -> Any:
    """`tensor`; fails with `message` when it holds a NaN or an infinity."""
    return CheckNumerics(tensor, message=message, name=name)


@export("debugging.assert_all_finite", v1=[])
def assert_all_finite(x: Any, message: str, name: str | None = None) -> Any:
    """`x`; fails with `message` when it holds a NaN or an infinity."""
    return CheckNumerics(x, message=message, name=name)


@export(v1=["verify_tensor_all_finite", "debugging.assert_all_finite"])
def verify_tensor_all_finite(t: Any = None, msg: str | None = None, name: str | None = None, x: Any = None,
                             message: str | None = None) -> Any:
    """`t`; fails with `msg` when it holds a NaN or an infinity."""
    return CheckNumerics(t if t is not None else x, message=msg if msg is not None else message, name=name)
