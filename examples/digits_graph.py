"""A convolutional classifier of digits in the style of TensorFlow 1.x: a graph, placeholders and a Session.

Run it with `everflow run --tf 1 examples/digits_graph.py`.
"""

import digits_data
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()


def variables(shape):
    """A kernel and a bias in the present variable scope."""
    kernel = tf.get_variable("kernel", shape, initializer=tf.glorot_uniform_initializer())
    bias = tf.get_variable("bias", shape[-1:], initializer=tf.zeros_initializer())
    return kernel, bias


def convolution(name, images, shape):
    with tf.variable_scope(name):
        kernel, bias = variables(shape)
        convolved = tf.nn.conv2d(images, kernel, strides=[1, 1, 1, 1], padding="SAME")
        return tf.nn.relu(tf.nn.bias_add(convolved, bias))


def dense(name, inputs, shape):
    with tf.variable_scope(name):
        kernel, bias = variables(shape)
        return tf.matmul(inputs, kernel) + bias


def network(images, keep_prob):
    """Logits [batch, 10] of images [batch, 8, 8, 1]."""
    hidden = convolution("conv1", images, [3, 3, 1, 32])
    hidden = convolution("conv2", hidden, [3, 3, 32, 64])
    pooled = tf.nn.max_pool(hidden, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID")
    flat = tf.nn.dropout(tf.reshape(pooled, [-1, 4 * 4 * 64]), keep_prob=keep_prob)
    return dense("logits", tf.nn.relu(dense("dense", flat, [4 * 4 * 64, 128])), [128, 10])


def main():
    digits = digits_data.load()
    training = digits_data.Training("graph", digits)

    tf.set_random_seed(1)
    images = tf.placeholder(tf.float32, [None, 8, 8, 1], name="images")
    labels = tf.placeholder(tf.int64, [None], name="labels")
    keep_prob = tf.placeholder_with_default(1.0, [], name="keep_prob")
    logits = network(images, keep_prob)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    train = tf.train.AdamOptimizer(digits_data.LEARNING_RATE).minimize(loss)
    prediction = tf.argmax(logits, axis=1)

    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for batch_images, batch_labels in training:
            feed = {images: batch_images, labels: batch_labels, keep_prob: 1.0 - digits_data.DROPOUT}
            session.run([train, loss], feed_dict=feed)
        training.report(session.run(prediction, feed_dict={images: digits.test_images}))


if __name__ == "__main__":
    main()
