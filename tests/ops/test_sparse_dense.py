"""Sparse tensors: construction, dense and back, order, parts, arithmetic.  Values are those of TensorFlow 2.15."""

import numpy as np
import pytest

import everflow as tf

v1 = tf.compat.v1


def matrix(values=(5.0, 2.0), indices=((0, 1), (1, 0)), shape=(2, 3)):
    return tf.SparseTensor(list(map(list, indices)), tf.constant(list(values)), list(shape))


def shown(sparse):
    return sparse.indices.numpy().tolist(), sparse.values.numpy().tolist(), sparse.dense_shape.numpy().tolist()


@pytest.mark.parametrize(
    "parts", [([0, 1], [5.0, 2.0], [2, 3]), ([[0, 1]], [5.0, 2.0], [2, 3]), ([[0, 1]], [5.0], [2, 3, 4])]
)
def test_parts_that_do_not_fit(parts):
    with pytest.raises(ValueError, match="rank|incompatible|compatible"):
        tf.SparseTensor(*parts)


def test_positions_are_checked():
    for indices, fault in (([[1, 0], [0, 1]], "out of order"), ([[0, 1], [0, 1]], "repeated"),
                           ([[0, 1], [1, 5]], "out of bounds")):
        with pytest.raises(tf.errors.InvalidArgumentError, match=fault):
            tf.sparse.to_dense(matrix(indices=indices))
    with pytest.raises(TypeError, match="SparseTensor"):
        tf.sparse.to_dense(3)


def test_dense_and_back():
    assert tf.sparse.to_dense(matrix(), -1.0).numpy().tolist() == [[-1, 5, -1], [2, -1, -1]]
    texts = tf.sparse.to_dense(tf.SparseTensor([[1]], ["a"], [2]))
    assert texts.numpy().tolist() == [b"", b"a"]
    assert shown(tf.sparse.from_dense([[0, 3], [1, 0]])) == ([[0, 1], [1, 0]], [3, 1], [2, 2])
    assert v1.sparse_to_dense([1, 3], [5], 1.0).numpy().tolist() == [0, 1, 0, 1, 0]
    assert v1.sparse_to_dense(2, [5], 1.0).numpy().tolist() == [0, 0, 1, 0, 0]


def test_operators_keep_the_positions():
    for result, values in ((matrix() * 2.0, [10, 4]), (matrix() / 2.0, [2.5, 1]),
                           (tf.constant(3.0) * matrix(), [15, 6]),
                           (matrix() * np.arange(6, dtype=np.float32).reshape(2, 3), [5, 6]),
                           (tf.negative(matrix()), [-5, -2]), (tf.square(matrix()), [25, 4])):
        assert shown(result) == ([[0, 1], [1, 0]], values, [2, 3])
    with pytest.raises(ValueError, match="sparse"):
        matrix() * matrix()
    with pytest.raises(TypeError):
        2.0 * matrix()


def test_shapes_change():
    assert shown(tf.sparse.reshape(matrix(), [3, -1])) == ([[0, 1], [1, 1]], [5, 2], [3, 2])
    assert shown(tf.sparse.transpose(matrix())) == ([[0, 1], [1, 0]], [2, 5], [3, 2])
    assert shown(tf.sparse.expand_dims(matrix(), 0))[0] == [[0, 0, 1], [0, 1, 0]]
    assert shown(tf.sparse.reset_shape(matrix()))[2] == [2, 2]
    with pytest.raises(ValueError, match="new_shape"):
        tf.sparse.reset_shape(matrix(), [1, 1])
    with pytest.raises(tf.errors.InvalidArgumentError, match="multiple of"):
        tf.sparse.reshape(matrix(), [4, -1])


def test_parts():
    assert shown(tf.sparse.retain(matrix(), [True, False])) == ([[0, 1]], [5], [2, 3])
    assert shown(tf.sparse.slice(matrix(), [0, 1], [2, 2])) == ([[0, 0]], [5], [2, 2])
    left, right = tf.sparse.split(sp_input=matrix(), num_split=2, axis=1)
    assert shown(left) == ([[0, 1], [1, 0]], [5, 2], [2, 2]) and shown(right) == ([], [], [2, 1])
    joined = tf.sparse.concat(0, [matrix(), matrix([1.0], [[0, 1]], (2, 5))], expand_nonconcat_dims=True)
    assert shown(joined) == ([[0, 1], [1, 0], [2, 1]], [5, 2, 1], [4, 5])
    filled, empty = tf.sparse.fill_empty_rows(matrix(indices=[[0, 1], [2, 0]], shape=(4, 3)), 9.0)
    assert shown(filled) == ([[0, 1], [1, 0], [2, 0], [3, 0]], [5, 9, 2, 9], [4, 3])
    assert empty.numpy().tolist() == [False, True, False, True]


