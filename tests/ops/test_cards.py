"""Every operation card: is it complete, and do its parts agree with each other?

The sample of a card drives everything: the NumPy kernel against the declared dtypes and static shapes, the
compiled kernel against the NumPy kernel, the gradient against differences, twice.
"""

import numpy as np
import pytest

import everflow._src.ops.core  # noqa: F401 - declares every card
from everflow._src.autodiff.tape import GradientTape
from everflow._src.framework import dtypes
from everflow._src.framework.conversion import convert
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.graph import Graph
from everflow._src.framework.registry import CARDS
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.constants import placeholder
from everflow._src.runtime.frames import HostFrame
from everflow._src.runtime.program import Program
from everflow._src.runtime.resources import EAGER_STORE
from tests.ops.card_exceptions import (
    HOST_FOR_FED_OPERANDS,
    INPUTS_WITHOUT_GRADIENT,
    NO_SAMPLE,
    NO_SECOND_GRADIENT,
    OUTPUTS_WITHOUT_GRADIENT,
    OWN_GRADIENT,
    PADDED_WHEN_COMPILED,
)

NAMES = sorted(CARDS)
SAMPLED = [n for n in NAMES if CARDS[n].sample is not None]
PURE = [n for n in SAMPLED if not CARDS[n].stateful]


def sample_of(name, wide=False):
    """The operands of a sample, grouped as the signature is, and its attrs; as float64 if `wide`."""
    card = CARDS[name]
    operands, attrs = card.sample()
    if wide:
        swaps = {}
        for argument in card.inputs:
            if argument.type_attr and dtypes.float64 in (card.attrs[argument.type_attr].allowed or ()):
                swaps[argument.type_attr] = True
        attrs = {k: dtypes.float64 if v is dtypes.float32 else v for k, v in attrs.items()}
        widened = []
        for argument, operand in zip(card.inputs, operands):
            if argument.type_attr in swaps or argument.type_attr and not card.attrs[argument.type_attr].allowed:
                operand = _map(operand, _widen)
            elif argument.type_list_attr:
                operand = _map(operand, _widen)
            widened.append(operand)
        operands = widened
        for key, attr in card.attrs.items():
            if attr.kind == "type" and attr.default == dtypes.float32 and key not in attrs and key in swaps:
                attrs[key] = dtypes.float64
    return operands, attrs


def _widen(value):
    value = np.asarray(value)
    return value.astype(np.float64) if value.dtype == np.float32 else value


def _map(operand, function):
    return [function(v) for v in operand] if isinstance(operand, (list, tuple)) else function(operand)


def apply_to(name, operands, attrs):
    """The outputs of an operation as a flat list of tensors."""
    result = CARDS[name](*[_map(o, convert) for o in operands], **attrs)
    return flat(result)


def flat(value):
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in flat(item)]
    return [] if value is None else [value]


def graph_of(name, operands, attrs, shape_of):
    """A graph with the operation, whose static operands are known: placeholders, values to feed, outputs."""
    card = CARDS[name]
    graph = Graph()
    fed, values = [], []

    def feed(value):
        array = np.asarray(value)
        tensor = placeholder(as_dtype(array.dtype), shape_of(array))
        fed.append(tensor)
        values.append(array)
        return tensor

    with graph.as_default():
        arguments = []
        for argument, operand in zip(card.inputs, operands):
            if argument.name in card.static:
                arguments.append(_map(operand, lambda v: convert(np.asarray(v))))
            else:
                arguments.append(_map(operand, feed))
        outputs = flat(card(*arguments, name=name.lstrip("_"), **attrs))
    return graph, fed, values, outputs


def assert_agree(actual, expected, message, tolerance=2e-5):
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == expected.dtype, f"{message}: dtype {actual.dtype} instead of {expected.dtype}"
    assert actual.shape == expected.shape, f"{message}: shape {actual.shape} instead of {expected.shape}"
    if expected.dtype == object:
        assert actual.tolist() == expected.tolist(), message
    elif expected.dtype.kind in "biu":
        np.testing.assert_array_equal(actual, expected, message)
    else:
        kind = np.complex128 if expected.dtype.kind == "c" else np.float64
        np.testing.assert_allclose(actual.astype(kind), expected.astype(kind), tolerance, tolerance, err_msg=message)


