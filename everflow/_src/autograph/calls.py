"""Calls in converted code: what is called is converted too, where it is the user's own Python."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import sysconfig
import threading
import traceback
import types
from collections.abc import Callable
from typing import Any

from absl import logging

from everflow._src.autograph import builtins_of_tensors, lists, loading, loops, operators, state
from everflow._src.autograph.loading import ConversionError, Options
from everflow._src.framework import errors
from everflow._src.tracing.concrete_function import ConcreteFunction
from everflow._src.tracing.function import Function

_OURS = __file__[: __file__.rindex("_src") + len("_src")]
_STANDARD_LIBRARY = os.path.realpath(sysconfig.get_paths()["stdlib"])
_SITE = os.path.join("site-packages", "")
# Libraries of compiled or array code, and of testing, in which no control flow on tensors stands.
_LIBRARIES = {
    "numpy", "scipy", "jax", "jaxlib", "absl", "pytest", "_pytest", "pluggy", "tensorboard", "google", "PIL", "h5py",
    "matplotlib", "pandas", "sklearn", "tqdm", "ml_dtypes", "optree", "wrapt", "IPython", "ipykernel", "mock", "six",
    "everflow",
}


class _Verbosity(threading.local):
    level = int(os.environ.get("AUTOGRAPH_VERBOSITY", "0") or 0)


VERBOSITY = _Verbosity()
_warned: set[Any] = set()
_NO_OPTIONS = Options()


class Runtime:
    """What converted code knows as `ag__`."""

    Undefined = state.Undefined
    UndefinedReturnValue = state.UndefinedReturnValue
    is_defined = staticmethod(state.is_defined)
    ld = staticmethod(state.ld)
    ldu = staticmethod(state.ldu)
    returned = staticmethod(state.returned)
    and_ = staticmethod(operators.and_)
    or_ = staticmethod(operators.or_)
    not_ = staticmethod(operators.not_)
    if_exp = staticmethod(operators.if_exp)
    assert_stmt = staticmethod(operators.assert_stmt)
    eq = staticmethod(operators.eq)
    not_eq = staticmethod(operators.not_eq)
    list_append = staticmethod(lists.list_append)
    list_pop = staticmethod(lists.list_pop)
    get_item = staticmethod(lists.get_item)
    set_item = staticmethod(lists.set_item)
    index = lists.index

    def __init__(self, options: Options, recursive: bool) -> None:
        self.options = options
        self.recursive = recursive
        self.if_stmt: Callable = operators.if_stmt
        self.while_stmt: Callable = loops.while_stmt
        self.for_stmt: Callable = loops.for_stmt
        if options.lists:
            self.if_stmt = functools.partial(operators.if_stmt, lists=True)
            self.while_stmt = functools.partial(loops.while_stmt, lists=True)
            self.for_stmt = functools.partial(loops.for_stmt, lists=True)

    def converted_call(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
        """Calls `function`, converted where it is the user's own Python."""
        keywords = kwargs or {}
        try:
            overload = builtins_of_tensors.OVERLOADS.get(function)
        except TypeError:  # not hashable
            overload = None
        if overload is not None:
            if overload is builtins_of_tensors.print_ and self.options.prints:
                overload = builtins_of_tensors.print_values
            return overload(*args, **keywords)
        if not self.recursive:
            return function(*args, **keywords)
        target = convertible(function, self)
        return target(*args, **keywords)

    @staticmethod
    def autograph_artifact(function: Callable) -> Callable:
        """Marks a function of converted code, which needs no conversion of its own."""
        with contextlib.suppress(AttributeError, TypeError):
            function._autograph_artifact = True  # type: ignore[attr-defined]
        return function


_runtimes: dict[tuple[Options, bool], Runtime] = {}


def runtime_for(options: Options = _NO_OPTIONS, recursive: bool = True) -> Runtime:
    """The runtime of code converted with `options`."""
    key = (options, recursive)
    if key not in _runtimes:
        _runtimes[key] = Runtime(options, recursive)
    return _runtimes[key]


