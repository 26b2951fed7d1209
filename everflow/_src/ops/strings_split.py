"""Strings split into sparse tensors of their parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import op
from everflow._src.framework.sparse_tensor import SparseTensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid

_BLANKS = b" \t\n\v\f\r"


def _at_any(value: bytes, delimiters: bytes, skip_empty: bool) -> list[bytes]:
    """Parts between any of the bytes in `delimiters`; single bytes if there are none."""
    parts, start = [], 0
    if not delimiters:
        return [value[i : i + 1] for i in range(len(value))]
    for i, byte in enumerate(value):
        if byte in delimiters:
            parts.append(value[start:i])
            start = i + 1
    parts.append(value[start:])
    # An empty string has no parts, not one that is empty.
    return [part for part in parts if part or not skip_empty] if value else []


def _at(value: bytes, separator: bytes, most: int) -> list[bytes]:
    """Parts between separators, or runs of blanks if it is empty; after `most` splits the rest stays whole."""
    if most == 0:
        return [value]
    if separator:
        return value.split(separator, max(most, -1))
    parts, rest = [], value.lstrip(_BLANKS)
    while rest:
        if 0 < most == len(parts):
            return [*parts, rest]
        part = rest.split(None, 1)[0]
        parts.append(part)
        rest = rest[len(part) :].lstrip(_BLANKS)
    # TensorFlow adds the rest even where none is left.
    return [*parts, b""] if 0 < most == len(parts) else parts


def _sparse(rows: list[list[bytes]]) -> tuple[Any, Any, Any]:
    indices = [(i, j) for i, row in enumerate(rows) for j in range(len(row))]
    values = np.empty(len(indices), object)
    values[:] = [part for row in rows for part in row]
    shape = np.array([len(rows), max(map(len, rows), default=0)], np.int64)
    return np.array(indices, np.int64).reshape(-1, 2), values, shape


def _operands(values: Any, separator: Any, what: str) -> tuple[list[bytes], bytes]:
    values, separator = np.asarray(values, object), np.asarray(separator, object)
    if values.ndim != 1:
        raise invalid(f"input must be a vector, got shape: {list(values.shape)}")
    if separator.ndim:
        raise invalid(f"{what} must be a scalar, got shape: {list(separator.shape)}")
    return values.tolist(), separator.item()


def _split(xp: Any, input: Any, delimiter: Any, *, skip_empty: bool) -> Any:
    values, delimiters = _operands(input, delimiter, "delimiter")
    return _sparse([_at_any(value, delimiters, skip_empty) for value in values])


def _split_v2(xp: Any, input: Any, sep: Any, *, maxsplit: int) -> Any:
    values, separator = _operands(input, sep, "sep")
    return _sparse([_at(value, separator, maxsplit) for value in values])


def _split_shapes(op: Any) -> list[TensorShape]:
    shapes.with_rank(op._inputs[0]._shape, 1)
    shapes.with_rank(op._inputs[1]._shape, 0)
    return [TensorShape([None, 2]), TensorShape([None]), TensorShape([2])]


_SAMPLE = [np.array([b"a b", b"c"], object), np.array(b" ", object)]

StringSplit = op(
    "StringSplit", "input: string, delimiter: string -> indices: int64, values: string, shape: int64",
    skip_empty=True, kernel=_split, shape=_split_shapes, host=True, no_gradient=True,
    doc="Strings split at any of several bytes.", sample=lambda: (_SAMPLE, {}),
)

StringSplitV2 = op(
    "StringSplitV2", "input: string, sep: string -> indices: int64, values: string, shape: int64", maxsplit=-1,
    kernel=_split_v2, shape=_split_shapes, host=True, no_gradient=True, doc="Strings split at a separator.",
    sample=lambda: (_SAMPLE, {}),
)


def _check_result(result_type: str) -> None:
    if result_type == "RaggedTensor":
        raise NotImplementedError("everflow has no ragged tensors to split strings into yet: use 'SparseTensor'")
    if result_type != "SparseTensor":
        raise ValueError(f"result_type must be 'SparseTensor' or 'RaggedTensor', received {result_type!r}")


@export(v1=["string_split"])
def string_split(source: Any, sep: Any = None, skip_empty: bool = True, delimiter: Any = None,
                 result_type: str = "SparseTensor", name: str | None = None) -> SparseTensor:
    """Splits strings at any byte of `delimiter`, into a sparse matrix with one row per string.

    Args:
      source: a vector of strings.
      sep: the bytes to split at, a blank by default; "" splits into single bytes.
      skip_empty: leave out parts that are empty.
      delimiter: the old name of `sep`.
      result_type: "SparseTensor".
      name: name of the operation.

    Raises:
      ValueError: both `sep` and `delimiter` are given.
      tf.errors.InvalidArgumentError: `source` is no vector; ValueError where that is known in a graph.
    """
    if sep is not None and delimiter is not None:
        raise ValueError("Cannot specify both 'sep' and 'delimiter'.")
    _check_result(result_type)
    separator = sep if sep is not None else " " if delimiter is None else delimiter
    with name_scope(name, "StringSplit"):
        parts = StringSplit(source, convert(separator, dtype=dtypes.string, name="Const"), skip_empty=skip_empty)
    return SparseTensor(*parts)


@export(v1=["strings.split"])
def split_v1(input: Any = None, sep: Any = None, maxsplit: int = -1, result_type: str = "SparseTensor",
             source: Any = None, name: str | None = None) -> SparseTensor:
    """Splits strings at `sep`, or at runs of blanks, into a sparse matrix with one row per string.

    Args:
      input: a string, or a vector of strings.
      sep: where to split; at runs of blanks when None or "".
      maxsplit: the most splits of one string; any number when negative.
      result_type: "SparseTensor".
      source: the old name of `input`.
      name: name of the operation.

    Raises:
      NotImplementedError: `input` has more than one dimension: that needs ragged tensors.
    """
    _check_result(result_type)
    with name_scope(name, "StringSplit"):
        strings = convert(source if input is None else input, dtype=dtypes.string)
        if strings.shape.rank == 0:
            strings = cards.ExpandDims(strings, 0)
        elif strings.shape.rank not in (1, None):
            raise NotImplementedError("everflow has no ragged tensors to split strings of several dimensions into yet")
        separator = convert("" if sep is None else sep, dtype=dtypes.string, name="Const")
        parts = StringSplitV2(strings, separator, maxsplit=maxsplit)
    return SparseTensor(*parts)
