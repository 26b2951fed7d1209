"""Static shapes. The tables were read off TensorFlow 2.15.1."""

import copy
import pickle

import numpy as np
import pytest

from everflow._src.framework import tensor_shape
from everflow._src.framework.tensor_shape import (
    Dimension,
    TensorShape,
    broadcast_shape,
    dimension_at_index,
    dimension_value,
    unknown_shape,
)

UNKNOWN = TensorShape(None)
SCALAR = TensorShape([])
PARTIAL = TensorShape([None, 3])
KNOWN = TensorShape([2, 3])


@pytest.fixture
def v1():
    tensor_shape.disable_v2_tensorshape()
    yield
    tensor_shape.enable_v2_tensorshape()


def dims(shape):
    return shape._dims


@pytest.mark.parametrize(
    "value, expected",
    [
        (None, None),
        ([], ()),
        ((2, 3), (2, 3)),
        ([None, 3], (None, 3)),
        (3, (3,)),
        (Dimension(3), (3,)),
        (Dimension(None), (None,)),
        ([Dimension(3), Dimension(None), np.int64(4)], (3, None, 4)),
        ((np.int32(2), None), (2, None)),
        (np.array([2, 3]), (2, 3)),
        (np.array(3), (3,)),
        (range(3), (0, 1, 2)),
        (TensorShape([1, None]), (1, None)),
        ({1: 2}, (1,)),
        ([2**70], (2**70,)),
    ],
)
def test_constructor(value, expected):
    shape = TensorShape(value)
    assert dims(shape) == expected
    assert expected is None or all(size is None or type(size) is int for size in dims(shape))


@pytest.mark.parametrize("value", ["abc", 3.5, [3.5], [3.0], ["a"], [[1]], object(), (1.0,), [2, "3"]])
def test_constructor_refuses_what_is_no_whole_number(value):
    with pytest.raises(TypeError):
        TensorShape(value)


@pytest.mark.parametrize("value", [[-1], (-2, 3), -1, np.array([-1])])
def test_constructor_refuses_negative_sizes(value):
    with pytest.raises(ValueError, match="-[12]"):
        TensorShape(value)


def test_text():
    assert repr(UNKNOWN) == "TensorShape(None)" and str(UNKNOWN) == "<unknown>"
    assert repr(SCALAR) == "TensorShape([])" and str(SCALAR) == "()"
    assert repr(PARTIAL) == "TensorShape([None, 3])" and str(PARTIAL) == "(None, 3)"
    assert str(TensorShape([3])) == "(3,)"


def test_text_in_v1(v1):
    assert repr(PARTIAL) == "TensorShape([Dimension(None), Dimension(3)])" and str(PARTIAL) == "(?, 3)"


def test_what_is_known():
    assert (UNKNOWN.rank, UNKNOWN.ndims, UNKNOWN.dims) == (None, None, None)
    assert (PARTIAL.rank, PARTIAL.ndims) == (2, 2)
    assert [dim.value for dim in PARTIAL.dims] == [None, 3]
    assert PARTIAL.as_list() == [None, 3]
    with pytest.raises(ValueError, match="unknown"):
        UNKNOWN.as_list()
    assert [s.num_elements() for s in (UNKNOWN, PARTIAL, KNOWN, SCALAR)] == [None, None, 6, 1]
    assert [s.is_fully_defined() for s in (UNKNOWN, PARTIAL, KNOWN, SCALAR)] == [False, False, True, True]
    KNOWN.assert_is_fully_defined()
    for shape in (UNKNOWN, PARTIAL):
        with pytest.raises(ValueError, match="fully defined"):
            shape.assert_is_fully_defined()


