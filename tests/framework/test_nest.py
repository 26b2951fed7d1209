"""Nested structures. What is expected was read off TensorFlow 2.15.1."""

import collections
import collections.abc
import dataclasses
import time
import types

import numpy as np
import pytest
import wrapt

from everflow._src.framework import nest
from tests.names import shown

Point = collections.namedtuple("Point", "a b")
OtherPoint = collections.namedtuple("OtherPoint", "a b")
SamePoint = collections.namedtuple("Point", "a b")
OrderedDict = collections.OrderedDict
defaultdict = collections.defaultdict


class SubPoint(Point):
    pass


class MyList(list):
    pass


class MyTuple(tuple):
    pass


class MyDict(dict):
    pass


class MyMapping(collections.abc.Mapping):
    def __init__(self, items):
        self.items_ = dict(items)

    def __getitem__(self, key):
        return self.items_[key]

    def __iter__(self):
        return iter(self.items_)

    def __len__(self):
        return len(self.items_)

    def __eq__(self, other):
        return type(self) is type(other) and list(self.items_.items()) == list(other.items_.items())


class MySequence(collections.abc.Sequence):
    def __init__(self, items):
        self.items_ = list(items)

    def __getitem__(self, index):
        return self.items_[index]

    def __len__(self):
        return len(self.items_)

    def __eq__(self, other):
        return type(self) is type(other) and self.items_ == other.items_


class Attribute:
    def __init__(self, name):
        self.name = name


class Attrs:
    """What the attrs library makes of a class with two attributes."""

    __attrs_attrs__ = (Attribute("x"), Attribute("y"))

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return type(self) is type(other) and (self.x, self.y) == (other.x, other.y)


class OtherAttrs(Attrs):
    pass


@dataclasses.dataclass
class Data:
    x: object
    y: object


@dataclasses.dataclass
class OpenData(Data):
    """A dataclass whose `x` is a part and whose `y` belongs to the structure."""

    def __tf_flatten__(self):
        return (self.y,), (self.x,)

    @classmethod
    def __tf_unflatten__(cls, metadata, components):
        return cls(components[0], metadata[0])


ARRAY = np.array([1, 2])


@pytest.mark.parametrize(
    "structure, leaves",
    [
        (None, [None]),
        ("ab", ["ab"]),
        (b"ab", [b"ab"]),
        ([1, (2, [3]), {"b": 4, "a": 5}], [1, 2, 3, 5, 4]),
        ([], []),
        ((), []),
        ({}, []),
        ([[], {}, ()], []),
        ({1, 2}, [{1, 2}]),
        (range(3), [0, 1, 2]),
        (bytearray(b"ab"), [97, 98]),
        (collections.deque([1, 2]), [1, 2]),
        (OrderedDict([("b", 1), ("a", 2)]), [2, 1]),
        (defaultdict(int, b=1, a=2), [2, 1]),
        (collections.Counter("aab"), [2, 1]),
        (types.MappingProxyType({"b": 1, "a": 2}), [2, 1]),
        (collections.ChainMap({"b": 1}, {"a": 2}), [2, 1]),
        (collections.UserDict(b=1, a=2), [2, 1]),
        (collections.UserList([1, 2]), [1, 2]),
        ({"b": 1, "a": 2}.keys(), ["b", "a"]),
        ({"b": 1, "a": 2}.values(), [1, 2]),
        ({"b": 1, "a": 2}.items(), ["b", 1, "a", 2]),
        ({(1, "b"): 1, (1, "a"): 2}, [2, 1]),
        ({None: 1}, [1]),
        (Point(1, [2]), [1, 2]),
        (SubPoint(1, [2]), [1, 2]),
        (MyList([1, 2]), [1, 2]),
        (MyDict(b=1, a=2), [2, 1]),
        (MyMapping({"b": 1, "a": 2}), [2, 1]),
        (MySequence([1, 2]), [1, 2]),
        (Attrs(1, [2, 3]), [1, 2, 3]),
        (Data(1, 2), [Data(1, 2)]),
        (OpenData([1, 2], 3), [1, 2]),
        (time.gmtime(0), [1970, 1, 1, 0, 0, 0, 3, 1, 0]),
        (slice(1, 2), [slice(1, 2)]),
        (wrapt.ObjectProxy([1, wrapt.ObjectProxy({"b": 1, "a": 2})]), [1, 2, 1]),
    ],
    ids=shown,
)
def test_flatten(structure, leaves):
    assert nest.flatten(structure) == leaves


