"""Converted functions compute what Python computes: also where TensorFlow 2.15 refuses to convert."""

import itertools

import numpy as np
import pytest

import everflow as tf


def matched(x):
    match 3:
        case 1:
            y = x
        case 3 if True:
            y = x * 3 if x > 0 else x
        case _:
            y = 0
    return y


def assigned_in_conditions(x):
    steps = 0
    while (rest := x - steps) > 2:
        steps += 1
    if (double := x * 2) > 5:
        return steps, rest, double
    return steps, rest, -double


def returned_from_loops(x):
    for i in tf.range(10):
        x += 1
        for j in range(3):
            if i * j > 4:
                return x * 10 + j
    return -x


def returned_from_endless_loops(x):
    while True:
        x += 1
        if x > 10:
            return x
        if x % 2 == 0:
            continue
        x += 1


def returned_from_with_and_try(x):
    with tf.name_scope("a"):
        for i in tf.range(4):
            if i == x:
                return i * 100
    try:
        {}["missing"]
    except KeyError:
        if x > 5:
            return x + 1
        return x + 2
    return x


def loops_with_else(x):
    for i in tf.range(4):
        if i == x:
            break
    else:
        x += 1000
    while x > 2:
        x -= 1
        if x == 1:
            break
    else:
        x += 100
    return x


def left_on_a_tensor(x):
    total = 0
    for i, k in enumerate([5, 1, 7, 9]):
        if k > x:
            continue
        total += i * k
        if total > 6:
            break
    return total


def chained(x):
    return 0 < x + 1 < x * 2 <= 6, 1 < x != 3


def nested_functions(x):
    def scaled(a, b=x, *, c=2):
        if a > b:
            return a + c
        return b * c

    count = 0

    def bump():
        nonlocal count
        count += 1
        return count

    for _ in range(3):
        if bump() == 2:
            continue
        x += bump()
    return scaled(1) + scaled(x + 1, c=5), count


def swapped_and_unpacked(x):
    a = b = x
    a += 1
    b *= 2
    (c, d), e = (a, b), [a]
    if c > d:
        c, d = d, c
    first, *rest = [x, 1, 2]
    if x > 2:
        first, *rest = [rest[0], x, x]
    return a, b, c, d, e, first, rest


def names_of_branches(x):
    if x > 1:
        if x > 2:
            name = "big"
        else:
            name = "middle"
    else:
        name = "small"
    return name


def plain(value):
    return tf.nest.map_structure(lambda v: v.decode() if isinstance(v, bytes) else v, tf.nest.map_structure(
        lambda v: np.asarray(v).tolist(), value))


@pytest.mark.parametrize("function", [
    matched, assigned_in_conditions, returned_from_loops, returned_from_endless_loops, returned_from_with_and_try,
    loops_with_else, left_on_a_tensor, chained, nested_functions, swapped_and_unpacked, names_of_branches,
])
def test_functions(function):
    converted = tf.function(function)
    for number in (-3, 1, 2, 3, 7, 12):
        x = tf.constant(number)
        assert plain(converted(x)) == plain(function(x)), number
    assert converted.experimental_get_tracing_count() == 1


def test_a_function_that_may_fall_off_its_end_returns_in_all_branches():
    @tf.function
    def f(x):
        for i in itertools.chain([1, 2]):
            if i > x:
                return i

    with pytest.raises(ValueError, match="returned from all branches"):
        f(tf.constant(1))


def test_values_of_unknown_shape_are_returned_from_loops():
    @tf.function(input_signature=[tf.TensorSpec([None])])
    def f(x):
        for i in tf.range(3):
            if tf.reduce_sum(x) > 2.0:
                return x * tf.cast(i, tf.float32)
            x = x + 1.0
        return x[:1]

    assert f([0.0, 0.0]).numpy().tolist() == [4.0, 4.0]
    assert f([-5.0, -5.0]).numpy().tolist() == [-2.0]
