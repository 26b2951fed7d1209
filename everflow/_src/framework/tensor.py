"""Tensors: eager ones that hold a value, symbolic ones that name an output of an operation.

Operators and most methods are written once for both and installed by `ops/` when it loads
(`install_method`), so that this file needs no operation.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.context import STATE, current_graph, executing_eagerly_outside_functions
from everflow._src.framework.dtypes import BY_NUMPY, DType
from everflow._src.framework.errors import OperatorNotAllowedInGraphError
from everflow._src.framework.export import export
from everflow._src.framework.tensor_shape import TensorShape

CPU = "/job:localhost/replica:0/task:0/device:CPU:0"


class Reference:
    """A hashable stand-in for a tensor or variable, compared by identity (`tensor.ref()`)."""

    __slots__ = ("_referent", "__weakref__")

    def __init__(self, referent: Any) -> None:
        self._referent = referent

    def deref(self) -> Any:
        """The tensor or variable itself."""
        return self._referent

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Reference):
            return NotImplemented
        return self._referent is other._referent

    def __hash__(self) -> int:
        return id(self._referent)

    def __repr__(self) -> str:
        return f"<Reference wrapping {self._referent!r}>"


@export("Tensor", "experimental.numpy.ndarray", v1=["Tensor"])
class Tensor:
    """A multi-dimensional array of one dtype, with a value (eager) or without (in a graph).

    >>> import everflow as tf
    >>> t = tf.constant([[1., 2.], [3., 4.]])
    >>> t.shape, t.dtype
    (TensorShape([2, 2]), tf.float32)
    """

    __slots__ = ()
    __array_priority__ = 100

    OVERLOADABLE_OPERATORS = {
        "__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "__truediv__", "__rtruediv__",
        "__floordiv__", "__rfloordiv__", "__mod__", "__rmod__", "__lt__", "__le__", "__gt__", "__ge__",
        "__ne__", "__eq__", "__and__", "__rand__", "__or__", "__ror__", "__xor__", "__rxor__",
        "__getitem__", "__pow__", "__rpow__", "__invert__", "__neg__", "__abs__", "__matmul__",
        "__rmatmul__", "__div__", "__rdiv__",
    }

    # Overridden below; here for the type checker and for readers.
    shape: Any
    dtype: DType
    name: str

    def get_shape(self) -> TensorShape:
        """The static shape; the same as `.shape`."""
        return self.shape

    @property
    def ndim(self) -> int:
        """The number of dimensions; ValueError-free only for a known rank."""
        return self.shape.ndims

    def ref(self) -> Reference:
        """A hashable reference, for dictionaries and sets."""
        return Reference(self)

    experimental_ref = ref

    @property
    def _rank(self) -> int | None:
        return self.shape.rank

    def __hash__(self) -> int:
        # Tensors of plain graphs are names of values, which never compare by value.
        if STATE.equality and (
            isinstance(self, EagerTensor)
            or self.graph.building_function  # type: ignore[attr-defined]
            and executing_eagerly_outside_functions()
        ):
            raise TypeError("Tensor is unhashable: it compares by value. Use tensor.ref() as the key instead")
        return id(self)


def install_method(name: str, function: Callable, *classes: type) -> None:
    """Gives Tensor (or the given classes) a method that an upper floor defines."""
    for cls in classes or (Tensor,):
        setattr(cls, name, function)


class EagerTensor(Tensor):
    """A tensor with a value: a NumPy array or scalar, or an opaque resource."""

    __slots__ = ("_value", "_id", "__dict__", "__weakref__")

    def __init__(self, value: Any) -> None:
        self._value = value

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        try:
            return BY_NUMPY[self._value.dtype]
        except KeyError:
            return dtypes.as_dtype(self._value.dtype)

    @property
    def shape(self) -> TensorShape:  # type: ignore[override]
        return TensorShape(self._value.shape)

    @shape.setter
    def shape(self, value: Any) -> None:
        if not self.shape.is_compatible_with(value):
            raise ValueError(f"Tensor's shape {self.shape} is not compatible with supplied shape {value}")

    def set_shape(self, shape: Any) -> None:
        """Checks that `shape` agrees with the actual shape.

        Raises:
          ValueError: it does not.
        """
        if not self.shape.is_compatible_with(TensorShape(shape)):
            raise ValueError(f"Tensor's shape {self.shape} is not compatible with supplied shape {shape}")

    @property
    def _array(self) -> Any:
        """The value as NumPy has it (an array or scalar); for resources and variants, the object."""
        return self._value

    def numpy(self) -> Any:
        """The value as a NumPy array, or as a scalar (bytes for a string) when there are no dimensions.

        The array is the caller's own: writing into it does not change the tensor.
        """
        array = self._array
        if isinstance(array, np.ndarray):
            return array.copy() if array.ndim else array[()]
        if isinstance(array, (np.generic, bytes)):
            return array
        raise NotImplementedError(f"numpy() of a tensor of dtype {self.dtype.name}")

    _numpy = numpy

    @property
    def device(self) -> str:
        """The device that holds the value, as a full device string."""
        return CPU

    backing_device = device

    @property
    def graph(self) -> Any:
        raise AttributeError("Tensor.graph is undefined when eager execution is enabled.")

    @property
    def op(self) -> Any:
        raise AttributeError("Tensor.op is undefined when eager execution is enabled.")

    @property
    def name(self) -> str:  # type: ignore[override]
        raise AttributeError("Tensor.name is undefined when eager execution is enabled.")

    @property
    def value_index(self) -> int:
        raise AttributeError("Tensor.value_index is undefined when eager execution is enabled.")

    def consumers(self) -> list[Any]:
        raise NotImplementedError("Tensor.consumers() is undefined when eager execution is enabled.")

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        raise NotImplementedError(
            "eval is not supported when eager execution is enabled, is .numpy() what you're looking for?"
        )

    def cpu(self) -> EagerTensor:
        """A copy of this tensor in main memory."""
        return EagerTensor(self._array)

    def gpu(self, gpu_index: int = 0) -> EagerTensor:
        """A copy of this tensor on a GPU."""
        return self._copy_to_device(f"/gpu:{gpu_index}")

    def _copy_to_device(self, device: str) -> EagerTensor:
        return _device_copier(self, device)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = np.asarray(self._array)
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, **kwargs: Any) -> Any:
        return np.asarray(self._array).__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return np.asarray(self._array).__dlpack_device__()

    def __int__(self) -> int:
        return int(self.numpy())

    def __float__(self) -> float:
        return float(self.numpy())

    def __complex__(self) -> complex:
        return complex(self.numpy())

    def __index__(self) -> int:
        return self.numpy().__index__()

    def __bool__(self) -> bool:
        array = self._array
        if array.size == 1 if hasattr(array, "size") else False:
            return bool(array)
        if getattr(array, "size", 1) == 0:
            return False
        raise ValueError(
            "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()"
        )

    __nonzero__ = __bool__

    def __len__(self) -> int:
        if not self._value.shape:
            raise TypeError("Scalar tensor has no `len()`")
        return self._value.shape[0]

    def __iter__(self) -> Any:
        if not self._value.shape:
            raise TypeError("Cannot iterate over a scalar tensor")
        return (self[i] for i in range(self._value.shape[0]))  # type: ignore[index]

    def __format__(self, specification: str) -> str:
        return format(self.numpy(), specification) if not self._value.shape else str(self)

    def __reduce__(self) -> Any:
        return (EagerTensor, (self._array,))

    def __copy__(self) -> EagerTensor:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> EagerTensor:
        return EagerTensor(np.array(self._array, copy=True) if not self.dtype == dtypes.resource else self._value)

    def _shape_tuple(self) -> tuple[int, ...]:
        return self._value.shape

    @property
    def is_packed(self) -> bool:
        return False

    def __str__(self) -> str:
        text = _text(self)
        separator = "\n" if "\n" in text else ""
        return f"tf.Tensor({separator}{text}, shape={self.shape}, dtype={self.dtype.name})"

    def __repr__(self) -> str:
        text = _text(self, repr)
        # A repr of several lines starts on a line of its own, so that its columns align.
        separator = "\n" if "\n" in text else ""
        return f"<tf.Tensor: shape={self.shape}, dtype={self.dtype.name}, numpy={separator}{text}>"


def _text(tensor: EagerTensor, form: Callable[[Any], str] = str) -> str:
    dtype = tensor.dtype
    if dtype in (dtypes.resource, dtypes.variant):
        return "<unprintable>"
    value = tensor._array if isinstance(tensor._array, np.ndarray) and tensor._array.ndim else tensor.numpy()
    if form is repr and isinstance(value, np.generic):
        return str(value) if not isinstance(value, np.bool_) else str(bool(value))
    return form(value)


class DeviceTensor(EagerTensor):
    """An eager tensor whose value still lies where XLA left it; NumPy sees it without a copy on a CPU.

    `_value` is a jax array.  Its NumPy view is made when something first asks for it.
    """

    __slots__ = ("_view",)

    def __init__(self, value: Any) -> None:
        self._value = value
        self._view: Any = None

    @property
    def _array(self) -> Any:
        view = self._view
        if view is None:
            view = self._view = np.asarray(self._value)
        return view

    @property
    def device(self) -> str:
        device = next(iter(self._value.devices()))
        kind = "GPU" if device.platform in ("gpu", "cuda", "rocm") else device.platform.upper()
        return f"/job:localhost/replica:0/task:0/device:{kind}:{device.id}"

    backing_device = device

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self._value.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._value.__dlpack_device__()


def _no_device_copier(tensor: EagerTensor, device: str) -> EagerTensor:
    raise RuntimeError(f"Error copying tensor to device: {device}. No runtime is loaded")


_device_copier: Callable[[EagerTensor, str], EagerTensor] = _no_device_copier


def install_device_copier(function: Callable[[EagerTensor, str], EagerTensor]) -> None:
    global _device_copier
    _device_copier = function


class SymbolicTensor(Tensor):
    """An output of an operation in a graph: a name for a value that exists only while a program runs."""

    __slots__ = ("_op", "_value_index", "_dtype", "_shape", "_consumers", "_constant", "_id",
                 "__dict__", "__weakref__")

    def __init__(self, op: Any, value_index: int, dtype: DType) -> None:
        self._op = op
        self._value_index = value_index
        self._dtype = dtype
        self._shape = TensorShape(None)
        self._consumers: list[Any] = []
        self._constant: Any = UNKNOWN

    @property
    def op(self) -> Any:
        """The operation that makes this tensor."""
        return self._op

    @property
    def value_index(self) -> int:
        """Its position among the operation's outputs."""
        return self._value_index

    @property
    def graph(self) -> Any:
        """The graph that the operation belongs to."""
        return self._op.graph

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        return self._dtype

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"{self._op.name}:{self._value_index}"

    @property
    def device(self) -> str:
        return self._op.device

    @property
    def shape(self) -> TensorShape:  # type: ignore[override]
        return self._shape

    @shape.setter
    def shape(self, value: Any) -> None:
        self._shape = TensorShape(value)

    def _shape_tuple(self) -> tuple[int | None, ...] | None:
        return self._shape._dims

    def set_shape(self, shape: Any) -> None:
        """Merges what is known of the shape with `shape`.

        Raises:
          ValueError: they disagree.
        """
        self._shape = self._shape.merge_with(TensorShape(shape))
        self._constant = UNKNOWN

    def consumers(self) -> list[Any]:
        """The operations that take this tensor as an input."""
        return list(dict.fromkeys(self._consumers))

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """The value, computed by `session` or by the default session.

        Raises:
          ValueError: there is no session.
        """
        return _evaluator(self, feed_dict, session)

    def _as_node_def_input(self) -> str:
        return self._op.name if self._value_index == 0 else self.name

    def _no_python_value(self, task: str) -> OperatorNotAllowedInGraphError:
        return OperatorNotAllowedInGraphError(
            f"{task} is not allowed: tensor {self.name!r} is symbolic, its value exists only when the graph "
            "runs. Use tf.cond, tf.while_loop or tf.map_fn, let AutoGraph convert the function, or run eagerly"
        )

    def __bool__(self) -> bool:
        raise self._no_python_value("Using a symbolic `tf.Tensor` as a Python `bool`")

    __nonzero__ = __bool__

    def __iter__(self) -> Any:
        if current_graph() is None or self.graph.building_function or STATE.eager_by_default:
            raise self._no_python_value("Iterating over a symbolic `tf.Tensor`")
        raise TypeError(
            f"Tensor objects are only iterable when eager execution is enabled; tensor {self.name!r} is "
            "symbolic. To iterate over it use tf.map_fn"
        )

    def __len__(self) -> int:
        raise TypeError(
            f"len is not well defined for a symbolic tensor ({self.name}). Use tf.shape(x)[0] or `x.shape[0]`"
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise NotImplementedError(
            f"Cannot convert a symbolic tf.Tensor ({self.name}) to a numpy array. This error may indicate that "
            "a tensor is passed to a NumPy call, which works only on values"
        )

    def __int__(self) -> int:
        raise TypeError(f"int() needs a value; tensor {self.name!r} is symbolic")

    def __float__(self) -> float:
        raise TypeError(f"float() needs a value; tensor {self.name!r} is symbolic")

    def __index__(self) -> int:
        raise TypeError(f"A value is needed as an index; tensor {self.name!r} is symbolic")

    def __copy__(self) -> SymbolicTensor:
        return self

    def __str__(self) -> str:
        shape = "" if self._shape.rank is None else f", shape={self._shape}"
        device = f", device={self.device}" if self.device else ""
        return f'Tensor("{self.name}"{shape}, dtype={self._dtype.name}{device})'

    def __repr__(self) -> str:
        return f"<tf.Tensor '{self.name}' shape={self._shape} dtype={self._dtype.name}>"


_identities = itertools.count()


def identity_of(tensor: Any) -> int:
    """A number that no other tensor of this process ever has; recorders know tensors by it.

    `id()` would not do: a recorder does not keep every tensor alive, and addresses are used again.
    """
    try:
        return tensor._id
    except AttributeError:
        number = tensor._id = next(_identities)
        return number


class _Unknown:
    def __repr__(self) -> str:
        return "<unknown>"


UNKNOWN = _Unknown()


def _no_evaluator(tensor: SymbolicTensor, feed_dict: Any, session: Any) -> Any:
    raise ValueError("Cannot evaluate tensor using `eval()`: no runtime is loaded")


_evaluator: Callable[[Any, Any, Any], Any] = _no_evaluator


def install_evaluator(function: Callable[[Any, Any, Any], Any]) -> None:
    """`Tensor.eval` needs a session, which lives one floor above."""
    global _evaluator
    _evaluator = function


@export("is_symbolic_tensor", v1=["is_symbolic_tensor"])
def is_symbolic(tensor: Any) -> bool:
    """True for a tensor of a graph or of a function being traced, which has no value yet."""
    return isinstance(tensor, SymbolicTensor)


class MissingTensor(EagerTensor):
    """What only a branch that was not taken would have computed: its kind is known, there is no value."""

    __slots__ = ("_kind", "_static_shape")

    def __init__(self, like: SymbolicTensor) -> None:
        super().__init__(None)
        self._kind = like._dtype.base_dtype
        self._static_shape = like._shape

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        return self._kind

    @property  # type: ignore[misc]
    def shape(self) -> TensorShape:  # type: ignore[override]
        return self._static_shape


def as_eager(value: Any, dtype: DType | None = None) -> EagerTensor:
    """An eager tensor of a NumPy array or of a jax array."""
    if isinstance(value, (np.ndarray, np.generic)):
        return EagerTensor(value)
    if hasattr(value, "addressable_data"):
        return DeviceTensor(value)
    return EagerTensor(value)
