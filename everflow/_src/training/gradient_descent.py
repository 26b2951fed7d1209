"""Gradient descent, with momentum, and with proximal steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from everflow._src.framework.export import export
from everflow._src.framework.registry import CARDS
from everflow._src.ops import state
from everflow._src.training.optimizer import Optimizer, cast_to


@export(v1=["train.GradientDescentOptimizer"])
class GradientDescentOptimizer(Optimizer):
    """Steps against the gradient: `variable -= learning_rate * gradient`.

    Args:
      learning_rate: a number, a tensor, or in eager mode a function that returns one.
      use_locking: accepted; updates are atomic.
      name: name of the step.

    >>> import everflow.compat.v1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     v = tf.get_variable("v", initializer=3.)
    ...     step = tf.train.GradientDescentOptimizer(0.1).minimize(v * v)
    ...     session.run(tf.global_variables_initializer())
    ...     session.run(step)
    ...     print("%.1f" % session.run(v))
    2.4
    """

    def __init__(self, learning_rate: Any, use_locking: bool = False, name: str = "GradientDescent") -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._learning_rate_tensor: Any = None

    def _prepare(self) -> None:
        self._learning_rate_tensor = self._parameter(self._learning_rate, "learning_rate")

    def _rate(self, dtype: Any) -> Any:
        return cast_to(self._learning_rate_tensor, dtype)

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        return CARDS["ApplyGradientDescent"](var, self._rate(var.dtype), grad, use_locking=self._use_locking).op

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        return CARDS["ResourceApplyGradientDescent"](
            handle.handle, self._rate(handle.dtype), grad, use_locking=self._use_locking
        )

    # Rows that are named twice are subtracted twice: no sums are needed.

    def _apply_sparse_duplicate_indices(self, grad: Any, var: Any) -> Any:
        delta = CARDS["Mul"](grad.values, self._rate(var.dtype), name="mul")
        return state.REF_SCATTER["sub"](var, grad.indices, delta, use_locking=self._use_locking)

    def _resource_apply_sparse_duplicate_indices(self, grad: Any, handle: Any, indices: Any) -> Any:
        delta = CARDS["Mul"](CARDS["Neg"](grad), self._rate(handle.dtype), name="mul")
        return state.RESOURCE_SCATTER["add"](handle.handle, indices, delta)


@export(v1=["train.MomentumOptimizer"])
class MomentumOptimizer(Optimizer):
    """Steps along a running sum of gradients.

        accumulation = momentum * accumulation + gradient
        variable -= learning_rate * accumulation

    Args:
      learning_rate: a number, a tensor, or in eager mode a function that returns one.
      momentum: what is kept of the sum, likewise.
      use_locking: accepted; updates are atomic.
      name: name of the step.
      use_nesterov: True looks ahead, see http://proceedings.mlr.press/v28/sutskever13.pdf.
    """

    def __init__(self, learning_rate: Any, momentum: Any, use_locking: bool = False, name: str = "Momentum",
                 use_nesterov: bool = False) -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._momentum = momentum
        self._use_nesterov = use_nesterov
        self._learning_rate_tensor: Any = None
        self._momentum_tensor: Any = None

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for v in var_list:
            self._zeros_slot(v, "momentum", self._name)

    def _prepare(self) -> None:
        self._learning_rate_tensor = self._parameter(self._learning_rate, "learning_rate")
        self._momentum_tensor = self._parameter(self._momentum, "momentum")

    def _parameters(self, dtype: Any) -> tuple[Any, Any]:
        return cast_to(self._learning_rate_tensor, dtype), cast_to(self._momentum_tensor, dtype)

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        rate, momentum = self._parameters(var.dtype)
        return CARDS["ApplyMomentum"](
            var, self.get_slot(var, "momentum"), rate, grad, momentum, use_locking=self._use_locking,
            use_nesterov=self._use_nesterov,
        ).op

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        rate, momentum = self._parameters(handle.dtype)
        return CARDS["ResourceApplyMomentum"](
            handle.handle, self.get_slot(handle, "momentum").handle, rate, grad, momentum,
            use_locking=self._use_locking, use_nesterov=self._use_nesterov,
        )

    def _apply_sparse(self, grad: Any, var: Any) -> Any:
        rate, momentum = self._parameters(var.dtype)
        return CARDS["SparseApplyMomentum"](
            var, self.get_slot(var, "momentum"), rate, grad.values, grad.indices, momentum,
            use_locking=self._use_locking, use_nesterov=self._use_nesterov,
        ).op

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        rate, momentum = self._parameters(handle.dtype)
        return CARDS["ResourceSparseApplyMomentum"](
            handle.handle, self.get_slot(handle, "momentum").handle, rate, grad, indices, momentum,
            use_locking=self._use_locking, use_nesterov=self._use_nesterov,
        )


@export(v1=["train.ProximalGradientDescentOptimizer"])
class ProximalGradientDescentOptimizer(Optimizer):
    """Gradient descent on the loss, followed by a proximal step on L1 and L2 penalties.

    Duchi and Singer, https://papers.nips.cc/paper/3793-efficient-learning-using-forward-backward-splitting.

    Args:
      learning_rate: a number or a tensor.
      l1_regularization_strength: at least 0.
      l2_regularization_strength: at least 0.
      use_locking: accepted; updates are atomic.
      name: name of the step.
    """

    def __init__(
        self, learning_rate: Any, l1_regularization_strength: Any = 0.0, l2_regularization_strength: Any = 0.0,
        use_locking: bool = False, name: str = "ProximalGradientDescent",
    ) -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._l1_regularization_strength = l1_regularization_strength
        self._l2_regularization_strength = l2_regularization_strength
        self._tensors: tuple[Any, ...] = ()

    def _prepare(self) -> None:
        self._tensors = (
            self._parameter(self._learning_rate, "learning_rate"),
            self._parameter(self._l1_regularization_strength, "l1_regularization_strength"),
            self._parameter(self._l2_regularization_strength, "l2_regularization_strength"),
        )

    def _parameters(self, dtype: Any) -> list[Any]:
        return [cast_to(t, dtype) for t in self._tensors]

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        return CARDS["ApplyProximalGradientDescent"](
            var, *self._parameters(var.dtype), grad, use_locking=self._use_locking
        ).op

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        return CARDS["ResourceApplyProximalGradientDescent"](
            handle.handle, *self._parameters(handle.dtype), grad, use_locking=self._use_locking
        )

    def _apply_sparse(self, grad: Any, var: Any) -> Any:
        return CARDS["SparseApplyProximalGradientDescent"](
            var, *self._parameters(var.dtype), grad.values, grad.indices, use_locking=self._use_locking
        ).op

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        return CARDS["ResourceSparseApplyProximalGradientDescent"](
            handle.handle, *self._parameters(handle.dtype), grad, indices, use_locking=self._use_locking
        )
