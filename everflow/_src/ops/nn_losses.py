"""Cross entropies and other losses of `tf.nn`."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import CARDS, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops import math_arithmetic, math_functions
from everflow._src.ops.constants import constant_of
from everflow._src.ops.naming import name_scope
from everflow._src.ops.nn_activations import Select, log_softmax, softmax
from everflow._src.runtime.failures import invalid

_FLOATS = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64)
_INDEX = (dtypes.int32, dtypes.int64)


def _work(x: Any) -> Any:
    return x.astype(np.float32) if np.dtype(x.dtype).itemsize == 2 else x


def _log_probabilities(xp: Any, logits: Any) -> tuple[Any, Any]:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    exponentials = xp.exp(shifted)
    total = exponentials.sum(axis=-1, keepdims=True)
    return shifted - xp.log(total), exponentials / total


def _cross_entropy(xp: Any, features: Any, labels: Any) -> tuple[Any, Any]:
    if features.ndim != 2 or labels.ndim > 2:
        raise invalid("logits and labels must be either 2-dimensional, or broadcasted to be 2-dimensional")
    dtype = features.dtype
    features, labels = xp.broadcast_arrays(_work(features), _work(labels))
    if features.shape[-1] == 0:
        return xp.zeros(features.shape[:1], dtype), xp.zeros(features.shape, dtype)
    logs, probabilities = _log_probabilities(xp, features)
    # A label of zero contributes nothing, even where the logarithm is minus infinity.
    parts = xp.where(labels == 0, xp.zeros((), logs.dtype), labels * logs)
    return (-parts.sum(axis=-1)).astype(dtype), (probabilities - labels).astype(dtype)


def _cross_entropy_shapes(op: Any) -> list[TensorShape]:
    dims = shapes.broadcast_dims(op._inputs[0]._shape._dims, op._inputs[1]._shape._dims)
    if dims is None:
        return [TensorShape([None]), TensorShape([None, None])]
    if len(dims) != 2:
        raise ValueError(f"Shape must be rank 2 but is rank {len(dims)}")
    return [TensorShape(dims[:1]), TensorShape(dims)]


def _column(x: Any) -> Any:
    return CARDS["ExpandDims"](x, np.array(-1, np.int32))


def _with_second_order(dloss: Any, dbackprop: Any, features: Any, backprop: Any) -> Any:
    """The gradient by the logits: of the loss, and of the gradient of the loss."""
    gradient = _column(dloss) * backprop if dloss is not None else None
    if dbackprop is not None:
        probabilities = softmax(features)
        inner = CARDS["Sum"](dbackprop * probabilities, np.array([-1], np.int32), keep_dims=True)
        second = (dbackprop - inner) * probabilities
        gradient = second if gradient is None else gradient + second
    return gradient


def _cross_entropy_gradient(dloss: Any, dbackprop: Any, *, features: Any, backprop: Any) -> tuple[Any, Any]:
    by_labels = _column(dloss) * -log_softmax(features) if dloss is not None else None
    return _with_second_order(dloss, dbackprop, features, backprop), by_labels


_cross_entropy_gradient.accepts_none = True  # type: ignore[attr-defined]

SoftmaxCrossEntropyWithLogits = op(
    "SoftmaxCrossEntropyWithLogits", "features: T, labels: T -> loss: T, backprop: T", T=_FLOATS,
    kernel=_cross_entropy, shape=_cross_entropy_shapes, gradient=_cross_entropy_gradient,
    sample=lambda: ([np.array([[0.5, -1.0, 2.0], [0.1, 0.2, 0.3]], np.float32),
                     np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]], np.float32)], {}),
    doc="Cross entropy of softmax(features) with labels, and its gradient by the features.",
)


def _sparse_cross_entropy(xp: Any, features: Any, labels: Any) -> tuple[Any, Any]:
    if features.ndim != 2:
        raise invalid(f"logits must be 2-D, but got shape {list(features.shape)}")
    if labels.ndim != 1 or labels.shape[0] != features.shape[0]:
        raise invalid(f"logits and labels must have the same first dimension, got logits shape {list(features.shape)} "
                      f"and labels shape {list(labels.shape)}")
    dtype, classes = features.dtype, features.shape[1]
    if xp is np and labels.size and (labels.min() < 0 or labels.max() >= classes):
        bad = labels[(labels < 0) | (labels >= classes)][0]
        raise invalid(f"Received a label value of {bad} which is outside the valid range of [0, {classes}).  Label "
                      f"values: {' '.join(map(str, labels[:64]))}")
    logs, probabilities = _log_probabilities(xp, _work(features))
    rows = xp.arange(labels.shape[0])
    hot = xp.asarray(labels)[:, None] == xp.arange(classes, dtype=labels.dtype)[None, :]
    loss = -logs[rows, labels]
    backprop = probabilities - hot.astype(probabilities.dtype)
    if xp is not np:  # compiled code cannot raise: what is wrong becomes NaN, as TensorFlow's GPU code has it
        valid = (labels >= 0) & (labels < classes)
        loss = xp.where(valid, loss, xp.asarray(np.nan, loss.dtype))
        backprop = xp.where(valid[:, None], backprop, xp.asarray(np.nan, backprop.dtype))
    return loss.astype(dtype), backprop.astype(dtype)


def _sparse_shapes(op: Any) -> list[TensorShape]:
    features = shapes.with_rank(op._inputs[0]._shape, 2)
    labels = shapes.with_rank(op._inputs[1]._shape, 1)
    batch = TensorShape(features.as_list()[:1]).merge_with(labels)
    return [batch, batch.concatenate(features.as_list()[1:])]


def _sparse_gradient(dloss: Any, dbackprop: Any, *, features: Any, backprop: Any) -> tuple[Any, None]:
    return _with_second_order(dloss, dbackprop, features, backprop), None


_sparse_gradient.accepts_none = True  # type: ignore[attr-defined]

SparseSoftmaxCrossEntropyWithLogits = op(
    "SparseSoftmaxCrossEntropyWithLogits", "features: T, labels: Tlabels -> loss: T, backprop: T", T=_FLOATS,
    Tlabels=_INDEX, kernel=_sparse_cross_entropy, shape=_sparse_shapes, gradient=_sparse_gradient,
    sample=lambda: ([np.array([[0.5, -1.0, 2.0], [0.1, 0.2, 0.3]], np.float32), np.array([2, 0], np.int32)], {}),
    doc="Cross entropy of softmax(features) with class indices, and its gradient by the features.",
)


def _l2(xp: Any, t: Any) -> Any:
    work = _work(t)
    return (xp.sum(work * work) / 2).astype(t.dtype)


L2Loss = op(
    "L2Loss", "t: T -> output: T", T=_FLOATS, kernel=_l2, shape=shapes.scalar,
    gradient=lambda dy, *, t: t * dy, sample=lambda: ([np.array([1.0, -2.0], np.float32)], {}),
    doc="Half the sum of squares.",
)


@export("nn.l2_loss", v1=["nn.l2_loss"])
def l2_loss(t: Any, name: str | None = None) -> Any:
    """Half the sum of squares of `t`: sum(t ** 2) / 2.

    >>> import everflow as tf
    >>> tf.nn.l2_loss([3., 4.]).numpy()
    12.5
    """
    return L2Loss(t, name=name)  # type: ignore[operator]


# ---- softmax


def _dense_loss(labels: Any, logits: Any, axis: int, name: str | None, stop: bool) -> Any:
    with name_scope(name, "softmax_cross_entropy_with_logits") as scope:
        logits = convert(logits, name="logits")
        labels = convert(labels, logits.dtype if not hasattr(labels, "dtype") else None, name="labels")
        if stop:
            labels = CARDS["StopGradient"](labels)
        half = logits.dtype in (dtypes.float16, dtypes.bfloat16)
        precise = CARDS["Cast"](logits, DstT=dtypes.float32) if half else logits
        if labels.dtype != precise.dtype:
            labels = CARDS["Cast"](labels, DstT=precise.dtype)
        rank = precise.shape.rank
        if rank is not None and axis not in (-1, rank - 1):
            order = [i for i in range(rank) if i != axis % rank] + [axis % rank]
            permutation: Any = np.array(order, np.int32)
        else:
            permutation = _axis_last(precise, axis) if rank is None and axis != -1 else None
        if permutation is not None:
            precise, labels = CARDS["Transpose"](precise, permutation), CARDS["Transpose"](labels, permutation)
        outer = precise.shape.as_list()[:-1] if rank is not None else None
        if rank == 2 and labels.shape.rank == 2:
            loss = SoftmaxCrossEntropyWithLogits(precise, labels, name=scope or name)[0]  # type: ignore[operator]
        else:
            flat, flat_labels = _flatten_outer(precise), _flatten_outer(labels)
            loss = SoftmaxCrossEntropyWithLogits(flat, flat_labels, name=scope or name)[0]  # type: ignore[operator]
            if outer is not None and None not in outer:
                loss = CARDS["Reshape"](loss, np.array(outer, np.int32))
            else:
                loss = CARDS["Reshape"](loss, CARDS["Shape"](precise)[:-1])
            if outer is not None:
                loss.set_shape(outer)
        return CARDS["Cast"](loss, DstT=logits.dtype) if half else loss


def _axis_last(x: Any, axis: int) -> Any:
    """The permutation that puts `axis` last, for a tensor whose rank is known only when it runs."""
    zero, one = np.int32(0), np.int32(1)
    rank = CARDS["Rank"](x)
    axis = CARDS["FloorMod"](np.int32(axis), rank)
    before, after = CARDS["Range"](zero, axis, one), CARDS["Range"](axis + one, rank, one)
    return CARDS["ConcatV2"]([before, after, CARDS["ExpandDims"](axis, zero)], zero)


def _flatten_outer(x: Any) -> Any:
    last = x.shape.as_list()[-1] if x.shape.rank is not None else None
    if last is not None:
        return CARDS["Reshape"](x, np.array([-1, last], np.int32))
    return CARDS["Reshape"](x, CARDS["Pack"]([-1, CARDS["Shape"](x)[-1]]))


@export("nn.softmax_cross_entropy_with_logits", v1=[])
def softmax_cross_entropy_with_logits(labels: Any, logits: Any, axis: int = -1, name: str | None = None) -> Any:
    """Cross entropy between labels and softmax(logits).

    Args:
      labels: probabilities of the classes, of the shape of `logits`.
      logits: unscaled log probabilities.
      axis: the axis of the classes.
      name: name of the operation in a graph.

    Returns:
      One loss per element, without the axis of the classes.

    >>> import everflow as tf
    >>> tf.nn.softmax_cross_entropy_with_logits(labels=[[1., 0.]], logits=[[0., 0.]]).numpy()
    array([0.6931472], dtype=float32)
    """
    return _dense_loss(labels, logits, axis, name, False)


@export(v1=["nn.softmax_cross_entropy_with_logits_v2"])
def softmax_cross_entropy_with_logits_v2(labels: Any, logits: Any, axis: int | None = None, name: str | None = None,
                                         dim: int | None = None) -> Any:
    """Cross entropy between labels and softmax(logits); gradients flow to the labels too."""
    return _dense_loss(labels, logits, -1 if axis is None and dim is None else axis if dim is None else dim, name,
                       False)


@export(v1=["nn.softmax_cross_entropy_with_logits"])
def softmax_cross_entropy_with_logits_v1(_sentinel: Any = None, labels: Any = None, logits: Any = None,
                                         dim: int = -1, name: str | None = None, axis: int | None = None) -> Any:
    """Cross entropy between labels and softmax(logits); no gradient flows to the labels."""
    _check_named("softmax_cross_entropy_with_logits", _sentinel, labels, logits)
    return _dense_loss(labels, logits, dim if axis is None else axis, name, True)


def _check_named(name: str, sentinel: Any, labels: Any, logits: Any) -> None:
    if sentinel is not None:
        raise ValueError(f"Only call `{name}` with named arguments (labels=..., logits=..., ...). Received unnamed "
                         f"argument: {sentinel}")
    if labels is None or logits is None:
        raise ValueError(f"Both `labels` and `logits` must be provided. Received: labels={labels} and logits={logits}")


def _sparse_loss(labels: Any, logits: Any, name: str | None) -> Any:
    with name_scope(name, "SparseSoftmaxCrossEntropyWithLogits") as scope:
        labels = convert(labels, name="labels")
        logits = convert(logits, name="logits")
        rank = logits.shape.rank
        if rank == 0:
            raise ValueError(f"`logits` cannot be a scalar. Received logits={logits}`")
        if rank is not None and labels.shape.rank is not None and labels.shape.rank != rank - 1:
            raise ValueError(f"`labels.shape.rank` must equal `logits.shape.rank - 1`. Received: labels.shape="
                             f"{labels.shape} of rank {labels.shape.rank} and logits.shape={logits.shape} of rank "
                             f"{rank}")
        static = labels.shape
        if rank is not None and not static.is_compatible_with(logits.shape[:-1]):
            raise ValueError(f"`labels.shape` must equal `logits.shape` except for the last dimension. Received: "
                             f"labels.shape={static} and logits.shape={logits.shape}")
        half = logits.dtype in (dtypes.float16, dtypes.bfloat16)
        precise = CARDS["Cast"](logits, DstT=dtypes.float32) if half else logits
        label = scope or name
        if rank == 2:
            loss = SparseSoftmaxCrossEntropyWithLogits(precise, labels, name=label)[0]  # type: ignore[operator]
        else:
            flat = CARDS["Reshape"](labels, np.array([-1], np.int32))
            loss = SparseSoftmaxCrossEntropyWithLogits(_flatten_outer(precise), flat, name=label)[0]  # type: ignore
            loss = CARDS["Reshape"](loss, CARDS["Shape"](labels))
            loss.set_shape(static)
        return CARDS["Cast"](loss, DstT=logits.dtype) if half else loss


@export("nn.sparse_softmax_cross_entropy_with_logits", v1=[])
def sparse_softmax_cross_entropy_with_logits(labels: Any, logits: Any, name: str | None = None) -> Any:
    """Cross entropy between class indices and softmax(logits).

    Args:
      labels: integers of shape [...], each in [0, classes).
      logits: unscaled log probabilities of shape [..., classes].
      name: name of the operation in a graph.

    Raises:
      ValueError: the shapes do not fit.
      tf.errors.InvalidArgumentError: a label is out of range.

    >>> import everflow as tf
    >>> tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[0], logits=[[0., 0.]]).numpy()
    array([0.6931472], dtype=float32)
    """
    return _sparse_loss(labels, logits, name)


@export(v1=["nn.sparse_softmax_cross_entropy_with_logits"])
def sparse_softmax_cross_entropy_with_logits_v1(_sentinel: Any = None, labels: Any = None,
                                                logits: Any = None, name: str | None = None) -> Any:
    """Cross entropy between class indices and softmax(logits), with named arguments."""
    _check_named("sparse_softmax_cross_entropy_with_logits", _sentinel, labels, logits)
    return _sparse_loss(labels, logits, name)


# ---- sigmoid


def _sigmoid_loss(labels: Any, logits: Any, name: str | None) -> Any:
    with name_scope(name, "logistic_loss"):
        logits = convert(logits, name="logits")
        labels = convert(labels, logits.dtype if not hasattr(labels, "dtype") else None, name="labels")
        if not labels.shape.is_compatible_with(logits.shape):
            raise ValueError(f"`logits` and `labels` must have the same shape, received ({logits.shape} vs "
                             f"{labels.shape}).")
        # max(x, 0) - x z + log(1 + exp(-|x|)), with selections so that gradients of both orders are right at 0.
        zeros = CARDS["ZerosLike"](logits)
        positive = logits >= zeros
        relu_logits = Select(positive, logits, zeros)
        negative_absolute = Select(positive, -logits, logits)
        return math_arithmetic.add(relu_logits - logits * labels,
                                   math_functions.log1p(math_functions.exp(negative_absolute)))


@export("nn.sigmoid_cross_entropy_with_logits", v1=[])
def sigmoid_cross_entropy_with_logits(labels: Any = None, logits: Any = None, name: str | None = None) -> Any:
    """Cross entropy between labels in [0, 1] and sigmoid(logits), element-wise.

    Raises:
      ValueError: the shapes differ.

    >>> import everflow as tf
    >>> tf.nn.sigmoid_cross_entropy_with_logits(labels=[1.], logits=[0.]).numpy()
    array([0.6931472], dtype=float32)
    """
    return _sigmoid_loss(labels, logits, name)


@export(v1=["nn.sigmoid_cross_entropy_with_logits"])
def sigmoid_cross_entropy_with_logits_v1(_sentinel: Any = None, labels: Any = None, logits: Any = None,
                                         name: str | None = None) -> Any:
    """Cross entropy between labels in [0, 1] and sigmoid(logits), with named arguments."""
    _check_named("sigmoid_cross_entropy_with_logits", _sentinel, labels, logits)
    return _sigmoid_loss(labels, logits, name)


@export("nn.weighted_cross_entropy_with_logits", v1=[])
def weighted_cross_entropy_with_logits(labels: Any, logits: Any, pos_weight: Any, name: str | None = None) -> Any:
    """Sigmoid cross entropy in which positive labels count `pos_weight` times.

    Raises:
      ValueError: the shapes differ.
    """
    with name_scope(name, "logistic_loss"):
        logits = convert(logits, name="logits")
        labels = convert(labels, logits.dtype if not hasattr(labels, "dtype") else None, name="labels")
        if not labels.shape.is_compatible_with(logits.shape):
            raise ValueError(f"`logits` and `labels` must have the same shape, received ({logits.shape} vs "
                             f"{labels.shape}).")
        weight = (pos_weight - 1) * labels + 1
        smooth = math_functions.log1p(math_functions.exp(-math_arithmetic.abs(logits)))
        return (1 - labels) * logits + weight * (smooth + _relu_of_negative(logits))


def _relu_of_negative(logits: Any) -> Any:
    return CARDS["Relu"](-logits)


@export(v1=["nn.weighted_cross_entropy_with_logits"])
def weighted_cross_entropy_with_logits_v1(labels: Any = None, logits: Any = None, pos_weight: Any = None,
                                          name: str | None = None, targets: Any = None) -> Any:
    """Sigmoid cross entropy in which positive labels count `pos_weight` times; `targets` is the older `labels`."""
    return weighted_cross_entropy_with_logits(labels if targets is None else targets, logits, pos_weight, name)


@export("nn.log_poisson_loss", v1=[])
def log_poisson_loss(targets: Any, log_input: Any, compute_full_loss: bool = False, name: str | None = None) -> Any:
    """Negative log likelihood of Poisson targets: exp(c) - z c, plus Stirling's term when asked for.

    Raises:
      ValueError: the shapes differ.
    """
    with name_scope(name, "log_poisson_loss"):
        log_input = convert(log_input, name="log_input")
        targets = convert(targets, log_input.dtype if not hasattr(targets, "dtype") else None, name="targets")
        if not targets.shape.is_compatible_with(log_input.shape):
            raise ValueError(f"`log_input` and `targets` must have the same shape, received ({log_input.shape} vs "
                             f"{targets.shape}).")
        result = math_functions.exp(log_input) - log_input * targets
        if compute_full_loss:
            two_pi = constant_of(2 * np.pi, targets.dtype)
            stirling = targets * math_functions.log(targets) - targets + 0.5 * math_functions.log(two_pi * targets)
            zeros, ones = CARDS["ZerosLike"](targets), CARDS["OnesLike"](targets)
            inside = CARDS["LogicalAnd"](targets >= zeros, targets <= ones)
            result = result + Select(inside, zeros, stirling)
        return result


@export(v1=["nn.log_poisson_loss"])
def log_poisson_loss_v1(targets: Any, log_input: Any, compute_full_loss: bool = False, name: str | None = None) -> Any:
    """Negative log likelihood of Poisson targets."""
    return log_poisson_loss(targets, log_input, compute_full_loss, name)


