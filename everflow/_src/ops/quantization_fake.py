"""Values rounded as quantised ones would be, in floating point, for training (Jacob et al., 2018)."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.export import export
from everflow._src.framework.registry import UNDEFINED_GRADIENT, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.runtime.failures import invalid

_X = np.array([[-7.0, -2.0, 0.3], [1.0, 4.9, 9.0]], np.float32)


def _nudged(xp: Any, low: Any, high: Any, num_bits: int, narrow_range: bool) -> tuple[Any, Any, Any, Any]:
    """The range moved so that zero is one of its levels: its ends, the step, and whether it is empty."""
    first, last = np.float32(1 if narrow_range else 0), np.float32((1 << num_bits) - 1)
    empty = (low == 0) & (high == 0)
    scale = xp.where(empty, np.float32(1), (high - low) / (last - first))
    start = first - low / scale
    zero = xp.where(start < first, first, xp.where(start > last, last, xp.floor(start + np.float32(0.5))))
    return (first - zero) * scale, (last - zero) * scale, scale, empty


def _check(num_bits: int, low: float | None = None, high: float | None = None) -> None:
    if not 2 <= num_bits <= 16:
        raise invalid(f"num_bits must be between 2 and 16, inclusive, was: {num_bits}")
    if low is not None and high is not None and low >= high:
        raise invalid(f"min has to be smaller than max, was: {low:g} >= {high:g}")


def _quantised(xp: Any, x: Any, low: Any, high: Any, num_bits: int, narrow_range: bool) -> Any:
    _check(num_bits)
    start, end, scale, empty = _nudged(xp, low, high, num_bits, narrow_range)
    shifted = xp.clip(x, start, end) - start
    inverse = np.float32(1) / scale
    zero = xp.floor(-start * inverse + np.float32(0.5))
    rounded = xp.floor(shifted * inverse - zero + np.float32(0.5)) * scale
    return xp.where(empty, np.float32(0), rounded).astype(np.float32)


def _gradients(xp: Any, dy: Any, x: Any, low: Any, high: Any, num_bits: int, narrow_range: bool, axes: Any
               ) -> tuple[Any, Any, Any]:
    _check(num_bits)
    start, end, _, empty = _nudged(xp, low, high, num_bits, narrow_range)
    zero = np.float32(0)
    inside = ((x >= start) & (x <= end)) | empty
    below, above = (x < start) & ~empty, (x > end) & ~empty
    return (
        xp.where(inside, dy, zero).astype(np.float32),
        xp.asarray(xp.where(below, dy, zero).sum(axis=axes)).astype(np.float32),
        xp.asarray(xp.where(above, dy, zero).sum(axis=axes)).astype(np.float32),
    )


def _args_kernel(xp: Any, x: Any, *, min: float, max: float, num_bits: int, narrow_range: bool) -> Any:
    _check(num_bits, min, max)
    return _quantised(xp, x, np.float32(min), np.float32(max), num_bits, narrow_range)


def _args_gradient_kernel(
    xp: Any, dy: Any, x: Any, *, min: float, max: float, num_bits: int, narrow_range: bool
) -> Any:
    _check(num_bits, min, max)
    return _gradients(xp, dy, x, np.float32(min), np.float32(max), num_bits, narrow_range, None)[0]


def _per_channel_axes(x: Any) -> tuple[int, ...]:
    return tuple(range(x.ndim - 1))


_COMMON: dict[str, Any] = {"num_bits": 8, "narrow_range": False}

FakeQuantWithMinMaxArgs = op(
    "FakeQuantWithMinMaxArgs", "inputs: float -> outputs: float", min=-6.0, max=6.0, **_COMMON, kernel=_args_kernel,
    shape=shapes.unchanged,
    gradient=lambda dy, *, inputs, min, max, num_bits, narrow_range: FakeQuantWithMinMaxArgsGradient(
        dy, inputs, min=min, max=max, num_bits=num_bits, narrow_range=narrow_range),
    doc="Values rounded as quantised ones would be.", sample=lambda: ([_X], {}),
)
FakeQuantWithMinMaxArgsGradient = op(
    "FakeQuantWithMinMaxArgsGradient", "gradients: float, inputs: float -> backprops: float", min=-6.0, max=6.0,
    **_COMMON, kernel=_args_gradient_kernel, shape=shapes.like_input(1), no_gradient=UNDEFINED_GRADIENT,
    doc="The gradient of FakeQuantWithMinMaxArgs.", sample=lambda: ([np.ones_like(_X), _X], {}),
)
FakeQuantWithMinMaxVars = op(
    "FakeQuantWithMinMaxVars", "inputs: float, min: float, max: float -> outputs: float", **_COMMON,
    kernel=lambda xp, x, low, high, *, num_bits, narrow_range: _quantised(xp, x, low, high, num_bits, narrow_range),
    shape=shapes.unchanged,
    gradient=lambda dy, *, inputs, min, max, num_bits, narrow_range: FakeQuantWithMinMaxVarsGradient(
        dy, inputs, min, max, num_bits=num_bits, narrow_range=narrow_range),
    doc="Values rounded as quantised ones of a given range would be.",
    sample=lambda: ([_X, np.array(-5.7, np.float32), np.array(6.2, np.float32)], {}),
)
FakeQuantWithMinMaxVarsGradient = op(
    "FakeQuantWithMinMaxVarsGradient", "gradients: float, inputs: float, min: float, max: float -> "
    "backprops_wrt_input: float, backprop_wrt_min: float, backprop_wrt_max: float", **_COMMON,
    kernel=lambda xp, dy, x, low, high, *, num_bits, narrow_range: _gradients(
        xp, dy, x, low, high, num_bits, narrow_range, None),
    shape=lambda op: [op._inputs[1]._shape, TensorShape([]), TensorShape([])], no_gradient=UNDEFINED_GRADIENT,
    doc="The gradient of FakeQuantWithMinMaxVars.",
    sample=lambda: ([np.ones_like(_X), _X, np.array(-5.7, np.float32), np.array(6.2, np.float32)], {}),
)
FakeQuantWithMinMaxVarsPerChannel = op(
    "FakeQuantWithMinMaxVarsPerChannel", "inputs: float, min: float, max: float -> outputs: float", **_COMMON,
    kernel=lambda xp, x, low, high, *, num_bits, narrow_range: _quantised(xp, x, low, high, num_bits, narrow_range),
    shape=shapes.unchanged,
    gradient=lambda dy, *, inputs, min, max, num_bits, narrow_range: FakeQuantWithMinMaxVarsPerChannelGradient(
        dy, inputs, min, max, num_bits=num_bits, narrow_range=narrow_range),
    doc="Values rounded as quantised ones would be, with a range for each channel.",
    sample=lambda: ([_X, np.full(3, -2.9, np.float32), np.array([3.0, 4.0, 6.0], np.float32)], {}),
)
FakeQuantWithMinMaxVarsPerChannelGradient = op(
    "FakeQuantWithMinMaxVarsPerChannelGradient", "gradients: float, inputs: float, min: float, max: float -> "
    "backprops_wrt_input: float, backprop_wrt_min: float, backprop_wrt_max: float", **_COMMON,
    kernel=lambda xp, dy, x, low, high, *, num_bits, narrow_range: _gradients(
        xp, dy, x, low, high, num_bits, narrow_range, _per_channel_axes(x)),
    shape=lambda op: [op._inputs[i]._shape for i in (1, 2, 3)], no_gradient=UNDEFINED_GRADIENT,
    doc="The gradient of FakeQuantWithMinMaxVarsPerChannel.",
    sample=lambda: ([np.ones_like(_X), _X, np.full(3, -2.9, np.float32), np.array([3.0, 4.0, 6.0], np.float32)], {}),
)


@export("quantization.fake_quant_with_min_max_args",
        v1=["quantization.fake_quant_with_min_max_args", "fake_quant_with_min_max_args"])
def fake_quant_with_min_max_args(
    inputs: Any, min: float = -6, max: float = 6, num_bits: int = 8, narrow_range: bool = False,
    name: str | None = None,
) -> Any:
    """Values rounded to the levels of `num_bits` bits between two numbers; gradients pass inside of them.

    Args:
      inputs: float32.
      min: the smallest value; the range is moved a little so that zero is a level.
      max: the largest.
      num_bits: 2 to 16.
      narrow_range: leave out the lowest level.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError: the range is empty, or `num_bits` is out of bounds.

    >>> import everflow as tf
    >>> tf.quantization.fake_quant_with_min_max_args([-1., 0.4, 7.], 0., 3., num_bits=2).numpy()
    array([0., 0., 3.], dtype=float32)
    """
    return FakeQuantWithMinMaxArgs(
        inputs, min=float(min), max=float(max), num_bits=num_bits, narrow_range=narrow_range, name=name
    )


@export("quantization.fake_quant_with_min_max_args_gradient",
        v1=["quantization.fake_quant_with_min_max_args_gradient", "fake_quant_with_min_max_args_gradient"])
def fake_quant_with_min_max_args_gradient(
    gradients: Any, inputs: Any, min: float = -6, max: float = 6, num_bits: int = 8, narrow_range: bool = False,
    name: str | None = None,
) -> Any:
    """The gradient of `tf.quantization.fake_quant_with_min_max_args`: `gradients` inside of the range."""
    return FakeQuantWithMinMaxArgsGradient(
        gradients, inputs, min=float(min), max=float(max), num_bits=num_bits, narrow_range=narrow_range, name=name
    )


@export("quantization.fake_quant_with_min_max_vars",
        v1=["quantization.fake_quant_with_min_max_vars", "fake_quant_with_min_max_vars"])
def fake_quant_with_min_max_vars(
    inputs: Any, min: Any, max: Any, num_bits: int = 8, narrow_range: bool = False, name: str | None = None
) -> Any:
    """Values rounded to the levels of `num_bits` bits between two tensors, which have gradients too."""
    return FakeQuantWithMinMaxVars(inputs, min, max, num_bits=num_bits, narrow_range=narrow_range, name=name)


@export("quantization.fake_quant_with_min_max_vars_gradient",
        v1=["quantization.fake_quant_with_min_max_vars_gradient", "fake_quant_with_min_max_vars_gradient"])
def fake_quant_with_min_max_vars_gradient(
    gradients: Any, inputs: Any, min: Any, max: Any, num_bits: int = 8, narrow_range: bool = False,
    name: str | None = None,
) -> Any:
    """Gradients of `tf.quantization.fake_quant_with_min_max_vars` by its inputs, `min` and `max`."""
    return FakeQuantWithMinMaxVarsGradient(
        gradients, inputs, min, max, num_bits=num_bits, narrow_range=narrow_range, name=name
    )


@export("quantization.fake_quant_with_min_max_vars_per_channel",
        v1=["quantization.fake_quant_with_min_max_vars_per_channel", "fake_quant_with_min_max_vars_per_channel"])
def fake_quant_with_min_max_vars_per_channel(
    inputs: Any, min: Any, max: Any, num_bits: int = 8, narrow_range: bool = False, name: str | None = None
) -> Any:
    """Like `tf.quantization.fake_quant_with_min_max_vars`, with a range for each of the last dimension."""
    return FakeQuantWithMinMaxVarsPerChannel(
        inputs, min, max, num_bits=num_bits, narrow_range=narrow_range, name=name
    )


@export("quantization.fake_quant_with_min_max_vars_per_channel_gradient",
        v1=["quantization.fake_quant_with_min_max_vars_per_channel_gradient",
            "fake_quant_with_min_max_vars_per_channel_gradient"])
def fake_quant_with_min_max_vars_per_channel_gradient(
    gradients: Any, inputs: Any, min: Any, max: Any, num_bits: int = 8, narrow_range: bool = False,
    name: str | None = None,
) -> Any:
    """Gradients of `tf.quantization.fake_quant_with_min_max_vars_per_channel`."""
    return FakeQuantWithMinMaxVarsPerChannelGradient(
        gradients, inputs, min, max, num_bits=num_bits, narrow_range=narrow_range, name=name
    )
