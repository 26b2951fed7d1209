"""From a Python function to its converted one: finding the source, rewriting it, compiling the result.

The converted code object keeps the file name and line numbers of the original, and shares its globals and the
cells of its closure.
"""

from __future__ import annotations

import ast
import copy
import linecache
import types
import weakref
from typing import Any, NamedTuple

from everflow._src.autograph import analysis
from everflow._src.autograph.transformer import transform


class Options(NamedTuple):
    """What besides control flow is converted."""

    lists: bool = False
    equality: bool = False
    prints: bool = False


class AutoGraphError(Exception):
    """Base class of what AutoGraph raises."""


class ConversionError(AutoGraphError, ValueError):
    """A function cannot be converted; `tf.function` then calls it as it is."""


_files: dict[str, tuple[int, ast.Module]] = {}
_converted: weakref.WeakKeyDictionary[types.CodeType, dict[Options, tuple[types.CodeType, ast.AST]]] = (
    weakref.WeakKeyDictionary())


def _file_tree(filename: str, module_globals: dict[str, Any] | None) -> ast.Module:
    lines = linecache.getlines(filename, module_globals)
    if not lines:
        raise ConversionError(f"the source of {filename} is not available")
    text = "".join(lines)
    known = _files.get(filename)
    if known is not None and known[0] == hash(text):
        return known[1]
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise ConversionError(f"the source of {filename} cannot be read: {error}") from None
    _files[filename] = (hash(text), tree)
    return tree


def _first_line(node: Any) -> int:
    decorators = getattr(node, "decorator_list", None)
    return min([node.lineno, *(d.lineno for d in decorators)]) if decorators else node.lineno


def _find(tree: ast.Module, code: types.CodeType) -> Any:
    """The definition that `code` was compiled from."""
    candidates: list[Any] = []
    is_lambda = code.co_name == "<lambda>"
    for node in ast.walk(tree):
        if is_lambda:
            if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno:
                candidates.append(node)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name and \
                _first_line(node) == code.co_firstlineno:
            candidates.append(node)
    if is_lambda and len(candidates) > 1:
        names = list(code.co_varnames[:code.co_argcount + code.co_kwonlyargcount])
        candidates = [c for c in candidates if [
            a.arg for a in (*c.args.posonlyargs, *c.args.args, *c.args.kwonlyargs)] == names]
    if is_lambda and len(candidates) > 1:
        # Several lambdas on one line: the columns of the code tell them apart.
        columns = [(p[0], p[2]) for p in code.co_positions() if p[0] is not None and p[2] is not None and p[3] != 0]
        begins = min(columns[1:] or columns)
        candidates = [c for c in candidates if (c.body.lineno, c.body.col_offset) <= begins
                      and begins <= (c.end_lineno, c.end_col_offset)]
        candidates.sort(key=lambda c: -c.body.col_offset)
        candidates = candidates[:1]
    if not candidates:
        raise ConversionError(f"the source of {code.co_name} is not where it was")
    return candidates[0]


def _class_of(function: types.FunctionType) -> str | None:
    parts = function.__qualname__.split(".")
    return parts[-2] if len(parts) > 1 and parts[-2] != "<locals>" else None


def _factory(node: Any, free: tuple[str, ...], name: str) -> ast.Module:
    """A module that holds the function inside of another, whose parameters are its free variables."""
    if isinstance(node, ast.Lambda):
        inner: ast.stmt = ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], node), node)
    else:
        node.name = name
        inner = node
    parameters = [ast.arg("ag__"), *(ast.arg(f) for f in free if f != "ag__")]
    outer = ast.FunctionDef(
        "factory__", ast.arguments(posonlyargs=[], args=parameters, kwonlyargs=[], kw_defaults=[], defaults=[]),
        [inner, ast.Return(ast.Name(name, ast.Load()))], [])
    ast.copy_location(outer, node)
    module = ast.Module([outer], [])
    _fill_positions(outer, outer.lineno, outer.col_offset)
    return module


def _fill_positions(parent: Any, line: int, column: int) -> None:
    """Gives new code the position at which the old code around it begins.

    No more than one line of it: of a method call over several lines Python reports the last one.
    """
    for node in ast.iter_child_nodes(parent):
        if "lineno" not in node._attributes:
            _fill_positions(node, line, column)
            continue
        if not hasattr(node, "lineno"):
            node.lineno = node.end_lineno = line  # type: ignore[attr-defined]
            node.col_offset = node.end_col_offset = column  # type: ignore[attr-defined]
        _fill_positions(node, node.lineno, node.col_offset)  # type: ignore[attr-defined]


def _code_named(code: types.CodeType, name: str) -> types.CodeType:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            if constant.co_name == name:
                return constant
            try:
                return _code_named(constant, name)
            except LookupError:
                continue
    raise LookupError(name)


def converted_tree(function: types.FunctionType, options: Options) -> tuple[Any, str]:
    """The rewritten definition of a function, and its new name."""
    code = function.__code__
    tree = _file_tree(code.co_filename, function.__globals__)
    found = _find(tree, code)
    if isinstance(found, ast.AsyncFunctionDef) or analysis.is_generator(found):
        raise ConversionError("generators and coroutines are left alone")
    node = copy.deepcopy(found)
    if isinstance(node, ast.FunctionDef):
        node.decorator_list = []
        node.returns = None
    arguments = node.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg,
                     arguments.kwarg):
        if argument is not None:
            argument.annotation = None
    # Defaults are those of the original function, already computed; these only tell where there are any.
    arguments.defaults = [ast.copy_location(ast.Constant(None), d) for d in arguments.defaults]
    arguments.kw_defaults = [d and ast.copy_location(ast.Constant(None), d) for d in arguments.kw_defaults]
    node = transform(node, _class_of(function), options)
    return node, "tf__lam" if code.co_name == "<lambda>" else f"tf__{code.co_name}"


def load(function: types.FunctionType, runtime: Any, options: Options) -> types.FunctionType:
    """The converted function.

    Raises:
      ConversionError: the source is not available, or the function is not of a kind that is converted.
    """
    code = function.__code__
    by_options = _converted.setdefault(code, {})
    found = by_options.get(options)
    if found is None:
        node, name = converted_tree(function, options)
        module = _factory(node, code.co_freevars, name)
        compiled = compile(module, code.co_filename, "exec")
        factory = _code_named(compiled, "factory__")
        new = _code_named(factory, name if not isinstance(node, ast.Lambda) else "<lambda>")
        new = new.replace(co_name=code.co_name, co_qualname=code.co_qualname)
        found = by_options[options] = (new, node)
    new = found[0]
    cells = dict(zip(code.co_freevars, function.__closure__ or ()))
    cells["ag__"] = types.CellType(runtime)
    try:
        closure = tuple(cells[n] for n in new.co_freevars)
    except KeyError as error:
        raise ConversionError(f"the converted function needs {error}, which the original does not know") from None
    result = types.FunctionType(new, function.__globals__, function.__name__, function.__defaults__, closure)
    result.__kwdefaults__ = function.__kwdefaults__
    result.__qualname__ = function.__qualname__
    result.__module__ = function.__module__
    result.__doc__ = function.__doc__
    result.__dict__.update(function.__dict__)
    result._autograph_artifact = True  # type: ignore[attr-defined]
    return result


def source_of(function: types.FunctionType, options: Options) -> str:
    """The converted code as text."""
    node, name = converted_tree(function, options)
    if isinstance(node, ast.Lambda):
        node = ast.Assign([ast.Name(name, ast.Store())], node)
    else:
        node.name = name
    return ast.unparse(ast.fix_missing_locations(node)) + "\n"