def test_sums_and_extremes():
    assert tf.sparse.reduce_sum(matrix(), 1).numpy().tolist() == [5, 2]
    assert tf.sparse.reduce_max(matrix([-5.0], [[0, 1]]), 1).numpy().tolist() == [-5, 0]
    assert tf.sparse.reduce_sum(matrix(), [0, 1], keepdims=True).numpy().tolist() == [[7]]
    assert shown(tf.sparse.add(matrix(), matrix(), threshold=5.0)) == ([[0, 1]], [10], [2, 3])
    assert tf.sparse.add(matrix(), tf.ones([2, 3])).numpy().tolist() == [[1, 6, 1], [3, 1, 1]]
    greater = tf.sparse.maximum(matrix(), matrix([-5.0, 7.0], [[0, 0], [1, 0]]))
    assert shown(greater) == ([[0, 0], [0, 1], [1, 0]], [0, 5, 7], [2, 3])
    with pytest.raises(TypeError):
        tf.sparse.add(1.0, 2.0)


def test_gradients_reach_values_and_matrices():
    values, right = tf.constant([5.0, 2.0]), tf.constant([[1.0], [2.0], [3.0]])
    with tf.GradientTape() as tape:
        tape.watch([values, right])
        sparse = tf.SparseTensor([[0, 1], [1, 0]], values, [2, 3])
        total = tf.reduce_sum(tf.sparse.sparse_dense_matmul(sparse, right) * [[1.0], [10.0]])
    dvalues, dright = tape.gradient(total, [values, right])
    assert dvalues.numpy().tolist() == [2, 10] and dright.numpy().tolist() == [[20], [5], [0]]
    product = tf.sparse.sparse_dense_matmul(tf.ones([1, 2]), matrix())
    assert product.numpy().tolist() == [[2, 5, 0]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="out of bounds"):
        tf.sparse.sparse_dense_matmul(matrix(indices=[[0, 1], [0, 5]]), right)


def test_one_trace_serves_any_number_of_elements():
    traces = []

    @tf.function
    def double(x):
        traces.append(x.values.shape.as_list())
        return x * 2.0

    assert shown(double(matrix()))[1] == [10, 4] and shown(double(matrix([1.0], [[0, 0]])))[1] == [2]
    assert traces == [[None]]
    _, looped = tf.while_loop(lambda i, s: i < 3, lambda i, s: (i + 1, s * 2.0), (tf.constant(0), matrix()))
    assert shown(looped)[1] == [40, 16]


def test_placeholders_in_sessions():
    with tf.Graph().as_default(), v1.Session() as session:
        fed = v1.sparse_placeholder(tf.float32, [None, 3], name="q")
        assert fed.shape.as_list() == [None, 3] and fed.indices.name == "q/indices:0"
        product = tf.sparse.sparse_dense_matmul(fed, tf.ones([3, 1]))
        value = v1.SparseTensorValue([[0, 1], [1, 0]], [5.0, 2.0], [2, 3])
        for _ in range(3):
            assert session.run(product, {fed: value}).tolist() == [[5], [2]]
        again = fed.eval({fed: value})
        assert isinstance(again, v1.SparseTensorValue) and again.values.tolist() == [5, 2]
    with pytest.raises(RuntimeError, match="eager"):
        v1.sparse_placeholder(tf.float32)


def test_indicators_and_embeddings():
    ids = tf.SparseTensor([[0, 0], [2, 0], [2, 1]], tf.constant([1, 2, -1], tf.int64), [4, 2])
    marks = tf.sparse.to_indicator(tf.SparseTensor([[0, 0], [1, 0]], [1, 2], [2, 3]), 4)
    assert marks.numpy().tolist() == [[False, True, False, False], [False, False, True, False]]
    table = tf.constant([[1.0], [2.0], [4.0]])
    assert tf.nn.safe_embedding_lookup_sparse(table, ids).numpy().tolist() == [[2], [0], [4], [0]]
    assert tf.nn.safe_embedding_lookup_sparse(table, ids, default_id=0).numpy().tolist() == [[2], [1], [4], [1]]
    with pytest.raises(ValueError, match="combiner"):
        tf.nn.embedding_lookup_sparse(table, ids, None, combiner="max")
