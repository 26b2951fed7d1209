"""Module objects for TensorFlow's internal paths, served from the table in `internal_paths.py`."""

from __future__ import annotations

import importlib
import importlib.machinery
import types
from typing import Any

from everflow import _namespaces
from everflow._src.compat.internal_paths import (
    KERAS_MODULES,
    KERAS_PLACES,
    KERAS_PREFIX,
    NAMES,
    SEARCHED,
    WHOLE,
)
from everflow._src.framework.registry import CARDS
from everflow._src.runtime.raw_ops import raw_op, snake_case

_ROOTS = {"v1": "everflow.compat.v1", "v2": "everflow"}

_modules: dict[str, types.ModuleType] = {}


def _with_parents(paths: Any) -> frozenset[str]:
    found = set()
    for path in paths:
        parts = path.split(".")
        found.update(".".join(parts[:i]) for i in range(1, len(parts) + 1))
    return frozenset(found)


_PATHS = _with_parents([*SEARCHED, *WHOLE, *(f"{KERAS_PREFIX}.{m}" for m in KERAS_MODULES)])


class InternalNameError(AttributeError):
    """A name of TensorFlow's internals that nothing in everflow serves."""


def exists(path: str) -> bool:
    """True when `tensorflow.<path>` can be imported as an internal module."""
    return path in _PATHS or _contrib_namespace(path) is not None


def _contrib_namespace(path: str) -> str | None:
    """The public namespace above `contrib.layers.python...`, where there is one."""
    public, _, rest = path.partition(".python")
    if public == path or rest[:1] not in ("", ".") or not public.startswith("contrib."):
        return None
    return public if _namespaces.is_namespace(_ROOTS["v1"], public) else None


def module(path: str) -> types.ModuleType:
    """The module that serves `tensorflow.<path>`, which exists.

    Raises:
      ImportError: the library that serves the whole module is not installed.
    """
    found = _modules.get(path)
    if found is None:
        if path in WHOLE:
            found = importlib.import_module(WHOLE[path])
        else:
            found = types.ModuleType(f"tensorflow.{path}", "A module path of TensorFlow's internals.")
            found.__path__ = []
            found.__package__ = found.__name__
            found.__getattr__ = lambda name: _attribute(path, name)  # type: ignore[method-assign]
            found.__dir__ = lambda: _names(path)  # type: ignore[method-assign]
        _modules[path] = found
    return found


def _places(path: str) -> list[str]:
    contrib = _contrib_namespace(path)
    if contrib is not None:
        # contrib.layers.python.layers.utils: the innermost public namespace of that name, then outward.
        parts = [p for p in path[len(contrib) :].split(".") if p and p != "python"]
        nested = [f"{contrib}.{part}" for part in reversed(parts)]
        return [f"v1:{n}" for n in nested if _namespaces.is_namespace(_ROOTS["v1"], n)] + [f"v1:{contrib}"]
    if path == KERAS_PREFIX or path.startswith(KERAS_PREFIX + "."):
        below = path[len(KERAS_PREFIX) + 1 :].split(".") if path != KERAS_PREFIX else []
        first = [f"keras.{'.'.join(below[:i])}" for i in range(len(below), 0, -1)]
        first = [n for n in first if _namespaces.is_namespace(_ROOTS["v2"], n)]
        return [f"v2:{n}" for n in [*first, *KERAS_PLACES]]
    return SEARCHED.get(path, "").split()


def _attribute(path: str, name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    inner = f"{path}.{name}"
    if exists(inner):
        value: Any = module(inner)
    else:
        value = _find(path, name)
    vars(module(path))[name] = value
    return value


def _find(path: str, name: str) -> Any:
    override = NAMES.get(f"{path}.{name}")
    if override is not None:
        place, _, attribute = override.partition(":")
        value: Any = (
            _namespaces.namespace(_ROOTS[place], "") if place in _ROOTS else importlib.import_module(place)
        )
        for part in attribute.split("."):
            value = getattr(value, part)
        return value
    for place in _places(path):
        kind, _, where = place.partition(":")
        if kind == "module":
            value = getattr(importlib.import_module(where), name, None)
            if value is not None:
                return value
        elif kind == "raw":
            op_type = _raw_names().get(name.lstrip("_"))
            if op_type is not None:
                importlib.import_module(_namespaces.manifest().OPS[op_type])
                return raw_op(op_type, keyword_only=False)
        elif name in _namespaces.public_names(_ROOTS[kind], where):
            return getattr(_namespaces.namespace(_ROOTS[kind], where), name)
    raise InternalNameError(
        f"tensorflow.{path}.{name}: everflow has nothing in place of this name of TensorFlow's internals. "
        f"Public names are found in tf.* and tf.compat.v1.*"
    )


def _names(path: str) -> list[str]:
    """What `dir` shows of an internal module: all that its places hold."""
    found = {p[len(path) + 1 :] for p in _PATHS if p.startswith(path + ".") and "." not in p[len(path) + 1 :]}
    found.update(n.rpartition(".")[2] for n in NAMES if n.rpartition(".")[0] == path)
    for place in _places(path):
        kind, _, where = place.partition(":")
        if kind == "module":
            found.update(n for n in dir(importlib.import_module(where)) if not n.startswith("_"))
        elif kind == "raw":
            found.update(_raw_names())
        else:
            found.update(_namespaces.public_names(_ROOTS[kind], where))
    return sorted(found)


def _raw_names() -> dict[str, str]:
    types_of_operations = {*_namespaces.manifest().OPS, *CARDS}
    return {snake_case(op_type): op_type for op_type in types_of_operations}
