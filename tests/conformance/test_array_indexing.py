"""Taking parts of tensors and putting them back: slices, gather, scatter, masks, unique, partitions."""

import numpy as np
import pytest
import tensorflow as tf

from .three_ways import check, check_gradient, known_rank, static

F32 = np.float32
INVALID = (tf.errors.InvalidArgumentError, ValueError, IndexError)


def array(*shape, dtype=F32):
    return np.arange(np.prod(shape, dtype=int), dtype=dtype).reshape(shape)


def normal(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape)


# slices

GETITEM = [
    np.s_[0],
    np.s_[-1],
    np.s_[1:],
    np.s_[:-1],
    np.s_[::2],
    np.s_[::-1],
    np.s_[3:0:-1],
    np.s_[..., 0],
    np.s_[..., 1:3],
    np.s_[:, 1],
    np.s_[:, None],
    np.s_[None],
    np.s_[..., None],
    np.s_[0, 1],
    np.s_[0, 1, 2],
    np.s_[1:3, ..., ::2],
    np.s_[:, -2:, 0],
    np.s_[None, 0, ..., None, 1],
    np.s_[:, :, 5:],
    np.s_[2:2],
    np.s_[-100:100],
    np.s_[:, ::-2, -1],
    np.s_[...],
    np.s_[:],
]


@pytest.mark.parametrize("index", GETITEM, ids=str)
def test_getitem(index):
    x = array(4, 3, 4)
    check(lambda x: x[index], [x], x[index])
    check(lambda x: x[index], [x > 20], (x > 20)[index], ways=("eager",))


@pytest.mark.parametrize("index", GETITEM[:-2], ids=str)
def test_getitem_gradient(index):
    if normal(4, 3, 4)[index].size:
        check_gradient(lambda x: (x * x)[index], [normal(4, 3, 4)], ways=("eager",))


def test_getitem_gradient_in_graphs():
    check_gradient(lambda x: (x * x)[1:, None, ::-1], [normal(3, 3)], ways=("function", "session"))
    check_gradient(lambda x: (x * x)[1:, ..., 0], [normal(3, 2)], order=2)


def test_getitem_by_tensors():
    x = array(4, 5)
    i = np.int32(2)
    check(lambda x, i: x[i], [x, i], x[2])
    check(lambda x, i: x[i:], [x, i], x[2:])
    check(lambda x, i: x[: i + 1, i], [x, i], x[:3, 2])
    check(lambda x, i: x[..., i : i + 2], [x, np.int64(1)], x[:, 1:3])
    check(lambda x: x[: tf.shape(x)[0] - 1], [x], x[:-1])
    check(lambda x, i: x[i], [x, np.int64(-1)], x[-1])
    check(lambda s: s[1:], [np.array([b"a", b"b"], object)], [b"b"])
    with pytest.raises(INVALID):
        tf.constant(x)[4]
    with pytest.raises(INVALID):
        tf.constant(x)[0, 0, 0]
    with pytest.raises((TypeError, *INVALID)):
        tf.constant(x)[1.5]
    with pytest.raises((TypeError, *INVALID)):
        tf.constant(x)["a"]


def test_getitem_boolean_mask():
    x = tf.constant(array(2, 3))
    np.testing.assert_array_equal(tf.boolean_mask(x, x > 2), [3, 4, 5])


@pytest.mark.parametrize(
    "begin, size", [([0, 0], [2, 3]), ([1, 0], [-1, 2]), ([0, 2], [1, -1]), ([2, 1], [0, 1])]
)
@pytest.mark.parametrize("dtype", [F32, np.int32, np.bool_])
def test_slice(begin, size, dtype):
    x = array(3, 4).astype(dtype)
    stop = [x.shape[i] if n < 0 else begin[i] + n for i, n in enumerate(size)]
    check(lambda x: tf.slice(x, begin, size), [x], x[begin[0] : stop[0], begin[1] : stop[1]])
    check(
        lambda x, b, s: tf.slice(x, b, s),
        [x, np.array(begin), np.array(size)],
        x[begin[0] : stop[0], begin[1] : stop[1]],
    )


def test_slice_gradient_and_errors():
    check_gradient(lambda x: tf.slice(x * x, [1, 0], [2, -1]), [normal(3, 2)], order=2)
    with pytest.raises(INVALID):
        tf.slice(tf.zeros([3]), [1], [3])
    with pytest.raises(INVALID):
        tf.slice(tf.zeros([3]), [0, 0], [1, 1])


