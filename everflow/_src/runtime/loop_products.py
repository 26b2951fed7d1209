"""Products in the body of a compiled loop, and sums over its iterations, in forms that can leave the loop.

A product of values that no iteration has to wait for is done for all iterations at once; `LoopBody` tells which these
are.  Here products are split so that more of them are: a product with joined columns into one for each, where some of
them are there before the loop, and a product of which parts are wanted at different times into these parts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from everflow._src.runtime.loop_body import CARRIED, COUNTED, Equation, LoopBody

# A product of more rows is as fast alone: done for all iterations at once, it would take memory for nothing.
_MOST_ROWS = 1024
_ADDITIONS = ("add", "add_any", "sub")


class Accumulator:
    """A carried value to which each iteration adds, and which nothing else reads.

    Attributes:
      position: which of the carried values it is.
      terms: what is added, and True with what is subtracted.
    """

    __slots__ = ("position", "terms")

    def __init__(self, position: int, terms: list[tuple[int, bool]]) -> None:
        self.position = position
        self.terms = terms


def accumulators(body: LoopBody) -> list[Accumulator]:
    """The carried values of a loop that are sums over its iterations."""
    producers, uses = body.producers(), body.uses()
    found = []
    for position, (before, after) in enumerate(zip(body.inputs, body.outputs)):
        if body.levels[before] != CARRIED or before == after or uses.get(before) != 1:
            continue
        terms, waiting = [], [(after, False)]
        while waiting:
            number, negative = waiting.pop()
            equation = producers.get(number)
            if equation is not None and equation.name in _ADDITIONS and uses[number] == 1:
                first, second = equation.inputs
                waiting += [(first, negative), (second, negative != (equation.name == "sub"))]
            else:
                terms.append((number, negative))
        if (before, False) in terms:
            terms.remove((before, False))
            found.append(Accumulator(position, [t for t in terms if not body.is_zero(t[0], producers)]))
    return found


class _Dimensions:
    """Where the dimensions of the operands of a product are in its result."""

    def __init__(self, body: LoopBody, product: Equation) -> None:
        self.contracted, self.batch = product.params["dimension_numbers"]
        self.free = []
        for side in (0, 1):
            rank = len(body.shapes[product.inputs[side]].shape)
            taken = (*self.contracted[side], *self.batch[side])
            self.free.append([d for d in range(rank) if d not in taken])

    def source(self, dimension: int) -> tuple[int, int] | None:
        """The operand, and its dimension, that a dimension of the result comes from; None for one of a batch."""
        dimension -= len(self.batch[0])
        if dimension < 0:
            return None
        if dimension < len(self.free[0]):
            return 0, self.free[0][dimension]
        return 1, self.free[1][dimension - len(self.free[0])]


class ProductSplitter:
    """Rewrites the products of a body."""

    def __init__(self, jax: Any, body: LoopBody) -> None:
        self.jax = jax
        self.body = body
        self.primitives = jax.extend.core.primitives

    def _value(self, like: int, shape: Sequence[int]) -> int:
        return self.body.new(self.jax.ShapeDtypeStruct(tuple(shape), self.body.shapes[like].dtype))

    def _slice(self, number: int, dimension: int, first: int, last: int) -> Equation:
        shape = list(self.body.shapes[number].shape)
        starts, limits = [0] * len(shape), list(shape)
        starts[dimension], limits[dimension] = first, last
        shape[dimension] = last - first
        params = {"start_indices": tuple(starts), "limit_indices": tuple(limits), "strides": None}
        return Equation(self.primitives.slice_p, params, [number], [self._value(number, shape)])

    def _sliced(self, equations: list[Equation], number: int, dimension: int, first: int, last: int) -> int:
        if (first, last) == (0, self.body.shapes[number].shape[dimension]):
            return number
        equations.append(self._slice(number, dimension, first, last))
        return equations[-1].outputs[0]

    # ---- joined columns

    def split_joined(self) -> None:
        """Splits products with joined values, of which some are there before the iteration."""
        producers = self.body.producers()
        equations: list[Equation] = []
        for equation in self.body.equations:
            equations.extend(self._without_joining(equation, producers) or [equation])
        self.body.equations = equations
        self.body.find_levels()

    def _without_joining(self, product: Equation, producers: dict[int, Equation]) -> list[Equation] | None:
        if product.name != "dot_general":
            return None
        levels = self.body.levels
        (left, right), _ = product.params["dimension_numbers"]
        for side, contracted, others in ((0, left, right), (1, right, left)):
            joining = producers.get(product.inputs[side])
            if joining is None or joining.name != "concatenate" or joining.params["dimension"] not in contracted:
                continue
            # Neighbours of one kind stay together.
            groups: list[tuple[bool, list[int]]] = []
            for piece in joining.inputs:
                waits = levels[piece] == CARRIED
                if groups and groups[-1][0] == waits:
                    groups[-1][1].append(piece)
                else:
                    groups.append((waits, [piece]))
            if len(groups) > 1 and levels[product.inputs[1 - side]] != CARRIED:
                along = others[list(contracted).index(joining.params["dimension"])]
                return self._product_of_groups(product, side, joining, [pieces for _, pieces in groups], along)
        return None

    def _product_of_groups(self, product: Equation, side: int, joining: Equation, groups: list[list[int]], along: int
                           ) -> list[Equation]:
        dimension, shapes = joining.params["dimension"], self.body.shapes
        equations: list[Equation] = []
        parts, first = [], 0
        for pieces in groups:
            size = sum(shapes[p].shape[dimension] for p in pieces)
            operand = pieces[0]
            if len(pieces) > 1:
                shape = list(shapes[operand].shape)
                shape[dimension] = size
                operand = self._value(operand, shape)
                equations.append(Equation(joining.primitive, joining.params, pieces, [operand]))
            other = self._sliced(equations, product.inputs[1 - side], along, first, first + size)
            part = self._value(product.outputs[0], shapes[product.outputs[0]].shape)
            equations.append(Equation(product.primitive, product.params,
                                      [operand, other] if side == 0 else [other, operand], [part]))
            parts.append(part)
            first += size
        total = parts[0]
        for part in parts[1:]:
            last = part is parts[-1]
            following = product.outputs[0] if last else self._value(part, shapes[part].shape)
            equations.append(Equation(self.primitives.add_p, {}, [total, part], [following]))
            total = following
        return equations

    # ---- parts of a result

    def split_parts(self, waiting: set[int]) -> None:
        """Splits products that are used in slices only: what the next iteration waits for, and the rest.

        Args:
          waiting: the values that the next iteration waits for.
        """
        users: dict[int, list[Equation]] = {}
        for equation in self.body.equations:
            for number in equation.inputs:
                users.setdefault(number, []).append(equation)
        returned = set(self.body.outputs)
        for product in [e for e in self.body.equations if e.name == "dot_general"]:
            if product.outputs[0] not in returned:
                self._split(product, users.get(product.outputs[0], []), waiting)
        self.body.find_levels()

    def _split(self, product: Equation, users: list[Equation], waiting: set[int]) -> None:
        shape = self.body.shapes[product.outputs[0]].shape
        dimensions: set[int] = set()
        for user in users:
            if user.name != "slice" or user.params["strides"] is not None:
                return
            part = self.body.shapes[user.outputs[0]].shape
            dimensions.update(d for d, (whole, size) in enumerate(zip(shape, part)) if whole != size)
        if len(dimensions) != 1:
            return
        dimension = dimensions.pop()
        source = _Dimensions(self.body, product).source(dimension)
        if source is None:
            return
        groups = [[u for u in users if u.outputs[0] in waiting]]
        groups.extend([u] for u in users if u.outputs[0] not in waiting)
        groups = [g for g in groups if g]
        ranges = [(min(u.params["start_indices"][dimension] for u in g),
                   max(u.params["limit_indices"][dimension] for u in g)) for g in groups]
        if len(groups) == 1 and ranges[0] == (0, shape[dimension]):
            return
        if sum(last - first for first, last in ranges) > shape[dimension]:
            return  # they overlap: parts would be computed twice
        parts = self._parts(product, source, dimension, groups, ranges)
        at = self.body.equations.index(product)
        self.body.equations[at:at + 1] = parts

    def _parts(self, product: Equation, source: tuple[int, int], dimension: int, groups: list[list[Equation]],
               ranges: list[tuple[int, int]]) -> list[Equation]:
        equations: list[Equation] = []
        side, inner = source
        for users, (first, last) in zip(groups, ranges):
            operands = list(product.inputs)
            operands[side] = self._sliced(equations, operands[side], inner, first, last)
            if len(users) == 1:
                self.body.equations.remove(users[0])
                equations.append(Equation(product.primitive, product.params, operands, users[0].outputs))
                continue
            shape = list(self.body.shapes[product.outputs[0]].shape)
            shape[dimension] = last - first
            part = self._value(product.outputs[0], shape)
            equations.append(Equation(product.primitive, product.params, operands, [part]))
            for user in users:
                user.inputs = [part]
                user.params = dict(user.params)
                for name in ("start_indices", "limit_indices"):
                    moved = list(user.params[name])
                    moved[dimension] -= first
                    user.params[name] = tuple(moved)
        return equations


def hoistable(body: LoopBody, needed: set[int]) -> list[int]:
    """Products among the needed values that no iteration has to wait for, and that are better done all at once."""
    return [e.outputs[0] for e in body.equations
            if e.name == "dot_general" and e.outputs[0] in needed and body.levels[e.outputs[0]] == COUNTED
            and _has_few_rows(body, e)]


def _has_few_rows(body: LoopBody, product: Equation) -> bool:
    rows = [math.prod(body.shapes[number].shape[d] for d in free)
            for number, free in zip(product.inputs, _Dimensions(body, product).free) if body.levels[number] == COUNTED]
    return max(rows) <= _MOST_ROWS
