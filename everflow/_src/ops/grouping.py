"""Operations that wait for others: groups, tuples that are complete together, and dependent values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from everflow._src.framework import nest
from everflow._src.framework.context import current_graph
from everflow._src.framework.export import export
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.operation import Operation
from everflow._src.framework.scopes import colocate_with
from everflow._src.framework.tensor import Tensor
from everflow._src.ops.constants import Identity, NoOp


def _after(graph: Any, dependencies: Sequence[Any], device: str, name: str | None = None) -> Operation:
    if device:
        with graph.device(device), graph.control_dependencies(dependencies):
            return NoOp(name=name)
    with graph.control_dependencies(dependencies):
        return NoOp(name=name)


@export("group")
def group(*inputs: Any, **kwargs: Any) -> Any:
    """An operation that is done when all of `inputs` are done.

    Args:
      *inputs: operations, tensors, variables, or lists of these.
      **kwargs: `name`, the name of the operation.

    Returns:
      The operation; None in eager mode, where all is done already.

    Raises:
      TypeError: an input is neither an operation nor a tensor.
      ValueError: an unknown keyword was given.

    >>> import everflow as tf
    >>> with tf.Graph().as_default():
    ...     tf.group(tf.constant(1., name="a"), tf.constant(2., name="b")).control_inputs
    [<tf.Operation 'a' type=Const>, <tf.Operation 'b' type=Const>]
    """
    name = kwargs.pop("name", None)
    if kwargs:
        raise ValueError(f"Unknown keyword arguments: {', '.join(kwargs)}")
    graph = current_graph()
    if graph is None:
        return None
    with graph.name_scope(name or "group_deps") as scope:
        by_device: dict[str, list[Any]] = {}
        for dependency in nest.flatten(inputs, expand_composites=True):
            if not hasattr(dependency, "device"):
                raise TypeError(
                    f"group takes operations, tensors and nested lists of these, received {dependency!r} of type "
                    f"{type(dependency).__name__}"
                )
            by_device.setdefault(dependency.device, []).append(dependency)
        if len(by_device) <= 1:
            for device, dependencies in by_device.items():
                return _after(graph, dependencies, device, scope)
            return NoOp(name=scope)
        parts = [_after(graph, by_device[device], device) for device in sorted(by_device)]
        return _after(graph, parts, "", scope)


def with_dependencies(dependencies: Sequence[Any], output: Any, name: str | None = None) -> Any:
    """`output`, to be had only once all of `dependencies` are done; unchanged in eager mode."""
    graph = current_graph()
    if graph is None:
        return output
    with graph.name_scope(name or "control_dependency") as scope, graph.control_dependencies(dependencies):
        # The name belongs to the identity itself, hence the scope with its slash.
        return _identity(output, scope)


def _identity(output: Any, name: str) -> Any:
    if isinstance(output, IndexedSlices):
        return IndexedSlices(
            _colocated_identity(output.values, name), output.indices, output.dense_shape
        )
    return _colocated_identity(output, name)


def _colocated_identity(tensor: Any, name: str | None) -> Any:
    with colocate_with(tensor):
        return Identity(tensor, name=name)


@export(v1=["tuple"])
def tuple_v1(tensors: Iterable[Any], name: str | None = None, control_inputs: Iterable[Any] | None = None
             ) -> list[Any]:
    """The tensors, none of which is to be had before all of them (and `control_inputs`) are computed.

    Args:
      tensors: tensors or IndexedSlices; None stays None.
      name: name scope of the operations.
      control_inputs: more operations or tensors to wait for.

    Raises:
      ValueError: there is no tensor.
      TypeError: an element of `control_inputs` is neither an operation nor a tensor.
    """
    tensors = list(tensors)
    graph = current_graph()
    if graph is None:
        return tensors
    with graph.name_scope(name or "tuple"):
        gating = [t if isinstance(t, Operation) else t.op for t in tensors if t is not None]
        if not gating:
            raise ValueError(f"tuple needs at least one tensor, received {tensors}")
        for element in control_inputs or ():
            if isinstance(element, Tensor):
                element = element.op
            elif not isinstance(element, Operation):
                raise TypeError(
                    f"control_inputs takes operations and tensors, received {element!r} of type "
                    f"{type(element).__name__}"
                )
            gating.append(element)
        gate = group(*dict.fromkeys(gating))
        complete: list[Any] = []
        for tensor in tensors:
            if tensor is None:
                complete.append(None)
            elif isinstance(tensor, Operation):
                complete.append(gate)
            else:
                complete.append(with_dependencies([gate], tensor))
        return complete


@export("tuple", v1=[])
def tuple_v2(tensors: Iterable[Any], control_inputs: Iterable[Any] | None = None, name: str | None = None
             ) -> list[Any]:
    """The tensors, none of which is to be had before all of them (and `control_inputs`) are computed.

    Args:
      tensors: tensors or IndexedSlices; None stays None.
      control_inputs: more operations or tensors to wait for.
      name: name scope of the operations.

    Raises:
      ValueError: there is no tensor.
      TypeError: an element of `control_inputs` is neither an operation nor a tensor.
    """
    return tuple_v1(tensors, name, control_inputs)
