"""`tf.py_function`: eager Python inside of programs, with gradients."""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import Any

from everflow._src.autodiff.rules import is_trainable_dtype
from everflow._src.autodiff.tape import GradientTape
from everflow._src.framework.context import current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import CARDS
from everflow._src.ops.python_functions import (
    EagerPyFunc,
    add_operation,
    as_results,
    declared_types,
    error_of_user_code,
    registered_function,
)

_KEPT_CALLS = 10_000  # of a function whose gradient was asked for: the steps of a loop, at most


class EagerFunction:
    """A user's function of eager tensors; once it is differentiated it remembers the calls that it made."""

    def __init__(self, function: Callable, result_types: Any) -> None:
        self._function = function
        self._types, _ = declared_types(result_types)
        self.differentiated = False
        self._calls: collections.deque[tuple[GradientTape, Sequence[Any], Sequence[Any]]] = collections.deque(
            maxlen=_KEPT_CALLS
        )

    def __call__(self, *tensors: Any) -> list[Any]:
        if not self.differentiated:
            return self._results(tensors)
        with GradientTape() as tape:
            tape.watch([t for t in tensors if is_trainable_dtype(t.dtype)])
            results = self._results(tensors)
        self._calls.append((tape, tensors, results))
        return results

    def _results(self, tensors: Sequence[Any]) -> list[Any]:
        results = as_results(self._function(*tensors), len(self._types))
        # A value without a dtype of its own, a Python number for example, gets the declared one.
        return [
            r if r.dtype.base_dtype == dtype else convert(r.numpy().astype(dtype.as_numpy_dtype), dtype)
            for r, dtype in zip(results, self._types)
        ]

    def backward(self, *outputs_and_dys: Any) -> list[Any]:
        """Gradients of the latest call that was not gone back over yet, for its floating inputs.

        The outputs are there so that programs make the call before they go back over it.
        """
        dys = outputs_and_dys[len(self._types):]
        tape, tensors, results = self._calls.pop()
        sources = [t for t in tensors if is_trainable_dtype(t.dtype)]
        return list(tape.gradient(results, sources, list(dys), unconnected_gradients="zero"))


def _gradient(*dys: Any, op: Any) -> list[Any]:
    function = registered_function(op._attrs["token"])
    function.differentiated = True  # type: ignore[attr-defined]
    outputs = list(op._outputs)
    starts = [
        d if d is not None else CARDS["ZerosLike"](t) if is_trainable_dtype(t.dtype) else convert(0, t.dtype.base_dtype)
        for d, t in zip(dys, outputs)
    ]
    floating = [i for i, t in enumerate(op._inputs) if is_trainable_dtype(t.dtype)]
    types = [op._inputs[i].dtype.base_dtype for i in floating]
    found = add_operation(EagerPyFunc, function.backward, [*outputs, *starts], types, None) if types else []  # type: ignore[attr-defined]
    gradients: list[Any] = [None] * len(op._inputs)
    for index, gradient in zip(floating, found):
        gradient.set_shape(op._inputs[index].shape)
        gradients[index] = gradient
    return gradients


_gradient.flat = True  # type: ignore[attr-defined]


EagerPyFunc.set_gradient(_gradient)


@export("py_function", v1=["py_function"])
def py_function(func: Callable | None = None, inp: Any = None, Tout: Any = None, name: str | None = None) -> Any:
    """Calls `func` with eager tensors each time the program runs; gradients go through it.

    Args:
      func: a function of eager tensors that returns tensors of the dtypes in `Tout`, or None.
      inp: the tensors whose values it receives.
      Tout: a dtype, or a list of dtypes, one per result; [] when there is none.
      name: name of the operation in a graph.

    Returns:
      A tensor, or a list of tensors when `Tout` is a list; in a graph their shapes are not known.

    Raises:
      tf.errors.InvalidArgumentError: `func` raised a ValueError or TypeError; other errors have their own kinds.

    >>> import everflow as tf
    >>> x = tf.constant(3.)
    >>> with tf.GradientTape() as tape:
    ...     tape.watch(x)
    ...     y = tf.py_function(lambda a: a * a, [x], tf.float32)
    >>> float(tape.gradient(y, x))
    6.0
    """
    if not callable(func):
        raise ValueError(f"py_function takes a callable, received {func!r}")
    function = EagerFunction(func, Tout)
    inputs = inp if inp is not None else []
    if current_graph() is None:
        # Operations that compute at once are recorded by the tapes outside as they happen.
        tensors = [convert(x) for x in inputs]
        try:
            results = function(*tensors)
        except Exception as error:
            raise error_of_user_code(error) from error
        return results if isinstance(Tout, (list, tuple)) else results[0]
    return add_operation(EagerPyFunc, function, inputs, Tout, name)
