"""Seeded initializers give TensorFlow's own numbers, in both generations. Values are recorded."""

import numpy as np
import pytest
import tensorflow as tf

from .recorded import Recorded

RECORDED = Recorded("random_initializers")
CLOSE = {"rtol": 5e-5, "atol": 5e-6}
SHAPES = [(4, 3), (5,), (3, 3, 2, 4)]

V1 = {
    "random_uniform": lambda v1: v1.random_uniform_initializer(-2.0, 3.0, seed=1),
    "random_normal": lambda v1: v1.random_normal_initializer(1.0, 0.5, seed=1),
    "truncated_normal": lambda v1: v1.truncated_normal_initializer(0.0, 0.1, seed=1),
    "glorot_uniform": lambda v1: v1.glorot_uniform_initializer(seed=1),
    "glorot_normal": lambda v1: v1.glorot_normal_initializer(seed=1),
    "variance_scaling": lambda v1: v1.variance_scaling_initializer(2.0, "fan_out", "uniform", seed=1),
    "variance_scaling default": lambda v1: v1.variance_scaling_initializer(seed=1),
    "uniform_unit_scaling": lambda v1: v1.uniform_unit_scaling_initializer(1.5, seed=1),
    "he_normal": lambda v1: v1.initializers.he_normal(seed=1),
    "lecun_uniform": lambda v1: v1.initializers.lecun_uniform(seed=1),
    "no seed of its own": lambda v1: v1.glorot_uniform_initializer(),
}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", V1)
def test_v1(name, shape):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.set_random_seed(6)
        value = V1[name](tf.compat.v1)(shape)
        RECORDED.check(f"v1 {name} {shape}", session.run(value), **CLOSE)


def test_v1_variables():
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(6)
        a = v1.get_variable("a", [3, 2])
        b = v1.get_variable("b", [4], initializer=v1.random_normal_initializer())
        with v1.variable_scope("scope", initializer=v1.truncated_normal_initializer(stddev=0.1)):
            c = v1.get_variable("c", [2, 2])
        d = v1.Variable(v1.random_uniform([3]))
        session.run(v1.global_variables_initializer())
        for name, variable in zip("abcd", (a, b, c, d), strict=True):
            RECORDED.check(f"v1 variable {name}", session.run(variable), **CLOSE)


V2 = {
    "random_uniform": lambda: tf.random_uniform_initializer(-2.0, 3.0, seed=1),
    "random_normal": lambda: tf.random_normal_initializer(1.0, 0.5, seed=1),
    "RandomUniform": lambda: tf.initializers.RandomUniform(seed=1),
    "RandomNormal": lambda: tf.initializers.RandomNormal(seed=1),
    "TruncatedNormal": lambda: tf.initializers.TruncatedNormal(seed=1),
    "GlorotUniform": lambda: tf.initializers.GlorotUniform(seed=1),
    "GlorotNormal": lambda: tf.initializers.GlorotNormal(seed=1),
    "HeNormal": lambda: tf.initializers.HeNormal(seed=1),
    "HeUniform": lambda: tf.initializers.HeUniform(seed=1),
    "LecunNormal": lambda: tf.initializers.LecunNormal(seed=1),
    "VarianceScaling": lambda: tf.initializers.VarianceScaling(2.0, "fan_avg", "untruncated_normal", seed=1),
}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", V2)
def test_v2(name, shape):
    RECORDED.check(f"v2 {name} {shape}", V2[name]()(shape), **CLOSE)


def test_orthogonal():
    """The signs and the basis depend on the decomposition, so only the property is checked."""
    for initializer in (
        tf.initializers.Orthogonal(2.0, seed=1),
        tf.compat.v1.orthogonal_initializer(2.0, seed=1),
    ):
        value = np.asarray(initializer((4, 3), tf.float32))
        np.testing.assert_allclose(value.T @ value, 4 * np.eye(3), atol=1e-5)


def test_constants():
    np.testing.assert_array_equal(tf.zeros_initializer()((2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(tf.ones_initializer()((2,), tf.int32), [1, 1])
    np.testing.assert_array_equal(tf.constant_initializer([1, 2, 3, 4])((2, 2)), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(tf.constant_initializer(7.0)((2,), tf.float64), [7, 7])
    np.testing.assert_array_equal(tf.initializers.Identity(2.0)((2, 3)), [[2, 0, 0], [0, 2, 0]])
    v1 = tf.compat.v1
    np.testing.assert_array_equal(v1.constant_initializer(3)((2,), tf.float32), [3, 3])
    with pytest.raises((TypeError, ValueError)):
        tf.constant_initializer([1, 2, 3])((2, 2))
    with pytest.raises(ValueError):
        tf.initializers.Identity()((2, 2, 2))
