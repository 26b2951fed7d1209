"""The one door: every operation, in every mode, is applied here.

`apply(card, *inputs, **attrs)` resolves dtypes, converts what is not a tensor yet, and then either computes
(eager) or adds an operation to the graph that is being built.  Whoever records (tapes) is told afterwards, the
same way in both modes.
"""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from everflow._src.framework.context import LOCAL, STATE, current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.device import device_from_scope
from everflow._src.framework.dtypes import DType, as_dtype
from everflow._src.framework.errors import InvalidArgumentError
from everflow._src.framework.func_graph import inaccessible
from everflow._src.framework.registry import REQUIRED, Argument, Card
from everflow._src.framework.tensor import DeviceTensor, EagerTensor, SymbolicTensor, Tensor, as_eager
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.runtime.devices import has_accelerator, run_on_accelerator
from everflow._src.runtime.failures import explain
from everflow._src.runtime.frames import HOST_FRAME, EagerOp
from everflow._src.runtime.quiet import be_loud, be_quiet
from everflow._src.runtime.resources import STATE_LOCK

_result_types: dict[str, Any] = {}


def apply(card: Card, *inputs: Any, name: str | None = None, **attrs: Any) -> Any:
    """Applies the operation of `card`.

    Args:
      card: the operation.
      *inputs: one value per input of the signature; list inputs as lists.
      name: name of the operation in a graph.
      **attrs: attrs that differ from their defaults.

    Returns:
      A tensor, a list of tensors, a named tuple of tensors, or for no outputs None (eager) or the Operation.

    Raises:
      TypeError, ValueError: inputs or attrs do not fit the signature.
      tf.errors.OpError: the kernel failed (eager).
    """
    if STATE.busy:
        graph = current_graph()
        if graph is not None:
            return _apply_in_graph(card, graph, inputs, name, attrs)
    return _apply_eagerly(card, inputs, name, attrs)


Card.__call__ = apply  # type: ignore[method-assign]


# ---- dtypes and conversion


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor) or hasattr(value, "_dense_var_to_tensor")


def _complete(card: Card, attrs: dict[str, Any]) -> dict[str, Any]:
    """Attrs with defaults, dtypes as DTypes and shapes as TensorShapes."""
    complete = dict(card.defaults)
    for key, value in attrs.items():
        spec = card.attrs.get(key)
        if spec is None:
            if key.startswith("_"):
                complete[key] = value
                continue
            raise TypeError(f"{card.name} got an unexpected attr {key!r}; its attrs are {sorted(card.attrs)}")
        if value is None:
            continue
        kind = spec.kind
        if kind == "type":
            value = as_dtype(value).base_dtype
        elif kind == "shape":
            value = value if isinstance(value, TensorShape) else TensorShape(value)
        elif kind == "list(type)":
            value = tuple(as_dtype(v) for v in value)
        elif kind == "list(shape)":
            value = tuple(TensorShape(v) for v in value)
        elif kind == "list(int)":
            value = [int(v) for v in value]
        elif kind == "int":
            value = int(value)
        elif kind == "bool" and not isinstance(value, bool):
            if not isinstance(value, (np.bool_, int)):
                raise TypeError(f"{card.name}: attr {key!r} expects a bool, received {value!r}")
            value = bool(value)
        elif kind == "string" and isinstance(value, bytes):
            value = value.decode()
        complete[key] = value
    return complete


