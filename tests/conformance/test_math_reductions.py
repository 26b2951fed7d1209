"""Reductions, arg reductions, segments, sorting and counting."""

import numpy as np
import pytest
import tensorflow as tf

from .three_ways import check, check_gradient, known_rank

F32 = np.float32
INVALID = (tf.errors.InvalidArgumentError, ValueError)
BFLOAT16 = tf.bfloat16.as_numpy_dtype


def normal(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape)


def integers(*shape, dtype=np.int32):
    return np.random.default_rng(sum(shape)).integers(-4, 5, size=shape).astype(dtype)


AXES = [None, 0, 1, -1, [0], [0, 2], [-1, 0], (1, 2), []]

REDUCTIONS = {
    "reduce_sum": np.sum,
    "reduce_mean": np.mean,
    "reduce_max": np.max,
    "reduce_min": np.min,
    "reduce_prod": np.prod,
}


def _axes(axis):
    return tuple(axis) if isinstance(axis, (list, tuple)) else axis


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", AXES, ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
def test_reduce(name, axis, keepdims):
    x = normal(2, 3, 4).astype(F32)
    expected = REDUCTIONS[name](x.astype(np.float64), axis=_axes(axis), keepdims=keepdims)
    function = getattr(tf, name)
    check(lambda x: function(x, axis, keepdims), [x], np.asarray(expected, F32))


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float16, BFLOAT16, np.int32, np.int64, np.int8, np.uint8])
def test_reduce_dtypes(name, dtype):
    x = np.abs(integers(3, 2)).astype(dtype)
    if name == "reduce_mean" and np.dtype(dtype).kind in "iu":
        expected = x.sum(0).astype(np.int64) // 3
    else:
        expected = REDUCTIONS[name](x.astype(np.float64), axis=0)
    check(lambda x: getattr(tf, name)(x, 0), [x], np.asarray(expected).astype(dtype))


def test_reduce_integer_mean_truncates():
    check(lambda x: tf.reduce_mean(x), [np.array([-3, -4], np.int32)], np.int32(-3))
    check(lambda x: tf.reduce_mean(x), [np.array([3, 4], np.int32)], np.int32(3))


@pytest.mark.parametrize("name", ["reduce_sum", "reduce_mean", "reduce_prod"])
def test_reduce_complex(name):
    x = (normal(2, 3) + 1j * normal(3, 2).T).astype(np.complex64)
    check(lambda x: getattr(tf, name)(x, 1), [x], REDUCTIONS[name](x, axis=1).astype(np.complex64))


@pytest.mark.parametrize("axis", AXES, ids=str)
def test_reduce_logic(axis):
    x = integers(2, 3, 4) > 0
    check(lambda x: tf.reduce_all(x, axis), [x], np.all(x, axis=_axes(axis)))
    check(lambda x: tf.reduce_any(x, axis, keepdims=True), [x], np.any(x, axis=_axes(axis), keepdims=True))


def test_reduce_logic_takes_booleans_only():
    with pytest.raises((TypeError, *INVALID)):
        tf.reduce_all([1, 0])


def test_reduce_empty():
    x = np.zeros((0, 2), F32)
    check(lambda x: tf.reduce_sum(x), [x], np.float32(0))
    check(lambda x: tf.reduce_prod(x, 0), [x], np.ones(2, F32))
    check(lambda x: tf.reduce_max(x, 0), [x], np.full(2, -np.inf, F32))
    check(lambda x: tf.reduce_min(x, 0), [x], np.full(2, np.inf, F32))
    check(lambda x: tf.reduce_mean(x, 0), [x], np.full(2, np.nan, F32))
    check(lambda x: tf.reduce_sum(x, 1), [x], np.zeros(0, F32))
    check(lambda x: tf.reduce_all(x, 0), [x > 0], np.ones(2, bool))
    check(lambda x: tf.reduce_any(x, 0), [x > 0], np.zeros(2, bool))
    check(lambda x: tf.reduce_max(x, 0), [np.zeros((0, 2), np.int32)], np.full(2, -(2**31), np.int32))
    check(lambda x: tf.reduce_min(x, 0), [np.zeros((0, 2), np.int32)], np.full(2, 2**31 - 1, np.int32))
    check(lambda x: tf.reduce_logsumexp(x, 0), [x], np.full(2, -np.inf, F32))