def test_as_a_sequence():
    assert len(PARTIAL) == 2 and list(PARTIAL) == [None, 3] and tuple(KNOWN) == (2, 3)
    assert PARTIAL[0] is None
    assert [PARTIAL[index] for index in (1, -1, Dimension(1), np.int64(1))] == [3, 3, 3, 3]
    assert bool(SCALAR) and bool(PARTIAL) and not bool(UNKNOWN)
    for index in (5, -3):
        with pytest.raises(IndexError):
            PARTIAL[index]
    for index in ("a", None):
        with pytest.raises(TypeError):
            PARTIAL[index]
    with pytest.raises(ValueError):
        len(UNKNOWN)
    with pytest.raises(ValueError):
        iter(UNKNOWN)
    assert np.zeros(KNOWN).shape == (2, 3) and np.array(KNOWN).tolist() == [2, 3]


def test_as_a_sequence_in_v1(v1):
    assert isinstance(PARTIAL[0], Dimension) and PARTIAL[0].value is None and PARTIAL[1].value == 3
    assert [dim.value for dim in PARTIAL] == [None, 3]
    assert UNKNOWN[0].value is None
    assert isinstance(PARTIAL[:1], TensorShape)
    assert np.zeros(KNOWN).shape == (2, 3)


@pytest.mark.parametrize(
    "shape, key, expected",
    [
        (PARTIAL, slice(None, 1), (None,)),
        (PARTIAL, slice(1, None), (3,)),
        (PARTIAL, slice(None, None, 2), (None,)),
        (UNKNOWN, slice(None), None),
        (UNKNOWN, slice(1, None), None),
        (UNKNOWN, slice(1, 3), (None, None)),
        (UNKNOWN, slice(None, 3), (None, None, None)),
        (UNKNOWN, slice(-1, None), None),
        (UNKNOWN, slice(None, -1), None),
        (UNKNOWN, slice(1, -1), None),
        (UNKNOWN, slice(2, 1), ()),
        (UNKNOWN, slice(3, 1), ()),
    ],
)
def test_slices(shape, key, expected):
    assert dims(shape[key]) == expected


def test_unknown_rank_has_no_steps():
    assert UNKNOWN[7] is None
    with pytest.raises(ValueError, match="step"):
        UNKNOWN[::2]


@pytest.mark.parametrize(
    "compute, expected",
    [
        (lambda: PARTIAL + [2], (None, 3, 2)),
        (lambda: [2] + PARTIAL, (2, None, 3)),
        (lambda: PARTIAL + 3, (None, 3, 3)),
        (lambda: 3 + PARTIAL, (3, None, 3)),
        (lambda: (3,) + PARTIAL, (3, None, 3)),
        (lambda: PARTIAL + UNKNOWN, None),
        (lambda: PARTIAL + None, None),
        (lambda: UNKNOWN + PARTIAL, None),
        (lambda: PARTIAL.concatenate([2]), (None, 3, 2)),
        (lambda: UNKNOWN.concatenate([1]), None),
        (lambda: PARTIAL.merge_with(KNOWN), (2, 3)),
        (lambda: KNOWN.merge_with(PARTIAL), (2, 3)),
        (lambda: PARTIAL.merge_with(None), (None, 3)),
        (lambda: UNKNOWN.merge_with([1]), (1,)),
        (lambda: PARTIAL.with_rank(2), (None, 3)),
        (lambda: UNKNOWN.with_rank(2), (None, None)),
        (lambda: PARTIAL.with_rank_at_least(1), (None, 3)),
        (lambda: PARTIAL.with_rank_at_most(2), (None, 3)),
        (lambda: UNKNOWN.with_rank_at_least(2), None),
        (lambda: UNKNOWN.with_rank_at_most(2), None),
        (lambda: PARTIAL.most_specific_compatible_shape([2, 3]), (None, 3)),
        (lambda: KNOWN.most_specific_compatible_shape([2, 4]), (2, None)),
        (lambda: KNOWN.most_specific_compatible_shape([2]), None),
        (lambda: UNKNOWN.most_specific_compatible_shape([1]), None),
        (lambda: KNOWN.most_specific_common_supertype([TensorShape([2, 4])]), (2, None)),
        (lambda: KNOWN.most_specific_common_supertype([PARTIAL, TensorShape([1, 4])]), (None, None)),
        (lambda: KNOWN.most_specific_common_supertype([TensorShape([2])]), None),
        (lambda: KNOWN.most_specific_common_supertype([]), (2, 3)),
    ],
)
def test_combinations(compute, expected):
    assert dims(compute()) == expected


