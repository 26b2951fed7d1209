"""Order and difference: sorted and largest elements, distinct elements, positions in sorted sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value
from everflow._src.framework.context import STATE, current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import INT, UNDEFINED_GRADIENT, Attr, op
from everflow._src.framework.shape_rules import UNKNOWN_SHAPE
from everflow._src.framework.tensor import EagerTensor, Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.array_shape import index_attr
from everflow._src.ops.array_transpose import transpose
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid

_INT32 = np.dtype("int32")
_SMALL_INDEX = Attr("type", dtypes.int32, allowed=(dtypes.int16, dtypes.int32, dtypes.int64))

# ---- the largest


def _descending(x: Any) -> Any:
    """Positions of the elements from the largest to the smallest; of equal ones the first comes first."""
    if x.dtype.kind in "fV":  # what is no number comes last
        return np.argsort(-x, axis=-1, kind="stable")
    last = x.shape[-1] - 1
    return last - np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]


def _check_top(x: Any, k: int) -> None:
    if not x.ndim:
        raise invalid(f"input must be >= 1-D, got shape {list(x.shape)}")
    if k < 0:
        raise invalid(f"Need k >= 0, got {k}")
    if x.shape[-1] < k:
        raise invalid(f"input must have at least k columns. Had {x.shape[-1]}, needed {k}")


def _top_k(xp: Any, x: Any, k: Any, *, index_type: Any) -> tuple[Any, Any]:
    if k.ndim:
        raise invalid(f"k must be scalar, got shape {list(k.shape)}")
    return _top_k_of(x, int(k), index_type)


def _top_k_of(x: Any, k: int, index_type: Any) -> tuple[Any, Any]:
    _check_top(x, k)
    if k == 1 and x.size and not (x.dtype.kind in "fV" and np.isnan(x).any()):
        indices = np.argmax(x, -1)[..., None]
    else:
        indices = _descending(x)[..., :k]
    return np.take_along_axis(x, indices, -1), indices.astype(index_type.numpy_dtype)


def _top_k_xla(jax: Any, x: Any, k: Any, *, index_type: Any) -> tuple[Any, Any]:
    _check_top(x, int(k))
    values, indices = jax.lax.top_k(x, int(k))
    return values, indices.astype(index_type.numpy_dtype)


def _top_k_shapes(op: Any, k: int | None) -> list[TensorShape]:
    dims = op._inputs[0]._shape._dims
    if dims is None:
        return [UNKNOWN_SHAPE] * 2
    if not dims:
        raise ValueError("Shape must be at least rank 1 but is rank 0")
    if k is not None and dims[-1] is not None and dims[-1] < k:
        raise ValueError(f"input must have last dimension >= k = {k} but is {dims[-1]}")
    return [TensorShape((*dims[:-1], k))] * 2


def _top_k_gradient(dy: Any, unused: Any, *, input_shape: Any, indices: Any) -> tuple[Any, None]:
    return _scatter_rows(dy, input_shape, indices), None


def _scatter_rows(dy: Any, input_shape: Any, indices: Any) -> Any:
    """Each row of `dy` put back at its positions in the rows of the input."""
    static = input_shape.static
    if static.is_fully_defined():
        dims = static.as_list()
        columns, total = dims[-1], static.num_elements()
        rows: Any = total // columns if columns else 0
        back: Any = np.array(dims, _INT32)
    else:
        back = input_shape.tensor()
        columns, total = back[-1], cards.Prod(back, np.array([0], _INT32))
        rows = total // columns
    count = cards.Shape(indices)[-1]
    places = cards.Reshape(cards.Cast(indices, DstT=dtypes.int32), cards.Pack([rows, count]))
    offsets = cards.ExpandDims(cards.Range(0, rows, 1) * columns, 1)
    flat = cards.Reshape(places + offsets, np.array([-1, 1], _INT32))
    values = cards.Reshape(dy, np.array([-1], _INT32))
    return cards.Reshape(cards.ScatterNd(flat, values, cards.Reshape(total, np.array([1], _INT32))), back)


def _constant_k(op: Any) -> int | None:
    k = constant_value(op._inputs[1])
    if k is not None and k.ndim:
        raise ValueError(f"Shape must be rank 0 but is rank {k.ndim}")
    if k is not None and k < 0:
        raise ValueError(f"Need k >= 0, got {int(k)}")
    return None if k is None else int(k)


TopKV2 = op(
    "TopKV2", "input: T, k: Tk -> values: T, indices: index_type", T=dtypes.REAL, Tk=_SMALL_INDEX,
    index_type=_SMALL_INDEX, sorted=True, kernel=_top_k, xla=_top_k_xla,
    shape=lambda op: _top_k_shapes(op, _constant_k(op)), static=("k",), gradient=_top_k_gradient,
    doc="The k largest elements of each row.",
    sample=lambda: ([np.array([[1.0, 4.0, 2.0], [5.0, 3.0, 6.0]], np.float32), np.array(2, np.int32)], {}),
)


def _nth_element(xp: Any, x: Any, n: Any, *, reverse: bool) -> Any:
    if x.ndim < 1:
        raise invalid(f"Input must be >= 1-D, got shape {list(x.shape)}")
    n = int(n)
    if not 0 <= n < x.shape[-1]:
        raise invalid(f"Input must have last dimension > n = {n}, received {x.shape[-1]}")
    return xp.sort(x, axis=-1)[..., x.shape[-1] - 1 - n if reverse else n]


def _nth_element_shape(op: Any) -> TensorShape:
    dims = op._inputs[0]._shape._dims
    return UNKNOWN_SHAPE if dims is None else TensorShape(dims[:-1])


def _nth_element_gradient(dy: Any, *, input: Any, values: Any) -> tuple[Any, None]:
    last = np.int32(-1)
    chosen = cards.Cast(cards.Equal(cards.ExpandDims(values, last), input), DstT=dy.dtype.base_dtype)
    count = cards.Sum(chosen, last, keep_dims=True)
    return chosen * (cards.ExpandDims(dy, last) / count), None


NthElement = op(
    "NthElement", "input: T, n: int32 -> values: T", T=dtypes.REAL, reverse=False, kernel=_nth_element,
    shape=_nth_element_shape, static=("n",), gradient=_nth_element_gradient,
    doc="The n-th smallest (or largest) element of each row.",
    sample=lambda: ([np.array([[1.0, 4.0, 2.0], [5.0, 3.0, 6.0]], np.float32), np.array(1, np.int32)], {}),
)


TopK = op(
    "TopK", "input: T -> values: T, indices: int32", T=dtypes.REAL, k=INT, sorted=True,
    kernel=lambda xp, x, *, k: _top_k_of(x, k, dtypes.int32),
    xla=lambda jax, x, *, k: _top_k_xla(jax, x, k, index_type=dtypes.int32),
    shape=lambda op: _top_k_shapes(op, op._attrs["k"]),
    gradient=lambda dy, unused, *, input_shape, indices: _scatter_rows(dy, input_shape, indices),
    doc="The k largest elements of each row; the older spelling.",
    sample=lambda: ([np.array([[1.0, 4.0, 2.0], [5.0, 3.0, 6.0]], np.float32)], {"k": 2}),
)


@export("math.top_k", "nn.top_k")
def top_k(input: Any, k: Any = 1, sorted: bool = True, index_type: Any = dtypes.int32, name: str | None = None) -> Any:
    """The `k` largest elements of each row, from the largest on, and their positions.

    Args:
      input: a tensor; its rows run along the last dimension.
      k: how many, a scalar.
      sorted: has no effect; the elements are always sorted.
      index_type: dtype of the positions: `tf.int16`, `tf.int32` or `tf.int64`.
      name: name of the operation.

    Returns:
      A named tuple (values, indices).  Of equal elements the one that comes first is listed first.

    Raises:
      tf.errors.InvalidArgumentError, ValueError (in a graph): rows have less than `k` elements.

    >>> import everflow as tf
    >>> values, indices = tf.math.top_k([3, 1, 2], 2)
    >>> values.numpy().tolist(), indices.numpy().tolist()
    ([3, 2], [0, 2])
    """
    return TopKV2(input, k, sorted=sorted, index_type=index_type, name=name)


def _in_top_k(xp: Any, predictions: Any, targets: Any, k: Any) -> Any:
    if predictions.ndim != 2:
        raise invalid("predictions must be 2-dimensional")
    if targets.ndim != 1:
        raise invalid("targets must be 1-dimensional")
    if predictions.shape[0] != targets.shape[0]:
        raise invalid(f"First dimension of predictions {predictions.shape[0]} must match length of targets "
                      f"{targets.shape[0]}")
    classes = predictions.shape[1]
    inside = xp.logical_and(targets >= 0, targets < classes)
    chosen = xp.take_along_axis(predictions, xp.where(inside, targets, 0).reshape(-1, 1), 1)
    # A row with a number that cannot be compared says nothing.
    certain = xp.logical_and(inside, xp.all(xp.isfinite(predictions), 1))
    return xp.logical_and(certain, xp.sum(predictions > chosen, 1) < k)


def _in_top_k_shape(op: Any) -> TensorShape:
    predictions = shapes.with_rank(op._inputs[0]._shape, 2)
    targets = shapes.with_rank(op._inputs[1]._shape, 1)
    return TensorShape(predictions._dims[:1]).merge_with(targets)


_TOP_SAMPLE = [np.array([[0.1, 0.7, 0.2], [0.5, 0.1, 0.4]], np.float32), np.array([2, 1], np.int32)]

InTopKV2 = op(
    "InTopKV2", "predictions: float, targets: T, k: T -> precision: bool", T=index_attr(), kernel=_in_top_k,
    shape=_in_top_k_shape, no_gradient="its values are booleans", doc="Whether targets are among the top k.",
    sample=lambda: ([*_TOP_SAMPLE, np.array(2, np.int32)], {}),
)

InTopK = op(
    "InTopK", "predictions: float, targets: T -> precision: bool", T=index_attr(), k=INT,
    kernel=lambda xp, predictions, targets, *, k: _in_top_k(xp, predictions, targets, k), shape=_in_top_k_shape,
    no_gradient="its values are booleans", doc="Whether targets are among the top k; the older spelling.",
    sample=lambda: (list(_TOP_SAMPLE), {"k": 2}),
)


@export("math.in_top_k", "nn.in_top_k", v1=[])
def in_top_k(targets: Any, predictions: Any, k: Any, name: str | None = None) -> Tensor:
    """Whether each target is among the `k` classes of highest prediction.

    Args:
      targets: class numbers, shape [batch].
      predictions: float32 of shape [batch, classes].
      k: how many classes count; equal predictions at the boundary all count.
      name: name of the operation.

    Returns:
      Booleans of shape [batch]; False for a row with a prediction that is not finite.

    >>> import everflow as tf
    >>> tf.math.in_top_k([1, 0], [[.1, .9], [.2, .8]], 1).numpy().tolist()
    [True, False]
    """
    with name_scope(name, "in_top_k"):
        return InTopKV2(predictions, targets, k)


@export(v1=["math.in_top_k", "nn.in_top_k"])
def in_top_k_v1(predictions: Any, targets: Any, k: Any, name: str | None = None) -> Tensor:
    """Whether each target is among the `k` classes of highest prediction; see the 2.x `tf.math.in_top_k`."""
    return in_top_k(targets, predictions, k, name)


# ---- sorted


def _sorted(values: Any, axis: Any, direction: str, name: str | None, default_name: str, wants: str) -> Tensor:
    if direction not in ("ASCENDING", "DESCENDING"):
        raise ValueError(f"Argument `direction` should be one of 'ASCENDING' or 'DESCENDING'. Received: "
                         f"direction={direction}")
    known = constant_value(axis) if isinstance(axis, Tensor) else np.asarray(axis)
    if known is None or known.ndim:
        raise ValueError(f"Argument `axis` must be a scalar whose value is known. Received: axis={axis!r}")
    along = int(known)
    if type(values) is EagerTensor and not STATE.busy:
        array = values._value
        if array.dtype.kind in "fiu" and -array.ndim <= along < array.ndim:
            return EagerTensor(_sort_array(array, along, direction == "ASCENDING", wants))
    with name_scope(name, default_name):
        values = convert(values, name="values")
        rank = values.shape.rank
        if rank is not None and not -rank <= along < rank:
            message = f"axis {along} is out of range for values of rank {rank}"
            raise ValueError(message) if current_graph() is not None else invalid(message)
        last = along == -1 or (rank is not None and along % rank == rank - 1)
        if not last:
            if rank is None:
                raise ValueError("An axis other than -1 needs values of known rank")
            order = list(range(rank))
            order[along], order[-1] = order[-1], order[along]
            values = transpose(values, order)
        ascending = direction == "ASCENDING"
        if ascending:
            values = _flipped(values)
        size = values.shape.as_list()[-1] if values.shape.rank else None
        top = TopKV2(values, cards.Shape(values)[-1] if size is None else np.array(size, _INT32))
        result = top[0] if wants == "values" else top[1]
        if ascending and wants == "values":
            result = _flipped(result)
        return result if last else transpose(result, order)


def _flipped(values: Any) -> Any:
    """Values in the opposite order; the same function undoes it."""
    dtype = values.dtype
    if dtype.is_unsigned:
        return cards.Sub(np.array(dtype.max, dtype.as_numpy_dtype), values)
    if dtype.is_integer:  # the least integer has no opposite
        return cards.Sub(np.array(-1, dtype.as_numpy_dtype), values)
    return cards.Neg(values)


def _sort_array(array: Any, axis: int, ascending: bool, wants: str) -> Any:
    if wants == "values":
        result = np.sort(array, axis)
        return result if ascending else np.ascontiguousarray(np.flip(result, axis))
    if ascending:
        return np.argsort(array, axis, kind="stable").astype(_INT32)
    return np.moveaxis(_descending(np.moveaxis(array, axis, -1)), -1, axis).astype(_INT32)


@export("sort")
def sort(values: Any, axis: Any = -1, direction: str = "ASCENDING", name: str | None = None) -> Tensor:
    """`values` sorted along `axis`.

    Args:
      values: numbers.
      axis: the dimension, the last one by default.
      direction: "ASCENDING" or "DESCENDING".
      name: name of the operations.

    Raises:
      ValueError: `axis` is not known statically, or `direction` is none of the two.

    >>> import everflow as tf
    >>> tf.sort([3, 1, 2], direction="DESCENDING").numpy().tolist()
    [3, 2, 1]
    """
    return _sorted(values, axis, direction, name, "sort", "values")


@export("argsort")
def argsort(values: Any, axis: Any = -1, direction: str = "ASCENDING", stable: bool = False, name: str | None = None
            ) -> Tensor:
    """The positions, int32, at which the elements of the sorted `values` stand.

    Args:
      values: numbers.
      axis: the dimension, the last one by default.
      direction: "ASCENDING" or "DESCENDING".
      stable: has no effect; equal elements always keep their order.
      name: name of the operations.

    >>> import everflow as tf
    >>> tf.argsort([3, 1, 2]).numpy().tolist()
    [1, 2, 0]
    """
    return _sorted(values, axis, direction, name, "argsort", "indices")


# ---- positions in sorted sequences


def _bounds(side: str) -> Any:
    def kernel(xp: Any, sorted_inputs: Any, values: Any, *, out_type: Any) -> Any:
        _check_rows(sorted_inputs, values)
        result = np.empty(values.shape, out_type.numpy_dtype)
        for row in range(values.shape[0]):
            result[row] = np.searchsorted(sorted_inputs[row], values[row], side)
        return result

    def compiled(jax: Any, sorted_inputs: Any, values: Any, *, out_type: Any) -> Any:
        _check_rows(sorted_inputs, values)
        find = jax.vmap(lambda s, v: jax.numpy.searchsorted(s, v, side))
        return find(sorted_inputs, values).astype(out_type.numpy_dtype)

    return kernel, compiled


def _check_rows(sorted_inputs: Any, values: Any) -> None:
    if sorted_inputs.ndim != 2 or values.ndim != 2:
        raise invalid(f"sorted_inputs and values must be matrices, received shapes {list(sorted_inputs.shape)} and "
                      f"{list(values.shape)}")
    if sorted_inputs.shape[0] != values.shape[0]:
        raise invalid(f"Leading dim_size of both tensors must match: {sorted_inputs.shape[0]} vs. {values.shape[0]}")


def _bound(name: str, side: str, doc: str) -> Any:
    kernel, compiled = _bounds(side)
    return op(
        name, "sorted_inputs: T, values: T -> output: out_type", T=dtypes.REAL, out_type=index_attr(),
        kernel=kernel, xla=compiled, shape=shapes.like_input(1), no_gradient="its values are positions", doc=doc,
        sample=lambda: ([np.array([[0.0, 1.0, 1.0, 3.0]], np.float32), np.array([[1.0, 2.0]], np.float32)], {}),
    )


LowerBound = _bound("LowerBound", "left", "The first position at which a value may stand in a sorted row.")
UpperBound = _bound("UpperBound", "right", "The last position at which a value may stand in a sorted row.")


@export("searchsorted")
def searchsorted(sorted_sequence: Any, values: Any, side: str = "left", out_type: Any = dtypes.int32,
                 name: str | None = None) -> Tensor:
    """Where each of `values` would have to stand in the sorted rows of `sorted_sequence`.

    Args:
      sorted_sequence: numbers, sorted along the last dimension.
      values: numbers of the same leading dimensions.
      side: "left" for the first position that keeps the row sorted, "right" for the last one.
      out_type: dtype of the positions.
      name: name of the operation.

    Raises:
      ValueError: `side` is neither "left" nor "right".

    >>> import everflow as tf
    >>> tf.searchsorted([1, 3, 5], [3, 4]).numpy().tolist()
    [1, 2]
    """
    if side not in ("left", "right"):
        raise ValueError(f"Argument `side` must be either 'right' or 'left'. Received: `side` = '{side}'.")
    sorted_sequence = convert(sorted_sequence, name="sorted_sequence")
    values = convert(values, sorted_sequence.dtype if not isinstance(values, Tensor) else None, name="values")
    card = LowerBound if side == "left" else UpperBound
    flat = cards.Reshape(sorted_sequence, cards.Pack([-1, cards.Shape(sorted_sequence)[-1]]))
    rows = cards.Reshape(values, cards.Pack([-1, cards.Shape(values)[-1]]))
    return cards.Reshape(card(flat, rows, out_type=out_type, name=name), cards.Shape(values))


# ---- distinct elements


def _unique(x: Any, axis: int | None, out_idx: Any) -> tuple[Any, Any, Any]:
    """Distinct slices in the order in which they first occur, where each slice went, and how often."""
    if axis is None:
        keys = x.tolist() if x.dtype == object else None
        if keys is not None:
            known: dict[Any, int] = {}
            index = np.array([known.setdefault(k, len(known)) for k in keys], np.int64)
            values = np.empty(len(known), object)
            values[:] = list(known)
            return values, index.astype(out_idx), np.bincount(index, minlength=len(known)).astype(out_idx)
    _, first, inverse, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True, axis=axis,
                                          equal_nan=False)
    order = np.argsort(first, kind="stable")
    rank = np.empty(order.size, np.int64)
    rank[order] = np.arange(order.size)
    values = np.take(x, first[order], axis or 0)
    return values, rank[inverse.reshape(-1)].astype(out_idx), counts[order].astype(out_idx)


def _unique_vector(x: Any, out_idx: Any) -> tuple[Any, Any, Any]:
    if x.ndim != 1:
        raise invalid(f"unique expects a 1D vector, got shape {list(x.shape)}")
    return _unique(x, None, out_idx.numpy_dtype)


def _unique_along(x: Any, axis: Any, out_idx: Any) -> tuple[Any, Any, Any]:
    if axis.size == 0:
        return _unique_vector(x, out_idx)
    if axis.size != 1:
        raise invalid("axis does not have exactly one element")
    along = int(axis.reshape(()))
    if not -x.ndim <= along < x.ndim:
        raise invalid(f"axis has to be between [0, {x.ndim})")
    along %= x.ndim
    return _unique(x, None if x.ndim == 1 else along, out_idx.numpy_dtype)


def _unique_shapes(op: Any) -> list[TensorShape]:
    source = op._inputs[0]._shape
    if len(op._inputs) == 1:
        if source.rank not in (1, None):
            raise ValueError(f"Shape must be rank 1 but is rank {source.rank}")
        return [TensorShape([None]), TensorShape([source._dims[0] if source._dims else None]),
                TensorShape([None])][:len(op._outputs)]
    axis = constant_value(op._inputs[1])
    if source._dims is None or axis is None or axis.size != 1:
        flat = axis is not None and not axis.size
        return [TensorShape([None]) if flat else UNKNOWN_SHAPE, source if flat and source.rank == 1 else
                TensorShape([None]), TensorShape([None])][:len(op._outputs)]
    along = shapes.normalize_axis(int(axis.reshape(())), len(source._dims))
    return [TensorShape((*source._dims[:along], None, *source._dims[along + 1:])), TensorShape([source._dims[along]]),
            TensorShape([None])][:len(op._outputs)]


_UNIQUE_SAMPLE = np.array([4, 1, 4, 7, 1], np.int32)

Unique = op(
    "Unique", "x: T -> y: T, idx: out_idx", T=dtypes.ALL, out_idx=index_attr(),
    kernel=lambda xp, x, *, out_idx: _unique_vector(x, out_idx)[:2], shape=_unique_shapes, host=True,
    no_gradient=UNDEFINED_GRADIENT, doc="Distinct elements, and which of them each element is.",
    sample=lambda: ([_UNIQUE_SAMPLE], {}),
)
UniqueWithCounts = op(
    "UniqueWithCounts", "x: T -> y: T, idx: out_idx, count: out_idx", T=dtypes.ALL, out_idx=index_attr(),
    kernel=lambda xp, x, *, out_idx: _unique_vector(x, out_idx), shape=_unique_shapes, host=True,
    no_gradient=UNDEFINED_GRADIENT, doc="Distinct elements, and how often each occurs.",
    sample=lambda: ([_UNIQUE_SAMPLE], {}),
)
UniqueV2 = op(
    "UniqueV2", "x: T, axis: Taxis -> y: T, idx: out_idx", T=dtypes.ALL, Taxis=index_attr(dtypes.int64),
    out_idx=index_attr(), kernel=lambda xp, x, axis, *, out_idx: _unique_along(x, axis, out_idx)[:2],
    shape=_unique_shapes, host=True, no_gradient=UNDEFINED_GRADIENT, doc="Distinct slices along a dimension.",
    sample=lambda: ([_UNIQUE_SAMPLE.reshape(5, 1), np.array([0], np.int64)], {}),
)
UniqueWithCountsV2 = op(
    "UniqueWithCountsV2", "x: T, axis: Taxis -> y: T, idx: out_idx, count: out_idx", T=dtypes.ALL,
    Taxis=index_attr(dtypes.int64), out_idx=index_attr(),
    kernel=lambda xp, x, axis, *, out_idx: _unique_along(x, axis, out_idx), shape=_unique_shapes, host=True,
    no_gradient=UNDEFINED_GRADIENT, doc="Distinct slices along a dimension, and how often each occurs.",
    sample=lambda: ([_UNIQUE_SAMPLE.reshape(5, 1), np.array([0], np.int64)], {}),
)


@export("unique")
def unique(x: Any, out_idx: Any = dtypes.int32, name: str | None = None) -> Any:
    """The distinct elements of a vector in the order in which they first occur, and which one each element is.

    Args:
      x: a vector.
      out_idx: dtype of the positions.
      name: name of the operation.

    Returns:
      A named tuple (y, idx) such that `y[idx[i]] == x[i]`.

    Raises:
      tf.errors.InvalidArgumentError, ValueError (in a graph): `x` is no vector.

    >>> import everflow as tf
    >>> y, idx = tf.unique([4, 1, 4, 7])
    >>> y.numpy().tolist(), idx.numpy().tolist()
    ([4, 1, 7], [0, 1, 0, 2])
    """
    return Unique(x, out_idx=out_idx, name=name)


@export("unique_with_counts")
def unique_with_counts(x: Any, out_idx: Any = dtypes.int32, name: str | None = None) -> Any:
    """`tf.unique` with a third output: how often each of the distinct elements occurs.

    >>> import everflow as tf
    >>> tf.unique_with_counts([4, 1, 4]).count.numpy().tolist()
    [2, 1]
    """
    return UniqueWithCounts(x, out_idx=out_idx, name=name)


def _list_diff(xp: Any, x: Any, y: Any, *, out_idx: Any) -> tuple[Any, Any]:
    if x.ndim != 1 or y.ndim != 1:
        raise invalid(f"x and y should be 1D vectors, received shapes {list(x.shape)} and {list(y.shape)}")
    exclude = set(y.tolist())
    kept = np.array([i for i, v in enumerate(x.tolist()) if v not in exclude], np.int64)
    return x[kept], kept.astype(out_idx.numpy_dtype)


ListDiff = op(
    "ListDiff", "x: T, y: T -> out: T, idx: out_idx", T=dtypes.ALL, out_idx=index_attr(), kernel=_list_diff,
    shape=lambda op: [TensorShape([None])] * 2, host=True, no_gradient=UNDEFINED_GRADIENT,
    doc="The elements of one vector that another has not.",
    sample=lambda: ([np.array([1, 2, 3, 4], np.int32), np.array([2, 4], np.int32)], {}),
)


@export(v1=["setdiff1d"])
def setdiff1d(x: Any, y: Any, index_dtype: Any = dtypes.int32, name: str | None = None) -> Any:
    """The elements of the vector `x` that `y` has not, and their positions, as a named tuple (out, idx)."""
    return ListDiff(x, y, out_idx=index_dtype, name=name)


def _invert_permutation(xp: Any, x: Any) -> Any:
    if x.ndim != 1:
        raise invalid(f"invert_permutation expects a 1D vector, got shape {list(x.shape)}")
    size = x.shape[0]
    if xp is not np:
        return xp.zeros(size, x.dtype).at[x].set(np.arange(size, dtype=x.dtype))
    if size and (x.min() < 0 or x.max() >= size):
        wrong = x[(x < 0) | (x >= size)][0]
        raise invalid(f"{wrong} is not between 0 and {size}")
    result = np.full(size, -1, x.dtype)
    result[x] = np.arange(size, dtype=x.dtype)
    if (result < 0).any():
        values, counts = np.unique(x, return_counts=True)
        raise invalid(f"{values[counts > 1][0]} is duplicated in the input.")
    return result


InvertPermutation = op(
    "InvertPermutation", "x: T -> y: T", T=index_attr(), kernel=_invert_permutation,
    shape=lambda op: shapes.with_rank(op._inputs[0]._shape, 1), no_gradient="its values are positions",
    doc="The permutation that undoes another.", sample=lambda: ([np.array([2, 0, 1], np.int32)], {}),
)


@export("math.invert_permutation", v1=["math.invert_permutation", "invert_permutation"])
def invert_permutation(x: Any, name: str | None = None) -> Tensor:
    """The permutation that undoes `x`: `y[x[i]] == i`.

    Raises:
      tf.errors.InvalidArgumentError: `x` is no permutation of 0, 1, ..., n - 1.

    >>> import everflow as tf
    >>> tf.math.invert_permutation([2, 0, 1]).numpy().tolist()
    [1, 2, 0]
    """
    return InvertPermutation(x, name=name)


def _unravel_index(xp: Any, indices: Any, dims: Any) -> Any:
    if dims.ndim != 1:
        raise invalid("The dims can only be a 1-D tensor.")
    if indices.ndim > 1:
        raise invalid("The indices can only be scalar or vector.")
    sizes = dims.tolist()
    if xp is np and indices.size and (indices.min() < 0 or indices.max() >= np.prod(sizes)):
        raise invalid(f"index is out of bound as with dims {sizes}")
    rest, result = indices, []
    for size in sizes[::-1]:
        result.append(rest % np.array(size, dims.dtype))
        rest = rest // np.array(size, dims.dtype)
    return xp.stack(result[::-1], 0)


UnravelIndex = op(
    "UnravelIndex", "indices: Tidx, dims: Tidx -> output: Tidx", Tidx=index_attr(), kernel=_unravel_index,
    shape=lambda op: TensorShape(op._inputs[1]._shape).concatenate(op._inputs[0]._shape), static=("dims",),
    no_gradient="its values are positions", doc="Positions in a flat array as positions in several dimensions.",
    sample=lambda: ([np.array([1, 5], np.int32), np.array([2, 3], np.int32)], {}),
)


@export("unravel_index")
def unravel_index(indices: Any, dims: Any, name: str | None = None) -> Tensor:
    """Positions in a flattened array as positions in an array of shape `dims`, one column per index.

    Raises:
      tf.errors.InvalidArgumentError: an index is out of range.

    >>> import everflow as tf
    >>> tf.unravel_index([2, 5], [2, 3]).numpy().tolist()
    [[0, 1], [2, 2]]
    """
    return UnravelIndex(indices, dims, name=name)
