"""Converted functions: the same values as Python's, in every place where code can stand."""

import itertools
import linecache
import random
import traceback

import numpy as np
import pytest

import everflow as tf
from tests.autograph.programs import random_function

OFFSET = 100


def made_from(source, name="f"):
    """A function of a source text, which tracebacks and AutoGraph can read."""
    filename = f"<source {hash(source)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    namespace = {}
    exec(compile(source, filename, "exec"), namespace)
    return namespace[name]


def agree(function, *arguments, **options):
    """Checks that the converted function gives what Python does, for each of several pairs of arguments."""
    traced = tf.function(function, jit_compile=False, **options)
    for values in itertools.product(*arguments):
        expected = function(*[tf.constant(v) for v in values])
        found = traced(*[tf.constant(v) for v in values])
        for a, b in zip(tf.nest.flatten(expected), tf.nest.flatten(found)):
            np.testing.assert_array_equal(a, b, err_msg=str(values))


def test_random_programs():
    for seed in range(25):
        function = made_from(random_function(random.Random(seed)))
        converted = tf.autograph.to_graph(function)
        for a, b in itertools.product((-2, 0, 3), repeat=2):
            assert converted(a, b) == function(a, b), seed


def test_random_programs_in_the_graph():
    for seed in range(8):
        source = random_function(random.Random(1000 + seed), jumps=False).replace(" in range(", " in tf.range(")
        python = made_from(source.replace("tf.range", "range"))
        function = made_from("import everflow as tf\n" + source)
        traced = tf.function(function, jit_compile=False)
        for a, b in itertools.product((-1, 3), repeat=2):
            assert int(traced(tf.constant(a), tf.constant(b))) == python(a, b), (seed, source)


# ---- where names live


def test_closures_and_nonlocal():
    def f(x):
        count = tf.constant(0)

        def add(n):
            nonlocal count
            if n > 1:
                count = count + n
            return count

        add(x)
        add(x + 1)
        return count

    agree(f, [0, 1, 5])


def test_cells_are_shared_with_the_original():
    factor = 2

    def f(x):
        if x > 0:
            return x * factor
        return x

    converted = tf.autograph.to_graph(f)
    assert converted(3) == 6
    factor = 5
    assert converted(3) == 15


def test_globals():
    @tf.function
    def f(x):
        global OFFSET
        if x > 0:
            y = x + OFFSET
        else:
            y = x
        OFFSET = 200
        return y

    global OFFSET
    OFFSET = 100
    assert int(f(tf.constant(1))) == 101 and OFFSET == 200
    OFFSET = 100


class Account:
    def __init__(self):
        self.__balance = tf.Variable(10)
        self.limit = 100

    def __change(self, amount):
        if amount > 0:
            self.__balance.assign_add(amount)
        return self.__balance.read_value()

    def deposit(self, amount):
        if self.__balance + amount > self.limit:
            return tf.constant(-1)
        return self.__change(amount)


class Savings(Account):
    def deposit(self, amount):
        if amount % 2 == 0:
            return super().deposit(amount)
        return super(Savings, self).deposit(amount + 1)  # noqa: UP008


@pytest.mark.parametrize("kind, expected", [(Account, [15, 15, -1]), (Savings, [16, 16, -1])])
def test_methods_private_names_and_super(kind, expected):
    deposit = tf.function(kind().deposit)
    assert [int(deposit(tf.constant(n))) for n in (5, -2, 1000)] == expected


def test_attributes_and_items_as_state():
    class Box:
        pass

    def f(x):
        box = Box()
        box.total, values = x * 0, {"n": x}
        for i in tf.range(3):
            if i != 1:
                box.total = box.total + i * x
            values["n"] = values["n"] + box.total
        return box.total, values["n"]

    agree(f, [1, 4])


# ---- what functions can be


def test_lambdas_on_one_line():
    pair = (lambda x: x + 1 if x > 0 else x - 1, lambda x: x * 2 if x > 0 else x * 3)
    for function, results in zip(pair, ([2, -2], [2, -3])):
        traced = tf.function(function)
        assert [int(traced(tf.constant(v))) for v in (1, -1)] == results


def test_decorators():
    import functools

    def twice(function):
        @functools.wraps(function)
        def wrapper(*args):
            return function(*args) * 2

        return wrapper

    @twice
    @twice
    def f(x):
        if x > 0:
            y = x
        else:
            y = -x * 10
        return y

    agree(f, [3, -1])


def test_recursion():
    def power(x, n):
        if n == 0:
            return tf.ones_like(x)
        y = power(x, n - 1)
        if y > 100:
            y = tf.constant(100)
        return x * y

    traced = tf.function(power)
    assert [int(traced(tf.constant(3), n)) for n in (0, 3, 7)] == [1, 27, 300]


def test_arguments_of_every_kind():
    def f(a, /, b=2, *rest, c, d=4, **more):
        total = a + b + c + d
        for r in rest:
            total += r
        if total > 10:
            total += more.get("e", 0)
        return total

    converted = tf.autograph.to_graph(f)
    for args, kwargs in [((1,), {"c": 3}), ((1, 5, 6, 7), {"c": 1, "e": 50}), ((1,), {"c": 9, "d": 0, "b": 3})]:
        assert converted(*args, **kwargs) == f(*args, **kwargs)


