"""Compiled loops whose number of iterations is known.

Such a loop is cut in three.  Before it: products of values that no iteration has to wait for, all iterations in one
product.  In it: what an iteration must wait for.  Behind it: sums over the iterations of what the loop computed; their
products too are one product of all iterations.  What the parts hand to one another is stacked, one row for each
iteration: memory is proportional to the number of iterations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from everflow._src.runtime.loop_body import INVARIANT, Equation, LoopBody
from everflow._src.runtime.loop_products import Accumulator, ProductSplitter, accumulators, hoistable
from everflow._src.runtime.native import product as native

# What the rows of one stack may take together, in bytes.
LARGEST_STACK = 1 << 28
# Primitives that compute all rows at once as they compute one, neither slower nor with more memory than the rows.
_BY_ROWS = frozenset("""
    abs add add_any and broadcast_in_dim clamp concatenate convert_element_type copy cos cosh div dot_general
    dynamic_slice eq erf erfc exp exp2 expand_dims expm1 floor gather ge gt integer_pow iota is_finite le log log1p
    logistic lt max min mul ne neg not or pad pow reduce_max reduce_min reduce_prod reduce_sum rem reshape rev round
    rsqrt select_n sign sin sinh slice sqrt square squeeze stack sub tan tanh transpose xor
