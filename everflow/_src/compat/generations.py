"""Switching a whole process between the behaviours of TensorFlow 1.x and 2.x."""

from __future__ import annotations

from everflow._src.framework import context, tensor_shape
from everflow._src.framework.context import STATE
from everflow._src.framework.export import export


def use_v1_behavior() -> None:
    """Everything as a 1.x program expects it: graphs, Dimension objects, tensors equal by identity."""
    context.disable_eager_execution()
    tensor_shape.disable_v2_tensorshape()
    STATE.resource_variables = False
    STATE.equality = False
    STATE.v2_control_flow = False
    STATE.v2_behavior = False


def use_v2_behavior() -> None:
    """Everything as a 2.x program expects it.

    Raises:
      ValueError: operations were added to the default graph already.
    """
    context.enable_eager_execution()
    tensor_shape.enable_v2_tensorshape()
    STATE.resource_variables = True
    STATE.equality = True
    STATE.v2_control_flow = True
    STATE.v2_behavior = True


@export(v1=["disable_v2_behavior"])
def disable_v2_behavior() -> None:
    """Makes the process behave as TensorFlow 1.x: graph mode, Dimension objects, identity of tensors.

    To be called at the start of a program.
    """
    use_v1_behavior()


@export("compat.v2.enable_v2_behavior", v1=["enable_v2_behavior"])
def enable_v2_behavior() -> None:
    """Makes the process behave as TensorFlow 2.x: eager execution, plain integers in shapes.

    To be called at the start of a program.

    Raises:
      ValueError: operations were added to the default graph already.
    """
    use_v2_behavior()


@export(v1=["enable_control_flow_v2"])
def enable_control_flow_v2() -> None:
    """Has `tf.cond` and `tf.while_loop` of new graphs made of functions (`If`, `While`)."""
    STATE.v2_control_flow = True


@export(v1=["disable_control_flow_v2"])
def disable_control_flow_v2() -> None:
    """Has `tf.cond` and `tf.while_loop` of new graphs made of `Switch`, `Merge`, `Enter`, `Exit`."""
    STATE.v2_control_flow = False


@export(v1=["control_flow_v2_enabled"])
def control_flow_v2_enabled() -> bool:
    """True when `tf.cond` and `tf.while_loop` make functional operations."""
    return STATE.v2_control_flow


@export(v1=["enable_tensor_equality"])
def enable_tensor_equality() -> None:
    """`==` between tensors compares their elements, as in TensorFlow 2.x."""
    STATE.equality = True


@export(v1=["disable_tensor_equality"])
def disable_tensor_equality() -> None:
    """`==` between tensors asks whether they are the same object, as in TensorFlow 1.x."""
    STATE.equality = False
