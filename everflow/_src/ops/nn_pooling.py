"""The pooling cards: maxima and averages over windows, and their gradients.

Gradients go to the first maximum of a window, as TensorFlow's do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value_as_shape
from everflow._src.framework.registry import CARDS, STRING, Attr, Card, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops import nn_windows as geometry
from everflow._src.runtime.failures import invalid
from everflow._src.runtime.native import pooling as native
from everflow._src.runtime.unfinished import Unfinished, where_positive

_FLOATS = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64)


class _Pool:
    """Sizes of one pooling operation (channels last)."""

    def __init__(self, x_shape: Sequence[int], ksize: Sequence[int], strides: Sequence[int], padding: str,
                 explicit: Sequence[int], data_format: str) -> None:
        self.windows = geometry.spatial(ksize, data_format)
        self.strides = geometry.spatial(strides, data_format)
        geometry.check_strides(self.strides, "pooling")
        if any(k <= 0 for k in self.windows):
            raise invalid(f"Sliding window ksize must be positive, received {list(ksize)}")
        self.dilations = (1,) * len(self.windows)
        self.sizes = tuple(x_shape[1:-1])
        self.pads = geometry.paddings(self.sizes, self.windows, self.strides, self.dilations, padding, explicit,
                                      data_format)
        self.outputs = geometry.output_sizes(self.sizes, self.windows, self.strides, self.dilations, self.pads)
        if any(o <= 0 for o in self.outputs) and all(s > 0 for s in self.sizes):
            raise invalid(f"Computed output size would be negative or zero: windows {self.windows} over {self.sizes}")
        self.padded = tuple(s + b + a for s, (b, a) in zip(self.sizes, self.pads))

    def slice_at(self, offset: Sequence[int]) -> tuple[slice, ...]:
        return geometry.offset_slice(offset, self.outputs, self.strides, self.dilations)


def _arrays(first: Any) -> Any:
    """The functions on arrays of what a kernel got: NumPy, or jax."""
    return np if first is np else first.numpy


def _lowest(dtype: Any) -> Any:
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":
        return np.iinfo(dtype).min
    return dtype.type(-np.inf)


def _pad(xp: Any, x: Any, pool: _Pool, value: Any) -> Any:
    if not any(b or a for b, a in pool.pads):
        return x
    return xp.pad(x, [(0, 0), *pool.pads, (0, 0)], constant_values=value)


def _natively(kind: int, first: Any, pool: _Pool, x_shape: Sequence[int], *operands: Any,
              otherwise: Callable[..., Any]) -> Any:
    """What the native kernels compute, or `otherwise` of the operands; `first` is NumPy or jax."""
    if first is np:
        x, y, dy = (None, None, *operands) if kind == native.AVERAGE_GRADIENT else (*operands, None, None)[:3]
        found = native.eager(kind, pool, x_shape, x, y, dy)
    else:
        found = native.compiled(kind, first, pool, x_shape, *operands, otherwise=otherwise)
    return otherwise(*operands) if found is None else found


def _max(first: Any, x: Any, pool: _Pool) -> Any:
    return _natively(native.MAXIMUM, first, pool, x.shape, x,
                     otherwise=lambda x: _max_by_parts(_arrays(first), x, pool))


def _max_by_parts(xp: Any, x: Any, pool: _Pool) -> Any:
    padded = _pad(xp, x, pool, _lowest(x.dtype))
    result = None
    for offset in geometry.offsets(pool.windows):
        part = padded[pool.slice_at(offset)]
        result = part if result is None else xp.maximum(result, part)
    return xp.asarray(result) if xp is not np else np.ascontiguousarray(result)


def _first_maxima(xp: Any, padded: Any, y: Any, pool: _Pool) -> Any:
    """(offset, mask) pairs: where the maximum of a window is at that offset, and at no earlier one."""
    taken = None
    for offset in geometry.offsets(pool.windows):
        hit = padded[pool.slice_at(offset)] == y
        if taken is None:
            taken = hit
        else:
            hit = xp.logical_and(hit, xp.logical_not(taken))
            taken = xp.logical_or(taken, hit)
        yield offset, hit


def _max_gradient(first: Any, x: Any, y: Any, dy: Any, pool: _Pool) -> Any:
    return _natively(native.MAXIMUM_GRADIENT, first, pool, x.shape, x, y, dy,
                     otherwise=lambda x, y, dy: _max_gradient_by_parts(first, x, y, dy, pool))


def _unfinished_max_gradient(jax: Any, x: Any, y: Any, dy: Any, pool: _Pool) -> Unfinished:
    """The gradient, held back: where a rectifier's result was pooled, its gradient is had in the same go."""

    def compute(positive: Any = None) -> Any:
        is_pooled = positive is x

        def otherwise(x: Any, y: Any, dy: Any) -> Any:
            result = _max_gradient_by_parts(jax, x, y, dy, pool)
            return where_positive(jax.numpy, x, result) if is_pooled else result

        result = native.compiled(native.MAXIMUM_GRADIENT, jax, pool, x.shape, x, y, dy, otherwise=otherwise,
                                 positive=is_pooled)
        return result if positive is None or is_pooled else where_positive(jax.numpy, positive, result)

    return Unfinished(x.shape, dy.dtype, compute, ("positive",))


