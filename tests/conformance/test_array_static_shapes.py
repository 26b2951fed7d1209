"""Static shapes in graphs: what is known of a result while only part of its inputs' shapes is known."""

import numpy as np
import pytest
import tensorflow as tf

v1 = tf.compat.v1


def placeholder(*shape, dtype=tf.float32):
    return v1.placeholder(dtype, list(shape))


def shape_of(tensor):
    return None if tensor.shape.rank is None else tensor.shape.as_list()


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


UNARY_CASES = [
    # function, input shape, expected
    (lambda x: x + 1.0, [None, 3], [None, 3]),
    (tf.exp, None, None),
    (lambda x: tf.cast(x, tf.int32), [None, 3], [None, 3]),
    (lambda x: tf.reshape(x, [-1]), [None, 3], [None]),
    (lambda x: tf.reshape(x, [-1]), [2, 3], [6]),
    (lambda x: tf.reshape(x, [-1, 6]), [None, 2, 3], [None, 6]),
    (lambda x: tf.reshape(x, [-1, 6]), [4, 2, 3], [4, 6]),
    (lambda x: tf.reshape(x, [tf.shape(x)[0], -1]), [None, 2, 3], [None, None]),
    (lambda x: tf.reshape(x, [tf.shape(x)[0], 6]), [None, 2, 3], [None, 6]),
    (lambda x: tf.reshape(x, tf.stack([tf.shape(x)[0], -1])), [5, 2, 3], [5, 6]),
    (lambda x: tf.reshape(x, tf.stack([tf.shape(x)[0], 6])), None, [None, 6]),
    (lambda x: tf.reshape(x, tf.concat([tf.shape(x)[:1], [6]], 0)), [None, 2, 3], [None, 6]),
    (lambda x: tf.reshape(x, tf.shape(x)), [None, 2], [None, 2]),
    (lambda x: tf.reshape(x, v1.placeholder(tf.int32, [3])), [None, 2], [None, None, None]),
    (lambda x: tf.reshape(x, v1.placeholder(tf.int32)), [None, 2], None),
    (lambda x: tf.zeros(tf.shape(x)), [None, 2], [None, 2]),
    (lambda x: tf.zeros([tf.shape(x)[0], 3]), [None, 2], [None, 3]),
    (lambda x: tf.fill(tf.stack([2, tf.shape(x)[1]]), 0.0), [None, 7], [2, 7]),
    (lambda x: tf.ones_like(x), [None, 2], [None, 2]),
    (tf.shape, [None, 2, None], [3]),
    (tf.shape, None, [None]),
    (tf.size, [None], []),
    (lambda x: tf.transpose(x), [None, 3], [3, None]),
    (lambda x: tf.transpose(x, [0, 2, 1]), [None, 3, 4], [None, 4, 3]),
    (lambda x: tf.expand_dims(x, 1), [None, 3], [None, 1, 3]),
    (lambda x: tf.expand_dims(x, -1), None, None),
    (lambda x: tf.squeeze(x), [None, 1, 3], None),
    (lambda x: tf.squeeze(x, 1), [None, 1, 3], [None, 3]),
    (lambda x: tf.squeeze(x, [1]), [None, None, 3], [None, 3]),
    (lambda x: tf.squeeze(x), [2, 1, 3], [2, 3]),
    (lambda x: x[0], [None, 3], [3]),
    (lambda x: x[:, 0], [None, 3], [None]),
    (lambda x: x[1:], [None, 3], [None, 3]),
    (lambda x: x[1:], [4, 3], [3, 3]),
    (lambda x: x[:, 1:], [None, 3], [None, 2]),
    (lambda x: x[:2], [None, 3], [None, 3]),
    (lambda x: x[..., None], [None, 3], [None, 3, 1]),
    (lambda x: x[::2, ::-1], [5, None], [3, None]),
    (lambda x: x[tf.shape(x)[0] - 1], [None, 3], [3]),
    (lambda x: tf.slice(x, [0, 1], [-1, 2]), [None, 3], [None, 2]),
    (lambda x: tf.slice(x, [0, 1], [2, -1]), [4, 3], [2, 2]),
    (lambda x: tf.slice(x, v1.placeholder(tf.int32, [2]), [2, 2]), [None, 3], [2, 2]),
    (lambda x: tf.concat([x, x], 0), [None, 3], [None, 3]),
    (lambda x: tf.concat([x, x], 1), [None, 3], [None, 6]),
    (lambda x: tf.concat([x, tf.zeros([2, 3])], 0), [4, None], [6, 3]),
    (lambda x: tf.stack([x, x], 1), [None, 3], [None, 2, 3]),
    (lambda x: tf.unstack(x, axis=1)[0], [None, 3], [None]),
    (lambda x: tf.split(x, 3, 1)[0], [None, 6], [None, 2]),
    (lambda x: tf.split(x, [1, -1], 1)[1], [None, 6], [None, 5]),
    (lambda x: tf.split(x, 2)[0], [None, 6], [None, 6]),
    (lambda x: tf.tile(x, [2, 3]), [None, 3], [None, 9]),
    (lambda x: tf.pad(x, [[1, 1], [0, 2]]), [None, 3], [None, 5]),
    (lambda x: tf.reverse(x, [0]), [None, 3], [None, 3]),
    (lambda x: tf.gather(x, [0, 1]), [None, 3], [2, 3]),
    (lambda x: tf.gather(x, [0, 1], axis=1), [None, 3], [None, 2]),
    (lambda x: tf.gather(x, v1.placeholder(tf.int32, [None, 5])), [7, 3], [None, 5, 3]),
    (lambda x: tf.gather_nd(x, [[0, 1], [2, 2]]), [None, 3, 4], [2, 4]),
    (lambda x: tf.boolean_mask(x, v1.placeholder(tf.bool, [None])), [None, 3], [None, 3]),
    (lambda x: tf.where(x > 0), [None, 3], [None, 2]),
    (lambda x: tf.where(x > 0, x, 0.0), [None, 3], [None, 3]),
    (lambda x: tf.one_hot(tf.cast(x, tf.int32), 5), [None], [None, 5]),
    (lambda x: tf.range(tf.shape(x)[0]), [None, 3], [None]),
    (lambda x: tf.range(tf.shape(x)[1]), [None, 3], [3]),
    (lambda x: tf.broadcast_to(x, [4, 2, 3]), [None, 3], [4, 2, 3]),
    (lambda x: tf.unique(tf.reshape(x, [-1])).y, [None, 3], [None]),
    (lambda x: tf.repeat(x, 2, axis=1), [None, 3], [None, 6]),
    (lambda x: tf.sequence_mask(tf.cast(x, tf.int32), 7), [None], [None, 7]),
    (lambda x: tf.reduce_sum(x), [None, 3], []),
    (lambda x: tf.reduce_sum(x), None, []),
    (lambda x: tf.reduce_sum(x, 1), [None, 3], [None]),
    (lambda x: tf.reduce_sum(x, [0], keepdims=True), [None, 3], [1, 3]),
    (lambda x: tf.reduce_mean(x, -1), [None, 3, 4], [None, 3]),
    (lambda x: tf.reduce_sum(x, v1.placeholder(tf.int32, [])), [None, 3], None),
    (lambda x: tf.argmax(x, 1), [None, 3], [None]),
    (lambda x: tf.cumsum(x), [None, 3], [None, 3]),
    (lambda x: tf.nn.softmax(x), [None, 3], [None, 3]),
    (lambda x: tf.nn.top_k(x, 2).values, [None, 3], [None, 2]),
    (lambda x: tf.nn.l2_loss(x), [None, 3], []),
    (lambda x: tf.matmul(x, tf.zeros([3, 4])), [None, 3], [None, 4]),
    (lambda x: tf.tensordot(x, tf.zeros([3, 4]), 1), [None, 2, 3], [None, 2, 4]),
    (lambda x: tf.einsum("ij,jk->ik", x, tf.zeros([3, 4])), [None, 3], [None, 4]),
    (lambda x: tf.nn.bias_add(x, tf.zeros([3])), [None, 3], [None, 3]),
    (lambda x: tf.linalg.diag(x), [None, 3], [None, 3, 3]),
    (lambda x: tf.linalg.diag_part(x), [None, 3, 4], [None, 3]),
    (lambda x: tf.eye(tf.shape(x)[0]), [None], [None, None]),
    (lambda x: tf.scatter_nd([[1]], x, [4, 3]), [1, 3], [4, 3]),
    (lambda x: tf.tensor_scatter_nd_update(x, [[1]], tf.zeros([1, 3])), [None, 3], [None, 3]),
    (lambda x: tf.space_to_batch(x, [2, 2], [[0, 0], [0, 0]]), [3, 4, None, 1], [12, 2, None, 1]),
    (lambda x: tf.nn.space_to_depth(x, 2), [None, 4, 6, 3], [None, 2, 3, 12]),
    (lambda x: tf.nn.depth_to_space(x, 2), [None, 4, 6, 8], [None, 8, 12, 2]),
    (lambda x: tf.dynamic_partition(x, v1.placeholder(tf.int32, [None]), 2)[0], [None, 3], [None, 3]),
    (lambda x: tf.math.unsorted_segment_sum(x, v1.placeholder(tf.int32, [None]), 5), [None, 3], [5, 3]),
    (lambda x: tf.math.segment_sum(x, v1.placeholder(tf.int32, [None])), [None, 3], [None, 3]),
    (lambda x: tf.nn.dropout(x, 0.5), [None, 3], [None, 3]),
    (lambda x: tf.roll(x, 1, 0), [None, 3], [None, 3]),
    (lambda x: tf.identity_n([x, x])[1], [None, 3], [None, 3]),
    (lambda x: tf.clip_by_value(x, 0.0, 1.0), [None, 3], [None, 3]),
    (lambda x: tf.linspace(0.0, 1.0, 5), [None], [5]),
    (lambda x: tf.meshgrid(x, tf.zeros([4]))[0], [3], [4, 3]),
    (lambda x: tf.bitcast(x, tf.uint8), [None, 3], [None, 3, 4]),
]


