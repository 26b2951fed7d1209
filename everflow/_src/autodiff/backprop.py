"""Reverse accumulation over a list of recorded operations; the tape and `tf.gradients` share it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from everflow._src.autodiff.rules import zeros_for
from everflow._src.framework.context import LOCAL
from everflow._src.framework.export import export
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.registry import CARDS
from everflow._src.framework.tensor import EagerTensor, MissingTensor
from everflow._src.runtime.resources import Variant


@export("UnconnectedGradients", v1=["UnconnectedGradients"])
class UnconnectedGradients:
    """What the gradient of something unconnected is: None, or zeros."""

    NONE = "none"
    ZERO = "zero"

    def __new__(cls, value: str) -> str:  # type: ignore[misc]
        """The option called `value`.

        Raises:
          ValueError: there is no such option.
        """
        if value not in (cls.NONE, cls.ZERO):
            raise ValueError(f"Unknown value for unconnected_gradients: '{value}'")
        return value


@export("AggregationMethod", v1=["AggregationMethod"])
class AggregationMethod:
    """How gradients of one tensor are added; everflow adds them in one way, whatever is asked for."""

    ADD_N = 0
    DEFAULT = 0
    EXPERIMENTAL_TREE = 1
    EXPERIMENTAL_ACCUMULATE_N = 2


_FUNCTIONAL = frozenset({
    "If", "StatelessIf", "Case", "StatelessCase", "While", "StatelessWhile", "PartitionedCall",
    "StatefulPartitionedCall",
})


class Record:
    """One operation that was recorded: whom its outputs came from, and how gradients go back."""

    __slots__ = ("inputs", "outputs", "metas", "backward", "name", "scope")

    def __init__(self, inputs: Sequence[int], outputs: Sequence[int], metas: Sequence[Any],
                 backward: Callable[[Sequence[Any]], Sequence[Any]], name: str) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.metas = metas
        self.backward = backward
        self.name = name
        self.scope: Any = None


def add(gradients: Sequence[Any], name: str | None = None) -> Any:
    """The sum of gradients of one tensor."""
    if len(gradients) == 1:
        return gradients[0]
    if len(gradients) == 2 and type(gradients[0]) is EagerTensor and type(gradients[1]) is EagerTensor and \
            not isinstance(gradients[0]._value, Variant):
        return CARDS["AddV2"](*gradients)  # the same sum, without a list to take apart
    if any(isinstance(g, MissingTensor) for g in gradients):
        gradients = [g for g in gradients if not isinstance(g, MissingTensor)]
        return add(gradients, name) if gradients else None
    if all(isinstance(g, IndexedSlices) for g in gradients):
        indices = [g.indices for g in gradients]
        dtype = next((i.dtype for i in indices if i.dtype.name == "int64"), indices[0].dtype)
        indices = [i if i.dtype == dtype else CARDS["Cast"](i, DstT=dtype) for i in indices]
        return IndexedSlices(
            CARDS["ConcatV2"]([g.values for g in gradients], 0), CARDS["ConcatV2"](indices, 0),
            gradients[0].dense_shape,
        )
    dense = [g._dense_var_to_tensor() if isinstance(g, IndexedSlices) else g for g in gradients]
    return CARDS["AddN"](dense, name=name)


def accumulate(
    records: Sequence[Record],
    targets: Sequence[int],
    target_gradients: Sequence[Any],
    sources: Sequence[int],
    stops: frozenset[int] | set[int] = frozenset(),
) -> list[Any]:
    """Gradients of the targets with respect to the sources.

    Args:
      records: operations in the order in which they ran.
      targets: identities of the tensors to differentiate.
      target_gradients: their gradients.
      sources: identities of the tensors to differentiate by.
      stops: identities of tensors that gradients do not go past.

    Returns:
      One gradient, or None, per source.
    """
    reachable = set(sources)
    active: list[Record] = []
    for record in records:
        for key in record.inputs:
            if key in reachable:
                for output in record.outputs:
                    if output not in stops:
                        reachable.add(output)
                active.append(record)
                break
    pending: dict[int, list[Any]] = {}
    for target, gradient in zip(targets, target_gradients):
        if gradient is not None:
            pending.setdefault(target, []).append(gradient)
    wanted = set(sources)
    for record in reversed(active):
        outputs = record.outputs
        found = False
        dys: list[Any] = []
        for output in outputs:
            parts = pending.get(output)
            if parts is None:
                dys.append(None)
                continue
            found = True
            if output in stops:
                dys.append(None)
                continue
            total = parts[0] if len(parts) == 1 else add(parts)
            if output in wanted:
                pending[output] = [total]  # a source in the middle keeps its gradient and passes it on
            else:
                del pending[output]
            dys.append(total)
        if not found or (dys[0] is None and all(d is None for d in dys)):
            continue
        scope = record.scope
        needed = [i in reachable for i in record.inputs]
        previous, LOCAL.needed = LOCAL.needed, needed if False in needed else None
        try:
            if scope is not None:
                with scope():
                    results = _backward(record, dys)
            else:
                results = _backward(record, dys)
        finally:
            LOCAL.needed = previous
        for source, gradient in zip(record.inputs, results):
            if gradient is not None and source in reachable:
                parts = pending.get(source)
                if parts is None:
                    pending[source] = [gradient]
                else:
                    parts.append(gradient)
    return [add(pending[s]) if s in pending else None for s in sources]


def _backward(record: Record, dys: list[Any]) -> Sequence[Any]:
    if len(dys) > 1 and not getattr(record.backward, "accepts_none", False):
        dys = [zeros_for(meta) if d is None and meta is not None else d for d, meta in zip(dys, record.metas)]
    for n, dy in enumerate(dys):
        if isinstance(dy, IndexedSlices) and not _keeps_slices(record):
            dys[n] = dy._dense_var_to_tensor()
    results = record.backward(dys)
    if record.name in _FUNCTIONAL:
        # They may have learned new inputs while they were differentiated, behind those recorded.
        results = results[:len(record.inputs)]
    if len(results) != len(record.inputs):
        raise ValueError(
            f"Num gradients {len(results)} generated for op {record.name} do not match num inputs {len(record.inputs)}"
        )
    return results


def _keeps_slices(record: Record) -> bool:
    return record.name in ("Identity", "ReadVariableOp", "VariableV2", "captured_value")
