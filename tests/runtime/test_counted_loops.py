"""Loops of a known number of iterations: what leaves them, what stays, and that nothing changes but rounding."""

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
import pytest

from everflow._src.runtime.counted_loops import run_counted

STEPS, ROWS, WIDTH, UNITS = 5, 3, 4, 6
RANDOM = np.random.RandomState(0)
X = RANDOM.randn(STEPS, ROWS, WIDTH)
H = RANDOM.randn(ROWS, UNITS)
W = RANDOM.randn(WIDTH + UNITS, UNITS) / 3
V = RANDOM.randn(UNITS, UNITS) / 3
START = np.zeros((), np.int32)


def run_plainly(step, carry, iterations):
    for _ in range(iterations):
        carry = step(carry)
    return carry


def shapes_of_products(function, *arguments):
    """Shapes of the results of products outside of loops, and inside.

    Products for all iterations may be of one matrix; its rows are told apart again.
    """
    outside, inside = [], []

    def look(jaxpr, found):
        for equation in jaxpr.eqns:
            if equation.primitive.name == "dot_general":
                shape = equation.outvars[0].aval.shape
                if found is outside and len(shape) == 2 and shape[0] == STEPS * ROWS:
                    shape = (STEPS, ROWS, shape[1])
                found.append(shape)
            for name, value in equation.params.items():
                if hasattr(value, "jaxpr"):
                    look(value.jaxpr, inside if name == "body_jaxpr" else found)

    look(jax.make_jaxpr(function)(*arguments).jaxpr, outside)
    return outside, inside


def check(step, carry, iterations=STEPS, tolerance=1e-12):
    """Compares with the body run over and over; returns shapes of products outside of the loop, and inside."""
    with jax.enable_x64(True):
        wanted = jax.tree.leaves(run_plainly(step, carry, iterations))
        known, tree = jax.tree.flatten(carry)

        def run(*given):
            # Integers are known while compiling, as counters are.
            leaves = [k if np.asarray(k).dtype.kind in "iu" else g for k, g in zip(known, given)]
            return run_counted(jax, step, jax.tree.unflatten(tree, leaves), iterations)

        actual = jax.tree.leaves(jax.jit(run)(*known))
        assert len(actual) == len(wanted)
        for a, w in zip(actual, wanted, strict=True):
            assert a.dtype == np.asarray(w).dtype
            np.testing.assert_allclose(a, w, rtol=tolerance, atol=tolerance)
        return shapes_of_products(run, *known)


def test_the_product_of_a_row_leaves_the_loop():
    def step(carry):
        t, h = carry
        x = jax.lax.dynamic_index_in_dim(jnp.asarray(X), t, 0, keepdims=False)
        return t + 1, jnp.tanh(x @ W[:WIDTH] + h)

    outside, inside = check(step, (START, H))
    assert outside == [(STEPS, ROWS, UNITS)]
    assert inside == []


@pytest.mark.parametrize("first", [True, False])
def test_joined_columns_are_split(first):
    def step(carry):
        t, h = carry
        x = jax.lax.dynamic_index_in_dim(jnp.asarray(X), t, 0, keepdims=False)
        return t + 1, jnp.tanh(jnp.concatenate([x, h] if first else [h, x], 1) @ W)

    outside, inside = check(step, (START, H))
    assert outside == [(STEPS, ROWS, UNITS)]
    assert inside == [(ROWS, UNITS)]


def test_neighbours_stay_joined():
    def step(carry):
        t, h = carry
        x = jax.lax.dynamic_index_in_dim(jnp.asarray(X), t, 0, keepdims=False)
        return t + 1, jnp.tanh(jnp.concatenate([x[:, :1], x[:, 1:], h[:, :2], h[:, 2:]], 1) @ W)

    outside, inside = check(step, (START, H))
    assert outside == [(STEPS, ROWS, UNITS)]
    assert inside == [(ROWS, UNITS)]


