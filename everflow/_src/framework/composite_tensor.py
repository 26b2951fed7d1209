"""Composite tensors: values that are made of several tensors and pass where one tensor passes."""


class CompositeTensor:
    """Base class of values such as `tf.RaggedTensor`, which consist of tensors.

    Subclasses define `_type_spec`, a `tf.TypeSpec` that takes the value apart and puts it together.
    Everything that opens composite tensors (`tf.nest` with `expand_composites`, functions, control flow,
    datasets) goes through it.
    """

    @property
    def _type_spec(self):
        raise NotImplementedError(f"{type(self).__name__} defines no _type_spec.")

    def _shape_invariant_to_type_spec(self, shape):
        """Returns the spec of this value in a loop in which its shape is only known to be `shape`."""
        raise NotImplementedError(f"{type(self).__name__} cannot be given a shape invariant.")

    def __tf_tracing_type__(self, context):
        return self._type_spec


def is_composite(value):
    """Returns True if `value` can be taken apart by its `_type_spec`."""
    return hasattr(type(value), "_type_spec")
