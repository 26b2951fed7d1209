"""Activations, softmax, cross entropies, dropout, normalisation and embeddings of tf.nn."""

import math

import numpy as np
import pytest
import tensorflow as tf

from .recorded import Recorded
from .three_ways import check, check_gradient, known_rank, run

RECORDED = Recorded("nn_ops")
F32 = np.float32
INVALID = (tf.errors.InvalidArgumentError, ValueError)
X = np.array([[-3.0, -1.2, -0.3], [0.4, 1.7, 7.5]])


def normal(*shape, dtype=np.float64):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


def np_softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def np_sigmoid(x):
    return 1 / (1 + np.exp(-x))


def np_gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


# activations

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

ACTIVATIONS = {
    "relu": (tf.nn.relu, lambda x: np.maximum(x, 0)),
    "relu6": (tf.nn.relu6, lambda x: np.clip(x, 0, 6)),
    "elu": (tf.nn.elu, lambda x: np.where(x > 0, x, np.expm1(x))),
    "selu": (tf.nn.selu, lambda x: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(x))),
    "leaky_relu": (tf.nn.leaky_relu, lambda x: np.where(x > 0, x, 0.2 * x)),
    "leaky_relu_alpha": (lambda x: tf.nn.leaky_relu(x, alpha=0.01), lambda x: np.where(x > 0, x, 0.01 * x)),
    "gelu": (tf.nn.gelu, np_gelu),
    "gelu_approximate": (
        lambda x: tf.nn.gelu(x, approximate=True),
        lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    ),
    "silu": (tf.nn.silu, lambda x: x * np_sigmoid(x)),
    "swish": (tf.nn.swish, lambda x: x * np_sigmoid(x)),
    "silu_beta": (lambda x: tf.nn.silu(x, beta=2.0), lambda x: x * np_sigmoid(2 * x)),
    "sigmoid": (tf.nn.sigmoid, np_sigmoid),
    "tanh": (tf.nn.tanh, np.tanh),
    "softplus": (tf.nn.softplus, lambda x: np.log1p(np.exp(x))),
    "softsign": (tf.nn.softsign, lambda x: x / (1 + np.abs(x))),
    "crelu": (tf.nn.crelu, lambda x: np.maximum(np.concatenate([x, -x], -1), 0)),
    "softmax": (tf.nn.softmax, np_softmax),
    "log_softmax": (tf.nn.log_softmax, lambda x: np.log(np_softmax(x))),
}
NO_SECOND_GRADIENT = ("softsign",)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float16, tf.bfloat16.as_numpy_dtype, np.float32, np.float64])
def test_activation(name, dtype):
    function, reference = ACTIVATIONS[name]
    x = X.astype(dtype)
    expected = reference(x.astype(np.float64)).astype(dtype)
    ways = ("eager", "function", "session") if dtype in (np.float32, np.float64) else ("eager",)
    tolerances = {"rtol": 1e-6, "atol": 1e-8} if dtype is np.float64 else {}  # some constants are float32
    check(function, [x], expected, ways=ways, **tolerances)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_gradient(name):
    function, _ = ACTIVATIONS[name]
    check_gradient(function, [X])
    if name not in NO_SECOND_GRADIENT:
        check_gradient(lambda x: tf.square(function(x)), [X], order=2, ways=("eager",), rtol=1e-4, atol=1e-5)


