"""Decompositions rebuild what they decompose, and have gradients that agree with differences."""

import numpy as np
import pytest

import everflow as tf

RANDOM = np.random.default_rng(5)


def matrix(*shape, dtype="float64"):
    values = RANDOM.normal(size=shape)
    if dtype.startswith("complex"):
        values = values + 1j * RANDOM.normal(size=shape)
    return values.astype(dtype)


def positive(dtype="float64"):
    x = matrix(3, 3, dtype=dtype)
    return x @ x.conj().T + np.eye(3)


FUNCTIONS = {
    "cholesky": lambda x: tf.linalg.cholesky(tf.matmul(x, x, adjoint_b=True) + tf.eye(3, dtype=x.dtype)),
    "inv": tf.linalg.inv,
    "det": tf.linalg.det,
    "qr": lambda x: tf.matmul(*[tf.linalg.qr(x)[i] for i in (1, 0)]),
    "root": lambda x: root(x),
    "eigh": lambda x: spectrum(tf.matmul(x, x, adjoint_b=True)),
    "expm": tf.linalg.expm,
    "sqrtm": lambda x: tf.linalg.sqrtm(tf.matmul(x, x, adjoint_b=True) + tf.eye(3, dtype=x.dtype)),
    "pinv": lambda x: tf.linalg.pinv(x[:, :2]) if not x.dtype.is_complex else tf.linalg.inv(x),
    "eig": lambda x: tf.abs(tf.linalg.eigvals(x)) ** 3,
}


def root(x):
    """U sqrt(S) V^H: depends on the matrix alone, not on how its singular vectors are turned."""
    s, u, v = tf.linalg.svd(x)
    return tf.matmul(u * tf.cast(tf.sqrt(s), u.dtype)[None, :], v, adjoint_b=True)


def spectrum(x):
    values, vectors = tf.linalg.eigh(x)
    scaled = vectors * tf.cast(tf.exp(-tf.math.real(values)), vectors.dtype)[None, :]
    return tf.matmul(scaled, vectors, adjoint_b=True)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_gradient_is_the_derivative(name, dtype):
    function = FUNCTIONS[name]
    point = matrix(3, 3, dtype=dtype) + 2 * np.eye(3)
    shape = function(tf.constant(point)).shape
    weights = tf.constant(RANDOM.normal(size=shape))

    def value(x):
        result = function(x)
        if name == "eig":
            return tf.reduce_sum(result)
        return tf.reduce_sum(weights * tf.math.real(result))

    x = tf.constant(point)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = value(x)
    gradient = tape.gradient(total, x).numpy()
    numeric = np.zeros_like(point)
    for place in np.ndindex(3, 3):
        for direction in (1, 1j) if dtype == "complex128" else (1,):
            step = np.zeros_like(point)
            step[place] = 1e-6 * direction
            slope = float(value(tf.constant(point + step)) - value(tf.constant(point - step))) / 2e-6
            numeric[place] += slope * direction
    np.testing.assert_allclose(gradient, numeric, 1e-5, 1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 3)])
def test_factors_multiply_to_the_matrix(dtype, shape):
    x = matrix(*shape, dtype=dtype)
    tolerance = 1e-4 if dtype in ("float32", "complex64") else 1e-10
    q, r = tf.linalg.qr(x)
    np.testing.assert_allclose(tf.matmul(q, r).numpy(), x, tolerance, tolerance)
    s, u, v = tf.linalg.svd(x)
    assert s.dtype.is_floating
    product = tf.matmul(u * tf.cast(s, u.dtype)[..., None, :], v, adjoint_b=True)
    np.testing.assert_allclose(product.numpy(), x, tolerance, tolerance)


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("adjoint", [True, False])
def test_triangular_systems(lower, adjoint):
    x, rhs = matrix(2, 3, 3), matrix(3, 1)
    solution = tf.linalg.triangular_solve(x, rhs, lower=lower, adjoint=adjoint)
    triangle = np.tril(x) if lower else np.triu(x)
    if adjoint:
        triangle = np.swapaxes(triangle, -1, -2)
    np.testing.assert_allclose(triangle @ solution.numpy(), np.broadcast_to(rhs, (2, 3, 1)), 1e-9, 1e-9)


def test_what_has_no_solution():
    singular = [[1.0, 2.0], [2.0, 4.0]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="not invertible"):
        tf.linalg.inv(singular)
    with pytest.raises(tf.errors.InvalidArgumentError, match="not invertible"):
        tf.linalg.solve(singular, [[1.0], [1.0]])
    with pytest.raises(tf.errors.InvalidArgumentError, match="square"):
        tf.linalg.cholesky([[1.0, 2.0]])
    assert np.all(np.isnan(tf.linalg.cholesky([[1.0, 2.0], [2.0, 1.0]]).numpy()))
    solved = tf.linalg.triangular_solve([[1.0, 0.0], [0.0, 0.0]], [[1.0], [1.0]]).numpy()
    assert solved[0, 0] == 1.0 and np.isinf(solved[1, 0])


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_least_squares(dtype):
    a, b = matrix(5, 2, dtype=dtype), matrix(5, 1, dtype=dtype)
    expected = np.linalg.lstsq(a, b, rcond=None)[0]
    np.testing.assert_allclose(tf.linalg.lstsq(a, b).numpy(), expected, 1e-9)
    weighted = tf.linalg.lstsq(a, b, l2_regularizer=0.5).numpy()
    normal = a.conj().T @ a + 0.5 * np.eye(2)
    np.testing.assert_allclose(weighted, np.linalg.solve(normal, a.conj().T @ b), 1e-9)


def test_eigenvalues():
    x = positive()
    values, vectors = tf.linalg.eigh(x)
    np.testing.assert_allclose(x @ vectors.numpy(), vectors.numpy() * values.numpy(), 1e-9)
    np.testing.assert_allclose(tf.linalg.eigvalsh(x).numpy(), values.numpy(), 1e-9)
    np.testing.assert_allclose(np.sort(tf.linalg.eigvals(x).numpy().real), values.numpy(), 1e-9)
    np.testing.assert_allclose(tf.linalg.logdet(x).numpy(), np.log(np.linalg.det(x)))
    assert tf.linalg.matrix_rank([[1.0, 2.0], [2.0, 4.0]]).numpy() == 1
