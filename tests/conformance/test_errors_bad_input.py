"""What goes wrong when the user does: the class of the error, and that its message names the culprit.

Each mistake is made eagerly, while building a graph, and in a tf.function, where it applies. TensorFlow
notices some mistakes when a graph is built (ValueError, TypeError) and others only when it runs
(tf.errors.*), so the expected class depends on the way.
"""

import numpy as np
import pytest
import tensorflow as tf

v1 = tf.compat.v1
INVALID = tf.errors.InvalidArgumentError
X = np.arange(6, dtype=np.float32).reshape(2, 3)


def eagerly(function, *arrays):
    return function(*[tf.constant(array) for array in arrays])


def in_graph(function, *arrays, shapes=None):
    """Builds with known shapes (or `shapes`), then runs."""
    with tf.Graph().as_default(), v1.Session() as session:
        arrays = [np.asarray(array) for array in arrays]
        shapes = [array.shape for array in arrays] if shapes is None else shapes
        inputs = [
            v1.placeholder(a.dtype, s, name=f"in{i}")
            for i, (a, s) in enumerate(zip(arrays, shapes, strict=True))
        ]
        return session.run(function(*inputs), dict(zip(inputs, arrays, strict=True)))


def in_graph_of_unknown_shapes(function, *arrays):
    return in_graph(function, *arrays, shapes=[None] * len(arrays))


def in_function(function, *arrays):
    return tf.function(function)(*[tf.constant(array) for array in arrays])


def _assert_equal(x):
    with tf.control_dependencies([v1.assert_equal(x, x + 1.0, message="culprit")]):
        return tf.identity(x)


