"""Adam."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from everflow._src.framework.context import current_graph
from everflow._src.framework.export import export
from everflow._src.framework.registry import CARDS
from everflow._src.ops import state
from everflow._src.ops.grouping import group
from everflow._src.training.optimizer import Optimizer, cast_to
from everflow._src.variables.collections import assign, assign_sub


@export(v1=["train.AdamOptimizer"])
class AdamOptimizer(Optimizer):
    """Steps by running means of the gradient and of its square.

        rate = learning_rate * sqrt(1 - beta2^t) / (1 - beta1^t)
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * gradient^2
        variable -= rate * m / (sqrt(v) + epsilon)

    Kingma and Ba, https://arxiv.org/abs/1412.6980. With a sparse gradient all rows of the means decay, and rows
    without a gradient move on.

    Args:
      learning_rate: a number, a tensor, or in eager mode a function that returns one.
      beta1: decay of the mean of gradients.
      beta2: decay of the mean of squares.
      epsilon: what keeps the quotient finite ("epsilon hat" in the paper).
      use_locking: accepted; updates are atomic.
      name: name of the step.
    """

    def __init__(self, learning_rate: Any = 0.001, beta1: Any = 0.9, beta2: Any = 0.999, epsilon: Any = 1e-8,
                 use_locking: bool = False, name: str = "Adam") -> None:
        super().__init__(use_locking, name)
        self._lr = learning_rate
        self._beta1 = beta1
        self._beta2 = beta2
        self._epsilon = epsilon
        self._lr_t: Any = None
        self._beta1_t: Any = None
        self._beta2_t: Any = None
        self._epsilon_t: Any = None
        # In eager mode all variables of one dtype share their parameters in a step.
        self._known: dict[Any, list[Any]] = {}

    def _get_beta_accumulators(self) -> tuple[Any, Any]:
        home = self._home()
        return self._get_non_slot_variable("beta1_power", home), self._get_non_slot_variable("beta2_power", home)

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        first = min(var_list, key=lambda v: v.name)
        self._create_non_slot_variable(self._call_if_callable(self._beta1), "beta1_power", first)
        self._create_non_slot_variable(self._call_if_callable(self._beta2), "beta2_power", first)
        for v in var_list:
            self._zeros_slot(v, "m", self._name)
            self._zeros_slot(v, "v", self._name)

    def _prepare(self) -> None:
        self._lr_t = self._parameter(self._lr, "learning_rate")
        self._beta1_t = self._parameter(self._beta1, "beta1")
        self._beta2_t = self._parameter(self._beta2, "beta2")
        self._epsilon_t = self._parameter(self._epsilon, "epsilon")
        self._known = {}

    def _parameters(self, dtype: Any) -> list[Any]:
        base = dtype.base_dtype
        known = self._known.get(base)
        if known is not None:
            return known
        eager = current_graph() is None
        powers = [
            cast_to(p.value(), base) if eager or p.dtype.base_dtype != base else p
            for p in self._get_beta_accumulators()
        ]
        parameters = [
            *powers, *(cast_to(t, base) for t in (self._lr_t, self._beta1_t, self._beta2_t, self._epsilon_t))
        ]
        if eager:
            self._known[base] = parameters
        return parameters

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        return CARDS["ApplyAdam"](
            var, self.get_slot(var, "m"), self.get_slot(var, "v"), *self._parameters(var.dtype), grad,
            use_locking=self._use_locking,
        ).op

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        return CARDS["ResourceApplyAdam"](
            handle.handle, self.get_slot(handle, "m").handle, self.get_slot(handle, "v").handle,
            *self._parameters(handle.dtype), grad, use_locking=self._use_locking,
        )

    def _apply_sparse_shared(self, grad: Any, var: Any, indices: Any, scatter_add: Any) -> Any:
        power1, power2, rate, beta1, beta2, epsilon = self._parameters(var.dtype)
        power1, power2 = (p if not hasattr(p, "value") else p.value() for p in (power1, power2))
        rate = rate * CARDS["Sqrt"](1 - power2) / (1 - power1)
        m = self.get_slot(var, "m")
        m_scaled = grad * (1 - beta1)
        m_t = self._decayed(m, m * beta1, indices, m_scaled, scatter_add)
        v = self.get_slot(var, "v")
        v_scaled = (grad * grad) * (1 - beta2)
        v_t = self._decayed(v, v * beta2, indices, v_scaled, scatter_add)
        update = assign_sub(var, rate * m_t / (CARDS["Sqrt"](v_t) + epsilon))
        return group(update, m_t, v_t) if current_graph() is not None else None

    @staticmethod
    def _decayed(slot: Any, decayed: Any, indices: Any, addition: Any, scatter_add: Any) -> Any:
        graph = current_graph()
        assigned = assign(slot, decayed)
        if graph is None:
            return scatter_add(slot, indices, addition)
        with graph.control_dependencies([assigned]):
            return scatter_add(slot, indices, addition)

    def _apply_sparse(self, grad: Any, var: Any) -> Any:
        return self._apply_sparse_shared(
            grad.values, var, grad.indices, lambda x, i, v: state.REF_SCATTER["add"](x, i, v)
        )

    def _resource_scatter_add(self, x: Any, i: Any, v: Any) -> Any:
        graph = current_graph()
        added = state.RESOURCE_SCATTER["add"](x.handle, i, v)
        if graph is None:
            return x.value()
        with graph.control_dependencies([added]):
            return x.value()

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        return self._apply_sparse_shared(grad, handle, indices, self._resource_scatter_add)

    def _finish(self, update_ops: Sequence[Any], name_scope: str) -> Any:
        power1, power2 = self._get_beta_accumulators()
        graph = current_graph()
        if graph is None:
            power1.assign(power1 * self._beta1_t, read_value=False)
            power2.assign(power2 * self._beta2_t, read_value=False)
            return None
        place: Any = contextlib.nullcontext()
        if getattr(power1, "_in_graph", True) and not graph.building_function:
            place = graph.colocate_with(power1.op)
        with graph.control_dependencies(update_ops), place:
            updates = [
                power1.assign(power1 * self._beta1_t, use_locking=self._use_locking),
                power2.assign(power2 * self._beta2_t, use_locking=self._use_locking),
            ]
        return group(*update_ops, *updates, name=name_scope)