@pytest.mark.parametrize(
    "arguments, masks, index",
    [
        (([1, 0], [3, 2]), {}, np.s_[1:3, 0:2]),
        (([1, 0], [3, 4], [1, 2]), {}, np.s_[1:3, 0:4:2]),
        (([1, -1], [3, -5], [1, -1]), {}, np.s_[1:3, ::-1]),
        (([1, 1], [3, 2]), {"begin_mask": 1}, np.s_[:3, 1:2]),
        (([1, 1], [3, 2]), {"end_mask": 2}, np.s_[1:3, 1:]),
        (([1, 1], [2, 3]), {"shrink_axis_mask": 1}, np.s_[1, 1:3]),
        (([1, 1], [2, 3]), {"shrink_axis_mask": 3}, np.s_[1, 1]),
        (([0, 1], [0, 3]), {"ellipsis_mask": 1}, np.s_[..., 1:3]),
        (([0, 1], [0, 3]), {"new_axis_mask": 1}, np.s_[None, 1:3]),
        (([0, 1, 0], [0, 3, 0]), {"new_axis_mask": 1, "ellipsis_mask": 4}, np.s_[None, 1:3, ...]),
    ],
)
def test_strided_slice(arguments, masks, index):
    x = array(4, 4)
    check(lambda x: tf.strided_slice(x, *arguments, **masks), [x], x[index])
    check_gradient(lambda x: tf.strided_slice(x * x, *arguments, **masks), [normal(4, 4)], ways=("eager",))


def test_strided_slice_assignment_and_errors():
    v = tf.Variable(array(5))
    v[1:3].assign([10.0, 20.0])
    np.testing.assert_array_equal(v.numpy(), [0, 10, 20, 3, 4])
    with pytest.raises(INVALID):
        tf.strided_slice(tf.zeros([3]), [0], [3], [0])


@pytest.mark.parametrize(
    "index", [np.s_[1:3], np.s_[::-2], np.s_[0], np.s_[..., 1], np.s_[:, None, 1:]], ids=str
)
def test_tensor_strided_slice_update(index):
    x = array(4, 3)
    expected = x.copy()
    expected[index] = expected[index] * 0 - 1
    begin_end = {
        str(np.s_[1:3]): (([1], [3]), {}),
        str(np.s_[::-2]): (([0], [0], [-2]), {"begin_mask": 1, "end_mask": 1}),
        str(np.s_[0]): (([0], [1]), {"shrink_axis_mask": 1}),
        str(np.s_[..., 1]): (([0, 1], [0, 2]), {"ellipsis_mask": 1, "shrink_axis_mask": 2}),
        str(np.s_[:, None, 1:]): (
            ([0, 0, 1], [0, 0, 0]),
            {"begin_mask": 1, "end_mask": 5, "new_axis_mask": 2},
        ),
    }
    (bounds, masks) = begin_end[str(index)]
    strides = bounds[2] if len(bounds) == 3 else [1] * len(bounds[0])
    value = np.full_like(x[index], -1)
    check(
        lambda x, v: tf.raw_ops.TensorStridedSliceUpdate(
            input=x, begin=bounds[0], end=bounds[1], strides=strides, value=v, **masks
        ),
        [x, value],
        expected,
    )


# gather


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("indices", [1, [0, 2, 0], [[1], [2]], []])
@pytest.mark.parametrize("dtype", [F32, np.int32, np.bool_])
def test_gather(axis, indices, dtype):
    x = array(3, 4).astype(dtype)
    indices = np.array(indices, np.int32)
    check(lambda x, i: tf.gather(x, i, axis=axis), [x, indices], np.take(x, indices, axis))


@pytest.mark.parametrize("axis, batch_dims", [(1, 1), (2, 1), (2, 2), (-1, 1), (None, 1), (-1, -1), (1, 0)])
def test_gather_batched(axis, batch_dims):
    x = array(2, 3, 4)
    indices = np.array([[0, 2, 1], [1, 1, 0]])
    check(
        lambda x, i: tf.gather(x, i, axis=axis, batch_dims=batch_dims),
        [x, indices],
        _gather(x, indices, axis, batch_dims),
        session_shapes=known_rank(x, indices),
    )
    check_gradient(
        lambda x: tf.gather(x * x, indices, axis=axis, batch_dims=batch_dims),
        [normal(2, 3, 4)],
        ways=("eager",),
    )


