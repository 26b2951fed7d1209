"""Generators: how states are made, what they refuse, and that programs advance them."""

import numpy as np
import pytest

import everflow as tf

Generator = tf.random.Generator


@pytest.mark.parametrize(
    "seed,state",
    [
        (1234, [1234, 0, 0]),
        (2**70 + 5, [5, 64, 0]),
        (-3, [-3, -1, -1]),
        ([1, 2], [0, 1, 2]),
        ([1, 2, 3, 4], [1, 2, 3]),
        (np.uint64(2**63 + 1), [0, 0, 1 - 2**63]),
    ],
)
def test_state_of_a_seed(seed, state):
    assert Generator.from_seed(seed).state.numpy().tolist() == state


def test_what_is_refused():
    with pytest.raises(ValueError, match="incompatible"):
        Generator.from_state([1, 2], "philox")
    with pytest.raises(ValueError, match="foo"):
        Generator.from_state([1, 2, 3], "foo")
    with pytest.raises(ValueError, match="incompatible"):
        Generator.from_key_counter(1, [1, 2, 3], "philox")
    with pytest.raises(ValueError, match="state"):
        Generator()
    with pytest.raises(tf.errors.UnimplementedError, match="ThreeFry"):
        Generator.from_seed(1, "threefry").uniform([3])
    with pytest.raises(ValueError, match="maxval"):
        Generator.from_seed(1).uniform([3], dtype=tf.int32)


def test_copies_go_their_own_way():
    generator = Generator.from_seed(4)
    copy = Generator(copy_from=generator)
    generator.skip(3)
    assert copy.state.numpy().tolist() == [4, 0, 0]
    assert generator.state.numpy().tolist() == [4 + 3 * 256, 0, 0]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_programs_advance_the_state(jit_compile):
    generator, reference = Generator.from_seed(9), Generator.from_seed(9)
    draw = tf.function(lambda: generator.normal([3]), jit_compile=jit_compile)
    for _ in range(3):
        np.testing.assert_allclose(draw().numpy(), reference.normal([3]).numpy(), 2e-5, 2e-6)
    assert generator.state.numpy().tolist() == reference.state.numpy().tolist()


def test_in_a_session():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        generator = Generator.from_seed(9)
        draw = generator.uniform([2])
        session.run(tf.compat.v1.global_variables_initializer())
        first, second = session.run(draw), session.run(draw)
    reference = Generator.from_seed(9)
    np.testing.assert_array_equal(first, reference.uniform([2]).numpy())
    np.testing.assert_array_equal(second, reference.uniform([2]).numpy())


def test_system_bits_differ():
    states = {tuple(Generator.from_non_deterministic_state().state.numpy().tolist()) for _ in range(3)}
    assert len(states) == 3
