"""Python inside of programs: `tf.numpy_function` and `tf.compat.v1.py_func`.

In a graph the operation knows its function by a token; the function lives as long as the graph.
`tf.py_function`, which is differentiable, is built on the same table in autodiff/py_function.py.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.context import current_graph, eager_mode, recorders
from everflow._src.framework.conversion import convert
from everflow._src.framework.dtypes import DType, as_dtype
from everflow._src.framework.errors import (
    InvalidArgumentError,
    OpError,
    OutOfRangeError,
    ResourceExhaustedError,
    UnimplementedError,
    UnknownError,
)
from everflow._src.framework.export import export
from everflow._src.framework.registry import op
from everflow._src.framework.tensor import EagerTensor, Tensor
from everflow._src.framework.tensor_spec import TensorSpec

_tokens = itertools.count()
_functions: dict[str, Callable] = {}


def register_python_function(function: Callable, graph: Any) -> str:
    """The token by which an operation of `graph` calls `function(*eager tensors)`."""
    token = f"pyfunc_{next(_tokens)}"
    _functions[token] = function
    weakref.finalize(graph, _functions.pop, token, None)
    return token


def registered_function(token: str) -> Callable:
    """What a token stands for.

    Raises:
      InvalidArgumentError: the function is gone, or belongs to another process.
    """
    if token not in _functions:
        raise InvalidArgumentError(None, None, f"callback {token} is not found")
    return _functions[token]


def error_of_user_code(error: Exception) -> Exception:
    """The error that a program raises for one that the user's function raised."""
    if isinstance(error, OpError):
        return error
    if isinstance(error, (TypeError, ValueError)):
        kind: Any = InvalidArgumentError
    elif isinstance(error, StopIteration):
        kind = OutOfRangeError
    elif isinstance(error, MemoryError):
        kind = ResourceExhaustedError
    elif isinstance(error, NotImplementedError):
        kind = UnimplementedError
    else:
        kind = UnknownError
    return kind(None, None, f"{type(error).__name__}: {error}")


def _call(arguments: Sequence[Any], *, token: str, result_types: Sequence[DType]) -> tuple[Any, ...]:
    function = registered_function(token)
    with eager_mode(), recorders(()):
        try:
            results = function(*[EagerTensor(np.asarray(a)) for a in arguments])
        except Exception as error:
            raise error_of_user_code(error) from error
        results = as_results(results, len(result_types))
        for index, (result, dtype) in enumerate(zip(results, result_types)):
            if result.dtype.base_dtype != dtype:
                raise InvalidArgumentError(
                    None, None, f"{index}-th value returned by {token} is {result.dtype.name}, but expects {dtype.name}"
                )
    return tuple(r._value for r in results)


def as_results(results: Any, count: int) -> list[Any]:
    """What a user's function returned, as a list of tensors.

    Raises:
      InvalidArgumentError: it returned another number of values than was declared.
    """
    values = [] if results is None else list(results) if isinstance(results, (list, tuple)) else [results]
    if len(values) != count:
        raise InvalidArgumentError(None, None, f"the function returned {len(values)} values, but expects {count}")
    return [convert(v) for v in values]


def _card(name: str, stateful: bool, **attrs: Any) -> Any:
    return op(
        name, "input: *Tin -> output: *Tout", token="", host=True, stateful=stateful,
        kernel=lambda xp, arguments, *, token, Tout: _call(arguments, token=token, result_types=Tout),
        shape=lambda op: [shapes.UNKNOWN_SHAPE] * len(op._outputs), doc="Calls a Python function.", **attrs,
    )


PyFunc = _card("PyFunc", True, no_gradient="NumPy knows of no tapes")
PyFuncStateless = _card("PyFuncStateless", False, no_gradient="NumPy knows of no tapes")
EagerPyFunc = _card("EagerPyFunc", True, is_async=False, no_gradient="installed by autodiff/py_function")


def declared_types(result_types: Any) -> tuple[list[DType], list[Any]]:
    """The dtypes in a `Tout`, and the static shapes where it holds specs."""
    flat = list(result_types) if isinstance(result_types, (list, tuple)) else [result_types]
    types = [t.dtype if isinstance(t, TensorSpec) else as_dtype(t) for t in flat]
    return types, [t.shape if isinstance(t, TensorSpec) else None for t in flat]


def add_operation(card: Any, function: Callable, inputs: Sequence[Any], result_types: Any, name: str | None,
                  **attrs: Any) -> Any:
    """Adds an operation that calls `function` to the current graph."""
    graph = current_graph()
    types, known_shapes = declared_types(result_types)
    token = register_python_function(function, graph)
    results = card([convert(x) for x in inputs], Tout=types, token=token, name=name, **attrs)
    if not types:
        return results
    for result, shape in zip(results, known_shapes):
        if shape is not None:
            result.set_shape(shape)
    return list(results) if isinstance(result_types, (list, tuple)) else results[0]


def _numpy_call(function: Callable, inputs: Sequence[Any], result_types: Any, stateful: bool, name: str | None) -> Any:
    def on_arrays(*tensors: Any) -> Any:
        return function(*[_array_of(t) for t in tensors])

    if current_graph() is None:
        types, _ = declared_types(result_types)
        with recorders(()):
            results = as_results(on_arrays(*[convert(x) for x in inputs]), len(types))
        return results if isinstance(result_types, (list, tuple)) else results[0]
    return add_operation(PyFunc if stateful else PyFuncStateless, on_arrays, inputs, result_types, name)


def _array_of(tensor: Tensor) -> Any:
    value = tensor.numpy()
    return value if isinstance(value, (np.ndarray, bytes)) else np.asarray(value)


@export("numpy_function", v1=["numpy_function"])
def numpy_function(
    func: Callable | None = None, inp: Any = None, Tout: Any = None, stateful: bool = True, name: str | None = None,
) -> Any:
    """Calls `func` with NumPy arrays each time the program runs; no gradient goes through it.

    Args:
      func: a function of arrays that returns arrays of the dtypes in `Tout`.
      inp: the tensors whose values it receives.
      Tout: a dtype, or a list of dtypes, one per result.
      stateful: False allows that it is not called when its results are not needed.
      name: name of the operation in a graph.

    Returns:
      A tensor, or a list of tensors when `Tout` is a list; in a graph their shapes are not known.

    Raises:
      tf.errors.InvalidArgumentError: it returned values of other dtypes, or raised a ValueError or TypeError in
        a graph; other errors of `func` have their own kinds.

    >>> import everflow as tf
    >>> float(tf.numpy_function(lambda x: x * 2, [tf.constant(3.)], tf.float32))
    6.0
    """
    if not callable(func):
        raise ValueError(f"numpy_function takes a callable, received {func!r}")
    return _numpy_call(func, inp if inp is not None else [], Tout, stateful, name)


@export(v1=["py_func"])
def py_func(func: Callable, inp: Any, Tout: Any, stateful: bool = True, name: str | None = None) -> Any:
    """Calls `func` with NumPy arrays each time the program runs; the 1.x spelling of `tf.numpy_function`."""
    if not callable(func):
        raise ValueError(f"Expected func to be callable. Received func={func!r} of type {type(func)}.")
    return _numpy_call(func, inp, Tout, stateful, name)


