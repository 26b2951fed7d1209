"""tf.Graph: unique names, scopes, dependencies, devices, collections, look-ups."""

import re

import numpy as np
import pytest
import tensorflow as tf

v1 = tf.compat.v1


def names(graph):
    return [operation.name for operation in graph.get_operations()]


# ------------------------------------------------------------------ names


def test_names_are_made_unique(graph):
    assert [tf.constant(1, name="c").name for _ in range(3)] == ["c:0", "c_1:0", "c_2:0"]
    assert tf.constant(1, name="c_1").name == "c_1_1:0"
    assert tf.constant(1, name="C").name == "C_3:0"
    assert tf.constant(1, name="x/y").name == "x/y:0"
    assert tf.constant(1, name="x").name == "x:0"
    assert tf.constant(1, name="x/y").name == "x/y_1:0"
    assert tf.constant(1).name == "Const:0"
    assert tf.no_op().name == "NoOp"


def test_a_name_that_ends_with_a_slash_is_taken_as_it_is(graph):
    assert tf.constant(1, name="a/").name == "a:0"
    with pytest.raises(ValueError, match="a"):
        tf.constant(1, name="a/")


def test_unique_name(graph):
    assert graph.unique_name("n") == "n"
    assert graph.unique_name("n") == "n_1"
    assert graph.unique_name("n", mark_as_used=False) == "n_2"
    assert graph.unique_name("n") == "n_2"
    with tf.name_scope("s"):
        assert graph.unique_name("n") == "s/n"
    assert tf.constant(1, name="n").op.name == "n_3"


@pytest.mark.parametrize("bad", [" a", "a b", "-a", "é", "_a", "/a", "a:0", "a\\b$"])
def test_bad_operation_names(graph, bad):
    with pytest.raises(ValueError, match=re.escape(bad)):
        tf.constant(1, name=bad)


def test_names_within_a_scope_may_start_freely(graph):
    with tf.name_scope("a"):
        assert tf.constant(1, name="_b").op.name == "a/_b"
        assert tf.constant(1, name="-b").op.name == "a/-b"


@pytest.mark.parametrize("bad", ["_a", "a b", "-x", "é"])
def test_bad_scope_names(graph, bad):
    with pytest.raises(ValueError, match=bad):
        with tf.name_scope(bad):
            pass


def test_name_scopes_are_unique(graph):
    scopes = []
    for _ in range(3):
        with tf.name_scope("layer") as scope:
            scopes.append((scope, tf.constant(1, name="w").op.name))
    assert scopes == [("layer/", "layer/w"), ("layer_1/", "layer_1/w"), ("layer_2/", "layer_2/w")]


def test_nested_scopes(graph):
    with tf.name_scope("a"):
        with tf.name_scope("b") as inner:
            assert inner == "a/b/"
            assert graph.get_name_scope() == "a/b"
            assert tf.constant(1, name="c").op.name == "a/b/c"
        with tf.name_scope("b") as again:
            assert again == "a/b_1/"
        assert tf.constant(1, name="b").op.name == "a/b_2"
    assert graph.get_name_scope() == ""


def test_absolute_and_empty_scopes(graph):
    with tf.name_scope("a") as outer:
        pass
    with tf.name_scope(outer) as again:
        assert again == "a/"
        assert tf.constant(1, name="x").op.name == "a/x"
        with tf.name_scope("b/"):
            assert tf.constant(1, name="x").op.name == "b/x"
        with tf.name_scope(""):
            assert tf.constant(1, name="x").op.name == "x"
        with v1.name_scope(None):
            assert tf.constant(1, name="y").op.name == "y"
    with tf.name_scope("a/"):
        assert tf.constant(1, name="x").op.name == "a/x_1"
    with pytest.raises(ValueError):
        with tf.name_scope(None):
            pass


def test_version_1_name_scope_defaults(graph):
    with v1.name_scope(None, "default", [tf.constant(1)]) as scope:
        assert scope == "default/"
    with v1.name_scope("given", "default") as scope:
        assert scope == "given/"
    with v1.name_scope(None, "default") as scope:
        assert scope == "default_1/"
    with graph.name_scope("direct") as scope:
        assert scope == "direct/"
    assert v1.get_default_graph().get_name_scope() == ""


def test_scope_survives_an_exception(graph):
    with pytest.raises(RuntimeError):
        with tf.name_scope("a"):
            raise RuntimeError
    assert graph.get_name_scope() == ""


