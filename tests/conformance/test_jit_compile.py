"""`tf.function(jit_compile=True)` gives the numbers that eager execution gives, forwards and backwards."""

import numpy as np
import pytest
import tensorflow as tf

from .three_ways import assert_same, tape_gradient, tensors_to_arrays

F32 = np.float32
R = np.random.default_rng(7)
A = R.normal(size=(2, 3)).astype(F32)
B = R.normal(size=(2, 3)).astype(F32)
P = (np.abs(A) + 0.3).astype(F32)
U = np.tanh(A * 0.7).astype(F32)
SQUARE = R.normal(size=(3, 3)).astype(F32)
CUBE = R.normal(size=(2, 3, 4)).astype(F32)
IMAGE = R.normal(size=(2, 5, 6, 3)).astype(F32)
KERNEL = R.normal(size=(3, 3, 3, 2)).astype(F32)
I = np.array([[7, -3, 2], [5, 0, -9]], np.int32)
J = np.array([[2, 2, -3], [-4, 1, 5]], np.int32)
IDS = np.array([2, 0, 2, 1], np.int32)
ROWS = R.normal(size=(4, 2)).astype(F32)
BOOLS = A > 0

DIFFERENTIABLE = {
    "add": (tf.add, [A, B]),
    "subtract broadcast": (tf.subtract, [A, B[0]]),
    "multiply broadcast": (tf.multiply, [A[:, :1], B]),
    "divide": (tf.divide, [A, P]),
    "divide_no_nan": (tf.math.divide_no_nan, [A, P]),
    "pow": (tf.pow, [P, B]),
    "square": (tf.square, [A]),
    "sqrt": (tf.sqrt, [P]),
    "rsqrt": (tf.math.rsqrt, [P]),
    "reciprocal": (tf.math.reciprocal, [P]),
    "exp": (tf.exp, [A]),
    "expm1": (tf.math.expm1, [A]),
    "log": (tf.math.log, [P]),
    "log1p": (tf.math.log1p, [P]),
    "sin": (tf.sin, [A]),
    "cos": (tf.cos, [A]),
    "tan": (tf.tan, [A]),
    "asin": (tf.asin, [U]),
    "acos": (tf.acos, [U]),
    "atan": (tf.atan, [A]),
    "atan2": (tf.atan2, [A, B]),
    "sinh": (tf.sinh, [A]),
    "cosh": (tf.cosh, [A]),
    "tanh": (tf.tanh, [A]),
    "asinh": (tf.asinh, [A]),
    "acosh": (tf.acosh, [P + 1]),
    "atanh": (tf.atanh, [U]),
    "sigmoid": (tf.sigmoid, [A]),
    "erf": (tf.math.erf, [A]),
    "erfc": (tf.math.erfc, [A]),
    "lgamma": (tf.math.lgamma, [P]),
    "digamma": (tf.math.digamma, [P]),
    "erfinv": (tf.math.erfinv, [U]),
    "abs": (tf.abs, [A]),
    "maximum": (tf.maximum, [A, B]),
    "minimum": (tf.minimum, [A, B]),
    "squared_difference": (tf.math.squared_difference, [A, B]),
    "xlogy": (tf.math.xlogy, [A, P]),
    "clip_by_value": (lambda x: tf.clip_by_value(x, -0.5, 0.5), [A]),
    "clip_by_norm": (lambda x: tf.clip_by_norm(x, 0.5), [A]),
    "cumsum": (lambda x: tf.cumsum(x, 1, exclusive=True, reverse=True), [A]),
    "cumprod": (lambda x: tf.math.cumprod(x, 1), [A]),
    "matmul": (lambda a, b: tf.matmul(a, b, transpose_b=True), [A, B]),
    "batch matmul": (lambda a, b: tf.matmul(a, b, transpose_a=True), [CUBE, CUBE]),
    "einsum": (lambda a, b: tf.einsum("bij,kj->bik", a, b), [CUBE, R.normal(size=(5, 4)).astype(F32)]),
    "tensordot": (lambda a, b: tf.tensordot(a, b, [[1], [0]]), [CUBE, SQUARE]),
    "reduce_sum": (lambda x: tf.reduce_sum(x, 1), [CUBE]),
    "reduce_mean": (lambda x: tf.reduce_mean(x, [0, 2], keepdims=True), [CUBE]),
    "reduce_max": (lambda x: tf.reduce_max(x, -1), [CUBE]),
    "reduce_min": (lambda x: tf.reduce_min(x), [CUBE]),
    "reduce_prod": (lambda x: tf.reduce_prod(x, 1), [A]),
    "reduce_logsumexp": (lambda x: tf.reduce_logsumexp(x, 1), [A]),
    "reduce_std": (lambda x: tf.math.reduce_std(x, 1), [A]),
    "norm": (lambda x: tf.norm(x, axis=1), [A]),
    "l2_normalize": (lambda x: tf.math.l2_normalize(x, 1), [A]),
    "moments": (lambda x: list(tf.nn.moments(x, [0])), [A]),
    "reshape": (lambda x: tf.reshape(x, [tf.shape(x)[0] * 3, -1]), [CUBE]),
    "transpose": (lambda x: tf.transpose(x, [2, 0, 1]), [CUBE]),
    "concat": (lambda a, b: tf.concat([a, b, a], 1), [A, B]),
    "stack": (lambda a, b: tf.stack([a, b], 2), [A, B]),
    "unstack": (lambda x: tf.unstack(x, axis=1)[1], [A]),
    "split": (lambda x: tf.split(x, [1, -1], 2)[1], [CUBE]),
    "slice": (lambda x: tf.slice(x, [0, 1, 1], [-1, 2, 2]), [CUBE]),
    "getitem": (lambda x: x[:, ::-1, 1:, None], [CUBE]),
    "gather": (lambda x: tf.gather(x, [2, 0, 2], axis=1), [CUBE]),
    "gather batched": (lambda x: tf.gather(x, [[0, 2], [1, 1]], axis=1, batch_dims=1), [CUBE]),
    "gather_nd": (lambda x: tf.gather_nd(x, [[0, 1], [1, 2]]), [CUBE]),
    "scatter_nd": (lambda u: tf.scatter_nd([[1], [3], [1], [0]], u, [5, 2]), [ROWS]),
    "tensor_scatter_nd_update": (
        lambda x, u: tf.tensor_scatter_nd_update(x, [[1], [0]], u),
        [ROWS, ROWS[:2]],
    ),
    "tensor_scatter_nd_add": (lambda x, u: tf.tensor_scatter_nd_add(x, [[1], [0]], u), [ROWS, ROWS[:2]]),
    "where": (lambda a, b: tf.where(BOOLS, a, b), [A, B]),
    "pad": (lambda x: tf.pad(x, [[1, 0], [0, 2]]), [A]),
    "pad reflect": (lambda x: tf.pad(x, [[1, 0], [0, 2]], "REFLECT"), [A]),
    "tile": (lambda x: tf.tile(x, [2, 3]), [A]),
    "repeat": (lambda x: tf.repeat(x, 2, axis=1), [A]),
    "reverse": (lambda x: tf.reverse(x, [1]), [A]),
    "roll": (lambda x: tf.roll(x, 2, 1), [A]),
    "broadcast_to": (lambda x: tf.broadcast_to(x, [4, 2, 3]), [A]),
    "expand and squeeze": (lambda x: tf.squeeze(tf.expand_dims(x, 1) * 2.0, [1]), [A]),
    "diag": (tf.linalg.diag, [A]),
    "diag_part": (tf.linalg.diag_part, [SQUARE]),
    "band_part": (lambda x: tf.linalg.band_part(x, 1, 0), [SQUARE]),
    "segment_sum": (lambda x: tf.math.unsorted_segment_sum(x, IDS, 3), [ROWS]),
    "segment_max": (lambda x: tf.math.unsorted_segment_max(x, IDS, 3), [ROWS]),
    "segment_mean": (lambda x: tf.math.unsorted_segment_mean(x, IDS, 3), [ROWS]),
    "top_k": (lambda x: tf.nn.top_k(x, 2).values, [A]),
    "sort": (lambda x: tf.sort(x, direction="DESCENDING"), [A]),
    "space_to_depth": (lambda x: tf.nn.space_to_depth(x[:, :4], 2), [IMAGE]),
    "conv2d": (lambda x, w: tf.nn.conv2d(x, w, 2, "SAME"), [IMAGE, KERNEL]),
    "conv2d valid": (lambda x, w: tf.nn.conv2d(x, w, 1, "VALID"), [IMAGE, KERNEL]),
    "conv1d": (lambda x, w: tf.nn.conv1d(x, w, 1, "SAME"), [CUBE, R.normal(size=(2, 4, 3)).astype(F32)]),
    "depthwise_conv2d": (lambda x, w: tf.nn.depthwise_conv2d(x, w, [1, 1, 1, 1], "SAME"), [IMAGE, KERNEL]),
    "conv2d_transpose": (
        lambda x, w: tf.nn.conv2d_transpose(x, w, [2, 10, 12, 2], 2),
        [IMAGE, KERNEL.transpose(0, 1, 3, 2).copy()],
    ),
    "max_pool": (lambda x: tf.nn.max_pool2d(x, 3, 2, "SAME"), [IMAGE]),
    "avg_pool": (lambda x: tf.nn.avg_pool2d(x, 3, 2, "SAME"), [IMAGE]),
    "bias_add": (tf.nn.bias_add, [A, B[0]]),
    "relu": (tf.nn.relu, [A]),
    "relu6": (tf.nn.relu6, [A * 5]),
    "elu": (tf.nn.elu, [A]),
    "selu": (tf.nn.selu, [A]),
    "leaky_relu": (tf.nn.leaky_relu, [A]),
    "gelu": (tf.nn.gelu, [A]),
    "silu": (tf.nn.silu, [A]),
    "softplus": (tf.nn.softplus, [A]),
    "softsign": (tf.nn.softsign, [A]),
    "softmax": (lambda x: tf.nn.softmax(x, 0), [A]),
    "log_softmax": (tf.nn.log_softmax, [A]),
    "softmax cross entropy": (
        lambda x: tf.nn.softmax_cross_entropy_with_logits(tf.constant([[0.2, 0.8, 0], [1, 0, 0]]), x),
        [A],
    ),
    "sparse cross entropy": (lambda x: tf.nn.sparse_softmax_cross_entropy_with_logits([2, 0], x), [A]),
    "sigmoid cross entropy": (
        lambda x: tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(BOOLS, tf.float32), x),
        [A],
    ),
    "l2_loss": (tf.nn.l2_loss, [A]),
    "batch_normalization": (
        lambda x, m, v: tf.nn.batch_normalization(x, m, v, None, None, 1e-3),
        [A, B[0], P[0]],
    ),
    "fused_batch_norm": (lambda x, s, o: tf.compat.v1.nn.fused_batch_norm(x, s, o)[0], [IMAGE, P[0], B[0]]),
    "lrn": (lambda x: tf.nn.lrn(x, 1, 1.0, 0.5, 0.5), [IMAGE]),
    "complex": (lambda a, b: tf.abs(tf.exp(tf.complex(a, b))), [A, B]),
    "cast": (lambda x: tf.cast(tf.cast(x, tf.float16), tf.float32), [A]),
    "dynamic_stitch": (lambda a, b: tf.dynamic_stitch([[0, 3], [2, 1]], [a, b]), [ROWS[:2], ROWS[2:]]),
    "embedding_lookup": (lambda t: tf.nn.embedding_lookup(t, [[0, 3], [3, 1]]), [ROWS]),
    "cond": (lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: x * 2.0, lambda: tf.exp(x)), [A]),
    "stop_gradient": (lambda x: tf.stop_gradient(x) * x, [A]),
}


