"""Products and the everyday functions of tf.linalg."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from .three_ways import check, check_gradient, known_rank, static

F32 = np.float32
BFLOAT16 = tf.bfloat16.as_numpy_dtype
INVALID = (tf.errors.InvalidArgumentError, ValueError)


def normal(*shape, dtype=np.float64):
    values = np.random.default_rng(sum(shape)).normal(size=shape)
    if np.dtype(dtype).kind == "c":
        values = values + 1j * np.random.default_rng(sum(shape) + 1).normal(size=shape)
    return values.astype(dtype)


# matmul

FLAGS = [
    dict(zip(("transpose_a", "transpose_b", "adjoint_a", "adjoint_b"), flags, strict=True))
    for flags in itertools.product([False, True], repeat=4)
    if not (flags[0] and flags[2]) and not (flags[1] and flags[3])
]


def _flagged(x, transpose, adjoint):
    if transpose:
        return np.swapaxes(x, -1, -2)
    return np.swapaxes(x, -1, -2).conj() if adjoint else x


@pytest.mark.parametrize("flags", FLAGS, ids=lambda f: "".join("01"[v] for v in f.values()))
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("batch", [(), (3,)], ids=str)
def test_matmul_flags(flags, dtype, batch):
    a, b = normal(*batch, 2, 2, dtype=dtype), normal(*batch, 2, 2, dtype=dtype) * 2
    expected = _flagged(a, flags["transpose_a"], flags["adjoint_a"]) @ _flagged(
        b, flags["transpose_b"], flags["adjoint_b"]
    )
    check(lambda a, b: tf.matmul(a, b, **flags), [a, b], expected)


@pytest.mark.parametrize("flags", FLAGS, ids=lambda f: "".join("01"[v] for v in f.values()))
@pytest.mark.parametrize("batch", [(), (2,)], ids=str)
def test_matmul_gradient(flags, batch):
    a = normal(*batch, *((3, 2) if flags["transpose_a"] or flags["adjoint_a"] else (2, 3)))
    b = normal(*batch, *((4, 3) if flags["transpose_b"] or flags["adjoint_b"] else (3, 4)))
    check_gradient(lambda a, b: tf.matmul(a, b, **flags), [a, b], ways=("eager", "session"))
    check_gradient(lambda a, b: tf.matmul(a, b, **flags), [a, b], order=2, ways=("eager",))


@pytest.mark.parametrize(
    "dtype", [np.float16, BFLOAT16, np.float32, np.float64, np.int32, np.int64, np.complex64]
)
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)], ids=str)
def test_matmul_dtypes(dtype, batch):
    a = np.arange(-2, 4).reshape(2, 3) * np.ones((*batch, 1, 1))
    b = np.arange(-5, 7).reshape(3, 4) * np.ones((*batch, 1, 1))
    check(tf.matmul, [a.astype(dtype), b.astype(dtype)], (a @ b).astype(dtype), ways=("eager", "session"))


@pytest.mark.parametrize(
    "shapes",
    [
        ((2, 3), (5, 3, 4)),
        ((5, 2, 3), (3, 4)),
        ((5, 1, 2, 3), (6, 3, 4)),
        ((1, 2, 3), (5, 3, 4)),
        ((0, 2, 3), (1, 3, 4)),
    ],
    ids=str,
)
def test_matmul_broadcasting(shapes):
    a, b = normal(*shapes[0]), normal(*shapes[1])
    check(tf.matmul, [a, b], a @ b)
    if a.size:
        check_gradient(tf.matmul, [a, b], ways=("eager",))


def test_matmul_forms():
    a, b = normal(2, 3), normal(3, 4)
    check(lambda a, b: a @ b, [a, b], a @ b)
    check(lambda a: a @ b, [a], a @ b)
    check(lambda b: a @ b, [b], a @ b)
    check(lambda a, b: tf.linalg.matmul(a, b), [a, b], a @ b)
    check(
        lambda a, b: tf.compat.v1.matmul(a, b, a_is_sparse=True),
        [a.astype(F32), b.astype(F32)],
        (a @ b).astype(F32),
    )
    check(
        lambda a, b: tf.matmul(a, b, b_is_sparse=True, transpose_a=True),
        [a.T.astype(F32), b.astype(F32)],
        (a @ b).astype(F32),
    )
    check(tf.matmul, [np.zeros((2, 0)), np.zeros((0, 3))], np.zeros((2, 3)))
    check(tf.matmul, [np.zeros((0, 2)), np.zeros((2, 3))], np.zeros((0, 3)))
    check(
        lambda a, b: tf.matmul(a, b, output_type=tf.int32),
        [np.array([[100, 100]], np.int8), np.array([[100], [100]], np.int8)],
        np.array([[20000]], np.int32),
        ways=("eager",),
    )
    check(lambda a, b: tf.raw_ops.SparseMatMul(a=a, b=b), [a.astype(F32), b.astype(F32)], (a @ b).astype(F32))


def test_matmul_errors():
    with pytest.raises(INVALID):
        tf.matmul(tf.zeros([2, 3]), tf.zeros([2, 3]))
    with pytest.raises(INVALID):
        tf.matmul(tf.zeros([3]), tf.zeros([3]))
    with pytest.raises(INVALID):
        tf.matmul(tf.zeros([2, 2, 3]), tf.zeros([3, 3, 2]))
    with pytest.raises(ValueError):
        tf.matmul(tf.zeros([2, 2]), tf.zeros([2, 2]), transpose_a=True, adjoint_a=True)
    with pytest.raises((TypeError, *INVALID)):
        tf.matmul(tf.zeros([2, 2]), tf.zeros([2, 2], tf.float64))
    with tf.Graph().as_default(), pytest.raises(ValueError):
        tf.matmul(tf.zeros([2, 3]), tf.zeros([2, 3]))


def test_matmul_static_shapes():
    with tf.Graph().as_default():
        a = tf.compat.v1.placeholder(tf.float32, [None, 3])
        b = tf.compat.v1.placeholder(tf.float32, [3, 4])
        assert tf.matmul(a, b).shape.as_list() == [None, 4]
        assert tf.matmul(b, a, transpose_a=True, transpose_b=True).shape.as_list() == [4, None]
        c = tf.compat.v1.placeholder(tf.float32, [None, 5, None, 3])
        assert tf.matmul(c, b).shape.as_list()[1:] == [5, None, 4]
        assert tf.matmul(tf.compat.v1.placeholder(tf.float32), b).shape.rank is None


def test_matvec():
    a, x = normal(2, 3), normal(3)
    check(tf.linalg.matvec, [a, x], a @ x)
    check(lambda a, x: tf.linalg.matvec(a, x, transpose_a=True), [a.T.copy(), x], a @ x)
    batch, vectors = normal(4, 2, 3), normal(4, 3)
    check(tf.linalg.matvec, [batch, vectors], np.einsum("bij,bj->bi", batch, vectors))
    check_gradient(tf.linalg.matvec, [a, x])


# tensordot and einsum

TENSORDOT = [
    ((2, 3), (3, 4), 1),
    ((2, 3), (4, 5), 0),
    ((2, 3, 4), (3, 4, 5), 2),
    ((2, 3, 4), (4, 5, 3), [[1, 2], [2, 0]]),
    ((2, 3, 4), (4, 5), [[2], [0]]),
    ((2, 3, 4), (4, 5), [2, 0]),
    ((2, 3, 4), (4, 5), [[-1], [0]]),
    ((3,), (3,), 1),
    ((3, 2), (3, 2), [[0, 1], [0, 1]]),
    ((2, 3), (5, 3), ([1], [1])),
    ((2, 2), (2, 2), [[1, 0], [0, 1]]),
]


@pytest.mark.parametrize("shape_a, shape_b, axes", TENSORDOT, ids=str)
def test_tensordot(shape_a, shape_b, axes):
    a, b = normal(*shape_a), normal(*shape_b)
    expected = np.asarray(np.tensordot(a, b, axes))
    check(lambda a, b: tf.tensordot(a, b, axes), [a, b], expected, session_shapes=known_rank(a, b))
    check(
        lambda a, b: tf.tensordot(a, b, axes),
        [a, b],
        expected,
        session_shapes=static(a, b),
        ways=("session",),
    )
    check_gradient(lambda a, b: tf.tensordot(a, b, axes), [a, b], ways=("eager",))


def test_tensordot_errors():
    with pytest.raises(INVALID):
        tf.tensordot(tf.zeros([2, 3]), tf.zeros([2, 3]), 1)
    with pytest.raises(ValueError):
        tf.tensordot(tf.zeros([2, 3]), tf.zeros([2, 3]), 3)
    with pytest.raises(ValueError):
        tf.tensordot(tf.zeros([2, 3]), tf.zeros([3, 2]), [[0, 1], [0]])


EINSUM = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ij,kj->ik", (2, 3), (4, 3)),
    ("ij->ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ij->i", (2, 3)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("ii->", (3, 3)),
    ("i,i->", (3,), (3,)),
    ("i,j->ij", (2,), (3,)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
    ("bhqk,bkhd->bqhd", (2, 2, 3, 5), (2, 5, 2, 4)),
    ("bqd,dhe->bqhe", (2, 3, 4), (4, 2, 5)),
    ("bqhe,hed->bqd", (2, 3, 2, 5), (2, 5, 4)),
    ("...ij,...jk->...ik", (2, 3, 4), (2, 4, 5)),
    ("...ij,jk->...ik", (2, 3, 4), (4, 5)),
    ("i...,i...->...", (2, 3), (2, 3)),
    ("...->...", (2, 3)),
    ("b...,->b...", (2, 3), ()),
    ("ijk,ilm,njm,nlk,abc->", (2, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2), (1, 2, 2)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    ("ab,cd->abcd", (2, 3), (4, 2)),
    ("ijj,k->ik", (2, 3, 3), (4,)),
    (" i j , j k -> i k ", (2, 3), (3, 4)),
    ("ba,b", (2, 3), (2,)),
    ("Ab,bC->AC", (2, 3), (3, 2)),
]


@pytest.mark.parametrize("case", EINSUM, ids=lambda case: case[0])
def test_einsum(case):
    equation, *shapes = case
    arrays = [normal(*shape) for shape in shapes]
    expected = np.asarray(np.einsum(equation, *arrays))
    check(lambda *xs: tf.einsum(equation, *xs), arrays, expected, session_shapes=known_rank(*arrays))
    if max(a.size for a in arrays) <= 24:
        check_gradient(lambda *xs: tf.einsum(equation, *xs), arrays, ways=("eager",))


@pytest.mark.parametrize("dtype", [np.float16, BFLOAT16, np.float32, np.int32, np.complex64])
def test_einsum_dtypes(dtype):
    a, b = np.arange(6).reshape(2, 3), np.arange(12).reshape(3, 4) - 5
    check(
        lambda a, b: tf.einsum("ij,jk->ki", a, b),
        [a.astype(dtype), b.astype(dtype)],
        (a @ b).T.astype(dtype),
        ways=("eager", "session"),
        session_shapes=[[None, None]] * 2,
    )


def test_einsum_second_gradient_and_errors():
    a, b = normal(2, 2), normal(2, 3)
    check_gradient(
        lambda a, b: tf.einsum("ij,jk->ik", a, b),
        [a, b],
        order=2,
        ways=("eager", "session"),
        session_shapes=known_rank(a, b),
    )
    for equation in ("ij,jk->il", "ij,jk,kl->il", "ij,j1->i", "ijk,jk->ij"):
        with pytest.raises(INVALID):
            tf.einsum(equation, a, b)
    with pytest.raises(INVALID):
        tf.einsum("ij,jk->ik", a, b.T)


# diagonals and bands


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.complex64])
def test_diagonals(dtype):
    v, m = np.arange(1, 4).astype(dtype), np.arange(12).reshape(3, 4).astype(dtype)
    batch = np.arange(24).reshape(2, 3, 4).astype(dtype)
    check(tf.linalg.diag, [v], np.diag(v))
    check(tf.linalg.diag, [m], np.stack([np.diag(row) for row in m]))
    check(tf.linalg.diag_part, [m], np.diagonal(m).copy())
    check(tf.linalg.diag_part, [batch], np.diagonal(batch, 0, 1, 2).copy())
    check(tf.linalg.tensor_diag, [v], np.diag(v))
    check(tf.linalg.tensor_diag_part, [m[:, :3].copy()], np.diagonal(m).copy())
    check(tf.linalg.trace, [m], np.trace(m).astype(dtype))
    check(tf.linalg.trace, [batch], np.trace(batch, axis1=1, axis2=2).astype(dtype))
    expected = m.copy()
    np.fill_diagonal(expected, 9)
    check(tf.linalg.set_diag, [m, np.full(3, 9, dtype)], expected)
    check(tf.compat.v1.matrix_diag, [v], np.diag(v))
    check(tf.compat.v1.matrix_diag_part, [m], np.diagonal(m).copy())
    check(tf.compat.v1.matrix_set_diag, [m, np.full(3, 9, dtype)], expected)
    check(tf.compat.v1.diag, [v], np.diag(v))
    check(tf.compat.v1.diag_part, [m[:, :3].copy()], np.diagonal(m).copy())
    check(tf.compat.v1.trace, [m], np.trace(m).astype(dtype))


@pytest.mark.parametrize("k", [-2, -1, 0, 1, 3])
def test_offset_diagonals(k):
    m = normal(3, 4)
    check(lambda m: tf.linalg.diag_part(m, k=k), [m], np.diagonal(m, k).copy())
    v = np.arange(1.0, 3)
    check(lambda v: tf.linalg.diag(v, k=k), [v], np.diag(v, k))
    check(
        lambda v: tf.linalg.diag(v, num_rows=2, num_cols=4),
        [v],
        np.pad(np.diag(v), [(0, 0), (0, 2)]),
        function_shapes=[[2]],
    )
    expected = m.copy()
    rows, columns = np.nonzero(np.eye(3, 4, k))
    expected[rows, columns] = 7
    check(
        lambda m: tf.linalg.set_diag(m, tf.fill([len(rows)], tf.constant(7.0, tf.float64)), k=k),
        [m],
        expected,
    )
    check_gradient(lambda m: tf.linalg.diag_part(m * m, k=k), [m], ways=("eager",))


def test_bands_of_diagonals():
    m = np.arange(1, 10, dtype=F32).reshape(3, 3)
    check(
        lambda m: tf.linalg.diag_part(m, k=(-1, 1), padding_value=0.0),
        [m],
        np.array([[0, 2, 6], [1, 5, 9], [4, 8, 0]], F32),
    )
    check(
        lambda m: tf.linalg.diag_part(m, k=(-1, 1), align="LEFT_LEFT"),
        [m],
        np.array([[2, 6, 0], [1, 5, 9], [4, 8, 0]], F32),
    )
    band = np.array([[0, 2, 6], [1, 5, 9], [4, 8, 0]], F32)
    tridiagonal = np.array([[1, 2, 0], [4, 5, 6], [0, 8, 9]], F32)
    check(lambda b: tf.linalg.diag(b, k=(-1, 1)), [band], tridiagonal, function_shapes=static(band))
    check(
        lambda m, b: tf.linalg.set_diag(m, b, k=(-1, 1)),
        [m * 0, band],
        tridiagonal,
        function_shapes=static(m, band),
    )
    check(
        lambda v: tf.linalg.diag(v, padding_value=-1.0),
        [np.array([1, 2], F32)],
        np.array([[1, -1], [-1, 2]], F32),
    )


def test_diagonal_gradients():
    check_gradient(lambda v: tf.linalg.diag(v * v), [normal(3)])
    check_gradient(lambda m: tf.linalg.diag_part(m * m), [normal(3, 4)])
    check_gradient(lambda m, d: tf.linalg.set_diag(m * m, d * d), [normal(3, 4), normal(3)])
    check_gradient(lambda m: tf.linalg.trace(m * m), [normal(3, 3)])
    check_gradient(lambda m: tf.linalg.band_part(m * m, 1, 0), [normal(3, 3)])
    check_gradient(lambda v: tf.linalg.tensor_diag(v * v), [normal(3)], ways=("eager",))


@pytest.mark.parametrize("lower, upper", [(0, 0), (1, 0), (-1, 0), (0, -1), (1, 2), (-1, -1)])
@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.bool_])
def test_band_part(lower, upper, dtype):
    m = np.arange(24).reshape(2, 3, 4).astype(dtype)
    i, j = np.indices((3, 4))
    kept = ((lower < 0) | (i - j <= lower)) & ((upper < 0) | (j - i <= upper))
    check(lambda m: tf.linalg.band_part(m, lower, upper), [m], np.where(kept, m, 0).astype(dtype))
    check(
        lambda m: tf.compat.v1.matrix_band_part(m, lower, upper),
        [m],
        np.where(kept, m, 0).astype(dtype),
        ways=("eager",),
    )


@pytest.mark.parametrize("rows, columns", [(3, None), (2, 4), (4, 2), (0, None)])
@pytest.mark.parametrize("dtype", [tf.float32, tf.int32, tf.bool, tf.complex64])
def test_eye(rows, columns, dtype):
    expected = np.eye(rows, columns).astype(dtype.as_numpy_dtype)
    check(lambda: tf.eye(rows, columns, dtype=dtype), [], expected)
    check(lambda: tf.linalg.eye(rows, columns, [2], dtype), [], np.stack([expected] * 2))
    check(lambda n: tf.eye(n, columns, dtype=dtype), [np.int32(rows)], expected)


def test_cross():
    a, b = normal(2, 3), normal(2, 3) + 1
    check(tf.linalg.cross, [a, b], np.cross(a, b))
    check_gradient(tf.linalg.cross, [a, b])
    with pytest.raises((tf.errors.FailedPreconditionError, *INVALID)):
        tf.linalg.cross(tf.zeros([2]), tf.zeros([2]))


def test_norms():
    x = normal(3, 4)
    check(tf.norm, [x], np.float64(np.linalg.norm(x)))
    check(lambda x: tf.linalg.norm(x, axis=1), [x], np.linalg.norm(x, axis=1))
    check(
        lambda x: tf.linalg.normalize(x, axis=1),
        [x],
        (x / np.linalg.norm(x, axis=1, keepdims=True), np.linalg.norm(x, axis=1, keepdims=True)),
    )
    check(
        tf.norm, [normal(3, dtype=np.complex64)], np.complex64(np.linalg.norm(normal(3, dtype=np.complex64)))
    )
    check(
        lambda x: tf.compat.v1.norm(x, keep_dims=True, axis=0), [x], np.linalg.norm(x, axis=0, keepdims=True)
    )


def test_global_norm_and_l2_normalize():
    a, b = normal(2), normal(3)
    check(
        lambda a, b: tf.linalg.global_norm([a, b]), [a, b], np.float64(np.sqrt((a**2).sum() + (b**2).sum()))
    )
    check(lambda a: tf.linalg.l2_normalize(a), [a], a / np.linalg.norm(a))


@pytest.mark.parametrize("equation", ["...ij->ij", "...i->", "...ij,...jk->ik", "...ij,jk->ik"])
def test_einsum_refuses_to_sum_what_an_ellipsis_stands_for(equation):
    operands = [tf.ones([2, 2, 2])] * equation.count("...") + [tf.ones([2, 2])] * equation.count(",jk")
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"broadcasting dimension\(s\) but no ellipsis"):
        tf.einsum(equation, *operands)


def test_an_ellipsis_of_einsum_may_stand_for_nothing():
    np.testing.assert_array_equal(tf.einsum("...ij,jk->ik", tf.ones([2, 3]), tf.ones([3, 2])), 3 * np.ones([2, 2]))
