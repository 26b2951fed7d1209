"""TypeSpec: the type of a value that consists of tensors, as far as it is known before there is a value."""

import collections.abc

import numpy as np

from everflow._src.framework import nest
from everflow._src.framework.dtypes import DType, as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.framework.trace_type import TraceType

# Says in `_common` that there is no common supertype (None is a value like any other there).
_NOTHING = object()

_REQUIRED = ("value_type", "_serialize", "_component_specs", "_to_components", "_from_components")


@export("TypeSpec", v1=["TypeSpec", "data.experimental.Structure"])
class TypeSpec(TraceType):
    """Describes a kind of value that consists of tensors; `tf.TensorSpec` is the one for a single tensor.

    A subclass says what tells two specs apart (`_serialize`), into which parts a value falls
    (`_component_specs`, `_to_components`, `_from_components`) and of which class it is (`value_type`). All
    comparisons follow from these: `_serialize` returns a tuple of shapes, types, other specs, lists, tuples
      and dicts of these, and plain values. If
    the constructor does not accept the items of that tuple, the subclass defines `_deserialize` too.

    Raises:
      TypeError: If a class that lacks one of the above is instantiated.
    """

    # No slots for the subclasses' sake: most keep attributes of their own.

    def __new__(cls, *args, **kwargs):
        missing = [name for name in _REQUIRED if getattr(cls, name) is getattr(TypeSpec, name)]
        if missing:
            raise TypeError(f"{cls.__name__} is abstract: it does not define {', '.join(missing)}.")
        return object.__new__(cls)

    # What subclasses define.

    @property
    def value_type(self):
        """The class of the values that this spec describes."""
        raise NotImplementedError(f"{type(self).__name__} defines no value_type.")

    @property
    def _component_specs(self):
        raise NotImplementedError(f"{type(self).__name__} defines no _component_specs.")

    def _to_components(self, value):
        raise NotImplementedError(f"{type(self).__name__} defines no _to_components().")

    def _from_components(self, components):
        raise NotImplementedError(f"{type(self).__name__} defines no _from_components().")

    def _serialize(self):
        raise NotImplementedError(f"{type(self).__name__} defines no _serialize().")

    @classmethod
    def _deserialize(cls, serialization):
        return cls(*serialization)

    # Comparisons.

    def is_compatible_with(self, spec_or_value):
        """Returns True if some value fits both this spec and `spec_or_value`, a spec or a value."""
        other = spec_or_value
        if not isinstance(other, TypeSpec):
            other = spec_of_tensors(other)
        return type(self) is type(other) and _compatible(self._serialize(), other._serialize())

    def is_subtype_of(self, other):
        """Returns True if every value that this spec describes is also described by `other`."""
        return type(self) is type(other) and _is_subtype(self._serialize(), other._serialize())

    def most_specific_common_supertype(self, others):
        """Returns the narrowest spec that covers this one and all of `others`, or None if there is none."""
        if any(type(self) is not type(other) for other in others):
            return None
        common = _common(self._serialize(), [other._serialize() for other in others])
        return None if common is _NOTHING else self._deserialize(common)

    def most_specific_compatible_type(self, other):
        """Returns the narrowest spec that covers this one and `other`.

        Raises:
          ValueError: If there is none.
        """
        common = self.most_specific_common_supertype([other])
        if common is None:
            raise ValueError(f"There is no TypeSpec that covers both {self!r} and {other!r}.")
        return common

    def _key(self):
        return type(self), _hashable(self._serialize())

    def __eq__(self, other):
        return self is other or (type(self) is type(other) and self._key() == other._key())

    def __hash__(self):
        return hash(self._key())

    def __reduce__(self):
        return _restore, (type(self), self._serialize())

    def __repr__(self):
        return f"{type(self).__name__}{self._serialize()!r}"

    # Use in functions.

    def placeholder_value(self, placeholder_context):
        """Returns a value of this kind made of placeholders, each made by the spec of one component."""
        return self._from_components(
            nest.map_structure(lambda spec: spec.placeholder_value(placeholder_context),
            self._component_specs)
        )

    def to_tensors(self, value):
        """Breaks `value` into the list of its tensors."""
        return nest.flatten(self._to_components(value), expand_composites=True)

    def from_tensors(self, tensors):
        """Rebuilds a value from an iterator over the tensors that `to_tensors` returned."""
        tensors = iter(tensors)
        return self._from_components(
            nest.map_structure(lambda spec: spec.from_tensors(tensors), self._component_specs)
        )

    def flatten(self):
        """Returns the specs of the tensors that `to_tensors` returns, in the same order."""
        return nest.flatten(self._component_specs, expand_composites=True)

    def cast(self, value, cast_context):
        """Returns `value` with each of its components cast to its spec.

        Raises:
          TypeError: If `value` is not of this kind.
        """
        if isinstance(value, TypeSpec) or not isinstance(value, self.value_type):
            raise TypeError(f"A value of type {self!r} was expected. Received: {value!r}")
        specs = nest.flatten(self._component_specs)
        components = self._to_components(value)
        parts = nest.flatten_up_to(self._component_specs, components, check_types=False)
        cast = [spec.cast(part, cast_context) for spec, part in zip(specs, parts)]
        if all(new is old for new, old in zip(cast, parts)):
            return value
        return self._from_components(nest.pack_sequence_as(self._component_specs, cast))

    # Use in datasets and control flow: a value as a flat list of tensors.

    @property
    def _flat_tensor_specs(self):
        return nest.flatten(self._component_specs, expand_composites=True)

    def _to_tensor_list(self, value):
        return nest.flatten(self._to_components(value), expand_composites=True)

    def _from_tensor_list(self, tensor_list):
        specs = self._flat_tensor_specs
        if len(specs) != len(tensor_list):
            raise ValueError(f"{self!r} has {len(specs)} tensors. Received {len(tensor_list)}: {tensor_list}")
        for spec, tensor in zip(specs, tensor_list):
            if not spec.is_compatible_with(tensor):
                raise ValueError(f"{tensor!r} does not fit {spec!r}, a component of {self!r}.")
        return self._from_compatible_tensor_list(tensor_list)

    def _from_compatible_tensor_list(self, tensor_list):
        components = nest.pack_sequence_as(self._component_specs, tensor_list, expand_composites=True)
        return self._from_components(components)

    def _to_legacy_output_types(self):
        return self

    def _to_legacy_output_shapes(self):
        return self

    def _to_legacy_output_classes(self):
        return self


