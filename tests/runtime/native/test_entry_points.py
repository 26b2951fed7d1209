"""The library's own entry points, from ctypes and from XLA: whatever reaches them, they answer with an error."""

import ctypes
from pathlib import Path

import jax
import numpy as np
import pytest

from everflow._src.runtime.native import convolution as native
from everflow._src.runtime.native.convolution import FORWARD
from everflow._src.runtime.native.library import compiled_library, library
from tests.runtime.native.cases import KINDS, Case, check, needs_native, random_case

pytestmark = needs_native

CASE = Case((2, 12, 10, 8), (3, 3, 8, 16), (1, 1), (1, 1), "SAME")
FIELDS = ["kind", "type", "dims", "batch", "in_channels", "out_channels", "groups", "bias", "affine", "addend", "relu",
          *(f"{name}[{i}]" for name in ("size", "window", "output", "stride", "dilation", "before") for i in range(3)),
          "versioned"]
HUGE = [2 ** 31 - 1, 2 ** 31, 2 ** 40, 2 ** 62, 2 ** 63 - 1, -(2 ** 31), -(2 ** 63)]


def numbers_of(case, kind, dtype=np.float32, bias=False, relu=False):
    behind = native.Behind(bias=bias or None, relu=relu)
    return native._numbers(kind, dtype, case.x_shape, case.w_shape, case.geometry, behind)


def changed(numbers, field, value):
    result = numbers.copy()
    result[FIELDS.index(field)] = value
    return result


def test_the_names_of_the_numbers():
    numbers = numbers_of(CASE, FORWARD)
    assert numbers.size == len(FIELDS)
    assert numbers[FIELDS.index("out_channels")] == 16
    assert numbers[FIELDS.index("before[0]")] == 1


# ---- ctypes


def call(numbers, *shapes, dtype=np.float32, operands=None):
    arrays = operands or [np.ones(shape, dtype) for shape in shapes]
    a, b, *bias, result = arrays
    library().call("everflow_convolution", numbers, a, b, bias[0] if bias else None, result)
    return result


@pytest.mark.parametrize("kind", KINDS)
def test_a_description_of_another_length(kind):
    numbers = numbers_of(CASE, kind)
    for wrong in (numbers[:0], numbers[:-1], np.append(numbers, 1)):
        with pytest.raises(RuntimeError, match="the description is incomplete"):
            call(wrong, *CASE.shapes(kind))


@pytest.mark.parametrize(("field", "value", "message"), [
    ("kind", 3, "unknown kind"),
    ("kind", -1, "unknown kind"),
    ("type", 2, "unknown type"),
    ("dims", 0, "one to three spatial dimensions"),
    ("dims", 4, "one to three spatial dimensions"),
    ("batch", 0, "out of range"),
    ("in_channels", -8, "out of range"),
    ("out_channels", 2 ** 31, "out of range"),
    ("groups", 0, "out of range"),
    ("groups", 3, "no multiple of groups"),
    ("bias", 2, "a bias belongs"),
    ("relu", -1, "a rectifier belongs"),
    ("size[0]", 0, "out of range"),
    ("window[1]", -1, "out of range"),
    ("output[0]", 0, "out of range"),
    ("stride[0]", 0, "out of range"),
    ("dilation[1]", 0, "out of range"),
    ("before[0]", -1, "wider than the window"),
    ("before[0]", 3, "wider than the window"),
    ("output[0]", 20, "contradict"),
    ("size[1]", 90, "contradict"),
])
def test_numbers_that_make_no_sense(field, value, message):
    with pytest.raises(RuntimeError, match=message):
        call(changed(numbers_of(CASE, FORWARD), field, value), *CASE.shapes(FORWARD))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("which", "message"), [
    (0, "the first operand has another size"), (1, "the second operand has another size"),
    (2, "the result has another size"),
])
def test_buffers_of_another_size(kind, which, message):
    shapes = CASE.shapes(kind)
    shapes[which] = (*shapes[which][:-1], shapes[which][-1] - 1)
    with pytest.raises(RuntimeError, match=message):
        call(numbers_of(CASE, kind), *shapes)


