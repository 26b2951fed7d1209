"""The runtime of converted code: if and expressions, by Python or by the graph, as the values ask for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.autograph import lists as tensor_lists
from everflow._src.autograph.state import (
    Undefined,
    UndefinedReturnValue,
    as_tensor,
    can_be_tensor,
    copied,
    dtype_of,
    flatten,
    is_symbolic,
    pack,
    same_structure,
    tensorlike,
    zeros_like,
)
from everflow._src.framework import dtypes
from everflow._src.framework.context import current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.func_graph import FuncGraph
from everflow._src.framework.registry import CARDS
from everflow._src.framework.tensor import Tensor
from everflow._src.ops import comparison, control_flow

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
        index = as_bool(graph.accept(condition))
        graphs: list[FuncGraph] = []
        results: list[list[Any]] = []
        try:
            for name, block in (("true", body), ("false", orelse)):
                inner = FuncGraph(f"if_{name}")
                with inner.as_default():
                    set_state(copied(start) if lists else start)
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
                tensorlike(v) for v in flatten(other)):
            with graphs[here].as_default():
                results[here][position] = zeros_like("return value", other)[0]


def as_bool(condition: Any) -> Any:
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
        if not tensorlike(a) or not tensorlike(b):
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
        da, db = dtype_of(a), dtype_of(b)
        if da != db:
            raise TypeError(f"'{symbol}' has dtype {da.name} in the main branch, but dtype {db.name} in the else "
                            "branch")
    if not kinds:
        return "python"
    return "tensor"


# ---- expressions


def and_(first: Callable[[], Any], second: Callable[[], Any]) -> Any:
    """`a and b`: lazily, in the graph too."""
    left = first()
    if not is_symbolic(left):
        return left and second()
    left, condition = _boolean(left), as_bool(left)
    return control_flow.cond_v2(condition, lambda: _second(second(), "and"), lambda: left, name="and")


def or_(first: Callable[[], Any], second: Callable[[], Any]) -> Any:
    """`a or b`: lazily, in the graph too."""
    left = first()
    if not is_symbolic(left):
        return left or second()
    left, condition = _boolean(left), as_bool(left)
    return control_flow.cond_v2(condition, lambda: left, lambda: _second(second(), "or"), name="or")


def _boolean(value: Any) -> Any:
    return value if value.dtype == dtypes.bool else as_bool(value)


def _second(value: Any, name: str) -> Any:
    tensor = as_bool(value) if tensor_lists.is_tensor_list(value) else convert(value)
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
        return control_flow.cond_v2(as_bool(condition), lambda: _value(first()), lambda: _value(second()),
                                    name="if_exp")
    except TypeError as error:
        raise TypeError(f"'{source}': the two values must be alike: {error}") from None


def _value(value: Any) -> Any:
    return pack(value, [as_tensor(v) if tensorlike(v) else v for v in flatten(value)])


def assert_stmt(condition: Any, message: Callable[[], Any]) -> None:
    """`assert c, message`."""
    if not is_symbolic(condition):
        assert condition, message()  # noqa: S101 - the user's own statement
        return
    CARDS["Assert"](as_bool(condition), [convert(str(message()))])