def test_relu_forms():
    check(tf.nn.relu, [np.array([-1, 0, 2], np.int32)], np.array([0, 0, 2], np.int32))
    check(tf.nn.relu6, [np.array([-1, 0, 9], np.int32)], np.array([0, 0, 6], np.int32))
    check(tf.nn.relu, [np.array([-np.inf, np.inf, -0.0], F32)], np.array([0, np.inf, 0], F32))
    check(tf.nn.relu, [np.array([np.nan], F32)], np.array([np.nan], F32), ways=("eager",))
    check(lambda x: tf.nn.crelu(x, axis=0), [X], np.maximum(np.concatenate([X, -X], 0), 0))
    check(lambda x: tf.compat.v1.nn.crelu(x), [X], np.maximum(np.concatenate([X, -X], -1), 0))
    x = tf.constant([0.0, 6.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        relu, relu6, leaky, absolute = tf.nn.relu(x), tf.nn.relu6(x), tf.nn.leaky_relu(x), tf.abs(x)
        elu, selu = tf.nn.elu(x), tf.nn.selu(x)
    np.testing.assert_array_equal(tape.gradient(relu, x), [0, 1])
    np.testing.assert_array_equal(tape.gradient(relu6, x), [0, 0])
    np.testing.assert_allclose(tape.gradient(leaky, x), [0.2, 1])
    np.testing.assert_array_equal(tape.gradient(absolute, x), [0, 1])
    np.testing.assert_array_equal(tape.gradient(elu, x), [1, 1])
    RECORDED.check("selu gradient at 0", tape.gradient(selu, x))
    with pytest.raises((TypeError, *INVALID)):
        tf.nn.relu(tf.constant(["a"]))
    with pytest.raises((TypeError, *INVALID)):
        tf.nn.elu(tf.constant([1, 2]))


# softmax


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
def test_softmax_axis(axis):
    x = normal(2, 3, 4)
    shapes = {"session_shapes": known_rank(x)}
    check(lambda x: tf.nn.softmax(x, axis), [x], np_softmax(x, axis), **shapes)
    check(lambda x: tf.nn.log_softmax(x, axis=axis), [x], np.log(np_softmax(x, axis)), **shapes)
    check(lambda x: tf.compat.v1.nn.softmax(x, dim=axis), [x], np_softmax(x, axis), **shapes)
    check_gradient(lambda x: tf.nn.softmax(x, axis), [normal(2, 3, 2)], ways=("eager",))


def test_softmax_forms():
    large = np.array([[1000.0, 1001.0], [-1000, -1001]], F32)
    check(tf.nn.softmax, [large], np_softmax(large))
    check(tf.nn.log_softmax, [large], np.log(np_softmax(large)))
    check(tf.nn.softmax, [np.array([1.0, 2.0], F32)], np_softmax(np.array([1, 2], F32)))
    check(tf.nn.softmax, [np.array([[-np.inf, 0.0]], F32)], np.array([[0, 1]], F32))
    check(tf.nn.softmax, [np.zeros((0, 3), F32)], np.zeros((0, 3), F32))
    with pytest.raises((TypeError, *INVALID)):
        tf.nn.softmax(tf.constant([1, 2]))
    with pytest.raises(INVALID):
        tf.nn.softmax(tf.zeros([2, 3]), axis=2)


# cross entropies

LOGITS = np.array([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3]])
LABELS = np.array([[0.7, 0.2, 0.1], [0.0, 0.0, 1.0]])
CROSS_ENTROPY = -(LABELS * np.log(np_softmax(LOGITS))).sum(-1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_softmax_cross_entropy(dtype):
    v1 = tf.compat.v1.nn
    arguments = [LABELS.astype(dtype), LOGITS.astype(dtype)]
    for function in (
        tf.nn.softmax_cross_entropy_with_logits,
        lambda labels, logits: v1.softmax_cross_entropy_with_logits(labels=labels, logits=logits),
        lambda labels, logits: v1.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits),
    ):
        check(function, arguments, CROSS_ENTROPY.astype(dtype), ways=("eager", "function", "session"))


def test_softmax_cross_entropy_forms():
    function = tf.nn.softmax_cross_entropy_with_logits
    check(lambda a, b: function(a, b, axis=0), [LABELS.T, LOGITS.T], CROSS_ENTROPY)
    labels, logits = np.stack([LABELS, LABELS]), np.stack([LOGITS, LOGITS])
    check(function, [labels, logits], np.stack([CROSS_ENTROPY] * 2))
    check(function, [LABELS[0], LOGITS[0]], CROSS_ENTROPY[0])
    check(function, [LABELS[:1], LOGITS], -(LABELS[:1] * np.log(np_softmax(LOGITS))).sum(-1), ways=("eager",))
    check(
        lambda x: function([[1, 0, 0], [0, 1, 0]], x), [LOGITS], -np.log(np_softmax(LOGITS))[[0, 1], [0, 1]]
    )
    large = np.array([[1000.0, 0, -1000]], F32)
    check(lambda x: function([[0.0, 0, 1]], x), [large], np.array([2000], F32))
    with pytest.raises(INVALID):
        function(LABELS, LOGITS[:, :2])


def test_softmax_cross_entropy_gradient():
    function = tf.nn.softmax_cross_entropy_with_logits
    check_gradient(function, [LABELS, LOGITS])
    check_gradient(function, [LABELS, LOGITS], indices=[1], order=2)
    v1 = tf.compat.v1.nn.softmax_cross_entropy_with_logits
    x, labels = tf.constant(LOGITS), tf.constant(LABELS)
    with tf.GradientTape() as tape:
        tape.watch([x, labels])
        loss = v1(labels=labels, logits=x)
    for_logits, for_labels = tape.gradient(loss, [x, labels])
    np.testing.assert_allclose(for_logits, np_softmax(LOGITS) - LABELS, rtol=1e-9, atol=1e-12)
    assert for_labels is None  # the first version does not differentiate labels


@pytest.mark.parametrize("labels_dtype", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_sparse_softmax_cross_entropy(labels_dtype, dtype):
    labels = np.array([2, 0], labels_dtype)
    expected = -np.log(np_softmax(LOGITS))[[0, 1], labels]
    check(
        tf.nn.sparse_softmax_cross_entropy_with_logits, [labels, LOGITS.astype(dtype)], expected.astype(dtype)
    )
    check(
        lambda a, b: tf.compat.v1.nn.sparse_softmax_cross_entropy_with_logits(labels=a, logits=b),
        [labels, LOGITS.astype(dtype)],
        expected.astype(dtype),
    )


def test_sparse_softmax_cross_entropy_forms():
    function = tf.nn.sparse_softmax_cross_entropy_with_logits
    logits = np.stack([LOGITS, LOGITS])
    labels = np.array([[2, 0], [1, 1]])
    expected = -np.log(np_softmax(logits))[[[0, 0], [1, 1]], [[0, 1], [0, 1]], labels]
    check(function, [labels, logits], expected, session_shapes=known_rank(labels, logits))
    check(function, [np.int32(1), LOGITS[0]], -np.log(np_softmax(LOGITS[0]))[1], session_shapes=[[], [None]])
    check_gradient(lambda x: function([2, 0], x), [LOGITS])
    check_gradient(lambda x: function([2, 0], x), [LOGITS], order=2)
    with pytest.raises(INVALID):
        function([3, 0], LOGITS)
    with pytest.raises(INVALID):
        function([-1, 0], LOGITS)
    with pytest.raises(INVALID):
        function([1, 2, 0], LOGITS)
    with pytest.raises((TypeError, *INVALID)):
        function([1.0, 2.0], LOGITS)


def test_sigmoid_cross_entropy():
    z = np.array([[0.0, 1.0, 0.3], [1.0, 0.0, 0.5]])
    x = LOGITS * 3
    expected = -(z * np.log(np_sigmoid(x)) + (1 - z) * np.log(1 - np_sigmoid(x)))
    check(tf.nn.sigmoid_cross_entropy_with_logits, [z, x], expected)
    check(
        lambda z, x: tf.compat.v1.nn.sigmoid_cross_entropy_with_logits(labels=z, logits=x), [z, x], expected
    )
    check_gradient(tf.nn.sigmoid_cross_entropy_with_logits, [z, x])
    check_gradient(tf.nn.sigmoid_cross_entropy_with_logits, [z, x], indices=[1], order=2, ways=("eager",))
    large = np.array([100.0, -100.0, 0.0], F32)
    check(
        lambda x: tf.nn.sigmoid_cross_entropy_with_logits(tf.zeros_like(x), x),
        [large],
        np.array([100, 0, np.log(2)], F32),
    )
    with pytest.raises(ValueError):
        tf.nn.sigmoid_cross_entropy_with_logits(labels=z, logits=x[:, :1])


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0, 3.0])
def test_weighted_cross_entropy(weight):
    z = np.array([[0.0, 1.0, 0.3], [1.0, 0.0, 0.5]])
    x = LOGITS * 3
    expected = -(weight * z * np.log(np_sigmoid(x)) + (1 - z) * np.log(1 - np_sigmoid(x)))
    check(lambda z, x: tf.nn.weighted_cross_entropy_with_logits(z, x, weight), [z, x], expected)
    check(
        lambda z, x: tf.compat.v1.nn.weighted_cross_entropy_with_logits(
            targets=z, logits=x, pos_weight=weight
        ),
        [z, x],
        expected,
    )
    check_gradient(lambda x: tf.nn.weighted_cross_entropy_with_logits(z, x, weight), [x], ways=("eager",))


