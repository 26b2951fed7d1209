"""Graphs as messages and back, and a message that TensorFlow wrote."""

import pathlib

import numpy as np
import pytest

import everflow as tf

v1 = tf.compat.v1
WRITTEN_BY_TENSORFLOW = pathlib.Path(__file__).parent / "data" / "graph_of_tensorflow_2_15.pb"


def read():
    return v1.GraphDef.FromString(WRITTEN_BY_TENSORFLOW.read_bytes())


def run_imported(message):
    with tf.Graph().as_default() as graph, v1.Session() as session:
        out, initialize, after = tf.graph_util.import_graph_def(
            message, return_elements=["out:0", "init", "after"], name=""
        )
        session.run(initialize)
        assert out.shape.as_list() == [None, 2]
        value, nothing = session.run([out, after], {"x:0": [[1.0, 1.0]]})
        assert nothing is None
        return value, graph.as_graph_def()


def test_what_tensorflow_wrote_runs_here():
    value, _ = run_imported(read())
    np.testing.assert_array_equal(value, [[161.0, 138.0]])


def test_what_is_imported_can_be_exported_again():
    message = read()
    _, exported = run_imported(message)
    assert {n.name for n in exported.node} == {n.name for n in message.node}
    assert {f.signature.name for f in exported.library.function} == {
        f.signature.name for f in message.library.function
    }
    value, _ = run_imported(exported)
    np.testing.assert_array_equal(value, [[161.0, 138.0]])


def graph_of(build):
    with tf.Graph().as_default() as graph:
        build()
    return graph.as_graph_def()


def test_inputs_are_replaced():
    def build():
        x = v1.placeholder(tf.float32, [2], name="x")
        tf.add(tf.identity(x, name="middle"), 1.0, name="y")

    message = graph_of(build)
    with tf.Graph().as_default(), v1.Session() as session:
        (y,) = tf.graph_util.import_graph_def(message, {"middle:0": [5.0, 6.0]}, ["y:0"])
        assert y.name == "import/y:0"
        assert session.run(y).tolist() == [6.0, 7.0]
        with pytest.raises(ValueError, match="absent"):
            tf.graph_util.import_graph_def(message, {"absent:0": tf.constant(1.0)})


def test_devices_and_colocation_follow_the_scope():
    def build():
        with tf.device("/cpu:0"):
            a = tf.constant(1, name="a")
        with v1.colocate_with(a):
            tf.constant(2, name="b")

    message = graph_of(build)
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(message, name="in")
        assert graph.get_operation_by_name("in/a").device == "/device:CPU:0"
        assert graph.get_operation_by_name("in/b").colocation_groups() == [b"loc:@in/a"]
        tf.graph_util.import_graph_def(message, name="in")
        assert graph.get_operation_by_name("in_1/a").type == "Const"


def test_names_of_imported_operations_are_taken():
    message = graph_of(lambda: tf.constant(1, name="a"))
    with tf.Graph().as_default():
        tf.graph_util.import_graph_def(message, name="")
        assert tf.constant(2, name="a").name == "a_1:0"
        with pytest.raises(ValueError, match="'a'"):
            tf.graph_util.import_graph_def(message, name="")


def test_nodes_come_in_any_order():
    message = graph_of(lambda: tf.add(tf.constant(1, name="a"), 2, name="b"))
    reordered = v1.GraphDef(versions=message.versions, node=reversed(list(message.node)))
    with tf.Graph().as_default(), v1.Session() as session:
        (b,) = tf.graph_util.import_graph_def(reordered, return_elements=["b:0"])
        assert session.run(b) == 3


@pytest.mark.parametrize(
    "node,error,word",
    [
        ({"op": "NoSuchOperation"}, NotImplementedError, "NoSuchOperation"),
        ({"op": "Identity", "input": ["absent"]}, ValueError, "absent"),
        ({"op": "Identity", "input": ["n"]}, ValueError, "cycle"),
        ({"op": "Placeholder"}, ValueError, "dtype"),
    ],
)
def test_broken_messages(node, error, word):
    message = v1.GraphDef(node=[v1.NodeDef(name="n", **node)])
    with tf.Graph().as_default(), pytest.raises(error, match=word):
        tf.graph_util.import_graph_def(message)


def test_wrong_arguments():
    with tf.Graph().as_default():
        with pytest.raises(TypeError):
            tf.graph_util.import_graph_def("no message")
        with pytest.raises(TypeError):
            tf.graph_util.import_graph_def(v1.GraphDef(), return_elements=[3])
