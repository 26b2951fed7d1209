"""Eager tensors: conversion, operators, methods, indexing, printed forms, and living together with NumPy."""

import copy
import operator

import numpy as np
import pytest
import tensorflow as tf

from tests.names import shown

A = np.array([[1.0, -2.0, 3.5], [4.0, 0.5, -6.0]], np.float32)
B = np.array([[2.0, 3.0, -1.5], [0.25, 8.0, 2.0]], np.float32)
I = np.array([7, -7, 5, 0], np.int32)
J = np.array([2, 2, -3, 4], np.int32)


# ------------------------------------------------------------------ conversion


@pytest.mark.parametrize(
    "value,dtype,shape",
    [
        (1, tf.int32, []),
        (1.0, tf.float32, []),
        (True, tf.bool, []),
        (1j, tf.complex128, []),
        ("a", tf.string, []),
        (b"a", tf.string, []),
        ([1, 2], tf.int32, [2]),
        ([1, 2.0], tf.float32, [2]),
        ([[True], [False]], tf.bool, [2, 1]),
        ([], tf.float32, [0]),
        ([[], []], tf.float32, [2, 0]),
        ((1, (2)), tf.int32, [2]),
        (["a", b"b"], tf.string, [2]),
        (range(3), tf.int32, [3]),
        (2**31, tf.int64, []),
        ([1, 2**40], tf.int64, [2]),
        (np.float64(1), tf.float64, []),
        (np.int64(1), tf.int64, []),
        ([np.float64(1)], tf.float64, [1]),
        (np.array([1, 2]), tf.int64, [2]),
        (np.array([1.0]), tf.float64, [1]),
        (np.array("s"), tf.string, []),
        (np.array(["s", "long"]), tf.string, [2]),
        (np.array([1 + 1j]), tf.complex128, [1]),
        (tf.TensorShape([2, 3]), tf.int32, [2]),
    ],
    ids=shown,
)
def test_constant_infers_dtype_and_shape(value, dtype, shape):
    for convert in (tf.constant, tf.convert_to_tensor):
        tensor = convert(value)
        assert tensor.dtype is dtype
        assert tensor.shape == shape
        assert tf.is_tensor(tensor) and isinstance(tensor, tf.Tensor)


def test_constant_with_dtype_and_shape():
    assert tf.constant(3, tf.float16).numpy().dtype == np.float16
    assert tf.constant([1, 2, 3, 4], shape=[2, 2]).numpy().tolist() == [[1, 2], [3, 4]]
    assert tf.constant(7, shape=[2, 2]).numpy().tolist() == [[7, 7], [7, 7]]
    assert tf.constant([1.0, 2.0], "float64").dtype is tf.float64
    assert tf.constant(1.0, dtype=np.float64).dtype is tf.float64
    assert tf.constant(np.array([1.5]), tf.int32).numpy().tolist() == [1]
    assert tf.convert_to_tensor([1, 2], dtype_hint=tf.float64).dtype is tf.float64
    assert tf.convert_to_tensor([1.5, 2], dtype_hint=tf.int32).dtype is tf.float32
    assert tf.convert_to_tensor([tf.constant(1.0), 2.0]).numpy().tolist() == [1.0, 2.0]
    assert tf.convert_to_tensor([tf.constant([1, 2]), [3, 4]]).numpy().tolist() == [[1, 2], [3, 4]]
    with pytest.raises(TypeError):
        tf.constant([1, 2, 3], shape=[2, 2])


@pytest.mark.parametrize(
    "value,dtype,error",
    [
        (1.5, tf.int32, TypeError),
        ([1.5], tf.int64, TypeError),
        ("a", tf.float32, TypeError),
        (1, tf.string, TypeError),
        (1, tf.bool, TypeError),
        (1j, tf.float32, TypeError),
        ([1, "a"], None, ValueError),
        ([[1], [1, 2]], None, ValueError),
        ([[1], 2], None, ValueError),
        (None, None, ValueError),
        (object(), None, ValueError),
        ({"a": 1}, None, ValueError),
        (2**63, None, ValueError),
    ],
    ids=shown,
)
def test_what_does_not_convert(value, dtype, error):
    with pytest.raises(error):
        tf.constant(value, dtype)
    with pytest.raises(error):
        tf.convert_to_tensor(value, dtype)


def test_tensor_is_not_converted_to_another_dtype():
    with pytest.raises(ValueError, match="float32"):
        tf.convert_to_tensor(tf.constant(1), tf.float32)
    tensor = tf.constant(1.0)
    assert tf.convert_to_tensor(tensor) is tensor


