"""tf.compat.v1.Session: what can be fetched and fed, life and death of sessions, state, threads."""

import collections
import threading

import numpy as np
import pytest
import tensorflow as tf

v1 = tf.compat.v1
Pair = collections.namedtuple("Pair", ["first", "second"])


@pytest.fixture
def xy(graph):
    x = v1.placeholder(tf.float32, [None], name="x")
    return x, tf.multiply(x, 2.0, name="y")


# ------------------------------------------------------------------ fetches


def test_fetch_structures(session):
    a, b = tf.constant(1.0, name="a"), tf.constant([2, 3], name="b")
    nothing = tf.no_op(name="nothing")
    assert session.run(a) == 1.0 and isinstance(session.run(a), np.float32)
    assert isinstance(session.run(b), np.ndarray) and session.run(b).dtype == np.int32
    result = session.run([a, [b, (a, nothing)], {"k": b, "n": {"m": a}}])
    assert isinstance(result, list) and isinstance(result[1][1], tuple) and isinstance(result[2], dict)
    assert result[0] == 1.0 and result[1][0].tolist() == [2, 3] and result[1][1] == (1.0, None)
    assert result[2]["k"].tolist() == [2, 3] and result[2]["n"] == {"m": 1.0}
    pair = session.run(Pair(a, b))
    assert isinstance(pair, Pair) and pair.first == 1.0 and pair.second.tolist() == [2, 3]
    ordered = session.run(collections.OrderedDict([("z", a), ("a", b)]))
    assert isinstance(ordered, collections.OrderedDict) and list(ordered) == ["z", "a"]
    assert session.run((a,)) == (1.0,)
    assert session.run([]) == [] and session.run({}) == {}
    assert session.run([a, a, a]) == [1.0, 1.0, 1.0]


def test_fetch_operations_and_names(session):
    a = tf.constant(5, name="a")
    assert session.run("a:0") == 5
    assert session.run(["a:0", "a"]) == [5, None]
    assert session.run(a.op) is None
    assert session.run(tf.group(a)) is None
    variable = v1.Variable(3.0, name="v")
    session.run(variable.initializer)
    assert session.run(variable) == 3.0
    assert session.run({"v": variable, "op": variable.initializer}) == {"v": 3.0, "op": None}


def test_fetch_composite_values(session):
    sparse = tf.SparseTensor([[0, 1]], [5.0], [2, 2])
    value = session.run(sparse)
    assert isinstance(value, v1.SparseTensorValue)
    assert value.indices.tolist() == [[0, 1]] and value.values.tolist() == [5.0]
    assert value.dense_shape.tolist() == [2, 2]
    slices = tf.IndexedSlices(tf.constant([[1.0]]), tf.constant([2]), tf.constant([3, 1]))
    value = session.run(slices)
    assert type(value).__name__ == "IndexedSlicesValue" and value.dense_shape.tolist() == [3, 1]
    assert value.values.tolist() == [[1.0]] and value.indices.tolist() == [2]


@pytest.mark.parametrize(
    "fetch,error",
    [
        (None, TypeError),
        (3, TypeError),
        (2.5, TypeError),
        (object(), TypeError),
        ("absent:0", ValueError),
        ("absent", ValueError),
        ([None], TypeError),
        ({"a": 7}, TypeError),
    ],
)
def test_what_cannot_be_fetched(session, fetch, error):
    tf.constant(1, name="a")
    with pytest.raises(error):
        session.run(fetch)


def test_one_run_computes_each_operation_once(session):
    draw = tf.random.uniform([])
    first, second, total = session.run([draw, draw, draw + draw])
    assert first == second and total == first + second
    counter = v1.get_variable("c", [], initializer=v1.zeros_initializer(), use_resource=True)
    session.run(counter.initializer)
    step = counter.assign_add(1.0)
    session.run([step, step, step.op])
    assert session.run(counter) == 1.0


def test_only_what_is_needed_runs(session):
    x = v1.placeholder(tf.float32, name="x")
    ran = []
    side = tf.py_function(lambda: ran.append(1) or np.float32(1), [], tf.float32)
    assert session.run(tf.constant(1.0) + 1.0) == 2.0
    assert ran == []
    assert session.run(side + 1.0) == 2.0 and ran == [1]
    with tf.control_dependencies([side]):
        after = tf.constant(3.0)
    assert session.run(after) == 3.0 and ran == [1, 1]
    assert session.run(x * 2.0, {x: 2.0}) == 4.0 and ran == [1, 1]