# name, function, arguments, eager error, graph and function error with known shapes, graph error with unknown
# shapes, a word which the messages contain
WRONG = [
    (
        "add_shapes",
        lambda x, y: tf.add(x, y, name="culprit"),
        (X, X.T),
        INVALID,
        ValueError,
        INVALID,
        "culprit|AddV2",
    ),
    (
        "matmul_shapes",
        lambda x, y: tf.matmul(x, y, name="culprit"),
        (X, X),
        INVALID,
        ValueError,
        INVALID,
        "culprit|MatMul",
    ),
    ("matmul_rank", lambda x, y: tf.matmul(x, y), (X[0], X[0]), INVALID, ValueError, INVALID, "ank|dim"),
    (
        "concat_shapes",
        lambda x, y: tf.concat([x, y], 0, name="culprit"),
        (X, X.T),
        INVALID,
        ValueError,
        INVALID,
        "culprit|oncat",
    ),
    (
        "concat_axis",
        lambda x: tf.concat([x, x], 2, name="culprit"),
        (X,),
        INVALID,
        ValueError,
        INVALID,
        "culprit|oncat|range",
    ),
    (
        "stack_shapes",
        lambda x, y: tf.stack([x, y], name="culprit"),
        (X, X.T),
        INVALID,
        ValueError,
        INVALID,
        "culprit|hape",
    ),
    (
        "stack_axis",
        lambda x: tf.stack([x, x], axis=4),
        (X,),
        ValueError,
        ValueError,
        (ValueError, INVALID),
        "4",
    ),
    (
        "reshape_size",
        lambda x: tf.reshape(x, [4, 2], name="culprit"),
        (X,),
        INVALID,
        ValueError,
        INVALID,
        "6|reshape",
    ),
    (
        "reshape_negative",
        lambda x: tf.reshape(x, [-2, 3]),
        (X,),
        INVALID,
        ValueError,
        (ValueError, INVALID),
        "-2|egative",
    ),
    (
        "reduce_axis",
        lambda x: tf.reduce_sum(x, axis=2, name="culprit"),
        (X,),
        INVALID,
        ValueError,
        INVALID,
        "2|culprit",
    ),
    ("reduce_negative_axis", lambda x: tf.reduce_max(x, axis=-3), (X,), INVALID, ValueError, INVALID, "3"),
    ("argmax_axis", lambda x: tf.argmax(x, axis=5), (X,), INVALID, ValueError, INVALID, "5|range"),
    ("expand_axis", lambda x: tf.expand_dims(x, 4), (X,), INVALID, ValueError, INVALID, "4|range"),
    ("squeeze_axis", lambda x: tf.squeeze(x, axis=0), (X,), INVALID, ValueError, INVALID, "1|squeeze"),
    ("transpose_perm", lambda x: tf.transpose(x, [0, 1, 2]), (X,), INVALID, ValueError, INVALID, "3|perm"),
    (
        "transpose_twice",
        lambda x: tf.transpose(x, [0, 0]),
        (X,),
        INVALID,
        (ValueError, INVALID),
        INVALID,
        "0|perm",
    ),
    ("split_uneven", lambda x: tf.split(x, 2, axis=1), (X,), INVALID, ValueError, INVALID, "3|split"),
    ("split_sizes", lambda x: tf.split(x, [1, 1], axis=1), (X,), INVALID, ValueError, INVALID, "2|3|split"),
    ("tile_rank", lambda x: tf.tile(x, [2]), (X,), INVALID, ValueError, INVALID, "ultiples|ank|1"),
    (
        "tile_negative",
        lambda x: tf.tile(x, [-1, 1]),
        (X,),
        INVALID,
        (ValueError, INVALID),
        INVALID,
        "-1|>= 0|egative",
    ),
    ("pad_rank", lambda x: tf.pad(x, [[1, 1]]), (X,), INVALID, ValueError, INVALID, "padd|hape|rank"),
    (
        "slice_size",
        lambda x: tf.slice(x, [0, 0], [3, 1]),
        (X,),
        INVALID,
        (ValueError, INVALID),
        INVALID,
        "3|lice",
    ),
    ("index", lambda x: x[2], (X,), INVALID, ValueError, INVALID, "bounds"),
    ("too_many_indices", lambda x: x[0, 0, 0], (X,), INVALID, ValueError, INVALID, "3|dim|ndex"),
    ("gather_index", lambda x: tf.gather(x, [5], name="culprit"), (X,), INVALID, INVALID, INVALID, "5"),
    ("gather_negative", lambda x: tf.gather(x, [-1]), (X,), INVALID, INVALID, INVALID, "-1"),
    ("gather_nd_index", lambda x: tf.gather_nd(x, [[5, 0]]), (X,), INVALID, INVALID, INVALID, "5"),
    (
        "one_hot_labels",
        lambda x: tf.nn.sparse_softmax_cross_entropy_with_logits([0, 1, 1], x),
        (X,),
        ValueError,
        ValueError,
        (ValueError, INVALID),
        "hape|3",
    ),
    (
        "conv_channels",
        lambda x: tf.nn.conv2d(x, tf.ones([3, 3, 4, 2]), 1, "SAME"),
        (np.ones([1, 8, 8, 3], np.float32),),
        INVALID,
        ValueError,
        INVALID,
        "3|4|depth|hannel",
    ),
    (
        "conv_padding",
        lambda x: tf.nn.conv2d(x, tf.ones([3, 3, 3, 2]), 1, "WRONG"),
        (np.ones([1, 8, 8, 3], np.float32),),
        (ValueError, INVALID),
        ValueError,
        ValueError,
        "WRONG|padding",
    ),
    (
        "bias_size",
        lambda x: tf.nn.bias_add(x, tf.ones([2])),
        (X,),
        INVALID,
        ValueError,
        INVALID,
        "2|bias|imension",
    ),
    (
        "fill_negative",
        lambda x: tf.fill([-1, 2], x),
        (np.float32(0),),
        INVALID,
        (ValueError, INVALID),
        (ValueError, INVALID),
        "-1|>= 0|egative",
    ),
    (
        "range_zero",
        lambda x: tf.range(0, x, 0),
        (np.int32(3),),
        INVALID,
        (ValueError, INVALID),
        (ValueError, INVALID),
        "delta|zero|0",
    ),
    (
        "broadcast_to",
        lambda x: tf.broadcast_to(x, [2, 4]),
        (X,),
        INVALID,
        ValueError,
        INVALID,
        "3|4|ncompatible",
    ),
    (
        "unstack_unequal",
        lambda x: tf.unstack(x, num=5),
        (X,),
        INVALID,
        ValueError,
        (ValueError, INVALID),
        "5|2",
    ),
    ("top_k", lambda x: tf.math.top_k(x, 4), (X,), INVALID, ValueError, INVALID, "4|k"),
    (
        "select_shapes",
        lambda x, y: tf.where([True, False, True, True], x, y),
        (X, X),
        INVALID,
        ValueError,
        INVALID,
        "hape|roadcast",
    ),
    ("cholesky_square", lambda x: tf.linalg.cholesky(x), (X,), INVALID, ValueError, INVALID, "square|2|3"),
    (
        "check_numerics",
        lambda x: tf.debugging.check_numerics(x / 0.0, "culprit"),
        (X,),
        INVALID,
        INVALID,
        INVALID,
        "culprit",
    ),
    ("integer_division", lambda x: x // 0, (np.array([1, 2]),), INVALID, INVALID, INVALID, "zero"),
    ("ensure_shape", lambda x: tf.ensure_shape(x, [3, 3]), (X,), INVALID, ValueError, INVALID, "3"),
    (
        "einsum",
        lambda x: tf.einsum("ij,jk->ik", x, x),
        (X,),
        (INVALID, ValueError),
        ValueError,
        INVALID,
        "2|3",
    ),
    ("assert_equal", _assert_equal, (X,), INVALID, INVALID, INVALID, "culprit"),
]


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case[0])
def test_wrong_values(case):
    _, function, arrays, eager_error, built_error, run_error, word = case
    with pytest.raises(eager_error, match=word):
        eagerly(function, *arrays)
    with pytest.raises(built_error, match=word):
        in_graph(function, *arrays)
    with pytest.raises(built_error, match=word):
        in_function(function, *arrays)
    with pytest.raises(run_error):
        in_graph_of_unknown_shapes(function, *arrays)