class BatchableTypeSpec(TypeSpec):
    """A TypeSpec whose values can be stacked: `_batch(n)` describes n of them, `_unbatch()` undoes it."""

    def _batch(self, batch_size):
        raise NotImplementedError(f"{type(self).__name__} defines no _batch().")

    def _unbatch(self):
        raise NotImplementedError(f"{type(self).__name__} defines no _unbatch().")

    def _to_batched_tensor_list(self, value):
        return self._to_tensor_list(value)


def _restore(cls, serialization):
    return cls._deserialize(serialization)


def _hashable(value):
    """Turns a part of a serialization into something that can be compared and hashed."""
    if isinstance(value, (list, tuple)):
        return type(value), tuple([_hashable(item) for item in value])
    if isinstance(value, collections.abc.Mapping):
        return dict, frozenset((key, _hashable(item)) for key, item in value.items())
    if isinstance(value, np.ndarray):
        return np.ndarray, value.shape, value.dtype, tuple(value.ravel().tolist())
    return value


def _children(value):
    """Returns (names, items) of a list, tuple or dict inside a serialization; None for anything else."""
    if isinstance(value, (list, tuple)):
        return range(len(value)), value
    if isinstance(value, collections.abc.Mapping):
        names = sorted(value, key=repr)
        return names, [value[name] for name in names]
    return None


def _matches(a, b):
    """Returns True if two containers are of one type and have the same names for their items."""
    return type(a) is type(b) and list(_children(a)[0]) == list(_children(b)[0])


def _compatible(a, b):
    if isinstance(a, (TypeSpec, TensorShape, DType)):
        return isinstance(b, (TypeSpec, TensorShape, DType)) and a.is_compatible_with(b)
    children = _children(a)
    if children is None:
        return _hashable(a) == _hashable(b)
    return _matches(a, b) and all(map(_compatible, children[1], _children(b)[1]))


def _is_subtype(a, b):
    if isinstance(a, TraceType):
        return a.is_subtype_of(b)
    children = _children(a)
    if children is None:
        return _hashable(a) == _hashable(b)
    return _matches(a, b) and all(map(_is_subtype, children[1], _children(b)[1]))


