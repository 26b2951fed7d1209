"""Geometry of windows that slide over images, shared by convolutions and pooling.

Spatial axes are counted without batch and channels; kernels work on the channels-last layout, others are
transposed around them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.runtime.failures import invalid


def is_channels_first(data_format: str) -> bool:
    """True for NCHW and its relatives."""
    return data_format.startswith("NC")


def spatial(values: Sequence[int], data_format: str) -> tuple[int, ...]:
    """The entries of a per-dimension list that belong to spatial dimensions."""
    return tuple(values[2:]) if is_channels_first(data_format) else tuple(values[1:-1])


def to_channels_last(xp: Any, x: Any, data_format: str) -> Any:
    """`x` with its channels behind."""
    return xp.moveaxis(x, 1, -1) if is_channels_first(data_format) else x


def from_channels_last(xp: Any, x: Any, data_format: str) -> Any:
    """`x`, whose channels are behind, in `data_format`."""
    return xp.moveaxis(x, -1, 1) if is_channels_first(data_format) else x


def paddings(
    sizes: Sequence[int], windows: Sequence[int], strides: Sequence[int], dilations: Sequence[int], padding: str,
    explicit: Sequence[int] = (), data_format: str = "NHWC",
) -> list[tuple[int, int]]:
    """(before, after) per spatial dimension for "SAME", "VALID" or "EXPLICIT" padding."""
    if padding == "VALID":
        return [(0, 0)] * len(sizes)
    if padding == "EXPLICIT":
        pairs = [(explicit[2 * i], explicit[2 * i + 1]) for i in range(len(explicit) // 2)]
        return pairs[2:] if is_channels_first(data_format) else pairs[1:-1]
    result = []
    for size, window, stride, dilation in zip(sizes, windows, strides, dilations):
        reach = (window - 1) * dilation + 1
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
        result.append((total // 2, total - total // 2))
    return result


def output_sizes(
    sizes: Sequence[int], windows: Sequence[int], strides: Sequence[int], dilations: Sequence[int],
    pads: Sequence[tuple[int, int]],
) -> list[int]:
    """Number of windows per spatial dimension."""
    result = []
    for size, window, stride, dilation, (before, after) in zip(sizes, windows, strides, dilations, pads):
        reach = (window - 1) * dilation + 1
        result.append(max((size + before + after - reach) // stride + 1, 0))
    return result


def static_output(
    shape: TensorShape, windows: Sequence[int | None], strides: Sequence[int], dilations: Sequence[int], padding: str,
    explicit: Sequence[int], data_format: str, channels: int | None,
) -> TensorShape:
    """The static shape of the output; None where something is unknown.

    Raises:
      ValueError: a window is larger than what it slides over.
    """
    rank = len(windows) + 2
    if shape.rank is None:
        dims: list[int | None] = [None] * rank
    else:
        dims = shape.as_list()
        if len(dims) != rank:
            raise ValueError(f"Shape must be rank {rank} but is rank {len(dims)}")
    sizes = dims[2:] if is_channels_first(data_format) else dims[1:-1]
    result: list[int | None] = []
    for i, (size, window, stride, dilation) in enumerate(zip(sizes, windows, strides, dilations)):
        if size is None or (window is None and padding != "SAME"):
            result.append(None)
            continue
        if padding == "SAME":
            result.append(-(-size // stride))
            continue
        pads = paddings([size], [window], [stride], [dilation], "VALID") if padding == "VALID" else [  # type: ignore[list-item]
            paddings([0] * len(windows), [1] * len(windows), strides, dilations, padding, explicit, data_format)[i]
        ]
        reach = (window - 1) * dilation + 1  # type: ignore[operator]
        total = size + sum(pads[0])
        if total < reach:
            raise ValueError(f"Negative dimension size caused by subtracting {reach} from {total}")
        result.append((total - reach) // stride + 1)
    if is_channels_first(data_format):
        return TensorShape([dims[0], channels, *result])
    return TensorShape([dims[0], *result, channels])


def check_strides(strides: Sequence[int], name: str) -> None:
    """Strides in batch and depth must be 1.

    Raises:
      InvalidArgumentError: one is not positive.
    """
    if any(s <= 0 for s in strides):
        raise invalid(f"{name}: strides must be positive, received {list(strides)}")


def pad_spatial(x: np.ndarray, pads: Sequence[tuple[int, int]], value: Any = 0) -> np.ndarray:
    """`x` (channels last) with its spatial dimensions padded."""
    if not any(b or a for b, a in pads):
        return x
    widths = [(0, 0), *pads, (0, 0)]
    if all(b >= 0 and a >= 0 for b, a in pads):
        return np.pad(x, widths, constant_values=value)
    cut = tuple(slice(max(-b, 0), x.shape[i] - max(-a, 0)) for i, (b, a) in enumerate(widths))
    return np.pad(x[cut], [(max(b, 0), max(a, 0)) for b, a in widths], constant_values=value)


def windows_of(
    x: np.ndarray, windows: Sequence[int], strides: Sequence[int], dilations: Sequence[int], outputs: Sequence[int]
) -> np.ndarray:
    """A view of shape [batch, *outputs, *windows, channels] of the padded `x`, without copying."""
    count = len(windows)
    steps = x.strides
    return np.lib.stride_tricks.as_strided(
        x,
        (x.shape[0], *outputs, *windows, x.shape[-1]),
        (steps[0], *(steps[i + 1] * strides[i] for i in range(count)),
         *(steps[i + 1] * dilations[i] for i in range(count)), steps[-1]),
        writeable=False,
    )


def offsets(windows: Sequence[int]) -> Any:
    """Positions within a window, in row-major order."""
    return np.ndindex(*windows)


def offset_slice(offset: Sequence[int], outputs: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
                 ) -> tuple[slice, ...]:
    """The index of what lies at `offset` of every window, in the padded image (channels last)."""
    return (
        slice(None),
        *(slice(o * d, o * d + (n - 1) * s + 1, s) for o, n, s, d in zip(offset, outputs, strides, dilations)),
        slice(None),
    )


def place(jax: Any, values: Any, offset: Sequence[int], sizes: Sequence[int], strides: Sequence[int],
          dilations: Sequence[int]) -> Any:
    """The reverse of `offset_slice` for XLA: `values` spread out to their places in zeros of `sizes`."""
    configuration = [(0, 0, 0)]
    for o, n, size, s, d in zip(offset, values.shape[1:-1], sizes, strides, dilations):
        low = o * d
        configuration.append((low, size - low - ((n - 1) * s + 1), s - 1))
    configuration.append((0, 0, 0))
    return jax.lax.pad(values, jax.numpy.zeros((), values.dtype), configuration)


def crop(x: Any, pads: Sequence[tuple[int, int]]) -> Any:
    """`x` (channels last) without its padding."""
    if not any(b or a for b, a in pads):
        return x
    return x[(slice(None), *(slice(b, x.shape[i + 1] - a) for i, (b, a) in enumerate(pads)), slice(None))]
