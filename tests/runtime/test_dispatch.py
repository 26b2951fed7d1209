"""The one door: which dtypes an operation takes, and what it says when it does not."""

import numpy as np
import pytest

import everflow as tf
from everflow._src.framework.registry import CARDS
from everflow._src.runtime.dispatch import resolve


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def card(name):
    tf.linalg.matmul([[1.0]], [[1.0]])  # loads the operations
    return CARDS[name]


# ---- dtypes


@pytest.mark.parametrize("inputs, expected", [
    ((1, 2), "int32"),
    ((1.0, 2), "float32"),
    ((np.float64(1), 2), "float64"),
    ((np.ones(2, np.float16), 1.5), "float16"),
])
def test_dtypes_of_plain_values(inputs, expected):
    assert tf.multiply(*inputs).dtype == expected


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int8", "uint64", "complex64"])
@pytest.mark.parametrize("tensor_first", [True, False])
def test_tensors_decide_for_numbers(dtype, tensor_first):
    x = tf.cast([1, 2], dtype)
    for number in (3, [3, 4], np.array(3).tolist()):
        result = tf.multiply(x, number) if tensor_first else tf.multiply(number, x)
        assert result.dtype == dtype


def test_numbers_that_do_not_fit():
    with pytest.raises(TypeError, match="1.5"):
        tf.multiply(tf.constant(1), 1.5)
    with pytest.raises((ValueError, TypeError)):
        tf.multiply(tf.constant(1, tf.int8), "text")


def test_two_tensors_of_two_dtypes():
    with pytest.raises(tf.errors.InvalidArgumentError, match="Mul as input #1.* expected to be a float tensor but is a "
                                                             "double tensor"):
        tf.multiply(tf.constant(1.0), tf.constant(1.0, tf.float64))


def test_two_tensors_of_two_dtypes_in_a_graph(graph):
    with pytest.raises(TypeError, match="Input 'y' of 'Mul' Op has type float64 that does not match type float32 of "
                                        "argument 'x'"):
        tf.multiply(tf.constant(1.0), tf.constant(1.0, tf.float64))


def test_dtypes_that_an_operation_does_not_take():
    with pytest.raises(tf.errors.InvalidArgumentError, match="attr 'T' of bool is not in the list of allowed"):
        tf.sin(tf.constant(True))
    with tf.Graph().as_default(), pytest.raises(TypeError, match="DataType bool not in list of allowed values"):
        tf.sin(tf.constant(True))


def test_dtypes_in_lists():
    with pytest.raises((tf.errors.InvalidArgumentError, TypeError, ValueError)):
        tf.concat([tf.constant([1.0]), tf.constant([1])], 0)
    assert tf.stack([1, tf.constant(2.0), 3]).dtype == tf.float32
    assert tf.concat([[1], tf.constant([2], tf.int64)], 0).dtype == tf.int64


# ---- signatures


def test_number_of_inputs():
    with pytest.raises(TypeError, match="takes 2 inputs .*received 1"):
        card("AddV2")(tf.constant(1.0))


def test_unknown_and_missing_attrs():
    with pytest.raises(TypeError, match="unexpected attr 'speed'"):
        card("MatMul")([[1.0]], [[1.0]], speed=3)
    with pytest.raises(TypeError, match="needs the attr"):
        card("Cast")(tf.constant(1.0))
    with pytest.raises(TypeError, match="expects a bool"):
        card("MatMul")([[1.0]], [[1.0]], transpose_a="yes")


def test_lists_must_be_lists():
    with pytest.raises(TypeError, match="Expected list for 'inputs' argument to 'AddN'"):
        card("AddN")(tf.constant(1.0))


def test_attrs_are_completed():
    flat, attrs = resolve(card("MatMul"), ([[1.0]], [[2.0]]), {"transpose_b": np.True_}, None)
    assert [t.dtype for t in flat] == [tf.float32] * 2
    assert attrs["transpose_a"] is False and attrs["transpose_b"] is True and attrs["T"] == tf.float32


# ---- calls that are remembered


def test_remembered_calls_give_what_first_calls_gave():
    tf.atan2(1.0, 2.0)
    known = card("Atan2")
    known.calls.clear()
    combinations = [
        (tf.constant([1.0, 2.0]), tf.constant([3.0, 4.0])), (tf.constant(1.0, tf.float64), 2.0),
        (np.ones(2, np.float32), tf.constant([1.0, 2.0])), (tf.constant([1.0]), 2), (1.0, 2.0),
        (np.ones(2), np.ones(2)), (1, tf.constant(2.0)),
    ]
    first = [tf.atan2(a, b) for a, b in combinations]
    second = [tf.atan2(a, b) for a, b in combinations]
    for a, b in zip(first, second):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_arrays_of_the_caller_are_copied():
    array = np.ones(3, np.float32)
    with tf.GradientTape() as tape:
        x = tf.Variable(2.0)
        y = tf.reduce_sum(tf.multiply(array, x))
        z = tf.identity(array)
    array[:] = 100.0
    assert float(tape.gradient(y, x)) == 3.0
    np.testing.assert_array_equal(z, [1, 1, 1])


def test_results_do_not_share_memory_with_arrays():
    array = np.ones((2, 3), np.float32)
    results = [tf.reshape(array, [3, 2]), tf.transpose(array), tf.squeeze(array), tf.convert_to_tensor(array)]
    array[:] = 5.0
    for result in results:
        np.testing.assert_array_equal(result, np.ones(result.shape))


def test_several_outputs_have_names():
    result = tf.unique([3, 3, 1])
    assert result.y.numpy().tolist() == [3, 1] and result.idx.numpy().tolist() == [0, 0, 1]
    values, indices = tf.math.top_k([1.0, 3.0, 2.0], 2)
    assert values.numpy().tolist() == [3, 2] and indices.numpy().tolist() == [1, 2]


def test_symbolic_tensors_outside_of_their_graph():
    with tf.Graph().as_default():
        x = tf.constant(1.0)
    with pytest.raises((TypeError, ValueError, NotImplementedError)):
        tf.exp(x)


def test_names_of_converted_operands(graph):
    x = tf.compat.v1.placeholder(tf.float32, [])
    tf.add(x, 1.0, name="plus")
    (x + 2.0).op  # noqa: B018
    assert [op.name for op in graph.get_operations()] == ["Placeholder", "plus/y", "plus", "add/y", "add"]
