"""Protocol messages of sessions and graphs: configuration, run options and metadata, graph definitions.

The classes are those of tensorboard, wire-compatible with TensorFlow's.  They are loaded when a program first
asks for one of them, so that importing everflow loads no protobuf.
"""

from __future__ import annotations

import importlib
from typing import Any

from everflow._src.framework.export import export_constant

_FILES = {
    "ConfigProto": "config",
    "GPUOptions": "config",
    "GraphOptions": "config",
    "OptimizerOptions": "config",
    "RunOptions": "config",
    "RunMetadata": "config",
    "GraphDef": "graph",
    "NodeDef": "node_def",
    "AttrValue": "attr_value",
    "NameAttrList": "attr_value",
    "MetaGraphDef": "meta_graph",
    "TensorInfo": "meta_graph",
}


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"tensorboard.compat.proto.{_FILES[name]}_pb2"), name)


for _name in _FILES:
    export_constant(__name__, _name, v1=[_name])
