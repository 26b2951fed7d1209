"""break, continue and return inside of control flow, turned into flags and plain ifs.

`if c: return a` followed by more becomes `if c: result = a` with the rest under `else`; a flag is needed only
where a loop is left.
"""

from __future__ import annotations

import ast
from typing import Any

_LOOPS = (ast.For, ast.While, ast.AsyncFor)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def _contains(nodes: Any, kinds: tuple[type, ...], into_loops: bool = True) -> bool:
    """Whether statements hold a jump of one of `kinds`; those of inner loops count only with `into_loops`."""
    stack = list(nodes) if isinstance(nodes, list) else [nodes]
    while stack:
        node = stack.pop()
        if isinstance(node, kinds):
            return True
        if isinstance(node, _SCOPES) or (isinstance(node, _LOOPS) and not into_loops):
            continue
        stack.extend(ast.iter_child_nodes(node))
    return False


def _assign(name: str, value: ast.expr, like: ast.AST) -> ast.stmt:
    return ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], value), like)


def _not(name: str) -> ast.expr:
    return ast.UnaryOp(ast.Not(), ast.Name(name, ast.Load()))


def _all_not(names: list[str]) -> ast.expr:
    return _not(names[0]) if len(names) == 1 else ast.BoolOp(ast.And(), [_not(n) for n in names])


