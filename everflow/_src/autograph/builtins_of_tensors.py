"""Python's builtins in converted code: by the graph where they are given tensors."""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from everflow._src.autograph import lists
from everflow._src.autograph.state import is_symbolic
from everflow._src.framework import dtypes
from everflow._src.framework.conversion import convert
from everflow._src.framework.errors import OperatorNotAllowedInGraphError
from everflow._src.framework.registry import CARDS
from everflow._src.ops.array_joining import stack
from everflow._src.ops.array_sorting import argsort
from everflow._src.ops.map_functions import map_fn
from everflow._src.ops.python_functions import numpy_function
from everflow._src.ops.tensor_array import TensorArray


def _any_symbolic(values: Any) -> bool:
    return builtins.any(is_symbolic(v) for v in values)


def abs_(x: Any) -> Any:
    return CARDS["Abs"](x) if is_symbolic(x) else builtins.abs(x)


def float_(x: Any = 0.0) -> Any:
    if is_symbolic(x):
        return x if x.dtype == dtypes.float32 else CARDS["Cast"](x, DstT=dtypes.float32)
    return builtins.float(x)


def int_(x: Any = 0, base: Any = None) -> Any:
    if is_symbolic(x):
        if base not in (None, 10):
            raise NotImplementedError(f"int of a tensor with base {base}")
        return x if x.dtype == dtypes.int32 else CARDS["Cast"](x, DstT=dtypes.int32)
    return builtins.int(x) if base is None else builtins.int(x, base)


def len_(x: Any) -> Any:
    if isinstance(x, TensorArray):
        return x.size()
    if is_symbolic(x):
        if lists.is_tensor_list(x):
            return lists.length(x)
        if x.shape.rank == 0:
            raise ValueError("len requires a tensor of rank 1 or more, received a scalar")
        size = x.shape.as_list()[0] if x.shape.rank is not None else None
        return size if size is not None else CARDS["Shape"](x)[0]
    return builtins.len(x)


def range_(start_or_stop: Any, stop: Any = None, step: Any = None) -> Any:
    given = [v for v in (start_or_stop, stop, step) if v is not None]
    if not _any_symbolic(given):
        return builtins.range(*given)
    start, end = (0, start_or_stop) if stop is None else (start_or_stop, stop)
    dtype = next(v.dtype for v in given if is_symbolic(v))
    operands = [convert(v, dtype) for v in (start, end, 1 if step is None else step)]
    return CARDS["Range"](*operands)


def print_(*values: Any, **keywords: Any) -> None:
    builtins.print(*values, **keywords)


def print_values(*values: Any, **keywords: Any) -> None:
    """`print` of the values of tensors, when the program runs."""
    places = [i for i, v in builtins.enumerate(values) if is_symbolic(v)]
    if not places:
        builtins.print(*values, **keywords)
        return

    def show(*arrays: Any) -> None:
        shown = dict(builtins.zip(places, arrays))
        builtins.print(*[shown.get(i, v) for i, v in builtins.enumerate(values)], **keywords)

    numpy_function(show, [values[i] for i in places], [])


def enumerate_(iterable: Any, start: int = 0) -> Any:
    if hasattr(iterable, "_autograph_enumerate"):
        return iterable._autograph_enumerate(start)
    given = _iterable(iterable)
    if isinstance(given, TensorItems):
        return TensorItems("enumerate()", given.count, lambda i: (CARDS["AddV2"](i, start), given.item(i)))
    return builtins.enumerate(given, start)


def zip_(*iterables: Any, strict: bool = False) -> Any:
    if iterables and builtins.all(hasattr(i, "_autograph_zip") for i in iterables):
        return iterables[0]._autograph_zip(*iterables[1:])
    given = [_iterable(i) for i in iterables]
    if builtins.any(isinstance(g, TensorItems) for g in given):
        parts = [_items(g, "zip()") for g in given]
        count = functools.reduce(lambda a, b: CARDS["Minimum"](a, b), [p.count for p in parts])
        return TensorItems("zip()", count, lambda i: tuple(p.item(i) for p in parts))
    return builtins.zip(*given, strict=strict)


def map_(function: Callable, *iterables: Any) -> Any:
    if iterables and builtins.all(hasattr(i, "_autograph_map") for i in iterables):
        return iterables[0]._autograph_map(function, *iterables[1:])
    given = [_iterable(i) for i in iterables]
    if builtins.any(isinstance(g, TensorItems) for g in given):
        zipped = zip_(*given)
        return TensorItems("map()", zipped.count, lambda i: function(*zipped.item(i)))
    return builtins.map(function, *given)


def filter_(function: Callable | None, iterable: Any) -> Any:
    if hasattr(iterable, "_autograph_filter"):
        return iterable._autograph_filter(function)
    given = _iterable(iterable)
    if isinstance(given, TensorItems):
        raise OperatorNotAllowedInGraphError(f"filter() of a tensor whose length is not known: {iterable!r}. Use "
                                             "tf.boolean_mask, or an if in the loop")
    return builtins.filter(function, given)


