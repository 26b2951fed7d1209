"""The runtime of converted code: if, while, for and logic, by Python or by the graph, as the values ask for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.autograph.state import (
    Undefined,
    UndefinedReturnValue,
    as_tensor,
    can_be_tensor,
    covers,
    flatten,
    is_symbolic,
    pack,
    same_structure,
)
from everflow._src.framework import dtypes
from everflow._src.framework.context import current_graph, recorders
from everflow._src.framework.conversion import convert
from everflow._src.framework.func_graph import FuncGraph
from everflow._src.framework.registry import CARDS
from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops import control_flow
from everflow._src.ops.while_loop import while_in_graph

# ---- if


def if_stmt(condition: Any, body: Callable[[], None], orelse: Callable[[], None], get_state: Callable[[], tuple],
            set_state: Callable[[tuple], None], symbols: Sequence[str], outputs: int) -> None:
    """Runs one of two blocks, or puts both into the graph when the condition is only known there."""
    if not is_symbolic(condition):
        body() if condition else orelse()
        return
    start = get_state()
    graph = current_graph()
    with graph.name_scope("if") as scope:
        index = _as_bool(graph.accept(condition))
        graphs, results = [], []
        try:
            for name, block in (("true", body), ("false", orelse)):
                inner = FuncGraph(f"if_{name}")
                with inner.as_default():
                    set_state(start)
                    block()
                    results.append(get_state())
                graphs.append(inner)
        finally:
            set_state(start)
        first, second = results
        merged = [_merge(symbols[i], start[i], first[i], second[i]) for i in range(outputs)]
        chosen = [i for i, kind in enumerate(merged) if kind == "tensor"]
        for inner, state in zip(graphs, results):
            with inner.as_default():
                inner.outputs = [inner.accept(as_tensor(v)) for i in chosen for v in flatten(state[i])]
        declared = [a.shape.most_specific_compatible_shape(b.shape)
                    for a, b in zip(graphs[0].outputs, graphs[1].outputs)]
        values, _ = control_flow.add_branches(graph, "if", index, graphs, declared, scope)
    final = list(start)
    position = 0
    for i in range(outputs):
        if merged[i] == "tensor":
            count = len(flatten(first[i]))
            final[i] = pack(first[i], values[position:position + count])
            position += count
        elif merged[i] == "python":
            final[i] = first[i]
    set_state(tuple(final))


def _as_bool(condition: Any) -> Any:
    return condition if condition.dtype == dtypes.bool else control_flow_truth(condition)


def control_flow_truth(value: Any) -> Any:
    """A number as a condition."""
    return CARDS["NotEqual"](value, np.zeros((), value.dtype.numpy_dtype))


def _merge(symbol: str, before: Any, first: Any, second: Any) -> str:
    """How the branches' values of a variable come together: "same", "python" or "tensor".

    Raises:
      ValueError: one branch leaves it undefined.
      TypeError: the values differ in structure or dtype.
    """
    undefined = [isinstance(v, Undefined) for v in (first, second)]
    if all(undefined):
        return "same"
    if any(undefined):
        branch = "else" if undefined[1] else "main"
        if isinstance(first if undefined[0] else second, UndefinedReturnValue) or symbol == "retval_":
            raise ValueError(f"A value must also be returned from the {branch} branch. If a value is returned from one "
                             "branch of a conditional a value must be returned from all branches.")
        raise ValueError(f"'{symbol}' must also be initialized in the {branch} branch")
    if first is second:
        return "same" if first is before else "python"
    if not same_structure(first, second):
        raise TypeError(f"'{symbol}' must have the same nested structure in the main and else branches: {first!r} and "
                        f"{second!r}")
    kinds = []
    for a, b in zip(flatten(first), flatten(second)):
        if a is b and not can_be_tensor(a):
            continue
        if not (can_be_tensor(a) or hasattr(a, "_dense_var_to_tensor")) or not (
                can_be_tensor(b) or hasattr(b, "_dense_var_to_tensor")):
            if not isinstance(a, Tensor) and not isinstance(b, Tensor) and type(a) is type(b) and a == b:
                continue
            if a is None or b is None:
                raise TypeError(f"'{symbol}' is None in one branch and {b if a is None else a!r} in the other; both "
                                "branches must give it a value of one kind")
            kinds.append("tensor")
            try:
                convert(a), convert(b)
            except (TypeError, ValueError):
                raise TypeError(
                    f"'{symbol}' must be a tensor or a value that both branches share: it is {a!r} "
                    f"({type(a).__name__}) in the main branch and {b!r} ({type(b).__name__}) in the else branch"
                ) from None
            continue
        kinds.append("tensor")
        da, db = _dtype_of(a), _dtype_of(b)
        if da != db:
            raise TypeError(f"'{symbol}' has dtype {da.name} in the main branch, but dtype {db.name} in the else "
                            "branch")
    if not kinds:
        return "python"
    return "tensor"


def _dtype_of(value: Any) -> Any:
    if isinstance(value, Tensor) or hasattr(value, "_dense_var_to_tensor"):
        return value.dtype.base_dtype
    with recorders(()):
        scratch = FuncGraph("dtype")
        with scratch.as_default():
            return convert(value).dtype


# ---- while


def while_stmt(test: Callable[[], Any], body: Callable[[], None], get_state: Callable[[], tuple],
               set_state: Callable[[tuple], None], symbols: Sequence[str], options: dict[str, Any] | None) -> None:
    """Repeats a block, in Python or in the graph."""
    while True:
        holds = test()
        if is_symbolic(holds):
            _graph_loop(test, body, get_state, set_state, symbols, options)
            return
        if not holds:
            return
        body()


class _LoopState:
    """The loop variables of one loop: which leaves of the state are tensors, and which stay as they are."""

    def __init__(self, symbols: Sequence[str], start: Sequence[Any]) -> None:
        self.symbols = symbols
        self.values = list(start)
        # Per symbol, whether each leaf is carried; symbols without tensors stay out of the loop.
        self.masks = [
            [] if isinstance(v, Undefined) else [_tensorlike(leaf) for leaf in flatten(v)] for v in start
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
        state = list(self.values)
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
                if not _tensorlike(new):
                    raise TypeError(f"'{symbol}' is {old!r} before the loop, but {new!r} ({type(new).__name__}) after "
                                    "one iteration")
                wanted, got = _dtype_of(old), _dtype_of(new)
                if wanted != got:
                    raise TypeError(f"'{symbol}' has dtype {wanted.name} before the loop, but dtype {got.name} after "
                                    "one iteration")
                result.append(as_tensor(new))
        return result


def _tensorlike(value: Any) -> bool:
    return can_be_tensor(value) or hasattr(value, "_dense_var_to_tensor") or isinstance(value, (str, bytes))


def _zeros_like(symbol: str, value: Any) -> Any:
    def zeros(leaf: Any) -> Any:
        if not _tensorlike(leaf):
            raise ValueError(f"'{symbol}' must be defined before the loop: it becomes {leaf!r} there, no tensor")
        dtype = _dtype_of(leaf)
        shape = leaf.shape if isinstance(leaf, Tensor) else TensorShape(np.shape(leaf))
        if shape.is_fully_defined():
            if dtype == dtypes.string:
                return convert(np.full(shape.as_list(), b"", object), dtype)
            return convert(np.zeros(shape.as_list(), dtype.numpy_dtype), dtype)
        raise ValueError(f"'{symbol}' must be defined before the loop: its shape {shape} is not known there")

    return pack(value, [zeros(v) for v in flatten(value)])


def _define(step: Callable[[], None], get_state: Callable[[], tuple], set_state: Callable[[tuple], None],
            start: tuple, symbols: Sequence[str], options: dict[str, Any]) -> tuple:
    """The state with what only the loop defines as zeros, which no iteration reads: an iteration tells their form."""
    scratch = FuncGraph("dry_run")
    state = _LoopState(symbols, start)
    with recorders(()), scratch.as_default():
        leaves = []
        for original in state.originals():
            shape = original.shape if isinstance(original, Tensor) else TensorShape(np.shape(original))
            if isinstance(original, Tensor) and original.dtype in (dtypes.resource, dtypes.variant):
                leaves.append(original)
                continue
            leaves.append(scratch.add_input(_dtype_of(original), _invariant_of(original, shape, options), "loop_var"))
        set_state(state.restore(leaves))
        step()
        after = get_state()
    set_state(start)
    return tuple(
        _zeros_like(symbol, later) if isinstance(before, Undefined) and not isinstance(later, Undefined) and any(
            _tensorlike(v) for v in flatten(later)) else before
        for symbol, before, later in zip(symbols, start, after)
    )


def _invariant_of(leaf: Any, shape: TensorShape, options: dict[str, Any]) -> TensorShape:
    for value, invariant in options.get("shape_invariants") or ():
        if value is leaf:
            return TensorShape(getattr(invariant, "shape", invariant))
    return shape


def _graph_loop(test: Callable[[], Any], step: Callable[[], None], get_state: Callable[[], tuple],
                set_state: Callable[[tuple], None], symbols: Sequence[str], options: dict[str, Any] | None) -> None:
    """A loop of the graph over the state that `get_state` and `set_state` give access to."""
    options = options or {}
    start = get_state()
    try:
        defined = start
        if any(isinstance(v, Undefined) for v in start):
            defined = _define(step, get_state, set_state, start, symbols, options)
        state = _LoopState(symbols, defined)
        entering, originals, names = state.entering(), state.originals(), state.names()
        invariants = [_invariant_of(o, t.shape, options) for o, t in zip(originals, entering)]

        def holds(*leaves: Any) -> Any:
            set_state(state.restore(leaves))
            result = convert(test())
            return result if result.dtype == dtypes.bool else control_flow_truth(result)

        def body(*leaves: Any) -> Any:
            set_state(state.restore(leaves))
            step()
            result = state.collect(get_state())
            for name, tensor, shape in zip(names, result, invariants):
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
    set_state(state.restore(list(results)))


# ---- for

# Other things to iterate over in the graph (datasets, ragged tensors): (class, function like `for_stmt`).
_iterables: list[tuple[type, Callable[..., None]]] = []


def register_iterable(cls: type, loop: Callable[..., None]) -> None:
    """Lets `for` over objects of `cls` become a loop of the graph."""
    _iterables.append((cls, loop))


def for_stmt(iterated: Any, extra_test: Callable[[], Any] | None, body: Callable[[Any], None],
             get_state: Callable[[], tuple], set_state: Callable[[tuple], None], symbols: Sequence[str],
             options: dict[str, Any] | None) -> None:
    """Repeats a block for each item, in Python or in the graph."""
    if is_symbolic(iterated):
        _for_tensor(iterated, extra_test, body, get_state, set_state, symbols, options)
        return
    for cls, loop in _iterables:
        if isinstance(iterated, cls):
            loop(iterated, extra_test, body, get_state, set_state, symbols, options)
            return
    if extra_test is None:
        for item in iterated:
            body(item)
        return
    if not extra_test():
        return
    for item in iterated:
        body(item)
        if not extra_test():
            break


def _for_tensor(iterated: Any, extra_test: Callable[[], Any] | None, body: Callable[[Any], None],
                get_state: Callable[[], tuple], set_state: Callable[[tuple], None], symbols: Sequence[str],
                options: dict[str, Any] | None) -> None:
    if iterated.shape.rank == 0:
        raise ValueError(f"for needs a tensor of rank 1 or more to iterate over, received the scalar {iterated!r}")
    graph = current_graph()
    iterated = graph.accept(iterated)
    op = iterated.op
    ranged = op.type == "Range" and iterated.dtype.is_integer
    count = CARDS["Shape"](iterated)[0]
    if ranged:
        first, delta = op.inputs[0], op.inputs[2]

    # The position is one more loop variable, kept in a cell beside the user's state.
    position: list[Any] = [convert(0)]

    def test() -> Any:
        more = CARDS["Less"](position[0], count)
        if extra_test is None:
            return more
        going = extra_test()
        return CARDS["LogicalAnd"](more, going) if not isinstance(going, bool) or not going else more

    def step() -> None:
        index = position[0]
        if ranged:
            scaled = CARDS["Mul"](_as(index, iterated.dtype), delta)
            item = CARDS["AddV2"](first, scaled)
        else:
            item = CARDS["GatherV2"](iterated, index, np.array(0, np.int32))
            item.set_shape(iterated.shape[1:])
        position[0] = CARDS["AddV2"](index, 1)
        body(item)

    def get() -> tuple:
        return (*get_state(), position[0])

    def set_(state: tuple) -> None:
        set_state(tuple(state[:-1]))
        position[0] = state[-1]

    _graph_loop(test, step, get, set_, [*symbols, "<position in the loop>"], options)


def _as(tensor: Any, dtype: Any) -> Any:
    return tensor if tensor.dtype == dtype else CARDS["Cast"](tensor, DstT=dtype)


# ---- expressions


def and_(first: Callable[[], Any], second: Callable[[], Any]) -> Any:
    """`a and b`: lazily, in the graph too."""
    left = first()
    if not is_symbolic(left):
        return left and second()
    return control_flow.cond_v2(_as_bool(left), lambda: _boolean(second()), lambda: _boolean(False), name="and")


def or_(first: Callable[[], Any], second: Callable[[], Any]) -> Any:
    """`a or b`: lazily, in the graph too."""
    left = first()
    if not is_symbolic(left):
        return left or second()
    return control_flow.cond_v2(_as_bool(left), lambda: _boolean(True), lambda: _boolean(second()), name="or")


def _boolean(value: Any) -> Any:
    tensor = convert(value)
    return tensor if tensor.dtype == dtypes.bool else control_flow_truth(tensor)


def not_(value: Any) -> Any:
    """`not a`."""
    return CARDS["LogicalNot"](_as_bool(value)) if is_symbolic(value) else not value


def if_exp(condition: Any, first: Callable[[], Any], second: Callable[[], Any], source: str) -> Any:
    """`a if c else b`."""
    if not is_symbolic(condition):
        return first() if condition else second()
    try:
        return control_flow.cond_v2(_as_bool(condition), lambda: _value(first()), lambda: _value(second()),
                                    name="if_exp")
    except TypeError as error:
        raise TypeError(f"'{source}': the two values must be alike: {error}") from None


def _value(value: Any) -> Any:
    return pack(value, [as_tensor(v) if _tensorlike(v) else v for v in flatten(value)])


def assert_stmt(condition: Any, message: Callable[[], Any]) -> None:
    """`assert c, message`."""
    if not is_symbolic(condition):
        assert condition, message()  # noqa: S101 - the user's own statement
        return
    CARDS["Assert"](_as_bool(condition), [convert(str(message()))])


def set_item(target: Any, key: Any, value: Any) -> Any:
    """`target[key] = value`; of a tensor, a tensor with that element replaced."""
    if not is_symbolic(target):
        target[key] = value
        return target
    index = CARDS["Reshape"](convert(key), np.array([1, 1], np.int32))
    update = CARDS["ExpandDims"](convert(value, target.dtype), np.array(0, np.int32))
    return CARDS["TensorScatterUpdate"](target, index, update)