def test_a_bias_of_another_size():
    x, w, y = CASE.shapes(FORWARD)
    with pytest.raises(RuntimeError, match="the bias has another size"):
        call(numbers_of(CASE, FORWARD, bias=True), x, w, (15,), y)
    with pytest.raises(RuntimeError, match="the bias has another size"):
        call(numbers_of(CASE, FORWARD, bias=True), x, w, y)
    with pytest.raises(RuntimeError, match="the bias has another size"):
        call(numbers_of(CASE, FORWARD), x, w, (16,), y)


def test_an_array_that_is_left_out():
    x, w, y = (np.ones(shape, np.float32) for shape in CASE.shapes(FORWARD))
    for operands in ([None, w, y], [x, None, y], [x, w, None]):
        with pytest.raises(RuntimeError, match="has another size"):
            call(numbers_of(CASE, FORWARD), operands=operands)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_at_random(kind):
    """A few numbers of a description replaced: the call refuses, or the numbers still fit the memory."""
    random = np.random.default_rng(kind)
    refused = 0
    for _ in range(400):
        case = random_case(random, int(random.integers(1, 4)))
        if case.w_shape[-1] % case.geometry.groups or (numbers := numbers_of(case, kind)) is None:
            continue
        for _ in range(int(random.integers(1, 4))):
            near = int(random.integers(-2, 6))
            numbers[random.integers(numbers.size)] = random.choice(HUGE) if random.random() < 0.3 else near
        library().convolution_implementation(numbers)
        try:
            call(numbers, *case.shapes(kind))
        except RuntimeError as error:
            refused += 1
            assert str(error)
    assert refused > 200


def test_large_shapes_are_only_described():
    """Nothing of the size of the images is needed to find out how oneDNN would go about them."""
    random = np.random.default_rng(0)
    for _ in range(60):
        case = random_case(random, int(random.integers(1, 4)))
        numbers = numbers_of(case, FORWARD)
        scale = int(random.choice([2 ** 8, 2 ** 16, 2 ** 22]))
        numbers[FIELDS.index("batch")] *= scale
        assert isinstance(library().convolution_implementation(numbers), str)


# One product [4, 6] x [6, 5], and what is wrong when a number of its description is another one.
PRODUCT = [0, 1, 4, 5, 6, 0, 0, 0, 0, 0]
WRONG_PRODUCTS = [
    (0, 2, "unknown type"), (0, -1, "unknown type"), (1, 0, "out of range"), (2, -4, "out of range"),
    (3, 2 ** 31, "out of range"), (4, 2 ** 62, "out of range"), (4, 7, "another size"), (2, 5, "another size"),
    (1, 2, "another size"), (5, 2, "a flag"), (6, -1, "a flag"), (7, 2, "what comes behind"),
    (8, -1, "what comes behind"), (9, 2 ** 40, "what comes behind"),
]


def product_with(position, value):
    return np.array([value if i == position else n for i, n in enumerate(PRODUCT)], np.int64)


@pytest.mark.parametrize(("position", "value", "message"), WRONG_PRODUCTS)
def test_products_that_make_no_sense(position, value, message):
    a, b, result = np.ones((4, 6), np.float32), np.ones((6, 5), np.float32), np.ones((4, 5), np.float32)
    library().call("everflow_product", np.array(PRODUCT, np.int64), a, b, None, None, result)
    np.testing.assert_array_equal(result, np.full((4, 5), 6))
    with pytest.raises(RuntimeError, match=message):
        library().call("everflow_product", product_with(position, value), a, b, None, None, result)


