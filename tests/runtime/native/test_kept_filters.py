"""Filters that compiled programs keep in oneDNN's layout from one call to the next, as long as they are the same."""

import subprocess
import sys
import threading

import jax
import numpy as np
import pytest

import everflow as tf
from everflow._src.runtime.executables import Executable
from everflow._src.runtime.native import convolution as native
from everflow._src.runtime.native.library import library
from tests.runtime.native.cases import needs_native, python_environment

pytestmark = needs_native
RANDOM = np.random.default_rng(0)
X = tf.constant(RANDOM.standard_normal((2, 14, 14, 64)), tf.float32)


def filters(scale=0.1):
    return tf.constant(scale * RANDOM.standard_normal((3, 3, 64, 64)), tf.float32)


def convolve(x, w):
    return tf.nn.conv2d(x, w, 1, "SAME")


def kept():
    """Bytes that the kernels hold for later calls, of which filters are the larger part here."""
    return library().functions.everflow_scratch_bytes()


@pytest.fixture(autouse=True)
def nothing_kept():
    library().functions.everflow_trim_scratch()
    yield
    library().functions.everflow_trim_scratch()


def check(result, w):
    np.testing.assert_allclose(result.numpy(), convolve(X, w).numpy(), rtol=1e-4, atol=1e-4)


def test_a_variable_that_is_only_read():
    w = tf.Variable(filters())
    function = tf.function(lambda x: convolve(x, w), jit_compile=True)
    for value in (filters(), filters(2.0)):
        w.assign(value)
        sizes = []
        for _ in range(5):
            check(function(X), w)
            library().functions.everflow_trim_scratch() if not sizes else None
            sizes.append(kept())
        # The filters are kept once they were the same in two calls.
        assert sizes[2] - sizes[0] >= 4 * 9 * 64 * 64 and sizes[4] == sizes[3] == sizes[2]


def test_a_variable_that_another_program_trains():
    """The step takes the memory of the variable for its new value: the same address, other numbers."""
    w = tf.Variable(filters())
    look = tf.function(lambda x: convolve(x, w), jit_compile=True)

    @tf.function(jit_compile=True)
    def train():
        w.assign(w * 1.5 + 0.01)

    for _ in range(6):
        for _ in range(3):
            check(look(X), w)
        train()


def test_a_variable_that_changes_in_every_way():
    w = tf.Variable(filters())
    look = tf.function(lambda x: convolve(x, w), jit_compile=True)
    changes = [
        lambda: w.assign(filters()), lambda: w.assign_add(0.1 * tf.ones_like(w)), lambda: w.assign_sub(w * 0.5),
        lambda: w.scatter_update(tf.IndexedSlices(tf.ones([1, 3, 64, 64]), [1])),
        lambda: w.scatter_nd_add([[0, 0]], tf.ones([1, 64, 64])), lambda: w[1].assign(tf.zeros([3, 64, 64])),
        lambda: tf.raw_ops.ResourceApplyGradientDescent(var=w.handle, alpha=0.1, delta=filters()),
    ]
    for change in changes:
        for _ in range(3):
            check(look(X), w)
        change()
        check(look(X), w)


def test_code_for_another_shape_that_does_without(monkeypatch):
    """What one code does not ask about changes all the same for the other."""
    w = tf.Variable(filters())
    look = tf.function(lambda x: convolve(x, w), jit_compile=True, reduce_retracing=True)
    measured = native._is_worth_it
    batch = 3  # where the description has the number of images
    monkeypatch.setattr(native, "_is_worth_it", lambda found, numbers: (
        np.frombuffer(numbers, np.int64)[batch] != 5 and measured(found, numbers)))
    five = tf.concat([X, X, X[:1]], 0)
    look(tf.concat([X, X], 0))
    for _ in range(4):
        for _ in range(3):
            check(look(X), w)
        np.testing.assert_allclose(look(five)[:2].numpy(), convolve(X, w).numpy(), rtol=1e-4, atol=1e-4)
        w.assign(w * 0.5 + 0.1)
        check(look(X), w)


def test_an_argument():
    function = tf.function(convolve, jit_compile=True)
    several = [filters() for _ in range(3)]
    for w in [*several, several[0], several[0], several[0], several[1], several[0], several[1], several[1]]:
        check(function(X, w), w)


