"""Variable scopes: names, defaults and sharing of the variables that `get_variable` makes."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

from everflow._src.framework import dtypes
from everflow._src.framework.context import LOCAL, current_graph, default_graph, executing_eagerly_outside_functions
from everflow._src.framework.conversion import convert
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export, export_constant
from everflow._src.framework.graph_collections import GraphKeys
from everflow._src.framework.scopes import open_name_scope
from everflow._src.framework.tensor import EagerTensor
from everflow._src.variables import variable_store as stores
from everflow._src.variables.creation import VariableAggregation, VariableSynchronization
from everflow._src.variables.variable_store import AUTO_REUSE, VariableStore, scope_state, variable_store

_AUTO, _NONE = VariableSynchronization.AUTO, VariableAggregation.NONE

export_constant(__name__, "AUTO_REUSE", v1=["AUTO_REUSE"])


@export(v1=["no_regularizer"])
def no_regularizer(_: Any) -> None:
    """Says that a variable is not regularized, in a scope whose variables are."""


@export(v1=["VariableScope"])
class VariableScope:
    """The defaults of `tf.compat.v1.get_variable` in a scope, and the prefix of names.

    Attributes:
      name: the prefix of names, without a trailing slash.
      original_name_scope: the name scope in which the scope was opened first, with its slash.
      reuse: True, False or `tf.compat.v1.AUTO_REUSE`.
    """

    def __init__(
        self,
        reuse: Any,
        name: str = "",
        initializer: Any = None,
        regularizer: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        custom_getter: Any = None,
        name_scope: str = "",
        dtype: Any = dtypes.float32,
        use_resource: bool | None = None,
        constraint: Any = None,
    ) -> None:
        self._name = name
        self._initializer = initializer
        self._regularizer = regularizer
        self._reuse = reuse
        self._caching_device = caching_device
        self._partitioner = partitioner
        self._custom_getter = custom_getter
        self._name_scope = name_scope
        self._dtype = dtype
        self._use_resource = use_resource
        self._constraint = constraint

    @property
    def name(self) -> str:
        """The prefix of names."""
        return self._name

    @property
    def original_name_scope(self) -> str:
        """The name scope in which the scope was opened first."""
        return self._name_scope

    @property
    def reuse(self) -> Any:
        """Whether variables must exist (True), must not (False), or may (AUTO_REUSE)."""
        return self._reuse

    @property
    def initializer(self) -> Any:
        """The default initializer."""
        return self._initializer

    @property
    def dtype(self) -> Any:
        """The default dtype."""
        return self._dtype

    @property
    def use_resource(self) -> bool | None:
        """Whether resource variables are made; None follows the process's default."""
        return self._use_resource

    @property
    def regularizer(self) -> Any:
        """The default regularizer."""
        return self._regularizer

    @property
    def caching_device(self) -> Any:
        """The device on which reads are cached."""
        return self._caching_device

    @property
    def partitioner(self) -> Any:
        """The default partitioner."""
        return self._partitioner

    @property
    def custom_getter(self) -> Any:
        """The function that is called in place of the getter."""
        return self._custom_getter

    @property
    def constraint(self) -> Any:
        """The default constraint."""
        return self._constraint

    def reuse_variables(self) -> None:
        """From here on, variables of this scope must exist."""
        self._reuse = True

    def set_initializer(self, initializer: Any) -> None:
        """Sets the default initializer."""
        self._initializer = initializer

    def set_dtype(self, dtype: Any) -> None:
        """Sets the default dtype."""
        self._dtype = dtype

    def set_use_resource(self, use_resource: bool | None) -> None:
        """Sets whether resource variables are made.

        Raises:
          ValueError: False in eager mode, which has only these.
        """
        if executing_eagerly_outside_functions() and use_resource is False:
            raise ValueError("When eager execution is enabled, use_resource cannot be set to false.")
        self._use_resource = use_resource

    def set_regularizer(self, regularizer: Any) -> None:
        """Sets the default regularizer."""
        self._regularizer = regularizer

    def set_caching_device(self, caching_device: Any) -> None:
        """Sets the device on which reads are cached."""
        if executing_eagerly_outside_functions():
            raise NotImplementedError("Caching devices are not yet supported when eager execution is enabled.")
        self._caching_device = caching_device

    def set_partitioner(self, partitioner: Any) -> None:
        """Sets the default partitioner."""
        self._partitioner = partitioner

    def set_custom_getter(self, custom_getter: Any) -> None:
        """Sets the function that is called in place of the getter."""
        self._custom_getter = custom_getter

    def get_collection(self, name: Any) -> list[Any]:
        """The elements of a collection whose names begin with this scope's."""
        scope = self._name + "/" if self._name else self._name
        return default_graph().get_collection(name, scope)

    def trainable_variables(self) -> list[Any]:
        """The trainable variables of this scope."""
        return self.get_collection(GraphKeys.TRAINABLE_VARIABLES)

    def global_variables(self) -> list[Any]:
        """The global variables of this scope."""
        return self.get_collection(GraphKeys.GLOBAL_VARIABLES)

    def local_variables(self) -> list[Any]:
        """The local variables of this scope."""
        return self.get_collection(GraphKeys.LOCAL_VARIABLES)

    def get_variable(
        self,
        var_store: VariableStore,
        name: str,
        shape: Any = None,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        reuse: Any = None,
        trainable: bool | None = None,
        collections: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        validate_shape: bool = True,
        use_resource: bool | None = None,
        custom_getter: Any = None,
        constraint: Any = None,
        synchronization: Any = _AUTO,
        aggregation: Any = _NONE,
    ) -> Any:
        """The variable `name` of this scope, by the defaults of this scope; see the function."""
        if not isinstance(name, str):
            raise TypeError(f"get_variable: name must be a string, received {name!r} of type {type(name).__name__}")
        full_name = f"{self._name}/{name}" if self._name else name
        if reuse is None:
            reuse = self._reuse
        if dtype is not None and initializer is not None and not callable(initializer):
            given = convert(initializer).dtype.base_dtype
            if given != as_dtype(dtype).base_dtype:
                raise ValueError(f"Initializer type '{given}' and explicit dtype '{as_dtype(dtype)}' don't match.")
        if initializer is None:
            initializer = self._initializer
        if dtype is None:
            dtype = self._dtype
        if use_resource is None:
            use_resource = self._use_resource
        with no_name_scope():
            return var_store.get_variable(
                full_name,
                shape=shape,
                dtype=dtype,
                initializer=initializer,
                regularizer=self._regularizer if regularizer is None else regularizer,
                reuse=reuse,
                trainable=trainable,
                collections=collections,
                caching_device=self._caching_device if caching_device is None else caching_device,
                partitioner=self._partitioner if partitioner is None else partitioner,
                validate_shape=validate_shape,
                use_resource=use_resource,
                custom_getter=self._custom_getter if custom_getter is None else custom_getter,
                constraint=self._constraint if constraint is None else constraint,
                synchronization=synchronization,
                aggregation=aggregation,
            )


