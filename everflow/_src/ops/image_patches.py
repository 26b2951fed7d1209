"""Patches of images and volumes: the pixels under a sliding window as one vector."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.export import export
from everflow._src.framework.registry import INTS, STRING, Attr, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops import nn_windows as geometry
from everflow._src.ops.by_name import cards
from everflow._src.runtime.failures import invalid

_TYPES = tuple(d for d in dtypes.ALL if d.is_floating or d.is_integer or d.is_complex or d.is_bool)


def _name(padding: Any) -> str:
    return padding.decode() if isinstance(padding, bytes) else padding


def _patches(xp: Any, x: Any, sizes: Sequence[int], strides: Sequence[int], rates: Sequence[int], padding: Any) -> Any:
    count = len(sizes)
    if x.ndim != count + 2:
        raise invalid(f"input must have rank {count + 2}, received the shape {list(x.shape)}")
    pads = geometry.paddings(x.shape[1:-1], sizes, strides, rates, _name(padding))
    outputs = geometry.output_sizes(x.shape[1:-1], sizes, strides, rates, pads)
    padded = xp.pad(x, [(0, 0), *pads, (0, 0)])
    parts = []
    for position in itertools.product(*map(range, sizes)):
        where = tuple(
            slice(p * rate, p * rate + max(number - 1, 0) * stride + (1 if number else 0), stride)
            for p, rate, number, stride in zip(position, rates, outputs, strides)
        )
        parts.append(padded[(slice(None), *where)])
    return xp.concatenate(parts, axis=-1)


def _shape(op: Any, sizes: Sequence[int], strides: Sequence[int], rates: Sequence[int]) -> TensorShape:
    given = op._inputs[0]._shape.with_rank(len(sizes) + 2).as_list()
    result = [given[0]]
    for size, window, stride, rate in zip(given[1:-1], sizes, strides, rates):
        if size is None:
            result.append(None)
            continue
        pads = geometry.paddings([size], [window], [stride], [rate], _name(op._attrs["padding"]))
        (number,) = geometry.output_sizes([size], [window], [stride], [rate], pads)
        if number < 0:
            raise ValueError(f"The window of size {window} is larger than the image of size {size}")
        result.append(number)
    return TensorShape([*result, None if given[-1] is None else given[-1] * int(np.prod(sizes))])


def _gradient(dy: Any, input_shape: Any, again: Any) -> Any:
    # Each element of a patch goes back to where it came from: patches of the numbered pixels tell where.
    shape = input_shape.tensor()
    pixels = cards.Prod(shape[1:], np.array(0, np.int32))
    numbers = cards.Reshape(cards.Range(1, pixels + 1, 1), cards.ConcatV2(
        [np.array([1], np.int32), shape[1:]], np.array(0, np.int32)))
    where = cards.Reshape(again(numbers), np.array([-1], np.int32))
    flat = cards.Reshape(dy, cards.Pack([shape[0], cards.Size(where)]))
    turned = cards.Transpose(flat, np.array([1, 0], np.int32))
    # Number zero is padding.
    sums = cards.UnsortedSegmentSum(turned, where, pixels + 1)[1:]
    return cards.Reshape(cards.Transpose(sums, np.array([1, 0], np.int32)), shape)


def _image_gradient(dy: Any, *, images_shape: Any, ksizes: Any, strides: Any, rates: Any, padding: Any) -> Any:
    return _gradient(dy, images_shape, lambda numbers: ExtractImagePatches(
        numbers, ksizes=ksizes, strides=strides, rates=rates, padding=padding))


def _volume_gradient(dy: Any, *, input_shape: Any, ksizes: Any, strides: Any, padding: Any) -> Any:
    return _gradient(dy, input_shape, lambda numbers: ExtractVolumePatches(
        numbers, ksizes=ksizes, strides=strides, padding=padding))


ExtractImagePatches = op(
    "ExtractImagePatches", "images: T -> patches: T", T=Attr("type", allowed=_TYPES), ksizes=INTS, strides=INTS,
    rates=INTS, padding=STRING,
    kernel=lambda xp, x, *, ksizes, strides, rates, padding: _patches(
        xp, x, ksizes[1:3], strides[1:3], rates[1:3], padding),
    shape=lambda op: _shape(op, op._attrs["ksizes"][1:3], op._attrs["strides"][1:3], op._attrs["rates"][1:3]),
    gradient=_image_gradient, doc="Patches of images as vectors of pixels.",
    sample=lambda: ([np.linspace(-1, 1, 24, dtype=np.float32).reshape(1, 4, 3, 2)],
                    {"ksizes": [1, 2, 2, 1], "strides": [1, 2, 1, 1], "rates": [1, 1, 1, 1], "padding": "SAME"}),
)
ExtractVolumePatches = op(
    "ExtractVolumePatches", "input: T -> patches: T", T=Attr("type", allowed=_TYPES), ksizes=INTS, strides=INTS,
    padding=STRING,
    kernel=lambda xp, x, *, ksizes, strides, padding: _patches(xp, x, ksizes[1:4], strides[1:4], (1, 1, 1), padding),
    shape=lambda op: _shape(op, op._attrs["ksizes"][1:4], op._attrs["strides"][1:4], (1, 1, 1)),
    gradient=_volume_gradient, doc="Patches of volumes as vectors of voxels.",
    sample=lambda: ([np.linspace(-1, 1, 16, dtype=np.float32).reshape(1, 2, 2, 2, 2)],
                    {"ksizes": [1, 2, 2, 1, 1], "strides": [1, 1, 1, 1, 1], "padding": "VALID"}),
)


@export("image.extract_patches", v1=["image.extract_patches"])
def extract_patches(
    images: Any, sizes: Sequence[int], strides: Sequence[int], rates: Sequence[int], padding: str,
    name: str | None = None,
) -> Any:
    """Patches of images, each as the vector of its pixels.

    Args:
      images: shape [batch, height, width, channels].
      sizes: [1, rows, columns, 1] of a patch.
      strides: [1, rows, columns, 1] from one patch to the next.
      rates: [1, rows, columns, 1] from one pixel of a patch to the next.
      padding: "SAME" or "VALID".
      name: name of the operation.

    Returns:
      A tensor of shape [batch, rows of patches, columns of patches, pixels * channels].

    Raises:
      ValueError: `images` has another rank.

    >>> import everflow as tf
    >>> x = tf.reshape(tf.range(4), [1, 2, 2, 1])
    >>> tf.image.extract_patches(x, [1, 2, 2, 1], [1, 1, 1, 1], [1, 1, 1, 1], "VALID").numpy()
    array([[[[0, 1, 2, 3]]]], dtype=int32)
    """
    return ExtractImagePatches(
        images, ksizes=list(sizes), strides=list(strides), rates=list(rates), padding=padding, name=name
    )


@export(v1=["extract_image_patches", "image.extract_image_patches"])
def extract_image_patches(
    images: Any, ksizes: Any = None, strides: Any = None, rates: Any = None, padding: Any = None,
    name: str | None = None, sizes: Any = None,
) -> Any:
    """Patches of images, each as the vector of its pixels; `ksizes` is the older name of `sizes`.

    Raises:
      ValueError: both `ksizes` and `sizes` are given.
    """
    if ksizes is not None and sizes is not None:
        raise ValueError("Cannot specify both 'ksizes' and 'sizes'")
    return extract_patches(images, ksizes if sizes is None else sizes, strides, rates, padding, name)


@export("extract_volume_patches")
def extract_volume_patches(
    input: Any, ksizes: Sequence[int], strides: Sequence[int], padding: str, name: str | None = None
) -> Any:
    """Patches of volumes, each as the vector of its voxels.

    Args:
      input: shape [batch, depth, height, width, channels].
      ksizes: [1, planes, rows, columns, 1] of a patch.
      strides: the same from one patch to the next.
      padding: "SAME" or "VALID".
      name: name of the operation.
    """
    return ExtractVolumePatches(input, ksizes=list(ksizes), strides=list(strides), padding=padding, name=name)