# ------------------------------------------------------------------ feeds


def test_feeds(xy):
    x, y = xy
    with v1.Session() as session:
        assert session.run(y, {x: [1, 2]}).tolist() == [2.0, 4.0]
        assert session.run(y, {"x:0": np.array([1.5])}).tolist() == [3.0]
        assert session.run(y, feed_dict={x: (1, 2, 3)}).tolist() == [2.0, 4.0, 6.0]
        assert session.run([x, y], {x: [1.0]})[0].tolist() == [1.0]
        assert session.run(y, {x: np.array([1, 2], np.int64)}).tolist() == [2.0, 4.0]
        assert session.run(y, {x: []}).tolist() == []


def test_feeding_an_intermediate_tensor(xy):
    x, y = xy
    z = y + 1.0
    with v1.Session() as session:
        assert session.run(z, {y: [10.0]}).tolist() == [11.0]
        assert session.run([y, z], {y: [10.0, 20.0]})[0].tolist() == [10.0, 20.0]
        constant = tf.constant(3.0)
        assert session.run(constant * 2.0, {constant: 5.0}) == 10.0
        assert session.run(constant, {constant: 5.0}) == 5.0
        assert session.run(z, {z: [0.0]}).tolist() == [0.0]


def test_feeding_structures(session):
    sparse = v1.sparse_placeholder(tf.float32)
    dense = tf.sparse.to_dense(sparse)
    value = v1.SparseTensorValue([[0, 1]], [5.0], [1, 2])
    assert session.run(dense, {sparse: value}).tolist() == [[0.0, 5.0]]
    assert session.run(dense, {sparse: ([[0, 0]], [1.0], [1, 1])}).tolist() == [[1.0]]
    a, b = v1.placeholder(tf.float32), v1.placeholder(tf.float32)
    assert session.run(a + b, {a: 1.0, b: 2.0}) == 3.0
    strings = v1.placeholder(tf.string, [None])
    assert session.run(tf.identity(strings), {strings: ["a", b"b"]}).tolist() == [b"a", b"b"]
    flags = v1.placeholder(tf.bool)
    assert session.run(tf.logical_not(flags), {flags: True}) == False  # noqa: E712


def test_a_fetched_array_is_the_callers_own(session):
    variable, constant = v1.get_variable("v", [2], use_resource=True), tf.constant([1.0, 2.0])
    session.run(variable.initializer)
    for tensor in (variable, constant):
        before = session.run(tensor).tolist()
        session.run(tensor)[:] = 7.0
        assert session.run(tensor).tolist() == before


@pytest.mark.parametrize(
    "feed,error",
    [
        ([[1.0, 2.0]], ValueError),
        (1.0, ValueError),
        (["a"], ValueError),
        (None, ValueError),
        ({"a": 1}, TypeError),
        ([1.0, "b"], ValueError),
        ([[1.0], [1.0, 2.0]], ValueError),
    ],
    ids=repr,
)
def test_bad_feeds(xy, feed, error):
    x, y = xy
    with v1.Session() as session:
        with pytest.raises(error):
            session.run(y, {x: feed})


def test_feed_of_wrong_shape_names_the_tensor(xy):
    x, y = xy
    with v1.Session() as session:
        with pytest.raises(ValueError, match=r"\(1, 2\).*x:0"):
            session.run(y, {x: [[1.0, 2.0]]})


def test_feed_errors(xy):
    x, y = xy
    with v1.Session() as session:
        with pytest.raises(TypeError, match="[Tt]ensor"):
            session.run(y, {x: tf.constant([1.0])})
        with pytest.raises(TypeError):
            session.run(y, {3: 1.0})
        with pytest.raises(TypeError):
            session.run(y, {"absent:0": 1.0})
        with pytest.raises(TypeError):
            session.run(y, [x])
        with tf.Graph().as_default():
            foreign = v1.placeholder(tf.float32)
        with pytest.raises(TypeError):
            session.run(y, {foreign: [1.0]})


def test_unfed_placeholder_is_named(xy):
    x, y = xy
    with v1.Session() as session:
        with pytest.raises(tf.errors.InvalidArgumentError, match="x") as caught:
            session.run(y)
        assert caught.value.op.name == "x" and caught.value.node_def.name == "x"
        assert caught.value.error_code == tf.errors.INVALID_ARGUMENT
        assert "x" in caught.value.message


