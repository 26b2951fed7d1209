"""Static shapes: what is known about the shape of a tensor before it has a value.

A `TensorShape` holds one attribute, `_dims`: a tuple of sizes with None for each unknown one, or None when
even the rank is unknown. `Dimension` objects, which 1.x programs see, are made only when somebody asks for
them.
"""

import operator

from everflow._src.framework.export import export
from everflow._src.framework.trace_type import TraceType


class _Switch:
    """Whether indexing and iterating over a shape gives sizes (2.x) or `Dimension` objects (1.x)."""

    __slots__ = ("v2",)

    def __init__(self):
        self.v2 = True


SWITCH = _Switch()


@export(v1=["enable_v2_tensorshape"])
def enable_v2_tensorshape():
    """Makes `shape[i]` and iteration over a `tf.TensorShape` give an int or None, as in 2.x."""
    SWITCH.v2 = True


@export(v1=["disable_v2_tensorshape"])
def disable_v2_tensorshape():
    """Makes `shape[i]` and iteration over a `tf.TensorShape` give `Dimension` objects, as in 1.x."""
    SWITCH.v2 = False


def _size_of(value):
    """Returns a size, an int or None, for one entry of a shape.

    Raises:
      TypeError: If `value` is no whole number, Dimension or None.
      ValueError: If it is negative.
    """
    if value is None:
        return None
    if type(value) is not int:
        if isinstance(value, Dimension):
            return value._value
        try:
            value = operator.index(value)
        except TypeError:
            raise TypeError(
                "A dimension of a shape must be an integer or None. "
                f"Received: {value!r} of type {type(value).__name__}"
            ) from None
    if value < 0:
        raise ValueError(f"Dimension {value} must be >= 0.")
    return value