@pytest.mark.parametrize(
    "make,expected",
    [
        (lambda x: tf.add(x, 1.0), ["Add/y", "Add"]),
        (lambda x: x + 1.0, ["add/y", "add"]),
        (lambda x: tf.multiply(x, 2.0), ["Mul/y", "Mul"]),
        (lambda x: tf.subtract(x, x), ["Sub"]),
        (lambda x: tf.reduce_sum(x), ["Const", "Sum"]),
        (lambda x: tf.reduce_mean(x, axis=0), ["Mean/reduction_indices", "Mean"]),
        (lambda x: tf.reshape(x, [-1]), ["Reshape/shape", "Reshape"]),
        (lambda x: tf.expand_dims(x, 0), ["ExpandDims/dim", "ExpandDims"]),
        (lambda x: tf.matmul(x, x), ["MatMul"]),
        (lambda x: tf.nn.relu(x), ["Relu"]),
        (lambda x: tf.nn.softmax(x), ["Softmax"]),
        (lambda x: tf.cast(x, tf.int32), ["Cast"]),
        (lambda x: tf.concat([x, x], 0), ["concat/axis", "concat"]),
        (lambda x: tf.stack([x, x]), ["stack"]),
        (lambda x: tf.transpose(x), ["transpose/perm", "transpose"]),
        (lambda x: tf.zeros_like(x), ["zeros_like"]),
        (lambda x: tf.square(x), ["Square"]),
        (lambda x: tf.argmax(x, 0), ["ArgMax/dimension", "ArgMax"]),
        (lambda x: tf.random.normal([2]), [
            "random_normal/shape", "random_normal/mean", "random_normal/stddev",
            "random_normal/RandomStandardNormal", "random_normal/mul", "random_normal"]),
        (lambda x: tf.tile(x, [1, 1]), ["Tile/multiples", "Tile"]),
        (lambda x: tf.identity(x, name="out"), ["out"]),
        (lambda x: tf.nn.bias_add(x, tf.ones([2], name="b")), ["b", "BiasAdd"]),
        (lambda x: tf.group(x, name="all"), ["all"]),
        (lambda x: tf.range(3), ["range/start", "range/limit", "range/delta", "range"]),
    ],
)  # fmt: skip
def test_names_of_the_operations_that_a_function_makes(graph, make, expected):
    x = v1.placeholder(tf.float32, [2, 2], name="input")
    make(x)
    assert names(graph) == ["input"] + expected


# ------------------------------------------------------------------ operations


def test_operation_attributes(graph):
    x = v1.placeholder(tf.float32, [2, 3], name="x")
    y = tf.matmul(x, x, transpose_b=True, name="y")
    operation = y.op
    assert isinstance(operation, tf.Operation)
    assert operation.type == "MatMul" and operation.name == "y" and operation.graph is graph
    assert operation.get_attr("transpose_b") is True and operation.get_attr("transpose_a") is False
    assert operation.get_attr("T") is tf.float32
    assert [t.name for t in operation.inputs] == ["x:0", "x:0"]
    assert [t.name for t in operation.outputs] == ["y:0"]
    assert operation.control_inputs == []
    assert [t.name for t in operation.values()] == ["y:0"]
    assert operation.device == ""
    assert operation.node_def.op == "MatMul" and operation.node_def.name == "y"
    assert list(operation.node_def.input) == ["x", "x"]
    assert operation.op_def.name == "MatMul"
    with pytest.raises(ValueError, match="nothing"):
        operation.get_attr("nothing")
    assert tf.strings.reduce_join(tf.constant(["a"]), separator="-").op.get_attr("separator") == b"-"
    assert tf.nn.max_pool2d(tf.ones([1, 4, 4, 1]), 2, 2, "SAME").op.get_attr("ksize") == [1, 2, 2, 1]
    assert x.op.get_attr("shape").dim[1].size == 3


def test_control_dependencies(graph):
    a, b = tf.constant(1, name="a"), tf.constant(2, name="b")
    with tf.control_dependencies([a]):
        c = tf.constant(3, name="c")
        with tf.control_dependencies([b.op]):
            d = tf.identity(c, name="d")
        with tf.control_dependencies(None):
            e = tf.constant(4, name="e")
            with tf.control_dependencies([b]):
                f = tf.constant(5, name="f")
        g = tf.add(a, 1, name="g")
    assert [op.name for op in c.op.control_inputs] == ["a"]
    assert [op.name for op in d.op.control_inputs] == ["b"]
    assert e.op.control_inputs == []
    assert [op.name for op in f.op.control_inputs] == ["b"]
    assert [op.name for op in g.op.control_inputs] == []
    assert tf.constant(0).op.control_inputs == []
    assert list(f.op.node_def.input) == ["^b"]
    with pytest.raises(TypeError):
        with tf.control_dependencies([1]):
            pass


