"""Gradients of broadcast operands have the operands' shapes, whatever is known of them."""

import numpy as np
import pytest
from everflow.compat import v1

import everflow as tf

SHAPES = [
    ((2, 3), (2, 3)),
    ((2, 3), (3,)),
    ((3,), (2, 3)),
    ((2, 1), (1, 3)),
    ((), (2, 3)),
    ((1, 1), (2, 3)),
    ((2, 1, 3), (4, 1)),
    ((0, 3), (1, 3)),
]


@pytest.mark.parametrize("left, right", SHAPES)
def test_eager(left, right):
    x, y = tf.ones(left), tf.ones(right)
    with tf.GradientTape() as tape:
        tape.watch([x, y])
        z = x * y + x - y
    dx, dy = tape.gradient(z, [x, y])
    size = np.broadcast_shapes(left, right)
    np.testing.assert_allclose(dx.numpy(), np.full(left, 2.0 * np.prod(size) / max(np.prod(left), 1)))
    assert dy.shape == right


@pytest.mark.parametrize("form", ["shapes", "ranks", "nothing"])
@pytest.mark.parametrize("left, right", SHAPES)
def test_graph(left, right, form):
    def declared(shape):
        return {"shapes": shape, "ranks": [None] * len(shape), "nothing": None}[form]

    with tf.Graph().as_default(), v1.Session() as session:
        x, y = v1.placeholder(tf.float32, declared(left)), v1.placeholder(tf.float32, declared(right))
        gradients = v1.gradients(x * y, [x, y])
        values = session.run(gradients, {x: np.ones(left), y: np.full(right, 3.0)})
    size = np.broadcast_shapes(left, right)
    np.testing.assert_allclose(values[0], np.full(left, 3.0 * np.prod(size) / max(np.prod(left), 1)))
    assert values[1].shape == right


def test_bias_of_a_batch_of_unknown_size_needs_no_dynamic_shape():
    with tf.Graph().as_default() as graph:
        x, b = v1.placeholder(tf.float32, [None, 4]), v1.placeholder(tf.float32, [4])
        v1.gradients(x + b, [x, b])
        assert "BroadcastGradientArgs" not in [op.type for op in graph.get_operations()]