@pytest.mark.parametrize("function, given, expected", UNARY_CASES)
def test_shape(function, given, expected):
    x = v1.placeholder(tf.float32, given)
    assert shape_of(function(x)) == expected


BROADCASTS = [
    ([None, 3], [3], [None, 3]),
    ([None, 3], [1, 3], [None, 3]),
    ([None, 1], [1, 4], [None, 4]),
    ([None], [None], [None]),
    ([None], [5], [5]),
    ([None], [1], [None]),
    ([2, None], [None, 3], [2, 3]),
    ([2, 1, None], [3, 1], [2, 3, None]),
    (None, [3], None),
    ([], [None, 2], [None, 2]),
]


@pytest.mark.parametrize("a, b, expected", BROADCASTS)
def test_broadcast_shape(a, b, expected):
    x, y = v1.placeholder(tf.float32, a), v1.placeholder(tf.float32, b)
    assert shape_of(x + y) == expected
    assert shape_of(y * x) == expected
    assert shape_of(tf.maximum(x, y)) == expected
    assert shape_of(x < y) == expected


CONTRADICTIONS = [
    lambda x: x + tf.zeros([2]),
    lambda x: tf.matmul(x, tf.zeros([2, 2])),
    lambda x: tf.reshape(tf.zeros([2, 3]), [4]),
    lambda x: tf.concat([x, tf.zeros([2, 4])], 0),
    lambda x: tf.concat([x, tf.zeros([3])], 0),
    lambda x: tf.stack([x, tf.zeros([2, 4])]),
    lambda x: tf.transpose(x, [0, 1, 2]),
    lambda x: tf.squeeze(x, 1),
    lambda x: tf.expand_dims(x, 3),
    lambda x: tf.split(x, 2, 1),
    lambda x: tf.tile(x, [1, 2, 3]),
    lambda x: tf.pad(x, [[1, 1]]),
    lambda x: tf.nn.bias_add(x, tf.zeros([2])),
    lambda x: x[:, :, 0],
    lambda x: x[:, 3],
    lambda x: tf.argmax(x, 2),
    lambda x: tf.reduce_sum(x, 2),
    lambda x: tf.gather(tf.constant(1.0), [0]),
    lambda x: tf.broadcast_to(x, [3, 4]),
    lambda x: tf.nn.sparse_softmax_cross_entropy_with_logits(logits=x, labels=tf.zeros([2, 2], tf.int32)),
    lambda x: tf.ensure_shape(x, [None, 4]),
    lambda x: tf.unstack(x),
    lambda x: tf.linalg.diag_part(tf.zeros([2])),
]