def test_group_tuple_and_no_op(session):
    variable = v1.get_variable("v", [], initializer=v1.zeros_initializer(), use_resource=True)
    session.run(variable.initializer)
    grouped = tf.group(variable.assign_add(1.0), variable.assign_add(1.0))
    assert grouped.type == "NoOp" and len(grouped.control_inputs) == 2
    session.run(grouped)
    assert session.run(variable) == 2.0
    one, two = tf.tuple([tf.constant(1), tf.constant(2)], control_inputs=[variable.assign_add(5.0).op])
    assert session.run([one, two]) == [1, 2] and session.run(variable) == 7.0
    with tf.control_dependencies([variable.assign_add(1.0)]):
        read = variable.read_value()
    assert session.run(read) == 8.0


def test_devices(graph):
    with tf.device("/cpu:0"):
        a = tf.constant(1)
        with tf.device("/job:worker/task:1"):
            b = tf.constant(1)
        with tf.device(None):
            c = tf.constant(1)
        with v1.device("/gpu:1"):
            d = tf.constant(1)
    with v1.device(lambda op: "/device:CPU:7" if op.type == "Const" else ""):
        e = tf.constant(1)
        f = tf.identity(e)
    assert a.device == "/device:CPU:0"
    assert b.device == "/job:worker/task:1/device:CPU:0"
    assert c.device == ""
    assert d.device == "/device:GPU:1"
    assert e.device == "/device:CPU:7" and f.device == ""
    with pytest.raises(ValueError):
        with tf.device("nonsense:1:2:3"):
            tf.constant(1)


def test_device_specs():
    spec = tf.DeviceSpec(job="ps", task=3, device_type="CPU", device_index=0)
    assert spec.to_string() == "/job:ps/task:3/device:CPU:0"
    parsed = tf.DeviceSpec.from_string("/job:worker/replica:1/task:2/gpu:4")
    assert (parsed.job, parsed.replica, parsed.task, parsed.device_type, parsed.device_index) == (
        "worker", 1, 2, "GPU", 4)  # fmt: skip
    assert parsed.replace(task=9).task == 9
    assert tf.DeviceSpec.from_string("/cpu:*").device_index is None


def test_colocation(graph):
    with tf.device("/cpu:0"):
        a = tf.constant(1, name="a")
    with v1.colocate_with(a):
        b = tf.constant(2, name="b")
    assert b.op.colocation_groups() == [b"loc:@a"]
    assert b.device == a.device
    assert a.op.colocation_groups() == [b"loc:@a"]


# ------------------------------------------------------------------ look-ups


def test_look_ups(graph):
    a = tf.constant(1, name="a")
    b = tf.split(tf.ones([4]), 2, name="b")
    assert graph.get_tensor_by_name("a:0") is a
    assert graph.get_tensor_by_name("b:1") is b[1]
    assert graph.get_operation_by_name("b") is b[0].op
    for thing in ("a:0", a):
        assert graph.as_graph_element(thing) is a
    assert graph.as_graph_element("a") is a.op
    assert graph.get_operations()[0] is a.op
    assert graph.is_feedable(a) and graph.is_fetchable(a)
    assert names(graph) == ["a", "ones", "b/split_dim", "b"]
    assert v1.get_default_graph() is graph
    assert graph.version == len(names(graph))


@pytest.mark.parametrize(
    "look,error",
    [
        (lambda g: g.get_tensor_by_name("absent:0"), KeyError),
        (lambda g: g.get_tensor_by_name("a:1"), KeyError),
        (lambda g: g.get_tensor_by_name("a"), ValueError),
        (lambda g: g.get_tensor_by_name(3), TypeError),
        (lambda g: g.get_operation_by_name("absent"), KeyError),
        (lambda g: g.get_operation_by_name("a:0"), ValueError),
        (lambda g: g.get_operation_by_name(3), TypeError),
        (lambda g: g.as_graph_element("absent"), KeyError),
        (lambda g: g.as_graph_element(object()), TypeError),
    ],
)
def test_failing_look_ups(graph, look, error):
    tf.constant(1, name="a")
    with pytest.raises(error):
        look(graph)


def test_absent_names_are_named(graph):
    with pytest.raises(KeyError, match="absent"):
        graph.get_tensor_by_name("absent:0")


def test_finalize(graph):
    tf.constant(1)
    assert not graph.finalized
    graph.finalize()
    assert graph.finalized
    with pytest.raises(RuntimeError, match="finalized"):
        tf.constant(2)
    with v1.Session(graph=graph) as session:
        assert session.run("Const:0") == 1


def test_tensors_of_another_graph():
    with tf.Graph().as_default():
        a = tf.constant(1, name="mine")
    with tf.Graph().as_default():
        with pytest.raises(ValueError, match="mine"):
            tf.add(a, tf.constant(2, name="other"))
        with pytest.raises(ValueError):
            v1.Session().run(a)
    with pytest.raises(ValueError):
        with tf.Graph().as_default(), v1.Session() as session:
            tf.constant(1)
            session.run(a)


