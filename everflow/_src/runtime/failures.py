"""From what a kernel raises to what the user reads: which operation, with which inputs, made where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from everflow._src.framework.errors import (
    InternalError,
    InvalidArgumentError,
    OpError,
    ResourceExhaustedError,
    UnimplementedError,
)
from everflow._src.framework.registry import Card


class HostNeeded(Exception):
    """Raised while a program compiles: this operation can only run on the host."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def invalid(message: str) -> InvalidArgumentError:
    """An InvalidArgumentError that a kernel raises; the loop adds which operation it was."""
    return InvalidArgumentError(None, None, message)


def _describe(value: Any) -> str:
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is None:
        return type(value).__name__
    return f"{getattr(dtype, 'name', dtype)}[{','.join(map(str, shape))}]"


def explain(error: BaseException, card: Card, values: Sequence[Any], op: Any = None, name: str | None = None
            ) -> BaseException:
    """The error to raise for `error`, which the kernel of `card` raised on `values`."""
    if op is not None:
        label = f"[[{{{{node {op.name}}}}}]] (op: {op.type}, made at {op.location})"
    else:
        label = f"[Op:{card.name}] name: {name or ''}"
    if isinstance(error, OpError):
        if getattr(error, "_located", False):
            return error
        kind: Any = type(error)
        separator = " " if op is None else "\n\t "
        located = kind(None, op, f"{error.message}{separator}{label}")
        located._located = True  # type: ignore[attr-defined]
        for attribute, value in error.__dict__.items():
            located.__dict__.setdefault(attribute, value)
        return located
    if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration)):
        return error
    if getattr(error, "_from_user_code", False):
        return error
    inputs = ", ".join(_describe(v) for v in values)
    if isinstance(error, MemoryError):
        wrapped: OpError = ResourceExhaustedError(None, op, f"{error} with inputs {inputs} {label}")
    elif isinstance(error, NotImplementedError):
        wrapped = UnimplementedError(None, op, f"{error} {label}")
    elif isinstance(error, (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError)):
        wrapped = InvalidArgumentError(None, op, f"{_shapes_message(error, values)} {label}")
    else:
        wrapped = InternalError(None, op, f"{type(error).__name__}: {error}, with inputs {inputs} {label}")
    wrapped._located = True  # type: ignore[attr-defined]
    return wrapped


def _shapes_message(error: BaseException, values: Sequence[Any]) -> str:
    text = str(error)
    if "broadcast" in text and len(values) == 2:
        left, right = (getattr(v, "shape", ()) for v in values)
        return f"Incompatible shapes: {_bracket(left)} vs. {_bracket(right)}"
    return f"{text} (inputs: {', '.join(_describe(v) for v in values)})"


def _bracket(shape: Any) -> str:
    return "[" + ",".join(map(str, shape)) + "]"
