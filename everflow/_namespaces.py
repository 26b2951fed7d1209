"""The lazy public namespaces: `tf.math`, `tf.compat.v1.layers`, ...

No public name is a file.  A namespace is a module object whose attributes are looked up in the
generated manifest (`_manifest.py`) on first use and then kept in the module's own dictionary.  A
finder on `sys.meta_path` makes the same modules importable (`import everflow.nn`).

There are three roots: `everflow` and `everflow.compat.v2` serve the 2.x names, `everflow.compat.v1`
the 1.x names.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

ROOTS = {"everflow": 2, "everflow.compat.v1": 1, "everflow.compat.v2": 2}
_REAL_SUBMODULES = frozenset({"_src", "_manifest", "_namespaces"})
_COMMAND = os.path.join(os.path.dirname(__file__), "_src", "cli", "__main__.py")
_IMPORT_MACHINERY = "<frozen importlib._bootstrap>"

# A name of these floors makes no tensor: looking it up loads no operation...
_LIGHT = ("everflow._src.framework.", "everflow._src.compat.", "everflow._src.cli.")
# ... but for these modules.
_MAKE_TENSORS = frozenset(
    f"everflow._src.framework.{name}" for name in ("conversion", "graph", "operation", "sparse_tensor")
)
# What gives tensors their operators and methods, and variables their kinds.
_INSTALLERS = ("everflow._src.ops.core", "everflow._src.variables.core", "everflow._src.autograph.api")

_indexes: dict[int, dict[str, dict[str, str]]] = {}


class ProgramState:
    """What is known of the running program."""

    uses_v2 = False  # a 2.x name was looked up: graph mode can no longer become the default silently
    complete = False  # ops/ and variables/ have installed what they give to tensors
    alias_installed = False  # `import tensorflow.compat.v1` never switches anything, as in TensorFlow 2.x


PROGRAM = ProgramState()


class PublicNameError(AttributeError):
    """A public name that everflow does not have; what to use instead is worked out when it is printed."""

    def __init__(self, root: str, path: str, name: str) -> None:
        super().__init__(root, path, name)
        self.name = name  # without `obj`, which would have Python add a guess of its own
        self._where = (root, path, name)

    def __str__(self) -> str:
        return _explain(*self._where)


PublicNameError.__module__ = "everflow"  # what a traceback shows

def _explain(root: str, path: str, name: str) -> str:
    names = importlib.import_module("everflow._src.compat.public_names")
    return names.explain(root, ROOTS[root], _join(path, name), manifest())


def manifest() -> Any:
    """The generated tables V1, V2 and OPS; loaded late, so that a broken copy can be generated anew."""
    return importlib.import_module("everflow._manifest")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name


def index(generation: int) -> dict[str, dict[str, str]]:
    """Every namespace of a generation: its dotted path -> {name: target, "" for a nested namespace}."""
    found = _indexes.get(generation)
    if found is None:
        tables = manifest()
        found = {"": {}}
        for name, target in (tables.V1 if generation == 1 else tables.V2).items():
            path, _, last = name.rpartition(".")
            if path not in found:
                _add_namespace(found, path)
            found[path][last] = target
        _add_namespace(found, "raw_ops")
        found["raw_ops"].update({name: f"{module}:{name}" for name, module in tables.OPS.items()})
        for path in ("compat", "compat.v1", "compat.v2"):
            _add_namespace(found, path)
        _indexes[generation] = found
    return found


def _add_namespace(found: dict[str, dict[str, str]], path: str) -> None:
    if path not in found:
        found[path] = {}
        parent, _, last = path.rpartition(".")
        _add_namespace(found, parent)
        found[parent][last] = ""


def locate(fullname: str) -> tuple[str, str]:
    """(root, dotted path below it) of a module name; `everflow.compat.v1.compat.v2.nn` is v2's `nn`."""
    root, path = "everflow", ""
    for part in fullname.split(".")[1:]:
        if path == "compat" and part in ("v1", "v2"):
            root, path = f"everflow.compat.{part}", ""
        else:
            path = _join(path, part)
    return root, path


def is_namespace(root: str, path: str) -> bool:
    return path in index(ROOTS[root])


def namespace(root: str, path: str) -> types.ModuleType:
    """The module that serves the names below `path`, made when first asked for."""
    fullname = _join(root, path)
    module = sys.modules.get(fullname)
    if module is None:
        module = types.ModuleType(fullname, _document(root, path))
        module.__path__ = []  # marks a package: `import everflow.keras.layers` goes through here
        module.__package__ = fullname
        if not path:  # programs look for files beside `tf.__file__`
            module.__file__ = os.path.join(os.path.dirname(__file__), "__init__.py")
        module.__spec__ = importlib.machinery.ModuleSpec(fullname, _LOADER, is_package=True)
        module.__loader__ = _LOADER
        module.__getattr__, module.__dir__ = attribute_functions(root, path)  # type: ignore[method-assign]
        module = sys.modules.setdefault(fullname, module)
    return module


