"""`tf.contrib.eager`: eager execution as TensorFlow 1.5 to 1.15 had it."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from absl import app

from everflow._src.autodiff.custom import custom_gradient
from everflow._src.autodiff.py_function import py_function
from everflow._src.autodiff.tape import GradientTape
from everflow._src.framework import nest
from everflow._src.framework.context import enable_eager_execution, executing_eagerly
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export, export_constant
from everflow._src.framework.tensor_spec import TensorSpec
from everflow._src.ops.constants import Identity
from everflow._src.runtime.devices import describe_devices
from everflow._src.tracing.function import Function, function
from everflow._src.variables.resource_variable import ResourceVariable
from everflow._src.variables.template import make_template

# ------------------------------------------------------------------ names of other places

export(v1=["contrib.eager.enable_eager_execution"])(enable_eager_execution)
export(v1=["contrib.eager.executing_eagerly", "contrib.eager.in_eager_mode"])(executing_eagerly)
export(v1=["contrib.eager.custom_gradient"])(custom_gradient)
export(v1=["contrib.eager.py_func"])(py_function)
export(v1=["contrib.eager.function"])(function)
export(v1=["contrib.eager.GradientTape"])(GradientTape)
export(v1=["contrib.eager.TensorSpec"])(TensorSpec)
export(v1=["contrib.eager.Variable"])(ResourceVariable)
export(v1=["contrib.eager.make_template"])(make_template)

DEVICE_PLACEMENT_EXPLICIT, DEVICE_PLACEMENT_WARN, DEVICE_PLACEMENT_SILENT = 0, 1, 2
SYNC, ASYNC = 0, 1
for _name in ("DEVICE_PLACEMENT_EXPLICIT", "DEVICE_PLACEMENT_WARN", "DEVICE_PLACEMENT_SILENT", "SYNC", "ASYNC"):
    export_constant(__name__, _name, v1=[f"contrib.eager.{_name}"])


# ------------------------------------------------------------------ derivatives of functions


@export(v1=["contrib.eager.gradients_function"])
def gradients_function(f: Callable, params: Sequence[str] | Sequence[int] | None = None) -> Callable:
    """The function that computes the gradients of `f`.

    Args:
      f: a function of tensors that returns a tensor (of several elements, their sum is differentiated).
      params: names or positions of the arguments to differentiate by; all when None.

    Returns:
      A function of the arguments of `f` that returns a list with one gradient per chosen argument (None where
      the result does not depend on it). It also takes `dy=`, the gradient to start from.

    Raises:
      ValueError: `params` are neither all names nor all positions, or, at the call, `f` returned None or
        keyword arguments were given.

    Source: https://www.tensorflow.org/versions/r1.15/api_docs/python/tf/contrib/eager/gradients_function

    >>> import everflow as tf
    >>> grad = tf.compat.v1.contrib.eager.gradients_function(lambda x, y: x * x * y)
    >>> [float(g) for g in grad(3., 2.)]
    [12.0, 9.0]
    """
    with_values = value_and_gradients_function(f, params)

    def gradients(*args: Any, **kwargs: Any) -> list[Any]:
        return with_values(*args, **kwargs)[1]

    return gradients


@export(v1=["contrib.eager.value_and_gradients_function"])
def value_and_gradients_function(f: Callable, params: Sequence[str] | Sequence[int] | None = None) -> Callable:
    """The function that computes `f` and its gradients.

    Args:
      f: a function of tensors that returns a tensor (of several elements, their sum is differentiated).
      params: names or positions of the arguments to differentiate by; all when None.

    Returns:
      A function of the arguments of `f` that returns its value and a list of gradients.

    Raises:
      ValueError: as `gradients_function`.

    Source: https://www.tensorflow.org/versions/r1.15/api_docs/python/tf/contrib/eager/value_and_gradients_function

    >>> import everflow as tf
    >>> square = tf.compat.v1.contrib.eager.value_and_gradients_function(lambda x: x * x)
    >>> value, (derivative,) = square(3.)
    >>> float(value), float(derivative)
    (9.0, 6.0)
    """

    def value_and_gradients(*args: Any, **kwargs: Any) -> tuple[Any, list[Any]]:
        dy = kwargs.pop("dy", None)
        if kwargs:
            raise ValueError(
                f"Functions to be differentiated cannot receive keyword arguments; {_name_of(f)} received "
                f"{', '.join(kwargs)}"
            )
        positions = _positions(f, params, args)
        # Identity: an argument that is given twice is two different sources.
        arguments = [Identity(convert(a)) if i in positions else a for i, a in enumerate(args)]
        sources = [arguments[i] for i in positions]
        with GradientTape() as tape:
            tape.watch(sources)
            result = f(*arguments)
            _check_result(f, result)
            # An argument that is returned as it is has a gradient too.
            result = nest.map_structure(Identity, result)
        start = None if dy is None else nest.flatten(dy)
        return result, tape.gradient(nest.flatten(result), sources, start)

    return value_and_gradients


def _positions(f: Callable, params: Any, args: Sequence[Any]) -> list[int]:
    """Positions, among the arguments of a call, of those to differentiate by."""
    if params is not None and all(isinstance(p, int) for p in params):
        return list(params)
    try:
        names = inspect.getfullargspec(inspect.unwrap(f)).args
    except TypeError as error:
        if params is None:
            return list(range(len(args)))
        raise ValueError(
            f"The arguments of {_name_of(f)} have no names that can be found; give `params` as positions: {error}"
        ) from None
    if names and names[0] in ("self", "cls"):
        names = names[1:]
    if params is None:
        return list(range(len(args)))
    if not all(isinstance(p, str) for p in params):
        raise ValueError(f"params must be all strings or all integers; got {params!r}")
    unknown = [p for p in params if p not in names]
    if unknown:
        raise ValueError(f"{_name_of(f)} has no argument {unknown[0]!r}; its arguments are {', '.join(names)}")
    return [names.index(p) for p in params]


def _name_of(f: Any) -> str:
    return getattr(f, "__name__", None) or repr(f)


def _check_result(f: Callable, result: Any) -> None:
    if result is None:
        raise ValueError(
            "Cannot differentiate a function that returns None; did you forget to return a value from "
            f"{_name_of(f)}?"
        )


@export(v1=["contrib.eager.implicit_gradients"])
def implicit_gradients(f: Callable) -> Callable:
    """The function that computes the gradients of `f` by the variables that it reads.

    Args:
      f: a function that returns a tensor, the loss.

    Returns:
      A function of the arguments of `f` that returns a list of (gradient, variable), as
      `Optimizer.apply_gradients` takes it.

    Raises:
      ValueError: at the call: `f` returned None, or read no trainable variable.

    Source: https://www.tensorflow.org/versions/r1.15/api_docs/python/tf/contrib/eager/implicit_gradients

    >>> import everflow as tf
    >>> v = tf.Variable(3.)
    >>> ((gradient, variable),) = tf.compat.v1.contrib.eager.implicit_gradients(lambda x: v * v * x)(2.)
    >>> float(gradient), variable is v
    (12.0, True)
    """
    with_values = implicit_value_and_gradients(f)

    def gradients(*args: Any, **kwargs: Any) -> list[tuple[Any, Any]]:
        return with_values(*args, **kwargs)[1]

    return gradients


@export(v1=["contrib.eager.implicit_value_and_gradients"])
def implicit_value_and_gradients(f: Callable) -> Callable:
    """The function that computes `f` and its gradients by the variables that it reads.

    Args:
      f: a function that returns a tensor, the loss.

    Returns:
      A function of the arguments of `f` that returns its value and a list of (gradient, variable).

    Raises:
      ValueError: at the call: `f` returned None, or read no trainable variable.

    Source: https://www.tensorflow.org/versions/r1.15/api_docs/python/tf/contrib/eager/implicit_value_and_gradients
    """

    def value_and_gradients(*args: Any, **kwargs: Any) -> tuple[Any, list[tuple[Any, Any]]]:
        with GradientTape() as tape:
            result = f(*args, **kwargs)
            _check_result(f, result)
        variables = tape.watched_variables()
        if not variables:
            raise ValueError("No trainable variables were accessed while the function was being computed.")
        return result, list(zip(tape.gradient(result, list(variables)), variables))

    return value_and_gradients


# ------------------------------------------------------------------ functions


@export(v1=["contrib.eager.defun"])
def defun(
    func: Callable | None = None,
    input_signature: Any = None,
    autograph: bool = True,
    experimental_autograph_options: Any = None,
    experimental_relax_shapes: bool = False,
) -> Any:
    """Makes a program of a Python function, as `tf.function` does.

    Unlike there, each trace may create variables, which are initialized when it is traced and live as long as
    the function does.

    Args:
      func: the function; a decorator is returned when None.
      input_signature: `TensorSpec`s that limit tracing to one trace.
      autograph: True converts Python control flow on tensors.
      experimental_autograph_options: accepted.
      experimental_relax_shapes: True lets one trace serve several shapes.

    Raises:
      TypeError: `func` is not callable, or `input_signature` does not fit it.

    Source: https://www.tensorflow.org/versions/r1.15/api_docs/python/tf/contrib/eager/defun

    >>> import everflow as tf
    >>> double = tf.compat.v1.contrib.eager.defun(lambda x: x * 2.)
    >>> float(double(tf.constant(3.)))
    6.0
    """

    def decorated(inner: Callable) -> Function:
        if not callable(inner):
            raise TypeError(f"defun takes a callable, received {inner!r}")
        return Function(inner, None, input_signature, autograph, None, bool(experimental_relax_shapes),
                        creates_variables=True)

    return decorated if func is None else decorated(func)


# ------------------------------------------------------------------ devices, modes and programs


@export(v1=["contrib.eager.list_devices"])
def list_devices() -> list[str]:
    """The full names of the devices that operations can run on."""
    return [device.name for device in describe_devices()]


@export(v1=["contrib.eager.num_gpus"])
def num_gpus() -> int:
    """How many accelerators there are."""
    return sum(device.device_type == "GPU" for device in describe_devices())


@export(v1=["contrib.eager.in_graph_mode"])
def in_graph_mode() -> bool:
    """True when operations go into a graph instead of computing at once."""
    return not executing_eagerly()


def _check_mode(mode: Any) -> None:
    if mode not in (None, SYNC, ASYNC):
        raise ValueError(f"The execution mode should be None, tfe.SYNC or tfe.ASYNC, received {mode!r}")


@export(v1=["contrib.eager.set_execution_mode"])
def set_execution_mode(mode: Any) -> None:
    """Accepts `tfe.SYNC` and `tfe.ASYNC`; operations compute in order in either, so results are the same.

    Raises:
      ValueError: it is another value.
    """
    _check_mode(mode)


@export(v1=["contrib.eager.execution_mode"])
@contextlib.contextmanager
def execution_mode(mode: Any) -> Iterator[None]:
    """A context for `tfe.SYNC` or `tfe.ASYNC`; operations compute in order in either.

    Raises:
      ValueError: it is another value.
    """
    _check_mode(mode)
    yield


@export(v1=["contrib.eager.async_wait"])
def async_wait() -> None:
    """Returns when all operations have been computed, which they have."""


@export(v1=["contrib.eager.async_clear_error"])
def async_clear_error() -> None:
    """Forgets errors of operations that failed in the background; here they are raised where they happen."""


@export(v1=["contrib.eager.get_optimizer_variables"])
def get_optimizer_variables(optimizer: Any) -> list[Any]:
    """The variables that a `tf.train.Optimizer` made."""
    return optimizer.variables()


@export(v1=["contrib.eager.run"])
def run(main: Callable | None = None, argv: Sequence[str] | None = None) -> None:
    """Enables eager execution, parses flags and runs the program; does not return.

    Args:
      main: a function of the arguments that are no flags; `main` of the script when None.
      argv: the arguments, the program's name first; those of the process when None.
    """
    enable_eager_execution()
    app.run(main if main is not None else sys.modules["__main__"].main, argv=argv)
