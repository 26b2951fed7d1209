"""AutoGraph: undefined variables, None, conditions, builtins, loop options, scopes, with, try, lists and items."""

import contextlib
import functools

import numpy as np
import pytest
import tensorflow as tf

LISTS = tf.autograph.experimental.Feature.LISTS


def value(result):
    """A structure of tensors as plain Python values."""
    plain = tf.nest.map_structure(lambda v: np.asarray(v).tolist(), result)
    return list(plain) if isinstance(plain, tuple) else plain


# ------------------------------------------------------------------ undefined variables and None


def test_deleted_variables_are_unbound():
    @tf.function
    def f(x):
        y = x
        del y
        return y  # noqa: F821

    with pytest.raises(UnboundLocalError, match="y"):
        f(tf.constant(1))


def test_variables_of_a_branch_not_taken_are_unbound():
    @tf.function
    def f(x, flag):
        if flag:
            y = x
        return x + y

    assert int(f(tf.constant(1), True)) == 2
    with pytest.raises(UnboundLocalError, match="y"):
        f(tf.constant(1), False)


def test_none_before_a_loop_is_no_value():
    @tf.function
    def f(x):
        found = None
        while x > 0:
            found = x * 2
            x -= 1
        return found

    assert int(f(tf.constant(3))) == 2 and f(tf.constant(3)).dtype == tf.int32


def test_none_in_one_branch():
    @tf.function
    def f(x):
        if x > 0:
            y = None
        else:
            y = 1
        return y

    with pytest.raises(ValueError, match="'y' is None at the end of the main branch"):
        f(tf.constant(1))


def test_a_loop_defines_a_variable_of_partly_known_shape():
    @tf.function(input_signature=[tf.TensorSpec([None])])
    def f(x):
        for i in tf.range(3):
            y = x * tf.cast(i, tf.float32)
        return y

    assert value(f([1.0, 2.0])) == [2.0, 4.0]


def test_kinds_that_change():
    @tf.function
    def by_branch(x):
        if x > 0:
            y = [1, 2]
        else:
            y = [1]
        return y

    @tf.function
    def by_iteration(x):
        y = [tf.zeros([2])]
        while x > 0:
            y = y + [tf.ones([])]
            x -= 1
        return y

    for function in (by_branch, by_iteration):
        with pytest.raises(TypeError, match="'y' (must have|does not have) the same nested structure"):
            function(tf.constant(1))


# ------------------------------------------------------------------ conditions


@pytest.mark.parametrize("number, expected", [([1], 1), ([-1], 2), ([[1]], 1)])
def test_conditions_of_one_element(number, expected):
    @tf.function
    def f(x):
        if x > 0:
            return 1
        else:
            return 2

    assert int(f(tf.constant(number))) == expected


def test_loops_with_conditions_of_one_element():
    @tf.function
    def f(x):
        while x > 0:
            x = x - 2
        return x

    assert value(f(tf.constant([5]))) == [-1]
    with pytest.raises(ValueError):
        f(tf.constant([5, 4]))


def test_conditions_of_several_elements():
    @tf.function
    def f(x):
        if x > 0:
            return 1
        return 2

    with pytest.raises(ValueError):
        f(tf.constant([1, 2]))

    @tf.function
    def g(x):
        if x:
            return 1
        return 2

    with pytest.raises(ValueError):
        g(tf.constant("text"))


def test_logic_keeps_shapes_and_refuses_numbers():
    @tf.function
    def f(x):
        return not x > 0, x > 0 and x > 1, x > 0 or x > 1

    assert value(f(tf.constant([3]))) == [[False], [True], [True]]
    assert value(f(tf.constant(1))) == [False, False, True]

    @tf.function
    def g(x):
        return x > 0 and x

    with pytest.raises(TypeError):
        g(tf.constant(3))


def test_chained_comparisons():
    @tf.function
    def f(x):
        return 1 < abs(x[0]) < 5, 1 < x[0] < x[1] + 1 < x[2], 5 > x[0] != x[1]

    assert value(f(tf.constant([3, 4, 6]))) == [True, True, True]
    assert value(f(tf.constant([5, 4, 4]))) == [False, False, False]


# ------------------------------------------------------------------ builtins


def test_sorted():
    @tf.function
    def f(x):
        return sorted(x), sorted(x, reverse=True), sorted(x, key=lambda v: -v), \
            sorted(x, key=lambda v: -v, reverse=True)

    assert value(f(tf.constant([3, 1, 2]))) == [[1, 2, 3], [3, 2, 1], [3, 2, 1], [1, 2, 3]]


def test_lengths():
    @tf.function(input_signature=[tf.TensorSpec(None)])
    def f(x):
        array = tf.TensorArray(tf.float32, 3)
        return len(x), len(array), len([1, 2]), len({"a": 1})

    assert value(f(tf.zeros([4, 2]))) == [4, 3, 2, 1]
    with pytest.raises(tf.errors.InvalidArgumentError):
        f(1.0)