@pytest.mark.parametrize("build", CONTRADICTIONS)
def test_contradictions_are_found_while_building(build):
    with pytest.raises(ValueError):
        build(placeholder(None, 3))


def test_set_shape():
    x = v1.placeholder(tf.float32)
    x.set_shape([None, 3])
    assert shape_of(x) == [None, 3]
    x.set_shape([2, None])
    assert shape_of(x) == [2, 3]
    assert x.get_shape() == tf.TensorShape([2, 3])
    with pytest.raises(ValueError):
        x.set_shape([2, 4])
    with pytest.raises(ValueError):
        x.set_shape([2])
    with v1.Session() as session, pytest.raises(ValueError):
        session.run(x, {x: np.zeros([2, 4])})


def test_ensure_shape():
    x = v1.placeholder(tf.float32)
    y = tf.ensure_shape(x, [None, 3])
    assert shape_of(y) == [None, 3]
    assert shape_of(tf.ensure_shape(placeholder(2, None), [None, 3])) == [2, 3]
    (gradient,) = tf.gradients(y * y, x)
    with v1.Session() as session:
        assert session.run(gradient, {x: [[1, 2, 3]]}).tolist() == [[2, 4, 6]]
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run(y, {x: [[1, 2]]})
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run(y, {x: [1, 2, 3]})