class TensorItems:
    """What enumerate(), zip() and map() make of tensors whose length is not known: `for` makes a loop of the graph.

    Attributes:
      name: what made it.
      count: how many items there are, an int32 tensor.
      item: the item at an index.
    """

    def __init__(self, name: str, count: Any, item: Callable[[Any], Any]) -> None:
        self.name = name
        self.count = count
        self.item = item

    def __iter__(self) -> Any:
        raise OperatorNotAllowedInGraphError(
            f"Iterating over {self.name} of symbolic tensors, whose length is not known while the program is built, is "
            "possible in a `for` statement only. Use tf.map_fn, or a loop over tf.range"
        )


def _iterable(value: Any) -> Any:
    """A tensor as a list of its slices, or as `TensorItems` when its length is not known."""
    if not is_symbolic(value):
        return value
    size = value.shape.as_list()[0] if value.shape.rank else None
    return _items(value, "iteration") if size is None else [value[i] for i in builtins.range(size)]


def _items(value: Any, name: str) -> TensorItems:
    if isinstance(value, TensorItems):
        return value
    if isinstance(value, builtins.range):
        return TensorItems(name, convert(builtins.len(value)),
                           lambda i: CARDS["AddV2"](value.start, CARDS["Mul"](i, value.step)))
    try:
        tensor = value if is_symbolic(value) else convert(value)
    except (TypeError, ValueError):
        raise OperatorNotAllowedInGraphError(
            f"{name} of tensors whose length is not known and of {value!r}, which is no tensor") from None
    return TensorItems(name, CARDS["Shape"](tensor)[0], lambda i: tensor[i])


def any_(iterable: Any) -> Any:
    if is_symbolic(iterable):
        return CARDS["Any"](_bools(iterable), np.array([0], np.int32))
    if isinstance(iterable, (list, tuple)) and _any_symbolic(iterable):
        return CARDS["Any"](CARDS["Pack"]([convert(v, dtypes.bool) for v in iterable]), np.array([0], np.int32))
    return builtins.any(iterable)


def all_(iterable: Any) -> Any:
    if is_symbolic(iterable):
        return CARDS["All"](_bools(iterable), np.array([0], np.int32))
    if isinstance(iterable, (list, tuple)) and _any_symbolic(iterable):
        return CARDS["All"](CARDS["Pack"]([convert(v, dtypes.bool) for v in iterable]), np.array([0], np.int32))
    return builtins.all(iterable)


def _bools(tensor: Any) -> Any:
    return tensor if tensor.dtype == dtypes.bool else CARDS["Cast"](tensor, DstT=dtypes.bool)


def sorted_(iterable: Any, *, key: Callable | None = None, reverse: bool = False) -> Any:
    if not is_symbolic(iterable):
        return builtins.sorted(iterable, key=key, reverse=reverse)
    if key is not None:
        order = argsort(map_fn(key, iterable), direction="DESCENDING" if reverse else "ASCENDING", stable=True)
        return CARDS["GatherV2"](iterable, order, np.array(0, np.int32))
    if iterable.shape.rank not in (None, 1):
        raise ValueError(f"sorted() takes a tensor of rank 1, received rank {iterable.shape.rank}")
    size = CARDS["Size"](iterable)
    if reverse:
        return CARDS["TopKV2"](iterable, size)[0]
    return CARDS["Neg"](CARDS["TopKV2"](CARDS["Neg"](iterable), size)[0])


def sum_(iterable: Any, start: Any = 0) -> Any:
    if is_symbolic(iterable):
        total = CARDS["Sum"](iterable, np.array([0], np.int32))
        return total if isinstance(start, int) and start == 0 else CARDS["AddV2"](convert(start, total.dtype), total)
    return builtins.sum(iterable, start)


def min_(*values: Any, **keywords: Any) -> Any:
    return _extreme(builtins.min, "Min", "Minimum", values, keywords)


def max_(*values: Any, **keywords: Any) -> Any:
    return _extreme(builtins.max, "Max", "Maximum", values, keywords)


def _extreme(function: Callable, reduction: str, pair: str, values: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    if len(values) == 1 and is_symbolic(values[0]):
        return CARDS[reduction](values[0], np.array([0], np.int32))
    if len(values) > 1 and _any_symbolic(values) and not keywords:
        dtype = next(v.dtype for v in values if is_symbolic(v))
        result = convert(values[0], dtype)
        for value in values[1:]:
            result = CARDS[pair](result, convert(value, dtype))
        return result
    return function(*values, **keywords)


def stack_(values: Any, *arguments: Any, **keywords: Any) -> Any:
    """`tf.stack`, of lists of tensors too."""
    return lists.stack(values) if lists.is_tensor_list(values) else stack(values, *arguments, **keywords)


OVERLOADS: dict[Any, Callable] = {
    builtins.abs: abs_, builtins.float: float_, builtins.int: int_, builtins.len: len_, builtins.range: range_,
    builtins.print: print_, builtins.enumerate: enumerate_, builtins.zip: zip_, builtins.map: map_,
    builtins.filter: filter_, builtins.any: any_, builtins.all: all_, builtins.sorted: sorted_, builtins.sum: sum_,
    builtins.min: min_, builtins.max: max_, stack: stack_,
}
