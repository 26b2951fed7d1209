"""Data types of tensors.

`DType` objects are interned, one per enum number, so `is` works between them and every fact about a type is
an instance attribute (an attribute load is what the eager path can afford; a property is not).
"""

import builtins
from typing import Any

import ml_dtypes
import numpy as np

from everflow._src.framework.export import export, export_constant
from everflow._src.framework.trace_type import TraceType

# Reference types, which only 1.x variables have, are numbered as the value type plus this offset.
_REF_OFFSET = 100

_BY_ENUM: dict = {}


@export("DType", "dtypes.DType", v1=["DType", "dtypes.DType"])
class DType(TraceType):
    """The type of the elements of a tensor.

    `tf.float32`, `tf.int64`, `tf.string` and so on are instances. A DType equals whatever `tf.as_dtype` turns
    into it: its name, its enum number, the NumPy type.

    >>> import everflow as tf
    >>> tf.float32 == "float32", tf.float32.size, tf.complex64.real_dtype
    (True, 4, tf.float32)

    Args:
      type_enum: Number of the type in TensorFlow's `DataType` enum.
      handle_data: For resource and variant types, a description of what the handle points at.

    Raises:
      TypeError: If `type_enum` is no known type.

    Source: `DataType` in TensorFlow's types.proto.
    """

    __slots__ = (
        "__weakref__",
        "_as_ref",
        "_handle_data",
        "_is_ref_dtype",
        "_numpy_type",
        "_type_enum",
        "as_datatype_enum",
        "base_dtype",
        "is_bool",
        "is_complex",
        "is_floating",
        "is_integer",
        "is_numeric",
        "is_numpy_compatible",
        "is_quantized",
        "is_unsigned",
        "name",
        "numpy_dtype",
        "real_dtype",
        "size",
    )

    # Filled in by `_define`, once per type.
    name: str
    size: int
    as_datatype_enum: int
    base_dtype: "DType"
    real_dtype: "DType"
    numpy_dtype: Any
    is_bool: builtins.bool
    is_complex: builtins.bool
    is_floating: builtins.bool
    is_integer: builtins.bool
    is_numeric: builtins.bool
    is_numpy_compatible: builtins.bool
    is_quantized: builtins.bool
    is_unsigned: builtins.bool
    _as_ref: "DType"
    _handle_data: Any
    _is_ref_dtype: builtins.bool
    _numpy_type: Any
    _type_enum: int

    def __new__(cls, type_enum, handle_data=None):
        number = int(type_enum)
        known = _BY_ENUM.get(number)
        if known is None:
            raise TypeError(f"No data type has the number {number}.")
        if handle_data is None:
            return known
        # A type that carries handle data is an object of its own, equal to the interned one.
        self = object.__new__(cls)
        for slot in DType.__slots__:
            if slot != "__weakref__":
                setattr(self, slot, getattr(known, slot))
        self._handle_data = handle_data
        return self

    @property
    def as_numpy_dtype(self):
        """The NumPy type: a scalar class (`object` for strings), or a record dtype for quantized types.

        Raises:
          KeyError: For resources and variants, which NumPy cannot hold.
        """
        if self._numpy_type is None:
            raise KeyError(f"{self.name} has no NumPy type.")
        return self._numpy_type

    @property
    def min(self):
        """The smallest value, as a number of this type.

        Raises:
          TypeError: If the type has no order (string, bool, complex, quantized, resource, variant).
        """
        return self._extreme("min")

    @property
    def max(self):
        """The largest value, as a number of this type.

        Raises:
          TypeError: If the type has no order (string, bool, complex, quantized, resource, variant).
        """
        return self._extreme("max")

    def _extreme(self, which):
        if self.is_floating:
            return getattr(ml_dtypes.finfo(self.numpy_dtype), which)
        if self.is_integer:
            return builtins.int(getattr(ml_dtypes.iinfo(self.numpy_dtype), which))
        raise TypeError(f"{self} has no {which}imum: only integers and real floats are ordered.")

    @property
    def limits(self):
        """The pair (0, upper bound) of intensities of an image of this type.

        Raises:
          ValueError: If images of this type have no conventional range.
        """
        if self.name in ("float32", "float64", "float32_ref", "float64_ref"):
            return 0, 1
        if self.is_bool:
            return 0, True
        if self.is_integer and self.is_numeric:
            return 0, self.max
        raise ValueError(f"{self} has no defined limits.")

    def is_compatible_with(self, other):
        """Returns True if `other`, anything that `tf.as_dtype` accepts, is this type or its reference type.

        Raises:
          TypeError: If `other` is no type.
        """
        other = as_dtype(other)
        return self._type_enum == other._type_enum or self._type_enum == other.base_dtype._type_enum

    def is_subtype_of(self, other):
        """Returns True if `other` is the same type (types have no hierarchy)."""
        return type(other) is DType and self._type_enum == other._type_enum

    def most_specific_common_supertype(self, others):
        """Returns this type if all of `others` equal it, otherwise None."""
        return self if all(self == other for other in others) else None

    def placeholder_value(self, placeholder_context):
        """Returns the type itself: as an argument of a function it is a constant."""
        return self

    def from_tensors(self, tensors):
        """Returns the type itself, which holds no tensors."""
        return self

    def experimental_as_proto(self):
        """Returns the type as a SerializedDType."""
        from tensorboard.compat.proto import types_pb2

        return types_pb2.SerializedDType(datatype=self._type_enum)

    @classmethod
    def experimental_type_proto(cls):
        """Returns the protobuf class of `experimental_as_proto`."""
        from tensorboard.compat.proto import types_pb2

        return types_pb2.SerializedDType

    @classmethod
    def experimental_from_proto(cls, proto):
        """Returns the type that a SerializedDType names."""
        return cls(proto.datatype)

    def __eq__(self, other):
        if self is other:
            return True
        if other is None:
            return False
        if not isinstance(other, DType):
            try:
                other = as_dtype(other)
            except TypeError:
                return False
        return self._type_enum == other._type_enum

    def __ne__(self, other):
        return not self == other

    def __hash__(self):
        return self._type_enum

    def __int__(self):
        return self._type_enum

    def __str__(self):
        return f"<dtype: {self.name!r}>"

    def __repr__(self):
        return "tf." + self.name

    def __reduce__(self):
        return as_dtype, (self.name,)

    # Interned: a copy is the object itself.
    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


