"""Variables behind a handle: those of eager mode, of functions, and (by default) of graphs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from everflow._src.autodiff.tape import variable_accessed
from everflow._src.framework import context
from everflow._src.framework.context import LOCAL, STATE, current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.registry import CARDS
from everflow._src.framework.tensor import EagerTensor, Tensor, as_eager
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops import state
from everflow._src.ops.array_slicing import index_vectors
from everflow._src.ops.control_flow import cond
from everflow._src.runtime.resources import VariableResource
from everflow._src.variables.creation import VariableAggregation, VariableSynchronization, install_kind, own_place
from everflow._src.variables.trackable import Trackable
from everflow._src.variables.variable import Variable, initial_dtype, make_initial_value

_uids = itertools.count()


class ResourceVariable(Variable, Trackable):
    """A variable whose value is reached through a handle, and read when a read operation runs."""

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool | None = None,
        collections: Any = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        dtype: Any = None,
        constraint: Callable | None = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE,
        shape: Any = None,
        **_: Any,
    ) -> None:
        if constraint is not None and not callable(constraint):
            raise ValueError("The `constraint` argument must be a callable.")
        synchronization = VariableSynchronization(synchronization or 0)
        VariableAggregation(getattr(aggregation, "value", aggregation) or 0)
        if trainable is None:
            trainable = synchronization != VariableSynchronization.ON_READ
        if synchronization == VariableSynchronization.ON_READ and trainable:
            raise ValueError("Synchronization value can be set to VariableSynchronization.ON_READ only for "
                             "non-trainable variables. You have specified trainable=True and "
                             "synchronization=VariableSynchronization.ON_READ.")
        if isinstance(initial_value, Tensor) and not isinstance(initial_value, EagerTensor) and \
                getattr(initial_value.graph, "building_function", False) and current_graph() is not initial_value.graph:
            raise ValueError(
                "Tensor-typed variable initializers must either be wrapped in an init_scope or callable (e.g., "
                "`tf.Variable(lambda : tf.truncated_normal([10, 40]))`) when building functions."
            )
        self._trainable = bool(trainable)
        self._constraint = constraint
        self._synchronization = synchronization
        self._aggregation = aggregation
        self._unique = next(_uids)
        self._parent_op: Any = None
        self._graph_handle: Any = None
        with context.init_scope():
            graph = current_graph()
            self._in_graph = graph is not None
            if graph is None:
                self._make_eager(initial_value, dtype, name, shape, validate_shape)
            else:
                self._make_in_graph(graph, initial_value, dtype, name, shape, validate_shape, collections)

    # ---- making it

    def _make_eager(self, initial_value: Any, dtype: Any, name: str | None, shape: Any, validate_shape: bool) -> None:
        name = name or "Variable"
        scope = LOCAL.eager_scope
        self._name = f"{scope}/{name}" if scope else name
        value = make_initial_value(initial_value, initial_dtype(dtype))
        self._set_type(value, shape, validate_shape)
        array = value._value
        if isinstance(array, np.ndarray):
            array = np.array(array)
        resource = VariableResource(array, self._dtype, self._shape, self._name)
        self._handle = EagerTensor(resource)
        self._handle._handle_shape = self._shape  # type: ignore[attr-defined]
        self._handle._handle_dtype = self._dtype  # type: ignore[attr-defined]
        self._initializer = None
        self._initial_value = None

    def _make_in_graph(self, graph: Any, initial_value: Any, dtype: Any, name: str | None, shape: Any,
                       validate_shape: bool, collections: Any) -> None:
        with graph.name_scope(name or "Variable") as scope:
            handle_name = scope[:-1]
            self._name = handle_name
            with graph.name_scope("Initializer"), graph.control_dependencies(None), own_place(graph, handle_name):
                value = make_initial_value(initial_value, initial_dtype(dtype))
            self._set_type(value, shape, validate_shape)
            self._initial_value = value
            with graph.control_dependencies(None):
                with own_place(graph, handle_name):
                    self._handle = state.VarHandleOp(
                        dtype=self._dtype, shape=self._shape, shared_name=handle_name, name=scope
                    )
                self._handle._handle_shape = self._shape
                self._handle._handle_dtype = self._dtype
                with graph.name_scope("IsInitialized"):
                    self._is_initialized_op = state.VarIsInitializedOp(self._handle)
                with graph.colocate_with(None, ignore_existing=True):
                    self._initializer = state.AssignVariableOp(self._handle, value, name="Assign")
                with graph.name_scope("Read"):
                    self._graph_read = self._read()
        if collections is None:
            collections = ["variables"]
        if not isinstance(collections, (list, tuple, set)):
            raise ValueError(f"collections argument to Variable constructor must be a list, tuple, or set. Got "
                             f"{collections} of type {type(collections)}")
        if self._trainable and "trainable_variables" not in collections:
            collections = [*collections, "trainable_variables"]
        graph.add_to_collections(collections, self)

    def _set_type(self, value: Any, shape: Any, validate_shape: bool) -> None:
        self._dtype = value.dtype.base_dtype
        if shape is not None:
            shape = TensorShape(shape)
            if not shape.is_compatible_with(value.shape):
                raise ValueError(
                    f"In this `tf.Variable` creation, the initial value's shape ({value.shape}) is not compatible with "
                    f"the explicitly supplied `shape` argument ({shape})."
                )
            self._shape = shape
        else:
            self._shape = value.shape if validate_shape else TensorShape(None)

    # ---- what it is

    @property
    def handle(self) -> Any:
        """The handle by which operations know the variable."""
        return self._handle

    @property
    def _recorded_handle(self) -> Any:
        return self._handle

    @property
    def _unique_id(self) -> str:
        return f"{self._name}_{self._unique}"

    @property
    def graph(self) -> Any:
        """The graph it belongs to."""
        return self._handle.graph

    @property
    def op(self) -> Any:
        """The operation that makes the handle, in a graph."""
        return self._parent_op if self._parent_op is not None else self._handle.op

    @property
    def device(self) -> str:
        """The device that holds the value."""
        return self._handle.device

    @property
    def create(self) -> Any:
        return self.initializer

    @property
    def initializer(self) -> Any:
        """In a graph, the operation that gives the variable its initial value."""
        return self._initializer

    @property
    def initial_value(self) -> Any:
        """In a graph, the tensor of the initial value.

        Raises:
          RuntimeError: eager mode, where the initial value is not kept.
        """
        if not self._in_graph:
            raise RuntimeError("This property is not supported when eager execution is enabled.")
        return self._initial_value

    def is_initialized(self, name: str | None = None) -> Any:
        """Whether the variable has a value, as a tensor."""
        return state.VarIsInitializedOp(self._handle, name=name)

    def _as_graph_element(self) -> Any:
        return self._graph_read

    # ---- its value

    def _read(self, name: str | None = None) -> Any:
        result = state.ReadVariableOp(self._handle, dtype=self._dtype, name=name)
        if not isinstance(result, EagerTensor):
            result.set_shape(self._shape)
        return result

    def value(self) -> Any:
        """A tensor of the value."""
        if not STATE.busy:
            return as_eager(self._handle._value.read())
        if LOCAL.recorders:
            variable_accessed(self)
        graph = current_graph()
        if graph is None and not LOCAL.recorders:
            return as_eager(self._handle._value.read())
        if graph is not None and graph.building_function:
            graph.watched_variables.setdefault(id(self), self)
        if graph is not None and graph._scopes.colocation:
            with graph.colocate_with(None, ignore_existing=True):  # a value is read where it is wanted
                return self._read()
        return self._read()

    def read_value(self) -> Any:
        """A tensor of the value, read at this place of the program."""
        graph = current_graph() if STATE.busy else None
        if graph is None:
            return self.value()
        with graph.name_scope("Read"):
            value = self.value()
        return CARDS["Identity"](value)

    def sparse_read(self, indices: Any, name: str | None = None) -> Any:
        """Rows of the value, whose gradient is IndexedSlices."""
        if STATE.busy and LOCAL.recorders:
            variable_accessed(self)
        graph = current_graph() if STATE.busy else None
        if graph is not None and graph.building_function:
            graph.watched_variables.setdefault(id(self), self)
        return state.ResourceGather(self._handle, indices, dtype=self._dtype, name=name)

    def gather_nd(self, indices: Any, name: str | None = None) -> Any:
        """Slices of the value; see `tf.gather_nd`."""
        return CARDS["GatherNd"](self.value(), indices, name=name)

    def initialized_value(self) -> Any:
        """In a graph, the initial value while the variable has none yet, and its value after."""
        if not self._in_graph:
            return self.read_value()
        return cond(self.is_initialized(), self.read_value, lambda: self._initial_value)

    def numpy(self) -> Any:
        """The value as a NumPy array.

        Raises:
          NotImplementedError: the variable belongs to a graph.
        """
        if self._in_graph or not context.executing_eagerly():
            raise NotImplementedError("numpy() is only available when eager execution is enabled.")
        return as_eager(self._handle._value.read()).numpy()

    # ---- changing it

    def _updated(self, op: Any, read_value: bool) -> Any:
        if not read_value:
            return op
        if op is None:
            return _UnreadVariable(self, None)
        return _UnreadVariable(self, op)

    def _value_to_assign(self, value: Any) -> Any:
        value = convert(value, self._dtype)
        if not self._shape.is_compatible_with(value.shape):
            name = "" if self._name is None else f" '{self.name}'"
            raise ValueError(f"Cannot assign value to variable{name}: Shape mismatch.The variable shape {self._shape}, "
                             f"and the assigned value shape {value.shape} are incompatible.")
        return value

    def assign(self, value: Any, use_locking: bool | None = None, name: str | None = None, read_value: bool = True
               ) -> Any:
        """Replaces the value; see `tf.Variable.assign`."""
        value = self._value_to_assign(value)
        return self._updated(state.AssignVariableOp(self._handle, value, name=name), read_value)

    def assign_add(self, delta: Any, use_locking: bool | None = None, name: str | None = None,
                   read_value: bool = True) -> Any:
        """Adds to the value; see `tf.Variable.assign_add`."""
        delta = convert(delta, self._dtype)
        self._check_update(delta, "assign_add")
        return self._updated(state.AssignAddVariableOp(self._handle, delta, name=name), read_value)

    def assign_sub(self, delta: Any, use_locking: bool | None = None, name: str | None = None,
                   read_value: bool = True) -> Any:
        """Subtracts from the value; see `tf.Variable.assign_sub`."""
        delta = convert(delta, self._dtype)
        self._check_update(delta, "assign_sub")
        return self._updated(state.AssignSubVariableOp(self._handle, delta, name=name), read_value)

    def _check_update(self, delta: Any, what: str) -> None:
        if current_graph() is not None and not self._shape.is_compatible_with(delta.shape):
            raise ValueError(f"Shapes must be equal: {what} of {list(delta.shape)} to variable {self.name!r} of shape "
                             f"{self._shape}")

    def _slice_assign(self, index: Any, value: Any, name: str | None) -> Any:
        vectors, masks = index_vectors(index)
        op = state.ResourceStridedSliceAssign(
            self._handle, *vectors, convert(value, self._dtype), name=name, **masks
        )
        return self._updated(op, True)

    def _scatter(self, kind: str, sparse_delta: Any, name: str | None) -> Any:
        if not isinstance(sparse_delta, IndexedSlices):
            raise TypeError(f"Argument `sparse_delta` must be a `tf.IndexedSlices`. Received arg: {sparse_delta}")
        return self._updated(state.RESOURCE_SCATTER[kind](
            self._handle, sparse_delta.indices, convert(sparse_delta.values, self._dtype), name=name), True)

    def batch_scatter_update(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Replaces elements of each batch entry: `value[..., indices[..., i]] = updates[..., i]`."""
        indices = convert(sparse_delta.indices)
        grid = np.indices(indices.shape.as_list())[:-1]
        where = CARDS["Pack"]([*(g.astype(indices.dtype.numpy_dtype) for g in grid), indices], axis=len(grid) + 1)
        return self.scatter_nd_update(where, sparse_delta.values, name)

    def _scatter_nd(self, kind: str, indices: Any, updates: Any, name: str | None) -> Any:
        return self._updated(state.RESOURCE_SCATTER_ND[kind](
            self._handle, indices, convert(updates, self._dtype), name=name), True)

    def scatter_nd_add(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Adds to the slices that `indices` name."""
        return self._scatter_nd("add", indices, updates, name)

    def scatter_nd_sub(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Subtracts from the slices that `indices` name."""
        return self._scatter_nd("sub", indices, updates, name)

    def scatter_nd_update(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Replaces the slices that `indices` name."""
        return self._scatter_nd("update", indices, updates, name)

    def scatter_nd_max(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """The slices that `indices` name become the larger of the value and `updates`."""
        return self._scatter_nd("max", indices, updates, name)

    def scatter_nd_min(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """The slices that `indices` name become the smaller of the value and `updates`."""
        return self._scatter_nd("min", indices, updates, name)

    def count_up_to(self, limit: int) -> Any:
        """The value, which then grows by one.

        Raises:
          tf.errors.OutOfRangeError: the limit is reached.
        """
        return state.ResourceCountUpTo(self._handle, limit=limit, T=self._dtype)

    # ---- as Python sees it

    def __repr__(self) -> str:
        if self._in_graph or not context.executing_eagerly():
            return f"<tf.Variable '{self.name}' shape={self._shape} dtype={self._dtype.name}>"
        resource = self._handle._value
        if resource.value is None:
            return f"<tf.Variable '{self.name}' shape={self._shape} dtype={self._dtype.name}, numpy=<unavailable>>"
        value = as_eager(resource.read()).numpy()
        text = str(value) if isinstance(value, np.generic) else repr(value)  # without the name of the NumPy type
        newline = "\n" if "\n" in text else ""
        return f"<tf.Variable '{self.name}' shape={self._shape} dtype={self._dtype.name}, numpy={newline}{text}>"

    def _no_update_in_place(self, other: Any) -> Any:
        raise RuntimeError(
            "`variable += value` and its like would replace the variable by a tensor. Use `variable.assign_add(value)`"
            " to change the variable, or `result = variable + value` for a new tensor"
        )

    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ipow__ = _no_update_in_place

    def __deepcopy__(self, memo: dict[int, Any]) -> ResourceVariable:
        if self._in_graph:
            raise NotImplementedError("__deepcopy__() is only available when eager execution is enabled.")
        copied = ResourceVariable(
            initial_value=self.read_value(), trainable=self._trainable, constraint=self._constraint, dtype=self._dtype,
            name=self._name, synchronization=self._synchronization, aggregation=self._aggregation,
            shape=self._shape,
        )
        memo[id(self)] = copied
        return copied

    def __reduce__(self) -> Any:
        if self._in_graph:
            raise TypeError("A variable of a graph cannot be pickled; save it with tf.compat.v1.train.Saver")
        return (_rebuild, (self.numpy(), self._trainable, self._name, self._dtype.name))

    def is_read_only(self) -> bool:
        return False

    def to_proto(self, export_scope: str | None = None) -> Any:
        raise NotImplementedError("Variable.to_proto (VariableDef) is not in everflow yet")


def _rebuild(value: Any, trainable: bool, name: str, dtype: str) -> ResourceVariable:
    return ResourceVariable(initial_value=value, trainable=trainable, name=name, dtype=dtype)


class _UnreadVariable(ResourceVariable):
    """What an assignment returns: the variable, to be read after the assignment."""

    def __init__(self, parent: ResourceVariable, op: Any) -> None:
        self.__dict__.update(parent.__dict__)
        self._parent_op = op
        self._parent_variable = parent
        if op is None:
            self._shown_name = "UnreadVariable"
        elif current_graph() is not None and not current_graph().building_function:
            self._shown_name = op.name
            self._graph_read = self.value()
        else:
            self._shown_name = "UnreadVariable"

    @property
    def name(self) -> str:
        return self._shown_name

    @property
    def _recorded_handle(self) -> Any:
        return self._handle

    def _read(self, name: str | None = None) -> Any:
        graph = current_graph() if STATE.busy else None
        if graph is None or self._parent_op is None or self._parent_op.graph is not graph:
            return super()._read(name)
        with graph.control_dependencies([self._parent_op]):
            return super()._read(name)

    def value(self) -> Any:
        if LOCAL.recorders:
            variable_accessed(self._parent_variable)
        graph = current_graph() if STATE.busy else None
        if graph is None and not LOCAL.recorders:
            return as_eager(self._handle._value.read())
        return self._read()

    def _updated(self, op: Any, read_value: bool) -> Any:
        return self._parent_variable._updated(op, read_value)

    def _as_control_input(self) -> Any:
        return self._parent_op if self._parent_op is not None else self._handle

    @property
    def op(self) -> Any:
        """The assignment."""
        return self._parent_op if self._parent_op is not None else self._handle.op


def _make(**arguments: Any) -> ResourceVariable:
    return ResourceVariable(**arguments)


install_kind("resource", _make)


def is_resource_variable(variable: Any) -> bool:
    """True for variables behind a handle; False for reference variables, and for what is no variable."""
    return isinstance(variable, ResourceVariable)
