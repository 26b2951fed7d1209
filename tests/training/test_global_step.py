"""The global step of graphs and of eager mode."""

import pytest

import everflow as tf

train = tf.compat.v1.train


def test_in_a_graph():
    with tf.Graph().as_default() as graph:
        assert train.get_global_step() is None
        with tf.name_scope("n"):
            step = train.create_global_step()
        assert step.name == "global_step:0" and not step.trainable and train.get_global_step(graph) is step
        with pytest.raises(ValueError, match="already exists"):
            train.create_global_step()
    with tf.Graph().as_default():
        assert train.get_or_create_global_step(graph) is step


def test_a_tensor_of_that_name_is_it():
    with tf.Graph().as_default():
        step = tf.constant(3, tf.int64, name="global_step")
        assert train.get_global_step() is step


def test_eagerly_there_is_one():
    step = train.get_or_create_global_step()
    assert step is train.get_or_create_global_step() is train.get_global_step()
    assert train.global_step(None, step) == int(step)


def test_what_can_be_one():
    for wrong, message in ((3, "Variable or Tensor"), (tf.constant(1.0), "integer"), (tf.constant([1]), "scalar")):
        with pytest.raises(TypeError, match=message):
            train.assert_global_step(wrong)
