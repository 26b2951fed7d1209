"""Where everflow's tf.function is stricter or more patient than TensorFlow's."""

import gc
import weakref

import pytest

import everflow as tf


def test_numbers_of_different_types_have_traces_of_their_own():
    traces = []

    @tf.function
    def f(x):
        traces.append(x)
        return tf.constant(x)

    assert [f(v).dtype for v in (1, 1.0, True)] == [tf.int32, tf.float32, tf.bool]
    assert len(traces) == 3


def test_variables_of_a_failed_trace_are_not_counted():
    class Holder:
        v = None

    holder, fail = Holder(), [True]

    @tf.function(autograph=False)
    def f(x):
        made = holder.v if holder.v is not None else tf.Variable(3.0)
        if fail[0]:
            raise KeyError("not yet")
        holder.v = made
        return made * x

    with pytest.raises(KeyError):
        f(tf.constant(1.0))
    fail[0] = False
    assert float(f(tf.constant(2.0))) == 6.0 and float(f(tf.constant(3.0))) == 9.0


def test_dead_objects_take_their_traces_along():
    class Box:
        pass

    @tf.function
    def f(box):
        return box.tensor * 2.0

    box = Box()
    box.tensor = tf.ones([1000])
    f(box)
    concrete = weakref.ref(f._traces[0].concrete)
    del box
    gc.collect()
    assert f._cache == {} and concrete() is None


def test_the_error_says_what_to_pass():
    with pytest.raises(TypeError, match="not hashable"):
        tf.function(lambda x: 1)({1, 2})
    with pytest.raises(TypeError, match="keeps its default"):
        tf.function(lambda x, y=2: x, input_signature=[tf.TensorSpec([])])(1.0, 3)
