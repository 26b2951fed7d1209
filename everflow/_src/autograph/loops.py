"""The runtime of converted loops: while and for, by Python or by the graph, as the values ask for it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.autograph import lists as tensor_lists
from everflow._src.autograph.builtins_of_tensors import TensorItems
from everflow._src.autograph.operators import as_bool, if_stmt
from everflow._src.autograph.state import (
    Undefined,
    as_tensor,
    copied,
    covers,
    dtype_of,
    flatten,
    is_symbolic,
    pack,
    same_structure,
    tensorlike,
    zeros_like,
)
from everflow._src.framework import dtypes, nest
from everflow._src.framework.context import current_graph, recorders
from everflow._src.framework.conversion import convert
from everflow._src.framework.func_graph import FuncGraph
from everflow._src.framework.registry import CARDS
from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.while_loop import while_in_graph

# ---- while


def while_stmt(test: Callable[[], Any], body: Callable[[], None], get_state: Callable[[], tuple],
               set_state: Callable[[tuple], None], symbols: Sequence[str], options: dict[str, Any] | None,
               lists: bool = False) -> None:
    """Repeats a block, in Python or in the graph."""
    while True:
        holds = test()
        if is_symbolic(holds):
            _graph_loop(test, body, get_state, set_state, symbols, options, lists)
            return
        if not holds:
            return
        body()


class _LoopState:
    """The loop variables of one loop: which leaves of the state are tensors, and which stay as they are."""

    def __init__(self, symbols: Sequence[str], start: Sequence[Any], lists: bool = False) -> None:
        self.symbols = symbols
        self.lists = lists
        self.values = list(start)
        # Per symbol, whether each leaf is carried; symbols without tensors stay out of the loop.
        self.masks = [
            [] if isinstance(v, Undefined) else [tensorlike(leaf) for leaf in flatten(v)] for v in start
        ]
        self.carried = [i for i, mask in enumerate(self.masks) if any(mask)]

    def entering(self) -> list[Any]:
        """The tensors with which the loop begins."""
        return [as_tensor(leaf) for i in self.carried
                for leaf, carried in zip(flatten(self.values[i]), self.masks[i]) if carried]

    def originals(self) -> list[Any]:
        """The values that those tensors were made of."""
        return [leaf for i in self.carried
                for leaf, carried in zip(flatten(self.values[i]), self.masks[i]) if carried]

    def names(self) -> list[str]:
        """The symbol that each carried leaf belongs to."""
        return [self.symbols[i] for i in self.carried for carried in self.masks[i] if carried]

    def restore(self, leaves: Sequence[Any]) -> tuple:
        """The state with `leaves` as the carried ones."""
        state = list(copied(self.values) if self.lists else self.values)
        remaining = iter(leaves)
        for i in self.carried:
            state[i] = pack(self.values[i], [
                next(remaining) if carried else leaf
                for leaf, carried in zip(flatten(self.values[i]), self.masks[i])
            ])
        return tuple(state)

    def collect(self, state: Sequence[Any]) -> list[Any]:
        """The carried tensors of the state after one iteration.

        Raises:
          TypeError: a variable changed its structure, dtype or kind.
        """
        result = []
        for i, later in enumerate(state):
            before, symbol = self.values[i], self.symbols[i]
            if isinstance(before, Undefined):
                continue
            if not same_structure(before, later) or isinstance(later, Undefined):
                raise TypeError(f"'{symbol}' does not have the same nested structure after one iteration: {before!r} "
                                f"before the loop, {later!r} after")
            mask = self.masks[i]
            for old, new, carried in zip(flatten(before), flatten(later), mask):
                if not carried:
                    if new is not old and not (type(new) is type(old) and new == old):
                        raise TypeError(
                            f"'{symbol}' cannot change in a loop of the graph: it is {old!r} before the loop and "
                            f"{new!r} after one iteration, and only tensors can be loop variables"
                        )
                    continue
                if not tensorlike(new):
                    raise TypeError(f"'{symbol}' is {old!r} before the loop, but {new!r} ({type(new).__name__}) after "
                                    "one iteration")
                wanted, got = dtype_of(old), dtype_of(new)
                if wanted != got:
                    raise TypeError(f"'{symbol}' has dtype {wanted.name} before the loop, but dtype {got.name} after "
                                    "one iteration")
                result.append(as_tensor(new))
        return result


def _is_missing(value: Any) -> bool:
    """True for what a loop may give a value to in its first iteration."""
    return value is None or isinstance(value, Undefined)


def _define(step: Callable[[], None], get_state: Callable[[], tuple], set_state: Callable[[tuple], None],
            start: tuple, symbols: Sequence[str], options: dict[str, Any], lists: bool) -> tuple:
    """The state with what only the loop defines as zeros, which no iteration reads: an iteration tells their form.

    Lists that an iteration makes longer or shorter become lists of tensors.
    """
    scratch = FuncGraph("dry_run")
    state = _LoopState(symbols, start, lists)
    with recorders(()), scratch.as_default():
        leaves = []
        for original in state.originals():
            shape = original.shape if isinstance(original, Tensor) else TensorShape(np.shape(original))
            if isinstance(original, Tensor) and original.dtype in (dtypes.resource, dtypes.variant):
                leaves.append(original)
                continue
            leaves.append(scratch.add_input(dtype_of(original), _invariant_of(original, shape, options), "loop_var"))
        set_state(state.restore(leaves))
        step()
        after = get_state()
        elements = [tensor_lists.grown(before, later) for before, later in zip(start, after)]
    set_state(start)
    result = list(start)
    for i, (symbol, before, later, element) in enumerate(zip(symbols, start, after, elements)):
        if element is not None:
            result[i] = tensor_lists.as_tensor_list(before, element)
        elif tensor_lists.is_tensor_list(before) and tensor_lists.element_of(before) is None:
            tensor_lists.marked(before, tensor_lists.element_of(later))
        elif _is_missing(before) and not _is_missing(later) and any(tensorlike(v) for v in flatten(later)):
            result[i], partly = zeros_like(symbol, later)
            options["shape_invariants"] = [*(options.get("shape_invariants") or ()), *partly]
    return tuple(result)


def _invariant_of(leaf: Any, shape: TensorShape, options: dict[str, Any]) -> TensorShape:
    for value, invariant in options.get("shape_invariants") or ():
        if value is leaf:
            return TensorShape(getattr(invariant, "shape", invariant))
    return shape


def _flat_options(options: dict[str, Any] | None) -> dict[str, Any]:
    """The options of a loop, with a shape invariant for each leaf of a structure."""
    result = dict(options or {})
    pairs = result.get("shape_invariants")
    if pairs:
        result["shape_invariants"] = [
            pair for value, invariant in pairs
            for pair in zip(nest.flatten_up_to(value, value), nest.flatten_up_to(value, invariant))
        ]
    return result


def _graph_loop(test: Callable[[], Any], step: Callable[[], None], get_state: Callable[[], tuple],
                set_state: Callable[[tuple], None], symbols: Sequence[str], options: dict[str, Any] | None,
                lists: bool, first_step: Callable[[], None] | None = None) -> None:
    """A loop of the graph over the state that `get_state` and `set_state` give access to."""
    options = _flat_options(options)
    start = get_state()
    try:
        defined = start
        if any(_is_missing(v) or (lists and (type(v) is list or tensor_lists.is_tensor_list(v))) for v in start):
            defined = _define(first_step or step, get_state, set_state, start, symbols, options, lists)
        state = _LoopState(symbols, defined, lists)
        entering, originals, names = state.entering(), state.originals(), state.names()
        invariants = [_invariant_of(o, t.shape, options) for o, t in zip(originals, entering)]
        elements = [tensor_lists.element_of(t) for t in entering]

        def enter(leaves: Sequence[Any]) -> None:
            for leaf, element in zip(leaves, elements):
                tensor_lists.marked(leaf, element)
            set_state(state.restore(leaves))

        def holds(*leaves: Any) -> Any:
            enter(leaves)
            return as_bool(convert(test()))

        def body(*leaves: Any) -> Any:
            enter(leaves)
            step()
            result = state.collect(get_state())
            for name, tensor, shape, element in zip(names, result, invariants, elements):
                later = tensor_lists.element_of(tensor) if element is not None else None
                if element is not None and later is not None and not covers(element.shape, later.shape):
                    raise ValueError(f"'{name}' holds elements of shape {element.shape} before the loop, but of shape "
                                     f"{later.shape} after one iteration")
                if not covers(shape, tensor.shape):
                    raise ValueError(
                        f"'{name}' has shape {shape} before the loop, but shape {tensor.shape} after one iteration. "
                        "Use tf.autograph.experimental.set_loop_options to set shape invariants."
                    )
            return result

        limit = options.get("maximum_iterations")
        parallel = options.get("parallel_iterations") or 10
        if entering:
            results = while_in_graph(
                current_graph(), holds, body, entering, invariants, parallel, limit, "while", False)
        else:
            # A loop for its effects alone still needs something to carry.
            while_in_graph(current_graph(), lambda _: holds(), lambda t: (body(), [t])[1], [convert(0)], None, parallel,
                           limit, "while", False)
            results = []
    finally:
        set_state(start)
    for tensor, element in zip(results, elements):
        tensor_lists.marked(tensor, element)
    set_state(state.restore(list(results)))


# ---- for

# Other things to iterate over in the graph (datasets, iterators): (class, function like `for_stmt`).
_iterables: list[tuple[type, Callable[..., None]]] = []


def register_iterable(cls: type, loop: Callable[..., None]) -> None:
    """Lets `for` over objects of `cls` become a loop of the graph.

    Args:
      cls: a class; eagerly its objects are iterated over by Python.
      loop: takes what `for_stmt` takes, by position; `for_each_next` does the work for what gives one item at a time.
    """
    _iterables.append((cls, loop))


def for_each_next(next_item: Callable[[], tuple[Any, Callable[[], Any]]], extra_test: Callable[[], Any] | None,
                  body: Callable[[Any], None], get_state: Callable[[], tuple], set_state: Callable[[tuple], None],
                  symbols: Sequence[str], options: dict[str, Any] | None, lists: bool = False) -> None:
    """A loop of the graph over something that gives one item at a time and tells whether there was one.

    Args:
      next_item: adds to the graph what takes the next item; it returns whether there is one, a boolean tensor, and a
        function that gives the item, called only where there is one.  After `break` nothing more is taken.
      extra_test, body, get_state, set_state, symbols, options, lists: as `for_stmt` has them.
    """
    more: list[Any] = [convert(True)]

    def test() -> Any:
        return more[0] if extra_test is None else _both(more[0], extra_test())

    def step() -> None:
        more[0], item = next_item()
        if_stmt(more[0], lambda: body(item()), lambda: None, get_state, set_state, symbols, len(symbols), lists)

    def first_step() -> None:  # what only the loop defines is told by an iteration that takes place
        more[0], item = next_item()
        body(item())

    def get() -> tuple:
        return (*get_state(), more[0])

    def set_(state: tuple) -> None:
        set_state(tuple(state[:-1]))
        more[0] = state[-1]

    _graph_loop(test, step, get, set_, [*symbols, "<more items>"], options, lists, first_step)


def _both(more: Any, going: Any) -> Any:
    return CARDS["LogicalAnd"](more, going) if not isinstance(going, bool) or not going else more


def for_stmt(iterated: Any, extra_test: Callable[[], Any] | None, body: Callable[[Any], None],
             get_state: Callable[[], tuple], set_state: Callable[[tuple], None], symbols: Sequence[str],
             options: dict[str, Any] | None, lists: bool = False) -> None:
    """Repeats a block for each item, in Python or in the graph."""
    if is_symbolic(iterated):
        if tensor_lists.is_tensor_list(iterated):
            iterated = tensor_lists.stack(iterated)
        _for_tensor(iterated, extra_test, body, get_state, set_state, symbols, options, lists)
        return
    if isinstance(iterated, TensorItems):
        _for_items(iterated.count, iterated.item, extra_test, body, get_state, set_state, symbols, options, lists)
        return
    for cls, loop in _iterables:
        if isinstance(iterated, cls) and current_graph() is not None:
            loop(iterated, extra_test, body, get_state, set_state, symbols, options, lists)
            return
    if extra_test is None:
        for item in iterated:
            body(item)
        return
    items = iter(iterated)
    while True:
        going = extra_test()  # before an item is taken: an iterator keeps what is not looped over
        if is_symbolic(going):
            break
        item = next(items, _NO_ITEM) if going else _NO_ITEM
        if item is _NO_ITEM:
            return
        body(item)
    # Leaving depends on a tensor: each iteration that is left happens if none before it left.
    for count, item in enumerate(items):
        if count == _MOST_ITEMS and not hasattr(iterated, "__len__"):
            raise NotImplementedError(
                f"leaving a loop over {iterated!r} depends on the tensor {going!r}, "
                f"and it has more than {count} items: loop over tf.range, or use while")
        if_stmt(extra_test(), functools.partial(body, item), lambda: None, get_state, set_state, symbols, len(symbols),
                lists)


# How far an iterator that may be endless is followed.
_MOST_ITEMS = 10_000
_NO_ITEM = object()


def _for_tensor(iterated: Any, extra_test: Callable[[], Any] | None, body: Callable[[Any], None],
                get_state: Callable[[], tuple], set_state: Callable[[tuple], None], symbols: Sequence[str],
                options: dict[str, Any] | None, lists: bool) -> None:
    if iterated.shape.rank == 0:
        raise ValueError(f"for needs a tensor of rank 1 or more to iterate over, received the scalar {iterated!r}")
    graph = current_graph()
    iterated = graph.accept(iterated)
    op = iterated.op
    ranged = op.type == "Range" and iterated.dtype.is_integer
    count = CARDS["Shape"](iterated)[0]
    if ranged:
        first, delta = op.inputs[0], op.inputs[2]

    def item(index: Any) -> Any:
        if ranged:
            return CARDS["AddV2"](first, CARDS["Mul"](_as(index, iterated.dtype), delta))
        row = CARDS["GatherV2"](iterated, index, np.array(0, np.int32))
        row.set_shape(iterated.shape[1:])
        return row

    _for_items(count, item, extra_test, body, get_state, set_state, symbols, options, lists)


def _for_items(count: Any, item: Callable[[Any], Any], extra_test: Callable[[], Any] | None,
               body: Callable[[Any], None], get_state: Callable[[], tuple], set_state: Callable[[tuple], None],
               symbols: Sequence[str], options: dict[str, Any] | None, lists: bool) -> None:
    # The position is one more loop variable, kept in a cell beside the user's state.
    position: list[Any] = [convert(0)]

    def test() -> Any:
        more = CARDS["Less"](position[0], count)
        return more if extra_test is None else _both(more, extra_test())

    def step() -> None:
        index = position[0]
        position[0] = CARDS["AddV2"](index, 1)
        body(item(index))

    def get() -> tuple:
        return (*get_state(), position[0])

    def set_(state: tuple) -> None:
        set_state(tuple(state[:-1]))
        position[0] = state[-1]

    _graph_loop(test, step, get, set_, [*symbols, "<position in the loop>"], options, lists)


def _as(tensor: Any, dtype: Any) -> Any:
    return tensor if tensor.dtype == dtype else CARDS["Cast"](tensor, DstT=dtype)
