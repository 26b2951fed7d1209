"""Batch normalization of images in one operation, and its gradient (Ioffe, Szegedy, 2015)."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.by_name import cards
from everflow._src.ops.nn_windows import is_channels_first
from everflow._src.runtime.failures import invalid
from everflow._src.runtime.native import channels as native
from everflow._src.runtime.unfinished import Unfinished

_FLOATS = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64)
_SCALES = (dtypes.bfloat16, dtypes.float32, dtypes.float64)
_ATTRS: dict[str, Any] = {"epsilon": 0.0001, "data_format": "NHWC", "is_training": True}


def _channel_form(ndim: int, data_format: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Axes to reduce over, and the shape that lines a vector up with the channels."""
    if is_channels_first(data_format):
        return (0, *range(2, ndim)), (1, -1, *[1] * (ndim - 2))
    return tuple(range(ndim - 1)), (-1,)


# ---- the three loops over images that normalization is made of


class _Images:
    """Images of one shape and format, and how sums over their channels are taken.

    `jax` is None for NumPy arrays.
    """

    def __init__(self, jax: Any, x: Any, data_format: str) -> None:
        if x.ndim not in (4, 5):
            raise invalid(f"input must be 4 or 5-dimensional {list(x.shape)}")
        self.jax = jax
        self.xp = np if jax is None else jax.numpy
        self.axes, self.form = _channel_form(x.ndim, data_format)
        self.count = int(np.prod([x.shape[a] for a in self.axes]))
        self.is_native = jax is not None and not is_channels_first(data_format) and native.serves(jax, x)

    def moments(self, x: Any) -> tuple[Any, Any]:
        """Mean and variance of each channel."""
        def plain(x: Any) -> tuple[Any, Any]:
            mean = x.mean(axis=self.axes, dtype=x.dtype)
            centered = x - mean.reshape(self.form)
            return mean, (centered * centered).mean(axis=self.axes, dtype=x.dtype)

        return native.moments(self.jax, x, plain) if self.is_native else plain(x)

    def products(self, dy: Any, x: Any, mean: Any) -> tuple[Any, Any]:
        """Per channel, the sums of `dy` and of `dy * (x - mean)`."""
        def plain(dy: Any, x: Any, mean: Any) -> tuple[Any, Any]:
            centered = x - mean.reshape(self.form)
            return dy.sum(axis=self.axes, dtype=dy.dtype), (dy * centered).sum(axis=self.axes, dtype=dy.dtype)

        return native.products(self.jax, dy, x, mean, plain) if self.is_native else plain(dy, x, mean)

    def affine(self, x: Any, shift: Any, factor: Any, offset: Any, *addend: Any, relu: bool = False) -> Any:
        """factor * (x - shift) + offset (+ another array, with a factor of its own)."""
        def plain(x: Any, shift: Any, factor: Any, offset: Any, *addend: Any) -> Any:
            vector = functools.partial(self.xp.reshape, shape=self.form)
            y = (x - vector(shift)) * vector(factor) + vector(offset)
            if addend:
                y = y + (addend[0] * vector(addend[1]) if len(addend) > 1 else addend[0])
            return self.xp.maximum(y, self.xp.zeros((), y.dtype)) if relu else y

        if self.is_native:
            return native.affine(self.jax, plain, x, shift, factor, offset, *addend, relu=relu)
        return plain(x, shift, factor, offset, *addend)


# ---- forward


def _fused(jax: Any, x: Any, scale: Any, offset: Any, mean: Any, variance: Any, epsilon: float,
           exponential_avg_factor: float, data_format: str, is_training: bool) -> tuple[Any, ...]:
    images = _Images(jax, x, data_format)
    xp, dtype = images.xp, scale.dtype
    work = x.astype(dtype)
    if is_training:
        used_mean, used_variance = images.moments(work)
        unbiased = used_variance * np.asarray(images.count / max(images.count - 1, 1), dtype)
        new_mean, new_variance = used_mean, unbiased
        if exponential_avg_factor != 1.0:
            factor = np.asarray(exponential_avg_factor, dtype)
            new_mean = mean * (1 - factor) + used_mean * factor
            new_variance = variance * (1 - factor) + unbiased * factor
    else:
        used_mean, used_variance = new_mean, new_variance = mean, variance
    factor = scale / xp.sqrt(used_variance + np.asarray(epsilon, dtype))

    def compute(addend: Any = None, relu: bool = False) -> Any:
        rest = () if addend is None else (addend,)
        return images.affine(work, used_mean, factor, offset, *rest, relu=relu)

    if images.is_native and x.dtype == dtype:
        y: Any = Unfinished(x.shape, x.dtype, compute, ("addend", "relu"))
    else:
        y = compute().astype(x.dtype)
    return (y, *(v.astype(dtype) for v in (new_mean, new_variance, used_mean, used_variance)), xp.zeros((), dtype))


