"""Shapes and layout: reshape, transpose, concat, stack, split, pad, tile, cast, constructors."""

import numpy as np
import pytest
import tensorflow as tf

from .three_ways import check, check_gradient, known_rank, static

F32 = np.float32


def array(*shape, dtype=F32):
    return np.arange(np.prod(shape, dtype=int), dtype=dtype).reshape(shape)


def normal(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape)


# reshape, squeeze, expand_dims


@pytest.mark.parametrize("shape", [[6], [3, 2], [-1], [2, -1], [1, 6, 1], (3, -1, 1)])
@pytest.mark.parametrize("dtype", [F32, np.int64, np.bool_, np.complex64])
def test_reshape(shape, dtype):
    x = array(2, 3).astype(dtype)
    check(lambda x: tf.reshape(x, shape), [x], x.reshape(shape))


def test_reshape_scalar_and_empty():
    check(lambda x: tf.reshape(x, []), [[[7.0]]], 7.0)
    check(lambda x: tf.reshape(x, [-1]), [np.float32(7)], [7.0])
    check(lambda x: tf.reshape(x, [0, 5]), [array(0, 3)], np.zeros((0, 5), F32))
    check(lambda x: tf.reshape(x, [-1, 3]), [array(0, 3)], np.zeros((0, 3), F32))


def test_reshape_strings():
    check(lambda x: tf.reshape(x, [2, 1]), [np.array([b"a", b"bc"], object)], [[b"a"], [b"bc"]])


def test_reshape_by_tensor():
    x = array(2, 3, 4)
    check(lambda x, s: tf.reshape(x, s), [x, np.array([4, -1])], x.reshape(4, 6))
    check(lambda x, s: tf.reshape(x, s), [x, np.array([4, -1], np.int32)], x.reshape(4, 6))
    check(lambda x: tf.reshape(x, [tf.shape(x)[0], -1]), [x], x.reshape(2, 12))
    check(lambda x: tf.reshape(x, tf.stack([tf.shape(x)[0] * tf.shape(x)[1], 4])), [x], x.reshape(6, 4))
    check_gradient(lambda x: tf.reshape(x * x, [tf.shape(x)[1], -1]), [normal(2, 3)])


@pytest.mark.parametrize("shape", [[4], [4, -1], [7, 1], [-1, -1]])
def test_reshape_errors(shape):
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.reshape(tf.zeros([2, 3]), shape)


def test_reshape_error_in_graph():
    with tf.Graph().as_default(), pytest.raises(ValueError):
        tf.reshape(tf.zeros([2, 3]), [5])


@pytest.mark.parametrize(
    "axis, expected",
    [(None, (2, 3)), (0, (2, 1, 3)), ([0], (2, 1, 3)), ([0, 2], (2, 3)), (-2, (1, 2, 3)), ([], (2, 3))],
)
def test_squeeze(axis, expected):
    x = array(1, 2, 1, 3)
    check(lambda x: tf.squeeze(x, axis), [x], x.reshape(expected))


def test_squeeze_v1_and_errors():
    x = array(1, 2, 1)
    check(lambda x: tf.compat.v1.squeeze(x, squeeze_dims=[2]), [x], x[:, :, 0])
    check_gradient(lambda x: tf.squeeze(x * x), [normal(1, 2, 1)])
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.squeeze(tf.zeros([2, 1]), 0)
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.squeeze(tf.zeros([2, 1]), 2)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_expand_dims(axis):
    x = array(2, 3)
    check(lambda x: tf.expand_dims(x, axis), [x], np.expand_dims(x, axis))


def test_expand_dims_forms():
    check(lambda x: tf.expand_dims(x, 0), [np.int32(5)], np.array([5], np.int32))
    check(lambda x: tf.compat.v1.expand_dims(x, dim=1), [array(2)], [[0.0], [1.0]])
    check(lambda x: tf.compat.v1.expand_dims(x, -1), [array(2)], [[0.0], [1.0]])
    check(lambda x, a: tf.expand_dims(x, a), [array(2), np.int32(1)], [[0.0], [1.0]])
    check_gradient(lambda x: tf.expand_dims(x * x, 1), [normal(3)])
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.expand_dims(tf.zeros([2]), 3)
    with pytest.raises(TypeError):
        tf.expand_dims(tf.zeros([2]))


# transpose, reverse, roll


