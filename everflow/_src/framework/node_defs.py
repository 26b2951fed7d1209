"""Graphs as messages: NodeDef, OpDef, FunctionDef and GraphDef.

Format: tensorflow/core/framework/{node_def,op_def,function,graph}.proto.  The keys are TensorFlow's op types
and attrs, which are everflow's own, so nothing is translated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework.dtypes import DType
from everflow._src.framework.registry import REQUIRED, Card
from everflow._src.framework.tensor_protos import proto_of_array
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.framework.versions import GRAPH_DEF_VERSION

# A consumer must know function libraries, as every TensorFlow since 2015 does.
_MIN_CONSUMER = 12


# ---- attrs


def attr_value(value: Any, kind: str | None = None) -> Any:
    """The AttrValue message of an attr.

    Args:
      value: as operations keep it: DType, TensorShape, number, str or bytes, array, function, or a list.
      kind: the kind that the card declares, needed for empty lists and for numbers of another Python type.

    Raises:
      TypeError: the value has no place in a message.
    """
    from tensorboard.compat.proto import attr_value_pb2

    message = attr_value_pb2.AttrValue()
    if kind is not None and kind.startswith("list(") or kind is None and isinstance(value, (list, tuple)):
        element_kind = kind[5:-1] if kind else None
        message.list.SetInParent()
        for element in value or ():
            _append(message.list, element, element_kind)
        return message
    field, content = _scalar(value, kind)
    if field in ("shape", "tensor", "func"):
        getattr(message, field).CopyFrom(content)
    else:
        setattr(message, field, content)
    return message


def _append(message: Any, element: Any, kind: str | None) -> None:
    field, content = _scalar(element, kind)
    if field in ("shape", "tensor", "func"):
        getattr(message, field).add().CopyFrom(content)
    else:
        getattr(message, field).append(content)


def _scalar(value: Any, kind: str | None) -> tuple[str, Any]:
    """The field of AttrValue, and what belongs into it."""
    if isinstance(value, DType):
        return "type", value.as_datatype_enum
    if isinstance(value, TensorShape) or kind == "shape":
        return "shape", TensorShape(value).as_proto()
    if kind == "tensor" or isinstance(value, np.ndarray):
        return "tensor", proto_of_array(value)
    if isinstance(value, str):
        return "s", value.encode()
    if isinstance(value, bytes):
        return "s", value
    if kind == "bool" or isinstance(value, (bool, np.bool_)):
        return "b", bool(value)
    if kind == "float" or kind is None and isinstance(value, (float, np.floating)):
        return "f", float(value)
    if kind == "int" or isinstance(value, (int, np.integer)):
        return "i", int(value)
    if kind == "func" or hasattr(value, "graph") and hasattr(value, "name"):
        from tensorboard.compat.proto import attr_value_pb2

        return "func", attr_value_pb2.NameAttrList(name=value.name)
    raise TypeError(f"{value!r} cannot be the value of an attr")


def functions_of(op: Any) -> list[Any]:
    """The functions that an operation calls."""
    result = []
    for value in op._attrs.values():
        for element in value if isinstance(value, (list, tuple)) else (value,):
            if hasattr(element, "graph") and hasattr(element, "inputs") and hasattr(element, "name"):
                result.append(element)
    return result


# ---- nodes


def node_def(op: Any, add_shapes: bool = False) -> Any:
    """The NodeDef message of an operation."""
    from tensorboard.compat.proto import node_def_pb2

    node = node_def_pb2.NodeDef(name=op.name, op=op.type, device=op.device or "")
    node.input.extend(tensor._as_node_def_input() for tensor in op._inputs)
    node.input.extend(f"^{other.name}" for other in op._control_inputs)
    _fill_attrs(node, op, add_shapes)
    return node


def _fill_attrs(node: Any, op: Any, add_shapes: bool) -> None:
    for name, value in op._attrs.items():
        declared = op.card.attrs.get(name)
        if declared is None and value is None:
            continue
        try:
            node.attr[name].CopyFrom(attr_value(value, declared.kind if declared is not None else None))
        except TypeError:
            if declared is not None:
                raise
            del node.attr[name]  # a note of everflow's own on the operation, of no use elsewhere
    if add_shapes and op._outputs:
        shapes = [tensor._shape for tensor in op._outputs]
        node.attr["_output_shapes"].CopyFrom(attr_value(shapes, "list(shape)"))


def op_def(card: Card) -> Any:
    """The OpDef message of an operation type."""
    from tensorboard.compat.proto import op_def_pb2

    message = op_def_pb2.OpDef(name=card.name, summary=card.doc, is_stateful=card.stateful)
    for arguments, target in ((card.inputs, message.input_arg), (card.outputs, message.output_arg)):
        for argument in arguments:
            target.add(
                name=argument.name,
                type=argument.dtype.as_datatype_enum if argument.dtype is not None else 0,
                type_attr=argument.type_attr or "",
                number_attr=argument.number_attr or "",
                type_list_attr=argument.type_list_attr or "",
                is_ref=argument.is_ref,
            )
    for name, attr in card.attrs.items():
        added = message.attr.add(name=name, type=attr.kind)
        if attr.default is not REQUIRED and attr.default is not None:
            added.default_value.CopyFrom(attr_value(attr.default, attr.kind))
        if attr.allowed:
            added.allowed_values.CopyFrom(attr_value(list(attr.allowed), "list(type)"))
    return message


# ---- functions


def function_def(function: Any, add_shapes: bool = False) -> Any:
    """The FunctionDef message of a GraphFunction."""
    from tensorboard.compat.proto import function_pb2

    message = function_pb2.FunctionDef()
    message.signature.name = function.name
    names: dict[int, str] = {}
    taken: set[str] = set()
    for tensor in function.inputs:
        name = _argument_name(tensor.op.name, taken)
        names[id(tensor)] = name
        message.signature.input_arg.add(name=name, type=tensor.dtype.as_datatype_enum)
    arguments = {id(tensor.op) for tensor in function.inputs}
    for op in function.graph._operations:
        if id(op) in arguments:
            continue
        for tensor, name in zip(op._outputs, _names_of_outputs(op)):
            names[id(tensor)] = name
        node = message.node_def.add(name=op.name, op=op.type, device=op.device or "")
        node.input.extend(names[id(tensor)] for tensor in op._inputs)
        node.input.extend(f"^{other.name}" for other in op._control_inputs if id(other) not in arguments)
        _fill_attrs(node, op, add_shapes)
        if op.card.stateful and op.type != "NoOp":
            message.signature.is_stateful = True
            message.control_ret[op.name] = op.name
            message.signature.control_output.append(op.name)
    taken = set()
    for tensor in function.outputs:
        name = _argument_name(tensor.op.name, taken)
        message.signature.output_arg.add(name=name, type=tensor.dtype.as_datatype_enum)
        message.ret[name] = names[id(tensor)]
    return message


def _argument_name(name: str, taken: set[str]) -> str:
    """A name as signatures allow it: lower case, no slashes, not taken yet."""
    cleaned = "".join(c if c.isalnum() else "_" for c in name.lower()).strip("_") or "arg"
    if not cleaned[0].isalpha():
        cleaned = f"arg_{cleaned}"
    unique, count = cleaned, 0
    while unique in taken:
        count += 1
        unique = f"{cleaned}_{count}"
    taken.add(unique)
    return unique


def _names_of_outputs(op: Any) -> list[str]:
    """How nodes of a function refer to the outputs of `op`: node, name of the output, place in its list."""
    names: list[str] = []
    for argument in op.card.outputs:
        count = op.card.list_length(argument, op._attrs) if argument.is_list else 1
        names.extend(f"{op.name}:{argument.name}:{place}" for place in range(count))
    return names


# ---- graphs


def graph_def(graph: Any, from_version: int | None = None, add_shapes: bool = False) -> Any:
    """The GraphDef message of a graph, with the functions that its operations call.

    Args:
      graph: the graph.
      from_version: only operations that were added after this version of the graph.
      add_shapes: True notes the static shapes of outputs in the attr `_output_shapes`.
    """
    from tensorboard.compat.proto import graph_pb2

    message = graph_pb2.GraphDef()
    message.versions.producer = GRAPH_DEF_VERSION
    message.versions.min_consumer = _MIN_CONSUMER
    operations = graph._operations
    if from_version is not None:
        operations = operations[from_version:]
    message.node.extend(node_def(op, add_shapes) for op in operations)
    for function in _reachable(operations):
        message.library.function.add().CopyFrom(function_def(function, add_shapes))
    return message


def _reachable(operations: Iterable[Any]) -> Sequence[Any]:
    found: dict[str, Any] = {}
    waiting = [function for op in operations for function in functions_of(op)]
    while waiting:
        function = waiting.pop(0)
        if function.name not in found:
            found[function.name] = function
            waiting.extend(f for op in function.graph._operations for f in functions_of(op))
    return list(found.values())
