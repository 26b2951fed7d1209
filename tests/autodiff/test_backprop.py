"""Reverse accumulation over records, by itself."""

import random

import numpy as np
import pytest

import everflow as tf
from everflow._src.autodiff.backprop import Record, accumulate, add

F = tf.constant


def record(inputs, outputs, backward, name="Op"):
    """A record whose tensors have numbers for identities."""
    metas = [(tf.TensorShape([]), tf.float32, None)] * len(outputs)
    return Record(inputs, outputs, metas, backward, name)


def scale(source, target, factor):
    return record([source], [target], lambda dys: [dys[0] * factor])


def values(gradients):
    return [None if g is None else float(g) for g in gradients]


def test_a_chain():
    records = [scale(1, 2, 3.0), scale(2, 3, 5.0)]
    assert values(accumulate(records, [3], [F(1.0)], [1, 2, 3, 9])) == [15, 5, 1, None]


def test_paths_are_added():
    records = [scale(1, 2, 2.0), scale(1, 3, 3.0), record([2, 3, 1], [4], lambda dys: [dys[0]] * 3)]
    assert values(accumulate(records, [4], [F(1.0)], [1])) == [6]


def test_what_no_source_reaches_is_not_differentiated():
    def never(dys):
        raise AssertionError("not needed")

    records = [record([7], [8], never), scale(1, 2, 2.0), record([2], [9], never)]
    assert values(accumulate(records, [2], [F(1.0)], [1])) == [2]


def test_targets_and_sources_in_the_middle():
    records = [scale(1, 2, 2.0), scale(2, 3, 5.0)]
    assert values(accumulate(records, [3, 2], [F(1.0), F(100.0)], [1, 2])) == [210, 105]
    assert values(accumulate(records, [3, 3], [F(1.0), F(1.0)], [1])) == [20]
    assert values(accumulate(records, [3], [None], [1])) == [None]


def test_stops():
    records = [scale(1, 2, 2.0), scale(2, 3, 5.0), record([3, 1], [4], lambda dys: [dys[0], dys[0]])]
    assert values(accumulate(records, [4], [F(1.0)], [1, 2], {2})) == [1, 5]
    assert values(accumulate(records, [4], [F(1.0)], [1], {3})) == [1]


def test_unused_outputs_receive_zeros_or_none():
    received = []

    def backward(dys):
        received.append(dys)
        return [dys[0]]

    def patient(dys):
        received.append(dys)
        return [dys[0]]

    patient.accepts_none = True
    for rule in (backward, patient):
        accumulate([record([1], [2, 3], rule)], [2], [F(1.0)], [1])
    assert values(received[0]) == [1, 0] and received[1][1] is None


def test_the_number_of_gradients_is_checked():
    with pytest.raises(ValueError, match="Num gradients 2 generated for op Odd do not match num inputs 1"):
        accumulate([record([1], [2], lambda dys: [dys[0]] * 2, "Odd")], [2], [F(1.0)], [1])


def test_gradients_that_are_none_end_a_path():
    records = [record([1, 2], [3], lambda dys: [None, dys[0]]), scale(3, 4, 2.0)]
    assert values(accumulate(records, [4], [F(1.0)], [1, 2])) == [None, 2]


def test_random_graphs_against_forward_accumulation():
    for seed in range(20):
        generator = random.Random(seed)
        records, derivative = [], {0: 1.0, 1: 0.0}
        for node in range(2, 14):
            inputs = [generator.randrange(node) for _ in range(generator.randint(1, 3))]
            factors = [generator.choice([-1.0, 0.5, 2.0]) for _ in inputs]
            records.append(record(inputs, [node], lambda dys, f=factors: [dys[0] * x for x in f]))
            derivative[node] = sum(f * derivative[i] for i, f in zip(inputs, factors))
        for target in (5, 9, 13):
            found = values(accumulate(records, [target], [F(1.0)], [0]))[0] or 0.0
            assert found == pytest.approx(derivative[target])


def test_sums_of_slices_stay_slices():
    slices = [
        tf.IndexedSlices(F([[1.0]]), F([0]), F([3, 1])), tf.IndexedSlices(F([[2.0]]), F([2], tf.int64), F([3, 1]))
    ]
    total = add(slices)
    assert isinstance(total, tf.IndexedSlices) and total.indices.dtype == tf.int64
    np.testing.assert_array_equal(tf.convert_to_tensor(total), [[1], [0], [2]])
    np.testing.assert_array_equal(add([*slices, F([[1.0], [1.0], [1.0]])]), [[2], [1], [3]])
    assert add(slices[:1]) is slices[0]
