"""`tf.debugging`: assertions about ranks, shapes and dtypes, which are mostly known beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.constant_value import constant_value
from everflow._src.framework.context import current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.tensor import Tensor
from everflow._src.ops.by_name import cards
from everflow._src.ops.constants import no_op
from everflow._src.ops.debugging import Assert
from everflow._src.ops.grouping import group


def _name_of(tensor: Any) -> str:
    return tensor.name if current_graph() is not None else ""


def _rank_check(x: Any, ranks: Sequence[Any], at_least: bool, wanted: str, data: Any, summarize: int | None,
                message: str | None, name: str | None) -> Any:
    x = convert(x)
    known = [constant_value(convert(rank)) for rank in ranks]
    for rank in known:
        if rank is not None and (np.ndim(rank) != 0 or np.asarray(rank).dtype.kind not in "iu"):
            raise (ValueError if np.ndim(rank) else TypeError)(f"A rank must be a scalar integer, received {rank!r}")
    if x.shape.rank is not None and all(rank is not None for rank in known):
        values = tuple(int(rank) for rank in known)
        if x.shape.rank >= values[0] if at_least else x.shape.rank in values:
            return None if current_graph() is None else no_op(name=name)
        described = values[0] if wanted != "in" else values
        raise ValueError(
            f"{message + '. ' if message else ''}Tensor {_name_of(x)} must have rank {wanted + ' ' if wanted else ''}"
            f"{described}.  Received rank {x.shape.rank}, shape {x.shape}"
        )
    rank = cards.Rank(x)
    tests = [(cards.GreaterEqual if at_least else cards.Equal)(rank, r) for r in ranks]
    condition = tests[0]
    for test in tests[1:]:
        condition = cards.LogicalOr(condition, test)
    if data is None:
        data = [f"Tensor {x.name} must have rank {wanted}", *ranks, "Received shape: ", cards.Shape(x)]
    return Assert(condition, [*([message] if message else []), *data], summarize, name)


@export(v1=["assert_rank", "debugging.assert_rank"])
def assert_rank(x: Any, rank: Any, data: Any = None, summarize: int | None = None, message: str | None = None,
                name: str | None = None) -> Any:
    """Fails unless `x` has rank `rank`: with a ValueError at once, or when the program runs."""
    return _rank_check(x, [rank], False, "", data, summarize, message, name)


@export("debugging.assert_rank", "assert_rank", v1=[])
def assert_rank_v2(x: Any, rank: Any, message: str | None = None, name: str | None = None) -> Any:
    """Fails unless `x` has rank `rank`: with a ValueError at once, or when the program runs."""
    return _rank_check(x, [rank], False, "", None, None, message, name)


@export(v1=["assert_rank_at_least", "debugging.assert_rank_at_least"])
def assert_rank_at_least(x: Any, rank: Any, data: Any = None, summarize: int | None = None,
                         message: str | None = None, name: str | None = None) -> Any:
    """Fails unless `x` has rank `rank` or a higher one."""
    return _rank_check(x, [rank], True, "at least", data, summarize, message, name)


@export("debugging.assert_rank_at_least", v1=[])
def assert_rank_at_least_v2(x: Any, rank: Any, message: str | None = None, name: str | None = None) -> Any:
    """Fails unless `x` has rank `rank` or a higher one."""
    return _rank_check(x, [rank], True, "at least", None, None, message, name)


@export(v1=["assert_rank_in", "debugging.assert_rank_in"])
def assert_rank_in(x: Any, ranks: Sequence[Any], data: Any = None, summarize: int | None = None,
                   message: str | None = None, name: str | None = None) -> Any:
    """Fails unless `x` has one of `ranks`."""
    return _rank_check(x, list(ranks), False, "in", data, summarize, message, name)


@export("debugging.assert_rank_in", v1=[])
def assert_rank_in_v2(x: Any, ranks: Sequence[Any], message: str | None = None, name: str | None = None) -> Any:
    """Fails unless `x` has one of `ranks`."""
    return _rank_check(x, list(ranks), False, "in", None, None, message, name)


@export("debugging.assert_scalar", v1=["assert_scalar", "debugging.assert_scalar"])
def assert_scalar(tensor: Any, name: str | None = None, message: str | None = None) -> Any:
    """The tensor, which must be a scalar.

    Raises:
      ValueError: it is none.
    """
    tensor = convert(tensor, name=name)
    if tensor.shape.rank != 0:
        raise ValueError(f"{message or ''}Expected scalar shape, saw shape: {tensor.shape}.")
    return tensor


@export(v1=["assert_integer", "debugging.assert_integer"])
def assert_integer(x: Any, message: str | None = None, name: str | None = None) -> Any:
    """Fails unless `x` is of an integer dtype.

    Raises:
      TypeError: it is not.
    """
    x = convert(x)
    if not x.dtype.is_integer:
        raise TypeError(f'{message or ""}Expected "{_name_of(x) or "x"}" to be integer type.  Found: tensor of dtype '
                        f"{x.dtype!r}")
    return None if current_graph() is None else no_op(name=name)


@export("debugging.assert_integer", v1=[])
def assert_integer_v2(x: Any, message: str | None = None, name: str | None = None) -> None:
    """Fails unless `x` is of an integer dtype.

    Raises:
      TypeError: it is not.
    """
    assert_integer(x, message, name)


@export("debugging.assert_type", v1=["assert_type", "debugging.assert_type"])
def assert_type(tensor: Any, tf_type: Any, message: str | None = None, name: str | None = None) -> Any:
    """Fails unless `tensor` is of dtype `tf_type`.

    Raises:
      TypeError: it is not.
    """
    tensor, wanted = convert(tensor), as_dtype(tf_type)
    if tensor.dtype.base_dtype != wanted:
        raise TypeError(f"{message + ' ' if message else ''}tensor {_name_of(tensor)} must be of type {wanted!r}; got "
                        f"{tensor.dtype!r}")
    return None if current_graph() is None else no_op(name=name)


@export("debugging.assert_proper_iterable", v1=["assert_proper_iterable", "debugging.assert_proper_iterable"])
def assert_proper_iterable(values: Any) -> None:
    """Fails unless `values` is an iterable that is no tensor, array or text.

    Raises:
      TypeError: it is not.
    """
    if isinstance(values, (Tensor, np.ndarray, bytes, str)) or hasattr(values, "dense_shape") or \
            not isinstance(values, Iterable):
        raise TypeError(f'Expected argument "values" to be iterable.  Found: {type(values)}')


@export("debugging.assert_same_float_dtype", v1=["assert_same_float_dtype", "debugging.assert_same_float_dtype"])
def assert_same_float_dtype(tensors: Sequence[Any] | None = None, dtype: Any = None) -> Any:
    """The dtype that all of `tensors` have; float32 when there is nothing to tell.

    Raises:
      ValueError: dtypes differ, or are not floating.
    """
    found = as_dtype(dtype) if dtype is not None else None
    for tensor in tensors or ():
        if tensor is None:
            continue
        other = tensor.dtype.base_dtype
        if found is None:
            found = other
        elif found != other:
            raise ValueError(f"{tensor!r} of type {other!r} must be of the same float type as the others ({found!r})")
    found = found or dtypes.float32
    if not found.is_floating:
        raise ValueError(f"Expected floating point type, got {found!r}.")
    return found


@export("debugging.is_numeric_tensor", v1=["is_numeric_tensor", "debugging.is_numeric_tensor"])
def is_numeric_tensor(tensor: Any) -> bool:
    """True for tensors of numbers; False for other tensors and for what is no tensor."""
    return isinstance(tensor, Tensor) and tensor.dtype.base_dtype in dtypes.NUMERIC


@export(v1=["debugging.assert_shapes"])
def assert_shapes(shapes: Any, data: Any = None, summarize: int | None = None, message: str | None = None,
                  name: str | None = None) -> Any:
    """Fails unless tensors have the shapes named, in which equal symbols stand for equal sizes.

    Ranks are checked when the program runs where they are not known before; sizes only where they are known.

    Args:
      shapes: (tensor, shape) pairs or a dict; a shape holds numbers, symbols, None or "." for any size, and may
        begin or end with `...`.
      data: accepted.
      summarize: accepted.
      message: put before the error.
      name: name of the operation in a graph.

    Raises:
      ValueError: it is known already that a shape does not fit.
    """
    sizes: dict[Any, tuple[int, Any]] = {}
    checks: list[Any] = []
    for tensor, wanted in shapes.items() if isinstance(shapes, dict) else shapes:
        tensor = convert(tensor)
        entries = list(wanted) if isinstance(wanted, (list, tuple)) else [wanted]
        rank, open_ended = tensor.shape.rank, [e for e in entries if e is Ellipsis or e == "*"]
        named = [e for e in entries if not (e is Ellipsis or e == "*")]
        if rank is None:
            checks.append((assert_rank_at_least if open_ended else assert_rank)(tensor, len(named)))
            continue
        if rank < len(named) or (rank != len(named) and not open_ended):
            raise ValueError(f"{message or ''}Tensor {_name_of(tensor)} must have rank {len(named)}.  Received rank "
                             f"{rank}, shape {tensor.shape}")
        leading = bool(open_ended) and (entries[0] is Ellipsis or entries[0] == "*")
        offset = rank - len(named) if leading else 0
        for position, entry in enumerate(named):
            size = tensor.shape[offset + position]
            if entry is None or entry == "." or size is None:
                continue
            number = isinstance(entry, int)
            expected, source = (entry, None) if number else sizes.setdefault(entry, (size, tensor))
            if size != expected:
                where = "" if number else f"Specified by tensor {_name_of(source)} of shape {source.shape}. "
                raise ValueError(
                    f"{message or ''}{where}Tensor {_name_of(tensor)} dimension {offset + position} must have size "
                    f"{expected}.  Received size {size}, shape {tensor.shape}"
                )
    if current_graph() is None:
        return None
    return group(*checks, name=name)


@export("debugging.assert_shapes", v1=[])
def assert_shapes_v2(shapes: Any, data: Any = None, summarize: int | None = None, message: str | None = None,
                     name: str | None = None) -> Any:
    """Fails unless tensors have the shapes named; see `tf.compat.v1.debugging.assert_shapes`."""
    return assert_shapes(shapes, data, summarize, message, name)
