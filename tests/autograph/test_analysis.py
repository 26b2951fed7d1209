"""What code reads and writes, and which names are alive where."""

import ast
import textwrap

import pytest

from everflow._src.autograph import analysis


def body(source):
    return ast.parse(textwrap.dedent(source)).body


def expression(source):
    return ast.parse(source, mode="eval").body


@pytest.mark.parametrize("source, reads, writes", [
    ("x = y", {"y"}, {"x"}),
    ("x += y", {"x", "y"}, {"x"}),
    ("x: int = y", {"int", "y"}, {"x"}),
    ("x, (y, *z) = w", {"w"}, {"x", "y", "z"}),
    ("a.b = c", {"a", "c"}, {"a.b"}),
    ("a.b += c", {"a", "a.b", "c"}, {"a.b"}),
    ("a[i] = c", {"a", "i", "c"}, {"a[i]"}),
    ("a['k'] = c", {"a", "c"}, {"a['k']"}),
    ("(x := y)", {"y"}, {"x"}),
    ("import a.b, c as d", set(), {"a", "d"}),
    ("for i in r: s += i", {"r", "s", "i"}, {"i", "s"}),
    ("with f() as g: g()", {"f", "g"}, {"g"}),
    ("x = [i + k for i in s]", {"k", "s"}, {"x"}),
    ("x = lambda a, b=d: a + c", {"c", "d"}, {"x"}),
    ("def f(a):\n  b = a\n  return b + c", {"c"}, {"f"}),
    ("class C(B):\n  x = y", {"B", "y"}, {"C"}),
    ("try:\n  pass\nexcept E as e:\n  pass", {"E"}, {"e"}),
])
def test_reads_and_writes(source, reads, writes):
    names = analysis.names_of(body(source))
    assert (names.reads, names.writes) == (reads, writes)


def test_what_nested_functions_know():
    names = analysis.names_of(body("""
        def f():
            nonlocal shared
            shared = outside
        g = lambda: later
    """))
    assert names.in_functions == {"shared", "outside", "later"}


@pytest.mark.parametrize("source, place, root", [
    ("x", "x", "x"), ("x.y.z", "x.y.z", "x"), ("x[0]", "x[0]", "x"), ("x[i].y", "x[i].y", "x"),
    ("x['a b']", "x['a b']", "x"),
    ("x[i + 1]", None, None), ("f().y", None, None), ("x[1:2]", None, None),
])
def test_places(source, place, root):
    found = analysis.place_of(expression(source))
    assert found == place
    if found is not None:
        assert analysis.root_of(found) == root and analysis.is_plain(found) == (found == root)


def alive_before(source, after=()):
    return analysis.annotate(body(source), set(after))


@pytest.mark.parametrize("source, after, before", [
    ("x = 1", {"x"}, set()),
    ("x = x + y", {"x"}, {"x", "y"}),
    ("x += 1", {"x"}, {"x"}),
    ("if c:\n  x = 1", {"x"}, {"c", "x"}),
    ("if c:\n  x = 1\nelse:\n  x = 2", {"x"}, {"c"}),
    ("if c:\n  x = y\nelse:\n  x = z", set(), {"c", "y", "z"}),
    ("while c:\n  x = y\n  y = x", set(), {"c", "y"}),
    ("while c:\n  x = 1", {"x"}, {"c", "x"}),
    ("for i in s:\n  x = i", {"x"}, {"s", "x"}),
    ("for i in s:\n  t = t + i", {"i"}, {"s", "t", "i"}),
    ("with m as y:\n  x = y", {"x"}, {"m"}),
    ("try:\n  x = f()\nexcept E:\n  y = x", {"y"}, {"f", "E", "x", "y"}),
    ("try:\n  x = f()\nfinally:\n  g(z)", set(), {"f", "g", "z"}),
])
def test_alive_before(source, after, before):
    assert alive_before(source, after) == before


def test_alive_around_statements():
    (loop,) = statements = body("""
        while i < n:
            if c:
                a = i
            else:
                b = a
            i = i + 1
    """)
    analysis.annotate(statements, {"b"})
    assert loop.live_after == {"b"}
    assert {"i", "n", "c", "a", "b"} <= loop.live_inside
    branch = loop.body[0]
    assert {"a", "b", "i"} <= branch.live_after


def test_variables_of_a_function():
    (function,) = body("""
        def f(a, /, b, *c, d, **e):
            global g
            g = h = 1
            def i(): j = 2
            [k for k in a]
    """)
    assert analysis.locals_of(function) == {"a", "b", "c", "d", "e", "h", "i"}
    assert analysis.locals_of(expression("lambda x, *y: z")) == {"x", "y"}


@pytest.mark.parametrize("source, expected", [
    ("def f():\n  yield 1", True), ("async def f():\n  await g()", True), ("def f():\n  return [x for x in y]", False),
    ("def f():\n  def g():\n    yield 1\n  return g", False), ("def f():\n  if a:\n    yield from b", True),
])
def test_generators(source, expected):
    assert analysis.is_generator(body(source)[0]) is expected
