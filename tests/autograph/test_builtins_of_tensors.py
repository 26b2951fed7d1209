"""enumerate, zip, map and filter of tensors in converted code."""

import numpy as np
import pytest

import everflow as tf


def unknown(function):
    return tf.function(function, input_signature=[tf.TensorSpec([None], tf.int32)])


def known(function):
    return tf.function(function, input_signature=[tf.TensorSpec([3], tf.int32)])


def enumerated(x):
    s = 0
    for i, v in enumerate(x, 10):
        if v == 9:
            break
        s += i * v
    return s


def zipped(x):
    s = 0
    for a, b, c in zip(x, x[1:], range(5, 9)):
        s += a * b + c
    return s


def mapped(x):
    s = 0
    for v in map(lambda a, b: a * b if a > 1 else b, x, x):
        s += v
    return s


def nested(x):
    s = 0
    for i, (a, b) in enumerate(zip(x, x)):
        s += i * a + b
    return s


@pytest.mark.parametrize("function", [enumerated, zipped, mapped, nested])
@pytest.mark.parametrize("values", [[1, 2, 3], [4, 9, 2]])
def test_loops(function, values):
    x = tf.constant(values)
    expected = int(function(x))
    assert int(unknown(function)(x)) == int(known(function)(x)) == expected


@pytest.mark.parametrize("function", [
    lambda x: list(enumerate(x)),
    lambda x: list(zip(x, x)),
    lambda x: list(map(abs, x)),
    lambda x: list(filter(None, x)),
])
def test_lists_need_a_known_length(function):
    with pytest.raises(TypeError):
        unknown(function)(tf.constant([1, 2, 3]))


def test_lists_of_known_length():
    f = known(lambda x: (list(enumerate(x)), list(zip(x, [4, 5])), list(map(abs, x))))
    found = tf.nest.map_structure(lambda v: np.asarray(v).tolist(), f(tf.constant([1, -2, 3])))
    assert found == ([(0, 1), (1, -2), (2, 3)], [(1, 4), (-2, 5)], [1, 2, 3])


def test_what_is_no_tensor_cannot_be_zipped_with_unknown_lengths():
    def f(x):
        for a, _ in zip(x, [object(), object()]):
            x = x + a
        return x

    with pytest.raises(TypeError, match="which is no tensor"):
        unknown(f)(tf.constant([1, 2]))
