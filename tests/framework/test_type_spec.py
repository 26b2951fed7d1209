"""TypeSpec: comparisons follow from what a subclass serializes, as they do in TensorFlow 2.15.1."""

import pickle

import numpy as np
import pytest

from everflow._src.framework import nest, type_spec
from everflow._src.framework.composite_tensor import CompositeTensor
from everflow._src.framework.dtypes import as_dtype, float32, int32
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.framework.tensor_spec import TensorSpec
from everflow._src.framework.type_spec import (
    BatchableTypeSpec,
    TypeSpec,
    register_type_spec_from_value_converter,
    type_spec_from_value,
)
from tests.names import shown


class Tensor:
    def __init__(self, array):
        self.array = np.asarray(array)

    @property
    def shape(self):
        return TensorShape(self.array.shape)

    @property
    def dtype(self):
        return as_dtype(self.array.dtype)


class Pair(CompositeTensor):
    def __init__(self, first, second, tag=None):
        self.first, self.second, self.tag = first, second, tag

    @property
    def _type_spec(self):
        return PairSpec(self.first.shape, self.tag)


class PairSpec(TypeSpec):
    """Two float tensors of one shape, and a tag."""

    value_type = Pair

    def __init__(self, shape, tag=None):
        self._shape = TensorShape(shape)
        self._tag = tag

    def _serialize(self):
        return (self._shape, self._tag)

    @property
    def _component_specs(self):
        return {"first": TensorSpec(self._shape), "second": TensorSpec(self._shape)}

    def _to_components(self, value):
        return {"first": value.first, "second": value.second}

    def _from_components(self, components):
        return Pair(components["first"], components["second"], self._tag)


class OtherSpec(PairSpec):
    pass


def floats(*shape):
    return Tensor(np.ones(shape, np.float32))


def test_abstract():
    with pytest.raises(TypeError, match="value_type"):
        TypeSpec()

    class Unfinished(PairSpec):
        _to_components = TypeSpec._to_components

    with pytest.raises(TypeError, match="Unfinished.*_to_components"):
        Unfinished([2])


def test_text_and_copies():
    spec = PairSpec([2, None], ("a", 1))
    assert repr(spec) == "PairSpec(TensorShape([2, None]), ('a', 1))"
    assert pickle.loads(pickle.dumps(spec)) == spec


@pytest.mark.parametrize(
    "first, second",
    [
        (PairSpec([2], 1), PairSpec([2], 1)),
        (PairSpec([2], 1), PairSpec([2], 1.0)),
        (PairSpec([2], [1, {"a": 2}]), PairSpec([2], [1, {"a": 2}])),
        (PairSpec([2], {"a": 1, "b": 2}), PairSpec([2], {"b": 2, "a": 1})),
        (PairSpec([2], np.array([1, 2])), PairSpec([2], np.array([1, 2]))),
    ],
)
def test_equal(first, second):
    assert first == second and hash(first) == hash(second) and not first != second


@pytest.mark.parametrize(
    "first, second",
    [
        (PairSpec([2], 1), PairSpec([2], 3)),
        (PairSpec([2], 1), PairSpec([None], 1)),
        (PairSpec([2], [1, 2]), PairSpec([2], (1, 2))),
        (PairSpec([2], np.array([1, 2])), PairSpec([2], np.array([1, 3]))),
        (PairSpec([2], np.array([1, 2])), PairSpec([2], np.array([1, 2], np.int8))),
        (PairSpec([2], 1), OtherSpec([2], 1)),
        (PairSpec([2], 1), 1),
    ],
)
def test_different(first, second):
    assert first != second and not first == second


@pytest.mark.parametrize(
    "spec, other, expected",
    [
        (PairSpec([2], 1), PairSpec([None], 1), True),
        (PairSpec([2], 1), PairSpec([2], 2), False),
        (PairSpec([2], 1), OtherSpec([2], 1), False),
        (PairSpec([2]), Pair(floats(2), floats(2)), True),
        (PairSpec([3]), Pair(floats(2), floats(2)), False),
        (PairSpec([2]), floats(2), False),
        (PairSpec([2]), 3, False),
        (PairSpec([2], float32), PairSpec([2], int32), False),
        (PairSpec([2], [1, 2]), PairSpec([2], [1, 3]), False),
        (PairSpec([2], [1, 2]), PairSpec([2], (1, 2)), False),
        (PairSpec([2], [TensorShape(None), 2]), PairSpec([2], [TensorShape([1]), 2]), True),
        (PairSpec([2], {"a": TensorSpec([2])}), PairSpec([2], {"a": TensorSpec([None])}), True),
        (PairSpec([2], {"a": TensorSpec([2])}), PairSpec([2], {"b": TensorSpec([2])}), False),
    ],
)
def test_is_compatible_with(spec, other, expected):
    assert spec.is_compatible_with(other) is expected