def test_a_joined_right_operand_is_split():
    def step(carry):
        t, h = carry
        x = jax.lax.dynamic_index_in_dim(jnp.asarray(X), t, 0, keepdims=False)
        return t + 1, jnp.tanh(jnp.asarray(W[:ROWS + UNITS]).T @ jnp.concatenate([x, h], 0))

    outside, inside = check(step, (START, RANDOM.randn(UNITS, WIDTH)))
    assert outside == [(UNITS, STEPS, WIDTH)]
    assert inside == [(UNITS, WIDTH)]


def test_what_waits_stays():
    """All columns come from the iteration before, or the other operand does."""
    def step(carry):
        t, h, v = carry
        return t + 1, jnp.tanh(jnp.concatenate([h, h], 1) @ jnp.concatenate([v, v], 0)), v * 1.5

    outside, inside = check(step, (START, H, V))
    assert outside == []
    assert inside == [(ROWS, UNITS)]


def test_a_row_chosen_by_the_state_stays():
    def step(carry):
        t, h = carry
        x = jax.lax.dynamic_index_in_dim(jnp.asarray(X), jnp.argmax(h[0]) % STEPS, 0, keepdims=False)
        return t + 1, jnp.tanh(jnp.concatenate([x, h], 1) @ W)

    outside, inside = check(step, (START, H))
    assert outside == []
    assert len(inside) == 1


@pytest.mark.parametrize("first, by", [(0, 1), (STEPS - 1, -1), (-3, 1), (0, 0), (9, -2), (-1, 3)])
def test_rows_are_read_in_any_order(first, by):
    """Forwards, backwards, beyond the ends (the nearest row is read), with gaps."""
    def step(carry):
        t, u, h = carry
        x = jax.lax.dynamic_slice_in_dim(jnp.asarray(X), t, 1, 0)[0]
        y = jax.lax.dynamic_index_in_dim(jnp.asarray(X), u, 0, keepdims=False)
        return t + by, u - 1, jnp.tanh(x @ W[:WIDTH] + y @ W[1:1 + WIDTH] + h)

    outside, inside = check(step, (np.array(first, np.int32), np.array(STEPS - 1, np.int64), H))
    assert inside == []


def test_rows_computed_from_the_count():
    def step(carry):
        t, h = carry
        x = jnp.sin(t.astype("float64") * jnp.asarray(X[0])) + jnp.asarray(X)[t * t % STEPS]
        return t + 1, jnp.tanh(x @ W[:WIDTH] + h)

    outside, inside = check(step, (START, H))
    assert outside == [(STEPS, ROWS, UNITS)]
    assert inside == []


def test_a_count_that_starts_anywhere():
    """The start of a counter is not known while compiling."""
    def step(carry):
        t, h = carry
        x = jax.lax.dynamic_index_in_dim(jnp.asarray(X), t, 0, keepdims=False)
        return t + 1, jnp.tanh(x @ W[:WIDTH] + h)

    with jax.enable_x64(True):
        for start in (0, 2, -1):
            carry = (np.array(start, np.int32), H)
            wanted = run_plainly(step, carry, 3)
            actual = jax.jit(lambda *c: run_counted(jax, step, c, 3))(*carry)
            np.testing.assert_allclose(actual[1], wanted[1], rtol=1e-12)
            assert actual[0] == wanted[0]
        assert shapes_of_products(lambda *c: run_counted(jax, step, c, 3), *carry)[1] == []


def test_a_product_of_many_rows_stays():
    many = RANDOM.randn(2, 1025, WIDTH)

    def step(carry):
        t, h = carry
        x = jax.lax.dynamic_index_in_dim(jnp.asarray(many), t, 0, keepdims=False)
        return t + 1, jnp.tanh(x @ W[:WIDTH] + h)

    outside, inside = check(step, (START, np.zeros((1025, UNITS))), 2)
    assert (outside, inside) == ([], [(1025, UNITS)])


# ---- sums