def test_products_of_another_description_or_size():
    a, b, result = np.ones((4, 6), np.float32), np.ones((6, 5), np.float32), np.ones((4, 5), np.float32)
    for numbers in ([], PRODUCT[:-1], [*PRODUCT, 0]):
        with pytest.raises(RuntimeError, match="incomplete"):
            library().call("everflow_product", np.array(numbers, np.int64), a, b, None, None, result)
    numbers = product_with(0, 0)
    numbers[1:5] = 2 ** 30
    with pytest.raises(RuntimeError, match="too many elements"):
        library().call("everflow_product", numbers, a, b, None, None, result)
    for position in (7, 9):  # behind several products, or behind bfloat16
        for other, value in ((0, 1), (1, 2)):
            numbers = product_with(position, 1)
            numbers[other] = value
            with pytest.raises(RuntimeError, match="belongs to one product in single precision"):
                library().call("everflow_product", numbers, a, b, None, None, result)
    for position, behind in ((7, (None, result)), (7, (np.ones(4, np.float32), None)), (9, (None, None)),
                             (9, (None, b)), (0, (np.ones(5, np.float32), None)), (0, (None, result))):
        with pytest.raises(RuntimeError, match="has another size"):
            library().call("everflow_product", product_with(position, int(position > 0)), a, b, *behind, result)


def test_before_onednn_is_loaded(tmp_path):
    """A second copy of the library, which was not told where oneDNN lies."""
    path = tmp_path / "kernels.so"
    path.write_bytes(Path(library().functions._name).read_bytes())
    lone = ctypes.CDLL(str(path))
    lone.everflow_scratch_bytes.restype = ctypes.c_int64
    numbers, message = numbers_of(CASE, FORWARD), ctypes.create_string_buffer(256)
    found = [ctypes.c_int(-1) for _ in range(3)]
    lone.everflow_version(*[ctypes.byref(n) for n in found])
    assert [n.value for n in found] == [0, 0, 0]
    assert lone.everflow_scratch_bytes() == 0
    lone.everflow_trim_scratch()
    described = ctypes.c_void_p(numbers.ctypes.data), ctypes.c_int64(numbers.size)
    lone.everflow_convolution_implementation(*described, message)
    assert message.value == b""
    arrays = [np.ones(shape, np.float32) for shape in CASE.shapes(FORWARD)]
    sizes = np.array([arrays[0].nbytes, arrays[1].nbytes, 0, arrays[2].nbytes], np.int64)
    x, w, y = (ctypes.c_void_p(a.ctypes.data) for a in arrays)
    assert lone.everflow_convolution(*described, x, w, None, y,
                                     ctypes.c_void_p(sizes.ctypes.data), message) == 1
    assert message.value == b"oneDNN is not loaded"
    for wrong in (b"/nowhere/libdnnl.so.3", str(path).encode()):
        assert lone.everflow_load(wrong, message) == 1
        assert message.value


# ---- XLA