@pytest.mark.parametrize("perm", [None, [0, 1, 2], [2, 0, 1], [1, 0, 2], [0, 2, 1], (2, 1, 0)])
@pytest.mark.parametrize("dtype", [F32, np.int32, np.complex64])
def test_transpose(perm, dtype):
    x = array(2, 3, 4).astype(dtype)
    check(lambda x: tf.transpose(x, perm), [x], np.transpose(x, perm))


def test_transpose_forms():
    check(lambda x: tf.transpose(x), [array(3)], [0.0, 1, 2])
    check(lambda x: tf.transpose(x), [np.float32(3)], 3.0)
    z = np.array([[1 + 2j, 3 - 1j]], np.complex64)
    check(lambda z: tf.transpose(z, conjugate=True), [z], z.T.conj())
    check(lambda z: tf.linalg.adjoint(z), [z], z.T.conj(), session_shapes=known_rank(z))
    check(
        lambda x, p: tf.transpose(x, p),
        [array(2, 3, 4), np.array([1, 2, 0])],
        array(2, 3, 4).transpose(1, 2, 0),
    )
    check_gradient(lambda x: tf.transpose(x * x, [1, 2, 0]), [normal(2, 3, 2)], order=2)
    x = array(2, 3, 4)
    check(lambda x: tf.linalg.matrix_transpose(x), [x], x.transpose(0, 2, 1))
    check(lambda x: tf.linalg.matrix_transpose(x, conjugate=True), [z], z.T.conj())
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.transpose(tf.zeros([2, 3]), [0, 0])
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.transpose(tf.zeros([2, 3]), [0, 1, 2])


@pytest.mark.parametrize("axis", [[0], [1], [0, 2], [-1], []])
@pytest.mark.parametrize("dtype", [F32, np.int32, np.bool_])
def test_reverse(axis, dtype):
    x = array(2, 3, 4).astype(dtype)
    check(lambda x: tf.reverse(x, axis), [x], np.flip(x, axis) if axis else x)


def test_reverse_gradient_and_errors():
    check_gradient(lambda x: tf.reverse(x * x, [0]), [normal(2, 3)])
    check(lambda x: tf.compat.v1.reverse_v2(x, [0]), [array(3)], [2.0, 1, 0])
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.reverse(tf.zeros([2]), [1])
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.reverse(tf.zeros([2, 2]), [0, -2])


def test_reverse_sequence():
    x = array(3, 4)
    expected = [[0.0, 1, 2, 3], [5, 4, 6, 7], [11, 10, 9, 8]]
    check(
        lambda x, n: tf.reverse_sequence(x, n, seq_axis=1, batch_axis=0), [x, np.array([1, 2, 4])], expected
    )
    check(lambda x, n: tf.reverse_sequence(x, n, seq_axis=1), [x, np.array([0, 2, 4], np.int32)], expected)
    check(
        lambda x, n: tf.compat.v1.reverse_sequence(x, n, seq_dim=0, batch_dim=1),
        [x.T.copy(), np.array([1, 2, 4])],
        np.array(expected).T.tolist(),
    )
    check_gradient(lambda x: tf.reverse_sequence(x * x, [1, 2, 4], 1), [normal(3, 4)])
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.reverse_sequence(x, [1, 2, 5], 1)


@pytest.mark.parametrize(
    "shift, axis", [(1, 0), (-1, 1), ([1, -2], [0, 1]), (7, 1), ([1, 1], [1, 1]), (0, -1)]
)
def test_roll(shift, axis):
    x = array(3, 4)
    check(lambda x: tf.roll(x, shift, axis), [x], np.roll(x, shift, axis))
    check_gradient(lambda x: tf.roll(x * x, shift, axis), [normal(3, 4)], ways=("eager",))


# concat, stack, unstack, split


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", [F32, np.int64, np.bool_, np.float16])
def test_concat(axis, dtype):
    a, b = array(2, 3).astype(dtype), array(2, 3).astype(dtype) + np.ones((), dtype)
    check(lambda a, b: tf.concat([a, b, a], axis), [a, b], np.concatenate([a, b, a], axis))


