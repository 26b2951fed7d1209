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
from everflow._src.ops import nn_convolution_kernels as convolutions
from everflow._src.ops import nn_windows as geometry
from everflow._src.ops.nn_convolution_kernels import Geometry
from everflow._src.runtime.failures import invalid
from everflow._src.runtime.unfinished import finished

_TYPES = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64)
_CONV2D_TYPES = (*_TYPES, dtypes.int32)


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


def _in_format(xp: Any, result: Any, data_format: str) -> Any:
    """A convolution with its channels where they belong; held back only where they are last."""
    if geometry.is_channels_first(data_format):
        return geometry.from_channels_last(xp, finished(result), data_format)
    return result


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
        result = convolutions.forward(x, w, Geometry(x.shape, w.shape, *attrs))
        return geometry.from_channels_last(xp, result, attrs[4])

    def forward_xla(jax: Any, x: Any, w: Any, *attrs: Any) -> Any:
        check(x, w)
        xp = jax.numpy
        x = prepare(xp, x, attrs)
        result = convolutions.compiled_forward(jax, x, w, Geometry(x.shape, w.shape, *attrs))
        return _in_format(xp, result, attrs[4])

    def data(first: Any, xp: Any, function: Any, sizes: Any, w: Any, dy: Any, attrs: tuple[Any, ...]) -> Any:
        sizes = [int(s) for s in sizes]
        if geometry.is_channels_first(attrs[4]):
            sizes = [sizes[0], *sizes[2:], sizes[1]]
        dy = prepare(xp, dy, attrs)
        g = Geometry(sizes, w.shape, *attrs)
        if tuple(dy.shape[1:-1]) != tuple(g.outputs):
            raise invalid(f"Conv gradient: size of out_backprop {list(dy.shape)} doesn't match computed: expected "
                          f"spatial sizes {g.outputs}")
        args = (dy, w, sizes, g) if first is None else (first, dy, w, sizes, g)
        return geometry.from_channels_last(xp, function(*args), attrs[4])

    def weights(first: Any, xp: Any, function: Any, x: Any, sizes: Any, dy: Any, attrs: tuple[Any, ...]) -> Any:
        x, dy = prepare(xp, x, attrs), prepare(xp, dy, attrs)
        sizes = [int(s) for s in sizes]
        g = Geometry(x.shape, sizes, *attrs)
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
        kernel=call(lambda xp, sizes, w, dy, *a: kernels["data"](None, xp, convolutions.by_data, sizes, w, dy, a)),
        xla=call(lambda jax, sizes, w, dy, *a: kernels["data"](
            jax, jax.numpy, convolutions.compiled_by_data, sizes, w, dy, a)),
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
        kernel=call(lambda xp, x, sizes, dy, *a: kernels["weights"](
            None, xp, convolutions.by_weights, x, sizes, dy, a)),
        xla=call(lambda jax, x, sizes, dy, *a: kernels["weights"](
            jax, jax.numpy, convolutions.compiled_by_weights, x, sizes, dy, a)),
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


def _grouped(x_shape: Sequence[int], w_shape: Sequence[int], strides: Any, dilations: Any, padding: str, explicit: Any,
             data_format: str) -> tuple[tuple[int, ...], Geometry]:
    """Shape of the filter and geometry of a depthwise convolution as a grouped one: one group per channel."""
    if len(x_shape) != 4 or len(w_shape) != 4:
        raise invalid(f"input and filter must be 4-dimensional: {list(x_shape)} and {list(w_shape)}")
    if x_shape[-1] != w_shape[-2]:
        raise invalid(f"input and filter must have the same depth: {x_shape[-1]} vs {w_shape[-2]}")
    shape = (*w_shape[:2], 1, w_shape[2] * w_shape[3])
    return shape, Geometry(x_shape, shape, strides, dilations, padding, explicit, data_format)


