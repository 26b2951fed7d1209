"""Public convolutions: `tf.nn.conv2d` and its relatives, in both generations' spellings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import CARDS
from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops import nn_convolution as cards
from everflow._src.ops.naming import name_scope
from everflow._src.ops.nn_windows import is_channels_first


def sequence(value: Any, count: int, channel_index: int, name: str) -> list[int]:
    """One number, one per spatial dimension, or all, as one per dimension.

    Raises:
      ValueError: there are too many or too few.
    """
    if value is None:
        return [1] * (count + 2)
    if isinstance(value, Tensor):
        value = value.numpy().tolist()
    values = [int(v) for v in value] if isinstance(value, (list, tuple, np.ndarray)) else [int(value)]
    if len(values) == count + 2:
        return values
    if len(values) == 1:
        values = values * count
    elif len(values) != count:
        raise ValueError(f"{name} should be of length 1, {count} or {count + 2}. Received: {name}={value} of length "
                         f"{len(values)}")
    return [1, 1, *values] if channel_index == 1 else [1, *values, 1]


def padding_of(padding: Any, data_format: str, dims: int = 2) -> tuple[str, list[int]]:
    """The padding attr, and explicit paddings as a flat list.

    Raises:
      ValueError: neither "SAME", "VALID" nor pairs per dimension.
    """
    if isinstance(padding, str):
        if padding.upper() not in ("SAME", "VALID", "EXPLICIT"):
            raise ValueError(f'padding must be "SAME", "VALID" or a list of explicit paddings, received {padding!r}')
        return padding.upper(), []
    if not isinstance(padding, (list, tuple)) or len(padding) != dims + 2:
        raise ValueError(f"When padding is a list, it must be of size {dims + 2}. Received: padding={padding}")
    flat: list[int] = []
    for index, pair in enumerate(padding):
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise ValueError(f"When padding is a list, each element must be a list/tuple of size 2. Element with index "
                             f"{index} of padding={padding} is {pair!r}")
        flat.extend(int(p) for p in pair)
    channel = 1 if is_channels_first(data_format) else dims + 1
    for index in (0, channel):
        if flat[2 * index] or flat[2 * index + 1]:
            raise ValueError(f"Nonzero explicit padding in the batch or depth dimensions is not supported: {padding}")
    return "EXPLICIT", flat


_DATA_FORMATS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}


def _channel(data_format: str, dims: int) -> int:
    if data_format not in _DATA_FORMATS[dims]:
        raise ValueError(f"data_format must be one of {_DATA_FORMATS[dims]}, received {data_format!r}")
    return 1 if is_channels_first(data_format) else dims + 1


def _options(strides: Any, padding: Any, data_format: str, dilations: Any, dims: int) -> dict[str, Any]:
    channel = _channel(data_format, dims)
    mode, explicit = padding_of(padding, data_format, dims)
    options = {
        "strides": sequence(strides, dims, channel, "strides"), "padding": mode, "data_format": data_format,
        "dilations": sequence(dilations, dims, channel, "dilations"),
    }
    if dims == 2:
        options["explicit_paddings"] = explicit
    elif explicit:
        raise ValueError("Explicit padding is not supported for 3-D convolutions")
    return options


@export("nn.conv2d", v1=[])
def conv2d(input: Any, filters: Any, strides: Any, padding: Any, data_format: str = "NHWC", dilations: Any = None,
           name: str | None = None) -> Any:
    """Two-dimensional convolution (cross-correlation, without turning the filter).

    Args:
      input: shape [batch, height, width, channels], or as `data_format` says.
      filters: shape [height, width, channels, outputs]; with fewer channels than `input` has, channels are
        convolved in groups.
      strides: steps of the window: one number, two, or four.
      padding: "SAME", "VALID", or (before, after) pairs for each of the four dimensions.
      data_format: "NHWC" or "NCHW".
      dilations: distances between the elements of the window.
      name: name of the operation in a graph.

    Raises:
      ValueError, tf.errors.InvalidArgumentError: shapes, strides or paddings do not fit.

    >>> import everflow as tf
    >>> x = tf.reshape(tf.range(9.), [1, 3, 3, 1])
    >>> tf.nn.conv2d(x, tf.ones([2, 2, 1, 1]), strides=1, padding="VALID")[0, :, :, 0].numpy()
    array([[ 8., 12.],
           [20., 24.]], dtype=float32)
    """
    data_format = data_format or "NHWC"
    options = _options(strides, padding, data_format, dilations, 2)
    return _over_leading_axes(input, 2, lambda x: cards.Conv2D(x, filters, name=name, **options))  # type: ignore


def _over_leading_axes(input: Any, dims: int, convolution: Any) -> Any:
    """`convolution` of an input that may have several batch axes: they are one axis for its length."""
    rank = input.shape.rank if isinstance(input, Tensor) else None
    if rank is None or rank <= dims + 2:
        return convolution(input)
    leading = rank - dims - 1
    shape, join = CARDS["Shape"](input), CARDS["ConcatV2"]
    flat = CARDS["Reshape"](input, join([np.array([-1], np.int32), shape[leading:]], np.int32(0)))
    result = convolution(flat)
    target = join([shape[:leading], CARDS["Shape"](result)[1:]], np.int32(0))
    whole = CARDS["Reshape"](result, target)
    whole.set_shape(input.shape[:leading].concatenate(result.shape[1:]))
    return whole


def _either(first: Any, second: Any, first_name: str, second_name: str) -> Any:
    if first is not None and second is not None:
        raise ValueError(f"Cannot specify both '{first_name}' and '{second_name}'.")
    return second if first is None else first


@export(v1=["nn.conv2d"])
def conv2d_v1(input: Any, filter: Any = None, strides: Any = None, padding: Any = None,
              use_cudnn_on_gpu: bool = True, data_format: str = "NHWC", dilations: Any = (1, 1, 1, 1),
              name: str | None = None, filters: Any = None) -> Any:
    """Two-dimensional convolution; the 1.x spelling of `tf.nn.conv2d`."""
    return conv2d(input, _either(filter, filters, "filter", "filters"), strides, padding, data_format, dilations, name)


@export(v1=["nn.conv2d_backprop_filter"])
def conv2d_backprop_filter(input: Any, filter_sizes: Any, out_backprop: Any, strides: Any, padding: Any,
                           use_cudnn_on_gpu: bool = True, data_format: str = "NHWC", dilations: Any = (1, 1, 1, 1),
                           name: str | None = None) -> Any:
    """The gradient of `tf.nn.conv2d` by its filter."""
    return cards.Conv2DBackpropFilter(input, filter_sizes, out_backprop, name=name,  # type: ignore[operator]
                                      **_options(strides, padding, data_format, dilations, 2))


@export(v1=["nn.conv2d_backprop_input"])
def conv2d_backprop_input(input_sizes: Any, filter: Any = None, out_backprop: Any = None, strides: Any = None,
                          padding: Any = None, use_cudnn_on_gpu: bool = True, data_format: str = "NHWC",
                          dilations: Any = (1, 1, 1, 1), name: str | None = None, filters: Any = None) -> Any:
    """The gradient of `tf.nn.conv2d` by its input."""
    return cards.Conv2DBackpropInput(input_sizes, _either(filter, filters, "filter", "filters"),  # type: ignore
                                     out_backprop, name=name,
                                     **_options(strides, padding, data_format, dilations, 2))


@export("nn.conv3d", v1=[])
def conv3d(input: Any, filters: Any, strides: Any, padding: Any, data_format: str = "NDHWC", dilations: Any = None,
           name: str | None = None) -> Any:
    """Three-dimensional convolution; see `tf.nn.conv2d`.

    Args:
      input: shape [batch, depth, height, width, channels].
      filters: shape [depth, height, width, channels, outputs].
      strides: five numbers, the first and last of which are 1.
      padding: "SAME" or "VALID".
      data_format: "NDHWC" or "NCDHW".
      dilations: distances between the elements of the window.
      name: name of the operation in a graph.
    """
    return cards.Conv3D(input, filters, name=name,  # type: ignore[operator]
                        **_options(strides, padding, data_format or "NDHWC", dilations, 3))


@export(v1=["nn.conv3d"])
def conv3d_v1(input: Any, filter: Any = None, strides: Any = None, padding: Any = None, data_format: str = "NDHWC",
              dilations: Any = (1, 1, 1, 1, 1), name: str | None = None, filters: Any = None) -> Any:
    """Three-dimensional convolution; the 1.x spelling of `tf.nn.conv3d`."""
    return conv3d(input, _either(filter, filters, "filter", "filters"), strides, padding, data_format, dilations, name)


@export(v1=["nn.conv3d_backprop_filter", "nn.conv3d_backprop_filter_v2"])
def conv3d_backprop_filter(input: Any, filter_sizes: Any, out_backprop: Any, strides: Any, padding: Any,
                           data_format: str = "NDHWC", dilations: Any = (1, 1, 1, 1, 1), name: str | None = None
                           ) -> Any:
    """The gradient of `tf.nn.conv3d` by its filter."""
    return cards.Conv3DBackpropFilterV2(input, filter_sizes, out_backprop, name=name,  # type: ignore[operator]
                                        **_options(strides, padding, data_format, dilations, 3))


# ---- one dimension, through two


@export("nn.conv1d", v1=[])
def conv1d(input: Any, filters: Any, stride: Any, padding: Any, data_format: str = "NWC", dilations: Any = None,
           name: str | None = None) -> Any:
    """One-dimensional convolution.

    Args:
      input: shape [batch, width, channels], or as `data_format` says.
      filters: shape [width, channels, outputs].
      stride: step of the window.
      padding: "SAME" or "VALID".
      data_format: "NWC" or "NCW".
      dilations: distance between the elements of the window.
      name: name scope of the operations in a graph.
    """
    with name_scope(name, "conv1d"):
        first, axis = _one_dimensional(data_format)
        channel = 1 if first else 2
        stride = sequence(stride, 1, channel, "stride")
        dilations = sequence(dilations, 1, channel, "dilations")
        wide = "NCHW" if first else "NHWC"
        x = CARDS["ExpandDims"](input, np.array(axis, np.int32))
        w = CARDS["ExpandDims"](filters, np.array(0, np.int32))
        if not isinstance(padding, str):
            padding = [padding[0], *([[0, 0]] if not first else [padding[1], [0, 0]]), *padding[2 if first else 1:]]
        y = conv2d(x, w, _widened(stride, axis), padding, wide, _widened(dilations, axis))
        return CARDS["Squeeze"](y, squeeze_dims=[axis])


def _one_dimensional(data_format: str | None) -> tuple[bool, int]:
    if data_format in (None, "NWC", "NHWC"):
        return False, 1
    if data_format in ("NCW", "NCHW"):
        return True, 2
    raise ValueError(f"`data_format` must be \"NWC\" or \"NCW\". Received: data_format={data_format}")


def _widened(values: Sequence[int], axis: int) -> list[int]:
    return [*values[:axis], 1, *values[axis:]]


@export(v1=["nn.conv1d"])
def conv1d_v1(value: Any = None, filters: Any = None, stride: Any = None, padding: Any = None,
              use_cudnn_on_gpu: bool | None = None, data_format: str | None = None, name: str | None = None,
              input: Any = None, dilations: Any = None) -> Any:
    """One-dimensional convolution; the 1.x spelling of `tf.nn.conv1d`."""
    return conv1d(_either(value, input, "value", "input"), filters, stride, padding, data_format or "NWC", dilations,
                  name)


# ---- transposed


def _transposed(input: Any, filters: Any, output_shape: Any, strides: Any, padding: Any, data_format: str,
                dilations: Any, name: str | None, dims: int) -> Any:
    options = _options(strides, padding, data_format, dilations, dims)
    card = cards.Conv2DBackpropInput if dims == 2 else cards.Conv3DBackpropInputV2
    if isinstance(output_shape, TensorShape):
        output_shape = output_shape.as_list()
    if isinstance(output_shape, (list, tuple)) and not output_shape:
        raise ValueError("output_shape must not be empty")
    with name_scope(name, f"conv{dims}d_transpose") as scope:
        return card(output_shape, filters, input, name=scope or name, **options)  # type: ignore[operator]


@export("nn.conv2d_transpose", v1=[])
def conv2d_transpose(input: Any, filters: Any, output_shape: Any, strides: Any, padding: Any = "SAME",
                     data_format: str = "NHWC", dilations: Any = None, name: str | None = None) -> Any:
    """The transpose (gradient) of `tf.nn.conv2d`, also called a deconvolution.

    Args:
      input: shape [batch, height, width, channels].
      filters: shape [height, width, outputs, channels].
      output_shape: shape of the result.
      strides: steps of the window.
      padding: as in `tf.nn.conv2d`.
      data_format: "NHWC" or "NCHW".
      dilations: distances between the elements of the window.
      name: name of the operation in a graph.
    """
    return _transposed(input, filters, output_shape, strides, padding, data_format, dilations, name, 2)


@export(v1=["nn.conv2d_transpose"])
def conv2d_transpose_v1(value: Any = None, filter: Any = None, output_shape: Any = None, strides: Any = None,
                        padding: Any = "SAME", data_format: str = "NHWC", name: str | None = None, input: Any = None,
                        filters: Any = None, dilations: Any = None) -> Any:
    """The transpose of `tf.nn.conv2d`; the 1.x spelling of `tf.nn.conv2d_transpose`."""
    return conv2d_transpose(_either(value, input, "value", "input"), _either(filter, filters, "filter", "filters"),
                            output_shape, strides, padding, data_format, dilations, name)


@export("nn.conv3d_transpose", v1=[])
def conv3d_transpose(input: Any, filters: Any, output_shape: Any, strides: Any, padding: Any = "SAME",
                     data_format: str = "NDHWC", dilations: Any = None, name: str | None = None) -> Any:
    """The transpose (gradient) of `tf.nn.conv3d`."""
    return _transposed(input, filters, output_shape, strides, padding, data_format, dilations, name, 3)


@export(v1=["nn.conv3d_transpose"])
def conv3d_transpose_v1(value: Any, filter: Any = None, output_shape: Any = None, strides: Any = None,
                        padding: Any = "SAME", data_format: str = "NDHWC", name: str | None = None,
                        input: Any = None, filters: Any = None, dilations: Any = None) -> Any:
    """The transpose of `tf.nn.conv3d`; the 1.x spelling."""
    return conv3d_transpose(_either(value, input, "value", "input"), _either(filter, filters, "filter", "filters"),
                            output_shape, strides, padding, data_format, dilations, name)


@export("nn.conv1d_transpose", v1=["nn.conv1d_transpose"])
def conv1d_transpose(input: Any, filters: Any, output_shape: Any, strides: Any, padding: Any = "SAME",
                     data_format: str = "NWC", dilations: Any = None, name: str | None = None) -> Any:
    """The transpose (gradient) of `tf.nn.conv1d`."""
    with name_scope(name, "conv1d_transpose"):
        first, axis = _one_dimensional(data_format)
        channel = 1 if first else 2
        strides = sequence(strides, 1, channel, "strides")
        dilations = sequence(dilations, 1, channel, "dilations")
        shape = convert(output_shape, dtypes.int32 if not isinstance(output_shape, Tensor) else None)
        shape = CARDS["ConcatV2"]([shape[:axis], [1], shape[axis:]], 0)
        x = CARDS["ExpandDims"](input, np.array(axis, np.int32))
        w = CARDS["ExpandDims"](filters, np.array(0, np.int32))
        y = conv2d_transpose(x, w, shape, _widened(strides, axis), padding, "NCHW" if first else "NHWC",
                             _widened(dilations, axis))
        return CARDS["Squeeze"](y, squeeze_dims=[axis])


@export("nn.conv_transpose", v1=["nn.conv_transpose"])
def conv_transpose(input: Any, filters: Any, output_shape: Any, strides: Any, padding: Any = "SAME",
                   data_format: str | None = None, dilations: Any = None, name: str | None = None) -> Any:
    """The transpose of a convolution over one, two or three spatial dimensions.

    Raises:
      ValueError: `output_shape` has another number of dimensions.
    """
    with name_scope(name, "conv_transpose"):
        plain = isinstance(output_shape, (list, tuple))
        rank = len(output_shape) if plain else convert(output_shape).shape.as_list()[0]
        first = data_format is not None and is_channels_first(data_format)
        if rank == 3:
            layout = "NCW" if first else "NWC"
            return conv1d_transpose(input, filters, output_shape, strides, padding, layout, dilations)
        if rank == 4:
            return conv2d_transpose(input, filters, output_shape, strides, padding, "NCHW" if first else "NHWC",
                                    dilations)
        if rank == 5:
            return conv3d_transpose(input, filters, output_shape, strides, padding, "NCDHW" if first else "NDHWC",
                                    dilations)
        raise ValueError(f"output_shape must be of length 3, 4 or 5, received {rank}")


# ---- any number of dimensions


def _convolution(input: Any, filters: Any, strides: Any, padding: Any, data_format: str | None, dilations: Any,
                 name: str | None) -> Any:
    with name_scope(name, "convolution"):
        input, filters = convert(input, name="input"), convert(filters, name="filters")
        rank = filters.shape.rank or input.shape.rank
        if rank is None:
            raise ValueError("Rank of convolution must be known.")
        first = data_format is not None and is_channels_first(data_format)
        dims = rank - 2
        if dims not in (1, 2, 3):
            raise ValueError(f"`input.shape.rank` must be 3, 4 or 5, received {rank}")
        if dims == 1:
            return conv1d(input, filters, strides if strides is not None else 1, padding, "NCW" if first else "NWC",
                          dilations)
        if dims == 2:
            return conv2d(input, filters, strides if strides is not None else 1, padding, "NCHW" if first else "NHWC",
                          dilations)
        return conv3d(input, filters, strides if strides is not None else 1, padding, "NCDHW" if first else "NDHWC",
                      dilations)


@export("nn.convolution", v1=[])
def convolution(input: Any, filters: Any, strides: Any = None, padding: Any = "VALID", data_format: str | None = None,
                dilations: Any = None, name: str | None = None) -> Any:
    """A convolution over one, two or three spatial dimensions; see `tf.nn.conv2d`.

    Raises:
      ValueError: the rank is unknown or not 3, 4 or 5.
    """
    return _convolution(input, filters, strides, padding, data_format, dilations, name)


@export(v1=["nn.convolution"])
def convolution_v1(input: Any, filter: Any, padding: Any, strides: Any = None, dilation_rate: Any = None,
                   name: str | None = None, data_format: str | None = None, filters: Any = None, dilations: Any = None
                   ) -> Any:
    """A convolution over one, two or three spatial dimensions; the 1.x spelling."""
    return _convolution(input, _either(filter, filters, "filter", "filters"), strides, padding, data_format,
                        _either(dilation_rate, dilations, "dilation_rate", "dilations"), name)


@export("nn.atrous_conv2d", v1=["nn.atrous_conv2d"])
def atrous_conv2d(value: Any, filters: Any, rate: int, padding: str, name: str | None = None) -> Any:
    """Two-dimensional convolution with a dilated window."""
    return conv2d(value, filters, 1, padding, "NHWC", rate, name)


@export("nn.atrous_conv2d_transpose", v1=["nn.atrous_conv2d_transpose"])
def atrous_conv2d_transpose(value: Any, filters: Any, output_shape: Any, rate: int, padding: str,
                            name: str | None = None) -> Any:
    """The transpose of `tf.nn.atrous_conv2d`."""
    return conv2d_transpose(value, filters, output_shape, 1, padding, "NHWC", rate, name)


# ---- depthwise and separable


def _depthwise(input: Any, filter: Any, strides: Any, padding: Any, data_format: str | None, dilations: Any,
               name: str | None) -> Any:
    data_format = data_format or "NHWC"
    mode, explicit = padding_of(padding, data_format)
    channel = _channel(data_format, 2)
    return cards.DepthwiseConv2dNative(  # type: ignore[operator]
        input, filter, strides=sequence(strides, 2, channel, "strides"), padding=mode, explicit_paddings=explicit,
        data_format=data_format, dilations=sequence(dilations, 2, channel, "dilations"), name=name,
    )


@export("nn.depthwise_conv2d", v1=[])
def depthwise_conv2d(input: Any, filter: Any, strides: Any, padding: Any, data_format: str | None = None,
                     dilations: Any = None, name: str | None = None) -> Any:
    """Convolves each channel by itself.

    Args:
      input: shape [batch, height, width, channels].
      filter: shape [height, width, channels, multiplier].
      strides: four numbers.
      padding: "SAME", "VALID" or explicit pairs.
      data_format: "NHWC" or "NCHW".
      dilations: distances between the elements of the window.
      name: name of the operation in a graph.

    Returns:
      Shape [batch, height, width, channels * multiplier].
    """
    return _depthwise(input, filter, strides, padding, data_format, dilations, name or "depthwise")


@export(v1=["nn.depthwise_conv2d"])
def depthwise_conv2d_v1(input: Any, filter: Any, strides: Any, padding: Any, rate: Any = None, name: str | None = None,
                        data_format: str | None = None, dilations: Any = None) -> Any:
    """Convolves each channel by itself; `rate` is the older name of `dilations`."""
    return _depthwise(input, filter, strides, padding, data_format, _either(rate, dilations, "rate", "dilations"),
                      name or "depthwise")


@export(v1=["nn.depthwise_conv2d_native"])
def depthwise_conv2d_native(input: Any, filter: Any, strides: Any, padding: Any, data_format: str = "NHWC",
                            dilations: Any = (1, 1, 1, 1), name: str | None = None) -> Any:
    """Convolves each channel by itself."""
    return _depthwise(input, filter, strides, padding, data_format, dilations, name)


def _depthwise_options(strides: Any, padding: Any, data_format: str, dilations: Any) -> dict[str, Any]:
    mode, explicit = padding_of(padding, data_format)
    return {"strides": list(strides), "padding": mode, "explicit_paddings": explicit, "data_format": data_format,
            "dilations": list(dilations)}


@export("nn.depthwise_conv2d_backprop_input",
        v1=["nn.depthwise_conv2d_backprop_input", "nn.depthwise_conv2d_native_backprop_input"])
def depthwise_conv2d_backprop_input(input_sizes: Any, filter: Any, out_backprop: Any, strides: Any, padding: Any,
                                    data_format: str = "NHWC", dilations: Any = (1, 1, 1, 1), name: str | None = None
                                    ) -> Any:
    """The gradient of `tf.nn.depthwise_conv2d` by its input."""
    return cards.DepthwiseConv2dNativeBackpropInput(  # type: ignore[operator]
        input_sizes, filter, out_backprop, name=name, **_depthwise_options(strides, padding, data_format, dilations))


@export("nn.depthwise_conv2d_backprop_filter",
        v1=["nn.depthwise_conv2d_backprop_filter", "nn.depthwise_conv2d_native_backprop_filter"])
def depthwise_conv2d_backprop_filter(input: Any, filter_sizes: Any, out_backprop: Any, strides: Any, padding: Any,
                                     data_format: str = "NHWC", dilations: Any = (1, 1, 1, 1), name: str | None = None
                                     ) -> Any:
    """The gradient of `tf.nn.depthwise_conv2d` by its filter."""
    return cards.DepthwiseConv2dNativeBackpropFilter(  # type: ignore[operator]
        input, filter_sizes, out_backprop, name=name, **_depthwise_options(strides, padding, data_format, dilations))


@export("nn.separable_conv2d", v1=[])
def separable_conv2d(input: Any, depthwise_filter: Any, pointwise_filter: Any, strides: Any, padding: Any,
                     data_format: str | None = None, dilations: Any = None, name: str | None = None) -> Any:
    """A depthwise convolution followed by a 1x1 one.

    Args:
      input: shape [batch, height, width, channels].
      depthwise_filter: shape [height, width, channels, multiplier].
      pointwise_filter: shape [1, 1, channels * multiplier, outputs].
      strides: four numbers.
      padding: "SAME", "VALID" or explicit pairs.
      data_format: "NHWC" or "NCHW".
      dilations: distances between the elements of the window.
      name: name scope of the operations in a graph.

    Raises:
      ValueError: the pointwise filter is not 1x1.
    """
    with name_scope(name, "separable_conv2d") as scope:
        pointwise = convert(pointwise_filter, name="pointwise_filter")
        dims = pointwise.shape.as_list() if pointwise.shape.rank is not None else None
        if dims is not None and (len(dims) != 4 or dims[0] not in (1, None) or dims[1] not in (1, None)):
            raise ValueError(f"pointwise_filter must have shape [1, 1, channels, outputs], received {dims}")
        depthwise = _depthwise(input, depthwise_filter, strides, padding, data_format, dilations, "depthwise")
        return cards.Conv2D(depthwise, pointwise, strides=[1, 1, 1, 1], padding="VALID",  # type: ignore[operator]
                            data_format=data_format or "NHWC", name=scope or None)


@export(v1=["nn.separable_conv2d"])
def separable_conv2d_v1(input: Any, depthwise_filter: Any, pointwise_filter: Any, strides: Any, padding: Any,
                        rate: Any = None, name: str | None = None, data_format: str | None = None,
                        dilations: Any = None) -> Any:
    """A depthwise convolution followed by a 1x1 one; `rate` is the older name of `dilations`."""
    return separable_conv2d(input, depthwise_filter, pointwise_filter, strides, padding, data_format,
                            _either(rate, dilations, "rate", "dilations"), name)