def _fused_joins(unfinished: Any, position: int, others: Any, attrs: dict[str, Any]) -> Any:
    """Normalization by given moments, of what a convolution is about to compute."""
    scale, offset, mean, variance = others
    if position != 0 or attrs["is_training"] or is_channels_first(attrs["data_format"]):
        return None
    if scale.dtype != unfinished.dtype:
        return None
    factor = scale * (variance + np.asarray(attrs["epsilon"], scale.dtype)) ** np.asarray(-0.5, scale.dtype)
    y = unfinished.scaled(mean, factor, offset)
    return None if y is None else (y, mean, variance, mean, variance, np.zeros((), scale.dtype))


def _fused_kernel(xp: Any, *inputs: Any, epsilon: float, exponential_avg_factor: float, data_format: str,
                  is_training: bool) -> tuple[Any, ...]:
    return _fused(None, *inputs, epsilon, exponential_avg_factor, data_format, is_training)


def _fused_xla(jax: Any, *inputs: Any, epsilon: float, exponential_avg_factor: float, data_format: str,
               is_training: bool) -> tuple[Any, ...]:
    return _fused(jax, *inputs, epsilon, exponential_avg_factor, data_format, is_training)


def _fused_shapes(op: Any) -> list[TensorShape]:
    shape = op._inputs[0]._shape
    channel = _channels(shape, op._attrs["data_format"]).merge_with(shapes.with_rank(op._inputs[1]._shape, 1))
    return [shape, *[channel] * 4, shapes.UNKNOWN_SHAPE]


def _channels(shape: TensorShape, data_format: str) -> TensorShape:
    return TensorShape([None if shape.rank is None else shape.as_list()[1 if is_channels_first(data_format) else -1]])


# ---- gradients


def _vector(x: Any, form: Any) -> Any:
    return x if form is None else cards.Reshape(x, form)


def _fused_gradient(dy: Any, *unused: Any, op: Any) -> tuple[Any, ...]:
    x, scale = op.inputs[0], op.inputs[1]
    attrs = {name: op._attrs[name] for name in _ATTRS}
    if op._attrs["is_training"]:
        mean, variance, reserve = op.outputs[3:6]
        dx, d_scale, d_offset, *_ = FusedBatchNormGradV3(  # type: ignore[operator]
            dy, x, scale, mean, variance, reserve, **attrs)
        return dx, d_scale, d_offset, None, None
    return _inference_gradient(dy, x, scale, op.inputs[3], op.inputs[4], attrs)


def _form_of(x: Any, data_format: str) -> tuple[np.ndarray, np.ndarray | None]:
    rank = x.shape.rank or len(data_format)
    axes, form = _channel_form(rank, data_format)
    return np.array(axes, np.int32), np.array(form, np.int32) if len(form) > 1 else None


def _inference_gradient(dy: Any, x: Any, scale: Any, mean: Any, variance: Any, attrs: dict[str, Any]
                        ) -> tuple[Any, ...]:
    """With given moments: in public operations, which can be differentiated again."""
    dtype, narrow = scale.dtype.base_dtype, x.dtype.base_dtype
    if narrow != dtype:
        x, dy = cards.Cast(x, DstT=dtype), cards.Cast(dy, DstT=dtype)
    axes, form = _form_of(x, attrs["data_format"])
    epsilon = np.array(attrs["epsilon"], dtype.numpy_dtype)
    inverse = cards.Rsqrt(variance + epsilon)
    normalized = (x - _vector(mean, form)) * _vector(inverse, form)
    d_offset = cards.Sum(dy, axes)
    d_scale = cards.Sum(dy * normalized, axes)
    dx = _vector(scale * inverse, form) * dy
    if narrow != dtype:
        dx = cards.Cast(dx, DstT=narrow)
    return dx, d_scale, d_offset, -d_offset * (scale * inverse), d_scale * scale * -0.5 / (variance + epsilon)


