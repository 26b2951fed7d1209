"""Writes the GraphDef that `test_graph_import.py` reads; run it with real TensorFlow 2.15."""

import pathlib

import tensorflow as tf

v1 = tf.compat.v1
TARGET = pathlib.Path(__file__).parent / "data" / "graph_of_tensorflow_2_15.pb"


def build():
    """Variables of both kinds, a branch, a loop, an operation with several outputs, a control dependency."""
    x = v1.placeholder(tf.float32, [None, 2], name="x")
    weights = v1.Variable([[1.0, 2.0], [3.0, 4.0]], name="weights", use_resource=True)
    bias = v1.Variable([1.0, 2.0], name="bias", use_resource=False)
    y = tf.matmul(x, weights) + bias + tf.constant([[1.0, -1.0]])
    chosen = tf.cond(tf.reduce_sum(y) > 0, lambda: y * 2.0, lambda: y - 1.0)
    _, looped = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * 2.0 + y), [tf.constant(0), chosen])
    left, right = tf.split(looped, 2, axis=1)
    out = tf.identity(tf.concat([right, left], 1), name="out")
    with tf.control_dependencies([out]):
        tf.no_op(name="after")
    v1.global_variables_initializer()


if __name__ == "__main__":
    with tf.Graph().as_default() as graph:
        build()
        TARGET.write_bytes(graph.as_graph_def().SerializeToString())
