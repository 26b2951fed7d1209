"""Operations: the nodes of a graph."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import node_defs
from everflow._src.framework.context import LOCAL
from everflow._src.framework.dtypes import DType
from everflow._src.framework.export import export
from everflow._src.framework.registry import Card
from everflow._src.framework.tensor import SymbolicTensor
from everflow._src.framework.tensor_protos import proto_of_array
from everflow._src.framework.tensor_shape import TensorShape

_OUR_FILES = __file__[: __file__.rindex("_src") + len("_src")]
_MAX_FRAMES = 24


def user_frames() -> list[tuple[Any, int]]:
    """The caller's stack without everflow's own frames, innermost first, as (code, last instruction).

    Line numbers are worked out only when somebody reads them: one operation costs one walk.
    """
    frame: Any = sys._getframe(1)
    result: list[Any] = []
    while frame is not None and len(result) < _MAX_FRAMES:
        code = frame.f_code
        # Frozen modules (runpy, importlib) started the program; they are no part of it.
        if not code.co_filename.startswith((_OUR_FILES, "<frozen ")):
            result.append((code, frame.f_lasti))
        frame = frame.f_back  # type: ignore[assignment]
    return result


def _line(code: Any, last_instruction: int) -> int:
    for index, position in enumerate(code.co_positions()):
        if index == last_instruction // 2:
            return position[0] or code.co_firstlineno
    return code.co_firstlineno


def location_text(frames: Sequence[tuple[Any, int]]) -> str:
    """`file:line, in function` of the innermost frame of the user."""
    if not frames:
        return "<unknown location>"
    code, last_instruction = frames[0]
    return f"{code.co_filename}:{_line(code, last_instruction)}, in {code.co_name}"


@export("Operation", v1=["Operation"])
class Operation:
    """One node of a graph: an operation type, the tensors it takes and makes, and its attrs.

    Made by calling functions like `tf.matmul` while a graph is being built.
    """

    __slots__ = ("graph", "card", "type", "name", "_id", "_inputs", "_control_inputs", "_control_outputs",
                 "_attrs", "_outputs", "_device", "_frames", "_gradient_function", "_colocation", "__dict__",
                 "__weakref__")

    def __init__(
        self,
        graph: Any,
        card: Card,
        name: str,
        inputs: Sequence[SymbolicTensor],
        attrs: dict[str, Any],
        control_inputs: Sequence[Operation],
        device: str,
    ) -> None:
        self.graph = graph
        self.card = card
        self.type = card.name
        self.name = name
        self._id = -1
        self._inputs = list(inputs)
        self._control_inputs = list(control_inputs)
        self._control_outputs: list[Operation] = []
        self._attrs = attrs
        self._device = device
        self._frames = user_frames()
        self._gradient_function: Callable | None = None
        self._outputs = [SymbolicTensor(self, i, dtype) for i, dtype in enumerate(card.output_dtypes(attrs))]

    # ---- what it is connected to

    @property
    def inputs(self) -> tuple[SymbolicTensor, ...]:
        """The tensors it takes."""
        return tuple(self._inputs)

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """The tensors it makes."""
        return self._outputs

    @property
    def control_inputs(self) -> list[Operation]:
        """The operations that run before this one though it takes nothing from them."""
        return list(self._control_inputs)

    @property
    def _control_outputs_list(self) -> list[Operation]:
        return list(self._control_outputs)

    def values(self) -> tuple[SymbolicTensor, ...]:
        """The outputs as a tuple."""
        return tuple(self._outputs)

    @property
    def device(self) -> str:
        """The device it asks to run on; empty when it does not care."""
        return self._device

    def _set_device(self, device: Any) -> None:
        self._device = device if isinstance(device, str) else device.to_string()

    def _set_device_from_string(self, device: str) -> None:
        self._device = device

    @property
    def _id_value(self) -> int:
        return self._id

    def _add_control_input(self, op: Operation) -> None:
        self._add_control_inputs([op])

    def _add_control_inputs(self, ops: Iterable[Operation]) -> None:
        for op in ops:
            if op.graph is not self.graph:
                raise ValueError(
                    f"Control input {op.name!r} of {self.name!r} must be from the same graph as the operation"
                )
            if op not in self._control_inputs:
                self._control_inputs.append(op)
                op._control_outputs.append(self)
        self.graph.touch()

    def _update_input(self, index: int, tensor: SymbolicTensor) -> None:
        if tensor.graph is not self.graph:
            raise ValueError(f"{tensor!r} must be from the same graph as {self.name!r}")
        previous = self._inputs[index]
        self._inputs[index] = tensor
        if not any(t is previous for t in self._inputs):
            previous._consumers[:] = [c for c in previous._consumers if c is not self]
        tensor._consumers.append(self)
        self.graph.touch()

    def add_output(self, dtype: DType, shape: TensorShape) -> SymbolicTensor:
        """Appends an output: functional operations learn to return intermediates when differentiated."""
        tensor = SymbolicTensor(self, len(self._outputs), dtype)
        tensor._shape = shape
        self._outputs.append(tensor)
        self.graph.touch()
        for recorder in LOCAL.recorders:
            recorder.output_added(self, tensor)
        return tensor

    def add_input(self, tensor: SymbolicTensor) -> None:
        """Appends an input, as `add_output` does for outputs."""
        self._inputs.append(tensor)
        tensor._consumers.append(self)
        self.graph.touch()

    # ---- attrs

    @property
    def attrs(self) -> dict[str, Any]:
        """Attrs by name as everflow keeps them: DTypes, TensorShapes, Python values, functions."""
        return self._attrs

    def get_attr(self, name: str) -> Any:
        """The value of the attr `name`, in the form TensorFlow returns it.

        Raises:
          ValueError: this operation has no such attr.
        """
        if name not in self._attrs:
            raise ValueError(f"Operation {self.name!r} has no attr named {name!r}; it has {sorted(self._attrs)}")
        return _public_attr(self._attrs[name])

    def _set_attr(self, name: str, value: Any) -> None:
        self._attrs[name] = value
        self.graph.touch()

    def colocation_groups(self) -> list[bytes]:
        """Names of the operations it must stand on one device with, as `loc:@name`."""
        groups = self._attrs.get("_class")
        return list(groups) if groups else [f"loc:@{self.name}".encode()]

    @property
    def node_def(self) -> Any:
        """The NodeDef message of this operation."""
        return node_defs.node_def(self)

    @property
    def op_def(self) -> Any:
        """The OpDef message of its operation type."""
        return node_defs.op_def(self.card)

    # ---- where it comes from

    @property
    def traceback(self) -> list[Any]:
        """The stack of the call that made it, innermost last, without everflow's own frames."""
        import traceback as traceback_module

        return traceback_module.StackSummary.from_list(
            [(c.co_filename, _line(c, i), c.co_name, None) for c, i in reversed(self._frames)]
        )

    @property
    def location(self) -> str:
        """The user's file and line that made it."""
        return location_text(self._frames)

    # ---- running

    def run(self, feed_dict: Any = None, session: Any = None) -> None:
        """Runs the operation in `session` or in the default session.

        Raises:
          ValueError: there is no session.
        """
        _runner(self, feed_dict, session)

    # ---- used by shape rules

    def input_shape(self, index: int) -> TensorShape:
        return self._inputs[index]._shape

    def __repr__(self) -> str:
        return f"<tf.Operation '{self.name}' type={self.type}>"

    def __str__(self) -> str:
        return str(self.node_def)


def _public_attr(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (list, tuple)):
        return [_public_attr(v) for v in value]
    if isinstance(value, TensorShape):
        return value.as_proto()
    if isinstance(value, np.ndarray) or isinstance(value, np.generic):
        return proto_of_array(value)
    return value


def _no_runner(op: Operation, feed_dict: Any, session: Any) -> None:
    raise ValueError("Cannot execute operation using `run()`: no runtime is loaded")


_runner: Callable[[Any, Any, Any], None] = _no_runner


def install_runner(function: Callable[[Any, Any, Any], None]) -> None:
    """`Operation.run` needs a session, which lives one floor above."""
    global _runner
    _runner = function