@pytest.mark.parametrize(
    "spec, other, expected",
    [
        (PairSpec([2], 1), PairSpec([None], 1), True),
        (PairSpec([None], 1), PairSpec([2], 1), False),
        (PairSpec([2], 1), PairSpec([2], 2), False),
        (PairSpec([2]), PairSpec([2], 1), False),
        (PairSpec([2], [1, 2]), PairSpec([2], (1, 2)), False),
        (PairSpec([2], [TensorSpec([2])]), PairSpec([2], [TensorSpec([None])]), True),
        (PairSpec([2]), OtherSpec([2]), False),
        (PairSpec([2]), 3, False),
    ],
)
def test_is_subtype_of(spec, other, expected):
    assert spec.is_subtype_of(other) is expected


@pytest.mark.parametrize(
    "spec, others, expected",
    [
        (PairSpec([2], 1), [PairSpec([3], 1)], PairSpec([None], 1)),
        (PairSpec([2], 1), [PairSpec([3], 1), PairSpec([2, 2], 1)], PairSpec(None, 1)),
        (PairSpec([2], 1), [], PairSpec([2], 1)),
        (PairSpec([2], 1), [PairSpec([3], 2)], None),
        (PairSpec([2], 1), [3], None),
        (PairSpec([2], 1), [TensorSpec([2])], None),
        (PairSpec([2], [1, 2]), [PairSpec([3], [1, 2])], PairSpec([None], [1, 2])),
        (
            PairSpec([2], {"a": TensorSpec([2])}),
            [PairSpec([2], {"a": TensorSpec([3])})],
            PairSpec([2], {"a": TensorSpec([None])}),
        ),
        (PairSpec([2], {"a": TensorSpec([2])}), [PairSpec([2], {"b": TensorSpec([2])})], None),
        (PairSpec([2], {"a": TensorSpec([2])}), [PairSpec([2], {"a": TensorSpec([2], int32)})], None),
    ],
)
def test_common_supertype(spec, others, expected):
    assert spec.most_specific_common_supertype(others) == expected


def test_compatible_type():
    assert PairSpec([2]).most_specific_compatible_type(PairSpec([3])) == PairSpec([None])
    with pytest.raises(ValueError):
        PairSpec([2], 1).most_specific_compatible_type(PairSpec([2], 2))


def test_tensors_of_a_value():
    spec, value = PairSpec([2], "t"), Pair(floats(2), floats(2), "t")
    tensors = [value.first, value.second]
    assert spec.to_tensors(value) == spec._to_tensor_list(value) == tensors
    assert spec.flatten() == spec._flat_tensor_specs == [TensorSpec([2]), TensorSpec([2])]
    for rebuilt in (spec.from_tensors(iter(tensors)), spec._from_tensor_list(tensors)):
        assert type(rebuilt) is Pair and (rebuilt.first, rebuilt.second, rebuilt.tag) == (*tensors, "t")
    with pytest.raises(ValueError):
        spec._from_tensor_list(tensors[:1])
    with pytest.raises(ValueError):
        spec._from_tensor_list([floats(2), floats(3)])


def test_cast():
    spec, value = PairSpec([None]), Pair(floats(2), floats(2))
    assert spec.cast(value, None) is value
    with pytest.raises(TypeError):
        spec.cast(3, None)
    with pytest.raises(TypeError):
        PairSpec([3]).cast(value, None)


def test_placeholder_value():
    class Context:
        def make_placeholder(self, spec):
            return Tensor(np.zeros(spec.shape.as_list(), np.float32))

    value = PairSpec([2], "t").placeholder_value(Context())
    assert type(value) is Pair and value.tag == "t" and value.first.shape == [2]


