"""The export table: the public names of both generations, given where an object is defined.

    @export("math.softplus", "nn.softplus")                          the same names in 1.x and 2.x
    @export("nn.max_pool", v1=["nn.max_pool_v2"])                    other names in 1.x
    @export("function", v1=[])                                       2.x only
    @export(v1=["placeholder"])                                      1.x only

Names are written without the leading `tf.`.  Exporting wraps nothing and imports nothing: it notes
the module and attribute at which an object is found, and `python -m tools.generate_manifest` writes
what it finds here into `everflow/_manifest.py`, from which the lazy namespaces are served.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

T = TypeVar("T")

_VALID_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z")


class Export(NamedTuple):
    """Where one public name is found, and where it was given."""

    module: str
    attribute: str
    file: str
    line: int

    @property
    def target(self) -> str:
        return f"{self.module}:{self.attribute}"


V2_EXPORTS: dict[str, Export] = {}
V1_EXPORTS: dict[str, Export] = {}


def export(*v2_names: str, v1: Sequence[str] | None = None) -> Callable[[T], T]:
    """A decorator that makes a function or class public.

    The object must be found at its own `__module__` and `__qualname__`: a factory that makes public
    functions sets both.

    Args:
      *v2_names: the 2.x names, without `tf.`.
      v1: the 1.x names; None means the same as the 2.x names.

    Returns:
      A function that returns its argument unchanged.

    Raises:
      ValueError: a name is taken by another object, or is no dotted name.
    """
    names = (v2_names, v2_names if v1 is None else v1)

    def record(target: T) -> T:
        module: str = getattr(target, "__module__", "")
        attribute: str = getattr(target, "__qualname__", "")
        if not module or not attribute or "<" in attribute:
            raise ValueError(
                f"export expects a function or class that its module holds by name, received {target!r}; "
                "use export_constant(module, attribute, ...) for other objects"
            )
        frame = sys._getframe(1)
        _register(names, Export(module, attribute, frame.f_code.co_filename, frame.f_lineno))
        return target

    return record


def export_constant(
    module_name: str, attribute: str, *v2_names: str, v1: Sequence[str] | None = None
) -> None:
    """Makes an object public that carries no name of its own, such as `tf.float32`.

    Args:
      module_name: the module that holds it, `__name__` as a rule.
      attribute: its name in that module; dots reach into attributes.
      *v2_names: the 2.x names, without `tf.`.
      v1: the 1.x names; None means the same as the 2.x names.

    Raises:
      ValueError: a name is taken by another object, or is no dotted name.
    """
    frame = sys._getframe(1)
    record = Export(module_name, attribute, frame.f_code.co_filename, frame.f_lineno)
    _register((v2_names, v2_names if v1 is None else v1), record)


def _register(names: tuple[Sequence[str], Sequence[str]], record: Export) -> None:
    if isinstance(names[1], str):
        raise ValueError(f"v1 is a list of names, received the string {names[1]!r}")
    for table, generation, given in ((V2_EXPORTS, "2.x", names[0]), (V1_EXPORTS, "1.x", names[1])):
        for name in given:
            if not _VALID_NAME.match(name) or name.startswith("tf."):
                raise ValueError(f"{name!r} is not a public name: write it dotted, without 'tf.'")
            first = table.setdefault(name, record)
            if first.target != record.target:
                raise ValueError(
                    f"The {generation} name tf.{name} is exported twice: as {record.target} at "
                    f"{record.file}:{record.line}, and first as {first.target} at {first.file}:{first.line}"
                )
