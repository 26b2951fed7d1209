"""AutoGraph: Python control flow on tensors inside tf.function becomes control flow of the graph."""

import numpy as np
import pytest
import tensorflow as tf


def both(function, *arguments):
    """The result of `function` run eagerly, after checking that the converted function agrees."""
    eager = function(*[tf.constant(a) for a in arguments])
    signature = [tf.TensorSpec(np.shape(a), tf.constant(a).dtype) for a in arguments]
    converted = tf.function(function, input_signature=signature)(*[tf.constant(a) for a in arguments])
    eager_values = [np.asarray(value).tolist() for value in tf.nest.flatten(eager)]
    assert [np.asarray(value).tolist() for value in tf.nest.flatten(converted)] == eager_values
    return eager_values[0] if len(eager_values) == 1 else eager_values


# ------------------------------------------------------------------ if


def test_if():
    def f(x):
        if x > 0:
            y = x * 2
        else:
            y = -x
        return y

    assert both(f, 3) == 6 and both(f, -3) == 3


def test_if_without_else_changes_what_was():
    def f(x):
        y = x
        if x > 0:
            y = y * 10
            z = y + 1
            y = z
        return y

    assert both(f, 3) == 31 and both(f, -3) == -3


def test_elif_and_nesting():
    def f(x):
        if x < 0:
            kind = -1
        elif x == 0:
            kind = 0
        else:
            if x < 10:
                kind = 1
            else:
                kind = 2
        return kind

    assert [both(f, n) for n in (-5, 0, 5, 50)] == [-1, 0, 1, 2]


def test_returns_in_branches():
    def f(x):
        if x < 0:
            return -1.0
        if x < 10:
            return x * 2
        return x

    assert [both(f, n) for n in (-5.0, 5.0, 50.0)] == [-1.0, 10.0, 50.0]


def test_conditional_expressions_and_logic():
    def f(x):
        inside = x > 0 and x < 10
        outside = x < -100 or x > 100 or not x != 50
        return (1 if inside else 0) + (10 if outside else 0) + (100 if 0 < x < 5 else 0)

    assert [both(f, n) for n in (-500, -5, 3, 7, 50, 500)] == [10, 0, 101, 1, 10, 10]


def test_python_conditions_stay_python():
    log = []

    @tf.function
    def f(x, training):
        if training:
            log.append("training")
            return x * 2
        log.append("testing")
        return x

    assert int(f(tf.constant(1), True)) == 2 and int(f(tf.constant(1), False)) == 1
    assert int(f(tf.constant(1), tf.constant(True))) == 2
    assert log[:2] == ["training", "testing"] and set(log[2:]) == {"training", "testing"}


def test_structures_in_branches():
    def f(x):
        if x > 0:
            state = {"a": x, "b": [x * 2, x * 3]}
        else:
            state = {"a": -x, "b": [x, x]}
        return state

    assert both(f, 2) == [2, 4, 6] and both(f, -2) == [2, -2, -2]


def test_attributes_and_items_are_state():
    class Counter:
        def __init__(self):
            self.n = tf.constant(0)

    @tf.function
    def f(x):
        counter = Counter()
        table = {"total": tf.constant(0)}
        for i in tf.range(x):
            if i % 2 == 0:
                counter.n += 1
            table["total"] += i
        return counter.n, table["total"]

    assert [int(n) for n in f(tf.constant(5))] == [3, 10]


def test_branches_that_disagree():
    @tf.function
    def types(x):
        if x > 0:
            y = 1
        else:
            y = 2.5
        return y

    with pytest.raises(TypeError, match="y"):
        types(tf.constant(1))

    @tf.function
    def undefined(x):
        if x > 0:
            y = 1
        return y

    with pytest.raises(ValueError, match="y"):
        undefined(tf.constant(1))

    @tf.function
    def returns(x):
        if x > 0:
            return x

    with pytest.raises((TypeError, ValueError)):
        returns(tf.constant(1))


# ------------------------------------------------------------------ while


def test_while():
    def collatz(n):
        steps = 0
        while n > 1:
            if n % 2 == 0:
                n = n // 2
            else:
                n = 3 * n + 1
            steps += 1
        return steps

    assert both(collatz, 27) == 111


def test_while_with_break_and_continue():
    def f(limit):
        total, i = 0, 0
        while i < limit:
            i += 1
            if i % 2 == 0:
                continue
            if i > 7:
                break
            total += i
        return total

    assert both(f, 5) == 9 and both(f, 50) == 16


