"""Where everflow's tf.function is stricter or more patient than TensorFlow's."""

import gc
import weakref

import numpy as np
import pytest

import everflow as tf
from everflow._src.tracing.cache_key import part_of_key, references_in


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


# ---- cache keys


def key_of(value):
    return part_of_key(value, [])


@pytest.mark.parametrize("same", [
    lambda: tf.ones([2, 3]), lambda: np.ones((2, 3), np.float32), lambda: [1, "a", None, True],
    lambda: {"b": 1, "a": 2},
    lambda: (1, (2.0, [3])), lambda: tf.constant("a"), lambda: np.float32(3), lambda: tf.TensorShape([1, None]),
    lambda: tf.float32, lambda: tf.TensorSpec([None, 2]), lambda: frozenset([1, 2]), lambda: range(3),
])
def test_equal_arguments_have_equal_keys(same):
    first, second = key_of(same()), key_of(same())
    assert first == second and hash(first) == hash(second)


def test_different_arguments_have_different_keys():
    values = [
        1, 1.0, True, "1", b"1", None, 1j, (1,), [1], {"a": 1}, {"b": 1}, (), [], ((1,),), tf.constant(1),
        tf.constant(1.0),
        tf.constant([1]), tf.constant([[1]]), tf.constant([1, 2]), tf.constant(1, tf.int64), tf.constant("1"),
        len, int, range(2),
        tf.float32, tf.TensorShape([1]), tf.TensorShape([None]), tf.TensorSpec([None]), frozenset([1]), tf.Variable(1),
        tf.IndexedSlices(tf.ones([1, 2]), tf.constant([0])),
    ]
    keys = [key_of(v) for v in values]
    for i, a in enumerate(keys):
        for j, b in enumerate(keys):
            assert (a == b) == (i == j), (values[i], values[j])


def test_arrays_tensors_and_specs_share_a_trace():
    keys = {key_of(v) for v in (np.ones(2, np.float32), tf.ones([2]), tf.TensorSpec([2]), tf.constant([3.0, 4.0]))}
    compiled = tf.function(lambda: tf.ones([2]), jit_compile=True)()
    assert len(keys) == 1 and key_of(compiled) in keys


def test_tensors_are_found_in_order():
    tensors = []
    a, b, c = tf.constant(1), tf.constant(2), tf.constant(3)
    part_of_key([b, {"z": a, "y": (c, 5)}], tensors)
    assert [int(t) for t in tensors] == [2, 3, 1]


def test_variables_and_objects_are_known_by_identity():
    v, w = tf.Variable([1.0]), tf.Variable([1.0])
    assert key_of(v) == key_of(v) != key_of(w)

    class Plain:
        pass

    class Equal:
        def __eq__(self, other):
            return isinstance(other, Equal)

        def __hash__(self):
            return 1

    one, other = Plain(), Plain()
    assert key_of(one) == key_of(one) != key_of(other)
    same, equal = Equal(), Equal()
    assert key_of(same) == key_of(equal)


def test_keys_hold_nothing_alive():
    class Plain:
        pass

    value = Plain()
    reference, key = weakref.ref(value), key_of([value, tf.constant(1)])
    (held,) = references_in(key)
    assert held() is value
    del value
    gc.collect()
    assert reference() is None and key != key_of([Plain(), tf.constant(1)])
