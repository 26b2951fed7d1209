"""`tf.GradientTape`: records operations as they happen, eager or symbolic, and goes back over them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from everflow._src.autodiff.backprop import Record, UnconnectedGradients, accumulate
from everflow._src.autodiff.jacobian import batch_jacobian, jacobian
from everflow._src.autodiff.rules import (
    backward_function,
    constant_ones_like,
    constant_zeros,
    is_trainable_dtype,
)
from everflow._src.framework import logging, nest
from everflow._src.framework.context import (
    LOCAL,
    current_graph,
    enter_busy,
    leave_busy,
    pop_recorder,
    push_recorder,
)
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.registry import CARDS, Card
from everflow._src.framework.tensor import Tensor, identity_of


@export("GradientTape", "autodiff.GradientTape", v1=["GradientTape"])
class GradientTape:
    """Records operations for differentiation.

    Trainable variables are watched as they are read; tensors with `watch`.

    Args:
      persistent: True lets `gradient` be called more than once; the tape then keeps what it recorded.
      watch_accessed_variables: False records only what `watch` names.

    >>> import everflow as tf
    >>> x = tf.constant(3.)
    >>> with tf.GradientTape() as tape:
    ...     tape.watch(x)
    ...     y = x * x
    >>> tape.gradient(y, x)
    <tf.Tensor: shape=(), dtype=float32, numpy=6.0>
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._persistent = persistent
        self._watch_accessed_variables = watch_accessed_variables
        self._records: list[Record] | None = None
        self._watched: set[int] = set()
        self._variables: dict[int, Any] = {}
        self._recording = False
        self._used = False
        self._kept: list[Any] = []

    # ---- being active

    def __enter__(self) -> GradientTape:
        self._start()
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._recording:
            self._stop()

    def _start(self) -> None:
        if self._recording:
            raise ValueError("Tape is still recording, This can happen if you try to re-enter an already-active tape.")
        if self._records is None:
            self._records = []
            self._watched = set()
            self._used = False
        self._recording = True
        LOCAL.recorders = (*LOCAL.recorders, self)
        enter_busy()

    def _stop(self) -> None:
        if not self._recording:
            raise ValueError("Tape is not recording.")
        self._recording = False
        LOCAL.recorders = tuple(r for r in LOCAL.recorders if r is not self)
        leave_busy()

    @contextlib.contextmanager
    def stop_recording(self) -> Iterator[None]:
        """A context in which this tape records nothing.

        Raises:
          ValueError: the tape is not recording.
        """
        if not self._recording:
            raise ValueError("Tape is not recording, so there is nothing to stop")
        self._stop()
        try:
            yield
        finally:
            self._start()

    def reset(self) -> None:
        """Forgets everything that was recorded."""
        was_recording = self._recording
        if was_recording:
            self._stop()
        self._records = None
        self._watched = set()
        self._variables = {}
        if was_recording:
            self._start()

    def watch(self, tensor: Any) -> None:
        """Records what is done with `tensor` (or with each tensor in a nested structure) from now on.

        Raises:
          ValueError: it is no tensor or variable.
        """
        for item in nest.flatten(tensor, expand_composites=True):
            if not (isinstance(item, Tensor) or hasattr(item, "_dense_var_to_tensor")):
                raise ValueError(f"Passed in object {item!r} of type {type(item).__name__}, not tf.Tensor or "
                                 "tf.Variable or ExtensionType.")
            if not is_trainable_dtype(item.dtype):
                logging.log_first_n(
                    logging.WARN, "The dtype of the watched tensor must be floating (e.g. tf.float32), got %r",
                    5, item.dtype,
                )
            handle = _handle_of(item)
            if handle is None:
                self._watched.add(identity_of(item))
                self._kept.append(item)
            else:
                self._watch_variable(item, handle)

    def _watch_variable(self, variable: Any, handle: Any) -> None:
        self._watched.add(identity_of(handle))
        self._variables.setdefault(identity_of(handle), variable)

    def watched_variables(self) -> tuple[Any, ...]:
        """The variables watched so far, in the order in which they were first read."""
        return tuple(self._variables.values())

    # ---- being told what happens (see runtime/dispatch)

    def record(self, card: Card, attrs: dict[str, Any], inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """An operation was applied."""
        watched = self._watched
        for tensor in inputs:
            if getattr(tensor, "_id", None) in watched:
                break
        else:
            return
        for tensor in outputs:
            if is_trainable_dtype(tensor.dtype):
                break
        else:
            return
        backward = backward_function(card, attrs, inputs, outputs)
        if backward is None:
            return
        self._append(card.name, inputs, outputs, backward)

    def record_function(self, name: str, inputs: Sequence[Any], outputs: Sequence[Any],
                        backward: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        """Something with a gradient of its own was applied."""
        if any(getattr(t, "_id", None) in self._watched for t in inputs):
            self._append(name, inputs, outputs, backward)

    def output_added(self, operation: Any, output: Any) -> None:
        """An operation that was recorded learned to return one more output."""
        first = identity_of(operation._outputs[0])
        for record in reversed(self._records or ()):
            if first in record.outputs:
                record.outputs = [*record.outputs, identity_of(output)]
                record.metas = [*record.metas, _meta_of(output)]
                self._watched.add(identity_of(output))
                break

    def is_watching(self, tensors: Sequence[Any]) -> bool:
        """True when the gradient by any of `tensors` may be asked for."""
        return any(getattr(t, "_id", None) in self._watched for t in tensors)

    def _append(self, name: str, inputs: Sequence[Any], outputs: Sequence[Any],
                backward: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        output_ids = [identity_of(t) for t in outputs]
        if len(outputs) > 1:
            metas = [_meta_of(t) for t in outputs]
        else:
            metas = [None]
        for tensor, number in zip(outputs, output_ids):
            if is_trainable_dtype(tensor.dtype):
                self._watched.add(number)
        self._records.append(Record([identity_of(t) for t in inputs], output_ids, metas, backward, name))  # type: ignore[union-attr]

    def variable_accessed(self, variable: Any) -> None:
        """A variable is about to be read."""
        if self._watch_accessed_variables and variable.trainable:
            handle = _handle_of(variable)
            if handle is not None:
                self._watch_variable(variable, handle)

    # ---- going back

    def gradient(self, target: Any, sources: Any, output_gradients: Any = None,
                 unconnected_gradients: str = UnconnectedGradients.NONE) -> Any:
        """Derivatives of `target` (the sum of its elements) by `sources`, in the structure of `sources`.

        Args:
          target: a tensor or a nested structure of them.
          sources: tensors or variables, nested as one likes.
          output_gradients: gradients to start from, one per target; ones when None.
          unconnected_gradients: what to return where target and source are not connected: "none" or "zero".

        Raises:
          RuntimeError: a tape that is not persistent was used before.
          ValueError: an argument is not of the right kind.
        """
        unconnected_gradients = UnconnectedGradients(unconnected_gradients)
        if self._records is None:
            if self._used:
                raise RuntimeError(
                    "A non-persistent GradientTape can only be used to compute one set of gradients (or jacobians): "
                    "make it with persistent=True to use it again"
                )
            raise RuntimeError("The tape recorded nothing: use it as `with tf.GradientTape() as tape:`")
        if self._recording:
            if not self._persistent:
                self._stop()
            else:
                logging.log_first_n(
                    logging.WARN, "Calling GradientTape.gradient on a persistent tape inside its context is "
                    "significantly less efficient than calling it outside the context.", 1,
                )
        targets = nest.flatten(target, expand_composites=True)
        flat_targets = []
        for item in targets:
            if item is None:
                raise TypeError("Argument `target` should be a list or nested structure of Tensors, Variables or "
                                "CompositeTensors to be differentiated, but received None.")
            flat_targets.append(item)
        flat_sources = nest.flatten(sources)
        keys = []
        for item in flat_sources:
            if isinstance(item, IndexedSlices):
                item = item.values
            if not (isinstance(item, Tensor) or hasattr(item, "_dense_var_to_tensor")):
                raise ValueError(f"Argument `sources` must hold tensors or variables, received {item!r}")
            handle = _handle_of(item)
            keys.append(identity_of(item if handle is None else handle))
        if output_gradients is not None:
            starts = [None if g is None else convert(g) for g in nest.flatten(output_gradients)]
        else:
            starts = [None] * len(flat_targets)
        target_keys, start_values = [], []
        for item, start in zip(flat_targets, starts):
            handle = _handle_of(item)
            key = identity_of(item if handle is None else handle)
            target_keys.append(key)
            start_values.append((key, item, start))
        connected = self._connected(target_keys)
        values = [
            (constant_ones_like(_value_of(item)) if start is None else start)
            if key in connected and is_trainable_dtype(item.dtype) else None
            for key, item, start in start_values
        ]
        results = accumulate(self._records, target_keys, values, keys)
        if not self._persistent:
            self._forget()
        if unconnected_gradients == UnconnectedGradients.ZERO:
            results = [_zeros_like(s) if r is None else r for r, s in zip(results, flat_sources)]
        return nest.pack_sequence_as(sources, results)

    def _connected(self, targets: Sequence[int]) -> set[int]:
        return {t for t in targets if t in self._watched}

    def jacobian(self, target: Any, sources: Any, unconnected_gradients: str = UnconnectedGradients.NONE,
                 parallel_iterations: Any = None, experimental_use_pfor: bool = True) -> Any:
        """Derivatives of each element of `target` by each element of the sources, in their structure.

        Args:
          target: a tensor.
          sources: tensors or variables, nested as one likes.
          unconnected_gradients: what to return where target and source are not connected: "none" or "zero".
          parallel_iterations: accepted; there is no limit to set.
          experimental_use_pfor: False needs a persistent tape in eager execution.

        Returns:
          Tensors of shape `target.shape + source.shape`.

        Raises:
          RuntimeError: a tape that is not persistent was used before, or `experimental_use_pfor` is False.
        """
        unconnected_gradients = UnconnectedGradients(unconnected_gradients)
        self._check_use_of_pfor(experimental_use_pfor, "jacobian")
        flat_sources = nest.flatten(sources)
        target = _value_of(target)
        with self._kept_for_many_gradients():
            results = jacobian(
                lambda start: self.gradient(target, flat_sources, start), target, [_value_of(s) for s in flat_sources]
            )
        if unconnected_gradients == UnconnectedGradients.ZERO:
            results = [_unconnected_jacobian(target, s) if r is None else r for r, s in zip(results, flat_sources)]
        return nest.pack_sequence_as(sources, results)

    def batch_jacobian(self, target: Any, source: Any, unconnected_gradients: str = UnconnectedGradients.NONE,
                       parallel_iterations: Any = None, experimental_use_pfor: bool = True) -> Any:
        """Derivatives of each element of each example of `target` by the elements of that example of `source`.

        Args:
          target: a tensor of shape [b, y1, ...]; example i depends on example i of `source` alone.
          source: a tensor of shape [b, x1, ...].
          unconnected_gradients: accepted; where target and source are not connected, zeros are returned.
          parallel_iterations: accepted; there is no limit to set.
          experimental_use_pfor: False needs a persistent tape in eager execution.

        Returns:
          A tensor of shape [b, y1, ..., x1, ...].

        Raises:
          ValueError: the first dimensions differ.
          RuntimeError: a tape that is not persistent was used before, or `experimental_use_pfor` is False.
        """
        UnconnectedGradients(unconnected_gradients)
        self._check_use_of_pfor(experimental_use_pfor, "batch_jacobian")
        target_value, source_value = _value_of(target), _value_of(source)
        batches = target_value.shape[:1], source_value.shape[:1]
        if any(batch.rank == 0 for batch in batches) or not batches[0].is_compatible_with(batches[1]):
            raise ValueError(
                "The first dimensions of the target and of the source of batch_jacobian must be the same, received "
                f"shapes {target_value.shape} and {source_value.shape}"
            )
        with self._kept_for_many_gradients():
            result = batch_jacobian(
                lambda start: self.gradient(target_value, [source], start), target_value, source_value
            )
        if result is None:  # as TensorFlow has it, zeros whatever `unconnected_gradients` says
            shape = target_value.shape.concatenate(source_value.shape[1:])
            return constant_zeros(shape.as_list(), target_value.dtype.base_dtype)
        return result

    def _check_use_of_pfor(self, use_pfor: bool, what: str) -> None:
        if not use_pfor and not self._persistent and current_graph() is None:
            raise RuntimeError(
                f"GradientTape.{what} with experimental_use_pfor=False takes many gradients: make the tape with "
                "persistent=True"
            )

    @contextlib.contextmanager
    def _kept_for_many_gradients(self) -> Iterator[None]:
        persistent = self._persistent
        if self._recording and not persistent:
            self._stop()
        self._persistent = True
        try:
            yield
        finally:
            self._persistent = persistent
            if not persistent:
                self._forget()

    def _forget(self) -> None:
        self._watched = set()
        self._records = None
        self._used = True
        self._kept = []


def _unconnected_jacobian(target: Any, source: Any) -> Any:
    return constant_zeros(target.shape.concatenate(source.shape).as_list(), target.dtype.base_dtype)


def _handle_of(item: Any) -> Any:
    """The handle of a resource variable, by which recorders know it; None for tensors."""
    return getattr(item, "_recorded_handle", None) if not isinstance(item, Tensor) else None


def _meta_of(output: Any) -> Any:
    """What zeros in place of the gradient of `output` are made of; None when there can be none."""
    if not is_trainable_dtype(output.dtype) or output.dtype.name in ("resource", "variant"):
        return None
    return output.shape, output.dtype, None if output.shape.is_fully_defined() else output


def _value_of(item: Any) -> Any:
    return item if isinstance(item, Tensor) else item._dense_var_to_tensor()


def _zeros_like(source: Any) -> Any:
    shape = source.shape
    if shape.is_fully_defined():
        return constant_zeros(shape.as_list(), source.dtype.base_dtype)
    return CARDS["ZerosLike"](_value_of(source))


def variable_accessed(variable: Any) -> None:
    """Tells the active recorders of this thread that `variable` is about to be read."""
    for recorder in LOCAL.recorders:
        recorder.variable_accessed(variable)


def record_function(name: str, inputs: Sequence[Any], outputs: Sequence[Any],
                    backward: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
    """Tells the active recorders of something that has a gradient of its own."""
    for recorder in LOCAL.recorders:
        recorder.record_function(name, inputs, outputs, backward)


class VariableWatcher:
    """A recorder that only notes which variables are read."""

    def __init__(self) -> None:
        self.variables: dict[int, Any] = {}

    def __enter__(self) -> VariableWatcher:
        push_recorder(self)
        return self

    def __exit__(self, *exception: Any) -> None:
        pop_recorder(self)

    def record(self, card: Card, attrs: dict[str, Any], inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Nothing to note."""

    def record_function(self, name: str, inputs: Sequence[Any], outputs: Sequence[Any],
                        backward: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        """Nothing to note."""

    def output_added(self, operation: Any, output: Any) -> None:
        """Nothing to note."""

    def is_watching(self, tensors: Sequence[Any]) -> bool:
        return False

    def variable_accessed(self, variable: Any) -> None:
        """A variable is about to be read."""
        if variable.trainable:
            self.variables.setdefault(id(variable), variable)

    def watched_variables(self) -> tuple[Any, ...]:
        """The trainable variables that were read, in order."""
        return tuple(self.variables.values())
