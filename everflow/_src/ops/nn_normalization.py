"""Biases, moments, and normalization by them; lookups of embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import CARDS, Attr, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops import clipping, linalg_products, math_arithmetic, math_functions
from everflow._src.ops.naming import name_scope
from everflow._src.ops.nn_windows import is_channels_first
from everflow._src.ops.reductions import compiled_sum
from everflow._src.runtime.failures import invalid

_FLOATS = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64)

# ---- biases


def _bias_add(xp: Any, value: Any, bias: Any, *, data_format: str) -> Any:
    if value.ndim < 2:
        raise invalid(f"Input tensor must be at least 2D: {list(value.shape)}")
    if bias.ndim != 1:
        raise invalid(f"Biases must be 1D: {list(bias.shape)}")
    first = is_channels_first(data_format)
    channels = value.shape[1 if first else -1]
    if bias.shape[0] != channels:
        raise invalid(f"Must provide as many biases as the last dimension of the input tensor: {list(bias.shape)} vs. "
                      f"{list(value.shape)}")
    return value + (bias.reshape(-1, *[1] * (value.ndim - 2)) if first else bias)


def _bias_shape(op: Any) -> TensorShape:
    shape, bias = op._inputs[0]._shape, shapes.with_rank(op._inputs[1]._shape, 1)
    if shape.rank is None:
        return shape
    if shape.rank < 2:
        raise ValueError(f"Shape must be at least rank 2 but is rank {shape.rank}")
    dims = shape.as_list()
    axis = 1 if is_channels_first(op._attrs["data_format"]) else len(dims) - 1
    count = bias.as_list()[0]
    if dims[axis] is not None and count is not None and dims[axis] != count:
        raise ValueError(f"Dimensions must be equal, but are {dims[axis]} and {count}")
    dims[axis] = dims[axis] if dims[axis] is not None else count
    return TensorShape(dims)


def _bias_gradient_axes(ndim: int, data_format: str) -> tuple[int, ...]:
    return (0, *range(2, ndim)) if is_channels_first(data_format) else tuple(range(ndim - 1))


def _bias_add_grad(xp: Any, dy: Any, *, data_format: str) -> Any:
    work = dy.astype(np.float32) if np.dtype(dy.dtype).itemsize == 2 else dy
    axes = _bias_gradient_axes(dy.ndim, data_format)
    total = work.sum(axis=axes, dtype=work.dtype) if xp is np else compiled_sum(xp, work, axes)
    return total.astype(dy.dtype)


def _bias_grad_shape(op: Any) -> TensorShape:
    shape = op._inputs[0]._shape
    if shape.rank is None:
        return TensorShape([None])
    return TensorShape([shape.as_list()[1 if is_channels_first(op._attrs["data_format"]) else -1]])


def _bias_grad_gradient(ddb: Any, *, out_backprop_shape: Any, data_format: str) -> Any:
    static = out_backprop_shape.static
    if is_channels_first(data_format):
        rank = static.rank
        ddb = CARDS["Reshape"](ddb, np.array([1, -1, *[1] * (rank - 2)], np.int32))
    return CARDS["BroadcastTo"](ddb, out_backprop_shape.tensor())


def _bias_joins(unfinished: Any, position: int, others: Any, attrs: Any) -> Any:
    first = is_channels_first(attrs["data_format"])
    return None if first or position != 0 or others[0].ndim != 1 else unfinished.plus(others[0])


BiasAdd = op(
    "BiasAdd", "value: T, bias: T -> output: T", T=dtypes.NUMERIC, data_format="NHWC", kernel=_bias_add,
    shape=_bias_shape, joins=_bias_joins,
    gradient=lambda dy, *, data_format: (dy, BiasAddGrad(dy, data_format=data_format)),
    sample=lambda: ([np.ones((2, 3), np.float32), np.array([1.0, 2.0, 3.0], np.float32)], {}),
    doc="Adds a bias to each channel.",
)
BiasAddV1 = op(
    "BiasAddV1", "value: T, bias: T -> output: T", T=dtypes.NUMERIC,
    kernel=lambda xp, value, bias: _bias_add(xp, value, bias, data_format="NHWC"),
    shape=lambda op: op._inputs[0]._shape, gradient=lambda dy: (dy, BiasAddGrad(dy)),
    sample=lambda: ([np.ones((2, 3), np.float32), np.array([1.0, 2.0, 3.0], np.float32)], {}),
    doc="Adds a bias to each channel.",
)
BiasAddGrad = op(
    "BiasAddGrad", "out_backprop: T -> output: T", T=dtypes.NUMERIC, data_format="NHWC", kernel=_bias_add_grad,
    shape=_bias_grad_shape, gradient=_bias_grad_gradient, sample=lambda: ([np.ones((2, 3), np.float32)], {}),
    doc="The gradient of BiasAdd by the bias.",
)


@export("nn.bias_add", v1=["nn.bias_add"])
def bias_add(value: Any, bias: Any, data_format: str | None = None, name: str | None = None) -> Any:
    """Adds `bias`, one number per channel, to `value`.

    Args:
      value: shape [batch, ..., channels].
      bias: shape [channels], of the same dtype.
      data_format: "NHWC" (and shorter or longer) or "NCHW", where the channels come second.
      name: name of the operation in a graph.

    Raises:
      ValueError: `data_format` is neither.

    >>> import everflow as tf
    >>> tf.nn.bias_add([[1., 2.]], [10., 20.]).numpy()
    array([[11., 22.]], dtype=float32)
    """
    if data_format is None:
        data_format = "NHWC"
    elif data_format.startswith("NC"):
        data_format = "NCHW"
    elif data_format.startswith("N") and data_format.endswith("C"):
        data_format = "NHWC"
    else:
        raise ValueError(f"`data_format` must be of the form `N...C` or `NC...`. Received: data_format={data_format}")
    return BiasAdd(value, bias, data_format=data_format, name=name)  # type: ignore[operator]


@export(v1=["nn.xw_plus_b"])
def xw_plus_b(x: Any, weights: Any, biases: Any, name: str | None = None) -> Any:
    """x @ weights + biases."""
    with name_scope(name, "xw_plus_b") as scope:
        return BiasAdd(linalg_products.matmul(x, weights), biases, name=scope or None)  # type: ignore[operator]


# ---- moments


def _reduce(card: str, x: Any, axes: Any, keep: bool, name: str | None = None) -> Any:
    return CARDS[card](x, axes, keep_dims=keep, name=name)


def _axes(axes: Any, x: Any) -> Any:
    if axes is None:
        return np.arange(x.shape.rank, dtype=np.int32)
    if hasattr(axes, "dtype"):
        return axes
    return np.array(axes if isinstance(axes, (list, tuple, range)) else [axes], np.int32)


def _moments(x: Any, axes: Any, keepdims: bool, name: str | None) -> tuple[Any, Any]:
    with name_scope(name, "moments"):
        x = convert(x, name="x")
        half = x.dtype in (dtypes.float16, dtypes.bfloat16)
        y = CARDS["Cast"](x, DstT=dtypes.float32) if half else x
        axes = _axes(axes, y)
        mean = _reduce("Mean", y, axes, True, "mean")
        difference = CARDS["SquaredDifference"](y, CARDS["StopGradient"](mean))
        variance = _reduce("Mean", difference, axes, keepdims, "variance")
        if not keepdims:
            mean = CARDS["Squeeze"](mean, squeeze_dims=[int(a) for a in np.atleast_1d(np.asarray(axes))]) \
                if isinstance(axes, np.ndarray) and axes.size else _reduce("Mean", y, axes, False)
        if half:
            mean, variance = CARDS["Cast"](mean, DstT=x.dtype), CARDS["Cast"](variance, DstT=x.dtype)
        return mean, variance


@export("nn.moments", v1=[])
def moments(x: Any, axes: Any, shift: Any = None, keepdims: bool = False, name: str | None = None) -> tuple[Any, Any]:
    """Mean and variance of `x` over `axes`.

    Args:
      x: a floating tensor.
      axes: axes to reduce over.
      shift: accepted; the mean is subtracted in any case.
      keepdims: True keeps the reduced axes with length 1.
      name: name scope of the operations in a graph.

    >>> import everflow as tf
    >>> mean, variance = tf.nn.moments(tf.constant([1., 3.]), axes=[0])
    >>> float(mean), float(variance)
    (2.0, 1.0)
    """
    return _moments(x, axes, keepdims, name)


@export(v1=["nn.moments"])
def moments_v1(x: Any, axes: Any, shift: Any = None, name: str | None = None, keep_dims: bool | None = None,
               keepdims: bool | None = None) -> tuple[Any, Any]:
    """Mean and variance of `x` over `axes`; `keep_dims` is the older name of `keepdims`."""
    return _moments(x, axes, bool(keepdims if keepdims is not None else keep_dims), name)


def _weighted(x: Any, axes: Any, weights: Any, keepdims: bool, name: str | None) -> tuple[Any, Any]:
    with name_scope(name, "weighted_moments"):
        x = convert(x, name="x")
        weights = convert(weights, name="frequency_weights")
        half = x.dtype in (dtypes.float16, dtypes.bfloat16)
        result_dtype = x.dtype
        if half:
            x = CARDS["Cast"](x, DstT=dtypes.float32)
        if weights.dtype != x.dtype:
            weights = CARDS["Cast"](weights, DstT=x.dtype)
        axes = _axes(axes, x)
        weighted_sum = _reduce("Sum", weights * x, axes, True)
        # Weights that are broadcast count once per element of x.
        total = _reduce("Sum", weights + CARDS["ZerosLike"](x), axes, True)
        mean = weighted_sum / total
        variance = _reduce("Sum", weights * CARDS["SquaredDifference"](x, mean), axes, True) / total
        if not keepdims:
            dims = [int(a) for a in np.atleast_1d(np.asarray(axes))]
            mean, variance = (CARDS["Squeeze"](t, squeeze_dims=dims) for t in (mean, variance))
        if half:
            mean, variance = (CARDS["Cast"](t, DstT=result_dtype) for t in (mean, variance))
        return mean, variance


@export("nn.weighted_moments", v1=[])
def weighted_moments(x: Any, axes: Any, frequency_weights: Any, keepdims: bool = False, name: str | None = None
                     ) -> tuple[Any, Any]:
    """Mean and variance of `x` over `axes`, each element counted `frequency_weights` times."""
    return _weighted(x, axes, frequency_weights, keepdims, name)


@export(v1=["nn.weighted_moments"])
def weighted_moments_v1(x: Any, axes: Any, frequency_weights: Any, name: str | None = None,
                        keep_dims: bool | None = None, keepdims: bool | None = None) -> tuple[Any, Any]:
    """Mean and variance of `x` over `axes`, each element counted `frequency_weights` times."""
    return _weighted(x, axes, frequency_weights, bool(keepdims if keepdims is not None else keep_dims), name)


def _sufficient(x: Any, axes: Any, shift: Any, keepdims: bool, name: str | None) -> tuple[Any, ...]:
    axes = list(dict.fromkeys(axes))
    with name_scope(name, "sufficient_statistics"):
        x = convert(x, name="x")
        dims = x.shape.as_list() if x.shape.rank is not None else None
        if dims is not None and all(dims[a] is not None for a in axes):
            count = convert(float(np.prod([dims[a] for a in axes])), x.dtype, name="count")
        else:
            picked = CARDS["GatherV2"](CARDS["Shape"](x), np.array(axes, np.int32), np.array(0, np.int32))
            count = CARDS["Prod"](CARDS["Cast"](picked, DstT=x.dtype), np.array([0], np.int32))
        where = np.array(axes, np.int32)
        if shift is not None:
            shift = convert(shift, x.dtype, name="shift")
            mean_ss = _reduce("Sum", x - shift, where, keepdims, "mean_ss")
            variance_ss = _reduce("Sum", CARDS["SquaredDifference"](x, shift), where, keepdims, "var_ss")
        else:
            mean_ss = _reduce("Sum", x, where, keepdims, "mean_ss")
            variance_ss = _reduce("Sum", CARDS["Square"](x), where, keepdims, "var_ss")
        return count, mean_ss, variance_ss, shift


@export("nn.sufficient_statistics", v1=[])
def sufficient_statistics(x: Any, axes: Sequence[int], shift: Any = None, keepdims: bool = False,
                          name: str | None = None) -> tuple[Any, ...]:
    """Count, sum, sum of squares and shift of `x` over `axes`; see `tf.nn.normalize_moments`."""
    return _sufficient(x, axes, shift, keepdims, name)


@export(v1=["nn.sufficient_statistics"])
def sufficient_statistics_v1(x: Any, axes: Sequence[int], shift: Any = None, keep_dims: bool | None = None,
                             name: str | None = None, keepdims: bool | None = None) -> tuple[Any, ...]:
    """Count, sum, sum of squares and shift of `x` over `axes`."""
    return _sufficient(x, axes, shift, bool(keepdims if keepdims is not None else keep_dims), name)


@export("nn.normalize_moments", v1=["nn.normalize_moments"])
def normalize_moments(counts: Any, mean_ss: Any, variance_ss: Any, shift: Any, name: str | None = None
                      ) -> tuple[Any, Any]:
    """Mean and variance from sufficient statistics."""
    with name_scope(name, "normalize"):
        divisor = CARDS["Reciprocal"](counts, name="divisor")
        if shift is not None:
            shifted = math_arithmetic.multiply(mean_ss, divisor, name="shifted_mean")
            mean = math_arithmetic.add(shifted, shift, name="mean")
        else:
            shifted = mean = math_arithmetic.multiply(mean_ss, divisor, name="mean")
        variance = math_arithmetic.subtract(math_arithmetic.multiply(variance_ss, divisor),
                                            CARDS["Square"](shifted), name="variance")
        return mean, variance


# ---- batch normalization


@export("nn.batch_normalization", v1=["nn.batch_normalization"])
def batch_normalization(x: Any, mean: Any, variance: Any, offset: Any, scale: Any, variance_epsilon: float,
                        name: str | None = None) -> Any:
    """scale * (x - mean) / sqrt(variance + variance_epsilon) + offset (Ioffe, Szegedy, 2015).

    `offset` and `scale` may be None.
    """
    with name_scope(name, "batchnorm"):
        factor = math_functions.rsqrt(math_arithmetic.add(variance, variance_epsilon))
        if scale is not None:
            factor = factor * scale
        x = convert(x)
        shift = offset - mean * factor if offset is not None else -mean * factor
        factor = convert(factor)
        factor = factor if factor.dtype == x.dtype else CARDS["Cast"](factor, DstT=x.dtype)
        shift = convert(shift)
        shift = shift if shift.dtype == x.dtype else CARDS["Cast"](shift, DstT=x.dtype)
        return x * factor + shift


@export("nn.batch_norm_with_global_normalization", v1=[])
def batch_norm_with_global_normalization(input: Any, mean: Any, variance: Any, beta: Any, gamma: Any,
                                         variance_epsilon: float, scale_after_normalization: bool,
                                         name: str | None = None) -> Any:
    """Batch normalization of images with given moments; see `tf.nn.batch_normalization`."""
    return batch_normalization(input, mean, variance, beta, gamma if scale_after_normalization else None,
                               variance_epsilon, name)


@export(v1=["nn.batch_norm_with_global_normalization"])
def batch_norm_with_global_normalization_v1(
    t: Any = None, m: Any = None, v: Any = None, beta: Any = None, gamma: Any = None, variance_epsilon: Any = None,
    scale_after_normalization: Any = None, name: str | None = None, input: Any = None, mean: Any = None,
    variance: Any = None,
) -> Any:
    """Batch normalization of images with given moments."""
    return batch_norm_with_global_normalization(
        t if input is None else input, m if mean is None else mean, v if variance is None else variance, beta, gamma,
        variance_epsilon, scale_after_normalization, name)


# ---- local response normalization


def _lrn_norm(xp: Any, x: Any, depth_radius: int, bias: float, alpha: float) -> Any:
    squares = x * x
    padded = xp.pad(squares, [(0, 0)] * (x.ndim - 1) + [(depth_radius, depth_radius)])
    total = None
    for offset in range(2 * depth_radius + 1):
        part = padded[..., offset:offset + x.shape[-1]]
        total = part if total is None else total + part
    return np.asarray(bias, x.dtype) + np.asarray(alpha, x.dtype) * total


def _lrn(xp: Any, x: Any, *, depth_radius: int, bias: float, alpha: float, beta: float) -> Any:
    if x.ndim != 4:
        raise invalid(f"in must be 4-dimensional, received shape {list(x.shape)}")
    work = x.astype(np.float32)
    return (work * _lrn_norm(xp, work, depth_radius, bias, alpha) ** np.float32(-beta)).astype(x.dtype)


def _lrn_grad(xp: Any, dy: Any, x: Any, y: Any, *, depth_radius: int, bias: float, alpha: float, beta: float) -> Any:
    work, grad = x.astype(np.float32), dy.astype(np.float32)
    norm = _lrn_norm(xp, work, depth_radius, bias, alpha)
    ratio = grad * y.astype(np.float32) / norm
    padded = xp.pad(ratio, [(0, 0)] * 3 + [(depth_radius, depth_radius)])
    total = None
    for offset in range(2 * depth_radius + 1):
        part = padded[..., offset:offset + x.shape[-1]]
        total = part if total is None else total + part
    return (grad * norm ** np.float32(-beta) - np.float32(2 * alpha * beta) * work * total).astype(x.dtype)


_LRN_TYPES = Attr("type", dtypes.float32, allowed=(dtypes.float16, dtypes.bfloat16, dtypes.float32))
_LRN_ATTRS: dict[str, Any] = {"depth_radius": 5, "bias": 1.0, "alpha": 1.0, "beta": 0.5}


def _lrn_sample() -> np.ndarray:
    return np.random.RandomState(0).randn(1, 2, 2, 7).astype(np.float32)


LRN = op(
    "LRN", "input: T -> output: T", T=_LRN_TYPES, **_LRN_ATTRS, kernel=_lrn,
    shape=lambda op: shapes.with_rank(op._inputs[0]._shape, 4),
    gradient=lambda dy, *, input, output, depth_radius, bias, alpha, beta: LRNGrad(
        dy, input, output, depth_radius=depth_radius, bias=bias, alpha=alpha, beta=beta),
    sample=lambda: ([_lrn_sample()], {}), doc="Local response normalization (Krizhevsky et al., 2012).",
)
LRNGrad = op(
    "LRNGrad", "input_grads: T, input_image: T, output_image: T -> output: T", T=_LRN_TYPES, **_LRN_ATTRS,
    kernel=_lrn_grad, shape=shapes.merged, no_gradient="TensorFlow has none either",
    sample=lambda: ([_lrn_sample(), _lrn_sample(), _lrn_sample()], {}), doc="The gradient of LRN.",
)


@export("nn.local_response_normalization", "nn.lrn", v1=["nn.local_response_normalization", "nn.lrn"])
def local_response_normalization(input: Any, depth_radius: int = 5, bias: float = 1, alpha: float = 1,
                                 beta: float = 0.5, name: str | None = None) -> Any:
    """Divides each element by (bias + alpha * sum of squares of neighbouring channels) ** beta.

    Args:
      input: images of shape [batch, height, width, channels].
      depth_radius: how many channels to each side count as neighbours.
      bias: see above.
      alpha: see above.
      beta: see above.
      name: name of the operation in a graph.
    """
    return LRN(input, depth_radius=depth_radius, bias=float(bias), alpha=float(alpha),  # type: ignore[operator]
               beta=float(beta), name=name)


# ---- embeddings


def _lookup(params: Any, ids: Any, partition_strategy: str, name: str | None, max_norm: Any) -> Any:
    parts = list(params) if isinstance(params, (list, tuple)) or type(params).__name__ == "PartitionedVariable" \
        else [params]
    if not parts:
        raise ValueError("Argument `params` should not be empty.")
    with name_scope(name, "embedding_lookup"):
        if len(parts) == 1:
            return _clip(_gather(parts[0], ids), ids, max_norm)
        ids = convert(ids, name="ids")
        flat = CARDS["Reshape"](ids, np.array([-1], np.int32))
        count = len(parts)
        if partition_strategy == "mod":
            where, inner = flat % count, flat // count
        elif partition_strategy == "div":
            total = sum(int(p.shape.as_list()[0]) for p in parts)
            per, extras = total // count, total % count
            where = CARDS["Maximum"](flat // (per + 1), (flat - extras) // per)
            inner = CARDS["SelectV2"](where < extras, flat % (per + 1), (flat - extras) % per)
        else:
            raise ValueError(f"Only 'mod' and 'div' are supported partition strategies. Received: {partition_strategy}")
        where = CARDS["Cast"](where, DstT=dtypes.int32)
        inner_ids = CARDS["DynamicPartition"](inner, where, num_partitions=count)
        positions = CARDS["DynamicPartition"](
            CARDS["Range"](0, CARDS["Size"](flat), 1), where, num_partitions=count)
        rows = [_gather(p, i) for p, i in zip(parts, inner_ids)]
        result = CARDS["DynamicStitch"](list(positions), rows)
        shape = CARDS["ConcatV2"]([CARDS["Shape"](ids), CARDS["Shape"](result)[1:]], 0)
        return _clip(CARDS["Reshape"](result, shape), ids, max_norm)


def _gather(params: Any, ids: Any) -> Any:
    if hasattr(params, "sparse_read"):
        return CARDS["Identity"](params.sparse_read(ids))
    return CARDS["Identity"](CARDS["GatherV2"](params, ids, np.array(0, np.int32)))


def _clip(rows: Any, ids: Any, max_norm: Any) -> Any:
    if max_norm is None:
        return rows
    ids = convert(ids)
    if ids.shape.rank is not None and rows.shape.rank is not None:
        axes: Any = list(range(ids.shape.rank, rows.shape.rank))
    else:
        axes = CARDS["Range"](CARDS["Rank"](ids), CARDS["Rank"](rows), 1)
    return clipping.clip_by_norm(rows, max_norm, axes=axes)


@export("nn.embedding_lookup", v1=[])
def embedding_lookup(params: Any, ids: Any, max_norm: Any = None, name: str | None = None) -> Any:
    """Rows of `params`, one per id.

    Args:
      params: a tensor or variable, or a list of them that together hold the rows ("div" partitioned).
      ids: integers of any shape.
      max_norm: rows are clipped to this norm when given.
      name: name scope of the operations in a graph.

    Raises:
      ValueError: `params` is empty.

    >>> import everflow as tf
    >>> tf.nn.embedding_lookup(tf.constant([[1.], [2.]]), [1, 0]).numpy()
    array([[2.],
           [1.]], dtype=float32)
    """
    return _lookup(params, ids, "div", name, max_norm)


@export(v1=["nn.embedding_lookup"])
def embedding_lookup_v1(params: Any, ids: Any, partition_strategy: str = "mod", name: str | None = None,
                        validate_indices: bool = True, max_norm: Any = None) -> Any:
    """Rows of `params`, one per id; `params` may be partitioned by "mod" or "div"."""
    return _lookup(params, ids, partition_strategy, name, max_norm)
