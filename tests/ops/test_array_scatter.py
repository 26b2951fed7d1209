"""Scatters against NumPy, with positions that occur twice, compiled or not."""

import numpy as np
import pytest

import everflow as tf

COMBINE = {"add": np.add, "sub": np.subtract, "min": np.minimum, "max": np.maximum}


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.float16, np.uint8])
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("how", COMBINE)
def test_tensor_scatter(how, depth, dtype):
    random = np.random.default_rng(depth)
    x = random.integers(40, 60, (3, 2, 4)).astype(dtype)
    indices = np.stack([random.integers(0, x.shape[i], 6) for i in range(depth)], -1)
    updates = random.integers(1, 5, (6, *x.shape[depth:])).astype(dtype)
    expected = x.copy()
    COMBINE[how].at(expected, tuple(indices.T), updates)
    scatter = getattr(tf, f"tensor_scatter_nd_{how}")
    for function in (scatter, tf.function(scatter, jit_compile=True)):
        result = function(tf.constant(x), tf.constant(indices), tf.constant(updates)).numpy()
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, expected)


def test_scatter_of_booleans_holds_where_any_does():
    scatter = tf.function(lambda u: tf.scatter_nd([[0], [0], [2]], u, [3]), jit_compile=True)
    assert scatter(tf.constant([False, True, False])).numpy().tolist() == [True, False, False]


def test_the_operand_keeps_its_value():
    x = tf.constant([1.0, 2.0])
    y = tf.tensor_scatter_nd_update(x, [[0]], [9.0])
    assert x.numpy().tolist() == [1.0, 2.0] and y.numpy().tolist() == [9.0, 2.0]


@pytest.mark.parametrize(
    "indices, updates", [([[3]], [1.0]), ([[0]], [[1.0, 2.0]]), ([[0, 0]], [1.0]), ([[-1]], [1.0])]
)
def test_what_does_not_fit(indices, updates):
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.tensor_scatter_nd_add(tf.zeros([3]), indices, updates)
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.scatter_nd(indices, updates, [3])


def test_ties_share_the_gradient_of_an_extreme():
    x, updates = tf.constant([1.0, 5.0]), tf.constant([5.0, 0.0])
    with tf.GradientTape() as tape:
        tape.watch([x, updates])
        y = tf.tensor_scatter_nd_max(x, [[1], [0]], updates) * [10.0, 8.0]
    dx, du = tape.gradient(y, [x, updates])
    assert dx.numpy().tolist() == [10.0, 4.0] and du.numpy().tolist() == [4.0, 0.0]