def test_concat_forms():
    a, b = array(2, 3), array(2, 0)
    check(lambda a, b: tf.concat([a, b], 1), [a, b], a)
    check(lambda a: tf.concat([a], 0), [a], a)
    check(lambda a: tf.concat([a, [[1.0, 2.0, 3.0]]], axis=0), [a], np.vstack([a, [[1, 2, 3]]]).astype(F32))
    check(lambda a: tf.concat(values=[a, tf.zeros([2, 1])], axis=-1), [a], np.pad(a, [(0, 0), (0, 1)]))
    check(lambda s: tf.concat([s, s], 0), [np.array([b"x"], object)], [b"x", b"x"])
    check(lambda a, axis: tf.concat([a, a], axis), [a, np.int32(1)], np.hstack([a, a]))
    check_gradient(lambda a, b: tf.concat([a, b * a, b], 1), [normal(2, 3), normal(2, 3) + 1], order=2)
    check_gradient(lambda a, b: tf.concat([a * a, b], -2), [normal(2, 3), normal(1, 3)])
    check_gradient(
        lambda a, b, c: tf.concat([a, b, c], 2), [normal(1, 2, 3), normal(1, 2, 1), normal(1, 2, 2)]
    )
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.concat([tf.zeros([2, 3]), tf.zeros([3, 2])], 0)
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.concat([tf.zeros([2]), tf.zeros([2])], 1)
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError, TypeError)):
        tf.concat([tf.zeros([2]), tf.zeros([2], tf.int32)], 0)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
@pytest.mark.parametrize("dtype", [F32, np.int32])
def test_stack(axis, dtype):
    a, b = array(2, 3).astype(dtype), array(2, 3).astype(dtype) * 2
    check(lambda a, b: tf.stack([a, b], axis), [a, b], np.stack([a, b], axis))
    check_gradient(
        lambda a, b: tf.stack([a * b, b], axis), [normal(2, 3), normal(2, 3)], ways=("eager", "session")
    )


def test_stack_forms():
    check(lambda a: tf.stack([a, 2.0, 3.0]), [np.float32(1)], np.array([1, 2, 3], F32))
    check(lambda a: tf.stack([2, a]), [np.int64(1)], np.array([2, 1], np.int64))
    check(lambda a: tf.stack([[a, 2.0], [3.0, a]]), [np.float32(1)], [[1.0, 2], [3, 1]])
    check(lambda a: tf.convert_to_tensor([[a, 2.0], [3.0, a]]), [np.float32(1)], [[1.0, 2], [3, 1]])
    check(
        lambda a: tf.parallel_stack([a, a]),
        [array(2)],
        [[0.0, 1], [0, 1]],
        session_shapes=[[2]],
        ways=("session",),
    )
    with pytest.raises(ValueError):
        tf.stack([tf.zeros([2]), tf.zeros([2])], axis=2)
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.stack([tf.zeros([2]), tf.zeros([3])])


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_unstack(axis):
    x = array(2, 3, 4)
    expected = tuple(np.moveaxis(x, axis, 0))
    check(
        lambda x: tf.unstack(x, axis=axis), [x], expected, session_shapes=static(x), function_shapes=static(x)
    )
    length = x.shape[axis]
    check(lambda x: tf.unstack(x, num=length, axis=axis), [x], expected)
    check_gradient(
        lambda x: tf.unstack(x * x, num=length, axis=axis)[0], [normal(2, 3, 4)], ways=("eager", "session")
    )


def test_unstack_errors():
    with tf.Graph().as_default(), pytest.raises(ValueError):
        tf.unstack(tf.compat.v1.placeholder(tf.float32, [None, 3]))
    with pytest.raises(ValueError):
        tf.unstack(tf.zeros([2, 3]), axis=2)
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.unstack(tf.zeros([2, 3]), num=3)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", [F32, np.int32])
def test_split_by_number(axis, dtype):
    x = array(4, 6).astype(dtype)
    check(lambda x: tf.split(x, 2, axis), [x], tuple(np.split(x, 2, axis)))
    check_gradient(lambda x: tf.split(x * x, 2, axis)[1], [normal(4, 2)], ways=("eager", "session"))


@pytest.mark.parametrize("sizes", [[1, 3], [4], [2, 0, 2], [1, -1, 1]])
def test_split_by_sizes(sizes):
    x = array(2, 4)
    actual = [4 - sum(s for s in sizes if s > 0) if s < 0 else s for s in sizes]
    expected = tuple(np.split(x, np.cumsum(actual)[:-1], 1))
    check(lambda x: tf.split(x, sizes, axis=1), [x], expected)
    check_gradient(lambda x: [p * p for p in tf.split(x, sizes, axis=-1)], [normal(2, 4)])