def _max_gradient_by_parts(first: Any, x: Any, y: Any, dy: Any, pool: _Pool) -> Any:
    xp = _arrays(first)
    padded = _pad(xp, x, pool, _lowest(x.dtype))
    zero = xp.zeros((), dy.dtype)
    if xp is np:
        result = np.zeros(padded.shape, dy.dtype)
        for offset, mask in _first_maxima(np, padded, y, pool):
            result[pool.slice_at(offset)] += np.where(mask, dy, zero)
        return np.ascontiguousarray(geometry.crop(result, pool.pads))
    total = None
    for offset, mask in _first_maxima(xp, padded, y, pool):
        part = geometry.place(first, xp.where(mask, dy, zero), offset, pool.padded, pool.strides, pool.dilations)
        total = part if total is None else total + part
    return geometry.crop(total, pool.pads)


def _max_gradient_gradient(xp: Any, x: Any, y: Any, ddx: Any, pool: _Pool) -> Any:
    """Picks, per window, what stands where its maximum is."""
    padded = _pad(xp, x, pool, _lowest(x.dtype))
    source = _pad(xp, ddx, pool, 0)
    total = None
    for offset, mask in _first_maxima(xp, padded, y, pool):
        part = xp.where(mask, source[pool.slice_at(offset)], xp.zeros((), ddx.dtype))
        total = part if total is None else total + part
    return total


def _counts(pool: _Pool) -> np.ndarray:
    """How many elements of each window are no padding."""
    count = np.ones((), np.float64)
    for axis, (size, window, stride, (before, _), outputs) in enumerate(
        zip(pool.sizes, pool.windows, pool.strides, pool.pads, pool.outputs)
    ):
        starts = np.arange(outputs) * stride - before
        sizes = np.minimum(starts + window, size) - np.maximum(starts, 0)
        shape = [1] * len(pool.windows)
        shape[axis] = outputs
        count = count * sizes.reshape(shape)
    return count[None, ..., None]


def _average(first: Any, x: Any, pool: _Pool) -> Any:
    return _natively(native.AVERAGE, first, pool, x.shape, x,
                     otherwise=lambda x: _average_by_parts(_arrays(first), x, pool))


def _average_by_parts(xp: Any, x: Any, pool: _Pool) -> Any:
    work = np.float32 if np.dtype(x.dtype).itemsize == 2 else np.dtype(x.dtype)
    padded = _pad(xp, x, pool, 0).astype(work)
    total = None
    for offset in geometry.offsets(pool.windows):
        part = padded[pool.slice_at(offset)]
        total = part if total is None else total + part
    return (total / _counts(pool).astype(work)).astype(x.dtype)


def _average_gradient(first: Any, sizes: Sequence[int], dy: Any, pool: _Pool) -> Any:
    return _natively(native.AVERAGE_GRADIENT, first, pool, sizes, dy,
                     otherwise=lambda dy: _average_gradient_by_parts(first, sizes, dy, pool))


