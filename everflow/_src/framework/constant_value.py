"""What is known of a tensor's value before anything runs.

Static shapes often hang on values: `tf.reshape(x, [tf.shape(x)[0], -1])`.  A value is known when its
operation has no state and its inputs are known; it is then computed by the operation's own kernel.  The
loop that computes is the loop that folds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework.export import export
from everflow._src.framework.tensor import UNKNOWN, EagerTensor, SymbolicTensor, Tensor
from everflow._src.framework.tensor_shape import TensorShape

# Values above this many elements are data, not shapes: folding them would cost time and memory.
_LARGEST = 4096


def constant_value(tensor: Any) -> Any:
    """The value of `tensor` as a NumPy array when it is known statically, else None."""
    if isinstance(tensor, EagerTensor):
        return np.asarray(tensor._array)
    if not isinstance(tensor, SymbolicTensor):
        return np.asarray(tensor) if not hasattr(tensor, "_dense_var_to_tensor") else None
    known = tensor._constant
    if known is UNKNOWN:
        known = _fold(tensor)
        if known is not None:
            tensor._constant = known
    return known


def _fold(tensor: SymbolicTensor) -> Any:
    op = tensor._op
    card = op.card
    if card.name == "Const":
        return op._attrs["value"]
    if card.stateful or card.host or card.kernel is None or "frame" in card.kernel_wants:
        return None
    if not op._inputs or tensor._dtype.name in ("resource", "variant", "string"):
        return None
    if card.shape_only:
        if not all(t._shape.is_fully_defined() for t in op._inputs):
            return None
        # The kernel reads the shapes alone: arrays without memory of their own stand for the values.
        values = [np.broadcast_to(np.zeros((), t._dtype.numpy_dtype), t._shape.as_list()) for t in op._inputs]
    else:
        size = tensor._shape.num_elements()
        if size is None or size > _LARGEST:
            return None
        values = []
        for source in op._inputs:
            value = constant_value(source)
            if value is None:
                return None
            values.append(value)
    try:
        with np.errstate(all="ignore"):
            result = card.bind(op._attrs, op)(np, *card.group(values, op._attrs))
    except Exception:
        return None
    if not card.single_output:
        result = result[tensor._value_index]
    return np.asarray(result)


def constant_value_as_shape(tensor: Any) -> TensorShape:
    """`tensor`, a vector of dimension sizes, as a shape: with None where a size is not known.

    Raises:
      ValueError: the tensor is not a vector.
    """
    if isinstance(tensor, EagerTensor) or not isinstance(tensor, Tensor):
        return TensorShape([int(d) if d >= 0 else None for d in np.asarray(tensor).reshape(-1)])
    value = constant_value(tensor)
    if value is not None:
        if value.ndim == 0:
            if value == -1:
                return TensorShape(None)
            raise ValueError(f"A shape must be a vector, received the scalar {value} in {tensor!r}")
        if value.ndim > 1:
            raise ValueError(f"Shape must be rank 1 but is rank {value.ndim}")
        return TensorShape([int(d) if d >= 0 else None for d in value])
    op: Any = tensor.op  # type: ignore[attr-defined]
    rule = op.card.value_as_shape
    if rule is not None:
        shape = rule(op)
        if isinstance(shape, list):  # one per output
            shape = shape[tensor.value_index]  # type: ignore[attr-defined]
        if shape is not None:
            return shape
    if tensor.shape.rank == 1 and tensor.shape.as_list()[0] is not None:
        return TensorShape([None] * tensor.shape.as_list()[0])
    return TensorShape(None)


@export("get_static_value", v1=["get_static_value"])
def get_static_value(tensor: Any, partial: bool = False) -> Any:
    """The value of `tensor` when it can be known without running anything, else None.

    >>> import everflow as tf
    >>> tf.get_static_value(tf.constant([1, 2]))
    array([1, 2], dtype=int32)
    """
    if isinstance(tensor, EagerTensor):
        return tensor.numpy()
    if not isinstance(tensor, Tensor):
        return None
    value = constant_value(tensor)
    if value is None:
        return None
    return value[()] if value.ndim == 0 else value
