"""Fetches: from a nested structure of things to run, to the tensors behind them, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from everflow._src.framework.graph import Graph
from everflow._src.framework.indexed_slices import IndexedSlices, IndexedSlicesValue
from everflow._src.framework.operation import Operation
from everflow._src.framework.sparse_tensor import SparseTensor, SparseTensorValue, parts_of
from everflow._src.framework.tensor import SymbolicTensor

# Composite objects: class -> (function that gives its parts, function that rebuilds its value)
_fetch_conversions: list[tuple[type, Callable[[Any], Sequence[Any]], Callable[[Sequence[Any]], Any]]] = []


def register_fetch_conversion(cls: type, parts: Callable[[Any], Sequence[Any]],
                              rebuild: Callable[[Sequence[Any]], Any]) -> None:
    """Lets objects of `cls` be fetched: `parts(object)` are run, `rebuild(values)` is returned."""
    _fetch_conversions.insert(0, (cls, parts, rebuild))


register_fetch_conversion(
    IndexedSlices,
    lambda slices: slices._parts,
    lambda values: IndexedSlicesValue(*values, *[None] * (3 - len(values))),
)
register_fetch_conversion(SparseTensor, parts_of, lambda values: SparseTensorValue(*values))


class FetchPlan:
    """What to run for a structure of fetches, and how to put the values back into it."""

    def __init__(self, graph: Graph, fetches: Any) -> None:
        self.graph = graph
        self.tensors: list[SymbolicTensor] = []
        self.kept_feeds: list[int] = []  # positions of feeds that outlive the run, set by the session
        self.operations: list[Operation] = []
        self._index: dict[int, int] = {}
        self._build = self._plan(fetches)

    def build(self, values: Sequence[Any]) -> Any:
        """The structure of the fetches, with `values` (one per tensor) in place."""
        return self._build(values)

    def _plan(self, fetch: Any) -> Callable[[Sequence[Any]], Any]:
        if fetch is None:
            raise TypeError("Argument `fetch` = None has invalid type \"NoneType\". Cannot be None")
        if isinstance(fetch, (list, tuple)):
            return self._plan_sequence(fetch)
        if isinstance(fetch, dict) or hasattr(fetch, "keys") and hasattr(fetch, "__getitem__"):
            keys = list(fetch.keys())
            plans = [self._plan(fetch[k]) for k in keys]
            kind = type(fetch)

            def build_dict(values: Sequence[Any]) -> Any:
                items = [(k, p(values)) for k, p in zip(keys, plans)]
                try:
                    return kind(items)
                except TypeError:  # a defaultdict, which wants its factory first
                    return dict(items)

            return build_dict
        if hasattr(type(fetch), "__attrs_attrs__"):
            names = [a.name for a in type(fetch).__attrs_attrs__]
            plans = [self._plan(getattr(fetch, n)) for n in names]
            return lambda values: type(fetch)(*[p(values) for p in plans])
        for cls, parts, rebuild in _fetch_conversions:
            if isinstance(fetch, cls):
                plans = [self._plan(part) for part in parts(fetch)]
                return lambda values: rebuild([p(values) for p in plans])
        return self._plan_element(fetch)

    def _plan_sequence(self, fetch: Any) -> Callable[[Sequence[Any]], Any]:
        plans = [self._plan(f) for f in fetch]
        if isinstance(fetch, tuple) and hasattr(fetch, "_fields"):
            return lambda values: type(fetch)(*[p(values) for p in plans])
        kind = type(fetch)
        if kind is list or kind not in (list, tuple):
            return lambda values: kind([p(values) for p in plans])
        return lambda values: tuple([p(values) for p in plans])

    def _plan_element(self, fetch: Any) -> Callable[[Sequence[Any]], Any]:
        try:
            element = self.graph.as_graph_element(fetch, allow_tensor=True, allow_operation=True)
        except TypeError as error:
            raise TypeError(
                f"Argument `fetch` = {fetch!r} has invalid type \"{type(fetch).__name__}\" must be a string or Tensor. "
                f"({error})"
            ) from None
        except ValueError as error:
            raise ValueError(f"Argument `fetch` = {fetch!r} cannot be interpreted as a Tensor. ({error})") from None
        except KeyError as error:
            raise ValueError(
                f"Argument `fetch` = {fetch!r} cannot be interpreted as a Tensor. ({error.args[0]})"
            ) from None
        if isinstance(element, Operation):
            self.operations.append(element)
            return lambda values: None
        index = self._index.get(id(element))
        if index is None:
            index = self._index[id(element)] = len(self.tensors)
            self.tensors.append(element)
        return lambda values: values[index]
