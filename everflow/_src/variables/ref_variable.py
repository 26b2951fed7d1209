"""Reference variables: those of 1.x graphs, whose output is the variable itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from everflow._src.framework.context import current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.registry import CARDS
from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops import state
from everflow._src.ops.array_slicing import index_vectors
from everflow._src.ops.control_flow import cond
from everflow._src.variables.creation import VariableAggregation, VariableSynchronization, install_kind, own_place
from everflow._src.variables.trackable import Trackable
from everflow._src.variables.variable import Variable, initial_dtype, make_initial_value


class RefVariable(Variable, Trackable):
    """A variable of a 1.x graph.  Reading it gives the snapshot `name/read:0`."""

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
        if collections is None:
            collections = ["variables"]
        if not isinstance(collections, (list, tuple, set)):
            raise ValueError(f"collections argument to Variable constructor must be a list, tuple, or set. Got "
                             f"{collections} of type {type(collections)}")
        if constraint is not None and not callable(constraint):
            raise ValueError("The `constraint` argument must be a callable.")
        self._trainable = True if trainable is None else bool(trainable)
        self._constraint = constraint
        self._synchronization = synchronization
        self._aggregation = aggregation
        if self._trainable and "trainable_variables" not in collections:
            collections = [*collections, "trainable_variables"]
        graph = current_graph()
        from_function = callable(initial_value) and not isinstance(initial_value, (Tensor, Variable))
        with graph.control_dependencies(None), graph.name_scope(name or "Variable") as scope:
            self._name = scope[:-1]
            place = own_place(graph, self._name) if from_function else contextlib.nullcontext()
            inside = graph.name_scope("Initializer") if from_function else contextlib.nullcontext()
            with inside, place:
                value = make_initial_value(initial_value, initial_dtype(dtype))
            self._initial_value = value
            self._dtype = value.dtype.base_dtype
            declared = TensorShape(shape) if shape is not None else value.shape if validate_shape else TensorShape(None)
            if validate_shape and not declared.is_fully_defined():
                raise ValueError(f"initial_value must have a shape specified: {value}")
            place = own_place(graph, self._name) if from_function else contextlib.nullcontext()
            with place:
                self._variable = state.VariableV2(shape=declared, dtype=self._dtype, name=scope)
            self._shape = declared
            if not validate_shape:
                self._variable.set_shape(declared)
            self._initializer_op = state.Assign(
                self._variable, value, validate_shape=validate_shape, name="Assign"
            ).op
            with graph.colocate_with(self._variable.op):
                self._snapshot = CARDS["Identity"](self._variable, name="read")
        graph.add_to_collections(collections, self)

    # ---- what it is

    @property
    def name(self) -> str:
        """The name of the tensor that is the variable."""
        return self._variable.name

    @property
    def dtype(self) -> Any:
        """The dtype, a reference one."""
        return self._variable.dtype

    @property
    def shape(self) -> TensorShape:
        """The static shape."""
        return self._variable.shape

    def get_shape(self) -> TensorShape:
        """The same as `.shape`."""
        return self._variable.shape

    @property
    def graph(self) -> Any:
        """The graph it belongs to."""
        return self._variable.graph

    @property
    def op(self) -> Any:
        """The operation that is the variable."""
        return self._variable.op

    @property
    def device(self) -> str:
        return self._variable.device

    @property
    def initializer(self) -> Any:
        """The operation that gives the variable its initial value."""
        return self._initializer_op

    @property
    def initial_value(self) -> Any:
        """The tensor of the initial value."""
        return self._initial_value

    @property
    def _recorded_handle(self) -> Any:
        return self._snapshot

    def _ref(self) -> Any:
        return self._variable

    def _ref_tensor(self) -> Any:
        return self._variable

    def _as_graph_element(self) -> Any:
        return self._variable

    def is_initialized(self) -> Any:
        """Whether the variable has a value, as a tensor."""
        return state.IsVariableInitialized(self._variable)

    # ---- its value

    def value(self) -> Any:
        """The snapshot `name/read:0`."""
        return self._snapshot

    def read_value(self) -> Any:
        """A tensor of the value, read at this place of the program."""
        return CARDS["Identity"](self._variable, name="read")

    def _dense_var_to_tensor(self, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Any:
        if as_ref:
            return self._variable
        return super()._dense_var_to_tensor(dtype, name)

    def initialized_value(self) -> Any:
        """The initial value while the variable has none yet, and its value after."""
        return cond(self.is_initialized(), self.read_value, lambda: self._initial_value)

    # ---- changing it

    @staticmethod
    def _updated(tensor: Any, read_value: bool) -> Any:
        return tensor if read_value else tensor.op

    def assign(self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True) -> Any:
        """Replaces the value; see `tf.Variable.assign`."""
        return self._updated(state.Assign(self._variable, value, use_locking=use_locking, name=name), read_value)

    def assign_add(self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
                   ) -> Any:
        """Adds to the value; see `tf.Variable.assign_add`."""
        return self._updated(state.AssignAdd(self._variable, delta, use_locking=use_locking, name=name), read_value)

    def assign_sub(self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
                   ) -> Any:
        """Subtracts from the value; see `tf.Variable.assign_sub`."""
        return self._updated(state.AssignSub(self._variable, delta, use_locking=use_locking, name=name), read_value)

    def _slice_assign(self, index: Any, value: Any, name: str | None) -> Any:
        vectors, masks = index_vectors(index)
        return state.StridedSliceAssign(self._variable, *vectors, value, name=name, **masks)

    def _scatter(self, kind: str, sparse_delta: Any, name: str | None) -> Any:
        if not isinstance(sparse_delta, IndexedSlices):
            raise TypeError(f"sparse_delta is not IndexedSlices: {sparse_delta}")
        return state.REF_SCATTER[kind](self._variable, sparse_delta.indices, convert(sparse_delta.values), name=name)

    def scatter_nd_add(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Adds to the slices that `indices` name."""
        return state.REF_SCATTER_ND["add"](self._variable, indices, updates, name=name)

    def scatter_nd_sub(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Subtracts from the slices that `indices` name."""
        return state.REF_SCATTER_ND["sub"](self._variable, indices, updates, name=name)

    def scatter_nd_update(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Replaces the slices that `indices` name."""
        return state.REF_SCATTER_ND["update"](self._variable, indices, updates, name=name)

    def count_up_to(self, limit: int) -> Any:
        """The value, which then grows by one; OutOfRangeError at the limit."""
        return state.CountUpTo(self._variable, limit=limit)

    def __repr__(self) -> str:
        return f"<tf.Variable '{self.name}' shape={self.shape} dtype={self.dtype.name}>"


def _make(**arguments: Any) -> RefVariable:
    return RefVariable(**arguments)


install_kind("ref", _make)