def _gather(x, indices, axis, batch_dims):
    batch = batch_dims % indices.ndim if batch_dims < 0 else batch_dims
    axis = batch if axis is None else axis % x.ndim
    if batch == 0:
        return np.take(x, indices, axis)
    return np.stack([_gather(a, i, axis - 1, batch - 1) for a, i in zip(x, indices, strict=True)])


def test_gather_forms():
    x = array(3, 2)
    check(lambda x: tf.gather(x, [0, -1 + 3]), [x], x[[0, 2]])
    check(lambda x: tf.gather(params=x, indices=1), [x], x[1])
    check(lambda x, i: tf.gather(x, i), [x, np.array([2], np.int16)], x[[2]], ways=("eager",))
    check(lambda s: tf.gather(s, [1, 0]), [np.array([b"a", b"b"], object)], [b"b", b"a"])
    check(lambda x: tf.compat.v1.gather(x, [1]), [x], x[[1]])
    check(lambda x, axis: tf.gather(x, [1], axis=axis), [x, np.int32(1)], x[:, [1]])
    check_gradient(lambda x: tf.gather(x * x, [0, 2, 0]), [normal(3, 2)])
    check_gradient(lambda x: tf.gather(x * x, [[0, 1], [1, 1]], axis=1), [normal(3, 2)])
    with pytest.raises(INVALID):
        tf.gather(x, [3])
    with pytest.raises(INVALID):
        tf.gather(x, [-1])


def test_gather_gradient_is_sparse():
    x = tf.constant(array(4, 2))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.gather(x, [0, 2, 0]) * 2.0
    gradient = tape.gradient(y, x)
    assert isinstance(gradient, tf.IndexedSlices)
    np.testing.assert_array_equal(gradient.indices, [0, 2, 0])
    np.testing.assert_array_equal(gradient.values, np.full((3, 2), 2.0))
    np.testing.assert_array_equal(gradient.dense_shape, [4, 2])
    np.testing.assert_array_equal(tf.convert_to_tensor(gradient), [[4, 4], [0, 0], [2, 2], [0, 0]])


@pytest.mark.parametrize(
    "indices", [[[0, 1], [2, 3]], [[1], [0]], [[[0, 0]], [[1, 1]]], [1, 2], [[]]], ids=str
)
def test_gather_nd(indices):
    x = array(3, 4, 2)
    indices = np.array(indices, np.int32)
    expected = x[tuple(np.moveaxis(indices, -1, 0))] if indices.size else x[None]
    check(lambda x, i: tf.gather_nd(x, i), [x, indices], expected)
    if indices.ndim > 1 and indices.size:
        check_gradient(lambda x: tf.gather_nd(x * x, indices), [normal(3, 4, 2)], ways=("eager",))


def test_gather_nd_batched():
    x = array(2, 3, 4)
    indices = np.array([[[0], [2]], [[1], [1]]])
    check(
        lambda x, i: tf.gather_nd(x, i, batch_dims=1),
        [x, indices],
        np.stack([x[0][[0, 2]], x[1][[1, 1]]]),
        session_shapes=known_rank(x, indices),
    )
    with pytest.raises(INVALID):
        tf.gather_nd(x, [[0, 3]])


# scatter


def test_scatter_nd():
    updates = array(3, 2) + 1
    indices = np.array([[3], [0], [3]], np.int32)
    expected = np.zeros((5, 2), F32)
    np.add.at(expected, indices[:, 0], updates)
    check(lambda i, u: tf.scatter_nd(i, u, [5, 2]), [indices, updates], expected)
    check(lambda i, u, s: tf.scatter_nd(i, u, s), [indices, updates, np.array([5, 2], np.int32)], expected)
    check(
        lambda i, u: tf.scatter_nd(i, u, [5, 2]),
        [indices, updates.astype(np.int32)],
        expected.astype(np.int32),
    )
    check(
        lambda i, u: tf.scatter_nd(i, u, [2, 3]), [[[1, 2], [0, 0]], array(2) + 1], [[2.0, 0, 0], [0, 0, 1]]
    )
    check_gradient(lambda u: tf.scatter_nd(indices, u * u, [5, 2]), [normal(3, 2)])
    with pytest.raises(INVALID):
        tf.scatter_nd([[5]], [1.0], [5])


