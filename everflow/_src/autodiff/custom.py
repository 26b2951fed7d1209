"""Gradients given by the user: `tf.custom_gradient` and what is built on it."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from everflow._src.autodiff import rules
from everflow._src.autodiff.tape import GradientTape, VariableWatcher
from everflow._src.framework import nest
from everflow._src.framework.context import LOCAL, STATE, current_graph, recorders
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.registry import CARDS
from everflow._src.framework.tensor import EagerTensor

_uids = itertools.count()


@export("custom_gradient", v1=["custom_gradient"])
def custom_gradient(f: Callable | None = None) -> Any:
    """Decorator for a function that returns its result and the function that gives its gradient.

    Args:
      f: `f(*args)` that returns `(y, grad_fn)`; `grad_fn(*dys)` returns one gradient per argument.  When `f`
        reads variables, `grad_fn(*dys, variables=...)` returns that and a list of gradients of the variables.

    Returns:
      A function that returns `y`, and whose derivative is `grad_fn`.

    Raises:
      TypeError: `f` reads variables and `grad_fn` takes no `variables`.

    >>> import everflow as tf
    >>> @tf.custom_gradient
    ... def clip(x):
    ...     return x, lambda dy: tf.clip_by_value(dy, -1., 1.)
    >>> x = tf.constant(2.)
    >>> with tf.GradientTape() as tape:
    ...     tape.watch(x)
    ...     y = clip(x) * 5.
    >>> tape.gradient(y, x).numpy()
    1.0
    """
    if f is None:
        return custom_gradient

    return _CustomGradient(f)


class _CustomGradient:
    """A function with a gradient of its own; as an attribute of a class it is a method."""

    def __init__(self, f: Callable) -> None:
        self._f = f
        functools.update_wrapper(self, f)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if STATE.busy and current_graph() is not None:
            return _in_graph(self._f, args, kwargs)
        return _eagerly(self._f, args, kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else _CustomGradient(self._f.__get__(instance, owner))


class _Gradient:
    """Checks what the user's gradient function returns, and puts gradients of variables behind it."""

    def __init__(self, f: Callable, function: Callable, arguments: Sequence[Any], variables: Sequence[Any],
                 structure: Any) -> None:
        self.f = f
        self.function = function
        self.count = len(arguments)
        self.variables = list(variables)
        self.structure = structure
        parameters = inspect.signature(function).parameters.values()
        takes_variables = any(p.name == "variables" or p.kind is p.VAR_KEYWORD for p in parameters)
        if self.variables and not takes_variables:
            raise TypeError(
                "If using @custom_gradient with a function that uses variables, then grad_fn must accept a 'variables' "
                f"keyword argument: {getattr(f, '__name__', f)!r} reads {[v.name for v in self.variables]}"
            )

    def __call__(self, dys: Sequence[Any]) -> list[Any]:
        if self.variables:
            result = self.function(*dys, variables=self.variables)
            if not isinstance(result, tuple) or len(result) != 2:
                raise ValueError("grad_fn of a custom gradient with variables returns (gradients, "
                                 f"variable_gradients), received {result!r}")
            gradients, variable_gradients = result
            variable_gradients = nest.flatten(variable_gradients)
            if len(variable_gradients) != len(self.variables):
                raise ValueError(f"Must return gradient for each variable from @custom_gradient grad_fn: expected "
                                 f"{len(self.variables)}, received {len(variable_gradients)}")
        else:
            gradients, variable_gradients = self.function(*dys), []
        flat = list(nest.flatten(gradients)) if not hasattr(gradients, "dense_shape") else [gradients]
        if len(flat) != self.count:
            raise ValueError(
                f"custom_gradient function expected to return {self.count} gradients, but returned {len(flat)} instead."
            )
        return [None if g is None else g if hasattr(g, "dense_shape") else convert(g) for g in flat] + \
            variable_gradients


