"""`l.append(x)`, `l.pop()` and `l[i] = x` as assignments to `l`, which is what control flow passes around.

    l.append(x)        l = ag__.list_append(l, x)
    y = l.pop() + 1    l, popped_1 = ag__.list_pop(l); y = popped_1 + 1
    l[i] = x           l = ag__.set_item(l, i, x)
"""

from __future__ import annotations

import ast
import copy
from typing import Any

from everflow._src.autograph import analysis


def _runtime(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Attribute(ast.Name("ag__", ast.Load()), name, ast.Load()), list(arguments), [])


def _stored(node: ast.expr) -> ast.expr:
    target = copy.deepcopy(node)
    target.ctx = ast.Store()  # type: ignore[attr-defined]
    return target


def key_of(node: ast.Subscript) -> ast.expr:
    """The key of a subscript as an expression."""
    if not any(isinstance(n, ast.Slice) for n in ast.walk(node.slice)):
        return node.slice
    index = ast.Attribute(ast.Name("ag__", ast.Load()), "index", ast.Load())
    return ast.copy_location(ast.Subscript(index, node.slice, ast.Load()), node)


class ListStatements(ast.NodeTransformer):
    """Rewrites the statements of one function, not of those nested in it."""

    def __init__(self, own: set[str]) -> None:
        self.own = own
        self.counter = 0

    def _is_ours(self, node: ast.expr) -> bool:
        """Whether an assignment to `node` is possible without making a variable of it that it is not."""
        place = analysis.place_of(node)
        return place is not None and (not analysis.is_plain(place) or place in self.own)

    def _method(self, node: ast.AST, name: str) -> ast.expr | None:
        """The list whose method `name` is called."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name and \
                not node.keywords and not any(isinstance(a, ast.Starred) for a in node.args) and \
                self._is_ours(node.func.value):
            return node.func.value
        return None

    def _nested(self, node: Any) -> Any:
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = _nested

    def visit_Expr(self, node: ast.Expr) -> Any:
        target = self._method(node.value, "append")
        if target is None or len(node.value.args) != 1:  # type: ignore[attr-defined]
            return self._with_pops(node)
        call = _runtime("list_append", target, *node.value.args)  # type: ignore[attr-defined]
        return self._with_pops(ast.copy_location(ast.Assign([_stored(target)], ast.copy_location(call, node)), node))

    def visit_Assign(self, node: ast.Assign) -> Any:
        target = node.targets[0]
        if len(node.targets) == 1 and isinstance(target, ast.Subscript) and self._is_ours(target.value):
            call = _runtime("set_item", target.value, key_of(target), node.value)
            node = ast.copy_location(ast.Assign([_stored(target.value)], ast.copy_location(call, node)), node)
        return self._with_pops(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        target = node.target
        if isinstance(target, ast.Subscript) and self._is_ours(target.value) and isinstance(
                target.slice, (ast.Name, ast.Constant)):
            old = ast.copy_location(ast.Subscript(copy.deepcopy(target.value), target.slice, ast.Load()), node)
            value = ast.copy_location(ast.BinOp(old, node.op, node.value), node)
            call = _runtime("set_item", target.value, copy.deepcopy(target.slice), value)
            assign = ast.Assign([_stored(target.value)], ast.copy_location(call, node))
            return self._with_pops(ast.copy_location(assign, node))
        return self._with_pops(node)

    def visit_Return(self, node: ast.Return) -> Any:
        return self._with_pops(node)

    def _with_pops(self, node: ast.stmt) -> Any:
        """The statement, preceded by the `pop`s that it makes for certain."""
        taken: list[ast.stmt] = []
        rewriter = self

        class Pops(ast.NodeTransformer):
            def _conditional(self, inner: Any) -> Any:
                return inner

            visit_Lambda = visit_BoolOp = visit_IfExp = visit_ListComp = visit_SetComp = _conditional
            visit_DictComp = visit_GeneratorExp = _conditional

            def visit_Call(self, call: ast.Call) -> Any:
                self.generic_visit(call)
                target = rewriter._method(call, "pop")
                if target is None:
                    return call
                rewriter.counter += 1
                name = f"popped_{rewriter.counter}"
                both = ast.Tuple([_stored(target), ast.Name(name, ast.Store())], ast.Store())
                pop = ast.copy_location(_runtime("list_pop", target, *call.args), call)
                taken.append(ast.copy_location(ast.Assign([both], pop), node))
                return ast.copy_location(ast.Name(name, ast.Load()), call)

        node = Pops().visit(node)
        return [*taken, node] if taken else node


def rewrite(function: ast.FunctionDef) -> None:
    """Rewrites the body of `function` in place."""
    rewriter = ListStatements(analysis.locals_of(function))
    body: list[ast.stmt] = []
    for statement in function.body:
        new = rewriter.visit(statement)
        body.extend(new if isinstance(new, list) else [new])
    function.body = body
