"""Programs that are compiled in the background: nobody sees when they change over."""

import os
import pathlib
import subprocess
import sys
import threading

import numpy as np
import pytest

import everflow as tf
from everflow._src.runtime import executables
from everflow._src.runtime import program as programs
from everflow._src.runtime.background import BACKGROUND, Background
from everflow._src.runtime.frames import program_of
from everflow._src.runtime.program import Program, TierRecord

PATIENCE = 120


@pytest.fixture(autouse=True)
def _always_in_the_background(monkeypatch):
    """Every program is hot after its first run, and none is worth waiting for."""
    assert BACKGROUND.wait(5 * PATIENCE)  # what the tests before have left to it
    monkeypatch.setattr(programs, "_HOT_RUN", 0.0)
    monkeypatch.setattr(programs, "_TINY_RUN", -1.0)
    monkeypatch.setattr(programs, "expected_seconds", lambda *a: float("inf"))
    monkeypatch.setenv("EVERFLOW_BACKGROUND", "1")
    yield
    assert BACKGROUND.wait(PATIENCE)


def record_of(function):
    (record,) = program_of(function._traces[0].concrete.function).records.values()
    return record


def settle():
    assert BACKGROUND.wait(PATIENCE)


@pytest.fixture
def gate(monkeypatch):
    """Compiling waits until the gate is opened."""
    opened, compile_ = threading.Event(), executables.Executable._compile

    def wait_and_compile(self, *arguments):
        with BACKGROUND.aside():
            assert opened.wait(PATIENCE)
        return compile_(self, *arguments)

    monkeypatch.setattr(executables.Executable, "_compile", wait_and_compile)
    yield opened
    opened.set()


def test_numpy_serves_the_calls_until_the_program_is_compiled(gate):
    v = tf.Variable([1.0, 2.0])

    @tf.function
    def f(x):
        v.assign_add(x)
        return tf.reduce_sum(v * v), v.read_value()

    value = np.array([1.0, 2.0])
    held = []
    for n in range(10):
        total, read = f(tf.constant([1.0, 0.5]))
        value = value + [1.0, 0.5]
        np.testing.assert_allclose(total, (value * value).sum(), rtol=1e-6)
        held.append((read, value))
        if n == 3:
            (trace,) = f.explain().traces
            assert record_of(f).pending and "in the background" in trace.tier
            assert [s.kind for s in trace.steps] == ["can be compiled"]
    assert (record_of(f).runs, record_of(f).compiled) == (10, False)
    gate.set()
    settle()
    assert record_of(f).compiled and not record_of(f).pending
    np.testing.assert_allclose(v, value)  # compiling did not run anything
    for _ in range(5):
        total, read = f(tf.constant([1.0, 0.5]))
        value = value + [1.0, 0.5]
        np.testing.assert_allclose(total, (value * value).sum(), rtol=1e-6)
        held.append((read, value))
    assert (record_of(f).runs, record_of(f).compiled_runs) == (10, 5)
    for read, expected in held:
        np.testing.assert_allclose(read, expected)
    (trace,) = f.explain().traces
    assert trace.tier == "compiled" and [s.kind for s in trace.steps] == ["compiled"]


def test_random_sequences_go_on(gate):
    def numbers(open_after):
        tf.random.set_seed(7)
        f = tf.function(lambda: tf.random.uniform([3]) + tf.random.uniform([3], seed=3))
        found = []
        for n in range(8):
            if n == open_after:
                gate.set()
                settle()
            found.append(f().numpy())
        return found

    late, early = numbers(8), numbers(2)
    np.testing.assert_allclose(early, late, rtol=1e-6)
    assert len({tuple(v) for v in late}) == 8


