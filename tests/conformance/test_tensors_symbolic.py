"""Symbolic tensors: names, static shapes, operators, methods refusals; in graphs and functions."""

import operator

import numpy as np
import pytest
import tensorflow as tf

v1 = tf.compat.v1
A = np.array([[1.0, 2.0, 3.5], [4.0, 0.5, 6.0]], np.float32)
B = np.array([[2.0, 3.0, 1.5], [0.25, 8.0, 2.0]], np.float32)


@pytest.mark.parametrize(
    "function,op_type,name",
    [
        (operator.add, "AddV2", "add"),
        (operator.sub, "Sub", "sub"),
        (operator.mul, "Mul", "mul"),
        (operator.truediv, "RealDiv", "truediv"),
        (operator.floordiv, "FloorDiv", "floordiv"),
        (operator.mod, "FloorMod", "mod"),
        (operator.pow, "Pow", "pow"),
        (operator.lt, "Less", "Less"),
        (operator.le, "LessEqual", "LessEqual"),
        (operator.gt, "Greater", "Greater"),
        (operator.ge, "GreaterEqual", "GreaterEqual"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_binary_operators(session, function, op_type, name):
    x, y = tf.constant(A, name="x"), tf.constant(B, name="y")
    result = function(x, y)
    assert result.op.type == op_type
    assert result.name == f"{name}:0"
    assert [tensor.name for tensor in result.op.inputs] == ["x:0", "y:0"]
    assert result.shape == [2, 3]
    np.testing.assert_allclose(session.run(result), function(A, B), rtol=1e-6)
    with_number = function(x, 2.0)
    assert with_number.name == f"{name}_1:0"
    assert with_number.op.inputs[1].name == f"{name}_1/y:0"
    reflected = function(A, y)
    assert isinstance(reflected, tf.Tensor)
    np.testing.assert_allclose(session.run(reflected), function(A, B), rtol=1e-6)


def test_unary_operators(session):
    x, flags = tf.constant(A, name="x"), tf.constant([True, False], name="flags")
    assert (-x).op.type == "Neg" and (-x).name == "Neg_1:0"
    assert abs(x).op.type == "Abs"
    assert (~flags).op.type == "LogicalNot"
    assert (flags & True).op.type == "LogicalAnd"
    assert (flags | flags).op.type == "LogicalOr"
    assert (tf.constant([1]) & tf.constant([3])).op.type == "BitwiseAnd"
    assert (x @ tf.transpose(x)).op.type == "MatMul"
    assert (tf.ones([2, 3, 4]) @ tf.ones([2, 4, 3])).op.type == "BatchMatMulV2"
    np.testing.assert_array_equal(session.run(flags ^ True), [False, True])


def test_reflected_operators(session):
    x = tf.constant(B)
    for function in (operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.mod):
        np.testing.assert_allclose(session.run(function(2.0, x)), function(np.float32(2), B), rtol=1e-6)
    assert (1.0 + x).name.startswith("add_")
    assert (1.0 + x).op.inputs[0].name.endswith("/x:0")


def test_equality_in_a_graph_is_identity(graph):
    x, y = tf.constant(1.0), tf.constant(1.0)
    assert (x == y) is False and (x == x) is True
    assert (x != y) is True
    assert (x == None) is False  # noqa: E711
    assert {x: "x", y: "y"}[y] == "y" and x in [y, x]
    assert len({x.ref(), y.ref(), x.ref()}) == 2
    assert x.ref().deref() is x
    assert tf.equal(x, y).op.type == "Equal" and tf.not_equal(x, y).op.type == "NotEqual"


def test_equality_in_a_function_is_elementwise():
    seen = []

    @tf.function
    def function(x, y):
        seen.extend([x == y, x != y, x == None])  # noqa: E711
        with pytest.raises(TypeError, match="unhashable"):
            hash(x)
        return x == y

    assert function(tf.constant([1, 2]), tf.constant([1, 3])).numpy().tolist() == [True, False]
    assert seen[0].op.type == "Equal" and seen[1].op.type == "NotEqual" and seen[2] is False


def test_attributes(graph):
    with tf.name_scope("scope"):
        x = v1.placeholder(tf.float32, [None, 3], name="x")
    assert x.name == "scope/x:0" and x.op.name == "scope/x"
    assert x.dtype is tf.float32 and x.graph is graph
    assert x.value_index == 0 and x.device == ""
    assert x.shape.as_list() == [None, 3] and x.get_shape().as_list() == [None, 3]
    assert x.ndim == 2
    assert x.op.outputs[0] is x
    y = x + 1.0
    z = y * x
    assert [op.name for op in x.consumers()] == ["add", "mul"]
    assert z.op.inputs[0] is y
    assert x.op.type == "Placeholder"
    outputs = tf.split(x, 3, axis=1)
    assert [t.name for t in outputs] == ["split:0", "split:1", "split:2"]
    assert outputs[2].value_index == 2


@pytest.mark.parametrize(
    "make,text",
    [
        (lambda: tf.constant([1.0, 2.0]), "Const:0\", shape=(2,), dtype=float32)"),
        (lambda: v1.placeholder(tf.int32), "Placeholder:0\", dtype=int32)"),
        (lambda: v1.placeholder(tf.int32, [None, 3]), "Placeholder:0\", shape=(None, 3), dtype=int32)"),
        (lambda: tf.constant("a", name="s"), "s:0\", shape=(), dtype=string)"),
        (lambda: tf.constant(1.0) + 2.0, "add:0\", shape=(), dtype=float32)"),
    ],
)  # fmt: skip
def test_printed_forms(graph, make, text):
    tensor = make()
    assert str(tensor) == f'Tensor("{text}'
    name = tensor.name
    shape = "<unknown>" if tensor.shape.rank is None else str(tensor.shape)
    assert repr(tensor) == f"<tf.Tensor '{name}' shape={shape} dtype={tensor.dtype.name}>"


def test_printed_forms_with_device_and_operations(graph):
    with tf.device("/cpu:0"):
        x = tf.constant(1, name="x")
    assert str(x) == 'Tensor("x:0", shape=(), dtype=int32, device=/device:CPU:0)'
    assert repr(x.op) == "<tf.Operation 'x' type=Const>"
    y = tf.add(x, x, name="y")
    text = str(y.op)
    for line in ('name: "y"', 'op: "AddV2"', 'input: "x"', 'key: "T"', "type: DT_INT32"):
        assert line in text


# ------------------------------------------------------------------ refusals


def test_no_bool_of_a_symbolic_tensor(graph):
    x = v1.placeholder(tf.float32, [], name="x")
    with pytest.raises(tf.errors.OperatorNotAllowedInGraphError):
        bool(x)
    with pytest.raises(TypeError):
        if x > 0:
            pass
    with pytest.raises(TypeError):
        not x  # noqa: B018


def test_no_iteration_of_a_symbolic_tensor(graph):
    x = v1.placeholder(tf.float32, [3], name="x")
    with pytest.raises(tf.errors.OperatorNotAllowedInGraphError):
        list(x)
    with pytest.raises(TypeError):
        for _ in x:
            pass
    with pytest.raises(TypeError):
        first, second, third = x
    with pytest.raises(TypeError):
        len(x)
    assert issubclass(tf.errors.OperatorNotAllowedInGraphError, TypeError)


@pytest.mark.parametrize(
    "convert", [float, int, np.asarray, operator.index], ids=["float", "int", "array", "index"]
)
def test_no_value_of_a_symbolic_tensor(graph, convert):
    x = tf.constant(1, name="x") + 1
    with pytest.raises((TypeError, NotImplementedError)):
        convert(x)


def test_no_numpy_of_a_symbolic_tensor(graph):
    x = tf.constant(1.0)
    with pytest.raises(AttributeError):
        x.numpy()
    with pytest.raises(NotImplementedError, match="numpy"):
        np.array(x)
    with pytest.raises(AttributeError):
        x.no_such_method()


def test_no_assignment_to_items(graph):
    x = tf.constant([1.0])
    with pytest.raises(TypeError):
        x[0] = 2.0


def test_eval_needs_a_session(graph):
    x = tf.constant(1.0)
    with pytest.raises(ValueError, match="session"):
        x.eval()
    with v1.Session():
        assert x.eval() == 1.0
    assert x.eval(session=v1.Session()) == 1.0


# ------------------------------------------------------------------ static shapes


def test_set_shape(graph):
    x = v1.placeholder(tf.float32, name="x")
    assert x.shape.rank is None
    x.set_shape([None, 3])
    assert x.shape.as_list() == [None, 3]
    x.set_shape([5, None])
    assert x.shape.as_list() == [5, 3]
    with pytest.raises(ValueError):
        x.set_shape([6, 3])
    with pytest.raises(ValueError):
        x.set_shape([5])
    assert tf.ensure_shape(x, [None, 3]).shape == [5, 3]


@pytest.mark.parametrize(
    "shape,function,result",
    [
        ([None, 3], lambda x: x + 1.0, [None, 3]),
        ([None, 3], lambda x: tf.matmul(x, tf.ones([3, 4])), [None, 4]),
        ([None, 3], lambda x: tf.transpose(x), [3, None]),
        ([None, 3], lambda x: tf.reduce_sum(x, 0), [3]),
        ([None, 3], lambda x: tf.reduce_sum(x, 1, keepdims=True), [None, 1]),
        ([None, 3], lambda x: tf.reduce_mean(x), []),
        ([None, 3], lambda x: tf.reshape(x, [-1]), [None]),
        ([2, 3], lambda x: tf.reshape(x, [-1]), [6]),
        ([None, 6], lambda x: tf.reshape(x, [-1, 2, 3]), [None, 2, 3]),
        ([None, 3], lambda x: tf.reshape(x, [tf.shape(x)[0], 3, 1]), [None, 3, 1]),
        ([None, 3], lambda x: tf.concat([x, x], 1), [None, 6]),
        ([None, 3], lambda x: tf.concat([x, x], 0), [None, 3]),
        ([None, 3], lambda x: tf.stack([x, x], 1), [None, 2, 3]),
        ([None, 3], lambda x: tf.expand_dims(x, -1), [None, 3, 1]),
        ([None, 1], lambda x: tf.squeeze(x, 1), [None]),
        ([None, 3], lambda x: tf.tile(x, [1, 2]), [None, 6]),
        ([None, 3], lambda x: x[:, 0], [None]),
        ([None, 3], lambda x: x[0], [3]),
        ([None, 3], lambda x: x[1:], [None, 3]),
        ([None, 3], lambda x: tf.shape(x), [2]),
        (None, lambda x: tf.shape(x), [None]),
        (None, lambda x: x + 1.0, None),
        (None, lambda x: tf.reduce_sum(x), []),
        (None, lambda x: tf.reduce_sum(x, 0), None),
        ([None, 3], lambda x: tf.argmax(x, 1), [None]),
        ([None, 3], lambda x: tf.one_hot(tf.argmax(x, 1), 7), [None, 7]),
        ([None, 3], lambda x: tf.gather(x, [0, 1]), [2, 3]),
        ([None, 3], lambda x: tf.pad(x, [[1, 1], [0, 2]]), [None, 5]),
        ([None, 8, 8, 3], lambda x: tf.nn.conv2d(x, tf.ones([3, 3, 3, 5]), 2, "SAME"), [None, 4, 4, 5]),
        ([None, 8, 8, 3], lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"), [None, 4, 4, 3]),
        (
            [None, None, None, 3],
            lambda x: tf.nn.conv2d(x, tf.ones([3, 3, 3, 5]), 1, "VALID"),
            [None, None, None, 5],
        ),
        ([None, 3], lambda x: tf.where(x > 0), [None, 2]),
        ([None, 3], lambda x: tf.boolean_mask(x, [True, False]), [None, 3]),
        ([None, 3], lambda x: tf.cast(x, tf.int32), [None, 3]),
        ([4, 6], lambda x: tf.split(x, 3, axis=1)[0], [4, 2]),
        ([4, 6], lambda x: tf.split(x, [1, 5], axis=1)[1], [4, 5]),
        ([4, 6], lambda x: tf.unstack(x, axis=1)[5], [4]),
        ([None, 3], lambda x: tf.nn.softmax_cross_entropy_with_logits(labels=x, logits=x), [None]),
    ],
)
def test_static_shape_of_results(shape, function, result):
    with tf.Graph().as_default():
        symbolic = function(v1.placeholder(tf.float32, shape))
    assert symbolic.shape.rank is None if result is None else symbolic.shape.as_list() == result
    traced = []
    spec = tf.TensorSpec(shape, tf.float32)
    tf.function(lambda x: traced.append(function(x)), input_signature=[spec]).get_concrete_function()
    assert traced[0].shape == symbolic.shape or traced[0].shape.as_list() == symbolic.shape.as_list()


def test_shapes_from_constant_arithmetic(graph):
    size = tf.constant(2) * 3
    assert tf.zeros([size, 4]).shape == [6, 4]
    x = v1.placeholder(tf.float32, [5, None])
    assert tf.zeros([tf.shape(x)[0], 2]).shape == [5, 2]
    assert tf.zeros(tf.shape(x)).shape.as_list() == [5, None]
    assert tf.reshape(tf.range(6), tf.stack([2, 3])).shape == [2, 3]
    assert tf.range(2, 10, 3).shape == [3]
    assert tf.fill(tf.concat([tf.shape(x)[:1], [7]], 0), 1.0).shape == [5, 7]
    assert tf.get_static_value(tf.shape(tf.zeros([2, 3]))).tolist() == [2, 3]
    assert tf.get_static_value(x) is None


# ------------------------------------------------------------------ placeholders and constants


def test_placeholder_with_default(session):
    x = v1.placeholder_with_default(tf.constant([1.0, 2.0]), [None], name="x")
    assert x.op.type == "PlaceholderWithDefault" and x.shape.as_list() == [None]
    assert session.run(x * 2).tolist() == [2.0, 4.0]
    assert session.run(x * 2, {x: [5.0]}).tolist() == [10.0]


def test_constants_in_graphs(session):
    x = tf.constant([[1, 2], [3, 4]], name="x")
    assert x.op.type == "Const" and x.op.get_attr("dtype") is tf.int32
    assert len(x.op.inputs) == 0
    assert tf.constant(1.0).name == "Const:0" and tf.constant(1.0).name == "Const_1:0"
    assert tf.zeros([2]).name == "zeros:0" and tf.ones([2, 2]).name == "ones:0"
    assert tf.convert_to_tensor(3.0).name == "Const_2:0"
    assert tf.identity(x).name == "Identity:0"
    assert session.run(v1.constant([1, 2], shape=[3])).tolist() == [1, 2, 2]
    packed = tf.convert_to_tensor([x[0], x[1]])
    assert packed.op.type == "Pack" and session.run(packed).tolist() == [[1, 2], [3, 4]]
    mixed = tf.convert_to_tensor([1, x[0, 1], 5])
    assert session.run(mixed).tolist() == [1, 2, 5]


def test_large_integers_and_strings(session):
    assert session.run(tf.constant(2**40, tf.int64)) == 2**40
    assert session.run(tf.constant(["é", "b"])).tolist() == ["é".encode(), b"b"]
    assert session.run(tf.constant([b"\x00\xff"])).tolist() == [b"\x00\xff"]
    assert tf.constant(2**40).dtype is tf.int64


def test_indexing_makes_strided_slices(session):
    x = tf.constant(np.arange(24).reshape(2, 3, 4), name="x")
    y = x[1, ..., ::2]
    assert y.op.type == "StridedSlice" and y.name == "strided_slice:0"
    assert [tensor.op.name for tensor in y.op.inputs] == [
        "x", "strided_slice/stack", "strided_slice/stack_1", "strided_slice/stack_2"]  # fmt: skip
    i = v1.placeholder(tf.int32, [], name="i")
    assert session.run(x[i], {i: 1}).shape == (3, 4)
    assert session.run(x[:, i : i + 2, -1], {i: 1}).tolist() == [[7, 11], [19, 23]]
    assert x[:, i : i + 2].shape.as_list() == [2, None, 4]
    with pytest.raises(ValueError, match="out of bounds"):
        x[5]
    with pytest.raises(ValueError):
        x[0, 0, 0, 0]
    with pytest.raises(tf.errors.InvalidArgumentError):
        session.run(x[i], {i: 2})


def test_tensors_of_functions():
    seen = []

    @tf.function
    def function(x):
        seen.append(x)
        y = x * 2.0
        seen.append(y)
        return y

    assert function(tf.constant([1.0, 2.0])).numpy().tolist() == [2.0, 4.0]
    x, y = seen
    assert x.name == "x:0" and y.name == "mul:0" and x.op.type == "Placeholder"
    assert repr(y) == "<tf.Tensor 'mul:0' shape=(2,) dtype=float32>"
    assert x.graph is y.graph and x.graph is not v1.get_default_graph()
    with pytest.raises(AttributeError):
        y.numpy()


def test_tensors_of_plain_graphs_are_keys_wherever_one_stands():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [2])
        y = x + 1.0
        session = tf.compat.v1.Session()
    assert {x: 1}[x] == 1
    assert not x == y
    assert session.run(y, {x: [1.0, 2.0]}).tolist() == [2.0, 3.0]
