"""Elements in another order or arrangement: reversed, rolled, in blocks, in parts, on grids."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value, constant_value_as_shape
from everflow._src.framework.context import STATE
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import INT, Attr, op
from everflow._src.framework.shape_rules import UNKNOWN_SHAPE
from everflow._src.framework.tensor import EagerTensor, Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.array_gather import boolean_mask
from everflow._src.ops.array_shape import index_attr, renamed
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid

_INT32 = np.dtype("int32")
_INDEX_TYPES = Attr("type", allowed=(dtypes.int32, dtypes.int64))

# ---- reversed and rolled


def _reverse(xp: Any, x: Any, axis: Any) -> Any:
    if axis.ndim != 1:
        raise invalid(f"axis must be a vector, got shape {list(axis.shape)}")
    axes = _reversed_axes(axis.tolist(), x.ndim, invalid)
    return xp.flip(x, axes) if axes else x


def _reversed_axes(axes: list[int], rank: int, error: Any) -> tuple[int, ...]:
    result: list[int] = []
    for axis in axes:
        if not -rank <= axis < rank:
            raise error(f"'axis'[{axes.index(axis)}] = {axis} is out of valid range [{-rank}, {rank - 1}]")
        if axis % rank in result:
            raise error(f"axis {axis % rank} specified more than once.")
        result.append(axis % rank)
    return tuple(result)


def _reverse_shape(op: Any) -> TensorShape:
    shape, axis = op._inputs[0]._shape, constant_value(op._inputs[1])
    if op._inputs[1]._shape.rank not in (1, None):
        raise ValueError(f"Shape must be rank 1 but is rank {op._inputs[1]._shape.rank}")
    if axis is not None and shape.rank is not None:
        _reversed_axes(axis.reshape(-1).tolist(), shape.rank, ValueError)
    return shape


ReverseV2 = op(
    "ReverseV2", "tensor: T, axis: Tidx -> output: T", T=dtypes.ALL, Tidx=index_attr(), kernel=_reverse,
    shape=_reverse_shape, static=("axis",), gradient=lambda dy, *, axis: (ReverseV2(dy, axis), None),
    doc="Dimensions run through backwards.",
    sample=lambda: ([np.arange(6, dtype=np.float32).reshape(2, 3), np.array([1], np.int32)], {}),
)

Reverse = op(
    "Reverse", "tensor: T, dims: bool -> output: T", T=dtypes.ALL,
    kernel=lambda xp, x, dims: _reverse(xp, x, np.flatnonzero(dims)), shape=shapes.unchanged, static=("dims",),
    gradient=lambda dy, *, dims: (Reverse(dy, dims), None), doc="Dimensions run through backwards, by a mask.",
    sample=lambda: ([np.arange(6, dtype=np.float32).reshape(2, 3), np.array([False, True])], {}),
)


@export("reverse", v1=["reverse", "reverse_v2", "manip.reverse"])
def reverse(tensor: Any, axis: Any, name: str | None = None) -> Tensor:
    """`tensor` with the order of its elements reversed along the dimensions in `axis`.

    Args:
      tensor: a tensor.
      axis: a list of dimensions.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError, ValueError (in a graph): a dimension is out of range or occurs twice.

    >>> import everflow as tf
    >>> tf.reverse([1, 2, 3], [0]).numpy().tolist()
    [3, 2, 1]
    """
    return ReverseV2(tensor, axis, name=name)


def _reverse_sequence(xp: Any, x: Any, lengths: Any, *, batch_dim: int, seq_dim: int) -> Any:
    batch, along = (d % max(x.ndim, 1) for d in (batch_dim, seq_dim))
    if batch == along:
        raise invalid(f"batch_dim == seq_dim == {seq_dim}")
    if lengths.ndim != 1 or lengths.shape[0] != x.shape[batch]:
        raise invalid(f"Length of seq_lengths != input.dims({batch_dim}), ({list(lengths.shape)} vs. {x.shape[batch]})")
    size = x.shape[along]
    if xp is np and lengths.size and (lengths.max() > size or lengths.min() < 0):
        wrong = int(np.flatnonzero((lengths > size) | (lengths < 0))[0])
        raise invalid(f"seq_lens({wrong}) = {lengths[wrong]} is not in [0, input.dims({seq_dim}) = {size}]")
    steps = np.arange(size)
    ends = xp.reshape(lengths, (-1, 1))
    source = xp.where(steps < ends, ends - 1 - steps, steps)
    form = [1] * x.ndim
    form[batch], form[along] = x.shape[batch], size
    if batch > along:
        source = xp.transpose(source)
    return xp.take_along_axis(xp.asarray(x), xp.reshape(source, form), along)


def _reverse_sequence_shape(op: Any) -> TensorShape:
    dims = op._inputs[0]._shape._dims
    lengths = shapes.with_rank(op._inputs[1]._shape, 1)._dims[0]
    if dims is None:
        return UNKNOWN_SHAPE
    batch = shapes.normalize_axis(op._attrs["batch_dim"], len(dims))
    shapes.normalize_axis(op._attrs["seq_dim"], len(dims))
    if None not in (dims[batch], lengths) and dims[batch] != lengths:
        raise ValueError(f"Dimensions must be equal, but are {dims[batch]} and {lengths}")
    return TensorShape((*dims[:batch], dims[batch] if dims[batch] is not None else lengths, *dims[batch + 1:]))


ReverseSequence = op(
    "ReverseSequence", "input: T, seq_lengths: Tlen -> output: T", T=dtypes.ALL, Tlen=index_attr(dtypes.int64),
    batch_dim=0, seq_dim=INT, kernel=_reverse_sequence, shape=_reverse_sequence_shape,
    gradient=lambda dy, *, seq_lengths, batch_dim, seq_dim: (
        ReverseSequence(dy, seq_lengths, batch_dim=batch_dim, seq_dim=seq_dim), None),
    doc="The first elements of each sequence of a batch backwards.",
    sample=lambda: ([np.arange(8, dtype=np.float32).reshape(2, 4), np.array([1, 3], np.int32)], {"seq_dim": 1}),
)


@export("reverse_sequence", v1=[])
def reverse_sequence(input: Any, seq_lengths: Any, seq_axis: int | None = None, batch_axis: int | None = None,
                     name: str | None = None) -> Tensor:
    """`input` with the first `seq_lengths[i]` elements of sequence i in reverse order.

    Args:
      input: a tensor.
      seq_lengths: one length per sequence.
      seq_axis: the dimension that runs along the sequences.
      batch_axis: the dimension that counts the sequences, 0 by default.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError: a length exceeds the size of `seq_axis`.

    >>> import everflow as tf
    >>> tf.reverse_sequence([[1, 2, 3], [4, 5, 6]], [2, 3], seq_axis=1).numpy().tolist()
    [[2, 1, 3], [6, 5, 4]]
    """
    if seq_axis is None:
        raise TypeError("Expected int for argument 'seq_dim' not None: the dimension that runs along the sequences")
    return ReverseSequence(input, seq_lengths, seq_dim=seq_axis, batch_dim=0 if batch_axis is None else batch_axis,
                           name=name)


@export(v1=["reverse_sequence"])
def reverse_sequence_v1(input: Any, seq_lengths: Any, seq_axis: int | None = None, batch_axis: int | None = None,
                        name: str | None = None, seq_dim: int | None = None, batch_dim: int | None = None) -> Tensor:
    """`input` with the first elements of each sequence in reverse order; see the 2.x `tf.reverse_sequence`."""
    return reverse_sequence(input, seq_lengths, renamed("seq_axis", seq_axis, "seq_dim", seq_dim),
                            renamed("batch_axis", batch_axis, "batch_dim", batch_dim), name)


def _roll(xp: Any, x: Any, shift: Any, axis: Any) -> Any:
    if not x.ndim:
        raise invalid("input must be 1-D or higher")
    if shift.shape != axis.shape or shift.ndim > 1:
        raise invalid("shift and axis must have the same size")
    axes = axis.reshape(-1).tolist()
    for a in axes:
        if not -x.ndim <= a < x.ndim:
            raise invalid(f"axis {a} is out of range [{-x.ndim}, {x.ndim})")
    if not axes:
        return x
    if xp is np:
        return np.roll(x, shift.reshape(-1).tolist(), axes)
    shift = xp.reshape(xp.asarray(shift), (-1,))
    for i, a in enumerate(axes):
        x = xp.roll(x, shift[i], a)
    return x


def _roll_shape(op: Any) -> TensorShape:
    shift, axis = op._inputs[1]._shape, op._inputs[2]._shape
    if not shift.is_compatible_with(axis):
        raise ValueError(f"Shapes must be equal, but shift has {shift} and axis has {axis}")
    return op._inputs[0]._shape


Roll = op(
    "Roll", "input: T, shift: Tshift, axis: Taxis -> output: T", T=dtypes.ALL, Tshift=_INDEX_TYPES, Taxis=_INDEX_TYPES,
    kernel=_roll, shape=_roll_shape, static=("axis",),
    gradient=lambda dy, *, shift, axis: (Roll(dy, -shift, axis), None, None),
    doc="Elements shifted along dimensions; what falls off comes back at the other end.",
    sample=lambda: ([np.arange(6, dtype=np.float32).reshape(2, 3), np.array([1], np.int32), np.array([1], np.int32)],
                    {}),
)


@export("roll", v1=["roll", "manip.roll"])
def roll(input: Any, shift: Any, axis: Any, name: str | None = None) -> Tensor:
    """`input` with its elements shifted along `axis`; those that fall off come back at the other end.

    Args:
      input: a tensor.
      shift: how far, an integer or one per axis.
      axis: along which dimensions, an integer or several.
      name: name of the operation.

    >>> import everflow as tf
    >>> tf.roll([0, 1, 2, 3], 1, 0).numpy().tolist()
    [3, 0, 1, 2]
    """
    return Roll(input, shift, axis, name=name)


# ---- blocks


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


# ---- parts


def _dynamic_partition(xp: Any, data: Any, partitions: Any, *, num_partitions: int) -> tuple[Any, ...]:
    if data.shape[:partitions.ndim] != partitions.shape:
        raise invalid(f"data.shape must start with partitions.shape, got data.shape = {list(data.shape)}, "
                      f"partitions.shape = {list(partitions.shape)}")
    if partitions.size and (partitions.min() < 0 or partitions.max() >= num_partitions):
        at = np.argwhere((partitions < 0) | (partitions >= num_partitions))[0].tolist()
        raise invalid(f"partitions{at} = {partitions[tuple(at)]} is not in [0, {num_partitions})")
    return tuple([np.asarray(data)[partitions == i] for i in range(num_partitions)])


def _dynamic_partition_shape(op: Any) -> list[TensorShape]:
    data, partitions = op._inputs[0]._shape, op._inputs[1]._shape
    count = op._attrs["num_partitions"]
    if data.rank is None or partitions.rank is None:
        return [UNKNOWN_SHAPE] * count
    if not TensorShape(data._dims[:partitions.rank]).is_compatible_with(partitions):
        raise ValueError(f"data.shape {data} must start with partitions.shape {partitions}")
    return [TensorShape([None, *data._dims[partitions.rank:]])] * count


def _dynamic_partition_gradient(dys: Any, *, data_shape: Any, partitions: Any, num_partitions: int) -> tuple[Any, None]:
    whole = cards.Shape(partitions)
    positions = cards.Reshape(cards.Range(0, cards.Size(partitions), 1), whole)
    places = DynamicPartition(positions, partitions, num_partitions=num_partitions)
    merged = cards.ParallelDynamicStitch(places, [convert(dy) for dy in dys])
    return cards.Reshape(merged, data_shape.tensor()), None


DynamicPartition = op(
    "DynamicPartition", "data: T, partitions: int32 -> outputs: num_partitions*T", T=dtypes.ALL, num_partitions=INT,
    kernel=_dynamic_partition, shape=_dynamic_partition_shape, host=True, gradient=_dynamic_partition_gradient,
    doc="Slices sorted into several tensors.",
    sample=lambda: ([np.arange(6, dtype=np.float32).reshape(3, 2), np.array([1, 0, 1], np.int32)],
                    {"num_partitions": 2}),
)


@export("dynamic_partition")
def dynamic_partition(data: Any, partitions: Any, num_partitions: int, name: str | None = None) -> list[Tensor]:
    """The slices of `data` sorted into `num_partitions` tensors.

    Args:
      data: a tensor whose shape begins with that of `partitions`.
      partitions: int32; the number of the tensor that each slice goes to.
      num_partitions: how many tensors there are.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError: a number in `partitions` is out of range.

    >>> import everflow as tf
    >>> [t.numpy().tolist() for t in tf.dynamic_partition([10, 20, 30], [0, 1, 0], 2)]
    [[10, 30], [20]]
    """
    return DynamicPartition(data, partitions, num_partitions=num_partitions, name=name)


def _dynamic_stitch(xp: Any, indices: Any, data: Any) -> Any:
    rest = data[0].shape[indices[0].ndim:]
    rows = []
    for i, (places, values) in enumerate(zip(indices, data)):
        if values.shape[:places.ndim] != places.shape:
            raise invalid(f"data[{i}].shape must start with indices[{i}].shape, got data[{i}].shape = "
                          f"{list(values.shape)}, indices[{i}].shape = {list(places.shape)}")
        if values.shape[places.ndim:] != rest:
            raise invalid(f"Need data[0].shape[{indices[0].ndim}:] = data[{i}].shape[{places.ndim}:], got "
                          "data[0].shape "
                          f"= {list(data[0].shape)}, data[{i}].shape = {list(values.shape)}")
        rows.append(xp.reshape(values, (-1, *rest)))
    flat = np.concatenate([np.asarray(p).reshape(-1) for p in indices])
    if flat.size and flat.min() < 0:
        raise invalid(f"indices must be non-negative, got {int(flat.min())}")
    size = int(flat.max()) + 1 if flat.size else 0
    # The last slice for a place wins; places that nothing goes to hold zeros.
    source = np.full(size, -1)
    source[flat] = np.arange(flat.size)
    merged = xp.concatenate(rows, 0)
    if (source >= 0).all():
        return xp.take(merged, source, axis=0)
    zero = np.full((1, *rest), b"", object) if merged.dtype == object else np.zeros((1, *rest), merged.dtype)
    return xp.take(xp.concatenate([merged, zero], 0), np.where(source < 0, flat.size, source), axis=0)


def _dynamic_stitch_shape(op: Any) -> TensorShape:
    count = op._attrs["N"]
    indices, data = op._inputs[:count], op._inputs[count:]
    rest = UNKNOWN_SHAPE
    largest: int | None = -1
    for places, values in zip(indices, data):
        known = constant_value(places)
        if known is None:
            largest = None
        elif largest is not None and known.size:
            largest = max(largest, int(known.max()))
        if places._shape.rank is not None and values._shape.rank is not None:
            if not TensorShape(values._shape._dims[:places._shape.rank]).is_compatible_with(places._shape):
                raise ValueError(f"data shape {values._shape} must start with indices shape {places._shape}")
            rest = rest.merge_with(TensorShape(values._shape._dims[places._shape.rank:]))
    return TensorShape([None if largest is None else largest + 1]).concatenate(rest)


def _dynamic_stitch_gradient(dy: Any, *, indices: Any) -> tuple[list[None], list[Any]]:
    dy = convert(dy)
    return [None] * len(indices), [cards.GatherV2(dy, places, 0) for places in indices]


def _stitch(name: str, doc: str) -> Any:
    return op(
        name, "indices: N*int32, data: N*T -> merged: T", T=dtypes.ALL, kernel=_dynamic_stitch,
        shape=_dynamic_stitch_shape, static=("indices",), gradient=_dynamic_stitch_gradient, doc=doc,
        sample=lambda: ([[np.array([0, 2], np.int32), np.array(1, np.int32)],
                         [np.array([[1.0], [2.0]], np.float32), np.array([3.0], np.float32)]], {}),
    )


DynamicStitch = _stitch("DynamicStitch", "Slices of several tensors put in their places in one.")
ParallelDynamicStitch = _stitch("ParallelDynamicStitch", "DynamicStitch for places that are all different.")


@export("dynamic_stitch")
def dynamic_stitch(indices: Any, data: Any, name: str | None = None) -> Tensor:
    """The slices of several tensors put in their places in one: `merged[indices[m][i]] = data[m][i]`.

    Args:
      indices: a list of int32 tensors.
      data: a list of tensors; the shape of each begins with that of its indices.
      name: name of the operation.

    Returns:
      A tensor of max(indices) + 1 slices; of several slices for one place the last one is taken.

    >>> import everflow as tf
    >>> tf.dynamic_stitch([[0, 2], [1]], [[10, 30], [20]]).numpy().tolist()
    [10, 20, 30]
    """
    return DynamicStitch(indices, data, name=name)


# ---- grids and repetition


@export("meshgrid")
def meshgrid(*args: Any, **kwargs: Any) -> list[Tensor]:
    """Tensors of the coordinates of the points of a grid.

    Args:
      *args: vectors, the coordinates along each dimension.
      indexing: "xy" (the default; the first two dimensions are swapped, as pictures have it) or "ij".
      name: name of the operations.

    Returns:
      As many tensors as there are vectors, each with one dimension per vector.

    Raises:
      TypeError: an unknown keyword.
      ValueError: `indexing` is neither "xy" nor "ij".

    >>> import everflow as tf
    >>> x, y = tf.meshgrid([1, 2, 3], [4, 5])
    >>> x.numpy().tolist(), y.numpy().tolist()
    ([[1, 2, 3], [1, 2, 3]], [[4, 4, 4], [5, 5, 5]])
    """
    indexing, name = kwargs.pop("indexing", "xy"), kwargs.pop("name", "meshgrid")
    if kwargs:
        raise TypeError(f"'{next(iter(kwargs))}' is an invalid keyword argument for this function")
    if indexing not in ("xy", "ij"):
        raise ValueError(f"Argument `indexing` parameter must be either 'xy' or 'ij', got '{indexing}'")
    with name_scope(name, "meshgrid"):
        count = len(args)
        vectors = [cards.Reshape(convert(a), np.array([-1], _INT32)) for a in args]
        # "xy": the second vector runs along the first dimension.
        order = [1, 0, *range(2, count)] if indexing == "xy" and count > 1 else list(range(count))
        lengths = [v.shape.as_list()[0] for v in vectors]
        if None in lengths:
            shape: Any = cards.Pack([cards.Size(vectors[i]) for i in order])
        else:
            shape = np.array([lengths[i] for i in order], _INT32)
        result = []
        for i, vector in enumerate(vectors):
            form = np.ones(count, _INT32)
            form[order.index(i)] = -1
            result.append(cards.BroadcastTo(cards.Reshape(vector, form), shape))
        return result


@export("repeat")
def repeat(input: Any, repeats: Any, axis: int | None = None, name: str | None = None) -> Tensor:
    """`input` with each of its slices along `axis` repeated.

    Args:
      input: a tensor.
      repeats: how often: one integer, or one for each slice.
      axis: the dimension; None flattens `input` first.
      name: name of the operations.

    Raises:
      ValueError: `axis` is out of range, or `repeats` has more than one dimension.

    >>> import everflow as tf
    >>> tf.repeat([1, 2], 2).numpy().tolist(), tf.repeat([[1, 2], [3, 4]], [1, 2], axis=0).numpy().tolist()
    ([1, 1, 2, 2], [[1, 2], [3, 4], [3, 4]])
    """
    with name_scope(name, "Repeat"):
        input = convert(input)
        if axis is None:
            input, axis = cards.Reshape(input, np.array([-1], _INT32)), 0
        repeats = convert(repeats, hint=dtypes.int32, name="repeats")
        if repeats.dtype.base_dtype not in (dtypes.int32, dtypes.int64):
            raise TypeError(f"Argument `repeats` must be of type integer. Received {repeats!r}")
        if repeats.shape.rank not in (0, 1, None):
            raise ValueError("Shape must be rank 0 or 1 but is rank " + str(repeats.shape.rank))
        rank = input.shape.rank
        if rank is None:
            raise ValueError("tf.repeat needs an input of known rank, or axis=None")
        if not -rank <= axis < rank:
            raise ValueError(f"axis {axis} is out of range for an input of rank {rank}")
        axis = axis % rank
        if repeats.shape.rank == 1 and repeats.shape.as_list()[0] == 1 and input.shape.as_list()[axis] != 1:
            repeats = cards.Reshape(repeats, np.zeros(0, _INT32))
        if repeats.shape.rank == 0:
            return _repeat_evenly(input, cards.Cast(repeats, DstT=dtypes.int32), axis)
        known = constant_value(repeats)
        if known is not None and known.ndim == 1:
            if known.size and known.min() < 0:
                raise ValueError(f"repeats must be non-negative, received {known.tolist()}")
            size = input.shape.as_list()[axis]
            if size is not None and size != known.size:
                raise ValueError(f"repeats must have one number for each of {size} slices, received {known.size}")
            # Seen through a reshape the gradient is a dense tensor, as that of all other ways to repeat.
            same = cards.Reshape(input, cards.Shape(input))
            return cards.GatherV2(same, np.repeat(np.arange(known.size, dtype=_INT32), known), np.array(axis, _INT32))
        return _repeat_unevenly(input, repeats, axis)


def _repeat_evenly(input: Any, repeats: Any, axis: int) -> Any:
    expanded = cards.ExpandDims(input, axis + 1)
    rank = input.shape.rank + 1
    ones: list[Any] = [1] * rank
    known = constant_value(repeats)
    ones[axis + 1] = int(known) if known is not None else repeats
    multiples = np.array(ones, _INT32) if known is not None else cards.Pack(ones)
    tiled = cards.Tile(expanded, multiples)
    dims = input.shape.as_list()
    if known is not None and dims.count(None) <= (dims[axis] is None):
        sizes = [-1 if d is None else d for d in dims]
        sizes[axis] = -1 if dims[axis] is None else dims[axis] * int(known)
        if -1 not in sizes or 0 not in sizes:
            return cards.Reshape(tiled, np.array(sizes, _INT32))
    whole = cards.Shape(input)
    sizes = [whole[i] if d is None else d for i, d in enumerate(dims)]
    sizes[axis] = sizes[axis] * (int(known) if known is not None else repeats)
    return cards.Reshape(tiled, cards.Pack(sizes))


def _repeat_unevenly(input: Any, repeats: Any, axis: int) -> Any:
    whole = cards.Shape(input)
    repeats = cards.BroadcastTo(repeats, whole[axis:axis + 1])
    longest = cards.Maximum(cards.Max(repeats, np.array([0], _INT32)),
                            cards.Cast(np.zeros((), _INT32), DstT=repeats.dtype))
    steps = cards.Range(cards.Cast(np.zeros((), _INT32), DstT=repeats.dtype), longest,
                        cards.Cast(np.ones((), _INT32), DstT=repeats.dtype))
    mask = cards.Less(steps, cards.ExpandDims(repeats, 1))
    expanded = cards.ExpandDims(input, axis + 1)
    ones: list[Any] = [1] * (input.shape.rank + 1)
    ones[axis + 1] = cards.Cast(longest, DstT=dtypes.int32)
    return boolean_mask(cards.Tile(expanded, cards.Pack(ones)), mask, axis=axis)


# ---- the same tensor, and what becomes of its gradient

IdentityN = op(
    "IdentityN", "input: *T -> output: *T", kernel=lambda xp, values: tuple(values),
    shape=lambda op: [t._shape for t in op._inputs], gradient=lambda dys: list(dys), doc="The same tensors.",
    sample=lambda: ([[np.array([1.0, -2.0], np.float32), np.array([3.0], np.float32)]], {}),
)


@export("identity_n")
def identity_n(input: Any, name: str | None = None) -> list[Tensor]:
    """Tensors with the contents of those in the list `input`."""
    return IdentityN(input, name=name)


StopGradient = op(
    "StopGradient", "input: T -> output: T", T=dtypes.ALL, kernel=lambda xp, x: x, shape=shapes.unchanged,
    value_as_shape=lambda op: constant_value_as_shape(op._inputs[0]) if op._inputs[0]._shape.rank == 1 else None,
    no_gradient="stopping the gradient is its purpose", doc="The same tensor, without gradient.",
    sample=lambda: ([np.array([1.0, -2.0], np.float32)], {}),
)


@export("stop_gradient")
def stop_gradient(input: Any, name: str | None = None) -> Any:
    """`input`, as a constant in the eyes of gradients.

    >>> import everflow as tf
    >>> x = tf.constant(3.0)
    >>> with tf.GradientTape() as tape:
    ...     tape.watch(x)
    ...     y = x * tf.stop_gradient(x)
    >>> tape.gradient(y, x).numpy() == 3.0
    True
    """
    if type(input) is EagerTensor and not STATE.busy:
        return EagerTensor(input._value)
    return StopGradient(input, name=name)


def _refuse_gradient(dy: Any, *, message: str) -> Any:
    raise LookupError(f"Gradient explicitly disabled. Reason: {message!r}")


PreventGradient = op(
    "PreventGradient", "input: T -> output: T", T=dtypes.ALL, message=Attr("string", ""), kernel=lambda xp, x: x,
    shape=shapes.unchanged, gradient=_refuse_gradient, doc="The same tensor, of which no gradient may be taken.",
    sample=lambda: ([np.array([1.0, -2.0], np.float32)], {}),
)

Snapshot = op(
    "Snapshot", "input: T -> output: T", T=dtypes.ALL, kernel=lambda xp, x: x, shape=shapes.unchanged,
    gradient=lambda dy: dy, doc="The same tensor.", sample=lambda: ([np.array([1.0, -2.0], np.float32)], {}),
)