class Lowering:
    """Rewrites the body of one function."""

    def __init__(self) -> None:
        self.counter = 0
        self.uses_result = False

    def function(self, node: ast.FunctionDef) -> None:
        """Rewrites `node` in place so that it has at most one return, its last statement."""
        body = node.body
        if not _contains(body[:-1], (ast.Return,)) and isinstance(body[-1], ast.Return):
            node.body = self.block(body[:-1], None) + [body[-1]]
            return
        if not _contains(body, (ast.Return,)):
            node.body = self.block(body, None)
            return
        self.uses_result = True
        start = [
            _assign("do_return_", ast.Constant(False), node.body[0]),
            _assign("retval_", ast.Call(_runtime("UndefinedReturnValue"), [ast.Constant(self._leaves(body, None))], []),
                    node.body[0]),
        ]
        last = ast.copy_location(ast.Return(ast.Call(_runtime("returned"), [ast.Name("retval_", ast.Load())], [])),
                                 node.body[-1])
        node.body = start + self.block(body, None) + [last]

    # ---- statements

    def block(self, statements: list[ast.stmt], loop: dict[str, str] | None) -> list[ast.stmt]:
        """A list of statements in which jumps are flags."""
        result: list[ast.stmt] = []
        for index, statement in enumerate(statements):
            rest = statements[index + 1:]
            if isinstance(statement, ast.Return) and self.uses_result:
                result.append(_assign("do_return_", ast.Constant(True), statement))
                result.append(_assign("retval_", statement.value or ast.Constant(None), statement))
                return result
            if isinstance(statement, ast.Break) and loop is not None:
                loop["breaks"] = "yes"
                result.append(_assign(loop["break"], ast.Constant(True), statement))
                return result
            if isinstance(statement, ast.Continue) and loop is not None:
                loop["continues"] = "yes"
                result.append(_assign(loop["continue"], ast.Constant(True), statement))
                return result
            jumps = self._jumps(statement, loop)
            if isinstance(statement, ast.If) and jumps and rest:
                # What follows moves into the branch that gets there, which saves the flag's test.
                if self._leaves(statement.body, loop) and not self._leaves(statement.orelse, loop):
                    statement.orelse = statement.orelse + rest
                    rest = []
                elif statement.orelse and self._leaves(statement.orelse, loop) and not self._leaves(
                        statement.body, loop):
                    statement.body = statement.body + rest
                    rest = []
            result.extend(self.statement(statement, loop))
            if jumps and rest:
                guarded = self.block(rest, loop)
                if guarded:
                    result.append(ast.copy_location(ast.If(_all_not(jumps), guarded, []), rest[0]))
                return result
            if not rest:
                return result
        return result

    def _leaves(self, statements: list[ast.stmt], loop: dict[str, str] | None) -> bool:
        """True when the end of `statements` is never reached."""
        if not statements:
            return False
        last = statements[-1]
        for statement in statements:
            if isinstance(statement, ast.Return) and self.uses_result:
                return True
            if isinstance(statement, (ast.Break, ast.Continue)) and loop is not None:
                return True
            if isinstance(statement, ast.Raise):
                return False  # raising is no jump: the branch is left to Python
        if isinstance(last, ast.While):
            endless = isinstance(last.test, ast.Constant) and bool(last.test.value)
            return endless and not _contains(last.body, (ast.Break,), False)
        if isinstance(last, (ast.With, ast.AsyncWith)):
            return self._leaves(last.body, loop)
        if isinstance(last, ast.Try):
            ends = [last.orelse if last.orelse else last.body, *(h.body for h in last.handlers)]
            return self._leaves(last.finalbody, loop) or all(self._leaves(end, loop) for end in ends)
        return isinstance(last, ast.If) and self._leaves(last.body, loop) and self._leaves(last.orelse, loop)

    def _jumps(self, statement: ast.stmt, loop: dict[str, str] | None) -> list[str]:
        """The flags that `statement` may set."""
        flags = []
        if self.uses_result and _contains(statement, (ast.Return,)):
            flags.append("do_return_")
        if loop is not None and not isinstance(statement, _LOOPS):
            if _contains(statement, (ast.Break,), False):
                flags.append(loop["break"])
            if _contains(statement, (ast.Continue,), False):
                flags.append(loop["continue"])
        return flags

    def statement(self, node: ast.stmt, loop: dict[str, str] | None) -> list[ast.stmt]:
        if isinstance(node, ast.If):
            node.body = self.block(node.body, loop) or [ast.copy_location(ast.Pass(), node)]
            node.orelse = self.block(node.orelse, loop)
            return [node]
        if isinstance(node, _LOOPS):
            return self._loop(node)
        if isinstance(node, (ast.With, ast.AsyncWith)):
            node.body = self.block(node.body, loop) or [ast.copy_location(ast.Pass(), node)]
            return [node]
        if isinstance(node, ast.Try):
            node.body = self.block(node.body, loop)
            for handler in node.handlers:
                handler.body = self.block(handler.body, loop)
            node.orelse = self.block(node.orelse, loop)
            node.finalbody = self.block(node.finalbody, loop)
            return [node]
        if isinstance(node, ast.Match):
            for case in node.cases:
                case.body = self.block(case.body, loop)
            return [node]
        return [node]

    def _loop(self, node: Any) -> list[ast.stmt]:
        if isinstance(node, ast.While) and not node.orelse and _contains(node.test, (ast.NamedExpr,)):
            # What the condition assigns is a variable of the body.
            leave = ast.copy_location(ast.If(ast.UnaryOp(ast.Not(), node.test), [ast.Break()], []), node.test)
            node.body = [leave, *node.body]
            node.test = ast.copy_location(ast.Constant(True), node.test)
        self.counter += 1
        inner = {"break": f"break_{self.counter}", "continue": f"continue_{self.counter}"}
        returns = self.uses_result and _contains(node.body, (ast.Return,))
        before: list[ast.stmt] = []
        body = self.block(node.body, inner)
        if "continues" in inner:
            body = [_assign(inner["continue"], ast.Constant(False), node), *body]
        leaving = []
        if "breaks" in inner:
            before.append(_assign(inner["break"], ast.Constant(False), node))
            leaving.append(inner["break"])
        if returns:
            leaving.append("do_return_")
        node.body = body or [ast.copy_location(ast.Pass(), node)]
        if leaving:
            if isinstance(node, ast.While):
                node.test = ast.copy_location(ast.BoolOp(ast.And(), [*(_not(n) for n in leaving), node.test]),
                                              node.test)
            else:
                node.extra_test = _all_not(leaving)
                node.extra_reads = set(leaving)
        after: list[ast.stmt] = []
        if node.orelse:
            orelse = self.block(node.orelse, None)
            after = [ast.copy_location(ast.If(_all_not(leaving), orelse, []), node)] if leaving else orelse
            node.orelse = []
        return [*before, node, *after]


def _runtime(name: str) -> ast.expr:
    return ast.Attribute(ast.Name("ag__", ast.Load()), name, ast.Load())