def test_log_poisson_loss():
    z, c = np.array([0.5, 1.0, 4.0]), np.array([0.1, -0.5, 1.2])
    check(tf.nn.log_poisson_loss, [z, c], np.exp(c) - c * z)
    stirling = np.where(z <= 1, 0, z * np.log(z) - z + 0.5 * np.log(2 * np.pi * z))
    check(
        lambda z, c: tf.nn.log_poisson_loss(z, c, compute_full_loss=True),
        [z, c],
        np.exp(c) - c * z + stirling,
    )


def test_l2_loss():
    check(tf.nn.l2_loss, [X], np.float64((X * X).sum() / 2))
    check(tf.nn.l2_loss, [np.float32(3)], np.float32(4.5))
    check_gradient(tf.nn.l2_loss, [X], order=2)


# dropout


def test_dropout_statistics():
    x = np.full((100, 50), 3.0, F32)
    tf.random.set_seed(5)
    v1 = tf.compat.v1.nn
    for function, rate in [
        (lambda x: tf.nn.dropout(x, 0.25), 0.25),
        (lambda x: tf.nn.dropout(x, rate=0.7, seed=3), 0.7),
        (lambda x: v1.dropout(x, keep_prob=0.6), 0.4),
        (lambda x: v1.dropout(x, 0.9), 0.1),
        (lambda x: v1.dropout(x, rate=0.5), 0.5),
        (lambda x: tf.nn.dropout(x, tf.constant(0.3)), 0.3),
        (lambda x: tf.nn.experimental.stateless_dropout(x, 0.4, seed=[1, 2]), 0.4),
        (lambda x: tf.nn.experimental.general_dropout(x, 0.4, lambda **k: tf.random.uniform(**k)), 0.4),
    ]:
        for way in ("eager", "session"):
            value = run(way, function, [x])
            kept = value != 0
            np.testing.assert_allclose(value[kept], 3.0 / (1 - rate), rtol=1e-5)
            assert abs(kept.mean() - (1 - rate)) < 0.03


