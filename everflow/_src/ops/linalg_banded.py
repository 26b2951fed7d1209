"""Systems whose matrices are given by their triangular factors or by a few diagonals."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.ops.by_name import cards
from everflow._src.ops.linalg_decompositions import MatrixSolve, MatrixTriangularSolve
from everflow._src.ops.linalg_products import matmul
from everflow._src.ops.linalg_structure import band_part, diag, diag_part, set_diag
from everflow._src.ops.naming import name_scope

# ---- triangular factors


def _permutation(perm: Any, like: Any) -> Any:
    """Matrices P with P[i, perm[i]] = 1."""
    dtype = like.dtype.numpy_dtype
    depth = cards.GatherV2(cards.Shape(like), np.int32(-1) + cards.Size(cards.Shape(like)), np.int32(0))
    return cards.OneHot(perm, depth, np.ones((), dtype), np.zeros((), dtype))


def _unit_lower(lower_upper: Any) -> Any:
    lower = band_part(lower_upper, -1, 0)
    return set_diag(lower, cards.OnesLike(diag_part(lower)))


@export("linalg.lu_solve")
def lu_solve(lower_upper: Any, perm: Any, rhs: Any, validate_args: bool = False, name: str | None = None) -> Any:
    """Solves A X = rhs, where A has the factors that `tf.linalg.lu` gives.

    Args:
      lower_upper: the factors, of shape [..., n, n].
      perm: the order of the rows, of shape [..., n].
      rhs: tensor of shape [..., n, k].
      validate_args: accepted; the checks are always made.
      name: name of the operations.

    >>> import everflow as tf
    >>> tf.linalg.lu_solve(*tf.linalg.lu([[1., 2.], [4., 4.]]), [[3.], [8.]])
    <tf.Tensor: shape=(2, 1), dtype=float32, numpy=
    array([[1.],
           [1.]], dtype=float32)>
    """
    with name_scope(name, "lu_solve"):
        lower_upper = convert(lower_upper, name="lower_upper")
        rhs = convert(rhs, lower_upper.dtype.base_dtype, name="rhs")
        ordered = matmul(_permutation(convert(perm), lower_upper), rhs)
        half = MatrixTriangularSolve(_unit_lower(lower_upper), ordered, lower=True)
        return MatrixTriangularSolve(lower_upper, half, lower=False)


@export("linalg.lu_reconstruct")
def lu_reconstruct(lower_upper: Any, perm: Any, validate_args: bool = False, name: str | None = None) -> Any:
    """The matrices that have the factors that `tf.linalg.lu` gives.

    >>> import everflow as tf
    >>> tf.linalg.lu_reconstruct(*tf.linalg.lu([[1., 2.], [4., 4.]]))
    <tf.Tensor: shape=(2, 2), dtype=float32, numpy=
    array([[1., 2.],
           [4., 4.]], dtype=float32)>
    """
    with name_scope(name, "lu_reconstruct"):
        lower_upper = convert(lower_upper, name="lower_upper")
        product = matmul(_unit_lower(lower_upper), band_part(lower_upper, 0, -1))
        return matmul(_permutation(convert(perm), lower_upper), product, transpose_a=True)


@export("linalg.lu_matrix_inverse")
def lu_matrix_inverse(lower_upper: Any, perm: Any, validate_args: bool = False, name: str | None = None) -> Any:
    """The inverses of the matrices that have the factors that `tf.linalg.lu` gives.

    >>> import everflow as tf
    >>> tf.linalg.lu_matrix_inverse(*tf.linalg.lu([[0., 2.], [4., 0.]]))
    <tf.Tensor: shape=(2, 2), dtype=float32, numpy=
    array([[0.  , 0.25],
           [0.5 , 0.  ]], dtype=float32)>
    """
    with name_scope(name, "lu_matrix_inverse"):
        lower_upper = convert(lower_upper, name="lower_upper")
        identity = set_diag(cards.ZerosLike(lower_upper), cards.OnesLike(diag_part(lower_upper)))
        return lu_solve(lower_upper, perm, identity)


# ---- a few diagonals


@export("linalg.banded_triangular_solve", v1=[])
def banded_triangular_solve(
    bands: Any, rhs: Any, lower: bool = True, adjoint: bool = False, name: str | None = None
) -> Any:
    """Solves systems with triangular matrices of which only a few diagonals are not zero.

    Args:
      bands: the diagonals, of shape [..., k, n]: for lower triangles the main one first, for upper ones last;
        element i of each belongs to row i of the matrix.
      rhs: tensor of shape [..., n, m].
      lower: True for lower triangles.
      adjoint: True solves with the conjugate transposes.
      name: name of the operations.

    Raises:
      ValueError: the number of diagonals is not known.

    >>> import everflow as tf
    >>> tf.linalg.banded_triangular_solve([[2., 2.], [0., 1.]], [[2.], [3.]])
    <tf.Tensor: shape=(2, 1), dtype=float32, numpy=
    array([[1.],
           [1.]], dtype=float32)>
    """
    with name_scope(name, "banded_triangular_solve"):
        bands = convert(bands, name="bands")
        count = bands.shape.as_list()[-2]
        if count is None:
            raise ValueError("banded_triangular_solve needs a known number of diagonals")
        k = (1 - count, 0) if lower else (0, count - 1)
        matrix = diag(bands, k=k, align="LEFT_RIGHT" if lower else "LEFT_LEFT")
        return MatrixTriangularSolve(matrix, rhs, lower=lower, adjoint=adjoint)


def _tridiagonal_matrix(diagonals: Any, diagonals_format: str) -> Any:
    """The full matrix of three diagonals: above, main, below.

    Raises:
      ValueError: the format is not known.
    """
    if diagonals_format == "matrix":
        return convert(diagonals, name="diagonals")
    if diagonals_format == "sequence":
        above, main, below = (convert(d) for d in diagonals)
        size = main.shape.as_list()[-1]
        zero = cards.ZerosLike(main)[..., :1]
        if size is not None and above.shape.as_list()[-1] == size - 1:
            above = cards.ConcatV2([above, zero], np.int32(-1))
        if size is not None and below.shape.as_list()[-1] == size - 1:
            below = cards.ConcatV2([zero, below], np.int32(-1))
        packed = cards.Pack([above, main, below], axis=-2)
    elif diagonals_format == "compact":
        packed = convert(diagonals, name="diagonals")
    else:
        raise ValueError(
            f"Expected diagonals_format to be one of ['compact', 'sequence', 'matrix'], got {diagonals_format!r}"
        )
    return diag(packed, k=(-1, 1), align="LEFT_RIGHT")


@export("linalg.tridiagonal_matmul")
def tridiagonal_matmul(diagonals: Any, rhs: Any, diagonals_format: str = "compact", name: str | None = None) -> Any:
    """The product of matrices with three diagonals and `rhs`.

    Args:
      diagonals: "compact": a tensor of shape [..., 3, n], the diagonal above, the main one and the one below,
        whose last, respectively first, element does not count; "sequence": three tensors; "matrix": full
        matrices.
      rhs: tensor of shape [..., n, m].
      diagonals_format: "compact", "sequence" or "matrix".
      name: name of the operations.

    >>> import everflow as tf
    >>> tf.linalg.tridiagonal_matmul(tf.constant([[1., 0.], [2., 2.], [0., 3.]]), tf.constant([[1.], [1.]]))
    <tf.Tensor: shape=(2, 1), dtype=float32, numpy=
    array([[3.],
           [5.]], dtype=float32)>
    """
    with name_scope(name, "tridiagonal_matmul"):
        return matmul(_tridiagonal_matrix(diagonals, diagonals_format), rhs)


@export("linalg.tridiagonal_solve")
def tridiagonal_solve(
    diagonals: Any,
    rhs: Any,
    diagonals_format: str = "compact",
    transpose_rhs: bool = False,
    conjugate_rhs: bool = False,
    name: str | None = None,
    partial_pivoting: bool = True,
    perturb_singular: bool = False,
) -> Any:
    """Solves systems whose matrices have three diagonals.

    Args:
      diagonals: see `tf.linalg.tridiagonal_matmul`.
      rhs: tensor of shape [..., n, m], or [..., n] for one right side each.
      diagonals_format: "compact", "sequence" or "matrix".
      transpose_rhs: True transposes `rhs` first.
      conjugate_rhs: True conjugates `rhs` first.
      name: name of the operations.
      partial_pivoting: accepted; rows are always exchanged where that is more exact.
      perturb_singular: not supported.

    Raises:
      NotImplementedError: `perturb_singular` is True.

    >>> import everflow as tf
    >>> tf.linalg.tridiagonal_solve(tf.constant([[1., 0.], [2., 2.], [0., 3.]]), tf.constant([3., 5.]))
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([1., 1.], dtype=float32)>
    """
    if perturb_singular:
        raise NotImplementedError("everflow's tf.linalg.tridiagonal_solve has no perturb_singular=True")
    with name_scope(name, "tridiagonal_solve"):
        matrix = _tridiagonal_matrix(diagonals, diagonals_format)
        rhs = convert(rhs, matrix.dtype.base_dtype, name="rhs")
        vectors = rhs._rank is not None and matrix._rank is not None and rhs._rank == matrix._rank - 1
        if conjugate_rhs and rhs.dtype.is_complex:
            rhs = cards.Conj(rhs)
        if vectors:
            return cards.Squeeze(MatrixSolve(matrix, cards.ExpandDims(rhs, np.int32(-1))), squeeze_dims=[-1])
        if transpose_rhs:
            order = np.array([*range(rhs._rank - 2), rhs._rank - 1, rhs._rank - 2], np.int32)
            rhs = cards.Transpose(rhs, order)
        return MatrixSolve(matrix, rhs)
