"""The TypeSpecs of one tensor, of indexed slices and of a variable."""

import operator

import numpy as np

from everflow._src.framework import type_spec
from everflow._src.framework.dtypes import as_dtype, float32, int64, resource
from everflow._src.framework.export import export
from everflow._src.framework.tensor_shape import TensorShape, as_shape
from everflow._src.framework.type_spec import BatchableTypeSpec, TypeSpec, is_tensor_like


def install_value_class(spec_class, value_class):
    """Tells a class of specs the class of the values that it describes, which lives on a later floor."""
    spec_class._value_class = value_class


class DenseSpec(TypeSpec):
    """A spec that has a shape, a dtype and a name.

    Args:
      shape: A TensorShape, or what makes one.
      dtype: A DType, or what makes one.
      name: Name of the tensor, or None.

    Raises:
      TypeError: If `shape` makes no shape or `dtype` no type.
      ValueError: If an entry of `shape` is negative.
    """

    __slots__ = ("_dtype", "_name", "_shape")

    _value_class: type = object

    def __init__(self, shape, dtype=float32, name=None):
        self._shape = as_shape(shape)
        self._dtype = as_dtype(dtype)
        self._name = name

    # Getters in C: functions compare specs at every call.
    shape = property(operator.attrgetter("_shape"), doc="The static shape, a TensorShape.")
    dtype = property(operator.attrgetter("_dtype"), doc="The type of the elements, a DType.")
    name = property(operator.attrgetter("_name"), doc="The name, or None.")

    @property
    def value_type(self):
        """The class of the values that this spec describes."""
        return self._value_class

    def _serialize(self):
        return (self._shape, self._dtype, self._name)

    def __eq__(self, other):
        return self is other or (
            type(self) is type(other)
            and self._dtype == other._dtype
            and self._shape == other._shape
            and self._name == other._name
        )

    def __hash__(self):
        # The name is left out, as in TensorFlow: equal shapes and types fall into one bucket.
        return hash((self._shape._dims, self._dtype._type_enum))

    def __repr__(self):
        return f"{type(self).__name__}(shape={self._shape}, dtype={self._dtype!r}, name={self._name!r})"

    def _to_legacy_output_types(self):
        return self._dtype

    def _to_legacy_output_shapes(self):
        return self._shape

    def _to_legacy_output_classes(self):
        return self.value_type


@export("TensorSpec", v1=["TensorSpec", "contrib.framework.TensorSpec"])
class TensorSpec(DenseSpec, BatchableTypeSpec):
    """Describes a tensor: its shape and dtype, and the name of the argument that it is.

    >>> import everflow as tf
    >>> tf.TensorSpec([None, 3], tf.int32).is_compatible_with(tf.TensorSpec([2, 3], tf.int32))
    True

    Args:
      shape: A TensorShape, or what makes one.
      dtype: A DType, or what makes one.
      name: Name of the tensor, or None.

    Raises:
      TypeError: If `shape` makes no shape or `dtype` no type.
      ValueError: If an entry of `shape` is negative.
    """

    __slots__ = ()

    @classmethod
    def from_spec(cls, spec, name=None):
        """Returns a TensorSpec with the shape and dtype of another spec, and its name by default."""
        return cls(spec.shape, spec.dtype, name or getattr(spec, "name", None))

    @classmethod
    def from_tensor(cls, tensor, name=None):
        """Returns the TensorSpec of a tensor; by default a tensor in a graph gives its own name.

        Raises:
          ValueError: If `tensor` is no tensor.
        """
        if not is_tensor_like(tensor):
            raise ValueError(f"A tf.Tensor was expected. Received: {tensor!r} ({type(tensor).__name__})")
        if name is None and getattr(tensor, "graph", None) is not None:
            name = tensor.op.name
        return cls(tensor.shape, tensor.dtype, name)

    def is_compatible_with(self, spec_or_tensor):
        """Returns True if the shape and dtype of a spec or a tensor may be those of this spec."""
        other = spec_or_tensor
        return (
            (isinstance(other, DenseSpec) or is_tensor_like(other))
            and self._dtype.is_compatible_with(other.dtype)
            and self._shape.is_compatible_with(other.shape)
        )

    def is_subtype_of(self, other):
        """Returns True if every tensor that this spec describes is also described by `other`."""
        return (
            isinstance(other, TensorSpec)
            and (not self._name or self._name == other._name)
            and self._dtype == other._dtype
            and self._shape.is_subtype_of(other._shape)
        )

    def placeholder_value(self, placeholder_context):
        """Returns the placeholder that `placeholder_context.make_placeholder(spec)` makes for this spec."""
        return placeholder_context.make_placeholder(self)

    def to_tensors(self, value):
        """Returns a list of the one tensor."""
        return [value]

    def from_tensors(self, tensors):
        """Returns the next one of an iterator over tensors."""
        return next(tensors)

    def flatten(self):
        """Returns a list of this spec."""
        return [self]

    def cast(self, value, cast_context):
        """Returns `value` as a tensor of this kind, converting what is no tensor.

        Raises:
          TypeError: If its shape or dtype does not fit.
        """
        if not is_tensor_like(value) and type_spec.HOOKS.to_tensor is not None:
            value = type_spec.HOOKS.to_tensor(value, self._dtype)
        if not self.is_compatible_with(value):
            raise TypeError(f"A tensor that fits {self!r} was expected. Received: {value!r}")
        return value

    def experimental_as_proto(self):
        """Returns the spec as a TensorSpecProto."""
        from tensorboard.compat.proto import struct_pb2

        return struct_pb2.TensorSpecProto(
            name=self._name, shape=self._shape.as_proto(), dtype=self._dtype.as_datatype_enum
        )

    @classmethod
    def experimental_type_proto(cls):
        """Returns the protobuf class of `experimental_as_proto`."""
        from tensorboard.compat.proto import struct_pb2

        return struct_pb2.TensorSpecProto

    @classmethod
    def experimental_from_proto(cls, proto):
        """Returns the spec that a TensorSpecProto describes."""
        return cls(TensorShape(proto.shape), proto.dtype, proto.name or None)

    @property
    def _component_specs(self):
        return self

    def _to_components(self, value):
        return value

    def _from_components(self, components):
        return components

    def _from_compatible_tensor_list(self, tensor_list):
        return tensor_list[0]

    def _to_batched_tensor_list(self, value):
        if value.shape.rank == 0:
            raise ValueError(f"A batch of tensors needs a first dimension. Received: {value!r}")
        return [value]

    def _batch(self, batch_size):
        return TensorSpec(TensorShape([batch_size]).concatenate(self._shape), self._dtype)

    def _unbatch(self):
        if self._shape.rank == 0:
            raise ValueError(f"A scalar has no first dimension to unbatch. Received: {self!r}")
        return TensorSpec(self._shape[1:], self._dtype)


