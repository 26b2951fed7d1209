"""The `tensorflow` import alias: `import tensorflow as tf` serves everflow.

    from everflow.compat import alias
    alias.install()                    # or install(generation=1) for a 1.x program
    import tensorflow as tf

The module objects are everflow's own, so `tensorflow.math is everflow.math`.  Internal paths
(`tensorflow.python.*` and others) come from the table in `internal_paths.py`.
"""

from __future__ import annotations

import importlib.machinery
import sys
import types
from collections.abc import Sequence
from typing import Any

from everflow import _namespaces
from everflow._src.compat import internal_modules, public_names
from everflow._src.framework.export import export

_INTERNAL_PACKAGES = ("python", "core", "compiler", "lite", "tools", "contrib")


class AliasLoader:
    """Hands the import system a module that exists already, under TensorFlow's name."""

    def __init__(self, module: types.ModuleType) -> None:
        self._module = module
        self._own_spec = module.__spec__

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return self._module

    def exec_module(self, module: types.ModuleType) -> None:
        # The import system has put the alias's spec on the module: everflow's own modules keep theirs.
        if self._own_spec is not None:
            module.__spec__ = self._own_spec


class AliasFinder:
    """Finds `tensorflow` and everything below it."""

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.root = "everflow" if generation == 2 else "everflow.compat.v1"

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        first, _, rest = fullname.partition(".")
        if first != "tensorflow":
            return None
        if not rest:
            return self._spec(fullname, _namespaces.namespace(self.root, ""))
        root, inner = _namespaces.locate(f"{self.root}.{rest}")
        if _namespaces.is_namespace(root, inner):
            return self._spec(fullname, _namespaces.namespace(root, inner))
        if internal_modules.exists(rest) and not (self.generation == 2 and rest.startswith("contrib.")):
            return self._spec(fullname, internal_modules.module(rest))
        generation = _namespaces.ROOTS[root]
        if public_names.was_public(generation, inner):
            parent, _, last = inner.rpartition(".")
            if last in _namespaces.public_names(root, parent):
                return None  # a function or class: the import system says that it is no module
            raise _missing(public_names.explain(root, generation, inner, _namespaces.manifest()))
        if inner.partition(".")[0] in _INTERNAL_PACKAGES:
            raise _missing(f"{fullname} is internal to TensorFlow, and everflow has nothing in its place")
        return None

    @staticmethod
    def _spec(fullname: str, module: types.ModuleType) -> importlib.machinery.ModuleSpec:
        return importlib.machinery.ModuleSpec(fullname, AliasLoader(module), is_package=True)  # type: ignore[arg-type]


def _missing(message: str) -> ModuleNotFoundError:
    # Without `name=`: the import system takes an error that names the module for "there is none", and
    # `from tensorflow.x import missing` would lose the message.
    return ModuleNotFoundError(message)


def _installed() -> AliasFinder | None:
    return next((finder for finder in sys.meta_path if isinstance(finder, AliasFinder)), None)


@export("compat.alias.install")
def install(generation: int = 2) -> None:
    """Makes `import tensorflow` serve everflow, from now on and in the whole process.

    A TensorFlow that is installed beside everflow is not touched, it is only no longer found.

    Args:
      generation: 2 for the 2.x namespace; 1 for the 1.x namespace, with graph mode as the default.

    Raises:
      ValueError: `generation` is neither 1 nor 2.
      ImportError: `tensorflow` was imported before, by its real package or as the other generation.

    >>> from everflow.compat import alias
    >>> alias.install()
    >>> import tensorflow as tf
    >>> tf.__version__
    '2.15.1'
    >>> alias.uninstall()
    """
    if generation not in (1, 2):
        raise ValueError(f"generation is 1 or 2, received {generation!r}")
    finder = _installed()
    if finder is not None and finder.generation == generation:
        return
    imported: Any = sys.modules.get("tensorflow")
    if imported is not None:
        what = (
            f"as the {finder.generation}.x namespace of everflow: call uninstall() first"
            if finder is not None
            else f"from {getattr(imported, '__file__', 'another place')}: install the alias before anything "
            "imports tensorflow"
        )
        raise ImportError(f"The alias cannot serve `import tensorflow`: it was imported already, {what}")
    if finder is not None:
        sys.meta_path.remove(finder)
    # In front, since a TensorFlow that is installed would be found by Python's own finders.
    sys.meta_path.insert(0, AliasFinder(generation))
    _namespaces.PROGRAM.alias_installed = True
    if generation == 1:
        _namespaces.choose_generation_1()


@export("compat.alias.uninstall")
def uninstall() -> None:
    """Takes the alias back: `import tensorflow` finds what Python finds without it.

    Modules that were imported through the alias keep working where they are held.
    """
    finder = _installed()
    if finder is None:
        return
    sys.meta_path.remove(finder)
    _namespaces.PROGRAM.alias_installed = False
    for name in [n for n in sys.modules if n == "tensorflow" or n.startswith("tensorflow.")]:
        del sys.modules[name]


@export("compat.alias.installed_generation")
def installed_generation() -> int | None:
    """The generation that `import tensorflow` serves, or None while the alias is not installed."""
    finder = _installed()
    return None if finder is None else finder.generation
