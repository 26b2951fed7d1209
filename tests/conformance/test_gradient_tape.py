"""tf.GradientTape: what it records, what it forgets, and what it answers."""

import threading

import numpy as np
import pytest
import tensorflow as tf


def value(tensor):
    return None if tensor is None else np.asarray(tf.convert_to_tensor(tensor)).tolist()


# ------------------------------------------------------------------ what is recorded


def test_watched_tensor():
    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    gradient = tape.gradient(y, x)
    assert isinstance(gradient, tf.Tensor)
    assert gradient.dtype is tf.float32 and gradient.shape == []
    assert value(gradient) == 6.0


def test_unwatched_tensor_has_no_gradient():
    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        y = x * x
    assert tape.gradient(y, x) is None


def test_variables_are_watched_by_themselves():
    v = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        y = v * v
    assert tape.watched_variables() == (v,)
    assert value(tape.gradient(y, v)) == 6.0


def test_untrainable_variables_are_not_watched():
    frozen = tf.Variable(3.0, trainable=False)
    with tf.GradientTape(persistent=True) as tape:
        y = frozen * frozen
        tape.watch(frozen)
        z = frozen * frozen
    assert tape.gradient(y, frozen) is None
    assert value(tape.gradient(z, frozen)) == 6.0


def test_watched_variables():
    a, b, c = (tf.Variable(float(i)) for i in range(3))
    with tf.GradientTape() as tape:
        _ = c * a * c
    assert {v.ref() for v in tape.watched_variables()} == {c.ref(), a.ref()}
    assert b.ref() not in {v.ref() for v in tape.watched_variables()}
    with tf.GradientTape() as tape:
        pass
    assert tape.watched_variables() == ()


def test_watch_accessed_variables_off():
    a, b = tf.Variable(2.0), tf.Variable(5.0)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(a)
        y = a * b
    assert [value(g) for g in tape.gradient(y, [a, b])] == [5.0, None]
    assert len(tape.watched_variables()) == 1


@pytest.mark.parametrize(
    "structure", [lambda a, b: [a, b], lambda a, b: (a, b), lambda a, b: {"a": a, "b": [b]}]
)
def test_watch_takes_structures(structure):
    a, b = tf.constant(2.0), tf.constant(5.0)
    with tf.GradientTape() as tape:
        tape.watch(structure(a, b))
        y = a * b
    assert [value(g) for g in tape.gradient(y, [a, b])] == [5.0, 2.0]


def test_watch_refuses_what_is_no_tensor():
    with tf.GradientTape() as tape:
        with pytest.raises(ValueError, match="ndarray"):
            tape.watch(np.ones(2))
        with pytest.raises(ValueError):
            tape.watch(1.0)


def test_watching_after_use_counts_from_then_on():
    x = tf.constant(3.0)
    with tf.GradientTape(persistent=True) as tape:
        before = x * x
        tape.watch(x)
        after = x * 5.0
    assert tape.gradient(before, x) is None
    assert value(tape.gradient(after, x)) == 5.0
    assert value(tape.gradient([before, after], x)) == 5.0


def test_only_operations_inside_the_context_are_recorded():
    x = tf.constant(3.0)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x * x
    z = y * y
    assert tape.gradient(z, x) is None
    assert value(tape.gradient(y, x)) == 6.0


def test_context_can_be_entered_again():
    v = tf.Variable(2.0)
    tape = tf.GradientTape()
    with tape:
        y = v * v
    with tape:
        z = y * v
    assert value(tape.gradient(z, v)) == 12.0
    with tape:
        with pytest.raises(ValueError, match="already"):
            tape.__enter__()


# ------------------------------------------------------------------ how often it answers


def test_not_persistent_answers_once():
    v = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        y = v * v
    assert value(tape.gradient(y, v)) == 6.0
    with pytest.raises(RuntimeError, match="persistent"):
        tape.gradient(y, v)


def test_persistent_answers_often():
    v = tf.Variable(3.0)
    with tf.GradientTape(persistent=True) as tape:
        y = v * v
        z = y * y
    for _ in range(2):
        assert value(tape.gradient(z, v)) == 108.0
        assert value(tape.gradient(z, y)) == 18.0
        assert value(tape.gradient(y, v)) == 6.0
    del tape


