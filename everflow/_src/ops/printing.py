"""Printing values while programs run: `tf.print`, `tf.strings.format` and the old `tf.compat.v1.Print`."""

from __future__ import annotations

import pprint
import sys
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes, nest
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.context import current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.export import export
from everflow._src.framework.logging import get_logger
from everflow._src.framework.registry import op
from everflow._src.framework.tensor import Tensor

_STREAMS = {"stdout", "stderr", "log(info)", "log(warning)", "log(error)"}
_LOG_FUNCTIONS = {"info": "log(info)", "warn": "log(warning)", "warning": "log(warning)", "error": "log(error)"}


# ---- values as text


def number_text(value: Any) -> str:
    """A number as TensorFlow prints it: as few digits as give back the same float32 or float64, 6 or 15 at least."""
    if isinstance(value, (np.bool_, bool)):
        return "1" if value else "0"
    if isinstance(value, (bytes, str)):
        return value.decode(errors="replace") if isinstance(value, bytes) else value
    if np.issubdtype(type(value), np.integer) or isinstance(value, int):
        return str(int(value))
    if isinstance(value, (complex, np.complexfloating)):
        return f"({number_text(value.real)},{number_text(value.imag)})"
    short, full, kind = ("%.15g", "%.17g", np.float64) if isinstance(value, np.float64) else (
        "%.6g", "%.9g", np.float32)
    number = kind(value)
    text = short % number
    return text if kind(text) == number or number != number else full % number


def tensor_text(array: Any, summarize: int = 3, quoted: bool = True) -> str:
    """An array as `tf.print` writes it.

    Args:
      array: a NumPy array.
      summarize: how many elements to show at either end of each dimension; -1 for all.
      quoted: writes strings in quotes.
    """
    array = np.asarray(array)
    if array.size == 0 and array.ndim:
        return "[]"
    return _nested_text(array, summarize, quoted, 0)


def _nested_text(array: Any, summarize: int, quoted: bool, depth: int) -> str:
    if array.ndim == 0:
        value = array[()]
        text = number_text(value)
        return f'"{text}"' if quoted and isinstance(value, (bytes, str)) else text
    separator = " " if array.ndim == 1 else "\n" * (array.ndim - 1) + " " * (depth + 1)
    count = len(array)
    if summarize < 0 or count <= 2 * summarize:
        parts = [_nested_text(array[i, ...], summarize, quoted, depth + 1) for i in range(count)]
    else:
        ends = [*range(summarize), *range(count - summarize, count)]
        parts = [_nested_text(array[i, ...], summarize, quoted, depth + 1) for i in ends]
        parts.insert(summarize, "...")
    return f"[{separator.join(parts)}]"


# ---- cards


def _format(xp: Any, inputs: Sequence[Any], *, template: str, placeholder: str, summarize: int) -> Any:
    pieces = _as_text(template).split(_as_text(placeholder))
    text = pieces[0]
    for value, piece in zip(inputs, pieces[1:]):
        text += tensor_text(value, summarize) + piece
    return np.array(text.encode(), object)


def _as_text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else value


StringFormat = op(
    "StringFormat", "inputs: *T -> output: string", template="%s", placeholder="%s", summarize=3, kernel=_format,
    shape=shapes.scalar, host=True, no_gradient="text", doc="Values written into a text.",
    sample=lambda: ([[np.array([1, 2], np.int32)]], {"template": "x is %s"}),
)


def _print(xp: Any, text: Any, *, output_stream: str, end: str) -> None:
    stream, line = _as_text(output_stream), number_text(np.asarray(text)[()]) + _as_text(end)
    if stream.startswith("file://"):
        with open(stream[len("file://"):], "a", encoding="utf-8") as file:
            file.write(line)
    elif stream.startswith("log("):
        getattr(get_logger(), stream[4:-1])(line.rstrip("\n"))
    else:
        target = sys.stdout if stream == "stdout" else sys.stderr
        target.write(line)
        target.flush()


PrintV2 = op(
    "PrintV2", "input: string ->", output_stream="stderr", end="\n", kernel=_print, shape=shapes.no_outputs, host=True,
    stateful=True, no_gradient="it has no result", doc="Prints a text.",
)

_printed: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()


def old_text(array: Any, limit: int) -> str:
    """An array as `tf.compat.v1.Print` writes it: the first elements, and dots where there are more."""
    array = np.asarray(array)
    limit = array.size if limit < 0 else limit
    if array.ndim == 0:
        return number_text(array[()])
    left = limit

    def write(part: Any) -> str:
        nonlocal left
        if part.ndim == 1:
            shown = [number_text(part[i]) for i in range(min(left, len(part)))]
            left -= len(shown)
            return " ".join(shown) + ("..." if len(shown) < len(part) else "")
        text = ""
        for i in range(len(part)):
            if left <= 0:
                return text + "..."
            text += f"[{write(part[i, ...])}]"
        return text

    return write(array)


def _print_old(xp: Any, value: Any, data: Sequence[Any], *, message: str, first_n: int, summarize: int, op: Any) -> Any:
    if first_n >= 0:
        seen = _printed.get(op, 0)
        if seen >= first_n:
            return value
        _printed[op] = seen + 1
    sys.stderr.write(_as_text(message) + "".join(f"[{old_text(d, summarize)}]" for d in data) + "\n")
    sys.stderr.flush()
    return value


Print = op(
    "Print", "input: T, data: *U -> output: T", T=dtypes.ALL, message="", first_n=-1, summarize=3,
    kernel=_print_old, shape=lambda op: op._inputs[0]._shape, host=True, stateful=True,
    gradient=lambda dy, *, op: (dy, [None] * (len(op.inputs) - 1)), doc="The same tensor; prints others.",
)


