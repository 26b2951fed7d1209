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


def random_contraction(random):
    """An equation of two operands with labels in any order, and sizes of which some are 1 or 0."""
    letters = list("abcdefg")
    random.shuffle(letters)
    shared, summed, left, right, alone = (random.integers(0, 3, 5) + [0, 0, 0, 0, -1]).clip(0)
    groups, start = [], 0
    for count in (shared, summed, left, right, alone):
        groups.append(letters[start:start + count])
        start += count
    batch, inner, rows, columns, rest = groups
    operand_labels = [batch + inner + rows + rest, batch + inner + columns]
    output = batch + rows + columns
    for labels in (*operand_labels, output):
        random.shuffle(labels)
    sizes = {c: int(random.choice([0, 1, 2, 3, 5], p=[0.03, 0.17, 0.3, 0.3, 0.2])) for c in letters}
    equation = f"{''.join(operand_labels[0])},{''.join(operand_labels[1])}->{''.join(output)}"
    return equation, [random.standard_normal([sizes[c] for c in labels]) for labels in operand_labels]


@pytest.mark.parametrize("seed", range(25))
def test_compiled_contractions_are_those_of_double_precision(seed):
    equation, values = random_contraction(np.random.default_rng(seed))

    @tf.function(jit_compile=True)
    def both(a, b):
        with tf.GradientTape() as tape:
            tape.watch([a, b])
            result = tf.einsum(equation, a, b)
            total = tf.reduce_sum(result * result)
        return result, *tape.gradient(total, [a, b])

    a, b = values
    left, _, output = equation.partition("->")
    one, other = left.split(",")
    expected = np.einsum(equation, a, b)
    found, by_a, by_b = both(*[tf.constant(v, tf.float32) for v in values])
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-4)
    # What only one operand has was summed: its gradient is the same along it.
    kept = "".join(c for c in one if c in other + output)
    gradient = np.einsum(f"{output},{other}->{kept}", 2 * expected, b)
    gradient = gradient.reshape([a.shape[i] if c in kept else 1 for i, c in enumerate(one)])
    np.testing.assert_allclose(by_a.numpy(), np.broadcast_to(gradient, a.shape), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(by_b.numpy(), np.einsum(f"{output},{one}->{other}", 2 * expected, a),
                               rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("equation", "shapes"), [
    ("...ij,...jk->...ik", [(2, 1, 3, 4), (5, 4, 2)]),
    ("...ij,jk->k...i", [(2, 3, 4), (4, 2)]),
    ("b...h,s...h->b...s", [(2, 3, 4), (5, 3, 4)]),
])
def test_compiled_ellipses_broadcast_as_numpy_has_them(equation, shapes):
    values = [RANDOM.normal(size=shape).astype(np.float32) for shape in shapes]
    compiled = tf.function(lambda a, b: tf.einsum(equation, a, b), jit_compile=True)
    np.testing.assert_allclose(compiled(*values).numpy(), np.einsum(equation, *values), rtol=1e-4, atol=1e-5)


def test_nan_and_infinity_pass_a_compiled_contraction():
    a, b = np.ones((2, 3, 4), np.float32), np.ones((4, 2), np.float32)
    a[0, 1, 2], a[1, 2, 3] = np.nan, -np.inf
    result = tf.function(lambda a, b: tf.einsum("bij,jk->bik", a, b), jit_compile=True)(a, b).numpy()
    assert np.isnan(result[0, 1]).all() and np.isneginf(result[1, 2]).all() and np.isfinite(result).sum() == 8
