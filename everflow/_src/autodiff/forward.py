"""Forward mode: `tf.autodiff.ForwardAccumulator` carries tangents along with the values.

There are no rules of its own for it.  The backward function of an operation is linear in the gradients that
arrive, so differentiating it once more, by these gradients, gives the product with the Jacobian itself
(https://j-towns.github.io/2017/06/12/A-new-trick.html).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from everflow._src.autodiff.backprop import UnconnectedGradients
from everflow._src.autodiff.rules import backward_function, constant_zeros, is_trainable_dtype
from everflow._src.autodiff.tape import GradientTape, _handle_of
from everflow._src.framework import nest
from everflow._src.framework.context import LOCAL, enter_busy, leave_busy, recorders
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.registry import CARDS, Card
from everflow._src.framework.tensor import Tensor, identity_of


@export("autodiff.ForwardAccumulator", v1=["autodiff.ForwardAccumulator"])
class ForwardAccumulator:
    """Computes products of Jacobians with vectors, along with the operations themselves.

    Args:
      primals: tensors or variables to differentiate by, nested as one likes.
      tangents: the vectors, in the same structure and of the same shapes.

    Raises:
      ValueError: the structures differ, or a primal is given twice.

    >>> import everflow as tf
    >>> x = tf.constant([2., 3.])
    >>> with tf.autodiff.ForwardAccumulator(x, tf.constant([1., 0.])) as accumulator:
    ...     y = tf.reduce_sum(x * x)
    >>> float(accumulator.jvp(y))
    4.0
    """

    forward_mode = True

    def __init__(self, primals: Any, tangents: Any) -> None:
        nest.assert_same_structure(primals, tangents)
        self._tangents: dict[int, Any] = {}
        self._recording = False
        for primal, tangent in zip(nest.flatten(primals), nest.flatten(tangents)):
            key = _key_of(primal)
            if key in self._tangents:
                raise ValueError(f"The primal {primal!r} is given twice; add its tangents up")
            if is_trainable_dtype(primal.dtype):
                self._tangents[key] = convert(tangent, primal.dtype.base_dtype)

    def __enter__(self) -> ForwardAccumulator:
        if self._recording:
            raise ValueError("The accumulator is already recording")
        self._recording = True
        LOCAL.recorders = (*LOCAL.recorders, self)
        enter_busy()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._recording = False
        LOCAL.recorders = tuple(r for r in LOCAL.recorders if r is not self)
        leave_busy()

    def jvp(self, primals: Any, unconnected_gradients: str = UnconnectedGradients.NONE) -> Any:
        """The tangents of tensors that were computed from the primals, in the structure of `primals`.

        Args:
          primals: tensors or variables, nested as one likes.
          unconnected_gradients: what to return for the unconnected: "none" or "zero".
        """
        unconnected_gradients = UnconnectedGradients(unconnected_gradients)

        def tangent_of(primal: Any) -> Any:
            if isinstance(primal, IndexedSlices):
                values = tangent_of(primal.values)
                return None if values is None else IndexedSlices(values, primal.indices, primal.dense_shape)
            tangent = self._tangents.get(_key_of(primal))
            if tangent is None and unconnected_gradients == UnconnectedGradients.ZERO:
                return _zeros_like(primal)
            return tangent

        return nest.map_structure(tangent_of, primals)

    # ---- being told what happens (see runtime/dispatch)

    def record(self, card: Card, attrs: dict[str, Any], inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """An operation was applied."""
        if self.is_watching(inputs) and any(is_trainable_dtype(t.dtype) for t in outputs):
            backward = backward_function(card, attrs, inputs, outputs)
            if backward is not None:
                self._push_forward(inputs, outputs, backward)

    def record_function(self, name: str, inputs: Sequence[Any], outputs: Sequence[Any],
                        backward: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        """Something with a gradient of its own was applied."""
        if self.is_watching(inputs):
            self._push_forward(inputs, outputs, backward)

    def carry_over(self, tensors: Sequence[Any], copies: Sequence[Any]) -> None:
        """Copies have the tangents of the tensors that they are copies of."""
        for tensor, copy in zip(tensors, copies):
            tangent = self._tangents.get(identity_of(tensor))
            if tangent is not None:
                self._tangents[identity_of(copy)] = tangent

    def output_added(self, operation: Any, output: Any) -> None:
        """Nothing to note: tangents go through outputs that were there when the operation was made."""

    def is_watching(self, tensors: Sequence[Any]) -> bool:
        """True when one of `tensors` has a tangent."""
        return any(getattr(t, "_id", None) in self._tangents for t in tensors)

    def variable_accessed(self, variable: Any) -> None:
        """Nothing to note: a variable has a tangent from the beginning or never."""

    def _push_forward(self, inputs: Sequence[Any], outputs: Sequence[Any],
                      backward: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        tangents = [self._tangents.get(getattr(t, "_id", None)) for t in inputs]
        # Only recorders around this one see how tangents are computed.
        around = LOCAL.recorders[:LOCAL.recorders.index(self)]
        with recorders(around), GradientTape(watch_accessed_variables=False) as tape:
            arriving = [_zeros_like(t) if is_trainable_dtype(t.dtype) else None for t in outputs]
            tape.watch([a for a in arriving if a is not None])
            gradients = backward(arriving)
            pairs = [
                (convert(gradient) if isinstance(gradient, IndexedSlices) else gradient, tangent)
                for gradient, tangent in zip(gradients, tangents)
                if gradient is not None and tangent is not None
            ]
        if not pairs:
            return
        with recorders(around):
            results = tape.gradient(
                [g for g, _ in pairs], [a for a in arriving if a is not None], [t for _, t in pairs]
            )
        remaining = iter(results)
        for output, start in zip(outputs, arriving):
            tangent = next(remaining) if start is not None else None
            if tangent is not None:
                self._tangents[identity_of(output)] = tangent


def _key_of(primal: Any) -> int:
    handle = _handle_of(primal)
    if handle is None and not isinstance(primal, Tensor):
        raise ValueError(f"A primal must be a tensor or a variable, received {primal!r}")
    return identity_of(primal if handle is None else handle)


def _zeros_like(primal: Any) -> Any:
    if primal.shape.is_fully_defined():
        return constant_zeros(primal.shape.as_list(), primal.dtype.base_dtype)
    return CARDS["ZerosLike"](convert(primal))
