"""Templates share their variables between calls."""

import pytest

import everflow as tf

v1 = tf.compat.v1


def scale(x):
    return x * v1.get_variable("w", initializer=2.0)


def names(variables):
    return [v.name for v in variables]


def test_in_a_graph():
    with tf.Graph().as_default() as graph:
        shared = v1.make_template("scale", scale)
        assert shared.variables == [] and shared.variable_scope is None
        one, two = shared(tf.constant(1.0)), shared(tf.constant(2.0))
        assert (one.op.name, two.op.name) == ("scale/mul", "scale_1/mul")
        assert names(shared.variables) == ["scale/w:0"] == names(v1.global_variables())
        other = v1.make_template("scale", scale, create_scope_now_=True)
        assert other.variable_scope.name == "scale_1" and other.name == "scale"
        unique = v1.make_template("scale", scale, unique_name_="mine")
        unique(tf.constant(1.0))
        assert names(unique.trainable_variables) == ["mine/w:0"] and graph.get_name_scope() == ""


def test_later_calls_make_no_variables():
    with tf.Graph().as_default():
        template = v1.make_template("t", lambda: tf.Variable(1.0))
        template()
        with pytest.raises(ValueError, match="after the first time"):
            template()


def test_arguments_for_all_calls():
    with tf.Graph().as_default():
        template = v1.make_template("t", lambda x, y: x + y, y=tf.constant(3.0))
        assert template(1.0).op.type == "AddV2"


def test_eagerly():
    shared = v1.make_template("scale", scale)
    assert float(shared(2.0)) == 4.0
    shared.variables[0].assign(5.0)
    assert float(shared(2.0)) == 10.0 and names(shared.variables) == ["scale/w:0"]
