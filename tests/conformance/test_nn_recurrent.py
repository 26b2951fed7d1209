"""Recurrent layers and cells as single operations: BlockLSTM, LSTMBlockCell, GRUBlockCell and their gradients."""

import numpy as np
import pytest
import tensorflow as tf

TIME, BATCH, SIZE, CELLS = 5, 3, 4, 6
GATES = ("i", "cs", "f", "o", "ci", "co", "h")
INVALID = (tf.errors.InvalidArgumentError, ValueError)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def operands(dtype=np.float32):
    random = np.random.default_rng(0)

    def draw(*shape):
        return random.standard_normal(shape).astype(dtype)

    return {
        "x": draw(TIME, BATCH, SIZE), "cs_prev": draw(BATCH, CELLS), "h_prev": draw(BATCH, CELLS),
        "w": draw(SIZE + CELLS, 4 * CELLS), "wci": draw(CELLS), "wcf": draw(CELLS), "wco": draw(CELLS),
        "b": draw(4 * CELLS),
    }


def cell(x, cs_prev, h_prev, w, wci, wcf, wco, b, order, forget_bias, cell_clip, use_peephole):
    """One step in NumPy, from the definition."""
    parts = dict(zip(order, np.split(np.concatenate([x, h_prev], 1) @ w + b, 4, axis=1)))
    peep = 1 if use_peephole else 0
    i = sigmoid(parts["i"] + peep * wci * cs_prev)
    f = sigmoid(parts["f"] + forget_bias + peep * wcf * cs_prev)
    ci = np.tanh(parts["c"])
    cs = i * ci + f * cs_prev
    if cell_clip > 0:
        cs = np.clip(cs, -cell_clip, cell_clip)
    o = sigmoid(parts["o"] + peep * wco * cs)
    return i, cs, f, o, ci, np.tanh(cs), o * np.tanh(cs)


def layer(given, length, *more):
    given = dict(given)
    x = given.pop("x")
    steps = []
    for t in range(length):
        steps.append(cell(x[t], **given, **dict(zip(("order", "forget_bias", "cell_clip", "use_peephole"), more))))
        given["cs_prev"], given["h_prev"] = steps[-1][1], steps[-1][6]
    return {name: np.stack([s[k] for s in steps]) for k, name in enumerate(GATES)}


WAYS = {"eager": lambda function: function, "function": tf.function}


def close(actual, expected, tolerance=2e-5):
    np.testing.assert_allclose(np.asarray(actual, np.float64), expected, tolerance, tolerance)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("use_peephole", [False, True])
@pytest.mark.parametrize("cell_clip", [-1.0, 0.0, 0.4])
@pytest.mark.parametrize("length", [TIME, 2])
def test_block_lstm(way, length, cell_clip, use_peephole):
    given = operands()

    def first(n, given):
        return tf.raw_ops.BlockLSTM(
            seq_len_max=n, **given, forget_bias=0.7, cell_clip=cell_clip, use_peephole=use_peephole)

    def second(n, given):
        return tf.raw_ops.BlockLSTMV2(seq_len_max=n, **given, cell_clip=cell_clip, use_peephole=use_peephole)

    for function, order, bias in ((first, "icfo", 0.7), (second, "ifco", 0.0)):
        call = WAYS[way](function)
        result = None
        for _ in range(3):
            result = call(tf.constant(length, tf.int64), {k: tf.constant(v) for k, v in given.items()})
        expected = layer(given, length, order, bias, cell_clip, use_peephole)
        for name, value in result._asdict().items():
            assert value.shape == (TIME, BATCH, CELLS)
            close(value[:length], expected[name])
        close(result.cs[length:], 0)
        close(result.h[length:], 0)


def test_no_steps():
    result = tf.raw_ops.BlockLSTM(seq_len_max=0, **operands())
    close(result.h, 0)
    close(result.cs, 0)


def test_defaults():
    given = operands()
    given["b"] = given["b"] + 2
    expected = layer(given, TIME, "icfo", 1.0, 3.0, False)
    close(tf.raw_ops.BlockLSTM(seq_len_max=TIME, **given).h, expected["h"])
    expected = layer(given, TIME, "ifco", 0.0, 0.0, False)
    close(tf.raw_ops.BlockLSTMV2(seq_len_max=TIME, **given).h, expected["h"])


def test_half_precision():
    given = operands(np.float16)
    result = tf.raw_ops.BlockLSTM(seq_len_max=TIME, **given, use_peephole=True)
    assert result.h.dtype == tf.float16
    wide = {k: v.astype(np.float64) for k, v in given.items()}
    close(result.h, layer(wide, TIME, "icfo", 1.0, 3.0, True)["h"], 0.02)