def test_flatten_keeps_leaves_as_they_are():
    generator = (x for x in [1])
    structure = [ARRAY, generator, types.SimpleNamespace, wrapt.ObjectProxy]
    assert all(one is other for one, other in zip(nest.flatten(structure), structure, strict=True))


def test_keys_must_be_sortable():
    for call in (
        lambda mixed: nest.flatten(mixed),
        lambda mixed: nest.pack_sequence_as(mixed, [1, 2]),
        lambda mixed: nest.map_structure(str, mixed),
        lambda mixed: nest.flatten_up_to(mixed, mixed),
    ):
        with pytest.raises(TypeError, match="sorted"):
            call({"b": 1, 2: 2})


@pytest.mark.parametrize(
    "value, expected",
    [
        ([1], True),
        ((), True),
        ({}, True),
        ("ab", False),
        (None, False),
        ({1}, False),
        (Point(1, 2), True),
        (Attrs(1, 2), True),
        (Data(1, 2), False),
        (OpenData(1, 2), True),
        (range(3), True),
        ({"a": 1}.keys(), True),
        (ARRAY, False),
        (wrapt.ObjectProxy([1]), True),
        (wrapt.ObjectProxy(1), False),
    ],
    ids=shown,
)
def test_is_nested(value, expected):
    assert nest.is_nested(value) is nest.is_sequence(value) is nest.is_nested_or_composite(value) is expected


@pytest.mark.parametrize(
    "structure, leaves, packed",
    [
        ([1, (2, [3]), {"b": 4, "a": 5}], [1, 2, 3, 4, 5], [1, (2, [3]), {"b": 5, "a": 4}]),
        ({"b": 1, "a": 2}, [10, 20], {"b": 20, "a": 10}),
        (OrderedDict([("b", 1), ("a", 2)]), [10, 20], OrderedDict([("b", 20), ("a", 10)])),
        (MyDict(b=1, a=2), [10, 20], MyDict(b=20, a=10)),
        (MyMapping({"b": 1, "a": 2}), [10, 20], MyMapping({"b": 20, "a": 10})),
        (collections.UserDict(b=1, a=2), [10, 20], collections.UserDict(b=20, a=10)),
        (collections.Counter("aab"), [10, 20], collections.Counter(a=10, b=20)),
        (MyList([1]), [10], MyList([10])),
        (MyTuple([1]), [10], MyTuple([10])),
        (MySequence([1, 2]), [10, 20], MySequence([10, 20])),
        (Point(1, 2), [10, 20], Point(10, 20)),
        (SubPoint(1, 2), [10, 20], SubPoint(10, 20)),
        (Attrs(1, 2), [10, 20], Attrs(10, 20)),
        (OpenData(1, 2), [10], OpenData(10, 2)),
        (collections.deque([1, 2]), [10, 20], collections.deque([10, 20])),
        (range(2), [10, 20], [10, 20]),
        ({"b": 1, "a": 2}.keys(), [10, 20], [10, 20]),
        ({"b": 1, "a": 2}.items(), ["b", 1, "a", 2], [("b", 1), ("a", 2)]),
        (1, [10], 10),
        ("ab", (10,), 10),
        ([1, 2], (10, 20), [10, 20]),
        ([[], {}], [], [[], {}]),
    ],
    ids=shown,
)
def test_pack_sequence_as(structure, leaves, packed):
    result = nest.pack_sequence_as(structure, leaves)
    assert result == packed and type(result) is type(packed)
    if isinstance(packed, collections.abc.Mapping):
        assert list(result) == list(packed)


def test_pack_keeps_the_default_of_a_defaultdict():
    packed = nest.pack_sequence_as(defaultdict(list, b=1, a=2), [10, 20])
    assert list(packed.items()) == [("b", 20), ("a", 10)] and packed["new"] == []


def test_pack_keeps_proxies():
    packed = nest.pack_sequence_as(wrapt.ObjectProxy([1, (2,)]), [10, 20])
    assert isinstance(packed, wrapt.ObjectProxy) and packed == [10, (20,)]


