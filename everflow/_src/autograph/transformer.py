"""The rewriting of one function: control flow becomes calls of the runtime `ag__` (see operators).

    if c:                         def get_state(): return (ag__.ldu(lambda: x, 'x'),)
        x = f(x)                  def set_state(values): nonlocal x; (x,) = values
                        ->        def if_body(): nonlocal x; x = ag__.converted_call(f, (x,), None)
                                  def else_body(): pass
                                  ag__.if_stmt(c, if_body, else_body, get_state, set_state, ('x',), 1)

New code carries the positions of the old: tracebacks and breakpoints show the user's file and lines.
"""

from __future__ import annotations

import ast
from typing import Any

from everflow._src.autograph import analysis, list_statements
from everflow._src.autograph.lowering import Lowering

# Functions that look at the frame of their caller, which a detour would change.
_LEFT_ALONE = {"super", "locals", "globals", "vars", "eval", "exec", "dir", "breakpoint", "__import__"}


def _name(name: str, store: bool = False) -> ast.Name:
    return ast.Name(name, ast.Store() if store else ast.Load())


def _runtime(name: str) -> ast.expr:
    return ast.Attribute(_name("ag__"), name, ast.Load())


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(_runtime(name), list(arguments), [])


def _no_arguments(*names: str) -> ast.arguments:
    return ast.arguments(posonlyargs=[], args=[ast.arg(n) for n in names], kwonlyargs=[], kw_defaults=[], defaults=[])


def _generated(node: Any) -> Any:
    """Marks a function that stands for a part of the user's: its variables are the user's."""
    node.generated = True
    return node


def _thunk(body: ast.expr) -> ast.Lambda:
    return _generated(ast.Lambda(_no_arguments(), body))


def _as_expression(place: str, store: bool = False) -> ast.expr:
    node = ast.parse(place, mode="eval").body
    if store:
        node.ctx = ast.Store()  # type: ignore[attr-defined]
    return node


