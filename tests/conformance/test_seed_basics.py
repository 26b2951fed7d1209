"""The first concepts of a 1.x course: graph, session, tensor, variable, placeholder, queue, device, training.

The programs are of the kind that courses on deep-learning frameworks print; they are checked value by value.
"""

import threading

import numpy as np
import pytest
import tensorflow as tf

v1 = tf.compat.v1


# ------------------------------------------------------------------ graph and session


def test_a_graph_only_describes_the_computation(graph):
    a = tf.constant([[3.0, 3.0]])
    b = tf.constant([[2.0], [2.0]])
    product = tf.matmul(a, b)
    assert str(product) == 'Tensor("MatMul:0", shape=(1, 1), dtype=float32)'
    session = v1.Session(target="", graph=None, config=None)
    assert session.run(product).tolist() == [[12.0]]
    session.close()


def test_run_and_eval_give_the_same(graph):
    a, b = tf.constant(2.0), tf.constant(3.0)
    total, product = tf.add(a, b), tf.multiply(a, b)
    with v1.Session() as session:
        assert session.run([total, product]) == [5.0, 6.0]
        assert total.eval() == 5.0 and product.eval() == 6.0
        assert total.eval(feed_dict={a: 10.0}) == 13.0
        assert total.eval(session=session) == session.run(total)
    with pytest.raises(ValueError):
        total.eval()


# ------------------------------------------------------------------ variables


@pytest.mark.parametrize(
    "make,shape,dtype,check",
    [
        (lambda: tf.zeros([2, 3]), [2, 3], tf.float32, lambda v: (v == 0).all()),
        (lambda: tf.ones([2, 3], tf.int32), [2, 3], tf.int32, lambda v: (v == 1).all()),
        (lambda: v1.random_normal([99], 1.0, 0.5), [99], tf.float32, lambda v: 0.8 < v.mean() < 1.2),
        (lambda: v1.truncated_normal([500], stddev=0.1), [500], tf.float32, lambda v: np.abs(v).max() <= 0.2),
        (lambda: v1.random_uniform([50], -1.0, 1.0), [50], tf.float32, lambda v: (np.abs(v) <= 1.0).all()),
        (lambda: v1.random_gamma([50], 2.0), [50], tf.float32, lambda v: (v > 0).all()),
        (lambda: tf.fill([2, 2], 9), [2, 2], tf.int32, lambda v: v.tolist() == [[9, 9], [9, 9]]),
        (lambda: tf.constant([1.0, 2.0]), [2], tf.float32, lambda v: v.tolist() == [1.0, 2.0]),
    ],
)  # fmt: skip
def test_variables_from_initial_values(session, make, shape, dtype, check):
    v1.set_random_seed(1)
    variable = v1.Variable(make())
    assert variable.shape == shape and variable.dtype.base_dtype is dtype
    session.run(v1.global_variables_initializer())
    assert check(session.run(variable))


def test_variables_from_other_variables(session):
    weights = v1.Variable(v1.random_normal([3, 2], stddev=0.35), name="weights", use_resource=False)
    copied = v1.Variable(weights.initialized_value(), name="copied")
    twice = v1.Variable(weights.initialized_value() * 2.0, name="twice")
    session.run(weights.initializer)
    session.run(v1.variables_initializer([copied, twice]))
    first, second, third = session.run([weights, copied, twice])
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first * 2.0, third)


def test_the_counter(session):
    state = v1.Variable(0, name="counter")
    update = v1.assign(state, tf.add(state, tf.constant(1)))
    session.run(v1.global_variables_initializer())
    assert session.run(state) == 0
    assert [int(session.run(update)) for _ in range(3)] == [1, 2, 3]
    assert session.run(v1.assign_add(state, 10)) == 13
    assert session.run(v1.assign_sub(state, 3)) == 10
    assert session.run(state) == 10


# ------------------------------------------------------------------ placeholders