@contextlib.contextmanager
def no_name_scope() -> Iterator[None]:
    """Variables are named by variable scopes alone, whatever name scopes are open."""
    graph = current_graph()
    if graph is None:
        previous, LOCAL.eager_scope = LOCAL.eager_scope, ""
        try:
            yield
        finally:
            LOCAL.eager_scope = previous
    else:
        with graph.name_scope(None):
            yield


@export(v1=["get_variable_scope"])
def get_variable_scope() -> VariableScope:
    """The variable scope that is open here.

    >>> import everflow.compat.v1 as tf
    >>> with tf.variable_scope("layer"):
    ...     tf.get_variable_scope().name
    'layer'
    """
    state = scope_state()
    if state.current is None:
        state.current = VariableScope(False)
    return state.current


@export(v1=["get_variable"])
def get_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool | None = None,
    collections: Any = None,
    caching_device: Any = None,
    partitioner: Any = None,
    validate_shape: bool = True,
    use_resource: bool | None = None,
    custom_getter: Any = None,
    constraint: Any = None,
    synchronization: Any = _AUTO,
    aggregation: Any = _NONE,
) -> Any:
    """The variable `name` of the current variable scope: an existing one where the scope says so, else a new one.

    Args:
      name: the name, to which the scope's is prefixed.
      shape: the shape; not to be given when the initializer is a value.
      dtype: the dtype; the scope's (float32) when None.
      initializer: an initializer (or a class of them), a function of no arguments, or a value. Glorot's uniform
        one for floats and zeros for integers when neither this nor the scope names one.
      regularizer: a function from the variable to a loss, which goes into the collection of regularization
        losses; None for the scope's.
      trainable: whether optimizers train it; True by default.
      collections: names of collections to add it to; the global variables by default.
      caching_device: accepted; values are kept where they are used.
      partitioner: a function from shape and dtype to the number of parts per dimension.
      validate_shape: False allows values of any shape.
      use_resource: True for a resource variable, False for a reference variable.
      custom_getter: a function that is called in place of the getter, which it receives as `getter`.
      constraint: a function applied to the value after an optimizer's update.
      synchronization: see `tf.VariableSynchronization`.
      aggregation: see `tf.VariableAggregation`.

    Raises:
      ValueError: the variable exists (or is missing) against the scope's `reuse`, its shape or dtype is another
        than asked for, or the shape is not known.

    >>> import everflow.compat.v1 as tf
    >>> with tf.Graph().as_default():
    ...     with tf.variable_scope("layer", reuse=tf.AUTO_REUSE):
    ...         w = tf.get_variable("w", [2, 3], initializer=tf.zeros_initializer())
    ...         print(w.name, tf.get_variable("w", [2, 3]) is w)
    layer/w:0 True
    """
    return get_variable_scope().get_variable(
        variable_store(), name, shape=shape, dtype=dtype, initializer=initializer, regularizer=regularizer,
        trainable=trainable, collections=collections, caching_device=caching_device, partitioner=partitioner,
        validate_shape=validate_shape, use_resource=use_resource, custom_getter=custom_getter, constraint=constraint,
        synchronization=synchronization, aggregation=aggregation,
    )