def _document(root: str, path: str) -> str:
    generation = "1.x" if ROOTS[root] == 1 else "2.x"
    return f"The TensorFlow {generation} namespace `{_join('tf', path)}`."


def attribute_functions(root: str, path: str = "") -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of one namespace module."""

    def __getattr__(name: str) -> Any:
        if path == "compat" and name in ("v1", "v2"):
            # `from everflow.compat import v1` is an import like any other, and goes to the finder.
            if sys._getframe(1).f_code.co_filename == _IMPORT_MACHINERY and not PROGRAM.alias_installed:
                raise AttributeError(name)
            value: Any = namespace(f"everflow.compat.{name}", "")
        else:
            value = _resolve(root, path, name)
        vars(sys.modules[_join(root, path)])[name] = value
        return value

    def __dir__() -> list[str]:
        return public_names(root, path)

    return __getattr__, __dir__


def public_names(root: str, path: str) -> list[str]:
    """The names that a namespace offers, sorted."""
    return sorted(_targets(root, path))


def _targets(root: str, path: str) -> dict[str, str]:
    """The names of one namespace -> where they are found."""
    found = index(ROOTS[root])
    if root == "everflow.compat.v2" and not path:
        return {**found[""], **found["compat.v2"]}
    return found.get(path, {})


def _resolve(root: str, path: str, name: str) -> Any:
    target = _targets(root, path).get(name)
    if target is None:
        if name == "__all__":
            return [n for n in public_names(root, path) if not n.startswith("_")]
        if name == "python" and (not path or path.startswith("contrib.")):
            internal = importlib.import_module("everflow._src.compat.internal_modules")
            inner = _join(path, name)
            if internal.exists(inner):
                return internal.module(inner)
        raise PublicNameError(root, path, name)
    if root == "everflow" and path != "compat":
        PROGRAM.uses_v2 = True
    if not target:
        return namespace(root, _join(path, name))
    module_name, _, attribute = target.partition(":")
    module = importlib.import_module(module_name)
    if not PROGRAM.complete and (module_name in _MAKE_TENSORS or not module_name.startswith(_LIGHT)):
        for installer in _INSTALLERS:
            importlib.import_module(installer)
        PROGRAM.complete = True
    if path == "raw_ops":
        return importlib.import_module("everflow._src.runtime.raw_ops").raw_op(attribute)
    value: Any = module
    for part in attribute.split("."):
        value = getattr(value, part)
    return value


class NamespaceLoader:
    """Hands the import system the module that attribute access would have made."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        root, path = locate(spec.name)
        module = namespace(root, path)
        # The import system is about to put its own spec on the module, which may be that of an alias.
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        spec = module.__spec__
        if spec is not None and spec.loader_state is not None:
            module.__spec__ = spec.loader_state
        # `import everflow.compat.v1 as tf` makes a 1.x program, unless 2.x names are in use already.
        direct = spec is not None and spec.name == "everflow.compat.v1"
        if direct and not PROGRAM.uses_v2 and not PROGRAM.alias_installed:
            choose_generation_1()


def choose_generation_1() -> None:
    """Makes the process that of a 1.x program: graph mode by default, a 1.x version number."""
    importlib.import_module("everflow._src.framework.versions").announce_generation_1()
    importlib.import_module("everflow._src.compat.generations").use_v1_behavior()


_LOADER: Any = NamespaceLoader()


class NamespaceFinder:
    """Finds `everflow.<namespace>`; everything else is left to the finders before it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        first, _, rest = fullname.partition(".")
        if fullname == "everflow.__main__":  # python -m everflow
            return importlib.util.spec_from_file_location(fullname, _COMMAND)
        if first != "everflow" or not rest or rest.partition(".")[0] in _REAL_SUBMODULES:
            return None
        return find_namespace(fullname, fullname)


def find_namespace(fullname: str, canonical: str) -> importlib.machinery.ModuleSpec | None:
    """The spec under which `fullname` imports the namespace whose everflow name is `canonical`.

    Raises:
      ModuleNotFoundError: TensorFlow had the name and everflow lacks it.
    """
    root, path = locate(canonical)
    if is_namespace(root, path):
        return importlib.machinery.ModuleSpec(fullname, _LOADER, is_package=True)
    parent, _, last = path.rpartition(".")
    if last in _targets(root, parent):
        return None  # a function or class: the import system says that it is no module
    names = importlib.import_module("everflow._src.compat.public_names")
    if names.was_public(ROOTS[root], path):
        # Without `name=`, so that `from tensorflow.x import missing` shows this message.
        raise ModuleNotFoundError(names.explain(root, ROOTS[root], path, manifest()))
    return None


def install() -> None:
    """Puts the finder behind Python's own."""
    if not any(isinstance(finder, NamespaceFinder) for finder in sys.meta_path):
        sys.meta_path.append(NamespaceFinder())
