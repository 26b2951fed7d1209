"""Whole recurrent layers and their cells in one operation each, and their gradients.

LSTM: Hochreiter and Schmidhuber, 1997, with peepholes as in Gers and Schmidhuber, 2000. GRU: Cho et al., 2014.

Sequences are [time, batch, size]. A matrix of weights has rows for the input and, below them, for the hidden state; its
columns are the gates. The product of the whole sequence with the weights of the input stands before the loop over time,
as do the sums over time behind the loop of the gradient. Native kernels do all of it in one call where they are
(runtime/native/recurrent.py).
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.registry import UNDEFINED_GRADIENT, Attr, op
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.by_name import cards
from everflow._src.ops.linalg_products import compiled_product
from everflow._src.runtime.failures import invalid
from everflow._src.runtime.native import recurrent as native

_FLOATS = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64)
# The gates in the order of their columns: input, candidate, forget, output. The second version follows Keras.
_ICFO, _IFCO = "icfo", "ifco"


class _Weights(NamedTuple):
    """The weights of an LSTM: one matrix, three peepholes, one bias."""

    w: Any
    wci: Any
    wcf: Any
    wco: Any
    b: Any


class _Gates(NamedTuple):
    """What one step of an LSTM computes."""

    i: Any
    cs: Any
    f: Any
    o: Any
    ci: Any
    co: Any
    h: Any


def _widened(*values: Any) -> list[Any]:
    """Half precision is computed in single precision."""
    return [v.astype(np.float32) if v.dtype.itemsize == 2 else v for v in values]


def _narrowed(values: Any, like: Any) -> tuple[Any, ...]:
    return tuple(v.astype(like.dtype) for v in values)


def _sigmoid(xp: Any, x: Any) -> Any:
    return 1 / (1 + xp.exp(-x))


def _check(what: str, value: Any, *expected: int | None) -> None:
    if value.ndim != len(expected):
        raise invalid(f"{what} must be {len(expected)}D, received shape {list(value.shape)}")
    if any(e is not None and e != s for e, s in zip(expected, value.shape)):
        raise invalid(f"{what} must have shape {[-1 if e is None else e for e in expected]}, "
                      f"received {list(value.shape)}")


def _check_lstm(x: Any, cs_prev: Any, h_prev: Any, weights: _Weights) -> None:
    """`x` is one step, or a sequence of them."""
    batch, size = x.shape[-2:]
    _check("cs_prev", cs_prev, batch, None)
    cells = cs_prev.shape[1]
    _check("h_prev", h_prev, batch, cells)
    _check("w", weights.w, size + cells, 4 * cells)
    for name in ("wci", "wcf", "wco"):
        _check(name, getattr(weights, name), cells)
    _check("b", weights.b, 4 * cells)


def _native_or(jax: Any, form: native.Form, otherwise: Any, *operands: Any) -> tuple[Any, ...]:
    """What the native kernels compute of the operands, or where they do not, `otherwise`."""
    found = native.eager(form, *operands) if jax is None else native.compiled(jax, form, otherwise, *operands)
    return otherwise(*operands) if found is None else found


# ---- one step of an LSTM


def _lstm_step(xp: Any, columns: Any, cs_prev: Any, weights: _Weights, order: str, forget_bias: float,
               cell_clip: float, use_peephole: bool) -> _Gates:
    """The gates, given the sums that go into them."""
    part = dict(zip(order, xp.split(columns, 4, axis=-1)))
    if use_peephole:
        part["i"] = part["i"] + cs_prev * weights.wci
        part["f"] = part["f"] + cs_prev * weights.wcf
    i, ci = _sigmoid(xp, part["i"]), xp.tanh(part["c"])
    f = _sigmoid(xp, part["f"] + xp.asarray(forget_bias, columns.dtype))
    cs = ci * i + cs_prev * f
    if cell_clip > 0:
        cs = xp.clip(cs, -cell_clip, cell_clip).astype(columns.dtype)
    o = _sigmoid(xp, part["o"] + cs * weights.wco if use_peephole else part["o"])
    co = xp.tanh(cs)
    return _Gates(i, cs, f, o, ci, co, co * o)


def _lstm_step_back(xp: Any, cs_prev: Any, gates: _Gates, cs_grad: Any, h_grad: Any, weights: _Weights, order: str,
                    use_peephole: bool) -> tuple[Any, Any]:
    """The gradient by the cells before the step, and by the sums that went into the gates.

    A cell that was clipped passes the gradient on, as in TensorFlow.
    """
    i, _, f, o, ci, co, _ = gates
    part = {"o": o * (1 - o) * h_grad * co}
    cell = (1 - co * co) * h_grad * o + cs_grad
    if use_peephole:
        cell = cell + part["o"] * weights.wco
    part["c"] = (1 - ci * ci) * cell * i
    part["f"] = f * (1 - f) * cell * cs_prev
    part["i"] = i * (1 - i) * cell * ci
    before = cell * f
    if use_peephole:
        before = before + part["i"] * weights.wci + part["f"] * weights.wcf
    return before, xp.concatenate([part[gate] for gate in order], axis=-1)


def _peephole_gradients(xp: Any, columns: Any, cs_prev: Any, cs: Any, order: str, use_peephole: bool) -> list[Any]:
    """Of wci, wcf and wco; the leading dimensions are summed over."""
    if not use_peephole:
        return [xp.zeros(cs.shape[-1:], cs.dtype)] * 3
    part = dict(zip(order, xp.split(columns, 4, axis=-1)))
    axes = tuple(range(cs.ndim - 1))
    return [(part["i"] * cs_prev).sum(axes), (part["f"] * cs_prev).sum(axes), (part["o"] * cs).sum(axes)]


# ---- loops over time, for NumPy and for XLA.  Both pass `step` the state and the entries of the sequences then,
# and collect what it returns behind the state; at times that do not count there are zeros, and the state passes by.


def _numpy_loop(step: Any, state: tuple[Any, ...], sequences: tuple[Any, ...], count: Any, like: list[tuple[int, ...]],
                reverse: bool) -> tuple[tuple[Any, ...], list[Any]]:
    steps, batch = sequences[0].shape[:2]
    results = [np.zeros((steps, batch, *shape), sequences[0].dtype) for shape in like]
    times = range(min(int(count), steps))
    for t in reversed(times) if reverse else times:
        state, values = step(state, tuple(s[t] for s in sequences))
        for result, value in zip(results, values):
            result[t] = value
    return state, results


def _xla_loop(jax: Any, step: Any, state: tuple[Any, ...], sequences: tuple[Any, ...], count: Any,
              like: list[tuple[int, ...]], reverse: bool) -> tuple[tuple[Any, ...], list[Any]]:
    del like
    jnp = jax.numpy

    def body(state: Any, entries: Any) -> Any:
        time, *rest = entries
        counts = time < count
        after, values = step(state, tuple(rest))
        after = tuple(jnp.where(counts, new, old) for new, old in zip(after, state))
        return after, tuple(jnp.where(counts, v, jnp.zeros((), v.dtype)) for v in values)

    times = jnp.arange(sequences[0].shape[0], dtype=count.dtype)
    state, results = jax.lax.scan(body, state, (times, *sequences), reverse=reverse)
    return state, list(results)


def _loop(jax: Any) -> Any:
    return _numpy_loop if jax is None else functools.partial(_xla_loop, jax)


def _product(xp: Any, sequence: Any, matrix: Any) -> Any:
    """[time, batch, size] times a matrix, as one product."""
    flat = sequence.reshape(-1, sequence.shape[-1])
    return xp.matmul(flat, matrix).reshape(*sequence.shape[:-1], matrix.shape[-1])


def _check_sequence(jax: Any, count: Any, x: Any) -> None:
    _check("x", x, None, None, None)
    if count.ndim != 0:
        raise invalid(f"seq_len_max must be a scalar, received shape {list(count.shape)}")
    if jax is None and not 0 <= int(count) <= x.shape[0]:
        raise invalid(f"seq_len_max must be between 0 and the length of x, {x.shape[0]}, received {int(count)}")


def _block(order: str, jax: Any, operands: Any, forget_bias: float, cell_clip: float, use_peephole: bool
           ) -> tuple[Any, ...]:
    count, x, cs_prev, h_prev, *given = operands
    _check_sequence(jax, count, x)
    _check_lstm(x, cs_prev, h_prev, _Weights(*given))
    form = native.Form(native.LSTM, *x.shape, cs_prev.shape[1], order == _IFCO, use_peephole, forget_bias, cell_clip)
    return _native_or(
        jax, form, lambda *given: _block_by_steps(order, jax, given, forget_bias, cell_clip, use_peephole), *operands)


def _block_by_steps(order: str, jax: Any, operands: Any, forget_bias: float, cell_clip: float, use_peephole: bool
                    ) -> tuple[Any, ...]:
    xp = np if jax is None else jax.numpy
    count, *rest = operands
    x, cs_prev, h_prev, *given = _widened(*rest)
    weights = _Weights(*given)
    size, cells = x.shape[-1], cs_prev.shape[-1]
    recurrent = weights.w[size:]

    def step(state: Any, entries: Any) -> Any:
        columns = entries[0] + xp.matmul(state[1], recurrent)
        gates = _lstm_step(xp, columns, state[0], weights, order, forget_bias, cell_clip, use_peephole)
        return (gates.cs, gates.h), gates

    columns = _product(xp, x, weights.w[:size]) + weights.b
    _, results = _loop(jax)(step, (cs_prev, h_prev), (columns,), count, [(cells,)] * 7, False)
    return _narrowed(results, rest[0])


def _block_back(order: str, jax: Any, operands: Any, use_peephole: bool) -> tuple[Any, ...]:
    count, x, cs_prev, h_prev, *rest = operands
    _check_sequence(jax, count, x)
    _check_lstm(x, cs_prev, h_prev, _Weights(*rest[:5]))
    cells = cs_prev.shape[1]
    for name, value in zip((*_Gates._fields, "cs_grad", "h_grad"), rest[5:]):
        _check(name, value, *x.shape[:2], cells)
    form = native.Form(native.LSTM_GRADIENT, *x.shape, cells, order == _IFCO, use_peephole)
    if jax is None:
        return _native_or(None, form, lambda *given: _block_back_by_steps(order, None, given, use_peephole), *operands)
    # The gradient by x often has no reader: as a product of its own it is left out then.
    found = native.compiled(
        jax, form._replace(by_sums=True),
        lambda *given: _block_back_by_steps(order, jax, given, use_peephole, by_sums=True), *operands)
    if found is None:
        return _block_back_by_steps(order, jax, operands, use_peephole)
    columns, *others = found
    x_grad = compiled_product(jax, columns.reshape(-1, columns.shape[-1]), rest[0][:x.shape[-1]], False, True)
    return x_grad.reshape(x.shape), *others


def _block_back_by_steps(order: str, jax: Any, operands: Any, use_peephole: bool, by_sums: bool = False
                         ) -> tuple[Any, ...]:
    """`by_sums`: the gradient by the sums that go into the gates stands in place of the one by x."""
    xp = np if jax is None else jax.numpy
    count, *rest = operands
    values = _widened(*rest)
    x, cs_prev, h_prev = values[:3]
    weights, gates, (cs_grad, h_grad) = _Weights(*values[3:8]), _Gates(*values[8:15]), values[15:]
    size, cells = x.shape[-1], cs_prev.shape[-1]
    to_hidden = weights.w[size:].T
    cs_before = xp.concatenate([cs_prev[None], gates.cs[:-1]]) if x.shape[0] else gates.cs
    h_before = xp.concatenate([h_prev[None], gates.h[:-1]]) if x.shape[0] else gates.h

    def step(state: Any, entries: Any) -> Any:
        before, *own, dcs, dh = entries
        dcs, columns = _lstm_step_back(xp, before, _Gates(*own), dcs + state[0], dh + state[1], weights, order,
                                       use_peephole)
        return (dcs, xp.matmul(columns, to_hidden)), (columns,)

    nothing = xp.zeros(cs_prev.shape, cs_prev.dtype)
    (cs_prev_grad, h_prev_grad), (columns,) = _loop(jax)(
        step, (nothing, nothing), (cs_before, *gates, cs_grad, h_grad), count, [(4 * cells,)], True)
    flat = columns.reshape(-1, 4 * cells)
    both = xp.concatenate([x, h_before], axis=-1).reshape(-1, size + cells)
    results = (
        columns if by_sums else _product(xp, columns, weights.w[:size].T), cs_prev_grad, h_prev_grad,
        xp.matmul(both.T, flat),
        *_peephole_gradients(xp, columns, cs_before, gates.cs, order, use_peephole), flat.sum(0),
    )
    return _narrowed(results, rest[0])


def _block_kernels(order: str) -> dict[str, Any]:
    """The kernels of a layer whose version has a bias for the forget gate, or none."""
    if order == _IFCO:
        def kernel(jax: Any, *operands: Any, cell_clip: Any, use_peephole: Any) -> Any:
            return _block(order, jax, operands, 0.0, cell_clip, use_peephole)
    else:
        def kernel(jax: Any, *operands: Any, forget_bias: Any, cell_clip: Any, use_peephole: Any) -> Any:  # type: ignore[misc]
            return _block(order, jax, operands, forget_bias, cell_clip, use_peephole)
    return _both(kernel)


def _block_back_kernels(order: str) -> dict[str, Any]:
    return _both(lambda jax, *operands, use_peephole: _block_back(order, jax, operands, use_peephole))


def _both(kernel: Any) -> dict[str, Any]:
    """The NumPy and the XLA kernel of `kernel(jax or None, operands..., attrs...)`, with its signature."""
    @functools.wraps(kernel)
    def with_numpy(xp: Any, *operands: Any, **attrs: Any) -> Any:
        return kernel(None, *operands, **attrs)

    return {"kernel": with_numpy, "xla": kernel}


def _block_shape(op: Any) -> list[TensorShape]:
    x, state = (op._inputs[i]._shape for i in (1, 2))
    x, state = shapes.with_rank(x, 3), shapes.with_rank(state, 2)
    return [TensorShape([*x.as_list()[:2], state.as_list()[1]])] * 7


def _block_gradient(version: str) -> Any:
    def gradient(*output_gradients: Any, op: Any) -> tuple[Any, ...]:
        """Of the outputs only cells and hidden states pass gradients on, as in TensorFlow."""
        gates = list(op.outputs)
        cs_grad, h_grad = (
            cards.ZerosLike(gates[i]) if output_gradients[i] is None else output_gradients[i] for i in (1, 6))
        given = getattr(cards, version)(*op.inputs, *gates, cs_grad, h_grad, use_peephole=op._attrs["use_peephole"])
        return None, *given

    return gradient


def _block_sample(dims: int = 3) -> list[np.ndarray]:
    """Operands for a batch of 2, an input of 3 and 2 cells."""
    random = np.random.default_rng(0)
    shapes_of = [(3, 2, 3)[3 - dims:], (2, 2), (2, 2), (5, 8), (2,), (2,), (2,), (8,)]
    return [random.standard_normal(s).astype(np.float32) for s in shapes_of]


def _block_back_sample(order: str) -> tuple[list[np.ndarray], dict[str, Any]]:
    operands = [np.array(3, np.int64), *_block_sample()]
    gates = _block(order, None, operands, 0.0, 0.0, True)
    return [*operands, *gates, np.ones_like(gates[1]), gates[6]], {"use_peephole": True}


_LSTM_INPUTS = "x: T, cs_prev: T, h_prev: T, w: T, wci: T, wcf: T, wco: T, b: T"
_LSTM_OUTPUTS = "i: T, cs: T, f: T, o: T, ci: T, co: T, h: T"
_LSTM_GRADIENTS = ("x_grad: T, cs_prev_grad: T, h_prev_grad: T, w_grad: T, wci_grad: T, wcf_grad: T, wco_grad: T, "
                   "b_grad: T")

BlockLSTM = op(
    "BlockLSTM", f"seq_len_max: int64, {_LSTM_INPUTS} -> {_LSTM_OUTPUTS}", T=_FLOATS, forget_bias=1.0, cell_clip=3.0,
    use_peephole=False, **_block_kernels(_ICFO), shape=_block_shape, gradient=_block_gradient("BlockLSTMGrad"),
    sample=lambda: ([np.array(2, np.int64), *_block_sample()], {"use_peephole": True}),
    doc="An LSTM layer over a sequence.",
)
BlockLSTMV2 = op(
    "BlockLSTMV2", f"seq_len_max: int64, {_LSTM_INPUTS} -> {_LSTM_OUTPUTS}", T=_FLOATS, cell_clip=0.0,
    use_peephole=False, **_block_kernels(_IFCO), shape=_block_shape, gradient=_block_gradient("BlockLSTMGradV2"),
    sample=lambda: ([np.array(3, np.int64), *_block_sample()], {"use_peephole": True}),
    doc="An LSTM layer over a sequence, its gates in the order of Keras.",
)
BlockLSTMGrad = op(
    "BlockLSTMGrad", f"seq_len_max: int64, {_LSTM_INPUTS}, {_LSTM_OUTPUTS}, cs_grad: T, h_grad: T -> {_LSTM_GRADIENTS}",
    T=_FLOATS, use_peephole=Attr("bool"), **_block_back_kernels(_ICFO), shape=shapes.like_inputs(*range(1, 9)),
    no_gradient=UNDEFINED_GRADIENT, sample=lambda: _block_back_sample(_ICFO), doc="The gradient of an LSTM layer.",
)
BlockLSTMGradV2 = op(
    "BlockLSTMGradV2",
    f"seq_len_max: int64, {_LSTM_INPUTS}, {_LSTM_OUTPUTS}, cs_grad: T, h_grad: T -> {_LSTM_GRADIENTS}",
    T=_FLOATS, use_peephole=Attr("bool"), **_block_back_kernels(_IFCO), shape=shapes.like_inputs(*range(1, 9)),
    no_gradient=UNDEFINED_GRADIENT, sample=lambda: _block_back_sample(_IFCO),
    doc="The gradient of an LSTM layer whose gates are in the order of Keras.",
)


# ---- cells


def _lstm_cell(jax: Any, *operands: Any, forget_bias: Any, cell_clip: Any, use_peephole: Any) -> tuple[Any, ...]:
    xp = np if jax is None else jax.numpy
    x, cs_prev, h_prev, *given = operands
    _check("x", x, None, None)
    _check_lstm(x, cs_prev, h_prev, _Weights(*given))

    def otherwise(*operands: Any) -> tuple[Any, ...]:
        x, cs_prev, h_prev, *given = _widened(*operands)
        weights = _Weights(*given)
        columns = xp.matmul(xp.concatenate([x, h_prev], axis=1), weights.w) + weights.b
        gates = _lstm_step(xp, columns, cs_prev, weights, _ICFO, forget_bias, cell_clip, use_peephole)
        return _narrowed(gates, operands[0])

    form = native.Form(native.LSTM_CELL, 1, *x.shape, cs_prev.shape[1], False, use_peephole, forget_bias, cell_clip)
    return _native_or(jax, form, otherwise, *operands)


def _lstm_cell_back(jax: Any, *operands: Any, use_peephole: Any) -> tuple[Any, ...]:
    xp = np if jax is None else jax.numpy
    x, cs_prev, h_prev, *rest = operands
    _check("x", x, None, None)
    _check_lstm(x, cs_prev, h_prev, _Weights(*rest[:5]))
    for name, value in zip("i cs f o ci co cs_grad h_grad".split(), rest[5:]):
        _check(name, value, *cs_prev.shape)

    def otherwise(*operands: Any) -> tuple[Any, ...]:
        cs_prev, wci, wcf, wco, i, cs, f, o, ci, co, cs_grad, h_grad = _widened(*operands)
        before, columns = _lstm_step_back(xp, cs_prev, _Gates(i, cs, f, o, ci, co, None), cs_grad, h_grad,
                                          _Weights(None, wci, wcf, wco, None), _ICFO, use_peephole)
        results = (before, columns, *_peephole_gradients(xp, columns, cs_prev, cs, _ICFO, use_peephole))
        return _narrowed(results, operands[0])

    form = native.Form(native.LSTM_CELL_GRADIENT, 1, *x.shape, cs_prev.shape[1], False, use_peephole)
    return _native_or(jax, form, otherwise, cs_prev, *rest[1:4], *rest[5:])


def _lstm_cell_gradient(*output_gradients: Any, op: Any) -> tuple[Any, ...]:
    x, cs_prev, h_prev, w, wci, wcf, wco, b = op.inputs
    i, cs, f, o, ci, co, _ = op.outputs
    cs_grad, h_grad = (
        cards.ZerosLike(cs) if output_gradients[k] is None else output_gradients[k] for k in (1, 6))
    before, columns, *peepholes = cards.LSTMBlockCellGrad(
        *op.inputs, i, cs, f, o, ci, co, cs_grad, h_grad, use_peephole=op._attrs["use_peephole"])
    return (*_cell_gradients(x, h_prev, w, columns, (before,)), *peepholes,
            cards.Sum(columns, np.array([0], np.int32)))


def _cell_gradients(x: Any, h_prev: Any, w: Any, columns: Any, between: tuple[Any, ...]) -> tuple[Any, ...]:
    """By the input, (what stands between,) the hidden state and the matrix, of concat(x, h_prev) times it."""
    both = cards.MatMul(columns, w, transpose_b=True)
    rows = cards.ConcatV2([x, h_prev], np.int32(1))
    size = cards.StridedSlice(cards.Shape(x), np.array([1], np.int32), np.array([2], np.int32), np.array([1], np.int32))
    start = cards.ConcatV2([np.array([0], np.int32), size], np.int32(0))
    x_grad = cards.Slice(both, np.array([0, 0], np.int32), cards.Shape(x))
    h_grad = cards.Slice(both, start, cards.Shape(h_prev))
    return x_grad, *between, h_grad, cards.MatMul(rows, columns, transpose_a=True)


def _cell_back_sample() -> tuple[list[np.ndarray], dict[str, Any]]:
    operands = _block_sample(2)
    gates = _lstm_cell(None, *operands, forget_bias=0.0, cell_clip=0.0, use_peephole=True)
    return [*operands, *gates[:6], gates[1], gates[6]], {"use_peephole": True}


def _with_columns(state: int, columns: int, *others: int) -> Any:
    """Shapes: that of the state, its batch with `columns` times its cells, and those of other inputs."""
    def rule(op: Any) -> list[TensorShape]:
        shape = shapes.with_rank(op._inputs[state]._shape, 2)
        batch, cells = shape.as_list()
        wide = TensorShape([batch, None if cells is None else columns * cells])
        return [shape, wide, *(op._inputs[i]._shape for i in others)]

    return rule


LSTMBlockCell = op(
    "LSTMBlockCell", f"{_LSTM_INPUTS} -> {_LSTM_OUTPUTS}", T=_FLOATS, forget_bias=1.0, cell_clip=3.0,
    use_peephole=False, **_both(_lstm_cell), shape=shapes.like_inputs(*[1] * 7), gradient=_lstm_cell_gradient,
    sample=lambda: (_block_sample(2), {"use_peephole": True}), doc="One step of an LSTM.",
)
LSTMBlockCellGrad = op(
    "LSTMBlockCellGrad",
    f"{_LSTM_INPUTS}, i: T, cs: T, f: T, o: T, ci: T, co: T, cs_grad: T, h_grad: T -> cs_prev_grad: T, dicfo: T, "
    "wci_grad: T, wcf_grad: T, wco_grad: T", T=_FLOATS, use_peephole=Attr("bool"), **_both(_lstm_cell_back),
    shape=_with_columns(1, 4, 4, 5, 6), no_gradient=UNDEFINED_GRADIENT, sample=_cell_back_sample,
    doc="The gradient of one step of an LSTM, by its cells and by the sums that go into its gates.",
)


def _check_gru(x: Any, h_prev: Any, w_ru: Any, w_c: Any, b_ru: Any, b_c: Any) -> None:
    _check("x", x, None, None)
    _check("h_prev", h_prev, x.shape[0], None)
    size, cells = x.shape[1], h_prev.shape[1]
    _check("w_ru", w_ru, size + cells, 2 * cells)
    _check("w_c", w_c, size + cells, cells)
    _check("b_ru", b_ru, 2 * cells)
    _check("b_c", b_c, cells)


def _gru_cell(jax: Any, *operands: Any) -> tuple[Any, ...]:
    xp = np if jax is None else jax.numpy
    _check_gru(*operands)

    def otherwise(*operands: Any) -> tuple[Any, ...]:
        x, h_prev, w_ru, w_c, b_ru, b_c = _widened(*operands)
        r, u = xp.split(_sigmoid(xp, xp.matmul(xp.concatenate([x, h_prev], axis=1), w_ru) + b_ru), 2, axis=1)
        c = xp.tanh(xp.matmul(xp.concatenate([x, h_prev * r], axis=1), w_c) + b_c)
        return _narrowed((r, u, c, u * h_prev + (1 - u) * c), operands[0])

    form = native.Form(native.GRU_CELL, 1, *operands[0].shape, operands[1].shape[1])
    return _native_or(jax, form, otherwise, *operands)


def _gru_cell_back(jax: Any, *operands: Any) -> tuple[Any, ...]:
    xp = np if jax is None else jax.numpy
    _check_gru(*operands[:6])
    x, h_prev, w_ru, w_c, _, _, *rest = operands
    for name, value in zip("r u c d_h".split(), rest):
        _check(name, value, *h_prev.shape)

    def otherwise(*operands: Any) -> tuple[Any, ...]:
        x, h_prev, w_ru, w_c, r, u, c, d_h = _widened(*operands)
        size = x.shape[1]
        d_c = d_h * (1 - u) * (1 - c * c)
        by_candidate = xp.matmul(d_c, w_c.T)
        d_reset = by_candidate[:, size:]
        d_ru = xp.concatenate([d_reset * h_prev * r * (1 - r), d_h * (h_prev - c) * u * (1 - u)], axis=1)
        by_gates = xp.matmul(d_ru, w_ru.T)
        d_h_prev = d_reset * r + d_h * u + by_gates[:, size:]
        return _narrowed((by_candidate[:, :size] + by_gates[:, :size], d_h_prev, d_c, d_ru), operands[0])

    form = native.Form(native.GRU_CELL_GRADIENT, 1, *x.shape, h_prev.shape[1])
    return _native_or(jax, form, otherwise, x, h_prev, w_ru, w_c, *rest)


def _gru_cell_gradient(dr: Any, du: Any, dc: Any, dh: Any, *, op: Any) -> tuple[Any, ...]:
    x, h_prev, w_ru, w_c, *_ = op.inputs
    r, u, c, h = op.outputs
    dh = cards.ZerosLike(h) if dh is None else dh
    d_x, d_h_prev, d_c, d_ru = cards.GRUBlockCellGrad(*op.inputs, r, u, c, dh)
    axis = np.int32(1)
    return (
        d_x, d_h_prev,
        cards.MatMul(cards.ConcatV2([x, h_prev], axis), d_ru, transpose_a=True),
        cards.MatMul(cards.ConcatV2([x, cards.Mul(h_prev, r)], axis), d_c, transpose_a=True),
        cards.Sum(d_ru, np.array([0], np.int32)), cards.Sum(d_c, np.array([0], np.int32)),
    )


def _gru_sample() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.standard_normal(s).astype(np.float32) for s in [(2, 3), (2, 2), (5, 4), (5, 2), (4,), (2,)]]


_GRU_INPUTS = "x: T, h_prev: T, w_ru: T, w_c: T, b_ru: T, b_c: T"

GRUBlockCell = op(
    "GRUBlockCell", f"{_GRU_INPUTS} -> r: T, u: T, c: T, h: T", T=_FLOATS, **_both(_gru_cell),
    shape=shapes.like_inputs(1, 1, 1, 1), gradient=_gru_cell_gradient, sample=lambda: (_gru_sample(), {}),
    doc="One step of a GRU.",
)
GRUBlockCellGrad = op(
    "GRUBlockCellGrad", f"{_GRU_INPUTS}, r: T, u: T, c: T, d_h: T -> d_x: T, d_h_prev: T, d_c_bar: T, d_r_bar_u_bar: T",
    T=_FLOATS, **_both(_gru_cell_back),
    shape=lambda op: [op._inputs[0]._shape, op._inputs[1]._shape, *_with_columns(1, 2)(op)],
    no_gradient=UNDEFINED_GRADIENT,
    sample=lambda: ([*_gru_sample(), *_gru_cell(None, *_gru_sample())], {}), doc="The gradient of one step of a GRU.",
)