def test_generators_and_classes_inside():
    def f(x):
        def numbers():
            yield from (1, 2, 3)

        class Point:
            scale = 2

            def __init__(self, v):
                self.v = v if v is not None else 0

        if x > 0:
            x = x + sum(numbers())
        return x * Point(1).scale

    agree(f, [1, -1])


def test_functions_defined_in_branches_and_loops():
    def f(x):
        if x > 0:
            def g(y):
                return y * 2
            z = g(x)
        else:
            z = (lambda y: y - 1)(x)
        functions = []
        for i in range(3):
            functions.append(lambda y, i=i: y + i)
        for function in functions:
            z = function(z)
        return z

    agree(f, [2, -2])


# ---- statements


def test_try_with_and_control_flow():
    def f(x):
        log = []
        try:
            with tf.name_scope("scope"):
                if x > 0:
                    y = x * 2
                else:
                    y = x
            if isinstance(log, list):
                raise KeyError("wanted")
        except KeyError as error:
            y = y + len(error.args)
        else:
            y = y * 1000
        finally:
            y = y + 10
        return y

    agree(f, [1, -1])


def test_match():
    def f(x, kind):
        match kind:
            case "double":
                y = x * 2
            case ("shift", n) if n > 1:
                y = x + n
            case _:
                y = x
        if y > 5:
            y = y * 10
        return y

    converted = tf.autograph.to_graph(f)
    for x, kind in itertools.product((1, 4), ("double", ("shift", 5), ("shift", 0), None)):
        assert converted(x, kind) == f(x, kind)


def test_comprehensions_walrus_and_starred():
    def f(x):
        values = [v * 2 for v in (1, 2, 3) if v != 2]
        first, *rest = values
        if (n := len(rest)) > 0 and x > first:
            x = x + n
        total = sum(v for v in values)
        return x + total if x > 3 else x - total

    agree(f, [0, 3, 10])


def test_logic_is_lazy_for_python_values():
    def f(x, y):
        if x is not None and x[0] > 0:
            return 1
        return 2 if not y or y == "a" else 3

    converted = tf.autograph.to_graph(f)
    for x, y in itertools.product((None, [1], [0]), ("", "a", "b")):
        assert converted(x, y) == f(x, y)


def test_chained_comparisons():
    def f(x):
        if 0 < x < 10:
            return x * 1
        if -5 <= x <= 0 != 1:
            return x * 2
        return x * 3

    agree(f, [-7, -3, 0, 5, 12])


def test_delete_and_global_statements_first():
    def f(x):
        """A documentation string."""
        y = x + 1
        if x > 0:
            z = y
        else:
            z = -y
        del y
        return z

    agree(f, [1, -1])
    assert tf.autograph.to_graph(f).__doc__ == "A documentation string."


# ---- lines


def lines_of(error, name="test_transformer"):
    return [(frame.name, frame.lineno) for frame in traceback.extract_tb(error.__traceback__) if name in frame.filename]


def test_tracebacks_show_the_line_of_the_statement():
    class Wrong(Exception):
        pass

    def fail(x):
        raise Wrong(str(x))

    def f(x):
        y = 0
        for i in range(3):
            if i > 1:
                y = y + 1
                fail(
                    x,
                )
                y = y + 2
            else:
                y = 5
        return y

    start = f.__code__.co_firstlineno
    with pytest.raises(Wrong) as caught:
        tf.autograph.to_graph(f)(1)
    found = [line - start for _, line in lines_of(caught.value) if start < line < start + 12]
    assert found and set(found[1:]) <= {2, 3, 5} and found[-1] == 5


def test_errors_while_tracing_show_the_line():
    @tf.function
    def f(x):
        if tf.reduce_sum(x) > 0.0:
            y = x * 2.0
            z = tf.matmul(y, tf.ones([7, 7]))
        else:
            z = x
        return z

    start = f.python_function.__code__.co_firstlineno
    with pytest.raises(ValueError, match=f'test_transformer.py", line {start + 4}'):
        f(tf.ones([2, 3]))


def test_errors_of_python_in_branches_show_the_line():
    @tf.function
    def f(x):
        while x < 3:
            x = x + 1
            if x > 1:
                x = x.nothing
        return x

    start = f.python_function.__code__.co_firstlineno
    with pytest.raises(AttributeError, match=f'line {start + 5}(.|\n)*x = x.nothing'):
        f(tf.constant(0))


def test_the_code_keeps_file_name_and_name():
    def f(x):
        if x:
            return 1
        return 2

    converted = tf.autograph.to_graph(f)
    assert converted.__code__.co_filename == f.__code__.co_filename == __file__
    assert (converted.__name__, converted.__qualname__) == ("tf__f", f.__qualname__)


def test_functions_without_source_are_called_as_they_are():
    namespace = {}
    exec("def f(x):\n    return x + 1", namespace)
    assert int(tf.function(namespace["f"])(tf.constant(1))) == 2
    with pytest.raises(ValueError, match="Cannot convert"):
        tf.autograph.to_graph(namespace["f"])
