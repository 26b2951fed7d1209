"""`tf.test.compute_gradient`: derivatives by the gradient rules beside those by finite differences.

Complex numbers count as pairs of reals: a Jacobian has a row or column for the real part and one for the
imaginary part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.autodiff.symbolic import gradients
from everflow._src.autodiff.tape import GradientTape
from everflow._src.framework.context import current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.registry import CARDS
from everflow._src.runtime.session import get_default_session

_SUPPORTED = ("float16", "bfloat16", "float32", "float64", "complex64", "complex128")

Evaluate = Callable[[list[np.ndarray]], np.ndarray]
Differentiate = Callable[[list[np.ndarray], np.ndarray], list[Any]]


@export("test.compute_gradient", v1=[])
def compute_gradient(f: Callable, x: Sequence[Any], delta: float | None = None) -> tuple[Any, Any]:
    """The Jacobians of `f` at `x`, by its gradient and by central differences.

    Args:
      f: a function of tensors that returns a tensor.
      x: its arguments, a list of what converts to tensors with a fraction.
      delta: half the distance of the differences; 1/1024 when None.

    Returns:
      Two tuples with a NumPy matrix [elements of y, elements of the argument] per argument: by the gradient, and
      by differences.

    Raises:
      ValueError: `x` is no list or tuple.
      TypeError: an argument has no derivatives, since it is of integers, for example.

    >>> import everflow as tf
    >>> by_gradient, by_differences = tf.test.compute_gradient(lambda x: x * x, [3.])
    >>> by_gradient[0].tolist(), by_differences[0].round(2).tolist()
    ([[6.0]], [[6.0]])
    """
    if not isinstance(x, (list, tuple)):
        raise ValueError(
            f"`x` must be a list or tuple of values convertible to a Tensor (arguments to `f`), not a {type(x)}"
        )
    tensors = [convert(value) for value in x]
    for position, tensor in enumerate(tensors):
        if tensor.dtype.base_dtype.name not in _SUPPORTED:
            raise TypeError(
                f"Cannot compute gradient for unsupported type {tensor.dtype.name} of argument {position}: expected "
                f"one of {', '.join(_SUPPORTED)}"
            )
    delta = 1.0 / 1024 if delta is None else delta
    if current_graph() is None:
        points = [np.array(t.numpy()) for t in tensors]
        evaluate, differentiate = _eagerly(f)
    else:
        session = _session()
        points = [np.array(p) for p in session.run(tensors)]
        y = convert(f(*tensors))
        evaluate = _evaluated_in(session, tensors, y, {})
        differentiate = _differentiated_in(session, tensors, y, {})
    value = evaluate(points)
    by_gradient = _by_gradient(differentiate, points, value)
    return tuple(by_gradient), tuple(_by_differences(evaluate, points, i, value, delta) for i in range(len(points)))


def _eagerly(f: Callable) -> tuple[Evaluate, Differentiate]:
    def evaluate(points: list[np.ndarray]) -> np.ndarray:
        y = f(*[convert(p) for p in points])
        if isinstance(y, (list, tuple, dict)):
            raise TypeError(f"The function to differentiate must return one tensor, received {y!r}")
        return np.asarray(convert(y).numpy())

    def differentiate(points: list[np.ndarray], dy: np.ndarray) -> list[Any]:
        arguments = [convert(p) for p in points]
        with GradientTape() as tape:
            tape.watch(arguments)
            y = f(*arguments)
        found = tape.gradient(y, arguments, convert(dy))
        return [None if g is None else np.asarray(_dense(g).numpy()) for g in found]

    return evaluate, differentiate


def _session() -> Any:
    session = get_default_session()
    if session is None:
        raise ValueError("Gradients in a graph are computed in the default session, and there is none: use it as "
                         "`with tf.compat.v1.Session():`")
    return session


def _evaluated_in(session: Any, xs: Sequence[Any], y: Any, feeds: dict[Any, Any]) -> Evaluate:
    return lambda points: np.asarray(session.run(y, _fed(xs, points, feeds)))


def _fed(xs: Sequence[Any], points: Sequence[np.ndarray], feeds: dict[Any, Any]) -> dict[Any, Any]:
    # By name: tensors may be compared by their values, and are then no keys.
    return {**feeds, **{x.name: point for x, point in zip(xs, points)}}


def _differentiated_in(session: Any, xs: Sequence[Any], y: Any, feeds: dict[Any, Any]) -> Differentiate:
    start = CARDS["Placeholder"](dtype=y.dtype.base_dtype, shape=y.shape)
    found = [None if g is None else _dense(g) for g in gradients(y, list(xs), start)]

    def differentiate(points: list[np.ndarray], dy: np.ndarray) -> list[Any]:
        wanted = [g for g in found if g is not None]
        values = iter(session.run(wanted, {**_fed(xs, points, feeds), start.name: dy}))
        return [None if g is None else np.asarray(next(values)) for g in found]

    return differentiate


def _dense(gradient: Any) -> Any:
    return gradient._dense_var_to_tensor() if isinstance(gradient, IndexedSlices) else gradient


# ------------------------------------------------------------------ Jacobians


def _reals(array: np.ndarray) -> np.ndarray:
    """The elements as a vector of reals."""
    flat = np.asarray(array).reshape(-1)
    return flat.view(flat.real.dtype) if np.iscomplexobj(flat) else flat


def _by_gradient(differentiate: Differentiate, points: list[np.ndarray], value: np.ndarray) -> list[np.ndarray]:
    rows = _reals(value).size
    jacobians = [np.zeros([rows, _reals(p).size], _reals(p).dtype) for p in points]
    for row in range(rows):
        dy = np.zeros(value.shape, value.dtype)
        _reals(dy)[row] = 1
        for jacobian, gradient in zip(jacobians, differentiate(points, dy)):
            if gradient is not None:
                jacobian[row] = _reals(gradient)
    return jacobians


def _by_differences(evaluate: Evaluate, points: list[np.ndarray], position: int, value: np.ndarray, delta: float
                    ) -> np.ndarray:
    point = points[position]
    columns = _reals(point).size
    jacobian = np.zeros([_reals(value).size, columns], _reals(point).dtype)

    def moved(column: int, distance: float) -> np.ndarray:
        other = np.array(point)
        flat = _reals(other)  # a view
        flat[column] += flat.dtype.type(distance)
        return _reals(evaluate([*points[:position], other, *points[position + 1:]])).astype(np.float64)

    for column in range(columns):
        jacobian[:, column] = ((moved(column, delta) - moved(column, -delta)) / (2 * delta)).astype(jacobian.dtype)
    return jacobian


# ------------------------------------------------------------------ 1.x


@export(v1=["test.compute_gradient"])
def compute_gradient_v1(
    x: Any, x_shape: Any, y: Any, y_shape: Any, x_init_value: Any = None, delta: float = 1e-3,
    init_targets: Any = None, extra_feed_dict: dict[Any, Any] | None = None,
) -> Any:
    """The Jacobian of `y` by `x`, by `tf.gradients` and by central differences, in the default session.

    Args:
      x: a tensor, or a list of tensors.
      x_shape: its shape, as a list or tuple of integers; a list of these for a list.
      y: a tensor.
      y_shape: its shape.
      x_init_value: where to differentiate, a NumPy array; a list of these for a list. Random when None.
      delta: half the distance of the differences.
      init_targets: operations to run first.
      extra_feed_dict: values of further tensors.

    Returns:
      Two NumPy matrices [elements of x, elements of y]: by gradients, and by differences; a list of such pairs
      for a list.

    Raises:
      ValueError: there is no default session, or `y` does not depend on `x`.
      TypeError: `x` is of integers.
    """
    session = _session()
    if init_targets is not None:
        for target in init_targets if isinstance(init_targets, (list, tuple)) else [init_targets]:
            session.run(target)
    feeds = extra_feed_dict or {}
    if not isinstance(x, list):
        return _pair(session, x, x_shape, y, y_shape, x_init_value, delta, feeds)
    starts = x_init_value if x_init_value is not None else [None] * len(x)
    return [
        _pair(session, one, shape, y, y_shape, start, delta, feeds) for one, shape, start in zip(x, x_shape, starts)
    ]


def _pair(session: Any, x: Any, x_shape: Any, y: Any, y_shape: Any, start: Any, delta: float, feeds: dict[Any, Any]
          ) -> tuple[np.ndarray, np.ndarray]:
    x, y = convert(x), convert(y)
    dtype = x.dtype.base_dtype
    if dtype.name not in _SUPPORTED:
        raise TypeError(f"Cannot compute gradient for unsupported type {dtype.name}: expected one of "
                        f"{', '.join(_SUPPORTED)}")
    if start is None:
        numbers = np.random.random_sample(tuple(x_shape))
        start = numbers + 1j * np.random.random_sample(tuple(x_shape)) if dtype.is_complex else numbers
    point = np.asarray(start).astype(dtype.as_numpy_dtype).reshape(tuple(x_shape))
    evaluate = _evaluated_in(session, [x], y, feeds)
    value = np.asarray(evaluate([point]))
    if value.size != int(np.prod(y_shape)):
        raise ValueError(f"y_shape says {list(y_shape)}, and y has the shape {list(value.shape)}")
    if gradients(y, [x], y)[0] is None:
        raise ValueError(f"There is no gradient: {y!r} does not depend on {x!r}")
    (by_gradient,) = _by_gradient(_differentiated_in(session, [x], y, feeds), [point], value)
    by_differences = _by_differences(evaluate, [point], 0, value, delta)
    return by_gradient.T, by_differences.T


@export(v1=["test.compute_gradient_error"])
def compute_gradient_error(
    x: Any, x_shape: Any, y: Any, y_shape: Any, x_init_value: Any = None, delta: float = 1e-3,
    init_targets: Any = None, extra_feed_dict: dict[Any, Any] | None = None,
) -> float:
    """The largest difference between the Jacobians that `tf.test.compute_gradient` computes; arguments as there."""
    found = compute_gradient_v1(x, x_shape, y, y_shape, x_init_value, delta, init_targets, extra_feed_dict)
    pairs = found if isinstance(found, list) else [found]
    return max((float(np.max(np.abs(a - b))) for a, b in pairs if a.size), default=0.0)
