"""`tf.Module`: a container of variables, other modules, and functions on them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from everflow._src.framework import nest
from everflow._src.framework.export import export
from everflow._src.framework.scopes import NameScopeV2
from everflow._src.variables.trackable import Trackable
from everflow._src.variables.variable import Variable

_VALID_NAME = re.compile(r"^[a-zA-Z_]([a-zA-Z0-9_])*$")


def camel_to_snake(name: str) -> str:
    """`MyDense2` as `my_dense2`."""
    return re.sub(r"((?<=[a-z0-9])[A-Z]|(?!^)[A-Z](?=[a-z]))", r"_\1", name).lower()


@export("Module", v1=["Module"])
class Module(Trackable):
    """A base class of things that have variables: it finds those in its attributes, and names them.

    Args:
      name: a name, a Python identifier; made of the name of the class when None.

    Raises:
      ValueError: `name` is no identifier.

    >>> import everflow as tf
    >>> class Scale(tf.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = tf.Variable(2.)
    ...     def __call__(self, x):
    ...         return x * self.factor
    >>> scale = Scale()
    >>> scale(3.).numpy(), len(scale.variables), scale.name
    (6.0, 1, 'scale')
    """

    # Attributes that are not searched for variables.
    _TF_MODULE_IGNORED_PROPERTIES: frozenset[str] = frozenset(("_name_scope", "_scope_name"))

    def __init__(self, name: str | None = None) -> None:
        if name is None:
            name = camel_to_snake(type(self).__name__)
        elif not _VALID_NAME.match(name):
            raise ValueError(
                f"{name!r} is not a valid module name: module names must be valid Python identifiers (e.g. a valid "
                "class name)"
            )
        self._name = name
        with NameScopeV2(name) as scope:
            self._scope_name = scope

    @property
    def name(self) -> str:
        """The name, without the scopes around it."""
        return self._name

    @property
    def name_scope(self) -> NameScopeV2:
        """The name scope of the module, to be entered anew by its methods."""
        return NameScopeV2(self._scope_name)

    @property
    def variables(self) -> Sequence[Any]:
        """The variables of this module and its submodules, sorted by attribute, then in order of nesting."""
        return tuple(self._flatten(predicate=_is_variable, expand_composites=True))

    @property
    def trainable_variables(self) -> Sequence[Any]:
        """Those that are trainable."""
        return tuple(self._flatten(predicate=_is_trainable, expand_composites=True))

    @property
    def non_trainable_variables(self) -> Sequence[Any]:
        """Those that are not trainable."""
        return tuple(self._flatten(predicate=_is_not_trainable, expand_composites=True))

    @property
    def submodules(self) -> Sequence[Module]:
        """The modules in attributes of this one, those in theirs, and so on."""
        return tuple(self._flatten(predicate=_is_module))

    def _flatten(
        self,
        recursive: bool = True,
        predicate: Callable[[Any], bool] | None = None,
        attribute_traversal_key: Callable[[Any], Any] | None = None,
        with_path: bool = False,
        expand_composites: bool = False,
    ) -> Iterator[Any]:
        """The values of attributes, out of lists and dicts, and (when `recursive`) those of submodules."""
        if predicate is None:
            predicate = _always
        return _walk(self, recursive, predicate, attribute_traversal_key, with_path, expand_composites, (), {id(self)})

    @classmethod
    def with_name_scope(cls, method: Callable[..., Any]) -> Callable[..., Any]:
        """A decorator of methods whose operations and variables go into the module's name scope.

        >>> import everflow as tf
        >>> class Layer(tf.Module):
        ...     @tf.Module.with_name_scope
        ...     def build(self):
        ...         self.w = tf.Variable(1., name="w")
        >>> layer = Layer()
        >>> layer.build()
        >>> layer.w.name
        'layer/w:0'
        """

        @functools.wraps(method)
        def method_with_name_scope(self: Any, *args: Any, **kwargs: Any) -> Any:
            with self.name_scope:
                return method(self, *args, **kwargs)

        return method_with_name_scope


def _always(value: Any) -> bool:
    return True


def _is_variable(value: Any) -> bool:
    return isinstance(value, Variable)


def _is_trainable(value: Any) -> bool:
    return _is_variable(value) and bool(value.trainable)


def _is_not_trainable(value: Any) -> bool:
    return _is_variable(value) and not value.trainable


def _is_module(value: Any) -> bool:
    return isinstance(value, Module)


def _walk(module: Any, recursive: bool, predicate: Callable[[Any], bool], key: Callable[[Any], Any] | None,
          with_path: bool, expand_composites: bool, path: tuple[Any, ...], seen: set[int]) -> Iterator[Any]:
    attributes = vars(module)
    ignored = getattr(module, "_TF_MODULE_IGNORED_PROPERTIES", ())
    submodules = []
    for name in sorted(attributes, key=key):
        if name in ignored:
            continue
        try:
            leaves = nest.flatten_with_tuple_paths(attributes[name], expand_composites=expand_composites)
        except Exception as error:
            raise ValueError(
                f"Error processing property {name!r} of {type(module).__name__}: {error}"
            ) from error
        for leaf_path, leaf in leaves:
            # Numbers and strings may repeat; variables and modules are counted once.
            if _is_variable(leaf) or _is_module(leaf):
                if id(leaf) in seen:
                    continue
                seen.add(id(leaf))
            here = (*path, name, *leaf_path)
            if predicate(leaf):
                yield (here, leaf) if with_path else leaf
            if recursive and _is_module(leaf):
                submodules.append((here, leaf))
    for where, submodule in submodules:
        yield from _walk(submodule, recursive, predicate, key, with_path, expand_composites, where, seen)
