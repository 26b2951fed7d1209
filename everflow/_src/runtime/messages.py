"""Protocol messages of sessions and graphs: configuration, run options and metadata, graph definitions.

The classes are those of tensorboard, wire-compatible with TensorFlow's.  This module is loaded when a program
first asks for one of them, so that importing everflow loads no protobuf.
"""

from __future__ import annotations

from tensorboard.compat.proto import attr_value_pb2, config_pb2, graph_pb2, meta_graph_pb2, node_def_pb2

from everflow._src.framework.export import export_constant

ConfigProto = config_pb2.ConfigProto
GPUOptions = config_pb2.GPUOptions
GraphOptions = config_pb2.GraphOptions
OptimizerOptions = config_pb2.OptimizerOptions
RunOptions = config_pb2.RunOptions
RunMetadata = config_pb2.RunMetadata
GraphDef = graph_pb2.GraphDef
NodeDef = node_def_pb2.NodeDef
AttrValue = attr_value_pb2.AttrValue
NameAttrList = attr_value_pb2.NameAttrList
MetaGraphDef = meta_graph_pb2.MetaGraphDef
TensorInfo = meta_graph_pb2.TensorInfo

for _name in (
    "ConfigProto", "GPUOptions", "GraphOptions", "OptimizerOptions", "RunOptions", "RunMetadata", "GraphDef",
    "NodeDef", "AttrValue", "NameAttrList", "MetaGraphDef", "TensorInfo",
):
    export_constant(__name__, _name, v1=[_name])