def test_iterators_of_python():
    def count(n):
        yield from range(n)

    @tf.function
    def f(x):
        iterator = iter([1, 2, 3])
        total = next(iterator) + next(iterator, 5) + next(iter([]), 7)
        for v in count(3):
            if x > 0:
                total += v
        for w in (x + i for i in range(3)):
            total += w
        return total + x

    assert value(f(tf.constant(1))) == f.python_function(tf.constant(1)).numpy() == 20


@pytest.mark.parametrize("features, expected", [
    (None, 'value Tensor("x:0", shape=(), dtype=int32) 7\n'),
    (tf.autograph.experimental.Feature.BUILTIN_FUNCTIONS, "value 3 7\nvalue 4 7\n"),
    (tf.autograph.experimental.Feature.ALL, "value 3 7\nvalue 4 7\n"),
])
def test_print(capsys, features, expected):
    @tf.function(experimental_autograph_options=features)
    def f(x):
        print("value", x, 7)
        return x

    f(tf.constant(3)), f(tf.constant(4))
    assert capsys.readouterr().out == expected


def test_builtin_functions_themselves():
    assert int(tf.function(len)(tf.constant([1.0, 2.0]))) == 2


# ------------------------------------------------------------------ scopes, with, try


COUNTER = 10


def test_global():
    @tf.function
    def f(x):
        global COUNTER
        COUNTER = 5
        if x > 0:
            return x + COUNTER
        return x - COUNTER

    assert int(f(tf.constant(1))) == 6 and COUNTER == 5


def test_nonlocal():
    @tf.function
    def f(x):
        n = 0

        def add(k):
            nonlocal n
            n = n + k

        add(x)
        add(1)
        return n

    assert int(f(tf.constant(4))) == 5


def test_context_managers():
    @contextlib.contextmanager
    def doubled(n):
        yield n * 2

    @tf.function
    def f(x):
        with doubled(x) as y, doubled(y) as z, tf.name_scope("s"):
            while z > 0:
                z -= 1
                if z == 2:
                    break
            if y > 5:
                z += y
            else:
                z = -y
        with tf.control_dependencies([x]):
            return z * 100

    assert value([f(tf.constant(n)) for n in (3, 1)]) == [800, -200]


