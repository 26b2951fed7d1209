"""Blocks of elements as dimensions of their own: space_to_batch, space_to_depth, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import INT, Attr, op
from everflow._src.framework.shape_rules import UNKNOWN_SHAPE
from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.array_shape import index_attr, renamed
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid

_INT32 = np.dtype("int32")
_INDEX_TYPES = Attr("type", allowed=(dtypes.int32, dtypes.int64))


def _block_arguments(x: Any, block: Any, pairs: Any, what: str) -> tuple[list[int], list[list[int]]]:
    sizes = [int(b) for b in block.reshape(-1)]
    edges = pairs.tolist()
    if pairs.shape != (len(sizes), 2):
        raise invalid(f"{what} should have shape [{len(sizes)}, 2] instead of {list(pairs.shape)}")
    if x.ndim < 1 + len(sizes):
        raise invalid(f"input rank should be >= {1 + len(sizes)} instead of {x.ndim}")
    if min(sizes, default=1) < 1:
        raise invalid(f"All values in block_shape must be positive, got {sizes}")
    if min((n for pair in edges for n in pair), default=0) < 0:
        raise invalid(f"{what} must be non-negative, got {edges}")
    return sizes, edges


def _space_to_batch(xp: Any, x: Any, block: Any, paddings: Any) -> Any:
    sizes, edges = _block_arguments(x, block, paddings, "paddings")
    count = len(sizes)
    rest = x.ndim - 1 - count
    x = xp.pad(x, [(0, 0), *[tuple(e) for e in edges], *[(0, 0)] * rest])
    shape = [x.shape[0]]
    for axis, size in enumerate(sizes, 1):
        if x.shape[axis] % size:
            raise invalid(f"padded_shape[{axis - 1}]={x.shape[axis]} is not divisible by "
                          f"block_shape[{axis - 1}]={size}")
        shape += [x.shape[axis] // size, size]
    tail = x.shape[1 + count:]
    x = x.reshape((*shape, *tail))
    order = [*(2 * i + 2 for i in range(count)), 0, *(2 * i + 1 for i in range(count)),
             *range(1 + 2 * count, 1 + 2 * count + rest)]
    spatial = [shape[2 * i + 1] for i in range(count)]
    return xp.transpose(x, order).reshape((shape[0] * int(np.prod(sizes, dtype=int)), *spatial, *tail))


def _batch_to_space(xp: Any, x: Any, block: Any, crops: Any) -> Any:
    sizes, edges = _block_arguments(x, block, crops, "crops")
    count = len(sizes)
    rest = x.ndim - 1 - count
    product = int(np.prod(sizes, dtype=int))
    if x.shape[0] % product:
        raise invalid(f"Input batch dimension ({x.shape[0]}) is not divisible by product of block sizes ({product})")
    spatial, tail = x.shape[1:1 + count], x.shape[1 + count:]
    x = x.reshape((*sizes, x.shape[0] // product, *spatial, *tail))
    order = [count]
    for i in range(count):
        order += [count + 1 + i, i]
    x = xp.transpose(x, order + list(range(2 * count + 1, 2 * count + 1 + rest)))
    x = x.reshape((x.shape[0], *(s * b for s, b in zip(spatial, sizes)), *tail))
    for i, (before, after) in enumerate(edges):
        if before + after > x.shape[i + 1]:
            raise invalid(f"cropped_shape[{i}] must be non-negative: crops {edges[i]} of size {x.shape[i + 1]}")
    cut = tuple(slice(b, x.shape[i + 1] - a) for i, (b, a) in enumerate(edges))
    return x[(slice(None), *cut)]


def _blocks_shape(op: Any, to_batch: bool, block: Any, pairs: Any) -> TensorShape:
    dims = op._inputs[0]._shape._dims
    if "block_size" in op._attrs:
        dims = shapes.with_rank(op._inputs[0]._shape, 4)._dims
    if dims is None:
        return UNKNOWN_SHAPE
    if block is None:
        return TensorShape([None] * len(dims))
    sizes = [int(b) for b in block.reshape(-1)]
    if len(dims) < 1 + len(sizes):
        raise ValueError(f"Shape must be at least rank {1 + len(sizes)} but is rank {len(dims)}")
    product = int(np.prod(sizes, dtype=int))
    batch = dims[0]
    if batch is not None:
        if not to_batch and batch % product:
            raise ValueError(f"Dimension size must be evenly divisible by {product} but is {batch}")
        batch = batch * product if to_batch else batch // product
    spatial: list[int | None] = []
    for i, size in enumerate(sizes):
        length = dims[i + 1]
        if length is None or pairs is None:
            spatial.append(None)
        elif to_batch:
            length += int(pairs[i].sum())
            if length % size:
                raise ValueError(f"Dimension size must be evenly divisible by {size} but is {length}")
            spatial.append(length // size)
        else:
            spatial.append(length * size - int(pairs[i].sum()))
    return TensorShape([batch, *spatial, *dims[1 + len(sizes):]])


def _nd_shape(to_batch: bool) -> Any:
    return lambda op: _blocks_shape(op, to_batch, constant_value(op._inputs[1]), constant_value(op._inputs[2]))


def _square_shape(to_batch: bool) -> Any:
    return lambda op: _blocks_shape(op, to_batch, np.array([op._attrs["block_size"]] * 2),
                                    constant_value(op._inputs[1]))


SpaceToBatchND = op(
    "SpaceToBatchND", "input: T, block_shape: Tblock_shape, paddings: Tpaddings -> output: T", T=dtypes.ALL,
    Tblock_shape=index_attr(), Tpaddings=index_attr(), kernel=_space_to_batch, shape=_nd_shape(True),
    static=("block_shape", "paddings"),
    gradient=lambda dy, *, block_shape, paddings: (BatchToSpaceND(dy, block_shape, paddings), None, None),
    doc="Interleaved pixels become images of their own.",
    sample=lambda: ([np.arange(8, dtype=np.float32).reshape(1, 4, 2), np.array([2], np.int32),
                     np.array([[0, 2]], np.int32)], {}),
)

BatchToSpaceND = op(
    "BatchToSpaceND", "input: T, block_shape: Tblock_shape, crops: Tcrops -> output: T", T=dtypes.ALL,
    Tblock_shape=index_attr(), Tcrops=index_attr(), kernel=_batch_to_space, shape=_nd_shape(False),
    static=("block_shape", "crops"),
    gradient=lambda dy, *, block_shape, crops: (SpaceToBatchND(dy, block_shape, crops), None, None),
    doc="Images become the interleaved pixels of larger ones.",
    sample=lambda: ([np.arange(12, dtype=np.float32).reshape(2, 3, 2), np.array([2], np.int32),
                     np.array([[1, 0]], np.int32)], {}),
)

SpaceToBatch = op(
    "SpaceToBatch", "input: T, paddings: Tpaddings -> output: T", T=dtypes.ALL, Tpaddings=index_attr(),
    block_size=INT, kernel=lambda xp, x, p, *, block_size: _space_to_batch(xp, x, np.array([block_size] * 2), p),
    shape=_square_shape(True), static=("paddings",),
    gradient=lambda dy, *, paddings, block_size: (BatchToSpace(dy, paddings, block_size=block_size), None),
    doc="SpaceToBatchND with square blocks.",
    sample=lambda: ([np.arange(8, dtype=np.float32).reshape(1, 2, 4, 1), np.zeros((2, 2), np.int32)],
                    {"block_size": 2}),
)

BatchToSpace = op(
    "BatchToSpace", "input: T, crops: Tidx -> output: T", T=dtypes.ALL, Tidx=index_attr(), block_size=INT,
    kernel=lambda xp, x, c, *, block_size: _batch_to_space(xp, x, np.array([block_size] * 2), c),
    shape=_square_shape(False), static=("crops",),
    gradient=lambda dy, *, crops, block_size: (SpaceToBatch(dy, crops, block_size=block_size), None),
    doc="BatchToSpaceND with square blocks.",
    sample=lambda: ([np.arange(8, dtype=np.float32).reshape(4, 1, 2, 1), np.zeros((2, 2), np.int32)],
                    {"block_size": 2}),
)


@export("space_to_batch", "nn.space_to_batch", v1=[])
def space_to_batch(input: Any, block_shape: Any, paddings: Any, name: str | None = None) -> Tensor:
    """`input` with every `block_shape`-th pixel of each spatial dimension gathered into images of their own.

    Args:
      input: shape [batch, ...spatial, ...rest].
      block_shape: one integer per spatial dimension.
      paddings: zeros to add before and after each spatial dimension first, of shape [n, 2].
      name: name of the operation.

    Returns:
      A tensor with prod(block_shape) times the batch, and spatial dimensions divided by `block_shape`.

    Raises:
      tf.errors.InvalidArgumentError, ValueError (in a graph): a padded dimension is not divisible.
    """
    return SpaceToBatchND(input, block_shape, paddings, name=name)


@export(v1=["space_to_batch", "nn.space_to_batch"])
def space_to_batch_v1(input: Any, paddings: Any, block_size: int | None = None, name: str | None = None,
                      block_shape: Any = None) -> Tensor:
    """`tf.space_to_batch` with one size for both spatial dimensions, or `block_shape`."""
    block = renamed("block_shape", block_shape, "block_size", block_size)
    return SpaceToBatchND(input, _square(block), paddings, name=name)


def _square(block: Any) -> Any:
    return np.array([block, block], np.int64) if isinstance(block, int) else block


@export("space_to_batch_nd", v1=["space_to_batch_nd", "manip.space_to_batch_nd"])
def space_to_batch_nd(input: Any, block_shape: Any, paddings: Any, name: str | None = None) -> Tensor:
    """`tf.space_to_batch` under its older name."""
    return SpaceToBatchND(input, block_shape, paddings, name=name)


@export("batch_to_space", v1=[])
def batch_to_space(input: Any, block_shape: Any, crops: Any, name: str | None = None) -> Tensor:
    """What `tf.space_to_batch` does, undone: images become the interleaved pixels of larger ones.

    Args:
      input: shape [batch, ...spatial, ...rest].
      block_shape: one integer per spatial dimension, or one for two.
      crops: how much to cut off before and after each spatial dimension at last, of shape [n, 2].
      name: name of the operation.
    """
    return BatchToSpaceND(input, _square(block_shape), crops, name=name)


@export(v1=["batch_to_space"])
def batch_to_space_v1(input: Any, crops: Any, block_size: int | None = None, name: str | None = None,
                      block_shape: Any = None) -> Tensor:
    """`tf.batch_to_space` with one size for both spatial dimensions, or `block_shape`."""
    block = renamed("block_shape", block_shape, "block_size", block_size)
    return BatchToSpaceND(input, _square(block), crops, name=name)


@export(v1=["batch_to_space_nd", "manip.batch_to_space_nd"])
def batch_to_space_nd(input: Any, block_shape: Any, crops: Any, name: str | None = None) -> Tensor:
    """`tf.batch_to_space` under its older name."""
    return BatchToSpaceND(input, block_shape, crops, name=name)


@export("required_space_to_batch_paddings")
def required_space_to_batch_paddings(input_shape: Any, block_shape: Any, base_paddings: Any = None,
                                     name: str | None = None) -> tuple[Tensor, Tensor]:
    """The paddings that `tf.space_to_batch` needs, and the crops that undo them.

    Args:
      input_shape: sizes of the spatial dimensions, shape [n].
      block_shape: shape [n].
      base_paddings: the least padding at the beginning and end of each dimension, shape [n, 2].
      name: name of the operations.

    Returns:
      (paddings, crops), both of shape [n, 2].

    Raises:
      ValueError: the number of spatial dimensions is not known.
    """
    with name_scope(name, "required_space_to_batch_paddings"):
        input_shape = convert(input_shape, dtypes.int32, name="input_shape")
        block_shape = convert(block_shape, dtypes.int32, name="block_shape")
        if not block_shape.shape.is_fully_defined() or block_shape.shape.rank != 1:
            raise ValueError(f"block_shape must be a vector of known length, received shape {block_shape.shape}")
        count = block_shape.shape.as_list()[0]
        if count == 0:
            return convert(np.zeros((0, 2), _INT32)), convert(np.zeros((0, 2), _INT32))
        base = np.zeros((count, 2), _INT32) if base_paddings is None else base_paddings
        base = convert(base, dtypes.int32, name="base_paddings")
        known = [constant_value(t) for t in (input_shape, block_shape, base)]
        if all(k is not None for k in known):
            sizes, blocks, edges = known
            extra = -(sizes + edges.sum(1)) % blocks
            paddings = np.stack([edges[:, 0], edges[:, 1] + extra], 1).astype(_INT32)
            crops = np.stack([np.zeros_like(extra), extra], 1).astype(_INT32)
            return convert(paddings, name="paddings"), convert(crops, name="crops")
        before, after = base[:, 0], base[:, 1]
        total = input_shape + before + after
        extra = (block_shape - total % block_shape) % block_shape
        return (cards.Pack([before, after + extra], axis=1, name="paddings"),
                cards.Pack([np.zeros(count, _INT32), extra], axis=1, name="crops"))


def _depth_axes(data_format: str, rank: int) -> bool:
    """True when the depth comes last."""
    if data_format not in ("NHWC", "NCHW"):
        raise NotImplementedError(f"data_format {data_format} needs a GPU kernel; NHWC and NCHW are available")
    if rank != 4:
        raise invalid(f"Input rank should be 4 instead of {rank}")
    return data_format == "NHWC"


def _space_to_depth(xp: Any, x: Any, *, block_size: int, data_format: str) -> Any:
    last, b = _depth_axes(data_format, x.ndim), block_size
    if not last:
        x = xp.transpose(x, (0, 2, 3, 1))
    n, h, w, c = x.shape
    if h % b or w % b:
        raise invalid(f"Image width {w} and height {h} should be divisible by block_size: {b}")
    x = x.reshape((n, h // b, b, w // b, b, c))
    x = xp.transpose(x, (0, 1, 3, 2, 4, 5)).reshape((n, h // b, w // b, b * b * c))
    return x if last else xp.transpose(x, (0, 3, 1, 2))


def _depth_to_space(xp: Any, x: Any, *, block_size: int, data_format: str) -> Any:
    last, b = _depth_axes(data_format, x.ndim), block_size
    if not last:
        x = xp.transpose(x, (0, 2, 3, 1))
    n, h, w, c = x.shape
    if c % (b * b):
        raise invalid(f"Input depth dimension {c} should be divisible by: {b * b}")
    x = x.reshape((n, h, w, b, b, c // (b * b)))
    x = xp.transpose(x, (0, 1, 3, 2, 4, 5)).reshape((n, h * b, w * b, c // (b * b)))
    return x if last else xp.transpose(x, (0, 3, 1, 2))


def _depth_shape(to_depth: bool) -> Any:
    def rule(op: Any) -> TensorShape:
        dims, b = shapes.with_rank(op._inputs[0]._shape, 4)._dims, op._attrs["block_size"]
        last = op._attrs["data_format"] != "NCHW"
        n, h, w, c = dims if last else (dims[0], dims[2], dims[3], dims[1])
        for size, divisor in ((h, b), (w, b)) if to_depth else ((c, b * b),):
            if size is not None and size % divisor:
                raise ValueError(f"Dimension size must be evenly divisible by {divisor} but is {size}")
        if to_depth:
            h, w, c = (None if h is None else h // b, None if w is None else w // b, None if c is None else c * b * b)
        else:
            h, w, c = (None if h is None else h * b, None if w is None else w * b, None if c is None else c // (b * b))
        return TensorShape([n, h, w, c] if last else [n, c, h, w])

    return rule


_FORMAT = Attr("string", "NHWC")

SpaceToDepth = op(
    "SpaceToDepth", "input: T -> output: T", T=dtypes.ALL, block_size=INT, data_format=_FORMAT,
    kernel=_space_to_depth, shape=_depth_shape(True),
    gradient=lambda dy, *, block_size, data_format: DepthToSpace(dy, block_size=block_size, data_format=data_format),
    doc="Blocks of pixels become channels.",
    sample=lambda: ([np.arange(8, dtype=np.float32).reshape(1, 2, 4, 1)], {"block_size": 2}),
)

DepthToSpace = op(
    "DepthToSpace", "input: T -> output: T", T=dtypes.ALL, block_size=INT, data_format=_FORMAT,
    kernel=_depth_to_space, shape=_depth_shape(False),
    gradient=lambda dy, *, block_size, data_format: SpaceToDepth(dy, block_size=block_size, data_format=data_format),
    doc="Channels become blocks of pixels.",
    sample=lambda: ([np.arange(8, dtype=np.float32).reshape(1, 1, 2, 4)], {"block_size": 2}),
)


@export("nn.space_to_depth", v1=[])
def space_to_depth(input: Any, block_size: int, data_format: str = "NHWC", name: str | None = None) -> Tensor:
    """Images whose blocks of `block_size` by `block_size` pixels became channels.

    Args:
      input: images of shape [batch, height, width, channels] ("NHWC") or [batch, channels, height, width].
      block_size: size of the blocks, which divides height and width.
      data_format: "NHWC" or "NCHW".
      name: name of the operation.

    >>> import everflow as tf
    >>> tf.nn.space_to_depth(tf.reshape(tf.range(4), [1, 2, 2, 1]), 2).numpy().tolist()
    [[[[0, 1, 2, 3]]]]
    """
    return SpaceToDepth(input, block_size=block_size, data_format=data_format, name=name)


@export(v1=["space_to_depth", "nn.space_to_depth"])
def space_to_depth_v1(input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC") -> Tensor:
    """Images whose blocks of pixels became channels; see the 2.x `tf.nn.space_to_depth`."""
    return SpaceToDepth(input, block_size=block_size, data_format=data_format, name=name)


@export("nn.depth_to_space", v1=[])
def depth_to_space(input: Any, block_size: int, data_format: str = "NHWC", name: str | None = None) -> Tensor:
    """Images whose channels became blocks of `block_size` by `block_size` pixels.

    Args:
      input: images of shape [batch, height, width, channels] ("NHWC") or [batch, channels, height, width].
      block_size: size of the blocks; its square divides the number of channels.
      data_format: "NHWC" or "NCHW".
      name: name of the operation.

    >>> import everflow as tf
    >>> tf.nn.depth_to_space([[[[0, 1, 2, 3]]]], 2).numpy().tolist()
    [[[[0], [1]], [[2], [3]]]]
    """
    return DepthToSpace(input, block_size=block_size, data_format=data_format, name=name)


@export(v1=["depth_to_space", "nn.depth_to_space"])
def depth_to_space_v1(input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC") -> Tensor:
    """Images whose channels became blocks of pixels; see the 2.x `tf.nn.depth_to_space`."""
    return DepthToSpace(input, block_size=block_size, data_format=data_format, name=name)