def test_nest_opens_composite_tensors():
    value = Pair(floats(2), floats(2), "t")
    structure = {"b": [value], "a": 1}
    assert nest.flatten(structure) == [1, value]
    assert nest.flatten(structure, expand_composites=True) == [1, value.first, value.second]
    assert nest.is_nested_or_composite(value) and not nest.is_nested(value)
    assert nest.flatten(PairSpec([2]), expand_composites=True) == [TensorSpec([2]), TensorSpec([2])]
    packed = nest.pack_sequence_as(structure, [5, "x", "y"], expand_composites=True)
    assert packed["a"] == 5 and (packed["b"][0].first, packed["b"][0].second) == ("x", "y")
    packed = nest.pack_sequence_as(PairSpec([2], "t"), ["x", "y"], expand_composites=True)
    assert type(packed) is Pair and packed.tag == "t"
    mapped = nest.map_structure(lambda tensor: tensor.array.sum(), value, expand_composites=True)
    assert type(mapped) is Pair and mapped.first == 2.0
    assert nest.flatten_with_tuple_paths(value, expand_composites=True) == [
        (("Pair", "first"), value.first),
        (("Pair", "second"), value.second),
    ]
    assert nest.flatten_up_to(value, value, expand_composites=True) == [value.first, value.second]


def test_nest_compares_composite_tensors():
    def assert_same(first, second):
        nest.assert_same_structure(first, second, expand_composites=True)

    value = Pair(floats(2), floats(2))
    assert_same(value, Pair(floats(3), floats(3)))
    assert_same(value, PairSpec([2]))
    nest.assert_same_structure(value, floats(2))
    for other in (Pair(floats(2), floats(2), "tag"), PairSpec([2], "tag"), floats(2), [floats(2)]):
        with pytest.raises(ValueError):
            assert_same(value, other)
    with pytest.raises(TypeError):
        nest.assert_shallow_structure([value], [floats(2)], expand_composites=True)
    with pytest.raises(ValueError):
        nest.assert_shallow_structure([value], [PairSpec([2], "tag")], expand_composites=True)


def test_batchable_is_abstract_too():
    class Batchable(BatchableTypeSpec, PairSpec):
        pass

    for use in (lambda spec: spec._batch(2), lambda spec: spec._unbatch()):
        with pytest.raises(NotImplementedError):
            use(Batchable([2]))


@pytest.mark.parametrize(
    "value, shape, dtype",
    [
        (floats(2), [2], "float32"),
        (np.ones(2), [2], "float64"),
        (np.float32(1), [], "float32"),
        (3, [], "int32"),
        (2**40, [], "int64"),
        (3.0, [], "float32"),
        (1j, [], "complex128"),
        (True, [], "bool"),
        ("a", [], "string"),
        (b"a", [], "string"),
        ([1, 2], [2], "int32"),
        ([1, 2.5], [2], "float32"),
        ((1, 2), [2], "int32"),
        ([], [0], "float32"),
        (np.array(["a"]), [1], "string"),
        (np.array([b"a", None], dtype=object), [2], "string"),
        (TensorShape([1]), [1], "int32"),
    ],
    ids=shown,
)
def test_type_spec_from_value(value, shape, dtype):
    assert type_spec_from_value(value) == TensorSpec(shape, dtype)


@pytest.mark.parametrize(
    "value",
    [{"a": 1}, {1, 2}, object(), TensorSpec([1]), float32, [1, "a"], 2**70, [[1], [2, 3]], Pair],
    ids=shown,
)
def test_values_without_a_spec(value):
    with pytest.raises(TypeError, match="No TypeSpec"):
        type_spec_from_value(value)


def test_type_spec_from_composite():
    assert type_spec_from_value(Pair(floats(2), floats(2), 1)) == PairSpec([2], 1)


def test_converters(monkeypatch):
    monkeypatch.setattr(type_spec, "_CONVERTERS", [])

    class Value:
        pass

    class SubValue(Value):
        pass

    register_type_spec_from_value_converter(Value, lambda value: TensorSpec([7]))
    assert type_spec_from_value(Value()) == TensorSpec([7])
    with pytest.raises(TypeError):
        type_spec_from_value(SubValue())
    register_type_spec_from_value_converter((Value,), lambda value: TensorSpec([8]), allow_subclass=True)
    assert type_spec_from_value(Value()) == type_spec_from_value(SubValue()) == TensorSpec([8])


def test_an_installed_converter_makes_tensors(monkeypatch):
    monkeypatch.setattr(type_spec.HOOKS, "to_tensor", None)
    type_spec.install_tensor_converter(lambda value, dtype: Tensor(np.asarray(value, np.float32)))
    assert type_spec_from_value([1, 2]) == TensorSpec([2])
    assert TensorSpec([2]).cast([1, 2], None).array.tolist() == [1, 2]
