"""Square brackets against NumPy, in every tier, and what depends on values that show only as a program runs."""

import numpy as np
import pytest

import everflow as tf
from everflow._src.framework.graph import Graph
from everflow._src.ops.constants import placeholder
from everflow._src.runtime.frames import HostFrame
from everflow._src.runtime.program import Program
from everflow._src.runtime.resources import EAGER_STORE


def random_key(random, shape):
    """An index of `shape`: whole numbers, slices of either direction, new dimensions, an ellipsis."""
    entries = []
    for size in shape[: random.integers(0, len(shape) + 1)]:
        kind = random.integers(0, 4)
        if kind == 0:
            entries.append(int(random.integers(-size, size)))
        elif kind == 1:
            entries.append(slice(None))
        else:
            bounds = [None if random.random() < 0.3 else int(random.integers(-size - 2, size + 3)) for _ in range(2)]
            step = None if random.random() < 0.3 else int(random.choice([-3, -2, -1, 1, 2, 3]))
            entries.append(slice(*bounds, step))
    for extra in (None, None, Ellipsis):
        if random.random() < 0.3:
            entries.insert(int(random.integers(0, len(entries) + 1)), extra)
    return tuple(entries)


def compiled(function, *arguments):
    """The value of a function of placeholders, compiled, and the reasons why parts of it were not."""
    graph = Graph()
    with graph.as_default():
        fed = [placeholder(tf.as_dtype(a.dtype), a.shape) for a in arguments]
        output = function(*fed)
    program = Program(fed, [output], compile_now=True)
    value = program.execute(list(arguments), HostFrame(EAGER_STORE))[0]
    return np.asarray(value), output, [i.host_reason for i in program.instructions if i.host]


@pytest.mark.parametrize("seed", range(60))
def test_any_index_reads_as_numpy_reads_it(seed):
    random = np.random.default_rng(seed)
    x = random.standard_normal([int(n) for n in random.integers(1, 5, random.integers(1, 5))]).astype(np.float32)
    key = random_key(random, x.shape)
    expected = x[key]
    np.testing.assert_array_equal(tf.constant(x)[key].numpy(), expected)
    value, symbolic, host = compiled(lambda t: t[key], x)
    np.testing.assert_array_equal(value, expected)
    assert symbolic.shape == expected.shape and not host


@pytest.mark.parametrize("seed", range(20))
def test_gradient_of_any_index_is_ones_in_place(seed):
    random = np.random.default_rng(seed)
    x = random.standard_normal([int(n) for n in random.integers(1, 5, random.integers(1, 4))]).astype(np.float32)
    key = random_key(random, x.shape)
    expected = np.zeros_like(x)
    weights = random.standard_normal(x[key].shape).astype(np.float32)
    expected[key] = weights

    def gradient(t):
        with tf.GradientTape() as tape:
            tape.watch(t)
            y = tf.reduce_sum(t[key] * weights)
        return tape.gradient(y, t)

    np.testing.assert_array_equal(gradient(tf.constant(x)).numpy(), expected)
    np.testing.assert_array_equal(tf.function(gradient, jit_compile=True)(tf.constant(x)).numpy(), expected)


@pytest.mark.parametrize("at", [0, 2, -1])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_an_index_that_shows_late_compiles(at, dtype):
    x = np.arange(24, dtype=np.float32).reshape(3, 2, 4)
    value, symbolic, host = compiled(lambda t, i: t[i, ::-1, None, 1:3], x, np.array(at, dtype))
    np.testing.assert_array_equal(value, x[at, ::-1, None, 1:3])
    assert symbolic.shape == (2, 1, 2) and not host
    value, _, host = compiled(lambda t, i: t[..., i, 1], x, np.array(0 if at == 2 else at, dtype))
    np.testing.assert_array_equal(value, x[..., 0 if at == 2 else at, 1])
    assert not host


