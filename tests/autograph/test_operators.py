"""The runtime of converted code: Python decides where it can, the graph where it must."""


import pytest

import everflow as tf
from everflow._src.autograph import operators
from everflow._src.autograph.state import Undefined, UndefinedReturnValue, covers, ldu, returned
from tests.autograph.converted import State, run, types

# ---- undefined variables


def test_undefined_variables_fail_when_used():
    missing = Undefined("x")
    for use in (lambda: missing + 1, lambda: 1 - missing, lambda: missing(), lambda: missing.y, lambda: bool(missing),
                lambda: missing[0], lambda: list(missing), lambda: missing < 2, lambda: -missing):
        with pytest.raises(UnboundLocalError, match="'x'"):
            use()
    assert returned(UndefinedReturnValue()) is None and returned(3) == 3
    assert isinstance(ldu(lambda: not_there, "x"), Undefined) and ldu(lambda: 5, "x") == 5  # noqa: F821


@pytest.mark.parametrize("general, specific, expected", [
    ([None, 2], [3, 2], True), ([3, 2], [None, 2], False), (None, [1], True), ([1], None, False), ([1], [1, 1], False),
    ([], [], True),
])
def test_shapes_that_cover_others(general, specific, expected):
    assert covers(tf.TensorShape(general), tf.TensorShape(specific)) is expected


# ---- if


def branch(condition, state, main, orelse, outputs=None):
    outputs = len(state.symbols) if outputs is None else outputs
    operators.if_stmt(condition, lambda: state.values.update(main()), lambda: state.values.update(orelse()), state.get,
                      state.set, state.symbols, outputs)
    return state.values


@pytest.mark.parametrize("condition", [True, False, 1, "", tf.constant(True)])
def test_known_conditions_run_one_branch(condition):
    ran = []
    branch(condition, State(x=0), lambda: ran.append("main") or {}, lambda: ran.append("else") or {})
    assert ran == (["main"] if condition else ["else"])


def test_branches_of_the_graph(graph):
    c = tf.compat.v1.placeholder(tf.bool, [])
    state = State(x=tf.constant(1), y=5, name="same")
    values = branch(c, state, lambda: {"x": state.values["x"] + 1}, lambda: {"y": 7})
    assert values["name"] == "same" and "If" in types(graph) or "StatelessIf" in types(graph)
    assert [run(tf.stack([values["x"], values["y"]]), {c: v}).tolist() for v in (True, False)] == [[2, 5], [1, 7]]


@pytest.mark.parametrize("main, orelse, error, words", [
    ({"x": 1}, {}, ValueError, "'x' must also be initialized in the else branch"),
    ({}, {"x": 1}, ValueError, "'x' must also be initialized in the main branch"),
    ({"x": 1}, {"x": 1.0}, TypeError, "dtype int32 .* dtype float32"),
    ({"x": (1, 2)}, {"x": (1, 2, 3)}, TypeError, "same nested structure"),
    ({"x": None}, {"x": 1}, ValueError, "None at the end of the main branch"),
])
def test_branches_that_disagree(graph, main, orelse, error, words):
    state = State(x=Undefined("x"))
    with pytest.raises(error, match=words):
        branch(tf.compat.v1.placeholder(tf.bool, []), state, lambda: main, lambda: orelse)
    assert isinstance(state.values["x"], Undefined)  # as before


def test_what_only_one_branch_needs_inside(graph):
    state = State(x=tf.constant(1), scratch=Undefined("scratch"))
    values = branch(tf.compat.v1.placeholder(tf.bool, []), state, lambda: {"scratch": 3, "x": 2}, dict, outputs=1)
    assert values["x"].dtype == tf.int32 and isinstance(values["scratch"], Undefined)


# ---- expressions


def test_logic(graph):
    def fail():
        raise AssertionError("not needed")

    assert operators.and_(lambda: 0, fail) == 0 and operators.or_(lambda: 5, fail) == 5
    assert operators.and_(lambda: 1, list) == [] and operators.not_([]) is True
    p = tf.compat.v1.placeholder(tf.bool, [])
    both = operators.and_(lambda: p, lambda: tf.constant(True))
    either = operators.or_(lambda: p, lambda: False)
    found = tf.stack([both, either, operators.not_(p), operators.if_exp(p, lambda: False, lambda: True, "e")])
    assert run(found, {p: True}).tolist() == [True, True, False, False]
    assert run(found, {p: False}).tolist() == [False, False, True, True]


def test_the_second_operand_runs_only_if_needed(graph):
    x = tf.compat.v1.placeholder(tf.int32, [None])
    safe = operators.and_(lambda: tf.size(x) > 0, lambda: x[0] > 0)
    assert [run(safe, {x: v}) for v in ([], [1], [-1])] == [False, True, False]


def test_assertions(graph):
    with pytest.raises(AssertionError, match="wrong"):
        operators.assert_stmt(False, lambda: "wrong")
    operators.assert_stmt(tf.compat.v1.placeholder(tf.bool, [], name="p"), lambda: "wrong")
    (op,) = [op for op in graph.get_operations() if op.type == "Assert"]
    with tf.compat.v1.Session() as session:
        session.run(op, {"p:0": True})
        with pytest.raises(tf.errors.InvalidArgumentError, match="wrong"):
            session.run(op, {"p:0": False})
