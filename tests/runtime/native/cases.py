"""Random convolutions, and what they are in double precision: the reference of the native kernels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from everflow._src.ops.nn_convolution_kernels import Geometry
from everflow._src.runtime.native.convolution import BY_DATA, BY_WEIGHTS, FORWARD
from everflow._src.runtime.native.library import SWITCH, status

KINDS = (FORWARD, BY_DATA, BY_WEIGHTS)
needs_native = pytest.mark.skipif(not status().available, reason=f"the native kernels are not here: {status().what}")


def python_environment(**changes):
    """The environment of a process that imports this everflow."""
    return {SWITCH: "", **os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), **changes}


class Case(NamedTuple):
    """One convolution, channels last."""

    x_shape: tuple
    w_shape: tuple
    strides: tuple
    dilations: tuple
    padding: str
    explicit: tuple = ()

    @property
    def geometry(self):
        return Geometry(self.x_shape, self.w_shape, (1, *self.strides, 1), (1, *self.dilations, 1), self.padding,
                        self.explicit, "NHWC")

    @property
    def y_shape(self):
        return (self.x_shape[0], *self.geometry.outputs, self.w_shape[-1])

    def shapes(self, kind):
        """Shapes of the two operands and of the result."""
        shapes = {"x": self.x_shape, "w": self.w_shape, "y": self.y_shape}
        return [shapes[letter] for letter in {FORWARD: "xwy", BY_DATA: "ywx", BY_WEIGHTS: "xyw"}[kind]]

    def operands(self, kind, random, dtype=np.float32):
        return [random.standard_normal(shape).astype(dtype) for shape in self.shapes(kind)[:2]]


def random_case(random, dims):
    """A convolution with a few million multiplications at the most, and rarely with too few for native kernels."""
    low, high = {1: (40, 300), 2: (7, 22), 3: (4, 9)}[dims]
    batch = int(random.choice([1, 1, 2, 3, 4, 5]))
    sizes = random.integers(low, high, dims)
    windows = random.integers(1, 5, dims).clip(max=sizes)
    strides = random.integers(1, 4, dims)
    dilations = np.where(random.random(dims) < 0.7, 1, np.minimum(2, (sizes - 1) // windows.clip(min=1)).clip(min=1))
    groups = random.choice(["one", "few", "depthwise"], p=[0.6, 0.2, 0.2])
    if groups == "one":
        channels, w_channels = int(random.integers(1, 40)), (0, int(random.integers(1, 40)))
    elif groups == "few":
        count, depth = int(random.integers(2, 5)), int(random.integers(1, 17))
        channels, w_channels = count * depth, (depth, count * int(random.integers(1, 17)))
    else:
        channels = int(random.integers(2, 40))
        w_channels = (1, channels * int(random.integers(1, 3)))
    w_shape = (*(int(w) for w in windows), w_channels[0] or channels, w_channels[1])
    padding = str(random.choice(["SAME", "VALID", "EXPLICIT"]))
    reaches = (windows - 1) * dilations + 1
    pairs = [int(p) for r in reaches for p in random.integers(0, r, 2)] if padding == "EXPLICIT" else []
    explicit = (0, 0, *pairs, 0, 0) if pairs else ()
    return Case((batch, *(int(s) for s in sizes), channels), w_shape, tuple(map(int, strides)),
                tuple(map(int, dilations)), padding, explicit)


def reference(kind, case, a, b):
    """The convolution or the gradient, computed in double precision, offset by offset of the window."""
    g = case.geometry
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    groups, outputs = g.groups, case.w_shape[-1]
    depth = case.w_shape[-2]
    batch, channels = case.x_shape[0], case.x_shape[-1]
    padded = np.zeros((batch, *(s + p + q for s, (p, q) in zip(g.sizes, g.pads)), channels))
    inside = (slice(None), *(slice(p, p + s) for s, (p, _) in zip(g.sizes, g.pads)))
    if kind != BY_DATA:
        padded[inside] = a
    result = np.zeros((batch, *g.outputs, groups, outputs // groups)) if kind == FORWARD else np.zeros(case.w_shape)
    for offset in np.ndindex(*g.windows):
        where = (slice(None), *(
            slice(o * d, o * d + (n - 1) * s + 1, s) for o, n, s, d in zip(offset, g.outputs, g.strides, g.dilations)))
        patch = padded[where].reshape(batch, *g.outputs, groups, depth)
        if kind == BY_WEIGHTS:
            y = b.reshape(batch, *g.outputs, groups, outputs // groups)
            result[offset] = np.einsum("ngc,ngo->cgo", patch.reshape(-1, groups, depth),
                                       y.reshape(-1, groups, outputs // groups)).reshape(depth, outputs)
            continue
        taps = b[offset].reshape(depth, groups, outputs // groups)
        if kind == FORWARD:
            result += np.einsum("...gc,cgo->...go", patch, taps)
        else:
            y = a.reshape(batch, *g.outputs, groups, outputs // groups)
            padded[where] += np.einsum("...go,cgo->...gc", y, taps).reshape(padded[where].shape)
    return padded[inside] if kind == BY_DATA else result.reshape(case.shapes(kind)[2])


def check(kind, case, a, b, result):
    """Compares with the reference, within what rounding of every product and sum may come to.

    Sums are in single precision in any case; the result is rounded to its type.
    """
    expected = reference(kind, case, a, b)
    size = reference(kind, case, np.abs(np.asarray(a, np.float64)), np.abs(np.asarray(b, np.float64)))
    epsilon, rounding = 2e-6, 0 if result.dtype == np.float32 else 2.0 ** -8
    assert result.shape == expected.shape
    error = np.abs(np.asarray(result, np.float64) - expected)
    bound = epsilon * size + rounding * np.abs(expected)
    worst = np.unravel_index(np.argmax(error - bound), error.shape)
    assert error[worst] <= bound[worst], (
        f"{case} kind {kind}: {result[worst]} for {expected[worst]} at {worst}")