def test_placeholders(session):
    a = v1.placeholder(tf.float32, shape=(2, 1), name="a")
    b = v1.placeholder(tf.float32, shape=(1, 2), name="b")
    product = tf.matmul(a, b)
    assert session.run(product, feed_dict={a: [[2.0], [3.0]], b: [[4.0, 5.0]]}).tolist() == [
        [8.0, 10.0],
        [12.0, 15.0],
    ]
    with pytest.raises(tf.errors.InvalidArgumentError, match="a"):
        session.run(product)
    with pytest.raises(ValueError, match="a:0"):
        session.run(product, feed_dict={a: [[1.0, 2.0]], b: [[4.0, 5.0]]})


# ------------------------------------------------------------------ queues


def test_a_first_in_first_out_queue(session):
    queue = v1.FIFOQueue(3, tf.float32)
    start = queue.enqueue_many(([0.1, 0.2, 0.3],))
    x = queue.dequeue()
    put = queue.enqueue([x + 1.0])
    session.run(start)
    for _ in range(2):
        session.run(put)
    assert session.run(queue.size()) == 3
    got = [float(session.run(x)) for _ in range(3)]
    np.testing.assert_allclose(got, [0.3, 1.1, 1.2], rtol=1e-6)


def test_a_reading_thread_and_a_computing_thread(graph):
    queue = v1.FIFOQueue(10, tf.float32, shapes=[[2]])
    put = queue.enqueue_many([tf.constant([[1.0, 2.0], [3.0, 4.0]])])
    taken = queue.dequeue_many(2)
    total = tf.reduce_sum(taken)
    runner = v1.train.QueueRunner(queue, [put, put])
    v1.train.add_queue_runner(runner)
    with v1.Session() as session:
        coordinator = v1.train.Coordinator()
        threads = v1.train.start_queue_runners(session, coordinator)
        assert all(isinstance(thread, threading.Thread) for thread in threads)
        assert [float(session.run(total)) for _ in range(5)] == [10.0] * 5
        coordinator.request_stop()
        coordinator.join(threads)
        assert coordinator.should_stop()


# ------------------------------------------------------------------ devices and the usual operations


def test_devices(session):
    with tf.device("/cpu:0"):
        a = tf.constant([1.0, 2.0, 3.0], shape=[3], name="a")
        b = tf.constant([1.0, 2.0, 3.0], shape=[3], name="b")
    assert a.device == "/device:CPU:0"
    assert session.run(a + b).tolist() == [2.0, 4.0, 6.0]
    config = v1.ConfigProto(allow_soft_placement=True, log_device_placement=False)
    with tf.device("/gpu:3"):
        c = a * b
    assert c.device == "/device:GPU:3"
    with v1.Session(config=config) as soft:
        assert soft.run(c).tolist() == [1.0, 4.0, 9.0]


def test_usual_operations(session):
    x = tf.constant([[1, 2, 3], [4, 5, 6]])
    assert session.run(tf.shape(x)).tolist() == [2, 3]
    assert v1.to_double(x).dtype is tf.float64 and v1.to_double(x).op.name.startswith("ToDouble")
    assert v1.to_float(x).dtype is tf.float32 and v1.to_int64(x).dtype is tf.int64
    assert v1.to_int32(tf.constant([1.9, -1.9])).eval().tolist() == [1, -1]
    assert session.run(tf.cast([1.8, 2.2], tf.int32)).tolist() == [1, 2]
    assert session.run(tf.reshape(x, [3, 2])).tolist() == [[1, 2], [3, 4], [5, 6]]
    assert session.run(tf.slice(x, [0, 1], [2, 1])).tolist() == [[2], [5]]
    left, right = tf.split(x, [1, 2], 1)
    assert session.run([left, right])[1].tolist() == [[2, 3], [5, 6]]
    assert [part.tolist() for part in session.run(tf.split(x, num_or_size_splits=3, axis=1))][2] == [[3], [6]]
    assert session.run(tf.concat([x, x], axis=0)).shape == (4, 3)


# ------------------------------------------------------------------ tf.nn

IMAGE = np.arange(32, dtype=np.float32).reshape(1, 4, 4, 2) / 10.0


