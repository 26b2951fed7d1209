"""Conversions between dtypes: cast, saturate_cast, bitcast."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value_as_shape
from everflow._src.framework.context import STATE
from everflow._src.framework.conversion import convert
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.registry import UNDEFINED_GRADIENT, op
from everflow._src.framework.tensor import EagerTensor, Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import HostNeeded, invalid

# ---- conversion between dtypes


def _cast(xp: Any, x: Any, *, SrcT: Any, DstT: Any, Truncate: bool) -> Any:
    target = DstT.numpy_dtype
    if SrcT == DstT:
        return x
    if target.kind == "O" or x.dtype.kind == "O":
        raise NotImplementedError(f"Cast {_c_name(SrcT)} to {_c_name(DstT)} is not supported")
    if SrcT.is_complex and not DstT.is_complex:
        x = x.real
    if Truncate and DstT == dtypes.bfloat16 and SrcT in (dtypes.float32, dtypes.float64):
        bits = x.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
        return bits.view(np.float32).astype(target)
    if xp is not np:
        x = xp.asarray(x)
        if DstT == dtypes.bool:
            return xp.not_equal(x, xp.zeros((), x.dtype))
    return x.astype(target)


def _c_name(dtype: Any) -> str:
    return {"float32": "float", "float64": "double", "float16": "half"}.get(dtype.name, dtype.name)


def _cast_gradient(dy: Any, *, SrcT: Any) -> Any:
    return cast(dy, SrcT) if SrcT.is_floating or SrcT.is_complex else None


Cast = op(
    "Cast", "x: SrcT -> y: DstT", SrcT=dtypes.ALL, DstT=dtypes.ALL, Truncate=False, kernel=_cast,
    shape=shapes.unchanged, value_as_shape=lambda op: constant_value_as_shape(op._inputs[0])
    if op._inputs[0]._shape.rank == 1 else None,
    gradient=_cast_gradient, doc="The same numbers in another dtype.",
    sample=lambda: ([np.array([1.5, -2.5], np.float32)], {"DstT": dtypes.float64}),
)


@export("cast", "dtypes.cast")
def cast(x: Any, dtype: Any, name: str | None = None) -> Any:
    """The elements of `x` converted to `dtype`.

    Floats become integers by dropping their fraction, complex numbers real by dropping the imaginary part,
    numbers bool by asking whether they are not zero.

    Args:
      x: a tensor, or a sparse or ragged one.
      dtype: the dtype of the result.
      name: name of the operation.

    Raises:
      TypeError: `x` cannot be converted to `dtype`.

    >>> import everflow as tf
    >>> tf.cast([1.8, -2.2], tf.int32)
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([ 1, -2], dtype=int32)>
    """
    dtype = as_dtype(dtype).base_dtype
    if type(x) is EagerTensor and not STATE.busy:
        value = x._value
        target = dtype.numpy_dtype
        source = value.dtype
        if source is target:
            return x
        if source.kind in "fiub" and target.kind in "fiub":
            return EagerTensor(value.astype(target))
    if isinstance(x, Tensor) and x.dtype == dtype:
        return x
    if not isinstance(x, Tensor):
        if isinstance(x, IndexedSlices):
            return IndexedSlices(cast(x.values, dtype), x.indices, x.dense_shape)
        if hasattr(x, "with_values"):
            return x.with_values(cast(x.values, dtype, name))
        if hasattr(x, "with_flat_values"):
            return x.with_flat_values(cast(x.flat_values, dtype, name))
    with name_scope(name, "Cast") as scope:
        x = convert(x, name="x")
        if x.dtype.base_dtype == dtype:
            return x
        return Cast(x, DstT=dtype, name=scope or None)


@export("saturate_cast", "dtypes.saturate_cast")
def saturate_cast(value: Any, dtype: Any, name: str | None = None) -> Any:
    """The elements of `value` converted to `dtype`, those out of its range to its ends.

    >>> import everflow as tf
    >>> tf.saturate_cast([-5., 70., 300.], tf.uint8).numpy().tolist()
    [0, 70, 255]
    """
    with name_scope(name, "saturate_cast") as scope:
        value = convert(value, name="value")
        target, source = as_dtype(dtype).base_dtype, value.dtype.base_dtype
        if source.is_complex:
            if target.is_complex:
                real = cards.Cast(cards.Real(value, Tout=source.real_dtype), DstT=source.real_dtype)
                imaginary = cards.Imag(value, Tout=source.real_dtype)
                real, imaginary = (saturate_cast(part, target.real_dtype) for part in (real, imaginary))
                return cards.Complex(real, imaginary, Tout=target, name=scope or None)
            value = cards.Real(value, Tout=source.real_dtype)
            source = value.dtype.base_dtype
        bounded = target.real_dtype
        if source != dtypes.bool and bounded.is_numeric:
            low, high = _bounds(source, bounded)
            if low is not None or high is not None:
                low = source.min if low is None else low
                high = source.max if high is None else high
                low, high = (np.array(v).astype(source.numpy_dtype) for v in (low, high))
                value = cards.Minimum(cards.Maximum(value, low), high)
        return cast(value, target, scope or None)


def _bounds(source: Any, target: Any) -> tuple[Any, Any]:
    """The ends of the range of `target` that lie inside of that of `source`, as numbers of `source`.

    A float dtype holds the last number of a large integer dtype only rounded up, which would overflow again:
    the largest float below it stands for it.
    """
    low = target.min if float(source.min) < float(target.min) else None
    high = None
    if float(source.max) > float(target.max):
        high = target.max
        if source.is_floating:
            rounded = np.array(high).astype(source.numpy_dtype)
            if target.is_integer and float(rounded) > float(high) or int(float(rounded)) > int(float(high)):
                rounded = np.nextafter(rounded, np.zeros((), rounded.dtype))
            elif target.is_integer and int(float(rounded)) > int(high):
                rounded = np.nextafter(rounded, np.zeros((), rounded.dtype))
            high = rounded
    return low, high


def _bitcast(xp: Any, x: Any, *, type: Any) -> Any:
    target = type.numpy_dtype
    old, new = x.dtype.itemsize, target.itemsize
    if old == new:
        return np.ascontiguousarray(x).view(target).reshape(x.shape)
    if old > new:
        whole = np.ascontiguousarray(x).reshape((*x.shape, 1)).view(target)
        return whole.reshape((*x.shape, old // new))
    ratio = new // old
    if not x.shape or x.shape[-1] != ratio:
        raise invalid(f"Cannot bitcast from {x.dtype.name} to {target.name}: the last dimension must be {ratio}, the "
                      f"shape is {list(x.shape)}")
    return np.ascontiguousarray(x).view(target).reshape(x.shape[:-1])


def _bitcast_xla(jax: Any, x: Any, *, type: Any) -> Any:
    target = type.numpy_dtype
    if x.dtype == target:
        return x
    if x.dtype.kind == "c" or target.kind == "c":
        raise HostNeeded("XLA bitcasts no complex numbers")
    if x.dtype.itemsize < target.itemsize and (not x.shape or x.shape[-1] * x.dtype.itemsize != target.itemsize):
        raise invalid(f"Cannot bitcast from {x.dtype.name} to {target.name}: the last dimension must be "
                      f"{target.itemsize // x.dtype.itemsize}, the shape is {list(x.shape)}")
    return jax.lax.bitcast_convert_type(x, target)


def _bitcast_shape(op: Any) -> TensorShape:
    dims = op._inputs[0]._shape._dims
    old, new = op._inputs[0]._dtype.size, op._attrs["type"].size
    if dims is None or old == new:
        return op._inputs[0]._shape
    if old > new:
        return TensorShape((*dims, old // new))
    if not dims or dims[-1] not in (None, new // old):
        raise ValueError(f"Cannot bitcast due to shape. The last dimension must be {new // old}, the shape is {dims}")
    return TensorShape(dims[:-1])


_BITS = tuple(d for d in dtypes.ALL if d not in (dtypes.string, dtypes.resource, dtypes.variant, dtypes.bool))

Bitcast = op(
    "Bitcast", "input: T -> output: type", T=_BITS, type=_BITS, kernel=_bitcast, xla=_bitcast_xla,
    shape=_bitcast_shape, no_gradient=UNDEFINED_GRADIENT, doc="The same bits, read as another dtype.",
    sample=lambda: ([np.array([1.0, -2.0], np.float32)], {"type": dtypes.int32}),
)


@export("bitcast")
def bitcast(input: Any, type: Any, name: str | None = None) -> Tensor:
    """The bits of `input` read as numbers of another dtype.

    Smaller numbers get one more dimension at the end, larger ones use one up.

    Raises:
      tf.errors.InvalidArgumentError: the last dimension does not fit.

    >>> import everflow as tf
    >>> hex(tf.bitcast(1.0, tf.uint32).numpy())
    '0x3f800000'
    """
    return Bitcast(input, type=type, name=name)


@export(v1=["to_float"])
def to_float(x: Any, name: str = "ToFloat") -> Any:
    """`x` as float32."""
    return cast(x, dtypes.float32, name)


@export(v1=["to_double"])
def to_double(x: Any, name: str = "ToDouble") -> Any:
    """`x` as float64."""
    return cast(x, dtypes.float64, name)


@export(v1=["to_int32"])
def to_int32(x: Any, name: str = "ToInt32") -> Any:
    """`x` as int32."""
    return cast(x, dtypes.int32, name)


@export(v1=["to_int64"])
def to_int64(x: Any, name: str = "ToInt64") -> Any:
    """`x` as int64."""
    return cast(x, dtypes.int64, name)


@export(v1=["to_bfloat16"])
def to_bfloat16(x: Any, name: str = "ToBFloat16") -> Any:
    """`x` as bfloat16."""
    return cast(x, dtypes.bfloat16, name)


@export(v1=["to_complex64"])
def to_complex64(x: Any, name: str = "ToComplex64") -> Any:
    """`x` as complex64."""
    return cast(x, dtypes.complex64, name)


@export(v1=["to_complex128"])
def to_complex128(x: Any, name: str = "ToComplex128") -> Any:
    """`x` as complex128."""
    return cast(x, dtypes.complex128, name)
