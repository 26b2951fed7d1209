"""IndexedSlices as whole tensors: rows are added up where they belong."""

from __future__ import annotations

from typing import Any

from everflow._src.framework.constant_value import constant_value_as_shape
from everflow._src.framework.conversion import convert
from everflow._src.framework.indexed_slices import IndexedSlices, install_densifier
from everflow._src.ops.by_name import cards


def _densify(slices: IndexedSlices) -> Any:
    rows = convert(slices.dense_shape)[0]
    dense = cards.UnsortedSegmentSum(slices.values, slices.indices, rows)
    dense.set_shape(slices.shape)
    return dense


install_densifier(_densify, constant_value_as_shape)
