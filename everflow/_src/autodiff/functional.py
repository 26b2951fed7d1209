"""Derivatives of functions in graphs: of calls, branches and loops.

The gradient of a function is another function.  What the gradient needs of the forward computation, its
intermediates, the forward function learns to return: operations that call it get more outputs when they are
differentiated.  This is done once per function, and again for derivatives of derivatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from everflow._src.autodiff.rules import constant_zeros, is_trainable_dtype
from everflow._src.autodiff.symbolic import differentiate
from everflow._src.framework import dtypes
from everflow._src.framework.context import current_graph, is_needed, recorders
from everflow._src.framework.conversion import convert
from everflow._src.framework.func_graph import FuncGraph, GraphFunction, flat_shapes
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.registry import CARDS
from everflow._src.framework.tensor import MissingTensor, SymbolicTensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops import control_flow
from everflow._src.ops.control_flow import PartitionedCall, StatefulPartitionedCall, is_effectful
from everflow._src.ops.tensor_list import TensorListPopBack, TensorListPushBack, empty_list
from everflow._src.ops.vectorized_map import gradient_of_rows
from everflow._src.ops.while_loop import while_in_graph


def flows(tensor: Any) -> bool:
    """True when gradients flow through `tensor` as numbers or lists of numbers."""
    return is_trainable_dtype(tensor.dtype) and tensor.dtype.base_dtype != dtypes.resource


class Level:
    """The gradient of a function with respect to its first outputs.

    Attributes:
      count: how many outputs are differentiated.
      targets: positions, among these, through which gradients flow.
      backward: the gradient function; takes the gradients of `targets`, then the values named by `sources`.
      sources: ("input", i) or ("output", j) of the forward function, for each further argument.
      results: for each input of the forward function None, a position among the outputs of `backward`, or
        three positions (values, indices, dense shape) of IndexedSlices.
    """

    __slots__ = ("count", "targets", "backward", "sources", "results")

    def __init__(self, count: int, targets: list[int], backward: GraphFunction, sources: list[tuple[str, int]],
                 results: list[Any]) -> None:
        self.count = count
        self.targets = targets
        self.backward = backward
        self.sources = sources
        self.results = results


class Differentiable:
    """A function together with its gradients, of every order asked for."""

    def __init__(self, function: GraphFunction) -> None:
        self.function = function
        self.graph: FuncGraph = function.graph
        self.inputs = list(function.inputs)
        self.original = len(function.outputs)
        self.outputs: list[SymbolicTensor] = list(function.outputs)
        self._levels: dict[int, Level] = {}
        self._extended: dict[int, GraphFunction] = {self.original: function}

    def extended(self) -> GraphFunction:
        """The function with all intermediates found so far among its outputs."""
        count = len(self.outputs)
        if count not in self._extended:
            extended = GraphFunction(self.graph, f"{self.function.name}_with_{count}", list(self.outputs))
            extended.extra.update(self.function.extra)
            extended.extra["differentiable"] = self
            self._extended[count] = extended
        return self._extended[count]

    def level(self, count: int) -> Level:
        """The gradient with respect to the first `count` outputs."""
        level = self._levels.get(count)
        if level is None:
            level = self._levels[count] = self._build(count)
        return level

    def _build(self, count: int) -> Level:
        targets = [i for i, t in enumerate(self.outputs[:count]) if flows(t)]
        graph = FuncGraph(f"gradient_of_{self.graph.name}", outer_graph=self.graph)
        with recorders(()), graph.as_default():
            dys = [graph.add_input(self.outputs[i].dtype.base_dtype, self.outputs[i].shape, f"grad_{i}")
                   for i in targets]
            found = differentiate([self.outputs[i] for i in targets], self.inputs, dys)
            results: list[Any] = []
            outputs: list[Any] = []
            for gradient in found:
                if gradient is None:
                    results.append(None)
                elif isinstance(gradient, IndexedSlices):
                    parts = [gradient.values, gradient.indices]
                    if gradient.dense_shape is not None:
                        parts.append(gradient.dense_shape)
                    results.append(tuple(range(len(outputs), len(outputs) + len(parts))))
                    outputs.extend(graph.accept(convert(p)) for p in parts)
                else:
                    results.append(len(outputs))
                    outputs.append(graph.accept(convert(gradient)))
            graph.outputs = outputs
        sources: list[tuple[str, int]] = []
        input_index = {id(t): i for i, t in enumerate(self.inputs)}
        output_index = {id(t): i for i, t in enumerate(self.outputs)}
        explicit = graph.inputs[:len(targets)]
        inner_inputs = []
        for outer, inner in graph.captures:
            if id(outer) in input_index:
                sources.append(("input", input_index[id(outer)]))
            else:
                if id(outer) not in output_index:
                    output_index[id(outer)] = len(self.outputs)
                    self.outputs.append(outer)
                sources.append(("output", output_index[id(outer)]))
            inner_inputs.append(inner)
        graph.inputs = [*explicit, *inner_inputs]
        backward = GraphFunction(graph)
        if "compile_now" in self.function.extra:
            backward.extra["compile_now"] = self.function.extra["compile_now"]
        return Level(count, targets, backward, sources, results)


def differentiable(function: GraphFunction) -> Differentiable:
    """The function with its gradients; one object per function."""
    found = function.extra.get("differentiable")
    if found is None:
        found = function.extra["differentiable"] = Differentiable(function)
    return found


def unpack_results(level: Level, values: Sequence[Any]) -> list[Any]:
    """Gradients of the forward inputs from the outputs of the backward function."""
    gradients: list[Any] = []
    for position in level.results:
        if position is None:
            gradients.append(None)
        elif isinstance(position, tuple):
            gradients.append(IndexedSlices(*(values[i] for i in position)))
        else:
            gradients.append(values[position])
    return gradients


def call_function(function: GraphFunction, arguments: Sequence[Any], name: str | None = None) -> list[Any]:
    """Adds a call of `function` to the current graph; returns the outputs."""
    card = StatefulPartitionedCall if is_effectful(function.graph) else PartitionedCall
    result = card(list(arguments), Tout=tuple(t.dtype.base_dtype for t in function.outputs), f=function, name=name)
    return list(result) if function.outputs else []


def zeros_like(tensor: Any) -> Any:
    """Zeros of the shape of a tensor; a list of zeros for a list."""
    if isinstance(tensor, MissingTensor):
        return tensor
    if tensor.dtype != dtypes.variant and tensor.shape.is_fully_defined():
        return constant_zeros(tensor.shape.as_list(), tensor.dtype.base_dtype)
    return CARDS["ZerosLike"](tensor)


def _extend_operation(op: Any, outputs: Sequence[SymbolicTensor]) -> None:
    """Gives an operation the outputs that its function has learned to return."""
    for tensor in outputs[len(op._outputs):]:
        op.add_output(tensor.dtype.base_dtype, tensor.shape)
    op._attrs["Tout"] = tuple(t.dtype.base_dtype for t in outputs)


def _needed_count(known: Differentiable, dys: Sequence[Any]) -> int:
    """How many outputs must be differentiated, given which gradients arrived."""
    last = max((i for i, d in enumerate(dys) if d is not None), default=-1) + 1
    return known.original if last <= known.original else len(known.outputs)


def _fill(dys: Sequence[Any], targets: Sequence[int], outputs: Sequence[Any]) -> list[Any]:
    filled = []
    for i in targets:
        dy = dys[i] if i < len(dys) else None
        if isinstance(dy, IndexedSlices):
            dy = dy._dense_var_to_tensor()
        filled.append(zeros_like(outputs[i]) if dy is None else dy)
    return filled


# ---- calls


def _call_gradient(*dys: Any, op: Any) -> list[Any]:
    known = differentiable(op._attrs["f"])
    level = known.level(_needed_count(known, dys))
    op._attrs["f"] = known.extended()
    _extend_operation(op, known.outputs)
    arguments = _fill(dys, level.targets, op._outputs)
    arguments += [op._inputs[i] if kind == "input" else op._outputs[i] for kind, i in level.sources]
    return unpack_results(level, call_function(level.backward, arguments, op.name.rpartition("/")[2] + "_grad"))


_call_gradient.accepts_none = _call_gradient.flat = True  # type: ignore[attr-defined]


# ---- functions of one row


def _rows_gradient(*dys: Any, op: Any) -> list[Any]:
    """The gradient of _VectorizedMap: the gradient of its function, mapped over the same rows."""
    known = differentiable(op._attrs["f"])
    level = known.level(_needed_count(known, dys))
    op._attrs["f"] = known.extended()
    rows = op._outputs[0].shape[:1] if op._outputs else TensorShape([None])
    for tensor in known.outputs[len(op._outputs):]:
        op.add_output(tensor.dtype.base_dtype, rows.concatenate(tensor.shape))
    op._attrs["Tout"] = tuple(t.dtype.base_dtype for t in known.outputs)
    mapped: list[int] = op._attrs["mapped"]
    arguments = _fill(dys, level.targets, op._outputs)
    flags = [1] * len(arguments)
    for kind, i in level.sources:
        arguments.append(op._inputs[i] if kind == "input" else op._outputs[i])
        flags.append(mapped[i] if kind == "input" else 1)
    return gradient_of_rows(
        arguments, flags, lambda row: [_dense(g) for g in unpack_results(level, call_function(level.backward, row))],
        [not m for m in mapped],
    )


_rows_gradient.accepts_none = _rows_gradient.flat = True  # type: ignore[attr-defined]


# ---- branches


def _branches_of(op: Any) -> list[str] | None:
    return ["then_branch", "else_branch"] if op.type in ("If", "StatelessIf") else None


def _branch_functions(op: Any) -> list[GraphFunction]:
    names = _branches_of(op)
    return [op._attrs[n] for n in names] if names else list(op._attrs["branches"])


def _branch_gradient(*dys: Any, op: Any) -> list[Any]:
    """The gradient of If and Case: another If or Case, on the gradients of the branches."""
    known = op.__dict__.get("_differentiables")
    if known is None:
        known = op.__dict__["_differentiables"] = [differentiable(f) for f in _branch_functions(op)]
        op.__dict__["_extra"] = []  # per added output: (branch, position among the outputs of that branch)
        op.__dict__["_original"] = len(op._outputs)
    original: int = op.__dict__["_original"]
    extra: list[tuple[int, int]] = op.__dict__["_extra"]
    last = max((i for i, d in enumerate(dys) if d is not None), default=-1) + 1
    levels = []
    for branch, item in enumerate(known):
        if last <= original:
            count = item.original
        else:
            count = max([item.original, *(j + 1 for b, j in extra if b == branch)])
        levels.append(item.level(count))
    for branch, level in enumerate(levels):
        for kind, position in level.sources:
            if kind == "output" and position >= original and (branch, position) not in extra:
                extra.append((branch, position))
                tensor = known[branch].outputs[position]
                op.add_output(tensor.dtype.base_dtype, tensor.shape)
    _rewrite_branches(op, known, extra, original)

    def output_of(branch: int, position: int) -> Any:
        if position < original:
            return op._outputs[position]
        return op._outputs[original + extra.index((branch, position))]

    operands = op._inputs[1:]

    def run(branch: int) -> list[Any]:
        level = levels[branch]
        arguments = []
        for target in level.targets:
            index = target if target < original else original + extra.index((branch, target))
            dy = dys[index] if index < len(dys) else None
            if isinstance(dy, IndexedSlices):
                dy = dy._dense_var_to_tensor()
            arguments.append(zeros_like(output_of(branch, target)) if dy is None else dy)
        arguments += [operands[i] if kind == "input" else output_of(branch, i) for kind, i in level.sources]
        found = unpack_results(level, call_function(level.backward, arguments))
        found = [g._dense_var_to_tensor() if isinstance(g, IndexedSlices) and g.dense_shape is not None else g
                 for g in found]
        return [_zero_gradient(operands[i]) if found[i] is None else found[i] for i in wanted]

    wanted = [i for i in range(len(operands)) if any(level.results[i] is not None for level in levels)]
    gradients: list[Any] = [None] * len(operands)
    if wanted:
        results = _choose(op, [lambda b=b: run(b) for b in range(len(known))])
        for i, gradient in zip(wanted, results):
            gradients[i] = gradient
    return [None, *gradients]


_branch_gradient.accepts_none = _branch_gradient.flat = True  # type: ignore[attr-defined]


def _zero_gradient(operand: Any) -> Any:
    """The gradient of an operand that a branch does not use; for a variable, of its value."""
    return zeros_like(_read(operand) if operand.dtype == dtypes.resource else operand)


def _choose(op: Any, functions: Sequence[Any]) -> Sequence[Any]:
    if _branches_of(op):
        return control_flow.cond_v2(op._inputs[0], functions[0], functions[1], name="gradient")
    return control_flow.switch_case(op._inputs[0], list(functions), name="gradient")


def _rewrite_branches(op: Any, known: Sequence[Differentiable], extra: Sequence[tuple[int, int]], original: int
                      ) -> None:
    functions = []
    for branch, item in enumerate(known):
        outputs: list[SymbolicTensor] = list(item.outputs[:original])
        for owner, position in extra:
            if owner == branch:
                outputs.append(item.outputs[position])
            else:
                outputs.append(_stand_in(item, known[owner].outputs[position]))
        function = GraphFunction(item.graph, f"{item.function.name}_with_{len(outputs)}", outputs)
        function.extra.update({k: v for k, v in item.function.extra.items() if k != "differentiable"})
        function.extra["differentiable"] = item
        functions.append(function)
    types = tuple(t.dtype.base_dtype for t in op._outputs)
    op._attrs["Tout"] = types
    op._attrs["output_shapes"] = flat_shapes(op._outputs)
    names = _branches_of(op)
    if names:
        for name, function in zip(names, functions):
            op._set_attr(name, function)
    else:
        op._set_attr("branches", functions)


def _stand_in(item: Differentiable, tensor: SymbolicTensor) -> SymbolicTensor:
    """What a branch returns in place of an intermediate of another branch."""
    cache = item.__dict__.setdefault("_stand_ins", {})
    if id(tensor) not in cache:
        with recorders(()), item.graph.as_default(), item.graph.control_dependencies(None):
            fake = CARDS["FakeParam"](dtype=tensor.dtype.base_dtype, shape=tensor.shape)
        cache[id(tensor)] = (tensor, fake)
    return cache[id(tensor)][1]


# ---- loops


def _loop_gradient(*dys: Any, op: Any) -> list[Any]:
    """The gradient of While: a loop that goes back over what the iterations saved.

    In each iteration the forward loop pushes the intermediates that the gradient of its body needs onto lists,
    which become loop variables; the backward loop pops them.
    """
    info = op.__dict__.setdefault("_loop", {})
    if not info:
        info["body"] = op._attrs["body"]
        info["count"] = len(op._outputs)
        info["saved"] = {}  # id of a tensor of the body -> (the tensor, position of its list)
    graph = op.graph
    body: GraphFunction = op._attrs["body"]
    known = differentiable(body)
    count = len(body.outputs)
    level = known.level(count)
    body_graph: FuncGraph = known.graph
    invariant = [body.outputs[i] is body.inputs[i] for i in range(count)]
    # The lists: an additional loop variable each, pushed onto in the body.  They go by tensor: what a position among
    # the outputs stands for changes when the loop is differentiated again.
    saved: dict[int, tuple[Any, int]] = info["saved"]
    new_inputs: list[Any] = []
    steady = _steady_reads(op, known, level, invariant)
    for kind, position in level.sources:
        if kind == "input" and invariant[position]:
            continue
        tensor = known.inputs[position] if kind == "input" else known.outputs[position]
        if id(tensor) in saved or (kind, position) in steady:
            continue
        with recorders(()), graph.as_default(), graph.control_dependencies(None), graph.name_scope(op.name + "/"):
            start = empty_list(tensor.dtype.base_dtype, tensor.shape)
        with recorders(()), body_graph.as_default():
            placeholder = body_graph.add_input(dtypes.variant, TensorShape([]), "accumulator")
            pushed = TensorListPushBack(placeholder, tensor, element_dtype=tensor.dtype.base_dtype)
        saved[id(tensor)] = tensor, len(op._inputs) + len(new_inputs)
        new_inputs.append((start, placeholder, pushed))
    if new_inputs:
        _extend_loop(op, known, body, new_inputs)

    def list_of(key: tuple[str, int]) -> Any:
        tensor = known.inputs[key[1]] if key[0] == "input" else known.outputs[key[1]]
        return op._outputs[saved[id(tensor)][1]]

    targets = [i for i in level.targets if i < count]
    carried = [i for i in targets if not invariant[i]]
    summed = [i for i, r in enumerate(level.results) if r is not None and invariant[i] and is_needed(i)]
    popped = [key for key in level.sources if not (key[0] == "input" and invariant[key[1]]) and key not in steady]
    popped = list(dict.fromkeys(popped))
    start_carried = [_whole(_dense(dys[i]), op._outputs[i]) if i < len(dys) and dys[i] is not None
                     else zeros_like(op._outputs[i]) for i in carried]
    start_summed = []
    for i in summed:
        source = op._inputs[i]
        if source.dtype == dtypes.resource:
            source = _read(source)
        start_summed.append(zeros_like(source))

    def step(remaining: Any, *state: Any) -> tuple[Any, ...]:
        gradients = list(state[:len(carried)])
        sums = list(state[len(carried):len(carried) + len(summed)])
        stacks = list(state[len(carried) + len(summed):])
        values = {}
        for n, key in enumerate(popped):
            kind, position = key
            tensor = known.inputs[position] if kind == "input" else known.outputs[position]
            dims = tensor.shape
            shape = np.array(-1, np.int32) if dims.rank is None else np.array(
                [-1 if d is None else d for d in dims.as_list()], np.int32)
            stacks[n], values[key] = TensorListPopBack(stacks[n], shape, element_dtype=tensor.dtype.base_dtype)
        incoming = dict(zip(carried, gradients))
        arguments = []
        for i in level.targets:
            if i in incoming:
                arguments.append(incoming[i])
            else:
                arguments.append(zeros_like(_inner_like(known.outputs[i], op, i, values)))
        for kind, position in level.sources:
            if kind == "input" and invariant[position]:
                arguments.append(op._inputs[position])
            elif (kind, position) in steady:
                arguments.append(steady[kind, position])
            else:
                arguments.append(values[(kind, position)])
        found = [_dense(g) for g in unpack_results(level, call_function(level.backward, arguments))]
        following = [zeros_like(incoming[i]) if found[i] is None else found[i] for i in carried]
        sums = [_plus(s, found[i]) for s, i in zip(sums, summed)]
        return (CARDS["Sub"](remaining, 1), *following, *sums, *stacks)

    target_graph = current_graph()
    loop_vars = [op._outputs[0], *start_carried, *start_summed, *(list_of(k) for k in popped)]
    loop_vars = [target_graph.accept(t) for t in loop_vars]
    invariants = [TensorShape([]), *(_loosest(t, op._inputs[i]) for t, i in zip(start_carried, carried)),
                  *(t.shape for t in start_summed), *(TensorShape([]) for _ in popped)]
    results = while_in_graph(
        target_graph, lambda remaining, *state: CARDS["Greater"](remaining, 0), step, loop_vars, invariants,
        op._attrs.get("parallel_iterations", 10), None, "gradient", False,
    )
    gradients: list[Any] = [None] * len(op._inputs)
    for i, value in zip(carried, results[1:]):
        if flows(op._inputs[i]):
            gradients[i] = value
    for i, value in zip(summed, results[1 + len(carried):]):
        # A variable that stays as it is also gives its final value, through which gradients flow as well.
        gradients[i] = value
    for i in range(min(len(dys), count)):
        if invariant[i] and dys[i] is not None and flows(op._outputs[i]):
            gradients[i] = dys[i] if gradients[i] is None else _plus(gradients[i], _dense(dys[i]))
    return gradients


_loop_gradient.accepts_none = _loop_gradient.flat = True  # type: ignore[attr-defined]


def _steady_reads(op: Any, known: Differentiable, level: Level, invariant: Sequence[bool]) -> dict[Any, Any]:
    """What the body reads of variables that it never writes: the same in each iteration, so no list keeps it.

    The value is read once, at the place of the loop in the program.
    """
    made: dict[int, Any] = op.__dict__.setdefault("_steady_reads", {})  # id of what is read in the body -> the read
    reads: dict[Any, Any] = {}
    written = {
        id(t) for o in known.graph._operations if o.card.stateful and not o.card.reads_only for t in o._inputs
    }
    positions = {id(t): i for i, t in enumerate(known.inputs)}
    for kind, position in level.sources:
        if kind == "input":
            continue
        if id(known.outputs[position]) in made:
            reads[kind, position] = made[id(known.outputs[position])]
            continue
        source = known.outputs[position]._op
        if source.type != "ReadVariableOp" or id(source._inputs[0]) in written:
            continue
        handle = positions.get(id(source._inputs[0]))
        if handle is None or not invariant[handle]:
            continue
        with recorders(()), op.graph.as_default(), op.graph.control_dependencies(None):
            value = CARDS["ReadVariableOp"](op._inputs[handle], dtype=source._attrs["dtype"])
        value.set_shape(source._outputs[0].shape)
        # Made after the loop, yet run before it: assignments that follow the loop must not be seen.
        value.op._id = op._id - 0.5
        reads[kind, position] = made[id(known.outputs[position])] = value
    return reads


def _whole(gradient: Any, tensor: Any) -> Any:
    """A gradient that is a list, as long as the list it belongs to: loops carry lists of fixed size."""
    return _plus(zeros_like(tensor), gradient) if gradient.dtype == dtypes.variant else gradient


def _plus(a: Any, b: Any) -> Any:
    return CARDS["AddN"]([a, b]) if a.dtype == dtypes.variant else CARDS["AddV2"](a, b)


def _loosest(start: Any, entering: Any) -> TensorShape:
    return start.shape.most_specific_compatible_shape(entering.shape)


def _inner_like(tensor: Any, op: Any, position: int, values: dict[Any, Any]) -> Any:
    found = values.get(("output", position))
    return found if found is not None else op._outputs[position] if position < len(op._outputs) else tensor


def _dense(gradient: Any) -> Any:
    return gradient._dense_var_to_tensor() if isinstance(gradient, IndexedSlices) else gradient


def _read(handle: Any) -> Any:
    return CARDS["ReadVariableOp"](handle, dtype=_handle_dtype(handle))


def _handle_dtype(handle: Any) -> Any:
    graph = handle.graph
    while True:
        dtype = getattr(handle, "_handle_dtype", None)
        if dtype is not None:
            return dtype
        outer = next((o for o, i in graph.captures if i is handle), None) if graph.building_function else None
        if outer is None:
            raise LookupError(f"the dtype of the variable behind {handle!r} is not known")
        handle, graph = outer, getattr(outer, "_op", None) and outer._op.graph


def _extend_loop(op: Any, known: Differentiable, body: GraphFunction, added: Sequence[Any]) -> None:
    """Adds loop variables to a While that stands in its graph already."""
    cond: GraphFunction = op._attrs["cond"]
    inputs = [*body.inputs]
    outputs = [*body.outputs]
    for start, _, pushed in added:
        with recorders(()), cond.graph.as_default():
            cond.graph.add_input(dtypes.variant, TensorShape([]), "accumulator")
        inputs = body.graph.inputs
        outputs.append(pushed)
        op.add_input(start)
        op.add_output(dtypes.variant, TensorShape([]))
    del inputs
    new_body = GraphFunction(body.graph, f"{body.name}_with_{len(outputs)}", outputs)
    new_body.extra.update({k: v for k, v in body.extra.items() if k != "differentiable"})
    new_cond = GraphFunction(cond.graph, f"{cond.name}_with_{len(outputs)}", cond.outputs)
    op._attrs["T"] = tuple(t.dtype.base_dtype for t in op._inputs)
    op._attrs["output_shapes"] = flat_shapes(op._outputs)
    op._set_attr("body", new_body)
    op._set_attr("cond", new_cond)


def install() -> None:
    """Gives the functional cards their gradients, which need everything above."""
    for name in ("PartitionedCall", "StatefulPartitionedCall"):
        CARDS[name].set_gradient(_call_gradient)
    for name in ("If", "StatelessIf", "Case", "StatelessCase"):
        CARDS[name].set_gradient(_branch_gradient)
    for name in ("While", "StatelessWhile"):
        CARDS[name].set_gradient(_loop_gradient)
    for name in ("_VectorizedMap", "_StatefulVectorizedMap"):
        CARDS[name].set_gradient(_rows_gradient)


install()