def test_split_forms():
    x = array(3, 4)
    check(lambda x, n: tf.split(x, n, axis=1, num=2), [x, np.array([1, 3])], (x[:, :1], x[:, 1:]))
    check(lambda x: tf.compat.v1.split(value=x, num_or_size_splits=3, axis=0), [x], tuple(x[:, None]))
    check(lambda x: tf.split(x, 1), [x], (x,))
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.split(x, 2, 0)
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.split(x, [1, 1], 0)
    with tf.Graph().as_default(), pytest.raises(ValueError):
        tf.split(x, 2, 0)


# pad, tile, repeat, broadcast


@pytest.mark.parametrize("mode", ["CONSTANT", "REFLECT", "SYMMETRIC", "constant", "reflect", "symmetric"])
@pytest.mark.parametrize("paddings", [[[1, 1], [2, 0]], [[0, 0], [0, 2]], [[0, 1], [1, 2]]])
def test_pad(mode, paddings):
    x = array(2, 3)
    expected = np.pad(x, paddings, mode.lower())
    check(lambda x: tf.pad(x, paddings, mode), [x], expected)
    check_gradient(lambda x: tf.pad(x * x, paddings, mode), [normal(2, 3)], ways=("eager", "session"))


def test_pad_forms():
    x = array(2)
    check(lambda x: tf.pad(x, [[1, 2]], constant_values=9), [x], [9.0, 0, 1, 9, 9])
    check(lambda x: tf.pad(x, [[1, 2]], constant_values=9.5), [x], [9.5, 0, 1, 9.5, 9.5])
    check(lambda x: tf.pad(x, [[0, 1]]), [np.array([True])], np.array([True, False]))
    check(lambda x: tf.pad(x, [[1, 0]], constant_values=-1), [np.array([3])], np.array([-1, 3]))
    check(lambda x, p: tf.pad(x, p), [x, np.array([[1, 0]])], [0.0, 0, 1])
    check(lambda x: tf.compat.v1.pad(x, [[1, 0]], "CONSTANT", None, 5), [x], [5.0, 0, 1])
    check_gradient(
        lambda x: tf.pad(x * x, [[1, 2]], constant_values=4.0), [normal(3)], order=2, ways=("eager",)
    )
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.pad(x, [[1, 2], [0, 0]])
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.pad(x, [[2, 0]], "REFLECT")
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.pad(x, [[-1, 0]])
    with pytest.raises(ValueError):
        tf.pad(x, [[1, 0]], "MIRROR")


@pytest.mark.parametrize("multiples", [[1, 1], [2, 1], [1, 3], [2, 2], [0, 1]])
@pytest.mark.parametrize("dtype", [F32, np.int32, np.bool_])
def test_tile(multiples, dtype):
    x = array(2, 3).astype(dtype)
    check(lambda x: tf.tile(x, multiples), [x], np.tile(x, multiples))
    if multiples[0] and dtype is F32:
        check_gradient(lambda x: tf.tile(x * x, multiples), [normal(2, 3)])


def test_tile_forms():
    check(lambda x: tf.tile(x, [2]), [np.array([b"ab"], object)], [b"ab", b"ab"])
    check(lambda x, n: tf.tile(x, n), [array(2), np.array([2])], [0.0, 1, 0, 1])
    check(lambda x: tf.tile(x, [tf.shape(x)[0], 1]), [array(2, 1)], [[0.0], [1], [0], [1]])
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.tile(tf.zeros([2, 3]), [2])


@pytest.mark.parametrize(
    "repeats, axis",
    [(2, None), (2, 0), (3, 1), ([1, 2], 0), ([0, 1, 2], 1), ([2], -1), ([1, 0, 2, 1, 1, 1], None)],
)
def test_repeat(repeats, axis):
    x = array(2, 3)
    check(
        lambda x: tf.repeat(x, repeats, axis), [x], np.repeat(x, repeats, axis), session_shapes=known_rank(x)
    )
    check_gradient(
        lambda x: tf.repeat(x * x, repeats, axis),
        [normal(2, 3)],
        ways=("eager",),
        session_shapes=known_rank(x),
    )


