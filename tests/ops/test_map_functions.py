"""tf.map_fn, folds and scan: structures, empty inputs, errors."""

import pytest

import everflow as tf

tf1 = tf.compat.v1


def test_structures():
    elems = {"a": tf.constant([1, 2]), "b": tf.constant([[3.0], [4.0]])}
    result = tf.map_fn(lambda row: (row["b"] * 2.0, {"n": row["a"] + 1}), elems,
                       fn_output_signature=(tf.TensorSpec([1], tf.float32), {"n": tf.int32}))
    assert result[0].numpy().tolist() == [[6.0], [8.0]] and result[1]["n"].numpy().tolist() == [2, 3]


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function])
def test_wrong_results(wrap):
    x = tf.constant([1, 2])
    with pytest.raises(tf.errors.InvalidArgumentError, match="float32"):
        wrap(lambda: tf.map_fn(lambda n: tf.cast(n, tf.float32), x))()
    with pytest.raises(ValueError, match="nested"):
        wrap(lambda: tf.map_fn(lambda n: (n, n), x))()
    with pytest.raises(ValueError, match="2 and 3"):
        wrap(lambda: tf.map_fn(lambda p: p[0], (x, tf.range(3)), fn_output_signature=tf.int32))()
    with pytest.raises(TypeError, match="callable"):
        wrap(lambda: tf.scan(3, x))()


def test_empty_inputs():
    empty = tf.zeros([0, 2])
    assert tf.function(lambda: tf.map_fn(lambda row: row, empty))().shape == [0, 2]
    assert tf.foldl(lambda a, row: a + row, empty, initializer=tf.ones([2])).numpy().tolist() == [1.0, 1.0]
    assert tf.scan(lambda a, n: a + n, tf.zeros([0]), initializer=1.0).shape == [0]
    for function in (tf.foldl, tf.foldr, tf.scan):
        with pytest.raises(tf.errors.OutOfRangeError):
            function(lambda a, n: a + n, tf.zeros([0]))


def test_static_shapes_and_names_in_graphs():
    with tf.Graph().as_default():
        x = tf.ones([3, 2])
        mapped, scanned = tf.map_fn(lambda row: row, x), tf.scan(lambda a, row: a + row, x)
        assert mapped.name == "map/TensorArrayV2Stack/TensorListStack:0" and mapped.shape == [3, 2]
        assert scanned.name == "scan/TensorArrayV2Stack/TensorListStack:0" and scanned.shape == [3, 2]
        assert tf.foldl(lambda a, row: a + row, x).shape == [2]


def test_back_prop_off_stops_gradients():
    with tf.Graph().as_default():
        x = tf.constant([1.0, 2.0])
        for y in (tf1.map_fn(lambda n: n * n, x, back_prop=False), tf1.scan(tf.add, x, back_prop=False),
                  tf1.foldl(tf.add, x, back_prop=False)):
            assert tf.gradients(y, x) == [None]
        assert tf.gradients(tf1.map_fn(lambda n: n * n, x), x) != [None]
