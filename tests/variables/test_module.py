"""`tf.Module` finds variables and other modules in its attributes."""

import pytest

import everflow as tf


class Part(tf.Module):
    def __init__(self, name=None):
        super().__init__(name)
        self.b = tf.Variable(1.0, name="b")
        self.a = [tf.Variable(2.0, name="a0", trainable=False), {"z": tf.Variable(3.0, name="z"), "y": 4}]
        self.again = self.b

    @tf.Module.with_name_scope
    def build(self):
        self.built = tf.Variable(1.0, name="q")
        return self.built.name


class BigThing2(tf.Module):
    def __init__(self):
        super().__init__()
        self.x = Part()
        self.w = tf.Variable(0.0, name="w")
        self.list = [Part("second"), self.x]


def names(variables):
    return [v.name[:-2] for v in variables]


def test_variables_and_submodules():
    thing = BigThing2()
    assert thing.name == "big_thing2" and [m.name for m in thing.submodules] == ["second", "part"]
    assert names(thing.variables) == ["w", "a0", "z", "b", "a0", "z", "b"]
    assert names(thing.trainable_variables) == ["w", "z", "b", "z", "b"]
    assert names(thing.non_trainable_variables) == ["a0", "a0"]


def test_paths():
    found = list(BigThing2()._flatten(predicate=lambda v: isinstance(v, tf.Variable), with_path=True))
    assert [path for path, _ in found[:3]] == [("w",), ("list", 0, "a", 0), ("list", 0, "a", 1, "z")]


def test_name_scopes():
    assert Part().build() == "part/q:0" and Part("c").name_scope.name == "c/"
    with tf.name_scope("outer"):
        assert Part().build() == "outer/part/q:0"
    with tf.Graph().as_default():
        assert [Part().build(), Part().build()] == ["part/q:0", "part_1/q:0"]


def test_names_are_identifiers():
    with pytest.raises(ValueError, match="3x"):
        tf.Module("3x")
