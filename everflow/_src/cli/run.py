"""`everflow run`: a program that says `import tensorflow`, run as `python` would run it."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
import types
import zipfile
from collections.abc import Sequence
from typing import Any

from everflow._src.cli import generation as generations
from everflow._src.cli import tracebacks
from everflow._src.compat import alias


class CannotRun(Exception):
    """The program was not found or is no program; the message is for the user, the status is python's."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def run_script(path: str, arguments: Sequence[str], generation: int | None, full_traceback: bool) -> None:
    """Runs a source file, or a folder or zip file with a `__main__.py`, as `__main__`.

    Args:
      path: the script.
      arguments: its command line.
      generation: 1 or 2; None reads it from the source.
      full_traceback: show the frames inside everflow in every traceback.

    Raises:
      CannotRun: there is no such program.
      SystemExit, or whatever the program raises.
    """
    absolute = os.path.abspath(path)
    if os.path.isdir(absolute) or zipfile.is_zipfile(absolute):
        spec = importlib.machinery.PathFinder.find_spec("__main__", [absolute])
        if spec is None or spec.loader is None:
            raise CannotRun(f"can't find '__main__' module in {path!r}", 1)
        _set_path(absolute)
        _run_spec(spec, path, arguments, generation, full_traceback)
        return
    tracebacks.install(full_traceback)
    try:
        with open(absolute, "rb") as file:
            source = file.read()
    except OSError as error:
        raise CannotRun(f"can't open file {absolute!r}: [Errno {error.errno}] {error.strerror}", 2) from None
    code = compile(source, absolute, "exec", dont_inherit=True)
    _set_path(os.path.dirname(os.path.realpath(absolute)))
    alias.install(generation or generations.detect(absolute))
    main = _main_module(absolute, None, importlib.machinery.SourceFileLoader("__main__", absolute))
    sys.argv[:] = [path, *arguments]
    exec(code, vars(main))


def run_module(name: str, arguments: Sequence[str], generation: int | None, full_traceback: bool) -> None:
    """Runs a module or package found on `sys.path`, as `python -m` does.

    Raises:
      CannotRun: there is no such module.
      SystemExit, or whatever the program raises.
    """
    tracebacks.install(full_traceback)
    _set_path(os.getcwd())
    # A package may import tensorflow while its parents load, before its own file is known.
    early = generation or _guess_generation(name)
    alias.install(early)
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
            if spec is None:
                raise CannotRun(
                    f"No module named {name}.__main__; {name!r} is a package and cannot be executed", 1
                )
    except ModuleNotFoundError as error:
        raise CannotRun(f"Error while finding module specification for {name!r}: {error}", 1) from None
    if spec is None or spec.loader is None:
        raise CannotRun(f"No module named {name}", 1)
    _run_spec(spec, spec.origin or name, arguments, early, full_traceback)


def _guess_generation(name: str) -> int:
    """From the file of a module, found without importing its parents."""
    parts = name.split(".")
    for folder in sys.path:
        stem = os.path.join(folder or os.getcwd(), *parts)
        for candidate in (stem + ".py", os.path.join(stem, "__main__.py")):
            if os.path.isfile(candidate):
                return generations.detect(candidate)
    return 2


def _run_spec(
    spec: importlib.machinery.ModuleSpec,
    argv0: str,
    arguments: Sequence[str],
    generation: int | None,
    full_traceback: bool,
) -> None:
    tracebacks.install(full_traceback)
    loader: Any = spec.loader
    code = loader.get_code(spec.name)
    if code is None:
        raise CannotRun(f"No code object available for {spec.name}", 1)
    readable = spec.origin is not None and os.path.isfile(spec.origin)
    alias.install(generation or (generations.detect(spec.origin) if readable and spec.origin else 2))
    main = _main_module(spec.origin, spec, loader)
    sys.argv[:] = [argv0, *arguments]
    exec(code, vars(main))


def _main_module(path: str | None, spec: Any, loader: Any) -> types.ModuleType:
    """A fresh `__main__`, with the attributes that python gives it."""
    main = types.ModuleType("__main__")
    main.__file__ = path
    main.__spec__ = spec
    main.__loader__ = loader
    main.__package__ = spec.parent if spec is not None else None
    vars(main)["__builtins__"] = sys.modules["builtins"]
    vars(main)["__cached__"] = None
    sys.modules["__main__"] = main
    return main


def _set_path(folder: str) -> None:
    """Puts the program's folder where the folder of the `everflow` command stands."""
    if sys.flags.safe_path:
        return
    if sys.path:
        sys.path[0] = folder
    else:
        sys.path.append(folder)