def test_steps_between_host_operations():
    @tf.function
    def f(x):
        y = tf.exp(x)
        kept = tf.boolean_mask(y, y > 1.0)
        total = tf.reduce_sum(kept * 2.0)
        return total, tf.zeros(tf.stack([tf.cast(total, tf.int32) % 5 + 1, 2])), tf.strings.as_string(tf.size(kept))

    for n in range(8):
        x = np.array([0.5, -1.0, 0.1 * n], np.float32)
        total, zeros, size = f(tf.constant(x))
        y = np.exp(x)
        np.testing.assert_allclose(total, 2 * y[y > 1].sum(), rtol=1e-5)
        assert zeros.shape == (int(total) % 5 + 1, 2) and int(size.numpy()) == (y > 1).sum()
        settle()
    assert record_of(f).compiled and record_of(f).compiled_runs
    kinds = [s.kind for s in f.explain().traces[0].steps]
    assert "host" in kinds and "compiled" in kinds


def test_sessions_too(gate):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None, 2])
        w = tf.compat.v1.get_variable("w", initializer=np.ones((2, 1), np.float32))
        loss = tf.reduce_mean(tf.square(x @ w))
        train = tf.compat.v1.train.GradientDescentOptimizer(0.1).minimize(loss)
        session.run(tf.compat.v1.global_variables_initializer())
        batch, expected = np.array([[1.0, 2.0], [0.5, -1.0]], np.float32), np.ones((2, 1))
        for n in range(12):
            if n == 6:
                gate.set()
                settle()
            found, _ = session.run([loss, train], {x: batch})
            np.testing.assert_allclose(found, np.mean((batch @ expected) ** 2), rtol=1e-4)
            expected = expected - 0.1 * 2 * batch.T @ (batch @ expected) / 2
        programs_ = [entry[2] for entry in session._plans.values()]
        assert sum(r.compiled_runs for p in programs_ for r in p.records.values()) >= 6


def test_threads_that_call_while_it_compiles(gate):
    v = tf.Variable(np.zeros(4, np.float32))
    f = tf.function(lambda x: v.assign_add(x * 2.0))
    x = tf.ones([4])
    f(x)
    failures = []

    def work():
        try:
            for n in range(50):
                f(x)
                if n == 10:
                    gate.set()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settle()
    f(x)
    assert not failures and record_of(f).compiled
    np.testing.assert_array_equal(v, np.full(4, 2.0 * 202))


def test_a_program_that_does_not_compile_stays_on_numpy(monkeypatch):
    def broken(self, *arguments):
        raise RuntimeError("no code for this\nand more")

    monkeypatch.setattr(executables.Executable, "_compile", broken)
    v = tf.Variable(1.0)
    f = tf.function(lambda x: v.assign_add(x))
    for n in range(6):
        assert float(f(tf.constant(1.0))) == n + 2.0
        settle()
    assert f.explain().traces[0].tier == "NumPy (it does not compile: RuntimeError: no code for this)"
    assert (record_of(f).runs, record_of(f).pending, record_of(f).compiled) == (6, 0, False)


def test_errors_of_a_run_reach_the_caller_while_it_compiles(gate):
    @tf.function
    def f(x, i):
        tf.debugging.assert_less(i, 3)
        return tf.gather(x, i)

    x = tf.constant([1.0, 2.0, 3.0])
    for n in (0, 1, 2):
        assert float(f(x, tf.constant(n))) == n + 1.0
    with pytest.raises(tf.errors.InvalidArgumentError):
        f(x, tf.constant(5))
    gate.set()
    settle()
    with pytest.raises(tf.errors.InvalidArgumentError):
        f(x, tf.constant(5))
    assert float(f(x, tf.constant(1))) == 2.0


def test_shapes_that_come_once_stay_on_numpy():
    f = tf.function(lambda x: tf.exp(x) * 2.0, input_signature=[tf.TensorSpec([None])])
    for _ in range(4):
        f(tf.zeros([3]))
        settle()
    np.testing.assert_allclose(f(tf.zeros([5])), np.full(5, 2.0))
    settle()
    records = program_of(f._traces[0].concrete.function).records
    assert records[(3,),].compiled and not records[(5,),].compiled and not records[(5,),].pending


# ---- whether to wait


@pytest.fixture
def program(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("EVERFLOW_BACKGROUND", "1")
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [3])
        yield Program([x], [tf.exp(x) * 2.0])