def test_sums_of_products_are_one_product():
    def step(carry):
        t, h, total, rows = carry
        x = jax.lax.dynamic_index_in_dim(jnp.asarray(X), t, 0, keepdims=False)
        h = jnp.tanh(h * 1.5)
        return t + 1, h, total + x.T @ h, rows + jnp.sum(h, 0)

    outside, inside = check(step, (START, H, RANDOM.randn(WIDTH, UNITS), RANDOM.randn(UNITS)))
    assert outside == [(WIDTH, UNITS)]
    assert inside == []


@pytest.mark.parametrize("turn", [
    lambda h, t: h.T @ jnp.tanh(h),
    lambda h, t: (jnp.tanh(h).T @ h).T,
    lambda h, t: -(h.T @ h) - h.T @ jnp.cos(h),
    lambda h, t: jnp.reshape(h.T @ h, (UNITS * UNITS,)).reshape(UNITS, UNITS),
    lambda h, t: jnp.einsum("ij,ik->kj", h, h * 2),
    lambda h, t: h.T @ jnp.ones((ROWS, UNITS)),
    lambda h, t: jnp.ones((UNITS, ROWS)) @ jnp.ones((ROWS, UNITS)),
    lambda h, t: jnp.asarray(X)[t].T.repeat(2, 0)[:UNITS] @ jnp.asarray(X)[t].repeat(2, 1)[:, :UNITS],
    lambda h, t: (h.T @ h + h.T @ jnp.sin(h)) + jnp.asarray(V),
    lambda h, t: jnp.cos(h[0]) - (h.T @ h - (jnp.sin(h[1]) - h.T @ jnp.sin(h))),
])
def test_sums_of_products_in_other_words(turn):
    def step(carry):
        t, h, total = carry
        return t + 1, jnp.tanh(h * 1.5), total + turn(h, t)

    _, inside = check(step, (START, H, V))
    assert inside == []


def test_products_of_larger_operands_than_results_are_added_in_the_loop():
    def step(carry):
        t, h, total = carry
        return t + 1, jnp.tanh(h), total + h.T @ h

    _, inside = check(step, (START, RANDOM.randn(4 * UNITS, UNITS), V))
    assert inside == [(UNITS, UNITS)]


def test_sums_that_the_loop_reads_stay():
    def step(carry):
        t, h, total = carry
        return t + 1, jnp.tanh(h + total[0]), total + h.T @ h

    _, inside = check(step, (START, H, V / 9))
    assert inside == [(UNITS, UNITS)]


def test_sums_of_joint_products_with_a_batch_stay():
    def step(carry):
        t, h, total = carry
        return t + 1, jnp.tanh(h), total + jnp.einsum("bij,bik->bjk", h, h)

    _, inside = check(step, (START, RANDOM.randn(2, 1, 3), RANDOM.randn(2, 3, 3)))
    assert len(inside) == 1


def test_products_that_the_loop_needs_are_not_done_twice():
    def step(carry):
        t, h, total = carry
        product = h.T @ h
        return t + 1, jnp.tanh(h + product[0]), total + product

    outside, inside = check(step, (START, H, V))
    assert (outside, len(inside)) == ([], 1)


def test_integers_are_summed():
    def step(carry):
        t, h, total = carry
        return t + 1, h * 3 + 1, total + jnp.outer(h, h)

    check(step, (START, np.arange(4), np.ones((4, 4), np.int64)))


# ---- parts


def test_only_the_part_that_is_waited_for_stays():
    """As the gradient of joined columns is: one part goes on, the other is one row of a gradient."""
    def step(carry):
        t, h, rows = carry
        both = h @ W.T
        x = both[:, :WIDTH]
        row = jax.lax.dynamic_update_slice_in_dim(jnp.zeros((STEPS, ROWS, WIDTH)), x[None], t, 0)
        return t - 1, jnp.tanh(both[:, WIDTH:]), rows + row

    outside, inside = check(step, (np.array(STEPS - 1, np.int32), H, X))
    assert inside == [(ROWS, UNITS)]
    assert outside == [(STEPS, ROWS, WIDTH)]