def test_convolutions(session):
    kernel = np.linspace(-1.0, 1.0, 2 * 2 * 2 * 3).astype(np.float32).reshape(2, 2, 2, 3)
    result = session.run(tf.nn.conv2d(IMAGE, kernel, strides=[1, 1, 1, 1], padding="VALID"))
    expected = np.zeros([1, 3, 3, 3], np.float32)
    for row in range(3):
        for column in range(3):
            patch = IMAGE[0, row : row + 2, column : column + 2]
            expected[0, row, column] = np.tensordot(patch, kernel, 3)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)
    depthwise = kernel[..., :1]
    each = session.run(tf.nn.depthwise_conv2d(IMAGE, depthwise, [1, 1, 1, 1], "SAME"))
    assert each.shape == (1, 4, 4, 2)
    np.testing.assert_allclose(
        each[0, 0, 0, 1], (IMAGE[0, :2, :2, 1] * depthwise[:, :, 1, 0]).sum(), rtol=1e-4
    )
    pointwise = np.ones([1, 1, 2, 4], np.float32)
    separable = session.run(tf.nn.separable_conv2d(IMAGE, depthwise, pointwise, [1, 1, 1, 1], "SAME"))
    np.testing.assert_allclose(separable[..., 2], each.sum(-1), rtol=1e-4, atol=1e-5)
    biased = session.run(tf.nn.bias_add(IMAGE, [1.0, -1.0]))
    np.testing.assert_allclose(biased, IMAGE + [1.0, -1.0], rtol=1e-6)


def test_activations(session):
    x = tf.constant([-1.0, 0.0, 2.0])
    assert session.run(tf.nn.relu(x)).tolist() == [0.0, 0.0, 2.0]
    np.testing.assert_allclose(session.run(tf.nn.elu(x)), [np.exp(-1) - 1, 0.0, 2.0], rtol=1e-5)
    np.testing.assert_allclose(session.run(tf.sigmoid(x)), 1 / (1 + np.exp([1.0, 0.0, -2.0])), rtol=1e-5)
    np.testing.assert_allclose(session.run(tf.tanh(x)), np.tanh([-1.0, 0.0, 2.0]), rtol=1e-5)
    dropped = session.run(v1.nn.dropout(tf.ones([1000]), keep_prob=0.5, seed=3))
    assert set(dropped.tolist()) == {0.0, 2.0} and 400 < (dropped > 0).sum() < 600


