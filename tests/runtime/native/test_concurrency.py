"""Native kernels in several threads at once, and in forked processes."""

import gc
import os
import subprocess
import sys
import textwrap
import threading

import jax
import numpy as np

import everflow as tf
from everflow._src.ops import nn_convolution_kernels as kernels
from everflow._src.runtime.native import convolution as native
from everflow._src.runtime.native.convolution import BY_WEIGHTS, FORWARD
from everflow._src.runtime.native.library import library
from everflow._src.runtime.unfinished import finished
from tests.runtime.native.cases import KINDS, Case, needs_native, python_environment, random_case

pytestmark = needs_native

CUT = Case((1, 33, 21, 16), (3, 3, 16, 24), (1, 1), (1, 1), "SAME")


def eager(kind, case, a, b):
    return native.eager(kind, a, b, case.x_shape, case.w_shape, case.geometry)


def in_threads(works):
    """Runs all at the same time; raises what one of them raised."""
    errors, gate = [], threading.Barrier(len(works))

    def guarded(work):
        try:
            gate.wait()
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(w,)) for w in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_threads_keep_the_processors_that_they_may_run_on():
    """A thread that leaves the processor of its caller may come back later."""
    random = np.random.default_rng(0)
    a, b = CUT.operands(FORWARD, random)
    matrix = tf.constant(random.standard_normal((400, 400)), tf.float32)
    square = tf.function(lambda m: m @ m, jit_compile=True)
    for _ in range(300):
        eager(FORWARD, CUT, a, b)
        square(matrix).numpy()
    allowed = os.sched_getaffinity(0)
    for thread in os.listdir("/proc/self/task"):
        assert os.sched_getaffinity(int(thread)) == allowed


def test_eager_calls_and_programs_at_once():
    works = []
    for number in range(6):
        random = np.random.default_rng(number)
        kind = KINDS[number % 3]
        cases = [CUT._replace(x_shape=(1 + number, *CUT.x_shape[1:])), *(random_case(random, 2) for _ in range(4))]
        operands = [case.operands(kind, random) for case in cases]
        expected = [eager(kind, case, a, b) for case, (a, b) in zip(cases, operands)]
        if number % 2:
            def work(kind=kind, cases=cases, operands=operands, expected=expected):
                for _ in range(20):
                    for case, (a, b), value in zip(cases, operands, expected):
                        np.testing.assert_array_equal(eager(kind, case, a, b), value)
        else:
            def program(a, b, kind=kind, case=cases[0]):
                if kind == FORWARD:
                    return finished(kernels.compiled_forward(jax, a, b, case.geometry))
                if kind == BY_WEIGHTS:
                    return kernels.compiled_by_weights(jax, a, b, case.w_shape, case.geometry)
                return kernels.compiled_by_data(jax, a, b, case.x_shape, case.geometry)

            compiled = jax.jit(program)
            value = np.asarray(compiled(*operands[0]))

            def work(compiled=compiled, operands=operands[0], value=value):
                for _ in range(40):
                    np.testing.assert_array_equal(np.asarray(compiled(*operands)), value)
        works.append(work)
    in_threads(works)


def test_shapes_that_are_new_to_all_threads():
    """Primitives are made for the same shapes in all threads at once."""
    random = np.random.default_rng(5)
    cases = [random_case(random, 2) for _ in range(12)]
    operands = [case.operands(FORWARD, random) for case in cases]
    results = [[] for _ in range(5)]

    def work(mine):
        mine.extend(eager(FORWARD, case, a, b) for case, (a, b) in zip(cases, operands))

    in_threads([lambda mine=mine: work(mine) for mine in results])
    for others in results[1:]:
        for first, other in zip(results[0], others):
            if first is not None or other is not None:
                np.testing.assert_array_equal(first, other)


