"""Graphs: operations in the order they were made, with their scopes, names and collections."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from everflow._src.framework import context, node_defs
from everflow._src.framework.context import LOCAL
from everflow._src.framework.device import canonical_device, device_from_scope
from everflow._src.framework.export import export
from everflow._src.framework.operation import Operation
from everflow._src.framework.registry import CARDS, Card
from everflow._src.framework.tensor import EagerTensor, SymbolicTensor
from everflow._src.framework.tensor_shape import TensorShape

_VALID_OP_NAME = re.compile(r"^[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*$")
_VALID_SCOPE_NAME = re.compile(r"^[A-Za-z0-9_.\\/>-]*$")


class _Controller:
    """One `control_dependencies` scope: what must come first, and which operations were made inside."""

    __slots__ = ("ops", "seen", "previous", "clears")

    def __init__(self, ops: list[Operation], clears: bool) -> None:
        self.ops = ops
        self.seen: set[int] = set()
        self.clears = clears


class _Scopes(threading.local):
    """The scopes of one graph in one thread."""

    def __init__(self) -> None:
        self.name = ""
        self.controllers: tuple[_Controller, ...] = ()
        self.devices: tuple[Any, ...] = ()
        self.colocation: tuple[Operation, ...] = ()
        self.attrs: dict[str, Any] = {}
        self.gradient_overrides: dict[str, str] = {}
        self.container = ""


@export("Graph", v1=["Graph"])
class Graph:
    """A set of operations to be run later by a session.

    >>> import everflow as tf
    >>> with tf.Graph().as_default() as graph:
    ...     c = tf.constant(3., name="c")
    >>> graph.get_operations()
    [<tf.Operation 'c' type=Const>]
    """

    building_function = False
    outer_graph: Any = None

    def __init__(self) -> None:
        self._operations: list[Operation] = []
        self._by_name: dict[str, Operation] = {}
        self._names_in_use: dict[str, int] = {}
        self._scopes = _Scopes()
        self._collections: dict[Any, list[Any]] = {}
        self._seed: int | None = None
        self._finalized = False
        self._version = 0
        self._unfeedable: set[int] = set()
        self._unfetchable: set[int] = set()
        self._functions: dict[str, Any] = {}
        self._lock = threading.RLock()
        # Per-graph stores of upper floors (variables, checkpoint views), keyed by what they are.
        self.stores: dict[str, Any] = {}

    # ---- entering

    def as_default(self) -> Any:
        """A context manager in which operations of this thread go into this graph."""
        return context.graph_mode(self)

    # ---- making operations

    def add_operation(
        self,
        card: Card,
        inputs: Sequence[SymbolicTensor],
        attrs: dict[str, Any],
        name: str | None = None,
    ) -> Operation:
        """Adds an operation of `card`.  Inputs are flat and of this graph; attrs are complete.

        Raises:
          RuntimeError: the graph is finalized.
          ValueError: the name is invalid, or the shapes of the inputs do not fit.
        """
        if self._finalized:
            raise RuntimeError(f"Graph is finalized and cannot be modified: cannot add operation {card.name}")
        scopes = self._scopes
        if name is None:
            name = card.name
        if name and name[-1] == "/":
            name = name[:-1]
            if name in self._by_name:
                raise ValueError(f"Duplicate node name in graph: '{name}' is a {self._by_name[name].type} already")
        else:
            if not _VALID_OP_NAME.match(name) and not (scopes.name and _VALID_SCOPE_NAME.match(name)):
                raise ValueError(f"'{name}' is not a valid node name for an operation of type {card.name}")
            name = self.unique_name(name)
        if scopes.attrs:
            for key, value in scopes.attrs.items():
                attrs.setdefault(key, value)
        if card.name in scopes.gradient_overrides:
            attrs["_gradient_op_type"] = scopes.gradient_overrides[card.name]
        control_inputs = self._control_inputs_for(inputs) if scopes.controllers else ()
        op = Operation(self, card, name, inputs, attrs, control_inputs, "")
        if scopes.devices:
            op._device = device_from_scope(scopes.devices, op)
        if scopes.colocation or card.references:
            # What takes a variable itself stands where the variable does.
            self._colocate(op, (*scopes.colocation, *(inputs[i]._op for i in card.references)))
        if "container" in card.attrs and not attrs.get("container") and scopes.container:
            attrs["container"] = scopes.container
        if card.shape is not None:
            self._infer_shapes(op)
        with self._lock:
            op._id = len(self._operations)
            self._operations.append(op)
            self._by_name[name] = op
            self._version += 1
        for tensor in op._inputs:
            tensor._consumers.append(op)
        for controlling in op._control_inputs:
            controlling._control_outputs.append(op)
        for controller in scopes.controllers:
            controller.seen.add(id(op))
        return op

    @staticmethod
    def _infer_shapes(op: Operation) -> None:
        try:
            shapes = op.card.shape(op)  # type: ignore[misc]
        except ValueError as error:
            inputs = ", ".join(_shape_text(t._shape) for t in op._inputs)
            raise ValueError(
                f"{error} for '{op.name}' (op: '{op.type}') with input shapes: {inputs}. Made at {op.location}"
            ) from None
        if shapes is None:
            return
        if isinstance(shapes, (TensorShape, tuple)):
            shapes = [shapes]
        for tensor, shape in zip(op._outputs, shapes):
            tensor._shape = shape if isinstance(shape, TensorShape) else TensorShape(shape)

    def create_op(
        self,
        op_type: str,
        inputs: Sequence[Any],
        dtypes: Any = None,
        input_types: Any = None,
        name: str | None = None,
        attrs: dict[str, Any] | None = None,
        op_def: Any = None,
        compute_shapes: bool = True,
        compute_device: bool = True,
    ) -> Operation:
        """Adds an operation by its type; `tf.raw_ops` is the usual way.

        Raises:
          NotImplementedError: everflow has no card for this operation type.
        """
        if op_type not in CARDS:
            raise NotImplementedError(f"Operation type {op_type!r} is not in everflow yet")
        card = CARDS[op_type]
        complete = dict(card.defaults)
        complete.update(attrs or {})
        inputs = [self.accept(t) for t in inputs]
        _fill_type_attrs(card, inputs, complete)
        return self.add_operation(card, inputs, complete, name)

    def accept(self, tensor: Any) -> SymbolicTensor:
        """`tensor` as an input of this graph's operations.

        Raises:
          ValueError: it belongs to another graph.
          RuntimeError: it has a value already, which a plain graph cannot capture.
        """
        if isinstance(tensor, SymbolicTensor):
            if tensor._op.graph is not self:
                raise ValueError(
                    f"{tensor!r} must be from the same graph as the operation being made: it belongs to another "
                    f"tf.Graph ({tensor._op.graph!r} is not {self!r})"
                )
            return tensor
        raise RuntimeError(
            "Attempting to capture an EagerTensor without building a function: an eager value cannot enter a "
            "tf.Graph; use tf.constant(tensor.numpy()) inside of the graph"
        )

    def touch(self) -> None:
        """Something that programs were built from has changed."""
        self._version += 1

    # ---- names

    def unique_name(self, name: str, mark_as_used: bool = True) -> str:
        """`name` in the current name scope, with `_1`, `_2`, ... appended when it is taken."""
        if self._scopes.name:
            name = f"{self._scopes.name}/{name}"
        # Names are compared without case, since some file systems do the same.
        key = name.lower()
        with self._lock:
            count = self._names_in_use.get(key, 0)
            if mark_as_used:
                self._names_in_use[key] = count + 1
            if count > 0:
                base = key
                while key in self._names_in_use:
                    key = f"{base}_{count}"
                    count += 1
                if mark_as_used:
                    self._names_in_use[key] = 1
                name = f"{name}_{count - 1}"
        return name

    def mark_name(self, name: str) -> None:
        """Marks a full name, and the scopes that it lies in, as taken."""
        with self._lock:
            parts = name.lower().split("/")
            for count in range(1, len(parts) + 1):
                self._names_in_use.setdefault("/".join(parts[:count]), 1)

    @contextlib.contextmanager
    def name_scope(self, name: str | None) -> Iterator[str]:
        """Operations made inside are named `name/...`; yields the scope with its slash.

        A name that ends in "/" re-enters that scope; None or "" leaves all scopes.

        Raises:
          ValueError: `name` is not a valid scope name.
        """
        if name:
            if isinstance(name, bytes):
                name = name.decode()
            pattern = _VALID_SCOPE_NAME if self._scopes.name else _VALID_OP_NAME
            if not isinstance(name, str) or not pattern.match(name):
                raise ValueError(f"'{name}' is not a valid root scope name" if not self._scopes.name
                                 else f"'{name}' is not a valid scope name")
        previous = self._scopes.name
        if not name:
            scope = ""
        elif name[-1] == "/":
            scope = name[:-1]
        else:
            scope = self.unique_name(name)
        self._scopes.name = scope
        try:
            yield scope + "/" if scope else ""
        finally:
            self._scopes.name = previous

    def get_name_scope(self) -> str:
        """The current name scope, without a trailing slash."""
        return self._scopes.name

    current_name_scope = get_name_scope

    # ---- control dependencies

    @contextlib.contextmanager
    def control_dependencies(self, control_inputs: Any) -> Iterator[None]:
        """Operations made inside run after `control_inputs` (operations or tensors); None clears them.

        Raises:
          TypeError: an element is neither an operation nor a tensor.
        """
        previous = self._scopes.controllers
        if control_inputs is None:
            self._scopes.controllers = ()
        else:
            ops: list[Operation] = []
            for element in control_inputs:
                element = getattr(element, "_as_control_input", lambda e=element: e)()
                if isinstance(element, EagerTensor):
                    continue
                op = self.as_graph_element(element, allow_tensor=True, allow_operation=True)
                op = op.op if isinstance(op, SymbolicTensor) else op
                if op is not None and not any(op is o for o in ops):
                    ops.append(op)
            self._scopes.controllers = (*previous, _Controller(ops, False))
        try:
            yield
        finally:
            self._scopes.controllers = previous

    def _control_inputs_for(self, inputs: Sequence[SymbolicTensor]) -> list[Operation]:
        producers = {id(t._op) for t in inputs}
        result: list[Operation] = []
        for controller in self._scopes.controllers:
            # What an input has waited for already needs no second edge.
            if producers & controller.seen:
                continue
            for op in controller.ops:
                if id(op) not in producers and not any(op is o for o in result):
                    result.append(op)
        return result

    # ---- devices, colocation, attrs

    @contextlib.contextmanager
    def device(self, device_name_or_function: Any) -> Iterator[None]:
        """Operations made inside ask for a device: a string, a DeviceSpec, or a function of the operation."""
        if isinstance(device_name_or_function, str):
            device_name_or_function = canonical_device(device_name_or_function)
        previous = self._scopes.devices
        self._scopes.devices = (*previous, device_name_or_function)
        try:
            yield
        finally:
            self._scopes.devices = previous

    @contextlib.contextmanager
    def colocate_with(self, op: Any, ignore_existing: bool = False) -> Iterator[None]:
        """Operations made inside stand on the device of `op`."""
        previous = self._scopes.colocation
        devices = self._scopes.devices
        if op is None:
            if not ignore_existing:
                raise ValueError("Trying to reset colocation (op is None) but ignore_existing is not True")
            self._scopes.colocation = ()
        else:
            op = getattr(op, "op", op)
            self._scopes.colocation = (op,) if ignore_existing else (*previous, op)
            self._scopes.devices = ()
        try:
            yield
        finally:
            self._scopes.colocation = previous
            self._scopes.devices = devices

    @staticmethod
    def _colocate(op: Operation, group: Sequence[Operation]) -> None:
        names: set[bytes] = set(op._attrs.get("_class", ()))
        for other in group:
            names.update(other.colocation_groups())
            op._device = other._device
        op._attrs["_class"] = sorted(names)

    @contextlib.contextmanager
    def _attr_scope(self, attr_map: dict[str, Any]) -> Iterator[None]:
        previous = self._scopes.attrs
        merged = {**previous, **attr_map}
        self._scopes.attrs = {k: v for k, v in merged.items() if v is not None}
        try:
            yield
        finally:
            self._scopes.attrs = previous

    @contextlib.contextmanager
    def gradient_override_map(self, op_type_map: dict[str, str]) -> Iterator[None]:
        """Operations made inside take the gradient registered under another name.

        Raises:
          TypeError: `op_type_map` is not a dict from strings to strings.
        """
        if not isinstance(op_type_map, dict):
            raise TypeError(f"op_type_map must be a dictionary mapping strings to strings, got {op_type_map!r}")
        for key, value in op_type_map.items():
            if not isinstance(key, str) or not isinstance(value, str):
                raise TypeError(f"op_type_map must map strings to strings, received {key!r}: {value!r}")
        previous = self._scopes.gradient_overrides
        self._scopes.gradient_overrides = {**previous, **op_type_map}
        try:
            yield
        finally:
            self._scopes.gradient_overrides = previous

    @contextlib.contextmanager
    def container(self, container_name: str) -> Iterator[str]:
        """Resources made inside live in the named container."""
        previous = self._scopes.container
        self._scopes.container = container_name
        try:
            yield container_name
        finally:
            self._scopes.container = previous

    # ---- collections

    def add_to_collection(self, name: Any, value: Any) -> None:
        """Appends `value` to the collection `name`."""
        self._check_not_finalized()
        self._collections.setdefault(name, []).append(value)

    def add_to_collections(self, names: Any, value: Any) -> None:
        """Appends `value` to each of the collections."""
        names = (names,) if isinstance(names, str) else dict.fromkeys(names)
        for name in names:
            self.add_to_collection(name, value)

    def get_collection_ref(self, name: Any) -> list[Any]:
        """The collection itself: changes to the list change the collection."""
        return self._collections.setdefault(name, [])

    def get_collection(self, name: Any, scope: str | None = None) -> list[Any]:
        """A copy of the collection; with `scope`, the items whose names match it as a regular expression."""
        items = self._collections.get(name, [])
        if scope is None:
            return list(items)
        pattern = re.compile(scope)
        return [item for item in items if hasattr(item, "name") and pattern.match(item.name)]

    def get_all_collection_keys(self) -> list[Any]:
        """Names of the collections."""
        return [key for key in self._collections if isinstance(key, str)]

    def clear_collection(self, name: Any) -> None:
        """Empties the collection."""
        self._check_not_finalized()
        self._collections.pop(name, None)

    @property
    def collections(self) -> list[Any]:
        """Names of the collections that exist."""
        return list(self._collections)

    # ---- looking things up

    def get_operations(self) -> list[Operation]:
        """The operations in the order they were made."""
        return list(self._operations)

    @property
    def num_operations(self) -> int:
        return len(self._operations)

    def get_operation_by_name(self, name: str) -> Operation:
        """The operation called `name`.

        Raises:
          TypeError: `name` is not a string.
          ValueError, KeyError: there is no such operation.
        """
        if not isinstance(name, str):
            raise TypeError(f"Operation names are strings, not {type(name).__name__}")
        return self.as_graph_element(name, allow_tensor=False, allow_operation=True)

    _get_operation_by_name = get_operation_by_name

    def get_tensor_by_name(self, name: str) -> SymbolicTensor:
        """The tensor called `name`, such as "matmul:0".

        Raises:
          TypeError: `name` is not a string.
          ValueError, KeyError: there is no such tensor.
        """
        if not isinstance(name, str):
            raise TypeError(f"Tensor names are strings, not {type(name).__name__}")
        return self.as_graph_element(name, allow_tensor=True, allow_operation=False)

    def as_graph_element(self, obj: Any, allow_tensor: bool = True, allow_operation: bool = True) -> Any:
        """The operation or tensor of this graph that `obj` is or names.

        Raises:
          TypeError: `obj` is nothing that a graph holds, or not of an allowed kind.
          ValueError: it belongs to another graph, or its name has the wrong form.
          KeyError: there is no element of that name.
        """
        if not (allow_tensor or allow_operation):
            raise ValueError("allow_tensor and allow_operation can't both be False.")
        wanted = " or ".join(
            word for word, allowed in (("Tensor", allow_tensor), ("Operation", allow_operation)) if allowed
        )
        if hasattr(obj, "_as_graph_element") and not isinstance(obj, (Operation, SymbolicTensor)):
            converted = obj._as_graph_element()
            obj = converted if converted is not None else obj
        if isinstance(obj, bytes):
            obj = obj.decode()
        if isinstance(obj, str):
            return self._element_by_name(obj, allow_tensor, allow_operation, wanted)
        if isinstance(obj, SymbolicTensor) and allow_tensor:
            if obj.graph is not self:
                raise ValueError(f"Tensor {obj!r} is not an element of this graph.")
            return obj
        if isinstance(obj, Operation) and allow_operation:
            if obj.graph is not self:
                raise ValueError(f"Operation {obj!r} is not an element of this graph.")
            return obj
        raise TypeError(f"Can not convert a {type(obj).__name__} into a {wanted}.")

    def _element_by_name(self, name: str, allow_tensor: bool, allow_operation: bool, wanted: str) -> Any:
        if ":" in name:
            if not allow_tensor:
                raise ValueError(f"Name {name!r} appears to refer to a Tensor, not a {wanted}.")
            op_name, _, index = name.rpartition(":")
            if not index.isdigit() or not op_name or ":" in op_name:
                raise ValueError(f"The name {name!r} looks a like a Tensor name, but is not a valid one: tensor "
                                 "names have the form '<op_name>:<output_index>'.")
            op = self._by_name.get(op_name)
            if op is None:
                raise KeyError(f"The name {name!r} refers to a Tensor which does not exist. The operation, "
                               f"{op_name!r}, does not exist in the graph.")
            if int(index) >= len(op._outputs):
                raise KeyError(f"The name {name!r} refers to a Tensor which does not exist. The operation, "
                               f"{op_name!r}, exists but only has {len(op._outputs)} outputs.")
            return op._outputs[int(index)]
        if not allow_operation:
            if name in self._by_name:
                raise ValueError(f"The name {name!r} refers to an Operation, not a {wanted}. Tensor names have "
                                 "the form '<op_name>:<output_index>'.")
            raise ValueError(f"The name {name!r} looks like an (invalid) Operation name, not a {wanted}. Tensor "
                             "names have the form '<op_name>:<output_index>'.")
        if name not in self._by_name:
            raise KeyError(f"The name {name!r} refers to an Operation not in the graph.")
        return self._by_name[name]

    # ---- the rest

    @property
    def seed(self) -> int | None:
        """The graph-level random seed."""
        return self._seed

    @seed.setter
    def seed(self, value: int | None) -> None:
        self._seed = value

    @property
    def version(self) -> int:
        """A number that grows whenever the graph changes."""
        return self._version

    @property
    def _last_id(self) -> int:
        return len(self._operations)

    @property
    def finalized(self) -> bool:
        """True when nothing can be added any more."""
        return self._finalized

    def finalize(self) -> None:
        """Makes the graph read-only."""
        self._finalized = True

    def _unsafe_unfinalize(self) -> None:
        self._finalized = False

    def _check_not_finalized(self) -> None:
        if self._finalized:
            raise RuntimeError("Graph is finalized and cannot be modified.")

    def prevent_feeding(self, tensor: SymbolicTensor) -> None:
        """Marks a tensor that `feed_dict` must not replace."""
        self._unfeedable.add(id(tensor))

    def is_feedable(self, tensor: SymbolicTensor) -> bool:
        return id(tensor) not in self._unfeedable

    def prevent_fetching(self, op: Operation) -> None:
        """Marks an operation that `run` must not return."""
        self._unfetchable.add(id(op))

    def is_fetchable(self, tensor_or_op: Any) -> bool:
        return id(getattr(tensor_or_op, "op", tensor_or_op)) not in self._unfetchable

    def add_function(self, function: Any) -> None:
        """Registers a function that operations of this graph call."""
        self._functions[function.name] = function

    def switch_to_thread_local(self) -> None:
        """Accepted for 1.x programs: the scopes of a graph are thread-local already."""

    def as_graph_def(self, from_version: int | None = None, add_shapes: bool = False) -> Any:
        """The graph as a GraphDef message, with the functions that its operations call.

        Args:
          from_version: only operations that were added after this version of the graph.
          add_shapes: True notes the static shapes of outputs in the attr `_output_shapes`.
        """
        return node_defs.graph_def(self, from_version, add_shapes)


def _shape_text(shape: TensorShape) -> str:
    if shape.rank is None:
        return "<unknown>"
    return "[" + ",".join("?" if d is None else str(d) for d in shape.as_list()) + "]"


def _fill_type_attrs(card: Card, inputs: Sequence[SymbolicTensor], attrs: dict[str, Any]) -> None:
    """Type attrs that the inputs determine, for operations added by type."""
    position = 0
    for argument in card.inputs:
        if argument.is_list:
            raise ValueError(f"create_op({card.name}): use tf.raw_ops for operations with list inputs")
        if argument.type_attr:
            attrs.setdefault(argument.type_attr, inputs[position].dtype.base_dtype)
        position += 1


@export(v1=["reset_default_graph"])
def reset_default_graph() -> None:
    """Replaces the default graph by an empty one.

    Raises:
      AssertionError: a graph was entered with `as_default()` and is not left yet.
    """
    if LOCAL.graph is not None:
        raise AssertionError("Do not use tf.reset_default_graph() to clear nested graphs. If you need a cleared "
                             "graph, exit the nesting and create a new graph.")
    context.reset_global_default_graph()


@export(v1=["get_default_graph"])
def get_default_graph() -> Graph:
    """The graph that operations go into in this thread when eager execution is off."""
    return context.default_graph()


context.install_graph_factory(Graph)
