"""Moving averages: values, names, and the correction of averages that start from zero."""

import numpy as np
import pytest

import everflow as tf
from everflow._src.training.moving_averages import assign_moving_average

v1 = tf.compat.v1


@pytest.mark.parametrize("use_resource", [False, True])
def test_names_and_operations(use_resource):
    with tf.Graph().as_default() as graph:
        v = v1.get_variable("v", initializer=[1.0, 2.0], use_resource=use_resource)
        tensor = tf.identity(v, name="t")
        average = tf.train.ExponentialMovingAverage(0.9)
        assert average.average(v) is None and average.average_name(v) == "v/ExponentialMovingAverage"
        assert average.apply([v, tensor]).name == "ExponentialMovingAverage"
        assert average.average(v).op.type == ("VarHandleOp" if use_resource else "VariableV2")
        assert average.average(tensor).name == "t/ExponentialMovingAverage:0"
        assert v1.moving_average_variables() == [v]
        assert {k: r.name for k, r in average.variables_to_restore().items()} == {
            "v/ExponentialMovingAverage": "v:0",
            "t/ExponentialMovingAverage": "t/ExponentialMovingAverage:0",
        }
        operation = "AssignSubVariableOp" if use_resource else "AssignSub"
        assert operation in {o.type for o in graph.get_operations()}
        with pytest.raises(TypeError, match="half, float, or double"):
            average.apply([tf.constant(1)])


def test_an_average_that_starts_from_zero_is_corrected():
    values = [3.0, 5.0, -1.0]
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [])
        average = tf.train.ExponentialMovingAverage(0.9, zero_debias=True)
        tensor = tf.identity(x, name="t")
        update = average.apply([tensor])
        assert [v.name for v in v1.global_variables()] == [
            "t/ExponentialMovingAverage:0",
            "t/ExponentialMovingAverage/biased:0",
            "t/ExponentialMovingAverage/local_step:0",
        ]
        session.run(v1.global_variables_initializer())
        biased = 0.0
        for step, value in enumerate(values, 1):
            session.run(update, {x: value})
            biased = 0.9 * biased + 0.1 * value
            np.testing.assert_allclose(session.run(average.average(tensor)), biased / (1 - 0.9**step), rtol=1e-5)


def test_one_step():
    average = tf.Variable([1.0])
    assign_moving_average(average, tf.constant([3.0]), 0.75, zero_debias=False)
    assert average.numpy().tolist() == [1.5]


def test_eager_averages_are_of_variables():
    with pytest.raises(TypeError, match="graph"):
        tf.train.ExponentialMovingAverage(0.5).apply([tf.constant(1.0)])
