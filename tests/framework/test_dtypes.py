"""Data types. The facts in the tables were read off TensorFlow 2.15.1."""

import copy
import pickle

import ml_dtypes
import numpy as np
import pytest

from everflow._src.framework import dtypes
from everflow._src.framework.dtypes import BY_NUMPY, DType, as_dtype

# name, enum number, NumPy type, size, kind of number (as NumPy's `kind`; q: quantized)
TYPES = [
    ("float32", 1, np.float32, 4, "f"),
    ("float64", 2, np.float64, 8, "f"),
    ("int32", 3, np.int32, 4, "i"),
    ("uint8", 4, np.uint8, 1, "u"),
    ("int16", 5, np.int16, 2, "i"),
    ("int8", 6, np.int8, 1, "i"),
    ("string", 7, object, 0, "O"),
    ("complex64", 8, np.complex64, 8, "c"),
    ("int64", 9, np.int64, 8, "i"),
    ("bool", 10, np.bool_, 1, "b"),
    ("qint8", 11, np.dtype([("qint8", np.int8)]), 1, "q"),
    ("quint8", 12, np.dtype([("quint8", np.uint8)]), 1, "q"),
    ("qint32", 13, np.dtype([("qint32", np.int32)]), 4, "q"),
    ("bfloat16", 14, ml_dtypes.bfloat16, 2, "f"),
    ("qint16", 15, np.dtype([("qint16", np.int16)]), 2, "q"),
    ("quint16", 16, np.dtype([("quint16", np.uint16)]), 2, "q"),
    ("uint16", 17, np.uint16, 2, "u"),
    ("complex128", 18, np.complex128, 16, "c"),
    ("float16", 19, np.float16, 2, "f"),
    ("resource", 20, None, 0, "O"),
    ("variant", 21, None, 0, "O"),
    ("uint32", 22, np.uint32, 4, "u"),
    ("uint64", 23, np.uint64, 8, "u"),
    ("float8_e5m2", 24, ml_dtypes.float8_e5m2, 1, "f"),
    ("float8_e4m3fn", 25, ml_dtypes.float8_e4m3fn, 1, "f"),
    ("int4", 29, ml_dtypes.int4, 1, "i"),
    ("uint4", 30, ml_dtypes.uint4, 1, "u"),
]
NARROW = ("float8_e5m2", "float8_e4m3fn", "int4", "uint4")


@pytest.mark.parametrize("name, number, numpy_type, size, kind", TYPES, ids=[row[0] for row in TYPES])
@pytest.mark.parametrize("is_ref", [False, True], ids=["value", "ref"])
def test_facts(name, number, numpy_type, size, kind, is_ref):
    dtype = getattr(dtypes, name + ("_ref" if is_ref else ""))
    full_name = name + ("_ref" if is_ref else "")
    assert (dtype.name, repr(dtype), str(dtype)) == (full_name, f"tf.{full_name}", f"<dtype: '{full_name}'>")
    number += 100 if is_ref else 0
    assert dtype.as_datatype_enum == int(dtype) == hash(dtype) == number
    assert dtype.size == size
    assert (dtype.is_floating, dtype.is_complex, dtype.is_bool) == (kind == "f", kind == "c", kind == "b")
    assert (dtype.is_integer, dtype.is_unsigned) == (kind in "iu", kind == "u")
    assert dtype.is_quantized == (kind == "q")
    assert dtype.is_numeric == (kind in "iufcq" and name not in NARROW)
    assert dtype.is_numpy_compatible == (numpy_type is not None)
    assert dtype._is_ref_dtype == is_ref
    assert dtype.base_dtype is getattr(dtypes, name)
    assert dtype._as_ref is getattr(dtypes, name + "_ref")
    if numpy_type is None:
        with pytest.raises(KeyError, match=name):
            _ = dtype.as_numpy_dtype
    else:
        assert dtype.as_numpy_dtype == numpy_type
    assert as_dtype(number) is as_dtype(full_name) is as_dtype(dtype) is DType(number) is dtype


def test_numpy_dtype_is_what_arrays_are_stored_in():
    assert dtypes.float32.numpy_dtype == np.dtype(np.float32)
    assert dtypes.string.numpy_dtype == dtypes.resource.numpy_dtype == np.dtype(object)
    assert dtypes.quint8.numpy_dtype == np.dtype(np.uint8)
    assert dtypes.qint32_ref.numpy_dtype == np.dtype(np.int32)


def test_by_numpy_maps_every_array_type_to_one_value_type():
    assert BY_NUMPY[np.dtype(object)] is dtypes.string
    assert BY_NUMPY[np.dtype("longlong")] is dtypes.int64
    for numpy_dtype, dtype in BY_NUMPY.items():
        if dtype in (dtypes.resource, dtypes.variant):  # no array holds them: the runtime adds keys of its own
            continue
        assert isinstance(numpy_dtype, np.dtype)
        assert not dtype._is_ref_dtype and not dtype.is_quantized
        assert dtype.numpy_dtype == numpy_dtype


def test_sets():
    assert dtypes.FLOATS == (dtypes.bfloat16, dtypes.half, dtypes.float32, dtypes.float64)
    assert set(dtypes.INTEGERS) == set(dtypes.SIGNED) | set(dtypes.UNSIGNED)
    assert set(dtypes.NUMERIC) == {dtype for dtype in dtypes.ALL if dtype.is_numeric}
    assert len(dtypes.ALL) == len(TYPES)
    assert dtypes.qint8 in dtypes.QUANTIZED_DTYPES and dtypes.qint8_ref in dtypes.QUANTIZED_DTYPES
    assert len(dtypes.QUANTIZED_DTYPES) == 10


