"""append, pop and assigned items become assignments to the list."""

import ast
import textwrap

import pytest

from everflow._src.autograph import list_statements


def rewritten(body):
    tree = ast.parse("def f(l, d):\n" + textwrap.indent(textwrap.dedent(body), "    "))
    list_statements.rewrite(tree.body[0])
    return [ast.unparse(s) for s in ast.fix_missing_locations(tree).body[0].body]


@pytest.mark.parametrize("statement, expected", [
    ("l.append(1)", ["l = ag__.list_append(l, 1)"]),
    ("d.kept.append(1)", ["d.kept = ag__.list_append(d.kept, 1)"]),
    ("l.append(l.pop())", ["l, popped_1 = ag__.list_pop(l)", "l = ag__.list_append(l, popped_1)"]),
    ("l.pop()", ["l, popped_1 = ag__.list_pop(l)", "popped_1"]),
    ("x = l.pop() + l.pop(-1)",
     ["l, popped_1 = ag__.list_pop(l)", "l, popped_2 = ag__.list_pop(l, -1)", "x = popped_1 + popped_2"]),
    ("l[0] = 1", ["l = ag__.set_item(l, 0, 1)"]),
    ("l[1:] = 1", ["l = ag__.set_item(l, ag__.index[1:], 1)"]),
    ("l[0] += 1", ["l = ag__.set_item(l, 0, l[0] + 1)"]),
    ("return l.pop()", ["l, popped_1 = ag__.list_pop(l)", "return popped_1"]),
])
def test_statements(statement, expected):
    assert rewritten(statement) == expected


@pytest.mark.parametrize("statement", [
    "elsewhere.append(1)",  # not a variable of the function: an assignment would make it one
    "elsewhere[0] = 1",
    "l.append(1, 2)",
    "l.append(*d)",
    "x = d and l.pop()",  # not for certain
    "x = lambda: l.pop()",
    "x = [l.pop() for _ in d]",
    "l[d()] += 1",  # the key would be computed twice
    "def g(l):\n    l.append(1)",  # a function of its own
])
def test_what_stays(statement):
    assert "\n".join(rewritten(statement)) == statement
