"""The same tensor, and what becomes of its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value_as_shape
from everflow._src.framework.context import STATE
from everflow._src.framework.export import export
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.tensor import EagerTensor, Tensor

_INT32 = np.dtype("int32")
_INDEX_TYPES = Attr("type", allowed=(dtypes.int32, dtypes.int64))

IdentityN = op(
    "IdentityN", "input: *T -> output: *T", kernel=lambda xp, values: tuple(values),
    shape=lambda op: [t._shape for t in op._inputs], gradient=lambda dys: list(dys), doc="The same tensors.",
    sample=lambda: ([[np.array([1.0, -2.0], np.float32), np.array([3.0], np.float32)]], {}),
)


@export("identity_n")
def identity_n(input: Any, name: str | None = None) -> list[Tensor]:
    """Tensors with the contents of those in the list `input`."""
    return IdentityN(input, name=name)


StopGradient = op(
    "StopGradient", "input: T -> output: T", T=dtypes.ALL, kernel=lambda xp, x: x, shape=shapes.unchanged,
    value_as_shape=lambda op: constant_value_as_shape(op._inputs[0]) if op._inputs[0]._shape.rank == 1 else None,
    no_gradient="stopping the gradient is its purpose", doc="The same tensor, without gradient.",
    sample=lambda: ([np.array([1.0, -2.0], np.float32)], {}),
)


@export("stop_gradient")
def stop_gradient(input: Any, name: str | None = None) -> Any:
    """`input`, as a constant in the eyes of gradients.

    >>> import everflow as tf
    >>> x = tf.constant(3.0)
    >>> with tf.GradientTape() as tape:
    ...     tape.watch(x)
    ...     y = x * tf.stop_gradient(x)
    >>> tape.gradient(y, x).numpy() == 3.0
    True
    """
    if type(input) is EagerTensor and not STATE.busy:
        return EagerTensor(input._value)
    return StopGradient(input, name=name)


def _refuse_gradient(dy: Any, *, message: str) -> Any:
    raise LookupError(f"Gradient explicitly disabled. Reason: {message!r}")


PreventGradient = op(
    "PreventGradient", "input: T -> output: T", T=dtypes.ALL, message=Attr("string", ""), kernel=lambda xp, x: x,
    shape=shapes.unchanged, gradient=_refuse_gradient, doc="The same tensor, of which no gradient may be taken.",
    sample=lambda: ([np.array([1.0, -2.0], np.float32)], {}),
)

Snapshot = op(
    "Snapshot", "input: T -> output: T", T=dtypes.ALL, kernel=lambda xp, x: x, shape=shapes.unchanged,
    gradient=lambda dy: dy, doc="The same tensor.", sample=lambda: ([np.array([1.0, -2.0], np.float32)], {}),
)
