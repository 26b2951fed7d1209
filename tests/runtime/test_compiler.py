"""Compiled steps: where programs are cut, what is donated, and that nobody sees the difference."""

import numpy as np
import pytest

import everflow as tf
from everflow._src.runtime.compiler import CompiledStep, HostStep
from everflow._src.runtime.frames import program_of


def compiled(function=None, **options):
    if function is None:
        return lambda f: compiled(f, **options)
    return tf.function(function, jit_compile=True, **options)


def program_in(function, index=0):
    """The program of a trace of a tf.function."""
    return program_of(function._traces[index].concrete.function)


def steps_of(function):
    return [[i.card.name for i in step.instructions] for step in program_in(function).steps]


def kinds_of(function):
    return [type(step) for step in program_in(function).steps]


def same(found, expected):
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=1e-6)


# ---- cutting


def test_one_step_when_nothing_needs_the_host():
    f = compiled(lambda x: tf.reduce_sum(tf.exp(x) * 2.0))
    same(f(tf.zeros([3])), 6.0)
    assert kinds_of(f) == [CompiledStep]


def test_known_host_operations_cut_the_program():
    @compiled
    def f(x):
        y = tf.exp(x)
        tf.print(tf.reduce_sum(y), output_stream="file:///dev/null")
        return y * 2.0, tf.sin(x)

    for _ in range(2):
        same(f(tf.zeros([2]))[0], [2, 2])
    kinds = kinds_of(f)
    assert HostStep in kinds and kinds.count(CompiledStep) <= 2


def test_discovered_host_operations_cut_the_program():
    @compiled
    def f(x, n):
        y = tf.exp(x) + 1.0
        filled = tf.zeros(tf.stack([n, 2]))  # its shape depends on data
        return tf.sin(y), tf.reduce_sum(filled + 1.0)

    for n in (2, 5, 2):
        sines, total = f(tf.zeros([2]), tf.constant(n))
        same(sines, np.sin([2.0, 2.0]))
        same(total, 2.0 * n)
    kinds = kinds_of(f)
    assert HostStep in kinds and CompiledStep in kinds
    hosted = [i for step in program_in(f).steps if isinstance(step, HostStep) for i in step.instructions]
    assert all(i.host_reason for i in hosted)


def test_data_dependent_shapes_in_the_middle():
    @compiled
    def f(x):
        y = x * 2.0
        kept = tf.boolean_mask(y, y > 2.0)
        return tf.reduce_sum(tf.square(kept)), tf.size(kept)

    for values in ([1.0, 2.0, 3.0], [5.0, 0.0, 0.0], [0.0, 0.0, 0.0]):
        doubled = 2 * np.array(values)
        total, size = f(tf.constant(values))
        same(total, (doubled[doubled > 2] ** 2).sum())
        assert int(size) == (doubled > 2).sum()


def test_effects_keep_their_order_across_cuts():
    v = tf.Variable([1.0, 2.0])

    @compiled
    def f(x):
        before = v.read_value()
        v.assign_add(x)
        kept = tf.boolean_mask(v.read_value(), v > 2.5)
        v.assign(v * 10.0)
        return before, tf.reduce_sum(kept), v.read_value()

    value = np.array([1.0, 2.0])
    for _ in range(4):
        before, kept, after = f(tf.ones([2]))
        same(before, value)
        value = value + 1
        same(kept, value[value > 2.5].sum())
        value = value * 10
        same(after, value)
        same(v, value)


def test_shapes_known_while_compiling_belong_to_their_trace():
    @compiled(input_signature=[tf.TensorSpec([None, 2])])
    def f(x):
        return tf.shape(x), tf.reshape(x, [-1]), x.dtype.size

    for rows in (4, 8, 4, 8, 3, 4):
        shape, flat, _ = f(tf.ones([rows, 2]))
        assert shape.numpy().tolist() == [rows, 2] and flat.shape == [2 * rows]


def test_large_constants_and_folded_values():
    large = np.arange(5000, dtype=np.float32)
    f = compiled(lambda x: (tf.constant(large) + x, tf.range(4) * 2, tf.range(3000)))
    for _ in range(2):
        total, small, longer = f(tf.constant(1.0))
        same(total, large + 1)
        same(small, [0, 2, 4, 6])
        same(longer, np.arange(3000))


def test_programs_without_inputs_or_outputs():
    v = tf.Variable(1.0)
    double = compiled(lambda: (v.assign(v * 2.0), None)[1])
    for _ in range(3):
        assert double() is None
    same(v, 8.0)


# ---- donated variables


def holders():
    """Ways to hold the value of a variable."""
    return {
        "read_value": lambda v: v.read_value(),
        "value": lambda v: v.value(),
        "convert": tf.convert_to_tensor,
        "identity": tf.identity,
        "numpy": lambda v: v.numpy(),
        "asarray": np.asarray,
        "computed": lambda v: v + 0.0,
        "slice": lambda v: v[1:].numpy(),
        "view of numpy": lambda v: v.numpy()[::2],
        "function": lambda v: tf.function(v.read_value)(),
        "compiled": lambda v: tf.function(v.read_value, jit_compile=True)(),
        "sparse": lambda v: v.sparse_read([0, 2]),
        "gather": lambda v: tf.gather(v, [0, 2]),
    }


