"""Which generation a script was written for, read from its source without running it.

The evidence is the names that it looks up on `tensorflow`: a name that only TensorFlow 1.x had speaks
for 1.x, one that only 2.x has speaks for 2.x (see `compat/public_names.py`).  Modules beside the script
that it imports are read as well, one level deep.
"""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from everflow._src.compat import public_names

# Both generations have these names, and mostly programs of the named one use them.
_TYPICAL_OF_2 = ("function", "GradientTape", "keras", "random.normal", "random.uniform", "data.AUTOTUNE")
_KEYWORDS_OF_1 = frozenset({"keep_dims", "reduction_indices", "keep_prob", "dimension", "sparse_indices"})
_MODULES_OF_1 = ("contrib", "examples")
_SWITCHES = frozenset({"disable_v2_behavior", "disable_eager_execution"})
_COMPAT_V1 = "compat.v1"
_COMPAT_V2 = "compat.v2"


class Evidence(NamedTuple):
    """What a program says about its generation; every entry is a name as the program wrote it."""

    for_1: set[str]
    for_2: set[str]
    typical_of_2: set[str]
    graph_names_of_compat_v1: set[str]  # used on `tensorflow.compat.v1`, which both generations have
    switches: set[str]  # calls that turn a 2.x process into a 1.x one
    imports_root: set[str]

    @classmethod
    def empty(cls) -> Evidence:
        return cls(*(set() for _ in cls._fields))

    def generation(self) -> int:
        if self.for_1 or self.for_2:
            return 1 if len(self.for_1) > len(self.for_2) else 2
        if self.switches or self.typical_of_2 or self.imports_root:
            return 2
        # Only `import tensorflow.compat.v1`, no switch, and graph names: written for the last 1.x releases.
        return 1 if self.graph_names_of_compat_v1 else 2


def detect(path: str) -> int:
    """1 or 2: the generation of TensorFlow that the program at `path` was written for.

    Raises:
      OSError: the file cannot be read.
      SyntaxError: it is not Python (for Python 2, see `everflow run`'s message).
    """
    evidence = Evidence.empty()
    tree = parse(path)
    read(tree, evidence)
    for neighbour in local_imports(tree, os.path.dirname(os.path.abspath(path))):
        try:
            read(parse(neighbour), evidence)
        except (OSError, SyntaxError, ValueError):
            continue  # the program itself will say what is wrong with it, if it gets there
    return evidence.generation()


def parse(path: str) -> ast.Module:
    """The syntax tree of a source file."""
    with open(path, "rb") as file:
        source = file.read()
    with warnings.catch_warnings():  # invalid escapes are reported when the script is compiled
        warnings.simplefilter("ignore")
        return ast.parse(source, path)


def read(tree: ast.Module, evidence: Evidence) -> None:
    """Adds to `evidence` what one file says."""
    prefixes = aliases(tree)
    for node in ast.walk(tree):
        for name in imported(node):
            _judge_import(name, evidence)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Name)):
            for name in dotted(node, prefixes):
                _judge(name, evidence)
        elif isinstance(node, ast.Call):
            if any(True for _ in dotted(node.func, prefixes)):
                evidence.for_1.update(k.arg for k in node.keywords if k.arg in _KEYWORDS_OF_1)


def aliases(tree: ast.Module) -> dict[str, set[str]]:
    """Local names bound to something of TensorFlow -> the dotted paths below `tensorflow`."""
    prefixes: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first, _, rest = alias.name.partition(".")
                if first == "tensorflow":
                    prefixes.setdefault(alias.asname or first, set()).add(rest if alias.asname else "")
        elif isinstance(node, ast.ImportFrom):
            for name in imported(node):
                alias_of = {a.name: a.asname or a.name for a in node.names}
                prefixes.setdefault(alias_of[name.rpartition(".")[2]], set()).add(name)
    return prefixes


def imported(node: ast.AST) -> Iterator[str]:
    """The dotted paths below `tensorflow` that a statement imports."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            first, _, rest = alias.name.partition(".")
            if first == "tensorflow":
                yield rest
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        first, _, rest = node.module.partition(".")
        if first == "tensorflow":
            for alias in node.names:
                yield f"{rest}.{alias.name}" if rest else alias.name


def _judge_import(name: str, evidence: Evidence) -> None:
    if name.partition(".")[0] in _MODULES_OF_1:
        evidence.for_1.add(name)
    elif name == "" or name.startswith("keras"):
        evidence.imports_root.add(name)


def dotted(node: ast.expr, prefixes: dict[str, set[str]]) -> Iterator[str]:
    """The paths below `tensorflow` that an expression such as `tf.nn.relu` may mean."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name) and node.id in prefixes:
        for prefix in prefixes[node.id]:
            yield ".".join([*filter(None, [prefix]), *reversed(parts)])


def _judge(name: str, evidence: Evidence) -> None:
    if name.rpartition(".")[2] in _SWITCHES:
        evidence.switches.add(name)
    elif name.startswith(_COMPAT_V1):
        below = name[len(_COMPAT_V1) + 1 :]
        if "2" not in public_names.table().get(below, "2"):
            evidence.graph_names_of_compat_v1.add(name)
    elif name.startswith(_COMPAT_V2):
        evidence.for_2.add(name)
    else:
        marks = public_names.table().get(name)
        if marks is None:
            if name in public_names.RENAMED:
                evidence.for_1.add(name)
        elif "2" not in marks:
            evidence.for_1.add(name)
        elif marks == "2":
            evidence.for_2.add(name)
        elif name.startswith(_TYPICAL_OF_2):
            evidence.typical_of_2.add(name)


def local_imports(tree: ast.Module, folder: str) -> Iterable[str]:
    """Files below `folder` that a script imports: `import utils`, `from models import cnn`."""
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level <= 1:
            base = node.module or ""
            names = [base, *(f"{base}.{alias.name}".lstrip(".") for alias in node.names)]
        for name in filter(None, names):
            stem = os.path.join(folder, *name.split("."))
            for candidate in (stem + ".py", os.path.join(stem, "__init__.py")):
                if os.path.isfile(candidate):
                    found[candidate] = None
    return found
