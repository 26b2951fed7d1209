"""tf.nest: structures of lists, tuples, dictionaries, named tuples and attrs-like classes."""

import collections

import numpy as np
import pytest
import tensorflow as tf

from tests.names import shown

Point = collections.namedtuple("Point", ["x", "y"])
Other = collections.namedtuple("Other", ["x", "y"])


class Mapping(collections.abc.Mapping):
    """A mapping that is no dictionary."""

    def __init__(self, items):
        self._items = dict(items)

    def __getitem__(self, key):
        return self._items[key]

    def __iter__(self):
        return iter(self._items)

    def __len__(self):
        return len(self._items)


@pytest.mark.parametrize(
    "structure,leaves",
    [
        (1, [1]),
        (None, [None]),
        ("abc", ["abc"]),
        (b"abc", [b"abc"]),
        ([], []),
        ((), []),
        ({}, []),
        ([1, [2, [3]]], [1, 2, 3]),
        ((1, (2,), [3]), [1, 2, 3]),
        ({"b": 1, "a": 2}, [2, 1]),
        ({"b": [1, {"z": 3, "c": 4}], "a": 2}, [2, 1, 4, 3]),
        (collections.OrderedDict([("b", 1), ("a", 2)]), [2, 1]),
        (collections.defaultdict(list, b=1, a=2), [2, 1]),
        ({3: "c", 1: "a"}, ["a", "c"]),
        (Point(y=2, x=1), [1, 2]),
        ([Point(1, [2, 3]), None], [1, 2, 3, None]),
        (Mapping({"b": 1, "a": 2}), [2, 1]),
        ({1, 2}, [{1, 2}]),
        ([[], [1], []], [1]),
        (range(3), [0, 1, 2]),
    ],
    ids=shown,
)
def test_flatten(structure, leaves):
    assert tf.nest.flatten(structure) == leaves


def test_arrays_and_tensors_are_leaves():
    array, tensor = np.array([1, 2]), tf.constant([1, 2])
    flat = tf.nest.flatten({"b": array, "a": [tensor]})
    assert flat[0] is tensor and flat[1] is array
    assert tf.nest.flatten(tensor)[0] is tensor


def test_composites_are_leaves_unless_expanded():
    sparse = tf.SparseTensor([[0]], [1.0], [2])
    assert tf.nest.flatten([sparse])[0] is sparse
    expanded = tf.nest.flatten([sparse], expand_composites=True)
    assert [tensor.dtype for tensor in expanded] == [tf.int64, tf.float32, tf.int64]
    again = tf.nest.pack_sequence_as([sparse], expanded, expand_composites=True)
    assert isinstance(again[0], tf.SparseTensor)


@pytest.mark.parametrize(
    "value,nested",
    [
        (1, False),
        ("a", False),
        (None, False),
        ([], True),
        ((), True),
        ({}, True),
        (Point(1, 2), True),
        ({1}, False),
    ],
    ids=shown,
)
def test_is_nested(value, nested):
    assert tf.nest.is_nested(value) is nested
    assert tf.nest.is_nested(tf.constant([1])) is False
    assert tf.nest.is_nested(np.array([1])) is False


@pytest.mark.parametrize(
    "structure",
    [
        5,
        [1, [2, [3]]],
        (1, (2,), [3]),
        {"b": 1, "a": (2, 3)},
        Point([1], {"k": 2}),
        collections.OrderedDict([("b", 1), ("a", 2)]),
        [],
        [[], {}, ()],
    ],
    ids=shown,
)
def test_pack_reverses_flatten(structure):
    packed = tf.nest.pack_sequence_as(structure, tf.nest.flatten(structure))
    assert packed == structure and type(packed) is type(structure)


def test_pack_keeps_types_and_order_of_keys():
    ordered = collections.OrderedDict([("b", 0), ("a", 0)])
    packed = tf.nest.pack_sequence_as(ordered, ["first", "second"])
    assert isinstance(packed, collections.OrderedDict)
    assert list(packed.items()) == [("b", "second"), ("a", "first")]
    default = tf.nest.pack_sequence_as(collections.defaultdict(list, {"k": 0}), [1])
    assert isinstance(default, collections.defaultdict) and default["absent"] == []
    assert tf.nest.pack_sequence_as({"b": 0, "a": 0}, [1, 2]) == {"a": 1, "b": 2}
    assert isinstance(tf.nest.pack_sequence_as(Point(0, 0), [1, 2]), Point)
    assert tf.nest.pack_sequence_as("leaf", [9]) == 9


