"""Random numbers: the same seed gives TensorFlow's own numbers, in each way of running and call after call.

Integers and uniform floats must agree to the bit. Distributions that go through logarithms and cosines may
differ in the last digits. All values are recorded from TensorFlow.
"""

import numpy as np
import pytest
import tensorflow as tf

from .recorded import Recorded

RECORDED = Recorded("random")
EXACT = {"rtol": 0, "atol": 0}
CLOSE = {"rtol": 2e-5, "atol": 2e-6}

# name: (function of the operation's seed, tolerances)
DRAWS = {
    "uniform float32": (lambda seed: tf.random.uniform([7], seed=seed), EXACT),
    "uniform float64": (lambda seed: tf.random.uniform([2, 3], dtype=tf.float64, seed=seed), EXACT),
    "uniform float16": (lambda seed: tf.random.uniform([6], dtype=tf.float16, seed=seed), EXACT),
    "uniform bfloat16": (lambda seed: tf.random.uniform([6], dtype=tf.bfloat16, seed=seed), EXACT),
    "uniform range": (lambda seed: tf.random.uniform([5], -3.0, 4.5, seed=seed), CLOSE),
    "uniform scalar": (lambda seed: tf.random.uniform([], seed=seed), EXACT),
    "uniform int32": (lambda seed: tf.random.uniform([9], -5, 100, tf.int32, seed=seed), EXACT),
    "uniform int64": (lambda seed: tf.random.uniform([9], 0, 2**40, tf.int64, seed=seed), EXACT),
    "normal float32": (lambda seed: tf.random.normal([7], seed=seed), CLOSE),
    "normal float64": (lambda seed: tf.random.normal([5], dtype=tf.float64, seed=seed), CLOSE),
    "normal float16": (lambda seed: tf.random.normal([6], dtype=tf.float16, seed=seed), {}),
    "normal moments": (lambda seed: tf.random.normal([2, 2], 5.0, 0.1, seed=seed), CLOSE),
    "normal long": (lambda seed: tf.random.normal([1003], seed=seed)[2::40], CLOSE),
    "truncated_normal float32": (lambda seed: tf.random.truncated_normal([50], seed=seed)[::3], CLOSE),
    "truncated_normal float64": (
        lambda seed: tf.random.truncated_normal([9], dtype=tf.float64, seed=seed),
        CLOSE,
    ),
    "truncated_normal moments": (lambda seed: tf.random.truncated_normal([3, 3], 1.0, 2.0, seed=seed), CLOSE),
    "shuffle": (lambda seed: tf.random.shuffle(tf.range(20), seed=seed), EXACT),
    "shuffle rows": (lambda seed: tf.random.shuffle(tf.reshape(tf.range(12), [6, 2]), seed=seed), EXACT),
    "categorical": (
        lambda seed: tf.random.categorical([[0.1, 2.0, 0.3], [1.0, 1.0, -4.0]], 8, seed=seed),
        EXACT,
    ),
    "categorical int32": (lambda seed: tf.random.categorical([[0.1, 2.0]], 5, tf.int32, seed=seed), EXACT),
    "gamma": (lambda seed: tf.random.gamma([6], [0.3, 1.0, 5.0], seed=seed), CLOSE),
    "gamma float64 beta": (
        lambda seed: tf.random.gamma([4], tf.constant([2.5], tf.float64), 3.0, tf.float64, seed=seed),
        CLOSE,
    ),
    "poisson": (lambda seed: tf.random.poisson([6], [0.5, 4.0, 30.0], seed=seed), EXACT),
    "v1 random_crop": (
        lambda seed: tf.image.random_crop(tf.reshape(tf.range(48), [6, 8]), [2, 3], seed=seed),
        EXACT,
    ),
    "dropout": (lambda seed: tf.nn.dropout(tf.ones([3, 5]), 0.4, seed=seed), EXACT),
    "v1 dropout": (lambda seed: tf.compat.v1.nn.dropout(tf.ones([12]), 0.4, seed=seed), EXACT),
}

SEEDS = [(1, None), (1, 5), (0, 0), (123456789, 2**31 - 1)]


@pytest.mark.parametrize("global_seed, op_seed", SEEDS)
@pytest.mark.parametrize("name", DRAWS)
def test_eager(name, global_seed, op_seed):
    draw, tolerance = DRAWS[name]
    tf.random.set_seed(global_seed)
    for i in range(3):
        RECORDED.check(f"eager {name} {global_seed} {op_seed} {i}", draw(op_seed), **tolerance)
    tf.random.set_seed(global_seed)
    RECORDED.check(f"eager {name} {global_seed} {op_seed} 0", draw(op_seed), **tolerance)


