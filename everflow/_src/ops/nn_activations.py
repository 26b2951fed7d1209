"""Activation functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import CARDS, Card, op
from everflow._src.ops import array_joining, linalg_products, math_arithmetic, math_functions, math_special
from everflow._src.ops.families import fast_unary
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid

_FLOATS = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64)
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def _points() -> np.ndarray:
    return np.array([[-2.5, -0.4, 0.3], [1.7, 4.2, 7.1]], np.float32)


def _activation(name: str, kernel: Any, gradient: Any, doc: str, types: Any = _FLOATS, **attrs: Any) -> Card:
    return op(name, "features: T -> activations: T", T=types, kernel=kernel, shape=shapes.unchanged, gradient=gradient,
              sample=lambda: ([_points()], {}), doc=doc, **attrs)


def _activation_gradient(name: str, second: str, kernel: Any, gradient: Any, types: Any = _FLOATS, **attrs: Any
                         ) -> Card:
    return op(name, f"gradients: T, {second}: T -> backprops: T", T=types, kernel=kernel, shape=shapes.merged,
              gradient=gradient, sample=lambda: ([np.ones((2, 3), np.float32), _points()], {}),
              doc=f"The gradient of {name[:-4]}.", **attrs)


def _zero(xp: Any, x: Any) -> Any:
    return xp.zeros((), x.dtype)


_INTEGERS_OF_SIZE = {np.dtype(np.float32): np.int32, np.dtype(np.float64): np.int64}


def _passed_where(xp: Any, condition: Any, dy: Any) -> Any:
    """`dy` where the condition holds, zero elsewhere."""
    if xp is np and condition.size >= 256 and dy.shape == condition.shape:
        integer = _INTEGERS_OF_SIZE.get(dy.dtype)
        if integer is not None:
            # np.where branches at each element; masking the bits takes a tenth of its time.
            mask = condition.astype(integer)
            np.negative(mask, mask)
            np.bitwise_and(mask, dy.view(integer), mask)
            return mask.view(dy.dtype)
    return xp.where(condition, dy, _zero(xp, dy))


Relu = _activation(
    "Relu", lambda xp, x: xp.maximum(x, _zero(xp, x)), lambda dy, *, activations: ReluGrad(dy, activations),
    "max(features, 0).", dtypes.REAL,
    joins=lambda unfinished, position, others, attrs: unfinished.with_relu(),
)
ReluGrad = _activation_gradient(
    "ReluGrad", "features", lambda xp, dy, x: _passed_where(xp, x > 0, dy),
    lambda ddx, *, features: (ReluGrad(ddx, features), None), dtypes.REAL,
    joins=lambda unfinished, position, others, attrs: unfinished.where_positive(others[0]) if position == 0 else None,
)
Relu6 = _activation(
    "Relu6", lambda xp, x: xp.minimum(xp.maximum(x, _zero(xp, x)), xp.asarray(6, x.dtype)),
    lambda dy, *, activations: Relu6Grad(dy, activations), "min(max(features, 0), 6).", dtypes.REAL,
)
Relu6Grad = _activation_gradient(
    "Relu6Grad", "features", lambda xp, dy, x: _passed_where(xp, (x > 0) & (x < 6), dy),
    lambda ddx, *, features: (Relu6Grad(ddx, features), None), dtypes.REAL,
)
LeakyRelu = _activation(
    "LeakyRelu", lambda xp, x, *, alpha: xp.where(x > 0, x, x * xp.asarray(alpha, x.dtype)),
    lambda dy, *, features, alpha: LeakyReluGrad(dy, features, alpha=alpha),
    "features where positive, alpha * features elsewhere.", alpha=0.2,
)
LeakyReluGrad = _activation_gradient(
    "LeakyReluGrad", "features", lambda xp, dy, x, *, alpha: xp.where(x > 0, dy, dy * xp.asarray(alpha, dy.dtype)),
    lambda ddx, *, features, alpha: (LeakyReluGrad(ddx, features, alpha=alpha), None), alpha=0.2,
)
Elu = _activation(
    "Elu", lambda xp, x: xp.where(x > 0, x, xp.expm1(xp.minimum(x, _zero(xp, x)))),
    lambda dy, *, activations: EluGrad(dy, activations), "features where positive, exp(features) - 1 elsewhere.",
)


def _elu_gradient_gradient(ddx: Any, *, gradients: Any, outputs: Any) -> tuple[Any, Any]:
    zeros = math_arithmetic.multiply(gradients, 0)
    return EluGrad(ddx, outputs), Select(outputs < 0, ddx * gradients, zeros)


def Select(condition: Any, x: Any, y: Any) -> Any:
    """`x` where the condition holds, else `y`."""
    return CARDS["SelectV2"](condition, x, y)


EluGrad = _activation_gradient(
    "EluGrad", "outputs", lambda xp, dy, y: xp.where(y > 0, dy, dy * (y + xp.asarray(1, y.dtype))),
    _elu_gradient_gradient,
)
Selu = _activation(
    "Selu", lambda xp, x: xp.asarray(_SELU_SCALE, x.dtype) * xp.where(
        x > 0, x, xp.asarray(_SELU_ALPHA, x.dtype) * xp.expm1(xp.minimum(x, _zero(xp, x)))),
    lambda dy, *, activations: SeluGrad(dy, activations), "Scaled exponential linear (Klambauer et al., 2017).",
)
SeluGrad = _activation_gradient(
    "SeluGrad", "outputs", lambda xp, dy, y: xp.where(
        y < 0, dy * (y + xp.asarray(_SELU_SCALE * _SELU_ALPHA, y.dtype)), dy * xp.asarray(_SELU_SCALE, y.dtype)),
    lambda ddx, *, gradients, outputs: (
        SeluGrad(ddx, outputs), Select(outputs < 0, ddx * gradients, math_arithmetic.multiply(gradients, 0))),
)
Softplus = _activation(
    "Softplus", lambda xp, x: xp.logaddexp(x, _zero(xp, x)), lambda dy, *, features: SoftplusGrad(dy, features),
    "log(exp(features) + 1).",
)
SoftplusGrad = _activation_gradient(
    "SoftplusGrad", "features", lambda xp, dy, x: dy / (xp.exp(-x) + xp.asarray(1, x.dtype)),
    lambda ddx, *, gradients, features: (
        SoftplusGrad(ddx, features), ddx * gradients / (math_functions.exp(-features) + 2.0 + math_functions.exp(
            features))),
)
Softsign = _activation(
    "Softsign", lambda xp, x: x / (xp.abs(x) + xp.asarray(1, x.dtype)),
    lambda dy, *, features: SoftsignGrad(dy, features), "features / (abs(features) + 1).",
)


def _softsign_gradient_gradient(ddx: Any, *, gradients: Any, features: Any) -> tuple[Any, Any]:
    denominator = math_arithmetic.abs(features) + 1.0
    return SoftsignGrad(ddx, features), ddx * gradients * -2.0 * math_arithmetic.sign(features) / (
        denominator * denominator * denominator)


SoftsignGrad = _activation_gradient(
    "SoftsignGrad", "features", lambda xp, dy, x: dy / (xp.abs(x) + xp.asarray(1, x.dtype)) ** 2,
    _softsign_gradient_gradient,
)


def _work(xp: Any, x: Any) -> Any:
    return x.astype(np.float32) if np.dtype(x.dtype).itemsize == 2 else x


def _softmax(xp: Any, logits: Any) -> Any:
    x = _work(xp, logits)
    if xp is np and x.ndim == 0:
        raise invalid(f"logits must have >= 1 dimension, got {list(x.shape)}")
    if x.shape[-1] == 0:
        return logits
    shifted = xp.exp(x - x.max(axis=-1, keepdims=True))
    return (shifted / shifted.sum(axis=-1, keepdims=True)).astype(logits.dtype)


def _log_softmax(xp: Any, logits: Any) -> Any:
    x = _work(xp, logits)
    if x.shape[-1] == 0:
        return logits
    shifted = x - x.max(axis=-1, keepdims=True)
    return (shifted - xp.log(xp.exp(shifted).sum(axis=-1, keepdims=True))).astype(logits.dtype)


def _sum_last(x: Any) -> Any:
    return CARDS["Sum"](x, np.array([-1], np.int32), keep_dims=True)


def _softmax_shape(op: Any) -> Any:
    shape = op._inputs[0]._shape
    if shape.rank == 0:
        raise ValueError("Shape must be at least rank 1 but is rank 0")
    return shape


Softmax = op(
    "Softmax", "logits: T -> softmax: T", T=_FLOATS, kernel=_softmax, shape=_softmax_shape,
    gradient=lambda dy, *, softmax: (dy - _sum_last(dy * softmax)) * softmax,
    sample=lambda: ([_points()], {}), doc="exp(logits) / sum(exp(logits)) along the last axis.",
)
LogSoftmax = op(
    "LogSoftmax", "logits: T -> logsoftmax: T", T=_FLOATS, kernel=_log_softmax, shape=_softmax_shape,
    gradient=lambda dy, *, logsoftmax: dy - _sum_last(dy) * math_functions.exp(logsoftmax),
    sample=lambda: ([_points()], {}), doc="logits - log(sum(exp(logits))) along the last axis.",
)


# ---- public functions

_relu = fast_unary(Relu, lambda a: np.maximum(a, 0), integers=True)


@export("nn.relu", v1=["nn.relu"])
def relu(features: Any, name: str | None = None) -> Any:
    """max(features, 0), element-wise.

    Args:
      features: a real tensor.
      name: name of the operation in a graph.

    >>> import everflow as tf
    >>> tf.nn.relu([-2., 0., 3.]).numpy()
    array([0., 0., 3.], dtype=float32)
    """
    return _relu(features, name)


@export("nn.relu6", v1=["nn.relu6"])
def relu6(features: Any, name: str | None = None) -> Any:
    """min(max(features, 0), 6), element-wise."""
    return Relu6(features, name=name)  # type: ignore[operator]


@export("nn.elu", v1=["nn.elu"])
def elu(features: Any, name: str | None = None) -> Any:
    """`features` where positive, exp(features) - 1 elsewhere (Clevert et al., 2015)."""
    return Elu(features, name=name)  # type: ignore[operator]


@export("nn.selu", v1=["nn.selu"])
def selu(features: Any, name: str | None = None) -> Any:
    """Scaled exponential linear units (Klambauer et al., 2017)."""
    return Selu(features, name=name)  # type: ignore[operator]


@export("nn.leaky_relu", v1=["nn.leaky_relu"])
def leaky_relu(features: Any, alpha: float = 0.2, name: str | None = None) -> Any:
    """`features` where positive, `alpha * features` elsewhere (Maas et al., 2013)."""
    with name_scope(name, "LeakyRelu") as scope:
        features = convert(features, name="features")
        if features.dtype.is_integer:
            features = _to_float(features)
        if isinstance(alpha, np.ndarray):
            alpha = alpha.item()
        return LeakyRelu(features, alpha=float(alpha), name=scope or None)  # type: ignore[operator]


def _to_float(x: Any) -> Any:
    return CARDS["Cast"](x, DstT=dtypes.float32)


@export("math.softplus", "nn.softplus", v1=["math.softplus", "nn.softplus"])
def softplus(features: Any, name: str | None = None) -> Any:
    """log(exp(features) + 1), a smooth maximum of `features` and 0.

    >>> import everflow as tf
    >>> tf.math.softplus(0.).numpy()
    0.6931472
    """
    return Softplus(features, name=name)  # type: ignore[operator]


@export("math.log_sigmoid", v1=["math.log_sigmoid", "log_sigmoid"])
def log_sigmoid(x: Any, name: str | None = None) -> Any:
    """log(1 / (1 + exp(-x))), element-wise, without overflow.

    >>> import everflow as tf
    >>> tf.math.log_sigmoid(-1000.).numpy()
    -1000.0
    """
    with name_scope(name, "LogSigmoid"):
        return -Softplus(-convert(x, name="x"))  # type: ignore[operator]


@export("nn.softsign", "math.softsign", v1=["nn.softsign", "math.softsign"])
def softsign(features: Any, name: str | None = None) -> Any:
    """features / (abs(features) + 1), element-wise."""
    return Softsign(features, name=name)  # type: ignore[operator]


@export("nn.crelu", v1=[])
def crelu(features: Any, axis: int = -1, name: str | None = None) -> Any:
    """relu of `features` and of its negative, side by side along `axis` (Shang et al., 2016)."""
    with name_scope(name, "CRelu") as scope:
        features = convert(features, name="features")
        both = array_joining.concat([features, -features], axis, name=scope or "concat")
        return relu(both)


@export(v1=["nn.crelu"])
def crelu_v1(features: Any, name: str | None = None, axis: int = -1) -> Any:
    """relu of `features` and of its negative, side by side along `axis`."""
    return crelu(features, axis, name)


@export("nn.silu", "nn.swish", v1=["nn.silu", "nn.swish"])
def silu(features: Any, beta: float = 1.0) -> Any:
    """features * sigmoid(beta * features) (Elfwing et al., 2017; Ramachandran et al., 2017)."""
    features = convert(features, name="features")
    return features * math_functions.sigmoid(convert(beta, features.dtype) * features)


@export("nn.gelu", v1=[])
def gelu(features: Any, approximate: bool = False, name: str | None = None) -> Any:
    """Gaussian error linear units: features times the normal distribution function (Hendrycks, Gimpel, 2016).

    Args:
      features: a floating tensor.
      approximate: True uses the tanh approximation.
      name: name scope of the operations in a graph.

    Raises:
      ValueError: `features` is not floating.
    """
    with name_scope(name, "Gelu"):
        features = convert(features, name="features")
        if not features.dtype.is_floating:
            raise ValueError("`features.dtype` must be a floating point tensor. Received: features.dtype="
                             f"{features.dtype}")
        if approximate:
            inner = 0.7978845608028654 * (features + 0.044715 * math_arithmetic.pow(features, 3))
            return 0.5 * features * (1.0 + math_functions.tanh(inner))
        return 0.5 * features * (1.0 + math_special.erf(features / 1.4142135623730951))


def _along_axis(card: Any, logits: Any, axis: int | None, name: str | None) -> Any:
    """Applies a last-axis operation along any axis."""
    logits = convert(logits, name="logits")
    rank = logits.shape.rank
    if axis is None:
        axis = -1
    if axis == -1 or (rank is not None and axis == rank - 1):
        return card(logits, name=name)
    if rank is None:
        raise ValueError("softmax along an axis that is not the last needs logits of known rank")
    if not -rank <= axis < rank:
        raise invalid(f"`axis` ({axis}) must be in the range [-{rank}, {rank}) for a tensor of rank {rank}")
    axis %= rank
    order = list(range(rank))
    order[axis], order[-1] = order[-1], order[axis]
    permutation = np.array(order, np.int32)
    with name_scope(name, card.name):
        return CARDS["Transpose"](card(CARDS["Transpose"](logits, permutation)), permutation)


@export("nn.softmax", "math.softmax", v1=[])
def softmax(logits: Any, axis: int | None = None, name: str | None = None) -> Any:
    """exp(logits) / sum(exp(logits)) along an axis.

    Args:
      logits: a floating tensor.
      axis: the axis to sum over; the last one when None.
      name: name of the operation in a graph.

    >>> import everflow as tf
    >>> tf.nn.softmax([1., 1.]).numpy()
    array([0.5, 0.5], dtype=float32)
    """
    return _along_axis(Softmax, logits, axis, name)


@export("nn.log_softmax", "math.log_softmax", v1=[])
def log_softmax(logits: Any, axis: int | None = None, name: str | None = None) -> Any:
    """logits - log(sum(exp(logits))) along an axis, the last one when None."""
    return _along_axis(LogSoftmax, logits, axis, name)


def _old_axis(axis: int | None, dim: int | None) -> int | None:
    if dim is not None:
        if axis is not None:
            raise ValueError("Cannot specify both 'dim' and 'axis'")
        return dim
    return axis


@export(v1=["nn.softmax", "math.softmax"])
def softmax_v1(logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None) -> Any:
    """exp(logits) / sum(exp(logits)) along an axis; `dim` is the older name of `axis`."""
    return softmax(logits, _old_axis(axis, dim), name)


@export(v1=["nn.log_softmax", "math.log_softmax"])
def log_softmax_v1(logits: Any, axis: int | None = None, name: str | None = None, dim: int | None = None) -> Any:
    """logits - log(sum(exp(logits))) along an axis; `dim` is the older name of `axis`."""
    return log_softmax(logits, _old_axis(axis, dim), name)


@export(v1=["nn.relu_layer"])
def relu_layer(x: Any, weights: Any, biases: Any, name: str | None = None) -> Any:
    """relu(x @ weights + biases)."""
    with name_scope(name, "relu_layer"):
        return relu(CARDS["BiasAdd"](linalg_products.matmul(x, weights), biases))