def test_unfeedable(session):
    x = tf.constant(1.0)
    session.graph.prevent_feeding(x)
    with pytest.raises(ValueError):
        session.run(x, {x: 2.0})
    y = tf.constant(1.0)
    session.graph.prevent_fetching(y.op)
    with pytest.raises(ValueError):
        session.run(y)


# ------------------------------------------------------------------ life of a session


def test_closed_session(graph):
    a = tf.constant(1)
    session = v1.Session()
    assert session.run(a) == 1
    session.close()
    with pytest.raises(RuntimeError, match="[Cc]losed"):
        session.run(a)
    session.close()


def test_context_manager_closes(graph):
    a = tf.constant(1)
    with v1.Session() as session:
        assert v1.get_default_session() is session
        assert a.eval() == 1
    assert v1.get_default_session() is None
    with pytest.raises(RuntimeError):
        session.run(a)


def test_as_default_does_not_close(graph):
    a = tf.constant(1)
    session = v1.Session()
    with session.as_default() as entered:
        assert entered is session and a.eval() == 1
    assert session.run(a) == 1
    session.close()


def test_session_context_sets_the_graph():
    graph = tf.Graph()
    with v1.Session(graph=graph) as session:
        assert session.graph is graph and v1.get_default_graph() is graph
        a = tf.constant(1)
        assert a.graph is graph
    assert v1.get_default_graph() is not graph
    with graph.as_default():
        assert v1.Session().graph is graph


def test_nested_sessions(graph):
    a = tf.constant(1)
    with v1.Session() as outer:
        with v1.Session() as inner:
            assert v1.get_default_session() is inner
        assert v1.get_default_session() is outer
        assert a.eval() == 1


def test_exceptions_close_the_session(graph):
    a = tf.constant(1)
    with pytest.raises(ZeroDivisionError):
        with v1.Session() as session:
            1 / 0  # noqa: B018
    with pytest.raises(RuntimeError):
        session.run(a)
    assert v1.get_default_session() is None


def test_empty_graph():
    with pytest.raises(RuntimeError, match="empty"):
        v1.Session(graph=tf.Graph()).run([])


@pytest.mark.parametrize("arguments", [{"target": 3}, {"graph": 3}, {"config": 3}], ids=repr)
def test_bad_session_arguments(graph, arguments):
    with pytest.raises(TypeError):
        v1.Session(**arguments)


def test_session_config(graph):
    config = v1.ConfigProto(
        allow_soft_placement=True, log_device_placement=False, intra_op_parallelism_threads=1
    )
    config.gpu_options.allow_growth = True
    config.gpu_options.per_process_gpu_memory_fraction = 0.4
    with v1.Session("", config=config) as session:
        assert session.run(tf.constant(1)) == 1
        assert session.graph_def.node[0].op == "Const"
        assert any("CPU:0" in device.name for device in session.list_devices())
        assert session.sess_str == b""


def test_run_options_and_metadata(session):
    x = tf.constant(1.0)
    metadata = v1.RunMetadata()
    options = v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE, timeout_in_ms=5000)
    assert session.run(x + 1.0, options=options, run_metadata=metadata) == 2.0
    assert len(metadata.step_stats.dev_stats) >= 1


def test_interactive_session():
    with tf.Graph().as_default():
        session = v1.InteractiveSession()
        try:
            a = tf.constant(4.0)
            assert a.eval() == 4.0 and v1.get_default_session() is session
            variable = v1.Variable(2.0)
            variable.initializer.run()
            assert variable.eval() == 2.0
        finally:
            session.close()
    assert v1.get_default_session() is None


def test_eval_and_run_methods(xy):
    x, y = xy
    variable = v1.Variable([1.0, 2.0], name="v")
    with v1.Session() as session:
        variable.initializer.run()
        assert y.eval({x: [3.0]}).tolist() == [6.0]
        assert y.eval(feed_dict={x: [3.0]}, session=session).tolist() == [6.0]
        assert variable.eval().tolist() == [1.0, 2.0]
        assert tf.group(y).run({x: [1.0]}) is None
        v1.assign(variable, x).op.run(feed_dict={x: [5.0, 6.0]})
        assert variable.eval(session).tolist() == [5.0, 6.0]
    with pytest.raises(ValueError):
        tf.no_op().run()
    with pytest.raises(ValueError):
        with tf.Graph().as_default(), v1.Session():
            y.eval({x: [1.0]})


