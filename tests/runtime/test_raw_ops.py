"""Raw operations: one function per card, with TensorFlow's signatures."""

import inspect

import pytest

import everflow as tf
from everflow._src.runtime.raw_ops import raw_op, snake_case


@pytest.mark.parametrize(
    ("op_type", "name"),
    [
        ("MatMul", "mat_mul"),
        ("BatchMatMulV2", "batch_mat_mul_v2"),
        ("Conv2D", "conv2d"),
        ("Conv2DBackpropInput", "conv2d_backprop_input"),
        ("AvgPool3DGrad", "avg_pool3d_grad"),
        ("Relu6Grad", "relu6_grad"),
        ("LRNGrad", "lrn_grad"),
        ("IFFT2D", "ifft2d"),
        ("DepthwiseConv2dNative", "depthwise_conv2d_native"),
        ("CTCLossV2", "ctc_loss_v2"),
    ],
)
def test_snake_case(op_type, name):
    assert snake_case(op_type) == name


def test_signatures_leave_out_what_inputs_determine():
    assert str(inspect.signature(tf.raw_ops.AddV2)) == "(x, y, name=None)"
    assert str(inspect.signature(tf.raw_ops.Cast)) == "(x, DstT, Truncate=False, name=None)"
    assert str(inspect.signature(tf.raw_ops.ConcatV2)) == "(values, axis, name=None)"
    assert tf.raw_ops.AddV2.__name__ == "add_v2"


def test_computes():
    assert tf.raw_ops.Cast(x=1.5, DstT=tf.int32).numpy() == 1
    assert tf.raw_ops.ConcatV2(values=[[1], [2, 3]], axis=0).numpy().tolist() == [1, 2, 3]


def test_wrong_arguments():
    with pytest.raises(TypeError, match=r"only takes keyword args \(possible keys: \['x', 'y', 'name'\]"):
        tf.raw_ops.AddV2(1, 2)
    with pytest.raises(TypeError, match=r"add_v2\(\): got an unexpected keyword argument 'z'"):
        tf.raw_ops.AddV2(x=1, y=2, z=3)
    with pytest.raises(TypeError, match=r"cast\(\): missing a required argument: 'DstT'"):
        tf.raw_ops.Cast(x=1)


def test_internal_callers_may_give_arguments_by_position():
    assert tf.raw_ops.AddV2 is raw_op("AddV2")
    assert raw_op("AddV2", keyword_only=False)(1, 2).numpy() == 3
