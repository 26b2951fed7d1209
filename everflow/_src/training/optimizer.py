"""The base of 1.x optimizers: gradients of a loss, slots, and one update operation per variable."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from everflow._src.autodiff.symbolic import gradients_v1
from everflow._src.autodiff.tape import GradientTape
from everflow._src.framework import dtypes, nest
from everflow._src.framework.context import current_graph, executing_eagerly, init_scope
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.graph_collections import GraphKeys
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.operation import Operation
from everflow._src.framework.registry import CARDS
from everflow._src.framework.tensor import Tensor
from everflow._src.ops import state
from everflow._src.ops.constants import constant_of
from everflow._src.ops.grouping import group, tuple_v1
from everflow._src.ops.training_ops import SumDuplicateSlices
from everflow._src.training import slot_creator
from everflow._src.training.slot_creator import is_reference
from everflow._src.variables import collections as variable_collections
from everflow._src.variables.trackable import Trackable
from everflow._src.variables.variable import Variable, VariableV1


def cast_to(tensor: Any, dtype: Any) -> Any:
    """`tensor` in the dtype of a variable."""
    dtype = dtype.base_dtype
    return tensor if tensor.dtype.base_dtype == dtype else CARDS["Cast"](tensor, DstT=dtype)


def _key(variable: Any) -> Any:
    """By what the slots of a variable are found: eager variables have numbers of their own."""
    if getattr(variable, "_in_graph", True):
        return (variable.op.graph, variable.op.name)
    return variable._unique


@export(v1=["train.Optimizer"])
class Optimizer(Trackable):
    """Minimizes losses by gradients.

    A subclass defines `_create_slots`, `_prepare`, and how one variable is updated: `_apply_dense` and
    `_apply_sparse` for reference variables, `_resource_apply_dense` and `_resource_apply_sparse` for resource
    variables (which it receives as `handle`).

    Args:
      use_locking: accepted; updates are atomic.
      name: name scope of the update operations, and name of the slots.

    Raises:
      ValueError: there is no name.

    >>> import everflow as tf
    >>> v = tf.Variable(3.)
    >>> tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(lambda: v * v)
    >>> round(float(v), 5)
    2.4
    """

    GATE_NONE = 0
    GATE_OP = 1
    GATE_GRAPH = 2

    def __init__(self, use_locking: bool, name: str) -> None:
        if not name:
            raise ValueError("Must specify the optimizer name")
        self._use_locking = use_locking
        self._name = name
        self._slots: dict[str, dict[Any, Any]] = {}
        self._non_slot_dict: dict[tuple[str, Any], Any] = {}

    def get_name(self) -> str:
        """The name given to the constructor."""
        return self._name

    # ---- gradients

    def minimize(
        self,
        loss: Any,
        global_step: Any = None,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: int | None = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Any = None,
    ) -> Any:
        """Changes variables by one step that makes a loss smaller.

        Args:
          loss: a tensor; in eager mode a function of no arguments that returns one.
          global_step: an integer variable that is increased by one.
          var_list: the variables; the trainable ones of the graph (or those that `loss` reads) when None.
          gate_gradients: GATE_NONE, GATE_OP or GATE_GRAPH: which gradients are complete before one is applied.
          aggregation_method: see `tf.AggregationMethod`.
          colocate_gradients_with_ops: accepted; gradients run where they fit best.
          name: name of the operation.
          grad_loss: a gradient of the loss to start from.

        Returns:
          The operation that makes the step; None in eager mode, where it is made.

        Raises:
          ValueError: no variable has a gradient.
        """
        grads_and_vars = self.compute_gradients(
            loss, var_list=var_list, gate_gradients=gate_gradients, aggregation_method=aggregation_method,
            colocate_gradients_with_ops=colocate_gradients_with_ops, grad_loss=grad_loss,
        )
        with_gradient = [v for g, v in grads_and_vars if g is not None]
        if not with_gradient:
            names = [str(v) for _, v in grads_and_vars]
            raise ValueError(
                "No gradients provided for any variable, check your graph for ops that do not support gradients, "
                f"between variables {names} and loss {loss}."
            )
        return self.apply_gradients(grads_and_vars, global_step=global_step, name=name)

    def compute_gradients(
        self,
        loss: Any,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: int | None = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Any = None,
    ) -> list[tuple[Any, Any]]:
        """Pairs of a gradient (or None) and its variable; see `minimize`.

        Raises:
          RuntimeError: eager mode, and `loss` is no function.
          ValueError: there are no variables, or an argument is invalid.
          NotImplementedError: an element of `var_list` is neither a variable nor a tensor.
        """
        if callable(loss) and not isinstance(loss, (Tensor, Variable)):
            return self._compute_by_tape(loss, var_list, grad_loss)
        if executing_eagerly():
            raise RuntimeError(
                "`loss` passed to Optimizer.compute_gradients should be a function when eager execution is enabled."
            )
        if gate_gradients not in (Optimizer.GATE_NONE, Optimizer.GATE_OP, Optimizer.GATE_GRAPH):
            raise ValueError(
                "gate_gradients must be one of: Optimizer.GATE_NONE, Optimizer.GATE_OP, Optimizer.GATE_GRAPH.  Not "
                f"{gate_gradients}"
            )
        self._assert_valid_dtypes([loss])
        if grad_loss is not None:
            self._assert_valid_dtypes([grad_loss])
        if var_list is None:
            graph = current_graph()
            var_list = variable_collections.trainable_variables() + graph.get_collection(
                GraphKeys.TRAINABLE_RESOURCE_VARIABLES
            )
        else:
            var_list = nest.flatten(var_list)
        var_list = var_list + current_graph().get_collection(GraphKeys._STREAMING_MODEL_PORTS)
        if not var_list:
            raise ValueError("No variables to optimize.")
        for variable in var_list:
            if not isinstance(variable, (Variable, Tensor)):
                raise NotImplementedError(f"Trying to optimize unsupported type {variable!r}")
        gradients = gradients_v1(
            loss, var_list, grad_ys=grad_loss, gate_gradients=gate_gradients == Optimizer.GATE_OP,
            aggregation_method=aggregation_method, colocate_gradients_with_ops=colocate_gradients_with_ops,
        )
        if gate_gradients == Optimizer.GATE_GRAPH:
            gradients = tuple_v1(gradients)
        pairs = list(zip(gradients, var_list))
        self._assert_valid_dtypes([v for g, v in pairs if g is not None and v.dtype != dtypes.resource])
        return pairs

    def _compute_by_tape(self, loss: Callable[[], Any], var_list: Any, grad_loss: Any) -> list[tuple[Any, Any]]:
        with GradientTape() as tape:
            if var_list is not None:
                var_list = nest.flatten(var_list)
                for variable in var_list:
                    tape.watch(variable)
            value = loss()
        if var_list is None:
            var_list = list(tape.watched_variables())
        return list(zip(tape.gradient(value, var_list, grad_loss), var_list))

    def _valid_dtypes(self) -> set[Any]:
        return {dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64}

    def _assert_valid_dtypes(self, tensors: Iterable[Any]) -> None:
        valid = self._valid_dtypes()
        for tensor in tensors:
            if tensor.dtype.base_dtype not in valid:
                raise ValueError(
                    f"Invalid type {tensor.dtype.base_dtype!r} for {tensor.name}, expected: "
                    f"{sorted(valid, key=lambda d: d.name)}."
                )

    # ---- updates

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]], global_step: Any = None,
                        name: str | None = None) -> Any:
        """Changes variables by their gradients.

        Args:
          grads_and_vars: pairs as `compute_gradients` returns them.
          global_step: an integer variable that is increased by one afterwards.
          name: name of the operation.

        Returns:
          The operation that does so; None in eager mode, where it is done.

        Raises:
          TypeError: a gradient cannot be converted to a tensor.
          ValueError: there are no pairs, or none has a gradient.
        """
        pairs = list(grads_and_vars)
        if not pairs:
            raise ValueError("No variables provided.")
        pairs = [(None if g is None else _as_gradient(g), v) for g, v in pairs]
        with_gradient = [v for g, v in pairs if g is not None]
        if not with_gradient:
            raise ValueError(f"No gradients provided for any variable: {[str(v) for _, v in pairs]}.")
        graph = current_graph()
        if graph is None:
            self._create_slots(with_gradient)
            self._prepare()
            updates = [_update_variable(self, g, v) for g, v in pairs if g is not None]
            self._finish(updates, name or self._name)
            if global_step is not None:
                global_step.assign_add(1, read_value=False)
            return None
        with init_scope():
            self._create_slots(with_gradient)
        with graph.name_scope(name or self._name) as scope:
            self._prepare()
            updates = []
            for gradient, variable in pairs:
                if gradient is not None:
                    updates.append(self._update_in_graph(graph, gradient, variable))
            if global_step is None:
                step = self._finish(updates, scope)
            else:
                with graph.control_dependencies([self._finish(updates, "update")]):
                    step = _increase(graph, global_step, scope)
        if not isinstance(step, Operation):
            step = step.op
        train_ops = graph.get_collection_ref(GraphKeys.TRAIN_OP)
        if step not in train_ops:
            train_ops.append(step)
        return step

    def _update_in_graph(self, graph: Any, gradient: Any, variable: Any) -> Any:
        outside = not getattr(variable, "_in_graph", True) or graph.building_function and variable.graph is not graph
        inner = "update_" if outside else f"update_{variable.op.name}"
        colocation = contextlib.nullcontext() if outside else graph.colocate_with(variable.op)
        with graph.name_scope(inner), colocation:
            return _update_variable(self, gradient, variable)

    # ---- slots

    def get_slot(self, var: Any, name: str) -> Any:
        """The slot called `name` of a variable, or None."""
        slots = self._slots.get(name)
        return slots.get(_key(var)) if slots else None

    def get_slot_names(self) -> list[str]:
        """The names of the slots, sorted."""
        return sorted(self._slots)

    def variables(self) -> list[Any]:
        """The variables of the optimizer itself that belong to the current graph, by name."""
        graph = current_graph()
        found = [*self._non_slot_variables(), *(v for slots in self._slots.values() for v in slots.values())]
        if graph is not None and not graph.building_function:
            found = [v for v in found if not isinstance(v, Variable) or getattr(v, "_in_graph", True)
                     and v.graph is graph]
        return sorted(found, key=lambda v: v.name)

    def _non_slot_variables(self) -> Iterable[Any]:
        return self._non_slot_dict.values()

    def _create_non_slot_variable(self, initial_value: Any, name: str, colocate_with: Any) -> Any:
        """A variable that belongs to no other one, made once per graph."""
        graph = current_graph()
        key = (name, graph)
        found = self._non_slot_dict.get(key)
        if found is None:
            use_resource = not is_reference(colocate_with)
            place = contextlib.nullcontext()
            if graph is not None and getattr(colocate_with, "_in_graph", True):
                place = graph.colocate_with(colocate_with.op)
            with place:
                found = VariableV1(initial_value, name=name, trainable=False, use_resource=use_resource)
            self._non_slot_dict[key] = found
        return found

    def _get_non_slot_variable(self, name: str, graph: Any = None) -> Any:
        return self._non_slot_dict.get((name, graph))

    def _home(self) -> Any:
        """The graph whose variables are used here: None for those of eager mode, in functions too."""
        graph = current_graph()
        while graph is not None and graph.building_function:
            graph = graph.outer_graph
        return graph

    def _slot_dict(self, slot_name: str) -> dict[Any, Any]:
        return self._slots.setdefault(slot_name, {})

    def _get_or_make_slot(self, var: Any, val: Any, slot_name: str, op_name: str) -> Any:
        slots, key = self._slot_dict(slot_name), _key(var)
        if key not in slots:
            slots[key] = slot_creator.create_slot(var, val, op_name)
        return slots[key]

    def _get_or_make_slot_with_initializer(
        self, var: Any, initializer: Any, shape: Any, dtype: Any, slot_name: str, op_name: str
    ) -> Any:
        slots, key = self._slot_dict(slot_name), _key(var)
        if key not in slots:
            slots[key] = slot_creator.create_slot_with_initializer(var, initializer, shape, dtype, op_name)
        return slots[key]

    def _zeros_slot(self, var: Any, slot_name: str, op_name: str) -> Any:
        slots, key = self._slot_dict(slot_name), _key(var)
        if key not in slots:
            slots[key] = slot_creator.create_zeros_slot(var, op_name)
        return slots[key]

    # ---- what subclasses define

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        """Makes the slots of the variables; a subclass without slots needs none."""

    def _prepare(self) -> None:
        """Makes tensors of the parameters, in the name scope of the step."""

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define _apply_dense")

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define _resource_apply_dense")

    def _apply_sparse(self, grad: Any, var: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define _apply_sparse")

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define _resource_apply_sparse")

    def _apply_sparse_duplicate_indices(self, grad: Any, var: Any) -> Any:
        """Updates by IndexedSlices whose indices may repeat; a subclass that needs no sums overrides it."""
        summed, unique = SumDuplicateSlices(grad.values, grad.indices)
        return self._apply_sparse(IndexedSlices(summed, unique, grad.dense_shape), var)

    def _resource_apply_sparse_duplicate_indices(self, grad: Any, handle: Any, indices: Any) -> Any:
        """The same for a resource variable."""
        summed, unique = SumDuplicateSlices(grad, indices)
        return self._resource_apply_sparse(summed, handle, unique)

    def _finish(self, update_ops: Sequence[Any], name_scope: str) -> Any:
        """What completes the step after the updates of all variables."""
        return group(*update_ops, name=name_scope)

    def _call_if_callable(self, param: Any) -> Any:
        return param() if callable(param) and not isinstance(param, (Tensor, Variable)) else param

    def _parameter(self, value: Any, name: str) -> Any:
        """A parameter, which may be a function, as a tensor."""
        return convert(self._call_if_callable(value), name=name)

    # ---- for checkpoints

    def _trackable_children(self, save_type: str = "checkpoint", **kwargs: Any) -> dict[str, Any]:
        home = self._home()
        return {**super()._trackable_children(save_type, **kwargs),
                **{name: v for (name, graph), v in sorted(self._non_slot_dict.items(), key=lambda i: i[0][0])
                   if graph is home}}


def _as_gradient(gradient: Any) -> Any:
    if isinstance(gradient, (Tensor, IndexedSlices)):
        return gradient
    try:
        return convert(gradient)
    except (TypeError, ValueError) as error:
        raise TypeError(f"Gradient must be convertible to a Tensor or IndexedSlices, or None: {gradient!r}. {error}"
                        ) from None


def _update_variable(optimizer: Optimizer, gradient: Any, variable: Any) -> Any:
    """The update of one variable, with its constraint."""
    if not isinstance(variable, Variable):
        if isinstance(variable, Tensor):
            raise NotImplementedError(f"Trying to update a Tensor {variable!r}: only variables can be updated")
        raise NotImplementedError(f"Trying to optimize unsupported type {variable!r}")
    reference = is_reference(variable)
    if isinstance(gradient, IndexedSlices):
        if variable.constraint is not None:
            raise RuntimeError("Cannot use a constraint function on a sparse variable.")
        if reference:
            return optimizer._apply_sparse_duplicate_indices(gradient, variable)
        return optimizer._resource_apply_sparse_duplicate_indices(gradient.values, variable, gradient.indices)
    update = optimizer._apply_dense(gradient, variable) if reference else optimizer._resource_apply_dense(
        gradient, variable)
    if variable.constraint is None:
        return update
    graph = current_graph()
    if graph is None:
        variable.assign(variable.constraint(variable), read_value=False)
        return None
    with graph.control_dependencies([update]):
        return variable.assign(variable.constraint(variable), read_value=reference)


def _increase(graph: Any, global_step: Any, name: str) -> Any:
    inside = getattr(global_step, "_in_graph", True)
    with graph.colocate_with(global_step.op) if inside else contextlib.nullcontext():
        if isinstance(global_step, Variable) and not is_reference(global_step):
            one = constant_of(1, dtype=global_step.dtype)
            return state.AssignAddVariableOp(global_step.handle, one, name=name)
        return state.AssignAdd(global_step, 1, name=name)
