"""The tables of what is nested; what follows from them is tested in test_nest.py."""

import collections

import numpy as np
import pytest
import wrapt

from everflow._src.framework import nest_kinds
from everflow._src.framework.nest_kinds import EXPANDED, PLAIN, class_of, kind_of, rebuild


@pytest.mark.parametrize("kinds", [PLAIN, EXPANDED], ids=["plain", "expanded"])
def test_the_table_fills_itself(kinds):
    class New(list):
        pass

    assert New not in kinds
    assert kinds[New] is nest_kinds.SEQUENCE and New in kinds
    assert kinds[int] is kinds[str] is kinds[np.ndarray] is kinds[type(None)] is None


def test_each_proxy_is_asked():
    for value, kind in (([1], nest_kinds.SEQUENCE), ({}, nest_kinds.MAPPING), (1, None)):
        proxy = wrapt.ObjectProxy(value)
        assert PLAIN[type(proxy)] is nest_kinds.ASK
        assert kind_of(proxy, PLAIN) is kind_of(value, PLAIN) is kind
        assert class_of(proxy) is class_of(value) is type(value)


def test_rebuild_wraps_what_was_wrapped():
    proxy = wrapt.ObjectProxy(collections.OrderedDict(b=1, a=2))
    made = rebuild(proxy, kind_of(proxy, PLAIN), [10, 20])
    assert type(made) is type(proxy) and made == collections.OrderedDict(b=20, a=10)


def test_composites_are_opened_by_the_second_table_only():
    class Spec:
        _component_specs = ("a", "b")
        value_type = tuple

        def _to_components(self, value):
            return (value.a, value.b)

        def _from_components(self, components):
            return Composite(*components)

    class Leaf(Spec):
        @property
        def _component_specs(self):
            return self

    class Composite:
        _type_spec = Spec()

        def __init__(self, a, b):
            self.a, self.b = a, b

    class Single(Composite):
        _type_spec = Leaf()

    value = Composite(1, 2)
    assert kind_of(value, PLAIN) is None and kind_of(value, EXPANDED) is nest_kinds.COMPOSITE
    assert kind_of(Spec(), PLAIN) is None and kind_of(Spec(), EXPANDED) is nest_kinds.SPEC
    # A spec that is its own component describes one tensor: there is nothing to open.
    assert kind_of(Leaf(), EXPANDED) is None and kind_of(Single(1, 2), EXPANDED) is None
    assert rebuild(value, nest_kinds.COMPOSITE, [(3, 4)]).b == 4
