"""Tensors repeated and padded."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.constant_value import constant_value, constant_value_as_shape
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.registry import REQUIRED, Attr, op
from everflow._src.framework.shape_rules import UNKNOWN_SHAPE
from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.array_shape import index_attr
from everflow._src.ops.by_name import cards
from everflow._src.runtime.failures import invalid

_INT32 = np.dtype("int32")


# ---- repetition


def _tile(xp: Any, x: Any, multiples: Any) -> Any:
    times = tuple(multiples.reshape(-1).tolist())
    if len(times) != x.ndim:
        raise invalid(f"Expected multiples argument to be a vector of length {x.ndim} but got length {len(times)}")
    for time in times:
        if time < 0:
            raise invalid(f"Expected multiples >= 0, but got {time}")
    return xp.tile(x, times) if times else xp.asarray(x)


def _tile_shape(op: Any) -> TensorShape:
    dims, times = op._inputs[0]._shape._dims, constant_value_as_shape(op._inputs[1])._dims
    if dims is None and times is None:
        return UNKNOWN_SHAPE
    if dims is None or times is None:
        known = op._inputs[1]._shape.num_elements() if times is None else len(times)
        if dims is not None and known is not None and known != len(dims):
            raise ValueError(f"Shape must be rank {known} but is rank {len(dims)}")
        return TensorShape([None] * len(dims) if dims is not None else [0 if t == 0 else None for t in times])
    if len(dims) != len(times):
        raise ValueError(f"Shape must be rank {len(times)} but is rank {len(dims)}")
    return TensorShape([0 if 0 in (d, t) else None if d is None or t is None else d * t for d, t in zip(dims, times)])


def _tile_gradient(dy: Any, *, input_shape: Any, multiples: Any) -> tuple[Any, None]:
    if isinstance(dy, IndexedSlices):
        dy = convert(dy)
    known, dims = constant_value(multiples), input_shape.static._dims
    # Each dimension is seen as [multiple, size] and summed over the former.
    if known is not None and dims is not None and None not in dims:
        apart = [int(n) for pair in zip(known, dims) for n in pair]
        return cards.Sum(cards.Reshape(dy, np.array(apart, _INT32)), np.arange(0, len(apart), 2, dtype=_INT32)), None
    shape = input_shape.tensor(multiples.dtype)
    apart_tensor = cards.Reshape(cards.Pack([multiples, shape], axis=1), [-1])
    axes = cards.Range(0, cards.Size(apart_tensor), 2)
    total = cards.Sum(cards.Reshape(dy, apart_tensor), axes)
    if not total.shape.is_fully_defined():
        total = cards.EnsureShape(total, shape=input_shape.static)
    return total, None


Tile = op(
    "Tile", "input: T, multiples: Tmultiples -> output: T", T=dtypes.ALL, Tmultiples=index_attr(), kernel=_tile,
    shape=_tile_shape, static=("multiples",), gradient=_tile_gradient, doc="Repeats a tensor along its dimensions.",
    sample=lambda: ([np.arange(6, dtype=np.float32).reshape(2, 3), np.array([2, 1], np.int32)], {}),
)


@export("tile", v1=["tile", "manip.tile"])
def tile(input: Any, multiples: Any, name: str | None = None) -> Tensor:
    """`input` repeated `multiples[i]` times along dimension i.

    Raises:
      tf.errors.InvalidArgumentError, ValueError (in a graph): `multiples` has not one number per dimension.

    >>> import everflow as tf
    >>> tf.tile([1, 2], [2]).numpy().tolist()
    [1, 2, 1, 2]
    """
    return Tile(input, multiples, name=name)


# ---- padding


def _pairs(x: Any, paddings: Any) -> list[tuple[int, int]]:
    if paddings.shape != (x.ndim, 2):
        raise invalid(f"The first dimension of paddings must be the rank of inputs: got paddings of shape "
                      f"{list(paddings.shape)} for an input of shape {list(x.shape)}")
    pairs = [(int(a), int(b)) for a, b in paddings]
    for index, pair in enumerate(pairs):
        if min(pair) < 0:
            raise invalid(f"Paddings must be non-negative: {pair[0]} {pair[1]} in dimension {index}")
    return pairs


def _pad(xp: Any, x: Any, paddings: Any) -> Any:
    pairs = _pairs(x, paddings)
    if not pairs:
        return x
    if xp is np:
        return _pad_with(x, pairs, b"" if x.dtype == object else 0)
    return xp.pad(x, pairs)


def _pad_with(x: Any, pairs: list[tuple[int, int]], value: Any) -> Any:
    result = np.full([d + a + b for d, (a, b) in zip(x.shape, pairs)], value, x.dtype)
    result[tuple(slice(a, a + d) for d, (a, _) in zip(x.shape, pairs))] = x
    return result


def _pad_v2(xp: Any, x: Any, paddings: Any, value: Any) -> Any:
    pairs = _pairs(x, paddings)
    if value.ndim:
        raise invalid(f"constant_values must be a scalar. Found: {list(value.shape)}")
    if not pairs:
        return x
    if xp is np:
        return _pad_with(x, pairs, value[()])
    return xp.pad(x, pairs, constant_values=value)


def pad_shape(op: Any) -> TensorShape:
    """The shape of input 0 with the paddings in input 1 added."""
    dims, paddings = op._inputs[0]._shape._dims, constant_value(op._inputs[1])
    form = op._inputs[1]._shape._dims
    if form is not None:
        if len(form) != 2 or form[1] not in (None, 2):
            raise ValueError(f"paddings must be a matrix with 2 columns: got shape {form}")
        if dims is not None and form[0] is not None and form[0] != len(dims):
            raise ValueError(f"Shape must be rank {form[0]} but is rank {len(dims)}")
    if paddings is not None and paddings.size and paddings.min() < 0:
        raise ValueError(f"Paddings must be non-negative: {paddings.tolist()}")
    if dims is None:
        return UNKNOWN_SHAPE if form is None or form[0] is None else TensorShape([None] * form[0])
    if paddings is None:
        return TensorShape([None] * len(dims))
    return TensorShape([None if d is None else d + int(a) + int(b) for d, (a, b) in zip(dims, paddings)])


def _pad_gradient(dy: Any, *, paddings: Any, input_shape: Any) -> tuple[Any, None]:
    known = constant_value(paddings)
    begin = known[:, 0] if known is not None else cards.Reshape(
        cards.Slice(paddings, [0, 0], cards.Pack([cards.Rank(dy), 1])), [-1])
    return cards.Slice(dy, begin, input_shape.tensor(paddings.dtype)), None


def _pad_v2_gradient(dy: Any, *, paddings: Any, input_shape: Any) -> tuple[Any, None, Any]:
    inner, _ = _pad_gradient(dy, paddings=paddings, input_shape=input_shape)
    return inner, None, cards.Sub(_sum(dy), _sum(inner))


def _sum(x: Any) -> Any:
    rank = x.shape.rank
    return cards.Sum(x, np.arange(rank, dtype=_INT32) if rank is not None else cards.Range(0, cards.Rank(x), 1))


Pad = op(
    "Pad", "input: T, paddings: Tpaddings -> output: T", T=dtypes.ALL, Tpaddings=index_attr(), kernel=_pad,
    shape=pad_shape, static=("paddings",), gradient=_pad_gradient, doc="Zeros around a tensor.",
    sample=lambda: ([np.arange(1, 3, dtype=np.float32), np.array([[1, 2]], np.int32)], {}),
)

PadV2 = op(
    "PadV2", "input: T, paddings: Tpaddings, constant_values: T -> output: T", T=dtypes.ALL, Tpaddings=index_attr(),
    kernel=_pad_v2, shape=pad_shape, static=("paddings",), gradient=_pad_v2_gradient, doc="A value around a tensor.",
    sample=lambda: ([np.arange(1, 3, dtype=np.float32), np.array([[1, 2]], np.int32), np.array(9, np.float32)], {}),
)


def _mirrored(size: int, before: int, after: int, mode: str) -> np.ndarray:
    """For each position of the padded dimension, the position it copies."""
    limit = size if mode == "SYMMETRIC" else size - 1
    if before > limit or after > limit:
        raise invalid(f"paddings must be {'no greater than' if mode == 'SYMMETRIC' else 'less than'} the dimension "
                      f"size: {before}, {after} {'greater than' if mode == 'SYMMETRIC' else 'not less than'} {size}")
    inner = np.arange(size)
    if mode == "SYMMETRIC":
        return np.concatenate([inner[:before][::-1], inner, inner[size - after:][::-1]])
    return np.concatenate([inner[1:before + 1][::-1], inner, inner[size - 1 - after:size - 1][::-1]])


def _mirror_pad(xp: Any, x: Any, paddings: Any, *, mode: str) -> Any:
    for axis, (before, after) in enumerate(_pairs(x, paddings)):
        if before or after:
            source = _mirrored(x.shape[axis], before, after, mode)
            if xp is np:
                x = x.take(source, axis)
                continue
            lead, size = (slice(None),) * axis, x.shape[axis]
            first = 0 if mode == "SYMMETRIC" else 1
            parts = [xp.flip(x[(*lead, slice(first, first + before))], axis), x,
                     xp.flip(x[(*lead, slice(size - first - after, size - first))], axis)]
            x = xp.concatenate(parts, axis)
    return x


def _mirror_pad_grad(xp: Any, dy: Any, paddings: Any, *, mode: str) -> Any:
    for axis, (before, after) in enumerate(_pairs(dy, paddings)):
        if not (before or after):
            continue
        size = dy.shape[axis] - before - after
        _mirrored(size, before, after, mode)
        lead, first = (slice(None),) * axis, 0 if mode == "SYMMETRIC" else 1
        inner = dy[(*lead, slice(before, before + size))]
        front = xp.flip(dy[(*lead, slice(0, before))], axis)
        back = xp.flip(dy[(*lead, slice(before + size, None))], axis)
        inner = inner + _placed(xp, front, axis, first, size) + _placed(xp, back, axis, size - first - after, size)
        dy = inner
    return dy


def _placed(xp: Any, piece: Any, axis: int, start: int, size: int) -> Any:
    pairs = [(0, 0)] * piece.ndim
    pairs[axis] = (start, size - start - piece.shape[axis])
    return xp.pad(piece, pairs)


def _unpadded_shape(op: Any) -> TensorShape:
    dims, paddings = op._inputs[0]._shape._dims, constant_value(op._inputs[1])
    if dims is None or paddings is None:
        rank = len(dims) if dims is not None else (op._inputs[1]._shape._dims or (None,))[0]
        return UNKNOWN_SHAPE if rank is None else TensorShape([None] * rank)
    return TensorShape([None if d is None else d - int(a) - int(b) for d, (a, b) in zip(dims, paddings)])


MirrorPad = op(
    "MirrorPad", "input: T, paddings: Tpaddings -> output: T", T=dtypes.ALL, Tpaddings=index_attr(),
    mode=Attr("string", REQUIRED), kernel=_mirror_pad, shape=pad_shape, static=("paddings",),
    gradient=lambda dy, *, paddings, mode: (MirrorPadGrad(dy, paddings, mode=mode), None),
    doc="The mirror image of a tensor around it.",
    sample=lambda: ([np.arange(1, 4, dtype=np.float32), np.array([[1, 2]], np.int32)], {"mode": "REFLECT"}),
)

MirrorPadGrad = op(
    "MirrorPadGrad", "input: T, paddings: Tpaddings -> output: T", T=dtypes.ALL, Tpaddings=index_attr(),
    mode=Attr("string", REQUIRED), kernel=_mirror_pad_grad, shape=_unpadded_shape, static=("paddings",),
    gradient=lambda dy, *, paddings, mode: (MirrorPad(dy, paddings, mode=mode), None),
    doc="The gradient of MirrorPad.",
    sample=lambda: ([np.arange(1, 7, dtype=np.float32), np.array([[1, 2]], np.int32)], {"mode": "REFLECT"}),
)


@export("pad", v1=[])
def pad(tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0,
        name: str | None = None) -> Tensor:
    """`tensor` with more elements around it.

    Args:
      tensor: a tensor of rank r.
      paddings: integers of shape [r, 2]: how many elements to add before and after each dimension.
      mode: "CONSTANT" adds `constant_values`, "REFLECT" the mirror image without the edge, "SYMMETRIC" the
        mirror image with the edge.
      constant_values: the value to add, a scalar.
      name: name of the operation.

    Raises:
      ValueError: the mode is unknown.
      tf.errors.InvalidArgumentError, ValueError (in a graph): the paddings do not fit.

    >>> import everflow as tf
    >>> tf.pad([1, 2, 3], [[1, 2]]).numpy().tolist(), tf.pad([1, 2, 3], [[1, 2]], "REFLECT").numpy().tolist()
    ([0, 1, 2, 3, 0, 0], [2, 1, 2, 3, 2, 1])
    """
    kind = mode.upper()
    if kind == "CONSTANT":
        # Padding with zeros is its own operation, which every graph that pads mostly means.
        if isinstance(constant_values, Tensor) or np.any(np.asarray(constant_values) != 0):
            return PadV2(tensor, paddings, constant_values, name=name)
        return Pad(tensor, paddings, name=name)
    if kind in ("REFLECT", "SYMMETRIC"):
        return MirrorPad(tensor, paddings, mode=kind, name=name)
    raise ValueError(f"Value of argument `mode` expected to be one of 'CONSTANT', 'REFLECT', or 'SYMMETRIC'. "
                     f"Received `mode` = {mode}")


@export(v1=["pad"])
def pad_v1(tensor: Any, paddings: Any, mode: str = "CONSTANT", name: str | None = None, constant_values: Any = 0
           ) -> Tensor:
    """`tensor` with more elements around it; see the 2.x `tf.pad`."""
    return pad(tensor, paddings, mode, constant_values, name)