@pytest.mark.parametrize(
    "compute",
    [
        lambda: PARTIAL.merge_with([None, 4]),
        lambda: PARTIAL.merge_with([1]),
        lambda: PARTIAL.with_rank(3),
        lambda: PARTIAL.with_rank_at_least(3),
        lambda: PARTIAL.with_rank_at_most(1),
        lambda: PARTIAL.assert_has_rank(3),
        lambda: PARTIAL.assert_same_rank([1, 2, 3]),
        lambda: PARTIAL.assert_is_compatible_with([2, 4]),
        lambda: unknown_shape(-1),
    ],
)
def test_contradictions(compute):
    with pytest.raises(ValueError):
        compute()


def test_agreement():
    assert PARTIAL.is_compatible_with([2, 3]) and PARTIAL.is_compatible_with(None)
    assert not PARTIAL.is_compatible_with([2]) and not PARTIAL.is_compatible_with([2, 4])
    with pytest.raises(TypeError):
        PARTIAL.is_compatible_with("x")
    PARTIAL.assert_has_rank(2)
    UNKNOWN.assert_has_rank(5)
    PARTIAL.assert_same_rank(None)
    PARTIAL.assert_is_compatible_with([9, 3])
    assert KNOWN.is_subtype_of(PARTIAL) and PARTIAL.is_subtype_of(UNKNOWN)
    assert not PARTIAL.is_subtype_of(KNOWN) and not UNKNOWN.is_subtype_of(PARTIAL)
    assert not KNOWN.is_subtype_of([2, 3]) and KNOWN.most_specific_common_supertype([5]) is None


def test_equality():
    assert PARTIAL == [None, 3] and PARTIAL == (None, 3) and KNOWN == np.array([2, 3])
    assert TensorShape([3]) == 3 and UNKNOWN == None  # noqa: E711
    assert PARTIAL == TensorShape([None, 3]) and not PARTIAL != TensorShape([None, 3])
    assert PARTIAL != UNKNOWN and KNOWN != [2, 4] and KNOWN != 3 and KNOWN != "text" and KNOWN != None  # noqa: E711
    assert hash(PARTIAL) == hash(TensorShape([None, 3]))


def test_protos_and_copies():
    for shape in (UNKNOWN, SCALAR, PARTIAL, KNOWN):
        assert dims(TensorShape(shape.as_proto())) == dims(shape)
        assert dims(TensorShape.experimental_from_proto(shape.experimental_as_proto())) == dims(shape)
        assert copy.deepcopy(shape) == pickle.loads(pickle.dumps(shape)) == shape
    assert [dim.size for dim in PARTIAL.as_proto().dim] == [-1, 3]
    assert UNKNOWN.as_proto().unknown_rank


def test_dimension_values_and_text():
    assert (str(Dimension(3)), repr(Dimension(3)), str(Dimension(None))) == ("3", "Dimension(3)", "?")
    assert Dimension(Dimension(3)).value == Dimension(np.int64(3)).value == 3
    assert int(Dimension(3)) == 3 and float(Dimension(3)) == 3.0 and [0, 1, 2][Dimension(2)] == 2
    assert list(range(Dimension(3))) == [0, 1, 2]
    assert bool(Dimension(2)) and not bool(Dimension(0)) and not bool(Dimension(None))
    for value in ("3", 3.0, 3.5, [1]):
        with pytest.raises(TypeError):
            Dimension(value)
    with pytest.raises(ValueError):
        Dimension(-1)
    with pytest.raises(TypeError):
        int(Dimension(None))
    with pytest.raises(TypeError):
        hash(Dimension(3))
    assert pickle.loads(pickle.dumps(Dimension(3))).value == 3


