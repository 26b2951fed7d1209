"""Operators of tensors: which operand's dtype counts, who answers for foreign types, how == compares."""

import numpy as np
import pytest
from everflow.compat import v1

import everflow as tf


@pytest.mark.parametrize("operator", ["+", "-", "*", "//", "%", "**"])
@pytest.mark.parametrize("dtype", ["int32", "float32", "float64"])
def test_arithmetic_agrees_with_numpy(operator, dtype):
    x, y = np.array([7, 5, 9], dtype), np.array([2, 3, 4], dtype)
    expected = eval(f"x {operator} y")
    for left, right in ((tf.constant(x), tf.constant(y)), (tf.constant(x), y), (x, tf.constant(y))):
        result = eval("left " + operator + " right", {"left": left, "right": right})
        assert isinstance(result, tf.Tensor)
        assert result.dtype == dtype
        np.testing.assert_allclose(result.numpy(), expected)


@pytest.mark.parametrize(
    "dtype, quotient",
    [("int8", "float32"), ("uint16", "float32"), ("int32", "float64"), ("int64", "float64"), ("float16", "float16")],
)
def test_quotients_of_integers_are_floating_point(dtype, quotient):
    assert (tf.constant([3], dtype) / tf.constant([2], dtype)).dtype == quotient


def test_numbers_follow_the_tensor():
    x = tf.constant([1.0, 2.0])
    assert (x + 1).dtype == tf.float32
    assert (1 - x).dtype == tf.float32
    assert (x * np.float64(3)).dtype == tf.float32
    assert (np.float64(3) * x).dtype == tf.float32
    assert (x + np.array([1.0, 2.0])).dtype == tf.float32
    assert (tf.constant(1) + True).numpy() == 2


def test_dtypes_that_differ_are_refused():
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected to be a int32 tensor but is a float"):
        tf.constant(1) + 1.5
    with pytest.raises(TypeError, match="Cannot convert 1.5"):
        1.5 + tf.constant(1)
    with pytest.raises(TypeError, match="Cannot convert 2.0"):
        tf.constant(1) * 2.0
    with tf.Graph().as_default():
        with pytest.raises(TypeError, match="does not match type int32"):
            tf.constant(1) + 1.5


def test_integer_division_by_zero_is_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError, match="division by zero"):
        tf.constant(3) // 0
    assert np.isinf((tf.constant(3.0) // 0.0).numpy())


def test_bits_and_logic():
    assert (tf.constant(6) & 3).numpy() == 2
    assert (6 | tf.constant(1)).numpy() == 7
    assert (~tf.constant(5)).numpy() == -6
    assert (tf.constant([True, False]) ^ True).numpy().tolist() == [False, True]
    assert (~tf.constant(True)).numpy() == False  # noqa: E712 - a NumPy bool


class Foreign:
    """An operand that knows what to do with tensors."""

    def __radd__(self, other):
        return "answered"

    def __rmatmul__(self, other):
        return "multiplied"


def test_foreign_types_may_answer():
    assert tf.constant([1]) + Foreign() == "answered"
    assert tf.constant([[1.0]]) @ Foreign() == "multiplied"
    with pytest.raises(ValueError, match="unsupported type"):
        tf.constant([1]) + object()


def test_equality_by_value():
    x = tf.constant([1, 2])
    assert (x == [1, 3]).numpy().tolist() == [True, False]
    assert (x == None) is False  # noqa: E711 - the operator is what is tested
    assert (x != None) is True  # noqa: E711
    assert not (x == [1, 2, 3])
    assert x != [1, 2, 3]
    with pytest.raises(TypeError):
        hash(x)


def test_equality_is_identity_in_plain_graphs():
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32, [])
        assert (x == x) is True
        assert (x == 1.0) is False
        assert {x: 1}[x] == 1


def test_names_of_operations():
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [2, 2], name="x")
        names = [t.name for t in (x + 1, 1 - x, x * x, x / 2, x // 2, x % 2, x**2, -x, x @ x, x < 1)]
        assert names == [
            "add:0",
            "sub:0",
            "mul:0",
            "truediv:0",
            "floordiv:0",
            "mod:0",
            "pow:0",
            "Neg:0",
            "matmul:0",
            "Less:0",
        ]
        assert graph.get_operation_by_name("add/y").type == "Const"
