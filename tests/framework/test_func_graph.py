"""Graphs of functions, and what they capture."""

import numpy as np
import pytest

import everflow as tf
from everflow._src.framework import dtypes
from everflow._src.framework.func_graph import FuncGraph, GraphFunction, flat_shapes
from everflow._src.framework.tensor_shape import TensorShape


def test_inputs_and_outputs():
    graph = FuncGraph("f", outer_graph=None)
    with graph.as_default():
        x = graph.add_input(dtypes.float32, TensorShape([None, 2]), "x")
        y = x * 2.0
        graph.outputs = [y]
    assert graph.inputs == [x] and x.op.type == "Placeholder" and x.shape.as_list() == [None, 2]
    function = GraphFunction(graph)
    assert function.outputs == [y] and function.inputs == [x] and "1 inputs, 1 outputs" in repr(function)
    assert flat_shapes([x, y]) == (x.shape, y.shape)
    assert GraphFunction(graph, outputs=[y, x]).outputs == [y, x] and GraphFunction(graph).name != function.name


def test_each_tensor_is_captured_once():
    outside = tf.constant([1.0, 2.0])
    graph = FuncGraph("f", outer_graph=None)
    with graph.as_default():
        y = outside + outside * outside
        graph.outputs = [y]
    assert [outer is outside for outer, _ in graph.captures] == [True]
    assert graph.external_captures[0] is outside and graph.internal_captures == graph.inputs


def test_small_integers_are_copied_and_numbers_are_captured():
    graph = FuncGraph("f", outer_graph=None)
    values = {
        "shape": tf.constant([2, 3]), "flag": tf.constant(True), "text": tf.constant("a"), "number": tf.constant(1.5),
        "large": tf.range(1000),
    }
    with graph.as_default():
        kinds = {k: graph.accept(v).op.type for k, v in values.items()}
    assert [k for k, kind in kinds.items() if kind == "Const"] == ["shape", "flag", "text"]
    assert [k for k, kind in kinds.items() if kind == "Placeholder"] == ["number", "large"]


def test_captures_pass_through_the_functions_in_between():
    with tf.Graph().as_default() as outer:
        x = tf.compat.v1.placeholder(tf.float32, [2])
        middle = FuncGraph("middle")
        with middle.as_default():
            inner = FuncGraph("inner")
            with inner.as_default():
                y = tf.exp(x)
    assert y.graph is inner and inner.outer_graph is middle and middle.outer_graph is outer
    (middle_x, inner_x), = inner.captures
    assert inner_x.graph is inner and middle_x.graph is middle
    assert middle.captures == [(x, middle_x)]


def test_tensors_of_a_function_that_does_not_surround_this_one():
    first, second = FuncGraph("first", outer_graph=None), FuncGraph("second", outer_graph=None)
    with first.as_default():
        x = tf.compat.v1.placeholder(tf.float32, [])
    with second.as_default(), pytest.raises(TypeError, match="out of scope.*'first'"):
        tf.exp(x)


def test_captures_have_no_scope_and_no_control_inputs():
    outside = tf.constant([1.0, 2.0])
    graph = FuncGraph("f", outer_graph=None)
    with graph.as_default(), tf.name_scope("scope"), tf.control_dependencies([tf.constant(1.0)]):
        y = tf.identity(outside)
    (placeholder,) = graph.inputs
    assert "scope" not in placeholder.op.name and placeholder.op.control_inputs == []
    assert y.op.name.startswith("scope/") and y.op.control_inputs


def test_branches_share_seeds_and_collections():
    with tf.Graph().as_default() as outer:
        tf.compat.v1.set_random_seed(7)
        inner = FuncGraph("branch")
        with inner.as_default():
            tf.compat.v1.add_to_collection("things", 1)
    assert inner.seed == 7 and outer.get_collection("things") == [1]


def test_capturing_what_is_no_tensor():
    with pytest.raises(TypeError, match="cannot capture"):
        FuncGraph("f", outer_graph=None).capture(np.ones(2))
