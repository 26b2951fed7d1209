"""From a card to the gradients of one application of its operation.

A gradient rule names what it needs in its keyword-only parameters: inputs and outputs by their names in the
signature, attrs, `<input>_shape` for a shape alone, `op` for the operation of a graph.  Only what is named is
kept until the gradient is taken.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.context import current_graph
from everflow._src.framework.export import export
from everflow._src.framework.registry import CARDS, UNDEFINED_GRADIENT, Card
from everflow._src.framework.tensor import EagerTensor, SymbolicTensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.constants import constant_of

_registered: dict[str, Callable | None] = {}
_plans: dict[str, Plan] = {}


@export("RegisterGradient", v1=["RegisterGradient"])
class RegisterGradient:
    """Decorator that registers `function(op, *gradients)` as the gradient of an operation type or name.

    Args:
      op_type: an operation type, or a name for `Graph.gradient_override_map`.

    Raises:
      TypeError: `op_type` is no string.
      KeyError: the name has a gradient already.
    """

    def __init__(self, op_type: str) -> None:
        if not isinstance(op_type, str):
            raise TypeError(f"op_type must be a string, received {op_type!r}")
        self._op_type = op_type

    def __call__(self, function: Callable) -> Callable:
        _register(self._op_type, function)
        return function


def _register(op_type: str, function: Callable | None) -> None:
    card = CARDS.get(op_type)
    taken = card is not None and (card.gradient or card.no_gradient not in (False, UNDEFINED_GRADIENT))
    if op_type in _registered or taken:
        raise KeyError(f"Registering two gradient with name '{op_type}'! (Previous registration is everflow's own or "
                       "an earlier RegisterGradient)")
    _registered[op_type] = function


@export("no_gradient", v1=["no_gradient", "NotDifferentiable", "NoGradient"])
def no_gradient(op_type: str) -> None:
    """Says that operations of `op_type` have no gradient.

    Raises:
      TypeError: `op_type` is no string.
    """
    if not isinstance(op_type, str):
        raise TypeError(f"op_type must be a string, received {op_type!r}")
    _registered.setdefault(op_type, None)


class ShapeOf:
    """The shape of a tensor whose value nobody needs."""

    __slots__ = ("_dims", "_dynamic")

    def __init__(self, tensor: Any) -> None:
        dims = tensor._shape_tuple()
        self._dims = dims
        # Where the static shape says it all, the tensor itself is let go.
        self._dynamic = tensor if dims is None or None in dims else None

    @property
    def static(self) -> TensorShape:
        """What is known of it without running anything."""
        return TensorShape(self._dims)

    def tensor(self, dtype: Any = dtypes.int32) -> Any:
        """The shape as a vector of `dtype`."""
        if self._dynamic is None:
            return constant_of(self.static.as_list(), dtype)
        return CARDS["Shape"](self._dynamic, out_type=dtype)


class Plan:
    """What the gradient rule of a card asks for."""

    __slots__ = ("inputs", "outputs", "attrs", "shapes", "wants_op", "function", "flat", "lists", "accepts_none")

    def __init__(self, card: Card) -> None:
        function = card.gradient
        self.function = function
        self.inputs: list[tuple[str, int]] = []
        self.outputs: list[tuple[str, int]] = []
        self.attrs: list[str] = []
        self.shapes: list[tuple[str, int]] = []
        self.wants_op = False
        self.flat = getattr(function, "flat", False)
        self.accepts_none = getattr(function, "accepts_none", False)
        self.lists = card.has_list_inputs or card.has_list_outputs
        input_index = {a.name: i for i, a in enumerate(card.inputs)}
        output_index = {a.name: i for i, a in enumerate(card.outputs)}
        for parameter in inspect.signature(function).parameters.values():  # type: ignore[arg-type]
            if parameter.kind is not parameter.KEYWORD_ONLY:
                continue
            name = parameter.name
            if name in input_index:
                self.inputs.append((name, input_index[name]))
            elif name in output_index:
                self.outputs.append((name, output_index[name]))
            elif name in card.attrs:
                self.attrs.append(name)
            elif name.endswith("_shape") and name[:-6] in input_index:
                self.shapes.append((name, input_index[name[:-6]]))
            elif name == "op":
                self.wants_op = True
            else:
                raise ValueError(f"The gradient of {card.name} asks for {name!r}, which is no input, output or attr "
                                 "of it")


def plan_of(card: Card) -> Plan:
    plan = _plans.get(card.name)
    if plan is None or plan.function is not card.gradient:
        plan = _plans[card.name] = Plan(card)
    return plan


def backward_function(card: Card, attrs: dict[str, Any], inputs: Sequence[Any], outputs: Sequence[Any]
                      ) -> Callable[[Sequence[Any]], Sequence[Any]] | None:
    """A function from output gradients to input gradients (flat), or None when there is no gradient.

    It holds those inputs and outputs that the rule names, and no others.
    """
    op = outputs[0]._op if outputs and isinstance(outputs[0], SymbolicTensor) else None
    override = attrs.get("_gradient_op_type") if op is not None else None
    if override is not None:
        if override in CARDS and override not in _registered:
            card = CARDS[override]
        elif override not in _registered:
            raise LookupError(_no_gradient_defined(card, op) + f"; the override names {override!r}, which nobody "
                              "registered")
        else:
            function = _registered[override]
            return None if function is None else lambda dys: _as_list(function(op, *dys))
    if card.name in _registered:
        function = _registered[card.name]
        if function is None:
            return None
        if op is None:
            op = _EagerOperation(card, attrs, inputs, outputs)
        return lambda dys: _as_list(function(op, *dys))
    if card.gradient is None:
        if card.no_gradient and card.no_gradient is not UNDEFINED_GRADIENT:
            return None
        return _missing(card, op)
    plan = plan_of(card)
    if plan.flat:
        # Gradients of functional operations work on flat lists of inputs and outputs.
        return lambda dys: card.gradient(*dys, op=op)  # type: ignore[misc]
    if plan.lists:
        grouped_inputs = card.group(inputs, attrs)
        grouped_outputs = _group_outputs(card, outputs, attrs)
    else:
        grouped_inputs, grouped_outputs = inputs, outputs  # type: ignore[assignment]
    keywords: dict[str, Any] = {name: grouped_inputs[i] for name, i in plan.inputs}
    for name, i in plan.outputs:
        keywords[name] = grouped_outputs[i]
    for name in plan.attrs:
        keywords[name] = attrs[name]
    for name, i in plan.shapes:
        source = grouped_inputs[i]
        keywords[name] = [ShapeOf(t) for t in source] if isinstance(source, list) else ShapeOf(source)
    if plan.wants_op:
        keywords["op"] = op if op is not None else _EagerOperation(card, attrs, inputs, outputs)
    function = plan.function
    if not plan.lists and not plan.accepts_none:
        return lambda dys: _as_list(function(*dys, **keywords))  # type: ignore[misc]
    flatten = card.has_list_inputs
    group_dys = card.has_list_outputs

    def backward(dys: Sequence[Any]) -> Sequence[Any]:
        arguments = _group_outputs(card, dys, attrs) if group_dys else dys
        gradients = function(*arguments, **keywords)  # type: ignore[misc]
        if flatten:
            flat: list[Any] = []
            results = gradients if isinstance(gradients, (tuple, list)) and len(card.inputs) > 1 else [gradients]
            for argument, part in zip(card.inputs, results):
                if argument.is_list:
                    count = card.list_length(argument, attrs)
                    flat.extend(part if part is not None else [None] * count)
                else:
                    flat.append(part)
            return flat
        return _as_list(gradients)

    if plan.accepts_none:
        backward.accepts_none = True  # type: ignore[attr-defined]
    return backward


def _as_list(gradients: Any) -> Sequence[Any]:
    return gradients if isinstance(gradients, (tuple, list)) and not hasattr(gradients, "dense_shape") \
        else [gradients]


def _group_outputs(card: Card, flat: Sequence[Any], attrs: dict[str, Any]) -> list[Any]:
    if not card.has_list_outputs:
        return list(flat)
    grouped: list[Any] = []
    position = 0
    for argument in card.outputs:
        if argument.is_list:
            count = card.list_length(argument, attrs)
            grouped.append(list(flat[position:position + count]))
            position += count
        else:
            grouped.append(flat[position])
            position += 1
    return grouped


def _no_gradient_defined(card: Card, op: Any) -> str:
    where = f"operation {op.name!r} (op type: {card.name})" if op is not None else f"operation type {card.name!r}"
    return f"No gradient defined for {where}"


def _missing(card: Card, op: Any) -> Callable[[Sequence[Any]], Sequence[Any]]:
    def raise_error(dys: Sequence[Any]) -> Sequence[Any]:
        raise LookupError(
            f"{_no_gradient_defined(card, op)}. Use tf.RegisterGradient or tf.custom_gradient to give it one, or "
            "tf.stop_gradient to pass it by"
        )

    return raise_error


class _EagerOperation:
    """What a registered gradient function sees of an operation that was computed at once."""

    __slots__ = ("type", "inputs", "outputs", "_attrs", "name", "graph", "card")

    def __init__(self, card: Card, attrs: dict[str, Any], inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        self.card = card
        self.type = card.name
        self.inputs = tuple(inputs)
        self.outputs = list(outputs)
        self._attrs = attrs
        self.name = ""
        self.graph = None

    def get_attr(self, name: str) -> Any:
        return self._attrs[name]


_TRAINABLE = frozenset(d for d in dtypes.ALL if d.is_floating or d.is_complex) | {dtypes.resource, dtypes.variant}


def is_trainable_dtype(dtype: Any) -> bool:
    """True for dtypes through which gradients flow."""
    return dtype.base_dtype in _TRAINABLE


def zeros_for(meta: Any) -> Any:
    """Zeros of the shape and dtype of an output that nobody used."""
    shape, dtype, tensor = meta
    if shape.is_fully_defined():
        return constant_zeros(shape.as_list(), dtype)
    return CARDS["ZerosLike"](tensor)


def constant_zeros(shape: Sequence[int], dtype: Any) -> Any:
    """Zeros of a known shape."""
    if current_graph() is None:
        return EagerTensor(np.zeros(shape, dtype.numpy_dtype))
    return CARDS["Fill"](constant_of(list(shape), dtypes.int32), constant_of(0, dtype))


def constant_ones_like(tensor: Any) -> Any:
    """Ones of the shape of `tensor`."""
    if type(tensor) is EagerTensor and current_graph() is None:
        return EagerTensor(np.ones(tensor._value.shape, tensor._value.dtype))
    shape = tensor.shape
    if isinstance(tensor, EagerTensor) or shape.is_fully_defined():
        return CARDS["Fill"](constant_of(shape.as_list(), dtypes.int32), constant_of(1, tensor.dtype.base_dtype))
    return CARDS["OnesLike"](tensor)
