"""tf.DType, tf.TensorShape, tf.TensorSpec and the rules by which shapes meet each other."""

import copy
import pickle

import numpy as np
import pytest
import tensorflow as tf

NUMPY_NAMES = [
    "float16", "float32", "float64", "int8", "int16", "int32", "int64",
    "uint8", "uint16", "uint32", "uint64", "complex64", "complex128", "bool",
]  # fmt: skip

# name, enum, size, then floating, integer, complex, unsigned, quantized
DTYPES = [
    ("float32", 1, 4, True, False, False, False, False),
    ("float64", 2, 8, True, False, False, False, False),
    ("int32", 3, 4, False, True, False, False, False),
    ("uint8", 4, 1, False, True, False, True, False),
    ("int16", 5, 2, False, True, False, False, False),
    ("int8", 6, 1, False, True, False, False, False),
    ("string", 7, 0, False, False, False, False, False),
    ("complex64", 8, 8, False, False, True, False, False),
    ("int64", 9, 8, False, True, False, False, False),
    ("bool", 10, 1, False, False, False, False, False),
    ("qint8", 11, 1, False, False, False, False, True),
    ("quint8", 12, 1, False, False, False, False, True),
    ("qint32", 13, 4, False, False, False, False, True),
    ("bfloat16", 14, 2, True, False, False, False, False),
    ("qint16", 15, 2, False, False, False, False, True),
    ("quint16", 16, 2, False, False, False, False, True),
    ("uint16", 17, 2, False, True, False, True, False),
    ("complex128", 18, 16, False, False, True, False, False),
    ("float16", 19, 2, True, False, False, False, False),
    ("resource", 20, 0, False, False, False, False, False),
    ("variant", 21, 0, False, False, False, False, False),
    ("uint32", 22, 4, False, True, False, True, False),
    ("uint64", 23, 8, False, True, False, True, False),
]


@pytest.mark.parametrize("name,enum,size,floating,integer,complex_,unsigned,quantized", DTYPES)
def test_dtype_properties(name, enum, size, floating, integer, complex_, unsigned, quantized):
    dtype = getattr(tf, name)
    assert dtype.name == name
    assert dtype.as_datatype_enum == enum
    assert dtype.size == size
    assert dtype.is_floating is floating
    assert dtype.is_integer is integer
    assert dtype.is_complex is complex_
    assert dtype.is_unsigned is unsigned
    assert dtype.is_quantized is quantized
    assert dtype.is_bool is (name == "bool")
    assert dtype.is_numpy_compatible is (name not in ("resource", "variant"))
    assert repr(dtype) == f"tf.{name}"
    assert str(dtype) == f"<dtype: '{name}'>"
    assert getattr(tf.dtypes, name) is dtype
    assert tf.as_dtype(enum) is dtype
    assert tf.as_dtype(name) is dtype
    assert tf.as_dtype(dtype) is dtype
    assert isinstance(dtype, tf.DType)
    assert dtype.base_dtype is dtype and dtype.real_dtype == {
        "complex64": tf.float32, "complex128": tf.float64}.get(name, dtype)  # fmt: skip


@pytest.mark.parametrize("name", NUMPY_NAMES)
def test_dtype_to_and_from_numpy(name):
    dtype = getattr(tf, name)
    numpy_type = np.dtype(name)
    assert np.dtype(dtype.as_numpy_dtype) == numpy_type
    assert tf.as_dtype(numpy_type) is dtype
    assert tf.as_dtype(numpy_type.type) is dtype
    assert dtype == numpy_type.type and dtype == name and dtype == numpy_type
    assert not dtype != name
    assert tf.constant(np.zeros(2, numpy_type)).dtype is dtype
    assert tf.zeros([2], dtype).numpy().dtype == numpy_type


def test_python_types_and_aliases():
    assert tf.as_dtype(float) is tf.float32
    assert tf.as_dtype(bool) is tf.bool
    assert tf.as_dtype(object) is tf.string
    assert tf.as_dtype("float") is tf.float32
    assert tf.as_dtype("double") is tf.float64
    assert tf.as_dtype("half") is tf.float16
    assert tf.half is tf.float16 and tf.double is tf.float64
    assert tf.as_dtype(np.dtype("S3")) is tf.string
    assert tf.string.as_numpy_dtype is object


@pytest.mark.parametrize("bad", ["nonsense", -1, 500, [1], None])
def test_what_is_no_dtype(bad):
    with pytest.raises(TypeError):
        tf.as_dtype(bad)


def test_no_dtype_is_named():
    with pytest.raises(TypeError, match="nonsense"):
        tf.as_dtype("nonsense")