@export(v1=["get_local_variable"])
def get_local_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = False,
    collections: Any = None,
    caching_device: Any = None,
    partitioner: Any = None,
    validate_shape: bool = True,
    use_resource: bool | None = None,
    custom_getter: Any = None,
    constraint: Any = None,
    synchronization: Any = _AUTO,
    aggregation: Any = _NONE,
) -> Any:
    """Like `tf.compat.v1.get_variable`, of a variable that is local and not trained."""
    collections = [*(collections or ()), GraphKeys.LOCAL_VARIABLES]
    return get_variable(
        name, shape, dtype, initializer, regularizer, False, collections, caching_device, partitioner,
        validate_shape, use_resource, custom_getter, constraint, synchronization, aggregation,
    )


# ---- opening scopes


def _chained(custom_getter: Any, outer: Any) -> Any:
    """A getter of an inner scope that reaches the one of the outer scope as its `getter`."""
    if outer is None:
        return custom_getter
    return lambda getter, *args, **kwargs: custom_getter(functools.partial(outer, getter), *args, **kwargs)


def _check_reuse(reuse: Any) -> None:
    if reuse not in (True, False, None) and reuse is not AUTO_REUSE:
        raise ValueError(f"The reuse parameter must be True, False, None or tf.AUTO_REUSE, received {reuse!r}")


