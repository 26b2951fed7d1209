"""The global step: the variable that counts how many steps a program has trained."""

from __future__ import annotations

from typing import Any

from everflow._src.framework import dtypes
from everflow._src.framework.context import current_graph, default_graph
from everflow._src.framework.export import export
from everflow._src.framework.graph_collections import GraphKeys
from everflow._src.framework.tensor import Tensor
from everflow._src.variables.creation import VariableAggregation
from everflow._src.variables.initializers import Zeros
from everflow._src.variables.scope import get_variable
from everflow._src.variables.variable import Variable


@export(v1=["train.global_step"])
def global_step(sess: Any, global_step_tensor: Any) -> int:
    """The value of the global step in a session.

    >>> import everflow.compat.v1 as tf
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     step = tf.train.get_or_create_global_step()
    ...     session.run(step.initializer)
    ...     tf.train.global_step(session, step)
    0
    """
    if current_graph() is None:
        return int(global_step_tensor.numpy())
    return int(sess.run(global_step_tensor))


@export(v1=["train.get_global_step"])
def get_global_step(graph: Any = None) -> Any:
    """The global step of a graph, or None.

    Args:
      graph: the graph, the default one when None.

    Raises:
      TypeError: it is no integer scalar variable or tensor.
    """
    graph = graph or default_graph()
    found = graph.get_collection(GraphKeys.GLOBAL_STEP)
    if len(found) == 1:
        step = found[0]
    elif found:
        return None
    else:
        try:
            step = graph.get_tensor_by_name("global_step:0")
        except KeyError:
            return None
    assert_global_step(step)
    return step


@export(v1=["train.create_global_step"])
def create_global_step(graph: Any = None) -> Any:
    """Makes the global step of a graph, an int64 variable.

    Args:
      graph: the graph, the default one when None.

    Raises:
      ValueError: there is one already.
    """
    graph = graph or default_graph()
    if get_global_step(graph) is not None:
        raise ValueError('"global_step" already exists.')
    if current_graph() is None:
        step = _make()
        graph.add_to_collection(GraphKeys.GLOBAL_STEP, step)
        return step
    with graph.as_default(), graph.name_scope(None):
        return _make()


def _make() -> Any:
    return get_variable(
        GraphKeys.GLOBAL_STEP, shape=[], dtype=dtypes.int64, initializer=Zeros(), trainable=False,
        aggregation=VariableAggregation.ONLY_FIRST_REPLICA,
        collections=[GraphKeys.GLOBAL_VARIABLES, GraphKeys.GLOBAL_STEP],
    )


@export(v1=["train.get_or_create_global_step"])
def get_or_create_global_step(graph: Any = None) -> Any:
    """The global step of a graph, made when there is none."""
    graph = graph or default_graph()
    step = get_global_step(graph)
    return create_global_step(graph) if step is None else step


@export(v1=["train.assert_global_step"])
def assert_global_step(global_step_tensor: Any) -> None:
    """Checks that something can be a global step.

    Raises:
      TypeError: it is neither a variable nor a tensor, no integer, or no scalar.
    """
    step = global_step_tensor
    if not isinstance(step, (Variable, Tensor)):
        raise TypeError(f'Existing "global_step" must be a Variable or Tensor: {step}.')
    if not step.dtype.base_dtype.is_integer:
        raise TypeError(f'Existing "global_step" does not have integer type: {step.dtype}')
    if step.shape.rank not in (0, None):
        raise TypeError(f'Existing "global_step" is not scalar: {step.shape}')