def test_reduce_scalar_and_axis_tensor():
    check(lambda x: tf.reduce_sum(x), [np.float32(3)], np.float32(3))
    check(lambda x: tf.reduce_max(x, []), [np.float32(3)], np.float32(3))
    x = normal(2, 3)
    check(lambda x, a: tf.reduce_sum(x, a), [x, np.int32(1)], x.sum(1))
    check(lambda x, a: tf.reduce_sum(x, a), [x, np.array([0, 1])], x.sum())
    check(lambda x: tf.reduce_sum(x, tf.constant(0)), [x], x.sum(0))
    check(lambda x: tf.reduce_sum(x, tf.range(tf.rank(x))), [x], x.sum())
    check(lambda: tf.reduce_sum([[1, 2], [3, 4]]), [], np.int32(10))
    check(lambda x: tf.reduce_sum([x, x * 2]), [np.float32(3)], np.float32(9))


@pytest.mark.parametrize("axis", [2, -3, [0, 3], [0, 0]])
def test_reduce_errors(axis):
    with pytest.raises(INVALID):
        tf.reduce_sum(tf.zeros([2, 3]), axis)


def test_reduce_error_in_graph():
    with tf.Graph().as_default(), pytest.raises(ValueError):
        tf.reduce_sum(tf.zeros([2, 3]), 2)


def test_reduce_nan_and_infinity():
    x = np.array([[1, np.nan], [np.inf, 2], [-np.inf, np.inf]], F32)
    check(lambda x: tf.reduce_max(x, 1), [x], np.array([np.nan, np.inf, np.inf], F32))
    check(lambda x: tf.reduce_min(x, 1), [x], np.array([np.nan, 2, -np.inf], F32))
    check(lambda x: tf.reduce_sum(x, 1), [x], np.array([np.nan, np.inf, np.nan], F32))


def test_reduce_v1_names():
    x = normal(2, 3)
    v1 = tf.compat.v1
    check(lambda x: v1.reduce_sum(x, reduction_indices=[1]), [x], x.sum(1))
    check(lambda x: v1.reduce_mean(x, reduction_indices=1, keep_dims=True), [x], x.mean(1, keepdims=True))
    check(lambda x: v1.reduce_max(x, axis=0, keepdims=True), [x], x.max(0, keepdims=True))
    check(lambda x: v1.reduce_min(x, 0), [x], x.min(0))
    check(lambda x: v1.reduce_prod(x, 0), [x], x.prod(0))
    check(lambda x: v1.reduce_all(x > 0, 0), [x], (x > 0).all(0))
    check(lambda x: v1.reduce_any(x > 0, 0), [x], (x > 0).any(0))
    check(lambda x: v1.reduce_logsumexp(x, 0), [x], np.log(np.exp(x).sum(0)))
    check(lambda x: v1.count_nonzero(x, axis=1), [np.round(x)], np.count_nonzero(np.round(x), 1))