@pytest.mark.parametrize("way", list(holders()))
@pytest.mark.parametrize("warm", [0, 2])
def test_values_somebody_holds_are_never_overwritten(way, warm):
    v = tf.Variable([1.0, 2.0, 3.0, 4.0])
    step = compiled(lambda x: v.assign_add(x))
    for _ in range(warm):
        step(tf.ones([4]))
    held = holders()[way](v)
    expected = np.array(held, copy=True)
    results = [step(tf.ones([4])) for _ in range(3)]
    np.testing.assert_array_equal(np.asarray(held), expected)
    same(v, np.array([1.0, 2.0, 3.0, 4.0]) + warm + 3)
    del results


def test_what_was_assigned_is_not_overwritten():
    array, tensor = np.ones(4, np.float32), tf.ones([4])
    made = compiled(lambda x: x * 3.0)(tensor)
    v = tf.Variable(tensor)
    step = compiled(lambda: v.assign_add(tf.ones([4])))
    for source, value in ((array, 1), (tensor, 1), (made, 3)):
        v.assign(source)
        for _ in range(3):
            step()
        same(v, np.full(4, value + 3))
        np.testing.assert_array_equal(np.asarray(source), np.full(4, value))


def test_variables_that_exchange_values():
    a, b = tf.Variable([1.0, 2.0]), tf.Variable([3.0, 4.0])

    @compiled
    def swap():
        old = a.read_value()
        a.assign(b)
        b.assign(old)

    @compiled
    def copy():
        b.assign(a)

    @compiled
    def change():
        b.assign_add([10.0, 10.0])

    for _ in range(3):
        swap()
    same(a, [3, 4])
    same(b, [1, 2])
    for _ in range(3):
        copy()
        change()
        same(a, [3, 4])
        same(b, [13, 14])


def test_one_value_for_two_variables():
    a, b = tf.Variable([0.0, 0.0]), tf.Variable([0.0, 0.0])

    @compiled
    def both(x):
        y = x * 2.0
        a.assign(y)
        b.assign(y)
        return y, y

    first, second = both(tf.ones([2]))
    step = compiled(lambda: (a.assign_add([1.0, 1.0]), None)[1])
    for _ in range(3):
        step()
    for value in (first, second, b):
        same(value, [2, 2])
    same(a, [5, 5])


def test_outputs_that_alias_variables_and_arguments():
    v = tf.Variable([1.0, 2.0])

    @compiled
    def f(x):
        v.assign_add(x)
        return v.read_value(), v.read_value(), x, tf.identity(x)

    x = tf.constant([1.0, 1.0])
    results = [f(x) for _ in range(4)]
    for n, (first, second, third, fourth) in enumerate(results):
        same(first, [2 + n, 3 + n])
        same(second, [2 + n, 3 + n])
        same(third, [1, 1])
        same(fourth, [1, 1])


def test_an_argument_that_is_assigned_stays():
    v = tf.Variable([0.0, 0.0])
    put = compiled(lambda x: (v.assign(x), x)[1])
    step = compiled(lambda: (v.assign_add([1.0, 1.0]), None)[1])
    x = put(tf.ones([2]))
    y = put(x)
    for _ in range(3):
        step()
    same(x, [1, 1])
    same(y, [1, 1])
    same(v, [4, 4])


def test_values_of_other_dtypes_and_sizes():
    for dtype in (tf.int64, tf.float64, tf.bool, tf.complex64, tf.bfloat16, tf.uint8):
        v = tf.Variable(tf.cast([1, 0, 1], dtype))
        f = compiled(lambda v=v: v.assign(tf.reverse(v, [0])))
        for _ in range(3):
            f()
        assert v.dtype == dtype
        np.testing.assert_array_equal(tf.cast(v, tf.float32), [1, 0, 1])


def test_variables_that_change_their_shape():
    v = tf.Variable([1.0], shape=tf.TensorShape([None]))
    f = compiled(lambda x: (v.assign(tf.concat([v, x], 0)), None)[1])
    for n in range(4):
        f(tf.constant([float(n)]))
        assert v.shape == tf.TensorShape([None]) and v.numpy().shape == (n + 2,)
    same(v, [1, 0, 1, 2, 3])


# ---- initialization


def test_uninitialized_variables_are_named():
    with tf.Graph().as_default():
        v = tf.compat.v1.get_variable("weights", [2], use_resource=True)
        y = v * 2.0
        with tf.compat.v1.Session() as session:
            for _ in range(2):
                with pytest.raises(tf.errors.FailedPreconditionError, match="weights"):
                    session.run(y)
            plan = next(iter(session._plans.values()))
            plan[2].compile_now = True
            with pytest.raises(tf.errors.FailedPreconditionError, match="weights"):
                session.run(y)
            session.run(v.initializer)
            assert session.run(y).shape == (2,)
            session.run(v.assign([1.0, 2.0]))
            same(session.run(y), [2, 4])


