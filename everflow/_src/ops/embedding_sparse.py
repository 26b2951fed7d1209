"""Embeddings of sparse ids: the rows of a table that belong to one entry, combined."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.sparse_tensor import SparseTensor, as_sparse, like
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.ops.nn_normalization import embedding_lookup_v1
from everflow._src.ops.sparse_dense import retain, sparse_reshape
from everflow._src.ops.sparse_parts import sparse_fill_empty_rows

_COMBINERS = ("mean", "sqrtn", "sum")
_FIRST = np.array(0, np.int32)


def _as_table(params: Any) -> list[Any]:
    if type(params).__name__ == "PartitionedVariable":
        return list(params)
    return list(params) if isinstance(params, (list, tuple)) else [params]


def _lookup(params: Any, sp_ids: Any, sp_weights: Any, strategy: str, name: str | None, combiner: str | None,
            max_norm: Any) -> Any:
    combiner = "mean" if combiner is None else combiner
    if combiner not in _COMBINERS:
        raise ValueError(f"combiner must be one of 'mean', 'sqrtn' or 'sum', got {combiner}")
    table = _as_table(params)
    ids = as_sparse(sp_ids, "sp_ids")
    weights = None if sp_weights is None else as_sparse(sp_weights, "sp_weights")
    if weights is not None:
        ids.values.shape.assert_is_compatible_with(weights.values.shape)
        ids.shape.assert_is_compatible_with(weights.shape)
    with name_scope(name, "embedding_lookup_sparse") as scope:
        segments = ids.indices[:, 0]
        # Ids that occur often are looked up once: their gradients add up before they reach the table.
        unique, positions = cards.Unique(ids.values)
        rows = embedding_lookup_v1(table, unique, partition_strategy=strategy, max_norm=max_norm)
        small = rows.dtype.base_dtype if rows.dtype.base_dtype in (dtypes.float16, dtypes.bfloat16) else None
        if small is not None:
            rows = cards.Cast(rows, DstT=dtypes.float32)
        label = None if small is not None else scope or None
        if weights is None:
            segments = cards.Cast(segments, DstT=dtypes.int32)
            card = {"sum": "SparseSegmentSum", "mean": "SparseSegmentMean", "sqrtn": "SparseSegmentSqrtN"}[combiner]
            result = getattr(cards, card)(rows, positions, segments, name=label)
        else:
            result = _weighted(rows, positions, segments, weights.values, combiner, label)
        return cards.Cast(result, DstT=small, name=scope or None) if small is not None else result


def _weighted(rows: Any, positions: Any, segments: Any, weights: Any, combiner: str, label: str | None) -> Any:
    rows = cards.GatherV2(rows, positions, _FIRST)
    if weights.dtype.base_dtype != rows.dtype.base_dtype:
        weights = cards.Cast(weights, DstT=rows.dtype.base_dtype)
    shape = cards.ConcatV2([cards.Shape(weights), cards.Fill(
        cards.ExpandDims(cards.Rank(rows) - 1, 0), np.array(1, np.int32))], _FIRST)
    static = rows.shape
    weights = cards.Reshape(weights, shape)
    rows = rows * weights
    if static.rank is not None:
        rows.set_shape(static)
    if combiner == "sum":
        return cards.SegmentSum(rows, segments, name=label)
    total = cards.SegmentSum(rows, segments)
    if combiner == "mean":
        return cards.DivNoNan(total, cards.SegmentSum(weights, segments), name=label)
    return cards.DivNoNan(total, cards.Sqrt(cards.SegmentSum(cards.Square(weights), segments)), name=label)


@export("nn.embedding_lookup_sparse", v1=[])
def embedding_lookup_sparse(
    params: Any, sp_ids: Any, sp_weights: Any, combiner: str | None = None, max_norm: Any = None,
    name: str | None = None, allow_fast_lookup: bool = False,
) -> Any:
    """For each row of sparse ids, the rows of a table at these ids, combined.

    Args:
      params: the table: a tensor or variable, or a list of them that hold its rows ("div" partitioned).
      sp_ids: a SparseTensor of integers, of shape [n, m]; every row has one id at least.
      sp_weights: a SparseTensor of the same shape with a weight for each id; all 1 when None.
      combiner: "sum": the weighted sum; "mean" (the default): divided by the sum of the weights; "sqrtn":
        divided by the square root of the sum of their squares.
      max_norm: rows of the table are clipped to this norm when given.
      name: prefix of the names.
      allow_fast_lookup: accepted; the lookup is the same.

    Returns:
      A tensor [n, ...].

    Raises:
      TypeError: `sp_ids` or `sp_weights` is no SparseTensor.
      ValueError: an unknown combiner.

    >>> import everflow as tf
    >>> ids = tf.SparseTensor([[0, 0], [0, 1]], [0, 2], [1, 2])
    >>> tf.nn.embedding_lookup_sparse(tf.constant([[1.], [2.], [4.]]), ids, None, combiner="sum").numpy()
    array([[5.]], dtype=float32)
    """
    return _lookup(params, sp_ids, sp_weights, "div", name, combiner, max_norm)


@export(v1=["nn.embedding_lookup_sparse"])
def embedding_lookup_sparse_v1(
    params: Any, sp_ids: Any, sp_weights: Any, partition_strategy: str = "mod", name: str | None = None,
    combiner: str | None = None, max_norm: Any = None, allow_fast_lookup: bool = False,
) -> Any:
    """For each row of sparse ids, the rows of a table at these ids, combined; the 1.x spelling."""
    return _lookup(params, sp_ids, sp_weights, partition_strategy, name, combiner, max_norm)


def _positive(ids: SparseTensor, weights: SparseTensor | None, zeros: bool) -> tuple[SparseTensor, Any]:
    keep = cards.GreaterEqual(ids.values, np.zeros((), ids.dtype.as_numpy_dtype))
    if weights is not None and zeros:
        keep = cards.LogicalAnd(
            keep, cards.Greater(weights.values, np.zeros((), weights.dtype.as_numpy_dtype)))
    return retain(ids, keep), None if weights is None else retain(weights, keep)


def _safe(embedding_weights: Any, sparse_ids: Any, sparse_weights: Any, combiner: str, default_id: Any,
          name: str | None, strategy: str, max_norm: Any) -> Any:
    table = _as_table(embedding_weights) if embedding_weights is not None else []
    if not table:
        raise ValueError(f"Missing embedding_weights {embedding_weights}.")
    table = [p if hasattr(p, "trainable") else convert(p) for p in table]
    ids = as_sparse(sparse_ids, "sparse_ids")
    weights = None if sparse_weights is None else as_sparse(sparse_weights, "sparse_weights")
    with name_scope(name, "embedding_lookup"):
        # Rows are told by all dimensions but the last.
        original = ids.dense_shape
        static = ids.shape
        rank = original.shape.as_list()[0]
        last = (rank if rank is not None else cards.Size(original)) - 1
        outer = cards.Prod(original[:last], _FIRST)
        flat = cards.Pack([outer, original[last]])
        ids = sparse_reshape(ids, flat)
        if weights is not None:
            weights = like(ids, ids.indices, weights.values)
        # Ids below zero mean none; so do weights of zero, unless the sum does not mind them.
        ids, weights = _positive(ids, weights, combiner != "sum")
        default = 0 if default_id is None else default_id
        ids, empty = sparse_fill_empty_rows(ids, default)
        if weights is not None:
            weights, _ = sparse_fill_empty_rows(weights, 1.0)
        result = _lookup(table, ids, weights, strategy, None, combiner, max_norm)
        if default_id is None:
            ones = cards.OnesLike(cards.Shape(result)[1:])
            mask = cards.Reshape(empty, cards.ConcatV2([np.array([-1], np.int32), ones], _FIRST))
            result = cards.SelectV2(mask, cards.ZerosLike(result), result)
        shape = cards.ConcatV2([cards.Cast(original[:last], DstT=dtypes.int32), cards.Shape(result)[1:]], _FIRST)
        final = cards.Reshape(result, shape)
        if static.rank is not None and result.shape.rank is not None:
            final.set_shape(static[:-1].concatenate(result.shape[1:]))
        return final


@export("nn.safe_embedding_lookup_sparse", v1=[])
def safe_embedding_lookup_sparse(
    embedding_weights: Any, sparse_ids: Any, sparse_weights: Any = None, combiner: str = "mean",
    default_id: Any = None, max_norm: Any = None, name: str | None = None, allow_fast_lookup: bool = False,
) -> Any:
    """`tf.nn.embedding_lookup_sparse` for ids of any rank, of which some rows may be empty or ids negative.

    Args:
      embedding_weights: the table, or a list of tables that hold its rows.
      sparse_ids: a SparseTensor of integers, of shape [d0, ..., dn]; ids below zero count as none.
      sparse_weights: a SparseTensor of the same shape; ids whose weight is not above zero count as none.
      combiner: "sum", "mean" or "sqrtn".
      default_id: the id of rows that have none; such rows are zero when None.
      max_norm: rows of the table are clipped to this norm when given.
      name: prefix of the names.
      allow_fast_lookup: accepted; the lookup is the same.

    Returns:
      A tensor [d0, ..., d(n-1), ...].

    Raises:
      ValueError: there is no table.
    """
    return _safe(embedding_weights, sparse_ids, sparse_weights, combiner, default_id, name, "div", max_norm)


@export(v1=["nn.safe_embedding_lookup_sparse"])
def safe_embedding_lookup_sparse_v1(
    embedding_weights: Any, sparse_ids: Any, sparse_weights: Any = None, combiner: str = "mean",
    default_id: Any = None, name: str | None = None, partition_strategy: str = "div", max_norm: Any = None,
    allow_fast_lookup: bool = False,
) -> Any:
    """`tf.nn.safe_embedding_lookup_sparse`, with the partition strategy of the tables."""
    return _safe(
        embedding_weights, sparse_ids, sparse_weights, combiner, default_id, name, partition_strategy, max_norm
    )