def test_default_graph_is_a_stack():
    outer, inner = tf.Graph(), tf.Graph()
    with outer.as_default():
        assert v1.get_default_graph() is outer
        with inner.as_default() as entered:
            assert entered is inner and v1.get_default_graph() is inner
            a = tf.constant(1)
        assert v1.get_default_graph() is outer
        assert a.graph is inner
    with outer.as_default():
        b = tf.constant(1)
    assert b.graph is outer


# ------------------------------------------------------------------ collections and the rest


def test_collections(graph):
    graph.add_to_collection("things", 1)
    v1.add_to_collection("things", 2)
    v1.add_to_collections(["things", "others"], 3)
    assert graph.get_collection("things") == [1, 2, 3] == v1.get_collection("things")
    assert graph.get_collection("absent") == []
    copy = graph.get_collection("things")
    copy.append(9)
    assert graph.get_collection("things") == [1, 2, 3]
    graph.get_collection_ref("things").append(4)
    assert graph.get_collection("things") == [1, 2, 3, 4]
    assert sorted(graph.get_all_collection_keys()) == ["others", "things"]
    assert sorted(graph.collections) == ["others", "things"]
    graph.clear_collection("things")
    assert graph.get_collection("things") == []
    with tf.name_scope("scope"):
        v1.add_to_collection("scoped", tf.constant(1, name="x"))
    v1.add_to_collection("scoped", tf.constant(1, name="x"))
    assert [t.name for t in v1.get_collection("scoped", scope="scope")] == ["scope/x:0"]
    assert v1.GraphKeys.GLOBAL_VARIABLES == "variables"
    assert v1.GraphKeys.TRAINABLE_VARIABLES == "trainable_variables"
    assert v1.GraphKeys.LOSSES == "losses" and v1.GraphKeys.UPDATE_OPS == "update_ops"


def test_graph_seed(graph):
    assert graph.seed is None
    v1.set_random_seed(11)
    assert graph.seed == 11
    x, y = tf.random.uniform([3]), tf.random.uniform([3])
    assert x.op.get_attr("seed") == 11 and x.op.get_attr("seed2") != y.op.get_attr("seed2")
    with v1.Session() as session:
        first = session.run([x, y])
        second = session.run([x, y])
    with v1.Session() as session:
        again = session.run([x, y])
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second) and not np.array_equal(first[0], first[1])


def test_graph_def_round_trip(graph):
    x = v1.placeholder(tf.float32, [None, 2], name="x")
    tf.identity(tf.matmul(x, tf.constant([[1.0], [2.0]])) + 3.0, name="y")
    definition = graph.as_graph_def()
    assert [node.name for node in definition.node] == names(graph)
    assert definition.versions.producer > 0
    serialized = definition.SerializeToString()
    with tf.Graph().as_default() as other:
        parsed = v1.GraphDef.FromString(serialized)
        (y,) = tf.graph_util.import_graph_def(parsed, return_elements=["y:0"], name="in")
        assert y.name == "in/y:0" and names(other)[0] == "in/x"
        with v1.Session() as session:
            assert session.run(y, {"in/x:0": [[1.0, 1.0]]}).tolist() == [[6.0]]
        tf.graph_util.import_graph_def(parsed)
        assert "import/y" in names(other)
        constant = tf.constant([[10.0, 0.0]])
        (z,) = tf.graph_util.import_graph_def(
            parsed, input_map={"x:0": constant}, return_elements=["y:0"], name="m"
        )
        with v1.Session() as session:
            assert session.run(z).tolist() == [[13.0]]


def test_import_needs_what_it_returns(graph):
    tf.constant(1, name="a")
    definition = graph.as_graph_def()
    with tf.Graph().as_default():
        with pytest.raises(ValueError, match="absent"):
            tf.graph_util.import_graph_def(definition, return_elements=["absent:0"])


def test_functions_do_not_touch_the_default_graph():
    before = v1.get_default_graph()

    @tf.function
    def function(x):
        return x + 1

    function(tf.constant(1))
    assert v1.get_default_graph() is before


def test_init_scope_leaves_the_function():
    seen = []

    @tf.function
    def function(x):
        with tf.init_scope():
            seen.append(tf.executing_eagerly())
            seen.append(tf.constant(3).numpy())
        seen.append(tf.executing_eagerly())
        return x

    function(tf.constant(1))
    assert seen == [True, 3, False]


def test_gradient_override_map_and_registration(session):
    @tf.RegisterGradient("ConformanceTimesTen")
    def _times_ten(operation, gradient):
        return gradient * 10.0

    x = tf.constant(2.0)
    with session.graph.gradient_override_map({"Square": "ConformanceTimesTen"}):
        y = tf.square(x)
    (gradient,) = tf.gradients(y, x)
    assert session.run(gradient) == 10.0
    with pytest.raises(KeyError):
        tf.RegisterGradient("ConformanceTimesTen")(_times_ten)