def test_parts_that_nobody_uses_are_not_computed():
    def step(carry):
        t, h = carry
        return t + 1, jnp.tanh((h @ jnp.concatenate([V, V], 1))[:, UNITS:])

    _, inside = check(step, (START, H))
    assert inside == [(ROWS, UNITS)]


def test_overlapping_parts_stay_together():
    def step(carry):
        t, h, total = carry
        both = h @ V
        return t + 1, jnp.tanh(jnp.pad(both[:, :5], ((0, 0), (0, 1)))), total + jnp.sum(both[:, 2:], 0)

    _, inside = check(step, (START, H, np.ones(4)))
    assert inside == [(ROWS, UNITS)]


def test_rows_are_added_in_place():
    """Where a row goes depends on the state: rows may meet."""
    def step(carry):
        t, h, rows = carry
        row = jax.lax.dynamic_update_slice_in_dim(jnp.zeros((STEPS, UNITS)), h[:1], jnp.argmax(h[0]) % 3, 0)
        return t + 1, jnp.tanh(h * 1.5 - 0.1), rows + row

    check(step, (START, H, RANDOM.randn(STEPS, UNITS)))


@pytest.mark.parametrize("first, by", [(0, 1), (4, -1), (1, 1), (3, 0), (8, -2)])
def test_rows_go_where_they_belong(first, by):
    def step(carry):
        t, h, rows = carry
        row = jax.lax.dynamic_update_slice_in_dim(jnp.zeros((STEPS + 1, UNITS)), h[:1], t, 0)
        return t + by, jnp.tanh(h * 1.5 - 0.1), rows + row

    check(step, (np.array(first, np.int64), H, RANDOM.randn(STEPS + 1, UNITS)))


# ---- numbers


def test_filled_lists_of_known_numbers_stay_known():
    def step(carry):
        t, kept, h = carry
        return t + 1, jax.lax.dynamic_update_slice(kept, t[None] * 3 + 1, (t,)), h + 1

    with jax.enable_x64(True):
        _, kept, _ = run_counted(jax, step, (START, np.zeros(STEPS, np.int32), jnp.zeros(())), STEPS)
    assert isinstance(kept, np.ndarray)
    np.testing.assert_array_equal(kept, np.arange(STEPS) * 3 + 1)


def test_counters_are_known_behind_the_loop():
    with jax.enable_x64(True):
        i, j, h = run_counted(jax, lambda c: (c[0] + 2, c[1] - 1, c[2] * 2), (START, np.int64(7), jnp.ones(())), 4)
    assert (int(i), int(j), float(h)) == (8, 3, 16.0)
    assert isinstance(i, (np.ndarray, np.generic)) and i.dtype == np.int32
    assert isinstance(j, (np.ndarray, np.generic)) and j.dtype == np.int64


def test_counters_that_overflow():
    def step(carry):
        t, h = carry
        return t + np.int8(50), h + t

    with jax.enable_x64(True), np.errstate(over="ignore"):
        wanted = run_plainly(step, (jnp.int8(100), jnp.int8(0)), 4)
        actual = run_counted(jax, step, (np.array(100, np.int8), np.array(0, np.int8)), 4)
    assert [int(a) for a in actual] == [int(w) for w in wanted]


def test_comparisons_that_change_are_computed():
    def step(carry):
        t, h = carry
        return t + 1, jnp.where(t < 2, h + 1, jnp.where(t == 3, h * 5, h * 2)) + jnp.minimum(t, 2)

    check(step, (START, H))


def test_values_of_the_iteration_before_are_carried():
    def step(carry):
        t, last, h = carry
        return t + 1, t, h + last

    check(step, (START, np.array(7, np.int32), H))


@pytest.mark.parametrize("iterations", [0, 1, 2])
def test_few_iterations(iterations):
    def step(carry):
        t, h, total = carry
        x = jax.lax.dynamic_index_in_dim(jnp.asarray(X), t, 0, keepdims=False)
        return t + 1, jnp.tanh(jnp.concatenate([x, h], 1) @ W), total + x.T @ h

    check(step, (START, H, RANDOM.randn(WIDTH, UNITS)), iterations)


