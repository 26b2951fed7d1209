"""What kernels ask of the frame they run in."""

import gc

import numpy as np
import pytest

import everflow as tf
from everflow._src.framework import dtypes
from everflow._src.framework.func_graph import FuncGraph, GraphFunction
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.runtime.background import BACKGROUND
from everflow._src.runtime.frames import HostFrame, program_of
from everflow._src.runtime.resources import Store, VariableResource


def function(body, *shapes, dtype=dtypes.float32):
    """A GraphFunction of `body` with arguments of these shapes."""
    graph = FuncGraph("f", outer_graph=None)
    with graph.as_default():
        arguments = [graph.add_input(dtype, TensorShape(s), "x") for s in shapes]
        outputs = body(*arguments)
        graph.outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    return GraphFunction(graph)


@pytest.fixture
def frame():
    return HostFrame(Store())


def one(value):
    return np.asarray(value, np.float32)


def test_read_and_assign(frame):
    resource = VariableResource(np.zeros(2))
    frame.assign(resource, np.ones(2))
    assert frame.read(resource).tolist() == [1, 1]
    with pytest.raises(tf.errors.FailedPreconditionError):
        frame.read(VariableResource(name="empty"))


def test_values_on_the_device_are_read_as_numpy(frame):
    v = tf.Variable([1.0, 2.0])
    tf.function(lambda: (v.assign_add([1.0, 1.0]), None)[1], jit_compile=True)()
    value = frame.read(v.handle._value)
    assert isinstance(value, np.ndarray) and value.tolist() == [2, 3]


def test_run_and_branch(frame):
    double, negative = function(lambda x: x * 2.0, [2]), function(lambda x: -x, [2])
    assert frame.run(double, [one([1, 2])])[0].tolist() == [2, 4]
    assert program_of(double) is program_of(double)
    for index, expected in ((0, [2, 4]), (np.int32(1), [-1, -2])):
        assert frame.branch(index, [double, negative], [one([1, 2])])[0].tolist() == expected


def test_loops_end(frame):
    below, step = function(lambda x: x < 10.0, []), function(lambda x: x * 2.0, [])
    assert frame.loop(below, step, [one(1)])[0] == 16
    assert frame.loop(below, step, [one(20)])[0] == 20
    assert frame.loop(below, step, [one(1)], 2)[0] == 4
    assert frame.loop(below, step, [one(1)], 0)[0] == 1


def test_rows(frame):
    add = function(lambda x, y: [x + y, tf.reduce_sum(x)], [2], [])
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    sums, totals = frame.map_rows(add, [rows, one(1)], [True, False], 3)
    assert sums.tolist() == (rows + 1).tolist() and totals.tolist() == rows.sum(1).tolist()
    sums, totals = frame.map_rows(add, [rows[:0], one(1)], [True, False], 0)
    assert sums.shape == (0, 2) and totals.shape == (0,) and sums.dtype == np.float32


def test_hidden_state_belongs_to_an_operation(frame):
    with tf.Graph().as_default():
        a, b = tf.random.uniform([2], seed=1).op, tf.random.uniform([2], seed=1).op
        assert frame.hidden(a) is frame.hidden(a) and frame.hidden(a) is not frame.hidden(b)
        state = frame.hidden(a)
        before = state.read().copy()
        state.assign(before + 1)
        frame.forget_hidden()
        assert frame.hidden(a) is state and state.read().tolist() == before.tolist()
        del a, b, state
    # A collection ends at once, and collects nothing, while one is going on in the thread that compiles.
    assert BACKGROUND.wait(120)
    gc.collect()
    assert len(frame._hidden) == 0
