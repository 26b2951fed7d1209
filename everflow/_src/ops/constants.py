"""Where tensors come from: constants, placeholders, and the operations that pass them on."""

from __future__ import annotations

from typing import Any

import numpy as np

from everflow._src.framework import dtypes, errors
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value_as_shape
from everflow._src.framework.context import current_graph
from everflow._src.framework.conversion import constant_array, convert, to_numpy
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.registry import SHAPE, Attr, op
from everflow._src.framework.tensor import EagerTensor, Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.runtime import dispatch  # noqa: F401 - cards become callable

Const = op(
    "Const", "-> output: dtype", dtype=dtypes.ALL, value=Attr("tensor"),
    kernel=lambda xp, *, value: value,
    shape=lambda op: TensorShape(op._attrs["value"].shape),
    no_gradient=True, doc="A tensor whose value is part of the program.",
)


def _unfed(op: Any) -> Any:
    raise errors.InvalidArgumentError(
        None, None,
        f"You must feed a value for placeholder tensor '{op.name}' with dtype {_c_name(op._attrs['dtype'])}"
        + (f" and shape {_shape_text(op._attrs['shape'])}" if op._attrs["shape"].rank else ""),
    )


def _c_name(dtype: Any) -> str:
    return {"float32": "float", "float64": "double", "float16": "half"}.get(dtype.name, dtype.name)


def _shape_text(shape: TensorShape) -> str:
    return "[" + ",".join("?" if d is None else str(d) for d in shape.as_list()) + "]"


Placeholder = op(
    "Placeholder", "-> output: dtype", dtype=dtypes.ALL, more_attrs={"shape": Attr("shape", TensorShape(None))},
    kernel=lambda xp, *, op: _unfed(op), shape=shapes.from_attr("shape"), host=True, stateful=False,
    no_gradient=True, doc="A tensor whose value is fed.",
)

def _feedable_shape(op: Any) -> TensorShape:
    shape = TensorShape(op._attrs["shape"])
    if not shape.is_compatible_with(op._inputs[0].shape):
        raise ValueError(
            f"The default of '{op.name}' must fit the shape that may be fed: expected {shape}, received "
            f"{op._inputs[0].shape}"
        )
    return shape


PlaceholderWithDefault = op(
    "PlaceholderWithDefault", "input: dtype -> output: dtype", dtype=dtypes.ALL, more_attrs={"shape": SHAPE},
    kernel=lambda xp, value: value, shape=lambda op: _feedable_shape(op),
    gradient=lambda dy: dy, doc="A tensor whose value may be fed, and is the input otherwise.",
)

Identity = op(
    "Identity", "input: T -> output: T", T=dtypes.ALL,
    kernel=lambda xp, value: value, shape=shapes.unchanged, gradient=lambda dy: dy,
    value_as_shape=lambda op: constant_value_as_shape(op._inputs[0]), takes_lists=True,
    sample=lambda: ([np.array([1.0, -2.0], np.float32)], {}),
    doc="The same tensor.",
)

NoOp = op("NoOp", "->", kernel=lambda xp: None, stateful=True, no_gradient=True,
          doc="Does nothing; other operations wait for it.")


def constant_of(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None, strict: bool = True
                ) -> Tensor:
    """`tf.constant` without its public checks of arguments."""
    dtype = as_dtype(dtype) if dtype is not None else None
    if isinstance(value, Tensor) and not isinstance(value, EagerTensor):
        result = convert(value, dtype)
        return result if shape is None else _reshape_symbolic(result, shape)
    if isinstance(value, EagerTensor):
        if dtype is not None and value.dtype != dtype:
            raise TypeError(f"Expected tensor {value} with dtype {dtype!r}, but got dtype {value.dtype!r}.")
        array = value._array
    else:
        try:
            array = to_numpy(value, dtype)
        except TypeError as error:
            if current_graph() is None:
                raise
            wanted = dtype.name if dtype is not None else "a tensor"
            raise TypeError(f"Expected {wanted}, but got {value!r} of type '{type(value).__name__}'. {error}") from None
    if shape is not None:
        array = _fit(array, TensorShape(shape), value, strict)
    return constant_array(array, dtype, name)


def _reshape_symbolic(tensor: Tensor, shape: Any) -> Tensor:
    from_shape = TensorShape(shape)
    if not tensor.shape.is_compatible_with(from_shape):
        raise ValueError(f"{tensor!r} has shape {tensor.shape}, which does not fit shape={from_shape}")
    return tensor