def test_objects_that_know_their_array():
    class Box:
        def __array__(self, dtype=None, copy=None):
            return np.array([1.0, 2.0], dtype or np.float32)

    assert tf.convert_to_tensor(Box()).numpy().tolist() == [1.0, 2.0]
    assert tf.add(Box(), 1.0).numpy().tolist() == [2.0, 3.0]
    array = np.zeros(3, np.float32)
    tensor = tf.constant(array)
    array[0] = 5.0
    assert tensor.numpy().tolist() == [0.0, 0.0, 0.0]


def test_numpy_of_a_tensor():
    tensor = tf.constant([[1, 2], [3, 4]])
    array = tensor.numpy()
    assert isinstance(array, np.ndarray) and array.dtype == np.int32
    assert isinstance(tf.constant(1.0).numpy(), np.float32)
    assert isinstance(tf.constant(True).numpy(), np.bool_)
    assert tf.constant("a").numpy() == b"a" and isinstance(tf.constant("é").numpy(), bytes)
    assert tf.constant("é").numpy() == "é".encode()
    strings = tf.constant(["a", "bc"]).numpy()
    assert strings.dtype == object and strings.tolist() == [b"a", b"bc"]


# ------------------------------------------------------------------ operators

BINARY = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.pow,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
    operator.eq,
    operator.ne,
]


@pytest.mark.parametrize("function", BINARY)
def test_float_operators(function):
    left = np.abs(A) if function is operator.pow else A
    expected = function(left, B)
    for result in (function(tf.constant(left), tf.constant(B)), function(tf.constant(left), B)):
        assert isinstance(result, tf.Tensor)
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-6)
        assert result.numpy().dtype == expected.dtype
    reflected = function(left, tf.constant(B))
    assert isinstance(reflected, tf.Tensor)
    np.testing.assert_allclose(reflected.numpy(), expected, rtol=1e-6)
    number = function(tf.constant(B), 2)
    assert number.dtype in (tf.float32, tf.bool)
    np.testing.assert_allclose(number.numpy(), function(B, np.float32(2)), rtol=1e-6)
    np.testing.assert_allclose(function(2.0, tf.constant(B)).numpy(), function(np.float32(2), B), rtol=1e-6)


@pytest.mark.parametrize("function", [f for f in BINARY if f not in (operator.truediv, operator.pow)])
def test_integer_operators(function):
    result = function(tf.constant(I), tf.constant(J))
    assert result.numpy().tolist() == function(I, J).tolist()
    assert result.dtype is (tf.int32 if function(I, J).dtype == np.int32 else tf.bool)


def test_integer_division_gives_float64():
    result = tf.constant(I) / tf.constant(J)
    assert result.dtype is tf.float64
    assert result.numpy().tolist() == (I / J).tolist()
    assert (tf.constant([1, 2], tf.int8) / tf.constant([2, 2], tf.int8)).dtype is tf.float32
    assert (tf.constant([1, 2], tf.int16) / 2).dtype is tf.float32
    assert (3 / tf.constant(2)).dtype is tf.float64
    assert (tf.constant([2, 3]) ** 2).numpy().tolist() == [4, 9]


def test_unary_and_logical_operators():
    x, true, false = tf.constant(A), tf.constant([True, False]), tf.constant([False, False])
    np.testing.assert_array_equal((-x).numpy(), -A)
    np.testing.assert_array_equal(abs(x).numpy(), np.abs(A))
    assert (~true).numpy().tolist() == [False, True]
    assert (true & false).numpy().tolist() == [False, False]
    assert (true | false).numpy().tolist() == [True, False]
    assert (true ^ true).numpy().tolist() == [False, False]
    assert (true & True).numpy().tolist() == [True, False]
    assert (False | true).numpy().tolist() == [True, False]
    bits = tf.constant([6, 3])
    assert (bits & 5).numpy().tolist() == [4, 1]
    assert (bits | 8).numpy().tolist() == [14, 11]
    assert (bits ^ bits).numpy().tolist() == [0, 0]
    assert (~bits).numpy().tolist() == [-7, -4]


def test_matmul_operator():
    result = tf.constant(A) @ tf.constant(B.T)
    np.testing.assert_allclose(result.numpy(), A @ B.T, rtol=1e-6)
    assert isinstance(A @ tf.constant(B.T), tf.Tensor)
    assert (tf.ones([4, 2, 3]) @ tf.ones([4, 3, 5])).shape == [4, 2, 5]
    assert (tf.ones([4, 2, 3]) @ tf.ones([3, 5])).shape == [4, 2, 5]
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.ones([2, 3]) @ tf.ones([2, 3])
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.ones([3]) @ tf.ones([3])


