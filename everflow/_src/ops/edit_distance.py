"""Levenshtein distances of sequences that sparse tensors hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.constant_value import constant_value_as_shape
from everflow._src.framework.export import export
from everflow._src.framework.registry import op
from everflow._src.framework.sparse_tensor import as_sparse
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.runtime.failures import invalid


def _sequences(indices: Any, values: Any) -> dict[tuple[int, ...], list[Any]]:
    """The sequence of each group: the values in the order of the last dimension."""
    found: dict[tuple[int, ...], list[Any]] = {}
    for row, value in zip(np.asarray(indices).tolist(), np.asarray(values).tolist()):
        found.setdefault(tuple(row[:-1]), []).append(value)
    return found


def levenshtein(a: list[Any], b: list[Any]) -> int:
    """The fewest insertions, deletions and substitutions that make `b` of `a` (Wagner and Fischer, 1974)."""
    previous = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        current = [i]
        for j, right in enumerate(b, 1):
            current.append(min(previous[j] + 1, current[-1] + 1, previous[j - 1] + (left != right)))
        previous = current
    return previous[-1]


def _kernel(xp: Any, h_indices: Any, h_values: Any, h_shape: Any, t_indices: Any, t_values: Any, t_shape: Any, *,
            normalize: bool) -> Any:
    if len(h_shape) != len(t_shape) or len(h_shape) < 2:
        raise invalid(
            f"hypothesis and truth need the same rank, 2 at least. Received ranks {len(h_shape)} and {len(t_shape)}"
        )
    result = np.zeros(np.maximum(h_shape, t_shape)[:-1], np.float32)
    hypotheses, truths = _sequences(h_indices, h_values), _sequences(t_indices, t_values)
    for group in hypotheses.keys() | truths.keys():
        hypothesis, truth = hypotheses.get(group, []), truths.get(group, [])
        distance: float = levenshtein(hypothesis, truth)
        if normalize:
            distance = distance / len(truth) if truth else (np.inf if hypothesis else 0.0)
        result[group] = distance
    return result


def _shape(op: Any) -> TensorShape:
    a, b = constant_value_as_shape(op._inputs[2]), constant_value_as_shape(op._inputs[5])
    if a.rank is None or b.rank is None or a.rank != b.rank:
        return TensorShape(None if a.rank is None else [None] * (a.rank - 1))
    return TensorShape([None if x is None or y is None else max(x, y) for x, y in zip(a.as_list(), b.as_list())][:-1])


EditDistance = op(
    "EditDistance", "hypothesis_indices: int64, hypothesis_values: T, hypothesis_shape: int64, truth_indices: int64, "
    "truth_values: T, truth_shape: int64 -> output: float", T=dtypes.ALL, normalize=True, kernel=_kernel, host=True,
    shape=_shape, no_gradient="it counts", doc="Levenshtein distances of sequences.",
    sample=lambda: ([np.array([[0, 0], [0, 1]]), np.array([1, 2]), np.array([1, 2]), np.array([[0, 0]]),
                     np.array([2]), np.array([1, 1])], {}),
)


@export("edit_distance", v1=["edit_distance"])
def edit_distance(hypothesis: Any, truth: Any, normalize: bool = True, name: str = "edit_distance") -> Any:
    """Levenshtein distances between sequences.

    Args:
      hypothesis: a SparseTensor of any dtype; its last dimension holds the sequences.
      truth: a SparseTensor of the same rank and dtype.
      normalize: divide each distance by the length of the true sequence; infinite where that is empty and the
        hypothesis is not.
      name: name of the operation.

    Returns:
      A float32 tensor of the shape of the groups: all dimensions but the last.

    Raises:
      TypeError: an argument is no SparseTensor.

    >>> import everflow as tf
    >>> a = tf.SparseTensor([[0, 0], [0, 1]], ["k", "a"], [1, 2])
    >>> b = tf.SparseTensor([[0, 0], [0, 1]], ["c", "a"], [1, 2])
    >>> tf.edit_distance(a, b).numpy()
    array([0.5], dtype=float32)
    """
    left, right = as_sparse(hypothesis, "hypothesis"), as_sparse(truth, "truth")
    return EditDistance(
        left.indices, left.values, left.dense_shape, right.indices, right.values, right.dense_shape,
        normalize=normalize, name=name,
    )