SCATTERS = {
    "update": (tf.tensor_scatter_nd_update, lambda old, new: new),
    "add": (tf.tensor_scatter_nd_add, lambda old, new: old + new),
    "sub": (tf.tensor_scatter_nd_sub, lambda old, new: old - new),
    "min": (tf.tensor_scatter_nd_min, np.minimum),
    "max": (tf.tensor_scatter_nd_max, np.maximum),
}


@pytest.mark.parametrize("name", SCATTERS)
@pytest.mark.parametrize("dtype", [F32, np.int32])
def test_tensor_scatter(name, dtype):
    function, combine = SCATTERS[name]
    x = array(4, 2).astype(dtype)
    updates = np.array([[9, -9], [2, 7]], dtype)
    expected = x.copy()
    expected[[3, 0]] = combine(x[[3, 0]], updates)
    check(lambda x, u: function(x, [[3], [0]], u), [x, updates], expected)
    expected = x.copy()
    expected[[3, 0], [1, 0]] = combine(x[[3, 0], [1, 0]], updates[0])
    check(lambda x, i, u: function(x, i, u), [x, np.array([[3, 1], [0, 0]]), updates[0]], expected)


@pytest.mark.parametrize("name", SCATTERS)
def test_tensor_scatter_gradient(name):
    function, _ = SCATTERS[name]
    check_gradient(
        lambda x, u: function(x * x, [[3], [0]], u * u),
        [normal(4, 2), normal(2, 2)],
        ways=("eager", "session"),
    )


def test_tensor_scatter_duplicates():
    check(lambda x: tf.tensor_scatter_nd_add(x, [[1], [1]], [1.0, 2.0]), [array(3)], [0.0, 4, 2])
    check(lambda x: tf.tensor_scatter_nd_sub(x, [[1], [1]], [1.0, 2.0]), [array(3)], [0.0, -2, 2])
    check(lambda x: tf.tensor_scatter_nd_max(x, [[1], [1]], [5.0, 2.0]), [array(3)], [0.0, 5, 2])
    with pytest.raises(INVALID):
        tf.tensor_scatter_nd_update(array(3), [[3]], [1.0])


# where and masks


def test_where_indices():
    check(tf.where, [np.array([True, False, True])], np.array([[0], [2]]))
    check(tf.where, [np.array([[True, False], [True, True]])], np.array([[0, 0], [1, 0], [1, 1]]))
    check(tf.where, [np.array([[0.0, 3], [-1, 0]], F32)], np.array([[0, 1], [1, 0]]))
    check(tf.where, [np.array([0, 5], np.int32)], np.array([[1]]))
    check(tf.where, [np.zeros((0, 3), bool)], np.zeros((0, 2), np.int64))
    check(tf.compat.v1.where, [np.array([True, False])], np.array([[0]]))


@pytest.mark.parametrize("dtype", [F32, np.int32, np.bool_, np.complex64])
def test_where_select(dtype):
    condition = np.array([[True, False, True], [False, False, True]])
    x, y = array(2, 3).astype(dtype), (array(2, 3) * 0).astype(dtype)
    check(tf.where, [condition, x, y], np.where(condition, x, y))
    check(tf.compat.v1.where, [condition, x, y], np.where(condition, x, y))
    check(tf.where, [condition[0], x, y], np.where(condition[0], x, y))
    check(tf.where, [condition[:, :1], x, y[:1]], np.where(condition[:, :1], x, y[:1]))
    check(tf.where, [np.bool_(False), x, y], y)
    check(
        lambda c, x: tf.where(c, x, tf.zeros_like(x)), [condition, x], np.where(condition, x, 0).astype(dtype)
    )


def test_where_v1_selects_rows():
    x, y = array(2, 3), -array(2, 3)
    check(
        lambda c, x, y: tf.compat.v1.where(c, x, y), [np.array([True, False]), x, y], np.stack([x[0], y[1]])
    )
    check(tf.where, [np.array([True]), np.array([b"a"], object), np.array([b"b"], object)], [b"a"])
    with pytest.raises(INVALID):
        tf.where([True, False], x, y)
    with pytest.raises(ValueError):
        tf.where([True], x)