# ---- public functions


class _Hole:
    """Stands in a text where a value belongs."""

    def __init__(self, placeholder: str) -> None:
        self._placeholder = placeholder

    def __repr__(self) -> str:
        return self._placeholder


def _unused_placeholder(inputs: Sequence[Any]) -> str:
    placeholder, number = "{}", 0
    while any(placeholder in part for part in nest.flatten(list(inputs)) if isinstance(part, str)):
        placeholder, number = f"{{{number}}}", number + 1
    return placeholder


def _template(value: Any, placeholder: str, tensors: list[Any]) -> str:
    """The text of one argument, with holes where tensors were."""
    if isinstance(value, str):
        return value
    kind = type(value).__name__
    if kind == "SparseTensor":
        tensors.extend([value.indices, value.values, value.dense_shape])
        return f"'SparseTensor(indices={placeholder}, values={placeholder}, shape={placeholder})'"
    if kind == "RaggedTensor":
        return str(value.to_list())

    def hole(part: Any) -> Any:
        if isinstance(part, Tensor) or hasattr(part, "_dense_var_to_tensor"):
            tensors.append(part)
            return _Hole(placeholder)
        return part

    if not nest.is_nested(value):
        return repr(hole(value))
    return pprint.pformat(nest.map_structure(hole, value))


def _stream_name(stream: Any) -> str:
    if stream is sys.stdout or stream is sys.__stdout__:
        return "stdout"
    if stream is sys.stderr or stream is sys.__stderr__:
        return "stderr"
    if isinstance(stream, str) and (stream.startswith("file://") or stream in _STREAMS):
        return stream
    if callable(stream) and getattr(stream, "__name__", None) in _LOG_FUNCTIONS:
        return _LOG_FUNCTIONS[stream.__name__]
    raise ValueError(
        f"Unsupported output stream, logging level, or file: {stream!r}. Supported are sys.stdout, sys.stderr, "
        "tf.compat.v1.logging.info, .warning and .error, and 'file://<path>'"
    )


@export("print", v1=["print"])
def print_v2(*inputs: Any, **kwargs: Any) -> Any:
    """Prints values when the program runs: tensors, Python values, and structures of both.

    Args:
      *inputs: what to print.
      output_stream: sys.stderr (the default), sys.stdout, a function of `tf.compat.v1.logging`, or
        "file://<path>".
      summarize: how many elements to show at either end of each dimension; -1 for all (default: 3).
      sep: what stands between the inputs (default: a space).
      end: what stands behind them (default: a new line).
      name: name of the operation in a graph.

    Returns:
      None in eager mode, the printing operation in a graph.

    Raises:
      ValueError: an unknown argument or stream.

    >>> import everflow as tf, sys
    >>> tf.print("x:", tf.constant([[1, 2], [3, 4]]), output_stream=sys.stdout)
    x: [[1 2]
     [3 4]]
    """
    stream = _stream_name(kwargs.pop("output_stream", sys.stderr))
    name = kwargs.pop("name", None)
    summarize = kwargs.pop("summarize", 3)
    summarize = 3 if summarize is None else summarize
    separator, end = kwargs.pop("sep", " "), kwargs.pop("end", "\n")
    if kwargs:
        raise ValueError(f"Unrecognized keyword arguments for tf.print: {kwargs}")
    if len(inputs) == 1 and isinstance(inputs[0], Tensor) and inputs[0].dtype.base_dtype == dtypes.string and \
            inputs[0].shape.rank == 0:
        text: Any = inputs[0]  # a text of one's own is printed as it is
    else:
        placeholder = _unused_placeholder(inputs)
        tensors: list[Any] = []
        template = separator.join(_template(value, placeholder, tensors) for value in inputs)
        text = StringFormat(
            [convert(t) for t in tensors], template=template, placeholder=placeholder, summarize=summarize
        )
    result = PrintV2(text, output_stream=stream, end=end, name=name)
    return result if current_graph() is not None else None


@export("strings.format", v1=["strings.format"])
def string_format(template: str, inputs: Any, placeholder: str = "{}", summarize: int = 3, name: str | None = None
                  ) -> Any:
    """A text with tensors written into it.

    Args:
      template: the text, with `placeholder` where the tensors belong.
      inputs: a tensor or a list of tensors.
      placeholder: what to replace.
      summarize: how many elements to show at either end of each dimension; -1 for all.
      name: name of the operation.

    Raises:
      ValueError: there are not as many placeholders as inputs.
    """
    tensors = [convert(t) for t in (inputs if isinstance(inputs, (list, tuple)) else [inputs])]
    if template.count(placeholder) != len(tensors):
        raise ValueError(
            f"The template expects {template.count(placeholder)} values, received {len(tensors)}: {template!r}"
        )
    return StringFormat(tensors, template=template, placeholder=placeholder, summarize=summarize, name=name)


@export(v1=["Print"])
def print_v1(input_: Any, data: Any, message: str | None = None, first_n: int | None = None,
             summarize: int | None = None, name: str | None = None) -> Any:
    """`input_`; prints the tensors in `data` to stderr when it is computed.

    Args:
      input_: a tensor to pass on.
      data: what to print.
      message: a text before it.
      first_n: how many times to print; always when None.
      summarize: how many elements of each tensor to print; 3 when None.
      name: name of the operation.
    """
    return Print(
        input_, [convert(d) for d in data], message=message or "", first_n=-1 if first_n is None else first_n,
        summarize=3 if summarize is None else summarize, name=name,
    )
