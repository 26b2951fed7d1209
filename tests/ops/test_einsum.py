"""Einstein sums: values as NumPy has them, gradients as differences have them."""

import numpy as np
import pytest

import everflow as tf

RANDOM = np.random.default_rng(3)
SIZES = {"a": 2, "b": 3, "c": 4, "d": 2, "i": 3, "j": 4, "k": 2}

EQUATIONS = [
    "ij,jk->ik",
    "ij,jk",
    "ij->ji",
    "ij->j",
    "ij->",
    "ii->i",
    "ii",
    "i,j->ij",
    "ij,ij->",
    "ij,k->j",
    "ij,j->",
    "...ij,...jk->...ik",
    "...j,kj->...k",
    "abc,cd->abd",
    "ab,ab->ab",
    "i->ii",
    "ij,jk,ik->",
    "i,j,k->ijk",
    "...i->...",
    "...i,i->...",
    "bij,bjk->bik",
]


def operands(equation):
    inputs = equation.partition("->")[0].split(",")
    values = []
    for labels in inputs:
        shape = []
        for part in labels.partition("..."):
            shape.extend([5] if part == "..." else [SIZES[c] for c in part])
        values.append(RANDOM.normal(size=shape))
    return values


@pytest.mark.parametrize("equation", [e for e in EQUATIONS if e != "i->ii"])
def test_values(equation):
    values = operands(equation)
    result = tf.einsum(equation, *[tf.constant(v) for v in values])
    np.testing.assert_allclose(result.numpy(), np.einsum(equation, *values), 1e-10)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("equation", EQUATIONS)
def test_gradients(equation, jit):
    values = operands(equation)
    weights = RANDOM.normal(size=tf.einsum(equation, *[tf.constant(v) for v in values]).shape)

    @tf.function(jit_compile=jit)
    def gradients(*tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            total = tf.reduce_sum(tf.einsum(equation, *tensors) * weights)
        return tape.gradient(total, tensors)

    given = gradients(*[tf.constant(v) for v in values])
    for index, value in enumerate(values):
        numeric = np.zeros_like(value)
        for place in np.ndindex(*value.shape):
            ends = []
            for sign in (1, -1):
                moved = [v.copy() for v in values]
                moved[index][place] += sign * 1e-5
                ends.append(np.sum(tf.einsum(equation, *[tf.constant(v) for v in moved]).numpy() * weights))
            numeric[place] = (ends[0] - ends[1]) / 2e-5
        np.testing.assert_allclose(given[index].numpy(), numeric, 1e-5, 1e-7)


def test_diagonals_may_be_made():
    np.testing.assert_array_equal(tf.einsum("i->ii", tf.constant([1.0, 2.0])).numpy(), np.diag([1.0, 2.0]))


def test_mistakes():
    x = tf.ones([2, 3])
    with pytest.raises(ValueError, match="expecting 2"):
        tf.einsum("ij,jk->ik", x)
    with pytest.raises(ValueError, match="no input has"):
        tf.einsum("ij->ik", x)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Expected dimension 3"):
        tf.einsum("ij,jk->ik", x, x)
    with pytest.raises(TypeError, match="Invalid keyword"):
        tf.einsum("ij->ji", x, nam="x")