def test_dtype_equality_and_hash():
    assert tf.float32 != tf.float64
    assert (tf.float32 == "nonsense") is False
    assert (tf.float32 == None) is False  # noqa: E711
    assert (tf.float32 != None) is True  # noqa: E711
    assert {tf.float32: 1}[tf.as_dtype("float32")] == 1
    assert len({tf.float32, tf.as_dtype(np.float32), tf.int32}) == 2
    assert copy.deepcopy(tf.int8) is tf.int8
    assert pickle.loads(pickle.dumps(tf.bfloat16)) is tf.bfloat16


@pytest.mark.parametrize(
    "name,low,high",
    [
        ("int8", -128, 127),
        ("uint8", 0, 255),
        ("int16", -32768, 32767),
        ("uint16", 0, 65535),
        ("int32", -(2**31), 2**31 - 1),
        ("int64", -(2**63), 2**63 - 1),
        ("uint32", 0, 2**32 - 1),
        ("float16", -65504.0, 65504.0),
        ("float32", np.finfo(np.float32).min, np.finfo(np.float32).max),
        ("float64", np.finfo(np.float64).min, np.finfo(np.float64).max),
    ],
)
def test_dtype_bounds(name, low, high):
    dtype = getattr(tf, name)
    assert dtype.min == low
    assert dtype.max == high


def test_dtype_limits():
    assert tf.uint8.limits == (0, 255)
    assert tf.float32.limits == (0, 1)
    assert tf.bfloat16.max > 3.3e38
    for dtype in (tf.complex64, tf.string, tf.bool):
        with pytest.raises(TypeError):
            dtype.min  # noqa: B018


def test_reference_dtypes():
    reference = tf.as_dtype("float32_ref")
    assert reference.name == "float32_ref"
    assert reference.as_datatype_enum == 101
    assert reference.base_dtype is tf.float32
    assert tf.float32.is_compatible_with(reference) and not reference.is_compatible_with(tf.float32)
    assert reference != tf.float32
    assert not tf.int32.is_compatible_with(tf.float32)


def test_bfloat16_arithmetic():
    third = tf.constant(1.0, tf.bfloat16) / tf.constant(3.0, tf.bfloat16)
    assert third.dtype is tf.bfloat16
    assert float(third) == 0.333984375
    assert tf.cast(third, tf.float32).numpy() == np.float32(0.333984375)


# ------------------------------------------------------------------ shapes


def test_shape_of_known_rank():
    shape = tf.TensorShape([2, None, 3])
    assert shape.rank == 3 and shape.ndims == 3 and len(shape) == 3
    assert shape.as_list() == [2, None, 3]
    assert list(shape) == [2, None, 3]
    assert shape[0] == 2 and shape[1] is None and shape[-1] == 3
    assert shape[1:].as_list() == [None, 3]
    assert isinstance(shape[:2], tf.TensorShape)
    assert not shape.is_fully_defined()
    assert shape.num_elements() is None
    assert str(shape) == "(2, None, 3)"
    assert repr(shape) == "TensorShape([2, None, 3])"
    assert bool(shape)


def test_shape_of_unknown_rank():
    shape = tf.TensorShape(None)
    assert shape.rank is None and shape.ndims is None
    assert not shape
    assert shape.num_elements() is None
    assert not shape.is_fully_defined()
    assert str(shape) == "<unknown>" and repr(shape) == "TensorShape(None)"
    assert shape[3] is None
    assert shape[1:].rank is None
    assert shape[1:4].as_list() == [None, None, None]
    with pytest.raises(ValueError):
        len(shape)
    with pytest.raises(ValueError):
        list(shape)
    with pytest.raises(ValueError):
        shape.as_list()


def test_scalar_and_vector_forms():
    scalar = tf.TensorShape([])
    assert scalar.rank == 0 and scalar.num_elements() == 1 and scalar.is_fully_defined()
    assert str(scalar) == "()" and repr(scalar) == "TensorShape([])"
    assert str(tf.TensorShape([4])) == "(4,)"
    assert tf.TensorShape((2, 3)).num_elements() == 6
    assert tf.TensorShape(5).as_list() == [5]
    assert tf.TensorShape(tf.TensorShape([1, 2])) == [1, 2]
    assert tf.TensorShape([np.int64(3), None]).as_list() == [3, None]


@pytest.mark.parametrize(
    "bad,error", [([-1], ValueError), (["x"], TypeError), ([1.5], TypeError), ([[1]], TypeError)]
)
def test_bad_dimensions(bad, error):
    with pytest.raises(error):
        tf.TensorShape(bad)