def test_where_gradient():
    condition = np.array([[True, False, True], [False, False, True]])
    check_gradient(lambda x, y: tf.where(condition, x * x, x * y), [normal(2, 3), normal(2, 3) + 1], order=2)
    check_gradient(lambda x, y: tf.where(condition, x, y), [normal(1, 3), normal(2, 1)])
    x = tf.constant([0.0, 4.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        log = tf.where(x > 0, tf.math.log(x), 0.0)
        sqrt = tf.where(x > 0, tf.sqrt(x), 0.0)
    np.testing.assert_array_equal(tape.gradient(log, x), [np.nan, 0.25])  # 0 * inf: the well-known trap
    np.testing.assert_array_equal(tape.gradient(sqrt, x), [0.0, 0.25])  # sqrt's gradient passes zeros on


@pytest.mark.parametrize("axis", [None, 0])
def test_boolean_mask(axis):
    x = array(3, 2)
    mask = np.array([True, False, True])
    check(
        lambda x, m: tf.boolean_mask(x, m, axis=axis), [x, mask], x[mask], session_shapes=known_rank(x, mask)
    )
    check_gradient(lambda x: tf.boolean_mask(x * x, mask, axis=axis), [normal(3, 2)], ways=("eager",))


def test_boolean_mask_forms():
    x = array(2, 3, 2)
    mask = np.array([[True, False, True], [False, False, True]])
    check(lambda x, m: tf.boolean_mask(x, m), [x, mask], x[mask], session_shapes=known_rank(x, mask))
    check(
        lambda x, m: tf.boolean_mask(x, m, axis=1),
        [x, mask[0]],
        x[:, mask[0]],
        session_shapes=known_rank(x, mask[0]),
    )
    check(
        lambda x: tf.compat.v1.boolean_mask(x, mask[0], "name", 1),
        [x],
        x[:, mask[0]],
        session_shapes=static(x),
    )
    with pytest.raises(ValueError):
        tf.boolean_mask(x, True)
    with pytest.raises(ValueError):
        tf.boolean_mask(x, [True, False, True])


@pytest.mark.parametrize("maxlen", [None, 5, 2])
@pytest.mark.parametrize("dtype", [tf.bool, tf.float32])
def test_sequence_mask(maxlen, dtype):
    lengths = np.array([[1, 3], [0, 2]])
    columns = np.arange(3 if maxlen is None else maxlen)
    expected = (columns < lengths[..., None]).astype(dtype.as_numpy_dtype)
    check(lambda n: tf.sequence_mask(n, maxlen, dtype), [lengths], expected)
    check(lambda n: tf.sequence_mask(n, maxlen, dtype), [lengths.astype(np.int32)], expected)


# unique, set difference, partitions


def test_unique():
    x = np.array([4, 1, 4, 7, 1], np.int32)
    values, index = np.array([4, 1, 7], np.int32), np.array([0, 1, 0, 2, 1], np.int32)
    check(lambda x: tuple(tf.unique(x)), [x], (values, index))
    check(lambda x: tuple(tf.unique(x, tf.int64)), [x], (values, index.astype(np.int64)))
    check(lambda x: tuple(tf.unique_with_counts(x)), [x], (values, index, np.array([2, 2, 1], np.int32)))
    check(lambda x: tf.unique(x).y, [np.array([2.5, 2.5])], np.array([2.5]))
    check(lambda x: tf.unique(x).idx, [np.array([b"a", b"b", b"a"], object)], np.array([0, 1, 0], np.int32))
    check(lambda x: tf.unique_with_counts(x).count, [x], np.array([2, 2, 1], np.int32))
    with pytest.raises(INVALID):
        tf.unique([[1]])
    check(
        lambda x: tuple(tf.raw_ops.UniqueV2(x=x, axis=[0])),
        [np.array([[1, 2], [3, 4], [1, 2]])],
        (np.array([[1, 2], [3, 4]]), np.array([0, 1, 0], np.int32)),
    )


def test_setdiff1d():
    x, y = np.array([1, 2, 3, 4, 5, 2]), np.array([1, 3, 5])
    difference = (np.array([2, 4, 2]), np.array([1, 3, 5], np.int32))
    check(lambda x, y: tuple(tf.compat.v1.setdiff1d(x, y)), [x, y], difference)
    check(
        lambda x, y: tuple(tf.compat.v1.setdiff1d(x, y, tf.int64)),
        [x, y],
        (difference[0], np.array([1, 3, 5])),
    )


def test_invert_permutation():
    check(tf.math.invert_permutation, [np.array([3, 4, 0, 2, 1])], np.array([2, 4, 3, 0, 1]))
    check(tf.math.invert_permutation, [np.array([1, 0], np.int32)], np.array([1, 0], np.int32))
    for wrong in ([0, 0], [0, 2], [-1, 0]):
        with pytest.raises(INVALID):
            tf.math.invert_permutation(wrong)


def test_dynamic_partition():
    x = array(4, 2)
    expected = (x[[1, 3]], x[[0]], np.zeros((0, 2), F32), x[[2]])
    check(lambda x, p: tf.dynamic_partition(x, p, 4), [x, np.array([1, 0, 3, 0], np.int32)], expected)
    check(
        lambda x: tf.dynamic_partition(x, [[0, 1], [1, 0]], 2), [x.reshape(2, 2, 2)], (x[[0, 3]], x[[1, 2]])
    )
    check_gradient(lambda x: tf.dynamic_partition(x * x, [1, 0, 1, 0], 2), [normal(4, 2)])
    with pytest.raises(INVALID):
        tf.dynamic_partition(x, [0, 1, 2, 3], 3)


def test_dynamic_stitch():
    a, b = array(2, 2), array(3, 2) + 10
    expected = np.array([[10, 11], a[0], [12, 13], [14, 15]], F32)
    check(lambda a, b: tf.dynamic_stitch([[1, 2], [0, 2, 3]], [a, b]), [a, b], expected)
    check(lambda a: tf.dynamic_stitch([0, [[1, 2]]], [7.0, a]), [array(1, 2)], [7.0, 0, 1])
    check(
        lambda a, b: tf.compat.v1.parallel_stack([a, b]),
        [a, a],
        np.stack([a, a]),
        session_shapes=static(a, a),
        ways=("session",),
    )
    check_gradient(
        lambda a, b: tf.dynamic_stitch([[1, 3], [0, 2]], [a * a, b * b]), [normal(2, 2), normal(2, 2)]
    )
    assert tf.dynamic_stitch([[4]], [[1.0]]).shape == [5]  # whatever stands in the gaps


def test_partition_and_stitch_round_trip():
    x = array(6)
    partitions = np.array([0, 1, 0, 2, 1, 0], np.int32)

    def round_trip(x):
        parts = tf.dynamic_partition(x, partitions, 3)
        places = tf.dynamic_partition(tf.range(6), partitions, 3)
        return tf.dynamic_stitch(places, parts)

    check(round_trip, [x], x)


def test_edit_distance_and_top_left_corner():
    hypothesis = tf.SparseTensor([[0, 0, 0], [1, 0, 0]], ["a", "b"], (2, 1, 1))
    truth = tf.SparseTensor([[0, 1, 0], [1, 0, 0], [1, 0, 1], [1, 1, 0]], ["a", "b", "c", "a"], (2, 2, 2))
    np.testing.assert_array_equal(tf.edit_distance(hypothesis, truth), [[np.inf, 1.0], [0.5, 1.0]])


def test_extract_patches():
    x = array(1, 3, 3, 1)
    check(
        lambda x: tf.image.extract_patches(x, [1, 2, 2, 1], [1, 1, 1, 1], [1, 1, 1, 1], "VALID"),
        [x],
        np.array([[[[0, 1, 3, 4], [1, 2, 4, 5]], [[3, 4, 6, 7], [4, 5, 7, 8]]]], F32),
    )


def test_searchsorted():
    edges = np.array([[0.0, 1, 1, 2], [3, 4, 5, 6]], F32)
    values = np.array([[1.0, -1, 9], [4.5, 3, 6]], F32)
    left, right = np.array([[1, 0, 4], [2, 0, 3]]), np.array([[3, 0, 4], [2, 1, 4]])
    check(tf.searchsorted, [edges, values], left.astype(np.int32), session_shapes=known_rank(edges, values))
    check(
        lambda e, v: tf.searchsorted(e, v, side="right", out_type=tf.int64),
        [edges, values],
        right,
        session_shapes=known_rank(edges, values),
    )
    check(
        lambda e: tf.searchsorted(e, [3, 0]),
        [np.array([1, 3, 5], np.int32)],
        np.array([1, 0], np.int32),
        session_shapes=[[None]],
    )
