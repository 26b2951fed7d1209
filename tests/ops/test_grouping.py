"""Groups and tuples: names, devices and order of the operations that they make."""

import pytest

import everflow as tf

v1 = tf.compat.v1


@pytest.fixture
def graph():
    with tf.Graph().as_default() as fresh:
        yield fresh


def inputs_of(op):
    return [o.name for o in op.control_inputs]


def test_groups_on_one_device(graph):
    a, b = tf.constant(1.0, name="a"), tf.constant(2.0, name="b")
    assert inputs_of(tf.group(a, b)) == ["a", "b"]
    assert tf.group(a.op, [b, (a,)], name="nested").name == "nested"
    assert inputs_of(tf.group()) == []
    assert [o.name for o in graph.get_operations()[2:]] == ["group_deps", "nested", "group_deps_1"]


def test_a_group_of_several_devices_has_one_part_each(graph):
    with tf.device("/gpu:0"):
        a = tf.constant(1.0, name="a")
    b = tf.constant(2.0, name="b")
    done = tf.group(a, b)
    assert inputs_of(done) == ["group_deps/NoOp", "group_deps/NoOp_1"]
    parts = done.control_inputs
    assert [(inputs_of(p), p.device) for p in parts] == [(["b"], ""), (["a"], "/device:GPU:0")]


def test_tuples_wait_for_each_other(graph):
    a, b = tf.constant(1.0, name="a"), tf.constant(2.0, name="b")
    first, nothing, second = v1.tuple([a, None, b], name="both", control_inputs=[tf.constant(3.0, name="c")])
    assert nothing is None
    assert [first.op.name, second.op.name] == ["both/control_dependency", "both/control_dependency_1"]
    assert inputs_of(first.op) == ["both/group_deps"] and first.op.colocation_groups() == [b"loc:@a"]
    assert inputs_of(first.op.control_inputs[0]) == ["a", "b", "c"]
    assert tf.tuple([a], [b])[0].op.inputs[0] is a


def test_without_a_graph():
    tensor = tf.constant(1.0)
    assert tf.group(tensor) is None and tf.tuple([tensor, None]) == [tensor, None]


def test_errors(graph):
    with pytest.raises(ValueError, match="keyword"):
        tf.group(tf.constant(1.0), wrong=1)
    with pytest.raises(TypeError, match="received 3"):
        tf.group(3)
    with pytest.raises(ValueError, match="at least one tensor"):
        v1.tuple([None])
    with pytest.raises(TypeError, match="control_inputs"):
        v1.tuple([tf.constant(1.0)], control_inputs=[3])