def test_operators_do_not_mix_dtypes():
    one, other = tf.constant(1.0), tf.constant(1)
    for function in (operator.add, operator.mul, operator.truediv, operator.lt):
        with pytest.raises((tf.errors.InvalidArgumentError, TypeError)):
            function(one, other)
    with pytest.raises(tf.errors.InvalidArgumentError):
        one + tf.constant(1.0, tf.float64)
    with pytest.raises((tf.errors.InvalidArgumentError, TypeError)):
        other + 1.5
    with pytest.raises((tf.errors.InvalidArgumentError, TypeError)):
        1.5 * other
    assert (one + np.ones(2)).dtype is tf.float32 and (np.ones(2) * one).dtype is tf.float32
    assert (one + 1).dtype is tf.float32 and (one + np.float32(1)).dtype is tf.float32
    assert (one == 1).numpy() and (other == tf.constant(2)).numpy() == False  # noqa: E712


def test_comparison_with_incompatible_things():
    x = tf.constant([1, 2])
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711
    assert (x == [1, 3]).numpy().tolist() == [True, False]
    assert (x == tf.constant([1, 2, 3])).numpy() == False and (x != tf.constant([1, 2, 3])).numpy() == True  # noqa: E712
    with pytest.raises(TypeError):
        x == "a"  # noqa: B015


def test_broadcasting_operators():
    assert (tf.ones([3, 1]) + tf.ones([4])).shape == [3, 4]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Incompatible shapes"):
        tf.ones([3]) + tf.ones([4])


def test_in_place_operators_make_new_tensors():
    x = tf.constant([1.0])
    before = x
    x += 1
    x *= 3
    x -= 1
    x /= 5
    assert x.numpy().tolist() == [1.0] and before.numpy().tolist() == [1.0] and x is not before


# ------------------------------------------------------------------ Python protocols


def test_bool_int_float_len_iter():
    assert bool(tf.constant(True)) and not bool(tf.constant(0.0)) and bool(tf.constant([2]))
    assert int(tf.constant(3.9)) == 3 and float(tf.constant(2)) == 2.0 and complex(tf.constant(1.5)) == 1.5
    assert isinstance(int(tf.constant(3)), int) and isinstance(float(tf.constant(3.0)), float)
    assert [10, 11, 12][tf.constant(1)] == 11 and list(range(tf.constant(2))) == [0, 1]
    assert operator.index(tf.constant(5, tf.int64)) == 5
    assert len(tf.zeros([4, 2])) == 4
    rows = list(tf.constant([[1, 2], [3, 4]]))
    assert all(isinstance(row, tf.Tensor) for row in rows)
    assert [row.numpy().tolist() for row in rows] == [[1, 2], [3, 4]]
    first, second = tf.constant([5, 6])
    assert int(first) == 5 and int(second) == 6
    assert f"{tf.constant(1.5):.2f}" == "1.50"
    assert 3 in tf.constant([1, 2, 3]).numpy()


def test_protocol_errors():
    with pytest.raises(ValueError, match="ambiguous"):
        bool(tf.constant([True, False]))
    with pytest.raises(TypeError):
        len(tf.constant(1))
    with pytest.raises(TypeError):
        iter(tf.constant(1))
    with pytest.raises(TypeError):
        hash(tf.constant(1))
    with pytest.raises((TypeError, AttributeError)):
        operator.index(tf.constant(1.5))
    with pytest.raises(TypeError):
        int(tf.constant([1, 2]))
    with pytest.raises(TypeError):
        tf.constant([1, 2])[0] = 1
    with pytest.raises(AttributeError):
        tf.constant(1).no_such_method  # noqa: B018
    with pytest.raises(AttributeError):
        tf.constant(1).op  # noqa: B018
    with pytest.raises(AttributeError):
        tf.constant(1).graph  # noqa: B018
    with pytest.raises(AttributeError):
        tf.constant(1).name  # noqa: B018


def test_ref_hashes_by_identity():
    x, y = tf.constant(1.0), tf.constant(1.0)
    assert x.ref() == x.ref() and x.ref() != y.ref()
    assert {x.ref(): "x"}[x.ref()] == "x"
    assert x.ref().deref() is x
    assert len({x.ref(), y.ref(), x.ref()}) == 2


