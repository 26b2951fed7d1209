"""The scopes that programs open around operations: names, control dependencies, devices, colocation.

In a graph they are the graph's; eagerly a name scope is remembered for variables and for functions traced
inside of it, a device scope is asked when an operation runs, and the rest has nothing to do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from everflow._src.framework.context import LOCAL, current_graph, default_graph, enter_busy, leave_busy
from everflow._src.framework.device import canonical_device
from everflow._src.framework.export import export
from everflow._src.framework.tensor import EagerTensor, Tensor
from everflow._src.framework.type_spec import is_tensor_like

# ---- names


@contextlib.contextmanager
def _eager_name_scope(name: str | None) -> Iterator[str]:
    previous = LOCAL.eager_scope
    if not name:
        scope = ""
    elif name.endswith("/"):
        scope = name[:-1]
    else:
        scope = f"{previous}/{name}" if previous else name
    LOCAL.eager_scope = scope
    try:
        yield scope + "/" if scope else ""
    finally:
        LOCAL.eager_scope = previous


def open_name_scope(name: str | None) -> Any:
    """A context manager of a name scope in the graph that is being built, or in eager mode."""
    graph = current_graph()
    return graph.name_scope(name) if graph is not None else _eager_name_scope(name)


class _Reopened:
    """A context manager that opens a new scope each time it is entered, also inside of itself."""

    def __init__(self) -> None:
        self._open: list[Any] = []

    def _make(self) -> Any:
        raise NotImplementedError

    def __enter__(self) -> str:
        scope = self._make()
        entered = scope.__enter__()
        self._open.append(scope)
        return entered

    def __exit__(self, *exception: Any) -> Any:
        return self._open.pop().__exit__(*exception)


@export("name_scope", v1=[])
class NameScopeV2(_Reopened):
    """A context manager in which operations and variables get names that begin with `name/`.

    Args:
      name: the prefix; one that ends in "/" is taken as the whole scope, "" leaves all scopes.

    Raises:
      ValueError: `name` is no string, or (on entering) no valid scope name.

    >>> import everflow as tf
    >>> with tf.Graph().as_default():
    ...     with tf.name_scope("layer") as scope:
    ...         print(scope, tf.constant(1., name="bias").name)
    layer/ layer/bias:0
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        if not isinstance(name, str):
            raise ValueError(f"name for name_scope must be a string, received {name!r}")
        self._name = name

    @property
    def name(self) -> str:
        """The name that was given."""
        return self._name

    def _make(self) -> Any:
        return open_name_scope(self._name)


@export(v1=["name_scope"])
class NameScopeV1(_Reopened):
    """A context manager in which operations get names that begin with `name/`.

    Args:
      name: the prefix, or None to use `default_name`.
      default_name: the prefix when `name` is None.
      values: tensors that the operations will take; their graph becomes the default graph.

    Raises:
      TypeError: `default_name` is no string.
      ValueError: there are values and neither a name nor a default name.
    """

    def __init__(
        self, name: str | None, default_name: str | None = None, values: Iterable[Any] | None = None
    ) -> None:
        super().__init__()
        if not (default_name is None or isinstance(default_name, str)):
            raise TypeError(
                f"default_name must be a string, received {default_name!r} of type "
                f"{type(default_name).__name__}; tensors go into `values`"
            )
        self._name = default_name if name is None else name
        self._values = list(values) if values is not None else None
        self._nameless = values is not None and name is None and default_name is None

    @property
    def name(self) -> str | None:
        """The name that the scope is opened with."""
        return self._name

    def _make(self) -> Any:
        if self._nameless:
            raise ValueError("At least one of name (None) and default_name (None) must be provided.")
        graph = _graph_of(self._values or ())
        return open_name_scope(self._name) if graph is None else _in_graph(graph, self._name)


@contextlib.contextmanager
def _in_graph(graph: Any, name: str | None) -> Iterator[str]:
    with graph.as_default(), graph.name_scope(name) as scope:
        yield scope