def _define(number, name, numpy_type, kind):
    """Makes a value type and its reference type. `kind` is a letter in the style of NumPy's `dtype.kind`."""
    quantized = kind == "q"
    if numpy_type is None:
        numpy_dtype = np.dtype(object)  # the engine keeps handles and variants as Python objects
    elif quantized:
        numpy_dtype = np.dtype(numpy_type)
        numpy_type = np.dtype([(name, numpy_type)])
    else:
        numpy_dtype = np.dtype(numpy_type)
    pair = []
    for is_ref in (False, True):
        self = object.__new__(DType)
        self._type_enum = self.as_datatype_enum = number + (_REF_OFFSET if is_ref else 0)
        self.name = name + ("_ref" if is_ref else "")
        self._is_ref_dtype = is_ref
        self._handle_data = None
        self._numpy_type = numpy_type
        self.numpy_dtype = numpy_dtype
        self.is_floating = kind == "f"
        self.is_integer = kind in "iu"
        self.is_unsigned = kind == "u"
        self.is_complex = kind == "c"
        self.is_bool = kind == "b"
        self.is_quantized = quantized
        # The four-bit and eight-bit floating point types do not count as numeric in TensorFlow.
        self.is_numeric = kind in "iufcq" and not name.startswith("float8") and name not in ("int4", "uint4")
        self.is_numpy_compatible = self._numpy_type is not None
        self.size = 0 if kind == "O" else numpy_dtype.itemsize
        _BY_ENUM[self._type_enum] = self
        pair.append(self)
    for self in pair:
        self.base_dtype = pair[0]
        self._as_ref = pair[1]
        self.real_dtype = self
    return tuple(pair)


float32, float32_ref = _define(1, "float32", np.float32, "f")
float64, float64_ref = _define(2, "float64", np.float64, "f")
int32, int32_ref = _define(3, "int32", np.int32, "i")
uint8, uint8_ref = _define(4, "uint8", np.uint8, "u")
int16, int16_ref = _define(5, "int16", np.int16, "i")
int8, int8_ref = _define(6, "int8", np.int8, "i")
string, string_ref = _define(7, "string", object, "O")
complex64, complex64_ref = _define(8, "complex64", np.complex64, "c")
int64, int64_ref = _define(9, "int64", np.int64, "i")
bool, bool_ref = _define(10, "bool", np.bool_, "b")
qint8, qint8_ref = _define(11, "qint8", np.int8, "q")
quint8, quint8_ref = _define(12, "quint8", np.uint8, "q")
qint32, qint32_ref = _define(13, "qint32", np.int32, "q")
bfloat16, bfloat16_ref = _define(14, "bfloat16", ml_dtypes.bfloat16, "f")
qint16, qint16_ref = _define(15, "qint16", np.int16, "q")
quint16, quint16_ref = _define(16, "quint16", np.uint16, "q")
uint16, uint16_ref = _define(17, "uint16", np.uint16, "u")
complex128, complex128_ref = _define(18, "complex128", np.complex128, "c")
float16, float16_ref = _define(19, "float16", np.float16, "f")
resource, resource_ref = _define(20, "resource", None, "O")
variant, variant_ref = _define(21, "variant", None, "O")
uint32, uint32_ref = _define(22, "uint32", np.uint32, "u")
uint64, uint64_ref = _define(23, "uint64", np.uint64, "u")
float8_e5m2, float8_e5m2_ref = _define(24, "float8_e5m2", ml_dtypes.float8_e5m2, "f")
float8_e4m3fn, float8_e4m3fn_ref = _define(25, "float8_e4m3fn", ml_dtypes.float8_e4m3fn, "f")
int4, int4_ref = _define(29, "int4", ml_dtypes.int4, "i")
uint4, uint4_ref = _define(30, "uint4", ml_dtypes.uint4, "u")
half, half_ref = float16, float16_ref
double, double_ref = float64, float64_ref

