"""Which trace serves a call: the structure of the arguments, dtypes and shapes of tensors, values of the rest."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np

from everflow._src.framework import nest
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.tensor import DeviceTensor, EagerTensor, SymbolicTensor, Tensor
from everflow._src.framework.tensor_spec import TensorSpec
from everflow._src.framework.type_spec import TypeSpec
from everflow._src.variables.variable import Variable

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


class ByIdentity:
    """Part of a key: an object that is not a value, known by its identity as long as it lives."""

    __slots__ = ("_id", "_reference", "_strong")

    def __init__(self, value: Any) -> None:
        self._id = id(value)
        self._strong = None
        try:
            self._reference: Any = weakref.ref(value)
        except TypeError:
            self._reference = None
            self._strong = value  # what cannot be referenced weakly is kept, so that its address stays its own

    def __hash__(self) -> int:
        return self._id

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ByIdentity) or self._id != other._id:
            return False
        return self._reference is None or self._reference() is not None and self._reference() is other._reference()

    def __repr__(self) -> str:
        return f"<object {self._reference() if self._reference else self._strong!r}>"


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
        return ("variable", ByIdentity(value))
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
    if isinstance(value, IndexedSlices):
        return ("slices", tuple([part_of_key(p, tensors) for p in value._parts]))
    if isinstance(value, Tensor):
        tensors.append(value)
        return (value.dtype.numpy_dtype, tuple(value.shape.as_list()))
    if hasattr(cls, "__attrs_attrs__"):
        return (cls, tuple([part_of_key(getattr(value, a.name), tensors) for a in cls.__attrs_attrs__]))
    if dataclasses.is_dataclass(value) and nest.is_nested(value):
        return (cls, tuple([part_of_key(v, tensors) for v in nest.flatten(value)]))
    if hasattr(value, "_type_spec"):
        spec = value._type_spec
        tensors.extend(nest.flatten(value, expand_composites=True))
        return ("composite", spec)
    if isinstance(value, TensorSpec):
        # A spec stands for the tensors that fit it, so that both find the same trace.
        tensors.append(value)
        dtype = value.dtype.base_dtype
        return (dtype.numpy_dtype if dtype.name != "resource" else "resource", value.shape._dims)
    if isinstance(value, TypeSpec):
        return ("spec", value)
    if hasattr(value, "__array__") and not isinstance(value, type):
        array = value.__array__()
        tensors.append(array)
        return (array.dtype, array.shape)
    try:
        hash(value)
    except TypeError:
        return ("object", ByIdentity(value))
    if isinstance(value, type) or callable(value) or type(value).__eq__ is object.__eq__:
        return ("object", ByIdentity(value))
    return (cls, value)
