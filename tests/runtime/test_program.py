"""Programs: what runs, in which order, how long values live, and in which tier."""

import random

import numpy as np
import pytest

import everflow as tf
from everflow._src.runtime import program as programs
from everflow._src.runtime.frames import HostFrame
from everflow._src.runtime.program import Program, TierRecord, prune
from everflow._src.runtime.resources import Store


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def types_of(operations):
    return [op.type for op in operations]


def run(program, *arguments):
    return program.execute([np.asarray(a) for a in arguments], HostFrame(Store()))


# ---- what runs, in which order


def test_only_what_outputs_need_runs(graph):
    x = tf.compat.v1.placeholder(tf.float32, [])
    y = tf.exp(x)
    tf.sin(y)
    z = tf.cos(y)
    assert types_of(prune([z], [], {id(x)})) == ["Exp", "Cos"]
    assert types_of(prune([z], [], {id(y)})) == ["Cos"]  # a value that is fed needs nothing
    assert prune([y], [], {id(y)}) == []
    assert types_of(prune([], [z.op], set())) == ["Placeholder", "Exp", "Cos"]


def test_control_inputs_are_needed(graph):
    x = tf.constant(1.0)
    before = tf.exp(x)
    with tf.control_dependencies([before]):
        y = tf.identity(x)
    assert set(types_of(prune([y], [], set()))) == {"Const", "Exp", "Identity"}


def test_operations_run_in_the_order_they_were_made(graph):
    v = tf.compat.v1.get_variable("v", [], initializer=tf.zeros_initializer())
    first = v.read_value()
    assigned = v.assign_add(1.0)
    second = v.read_value()
    operations = prune([second, first], [assigned.op], set())
    order = [op._id for op in operations]
    assert order == sorted(order)


def test_rewired_graphs_are_sorted_by_their_inputs(graph):
    generator = random.Random(3)
    for _ in range(10):
        tensors = [tf.constant(float(i)) for i in range(3)]
        sums = []
        for _ in range(6):
            tensors.append(tf.add(generator.choice(tensors), generator.choice(tensors)))
            sums.append(tensors[-1])
        late = tf.constant(10.0)
        sums[0].op._update_input(0, late)
        operations = prune([sums[-1], sums[0]], [], set())
        position = {id(op): n for n, op in enumerate(operations)}
        for op in operations:
            assert all(position[id(t.op)] < position[id(op)] for t in op.inputs)


def test_a_cycle_is_named(graph):
    a = tf.add(tf.constant(1.0), 1.0, name="a")
    b = tf.exp(a, name="b")
    a.op._update_input(0, b)
    with pytest.raises(tf.errors.InvalidArgumentError, match="cycle"):
        prune([b], [], set())


def test_effects_of_a_function_run_though_unused():
    v = tf.Variable(0.0)

    @tf.function
    def f(x):
        v.assign_add(x)
        tf.exp(x)
        return x

    graph = f.get_concrete_function(tf.TensorSpec([])).graph
    program = Program(graph.inputs, graph.outputs, (), graph)
    ran = types_of(program.operations)
    assert "AssignAddVariableOp" in ran and "Exp" not in ran


# ---- how long values live


def test_values_are_freed_after_their_last_use(graph):
    x = tf.compat.v1.placeholder(tf.float32, [])
    a = tf.exp(x)
    b = tf.sin(a)
    c = tf.cos(a)
    d = b + c
    program = Program([x], [d])
    slots = program.slot_of
    frees = {i.card.name: set(i.frees) for i in program.instructions}
    assert frees["Exp"] == set()
    assert frees["Cos"] == {slots[id(a)]}
    assert frees["AddV2"] == {slots[id(b)], slots[id(c)]}
    assert all(slots[id(x)] not in f and slots[id(d)] not in f for f in frees.values())


def test_values_nobody_uses_are_freed_at_once(graph):
    x = tf.compat.v1.placeholder(tf.float32, [4])
    parts = tf.unstack(x)
    program = Program([x], [parts[1]])
    (instruction,) = program.instructions
    assert set(instruction.frees) == {program.slot_of[id(parts[i])] for i in (0, 2, 3)}


def test_constants_and_arguments_survive_a_run(graph):
    x = tf.compat.v1.placeholder(tf.float32, [])
    program = Program([x], [x * 2.0 + 1.0])
    results = [run(program, np.float32(n))[0] for n in (1, 2, 3)]
    np.testing.assert_array_equal(results, [3, 5, 7])


