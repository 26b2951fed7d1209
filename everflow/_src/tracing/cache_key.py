"""Which trace serves a call: the structure of the arguments, dtypes and shapes of tensors, values of the rest."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np

from everflow._src.framework import nest
from everflow._src.framework.dtypes import DType
from everflow._src.framework.tensor import DeviceTensor, EagerTensor, SymbolicTensor, Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.framework.tensor_spec import IndexedSlicesSpec, TensorSpec, VariableSpec
from everflow._src.framework.type_spec import TypeSpec
from everflow._src.variables.variable import Variable

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


class Referenced:
    """Part of a key: an object that a trace does not keep alive.

    Objects that define equality are compared by it, all others by identity; what is dead equals nothing.
    """

    __slots__ = ("_hash", "reference")

    def __init__(self, value: Any) -> None:
        self._hash = hash(value)
        self.reference = weakref.ref(value)

    def value(self) -> Any:
        """The object, or None once it is gone."""
        return self.reference()

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Referenced) or self._hash != other._hash:
            return False
        mine, others = self.reference(), other.reference()
        if mine is None or others is None:
            return False
        return mine is others or type(mine) is type(others) and bool(mine == others)

    def __repr__(self) -> str:
        return f"<{type(self.reference()).__name__} object>"


class OfVariable:
    """Part of a key: a variable, known by its identity (its equality may be that of its values)."""

    __slots__ = ("_id", "reference")

    def __init__(self, value: Any) -> None:
        self._id = id(value)
        self.reference = weakref.ref(value)

    def __hash__(self) -> int:
        return self._id

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, OfVariable) or self._id != other._id:
            return False
        return self.reference() is not None and self.reference() is other.reference()

    def __repr__(self) -> str:
        return f"<variable {self.reference()!r}>"


def references_in(key: Any) -> list[Any]:
    """The weak references to objects on which a key depends."""
    if isinstance(key, tuple):
        return [r for part in key for r in references_in(part)]
    return [key.reference] if isinstance(key, Referenced) else []


def by_value(value: Any) -> bool:
    """True for objects that are their value, like frozen dataclasses: equal ones share a trace at any time."""
    if isinstance(value, (TensorShape, DType, TypeSpec, frozenset)):
        return True
    parameters = getattr(type(value), "__dataclass_params__", None)
    return parameters is not None and parameters.frozen and parameters.eq


def part_of_key(value: Any, tensors: list[Any]) -> Any:
    """The key of one argument; appends the tensors in it to `tensors`."""
    cls = type(value)
    if cls is EagerTensor or cls is DeviceTensor:
        tensors.append(value)
        array = value._value
        return (array.dtype, array.shape)
    if cls in _PLAIN:
        # 1, 1.0 and True are equal in Python, and are three traces.
        return (cls, value)
    if isinstance(value, SymbolicTensor):
        tensors.append(value)
        return (value._dtype.numpy_dtype if value._dtype.name != "resource" else "resource", value._shape._dims)
    if isinstance(value, np.ndarray):
        tensors.append(value)
        return (value.dtype if value.dtype.kind not in "USO" else "string", value.shape)
    if isinstance(value, np.generic):
        tensors.append(value)
        return (value.dtype, ())
    if isinstance(value, Variable):
        return ("variable", OfVariable(value))
    if isinstance(value, (list, tuple)):
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return (cls, tuple([part_of_key(v, tensors) for v in value]))
        kind = "list" if isinstance(value, list) else "tuple"
        return (kind, tuple([part_of_key(v, tensors) for v in value]))
    if isinstance(value, Mapping):
        try:
            keys = sorted(value)
        except TypeError:
            keys = list(value)
        return ("dict", tuple([(k, part_of_key(value[k], tensors)) for k in keys]))
    if isinstance(value, Tensor):
        tensors.append(value)
        return (value.dtype.numpy_dtype, tuple(value.shape.as_list()))
    if hasattr(cls, "__attrs_attrs__"):
        return (cls, tuple([part_of_key(getattr(value, a.name), tensors) for a in cls.__attrs_attrs__]))
    if hasattr(cls, "__tf_flatten__") and hasattr(cls, "__tf_unflatten__"):
        metadata, components = value.__tf_flatten__()
        return (cls, tuple([part_of_key(m, tensors) for m in metadata]),
                tuple([part_of_key(c, tensors) for c in components]))
    if hasattr(value, "_type_spec"):
        parts, spec = nest.flatten(value, expand_composites=True), value._type_spec
        if isinstance(spec, IndexedSlicesSpec):
            kinds = tuple([part_of_key(p, tensors) for p in parts])
        else:
            # Parts are known as far as the spec tells: sparse tensors of any number of elements share a trace.
            tensors.extend(parts)
            kinds = tuple([part_of_key(s, []) for s in nest.flatten(spec, expand_composites=True)])
        return ("composite", _without_static_shape(spec), kinds)
    if isinstance(value, TensorSpec):
        # A spec stands for the tensors that fit it, so that both find the same trace.
        tensors.append(value)
        dtype = value.dtype.base_dtype
        return (dtype.numpy_dtype if dtype.name != "resource" else "resource", value.shape._dims)
    if isinstance(value, TypeSpec):
        if hasattr(value, "_component_specs") and not isinstance(value, VariableSpec):
            parts = nest.flatten(value, expand_composites=True)
            kinds = tuple([part_of_key(p, tensors) for p in parts])
            return ("composite", _without_static_shape(value), kinds)
        return ("spec", value)
    if hasattr(value, "__tf_tracing_type__"):
        return ("type", value.__tf_tracing_type__(None))
    if hasattr(value, "__array__") and not isinstance(value, type):
        array = value.__array__()
        tensors.append(array)
        return (array.dtype, array.shape)
    try:
        hash(value)
    except TypeError:
        raise TypeError(
            f"A tf.function is traced anew for another value of an argument that is no tensor, and {value!r} (type "
            f"{cls.__name__}) cannot be told from another value: it is not hashable. Pass tensors, tuples, lists "
            "or dicts of them, or an immutable object"
        ) from None
    if by_value(value):
        return (cls, value)
    try:
        return ("object", Referenced(value))
    except TypeError:
        return (cls, value)  # cannot be referenced weakly: a number, a range


def _without_static_shape(spec: Any) -> Any:
    """What of a composite's spec is not said by its parts; slices of any number of rows share a trace."""
    if isinstance(spec, IndexedSlicesSpec):
        return (type(spec), spec._dense_shape_dtype is None)
    return spec