@export(v1=["contrib.framework.BoundedTensorSpec"])
class BoundedTensorSpec(TensorSpec):
    """Describes a tensor whose elements lie between bounds, such as the action of an agent.

    Args:
      shape: A TensorShape, or what makes one.
      dtype: A DType, or what makes one.
      minimum: The least values, inclusive: a number or an array that can be broadcast to `shape`.
      maximum: The greatest values, inclusive, likewise.
      name: Name of the tensor, or None.

    Raises:
      ValueError: If a bound is None, no number, or cannot be broadcast to `shape`.
    """

    __slots__ = ("_maximum", "_minimum")

    def __init__(self, shape, dtype, minimum, maximum, name=None):
        super().__init__(shape, dtype, name)
        self._minimum = self._bound("minimum", minimum)
        self._maximum = self._bound("maximum", maximum)

    def _bound(self, which, value):
        if value is None:
            raise ValueError(f"The {which} of a BoundedTensorSpec must be numbers. Received: None")
        bound = np.array(value, dtype=self._dtype.as_numpy_dtype)
        shape = self._shape._dims
        if shape is not None:
            missing = len(shape) - bound.ndim
            fits = missing >= 0 and all(
                size in (1, wanted) or wanted is None for size, wanted in zip(bound.shape, shape[missing:])
            )
            if not fits:
                raise ValueError(
                    f"The {which} cannot be broadcast to the shape {self._shape}. Received: {value!r}"
                )
        bound.flags.writeable = False
        return bound

    @classmethod
    def from_spec(cls, spec, name=None):
        """Returns a BoundedTensorSpec like `spec`; bounded by its dtype if `spec` has no bounds."""
        dtype = as_dtype(spec.dtype)
        minimum, maximum = getattr(spec, "minimum", None), getattr(spec, "maximum", None)
        return cls(
            spec.shape,
            dtype,
            dtype.min if minimum is None else minimum,
            dtype.max if maximum is None else maximum,
            name or getattr(spec, "name", None),
        )

    minimum = property(operator.attrgetter("_minimum"), doc="The least values, a NumPy array.")
    maximum = property(operator.attrgetter("_maximum"), doc="The greatest values, a NumPy array.")

    # With bounds, the general comparison of serializations is the right one.
    __eq__ = TypeSpec.__eq__
    __hash__ = DenseSpec.__hash__

    def _serialize(self):
        return (self._shape, self._dtype, self._minimum, self._maximum, self._name)

    def __repr__(self):
        return (
            f"BoundedTensorSpec(shape={self._shape}, dtype={self._dtype!r}, name={self._name!r}, "
            f"minimum={self._minimum!r}, maximum={self._maximum!r})"
        )