def _compiled(function):
    return tf.function(function, jit_compile=True)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_value_and_gradient(name):
    function, arrays = DIFFERENTIABLE[name]
    tensors = [tf.constant(a) for a in arrays]
    gradient = tape_gradient(function)

    def both(*arguments):
        return tf.nest.flatten(function(*arguments)), gradient(*arguments)

    eager = tensors_to_arrays(both(*tensors))
    compiled = tensors_to_arrays(_compiled(both)(*tensors))
    tolerance = {"rtol": 5e-3, "atol": 5e-3} if name == "cast" else {"rtol": 2e-4, "atol": 2e-5}
    assert_same(tuple(compiled[0]), tuple(eager[0]), message=name, **tolerance)
    assert_same(compiled[1], eager[1], message=f"gradient of {name}", **tolerance)


OTHER = {
    "integer add": (lambda i, j: i + j, [I, J]),
    "floordiv": (tf.math.floordiv, [I, J]),
    "floormod": (tf.math.floormod, [I, J]),
    "truncatediv": (tf.truncatediv, [I, J]),
    "float floormod": (tf.math.floormod, [A, B]),
    "integer pow": (lambda i: i**3, [I]),
    "integer divide": (tf.divide, [I, J]),
    "integer mean": (lambda i: tf.reduce_mean(i, 1), [I]),
    "bitwise": (lambda i, j: tf.bitwise.bitwise_xor(i, j) | (i & j), [I, J]),
    "comparisons": (lambda a, b: tf.cast(a < b, tf.int32) + tf.cast(tf.equal(a, a), tf.int32), [A, B]),
    "logic": (lambda a: tf.math.logical_xor(a, tf.logical_not(a) | True), [BOOLS]),
    "round": (tf.round, [A * 3]),
    "floor and ceil": (lambda x: tf.floor(x) + tf.math.ceil(x), [A]),
    "sign": (tf.sign, [A]),
    "is_finite": (lambda x: tf.math.is_finite(x / tf.constant([0.0, 1.0, 1.0])), [A]),
    "argmax": (lambda x: tf.argmax(x, 1), [A]),
    "argmin int32": (lambda x: tf.argmin(x, 0, tf.int32), [A]),
    "reduce_all": (lambda x: tf.reduce_all(x, 1), [BOOLS]),
    "reduce_any": (lambda x: tf.reduce_any(x), [BOOLS]),
    "one_hot": (lambda i: tf.one_hot(i, 4, axis=0), [IDS]),
    "top_k indices": (lambda x: tf.nn.top_k(x, 2).indices, [A]),
    "argsort": (lambda x: tf.argsort(x, axis=0), [A]),
    "in_top_k": (lambda x: tf.math.in_top_k([2, 0], x, 2), [A]),
    "range": (lambda x: tf.range(tf.shape(x)[0]), [A]),
    "zeros": (lambda x: tf.zeros([tf.shape(x)[0], 2]), [A]),
    "eye": (lambda x: tf.eye(3) + x, [SQUARE]),
    "shape": (tf.shape, [CUBE]),
    "cast to int": (lambda x: tf.cast(x * 3, tf.int32), [A]),
    "cast from bool": (lambda x: tf.cast(x, tf.float32), [BOOLS]),
    "bitcast": (lambda x: tf.bitcast(x, tf.int32), [A]),
    "sequence_mask": (lambda i: tf.sequence_mask(i, 4), [IDS]),
    "invert_permutation": (tf.math.invert_permutation, [np.array([2, 0, 1], np.int32)]),
    "searchsorted": (lambda x: tf.searchsorted([0.0, 0.5, 1.0], x), [np.array([-1, 0.5, 0.7, 2], F32)]),
    "bincount": (lambda i: tf.math.unsorted_segment_sum(tf.ones_like(i), i, 3), [IDS]),
    "while": (lambda i: tf.while_loop(lambda k, s: k < 5, lambda k, s: (k + 1, s + i), [0, i])[1], [I]),
    "complex parts": (lambda a, b: tf.math.angle(tf.complex(a, b)) + tf.math.imag(tf.complex(a, b)), [A, B]),
    "dropout statistics": (lambda x: tf.reduce_mean(tf.nn.dropout(x, 0.5)) > 0.0, [np.ones(1000, F32)]),
    "stateless_uniform int": (
        lambda i: tf.random.stateless_uniform([4], i, 0, 100, tf.int32),
        [np.array([1, 2], np.int32)],
    ),
}


