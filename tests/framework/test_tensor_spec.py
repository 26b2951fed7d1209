"""Specs of one tensor, of indexed slices and of a variable. Expectations were read off TensorFlow 2.15.1."""

import copy
import pickle

import numpy as np
import pytest

from everflow._src.framework import dtypes, nest, tensor_spec
from everflow._src.framework.dtypes import float32, int32
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.framework.tensor_spec import (
    BoundedTensorSpec,
    IndexedSlicesSpec,
    TensorSpec,
    VariableSpec,
)


class Tensor:
    """Anything with a static shape and a DType passes for a tensor."""

    graph = None

    def __init__(self, shape, dtype=float32):
        self._shape, self.dtype = TensorShape(shape), dtype

    @property
    def shape(self):
        return self._shape


class Variable(Tensor):
    trainable = True


def bounded(shape=(2,), minimum=0, maximum=1, dtype=float32, name=None):
    return BoundedTensorSpec(shape, dtype, minimum, maximum, name)


@pytest.mark.parametrize(
    "spec, text",
    [
        (TensorSpec([2, 3]), "TensorSpec(shape=(2, 3), dtype=tf.float32, name=None)"),
        (TensorSpec([None], int32, "x"), "TensorSpec(shape=(None,), dtype=tf.int32, name='x')"),
        (TensorSpec(None, "float64"), "TensorSpec(shape=<unknown>, dtype=tf.float64, name=None)"),
        (TensorSpec(3, float), "TensorSpec(shape=(3,), dtype=tf.float32, name=None)"),
        (
            bounded(),
            "BoundedTensorSpec(shape=(2,), dtype=tf.float32, name=None, "
            "minimum=array(0., dtype=float32), maximum=array(1., dtype=float32))",
        ),
        (
            IndexedSlicesSpec(),
            "IndexedSlicesSpec(TensorShape(None), tf.float32, tf.int64, None, TensorShape([None]))",
        ),
        (VariableSpec([2]), "VariableSpec(shape=(2,), dtype=tf.float32, trainable=True, alias_id=None)"),
    ],
)
def test_text_and_copies(spec, text):
    assert repr(spec) == str(spec) == text
    restored = type(spec)._deserialize(spec._serialize())
    for copied in (pickle.loads(pickle.dumps(spec)), copy.deepcopy(spec), restored):
        assert copied == spec and hash(copied) == hash(spec) and repr(copied) == text


def test_parts():
    spec = TensorSpec([1], int32, "x")
    assert (spec.shape, spec.dtype, spec.name) == (TensorShape([1]), int32, "x")
    with pytest.raises(TypeError):
        TensorSpec("a")
    with pytest.raises(TypeError):
        TensorSpec([1], int)
    with pytest.raises(ValueError):
        TensorSpec([-1])


def test_equality():
    assert TensorSpec([None]) == TensorSpec([None]) and TensorSpec([1]) != TensorSpec([2])
    assert TensorSpec([1]) != TensorSpec([1], name="a") and TensorSpec([1]) != TensorSpec([1], int32)
    assert hash(TensorSpec([1])) == hash(TensorSpec([1], name="a"))
    assert TensorSpec([2]) != bounded() and bounded() != TensorSpec([2]) and TensorSpec([1]) != 3
    assert bounded() == bounded() and bounded() != bounded(maximum=2)
    assert VariableSpec([1], alias_id=1) != VariableSpec([1], alias_id=2)
    assert VariableSpec([1], trainable=False) != VariableSpec([1])


@pytest.mark.parametrize(
    "spec, other, expected",
    [
        (TensorSpec([None, 3]), Tensor([2, 3]), True),
        (TensorSpec([None, 3]), Tensor([2, 4]), False),
        (TensorSpec([None, 3]), Tensor([2, 3], int32), False),
        (TensorSpec([None, 3]), TensorSpec([2, 3]), True),
        (TensorSpec([2, 3]), TensorSpec([None, 3]), True),
        (TensorSpec([1]), VariableSpec([1]), True),
        (TensorSpec([1]), Variable([1]), False),
        (TensorSpec([2]), np.ones(2, np.float32), False),
        (TensorSpec([2]), [1.0, 2.0], False),
        (TensorSpec([]), 3.0, False),
        (TensorSpec([]), None, False),
        (TensorSpec([2]), bounded(), True),
        (bounded(), TensorSpec([2]), True),
        (bounded(), bounded(maximum=2), True),
        (bounded(), Tensor([2]), True),
        (IndexedSlicesSpec([2, 3]), IndexedSlicesSpec([None, 3]), True),
        (IndexedSlicesSpec([2, 3]), IndexedSlicesSpec([2, 3], int32), False),
        (IndexedSlicesSpec([2, 3]), TensorSpec([None, 3]), False),
        (VariableSpec([2]), VariableSpec([None]), True),
        (VariableSpec([1]), TensorSpec([1]), False),
        (VariableSpec([1]), Tensor([1]), False),
        (VariableSpec([1], trainable=False), VariableSpec([1]), False),
    ],
)
def test_is_compatible_with(spec, other, expected):
    assert spec.is_compatible_with(other) is expected


