"""How a call of `tf.Variable` becomes a variable of one kind or another, and who may intervene."""

from __future__ import annotations

import contextlib
import enum
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

from everflow._src.framework.context import STATE, current_graph
from everflow._src.framework.export import export


@export("VariableSynchronization", v1=["VariableSynchronization"])
class VariableSynchronization(enum.Enum):
    """When copies of a distributed variable are brought together."""

    AUTO = 0
    NONE = 1
    ON_WRITE = 2
    ON_READ = 3


@export("VariableAggregation", v1=[])
class VariableAggregationV2(enum.Enum):
    """How copies of a distributed variable are brought together."""

    NONE = 0
    SUM = 1
    MEAN = 2
    ONLY_FIRST_REPLICA = 3


@export(v1=["VariableAggregation"])
class VariableAggregation(enum.Enum):
    """How copies of a distributed variable are brought together; the 1.x names."""

    NONE = 0
    SUM = 1
    MEAN = 2
    ONLY_FIRST_REPLICA = 3
    ONLY_FIRST_TOWER = 3  # noqa: PIE796 - the older name of the same

    def __eq__(self, other: object) -> bool:
        if isinstance(other, VariableAggregationV2):
            return self.value == other.value
        return self is other

    def __hash__(self) -> int:
        return hash(self.value)


class _Creators(threading.local):
    stack: tuple[Callable[..., Any], ...] = ()


_creators = _Creators()


@contextlib.contextmanager
def variable_creator_scope(variable_creator: Callable[..., Any]) -> Iterator[None]:
    """Calls `variable_creator(next_creator, **kwargs)` for each variable made in the block.

    Args:
      variable_creator: calls `next_creator(**kwargs)` to get a variable, or returns one of its own.

    >>> import everflow as tf
    >>> def frozen(next_creator, **kwargs):
    ...     kwargs["trainable"] = False
    ...     return next_creator(**kwargs)
    >>> with tf.variable_creator_scope(frozen):
    ...     v = tf.Variable(1.)
    >>> v.trainable
    False
    """
    previous = _creators.stack
    _creators.stack = (*previous, variable_creator)
    try:
        yield
    finally:
        _creators.stack = previous


export("variable_creator_scope", v1=["variable_creator_scope"])(variable_creator_scope)


def own_place(graph: Any, name: str) -> Any:
    """A context manager in which operations stand where the variable `name`, yet to be made, will stand."""
    if graph._scopes.colocation:
        return contextlib.nullcontext()  # it is said already where that is
    return graph._attr_scope({"_class": [f"loc:@{name}".encode()]})


_kinds: dict[str, Callable[..., Any]] = {}


def install_kind(name: str, make: Callable[..., Any]) -> None:
    """Classes of variables introduce themselves: "resource" and "ref"."""
    _kinds[name] = make


def _default_creator(next_creator: Any = None, **arguments: Any) -> Any:
    use_resource = arguments.pop("use_resource", None)
    if use_resource is None:
        use_resource = current_graph() is None or current_graph().building_function or STATE.resource_variables
    return _kinds["resource" if use_resource or current_graph() is None else "ref"](**arguments)


def create(**arguments: Any) -> Any:
    """A variable, made by the innermost creator scope or by default."""
    creator: Callable[..., Any] = functools.partial(_default_creator, None)
    for outer in _creators.stack:
        creator = _chain(outer, creator)
    return creator(**arguments)


def _chain(outer: Callable[..., Any], inner: Callable[..., Any]) -> Callable[..., Any]:
    return lambda **arguments: outer(inner, **arguments)


@export(v1=["enable_resource_variables"])
def enable_resource_variables() -> None:
    """Makes resource variables, which are read at well-defined times, the default."""
    STATE.resource_variables = True


@export(v1=["disable_resource_variables"])
def disable_resource_variables() -> None:
    """Makes reference variables the default in graphs, as 1.x programs have it."""
    STATE.resource_variables = False


@export(v1=["resource_variables_enabled"])
def resource_variables_enabled() -> bool:
    """True when variables made in graphs are resource variables."""
    return STATE.resource_variables
