"""Templates: functions that share their variables between calls."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from everflow._src.framework.context import executing_eagerly_outside_functions
from everflow._src.framework.export import export
from everflow._src.variables import collections
from everflow._src.variables.scope import AUTO_REUSE, EagerVariableStore, VariableScope, variable_scope
from everflow._src.variables.trackable import Trackable


@export(v1=["make_template"])
def make_template(
    name_: str, func_: Callable[..., Any], create_scope_now_: bool = False, unique_name_: str | None = None,
    custom_getter_: Any = None, **kwargs: Any,
) -> Template:
    """A function that calls `func_` in a variable scope of its own: the first call makes the variables, later ones
    share them.

    Args:
      name_: name of the scope, made unique.
      func_: the function; it makes variables by `get_variable`.
      create_scope_now_: True gives the scope its name now, and not when the function is first called.
      unique_name_: a name that is taken as it is.
      custom_getter_: called in place of the getter of variables.
      **kwargs: arguments for all calls.

    Raises:
      ValueError: there is no name.

    >>> import everflow.compat.v1 as tf
    >>> def scale(x):
    ...     return x * tf.get_variable("w", initializer=2.)
    >>> with tf.Graph().as_default():
    ...     shared = tf.make_template("scale", scale)
    ...     y, z = shared(1.), shared(3.)
    ...     [v.name for v in shared.variables]
    ['scale/w:0']
    """
    if name_ is None:
        raise ValueError("make_template needs a name for its variable scope, received none")
    if kwargs:
        func_ = functools.partial(func_, **kwargs)
    return Template(name_, func_, create_scope_now_, unique_name_, custom_getter_)


class Template(Trackable):
    """What `tf.compat.v1.make_template` returns."""

    def __init__(self, name: str, func: Callable[..., Any], create_scope_now: bool = False,
                 unique_name: str | None = None, custom_getter: Any = None) -> None:
        self._func = func
        self._name = name
        self._unique_name = unique_name
        self._custom_getter = custom_getter
        self._called = False
        self._scope: VariableScope | None = None
        self._store = EagerVariableStore() if executing_eagerly_outside_functions() else None
        if create_scope_now:
            with variable_scope(unique_name, name, custom_getter=custom_getter) as scope:
                self._scope = scope

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._store is None:
            return self._in_scope(args, kwargs)
        with self._store.as_default():
            return self._in_scope(args, kwargs)

    def _in_scope(self, args: Any, kwargs: Any) -> Any:
        if self._scope is None:
            with variable_scope(self._unique_name, self._name, custom_getter=self._custom_getter) as scope:
                self._scope = scope
                return self._first_call(args, kwargs)
        if not self._called:
            with variable_scope(self._scope):
                return self._first_call(args, kwargs)
        reuse = AUTO_REUSE if self._store is not None else True
        with variable_scope(self._scope, reuse=reuse):
            before = self._count()
            result = self._func(*args, **kwargs)
            if self._count() != before:
                raise ValueError(
                    "New variable(s) created when calling a template after the first time, perhaps you used "
                    f"tf.Variable when you meant tf.get_variable: {collections.trainable_variables()[before:]}"
                )
            return result

    def _first_call(self, args: Any, kwargs: Any) -> Any:
        result = self._func(*args, **kwargs)
        self._called = True
        return result

    def _count(self) -> int:
        if self._store is not None:
            return len(self._store.trainable_variables())
        return len(collections.trainable_variables())

    @property
    def name(self) -> str:
        """The name given to `make_template`."""
        return self._name

    @property
    def func(self) -> Callable[..., Any]:
        """The function given to `make_template`."""
        return self._func

    @property
    def variable_scope(self) -> VariableScope | None:
        """The scope of the variables, None before there is one."""
        return self._scope

    @property
    def variable_scope_name(self) -> str | None:
        """The name of that scope."""
        if self._scope is None:
            return None
        return self._scope.name.rstrip("/")

    var_scope = variable_scope

    def _collected(self, getter: Callable[[str], list[Any]]) -> list[Any]:
        name = self.variable_scope_name
        return getter(name + "/") if name is not None else []

    @property
    def variables(self) -> list[Any]:
        """The variables, global and local."""
        return self.global_variables + self.local_variables

    @property
    def trainable_variables(self) -> list[Any]:
        """The trainable variables."""
        if self._store is not None:
            return self._store.trainable_variables()
        return self._collected(collections.trainable_variables)

    @property
    def non_trainable_variables(self) -> list[Any]:
        """The variables that are not trainable."""
        trainable = {id(v) for v in self.trainable_variables}
        return [v for v in self.variables if id(v) not in trainable]

    @property
    def global_variables(self) -> list[Any]:
        """The global variables."""
        if self._store is not None:
            return self._store.variables()
        return self._collected(collections.global_variables)

    @property
    def local_variables(self) -> list[Any]:
        """The local variables."""
        if self._store is not None:
            return []
        return self._collected(collections.local_variables)

    weights = variables
    trainable_weights = trainable_variables
    non_trainable_weights = non_trainable_variables

    def _trackable_children(self, save_type: str = "checkpoint", **kwargs: Any) -> dict[str, Any]:
        prefix = f"{self.variable_scope_name}/"
        return {**super()._trackable_children(save_type, **kwargs),
                **{v.name.removesuffix(":0").removeprefix(prefix): v for v in self.variables}}