def test_while_true_with_break():
    def f(x):
        while tf.constant(True):
            x = x * 2
            if x > 100:
                break
        return x

    assert both(f, 3) == 192


def test_loops_nest():
    def primes_below(limit):
        count = 0
        for n in tf.range(2, limit):
            prime = True
            for d in tf.range(2, n):
                if n % d == 0:
                    prime = False
                    break
            if prime:
                count += 1
        return count

    assert both(primes_below, 30) == 10


def test_variables_only_known_inside_the_loop():
    @tf.function
    def f(n):
        i = 0
        while i < n:
            square = i * i
            i += 1
        return square

    assert int(f(tf.constant(3))) == 4


def test_shapes_that_change():
    @tf.function
    def grows(n):
        x = tf.zeros([1])
        while tf.shape(x)[0] < n:
            x = tf.concat([x, x], 0)
        return x

    with pytest.raises(ValueError, match="(?s)x.*shape"):
        grows(tf.constant(5))

    @tf.function
    def allowed(n):
        x = tf.zeros([1])
        while tf.shape(x)[0] < n:
            tf.autograph.experimental.set_loop_options(shape_invariants=[(x, tf.TensorShape([None]))])
            x = tf.concat([x, x], 0)
        return x

    assert allowed(tf.constant(5)).shape == [8]


def test_types_that_change():
    @tf.function
    def f(n):
        x = 0
        while x < n:
            x = tf.cast(x, tf.float32) + 1.5
        return x

    with pytest.raises(TypeError, match="x"):
        f(tf.constant(3))


# ------------------------------------------------------------------ for


def test_for_over_a_tensor():
    def f(items):
        total = 0
        for item in items:
            if item % 2 > 0:
                continue
            total += item
        return total

    assert both(f, [10, 12, 15, 20]) == 42


def test_for_over_rows():
    def f(rows):
        result = tf.zeros([2])
        for row in rows:
            result = result * 2.0 + row
        return result

    assert both(f, [[1.0, 2.0], [3.0, 4.0]]) == [5.0, 8.0]


def test_for_over_range():
    def f(n):
        total = 0
        for i in range(n):
            total += i
        for i in range(1, n + 3, 2):
            total += 100 * i
        return total

    assert both(f, 4) == 6 + 900


def test_for_with_break():
    def first_negative(items):
        position = -1
        for i in tf.range(tf.size(items)):
            if items[i] < 0:
                position = i
                break
        return position

    def has(items, wanted):
        found = False
        for item in items:
            if item == wanted:
                found = True
                break
        return found

    assert both(first_negative, [3, 1, -4, -1]) == 2 and both(first_negative, [1, 2]) == -1
    assert both(has, [1, 2, 3], 2) is True and both(has, [1, 2, 3], 5) is False


def test_python_loops_are_unrolled():
    traces = []

    @tf.function
    def f(x):
        for name in ["a", "b"]:
            traces.append(name)
            x = x + len(name)
        return [x * n for n in range(3)]

    assert [int(n) for n in f(tf.constant(1))] == [0, 3, 6] and traces == ["a", "b"]


def test_tensor_arrays_in_loops():
    def squares(n):
        array = tf.TensorArray(tf.int32, size=0, dynamic_size=True)
        for i in tf.range(n):
            array = array.write(i, i * i)
        return array.stack()

    assert both(squares, 4) == [0, 1, 4, 9]


# ------------------------------------------------------------------ functions, gradients, effects


def test_functions_that_are_called_are_converted_too():
    def relu(x):
        if x > 0:
            return x
        return x * 0

    class Model:
        def __init__(self, scale):
            self.scale = scale

        def __call__(self, x):
            return relu(self.method(x))

        def method(self, x):
            if x > 100:
                x = x * 0 + 100
            return x * self.scale

    model = Model(3)
    assert both(lambda x: model(x) + relu(x), 5) == 20
    assert both(lambda x: model(x) + relu(x), -5) == 0
    assert both(lambda x: model(x), 500) == 300


def test_gradients_through_converted_control_flow():
    @tf.function
    def f(x, n):
        y = x
        for i in tf.range(n):
            if i % 2 == 0:
                y = y * x
            else:
                y = y + x
        return y

    x = tf.constant(3.0)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = f(x, tf.constant(4))  # x³ + x² + x
        first = tape.gradient(y, x)
    assert (float(y), float(first), float(outer.gradient(first, x))) == (39.0, 34.0, 20.0)


