"""What normalization does to channels, by the native kernels, inside of compiled programs.  Arrays are [..., channels].

XLA reads an array once for every sum over it, and writes down what several of its loops share; the kernels read it once
for two sums, and once for the result.  Every function returns None where they are missing or the array is too small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from everflow._src.runtime.native.convolution import with_vmap
from everflow._src.runtime.native.library import compiled_library

# Smaller arrays are done by XLA before a call has crossed over.
_LEAST_ELEMENTS = 2048


def serves(jax: Any, x: Any) -> bool:
    """Whether the kernels take `x`."""
    return (x.dtype == np.float32 and x.ndim >= 2 and 0 not in x.shape and x.size >= _LEAST_ELEMENTS
            and compiled_library(jax) is not None)


def _numbers(x: Any, relu: bool = False) -> np.ndarray:
    return np.array([x.size // x.shape[-1], x.shape[-1], relu], np.int64)


def _two_vectors(jax: Any, name: str, x: Any) -> Callable[..., Any]:
    vector = jax.ShapeDtypeStruct((x.shape[-1],), x.dtype)
    target = jax.ffi.ffi_call(name, (vector, vector))
    return lambda *operands: tuple(target(*operands, numbers=_numbers(x)))


def moments(jax: Any, x: Any, otherwise: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Mean and variance of each channel; `otherwise` computes the same by XLA and stands in under `vmap`."""
    return with_vmap(jax, _two_vectors(jax, "everflow_channel_moments", x), otherwise)(x)


def products(jax: Any, dy: Any, x: Any, mean: Any, otherwise: Callable[[Any, Any, Any], Any]) -> tuple[Any, Any]:
    """Per channel, the sums of `dy` and of `dy * (x - mean)`."""
    return with_vmap(jax, _two_vectors(jax, "everflow_channel_products", x), otherwise)(dy, x, mean)


def affine(jax: Any, otherwise: Callable[..., Any], x: Any, shift: Any, factor: Any, offset: Any, *addend: Any,
           relu: bool = False) -> Any:
    """factor * (x - shift) + offset, plus an array of the shape of `x`, which may have a factor of its own.

    Args:
      jax: the module.
      otherwise: computes the same of the operands by XLA; it stands in under `vmap`.
      x: the array.
      shift, factor, offset: one number per channel each.
      addend: nothing, another array, or another array and one factor per channel for it.
      relu: True takes the maximum of that and 0.
    """
    target = jax.ffi.ffi_call("everflow_channel_affine", jax.ShapeDtypeStruct(x.shape, x.dtype))
    native = with_vmap(jax, lambda *operands: target(*operands, numbers=_numbers(x, relu)), otherwise)
    return native(x, shift, factor, offset, *addend)