@pytest.mark.parametrize("shape", [[3], [2, 3], [4, 2, 3], [0, 2, 3]])
@pytest.mark.parametrize("dtype", [F32, np.int32, np.bool_])
def test_broadcast_to(shape, dtype):
    x = array(3).astype(dtype)
    check(lambda x: tf.broadcast_to(x, shape), [x], np.broadcast_to(x, shape).copy())


def test_broadcast():
    check_gradient(lambda x: tf.broadcast_to(x * x, [4, 2, 3]), [normal(2, 1)])
    check(lambda x, s: tf.broadcast_to(x, s), [np.float32(2), np.array([2, 1])], [[2.0], [2]])
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.broadcast_to(tf.zeros([2]), [3])
    check(
        lambda a, b: tf.broadcast_dynamic_shape(tf.shape(a), tf.shape(b)),
        [array(2, 1, 3), array(4, 1)],
        np.array([2, 4, 3], np.int32),
    )
    assert tf.broadcast_static_shape(tf.TensorShape([None, 3]), tf.TensorShape([2, 1])).as_list() == [2, 3]
    assert tf.broadcast_static_shape(tf.TensorShape(None), tf.TensorShape([2])).rank is None
    with pytest.raises(ValueError):
        tf.broadcast_static_shape(tf.TensorShape([2]), tf.TensorShape([3]))


@pytest.mark.parametrize("indexing", ["xy", "ij"])
def test_meshgrid(indexing):
    a, b, c = array(2), array(3) + 5, array(4)
    check(
        lambda a, b, c: tf.meshgrid(a, b, c, indexing=indexing),
        [a, b, c],
        tuple(np.meshgrid(a, b, c, indexing=indexing)),
    )
    check(
        lambda a, b: tf.meshgrid(a, b, indexing=indexing), [a, b], tuple(np.meshgrid(a, b, indexing=indexing))
    )
    with pytest.raises(ValueError):
        tf.meshgrid(a, b, indexing="yx")


# space, batch and depth


def test_space_to_depth_and_back():
    x = array(1, 4, 4, 3)
    blocks = x.reshape(1, 2, 2, 2, 2, 3).transpose(0, 1, 3, 2, 4, 5).reshape(1, 2, 2, 12)
    check(lambda x: tf.nn.space_to_depth(x, 2), [x], blocks)
    check(lambda x: tf.nn.depth_to_space(x, 2), [blocks], x)
    check(lambda x: tf.compat.v1.space_to_depth(x, 2), [x], blocks)
    check(lambda x: tf.compat.v1.depth_to_space(x, block_size=2), [blocks], x)
    check_gradient(lambda x: tf.nn.space_to_depth(x * x, 2), [normal(1, 2, 2, 2)], ways=("eager",))
    check_gradient(lambda x: tf.nn.depth_to_space(x * x, 2), [normal(1, 1, 2, 4)], ways=("eager",))
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.nn.space_to_depth(x, 3)


def test_space_to_batch_and_back():
    x = array(1, 3, 4, 2)
    padded = np.pad(x, [(0, 0), (1, 0), (0, 2), (0, 0)])
    blocks = padded.reshape(1, 2, 2, 3, 2, 2).transpose(2, 4, 0, 1, 3, 5).reshape(4, 2, 3, 2)
    check(lambda x: tf.space_to_batch(x, [2, 2], [[1, 0], [0, 2]]), [x], blocks)
    check(lambda x: tf.space_to_batch_nd(x, [2, 2], [[1, 0], [0, 2]]), [x], blocks)
    check(lambda x: tf.batch_to_space(x, [2, 2], [[1, 0], [0, 2]]), [blocks], x)
    check(lambda x: tf.compat.v1.batch_to_space_nd(x, [2, 2], [[1, 0], [0, 2]]), [blocks], x)
    check(lambda x: tf.compat.v1.space_to_batch(x, [[1, 0], [0, 2]], 2), [x], blocks)
    check(lambda x: tf.compat.v1.batch_to_space(x, [[1, 0], [0, 2]], block_size=2), [blocks], x)
    check_gradient(
        lambda x: tf.space_to_batch(x * x, [2], [[1, 1]]), [normal(1, 2, 2)], ways=("eager", "session")
    )
    check_gradient(
        lambda x: tf.batch_to_space(x * x, [2], [[1, 0]]), [normal(2, 2, 2)], ways=("eager", "session")
    )


# constructors