@pytest.mark.parametrize("name", OTHER)
def test_value(name):
    function, arrays = OTHER[name]
    tensors = [tf.constant(a) for a in arrays]
    eager, compiled = function(*tensors).numpy(), _compiled(function)(*tensors).numpy()
    assert_same(compiled, eager, rtol=2e-5, atol=2e-6, message=name)


def test_a_training_step():
    w, b = tf.Variable(SQUARE), tf.Variable(tf.zeros([3]))
    x = tf.constant(A)

    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(tf.tanh(tf.matmul(x, w) + b) - 1.0))
        for variable, gradient in zip((w, b), tape.gradient(loss, [w, b]), strict=True):
            variable.assign_sub(0.1 * gradient)
        return loss

    eager = [step().numpy() for _ in range(4)]
    final = w.numpy()
    w.assign(SQUARE)
    b.assign(tf.zeros([3]))
    compiled = _compiled(step)
    np.testing.assert_allclose([compiled().numpy() for _ in range(4)], eager, rtol=1e-5)
    np.testing.assert_allclose(w.numpy(), final, rtol=1e-4)


def test_hot_functions_keep_their_numbers():
    """Engines may compile what runs often; the numbers stay, whatever the tier and the shape."""

    @tf.function
    def f(x):
        return tf.reduce_sum(tf.nn.softmax(x @ tf.transpose(x)), 1), tf.reshape(x, [tf.shape(x)[1], -1])

    for n in (3, 3, 3, 5, 3, 2, 5, 3):
        x = np.random.default_rng(n).normal(size=(n, 4)).astype(F32)
        total, turned = f(tf.constant(x))
        np.testing.assert_allclose(total, np.ones(n), rtol=1e-5)
        np.testing.assert_array_equal(turned, x.reshape(4, -1))