""".split())
# They make large values of small ones, where they are needed: none is kept.
_INFLATING = ("broadcast_in_dim", "iota")
# What the sum of their results is, is their result for the sum.
_LINEAR = ("transpose", "reshape", "squeeze", "expand_dims", "neg", "copy")


def run_counted(jax: Any, step: Callable[[Any], Any], carry: Any, iterations: int) -> Any:
    """What `lax.while_loop` with `step` makes of `carry` in a known number of iterations.

    Returns:
      The carry behind the loop, NumPy numbers where it is known; None when the loop cannot be taken apart.
    """
    if not iterations:
        return carry
    flatten = jax.tree_util.tree_flatten
    start, form = flatten(carry)
    forms = []

    def flat(*values: Any) -> list[Any]:
        results, after = flatten(step(jax.tree_util.tree_unflatten(form, values)))
        forms.append(after)
        return results

    with native.left_to_xla():
        closed = jax.make_jaxpr(flat)(*start)
    if closed.effects or forms[-1] != form or any(
        before.shape != after.shape or before.dtype != after.dtype
        for before, after in zip(closed.in_avals, closed.out_avals)
    ):
        return None
    return jax.tree_util.tree_unflatten(form, _CountedLoop(jax, LoopBody(jax, closed, start, iterations)).run())


class _CountedLoop:
    def __init__(self, jax: Any, body: LoopBody) -> None:
        self.jax = jax
        self.jnp = jax.numpy
        self.body = body
        self.count = body.iterations
        self.primitives = jax.extend.core.primitives
        splitter = ProductSplitter(jax, body)
        splitter.split_joined()
        sums = accumulators(body)
        positions = {a.position for a in sums}
        splitter.split_parts(body.needed(o for i, o in enumerate(body.outputs) if i not in positions))
        body.drop_unneeded(body.outputs)
        self.producers = body.producers()
        self.known = self._known_rows()
        self.stacked: list[int] = []  # computed in the loop, and kept of each iteration
        self.later: list[_Later] = []
        self.kept: dict[int, list[tuple[int, bool]]] = {}  # by position: what is added in the loop, or subtracted
        self.in_place: dict[int, Equation] = {}  # of what is added: zeros but for some rows, and these
        core = body.needed(o for i, o in enumerate(body.outputs) if i not in positions)
        for accumulator in sums:
            self._postpone(accumulator, core)
        roots = [o for i, (n, o) in enumerate(zip(body.inputs, body.outputs))
                 if i not in positions and n not in body.constants and n not in body.counters and i not in self.known]
        roots += [t for terms in self.kept.values() for t, _ in terms]
        self._postpone_rows(roots)
        self.in_loop = [i for i, n in enumerate(body.inputs)
                        if n not in body.constants and n not in body.counters and i not in self.known
                        and not (i in self.kept and not self.kept[i])]
        self.roots = [*roots, *self.stacked]
        self.hoisted = [n for n in hoistable(body, body.needed(self.roots)) if self._by_rows([n]) and self._small(n)]
        self.backwards = self._goes_backwards()
        self.rows: dict[int, tuple[Any, bool]] = {}

    def _known_rows(self) -> dict[int, Any]:
        """Arrays that the loop fills with numbers that are known, as they are behind it."""
        body, uses = self.body, self.body.uses()
        found = {}
        for position, (before, after) in enumerate(zip(body.inputs, body.outputs)):
            update, start = self.producers.get(after), body.start[before]
            if update is None or update.name != "dynamic_update_slice" or not isinstance(start, np.ndarray) or (
                update.inputs[0] != before or uses[before] != 1 or any(i not in body.even for i in update.inputs[1:])
            ):
                continue
            array = start.copy()
            value, *places = [body.even[i] for i in update.inputs[1:]]
            for i in range(self.count):
                array[tuple(min(max(p.at(i), 0), n - 1) for p, n in zip(places, array.shape))] = value.at(i)
            found[position] = array
        return found

    # ---- what can leave the loop

    def _small(self, number: int) -> bool:
        shape = self.body.shapes[number]
        return self.count * math.prod(shape.shape) * shape.dtype.itemsize <= LARGEST_STACK

    def _by_rows(self, roots: Iterable[int], available: Sequence[int] = (), forbidden: Any = frozenset()) -> bool:
        """True when values can be computed for all iterations at once, given those that are available."""
        body, producers = self.body, self.producers
        waiting, seen = list(roots), set(available)
        while waiting:
            number = waiting.pop()
            if number in seen or number in body.constants or number in body.counters or number in body.even:
                continue
            seen.add(number)
            equation = producers.get(number)
            if equation is None or equation.name not in _BY_ROWS or not self._small(number):
                return False
            if equation.name == "dot_general" and number in forbidden:
                return False
            waiting.extend(equation.inputs)
        return True

    def _postpone(self, accumulator: Accumulator, core: set[int]) -> None:
        kept = self.kept[accumulator.position] = []
        for term, negative in accumulator.terms:
            chain, inner = self._linear_chain(term)
            equation = self.producers.get(inner)
            later = None
            if self.body.levels[term] == INVARIANT:
                pass
            elif equation is not None and equation.name == "dot_general":
                later = self._product(accumulator.position, chain, equation, core)
            if later is None:
                kept.append((term, negative))
            else:
                later.negative = negative
                self.later.append(later)

    def _linear_chain(self, term: int, names: Sequence[str] = _LINEAR) -> tuple[list[Equation], int]:
        chain: list[Equation] = []
        while term in self.producers and self.producers[term].name in names:
            chain.append(self.producers[term])
            term = chain[-1].inputs[0]
        return chain, term

    def _product(self, position: int, chain: list[Equation], product: Equation, core: set[int]) -> _Later | None:
        if product.params["dimension_numbers"][1][0] or product.outputs[0] in core:
            return None
        sides = [self._turned(product, side) for side in (0, 1)]
        size, missing = 0, []
        for number, _ in sides:
            if not self._by_rows([number], self.stacked, core) and number not in missing:
                if not self._small(number):
                    return None
                missing.append(number)
                size += math.prod(self.body.shapes[number].shape)
        # A stack of operands must not be larger than what would be added up.
        if size > math.prod(self.body.shapes[product.outputs[0]].shape):
            return None
        self.stacked.extend(missing)
        return _Later(position, chain, [n for n, _ in sides], _SummedProduct(product, [c for _, c in sides]))

    def _turned(self, product: Equation, side: int) -> tuple[int, list[int]]:
        """An operand of a product and its contracted dimensions; of a transposed one, what was transposed."""
        number, contracted = product.inputs[side], list(product.params["dimension_numbers"][0][side])
        equation = self.producers.get(number)
        if equation is None or equation.name != "transpose":
            return number, contracted
        order = equation.params["permutation"]
        free = [order[d] for d in range(len(order)) if d not in contracted]
        if free != sorted(free):
            return number, contracted
        return equation.inputs[0], [order[d] for d in contracted]

    def _postpone_rows(self, roots: list[int]) -> None:
        """Postpones sums over what is stacked anyway, and rows that each iteration adds at a place of its own."""
        candidates = {t for terms in self.kept.values() for t, _ in terms if self._linear_chain(t)[1] in self.producers
                      and self.producers[self._linear_chain(t)[1]].name in ("reduce_sum", "dynamic_update_slice")}
        core = self.body.needed([*(r for r in roots if r not in candidates), *self.stacked])
        for position, terms in self.kept.items():
            for term, negative in list(terms):
                chain, inner = self._linear_chain(term)
                equation = self.producers.get(inner)
                later = None
                if equation is None or self.body.levels[term] == INVARIANT:
                    continue
                if equation.name == "reduce_sum" and self._by_rows(equation.inputs, self.stacked, core):
                    later = _Later(position, chain, equation.inputs, _SummedRows(equation.params["axes"]))
                elif equation.name == "dynamic_update_slice" and not chain:
                    later = self._placed(position, equation, core)
                if later is not None:
                    terms.remove((term, negative))
                    later.negative = negative
                    self.later.append(later)
                elif equation.name == "dynamic_update_slice" and not chain and (
                    self.body.is_zero(equation.inputs[0], self.producers)
                ):
                    self.in_place[term] = equation
                    roots.extend(equation.inputs[1:])
                else:
                    continue
                roots.remove(term)  # once: others may need it

    def _placed(self, position: int, update: Equation, core: set[int]) -> _Later | None:
        body = self.body
        base, rows, *indices = update.inputs
        if not body.is_zero(base, self.producers) or any(i not in body.even for i in indices):
            return None
        shape, size = body.shapes[base].shape, body.shapes[rows].shape
        places = [body.even[i] for i in indices]
        moving = [d for d, p in enumerate(places) if p.step]
        if len(moving) != 1 or abs(places[moving[0]].step) != 1 or size[moving[0]] != 1 or any(
            not (0 <= p.at(i) <= shape[d] - size[d]) for d, p in enumerate(places) for i in (0, self.count - 1)
        ):
            return None
        if not self._by_rows([rows], self.stacked, core):
            kept = self._operand_behind(rows, core)
            if not self._small(kept):
                return None
            self.stacked.append(kept)
        return _Later(position, [], [rows], _PlacedRows(
            moving[0], shape, [p.first for p in places], places[moving[0]].step))

    def _operand_behind(self, rows: int, core: set[int]) -> int:
        """What to keep of each iteration to compute rows behind the loop: an operand of their product, or they."""
        _, number = self._linear_chain(rows, (*_LINEAR, "broadcast_in_dim"))
        product = self.producers.get(number)
        if product is not None and product.name == "dot_general" and number not in core:
            missing = [i for i in product.inputs if not self._by_rows([i], self.stacked, core)]
            if len(missing) == 1:
                return missing[0]
        return rows

    def _goes_backwards(self) -> bool:
        """True when more is read from the last row to the first than the other way."""
        body, weight = self.body, 0
        for equation in body.equations:
            if equation.name == "dynamic_slice":
                steps = [body.even[i].step for i in equation.inputs[1:] if i in body.even]
                size = math.prod(body.shapes[equation.outputs[0]].shape)
                weight += size if any(s > 0 for s in steps) else -size if any(s < 0 for s in steps) else 0
        return weight < 0

    # ---- all iterations at once

    def _numbers(self, first: Any, step: int, dtype: Any, shape: Sequence[int]) -> Any:
        """A counter in each iteration, in the order of the rows."""
        each = np.arange(self.count)[::-1 if self.backwards else 1].reshape(-1, *[1] * len(shape))
        counted = np.broadcast_to((each * step).astype(dtype), (self.count, *shape))
        return counted + first if isinstance(first, (int, np.ndarray, np.generic)) else self.jnp.add(first, counted)

    def _compute(self, roots: Iterable[int], stacks: dict[int, Any]) -> list[tuple[Any, bool]]:
        """Values for all iterations, and whether they have a row for each."""
        body, rows = self.body, self.rows
        for number, stack in stacks.items():
            rows[number] = (stack, True)
        roots = list(roots)
        needed = body.needed(roots, rows)
        for number in needed:
            if number not in rows:
                self._start_row(number)
        for equation in body.equations:
            if equation.outputs[0] in needed and equation.outputs[0] not in rows and all(
                i in rows for i in equation.inputs
            ):
                for output, value in zip(equation.outputs, self._compute_rows(equation)):
                    rows[output] = value
        return [rows[r] for r in roots]

    def _start_row(self, number: int) -> None:
        body = self.body
        shape = body.shapes[number]
        if number in body.even:
            known = body.even[number]
            if known.step:
                self.rows[number] = (self._numbers(known.first, known.step, shape.dtype, shape.shape), True)
            else:
                self.rows[number] = (np.full(shape.shape, known.first, shape.dtype), False)
        elif number in body.constants:
            self.rows[number] = (body.constants[number], False)
        elif number in body.counters:
            self.rows[number] = (self._numbers(*body.counters[number], shape.dtype, shape.shape), True)

    def _compute_rows(self, equation: Equation) -> list[tuple[Any, bool]]:
        inputs = [self.rows[i] for i in equation.inputs]
        if not any(by_rows for _, by_rows in inputs):
            return [(v, False) for v in self._bind(equation, [v for v, _ in inputs])]
        if equation.name == "dynamic_slice":
            found = self._slices(equation)
            if found is not None:
                return [(found, True)]
        mapped = self.jax.vmap(lambda *values: self._bind(equation, values, is_mapped=True),
                               [0 if by_rows else None for _, by_rows in inputs])
        return [(v, True) for v in mapped(*(v for v, _ in inputs))]

    def _bind(self, equation: Equation, values: Sequence[Any], is_mapped: bool = False, in_loop: bool = False
              ) -> list[Any]:
        """The outputs for given inputs; products by the native kernels where these are faster."""
        if equation.name == "dot_general":
            left, right = values
            product = native.dot_general(self.jax, left, right, equation.params, is_mapped, in_loop)
            if product is not None:
                return [product]
        return equation.bind(values)

    def _slices(self, equation: Equation) -> Any:
        """Neighbouring rows, read one in each iteration, as one piece."""
        body = self.body
        array, *indices = equation.inputs
        sizes, shape = equation.params["slice_sizes"], body.shapes[array].shape
        if self.rows[array][1] or any(i not in body.even for i in indices):
            return None
        places = [body.even[i] for i in indices]
        moving = [d for d, p in enumerate(places) if p.step]
        if len(moving) != 1 or abs(places[moving[0]].step) != 1 or sizes[moving[0]] != 1 or any(
            not (0 <= p.at(i) <= shape[d] - sizes[d]) for d, p in enumerate(places) for i in (0, self.count - 1)
        ):
            return None
        along = moving[0]
        starts = [p.first for p in places]
        starts[along] = min(places[along].at(0), places[along].at(self.count - 1))
        limits = [s + n for s, n in zip(starts, sizes)]
        limits[along] = starts[along] + self.count
        result = self.jax.lax.slice(self.rows[array][0], starts, limits)
        if (places[along].step < 0) != self.backwards:
            result = self.jax.lax.rev(result, (along,))
        return self.jnp.expand_dims(self.jnp.moveaxis(result, along, 0), along + 1)

    # ---- running

    def run(self) -> list[Any]:
        """The carried values behind the loop."""
        body, jax, jnp = self.body, self.jax, self.jnp
        before = self._before()
        hoisted = {}
        for number, (value, by_rows) in zip(self.hoisted, self._compute(self.hoisted, {})):
            hoisted[number] = value if by_rows else jnp.broadcast_to(value, (self.count, *value.shape))
        self.rows.clear()
        start = [jnp.asarray(body.start[body.inputs[i]], body.shapes[body.inputs[i]].dtype) for i in self.in_loop]
        stacks = [jnp.zeros((self.count, *body.shapes[n].shape), body.shapes[n].dtype) for n in self.stacked]

        def step(carry: Any) -> Any:
            count, carried, rows = carry
            row = self.count - 1 - count if self.backwards else count
            env = dict(before)
            env.update(zip([body.inputs[i] for i in self.in_loop], carried))
            for number, stack in hoisted.items():
                shape = body.shapes[number].shape
                env[number] = jnp.reshape(self._take(stack, self._row(row, stack.ndim), (1, *shape)), shape)
            self._iterate(env, count)
            following = []
            for position, value in zip(self.in_loop, carried):
                if position in self.kept:
                    for term, negative in self.kept[position]:
                        value = self._add(value, term, negative, env)
                    following.append(value)
                else:
                    following.append(env[body.outputs[position]])
            rows = [self._put(stack, env[n][None], self._row(row, stack.ndim))
                    for stack, n in zip(rows, self.stacked)]
            return count + np.int32(1), following, rows

        carried, rows = start, stacks
        if self.in_loop or self.stacked:
            _, carried, rows = jax.lax.while_loop(
                lambda carry: carry[0] < np.int32(self.count), step, (jnp.asarray(0, "int32"), start, stacks)
            )
        return self._behind(dict(zip(self.in_loop, carried)), dict(zip(self.stacked, rows)))

    def _add(self, total: Any, term: int, negative: bool, env: dict[int, Any]) -> Any:
        add = self.jax.lax.sub if negative else self.jax.lax.add
        if term not in self.in_place:
            return add(total, env[term])
        rows, *places = [env[i] for i in self.in_place[term].inputs[1:]]
        return self._put(total, add(self._take(total, places, rows.shape), rows), places)

    def _take(self, array: Any, places: Sequence[Any], shape: Sequence[int]) -> Any:
        """A piece of an array; what would begin before the first row begins there, as everywhere in the body."""
        return self.primitives.dynamic_slice_p.bind(array, *places, slice_sizes=tuple(shape))

    def _put(self, array: Any, piece: Any, places: Sequence[Any]) -> Any:
        return self.primitives.dynamic_update_slice_p.bind(array, piece, *places)

    def _row(self, row: Any, rank: int) -> list[Any]:
        return [row, *[np.zeros((), np.int32)] * (rank - 1)]

    def _before(self) -> dict[int, Any]:
        """Values that are the same in each iteration, computed once."""
        body = self.body
        env = dict(body.constants)
        needed = body.needed(self.roots, self.hoisted)
        wanted = [o for e in body.equations if e.name not in _INFLATING for o in e.outputs
                  if body.levels[o] == INVARIANT and o in needed]
        if wanted:
            for number, (value, _) in zip(wanted, self._compute(wanted, {})):
                env[number] = value
        return env

    def _iterate(self, env: dict[int, Any], count: Any) -> None:
        body, jnp = self.body, self.jnp
        needed = body.needed(self.roots, env)
        for number in needed:
            if number in env:
                continue
            shape = body.shapes[number]
            first, step = None, 0
            if number in body.even:
                first, step = body.even[number]
            elif number in body.counters:
                first, step = body.counters[number]
            if first is None:
                continue
            value = jnp.asarray(first, shape.dtype)
            if step:
                value = value + count.astype(shape.dtype) * np.array(step).astype(shape.dtype)
            env[number] = jnp.broadcast_to(value, shape.shape)
        for equation in body.equations:
            if any(o in needed and o not in env for o in equation.outputs):
                values = self._bind(equation, [env[i] for i in equation.inputs], in_loop=True)
                for output, value in zip(equation.outputs, values):
                    env.setdefault(output, value)

    def _behind(self, carried: dict[int, Any], stacks: dict[int, Any]) -> list[Any]:
        body = self.body
        results = []
        for position, number in enumerate(body.inputs):
            if position in carried:
                results.append(carried[position])
            elif position in self.known:
                results.append(self.known[position])
            elif number in body.counters:
                first, step = body.counters[number]
                shape = body.shapes[number]
                further = np.broadcast_to(np.array(step * self.count).astype(shape.dtype), shape.shape)
                results.append(first + further)
            else:
                results.append(body.start[number])
        for later in self.later:
            total = later.how(self, self._compute(later.inputs, stacks))
            for equation in reversed(later.chain):
                total = equation.bind([total])[0]
            add = self.jax.lax.sub if later.negative else self.jax.lax.add
            results[later.position] = add(self.jnp.asarray(results[later.position]), total)
        return results


class _Later:
    """What is added to a carried value behind the loop.

    Attributes:
      position: the position of the carried value.
      chain: linear equations, the last first, through which the sum goes.
      inputs: values of which the rows are summed.
      how: makes the sum of the rows.
      negative: True when it is subtracted.
    """

    __slots__ = ("position", "chain", "inputs", "how", "negative")

    def __init__(self, position: int, chain: list[Equation], inputs: Sequence[int], how: Callable[..., Any]) -> None:
        self.position = position
        self.chain = chain
        self.inputs = list(inputs)
        self.how = how
        self.negative = False


class _SummedProduct:
    """The sum of the products of rows: one product."""

    def __init__(self, product: Equation, contracted: Sequence[list[int]]) -> None:
        self.product = product
        self.contracted = contracted

    def __call__(self, loop: _CountedLoop, operands: Sequence[tuple[Any, bool]]) -> Any:
        jnp, lax = loop.jnp, loop.jax.lax
        params = self.product.params
        kinds = {"precision": params["precision"], "preferred_element_type": params["preferred_element_type"]}
        both = all(by_rows for _, by_rows in operands)
        flat, free = [], []
        for (value, by_rows), contracted in zip(operands, self.contracted):
            dimensions = [d + by_rows for d in contracted]
            if by_rows and both:
                dimensions = [0, *dimensions]
            elif by_rows:
                value, dimensions = jnp.sum(value, 0), list(contracted)
            value = jnp.moveaxis(value, dimensions, range(len(dimensions)))
            count = math.prod(value.shape[:len(dimensions)])
            free.extend(value.shape[len(dimensions):])
            flat.append(jnp.reshape(value, (count, -1) if value.size else (count, math.prod(
                value.shape[len(dimensions):]))))
        kinds["dimension_numbers"] = (((0,), (0,)), ((), ()))
        left, right = flat
        result = native.dot_general(loop.jax, left, right, kinds)
        if result is None:
            result = lax.dot_general(left, right, **kinds)
        if not any(by_rows for _, by_rows in operands):
            result = result * np.asarray(loop.count, result.dtype)
        return jnp.reshape(result, free)


class _SummedRows:
    """The sum of rows, and of their own dimensions."""

    def __init__(self, axes: Sequence[int]) -> None:
        self.axes = axes

    def __call__(self, loop: _CountedLoop, operands: Sequence[tuple[Any, bool]]) -> Any:
        (value, by_rows), jnp = operands[0], loop.jnp
        if by_rows:
            return jnp.sum(value, (0, *(a + 1 for a in self.axes)), dtype=value.dtype)
        return jnp.sum(value, tuple(self.axes), dtype=value.dtype) * np.asarray(loop.count, value.dtype)


class _PlacedRows:
    """Rows that each iteration has put next to those of the last, with zeros around them."""

    def __init__(self, along: int, shape: Sequence[int], first: list[int], step: int) -> None:
        self.along = along
        self.shape = shape
        self.first = first
        self.step = step

    def __call__(self, loop: _CountedLoop, operands: Sequence[tuple[Any, bool]]) -> Any:
        (value, by_rows), jnp = operands[0], loop.jnp
        if not by_rows:
            value = jnp.broadcast_to(value, (loop.count, *value.shape))
        value = jnp.moveaxis(jnp.squeeze(value, self.along + 1), 0, self.along)
        if (self.step < 0) != loop.backwards:
            value = loop.jax.lax.rev(value, (self.along,))
        low = list(self.first)
        if self.step < 0:
            low[self.along] -= loop.count - 1
        edges = [(before, whole - before - size, 0) for before, whole, size in zip(low, self.shape, value.shape)]
        return loop.jax.lax.pad(value, jnp.zeros((), value.dtype), edges)
