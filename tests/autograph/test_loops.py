"""The runtime of converted loops: Python decides where it can, the graph where it must."""

import itertools

import numpy as np
import pytest

import everflow as tf
from everflow._src.autograph import loops
from tests.autograph.converted import State, run

# ---- loops


def repeat(test, state, body, options=None):
    loops.while_stmt(lambda: test(**state.values), lambda: state.values.update(body(**state.values)), state.get,
                         state.set, state.symbols, options)
    return state.values


def test_while_in_python():
    assert repeat(lambda i: i < 5, State(i=0), lambda i: {"i": i + 2})["i"] == 6


def test_while_in_the_graph(graph):
    n = tf.compat.v1.placeholder(tf.int32, [])
    state = State(i=0, s=0.5, same=None)
    values = repeat(lambda i, s, same: i < n, state, lambda i, s, same: {"i": i + 1, "s": s * 2.0})
    assert values["same"] is None and [run(values["s"], {n: v}) for v in (0, 3)] == [0.5, 4.0]


def test_loops_that_turn_symbolic_later(graph):
    def body(i):
        return {"i": i + 1 if isinstance(i, tf.Tensor) or i < 2 else tf.constant(i + 1)}

    values = repeat(lambda i: i < 6, State(i=0), body)
    assert run(values["i"]) == 6


@pytest.mark.parametrize("body, error, words", [
    (lambda x: {"x": 1.5}, TypeError, "dtype int32 before the loop, but dtype float32"),
    (lambda x: {"x": (x, x)}, TypeError, "nested structure"),
    (lambda x: {"x": tf.stack([x, x])}, ValueError, "shape"),
    (lambda x: {"x": None}, TypeError, "'x'"),
])
def test_loops_that_change_kind(graph, body, error, words):
    state = State(x=0)
    n = tf.compat.v1.placeholder(tf.bool, [])
    with pytest.raises(error, match=words):
        repeat(lambda x: n, state, body)
    assert state.values["x"] == 0


def test_maximum_iterations(graph):
    true = tf.compat.v1.placeholder(tf.bool, [])
    values = repeat(lambda i: true, State(i=0), lambda i: {"i": i + 1}, {"maximum_iterations": 4})
    assert run(values["i"], {true: True}) == 4


def each(items, state, body, extra=None):
    loops.for_stmt(items, extra, lambda item: state.values.update(body(item, **state.values)), state.get, state.set,
                       state.symbols, None)
    return state.values


def test_for_in_python_and_in_the_graph(graph):
    assert each([1, 2, 3], State(s=0), lambda item, s: {"s": s + item})["s"] == 6
    items = tf.compat.v1.placeholder(tf.int32, [None])
    values = each(items, State(s=0), lambda item, s: {"s": s * 10 + item})
    assert [run(values["s"], {items: v}) for v in ([], [1, 2, 3])] == [0, 123]
    assert run(each(tf.range(10, 0, -3), State(s=0), lambda item, s: {"s": s * 100 + item})["s"]) == 10070401
    with pytest.raises(ValueError, match="scalar"):
        each(tf.constant(3), State(s=0), lambda item, s: {})


def test_leaving_early():
    state = State(s=0)
    each(iter([1, 2, 3, 4]), state, lambda item, s: {"s": s + item}, lambda: state.values["s"] < 3)
    assert state.values["s"] == 3
    each(iter([1]), state, lambda item, s: {"s": -1}, lambda: False)
    assert state.values["s"] == 3


# ---- other things to iterate over


class Countdown:
    """Gives n, n - 1, ... 1; like a dataset's iterator, it keeps its place in a resource."""

    def __init__(self, n):
        self.left = tf.Variable(n)

    def __iter__(self):
        while int(self.left) > 0:
            item = self.left.value()
            self.left.assign_sub(1)
            yield item

    def next_item(self):
        item = self.left.read_value()
        more = item > 0
        self.left.assign_sub(tf.cast(more, tf.int32))
        return more, lambda: item


@pytest.fixture
def countdowns(monkeypatch):
    monkeypatch.setattr(loops, "_iterables", [])
    loops.register_iterable(Countdown, lambda iterated, *rest: loops.for_each_next(iterated.next_item, *rest))


def total(items):
    s = 0
    for v in items:
        s += v
    return s


def total_but_three(items):
    s = 0
    for v in items:
        if v == 3:
            continue
        s += v
    return s


def until_three(items):
    s = 0
    for v in items:
        if v == 3:
            break
        s += v
    return s


def first_below_three(items):
    for v in items:
        if v < 3:
            return v * 10
    return -1


def last(items):
    v = -1
    for v in items:
        last_one = v * 2
    return v, last_one


def pairs(items):
    s = 0
    for v in items:
        for w in tf.range(v):
            s += w
    return s


@pytest.mark.parametrize("function, n, expected, left", [
    (total, 5, 15, 0), (total, 0, 0, 0), (total_but_three, 5, 12, 0), (until_three, 5, 9, 2), (until_three, 2, 3, 0),
    (first_below_three, 5, 20, 1), (first_below_three, 0, -1, 0), (last, 4, (1, 2), 0), (pairs, 4, 10, 0),
])
def test_what_gives_one_item_at_a_time(countdowns, function, n, expected, left):
    for run_it in (function, tf.autograph.to_graph(function), tf.function(function)):
        items = Countdown(n)
        found = [np.asarray(v).tolist() for v in tf.nest.flatten(run_it(items))]
        assert found == list(tf.nest.flatten(expected)) and int(items.left) == left


def test_lists_grow_over_such_items(countdowns):
    def odd(items):
        kept = []
        for v in items:
            if v % 2 == 1:
                kept.append(v)
        return tf.stack(kept)

    function = tf.function(odd, experimental_autograph_options=tf.autograph.experimental.Feature.LISTS)
    assert function(Countdown(5)).numpy().tolist() == [5, 3, 1]


# ---- loops of Python that are left on a tensor


def test_python_loops_left_on_a_tensor():
    @tf.function
    def f(x):
        s = 0
        for i, k in enumerate([5, 6, 7, 8]):
            if k > x:
                break
            s += i * k
        return s

    assert [int(f(tf.constant(n))) for n in (4, 6, 9)] == [0, 6, 44]


def test_endless_iterators_left_on_a_tensor(monkeypatch):
    monkeypatch.setattr(loops, "_MOST_ITEMS", 5)

    @tf.function
    def f(x):
        for i in itertools.count():
            if i > x:
                break
            x += 1
        return x

    with pytest.raises(NotImplementedError, match="more than 5 items"):
        f(tf.constant(1))


def test_iterators_keep_what_is_not_looped_over():
    @tf.function
    def f(x):
        items = iter([1, 2, 3, 4])
        for i in items:
            if i == 2:
                break
        return x + next(items)

    assert int(f(tf.constant(0))) == 3
