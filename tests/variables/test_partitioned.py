"""Variables in parts, and the functions that say how many parts."""

import numpy as np
import pytest

import everflow as tf

v1 = tf.compat.v1
TWO = v1.fixed_size_partitioner(2)


@pytest.fixture
def graph():
    with tf.Graph().as_default() as fresh:
        yield fresh


@pytest.mark.parametrize("use_resource", [False, True])
def test_parts_make_a_whole(graph, use_resource):
    whole = v1.get_variable("p", [5, 2], partitioner=TWO, initializer=v1.zeros_initializer(), use_resource=use_resource)
    assert [(p.name, p.shape.as_list()) for p in whole] == [("p/part_0:0", [3, 2]), ("p/part_1:0", [2, 2])]
    assert (whole.name, whole.shape, whole.dtype, len(whole)) == ("p", [5, 2], tf.float32, 2)
    assert [p._get_save_slice_info().spec for p in whole] == ["5 2 0,3:0,2", "5 2 3,2:0,2"]
    tensor = tf.convert_to_tensor(whole)
    assert tensor.name == "p:0" and tensor.op.inputs[0].name == "p/ConcatPartitions/concat:0"
    updates = whole.assign(tf.reshape(tf.range(10.0), [5, 2]))
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        session.run(updates)
        np.testing.assert_array_equal(session.run(tensor), np.arange(10.0).reshape(5, 2))
        assert session.run(tf.matmul(whole, [[1.0], [1.0]])).ravel().tolist() == [1.0, 5.0, 9.0, 13.0, 17.0]


def test_a_value_is_cut(graph):
    whole = v1.get_variable("p", initializer=tf.reshape(tf.range(6.0), [3, 2]), partitioner=TWO)
    parts = v1.create_partitioned_variables([2, 4], [1, 2], v1.ones_initializer(), name="c")
    assert [p.name for p in parts] == ["c/part_0:0", "c/part_1:0"] and parts[1].shape == [2, 2]
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        assert [v.tolist() for v in session.run(list(whole))] == [[[0.0, 1.0], [2.0, 3.0]], [[4.0, 5.0]]]


def test_initializers_learn_of_their_part(graph):
    seen = []

    def initializer(shape, dtype=None, partition_info=None):
        seen.append((shape, partition_info.full_shape, partition_info.var_offset, partition_info.single_offset(shape)))
        return tf.zeros(shape, dtype)

    v1.get_variable("p", [3, 2], partitioner=TWO, initializer=initializer)
    assert seen == [([2, 2], [3, 2], [0, 0], 0), ([1, 2], [3, 2], [2, 0], 2)]


def test_reuse(graph):
    whole = v1.get_variable("p", [4], partitioner=TWO, initializer=v1.zeros_initializer())
    with pytest.raises(ValueError, match="partitioned version"):
        v1.get_variable("p", [4])
    with pytest.raises(ValueError, match="already exists"):
        v1.get_variable("p", [4], partitioner=TWO)
    with v1.variable_scope("", reuse=True):
        assert v1.get_variable("p", [4]) is whole is v1.get_variable("p", [4], partitioner=TWO)
        with pytest.raises(ValueError, match="partitions"):
            v1.get_variable("p", [4], partitioner=v1.fixed_size_partitioner(3))
    assert v1.get_variable("s", [], partitioner=TWO, initializer=v1.zeros_initializer()).name == "s:0"


def test_partitioners():
    shape = tf.TensorShape([10, 3])
    assert v1.fixed_size_partitioner(4, axis=1)(shape) == [1, 3]
    assert v1.variable_axis_size_partitioner(16)(shape, tf.float32) == [10, 1]
    assert v1.variable_axis_size_partitioner(32, max_shards=2)(shape, tf.float32) == [2, 1]
    assert v1.min_max_variable_partitioner(5, min_slice_size=30)(shape, tf.float32) == [4, 1]
    with pytest.raises(ValueError, match="positive"):
        v1.variable_axis_size_partitioner(0)


@pytest.mark.parametrize("partitions", [[2], [2, 2], [0, 1], 3])
def test_wrong_partitions(graph, partitions):
    with pytest.raises(ValueError):
        v1.get_variable("p", [4, 4], partitioner=lambda shape, dtype: partitions)