@pytest.mark.parametrize("name", NAMES)
def test_card_is_complete(name):
    card = CARDS[name]
    assert card.shape is not None or card.sample is None, "no shape rule"
    assert card.kernel is not None, "no kernel"
    assert card.gradient is not None or card.no_gradient, "neither a gradient nor a reason why there is none"
    if not takes_functions(card):  # these have one as soon as autodiff/ is loaded
        assert not (card.gradient is not None and card.no_gradient), "a gradient, and a reason why there is none"
    assert card.doc, "no doc"
    if not touches_state(card):
        assert (card.sample is None) == (name in NO_SAMPLE), "no sample, or a sample and an exception"


def takes_functions(card):
    return any(a.kind in ("func", "list(func)") for a in card.attrs.values())


def touches_state(card):
    """True for operations on variables, queues, lists, functions: no plain array can be their operand."""
    opaque = ("resource", "variant")
    return (
        card.stateful
        or takes_functions(card)
        or any(a.is_ref or a.dtype and a.dtype.name in opaque for a in (*card.inputs, *card.outputs))
    )


def test_exceptions_name_operations():
    for table in (NO_SAMPLE, INPUTS_WITHOUT_GRADIENT, NO_SECOND_GRADIENT, OWN_GRADIENT):
        assert set(table) <= set(CARDS), "an exception for an operation that is not there"


@pytest.mark.parametrize("name", SAMPLED)
def test_eager_result_has_the_declared_dtypes(name):
    operands, attrs = sample_of(name)
    outputs = apply_to(name, operands, attrs)
    _, _, _, symbolic = graph_of(name, operands, attrs, lambda a: a.shape)
    assert [t.dtype.name for t in outputs] == [t.dtype.name for t in symbolic]


@pytest.mark.parametrize("known", ["shapes", "ranks", "nothing"])
@pytest.mark.parametrize("name", PURE)
def test_static_shape_holds(name, known):
    operands, attrs = sample_of(name)
    outputs = apply_to(name, operands, attrs)
    forms = {"shapes": lambda a: a.shape, "ranks": lambda a: [None] * a.ndim, "nothing": lambda a: None}
    _, _, _, symbolic = graph_of(name, operands, attrs, forms[known])
    for eager, static in zip(outputs, symbolic):
        if eager.dtype in (dtypes.resource, dtypes.variant):
            continue
        assert static.shape.is_compatible_with(TensorShape(eager.shape)), (
            f"the static shape {static.shape} contradicts {eager.shape}"
        )


@pytest.mark.parametrize("name", [n for n in PURE if n not in PADDED_WHEN_COMPILED])
def test_compiled_agrees_with_numpy(name):
    operands, attrs = sample_of(name)
    expected = [t._array for t in apply_to(name, operands, attrs)]
    _, fed, values, symbolic = graph_of(name, operands, attrs, lambda a: a.shape)
    program = Program(fed, symbolic, compile_now=True)
    actual = program.execute(values, HostFrame(EAGER_STORE))
    for index, (left, right) in enumerate(zip(actual, expected)):
        if symbolic[index].dtype in (dtypes.resource, dtypes.variant):
            continue
        assert_agree(left, right, f"output {index} of the compiled {name}")
    on_host = CARDS[name].host or name in HOST_FOR_FED_OPERANDS
    if not on_host and fed and not any(t.dtype == dtypes.string for t in [*fed, *symbolic]):
        assert not any(i.host for i in program.instructions), (
            f"fell back to the host: {[i.host_reason for i in program.instructions]}"
        )


# ---- gradients


def _is_float(value):
    return np.asarray(value).dtype == np.float64


DIFFERENTIABLE = [
    n
    for n in PURE
    if CARDS[n].gradient is not None
    and n not in OWN_GRADIENT
    and any(_is_float(v) for o in sample_of(n, wide=True)[0] for v in (o if isinstance(o, (list, tuple)) else [o]))
]