def test_random_programs_give_the_same_in_both_tiers(graph):
    for seed in range(8):
        generator = random.Random(seed)
        x = tf.compat.v1.placeholder(tf.float32, [3])
        tensors = [x, tf.constant([0.5, -1.0, 2.0])]
        for _ in range(12):
            kind = generator.randrange(5)
            a, b = generator.choice(tensors), generator.choice(tensors)
            tensors.append([
                lambda a=a, b=b: tf.tanh(a + b), lambda a=a, b=b: tf.sin(a) * b, lambda a=a: tf.reverse(a, [0]),
                lambda a=a, b=b: tf.where(a > b, a, b), lambda a=a: a - tf.reduce_mean(a),
            ][kind]())
        outputs = generator.sample(tensors, 4)
        value = np.array([0.3, -0.7, 1.1], np.float32)
        expected = run(Program([x], outputs, compile_now=False), value)
        found = run(Program([x], outputs, compile_now=True), value)
        for a, b in zip(expected, found):
            np.testing.assert_allclose(a, np.asarray(b), rtol=1e-4, atol=1e-6)


# ---- tiers


def _record(runs, seconds):
    record = TierRecord()
    record.runs, record.seconds = runs, seconds
    return record


@pytest.fixture
def program(graph):
    x = tf.compat.v1.placeholder(tf.float32, [None])
    return Program([x], [tf.exp(x) * 2.0])


def test_the_first_run_is_interpreted(program):
    assert not program._is_hot(TierRecord())
    run(program, np.ones(3, np.float32))
    (record,) = program.records.values()
    assert (record.runs, record.compiled, program.steps) == (1, False, None)


def test_slow_runs_are_compiled_the_second_time(program):
    assert program._is_hot(_record(1, 2 * programs._HOT_RUN))


def test_short_runs_are_compiled_when_they_add_up(program):
    average = 2 * programs._TINY_RUN
    runs = int(programs._HOT_TOTAL / average)
    assert not program._is_hot(_record(runs // 2, average * (runs // 2)))
    assert program._is_hot(_record(runs + 2, average * (runs + 2)))


def test_tiny_programs_are_never_compiled(program):
    assert not program._is_hot(_record(10**9, 10**9 * programs._TINY_RUN / 2))


def test_rare_shapes_stay_on_numpy(program):
    program.records = {(3,): TierRecord(), (4,): TierRecord()}
    assert not program._is_hot(_record(1, 1.0))
    assert not program._is_hot(_record(programs._RARE_RUNS - 1, 1.0))
    assert program._is_hot(_record(programs._RARE_RUNS, 1.0))


def test_what_lost_the_comparison_stays_on_numpy(program):
    record = _record(4, 4e-3)
    record.compiled = True
    for _ in range(13):
        program._compare(record, 1.0)
    assert record.settled and not record.compiled and not program._is_hot(record)
    record = _record(4, 4e-3)
    record.compiled = True
    for _ in range(13):
        program._compare(record, 1e-4)
    assert record.settled and record.compiled


def test_compile_now_decides(graph):
    x = tf.compat.v1.placeholder(tf.float32, [None])
    at_once, never = (Program([x], [tf.exp(x)], compile_now=c) for c in (True, False))
    assert at_once._is_hot(TierRecord()) and not never._is_hot(_record(100, 100.0))
    for n in (2, 3):
        for program in (at_once, never):
            np.testing.assert_allclose(run(program, np.zeros(n, np.float32))[0], np.ones(n))
    assert all(r.compiled and r.runs == 0 for r in at_once.records.values())
    assert all(not r.compiled and r.runs == 1 for r in never.records.values()) and never.steps is None


def test_programs_of_host_operations_are_not_compiled(graph):
    x = tf.compat.v1.placeholder(tf.string, [None])
    program = Program([x], [tf.reverse(x, [0])], compile_now=True)
    assert not program.compilable and not program._is_hot(_record(100, 100.0))


def test_shapes_are_told_apart_only_where_they_can_differ(graph):
    x = tf.compat.v1.placeholder(tf.float32, [2])
    y = tf.compat.v1.placeholder(tf.float32, [None])
    for tensor, count in ((x, 1), (y, 2)):
        program = Program([tensor], [tensor + 1.0], compile_now=False)
        run(program, np.ones(2, np.float32))
        if tensor is y:
            run(program, np.ones(5, np.float32))
        assert len(program.records) == count


def test_loops_are_compiled_though_runs_are_short(graph):
    n = tf.compat.v1.placeholder(tf.int32, [])
    out = tf.while_loop(lambda i: i < n, lambda i: [i + 1], [tf.constant(0)])
    program = Program([n], tf.nest.flatten(out))
    assert program.holds_loop and program._is_hot(_record(1, 2 * programs._TINY_RUN))
