"""The update steps of optimizers, on variables of both kinds, with dense and with sparse gradients.

One formula per optimizer gives four operations: `ApplyAdam` on the reference variables of 1.x,
`ResourceApplyAdam` on resource variables, and where TensorFlow has them `SparseApply...` and
`ResourceSparseApply...`, which apply the formula to those rows of the variables that have a gradient.

Formulas and order of operands: the descriptions of TensorFlow's operations (`/tensorflow/core/ops/training_ops.cc`
names operands and attrs) and the papers named with the optimizers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.registry import op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.runtime.failures import invalid

_INDEX = (dtypes.int32, dtypes.int64)

# formula(xp, state, operands by name, flag) -> new state; `flag` is the value of the one attr that it reads.
Formula = Callable[[Any, Sequence[Any], dict[str, Any], bool], Sequence[Any]]


def _asking_for(flag: str | None, kernel: Callable) -> Callable:
    """The kernel in the form that names the attr it wants."""
    if flag == "use_nesterov":
        return lambda xp, *inputs, use_nesterov, frame: kernel(xp, inputs, use_nesterov, frame)
    if flag == "update_slots":
        return lambda xp, *inputs, update_slots, frame: kernel(xp, inputs, update_slots, frame)
    if flag == "multiply_linear_by_lr":
        return lambda xp, *inputs, multiply_linear_by_lr, frame: kernel(xp, inputs, multiply_linear_by_lr, frame)
    return lambda xp, *inputs, frame: kernel(xp, inputs, False, frame)


def _check_dense(states: Sequence[Any], gradient: Any, names: Sequence[str]) -> None:
    for state, name in zip(states, names):
        if state.shape != gradient.shape:
            raise invalid(f"{name} and grad do not have the same shape: {list(state.shape)} {list(gradient.shape)}")


def _check_sparse(xp: Any, states: Sequence[Any], gradient: Any, indices: Any, names: Sequence[str]) -> None:
    if indices.ndim != 1 or gradient.ndim == 0 or gradient.shape[0] != indices.shape[0]:
        raise invalid(f"grad must be the same size as indices in the first dimension: {list(gradient.shape)} and "
                      f"{list(indices.shape)}")
    for state, name in zip(states, names):
        if state.shape[1:] != gradient.shape[1:]:
            raise invalid(f"{name} and grad must match beyond the first dimension: {list(state.shape)} and "
                          f"{list(gradient.shape)}")
    rows = states[0].shape[0]
    if xp is np and indices.size and (indices.min() < 0 or indices.max() >= rows):
        position = int(np.argmax((indices < 0) | (indices >= rows)))
        raise invalid(f"Index {indices[position]} at offset {position} in indices is out of range")


def _updated_rows(xp: Any, value: Any, indices: Any, rows: Any) -> Any:
    if xp is not np:
        return value.at[indices].set(rows)
    result = np.array(value)
    result[indices] = rows
    return result


def _apply(name: str, states: Sequence[str], operands: Sequence[str], formula: Formula, *, sparse: bool = True,
           reference: bool = True, integers: Sequence[str] = (), sparse_operands: Sequence[str] | None = None,
           **flags: bool) -> None:
    """Declares the operations of one optimizer.

    Args:
      name: the op type without its prefixes, "Adam".
      states: names of the variables.
      operands: names of the others in the order of the signature, "grad" (or "delta") among them.
      formula: the new values of the variables.
      sparse: whether there are sparse forms.
      reference: whether there are forms for reference variables.
      integers: the operands that are int64.
      sparse_operands: the order of operands in the sparse forms, "grad" and "indices" included.
      **flags: the attr that the formula reads, and its default.
    """
    flag = next(iter(flags), None)
    count = len(states)
    gradient_name = "delta" if "delta" in operands else "grad"
    grad = operands.index(gradient_name)

    def dense(xp: Any, inputs: Sequence[Any], flag: bool, frame: Any) -> Any:
        variables, values = inputs[:count], inputs[count:]
        current = [frame.read(v) for v in variables]
        _check_dense(current, values[grad], states)
        for variable, new in zip(variables, formula(xp, current, dict(zip(operands, values)), flag)):
            frame.assign(variable, new)
        return variables[0]

    def rows(xp: Any, inputs: Sequence[Any], flag: bool, frame: Any) -> Any:
        variables, values = inputs[:count], dict(zip(row_operands, inputs[count:]))
        indices, gradient = values["indices"], values["grad"]
        current = [frame.read(v) for v in variables]
        _check_sparse(xp, current, gradient, indices, states)
        if gradient_name == "delta":
            values["delta"] = gradient
        if xp is np and indices.size > 1 and len(np.unique(indices)) < indices.size:
            # A row that is named twice takes one step after the other.
            for position in range(indices.size):
                at = indices[position:position + 1]
                part = gradient[position:position + 1]
                new = formula(xp, [c[at] for c in current], {**values, "grad": part, "delta": part}, flag)
                current = [_updated_rows(xp, c, at, n) for c, n in zip(current, new)]
            updated: Sequence[Any] = current
        else:
            new = formula(xp, [xp.take(c, indices, axis=0, **({} if xp is np else {"mode": "clip"}))
                               for c in current], values, flag)
            updated = [_updated_rows(xp, c, indices, n) for c, n in zip(current, new)]
        for variable, value in zip(variables, updated):
            frame.assign(variable, value)
        return variables[0]

    def declare(prefix: str, kernel: Callable, order: Sequence[str], kind: str, shape: Callable) -> None:
        def text(operand: str) -> str:
            return "Tindices" if operand == "indices" else "int64" if operand in integers else "T"

        inputs = ", ".join([*(f"{s}: {kind}" for s in states), *(f"{o}: {text(o)}" for o in order)])
        types = {"Tindices": _INDEX} if "indices" in order else {}
        # Those on references give the reference; those on resource variables have no output.
        run = _asking_for(flag, kernel if kind == "T&" else lambda *a: (kernel(*a), None)[1])
        op(
            prefix + name, f"{inputs} ->" + (" out: T&" if kind == "T&" else ""), T=dtypes.NUMERIC, **types,
            use_locking=False, **flags, kernel=run, shape=shape, stateful=True, no_gradient=True,
            doc=f"A step of {name} with {'rows of ' if kernel is rows else ''}a gradient.",
        )

    declare("ResourceApply", dense, operands, "resource", _resource_shape(count, count + grad))
    if reference:
        declare("Apply", dense, operands, "T&", _reference_shape(count, count + grad))
    if not sparse:
        return
    row_operands = list(sparse_operands or [*("grad" if o == "delta" else o for o in operands)])
    if "indices" not in row_operands:
        row_operands.insert(row_operands.index("grad") + 1, "indices")
    declare("ResourceSparseApply", rows, row_operands, "resource", shapes.no_outputs)
    if reference:
        declare("SparseApply", rows, row_operands, "T&", shapes.unchanged)


def _resource_shape(count: int, grad: int) -> Callable[[Any], list[TensorShape]]:
    def rule(op: Any) -> list[TensorShape]:
        shape = op._inputs[grad]._shape
        for tensor in op._inputs[:count]:
            shape = shape.merge_with(getattr(tensor, "_handle_shape", shapes.UNKNOWN_SHAPE))
        return []

    return rule


def _reference_shape(count: int, grad: int) -> Callable[[Any], TensorShape]:
    def rule(op: Any) -> TensorShape:
        shape = op._inputs[grad]._shape
        for tensor in op._inputs[:count]:
            shape = shape.merge_with(tensor._shape)
        return shape

    return rule


# ---- the formulas


def _gradient_descent(xp: Any, state: Sequence[Any], o: dict[str, Any], flag: bool) -> Sequence[Any]:
    return [state[0] - o["alpha"] * o["delta"]]


_apply("GradientDescent", ["var"], ["alpha", "delta"], _gradient_descent, sparse=False)


def _shrunk(xp: Any, value: Any, rate: Any, l1: Any, l2: Any) -> Any:
    """The proximal operator of `rate * (l1 |x| + l2 / 2 x^2)`."""
    return xp.sign(value) * xp.maximum(xp.abs(value) - rate * l1, 0).astype(value.dtype) / (1 + l2 * rate)


def _proximal_gradient_descent(xp: Any, state: Sequence[Any], o: dict[str, Any], flag: bool
                               ) -> Sequence[Any]:
    return [_shrunk(xp, state[0] - o["alpha"] * o["delta"], o["alpha"], o["l1"], o["l2"])]


_apply("ProximalGradientDescent", ["var"], ["alpha", "l1", "l2", "delta"], _proximal_gradient_descent)


def _momentum(xp: Any, state: Sequence[Any], o: dict[str, Any], flag: bool) -> Sequence[Any]:
    var, accum = state
    accum = accum * o["momentum"] + o["grad"]
    if flag:
        return var - (o["grad"] * o["lr"] + accum * (o["momentum"] * o["lr"])), accum
    return var - accum * o["lr"], accum


_apply("Momentum", ["var", "accum"], ["lr", "grad", "momentum"], _momentum, use_nesterov=False)


def _keras_momentum(xp: Any, state: Sequence[Any], o: dict[str, Any], flag: bool) -> Sequence[Any]:
    var, accum = state
    step = o["grad"] * o["lr"]
    accum = accum * o["momentum"] - step
    return (var + (accum * o["momentum"] - step) if flag else var + accum), accum


_apply("KerasMomentum", ["var", "accum"], ["lr", "grad", "momentum"], _keras_momentum, reference=False,
       use_nesterov=False)


def _adam(xp: Any, state: Sequence[Any], o: dict[str, Any], flag: bool) -> Sequence[Any]:
    var, m, v = state
    grad, beta1 = o["grad"], o["beta1"]
    alpha = o["lr"] * xp.sqrt(1 - o["beta2_power"]) / (1 - o["beta1_power"])
    m = m + (grad - m) * (1 - beta1)
    v = v + (grad * grad - v) * (1 - o["beta2"])
    step = grad * (1 - beta1) + beta1 * m if flag else m
    return var - (step * alpha) / (xp.sqrt(v) + o["epsilon"]), m, v


_apply("Adam", ["var", "m", "v"], ["beta1_power", "beta2_power", "lr", "beta1", "beta2", "epsilon", "grad"], _adam,
       sparse=False, use_nesterov=False)


def _amsgrad(xp: Any, state: Sequence[Any], o: dict[str, Any], flag: bool) -> Sequence[Any]:
    var, m, v, vhat = state
    grad = o["grad"]
    alpha = o["lr"] * xp.sqrt(1 - o["beta2_power"]) / (1 - o["beta1_power"])
    m = m + (grad - m) * (1 - o["beta1"])
    v = v + (grad * grad - v) * (1 - o["beta2"])
    vhat = xp.maximum(vhat, v)
    return var - (m * alpha) / (xp.sqrt(vhat) + o["epsilon"]), m, v, vhat


_apply("AdamWithAmsgrad", ["var", "m", "v", "vhat"],
       ["beta1_power", "beta2_power", "lr", "beta1", "beta2", "epsilon", "grad"], _amsgrad,
       sparse=False, reference=False)


def _ada_max(xp: Any, state: Sequence[Any], o: dict[str, Any], flag: bool) -> Sequence[Any]:
    var, m, v = state
    grad = o["grad"]
    m = m + (grad - m) * (1 - o["beta1"])
    v = xp.maximum(o["beta2"] * v, xp.abs(grad))
    return var - o["lr"] / (1 - o["beta1_power"]) * (m / (v + o["epsilon"])), m, v


_apply("AdaMax", ["var", "m", "v"], ["beta1_power", "lr", "beta1", "beta2", "epsilon", "grad"], _ada_max, sparse=False)


def _adagrad(xp: Any, state: Sequence[Any], o: dict[str, Any], flag: bool) -> Sequence[Any]:
    var, accum = state
    grad = o["grad"]
    if flag:
        accum = accum + grad * grad
    return var - grad * o["lr"] / xp.sqrt(accum), accum


_apply("Adagrad", ["var", "accum"], ["lr", "grad"], _adagrad, update_slots=True)


def _adagrad_v2(xp: Any, state: Sequence[Any], o: dict[str, Any], flag: bool) -> Sequence[Any]:
    var, accum = state
    grad = o["grad"]
    if flag:
        accum = accum + grad * grad
    return var - grad * o["lr"] / (xp.sqrt(accum) + o["epsilon"]), accum


_apply("AdagradV2", ["var", "accum"], ["lr", "epsilon", "grad"], _adagrad_v2, update_slots=True)


def _proximal_adagrad(xp: Any, state: Sequence[Any], o: dict[str, Any], flag: bool) -> Sequence[Any]:
    var, accum = state
    accum = accum + o["grad"] * o["grad"]
    rate = o["lr"] / xp.sqrt(accum)
    return _shrunk(xp, var - o["grad"] * rate, rate, o["l1"], o["l2"]), accum


_apply("ProximalAdagrad", ["var", "accum"], ["lr", "l1", "l2", "grad"], _proximal_adagrad)


def _adagrad_da(xp: Any, state: Sequence[Any], o: dict[str, Any], flag: bool) -> Sequence[Any]:
    var, total, squares = state
    grad, lr = o["grad"], o["lr"]
    steps = xp.asarray(o["global_step"]).astype(var.dtype)
    total = total + grad
    squares = squares + grad * grad
    shrunk = xp.sign(total) * xp.maximum(xp.abs(total) - o["l1"] * steps, 0).astype(var.dtype)
    return -lr * shrunk / (o["l2"] * steps * lr + xp.sqrt(squares)), total, squares


_apply("AdagradDA", ["var", "gradient_accumulator", "gradient_squared_accumulator"],
       ["grad", "lr", "l1", "l2", "global_step"], _adagrad_da, integers=["global_step"])


def _adadelta(xp: Any, state: Sequence[Any], o: dict[str, Any], flag: bool) -> Sequence[Any]:
    var, accum, accum_update = state
    grad, rho, epsilon = o["grad"], o["rho"], o["epsilon"]
    accum = accum * rho + grad * grad * (1 - rho)
    update = xp.sqrt(accum_update + epsilon) / xp.sqrt(accum + epsilon) * grad
    accum_update = accum_update * rho + update * update * (1 - rho)
    return var - update * o["lr"], accum, accum_update


_apply("Adadelta", ["var", "accum", "accum_update"], ["lr", "rho", "epsilon", "grad"], _adadelta)


def _rms_prop(xp: Any, state: Sequence[Any], o: dict[str, Any], flag: bool) -> Sequence[Any]:
    var, ms, mom = state
    grad = o["grad"]
    ms = ms + (grad * grad - ms) * (1 - o["rho"])
    mom = mom * o["momentum"] + (grad * o["lr"]) / xp.sqrt(ms + o["epsilon"])
    return var - mom, ms, mom


_apply("RMSProp", ["var", "ms", "mom"], ["lr", "rho", "momentum", "epsilon", "grad"], _rms_prop)


def _centered_rms_prop(xp: Any, state: Sequence[Any], o: dict[str, Any], flag: bool) -> Sequence[Any]:
    var, mg, ms, mom = state
    grad = o["grad"]
    ms = ms + (grad * grad - ms) * (1 - o["rho"])
    mg = mg + (grad - mg) * (1 - o["rho"])
    mom = mom * o["momentum"] + (grad * o["lr"]) / xp.sqrt(ms - mg * mg + o["epsilon"])
    return var - mom, mg, ms, mom


_apply("CenteredRMSProp", ["var", "mg", "ms", "mom"], ["lr", "rho", "momentum", "epsilon", "grad"], _centered_rms_prop)


def _ftrl(xp: Any, state: Sequence[Any], o: dict[str, Any], flag: bool) -> Sequence[Any]:
    # McMahan et al., Ad Click Prediction: a View from the Trenches, KDD 2013.
    var, accum, linear = state
    grad, lr, l1, l2, power = o["grad"], o["lr"], o["l1"], o["l2"], -o["lr_power"]
    shrinkage = o.get("l2_shrinkage")
    shrunk = grad if shrinkage is None else grad + 2 * shrinkage * var
    new_accum = accum + grad * grad
    new_power = xp.power(new_accum, power)
    change = new_power - xp.power(accum, power)
    if flag:
        linear = linear + shrunk * lr - change * var
        l1, quadratic = l1 * lr, new_power + 2 * l2 * lr
    else:
        linear = linear + shrunk - change / lr * var
        quadratic = new_power / lr + 2 * l2
    new = xp.where(xp.abs(linear) > l1, (xp.sign(linear) * l1 - linear) / quadratic, 0).astype(var.dtype)
    return new, new_accum, linear


_apply("Ftrl", ["var", "accum", "linear"], ["grad", "lr", "l1", "l2", "lr_power"], _ftrl, multiply_linear_by_lr=False)
_apply("FtrlV2", ["var", "accum", "linear"], ["grad", "lr", "l1", "l2", "l2_shrinkage", "lr_power"], _ftrl,
       multiply_linear_by_lr=False)


def _add_sign(xp: Any, state: Sequence[Any], o: dict[str, Any], flag: bool) -> Sequence[Any]:
    var, m = state
    grad = o["grad"]
    m = m * o["beta"] + grad * (1 - o["beta"])
    agreement = xp.sign(grad) * xp.sign(m)
    return var - o["lr"] * (o["alpha"] + o["sign_decay"] * agreement) * grad, m


_apply("AddSign", ["var", "m"], ["lr", "alpha", "sign_decay", "beta", "grad"], _add_sign, sparse=False)


def _power_sign(xp: Any, state: Sequence[Any], o: dict[str, Any], flag: bool) -> Sequence[Any]:
    var, m = state
    grad = o["grad"]
    m = m * o["beta"] + grad * (1 - o["beta"])
    agreement = xp.sign(grad) * xp.sign(m)
    return var - o["lr"] * xp.exp(o["logbase"] * o["sign_decay"] * agreement) * grad, m


_apply("PowerSign", ["var", "m"], ["lr", "logbase", "sign_decay", "beta", "grad"], _power_sign, sparse=False)


# ---- rows that are named more than once


def _sum_duplicates(xp: Any, values: Any, indices: Any) -> tuple[Any, Any]:
    if indices.size == 0:
        return values, indices
    order = np.argsort(indices, kind="stable")
    ordered = indices[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    return np.add.reduceat(values[order], starts, axis=0).astype(values.dtype), ordered[starts]


def _sum_duplicates_xla(jax: Any, values: Any, indices: Any) -> tuple[Any, Any]:
    jnp = jax.numpy
    if indices.size == 0:
        return values, indices
    order = jnp.argsort(indices)
    ordered = indices[order]
    first = jnp.concatenate([jnp.ones((1,), bool), ordered[1:] != ordered[:-1]])
    segments = jnp.cumsum(first) - 1
    # XLA needs sizes that do not depend on data: what is left over names a row that does not exist, and
    # updates of such rows are dropped.
    unused = jnp.full(indices.shape, np.iinfo(indices.dtype).max, indices.dtype)
    return jnp.zeros_like(values).at[segments].add(values[order]), unused.at[segments].set(ordered)


def _sum_duplicates_shape(op: Any) -> list[TensorShape]:
    values = op._inputs[0]._shape
    summed = values if values.rank is None else TensorShape([None]).concatenate(values[1:])
    return [summed, TensorShape([None])]


# TensorFlow does this by Unique and UnsortedSegmentSum, whose sizes depend on data: a training step would fall
# into three parts, and the last one would be compiled anew for each number of distinct rows.
SumDuplicateSlices = op(
    "_SumDuplicateSlices", "values: T, indices: Tindices -> summed: T, unique: Tindices", T=dtypes.NUMERIC,
    Tindices=_INDEX, kernel=_sum_duplicates, xla=_sum_duplicates_xla, shape=_sum_duplicates_shape, no_gradient=True,
    sample=lambda: ([np.array([[1.0], [2.0], [4.0]], np.float32), np.array([2, 0, 2], np.int32)], {}),
    doc="Adds up slices that stand at one index.",
)