@pytest.mark.parametrize("global_seed, op_seed", SEEDS[:2])
@pytest.mark.parametrize("name", DRAWS)
def test_function(name, global_seed, op_seed):
    draw, tolerance = DRAWS[name]
    tf.random.set_seed(global_seed)

    @tf.function
    def twice():
        return draw(op_seed), draw(op_seed)

    for i in range(2):
        first, second = twice()
        RECORDED.check(f"function {name} {global_seed} {op_seed} {i} first", first, **tolerance)
        RECORDED.check(f"function {name} {global_seed} {op_seed} {i} second", second, **tolerance)


@pytest.mark.parametrize("graph_seed, op_seed", [(3, None), (3, 8), (None, 8)])
@pytest.mark.parametrize("name", DRAWS)
def test_session(name, graph_seed, op_seed):
    draw, tolerance = DRAWS[name]
    with tf.Graph().as_default():
        if graph_seed is not None:
            tf.compat.v1.set_random_seed(graph_seed)
        draws = [draw(op_seed), draw(op_seed)]
        for _ in range(2):  # a new session starts again
            with tf.compat.v1.Session() as session:
                for i in range(2):
                    for j, value in enumerate(session.run(draws)):
                        RECORDED.check(f"session {name} {graph_seed} {op_seed} {i} {j}", value, **tolerance)


def test_eager_interleaved():
    tf.random.set_seed(11)
    for i in range(2):
        RECORDED.check(f"interleaved uniform {i}", tf.random.uniform([3]), **EXACT)
        RECORDED.check(f"interleaved normal {i}", tf.random.normal([3]), **CLOSE)
        RECORDED.check(f"interleaved seeded {i}", tf.random.uniform([3], seed=4), **EXACT)
        RECORDED.check(f"interleaved other shape {i}", tf.random.uniform([5], seed=4), **EXACT)


def test_session_runs_one_at_a_time():
    with tf.Graph().as_default():
        tf.compat.v1.set_random_seed(21)
        tf.constant(0.0)  # operations before it move the operation seed
        a = tf.random.uniform([2])
        b = tf.random.normal([2])
        with tf.compat.v1.Session() as session:
            RECORDED.check("session a", session.run(a), **EXACT)
            RECORDED.check("session a again", session.run(a), **EXACT)
            RECORDED.check("session b", session.run(b), **CLOSE)


def test_functions_have_their_own_counters():
    tf.random.set_seed(7)

    @tf.function
    def f():
        return tf.random.uniform([2])

    @tf.function
    def g():
        return tf.random.uniform([2])

    RECORDED.check("f first", f(), **EXACT)
    RECORDED.check("g first", g(), **EXACT)
    RECORDED.check("f second", f(), **EXACT)
    RECORDED.check("eager between", tf.random.uniform([2]), **EXACT)


def test_unseeded_numbers_differ():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        a, b = tf.random.uniform([4]), tf.random.uniform([4])
        first, second = session.run([a, b])
        assert (first != second).any()
        assert (session.run(a) != first).any()


V1_DRAWS = {
    "random_uniform": (lambda v1: v1.random_uniform([4], seed=2), EXACT),
    "random_normal": (lambda v1: v1.random_normal([4], mean=1.0, stddev=2.0, seed=2), CLOSE),
    "truncated_normal": (lambda v1: v1.truncated_normal([4], stddev=0.1, seed=2), CLOSE),
    "random_shuffle": (lambda v1: v1.random_shuffle([1, 2, 3, 4, 5], seed=2), EXACT),
    "multinomial": (lambda v1: v1.multinomial([[0.5, 0.5, 3.0]], 6, seed=2), EXACT),
    "random_gamma": (lambda v1: v1.random_gamma([4], 2.0, seed=2), CLOSE),
    "random_poisson": (lambda v1: v1.random_poisson(3.0, [4], seed=2), EXACT),
    "random_crop": (lambda v1: v1.random_crop([[1, 2, 3], [4, 5, 6]], [1, 2], seed=2), EXACT),
}


@pytest.mark.parametrize("name", V1_DRAWS)
def test_v1_names(name):
    draw, tolerance = V1_DRAWS[name]
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.set_random_seed(1)
        RECORDED.check(f"v1 {name}", session.run(draw(tf.compat.v1)), **tolerance)


# stateless

