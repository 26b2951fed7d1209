"""A convolutional classifier of digits, eagerly: every operation runs when it is called, a tape records it.

Run it with `everflow run examples/digits_eager.py`.
"""

import digits_data
import tensorflow as tf


class Network(tf.Module):
    """Two convolutions, a pooling, two dense layers, of raw operations and variables."""

    def __init__(self):
        super().__init__()
        initializer = tf.compat.v1.glorot_uniform_initializer(seed=1)
        shapes = {
            "conv1": [3, 3, 1, 32],
            "conv2": [3, 3, 32, 64],
            "dense": [4 * 4 * 64, 128],
            "logits": [128, 10],
        }
        self.kernels = {name: tf.Variable(initializer(shape), name=name) for name, shape in shapes.items()}
        self.biases = {name: tf.Variable(tf.zeros(shape[-1]), name=name) for name, shape in shapes.items()}

    def __call__(self, images, dropout=0.0):
        """Logits [batch, 10] of images [batch, 8, 8, 1]."""
        hidden = images
        for name in ("conv1", "conv2"):
            convolved = tf.nn.conv2d(hidden, self.kernels[name], strides=1, padding="SAME")
            hidden = tf.nn.relu(tf.nn.bias_add(convolved, self.biases[name]))
        pooled = tf.nn.max_pool2d(hidden, ksize=2, strides=2, padding="VALID")
        flat = tf.reshape(pooled, [-1, 4 * 4 * 64])
        if dropout:
            flat = tf.nn.dropout(flat, rate=dropout)
        hidden = tf.nn.relu(flat @ self.kernels["dense"] + self.biases["dense"])
        return hidden @ self.kernels["logits"] + self.biases["logits"]


def train_step(network, optimizer, images, labels):
    """One step of the optimizer; returns the loss before it."""
    with tf.GradientTape() as tape:
        logits = network(images, dropout=digits_data.DROPOUT)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    variables = network.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
    return loss


def main(style="eager", decorate=lambda function: function):
    """Trains and reports; `decorate` is what `digits_function.py` does to the step and the prediction."""
    digits = digits_data.load()
    training = digits_data.Training(style, digits)

    tf.random.set_seed(1)
    network = Network()
    optimizer = tf.compat.v1.train.AdamOptimizer(digits_data.LEARNING_RATE)
    step = decorate(lambda images, labels: train_step(network, optimizer, images, labels))
    predict = decorate(lambda images: tf.argmax(network(images), axis=1))

    for images, labels in training:
        step(tf.constant(images), tf.constant(labels))
    training.report(predict(tf.constant(digits.test_images)))


if __name__ == "__main__":
    main()
