"""Runs one piece of TensorFlow code eagerly, inside `tf.function` and in a `Session`, and compares.

`check(function, arguments, expected)` is what most conformance tests consist of. The three ways differ in
what is known about shapes: everything (eager), the rank only (`tf.function`, every dimension None), nothing
(placeholders of unknown rank), so that static shape inference is exercised along with the values.
"""

import numpy as np
import tensorflow as tf

WAYS = ("eager", "function", "session")

_TOLERANCES = {  # relative, absolute
    "float16": (4e-3, 1e-3),
    "bfloat16": (2e-2, 8e-3),
    "float32": (1e-5, 1e-6),
    "complex64": (1e-5, 1e-6),
    "float64": (1e-9, 1e-11),
    "complex128": (1e-9, 1e-11),
}


def tensors_to_arrays(structure):
    """The same structure with NumPy arrays where eager tensors were."""
    return tf.nest.map_structure(lambda leaf: leaf.numpy() if hasattr(leaf, "numpy") else leaf, structure)


def run_eager(function, arguments):
    return tensors_to_arrays(function(*[tf.constant(a) for a in arguments]))


def run_function(function, arguments, shapes=None):
    """Calls `function` through `tf.function`; only the ranks of the arguments are known while tracing."""
    if shapes is None:
        shapes = [[None] * a.ndim for a in arguments]
    signature = [tf.TensorSpec(s, tf.as_dtype(a.dtype)) for s, a in zip(shapes, arguments, strict=True)]
    traced = tf.function(function, input_signature=signature)
    return tensors_to_arrays(traced(*[tf.constant(a) for a in arguments]))


def run_session(function, arguments, shapes=None):
    """Runs `function` on placeholders, by default of unknown rank, in a graph and session of its own."""
    if shapes is None:
        shapes = [None] * len(arguments)
    with tf.Graph().as_default():
        placeholders = [
            tf.compat.v1.placeholder(tf.as_dtype(a.dtype), s) for s, a in zip(shapes, arguments, strict=True)
        ]
        outputs = function(*placeholders)
        flat = tf.nest.flatten(outputs)
        with tf.compat.v1.Session() as session:
            values = session.run(flat, dict(zip(placeholders, arguments, strict=True)))
        for tensor, value in zip(flat, values, strict=True):
            assert tensor.shape.is_compatible_with(np.shape(value)), (
                f"static shape {tensor.shape} contradicts the value's shape {np.shape(value)}"
            )
            assert tensor.dtype == tf.as_dtype(np.asarray(value).dtype) or tensor.dtype == tf.string
    return tf.nest.pack_sequence_as(outputs, values)


def run(way, function, arguments, session_shapes=None, function_shapes=None):
    arguments = [np.asarray(a) for a in arguments]
    if way == "eager":
        return run_eager(function, arguments)
    if way == "function":
        return run_function(function, arguments, function_shapes)
    return run_session(function, arguments, session_shapes)


def assert_same(actual, expected, rtol=None, atol=None, message=""):
    """Compares nests of arrays. An ndarray in `expected` fixes the dtype too; Python numbers do not."""
    if isinstance(expected, dict):
        assert set(actual) == set(expected)
        for key, value in expected.items():
            assert_same(actual[key], value, rtol, atol, f"{message}[{key}]")
        return
    if isinstance(expected, tuple):
        assert isinstance(actual, (tuple, list)) and len(actual) == len(expected), (actual, expected)
        for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
            assert_same(a, e, rtol, atol, f"{message}[{i}]")
        return
    actual = np.asarray(actual)
    if isinstance(expected, (np.ndarray, np.generic)) and expected.dtype.kind not in "SUO":
        assert actual.dtype == expected.dtype, f"{message}: dtype {actual.dtype}, expected {expected.dtype}"
    expected = np.asarray(expected)
    assert actual.shape == expected.shape, f"{message}: shape {actual.shape}, expected {expected.shape}"
    name = str(actual.dtype)
    if name not in _TOLERANCES:
        np.testing.assert_array_equal(actual, expected, err_msg=message)
        return
    default_rtol, default_atol = _TOLERANCES[name]
    if name == "bfloat16":
        actual, expected = actual.astype(np.float32), expected.astype(np.float32)
    np.testing.assert_allclose(
        actual,
        expected,
        rtol=default_rtol if rtol is None else rtol,
        atol=default_atol if atol is None else atol,
        err_msg=message,
    )