@export(v1=["variable_scope"])
class variable_scope:
    """A context manager in which `get_variable` makes or shares variables whose names begin with the scope's.

    Args:
      name_or_scope: a name, or a VariableScope to open again.
      default_name: a name to make unique, when `name_or_scope` is None.
      values: tensors whose graph becomes the default graph.
      initializer, regularizer, caching_device, partitioner, custom_getter, dtype, use_resource, constraint:
        defaults for the variables made inside.
      reuse: True shares existing variables, `tf.compat.v1.AUTO_REUSE` makes those that are missing; None and
        False inherit from the surrounding scope.
      auxiliary_name_scope: False opens no name scope.

    Raises:
      ValueError: `reuse` is none of these; or True without a name.
      TypeError: no name of either kind is given, or it is no string.

    >>> import everflow.compat.v1 as tf
    >>> with tf.Graph().as_default():
    ...     with tf.variable_scope("layer") as scope:
    ...         w = tf.get_variable("w", [1], initializer=tf.zeros_initializer())
    ...     with tf.variable_scope(scope, reuse=True):
    ...         print(tf.get_variable("w", [1]) is w)
    True
    """

    def __init__(
        self,
        name_or_scope: Any,
        default_name: str | None = None,
        values: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        custom_getter: Any = None,
        reuse: Any = None,
        dtype: Any = None,
        use_resource: bool | None = None,
        constraint: Any = None,
        auxiliary_name_scope: bool = True,
    ) -> None:
        if default_name is None and name_or_scope is None:
            raise TypeError("If default_name is None then name_or_scope is required")
        _check_reuse(reuse)
        if reuse is False:
            reuse = None  # both inherit
        if executing_eagerly_outside_functions() and use_resource is False:
            raise ValueError("When eager execution is enabled, use_resource cannot be set to false.")
        if not isinstance(auxiliary_name_scope, bool):
            raise TypeError(f"The auxiliary_name_scope must be `True` or `False`, while get {auxiliary_name_scope}")
        if name_or_scope is None and reuse:
            raise ValueError("reuse=True cannot be used without a name_or_scope")
        if name_or_scope is not None and not isinstance(name_or_scope, (str, VariableScope)):
            raise TypeError(
                "VariableScope: name_or_scope must be a string or VariableScope, received "
                f"{name_or_scope!r} of type {type(name_or_scope).__name__}"
            )
        self._name_or_scope = name_or_scope
        self._default_name = default_name
        self._graph = _graph_of(values)
        self._reuse = reuse
        self._auxiliary_name_scope = auxiliary_name_scope
        self._settings = {
            "initializer": initializer, "regularizer": regularizer, "caching_device": caching_device,
            "partitioner": partitioner, "dtype": dtype, "use_resource": use_resource, "constraint": constraint,
        }
        self._custom_getter = custom_getter
        self._open: list[contextlib.ExitStack] = []

    def __enter__(self) -> VariableScope:
        with contextlib.ExitStack() as stack:
            if self._graph is not None and self._graph is not current_graph():
                stack.enter_context(self._graph.as_default())
            scope = self._enter(stack)
            self._open.append(stack.pop_all())
        return scope

    def __exit__(self, *exception: Any) -> Any:
        return self._open.pop().__exit__(*exception)

    def _enter(self, stack: contextlib.ExitStack) -> VariableScope:
        target = self._name_or_scope
        name_scope = None
        if self._auxiliary_name_scope:
            if target is None:
                wanted = self._default_name
            elif isinstance(target, str):
                wanted = target
            else:
                wanted = target.name.split("/")[-1]
            if wanted:
                name_scope = stack.enter_context(open_name_scope(wanted))
        if name_scope is None and not isinstance(target, VariableScope):
            name_scope = _current_name_scope()
        if target is None:
            target = scope_state().unique(self._default_name)  # type: ignore[arg-type]
        return stack.enter_context(self._variable_scope(target, name_scope))

    @contextlib.contextmanager
    def _variable_scope(self, target: Any, name_scope: str | None) -> Iterator[VariableScope]:
        state = scope_state()
        outer = get_variable_scope()
        given = self._settings
        if isinstance(target, VariableScope):
            base, name = target, target.name
            reuse = target.reuse if self._reuse is None else self._reuse
            original = target.original_name_scope
        else:
            base = outer
            name = f"{outer.name}/{target}" if outer.name else target
            reuse = self._reuse or outer.reuse
            original = name_scope or ""
        custom_getter = self._custom_getter
        custom_getter = base.custom_getter if custom_getter is None else _chained(custom_getter, base.custom_getter)
        inherited = {
            key: getattr(base, "_" + key) if value is None else value for key, value in given.items()
        }
        scope = VariableScope(
            reuse, name=name, name_scope=original, custom_getter=custom_getter, **inherited,
        )
        state.opened(name)
        counts = dict(state.counts) if isinstance(target, VariableScope) else None
        state.current = scope
        try:
            yield scope
        finally:
            state.close_inner(name)
            if counts is not None:
                # Opening a scope again must not change how scopes opened later are named.
                state.counts = counts
            state.current = outer


