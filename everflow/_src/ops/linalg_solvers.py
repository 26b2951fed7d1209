"""Public functions of linear algebra beyond products: factors, inverses, eigenvalues, systems of equations."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.ops.by_name import cards
from everflow._src.ops.linalg_decompositions import (
    Cholesky,
    Eig,
    LogMatrixDeterminant,
    Lu,
    MatrixDeterminant,
    MatrixExponential,
    MatrixInverse,
    MatrixLogarithm,
    MatrixSolve,
    MatrixSolveLs,
    MatrixSquareRoot,
    MatrixTriangularSolve,
    Qr,
    SelfAdjointEigV2,
    Svd,
)
from everflow._src.ops.linalg_products import matmul
from everflow._src.ops.linalg_structure import diag_part
from everflow._src.ops.naming import name_scope
from everflow._src.ops.reductions import reduce_max, reduce_sum


@export("linalg.cholesky", v1=["cholesky", "linalg.cholesky"])
def cholesky(input: Any, name: str | None = None) -> Any:
    """The lower triangular L of positive definite matrices L L^H.

    Args:
      input: tensor of shape [..., n, n]; only its lower triangle is read.
      name: name of the operation.

    Returns:
      A tensor of the shape of `input`; NaN where a matrix is not positive definite.

    >>> import everflow as tf
    >>> tf.linalg.cholesky([[4., 2.], [2., 5.]])
    <tf.Tensor: shape=(2, 2), dtype=float32, numpy=
    array([[2., 0.],
           [1., 2.]], dtype=float32)>
    """
    return Cholesky(input, name=name)


@export("linalg.cholesky_solve", v1=["cholesky_solve", "linalg.cholesky_solve"])
def cholesky_solve(chol: Any, rhs: Any, name: str | None = None) -> Any:
    """Solves A X = rhs, where A has the Cholesky factor `chol`.

    Args:
      chol: lower triangular factors, of shape [..., n, n].
      rhs: tensor of shape [..., n, k].
      name: name of the operations.

    >>> import everflow as tf
    >>> tf.linalg.cholesky_solve([[2., 0.], [0., 1.]], [[4.], [3.]])
    <tf.Tensor: shape=(2, 1), dtype=float32, numpy=
    array([[1.],
           [3.]], dtype=float32)>
    """
    with name_scope(name, "cholesky_solve"):
        half = MatrixTriangularSolve(chol, rhs, lower=True, adjoint=False)
        return MatrixTriangularSolve(chol, half, lower=True, adjoint=True)


@export("linalg.inv", v1=["linalg.inv", "matrix_inverse"])
def inv(input: Any, adjoint: bool = False, name: str | None = None) -> Any:
    """Inverses of matrices, or of their conjugate transposes.

    Args:
      input: tensor of shape [..., n, n].
      adjoint: True inverts the conjugate transposes.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError: a matrix is not invertible or not square.

    >>> import everflow as tf
    >>> tf.linalg.inv([[2., 0.], [0., 4.]])
    <tf.Tensor: shape=(2, 2), dtype=float32, numpy=
    array([[0.5 , 0.  ],
           [0.  , 0.25]], dtype=float32)>
    """
    return MatrixInverse(input, adjoint=adjoint, name=name)


@export("linalg.det", v1=["linalg.det", "matrix_determinant"])
def det(input: Any, name: str | None = None) -> Any:
    """Determinants of matrices of shape [..., n, n].

    >>> import everflow as tf
    >>> tf.linalg.det([[2., 0.], [0., 4.]])
    <tf.Tensor: shape=(), dtype=float32, numpy=8.0>
    """
    return MatrixDeterminant(input, name=name)


@export("linalg.slogdet")
def slogdet(input: Any, name: str | None = None) -> Any:
    """Signs of determinants of matrices, and logarithms of their absolute values.

    Returns:
      A named tuple of `sign` and `log_abs_determinant`.

    >>> import everflow as tf
    >>> tf.linalg.slogdet([[0., 1.], [1., 0.]]).sign
    <tf.Tensor: shape=(), dtype=float32, numpy=-1.0>
    """
    return LogMatrixDeterminant(input, name=name)


@export("linalg.logdet")
def logdet(matrix: Any, name: str | None = None) -> Any:
    """Logarithms of the determinants of positive definite matrices.

    >>> import everflow as tf
    >>> tf.linalg.logdet([[1., 0.], [0., 1.]])
    <tf.Tensor: shape=(), dtype=float32, numpy=0.0>
    """
    with name_scope(name, "logdet"):
        main = diag_part(Cholesky(matrix))
        logs = cards.Log(cards.Real(main, Tout=main.dtype.real_dtype) if main.dtype.is_complex else main)
        return np.array(2, logs.dtype.numpy_dtype) * reduce_sum(logs, [-1])


@export("linalg.solve", v1=["linalg.solve", "matrix_solve"])
def solve(matrix: Any, rhs: Any, adjoint: bool = False, name: str | None = None) -> Any:
    """Solves matrix X = rhs.

    Args:
      matrix: tensor of shape [..., n, n].
      rhs: tensor of shape [..., n, k].
      adjoint: True solves with the conjugate transposes of the matrices.
      name: name of the operation.

    Raises:
      tf.errors.InvalidArgumentError: a matrix is not invertible or not square.

    >>> import everflow as tf
    >>> tf.linalg.solve([[2., 0.], [0., 4.]], [[2.], [2.]])
    <tf.Tensor: shape=(2, 1), dtype=float32, numpy=
    array([[1. ],
           [0.5]], dtype=float32)>
    """
    return MatrixSolve(matrix, rhs, adjoint=adjoint, name=name)


@export("linalg.triangular_solve", v1=["linalg.triangular_solve", "matrix_triangular_solve"])
def triangular_solve(matrix: Any, rhs: Any, lower: bool = True, adjoint: bool = False, name: str | None = None) -> Any:
    """Solves matrix X = rhs, where the matrices are triangular.

    Args:
      matrix: tensor of shape [..., n, n], of which one triangle is read.
      rhs: tensor of shape [..., n, k].
      lower: True reads the lower triangle, False the upper one.
      adjoint: True solves with the conjugate transposes of the triangles.
      name: name of the operation.

    >>> import everflow as tf
    >>> tf.linalg.triangular_solve([[2., 0.], [1., 4.]], [[2.], [5.]])
    <tf.Tensor: shape=(2, 1), dtype=float32, numpy=
    array([[1.],
           [1.]], dtype=float32)>
    """
    return MatrixTriangularSolve(matrix, rhs, lower=lower, adjoint=adjoint, name=name)


@export("linalg.qr", v1=["linalg.qr", "qr"])
def qr(input: Any, full_matrices: bool = False, name: str | None = None) -> Any:
    """Orthogonal factors and upper triangular factors of matrices.

    Args:
      input: tensor of shape [..., m, n].
      full_matrices: True gives square orthogonal factors.
      name: name of the operation.

    Returns:
      A named tuple of `q` and `r`.

    >>> import everflow as tf
    >>> tf.linalg.qr([[0., 1.], [2., 0.], [0., 0.]]).r.shape
    TensorShape([2, 2])
    """
    return Qr(input, full_matrices=full_matrices, name=name)


@export("linalg.svd", v1=["linalg.svd", "svd"])
def svd(tensor: Any, full_matrices: bool = False, compute_uv: bool = True, name: str | None = None) -> Any:
    """Singular values and vectors of matrices: U diag(s) V^H.

    Args:
      tensor: tensor of shape [..., m, n].
      full_matrices: True gives square U and V.
      compute_uv: False gives the singular values alone.
      name: name of the operation.

    Returns:
      The singular values, greatest first, U, and V (not its transpose); or the singular values alone.

    >>> import everflow as tf
    >>> tf.linalg.svd([[3., 0.], [0., 4.]], compute_uv=False)
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([4., 3.], dtype=float32)>
    """
    s, u, v = Svd(tensor, full_matrices=full_matrices, compute_uv=compute_uv, name=name)
    if s.dtype.is_complex:
        s = cards.Real(s, Tout=s.dtype.real_dtype)
    return (s, u, v) if compute_uv else s


@export("linalg.eigh", v1=["linalg.eigh", "self_adjoint_eig"])
def eigh(tensor: Any, name: str | None = None) -> Any:
    """Eigenvalues and eigenvectors of self-adjoint matrices.

    Args:
      tensor: tensor of shape [..., n, n], of which the lower triangle is read.
      name: name of the operation.

    Returns:
      The eigenvalues, smallest first, of shape [..., n]; and the eigenvectors, as columns.

    >>> import everflow as tf
    >>> tf.linalg.eigh([[3., 0.], [0., 2.]])[0]
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([2., 3.], dtype=float32)>
    """
    values, vectors = SelfAdjointEigV2(tensor, compute_v=True, name=name)
    return values, vectors


@export("linalg.eigvalsh", v1=["linalg.eigvalsh", "self_adjoint_eigvals"])
def eigvalsh(tensor: Any, name: str | None = None) -> Any:
    """Eigenvalues of self-adjoint matrices, smallest first.

    >>> import everflow as tf
    >>> tf.linalg.eigvalsh([[3., 0.], [0., 2.]])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([2., 3.], dtype=float32)>
    """
    return SelfAdjointEigV2(tensor, compute_v=False, name=name)[0]


def _eig(tensor: Any, compute_v: bool, name: str | None) -> Any:
    x = convert(tensor)
    wide = x.dtype.base_dtype in (dtypes.float64, dtypes.complex128)
    return Eig(x, Tout=dtypes.complex128 if wide else dtypes.complex64, compute_v=compute_v, name=name)


@export("linalg.eig", "eig", v1=[])
def eig(tensor: Any, name: str | None = None) -> Any:
    """Eigenvalues and eigenvectors of matrices, complex.

    Args:
      tensor: tensor of shape [..., n, n].
      name: name of the operation.

    Returns:
      The eigenvalues, in no particular order, and the eigenvectors, as columns.

    >>> import everflow as tf
    >>> tf.linalg.eig(tf.constant([[0., 1.], [-1., 0.]]))[0].dtype
    tf.complex64
    """
    values, vectors = _eig(tensor, True, name)
    return values, vectors


@export("linalg.eigvals", "eigvals", v1=[])
def eigvals(tensor: Any, name: str | None = None) -> Any:
    """Eigenvalues of matrices, complex, in no particular order.

    >>> import everflow as tf
    >>> tf.linalg.eigvals(tf.constant([[2., 0.], [0., 2.]]))
    <tf.Tensor: shape=(2,), dtype=complex64, numpy=array([2.+0.j, 2.+0.j], dtype=complex64)>
    """
    return _eig(tensor, False, name)[0]


@export("linalg.lstsq", v1=["linalg.lstsq", "matrix_solve_ls"])
def lstsq(matrix: Any, rhs: Any, l2_regularizer: float = 0.0, fast: bool = True, name: str | None = None) -> Any:
    """Solves least squares problems: minimizes |matrix X - rhs|^2 + l2_regularizer |X|^2.

    Args:
      matrix: tensor of shape [..., m, n].
      rhs: tensor of shape [..., m, k].
      l2_regularizer: weight of the norm of the solution.
      fast: True allows the normal equations; False finds the solution of least norm, without regularizer.
      name: name of the operation.

    Returns:
      A tensor of shape [..., n, k].

    >>> import everflow as tf
    >>> tf.linalg.lstsq([[1.], [1.]], [[1.], [3.]]).shape
    TensorShape([1, 1])
    """
    return MatrixSolveLs(matrix, rhs, np.float64(l2_regularizer), fast=fast, name=name)


@export("linalg.lu")
def lu(input: Any, output_idx_type: Any = dtypes.int32, name: str | None = None) -> Any:
    """Triangular factors of matrices whose rows are permuted: P A = L U.

    Args:
      input: tensor of shape [..., n, n].
      output_idx_type: dtype of the permutations, int32 or int64.
      name: name of the operation.

    Returns:
      A named tuple of `lu`, L below and U on and above the diagonals, and `p`, the order of the rows.

    >>> import everflow as tf
    >>> tf.linalg.lu([[1., 2.], [4., 4.]]).p
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([1, 0], dtype=int32)>
    """
    return Lu(input, output_idx_type=output_idx_type, name=name)


@export("linalg.expm")
def expm(input: Any, name: str | None = None) -> Any:
    """Exponentials of matrices, the sums of A^k / k!.

    >>> import everflow as tf
    >>> tf.linalg.expm([[0., 0.], [0., 0.]])
    <tf.Tensor: shape=(2, 2), dtype=float32, numpy=
    array([[1., 0.],
           [0., 1.]], dtype=float32)>
    """
    return MatrixExponential(input, name=name)


@export("linalg.sqrtm", "matrix_square_root")
def sqrtm(input: Any, name: str | None = None) -> Any:
    """Square roots of matrices.

    Raises:
      tf.errors.InvalidArgumentError: a matrix is real and its root is not.

    >>> import everflow as tf
    >>> tf.linalg.sqrtm([[4., 0.], [0., 9.]])
    <tf.Tensor: shape=(2, 2), dtype=float32, numpy=
    array([[2., 0.],
           [0., 3.]], dtype=float32)>
    """
    return MatrixSquareRoot(input, name=name)


@export("linalg.logm")
def logm(input: Any, name: str | None = None) -> Any:
    """Logarithms of complex matrices.

    >>> import everflow as tf
    >>> tf.linalg.logm(tf.eye(2, dtype=tf.complex128)).dtype
    tf.complex128
    """
    return MatrixLogarithm(input, name=name)


def _tolerance(a: Any, values: Any, scale: float) -> Any:
    """The precision of the singular values of `a`, relative to the greatest."""
    rows, columns = a.shape.as_list()[-2:]
    if rows is None or columns is None:
        raise ValueError("A tolerance must be given for matrices of unknown size")
    dtype = values.dtype.numpy_dtype
    return np.array(scale * max(rows, columns) * np.finfo(dtype).eps, dtype)


@export("linalg.matrix_rank")
def matrix_rank(a: Any, tol: Any = None, validate_args: bool = False, name: str | None = None) -> Any:
    """Ranks of matrices: how many singular values are above a tolerance.

    Args:
      a: tensor of shape [..., m, n].
      tol: the tolerance; the greatest singular value times max(m, n) times the precision when None.
      validate_args: accepted; the checks are always made.
      name: name of the operations.

    >>> import everflow as tf
    >>> tf.linalg.matrix_rank([[1., 2.], [2., 4.]])
    <tf.Tensor: shape=(), dtype=int32, numpy=1>
    """
    with name_scope(name, "matrix_rank"):
        a = convert(a, name="a")
        values = svd(a, compute_uv=False)
        if tol is None:
            tol = reduce_max(values, -1, keepdims=True) * _tolerance(a, values, 1.0)
        return reduce_sum(cards.Cast(cards.Greater(values, tol), DstT=dtypes.int32), -1)


@export("linalg.pinv")
def pinv(a: Any, rcond: Any = None, validate_args: bool = False, name: str | None = None) -> Any:
    """Pseudo-inverses of matrices.

    Args:
      a: tensor of shape [..., m, n].
      rcond: singular values at most this times the greatest count as zero; 10 max(m, n) times the precision when
        None.
      validate_args: accepted; the checks are always made.
      name: name of the operations.

    Returns:
      A tensor of shape [..., n, m].

    >>> import everflow as tf
    >>> tf.linalg.pinv([[2., 0.], [0., 0.]])
    <tf.Tensor: shape=(2, 2), dtype=float32, numpy=
    array([[0.5, 0. ],
           [0. , 0. ]], dtype=float32)>
    """
    with name_scope(name, "pinv"):
        a = convert(a, name="a")
        s, u, v = svd(a)
        limit = _tolerance(a, s, 10.0) if rcond is None else convert(rcond, s.dtype)
        cutoff = limit * reduce_max(s, -1, keepdims=True)
        safe = cards.SelectV2(cards.Greater(s, cutoff), s, np.array(np.inf, s.dtype.numpy_dtype))
        inverse = cards.ExpandDims(cards.Reciprocal(safe), np.int32(-2))
        if a.dtype.is_complex:
            inverse = cards.Cast(inverse, DstT=a.dtype)
        return matmul(v * inverse, u, adjoint_b=True)