@export(v1=["Dimension"])
class Dimension:
    """The size of one dimension of a shape: a number, or unknown (`Dimension(None)`).

    Arithmetic with an unknown dimension gives an unknown one, and a comparison with it gives None.
    Two-operand arithmetic accepts dimensions, whole numbers and None.

    Args:
      value: An integer that is at least 0, None, or another Dimension.

    Raises:
      TypeError: If `value` is no whole number.
      ValueError: If `value` is negative.
    """

    __slots__ = ("_value",)

    def __init__(self, value):
        self._value = _size_of(value)

    @property
    def value(self):
        """The size, or None if it is unknown."""
        return self._value

    def is_compatible_with(self, other):
        """Returns True if this and `other` may be the same size: equal, or one of them unknown."""
        other = _size_of(other)
        return self._value is None or other is None or self._value == other

    def assert_is_compatible_with(self, other):
        """Raises ValueError unless `is_compatible_with(other)`."""
        if not self.is_compatible_with(other):
            raise ValueError(f"Dimensions {self} and {other} are not compatible.")

    def merge_with(self, other):
        """Returns the dimension that combines what is known of this and of `other`.

        Raises:
          ValueError: If both are known and differ.
        """
        other = Dimension(other)
        self.assert_is_compatible_with(other)
        return Dimension(other._value if self._value is None else self._value)

    def _combine(self, other, compute):
        try:
            other = _size_of(other)
        except (TypeError, ValueError):
            return NotImplemented
        if self._value is None or other is None:
            return Dimension(None)
        return Dimension(compute(self._value, other))

    def __add__(self, other):
        return self._combine(other, operator.add)

    __radd__ = __add__

    def __sub__(self, other):
        return self._combine(other, operator.sub)

    def __rsub__(self, other):
        return self._combine(other, lambda mine, theirs: theirs - mine)

    def __mul__(self, other):
        return self._combine(other, operator.mul)

    __rmul__ = __mul__

    def __floordiv__(self, other):
        return self._combine(other, operator.floordiv)

    def __rfloordiv__(self, other):
        return self._combine(other, lambda mine, theirs: theirs // mine)

    # The division of Python 2; ported programs still call it by name.
    __div__ = __floordiv__
    __rdiv__ = __rfloordiv__

    def __truediv__(self, other):
        raise TypeError(
            "unsupported operand type(s) for /: 'Dimension' and "
            f"'{type(other).__name__}', please use // instead"
        )

    def __rtruediv__(self, other):
        raise TypeError(
            f"unsupported operand type(s) for /: '{type(other).__name__}' and "
            "'Dimension', please use // instead"
        )

    def __mod__(self, other):
        return self._combine(other, operator.mod)

    def __rmod__(self, other):
        return self._combine(other, lambda mine, theirs: theirs % mine)

    def _compare(self, other, compute):
        other = _size_of(other)
        if self._value is None or other is None:
            return None
        return compute(self._value, other)

    def __lt__(self, other):
        return self._compare(other, operator.lt)

    def __le__(self, other):
        return self._compare(other, operator.le)

    def __gt__(self, other):
        return self._compare(other, operator.gt)

    def __ge__(self, other):
        return self._compare(other, operator.ge)

    def __eq__(self, other):
        try:
            other = _size_of(other)
        except (TypeError, ValueError):
            return NotImplemented
        return None if self._value is None or other is None else self._value == other

    def __ne__(self, other):
        try:
            other = _size_of(other)
        except (TypeError, ValueError):
            return NotImplemented
        return None if self._value is None or other is None else self._value != other

    # Equality is three-valued, so a dimension cannot be a key.
    __hash__ = None  # type: ignore[assignment]

    def __int__(self):
        if self._value is None:
            raise TypeError("An unknown Dimension cannot be converted to an int.")
        return self._value

    __long__ = __int__

    def __index__(self):
        # Not defined for unknown sizes: NumPy and range() then say so themselves.
        return int(self)

    def __bool__(self):
        return bool(self._value)

    def __str__(self):
        return "?" if self._value is None else str(self._value)

    def __repr__(self):
        return f"Dimension({self._value})"

    def __reduce__(self):
        return Dimension, (self._value,)


def _sizes_of(dims):
    """Returns the `_dims` of the shape that `dims` describes (a tuple of int or None, or None)."""
    if dims is None:
        return None
    if isinstance(dims, TensorShape):
        return dims._dims
    if isinstance(dims, str):
        raise TypeError(f"A shape cannot be made from the text {dims!r}: integers or None are expected.")
    if not isinstance(dims, (tuple, list)):
        if hasattr(dims, "unknown_rank") and hasattr(dims, "dim"):  # a TensorShapeProto
            if dims.unknown_rank:
                return None
            return tuple(None if dim.size == -1 else dim.size for dim in dims.dim)
        try:
            dims = tuple(dims)
        except TypeError:
            return (_size_of(dims),)
    return tuple([_size_of(size) for size in dims])


@export("TensorShape", v1=["TensorShape"])
class TensorShape(TraceType):
    """The static shape of a tensor: fully known, partly known, or of unknown rank.

    >>> import everflow as tf
    >>> tf.TensorShape([None, 3]).merge_with([2, None])
    TensorShape([2, 3])

    Args:
      dims: A list of sizes, each an int, None (unknown) or a Dimension; None for an unknown rank; one size
        for a vector; another TensorShape; or a TensorShapeProto.

    Raises:
      TypeError: If an entry of `dims` is no whole number.
      ValueError: If an entry of `dims` is negative.
    """

    __slots__ = ("__weakref__", "_dims")

    def __init__(self, dims):
        if type(dims) is tuple:
            # The common case, sizes out of NumPy or inference, is one pass without a function call per size.
            for size in dims:
                if size is not None and (type(size) is not int or size < 0):
                    break
            else:
                self._dims = dims
                return
        self._dims = _sizes_of(dims)

    # What is known.

    @property
    def rank(self):
        """The number of dimensions, or None if it is unknown."""
        dims = self._dims
        return None if dims is None else len(dims)

    ndims = rank

    @property
    def dims(self):
        """A list of `Dimension` objects, or None if the rank is unknown."""
        dims = self._dims
        return None if dims is None else [Dimension(size) for size in dims]

    def as_list(self):
        """Returns the sizes as a list of ints, with None where unknown.

        Raises:
          ValueError: If the rank is unknown.
        """
        if self._dims is None:
            raise ValueError("as_list() is not defined on an unknown TensorShape: its rank is unknown.")
        return list(self._dims)

    def as_proto(self):
        """Returns the shape as a TensorShapeProto, in which -1 stands for an unknown size."""
        from tensorboard.compat.proto import tensor_shape_pb2

        if self._dims is None:
            return tensor_shape_pb2.TensorShapeProto(unknown_rank=True)
        dim = tensor_shape_pb2.TensorShapeProto.Dim
        return tensor_shape_pb2.TensorShapeProto(
            dim=[dim(size=-1 if size is None else size) for size in self._dims]
        )

    experimental_as_proto = as_proto

    @classmethod
    def experimental_type_proto(cls):
        """Returns the protobuf class of `experimental_as_proto`."""
        from tensorboard.compat.proto import tensor_shape_pb2

        return tensor_shape_pb2.TensorShapeProto

    @classmethod
    def experimental_from_proto(cls, proto):
        """Returns the shape that a TensorShapeProto describes."""
        return cls(proto)

    def num_elements(self):
        """Returns the product of the sizes, or None if one of them is unknown."""
        if self._dims is None or None in self._dims:
            return None
        product = 1
        for size in self._dims:
            product *= size
        return product

    def is_fully_defined(self):
        """Returns True if the rank and every size is known."""
        return self._dims is not None and None not in self._dims

    def assert_is_fully_defined(self):
        """Raises ValueError unless the rank and every size is known."""
        if not self.is_fully_defined():
            raise ValueError(f"Shape {self} is not fully defined.")

    # Agreement with other shapes.

    def is_compatible_with(self, other):
        """Returns True if some fully known shape fits both this shape and `other`.

        Raises:
          TypeError: If `other` describes no shape.
        """
        mine, theirs = self._dims, _sizes_of(other)
        if mine is None or theirs is None or mine == theirs:
            return True
        if len(mine) != len(theirs):
            return False
        for a, b in zip(mine, theirs):
            if a is not None and b is not None and a != b:
                return False
        return True

    def assert_is_compatible_with(self, other):
        """Raises ValueError unless `is_compatible_with(other)`."""
        if not self.is_compatible_with(other):
            raise ValueError(f"Shapes {self} and {other} are incompatible.")

    def merge_with(self, other):
        """Returns the shape that combines what is known of this shape and of `other`.

        Raises:
          ValueError: If the two contradict each other.
        """
        other = as_shape(other)
        mine, theirs = self._dims, other._dims
        if mine is None:
            return other
        if theirs is None:
            return self
        if not self.is_compatible_with(other):
            raise ValueError(f"Shapes {self} and {other} are not compatible.")
        return TensorShape(tuple([b if a is None else a for a, b in zip(mine, theirs)]))

    def concatenate(self, other):
        """Returns the sizes of this shape followed by those of `other`; of unknown rank if either is."""
        mine, theirs = self._dims, _sizes_of(other)
        if mine is None or theirs is None:
            return TensorShape(None)
        return TensorShape(mine + theirs)

    def most_specific_compatible_shape(self, other):
        """Returns the narrowest shape that both this shape and `other` are cases of."""
        mine, theirs = self._dims, _sizes_of(other)
        if mine is None or theirs is None or len(mine) != len(theirs):
            return TensorShape(None)
        return TensorShape(tuple([a if a == b else None for a, b in zip(mine, theirs)]))

    def is_subtype_of(self, other):
        """Returns True if every tensor of this shape also has the shape `other`."""
        if not isinstance(other, TensorShape):
            return False
        mine, theirs = self._dims, other._dims
        if theirs is None:
            return True
        if mine is None or len(mine) != len(theirs):
            return False
        return all(b is None or a == b for a, b in zip(mine, theirs))

    def most_specific_common_supertype(self, others):
        """Returns the narrowest shape that covers this and `others`; None if one of them is no shape."""
        shape = self
        for other in others:
            if not isinstance(other, TensorShape):
                return None
            shape = shape.most_specific_compatible_shape(other)
        return shape

    def placeholder_value(self, placeholder_context):
        """Returns the shape itself: as an argument of a function it is a constant."""
        return self

    def from_tensors(self, tensors):
        """Returns the shape itself, which holds no tensors."""
        return self

    # Rank.

    def with_rank(self, rank):
        """Returns this shape, with `rank` unknown sizes if its rank was unknown.

        Raises:
          ValueError: If the shape has another rank.
        """
        if self._dims is None:
            return TensorShape((None,) * rank)
        if len(self._dims) != rank:
            raise ValueError(f"Shape {self} must have rank {rank}.")
        return self

    def with_rank_at_least(self, rank):
        """Returns this shape. Raises ValueError if its rank is known to be less than `rank`."""
        if self._dims is not None and len(self._dims) < rank:
            raise ValueError(f"Shape {self} must have rank at least {rank}.")
        return self

    def with_rank_at_most(self, rank):
        """Returns this shape. Raises ValueError if its rank is known to be more than `rank`."""
        if self._dims is not None and len(self._dims) > rank:
            raise ValueError(f"Shape {self} must have rank at most {rank}.")
        return self

    def assert_has_rank(self, rank):
        """Raises ValueError if the rank is known and is not `rank`."""
        self.with_rank(rank)

    def assert_same_rank(self, other):
        """Raises ValueError if the ranks of this shape and `other` are known and differ."""
        other = as_shape(other)
        if self._dims is not None and other._dims is not None and len(self._dims) != len(other._dims):
            raise ValueError(f"Shapes {self} and {other} must have the same rank.")

    # As a sequence.

    def __len__(self):
        if self._dims is None:
            raise ValueError("Cannot take the length of a shape with unknown rank.")
        return len(self._dims)

    def __bool__(self):
        # A scalar shape is a known shape: truth tells "rank known", not "not empty".
        return self._dims is not None

    def __iter__(self):
        if self._dims is None:
            raise ValueError("Cannot iterate over a shape with unknown rank.")
        return iter(self._dims) if SWITCH.v2 else iter(self.dims)

    def __getitem__(self, key):
        dims = self._dims
        if dims is not None:
            part = dims[key]
            if isinstance(key, slice):
                return TensorShape(part)
            return part if SWITCH.v2 else Dimension(part)
        if not isinstance(key, slice):
            return None if SWITCH.v2 else Dimension(None)
        start = 0 if key.start is None else operator.index(key.start)
        if key.step not in (None, 1):
            raise ValueError(f"A shape of unknown rank can only be sliced with step 1. Received: {key!r}")
        if key.stop is None or start < 0 or key.stop < 0:
            return TensorShape(None)
        return TensorShape((None,) * max(0, key.stop - start))

    def __add__(self, other):
        return self.concatenate(other)

    __concat__ = __add__

    def __radd__(self, other):
        return TensorShape(other).concatenate(self)

    def __eq__(self, other):
        if type(other) is not TensorShape:
            try:
                return self._dims == _sizes_of(other)
            except (TypeError, ValueError):
                return NotImplemented
        return self._dims == other._dims

    def __hash__(self):
        return hash(self._dims)

    def __str__(self):
        if self._dims is None:
            return "<unknown>"
        unknown = "None" if SWITCH.v2 else "?"
        sizes = [unknown if size is None else str(size) for size in self._dims]
        return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"

    def __repr__(self):
        if self._dims is None:
            return "TensorShape(None)"
        return f"TensorShape({list(self._dims) if SWITCH.v2 else self.dims})"

    def __reduce__(self):
        return TensorShape, (self._dims,)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


SCALAR = TensorShape(())
UNKNOWN = TensorShape(None)


def as_shape(shape):
    """Returns `shape` as a TensorShape (itself if it is one)."""
    return shape if type(shape) is TensorShape else TensorShape(shape)


def unknown_shape(rank=None):
    """Returns a shape of which nothing is known, or of which only the rank is known.

    Raises:
      ValueError: If `rank` is negative.
    """
    if rank is None:
        return UNKNOWN
    if rank < 0:
        raise ValueError(f"The rank of a shape must be >= 0. Received: rank={rank}")
    return TensorShape((None,) * rank)


def scalar():
    """Returns the shape of a scalar."""
    return SCALAR


def vector(length):
    """Returns the shape of a vector of `length` elements."""
    return TensorShape((length,))


def matrix(rows, cols):
    """Returns the shape of a matrix."""
    return TensorShape((rows, cols))


@export("compat.dimension_value", v1=["dimension_value", "compat.dimension_value"])
def dimension_value(dimension):
    """Returns the size as an int or None, whether `dimension` is a `Dimension` (1.x) or a size already (2.x).

    >>> import everflow as tf
    >>> tf.compat.dimension_value(tf.TensorShape([None, 3])[1])
    3
    """
    return dimension._value if isinstance(dimension, Dimension) else dimension


@export("compat.dimension_at_index", v1=["dimension_at_index", "compat.dimension_at_index"])
def dimension_at_index(shape, index):
    """Returns entry `index` of `shape` as a `Dimension`, in either generation; unknown if the rank is
    unknown.

    Raises:
      IndexError: If the rank is known and `index` lies outside it.
    """
    dims = shape._dims
    return Dimension(None) if dims is None else Dimension(dims[index])


def broadcast_dims(a, b):
    """Broadcasts two `_dims` tuples (None: rank unknown); the static rule under `broadcast_shape`.

    Raises:
      ValueError: If two known sizes differ and neither is 1.
    """
    if a == b:
        return a
    if a is None or b is None:
        return None
    if len(a) < len(b):
        a, b = b, a
    missing = len(a) - len(b)
    sizes = list(a[:missing])
    for x, y in zip(a[missing:], b):
        if x == y or y == 1:
            sizes.append(x)
        elif x == 1 or x is None:
            # An unknown size that meets a known one above 1 must be that size, or 1.
            sizes.append(y)
        elif y is None:
            sizes.append(x)
        else:
            raise ValueError(
                f"Incompatible shapes for broadcasting: {TensorShape(a)} and {TensorShape(b)}. Seen from the "
                f"right, sizes must be equal or one of them 1. Received: {x} and {y}."
            )
    return tuple(sizes)


def broadcast_shape(a, b):
    """Returns the static shape of an element-wise operation on tensors of shapes `a` and `b`.

    Raises:
      ValueError: If the shapes cannot be broadcast to one another.
    """
    return TensorShape(broadcast_dims(as_shape(a)._dims, as_shape(b)._dims))
