"""Variables' storage, and the stores that own it."""

import numpy as np
import pytest

import everflow as tf
from everflow._src.runtime.resources import Resource, Store, VariableResource


def test_a_variable_without_a_value():
    resource = VariableResource(name="w")
    assert not resource.is_initialized
    for look in (resource.read, resource.peek):
        with pytest.raises(tf.errors.FailedPreconditionError, match="w"):
            look()
    resource.assign(np.ones(2))
    assert resource.is_initialized and resource.read().tolist() == [1, 1]


def test_who_reads_keeps_and_who_peeks_does_not():
    resource = VariableResource(np.ones(2))
    assert resource.shared  # whoever gave the value may hold it
    resource.shared = False
    resource.peek()
    assert not resource.shared
    resource.read()
    assert resource.shared
    resource.shared = False
    resource.assign(np.zeros(2))
    assert resource.shared


def test_stores_make_things_once():
    store, made = Store(), []

    def make():
        made.append(Resource("r"))
        return made[-1]

    first = store.get("queue", "", "r", make)
    assert store.get("queue", "", "r", make) is first and len(made) == 1
    assert store.find("queue", "", "r") is first
    assert store.find("table", "", "r") is None and store.find("queue", "other", "r") is None
    store.remove("queue", "", "r")
    store.remove("queue", "", "r")
    assert store.find("queue", "", "r") is None
    assert store.get("queue", "", "r", make) is not first


def test_containers_are_cleared_apart():
    class Waiting(Resource):
        cancelled = False

        def cancel(self):
            self.cancelled = True

    store = Store()
    a, b = (store.get("queue", c, "q", Waiting) for c in ("one", "two"))
    store.clear("one")
    assert a.cancelled and not b.cancelled and store.find("queue", "two", "q") is b
    store.clear()
    assert b.cancelled and store.find("queue", "two", "q") is None


def test_sessions_own_their_variables():
    with tf.Graph().as_default() as graph:
        v = tf.compat.v1.get_variable("v", initializer=1.0)
        w = tf.compat.v1.get_variable("w", initializer=1.0, use_resource=True)
        update = [v.assign_add(1.0), w.assign_add(2.0)]
        start = tf.compat.v1.global_variables_initializer()
    first, second = tf.compat.v1.Session(graph=graph), tf.compat.v1.Session(graph=graph)
    with first, second:
        first.run(start)
        with pytest.raises(tf.errors.FailedPreconditionError):
            second.run([v, w])
        second.run(start)
        first.run(update)
        assert first.run([v, w]) == [2, 3] and second.run([v, w]) == [1, 1]


def test_eager_variables_die_with_their_objects():
    import gc
    import weakref

    v = tf.Variable([1.0])
    resource = weakref.ref(v.handle._value)
    assert isinstance(resource(), VariableResource)
    del v
    gc.collect()
    assert resource() is None