def test_compiled_initialization_then_use():
    with tf.Graph().as_default():
        v = tf.compat.v1.get_variable("v", initializer=[1.0, 2.0], use_resource=True)
        step = v.assign_add([1.0, 1.0])
        with tf.compat.v1.Session() as session:
            for _ in range(3):
                session.run(v.initializer)
                for plan in session._plans.values():
                    plan[2].compile_now = True
                for n in range(3):
                    same(session.run(step), [2 + n, 3 + n])


# ---- control flow


def test_assignments_in_branches():
    v, w = tf.Variable(1.0), tf.Variable(10.0)

    @compiled
    def f(x):
        if x > 0.0:
            v.assign_add(x)
            y = v * 2.0
        else:
            w.assign(v + w)
            y = w.read_value()
        return y

    expected_v, expected_w = 1.0, 10.0
    for x in (1.0, -1.0, 2.0, -3.0, -1.0):
        y = f(tf.constant(x))
        if x > 0:
            expected_v += x
            same(y, expected_v * 2)
        else:
            expected_w += expected_v
            same(y, expected_w)
        same(v, expected_v)
        same(w, expected_w)
    assert kinds_of(f) == [CompiledStep]


def test_assignments_in_loops():
    v = tf.Variable(0.0)
    history = tf.Variable(tf.zeros([5]))

    @compiled
    def f(n):
        for i in tf.range(n):
            v.assign_add(tf.cast(i, tf.float32))
            history.scatter_nd_update([[i]], [v.read_value()])
            if v > 2.5:
                v.assign(v - 1.0)
        return v.read_value()

    total, expected = 0.0, np.zeros(5)
    for n in (5, 3, 0, 5):
        for i in range(n):
            total += i
            expected[i] = total
            if total > 2.5:
                total -= 1
        same(f(tf.constant(n)), total)
        same(history, expected)


def test_loops_become_one_executable():
    @compiled
    def f(n, x):
        i = tf.constant(0)
        while i < n:
            inner = tf.constant(0)
            while inner < 2:
                x = tf.sin(x) + tf.reduce_mean(x)
                inner += 1
            if i % 2 == 0:
                x = x * 0.5
            i += 1
        return x

    x = np.array([0.1, 0.2], np.float32)
    for n in (0, 1, 4):
        expected = x.copy()
        for i in range(n):
            for _ in range(2):
                expected = np.sin(expected) + expected.mean()
            expected = expected * (0.5 if i % 2 == 0 else 1)
        np.testing.assert_allclose(f(tf.constant(n), tf.constant(x)), expected, rtol=1e-5)
    assert kinds_of(f) == [CompiledStep]
    (step,) = program_in(f).steps
    assert len(step.executables) == 1


def test_held_values_survive_branches_and_loops():
    v = tf.Variable([1.0, 1.0])

    @compiled
    def f(flag, n):
        before = v.read_value()
        if flag:
            v.assign_add([1.0, 1.0])
        for _ in tf.range(n):
            v.assign(v * 2.0)
        return before, v.read_value()

    value, seen = np.ones(2), []
    for flag, n in ((True, 2), (False, 0), (True, 1), (False, 3)):
        pair = f(tf.constant(flag), tf.constant(n))
        new = (value + flag) * 2.0**n
        seen.append((pair, value, new))
        value = new
    for (before, after), old, new in seen:
        same(before, old)
        same(after, new)


def test_variables_passed_as_arguments_have_executables_of_their_own():
    @compiled
    def f(v, x):
        v.assign_add(x)
        return v * 2.0

    variables = [tf.Variable([float(n)]) for n in range(3)]
    for _ in range(2):
        for v in variables:
            f(v, tf.constant([1.0]))
    for n, v in enumerate(variables):
        same(v, [n + 2])


def test_random_operations_draw_anew_when_compiled():
    tf.random.set_seed(1)
    f = compiled(lambda: tf.random.uniform([4]))
    draws = {tuple(f().numpy().tolist()) for _ in range(5)}
    assert len(draws) == 5


def test_errors_say_which_operation():
    f = compiled(lambda x: tf.matmul(x, x), input_signature=[tf.TensorSpec([None, None])])
    same(f(tf.ones([2, 2])), [[2, 2], [2, 2]])
    for _ in range(2):
        with pytest.raises(tf.errors.InvalidArgumentError, match="MatMul"):
            f(tf.ones([2, 3]))
    same(f(tf.ones([3, 3])), np.full([3, 3], 3))


def test_a_failing_step_leaves_variables_as_they_were():
    v = tf.Variable(tf.ones([2, 2]))

    @compiled(input_signature=[tf.TensorSpec([None, None])])
    def f(x):
        v.assign_add(tf.ones([2, 2]))
        return tf.matmul(v, x)

    f(tf.ones([2, 2]))
    with pytest.raises(tf.errors.InvalidArgumentError):
        f(tf.ones([3, 2]))
    same(f(tf.ones([2, 1])), np.full([2, 1], 6.0))