def ffi(numbers, shapes, dtypes=(np.float32,) * 3, target="everflow_convolution"):
    compiled_library(jax)
    arrays = [np.ones(shape, dtype) for shape, dtype in zip(shapes, dtypes)]
    result = jax.ShapeDtypeStruct(arrays[-1].shape, arrays[-1].dtype)
    program = jax.jit(lambda *given: jax.ffi.ffi_call(target, result)(*given, numbers=np.asarray(numbers)))
    return np.asarray(program(*arrays[:-1]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_direct_call_from_xla(kind):
    a, b, _ = (np.ones(shape, np.float32) for shape in CASE.shapes(kind))
    check(kind, CASE, a, b, ffi(numbers_of(CASE, kind), CASE.shapes(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_xla_gives_a_description_of_another_length(kind):
    numbers = numbers_of(CASE, kind)
    for wrong in (numbers[:-1], np.append(numbers, 1)):
        with pytest.raises(Exception, match="the description is incomplete"):
            ffi(wrong, CASE.shapes(kind))


@pytest.mark.parametrize(("field", "value", "message"), [
    ("batch", 0, "out of range"), ("batch", -(2 ** 63), "out of range"), ("batch", 3, "another size"),
    ("in_channels", 2 ** 62, "out of range"), ("type", 1, "unexpected type"), ("bias", 1, "number of operands"),
    ("output[1]", 20, "contradict"), ("kind", 7, "unknown kind"),
])
def test_xla_gives_numbers_that_make_no_sense(field, value, message):
    with pytest.raises(Exception, match=message):
        ffi(changed(numbers_of(CASE, FORWARD), field, value), CASE.shapes(FORWARD))


@pytest.mark.parametrize("kind", KINDS)
def test_xla_gives_buffers_of_another_size_or_type(kind):
    for which, message in enumerate(["the first operand", "the second operand", "the result"]):
        shapes, dtypes = CASE.shapes(kind), [np.float32] * 3
        shapes[which] = (*shapes[which][:-1], 3)
        with pytest.raises(Exception, match=f"{message} has another size"):
            ffi(numbers_of(CASE, kind), shapes)
        for wrong in (np.int32, np.float16):
            dtypes[which] = wrong
            with pytest.raises(Exception, match=f"{message} has an unexpected type"):
                ffi(numbers_of(CASE, kind), CASE.shapes(kind), dtypes)


def test_xla_gives_another_number_of_operands():
    x, w, y = CASE.shapes(FORWARD)
    for shapes in ([y], [x, y], [x, w, (16,), y], [x, w, (16,), (16,), y]):
        with pytest.raises(Exception, match="number of operands"):
            ffi(numbers_of(CASE, FORWARD), shapes, [np.float32] * len(shapes))
    with pytest.raises(Exception, match="the bias has another size"):
        ffi(numbers_of(CASE, FORWARD, bias=True), [x, w, (15,), y], [np.float32] * 4)


@pytest.mark.parametrize("numbers", [3, "text", [1.5, 2.5], np.zeros(27, np.int32), np.zeros((27, 1), np.float64)])
def test_xla_gives_numbers_of_another_kind(numbers):
    compiled_library(jax)
    x, w, y = (np.ones(shape, np.float32) for shape in CASE.shapes(FORWARD))
    call = jax.ffi.ffi_call("everflow_convolution", jax.ShapeDtypeStruct(y.shape, y.dtype))
    with pytest.raises(Exception, match="decode"):
        jax.jit(lambda x, w: call(x, w, numbers=np.array(numbers) if isinstance(numbers, list) else numbers))(x, w)


def test_xla_gives_products_that_make_no_sense():
    shapes = [(4, 6), (6, 5), (4, 5)]
    np.testing.assert_array_equal(ffi(np.array(PRODUCT), shapes, target="everflow_product"), np.full((4, 5), 6))
    for position, value, message in WRONG_PRODUCTS:
        with pytest.raises(Exception, match=message):
            ffi(product_with(position, value), shapes, target="everflow_product")
    for numbers in ([1, 4, 5], PRODUCT[:-1], [2 ** 62] * 9):
        with pytest.raises(Exception, match="incomplete"):
            ffi(np.array(numbers), shapes, target="everflow_product")
    with pytest.raises(Exception, match="unexpected type"):
        ffi(np.array(PRODUCT), shapes, (np.float32, np.int32, np.float32), "everflow_product")
    types = [np.float32] * 5
    for numbers, given in ((PRODUCT, [(4, 6), (4, 5)]), (PRODUCT, [(4, 6), (6, 5), (5,), (4, 5)]),
                           (product_with(7, 1), shapes), (product_with(9, 1), shapes)):
        with pytest.raises(Exception, match="number of operands"):
            ffi(np.array(numbers), given, types[:len(given)], "everflow_product")
    for position, behind, what in ((7, (4,), "the bias"), (9, (5, 5), "the features")):
        with pytest.raises(Exception, match=f"{what} has another size"):
            ffi(product_with(position, 1), [(4, 6), (6, 5), behind, (4, 5)], types[:4], "everflow_product")
