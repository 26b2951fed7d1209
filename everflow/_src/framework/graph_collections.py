"""Collections of the default graph: lists of variables, losses, summaries and more, by name."""

from __future__ import annotations

from typing import Any

from everflow._src.framework.context import default_graph
from everflow._src.framework.export import export


@export(v1=["GraphKeys"])
class GraphKeys:
    """Names of the collections that the library itself fills or reads."""

    GLOBAL_VARIABLES = "variables"
    VARIABLES = GLOBAL_VARIABLES  # its name until 0.12
    LOCAL_VARIABLES = "local_variables"
    METRIC_VARIABLES = "metric_variables"
    MODEL_VARIABLES = "model_variables"
    TRAINABLE_VARIABLES = "trainable_variables"
    TRAINABLE_RESOURCE_VARIABLES = "trainable_resource_variables"
    MOVING_AVERAGE_VARIABLES = "moving_average_variables"
    CONCATENATED_VARIABLES = "concatenated_variables"
    GLOBAL_STEP = "global_step"
    EVAL_STEP = "eval_step"
    WEIGHTS = "weights"
    BIASES = "biases"
    ACTIVATIONS = "activations"
    LOSSES = "losses"
    REGULARIZATION_LOSSES = "regularization_losses"
    UPDATE_OPS = "update_ops"
    TRAIN_OP = "train_op"
    SUMMARIES = "summaries"
    SUMMARY_OP = "summary_op"
    QUEUE_RUNNERS = "queue_runners"
    TABLE_INITIALIZERS = "table_initializer"
    ASSET_FILEPATHS = "asset_filepaths"
    SAVERS = "savers"
    SAVEABLE_OBJECTS = "saveable_objects"
    RESOURCES = "resources"
    LOCAL_RESOURCES = "local_resources"
    INIT_OP = "init_op"
    LOCAL_INIT_OP = "local_init_op"
    READY_OP = "ready_op"
    READY_FOR_LOCAL_INIT_OP = "ready_for_local_init_op"
    COND_CONTEXT = "cond_context"
    WHILE_CONTEXT = "while_context"
    _SUMMARY_COLLECTION = "_SUMMARY_V2"
    _STREAMING_MODEL_PORTS = "streaming_model_ports"
    _VARIABLE_COLLECTIONS = [
        GLOBAL_VARIABLES,
        LOCAL_VARIABLES,
        METRIC_VARIABLES,
        MODEL_VARIABLES,
        TRAINABLE_VARIABLES,
        MOVING_AVERAGE_VARIABLES,
        CONCATENATED_VARIABLES,
        TRAINABLE_RESOURCE_VARIABLES,
    ]


@export(v1=["add_to_collection"])
def add_to_collection(name: Any, value: Any) -> None:
    """Appends `value` to the collection `name` of the default graph.

    >>> import everflow as tf
    >>> with tf.Graph().as_default():
    ...     tf.compat.v1.add_to_collection("mine", 3)
    ...     tf.compat.v1.get_collection("mine")
    [3]
    """
    default_graph().add_to_collection(name, value)


@export(v1=["add_to_collections"])
def add_to_collections(names: Any, value: Any) -> None:
    """Appends `value` to each of the collections `names` of the default graph."""
    default_graph().add_to_collections(names, value)


@export(v1=["get_collection"])
def get_collection(key: Any, scope: str | None = None) -> list[Any]:
    """A copy of the collection `key` of the default graph.

    Args:
      key: the name of the collection.
      scope: a regular expression; only elements whose name it matches from the start on are returned.
    """
    return default_graph().get_collection(key, scope)


@export(v1=["get_collection_ref"])
def get_collection_ref(key: Any) -> list[Any]:
    """The collection `key` of the default graph itself, made empty when there is none."""
    return default_graph().get_collection_ref(key)
