"""Products of batches in which one operand is a single matrix: their gradients are products of all rows at once."""

import numpy as np
import pytest

import everflow as tf

SHAPES = [
    ((3, 2, 4), (4, 5)),
    ((2, 3, 2, 4), (4, 5)),
    ((1, 2, 4), (4, 1)),
    ((0, 2, 4), (4, 5)),
    ((3, 0, 4), (4, 5)),
    ((3, 2, 0), (0, 5)),
    ((3, 2, 4), (4, 0)),
    ((2, 4), (3, 4, 5)),
    ((2, 4), (2, 3, 4, 5)),
    ((2, 4), (0, 4, 5)),
    ((2, 0), (3, 0, 5)),
    ((1, 4), (3, 4, 1)),
    ((3, 2, 4), (3, 4, 5)),
    ((3, 1, 2, 4), (2, 4, 5)),
]


def adjoint(x):
    return np.conj(np.swapaxes(x, -1, -2))


def reference(x, y, dout, adj_x, adj_y):
    """The product and its gradients in double precision, one matrix after the other."""
    left, right = adjoint(x) if adj_x else x, adjoint(y) if adj_y else y
    by_left, by_right = np.matmul(dout, adjoint(right)), np.matmul(adjoint(left), dout)
    gradients = []
    for gradient, operand, adj in ((by_left, x, adj_x), (by_right, y, adj_y)):
        gradient = adjoint(gradient) if adj else gradient
        extra = gradient.ndim - operand.ndim
        gradient = gradient.sum(tuple(range(extra)))
        ones = tuple(i for i in range(operand.ndim - 2) if operand.shape[i] == 1 and gradient.shape[i] != 1)
        gradients.append(gradient.sum(ones, keepdims=True))
    return np.matmul(left, right), *gradients


def operands(shape_x, shape_y, adj_x, adj_y, dtype):
    random = np.random.default_rng([*shape_x, *shape_y])

    def normal(shape):
        value = random.standard_normal(shape)
        return (value + 1j * random.standard_normal(shape) if np.dtype(dtype).kind == "c" else value).astype(dtype)

    x = normal((*shape_x[:-2], shape_x[-1], shape_x[-2]) if adj_x else shape_x)
    y = normal((*shape_y[:-2], shape_y[-1], shape_y[-2]) if adj_y else shape_y)
    batch = np.broadcast_shapes(shape_x[:-2], shape_y[:-2])
    return x, y, normal((*batch, shape_x[-2], shape_y[-1]))


def product_and_gradients(x, y, dout, adj_x, adj_y):
    with tf.GradientTape() as tape:
        tape.watch([x, y])
        product = tf.raw_ops.BatchMatMulV2(x=x, y=y, adj_x=adj_x, adj_y=adj_y)
    return product, *tape.gradient(product, [x, y], dout)


@pytest.mark.parametrize("adj_y", [False, True])
@pytest.mark.parametrize("adj_x", [False, True])
@pytest.mark.parametrize(("shape_x", "shape_y"), SHAPES)
def test_gradients_are_those_of_double_precision(shape_x, shape_y, adj_x, adj_y):
    x, y, dout = operands(shape_x, shape_y, adj_x, adj_y, np.float32)
    expected = reference(*(a.astype(np.float64) for a in (x, y, dout)), adj_x, adj_y)
    found = product_and_gradients(tf.constant(x), tf.constant(y), tf.constant(dout), adj_x, adj_y)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one.numpy(), other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("adj_x", "adj_y"), [(False, False), (True, True)])
@pytest.mark.parametrize(("shape_x", "shape_y"), SHAPES[:2] + SHAPES[5:9])
def test_gradients_of_complex_matrices(shape_x, shape_y, adj_x, adj_y):
    x, y, dout = operands(shape_x, shape_y, adj_x, adj_y, np.complex64)
    expected = reference(*(a.astype(np.complex128) for a in (x, y, dout)), adj_x, adj_y)
    found = product_and_gradients(tf.constant(x), tf.constant(y), tf.constant(dout), adj_x, adj_y)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.numpy(), other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("shape_x", "shape_y"), [SHAPES[1], SHAPES[8], SHAPES[4]])
