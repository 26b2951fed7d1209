"""Philox, and the numbers made of its bits, in both tiers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from everflow._src.framework import dtypes
from everflow._src.ops import random_bits as bits


@pytest.mark.parametrize(
    "counter,key,expected",
    [  # the known answers that come with the authors' library
        ((0, 0), 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((2**64 - 1, 2**64 - 1), 2**64 - 1, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x85A308D3243F6A88, 0x0370734413198A2E),
            0x299F31D0A4093822,
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_known_answers(counter, key, expected):
    stream = np.array([*counter, key], np.uint64)
    assert bits.groups(np, stream, 1)[0].tolist() == list(expected)


def test_counter_carries():
    stream = np.array([2**64 - 2, 5, 9], np.uint64)
    after = bits.skip(np, stream, 3)
    assert after.tolist() == [1, 6, 9]
    whole = bits.groups(np, stream, 5)
    np.testing.assert_array_equal(whole[3:], bits.groups(np, after, 2))


def test_blocks_continue_each_other():
    stream = bits.stream_of_seeds(1, 2)
    count = 3 * bits._BLOCK + 5
    whole = bits.words(np, stream, 4 * count)
    tail = bits.words(np, bits.skip(np, stream, count - 1), 4)
    np.testing.assert_array_equal(whole[-4:], tail)


@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64])
@pytest.mark.parametrize("name", ["uniform", "normal", "truncated_normal"])
def test_both_tiers_draw_the_same(name, dtype):
    stream = bits.stream_of_seeds(7, 8)
    draw = getattr(bits, name)
    expected = draw(np, stream, 1001, dtype)
    extra = {"jax": jax} if name == "truncated_normal" else {}
    with jax.enable_x64(True):
        actual = np.asarray(jax.jit(lambda s: draw(jnp, s, 1001, dtype, **extra))(stream))
    assert actual.dtype == expected.dtype == dtype.numpy_dtype
    tolerance = 0 if name == "uniform" else 4 * float(np.finfo(np.float32).eps if dtype.size > 2 else 2.0**-7)
    np.testing.assert_allclose(actual.astype(np.float64), expected.astype(np.float64), tolerance, tolerance)


def test_truncated_normal_has_enough_in_every_row():
    stream = bits.stream_of_seeds(3, 4)
    values = bits.truncated_normal(np, stream, 400_000, dtypes.float32)
    assert np.abs(values).max() < 2
    assert len(np.unique(values)) > 390_000
    assert abs(values.std() - 0.8796) < 0.01