def test_dropout_noise_shape():
    x = np.ones((6, 40, 3), F32)
    value = run("eager", lambda x: tf.nn.dropout(x, 0.5, noise_shape=[6, 1, 3], seed=1), [x])
    assert (value == value[:, :1]).all() and 0 < (value != 0).mean() < 1
    value = run("eager", lambda x: tf.nn.dropout(x, 0.5, noise_shape=[None, 1, None], seed=1), [x])
    assert (value == value[:, :1]).all()


def test_dropout_edges():
    check(lambda x: tf.nn.dropout(x, 0.0), [X], X)
    check(lambda x: tf.nn.dropout(x, 0), [X], X)
    check(lambda x: tf.compat.v1.nn.dropout(x, keep_prob=1.0), [X], X)
    check(lambda x: tf.compat.v1.nn.dropout(x, keep_prob=1), [X], X)
    for rate in (-0.1, 1.0, 1.5):
        with pytest.raises(ValueError):
            tf.nn.dropout(X, rate)
    with pytest.raises(ValueError):
        tf.compat.v1.nn.dropout(X, keep_prob=1.5)
    with pytest.raises(ValueError):
        tf.nn.dropout([1, 2], 0.5)
    with pytest.raises(ValueError):
        tf.compat.v1.nn.dropout(X)


