"""Decompositions, inverses, determinants and solutions of systems, for matrices and batches of them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.broadcasting import sum_to_shape
from everflow._src.ops.by_name import cards
from everflow._src.ops.linalg_products import matmul
from everflow._src.ops.linalg_structure import adjoint, band_part, diag, diag_part, set_diag
from everflow._src.ops.math_arithmetic import conjugated
from everflow._src.runtime.failures import invalid

_TYPES = (dtypes.float64, dtypes.float32, dtypes.float16) + dtypes.COMPLEX
_HALF = dtypes.float16.numpy_dtype


# ---- kernels


def _matrix(x: Any) -> Any:
    if x.ndim < 2:
        raise invalid(f"Input must have rank >= 2, got {x.ndim}")
    return x


def _square(x: Any) -> Any:
    if _matrix(x).shape[-1] != x.shape[-2]:
        raise invalid("Input matrix must be square.")
    return x


def _wide(x: Any) -> Any:
    """LAPACK knows no half precision."""
    return x.astype(np.float32) if x.dtype == _HALF else x


def _per_matrix(function: Any, x: Any) -> Any:
    """`function` of each matrix of a batch, stacked."""
    flat = x.reshape(-1, *x.shape[-2:])
    results = [function(m) for m in flat]
    if not results:
        return np.zeros(x.shape, x.dtype)
    return np.stack(results).reshape(*x.shape[:-2], *results[0].shape)


def _lower_factor(matrix: Any) -> Any:
    try:
        return np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:  # not positive definite
        return np.full_like(matrix, np.nan)


def _cholesky(xp: Any, x: Any) -> Any:
    wide = _wide(_square(x))
    try:
        return np.linalg.cholesky(wide).astype(x.dtype)
    except np.linalg.LinAlgError:
        return _per_matrix(_lower_factor, wide).astype(x.dtype)


def _cholesky_xla(jax: Any, x: Any) -> Any:
    return jax.lax.linalg.cholesky(_wide(_square(x)), symmetrize_input=False).astype(x.dtype)


def _adjoint(xp: Any, x: Any) -> Any:
    x = xp.swapaxes(x, -1, -2)
    return xp.conj(x) if x.dtype.kind == "c" else x


def _inverse(xp: Any, x: Any, *, adjoint: bool) -> Any:
    wide = _wide(_square(x))
    try:
        inverse = xp.linalg.inv(_adjoint(xp, wide) if adjoint else wide)
    except np.linalg.LinAlgError:
        raise invalid("Input is not invertible.") from None
    return inverse.astype(x.dtype)


def _determinant(xp: Any, x: Any) -> Any:
    return xp.linalg.det(_wide(_square(x))).astype(x.dtype)


def _log_determinant(xp: Any, x: Any) -> Any:
    sign, logarithm = xp.linalg.slogdet(_wide(_square(x)))
    return sign.astype(x.dtype), logarithm.astype(x.dtype)


def _check_system(matrix: Any, rhs: Any) -> None:
    _square(matrix)
    if rhs.ndim < 2 or rhs.shape[-2] != matrix.shape[-1]:
        raise invalid(f"Input matrix and rhs are incompatible: {list(matrix.shape)} and {list(rhs.shape)}")


def _solve(xp: Any, matrix: Any, rhs: Any, *, adjoint: bool) -> Any:
    _check_system(matrix, rhs)
    wide = _wide(matrix)
    try:
        result = xp.linalg.solve(_adjoint(xp, wide) if adjoint else wide, _wide(rhs))
    except np.linalg.LinAlgError:
        raise invalid("Input matrix is not invertible.") from None
    return result.astype(matrix.dtype)


def _substitute(matrix: Any, rhs: Any, lower: bool) -> Any:
    """Solves triangular systems row by row; a zero on the diagonal makes infinities, not an error."""
    size = matrix.shape[-1]
    batch = np.broadcast_shapes(matrix.shape[:-2], rhs.shape[:-2])
    result = np.zeros((*batch, size, rhs.shape[-1]), matrix.dtype)
    for row in range(size) if lower else range(size - 1, -1, -1):
        known = slice(0, row) if lower else slice(row + 1, size)
        rest = rhs[..., row, :] - np.matmul(matrix[..., row : row + 1, known], result[..., known, :])[..., 0, :]
        result[..., row, :] = rest / matrix[..., row, row, None]
    return result


def _triangular_solve(xp: Any, matrix: Any, rhs: Any, *, lower: bool, adjoint: bool) -> Any:
    _check_system(matrix, rhs)
    small = matrix.dtype in (_HALF, dtypes.bfloat16.numpy_dtype)
    wide = matrix.astype(np.float32) if small else matrix
    wide = np.tril(wide) if lower else np.triu(wide)
    if adjoint:
        wide, lower = _adjoint(np, wide), not lower
    right = rhs.astype(wide.dtype)
    try:
        if not np.all(np.diagonal(wide, 0, -2, -1)):
            raise np.linalg.LinAlgError
        result = np.linalg.solve(wide, right)
    except np.linalg.LinAlgError:
        result = _substitute(wide, right, lower)
    return result.astype(matrix.dtype)


def _triangular_solve_xla(jax: Any, matrix: Any, rhs: Any, *, lower: bool, adjoint: bool) -> Any:
    _check_system(matrix, rhs)
    jnp = jax.numpy
    small = matrix.dtype in (_HALF, dtypes.bfloat16.numpy_dtype)
    left, right = (matrix.astype(np.float32), rhs.astype(np.float32)) if small else (matrix, rhs)
    batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    left = jnp.broadcast_to(left, (*batch, *left.shape[-2:]))
    right = jnp.broadcast_to(right, (*batch, *right.shape[-2:]))
    result = jax.lax.linalg.triangular_solve(
        left, right, left_side=True, lower=lower, transpose_a=adjoint, conjugate_a=adjoint
    )
    return result.astype(matrix.dtype)


def _qr(xp: Any, x: Any, *, full_matrices: bool) -> Any:
    q, r = xp.linalg.qr(_wide(_matrix(x)), mode="complete" if full_matrices else "reduced")
    return q.astype(x.dtype), r.astype(x.dtype)


def _svd(xp: Any, x: Any, *, compute_uv: bool, full_matrices: bool) -> Any:
    wide = _wide(_matrix(x))
    if not compute_uv:
        values = xp.linalg.svd(wide, full_matrices=False, compute_uv=False)
        empty = xp.zeros((0,), x.dtype)
        return values.astype(x.dtype), empty, empty
    u, values, v = xp.linalg.svd(wide, full_matrices=full_matrices)
    return values.astype(x.dtype), u.astype(x.dtype), _adjoint(xp, v).astype(x.dtype)


def _eigh(xp: Any, x: Any, *, compute_v: bool) -> Any:
    wide = _wide(_square(x))
    options = {} if xp is np else {"symmetrize_input": False}
    if not compute_v:
        # The triangle below the diagonal is the one that counts.
        values = np.linalg.eigvalsh(wide, "L") if xp is np else xp.linalg.eigh(wide, "L", **options)[0]
        return values.astype(x.dtype), xp.zeros((0,), x.dtype)
    values, vectors = xp.linalg.eigh(wide, "L", **options)
    return values.astype(x.dtype), vectors.astype(x.dtype)


def _eig(xp: Any, x: Any, *, compute_v: bool, Tout: Any) -> Any:
    target = Tout.numpy_dtype
    if not compute_v:
        return np.linalg.eigvals(_square(x)).astype(target), np.zeros((0,), target)
    values, vectors = np.linalg.eig(_square(x))
    return values.astype(target), vectors.astype(target)


def _least_squares(xp: Any, matrix: Any, rhs: Any, regularizer: Any, *, fast: bool) -> Any:
    if _matrix(matrix).shape[-2] != rhs.shape[-2]:
        raise invalid(f"Input matrix and rhs are incompatible: {list(matrix.shape)} and {list(rhs.shape)}")
    a, b = _wide(matrix), _wide(rhs)
    weight = float(regularizer)
    rows, columns = a.shape[-2:]
    if not fast or weight == 0:
        # The solution of least norm; TensorFlow, too, regularizes only on the fast path.
        if xp is not np:
            return xp.matmul(xp.linalg.pinv(a), b).astype(matrix.dtype)
        flat_a, flat_b = a.reshape(-1, *a.shape[-2:]), b.reshape(-1, *b.shape[-2:])
        solutions = [np.linalg.lstsq(m, r, rcond=None)[0] for m, r in zip(flat_a, flat_b)]
        shape = (*a.shape[:-2], columns, b.shape[-1])
        return np.array(solutions, a.dtype).reshape(shape).astype(matrix.dtype)
    conjugate = _adjoint(xp, a)
    if rows >= columns:
        gram = xp.matmul(conjugate, a) + (weight * np.eye(columns)).astype(a.dtype)
        return xp.linalg.solve(gram, xp.matmul(conjugate, b)).astype(matrix.dtype)
    gram = xp.matmul(a, conjugate) + (weight * np.eye(rows)).astype(a.dtype)
    return xp.matmul(conjugate, xp.linalg.solve(gram, b)).astype(matrix.dtype)


def _lu(xp: Any, x: Any, *, output_idx_type: Any) -> Any:
    from scipy.linalg import lu_factor

    flat = _wide(_square(x)).reshape(-1, *x.shape[-2:])
    factors = np.zeros(flat.shape, flat.dtype)
    orders = np.zeros(flat.shape[:-1], output_idx_type.numpy_dtype)
    for index, matrix in enumerate(flat):
        factors[index], pivots = lu_factor(matrix, check_finite=False)
        order = np.arange(len(pivots))
        for row, pivot in enumerate(pivots):
            order[[row, pivot]] = order[[pivot, row]]
        if not np.all(np.diagonal(factors[index])):
            raise invalid("Input is not invertible.")
        orders[index] = order
    return factors.reshape(x.shape).astype(x.dtype), orders.reshape(x.shape[:-1])


def _lu_xla(jax: Any, x: Any, *, output_idx_type: Any) -> Any:
    factors, _, order = jax.lax.linalg.lu(_wide(_square(x)))
    return factors.astype(x.dtype), order.astype(output_idx_type.numpy_dtype)


def _matrix_function(name: str) -> Any:
    """A kernel that calls a function of scipy.linalg on each matrix."""

    def kernel(xp: Any, x: Any) -> Any:
        from scipy import linalg

        function = getattr(linalg, name)
        # In double precision: the algorithms lose half of the digits.
        wide = _square(x).astype(np.complex128 if x.dtype.kind == "c" else np.float64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = _per_matrix(function, wide)
        if result.dtype.kind == "c" and x.dtype.kind != "c":
            if np.any(np.abs(result.imag) > 1e-6 * (1 + np.abs(result.real))):
                raise invalid("The result is complex: cast the matrix to a complex dtype first")
            result = result.real
        return result.astype(x.dtype)

    return kernel


def _exponential_xla(jax: Any, x: Any) -> Any:
    from jax.scipy.linalg import expm

    return expm(_wide(_square(x))).astype(x.dtype)


# ---- shapes


def _square_shape(op: Any) -> TensorShape:
    dims = op._inputs[0]._shape._dims
    if dims is None:
        return TensorShape(None)
    if len(dims) < 2:
        raise ValueError(f"Shape must be at least rank 2 but is rank {len(dims)}")
    if None not in dims[-2:] and dims[-1] != dims[-2]:
        raise ValueError(f"Dimensions must be equal, but are {dims[-2]} and {dims[-1]}")
    size = dims[-1] if dims[-1] is not None else dims[-2]
    return TensorShape((*dims[:-2], size, size))


def _batch_shape(op: Any) -> TensorShape:
    dims = _square_shape(op)._dims
    return TensorShape(None if dims is None else dims[:-2])


def _solution_shape(op: Any) -> TensorShape:
    matrix, rhs = _square_shape(op)._dims, op._inputs[1]._shape._dims
    if matrix is None or rhs is None:
        return TensorShape(None)
    if len(rhs) < 2:
        raise ValueError(f"Shape must be at least rank 2 but is rank {len(rhs)}")
    batch = shapes.broadcast_dims(matrix[:-2], rhs[:-2])
    return TensorShape((*batch, matrix[-1] if matrix[-1] is not None else rhs[-2], rhs[-1]))  # type: ignore[misc]


def _least(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else min(a, b)


def _matrix_dims(op: Any) -> Any:
    dims = op._inputs[0]._shape._dims
    if dims is not None and len(dims) < 2:
        raise ValueError(f"Shape must be at least rank 2 but is rank {len(dims)}")
    return dims


def _qr_shape(op: Any) -> list[TensorShape]:
    dims = _matrix_dims(op)
    if dims is None:
        return [TensorShape(None)] * 2
    *batch, rows, columns = dims
    inner = rows if op._attrs["full_matrices"] else _least(rows, columns)
    return [TensorShape((*batch, rows, inner)), TensorShape((*batch, inner, columns))]


def _svd_shape(op: Any) -> list[TensorShape]:
    dims = _matrix_dims(op)
    if dims is None:
        return [TensorShape(None)] * 3
    *batch, rows, columns = dims
    inner = _least(rows, columns)
    values = TensorShape((*batch, inner))
    if not op._attrs["compute_uv"]:
        return [values, TensorShape((0,)), TensorShape((0,))]
    full = op._attrs["full_matrices"]
    return [
        values,
        TensorShape((*batch, rows, rows if full else inner)),
        TensorShape((*batch, columns, columns if full else inner)),
    ]


def _eigen_shape(op: Any) -> list[TensorShape]:
    shape = _square_shape(op)
    vectors = shape if op._attrs["compute_v"] else TensorShape((0,))
    return [TensorShape(None if shape._dims is None else shape._dims[:-1]), vectors]


def _least_squares_shape(op: Any) -> TensorShape:
    matrix, rhs = _matrix_dims(op), op._inputs[1]._shape._dims
    if matrix is None or rhs is None:
        return TensorShape(None)
    return TensorShape((*matrix[:-2], matrix[-1], rhs[-1]))


def _lu_shape(op: Any) -> list[TensorShape]:
    shape = _square_shape(op)
    return [shape, TensorShape(None if shape._dims is None else shape._dims[:-1])]


# ---- gradients


def _half(like: Any) -> Any:
    return np.full((), 0.5, like.dtype.numpy_dtype)


def _identity_like(matrix: Any) -> Any:
    return set_diag(cards.ZerosLike(matrix), cards.OnesLike(diag_part(matrix)))


def _cholesky_gradient(doutput: Any, *, output: Any) -> Any:
    inverse = MatrixTriangularSolve(output, _identity_like(output), lower=True)
    middle = matmul(output, doutput, adjoint_a=True)
    middle = band_part(set_diag(middle, _half(output) * diag_part(middle)), -1, 0)
    gradient = matmul(matmul(inverse, middle, adjoint_a=True), inverse)
    return _half(output) * (gradient + adjoint(gradient))


def _inverse_gradient(doutput: Any, *, output: Any, adjoint: bool) -> Any:
    if adjoint:
        return -matmul(output, matmul(doutput, output, adjoint_a=True))
    return -matmul(output, matmul(doutput, output, adjoint_b=True), adjoint_a=True)


def _scaled(scale: Any, matrix: Any) -> Any:
    return cards.ExpandDims(cards.ExpandDims(scale, np.int32(-1)), np.int32(-1)) * matrix


def _determinant_gradient(doutput: Any, *, input: Any, output: Any) -> Any:
    return _scaled(doutput * conjugated(output), MatrixInverse(input, adjoint=True))


def _log_determinant_gradient(dsign: Any, dlogarithm: Any, *, input: Any) -> Any:
    return _scaled(dlogarithm, MatrixInverse(input, adjoint=True))


def _matrix_part(drhs: Any, output: Any, adjoint: bool) -> Any:
    if adjoint:
        return -matmul(output, drhs, adjoint_b=True)
    return -matmul(drhs, output, adjoint_b=True)


def _solve_gradient(doutput: Any, *, matrix: Any, output: Any, adjoint: bool) -> Any:
    drhs = MatrixSolve(matrix, doutput, adjoint=not adjoint)
    return _matrix_part(drhs, output, adjoint), drhs


def _triangular_gradient(
    doutput: Any, *, matrix: Any, output: Any, matrix_shape: Any, rhs_shape: Any, lower: bool, adjoint: bool
) -> Any:
    drhs = MatrixTriangularSolve(matrix, doutput, lower=lower, adjoint=not adjoint)
    dmatrix = _matrix_part(drhs, output, adjoint)
    dmatrix = band_part(dmatrix, -1, 0) if lower else band_part(dmatrix, 0, -1)
    return sum_to_shape(dmatrix, matrix_shape, rhs_shape, 2), sum_to_shape(drhs, rhs_shape, matrix_shape, 2)


def _divide_by_upper(x: Any, r: Any) -> Any:
    """x r^-H of an upper triangular r."""
    return adjoint(MatrixTriangularSolve(r, adjoint(x), lower=False))


def _qr_square_gradient(q: Any, r: Any, dq: Any, dr: Any) -> Any:
    qdq, rdr = matmul(q, dq, adjoint_a=True), matmul(r, dr, adjoint_b=True)
    lower = band_part(qdq - adjoint(qdq) + rdr - adjoint(rdr), -1, 0)
    gradient = matmul(q, dr + _divide_by_upper(lower, r)) + _divide_by_upper(dq - matmul(q, qdq), r)
    if q.dtype.is_complex:
        main = diag_part(rdr - adjoint(qdq))
        imaginary = main - cards.Cast(cards.Real(main, Tout=main.dtype.real_dtype), DstT=main.dtype)
        gradient = gradient + _divide_by_upper(matmul(q, adjoint(diag(imaginary))), r)
    return gradient


def _qr_gradient(dq: Any, dr: Any, *, input: Any, q: Any, r: Any, full_matrices: bool) -> Any:
    rows, columns = input.shape.as_list()[-2:]
    if rows is None or columns is None:
        raise NotImplementedError("QrGrad not implemented with dynamic shapes.")
    if rows > columns and full_matrices:
        raise NotImplementedError("QrGrad not implemented when nrows > ncols and full_matrices is true.")
    if rows >= columns:
        return _qr_square_gradient(q, r, dq, dr)
    rest = input[..., :, rows:]
    square, du, dv = r[..., :, :rows], dr[..., :, :rows], dr[..., :, rows:]
    first = _qr_square_gradient(q, square, dq + matmul(rest, dv, adjoint_b=True), du)
    return cards.ConcatV2([first, matmul(q, dv)], np.int32(-1))


def _safe_reciprocal(x: Any) -> Any:
    return cards.DivNoNan(cards.OnesLike(x), x)


def _differences(values: Any) -> Any:
    """values_j - values_i, in row i and column j."""
    return cards.ExpandDims(values, np.int32(-2)) - cards.ExpandDims(values, np.int32(-1))


def _svd_gradient(
    ds: Any, du: Any, dv: Any, *, input: Any, s: Any, u: Any, v: Any, compute_uv: bool, full_matrices: bool
) -> Any:
    if not compute_uv:
        _, u, v = Svd(input, compute_uv=True)
        return matmul(u, matmul(diag(ds), v, adjoint_b=True))
    rows, columns = input.shape.as_list()[-2:]
    if rows is None or columns is None:
        raise NotImplementedError("SVD gradient has not been implemented for input with unknown inner matrix shape.")
    if full_matrices and rows != columns:
        raise NotImplementedError("svd gradient is not implemented for non-square matrices with full_matrices=True")
    factors = _safe_reciprocal(_differences(cards.Square(s)))
    values = diag(s)
    udu, vdv = matmul(u, du, adjoint_a=True), matmul(v, dv, adjoint_a=True)
    middle = matmul(factors * (udu - adjoint(udu)), values) + matmul(values, factors * (vdv - adjoint(vdv)))
    middle = middle + diag(ds)
    inverse = diag(_safe_reciprocal(s))
    if s.dtype.is_complex:
        # Singular vectors may be turned together: what is left of the turn on the diagonal.
        turned = diag(diag_part(udu - adjoint(udu)))
        middle = middle + _half(s) * matmul(turned, inverse)
    gradient = matmul(u, matmul(middle, v, adjoint_b=True))
    if rows > columns:
        outside = matmul(du - matmul(u, udu), inverse)
        gradient = gradient + matmul(outside, v, adjoint_b=True)
    elif columns > rows:
        outside = matmul(dv - matmul(v, vdv), inverse)
        gradient = gradient + matmul(u, outside, adjoint_b=True)
    return gradient


def _eigh_gradient(de: Any, dv: Any, *, input: Any, e: Any, v: Any, compute_v: bool) -> Any:
    if compute_v:
        factors = _safe_reciprocal(_differences(e))
        middle = diag(de) + factors * matmul(v, dv, adjoint_a=True)
    else:
        _, v = SelfAdjointEigV2(input, compute_v=True)
        middle = diag(de)
    gradient = matmul(v, matmul(middle, v, adjoint_b=True))
    # Only the lower triangle is read: it has the gradient of both.
    gradient = band_part(gradient + adjoint(gradient), -1, 0)
    return set_diag(gradient, _half(gradient) * diag_part(gradient))


def _eig_gradient(de: Any, dv: Any, *, input: Any, e: Any, v: Any, compute_v: bool, Tout: Any) -> Any:
    if compute_v:
        conjugate = adjoint(v)
        factors = cards.Conj(_safe_reciprocal(_differences(e)))
        vdv = matmul(conjugate, dv)
        real = cards.Cast(cards.Real(diag_part(vdv), Tout=Tout.real_dtype), DstT=Tout)
        middle = diag(de) + factors * (vdv - matmul(matmul(conjugate, v), diag(real)))
    else:
        _, v = Eig(input, compute_v=True, Tout=Tout)
        conjugate, middle = adjoint(v), diag(de)
    gradient = MatrixSolve(conjugate, matmul(middle, conjugate))
    return gradient if input.dtype.is_complex else cards.Real(gradient, Tout=input.dtype)


def _gram_solve(gram: Any, regularizer: Any, rhs: Any) -> Any:
    weight = cards.Cast(regularizer, DstT=gram.dtype.base_dtype)
    return MatrixSolve(gram + weight * _identity_like(gram), rhs)


def _least_squares_gradient(doutput: Any, *, matrix: Any, rhs: Any, l2_regularizer: Any, output: Any) -> Any:
    rows, columns = matrix.shape.as_list()[-2:]
    if rows is None or columns is None:
        raise NotImplementedError("The gradient of lstsq needs matrices of known shape")
    if rows >= columns:
        z = _gram_solve(matmul(matrix, matrix, adjoint_a=True), l2_regularizer, doutput)
        product = matmul(output, z, adjoint_b=True)
        dmatrix = matmul(rhs, z, adjoint_b=True) - matmul(matrix, product + adjoint(product))
        return dmatrix, matmul(matrix, z), None
    gram = matmul(matrix, matrix, adjoint_b=True)
    drhs = _gram_solve(gram, l2_regularizer, matmul(matrix, doutput))
    solved = _gram_solve(gram, l2_regularizer, rhs)
    first = -matmul(drhs, matmul(solved, matrix, adjoint_a=True))
    second = matmul(solved, doutput - matmul(matrix, drhs, adjoint_a=True), adjoint_b=True)
    return first + second, drhs, None


def _function_gradient(function: Any, doutput: Any, input: Any) -> Any:
    """The gradient of an analytic function of matrices.

    The upper right block of f([[A, E], [0, A]]) is the derivative of f at A along E.
    """
    conjugate = adjoint(input)
    upper = cards.ConcatV2([conjugate, doutput], np.int32(-1))
    lower = cards.ConcatV2([cards.ZerosLike(conjugate), conjugate], np.int32(-1))
    size = input.shape.as_list()[-1]
    if size is None:
        raise NotImplementedError("The gradient of a function of matrices needs matrices of known size")
    return function(cards.ConcatV2([upper, lower], np.int32(-2)))[..., :size, size:]


# ---- cards


def _positive() -> Any:
    return np.array([[4.0, 1.0, 0.5], [1.0, 3.0, -0.7], [0.5, -0.7, 2.0]], np.float32)


def _general() -> Any:
    return np.array([[[2.0, 1.0], [0.5, -1.5]], [[1.0, -0.3], [0.8, 2.0]]], np.float32)


def _tall() -> Any:
    return np.array([[1.0, 2.0], [0.5, -1.0], [2.0, 0.3]], np.float32)


Cholesky = op(
    "Cholesky",
    "input: T -> output: T",
    T=_TYPES,
    kernel=_cholesky,
    xla=_cholesky_xla,
    shape=_square_shape,
    gradient=_cholesky_gradient,
    sample=lambda: ([_positive()], {}),
    doc="Lower triangular factors of positive definite matrices.",
)
MatrixInverse = op(
    "MatrixInverse",
    "input: T -> output: T",
    T=_TYPES,
    adjoint=False,
    kernel=_inverse,
    shape=_square_shape,
    gradient=_inverse_gradient,
    sample=lambda: ([_general()], {"adjoint": True}),
    doc="Inverses of matrices.",
)
MatrixDeterminant = op(
    "MatrixDeterminant",
    "input: T -> output: T",
    T=_TYPES,
    kernel=_determinant,
    shape=_batch_shape,
    gradient=_determinant_gradient,
    sample=lambda: ([_general()], {}),
    doc="Determinants of matrices.",
)
LogMatrixDeterminant = op(
    "LogMatrixDeterminant",
    "input: T -> sign: T, log_abs_determinant: T",
    T=_TYPES,
    kernel=_log_determinant,
    shape=lambda op: [_batch_shape(op)] * 2,
    gradient=_log_determinant_gradient,
    sample=lambda: ([_general()], {}),
    doc="Signs of determinants, and logarithms of their absolute values.",
)
MatrixSolve = op(
    "MatrixSolve",
    "matrix: T, rhs: T -> output: T",
    T=_TYPES,
    adjoint=False,
    kernel=_solve,
    shape=_solution_shape,
    gradient=_solve_gradient,
    sample=lambda: ([_general(), np.array([[[1.0], [2.0]], [[0.5], [-1.0]]], np.float32)], {}),
    doc="Solutions of systems of linear equations.",
)
MatrixTriangularSolve = op(
    "MatrixTriangularSolve",
    "matrix: T, rhs: T -> output: T",
    T=_TYPES + (dtypes.bfloat16,),
    lower=True,
    adjoint=False,
    kernel=_triangular_solve,
    xla=_triangular_solve_xla,
    shape=_solution_shape,
    gradient=_triangular_gradient,
    sample=lambda: ([_general(), np.array([[1.0], [2.0]], np.float32)], {"adjoint": True}),
    doc="Solutions of systems of linear equations with triangular matrices.",
)
Qr = op(
    "Qr",
    "input: T -> q: T, r: T",
    T=_TYPES,
    full_matrices=False,
    kernel=_qr,
    shape=_qr_shape,
    gradient=_qr_gradient,
    sample=lambda: ([_tall()], {}),
    doc="Orthogonal and upper triangular factors.",
)
Svd = op(
    "Svd",
    "input: T -> s: T, u: T, v: T",
    T=_TYPES,
    compute_uv=True,
    full_matrices=False,
    kernel=_svd,
    shape=_svd_shape,
    gradient=_svd_gradient,
    sample=lambda: ([_tall()], {"compute_uv": False}),
    doc="Singular values and vectors.",
)
SelfAdjointEigV2 = op(
    "SelfAdjointEigV2",
    "input: T -> e: T, v: T",
    T=_TYPES,
    compute_v=True,
    kernel=_eigh,
    shape=_eigen_shape,
    gradient=_eigh_gradient,
    sample=lambda: ([_positive()], {"compute_v": False}),
    doc="Eigenvalues and eigenvectors of self-adjoint matrices.",
)
Eig = op(
    "Eig",
    "input: T -> e: Tout, v: Tout",
    T=(dtypes.float32, dtypes.float64) + dtypes.COMPLEX,
    Tout=dtypes.COMPLEX,
    compute_v=True,
    kernel=_eig,
    shape=_eigen_shape,
    gradient=_eig_gradient,
    host=True,
    sample=lambda: ([_general()], {"Tout": dtypes.complex64}),
    doc="Eigenvalues and eigenvectors.",
)
MatrixSolveLs = op(
    "MatrixSolveLs",
    "matrix: T, rhs: T, l2_regularizer: double -> output: T",
    T=_TYPES,
    fast=True,
    kernel=_least_squares,
    static=("l2_regularizer",),
    shape=_least_squares_shape,
    gradient=_least_squares_gradient,
    sample=lambda: ([_tall(), np.array([[1.0], [2.0], [0.5]], np.float32), np.array(0.1)], {}),
    doc="Solutions of least squares problems.",
)
Lu = op(
    "Lu",
    "input: T -> lu: T, p: output_idx_type",
    T=_TYPES,
    output_idx_type=Attr("type", dtypes.int32, allowed=(dtypes.int32, dtypes.int64)),
    kernel=_lu,
    xla=_lu_xla,
    shape=_lu_shape,
    no_gradient="TensorFlow has none either",
    sample=lambda: ([_general()], {}),
    doc="Lower and upper triangular factors, with partial pivoting.",
)
MatrixSquareRoot = op(
    "MatrixSquareRoot",
    "input: T -> output: T",
    T=_TYPES,
    kernel=_matrix_function("sqrtm"),
    shape=_square_shape,
    host=True,
    gradient=lambda doutput, *, input: _function_gradient(MatrixSquareRoot, doutput, input),
    sample=lambda: ([_positive()], {}),
    doc="Square roots of matrices.",
)
MatrixLogarithm = op(
    "MatrixLogarithm",
    "input: T -> output: T",
    T=dtypes.COMPLEX,
    kernel=_matrix_function("logm"),
    shape=_square_shape,
    host=True,
    no_gradient="TensorFlow has none either",
    sample=lambda: ([_positive().astype(np.complex64)], {}),
    doc="Logarithms of matrices.",
)
MatrixExponential = op(
    "MatrixExponential",
    "input: T -> output: T",
    T=_TYPES,
    kernel=_matrix_function("expm"),
    xla=_exponential_xla,
    shape=_square_shape,
    gradient=lambda doutput, *, input: _function_gradient(MatrixExponential, doutput, input),
    sample=lambda: ([_general()], {}),
    doc="Exponentials of matrices.",
)