def test_pooling_and_losses(session):
    average = session.run(v1.nn.avg_pool(IMAGE, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID"))
    largest = session.run(v1.nn.max_pool(IMAGE, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME"))
    blocks = IMAGE.reshape(1, 2, 2, 2, 2, 2)
    np.testing.assert_allclose(average, blocks.mean((2, 4)), rtol=1e-5)
    np.testing.assert_allclose(largest, blocks.max((2, 4)), rtol=1e-6)
    output, argmax = session.run(v1.nn.max_pool_with_argmax(IMAGE, [1, 2, 2, 1], [1, 2, 2, 1], "VALID"))
    np.testing.assert_allclose(output, largest)
    assert argmax.dtype == np.int64 and argmax.ravel().tolist() == [10, 11, 14, 15, 26, 27, 30, 31]
    assert session.run(tf.nn.l2_loss([3.0, 4.0])) == 12.5


def test_the_four_cross_entropies(session):
    logits = tf.constant([[2.0, 1.0, 0.0], [0.0, 3.0, 0.0]])
    labels = tf.constant([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    values = np.array([[2.0, 1.0, 0.0], [0.0, 3.0, 0.0]])
    expected = np.log(np.exp(values).sum(1)) - [2.0, 0.0]
    dense = v1.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    sparse = v1.nn.sparse_softmax_cross_entropy_with_logits(labels=[0, 2], logits=logits)
    np.testing.assert_allclose(session.run(dense), expected, rtol=1e-5)
    np.testing.assert_allclose(session.run(sparse), expected, rtol=1e-5)
    binary = session.run(v1.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))
    one_hot = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(binary, np.log1p(np.exp(values)) - one_hot * values, rtol=1e-5)
    weighted = session.run(v1.nn.weighted_cross_entropy_with_logits(labels, logits, pos_weight=2.0))
    np.testing.assert_allclose(
        weighted, np.log1p(np.exp(values)) * (1 + one_hot) - 2 * one_hot * values, rtol=1e-5
    )


# ------------------------------------------------------------------ training


@pytest.mark.parametrize(
    "optimizer,steps",
    [
        (lambda: v1.train.GradientDescentOptimizer(0.5), 100),
        (lambda: v1.train.AdamOptimizer(0.1), 200),
        (lambda: v1.train.MomentumOptimizer(0.1, 0.9), 200),
    ],
)
def test_a_line_is_found(session, optimizer, steps):
    data = np.random.RandomState(0).rand(100).astype(np.float32)
    weight = v1.Variable(v1.random_uniform([1], -1.0, 1.0))
    bias = v1.Variable(tf.zeros([1]))
    loss = tf.reduce_mean(tf.square(weight * data + bias - (data * 0.1 + 0.3)))
    step = v1.train.get_or_create_global_step()
    train = optimizer().minimize(loss, global_step=step)
    session.run(v1.global_variables_initializer())
    for _ in range(steps):
        session.run(train)
    np.testing.assert_allclose(session.run([weight, bias]), [[0.1], [0.3]], atol=2e-2)
    assert session.run(step) == steps


def test_compute_and_apply_gradients(session):
    weight = v1.Variable([3.0, 4.0])
    unused = v1.Variable([1.0])
    optimizer = v1.train.GradientDescentOptimizer(0.1)
    pairs = optimizer.compute_gradients(tf.reduce_sum(tf.square(weight)), [weight, unused])
    assert pairs[0][1] is weight and pairs[1] == (None, unused)
    clipped = [(tf.clip_by_norm(gradient, 5.0), variable) for gradient, variable in pairs[:1]]
    train = optimizer.apply_gradients(clipped)
    session.run(v1.global_variables_initializer())
    assert session.run(pairs[0][0]).tolist() == [6.0, 8.0]
    session.run(train)
    np.testing.assert_allclose(session.run(weight), [2.7, 3.6], rtol=1e-6)


def test_clipping(session):
    x = tf.constant([3.0, 4.0])
    assert session.run(tf.clip_by_value(x, 0.0, 3.5)).tolist() == [3.0, 3.5]
    np.testing.assert_allclose(session.run(tf.clip_by_norm(x, 1.0)), [0.6, 0.8], rtol=1e-6)
    np.testing.assert_allclose(session.run(v1.clip_by_average_norm(x, 1.0)), [1.2, 1.6], rtol=1e-5)
    clipped, norm = tf.clip_by_global_norm([x, tf.constant([12.0])], 6.5)
    values, length = session.run([clipped, norm])
    assert length == 13.0
    np.testing.assert_allclose(values[0], [1.5, 2.0], rtol=1e-6)
    assert session.run(tf.linalg.global_norm([x, tf.constant([12.0])])) == 13.0


def test_a_course_program_as_it_was_printed(run_script):
    printed = run_script(
        """
        import numpy as np
        import tensorflow.compat.v1 as tf
        tf.disable_v2_behavior()

        x = tf.placeholder(tf.float32, [None, 2], name="x")
        y_ = tf.placeholder(tf.float32, [None, 1])
        W = tf.Variable(tf.zeros([2, 1]), name="W")
        b = tf.Variable(tf.zeros([1]), name="b")
        y = tf.matmul(x, W) + b
        loss = tf.reduce_mean(tf.square(y - y_))
        train_step = tf.train.GradientDescentOptimizer(0.2).minimize(loss)
        init = tf.global_variables_initializer()

        data = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
        target = data @ np.array([[2.0], [-3.0]]) + 1.0
        sess = tf.InteractiveSession()
        sess.run(init)
        for i in range(300):
            train_step.run(feed_dict={x: data, y_: target})
        print(np.round(W.eval().ravel(), 2).tolist(), np.round(b.eval(), 2).tolist())
        print("%.4f" % loss.eval({x: data, y_: target}))
        print(x)
        """
    )
    assert printed.splitlines() == [
        "[2.0, -3.0] [1.0]",
        "0.0000",
        'Tensor("x:0", shape=(?, 2), dtype=float32)',
    ]