def _grad(jax: Any, dy: Any, x: Any, scale: Any, mean: Any, variance: Any, epsilon: float, data_format: str,
          is_training: bool) -> tuple[Any, ...]:
    images = _Images(jax, x, data_format)
    xp, dtype = images.xp, scale.dtype
    work, grad = x.astype(dtype), dy.astype(dtype)
    inverse = 1 / xp.sqrt(variance + np.asarray(epsilon, dtype))
    d_offset, products = images.products(grad, work, mean)
    d_scale = products * inverse
    factor = scale * inverse
    if is_training:
        # dx = factor * (dy - mean(dy) - normalized x * mean(dy * normalized x))
        count = np.asarray(images.count, dtype)
        slope = -factor * inverse * d_scale / count
        dx = images.affine(work, mean, slope, -factor * d_offset / count, grad, factor)
    else:
        dx = grad * factor.reshape(images.form)
    unused = xp.zeros((0,), dtype)
    return dx.astype(x.dtype), d_scale.astype(dtype), d_offset.astype(dtype), unused, unused


def _grad_kernel(xp: Any, dy: Any, x: Any, scale: Any, mean: Any, variance: Any, reserve: Any, *, epsilon: float,
                 data_format: str, is_training: bool) -> tuple[Any, ...]:
    return _grad(None, dy, x, scale, mean, variance, epsilon, data_format, is_training)


def _grad_xla(jax: Any, dy: Any, x: Any, scale: Any, mean: Any, variance: Any, reserve: Any, *, epsilon: float,
              data_format: str, is_training: bool) -> tuple[Any, ...]:
    return _grad(jax, dy, x, scale, mean, variance, epsilon, data_format, is_training)


def _grad_shapes(op: Any) -> list[TensorShape]:
    shape = op._inputs[0]._shape.merge_with(op._inputs[1]._shape)
    channel = _channels(shape, op._attrs["data_format"]).merge_with(shapes.with_rank(op._inputs[2]._shape, 1))
    return [shape, channel, channel, TensorShape([0]), TensorShape([0])]


def _grad_gradient(ddx: Any, dd_scale: Any, dd_offset: Any, *unused: Any, op: Any) -> tuple[Any, ...]:
    """The gradient of the gradient, the moments being functions of `x`.

    With v the inverse deviation, n the normalized x and <.> the mean over a channel of N elements, the gradient is
    dx = s v (dy - <dy> - n <dy n>), d_scale = N <dy n>, d_offset = N <dy>.  Their product with (G, g, h) is
    L = s v N (<G dy> - <dy> <G> - <dy n> <G n>) + g N <dy n> + h N <dy>, which is differentiated by dy, by s, and by x
    through n and through v.
    """
    dy, x, scale, mean, variance = op.inputs[:5]
    attrs = {name: op._attrs[name] for name in _ATTRS}
    dtype, narrow = scale.dtype.base_dtype, x.dtype.base_dtype
    g = ddx
    if narrow != dtype:
        x, dy, g = (cards.Cast(t, DstT=dtype) for t in (x, dy, g))
    axes, form = _form_of(x, attrs["data_format"])
    inverse = cards.Rsqrt(variance + np.array(attrs["epsilon"], dtype.numpy_dtype))

    def wide(vector: Any) -> Any:
        return _vector(vector, form)

    def average(t: Any) -> Any:
        return cards.Mean(t, axes)

    normalized = (x - wide(mean)) * wide(inverse)
    factor = scale * inverse
    if not attrs["is_training"]:
        # dx = s v dy, and n is linear in x.
        d_dy = g * wide(factor) + normalized * wide(dd_scale) + wide(dd_offset)
        d_x = dy * wide(dd_scale * inverse)
        d_s = cards.Sum(g * dy, axes) * inverse
    else:
        count = cards.Cast(cards.Size(x), DstT=dtype) / cards.Cast(cards.Size(scale), DstT=dtype)
        mean_dy, mean_dy_n = average(dy), average(dy * normalized)
        mean_g, mean_g_n = average(g), average(g * normalized)
        together = average(g * dy) - mean_dy * mean_g - mean_dy_n * mean_g_n
        d_dy = (g - wide(mean_g) - normalized * wide(mean_g_n)) * wide(factor) + normalized * wide(dd_scale) \
            + wide(dd_offset)
        d_s = inverse * count * together
        d_n = dy * wide(dd_scale - factor * mean_g_n) - g * wide(factor * mean_dy_n)
        through_v = scale * together * cards.Square(inverse)
        d_x = (d_n - wide(average(d_n)) - normalized * wide(average(d_n * normalized))) * wide(inverse) \
            - normalized * wide(through_v)
    if narrow != dtype:
        d_dy, d_x = cards.Cast(d_dy, DstT=narrow), cards.Cast(d_x, DstT=narrow)
    return d_dy, d_x, d_s, None, None, None