def resolve(card: Card, inputs: Sequence[Any], attrs: dict[str, Any], graph: Any) -> tuple[list[Any], dict[str, Any]]:
    """Converts the inputs to tensors and completes the attrs.

    Type attrs are bound by the tensors among the inputs first; numbers and arrays then follow them.
    """
    if len(inputs) != len(card.inputs):
        raise TypeError(
            f"{card.name} takes {len(card.inputs)} inputs ({', '.join(a.name for a in card.inputs)}), received "
            f"{len(inputs)}"
        )
    attrs = _complete(card, attrs)
    bound: dict[str, DType] = {k: attrs[k] for k, a in card.attrs.items() if a.kind == "type" and k in attrs
                               and a.default is REQUIRED}
    explicit = set(bound)
    first_of: dict[str, str] = {}
    for argument, value in zip(card.inputs, inputs):
        key = argument.type_attr
        if key is None or key in bound:
            continue
        candidates = value if argument.number_attr and isinstance(value, (list, tuple)) else (value,)
        for candidate in candidates:
            if _is_tensor(candidate):
                bound[key] = candidate.dtype.base_dtype
                first_of[key] = argument.name
                break
    flat: list[Any] = []
    for position, (argument, value) in enumerate(zip(card.inputs, inputs)):
        if argument.type_list_attr is not None:
            tensors = [convert(v, name=argument.name) for v in value]
            attrs[argument.type_list_attr] = tuple(t.dtype.base_dtype for t in tensors)
            flat.extend(tensors)
            continue
        if argument.number_attr is not None:
            if not isinstance(value, (list, tuple)):
                raise TypeError(
                    f"Expected list for '{argument.name}' argument to '{card.name}' Op, not {value!r}."
                )
            wanted = argument.dtype or bound.get(argument.type_attr)  # type: ignore[arg-type]
            tensors = []
            for index, item in enumerate(value):
                tensor = _convert_input(card, argument, item, wanted, position + index, graph, first_of)
                if wanted is None:
                    wanted = bound[argument.type_attr] = tensor.dtype.base_dtype  # type: ignore[index]
                tensors.append(tensor)
            attrs[argument.number_attr] = len(tensors)
            flat.extend(tensors)
            continue
        wanted = argument.dtype or bound.get(argument.type_attr)  # type: ignore[arg-type]
        tensor = _convert_input(card, argument, value, wanted, position, graph, first_of)
        if argument.type_attr is not None and argument.type_attr not in bound:
            bound[argument.type_attr] = tensor.dtype.base_dtype
            first_of[argument.type_attr] = argument.name
        flat.append(tensor)
    attrs.update(bound)
    for key, allowed in card.allowed_sets.items():
        dtype = attrs.get(key)
        if dtype is not None and dtype not in allowed:
            raise _not_allowed(card, key, dtype, graph, first_of, explicit)
    for key, spec in card.attrs.items():
        if key not in attrs:
            if spec.default is REQUIRED:
                raise TypeError(f"{card.name} needs the attr {key!r} ({spec.kind}), which nothing determines")
            attrs[key] = spec.default
    return flat, attrs


def _convert_input(card: Card, argument: Argument, value: Any, wanted: DType | None, position: int, graph: Any,
                   first_of: dict[str, str]) -> Any:
    if argument.is_ref:
        value = getattr(value, "_ref_tensor", lambda v=value: v)()
        if not isinstance(value, SymbolicTensor) or not value._dtype._is_ref_dtype:
            raise TypeError(f"'{card.name}' Op requires that input '{argument.name}' be a mutable tensor (e.g.: a "
                            f"tf.Variable), received {value!r}")
        return graph.accept(value)
    if isinstance(value, Tensor):
        if wanted is not None and value.dtype.base_dtype is not wanted and value.dtype.base_dtype != wanted:
            raise _wrong_dtype(card, argument, value.dtype, wanted, position, graph, first_of)
        if graph is not None:
            return graph.accept(value)
        if isinstance(value, SymbolicTensor):
            return convert(value)
        return value
    if hasattr(value, "_dense_var_to_tensor"):
        if argument.dtype is not None and argument.dtype.name == "resource":
            value = value.handle
            return graph.accept(value) if graph is not None else value
        if wanted is not None and value.dtype.base_dtype != wanted:
            raise _wrong_dtype(card, argument, value.dtype, wanted, position, graph, first_of)
    if wanted is None and isinstance(value, (list, tuple)) and not value and argument.type_attr is not None:
        default = card.attrs[argument.type_attr].default  # an empty list says nothing about its dtype
        wanted = None if default is REQUIRED else default
    try:
        return convert(value, wanted, name=argument.name)
    except (TypeError, ValueError) as error:
        if graph is None or wanted is None or isinstance(error, ValueError) and "dtype" not in str(error):
            raise
        raise TypeError(f"Expected {wanted.name} passed to parameter '{argument.name}' of op '{card.name}', got "
                        f"{value!r} of type '{type(value).__name__}' instead. Error: {error}") from None


_C_NAMES = {"float32": "float", "float64": "double", "float16": "half"}


def _c_name(dtype: DType) -> str:
    return _C_NAMES.get(dtype.name, dtype.name)


def _wrong_dtype(card: Card, argument: Argument, got: DType, wanted: DType, position: int, graph: Any,
                 first_of: dict[str, str]) -> Exception:
    got = got.base_dtype
    if graph is None:
        return InvalidArgumentError(
            None, None,
            f"cannot compute {card.name} as input #{position}(zero-based) was expected to be a {_c_name(wanted)} "
            f"tensor but is a {_c_name(got)} tensor [Op:{card.name}] name: ",
        )
    first = first_of.get(argument.type_attr or "")
    if first is not None and first != argument.name:
        return TypeError(f"Input '{argument.name}' of '{card.name}' Op has type {got.name} that does not match type "
                         f"{wanted.name} of argument '{first}'.")
    return TypeError(f"Input '{argument.name}' of '{card.name}' Op has type {got.name} that does not match expected "
                     f"type of {wanted.name}.")


