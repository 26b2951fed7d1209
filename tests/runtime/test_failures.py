"""What users read when a kernel fails."""

import numpy as np
import pytest

import everflow as tf
from everflow._src.framework.registry import CARDS
from everflow._src.runtime.failures import explain, invalid

VALUES = [np.zeros((2, 3), np.float32), np.zeros(4, np.int32)]


@pytest.fixture
def card():
    tf.add(1, 2)
    return CARDS["AddV2"]


@pytest.mark.parametrize("error, expected", [
    (ValueError("bad"), tf.errors.InvalidArgumentError),
    (IndexError("far"), tf.errors.InvalidArgumentError),
    (TypeError("kind"), tf.errors.InvalidArgumentError),
    (OverflowError("big"), tf.errors.InvalidArgumentError),
    (ZeroDivisionError("zero"), tf.errors.InvalidArgumentError),
    (MemoryError("full"), tf.errors.ResourceExhaustedError),
    (NotImplementedError("later"), tf.errors.UnimplementedError),
    (KeyError("odd"), tf.errors.InternalError),
    (invalid("no"), tf.errors.InvalidArgumentError),
    (tf.errors.OutOfRangeError(None, None, "end"), tf.errors.OutOfRangeError),
])
def test_classes(card, error, expected):
    found = explain(error, card, VALUES, None, "sum")
    assert type(found) is expected
    assert "AddV2" in str(found) and "sum" in str(found) and str(error.args[-1] if error.args else "") in str(found)


def test_inputs_are_described(card):
    text = str(explain(ValueError("bad"), card, VALUES))
    assert "float32[2,3]" in text and "int32[4]" in text
    text = str(explain(ValueError("operands could not be broadcast together"), card, VALUES))
    assert "Incompatible shapes: [2,3] vs. [4]" in text


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(), GeneratorExit(), StopIteration()])
def test_what_is_no_failure_passes(card, error):
    assert explain(error, card, VALUES) is error


def test_errors_are_located_once(card):
    inner = explain(invalid("no"), card, VALUES)
    assert explain(inner, CARDS["MatMul"] if "MatMul" in CARDS else card, []) is inner


def test_the_operation_and_its_line_are_named():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None])
        y = tf.add(x, tf.constant([1.0, 2.0]), name="together")
        with tf.compat.v1.Session() as session, pytest.raises(tf.errors.InvalidArgumentError) as caught:
            session.run(y, {x: [1.0, 2.0, 3.0]})
    assert caught.value.op is y.op and caught.value.error_code == 3
    assert "together" in caught.value.message and "test_failures.py" in caught.value.message
    assert "[3] vs. [2]" in caught.value.message


def test_failures_inside_of_functions_name_the_line_there():
    @tf.function
    def f(x):
        if tf.size(x) > 0:
            y = tf.reshape(x, [2, 2])
        else:
            y = tf.zeros([2, 2])
        return y

    line = f.python_function.__code__.co_firstlineno + 3
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"test_failures.py:{line}"):
        f.get_concrete_function(tf.TensorSpec([None]))(tf.ones([3]))