def _graph_of(values: Any) -> Any:
    for value in values or ():
        graph = getattr(value, "graph", None) if not isinstance(value, EagerTensor) else None
        if graph is not None and hasattr(graph, "name_scope") and not graph.building_function:
            return graph
    return None


def _current_name_scope() -> str:
    graph = current_graph()
    scope = LOCAL.eager_scope if graph is None else graph.get_name_scope()
    return scope + "/" if scope else ""


@export(v1=["variable_op_scope"])
@contextlib.contextmanager
def variable_op_scope(
    values: Any,
    name_or_scope: Any,
    default_name: str | None = None,
    initializer: Any = None,
    regularizer: Any = None,
    caching_device: Any = None,
    partitioner: Any = None,
    custom_getter: Any = None,
    reuse: Any = None,
    dtype: Any = None,
    use_resource: bool | None = None,
    constraint: Any = None,
) -> Iterator[VariableScope]:
    """`tf.compat.v1.variable_scope` with its arguments in another order."""
    with variable_scope(
        name_or_scope, default_name=default_name, values=values, initializer=initializer, regularizer=regularizer,
        caching_device=caching_device, partitioner=partitioner, custom_getter=custom_getter, reuse=reuse, dtype=dtype,
        use_resource=use_resource, constraint=constraint,
    ) as scope:
        yield scope


@export(v1=["contrib.eager.EagerVariableStore"])
class EagerVariableStore:
    """Keeps the variables that `get_variable` makes in eager mode, so that a second call finds them."""

    def __init__(self, store: VariableStore | None = None) -> None:
        self._store = store if store is not None else VariableStore(keeps_eager=True)
        self._store.keeps_eager = True

    @contextlib.contextmanager
    def as_default(self) -> Iterator[None]:
        """A context manager in which `get_variable` uses this store."""
        previous = stores.replace_store(self._store)
        try:
            yield
        finally:
            stores.replace_store(previous)

    def variables(self) -> list[Any]:
        """All variables, by name."""
        return sorted(self._store.variables.values(), key=lambda v: v.name)

    def trainable_variables(self) -> list[Any]:
        """The trainable ones, by name."""
        return [v for v in self.variables() if v.trainable]

    def non_trainable_variables(self) -> list[Any]:
        """The others, by name."""
        return [v for v in self.variables() if not v.trainable]


@export(v1=["create_partitioned_variables"])
def create_partitioned_variables(
    shape: Any,
    slicing: Any,
    initializer: Any,
    dtype: Any = dtypes.float32,
    trainable: bool = True,
    collections: Any = None,
    name: str | None = None,
    reuse: Any = None,
) -> list[Any]:
    """The parts of a variable that is cut into a given number of parts along one dimension.

    Args:
      shape: shape of the whole.
      slicing: the number of parts per dimension; at most one of them is above 1.
      initializer: a value of the whole, or an initializer of its parts.
      dtype: the dtype.
      trainable: whether optimizers train the parts.
      collections: names of collections to add them to.
      name: name of the variable scope; "PartitionedVariable", made unique, when None.
      reuse: see `tf.compat.v1.variable_scope`.

    Raises:
      ValueError: `slicing` does not fit the shape.
    """
    if len(shape) != len(slicing):
        raise ValueError(f"The 'shape' and 'slicing' of a new Variable must have the length: shape: {shape}, slicing: "
                         f"{slicing}")
    with variable_scope(name, "PartitionedVariable", reuse=reuse) as scope, no_name_scope():
        whole = variable_store().get_variable(
            scope.name, shape=shape, dtype=dtype, initializer=initializer, reuse=scope.reuse, trainable=trainable,
            collections=collections, partitioner=lambda **_: list(slicing),
        )
        return list(whole)
