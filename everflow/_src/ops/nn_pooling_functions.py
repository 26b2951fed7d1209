"""Public pooling functions: `tf.nn.max_pool`, `tf.nn.avg_pool` and their relatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.conversion import convert
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.registry import CARDS
from everflow._src.ops import nn_pooling as cards
from everflow._src.ops.naming import name_scope
from everflow._src.ops.nn_convolution_functions import padding_of, sequence
from everflow._src.ops.nn_windows import is_channels_first


def _pool(kind: str, input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None, name: str | None,
          wanted: int | None = None) -> Any:
    """A pooling operation of the rank of its input, which must be `wanted` if that is given."""
    input = convert(input, name="input")
    rank = input.shape.rank
    if wanted is not None and rank is not None and rank != wanted:
        raise ValueError(f"Shape must be rank {wanted} but is rank {rank}. Received: input.shape={input.shape}")
    if rank is None and wanted is not None:
        rank = wanted
    elif rank is None:
        rank = len(data_format) if data_format is not None else 4
    if rank not in (3, 4, 5):
        raise ValueError(f"`input.shape.rank` must be 3, 4 or 5. Received: input.shape={input.shape} of rank {rank}.")
    first = data_format is not None and is_channels_first(data_format)
    if rank == 3:
        return _pool1d(kind, input, ksize, strides, padding, "NCW" if first else "NWC", name)
    layout = ("NCHW" if first else "NHWC") if rank == 4 else ("NCDHW" if first else "NDHWC")
    channel = 1 if first else rank - 1
    dims = rank - 2
    options: dict[str, Any] = {
        "ksize": sequence(ksize, dims, channel, "ksize"), "strides": sequence(strides, dims, channel, "strides"),
        "data_format": layout, "name": name,
    }
    if isinstance(padding, str):
        options["padding"] = padding_of(padding, layout)[0]
    elif kind == "max" and dims == 2:
        options["padding"], options["explicit_paddings"] = padding_of(padding, layout)
    else:
        raise ValueError(f"Explicit padding is not supported by this pooling operation: padding={padding}")
    if options["padding"] == "EXPLICIT" and "explicit_paddings" not in options:
        raise ValueError('"EXPLICIT" is not a valid string for padding; pass the paddings themselves')
    card = {("max", 2): cards.MaxPool, ("avg", 2): cards.AvgPool, ("max", 3): cards.MaxPool3D,
            ("avg", 3): cards.AvgPool3D}[kind, dims]
    return card(input, **options)  # type: ignore[operator]


def _pool1d(kind: str, input: Any, ksize: Any, strides: Any, padding: Any, data_format: str, name: str | None) -> Any:
    default = "MaxPool1d" if kind == "max" else "AvgPool1D"
    with name_scope(name, default):
        first = is_channels_first(data_format)
        axis, channel = (2, 1) if first else (1, 2)
        ksize, strides = sequence(ksize, 1, channel, "ksize"), sequence(strides, 1, channel, "strides")
        ksize, strides = [*ksize[:axis], 1, *ksize[axis:]], [*strides[:axis], 1, *strides[axis:]]
        wide = CARDS["ExpandDims"](input, np.array(axis, np.int32))
        if not isinstance(padding, str):
            raise ValueError("Explicit padding is not supported by one-dimensional pooling")
        pooled = _pool(kind, wide, ksize, strides, padding, "NCHW" if first else "NHWC", None)
        return CARDS["Squeeze"](pooled, squeeze_dims=[axis])


@export("nn.max_pool", v1=["nn.max_pool_v2"])
def max_pool(input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = None,
             name: str | None = None) -> Any:
    """The maximum of each window.

    Args:
      input: shape [batch, ..., channels] with one, two or three spatial dimensions.
      ksize: sizes of the window.
      strides: steps of the window.
      padding: "SAME", "VALID", or for two dimensions explicit pairs.
      data_format: where the channels are, such as "NHWC" or "NCHW".
      name: name of the operation in a graph.

    >>> import everflow as tf
    >>> x = tf.reshape(tf.range(16.), [1, 4, 4, 1])
    >>> tf.nn.max_pool(x, 2, 2, "VALID")[0, :, :, 0].numpy()
    array([[ 5.,  7.],
           [13., 15.]], dtype=float32)
    """
    return _pool("max", input, ksize, strides, padding, data_format, name)


@export("nn.avg_pool", v1=["nn.avg_pool_v2"])
def avg_pool(input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = None,
             name: str | None = None) -> Any:
    """The average of each window, padding left out; see `tf.nn.max_pool`."""
    return _pool("avg", input, ksize, strides, padding, data_format, name)


@export(v1=["nn.max_pool"])
def max_pool_v1(value: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NHWC",
                name: str | None = None, input: Any = None) -> Any:
    """The maximum of each window of images; the 1.x spelling."""
    return _pool("max", value if input is None else input, ksize, strides, padding, data_format, name)


@export(v1=["nn.avg_pool", "nn.avg_pool2d"])
def avg_pool_v1(value: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NHWC",
                name: str | None = None, input: Any = None) -> Any:
    """The average of each window of images; the 1.x spelling."""
    return _pool("avg", value if input is None else input, ksize, strides, padding, data_format, name)


@export("nn.max_pool2d", v1=["nn.max_pool2d"])
def max_pool2d(input: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NHWC",
               name: str | None = None) -> Any:
    """The maximum of each window of images."""
    return _pool("max", input, ksize, strides, padding, data_format, name, wanted=4)


@export("nn.avg_pool2d", v1=[])
def avg_pool2d(input: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NHWC",
               name: str | None = None) -> Any:
    """The average of each window of images."""
    return _pool("avg", input, ksize, strides, padding, data_format, name, wanted=4)


@export("nn.max_pool1d", v1=["nn.max_pool1d"])
def max_pool1d(input: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NWC",
               name: str | None = None) -> Any:
    """The maximum of each window of sequences of shape [batch, width, channels]."""
    return _pool1d("max", input, ksize, strides, padding, data_format, name)


@export("nn.avg_pool1d", v1=["nn.avg_pool1d"])
def avg_pool1d(input: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NWC",
               name: str | None = None) -> Any:
    """The average of each window of sequences of shape [batch, width, channels]."""
    return _pool1d("avg", input, ksize, strides, padding, data_format, name)


@export("nn.max_pool3d", v1=["nn.max_pool3d"])
def max_pool3d(input: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NDHWC",
               name: str | None = None) -> Any:
    """The maximum of each window of volumes of shape [batch, depth, height, width, channels]."""
    return _pool("max", input, ksize, strides, padding, data_format, name)


@export("nn.avg_pool3d", v1=["nn.avg_pool3d"])
def avg_pool3d(input: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NDHWC",
               name: str | None = None) -> Any:
    """The average of each window of volumes of shape [batch, depth, height, width, channels]."""
    return _pool("avg", input, ksize, strides, padding, data_format, name)


def _with_argmax(input: Any, ksize: Any, strides: Any, padding: str, data_format: str, output_dtype: Any,
                 include_batch: bool, name: str | None) -> Any:
    if data_format != "NHWC":
        raise ValueError("`data_format` values other than 'NHWC' are not supported. Received: data_format="
                         f"{data_format}")
    return cards.MaxPoolWithArgmax(  # type: ignore[operator]
        input, ksize=sequence(ksize, 2, 3, "ksize"), strides=sequence(strides, 2, 3, "strides"), padding=padding,
        Targmax=as_dtype(output_dtype), include_batch_in_index=include_batch, name=name,
    )


@export("nn.max_pool_with_argmax", v1=[])
def max_pool_with_argmax(input: Any, ksize: Any, strides: Any, padding: str, data_format: str = "NHWC",
                         output_dtype: Any = dtypes.int64, include_batch_in_index: bool = False,
                         name: str | None = None) -> Any:
    """The maximum of each window, and its flat position (y * width + x) * channels + c in the image."""
    return _with_argmax(input, ksize, strides, padding, data_format, output_dtype, include_batch_in_index, name)


@export(v1=["nn.max_pool_with_argmax"])
def max_pool_with_argmax_v1(input: Any, ksize: Any, strides: Any, padding: str, data_format: str = "NHWC",
                            Targmax: Any = None, name: str | None = None, output_dtype: Any = None,
                            include_batch_in_index: bool = False) -> Any:
    """The maximum of each window, and its flat position; `Targmax` is the older name of `output_dtype`."""
    return _with_argmax(input, ksize, strides, padding, data_format, output_dtype or Targmax or dtypes.int64,
                        include_batch_in_index, name)


def _general(input: Any, window_shape: Any, pooling_type: str, strides: Any, padding: Any, data_format: str | None,
             dilations: Any, name: str | None) -> Any:
    if pooling_type not in ("MAX", "AVG"):
        raise ValueError(f"pooling_type must be \"MAX\" or \"AVG\", received {pooling_type!r}")
    with name_scope(name, f"{pooling_type.lower()}_pool"):
        input = convert(input, name="input")
        rates = [int(d) for d in dilations] if dilations is not None else [1] * len(window_shape)
        steps = [int(s) for s in strides] if strides is not None else [1] * len(window_shape)
        kind = pooling_type.lower()
        if all(r == 1 for r in rates):
            return _pool(kind, input, list(window_shape), steps, padding, data_format, None)
        if any(s > 1 for s in steps):
            raise ValueError("strides > 1 is not supported together with dilations > 1")
        return _dilated(kind, input, list(window_shape), padding, data_format, rates)


def _dilated(kind: str, input: Any, windows: list[int], padding: str, data_format: str | None, rates: list[int]) -> Any:
    """Dilated windows: interleaved images are pooled one by one (space to batch and back)."""
    if data_format is not None and is_channels_first(data_format):
        raise NotImplementedError("dilated pooling of channels-first images is not in everflow yet")
    sizes = input.shape.as_list()[1:-1]
    if None in sizes:
        raise NotImplementedError("dilated pooling of images of unknown size is not in everflow yet")
    pads = []
    for size, window, rate in zip(sizes, windows, rates):
        total = (window - 1) * rate if padding == "SAME" else 0
        before = total // 2
        full = size + total
        pads.append([before, total - before + (-full) % rate])
    if kind == "avg" and padding == "SAME":
        raise NotImplementedError("dilated average pooling with padding SAME is not in everflow yet")
    block = np.array(rates, np.int32)
    batch = CARDS["SpaceToBatchND"](input, block, np.array(pads, np.int32))
    pooled = _pool(kind, batch, windows, [1] * len(windows), "VALID", data_format, None)
    result = CARDS["BatchToSpaceND"](pooled, block, np.zeros((len(rates), 2), np.int32))
    wanted = [s if padding == "SAME" else s - (w - 1) * r for s, w, r in zip(sizes, windows, rates)]
    return result[(slice(None), *(slice(0, n) for n in wanted), slice(None))]


@export("nn.pool", v1=[])
def pool(input: Any, window_shape: Any, pooling_type: str, strides: Any = None, padding: Any = "VALID",
         data_format: str | None = None, dilations: Any = None, name: str | None = None) -> Any:
    """Pools over one, two or three spatial dimensions.

    Args:
      input: shape [batch, ..., channels].
      window_shape: sizes of the window, one per spatial dimension.
      pooling_type: "MAX" or "AVG".
      strides: steps of the window, one per spatial dimension.
      padding: "SAME" or "VALID".
      data_format: where the channels are.
      dilations: distances between the elements of the window.
      name: name scope of the operations in a graph.

    Raises:
      ValueError: an argument is not of the right form.
    """
    return _general(input, window_shape, pooling_type, strides, padding, data_format, dilations, name)


@export(v1=["nn.pool"])
def pool_v1(input: Any, window_shape: Any, pooling_type: str, padding: Any, dilation_rate: Any = None,
            strides: Any = None, name: str | None = None, data_format: str | None = None, dilations: Any = None) -> Any:
    """Pools over one, two or three spatial dimensions; the 1.x spelling."""
    return _general(input, window_shape, pooling_type, strides, padding, data_format,
                    dilations if dilation_rate is None else dilation_rate, name)
