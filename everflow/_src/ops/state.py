"""Operations on variables: resource variables of 2.x and reference variables of 1.x."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.errors import OutOfRangeError
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.registry import CARDS, SHAPE, Attr, Card, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.runtime.failures import invalid
from everflow._src.runtime.resources import VariableResource

_INDEX = (dtypes.int32, dtypes.int64)


def _find_variable(frame: Any, container: str, name: str, dtype: Any, shape: Any) -> VariableResource:
    return frame.store.get("variable", container, name, lambda: VariableResource(None, dtype, shape, name, container))


# ---- resource variables

VarHandleOp = op(
    "VarHandleOp", "-> resource: resource", container="", shared_name="", debug_name="", dtype=dtypes.ALL,
    allowed_devices=Attr("list(string)", ()), more_attrs={"shape": SHAPE},
    kernel=lambda xp, *, container, shared_name, dtype, shape, op, frame: _find_variable(
        frame, container, shared_name or op.name, dtype, shape),
    shape=shapes.scalar, stateful=True, reads_only=True, no_gradient=True, doc="The handle of a variable.",
)


def _read_shape(op: Any) -> TensorShape:
    return getattr(op._inputs[0], "_handle_shape", shapes.UNKNOWN_SHAPE)


ReadVariableOp = op(
    "ReadVariableOp", "resource: resource -> value: dtype", dtype=dtypes.ALL,
    kernel=lambda xp, resource, *, frame: frame.read(resource), shape=_read_shape,
    gradient=lambda dy: dy, stateful=True, reads_only=True, doc="The value of a variable.",
)


def _fits(resource: VariableResource, value: Any) -> None:
    shape = resource.value_shape
    if shape is not None and not shape.is_compatible_with(TensorShape(value.shape)):
        raise invalid(f"Shape mismatch: variable {resource.name!r} has shape {shape}, the value assigned "
                      f"{tuple(value.shape)}")


def _own(xp: Any, value: Any) -> Any:
    # A variable never shares memory with an array that somebody else may change.
    return np.array(value) if xp is np else value


def _assign(xp: Any, resource: VariableResource, value: Any, *, frame: Any, validate_shape: bool) -> None:
    if validate_shape:
        _fits(resource, value)
    frame.assign(resource, _own(xp, value))


AssignVariableOp = op(
    "AssignVariableOp", "resource: resource, value: dtype ->", dtype=dtypes.ALL, validate_shape=False,
    kernel=_assign, shape=shapes.no_outputs, stateful=True, no_gradient=True, doc="Gives a variable a value.",
)


def _same_shape(frame: Any, resource: VariableResource, value: Any, what: str) -> Any:
    current = frame.read(resource)
    if current.shape != value.shape:
        raise invalid(f"Cannot update variable with shape {list(current.shape)} using a Tensor with shape "
                      f"{list(value.shape)}, shapes must be equal.")
    return current


AssignAddVariableOp = op(
    "AssignAddVariableOp", "resource: resource, value: dtype ->", dtype=dtypes.NUMERIC,
    kernel=lambda xp, resource, value, *, frame: frame.assign(
        resource, xp.add(_same_shape(frame, resource, value, "add"), value)),
    shape=shapes.no_outputs, stateful=True, no_gradient=True, doc="Adds to a variable.",
)

AssignSubVariableOp = op(
    "AssignSubVariableOp", "resource: resource, value: dtype ->", dtype=dtypes.NUMERIC,
    kernel=lambda xp, resource, value, *, frame: frame.assign(
        resource, xp.subtract(_same_shape(frame, resource, value, "subtract"), value)),
    shape=shapes.no_outputs, stateful=True, no_gradient=True, doc="Subtracts from a variable.",
)

VarIsInitializedOp = op(
    "VarIsInitializedOp", "resource: resource -> is_initialized: bool",
    kernel=lambda xp, resource: np.bool_(resource.is_initialized),
    shape=shapes.scalar, stateful=True, reads_only=True, host=True, no_gradient=True,
    doc="Whether a variable has a value.",
)

VariableShape = op(
    "VariableShape", "input: resource -> output: out_type", out_type=Attr("type", dtypes.int32, allowed=_INDEX),
    kernel=lambda xp, resource, *, out_type, frame: np.array(np.shape(frame.read(resource)), out_type.numpy_dtype),
    shape=shapes.unknown_vector, stateful=True, reads_only=True, no_gradient=True, doc="The shape of a variable.",
)


def _destroy(xp: Any, resource: Any, *, ignore_lookup_error: bool, frame: Any) -> None:
    frame.store.remove("variable", resource.container, resource.name)
    resource.value = None


DestroyResourceOp = op(
    "DestroyResourceOp", "resource: resource ->", ignore_lookup_error=True, kernel=_destroy,
    shape=shapes.no_outputs, stateful=True, host=True, no_gradient=True, doc="Deletes a resource.",
)


def _check_indices(xp: Any, indices: Any, count: int) -> None:
    if xp is np and indices.size and (indices.min() < 0 or indices.max() >= count):
        bad = indices.reshape(-1)[(indices.reshape(-1) < 0) | (indices.reshape(-1) >= count)][0]
        raise invalid(f"indices = {bad} is not in [0, {count})")


def _resource_gather(xp: Any, resource: VariableResource, indices: Any, *, batch_dims: int, frame: Any) -> Any:
    value = frame.read(resource)
    if batch_dims:
        return CARDS["GatherV2"].bind({"batch_dims": batch_dims})(xp, value, indices, np.int32(batch_dims))
    _check_indices(xp, indices, value.shape[0])
    return xp.take(value, indices, axis=0)


def _gather_shape(op: Any) -> TensorShape:
    shape = getattr(op._inputs[0], "_handle_shape", shapes.UNKNOWN_SHAPE)
    batch_dims = op._attrs["batch_dims"]
    if shape.rank is None or op._inputs[1]._shape.rank is None:
        return shapes.UNKNOWN_SHAPE
    return op._inputs[1]._shape.concatenate(shape[1 + batch_dims:])


def _resource_gather_gradient(dy: Any, *, resource: Any, indices: Any) -> tuple[Any, None]:
    shape = CARDS["VariableShape"](resource)
    tail = shape[1:]
    count = CARDS["ExpandDims"](CARDS["Size"](indices), 0)
    values = CARDS["Reshape"](dy, CARDS["ConcatV2"]([count, tail], 0))
    static = getattr(resource, "_handle_shape", shapes.UNKNOWN_SHAPE)
    if static.rank is not None:
        values.set_shape(TensorShape([indices.shape.num_elements()]).concatenate(static[1:]))
    flat = CARDS["Reshape"](indices, np.array([-1], np.int32))
    return IndexedSlices(values, flat, shape), None


ResourceGather = op(
    "ResourceGather", "resource: resource, indices: Tindices -> output: dtype", dtype=dtypes.ALL, Tindices=_INDEX,
    batch_dims=0, validate_indices=True, kernel=_resource_gather, shape=_gather_shape,
    gradient=_resource_gather_gradient, stateful=True, reads_only=True, doc="Rows of a variable.",
)


# ---- scatter updates, for both kinds of variables


def _numpy_scatter(name: str) -> Callable[[Any, Any, Any], None]:
    def update(array: np.ndarray, indices: Any, updates: Any) -> None:
        updates = np.broadcast_to(updates, indices.shape + array.shape[1:])
        if name == "update":
            array[indices] = updates
        else:
            getattr(np, _UFUNCS[name]).at(array, indices, updates)

    return update


_UFUNCS = {"add": "add", "sub": "subtract", "mul": "multiply", "div": "divide", "min": "minimum", "max": "maximum"}
_JAX_AT = {"add": "add", "mul": "multiply", "div": "divide", "min": "min", "max": "max", "update": "set"}


def scattered(xp: Any, name: str, value: Any, indices: Any, updates: Any) -> Any:
    """`value` with rows at `indices` updated: "add", "sub", "mul", "div", "min", "max" or "update"."""
    _check_indices(xp, indices, value.shape[0])
    if xp is np:
        result = np.array(value)
        if name == "div" and result.dtype.kind in "iu":
            np.floor_divide.at(result, indices, np.broadcast_to(updates, indices.shape + result.shape[1:]))
        else:
            _numpy_scatter(name)(result, indices, updates)
        return result
    updates = xp.broadcast_to(updates, indices.shape + value.shape[1:])
    if name == "sub":
        return value.at[indices].add(-updates)
    return getattr(value.at[indices], _JAX_AT[name])(updates)


def _resource_scatter(name: str) -> Card:
    title = name.capitalize()
    return op(
        f"ResourceScatter{title}", "resource: resource, indices: Tindices, updates: dtype ->",
        dtype=dtypes.ALL if name == "update" else dtypes.NUMERIC, Tindices=_INDEX,
        kernel=lambda xp, resource, indices, updates, *, frame: frame.assign(
            resource, scattered(xp, name, frame.read(resource), indices, updates)),
        shape=shapes.no_outputs, stateful=True, no_gradient=True, doc=f"Rows of a variable: {name}.",
    )


RESOURCE_SCATTER = {name: _resource_scatter(name) for name in ("add", "sub", "mul", "div", "min", "max", "update")}


def _resource_scatter_nd(name: str, title: str) -> Card:
    return op(
        f"ResourceScatterNd{title}", "ref: resource, indices: Tindices, updates: T ->",
        T=dtypes.ALL if name == "update" else dtypes.NUMERIC, Tindices=_INDEX, use_locking=True,
        kernel=lambda xp, ref, indices, updates, *, frame: frame.assign(
            ref, scattered_nd(xp, name, frame.read(ref), indices, updates)),
        shape=shapes.no_outputs, stateful=True, no_gradient=True, doc=f"Elements of a variable: {name}.",
    )


def scattered_nd(xp: Any, name: str, value: Any, indices: Any, updates: Any) -> Any:
    """`value` with the slices that the rows of `indices` name updated."""
    if xp is np:
        limits = np.array(value.shape[:indices.shape[-1]])
        if indices.size and ((indices < 0) | (indices >= limits)).any():
            raise invalid(f"indices {indices.tolist()} do not index into shape {list(value.shape)}")
    where = tuple(xp.moveaxis(indices, -1, 0))
    if xp is np:
        result = np.array(value)
        if name == "update":
            result[where] = updates
        else:
            getattr(np, _UFUNCS[name]).at(result, where, updates)
        return result
    if name == "sub":
        return value.at[where].add(-updates)
    return getattr(value.at[where], _JAX_AT[name])(updates)


RESOURCE_SCATTER_ND = {
    name: _resource_scatter_nd(name, title)
    for name, title in (("update", "Update"), ("add", "Add"), ("sub", "Sub"), ("min", "Min"), ("max", "Max"))
}


def _strided_assign(xp: Any, resource: VariableResource, begin: Any, end: Any, strides: Any, value: Any, *,
                    begin_mask: int, end_mask: int, ellipsis_mask: int, new_axis_mask: int, shrink_axis_mask: int,
                    frame: Any) -> None:
    current = frame.read(resource)
    index = strided_index(current.ndim, begin, end, strides, begin_mask, end_mask, ellipsis_mask, new_axis_mask,
                          shrink_axis_mask)
    if xp is np:
        result = np.array(current)
        try:
            result[index] = value
        except (ValueError, IndexError) as error:
            raise invalid(f"Cannot assign a value of shape {list(value.shape)} to the slice: {error}") from None
    else:
        result = current.at[index].set(value)
    frame.assign(resource, result)


def strided_index(rank: int, begin: Any, end: Any, strides: Any, begin_mask: int, end_mask: int, ellipsis_mask: int,
                  new_axis_mask: int, shrink_axis_mask: int) -> tuple[Any, ...]:
    """The NumPy index that a strided slice stands for."""
    index: list[Any] = []
    for i in range(len(begin)):
        bit = 1 << i
        if ellipsis_mask & bit:
            index.append(Ellipsis)
        elif new_axis_mask & bit:
            index.append(None)
        elif shrink_axis_mask & bit:
            index.append(int(begin[i]))
        else:
            index.append(slice(None if begin_mask & bit else int(begin[i]), None if end_mask & bit else int(end[i]),
                               int(strides[i])))
    return tuple(index)


ResourceStridedSliceAssign = op(
    "ResourceStridedSliceAssign",
    "ref: resource, begin: Index, end: Index, strides: Index, value: T ->", T=dtypes.ALL, Index=_INDEX,
    begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0,
    static=("begin", "end", "strides"), kernel=_strided_assign, shape=shapes.no_outputs, stateful=True,
    no_gradient=True, doc="Assigns to a slice of a variable.",
)


# ---- reference variables of 1.x

VariableV2 = op(
    "VariableV2", "-> ref: dtype&", dtype=dtypes.ALL, container="", shared_name="", more_attrs={"shape": SHAPE},
    kernel=lambda xp, *, container, shared_name, dtype, shape, op, frame: _find_variable(
        frame, container, shared_name or op.name, dtype, None),
    shape=shapes.from_attr("shape"), stateful=True, reads_only=True, no_gradient=True,
    doc="A variable as 1.x has it: its output is the variable itself.",
)


def _ref_assign(xp: Any, ref: VariableResource, value: Any, *, validate_shape: bool, op: Any, frame: Any
                ) -> VariableResource:
    if validate_shape and frame.tracing is False and ref.value is not None and np.shape(ref.value) != value.shape:
        raise invalid(f"Assign requires shapes of both tensors to match. lhs shape= {list(np.shape(ref.value))} rhs "
                      f"shape= {list(value.shape)}")
    frame.assign(ref, _own(xp, value))
    return ref


def _assign_shape(op: Any) -> TensorShape:
    if op._attrs.get("validate_shape", True):
        return op._inputs[0]._shape.merge_with(op._inputs[1]._shape)
    return op._inputs[1]._shape


Assign = op(
    "Assign", "ref: T&, value: T -> output_ref: T&", T=dtypes.ALL, validate_shape=True, use_locking=True,
    kernel=_ref_assign, shape=_assign_shape, stateful=True, no_gradient=True, doc="Gives a 1.x variable a value.",
)


def _ref_strided_assign(xp: Any, ref: VariableResource, begin: Any, end: Any, strides: Any, value: Any, *,
                        begin_mask: int, end_mask: int, ellipsis_mask: int, new_axis_mask: int, shrink_axis_mask: int,
                        frame: Any) -> VariableResource:
    _strided_assign(xp, ref, begin, end, strides, value, begin_mask=begin_mask, end_mask=end_mask,
                    ellipsis_mask=ellipsis_mask, new_axis_mask=new_axis_mask, shrink_axis_mask=shrink_axis_mask,
                    frame=frame)
    return ref


StridedSliceAssign = op(
    "StridedSliceAssign",
    "ref: T&, begin: Index, end: Index, strides: Index, value: T -> output_ref: T&", T=dtypes.ALL, Index=_INDEX,
    begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0,
    static=("begin", "end", "strides"), kernel=_ref_strided_assign, shape=shapes.unchanged, stateful=True,
    no_gradient=True, doc="Assigns to a slice of a 1.x variable.",
)


def _ref_update(name: str, function: Callable[[Any, Any, Any], Any]) -> Card:
    def kernel(xp: Any, ref: VariableResource, value: Any, *, frame: Any) -> VariableResource:
        frame.assign(ref, function(xp, _same_shape(frame, ref, value, name), value))
        return ref

    return op(
        name, "ref: T&, value: T -> output_ref: T&", T=dtypes.NUMERIC, use_locking=False, kernel=kernel,
        shape=shapes.merged, stateful=True, no_gradient=True, doc="Updates a 1.x variable.",
    )


AssignAdd = _ref_update("AssignAdd", lambda xp, current, value: xp.add(current, value))
AssignSub = _ref_update("AssignSub", lambda xp, current, value: xp.subtract(current, value))

IsVariableInitialized = op(
    "IsVariableInitialized", "ref: dtype& -> is_initialized: bool", dtype=dtypes.ALL,
    kernel=lambda xp, ref: np.bool_(ref.is_initialized),
    shape=shapes.scalar, stateful=True, reads_only=True, host=True, no_gradient=True,
    doc="Whether a 1.x variable has a value.",
)


def _ref_scatter(name: str) -> Card:
    def kernel(xp: Any, ref: VariableResource, indices: Any, updates: Any, *, frame: Any) -> VariableResource:
        frame.assign(ref, scattered(xp, name, frame.read(ref), indices, updates))
        return ref

    return op(
        f"Scatter{name.capitalize()}", "ref: T&, indices: Tindices, updates: T -> output_ref: T&",
        T=dtypes.ALL if name == "update" else dtypes.NUMERIC, Tindices=_INDEX, use_locking=name == "update",
        kernel=kernel, shape=shapes.unchanged, stateful=True, no_gradient=True,
        doc=f"Rows of a 1.x variable: {name}.",
    )


REF_SCATTER = {name: _ref_scatter(name) for name in ("add", "sub", "mul", "div", "min", "max", "update")}


def _ref_scatter_nd(name: str, title: str) -> Card:
    def kernel(xp: Any, ref: VariableResource, indices: Any, updates: Any, *, frame: Any) -> VariableResource:
        frame.assign(ref, scattered_nd(xp, name, frame.read(ref), indices, updates))
        return ref

    return op(
        f"ScatterNd{title}", "ref: T&, indices: Tindices, updates: T -> output_ref: T&",
        T=dtypes.ALL if name == "update" else dtypes.NUMERIC, Tindices=_INDEX, use_locking=name == "update",
        kernel=kernel, shape=shapes.unchanged, stateful=True, no_gradient=True,
        doc=f"Elements of a 1.x variable: {name}.",
    )


REF_SCATTER_ND = {name: _ref_scatter_nd(name, title) for name, title in
                  (("update", "Update"), ("add", "Add"), ("sub", "Sub"))}


def _count_up_to(xp: Any, resource: VariableResource, *, limit: int, frame: Any) -> Any:
    value = frame.read(resource)
    if value >= limit:
        raise OutOfRangeError(None, None, f"Reached limit of {limit}")
    frame.assign(resource, (value + 1).astype(value.dtype))
    return value


ResourceCountUpTo = op(
    "ResourceCountUpTo", "resource: resource -> output: T", T=_INDEX, limit=Attr("int"), kernel=_count_up_to,
    shape=shapes.scalar, stateful=True, host=True, no_gradient=True, doc="Counts a variable up to a limit.",
)

CountUpTo = op(
    "CountUpTo", "ref: T& -> output: T", T=_INDEX, limit=Attr("int"), kernel=_count_up_to,
    shape=shapes.scalar, stateful=True, host=True, no_gradient=True, doc="Counts a 1.x variable up to a limit.",
)
