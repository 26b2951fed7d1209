"""The operation cards: everything the engine knows about one operation type, in one record.

A card is declared once, with `op(...)`, beside the public functions that use it.  Its key is
TensorFlow's own op type name, its signature is written as TensorFlow's op definitions are:

    "x: T, y: T -> z: T"            one type attr shared by all
    "values: N*T, axis: Tidx -> output: T"   a list of N tensors of one type
    "args: *Tin -> output: *Tout"   a list of tensors of listed types
    "ref: T&, value: T -> output_ref: T&"    a reference to a 1.x variable

Whatever a pass over programs wants to know of an operation (does it need the host, does it have
side effects, which operands must be known while compiling) is a field here with a safe default, so
no pass keeps a table of names.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

from everflow._src.framework import dtypes
from everflow._src.framework.dtypes import DType

CARDS: dict[str, Card] = {}


class Required:
    """Marks an attr that has no default."""

    def __repr__(self) -> str:
        return "<required>"


REQUIRED = Required()

# Stands as `no_gradient` of operations that are functions of floats but have no gradient in TensorFlow: to
# differentiate through one is an error, where it is zero through those that have none by nature.
UNDEFINED_GRADIENT = "TensorFlow defines none, and refuses to differentiate"


class Attr:
    """One attr of an operation: its kind, its default and, for types, the allowed dtypes.

    `kind` is one of TensorFlow's: "int", "float", "bool", "string", "type", "shape", "tensor", "func",
    or "list(...)" of one of these.
    """

    __slots__ = ("kind", "default", "allowed")

    def __init__(self, kind: str, default: Any = REQUIRED, allowed: Any = None) -> None:
        self.kind = kind
        self.default = default
        self.allowed = allowed

    def __repr__(self) -> str:
        return f"Attr({self.kind!r}, default={self.default!r})"


INT = Attr("int")
FLOAT = Attr("float")
BOOL = Attr("bool")
STRING = Attr("string")
TYPE = Attr("type")
SHAPE = Attr("shape")
FUNCTION = Attr("func")
FUNCTIONS = Attr("list(func)")
TYPES = Attr("list(type)")
SHAPES = Attr("list(shape)", default=())
INTS = Attr("list(int)")


class Argument:
    """One input or output of a signature."""

    __slots__ = ("name", "dtype", "type_attr", "number_attr", "type_list_attr", "is_ref")

    def __init__(self, text: str, names: dict[str, DType]) -> None:
        name, _, kind = text.partition(":")
        self.name = name.strip()
        kind = kind.strip()
        self.is_ref = kind.endswith("&")
        kind = kind.rstrip("&").strip()
        self.dtype: DType | None = None
        self.type_attr: str | None = None
        self.number_attr: str | None = None
        self.type_list_attr: str | None = None
        if kind.startswith("*"):
            self.type_list_attr = kind[1:]
        else:
            if "*" in kind:
                number, kind = kind.split("*")
                self.number_attr = number.strip()
                kind = kind.strip()
            if kind in names:
                self.dtype = names[kind]
            else:
                self.type_attr = kind

    @property
    def is_list(self) -> bool:
        return self.number_attr is not None or self.type_list_attr is not None


_DTYPE_NAMES = {
    "float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16, "bfloat16": dtypes.bfloat16,
    "int8": dtypes.int8, "int16": dtypes.int16, "int32": dtypes.int32, "int64": dtypes.int64,
    "uint8": dtypes.uint8, "uint16": dtypes.uint16, "uint32": dtypes.uint32, "uint64": dtypes.uint64,
    "bool": dtypes.bool, "string": dtypes.string, "complex64": dtypes.complex64,
    "complex128": dtypes.complex128, "resource": dtypes.resource, "variant": dtypes.variant,
    "qint8": dtypes.qint8, "quint8": dtypes.quint8, "qint16": dtypes.qint16, "quint16": dtypes.quint16,
    "qint32": dtypes.qint32,
}


def _parse(text: str) -> tuple[Argument, ...]:
    return tuple(Argument(part, _DTYPE_NAMES) for part in text.split(",") if part.strip())


def _keyword_only(function: Callable | None) -> tuple[str, ...]:
    """Names of the keyword-only parameters: what the function asks the engine to pass by name."""
    if function is None:
        return ()
    code = getattr(function, "__code__", None)
    if code is not None and not hasattr(function, "__wrapped__"):
        # A thousand cards are declared while the first operation loads: inspect.signature would be half of that.
        return code.co_varnames[code.co_argcount:code.co_argcount + code.co_kwonlyargcount]
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # NumPy ufuncs before 2.4 and builtins have no signature
        return ()
    if isinstance(function, type(sys)) or type(function).__name__ == "ufunc":
        return ()
    return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


class Card:
    """The record of one operation type.  Calling a card applies the operation (see runtime/dispatch)."""

    def __init__(self, name: str, signature: str, **fields: Any) -> None:
        left, arrow, right = signature.partition("->")
        if not arrow:
            raise ValueError(f"{name}: a signature reads 'inputs -> outputs', received {signature!r}")
        self.name = name
        self.signature = signature
        self.inputs = _parse(left)
        self.outputs = _parse(right)
        self.kernel: Callable | None = fields["kernel"]
        self.xla: Callable | None = fields["xla"]
        self.shape: Callable | None = fields["shape"]
        self.gradient: Callable | None = fields["gradient"]
        self.differentiable: bool = fields["gradient"] is not None
        self.no_gradient: str | bool = fields["no_gradient"]
        self.host: bool = fields["host"]
        self.takes_lists: bool = fields["takes_lists"]
        self.stateful: bool = fields["stateful"]
        self.reads_only: bool = fields["reads_only"]
        self.own_state: Callable | None = fields["own_state"]
        self.static: tuple[str, ...] = fields["static"]
        self.value_as_shape: Callable | None = fields["value_as_shape"]
        self.shape_only: bool = fields["shape_only"]
        self.joins: Callable | None = fields["joins"]
        self.sample: Any = fields["sample"]
        self.doc: str = fields["doc"]
        self.attrs: dict[str, Attr] = fields["attrs"]
        self.module: str = fields["module"]
        self.line: int = fields["line"]
        self._derive()

    def _derive(self) -> None:
        self.has_list_inputs = any(a.is_list for a in self.inputs)
        self.references = tuple(i for i, a in enumerate(self.inputs) if a.is_ref)
        self.has_list_outputs = any(a.is_list for a in self.outputs)
        self.num_outputs = None if self.has_list_outputs else len(self.outputs)
        self.single_output = self.num_outputs == 1
        self.kernel_wants = self._wants(self.kernel)
        self.xla_wants = self._wants(self.xla)
        # It reads and writes variables in one go: threads must take turns.  Functions lock for themselves, and
        # what runs on the host may wait for another thread.
        self.updates_state = (
            self.stateful and not self.reads_only and not self.host and "frame" in self.kernel_wants
            and not any("func" in a.kind for a in self.attrs.values())
        )
        self.static_positions = frozenset(i for i, a in enumerate(self.inputs) if a.name in self.static)
        missing = set(self.static) - {a.name for a in self.inputs}
        if missing:
            raise ValueError(f"{self.name}: static operands {sorted(missing)} are not inputs")
        self.input_index = {a.name: i for i, a in enumerate(self.inputs)}
        # For the most frequent signature, every input of the same one type attr, eager dispatch
        # compares dtypes without walking the signature.
        attr_names = {a.type_attr for a in self.inputs}
        self.uniform_type_attr = (
            next(iter(attr_names))
            if len(attr_names) == 1 and not self.has_list_inputs and None not in attr_names
            else None
        )
        self.defaults = {k: a.default for k, a in self.attrs.items() if a.default is not REQUIRED}
        self.allowed_sets = {
            k: frozenset(a.allowed) for k, a in self.attrs.items() if a.kind == "type" and a.allowed
        }
        # What eager calls on given dtypes and attrs resolve to; dispatch fills it as calls come.
        self.remembers_calls = (
            self.kernel is not None
            and not self.has_list_inputs
            and not any(a.is_ref for a in self.inputs)
            and "op" not in self.kernel_wants
        )
        self.calls: dict[Any, Any] = {}

    def _wants(self, function: Callable | None) -> tuple[str, ...]:
        names = _keyword_only(function)
        for name in names:
            if name not in self.attrs and name not in ("frame", "op"):
                raise ValueError(f"{self.name}: its kernel asks for {name!r}, which is no attr of it")
        return names

    def set_gradient(self, gradient: Callable) -> None:
        """Installs a gradient from a higher floor (gradients of functional operations need tracing)."""
        self.gradient = gradient
        self.differentiable = True
        self.no_gradient = False

    def bind(self, attrs: dict[str, Any], op: Any = None, xla: bool = False) -> Callable:
        """The kernel with its attrs filled in: callable as kernel(xp, *inputs) or, when it asks for the
        frame of execution, kernel(xp, *inputs, frame=frame)."""
        function, wants = (self.xla, self.xla_wants) if xla else (self.kernel, self.kernel_wants)
        if function is None:
            raise NotImplementedError(
                f"Operation type {self.name} has no {'XLA' if xla else 'NumPy'} kernel in everflow yet"
            )
        keywords = {name: attrs[name] for name in wants if name not in ("frame", "op")}
        if "op" in wants:
            keywords["op"] = op
        return functools.partial(function, **keywords) if keywords else function

    def group(self, flat: Sequence[Any], attrs: dict[str, Any]) -> list[Any]:
        """Regroups a flat list of inputs so that list arguments are lists again."""
        if not self.has_list_inputs:
            return list(flat)
        grouped, position = [], 0
        for argument in self.inputs:
            if argument.is_list:
                count = self.list_length(argument, attrs)
                grouped.append(list(flat[position:position + count]))
                position += count
            else:
                grouped.append(flat[position])
                position += 1
        return grouped

    @staticmethod
    def list_length(argument: Argument, attrs: dict[str, Any]) -> int:
        if argument.number_attr is not None:
            return attrs[argument.number_attr]
        return len(attrs[argument.type_list_attr or ""])

    def output_dtypes(self, attrs: dict[str, Any]) -> list[DType]:
        result: list[DType] = []
        for argument in self.outputs:
            if argument.type_list_attr is not None:
                result.extend(attrs[argument.type_list_attr])
                continue
            dtype = argument.dtype if argument.dtype is not None else attrs[argument.type_attr or ""]
            if argument.is_ref:
                dtype = dtype._as_ref
            result.extend([dtype] * (attrs[argument.number_attr] if argument.number_attr else 1))
        return result

    def __repr__(self) -> str:
        return f"<operation card {self.name}({self.signature})>"


def _as_attr(name: str, value: Any) -> Attr:
    if isinstance(value, Attr):
        return value
    if isinstance(value, bool):
        return Attr("bool", value)
    if isinstance(value, int):
        return Attr("int", value)
    if isinstance(value, float):
        return Attr("float", value)
    if isinstance(value, str):
        return Attr("string", value)
    if isinstance(value, DType):
        return Attr("type", value)
    if isinstance(value, tuple) and value and all(isinstance(v, DType) for v in value):
        return Attr("type", allowed=value)
    if isinstance(value, list):
        return Attr("list(int)", list(value))
    raise TypeError(f"attr {name}: cannot tell its kind from {value!r}; use Attr(kind, default)")


def op(
    name: str,
    signature: str,
    *,
    kernel: Callable | None = None,
    xla: Callable | None = None,
    shape: Callable | None = None,
    gradient: Callable | None = None,
    no_gradient: str | bool = False,
    host: bool = False,
    takes_lists: bool = False,
    stateful: bool = False,
    reads_only: bool = False,
    own_state: Callable | None = None,
    static: Sequence[str] = (),
    value_as_shape: Callable | None = None,
    shape_only: bool = False,
    joins: Callable | None = None,
    sample: Any = None,
    doc: str = "",
    more_attrs: dict[str, Any] | None = None,
    **attrs: Any,
) -> Card:
    """Declares the card of one operation type and returns it.

    Args:
      name: TensorFlow's op type, for example "AddV2".
      signature: inputs and outputs, as in the module's docstring.
      kernel: `kernel(xp, *inputs, *, attr..., frame, op)`, written against `xp` (NumPy, or jax.numpy
        while compiling).  Keyword-only parameters are filled by name with attrs; `frame` is the frame of
        execution (state, functions), `op` the operation.  List arguments arrive as lists.  Returns one
        value, or a tuple where the signature has several outputs (a flat tuple for list outputs).
      xla: `xla(jax, *inputs, ...)`: a second kernel where XLA needs different code; receives the module
        `jax` in place of `xp`.
      shape: `shape(op) -> TensorShape | list of TensorShape`; see framework/shape_rules.
      gradient: `gradient(*output_gradients, *, names...)`: keyword-only names are inputs, outputs or
        attrs of this operation (`<input>_shape` for the shape alone); returns one gradient per input.
      no_gradient: True, or the reason, when there is none by nature; `UNDEFINED_GRADIENT` when asking for it
        is an error.
      host: the operation never compiles (strings, files, shapes that depend on data).
      takes_lists: it compiles on variants too, where they are lists of tensors.
      stateful: has side effects or reads state; kept, and kept in order.
      reads_only: stateful, but only reads its resource operands.
      own_state: `own_state(op) -> value`: initial value of a hidden variable (random counters).
      static: names of inputs that must be known while compiling.
      value_as_shape: `rule(op) -> TensorShape`: the output, read as a shape, though only partly known.
      shape_only: the value depends on the shapes of its inputs alone (Shape, Rank, Size).
      joins: `joins(unfinished, position, other_operands, attrs)`: while compiling, takes a result of another operation
        that was held back (runtime/unfinished), its operand at `position`, further; returns None when it cannot.
      sample: what the meta-tests call it with; see tests/ops/samples.
      doc: one line of documentation for `tf.raw_ops`.
      more_attrs: attrs whose names are parameters of this function, such as "shape".
      **attrs: a tuple of DTypes (a type attr and its allowed dtypes), a default value, or an `Attr`.
    """
    # Cards are declared while their module loads, perhaps through a factory of another module: the file
    # that is being loaded is where the card stands.
    frame = sys._getframe(1)
    while frame.f_code.co_name != "<module>" and frame.f_back is not None:
        frame = frame.f_back
    if name in CARDS:
        first = CARDS[name]
        raise ValueError(f"Operation type {name} is declared twice; first in {first.module}:{first.line}")
    table = {key: _as_attr(key, value) for key, value in {**attrs, **(more_attrs or {})}.items()}
    for argument in (*_parse(signature.partition("->")[0]), *_parse(signature.partition("->")[2])):
        if argument.number_attr and argument.number_attr not in table:
            table[argument.number_attr] = INT
        if argument.type_list_attr and argument.type_list_attr not in table:
            table[argument.type_list_attr] = TYPES
        if argument.type_attr and argument.type_attr not in table:
            raise ValueError(f"{name}: type attr {argument.type_attr!r} is in the signature but not declared")
    card = Card(
        name, signature, kernel=kernel, xla=xla, shape=shape, gradient=gradient, no_gradient=no_gradient,
        host=host, takes_lists=takes_lists, stateful=stateful, reads_only=reads_only, own_state=own_state,
        static=tuple(static),
        value_as_shape=value_as_shape, shape_only=shape_only, joins=joins, sample=sample, doc=doc, attrs=table,
        module=frame.f_globals.get("__name__", "?"), line=frame.f_lineno,
    )
    CARDS[name] = card
    return card