def _not_allowed(card: Card, key: str, dtype: DType, graph: Any, first_of: dict[str, str], explicit: set[str]
                 ) -> Exception:
    if graph is None:
        names = ", ".join(_c_name(d) for d in card.attrs[key].allowed)
        return InvalidArgumentError(
            None, None, f"Value for attr '{key}' of {_c_name(dtype)} is not in the list of allowed values: {names}"
            f"\n\t; NodeDef: {card.name}; Op<name={card.name}; signature={card.signature}> [Op:{card.name}] name: "
        )
    names = ", ".join(d.name for d in card.attrs[key].allowed)
    if key in first_of:
        return TypeError(f"Value passed to parameter '{first_of[key]}' has DataType {dtype.name} not in list of "
                         f"allowed values: {names}")
    return TypeError(f"Value passed to parameter '{key}' of {card.name} has DataType {dtype.name} not in list of "
                     f"allowed values: {names}")


# ---- computing at once


# Calls that are remembered per card; attrs of unending variety must not fill the memory.
_MOST_CALLS = 256


class _Call:
    """What applying a card to operands of given kinds resolves to."""

    __slots__ = ("kernel", "attrs", "numbers")

    def __init__(self, kernel: Callable, attrs: dict[str, Any], numbers: Sequence[tuple[int, np.dtype]]) -> None:
        self.kernel = kernel
        self.attrs = attrs
        self.numbers = numbers  # positions of Python numbers, and the dtypes they take


def _apply_eagerly(card: Card, inputs: Sequence[Any], name: str | None, attrs: dict[str, Any]) -> Any:
    """Computes one operation; how is looked up where the card met operands of the same kinds before."""
    if not card.remembers_calls or STATE.busy and LOCAL.device is not None:
        return _resolve_and_run(card, inputs, name, attrs)
    tensors: Any = inputs
    values: list[Any] = []
    kinds: list[Any] = []
    plain = True
    for value in inputs:
        cls = type(value)
        if cls is EagerTensor:
            value = value._value
            kinds.append(value.dtype)
        elif cls is np.ndarray:
            # The caller may go on to change the array.
            value = value.copy()
            kinds.append((cls, value.dtype))
            plain = False
        elif cls is float or cls is int:
            kinds.append(cls)
            plain = False
        else:
            return _resolve_and_run(card, inputs, name, attrs)
        values.append(value)
    key: Any = (*kinds, *attrs.items()) if attrs else tuple(kinds)
    try:
        call = card.calls.get(key)
    except TypeError:  # an attr that is a list or an array
        return _resolve_and_run(card, inputs, name, attrs)
    if call is None:
        call = _remember(card, inputs, attrs, key)
    if not call:
        return _resolve_and_run(card, inputs, name, attrs)
    token = be_quiet()
    try:
        if not plain:
            try:
                for position, dtype in call.numbers:
                    values[position] = np.array(values[position], dtype)
            except OverflowError:
                return _resolve_and_run(card, inputs, name, attrs)
            tensors = [t if type(t) is EagerTensor else EagerTensor(v) for t, v in zip(inputs, values)]
        results = call.kernel(np, *values)
    except Exception as error:
        raise explain(error, card, values, None, name).with_traceback(None) from None
    finally:
        be_loud(token)
    if card.single_output:
        output = EagerTensor(results) if type(results) is np.ndarray else as_eager(results)
        if STATE.busy and LOCAL.recorders:
            _record(card, call.attrs, tensors, (output,))
        return output
    return _several(card, call.attrs, tensors, results)


def _remember(card: Card, inputs: Sequence[Any], attrs: dict[str, Any], key: Any) -> _Call | Literal[False]:
    """Resolves a call by its first example; False when another example might resolve otherwise."""
    call = _first_call(card, inputs, attrs)
    if len(card.calls) < _MOST_CALLS:
        card.calls[key] = call
    return call


def _first_call(card: Card, inputs: Sequence[Any], attrs: dict[str, Any]) -> _Call | Literal[False]:
    flat, complete = resolve(card, inputs, attrs, None)
    of_tensors = {a.type_attr for a, v in zip(card.inputs, inputs) if type(v) is EagerTensor}
    numbers = []
    for position, (argument, value, tensor) in enumerate(zip(card.inputs, inputs, flat)):
        if isinstance(value, np.ndarray) and tensor._value.dtype != value.dtype:
            return False
        if isinstance(value, (int, float)):
            # A number on its own chooses its dtype by its size.
            if argument.dtype is None and argument.type_attr not in of_tensors:
                return False
            if tensor._value.dtype.kind not in "fi":
                return False
            numbers.append((position, tensor._value.dtype))
    kernel = card.bind(complete)
    if "frame" in card.kernel_wants:
        if card.updates_state:
            kernel = functools.partial(_take_turns, kernel)
        kernel = functools.partial(kernel, frame=HOST_FRAME)
    return _Call(kernel, complete, tuple(numbers))