@pytest.mark.parametrize(
    "structure,flat,error",
    [
        ([1, 2], [1], ValueError),
        ([1, 2], [1, 2, 3], ValueError),
        (1, [1, 2], ValueError),
        ([1], 1, TypeError),
        ([1, 2], "ab", TypeError),
        ({"a": 1}, [], ValueError),
    ],
    ids=shown,
)
def test_pack_checks_its_arguments(structure, flat, error):
    with pytest.raises(error):
        tf.nest.pack_sequence_as(structure, flat)


def test_map_structure():
    assert tf.nest.map_structure(lambda x: x + 1, [1, {"a": 2, "b": (3,)}]) == [2, {"a": 3, "b": (4,)}]
    assert tf.nest.map_structure(lambda x, y: x * y, (2, [3]), (4, [5])) == (8, [15])
    result = tf.nest.map_structure(lambda x, y: (x, y), Point(1, 2), Point(3, 4))
    assert result == Point((1, 3), (2, 4))
    assert tf.nest.map_structure(lambda x: x * 2, 4) == 8
    assert tf.nest.map_structure(lambda x: None, [1, [2]]) == [None, [None]]
    tensors = tf.nest.map_structure(tf.square, {"a": tf.constant(3.0), "b": [tf.constant(4.0)]})
    assert tensors["a"].numpy() == 9.0 and tensors["b"][0].numpy() == 16.0
    swapped = tf.nest.map_structure(lambda x, y: x + y, [1, (2,)], (10, [20]), check_types=False)
    assert swapped == [11, (22,)]


@pytest.mark.parametrize(
    "left,right,error",
    [
        ([1], [1, 2], ValueError),
        ([1], 1, ValueError),
        (1, [1], ValueError),
        ([1], (1,), TypeError),
        ({"a": 1}, {"b": 1}, ValueError),
        ([[1]], [1], ValueError),
        (Point(1, 2), Other(1, 2), TypeError),
        (Point(1, 2), (1, 2), TypeError),
        ({"a": [1]}, {"a": (1,)}, TypeError),
        ([1, [2, 3]], [1, [2]], ValueError),
    ],
    ids=shown,
)
def test_structures_must_be_the_same(left, right, error):
    with pytest.raises(error):
        tf.nest.assert_same_structure(left, right)
    with pytest.raises(error):
        tf.nest.map_structure(lambda x, y: x, left, right)


@pytest.mark.parametrize(
    "left,right",
    [
        ([1, 2], ["a", None]),
        ({"a": 1, "b": 2}, {"b": 1, "a": 2}),
        ({"a": 1}, collections.OrderedDict(a=2)),
        (Point(1, [2]), Point("x", ["y"])),
        (1, "a"),
        ([], []),
    ],
    ids=shown,
)
def test_same_structures(left, right):
    assert tf.nest.assert_same_structure(left, right) is None


def test_types_may_be_ignored():
    assert tf.nest.assert_same_structure([1, 2], (1, 2), check_types=False) is None
    assert tf.nest.assert_same_structure(Point(1, 2), [1, 2], check_types=False) is None
    with pytest.raises(ValueError):
        tf.nest.assert_same_structure([1, 2], (1, [2]), check_types=False)


def test_bad_arguments():
    with pytest.raises(TypeError):
        tf.nest.map_structure("no function", [1])
    with pytest.raises(ValueError):
        tf.nest.map_structure(lambda: 1)
    with pytest.raises((TypeError, ValueError), match="wrong_argument"):
        tf.nest.map_structure(lambda x: x, [1], wrong_argument=True)
    with pytest.raises((TypeError, ValueError)):
        tf.nest.flatten({1: "a", "b": 2})


def test_structures_through_a_function():
    @tf.function
    def function(inputs):
        return {
            "sum": inputs["a"] + inputs["b"][0],
            "pair": Point(inputs["a"], (inputs["b"][0],)),
            "none": None,
        }

    result = function({"a": tf.constant(1.0), "b": [tf.constant(2.0)]})
    assert result["sum"].numpy() == 3.0
    assert isinstance(result["pair"], Point) and result["pair"].y[0].numpy() == 2.0
    assert result["none"] is None


def test_structures_in_version_1():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        structure = {"b": tf.constant(1), "a": [tf.constant(2), Point(tf.constant(3), tf.constant(4))]}
        assert [session.run(tensor) for tensor in tf.nest.flatten(structure)] == [2, 3, 4, 1]
        assert session.run(structure) == {"b": 1, "a": [2, Point(3, 4)]}


def test_wrapped_lists_of_modules_flatten():
    class Module(tf.Module):
        def __init__(self):
            self.items = [tf.Variable(1.0), {"k": tf.Variable(2.0)}]

    module = Module()
    assert [v.numpy() for v in tf.nest.flatten(module.items)] == [1.0, 2.0]
    assert len(module.variables) == 2
    doubled = tf.nest.map_structure(lambda v: v.numpy() * 2, module.items)
    assert doubled == [2.0, {"k": 4.0}]
