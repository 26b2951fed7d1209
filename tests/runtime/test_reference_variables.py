"""Reference variables of 1.x inside of branches and loops: they are read and assigned there as outside."""

import pytest

import everflow as tf

v1 = tf.compat.v1


@pytest.fixture
def session():
    with tf.Graph().as_default(), v1.Session() as fresh:
        yield fresh


def test_branches_assign_and_read(session):
    v = v1.Variable(1.0, use_resource=False)
    chosen = v1.Variable(True, use_resource=False)
    up = v1.placeholder(tf.bool, [])
    changed = tf.cond(up, lambda: v1.assign_add(v, 1.0), lambda: v1.assign(v, 10.0))
    read = tf.cond(chosen, lambda: v * 2.0, lambda: v)
    session.run(v1.global_variables_initializer())
    for _ in range(4):  # from the second time on, compiled
        session.run(v.initializer)
        assert session.run(changed, {up: True}) == 2.0 == session.run(v) and session.run(read) == 4.0
        assert session.run(changed, {up: False}) == 10.0 == session.run(v)


def test_loops_assign(session):
    v = v1.Variable(1.0, use_resource=False)

    def body(i):
        with tf.control_dependencies([v1.assign_add(v, 1.0)]):
            return i + 1

    loop = v1.while_loop(lambda i: i < 5, body, [0])
    session.run(v.initializer)
    for expected in (6.0, 11.0, 16.0):
        assert session.run(loop) == 5 and session.run(v) == expected


def test_initial_values_may_depend_on_other_variables(session):
    first = v1.Variable(tf.random.uniform([3]), use_resource=False)
    second = v1.Variable(first.initialized_value() * 2.0)
    session.run([first.initializer])
    session.run(second.initializer)
    one, two = session.run([first, second])
    assert (one * 2.0 == two).all()