def _take_turns(kernel: Callable, *values: Any, frame: Any) -> Any:
    with STATE_LOCK:
        return kernel(*values, frame=frame)


def _resolve_and_run(card: Card, inputs: Sequence[Any], name: str | None, attrs: dict[str, Any]) -> Any:
    flat, attrs = resolve(card, inputs, attrs, None)
    return run_eagerly(card, flat, attrs, name)


def run_eagerly(card: Card, flat: list[Any], attrs: dict[str, Any], name: str | None = None) -> Any:
    """Computes one operation whose inputs are eager tensors of the right dtypes."""
    accelerated = False
    for tensor in flat:
        if isinstance(tensor, DeviceTensor) and not _is_on_cpu(tensor._value):
            accelerated = True
    if STATE.busy and LOCAL.device is not None:
        accelerated = _device_asks_for_accelerator(accelerated)
    if accelerated and not card.host:
        results = run_on_accelerator(card, flat, attrs, name)
    else:
        try:
            values: list[Any] = [t._array for t in flat]
        except AttributeError:
            symbolic = next(t for t in flat if isinstance(t, SymbolicTensor))
            raise inaccessible(symbolic, f"eager execution (of {card.name})") from None
        token = be_quiet()
        try:
            kernel = card.bind(attrs, EagerOp(card, attrs) if "op" in card.kernel_wants else None)
            arguments = card.group(values, attrs) if card.has_list_inputs else values
            if "frame" not in card.kernel_wants:
                results = kernel(np, *arguments)
            elif card.updates_state:
                with STATE_LOCK:
                    results = kernel(np, *arguments, frame=HOST_FRAME)
            else:
                results = kernel(np, *arguments, frame=HOST_FRAME)
        except Exception as error:
            raise explain(error, card, values, None, name).with_traceback(None) from None
        finally:
            be_loud(token)
    if card.single_output:
        outputs: Any = as_eager(results)
        if STATE.busy and LOCAL.recorders:
            _record(card, attrs, flat, (outputs,))
        return outputs
    return _several(card, attrs, flat, results)


def _several(card: Card, attrs: dict[str, Any], inputs: Sequence[Any], results: Any) -> Any:
    """The results of an operation with no output or with several."""
    if results is None:
        return None
    tensors = [as_eager(r) for r in results]
    if STATE.busy and LOCAL.recorders:
        _record(card, attrs, inputs, tensors)
    return package(card, attrs, tensors)


def _record(card: Card, attrs: dict[str, Any], inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
    for recorder in LOCAL.recorders:
        recorder.record(card, attrs, inputs, outputs)


def _is_on_cpu(value: Any) -> bool:
    return next(iter(value.devices())).platform == "cpu"


def _device_asks_for_accelerator(default: bool) -> bool:
    wanted = device_from_scope(LOCAL.device, None)
    if "GPU" in wanted.upper():
        return has_accelerator()
    if "CPU" in wanted.upper():
        return False
    return default


def package(card: Card, attrs: dict[str, Any], tensors: Sequence[Any]) -> Any:
    """Flat outputs in the form that the operation's function returns."""
    if card.single_output:
        return tensors[0]
    if not card.outputs:
        return None
    if card.has_list_outputs:
        grouped, position = [], 0
        for argument in card.outputs:
            if argument.is_list:
                count = Card.list_length(argument, attrs)
                grouped.append(list(tensors[position:position + count]))
                position += count
            else:
                grouped.append(tensors[position])
                position += 1
        if len(grouped) == 1:
            return grouped[0]
        tensors = grouped
    result_type = _result_types.get(card.name)
    if result_type is None:
        result_type = _result_types[card.name] = collections.namedtuple(  # type: ignore[misc]
            card.name, [a.name for a in card.outputs], rename=True
        )
    return result_type(*tensors)


# ---- adding to a graph


def _apply_in_graph(card: Card, graph: Any, inputs: Sequence[Any], name: str | None, attrs: dict[str, Any]) -> Any:
    plain = all(
        isinstance(v, SymbolicTensor) or (isinstance(v, (list, tuple)) and all(
            isinstance(x, SymbolicTensor) for x in v))
        for v in inputs
    )
    if plain:
        flat, attrs = resolve(card, inputs, attrs, graph)
        op = graph.add_operation(card, flat, attrs, name)
    else:
        # Constants made of plain numbers are named after the operation that takes them: `add/y`.
        with graph.name_scope(name or card.name) as scope:
            flat, attrs = resolve(card, inputs, attrs, graph)
            op = graph.add_operation(card, flat, attrs, scope)
    if LOCAL.recorders:
        _record(card, attrs, flat, op._outputs)
    if not card.outputs:
        return op
    return package(card, attrs, op._outputs)
