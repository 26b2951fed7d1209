"""What statements read and write, and which names are alive where.

Names are strings: `x`, and the places `x.attribute`, `x["key"]`, `x[i]` that an assignment can go to.  Places are
always alive, since the object they belong to may be seen from elsewhere.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import Any

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def place_of(node: ast.AST) -> str | None:
    """The name of what an assignment to `node` changes, or None where it is too complicated to say."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = place_of(node.value)
        return f"{base}.{node.attr}" if base else None
    if isinstance(node, ast.Subscript) and isinstance(node.slice, (ast.Constant, ast.Name)):
        base = place_of(node.value)
        return f"{base}[{ast.unparse(node.slice)}]" if base else None
    return None


def root_of(place: str) -> str:
    """The variable that a place belongs to."""
    return place.replace("[", ".").partition(".")[0]


def is_plain(place: str) -> bool:
    """True for variables, False for attributes and items."""
    return place.isidentifier()


class _Names(ast.NodeVisitor):
    """Names read and written by a piece of code, not counting what nested functions keep to themselves."""

    def __init__(self) -> None:
        self.reads: set[str] = set()
        self.writes: set[str] = set()
        self.in_functions: set[str] = set()
        self.declared: set[str] = set()

    def visit_Name(self, node: ast.Name) -> None:
        (self.reads if isinstance(node.ctx, ast.Load) else self.writes).add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._place(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._place(node)
        self.visit(node.slice)

    def _place(self, node: Any) -> None:
        place = place_of(node)
        if isinstance(node.ctx, ast.Load):
            if place:
                self.reads.add(place)
        elif place:
            self.writes.add(place)
        self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        place = place_of(node.target)
        if place:
            self.reads.add(place)
        self.generic_visit(node)

    def _function(self, node: Any) -> None:
        inner = _Names()
        arguments = node.args
        for default in (*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)):
            self.visit(default)
        for decorator in getattr(node, "decorator_list", ()):
            self.visit(decorator)
        body = node.body if isinstance(node.body, list) else [node.body]
        for statement in body:
            inner.visit(statement)
        own = {a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
        own |= {a.arg for a in (arguments.vararg, arguments.kwarg) if a}
        own |= {w for w in inner.writes if is_plain(w) and w not in inner.declared}
        free = {r for r in inner.reads | inner.in_functions if root_of(r) not in own}
        self.reads |= free
        self.in_functions |= {root_of(r) for r in free} | (inner.declared & inner.writes)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self.writes.add(node.name)

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _function

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        inner = _Names()
        for statement in node.body:
            inner.visit(statement)
        self.reads |= inner.reads
        self.in_functions |= inner.in_functions | {root_of(r) for r in inner.reads}
        for base in (*node.bases, *node.keywords, *node.decorator_list):
            self.visit(base)
        self.writes.add(node.name)

    def _comprehension(self, node: Any) -> None:
        inner = _Names()
        inner.generic_visit(node)
        own = {w for w in inner.writes if is_plain(w)}
        self.reads |= {r for r in inner.reads if root_of(r) not in own}
        self.in_functions |= inner.in_functions

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def visit_Global(self, node: ast.Global) -> None:
        self.declared.update(node.names)

    visit_Nonlocal = visit_Global  # type: ignore[assignment]

    def visit_Import(self, node: Any) -> None:
        self.writes.update((a.asname or a.name).partition(".")[0] for a in node.names)

    visit_ImportFrom = visit_Import

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.writes.add(node.name)
        self.generic_visit(node)


def names_of(nodes: ast.AST | Iterable[ast.AST] | None) -> _Names:
    """Reads and writes of a node or of several."""
    names = _Names()
    if nodes is None:
        return names
    for node in [nodes] if isinstance(nodes, ast.AST) else nodes:
        names.visit(node)
    return names


def reads(nodes: Any) -> set[str]:
    return names_of(nodes).reads


def writes(nodes: Any) -> set[str]:
    return names_of(nodes).writes


def _plain_writes(node: ast.AST) -> set[str]:
    return {w for w in writes(node) if is_plain(w)}


def annotate(statements: Sequence[ast.stmt], live: set[str]) -> set[str]:
    """Notes on each statement which names are alive after it; returns those alive before the first.

    If, While and For get `live_after` and `live_inside` (alive where a branch or the next iteration begins).
    """
    for statement in reversed(statements):
        live = _before(statement, live)
    return live


def _before(node: ast.stmt, live: set[str]) -> set[str]:
    if isinstance(node, ast.If):
        node.live_after = set(live)  # type: ignore[attr-defined]
        inside = annotate(node.body, live) | annotate(node.orelse, live)
        node.live_inside = inside  # type: ignore[attr-defined]
        return inside | reads(node.test)
    if isinstance(node, ast.While):
        node.live_after = set(live)  # type: ignore[attr-defined]
        header = live | reads(node.test)
        while True:
            larger = header | annotate(node.body, header)
            if larger == header:
                break
            header = larger
        node.live_inside = header  # type: ignore[attr-defined]
        return header
    if isinstance(node, (ast.For, ast.AsyncFor)):
        node.live_after = set(live)  # type: ignore[attr-defined]
        targets = _plain_writes(node.target)
        # The test for leaving early is made before each iteration.
        header = live | getattr(node, "extra_reads", set())
        while True:
            larger = header | (annotate(node.body, header) - targets)
            if larger == header:
                break
            header = larger
        node.live_inside = header  # type: ignore[attr-defined]
        return header | reads(node.iter)
    if isinstance(node, (ast.With, ast.AsyncWith)):
        bound = set().union(*(_plain_writes(i.optional_vars) for i in node.items if i.optional_vars))
        return (annotate(node.body, live) - bound) | reads([i.context_expr for i in node.items])
    if isinstance(node, ast.Try) or type(node).__name__ == "TryStar":
        final = annotate(node.finalbody, live)  # type: ignore[attr-defined]
        handled = set(final) | live
        for handler in node.handlers:  # type: ignore[attr-defined]
            handled |= annotate(handler.body, handled) | (reads(handler.type) if handler.type else set())
        after = annotate(node.orelse, handled)  # type: ignore[attr-defined]
        return annotate(node.body, handled | after) | handled | after  # type: ignore[attr-defined]
    if isinstance(node, ast.Match):
        inside = set(live)
        for case in node.cases:
            inside |= annotate(case.body, live) | reads(case.pattern) | (reads(case.guard) if case.guard else set())
        return inside | reads(node.subject)
    names = names_of(node)
    if isinstance(node, ast.AugAssign):
        return live | names.reads
    return (live - {w for w in names.writes if is_plain(w)}) | names.reads


def locals_of(function: ast.FunctionDef | ast.Lambda) -> set[str]:
    """The variables of a function: its parameters and what it assigns."""
    arguments = function.args
    own = {a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    own |= {a.arg for a in (arguments.vararg, arguments.kwarg) if a}
    if isinstance(function, ast.Lambda):
        return own
    names = names_of(function.body)
    return own | {w for w in names.writes if is_plain(w) and w not in names.declared}


def is_generator(function: ast.AST) -> bool:
    """True when a function yields or awaits; such functions are left alone."""
    body = function.body if isinstance(function.body, list) else [function.body]  # type: ignore[attr-defined]
    stack: list[ast.AST] = list(body)
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.Yield, ast.YieldFrom, ast.Await)):
            return True
        if not isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            stack.extend(ast.iter_child_nodes(node))
    return False