def test_variables_and_prints(capfd):
    v = tf.Variable(0)

    @tf.function
    def f(items):
        for item in items:
            if item > 2:
                v.assign_add(item)
                tf.print("added", item)
            else:
                tf.print("skipped", item)
        return v.read_value()

    assert int(f(tf.constant([1, 5, 3]))) == 8
    assert capfd.readouterr().err == "skipped 1\nadded 5\nadded 3\n"


def test_python_print_shows_symbols_once(capsys):
    @tf.function
    def f(x):
        if x > 0:
            print("positive", x.dtype)
        else:
            print("negative", x.dtype)
        return x

    f(tf.constant(1)), f(tf.constant(-1))
    assert capsys.readouterr().out == "positive <dtype: 'int32'>\nnegative <dtype: 'int32'>\n"


def test_assert_statements():
    @tf.function(experimental_autograph_options=tf.autograph.experimental.Feature.ALL)
    def f(x):
        assert x > 0, "must be positive"
        return x

    assert int(f(tf.constant(1))) == 1
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be positive"):
        f(tf.constant(-1))


def test_builtins_of_tensors():
    def f(x):
        return len(x), abs(x)[0], int(x[1]), float(x[0]), sum([x[0], x[1]])

    assert both(f, [-1.5, 2.5]) == [2, 1.5, 2, -1.5, 1.0]


def test_errors_show_the_users_code():
    @tf.function
    def f(x):
        if x > 0:
            raise_here = x + tf.constant("text")
            return raise_here
        return x

    with pytest.raises((TypeError, ValueError)) as failure:
        f(tf.constant(1))
    assert "test_autograph.py" in str(failure.value)


def test_do_not_convert():
    @tf.autograph.experimental.do_not_convert
    def plain(x):
        return 1 if x > 0 else 2

    assert plain(tf.constant(1)) == 1
    with pytest.raises(TypeError):
        tf.function(lambda x: plain(x))(tf.constant(1))
    with pytest.raises(tf.errors.OperatorNotAllowedInGraphError):
        tf.function(lambda x: 1 if x > 0 else 2, autograph=False)(tf.constant(1))


# ------------------------------------------------------------------ tf.autograph


def square_if_positive(x):
    if x > 0:
        x = x * x
    else:
        x = 0.0
    return x


def sum_even(items):
    s = 0
    for c in items:
        if c % 2 > 0:
            continue
        s += c
    return s


def test_to_graph():
    """A tutorial's examples."""
    tf_square_if_positive = tf.autograph.to_graph(square_if_positive)
    tf_sum_even = tf.autograph.to_graph(sum_even)
    with tf.Graph().as_default():
        g_out1 = tf_square_if_positive(tf.constant(9.0))
        g_out2 = tf_square_if_positive(tf.constant(-9.0))
        g_sum = tf_sum_even(tf.constant([10, 12, 15, 20]))
        with tf.compat.v1.Session() as sess:
            results = sess.run(g_out1), sess.run(g_out2)
            assert "Graph results: %2.2f, %2.2f" % results == "Graph results: 81.00, 0.00"
            assert "Graph result: %d" % sess.run(g_sum) == "Graph result: 42"
    assert int(tf_sum_even(tf.constant([10, 12, 15, 20]))) == 42


def test_to_code():
    code = tf.autograph.to_code(square_if_positive)
    assert "def tf__square_if_positive(x)" in code and "ag__" in code and "if_stmt" in code
    assert "for_stmt" in tf.autograph.to_code(sum_even)


def test_on_and_off():
    sum_even_autograph_on = tf.function(sum_even, autograph=True)
    sum_even_autograph_off = tf.function(sum_even, autograph=False)
    x = tf.constant([10, 12, 15, 20])
    assert int(sum_even(x)) == int(sum_even_autograph_on(x)) == 42
    with pytest.raises(tf.errors.OperatorNotAllowedInGraphError):
        sum_even_autograph_off(x)


def test_print_elements(capfd):
    @tf.function
    def print_element(items):
        for c in items:
            tf.print(c)

    print_element(tf.constant([1, 5, 6, 8, 3]))
    assert capfd.readouterr().err == "1\n5\n6\n8\n3\n"
