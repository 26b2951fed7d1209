"""tf.print and the old Print; Assert and the tf.debugging assertions: formats, messages, when they fail."""

import sys

import numpy as np
import pytest
import tensorflow as tf

tf1 = tf.compat.v1
Failure = tf.errors.InvalidArgumentError


# ------------------------------------------------------------------ tf.print

PRINTED = [
    (lambda: ["a", 1, 2.5, tf.constant(3), tf.constant(4.0), tf.constant([1.5, 2])], "a 1 2.5 3 4 [1.5 2]"),
    (lambda: [tf.constant([[1, 2], [3, 4]])], "[[1 2]\n [3 4]]"),
    (lambda: [tf.zeros([2, 1, 2])], "[[[0 0]]\n\n [[0 0]]]"),
    (lambda: [tf.range(6)], "[0 1 2 3 4 5]"),
    (lambda: [tf.range(7)], "[0 1 2 ... 4 5 6]"),
    (lambda: [tf.constant("s"), tf.constant(["a", "b"])], '"s" ["a" "b"]'),
    (lambda: [tf.constant(True), tf.constant([True, False]), True, None], "1 [1 0] True None"),
    (lambda: [tf.constant([]), tf.zeros([0, 3])], "[] []"),
    (lambda: [{"k": tf.constant(1), "a": [2, (tf.constant(3), "x")]}], "{'a': [2, (3, 'x')], 'k': 1}"),
    (lambda: [np.array([1, 2]), [1, 2, 3], (1,)], "array([1, 2]) [1, 2, 3] (1,)"),
    (lambda: [tf.constant(3, tf.uint8), tf.constant(-3, tf.int8), tf.constant(7, tf.int64)], "3 -3 7"),
    (lambda: [tf.constant(2.5, tf.bfloat16), tf.constant(2.5, tf.float16)], "2.5 2.5"),
    (lambda: [tf.TensorShape([1, None]), tf.float32], "TensorShape([1, None]) tf.float32"),
    (lambda: ["{}", tf.constant(1), "%s %d"], "{} 1 %s %d"),
    (lambda: [tf.Variable(3.0), tf.Variable([3, 4])], "3 [3 4]"),
    (
        lambda: [tf.sparse.from_dense([[0, 1], [2, 0]])],
        "'SparseTensor(indices=[[0 1]\n [1 0]], values=[1 2], shape=[2 2])'",
    ),
    (list, ""),
]


@pytest.mark.parametrize("number", range(len(PRINTED)))
@pytest.mark.parametrize("way", ["eager", "function"])
def test_print(capfd, number, way):
    make, expected = PRINTED[number]
    values = make()

    def show():
        tf.print(*values)

    (show if way == "eager" else tf.function(show))()
    captured = capfd.readouterr()
    assert captured.err == expected + "\n" and captured.out == ""