@pytest.mark.parametrize(
    "structure, leaves, error",
    [
        (1, [10, 11], ValueError),
        (1, [], ValueError),
        ([1, 2], [10], ValueError),
        ([1, 2], [10, 11, 12], ValueError),
        ([], [1], ValueError),
        ([1, 2], {10, 11}, TypeError),
        ([1, 2], 5, TypeError),
        ([1, 2], "ab", TypeError),
        ([1, 2], ARRAY, TypeError),
        (types.MappingProxyType({"b": 1, "a": 2}), [1, 2], TypeError),  # no list of pairs makes one
    ],
    ids=shown,
)
def test_pack_errors(structure, leaves, error):
    with pytest.raises(error):
        nest.pack_sequence_as(structure, leaves)


SAME = [
    ([1, 2], [3, 4]),
    (3, "a"),
    ([None], [3]),
    ({"a": 1}, OrderedDict(a=1)),
    ({"a": 1}, MyMapping({"a": 1})),
    ({"a": 1}, defaultdict(int, a=1)),
    ([1], MyList([1])),
    (MyList([1]), [1]),
    (Point(1, 2), SamePoint(1, 2)),
    (Attrs(1, 2), Attrs(1, 2)),
    (OpenData(1, 2), OpenData(1, 3)),
    ({"a": 1}.keys(), {"b": 1}.keys()),
    (wrapt.ObjectProxy([1, 2]), [1, 2]),
    ((1, 2), wrapt.ObjectProxy((1, 2))),
    ([], []),
]
TYPES_DIFFER = [
    ([1, 2], (3, 4)),
    ([1], MySequence([1])),
    ((1,), MyTuple([1])),
    (Point(1, 2), OtherPoint(1, 2)),
    (Point(1, 2), SubPoint(1, 2)),
    (SubPoint(1, 2), Point(1, 2)),
    (Point(1, 2), (1, 2)),
    (Attrs(1, 2), OtherAttrs(1, 2)),
    (Attrs(1, 2), [1, 2]),
    ([1, {"a": 2}], [1, [2]]),
    ([1, 2], collections.deque([1, 2])),
    ({"a": 1}.keys(), {"a": 1}.values()),
    ([], ()),
]
NESTING_DIFFERS = [
    ([1, 2], [3]),
    ([1, 2], 3),
    (3, [1]),
    ([[1], 2], [1, [2]]),
    ([[1, 2], 3], [[1], 2, 3]),
    (OpenData(1, 2), Data(1, 2)),
]


@pytest.mark.parametrize("first, second", SAME, ids=shown)
def test_same_structure(first, second):
    assert nest.assert_same_structure(first, second) is None


@pytest.mark.parametrize("first, second", TYPES_DIFFER, ids=shown)
def test_types_differ(first, second):
    with pytest.raises(TypeError, match="not nested alike"):
        nest.assert_same_structure(first, second)
    nest.assert_same_structure(first, second, check_types=False)


@pytest.mark.parametrize("first, second", NESTING_DIFFERS, ids=shown)
@pytest.mark.parametrize("check_types", [True, False])
def test_nesting_differs(first, second, check_types):
    with pytest.raises(ValueError, match="not nested alike"):
        nest.assert_same_structure(first, second, check_types)


def test_keys_count_as_types():
    for first, second in (({"a": 1}, {"b": 1}), ({"a": 1}, {"a": 1, "b": 2})):
        with pytest.raises(ValueError, match="keys"):
            nest.assert_same_structure(first, second)
    nest.assert_same_structure({"a": 1}, {"b": 1}, check_types=False)
    nest.assert_same_structure({"a": 1}, [1], check_types=False)


def add(*values):
    return sum(values)


@pytest.mark.parametrize(
    "structures, expected",
    [
        (([1, (2,)],), [1, (2,)]),
        (([1, (2,)], [3, (4,)]), [4, (6,)]),
        (({"b": 1, "a": 2}, OrderedDict(a=1, b=5)), {"b": 6, "a": 3}),
        ((OrderedDict(a=1, b=5), {"b": 1, "a": 2}), OrderedDict(a=3, b=6)),
        (([1], [2], [3]), [6]),
        ((3,), 3),
        (([],), []),
        ((Point(1, [2]),), Point(1, [2])),
        ((Attrs(1, [2]), Attrs(1, [3])), Attrs(2, [5])),
        ((OpenData(1, 2), OpenData(1, 3)), OpenData(2, 2)),
    ],
    ids=shown,
)
def test_map_structure(structures, expected):
    assert nest.map_structure(add, *structures) == expected


