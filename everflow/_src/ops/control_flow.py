"""Functional control flow: `tf.cond`, `tf.case`, `tf.switch_case`, `tf.while_loop`, and calls of functions.

In a graph, branches and bodies are functions of their own (FuncGraphs); what they use from outside is captured
and passed in.  In eager mode Python decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes, nest
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.context import STATE, current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.func_graph import FuncGraph, GraphFunction, flat_shapes
from everflow._src.framework.operation import Operation
from everflow._src.framework.registry import CARDS, FUNCTION, FUNCTIONS, SHAPE, SHAPES, TYPES, op
from everflow._src.framework.tensor import EagerTensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.constants import Identity

# ---- cards


def _declared_shapes(op: Any) -> list[TensorShape]:
    declared = op._attrs.get("output_shapes") or ()
    if len(declared) == len(op._outputs):
        return list(declared)
    return [shapes.UNKNOWN_SHAPE] * len(op._outputs)


def _call(xp: Any, args: Sequence[Any], *, f: GraphFunction, frame: Any) -> tuple[Any, ...]:
    return tuple(frame.run(f, args))


def _function_shapes(op: Any) -> list[TensorShape]:
    return list(flat_shapes(op._attrs["f"].outputs))


PartitionedCall = op(
    "PartitionedCall", "args: *Tin -> output: *Tout", f=FUNCTION, config="", config_proto="", executor_type="",
    kernel=_call, shape=_function_shapes, takes_lists=True, no_gradient="installed by autodiff/functional",
    doc="Calls a function.",
)

StatefulPartitionedCall = op(
    "StatefulPartitionedCall", "args: *Tin -> output: *Tout", f=FUNCTION, config="", config_proto="",
    executor_type="", kernel=_call, shape=_function_shapes, stateful=True, takes_lists=True,
    no_gradient="installed by autodiff/functional", doc="Calls a function that has effects.",
)


def truth(value: Any) -> Any:
    """A condition as TensorFlow reads it: numbers are true when they are not zero, strings when not empty."""
    if isinstance(value, np.ndarray) and value.dtype == object:
        return len(value.reshape(-1)[0]) > 0
    return value if value.dtype == np.bool_ else value != 0


def _if(xp: Any, cond: Any, input: Sequence[Any], *, then_branch: GraphFunction, else_branch: GraphFunction,
        frame: Any) -> tuple[Any, ...]:
    return tuple(frame.branch(xp.logical_not(truth(cond)), (then_branch, else_branch), input))


def _if_card(name: str, stateful: bool) -> Any:
    return op(
        name, "cond: Tcond, input: *Tin -> output: *Tout", Tcond=dtypes.ALL, Tout=TYPES, then_branch=FUNCTION,
        else_branch=FUNCTION, output_shapes=SHAPES, kernel=_if, shape=_declared_shapes, stateful=stateful,
        takes_lists=True,
        no_gradient="installed by autodiff/functional", doc="Calls one of two functions.",
    )


If = _if_card("If", True)
StatelessIf = _if_card("StatelessIf", False)


def _case(xp: Any, branch_index: Any, input: Sequence[Any], *, branches: Sequence[GraphFunction], frame: Any
          ) -> tuple[Any, ...]:
    count = len(branches)
    inside = xp.logical_and(branch_index >= 0, branch_index < count)
    return tuple(frame.branch(xp.where(inside, branch_index, count - 1), branches, input))


def _case_card(name: str, stateful: bool) -> Any:
    return op(
        name, "branch_index: int32, input: *Tin -> output: *Tout", Tout=TYPES, branches=FUNCTIONS,
        output_shapes=SHAPES, kernel=_case, shape=_declared_shapes, stateful=stateful, takes_lists=True,
        no_gradient="installed by autodiff/functional", doc="Calls one of several functions.",
    )


Case = _case_card("Case", True)
StatelessCase = _case_card("StatelessCase", False)


def _while(xp: Any, input: Sequence[Any], *, cond: GraphFunction, body: GraphFunction, frame: Any
           ) -> tuple[Any, ...]:
    return tuple(frame.loop(cond, body, input))


def _while_card(name: str, stateful: bool) -> Any:
    return op(
        name, "input: *T -> output: *T", cond=FUNCTION, body=FUNCTION, output_shapes=SHAPES, parallel_iterations=10,
        kernel=_while, shape=_declared_shapes, stateful=stateful, takes_lists=True,
        no_gradient="installed by autodiff/functional", doc="Calls a function on its own outputs while another holds.",
    )


While = _while_card("While", True)
StatelessWhile = _while_card("StatelessWhile", False)


def _fake(xp: Any, *, dtype: Any, shape: Any) -> Any:
    if dtype == dtypes.variant:
        return None
    return np.zeros([d or 0 for d in shape.as_list()] if shape.rank else (), dtype.numpy_dtype)


FakeParam = op(
    "FakeParam", "-> output: dtype", dtype=dtypes.ALL, more_attrs={"shape": SHAPE}, kernel=_fake,
    shape=shapes.from_attr("shape"), no_gradient=True, takes_lists=True,
    doc="Stands for a value that only another branch computes; nobody reads it.",
)


# ---- tracing branches and bodies


def is_effectful(graph: FuncGraph) -> bool:
    """True when some operation of a function must not be left out."""
    return any(o.card.stateful and not o.card.reads_only for o in graph._operations)


def trace_branch(function: Callable[[], Any], name: str) -> tuple[FuncGraph, Any]:
    """The graph of a function of no arguments, and its structured result."""
    graph = FuncGraph(name)
    with graph.as_default():
        result = function()
        flat = [_as_output(t) for t in nest.flatten(result, expand_composites=True)]
        graph.outputs = [graph.accept(t) for t in flat if t is not None]
    graph.structured_outputs = result
    return graph, result


def _as_output(value: Any) -> Any:
    if value is None or isinstance(value, Operation):
        return None
    return convert(value)


def share_captures(graphs: Sequence[FuncGraph]) -> list[Any]:
    """Gives all branches the same inputs, in the same order; returns the tensors from outside."""
    outer: dict[int, Any] = {}
    for graph in graphs:
        for tensor, _ in graph.captures:
            outer.setdefault(id(tensor), tensor)
    for graph in graphs:
        inputs = []
        for tensor in outer.values():
            with graph.as_default():
                inputs.append(graph.capture(tensor))
        graph.inputs = inputs
    return list(outer.values())


def _same_structure(results: Sequence[Any], what: str) -> None:
    first = results[0]
    for other in results[1:]:
        try:
            nest.assert_same_structure(first, other, expand_composites=True)
        except (ValueError, TypeError) as error:
            raise TypeError(f"{what} must return the same structure: {error}") from None


def _branch_outputs(graphs: Sequence[FuncGraph], results: Sequence[Any], what: str) -> tuple[TensorShape, ...]:
    """Checks that branches return alike; gives the static shapes of what they return."""
    _same_structure([_without_operations(r) for r in results], what)
    first = graphs[0].outputs
    merged = list(flat_shapes(first))
    for graph in graphs[1:]:
        for index, (a, b) in enumerate(zip(first, graph.outputs)):
            if a._dtype.base_dtype != b._dtype.base_dtype:
                raise TypeError(
                    f"{what} must return tensors of the same dtype: output {index} is {a._dtype.name} in one branch "
                    f"and {b._dtype.name} in another (made at {a._op.location} and {b._op.location})"
                )
            merged[index] = merged[index].most_specific_compatible_shape(b._shape)
    return tuple(merged)


def _without_operations(result: Any) -> Any:
    return nest.map_structure(lambda v: None if isinstance(v, Operation) else v, result)


def _call_branches(kind: str, index: Any, functions: Sequence[Callable[[], Any]], names: Sequence[str], what: str,
                   name: str, default_name: str) -> Any:
    graph = current_graph()
    with graph.name_scope(name or default_name) as scope:
        if kind == "if":
            index = convert(index, name="pred")
            if index.shape.rank and index.shape.num_elements() == 1:
                index = CARDS["Reshape"](index, np.zeros([0], np.int32))
        else:
            index = convert(index, dtypes.int32, name="branch_index")
        traced = [trace_branch(f, scope[:-1].rpartition("/")[2] + "_" + n) for f, n in zip(functions, names)]
        graphs = [g for g, _ in traced]
        results = [r for _, r in traced]
        declared = _branch_outputs(graphs, results, what)
        tensors, op = add_branches(graph, kind, index, graphs, declared, scope)
    return _pack(results[0], tensors, op)


def add_branches(graph: Any, kind: str, index: Any, graphs: Sequence[FuncGraph], declared: Sequence[TensorShape],
                 scope: str) -> tuple[list[Any], Operation]:
    """Adds the If ("if") or Case of finished branches; returns its outputs and the operation."""
    captured = share_captures(graphs)
    branches = [GraphFunction(g) for g in graphs]
    for branch in branches:
        graph.add_function(branch)
    stateful = any(o.card.stateful for g in graphs for o in g._operations)
    types = tuple(t._dtype.base_dtype for t in graphs[0].outputs)
    if kind == "if":
        card = If if stateful else StatelessIf
        outputs = card(index, captured, Tout=types, then_branch=branches[0], else_branch=branches[1],
                       output_shapes=declared, name=scope)
    else:
        card = Case if stateful else StatelessCase
        outputs = card(index, captured, Tout=types, branches=branches, output_shapes=declared, name=scope)
    op = graph.get_operation_by_name(scope[:-1])
    return [_identity(t) for t in (outputs if types else [])], op


def _identity(tensor: Any) -> Any:
    return Identity(tensor)


def _pack(structure: Any, tensors: Sequence[Any], op: Any) -> Any:
    if structure is None or isinstance(structure, Operation):
        return op
    remaining = list(tensors)
    flat = [
        None if leaf is None else op if isinstance(leaf, Operation) else remaining.pop(0)
        for leaf in nest.flatten(structure, expand_composites=True)
    ]
    return nest.pack_sequence_as(structure, flat, expand_composites=True)


def _check_branches(true_fn: Any, false_fn: Any) -> None:
    if not callable(true_fn):
        raise TypeError("'true_fn' must be callable.")
    if not callable(false_fn):
        raise TypeError("'false_fn' must be callable.")


def _cond(pred: Any, true_fn: Callable, false_fn: Callable, strict: bool, name: str | None) -> Any:
    graph = current_graph() if STATE.busy else None
    if graph is None:
        result = true_fn() if _python_truth(pred) else false_fn()
        return result if strict else _unpacked(result)
    if isinstance(pred, bool):
        raise TypeError("pred must not be a Python bool")
    result = _call_branches("if", pred, (true_fn, false_fn), ("true", "false"),
                            "true_fn and false_fn arguments to tf.cond", name or "cond", "cond")
    return result if strict or STATE.v2_control_flow else _unpacked(result)


def _python_truth(value: Any) -> bool:
    if isinstance(value, EagerTensor):
        return bool(np.asarray(truth(value._array)))
    return bool(value)


def _unpacked(result: Any) -> Any:
    return result[0] if isinstance(result, (list, tuple)) and len(result) == 1 else result


@export("cond", v1=[])
def cond_v2(pred: Any, true_fn: Any = None, false_fn: Any = None, name: str | None = None) -> Any:
    """Calls `true_fn` when `pred` holds and `false_fn` otherwise.

    Args:
      pred: a boolean scalar.
      true_fn: a function of no arguments.
      false_fn: a function of no arguments that returns the same structure, with the same dtypes.
      name: name of the operation in a graph.

    Returns:
      What the function that was called returns.

    Raises:
      TypeError: an argument is not callable, or the branches return different things.

    >>> import everflow as tf
    >>> tf.cond(tf.constant(True), lambda: tf.constant(1), lambda: tf.constant(2)).numpy()
    1
    """
    _check_branches(true_fn, false_fn)
    return _cond(pred, true_fn, false_fn, True, name)


@export(v1=["cond"])
def cond(pred: Any, true_fn: Any = None, false_fn: Any = None, strict: bool = False, name: str | None = None,
         fn1: Any = None, fn2: Any = None) -> Any:
    """Calls `true_fn` when `pred` holds and `false_fn` otherwise; lists of one tensor are unpacked unless `strict`."""
    if fn1 is not None:
        if true_fn is not None:
            raise TypeError("cond(): 'true_fn' and 'fn1' may not be set simultaneously.")
        true_fn = fn1
    if fn2 is not None:
        if false_fn is not None:
            raise TypeError("cond(): 'false_fn' and 'fn2' may not be set simultaneously.")
        false_fn = fn2
    if true_fn is None:
        raise TypeError("cond(): 'true_fn' argument required")
    if false_fn is None:
        raise TypeError("cond(): 'false_fn' argument required")
    _check_branches(true_fn, false_fn)
    return _cond(pred, true_fn, false_fn, strict, name)


@export("switch_case", v1=["switch_case"])
def switch_case(branch_index: Any, branch_fns: Any, default: Any = None, name: str | None = "switch_case") -> Any:
    """Calls the function at `branch_index`, or `default` when there is none there.

    Args:
      branch_index: an int32 scalar.
      branch_fns: functions of no arguments: a list, a dict from ints, or a list of (int, function) pairs.
      default: a function for any other index; the last one when None.
      name: name of the operation in a graph.

    Raises:
      TypeError, ValueError: the functions are not callable, or the keys are no distinct ints.
    """
    functions = _indexed_functions(branch_fns, default)
    if isinstance(branch_index, (bool, int, float)):
        raise TypeError(f"'branch_index' must be a Tensor, got {type(branch_index)}")
    branch_index = convert(branch_index)
    if not branch_index.dtype.is_integer:
        raise TypeError(f"'branch_index' must be an integer Tensor, got {branch_index.dtype!r}")
    graph = current_graph() if STATE.busy else None
    if graph is None:
        index = int(branch_index)
        return functions[index if 0 <= index < len(functions) else len(functions) - 1]()
    return _call_branches("case", branch_index, functions, [f"branch{i}" for i in range(len(functions))],
                          "branch_fns of tf.switch_case", name or "switch_case", "switch_case")


def _indexed_functions(branch_fns: Any, default: Any) -> list[Callable]:
    if isinstance(branch_fns, dict):
        pairs = sorted(branch_fns.items())
    elif not isinstance(branch_fns, (list, tuple)):
        raise TypeError(f"'branch_fns' must be a list, tuple, or dict, received {branch_fns!r}")
    elif branch_fns and all(isinstance(f, (list, tuple)) and len(f) == 2 for f in branch_fns):
        pairs = sorted(branch_fns, key=lambda p: p[0])
    else:
        pairs = list(enumerate(branch_fns))
    for key, function in pairs:
        if not isinstance(key, int):
            raise TypeError(f"key must be a Python `int`, received {key!r} ({type(key).__name__})")
        if not callable(function):
            raise TypeError(f"fn for key {key} must be callable, received {function!r}")
    if not pairs:
        raise ValueError("'branch_fns' must not be empty: there is no function to call")
    if [k for k, _ in pairs] != list(range(len(pairs))):
        raise ValueError(f"branch indices must form contiguous range of [0 to {len(pairs)}) but found "
                         f"{{{','.join(str(k) for k, _ in pairs)}}}")
    functions = [f for _, f in pairs]
    if default is not None:
        if not callable(default):
            raise TypeError("'default' must be callable")
        functions.append(default)
    return functions


@export("case", v1=[])
def case_v2(pred_fn_pairs: Any, default: Any = None, exclusive: bool = False, strict: bool = False,
            name: str = "case") -> Any:
    """Calls the function of the first condition that holds, or `default`.

    Args:
      pred_fn_pairs: (boolean scalar, function) pairs.
      default: a function for when no condition holds.
      exclusive: True checks that at most one condition holds.
      strict: accepted: results keep their structure.
      name: name scope of the operations in a graph.

    Raises:
      tf.errors.InvalidArgumentError: no condition holds and there is no default, or several hold though
        `exclusive`.
      TypeError, ValueError: the pairs are not of the right form.
    """
    return _case_of(pred_fn_pairs, default, exclusive, name)


@export(v1=["case"])
def case(pred_fn_pairs: Any, default: Any = None, exclusive: bool = False, strict: bool = False, name: str = "case"
         ) -> Any:
    """Calls the function of the first condition that holds, or `default`; see `tf.case`."""
    if isinstance(pred_fn_pairs, dict):
        pred_fn_pairs = list(pred_fn_pairs.items())
    return _case_of(pred_fn_pairs, default, exclusive, name)


def _case_of(pairs: Any, default: Any, exclusive: bool, name: str) -> Any:
    if not isinstance(pairs, (list, tuple)):
        raise TypeError(f"'pred_fn_pairs' must be a list, tuple, or dict, received {pairs!r}")
    pairs = list(pairs)
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError(f"Each entry in 'pred_fn_pairs' must be a 2-tuple, received {pair!r}")
        if isinstance(pair[0], (bool, int)):
            raise TypeError(f"pred must be a Tensor, got: {pair[0]!r}")
        if not callable(pair[1]):
            raise TypeError(f"fn for pred {pair[0]!r} must be callable.")
    if default is not None and not callable(default):
        raise TypeError("'default' must be callable.")
    if not pairs and default is None:
        raise ValueError("'pred_fn_pairs' is empty and there is no default: nothing to call")
    graph = current_graph() if STATE.busy else None
    if graph is None:
        held = [i for i, (p, _) in enumerate(pairs) if _python_truth(p)]
        if exclusive and len(held) > 1:
            CARDS["Assert"](convert(False), [
                f"More than one condition evaluated as True but exclusive=True. Conditions: {held}"])
        if held:
            return pairs[held[0]][1]()
        if default is None:
            CARDS["Assert"](convert(False), ["None of the conditions evaluated as True. Conditions: "
                                    f"{[p for p, _ in pairs]}"])
        return default()
    with graph.name_scope(name):
        checks = []
        predicates = [convert(p, dtypes.bool) for p, _ in pairs]
        if exclusive and len(predicates) > 1:
            count = CARDS["Sum"](CARDS["Cast"](CARDS["Pack"](predicates), DstT=dtypes.int32), [0])
            checks.append(CARDS["Assert"](CARDS["LessEqual"](count, 1),
                                 ["More than one condition evaluated as True but exclusive=True."]))
        with graph.control_dependencies([c for c in checks if c is not None]):
            functions = [f for _, f in pairs]
            rest = default
            if rest is None:
                last, last_predicate = functions[-1], predicates[-1]

                def rest() -> Any:
                    check = CARDS["Assert"](last_predicate, ["None of the conditions evaluated as True."])
                    with current_graph().control_dependencies([check]):
                        return nest.map_structure(_identity, last())

                functions, predicates = functions[:-1], predicates[:-1]
            for predicate, function in reversed(list(zip(predicates, functions))):
                rest = _nested_cond(predicate, function, rest)
            return rest()


def _nested_cond(predicate: Any, function: Callable, rest: Callable) -> Callable:
    return lambda: _cond(predicate, function, rest, True, "cond")