def differences(loss, given, step=1e-6):
    """Central differences of a function of a dictionary of arrays, in double precision."""
    given = {k: v.astype(np.float64) for k, v in given.items()}
    slopes = {}
    for name, value in given.items():
        slopes[name] = np.zeros_like(value)
        for place in np.ndindex(*value.shape):
            ends = []
            for sign in (1, -1):
                moved = dict(given)
                moved[name] = value.copy()
                moved[name][place] += sign * step
                ends.append(loss(moved))
            slopes[name][place] = (ends[0] - ends[1]) / (2 * step)
    return slopes


def weights(length):
    random = np.random.default_rng(1)
    cs, h = random.standard_normal((2, TIME, BATCH, CELLS))
    cs[length:] = h[length:] = 0
    return cs, h


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("version", ["BlockLSTMGrad", "BlockLSTMGradV2"])
@pytest.mark.parametrize("use_peephole", [False, True])
@pytest.mark.parametrize("length", [TIME, 3])
def test_block_lstm_gradient(way, length, use_peephole, version):
    given = operands()
    order, bias = ("icfo", 0.3) if version == "BlockLSTMGrad" else ("ifco", 0.0)
    cs_weights, h_weights = weights(length)

    def loss(given):
        made = layer(given, length, order, bias, 0.0, use_peephole)
        return (made["cs"] * cs_weights[:length]).sum() + (made["h"] * h_weights[:length]).sum()

    attrs = {"cell_clip": 0.0, "use_peephole": use_peephole}
    if version == "BlockLSTMGrad":
        made = tf.raw_ops.BlockLSTM(seq_len_max=length, **given, forget_bias=bias, **attrs)
    else:
        made = tf.raw_ops.BlockLSTMV2(seq_len_max=length, **given, **attrs)

    def gradient(n, given, made):
        return getattr(tf.raw_ops, version)(
            seq_len_max=n, **given, **made, cs_grad=tf.constant(cs_weights, tf.float32),
            h_grad=tf.constant(h_weights, tf.float32), use_peephole=use_peephole)

    call = WAYS[way](gradient)
    for _ in range(3):
        result = call(tf.constant(length, tf.int64), {k: tf.constant(v) for k, v in given.items()}, made._asdict())
    for name, slopes in differences(loss, given).items():
        close(getattr(result, f"{name}_grad"), slopes, 1e-4)


@pytest.mark.parametrize("use_peephole", [False, True])
def test_block_lstm_on_a_tape(use_peephole):
    given = {k: tf.constant(v) for k, v in operands().items()}
    cs_weights, h_weights = weights(TIME)

    def loss(given):
        made = layer(given, TIME, "icfo", 1.0, 0.0, use_peephole)
        return (made["cs"] * cs_weights).sum() + (made["h"] * h_weights).sum()

    with tf.GradientTape() as tape:
        tape.watch(given)
        made = tf.raw_ops.BlockLSTM(seq_len_max=TIME, **given, cell_clip=0.0, use_peephole=use_peephole)
        total = tf.reduce_sum(made.cs * tf.constant(cs_weights, tf.float32))
        total += tf.reduce_sum(made.h * tf.constant(h_weights, tf.float32))
    gradients = tape.gradient(total, given)
    for name, slopes in differences(loss, operands()).items():
        close(gradients[name], slopes, 1e-4)


def test_only_cells_and_states_pass_gradients():
    given = {k: tf.constant(v) for k, v in operands().items()}
    with tf.GradientTape() as tape:
        tape.watch(given["x"])
        made = tf.raw_ops.BlockLSTM(seq_len_max=TIME, **given)
        total = tf.reduce_sum(made.i) + tf.reduce_sum(made.o)
    close(tape.gradient(total, given["x"]), 0)


@pytest.mark.parametrize("use_peephole", [False, True])
@pytest.mark.parametrize("cell_clip", [-1.0, 0.4])
def test_lstm_block_cell(cell_clip, use_peephole):
    given = operands()
    given["x"] = given["x"][0]
    result = tf.raw_ops.LSTMBlockCell(**given, forget_bias=0.7, cell_clip=cell_clip, use_peephole=use_peephole)
    expected = cell(**given, order="icfo", forget_bias=0.7, cell_clip=cell_clip, use_peephole=use_peephole)
    for value, other in zip(result, expected):
        close(value, other)