def test_map_structure_options():
    assert nest.map_structure(add, [1, (2,)], [3, [4]], check_types=False) == [4, (6,)]
    assert nest.map_structure(add, Point(1, 2), (1, 2), check_types=False) == Point(2, 4)
    with pytest.raises(TypeError):
        nest.map_structure(add, [1, (2,)], [3, [4]])
    with pytest.raises(ValueError):
        nest.map_structure(add, [1, 2], [1])
    with pytest.raises(ValueError, match="structure"):
        nest.map_structure(add)
    with pytest.raises(ValueError, match="other"):
        nest.map_structure(add, [1], other=3)
    with pytest.raises(TypeError, match="function"):
        nest.map_structure(3, [1])


@pytest.mark.parametrize(
    "shallow, deep, expected",
    [
        ([1, 2], [[1, 2], {"a": 3}], [[1, 2], {"a": 3}]),
        (1, [1, 2], [[1, 2]]),
        ({"b": 1, "a": 2}, {"b": [1], "a": [2, 3]}, [[2, 3], [1]]),
        ({"b": 1, "a": 2}, OrderedDict(b=[1], a=[2, 3]), [[2, 3], [1]]),
        ([], [], []),
        (Point(1, 2), Point([1], 2), [[1], 2]),
        (Point(1, 2), SamePoint([1], 2), [[1], 2]),
        (Point(1, 2), SubPoint([1], 2), [[1], 2]),
        ((1, 2), Point([1], 2), [[1], 2]),
        ((1,), MyTuple([[2]]), [[2]]),
        (MyMapping({"a": 1}), {"a": [1]}, [[1]]),
        ([1], MyList([2]), [2]),
    ],
    ids=shown,
)
def test_flatten_up_to(shallow, deep, expected):
    assert nest.flatten_up_to(shallow, deep) == expected
    assert nest.assert_shallow_structure(shallow, deep) is None


@pytest.mark.parametrize(
    "shallow, deep, error",
    [
        ([1, 2], ([1, 2], 3), TypeError),
        ([1, 2], [1], ValueError),
        ([1, [2]], [1, 2], TypeError),
        ([1], 2, TypeError),
        ([1], "a", TypeError),
        ([], [1], ValueError),
        ({"b": 1, "a": 2}, {"b": [1], "c": [2, 3]}, ValueError),
        ({"b": 1}, {"b": [1], "c": [2, 3]}, ValueError),
        (Point(1, 2), ([1], 2), TypeError),
        (Point(1, 2), OtherPoint([1], 2), TypeError),
        (SubPoint(1, 2), Point(1, 2), TypeError),
        (MyTuple([1]), (1,), TypeError),
        (Attrs(1, 2), Data(1, 2), TypeError),
        ({"a": 1}.keys(), {"a": 1}.values(), TypeError),
    ],
    ids=shown,
)
def test_shallow_errors(shallow, deep, error):
    with pytest.raises(error):
        nest.flatten_up_to(shallow, deep)
    with pytest.raises(error):
        nest.assert_shallow_structure(shallow, deep)


def test_map_structure_up_to():
    pair = lambda *parts: parts
    assert nest.map_structure_up_to([1, 2], pair, [[1, 2], 3], [{"a": 1}, 4]) == [([1, 2], {"a": 1}), (3, 4)]
    assert nest.map_structure_up_to({"b": 1, "a": 2}, str, {"a": [1], "b": 2}) == {"b": "2", "a": "[1]"}
    loose = nest.map_structure_up_to([1, 2], pair, [[1, 2], 3], ({"a": 1}, 4), check_types=False)
    assert loose == [([1, 2], {"a": 1}), (3, 4)]
    with pytest.raises(TypeError):
        nest.map_structure_up_to([1, 2], pair, [[1, 2], 3], ({"a": 1}, 4))
    with pytest.raises(ValueError):
        nest.map_structure_up_to([1, 2], pair)
    with pytest.raises(ValueError):
        nest.map_structure_up_to([1, 2], pair, [1, 2, 3])


STRUCTURE = [1, {"b": 2, "a": (3, 4)}]


