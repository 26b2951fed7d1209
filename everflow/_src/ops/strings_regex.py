"""Regular expressions on strings, in the syntax of RE2.

Python's `re` runs them.  A pattern is translated first: RE2's classes are those of ASCII, its `.` and negated
classes match characters of UTF-8 but no stray bytes, `$` is the very end, flags may stand anywhere, and neither
backreferences nor lookaround nor possessive repeats exist.  Text is read as UTF-8, stray bytes as lone surrogates.
"""

from __future__ import annotations

import functools
import re
import sys
import unicodedata
from typing import Any

import numpy as np

from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.errors import UnimplementedError
from everflow._src.framework.export import export
from everflow._src.framework.registry import STRING, op
from everflow._src.runtime.failures import invalid

Ranges = list[tuple[int, int]]

_LAST = sys.maxunicode
_BYTES = [(0xDC80, 0xDCFF)]  # how Python writes bytes that are no UTF-8
_DIGITS: Ranges = [(48, 57)]
_SPACES: Ranges = [(9, 10), (12, 13), (32, 32)]
_WORDS: Ranges = [(48, 57), (65, 90), (95, 95), (97, 122)]
_PERL = {"d": _DIGITS, "s": _SPACES, "w": _WORDS}
_POSIX: dict[str, Ranges] = {
    "alnum": [(48, 57), (65, 90), (97, 122)], "alpha": [(65, 90), (97, 122)], "ascii": [(0, 127)],
    "blank": [(9, 9), (32, 32)], "cntrl": [(0, 31), (127, 127)], "digit": _DIGITS, "graph": [(33, 126)],
    "lower": [(97, 122)], "print": [(32, 126)], "punct": [(33, 47), (58, 64), (91, 96), (123, 126)],
    "space": [(9, 13), (32, 32)], "upper": [(65, 90)], "word": _WORDS, "xdigit": [(48, 57), (65, 70), (97, 102)],
}
_CONTROL = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_REPEAT = re.compile(r"\{(\d+)(,(\d*))?\}")
_OCTAL = "01234567"
_MOST_REPEATS = 1000


class PatternError(Exception):
    """What is wrong with a pattern, in RE2's words."""


def _negated(ranges: Ranges) -> Ranges:
    """Every character that is not in `ranges`; stray bytes are no characters."""
    result, start = [], 0
    for low, high in sorted(ranges + _BYTES):
        if low > start:
            result.append((start, low - 1))
        start = max(start, high + 1)
    if start <= _LAST:
        result.append((start, _LAST))
    return result


def _written(ranges: Ranges) -> str:
    """A class of Python's syntax."""
    def character(code: int) -> str:
        return f"\\U{code:08x}"

    if not ranges:
        return "(?!)"
    return "[" + "".join(character(a) if a == b else f"{character(a)}-{character(b)}" for a, b in ranges) + "]"


@functools.cache
def _categories() -> dict[str, Ranges]:
    """The characters of each general category of Unicode."""
    result: dict[str, Ranges] = {}
    previous, start = unicodedata.category("\0"), 0
    for code in range(1, _LAST + 2):
        category = unicodedata.category(chr(code)) if code <= _LAST else ""
        if category != previous:
            result.setdefault(previous, []).append((start, code - 1))
            previous, start = category, code
    return result


