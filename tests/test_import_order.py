"""The floors of the house, checked on the source: who imports whom, and where imports stand."""

import ast
import pathlib
import sys

import pytest

PACKAGE = pathlib.Path(__file__).parents[1] / "everflow"
SOURCE = PACKAGE / "_src"

FLOORS = (
    "framework", "runtime", "ops", "autodiff", "variables", "tracing", "autograph", "io", "data", "summary",
    "saving", "training", "layers", "keras", "estimator", "distribute", "contrib", "compat", "cli",
)  # fmt: skip

# Heavy libraries are imported where they are first used, so that importing everflow stays quick.
HEAVY = {"jax", "jaxlib", "google", "tensorboard", "h5py", "PIL", "scipy", "opt_einsum", "sklearn", "pandas"}
MAY_BE_IMPORTED_LATE = HEAVY | {"absl"} | sys.stdlib_module_names

# The floors that serve the namespaces may use them; they load nothing by themselves.
NAMESPACE_USERS = {"compat", "cli"}

FILES = sorted(SOURCE.rglob("*.py"))


def _module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_module_name(path): path for path in FILES}


def _is_type_checking(node):
    test = node.test
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"


def _imports(tree, inside_function=False):
    """(node, whether it stands in a function) for every import that runs."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node, inside_function
        elif isinstance(node, ast.If) and _is_type_checking(node):
            for child in node.orelse:
                yield from _imports(ast.Module([child], []), inside_function)
        else:
            is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from _imports(node, inside_function or is_function)


def _imported(node, path):
    """Absolute names of what an import statement loads."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        package = _module_name(path).split(".")
        if path.name != "__init__.py":
            package = package[:-1]
        package = package[: len(package) - node.level + 1]
        base = ".".join([*package, base]) if base else ".".join(package)
    names = [f"{base}.{alias.name}" for alias in node.names]
    return [name if name in MODULES else base for name in names]


def _edges(path, functions_too):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node, inside_function in _imports(tree):
        if functions_too or not inside_function:
            for name in _imported(node, path):
                yield node, name


def _floor(name):
    parts = name.split(".")
    return parts[2] if len(parts) > 2 else None


def test_every_folder_has_its_floor():
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders <= set(FLOORS)


def test_imports_only_from_floors_above():
    wrong = []
    for path in FILES:
        own = _floor(_module_name(path))
        for node, name in _edges(path, functions_too=True):
            if name.partition(".")[0] != "everflow":
                continue
            if name == "everflow._namespaces" or (name == "everflow" and _names_namespaces(node)):
                allowed = own in NAMESPACE_USERS
            elif _floor(name) is None:  # `import everflow` from inside
                allowed = False
            else:
                allowed = own is not None and FLOORS.index(_floor(name)) <= FLOORS.index(own)
            if not allowed:
                wrong.append(f"{path.relative_to(SOURCE)}:{node.lineno} imports {name}")
    assert not wrong, "\n".join(wrong)


def _names_namespaces(node):
    return isinstance(node, ast.ImportFrom) and [alias.name for alias in node.names] == ["_namespaces"]


def test_imports_stand_at_the_top():
    wrong = []
    for path in FILES:
        for node, inside_function in _imports(ast.parse(path.read_text(encoding="utf-8"))):
            if inside_function:
                for name in _imported(node, path):
                    if name.partition(".")[0] not in MAY_BE_IMPORTED_LATE:
                        wrong.append(f"{path.relative_to(SOURCE)}:{node.lineno} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_heavy_libraries_are_not_imported_at_the_top():
    wrong = []
    for path in FILES:
        for node, name in _edges(path, functions_too=False):
            if name.partition(".")[0] in HEAVY - {"google"}:
                wrong.append(f"{path.relative_to(SOURCE)}:{node.lineno}: {name}")
    assert not wrong, "\n".join(wrong)


def test_no_import_cycles():
    graph = {
        name: sorted({n for _, n in _edges(path, functions_too=True) if n in MODULES and n != name})
        for name, path in MODULES.items()
    }
    state = dict.fromkeys(graph, "new")

    def visit(name, trail):
        state[name] = "open"
        for following in graph[name]:
            if state[following] == "open":
                cycle = [*trail[trail.index(following) :], following]
                pytest.fail("import cycle: " + " -> ".join(cycle))
            if state[following] == "new":
                visit(following, [*trail, following])
        state[name] = "done"

    for name in graph:
        if state[name] == "new":
            visit(name, [name])


def test_files_stay_readable():
    too_long = {
        str(path.relative_to(SOURCE)): lines
        for path in FILES
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 1000
    }
    assert not too_long