def test_paths():
    paths = [(0,), (1, "a", 0), (1, "a", 1), (1, "b")]
    assert list(nest.yield_flat_paths(STRUCTURE)) == paths
    assert nest.flatten_with_tuple_paths(STRUCTURE) == list(zip(paths, [1, 3, 4, 2], strict=True))
    assert nest.flatten_with_joined_string_paths(STRUCTURE) == [
        ("0", 1),
        ("1/a/0", 3),
        ("1/a/1", 4),
        ("1/b", 2),
    ]
    assert nest.flatten_with_joined_string_paths(STRUCTURE, separator=".")[1] == ("1.a.0", 3)
    assert nest.flatten_with_tuple_paths(3) == [((), 3)]
    assert nest.flatten_with_joined_string_paths(3) == [("", 3)]
    assert nest.flatten_with_tuple_paths(Point(1, [2])) == [(("a",), 1), (("b", 0), 2)]
    assert nest.flatten_with_tuple_paths(Attrs(1, [2])) == [(("x",), 1), (("y", 0), 2)]
    assert nest.flatten_with_tuple_paths(OpenData([1, 2], 2)) == [((0, 0), 1), ((0, 1), 2)]
    assert nest.flatten_with_tuple_paths({"b": 1}.items()) == [((0, 0), "b"), ((0, 1), 1)]


def test_map_with_paths():
    everything = lambda *parts, **rest: (*parts, rest) if rest else parts
    assert nest.map_structure_with_tuple_paths(everything, STRUCTURE) == [
        ((0,), 1),
        {"b": ((1, "b"), 2), "a": (((1, "a", 0), 3), ((1, "a", 1), 4))},
    ]
    assert nest.map_structure_with_paths(everything, [1, [2]], [3, [4]]) == [("0", 1, 3), [("1/0", 2, 4)]]
    assert nest.map_structure_with_paths(everything, [1, [2]], [3, (4,)], check_types=False) == [
        ("0", 1, 3),
        [("1/0", 2, 4)],
    ]
    assert nest.map_structure_with_tuple_paths(everything, [1], foo=3) == [((0,), 1, {"foo": 3})]
    assert nest.map_structure_with_tuple_paths_up_to([1, 2], everything, [[1], 2], [3, [4]]) == [
        ((0,), [1], 3),
        ((1,), 2, [4]),
    ]
    assert nest.flatten_with_tuple_paths_up_to([1, {"a": 2}], [[1, 2], {"a": [3]}]) == [
        ((0,), [1, 2]),
        ((1, "a"), [3]),
    ]
    with pytest.raises(TypeError):
        nest.map_structure_with_paths(everything, [1, [2]], [3, (4,)])


@pytest.mark.parametrize(
    "choose, expected",
    [
        (lambda part: isinstance(part, list), [False, [False, False], False]),
        (lambda part: True, [True, [True, (True, True)], (True,)]),
        (lambda part: False, False),
        (
            lambda part: [False, True, True] if isinstance(part, list) and len(part) == 3 else True,
            [False, [True, (True, True)], (True,)],
        ),
    ],
)
def test_get_traverse_shallow_structure(choose, expected):
    assert nest.get_traverse_shallow_structure(choose, [1, [2, (3, 4)], (5,)]) == expected


def test_get_traverse_shallow_structure_errors():
    for answer in (3, [3, True]):
        with pytest.raises(TypeError):
            nest.get_traverse_shallow_structure(lambda part: answer, [1, [2]])  # noqa: B023


def test_flatten_dict_items():
    assert nest.flatten_dict_items({("a", "b"): (1, 2), "c": 3}) == {"a": 1, "b": 2, "c": 3}
    assert nest.flatten_dict_items({4: 5, (1, 2): (3, 4)}) == {4: 5, 1: 3, 2: 4}
    assert nest.flatten_dict_items({"a": 1, "b": [2]}) == {"a": 1, "b": [2]}
    for bad, error in (
        ([1], TypeError),
        ({(4, 5): (6,)}, ValueError),
        ({(1, 2): 3}, ValueError),
        ({"a": 1, ("a", "b"): (2, 3)}, ValueError),
    ):
        with pytest.raises(error):
            nest.flatten_dict_items(bad)


def test_small_helpers():
    assert nest.list_to_tuple([1, [2, (3, [4])], {"a": [5]}]) == (1, (2, (3, (4,))), {"a": (5,)})
    assert nest.is_attrs(Attrs(1, 2)) and not nest.is_attrs([1])
    assert nest.is_namedtuple(Point(1, 2)) and not nest.is_namedtuple((1, 2))
    assert nest.is_namedtuple(Point(1, 2), strict=True)
    assert not nest.is_namedtuple(SubPoint(1, 2), strict=True)
    assert nest.is_mapping(MyMapping({})) and not nest.is_mapping([])
    assert nest.same_namedtuples(Point(1, 2), SamePoint(1, 2))
