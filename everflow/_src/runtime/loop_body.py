"""The body of a compiled loop as a list of equations, and what is known of its values in each iteration.

The body is traced once.  What a value depends on is its level: on nothing that changes in the loop (`INVARIANT`), on
nothing but how many iterations went before (`COUNTED`), or on what they computed (`CARRIED`).  Integers that grow
evenly are known in every iteration, and so are comparisons of them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

INVARIANT, COUNTED, CARRIED = 0, 1, 2

# Known numbers are looked into up to this many.
_LARGEST_KNOWN = 100_000

# Functions of jax that stand for their equations.
_CALLS = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr",
          "custom_jvp_call": "call_jaxpr"}
_SAME_NUMBER = frozenset(("convert_element_type", "broadcast_in_dim", "reshape", "squeeze", "expand_dims", "copy",
                          "transpose", "stack", "concatenate"))
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge, "eq": operator.eq, "ne": operator.ne,
}


class Even(NamedTuple):
    """An integer that is `first` in the first iteration, and `step` more in each further one."""

    first: int
    step: int

    def at(self, iteration: int) -> int:
        """The number in one iteration."""
        return self.first + self.step * iteration


class Equation:
    """One primitive of jax; its inputs and outputs are numbers of values of the body."""

    __slots__ = ("primitive", "params", "inputs", "outputs")

    def __init__(self, primitive: Any, params: dict[str, Any], inputs: Sequence[int], outputs: Sequence[int]) -> None:
        self.primitive = primitive
        self.params = params
        self.inputs = list(inputs)
        self.outputs = list(outputs)

    @property
    def name(self) -> str:
        return self.primitive.name

    def bind(self, values: Sequence[Any]) -> list[Any]:
        """The outputs for given inputs."""
        bound = self.primitive.get_bind_params(self.params)
        functions, params = bound if isinstance(bound, tuple) else ((), bound)
        result = self.primitive.bind(*functions, *values, **params)
        return list(result) if self.primitive.multiple_results else [result]

    def __repr__(self) -> str:
        return f"{self.outputs} = {self.name} {self.inputs}"


class LoopBody:
    """The equations of one iteration.

    Args:
      jax: the jax module.
      closed: the traced body; takes and returns what the loop carries.
      start: what enters the loop; NumPy arrays where it is known.
      iterations: how often the body runs.

    Attributes:
      equations: in an order in which they can run.
      inputs, outputs: numbers of the carried values, before and after an iteration.
      constants: values that are there before the loop begins.
      counters: by the number of a carried integer that grows evenly: its start and its step.
      even: what is known of integers, and of truths as 0 and 1.
      levels: what each value depends on.
    """

    def __init__(self, jax: Any, closed: Any, start: Sequence[Any], iterations: int) -> None:
        self.iterations = iterations
        self._literal = jax.extend.core.Literal
        self.shapes: list[Any] = []
        self.equations: list[Equation] = []
        self.constants: dict[int, Any] = {}
        self.inputs = [self.new(v.aval) for v in closed.jaxpr.invars]
        self.outputs = self._read(closed.jaxpr, closed.consts, self.inputs)
        self.start = dict(zip(self.inputs, start))
        self.counters: dict[int, tuple[Any, int]] = {}
        self.even: dict[int, Even] = {}
        self.levels: dict[int, int] = {}
        self._simplify()

    # ---- reading

    def new(self, aval: Any) -> int:
        """A new value of this shape and dtype."""
        self.shapes.append(aval)
        return len(self.shapes) - 1

    def constant(self, value: Any, aval: Any = None) -> int:
        """A value that is known before the loop begins."""
        if aval is not None and not hasattr(value, "shape"):
            value = np.asarray(value, aval.dtype)
        number = self.new(value if aval is None else aval)
        self.constants[number] = value
        return number

    def _read(self, jaxpr: Any, consts: Sequence[Any], arguments: Sequence[int]) -> list[int]:
        numbers: dict[Any, int] = {}
        for variable, value in zip(jaxpr.constvars, consts):
            numbers[variable] = self.constant(value, variable.aval)
        numbers.update(zip(jaxpr.invars, arguments))

        def number(atom: Any) -> int:
            return self.constant(atom.val, atom.aval) if isinstance(atom, self._literal) else numbers[atom]

        for equation in jaxpr.eqns:
            inputs = [number(v) for v in equation.invars]
            inner = equation.params.get(_CALLS.get(equation.primitive.name, ""))
            if inner is not None:
                outputs = self._read(inner.jaxpr, inner.consts, inputs)
            else:
                outputs = [self.new(v.aval) for v in equation.outvars]
                self.equations.append(Equation(equation.primitive, equation.params, inputs, outputs))
            numbers.update(zip(equation.outvars, outputs))
        return [number(v) for v in jaxpr.outvars]

    # ---- what is known

    def _simplify(self) -> None:
        """Finds what does not change, what is known, and drops what nobody needs."""
        same: dict[int, int] = {}
        while True:
            for number, after in zip(self.inputs, self.outputs):
                if number == after:
                    self.constants[number] = self.start[number]
            self._find_counters()
            before = len(same)
            self._evaluate(same)
            self._rename(same)
            if len(same) == before and not any(
                number == after and number not in self.constants for number, after in zip(self.inputs, self.outputs)
            ):
                break
        self.drop_unneeded(self.outputs)
        self.find_levels()

    def _rename(self, same: dict[int, int]) -> None:
        def first(number: int) -> int:
            while number in same:
                number = same[number]
            return number

        for equation in self.equations:
            equation.inputs = [first(i) for i in equation.inputs]
        self.outputs = [first(i) for i in self.outputs]

    def _find_counters(self) -> None:
        """Carried integers that the body adds a known number to."""
        origins: dict[int, tuple[int | None, int]] = {}
        for number in self.inputs:
            if _is_integer(self.shapes[number]) and number not in self.constants:
                origins[number] = (number, 0)
        for number, value in self.constants.items():
            known = _known_integer(value)
            if known is not None:
                origins[number] = (None, known)
        for equation in self.equations:
            output = equation.outputs[0]
            if not _is_integer(self.shapes[output]) or any(i not in origins for i in equation.inputs):
                continue
            found = [origins[i] for i in equation.inputs]
            if equation.name in _SAME_NUMBER and len(found) == 1:
                origins[output] = found[0]
            elif equation.name == "add" and (found[0][0] is None or found[1][0] is None):
                origin = found[1][0] if found[0][0] is None else found[0][0]
                origins[output] = (origin, found[0][1] + found[1][1])
            elif equation.name == "sub" and found[1][0] is None:
                origins[output] = (found[0][0], found[0][1] - found[1][1])
        self.counters = {}
        for number, after in zip(self.inputs, self.outputs):
            origin, step = origins.get(after, (None, 0))
            if origin == number and number != after and self.shapes[number].dtype == self.shapes[after].dtype:
                self.counters[number] = (self.start[number], step)

    def _evaluate(self, same: dict[int, int]) -> None:
        """Follows integers that are known in every iteration."""
        even: dict[int, Even] = {}
        for number, value in self.constants.items():
            known = _known_integer(value)
            if known is not None:
                even[number] = Even(known, 0)
        for number, (start, step) in self.counters.items():
            known = _known_integer(start)
            if known is not None:
                even[number] = Even(known, step)
        self.even = even
        for equation in self.equations:
            output = equation.outputs[0]
            if output in same:
                continue
            if equation.name == "copy" or equation.name == "reshape" and (
                self.shapes[output].shape == self.shapes[equation.inputs[0]].shape
            ):
                same[output] = equation.inputs[0]
            elif equation.name == "select_n" and equation.inputs[0] in even and not even[equation.inputs[0]].step:
                same[output] = equation.inputs[1 + even[equation.inputs[0]].first]
            inputs = [_last(same, i) for i in equation.inputs]
            if output in same:
                if _last(same, output) in even:
                    even[output] = even[_last(same, output)]
                continue
            if not inputs or not _is_integer(self.shapes[output], True):
                continue
            result = None
            if all(i in even for i in inputs):
                result = self._even_result(equation.name, [even[i] for i in inputs])
            elif equation.name == "dynamic_slice" and all(i in even for i in inputs[1:]):
                result = self._even_element(self.constants.get(inputs[0]), [even[i] for i in inputs[1:]])
            if result is not None and self._fits(result, self.shapes[output].dtype):
                even[output] = result

    def _even_element(self, array: Any, indices: Sequence[Even]) -> Even | None:
        """What a loop reads of known numbers, where these grow evenly."""
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "iu":
            return None
        each = np.arange(self.iterations)
        places = [np.clip(e.first + e.step * each, 0, n - 1) for e, n in zip(indices, array.shape)]
        numbers = array[tuple(places)].astype(object)
        first, step = int(numbers[0]), int(numbers[1] - numbers[0]) if self.iterations > 1 else 0
        return Even(first, step) if (numbers == first + step * each.astype(object)).all() else None

    def _even_result(self, name: str, given: Sequence[Even]) -> Even | None:
        if name in _SAME_NUMBER and len(given) == 1:
            return given[0]
        if name == "neg":
            return Even(-given[0].first, -given[0].step)
        if len(given) != 2:
            return None
        a, b = given
        if name == "add":
            return Even(a.first + b.first, a.step + b.step)
        if name == "sub":
            return Even(a.first - b.first, a.step - b.step)
        if name == "mul" and not (a.step and b.step):
            return Even(a.first * b.first, a.first * b.step + a.step * b.first)
        if name in _COMPARISONS:
            return self._compare(name, a, b)
        if name in ("min", "max"):
            truth = self._compare("le", a, b)
            if truth is None:
                return None
            return a if bool(truth.first) == (name == "min") else b
        return None

    def _compare(self, name: str, a: Even, b: Even) -> Even | None:
        compare = _COMPARISONS[name]
        if name in ("eq", "ne") and a.step != b.step:
            return None
        # The difference goes one way only: where the ends agree, all iterations do.
        first, last = compare(a.first, b.first), compare(a.at(self.iterations - 1), b.at(self.iterations - 1))
        return Even(int(first), 0) if first == last else None

    def _fits(self, number: Even, dtype: Any) -> bool:
        if dtype == np.bool_:
            return number.step == 0 and number.first in (0, 1)
        limits = np.iinfo(dtype)
        # One further, for the value behind the loop.
        return all(limits.min <= number.at(i) <= limits.max for i in (0, self.iterations))

    # ---- asking

    def find_levels(self) -> None:
        """Finds what each value depends on."""
        levels = self.levels = dict.fromkeys(self.inputs, CARRIED)
        levels.update((number, INVARIANT) for number in self.constants)
        levels.update((number, COUNTED) for number in self.counters)
        levels.update((number, COUNTED if known.step else INVARIANT) for number, known in self.even.items())
        for equation in self.equations:
            level = max((levels[i] for i in equation.inputs), default=INVARIANT)
            levels.update((output, level) for output in equation.outputs if output not in self.even)

    def producers(self) -> dict[int, Equation]:
        """The equation that computes each value."""
        return {output: e for e in self.equations for output in e.outputs}

    def uses(self) -> dict[int, int]:
        """How often each value is used."""
        result: dict[int, int] = {}
        for number in (*(i for e in self.equations for i in e.inputs), *self.outputs):
            result[number] = result.get(number, 0) + 1
        return result

    def needed(self, roots: Iterable[int], available: Any = frozenset()) -> set[int]:
        """All values that `roots` depend on, themselves among them, not past those that are `available`."""
        wanted = set(roots)
        for equation in reversed(self.equations):
            if any(o in wanted and o not in available for o in equation.outputs):
                wanted.update(equation.inputs)
        return wanted

    def drop_unneeded(self, roots: Iterable[int]) -> None:
        """Drops the equations on which `roots` do not depend, and those of known numbers."""
        wanted, kept = set(roots), []
        for equation in reversed(self.equations):
            if any(o in wanted and o not in self.even for o in equation.outputs):
                wanted.update(equation.inputs)
                kept.append(equation)
        self.equations = kept[::-1]

    def is_zero(self, number: int, producers: dict[int, Equation]) -> bool:
        """True for zeros that are known before the loop begins."""
        while number in producers and producers[number].name in ("broadcast_in_dim", "convert_element_type"):
            number = producers[number].inputs[0]
        value = self.constants.get(number)
        return isinstance(value, (np.ndarray, np.generic)) and value.size <= _LARGEST_KNOWN and not value.any()


def _last(same: dict[int, int], number: int) -> int:
    while number in same:
        number = same[number]
    return number


def _is_integer(aval: Any, or_truth: bool = False) -> bool:
    kind = np.dtype(aval.dtype).kind if aval.dtype.__class__.__module__.startswith("numpy") else "V"
    return (kind in "iu" or or_truth and kind == "b") and int(np.prod(aval.shape)) == 1


def _known_integer(value: Any) -> int | None:
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "iub" and value.size == 1:
        return int(value.reshape(()))
    return None
