"""The runtime of converted code: if, while, for and logic, by Python or by the graph, as the values ask for it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.autograph import lists as tensor_lists
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
from everflow._src.framework import dtypes, nest
from everflow._src.framework.context import current_graph, recorders
from everflow._src.framework.conversion import convert
from everflow._src.framework.func_graph import FuncGraph
from everflow._src.framework.registry import CARDS
from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops import comparison, control_flow
from everflow._src.ops.while_loop import while_in_graph

# ---- if


def if_stmt(condition: Any, body: Callable[[], None], orelse: Callable[[], None], get_state: Callable[[], tuple],
            set_state: Callable[[tuple], None], symbols: Sequence[str], outputs: int, lists: bool = False) -> None:
    """Runs one of two blocks, or puts both into the graph when the condition is only known there.

    With `lists`, Python lists that one of them makes longer or shorter become lists of tensors.
    """
    if not is_symbolic(condition):
        body() if condition else orelse()
        return
    start = get_state()
    graph = current_graph()
    with graph.name_scope("if") as scope:
        index = _as_bool(graph.accept(condition))
        graphs: list[FuncGraph] = []
        results: list[list[Any]] = []
        try:
            for name, block in (("true", body), ("false", orelse)):
                inner = FuncGraph(f"if_{name}")
                with inner.as_default():
                    set_state(_copied(start) if lists else start)
                    block()
                    results.append(list(get_state()))
                graphs.append(inner)
        finally:
            set_state(start)
        elements = _list_elements(start, graphs, results, outputs) if lists else {}
        for i in range(outputs):
            _fill(i, graphs, results)
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
            if i in elements:
                tensor_lists.marked(final[i], elements[i])
            position += count
        elif merged[i] == "python":
            final[i] = first[i]
    set_state(tuple(final))


def _copied(state: Sequence[Any]) -> tuple:
    """The state with lists of its own: what one branch appends is not seen by the other."""
    return tuple(list(v) if type(v) is list else v for v in state)


def _list_elements(start: Sequence[Any], graphs: Sequence[FuncGraph], results: Sequence[list[Any]], outputs: int
                   ) -> dict[int, Any]:
    """Makes lists of tensors of those lists on which the branches disagree; what their elements are, by position."""
    elements = {}
    for i in range(outputs):
        first, second, element = tensor_lists.agree(start[i], results[0][i], results[1][i])
        values = [first, second]
        if element is not None:
            elements[i] = element
            for j, graph in enumerate(graphs):
                with graph.as_default():
                    values[j] = tensor_lists.as_tensor_list(values[j], element)
        results[0][i], results[1][i] = values
    return elements


def _fill(position: int, graphs: Sequence[FuncGraph], results: Sequence[list[Any]]) -> None:
    """Gives a branch that does not return yet a value in the place of what will be returned."""
    for here, there in ((0, 1), (1, 0)):
        value, other = results[here][position], results[there][position]
        if isinstance(value, UndefinedReturnValue) and value.promised and not isinstance(other, Undefined) and all(
                _tensorlike(v) for v in flatten(other)):
            with graphs[here].as_default():
                results[here][position] = _zeros_like("return value", other)[0]


def _as_bool(condition: Any) -> Any:
    """A condition as a boolean scalar.

    Raises:
      ValueError: it has several elements, or is no number.
    """
    if tensor_lists.is_tensor_list(condition):
        return CARDS["Greater"](tensor_lists.length(condition), 0)
    if condition.dtype == dtypes.string:
        raise ValueError(f"a condition must be a tf.bool scalar, received {condition!r}")
    shape = condition.shape
    if shape.rank and shape.is_fully_defined():
        if shape.num_elements() != 1:
            raise ValueError(f"a condition must be a tf.bool scalar, received {condition!r} of shape {shape}; use "
                             "tf.reduce_any or tf.reduce_all")
        condition = CARDS["Reshape"](condition, np.zeros([0], np.int32))
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
    if (first is None) != (second is None):
        raise ValueError(f"'{symbol}' is None at the end of the {'main' if first is None else 'else'} branch, but "
                         f"{second if first is None else first!r} at the end of the other")
    if not same_structure(first, second):
        raise TypeError(f"'{symbol}' must have the same nested structure in the main and else branches: {first!r} and "
                        f"{second!r}")
    kinds = []
    for a, b in zip(flatten(first), flatten(second)):
        if a is b and not can_be_tensor(a):
            continue
        if isinstance(a, (str, bytes)) and type(a) is type(b) and a == b:
            continue
        if not _tensorlike(a) or not _tensorlike(b):
            if not isinstance(a, Tensor) and not isinstance(b, Tensor) and type(a) is type(b) and a == b:
                continue
            if a is None or b is None:
                raise ValueError(f"'{symbol}' is None at the end of the {'main' if a is None else 'else'} branch, but "
                                 f"{b if a is None else a!r} at the end of the other")
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
        state = list(_copied(self.values) if self.lists else self.values)
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


def _zeros_like(symbol: str, value: Any) -> tuple[Any, list[tuple[Any, TensorShape]]]:
    """Zeros in the place of `value`, and the shapes of those of which only these are known."""
    partly: list[tuple[Any, TensorShape]] = []

    def zeros(leaf: Any) -> Any:
        if not _tensorlike(leaf):
            raise ValueError(f"'{symbol}' must be defined before the loop: it becomes {leaf!r} there, no tensor")
        dtype = _dtype_of(leaf)
        shape = leaf.shape if isinstance(leaf, Tensor) else TensorShape(np.shape(leaf))
        dims = [d or 0 for d in shape.as_list()] if shape.rank is not None else []
        if dtype == dtypes.string:
            result = convert(np.full(dims, b"", object), dtype)
        elif dtype == dtypes.variant:
            raise ValueError(f"'{symbol}' must be defined before the loop")
        else:
            result = convert(np.zeros(dims, dtype.numpy_dtype), dtype)
        if not shape.is_fully_defined():
            partly.append((result, shape))
        return result

    return pack(value, [zeros(v) for v in flatten(value)]), partly


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
            leaves.append(scratch.add_input(_dtype_of(original), _invariant_of(original, shape, options), "loop_var"))
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
        elif _is_missing(before) and not _is_missing(later) and any(_tensorlike(v) for v in flatten(later)):
            result[i], partly = _zeros_like(symbol, later)
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
            return _as_bool(convert(test()))

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
    for cls, loop in _iterables:
        if isinstance(iterated, cls) and current_graph() is not None:
            loop(iterated, extra_test, body, get_state, set_state, symbols, options, lists)
            return
    if extra_test is None:
        for item in iterated:
            body(item)
        return
    for item in iterated:
        going = extra_test()
        if not is_symbolic(going):
            if not going:
                break
            body(item)
            continue
        # Leaving depends on a tensor: each iteration that is left happens if none before it left.
        if not hasattr(iterated, "__len__"):
            raise NotImplementedError(
                f"leaving a loop over {iterated!r} depends on the tensor {going!r}, and how many items there are is "
                "not known: loop over a list, a tensor or tf.range")
        if_stmt(going, functools.partial(body, item), lambda: None, get_state, set_state, symbols, len(symbols), lists)


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

    # The position is one more loop variable, kept in a cell beside the user's state.
    position: list[Any] = [convert(0)]

    def test() -> Any:
        more = CARDS["Less"](position[0], count)
        return more if extra_test is None else _both(more, extra_test())

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

    _graph_loop(test, step, get, set_, [*symbols, "<position in the loop>"], options, lists)


def _as(tensor: Any, dtype: Any) -> Any:
    return tensor if tensor.dtype == dtype else CARDS["Cast"](tensor, DstT=dtype)


# ---- expressions


def and_(first: Callable[[], Any], second: Callable[[], Any]) -> Any:
    """`a and b`: lazily, in the graph too."""
    left = first()
    if not is_symbolic(left):
        return left and second()
    left, condition = _boolean(left), _as_bool(left)
    return control_flow.cond_v2(condition, lambda: _second(second(), "and"), lambda: left, name="and")


def or_(first: Callable[[], Any], second: Callable[[], Any]) -> Any:
    """`a or b`: lazily, in the graph too."""
    left = first()
    if not is_symbolic(left):
        return left or second()
    left, condition = _boolean(left), _as_bool(left)
    return control_flow.cond_v2(condition, lambda: left, lambda: _second(second(), "or"), name="or")


def _boolean(value: Any) -> Any:
    return value if value.dtype == dtypes.bool else _as_bool(value)


def _second(value: Any, name: str) -> Any:
    tensor = _as_bool(value) if tensor_lists.is_tensor_list(value) else convert(value)
    if tensor.dtype != dtypes.bool:
        raise TypeError(f"'{name}' of tensors needs booleans, received {tensor!r}")
    return tensor


def eq(first: Any, second: Any) -> Any:
    """`a == b`: by their elements where one is a tensor of the graph, in every generation."""
    if is_symbolic(first) or is_symbolic(second):
        return comparison.equal(first, second)
    return first == second


def not_eq(first: Any, second: Any) -> Any:
    """`a != b`."""
    if is_symbolic(first) or is_symbolic(second):
        return comparison.not_equal(first, second)
    return first != second


def not_(value: Any) -> Any:
    """`not a`."""
    return CARDS["LogicalNot"](_boolean(value)) if is_symbolic(value) else not value


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
