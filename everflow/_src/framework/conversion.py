"""From Python values to NumPy arrays of a dtype, and from anything to a tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.context import STATE, current_graph
from everflow._src.framework.dtypes import DType, as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.registry import CARDS
from everflow._src.framework.tensor import EagerTensor, SymbolicTensor, Tensor, as_eager
from everflow._src.framework.tensor_shape import Dimension, TensorShape

_FLOAT32, _INT32, _INT64 = np.dtype("float32"), np.dtype("int32"), np.dtype("int64")
_OBJECT = np.dtype(object)
# Arrays of this many bytes begin at a multiple of so many.
_LARGE, _ALIGNMENT = 16 << 10, 64
_INT32_MIN, _INT32_MAX = -(2**31), 2**31 - 1


def _first_leaf(value: Any) -> Any:
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return value


def _has_tensor(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_has_tensor(v) for v in value)
    return isinstance(value, Tensor) or hasattr(value, "_dense_var_to_tensor") or isinstance(value, Dimension)


def _as_plain(value: Any) -> Any:
    """Lists in which eager tensors, variables and dimensions stand among numbers, as plain numbers."""
    if isinstance(value, (list, tuple)):
        return [_as_plain(v) for v in value]
    if isinstance(value, Dimension):
        return value.value
    if isinstance(value, EagerTensor):
        return value._array
    if hasattr(value, "_dense_var_to_tensor"):
        return value._dense_var_to_tensor()._array
    return value


def _unsupported(value: Any) -> ValueError:
    return ValueError(
        f"Attempt to convert a value ({value!r}) with an unsupported type ({type(value)}) to a Tensor."
    )


def _string_array(array: np.ndarray) -> np.ndarray:
    """Bytes objects from arrays of str, bytes or objects."""
    if array.dtype.kind == "S":
        # NumPy drops trailing zero bytes of fixed-width strings; nothing can bring them back here.
        return array.astype(_OBJECT)
    result = np.empty(array.shape, _OBJECT)
    flat, source = result.reshape(-1), array.reshape(-1)
    for index, item in enumerate(source.tolist()):
        if isinstance(item, str):
            item = item.encode()
        elif not isinstance(item, bytes):
            raise ValueError(f"Failed to convert a NumPy array to a Tensor (Unsupported object type "
                             f"{type(item).__name__}).")
        flat[index] = item
    return result


def _python_kind(value: Any) -> str:
    """The kind letter of a Python scalar, as NumPy names kinds."""
    if isinstance(value, (bool, np.bool_)):
        return "b"
    if isinstance(value, (int, np.integer)):
        return "i"
    if isinstance(value, (float, np.floating)):
        return "f"
    if isinstance(value, (complex, np.complexfloating)):
        return "c"
    if isinstance(value, (str, bytes)):
        return "S"
    return "O"


_ACCEPTS = {"b": "bifc", "i": "ifcV", "f": "fcV", "c": "c", "S": "O"}


def to_numpy(value: Any, dtype: DType | None = None) -> Any:
    """`value` as a NumPy array (or scalar) that nobody else holds, of `dtype` or of TensorFlow's choice.

    Python floats become float32, ints int32 (int64 when they do not fit), strings bytes; arrays keep their
    dtype.

    Raises:
      TypeError: a Python value does not fit `dtype`.
      ValueError: the value is nothing that a tensor can hold, or not rectangular.
    """
    wanted = dtype.numpy_dtype if dtype is not None else None
    if isinstance(value, (np.ndarray, np.generic)):
        return _from_numpy(value, dtype, wanted)
    kind = _python_kind(value)
    if kind in "bifc" and not isinstance(value, np.generic):
        return _from_scalar(value, kind, dtype, wanted)
    if kind == "S":
        if dtype is not None and dtype.base_dtype != dtypes.string:
            raise TypeError(f"Cannot convert {value!r} to EagerTensor of dtype {dtype.name}")
        array = np.empty((), _OBJECT)
        array[()] = value.encode() if isinstance(value, str) else value
        return array
    if isinstance(value, TensorShape):
        if not value.is_fully_defined():
            raise ValueError(f"Cannot convert a partially known TensorShape {value} to a Tensor.")
        return np.array(value.as_list(), wanted or _INT32)
    if isinstance(value, Dimension):
        if value.value is None:
            raise ValueError("Cannot convert unknown Dimension to a Tensor.")
        return np.array(value.value, wanted or _INT32)
    if isinstance(value, DType):
        return np.array(value.as_datatype_enum, wanted or _INT32)
    if isinstance(value, (list, tuple, range)):
        return _from_sequence(value, dtype, wanted)
    if hasattr(value, "__array__") and not isinstance(value, type):
        array = value.__array__()
        return _from_numpy(np.asarray(array), dtype, wanted)
    if value is None or not hasattr(value, "__array_interface__") and not hasattr(value, "__dlpack__"):
        raise _unsupported(value)
    return _from_numpy(np.asarray(value), dtype, wanted)


def _from_numpy(value: Any, dtype: DType | None, wanted: np.dtype | None) -> Any:
    kind = value.dtype.kind
    if kind in "USO":
        if dtype is not None and dtype.base_dtype != dtypes.string:
            if kind == "O":
                try:
                    return np.array(value.tolist()).astype(wanted)
                except (ValueError, TypeError):
                    raise TypeError(f"Cannot convert {value!r} to EagerTensor of dtype {dtype.name}") from None
            raise TypeError(f"Cannot convert {value!r} to EagerTensor of dtype {dtype.name}")
        array = np.asarray(value)
        if kind == "O" and array.size and not isinstance(array.reshape(-1)[0], (str, bytes)):
            try:
                return to_numpy(array.tolist(), dtype)
            except (ValueError, TypeError):
                first = type(array.reshape(-1)[0]).__name__
                raise ValueError(
                    f"Failed to convert a NumPy array to a Tensor (Unsupported object type {first})."
                ) from None
        return _string_array(array)
    if wanted is None:
        as_dtype(value.dtype)  # raises TypeError for dtypes no tensor has (datetimes, records)
        if not value.dtype.isnative:
            return value.astype(value.dtype.newbyteorder("="))
        return _copied(value) if isinstance(value, np.ndarray) else value
    if wanted is _OBJECT or dtype.base_dtype == dtypes.string:  # type: ignore[union-attr]
        raise TypeError(f"Cannot convert {value!r} to EagerTensor of dtype string")
    if value.dtype == wanted:
        return _copied(value) if isinstance(value, np.ndarray) else value
    with np.errstate(all="ignore"):
        if kind == "c" and wanted.kind != "c":
            value = value.real
        return value.astype(wanted)


def operand_of(tensor: Any) -> Any:
    """The value of an eager tensor, as an operand of a program.

    XLA copies operands anew for each call that have gaps, or do not begin at a multiple of 64 bytes, where few of
    NumPy's begin. A large one is brought to where it can be taken as it lies, and the tensor keeps it so.
    """
    value = tensor._value
    if type(value) is np.ndarray and value.nbytes >= _LARGE and (
        value.ctypes.data % _ALIGNMENT or not value.flags.c_contiguous
    ):
        value = tensor._value = _copied(value)
    return value


def _copied(value: np.ndarray) -> np.ndarray:
    """A copy that compiled programs take as it lies (see `operand_of`)."""
    if value.nbytes < _LARGE:
        return value.copy()
    memory = np.empty(value.nbytes + _ALIGNMENT, np.uint8)
    begin = -memory.ctypes.data % _ALIGNMENT
    copy = memory[begin:begin + value.nbytes].view(value.dtype).reshape(value.shape)
    copy[...] = value
    return copy


def _from_scalar(value: Any, kind: str, dtype: DType | None, wanted: np.dtype | None) -> Any:
    if wanted is None:
        if kind == "f":
            return np.array(value, _FLOAT32)
        if kind == "i":
            if _INT32_MIN <= value <= _INT32_MAX:
                return np.array(value, _INT32)
            if -(2**63) <= value < 2**63:
                return np.array(value, _INT64)
            raise ValueError("Can't convert Python sequence with out-of-range integer to Tensor.")
        return np.array(value)
    target = "i" if wanted.kind == "u" else wanted.kind
    if dtype.is_floating or dtype.is_complex:  # type: ignore[union-attr]
        target = "c" if dtype.is_complex else "f"  # type: ignore[union-attr]
    if target not in _ACCEPTS[kind]:
        raise TypeError(f"Cannot convert {value!r} to EagerTensor of dtype {_name(dtype)}")
    with np.errstate(all="ignore"):
        if kind == "i" and target == "i":
            try:
                return np.array(value).astype(wanted)
            except OverflowError:
                raise ValueError("Can't convert Python sequence with out-of-range integer to Tensor.") from None
        return np.array(value).astype(wanted)


def _name(dtype: DType | None) -> str:
    names = {dtypes.float32: "float", dtypes.float64: "double", dtypes.float16: "half"}
    return names.get(dtype, dtype.name) if dtype is not None else "?"


def _from_sequence(value: Any, dtype: DType | None, wanted: np.dtype | None) -> Any:
    if _has_tensor(value):
        first = next(t for t in _leaves(value) if isinstance(t, Tensor) or hasattr(t, "_dense_var_to_tensor")
                     or isinstance(t, Dimension))
        if wanted is None and not isinstance(first, Dimension):
            dtype = first.dtype.base_dtype
            wanted = dtype.numpy_dtype
        value = _as_plain(value)
    leaf = _first_leaf(value)
    try:
        array = np.array(value)
    except OverflowError:
        raise ValueError("Can't convert Python sequence with out-of-range integer to Tensor.") from None
    except UnicodeDecodeError:  # str beside bytes that are no text
        array = np.array(value, dtype=_OBJECT)
    except ValueError:
        raise ValueError("Can't convert non-rectangular Python sequence to Tensor.") from None
    kind = array.dtype.kind
    if kind == "O":
        for item in array.reshape(-1).tolist():
            if isinstance(item, (list, tuple)):
                raise ValueError("Can't convert non-rectangular Python sequence to Tensor.")
            if isinstance(item, int):
                raise ValueError("Can't convert Python sequence with out-of-range integer to Tensor.")
            if not isinstance(item, (str, bytes)):
                raise _unsupported(item)
        return _string_array(array)
    if kind in "US":
        leaves = list(_leaves(value))
        if not all(isinstance(v, (str, bytes, np.ndarray)) for v in leaves):
            raise ValueError("Can't convert Python sequence with mixed types to Tensor.")
        if dtype is not None and dtype.base_dtype != dtypes.string:
            raise TypeError(f"Cannot convert {value!r} to EagerTensor of dtype {_name(dtype)}")
        return _string_array(np.array(value, dtype=_OBJECT))
    if kind in "if" and array.size <= 4096 and not isinstance(leaf, (np.ndarray, np.generic)):
        has_bool = has_number = False
        for item in _leaves(value):
            if item is True or item is False:
                has_bool = True
            else:
                has_number = True
        if has_bool and has_number:
            raise ValueError("Can't convert Python sequence with mixed types to Tensor.")
    if wanted is None:
        if isinstance(leaf, (np.ndarray, np.generic)):
            return array.astype(leaf.dtype) if array.dtype.kind == leaf.dtype.kind else array
        if kind == "f":
            with np.errstate(all="ignore"):
                return array.astype(_FLOAT32)
        if kind == "i":
            if array.size == 0 or (array.min() >= _INT32_MIN and array.max() <= _INT32_MAX):
                return array.astype(_INT32)
            return array
        if kind == "u":
            raise ValueError("Can't convert Python sequence with out-of-range integer to Tensor.")
        return array
    if array.size and not isinstance(leaf, np.ndarray):
        source = "i" if kind == "u" else kind
        target = "i" if wanted.kind == "u" else wanted.kind
        if dtype.is_floating or dtype.is_complex:  # type: ignore[union-attr]
            target = "c" if dtype.is_complex else "f"  # type: ignore[union-attr]
        if target not in _ACCEPTS.get(source, ""):
            raise TypeError(f"Cannot convert {value!r} to EagerTensor of dtype {_name(dtype)}")
    if wanted is _OBJECT or (dtype is not None and dtype.base_dtype == dtypes.string):
        if array.size:
            raise TypeError(f"Cannot convert {value!r} to EagerTensor of dtype string")
        return array.astype(_OBJECT)
    with np.errstate(all="ignore"):
        return array.astype(wanted)


def _leaves(value: Any) -> Any:
    if isinstance(value, (list, tuple, range)):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


# ---- conversion of objects to tensors

Converter = Callable[..., Any]
_converters: list[tuple[int, int, type | tuple[type, ...], Converter]] = []
_by_type: dict[type, tuple[Converter, ...]] = {}
_arrays = (np.ndarray, np.generic, bool, int, float, complex, str, bytes)


@export("register_tensor_conversion_function", v1=["register_tensor_conversion_function"])
def register_tensor_conversion_function(
    base_type: type | tuple[type, ...], conversion_func: Converter, priority: int = 100
) -> None:
    """Makes objects of `base_type` convertible to tensors.

    Args:
      base_type: a class or a tuple of classes.
      conversion_func: `function(value, dtype=None, name=None, as_ref=False)` that returns a tensor, or
        NotImplemented.
      priority: functions of lower priority are asked first.

    Raises:
      TypeError: `base_type` is no class, or `conversion_func` is not callable.
    """
    types = base_type if isinstance(base_type, tuple) else (base_type,)
    if not types or not all(isinstance(t, type) for t in types):
        raise TypeError(f"Argument `base_type` must be a type or a tuple of types. Received: {base_type!r}")
    if not callable(conversion_func):
        raise TypeError(f"Argument `conversion_func` must be callable. Received {conversion_func!r}")
    if any(t in _arrays for t in types):
        raise TypeError("Cannot register conversions for Python numeric types and NumPy scalars and arrays.")
    _converters.append((priority, len(_converters), base_type, conversion_func))
    _converters.sort(key=lambda entry: entry[:2])
    _by_type.clear()


def _converters_of(cls: type) -> tuple[Converter, ...]:
    found = _by_type.get(cls)
    if found is None:
        found = _by_type[cls] = tuple(f for _, _, base, f in _converters if issubclass(cls, base))
    return found


def constant_array(array: Any, dtype: DType | None = None, name: str | None = None) -> Tensor:
    """A tensor of an array that is already right: an eager one, or a Const of the current graph."""
    graph = current_graph() if STATE.busy else None
    if graph is None:
        return EagerTensor(array)
    array = np.asarray(array)
    dtype = dtype or as_dtype(array.dtype)
    op = graph.add_operation(CARDS["Const"], (), {"value": array, "dtype": dtype}, name or "Const")
    return op._outputs[0]


def convert(value: Any, dtype: DType | None = None, name: str | None = None, hint: DType | None = None,
            as_ref: bool = False) -> Any:
    """`convert_to_tensor` for callers that already hold DTypes."""
    if isinstance(value, Tensor):
        if dtype is not None and value.dtype.base_dtype != dtype.base_dtype:
            raise ValueError(
                f"Tensor conversion requested dtype {dtype.name} for Tensor with dtype {value.dtype.name}: "
                f"{value!r}"
            )
        if STATE.busy:
            graph = current_graph()
            if graph is not None:
                return graph.accept(value)
            if isinstance(value, SymbolicTensor):
                raise _out_of_graph_error(value)
        return value
    if dtype is None and hint is not None:
        try:
            return convert(value, hint, name, None, as_ref)
        except (TypeError, ValueError):
            pass
    cls = type(value)
    if cls not in _arrays:
        for function in _converters_of(cls):
            result = function(value, dtype=dtype, name=name, as_ref=as_ref)
            if result is not NotImplemented:
                if dtype is not None and result.dtype.base_dtype != dtype.base_dtype:
                    raise RuntimeError(f"Conversion of {value!r} gave dtype {result.dtype.name}, but "
                                       f"{dtype.name} was requested")
                return result
        protocol = getattr(cls, "__tf_tensor__", None)
        if protocol is not None:
            return convert(protocol(value, dtype, name), dtype, name)
        if isinstance(value, (list, tuple)) and _has_symbolic(value):
            return _pack(value, dtype, name)
    if hasattr(cls, "addressable_data"):  # a jax array stays where it lies
        result = as_eager(value)
        return convert(result, dtype, name)
    return constant_array(to_numpy(value, dtype), dtype, name)


def _has_symbolic(value: Any) -> bool:
    if STATE.busy == 0:
        return False
    graph = current_graph()
    for item in value:
        if isinstance(item, (list, tuple)):
            if _has_symbolic(item):
                return True
        elif isinstance(item, Tensor):
            if graph is not None or isinstance(item, SymbolicTensor):
                return True
        elif graph is not None and hasattr(item, "_dense_var_to_tensor"):
            return True
    return False


def _pack(value: Any, dtype: DType | None, name: str | None) -> Any:
    """A list in which tensors of a graph stand becomes a Pack operation of its elements."""
    if dtype is None:
        first = next(t for t in _leaves(value) if isinstance(t, Tensor) or hasattr(t, "_dense_var_to_tensor"))
        dtype = first.dtype.base_dtype
    elements = [
        _pack(item, dtype, None) if isinstance(item, (list, tuple)) and _has_symbolic(item)
        else convert(item, dtype)
        for item in value
    ]
    pack: Any = CARDS["Pack"]
    return pack(elements, name=name or "packed")


def _out_of_graph_error(tensor: SymbolicTensor) -> Exception:
    return TypeError(
        f"{tensor!r} is out of scope and cannot be used here: it is a symbolic tensor of the graph or function "
        f"made at {tensor.op.location}, and is used where operations compute at once. Return it from the "
        "function, or fetch it with a Session"
    )


@export("convert_to_tensor", v1=[])
def convert_to_tensor(value: Any, dtype: Any = None, dtype_hint: Any = None, name: str | None = None) -> Tensor:
    """Converts `value` (a number, list, NumPy array, variable, ...) to a tensor.

    Args:
      value: anything that a tensor can hold, or a registered type.
      dtype: the dtype of the result; chosen by the value when None.
      dtype_hint: a dtype to prefer, when the value fits it.
      name: name of the operation, in a graph.

    Raises:
      TypeError: the value does not fit `dtype`.
      ValueError: a tensor of another dtype, or a value that no tensor can hold.

    >>> import everflow as tf
    >>> tf.convert_to_tensor([1, 2], dtype=tf.float32)
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([1., 2.], dtype=float32)>
    """
    dtype = as_dtype(dtype) if dtype is not None else None
    hint = as_dtype(dtype_hint) if dtype_hint is not None else None
    return convert(value, dtype, name, hint)


@export(v1=["convert_to_tensor"])
def convert_to_tensor_v1(
    value: Any, dtype: Any = None, name: str | None = None, preferred_dtype: Any = None, dtype_hint: Any = None
) -> Tensor:
    """Converts `value` to a tensor; the 1.x spelling of `tf.convert_to_tensor`."""
    hint = dtype_hint if dtype_hint is not None else preferred_dtype
    return convert_to_tensor(value, dtype, hint, name)
