"""Products of matrices and tensors: matmul, matvec, tensordot."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value
from everflow._src.framework.context import STATE, is_needed
from everflow._src.framework.conversion import convert
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.tensor import EagerTensor, Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.broadcasting import sum_to_shape
from everflow._src.ops.by_name import cards
from everflow._src.ops.math_arithmetic import conjugated
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid
from everflow._src.runtime.native import product as native
from everflow._src.runtime.unfinished import Unfinished, finished

_FAST = frozenset(np.dtype(n) for n in ("float32", "float64"))
_SMALL = 4096
_SMALL_FLOATS = frozenset(d.numpy_dtype for d in (dtypes.float16, dtypes.bfloat16))


def _text(shape: Any) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


# ---- kernels


def _product(xp: Any, a: Any, b: Any) -> Any:
    """The matrix product, accumulated in float32 for the small floating point types."""
    if a.dtype in _SMALL_FLOATS and xp is np:
        return _product(np, a.astype(np.float32), b.astype(np.float32)).astype(a.dtype)
    if a.ndim == 2 and b.ndim == 2 and xp is np:
        found = native.eager(a, b) if a.size * b.shape[1] >= native.LEAST_EAGER_WORK else None
        if found is not None:
            return found
        return np.dot(a, b)  # np.dot costs half of what np.matmul does for small matrices
    return xp.matmul(a, b)


def _check_matrices(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> None:
    if a.ndim != 2 or b.ndim != 2:
        if a.ndim != b.ndim:
            raise invalid(f"In[0] and In[1] has different ndims: {_text(a.shape)} vs. {_text(b.shape)}")
        raise invalid(f"In[0] and In[1] ndims must be == 2: {a.ndim}")
    inner_a, inner_b = a.shape[0 if transpose_a else 1], b.shape[1 if transpose_b else 0]
    if inner_a != inner_b:
        raise invalid(f"Matrix size-incompatible: In[0]: {_text(a.shape)}, In[1]: {_text(b.shape)}")


def _matmul_kernel(xp: Any, a: Any, b: Any, *, transpose_a: bool, transpose_b: bool) -> Any:
    _check_matrices(a, b, transpose_a, transpose_b)
    return _product(xp, a.T if transpose_a else a, b.T if transpose_b else b)


def _matmul_xla(jax: Any, a: Any, b: Any, *, transpose_a: bool, transpose_b: bool) -> Any:
    _check_matrices(a, b, transpose_a, transpose_b)
    return _held_back(jax, a, b, transpose_a, transpose_b)


def compiled_product(jax: Any, a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
    """The product of tracers, by the native kernels where these are faster than XLA."""
    return finished(_held_back(jax, a, b, transpose_a, transpose_b))


def _held_back(jax: Any, a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
    """The same, held back where it can be computed with what comes behind it."""

    def otherwise(a: Any, b: Any) -> Any:
        left = _turned(a) if transpose_a else a
        if transpose_a and not transpose_b and _is_copied_first(jax, a):
            left = jax.lax.optimization_barrier(left)
        return jax.numpy.matmul(left, _turned(b) if transpose_b else b)

    found = native.held_back(jax, a, b, transpose_a, transpose_b, otherwise)
    return otherwise(a, b) if found is None else found


# Transposed left operands of fewer elements are not worth a copy.
_LEAST_COPIED = 4096


def _is_copied_first(jax: Any, a: Any) -> bool:
    """Whether XLA is kept from multiplying by the transpose of `a` in place.

    On a CPU it takes up to a third less time for the transposed copy and a plain product together.
    """
    return (
        a.ndim == 2 and a.dtype == np.float32 and a.size >= _LEAST_COPIED
        and not native.is_left_to_xla() and jax.default_backend() == "cpu"
    )


def _turned(x: Any) -> Any:
    return x.swapaxes(-1, -2)


def _adjoint(xp: Any, x: Any) -> Any:
    x = xp.swapaxes(x, -1, -2)
    return xp.conj(x) if x.dtype.kind == "c" else x


def _check_batches(x: Any, y: Any, adj_x: bool, adj_y: bool) -> None:
    if x.ndim < 2 or y.ndim < 2:
        which, ndims = (0, x.ndim) if x.ndim < 2 else (1, y.ndim)
        raise invalid(f"In[{which}] ndims must be >= 2: {ndims}")
    inner_x, inner_y = x.shape[-2 if adj_x else -1], y.shape[-1 if adj_y else -2]
    if inner_x != inner_y:
        raise invalid(f"Matrix size-incompatible: In[0]: {_text(x.shape)}, In[1]: {_text(y.shape)}")


def _batch_matmul_xla(jax: Any, x: Any, y: Any, *, adj_x: bool, adj_y: bool) -> Any:
    _check_batches(x, y, adj_x, adj_y)
    if y.ndim == 2 and x.ndim > 2 and x.dtype == np.float32 and 0 not in x.shape:
        x = _turned(x) if adj_x else x
        product = _held_back(jax, x.reshape(-1, x.shape[-1]), y, False, adj_y)
        shape = (*x.shape[:-1], product.shape[-1])
        return product.reshaped(shape) if isinstance(product, Unfinished) else product.reshape(shape)
    if x.shape[:-2] != y.shape[:-2] or x.dtype != np.float32:
        return _batch_matmul_kernel(jax.numpy, x, y, adj_x=adj_x, adj_y=adj_y)
    return compiled_product(jax, x, y, adj_x, adj_y)


def _batch_matmul_kernel(xp: Any, x: Any, y: Any, *, adj_x: bool, adj_y: bool) -> Any:
    _check_batches(x, y, adj_x, adj_y)
    x = _adjoint(xp, x) if adj_x else x
    y = _adjoint(xp, y) if adj_y else y
    if y.ndim == 2 and x.ndim > 2 and 0 not in x.shape:
        # One flat product is much faster than a batch of products with the same matrix.
        return _product(xp, x.reshape(-1, x.shape[-1]), y).reshape(*x.shape[:-1], y.shape[-1])
    return _product(xp, x, y)


def _batch_matmul_v3_kernel(xp: Any, x: Any, y: Any, *, adj_x: bool, adj_y: bool, Tout: Any) -> Any:
    target = Tout.numpy_dtype
    return _batch_matmul_kernel(xp, x.astype(target), y.astype(target), adj_x=adj_x, adj_y=adj_y)


# ---- shapes


def _merge_inner(left: int | None, right: int | None) -> None:
    if left is not None and right is not None and left != right:
        raise ValueError(f"Dimensions must be equal, but are {left} and {right}")


def _matmul_shape(op: Any) -> TensorShape:
    a = shapes.with_rank(op._inputs[0]._shape, 2)._dims
    b = shapes.with_rank(op._inputs[1]._shape, 2)._dims
    rows, inner_a = a[::-1] if op._attrs["transpose_a"] else a
    inner_b, columns = b[::-1] if op._attrs["transpose_b"] else b
    _merge_inner(inner_a, inner_b)
    return TensorShape((rows, columns))


def _batch_matmul_shape(op: Any) -> TensorShape:
    x, y = op._inputs[0]._shape._dims, op._inputs[1]._shape._dims
    for dims in (x, y):
        if dims is not None and len(dims) < 2:
            raise ValueError(f"Shape must be at least rank 2 but is rank {len(dims)}")
    if x is None or y is None:
        return TensorShape(None)
    rows, inner_x = x[:-3:-1] if op._attrs["adj_x"] else x[-2:]
    inner_y, columns = y[:-3:-1] if op._attrs["adj_y"] else y[-2:]
    _merge_inner(inner_x, inner_y)
    return TensorShape((*shapes.broadcast_dims(x[:-2], y[:-2]), rows, columns))  # type: ignore[misc]


# ---- gradients


def _matmul_gradient(dy: Any, *, a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
    left, right = is_needed(0), is_needed(1)
    a, b = conjugated(a), conjugated(b)
    if not transpose_a and not transpose_b:
        return (MatMul(dy, b, transpose_b=True) if left else None, MatMul(a, dy, transpose_a=True) if right else None)
    if not transpose_a:
        return MatMul(dy, b) if left else None, MatMul(dy, a, transpose_a=True) if right else None
    if not transpose_b:
        return MatMul(b, dy, transpose_b=True) if left else None, MatMul(a, dy) if right else None
    return (
        MatMul(b, dy, transpose_a=True, transpose_b=True) if left else None,
        MatMul(dy, a, transpose_a=True, transpose_b=True) if right else None,
    )


def _gradient_by_left(multiply: Any, dy: Any, y: Any, adj_x: bool, adj_y: bool) -> Any:
    if not adj_x:
        return multiply(dy, y, adj_y=not adj_y)
    return multiply(y, dy, adj_x=adj_y, adj_y=True)


def _gradient_by_right(multiply: Any, dy: Any, x: Any, adj_x: bool, adj_y: bool) -> Any:
    if not adj_y:
        return multiply(x, dy, adj_x=not adj_x)
    return multiply(dy, x, adj_x=True, adj_y=adj_x)


def _transposed(x: Any) -> Any:
    """`x` with its last two axes exchanged."""
    rank = x._rank
    return cards.Transpose(x, np.array([*range(rank - 2), rank - 1, rank - 2], np.int32))


def _rows(x: Any) -> Any:
    """All vectors along the last axis of `x`, as the rows of one matrix."""
    dims = x._shape_tuple()
    if len(dims) == 2:
        return x
    if None not in dims:
        return cards.Reshape(x, np.array([int(np.prod(dims[:-1])), dims[-1]], np.int32))
    if dims[-1]:
        return cards.Reshape(x, np.array([-1, dims[-1]], np.int32))
    shape = cards.Shape(x)
    count = cards.Prod(cards.GatherV2(shape, np.arange(len(dims) - 1, dtype=np.int32), np.int32(0)), np.int32(0))
    return cards.Reshape(x, cards.Pack([count, cards.GatherV2(shape, np.int32(len(dims) - 1), np.int32(0))]))


def _shared_right_gradient(dy: Any, x: Any, adj_x: bool, adj_y: bool) -> Any:
    """The gradient of the one matrix that all matrices of a batch were multiplied by.

    One product over the rows of the whole batch: the sum of a batch of products would first write them all.
    """
    left, out = _rows(conjugated(_transposed(x)) if adj_x else x), _rows(dy)
    if adj_y:
        return MatMul(conjugated(out), left, transpose_a=True)
    return MatMul(conjugated(left), out, transpose_a=True)


def _shared_left_gradient(dy: Any, y: Any, adj_x: bool, adj_y: bool) -> Any:
    """The gradient of the one matrix that multiplied all matrices of a batch."""
    right, out = _rows(conjugated(y) if adj_y else _transposed(y)), _rows(_transposed(dy))
    if adj_x:
        return MatMul(right, conjugated(out), transpose_a=True)
    return MatMul(out, conjugated(right), transpose_a=True)


def _batch_matmul_gradient(
    dy: Any, *, x: Any, y: Any, x_shape: Any, y_shape: Any, adj_x: bool, adj_y: bool
) -> Any:
    rank_x, rank_y, rank = x._rank, y._rank, dy._rank
    by_x = by_y = None
    if is_needed(0):
        if rank_x == 2 and rank_y is not None and rank_y > 2 and rank == rank_y:
            by_x = _shared_left_gradient(dy, y, adj_x, adj_y)
        else:
            by_x = sum_to_shape(_gradient_by_left(BatchMatMulV2, dy, y, adj_x, adj_y), x_shape, y_shape, 2)
    if is_needed(1):
        if rank_y == 2 and rank_x is not None and rank_x > 2 and rank == rank_x:
            by_y = _shared_right_gradient(dy, x, adj_x, adj_y)
        else:
            by_y = sum_to_shape(_gradient_by_right(BatchMatMulV2, dy, x, adj_x, adj_y), y_shape, x_shape, 2)
    return by_x, by_y


def _batch_matmul_v3_gradient(
    dy: Any, *, x: Any, y: Any, x_shape: Any, y_shape: Any, adj_x: bool, adj_y: bool
) -> Any:
    def multiply(left: Any, right: Any, **attrs: Any) -> Any:
        return BatchMatMulV3(left, right, Tout=dy.dtype.base_dtype, **attrs)

    dx = sum_to_shape(_gradient_by_left(multiply, dy, y, adj_x, adj_y), x_shape, y_shape, 2)
    dy_ = sum_to_shape(_gradient_by_right(multiply, dy, x, adj_x, adj_y), y_shape, x_shape, 2)
    if dx.dtype.base_dtype != x.dtype.base_dtype:
        dx = cards.Cast(dx, DstT=x.dtype.base_dtype)
    if dy_.dtype.base_dtype != y.dtype.base_dtype:
        dy_ = cards.Cast(dy_, DstT=y.dtype.base_dtype)
    return dx, dy_


# ---- cards

_MATMUL_TYPES = dtypes.FLOATS + (dtypes.int32, dtypes.int64) + dtypes.UNSIGNED + dtypes.COMPLEX


def _matrices() -> tuple[Any, Any]:
    return (
        np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3),
        np.linspace(0.5, 2, 12, dtype=np.float32).reshape(3, 4),
    )


def _batches() -> tuple[Any, Any]:
    return (
        np.linspace(-1, 1, 12, dtype=np.float32).reshape(2, 1, 2, 3),
        np.linspace(0.5, 2, 36, dtype=np.float32).reshape(3, 3, 4),
    )


MatMul = op(
    "MatMul",
    "a: T, b: T -> product: T",
    T=_MATMUL_TYPES,
    transpose_a=False,
    transpose_b=False,
    kernel=_matmul_kernel,
    xla=_matmul_xla,
    shape=_matmul_shape,
    gradient=_matmul_gradient,
    sample=lambda: (list(_matrices()), {}),
    doc="Product of two matrices.",
)

def _sparse_matmul_gradient(dy: Any, *, a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
    da, db = _matmul_gradient(
        dy,
        a=cards.Cast(a, DstT=dtypes.float32),
        b=cards.Cast(b, DstT=dtypes.float32),
        transpose_a=transpose_a,
        transpose_b=transpose_b,
    )
    return cards.Cast(da, DstT=a.dtype.base_dtype), cards.Cast(db, DstT=b.dtype.base_dtype)


SparseMatMul = op(
    "SparseMatMul",
    "a: Ta, b: Tb -> product: float",
    Ta=Attr("type", dtypes.float32, (dtypes.float32, dtypes.bfloat16)),
    Tb=Attr("type", dtypes.float32, (dtypes.float32, dtypes.bfloat16)),
    a_is_sparse=False,
    b_is_sparse=False,
    transpose_a=False,
    transpose_b=False,
    kernel=lambda xp, a, b, *, transpose_a, transpose_b: _matmul_kernel(
        xp, a.astype(np.float32), b.astype(np.float32), transpose_a=transpose_a, transpose_b=transpose_b
    ),
    shape=_matmul_shape,
    gradient=_sparse_matmul_gradient,
    sample=lambda: (list(_matrices()), {}),
    doc="Product of two matrices that hold many zeros.",
)

BatchMatMul = op(
    "BatchMatMul",
    "x: T, y: T -> output: T",
    T=dtypes.FLOATS + (dtypes.int32, dtypes.int64) + dtypes.COMPLEX,
    adj_x=False,
    adj_y=False,
    kernel=_batch_matmul_kernel,
    xla=_batch_matmul_xla,
    shape=_batch_matmul_shape,
    gradient=_batch_matmul_gradient,
    sample=lambda: ([_batches()[0], _batches()[1][None, :2]], {"adj_y": False}),
    doc="Products of batches of matrices.",
)

BatchMatMulV2 = op(
    "BatchMatMulV2",
    "x: T, y: T -> output: T",
    T=_MATMUL_TYPES + (dtypes.int16,),
    adj_x=False,
    adj_y=False,
    kernel=_batch_matmul_kernel,
    xla=_batch_matmul_xla,
    shape=_batch_matmul_shape,
    gradient=_batch_matmul_gradient,
    sample=lambda: (list(_batches()), {}),
    doc="Products of batches of matrices; batch dimensions are broadcast.",
)

_V3 = dtypes.FLOATS + dtypes.SIGNED + dtypes.COMPLEX

BatchMatMulV3 = op(
    "BatchMatMulV3",
    "x: Ta, y: Tb -> output: Tout",
    Ta=_V3 + (dtypes.uint8,),
    Tb=_V3 + (dtypes.uint8,),
    Tout=tuple(d for d in _V3 if d is not dtypes.int8),
    adj_x=False,
    adj_y=False,
    kernel=_batch_matmul_v3_kernel,
    shape=_batch_matmul_shape,
    gradient=_batch_matmul_v3_gradient,
    sample=lambda: (list(_batches()), {"Tout": dtypes.float32}),
    doc="Products of batches of matrices, with an output of another dtype.",
)


# ---- public functions


@export("linalg.matmul", "matmul")
def matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    output_type: Any = None,
    name: str | None = None,
) -> Any:
    """The product of matrices, or of batches of matrices whose leading dimensions are broadcast.

    Args:
      a: tensor of shape [..., n, k].
      b: tensor of shape [..., k, m] and the dtype of `a`.
      transpose_a, transpose_b: multiply by the transpose of a or b.
      adjoint_a, adjoint_b: multiply by the conjugate transpose.
      a_is_sparse, b_is_sparse: hints that many elements are zero; the result is the same.
      output_type: dtype of the result, when it is not that of the operands.
      name: name of the operation.

    Returns:
      A tensor of shape [..., n, m].

    Raises:
      ValueError: a matrix is both transposed and adjoint, or the shapes do not fit (in a graph).
      tf.errors.InvalidArgumentError: the shapes do not fit (eager).

    >>> import everflow as tf
    >>> tf.matmul([[1., 2.]], [[3.], [4.]])
    <tf.Tensor: shape=(1, 1), dtype=float32, numpy=array([[11.]], dtype=float32)>
    """
    if type(a) is EagerTensor and type(b) is EagerTensor and not STATE.busy:
        x, y = a._value, b._value
        dtype = x.dtype
        if (
            dtype is y.dtype
            and dtype in _FAST
            and x.ndim == 2
            and y.ndim == 2
            and not adjoint_a
            and not adjoint_b
            and output_type is None
            and x.size < _SMALL  # what the door costs is nothing beside a larger product
        ):
            try:
                return EagerTensor(np.dot(x.T if transpose_a else x, y.T if transpose_b else y))
            except ValueError:  # the door below raises it with its explanation
                pass
    if transpose_a and adjoint_a:
        raise ValueError(
            "Only one of `transpose_a` and `adjoint_a` can be True. Received `transpose_a`=True, "
            "`adjoint_a`=True."
        )
    if transpose_b and adjoint_b:
        raise ValueError(
            "Only one of `transpose_b` and `adjoint_b` can be True. Received `transpose_b`=True, "
            "`adjoint_b`=True."
        )
    with name_scope(name, "MatMul") as scope:
        return _general_matmul(
            a, b, transpose_a, transpose_b, adjoint_a, adjoint_b, output_type, scope or None
        )


def _general_matmul(
    a: Any,
    b: Any,
    transpose_a: bool,
    transpose_b: bool,
    adjoint_a: bool,
    adjoint_b: bool,
    output_type: Any,
    name: str | None,
) -> Any:
    if not isinstance(a, Tensor):
        a = convert(a, hint=b.dtype.base_dtype if isinstance(b, Tensor) else None, name="a")
    if not isinstance(b, Tensor):
        b = convert(b, hint=a.dtype.base_dtype, name="b")
    rank_a, rank_b = a._rank, b._rank
    other_output = output_type is not None and as_dtype(output_type) != a.dtype.base_dtype
    if (
        (rank_a == 2 or rank_a is not None and rank_a < 2)
        and (rank_b == 2 or rank_b is not None and rank_b < 2)
        and not other_output
        and a.dtype.base_dtype not in (dtypes.int8, dtypes.int16)
    ):
        if adjoint_a:
            a, transpose_a = conjugated(a), True
        if adjoint_b:
            b, transpose_b = conjugated(b), True
        return MatMul(a, b, transpose_a=transpose_a, transpose_b=transpose_b, name=name)
    if transpose_a:
        a, adjoint_a = conjugated(a), True
    if transpose_b:
        b, adjoint_b = conjugated(b), True
    if other_output or a.dtype.base_dtype != b.dtype.base_dtype:
        return BatchMatMulV3(a, b, Tout=output_type or a.dtype, adj_x=adjoint_a, adj_y=adjoint_b, name=name)
    return BatchMatMulV2(a, b, adj_x=adjoint_a, adj_y=adjoint_b, name=name)


@export("linalg.matvec")
def matvec(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    adjoint_a: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Any:
    """The product of a matrix (or a batch of them) and a vector (or a batch of them).

    Args:
      a: tensor of shape [..., n, k].
      b: tensor of shape [..., k].
      transpose_a, adjoint_a: multiply by the transpose, or by the conjugate transpose, of a.
      a_is_sparse, b_is_sparse: hints that many elements are zero.
      name: name of the operation.

    Returns:
      A tensor of shape [..., n].

    >>> import everflow as tf
    >>> tf.linalg.matvec([[1., 2.], [3., 4.]], [1., 1.])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([3., 7.], dtype=float32)>
    """
    with name_scope(name, "MatVec"):
        column = cards.ExpandDims(b, -1)
        product = matmul(
            a,
            column,
            transpose_a=transpose_a,
            adjoint_a=adjoint_a,
            a_is_sparse=a_is_sparse,
            b_is_sparse=b_is_sparse,
        )
        return cards.Squeeze(product, squeeze_dims=[-1])


def _as_axes(value: Any) -> list[int]:
    if isinstance(value, Tensor):
        value = constant_value(value)
        if value is None:
            raise NotImplementedError("tensordot needs `axes` that are known when the graph is built")
    array = np.asarray(value)
    return [int(v) for v in array.reshape(-1)]


@export("linalg.tensordot", "tensordot")
def tensordot(a: Any, b: Any, axes: Any, name: str | None = None) -> Any:
    """Sums of products over given axes of two tensors.

    Args:
      a: a tensor of floating point or complex numbers, or int32.
      b: a tensor of the same dtype.
      axes: a number n: the last n axes of `a` and the first n of `b`; or two lists of axes of equal length, or
        two numbers.
      name: name of the operations.

    Returns:
      A tensor with the axes of `a` that are left, followed by those of `b`.

    Raises:
      ValueError: `axes` does not fit the ranks, or the lists differ in length.

    >>> import everflow as tf
    >>> tf.tensordot([[1., 2.], [3., 4.]], [1., 1.], axes=1)
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([3., 7.], dtype=float32)>
    """
    with name_scope(name, "Tensordot") as scope:
        a = convert(a, name="a")
        b = convert(b, name="b") if isinstance(b, Tensor) else convert(b, hint=a.dtype.base_dtype, name="b")
        rank_a, rank_b = a._rank, b._rank
        axes_a, axes_b = _contracted_axes(axes, rank_a)
        if rank_a is None or rank_b is None:
            raise ValueError(
                f"tensordot needs tensors of known rank. Received: a.shape={a.shape}, b.shape={b.shape}"
            )
        axes_a = [shapes.normalize_axis(i, rank_a) for i in axes_a]
        axes_b = [shapes.normalize_axis(i, rank_b) for i in axes_b]
        free_a = [i for i in range(rank_a) if i not in axes_a]
        free_b = [i for i in range(rank_b) if i not in axes_b]
        left, dims_a, shape_a = _as_matrix(a, free_a, axes_a, False)
        right, dims_b, shape_b = _as_matrix(b, free_b, axes_b, True)
        product = matmul(left, right)
        if rank_a - len(axes_a) == 1 and rank_b - len(axes_b) == 1:
            return cards.Identity(product, name=scope) if scope else product
        if None not in dims_a and None not in dims_b:
            return cards.Reshape(product, np.array([*dims_a, *dims_b], np.int32), name=scope or None)
        shape = cards.ConcatV2([shape_a(), shape_b()], np.int32(0))
        return cards.Reshape(product, shape, name=scope or None)


def _contracted_axes(axes: Any, rank_a: int | None) -> tuple[list[int], list[int]]:
    if isinstance(axes, (int, np.integer)) or isinstance(axes, Tensor) and axes._rank == 0:
        count = _as_axes(axes)[0]
        if count < 0:
            raise ValueError(f"`axes` must be at least 0. Received: {count}.")
        if rank_a is not None and count > rank_a:
            raise ValueError(
                f"`axes` must not be larger than the number of dimensions of tensor a. Received {count}, "
                f"vs tensor dimensions {rank_a}."
            )
        if rank_a is None:
            raise ValueError("tensordot with a number of axes needs a tensor of known rank")
        return list(range(rank_a - count, rank_a)), list(range(count))
    if isinstance(axes, (list, tuple)) and len(axes) != 2:
        raise ValueError(f"`axes` must be an integer or have length 2. Received {axes}.")
    axes_a, axes_b = _as_axes(axes[0]), _as_axes(axes[1])
    if len(axes_a) != len(axes_b):
        raise ValueError(f"Different number of contraction axes `a` and `b`, {len(axes_a)} != {len(axes_b)}.")
    return axes_a, axes_b


def _as_matrix(
    x: Any, free: list[int], contracted: list[int], contracted_first: bool
) -> tuple[Any, Any, Any]:
    """`x` as a matrix of free by contracted axes, with the static sizes of the free ones."""
    dims = x.shape.as_list()
    order = [*contracted, *free] if contracted_first else [*free, *contracted]

    def free_shape() -> Any:
        return cards.GatherV2(cards.Shape(x), np.array(free, np.int32), np.int32(0))

    inner = [dims[i] for i in contracted]
    outer = [dims[i] for i in free]
    if order != list(range(len(order))):
        transposed = cards.Transpose(x, np.array(order, np.int32))
    else:
        transposed = x
    if len(free) == 1 and len(contracted) == 1:
        return transposed, outer, free_shape
    if None not in inner:
        size = int(np.prod(inner))
        rest: Any = int(np.prod(outer)) if None not in outer else -1
        if size == 0 and rest == -1:
            raise ValueError("tensordot of an empty tensor needs known sizes")
        target: Any = np.array([size, rest] if contracted_first else [rest, size], np.int32)
    else:
        counts = cards.Prod(free_shape(), np.array([0], np.int32))
        target = cards.Pack([np.int32(-1), counts] if contracted_first else [counts, np.int32(-1)])
    return cards.Reshape(transposed, target), outer, free_shape