class _Translator:
    """Reads a pattern of RE2 and writes one of Python."""

    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.place = 0
        self.out: list[str] = []
        self.flags: frozenset[str] = frozenset()
        self.open: list[frozenset[str]] = []
        # What a repeat may follow: "" nothing, "atom", or the repeat that stands there already.
        self.last = ""

    def atom(self, text: str) -> None:
        self.out.append(f"(?i:{text})" if "i" in self.flags else text)
        self.last = "atom"

    def translated(self) -> str:
        while self.place < len(self.text):
            self.step()
        if self.open:
            raise PatternError(f"missing ): {self.text}")
        return "".join(self.out)

    def step(self) -> None:
        text, c = self.text, self.text[self.place]
        if c in "*+?" or c == "{" and _REPEAT.match(text, self.place):
            self.repeat()
        elif c == "(":
            self.group()
        elif c == ")":
            if not self.open:
                raise PatternError(f"unexpected ): {text}")
            self.flags = self.open.pop()
            self.out.append(")")
            self.last, self.place = "atom", self.place + 1
        elif c == "|":
            self.out.append("|")
            self.last, self.place = "", self.place + 1
        elif c == "[":
            self.atom(_written(self.bracket()))
        elif c == "\\":
            self.escape()
        else:
            self.place += 1
            if c == ".":
                self.atom(_written(_negated([] if "s" in self.flags else [(10, 10)])))
            elif c == "^":
                self.atom("(?m:^)" if "m" in self.flags else r"\A")
            elif c == "$":
                self.atom("(?m:$)" if "m" in self.flags else r"\Z")
            else:
                self.atom(re.escape(c))

    def repeat(self) -> None:
        counted = _REPEAT.match(self.text, self.place)
        symbol = counted.group() if counted else self.text[self.place]
        if not self.last:
            raise PatternError(f"no argument for repetition operator: {symbol}")
        if self.last != "atom":
            raise PatternError(f"bad repetition operator: {self.last}{symbol}")
        if counted:
            low, comma, high = counted.groups()
            if int(low) > _MOST_REPEATS or high and (int(high) > _MOST_REPEATS or int(high) < int(low)):
                raise PatternError(f"invalid repetition size: {symbol}")
        self.place += len(symbol)
        lazy = self.text.startswith("?", self.place)
        self.place += lazy
        self.last = symbol + "?" * lazy
        self.out.append(symbol + "?" * (lazy != ("U" in self.flags)))

    def group(self) -> None:
        text, start = self.text, self.place
        if not text.startswith("(?", start):
            self.open.append(self.flags)
            self.out.append("(")
            self.last, self.place = "", start + 1
            return
        named = re.compile(r"\(\?P<([A-Za-z0-9_]+)>").match(text, start)
        if named:
            self.open.append(self.flags)
            # Rewrites know groups by number only, and Python's names have stricter rules.
            self.out.append("(")
            self.last, self.place = "", named.end()
            return
        flags = re.compile(r"\(\?([imsU]*)(-[imsU]+)?([:)])").match(text, start)
        if not flags or flags.group() == "(?)":
            raise PatternError(f"invalid perl operator: {text[start:start + 3]}")
        added, removed, end = flags.groups()
        changed = (self.flags | frozenset(added)) - frozenset(removed or "")
        self.place = flags.end()
        if end == ":":
            self.open.append(self.flags)
            self.out.append("(?:")
            self.last = ""
        self.flags = changed

    def escape(self) -> None:
        text = self.text
        following = text[self.place + 1 : self.place + 2]
        if following == "Q":
            end = text.find("\\E", self.place + 2)
            literal = text[self.place + 2 : end if end >= 0 else len(text)]
            for c in literal:
                self.atom(re.escape(c))
            self.place = end + 2 if end >= 0 else len(text)
            return
        anchor = {"A": r"\A", "z": r"\Z", "b": r"(?a:\b)", "B": r"(?a:\B)"}.get(following)
        if anchor is not None:
            self.place += 2
            self.atom(anchor)
            return
        if following == "C":
            raise UnimplementedError(None, None, r"everflow does not match single bytes (\C) of UTF-8 text")
        ranges = self.named_class()
        if ranges is None:
            code = self.character()
            ranges = [(code, code)]
        self.atom(_written(ranges))

    def named_class(self) -> Ranges | None:
        r"""The class at this place (\d, \W, \pL, \p{Lu}); None if there is none."""
        text, following = self.text, self.text[self.place + 1 : self.place + 2]
        if following and following in "dswDSW":
            self.place += 2
            ranges = _PERL[following.lower()]
            return _negated(ranges) if following.isupper() else ranges
        if following not in ("p", "P"):
            return None
        found = re.compile(r"\\[pP](?:\{(\^?)([^}]*)\}|(.))", re.DOTALL).match(text, self.place)
        if not found:
            raise PatternError(f"invalid character class range: {text[self.place:]}")
        self.place = found.end()
        hat, name, letter = found.groups()
        name = name or letter
        ranges = [] if name != "Any" else [(0, _LAST)]
        for category, members in _categories().items():
            if name in (category, category[0]) and category != "Cn":
                ranges = ranges + [r for r in members if category != "Cs"]
        if not ranges:
            raise UnimplementedError(None, None, f"everflow does not know the class of characters {found.group()!r}")
        return _negated(ranges) if (following == "P") != bool(hat) else sorted(ranges)

    def character(self) -> int:
        """The character that an escape stands for."""
        text, start = self.text, self.place
        if start + 1 >= len(text):
            raise PatternError(f"trailing \\ at end of regular expression: {text}")
        c = text[start + 1]
        self.place += 2
        if c in _CONTROL:
            return _CONTROL[c]
        if c == "x":
            found = re.compile(r"\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2})").match(text, self.place)
            code = int(found.group(1) or found.group(2), 16) if found else _LAST + 1
            if found is None or code > _LAST:
                raise PatternError(f"invalid escape sequence: {text[start:start + 3]}")
            self.place = found.end()
            return code
        if c in _OCTAL and (c == "0" or text[self.place : self.place + 1] in tuple(_OCTAL)):
            digits = c
            while len(digits) < 3 and text[self.place : self.place + 1] in tuple(_OCTAL):
                digits += text[self.place]
                self.place += 1
            return int(digits, 8)
        if c.isascii() and not c.isalnum() and c != "_":
            return ord(c)
        raise PatternError(f"invalid escape sequence: \\{c}")

    def bracket(self) -> Ranges:
        """The characters of a class in brackets."""
        text, start = self.text, self.place
        self.place += 1
        negated = text.startswith("^", self.place)
        self.place += negated
        ranges: Ranges = []
        first = True
        while first or not text.startswith("]", self.place):
            if self.place >= len(text):
                raise PatternError(f"missing ]: {text[start:]}")
            first = False
            posix = re.compile(r"\[:(\^?)(\w+):\]").match(text, self.place)
            if posix:
                if posix.group(2) not in _POSIX:
                    raise PatternError(f"invalid character class range: {posix.group()}")
                members = _POSIX[posix.group(2)]
                ranges = ranges + (_negated(members) if posix.group(1) else members)
                self.place = posix.end()
                continue
            named = self.named_class() if text[self.place] == "\\" else None
            if named is not None:
                ranges = ranges + named
                continue
            begin = self.place
            low = high = self.class_character()
            if text.startswith("-", self.place) and not text.startswith("-]", self.place):
                self.place += 1
                if self.place >= len(text):
                    raise PatternError(f"missing ]: {text[start:]}")
                high = self.class_character()
                if high < low:
                    raise PatternError(f"invalid character class range: {text[begin:self.place]}")
            ranges = [*ranges, (low, high)]
        self.place += 1
        if negated and "i" in self.flags:
            # What a class without regard to case leaves out, it leaves out in either case.
            ranges = ranges + [
                (ord(other), ord(other))
                for low, high in ranges if high - low < _MOST_REPEATS
                for code in range(low, high + 1)
                for other in (chr(code).lower(), chr(code).upper()) if len(other) == 1
            ]
        return _negated(ranges) if negated else ranges

    def class_character(self) -> int:
        if self.text[self.place] == "\\":
            return self.character()
        self.place += 1
        return ord(self.text[self.place - 1])


