"""The base class of what tf.function tells its traces apart by."""

import pytest

from everflow._src.framework.trace_type import TraceType


class Bare(TraceType):
    def __eq__(self, other):
        return other == "mine"

    __hash__ = None


def test_methods_that_must_be_defined():
    for call in (
        lambda bare: bare.is_subtype_of(bare),
        lambda bare: bare.most_specific_common_supertype([]),
        lambda bare: bare.placeholder_value(None),
        lambda bare: bare.from_tensors(iter([])),
    ):
        with pytest.raises(NotImplementedError, match="Bare"):
            call(Bare())


def test_defaults_are_those_of_a_value_without_tensors():
    assert Bare().to_tensors(3) == [] and Bare().flatten() == []
    assert Bare().cast("mine", None) == "mine"
    with pytest.raises(TypeError):
        Bare().cast("other", None)
