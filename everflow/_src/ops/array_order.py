"""Elements in another order: reversed and rolled."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value
from everflow._src.framework.export import export
from everflow._src.framework.registry import INT, Attr, op
from everflow._src.framework.shape_rules import UNKNOWN_SHAPE
from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.array_shape import index_attr, renamed
from everflow._src.runtime.failures import invalid

_INT32 = np.dtype("int32")
_INDEX_TYPES = Attr("type", allowed=(dtypes.int32, dtypes.int64))


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