def _average_gradient_by_parts(first: Any, sizes: Sequence[int], dy: Any, pool: _Pool) -> Any:
    xp = _arrays(first)
    share = (dy / _counts(pool).astype(dy.dtype)).astype(dy.dtype)
    if xp is np:
        result = np.zeros((sizes[0], *pool.padded, sizes[-1]), dy.dtype)
        for offset in geometry.offsets(pool.windows):
            result[pool.slice_at(offset)] += share
        return np.ascontiguousarray(geometry.crop(result, pool.pads))
    total = None
    for offset in geometry.offsets(pool.windows):
        part = geometry.place(first, share, offset, pool.padded, pool.strides, pool.dilations)
        total = part if total is None else total + part
    return geometry.crop(total, pool.pads)


def _pool_shape(op: Any) -> TensorShape:
    data_format = op._attrs.get("data_format", "NHWC")
    shape = op._inputs[0]._shape
    ksize = op._attrs["ksize"]
    channels = None
    if shape.rank is not None and shape.rank == len(ksize):
        channels = shape.as_list()[1 if geometry.is_channels_first(data_format) else -1]
    windows = geometry.spatial(ksize, data_format)
    return geometry.static_output(
        shape, windows, geometry.spatial(op._attrs["strides"], data_format), (1,) * len(windows), op._attrs["padding"],
        op._attrs.get("explicit_paddings", ()), data_format, channels,
    )


def _check_depth(ksize: Sequence[int], strides: Sequence[int], data_format: str) -> None:
    channel = 1 if geometry.is_channels_first(data_format) else len(ksize) - 1
    if ksize[channel] != 1 or strides[channel] != 1:
        raise NotImplementedError("Depthwise max pooling (windows over channels) is not in everflow yet")
    if ksize[0] != 1 or strides[0] != 1:
        raise NotImplementedError("Pooling is not yet supported on the batch dimension.")