@pytest.mark.parametrize(
    "spec, other, expected",
    [
        (TensorSpec([2, 3]), TensorSpec([None, 3]), True),
        (TensorSpec([None, 3]), TensorSpec([2, 3]), False),
        (TensorSpec([2]), TensorSpec([2], name="x"), True),
        (TensorSpec([2], name="x"), TensorSpec([2]), False),
        (TensorSpec([2], name="x"), TensorSpec([2], name="y"), False),
        (TensorSpec([2], int32), TensorSpec([2]), False),
        (TensorSpec([2]), 3, False),
        (bounded(), TensorSpec([2]), True),
        (TensorSpec([2]), bounded(), True),
        (IndexedSlicesSpec([2, 3]), IndexedSlicesSpec([None, 3]), True),
        (VariableSpec([2]), VariableSpec([None]), True),
        (VariableSpec([2]), TensorSpec([2]), False),
        (VariableSpec([1], alias_id=1), VariableSpec([1], alias_id=2), False),
        (VariableSpec([1], alias_id=1), VariableSpec([1], alias_id=1), True),
        (VariableSpec([1]), VariableSpec([1], trainable=None), False),
    ],
)
def test_is_subtype_of(spec, other, expected):
    assert spec.is_subtype_of(other) is expected


@pytest.mark.parametrize(
    "spec, other, expected",
    [
        (TensorSpec([2, 3]), TensorSpec([2, 4]), TensorSpec([2, None])),
        (TensorSpec([2, 3]), TensorSpec([2]), TensorSpec(None)),
        (TensorSpec([2, 3]), TensorSpec([2, 3], int32), None),
        (TensorSpec([2], name="a"), TensorSpec([3], name="a"), TensorSpec([None], name="a")),
        (TensorSpec([2], name="a"), TensorSpec([2], name="b"), None),
        (TensorSpec([2], name="a"), TensorSpec([2]), None),
        (TensorSpec([2]), TensorSpec([2], name="b"), None),
        (TensorSpec([2]), 3, None),
        (TensorSpec([2]), bounded(), None),
        (bounded(), TensorSpec([2]), None),
        (bounded(), bounded([3]), bounded([None])),
        (bounded(), bounded(maximum=2), None),
        (IndexedSlicesSpec([2, 3]), IndexedSlicesSpec([3, 3]), IndexedSlicesSpec([None, 3])),
        (VariableSpec([2]), VariableSpec([3]), VariableSpec([None])),
        (VariableSpec([2], alias_id=1), VariableSpec([2], alias_id=2), None),
        (VariableSpec([2], trainable=False), VariableSpec([2]), None),
    ],
)
def test_common_supertype(spec, other, expected):
    assert spec.most_specific_common_supertype([other]) == expected
    if expected is None:
        with pytest.raises(ValueError):
            spec.most_specific_compatible_type(other)
    else:
        assert spec.most_specific_compatible_type(other) == expected


def test_aliases_must_be_known_on_both_sides():
    with pytest.raises(NotImplementedError):
        VariableSpec([1], alias_id=1).is_subtype_of(VariableSpec([1]))
    with pytest.raises(NotImplementedError):
        VariableSpec([1]).most_specific_common_supertype([VariableSpec([1], alias_id=1)])


def test_from_spec_and_from_tensor():
    assert TensorSpec.from_spec(TensorSpec([1], name="a")) == TensorSpec([1], name="a")
    assert TensorSpec.from_spec(TensorSpec([1], name="a"), name="b") == TensorSpec([1], name="b")
    assert TensorSpec.from_spec(bounded(name="n")) == TensorSpec([2], name="n")
    assert TensorSpec.from_tensor(Tensor([2], int32)) == TensorSpec([2], int32)
    assert TensorSpec.from_tensor(Tensor([2]), "z") == TensorSpec([2], name="z")

    class Operation:
        name = "scope/x"

    symbolic = Tensor([2])
    symbolic.graph, symbolic.op = object(), Operation()
    assert TensorSpec.from_tensor(symbolic).name == "scope/x"
    for value in (np.ones(2), 3, None):
        with pytest.raises(ValueError):
            TensorSpec.from_tensor(value)