@pytest.mark.parametrize("axis", [None, 0, [1], -1, [0, 1]], ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
def test_reduce_derived(axis, keepdims):
    x = normal(2, 3)
    np_axis = _axes(axis)
    check(
        lambda x: tf.reduce_logsumexp(x, axis, keepdims),
        [x],
        np.log(np.exp(x).sum(np_axis, keepdims=keepdims)),
    )
    check(lambda x: tf.math.reduce_variance(x, axis, keepdims), [x], x.var(np_axis, keepdims=keepdims))
    check(lambda x: tf.math.reduce_std(x, axis, keepdims), [x], x.std(np_axis, keepdims=keepdims))
    check(
        lambda x: tf.math.reduce_euclidean_norm(x, axis, keepdims),
        [x],
        np.sqrt((x * x).sum(np_axis, keepdims=keepdims)),
    )
    check(
        lambda x: tf.math.count_nonzero(x, axis, keepdims),
        [np.round(x)],
        np.asarray(np.count_nonzero(np.round(x), np_axis, keepdims=keepdims), np.int64),
    )


def test_logsumexp_is_stable():
    check(lambda x: tf.reduce_logsumexp(x), [np.array([1000.0, 1000.0], F32)], np.float32(1000 + np.log(2)))
    check(lambda x: tf.reduce_logsumexp(x), [np.array([-np.inf, -np.inf], F32)], np.float32(-np.inf))
    check(lambda x: tf.reduce_logsumexp(x), [np.array([np.inf, 1.0], F32)], np.float32(np.inf))


def test_variance_dtypes():
    z = np.array([1 + 1j, 3 - 1j], np.complex64)
    check(tf.math.reduce_variance, [z], np.float32(2))
    check(tf.math.reduce_std, [z], np.float32(np.sqrt(2)))
    with pytest.raises(TypeError):
        tf.math.reduce_variance([1, 2])


def test_count_nonzero_forms():
    check(lambda x: tf.math.count_nonzero(x, dtype=tf.int32), [np.array([0, 1, 2])], np.int32(2))
    check(lambda x: tf.math.count_nonzero(x), [np.array([True, False])], np.int64(1))
    check(lambda x: tf.math.count_nonzero(x), [np.array([b"", b"a", b" "], object)], np.int64(2))


@pytest.mark.parametrize("axis", [None, 0, -1, [0, 1]], ids=str)
@pytest.mark.parametrize(
    "name",
    [
        "reduce_sum",
        "reduce_mean",
        "reduce_prod",
        "reduce_max",
        "reduce_min",
        "reduce_logsumexp",
        "reduce_std",
        "reduce_variance",
        "reduce_euclidean_norm",
    ],
)
def test_reduce_gradient(name, axis):
    function = getattr(tf.math, name)
    check_gradient(lambda x: function(x, axis), [normal(2, 3)], ways=("eager", "session"))
    check_gradient(lambda x: function(x * x, axis, keepdims=True) * x, [normal(2, 2)], ways=("function",))


@pytest.mark.parametrize("name", ["reduce_sum", "reduce_mean", "reduce_prod", "reduce_logsumexp"])
def test_reduce_second_gradient(name):
    function = getattr(tf.math, name)
    check_gradient(lambda x: function(x * x, 1), [normal(2, 3)], order=2, ways=("eager",))


def _gradient(function, x):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tape.gradient(y, x).numpy()


def test_reduce_gradients_at_ties_and_zeros():
    ties = np.array([[1.0, 3, 3], [2, 2, 2]], F32)
    np.testing.assert_allclose(_gradient(lambda x: tf.reduce_max(x, 1), ties), [[0, 0.5, 0.5], [1 / 3] * 3])
    np.testing.assert_allclose(_gradient(lambda x: tf.reduce_min(x, 0), ties), [[1, 0, 0], [0, 1, 1]])
    one_zero = np.array([2.0, 0, 3], F32)
    np.testing.assert_allclose(_gradient(tf.reduce_prod, one_zero), [0, 6, 0])
    two_zeros = np.array([2.0, 0, 0], F32)
    np.testing.assert_allclose(_gradient(tf.reduce_prod, two_zeros), [0, 0, 0])
    np.testing.assert_array_equal(
        _gradient(tf.math.reduce_euclidean_norm, np.zeros(2, F32)), [np.nan, np.nan]
    )
    np.testing.assert_allclose(_gradient(tf.norm, np.zeros(2, F32)), [np.nan, np.nan])


def test_reduce_gradient_of_empty():
    np.testing.assert_array_equal(_gradient(tf.reduce_sum, np.zeros((0, 2), F32)), np.zeros((0, 2)))
    np.testing.assert_array_equal(
        _gradient(lambda x: tf.reduce_mean(x, 1), np.zeros((2, 0), F32)), np.zeros((2, 0))
    )


# arg reductions


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("dtype", [F32, np.float64, np.float16, np.int32, np.int64, np.uint8])
def test_argmax_argmin(axis, dtype):
    x = np.array([[3, 1, 3, 0], [5, 5, 2, 0], [0, 7, 2, 0]], dtype)
    along = 0 if axis is None else axis
    check(lambda x: tf.argmax(x, axis), [x], np.argmax(x, along))
    check(lambda x: tf.argmin(x, axis), [x], np.argmin(x, along))
    check(lambda x: tf.math.argmax(x, axis, output_type=tf.int32), [x], np.argmax(x, along).astype(np.int32))
    check(lambda x: tf.argmin(x, axis, tf.int32), [x], np.argmin(x, along).astype(np.int32))


def test_argmax_forms():
    x = np.array([[1, 9], [9, 1]], F32)
    check(lambda x: tf.compat.v1.argmax(x, 1), [x], np.array([1, 0]))
    check(lambda x: tf.compat.v1.arg_max(x, 1), [x], np.array([1, 0]))
    check(lambda x: tf.compat.v1.arg_min(x, 1), [x], np.array([0, 1]))
    check(lambda x: tf.compat.v1.argmax(x, dimension=0), [x], np.array([1, 0]))
    check(lambda x, a: tf.argmax(x, a), [x, np.int32(1)], np.array([1, 0]))
    check(lambda x: tf.argmax(x), [np.array([False, True])], np.int64(1), ways=("eager",))
    with pytest.raises(INVALID):
        tf.argmax(x, 2)
    with pytest.raises(INVALID):
        tf.argmax(tf.zeros([0]))


def test_argmax_has_no_gradient():
    x = tf.constant([1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.cast(tf.argmax(x), tf.float32)
    assert tape.gradient(y, x) is None


# cumulative


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_cumulative(axis, exclusive, reverse):
    x = normal(3, 4)
    flags = {"axis": axis, "exclusive": exclusive, "reverse": reverse}
    check(lambda x: tf.cumsum(x, **flags), [x], _cumulative(np.cumsum, x, 0.0, **flags))
    check(lambda x: tf.math.cumprod(x, **flags), [x], _cumulative(np.cumprod, x, 1.0, **flags))
    logsumexp = _cumulative(np.logaddexp.accumulate, x, -np.inf, **flags)
    check(lambda x: tf.math.cumulative_logsumexp(x, **flags), [x], logsumexp)
    check_gradient(lambda x: tf.cumsum(x * x, **flags), [normal(2, 3)], ways=("eager", "session"))
    check_gradient(lambda x: tf.math.cumprod(x, **flags), [normal(2, 3)], ways=("eager",))
    check_gradient(
        lambda x: tf.exp(tf.math.cumulative_logsumexp(x, **flags)), [normal(2, 3)], ways=("eager",)
    )


def _cumulative(function, x, start, axis, exclusive, reverse):
    if reverse:
        x = np.flip(x, axis)
    result = function(x, axis=axis)
    if exclusive:
        result = np.roll(result, 1, axis)
        index = [slice(None)] * x.ndim
        index[axis] = 0
        result[tuple(index)] = start
    return np.flip(result, axis) if reverse else result


def test_cumsum_dtypes_and_errors():
    check(tf.cumsum, [np.array([1, 2, 3], np.int32)], np.array([1, 3, 6], np.int32))
    check(tf.math.cumsum, [np.array([1, 2, 3], np.int8)], np.array([1, 3, 6], np.int8))
    check(tf.math.cumprod, [np.array([1, 2, 3])], np.array([1, 2, 6]))
    check(lambda x, a: tf.cumsum(x, a), [np.ones((2, 2)), np.int32(1)], np.array([[1.0, 2], [1, 2]]))
    check(tf.cumsum, [np.zeros((0,), F32)], np.zeros((0,), F32))
    with pytest.raises(INVALID):
        tf.cumsum([1.0], 1)


# segments

SEGMENTS = {"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min, "mean": np.mean}


def _segments(function, x, ids, count, empty):
    rows = [
        function(x[ids == i], axis=0) if (ids == i).any() else np.full(x.shape[1:], empty)
        for i in range(count)
    ]
    return np.array(rows).astype(x.dtype)


@pytest.mark.parametrize("name", SEGMENTS)
@pytest.mark.parametrize("ids_dtype", [np.int32, np.int64])
def test_segment(name, ids_dtype):
    x, ids = normal(4, 2), np.array([0, 0, 2, 2], ids_dtype)
    empty = 1 if name == "prod" else 0
    check(getattr(tf.math, f"segment_{name}"), [x, ids], _segments(SEGMENTS[name], x, ids, 3, empty))


@pytest.mark.parametrize("name", SEGMENTS)
@pytest.mark.parametrize("ids_dtype", [np.int32, np.int64])
def test_unsorted_segment(name, ids_dtype):
    x, ids = normal(4, 2), np.array([2, 0, 2, 0], ids_dtype)
    big = np.finfo(np.float64).max
    empty = {"sum": 0, "prod": 1, "max": -big, "min": big, "mean": 0}[name]
    expected = _segments(SEGMENTS[name], x, ids, 4, empty)
    function = getattr(tf.math, f"unsorted_segment_{name}")
    check(lambda x, i: function(x, i, 4), [x, ids], expected)
    check(lambda x, i, n: function(x, i, n), [x, ids, np.int32(4)], expected)


@pytest.mark.parametrize("name", SEGMENTS)
def test_segment_gradients(name):
    sorted_ids, ids = [0, 0, 2, 2], [2, 0, 2, 0]
    function = getattr(tf.math, f"unsorted_segment_{name}")
    check_gradient(
        lambda x: tf.minimum(tf.maximum(function(x * x, ids, 3), -9.0), 9.0) * 2,
        [normal(4, 2)],
        ways=("eager", "session"),
    )
    if name != "prod":
        function = getattr(tf.math, f"segment_{name}")
        check_gradient(lambda x: function(x * x, sorted_ids), [normal(4, 2)], ways=("eager",))


def test_segment_forms():
    x = np.array([1, 2, 3, 4], np.int32)
    check(lambda x: tf.math.segment_sum(x, [0, 0, 1, 1]), [x], np.array([3, 7], np.int32))
    check(lambda x: tf.math.segment_mean(x, [0, 0, 1, 1]), [x.astype(F32)], np.array([1.5, 3.5], F32))
    check(lambda x: tf.math.unsorted_segment_sum(x, [-1, 0, 0, 1], 2), [x], np.array([5, 4], np.int32))
    check(
        lambda x: tf.math.unsorted_segment_sum(x, [[0, 1], [1, 0]], 2),
        [x.reshape(2, 2)],
        np.array([5, 5], np.int32),
    )
    check(lambda x: tf.math.unsorted_segment_max(x, [0, 0, 0, 0], 2), [x], np.array([4, -(2**31)], np.int32))
    check(
        lambda x: tf.math.unsorted_segment_sqrt_n(x, [0, 0, 1, 1], 2),
        [x.astype(F32)],
        (np.array([3, 7]) / np.sqrt(2)).astype(F32),
    )
    check(lambda x: tf.compat.v1.segment_sum(x, [0, 1, 1, 1]), [x], np.array([1, 9], np.int32))
    with pytest.raises(INVALID):
        tf.math.segment_sum(x, [1, 0, 0, 0])
    with pytest.raises(INVALID):
        tf.math.unsorted_segment_sum(x, [0, 1, 2, 3], 3)
    with pytest.raises(INVALID):
        tf.math.segment_sum(x, [0, 1])


@pytest.mark.parametrize("name", ["sum", "mean", "sqrt_n"])
def test_sparse_segment(name):
    x, indices, ids = normal(4, 2), np.array([3, 0, 1]), np.array([0, 0, 2])
    combine = {"sum": np.sum, "mean": np.mean, "sqrt_n": lambda a, axis: a.sum(axis) / np.sqrt(len(a))}[name]
    expected = _segments(combine, x[indices], ids, 3, 0)
    function = getattr(tf.sparse, f"segment_{name}")
    check(lambda x, i, s: function(x, i, s), [x, indices, ids], expected)
    check(
        lambda x, i, s: function(x, i, s, num_segments=4),
        [x, indices, ids],
        np.vstack([expected, np.zeros((1, 2))]),
    )
    check_gradient(lambda x: function(x * x, indices, ids), [x], ways=("eager",))


# sorting, top_k


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("dtype", [F32, np.int32, np.float64])
def test_top_k(k, dtype):
    x = np.array([[3, 5, 5, 1, 0], [1, 1, 1, 2, 1]], dtype)
    index = np.argsort(-x, axis=-1, kind="stable")[:, :k].astype(np.int32)
    expected = (np.take_along_axis(x, index, -1), index)
    check(lambda x: tuple(tf.math.top_k(x, k)), [x], expected)
    check(lambda x: tuple(tf.nn.top_k(x, k=k, sorted=True)), [x], expected)
    check(lambda x, k: tuple(tf.nn.top_k(x, k)), [x, np.int32(k)], expected)


def test_top_k_gradient_and_errors():
    check_gradient(lambda x: tf.nn.top_k(x * x, 2).values, [normal(2, 4)])
    check(lambda x: tf.nn.top_k(x).indices, [np.array([1.0, 4.0, 2.0])], np.array([1], np.int32))
    with pytest.raises(INVALID):
        tf.nn.top_k([1.0], 2)
    with pytest.raises(INVALID):
        tf.nn.top_k(1.0, 1)


def test_in_top_k():
    predictions = np.array([[0.1, 0.5, 0.4], [0.3, 0.3, 0.4], [np.inf, 0, 0], [np.nan, 0, 0]], F32)
    targets = np.array([2, 1, 0, 1], np.int32)
    check(
        lambda p, t: tf.math.in_top_k(t, p, 1), [predictions, targets], np.array([False, False, False, False])
    )
    check(lambda p, t: tf.nn.in_top_k(t, p, 2), [predictions, targets], np.array([True, True, False, False]))
    check(
        lambda p, t: tf.compat.v1.nn.in_top_k(p, t, 3),
        [predictions, targets],
        np.array([True, True, False, False]),
    )
    check(lambda p: tf.math.in_top_k([5, 1], p, 2), [predictions[:2]], np.array([False, True]))


def test_nth_element():
    x = np.array([[3, 5, 5, 1], [1, 0, 1, 2]], F32)
    check(lambda x: tf.raw_ops.NthElement(input=x, n=1), [x], np.array([3, 1], F32))
    check(lambda x: tf.raw_ops.NthElement(input=x, n=1, reverse=True), [x], np.array([5, 1], F32))


@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("direction", ["ASCENDING", "DESCENDING"])
@pytest.mark.parametrize("dtype", [F32, np.int32])
def test_sort(axis, direction, dtype):
    x = np.array([[3, 5, 4, 1], [1, 2, 9, 0]], dtype)
    order = np.argsort(x if direction == "ASCENDING" else -x, axis=axis, kind="stable")
    check(
        lambda x: tf.sort(x, axis, direction),
        [x],
        np.take_along_axis(x, order, axis),
        session_shapes=known_rank(x),
    )
    check(lambda x: tf.argsort(x, axis, direction), [x], order.astype(np.int32), session_shapes=known_rank(x))


def test_sort_forms():
    x = np.array([2, 1, 2, 1], F32)
    check(lambda x: tf.argsort(x, stable=True), [x], np.array([1, 3, 0, 2], np.int32))
    check(lambda x: tf.argsort(x, direction="DESCENDING", stable=True), [x], np.array([0, 2, 1, 3], np.int32))
    check_gradient(lambda x: tf.sort(x * x), [normal(2, 4)], session_shapes=[[None, None]])
    with pytest.raises(ValueError):
        tf.sort(x, direction="UP")


# counting


def test_bincount():
    x = np.array([1, 1, 2, 3, 2, 4, 4, 5], np.int32)
    check(lambda x: tf.math.bincount(x), [x], np.bincount(x).astype(np.int32))
    check(lambda x: tf.math.bincount(x, minlength=8), [x], np.bincount(x, minlength=8).astype(np.int32))
    check(lambda x: tf.math.bincount(x, maxlength=3), [x], np.array([0, 2, 2], np.int32))
    check(lambda x: tf.math.bincount(x, dtype=tf.int64), [x], np.bincount(x))
    weights = np.arange(8, dtype=F32)
    check(lambda x, w: tf.math.bincount(x, weights=w), [x, weights], np.bincount(x, weights).astype(F32))
    check(lambda x: tf.compat.v1.bincount(x), [x], np.bincount(x).astype(np.int32))
    rows = x.reshape(2, 4)
    expected = np.stack([np.bincount(row, minlength=6) for row in rows]).astype(F32)
    check(
        lambda x: tf.math.bincount(
            x, axis=-1, minlength=6, maxlength=6, binary_output=True, dtype=tf.float32
        ),
        [rows],
        np.minimum(expected, 1),
        ways=("eager",),
    )
    with pytest.raises(INVALID):
        tf.math.bincount([-1])


def test_histogram_fixed_width():
    values = np.array([-1.0, 0.0, 1.5, 2.0, 5.0, 15], F32)
    check(
        lambda v: tf.histogram_fixed_width(v, [0.0, 5.0], nbins=5),
        [values],
        np.array([2, 1, 1, 0, 2], np.int32),
    )
    check(
        lambda v: tf.histogram_fixed_width(v, [0.0, 5.0], nbins=5, dtype=tf.int64),
        [values],
        np.array([2, 1, 1, 0, 2]),
    )
    check(
        lambda v: tf.histogram_fixed_width_bins(v, [0.0, 5.0], nbins=5),
        [values],
        np.array([0, 0, 1, 2, 4, 4], np.int32),
    )


def test_confusion_matrix():
    labels, predictions = np.array([1, 2, 4]), np.array([2, 2, 4])
    expected = np.zeros((5, 5), np.int32)
    expected[[1, 2, 4], [2, 2, 4]] = 1
    check(lambda a, b: tf.math.confusion_matrix(a, b), [labels, predictions], expected)
    check(
        lambda a, b: tf.math.confusion_matrix(a, b, num_classes=6),
        [labels, predictions],
        np.pad(expected, [(0, 1)] * 2),
    )
    check(
        lambda a, b: tf.math.confusion_matrix(a, b, weights=[1.0, 0.5, 2.0], dtype=tf.float32),
        [labels, predictions],
        (expected * np.array([[0], [1], [0.5], [0], [2]])).astype(F32),
    )
    check(
        lambda a, b: tf.compat.v1.confusion_matrix(a, b, 5, tf.int64),
        [labels, predictions],
        expected.astype(np.int64),
    )
    with pytest.raises(INVALID):
        tf.math.confusion_matrix([5], [0], num_classes=3)


def test_zero_fraction():
    check(tf.math.zero_fraction, [np.array([0, 1, 0, 0], F32)], np.float32(0.75))
    check(tf.nn.zero_fraction, [np.array([[0, 1]], np.int32)], np.float32(0.5))
    check(tf.math.zero_fraction, [np.zeros((0,), F32)], np.float32(np.nan))


def test_approx_and_accumulators():
    x = [np.array([1.0, 2], F32), np.array([3.0, 4], F32)]
    check(lambda a, b: tf.add_n([a, b, a]), x, x[0] * 2 + x[1])
    check(lambda a: tf.add_n([a]), x[:1], x[0])
    check(lambda a, b: tf.math.accumulate_n([a, b]), x, x[0] + x[1])
    check(lambda a, b: tf.add_n([a, b]), [np.int32(1), np.int32(2)], np.int32(3))
    check_gradient(lambda a, b: tf.add_n([a * b, b, a]), [normal(2), normal(3)[:2]])
    with pytest.raises(ValueError):
        tf.add_n([])
    with pytest.raises(INVALID):
        tf.add_n([tf.zeros([2]), tf.zeros([3])])


# norms and moments


@pytest.mark.parametrize("axis", [None, 0, -1, [0, 1]], ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
def test_moments(axis, keepdims):
    x = normal(3, 4)
    axes = list(range(2)) if axis is None else axis
    np_axis = _axes(axes)
    expected = (x.mean(np_axis, keepdims=keepdims), x.var(np_axis, keepdims=keepdims))
    check(lambda x: tuple(tf.nn.moments(x, axes, keepdims=keepdims)), [x], expected)
    check(lambda x: tuple(tf.compat.v1.nn.moments(x, axes, keep_dims=keepdims)), [x], expected)


def test_moments_gradient_and_half():
    check_gradient(lambda x: list(tf.nn.moments(x, [0])), [normal(3, 2)])
    x = np.array([[1, 2], [3, 6]], np.float16)
    check(
        lambda x: tuple(tf.nn.moments(x, [0])),
        [x],
        (np.array([2, 4], np.float16), np.array([1, 4], np.float16)),
    )


@pytest.mark.parametrize("axis", [None, 0, 1, -1, [0, 1]], ids=str)
def test_l2_normalize(axis):
    x = normal(3, 4)
    norm = np.sqrt((x * x).sum(_axes(axis), keepdims=True))
    check(lambda x: tf.math.l2_normalize(x, axis), [x], x / norm)
    check(lambda x: tf.nn.l2_normalize(x, axis, epsilon=100.0), [x], x / 10.0)
    check_gradient(lambda x: tf.math.l2_normalize(x, axis), [normal(2, 3)], ways=("eager", "session"))


def test_l2_normalize_forms():
    check(lambda x: tf.nn.l2_normalize(x), [np.zeros(2, F32)], np.zeros(2, F32))
    check(lambda x: tf.compat.v1.nn.l2_normalize(x, dim=0), [np.array([3.0, 4.0])], np.array([0.6, 0.8]))


ORDERS = ["euclidean", 1, 2, 3, 2.5, np.inf]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_norm(order, axis):
    x = normal(3, 4)
    vector = x if axis is not None else x.ravel()
    expected = np.linalg.norm(vector, 2 if order == "euclidean" else order, axis)
    check(lambda x: tf.norm(x, order, axis), [x], np.asarray(expected))
    check(
        lambda x: tf.linalg.norm(x, order, axis, keepdims=True),
        [x],
        np.expand_dims(expected, axis) if axis is not None else np.reshape(expected, (1, 1)),
    )
    check_gradient(lambda x: tf.norm(x, order, axis), [x], ways=("eager",))


@pytest.mark.parametrize(
    "order, numpy_order", [("euclidean", "fro"), ("fro", "fro"), (1, 1), (2, 2), (np.inf, np.inf)]
)
def test_matrix_norm(order, numpy_order):
    x = normal(2, 3, 4)
    check(lambda x: tf.norm(x, order, axis=[-2, -1]), [x], np.linalg.norm(x, numpy_order, (-2, -1)))


def test_norm_errors():
    with pytest.raises(ValueError):
        tf.norm([[1.0]], ord="fro")
    with pytest.raises(ValueError):
        tf.norm([1.0], ord="nonsense")