def test_threads_with_filters_of_their_own():
    function = tf.function(convolve, jit_compile=True)
    variable = tf.Variable(filters())
    reading = tf.function(lambda x: convolve(x, variable), jit_compile=True)
    errors = []

    def work(w):
        try:
            for _ in range(40):
                check(function(X, w), w)
                check(reading(X), variable)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(w,)) for w in (filters(), filters(), filters(0.5))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_a_call_does_not_wait_for_what_is_compiled_beside_it(monkeypatch):
    """Another shape may take seconds to compile."""
    w = tf.Variable(filters())
    look = tf.function(lambda x: convolve(x, w), jit_compile=True)
    locks = []
    run = Executable.run
    monkeypatch.setattr(Executable, "run", lambda self, env: (locks.append(self.lock), run(self, env))[1])
    for _ in range(3):
        check(look(X), w)
    finished = threading.Event()
    thread = threading.Thread(target=lambda: (look(X), finished.set()), daemon=True)
    with locks[-1]:  # as it is held while something is compiled
        thread.start()
        assert finished.wait(20)
    thread.join()


def test_sessions():
    value, image, found = filters().numpy(), X.numpy(), []
    with tf.Graph().as_default():
        w = tf.compat.v1.get_variable("w", initializer=value)
        x = tf.compat.v1.placeholder(tf.float32, [None, 14, 14, 64])
        y, change = convolve(x, w), w.assign(w * 0.5)
        with tf.compat.v1.Session() as session:
            session.run(w.initializer)
            for _ in range(4):
                for _ in range(15):
                    pair = session.run([y, w], {x: image})
                found.append(pair)
                session.run(change)
    for result, used in found:
        check(tf.constant(result), tf.constant(used))


def test_under_vectorized_map():
    w = tf.Variable(filters())
    function = tf.function(lambda xs: tf.vectorized_map(lambda x: convolve(x, w), xs), jit_compile=True)
    xs = tf.stack([X, 2 * X, -X])
    for _ in range(3):
        np.testing.assert_allclose(function(xs).numpy(), np.stack([convolve(x, w).numpy() for x in (X, 2 * X, -X)]),
                                   rtol=1e-4, atol=1e-4)


PROGRAM = """
import numpy as np
import everflow as tf
w = tf.Variable(np.random.RandomState(0).randn(3, 3, 64, 64).astype(np.float32))
x = tf.constant(np.random.RandomState(1).randn(2, 14, 14, 64), tf.float32)


def network(x):
    y = tf.nn.conv2d(x, w, 1, "SAME")
    for i in range(40):  # long enough to be worth keeping
        y += tf.sin(tf.nn.conv2d(x, w * float(i), 1, "SAME"))
    return y


function = tf.function(network, jit_compile=True)
for i in range(3):
    for _ in range(4):
        np.testing.assert_allclose(function(x).numpy(), network(x).numpy(), rtol=1e-2, atol=0.5)
    w.assign(w * 0.5)
"""


def test_code_from_the_cache_on_disk(tmp_path):
    for _ in range(2):
        subprocess.run([sys.executable, "-c", PROGRAM], check=True,
                       env=python_environment(EVERFLOW_CACHE_DIR=str(tmp_path)))


def described(versioned):
    numbers = native._numbers(native.FORWARD, np.float32, (2, 6, 6, 8), (3, 3, 8, 16), GEOMETRY)
    numbers[-1] = versioned
    return numbers


class GEOMETRY:
    sizes = outputs = (6, 6)
    windows, strides, dilations, pads, groups = (3, 3), (1, 1), (1, 1), ((1, 1), (1, 1)), 1


@pytest.mark.parametrize(("versioned", "versions", "message"), [
    (1, None, "number of operands"), (0, np.zeros(1, np.int64), "number of operands"),
    (2, np.zeros(1, np.int64), "fewer versions"), (2 ** 62, np.zeros(1, np.int64), "fewer versions"),
    (1, np.zeros(0, np.int64), "fewer versions"), (-1, np.zeros(1, np.int64), "forward convolution"),
    (1, np.zeros(1, np.int32), "unexpected type"), (1, np.zeros(1, np.float32), "unexpected type"),
])
def test_versions_that_make_no_sense(versioned, versions, message):
    native.compiled_library(jax)
    x, w = np.ones((2, 6, 6, 8), np.float32), np.ones((3, 3, 8, 16), np.float32)
    call = jax.ffi.ffi_call("everflow_convolution", jax.ShapeDtypeStruct((2, 6, 6, 16), np.float32))
    given = [x, w] if versions is None else [x, w, versions]
    with jax.enable_x64(True), pytest.raises(Exception, match=message):
        np.asarray(jax.jit(lambda *given: call(*given, numbers=described(versioned)))(*given))


def test_other_kinds_have_no_versions():
    numbers = native._numbers(native.BY_DATA, np.float32, (2, 6, 6, 8), (3, 3, 8, 16), GEOMETRY)
    numbers[-1] = 1
    assert library().convolution_implementation(numbers) == ""