def _fit(array: Any, shape: TensorShape, value: Any, strict: bool) -> Any:
    wanted = tuple(shape.as_list())
    count = int(np.prod(wanted))
    array = np.asarray(array)
    if array.size == count:
        return array.reshape(wanted)
    if array.size == 1:
        return np.full(wanted, array.reshape(())[()], array.dtype)
    if not strict and 0 < array.size < count:
        flat = array.reshape(-1)
        return np.concatenate([flat, np.full(count - array.size, flat[-1], array.dtype)]).reshape(wanted)
    if not strict:
        raise ValueError(f"Too many elements provided. Takes at most {count}, but got {array.size}")
    raise TypeError(
        f"Eager execution of tf.constant with unsupported shape. Tensor {array} (converted from {value}) has "
        f"{array.size} elements, but got `shape` {wanted} with {count} elements)."
    )


@export("constant", v1=[])
def constant(value: Any, dtype: Any = None, shape: Any = None, name: str = "Const") -> Tensor:
    """A tensor of a constant value.

    Args:
      value: a number, string, (nested) list, or NumPy array.
      dtype: the dtype; of the value's choice when None (float32 for Python floats, int32 for ints).
      shape: dimensions that the value is reshaped to, or filled up to when it is one number.
      name: name of the operation in a graph.

    Raises:
      TypeError: the value does not fit `dtype` or `shape`.
      ValueError: the value is not rectangular, or nothing that a tensor holds.

    >>> import everflow as tf
    >>> tf.constant([[1, 2], [3, 4]])
    <tf.Tensor: shape=(2, 2), dtype=int32, numpy=
    array([[1, 2],
           [3, 4]], dtype=int32)>
    >>> tf.constant(0., shape=[2])
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([0., 0.], dtype=float32)>
    """
    return constant_of(value, dtype, shape, name)


@export(v1=["constant"])
def constant_v1(value: Any, dtype: Any = None, shape: Any = None, name: str = "Const", verify_shape: bool = False
                ) -> Tensor:
    """A tensor of a constant value; a shorter list is filled up with its last element.

    Args:
      value: a number, string, (nested) list, or NumPy array.
      dtype: the dtype, of the value's choice when None.
      shape: dimensions of the result.
      name: name of the operation in a graph.
      verify_shape: True forbids filling up.

    Raises:
      TypeError: the value does not fit `dtype`.
      ValueError: there are more values than `shape` holds.
    """
    # Eagerly, only one number fills a shape.
    return constant_of(value, dtype, shape, name, strict=verify_shape or current_graph() is None)


@export(v1=["placeholder"])
def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> Tensor:
    """A tensor of a graph whose value is given to `Session.run` in `feed_dict`.

    Args:
      dtype: the dtype of the fed values.
      shape: their shape, with None for dimensions of any size; None for any shape.
      name: name of the operation.

    Raises:
      RuntimeError: eager execution is on, where there is nothing to feed.
    """
    graph = current_graph()
    if graph is None:
        raise RuntimeError("tf.placeholder() is not compatible with eager execution.")
    return Placeholder(dtype=dtype, shape=TensorShape(shape), name=name)  # type: ignore[operator]


@export(v1=["placeholder_with_default"])
def placeholder_with_default(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """A tensor that is `input` unless another value is fed.

    Args:
      input: the default value.
      shape: the shape of what may be fed, at most as specific as the shape of `input`.
      name: name of the operation.
    """
    return PlaceholderWithDefault(input, shape=TensorShape(shape), name=name)  # type: ignore[operator]


@export("identity", v1=["identity"])
def identity(input: Any, name: str | None = None) -> Any:
    """A tensor with the contents of `input`.

    >>> import everflow as tf
    >>> tf.identity(3)
    <tf.Tensor: shape=(), dtype=int32, numpy=3>
    """
    if hasattr(input, "_type_spec") and hasattr(input, "_map_tensors"):
        return input._map_tensors(identity)
    return Identity(input, name=name)  # type: ignore[operator]


@export("no_op", v1=["no_op"])
def no_op(name: str | None = None) -> Any:
    """An operation that does nothing, useful as something to wait for.  None in eager mode."""
    return NoOp(name=name)  # type: ignore[operator]
