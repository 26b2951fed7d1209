"""Graphs: names, scopes, control dependencies, collections, devices."""

import random

import pytest

import everflow as tf


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def names(graph):
    return [op.name for op in graph.get_operations()]


def test_names_are_made_unique(graph):
    for _ in range(3):
        tf.constant(1.0, name="c")
    tf.constant(1.0, name="c_1")
    assert names(graph) == ["c", "c_1", "c_2", "c_1_1"]
    assert graph.unique_name("c", mark_as_used=False) == graph.unique_name("c")
    assert graph.unique_name("c") != graph.unique_name("c")


def test_names_of_random_scopes_never_clash(graph):
    generator = random.Random(0)

    def inside(depth):
        for _ in range(3):
            name = generator.choice("ab")
            if depth and generator.random() < 0.6:
                with tf.name_scope(name):
                    inside(depth - 1)
            else:
                tf.constant(1.0, name=name)

    inside(4)
    found = names(graph)
    assert len({n.lower() for n in found}) == len(found)
    for name in found:
        assert graph.get_operation_by_name(name).name == name
        assert graph.get_tensor_by_name(name + ":0").op.name == name


@pytest.mark.parametrize("name", ["", "a b", "-a", "_a", "a:0", "a?"])
def test_bad_names(graph, name):
    if name == "":
        assert tf.constant(1.0, name="c").op.name == "c"
        return
    with pytest.raises(ValueError):
        tf.constant(1.0, name=name)


def test_scopes(graph):
    with graph.name_scope("a") as scope:
        assert scope == "a/" and graph.get_name_scope() == "a"
        first = tf.constant(1.0, name="c")
        with graph.name_scope(None):
            assert graph.get_name_scope() == ""
        with graph.name_scope("a"):
            second = tf.constant(1.0, name="c")
    with graph.name_scope("a"):
        third = tf.constant(1.0, name="c")
    with graph.name_scope("a/"):
        fourth = tf.constant(1.0, name="d")
    assert [t.op.name for t in (first, second, third, fourth)] == ["a/c", "a/a/c", "a_1/c", "a/d"]


@pytest.mark.parametrize("name, error", [
    ("missing", KeyError), ("missing:0", KeyError), ("c:1", KeyError), ("c:0:0", ValueError), (3, TypeError),
])
def test_elements_that_are_not_there(graph, name, error):
    tf.constant(1.0, name="c")
    with pytest.raises(error):
        graph.as_graph_element(name)


def test_elements_of_another_graph(graph):
    x = tf.constant(1.0)
    with pytest.raises(ValueError):
        tf.Graph().as_graph_element(x)
    assert graph.as_graph_element(x) is x and graph.as_graph_element(x.op) is x.op


def test_control_dependencies(graph):
    a, b, c = (tf.constant(1.0, name=n) for n in "abc")
    with tf.control_dependencies([a, b.op]):
        x = tf.identity(c)
        with tf.control_dependencies([c]):
            y = tf.identity(a, name="y")
            inner = tf.identity(y)
        with tf.control_dependencies(None):
            free = tf.identity(c)
    assert set(x.op.control_inputs) == {a.op, b.op}
    assert {b.op, c.op} <= set(y.op.control_inputs)
    assert inner.op.control_inputs == [] or set(inner.op.control_inputs) <= {a.op, b.op, c.op}
    assert free.op.control_inputs == []
    assert x.op in a.op._control_outputs


def test_finalized(graph):
    graph.finalize()
    with pytest.raises(RuntimeError, match="finalized"):
        tf.constant(1.0)
    assert graph.finalized


def test_collections(graph):
    for value in (1, 2, 2):
        graph.add_to_collection("numbers", value)
    graph.add_to_collections(["numbers", "others"], "x")
    assert graph.get_collection("numbers") == [1, 2, 2, "x"]
    x = tf.constant(1.0, name="scope_x")
    graph.add_to_collection("tensors", x)
    assert graph.get_collection("tensors", "scope") == [x] and graph.get_collection("tensors", "other") == []
    copy = graph.get_collection("others")
    copy.append("y")
    assert graph.get_collection("others") == ["x"]
    graph.get_collection_ref("others").append("z")
    assert graph.get_collection("others") == ["x", "z"]
    graph.clear_collection("others")
    assert graph.get_collection("others") == [] and graph.get_collection("never") == []
    assert "numbers" in graph.get_all_collection_keys()


def test_consumers_and_inputs(graph):
    x = tf.constant(1.0)
    y = tf.add(x, x)
    z = tf.exp(x)
    assert list(y.op.inputs) == [x, x] and set(x.consumers()) == {y.op, z.op}
    y.op._update_input(0, z)
    assert list(y.op.inputs) == [z, x] and y.op in z.consumers()


def test_devices(graph):
    with tf.device("/cpu:0"):
        a = tf.constant(1.0)
        with tf.device("/job:worker"):
            b = tf.constant(1.0)
        with tf.device(None):
            c = tf.constant(1.0)
    assert a.op.device == "/device:CPU:0" and b.op.device == "/job:worker/device:CPU:0" and c.op.device == ""


def test_default_graphs_nest():
    outer, inner = tf.Graph(), tf.Graph()
    with outer.as_default():
        assert tf.compat.v1.get_default_graph() is outer
        with pytest.raises(KeyError), inner.as_default():
            assert tf.compat.v1.get_default_graph() is inner
            raise KeyError
        assert tf.compat.v1.get_default_graph() is outer and not tf.executing_eagerly()
    assert tf.executing_eagerly()


def test_shape_errors_name_the_operation(graph):
    with pytest.raises(ValueError, match="product.*MatMul.*test_graph.py"):
        tf.matmul(tf.zeros([2, 3]), tf.zeros([2, 3]), name="product")