# ---- cards


def _fused_sample() -> Any:
    random = np.random.RandomState(0)
    return ([random.randn(2, 3, 3, 2).astype(np.float32), np.array([1.0, 2.0], np.float32),
             np.array([0.5, -0.5], np.float32), np.zeros(2, np.float32), np.ones(2, np.float32)], {})


def _grad_sample() -> Any:
    random = np.random.RandomState(1)
    x = random.randn(2, 3, 3, 2).astype(np.float32)
    return ([random.randn(2, 3, 3, 2).astype(np.float32), x, np.array([1.0, 2.0], np.float32), x.mean((0, 1, 2)),
             x.var((0, 1, 2)), np.zeros((), np.float32)], {})


FusedBatchNormV3 = op(
    "FusedBatchNormV3",
    "x: T, scale: U, offset: U, mean: U, variance: U -> y: T, batch_mean: U, batch_variance: U, reserve_space_1: U, "
    "reserve_space_2: U, reserve_space_3: U",
    T=_FLOATS, U=_SCALES, **_ATTRS, exponential_avg_factor=1.0, kernel=_fused_kernel, xla=_fused_xla,
    shape=_fused_shapes, gradient=_fused_gradient, joins=_fused_joins, sample=_fused_sample,
    doc="Batch normalization of images, with their moments.",
)

# TensorFlow writes `scale: float`, which is U there in any case; here images may be in double precision too.
FusedBatchNormGradV3 = op(
    "FusedBatchNormGradV3",
    "y_backprop: T, x: T, scale: U, reserve_space_1: U, reserve_space_2: U, reserve_space_3: U -> x_backprop: T, "
    "scale_backprop: U, offset_backprop: U, reserve_space_4: U, reserve_space_5: U",
    T=_FLOATS, U=_SCALES, **_ATTRS, kernel=_grad_kernel, xla=_grad_xla, shape=_grad_shapes, gradient=_grad_gradient,
    sample=_grad_sample, doc="The gradient of batch normalization.",
)


@export(v1=["nn.fused_batch_norm"])
def fused_batch_norm(x: Any, scale: Any, offset: Any, mean: Any = None, variance: Any = None, epsilon: float = 0.001,
                     data_format: str = "NHWC", is_training: bool = True, name: str | None = None,
                     exponential_avg_factor: float = 1.0) -> tuple[Any, Any, Any]:
    """Batch normalization of images in one operation (Ioffe, Szegedy, 2015).

    Args:
      x: images of shape [batch, height, width, channels], or as `data_format` says.
      scale: one factor per channel.
      offset: one summand per channel.
      mean: the mean per channel to use when not training; the running mean when training with an averaging factor.
      variance: likewise.
      epsilon: added to the variance.
      data_format: "NHWC" or "NCHW".
      is_training: True takes the moments of `x`.
      name: name of the operation in a graph.
      exponential_avg_factor: weight of the new moments in the running ones.

    Returns:
      (normalized images, mean, variance).

    Raises:
      ValueError: moments are missing.
    """
    if (not is_training or exponential_avg_factor != 1.0) and (mean is None or variance is None):
        raise ValueError("Both `mean` and `variance` must be a 1D tensor when `is_training` is False or "
                         f"`exponential_avg_factor` != 1.0. Received: `mean` {mean!r} and `variance` {variance!r}")
    x = convert(x, name="input")
    scale = convert(scale, name="scale")
    if mean is None:
        mean = np.zeros((0,), scale.dtype.numpy_dtype)
    if variance is None:
        variance = np.zeros((0,), scale.dtype.numpy_dtype)
    # As in TensorFlow, so that results agree: cuDNN accepts no smaller epsilon.
    epsilon = max(epsilon, 1.001e-5)
    y, running_mean, running_variance, *_ = FusedBatchNormV3(  # type: ignore[operator]
        x, scale, offset, mean, variance, epsilon=epsilon, exponential_avg_factor=exponential_avg_factor,
        data_format=data_format, is_training=is_training, name=name,
    )
    return y, running_mean, running_variance