STATELESS = {
    "uniform": (lambda seed: tf.random.stateless_uniform([7], seed), EXACT),
    "uniform float64": (lambda seed: tf.random.stateless_uniform([3], seed, dtype=tf.float64), EXACT),
    "uniform float16": (lambda seed: tf.random.stateless_uniform([5], seed, dtype=tf.float16), EXACT),
    "uniform range": (lambda seed: tf.random.stateless_uniform([5], seed, -1.0, 3.0), CLOSE),
    "uniform int32": (lambda seed: tf.random.stateless_uniform([9], seed, 3, 50, tf.int32), EXACT),
    "uniform int64": (lambda seed: tf.random.stateless_uniform([9], seed, -5, 2**50, tf.int64), EXACT),
    "uniform full": (lambda seed: tf.random.stateless_uniform([5], seed, None, None, tf.int32), EXACT),
    "uniform full uint64": (
        lambda seed: tf.random.stateless_uniform([5], seed, None, None, tf.uint64),
        EXACT,
    ),
    "normal": (lambda seed: tf.random.stateless_normal([7], seed), CLOSE),
    "normal float64": (lambda seed: tf.random.stateless_normal([3], seed, dtype=tf.float64), CLOSE),
    "normal moments": (lambda seed: tf.random.stateless_normal([2, 2], seed, 3.0, 0.5), CLOSE),
    "truncated_normal": (lambda seed: tf.random.stateless_truncated_normal([40], seed), CLOSE),
    "categorical": (lambda seed: tf.random.stateless_categorical([[0.2, 1.0, 0.1]], 7, seed), EXACT),
    "gamma": (lambda seed: tf.random.stateless_gamma([5, 2], seed, [0.4, 3.0]), CLOSE),
    "poisson": (lambda seed: tf.random.stateless_poisson([5, 2], seed, [0.4, 20.0]), EXACT),
    "binomial": (lambda seed: tf.random.stateless_binomial([5, 2], seed, [10.0, 100.0], [0.3, 0.6]), EXACT),
    "shuffle": (lambda seed: tf.random.experimental.stateless_shuffle(tf.range(12), seed), EXACT),
    "dropout": (lambda seed: tf.nn.experimental.stateless_dropout(tf.ones([12]), 0.5, seed), EXACT),
    "philox": (lambda seed: tf.random.stateless_uniform([5], seed, alg="philox"), EXACT),
}


@pytest.mark.parametrize("seed", [[1, 2], [0, 0], [-7, 2**31 - 1]], ids=str)
@pytest.mark.parametrize("name", STATELESS)
def test_stateless(name, seed):
    draw, tolerance = STATELESS[name]
    key = f"stateless {name} {seed}"
    RECORDED.check(key, draw(seed), **tolerance)
    RECORDED.check(key, draw(tf.constant(seed, tf.int64)), **tolerance)
    RECORDED.check(key, tf.function(draw)(tf.constant(seed)), **tolerance)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        placeholder = tf.compat.v1.placeholder(tf.int32, [2])
        RECORDED.check(key, session.run(draw(placeholder), {placeholder: seed}), **tolerance)


@pytest.mark.parametrize("seed", [[1, 2], [-3, 99]], ids=str)
def test_split_and_fold_in(seed):
    RECORDED.check(f"split {seed}", tf.random.experimental.stateless_split(seed, 3), **EXACT)
    RECORDED.check(f"fold_in {seed}", tf.random.experimental.stateless_fold_in(seed, 5), **EXACT)
    new = tf.random.split(seed)
    assert new.shape == [2, 2]
    RECORDED.check(f"split 2 {seed}", new, **EXACT)
    RECORDED.check(f"fold_in alias {seed}", tf.random.fold_in(seed, 7), **EXACT)
    in_int64 = tf.random.experimental.stateless_split(tf.constant(seed, tf.int64), 2)
    RECORDED.check(f"split int64 {seed}", in_int64, **EXACT)


def test_stateless_errors():
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.random.stateless_uniform([2], [1, 2, 3])
    with pytest.raises(ValueError):
        tf.random.stateless_uniform([2], [1, 2], dtype=tf.int32)
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        tf.random.stateless_uniform([2], [1, 2], 5, 5, tf.int32)
    with pytest.raises(ValueError):
        tf.random.uniform([2], dtype=tf.int32)


# generators

GENERATOR_DRAWS = {
    "uniform": (lambda g: g.uniform([5]), EXACT),
    "uniform float64": (lambda g: g.uniform([3], dtype=tf.float64), EXACT),
    "uniform int32": (lambda g: g.uniform([5], 2, 90, tf.int32), EXACT),
    "uniform int64": (lambda g: g.uniform([5], -2, 2**45, tf.int64), EXACT),
    "uniform_full_int": (lambda g: g.uniform_full_int([5]), EXACT),
    "uniform_full_int uint32": (lambda g: g.uniform_full_int([5], tf.uint32), EXACT),
    "normal": (lambda g: g.normal([7]), CLOSE),
    "normal moments": (lambda g: g.normal([2, 2], 1.0, 3.0), CLOSE),
    "truncated_normal": (lambda g: g.truncated_normal([20]), CLOSE),
    "binomial": (lambda g: g.binomial([4], [10.0, 20.0, 5.0, 100.0], [0.5, 0.2, 0.9, 0.3]), EXACT),
    "make_seeds": (lambda g: g.make_seeds(3), EXACT),
}