@pytest.mark.parametrize(
    "dtype", [tf.float32, tf.int64, tf.bool, tf.complex64, tf.float16, tf.bfloat16, tf.uint8]
)
def test_zeros_and_ones(dtype):
    numpy_dtype = dtype.as_numpy_dtype
    check(lambda: tf.zeros([2, 3], dtype), [], np.zeros([2, 3], numpy_dtype))
    check(lambda: tf.ones([2, 3], dtype), [], np.ones([2, 3], numpy_dtype))
    check(lambda s: tf.zeros(s, dtype), [np.array([2, 0])], np.zeros([2, 0], numpy_dtype))
    check(lambda s: tf.ones(s, dtype), [np.array([2, 1], np.int32)], np.ones([2, 1], numpy_dtype))
    x = array(2, 3)
    check(lambda x: tf.zeros_like(x, dtype), [x], np.zeros([2, 3], numpy_dtype))
    check(lambda x: tf.ones_like(x, dtype), [x], np.ones([2, 3], numpy_dtype))
    check(
        lambda x: tf.compat.v1.zeros_like(x, dtype=dtype, optimize=False), [x], np.zeros([2, 3], numpy_dtype)
    )


def test_constructor_forms():
    check(lambda: tf.zeros([]), [], np.float32(0))
    check(lambda: tf.zeros((2,)), [], np.zeros(2, F32))
    check(lambda: tf.zeros(3), [], np.zeros(3, F32))
    check(lambda: tf.zeros(tf.TensorShape([1, 2])), [], np.zeros((1, 2), F32))
    check(lambda: tf.zeros([1], tf.string), [], [b""])
    check(lambda x: tf.zeros_like(x), [np.array([1, 2])], np.zeros(2, np.int64))
    check(lambda x: tf.ones_like(x), [np.array([True, False])], np.ones(2, np.bool_))
    check(lambda x: tf.zeros([tf.shape(x)[0], 2]), [array(3)], np.zeros((3, 2), F32))
    check(lambda: tf.fill([2, 3], 7), [], np.full((2, 3), 7, np.int32))
    check(lambda: tf.fill([], 7.0), [], np.float32(7))
    check(lambda s, v: tf.fill(s, v), [np.array([2]), np.bool_(True)], np.array([True, True]))
    check(lambda: tf.fill([2], "a"), [], [b"a", b"a"])
    check_gradient(lambda v: tf.fill([2, 3], v * v), [np.float64(3)])
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.fill([2], [1, 2])


@pytest.mark.parametrize(
    "arguments, dtype",
    [
        ((5,), np.int32),
        ((2, 5), np.int32),
        ((2, 10, 3), np.int32),
        ((5, 0, -2), np.int32),
        ((0,), np.int32),
        ((0.0, 1.0, 0.25), F32),
        ((1.0,), F32),
        ((3.0, 0.5, -0.5), F32),
        ((0, 3, 0.5), F32),
    ],
)
def test_range(arguments, dtype):
    check(lambda: tf.range(*arguments), [], np.arange(*arguments).astype(dtype))


def test_range_forms():
    check(lambda: tf.range(3, dtype=tf.int64), [], np.arange(3))
    check(lambda: tf.range(0, 3, dtype=tf.float64), [], np.arange(3.0))
    check(lambda n: tf.range(n), [np.int64(3)], np.arange(3))
    check(lambda n: tf.range(1, n), [np.int64(3)], np.arange(1, 3))
    check(lambda n: tf.range(0, n), [np.float64(2.5)], np.arange(0, 2.5))
    check(lambda n: tf.range(start=n, limit=6, delta=2), [np.int32(1)], np.array([1, 3, 5], np.int32))
    check(lambda x: tf.range(tf.shape(x)[0]), [array(4, 1)], np.arange(4, dtype=np.int32))
    for arguments in [(0, 5, 0), (5, 2), (2, 5, -1)]:
        with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
            tf.range(*arguments)


def test_linspace():
    check(lambda: tf.linspace(0.0, 1.0, 5), [], np.linspace(0, 1, 5).astype(F32))
    check(lambda a, b: tf.linspace(a, b, 3), [np.float64(1), np.float64(-1)], np.array([1.0, 0, -1]))
    check(lambda: tf.linspace([0.0, 1.0], [10.0, 5.0], 3), [], np.array([[0, 1], [5, 3], [10, 5]], F32))
    check(
        lambda: tf.linspace([0.0, 1.0], [10.0, 5.0], 3, axis=-1), [], np.array([[0, 5, 10], [1, 3, 5]], F32)
    )
    check(lambda: tf.compat.v1.lin_space(0.0, 4.0, 2), [], np.array([0, 4], F32))
    check(lambda: tf.linspace(2.0, 3.0, 1), [], np.array([2], F32))


