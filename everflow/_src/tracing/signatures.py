"""Signatures of Python functions, methods that do not hold their object, and which shapes a trace covers."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from everflow._src.framework.tensor_shape import TensorShape


class FunctionSpec:
    """The signature of a Python function, as `Function.function_spec` gives it."""

    def __init__(self, signature: inspect.Signature | None, python_function: Callable, input_signature: Any,
                 jit_compile: bool | None, name: str) -> None:
        self.signature = signature
        self.input_signature = input_signature
        self.jit_compile = jit_compile
        self._python_function = python_function
        self._name = name

    @property
    def fullargspec(self) -> inspect.FullArgSpec:
        """The arguments, as `inspect.getfullargspec` gives them."""
        return inspect.getfullargspec(self._python_function)

    @property
    def arg_names(self) -> list[str]:
        """Names of the positional arguments."""
        return list(self.fullargspec.args)

    def __repr__(self) -> str:
        return f"<FunctionSpec {self._name}{self.signature}>"


def name_of(function: Any) -> str:
    return getattr(getattr(function, "func", None), "__name__", None) or type(function).__name__


def weak_method(function: Callable, instance: Any) -> Callable:
    """The function bound to `instance`, without keeping it alive."""
    try:
        reference = weakref.ref(instance)
    except TypeError:
        return functools.partial(function, instance)

    signature = None
    try:
        parameters = list(inspect.signature(function).parameters.values())
        signature = inspect.Signature(parameters[1:])
    except (TypeError, ValueError):
        pass

    def method(*args: Any, **kwargs: Any) -> Any:
        target = reference()
        if target is None:
            raise ReferenceError(f"The object whose method {function.__name__!r} is called no longer exists")
        return function(target, *args, **kwargs)

    method.__name__ = getattr(function, "__name__", "method")
    method.__wrapped__ = function  # type: ignore[attr-defined]
    method._everflow_bound = (function, reference)  # type: ignore[attr-defined]
    if signature is not None:
        method.__signature__ = signature  # type: ignore[attr-defined]
    return method


def covers(general: TensorShape, specific: TensorShape) -> bool:
    if general.rank is None:
        return True
    if specific.rank != general.rank:
        return False
    return all(g is None or g == s for g, s in zip(general.as_list(), specific.as_list()))


def without_shapes(key: Any) -> Any:
    """A cache key in which shapes of tensors do not count."""
    if isinstance(key, tuple):
        if len(key) == 2 and isinstance(key[0], (np.dtype, str)) and isinstance(key[1], (tuple, type(None))) and (
            isinstance(key[0], np.dtype) or key[0] in ("string", "resource")
        ):
            return ("tensor", key[0])
        return tuple(without_shapes(k) for k in key)
    return key