@export("IndexedSlicesSpec")
class IndexedSlicesSpec(TypeSpec):
    """Describes a `tf.IndexedSlices`: some of the slices of a larger tensor, and their indices.

    Args:
      shape: Shape of the larger tensor.
      dtype: Type of its elements.
      indices_dtype: Type of the indices, `tf.int32` or `tf.int64`.
      dense_shape_dtype: Type of the tensor that holds the shape of the larger tensor, or None if there is
        none.
      indices_shape: Shape of the indices, a vector; by default of unknown length.
    """

    __slots__ = ("_dense_shape_dtype", "_indices_dtype", "_indices_shape", "_shape", "_values_dtype")

    _value_class: type = object

    def __init__(
        self, shape=None, dtype=float32, indices_dtype=int64, dense_shape_dtype=None, indices_shape=None
    ):
        self._shape = as_shape(shape)
        self._values_dtype = as_dtype(dtype)
        self._indices_dtype = as_dtype(indices_dtype)
        self._dense_shape_dtype = None if dense_shape_dtype is None else as_dtype(dense_shape_dtype)
        self._indices_shape = as_shape(indices_shape).with_rank(1)

    @property
    def value_type(self):
        """The class `tf.IndexedSlices`."""
        return self._value_class

    def _serialize(self):
        return (
            self._shape,
            self._values_dtype,
            self._indices_dtype,
            self._dense_shape_dtype,
            self._indices_shape,
        )

    @property
    def _component_specs(self):
        values = TensorSpec(self._indices_shape.concatenate(self._shape[1:]), self._values_dtype)
        indices = TensorSpec(self._indices_shape, self._indices_dtype)
        if self._dense_shape_dtype is None:
            return values, indices
        return values, indices, TensorSpec([self._shape.rank], self._dense_shape_dtype)

    def _to_components(self, value):
        if value.dense_shape is None:
            return value.values, value.indices
        return value.values, value.indices, value.dense_shape

    def _from_components(self, components):
        return self.value_type(*components)


class VariableSpec(DenseSpec):
    """Describes a variable that a function takes as an argument.

    Args:
      shape: Shape of the variable.
      dtype: Type of its elements.
      trainable: Whether gradients are computed with respect to it by default.
      alias_id: A number; two arguments with the same number are the same variable.
    """

    __slots__ = ("_alias_id", "_trainable")

    def __init__(self, shape, dtype=float32, trainable=True, alias_id=None):
        super().__init__(shape, dtype)
        self._trainable = trainable
        self._alias_id = alias_id

    @classmethod
    def from_value(cls, value):
        """Returns the spec of a variable."""
        return cls(value.shape, value.dtype, value.trainable)

    trainable = property(operator.attrgetter("_trainable"), doc="Whether the variable is trainable.")
    alias_id = property(operator.attrgetter("_alias_id"), doc="Number of the variable, or None.")

    __eq__ = TypeSpec.__eq__
    __hash__ = DenseSpec.__hash__

    def _check_aliases(self, other):
        if (self._alias_id is None) != (other._alias_id is None):
            raise NotImplementedError(
                f"Variables with and without an alias_id cannot be compared. Received: {self!r} and {other!r}"
            )

    def is_subtype_of(self, other):
        """Returns True if `other` describes this variable as well: same `trainable`, same `alias_id`.

        Raises:
          NotImplementedError: If only one of the two has an `alias_id`.
        """
        if type(self) is not type(other):
            return False
        self._check_aliases(other)
        return super().is_subtype_of(other)

    def most_specific_common_supertype(self, others):
        """Returns the narrowest spec that covers this one and all of `others`, or None if there is none.

        Raises:
          NotImplementedError: If only one of two has an `alias_id`.
        """
        if any(type(self) is not type(other) for other in others):
            return None
        for other in others:
            self._check_aliases(other)
        return super().most_specific_common_supertype(others)

    def _serialize(self):
        return (self._shape, self._dtype, self._trainable, self._alias_id)

    @property
    def _component_specs(self):
        return [TensorSpec([], resource)]

    def _to_components(self, value):
        return [value.handle]

    def _from_components(self, components):
        if len(components) != 1:
            raise ValueError(f"A variable has one component, its handle. Received: {components}")
        return self.value_type(
            shape=self._shape, dtype=self._dtype, trainable=self._trainable, handle=components[0]
        )

    def __repr__(self):
        return (
            f"VariableSpec(shape={self._shape}, dtype={self._dtype!r}, trainable={self._trainable}, "
            f"alias_id={self._alias_id})"
        )


type_spec.HOOKS.make_tensor_spec = TensorSpec