WRONG_DTYPES = [
    (
        "add_dtypes",
        lambda x, y: tf.add(x, y),
        (X, X.astype(np.float64)),
        INVALID,
        TypeError,
        "float64|double",
    ),
    ("mul_int_float", lambda x, y: tf.multiply(x, y), (X, X.astype(np.int32)), INVALID, TypeError, "int32"),
    (
        "matmul_dtypes",
        lambda x, y: tf.matmul(x, y),
        (X, X.T.astype(np.float64)),
        INVALID,
        TypeError,
        "float64|double",
    ),
    ("operator_dtypes", lambda x, y: x - y, (X, X.astype(np.int32)), INVALID, TypeError, "int32"),
    ("float_to_int", lambda x: x + 1.5, (np.array([1, 2]),), (INVALID, TypeError), TypeError, "float|int64"),
    ("string_to_float", lambda x: x * "a", (X,), (ValueError, TypeError), (ValueError, TypeError), "a|str"),
    ("none", lambda x: tf.add(x, None), (X,), ValueError, ValueError, "None"),
    ("sqrt_of_int", lambda x: tf.sqrt(x), (np.array([1, 2], np.int32),), INVALID, TypeError, "int32"),
    (
        "not_of_float",
        lambda x: tf.logical_not(x),
        (X,),
        (INVALID, ValueError),
        (TypeError, ValueError),
        "float|bool",
    ),
    (
        "concat_dtypes",
        lambda x: tf.concat([x, tf.ones([2, 3])], 0),
        (X.astype(np.int32),),
        (INVALID, TypeError),
        (TypeError, ValueError),
        "int32|float",
    ),
    ("stack_dtypes", lambda x, y: tf.stack([x, y]), (X, X.astype(np.int32)), INVALID, TypeError, "int32"),
    (
        "gather_float",
        lambda x: tf.gather(x, [0.5]),
        (X,),
        (INVALID, TypeError, ValueError),
        TypeError,
        "float|int",
    ),
    ("reshape_float", lambda x: tf.reshape(x, [1.5, 4]), (X,), (INVALID, TypeError), TypeError, "float|int"),
    ("index_by_float", lambda x: x[0.5], (X,), TypeError, TypeError, "0.5|indices|int"),
    ("dense_of_strings", lambda x: tf.strings.length(x), (X,), INVALID, TypeError, "float|string"),
    (
        "cast_from_string",
        lambda x: tf.cast(x, tf.float32),
        (np.array(["1"]),),
        (tf.errors.UnimplementedError, INVALID),
        (tf.errors.UnimplementedError, INVALID, TypeError),
        "string|Cast",
    ),
    ("wrong_dtype_name", lambda x: tf.cast(x, "nonsense"), (X,), TypeError, TypeError, "nonsense"),
]


@pytest.mark.parametrize("case", WRONG_DTYPES, ids=lambda case: case[0])
def test_wrong_dtypes(case):
    _, function, arrays, eager_error, built_error, word = case
    with pytest.raises(eager_error, match=word):
        eagerly(function, *arrays)
    with pytest.raises(built_error, match=word):
        in_graph(function, *arrays)
    with pytest.raises(built_error, match=word):
        in_function(function, *arrays)


