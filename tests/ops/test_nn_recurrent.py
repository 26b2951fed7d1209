"""Recurrent layers in one operation: compiled against NumPy, and what is refused."""

import numpy as np
import pytest

import everflow as tf
from everflow._src.framework.registry import CARDS
from everflow._src.ops import nn_recurrent


def operands(time=6, batch=3, size=4, cells=5, dtype=np.float32):
    random = np.random.default_rng(0)
    shapes = [(time, batch, size), (batch, cells), (batch, cells), (size + cells, 4 * cells), (cells,), (cells,),
              (cells,), (4 * cells,)]
    return [random.standard_normal(shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("use_peephole", [False, True])
@pytest.mark.parametrize("version", ["", "V2"])
def test_compiled_for_any_length(version, use_peephole, dtype):
    given = operands(dtype=dtype)
    traces = []

    def both(n, *given):
        traces.append(n)
        gates = CARDS[f"BlockLSTM{version}"](n, *given, cell_clip=0.8, use_peephole=use_peephole)
        back = CARDS[f"BlockLSTMGrad{version}"](n, *given, *gates, gates[1], gates[6], use_peephole=use_peephole)
        return [*gates, *back]

    compiled = tf.function(both, jit_compile=True)
    for length in (6, 4, 1, 0):
        n = tf.constant(length, tf.int64)
        tensors = [tf.constant(v) for v in given]
        for one, other in zip(compiled(n, *tensors), both(n, *tensors)):
            np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=2e-5, atol=2e-5)
    assert len(traces) == 1 + 4


@pytest.mark.parametrize(("time", "batch"), [(0, 2), (3, 0)])
def test_nothing_to_do(time, batch):
    given = operands(time=time, batch=batch)
    for jit_compile in (False, True):
        function = tf.function(lambda n, *given: [
            *(gates := CARDS["BlockLSTM"](n, *given)),
            *CARDS["BlockLSTMGrad"](n, *given, *gates, gates[1], gates[6], use_peephole=True)], jit_compile=jit_compile)
        results = function(tf.constant(time, tf.int64), *[tf.constant(v) for v in given])
        assert results[6].shape == (time, batch, 5)
        assert results[7].shape == (time, batch, 4)
        assert not results[10].numpy().any()


def test_a_length_that_is_none():
    for length in (7, -1):
        with pytest.raises(tf.errors.InvalidArgumentError, match="seq_len_max must be between 0 and"):
            CARDS["BlockLSTM"](np.int64(length), *operands())
    with pytest.raises(tf.errors.InvalidArgumentError, match="seq_len_max must be a scalar"):
        CARDS["BlockLSTM"](np.array([3], np.int64), *operands())


def test_the_second_version_has_the_derivative():
    """TensorFlow differentiates BlockLSTMV2 by BlockLSTMGrad, whose gates lie in another order."""
    given = [tf.constant(v, tf.float64) for v in operands(time=2, batch=1, size=2, cells=2)]

    def loss(w):
        gates = CARDS["BlockLSTMV2"](np.int64(2), *given[:3], w, *given[4:])
        return tf.reduce_sum(gates[6] ** 2)

    (analytic,), (numeric,) = tf.test.compute_gradient(loss, [given[3]])
    np.testing.assert_allclose(analytic, numeric, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["LSTMBlockCell", "GRUBlockCell"])
def test_cells_compile_with_their_gradients(name):
    given = nn_recurrent._gru_sample() if name == "GRUBlockCell" else nn_recurrent._block_sample(2)

    def step(*given):
        with tf.GradientTape() as tape:
            tape.watch(given)
            loss = tf.reduce_sum(CARDS[name](*given)[-1] ** 2)
        return [g for g in tape.gradient(loss, given) if g is not None]

    tensors = [tf.constant(v) for v in given]
    for one, other in zip(tf.function(step, jit_compile=True)(*tensors), step(*tensors)):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=2e-5, atol=2e-5)