@pytest.mark.parametrize(
    "compute, expected",
    [
        (lambda: Dimension(3) + 2, 5),
        (lambda: 2 + Dimension(3), 5),
        (lambda: Dimension(3) + None, None),
        (lambda: 5 - Dimension(3), 2),
        (lambda: Dimension(3) - 3, 0),
        (lambda: Dimension(3) * Dimension(None), None),
        (lambda: 2 * Dimension(3), 6),
        (lambda: Dimension(7) // 2, 3),
        (lambda: 7 // Dimension(2), 3),
        (lambda: Dimension(7).__div__(2), 3),
        (lambda: Dimension(7) % 4, 3),
        (lambda: 7 % Dimension(4), 3),
        (lambda: Dimension(None) % 4, None),
        (lambda: Dimension(3).merge_with(None), 3),
        (lambda: Dimension(None).merge_with(4), 4),
    ],
)
def test_dimension_arithmetic(compute, expected):
    result = compute()
    assert isinstance(result, Dimension) and result.value == expected


def test_dimension_arithmetic_errors():
    with pytest.raises(ValueError):
        Dimension(3) - 5
    with pytest.raises(TypeError):
        Dimension(3) * 2.5
    with pytest.raises(TypeError):
        Dimension(3) + "a"
    with pytest.raises(ZeroDivisionError):
        Dimension(7) // 0
    with pytest.raises(TypeError, match="//"):
        Dimension(7) / 2
    with pytest.raises(TypeError, match="//"):
        7 / Dimension(2)
    with pytest.raises(ValueError):
        Dimension(3).merge_with(4)
    with pytest.raises(ValueError):
        Dimension(3).assert_is_compatible_with(4)


def test_dimension_comparisons_have_three_values():
    three, unknown = Dimension(3), Dimension(None)
    assert (three == 3) is True and (three != 3) is False and (three == "3") is False
    assert (three == None) is None and (unknown == unknown) is None and (unknown != 3) is None  # noqa: E711
    assert (three < 4, three <= 3, three > 2, three >= 4) == (True, True, True, False)
    assert (three >= unknown) is (unknown < 1) is (three > None) is None
    with pytest.raises(TypeError):
        _ = three < "a"
    assert three.is_compatible_with(None) and not three.is_compatible_with(4)


def test_helpers_for_both_generations():
    assert dimension_value(Dimension(3)) == dimension_value(3) == 3 and dimension_value(None) is None
    assert dimension_at_index(PARTIAL, 1).value == 3 and dimension_at_index(UNKNOWN, 9).value is None
    with pytest.raises(IndexError):
        dimension_at_index(PARTIAL, 4)
    assert tensor_shape.as_shape(KNOWN) is KNOWN and dims(tensor_shape.as_shape([1])) == (1,)
    assert dims(unknown_shape()) is None and dims(unknown_shape(2)) == (None, None)
    assert dims(tensor_shape.vector(3)) == (3,) and dims(tensor_shape.matrix(2, None)) == (2, None)
    assert dims(tensor_shape.scalar()) == ()


@pytest.mark.parametrize(
    "a, b, expected",
    [
        ([2, 1], [1, 3], (2, 3)),
        ([2, None], [1, 3], (2, 3)),
        ([None], [1], (None,)),
        ([None], [None], (None,)),
        ([None, 1], [None, 4], (None, 4)),
        (None, [1, 3], None),
        ([4, 1, 3], [3], (4, 1, 3)),
        ([3], [4, 1, 3], (4, 1, 3)),
        ([0], [1], (0,)),
        ([], [2], (2,)),
    ],
)
def test_broadcast(a, b, expected):
    assert dims(broadcast_shape(a, b)) == expected
    assert dims(broadcast_shape(TensorShape(b), TensorShape(a))) == expected


def test_broadcast_conflict():
    with pytest.raises(ValueError, match="5 and 3"):
        broadcast_shape([2, 5], [1, 3])
