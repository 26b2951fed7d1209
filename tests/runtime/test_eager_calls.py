"""Eager calls look up how they resolve: the same answers, copies and errors as the first time."""

import numpy as np
import pytest

import everflow as tf
from everflow._src.framework.registry import CARDS
from everflow._src.ops import core  # noqa: F401 - declares the cards
from everflow._src.runtime import dispatch


@pytest.fixture(params=["first", "remembered"])
def addv2(request):
    """The card of AddV2, which has or has not met the operands of the test."""
    card = CARDS["AddV2"]
    card.calls.clear()
    if request.param == "remembered":
        half = tf.constant([0.5, 0.5])
        for y in (half, np.ones(2, np.float32), 1.0, 1):
            card(half, y)
        card(tf.constant([1, 2]), 3)
    yield card
    card.calls.clear()


@pytest.mark.parametrize("y", [tf.constant([1.0, 2.0]), np.array([1.0, 2.0], np.float32), [1.0, 2.0]])
def test_tensors_arrays_and_lists_are_operands(addv2, y):
    result = addv2(tf.constant([10.0, 20.0]), y)
    assert result.dtype == tf.float32
    np.testing.assert_array_equal(result.numpy(), [11.0, 22.0])


def test_numbers_take_the_dtype_of_the_tensor(addv2):
    assert addv2(tf.constant([0.5, 1.5]), 1).numpy().tolist() == [1.5, 2.5]
    assert addv2(tf.constant([0.5, 1.5]), 1).dtype == tf.float32
    assert addv2(tf.constant([1, 2]), 3).dtype == tf.int32


def test_a_number_that_does_not_fit_wraps_around(addv2):
    assert addv2(tf.constant([1, 2]), 2**40).numpy().tolist() == [1, 2]


def test_numbers_alone_choose_their_dtype_by_their_size(addv2):
    assert addv2(2**40, 1).dtype == tf.int64
    assert addv2(1, 1).dtype == tf.int32


def test_different_dtypes_are_refused(addv2):
    with pytest.raises(tf.errors.InvalidArgumentError, match="cannot compute AddV2"):
        addv2(tf.constant([1.0]), tf.constant([1]))


def test_shapes_that_do_not_fit_are_explained(addv2):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Incompatible shapes: \[2\] vs. \[3\]"):
        addv2(tf.constant([1.0, 2.0]), tf.constant([1.0, 2.0, 3.0]))


def test_results_do_not_share_memory_with_arrays_of_the_caller():
    for _ in range(2):
        array = np.array([1.0, 2.0], np.float32)
        result = CARDS["Identity"](array)
        array[0] = 7.0
        assert result.numpy().tolist() == [1.0, 2.0]


def test_attrs_are_told_apart():
    a = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    for _ in range(2):
        plain = CARDS["MatMul"](a, a)
        transposed = CARDS["MatMul"](a, a, transpose_b=True)
        assert plain.numpy().tolist() == [[7.0, 10.0], [15.0, 22.0]]
        assert transposed.numpy().tolist() == [[5.0, 11.0], [11.0, 25.0]]


def test_tapes_see_remembered_calls_with_arrays_and_numbers(addv2):
    x = tf.constant([1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = addv2(addv2(x, np.ones(2, np.float32)), 1.0) * x
    assert tape.gradient(y, x).numpy().tolist() == [4.0, 6.0]


def test_overflow_is_silent(addv2):
    x = tf.constant([3e38, 1.0])
    assert np.isinf(addv2(x, x).numpy()[0])


def test_what_is_remembered_stays_bounded(monkeypatch, addv2):
    monkeypatch.setattr(dispatch, "_MOST_CALLS", len(addv2.calls))
    before = dict(addv2.calls)
    for dtype in (tf.float64, tf.int64, tf.int16):
        assert addv2(tf.constant([1, 2], dtype), tf.constant([1, 2], dtype)).dtype == dtype
    assert addv2.calls == before