def test_bounds():
    spec = BoundedTensorSpec([2], int32, 0.5, [1, 2])
    assert spec.minimum == 0 and spec.minimum.dtype == np.int32 and spec.maximum.tolist() == [1, 2]
    assert not spec.maximum.flags.writeable
    assert BoundedTensorSpec.from_spec(TensorSpec([2], dtypes.int8)) == bounded([2], -128, 127, dtypes.int8)
    assert BoundedTensorSpec.from_spec(bounded(name="a")) == bounded(name="a")
    for minimum in ([0, 0, 0], None, "a", [[0], [0], [0]]):
        with pytest.raises(ValueError):
            bounded(minimum=minimum)


def test_tensor_spec_is_its_own_component():
    spec, tensor = TensorSpec([1]), Tensor([1])
    assert spec._component_specs is spec and spec.flatten() == spec._flat_tensor_specs == [spec]
    assert spec.to_tensors(tensor) == spec._to_tensor_list(tensor) == [tensor]
    assert spec.from_tensors(iter([tensor])) is spec._from_tensor_list([tensor]) is tensor
    assert nest.flatten([spec, spec], expand_composites=True) == [spec, spec]
    assert spec.cast(tensor, None) is tensor
    with pytest.raises(TypeError):
        spec.cast(Tensor([2]), None)
    with pytest.raises(ValueError):
        spec._from_tensor_list([Tensor([2])])


def test_placeholders_come_from_the_context():
    class Context:
        def make_placeholder(self, spec):
            return ("placeholder", spec)

    spec = TensorSpec([1])
    assert spec.placeholder_value(Context()) == ("placeholder", spec)


def test_batches():
    assert TensorSpec([1], name="x")._batch(3) == TensorSpec([3, 1])
    assert TensorSpec([1])._batch(None) == TensorSpec([None, 1])
    assert TensorSpec([3, 1])._unbatch() == TensorSpec([1])
    assert TensorSpec(None)._batch(2) == TensorSpec(None)._unbatch() == TensorSpec(None)
    with pytest.raises(ValueError):
        TensorSpec([])._unbatch()
    with pytest.raises(ValueError):
        TensorSpec([])._to_batched_tensor_list(Tensor([]))


def test_legacy_output_facts():
    spec = TensorSpec([1], int32)
    assert spec._to_legacy_output_types() is int32 and spec._to_legacy_output_shapes() == TensorShape([1])
    assert spec._to_legacy_output_classes() is spec.value_type


def test_protos():
    spec = TensorSpec([None, 2], int32, "x")
    assert TensorSpec.experimental_from_proto(spec.experimental_as_proto()) == spec
    assert isinstance(spec.experimental_as_proto(), TensorSpec.experimental_type_proto())


class Slices:
    def __init__(self, values, indices, dense_shape=None):
        self.values, self.indices, self.dense_shape = values, indices, dense_shape


@pytest.mark.parametrize("dense_shape", [None, Tensor([2], int32)])
def test_indexed_slices(monkeypatch, dense_shape):
    monkeypatch.setattr(IndexedSlicesSpec, "_value_class", object)
    tensor_spec.install_value_class(IndexedSlicesSpec, Slices)
    dense_shape_dtype = None if dense_shape is None else int32
    spec = IndexedSlicesSpec([2, 3], dense_shape_dtype=dense_shape_dtype, indices_shape=[4])
    assert spec.value_type is Slices
    expected = [TensorSpec([4, 3]), TensorSpec([4], dtypes.int64)]
    tensors = [Tensor([4, 3]), Tensor([4], dtypes.int64)]
    if dense_shape is not None:
        expected.append(TensorSpec([2], int32))
        tensors.append(dense_shape)
    assert spec._flat_tensor_specs == expected
    value = spec._from_tensor_list(tensors)
    assert type(value) is Slices and spec._to_tensor_list(value) == tensors
    with pytest.raises(ValueError):
        IndexedSlicesSpec(indices_shape=[1, 2])


def test_variable_spec():
    spec = VariableSpec.from_value(Variable([1]))
    assert (spec.shape, spec.dtype, spec.trainable, spec.alias_id) == ([1], float32, True, None)
    assert spec.name is None and spec._component_specs == [TensorSpec([], dtypes.resource)]
