"""What `tf.initializers` gives beyond the recorded numbers: parts, seeds, dtypes, errors, and names.

The numbers stated here were computed by TensorFlow 2.15.1.
"""

import doctest
import random
import warnings

import numpy as np
import pytest

import everflow as tf
from everflow._src.variables import initializer_configs, initializers_stateless
from everflow._src.variables.initializers_stateless import InitializerDefaults

initializers = tf.initializers
CLASSES = {name: getattr(initializers, name) for name in initializer_configs._CLASSES}
CLOSE = {"rtol": 2e-5, "atol": 1e-7}


@pytest.mark.parametrize("module", [initializers_stateless, initializer_configs], ids=lambda m: m.__name__)
def test_doctests(module):
    result = doctest.testmod(module)
    assert result.attempted and not result.failed


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        ((0, 0), [[-0.12027108, -0.03369824], [0.05142135, 0.05454508]]),
        ((2, 0), [[-0.026626, -0.02257436], [0.00724912, -0.01384912]]),
        ((2,), [[-0.04696004, -0.03561465], [0.04597681, 0.02438126]]),
        ((2, 3, 4), [[-0.00162467, -0.05802829], [0.01650917, -0.09351142]]),
    ],
)
def test_parts(offset, expected):
    value = initializers.RandomNormal(seed=1)((4, 4), partition_shape=(2, 2), partition_offset=offset)
    np.testing.assert_allclose(value, expected, **CLOSE)


def test_parts_are_scaled_by_their_own_size():
    value = initializers.GlorotUniform(seed=1)((4, 4), partition_shape=(2, 4), partition_offset=(0, 0))
    expected = [[-0.9116981, 0.41304374, -0.34995723, -0.7593806], [-0.9567816, 0.37176156, 0.71242166, 0.58160114]]
    np.testing.assert_allclose(value, expected, **CLOSE)


@pytest.mark.parametrize("name", ["Zeros", "Ones", "Constant"])
def test_parts_of_constants(name):
    value = CLASSES[name]()((4, 4), partition_shape=(2, 4), partition_offset=(0, 0))
    assert value.shape == (2, 4) and value.dtype == tf.float32


@pytest.mark.parametrize("name", ["Orthogonal", "Identity"])
def test_matrices_have_no_parts(name):
    with pytest.raises(ValueError, match="whole matrices"):
        CLASSES[name]()((4, 4), partition_shape=(2, 4), partition_offset=(0, 0))


@pytest.mark.parametrize(
    ("seed", "expected"),
    [(-3, [0.01088308, 0.03745042]), (2**40, [-0.00661493, -0.07006451]), (0, [-0.0848517, -0.02406884])],
)
def test_unusual_seeds(seed, expected):
    np.testing.assert_allclose(initializers.RandomNormal(seed=seed)((2,)), expected, **CLOSE)


def test_other_dtypes():
    np.testing.assert_array_equal(initializers.RandomUniform(0, 10, seed=1)((2, 2), "int32"), [[9, 4], [0, 6]])
    value = initializers.RandomUniform(seed=1)((2, 2), "float64").numpy()
    np.testing.assert_allclose(value, [[-0.0472094, 0.03023309], [-0.0474453, 0.02433076]], rtol=1e-6)
    value = initializers.HeNormal(seed=1)((2, 2), "float16").numpy()
    np.testing.assert_allclose(value, np.array([[0.144, -0.5605], [0.718, -0.897]], np.float16), rtol=2e-3)


def test_orthogonal_numbers():
    expected = [[0.14748561, -0.3620382], [0.7350282, 0.66280115], [0.6618017, -0.65545636]]
    orthogonal = initializers.Orthogonal(seed=1)
    np.testing.assert_allclose(orthogonal((3, 2)), expected, rtol=1e-4)
    np.testing.assert_allclose(orthogonal((2, 3)), np.transpose(expected), rtol=1e-4)


def test_the_seed_is_drawn_at_the_first_call():
    random.seed(3)
    before = random.getstate()
    initializer = initializers.RandomUniform()
    assert random.getstate() == before
    np.testing.assert_allclose(initializer((2,)), [-0.00020685, -0.04840732], rtol=1e-4)
    assert initializer.get_config()["seed"] is None


def test_seeds_from_a_generator_of_their_own(monkeypatch):
    monkeypatch.setattr(InitializerDefaults, "seeds", random.Random(3))
    second, first = initializers.RandomUniform(), initializers.RandomUniform()
    np.testing.assert_allclose(first((2,)), [-0.00020685, -0.04840732], rtol=1e-4)
    np.testing.assert_allclose(second((2,)), [0.01735078, -0.02405287], rtol=1e-4)


def test_the_global_seed_does_not_matter():
    values = []
    for seed in (1, 2):
        tf.random.set_seed(seed)
        values.append(initializers.GlorotNormal(seed=5)((3, 2)).numpy())
    np.testing.assert_array_equal(*values)


def test_without_a_seed_a_second_call_warns_and_repeats():
    initializer = initializers.HeUniform()
    first = initializer((2, 2))
    with pytest.warns(UserWarning, match="HeUniform has no seed"):
        np.testing.assert_array_equal(initializer((2, 2)), first)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seeded = initializers.HeUniform(seed=1)
        np.testing.assert_array_equal(seeded((2, 2)), seeded((2, 2)))