class Function:
    """An operation as a function of its floating point operands, to one number."""

    def __init__(self, name):
        self.name = name
        self.operands, self.attrs = sample_of(name, wide=True)
        self.places = []
        for i, (argument, operand) in enumerate(zip(CARDS[name].inputs, self.operands)):
            if argument.name in CARDS[name].static:
                continue
            if isinstance(operand, (list, tuple)):
                self.places.extend((i, j) for j, v in enumerate(operand) if _is_float(v))
            elif _is_float(operand):
                self.places.append((i, None))
        self.weights = None

    def values(self):
        return [np.array(self.operands[i] if j is None else self.operands[i][j]) for i, j in self.places]

    def tensors(self, values):
        """All operands as tensors, and those of `places` among them."""
        tensors = [_map(o, convert) for o in self.operands]
        sources = [convert(v) for v in values]
        for (i, j), source in zip(self.places, sources):
            if j is None:
                tensors[i] = source
            else:
                tensors[i][j] = source
        return tensors, sources

    def total(self, tensors):
        """The weighted sum of all elements of all floating point outputs."""
        card = CARDS[self.name]
        outputs = flat(card(*tensors, **self.attrs))
        if not card.has_list_outputs:
            without = OUTPUTS_WITHOUT_GRADIENT.get(self.name, ())
            outputs = [t for a, t in zip(card.outputs, outputs) if a.name not in without]
        outputs = [t for t in outputs if t.dtype == dtypes.float64]
        if self.weights is None:
            random = np.random.default_rng(7)
            self.weights = [random.uniform(0.5, 1.5, t.shape.as_list()) for t in outputs]
        total = None
        for output, weights in zip(outputs, self.weights):
            part = CARDS["Sum"](output * convert(weights), np.arange(weights.ndim, dtype=np.int32))
            total = part if total is None else total + part
        return total

    def __call__(self, values):
        tensors, _ = self.tensors(values)
        total = self.total(tensors)
        return None if total is None else float(total)

    def gradients(self, values):
        tensors, sources = self.tensors(values)
        with GradientTape() as tape:
            for source in sources:
                tape.watch(source)
            total = self.total(tensors)
        return [dense(g) for g in tape.gradient(total, sources)]

    def second_gradients(self, values, directions):
        """Gradients of the first gradients' product with `directions`; None where they do not depend."""
        tensors, sources = self.tensors(values)
        with GradientTape() as outer:
            for source in sources:
                outer.watch(source)
            with GradientTape() as inner:
                for source in sources:
                    inner.watch(source)
                total = self.total(tensors)
            first = inner.gradient(total, sources)
            product = None
            for gradient, direction in zip(first, directions):
                if gradient is None:
                    continue
                axes = np.arange(direction.ndim, dtype=np.int32)
                part = CARDS["Sum"](convert(gradient) * convert(direction), axes)
                product = part if product is None else product + part
        return [dense(g) for g in outer.gradient(product, sources)]


def dense(gradient):
    return None if gradient is None else np.asarray(convert(gradient)._array)


def differences(function, values, step=1e-5):
    """Central differences of a function of a list of arrays."""
    result = []
    for index, value in enumerate(values):
        slopes = np.zeros_like(value)
        for place in np.ndindex(*value.shape):
            ends = []
            for sign in (1, -1):
                moved = [v.copy() for v in values]
                moved[index][place] += sign * step
                ends.append(function(moved))
            slopes[place] = (ends[0] - ends[1]) / (2 * step)
        result.append(slopes)
    return result


def assert_slopes(name, function, analytic, numeric, order):
    for (i, _), given, expected in zip(function.places, analytic, numeric):
        argument = CARDS[name].inputs[i].name
        if argument in INPUTS_WITHOUT_GRADIENT.get(name, ()):
            continue
        if given is None:
            given = np.zeros_like(expected)
        assert given.shape == expected.shape, f"gradient by {argument} has shape {given.shape}"
        np.testing.assert_allclose(given, expected, 2e-5, 2e-6, err_msg=f"{order} gradient by {argument}")


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradient_is_the_derivative(name):
    function = Function(name)
    values = function.values()
    if function(values) is None:
        return  # no output is a floating point number
    assert_slopes(name, function, function.gradients(values), differences(function, values), "first")


@pytest.mark.parametrize("name", [n for n in DIFFERENTIABLE if n not in NO_SECOND_GRADIENT])
def test_gradient_of_gradient_is_the_derivative(name):
    function = Function(name)
    values = function.values()
    if function(values) is None:
        return
    random = np.random.default_rng(11)
    directions = [random.uniform(0.5, 1.5, v.shape) for v in values]
    first = function.gradients(values)
    if all(g is None for g in first):
        return

    def product(moved):
        total = 0.0
        for gradient, direction in zip(function.gradients(moved), directions):
            if gradient is not None:
                total += float(np.sum(gradient * direction))
        return total

    second = function.second_gradients(values, directions)
    numeric = differences(product, values)
    assert_slopes(name, function, second, numeric, "second")
