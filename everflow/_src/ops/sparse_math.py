"""Arithmetic of sparse tensors: sums, products, reductions, extremes."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.constant_value import constant_value_as_shape
from everflow._src.framework.context import current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import UNDEFINED_GRADIENT, Attr, op
from everflow._src.framework.sparse_tensor import SparseTensor, as_sparse, is_sparse, like
from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.ops.sparse_dense import INDICES, SAMPLE, positions_of, unraveled
from everflow._src.runtime.failures import invalid

_OTHER = (np.array([[0, 0], [1, 0]], np.int64), np.array([4.0, 0.5], np.float32), np.array([2, 3], np.int64))
_DENSE = np.array([[1.0, 2.0, 0.5], [-1.0, 3.0, 1.5]], np.float32)


def _wide(values: Any) -> Any:
    """Small floats add up in float32."""
    return values.astype(np.float32) if values.dtype.name in ("float16", "bfloat16") else values


# ---- products


def _matmul(
    xp: Any, indices: Any, values: Any, shape: Any, b: Any, *, adjoint_a: bool, adjoint_b: bool
) -> Any:
    import scipy.sparse

    rows, inner = _sizes(shape, b, adjoint_a, adjoint_b)
    for axis, letter in enumerate("mk"):
        outside = (indices[:, axis] < 0) | (indices[:, axis] >= shape[axis])
        if outside.any():
            place = int(np.argmax(outside))
            raise invalid(
                f"{letter} ({int(indices[place, axis])}) from index[{place},{axis}] out of bounds "
                f"(>={int(shape[axis])})"
            )
    matrix = scipy.sparse.coo_array((_wide(values), (indices[:, 0], indices[:, 1])), tuple(int(d) for d in shape))
    left = matrix.conj().T if adjoint_a else matrix
    right = _wide(b).conj().T if adjoint_b else _wide(b)
    return np.asarray(left.tocsr() @ right).astype(b.dtype, copy=False)


def _sizes(shape: Any, b: Any, adjoint_a: bool, adjoint_b: bool) -> tuple[int, int]:
    if len(shape) != 2 or b.ndim != 2:
        raise invalid(f"Tensors a and b must be matrices: ranks {len(shape)} and {b.ndim}")
    rows, inner = (int(shape[1]), int(shape[0])) if adjoint_a else (int(shape[0]), int(shape[1]))
    found = b.shape[1] if adjoint_b else b.shape[0]
    if inner != found:
        raise invalid(
            f"Cannot multiply A and B because inner dimension does not match: {inner} vs. {found}.  Did you forget "
            f"a transpose?  Dimensions of A: [{int(shape[0])}, {int(shape[1])}].  Dimensions of B: {list(b.shape)}"
        )
    return rows, inner


def _matmul_xla(
    jax: Any, indices: Any, values: Any, shape: Any, b: Any, *, adjoint_a: bool, adjoint_b: bool
) -> Any:
    rows, _ = _sizes(shape, b, adjoint_a, adjoint_b)
    right = jax.numpy.conj(b).T if adjoint_b else b
    row, column = indices[:, 0], indices[:, 1]
    if adjoint_a:
        row, column, values = column, row, jax.numpy.conj(values)
    products = _wide(values)[:, None] * _wide(right)[column]
    total = jax.numpy.zeros((rows, right.shape[1]), products.dtype).at[row].add(products)
    return total.astype(b.dtype)


def _matmul_shape(op: Any) -> TensorShape:
    from_shape = _known(op, 2)
    b = op._inputs[3]._shape.with_rank(2)
    rows = from_shape[1 if op._attrs["adjoint_a"] else 0]
    inner = from_shape[0 if op._attrs["adjoint_a"] else 1]
    found, columns = (b[1], b[0]) if op._attrs["adjoint_b"] else (b[0], b[1])
    if inner is not None and found is not None and inner != found:
        raise ValueError(f"Dimensions must be equal, but are {inner} and {found}")
    return TensorShape([rows, columns])


def _known(op: Any, index: int) -> list[Any]:
    shape = shape_of(op._inputs[index])
    return [None, None] if shape.rank is None else shape.as_list()


def _matmul_gradient(
    dy: Any, *, a_indices: Any, a_values: Any, a_shape: Any, b: Any, adjoint_a: bool, adjoint_b: bool
) -> Any:
    db = SparseTensorDenseMatMul(a_indices, a_values, a_shape, dy, adjoint_a=not adjoint_a)
    if adjoint_b:
        db = _adjoint(db)
    rows, columns = a_indices[:, 0], a_indices[:, 1]
    if adjoint_a:
        rows, columns = columns, rows
    axis = np.array(0, np.int32)
    right = cards.GatherV2(_adjoint(b) if adjoint_b else b, columns, axis)
    if b.dtype.is_complex:
        right = cards.Conj(right)
    dvalues = cards.Sum(cards.GatherV2(dy, rows, axis) * right, np.array(1, np.int32))
    if adjoint_a and b.dtype.is_complex:
        dvalues = cards.Conj(dvalues)
    return None, dvalues, None, db


def _adjoint(x: Any) -> Any:
    return cards.ConjugateTranspose(x, np.array([1, 0], np.int32)) if x.dtype.is_complex else \
        cards.Transpose(x, np.array([1, 0], np.int32))


SparseTensorDenseMatMul = op(
    "SparseTensorDenseMatMul", "a_indices: Tindices, a_values: T, a_shape: int64, b: T -> product: T",
    T=dtypes.NUMERIC, Tindices=Attr("type", dtypes.int64, allowed=INDICES), adjoint_a=False, adjoint_b=False,
    kernel=_matmul, xla=_matmul_xla, static=("a_shape",), shape=_matmul_shape, gradient=_matmul_gradient,
    doc="The product of a sparse matrix and a whole one.",
    sample=lambda: ([*SAMPLE, np.ascontiguousarray(_DENSE.T)], {}),
)


@export(
    "sparse.sparse_dense_matmul",
    v1=["sparse.sparse_dense_matmul", "sparse.matmul", "sparse_tensor_dense_matmul"],
)
def sparse_dense_matmul(
    sp_a: Any, b: Any, adjoint_a: bool = False, adjoint_b: bool = False, name: str | None = None
) -> Any:
    """The product of two matrices, one of them sparse.

    Args:
      sp_a: a SparseTensor of rank 2; or a tensor, if `b` is sparse.
      b: a matrix; or a SparseTensor.
      adjoint_a: take the conjugate transpose of `sp_a`.
      adjoint_b: take the conjugate transpose of `b`.
      name: name of the operation.

    Returns:
      A matrix, not sparse.

    Raises:
      tf.errors.InvalidArgumentError: the shapes do not fit, or a position is out of bounds.

    >>> import everflow as tf
    >>> tf.sparse.sparse_dense_matmul(tf.SparseTensor([[0, 1]], [2.], [1, 2]), [[1.], [3.]]).numpy()
    array([[6.]], dtype=float32)
    """
    if is_sparse(b) and not is_sparse(sp_a):
        # (A B)' = B' A'
        product = sparse_dense_matmul(b, sp_a, adjoint_a=not adjoint_b, adjoint_b=not adjoint_a, name=name)
        return _adjoint(product)
    sparse = as_sparse(sp_a, "sp_a")
    with name_scope(name, "SparseTensorDenseMatMul"):
        b = convert(b, sparse.dtype if not isinstance(b, Tensor) else None, name="b")
        product = SparseTensorDenseMatMul(
            sparse.indices, sparse.values, sparse.dense_shape, b, adjoint_a=adjoint_a, adjoint_b=adjoint_b,
        )
        if current_graph() is not None and sparse.shape.rank == 2:
            product.set_shape([sparse.shape.as_list()[1 if adjoint_a else 0], None])
        return product


# ---- element by element with a whole tensor


def _cwise(name: str, ufunc: str, types: Any) -> Any:
    def kernel(xp: Any, indices: Any, values: Any, shape: Any, dense: Any) -> Any:
        try:
            whole = np.broadcast_to(dense, tuple(int(d) for d in shape))
        except ValueError:
            raise invalid(
                f"{name} broadcasts dense to sparse only; got incompatible shapes: {list(map(int, shape))} vs. "
                f"{list(dense.shape)}"
            ) from None
        positions_of(indices, shape)
        taken = whole[tuple(indices.T)]
        result = np.floor_divide(values, taken) if ufunc == "divide" and values.dtype.kind in "iu" else \
            getattr(np, ufunc)(values, taken)
        return result.astype(values.dtype, copy=False)

    def gradient(dy: Any, *, sp_indices: Any, sp_values: Any, sp_shape: Any, dense: Any) -> Any:
        if ufunc == "add":
            raise NotImplementedError("Gradient for SparseDenseCwiseAdd is not implemented.")
        taken = cards.GatherNd(cards.BroadcastTo(dense, sp_shape), sp_indices)
        if ufunc == "multiply":
            dvalues, dtaken = dy * taken, dy * sp_values
        else:
            dvalues, dtaken = dy / taken, dy * (-sp_values / taken / taken)
        ones = cards.BroadcastTo(dense, sp_shape)
        whole = cards.ScatterNd(sp_indices, dtaken, cards.Shape(ones, out_type=dtypes.int64))
        _, axes = cards.BroadcastGradientArgs(sp_shape, cards.Shape(dense, out_type=dtypes.int64))
        return None, dvalues, None, cards.Reshape(cards.Sum(whole, axes), cards.Shape(dense))

    return op(
        name, "sp_indices: int64, sp_values: T, sp_shape: int64, dense: T -> output: T", T=types,
        kernel=kernel, host=True, shape=lambda op: op._inputs[1]._shape,
        gradient=None if ufunc == "add" else gradient, no_gradient=UNDEFINED_GRADIENT if ufunc == "add" else False,
        doc="Elements of a sparse tensor and those of a whole one that stand there.",
        sample=lambda: ([*SAMPLE, _DENSE], {}),
    )


SparseDenseCwiseAdd = _cwise("SparseDenseCwiseAdd", "add", dtypes.NUMERIC)
SparseDenseCwiseMul = _cwise("SparseDenseCwiseMul", "multiply", dtypes.NUMERIC)
SparseDenseCwiseDiv = _cwise("SparseDenseCwiseDiv", "divide", dtypes.NUMERIC)


def _operator(card: Any, symbol: str, name: str) -> Any:
    def apply(sparse: SparseTensor, other: Any) -> SparseTensor:
        if is_sparse(other):
            raise ValueError(
                f"A sparse tensor is combined with a whole tensor by {symbol}. Received another sparse one: {other!r}"
            )
        with name_scope(None, name) as scope:
            other = convert(other, sparse.dtype if not isinstance(other, Tensor) else None, name="y")
            if other.shape.rank == 0 and card is SparseDenseCwiseMul:
                values = cards.Mul(sparse.values, other, name=scope or None)
            else:
                values = card(sparse.indices, sparse.values, sparse.dense_shape, other, name=scope or None)
            return like(sparse, sparse.indices, values)

    return apply


def _multiplied_from_left(sparse: SparseTensor, other: Any) -> Any:
    # Tensors multiply sparse tensors; Python numbers do not, as in TensorFlow.
    return _multiplied(sparse, other) if isinstance(other, Tensor) else NotImplemented


_multiplied = _operator(SparseDenseCwiseMul, "*", "mul")
SparseTensor.__mul__ = _multiplied  # type: ignore[attr-defined]
SparseTensor.__rmul__ = _multiplied_from_left  # type: ignore[attr-defined]
SparseTensor.__truediv__ = _operator(SparseDenseCwiseDiv, "/", "truediv")  # type: ignore[attr-defined]
SparseTensor.__div__ = _operator(SparseDenseCwiseDiv, "/", "div")  # type: ignore[attr-defined]


# ---- sums


def _add(xp: Any, a_indices: Any, a_values: Any, a_shape: Any, b_indices: Any, b_values: Any, b_shape: Any,
         thresh: Any) -> tuple[Any, Any, Any]:
    _same_shapes(a_shape, b_shape)
    positions, inverse = _united(a_indices, b_indices, a_shape)
    total = np.zeros(len(positions), a_values.dtype)
    np.add.at(total, inverse[: len(a_values)], a_values)
    np.add.at(total, inverse[len(a_values):], b_values)
    # What only one of the two holds stays as it is, unless it is small.
    kept = np.abs(total) >= thresh
    return unraveled(positions[kept], a_shape), total[kept], np.asarray(a_shape)


def _same_shapes(a_shape: Any, b_shape: Any) -> None:
    if not np.array_equal(a_shape, b_shape):
        raise invalid(f"operands' shapes do not match: {list(map(int, a_shape))} and {list(map(int, b_shape))}")


def _united(a_indices: Any, b_indices: Any, shape: Any) -> tuple[Any, Any]:
    """The positions of both in order, and where each of those of a, then of b, is among them."""
    both = np.concatenate([positions_of(a_indices, shape), positions_of(b_indices, shape)])
    return np.unique(both, return_inverse=True)


def _add_gradient(dindices: Any, dvalues: Any, dshape: Any, *, a_indices: Any, b_indices: Any, sum_indices: Any) -> Any:
    da, db = SparseAddGrad(dvalues, a_indices, b_indices, sum_indices)
    return None, da, None, None, db, None, None


def _merged_dims(op: Any) -> TensorShape:
    a, b = shape_of(op._inputs[2]), shape_of(op._inputs[5])
    return a.merge_with(b)


SparseAdd = op(
    "SparseAdd", "a_indices: int64, a_values: T, a_shape: int64, b_indices: int64, b_values: T, b_shape: int64, "
    "thresh: Treal -> sum_indices: int64, sum_values: T, sum_shape: int64",
    T=dtypes.NUMERIC, Treal=dtypes.REAL, kernel=_add, host=True, gradient=_add_gradient,
    shape=lambda op: _of_rank(_merged_dims(op)), value_as_shape=lambda op: [None, None, _merged_dims(op)],
    doc="The sum of two sparse tensors.",
    sample=lambda: ([*SAMPLE, *_OTHER, np.array(0.0, np.float32)], {}),
)


def _add_grad(xp: Any, dy: Any, a_indices: Any, b_indices: Any, sum_indices: Any) -> tuple[Any, Any]:
    place = {tuple(row): i for i, row in enumerate(np.asarray(sum_indices).tolist())}
    rows = [
        np.array([place.get(tuple(row), -1) for row in np.asarray(indices).tolist()], np.int64)
        for indices in (a_indices, b_indices)
    ]
    padded = np.append(dy, np.zeros((1,), dy.dtype))
    return padded[rows[0]], padded[rows[1]]


def _add_grad_gradient(da: Any, db: Any, *, a_indices: Any, b_indices: Any, sum_indices: Any) -> Any:
    # The derivative takes elements out; its own puts them back.  Both positions are unique.
    top = cards.Max(cards.ConcatV2([a_indices, b_indices], np.array(0, np.int32)), np.array(0, np.int32)) + np.int64(1)
    whole = cards.ScatterNd(a_indices, da, top) + cards.ScatterNd(b_indices, db, top)
    return cards.GatherNd(whole, sum_indices), None, None, None


SparseAddGrad = op(
    "SparseAddGrad", "backprop_val_grad: T, a_indices: int64, b_indices: int64, sum_indices: int64 -> "
    "a_val_grad: T, b_val_grad: T", T=dtypes.NUMERIC, kernel=_add_grad, host=True, gradient=_add_grad_gradient,
    shape=lambda op: [TensorShape([_count(op._inputs[1])]), TensorShape([_count(op._inputs[2])])],
    doc="The gradient of SparseAdd.",
    sample=lambda: ([np.array([1.0, 2.0, 3.0, 4.0], np.float32), SAMPLE[0], _OTHER[0],
                     np.array([[0, 0], [0, 1], [1, 0], [1, 2]], np.int64)], {}),
)


def _count(tensor: Any) -> Any:
    return tensor._shape._dims[0] if tensor._shape._dims else None


def _of_rank(shape: TensorShape, count: Any = None) -> list[TensorShape]:
    return [TensorShape([count, shape.rank]), TensorShape([count]), TensorShape([shape.rank])]


def _dense_add(xp: Any, indices: Any, values: Any, shape: Any, b: Any) -> Any:
    if tuple(int(d) for d in shape) != b.shape:
        raise invalid(f"Dimensions of a do not match those of b: {list(map(int, shape))} and {list(b.shape)}")
    result = np.array(b)
    np.add.at(result.reshape(-1), positions_of(indices, np.asarray(shape)), values)
    return result


SparseTensorDenseAdd = op(
    "SparseTensorDenseAdd", "a_indices: Tindices, a_values: T, a_shape: Tindices, b: T -> output: T",
    T=dtypes.NUMERIC, Tindices=INDICES, kernel=_dense_add, host=True, shape=lambda op: op._inputs[3]._shape,
    gradient=lambda dy, *, a_indices: (None, cards.GatherNd(dy, a_indices), None, dy),
    doc="The sum of a sparse tensor and a whole one.", sample=lambda: ([*SAMPLE, _DENSE], {}),
)


@export("sparse.add", v1=[])
def sparse_add(a: Any, b: Any, threshold: Any = 0) -> Any:
    """The sum of two tensors, at least one of which is sparse.

    Args:
      a: a SparseTensor or a tensor.
      b: a SparseTensor or a tensor of the same shape.
      threshold: sums of two sparse tensors whose magnitude is less are left out.

    Returns:
      A SparseTensor if both are sparse, else a tensor.

    Raises:
      TypeError: neither is sparse.
      tf.errors.InvalidArgumentError: the shapes differ.

    >>> import everflow as tf
    >>> s = tf.SparseTensor([[0, 1]], [5], [1, 2])
    >>> tf.sparse.add(s, s).values.numpy(), tf.sparse.add(s, tf.ones([1, 2], tf.int32)).numpy()
    (array([10], dtype=int32), array([[1, 6]], dtype=int32))
    """
    if not is_sparse(a) and not is_sparse(b):
        raise TypeError("At least one input should be SparseTensor; do you mean to use tf.add()?")
    if is_sparse(a) and is_sparse(b):
        a, b = as_sparse(a), as_sparse(b)
        real = a.dtype.real_dtype if a.dtype.is_complex else a.dtype
        small = convert(threshold, None if isinstance(threshold, Tensor) else real)
        result = SparseTensor(
            *SparseAdd(a.indices, a.values, a.dense_shape, b.indices, b.values, b.dense_shape, small)
        )
        if a.shape.is_compatible_with(b.shape):
            result.set_shape(a.shape.merge_with(b.shape))
        return result
    sparse, dense = (as_sparse(a), b) if is_sparse(a) else (as_sparse(b), a)
    return SparseTensorDenseAdd(sparse.indices, sparse.values, sparse.dense_shape, dense)


@export(v1=["sparse.add", "sparse_add"])
def sparse_add_v1(a: Any, b: Any, threshold: Any = None, thresh: Any = None) -> Any:
    """The sum of two tensors, at least one of which is sparse; `thresh` is the older name of `threshold`."""
    if threshold is None:
        threshold = 0 if thresh is None else thresh
    return sparse_add(a, b, threshold)


def shape_of(tensor: Any) -> TensorShape:
    """The static shape that a vector of sizes holds."""
    return constant_value_as_shape(tensor)


# ---- extremes of two


def _extreme(name: str, ufunc: Any) -> Any:
    def kernel(xp: Any, a_indices: Any, a_values: Any, a_shape: Any, b_indices: Any, b_values: Any, b_shape: Any
               ) -> tuple[Any, Any]:
        _same_shapes(a_shape, b_shape)
        positions, inverse = _united(a_indices, b_indices, a_shape)
        sides = np.zeros((2, len(positions)), a_values.dtype)
        sides[0, inverse[: len(a_values)]] = a_values
        sides[1, inverse[len(a_values):]] = b_values
        return unraveled(positions, a_shape), ufunc(sides[0], sides[1])

    return op(
        name, "a_indices: int64, a_values: T, a_shape: int64, b_indices: int64, b_values: T, b_shape: int64 -> "
        "output_indices: int64, output_values: T", T=dtypes.REAL, kernel=kernel, host=True,
        shape=lambda op: _of_rank(_merged_dims(op))[:2], no_gradient=UNDEFINED_GRADIENT,
        doc="The greater, or smaller, of each pair of elements of two sparse tensors.",
        sample=lambda: ([*SAMPLE, *_OTHER], {}),
    )


SparseSparseMaximum = _extreme("SparseSparseMaximum", np.maximum)
SparseSparseMinimum = _extreme("SparseSparseMinimum", np.minimum)


def _extreme_of(card: Any, default: str, sp_a: Any, sp_b: Any, name: str | None) -> SparseTensor:
    a, b = as_sparse(sp_a, "sp_a"), as_sparse(sp_b, "sp_b")
    with name_scope(name, default) as scope:
        parts = card(a.indices, a.values, a.dense_shape, b.indices, b.values, b.dense_shape, name=scope or None)
        return like(a, *parts)


@export("sparse.maximum", v1=["sparse.maximum", "sparse_maximum"])
def sparse_maximum(sp_a: Any, sp_b: Any, name: str | None = None) -> SparseTensor:
    """The greater of each pair of elements of two sparse tensors; what one lacks counts as zero."""
    return _extreme_of(SparseSparseMaximum, "SparseSparseMaximum", sp_a, sp_b, name)


@export("sparse.minimum", v1=["sparse.minimum", "sparse_minimum"])
def sparse_minimum(sp_a: Any, sp_b: Any, name: str | None = None) -> SparseTensor:
    """The smaller of each pair of elements of two sparse tensors; what one lacks counts as zero."""
    return _extreme_of(SparseSparseMinimum, "SparseSparseMinimum", sp_a, sp_b, name)


# ---- softmax


def _softmax(xp: Any, indices: Any, values: Any, shape: Any) -> Any:
    if len(shape) < 2:
        raise invalid(f"Input should have rank >= 2, but is of rank {len(shape)}")
    group = positions_of(indices, shape) // max(int(shape[-1]), 1)
    _, inverse = np.unique(group, return_inverse=True)
    wide = _wide(values)
    highest = np.full(inverse.max(initial=-1) + 1, -np.inf, wide.dtype)
    np.maximum.at(highest, inverse, wide)
    powers = np.exp(wide - highest[inverse])
    sums = np.bincount(inverse, powers, len(highest)).astype(wide.dtype)
    return (powers / sums[inverse]).astype(values.dtype)


def _softmax_gradient(dy: Any, *, sp_indices: Any, sp_shape: Any, output: Any) -> Any:
    # One group per row: the sum over it of dy y, found where its elements stand.
    product = SparseTensor(sp_indices, dy * output, sp_shape)
    sums = cards.SparseReduceSum(product.indices, product.values, product.dense_shape, np.array([-1], np.int32),
                           keep_dims=True)
    where = cards.ConcatV2([sp_indices[:, :-1], cards.ZerosLike(sp_indices[:, -1:])], np.array(1, np.int32))
    return None, (dy - cards.GatherNd(sums, where)) * output, None


SparseSoftmax = op(
    "SparseSoftmax", "sp_indices: int64, sp_values: T, sp_shape: int64 -> output: T", T=dtypes.FLOATS,
    kernel=_softmax, host=True, shape=lambda op: op._inputs[1]._shape, gradient=_softmax_gradient,
    doc="Softmax over the elements of each row of a sparse tensor.",
    sample=lambda: ([np.array([[0, 0], [0, 2], [1, 1]], np.int64), SAMPLE[1], SAMPLE[2]], {}),
)


@export("sparse.softmax", v1=["sparse.softmax", "sparse_softmax"])
def sparse_softmax(sp_input: Any, name: str | None = None) -> SparseTensor:
    """Softmax over the last dimension, in which what a sparse tensor lacks has no part.

    >>> import everflow as tf
    >>> tf.sparse.softmax(tf.SparseTensor([[0, 0], [0, 2]], [1., 1.], [1, 3])).values.numpy()
    array([0.5, 0.5], dtype=float32)
    """
    sparse = as_sparse(sp_input)
    with name_scope(name, "SparseSoftmax"):
        values = SparseSoftmax(sparse.indices, sparse.values, sparse.dense_shape)
        return like(sparse, sparse.indices, values)