def _depthwise_kernels(kernel: Any) -> dict[str, Any]:
    """The NumPy and the XLA kernel of one of the three operations: `kernel(first, xp, operands, attrs)`."""

    def attrs_of(function: Any) -> Any:
        def wrapped(first: Any, *operands: Any, strides: Any, dilations: Any, padding: Any, explicit_paddings: Any,
                    data_format: Any) -> Any:
            return function(first, operands, (strides, dilations, padding, explicit_paddings, data_format))
        return wrapped

    return {
        "kernel": attrs_of(lambda xp, operands, attrs: kernel(None, xp, operands, attrs)),
        "xla": attrs_of(lambda jax, operands, attrs: kernel(jax, jax.numpy, operands, attrs)),
    }


def _depthwise(jax: Any, xp: Any, operands: Any, attrs: Any) -> Any:
    x = geometry.to_channels_last(xp, operands[0], attrs[-1])
    shape, g = _grouped(x.shape, operands[1].shape, *attrs)
    w = operands[1].reshape(shape)
    result = convolutions.forward(x, w, g) if jax is None else convolutions.compiled_forward(jax, x, w, g)
    return _in_format(xp, result, attrs[-1])


def _depthwise_by_data(jax: Any, xp: Any, operands: Any, attrs: Any) -> Any:
    sizes = [int(s) for s in operands[0]]
    if geometry.is_channels_first(attrs[-1]):
        sizes = [sizes[0], *sizes[2:], sizes[1]]
    dy = geometry.to_channels_last(xp, operands[2], attrs[-1])
    shape, g = _grouped(sizes, operands[1].shape, *attrs)
    w = operands[1].reshape(shape)
    result = (convolutions.by_data(dy, w, sizes, g) if jax is None
              else convolutions.compiled_by_data(jax, dy, w, sizes, g))
    return geometry.from_channels_last(xp, result, attrs[-1])


def _depthwise_by_weights(jax: Any, xp: Any, operands: Any, attrs: Any) -> Any:
    x, dy = (geometry.to_channels_last(xp, t, attrs[-1]) for t in (operands[0], operands[2]))
    sizes = tuple(int(s) for s in operands[1])
    shape, g = _grouped(x.shape, sizes, *attrs)
    result = (convolutions.by_weights(x, dy, shape, g) if jax is None
              else convolutions.compiled_by_weights(jax, x, dy, shape, g))
    return result.reshape(sizes)


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
    "DepthwiseConv2dNative", "input: T, filter: T -> output: T", T=_TYPES, **_DEPTHWISE_ATTRS,
    **_depthwise_kernels(_depthwise), shape=_depthwise_shape,
    gradient=lambda dy, *, op, input_shape, filter_shape: (
        DepthwiseConv2dNativeBackpropInput(input_shape.tensor(), op.inputs[1], dy, **_options(op)),
        DepthwiseConv2dNativeBackpropFilter(op.inputs[0], filter_shape.tensor(), dy, **_options(op))),
    sample=lambda: ([np.random.RandomState(0).randn(2, 5, 5, 3).astype(np.float32),
                     np.random.RandomState(1).randn(3, 3, 3, 2).astype(np.float32)], _SAMPLE_OPTIONS),
    doc="A convolution of each channel by itself.",
)

DepthwiseConv2dNativeBackpropInput = op(
    "DepthwiseConv2dNativeBackpropInput", "input_sizes: int32, filter: T, out_backprop: T -> output: T", T=_TYPES,
    **_DEPTHWISE_ATTRS, **_depthwise_kernels(_depthwise_by_data), static=("input_sizes",),
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
    **_DEPTHWISE_ATTRS, **_depthwise_kernels(_depthwise_by_weights), static=("filter_sizes",),
    shape=lambda op: shapes.with_rank(constant_value_as_shape(op._inputs[1]), 4),
    gradient=lambda dw, *, op, input_shape: (
        DepthwiseConv2dNativeBackpropInput(input_shape.tensor(), dw, op.inputs[2], **_options(op)), None,
        DepthwiseConv2dNative(op.inputs[0], dw, **_options(op))),
    sample=lambda: ([np.random.RandomState(0).randn(2, 5, 5, 3).astype(np.float32), np.array([3, 3, 3, 2], np.int32),
                     np.random.RandomState(1).randn(2, 5, 5, 6).astype(np.float32)], _SAMPLE_OPTIONS),
    doc="The gradient of a depthwise convolution by its filter.",
)