def test_gradients_inside():
    @tf.function
    def f(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            if x > 0:
                y = x * x
            else:
                y = -x
        return tape.gradient(y, x)

    assert value([f(tf.constant(n)) for n in (3.0, -3.0)]) == [6.0, -1.0]


def test_try():
    @tf.function
    def f(x):
        for i in range(3):
            try:
                if i == 1:
                    continue
                x += i
                {}["missing"]
            except KeyError:
                if x > 0:
                    x += 1
            finally:
                x += 100
        try:
            return x
        finally:
            x += 1000

    assert int(f(tf.constant(1))) == 305


def test_recursion_decorators_and_methods():
    def plus_one(function):
        @functools.wraps(function)
        def wrapper(*args):
            return function(*args) + 1
        return wrapper

    @plus_one
    def magnitude(x):
        if x > 0:
            return x
        return -x

    def factorial(n):
        if n <= 1:
            return 1
        return n * factorial(n - 1)

    class Scale:
        def __init__(self, by):
            self.by = by
            if by > 0:
                self.sign = by * 0 + 1
            else:
                self.sign = by * 0 - 1

        @staticmethod
        def half(x):
            if x > 10:
                return x // 2
            return x

        @property
        def double(self):
            return self.by * 2

        def __call__(self, x):
            if x > 0:
                return self.half(x) * self.double
            return x

    class Louder(Scale):
        def __call__(self, x):
            if x > 5:
                return super().__call__(x) * 100
            return super().__call__(x)

    @tf.function
    def f(x):
        return magnitude(x), x * factorial(4), Scale(3)(x), Louder(1)(x), (lambda v: v if v > 0 else -v)(x)

    assert value(f(tf.constant(-5))) == [6, -120, -5, -5, 5]
    assert value(f(tf.constant(20))) == [21, 480, 60, 2000, 20]


# ------------------------------------------------------------------ loop options


def test_shape_invariants_of_structures():
    @tf.function
    def f(n):
        x = {"a": tf.zeros([1])}
        for _ in tf.range(n):
            tf.autograph.experimental.set_loop_options(shape_invariants=[(x, {"a": tf.TensorShape([None])})])
            x = {"a": tf.concat([x["a"], x["a"]], 0)}
        return x

    assert value(f(tf.constant(2))) == {"a": [0.0] * 4}


def test_limits():
    @tf.function
    def f(n):
        x = tf.zeros([1])
        while n > 0:
            tf.autograph.experimental.set_loop_options(
                shape_invariants=[(x, tf.TensorShape([None]))], maximum_iterations=2, parallel_iterations=1,
                swap_memory=True)
            x = tf.concat([x, x], 0)
            n -= 1
        return x, n

    assert value(f(tf.constant(5))) == [[0.0] * 4, 3]


# ------------------------------------------------------------------ lists and items


def test_a_list_that_a_loop_of_the_graph_fills():
    @tf.function
    def f(x):
        kept = []
        for v in x:
            kept.append(v)
        return tf.stack(kept)

    with pytest.raises(ValueError, match="is out of scope"):
        f(tf.constant([1, 2]))


def test_lists_of_python():
    @tf.function(experimental_autograph_options=LISTS)
    def f(x):
        items = [1, 2, 3]
        items[0] = x
        items[1:] = [5]
        array = np.zeros(3)
        array[0], array[1:] = 1, 2
        return items, x + array

    assert value(f(tf.constant([1.0, 2.0, 3.0], tf.float64))) == [[[1.0, 2.0, 3.0], 5], [2.0, 4.0, 5.0]]


def test_items_of_tensors():
    def f(x):
        x[0] = 5.0
        for i in tf.range(1, 3):
            x[i] = float(i) * 2.0
        return x

    x = tf.constant([1.0, 2.0, 3.0, 4.0])
    assert value(tf.function(f, experimental_autograph_options=LISTS)(x)) == [5.0, 2.0, 4.0, 4.0]
    with pytest.raises(TypeError):
        tf.function(f)(x)


def test_rows_of_tensors():
    @tf.function(experimental_autograph_options=LISTS)
    def f():
        x = tf.zeros([2, 3])
        x[0] = tf.ones([3])
        return x

    assert value(f()) == [[1.0] * 3, [0.0] * 3]


# ------------------------------------------------------------------ to_graph and to_code


def test_functions_made_by_to_graph():
    def f(a, b=2, *c, d=4, **e):
        """Larger of two."""
        if a > b:
            return a
        return b

    made = tf.autograph.to_graph(f)
    assert (made.__name__, made.__doc__, made.__module__) == ("tf__f", "Larger of two.", __name__)
    assert value([made(5), made(1, d=3), made(tf.constant(1), 7)]) == [5, 2, 7]
    assert tf.autograph.to_code(f).startswith("def tf__f(a, b=None, *c, d=None, **e):\n")
    assert tf.autograph.to_code(lambda x: x + 1).startswith("tf__lam = lambda x: ")


@pytest.mark.parametrize("make", [tf.autograph.to_graph, tf.autograph.to_code])
@pytest.mark.parametrize("bad", [3, len])
def test_what_cannot_be_converted(make, bad):
    with pytest.raises(Exception, match=r"(?i)convert|transform|supported|built-in|int") as failure:
        make(bad)
    assert type(failure.value).__name__ == "ConversionError"


def test_features():
    feature = tf.autograph.experimental.Feature
    names = [f.value for f in feature.all()]
    assert names == ["ALL", "AUTO_CONTROL_DEPS", "ASSERT_STATEMENTS", "BUILTIN_FUNCTIONS", "EQUALITY_OPERATORS",
                     "LISTS", "NAME_SCOPES"]
    assert {f.value for f in feature.all_but([LISTS])} == set(names) - {"ALL", "LISTS"}


@pytest.mark.parametrize("features, expected", [
    (None, 0), (tf.autograph.experimental.Feature.EQUALITY_OPERATORS, 6), (tf.autograph.experimental.Feature.ALL, 6),
])
def test_equality_in_graphs(graph, features, expected):
    """There `==` is identity, as in 1.x, unless the conversion is asked for more."""
    def f(x):
        s = 0
        while x > 0:
            if x % 2 == 0:
                s += x
            x -= 1
        return s

    x = tf.compat.v1.placeholder(tf.int32, [])
    made = tf.autograph.to_graph(f, experimental_optional_features=features)
    with tf.compat.v1.Session() as session:
        assert session.run(made(x), {x: 5}) == expected


def test_gradients_of_converted_loops_in_graphs(graph):
    def f(x):
        for _ in tf.range(3):
            x = x * x
        return x if x > 0 else -x

    x = tf.compat.v1.placeholder(tf.float32, [])
    y = tf.autograph.to_graph(f)(x)
    with tf.compat.v1.Session() as session:
        values = session.run([y, tf.compat.v1.gradients(y, x)[0]], {x: 1.1})
    np.testing.assert_allclose(values, [1.1 ** 8, 8 * 1.1 ** 7], rtol=1e-5)


def test_where_a_program_is():
    seen = []

    @tf.function
    def f(x):
        seen.append((tf.inside_function(), tf.is_symbolic_tensor(x), tf.executing_eagerly()))
        with tf.init_scope():
            seen.append((tf.executing_eagerly(),))
        return x

    x = tf.constant(1)
    f(x)
    assert seen == [(True, True, False), (True,)]
    assert not tf.inside_function() and not tf.is_symbolic_tensor(x) and not tf.is_symbolic_tensor(3)