def test_shape_equality():
    assert tf.TensorShape([1, 2]) == [1, 2]
    assert tf.TensorShape([1, 2]) == (1, 2)
    assert [1, 2] == tf.TensorShape([1, 2])
    assert tf.TensorShape([1, 2]) != [1, 3]
    assert tf.TensorShape([None, 2]) == tf.TensorShape([None, 2])
    assert tf.TensorShape(None) == tf.TensorShape(None)
    assert (tf.TensorShape([1]) == tf.TensorShape(None)) is False
    assert {tf.TensorShape([1, 2]): "a"}[tf.TensorShape([1, 2])] == "a"


@pytest.mark.parametrize(
    "left,right,merged",
    [
        ([1, None], [None, 2], [1, 2]),
        (None, [3], [3]),
        ([3], None, [3]),
        ([None], [None], [None]),
        ([2, 3], [2, 3], [2, 3]),
    ],
)
def test_merge_with(left, right, merged):
    left, right = tf.TensorShape(left), tf.TensorShape(right)
    assert left.is_compatible_with(right) and right.is_compatible_with(left)
    assert left.merge_with(right).as_list() == merged


def test_incompatible_shapes():
    left, right = tf.TensorShape([1, 2]), tf.TensorShape([1, 3])
    assert not left.is_compatible_with(right)
    assert not left.is_compatible_with([1, 2, 3])
    with pytest.raises(ValueError, match=r"\(1, 2\).*\(1, 3\)"):
        left.merge_with(right)
    with pytest.raises(ValueError):
        left.assert_is_compatible_with(right)
    with pytest.raises(ValueError):
        left.assert_has_rank(3)
    with pytest.raises(ValueError):
        left.assert_same_rank([1])
    with pytest.raises(ValueError):
        tf.TensorShape([None]).assert_is_fully_defined()
    left.assert_has_rank(2)
    left.assert_same_rank([7, 8])
    left.assert_is_fully_defined()


def test_with_rank():
    assert tf.TensorShape(None).with_rank(2).as_list() == [None, None]
    assert tf.TensorShape([1, 2]).with_rank(2).as_list() == [1, 2]
    assert tf.TensorShape([1, 2]).with_rank_at_least(1).as_list() == [1, 2]
    assert tf.TensorShape([1, 2]).with_rank_at_most(2).as_list() == [1, 2]
    for wrong in (
        lambda s: s.with_rank(3),
        lambda s: s.with_rank_at_least(3),
        lambda s: s.with_rank_at_most(1),
    ):
        with pytest.raises(ValueError):
            wrong(tf.TensorShape([1, 2]))


def test_concatenate_and_add():
    assert tf.TensorShape([1]).concatenate([2, None]).as_list() == [1, 2, None]
    assert tf.TensorShape([1]).concatenate(tf.TensorShape(None)).rank is None
    assert (tf.TensorShape([1]) + [2]).as_list() == [1, 2]
    assert ([2] + tf.TensorShape([1])).as_list() == [2, 1]


def test_most_specific_compatible_shape():
    assert tf.TensorShape([1, 2]).most_specific_compatible_shape(tf.TensorShape([1, 3])).as_list() == [
        1,
        None,
    ]
    assert tf.TensorShape([1, 2]).most_specific_compatible_shape(tf.TensorShape([1])).rank is None


@pytest.mark.parametrize(
    "left,right,result",
    [
        ([2, 1], [1, 3], [2, 3]),
        ([], [4], [4]),
        ([None, 3], [1, 3], [None, 3]),
        ([None], [5], [5]),
        ([None], [None], [None]),
        ([7, 1, 5], [8, 1], [7, 8, 5]),
        ([0], [1], [0]),
    ],
)
def test_broadcast_static_shape(left, right, result):
    assert tf.broadcast_static_shape(tf.TensorShape(left), tf.TensorShape(right)).as_list() == result
    if None not in left + right:
        assert tf.broadcast_dynamic_shape(left, right).numpy().tolist() == result
    with tf.Graph().as_default():
        one, two = (tf.compat.v1.placeholder(tf.float32, shape) for shape in (left, right))
        assert (one + two).shape.as_list() == result


def test_broadcast_failures():
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        tf.broadcast_static_shape(tf.TensorShape([2]), tf.TensorShape([3]))
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.broadcast_dynamic_shape([2], [3])


