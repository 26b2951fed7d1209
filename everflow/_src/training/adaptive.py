"""Optimizers with a step size of its own for each parameter: Adagrad, Adadelta, RMSProp, FTRL and relatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from everflow._src.framework import dtypes
from everflow._src.framework.export import export
from everflow._src.framework.registry import CARDS
from everflow._src.ops.array_creation import ones, zeros
from everflow._src.ops.constants import constant_of, identity
from everflow._src.training.optimizer import Optimizer, cast_to
from everflow._src.variables.initializers import Constant, Ones


class _SlottedOptimizer(Optimizer):
    """What these optimizers share: one operation with the slots and parameters of a variable."""

    # The operation type without its prefixes, and the slots in the order in which it takes them.
    _type = ""
    _slot_order: tuple[str, ...] = ()
    # Where the gradient stands among the operands: before the parameters, or after them.
    _gradient_first = False
    _flags: dict[str, Any] = {}

    def _parameters(self, dtype: Any) -> list[Any]:
        return [cast_to(t, dtype) for t in self._tensors]

    _tensors: tuple[Any, ...] = ()

    def _operands(self, gradient: list[Any], dtype: Any) -> list[Any]:
        parameters = self._parameters(dtype)
        return [*gradient, *parameters] if self._gradient_first else [*parameters, *gradient]

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        slots = [self.get_slot(var, name) for name in self._slot_order]
        return CARDS[f"Apply{self._type}"](
            var, *slots, *self._operands([grad], var.dtype), use_locking=self._use_locking, **self._flags
        ).op

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        slots = [self.get_slot(handle, name).handle for name in self._slot_order]
        return CARDS[f"ResourceApply{self._type}"](
            handle.handle, *slots, *self._operands([grad], handle.dtype), use_locking=self._use_locking, **self._flags
        )

    def _apply_sparse(self, grad: Any, var: Any) -> Any:
        slots = [self.get_slot(var, name) for name in self._slot_order]
        return CARDS[f"SparseApply{self._type}"](
            var, *slots, *self._operands([grad.values, grad.indices], var.dtype), use_locking=self._use_locking,
            **self._flags,
        ).op

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        slots = [self.get_slot(handle, name).handle for name in self._slot_order]
        return CARDS[f"ResourceSparseApply{self._type}"](
            handle.handle, *slots, *self._operands([grad, indices], handle.dtype), use_locking=self._use_locking,
            **self._flags,
        )


def _shape_of(variable: Any) -> Any:
    if not variable.shape.is_fully_defined():
        raise ValueError(f"A slot needs a variable whose shape is known, received {variable!r}")
    return variable.shape


@export(v1=["train.AdagradOptimizer"])
class AdagradOptimizer(_SlottedOptimizer):
    """Divides the learning rate by the root of the sum of squared gradients.

    Duchi et al., http://jmlr.org/papers/v12/duchi11a.html.

    Args:
      learning_rate: a number, a tensor, or in eager mode a function that returns one.
      initial_accumulator_value: what the sums start with, positive.
      use_locking: accepted; updates are atomic.
      name: name of the step.

    Raises:
      ValueError: `initial_accumulator_value` is not positive.
    """

    _type = "Adagrad"
    _slot_order = ("accumulator",)

    def __init__(self, learning_rate: Any, initial_accumulator_value: float = 0.1, use_locking: bool = False,
                 name: str = "Adagrad") -> None:
        if initial_accumulator_value <= 0.0:
            raise ValueError(f"initial_accumulator_value must be positive: {initial_accumulator_value}")
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._initial_accumulator_value = initial_accumulator_value

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for v in var_list:
            dtype = v.dtype.base_dtype
            initializer = Constant(self._initial_accumulator_value, dtype=dtype)
            self._get_or_make_slot_with_initializer(v, initializer, _shape_of(v), dtype, "accumulator", self._name)

    def _prepare(self) -> None:
        self._tensors = (self._parameter(self._learning_rate, "learning_rate"),)


@export(v1=["train.AdadeltaOptimizer"])
class AdadeltaOptimizer(_SlottedOptimizer):
    """Scales steps by running means of squared gradients and of squared steps.

    Zeiler, https://arxiv.org/abs/1212.5701.

    Args:
      learning_rate: a factor; the paper has 1.0.
      rho: decay of the means.
      epsilon: what the first steps start from.
      use_locking: accepted; updates are atomic.
      name: name of the step.
    """

    _type = "Adadelta"
    _slot_order = ("accum", "accum_update")

    def __init__(self, learning_rate: Any = 0.001, rho: Any = 0.95, epsilon: Any = 1e-8, use_locking: bool = False,
                 name: str = "Adadelta") -> None:
        super().__init__(use_locking, name)
        self._lr = learning_rate
        self._rho = rho
        self._epsilon = epsilon

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for v in var_list:
            self._zeros_slot(v, "accum", self._name)
            self._zeros_slot(v, "accum_update", self._name)

    def _prepare(self) -> None:
        self._tensors = (
            self._parameter(self._lr, "lr"), self._parameter(self._rho, "rho"),
            self._parameter(self._epsilon, "epsilon"),
        )


@export(v1=["train.RMSPropOptimizer"])
class RMSPropOptimizer(_SlottedOptimizer):
    """Divides the gradient by the root of a running mean of its square, and adds momentum.

        mean_square = decay * mean_square + (1 - decay) * gradient^2
        mom = momentum * mom + learning_rate * gradient / sqrt(mean_square + epsilon)
        variable -= mom

    Hinton, http://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf. Means start at one.

    Args:
      learning_rate: a number, a tensor, or in eager mode a function that returns one.
      decay: decay of the means.
      momentum: what is kept of the last step.
      epsilon: what keeps the quotient finite.
      use_locking: accepted; updates are atomic.
      centered: True divides by the root of the variance in place of the mean square.
      name: name of the step.
    """

    def __init__(self, learning_rate: Any, decay: Any = 0.9, momentum: Any = 0.0, epsilon: Any = 1e-10,
                 use_locking: bool = False, centered: bool = False, name: str = "RMSProp") -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._decay = decay
        self._momentum = momentum
        self._epsilon = epsilon
        self._centered = centered
        self._type = "CenteredRMSProp" if centered else "RMSProp"
        self._slot_order = ("mg", "rms", "momentum") if centered else ("rms", "momentum")

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for v in var_list:
            dtype = v.dtype.base_dtype
            self._get_or_make_slot_with_initializer(v, Ones(dtype=dtype), _shape_of(v), dtype, "rms", self._name)
            if self._centered:
                self._zeros_slot(v, "mg", self._name)
            self._zeros_slot(v, "momentum", self._name)

    def _prepare(self) -> None:
        self._tensors = (
            self._parameter(self._learning_rate, "learning_rate"), self._parameter(self._decay, "decay"),
            self._parameter(self._momentum, "momentum"), self._parameter(self._epsilon, "epsilon"),
        )


@export(v1=["train.FtrlOptimizer"])
class FtrlOptimizer(_SlottedOptimizer):
    """Follows the regularized leader, for sparse linear models.

    McMahan et al., https://research.google.com/pubs/archive/41159.pdf, with the shrinkage of L2 as an addition.

    Args:
      learning_rate: a number, a tensor, or in eager mode a function that returns one.
      learning_rate_power: at most 0; how the rate falls with the sum of squares (0 keeps it).
      initial_accumulator_value: what the sums of squares start with, at least 0.
      l1_regularization_strength: at least 0.
      l2_regularization_strength: at least 0.
      use_locking: accepted; updates are atomic.
      name: name of the step.
      accum_name: name of the slot of sums of squares.
      linear_name: name of the linear slot.
      l2_shrinkage_regularization_strength: at least 0; a penalty on the size of the parameters in each step.
      beta: the paper's, at least 0.

    Raises:
      ValueError: an argument is out of its range.
    """

    _slot_order = ("accum", "linear")
    _gradient_first = True

    def __init__(
        self, learning_rate: Any, learning_rate_power: float = -0.5, initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0, l2_regularization_strength: float = 0.0, use_locking: bool = False,
        name: str = "Ftrl", accum_name: str | None = None, linear_name: str | None = None,
        l2_shrinkage_regularization_strength: float = 0.0, beta: float | None = None,
    ) -> None:
        super().__init__(use_locking, name)
        for argument, value in (
            ("initial_accumulator_value", initial_accumulator_value),
            ("l1_regularization_strength", l1_regularization_strength),
            ("l2_regularization_strength", l2_regularization_strength),
            ("l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength),
        ):
            if value < 0.0:
                raise ValueError(f"{argument} {value} needs to be greater than or equal to zero")
        if learning_rate_power > 0.0:
            raise ValueError(f"learning_rate_power {learning_rate_power} needs to be negative or zero")
        self._learning_rate = learning_rate
        self._learning_rate_power = learning_rate_power
        self._initial_accumulator_value = initial_accumulator_value
        self._l1_regularization_strength = l1_regularization_strength
        self._l2_regularization_strength = l2_regularization_strength
        self._l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self._beta = 0.0 if beta is None else beta
        self._accum_name = accum_name
        self._linear_name = linear_name
        self._type = "FtrlV2" if l2_shrinkage_regularization_strength > 0 else "Ftrl"

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        start = self._initial_accumulator_value

        def accumulator(shape: Any, dtype: Any = dtypes.float32) -> Any:
            return ones(shape, dtype) * start

        def linear(shape: Any, dtype: Any = dtypes.float32) -> Any:
            return zeros(shape, dtype)

        for v in var_list:
            dtype = v.dtype.base_dtype
            self._get_or_make_slot_with_initializer(
                v, accumulator, _shape_of(v), dtype, "accum", self._accum_name or self._name)
            self._get_or_make_slot_with_initializer(
                v, linear, _shape_of(v), dtype, "linear", self._linear_name or self._name)

    def _prepare(self) -> None:
        rate = self._parameter(self._learning_rate, "learning_rate")
        l1 = self._parameter(self._l1_regularization_strength, "l1_regularization_strength")
        # The paper's beta adds to the L2 penalty.
        l2 = self._l2_regularization_strength + self._beta / (2.0 * CARDS["Maximum"](
            self._call_if_callable(self._learning_rate), 1e-36))
        shrinkage = self._parameter(self._l2_shrinkage_regularization_strength,
                                    "l2_shrinkage_regularization_strength")
        power = self._parameter(self._learning_rate_power, "learning_rate_power")
        self._tensors = (rate, l1, l2, shrinkage, power) if self._type == "FtrlV2" else (rate, l1, l2, power)


@export(v1=["train.ProximalAdagradOptimizer"])
class ProximalAdagradOptimizer(_SlottedOptimizer):
    """Adagrad, followed by a proximal step on L1 and L2 penalties.

    Duchi and Singer, https://papers.nips.cc/paper/3793-efficient-learning-using-forward-backward-splitting.

    Args:
      learning_rate: a number or a tensor.
      initial_accumulator_value: what the sums of squares start with, positive.
      l1_regularization_strength: at least 0.
      l2_regularization_strength: at least 0.
      use_locking: accepted; updates are atomic.
      name: name of the step.

    Raises:
      ValueError: `initial_accumulator_value` is not positive.
    """

    _type = "ProximalAdagrad"
    _slot_order = ("accumulator",)

    def __init__(
        self, learning_rate: Any, initial_accumulator_value: float = 0.1, l1_regularization_strength: Any = 0.0,
        l2_regularization_strength: Any = 0.0, use_locking: bool = False, name: str = "ProximalAdagrad",
    ) -> None:
        if initial_accumulator_value <= 0.0:
            raise ValueError(f"initial_accumulator_value must be positive: {initial_accumulator_value}")
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._initial_accumulator_value = initial_accumulator_value
        self._l1_regularization_strength = l1_regularization_strength
        self._l2_regularization_strength = l2_regularization_strength

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for v in var_list:
            value = _filled(v, self._initial_accumulator_value)
            self._get_or_make_slot(v, value, "accumulator", self._name)

    def _prepare(self) -> None:
        self._tensors = (
            self._parameter(self._learning_rate, "learning_rate"),
            self._parameter(self._l1_regularization_strength, "l1_regularization_strength"),
            self._parameter(self._l2_regularization_strength, "l2_regularization_strength"),
        )


def _filled(variable: Any, value: Any) -> Any:
    return constant_of(value, shape=_shape_of(variable), dtype=variable.dtype.base_dtype)


@export(v1=["train.AdagradDAOptimizer"])
class AdagradDAOptimizer(_SlottedOptimizer):
    """Adagrad by dual averaging: the parameters follow from the sum of all gradients.

    Duchi et al., http://jmlr.org/papers/v12/duchi11a.html. With an L1 penalty, parameters become exactly zero.

    Args:
      learning_rate: a number or a tensor.
      global_step: a variable that counts the steps.
      initial_gradient_squared_accumulator_value: what the sums of squares start with, positive.
      l1_regularization_strength: at least 0.
      l2_regularization_strength: at least 0.
      use_locking: accepted; updates are atomic.
      name: name of the step.

    Raises:
      ValueError: `initial_gradient_squared_accumulator_value` is not positive.
    """

    _type = "AdagradDA"
    _slot_order = ("gradient_accumulator", "gradient_squared_accumulator")
    _gradient_first = True

    def __init__(
        self, learning_rate: Any, global_step: Any, initial_gradient_squared_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0, l2_regularization_strength: float = 0.0, use_locking: bool = False,
        name: str = "AdagradDA",
    ) -> None:
        if initial_gradient_squared_accumulator_value <= 0.0:
            raise ValueError("initial_gradient_squared_accumulator_value must be positive: "
                             f"{initial_gradient_squared_accumulator_value}")
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._global_step = global_step
        self._initial_value = initial_gradient_squared_accumulator_value
        self._l1_regularization_strength = l1_regularization_strength
        self._l2_regularization_strength = l2_regularization_strength
        self._step: Any = None

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for v in var_list:
            self._get_or_make_slot(v, _filled(v, 0), "gradient_accumulator", self._name)
            self._get_or_make_slot(v, _filled(v, self._initial_value), "gradient_squared_accumulator", self._name)

    def _prepare(self) -> None:
        self._tensors = (self._parameter(self._learning_rate, "learning_rate"),)
        # The step that is being made is not counted yet.
        self._step = identity(self._global_step) + 1

    def _parameters(self, dtype: Any) -> list[Any]:
        base = dtype.base_dtype
        return [
            cast_to(self._tensors[0], base), constant_of(self._l1_regularization_strength, base),
            constant_of(self._l2_regularization_strength, base), cast_to(self._step, dtypes.int64),
        ]