def test_dropout_gradient_uses_the_same_mask():
    x = tf.ones([50])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.nn.dropout(x, 0.5)
    np.testing.assert_array_equal(tape.gradient(y, x), y)


def test_dropout_placeholder_probability():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        keep = tf.compat.v1.placeholder(tf.float32)
        y = tf.compat.v1.nn.dropout(tf.ones([200]), keep)
        np.testing.assert_array_equal(session.run(y, {keep: 1.0}), np.ones(200))
        half = session.run(y, {keep: 0.5})
        assert set(half.tolist()) == {0.0, 2.0}
        assert (half != session.run(y, {keep: 0.5})).any()


# normalisation


def test_batch_normalization():
    x, mean, variance = normal(4, 3), normal(3), np.abs(normal(5)[:3]) + 0.5
    offset, scale = normal(6)[:3], normal(7)[:3]
    standard = (x - mean) / np.sqrt(variance + 1e-3)
    function = tf.nn.batch_normalization
    check(lambda *a: function(*a, 1e-3), [x, mean, variance, offset, scale], standard * scale + offset)
    check(lambda x, m, v: function(x, m, v, None, None, 1e-3), [x, mean, variance], standard)
    check(lambda x, m, v, o: function(x, m, v, o, None, 1e-3), [x, mean, variance, offset], standard + offset)
    check(lambda x, m, v, s: function(x, m, v, None, s, 1e-3), [x, mean, variance, scale], standard * scale)
    check_gradient(
        lambda *a: function(*a, 1e-3), [x, mean, variance, offset, scale], ways=("eager", "session")
    )


FUSED_X = np.random.default_rng(1).normal(1.5, 2.0, (2, 3, 4, 5)).astype(F32)
FUSED_SCALE = np.linspace(0.5, 1.5, 5).astype(F32)
FUSED_OFFSET = np.linspace(-1, 1, 5).astype(F32)


@pytest.mark.parametrize("factor", [1.0, 0.3])
def test_fused_batch_norm_training(factor):
    x = FUSED_X.astype(np.float64)
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    unbiased = variance * 24 / 23
    normalised = (x - mean) / np.sqrt(variance + 0.01) * FUSED_SCALE + FUSED_OFFSET
    old_mean, old_variance = np.full(5, 2.0, F32), np.full(5, 3.0, F32)
    if factor == 1.0:
        old_mean, old_variance = np.zeros(0, F32), np.zeros(0, F32)
        expected = (normalised, mean, unbiased)
    else:
        expected = (normalised, mean * factor + 2 * (1 - factor), unbiased * factor + 3 * (1 - factor))
    expected = tuple(np.asarray(e, F32) for e in expected)

    def function(x, scale, offset, mean, variance):
        return tuple(
            tf.compat.v1.nn.fused_batch_norm(
                x, scale, offset, mean, variance, epsilon=0.01, exponential_avg_factor=factor
            )
        )

    arguments = [FUSED_X, FUSED_SCALE, FUSED_OFFSET, old_mean, old_variance]
    check(function, arguments, expected, rtol=1e-4, atol=1e-5, ways=("eager", "session"))


