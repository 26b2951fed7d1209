"""The structure of matrices: diagonals, bands, triangles, traces, and cross products."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value
from everflow._src.framework.conversion import convert
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.ops.reductions import reduce_sum
from everflow._src.runtime.failures import invalid

_ALIGNMENTS = ("RIGHT_LEFT", "LEFT_RIGHT", "LEFT_LEFT", "RIGHT_RIGHT")
_ANY = dtypes.REAL + dtypes.COMPLEX + dtypes.QUANTIZED + (dtypes.bool,)

# ---- where the elements of packed diagonals lie


def _band(k: Any) -> tuple[int, int]:
    """The lowest and the highest diagonal.

    Raises:
      tf.errors.InvalidArgumentError: `k` is neither one number nor an ordered pair.
    """
    values = [int(v) for v in np.asarray(k).reshape(-1)]
    if len(values) not in (1, 2):
        raise invalid(f"diag_index must have only one or two elements, received {len(values)} elements.")
    low, high = values[0], values[-1]
    if low > high:
        raise invalid(f"lower_diag_index must not be larger than upper_diag_index: {low} > {high}")
    return low, high


def _length_of(diagonal: int, rows: int, columns: int) -> int:
    return min(rows + min(diagonal, 0), columns - max(diagonal, 0))


def _offset(diagonal: int, length: int, longest: int, align: str) -> int:
    """Where a diagonal starts in its row of packed diagonals."""
    above, _, below = align.partition("_")
    if diagonal >= 0 and above == "LEFT" or diagonal <= 0 and below == "LEFT":
        return 0
    return longest - length


def _matrix_positions(
    rows: int, columns: int, low: int, high: int, longest: int, align: str
) -> tuple[Any, Any]:
    """For every element of a matrix: is it on the diagonals, and at which place of the packed ones."""
    i, j = np.indices((rows, columns))
    inside = (j - i >= low) & (j - i <= high)
    place = np.zeros((rows, columns), np.int64)
    for diagonal in range(max(low, 1 - rows), min(high, columns - 1) + 1):
        length = _length_of(diagonal, rows, columns)
        steps = np.arange(length)
        start = _offset(diagonal, length, longest, align)
        place[steps + max(-diagonal, 0), steps + max(diagonal, 0)] = (
            (high - diagonal) * longest + start + steps
        )
    return inside, place


def _packed_positions(rows: int, columns: int, low: int, high: int, align: str) -> tuple[Any, Any]:
    """For every place of packed diagonals: is it used, and by which element of the flat matrix."""
    longest = max(_length_of(d, rows, columns) for d in range(low, high + 1))
    used = np.zeros((high - low + 1, longest), bool)
    place = np.zeros((high - low + 1, longest), np.int64)
    for diagonal in range(low, high + 1):
        length = _length_of(diagonal, rows, columns)
        steps = np.arange(length)
        start = _offset(diagonal, length, longest, align)
        used[high - diagonal, start + steps] = True
        place[high - diagonal, start + steps] = (
            (steps + max(-diagonal, 0)) * columns + steps + max(diagonal, 0)
        )
    return used, place


def _check_band(low: int, high: int, rows: int, columns: int) -> None:
    for name, value in (("lower_diag_index", low), ("upper_diag_index", high)):
        if not (-rows < value < columns or value == 0):
            raise invalid(f"{name} is out of bound: {value}. It must be between {-rows} and {columns}")


# ---- kernels


def _batch_of(diagonal: Any, low: int, high: int) -> tuple[int, ...]:
    if low == high:
        return diagonal.shape[:-1]
    if diagonal.ndim < 2 or diagonal.shape[-2] != high - low + 1:
        raise invalid(
            f"The number of diagonals provided in the input does not match the lower_diag_index and "
            f"upper_diag_index range: {list(diagonal.shape)} for {low} to {high}"
        )
    return diagonal.shape[:-2]


def _size_of_matrix(longest: int, low: int, high: int, rows: int, columns: int) -> tuple[int, int]:
    least_rows, least_columns = longest - min(high, 0), longest + max(low, 0)
    if rows == -1 and columns == -1:
        rows = columns = max(least_rows, least_columns)
    elif rows == -1:
        rows = least_rows
    elif columns == -1:
        columns = least_columns
    if rows < least_rows:
        raise invalid(f"The number of rows is too small: {rows} < {least_rows}")
    if columns < least_columns:
        raise invalid(f"The number of columns is too small: {columns} < {least_columns}")
    if rows != least_rows and columns != least_columns:
        raise invalid(
            "The number of rows or columns is not consistent with the specified d_lower, d_upper, and "
            "diagonal."
        )
    return rows, columns


def _make_matrix(xp: Any, diagonal: Any, k: Any, rows: Any, columns: Any, padding: Any, align: str) -> Any:
    low, high = _band(k)
    batch = _batch_of(diagonal, low, high)
    longest = diagonal.shape[-1]
    count, width = _size_of_matrix(longest, low, high, int(rows), int(columns))
    inside, place = _matrix_positions(count, width, low, high, longest, align)
    if not longest or not count or not width:
        return xp.broadcast_to(padding, (*batch, count, width)).astype(diagonal.dtype)
    flat = diagonal.reshape(*batch, -1)
    return xp.where(inside, flat[..., place], padding)


def _diagonals_of(xp: Any, matrix: Any, k: Any, padding: Any, align: str) -> Any:
    if matrix.ndim < 2:
        raise invalid(f"input must be at least 2-dim, received shape: {list(matrix.shape)}")
    low, high = _band(k)
    rows, columns = matrix.shape[-2:]
    _check_band(low, high, rows, columns)
    used, place = _packed_positions(rows, columns, low, high, align)
    flat = matrix.reshape(*matrix.shape[:-2], rows * columns)
    if used.size and rows * columns:
        packed = xp.where(used, flat[..., place], padding)
    else:
        packed = xp.zeros((*matrix.shape[:-2], *used.shape), matrix.dtype)
    return packed[..., 0, :] if low == high else packed


def _set_diagonals(xp: Any, matrix: Any, diagonal: Any, k: Any, align: str) -> Any:
    if matrix.ndim < 2:
        raise invalid(f"input must be at least 2-dim, received shape: {list(matrix.shape)}")
    low, high = _band(k)
    rows, columns = matrix.shape[-2:]
    _check_band(low, high, rows, columns)
    longest = max(_length_of(d, rows, columns) for d in range(low, high + 1))
    expected = (*matrix.shape[:-2], *(() if low == high else (high - low + 1,)), longest)
    if diagonal.shape != expected:
        raise invalid(
            f"Either first dimensions of diagonal don't match input.shape[:-2], or its last dimension is "
            f"not the longest diagonal: expected {list(expected)}, received {list(diagonal.shape)}"
        )
    if not matrix.size:
        return matrix
    inside, place = _matrix_positions(rows, columns, low, high, longest, align)
    return xp.where(inside, diagonal.reshape(*matrix.shape[:-2], -1)[..., place], matrix)


def _band_part(xp: Any, x: Any, lower: Any, upper: Any) -> Any:
    if x.ndim < 2:
        raise invalid(f"input must be at least 2-dim, received shape: {list(x.shape)}")
    rows, columns = x.shape[-2:]
    below, above = int(lower), int(upper)
    if below > rows:
        raise invalid(f"num_lower must be negative or less or equal to number of rows ({rows}) got: {below}")
    if above > columns:
        raise invalid(
            f"num_upper must be negative or less or equal to number of columns ({columns}) got: {above}"
        )
    i, j = np.indices((rows, columns))
    inside = np.ones((rows, columns), bool)
    if below >= 0:
        inside &= i - j <= below
    if above >= 0:
        inside &= j - i <= above
    return xp.where(inside, x, xp.zeros((), x.dtype))


def _tensor_diagonal(xp: Any, diagonal: Any) -> Any:
    size = diagonal.size
    matrix = xp.where(np.eye(size, dtype=bool), diagonal.reshape(-1)[None, :], xp.zeros((), diagonal.dtype))
    return matrix.reshape(*diagonal.shape, *diagonal.shape)


def _tensor_diagonal_part(xp: Any, x: Any) -> Any:
    half = x.ndim // 2
    if x.ndim == 0 or x.ndim % 2 or x.shape[:half] != x.shape[half:]:
        raise invalid(
            f"The rank of the tensor should be even and positive, and its halves alike, got shape "
            f"{list(x.shape)}"
        )
    size = int(np.prod(x.shape[:half]))
    return xp.diagonal(x.reshape(size, size)).reshape(x.shape[:half])


def _cross(xp: Any, a: Any, b: Any) -> Any:
    if a.shape != b.shape or a.ndim < 1 or a.shape[-1] != 3:
        raise invalid(
            f"inputs must be of the same shape with a last dimension of 3, received {list(a.shape)} and "
            f"{list(b.shape)}"
        )
    a0, a1, a2 = a[..., 0], a[..., 1], a[..., 2]
    b0, b1, b2 = b[..., 0], b[..., 1], b[..., 2]
    return xp.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], -1)


# ---- shapes


def _known_band(tensor: Any) -> tuple[int, int] | None:
    k = constant_value(tensor)
    return None if k is None else (int(k.reshape(-1)[0]), int(k.reshape(-1)[-1]))


def _number(tensor: Any) -> int | None:
    value = constant_value(tensor)
    return None if value is None else int(value.reshape(()))


def _matrix_shape(op: Any) -> TensorShape:
    dims = op._inputs[0]._shape._dims
    band = _known_band(op._inputs[1])
    rows, columns = _number(op._inputs[2]), _number(op._inputs[3])
    if dims is None or band is None:
        return TensorShape(None)
    batch = dims[:-1] if band[0] == band[1] else dims[:-2]
    longest = dims[-1]
    if longest is None or rows is None or columns is None:
        known = (None if rows in (None, -1) else rows, None if columns in (None, -1) else columns)
        return TensorShape((*batch, *known))
    least_rows, least_columns = longest - min(band[1], 0), longest + max(band[0], 0)
    if rows == -1 and columns == -1:
        rows = columns = max(least_rows, least_columns)
    return TensorShape(
        (*batch, least_rows if rows == -1 else rows, least_columns if columns == -1 else columns)
    )


def _diagonals_shape(op: Any) -> TensorShape:
    dims = op._inputs[0]._shape._dims
    band = _known_band(op._inputs[1])
    if dims is None or band is None:
        return TensorShape(None)
    if len(dims) < 2:
        raise ValueError(f"Shape must be at least rank 2 but is rank {len(dims)}")
    rows, columns = dims[-2:]
    longest = None
    if rows is not None and columns is not None:
        longest = max(_length_of(d, rows, columns) for d in range(band[0], band[1] + 1))
    return TensorShape((*dims[:-2], *(() if band[0] == band[1] else (band[1] - band[0] + 1,)), longest))


def _square_shape(op: Any) -> TensorShape:
    dims = op._inputs[0]._shape._dims
    return TensorShape(None if dims is None else (*dims, dims[-1]))


def _main_diagonal_shape(op: Any) -> TensorShape:
    dims = op._inputs[0]._shape._dims
    if dims is None:
        return TensorShape(None)
    if len(dims) < 2:
        raise ValueError(f"Shape must be at least rank 2 but is rank {len(dims)}")
    return TensorShape((*dims[:-2], None if None in dims[-2:] else min(dims[-2:])))


def _halved_shape(op: Any) -> TensorShape:
    dims = op._inputs[0]._shape._dims
    if dims is None:
        return TensorShape(None)
    if len(dims) % 2 or not dims:
        raise ValueError(f"Input must have even and non-zero rank, input rank is {len(dims)}")
    half = len(dims) // 2
    return TensorShape(dims[:half]).merge_with(TensorShape(dims[half:]))


def _doubled_shape(op: Any) -> TensorShape:
    dims = op._inputs[0]._shape._dims
    return TensorShape(None if dims is None else dims * 2)


# ---- gradients


def _zero_of(tensor: Any) -> Any:
    return np.zeros((), tensor.dtype.numpy_dtype)


def _matrix_gradient(doutput: Any, *, k: Any, align: str) -> Any:
    return MatrixDiagPartV3(doutput, k, _zero_of(doutput), align=align), None, None, None, None


def _diagonals_gradient(ddiagonal: Any, *, input: Any, k: Any, align: str) -> Any:
    return MatrixSetDiagV3(cards.ZerosLike(input), ddiagonal, k, align=align), None, None


def _set_gradient(doutput: Any, *, diagonal: Any, k: Any, align: str) -> Any:
    rest = MatrixSetDiagV3(doutput, cards.ZerosLike(diagonal), k, align=align)
    return rest, MatrixDiagPartV3(doutput, k, _zero_of(doutput), align=align), None


def _band_gradient(dband: Any, *, num_lower: Any, num_upper: Any) -> Any:
    return MatrixBandPart(dband, num_lower, num_upper), None, None


# ---- cards

_MAIN = np.zeros((), np.int32)


def _vector() -> Any:
    return np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], np.float32)


def _matrix() -> Any:
    return np.arange(1, 13, dtype=np.float32).reshape(3, 4)


MatrixDiagV3 = op(
    "MatrixDiagV3",
    "diagonal: T, k: int32, num_rows: int32, num_cols: int32, padding_value: T -> output: T",
    T=_ANY,
    align="RIGHT_LEFT",
    kernel=lambda xp, d, k, rows, columns, padding, *, align: _make_matrix(
        xp, d, k, rows, columns, padding, align
    ),
    static=("k", "num_rows", "num_cols"),
    shape=_matrix_shape,
    gradient=_matrix_gradient,
    sample=lambda: ([_vector(), np.array([-1, 0], np.int32), np.int32(-1), np.int32(-1), np.float32(0)], {}),
    doc="Matrices of packed diagonals.",
)
MatrixDiagV2 = op(
    "MatrixDiagV2",
    "diagonal: T, k: int32, num_rows: int32, num_cols: int32, padding_value: T -> output: T",
    T=_ANY,
    kernel=lambda xp, d, k, rows, columns, padding: _make_matrix(
        xp, d, k, rows, columns, padding, "LEFT_LEFT"
    ),
    static=("k", "num_rows", "num_cols"),
    shape=_matrix_shape,
    gradient=lambda doutput, *, k: _matrix_gradient(doutput, k=k, align="LEFT_LEFT"),
    sample=lambda: ([_vector(), np.array([-1, 0], np.int32), np.int32(-1), np.int32(-1), np.float32(0)], {}),
    doc="Matrices of packed diagonals.",
)
MatrixDiag = op(
    "MatrixDiag",
    "diagonal: T -> output: T",
    T=_ANY,
    kernel=lambda xp, d: _make_matrix(xp, d, _MAIN, -1, -1, xp.zeros((), d.dtype), "LEFT_LEFT"),
    shape=_square_shape,
    gradient=lambda doutput: MatrixDiagPart(doutput),
    sample=lambda: ([_vector()], {}),
    doc="Matrices with a main diagonal.",
)
MatrixDiagPartV3 = op(
    "MatrixDiagPartV3",
    "input: T, k: int32, padding_value: T -> diagonal: T",
    T=_ANY,
    align="RIGHT_LEFT",
    kernel=lambda xp, x, k, padding, *, align: _diagonals_of(xp, x, k, padding, align),
    static=("k",),
    shape=_diagonals_shape,
    gradient=_diagonals_gradient,
    sample=lambda: ([_matrix(), np.array([-1, 1], np.int32), np.float32(0)], {}),
    doc="Diagonals of matrices, packed.",
)
MatrixDiagPartV2 = op(
    "MatrixDiagPartV2",
    "input: T, k: int32, padding_value: T -> diagonal: T",
    T=_ANY,
    kernel=lambda xp, x, k, padding: _diagonals_of(xp, x, k, padding, "LEFT_LEFT"),
    static=("k",),
    shape=_diagonals_shape,
    gradient=lambda ddiagonal, *, input, k: _diagonals_gradient(
        ddiagonal, input=input, k=k, align="LEFT_LEFT"
    ),
    sample=lambda: ([_matrix(), np.array([-1, 1], np.int32), np.float32(0)], {}),
    doc="Diagonals of matrices, packed.",
)
MatrixDiagPart = op(
    "MatrixDiagPart",
    "input: T -> diagonal: T",
    T=_ANY,
    kernel=lambda xp, x: xp.diagonal(x, 0, -2, -1),
    shape=_main_diagonal_shape,
    gradient=lambda ddiagonal, *, input: MatrixSetDiag(cards.ZerosLike(input), ddiagonal),
    sample=lambda: ([_matrix()], {}),
    doc="Main diagonals of matrices.",
)
MatrixSetDiagV3 = op(
    "MatrixSetDiagV3",
    "input: T, diagonal: T, k: int32 -> output: T",
    T=_ANY,
    align="RIGHT_LEFT",
    kernel=lambda xp, x, d, k, *, align: _set_diagonals(xp, x, d, k, align),
    static=("k",),
    shape=shapes.unchanged,
    gradient=_set_gradient,
    sample=lambda: ([_matrix(), np.array([9.0, 8.0, 7.0], np.float32), np.array(1, np.int32)], {}),
    doc="Matrices with other diagonals.",
)
MatrixSetDiagV2 = op(
    "MatrixSetDiagV2",
    "input: T, diagonal: T, k: int32 -> output: T",
    T=_ANY,
    kernel=lambda xp, x, d, k: _set_diagonals(xp, x, d, k, "LEFT_LEFT"),
    static=("k",),
    shape=shapes.unchanged,
    gradient=lambda doutput, *, diagonal, k: _set_gradient(
        doutput, diagonal=diagonal, k=k, align="LEFT_LEFT"
    ),
    sample=lambda: ([_matrix(), np.array([9.0, 8.0, 7.0], np.float32), np.array(1, np.int32)], {}),
    doc="Matrices with other diagonals.",
)
MatrixSetDiag = op(
    "MatrixSetDiag",
    "input: T, diagonal: T -> output: T",
    T=_ANY,
    kernel=lambda xp, x, d: _set_diagonals(xp, x, d, _MAIN, "LEFT_LEFT"),
    shape=shapes.unchanged,
    gradient=lambda doutput, *, diagonal: _set_gradient(
        doutput, diagonal=diagonal, k=_MAIN, align="LEFT_LEFT"
    )[:2],
    sample=lambda: ([_matrix(), np.array([9.0, 8.0, 7.0], np.float32)], {}),
    doc="Matrices with another main diagonal.",
)
MatrixBandPart = op(
    "MatrixBandPart",
    "input: T, num_lower: Tindex, num_upper: Tindex -> band: T",
    T=_ANY,
    Tindex=Attr("type", dtypes.int64, allowed=(dtypes.int32, dtypes.int64)),
    kernel=_band_part,
    static=("num_lower", "num_upper"),
    shape=shapes.unchanged,
    gradient=_band_gradient,
    sample=lambda: ([_matrix(), np.int64(1), np.int64(0)], {}),
    doc="Matrices with zeros outside of a band.",
)

_DIAGONAL_TYPES = dtypes.FLOATS + (dtypes.int32, dtypes.int64) + dtypes.COMPLEX

Diag = op(
    "Diag",
    "diagonal: T -> output: T",
    T=_DIAGONAL_TYPES,
    kernel=_tensor_diagonal,
    shape=_doubled_shape,
    gradient=lambda doutput: DiagPart(doutput),
    sample=lambda: ([_vector()], {}),
    doc="A tensor of twice the rank, zero off its diagonal.",
)
DiagPart = op(
    "DiagPart",
    "input: T -> diagonal: T",
    T=_DIAGONAL_TYPES,
    kernel=_tensor_diagonal_part,
    shape=_halved_shape,
    gradient=lambda ddiagonal: Diag(ddiagonal),
    sample=lambda: ([np.arange(16, dtype=np.float32).reshape(2, 2, 2, 2)], {}),
    doc="The diagonal of a tensor of even rank.",
)


def _cross_gradient(dproduct: Any, *, a: Any, b: Any) -> Any:
    return Cross(b, dproduct), Cross(dproduct, a)


Cross = op(
    "Cross",
    "a: T, b: T -> product: T",
    T=dtypes.REAL,
    kernel=_cross,
    shape=shapes.merged,
    gradient=_cross_gradient,
    sample=lambda: ([np.array([1.0, 2, 3], np.float32), np.array([4.0, 5, 7], np.float32)], {}),
    doc="Cross products of vectors in space.",
)


# ---- public functions


def _padding(value: Any, like: Any) -> Any:
    if isinstance(value, Tensor):
        return value
    if like.dtype.base_dtype == dtypes.bool and value == 0:
        value = False
    return np.asarray(value).astype(like.dtype.numpy_dtype) if np.ndim(value) == 0 else value


def _checked_alignment(align: str) -> str:
    if align not in _ALIGNMENTS:
        raise ValueError(f"align must be one of {', '.join(_ALIGNMENTS)}. Received: {align!r}")
    return align


@export("linalg.diag", v1=["linalg.diag", "matrix_diag"])
def diag(
    diagonal: Any,
    name: str = "diag",
    k: Any = 0,
    num_rows: Any = -1,
    num_cols: Any = -1,
    padding_value: Any = 0,
    align: str = "RIGHT_LEFT",
) -> Any:
    """Matrices with given diagonals.

    Args:
      diagonal: tensor of shape [..., length] for one diagonal, [..., diagonals, length] for several, the
        highest first.
      name: name of the operation.
      k: which diagonal (0 is the main one, positive ones lie above it), or a pair: the lowest and the highest.
      num_rows, num_cols: size of the matrices; -1 for what the diagonals need.
      padding_value: what fills the rest.
      align: how shorter diagonals above and below the main one are placed in `diagonal`: "RIGHT_LEFT",
        "LEFT_RIGHT", "LEFT_LEFT" or "RIGHT_RIGHT".

    Returns:
      A tensor of shape [..., num_rows, num_cols].

    >>> import everflow as tf
    >>> tf.linalg.diag([1, 2], k=1)
    <tf.Tensor: shape=(3, 3), dtype=int32, numpy=
    array([[0, 1, 0],
           [0, 0, 2],
           [0, 0, 0]], dtype=int32)>
    """
    diagonal = convert(diagonal, name="diagonal")
    return MatrixDiagV3(
        diagonal,
        k,
        num_rows,
        num_cols,
        _padding(padding_value, diagonal),
        align=_checked_alignment(align),
        name=name,
    )


@export("linalg.diag_part", v1=["linalg.diag_part", "matrix_diag_part"])
def diag_part(
    input: Any, name: str = "diag_part", k: Any = 0, padding_value: Any = 0, align: str = "RIGHT_LEFT"
) -> Any:
    """Diagonals of matrices.

    Args:
      input: tensor of shape [..., rows, columns].
      name: name of the operation.
      k: which diagonal, or a pair: the lowest and the highest.
      padding_value: what fills up shorter diagonals.
      align: how shorter diagonals above and below the main one are placed, see `tf.linalg.diag`.

    Returns:
      A tensor of shape [..., length], or [..., diagonals, length] for several diagonals.

    >>> import everflow as tf
    >>> tf.linalg.diag_part([[1, 2], [3, 4]])
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([1, 4], dtype=int32)>
    """
    input = convert(input, name="input")
    return MatrixDiagPartV3(
        input, k, _padding(padding_value, input), align=_checked_alignment(align), name=name
    )


@export("linalg.set_diag", v1=["linalg.set_diag", "matrix_set_diag"])
def set_diag(input: Any, diagonal: Any, name: str = "set_diag", k: Any = 0, align: str = "RIGHT_LEFT") -> Any:
    """Matrices with other diagonals.

    Args:
      input: tensor of shape [..., rows, columns].
      diagonal: the new diagonals, packed as `tf.linalg.diag_part` gives them.
      name: name of the operation.
      k: which diagonal, or a pair: the lowest and the highest.
      align: how shorter diagonals above and below the main one are placed, see `tf.linalg.diag`.

    >>> import everflow as tf
    >>> tf.linalg.set_diag([[1, 2], [3, 4]], [0, 0])
    <tf.Tensor: shape=(2, 2), dtype=int32, numpy=
    array([[0, 2],
           [3, 0]], dtype=int32)>
    """
    return MatrixSetDiagV3(input, diagonal, k, align=_checked_alignment(align), name=name)


@export("linalg.band_part", v1=["linalg.band_part", "matrix_band_part"])
def band_part(input: Any, num_lower: Any, num_upper: Any, name: str | None = None) -> Any:
    """Matrices with zeros outside of a band around the main diagonal.

    Args:
      input: tensor of shape [..., rows, columns].
      num_lower: number of diagonals below the main one that are kept; all when negative.
      num_upper: number of diagonals above it that are kept; all when negative.
      name: name of the operation.

    >>> import everflow as tf
    >>> tf.linalg.band_part([[1, 2], [3, 4]], -1, 0)
    <tf.Tensor: shape=(2, 2), dtype=int32, numpy=
    array([[1, 0],
           [3, 4]], dtype=int32)>
    """
    if not isinstance(num_lower, Tensor) and not isinstance(num_upper, Tensor):
        num_lower, num_upper = np.asarray(num_lower, np.int64), np.asarray(num_upper, np.int64)
    return MatrixBandPart(input, num_lower, num_upper, name=name)


@export("linalg.tensor_diag", v1=["diag", "linalg.tensor_diag"])
def tensor_diag(diagonal: Any, name: str | None = None) -> Any:
    """A tensor of twice the rank that holds `diagonal` where both halves of the indices agree.

    >>> import everflow as tf
    >>> tf.linalg.tensor_diag([1, 2])
    <tf.Tensor: shape=(2, 2), dtype=int32, numpy=
    array([[1, 0],
           [0, 2]], dtype=int32)>
    """
    return Diag(diagonal, name=name)


@export("linalg.tensor_diag_part", v1=["diag_part", "linalg.tensor_diag_part"])
def tensor_diag_part(input: Any, name: str | None = None) -> Any:
    """The elements of a tensor of even rank where both halves of the indices agree.

    >>> import everflow as tf
    >>> tf.linalg.tensor_diag_part([[1, 2], [3, 4]])
    <tf.Tensor: shape=(2,), dtype=int32, numpy=array([1, 4], dtype=int32)>
    """
    return DiagPart(input, name=name)


@export("linalg.trace", v1=["linalg.trace", "trace"])
def trace(x: Any, name: str | None = None) -> Any:
    """Sums of the main diagonals of matrices.

    Args:
      x: tensor of shape [..., rows, columns].
      name: name of the operation.

    Returns:
      A tensor of shape [...].

    >>> import everflow as tf
    >>> tf.linalg.trace([[1, 2], [3, 4]])
    <tf.Tensor: shape=(), dtype=int32, numpy=5>
    """
    with name_scope(name, "Trace") as scope:
        return reduce_sum(diag_part(convert(x, name="x")), [-1], name=scope or None)


@export("linalg.cross", v1=["cross", "linalg.cross"])
def cross(a: Any, b: Any, name: str | None = None) -> Any:
    """Cross products of vectors with three elements, along the last axis.

    >>> import everflow as tf
    >>> tf.linalg.cross([1, 2, 3], [4, 5, 6])
    <tf.Tensor: shape=(3,), dtype=int32, numpy=array([-3,  6, -3], dtype=int32)>
    """
    return Cross(a, b, name=name)


@export("eye", "linalg.eye")
def eye(
    num_rows: Any,
    num_columns: Any = None,
    batch_shape: Any = None,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Any:
    """Identity matrices.

    Args:
      num_rows: number of rows.
      num_columns: number of columns; as many as rows when None.
      batch_shape: shape of a batch of such matrices; one matrix when None.
      dtype: dtype of the result.
      name: name of the operations.

    >>> import everflow as tf
    >>> tf.eye(2)
    <tf.Tensor: shape=(2, 2), dtype=float32, numpy=
    array([[1., 0.],
           [0., 1.]], dtype=float32)>
    """
    with name_scope(name, "eye"):
        target = as_dtype(dtype)
        square = num_columns is None
        columns = num_rows if square else num_columns
        known = [_plain_number(v) for v in (num_rows, columns)]
        batch = _plain_shape(batch_shape)
        one = np.ones((), target.numpy_dtype)
        if None not in known and batch is not None:
            for label, value in zip(("num_rows", "num_columns"), known):
                if value < 0:
                    raise ValueError(
                        f"Arguments `num_rows` and `num_columns` must be positive integer values. "
                        f"Received: {label}={value}"
                    )
            diagonal: Any = np.ones((*batch, min(known)), target.numpy_dtype)
        else:
            rows = convert(num_rows, dtypes.int32 if not isinstance(num_rows, Tensor) else None)
            length = cards.Minimum(rows, columns)
            shape = cards.Reshape(length, np.array([1], np.int32))
            if batch_shape is not None:
                shape = cards.ConcatV2([convert(batch_shape, shape.dtype.base_dtype), shape], np.int32(0))
            diagonal = cards.Fill(shape, one)
        if square:
            return diag(diagonal)
        zeros = cards.Fill(_joined_shape(batch_shape, num_rows, columns), np.zeros((), target.numpy_dtype))
        return set_diag(zeros, diagonal)


def _joined_shape(batch_shape: Any, rows: Any, columns: Any) -> Any:
    known = [_plain_number(v) for v in (rows, columns)]
    batch = _plain_shape(batch_shape)
    if None not in known and batch is not None:
        return np.array([*batch, *known], np.int32)
    last = cards.Pack([rows, columns])
    if batch_shape is None:
        return last
    return cards.ConcatV2([convert(batch_shape, last.dtype.base_dtype), last], np.int32(0))


def _plain_number(value: Any) -> int | None:
    if isinstance(value, Tensor):
        value = constant_value(value)
        return None if value is None else int(value)
    return int(value)


def _plain_shape(value: Any) -> tuple[int, ...] | None:
    if value is None:
        return ()
    if isinstance(value, TensorShape):
        return tuple(value.as_list())
    if isinstance(value, Tensor):
        value = constant_value(value)
        return None if value is None else tuple(int(v) for v in value.reshape(-1))
    if any(isinstance(v, Tensor) for v in np.atleast_1d(np.array(value, object))):
        return None
    return tuple(int(v) for v in np.asarray(value).reshape(-1))


@export("linalg.adjoint")
def adjoint(matrix: Any, name: str | None = None) -> Any:
    """The conjugate transpose of matrices.

    Args:
      matrix: tensor of shape [..., rows, columns].
      name: name of the operations.

    Returns:
      A tensor of shape [..., columns, rows].

    >>> import everflow as tf
    >>> tf.linalg.adjoint([[1j, 2.]])
    <tf.Tensor: shape=(2, 1), dtype=complex128, numpy=
    array([[0.-1.j],
           [2.-0.j]])>
    """
    with name_scope(name, "adjoint"):
        matrix = convert(matrix, name="matrix")
        rank = matrix._rank
        if rank is None:
            last = cards.Rank(matrix)
            order = cards.ConcatV2(
                [
                    cards.Range(np.int32(0), last - np.int32(2), np.int32(1)),
                    cards.Pack([last - np.int32(1), last - np.int32(2)]),
                ],
                np.int32(0),
            )
        else:
            if rank < 2:
                raise ValueError(
                    f"Argument `matrix` should be a (batch) matrix with rank >= 2. Received shape "
                    f"{matrix.shape}"
                )
            order = np.array([*range(rank - 2), rank - 1, rank - 2], np.int32)
        turned = cards.Transpose(matrix, order)
        return cards.Conj(turned) if turned.dtype.is_complex else turned
