"""TraceType: what `tf.function` compares to decide whether a trace may be reused.

The class is plain rather than an ABC: `isinstance` against a class with ABCMeta costs a Python call, and
dtypes, shapes and specs (all trace types) are tested for on the eager path.
"""

from everflow._src.framework.export import export


@export("types.experimental.TraceType", v1=[])
class TraceType:
    """Describes a kind of argument of a `tf.function`.

    Two calls share a trace when the type of each argument equals, or is a subtype of, the type that the trace
    was made for. Subclasses define `is_subtype_of`, `most_specific_common_supertype`, `placeholder_value`,
    `__hash__` and `__eq__`.

    Source: `tf.types.experimental.TraceType` of TensorFlow 2.15.
    """

    __slots__ = ()

    def is_subtype_of(self, other):
        """Returns True if every value of this type is also a value of `other`.

        Raises:
          NotImplementedError: If the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no is_subtype_of().")

    def most_specific_common_supertype(self, others):
        """Returns the narrowest type that covers this one and all of `others`, or None if there is none.

        Raises:
          NotImplementedError: If the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no most_specific_common_supertype().")

    def placeholder_value(self, placeholder_context):
        """Returns the value that stands for an argument of this type while a function is traced.

        Raises:
          NotImplementedError: If the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no placeholder_value().")

    def to_tensors(self, value):
        """Breaks `value`, which is of this type, into the list of tensors that it holds (none by default)."""
        return []

    def from_tensors(self, tensors):
        """Rebuilds a value from an iterator over the tensors that `to_tensors` returned.

        Raises:
          NotImplementedError: If the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no from_tensors().")

    def flatten(self):
        """Returns the specs of the tensors that `to_tensors` returns, in the same order (none by default)."""
        return []

    def cast(self, value, cast_context):
        """Returns `value` as a value of this type; here only an equal value passes.

        Raises:
          TypeError: If `value` is not of this type.
        """
        if self == value:
            return value
        raise TypeError(f"A value of type {self!r} was expected. Received: {value!r}")