# ------------------------------------------------------------------ the errors themselves


def test_eager_errors_know_the_operation():
    with pytest.raises(INVALID, match=r"Op:MatMul|MatMul") as caught:
        tf.matmul(X, X)
    error = caught.value
    assert isinstance(error, tf.errors.OpError)
    assert error.error_code == tf.errors.INVALID_ARGUMENT == 3
    assert "[2,3]" in error.message
    assert error.op is None and error.node_def is None


def test_run_time_errors_know_the_operation():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.int32, [None], name="which")
        y = tf.gather([1.0, 2.0], x, name="picked")
        with pytest.raises(INVALID) as caught:
            session.run(y, {x: [0, 9]})
        error = caught.value
        assert error.op is y.op
        assert error.node_def.name == "picked" and error.node_def.op == "GatherV2"
        assert "picked" in error.message and "9" in error.message
        assert __file__.rsplit("/", 1)[-1] in str(error)
        assert session.run(y, {x: [1]}).tolist() == [2.0]


def test_run_time_errors_in_functions_name_the_file():
    @tf.function
    def function(x):
        return tf.gather([1.0, 2.0], x, name="picked")

    with pytest.raises(INVALID) as caught:
        function(tf.constant([7]))
    assert "picked" in str(caught.value) and "7" in str(caught.value)
    assert function(tf.constant([1])).numpy().tolist() == [2.0]


@pytest.mark.parametrize(
    "name,code",
    [
        ("CancelledError", 1), ("UnknownError", 2), ("InvalidArgumentError", 3), ("DeadlineExceededError", 4),
        ("NotFoundError", 5), ("AlreadyExistsError", 6), ("PermissionDeniedError", 7),
        ("ResourceExhaustedError", 8), ("FailedPreconditionError", 9), ("AbortedError", 10),
        ("OutOfRangeError", 11), ("UnimplementedError", 12), ("InternalError", 13), ("UnavailableError", 14),
        ("DataLossError", 15), ("UnauthenticatedError", 16),
    ],
)  # fmt: skip
def test_error_classes(name, code):
    cls = getattr(tf.errors, name)
    error = cls(None, None, "what happened")
    assert isinstance(error, tf.errors.OpError) and isinstance(error, Exception)
    assert error.error_code == code and error.message == "what happened"
    assert error.op is None and error.node_def is None
    assert str(error) == "what happened"
    assert getattr(v1.errors, name) is cls
    constant = {"UnknownError": "UNKNOWN", "DataLossError": "DATA_LOSS"}.get(name)
    if constant:
        assert getattr(tf.errors, constant) == code


# ------------------------------------------------------------------ graph tensors and eager values


def test_a_graph_tensor_used_eagerly():
    with tf.Graph().as_default():
        symbolic = tf.constant(1.0, name="symbolic")
    with pytest.raises((TypeError, ValueError, AttributeError)):
        tf.add(symbolic, 1.0).numpy()
    with pytest.raises((TypeError, NotImplementedError)):
        float(symbolic)
    with pytest.raises(NotImplementedError):
        np.asarray(symbolic)


def test_a_tensor_that_leaks_from_a_function():
    leaked = []

    @tf.function
    def function(x):
        leaked.append(x * 2.0)
        return x

    function(tf.constant(1.0))
    with pytest.raises(TypeError, match="scope|graph"):
        tf.add(leaked[0], 1.0)

    @tf.function
    def other(x):
        return x + leaked[0]

    with pytest.raises(TypeError, match="scope|graph"):
        other(tf.constant(1.0))
    with pytest.raises(AttributeError):
        leaked[0].numpy()


def test_an_eager_tensor_used_in_a_graph():
    eager = tf.constant([1.0, 2.0])
    with tf.Graph().as_default(), v1.Session() as session:
        with pytest.raises((RuntimeError, TypeError, ValueError)):
            session.run(eager)
        with pytest.raises((RuntimeError, TypeError, ValueError)):
            x = v1.placeholder(tf.float32, [2])
            session.run(x, {eager: [1.0, 2.0]})
    with tf.Graph().as_default(), v1.Session() as session:
        assert session.run(tf.constant(eager.numpy()) + 1.0).tolist() == [2.0, 3.0]