def test_gradient_inside_the_context_of_a_persistent_tape():
    v = tf.Variable(3.0)
    with tf.GradientTape(persistent=True) as tape:
        y = v * v * v
        first = tape.gradient(y, v)
        z = first * 2.0
    assert value(first) == 27.0
    assert value(tape.gradient(z, v)) == 36.0


def test_gradient_inside_the_context_of_a_tape_that_answers_once():
    v = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        y = v * v
        assert value(tape.gradient(y, v)) == 6.0
        with pytest.raises(RuntimeError):
            tape.gradient(y, v)


def test_reset_forgets():
    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
        tape.reset()
        tape.watch(x)
        z = x * 2.0 + y
    assert value(tape.gradient(z, x)) == 2.0


def test_stop_recording():
    v = tf.Variable(3.0)
    with tf.GradientTape(persistent=True) as tape:
        y = v * v
        with tape.stop_recording():
            inside = tape.gradient(y, v)
            hidden = v * 10.0
        z = y + hidden
    assert value(inside) == 6.0
    assert tape.gradient(hidden, v) is None
    assert value(tape.gradient(z, v)) == 6.0
    with pytest.raises(ValueError, match="[Tt]ape"):
        with tape.stop_recording():
            pass


# ------------------------------------------------------------------ higher orders


def test_second_order_by_nesting():
    x = tf.constant(3.0)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = x**3
        first = inner.gradient(y, x)
    second = outer.gradient(first, x)
    assert value(first) == 27.0 and value(second) == 18.0


def test_third_order_of_a_variable():
    v = tf.Variable(2.0)
    with tf.GradientTape() as outermost:
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                y = v**4 + tf.sin(v)
            first = inner.gradient(y, v)
        second = outer.gradient(first, v)
    third = outermost.gradient(second, v)
    np.testing.assert_allclose(first, 32 + np.cos(2.0), rtol=1e-6)
    np.testing.assert_allclose(second, 48 - np.sin(2.0), rtol=1e-6)
    np.testing.assert_allclose(third, 48 - np.cos(2.0), rtol=1e-6)


def test_orders_from_one_persistent_tape():
    x = tf.constant(2.0, tf.float64)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        derivatives = [tf.exp(2.0 * x)]
        for _ in range(4):
            derivatives.append(tape.gradient(derivatives[-1], x))
    np.testing.assert_allclose([float(d) for d in derivatives], [np.exp(4.0) * 2**k for k in range(5)])


def test_gradient_penalty():
    w = tf.Variable([[1.0], [2.0]])
    x = tf.constant([[3.0, 4.0]])
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = tf.tanh(x @ w)
        slope = inner.gradient(y, x)
        penalty = tf.reduce_sum(slope**2)
    (gradient,) = outer.gradient(penalty, [w])
    s = 1 - np.tanh(11.0) ** 2
    expected = 2 * s**2 * np.array([[1.0], [2.0]]) - 4 * 5 * s**2 * np.tanh(11.0) * np.array([[3.0], [4.0]])
    np.testing.assert_allclose(gradient, expected, rtol=1e-2, atol=1e-12)


# ------------------------------------------------------------------ targets and sources


def test_several_targets_add_up():
    v = tf.Variable(3.0)
    with tf.GradientTape(persistent=True) as tape:
        a, b = v * v, 4.0 * v
    assert value(tape.gradient([a, b], v)) == 10.0
    assert value(tape.gradient({"a": a, "b": (b,)}, v)) == 10.0


def test_target_of_any_shape_is_summed():
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    assert value(tape.gradient(y, x)) == [[2.0, 4.0], [6.0, 8.0]]


