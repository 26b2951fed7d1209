"""Convolutions and their gradients by data and by weights: with NumPy, with XLA, and by the native kernels.

Images are [batch, sizes..., channels], filters [windows..., channels / groups, outputs].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from everflow._src.ops import nn_windows as geometry
from everflow._src.runtime.failures import invalid
from everflow._src.runtime.native import convolution as native
from everflow._src.runtime.unfinished import Unfinished


class Geometry:
    """Sizes of one convolution, worked out from shapes and attrs (channels last)."""

    def __init__(self, x_shape: Sequence[int], w_shape: Sequence[int], strides: Sequence[int],
                 dilations: Sequence[int], padding: str, explicit: Sequence[int], data_format: str) -> None:
        self.strides = geometry.spatial(strides, data_format)
        self.dilations = geometry.spatial(dilations, data_format)
        geometry.check_strides(self.strides, "convolution")
        self.sizes = tuple(x_shape[1:-1])
        self.windows = tuple(w_shape[:-2])
        self.pads = geometry.paddings(self.sizes, self.windows, self.strides, self.dilations, padding, explicit,
                                      data_format)
        self.outputs = geometry.output_sizes(self.sizes, self.windows, self.strides, self.dilations, self.pads)
        channels, per_group = x_shape[-1], w_shape[-2]
        if per_group == 0 or channels % per_group:
            raise invalid(f"input depth must be evenly divisible by filter depth: {channels} vs {per_group}")
        self.groups = channels // per_group
        if w_shape[-1] % self.groups:
            raise invalid(f"output depth must be evenly divisible by number of groups: {w_shape[-1]} vs {self.groups}")


def _compute_dtype(dtype: np.dtype) -> np.dtype:
    """Half precision is accumulated in single precision."""
    return np.dtype(np.float32) if dtype.itemsize == 2 else dtype


def _columns(x: np.ndarray, g: Geometry) -> np.ndarray:
    """[batch * outputs, windows * channels], a row per window."""
    padded = geometry.pad_spatial(x, g.pads)
    view = geometry.windows_of(padded, g.windows, g.strides, g.dilations, g.outputs)
    rows = x.shape[0] * int(np.prod(g.outputs))
    return view.reshape(rows, int(np.prod(g.windows)) * x.shape[-1])


def forward(x: np.ndarray, w: np.ndarray, g: Geometry) -> np.ndarray:
    """The convolution, by the native kernels or by NumPy."""
    found = native.eager(native.FORWARD, x, w, x.shape, w.shape, g)
    if found is not None:
        return found
    dtype, work = x.dtype, _compute_dtype(x.dtype)
    x, w = x.astype(work, copy=False), w.astype(work, copy=False)
    count = w.shape[-1]
    if g.groups == 1:
        result = _columns(x, g) @ w.reshape(-1, count)
    elif _is_depthwise(x.shape, g):
        padded, result = geometry.pad_spatial(x, g.pads), 0
        for offset, tap in _taps(w, g):
            result = result + padded[geometry.offset_slice(offset, g.outputs, g.strides, g.dilations)][..., None] * tap
    else:
        depth, width = w.shape[-2], count // g.groups
        result = np.concatenate([
            _columns(x[..., i * depth:(i + 1) * depth], g) @ w[..., i * width:(i + 1) * width].reshape(-1, width)
            for i in range(g.groups)
        ], axis=-1)
    return result.reshape(x.shape[0], *g.outputs, count).astype(dtype, copy=False)


def by_data(dy: np.ndarray, w: np.ndarray, x_shape: Sequence[int], g: Geometry) -> np.ndarray:
    """The gradient by the images."""
    found = native.eager(native.BY_DATA, dy, w, x_shape, w.shape, g)
    if found is not None:
        return found
    dtype, work = dy.dtype, _compute_dtype(dy.dtype)
    dy, w = dy.astype(work, copy=False), w.astype(work, copy=False)
    padded = np.zeros((x_shape[0], *_padded_shape(g), x_shape[-1]), work)
    depth, width = w.shape[-2], w.shape[-1] // g.groups
    if _is_depthwise(x_shape, g):
        parts = dy.reshape(*dy.shape[:-1], g.groups, -1)
        for offset, tap in _taps(w, g):
            padded[geometry.offset_slice(offset, g.outputs, g.strides, g.dilations)] += (parts * tap).sum(-1)
    for i in range(g.groups if not _is_depthwise(x_shape, g) else 0):
        part = dy[..., i * width:(i + 1) * width]
        kernel = w[..., i * width:(i + 1) * width]
        target = padded[..., i * depth:(i + 1) * depth]
        columns = (part.reshape(-1, width) @ kernel.reshape(-1, width).T).reshape(
            x_shape[0], *g.outputs, *g.windows, depth)
        for offset in geometry.offsets(g.windows):
            where = geometry.offset_slice(offset, g.outputs, g.strides, g.dilations)
            target[where] += columns[(slice(None),) * (1 + len(g.outputs)) + offset]
    return np.ascontiguousarray(geometry.crop(padded, g.pads)).astype(dtype, copy=False)


def by_weights(x: np.ndarray, dy: np.ndarray, w_shape: Sequence[int], g: Geometry) -> np.ndarray:
    """The gradient by the filters."""
    found = native.eager(native.BY_WEIGHTS, x, dy, x.shape, w_shape, g)
    if found is not None:
        return found
    dtype, work = x.dtype, _compute_dtype(x.dtype)
    x, dy = x.astype(work, copy=False), dy.astype(work, copy=False)
    if _is_depthwise(x.shape, g):
        channels = x.shape[-1]
        padded, parts = geometry.pad_spatial(x, g.pads), dy.reshape(-1, channels, w_shape[-1] // channels)
        places = (geometry.offset_slice(o, g.outputs, g.strides, g.dilations) for o in geometry.offsets(g.windows))
        sums = [np.einsum("nc,ncm->cm", padded[place].reshape(-1, channels), parts) for place in places]
        return np.stack(sums).reshape(w_shape).astype(dtype, copy=False)
    depth, width = w_shape[-2], w_shape[-1] // g.groups
    products = []
    for i in range(g.groups):
        columns = _columns(x[..., i * depth:(i + 1) * depth], g)
        part = np.ascontiguousarray(dy[..., i * width:(i + 1) * width]).reshape(-1, width)
        products.append((columns.T @ part).reshape(*w_shape[:-1], width))
    return (products[0] if len(products) == 1 else np.concatenate(products, axis=-1)).astype(dtype, copy=False)


# ---- the same while compiling


def compiled_forward(jax: Any, x: Any, w: Any, g: Geometry) -> Any:
    """The convolution of tracers: by the native kernels, and then held back for what comes behind it, or by XLA."""

    def compute(**later: Any) -> Any:
        behind = native.Behind(**later)

        def otherwise(x: Any, w: Any, *operands: Any) -> Any:
            rest = iter(operands)
            result = _xla_forward(jax, x, w, g)
            result = result if behind.bias is None else result + next(rest)
            if behind.affine:
                shift, factor, offset = next(rest), next(rest), next(rest)
                result = (result - shift) * factor + offset
            result = result if behind.addend is None else result + next(rest)
            return jax.numpy.maximum(result, jax.numpy.zeros((), result.dtype)) if behind.relu else result

        found = native.compiled(native.FORWARD, jax, x, w, x.shape, w.shape, g, otherwise, behind)
        return otherwise(x, w, *behind.operands()) if found is None else found

    if not native.compiles(native.FORWARD, jax, x.dtype, x.shape, w.shape, g):
        return _xla_forward(jax, x, w, g)
    is_single = np.dtype(x.dtype) == np.float32
    takes = native.Behind._fields if is_single else ("bias",)
    return Unfinished((x.shape[0], *g.outputs, w.shape[-1]), x.dtype, compute, takes)


def compiled_by_data(jax: Any, dy: Any, w: Any, x_shape: Sequence[int], g: Geometry) -> Any:
    """The gradient by the images, of tracers."""
    def otherwise(dy: Any, w: Any) -> Any:
        return _xla_by_data(jax, dy, w, x_shape, g)

    found = native.compiled(native.BY_DATA, jax, dy, w, x_shape, w.shape, g, otherwise)
    return otherwise(dy, w) if found is None else found


def compiled_by_weights(jax: Any, x: Any, dy: Any, w_shape: Sequence[int], g: Geometry) -> Any:
    """The gradient by the filters, of tracers."""
    def otherwise(x: Any, dy: Any) -> Any:
        return _xla_by_weights(jax, x, dy, w_shape, g)

    found = native.compiled(native.BY_WEIGHTS, jax, x, dy, x.shape, w_shape, g, otherwise)
    return otherwise(x, dy) if found is None else found


# ---- XLA's own kernels.  Its convolutions on CPUs are general and slow; what can be said otherwise, is.

# More products, or more shifted images, than this cost more to compile than they save.
_MOST_PRODUCTS = 32
_NARROW = 64


def _on_cpu(jax: Any) -> bool:
    return jax.default_backend() == "cpu"


def _is_pointwise(g: Geometry) -> bool:
    """Windows of one element without padding: a product of matrices."""
    return g.groups == 1 and all(w == 1 for w in g.windows) and not any(b or a for b, a in g.pads)


def _is_depthwise(x_shape: Sequence[int], g: Geometry) -> bool:
    """Each channel by itself, under a window of few elements."""
    return g.groups == x_shape[-1] > 1 and 0 < np.prod(g.windows, dtype=int) <= _MOST_PRODUCTS


def _origin(g: Geometry) -> tuple[slice, ...]:
    return geometry.offset_slice([0] * len(g.windows), g.outputs, g.strides, g.dilations)


def _padded_shape(g: Geometry) -> list[int]:
    return [s + b + a for s, (b, a) in zip(g.sizes, g.pads)]


def _pad(jax: Any, x: Any, g: Geometry) -> Any:
    return jax.lax.pad(x, jax.numpy.zeros((), x.dtype), [(0, 0, 0), *((b, a, 0) for b, a in g.pads), (0, 0, 0)])


def _taps(w: Any, g: Geometry) -> Any:
    """(offset, what the window holds there) of a depthwise filter: [channels, multiplier] each."""
    filters = w.reshape(*g.windows, g.groups, -1)
    for offset in geometry.offsets(g.windows):
        yield offset, filters[offset]


def _xla_forward(jax: Any, x: Any, w: Any, g: Geometry) -> Any:
    if _on_cpu(jax) and _is_pointwise(g):
        return jax.numpy.matmul(x[_origin(g)], w.reshape(w.shape[-2:]))
    if _on_cpu(jax) and _is_depthwise(x.shape, g):
        padded, total = _pad(jax, x.astype(_compute_dtype(x.dtype)), g), None
        for offset, tap in _taps(w, g):
            part = padded[geometry.offset_slice(offset, g.outputs, g.strides, g.dilations)][..., None] * tap
            total = part if total is None else total + part
        return total.reshape(*total.shape[:-2], w.shape[-1]).astype(x.dtype)
    return _xla_convolution(jax, x, w, g)


def _xla_convolution(jax: Any, x: Any, w: Any, g: Geometry) -> Any:
    letters = "DHW"[-len(g.windows):]
    return jax.lax.conv_general_dilated(
        x, w, g.strides, g.pads, rhs_dilation=g.dilations,
        dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"), feature_group_count=g.groups,
    )


def _xla_by_data(jax: Any, dy: Any, w: Any, x_shape: Sequence[int], g: Geometry) -> Any:
    if _on_cpu(jax) and _is_pointwise(g):
        dx = jax.numpy.matmul(dy, w.reshape(w.shape[-2:]).T)
        return geometry.place(jax, dx, [0] * len(g.windows), g.sizes, g.strides, g.dilations)
    if _on_cpu(jax) and _is_depthwise(x_shape, g):
        parts, total = dy.astype(_compute_dtype(dy.dtype)).reshape(*dy.shape[:-1], g.groups, -1), None
        for offset, tap in _taps(w, g):
            part = geometry.place(jax, (parts * tap).sum(-1), offset, _padded_shape(g), g.strides, g.dilations)
            total = part if total is None else total + part
        return geometry.crop(total, g.pads).astype(dy.dtype)
    like = jax.ShapeDtypeStruct(tuple(int(s) for s in x_shape), dy.dtype)
    return jax.linear_transpose(lambda x: _xla_convolution(jax, x, w, g), like)(dy)[0]


def _products_by_weights(jax: Any, x: Any, dy: Any, w_shape: Sequence[int], g: Geometry) -> Any:
    """The gradient by weights as matrix products, one per row of the window.

    XLA's own convolution with windows as large as the image is three times slower on a CPU.
    """
    jnp, lax = jax.numpy, jax.lax
    padded = _pad(jax, x, g)
    flat = dy.reshape(-1, w_shape[-1])
    work = jnp.float32 if x.dtype.itemsize == 2 else x.dtype
    taps = list(geometry.offsets(g.windows))
    # Products of very few rows are slow as well: narrow images put all taps into one.
    together = len(taps) if len(taps) * x.shape[-1] <= _NARROW else g.windows[-1]
    parts = []
    for first in range(0, len(taps), together):
        columns = jnp.concatenate([
            padded[geometry.offset_slice(tap, g.outputs, g.strides, g.dilations)]
            for tap in taps[first:first + together]
        ], axis=-1).reshape(-1, together * x.shape[-1])
        parts.append(lax.dot_general(columns, flat, (((0,), (0,)), ((), ())), preferred_element_type=work))
    return jnp.stack(parts).reshape(tuple(int(s) for s in w_shape)).astype(dy.dtype)


def _depthwise_by_weights(jax: Any, x: Any, dy: Any, w_shape: Sequence[int], g: Geometry) -> Any:
    work = _compute_dtype(x.dtype)
    padded = _pad(jax, x.astype(work), g)
    parts = dy.astype(work).reshape(*dy.shape[:-1], g.groups, -1)
    axes = tuple(range(dy.ndim - 1))
    sums = [
        (padded[geometry.offset_slice(offset, g.outputs, g.strides, g.dilations)][..., None] * parts).sum(axes)
        for offset in geometry.offsets(g.windows)
    ]
    return jax.numpy.stack(sums).reshape(tuple(int(s) for s in w_shape)).astype(dy.dtype)


def _xla_by_weights(jax: Any, x: Any, dy: Any, w_shape: Sequence[int], g: Geometry) -> Any:
    few = 0 < np.prod(g.windows[:-1], dtype=int) <= _MOST_PRODUCTS
    if _on_cpu(jax) and g.groups == 1 and few and g.windows[-1]:
        return _products_by_weights(jax, x, dy, w_shape, g)
    if _on_cpu(jax) and _is_depthwise(x.shape, g):
        return _depthwise_by_weights(jax, x, dy, w_shape, g)
    like = jax.ShapeDtypeStruct(tuple(int(s) for s in w_shape), dy.dtype)
    return jax.linear_transpose(lambda w: _xla_convolution(jax, x, w, g), like)(dy)[0]
