"""Threads that share a session, a function and variables."""

import sys
import threading

import numpy as np
import pytest

import everflow as tf

_THREADS, _TIMES = 4, 60


@pytest.fixture(autouse=True)
def eager_to_switch():
    """Threads change places as often as the interpreter can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_threads(*works):
    """Runs functions of a thread's number, each in several threads; raises what one of them raised."""
    errors = []
    gate = threading.Barrier(_THREADS * len(works))

    def guarded(work, number):
        try:
            gate.wait()
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(w, n)) for w in works for n in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_eager_updates_are_not_lost():
    v = tf.Variable(0)
    table = tf.Variable(tf.zeros([3]))

    def work(number):
        for _ in range(_TIMES):
            v.assign_add(1)
            table.scatter_nd_add([[number % 3]], [1.0])

    in_threads(work)
    assert int(v) == _THREADS * _TIMES
    assert float(tf.reduce_sum(table)) == _THREADS * _TIMES


@pytest.mark.parametrize("jit_compile", [True, False, None])
def test_one_function(jit_compile):
    v = tf.Variable(tf.zeros([3]))
    count = tf.Variable(0)

    @tf.function(jit_compile=jit_compile)
    def step(x):
        count.assign_add(1)
        v.assign_add(x)
        return x * 2.0, tf.shape(x)

    def work(number):
        for n in range(_TIMES):
            held = v.read_value()
            before = held.numpy().copy()
            doubled, shape = step(tf.fill([3], float(number + n)))
            np.testing.assert_array_equal(doubled, np.full(3, 2.0 * (number + n)))
            np.testing.assert_array_equal(held, before)
            assert shape.numpy().tolist() == [3]

    in_threads(work)
    assert int(count) == _THREADS * _TIMES
    total = sum(float(number + n) for number in range(_THREADS) for n in range(_TIMES))
    np.testing.assert_array_equal(v, np.full(3, total))


def test_shapes_of_each_thread():
    @tf.function(jit_compile=True, input_signature=[tf.TensorSpec([None, 2])])
    def f(x):
        kept = tf.boolean_mask(x, x[:, 0] > 0.5)
        return tf.shape(x), tf.reduce_sum(kept), tf.reshape(x, [-1])

    def work(number):
        for n in range(_TIMES // 3):
            rows = 1 + (number + n) % 5
            shape, total, flat = f(tf.ones([rows, 2]))
            assert shape.numpy().tolist() == [rows, 2] and float(total) == 2.0 * rows and flat.shape == [2 * rows]

    in_threads(work)


def test_one_session_and_one_function_at_once():
    with tf.Graph().as_default():
        ref = tf.compat.v1.get_variable("ref", initializer=0)
        resource = tf.compat.v1.get_variable("resource", initializer=[0.0, 0.0], use_resource=True)
        x = tf.compat.v1.placeholder(tf.float32, [None])
        total = tf.reduce_sum(x)
        update = tf.group(ref.assign_add(1), resource.assign_add([1.0, 2.0]))
        session = tf.compat.v1.Session()
        session.run(tf.compat.v1.global_variables_initializer())
    v = tf.Variable(0.0)

    @tf.function
    def f(y):
        v.assign_add(1.0)
        return tf.reduce_sum(y)

    def in_session(number):
        for n in range(_TIMES):
            value, _ = session.run([total, update], {x: np.ones(1 + (n + number) % 4)})
            assert value == 1 + (n + number) % 4

    def in_function(number):
        for n in range(_TIMES):
            assert float(f(tf.ones([1 + (n + number) % 4]))) == 1 + (n + number) % 4

    with session:
        in_threads(in_session, in_function)
        assert session.run(ref) == _THREADS * _TIMES
        np.testing.assert_array_equal(session.run(resource), np.array([1.0, 2.0]) * _THREADS * _TIMES)
    assert float(v) == _THREADS * _TIMES


def test_tapes_are_their_threads_own():
    v = tf.Variable([1.0, 2.0])

    @tf.function
    def loss(x):
        return tf.reduce_sum(tf.square(v) * x)

    def work(number):
        for _ in range(_TIMES // 3):
            with tf.GradientTape() as tape:
                y = loss(float(number))
            np.testing.assert_allclose(tape.gradient(y, v), 2.0 * number * np.array([1.0, 2.0]))

    in_threads(work)


def test_graphs_built_at_once():
    def work(number):
        with tf.Graph().as_default() as graph:
            for n in range(_TIMES):
                tf.add(tf.constant(float(n)), float(number), name="sum")
            names = [op.name for op in graph.get_operations() if op.type == "AddV2"]
            assert names == ["sum"] + [f"sum_{i}" for i in range(1, _TIMES)]
            with tf.compat.v1.Session() as session:
                assert session.run("sum_3:0") == 3.0 + number

    in_threads(work)
