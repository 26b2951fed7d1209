"""Update operations: dense and sparse ones agree, on NumPy and compiled, on both kinds of variables."""

import numpy as np
import pytest

import everflow as tf
from everflow._src.framework.registry import CARDS
from everflow._src.ops.training_ops import SumDuplicateSlices

v1 = tf.compat.v1
raw = tf.raw_ops

NAMES = sorted(n[len("ResourceApply") :] for n in CARDS if n.startswith("ResourceApply"))
SPARSE = [n for n in NAMES if f"ResourceSparseApply{n}" in CARDS]
VALUES = {
    "lr": 0.1,
    "alpha": 0.1,
    "momentum": 0.9,
    "beta1": 0.9,
    "beta2": 0.99,
    "beta1_power": 0.9,
    "beta2_power": 0.99,
    "epsilon": 0.01,
    "rho": 0.9,
    "l1": 0.01,
    "l2": 0.02,
    "l2_shrinkage": 0.1,
    "lr_power": -0.5,
    "global_step": 3,
    "sign_decay": 0.9,
    "beta": 0.8,
    "logbase": 1.0,
}


def operands(name, gradient, variables, indices=None):
    """The arguments of an update by name; `variables` are handles or references."""
    arguments, states = {}, iter(variables)
    for argument in CARDS[name].inputs:
        if argument.is_ref or argument.dtype is not None and argument.dtype.name == "resource":
            arguments[argument.name] = next(states)
        elif argument.name in ("grad", "delta"):
            arguments[argument.name] = gradient
        elif argument.name == "indices":
            arguments[argument.name] = indices
        elif argument.name == "global_step":
            arguments[argument.name] = tf.constant(3, tf.int64)
        else:
            arguments[argument.name] = tf.constant(VALUES[argument.name], gradient.dtype)
    return arguments


def starts(name, rows=4):
    count = sum(a.dtype is not None and a.dtype.name == "resource" for a in CARDS[f"ResourceApply{name}"].inputs)
    random = np.random.default_rng(0)
    values = [np.abs(random.standard_normal((rows, 2))).astype(np.float32) + 0.5 for _ in range(count)]
    if name == "CenteredRMSProp":
        values[1] *= 0.1  # the square of a mean is below the mean of squares
    return values


GRADIENT = np.random.default_rng(1).standard_normal((4, 2)).astype(np.float32)


def after_a_step(name, sparse=False, reference=False, compiled=False, function=False):
    """The values of the variables after two steps."""
    values = starts(name)
    if function:
        variables = [tf.Variable(v) for v in values]
        handles = [v.handle for v in variables]

        @tf.function(jit_compile=compiled)
        def step(gradient):
            getattr(raw, f"ResourceApply{name}")(**operands(f"ResourceApply{name}", gradient, handles))

        step(tf.constant(GRADIENT))
        step(tf.constant(GRADIENT))
        return [v.numpy() for v in variables]
    prefix = ("" if reference else "Resource") + ("SparseApply" if sparse else "Apply")
    with tf.Graph().as_default():
        variables = [v1.Variable(v, use_resource=not reference) for v in values]
        handles = [v._ref() if reference else v.handle for v in variables]
        indices = tf.constant([2, 0, 3, 1]) if sparse else None
        gradient = tf.constant(GRADIENT[[2, 0, 3, 1]] if sparse else GRADIENT)
        result = getattr(raw, prefix + name)(**operands(prefix + name, gradient, handles, indices))
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            session.run(result)
            session.run(result)
            return session.run(variables)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_changes_the_variables_and_keeps_their_type(name):
    for new, old in zip(after_a_step(name), starts(name), strict=True):
        assert new.dtype == np.float32 and new.shape == old.shape and np.isfinite(new).all()
    assert not np.allclose(after_a_step(name)[0], starts(name)[0])


@pytest.mark.parametrize("name", NAMES)
def test_compiled_agrees_with_numpy(name):
    for one, two in zip(after_a_step(name), after_a_step(name, function=True, compiled=True), strict=True):
        np.testing.assert_allclose(one, two, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", SPARSE)
def test_a_gradient_of_all_rows_is_a_dense_one(name):
    for one, two in zip(after_a_step(name), after_a_step(name, sparse=True), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6)


@pytest.mark.parametrize("name", [n for n in NAMES if f"Apply{n}" in CARDS])
@pytest.mark.parametrize("sparse", [False, True])
def test_reference_variables_are_updated_alike(name, sparse):
    if sparse and name not in SPARSE:
        sparse = False
    for one, two in zip(after_a_step(name, sparse), after_a_step(name, sparse, reference=True), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-6)


def test_a_row_that_is_named_twice_takes_two_steps():
    variable, accumulator = tf.Variable([[1.0], [2.0]]), tf.Variable([[0.0], [0.0]])
    raw.ResourceSparseApplyMomentum(
        var=variable.handle, accum=accumulator.handle, lr=1.0, grad=tf.constant([[1.0], [2.0]]),
        indices=tf.constant([1, 1]), momentum=0.5,
    )  # fmt: skip
    assert accumulator.numpy().tolist() == [[0.0], [2.5]] and variable.numpy().tolist() == [[1.0], [-1.5]]


def test_attrs_choose_the_formula():
    variable, accumulator = tf.Variable([1.0]), tf.Variable([1.0])
    step = {"var": variable.handle, "accum": accumulator.handle, "lr": 1.0, "grad": tf.constant([2.0])}
    raw.ResourceApplyMomentum(**step, momentum=0.5, use_nesterov=True)
    assert accumulator.numpy() == [2.5] and variable.numpy() == [1.0 - (2.0 + 1.25)]
    raw.ResourceApplyAdagrad(**step, update_slots=False)
    assert accumulator.numpy() == [2.5]


def test_shapes_must_agree():
    variable = tf.Variable([1.0, 2.0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="same shape"):
        raw.ResourceApplyGradientDescent(var=variable.handle, alpha=1.0, delta=tf.constant([1.0]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="out of range"):
        raw.ResourceSparseApplyAdagrad(
            var=variable.handle, accum=tf.Variable([1.0, 1.0]).handle, lr=1.0, grad=tf.constant([1.0]),
            indices=tf.constant([2]),
        )  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float16, np.float64, tf.bfloat16.as_numpy_dtype])
def test_other_dtypes(dtype):
    variable, m, v = (tf.Variable(np.ones(2, dtype)) for _ in range(3))
    arguments = operands("ResourceApplyAdam", tf.constant(np.ones(2, dtype)), [variable.handle, m.handle, v.handle])
    raw.ResourceApplyAdam(**arguments)
    assert all(x.numpy().dtype == dtype for x in (variable, m, v)) and float(variable[0]) < 1.0


@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_duplicate_slices_add_up(index):
    values = tf.constant([[1.0], [2.0], [4.0], [8.0]])
    summed, unique = SumDuplicateSlices(values, tf.constant([3, 0, 3, 1], index))
    assert unique.numpy().tolist() == [0, 1, 3] and summed.numpy().tolist() == [[2.0], [8.0], [5.0]]
    summed, unique = SumDuplicateSlices(tf.zeros([0, 2]), tf.zeros([0], index))
    assert summed.shape == [0, 2] and unique.shape == [0]