def test_version_1_calls_are_refused_eagerly():
    with pytest.raises(RuntimeError, match="eager"):
        v1.placeholder(tf.float32)
    with pytest.raises(RuntimeError, match="eager"):
        tf.gradients(tf.constant(1.0), tf.constant(1.0))
    with pytest.raises(RuntimeError):
        v1.Session().run(tf.constant(1.0))
    with pytest.raises(RuntimeError):
        v1.train.GradientDescentOptimizer(0.1).minimize(tf.constant(1.0))
    with pytest.raises((NotImplementedError, RuntimeError)):
        tf.Variable(1.0).eval()


def test_symbolic_values_in_python_conditions():
    @tf.function(autograph=False)
    def branch(x):
        return x if x > 0 else -x

    @tf.function(autograph=False)
    def iterate(x):
        return [2 * y for y in x]

    @tf.function(autograph=False)
    def number(x):
        return float(x)

    with pytest.raises(tf.errors.OperatorNotAllowedInGraphError):
        branch(tf.constant(1.0))
    with pytest.raises(tf.errors.OperatorNotAllowedInGraphError):
        iterate(tf.constant([1.0]))
    with pytest.raises(TypeError):
        number(tf.constant(1.0))


# ------------------------------------------------------------------ functions, gradients, variables


def test_function_signatures():
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])
    def function(x):
        return x

    assert function(tf.ones([3, 2])).shape == [3, 2]
    with pytest.raises((TypeError, ValueError)):
        function(tf.ones([3, 3]))
    with pytest.raises((TypeError, ValueError)):
        function(tf.ones([3, 2], tf.int32))
    with pytest.raises((TypeError, ValueError)):
        function(tf.ones([3, 2]), tf.ones([3, 2]))
    with pytest.raises((TypeError, ValueError)):
        function()


def test_variables_are_not_made_on_every_call():
    @tf.function
    def function(x):
        return x + tf.Variable(1.0)

    with pytest.raises(ValueError, match="ariable"):
        function(tf.constant(1.0))


def test_eager_variables():
    variable = tf.Variable([1.0, 2.0], name="mine")
    with pytest.raises(ValueError, match=r"mine"):
        variable.assign([1.0, 2.0, 3.0])
    with pytest.raises((TypeError, ValueError, INVALID)):
        variable.assign(tf.constant([1, 2]))
    with pytest.raises(ValueError):
        tf.Variable(None)
    with pytest.raises((TypeError, ValueError)):
        tf.Variable(["a"], dtype=tf.float32)
    with pytest.raises((TypeError, AttributeError)):
        variable[0] = 1.0


def test_tapes():
    x = tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    assert tape.gradient(y, x).numpy() == 4.0
    with pytest.raises(RuntimeError, match="persistent"):
        tape.gradient(y, x)
    with pytest.raises(ValueError):
        with tf.GradientTape() as tape:
            with tape:
                pass
    with pytest.raises((TypeError, ValueError, AttributeError)):
        with tf.GradientTape() as tape:
            tape.watch("not a tensor")


def test_static_arguments(graph):
    with pytest.raises(TypeError):
        v1.placeholder("nonsense")
    with pytest.raises(ValueError):
        tf.nn.conv2d(tf.ones([1, 4, 4, 1]), tf.ones([1, 1, 1, 1]), [1, 2], "SAME", data_format="WRONG")
    with pytest.raises(ValueError):
        v1.get_variable("v", [-3])
    with pytest.raises((TypeError, ValueError)):
        tf.zeros("shape")
    with pytest.raises(TypeError):
        tf.add(1.0)
    with pytest.raises(TypeError):
        tf.add(1.0, 2.0, unknown=3)
    with pytest.raises((ValueError, TypeError)):
        tf.zeros([2, -3])
    with pytest.raises(ValueError):
        tf.concat([], 0)


def test_no_gradient_is_said_so(graph):
    weights = v1.get_variable("w", [])
    with pytest.raises(ValueError, match="[Nn]o gradients|[Gg]radient"):
        v1.train.GradientDescentOptimizer(0.1).minimize(tf.constant(1.0), var_list=[weights])
    with pytest.raises(ValueError, match="[Vv]ariables"):
        v1.train.GradientDescentOptimizer(0.1).minimize(tf.constant(1.0), var_list=[])
