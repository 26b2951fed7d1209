"""Moving averages of variables and tensors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from everflow._src.framework import dtypes
from everflow._src.framework.context import current_graph, default_graph, init_scope
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.graph_collections import GraphKeys
from everflow._src.framework.registry import CARDS
from everflow._src.framework.scopes import colocate_with, open_name_scope
from everflow._src.framework.tensor import EagerTensor, Reference
from everflow._src.ops.array_casting import cast
from everflow._src.ops.grouping import group
from everflow._src.training import slot_creator
from everflow._src.variables import collections as variable_collections
from everflow._src.variables.collections import assign, assign_add, assign_sub
from everflow._src.variables.initializers import Zeros
from everflow._src.variables.scope import VariableScope, get_variable, variable_scope
from everflow._src.variables.variable import Variable


def assign_moving_average(
    variable: Any, value: Any, decay: Any, zero_debias: bool = True, name: str | None = None
) -> Any:
    """Moves an average towards a value: `variable -= (1 - decay) * (variable - value)`.

    Args:
      variable: holds the average.
      value: a tensor of its shape.
      decay: what is kept of the average.
      zero_debias: True keeps an average that starts from zero, corrected for that start, see section 3 of
        https://arxiv.org/abs/1412.6980.
      name: name of the operation.

    Returns:
      Something that gives the new average when it is read.
    """
    with open_name_scope(name or "AssignMovingAvg") as scope:
        dtype = variable.dtype.base_dtype
        rate = 1.0 - decay
        rate = cast(rate, dtype) if not isinstance(rate, float) else convert(rate, dtype, name="decay")
        if zero_debias:
            return _zero_debias(variable, convert(value, dtype), rate, scope)
        return assign_sub(variable, (variable - value) * rate, name=scope or None)


def _zero_debias(average: Any, value: Any, rate: Any, scope: str) -> Any:
    graph = current_graph()
    name = average._shared_name if graph is None else average.op.name
    # Named by the average alone, whatever scopes are open.
    root = VariableScope(False)
    with variable_scope(root), variable_scope(name, auxiliary_name_scope=False), colocate_with(
        None if graph is None else average.op, ignore_existing=graph is None
    ), init_scope():
        biased = get_variable("biased", initializer=Zeros(), trainable=False, dtype=value.dtype, shape=value.shape)
        local_step = get_variable("local_step", shape=[], dtype=value.dtype, initializer=Zeros(), trainable=False)
    new_biased = assign_sub(biased, (biased - value) * rate)
    new_step = assign_add(local_step, 1.0)
    corrected = new_biased / (1.0 - CARDS["Pow"](1.0 - rate, new_step))
    return assign(average, corrected, name=scope or None)


@export("train.ExponentialMovingAverage", v1=["train.ExponentialMovingAverage"])
class ExponentialMovingAverage:
    """Keeps moving averages of variables, by `average = decay * average + (1 - decay) * value`.

    Args:
      decay: what is kept of the average at each step, close to 1.
      num_updates: a count of the updates so far, by which the decay starts lower:
        `min(decay, (1 + num_updates) / (10 + num_updates))`.
      zero_debias: True corrects averages of tensors for their start from zero.
      name: name of the averages and of the operation.

    >>> import everflow as tf
    >>> v = tf.Variable(10.)
    >>> average = tf.train.ExponentialMovingAverage(0.5)
    >>> average.apply([v])
    >>> v.assign(20.).numpy()
    20.0
    >>> average.apply([v])
    >>> float(average.average(v))
    15.0
    """

    def __init__(self, decay: Any, num_updates: Any = None, zero_debias: bool = False,
                 name: str = "ExponentialMovingAverage") -> None:
        self._decay = decay
        self._num_updates = num_updates
        self._zero_debias = zero_debias
        self._name = name
        self._averages: dict[Reference, Any] = {}

    @property
    def name(self) -> str:
        """The name of the averages."""
        return self._name

    def apply(self, var_list: Iterable[Any] | None = None) -> Any:
        """Makes averages where there are none, and moves them.

        Args:
          var_list: variables, and in graphs tensors; the trainable variables when None.

        Returns:
          The operation that moves the averages; None in eager mode, where they are moved.

        Raises:
          TypeError: an element is not of a floating dtype, or a tensor in eager mode.
        """
        if var_list is None:
            var_list = variable_collections.trainable_variables()
        var_list = list(var_list)
        debiased = set()
        for var in var_list:
            if isinstance(var, EagerTensor):
                raise TypeError("tf.Variable is expected in eager mode: moving averages of tensors need a graph; "
                                f"received {var!r}")
            if var.dtype.base_dtype not in (dtypes.bfloat16, dtypes.float16, dtypes.float32, dtypes.float64):
                raise TypeError(f"The variables must be half, float, or double: {var.name}")
            if var.ref() not in self._averages:
                with init_scope():
                    self._averages[var.ref()] = self._make(var)
            if self._zero_debias and not isinstance(var, Variable):
                debiased.add(var.ref())
        with open_name_scope(self._name) as scope:
            decay = convert(self._decay, dtypes.float32, name="decay")
            if self._num_updates is not None:
                updates = cast(self._num_updates, dtypes.float32, name="num_updates")
                decay = CARDS["Minimum"](decay, (1.0 + updates) / (10.0 + updates))
            moves = [
                assign_moving_average(self._averages[v.ref()], v, decay, zero_debias=v.ref() in debiased)
                for v in var_list
            ]
            return group(*moves, name=scope) if current_graph() is not None else None

    def _make(self, var: Any) -> Any:
        if isinstance(var, Variable):
            default_graph().add_to_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, var)
            return slot_creator.create_slot(var, var.initialized_value(), self._name)
        return slot_creator.create_zeros_slot(var, self._name)

    def average(self, var: Any) -> Any:
        """The variable that holds the average of `var`, or None."""
        return self._averages.get(var.ref())

    def average_name(self, var: Any) -> str:
        """The name under which checkpoints hold the average of `var`, also before there is one."""
        found = self._averages.get(var.ref())
        if found is not None:
            return found.name[:-len(":0")] if found.name.endswith(":0") else found.name
        own = var.name[:-len(":0")] if var.name.endswith(":0") else var.name
        graph = current_graph()
        wanted = f"{own}/{self._name}"
        return wanted if graph is None else graph.unique_name(wanted, mark_as_used=False)

    def variables_to_restore(self, moving_avg_variables: Iterable[Any] | None = None) -> dict[str, Any]:
        """A map from names in a checkpoint to variables, by which variables get their averages as values.

        Args:
          moving_avg_variables: the variables that shall get averages; the trainable ones and those of which
            averages are kept when None.
        """
        names: dict[str, Any] = {}
        if moving_avg_variables is None:
            averaged = [*variable_collections.trainable_variables(),
                        *variable_collections.moving_average_variables()]
        else:
            averaged = list(moving_avg_variables)
        seen = set()
        for v in averaged:
            names[self.average_name(v)] = v
            seen.add(v.name)
        for v in [*variable_collections.moving_average_variables(), *variable_collections.global_variables()]:
            if v.name not in seen and v.op.name not in names:
                names[v.op.name] = v
        return names