def _graph_of(values: Iterable[Any]) -> Any:
    """The plain graph of `values` if it is not the one being built; None otherwise."""
    current = current_graph()
    if current is not None and current.building_function:
        return None
    for value in values:
        graph = getattr(value, "graph", None) if not isinstance(value, EagerTensor) else None
        if graph is not None and hasattr(graph, "name_scope") and not graph.building_function:
            return graph if graph is not current else None
    return None


@export(v1=["op_scope"])
def op_scope(values: Iterable[Any], name: str | None, default_name: str | None = None) -> NameScopeV1:
    """`tf.compat.v1.name_scope` with its arguments in another order."""
    return NameScopeV1(name, default_name=default_name, values=values)


# ---- order


@export("control_dependencies", v1=["control_dependencies"])
def control_dependencies(control_inputs: Any) -> Any:
    """A context manager in which operations run after `control_inputs`; eagerly all is in order already.

    Args:
      control_inputs: operations or tensors; None forgets the dependencies of the surrounding scopes.

    Raises:
      TypeError: an element is neither an operation nor a tensor.

    >>> import everflow as tf
    >>> with tf.Graph().as_default():
    ...     a = tf.constant(1., name="a")
    ...     with tf.control_dependencies([a]):
    ...         b = tf.constant(2., name="b")
    >>> b.op.control_inputs
    [<tf.Operation 'a' type=Const>]
    """
    graph = current_graph()
    if graph is None:
        for element in control_inputs or ():
            if callable(element):
                element()  # in a graph an operation; eagerly it may still have to be done
        return contextlib.nullcontext()
    return graph.control_dependencies(control_inputs)


# ---- places


@contextlib.contextmanager
def _eager_device(device: Any) -> Iterator[None]:
    canonical_device(device)  # says what is wrong with it before anything runs
    previous = LOCAL.device
    LOCAL.device = None if device is None else (*(previous or ()), device)
    enter_busy()
    try:
        yield
    finally:
        leave_busy()
        LOCAL.device = previous


@export("device", v1=[])
def device(device_name: Any) -> Any:
    """A context manager in which operations ask for a device.

    Args:
      device_name: a name such as "/cpu:0" or "/job:ps/task:1", a `tf.DeviceSpec`, or None, which forgets the
        surrounding scopes.  Names of nested scopes are merged.

    Raises:
      RuntimeError: `device_name` is a function, which only 1.x has.
      ValueError: it is no device name.
    """
    if callable(device_name):
        raise RuntimeError("tf.device does not support functions; tf.compat.v1.device does.")
    return device_v1(device_name)


@export(v1=["device"])
def device_v1(device_name_or_function: Any) -> Any:
    """A context manager in which operations ask for a device.

    Args:
      device_name_or_function: a device name, a `tf.DeviceSpec`, None, or a function that is called with each
        new operation and returns one of these.

    Raises:
      RuntimeError: it is a function, and execution is eager.
      ValueError: it is no device name.
    """
    graph = current_graph()
    if graph is not None:
        return graph.device(device_name_or_function)
    if callable(device_name_or_function):
        raise RuntimeError("tf.device does not support functions when eager execution is enabled.")
    return _eager_device(device_name_or_function)


@export(v1=["colocate_with"])
def colocate_with(op: Any, ignore_existing: bool = False) -> Any:
    """A context manager in which operations stand on the device of `op`."""
    graph = current_graph()
    if graph is None:
        return _eager_device(op.device) if op is not None else contextlib.nullcontext()
    return graph.colocate_with(op, ignore_existing)


@export(v1=["container"])
def container(container_name: str) -> Any:
    """A context manager in which variables and queues live in the named container of the default graph."""
    return default_graph().container(container_name)


# ---- what is a tensor


@export("is_tensor", v1=["is_tensor", "contrib.framework.is_tensor"])
def is_tensor(x: Any) -> bool:
    """True for tensors, sparse and ragged tensors, and variables.

    >>> import everflow as tf
    >>> tf.is_tensor(tf.constant(1)), tf.is_tensor([1])
    (True, False)
    """
    return isinstance(x, Tensor) or is_tensor_like(x) or _is_composite_or_variable(x)


def _is_composite_or_variable(x: Any) -> bool:
    cls = type(x)
    return hasattr(cls, "_type_spec") or (hasattr(cls, "trainable") and hasattr(cls, "_as_graph_element"))


