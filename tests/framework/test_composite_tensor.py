"""The base class of values that are made of several tensors."""

import pytest

from everflow._src.framework.composite_tensor import CompositeTensor, is_composite


class Pair(CompositeTensor):
    @property
    def _type_spec(self):
        return "the spec of a pair"


def test_the_spec_is_the_tracing_type():
    assert Pair().__tf_tracing_type__(None) == "the spec of a pair"


def test_is_composite_asks_the_class():
    assert is_composite(Pair()) and not is_composite([Pair()]) and not is_composite(None)


def test_what_must_be_defined():
    for use in (lambda value: value._type_spec, lambda value: value._shape_invariant_to_type_spec(None)):
        with pytest.raises(NotImplementedError, match="CompositeTensor"):
            use(CompositeTensor())