def test_default_dtype(monkeypatch):
    monkeypatch.setattr(InitializerDefaults, "float_type", "float64")
    for name, kind in CLASSES.items():
        assert kind()((2, 2)).dtype == tf.float64, name


def test_inside_a_function_and_a_graph():
    expected = [[0.9271029, -0.09802794], [0.24566245, -0.2630809]]
    np.testing.assert_allclose(tf.function(lambda: initializers.GlorotUniform(seed=1)((2, 2)))(), expected, **CLOSE)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        value = initializers.GlorotUniform(seed=1)((2, 2))
        assert value.name == "stateless_random_uniform:0"
        np.testing.assert_allclose(session.run(value), expected, **CLOSE)


def test_refused_dtypes():
    for name, kind in CLASSES.items():
        accepted = {"Zeros": "c b i", "Ones": "c b i", "Constant": "c i", "RandomUniform": "i"}.get(name, "").split()
        for letter, dtype in (("c", "complex64"), ("b", "bool"), ("i", "int32"), ("s", "string")):
            if letter in accepted:
                continue
            with pytest.raises((ValueError, TypeError)):
                kind()((2, 2), dtype)
    with pytest.raises(TypeError):
        initializers.RandomUniform()((2,), "int32")  # -0.05 is no integer


def test_refused_keywords():
    for kind in CLASSES.values():
        with pytest.raises(TypeError, match="unknown keyword"):
            kind()((2, 2), foo=1)
        with pytest.raises(NotImplementedError, match="layout"):
            kind()((2, 2), layout=3)
        assert kind()((2, 2), layout=None).shape == (2, 2)


@pytest.mark.parametrize("arguments", [{"scale": 0}, {"mode": "FAN_IN"}, {"distribution": "x"}], ids=str)
def test_refused_scaling(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        initializers.VarianceScaling(**arguments)


def test_refused_shapes():
    for name in ("Orthogonal", "Identity"):
        for shape in ((), (3,)):
            with pytest.raises(ValueError, match="two-dimensional"):
                CLASSES[name]()(shape)
    with pytest.raises(TypeError):
        initializers.Constant([1, 2])((2, 2))
    with pytest.raises(NotImplementedError, match="__call__"):
        initializers.Initializer()((2,))


@pytest.mark.parametrize("name", CLASSES)
def test_configurations(name):
    kind = CLASSES[name]
    config = kind().get_config()
    assert kind.from_config({**config, "dtype": "float32"}).get_config() == config
    serialized = initializers.serialize(kind())
    expected = {"module": "keras.initializers", "class_name": name, "config": config, "registered_name": None}
    assert serialized == expected
    legacy = initializers.serialize(kind(), use_legacy_format=True)
    assert legacy == {"class_name": name, "config": config}
    snake = initializer_configs._snake(name)
    assert getattr(initializers, snake) is kind
    for identifier in (serialized, legacy, name, name + "V2", snake, kind):
        found = initializers.get(identifier)
        assert type(found) is kind and found.get_config() == config


def test_normal_is_truncated():
    scaling = initializers.VarianceScaling(distribution="Normal")
    assert scaling.get_config()["distribution"] == "truncated_normal"


def test_other_identifiers():
    assert initializers.get(None) is None
    assert initializers.get(len) is len
    zeros = initializers.Zeros()
    assert initializers.get(zeros) is zeros
    short = {"zero": "Zeros", "one": "Ones", "normal": "RandomNormal", "uniform": "RandomUniform"}
    for name, expected in short.items():
        assert type(initializers.get(name)) is CLASSES[expected]
    for identifier in (5, "bogus", "zeros_initializer", "eye", {"a": 1}, {"class_name": "Bogus", "config": {}}):
        with pytest.raises(ValueError):
            initializers.get(identifier)


class Half(initializers.Initializer):
    def __init__(self, value=0.5):
        self.value = value

    def __call__(self, shape, dtype=None, **kwargs):
        return tf.fill(shape, self.value)

    def get_config(self):
        return {"value": self.value}


def test_classes_of_users():
    serialized = initializers.serialize(Half(2.0))
    assert serialized["class_name"] == serialized["registered_name"] == "Half"
    assert serialized["module"] == __name__
    assert initializers.deserialize(serialized, custom_objects={"Half": Half}).value == 2.0
    assert initializers.deserialize("len", custom_objects={"len": len}) is len
    assert isinstance(initializers.get(Half), Half)
    with pytest.raises(ValueError, match="Unknown initializer: 'Half'"):
        initializers.deserialize(serialized)


def test_arrays_in_configurations():
    serialized = initializers.serialize(initializers.Constant(np.array([1, 2])))
    value = {"class_name": "__numpy__", "config": {"value": [1, 2], "dtype": "int64"}}
    assert serialized["config"] == {"value": value}
    np.testing.assert_array_equal(initializers.get(serialized)((2,)), [1, 2])
    scalar = initializers.serialize(initializers.Constant(np.float32(2)))["config"]["value"]
    assert type(scalar) is float and scalar == 2.0


def test_what_cannot_be_serialized():
    assert initializers.serialize(None) is None
    for value in (5, initializers.Zeros, len):
        with pytest.raises(ValueError, match="get_config"):
            initializers.serialize(value)
