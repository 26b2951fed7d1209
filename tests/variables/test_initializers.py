"""Initializers of both generations: what they make, and how they are configured."""

import numpy as np
import pytest

import everflow as tf
from everflow._src.variables import initializers

v1 = tf.compat.v1


@pytest.mark.parametrize(
    "make, config",
    [
        (v1.zeros_initializer, {"dtype": "float32"}),
        (lambda: v1.constant_initializer(3, tf.int32), {"value": 3, "dtype": "int32"}),
        (lambda: v1.random_uniform_initializer(-1, 1, 7), {"minval": -1, "maxval": 1, "seed": 7, "dtype": "float32"}),
        (v1.truncated_normal_initializer, {"mean": 0.0, "stddev": 1.0, "seed": None, "dtype": "float32"}),
        (v1.glorot_normal_initializer, {"seed": None, "dtype": "float32"}),
        (
            lambda: v1.initializers.he_normal(2),
            {"scale": 2.0, "mode": "fan_in", "distribution": "truncated_normal", "seed": 2, "dtype": "float32"},
        ),
        (v1.orthogonal_initializer, {"gain": 1.0, "seed": None, "dtype": "float32"}),
        (v1.uniform_unit_scaling_initializer, {"factor": 1.0, "seed": None, "dtype": "float32"}),
        (tf.zeros_initializer, {}),
        (lambda: tf.random_normal_initializer(1.0, seed=3), {"mean": 1.0, "stddev": 0.05, "seed": 3}),
        (lambda: tf.constant_initializer([1, 2]), {"value": [1, 2]}),
    ],
)
def test_configurations(make, config):
    initializer = make()
    assert initializer.get_config() == config
    assert type(initializer).from_config(config).get_config() == config


@pytest.mark.parametrize("shape, fans", [((), (1, 1)), ((5,), (5, 5)), ((3, 4), (3, 4)), ((2, 3, 4, 5), (24, 30))])
def test_fans(shape, fans):
    assert initializers.fans(shape) == fans


def test_spread():
    shape = (200, 300)
    draws = {
        "glorot_uniform": (v1.glorot_uniform_initializer(seed=1), 2.0 / 500),
        "glorot_normal": (v1.glorot_normal_initializer(seed=1), 2.0 / 500),
        "he_normal": (v1.initializers.he_normal(seed=1), 2.0 / 200),
        "lecun_uniform": (v1.initializers.lecun_uniform(seed=1), 1.0 / 200),
        "fan_out": (v1.variance_scaling_initializer(3.0, "fan_out", "untruncated_normal", seed=1), 3.0 / 300),
        "unit": (v1.uniform_unit_scaling_initializer(2.0, seed=1), 4.0 / 200),
    }
    for name, (initializer, variance) in draws.items():
        values = initializer(shape).numpy()
        assert abs(values.mean()) < 3e-3, name
        np.testing.assert_allclose(values.var(), variance, rtol=0.03, err_msg=name)


def test_constants():
    with tf.Graph().as_default(), v1.Session() as session:
        assert session.run(v1.constant_initializer([1, 2, 3])((2, 2))).tolist() == [[1.0, 2.0], [3.0, 3.0]]
        with pytest.raises(TypeError, match="shape"):
            v1.constant_initializer([1, 2, 3], verify_shape=True)((2, 2))
        with pytest.raises(ValueError, match="Too many"):
            v1.constant_initializer([1, 2, 3])((2,))
    with pytest.raises(TypeError, match="unsupported shape"):
        v1.constant_initializer([1, 2, 3])((2, 2))
    for make in (v1.constant_initializer, tf.constant_initializer):
        with pytest.raises(TypeError, match="Invalid type"):
            make(object())


def test_wrong_arguments():
    with pytest.raises(ValueError, match="scale"):
        v1.variance_scaling_initializer(scale=0)
    with pytest.raises(ValueError, match="mode"):
        v1.variance_scaling_initializer(mode="x")
    with pytest.raises(ValueError, match="distribution"):
        v1.variance_scaling_initializer(distribution="x")
    with pytest.raises(ValueError, match="floating"):
        v1.random_normal_initializer(dtype=tf.int32)
    with pytest.raises(ValueError, match="floating"):
        tf.random_normal_initializer()((2,), tf.int32)
    with pytest.raises(ValueError, match="numeric"):
        tf.zeros_initializer()((2,), tf.string)
    with pytest.raises(TypeError, match="partition_shape"):
        tf.ones_initializer()((2,), wrong=1)
    with pytest.raises(ValueError, match="two-dimensional"):
        v1.orthogonal_initializer()((2,))


def test_parts():
    assert tf.ones_initializer()((4, 2), partition_shape=(1, 2)).shape == [1, 2]
    with tf.Graph().as_default(), v1.Session() as session:
        whole = v1.get_variable(
            "i", [3, 3], initializer=v1.initializers.identity(), partitioner=v1.fixed_size_partitioner(2)
        )
        session.run(v1.global_variables_initializer())
        np.testing.assert_array_equal(session.run(whole.as_tensor()), np.eye(3))
