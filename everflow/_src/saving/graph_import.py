"""From messages to graphs: `tf.graph_util.import_graph_def` and the functions of a function library."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from everflow._src.framework import context
from everflow._src.framework.context import default_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.func_graph import FuncGraph, GraphFunction
from everflow._src.framework.graph import Graph
from everflow._src.framework.operation import Operation
from everflow._src.framework.registry import CARDS, Card
from everflow._src.framework.tensor import SymbolicTensor, Tensor
from everflow._src.framework.tensor_protos import make_ndarray
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops import core  # noqa: F401 - declares the cards

# ---- attrs


def value_of_attr(message: Any, functions: Callable[[str], Any], kind: str | None = None) -> Any:
    """The value that operations keep for an AttrValue message.

    Args:
      message: the AttrValue.
      functions: from the name of a function to the function.
      kind: the kind that the card declares, needed for text in bytes and for empty lists.
    """
    field = message.WhichOneof("value")
    if field == "list":
        return _list_of(message.list, functions, kind)
    if field is None or field == "placeholder":
        return None
    return _value(field, getattr(message, field), functions)


def _list_of(message: Any, functions: Callable[[str], Any], kind: str | None) -> Any:
    for field in ("s", "i", "f", "b", "type", "shape", "tensor", "func"):
        elements = getattr(message, field)
        if elements:
            return [_value(field, element, functions) for element in elements]
    return []


def _value(field: str, content: Any, functions: Callable[[str], Any]) -> Any:
    if field == "s":
        try:
            return content.decode()
        except UnicodeDecodeError:
            return content
    if field == "type":
        return as_dtype(content)
    if field == "shape":
        return TensorShape(content)
    if field == "tensor":
        return make_ndarray(content)
    if field == "func":
        return functions(content.name)
    return content


def _attrs_of(node: Any, card: Card, functions: Callable[[str], Any]) -> dict[str, Any]:
    attrs = dict(card.defaults)
    for name, message in node.attr.items():
        if name == "_output_shapes":
            continue
        declared = card.attrs.get(name)
        attrs[name] = value_of_attr(message, functions, declared.kind if declared is not None else None)
    missing = [name for name in card.attrs if name not in attrs]
    if missing:
        raise ValueError(f"NodeDef {node.name!r} of type {node.op} lacks the attrs {missing}")
    return attrs


def _card_of(node: Any) -> Card:
    card = CARDS.get(node.op)
    if card is None:
        raise NotImplementedError(f"Operation type {node.op!r} of node {node.name!r} is not in everflow yet")
    return card


# ---- functions


class Library:
    """The functions of a FunctionDefLibrary, made when they are first asked for."""

    def __init__(self, message: Any) -> None:
        self._definitions = {definition.signature.name: definition for definition in message.function}
        self._made: dict[str, GraphFunction] = {}

    def __call__(self, name: str) -> GraphFunction:
        """The function called `name`.

        Raises:
          ValueError: the library does not hold it.
        """
        if name not in self._made:
            if name not in self._definitions:
                raise ValueError(f"Function {name!r} is not in the function library of the GraphDef")
            self._made[name] = function_of(self._definitions[name], self)
        return self._made[name]

    def names(self) -> list[str]:
        """The functions that the library holds."""
        return list(self._definitions)


def function_of(definition: Any, functions: Callable[[str], Any]) -> GraphFunction:
    """The function that a FunctionDef message describes."""
    signature = definition.signature
    graph = FuncGraph(signature.name, outer_graph=None)
    outputs: dict[str, SymbolicTensor] = {}
    with context.graph_mode(graph):
        for position, argument in enumerate(signature.input_arg):
            dtype, shape = as_dtype(argument.type), _argument_shape(definition, position)
            outputs[argument.name] = graph.add_input(dtype, shape, argument.name)
        nodes = {node.name: node for node in definition.node_def}
        for node in _in_order(definition.node_def, lambda text: text.lstrip("^").split(":")[0], set(outputs)):
            card = _card_of(node)
            attrs = _attrs_of(node, card, functions)
            inputs = [_function_input(outputs, text, node) for text in node.input if not text.startswith("^")]
            op = graph.add_operation(card, inputs, attrs, f"{node.name}/")
            waits = [text[1:] for text in node.input if text.startswith("^") and text[1:] in nodes]
            op._add_control_inputs(graph.get_operation_by_name(name) for name in waits)
            op._device = node.device
            position = 0
            for argument in card.outputs:
                count = card.list_length(argument, attrs) if argument.is_list else 1
                for place in range(count):
                    outputs[f"{node.name}:{argument.name}:{place}"] = op._outputs[position]
                    position += 1
    graph.outputs = [outputs[definition.ret[argument.name]] for argument in signature.output_arg]
    return GraphFunction(graph, signature.name)


def _argument_shape(definition: Any, position: int) -> TensorShape:
    attrs = definition.arg_attr[position].attr if position in definition.arg_attr else {}
    shapes = attrs["_output_shapes"].list.shape if "_output_shapes" in attrs else ()
    return TensorShape(shapes[0]) if shapes else TensorShape(None)


def _function_input(outputs: dict[str, SymbolicTensor], text: str, node: Any) -> SymbolicTensor:
    if text in outputs:
        return outputs[text]
    if f"{text}:0" in outputs:  # an abbreviation that older writers use for the first of a list
        return outputs[f"{text}:0"]
    raise ValueError(f"Node {node.name!r} of a function takes {text!r}, which no node of it makes")


# ---- graphs


def _in_order(nodes: Sequence[Any], producer: Callable[[str], str], known: Iterable[str]) -> list[Any]:
    """The nodes, each after those that it takes inputs from.

    Raises:
      ValueError: a node takes an input that no node makes, or the nodes form a cycle.
    """
    by_name = {node.name: node for node in nodes}
    done: set[str] = set(known)
    result: list[Any] = []
    for start in nodes:
        stack = [(start, iter(start.input))] if start.name not in done else []
        open_nodes = {start.name}
        while stack:
            node, inputs = stack[-1]
            for text in inputs:
                name = producer(text)
                if name in done:
                    continue
                if name in open_nodes:
                    raise ValueError(f"The graph has a cycle through {name!r} of type {by_name[name].op}")
                if name not in by_name:
                    raise ValueError(f"Node {node.name!r} takes {text!r}, and there is no node {name!r}")
                open_nodes.add(name)
                stack.append((by_name[name], iter(by_name[name].input)))
                break
            else:
                stack.pop()
                done.add(node.name)
                result.append(node)
    return result


def _split(text: str) -> tuple[str, int]:
    name, _, index = text.rpartition(":")
    return (name, int(index)) if name and index.isdigit() else (text, 0)


@export("graph_util.import_graph_def", v1=["graph_util.import_graph_def", "import_graph_def"])
def import_graph_def(
    graph_def: Any,
    input_map: dict[str, Any] | None = None,
    return_elements: Sequence[str] | None = None,
    name: str | None = None,
    producer_op_list: Any = None,
) -> list[Any] | None:
    """Adds the operations of a GraphDef message to the default graph.

    Args:
      graph_def: the message.
      input_map: from names of tensors in `graph_def` to tensors that take their place.
      return_elements: names of operations and tensors of `graph_def` to return.
      name: the name scope of the operations, "import" when None, none when "".
      producer_op_list: accepted; attrs that everflow does not know are kept as they are.

    Returns:
      The elements that `return_elements` names; None when it is None.

    Raises:
      TypeError: an argument is of the wrong type.
      ValueError: the message is inconsistent, or a name is not found in it.
      NotImplementedError: everflow has no operation of a type that occurs.
    """
    if not hasattr(graph_def, "node") or not hasattr(graph_def, "library"):
        raise TypeError(f"Argument `graph_def` must be a GraphDef proto, received {graph_def!r}")
    if return_elements is not None and any(not isinstance(text, str) for text in return_elements):
        raise TypeError(f"Argument `return_elements` must be a list of strings, received {return_elements!r}")
    graph = default_graph()
    prefix = _scope_of(graph, name)
    importer = _Importer(graph, graph_def, dict(input_map or {}), prefix)
    importer.run()
    if return_elements is None:
        return None
    return [importer.element(text) for text in return_elements]


def _scope_of(graph: Graph, name: str | None) -> str:
    """The prefix of imported names, with its slash; "" for none."""
    name = "import" if name is None else name
    if name.endswith("/"):
        return name
    with graph.name_scope(name) as scope:
        return scope


class _Importer:
    """One call of `import_graph_def`."""

    def __init__(self, graph: Graph, message: Any, input_map: dict[str, Any], prefix: str) -> None:
        self.graph = graph
        self.message = message
        self.prefix = prefix
        self.functions = Library(message.library)
        self.operations: dict[str, Operation] = {}
        self.replaced: dict[str, Any] = {}
        with graph.name_scope(f"{prefix}inputs_of_import/"):
            for text, value in input_map.items():
                replacement = value if text.startswith("^") else self._tensor(value, text)
                self.replaced[self._canonical(text)] = replacement

    def _tensor(self, value: Any, text: str) -> SymbolicTensor:
        if isinstance(value, Tensor):
            return self.graph.accept(value)
        return self.graph.accept(convert(value, name=_split(text)[0]))

    @staticmethod
    def _canonical(text: str) -> str:
        if text.startswith("^"):
            return text
        name, index = _split(text)
        return f"{name}:{index}"

    def run(self) -> None:
        """Makes the operations."""
        names = {node.name for node in self.message.node}
        absent = [t for t in self.replaced if (t[1:] if t.startswith("^") else _split(t)[0]) not in names]
        if absent:
            raise ValueError(f"Attempted to map inputs that were not found in graph_def: {absent}")
        for node in _in_order(self.message.node, lambda text: _split(text.lstrip("^"))[0], ()):
            self._add(node)

    def _add(self, node: Any) -> None:
        card = _card_of(node)
        attrs = _attrs_of(node, card, self.functions)
        if "_class" in attrs:
            attrs["_class"] = [self._prefixed_location(text) for text in attrs["_class"]]
        inputs = [self._input(text, node) for text in node.input if not text.startswith("^")]
        full_name = self.prefix + node.name
        if full_name in self.graph._by_name:
            raise ValueError(f"Node name {full_name!r} already exists in the graph")
        self.graph.mark_name(full_name)
        op = self.graph.add_operation(card, inputs, attrs, f"{full_name}/")
        if node.device and not op.device:
            op._device = node.device
        op._add_control_inputs(self._waited_for(text) for text in node.input if text.startswith("^"))
        self.operations[node.name] = op

    def _prefixed_location(self, text: str | bytes) -> bytes:
        text = text.decode() if isinstance(text, bytes) else text
        location = f"loc:@{self.prefix}{text[len('loc:@'):]}" if text.startswith("loc:@") else text
        return location.encode()

    def _input(self, text: str, node: Any) -> SymbolicTensor:
        name, index = _split(text)
        found = self.replaced.get(f"{name}:{index}")
        if found is not None:
            return found
        outputs = self.operations[name]._outputs
        if index >= len(outputs):
            raise ValueError(f"Node {node.name!r} takes {text!r}, and {name!r} makes {len(outputs)} outputs")
        return outputs[index]

    def _waited_for(self, text: str) -> Operation:
        replacement = self.replaced.get(text)
        if replacement is not None:
            return getattr(replacement, "op", replacement)
        return self.operations[text[1:]]

    def element(self, text: str) -> Any:
        """The imported operation or tensor of that name."""
        name, index = _split(text)
        op = self.operations.get(name)
        if op is None or index >= max(len(op._outputs), 1):
            raise ValueError(f"Requested return_element {text!r} not found in graph_def.")
        if ":" not in text:
            return op
        return self.replaced.get(f"{name}:{index}", op._outputs[index])