def test_gradient_of_an_index_that_shows_late_compiles():
    x = np.arange(6, dtype=np.float32).reshape(3, 2)

    def gradient(t, i):
        with tf.GradientTape() as tape:
            tape.watch(t)
            y = tf.reduce_sum(t[i] * t[i])
        return tape.gradient(y, t)

    expected = np.zeros_like(x)
    expected[1] = 2 * x[1]
    for function in (gradient, tf.function(gradient, jit_compile=True)):
        np.testing.assert_array_equal(function(tf.constant(x), tf.constant(1)).numpy(), expected)


def test_a_slice_whose_length_shows_late_is_never_padded():
    x = np.arange(5, dtype=np.float32)
    for start, expected in ((1, [1, 2]), (4, [4]), (7, [])):
        value, symbolic, host = compiled(lambda t, i: t[i : i + 2], x, np.array(start, np.int32))
        assert value.tolist() == expected
        assert symbolic.shape.as_list() == [None] and host == ["how much it slices off depends on a value"]


def test_rows_in_a_compiled_loop():
    x = tf.constant(np.arange(12, dtype=np.float32).reshape(4, 3))

    @tf.function(jit_compile=True)
    def total(t):
        return tf.while_loop(lambda i, s: i < 4, lambda i, s: (i + 1, s + t[i] * t[-1 - i]), [0, tf.zeros([3])])[1]

    rows = x.numpy()
    np.testing.assert_allclose(total(x).numpy(), sum(rows[i] * rows[-1 - i] for i in range(4)))


def test_slice_at_a_corner_that_shows_late_compiles():
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    value, symbolic, host = compiled(lambda t, b: tf.slice(t, b, [2, 2]), x, np.array([1, 2], np.int32))
    np.testing.assert_array_equal(value, x[1:3, 2:4])
    assert symbolic.shape == (2, 2) and not host


@pytest.mark.parametrize("key", ["a", 1.0, [[0, 1]], np.array([1, 2]), (0, 1.5)])
def test_what_is_no_index(key):
    with pytest.raises(TypeError, match="valid indices"):
        tf.zeros([3, 3])[key]


@pytest.mark.parametrize("key", [3, -4, (0, 0, 0), (slice(None, None, 0),), (Ellipsis, Ellipsis)])
def test_errors_are_those_of_either_tier(key):
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.zeros([3, 3])[key]
    with tf.Graph().as_default(), pytest.raises(ValueError):
        tf.zeros([3, 3])[key]


def test_numbers_in_any_guise_are_indices():
    x = tf.constant([[1, 2], [3, 4]])
    for one in (1, np.int64(1), tf.constant(1), tf.constant(1, tf.int64), tf.compat.v1.Dimension(1)):
        assert x[one].numpy().tolist() == [3, 4]
        assert x[:one, one].numpy().tolist() == [2]
    assert tf.constant([b"a", b"b"], tf.string)[1].numpy() == b"b"


def test_iteration_is_seen_by_tapes():
    x = tf.constant([1.0, 2.0, 3.0])
    assert [float(t) for t in x] == [1.0, 2.0, 3.0]
    with tf.GradientTape() as tape:
        tape.watch(x)
        first, _, last = x
        y = first * last
    assert tape.gradient(y, x).numpy().tolist() == [3.0, 0.0, 1.0]
    with pytest.raises(TypeError):
        iter(tf.constant(1.0))


def test_static_shape_where_bounds_are_partly_known():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 7, 5])
        i = tf.compat.v1.placeholder(tf.int32, [])
        assert x[i].shape.as_list() == [7, 5]
        assert x[:, 1:-1].shape.as_list() == [None, 5, 5]
        assert x[:, i:, 1:3].shape.as_list() == [None, None, 2]
        assert x[..., None, ::2].shape.as_list() == [None, 7, 1, 3]
        assert tf.compat.v1.placeholder(tf.float32)[0].shape.rank is None
        assert tf.slice(x, [0, i, 0], [-1, 2, -1]).shape.as_list() == [None, 2, 5]
