"""`everflow check`: the names of TensorFlow that a program uses and everflow does not have."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from everflow import _namespaces
from everflow._src.cli import generation as generations
from everflow._src.compat import internal_modules, public_names


class Missing(NamedTuple):
    """One use of a name that everflow does not have."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


def find_missing(path: str, generation: int | None = None) -> list[Missing]:
    """The uses of missing names in a source file, by line.

    Args:
      path: the file.
      generation: 1 or 2; None reads it from the file.

    Raises:
      OSError, SyntaxError: the file cannot be read, or is no Python.
    """
    tree = generations.parse(path)
    root = "everflow" if (generation or generations.detect(path)) == 2 else "everflow.compat.v1"
    found = {}
    for line, name in sorted(_uses(tree)):
        message = _problem(root, name)
        if message is not None:
            found.setdefault(message, Missing(path, line, message))
    return list(found.values())


def _uses(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, dotted path below `tensorflow`) of everything that a file imports or looks up there."""
    prefixes = generations.aliases(tree)
    inner = set()
    for node in ast.walk(tree):
        for name in generations.imported(node):
            if name and not name.endswith("*"):
                yield getattr(node, "lineno", 0), name
        if isinstance(node, ast.Attribute):
            inner.add(id(node.value))  # ast.walk comes to the outermost of a chain first
            if id(node) not in inner:
                # Either of several imports may have bound the name: it is missing if all of them lack it.
                names = list(generations.dotted(node, prefixes))
                if len(names) == 1:
                    yield node.lineno, names[0]


def _problem(root: str, name: str) -> str | None:
    """Why `tensorflow.<name>` cannot be used, or None."""
    root, path = _namespaces.locate(f"{root}.{name}")
    parts = path.split(".") if path else []
    for length in range(1, len(parts) + 1):
        reached = ".".join(parts[:length])
        if _namespaces.is_namespace(root, reached):
            continue
        parent, last = ".".join(parts[: length - 1]), parts[length - 1]
        if last in _namespaces.public_names(root, parent):
            return None  # an object: what is looked up on it is not known without running the program
        if internal_modules.exists(reached):
            return _internal_problem(parts, length)
        generation = _namespaces.ROOTS[root]
        if public_names.was_public(generation, path):
            reached = path
        return public_names.explain(root, generation, reached, _namespaces.manifest())
    return None


def _internal_problem(parts: list[str], length: int) -> str | None:
    while length < len(parts) and internal_modules.exists(".".join(parts[: length + 1])):
        length += 1
    if length == len(parts):
        return None
    path, name = ".".join(parts[:length]), parts[length]
    if name in dir(internal_modules.module(path)):
        return None
    return f"tensorflow.{path}.{name} is internal to TensorFlow, and everflow has nothing in its place"


def main(paths: Sequence[str], generation: int | None) -> int:
    """Prints the missing names of each file; returns 1 when there are any, 2 when a file cannot be read."""
    status = 0
    for path in paths:
        try:
            missing = find_missing(path, generation)
        except (OSError, SyntaxError, ValueError) as error:
            print(f"everflow: {path}: {error}", file=sys.stderr)
            status = 2
            continue
        for use in missing:
            print(use)
        if missing and not status:
            status = 1
    return status