@functools.lru_cache(maxsize=256)
def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern of RE2, ready to search text that `read` gave.

    Raises:
      tf.errors.InvalidArgumentError: it is no pattern of RE2.
    """
    try:
        if any("\ud800" <= c <= "\udfff" for c in pattern):
            raise PatternError("invalid UTF-8")
        return re.compile(_Translator(pattern).translated())
    except (PatternError, re.error) as error:
        raise invalid(f"Invalid pattern: {pattern}, error: {error}") from None


def read(value: bytes) -> str:
    """UTF-8 as text; bytes that are none as lone surrogates."""
    return value.decode("utf-8", "surrogateescape")


def written(text: str) -> bytes:
    """The bytes that `read` had read."""
    return text.encode("utf-8", "surrogateescape")


def _parts(rewrite: str) -> tuple[list[str | int], bool]:
    """Text and group numbers of a rewrite up to its first wrong escape, and whether there was none."""
    parts: list[str | int] = []
    place = 0
    while place < len(rewrite):
        c = rewrite[place]
        if c == "\\":
            place += 1
            following = rewrite[place : place + 1]
            if following.isascii() and following.isdigit():
                parts.append(int(following))
            elif following == "\\":
                parts.append("\\")
            else:
                return parts, False
        else:
            parts.append(c)
        place += 1
    return parts, True


def replaced(pattern: re.Pattern[str], rewrite: str, text: str, everywhere: bool) -> str:
    """`text` with its first match, or every one, rewritten; unchanged where the rewrite asks for missing groups."""
    parts, valid = _parts(rewrite)
    if max((p for p in parts if isinstance(p, int)), default=0) > pattern.groups or not (valid or everywhere):
        return text
    out: list[str] = []
    place, last_end = 0, -1
    while place <= len(text):
        match = pattern.search(text, place)
        if match is None:
            break
        out.append(text[place : match.start()])
        if match.start() == match.end() == last_end:
            # No empty match right behind the last one.
            out.append(text[last_end : last_end + 1])
            place, last_end = last_end + 1, -1
            continue
        out.extend((match[p] or "") if isinstance(p, int) else p for p in parts)
        place = last_end = match.end()
        if not everywhere:
            break
    out.append(text[place:])
    return "".join(out)


def _scalar_text(value: Any, what: str) -> str:
    array = np.asarray(value, object)
    if array.ndim:
        raise invalid(f"{what} must be scalar, but received {list(array.shape)}")
    return read(array.item())


def _replace(values: Any, pattern: str, rewrite: str, everywhere: bool) -> Any:
    expression, values = compiled(pattern), np.asarray(values, object)
    result = np.empty(values.size, object)
    result[:] = [written(replaced(expression, rewrite, read(v), everywhere)) for v in values.reshape(-1).tolist()]
    return result.reshape(values.shape)


def _full_match(values: Any, pattern: str) -> Any:
    expression, values = compiled(pattern), np.asarray(values, object)
    found = [expression.fullmatch(read(v)) is not None for v in values.reshape(-1).tolist()]
    return np.array(found, bool).reshape(values.shape)


def _scalar_operands(op: Any) -> Any:
    for tensor in op._inputs[1:]:
        shapes.with_rank(tensor._shape, 0)
    return op._inputs[0]._shape


_TEXTS = np.array([b"abc", b"xyz"], object)

RegexReplace = op(
    "RegexReplace", "input: string, pattern: string, rewrite: string -> output: string", replace_global=True,
    kernel=lambda xp, x, pattern, rewrite, *, replace_global: _replace(
        x, _scalar_text(pattern, "Pattern"), _scalar_text(rewrite, "Rewrite"), replace_global
    ),
    shape=_scalar_operands, host=True, no_gradient=True, doc="Matches of a pattern rewritten.",
    sample=lambda: ([_TEXTS, np.array(b"[ax]", object), np.array(b"-", object)], {}),
)

StaticRegexReplace = op(
    "StaticRegexReplace", "input: string -> output: string", pattern=STRING, rewrite=STRING, replace_global=True,
    kernel=lambda xp, x, *, pattern, rewrite, replace_global: _replace(x, pattern, rewrite, replace_global),
    shape=shapes.unchanged, host=True, no_gradient=True, doc="Matches of a fixed pattern rewritten.",
    sample=lambda: ([_TEXTS], {"pattern": "[ax]", "rewrite": "-"}),
)

RegexFullMatch = op(
    "RegexFullMatch", "input: string, pattern: string -> output: bool",
    kernel=lambda xp, x, pattern: _full_match(x, _scalar_text(pattern, "Pattern")),
    shape=_scalar_operands, host=True, no_gradient=True, doc="Whether a pattern matches the whole of strings.",
    sample=lambda: ([_TEXTS, np.array(b"[a-c]*", object)], {}),
)

StaticRegexFullMatch = op(
    "StaticRegexFullMatch", "input: string -> output: bool", pattern=STRING,
    kernel=lambda xp, x, *, pattern: _full_match(x, pattern),
    shape=shapes.unchanged, host=True, no_gradient=True, doc="Whether a fixed pattern matches the whole of strings.",
    sample=lambda: ([_TEXTS], {"pattern": "[a-c]*"}),
)


def _fixed(value: Any) -> str:
    return read(value) if isinstance(value, bytes) else value


@export("strings.regex_replace", v1=["strings.regex_replace", "regex_replace"])
def regex_replace(input: Any, pattern: Any, rewrite: Any, replace_global: bool = True, name: str | None = None) -> Any:
    r"""Replaces what a regular expression matches.

    Args:
      input: a string tensor.
      pattern: a regular expression in the syntax of RE2: a str, bytes or a scalar string tensor.
      rewrite: what to put there; `\1` to `\9` are groups of the match, `\0` all of it, `\\` a backslash.
      replace_global: replace every match, not the first alone.
      name: name of the operation.

    Returns:
      A string tensor of the shape of `input`.

    Raises:
      tf.errors.InvalidArgumentError: the pattern is none, or no scalar.

    >>> import everflow as tf
    >>> tf.strings.regex_replace("Text with tags.<br />", "<[^>]+>", " ").numpy()
    b'Text with tags. '
    """
    if isinstance(pattern, (str, bytes)) and isinstance(rewrite, (str, bytes)):
        return StaticRegexReplace(
            input, pattern=_fixed(pattern), rewrite=_fixed(rewrite), replace_global=replace_global, name=name
        )
    return RegexReplace(input, pattern, rewrite, replace_global=replace_global, name=name)


@export("strings.regex_full_match", v1=["strings.regex_full_match"])
def regex_full_match(input: Any, pattern: Any, name: str | None = None) -> Any:
    """Whether a regular expression matches all of each string.

    Args:
      input: a string tensor.
      pattern: a regular expression in the syntax of RE2: a str, bytes or a scalar string tensor.
      name: name of the operation.

    Returns:
      A bool tensor of the shape of `input`.

    Raises:
      tf.errors.InvalidArgumentError: the pattern is none, or no scalar.

    >>> import everflow as tf
    >>> tf.strings.regex_full_match(["TF lib", "lib TF"], ".*lib$").numpy()
    array([ True, False])
    """
    if isinstance(pattern, (str, bytes)):
        return StaticRegexFullMatch(input, pattern=_fixed(pattern), name=name)
    return RegexFullMatch(input, pattern, name=name)