@pytest.mark.parametrize(
    "number,expected",
    [
        (1.0, "1"), (0.1, "0.1"), (1e-8, "1e-08"), (1e20, "1e+20"), (123456.789, "123456.789"),
        (-0.5, "-0.5"),
        (1 / 3, "0.333333343"), (np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf"), (16777216.0, "16777216"),
        (1e6, "1e+06"), (np.float64(1 / 3), "0.33333333333333331"), (np.float64(0.1), "0.1"),
    ],
)  # fmt: skip
def test_numbers(capfd, number, expected):
    dtype = tf.float64 if isinstance(number, np.float64) else tf.float32
    tf.print(tf.constant(number, dtype))
    tf.print(tf.constant([number], dtype))
    scalar, vector = capfd.readouterr().err.splitlines()
    assert scalar == vector[1:-1] == expected


def test_summarize(capfd):
    for summarize, expected in [
        (-1, "[0 1 2 3 4 5 6 7 8 9]"),
        (1, "[0 ... 9]"),
        (2, "[0 1 ... 8 9]"),
        (5, "[0 1 2 3 4 5 6 7 8 9]"),
    ]:
        tf.print(tf.range(10), summarize=summarize)
        assert capfd.readouterr().err == expected + "\n"
    tf.print(tf.reshape(tf.range(64), [8, 8]))
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "[[0 1 2 ... 5 6 7]" and lines[3] == " ..."
    assert lines[-1] == " [56 57 58 ... 61 62 63]]"


def test_sep_end_and_stream(capfd, tmp_path):
    tf.print("a", tf.constant(1), sep=", ", end="|", output_stream=sys.stdout)
    tf.print("b", output_stream=sys.stderr)
    captured = capfd.readouterr()
    assert captured.out == "a, 1|" and captured.err == "b\n"
    path = tmp_path / "lines.txt"
    for _ in range(2):
        tf.print("line", tf.constant(1), output_stream=f"file://{path}")
    assert path.read_text() == "line 1\nline 1\n"
    with pytest.raises(ValueError, match="stream"):
        tf.print("x", output_stream=3)
    with pytest.raises((TypeError, ValueError), match="nonsense"):
        tf.print("x", nonsense=1)


def test_print_in_a_graph(capfd, graph):
    x = tf1.placeholder(tf.float32, [None])
    operation = tf.print("values:", x, tf.shape(x))
    assert isinstance(operation, tf.Operation) and operation.type == "PrintV2"
    with tf.control_dependencies([operation]):
        y = x + 1
    with tf1.Session() as session:
        assert session.run(operation, {x: [5.0]}) is None
        session.run(y, {x: [1.0, 2.0]})
        session.run(x * 2, {x: [7.0]})
    assert capfd.readouterr().err == "values: [5] [1]\nvalues: [1 2] [2]\n"


def test_print_in_a_loop(capfd):
    @tf.function
    def count(n):
        def body(i):
            tf.print("i =", i)
            return (i + 1,)

        tf.while_loop(lambda i: i < n, body, (0,))

    count(tf.constant(3))
    assert capfd.readouterr().err == "i = 0\ni = 1\ni = 2\n"


def test_old_print(capfd, graph):
    x = tf1.placeholder(tf.float32, [None])
    y = tf1.Print(x, [x, tf.shape(x), "hello"], message="seen: ", first_n=2, summarize=2)
    z = tf1.Print(x, [x])
    assert y.op.type == "Print" and y.shape.as_list() == [None]
    with tf1.Session() as session:
        for _ in range(3):
            assert session.run(y, {x: [1.0, 2.0, 3.5]}).tolist() == [1.0, 2.0, 3.5]
        assert capfd.readouterr().err == "seen: [1 2...][3][hello]\n" * 2
        session.run(z, {x: [1.0, 2.0, 3.5, 4.0]})
        assert capfd.readouterr().err == "[1 2 3.5...]\n"
        assert session.run(tf.gradients(y * 2.0, x)[0], {x: [1.0]}).tolist() == [2.0]


# ------------------------------------------------------------------ Assert


def test_assert():
    assert tf.Assert(tf.constant(True), [tf.constant(1)]) is None
    with pytest.raises(Failure, match="(?s)to be true.*1.*msg.*1, 2, 3, ..."):
        tf.Assert(tf.constant(False), [tf.constant(1), "msg", tf.constant([1, 2, 3, 4, 5])])
    with pytest.raises(Failure, match="x"):
        tf.debugging.Assert(False, ["x"])


def test_assert_in_a_graph(graph):
    x = tf1.placeholder(tf.float32, [None])
    check = tf.Assert(tf.reduce_all(x > 0), [x, "must be positive"])
    with tf.control_dependencies([check]):
        y = x * 2.0
    with tf1.Session() as session:
        assert session.run(y, {x: [1.0]}).tolist() == [2.0]
        with pytest.raises(Failure, match=r"assertion failed: \[1 -1\] \[must be positive\]"):
            session.run(y, {x: [1.0, -1.0]})
        assert session.run(x * 2.0, {x: [-1.0]}).tolist() == [-2.0]


def test_assert_in_a_function():
    log = tf.Variable(0)

    @tf.function
    def f(x):
        log.assign_add(1)
        tf.debugging.assert_positive(x, message="must be positive")
        log.assign_add(10)
        return x

    f(tf.constant(1.0))
    assert int(log) == 11
    with pytest.raises(Failure, match="(?s)must be positive.*x > 0"):
        f(tf.constant(-1.0))
    assert int(log) in (12, 22)


# ------------------------------------------------------------------ the family

# name, arguments that pass, arguments that fail, what the message says
DYNAMIC = [
    ("assert_equal", ([1, 2], [1, 2]), ([1, 2], [1, 3]), "x == y"),
    ("assert_none_equal", ([1, 2], [2, 1]), ([1, 2], [2, 2]), "x != y"),
    ("assert_less", ([1, 2], 3), ([1, 3], 3), "x < y"),
    ("assert_less_equal", ([1, 3], 3), ([1, 4], 3), "x <= y"),
    ("assert_greater", (3, [1, 2]), (2, [1, 2]), "x > y"),
    ("assert_greater_equal", (2, [1, 2]), (1, [1, 2]), "x >= y"),
    ("assert_near", (1.0, 1.0000001), (1.0, 1.1), "tolerance"),
    ("assert_positive", ([1, 2],), ([1, 0],), "x > 0"),
    ("assert_negative", ([-1.0],), ([0.0],), "x < 0"),
    ("assert_non_negative", ([1, 0],), ([-1, 0],), "x >= 0"),
    ("assert_non_positive", ([-1, 0],), ([1, 0],), "x <= 0"),
]
STATIC = [
    ("assert_rank", ([1], 1), ([1], 2), ValueError, "rank 2"),
    ("assert_rank_at_least", ([[1]], 1), ([1], 2), ValueError, "at least 2"),
    ("assert_rank_in", ([1], [0, 1]), ([1], [0, 2]), ValueError, "rank"),
    ("assert_scalar", (1,), ([1],), ValueError, "scalar"),
    ("assert_integer", (1,), (1.0,), TypeError, "integer"),
    ("assert_type", (1, tf.int32), (1.0, tf.int32), TypeError, "int32"),
    ("assert_proper_iterable", ([1],), (3,), TypeError, "iterable"),
    ("assert_same_float_dtype", ([tf.constant(1.0)],), ([tf.constant(1.0), tf.constant(1.0, tf.float64)],),
     ValueError, "float"),
]  # fmt: skip


@pytest.mark.parametrize("name,good,bad,message", DYNAMIC)
def test_dynamic_assertions_eagerly(name, good, bad, message):
    check = getattr(tf.debugging, name)
    assert check(*good) is None
    assert getattr(tf1.debugging, name)(*good) is None
    with pytest.raises(Failure, match=message):
        check(*bad)
    with pytest.raises(Failure, match="(?s)my own words"):
        check(*bad, message="my own words")


@pytest.mark.parametrize("name,good,bad,message", DYNAMIC)
def test_dynamic_assertions_in_a_graph(graph, name, good, bad, message):
    placeholders = [tf1.placeholder(tf.constant(value).dtype, np.shape(value)) for value in good]
    operation = getattr(tf1, name)(*placeholders, data=None, message="my own words")
    with tf.control_dependencies([operation]):
        after = tf.constant("fine")
    with tf1.Session() as session:
        feed = dict(zip(placeholders, good, strict=True))
        assert session.run(after, feed) == b"fine"
        with pytest.raises(Failure, match="my own words") as failure:
            session.run(after, dict(zip(placeholders, bad, strict=True)))
        assert name == "assert_near" or message in str(failure.value)


@pytest.mark.parametrize("name,good,bad,error,message", STATIC)
def test_static_assertions(name, good, bad, error, message):
    check = getattr(tf.debugging, name)
    check(*good)
    with pytest.raises(error, match=message):
        check(*bad)


def test_what_is_known_to_fail_fails_at_once(graph):
    with pytest.raises(Failure, match="x == y"):
        tf.debugging.assert_equal(tf.constant(1), tf.constant(2))
    with pytest.raises(Failure, match="x > 0"):
        tf.debugging.assert_positive(tf.constant(-1))
    with pytest.raises(ValueError, match="rank 2"):
        tf.debugging.assert_rank(tf1.placeholder(tf.float32, [None]), 2)
    with pytest.raises(Failure):
        tf.function(lambda x: tf.debugging.assert_equal(tf.constant(1), 2))(1.0)


def test_values_are_shown():
    with pytest.raises(Failure) as failure:
        tf.debugging.assert_equal([5, 7, 8], [5, 6, 9], message="hello")
    text = str(failure.value)
    for part in ("hello", "Condition x == y did not hold", "[7 8]", "[6 9]", "[5 7 8]", "[5 6 9]"):
        assert part in text


def test_rank_that_is_known_when_running(graph):
    x = tf1.placeholder(tf.float32, None)
    with tf.control_dependencies([tf1.assert_rank(x, 1, message="vector wanted")]):
        y = tf.identity(x)
    with tf1.Session() as session:
        assert session.run(y, {x: [1.0]}).tolist() == [1.0]
        with pytest.raises(Failure, match="vector wanted"):
            session.run(y, {x: 1.0})


def test_version_1_assertions_return_operations(graph):
    x = tf1.placeholder(tf.float32, [None])
    for operation in (tf1.assert_equal(x, x), tf1.assert_rank(x, 1)):
        assert operation.type == "NoOp"


def test_assert_shapes():
    x, y = tf.zeros([2, 3]), tf.zeros([3, 4])
    tf.debugging.assert_shapes([(x, ("N", "D")), (y, ("D", 4))])
    tf.debugging.assert_shapes([(x, (2, None)), (tf.zeros([]), ()), (y, (..., 4))])
    with pytest.raises(ValueError, match="dimension 0"):
        tf.debugging.assert_shapes([(x, ("N", "D")), (y, ("N", 4))])
    with pytest.raises(ValueError, match="rank"):
        tf.debugging.assert_shapes([(x, ("N",))])


@pytest.mark.parametrize("bad,word", [(np.nan, "NaN"), (np.inf, "Inf"), (-np.inf, "Inf")])
def test_check_numerics(graph, bad, word):
    x = tf1.placeholder(tf.float32, [None])
    checked = [tf.debugging.check_numerics(x, "my tensor"), tf1.verify_tensor_all_finite(x, "my tensor")]
    with tf1.Session() as session:
        for y in checked:
            assert session.run(y, {x: [1.0, 2.0]}).tolist() == [1.0, 2.0]
            with pytest.raises(Failure, match=f"(?s)my tensor.*{word}"):
                session.run(y, {x: [1.0, bad]})
        assert session.run(tf.gradients(checked[0] * 3.0, x)[0], {x: [1.0]}).tolist() == [3.0]


@pytest.mark.parametrize("bad,word", [(np.nan, "NaN"), (np.inf, "Inf")])
def test_check_numerics_eagerly(bad, word):
    with pytest.raises(Failure, match=f"(?s)my tensor.*{word}"):
        tf.debugging.check_numerics([bad], "my tensor")
    with pytest.raises(Failure, match=f"(?s)my tensor.*{word}"):
        tf.debugging.assert_all_finite([1.0, bad], "my tensor")


def test_questions_about_tensors():
    assert tf.debugging.is_numeric_tensor(tf.constant(1))
    assert not tf.debugging.is_numeric_tensor(tf.constant("a"))
    assert not tf.debugging.is_numeric_tensor([1])
    assert bool(tf.math.is_strictly_increasing([1, 2, 3]))
    assert not bool(tf.math.is_strictly_increasing([1, 2, 2]))
    assert bool(tf.math.is_non_decreasing([1, 2, 2])) and not bool(tf.math.is_non_decreasing([2, 1]))
    assert bool(tf1.is_strictly_increasing([])) and bool(tf1.is_non_decreasing([1]))