@pytest.mark.parametrize("known", [True, False])
def test_compiled_gradients_are_the_same(shape_x, shape_y, known):
    x, y, dout = operands(shape_x, shape_y, False, False, np.float32)
    signature = None if known else [tf.TensorSpec([None] * a.ndim, tf.float32) for a in (x, y, dout)]

    @tf.function(jit_compile=True, input_signature=signature)
    def compiled(x, y, dout):
        return product_and_gradients(x, y, dout, False, False)

    found = compiled(*map(tf.constant, (x, y, dout)))
    expected = reference(*(a.astype(np.float64) for a in (x, y, dout)), False, False)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.numpy(), other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("shape_x", "shape_y"), [SHAPES[0], SHAPES[7]])
def test_second_derivatives_are_those_of_differences(shape_x, shape_y):
    x, y, dout = (tf.constant(a) for a in operands(shape_x, shape_y, False, False, np.float64))

    def gradient_norm(x, y):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([x, y])
            loss = tf.reduce_sum(tf.matmul(x, y) ** 3 * dout)
        return tf.reduce_sum(tape.gradient(loss, x) ** 2) + tf.reduce_sum(tape.gradient(loss, y) ** 2)

    theoretical, numerical = tf.test.compute_gradient(gradient_norm, [x, y])
    for one, other in zip(theoretical, numerical, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4 * np.abs(other).max())


def test_nan_and_infinity_reach_the_gradient_of_the_shared_matrix():
    x, y = np.ones((2, 3, 2), np.float32), np.ones((2, 2), np.float32)
    x[1, 2, 0], x[0, 0, 1] = np.nan, np.inf
    gradient = product_and_gradients(tf.constant(x), tf.constant(y), tf.ones((2, 3, 2)), False, False)[2].numpy()
    assert np.isnan(gradient[0]).all() and np.isposinf(gradient[1]).all()


def test_only_the_gradient_that_is_asked_for_is_computed():
    with tf.Graph().as_default() as graph:
        x, y = tf.compat.v1.placeholder(tf.float32, [4, 2, 3]), tf.compat.v1.placeholder(tf.float32, [3, 5])
        gradient = tf.gradients(tf.matmul(x, y), y)[0]
        types = [operation.type for operation in graph.get_operations()]
    assert gradient.shape == [3, 5]
    assert types.count("BatchMatMulV2") == 1 and types.count("MatMul") == 1


@pytest.mark.parametrize(("rows", "inner", "columns"), [(64, 100, 70), (100, 64, 10), (8192, 1, 3), (70, 0, 64)])
def test_a_transposed_left_operand_compiles_to_the_same_product(rows, inner, columns):
    random = np.random.default_rng([rows, inner])
    a, b = (random.standard_normal(s).astype(np.float32) for s in ((inner, rows), (inner, columns)))
    product = tf.function(lambda a, b: tf.matmul(a, b, transpose_a=True), jit_compile=True)
    expected = a.astype(np.float64).T @ b.astype(np.float64)
    np.testing.assert_allclose(product(a, b).numpy(), expected, rtol=1e-5, atol=1e-4)


def test_a_compiled_transposed_product_is_mapped_and_differentiated():
    random = np.random.default_rng(5)
    a, b = (tf.constant(random.standard_normal(s).astype(np.float32)) for s in ((3, 70, 64), (3, 70, 5)))

    @tf.function(jit_compile=True)
    def mapped(a, b):
        with tf.GradientTape() as tape:
            tape.watch(a)
            product = tf.vectorized_map(lambda ab: tf.matmul(ab[0], ab[1], transpose_a=True), (a, b))
        return product, tape.gradient(product, a)

    product, gradient = mapped(a, b)
    expected = np.matmul(np.swapaxes(a.numpy(), 1, 2).astype(np.float64), b.numpy())
    np.testing.assert_allclose(product.numpy(), expected, rtol=1e-4, atol=1e-4)
    rows = b.numpy().sum(2, keepdims=True, dtype=np.float64)
    np.testing.assert_allclose(gradient.numpy(), np.broadcast_to(rows, a.shape), rtol=1e-4, atol=1e-4)
