"""Fourier transforms (Cooley and Tukey, 1965) of the last one, two or three dimensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.constant_value import constant_value
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.array_order import roll
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid

_COMPLEX = Attr("type", dtypes.complex64, allowed=(dtypes.complex64, dtypes.complex128))
_REAL = Attr("type", dtypes.float32, allowed=(dtypes.float32, dtypes.float64))
_WAVE = np.array([[1 + 2j, 0.5 - 1j, 2 + 0j, -1 + 0.5j], [0.3 + 1j, 1 + 1j, -2 + 0.1j, 1 - 3j]], np.complex64)


def _axes(rank: int) -> tuple[int, ...]:
    return tuple(range(-rank, 0))


def _check_rank(x: Any, rank: int) -> None:
    if x.ndim < rank:
        raise invalid(f"Input must have rank of at least {rank} but got: {list(x.shape)}")


def _sample(rank: int) -> np.ndarray:
    return _WAVE if rank < 3 else np.stack([_WAVE, _WAVE * 0.5])


# ---- complex transforms


def _complex(rank: int) -> tuple[Any, Any]:
    suffix, axes = "" if rank == 1 else f"{rank}D", _axes(rank)

    def declare(name: str, function: str, gradient: Callable[..., Any]) -> Any:
        def kernel(xp: Any, x: Any) -> Any:
            _check_rank(x, rank)
            return getattr(xp.fft, function)(x, axes=axes).astype(x.dtype)

        def shape(op: Any) -> TensorShape:
            return op._inputs[0]._shape.with_rank_at_least(rank)

        return op(
            name, "input: Tcomplex -> output: Tcomplex", Tcomplex=_COMPLEX, kernel=kernel, shape=shape,
            gradient=gradient, doc=f"A Fourier transform of {rank} dimensions.", sample=lambda: ([_sample(rank)], {}),
        )

    def size(x: Any) -> Any:
        return cards.Cast(cards.Prod(cards.Shape(x)[-rank:], np.array(0, np.int32)), DstT=x.dtype)

    forward = declare(f"FFT{suffix}", "fftn", lambda dy: getattr(cards, f"IFFT{suffix}")(dy) * size(dy))
    backward = declare(f"IFFT{suffix}", "ifftn", lambda dy: getattr(cards, f"FFT{suffix}")(dy) / size(dy))
    return forward, backward


# ---- transforms of real signals


def _real_length(op: Any, rank: int) -> list[Any]:
    known = constant_value(op._inputs[1])
    return [None] * rank if known is None else [int(d) for d in known.reshape(-1)]


def _resized(xp: Any, x: Any, sizes: Any) -> Any:
    """`x` cut, or filled with zeros, to these sizes of its last dimensions."""
    rank = len(sizes)
    x = x[(..., *(slice(0, size) for size in sizes))]
    pads = [(0, 0)] * (x.ndim - rank) + [(0, size - have) for size, have in zip(sizes, x.shape[-rank:])]
    return xp.pad(x, pads) if any(after for _, after in pads) else x


def _check_length(length: Any, rank: int) -> list[int]:
    sizes = [int(d) for d in np.asarray(length).reshape(-1)]
    if len(sizes) != rank:
        raise invalid(f"fft_length must have shape [{rank}]")
    if min(sizes) < 0:
        raise invalid(f"fft_length must not be negative: {sizes}")
    return sizes


def _real(rank: int) -> tuple[Any, Any]:
    suffix, axes = "" if rank == 1 else f"{rank}D", _axes(rank)

    def forward_kernel(xp: Any, x: Any, length: Any, *, Tcomplex: Any) -> Any:
        _check_rank(x, rank)
        sizes = _check_length(length, rank)
        return xp.fft.rfftn(_resized(xp, x, sizes), sizes, axes=axes).astype(Tcomplex.as_numpy_dtype)

    def backward_kernel(xp: Any, x: Any, length: Any, *, Treal: Any) -> Any:
        _check_rank(x, rank)
        sizes = _check_length(length, rank)
        x = _resized(xp, x, [*sizes[:-1], sizes[-1] // 2 + 1])
        return xp.fft.irfftn(x, sizes, axes=axes).astype(Treal.as_numpy_dtype)

    def shape(halved: bool) -> Callable[[Any], TensorShape]:
        def rule(op: Any) -> TensorShape:
            given = op._inputs[0]._shape.with_rank_at_least(rank)
            if given.rank is None:
                return TensorShape(None)
            ends = _real_length(op, rank)
            if halved and ends[-1] is not None:
                ends[-1] = ends[-1] // 2 + 1 if ends[-1] else 0
            return TensorShape([*given.as_list()[:-rank], *ends])

        return rule

    def fitted(x: Any, target: Any) -> Any:
        """`x` cut or filled to the last dimensions of the shape `target`."""
        lead = cards.Shape(x)[:-rank]
        ends = cards.Shape(x)[-rank:]
        kept = cards.Minimum(ends, target)
        begin = cards.ZerosLike(cards.Shape(x))
        x = cards.Slice(x, begin, cards.ConcatV2([lead, kept], np.array(0, np.int32)))
        after = cards.ConcatV2([cards.ZerosLike(lead), target - kept], np.array(0, np.int32))
        return cards.Pad(x, cards.Pack([begin, after], axis=1))

    def forward_gradient(dy: Any, *, input_shape: Any, fft_length: Any, Treal: Any) -> Any:
        # The real part of the whole transform, with zeros where the redundant half stands.
        dy = cards.Conj(fitted(dy, fft_length))
        whole = getattr(cards, f"FFT{suffix}")(dy)
        real = cards.Real(whole, Tout=Treal)
        return fitted(real, input_shape.tensor()[-rank:]), None

    def backward_gradient(dy: Any, *, input_shape: Any, fft_length: Any, Tcomplex: Any) -> Any:
        transformed = getattr(cards, f"RFFT{suffix}")(dy, fft_length, Tcomplex=Tcomplex)
        length = fft_length[-1]
        half = length // 2 + 1
        # All but the first, and of an even length the last, stand for two.
        place = cards.Range(0, half, 1)
        single = cards.LogicalOr(cards.Equal(place, 0), cards.Equal(place * 2, length))
        weight = cards.SelectV2(single, cards.OnesLike(place), cards.OnesLike(place) * 2)
        size = cards.Cast(cards.Prod(fft_length, np.array(0, np.int32)), DstT=Tcomplex)
        scaled = transformed * (cards.Cast(weight, DstT=Tcomplex) / size)
        return fitted(scaled, input_shape.tensor()[-rank:]), None

    forward = op(
        f"RFFT{suffix}", "input: Treal, fft_length: int32 -> output: Tcomplex", Treal=_REAL, Tcomplex=_COMPLEX,
        kernel=forward_kernel, static=("fft_length",), shape=shape(True), gradient=forward_gradient,
        doc=f"The Fourier transform of a real signal of {rank} dimensions.",
        sample=lambda: ([_sample(rank).real.copy(), np.array(_sample(rank).shape[-rank:], np.int32)], {}),
    )
    backward = op(
        f"IRFFT{suffix}", "input: Tcomplex, fft_length: int32 -> output: Treal", Treal=_REAL, Tcomplex=_COMPLEX,
        kernel=backward_kernel, static=("fft_length",), shape=shape(False), gradient=backward_gradient,
        doc=f"The real signal of {rank} dimensions with a given Fourier transform.",
        sample=lambda: ([_sample(rank), np.array([*_sample(rank).shape[-rank:-1], 6], np.int32)], {}),
    )
    return forward, backward


FFT, IFFT = _complex(1)
FFT2D, IFFT2D = _complex(2)
FFT3D, IFFT3D = _complex(3)
RFFT, IRFFT = _real(1)
RFFT2D, IRFFT2D = _real(2)
RFFT3D, IRFFT3D = _real(3)


# ---- public functions


@export("signal.fft", v1=["fft", "signal.fft", "spectral.fft"])
def fft(input: Any, name: str | None = None) -> Any:
    """The Fourier transform of the last dimension.

    Args:
      input: a tensor of dtype complex64 or complex128.
      name: name of the operation.

    >>> import everflow as tf
    >>> tf.signal.fft(tf.constant([1., 1.], tf.complex64)).numpy()
    array([2.+0.j, 0.+0.j], dtype=complex64)
    """
    return FFT(input, name=name)


@export("signal.ifft", v1=["ifft", "signal.ifft", "spectral.ifft"])
def ifft(input: Any, name: str | None = None) -> Any:
    """The inverse Fourier transform of the last dimension."""
    return IFFT(input, name=name)


@export("signal.fft2d", v1=["fft2d", "signal.fft2d", "spectral.fft2d"])
def fft2d(input: Any, name: str | None = None) -> Any:
    """The Fourier transform of the last two dimensions."""
    return FFT2D(input, name=name)


@export("signal.ifft2d", v1=["ifft2d", "signal.ifft2d", "spectral.ifft2d"])
def ifft2d(input: Any, name: str | None = None) -> Any:
    """The inverse Fourier transform of the last two dimensions."""
    return IFFT2D(input, name=name)


@export("signal.fft3d", v1=["fft3d", "signal.fft3d", "spectral.fft3d"])
def fft3d(input: Any, name: str | None = None) -> Any:
    """The Fourier transform of the last three dimensions."""
    return FFT3D(input, name=name)


@export("signal.ifft3d", v1=["ifft3d", "signal.ifft3d", "spectral.ifft3d"])
def ifft3d(input: Any, name: str | None = None) -> Any:
    """The inverse Fourier transform of the last three dimensions."""
    return IFFT3D(input, name=name)


def _forward(card: Any, rank: int, default: str, x: Any, length: Any, name: str | None) -> Any:
    with name_scope(name, default) as scope:
        x = convert(x, hint=dtypes.float32, name="input")
        if length is None:
            sizes = x.shape[-rank:].as_list() if x.shape.rank is not None else [None]
            length = np.array(sizes, np.int32) if None not in sizes else cards.Shape(x)[-rank:]
        kind = dtypes.complex128 if x.dtype == dtypes.float64 else dtypes.complex64
        return card(x, convert(length, dtypes.int32), Tcomplex=kind, name=scope or None)


def _backward(card: Any, rank: int, default: str, x: Any, length: Any, name: str | None) -> Any:
    with name_scope(name, default) as scope:
        x = convert(x, hint=dtypes.complex64, name="input")
        if length is None:
            sizes = x.shape[-rank:].as_list() if x.shape.rank is not None else [None]
            if None not in sizes:
                sizes[-1] = max(2 * (sizes[-1] - 1), 0)
                length = np.array(sizes, np.int32)
            else:
                found = cards.Shape(x)[-rank:]
                last = cards.Maximum(2 * (found[-1:] - 1), 0)
                length = cards.ConcatV2([found[:-1], last], np.array(0, np.int32))
        return card(x, convert(length, dtypes.int32), Treal=x.dtype.real_dtype, name=scope or None)


@export("signal.rfft", v1=["signal.rfft", "spectral.rfft"])
def rfft(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Any:
    """The Fourier transform of the last dimension of a real signal: its first half, which tells the other.

    Args:
      input_tensor: float32 or float64, of shape [..., n].
      fft_length: a vector of one integer: cut or fill the signal with zeros to this length first.
      name: name of the operation.

    Returns:
      Complex numbers of shape [..., length // 2 + 1].

    >>> import everflow as tf
    >>> tf.signal.rfft([1., 1., 1., 1.]).numpy()
    array([4.+0.j, 0.+0.j, 0.+0.j], dtype=complex64)
    """
    return _forward(RFFT, 1, "rfft", input_tensor, fft_length, name)


@export("signal.irfft", v1=["signal.irfft", "spectral.irfft"])
def irfft(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Any:
    """The real signal of the last dimension whose transform begins with `input_tensor`.

    Args:
      input_tensor: complex64 or complex128, of shape [..., n].
      fft_length: a vector of one integer: the length of the signal; 2 (n - 1) when None.
      name: name of the operation.
    """
    return _backward(IRFFT, 1, "irfft", input_tensor, fft_length, name)


@export("signal.rfft2d", v1=["signal.rfft2d", "spectral.rfft2d"])
def rfft2d(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Any:
    """The Fourier transform of the last two dimensions of a real signal."""
    return _forward(RFFT2D, 2, "rfft2d", input_tensor, fft_length, name)


@export("signal.irfft2d", v1=["signal.irfft2d", "spectral.irfft2d"])
def irfft2d(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Any:
    """The real signal whose transform of the last two dimensions begins with `input_tensor`."""
    return _backward(IRFFT2D, 2, "irfft2d", input_tensor, fft_length, name)


@export("signal.rfft3d", v1=["signal.rfft3d", "spectral.rfft3d"])
def rfft3d(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Any:
    """The Fourier transform of the last three dimensions of a real signal."""
    return _forward(RFFT3D, 3, "rfft3d", input_tensor, fft_length, name)


@export("signal.irfft3d", v1=["signal.irfft3d", "spectral.irfft3d"])
def irfft3d(input_tensor: Any, fft_length: Any = None, name: str | None = None) -> Any:
    """The real signal whose transform of the last three dimensions begins with `input_tensor`."""
    return _backward(IRFFT3D, 3, "irfft3d", input_tensor, fft_length, name)


def _shifted(x: Any, axes: Any, name: str | None, default: str, inverse: bool) -> Any:
    with name_scope(name, default):
        x = convert(x)
        if axes is None:
            axes = list(range(x.shape.rank)) if x.shape.rank is not None else cards.Range(0, cards.Rank(x), 1)
        sizes = x.shape.as_list() if x.shape.rank is not None else [None]
        if None not in sizes and isinstance(axes, (int, list, tuple)):
            lengths: Any = np.asarray([sizes[a] for a in np.asarray(axes).reshape(-1)], np.int32)
            shift: Any = lengths // 2 if not inverse else -(lengths // 2)
            shift = shift[0] if isinstance(axes, int) else shift
        else:
            lengths = cards.GatherV2(cards.Shape(x), cards.FloorMod(convert(axes), cards.Rank(x)),
                                     np.array(0, np.int32))
            shift = lengths // 2 if not inverse else -(lengths // 2)
        return roll(x, shift, axes)


@export("signal.fftshift", v1=["signal.fftshift"])
def fftshift(x: Any, axes: Any = None, name: str | None = None) -> Any:
    """Moves the component of frequency zero to the middle.

    Args:
      x: a tensor.
      axes: the dimension or dimensions; all when None.
      name: prefix of the names.

    >>> import everflow as tf
    >>> tf.signal.fftshift([0, 1, 2, -2, -1]).numpy()
    array([-2, -1,  0,  1,  2], dtype=int32)
    """
    return _shifted(x, axes, name, "fftshift", False)


@export("signal.ifftshift", v1=["signal.ifftshift"])
def ifftshift(x: Any, axes: Any = None, name: str | None = None) -> Any:
    """The inverse of `tf.signal.fftshift`."""
    return _shifted(x, axes, name, "ifftshift", True)