def _is_library(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    if code is None:
        return True
    filename = code.co_filename
    if filename.startswith(_OURS):
        return True
    module = (getattr(function, "__module__", None) or "").partition(".")[0]
    if module in _LIBRARIES:
        return True
    if _SITE in filename:
        return False
    return os.path.realpath(filename).startswith(_STANDARD_LIBRARY + os.sep)


def convertible(function: Any, runtime: Runtime) -> Callable:
    """`function` in the form converted code calls it: converted, or as it is where there is no need."""
    if isinstance(function, (Function, ConcreteFunction)) or inspect.isbuiltin(function) or inspect.isclass(function):
        return function
    if getattr(function, "_autograph_artifact", False) or getattr(function, "_autograph_do_not_convert", False):
        return function
    if isinstance(function, functools.partial):
        inner = convertible(function.func, runtime)
        return function if inner is function.func else functools.partial(inner, *function.args, **function.keywords)
    if isinstance(function, types.MethodType):
        if getattr(function.__func__, "_autograph_do_not_convert", False):
            return function
        inner = convertible(function.__func__, runtime)
        return function if inner is function.__func__ else types.MethodType(inner, function.__self__)
    bound = getattr(function, "_everflow_bound", None)
    if bound is not None:  # a method that does not keep its object alive (tracing/function)
        method, reference = bound
        inner = convertible(method, runtime)
        return function if inner is method else lambda *args, **kwargs: inner(reference(), *args, **kwargs)
    if isinstance(function, types.FunctionType):
        return _convert_function(function, runtime)
    call = type(function).__dict__.get("__call__") or getattr(type(function), "__call__", None)  # noqa: B004
    if isinstance(call, types.FunctionType) and not _is_library(call):
        inner = _convert_function(call, runtime)
        return function if inner is call else functools.partial(inner, function)
    return function


def _convert_function(function: types.FunctionType, runtime: Runtime) -> Callable:
    if _is_library(function) or inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
        return function
    try:
        return loading.load(function, runtime, runtime.options)
    except ConversionError as error:
        if VERBOSITY.level > 0 or function.__code__ not in _warned:
            _warned.add(function.__code__)
            logging.vlog(1, "AutoGraph could not transform %r and will run it as-is: %s", function, error)
        return function


# ---- errors

_SIMPLE = (
    ValueError, TypeError, NotImplementedError, RuntimeError, AttributeError, AssertionError, IndexError, NameError,
    UnboundLocalError, errors.OperatorNotAllowedInGraphError, errors.InaccessibleTensorError,
)


def with_user_code(error: BaseException) -> BaseException:
    """`error`, its message preceded by the lines of the user's code that lead to it."""
    if getattr(error, "_autograph_annotated", False) or type(error) not in _SIMPLE or len(error.args) != 1:
        return error
    lines = []
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.startswith(_OURS) or frame.name in ("get_state", "set_state"):
            continue
        lines.append(f'    File "{frame.filename}", line {frame.lineno}, in {frame.name}')
        if frame.line:
            lines.append(f"        {frame.line}")
    if not lines:
        return error
    new = type(error)("in user code:\n\n" + "\n".join(lines) + f"\n\n    {type(error).__name__}: {error}\n")
    new._autograph_annotated = True  # type: ignore[attr-defined]
    return new


def converted_for_tracing(function: Callable, options: Options = _NO_OPTIONS) -> Callable:
    """The function that `tf.function` traces: converted, with errors that show the user's code."""
    overload = builtins_of_tensors.OVERLOADS.get(function) if inspect.isroutine(function) else None
    target = overload or convertible(function, runtime_for(options))
    if target is function:
        return function

    def traced(*args: Any, **kwargs: Any) -> Any:
        try:
            return target(*args, **kwargs)
        except Exception as error:
            new = with_user_code(error)
            if new is error:
                raise
            raise new.with_traceback(None) from None

    traced.__name__ = getattr(function, "__name__", "traced")
    return traced


