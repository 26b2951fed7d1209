"""Arrays as TensorProto messages and back.

Format: tensorflow/core/framework/tensor.proto.  Numbers in bulk travel as `tensor_content` (little-endian,
row by row), single numbers and strings in the repeated field of their type, where the last element stands
for all that are left out.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.conversion import to_numpy
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.tensor_shape import TensorShape

# The repeated field that holds the elements of a dtype.
_FIELDS = {
    "float32": "float_val",
    "float64": "double_val",
    "int32": "int_val",
    "uint8": "int_val",
    "int16": "int_val",
    "int8": "int_val",
    "uint16": "int_val",
    "qint8": "int_val",
    "quint8": "int_val",
    "qint16": "int_val",
    "quint16": "int_val",
    "qint32": "int_val",
    "string": "string_val",
    "complex64": "scomplex_val",
    "complex128": "dcomplex_val",
    "int64": "int64_val",
    "bool": "bool_val",
    "float16": "half_val",
    "bfloat16": "half_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
}


def proto_of_array(array: Any, dtype: Any = None, shape: Any = None) -> Any:
    """The TensorProto of an array.

    Args:
      array: the elements; fewer than `shape` holds stand for a tensor that ends in copies of the last one.
      dtype: the dtype, of the array's own when None.
      shape: the dimensions, those of the array when None.
    """
    from tensorboard.compat.proto import tensor_pb2

    array = np.asarray(array)
    dtype = as_dtype(array.dtype) if dtype is None else dtype
    shape = TensorShape(array.shape) if shape is None else TensorShape(shape)
    proto = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum, tensor_shape=shape.as_proto())
    field = _FIELDS.get(dtype.name)
    if field is None:
        raise TypeError(f"Values of dtype {dtype.name} have no place in a TensorProto")
    complete = array.size > 1 and array.size == shape.num_elements()
    if complete and field not in ("string_val", "bool_val"):
        little = array.astype(array.dtype.newbyteorder("<")) if sys.byteorder == "big" else array
        proto.tensor_content = little.tobytes()
    else:
        getattr(proto, field).extend(_elements(array.ravel(), field))
    return proto


def _elements(flat: np.ndarray, field: str) -> list[Any]:
    if field == "half_val":
        return flat.view(np.uint16).tolist()
    if field in ("scomplex_val", "dcomplex_val"):
        return np.stack([flat.real, flat.imag], -1).ravel().tolist()
    if field == "string_val":
        return [text.encode() if isinstance(text, str) else bytes(text) for text in flat]
    return flat.tolist()


@export("make_tensor_proto", v1=["make_tensor_proto"])
def make_tensor_proto(
    values: Any,
    dtype: Any = None,
    shape: Any = None,
    verify_shape: bool = False,
    allow_broadcast: bool = False,
) -> Any:
    """A TensorProto message of a value.

    Args:
      values: a number, string, (nested) list, or NumPy array; a TensorProto is returned as it is.
      dtype: the dtype, of the value's choice when None.
      shape: the dimensions, those of the value when None.
      verify_shape: True demands that the value has that shape.
      allow_broadcast: True allows one number for a whole tensor.

    Raises:
      TypeError: the value does not fit `dtype`, or `verify_shape` and its shape is another one.
      ValueError: there are more elements than `shape` holds, or `verify_shape` and `allow_broadcast` are on.

    >>> import everflow as tf
    >>> tf.make_tensor_proto(1.5)
    dtype: DT_FLOAT
    tensor_shape {
    }
    float_val: 1.5
    <BLANKLINE>
    """
    if allow_broadcast and verify_shape:
        raise ValueError("allow_broadcast and verify_shape are not both allowed.")
    if hasattr(values, "tensor_content"):
        return values
    dtype = None if dtype is None else as_dtype(dtype).base_dtype
    array = np.asarray(to_numpy(values, dtype))
    if dtype is None:
        dtype = dtypes.string if array.dtype.kind in "OSU" else as_dtype(array.dtype)
    if shape is None:
        return proto_of_array(array, dtype)
    wanted = tuple(TensorShape(shape).as_list())
    count = int(np.prod(wanted))
    if verify_shape and array.shape != wanted:
        raise TypeError(f"Expected a value of shape {wanted}, received one of shape {array.shape}")
    if array.size > count:
        raise ValueError(f"shape={wanted} holds {count} elements, received {array.size}")
    return proto_of_array(array, dtype, wanted)


@export("make_ndarray", v1=["make_ndarray"])
def make_ndarray(tensor: Any) -> np.ndarray:
    """The NumPy array of a TensorProto message.

    Raises:
      TypeError: arrays of its dtype do not exist.

    >>> import everflow as tf
    >>> tf.make_ndarray(tf.make_tensor_proto([1, 2]))
    array([1, 2], dtype=int32)
    """
    dtype = as_dtype(tensor.dtype).base_dtype
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    count = int(np.prod(shape, dtype=np.int64))
    field = _FIELDS.get(dtype.name)
    if field is None:
        raise TypeError(f"Unsupported tensor type: {dtype.name}")
    if tensor.tensor_content:
        numpy_type = np.dtype(dtype.as_numpy_dtype).newbyteorder("<")
        array = np.frombuffer(tensor.tensor_content, dtype=numpy_type)
        return array.astype(dtype.as_numpy_dtype).reshape(shape)
    elements = list(getattr(tensor, field))
    if field == "half_val":
        array = np.array(elements, np.uint16).view(dtype.as_numpy_dtype)
    elif field in ("scomplex_val", "dcomplex_val"):
        array = np.array([complex(r, i) for r, i in zip(elements[::2], elements[1::2])], dtype.as_numpy_dtype)
    elif field == "string_val":
        array = np.empty(len(elements), object)
        array[:] = elements
    else:
        array = np.array(elements, dtype.as_numpy_dtype)
    if array.size == count:
        return array.reshape(shape)
    if array.size == 0:
        missing = b"" if field == "string_val" else 0
        return np.full(shape, missing, dtype.as_numpy_dtype)
    filled = np.concatenate([array, np.full(count - array.size, array[-1], array.dtype)])
    return filled.reshape(shape)