@pytest.mark.parametrize("axis", [None, -1, 0, 1])
@pytest.mark.parametrize("indices_dtype", [np.int32, np.int64, np.uint8])
def test_one_hot(axis, indices_dtype):
    indices = np.array([[0, 2], [1, 7]], indices_dtype)
    hot = (indices[..., None] == np.arange(3)).astype(F32)
    expected = hot if axis in (None, -1) else np.moveaxis(hot, -1, axis)
    check(lambda i: tf.one_hot(i, 3, axis=axis), [indices], expected)
    check(
        lambda i: tf.one_hot(i, depth=3, on_value=5, off_value=-1, axis=axis),
        [indices],
        (expected * 6 - 1).astype(np.int32),
    )


def test_one_hot_forms():
    check(lambda i: tf.one_hot(i, 2), [np.int32(1)], np.array([0, 1], F32))
    check(lambda i: tf.one_hot(i, 2), [np.array([-1, 0])], np.array([[0, 0], [1, 0]], F32))
    check(lambda i: tf.one_hot(i, 2, True, False), [np.array([1])], np.array([[False, True]]))
    check(lambda i: tf.one_hot(i, 2, dtype=tf.int64), [np.array([1])], np.array([[0, 1]]))
    check(
        lambda i: tf.one_hot(i, 2, on_value=0.9, off_value=0.1), [np.array([1])], np.array([[0.1, 0.9]], F32)
    )
    check(lambda i: tf.one_hot(i, 2, 1, 0, dtype=tf.float16), [np.array([1])], np.array([[0, 1]], np.float16))
    check(lambda i, d: tf.one_hot(i, d), [np.array([1]), np.int32(2)], np.array([[0, 1]], F32))
    check(lambda i: tf.one_hot(i, 0), [np.array([1])], np.zeros((1, 0), F32))
    with pytest.raises(TypeError):
        tf.one_hot([1], 2, on_value=1.0, dtype=tf.int32)
    with pytest.raises((tf.errors.InvalidArgumentError, TypeError)):
        tf.one_hot([1.0], 2)


# casts


@pytest.mark.parametrize(
    "to",
    ["float16", "float32", "float64", "int8", "uint8", "int32", "int64", "bool", "complex64", "bfloat16"],
)
@pytest.mark.parametrize("source", ["float32", "float64", "int32", "int64", "bool", "uint8"])
def test_cast(source, to):
    x = np.array([0, 1, 2, 3, 100]).astype(source)
    expected = x.astype(tf.as_dtype(to).as_numpy_dtype)
    check(lambda x: tf.cast(x, to), [x], expected)


def test_cast_values():
    x = np.array([-1.9, -0.5, 0.5, 1.9, 2.5])
    check(lambda x: tf.cast(x, tf.int32), [x], np.array([-1, 0, 0, 1, 2], np.int32))
    check(lambda x: tf.cast(x, tf.bool), [x], np.array([True] * 5))
    check(lambda x: tf.cast(x, np.float32), [x], x.astype(F32))
    check(
        lambda x: tf.cast(x, tf.uint8), [np.array([255, 256, 257, -1])], np.array([255, 0, 1, 255], np.uint8)
    )
    check(lambda x: tf.cast(x, tf.float32), [np.array([1 + 2j], np.complex64)], np.array([1], F32))
    check(lambda x: tf.compat.v1.to_float(x), [np.array([1])], np.array([1], F32))
    check(lambda x: tf.compat.v1.to_double(x), [np.array([1])], np.array([1.0]))
    check(lambda x: tf.compat.v1.to_int32(x), [np.array([1.7])], np.array([1], np.int32))
    check(lambda x: tf.compat.v1.to_int64(x), [np.array([1.7])], np.array([1]))
    check(
        lambda x: tf.compat.v1.to_bfloat16(x), [array(2)], np.array([0, 1]).astype(tf.bfloat16.as_numpy_dtype)
    )
    check(lambda x: tf.compat.v1.to_complex64(x), [array(2)], np.array([0, 1], np.complex64))
    check(lambda x: tf.compat.v1.to_complex128(x), [array(2)], np.array([0, 1], np.complex128))
    with pytest.raises((tf.errors.UnimplementedError, TypeError, ValueError)):
        tf.cast(["1"], tf.int32)