@pytest.mark.parametrize(
    "value, expected",
    [
        (np.dtype("float32"), "float32"),
        (np.dtype(">f4"), "float32"),
        (np.int64, "int64"),
        (np.longlong, "int64"),
        (np.ulonglong, "uint64"),
        (float, "float32"),
        (bool, "bool"),
        (object, "string"),
        (np.str_, "string"),
        (np.bytes_, "string"),
        (np.dtype("S5"), "string"),
        (np.dtype("U3"), "string"),
        (np.object_, "string"),
        ("half", "float16"),
        ("double", "float64"),
        ("float", "float32"),
        ("double_ref", "float64_ref"),
        (np.zeros(2, np.int16), "int16"),
        (np.int64(3), "int32"),  # a number counts as an enum number
        (1.0, "float32"),
        (ml_dtypes.bfloat16, "bfloat16"),
        (np.dtype(ml_dtypes.int4), "int4"),
    ],
)
def test_as_dtype(value, expected):
    assert as_dtype(value) is getattr(dtypes, expected)


@pytest.mark.parametrize(
    "value",
    [
        int, str, bytes, complex, list, type, None, "f4", "<f4", "int", "str", "object", "complex",
        "nonsense", "?", 0, -1, 26, 200, 3.5, [], {}, [1], np.void, np.floating, np.number, np.longdouble,
        np.dtype([("a", "f4")]), np.dtype("M8"), object(),
    ],
)  # fmt: skip
def test_as_dtype_refuses(value):
    with pytest.raises(TypeError):
        as_dtype(value)


def test_as_dtype_says_what_to_write_instead():
    with pytest.raises(TypeError, match=r"tf\.int32 or tf\.int64"):
        as_dtype(int)
    with pytest.raises(TypeError, match=r"tf\.string"):
        as_dtype(str)


def test_equality_reaches_across_types():
    float32 = dtypes.float32
    for same in ("float32", np.float32, np.dtype("f4"), float, 1):
        assert float32 == same and same == float32
    assert float32 != "nonsense" and not float32 == "nonsense"
    assert float32 != None and not float32 == None  # noqa: E711
    assert float32 != dtypes.float32_ref and dtypes.float32_ref != float32
    for other in (str, int, "nonsense"):
        assert dtypes.string != other and not dtypes.string == other


def test_compatibility():
    assert dtypes.float32.is_compatible_with(dtypes.float32_ref)
    assert not dtypes.float32_ref.is_compatible_with(dtypes.float32)
    assert dtypes.float32.is_compatible_with("float32")
    assert not dtypes.float32.is_compatible_with(np.float64)
    with pytest.raises(TypeError):
        dtypes.float32.is_compatible_with("nonsense")


def test_extremes():
    assert (dtypes.int8.min, dtypes.int8.max) == (-128, 127)
    assert (dtypes.int4.min, dtypes.int4.max, dtypes.uint4.max) == (-8, 7, 15)
    assert (dtypes.uint64.min, dtypes.uint64.max) == (0, 2**64 - 1)
    assert dtypes.float32.max == np.finfo(np.float32).max and isinstance(dtypes.float32.max, np.float32)
    assert dtypes.float16.min == -65504.0
    assert float(dtypes.bfloat16.max) == pytest.approx(3.3895e38, rel=1e-4)
    assert float(dtypes.float8_e4m3fn.max) == 448.0
    for name in ("string", "bool", "complex64", "qint8", "resource"):
        with pytest.raises(TypeError, match="minimum"):
            _ = getattr(dtypes, name).min
        with pytest.raises(TypeError, match="maximum"):
            _ = getattr(dtypes, name).max


def test_limits():
    assert dtypes.float32.limits == dtypes.float64_ref.limits == (0, 1)
    assert dtypes.uint8.limits == (0, 255) and dtypes.int16.limits == (0, 32767)
    assert dtypes.bool.limits == (0, True)
    for name in ("float16", "bfloat16", "string", "complex64", "qint8", "int4"):
        with pytest.raises(ValueError, match="limits"):
            _ = getattr(dtypes, name).limits


def test_real_dtype():
    assert dtypes.complex64.real_dtype is dtypes.float32
    assert dtypes.complex128.real_dtype is dtypes.float64
    assert dtypes.int32.real_dtype is dtypes.int32


def test_constructor():
    assert DType(1) is dtypes.float32
    with pytest.raises(TypeError, match="900"):
        DType(900)
    handle = DType(20, handle_data="a queue of floats")
    assert handle == dtypes.resource and handle is not dtypes.resource
    assert as_dtype(handle) is handle and handle._handle_data == "a queue of floats"


def test_copies_are_the_object_itself():
    for dtype in (dtypes.float32, dtypes.string_ref):
        assert copy.copy(dtype) is copy.deepcopy(dtype) is pickle.loads(pickle.dumps(dtype)) is dtype


def test_trace_type():
    assert dtypes.int32.is_subtype_of(dtypes.int32) and not dtypes.int32.is_subtype_of(dtypes.int64)
    assert dtypes.int32.most_specific_common_supertype([dtypes.int32]) is dtypes.int32
    assert dtypes.int32.most_specific_common_supertype([dtypes.int64]) is None
    assert dtypes.int32.placeholder_value(None) is dtypes.int32
    assert DType.experimental_from_proto(dtypes.int32.experimental_as_proto()) is dtypes.int32
