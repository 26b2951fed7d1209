"""The convolution cards: forward, and their gradients by data and by weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value_as_shape
from everflow._src.framework.context import is_needed
from everflow._src.framework.registry import STRING, Attr, Card, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops import nn_windows as geometry
from everflow._src.runtime.failures import invalid

_TYPES = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64)
_CONV2D_TYPES = (*_TYPES, dtypes.int32)


class _Geometry:
    """Sizes of one convolution, worked out from shapes and attrs (channels last)."""

    def __init__(self, x_shape: Sequence[int], w_shape: Sequence[int], strides: Sequence[int],
                 dilations: Sequence[int], padding: str, explicit: Sequence[int], data_format: str) -> None:
        self.strides = geometry.spatial(strides, data_format)
        self.dilations = geometry.spatial(dilations, data_format)
        geometry.check_strides(self.strides, "convolution")
        self.sizes = tuple(x_shape[1:-1])
        self.windows = tuple(w_shape[:-2])
        self.pads = geometry.paddings(self.sizes, self.windows, self.strides, self.dilations, padding, explicit,
                                      data_format)
        self.outputs = geometry.output_sizes(self.sizes, self.windows, self.strides, self.dilations, self.pads)
        channels, per_group = x_shape[-1], w_shape[-2]
        if per_group == 0 or channels % per_group:
            raise invalid(f"input depth must be evenly divisible by filter depth: {channels} vs {per_group}")
        self.groups = channels // per_group
        if w_shape[-1] % self.groups:
            raise invalid(f"output depth must be evenly divisible by number of groups: {w_shape[-1]} vs {self.groups}")


def _compute_dtype(dtype: np.dtype) -> np.dtype:
    """Half precision is accumulated in single precision."""
    return np.dtype(np.float32) if dtype.itemsize == 2 else dtype


def _columns(x: np.ndarray, g: _Geometry) -> np.ndarray:
    """[batch * outputs, windows * channels], a row per window."""
    padded = geometry.pad_spatial(x, g.pads)
    view = geometry.windows_of(padded, g.windows, g.strides, g.dilations, g.outputs)
    rows = x.shape[0] * int(np.prod(g.outputs))
    return view.reshape(rows, int(np.prod(g.windows)) * x.shape[-1])


def _forward(x: np.ndarray, w: np.ndarray, g: _Geometry) -> np.ndarray:
    dtype, work = x.dtype, _compute_dtype(x.dtype)
    x, w = x.astype(work, copy=False), w.astype(work, copy=False)
    count = w.shape[-1]
    if g.groups == 1:
        result = _columns(x, g) @ w.reshape(-1, count)
    else:
        depth, width = w.shape[-2], count // g.groups
        result = np.concatenate([
            _columns(x[..., i * depth:(i + 1) * depth], g) @ w[..., i * width:(i + 1) * width].reshape(-1, width)
            for i in range(g.groups)
        ], axis=-1)
    return result.reshape(x.shape[0], *g.outputs, count).astype(dtype, copy=False)


def _by_data(dy: np.ndarray, w: np.ndarray, x_shape: Sequence[int], g: _Geometry) -> np.ndarray:
    dtype, work = dy.dtype, _compute_dtype(dy.dtype)
    dy, w = dy.astype(work, copy=False), w.astype(work, copy=False)
    sizes = [s + b + a for s, (b, a) in zip(g.sizes, g.pads)]
    padded = np.zeros((x_shape[0], *sizes, x_shape[-1]), work)
    depth, width = w.shape[-2], w.shape[-1] // g.groups
    for i in range(g.groups):
        part = dy[..., i * width:(i + 1) * width]
        kernel = w[..., i * width:(i + 1) * width]
        target = padded[..., i * depth:(i + 1) * depth]
        columns = (part.reshape(-1, width) @ kernel.reshape(-1, width).T).reshape(
            x_shape[0], *g.outputs, *g.windows, depth)
        for offset in geometry.offsets(g.windows):
            where = geometry.offset_slice(offset, g.outputs, g.strides, g.dilations)
            target[where] += columns[(slice(None),) * (1 + len(g.outputs)) + offset]
    return np.ascontiguousarray(geometry.crop(padded, g.pads)).astype(dtype, copy=False)


def _by_weights(x: np.ndarray, dy: np.ndarray, w_shape: Sequence[int], g: _Geometry) -> np.ndarray:
    dtype, work = x.dtype, _compute_dtype(x.dtype)
    x, dy = x.astype(work, copy=False), dy.astype(work, copy=False)
    depth, width = w_shape[-2], w_shape[-1] // g.groups
    parts = []
    for i in range(g.groups):
        columns = _columns(x[..., i * depth:(i + 1) * depth], g)
        part = np.ascontiguousarray(dy[..., i * width:(i + 1) * width]).reshape(-1, width)
        parts.append((columns.T @ part).reshape(*w_shape[:-1], width))
    return (parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)).astype(dtype, copy=False)


# ---- the same through XLA


def _xla_forward(jax: Any, x: Any, w: Any, g: _Geometry) -> Any:
    letters = "DHW"[-len(g.windows):]
    return jax.lax.conv_general_dilated(
        x, w, g.strides, g.pads, rhs_dilation=g.dilations,
        dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"), feature_group_count=g.groups,
    )


def _xla_by_data(jax: Any, dy: Any, w: Any, x_shape: Sequence[int], g: _Geometry) -> Any:
    like = jax.ShapeDtypeStruct(tuple(int(s) for s in x_shape), dy.dtype)
    return jax.linear_transpose(lambda x: _xla_forward(jax, x, w, g), like)(dy)[0]


# More products than this cost more to compile than they save.
_MOST_PRODUCTS = 32
_NARROW = 64


def _products_by_weights(jax: Any, x: Any, dy: Any, w_shape: Sequence[int], g: _Geometry) -> Any:
    """The gradient by weights as matrix products, one per row of the window.

    XLA's own convolution with windows as large as the image is three times slower on a CPU.
    """
    jnp, lax = jax.numpy, jax.lax
    padded = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((b, a, 0) for b, a in g.pads), (0, 0, 0)])
    flat = dy.reshape(-1, w_shape[-1])
    work = jnp.float32 if x.dtype.itemsize == 2 else x.dtype
    taps = list(geometry.offsets(g.windows))
    # Products of very few rows are slow as well: narrow images put all taps into one.
    together = len(taps) if len(taps) * x.shape[-1] <= _NARROW else g.windows[-1]
    parts = []
    for first in range(0, len(taps), together):
        columns = jnp.concatenate([
            padded[geometry.offset_slice(tap, g.outputs, g.strides, g.dilations)]
            for tap in taps[first:first + together]
        ], axis=-1).reshape(-1, together * x.shape[-1])
        parts.append(lax.dot_general(columns, flat, (((0,), (0,)), ((), ())), preferred_element_type=work))
    return jnp.stack(parts).reshape(tuple(int(s) for s in w_shape)).astype(dy.dtype)


def _xla_by_weights(jax: Any, x: Any, dy: Any, w_shape: Sequence[int], g: _Geometry) -> Any:
    few = 0 < np.prod(g.windows[:-1], dtype=int) <= _MOST_PRODUCTS
    if g.groups == 1 and few and g.windows[-1] and jax.default_backend() == "cpu":
        return _products_by_weights(jax, x, dy, w_shape, g)
    like = jax.ShapeDtypeStruct(tuple(int(s) for s in w_shape), dy.dtype)
    return jax.linear_transpose(lambda w: _xla_forward(jax, x, w, g), like)(dy)[0]


# ---- cards


def _conv_shape(op: Any) -> TensorShape:
    filters = op._inputs[1]._shape
    data_format = op._attrs["data_format"]
    rank = len(op._attrs["strides"])
    dims = filters.as_list() if filters.rank is not None else [None] * rank
    if len(dims) != rank:
        raise ValueError(f"Shape must be rank {rank} but is rank {len(dims)}")
    shape = op._inputs[0]._shape
    if shape.rank is not None and shape.rank == rank:
        channels = shape.as_list()[1 if geometry.is_channels_first(data_format) else -1]
        if channels is not None and dims[-2]:
            if channels % dims[-2]:
                raise ValueError(f"Depth of input ({channels}) is not a multiple of input depth of filter ({dims[-2]})")
    return geometry.static_output(
        shape, dims[:-2], geometry.spatial(op._attrs["strides"], data_format),
        geometry.spatial(op._attrs["dilations"], data_format), op._attrs["padding"],
        op._attrs.get("explicit_paddings", ()), data_format, dims[-1],
    )


def _conv_kernels(dims: int) -> dict[str, Any]:
    """NumPy and XLA kernels of the three operations of one rank."""

    def prepare(xp: Any, x: Any, attrs: tuple[Any, ...]) -> Any:
        return geometry.to_channels_last(xp, x, attrs[4])

    def check(x: Any, w: Any) -> None:
        if x.ndim != dims + 2:
            raise invalid(f"input must be {dims + 2}-dimensional: {list(x.shape)}")
        if w.ndim != dims + 2:
            raise invalid(f"filter must be {dims + 2}-dimensional: {list(w.shape)}")

    def forward(xp: Any, x: Any, w: Any, *attrs: Any) -> Any:
        check(x, w)
        x = prepare(xp, x, attrs)
        return geometry.from_channels_last(xp, _forward(x, w, _Geometry(x.shape, w.shape, *attrs)), attrs[4])

    def forward_xla(jax: Any, x: Any, w: Any, *attrs: Any) -> Any:
        check(x, w)
        xp = jax.numpy
        x = prepare(xp, x, attrs)
        return geometry.from_channels_last(xp, _xla_forward(jax, x, w, _Geometry(x.shape, w.shape, *attrs)), attrs[4])

    def data(first: Any, xp: Any, function: Any, sizes: Any, w: Any, dy: Any, attrs: tuple[Any, ...]) -> Any:
        sizes = [int(s) for s in sizes]
        if geometry.is_channels_first(attrs[4]):
            sizes = [sizes[0], *sizes[2:], sizes[1]]
        dy = prepare(xp, dy, attrs)
        g = _Geometry(sizes, w.shape, *attrs)
        if tuple(dy.shape[1:-1]) != tuple(g.outputs):
            raise invalid(f"Conv gradient: size of out_backprop {list(dy.shape)} doesn't match computed: expected "
                          f"spatial sizes {g.outputs}")
        args = (dy, w, sizes, g) if first is None else (first, dy, w, sizes, g)
        return geometry.from_channels_last(xp, function(*args), attrs[4])

    def weights(first: Any, xp: Any, function: Any, x: Any, sizes: Any, dy: Any, attrs: tuple[Any, ...]) -> Any:
        x, dy = prepare(xp, x, attrs), prepare(xp, dy, attrs)
        sizes = [int(s) for s in sizes]
        g = _Geometry(x.shape, sizes, *attrs)
        args = (x, dy, sizes, g) if first is None else (first, x, dy, sizes, g)
        return function(*args)

    return {"forward": forward, "forward_xla": forward_xla, "data": data, "weights": weights}


def _family(forward: str, by_data: str, by_weights: str, dims: int, data_format: str, filter_sizes: bool) -> tuple[
        Card, Card, Card]:
    """The three cards of one rank."""
    kernels = _conv_kernels(dims)
    ones = [1] * (dims + 2)
    attrs: dict[str, Any] = {
        "strides": Attr("list(int)"), "padding": STRING, "data_format": data_format, "dilations": ones,
    }
    if dims == 2:
        attrs |= {"explicit_paddings": Attr("list(int)", ()), "use_cudnn_on_gpu": True}
    size_attr = {"Tshape": Attr("type", dtypes.int32, allowed=(dtypes.int32, dtypes.int64))} if dims == 3 else {}
    size_type = "Tshape" if dims == 3 else "int32"

    def call(kernel: Any) -> Any:
        if dims == 2:
            def wrapped(first: Any, *inputs: Any, strides: Any, dilations: Any, padding: Any, explicit_paddings: Any,
                        data_format: Any) -> Any:
                return kernel(first, *inputs, strides, dilations, padding, explicit_paddings, data_format)
        else:
            def wrapped(first: Any, *inputs: Any, strides: Any, dilations: Any,  # type: ignore[misc]
                        padding: Any, data_format: Any) -> Any:
                return kernel(first, *inputs, strides, dilations, padding, (), data_format)
        return wrapped

    common = ("strides", "padding", "data_format", "dilations", "explicit_paddings")[:5 if dims == 2 else 4]

    def attrs_of(op: Any) -> dict[str, Any]:
        return {name: op._attrs[name] for name in common}

    def gradient(dy: Any, *, op: Any, input_shape: Any, filter_shape: Any) -> tuple[Any, Any]:
        x, w = op.inputs[0], op.inputs[1]
        options = attrs_of(op)
        by_data, by_weights = is_needed(0), is_needed(1)
        return (data_card(input_shape.tensor(), w, dy, **options) if by_data else None,
                weights_card(x, filter_shape.tensor(), dy, **options) if by_weights else None)

    types = _CONV2D_TYPES if dims == 2 else _TYPES
    forward_card = op(
        forward, "input: T, filter: T -> output: T", T=types, **attrs, kernel=call(kernels["forward"]),
        xla=call(kernels["forward_xla"]), shape=_conv_shape, gradient=gradient,
        sample=lambda: ([np.random.RandomState(0).randn(2, *[5] * dims, 3).astype(np.float32),
                         np.random.RandomState(1).randn(*[3] * dims, 3, 4).astype(np.float32)],
                        {"strides": ones, "padding": "SAME"}),
        doc=f"Convolution over {dims} spatial dimensions.",
    )

    def data_gradient(dy: Any, *, op: Any, filter_shape: Any) -> tuple[Any, Any, Any]:
        w, out = op.inputs[1], op.inputs[2]
        options = attrs_of(op)
        return None, weights_card(dy, filter_shape.tensor(), out, **options), forward_card(dy, w, **options)

    data_card = op(
        by_data, f"input_sizes: {size_type}, filter: T, out_backprop: T -> output: T", T=types, **attrs, **size_attr,
        kernel=call(lambda xp, sizes, w, dy, *a: kernels["data"](None, xp, _by_data, sizes, w, dy, a)),
        xla=call(lambda jax, sizes, w, dy, *a: kernels["data"](jax, jax.numpy, _xla_by_data, sizes, w, dy, a)),
        shape=lambda op: shapes.with_rank(constant_value_as_shape(op._inputs[0]), dims + 2), static=("input_sizes",),
        gradient=data_gradient,
        sample=lambda: ([np.array([2, *[5] * dims, 3], np.int32),
                         np.random.RandomState(1).randn(*[3] * dims, 3, 4).astype(np.float32),
                         np.random.RandomState(0).randn(2, *[5] * dims, 4).astype(np.float32)],
                        {"strides": ones, "padding": "SAME"}),
        doc="The gradient of a convolution by its input.",
    )

    def weights_gradient(dw: Any, *, op: Any, input_shape: Any) -> tuple[Any, Any, Any]:
        x, out = op.inputs[0], op.inputs[2]
        options = attrs_of(op)
        return data_card(input_shape.tensor(), dw, out, **options), None, forward_card(x, dw, **options)

    weights_card = op(
        by_weights, "input: T, filter_sizes: int32, out_backprop: T -> output: T", T=types, **attrs,
        kernel=call(lambda xp, x, sizes, dy, *a: kernels["weights"](None, xp, _by_weights, x, sizes, dy, a)),
        xla=call(lambda jax, x, sizes, dy, *a: kernels["weights"](jax, jax.numpy, _xla_by_weights, x, sizes, dy, a)),
        shape=lambda op: shapes.with_rank(constant_value_as_shape(op._inputs[1]), dims + 2), static=("filter_sizes",),
        gradient=weights_gradient,
        sample=lambda: ([np.random.RandomState(0).randn(2, *[5] * dims, 3).astype(np.float32),
                         np.array([*[3] * dims, 3, 4], np.int32),
                         np.random.RandomState(1).randn(2, *[5] * dims, 4).astype(np.float32)],
                        {"strides": ones, "padding": "SAME"}),
        doc="The gradient of a convolution by its filter.",
    )
    return forward_card, data_card, weights_card


Conv2D, Conv2DBackpropInput, Conv2DBackpropFilter = _family(
    "Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter", 2, "NHWC", True)
Conv3D, Conv3DBackpropInputV2, Conv3DBackpropFilterV2 = _family(
    "Conv3D", "Conv3DBackpropInputV2", "Conv3DBackpropFilterV2", 3, "NDHWC", True)


# ---- depthwise


def _depthwise_geometry(x_shape: Sequence[int], w_shape: Sequence[int], strides: Any, dilations: Any, padding: str,
                        explicit: Any, data_format: str) -> _Geometry:
    # As a grouped convolution: one group per channel.
    if x_shape[-1] != w_shape[-2]:
        raise invalid(f"input and filter must have the same depth: {x_shape[-1]} vs {w_shape[-2]}")
    return _Geometry(x_shape, (*w_shape[:2], 1, w_shape[2] * w_shape[3]), strides, dilations, padding, explicit,
                     data_format)


def _depthwise(xp: Any, input: Any, filter: Any, *, strides: Any, dilations: Any, padding: Any, explicit_paddings: Any,
               data_format: Any) -> Any:
    x = geometry.to_channels_last(xp, input, data_format)
    g = _depthwise_geometry(x.shape, filter.shape, strides, dilations, padding, explicit_paddings, data_format)
    padded = geometry.pad_spatial(x, g.pads)
    result = np.zeros((x.shape[0], *g.outputs, filter.shape[2], filter.shape[3]), _compute_dtype(x.dtype))
    for offset in geometry.offsets(g.windows):
        part = padded[geometry.offset_slice(offset, g.outputs, g.strides, g.dilations)]
        result += part[..., None] * filter[offset]
    result = result.reshape(*result.shape[:-2], -1).astype(x.dtype, copy=False)
    return geometry.from_channels_last(xp, result, data_format)


def _depthwise_by_data(xp: Any, sizes: Any, filter: Any, dy: Any, *, strides: Any, dilations: Any, padding: Any,
                       explicit_paddings: Any, data_format: Any) -> Any:
    sizes = [int(s) for s in sizes]
    if geometry.is_channels_first(data_format):
        sizes = [sizes[0], *sizes[2:], sizes[1]]
    dy = geometry.to_channels_last(xp, dy, data_format)
    g = _depthwise_geometry(sizes, filter.shape, strides, dilations, padding, explicit_paddings, data_format)
    padded = np.zeros((sizes[0], *(s + b + a for s, (b, a) in zip(g.sizes, g.pads)), sizes[-1]), dy.dtype)
    parts = dy.reshape(*dy.shape[:-1], filter.shape[2], filter.shape[3])
    for offset in geometry.offsets(g.windows):
        padded[geometry.offset_slice(offset, g.outputs, g.strides, g.dilations)] += (parts * filter[offset]).sum(
            -1, dtype=dy.dtype)
    return geometry.from_channels_last(xp, np.ascontiguousarray(geometry.crop(padded, g.pads)), data_format)


def _depthwise_by_weights(xp: Any, input: Any, sizes: Any, dy: Any, *, strides: Any, dilations: Any, padding: Any,
                          explicit_paddings: Any, data_format: Any) -> Any:
    x, dy = (geometry.to_channels_last(xp, t, data_format) for t in (input, dy))
    sizes = [int(s) for s in sizes]
    g = _depthwise_geometry(x.shape, sizes, strides, dilations, padding, explicit_paddings, data_format)
    padded = geometry.pad_spatial(x, g.pads)
    parts = dy.reshape(*dy.shape[:-1], sizes[2], sizes[3])
    result = np.zeros(sizes, x.dtype)
    for offset in geometry.offsets(g.windows):
        part = padded[geometry.offset_slice(offset, g.outputs, g.strides, g.dilations)]
        result[offset] = np.einsum("bhwc,bhwcm->cm", part, parts)
    return result


def _depthwise_xla(jax: Any, x: Any, w: Any, g: _Geometry) -> Any:
    return _xla_forward(jax, x, jax.numpy.reshape(w, (*w.shape[:2], 1, -1)), g)


def _depthwise_xla_kernel(jax: Any, input: Any, filter: Any, *, strides: Any, dilations: Any, padding: Any,
                          explicit_paddings: Any, data_format: Any) -> Any:
    x = geometry.to_channels_last(jax.numpy, input, data_format)
    g = _depthwise_geometry(x.shape, filter.shape, strides, dilations, padding, explicit_paddings, data_format)
    return geometry.from_channels_last(jax.numpy, _depthwise_xla(jax, x, filter, g), data_format)


def _depthwise_by_data_xla(jax: Any, sizes: Any, filter: Any, dy: Any, *, strides: Any, dilations: Any, padding: Any,
                           explicit_paddings: Any, data_format: Any) -> Any:
    sizes = [int(s) for s in sizes]
    if geometry.is_channels_first(data_format):
        sizes = [sizes[0], *sizes[2:], sizes[1]]
    dy = geometry.to_channels_last(jax.numpy, dy, data_format)
    g = _depthwise_geometry(sizes, filter.shape, strides, dilations, padding, explicit_paddings, data_format)
    like = jax.ShapeDtypeStruct(tuple(sizes), dy.dtype)
    result = jax.linear_transpose(lambda x: _depthwise_xla(jax, x, filter, g), like)(dy)[0]
    return geometry.from_channels_last(jax.numpy, result, data_format)


def _depthwise_by_weights_xla(jax: Any, input: Any, sizes: Any, dy: Any, *, strides: Any, dilations: Any, padding: Any,
                              explicit_paddings: Any, data_format: Any) -> Any:
    x, dy = (geometry.to_channels_last(jax.numpy, t, data_format) for t in (input, dy))
    sizes = tuple(int(s) for s in sizes)
    g = _depthwise_geometry(x.shape, sizes, strides, dilations, padding, explicit_paddings, data_format)
    like = jax.ShapeDtypeStruct(sizes, dy.dtype)
    return jax.linear_transpose(lambda w: _depthwise_xla(jax, x, w, g), like)(dy)[0]


def _depthwise_shape(op: Any) -> TensorShape:
    filters = shapes.with_rank(op._inputs[1]._shape, 4).as_list()
    data_format = op._attrs["data_format"]
    channels = filters[2] * filters[3] if filters[2] is not None and filters[3] is not None else None
    return geometry.static_output(
        op._inputs[0]._shape, filters[:2], geometry.spatial(op._attrs["strides"], data_format),
        geometry.spatial(op._attrs["dilations"], data_format), op._attrs["padding"],
        op._attrs["explicit_paddings"], data_format, channels,
    )


_DEPTHWISE_ATTRS: dict[str, Any] = {
    "strides": Attr("list(int)"), "padding": STRING, "explicit_paddings": Attr("list(int)", ()),
    "data_format": "NHWC", "dilations": [1, 1, 1, 1],
}
_DEPTHWISE_NAMES = tuple(_DEPTHWISE_ATTRS)


def _options(op: Any) -> dict[str, Any]:
    return {name: op._attrs[name] for name in _DEPTHWISE_NAMES}


_SAMPLE_OPTIONS = {"strides": [1, 1, 1, 1], "padding": "SAME"}

DepthwiseConv2dNative = op(
    "DepthwiseConv2dNative", "input: T, filter: T -> output: T", T=_TYPES, **_DEPTHWISE_ATTRS, kernel=_depthwise,
    xla=_depthwise_xla_kernel, shape=_depthwise_shape,
    gradient=lambda dy, *, op, input_shape, filter_shape: (
        DepthwiseConv2dNativeBackpropInput(input_shape.tensor(), op.inputs[1], dy, **_options(op)),
        DepthwiseConv2dNativeBackpropFilter(op.inputs[0], filter_shape.tensor(), dy, **_options(op))),
    sample=lambda: ([np.random.RandomState(0).randn(2, 5, 5, 3).astype(np.float32),
                     np.random.RandomState(1).randn(3, 3, 3, 2).astype(np.float32)], _SAMPLE_OPTIONS),
    doc="A convolution of each channel by itself.",
)

DepthwiseConv2dNativeBackpropInput = op(
    "DepthwiseConv2dNativeBackpropInput", "input_sizes: int32, filter: T, out_backprop: T -> output: T", T=_TYPES,
    **_DEPTHWISE_ATTRS, kernel=_depthwise_by_data, xla=_depthwise_by_data_xla, static=("input_sizes",),
    shape=lambda op: shapes.with_rank(constant_value_as_shape(op._inputs[0]), 4),
    gradient=lambda dy, *, op, filter_shape: (
        None, DepthwiseConv2dNativeBackpropFilter(dy, filter_shape.tensor(), op.inputs[2], **_options(op)),
        DepthwiseConv2dNative(dy, op.inputs[1], **_options(op))),
    sample=lambda: ([np.array([2, 5, 5, 3], np.int32), np.random.RandomState(1).randn(3, 3, 3, 2).astype(np.float32),
                     np.random.RandomState(0).randn(2, 5, 5, 6).astype(np.float32)], _SAMPLE_OPTIONS),
    doc="The gradient of a depthwise convolution by its input.",
)

DepthwiseConv2dNativeBackpropFilter = op(
    "DepthwiseConv2dNativeBackpropFilter", "input: T, filter_sizes: int32, out_backprop: T -> output: T", T=_TYPES,
    **_DEPTHWISE_ATTRS, kernel=_depthwise_by_weights, xla=_depthwise_by_weights_xla, static=("filter_sizes",),
    shape=lambda op: shapes.with_rank(constant_value_as_shape(op._inputs[1]), 4),
    gradient=lambda dw, *, op, input_shape: (
        DepthwiseConv2dNativeBackpropInput(input_shape.tensor(), dw, op.inputs[2], **_options(op)), None,
        DepthwiseConv2dNative(op.inputs[0], dw, **_options(op))),
    sample=lambda: ([np.random.RandomState(0).randn(2, 5, 5, 3).astype(np.float32), np.array([3, 3, 3, 2], np.int32),
                     np.random.RandomState(1).randn(2, 5, 5, 6).astype(np.float32)], _SAMPLE_OPTIONS),
    doc="The gradient of a depthwise convolution by its filter.",
)
