"""The versions that programs parse: those of the last TensorFlow releases that everflow follows."""

from __future__ import annotations

from typing import Any

from everflow._src.framework.export import export_constant

EVERFLOW_VERSION = "0.1.0"

VERSION_2 = "2.15.1"
VERSION_1 = "1.15.5"
GIT_VERSION = "unknown"  # what TensorFlow reports when it was not built from a git checkout
COMPILER_VERSION = "unknown"

# Of TensorFlow 2.15: what everflow writes into a GraphDef, and what it reads.
GRAPH_DEF_VERSION = 1645
GRAPH_DEF_VERSION_MIN_CONSUMER = 0
GRAPH_DEF_VERSION_MIN_PRODUCER = 0

_version_of_v1_namespace = VERSION_2


def announce_generation_1() -> None:
    """The 1.x namespace reports a 1.x version from now on.

    In a 2.x program `tf.compat.v1.__version__` is the 2.x version, as in TensorFlow; in a program
    that chose the 1.x namespace, code that asks for the version means the generation.
    """
    global _version_of_v1_namespace
    _version_of_v1_namespace = VERSION_1


def __getattr__(name: str) -> Any:
    if name == "VERSION":
        return _version_of_v1_namespace
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


export_constant(__name__, "EVERFLOW_VERSION", "__everflow_version__")
export_constant(__name__, "VERSION_2", "__version__", "version.VERSION", v1=[])
export_constant(__name__, "VERSION", v1=["__version__", "version.VERSION", "VERSION"])
for _name in ("GIT_VERSION", "COMPILER_VERSION"):
    _dunder = f"__{_name.lower()}__"
    export_constant(__name__, _name, _dunder, f"version.{_name}", v1=[_dunder, f"version.{_name}", _name])
for _name in ("GRAPH_DEF_VERSION", "GRAPH_DEF_VERSION_MIN_CONSUMER", "GRAPH_DEF_VERSION_MIN_PRODUCER"):
    export_constant(__name__, _name, f"version.{_name}", v1=[f"version.{_name}", _name])