def _eagerly(f: Callable, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    # The gradient is the user's; tangents go through the function itself.
    forward = tuple(r for r in LOCAL.recorders if getattr(r, "forward_mode", False))
    with recorders(forward):
        with VariableWatcher() as watcher:
            outcome = f(*args, **kwargs)
    result, function = _split(f, outcome)
    given = nest.flatten(args, expand_composites=True)
    variables = [v for v in watcher.watched_variables() if not any(v is a for a in given)]
    flat_args = [convert(a) for a in given]
    # An output that is an argument itself gets an identity of its own.
    returned = [convert(t) for t in nest.flatten(result)]
    flat = [_fresh(t) for t in returned]
    for accumulator in forward:
        accumulator.carry_over(returned, flat)
    gradient = _Gradient(f, function, flat_args, variables, result)
    if LOCAL.recorders:
        inputs = [*flat_args, *(v._recorded_handle for v in variables)]
        for variable in variables:
            for recorder in LOCAL.recorders:
                recorder.variable_accessed(variable)
        for recorder in LOCAL.recorders:
            if recorder not in forward:
                recorder.record_function(f"CustomGradient:{getattr(f, '__name__', '?')}", inputs, flat, gradient)
    return nest.pack_sequence_as(result, flat)


def _to_tensor(value: Any) -> Any:
    return convert(value)


def _fresh(tensor: Any) -> Any:
    return type(tensor)(tensor._value) if isinstance(tensor, EagerTensor) else tensor


def _split(f: Callable, outcome: Any) -> tuple[Any, Callable]:
    if not isinstance(outcome, tuple) or len(outcome) != 2 or not callable(outcome[1]):
        raise ValueError(f"A function under @tf.custom_gradient returns (result, grad_fn); "
                         f"{getattr(f, '__name__', f)!r} returned {outcome!r}")
    return outcome


def _in_graph(f: Callable, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    if kwargs:
        raise ValueError(
            "A function under @tf.custom_gradient takes keyword arguments only when eager execution is enabled: "
            f"{getattr(f, '__name__', f)!r} received {sorted(kwargs)}"
        )
    args = nest.map_structure(_to_tensor, tuple(args), expand_composites=True)
    args = nest.map_structure(lambda t: CARDS["Identity"](t), args, expand_composites=True)
    with VariableWatcher() as watcher:
        outcome = f(*args, **kwargs)
    result, function = _split(f, outcome)
    flat_args = nest.flatten(args, expand_composites=True)
    variables = list(watcher.watched_variables())
    for variable in variables:
        for recorder in LOCAL.recorders:
            recorder.variable_accessed(variable)
    flat = [convert(t) for t in nest.flatten(result)]
    gradient = _Gradient(f, function, flat_args, variables, result)
    name = f"CustomGradient-{next(_uids)}"

    def rule(op: Any, *dys: Any) -> list[Any]:
        return [None] * len(flat) + gradient(dys[:len(flat)])

    rules._register(name, rule)
    graph = current_graph()
    handles = [v._recorded_handle for v in variables]
    # The results go through one IdentityN whose gradient is the user's; it takes the arguments and variables
    # too, so that gradients find their way to them.
    with graph.gradient_override_map({"IdentityN": name}):
        tensors = CARDS["IdentityN"]([*flat, *flat_args, *handles])
    return nest.pack_sequence_as(result, tensors[:len(flat)])


@export("grad_pass_through", v1=["grad_pass_through"])
def grad_pass_through(f: Callable) -> Callable:
    """Makes the gradient of `f` that of the identity.

    Args:
      f: a function of tensors that returns tensors of the same shapes.
    """

    @custom_gradient
    def passing(*args: Any, **kwargs: Any) -> Any:
        def gradient(*dys: Any, **grad_kwargs: Any) -> Any:
            variables = grad_kwargs.get("variables")
            result = dys[0] if len(dys) == 1 and len(args) == 1 else list(dys)
            return (result, [None] * len(variables)) if variables is not None else result

        return f(*args, **kwargs), gradient

    return functools.wraps(f)(lambda *args, **kwargs: passing(*args, **kwargs))


@export("recompute_grad", v1=["recompute_grad"])
def recompute_grad(f: Callable) -> Callable:
    """Saves memory: what `f` computes in between is computed again when its gradient is taken.

    Args:
      f: a function of tensors; variables that it reads take part.
    """

    @custom_gradient
    def recomputing(*args: Any, **kwargs: Any) -> Any:
        result = f(*args, **kwargs)

        def gradient(*dys: Any, variables: Sequence[Any] | None = None) -> Any:
            with GradientTape() as tape:
                flat = nest.flatten(args)
                tensors = [CARDS["Identity"](t) for t in flat]
                tape.watch([t for t in tensors if rules.is_trainable_dtype(t.dtype)])
                for variable in variables or ():
                    tape.watch(variable)
                again = f(*nest.pack_sequence_as(args, tensors), **kwargs)
            sources = [*tensors, *(variables or ())]
            found = tape.gradient(nest.flatten(again), sources, output_gradients=list(dys))
            parts = found[:len(tensors)]
            return (parts, found[len(tensors):]) if variables is not None else parts

        return result, gradient

    return functools.wraps(f)(lambda *args, **kwargs: recomputing(*args, **kwargs))