def _family(dims: int, suffix: str, data_format: str) -> dict[str, Card]:
    """The cards of one rank."""
    names = ("ksize", "strides", "padding", "data_format") + (("explicit_paddings",) if dims == 2 else ())
    attrs: dict[str, Any] = {
        "ksize": Attr("list(int)"), "strides": Attr("list(int)"), "padding": STRING, "data_format": data_format,
    }
    explicit = {"explicit_paddings": Attr("list(int)", ())} if dims == 2 else {}
    max_types = (*_FLOATS, dtypes.int32, dtypes.int64, dtypes.uint8, dtypes.int16, dtypes.int8, dtypes.uint16)
    window = [1, *[2] * dims, 1]
    sample_attrs = {"ksize": window, "strides": window, "padding": "SAME"}

    def sample_x() -> np.ndarray:
        return np.random.RandomState(0).permutation(2 * 5 ** dims * 3).reshape(2, *[5] * dims, 3).astype(np.float32)

    def pooled(x_shape: Sequence[int], a: dict[str, Any]) -> _Pool:
        _check_depth(a["ksize"], a["strides"], a["data_format"])
        return _Pool(x_shape, a["ksize"], a["strides"], a["padding"], a.get("explicit_paddings", ()), a["data_format"])

    def wrap(function: Any, with_explicit: bool = True) -> Any:
        if dims == 2 and with_explicit:
            def kernel(first: Any, *inputs: Any, ksize: Any, strides: Any, padding: Any, data_format: Any,
                       explicit_paddings: Any) -> Any:
                return function(first, inputs, {
                    "ksize": ksize, "strides": strides, "padding": padding, "data_format": data_format,
                    "explicit_paddings": explicit_paddings})
        else:
            def kernel(first: Any, *inputs: Any, ksize: Any, strides: Any,  # type: ignore[misc]
                       padding: Any, data_format: Any) -> Any:
                return function(first, inputs, {
                    "ksize": ksize, "strides": strides, "padding": padding, "data_format": data_format})
        return kernel

    def last(xp: Any, x: Any, a: dict[str, Any]) -> Any:
        return geometry.to_channels_last(xp, x, a["data_format"])

    def back(xp: Any, x: Any, a: dict[str, Any]) -> Any:
        return geometry.from_channels_last(xp, x, a["data_format"])

    def check_rank(x: Any) -> None:
        if x.ndim != dims + 2:
            raise invalid(f"tensor_in must be {dims + 2}-dimensional, received shape {list(x.shape)}")

    def maximum(first: Any, inputs: Any, a: dict[str, Any]) -> Any:
        check_rank(inputs[0])
        xp = _arrays(first)
        x = last(xp, inputs[0], a)
        return back(xp, _max(first, x, pooled(x.shape, a)), a)

    def maximum_grad(first: Any, inputs: Any, a: dict[str, Any]) -> Any:
        xp = _arrays(first)
        x, y, dy = (last(xp, t, a) for t in inputs)
        pool, is_last = pooled(x.shape, a), x is inputs[0]
        if first is not np and is_last and native.compiles(native.MAXIMUM_GRADIENT, first, x.dtype, pool, x.shape):
            return _unfinished_max_gradient(first, x, y, dy, pool)
        return back(xp, _max_gradient(first, x, y, dy, pool), a)

    def maximum_grad_grad(xp: Any, inputs: Any, a: dict[str, Any]) -> Any:
        x, y, ddx = (last(xp, t, a) for t in inputs)
        return back(xp, _max_gradient_gradient(xp, x, y, ddx, pooled(x.shape, a)), a)

    def average(first: Any, inputs: Any, a: dict[str, Any]) -> Any:
        check_rank(inputs[0])
        xp = _arrays(first)
        x = last(xp, inputs[0], a)
        return back(xp, _average(first, x, pooled(x.shape, a)), a)

    def average_grad(first: Any, inputs: Any, a: dict[str, Any]) -> Any:
        xp = _arrays(first)
        sizes = [int(s) for s in inputs[0]]
        if geometry.is_channels_first(a["data_format"]):
            sizes = [sizes[0], *sizes[2:], sizes[1]]
        return back(xp, _average_gradient(first, sizes, last(xp, inputs[1], a), pooled(sizes, a)), a)

    def options(op: Any, *left_out: str) -> dict[str, Any]:
        return {n: op._attrs[n] for n in names if n not in left_out}

    cards: dict[str, Card] = {}
    max_name, grad_name, grad_grad_name = (
        f"MaxPool{suffix}", f"MaxPool{suffix}Grad", f"MaxPool{suffix}GradGrad")
    in_types = {"TInput": _FLOATS} if dims == 3 else {}
    grad_signature = ("orig_input: TInput, orig_output: TInput, grad: T -> output: T" if dims == 3
                      else "orig_input: T, orig_output: T, grad: T -> output: T")

    cards["max"] = op(
        max_name, "input: T -> output: T", T=max_types if dims == 2 else _FLOATS, **attrs, **explicit,
        kernel=wrap(maximum), xla=wrap(maximum), shape=_pool_shape,
        gradient=lambda dy, *, op: cards["max_grad"](op.inputs[0], op.outputs[0], dy, **options(op)),
        sample=lambda: ([sample_x()], sample_attrs), doc="The maximum of each window.",
    )
    cards["max_grad"] = op(
        grad_name, grad_signature, T=max_types if dims == 2 else _FLOATS, **in_types, **attrs, **explicit,
        kernel=wrap(maximum_grad), xla=wrap(maximum_grad), shape=shapes.unchanged,
        gradient=lambda dy, *, op: (
            CARDS["ZerosLike"](op.inputs[0]), CARDS["ZerosLike"](op.inputs[1]),
            cards["max_grad_grad"](op.inputs[0], op.inputs[1], dy, **options(op, "explicit_paddings"))),
        sample=lambda: ([sample_x(), _sample_max(sample_x(), window), np.ones_like(_sample_max(sample_x(), window))],
                        sample_attrs),
        doc="The gradient of the maximum of each window: to the first maximum.",
    )
    cards["max_grad_grad"] = op(
        grad_grad_name, "orig_input: T, orig_output: T, grad: T -> output: T", T=max_types if dims == 2 else _FLOATS,
        **attrs, kernel=wrap(maximum_grad_grad, False), shape=shapes.like_input(1),
        gradient=lambda dy, *, op: (
            None, None, cards["max_grad"](op.inputs[0], op.inputs[1], dy, **options(op, "explicit_paddings"))),
        sample=lambda: ([sample_x(), _sample_max(sample_x(), window), sample_x()], sample_attrs),
        doc="What stands where the maximum of each window is.",
    )
    cards["avg"] = op(
        f"AvgPool{suffix}", "value: T -> output: T" if dims == 2 else "input: T -> output: T", T=_FLOATS, **attrs,
        kernel=wrap(average, False), xla=wrap(average, False), shape=_pool_shape,
        gradient=lambda dy, *, op: cards["avg_grad"](
            CARDS["Shape"](op.inputs[0]), dy, **options(op, "explicit_paddings")),
        sample=lambda: ([sample_x() / 10], sample_attrs), doc="The average of each window, without padding.",
    )
    cards["avg_grad"] = op(
        f"AvgPool{suffix}Grad", "orig_input_shape: int32, grad: T -> output: T", T=_FLOATS, **attrs,
        kernel=wrap(average_grad, False), xla=wrap(average_grad, False), static=("orig_input_shape",),
        shape=lambda op: shapes.with_rank(constant_value_as_shape(op._inputs[0]), dims + 2),
        gradient=lambda dy, *, op: (None, cards["avg"](dy, **options(op, "explicit_paddings"))),
        sample=lambda: ([np.array([2, *[5] * dims, 3], np.int32), np.ones((2, *[3] * dims, 3), np.float32)],
                        sample_attrs),
        doc="The gradient of the average of each window.",
    )
    return cards