def test_gradient_has_the_structure_of_the_sources():
    v, w = tf.Variable(2.0), tf.Variable([1.0, 2.0])
    with tf.GradientTape(persistent=True) as tape:
        y = tf.reduce_sum(v * w)
    answer = tape.gradient(y, {"v": v, "rest": [w, (v,)]})
    assert set(answer) == {"v", "rest"}
    assert isinstance(answer["rest"], list) and isinstance(answer["rest"][1], tuple)
    assert value(answer["v"]) == value(answer["rest"][1][0]) == 3.0
    assert value(answer["rest"][0]) == [2.0, 2.0]
    assert isinstance(tape.gradient(y, (v, w)), tuple)
    assert tape.gradient(y, []) == []


def test_intermediate_results_are_sources_too():
    x = tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
        z = tf.exp(y) * x
    gradients = tape.gradient(z, [x, y])
    np.testing.assert_allclose(gradients, [np.exp(4.0) * 9, 2 * np.exp(4.0)], rtol=1e-6)


def test_target_that_is_a_source():
    x, v = tf.constant(2.0), tf.Variable(7.0)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x * 3.0
        z = v + 0.0
    assert value(tape.gradient(x, x)) == 1.0
    assert value(tape.gradient(y, y)) == 1.0
    assert [value(g) for g in tape.gradient([y, x], [x, y])] == [4.0, 1.0]
    assert value(tape.gradient(z, v)) == 1.0


def test_unconnected_gradients():
    x, y = tf.Variable([1.0, 2.0]), tf.Variable([[3.0]])
    with tf.GradientTape(persistent=True) as tape:
        z = tf.reduce_sum(x * 2.0)
    assert [value(g) for g in tape.gradient(z, [x, y])] == [[2.0, 2.0], None]
    zeros = tape.gradient(z, [x, y], unconnected_gradients=tf.UnconnectedGradients.ZERO)
    assert [value(g) for g in zeros] == [[2.0, 2.0], [[0.0]]]
    assert value(tape.gradient(z, y, unconnected_gradients="zero")) == [[0.0]]
    assert tape.gradient(z, y, unconnected_gradients="none") is None
    with pytest.raises(ValueError):
        tape.gradient(z, y, unconnected_gradients="nonsense")


def test_output_gradients():
    x = tf.constant([1.0, 2.0, 3.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x * x
        z = 5.0 * x
    weights = tf.constant([1.0, 10.0, 100.0])
    assert value(tape.gradient(y, x, output_gradients=weights)) == [2.0, 40.0, 600.0]
    assert value(tape.gradient([y, z], x, output_gradients=[weights, tf.ones(3)])) == [7.0, 45.0, 605.0]
    assert value(tape.gradient(y, x, output_gradients=np.array([1, 0, 1], np.float32))) == [2.0, 0.0, 6.0]


def test_assignments_cut_the_history():
    v = tf.Variable(3.0)
    with tf.GradientTape(persistent=True) as tape:
        before = v * v
        v.assign(before * 2.0)
        after = v * v
    assert value(v) == 18.0
    assert value(tape.gradient(before, v)) == 6.0
    assert value(tape.gradient(after, v)) == 36.0


def test_same_variable_many_times():
    v = tf.Variable([1.0, 2.0])
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(v + v + v[0] * v[1] + tf.identity(v))
    assert value(tape.gradient(y, v)) == [3.0 + 4.0, 3.0 + 2.0]


# ------------------------------------------------------------------ types


def test_integers_cannot_be_differentiated():
    i = tf.constant(3)
    x = tf.constant(2.0)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        tape.watch(i)
        j = i * i
        y = tf.cast(tf.cast(x, tf.int32), tf.float32) * x
        whole = tf.cast(x, tf.int64)
    assert tape.gradient(j, i) is None
    assert value(tape.gradient(y, x)) == 2.0
    assert tape.gradient(whole, x) is None


def test_integers_are_refused_with_a_warning(run_script):
    lines = run_script(
        """
        import logging
        import tensorflow as tf

        class Handler(logging.Handler):
            def emit(self, record):
                print(record.levelname, "floating" in record.getMessage(), "int32" in record.getMessage())

        tf.get_logger().addHandler(Handler())
        i = tf.constant(3)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(i)
            j = i * 2
        print("watched")
        print(tape.gradient(j, i))
        """
    ).splitlines()
    assert lines == ["WARNING True True", "watched", "None"]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "complex64", "complex128"])