def test_training_steps_at_once():
    def make(number):
        random = np.random.default_rng(number)
        x = tf.constant(random.standard_normal((4, 16, 16, 3)), tf.float32)
        w = tf.constant(random.standard_normal((3, 3, 3, 8 + number)), tf.float32)

        @tf.function(jit_compile=True)
        def step(x, w):
            with tf.GradientTape() as tape:
                tape.watch(w)
                loss = tf.reduce_sum(tf.nn.conv2d(x, w, 1, "SAME") ** 2)
            return tape.gradient(loss, w)

        expected = step(x, w).numpy()

        def work():
            for _ in range(25):
                np.testing.assert_array_equal(step(x, w).numpy(), expected)

        return work

    in_threads([make(number) for number in range(4)])


def test_threads_that_come_and_go():
    x, w = CUT.operands(FORWARD, np.random.default_rng(0))
    expected = eager(FORWARD, CUT, x, w)
    for _ in range(30):
        in_threads([lambda: np.testing.assert_array_equal(eager(FORWARD, CUT, x, w), expected)] * 3)


def test_scratch_memory_is_given_back():
    functions = library().functions
    x, w = CUT.operands(FORWARD, np.random.default_rng(0))
    dy = eager(FORWARD, CUT, x, w)
    eager(BY_WEIGHTS, CUT, x, dy)
    gc.collect()
    assert functions.everflow_scratch_bytes() > 0
    functions.everflow_trim_scratch()
    assert functions.everflow_scratch_bytes() == 0
    eager(BY_WEIGHTS, CUT, x, dy)


def test_scratch_memory_is_bounded():
    functions = library().functions
    kept = []
    for channels in range(400, 1000, 100):  # the filters of all of them are more than what is kept
        case = Case((2, 4, 4, channels), (5, 5, channels, 1000), (1, 1), (1, 1), "SAME")
        a, b, _ = (np.ones(shape, np.float32) for shape in case.shapes(BY_WEIGHTS))
        eager(BY_WEIGHTS, case, a, b)
        kept.append(functions.everflow_scratch_bytes())
        assert 0 < kept[-1] <= 256 << 20
    assert kept != sorted(kept)  # a full pool started anew
    functions.everflow_trim_scratch()


def run(program):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True,
                          env=python_environment(), timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


FORKS = """
    import os, signal, sys, threading
    import numpy as np
    import everflow as tf
    from everflow._src.runtime.native.library import library

    assert library() is not None

    def convolutions(sizes):
        random = np.random.default_rng(0)
        results = []
        for size in sizes:
            x = tf.constant(random.standard_normal((1, size, 24, 16)), tf.float32)
            w = tf.constant(random.standard_normal((3, 3, 16, 24)), tf.float32)
            with tf.GradientTape() as tape:
                tape.watch(w)
                y = tf.nn.conv2d(x, w, 1, "SAME")
            results += [y.numpy(), tape.gradient(y, w).numpy()]
        return results

    def child_succeeds(sizes, expected):
        child = os.fork()
        if child == 0:
            signal.alarm(60)  # a child that hangs dies of it
            same = all(np.array_equal(a, b) for a, b in zip(convolutions(sizes), expected))
            os._exit(0 if same else 1)
        return os.waitpid(child, 0)[1] == 0
"""


def test_a_forked_child_computes():
    # Shapes that the parent has used and one that it has not; and a grandchild.
    assert run(FORKS + """
    known = convolutions([32, 40])
    assert child_succeeds([32, 40], known)
    assert child_succeeds([32, 40, 37], [*known])
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        os._exit(0 if child_succeeds([32, 40], known) else 1)
    assert os.waitpid(child, 0)[1] == 0
    for a, b in zip(convolutions([32, 40]), known):
        np.testing.assert_array_equal(a, b)
    print("done")
    """) == "done\n"


def test_forked_while_other_threads_compute():
    assert run(FORKS + """
    expected = convolutions([32, 40])
    stop = []

    def busy(number):
        size = 8 + number
        while not stop:
            convolutions([32, size])
            size += 3  # a new primitive each time

    threads = [threading.Thread(target=busy, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    failed = sum(not child_succeeds([32, 40], expected) for _ in range(15))
    stop.append(True)
    for thread in threads:
        thread.join()
    print("failed", failed)
    """) == "failed 0\n"
