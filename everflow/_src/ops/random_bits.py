"""Random bits and what is made of them: Philox4x32-10, uniform and normal numbers.

Philox (J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) turns a counter of 128 bits and
a key of 64 bits into 128 random bits, so the i-th number of a sequence needs none before it.  Counters and keys
are laid out as TensorFlow lays them out: the same seeds give the same numbers.

A stream is an array of three uint64: the counter's low and high half, and the key.  Everything is written once
against `xp`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.dtypes import DType

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_MASK = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
# Groups per block: what NumPy works on at once stays in the second-level cache.
_BLOCK = 8192

# What one output of a distribution with rejections may use up, in 32-bit samples.
RESERVED_PER_OUTPUT = 256


def stream_of_seeds(seed: int, seed2: int) -> np.ndarray:
    """The stream that a stateful operation starts with; both seeds zero draw one from the system."""
    if seed == 0 and seed2 == 0:
        seed, seed2 = (int(v) for v in np.random.SeedSequence().generate_state(2, np.uint64))
    return np.array([0, seed2 % 2**64, seed % 2**64], np.uint64)


def skip(xp: Any, stream: Any, count: Any) -> Any:
    """The stream after `count` groups of 128 bits."""
    count = xp.asarray(count, np.uint64)
    low = stream[0:1] + count
    carry = (low < stream[0:1]).astype(np.uint64)
    return xp.concatenate([low, stream[1:2] + carry, stream[2:3]])


def rounds(xp: Any, low: Any, high: Any, key: Any) -> tuple[Any, Any, Any, Any]:
    """Four words of random bits, as uint64 below 2^32, for each counter in (low, high)."""
    c0, c1, c2, c3 = low & _MASK, low >> _32, high & _MASK, high >> _32
    k0, k1 = key & _MASK, key >> _32
    for turn in range(10):
        if turn:
            k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
        p0, p1 = c0 * _M0, c2 * _M1
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1 & _MASK, (p0 >> _32) ^ c3 ^ k1, p0 & _MASK
    return c0, c1, c2, c3


def groups(xp: Any, stream: Any, count: int, stride: int = 1, per_group: int = 1) -> Any:
    """`count` runs of `per_group` groups of four words, as uint32 [count, 4 * per_group].

    Run i starts at counter i * stride of the stream.
    """
    if xp is np and count > _BLOCK // per_group:
        block = max(_BLOCK // per_group, 1)
        result = np.empty((count, 4 * per_group), np.uint32)
        for start in range(0, count, block):
            size = min(block, count - start)
            result[start:start + size] = groups(np, skip(np, stream, start * stride), size, stride, per_group)
        return result
    offsets = xp.arange(count, dtype=np.uint64)
    if stride != 1:
        offsets = offsets * np.uint64(stride)
    if per_group != 1:
        offsets = (offsets[:, None] + xp.arange(per_group, dtype=np.uint64)).reshape(-1)
    low = stream[0:1] + offsets
    high = stream[1:2] + (low < stream[0:1]).astype(np.uint64)
    words = rounds(xp, low, high, stream[2:3])
    return xp.stack([w.astype(np.uint32) for w in words], -1).reshape(count, 4 * per_group)


def words(xp: Any, stream: Any, count: int) -> Any:
    """The first `count` 32-bit words of the stream."""
    return groups(xp, stream, -(-count // 4)).reshape(-1)[:count]


def _pairs(xp: Any, bits: Any) -> tuple[Any, Any]:
    pairs = bits.reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def long_words(xp: Any, stream: Any, count: int) -> Any:
    """The first `count` 64-bit words of the stream, the lower half first."""
    low, high = _pairs(xp, groups(xp, stream, -(-count // 2)))
    return (low.astype(np.uint64) | (high.astype(np.uint64) << _32))[:count]


# ---- bits as numbers in [0, 1)


def unit_floats(xp: Any, bits: Any) -> Any:
    """float32 numbers in [0, 1) with the lower 23 bits as their mantissas."""
    return ((bits & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)).view(np.float32) - np.float32(1)


def unit_doubles(xp: Any, high: Any, low: Any) -> Any:
    """float64 numbers in [0, 1) with 20 bits of the first word and all of the second as their mantissas."""
    mantissa = ((high & np.uint32(0xFFFFF)).astype(np.uint64) << _32) | low.astype(np.uint64)
    return (mantissa | np.uint64(0x3FF << 52)).view(np.float64) - np.float64(1)


def _unit_short(xp: Any, bits: Any, mantissa_bits: int, exponent: int, dtype: DType) -> Any:
    shorts = (bits & np.uint32((1 << mantissa_bits) - 1)).astype(np.uint16) | np.uint16(exponent << mantissa_bits)
    kind = dtype.numpy_dtype
    return shorts.view(kind) - xp.ones((), kind)


def uniform(xp: Any, stream: Any, count: int, dtype: DType) -> Any:
    """`count` numbers that are uniformly distributed in [0, 1)."""
    if dtype == dtypes.float64:
        return unit_doubles(xp, *_pairs(xp, groups(xp, stream, -(-count // 2))))[:count]
    bits = words(xp, stream, count)
    if dtype == dtypes.float32:
        return unit_floats(xp, bits)
    if dtype == dtypes.float16:
        return _unit_short(xp, bits, 10, 15, dtype)
    return _unit_short(xp, bits, 7, 127, dtype)


def full_range(xp: Any, stream: Any, count: int, dtype: DType) -> Any:
    """`count` integers, every one of the dtype as likely as the others."""
    bits = words(xp, stream, count) if dtype.size == 4 else long_words(xp, stream, count)
    return bits.astype(dtype.numpy_dtype)


def uniform_range(xp: Any, stream: Any, count: int, dtype: DType, low: Any, high: Any) -> Any:
    """`count` integers in [low, high)."""
    kind = dtype.numpy_dtype
    unsigned = np.dtype(np.uint32 if dtype.size == 4 else np.uint64)
    low, high = (xp.asarray(v).reshape(1).astype(unsigned) for v in (low, high))
    bits = words(xp, stream, count) if dtype.size == 4 else long_words(xp, stream, count)
    return (low + bits % (high - low)).astype(kind)


# ---- normal numbers (G. Box and M. Muller, 1958)


def box_muller(xp: Any, radius: Any, angle: Any, kind: Any) -> tuple[Any, Any]:
    """Two independent normal numbers of two uniform ones."""
    radius = xp.sqrt(kind(-2) * xp.log(xp.maximum(radius, kind(1e-7))))
    angle = kind(2 * math.pi) * angle
    return xp.sin(angle) * radius, xp.cos(angle) * radius


def _normals(xp: Any, bits: Any, dtype: DType) -> Any:
    """Normal numbers of runs of words [n, 4k]: float64 [n, 2k] or float32 [n, 4k]."""
    count = bits.shape[0]
    if dtype == dtypes.float64:
        fours = bits.reshape(-1, 4)
        pair = box_muller(xp, unit_doubles(xp, fours[:, 0], fours[:, 1]),
                           unit_doubles(xp, fours[:, 2], fours[:, 3]), np.float64)
    else:
        first, second = _pairs(xp, bits)
        pair = box_muller(xp, unit_floats(xp, first), unit_floats(xp, second), np.float32)
    return xp.stack(pair, -1).reshape(count, -1)


def _in_blocks(xp: Any, make: Callable, stream: Any, count: int, per_group: int, stride: int, dtype: DType) -> Any:
    """`make(stream, number of groups)` in blocks that fit the cache."""
    total = -(-count // per_group)
    if xp is not np or total <= _BLOCK:
        return make(stream, total).reshape(-1)[:count].astype(dtype.numpy_dtype)
    result = np.empty(total * per_group, dtype.numpy_dtype)
    for start in range(0, total, _BLOCK):
        size = min(_BLOCK, total - start)
        block = make(skip(np, stream, start * stride), size)
        result[start * per_group:(start + size) * per_group] = block.reshape(-1)
    return result[:count]


def normal(xp: Any, stream: Any, count: int, dtype: DType) -> Any:
    """`count` numbers of the standard normal distribution."""
    per_group = 2 if dtype == dtypes.float64 else 4
    return _in_blocks(xp, lambda s, n: _normals(xp, groups(xp, s, n), dtype), stream, count, per_group, 1, dtype)


def truncated_normal(xp: Any, stream: Any, count: int, dtype: DType, jax: Any = None) -> Any:
    """`count` numbers of the standard normal distribution of absolute values below 2.

    Each group of outputs has counters of its own, and takes the first normal numbers there that pass.
    """
    per_group = 2 if dtype == dtypes.float64 else 4
    stride = per_group * RESERVED_PER_OUTPUT // 4
    return _in_blocks(xp, lambda s, n: _truncated(xp, s, n, stride, per_group, dtype, jax), stream, count, per_group,
                      stride, dtype)


# Groups of four words that a group of outputs draws at first, and when too few of those pass.  The second number
# does not suffice once in 1e18 groups; the interpreter has more, a compiled program has not.
_FEW, _MANY = 2, 10


def _truncated(xp: Any, stream: Any, total: int, stride: int, wanted: int, dtype: DType, jax: Any) -> Any:
    def attempt(start: Any, count: int, tries: int) -> tuple[Any, Any]:
        return _first_below_two(xp, _normals(xp, groups(xp, start, count, stride, tries), dtype), wanted)

    values, enough = attempt(stream, total, _FEW)
    if xp is not np:
        return jax.lax.cond(enough.all(), lambda: values, lambda: attempt(stream, total, _MANY)[0])
    for index in np.flatnonzero(~enough):
        start = skip(np, stream, int(index) * stride)
        tries, found = _MANY, False
        while not found:
            row, passed = attempt(start, 1, tries)
            values[index], found = row[0], bool(passed[0]) or tries == stride
            tries = min(4 * tries, stride)
    return values


def _first_below_two(xp: Any, normals: Any, wanted: int) -> tuple[Any, Any]:
    """The first `wanted` of each row of absolute values below 2, and whether there are as many."""
    passes = abs(normals) < normals.dtype.type(2)
    rank = xp.cumsum(passes, -1, dtype=np.int32)
    # The position of the k-th that passes is the number of positions before which fewer than k passed.
    position = xp.stack([(rank < k).sum(-1) for k in range(1, wanted + 1)], -1)
    values = xp.take_along_axis(normals, xp.minimum(position, normals.shape[1] - 1), -1)
    return values, rank[:, -1] >= wanted