def test_attributes_and_copies():
    x = tf.constant([[1.0, 2.0]])
    assert x.ndim == 2 and x.get_shape() == [1, 2] and x.shape.rank == 2
    assert x.device.endswith("CPU:0")
    assert x.cpu().numpy().tolist() == [[1.0, 2.0]]
    assert copy.copy(x).numpy().tolist() == copy.deepcopy(x).numpy().tolist() == [[1.0, 2.0]]
    x.set_shape([1, None])
    with pytest.raises(ValueError):
        x.set_shape([3, 2])


@pytest.mark.parametrize(
    "value,printed,represented",
    [
        (1.5, "tf.Tensor(1.5, shape=(), dtype=float32)", "<tf.Tensor: shape=(), dtype=float32, numpy=1.5>"),
        (
            [1, 2],
            "tf.Tensor([1 2], shape=(2,), dtype=int32)",
            "<tf.Tensor: shape=(2,), dtype=int32, numpy=array([1, 2], dtype=int32)>",
        ),
        (
            [[1.0, 2.0], [3.0, 4.0]],
            "tf.Tensor(\n[[1. 2.]\n [3. 4.]], shape=(2, 2), dtype=float32)",
            "<tf.Tensor: shape=(2, 2), dtype=float32, numpy=\n"
            "array([[1., 2.],\n       [3., 4.]], dtype=float32)>",
        ),
        (True, "tf.Tensor(True, shape=(), dtype=bool)", "<tf.Tensor: shape=(), dtype=bool, numpy=True>"),
        (
            "hi",
            "tf.Tensor(b'hi', shape=(), dtype=string)",
            "<tf.Tensor: shape=(), dtype=string, numpy=b'hi'>",
        ),
        (
            ["a", "b"],
            "tf.Tensor([b'a' b'b'], shape=(2,), dtype=string)",
            "<tf.Tensor: shape=(2,), dtype=string, numpy=array([b'a', b'b'], dtype=object)>",
        ),
        (
            np.int64(3),
            "tf.Tensor(3, shape=(), dtype=int64)",
            "<tf.Tensor: shape=(), dtype=int64, numpy=3>",
        ),
        (
            [],
            "tf.Tensor([], shape=(0,), dtype=float32)",
            "<tf.Tensor: shape=(0,), dtype=float32, numpy=array([], dtype=float32)>",
        ),
    ],
    ids=shown,
)
def test_printed_forms(value, printed, represented):
    assert str(tf.constant(value)) == printed
    assert repr(tf.constant(value)) == represented


def test_print_of_an_eager_tensor(capsys):
    print(tf.constant([1.0, 2.0]) * 2)
    assert capsys.readouterr().out == "tf.Tensor([2. 4.], shape=(2,), dtype=float32)\n"


# ------------------------------------------------------------------ indexing

X = np.arange(60, dtype=np.int32).reshape(3, 4, 5)
INDICES = [
    np.s_[0],
    np.s_[-1],
    np.s_[1, 2],
    np.s_[1, 2, 3],
    np.s_[:],
    np.s_[1:],
    np.s_[:-1],
    np.s_[1:2],
    np.s_[::2],
    np.s_[::-1],
    np.s_[:, 1],
    np.s_[..., 1],
    np.s_[..., 1:3],
    np.s_[0, ..., 2],
    np.s_[...],
    np.s_[None],
    np.s_[:, None],
    np.s_[..., None],
    np.s_[None, 1, ..., None, ::2],
    np.s_[1:3, ::2, ::-2],
    np.s_[5:],
    np.s_[2:1],
    np.s_[-2:, -3:-1],
    np.s_[::-1, 3:0:-2],
    np.s_[:100],
    np.s_[-100:],
    np.s_[0:0],
    np.s_[:, :, -1:],
]


@pytest.mark.parametrize("index", INDICES, ids=shown)
def test_indexing_as_numpy(index):
    result = tf.constant(X)[index]
    assert result.shape == X[index].shape
    np.testing.assert_array_equal(result.numpy(), X[index])
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        symbolic = tf.constant(X)[index]
        assert symbolic.shape == X[index].shape
        np.testing.assert_array_equal(session.run(symbolic), X[index])


def test_indexing_with_tensors():
    x, i = tf.constant(X), tf.constant(1)
    np.testing.assert_array_equal(x[i].numpy(), X[1])
    np.testing.assert_array_equal(x[i:].numpy(), X[1:])
    np.testing.assert_array_equal(x[: i + 1, i, ::2].numpy(), X[:2, 1, ::2])
    np.testing.assert_array_equal(x[tf.constant(2, tf.int64)].numpy(), X[2])
    np.testing.assert_array_equal(x[np.int64(1), tf.newaxis].numpy(), X[1, None])
    np.testing.assert_array_equal(x[x > 30].numpy(), X[X > 30])
    np.testing.assert_array_equal(x[tf.constant([True, False, True])].numpy(), X[[0, 2]])