def test_dimension_of_version_1():
    dimension = tf.compat.v1.Dimension(3)
    assert dimension.value == 3 and int(dimension) == 3
    assert dimension == 3 and dimension != 4
    assert (dimension + 1).value == 4 and (dimension * 2) == 6 and (dimension // 2) == 1
    assert repr(dimension) == "Dimension(3)" and str(dimension) == "3"
    unknown = tf.compat.v1.Dimension(None)
    assert unknown.value is None
    assert str(unknown) == "?" and repr(unknown) == "Dimension(None)"
    assert (unknown == 3) is None
    assert (unknown + 2).value is None
    assert tf.compat.v1.dimension_value(dimension) == 3
    assert tf.compat.v1.dimension_value(5) == 5
    assert tf.compat.v1.dimension_at_index(tf.TensorShape([4, 5]), 1) == 5
    assert tf.compat.dimension_value(tf.TensorShape([7])[0]) == 7
    assert [d.value for d in tf.TensorShape([2, None]).dims] == [2, None]
    assert [d.value for d in tf.compat.v1.TensorShape([2, 3]).dims] == [2, 3]


# ------------------------------------------------------------------ specs


def test_tensor_spec():
    spec = tf.TensorSpec([None, 3], tf.float32, name="x")
    assert spec.shape.as_list() == [None, 3]
    assert spec.dtype is tf.float32
    assert spec.name == "x"
    assert repr(spec) == "TensorSpec(shape=(None, 3), dtype=tf.float32, name='x')"
    assert repr(tf.TensorSpec(None)) == "TensorSpec(shape=<unknown>, dtype=tf.float32, name=None)"
    assert spec == tf.TensorSpec([None, 3], tf.float32, name="x")
    assert spec != tf.TensorSpec([None, 3], tf.float64, name="x")
    assert spec != tf.TensorSpec([None, 3], tf.float32)
    assert hash(spec) == hash(tf.TensorSpec([None, 3], tf.float32, name="x"))
    assert tf.TensorSpec([], "int32").dtype is tf.int32
    with pytest.raises(AttributeError):
        spec.shape = [1]


def test_tensor_spec_compatibility():
    spec = tf.TensorSpec([None, 3], tf.float32)
    assert spec.is_compatible_with(tf.zeros([5, 3]))
    assert not spec.is_compatible_with(tf.zeros([5, 4]))
    assert not spec.is_compatible_with(tf.zeros([5, 3], tf.int32))
    assert spec.is_compatible_with(tf.TensorSpec([2, None], tf.float32))
    assert spec.is_subtype_of(tf.TensorSpec(None, tf.float32))
    assert not spec.is_subtype_of(tf.TensorSpec([5, 3], tf.float32))
    common = tf.TensorSpec([5, 3]).most_specific_compatible_type(tf.TensorSpec([6, 3]))
    assert common.shape.as_list() == [None, 3]
    assert tf.TensorSpec([5, 3]).most_specific_common_supertype([tf.TensorSpec([5, 3], tf.int32)]) is None


def test_spec_from_values():
    assert tf.TensorSpec.from_tensor(tf.zeros([2]), name="a") == tf.TensorSpec([2], tf.float32, "a")
    assert tf.TensorSpec.from_spec(tf.TensorSpec([2]), name="b").name == "b"
    assert tf.type_spec_from_value(tf.zeros([2, 2], tf.int64)) == tf.TensorSpec([2, 2], tf.int64)
    assert isinstance(tf.TensorSpec([]), tf.TypeSpec)


def test_other_specs():
    sparse = tf.SparseTensorSpec([3, None], tf.int32)
    assert sparse.shape.as_list() == [3, None] and sparse.dtype is tf.int32
    assert repr(sparse) == "SparseTensorSpec(TensorShape([3, None]), tf.int32)"
    slices = tf.IndexedSlicesSpec([None, 4], tf.float32)
    assert slices.value_type is tf.IndexedSlices


def test_tensor_shape_arguments_everywhere():
    for shape in (
        [2, 3],
        (2, 3),
        tf.TensorShape([2, 3]),
        np.array([2, 3]),
        tf.constant([2, 3]),
        [tf.constant(2), 3],
    ):
        assert tf.zeros(shape).shape == [2, 3]
        assert tf.fill(shape, 7).shape == [2, 3]
    assert tf.zeros(4).shape == [4]


def test_sizes_of_tensors():
    x = tf.zeros([2, 3, 4])
    assert tf.rank(x).numpy() == 3 and tf.size(x).numpy() == 24
    assert tf.shape(x).dtype is tf.int32 and tf.shape(x, out_type=tf.int64).dtype is tf.int64
    assert tf.shape(x).numpy().tolist() == [2, 3, 4]
    assert tf.get_static_value(tf.constant([1, 2])).tolist() == [1, 2]
    assert [s.numpy().tolist() for s in tf.shape_n([x, tf.zeros([1])])] == [[2, 3, 4], [1]]