def test_gradient_has_the_type_of_its_source(dtype):
    x = tf.cast([1.5, 2.0], dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(x * x)
    gradient = tape.gradient(y, x)
    assert gradient.dtype == dtype
    np.testing.assert_array_equal(np.asarray(tf.cast(gradient, tf.complex64)), [3.0, 4.0])


def test_gradients_cross_casts():
    x = tf.constant(3.0, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.cast(x, tf.float64) ** 2
    gradient = tape.gradient(y, x)
    assert gradient.dtype is tf.float32 and value(gradient) == 6.0


def test_operations_without_gradient():
    x = tf.constant([1.2, 3.7])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        smooth = tf.reduce_sum(x)
        steps = tf.reduce_sum(tf.floor(x) + tf.round(x) + tf.zeros_like(x) + tf.stop_gradient(x))
        signs = tf.sign(x)
        index = tf.argmax(x)
    assert tape.gradient(smooth + 0.0, x) is None
    assert value(tape.gradient(smooth, x)) == [1.0, 1.0]
    assert tape.gradient(index, x) is None
    assert tape.gradient(steps, x) is None
    assert value(tape.gradient(signs, x)) == [0.0, 0.0]


# ------------------------------------------------------------------ sparse gradients


def test_gather_gives_indexed_slices():
    table = tf.Variable(np.arange(8.0).reshape(4, 2).astype(np.float32))
    with tf.GradientTape() as tape:
        rows = tf.gather(table, [2, 0, 2])
        y = tf.reduce_sum(rows * tf.constant([[1.0], [10.0], [100.0]]))
    gradient = tape.gradient(y, table)
    assert isinstance(gradient, tf.IndexedSlices)
    assert gradient.dtype is tf.float32 and gradient.shape == [4, 2]
    assert value(gradient.indices) == [2, 0, 2]
    assert value(gradient.values) == [[1.0, 1.0], [10.0, 10.0], [100.0, 100.0]]
    assert value(gradient.dense_shape) == [4, 2]
    assert str(gradient).startswith(
        "IndexedSlices(indices=tf.Tensor([2 0 2], shape=(3,), dtype=int32), values=tf.T"
    )
    assert "IndexedSlices object at 0x" in repr(gradient)
    dense = tf.convert_to_tensor(gradient)
    assert value(dense) == [[10.0, 10.0], [0.0, 0.0], [101.0, 101.0], [0.0, 0.0]]
    assert value(-gradient)[2] == [-101.0, -101.0]
    assert value(tf.math.scalar_mul(2.0, gradient))[0] == [20.0, 20.0]


def test_embedding_lookup_gives_indexed_slices():
    table = tf.Variable(tf.ones([5, 3]))
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(tf.nn.embedding_lookup(table, [[1, 4], [4, 4]]))
    gradient = tape.gradient(y, table)
    assert isinstance(gradient, tf.IndexedSlices)
    assert value(gradient.indices) == [1, 4, 4, 4] and gradient.values.shape == [4, 3]


def test_sparse_gradients_of_one_source_are_added():
    table = tf.Variable(tf.ones([4, 2]))
    with tf.GradientTape(persistent=True) as tape:
        sparse = tf.reduce_sum(tf.gather(table, [1])) + tf.reduce_sum(tf.gather(table, [3, 1]))
        mixed = sparse + tf.reduce_sum(table)
    both = tape.gradient(sparse, table)
    assert isinstance(both, tf.IndexedSlices) and sorted(value(both.indices)) == [1, 1, 3]
    assert value(both) == [[0.0, 0.0], [2.0, 2.0], [0.0, 0.0], [1.0, 1.0]]
    assert value(tape.gradient(mixed, table)) == [[1.0, 1.0], [3.0, 3.0], [1.0, 1.0], [2.0, 2.0]]


def test_gather_from_an_intermediate_tensor():
    x = tf.constant([[1.0], [2.0], [3.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.gather(x * x, [2, 2, 0])
    assert value(tape.gradient(y, x)) == [[2.0], [0.0], [12.0]]


# ------------------------------------------------------------------ threads, jacobians, functions


def test_tape_belongs_to_its_thread():
    v = tf.Variable(3.0)
    box = {}

    def work():
        box["elsewhere"] = v * v
        with tf.GradientTape() as own:
            y = v * 5.0
        box["own"] = own.gradient(y, v)

    with tf.GradientTape() as tape:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert value(box["own"]) == 5.0
    assert tape.gradient(box["elsewhere"], v) is None


@pytest.mark.parametrize("experimental_use_pfor", [True, False])
def test_jacobian(experimental_use_pfor):
    x = tf.constant([1.0, 2.0, 3.0])
    with tf.GradientTape(persistent=not experimental_use_pfor) as tape:
        tape.watch(x)
        y = tf.stack([x[0] * x[1], x[1] ** 2])
    jacobian = tape.jacobian(y, x, experimental_use_pfor=experimental_use_pfor)
    assert value(jacobian) == [[2.0, 1.0, 0.0], [0.0, 4.0, 0.0]]


def test_jacobian_of_structures_and_shapes():
    x, unused = tf.Variable(tf.ones([2, 3])), tf.Variable(1.0)
    with tf.GradientTape(persistent=True) as tape:
        y = tf.reduce_sum(x * x, axis=1)
    answer = tape.jacobian(y, {"x": x, "unused": unused})
    assert answer["unused"] is None
    assert answer["x"].shape == [2, 2, 3]
    assert value(answer["x"]) == [[[2.0] * 3, [0.0] * 3], [[0.0] * 3, [2.0] * 3]]
    zero = tape.jacobian(y, unused, unconnected_gradients="zero")
    assert value(zero) == [0.0, 0.0]


def test_hessian_through_jacobian_of_gradient():
    x = tf.constant([1.0, 2.0])
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = x[0] ** 2 * x[1]
        gradient = inner.gradient(y, x)
    assert value(outer.jacobian(gradient, x)) == [[4.0, 2.0], [2.0, 0.0]]


def test_batch_jacobian():
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * tf.reverse(x, [1])
    answer = tape.batch_jacobian(y, x)
    assert value(answer) == [[[2.0, 1.0], [2.0, 1.0]], [[4.0, 3.0], [4.0, 3.0]]]
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(x, axis=0, keepdims=True)
    with pytest.raises(ValueError):
        tape.batch_jacobian(y, x)


def test_tape_inside_a_function():
    v = tf.Variable(3.0)

    @tf.function
    def derivatives(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = x**3 * v
            first, wrt_v = inner.gradient(y, [x, v])
        return first, outer.gradient(first, x), wrt_v, len(inner.watched_variables())

    first, second, wrt_v, count = derivatives(tf.constant(2.0))
    assert (value(first), value(second), value(wrt_v), count) == (36.0, 36.0, 8.0, 1)


def test_tape_in_a_graph():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None])
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(x * x)
        gradient = tape.gradient(y, x)
        with tf.compat.v1.Session() as session:
            assert session.run(gradient, {x: [1.0, 2.0]}).tolist() == [2.0, 4.0]


def test_python_control_flow_is_recorded_as_it_ran():
    def f(x, n):
        y = x
        for _ in range(n):
            y = y * x if float(y) < 100 else y + x
        return y

    for n, expected in ((1, 6.0), (3, 108.0), (6, 407.0)):
        x = tf.constant(3.0)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = f(x, n)
        assert value(tape.gradient(y, x)) == expected


def test_batch_jacobian_of_what_is_not_connected_is_zero():
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.constant([[1.0], [2.0]])
    assert tape.batch_jacobian(y, x).numpy().tolist() == [[[0.0, 0.0]], [[0.0, 0.0]]]


def test_slices_of_the_gradient_of_rows_of_a_variable():
    table = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
    with tf.GradientTape() as tape:
        y = tf.gather(table, [0, 0])
    slices = tape.gradient(y, table)
    assert isinstance(slices, tf.IndexedSlices)
    assert slices.dense_shape.dtype == tf.int32 and slices.dense_shape.numpy().tolist() == [2, 2]
    assert slices.indices.numpy().tolist() == [0, 0] and slices.values.shape == [2, 2]