def test_make_callable(xy):
    x, y = xy
    with v1.Session() as session:
        function = session.make_callable(y, [x])
        assert function([1.0, 2.0]).tolist() == [2.0, 4.0]
        assert function(np.array([3.0], np.float32)).tolist() == [6.0]
        pair = session.make_callable({"a": y, "b": x}, [x])([1.0])
        assert pair["a"].tolist() == [2.0] and pair["b"].tolist() == [1.0]
        assert session.make_callable(tf.no_op())() is None
        with pytest.raises((tf.errors.InvalidArgumentError, TypeError)):
            function()


def test_the_graph_may_grow_between_runs(session):
    a = tf.constant(1)
    assert session.run(a) == 1
    b = a + 1
    assert session.run(b) == 2
    variable = v1.Variable(b)
    session.run(variable.initializer)
    assert session.run([variable, b + variable]) == [2, 4]


def test_partial_results_of_many_runs_agree(session):
    x = v1.placeholder(tf.float32, [None, 2])
    weights = v1.Variable([[1.0], [2.0]])
    session.run(v1.global_variables_initializer())
    output = tf.matmul(x, weights)
    for rows in (1, 3, 1, 3, 3, 2):
        value = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)
        np.testing.assert_allclose(session.run(output, {x: value}), value @ [[1.0], [2.0]])


# ------------------------------------------------------------------ state and threads


def test_sessions_have_their_own_variables(graph):
    variable = v1.Variable(1.0)
    add = variable.assign_add(1.0)
    initialize = v1.global_variables_initializer()
    one, two = v1.Session(), v1.Session()
    one.run(initialize)
    one.run(add)
    with pytest.raises(tf.errors.FailedPreconditionError):
        two.run(variable)
    two.run(initialize)
    assert one.run(variable) == 2.0 and two.run(variable) == 1.0
    one.close()
    two.run(add)
    assert two.run(variable) == 2.0
    two.close()


def test_threads_share_a_session(graph):
    x = v1.placeholder(tf.float32, [])
    y = x * 2.0 + 1.0
    variable = v1.get_variable("total", [], initializer=v1.zeros_initializer(), use_resource=True)
    add = variable.assign_add(x, use_locking=True)
    results, errors = {}, []
    with v1.Session() as session:
        session.run(variable.initializer)

        def work(index):
            try:
                for _ in range(20):
                    results[index] = session.run(y, {x: float(index)})
                    session.run(add, {x: 1.0})
            except Exception as error:  # a thread's failure must reach the test
                errors.append(error)

        threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert results == {index: 2.0 * index + 1.0 for index in range(4)}
        assert session.run(variable) == 80.0


def test_default_session_is_per_thread(graph):
    seen = []
    with v1.Session() as session:
        thread = threading.Thread(target=lambda: seen.append(v1.get_default_session()))
        thread.start()
        thread.join()
        assert v1.get_default_session() is session
    assert seen == [None]


def test_a_blocking_dequeue_lets_others_run(graph):
    queue = tf.queue.FIFOQueue(1, tf.float32, [])
    value = v1.placeholder(tf.float32, [])
    taken, put = queue.dequeue(), queue.enqueue(value)
    got = []
    with v1.Session() as session:
        thread = threading.Thread(target=lambda: got.append(session.run(taken)))
        thread.start()
        session.run(put, {value: 7.0})
        thread.join(30)
        assert got == [7.0]


def test_session_errors_are_of_the_public_classes(session):
    x = v1.placeholder(tf.int32, [None])
    with pytest.raises(tf.errors.InvalidArgumentError, match="picked"):
        session.run(tf.gather(tf.constant([1, 2]), x, name="picked"), {x: [5]})
    checked = tf.debugging.check_numerics(tf.cast(x, tf.float32) / 0.0, "not finite", name="checked")
    with pytest.raises(tf.errors.InvalidArgumentError, match="not finite"):
        session.run(checked, {x: [1]})
    assert issubclass(tf.errors.InvalidArgumentError, tf.errors.OpError)
    guard = v1.Assert(tf.reduce_all(x > 0), ["values", x], name="guard")
    with tf.control_dependencies([guard]):
        y = tf.identity(x)
    assert session.run(y, {x: [1]}).tolist() == [1]
    with pytest.raises(tf.errors.InvalidArgumentError, match="values"):
        session.run(y, {x: [0]})