class FunctionTransformer(ast.NodeTransformer):
    """Rewrites the body of one function (not of functions nested in it: those get a transformer of their own)."""

    def __init__(self, counter: list[int], class_name: str | None, options: Any) -> None:
        self.counter = counter
        self.class_name = class_name
        self.options = options
        self.locals: set[str] = set()
        self.parameters: set[str] = set()
        self.first_parameter: str | None = None
        self.declared: dict[str, str] = {}
        self.cells: set[str] = set()

    # ---- functions

    def transform(self, node: Any) -> Any:
        """The rewritten function definition or lambda."""
        if isinstance(node, ast.Lambda):
            node.body = self.visit(node.body)
            return node
        self.parameters = {
            a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs,
                            *(x for x in (node.args.vararg, node.args.kwarg) if x))
        }
        self.first_parameter = next((a.arg for a in (*node.args.posonlyargs, *node.args.args)), None)
        for statement in ast.walk(node):
            if isinstance(statement, ast.Global):
                self.declared.update(dict.fromkeys(statement.names, "global"))
            elif isinstance(statement, ast.Nonlocal):
                self.declared.update(dict.fromkeys(statement.names, "nonlocal"))
        if self.options.lists:
            list_statements.rewrite(node)
        Lowering().function(node)
        self.locals = analysis.locals_of(node)
        names = analysis.names_of(node.body)
        alive = set(names.in_functions) | set(self.declared)
        analysis.annotate(node.body, alive)
        body = self.block(node.body)
        # Variables that control flow passes around exist from the start, undefined.
        start = [
            ast.copy_location(ast.Assign([_name(n, True)], _call("Undefined", ast.Constant(n))), node.body[0])
            for n in sorted(self.cells - self.parameters - set(self.declared))
        ]
        guard = _Guard(self.cells - set(self.declared))
        body = [guard.visit(s) for s in body]
        document = []
        if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) and isinstance(
                body[0].value.value, str):
            document, body = [body[0]], body[1:]
        declarations = [s for s in body if isinstance(s, (ast.Global, ast.Nonlocal))]
        body = [s for s in body if not isinstance(s, (ast.Global, ast.Nonlocal))]
        node.body = [*document, *declarations, *start, *body] or [ast.Pass()]
        return node

    def block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        """The rewritten statements."""
        result: list[ast.stmt] = []
        for statement in statements:
            new = self.visit(statement)
            if new is None:
                continue
            result.extend(new if isinstance(new, list) else [new])
        return result

    def _fresh(self, *names: str) -> list[str]:
        self.counter[0] += 1
        return [f"{n}_{self.counter[0]}" for n in names]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        if analysis.is_generator(node):
            return node
        inner = FunctionTransformer(self.counter, self.class_name, self.options)
        node.decorator_list = [self.visit(d) for d in node.decorator_list]
        node.args.defaults = [self.visit(d) for d in node.args.defaults]
        inner.transform(node)
        node.decorator_list.append(ast.copy_location(_runtime("autograph_artifact"), node))
        return node

    def visit_AsyncFunctionDef(self, node: Any) -> Any:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        if analysis.is_generator(node):
            return node
        node.args.defaults = [self.visit(d) for d in node.args.defaults]
        node.body = self.visit(node.body)
        return ast.copy_location(_call("autograph_artifact", node), node)

    # ---- state

    def _state(self, node: Any, modified: set[str]) -> tuple[list[str], int]:
        """What goes in and out of the functions made of `node`, and how many of these are seen afterwards."""
        plain = {m for m in modified if analysis.is_plain(m)}
        outputs = sorted(m for m in plain if m in node.live_after)
        inputs = sorted(m for m in plain if m in node.live_inside and m not in node.live_after)
        places = sorted(m for m in modified if not analysis.is_plain(m) and analysis.root_of(m) not in plain)
        return [*outputs, *places, *inputs], len(outputs) + len(places)

    def _declare(self, names: set[str]) -> list[ast.stmt]:
        """nonlocal and global statements with which a body function changes variables of the function."""
        plain = {n for n in names if analysis.is_plain(n)}
        shared = sorted(n for n in plain if self.declared.get(n) == "global")
        own = sorted(n for n in plain if n not in shared)
        self.cells.update(own)
        result: list[ast.stmt] = []
        if own:
            result.append(ast.Nonlocal(own))
        if shared:
            result.append(ast.Global(shared))
        return result

    def _accessors(self, symbols: list[str], getter: str, setter: str) -> list[ast.stmt]:
        reads = [
            _call("ldu", _thunk(_as_expression(s)), ast.Constant(s)) for s in symbols
        ]
        get = ast.FunctionDef(getter, _no_arguments(), [ast.Return(ast.Tuple(reads, ast.Load()))], [])
        body: list[ast.stmt] = self._declare(set(symbols))
        # Reading an undefined variable here is no mistake: these are no functions of the user's.
        for index, symbol in enumerate(symbols):
            value = ast.Subscript(_name("values_"), ast.Constant(index), ast.Load())
            assign: ast.stmt = ast.Assign([_as_expression(symbol, True)], value)
            if not analysis.is_plain(symbol):
                assign = ast.If(_call("is_defined", value), [assign], [])
            body.append(assign)
        set_ = ast.FunctionDef(setter, _no_arguments("values_"), body or [ast.Pass()], [])
        return [get, set_]

    def _function(self, name: str, arguments: ast.arguments, body: list[ast.stmt], modified: set[str]) -> ast.stmt:
        return _generated(ast.FunctionDef(name, arguments, [*self._declare(modified), *body] or [ast.Pass()], []))

    @staticmethod
    def _symbols(symbols: list[str]) -> ast.expr:
        return ast.Tuple([ast.Constant(s) for s in symbols], ast.Load())

    def _located(self, node: ast.AST, statements: list[ast.stmt]) -> list[ast.stmt]:
        return [ast.copy_location(s, node) for s in statements]

    # ---- control flow

    def visit_If(self, node: ast.If) -> Any:
        modified = analysis.writes(node.body) | analysis.writes(node.orelse)
        symbols, count = self._state(node, modified)
        get, set_, body, orelse = self._fresh("get_state", "set_state", "if_body", "else_body")
        written_body, written_else = analysis.writes(node.body), analysis.writes(node.orelse)
        test = self.visit(node.test)
        return self._located(node, [
            *self._accessors(symbols, get, set_),
            self._function(body, _no_arguments(), self.block(node.body), written_body),
            self._function(orelse, _no_arguments(), self.block(node.orelse), written_else),
            ast.Expr(_call("if_stmt", test, _name(body), _name(orelse), _name(get), _name(set_),
                           self._symbols(symbols), ast.Constant(count))),
        ])

    def visit_While(self, node: ast.While) -> Any:
        options, statements = self._loop_options(node.body)
        written = analysis.writes(node.body)
        symbols, _ = self._loop_state(node, written)
        get, set_, body, test = self._fresh("get_state", "set_state", "loop_body", "loop_test")
        condition = self.visit(node.test)
        return self._located(node, [
            *self._accessors(symbols, get, set_),
            self._function(body, _no_arguments(), self.block(statements), written),
            self._function(test, _no_arguments(), [ast.Return(condition)], set()),
            ast.Expr(_call("while_stmt", _name(test), _name(body), _name(get), _name(set_), self._symbols(symbols),
                           options)),
        ])

    def visit_For(self, node: ast.For) -> Any:
        options, statements = self._loop_options(node.body)
        written = analysis.writes(node.body) | analysis.writes(node.target)
        symbols, _ = self._loop_state(node, written)
        get, set_, body, test, item = self._fresh("get_state", "set_state", "loop_body", "extra_test", "itr")
        extra = getattr(node, "extra_test", None)
        iterated = self.visit(node.iter)
        take = ast.copy_location(ast.Assign([node.target], _name(item)), node)
        result = [
            *self._accessors(symbols, get, set_),
            self._function(body, _no_arguments(item), [take, *self.block(statements)], written),
        ]
        if extra is not None:
            result.append(self._function(test, _no_arguments(), [ast.Return(self.visit(extra))], set()))
        result.append(ast.Expr(_call(
            "for_stmt", iterated, _name(test) if extra is not None else ast.Constant(None), _name(body), _name(get),
            _name(set_), self._symbols(symbols), options)))
        return self._located(node, result)

    def _loop_state(self, node: Any, modified: set[str]) -> tuple[list[str], int]:
        plain = {m for m in modified if analysis.is_plain(m)}
        alive = node.live_inside | node.live_after
        carried = sorted(m for m in plain if m in alive)
        places = sorted(m for m in modified if not analysis.is_plain(m) and analysis.root_of(m) not in plain)
        return [*carried, *places], len(carried) + len(places)

    def _loop_options(self, body: list[ast.stmt]) -> tuple[ast.expr, list[ast.stmt]]:
        """The arguments of `set_loop_options(...)` where the body says so, and the body without it."""
        rest = []
        keywords: dict[str | None, ast.expr] = {}
        for statement in body:
            call = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(call, ast.Call) and (
                getattr(call.func, "attr", None) == "set_loop_options"
                or getattr(call.func, "id", None) == "set_loop_options"
            ):
                keywords.update((k.arg, self.visit(k.value)) for k in call.keywords)
                continue
            rest.append(statement)
        options = ast.Dict([ast.Constant(k) for k in keywords], list(keywords.values()))
        return (options if keywords else ast.Constant(None)), rest

    def visit_Assert(self, node: ast.Assert) -> Any:
        message = self.visit(node.msg) if node.msg is not None else ast.Constant(ast.unparse(node.test))
        return self._located(node, [ast.Expr(_call("assert_stmt", self.visit(node.test), _thunk(message)))])

    def visit_Return(self, node: ast.Return) -> Any:
        node.value = self.visit(node.value) if node.value is not None else None
        return node

    def visit_Delete(self, node: ast.Delete) -> Any:
        names = [t for t in node.targets if isinstance(t, ast.Name)]
        if len(names) != len(node.targets):
            return self.generic_visit(node)
        self.cells.update(t.id for t in names)
        return self._located(node, [
            ast.Assign([_name(t.id, True)], _call("Undefined", ast.Constant(t.id))) for t in names
        ])

    # ---- expressions

    def _lazy(self, node: ast.AST) -> bool:
        """Whether an expression may be moved into a lambda."""
        return not any(isinstance(n, (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)) for n in ast.walk(node))

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        self.generic_visit(node)
        if not self.options.lists or not isinstance(node.ctx, ast.Load) or (
                isinstance(node.value, ast.Attribute) and node.value.attr == "index"):
            return node
        return ast.copy_location(_call("get_item", node.value, list_statements.key_of(node)), node)

    def visit_BoolOp(self, node: ast.BoolOp) -> Any:
        if not self._lazy(node):
            return self.generic_visit(node)
        name = "and_" if isinstance(node.op, ast.And) else "or_"
        result = self.visit(node.values[-1])
        for value in reversed(node.values[:-1]):
            result = ast.copy_location(_call(name, _thunk(self.visit(value)), _thunk(result)), node)
        return result

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        self.generic_visit(node)
        if isinstance(node.op, ast.Not):
            return ast.copy_location(_call("not_", node.operand), node)
        return node

    def visit_Compare(self, node: ast.Compare) -> Any:
        lazy = self._lazy(node)
        self.generic_visit(node)
        if len(node.ops) == 1:
            return self._comparison(node, node.left, node.ops[0], node.comparators[0])
        return self._chain(node, node.left, list(node.ops), list(node.comparators)) if lazy else node

    def _comparison(self, node: ast.Compare, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> ast.expr:
        if self.options.equality and isinstance(operator, (ast.Eq, ast.NotEq)):
            name = "eq" if isinstance(operator, ast.Eq) else "not_eq"
            return ast.copy_location(_call(name, left, right), node)
        return ast.copy_location(ast.Compare(left, [operator], [right]), node)

    def _chain(self, node: ast.Compare, left: ast.expr, operators: list[ast.cmpop], rest: list[ast.expr]) -> ast.expr:
        """a < b < c: it holds when a < b and b < c do, and b is computed once."""
        if len(rest) == 1:
            return self._comparison(node, left, operators[0], rest[0])
        middle = rest[0]
        if isinstance(middle, (ast.Name, ast.Constant)):
            names, values = [], []
        else:
            names, values = self._fresh("left", "middle"), [left, middle]
            left, middle = _name(names[0]), _name(names[1])
        both: ast.expr = _call("and_", _thunk(self._comparison(node, left, operators[0], middle)),
                               _thunk(self._chain(node, middle, operators[1:], rest[1:])))
        if names:
            both = ast.Call(_generated(ast.Lambda(_no_arguments(*names), both)), values, [])
        return ast.copy_location(both, node)

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        if not self._lazy(node):
            return self.generic_visit(node)
        source = ast.unparse(node)
        self.generic_visit(node)
        return ast.copy_location(
            _call("if_exp", node.test, _thunk(node.body), _thunk(node.orelse), ast.Constant(source)), node)

    def visit_Call(self, node: ast.Call) -> Any:
        if isinstance(node.func, ast.Name) and node.func.id in _LEFT_ALONE:
            if node.func.id == "super" and not node.args and self.first_parameter is not None:
                # Inside of the functions that branches become, Python no longer knows what it stands for.
                node.args = [_name("__class__"), _name(self.first_parameter)]
            return self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name) and \
                node.func.value.id == "ag__":
            return self.generic_visit(node)
        self.generic_visit(node)
        arguments = ast.Tuple(node.args, ast.Load())
        if node.keywords:
            keywords: ast.expr = ast.Dict(
                [ast.Constant(k.arg) if k.arg is not None else None for k in node.keywords],  # type: ignore[misc]
                [k.value for k in node.keywords])
        else:
            keywords = ast.Constant(None)
        return ast.copy_location(_call("converted_call", node.func, arguments, keywords), node)