def _sample_max(x: np.ndarray, window: Sequence[int]) -> np.ndarray:
    return _max(np, x, _Pool(x.shape, window, window, "SAME", (), "NHWC"))


_two, _three = _family(2, "", "NHWC"), _family(3, "3D", "NDHWC")
MaxPool, MaxPoolGrad, MaxPoolGradGrad, AvgPool, AvgPoolGrad = (
    _two[k] for k in ("max", "max_grad", "max_grad_grad", "avg", "avg_grad"))
MaxPool3D, MaxPool3DGrad, MaxPool3DGradGrad, AvgPool3D, AvgPool3DGrad = (
    _three[k] for k in ("max", "max_grad", "max_grad_grad", "avg", "avg_grad"))


# ---- maxima with their positions


def _argmax_parts(xp: Any, x: Any, ksize: Any, strides: Any, padding: str, include_batch: bool, index_dtype: Any
                  ) -> tuple[Any, Any]:
    pool = _Pool(x.shape, ksize, strides, padding, (), "NHWC")
    batch, height, width, channels = x.shape
    flat = np.arange(height * width * channels, dtype=np.int64).reshape(1, height, width, channels)
    if include_batch:
        flat = flat + (np.arange(batch, dtype=np.int64) * (height * width * channels)).reshape(-1, 1, 1, 1)
    flat = np.broadcast_to(flat, x.shape)
    y = _max_by_parts(xp, x, pool) if xp is not np else _max(np, x, pool)
    padded = _pad(xp, x, pool, _lowest(x.dtype))
    positions = _pad(xp, xp.asarray(flat), pool, -1)
    result = xp.zeros(y.shape, np.int64)
    for offset, mask in _first_maxima(xp, padded, y, pool):
        result = xp.where(mask, positions[pool.slice_at(offset)], result)
    return y, result.astype(index_dtype.numpy_dtype)


MaxPoolWithArgmax = op(
    "MaxPoolWithArgmax", "input: T -> output: T, argmax: Targmax", T=_FLOATS,
    Targmax=Attr("type", dtypes.int64, allowed=(dtypes.int32, dtypes.int64)), ksize=Attr("list(int)"),
    strides=Attr("list(int)"), padding=STRING, include_batch_in_index=False,
    kernel=lambda xp, x, *, ksize, strides, padding, include_batch_in_index, Targmax: _argmax_parts(
        xp, x, ksize, strides, padding, include_batch_in_index, Targmax),
    shape=lambda op: [_pool_shape(op)] * 2,
    gradient=lambda dy, dargmax, *, op: MaxPoolGrad(
        op.inputs[0], op.outputs[0], dy, ksize=op._attrs["ksize"], strides=op._attrs["strides"],
        padding=op._attrs["padding"]),
    sample=lambda: ([np.random.RandomState(0).permutation(2 * 25 * 3).reshape(2, 5, 5, 3).astype(np.float32)],
                    {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "SAME"}),
    doc="The maximum of each window, and where it stands.",
)
