"""Grayscale dilation and erosion of images.

Both slide a structuring element over each channel: dilation takes the maximum of image plus element, erosion
the minimum of image minus element (Serra, 1982).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import CARDS, INTS, STRING, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops import nn_windows as geometry
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid


class _Windows:
    """The positions of a structuring element over one image."""

    def __init__(
        self, x: Any, element: Any, strides: Sequence[int], rates: Sequence[int], padding: str
    ) -> None:
        if x.ndim != 4 or element.ndim != 3:
            raise invalid(
                "Dilation needs an input of 4 dimensions and a filter of 3: received shapes "
                f"{list(x.shape)} and {list(element.shape)}"
            )
        if x.shape[-1] != element.shape[-1]:
            raise invalid(
                f"input and filter must have the same depth: {x.shape[-1]} vs {element.shape[-1]}"
            )
        self.element_shape = element.shape
        self.strides, self.rates = tuple(strides[1:3]), tuple(rates[1:3])
        sizes, windows = x.shape[1:3], element.shape[:2]
        self.pads = geometry.paddings(sizes, windows, self.strides, self.rates, padding)
        self.outputs = geometry.output_sizes(sizes, windows, self.strides, self.rates, self.pads)

    def padded(self, xp: Any, x: Any, value: float) -> Any:
        pads = [(0, 0), *self.pads, (0, 0)]
        return xp.pad(x, pads, constant_values=np.asarray(value).astype(x.dtype))

    def positions(self) -> Iterator[tuple[tuple[int, int], tuple[slice, ...]]]:
        """Each position in the element, and the slice of the padded image that it meets."""
        for position in itertools.product(*map(range, self.element_shape[:2])):
            yield (
                position,
                (
                    slice(None),
                    *(
                        slice(p * rate, p * rate + (count - 1) * stride + 1, stride)
                        for p, rate, count, stride in zip(position, self.rates, self.outputs, self.strides)
                    ),
                ),
            )

    def candidates(self, xp: Any, x: Any, element: Any) -> Any:
        """[positions, batch, height, width, channels]: image plus element; -inf outside of the image."""
        lowest = -np.inf if np.dtype(x.dtype).kind not in "iu" else np.iinfo(x.dtype).min // 2
        padded = self.padded(xp, x, lowest)
        return xp.stack([padded[where] + element[position] for position, where in self.positions()])


def _dilation(xp: Any, x: Any, element: Any, *, strides: Any, rates: Any, padding: str) -> Any:
    return _Windows(x, element, strides, rates, padding).candidates(xp, x, element).max(axis=0)


def _chosen(xp: Any, windows: _Windows, x: Any, element: Any) -> Any:
    return xp.argmax(windows.candidates(xp, x, element), axis=0)


def _input_gradient(
    xp: Any, x: Any, element: Any, dy: Any, *, strides: Any, rates: Any, padding: str
) -> Any:
    windows = _Windows(x, element, strides, rates, padding)
    chosen = _chosen(xp, windows, x, element)
    result = windows.padded(xp, xp.zeros_like(x), 0)
    for index, (_, where) in enumerate(windows.positions()):
        part = xp.where(chosen == index, dy, xp.zeros((), dy.dtype))
        if xp is np:
            result[where] += part
        else:
            result = result.at[where].add(part)
    (top, _), (left, _) = windows.pads
    return result[:, top : top + x.shape[1], left : left + x.shape[2]]


def _filter_gradient(
    xp: Any, x: Any, element: Any, dy: Any, *, strides: Any, rates: Any, padding: str
) -> Any:
    windows = _Windows(x, element, strides, rates, padding)
    chosen = _chosen(xp, windows, x, element)
    zero = xp.zeros((), dy.dtype)
    parts = [
        xp.where(chosen == i, dy, zero).sum(axis=(0, 1, 2)) for i in range(int(np.prod(element.shape[:2])))
    ]
    return xp.stack(parts).reshape(element.shape).astype(dy.dtype)


def _dilation_shape(op: Any) -> TensorShape:
    element = shapes.with_rank(op._inputs[1]._shape, 3).as_list()
    strides, rates = op._attrs["strides"][1:3], op._attrs["rates"][1:3]
    return geometry.static_output(
        op._inputs[0]._shape, element[:2], strides, rates, op._attrs["padding"], (), "NHWC", element[2]
    )


def _sample() -> list[np.ndarray]:
    x = np.cos(np.arange(32, dtype=np.float32)).reshape(1, 4, 4, 2)
    return [x, np.sin(np.arange(8, dtype=np.float32)).reshape(2, 2, 2)]


_ATTRS: dict[str, Any] = {"strides": INTS, "rates": INTS, "padding": STRING}
_SAMPLE_ATTRS: dict[str, Any] = {"strides": [1, 1, 1, 1], "rates": [1, 1, 1, 1], "padding": "VALID"}

Dilation2D = op(
    "Dilation2D",
    "input: T, filter: T -> output: T",
    T=dtypes.REAL,
    **_ATTRS,
    kernel=_dilation,
    shape=_dilation_shape,
    gradient=lambda dy, *, input, filter, strides, rates, padding: (
        Dilation2DBackpropInput(input, filter, dy, strides=strides, rates=rates, padding=padding),
        Dilation2DBackpropFilter(input, filter, dy, strides=strides, rates=rates, padding=padding),
    ),
    sample=lambda: (_sample(), _SAMPLE_ATTRS),
    doc="The maximum of image plus structuring element.",
)
Dilation2DBackpropInput = op(
    "Dilation2DBackpropInput",
    "input: T, filter: T, out_backprop: T -> in_backprop: T",
    T=dtypes.REAL,
    **_ATTRS,
    kernel=_input_gradient,
    shape=shapes.unchanged,
    no_gradient="TensorFlow has no second gradient of dilation",
    sample=lambda: ([*_sample(), np.ones((1, 3, 3, 2), np.float32)], _SAMPLE_ATTRS),
    doc="The gradient of Dilation2D for the image.",
)
Dilation2DBackpropFilter = op(
    "Dilation2DBackpropFilter",
    "input: T, filter: T, out_backprop: T -> filter_backprop: T",
    T=dtypes.REAL,
    **_ATTRS,
    kernel=_filter_gradient,
    shape=shapes.like_input(1),
    no_gradient="TensorFlow has no second gradient of dilation",
    sample=lambda: ([*_sample(), np.ones((1, 3, 3, 2), np.float32)], _SAMPLE_ATTRS),
    doc="The gradient of Dilation2D for the structuring element.",
)


@export("nn.dilation2d", v1=[])
def dilation2d(
    input: Any,
    filters: Any,
    strides: Any,
    padding: str,
    data_format: str,
    dilations: Any,
    name: str | None = None,
) -> Any:
    """The maximum of image plus structuring element, at each position of the element.

    Args:
      input: shape [batch, height, width, channels].
      filters: the structuring element, shape [height, width, channels].
      strides: steps of the element, four numbers.
      padding: "SAME" or "VALID"; what lies outside of the image is never the maximum.
      data_format: "NHWC".
      dilations: distances between the entries of the element, four numbers.
      name: name of the operation in a graph.

    Raises:
      ValueError: another data format.

    >>> import everflow as tf
    >>> x = tf.reshape(tf.range(4.), [1, 2, 2, 1])
    >>> tf.nn.dilation2d(x, tf.zeros([2, 2, 1]), [1, 1, 1, 1], "VALID", "NHWC", [1, 1, 1, 1]).numpy().item()
    3.0
    """
    if data_format != "NHWC":
        raise ValueError(f"`data_format` must be 'NHWC'. Received: {data_format!r}")
    return Dilation2D(input, filters, strides=strides, rates=dilations, padding=padding, name=name)


@export(v1=["nn.dilation2d"])
def dilation2d_v1(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    rates: Any = None,
    padding: Any = None,
    name: str | None = None,
    filters: Any = None,
    dilations: Any = None,
) -> Any:
    """The maximum of image plus structuring element; the 1.x spelling of `tf.nn.dilation2d`."""
    filter = filters if filter is None else filter
    rates = dilations if rates is None else rates
    return Dilation2D(input, filter, strides=strides, rates=rates, padding=padding, name=name)


@export("nn.erosion2d", v1=[])
def erosion2d(
    value: Any,
    filters: Any,
    strides: Any,
    padding: str,
    data_format: str,
    dilations: Any,
    name: str | None = None,
) -> Any:
    """The minimum of image minus the turned structuring element, at each position of the element.

    Args:
      value: shape [batch, height, width, channels].
      filters: the structuring element, shape [height, width, channels].
      strides: steps of the element, four numbers.
      padding: "SAME" or "VALID".
      data_format: "NHWC".
      dilations: distances between the entries of the element, four numbers.
      name: name of the operations.

    Raises:
      ValueError: another data format.
    """
    if data_format != "NHWC":
        raise ValueError(f"`data_format` must be 'NHWC'. Received: {data_format!r}")
    return erosion2d_v1(value, filters, strides, dilations, padding, name)


@export(v1=["nn.erosion2d"])
def erosion2d_v1(
    value: Any, kernel: Any, strides: Any, rates: Any, padding: str, name: str | None = None
) -> Any:
    """The minimum of image minus the turned structuring element; the 1.x spelling of `tf.nn.erosion2d`."""
    with name_scope(name, "erosion2d"):
        turned = CARDS["ReverseV2"](convert(kernel), np.array([0, 1], np.int32))
        return -Dilation2D(-convert(value), turned, strides=strides, rates=rates, padding=padding)