@pytest.mark.parametrize("index", [3, -4, (0, 4), (0, 0, -6)], ids=shown)
def test_index_out_of_bounds(index):
    with pytest.raises(tf.errors.InvalidArgumentError, match="out of bounds"):
        tf.constant(X)[index]


@pytest.mark.parametrize("index", [1.5, "a", (0, [1])], ids=shown)
def test_index_of_wrong_type(index):
    with pytest.raises(TypeError):
        tf.constant(X)[index]


def test_too_many_indices():
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.constant(X)[0, 0, 0, 0]
    with pytest.raises(tf.errors.InvalidArgumentError, match="ellips"):
        tf.constant(X)[..., 0, ...]
    np.testing.assert_array_equal(tf.constant(X)[[1, 2]].numpy(), X[1, 2])


# ------------------------------------------------------------------ with NumPy


def test_numpy_functions_of_tensors():
    x = tf.constant(A)
    for function in (np.add, np.multiply, np.maximum):
        result = function(x, 1)
        assert isinstance(result, (np.ndarray, tf.Tensor))
        np.testing.assert_array_equal(np.asarray(result), function(A, 1))
    assert float(np.asarray(np.prod(x))) == np.prod(A)
    np.testing.assert_array_equal(np.asarray(x), A)
    np.testing.assert_array_equal(np.array(x, np.float64), A.astype(np.float64))
    assert np.array(x).dtype == np.float32
    np.testing.assert_allclose(np.mean(x), np.mean(A))
    np.testing.assert_array_equal(np.stack([x, x]), np.stack([A, A]))
    np.testing.assert_array_equal(np.exp(x), np.exp(A))
    assert isinstance(np.exp(x), np.ndarray)
    assert np.allclose(x, A) and np.array_equal(x, A)
    assert np.shape(x) == (2, 3) and np.ndim(x) == 2
    np.testing.assert_array_equal(np.transpose(np.asarray(x)), A.T)


def test_numpy_array_with_a_tensor_gives_a_tensor():
    assert tf.constant(A).__array_priority__ == 100
    for function in (operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.lt):
        result = function(np.abs(A), tf.constant(B))
        assert isinstance(result, tf.Tensor)
        np.testing.assert_allclose(result.numpy(), function(np.abs(A), B), rtol=1e-6)
    assert isinstance(np.float32(2) * tf.constant(B), tf.Tensor)
    array = A.copy()
    array += tf.constant(B)
    np.testing.assert_array_equal(np.asarray(array), A + B)


def test_array_indexed_by_tensor():
    array = np.arange(10)
    assert array[tf.constant(3)] == 3
    assert array[tf.constant([1, 2])].tolist() == [1, 2]
    assert array[: tf.constant(2)].tolist() == [0, 1]
    array[tf.constant(0)] = tf.constant(9)
    assert array[0] == 9


def test_dlpack_round_trip():
    x = tf.constant(A)
    back = tf.experimental.dlpack.from_dlpack(tf.experimental.dlpack.to_dlpack(x))
    np.testing.assert_array_equal(back.numpy(), A)
    assert back.dtype is tf.float32


def test_arrays_are_the_callers_own():
    x = tf.constant(A)
    array = x.numpy()
    array[:] = 0.0
    np.testing.assert_array_equal(x.numpy(), A)


def test_tensors_in_conversion_of_structures():
    x = tf.constant(2.0)
    stacked = tf.stack([x, 3.0, np.float32(4)])
    assert stacked.numpy().tolist() == [2.0, 3.0, 4.0]
    assert tf.convert_to_tensor([[x, x], [x, 1.0]]).shape == [2, 2]
    assert tf.reshape(tf.range(6), [tf.constant(2), -1]).shape == [2, 3]
    with pytest.raises((ValueError, TypeError, tf.errors.InvalidArgumentError)):
        tf.stack([x, tf.constant([1.0])])


def test_names_and_scopes_are_harmless_eagerly():
    with tf.name_scope("a") as scope:
        assert scope == "a/"
        x = tf.constant(1.0, name="x")
    with tf.control_dependencies([x]), tf.device("/cpu:0"):
        assert (x + 1).numpy() == 2.0
    assert tf.executing_eagerly()
    with tf.Graph().as_default():
        assert not tf.executing_eagerly()
    assert tf.executing_eagerly()