@pytest.mark.parametrize("seed", [0, 1234, [5, 6, 7]], ids=str)
@pytest.mark.parametrize("name", GENERATOR_DRAWS)
def test_generator(name, seed):
    draw, tolerance = GENERATOR_DRAWS[name]
    generator = tf.random.Generator.from_seed(seed)
    for i in range(3):
        RECORDED.check(f"generator {name} {seed} {i}", draw(generator), **tolerance)
    RECORDED.check(f"generator state after {name} {seed}", generator.state, **EXACT)


def test_generator_algorithms():
    generator = tf.random.Generator.from_seed(42, alg="philox")
    RECORDED.check("philox state", generator.state, **EXACT)
    RECORDED.check("philox key", generator.key, **EXACT)
    RECORDED.check("threefry state", tf.random.Generator.from_seed(42, alg="threefry").state, **EXACT)


def test_generator_state():
    generator = tf.random.Generator.from_state([5, 6, 7], alg="philox")
    RECORDED.check("from_state", generator.normal([3]), **CLOSE)
    generator.skip(10)
    RECORDED.check("skip", generator.state, **EXACT)
    RECORDED.check("after skip", generator.uniform([3]), **EXACT)
    generator.reset_from_seed(3)
    RECORDED.check("reset_from_seed", generator.uniform([3]), **EXACT)
    generator.reset_from_key_counter(8, [1, 2])
    RECORDED.check("reset_from_key_counter", generator.state, **EXACT)
    generator.reset([9, 9, 9])
    RECORDED.check("reset", generator.state, **EXACT)
    copy = tf.random.Generator.from_key_counter(8, [1, 2], "philox")
    RECORDED.check("from_key_counter", copy.state, **EXACT)
    children = copy.split(2)
    for i, child in enumerate(children):
        RECORDED.check(f"split child {i}", child.uniform([2]), **EXACT)
    RECORDED.check("after split", copy.state, **EXACT)
    assert copy.algorithm == 1


def test_generator_in_function():
    generator = tf.random.Generator.from_seed(17)

    @tf.function
    def draw():
        return generator.normal([3])

    for i in range(3):
        RECORDED.check(f"generator in function {i}", draw(), **CLOSE)
    RECORDED.check("generator after functions", generator.normal([3]), **CLOSE)


def test_global_generator():
    tf.random.set_global_generator(tf.random.Generator.from_seed(2))
    RECORDED.check("global generator", tf.random.get_global_generator().uniform([3]), **EXACT)
    tf.random.set_seed(31)
    RECORDED.check("global generator after set_seed", tf.random.get_global_generator().uniform([3]), **EXACT)


# what must hold whatever the bits


@pytest.mark.parametrize("dtype", [tf.float16, tf.float32, tf.float64])
def test_statistics(dtype):
    tf.random.set_seed(3)
    uniform = tf.random.uniform([20000], dtype=dtype).numpy().astype(np.float64)
    assert uniform.min() >= 0 and uniform.max() < 1 and abs(uniform.mean() - 0.5) < 0.01
    normal = tf.random.normal([20000], 2.0, 3.0, dtype).numpy().astype(np.float64)
    assert abs(normal.mean() - 2) < 0.1 and abs(normal.std() - 3) < 0.1
    truncated = tf.random.truncated_normal([20000], 0.0, 1.0, dtype).numpy().astype(np.float64)
    assert np.abs(truncated).max() <= 2 and abs(truncated.std() - 0.88) < 0.02


def test_static_shapes():
    with tf.Graph().as_default():
        n = tf.compat.v1.placeholder(tf.int32, [])
        assert tf.random.uniform([3, n]).shape.as_list() == [3, None]
        assert tf.random.normal([2, 3]).shape.as_list() == [2, 3]
        assert tf.random.categorical(tf.zeros([4, 3]), 5).shape.as_list() == [4, 5]
        assert tf.random.gamma([6], [1.0, 2.0]).shape.as_list() == [6, 2]
        assert tf.random.poisson([6], [1.0, 2.0]).shape.as_list() == [6, 2]
        assert tf.random.shuffle(tf.zeros([4, 2])).shape.as_list() == [4, 2]


def test_gamma_gradient():
    alpha = tf.constant([0.5, 2.0, 10.0])
    with tf.GradientTape() as tape:
        tape.watch(alpha)
        sample = tf.random.stateless_gamma([1000, 3], [3, 4], alpha)
        mean = tf.reduce_mean(sample, 0)
    np.testing.assert_allclose(tape.gradient(mean, alpha), [1, 1, 1], atol=0.1)
