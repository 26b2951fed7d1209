"""Operations on strings: their length, case, parts, numbers and codes."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.conversion import convert
from everflow._src.framework.errors import OutOfRangeError
from everflow._src.framework.export import export
from everflow._src.framework.registry import Attr, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.by_name import cards
from everflow._src.ops.naming import name_scope
from everflow._src.runtime.failures import invalid

_UNITS = ("BYTE", "UTF8_CHAR")
_WHITESPACE = b" \t\n\v\f\r"
_TEXTS = np.array([b"ab", b"Cd "], object)


def each(function: Callable[[Any], Any], values: Any, dtype: Any = object) -> Any:
    """An array of what `function` makes of every element."""
    values = np.asarray(values)
    result = np.empty(values.size, dtype)
    result[:] = [function(value) for value in values.reshape(-1).tolist()]
    return result.reshape(values.shape)


def _check_unit(unit: str, error: Callable[[str], Exception]) -> None:
    if unit not in _UNITS:
        raise error(f"Value for attr 'unit' of {unit!r} is not in the list of allowed values: {_UNITS}")


def _starts(value: bytes) -> list[int]:
    """Where the characters of UTF-8 begin, and the end; stray bytes belong to the character before them."""
    return [i for i, byte in enumerate(value) if i == 0 or byte & 0xC0 != 0x80] + [len(value)]


# ---- length, case, blanks


def _length(xp: Any, values: Any, *, unit: str) -> Any:
    _check_unit(unit, invalid)
    if unit == "BYTE":
        return each(len, values, np.int32)
    return each(lambda value: sum(byte & 0xC0 != 0x80 for byte in value), values, np.int32)


def _length_shape(op: Any) -> TensorShape:
    _check_unit(op._attrs["unit"], ValueError)
    return op._inputs[0]._shape


StringLength = op(
    "StringLength", "input: string -> output: int32", unit="BYTE", kernel=_length, shape=_length_shape, host=True,
    no_gradient=True, doc="Lengths of strings.", sample=lambda: ([_TEXTS], {"unit": "UTF8_CHAR"}),
)


def _cased(method: str) -> Callable:
    def kernel(xp: Any, values: Any, *, encoding: str) -> Any:
        if encoding not in ("", "utf-8"):
            raise invalid(f"only utf-8 or '' (no encoding) is supported, received {encoding}")
        if not encoding:
            return each(lambda value: getattr(value, method)(), values)
        return each(lambda value: getattr(value.decode("utf-8", "replace"), method)().encode(), values)

    return kernel


StringLower, StringUpper = (
    op(
        f"String{method.title()}", "input: string -> output: string", encoding="", kernel=_cased(method),
        shape=shapes.unchanged, host=True, no_gradient=True, doc=f"Letters in {method} case.",
        sample=lambda: ([_TEXTS], {}),
    )
    for method in ("lower", "upper")
)

StringStrip = op(
    "StringStrip", "input: string -> output: string",
    kernel=lambda xp, values: each(lambda value: value.strip(_WHITESPACE), values), shape=shapes.unchanged, host=True,
    no_gradient=True, doc="Strings without blanks at both ends.", sample=lambda: ([_TEXTS], {}),
)


@export("strings.length", v1=[])
def string_length(input: Any, unit: str = "BYTE", name: str | None = None) -> Any:
    """How long strings are.

    Args:
      input: a string tensor.
      unit: "BYTE" counts bytes, "UTF8_CHAR" the code points of UTF-8.
      name: name of the operation.

    Returns:
      An int32 tensor of the shape of `input`.

    Raises:
      tf.errors.InvalidArgumentError: of an unknown unit; ValueError in a graph.

    >>> import everflow as tf
    >>> tf.strings.length(["Hello", "é"]).numpy()
    array([5, 2], dtype=int32)
    """
    return StringLength(input, unit=unit, name=name)


@export(v1=["strings.length"])
def string_length_v1(input: Any, name: str | None = None, unit: str = "BYTE") -> Any:
    """How long strings are; see `tf.strings.length`."""
    return StringLength(input, unit=unit, name=name)


@export("strings.lower", v1=["strings.lower"])
def string_lower(input: Any, encoding: str = "", name: str | None = None) -> Any:
    """Strings in lower case: the letters of ASCII, or with `encoding="utf-8"` all of Unicode.

    >>> import everflow as tf
    >>> tf.strings.lower("CamelCase").numpy()
    b'camelcase'
    """
    return StringLower(input, encoding=encoding, name=name)


@export("strings.upper", v1=["strings.upper"])
def string_upper(input: Any, encoding: str = "", name: str | None = None) -> Any:
    """Strings in upper case: the letters of ASCII, or with `encoding="utf-8"` all of Unicode.

    >>> import everflow as tf
    >>> tf.strings.upper("CamelCase").numpy()
    b'CAMELCASE'
    """
    return StringUpper(input, encoding=encoding, name=name)


@export("strings.strip", v1=["strings.strip", "string_strip"])
def string_strip(input: Any, name: str | None = None) -> Any:
    r"""Strings without the blanks of ASCII at both ends.

    >>> import everflow as tf
    >>> tf.strings.strip("\n tidy ").numpy()
    b'tidy'
    """
    return StringStrip(input, name=name)


# ---- joining


def _join(xp: Any, inputs: Any, *, separator: str) -> Any:
    arrays = [np.asarray(value, object) for value in inputs]
    shape = next((a.shape for a in arrays if a.ndim), ())
    for array in arrays:
        if array.ndim and array.shape != shape:
            raise invalid(f"Input shapes do not match: {list(shape)} vs. {list(array.shape)}")
    columns = [np.broadcast_to(a, shape).reshape(-1).tolist() for a in arrays]
    result = np.empty(int(np.prod(shape)), object)
    glue = separator.encode("utf-8", "surrogateescape")
    result[:] = [glue.join(row) for row in zip(*columns)] if columns else [b""]
    return result.reshape(shape)


def _join_shape(op: Any) -> TensorShape:
    known = [t._shape for t in op._inputs if t._shape.rank != 0]
    if not known:
        return TensorShape([])
    result = known[0]
    for shape in known[1:]:
        result = result.merge_with(shape)
    return result


StringJoin = op(
    "StringJoin", "inputs: N*string -> output: string", separator="", kernel=_join, shape=_join_shape, host=True,
    no_gradient=True, doc="Strings put together, element by element.",
    sample=lambda: ([[_TEXTS, _TEXTS]], {"separator": "-"}),
)


def _reduce_join(xp: Any, inputs: Any, axes: Any, *, keep_dims: bool, separator: str) -> Any:
    values = np.asarray(inputs, object)
    rank, order = values.ndim, []
    for axis in np.asarray(axes).reshape(-1).tolist():
        if not -rank <= axis < rank:
            # IndexError would become another class than TensorFlow's OutOfRangeError.
            raise _out_of_range(f"Invalid reduction dimension {axis} for input with {rank} dimension(s)")
        if axis % rank in order:
            raise invalid(f"Duplicate reduction dimension {axis}")
        order.append(axis % rank)
    kept = [i for i in range(rank) if i not in order]
    # The first axis listed varies fastest.
    count = int(np.prod([values.shape[i] for i in order], dtype=np.int64))
    groups = int(np.prod([values.shape[i] for i in kept], dtype=np.int64))
    rows = values.transpose([*kept, *reversed(order)]).reshape(groups, count)
    glue = separator.encode("utf-8", "surrogateescape")
    result = np.empty(groups, object)
    result[:] = [glue.join(row) for row in rows.tolist()]
    return result.reshape(
        [1 if i in order else d for i, d in enumerate(values.shape)] if keep_dims
        else [values.shape[i] for i in kept]
    )


def _out_of_range(message: str) -> Exception:
    return OutOfRangeError(None, None, message)


ReduceJoin = op(
    "ReduceJoin", "inputs: string, reduction_indices: int32 -> output: string", keep_dims=False, separator="",
    kernel=_reduce_join, shape=shapes.reduction, host=True, no_gradient=True, doc="Strings joined over axes.",
    sample=lambda: ([_TEXTS, np.array([0], np.int32)], {}),
)


@export("strings.join", v1=["strings.join", "string_join"])
def string_join(inputs: Any, separator: str = "", name: str | None = None) -> Any:
    """Strings put together, element by element.

    Args:
      inputs: a list of string tensors of one shape; scalars go with any.
      separator: a str between them.
      name: name of the operation.

    Returns:
      A string tensor.

    Raises:
      tf.errors.InvalidArgumentError: the shapes differ; ValueError where that is known in a graph.

    >>> import everflow as tf
    >>> tf.strings.join([["abc", "123"], ["def", "456"]], separator=" ").numpy().tolist()
    [b'abc def', b'123 456']
    """
    return StringJoin(inputs, separator=_text(separator), name=name)


def _text(value: Any) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


@export("strings.reduce_join", v1=[])
def reduce_join_v2(inputs: Any, axis: Any = None, keepdims: bool = False, separator: str = "", name: str | None = None
                   ) -> Any:
    """Strings joined over axes.

    Args:
      inputs: a string tensor.
      axis: an axis or a list of them; the first one listed varies fastest.  All when None, in the order of memory.
      keepdims: keep the axes, of length 1.
      separator: a str between the strings.
      name: name of the operation.

    Returns:
      A string tensor.

    Raises:
      tf.errors.OutOfRangeError: there is no such axis; ValueError where that is known in a graph.

    >>> import everflow as tf
    >>> tf.strings.reduce_join([["abc", "123"], ["def", "456"]], axis=-1).numpy().tolist()
    [b'abc123', b'def456']
    """
    with name_scope(None, "ReduceJoin"):
        strings = convert(inputs, name="Const") if axis is None else inputs
        return ReduceJoin(
            strings, _all_axes(strings) if axis is None else axis, keep_dims=bool(keepdims),
            separator=_text(separator), name=name,
        )


def _all_axes(strings: Any) -> Any:
    rank = strings.shape.rank
    if rank is not None:
        return convert(np.arange(rank - 1, -1, -1, dtype=np.int32))
    return cards.Range(cards.Rank(strings) - 1, -1, -1, name="range")


@export(v1=["strings.reduce_join", "reduce_join"])
def reduce_join(inputs: Any, axis: Any = None, keep_dims: Any = None, separator: str = "", name: str | None = None,
                reduction_indices: Any = None, keepdims: Any = None) -> Any:
    """Strings joined over axes; see `tf.strings.reduce_join`.

    Raises:
      ValueError: both the old and the new name of an argument are given.
    """
    for old, new, names in ((reduction_indices, axis, "'reduction_indices' and 'axis'"),
                            (keep_dims, keepdims, "'keep_dims' and 'keepdims'")):
        if old is not None and new is not None:
            raise ValueError(f"Cannot specify both {names}.")
    axis = reduction_indices if axis is None else axis
    return reduce_join_v2(inputs, axis, bool(keep_dims or keepdims), separator, name)


# ---- parts


def _part(value: bytes, position: int, length: int, unit: str, index: int) -> bytes:
    starts = range(len(value) + 1) if unit == "BYTE" else _starts(value)
    count = len(starts) - 1
    if not -count <= position <= count:
        what = f" {value!r}" if unit == "BYTE" else ""
        raise invalid(f"pos {position} out of range for string{what} at index {index}")
    begin = position + count if position < 0 else position
    if length < 0:
        # TensorFlow takes a negative number of bytes for a large one, and one of characters for none.
        length = count if unit == "BYTE" else 0
    return value[starts[begin] : starts[min(begin + length, count)]]


def _substr(xp: Any, values: Any, pos: Any, len: Any, *, unit: str) -> Any:
    _check_unit(unit, invalid)
    values, pos, lengths = np.asarray(values, object), np.asarray(pos), np.asarray(len)
    if pos.shape != lengths.shape:
        raise invalid(f"pos and len should have the same shape, got: {list(pos.shape)} vs. {list(lengths.shape)}")
    try:
        values, pos, lengths = np.broadcast_arrays(values, pos, lengths)
    except ValueError:
        raise invalid(f"Incompatible shapes: {list(values.shape)} vs. {list(pos.shape)}") from None
    result = np.empty(values.size, object)
    rows = zip(values.reshape(-1).tolist(), pos.reshape(-1).tolist(), lengths.reshape(-1).tolist())
    result[:] = [_part(*row, unit, index) for index, row in enumerate(rows)]
    return result.reshape(values.shape)


def _substr_shape(op: Any) -> TensorShape:
    _check_unit(op._attrs["unit"], ValueError)
    values, pos, lengths = (t._shape for t in op._inputs)
    if not pos.is_compatible_with(lengths):
        raise ValueError(f"pos and len shapes must match: {pos} vs. {lengths}")
    return shapes.broadcast(op)


Substr = op(
    "Substr", "input: string, pos: T, len: T -> output: string", T=(dtypes.int32, dtypes.int64), unit="BYTE",
    kernel=_substr, shape=_substr_shape, host=True, no_gradient=True, doc="Parts of strings.",
    sample=lambda: ([_TEXTS, np.array([0, 1], np.int32), np.array([1, 1], np.int32)], {}),
)


@export("strings.substr", v1=[])
def substr(input: Any, pos: Any, len: Any, unit: str = "BYTE", name: str | None = None) -> Any:
    """Parts of strings.

    Args:
      input: a string tensor.
      pos: where each part begins: int32 or int64; counted from the end where negative.
      len: how long each part is at most; of the shape of `pos`, which broadcasts with that of `input`.
      unit: what both count: "BYTE" or "UTF8_CHAR".
      name: name of the operation.

    Returns:
      A string tensor.

    Raises:
      tf.errors.InvalidArgumentError: a part begins outside of its string, or shapes do not fit.

    >>> import everflow as tf
    >>> tf.strings.substr(["Hello", "World"], 1, 3).numpy().tolist()
    [b'ell', b'orl']
    """
    return Substr(input, pos, len, unit=unit, name=name)


@export(v1=["strings.substr", "substr"])
def substr_v1(input: Any, pos: Any, len: Any, name: str | None = None, unit: str = "BYTE") -> Any:
    """Parts of strings; see `tf.strings.substr`."""
    return Substr(input, pos, len, unit=unit, name=name)


# ---- numbers

_INTEGER = re.compile(rb"\s*(-?[0-9]+)\s*")
_FLOAT = re.compile(
    rb"\s*([+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|nan)|([+-]?)0x([0-9a-f]+)|)\s*", re.IGNORECASE
)


def _number(value: bytes, out_type: Any) -> Any:
    found = (_INTEGER if out_type.is_integer else _FLOAT).fullmatch(value)
    if found and out_type.is_integer:
        number = int(found[1])
        if out_type.min <= number <= out_type.max:
            return number
    elif found and value:
        if found[3]:
            return float(int(found[3], 16)) * (-1 if found[2] == b"-" else 1)
        return float(found[1] or 0)
    raise invalid(f"StringToNumberOp could not correctly convert string: {value.decode('utf-8', 'replace')}")


def _to_number(xp: Any, values: Any, *, out_type: Any) -> Any:
    wide = np.int64 if out_type.is_integer else np.float64
    with np.errstate(over="ignore"):
        return each(lambda value: _number(value, out_type), values, wide).astype(out_type.numpy_dtype)


StringToNumber = op(
    "StringToNumber", "string_tensor: string -> output: out_type",
    out_type=Attr("type", dtypes.float32, allowed=(dtypes.float32, dtypes.float64, dtypes.int32, dtypes.int64)),
    kernel=_to_number, shape=shapes.unchanged, host=True, no_gradient=True, doc="Numbers that strings spell.",
    sample=lambda: ([np.array([b"1.5", b"-2"], object)], {}),
)


@export("strings.to_number", v1=[])
def string_to_number(input: Any, out_type: Any = dtypes.float32, name: str | None = None) -> Any:
    """The numbers that strings spell.

    Args:
      input: a string tensor.
      out_type: float32, float64, int32 or int64.
      name: name of the operation.

    Returns:
      A tensor of `out_type` and the shape of `input`.

    Raises:
      tf.errors.InvalidArgumentError: a string spells no number of that dtype.

    >>> import everflow as tf
    >>> tf.strings.to_number(["1.5", "-2"]).numpy()
    array([ 1.5, -2. ], dtype=float32)
    """
    return StringToNumber(input, out_type=out_type, name=name)


@export(v1=["strings.to_number", "string_to_number"])
def string_to_number_v1(string_tensor: Any = None, out_type: Any = dtypes.float32, name: str | None = None,
                        input: Any = None) -> Any:
    """The numbers that strings spell; see `tf.strings.to_number`."""
    return StringToNumber(input if string_tensor is None else string_tensor, out_type=out_type, name=name)


def _as_string(xp: Any, values: Any, *, precision: int, scientific: bool, shortest: bool, width: int, fill: str
               ) -> Any:
    values = np.asarray(values)
    dtype = dtypes.as_dtype(values.dtype)
    if scientific and shortest:
        raise invalid("Cannot select both scientific and shortest notation")
    if len(fill) > 1:
        raise invalid(f'Fill string must be one or fewer characters, received "{fill}"')
    if fill not in ("", " ", "+", "-", "0"):
        raise invalid(f'Fill argument not supported: "{fill}"')
    real = dtype.is_floating or dtype.is_complex
    if not real and dtype != dtypes.string:
        if precision > -1:
            raise invalid(f"precision not supported for datatype {dtype.name}")
        if scientific or shortest:
            raise invalid(f"scientific and shortest format not supported for datatype {dtype.name}")
    size = str(width) if width > -1 else ""
    flag = fill if not (dtype.is_unsigned and fill in " +") else ""
    digits = f".{precision}" if precision > -1 else ""
    letter = "e" if scientific else "g" if shortest else "f"

    def number(value: float) -> str:
        # printf fills up with zeros before digits only.
        return f"%{flag if np.isfinite(value) or flag != '0' else ''}{size}{digits}{letter}" % value

    if dtype == dtypes.string:
        aligned = f"%{'-' if fill == '-' else ''}{size}s".encode()
        return each(lambda value: aligned % value, values)
    if dtype == dtypes.bool:
        return each(lambda value: b"true" if value else b"false", values)
    if dtype.is_complex:
        return each(lambda value: f"({number(value.real)},{number(value.imag)})".encode(), values)
    if real:
        return each(lambda value: number(value).encode(), values.astype(np.float64))
    return each(lambda value: f"%{flag}{size}d".__mod__(value).encode(), values)


AsString = op(
    "AsString", "input: T -> output: string",
    T=tuple(d for d in dtypes.ALL if not d.is_quantized and d not in (dtypes.resource, dtypes.variant)),
    precision=-1, scientific=False, shortest=False, width=-1, fill="", kernel=_as_string, shape=shapes.unchanged,
    host=True, no_gradient=True, doc="Values as text.", sample=lambda: ([np.array([1.5, -2], np.float32)], {}),
)


@export("strings.as_string", "as_string", v1=["strings.as_string", "as_string", "dtypes.as_string"])
def as_string(input: Any, precision: int = -1, scientific: bool = False, shortest: bool = False, width: int = -1,
              fill: str = "", name: str | None = None) -> Any:
    """Values as text, as C's printf writes them.

    Args:
      input: a tensor of numbers, bools or strings.
      precision: digits behind the point; of floating point and complex numbers alone.
      scientific: write an exponent.
      shortest: write an exponent where that is shorter.
      width: fill up to so many characters.
      fill: a flag of printf: "0" fills with zeros, "-" at the right; " " and "+" stand for a missing sign.
      name: name of the operation.

    Returns:
      A string tensor of the shape of `input`.

    Raises:
      tf.errors.InvalidArgumentError: the arguments exclude each other, or the dtype.

    >>> import everflow as tf
    >>> tf.strings.as_string([3.1415926, 2.72], precision=2).numpy().tolist()
    [b'3.14', b'2.72']
    """
    if isinstance(input, np.ndarray) and input.dtype == object:
        input = convert(input)  # a str becomes bytes here
    return AsString(
        input, precision=precision, scientific=scientific, shortest=shortest, width=width, fill=fill, name=name
    )


# ---- base 64

_ALPHABET = re.compile(rb"[A-Za-z0-9_-]*")


def _encode(value: bytes, pad: bool) -> bytes:
    code = base64.urlsafe_b64encode(value)
    return code if pad else code.rstrip(b"=")


def _decode(value: bytes) -> bytes:
    if len(value) % 4 == 1:
        raise invalid("Base64 string length cannot be 1 modulo 4.")
    if len(value) % 4 == 0:
        value = value[:-2] if value.endswith(b"==") else value[:-1] if value.endswith(b"=") else value
    if not _ALPHABET.fullmatch(value) or len(value) % 4 == 1:
        raise invalid("Invalid character found in base64.")
    return base64.urlsafe_b64decode(value + b"=" * (-len(value) % 4))


EncodeBase64 = op(
    "EncodeBase64", "input: string -> output: string", pad=False,
    kernel=lambda xp, values, *, pad: each(lambda value: _encode(value, pad), values), shape=shapes.unchanged,
    host=True, no_gradient=True, doc="Strings in base 64, safe in addresses.", sample=lambda: ([_TEXTS], {}),
)

DecodeBase64 = op(
    "DecodeBase64", "input: string -> output: string", kernel=lambda xp, values: each(_decode, values),
    shape=shapes.unchanged, host=True, no_gradient=True, doc="Strings that base 64 stands for.",
    sample=lambda: ([np.array([b"YQ", b"YWI="], object)], {}),
)


@export("io.encode_base64", v1=["io.encode_base64", "encode_base64"])
def encode_base64(input: Any, pad: bool = False, name: str | None = None) -> Any:
    """Strings in base 64, with `-` and `_` in place of `+` and `/`; filled up with `=` if `pad`.

    >>> import everflow as tf
    >>> tf.io.encode_base64("ab", pad=True).numpy()
    b'YWI='
    """
    return EncodeBase64(input, pad=pad, name=name)


@export("io.decode_base64", v1=["io.decode_base64", "decode_base64"])
def decode_base64(input: Any, name: str | None = None) -> Any:
    """What `tf.io.encode_base64` encoded, filled up or not.

    Raises:
      tf.errors.InvalidArgumentError: a string is no base 64.

    >>> import everflow as tf
    >>> tf.io.decode_base64("YWI").numpy()
    b'ab'
    """
    return DecodeBase64(input, name=name)
