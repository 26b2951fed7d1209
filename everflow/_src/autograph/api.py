"""The public names of AutoGraph, and its place in `tf.function`."""

from __future__ import annotations

import enum
import functools
import inspect
from collections.abc import Callable
from typing import Any

from absl import logging

from everflow._src.autograph import loading
from everflow._src.autograph.calls import VERBOSITY, converted_for_tracing, convertible, runtime_for
from everflow._src.autograph.loading import Options
from everflow._src.framework.export import export
from everflow._src.tracing.function import Function, install_autograph


@export("autograph.experimental.Feature", v1=["autograph.experimental.Feature"])
class Feature(enum.Enum):
    """What is converted besides control flow."""

    ALL = "ALL"
    AUTO_CONTROL_DEPS = "AUTO_CONTROL_DEPS"
    ASSERT_STATEMENTS = "ASSERT_STATEMENTS"
    BUILTIN_FUNCTIONS = "BUILTIN_FUNCTIONS"
    EQUALITY_OPERATORS = "EQUALITY_OPERATORS"
    LISTS = "LISTS"
    NAME_SCOPES = "NAME_SCOPES"

    @classmethod
    def all(cls) -> tuple[Feature, ...]:
        """All features."""
        return tuple(cls)

    @classmethod
    def all_but(cls, exclude: Any) -> tuple[Feature, ...]:
        """All features but some."""
        left_out = {exclude} if isinstance(exclude, cls) else set(exclude)
        return tuple(f for f in cls if f not in left_out and f is not cls.ALL)


def options_for(features: Any) -> Options:
    """The options that optional features ask for."""
    if features is None:
        return Options()
    chosen = {features} if isinstance(features, Feature) else set(features)
    if Feature.ALL in chosen:
        return Options(lists=True, equality=True, prints=True)
    return Options(lists=Feature.LISTS in chosen, equality=Feature.EQUALITY_OPERATORS in chosen,
                   prints=Feature.BUILTIN_FUNCTIONS in chosen)


def _function_of(entity: Any) -> Any:
    if isinstance(entity, Function):
        entity = entity.python_function
    return inspect.unwrap(entity) if inspect.isfunction(entity) else getattr(entity, "__func__", entity)


@export("autograph.to_graph", v1=[])
def to_graph(entity: Any, recursive: bool = True, experimental_optional_features: Any = None) -> Callable:
    """A function in which Python control flow on tensors becomes control flow of the graph.

    Args:
      entity: a function or method.
      recursive: True converts the functions that it calls as well.
      experimental_optional_features: a `Feature` or several.

    Raises:
      ValueError: the function cannot be converted (a `ConversionError`).
    """
    if isinstance(entity, Function):
        entity = entity.python_function
    result = convertible(entity, runtime_for(options_for(experimental_optional_features), recursive))
    if result is entity and not getattr(entity, "_autograph_artifact", False):
        raise loading.ConversionError(
            f"Cannot convert {entity!r}: its source is not available, or it is no function of yours")
    made = getattr(result, "__func__", result)
    if inspect.isfunction(made) and made is not getattr(entity, "__func__", entity):
        made.__name__ = "tf__lam" if made.__name__ == "<lambda>" else f"tf__{made.__name__}"
    return result


@export(v1=["autograph.to_graph"])
def to_graph_v1(entity: Any, recursive: bool = True, arg_values: Any = None, arg_types: Any = None,
                experimental_optional_features: Any = None) -> Callable:
    """A function in which Python control flow on tensors becomes control flow of the graph."""
    return to_graph(entity, recursive, experimental_optional_features)


@export("autograph.to_code", v1=[])
def to_code(entity: Any, recursive: bool = True, experimental_optional_features: Any = None) -> str:
    """The converted code of a function, as text.

    Raises:
      ValueError: the function cannot be converted (a `ConversionError`).
    """
    function = _function_of(entity)
    try:
        return loading.source_of(function, options_for(experimental_optional_features))
    except (loading.ConversionError, AttributeError) as error:
        raise loading.ConversionError(f"Cannot convert {entity!r}: {error}") from None


@export(v1=["autograph.to_code"])
def to_code_v1(entity: Any, recursive: bool = True, arg_values: Any = None, arg_types: Any = None,
               indentation: str = "  ", experimental_optional_features: Any = None) -> str:
    """The converted code of a function, as text."""
    return to_code(entity, recursive, experimental_optional_features)


@export("autograph.experimental.do_not_convert", v1=["autograph.experimental.do_not_convert"])
def do_not_convert(func: Callable | None = None) -> Any:
    """Decorator for a function that is called as it is, without conversion."""
    if func is None:
        return do_not_convert

    if inspect.isfunction(func) or inspect.ismethod(func):
        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return func(*args, **kwargs)

        wrapper._autograph_do_not_convert = True  # type: ignore[attr-defined]
        return wrapper
    func._autograph_do_not_convert = True  # type: ignore[attr-defined]
    return func


@export("autograph.experimental.set_loop_options", v1=["autograph.experimental.set_loop_options"])
def set_loop_options(parallel_iterations: Any = None, swap_memory: Any = None, maximum_iterations: Any = None,
                     shape_invariants: Any = None) -> None:
    """Options of the loop in whose body this stands first; without effect elsewhere.

    Args:
      parallel_iterations: accepted.
      swap_memory: accepted.
      maximum_iterations: a limit on the number of iterations.
      shape_invariants: (loop variable, shape that holds in every iteration) pairs.
    """


@export("autograph.set_verbosity", v1=["autograph.set_verbosity"])
def set_verbosity(level: int, alsologtostdout: bool = False) -> None:
    """How much AutoGraph tells of what it does: 0 is nothing."""
    VERBOSITY.level = level
    if alsologtostdout:
        logging.use_absl_handler()


@export("autograph.trace", v1=["autograph.trace"])
def trace(*args: Any) -> None:
    """Prints its arguments while a function is traced."""
    print(*args)


install_autograph(lambda function, features: converted_for_tracing(function, options_for(features)))
