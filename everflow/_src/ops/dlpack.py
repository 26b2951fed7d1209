"""Tensors to and from other libraries without a copy, as DLPack capsules.

Format: https://dmlc.github.io/dlpack/latest/
"""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework.errors import InvalidArgumentError
from everflow._src.framework.export import export
from everflow._src.framework.tensor import EagerTensor, as_eager

_CPU = (1, 0)  # the device type kDLCPU, and its index


class _Exporter:
    """A capsule in the shape in which NumPy wants to meet it."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **keywords: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return _CPU


@export("experimental.dlpack.to_dlpack", v1=[])
def to_dlpack(tf_tensor: Any) -> Any:
    """A DLPack capsule of an eager tensor, for another library to take.

    Raises:
      tf.errors.InvalidArgumentError: the tensor has no value yet, or a dtype that DLPack lacks.
    """
    if not isinstance(tf_tensor, EagerTensor):
        raise InvalidArgumentError(None, None, f"to_dlpack needs an eager tensor, received {tf_tensor!r}")
    try:
        array = tf_tensor._array if isinstance(tf_tensor._array, np.ndarray) else np.asarray(tf_tensor._array)
        return (array if array.flags.writeable else array.copy()).__dlpack__()
    except (BufferError, AttributeError) as error:
        raise InvalidArgumentError(
            None, None, f"A tensor of dtype {tf_tensor.dtype.name} cannot become a DLPack capsule: {error}"
        ) from None


@export("experimental.dlpack.from_dlpack", v1=[])
def from_dlpack(dlcapsule: Any) -> Any:
    """The tensor of a DLPack capsule in main memory, or of an object that makes such capsules.

    >>> import everflow as tf
    >>> capsule = tf.experimental.dlpack.to_dlpack(tf.constant([1., 2.]))
    >>> tf.experimental.dlpack.from_dlpack(capsule)
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([1., 2.], dtype=float32)>
    """
    exporter = dlcapsule if hasattr(dlcapsule, "__dlpack__") else _Exporter(dlcapsule)
    return as_eager(np.from_dlpack(exporter))