def test_fused_batch_norm_inference():
    mean, variance = np.linspace(0, 1, 5).astype(F32), np.linspace(1, 2, 5).astype(F32)

    def function(x, scale, offset, mean, variance):
        return tf.compat.v1.nn.fused_batch_norm(
            x, scale, offset, mean, variance, epsilon=0.01, is_training=False
        )[0]

    expected = ((FUSED_X - mean) / np.sqrt(variance + 0.01) * FUSED_SCALE + FUSED_OFFSET).astype(F32)
    check(function, [FUSED_X, FUSED_SCALE, FUSED_OFFSET, mean, variance], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_fused_batch_norm_gradient(training):
    mean, variance = np.linspace(0, 1, 5), np.linspace(1, 2, 5)

    def function(x, scale, offset):
        y = tf.compat.v1.nn.fused_batch_norm(
            tf.cast(x, tf.float32),
            tf.cast(scale, tf.float32),
            tf.cast(offset, tf.float32),
            mean=None if training else tf.cast(mean, tf.float32),
            variance=None if training else tf.cast(variance, tf.float32),
            epsilon=0.01,
            is_training=training,
        )[0]
        return tf.cast(y, tf.float64)

    check_gradient(
        function,
        [a.astype(np.float64) for a in (FUSED_X[:1, :2, :2], FUSED_SCALE, FUSED_OFFSET)],
        ways=("eager", "session"),
        step=1e-2,
        rtol=2e-2,
        atol=5e-3,
    )


def test_fused_batch_norm_half():
    x = FUSED_X.astype(np.float16)
    y, mean, variance = tf.compat.v1.nn.fused_batch_norm(x, FUSED_SCALE, FUSED_OFFSET)
    assert (y.dtype, mean.dtype, variance.dtype) == (tf.float16, tf.float32, tf.float32)
    np.testing.assert_allclose(mean, x.astype(F32).mean((0, 1, 2)), rtol=1e-3, atol=1e-3)


def test_moments_family():
    x, weights = normal(4, 3), np.array([[1.0], [2.0], [0.5], [0.0]])
    mean = (x * weights).sum(0) / weights.sum()
    variance = (weights * (x - mean) ** 2).sum(0) / weights.sum()
    check(lambda x, w: tuple(tf.nn.weighted_moments(x, [0], w)), [x, weights], (mean, variance))
    check(
        lambda x, w: tuple(tf.nn.weighted_moments(x, [0], w, keepdims=True)),
        [x, weights],
        (mean[None], variance[None]),
    )

    def through_statistics(x):
        count, total, squares, shift = tf.nn.sufficient_statistics(x, [0])
        assert shift is None
        return tuple(tf.nn.normalize_moments(count, total, squares, None))

    check(through_statistics, [x], (x.mean(0), x.var(0)))

    def shifted(x):
        count, total, squares, shift = tf.nn.sufficient_statistics(x, [0], shift=tf.constant(0.5, tf.float64))
        return tuple(tf.nn.normalize_moments(count, total, squares, shift))

    check(shifted, [x], (x.mean(0), x.var(0)))


def test_local_response_normalization():
    x = normal(1, 2, 2, 6, dtype=F32)
    squares = np.zeros_like(x)
    for c in range(6):
        squares[..., c] = (x[..., max(0, c - 2) : c + 3] ** 2).sum(-1)
    expected = (x / (1.5 + 0.3 * squares) ** 0.75).astype(F32)
    check(lambda x: tf.nn.lrn(x, depth_radius=2, bias=1.5, alpha=0.3, beta=0.75), [x], expected)
    check(lambda x: tf.nn.local_response_normalization(x, 2, 1.5, 0.3, 0.75), [x], expected)
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.nn.lrn(x, 2, 1.5, 0.3, 0.75) * tf.cos(x)
    RECORDED.check("lrn gradient", tape.gradient(y, x), rtol=1e-4, atol=1e-5)


# linear layers and embeddings


def test_bias_add():
    x, b = normal(2, 3, 4), normal(4)
    check(tf.nn.bias_add, [x, b], x + b)
    check(lambda x, b: tf.nn.bias_add(x, b, data_format="N...C"), [x, b], x + b)
    check(lambda x, b: tf.compat.v1.nn.bias_add(value=x, bias=b), [x, b], x + b)
    channels_first = np.moveaxis(x, -1, 1).copy()
    check(lambda x, b: tf.nn.bias_add(x, b, "NC..."), [channels_first, b], channels_first + b[:, None])
    check(
        lambda x, b: tf.nn.bias_add(x, b, "NCHW"),
        [channels_first[..., None], b],
        channels_first[..., None] + b[:, None, None],
    )
    check(
        tf.nn.bias_add,
        [np.array([[1, 2]], np.int32), np.array([3, 4], np.int32)],
        np.array([[4, 6]], np.int32),
    )
    check_gradient(tf.nn.bias_add, [x[0], b], ways=("eager", "session"))
    check_gradient(lambda x, b: tf.square(tf.nn.bias_add(x, b)), [x[0], b], order=2, ways=("eager",))
    check_gradient(lambda x, b: tf.nn.bias_add(x, b, "NC..."), [channels_first, b], ways=("eager",))
    with pytest.raises(INVALID):
        tf.nn.bias_add(x, normal(3))
    with pytest.raises(INVALID):
        tf.nn.bias_add(x, b[None])
    with pytest.raises(ValueError):
        tf.nn.bias_add(x, b, data_format="CN")


def test_xw_plus_b():
    x, w, b = normal(2, 3), normal(3, 4), normal(4)
    v1 = tf.compat.v1.nn
    check(v1.xw_plus_b, [x, w, b], x @ w + b)
    check(v1.relu_layer, [x, w, b], np.maximum(x @ w + b, 0))
    check_gradient(v1.xw_plus_b, [x, w, b])


def test_embedding_lookup():
    table = normal(5, 2)
    ids = np.array([[0, 4], [2, 2]])
    check(tf.nn.embedding_lookup, [table, ids], table[ids])
    check(lambda t, i: tf.compat.v1.nn.embedding_lookup(t, i), [table, ids.astype(np.int32)], table[ids])
    check_gradient(lambda t: tf.nn.embedding_lookup(t, ids), [table], ways=("eager", "session"))
    norms = np.linalg.norm(table, axis=1, keepdims=True)
    clipped = table / np.maximum(norms / 0.5, 1)
    check(lambda t, i: tf.nn.embedding_lookup(t, i, max_norm=0.5), [table, ids], clipped[ids])
    with pytest.raises(INVALID):
        tf.nn.embedding_lookup(table, [5])


@pytest.mark.parametrize("strategy", ["mod", "div"])
def test_embedding_lookup_of_shards(strategy):
    table = np.arange(10.0).reshape(5, 2)
    shards = [table[::2], table[1::2]] if strategy == "mod" else [table[:3], table[3:]]
    ids = np.array([4, 0, 3, 1])
    check(
        lambda a, b, i: tf.compat.v1.nn.embedding_lookup([a, b], i, partition_strategy=strategy),
        [*shards, ids],
        table[ids],
        session_shapes=[[3, 2], [2, 2], [None]],
        function_shapes=[[3, 2], [2, 2], [None]],
    )


@pytest.mark.parametrize("combiner", ["sum", "mean", "sqrtn"])
def test_embedding_lookup_sparse(combiner):
    table = normal(4, 3)
    ids = tf.SparseTensor([[0, 0], [0, 1], [1, 0], [2, 0]], tf.constant([1, 3, 0, 1], tf.int64), [3, 2])
    weights = tf.SparseTensor(ids.indices, tf.constant([2.0, 0.5, 1.0, 3.0], tf.float64), [3, 2])
    plain = np.stack([table[1] + table[3], table[0], table[1]])
    weighted = np.stack([2 * table[1] + 0.5 * table[3], table[0], 3 * table[1]])
    divisors = {"sum": ([1, 1, 1], [1, 1, 1]), "mean": ([2, 1, 1], [2.5, 1, 3])}
    divisors["sqrtn"] = (np.sqrt([2, 1, 1]), np.sqrt([4.25, 1, 9]))
    for_plain, for_weighted = (np.array(d)[:, None] for d in divisors[combiner])
    function = tf.nn.embedding_lookup_sparse
    np.testing.assert_allclose(function(table, ids, None, combiner=combiner), plain / for_plain)
    np.testing.assert_allclose(function(table, ids, weights, combiner=combiner), weighted / for_weighted)


def test_normalize_and_top_k_aliases():
    assert tf.nn.l2_normalize(tf.constant([3.0, 4.0])).numpy().tolist() == pytest.approx([0.6, 0.8])
    values, indices = tf.nn.top_k(tf.constant([1.0, 5.0, 3.0]), 2)
    assert values.numpy().tolist() == [5, 3] and indices.numpy().tolist() == [1, 2]
    assert tf.nn.in_top_k([1], [[0.1, 0.9]], 1).numpy().tolist() == [True]
