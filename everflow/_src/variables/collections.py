"""The variables of a graph by collection, and the operations that initialize or change them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.context import current_graph, default_graph
from everflow._src.framework.conversion import constant_array, convert
from everflow._src.framework.export import export
from everflow._src.framework.graph_collections import GraphKeys
from everflow._src.framework.registry import CARDS
from everflow._src.ops import state
from everflow._src.ops.array_where import boolean_mask
from everflow._src.ops.grouping import group

# ---- lists


@export(v1=["global_variables"])
def global_variables(scope: str | None = None) -> list[Any]:
    """The variables of the default graph that are shared by all machines; all by default.

    Args:
      scope: a regular expression that names match from the start on.

    >>> import everflow.compat.v1 as tf
    >>> with tf.Graph().as_default():
    ...     v = tf.get_variable("v", [2], initializer=tf.zeros_initializer())
    ...     [v.name for v in tf.global_variables()]
    ['v:0']
    """
    return default_graph().get_collection(GraphKeys.GLOBAL_VARIABLES, scope)


@export(v1=["all_variables"])
def all_variables() -> list[Any]:
    """The former name of `tf.compat.v1.global_variables()`."""
    return global_variables()


@export(v1=["local_variables"])
def local_variables(scope: str | None = None) -> list[Any]:
    """The variables in the collection of local ones: counters and metrics, which checkpoints leave out."""
    return default_graph().get_collection(GraphKeys.LOCAL_VARIABLES, scope)


@export(v1=["model_variables"])
def model_variables(scope: str | None = None) -> list[Any]:
    """The variables that layers added to the collection of model variables."""
    return default_graph().get_collection(GraphKeys.MODEL_VARIABLES, scope)


@export(v1=["trainable_variables"])
def trainable_variables(scope: str | None = None) -> list[Any]:
    """The variables made with `trainable=True`, which optimizers train by default."""
    return default_graph().get_collection(GraphKeys.TRAINABLE_VARIABLES, scope)


@export(v1=["moving_average_variables"])
def moving_average_variables(scope: str | None = None) -> list[Any]:
    """The variables of which moving averages are kept."""
    return default_graph().get_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, scope)


# ---- initialization


@export(v1=["variables_initializer", "initializers.variables"])
def variables_initializer(var_list: Sequence[Any], name: str = "init") -> Any:
    """An operation that initializes the variables of a list; None in eager mode, where they are.

    Args:
      var_list: variables.
      name: name of the operation.
    """
    if current_graph() is None or not var_list:
        return group(name=name)
    return group(*[variable.initializer for variable in var_list], name=name)


@export(v1=["initialize_variables"])
def initialize_variables(var_list: Sequence[Any], name: str = "init") -> Any:
    """The former name of `tf.compat.v1.variables_initializer`."""
    return variables_initializer(var_list, name)


@export(v1=["global_variables_initializer", "initializers.global_variables"])
def global_variables_initializer() -> Any:
    """An operation that initializes all global variables of the default graph."""
    if current_graph() is None:
        return group(name="global_variables_initializer")
    return variables_initializer(global_variables())


@export(v1=["initialize_all_variables"])
def initialize_all_variables() -> Any:
    """The former name of `tf.compat.v1.global_variables_initializer`."""
    return variables_initializer(all_variables(), "init")


@export(v1=["local_variables_initializer", "initializers.local_variables"])
def local_variables_initializer() -> Any:
    """An operation that initializes all local variables of the default graph."""
    if current_graph() is None:
        return group(name="local_variables_initializer")
    return variables_initializer(local_variables())


@export(v1=["initialize_local_variables"])
def initialize_local_variables() -> Any:
    """The former name of `tf.compat.v1.local_variables_initializer`."""
    return local_variables_initializer()


@export(v1=["is_variable_initialized"])
def is_variable_initialized(variable: Any) -> Any:
    """Whether a variable has a value, as a tensor."""
    return state_is_initialized(variable)


def state_is_initialized(variable: Any, name: str | None = None) -> Any:
    """A boolean tensor that is true when the variable (or reference tensor) has a value."""
    if hasattr(variable, "is_initialized"):
        return variable.is_initialized(name) if name else variable.is_initialized()
    return state.IsVariableInitialized(variable, name=name)


def _reported(var_list: Sequence[Any] | None) -> list[Any]:
    if var_list is None:
        var_list = global_variables() + local_variables()
        if not var_list:
            # Programs of the first releases kept variables nowhere else.
            graph = default_graph()
            var_list = [op.outputs[0] for op in graph.get_operations()
                        if op.type in ("Variable", "VariableV2", "AutoReloadVariable")]
    return list(var_list)


@export(v1=["report_uninitialized_variables"])
def report_uninitialized_variables(
    var_list: Sequence[Any] | None = None, name: str = "report_uninitialized_variables"
) -> Any:
    """A vector of the names of variables that have no value yet.

    Args:
      var_list: variables; the global and local ones of the default graph when None.
      name: name scope of the operations.
    """
    variables = _reported(var_list)
    graph = current_graph()
    if graph is None:
        return constant_array(np.array([], object), dtypes.string)
    with graph.name_scope(name):
        initialized = [state_is_initialized(v) for v in variables]
        with graph.device("/cpu:0"):
            if not variables:
                return constant_array(np.array([], object), dtypes.string)
            missing = CARDS["LogicalNot"](CARDS["Pack"](initialized, name="stack"))
            names = np.array([v.op.name.encode() for v in variables], object)
            return boolean_mask(constant_array(names, dtypes.string), missing)


@export(v1=["assert_variables_initialized"])
def assert_variables_initialized(var_list: Sequence[Any] | None = None) -> Any:
    """An operation that fails with FailedPreconditionError when a variable has no value yet.

    Args:
      var_list: variables; the global and local ones of the default graph when None.

    Returns:
      The operation, or None when there are no variables.
    """
    variables = _reported(var_list)
    if not variables:
        return None
    ranks = []
    for variable in variables:
        with default_graph().colocate_with(variable.op):
            ranks.append(CARDS["Rank"](variable))
    return ranks[0] if len(ranks) == 1 else CARDS["Pack"](ranks, name="stack")


# ---- changing variables, as functions


def _is_reference(ref: Any) -> bool:
    return ref.dtype._is_ref_dtype


@export(v1=["assign"])
def assign(
    ref: Any, value: Any, validate_shape: bool | None = None, use_locking: bool | None = None,
    name: str | None = None,
) -> Any:
    """Replaces the value of a variable.

    Args:
      ref: a variable.
      value: the new value.
      validate_shape: False lets a reference variable change its shape.
      use_locking: accepted; updates are atomic.
      name: name of the operation.

    Returns:
      Something that gives the new value when it is read.
    """
    if _is_reference(ref):
        return state.Assign(ref, value, name=name, use_locking=use_locking, validate_shape=validate_shape)
    return ref.assign(value, name=name)


@export(v1=["assign_add"])
def assign_add(ref: Any, value: Any, use_locking: bool | None = None, name: str | None = None) -> Any:
    """Adds to the value of a variable; see `tf.compat.v1.assign`."""
    if _is_reference(ref):
        return state.AssignAdd(ref, value, use_locking=use_locking, name=name)
    return ref.assign_add(value)  # without the name, as TensorFlow has it


@export(v1=["assign_sub"])
def assign_sub(ref: Any, value: Any, use_locking: bool | None = None, name: str | None = None) -> Any:
    """Subtracts from the value of a variable; see `tf.compat.v1.assign`."""
    if _is_reference(ref):
        return state.AssignSub(ref, value, use_locking=use_locking, name=name)
    return ref.assign_sub(value)


@export(v1=["count_up_to"])
def count_up_to(ref: Any, limit: int, name: str | None = None) -> Any:
    """The value of an integer variable, which then grows by one.

    Raises:
      tf.errors.OutOfRangeError: (when it runs) the limit is reached.
    """
    if _is_reference(ref):
        return state.CountUpTo(ref, limit=limit, name=name)
    return state.ResourceCountUpTo(ref.handle, limit=limit, T=ref.dtype, name=name)


def _scatter(kind: str, ref: Any, indices: Any, updates: Any, name: str | None) -> Any:
    if _is_reference(ref):
        return state.REF_SCATTER[kind](ref, indices, updates, name=name)
    operation = state.RESOURCE_SCATTER[kind](ref.handle, indices, convert(updates, ref.dtype), name=name)
    return ref._updated(operation, True)


@export(v1=["scatter_update"])
def scatter_update(ref: Any, indices: Any, updates: Any, use_locking: bool = True, name: str | None = None) -> Any:
    """Replaces the rows `indices` of a variable by `updates`.

    Args:
      ref: a variable.
      indices: integers of any shape.
      updates: of shape `indices.shape + ref.shape[1:]`, or a scalar.
      use_locking: accepted; updates are atomic.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError: (when it runs) an index is out of range.
    """
    return _scatter("update", ref, indices, updates, name)


@export(v1=["scatter_add"])
def scatter_add(ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None) -> Any:
    """Adds `updates` to the rows `indices` of a variable; rows named twice add up."""
    return _scatter("add", ref, indices, updates, name)


@export(v1=["scatter_sub"])
def scatter_sub(ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None) -> Any:
    """Subtracts `updates` from the rows `indices` of a variable."""
    return _scatter("sub", ref, indices, updates, name)


@export(v1=["scatter_mul"])
def scatter_mul(ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None) -> Any:
    """Multiplies the rows `indices` of a variable by `updates`."""
    return _scatter("mul", ref, indices, updates, name)


@export(v1=["scatter_div"])
def scatter_div(ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None) -> Any:
    """Divides the rows `indices` of a variable by `updates`."""
    return _scatter("div", ref, indices, updates, name)


@export(v1=["scatter_min"])
def scatter_min(ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None) -> Any:
    """The rows `indices` of a variable become the smaller of themselves and `updates`."""
    return _scatter("min", ref, indices, updates, name)


@export(v1=["scatter_max"])
def scatter_max(ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None) -> Any:
    """The rows `indices` of a variable become the larger of themselves and `updates`."""
    return _scatter("max", ref, indices, updates, name)


@export(v1=["batch_scatter_update"])
def batch_scatter_update(
    ref: Any, indices: Any, updates: Any, use_locking: bool = True, name: str | None = None
) -> Any:
    """Replaces elements of every batch entry: `ref[..., indices[..., i]] = updates[..., i]`.

    Args:
      ref: a variable.
      indices: integers of shape [batch..., n], known statically.
      updates: of shape [batch..., n, ...].
      use_locking: accepted; updates are atomic.
      name: name of the operation.
    """
    indices = convert(indices)
    grid = np.indices(indices.shape.as_list(), sparse=False)[:-1].astype(indices.dtype.numpy_dtype)
    where = CARDS["Pack"]([*grid, indices], axis=len(grid) + 1)
    return _scatter_nd("update", ref, where, updates, name)


def _scatter_nd(kind: str, ref: Any, indices: Any, updates: Any, name: str | None) -> Any:
    if _is_reference(ref):
        return state.REF_SCATTER_ND[kind](ref, indices, updates, name=name)
    operation = state.RESOURCE_SCATTER_ND[kind](ref.handle, indices, convert(updates, ref.dtype), name=name)
    return ref._updated(operation, True)


@export(v1=["scatter_nd_update"])
def scatter_nd_update(ref: Any, indices: Any, updates: Any, use_locking: bool = True, name: str | None = None) -> Any:
    """Replaces the slices of a variable that the rows of `indices` name by `updates`."""
    return _scatter_nd("update", ref, indices, updates, name)


@export(v1=["scatter_nd_add"])
def scatter_nd_add(ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None) -> Any:
    """Adds `updates` to the slices of a variable that the rows of `indices` name."""
    return _scatter_nd("add", ref, indices, updates, name)


@export(v1=["scatter_nd_sub"])
def scatter_nd_sub(ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None) -> Any:
    """Subtracts `updates` from the slices of a variable that the rows of `indices` name."""
    return _scatter_nd("sub", ref, indices, updates, name)
