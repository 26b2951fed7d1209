"""`tf.map_fn`, `tf.foldl`, `tf.foldr`, `tf.scan`: loops over the rows of tensors.

Each is a `tf.while_loop` over TensorArrays: one loop of Python in eager mode, one While operation in a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from everflow._src.framework import dtypes, nest
from everflow._src.framework.context import STATE, current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.registry import CARDS
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.framework.tensor_spec import TensorSpec
from everflow._src.framework.type_spec import TypeSpec
from everflow._src.ops.constants import constant_of
from everflow._src.ops.naming import name_scope
from everflow._src.ops.tensor_array import TensorArray
from everflow._src.ops.while_loop import while_loop_v2


def _check_callable(function: Any, name: str) -> None:
    if not callable(function):
        raise TypeError(f"{name} must be callable. Received: {function!r}")


def _in_graph() -> bool:
    return bool(STATE.busy) and current_graph() is not None


def _flat_tensors(elems: Any, function: str) -> list[Any]:
    flat = [convert(e, name="elem") for e in nest.flatten(elems)]
    if not flat:
        raise ValueError(f"elems must be a Tensor or (possibly nested) sequence of Tensors. Got {elems!r}, which does "
                         "not contain any Tensors.")
    for tensor in flat:
        if tensor.shape.rank == 0:
            raise ValueError(f"Elements in elems must be 1+ dimensional Tensors, not scalars: {function} received "
                             f"{tensor!r}")
    return flat


def _rows(flat: Sequence[Any]) -> tuple[int | None, Any]:
    """The common number of rows: statically, and as a tensor."""
    count = None
    for tensor in flat:
        rows = tensor.shape.as_list()[0] if tensor.shape.rank is not None else None
        if rows is None:
            continue
        if count is not None and rows != count:
            raise ValueError(f"Dimensions {count} and {rows} are not compatible")
        count = rows
    if count is not None:
        return count, constant_of(count, dtypes.int32)
    shape = CARDS["Shape"](flat[0])
    return None, CARDS["StridedSlice"](shape, [0], [1], [1], shrink_axis_mask=1)


def _arrays_of(flat: Sequence[Any], count: Any) -> list[TensorArray]:
    return [
        TensorArray(t.dtype, size=count, dynamic_size=False, infer_shape=True).unstack(t) for t in flat
    ]


def _output_specs(signature: Any) -> list[TensorSpec]:
    """The parts of a signature, each as a TensorSpec."""
    specs = []
    for part in nest.flatten(signature):
        if isinstance(part, TensorSpec):
            specs.append(part)
        elif isinstance(part, TypeSpec):
            raise NotImplementedError(f"tf.map_fn gives tensors only, and not what {part!r} describes, in everflow yet")
        else:
            specs.append(TensorSpec(None, as_dtype(part)))
    return specs


def _signature_of_elems(elems: Any) -> Any:
    return nest.map_structure(lambda e: convert(e).dtype, elems)


@export("map_fn", v1=[])
def map_fn_v2(fn: Callable, elems: Any, dtype: Any = None, parallel_iterations: int | None = None,
              back_prop: bool = True, swap_memory: bool = False, infer_shape: bool = True, name: str | None = None,
              fn_output_signature: Any = None) -> Any:
    """Calls `fn` on each row of `elems` and stacks what it returns.

    Args:
      fn: a function of one argument, in the structure of `elems` without their first axis.
      elems: a tensor, or a nested structure of tensors with the same number of rows.
      dtype: the older name of `fn_output_signature`.
      parallel_iterations: accepted; rows are taken in order.
      back_prop: False stops gradients.
      swap_memory: accepted.
      infer_shape: False allows static shapes to differ between rows.
      name: name scope of the operations in a graph.
      fn_output_signature: dtypes or `tf.TensorSpec`s, in the structure that `fn` returns; those of `elems` if None.

    Returns:
      Tensors in the structure that `fn` returns, one row per row of `elems`.

    Raises:
      TypeError: `fn` is not callable.
      ValueError: `elems` has no rows or different numbers of them, or `fn` returns another structure.
      tf.errors.InvalidArgumentError: `fn` returns another dtype.

    >>> import everflow as tf
    >>> tf.map_fn(lambda row: tf.reduce_sum(row), tf.constant([[1, 2], [3, 4]])).numpy()
    array([3, 7], dtype=int32)
    """
    return _map(fn, elems, dtype if fn_output_signature is None else fn_output_signature, parallel_iterations,
                back_prop, infer_shape, name)


@export(v1=["map_fn"])
def map_fn(fn: Callable, elems: Any, dtype: Any = None, parallel_iterations: int | None = None, back_prop: bool = True,
           swap_memory: bool = False, infer_shape: bool = True, name: str | None = None,
           fn_output_signature: Any = None) -> Any:
    """Calls `fn` on each row of `elems` and stacks what it returns; see `tf.map_fn`."""
    return _map(fn, elems, dtype if fn_output_signature is None else fn_output_signature, parallel_iterations,
                back_prop, infer_shape, name)


def _map(fn: Callable, elems: Any, signature: Any, parallel_iterations: int | None, back_prop: bool,
         infer_shape: bool, name: str | None) -> Any:
    _check_callable(fn, "fn")
    if isinstance(elems, (list, tuple)) and not nest.flatten(elems):
        _flat_tensors(elems, "tf.map_fn")
    with name_scope(name, "map"):
        flat = _flat_tensors(elems, "tf.map_fn")
        if signature is None:
            signature = _signature_of_elems(elems)
        specs = _output_specs(signature)
        static_count, count = _rows(flat)
        arrays = _arrays_of(flat, count)
        results = [
            TensorArray(spec.dtype, size=count, dynamic_size=False, infer_shape=infer_shape,
                        element_shape=spec.shape) for spec in specs
        ]

        def body(i: Any, written: Sequence[TensorArray]) -> tuple[Any, list[TensorArray]]:
            row = nest.pack_sequence_as(elems, [a.read(i) for a in arrays])
            value = fn(row)
            nest.assert_same_structure(signature, value)
            parts = nest.flatten(value)
            return i + 1, [a.write(i, p) for a, p in zip(written, parts)]

        _, results = while_loop_v2(
            lambda i, _: CARDS["Less"](i, count), body, (constant_of(0, dtypes.int32), results),
            parallel_iterations=parallel_iterations or 10, maximum_iterations=count,
        )
        outputs = [_stacked(a, static_count, back_prop) for a in results]
    return nest.pack_sequence_as(signature, outputs)


def _stacked(array: TensorArray, count: int | None, back_prop: bool = True) -> Any:
    result = array.stack()
    if _in_graph() and result.shape.rank is not None:
        result.set_shape(TensorShape([count]).concatenate(result.shape[1:]))
    return result if back_prop else CARDS["StopGradient"](result)


# ---- folds


def _fold(fn: Callable, elems: Any, initializer: Any, parallel_iterations: int, back_prop: bool, name: str | None,
          default_name: str, from_right: bool) -> Any:
    _check_callable(fn, "fn")
    with name_scope(name, default_name):
        flat = _flat_tensors(elems, f"tf.{default_name}")
        static_count, count = _rows(flat)
        arrays = _arrays_of(flat, count)

        def row(i: Any) -> Any:
            return nest.pack_sequence_as(elems, [a.read(i) for a in arrays])

        first = constant_of(0, dtypes.int32)
        done: Any = first
        if initializer is None:
            if static_count == 0:
                _no_first_row(default_name)
            done = constant_of(1, dtypes.int32)
            state = row(CARDS["Sub"](count, done) if from_right else first)
        else:
            state = nest.map_structure(convert, initializer)

        def body(i: Any, state: Any) -> tuple[Any, Any]:
            if from_right:
                i = CARDS["Sub"](i, constant_of(1, dtypes.int32))
                return i, fn(state, row(i))
            return CARDS["AddV2"](i, constant_of(1, dtypes.int32)), fn(state, row(i))

        if from_right:
            start = CARDS["Sub"](count, done)
            _, result = while_loop_v2(lambda i, _: CARDS["Greater"](i, 0), body, (start, state),
                                      parallel_iterations=parallel_iterations or 10)
        else:
            _, result = while_loop_v2(lambda i, _: CARDS["Less"](i, count), body, (done, state),
                                      parallel_iterations=parallel_iterations or 10)
        return result if back_prop else nest.map_structure(lambda t: CARDS["StopGradient"](t), result)


def _no_first_row(function: str) -> None:
    from_empty = TensorArray(dtypes.float32, size=0) if not _in_graph() else None
    if from_empty is not None:
        from_empty.read(0)
    raise ValueError(f"tf.{function} without an initializer needs at least one row, received none")


@export("foldl", v1=[])
def foldl_v2(fn: Callable, elems: Any, initializer: Any = None, parallel_iterations: int = 10, back_prop: bool = True,
             swap_memory: bool = False, name: str | None = None) -> Any:
    """Combines the rows of `elems` from the first to the last: fn(fn(fn(initializer, r0), r1), r2).

    Args:
      fn: a function of what was combined so far and of the next row.
      elems: a tensor, or a nested structure of tensors with the same number of rows.
      initializer: what to begin with; the first row if None.
      parallel_iterations: accepted.
      back_prop: False stops gradients.
      swap_memory: accepted.
      name: name scope of the operations in a graph.

    Returns:
      What the last call of `fn` returns, in the structure of `initializer`.

    Raises:
      TypeError: `fn` is not callable, or changes the dtype of what it combines.
      ValueError: `elems` has no rows to take, or `fn` changes the structure of what it combines.

    >>> import everflow as tf
    >>> tf.foldl(lambda total, n: total * 10 + n, tf.constant([1, 2, 3])).numpy()
    123
    """
    return _fold(fn, elems, initializer, parallel_iterations, back_prop, name, "foldl", False)


@export(v1=["foldl"])
def foldl(fn: Callable, elems: Any, initializer: Any = None, parallel_iterations: int = 10, back_prop: bool = True,
          swap_memory: bool = False, name: str | None = None) -> Any:
    """Combines the rows of `elems` from the first to the last; see `tf.foldl`."""
    return _fold(fn, elems, initializer, parallel_iterations, back_prop, name, "foldl", False)


@export("foldr", v1=[])
def foldr_v2(fn: Callable, elems: Any, initializer: Any = None, parallel_iterations: int = 10, back_prop: bool = True,
             swap_memory: bool = False, name: str | None = None) -> Any:
    """Combines the rows of `elems` from the last to the first: fn(fn(fn(initializer, r2), r1), r0).

    Arguments, result and errors are those of `tf.foldl`.

    >>> import everflow as tf
    >>> tf.foldr(lambda total, n: total * 10 + n, tf.constant([1, 2, 3])).numpy()
    321
    """
    return _fold(fn, elems, initializer, parallel_iterations, back_prop, name, "foldr", True)


@export(v1=["foldr"])
def foldr(fn: Callable, elems: Any, initializer: Any = None, parallel_iterations: int = 10, back_prop: bool = True,
          swap_memory: bool = False, name: str | None = None) -> Any:
    """Combines the rows of `elems` from the last to the first; see `tf.foldr`."""
    return _fold(fn, elems, initializer, parallel_iterations, back_prop, name, "foldr", True)


# ---- scan


@export("scan", v1=[])
def scan_v2(fn: Callable, elems: Any, initializer: Any = None, parallel_iterations: int = 10, back_prop: bool = True,
            swap_memory: bool = False, infer_shape: bool = True, reverse: bool = False, name: str | None = None) -> Any:
    """Combines the rows of `elems` one after another, and keeps what comes of each step.

    Args:
      fn: a function of what was combined so far and of the next row.
      elems: a tensor, or a nested structure of tensors with the same number of rows.
      initializer: what to begin with; the first row, which then is the first result, if None.
      parallel_iterations: accepted.
      back_prop: False stops gradients.
      swap_memory: accepted.
      infer_shape: False allows static shapes to differ between steps.
      reverse: True goes from the last row to the first; results stay in the places of their rows.
      name: name scope of the operations in a graph.

    Returns:
      What each call of `fn` returned, stacked, in the structure of `initializer`.

    Raises:
      TypeError: `fn` is not callable, or changes the dtype of what it combines.
      ValueError: `elems` has no rows to take, or `fn` changes the structure of what it combines.

    >>> import everflow as tf
    >>> tf.scan(lambda total, n: total + n, tf.constant([1, 2, 3])).numpy()
    array([1, 3, 6], dtype=int32)
    """
    return _scan(fn, elems, initializer, parallel_iterations, back_prop, infer_shape, reverse, name)


@export(v1=["scan"])
def scan(fn: Callable, elems: Any, initializer: Any = None, parallel_iterations: int = 10, back_prop: bool = True,
         swap_memory: bool = False, infer_shape: bool = True, reverse: bool = False, name: str | None = None) -> Any:
    """Combines the rows of `elems` one after another, and keeps what comes of each step; see `tf.scan`."""
    return _scan(fn, elems, initializer, parallel_iterations, back_prop, infer_shape, reverse, name)


def _scan(fn: Callable, elems: Any, initializer: Any, parallel_iterations: int, back_prop: bool, infer_shape: bool,
          reverse: bool, name: str | None) -> Any:
    _check_callable(fn, "fn")
    with name_scope(name, "scan"):
        flat = _flat_tensors(elems, "tf.scan")
        static_count, count = _rows(flat)
        arrays = _arrays_of(flat, count)
        one = constant_of(1, dtypes.int32)

        def row(i: Any) -> Any:
            return nest.pack_sequence_as(elems, [a.read(i) for a in arrays])

        last = CARDS["Sub"](count, one)
        if initializer is None:
            if static_count == 0:
                _no_first_row("scan")
            structure = elems
            begin = last if reverse else constant_of(0, dtypes.int32)
            state = [a.read(begin) for a in arrays]
            i = CARDS["Sub"](last, one) if reverse else one
        else:
            structure = initializer
            state = [convert(v) for v in nest.flatten(initializer)]
            i = last if reverse else constant_of(0, dtypes.int32)
        results = [
            TensorArray(v.dtype, size=count, dynamic_size=False, infer_shape=infer_shape,
                        element_shape=v.shape if infer_shape else None) for v in state
        ]
        if initializer is None:
            results = [a.write(begin, v) for a, v in zip(results, state)]

        def body(i: Any, state: Sequence[Any], written: Sequence[TensorArray]) -> tuple[Any, Any, Any]:
            value = fn(nest.pack_sequence_as(structure, list(state)), row(i))
            nest.assert_same_structure(structure, value)
            parts = [convert(p) for p in nest.flatten(value)]
            following = CARDS["Sub"](i, one) if reverse else CARDS["AddV2"](i, one)
            return following, parts, [a.write(i, p) for a, p in zip(written, parts)]

        def holds(i: Any, *rest: Any) -> Any:
            return CARDS["GreaterEqual"](i, 0) if reverse else CARDS["Less"](i, count)

        _, _, results = while_loop_v2(holds, body, (i, state, results), parallel_iterations=parallel_iterations or 10,
                                      maximum_iterations=count)
        outputs = [_stacked(a, static_count, back_prop) for a in results]
    return nest.pack_sequence_as(structure, outputs)