def test_placeholder_with_default():
    x = v1.placeholder_with_default([[1.0, 2.0]], [None, 2])
    assert shape_of(x) == [None, 2]
    with v1.Session() as session:
        assert session.run(x).tolist() == [[1, 2]]
        assert session.run(x, {x: [[3, 4], [5, 6]]}).tolist() == [[3, 4], [5, 6]]
    with pytest.raises(ValueError):
        v1.placeholder_with_default([[1.0, 2.0]], [None, 3])


CONSTANT_VALUES = [
    (lambda: tf.constant([1, 2]), [1, 2]),
    (lambda: tf.shape(tf.zeros([2, 3])), [2, 3]),
    (lambda: tf.size(tf.zeros([2, 3])), 6),
    (lambda: tf.rank(placeholder(None, 3)), 2),
    (lambda: tf.range(1, 7, 2), [1, 3, 5]),
    (lambda: tf.cast(tf.constant([1.7]), tf.int32), [1]),
    (lambda: tf.concat([tf.constant([1]), tf.constant([2])], 0), [1, 2]),
    (lambda: tf.stack([tf.constant(1), tf.constant(2)]), [1, 2]),
    (lambda: tf.fill([2], 7), [7, 7]),
    (lambda: tf.shape(placeholder(None, 3)), None),
    (lambda: placeholder(2), None),
    (lambda: tf.equal(tf.constant([1, 2]), tf.constant([1, 3])), [True, False]),
]


@pytest.mark.parametrize("build, expected", CONSTANT_VALUES)
def test_constant_value(build, expected):
    value = tf.get_static_value(build())
    if expected is None:
        assert value is None
    else:
        np.testing.assert_array_equal(value, expected)


def test_values_agree_with_the_shapes_run_time_has():
    x = placeholder(None, 2, 3)
    flat = tf.reshape(x, tf.stack([tf.shape(x)[0], -1]))
    same = tf.reshape(flat, tf.shape(x))
    padded = tf.pad(flat, [[0, tf.shape(x)[0]], [0, 0]])
    with v1.Session() as session:
        for n in (1, 4):
            values = session.run([flat, same, padded], {x: np.ones([n, 2, 3])})
            assert [v.shape for v in values] == [(n, 6), (n, 2, 3), (2 * n, 6)]