for _complex, _real in ((complex64, float32), (complex128, float64)):
    _complex.real_dtype = _complex._as_ref.real_dtype = _real

# Sets of types for the type constraints of operations.
FLOATS = (bfloat16, half, float32, float64)
COMPLEX = (complex64, complex128)
SIGNED = (int8, int16, int32, int64)
UNSIGNED = (uint8, uint16, uint32, uint64)
INTEGERS = SIGNED + UNSIGNED
REAL = FLOATS + INTEGERS
QUANTIZED = (qint8, quint8, qint16, quint16, qint32)
NUMERIC = REAL + COMPLEX + QUANTIZED
ALL = tuple(dtype for dtype in _BY_ENUM.values() if not dtype._is_ref_dtype)

QUANTIZED_DTYPES = frozenset(QUANTIZED + tuple(dtype._as_ref for dtype in QUANTIZED))

# NumPy dtype objects to the type of a tensor that holds such an array: the look-up of the eager path.
BY_NUMPY = {
    dtype.numpy_dtype: dtype for dtype in ALL if not dtype.is_quantized and dtype.is_numpy_compatible
}

# Everything besides DTypes that `as_dtype` accepts and that can be a key. Numbers are keys: 1 means float32.
_KNOWN: dict = dict(_BY_ENUM)
_KNOWN.update({dtype.name: dtype for dtype in _BY_ENUM.values()})
_KNOWN.update(BY_NUMPY)
_KNOWN.update({dtype._numpy_type: dtype for dtype in ALL if dtype.is_numpy_compatible})
_KNOWN.update(
    {
        "half": half,
        "half_ref": half_ref,
        "float": float32,
        "float_ref": float32_ref,
        "double": double,
        "double_ref": double_ref,
        builtins.float: float32,
        builtins.bool: bool,
        np.object_: string,
        np.str_: string,
        np.bytes_: string,
        np.longlong: int64,
        np.ulonglong: uint64,
    }
)


@export("as_dtype", "dtypes.as_dtype", v1=["as_dtype", "dtypes.as_dtype"])
def as_dtype(type_value):
    """Converts `type_value` to a `tf.DType`.

    >>> import everflow as tf
    >>> import numpy as np
    >>> tf.as_dtype("float32"), tf.as_dtype(np.int64), tf.as_dtype(float)
    (tf.float32, tf.int64, tf.float32)

    Args:
      type_value: A DType, the name of one, a number of TensorFlow's `DataType` enum, a NumPy scalar class or
        dtype, an array (its dtype counts), or one of the Python classes `float` (float32), `bool` and
        `object` (string). Other Python classes are refused, as TensorFlow does: `int` could mean several
        types.

    Returns:
      A DType.

    Raises:
      TypeError: If `type_value` stands for no type.
    """
    if type(type_value) is DType:
        return type_value
    try:
        return _KNOWN[type_value]
    except (KeyError, TypeError):  # TypeError: not hashable
        pass
    numpy_dtype = type_value if isinstance(type_value, np.dtype) else getattr(type_value, "dtype", None)
    if isinstance(numpy_dtype, np.dtype):
        found = BY_NUMPY.get(numpy_dtype)
        if found is None and numpy_dtype.names is None:
            found = _KNOWN.get(numpy_dtype.type)  # another byte order, or strings of fixed width
        if found is not None:
            return found
    hint = ""
    if type_value is builtins.int:
        hint = " Name a width: tf.int32 or tf.int64."
    elif type_value is builtins.str or type_value is builtins.bytes:
        hint = " The type of texts is tf.string."
    elif type_value is builtins.complex:
        hint = " Name a width: tf.complex64 or tf.complex128."
    raise TypeError(f"Cannot convert {type_value!r} to a TensorFlow DType.{hint}")


def _export_dtypes():
    for name in (
        "bfloat16 bool complex64 complex128 double float16 float32 float64 half int8 int16 int32 int64 qint8 "
        "qint16 qint32 quint8 quint16 resource string uint8 uint16 uint32 uint64 variant"
    ).split():
        export_constant(__name__, name, name, "dtypes." + name)
    for name in ("float8_e4m3fn", "float8_e5m2", "int4", "uint4"):
        export_constant(__name__, name, "dtypes.experimental." + name)
    export_constant(
        __name__,
        "QUANTIZED_DTYPES",
        "dtypes.QUANTIZED_DTYPES",
        v1=["dtypes.QUANTIZED_DTYPES", "QUANTIZED_DTYPES"],
    )


_export_dtypes()