def test_cast_gradient():
    x = tf.constant([1.0, 2.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        double = tf.cast(x * x, tf.float64)
        through_int = tf.cast(tf.cast(x, tf.int32), tf.float32)
    gradient = tape.gradient(double, x)
    assert gradient.dtype == tf.float32
    np.testing.assert_allclose(gradient, [2, 4])
    assert tape.gradient(through_int, x) is None


def test_saturate_cast():
    x = np.array([-1e9, -1.5, 1.5, 300, 1e9], F32)
    check(lambda x: tf.saturate_cast(x, tf.uint8), [x], np.array([0, 0, 1, 255, 255], np.uint8))
    check(lambda x: tf.saturate_cast(x, tf.int8), [x], np.array([-128, -1, 1, 127, 127], np.int8))
    check(
        lambda x: tf.saturate_cast(x, tf.int8), [np.array([-200, 5, 200])], np.array([-128, 5, 127], np.int8)
    )
    check(lambda x: tf.saturate_cast(x, tf.float64), [x], x.astype(np.float64))


def test_bitcast():
    x = np.array([1.0, -2.0], F32)
    check(lambda x: tf.bitcast(x, tf.int32), [x], x.view(np.int32))
    check(lambda x: tf.bitcast(x, tf.uint8), [x], x.view(np.uint8).reshape(2, 4))
    check(lambda x: tf.bitcast(x, tf.float64), [x], x.view(np.float64)[0])
    check(lambda x: tf.bitcast(x, tf.uint32), [np.array([-1], np.int32)], np.array([2**32 - 1], np.uint32))
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.bitcast(tf.zeros([3]), tf.float64)


# identity and friends


def test_identity():
    x = array(2, 3)
    check(lambda x: tf.identity(x), [x], x)
    check(lambda x: tf.identity_n([x, x + 1]), [x], (x, x + 1))
    check(lambda x: tf.stop_gradient(x), [x], x)
    check(lambda x: tf.grad_pass_through(tf.round)(x), [x + F32(0.3)], x)
    check(lambda x: tf.compat.v1.placeholder_with_default(x, [None, 3]), [x], x)
    check(lambda x: tf.guarantee_const(x), [x], x)
    check(lambda x: tf.raw_ops.Snapshot(input=x), [x], x)


def test_gradients_of_identities():
    x = tf.constant([2.0, 3.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        blocked = tf.stop_gradient(x) * x
        passed = tf.grad_pass_through(tf.math.floor)(x * x)
        several = tf.identity_n([x * x, x])
    np.testing.assert_allclose(tape.gradient(blocked, x), [2, 3])
    np.testing.assert_allclose(tape.gradient(passed, x), [4, 6])
    np.testing.assert_allclose(tape.gradient(several[0], x), [4, 6])
    assert tape.gradient(tf.stop_gradient(x), x) is None


def test_identity_is_a_copy():
    v = tf.Variable([1.0])
    before = tf.identity(v)
    v.assign([2.0])
    assert before.numpy() == [1.0]


# shape, size, rank


@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3, 4)])
def test_shape_size_rank(shape):
    x = np.zeros(shape, F32)
    check(tf.shape, [x], np.array(shape, np.int32))
    check(lambda x: tf.shape(x, out_type=tf.int64), [x], np.array(shape, np.int64))
    check(lambda x: tf.compat.v1.shape(x, out_type=tf.int64), [x], np.array(shape, np.int64))
    check(tf.size, [x], np.int32(x.size))
    check(lambda x: tf.size(x, out_type=tf.int64), [x], np.int64(x.size))
    check(tf.rank, [x], np.int32(len(shape)))
    check(
        lambda x, y: tf.shape_n([x, y]),
        [x, array(2, 1)],
        (np.array(shape, np.int32), np.array([2, 1], np.int32)),
    )


def test_shape_of_python_values():
    assert tf.shape([[1, 2], [3, 4]]).numpy().tolist() == [2, 2]
    assert tf.size([[1, 2], [3, 4]]).numpy() == 4
    assert tf.rank(5).numpy() == 0
    assert tf.shape(["a", "b"]).numpy().tolist() == [2]