def _common(a, others):
    if isinstance(a, TraceType):
        common = a.most_specific_common_supertype(others)
        return _NOTHING if common is None else common
    children = _children(a)
    if children is None:
        return a if all(_hashable(a) == _hashable(b) for b in others) else _NOTHING
    if not all(_matches(a, b) for b in others):
        return _NOTHING
    items = []
    columns = [_children(b)[1] for b in others]
    for position, item in enumerate(children[1]):
        common = _common(item, [column[position] for column in columns])
        if common is _NOTHING:
            return _NOTHING
        items.append(common)
    if isinstance(a, collections.abc.Mapping):
        by_name = dict(zip(children[0], items))
        return {name: by_name[name] for name in a}
    return type(a)(*items) if hasattr(a, "_fields") else type(a)(items)


# From values to specs.


class _Hooks:
    """What later floors put in: the spec of one tensor, and the conversion of Python values to tensors."""

    __slots__ = ("make_tensor_spec", "to_tensor")

    def __init__(self):
        self.make_tensor_spec = None
        self.to_tensor = None


HOOKS = _Hooks()

_CONVERTERS: list = []


def install_tensor_converter(to_tensor):
    """Sets the function from (value, dtype or None) to a tensor, for values that are no tensors yet."""
    HOOKS.to_tensor = to_tensor


def register_type_spec_from_value_converter(type_object, converter_fn, allow_subclass=False):
    """Makes `tf.type_spec_from_value` know values of a class.

    Args:
      type_object: The class, or a tuple of classes.
      converter_fn: A function from a value to its TypeSpec.
      allow_subclass: Whether instances of subclasses are meant as well.
    """
    _CONVERTERS.append((type_object, converter_fn, allow_subclass))


def is_tensor_like(value):
    """Returns True if `value` is one tensor.

    It is if it has a shape and a DType, and is neither a composite tensor nor a variable.
    """
    cls = type(value)
    return (
        isinstance(getattr(value, "dtype", None), DType)
        and hasattr(cls, "shape")
        and not isinstance(value, TypeSpec)
        and not hasattr(cls, "_type_spec")
        and not hasattr(cls, "trainable")
    )


def spec_of_tensors(value):
    """Returns the spec of a tensor, a composite tensor or a registered kind of value; None for all others."""
    if is_tensor_like(value):
        return HOOKS.make_tensor_spec(value.shape, value.dtype)
    if isinstance(value, type):
        return None
    spec = getattr(value, "_type_spec", None)
    if spec is not None:
        return spec
    # The latest registration counts first, so that a program can refine what is built in.
    for type_object, converter, allow_subclass in reversed(_CONVERTERS):
        exact = type(value) in type_object if isinstance(type_object, tuple) else type(value) is type_object
        if exact or (allow_subclass and isinstance(value, type_object)):
            return converter(value)
    return None


def _dtype_of_array(array, from_python):
    dtype = as_dtype(array.dtype)
    if from_python:
        if array.dtype == np.float64:
            return as_dtype("float32")
        if array.dtype == np.int64 and (not array.size or -(2**31) <= array.min() <= array.max() < 2**31):
            return as_dtype("int32")
    return dtype


def _spec_of_python_value(value):
    """Returns the spec of the tensor that a Python or NumPy value converts to.

    Raises:
      TypeError, ValueError: If it converts to none.
    """
    if not isinstance(value, (np.ndarray, np.generic)):
        if not isinstance(value, (bool, int, float, complex, str, bytes, list, tuple, TensorShape)):
            raise TypeError
        if HOOKS.to_tensor is not None:
            tensor = HOOKS.to_tensor(value, None)
            return HOOKS.make_tensor_spec(tensor.shape, tensor.dtype)
        kinds = {str if isinstance(leaf, (str, bytes)) else float for leaf in nest.flatten(value)}
        if len(kinds) > 1:
            raise TypeError
    array = np.asarray(value)
    from_python = not isinstance(value, (np.ndarray, np.generic))
    if array.dtype == object and from_python:
        raise TypeError
    return HOOKS.make_tensor_spec(TensorShape(array.shape), _dtype_of_array(array, from_python))


@export("type_spec_from_value")
def type_spec_from_value(value):
    """Returns the TypeSpec that describes `value` as closely as possible.

    >>> import everflow as tf
    >>> tf.type_spec_from_value([[1.0, 2.0]])
    TensorSpec(shape=(1, 2), dtype=tf.float32, name=None)

    Args:
      value: A tensor, a composite tensor, a variable, a dataset, or anything that converts to a tensor.

    Raises:
      TypeError: If no TypeSpec describes it.
    """
    spec = spec_of_tensors(value)
    if spec is not None:
        return spec
    try:
        return _spec_of_python_value(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(
            f"No TypeSpec describes {value!r}: {type(value).__name__} is neither a tensor, nor made of "
            "tensors, nor can it be converted to one."
        ) from None