def check(
    function,
    arguments,
    expected,
    *,
    rtol=None,
    atol=None,
    ways=WAYS,
    session_shapes=None,
    function_shapes=None,
):
    """Runs `function(*arguments)` in each of `ways` and compares with `expected`.

    Args:
      function: takes tensors, returns a tensor or a nest of them.
      arguments: NumPy arrays (or what `np.asarray` takes), one per parameter.
      expected: an array (dtype checked), Python numbers (dtype free), or a tuple or dict of these.
      session_shapes, function_shapes: static shapes of the arguments in these ways; the default is unknown
        rank in the session, and known rank with unknown dimensions in the function.
    """
    for way in ways:
        actual = run(way, function, arguments, session_shapes, function_shapes)
        assert_same(actual, expected, rtol, atol, message=f"in {way}")


def known_rank(*arguments):
    """Session shapes for functions that need the rank: every dimension is None."""
    return [[None] * np.ndim(a) for a in arguments]


def static(*arguments):
    """Session or function shapes for functions that need the whole shape."""
    return [list(np.shape(a)) for a in arguments]


def weighted_sum(outputs):
    """A scalar that depends differently on each element of each floating output."""
    total = None
    for output in tf.nest.flatten(outputs):
        if not (output.dtype.is_floating or output.dtype.is_complex):
            continue
        count = tf.cast(tf.size(output), output.dtype.real_dtype)
        index = tf.range(count) + tf.constant(1, output.dtype.real_dtype)
        weights = tf.cos(index * tf.constant(1.7, output.dtype.real_dtype)) + tf.constant(
            0.3, output.dtype.real_dtype
        )
        flat = tf.reshape(output, [-1])
        if output.dtype.is_complex:
            flat = tf.math.real(flat) + 0.5 * tf.math.imag(flat)
        term = tf.reduce_sum(flat * weights)
        total = term if total is None else total + term
    return total


def _dense(gradient):
    if isinstance(gradient, tf.IndexedSlices):
        return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, gradient.dense_shape[0])
    return gradient


def tape_gradient(function, indices=None):
    """A function that returns the gradients of `weighted_sum(function(...))` for the arguments."""

    def gradient(*tensors):
        chosen = range(len(tensors)) if indices is None else indices
        with tf.GradientTape() as tape:
            for i in chosen:
                tape.watch(tensors[i])
            total = weighted_sum(function(*tensors))
        return tuple(_dense(g) for g in tape.gradient(total, [tensors[i] for i in chosen]))

    return gradient


def symbolic_gradient(function, indices=None):
    """The same through `tf.gradients`, for graphs."""

    def gradient(*tensors):
        chosen = range(len(tensors)) if indices is None else indices
        gradients = tf.gradients(weighted_sum(function(*tensors)), [tensors[i] for i in chosen])
        return tuple(_dense(g) for g in gradients)

    return gradient


def numeric_gradient(function, arguments, indices=None, step=1e-5):
    """Central differences of `weighted_sum(function(...))`, in float64."""
    arguments = [np.array(a) for a in arguments]

    def evaluate():
        return float(weighted_sum(function(*[tf.constant(a) for a in arguments])).numpy())

    gradients = []
    for i in range(len(arguments)) if indices is None else indices:
        array = arguments[i]
        result = np.zeros(array.shape, array.dtype)
        for position in np.ndindex(array.shape):
            original = array[position]
            array[position] = original + step
            above = evaluate()
            array[position] = original - step
            below = evaluate()
            array[position] = original
            result[position] = (above - below) / (2 * step)
        gradients.append(result)
    return tuple(gradients)


def check_gradient(
    function,
    arguments,
    *,
    indices=None,
    order=1,
    step=1e-5,
    rtol=1e-5,
    atol=1e-6,
    ways=WAYS,
    session_shapes=None,
    function_shapes=None,
):
    """Compares the gradients of `function` with central differences, in each of `ways`.

    Floating arguments must be float64. `indices` says which arguments to differentiate (default: the
    floating ones). `order=2` differentiates the tape's gradient once more. The session way uses
    `tf.gradients`, the others a `tf.GradientTape`.
    """
    arguments = [np.asarray(a) for a in arguments]
    if indices is None:
        indices = [i for i, a in enumerate(arguments) if a.dtype.kind == "f"]
    for i in indices:
        assert arguments[i].dtype == np.float64
    for _ in range(order - 1):
        function = tape_gradient(function, indices)
    expected = numeric_gradient(function, arguments, indices, step)
    for way in ways:
        make = symbolic_gradient if way == "session" else tape_gradient
        actual = run(way, make(function, indices), arguments, session_shapes, function_shapes)
        assert_same(actual, expected, rtol, atol, message=f"gradient in {way}")