def _record(seconds):
    record = TierRecord()
    record.runs, record.seconds, record.first = 1, seconds, seconds
    return record


def test_programs_slower_than_compiling_them_are_waited_for(program):
    assert program._should_wait(_record(100.0)) and not program._should_wait(_record(1e-3))
    busy = _record(100.0)
    busy.first = 1e-3  # the rest was taken by other processes
    assert not program._should_wait(busy)
    seconds = executables.expected_seconds
    assert seconds(10, True, True) < seconds(10, False, True) < seconds(10, False, False) < seconds(500, False, False)


def test_switched_off(program, monkeypatch):
    monkeypatch.setenv("EVERFLOW_BACKGROUND", "0")
    assert program._should_wait(_record(1e-3))


def test_determinism_depends_on_no_clock(program, monkeypatch):
    monkeypatch.setattr(BACKGROUND, "deterministic", False)
    tf.config.experimental.enable_op_determinism()
    assert BACKGROUND.deterministic and not BACKGROUND.is_wanted()
    assert not program._is_hot(TierRecord())
    assert program._is_hot(_record(1e-9)) and program._should_wait(_record(1e-9))
    record = _record(1e-9)
    record.compiled = True
    for _ in range(13):
        program._compare(record, 1.0)
    assert record.compiled


# ---- the thread


def test_jobs_run_in_order_and_errors_are_lost():
    background, done = Background(), []

    def fail():
        done.append("failed")
        raise ValueError("lost")

    for job in (lambda: done.append(1), fail, lambda: done.append(2)):
        background.submit(job)
    assert background.wait(PATIENCE) and done == [1, "failed", 2]


def test_stopping_waits_for_the_job_and_drops_the_others():
    background, entered, leave, done = Background(), threading.Event(), threading.Event(), []

    def first():
        entered.set()
        with background.aside():
            leave.wait(PATIENCE)
        done.append(1)

    background.submit(first)
    background.submit(lambda: done.append(2))
    assert entered.wait(PATIENCE) and not background.wait(0.0)
    threading.Timer(0.05, leave.set).start()
    background.stop()
    assert done == [1] and not background.is_wanted()


def run_script(body):
    root = str(pathlib.Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", HEAD + body], capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


HEAD = """
import os, sys, threading
import numpy as np
import everflow as tf
from everflow._src.runtime import program
from everflow._src.runtime.background import BACKGROUND

program._HOT_RUN, program._TINY_RUN, program.expected_seconds = 0.0, -1.0, lambda *a: 1e9
v = tf.Variable(np.zeros((64, 64), np.float32))

@tf.function
def f(x):
    v.assign_add(tf.matmul(x, x) * 1e-3 + 1.0)
    return tf.reduce_sum(v)

x = tf.ones([64, 64])
"""


def test_a_process_ends_well_while_something_compiles():
    assert run_script("for _ in range(3): total = f(x)\nprint(int(total))\n") == ["13074"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("wait", [True, False])
def test_a_child_goes_on_with_numpy(wait):
    lines = run_script(f"""
for _ in range(3): f(x)
if {wait}: BACKGROUND.wait(); f(x)
count = 4 if {wait} else 3
child = os.fork()
if child == 0:
    total = f(x)
    g = tf.function(lambda a: tf.exp(a) * 2.0, jit_compile=True)
    print(int(total) // 4358, float(g(tf.constant(0.0))), f.explain().traces[0].tier.split()[0], flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
print(count + 1, status, int(f(x)) // 4358)
""")
    first, number, tier, expected, status, own = lines
    assert first == own == expected and (number, status) == ("2.0", "0")
    if wait:  # otherwise the child may have come before jax, and compiles for itself
        assert tier == "NumPy"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_a_process_without_jax_compiles():
    assert run_script("""
child = os.fork()
if child == 0:
    for _ in range(3): f(x)
    BACKGROUND.wait(); f(x)
    print(f.explain().traces[0].tier, flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
print(status, "jax" in sys.modules)
""") == ["compiled", "0", "False"]