@pytest.mark.parametrize("use_peephole", [False, True])
def test_lstm_block_cell_gradient(use_peephole):
    given = operands()
    given["x"] = given["x"][0]
    cs_weights, h_weights = (v[0] for v in weights(TIME))

    def loss(given):
        made = cell(**given, order="icfo", forget_bias=1.0, cell_clip=-1.0, use_peephole=use_peephole)
        return (made[1] * cs_weights).sum() + (made[6] * h_weights).sum()

    made = tf.raw_ops.LSTMBlockCell(**given, cell_clip=-1.0, use_peephole=use_peephole)._asdict()
    del made["h"]
    result = tf.raw_ops.LSTMBlockCellGrad(
        **given, **made, cs_grad=cs_weights.astype(np.float32), h_grad=h_weights.astype(np.float32),
        use_peephole=use_peephole)
    slopes = differences(loss, given)
    close(result.cs_prev_grad, slopes["cs_prev"], 1e-4)
    close(tf.reduce_sum(result.dicfo, 0), slopes["b"], 1e-4)
    close(tf.matmul(given["x"], result.dicfo, transpose_a=True), slopes["w"][:SIZE], 1e-4)
    for name in ("wci", "wcf", "wco"):
        close(getattr(result, f"{name}_grad"), slopes[name], 1e-4)


# ---- GRU


def gru_operands():
    random = np.random.default_rng(2)
    shapes = {"x": (BATCH, SIZE), "h_prev": (BATCH, CELLS), "w_ru": (SIZE + CELLS, 2 * CELLS),
              "w_c": (SIZE + CELLS, CELLS), "b_ru": (2 * CELLS,), "b_c": (CELLS,)}
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def gru(x, h_prev, w_ru, w_c, b_ru, b_c):
    r, u = np.split(sigmoid(np.concatenate([x, h_prev], 1) @ w_ru + b_ru), 2, axis=1)
    c = np.tanh(np.concatenate([x, h_prev * r], 1) @ w_c + b_c)
    return r, u, c, u * h_prev + (1 - u) * c


@pytest.mark.parametrize("way", WAYS)
def test_gru_block_cell(way):
    given = gru_operands()
    call = WAYS[way](lambda given: tf.raw_ops.GRUBlockCell(**given))
    result = call({k: tf.constant(v) for k, v in given.items()})
    for value, expected in zip(result, gru(**given)):
        close(value, expected)


def test_gru_block_cell_gradient():
    given = gru_operands()
    h_weights = weights(TIME)[1][0]
    made = tf.raw_ops.GRUBlockCell(**given)
    result = tf.raw_ops.GRUBlockCellGrad(
        **given, r=made.r, u=made.u, c=made.c, d_h=h_weights.astype(np.float32))
    slopes = differences(lambda given: (gru(**given)[3] * h_weights).sum(), given)
    close(result.d_x, slopes["x"], 1e-4)
    close(result.d_h_prev, slopes["h_prev"], 1e-4)
    close(tf.reduce_sum(result.d_c_bar, 0), slopes["b_c"], 1e-4)
    close(tf.reduce_sum(result.d_r_bar_u_bar, 0), slopes["b_ru"], 1e-4)


# ---- bad input


@pytest.mark.parametrize("wrong", [
    {"x": (BATCH, SIZE)}, {"cs_prev": (BATCH, CELLS - 1)}, {"h_prev": (BATCH - 1, CELLS)},
    {"w": (SIZE + CELLS - 1, 4 * CELLS)}, {"w": (SIZE + CELLS, 3 * CELLS)}, {"b": (4 * CELLS - 1,)},
    {"wci": (CELLS - 1,)}, {"wco": (CELLS + 1,)},
])
def test_shapes_that_do_not_fit(wrong):
    given = {**operands(), **{k: np.zeros(s, np.float32) for k, s in wrong.items()}}
    for operation in (tf.raw_ops.BlockLSTM, tf.raw_ops.BlockLSTMV2):
        with pytest.raises(INVALID):
            operation(seq_len_max=TIME, **given)


@pytest.mark.parametrize("wrong", [
    {"h_prev": (BATCH - 1, CELLS)}, {"w_ru": (SIZE + CELLS, CELLS)}, {"w_c": (SIZE, CELLS)}, {"b_ru": (CELLS,)},
    {"b_c": (CELLS + 1,)},
])
def test_shapes_of_a_gru_that_do_not_fit(wrong):
    given = {**gru_operands(), **{k: np.zeros(s, np.float32) for k, s in wrong.items()}}
    with pytest.raises(INVALID):
        tf.raw_ops.GRUBlockCell(**given)
