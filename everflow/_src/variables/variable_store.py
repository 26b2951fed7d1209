"""Where `get_variable` keeps the variables of a graph by name, and how it makes the ones that are missing."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any

from everflow._src.framework import dtypes
from everflow._src.framework.context import current_graph, executing_eagerly_outside_functions, init_scope
from everflow._src.framework.conversion import convert
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.graph_collections import GraphKeys
from everflow._src.framework.operation import location_text, user_frames
from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.variables.initializers import GlorotUniform, Zeros
from everflow._src.variables.partitioned import PartitionedVariable, PartitionInfo
from everflow._src.variables.variable import Variable, VariableV1

_STORE = "variable_store"
_SCOPES = "variable_scopes"


class Reuse:
    """The type of `tf.AUTO_REUSE`."""

    def __repr__(self) -> str:
        return "<_ReuseMode.AUTO_REUSE>"

    def __reduce__(self) -> str:
        return "AUTO_REUSE"


AUTO_REUSE = Reuse()


class ScopeState(threading.local):
    """Of one graph in one thread: the open variable scope, and how often each scope was opened."""

    def __init__(self) -> None:
        self.current: Any = None
        self.counts: dict[str, int] = {}

    def opened(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1

    def close_inner(self, name: str) -> None:
        """Forgets the scopes below `name`: the next time it is opened they count from zero."""
        for key in self.counts:
            if key.startswith(name + "/"):
                self.counts[key] = 0

    def unique(self, prefix: str) -> str:
        """`prefix`, with `_1`, `_2`, ... appended when a scope of that name was opened below the current one."""
        outer = self.current.name if self.current is not None else ""
        full = f"{outer}/{prefix}" if outer else prefix
        if not self.counts.get(full):
            return prefix
        number = 1
        while self.counts.get(f"{full}_{number}"):
            number += 1
        return f"{prefix}_{number}"


_EAGER_STORES: dict[str, Any] = {}


def _stores() -> dict[str, Any]:
    """Where variables and scopes are kept: functions being traced share those of what surrounds them."""
    graph = current_graph()
    while graph is not None and graph.building_function:
        graph = graph.outer_graph
    return _EAGER_STORES if graph is None else graph.stores


def scope_state() -> ScopeState:
    """The open scopes of the default graph in this thread."""
    stores = _stores()
    found = stores.get(_SCOPES)
    if found is None:
        found = stores.setdefault(_SCOPES, ScopeState())
    return found


def variable_store() -> VariableStore:
    """The store that `get_variable` looks into here."""
    stores = _stores()
    if stores is _EAGER_STORES and _override.store is not None:
        return _override.store
    found = stores.get(_STORE)
    if found is None:
        found = stores.setdefault(_STORE, VariableStore())
    return found


class _Override(threading.local):
    """The store that an EagerVariableStore put in place in this thread."""

    store: Any = None


_override = _Override()


def replace_store(store: Any) -> Any:
    """Makes `store` the one that is used in eager mode in this thread; returns the one before."""
    previous, _override.store = _override.store, store
    return previous


class VariableStore:
    """Variables by their full names.

    In eager mode nothing is kept unless `keeps_eager` is set: each call of `get_variable` then makes a
    variable of its own, as in TensorFlow.
    """

    def __init__(self, keeps_eager: bool = False) -> None:
        self.variables: dict[str, Any] = {}
        self.partitioned: dict[str, PartitionedVariable] = {}
        self.made_at: dict[str, str] = {}
        self.keeps_eager = keeps_eager

    def get_variable(
        self,
        name: str,
        shape: Any = None,
        dtype: Any = dtypes.float32,
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
        synchronization: Any = None,
        aggregation: Any = None,
    ) -> Any:
        """The variable `name`, made when it does not exist; see `tf.compat.v1.get_variable`."""
        if custom_getter is not None and not callable(custom_getter):
            raise ValueError(f"Passed a custom_getter which is not callable: {custom_getter!r}")
        if executing_eagerly_outside_functions():
            # Without a store that keeps them there are no variables to share: each call makes a new one.
            reuse = AUTO_REUSE if self.keeps_eager else False
        if dtype is not None and as_dtype(dtype)._is_ref_dtype:
            dtype = as_dtype(dtype).base_dtype
        arguments: dict[str, Any] = {
            "shape": shape, "dtype": dtype, "initializer": initializer, "regularizer": regularizer, "reuse": reuse,
            "trainable": trainable, "collections": collections, "caching_device": caching_device,
            "partitioner": partitioner, "validate_shape": validate_shape, "use_resource": use_resource,
            "constraint": constraint,
        }
        if synchronization is not None:
            arguments["synchronization"] = synchronization
        if aggregation is not None:
            arguments["aggregation"] = aggregation
        if custom_getter is None:
            return self._get(name, **arguments)
        return custom_getter(getter=self._get, name=name, **_accepted(custom_getter, arguments))

    def _get(
        self, name: str, shape: Any = None, dtype: Any = dtypes.float32, initializer: Any = None,
        regularizer: Any = None, reuse: Any = None, trainable: bool | None = None, collections: Any = None,
        caching_device: Any = None, partitioner: Any = None, validate_shape: bool = True,
        use_resource: bool | None = None, constraint: Any = None, **distribution: Any,
    ) -> Any:
        given = {
            "reuse": reuse, "trainable": trainable, "collections": collections, "caching_device": caching_device,
            "validate_shape": validate_shape, "use_resource": use_resource, "constraint": constraint, **distribution,
        }
        scalar = shape is not None and isinstance(shape, (list, tuple)) and not shape
        if partitioner is not None and not scalar:
            return self._get_partitioned(name, partitioner, shape, dtype, initializer, regularizer, given)
        if name in self.partitioned:
            # It was made with a partitioner, and is asked for without.
            if reuse is True:
                return self._checked(name, self.partitioned[name], TensorShape(shape), as_dtype(dtype))
            raise ValueError(
                f"No partitioner was provided, but a partitioned version of the variable was found: {name}/part_0. "
                "Perhaps a variable of the same name was already created with partitioning?"
            )
        return self._get_single(name, shape, dtype, initializer, regularizer, given)

    # ---- one variable

    def _get_single(self, name: str, shape: Any, dtype: Any, initializer: Any, regularizer: Any,
                    given: dict[str, Any], partition_info: PartitionInfo | None = None) -> Any:
        reuse = given["reuse"]
        from_value = initializer is not None and not callable(initializer)
        if from_value and shape is not None:
            raise ValueError(
                f"If initializer is a constant, do not specify shape: get_variable({name!r}) received shape={shape}"
            )
        dtype = as_dtype(dtype)
        shape = TensorShape(shape) if not isinstance(shape, (int,)) else TensorShape([shape])
        found = self.variables.get(name)
        if found is not None:
            if reuse is False:
                raise ValueError(
                    f"Variable {name} already exists, disallowed. Did you mean to set reuse=True or "
                    f"reuse=tf.AUTO_REUSE in VarScope? Originally defined at: {self.made_at.get(name, 'unknown')}"
                )
            return self._checked(name, found, shape, dtype)
        if reuse is True:
            raise ValueError(
                f"Variable {name} does not exist, or was not created with tf.get_variable(). Did you mean to set "
                "reuse=tf.AUTO_REUSE in VarScope?"
            )
        if initializer is None:
            initializer = default_initializer(name, shape, dtype)
            if shape.rank is None:
                raise ValueError(
                    f"Variable {name} did not get an initializer, so its `shape` argument must be specified."
                )
        with init_scope():
            value, value_dtype = _initial_value(name, initializer, from_value, shape, dtype, partition_info)
        variable = VariableV1(
            initial_value=value, name=name, trainable=given["trainable"], collections=given["collections"],
            caching_device=given["caching_device"], dtype=value_dtype, validate_shape=given["validate_shape"],
            constraint=given["constraint"], use_resource=given["use_resource"],
            **{k: given[k] for k in ("synchronization", "aggregation") if k in given},
        )
        if not executing_eagerly_outside_functions() or self.keeps_eager:
            self.variables[name] = variable
            self.made_at[name] = location_text(user_frames())
        if regularizer is not None:
            _regularize(name, variable, regularizer)
        return variable

    def _checked(self, name: str, found: Any, shape: TensorShape, dtype: Any) -> Any:
        if not shape.is_compatible_with(found.shape):
            raise ValueError(f"Trying to share variable {name}, but specified shape {shape} and found shape "
                             f"{found.shape}. It was made at {self.made_at.get(name, 'unknown')}")
        if not dtype.base_dtype.is_compatible_with(found.dtype.base_dtype):
            raise ValueError(f"Trying to share variable {name}, but specified dtype {dtype.name} and found dtype "
                             f"{found.dtype.base_dtype.name}. It was made at {self.made_at.get(name, 'unknown')}")
        return found

    # ---- a variable in parts

    def _get_partitioned(self, name: str, partitioner: Any, shape: Any, dtype: Any, initializer: Any,
                         regularizer: Any, given: dict[str, Any]) -> Any:
        from_value = initializer is not None and not callable(initializer)
        if from_value:
            initializer = initializer if isinstance(initializer, Tensor) else convert(initializer)
            if shape is None:
                shape = initializer.shape
        shape = TensorShape(shape)
        if not shape.is_fully_defined():
            raise ValueError(f"Shape of a new partitioned variable ({name}) must be fully defined, but instead was "
                             f"{shape}.")
        if shape.rank < 1:
            raise ValueError(f"A partitioned Variable must have rank at least 1. Shape: {shape}")
        reuse = given["reuse"]
        dtype = as_dtype(dtype)
        partitions = _partitions(partitioner, shape, dtype)
        found = self.partitioned.get(name)
        if found is not None:
            if reuse is False:
                raise ValueError(f"Partitioned variable with name {name} already exists. Did you mean to set "
                                 "reuse=True or reuse=tf.AUTO_REUSE in VarScope?")
            self._checked(name, found, shape, dtype)
            if found._get_partitions() != partitions:
                raise ValueError(f"Trying to reuse partitioned variable {name} with partitions {partitions}; it was "
                                 f"made with partitions {found._get_partitions()}")
            return found
        if reuse is True:
            raise ValueError(f"PartitionedVariable {name} does not exist, or was not created with "
                             "tf.get_variable(). Did you mean to set reuse=False or reuse=tf.AUTO_REUSE in VarScope?")
        if name in self.variables:
            raise ValueError(f"A partitioner was provided, but an unpartitioned version of the variable was found: "
                             f"{name}. Perhaps a variable of the same name was already created without partitioning?")
        axis = max(range(len(partitions)), key=lambda i: partitions[i])
        parts = []
        offset = 0
        dims = shape.as_list()
        for index in range(partitions[axis]):
            size = dims[axis] // partitions[axis] + (1 if index < dims[axis] % partitions[axis] else 0)
            part_shape = [*dims[:axis], size, *dims[axis + 1:]]
            offsets = [0] * len(dims)
            offsets[axis] = offset
            part_initializer, part_dims = initializer, part_shape
            if from_value:
                part_initializer = initializer[tuple(
                    slice(offset, offset + size) if i == axis else slice(None) for i in range(len(dims)))]
                part_dims = None
            part = self._get_single(
                f"{name}/part_{index}", part_dims, dtype, part_initializer, regularizer, given,
                PartitionInfo(full_shape=dims, var_offset=offsets),
            )
            part._set_save_slice_info(Variable.SaveSliceInfo(name, dims, offsets, part_shape))
            parts.append(part)
            offset += size
        whole = PartitionedVariable(name, shape, dtype, parts, partitions)
        if not executing_eagerly_outside_functions() or self.keeps_eager:
            self.partitioned[name] = whole
        return whole


def _partitions(partitioner: Callable[..., Any], shape: TensorShape, dtype: Any) -> list[int]:
    partitions = partitioner(shape=shape, dtype=dtype) if callable(partitioner) else partitioner
    if not isinstance(partitions, (list, tuple)):
        raise ValueError(f"Partitioner must return a sequence, but saw: {partitions!r}")
    partitions = [int(p) for p in partitions]
    if len(partitions) != shape.rank:
        raise ValueError(f"Partitioner returned a partition list that does not match the Variable's rank: "
                         f"{partitions} vs. {shape}")
    if any(p < 1 for p in partitions):
        raise ValueError(f"Partitioner returned zero partitions for some axes: {partitions}")
    if sum(p > 1 for p in partitions) > 1:
        raise ValueError(f"Can only slice a variable along one dimension: shape: {shape}, partitioning: "
                         f"{partitions}")
    return partitions


def default_initializer(name: str, shape: Any, dtype: Any) -> Any:
    """The initializer of a variable for which nobody names one.

    Raises:
      ValueError: there is none for its dtype.
    """
    if dtype.is_floating:
        return GlorotUniform()
    if dtype.is_integer or dtype.is_unsigned or dtype.is_bool or dtype == dtypes.string:
        return Zeros()
    raise ValueError(f"An initializer for variable {name} of {dtype.base_dtype} is required")


def _initial_value(name: str, initializer: Any, from_value: bool, shape: TensorShape, dtype: Any,
                   partition_info: PartitionInfo | None) -> tuple[Any, Any]:
    if from_value:
        return initializer, None
    if isinstance(initializer, type):
        initializer = initializer()
    if shape.is_fully_defined():
        keywords = {"dtype": dtype.base_dtype}
        if partition_info is not None and "partition_info" in _parameters(initializer):
            keywords["partition_info"] = partition_info
        elif "partition_info" in _required(initializer):
            keywords["partition_info"] = None
        return functools.partial(initializer, shape.as_list(), **keywords), dtype.base_dtype
    if not _required(initializer):
        return initializer, None
    raise ValueError(
        f"The initializer of variable {name} is not valid here. Expected: a callable without arguments (when no "
        f"shape is given), or one of shape and dtype together with a fully defined `shape`. Received: {initializer!r} "
        f"and shape {shape}"
    )


def _parameters(function: Any) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return {}


def _required(function: Any) -> list[str]:
    return [
        name for name, p in _parameters(function).items()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]


def _accepted(getter: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments that a custom getter takes; those that came with later releases may be missing from it."""
    parameters = _parameters(getter)
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()) or not parameters:
        return arguments
    late = ("constraint", "synchronization", "aggregation", "use_resource")
    return {k: v for k, v in arguments.items() if k not in late or k in parameters}


def _regularize(name: str, variable: Any, regularizer: Callable[..., Any]) -> None:
    graph = current_graph()
    if graph is None:
        return
    with graph.colocate_with(variable.op), graph.name_scope(f"{name}/Regularizer/"):
        loss = regularizer(variable)
    if loss is not None:
        graph.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, loss)