def test_a_loop_that_changes_shapes_is_left_alone():
    assert run_counted(jax, lambda c: (c[0] + 1, jnp.concatenate([c[1], c[1]])), (START, jnp.ones(2)), 2) is None


def test_nothing_waits():
    """No iteration needs another: there is no loop."""
    def step(carry):
        t, total = carry
        x = jax.lax.dynamic_index_in_dim(jnp.asarray(X), t, 0, keepdims=False)
        return t + 1, total + x.T @ x

    outside, inside = check(step, (START, np.zeros((WIDTH, WIDTH))))
    assert (outside, inside) == ([(WIDTH, WIDTH)], [])


# ---- bodies of chance


def body_of_chance(seed):
    """A body of random equations, what enters the loop, and the number of iterations."""
    random = np.random.RandomState(seed)
    rows, square, tall = random.randn(7, 3, 3), random.randn(3, 3) / 2, random.randn(6, 3) / 2
    equations = [(random.randint(13), *random.randint(10**6, size=3)) for _ in range(random.randint(4, 16))]
    results = [(random.randint(5), *random.randint(10**6, size=2)) for _ in range(random.randint(1, 4))]
    first, by, place = random.randint(-2, 9), random.randint(-2, 3), random.randint(3)

    def compute(kind, x, y, number, t, u):
        if kind == 0:
            return [x @ y]
        if kind == 1:
            return [jnp.concatenate([x, y], 1) @ tall]
        if kind == 2:
            return [tall.T @ jnp.concatenate([x, y], 0)]
        if kind == 3:
            return [jnp.tanh(x)]
        if kind == 4:
            return [x + y, x - y]
        if kind == 5:
            return [x.T @ y]
        if kind == 6:
            return [(x @ jnp.concatenate([y, square], 1))[:, number % 4:number % 4 + 3]]
        if kind == 7:
            both = x @ jnp.concatenate([y, square], 1)
            return [both[:, :3], jnp.tanh(both[:, 3:])]
        if kind == 8:
            return [jnp.where(t < number % 5, x, y)]
        if kind == 9:
            return [x * jnp.sum(y, 0)]
        if kind == 10:
            return [jax.lax.dynamic_index_in_dim(rows, (t * (number % 3) + u) % 7, 0, keepdims=False)]
        if kind == 11:
            return [jax.lax.dynamic_update_slice_in_dim(jnp.zeros((3, 3)), y[:1], t + number % 3, 0)]
        return [jnp.broadcast_to(jnp.sum(x, 1)[:, None], (3, 3)), -x.T]

    def step(carry):
        t, u, *state, placed = carry
        values = [*state, *(jax.lax.dynamic_index_in_dim(rows, i, 0, keepdims=False) for i in (t, u)), square]
        for kind, a, b, number in equations:
            values += compute(kind, values[a % len(values)], values[b % len(values)], number, t, u)
        following = []
        for before, (kind, a, b) in zip(state, results):
            x, y = values[a % len(values)], values[b % len(values)]
            following.append([before + x, before + x + y, before - x + y, jnp.tanh(x), jnp.tanh(x) + before / 2][kind])
        row = values[place]
        where = t if place else jnp.argmax(row[0])
        placed += jax.lax.dynamic_update_slice_in_dim(jnp.zeros((7, 3, 3)), row[None], where, 0)
        return (t + by, u + 1, *following, placed)

    start = (np.array(first, np.int32), np.array(0, np.int64), *(random.randn(3, 3) for _ in results),
             random.randn(7, 3, 3))
    return step, start, random.randint(1, 6)


@pytest.mark.parametrize("seed", range(16))
def test_bodies_of_chance(seed):
    step, start, iterations = body_of_chance(seed)
    check(step, start, iterations, 1e-8)