class _Guard(ast.NodeTransformer):
    """Has reading a variable of converted code checked: it may be `Undefined`, where Python would raise."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> Any:
        if isinstance(node.ctx, ast.Load) and node.id in self.names:
            return ast.copy_location(_call("ld", node), node)
        return node

    def _function(self, node: Any) -> Any:
        if getattr(node, "generated", False):
            return self.generic_visit(node)
        # One of the user's, or an accessor: what is in it is not run here.
        node.args = self.visit(node.args)
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = [self.visit(d) for d in node.decorator_list]
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _function

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        return node

    def visit_Match(self, node: ast.Match) -> Any:
        node.subject = self.visit(node.subject)
        for case in node.cases:
            case.guard = self.visit(case.guard) if case.guard else None
            case.body = [self.visit(s) for s in case.body]
        return node


class _Mangler(ast.NodeTransformer):
    """Private names of a class (`self.__x`), which Python rewrites inside of the class only."""

    def __init__(self, class_name: str) -> None:
        self.prefix = "_" + class_name.lstrip("_")

    def _mangled(self, name: str) -> str:
        return self.prefix + name if name.startswith("__") and not name.endswith("__") else name

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        node.attr = self._mangled(node.attr)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> Any:
        node.id = self._mangled(node.id)
        return node

    def visit_arg(self, node: ast.arg) -> Any:
        node.arg = self._mangled(node.arg)
        return node


def transform(node: Any, class_name: str | None, options: Any) -> Any:
    """The rewritten function definition or lambda; `node` is changed in place."""
    if class_name:
        node = _Mangler(class_name).visit(node)
    return FunctionTransformer([0], class_name, options).transform(node)
