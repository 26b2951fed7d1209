"""Variable scopes: names of variables and of operations, what is inherited, who may intervene."""

import numpy as np
import pytest

import everflow as tf

v1 = tf.compat.v1
ZEROS = v1.zeros_initializer()


@pytest.fixture
def graph():
    with tf.Graph().as_default() as fresh:
        yield fresh


def variable(name, **keywords):
    return v1.get_variable(name, keywords.pop("shape", [2]), initializer=keywords.pop("initializer", ZEROS), **keywords)


def test_operations_of_a_variable(graph):
    variable("r", use_resource=True)
    variable("v", use_resource=False)
    assert [(o.name, o.type, o.colocation_groups()) for o in graph.get_operations()] == [
        ("r/Initializer/zeros", "Const", [b"loc:@r"]),
        ("r", "VarHandleOp", [b"loc:@r"]),
        ("r/IsInitialized/VarIsInitializedOp", "VarIsInitializedOp", [b"loc:@r/IsInitialized/VarIsInitializedOp"]),
        ("r/Assign", "AssignVariableOp", [b"loc:@r/Assign"]),
        ("r/Read/ReadVariableOp", "ReadVariableOp", [b"loc:@r/Read/ReadVariableOp"]),
        ("v/Initializer/zeros", "Const", [b"loc:@v"]),
        ("v", "VariableV2", [b"loc:@v"]),
        ("v/Assign", "Assign", [b"loc:@v"]),
        ("v/read", "Identity", [b"loc:@v"]),
    ]


def scopes(graph):
    scope = v1.get_variable_scope()
    return scope.name, scope.original_name_scope, graph.get_name_scope()


def test_names_of_scopes(graph):
    seen = []
    with v1.variable_scope("s") as s:
        seen.append(scopes(graph))
    with v1.variable_scope("s"):
        seen.append(scopes(graph))
    with v1.variable_scope(s):
        seen.append(scopes(graph))
    with v1.variable_scope(s, auxiliary_name_scope=False):
        seen.append(scopes(graph))
    with v1.variable_scope("t", auxiliary_name_scope=False):
        seen.append(scopes(graph))
    with tf.name_scope("n"):
        with v1.variable_scope("s"):
            seen.append(scopes(graph))
        with v1.variable_scope(s), v1.variable_scope("deep"):
            seen.append(scopes(graph))
    assert seen == [
        ("s", "s/", "s"), ("s", "s_1/", "s_1"), ("s", "s/", "s_2"), ("s", "s/", ""), ("t", "", ""),
        ("s", "n/s/", "n/s"), ("s/deep", "n/s_1/deep/", "n/s_1/deep"),
    ]  # fmt: skip


def test_default_names_count_within_their_scope(graph):
    seen = []
    for _ in range(2):
        with v1.variable_scope(None, "d"):
            seen.append(scopes(graph))
    for _ in range(2):
        with v1.variable_scope("s"):
            for _ in range(2):
                with v1.variable_scope(None, "d"):
                    seen.append(scopes(graph)[0])
    assert seen == [("d", "d/", "d"), ("d_1", "d_1/", "d_1"), "s/d", "s/d_1", "s/d", "s/d_1"]


def test_opening_a_scope_again_does_not_change_later_names(graph):
    with v1.variable_scope("s") as s, v1.variable_scope(None, "d"):
        pass
    with v1.variable_scope(s):
        with v1.variable_scope(None, "d") as inner:
            assert inner.name == "s/d"


def test_a_scope_can_be_entered_twice(graph):
    scope = v1.variable_scope("s")
    with scope as one, scope as two:
        assert (one.name, two.name) == ("s", "s/s")


def test_what_is_inherited(graph):
    def regularizer(_):
        return None

    with v1.variable_scope("a", regularizer=regularizer, use_resource=False, dtype=tf.float64, reuse=v1.AUTO_REUSE):
        with v1.variable_scope("b") as inner:
            assert inner.regularizer is regularizer and inner.use_resource is False and inner.dtype is tf.float64
            assert inner.reuse is v1.AUTO_REUSE and inner.constraint is None
        with v1.variable_scope("b", reuse=False) as inner:
            assert inner.reuse is v1.AUTO_REUSE
        with v1.variable_scope("b", regularizer=v1.no_regularizer) as inner:
            assert inner.regularizer is v1.no_regularizer


def test_errors_name_the_line(graph):
    with v1.variable_scope("s"):
        variable("w")
    with pytest.raises(ValueError, match=r"s/w already exists.*test_scope\.py:\d+"):
        variable("s/w")
    with v1.variable_scope("s", reuse=True):
        with pytest.raises(ValueError, match=r"specified shape \(3,\) and found shape \(2,\).*test_scope\.py:\d+"):
            v1.get_variable("w", [3])
        with pytest.raises(ValueError, match=r"specified dtype int32 and found dtype float32"):
            v1.get_variable("w", [2], tf.int32)
        with pytest.raises(ValueError, match="s/x does not exist"):
            v1.get_variable("x", [2])


def test_wrong_arguments(graph):
    with pytest.raises(TypeError, match="name_or_scope is required"):
        v1.variable_scope(None)
    with pytest.raises(TypeError, match="received 3"):
        v1.variable_scope(3)
    with pytest.raises(ValueError, match="reuse"):
        v1.variable_scope("s", reuse=3)
    with pytest.raises(ValueError, match="without a name_or_scope"):
        v1.variable_scope(None, "d", reuse=True)
    with pytest.raises(TypeError, match="must be a string"):
        v1.get_variable(3, [2])
    with pytest.raises(ValueError, match="do not specify shape"):
        v1.get_variable("v", [2], initializer=3.5)
    with pytest.raises(ValueError, match="don't match"):
        v1.get_variable("v", dtype=tf.float64, initializer=tf.constant([1, 2]))
    with pytest.raises(ValueError, match="`shape` argument must be specified"):
        v1.get_variable("v")
    with pytest.raises(ValueError, match="fully defined"):
        v1.get_variable("v", [None, 2], initializer=ZEROS)


def test_initializers_of_all_kinds(graph):
    def of_shape(shape, dtype=None, partition_info=None):
        return tf.fill(shape, tf.constant(3, dtype))

    made = [
        v1.get_variable("class", [2], initializer=v1.ones_initializer),
        v1.get_variable("object", 2, tf.int32, v1.constant_initializer(7)),
        v1.get_variable("called", initializer=lambda: [1.0, 2.0]),
        v1.get_variable("asked", [2], initializer=of_shape),
        v1.get_variable("tensor", initializer=tf.constant([1, 2])),
        v1.get_variable("array", initializer=np.ones(2)),
        v1.get_variable("none", [2], tf.string),
    ]
    assert [v.dtype.base_dtype.name for v in made] == [
        "float32", "int32", "float32", "float32", "int32", "float64", "string",
    ]  # fmt: skip
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        assert [v.tolist() for v in session.run(made)] == [
            [1.0, 1.0], [7, 7], [1.0, 2.0], [3.0, 3.0], [1, 2], [1.0, 1.0], [b"", b""],
        ]  # fmt: skip


def test_custom_getters_nest(graph):
    def named(letter):
        return lambda getter, name, *args, **kwargs: getter(name + letter, *args, **kwargs)

    with v1.variable_scope("s", custom_getter=named("1")):
        with v1.variable_scope("t", custom_getter=named("2")):
            assert variable("w").name == "s/t/w21:0"
    assert variable("w", custom_getter=named("3")).name == "w3:0"


def test_collections(graph):
    one = variable("one", collections=["mine"], trainable=False)
    two = v1.get_local_variable("two", [1], initializer=ZEROS)
    assert v1.get_collection("mine") == [one] and v1.local_variables() == [two]
    assert v1.global_variables() == [] == v1.trainable_variables()


def test_regularizers_run_in_a_scope_of_their_own(graph):
    with tf.name_scope("n"):
        variable("w", regularizer=tf.reduce_sum)
        variable("free", regularizer=lambda _: None)
    (loss,) = v1.get_collection(v1.GraphKeys.REGULARIZATION_LOSSES)
    assert loss.op.name == "w/Regularizer/Sum"


def test_scopes_belong_to_a_graph(graph):
    with v1.variable_scope("s"), tf.Graph().as_default():
        assert v1.get_variable_scope().name == ""
        assert variable("w").name == "w:0"


def test_values_choose_the_graph(graph):
    x = tf.constant(1.0)
    with tf.Graph().as_default():
        with v1.variable_scope("s", values=[x]):
            assert v1.get_default_graph() is graph
        with v1.variable_op_scope([x], None, "d") as scope:
            assert v1.get_default_graph() is graph and scope.name == "d"


# ---- eager mode


def test_eager_variables_are_not_shared():
    with v1.variable_scope("s", reuse=True):
        one, two = variable("w"), variable("w", shape=[3])
    assert one.name == two.name == "s/w:0" and two.shape == [3] and v1.global_variables() == []
    with v1.variable_scope("s"):
        assert tf.Variable(1.0, name="w").name == "s/w:0"


def test_eager_variables_in_a_store():
    from everflow._src.variables.scope import EagerVariableStore

    store = EagerVariableStore()
    with store.as_default():
        one = variable("w")
        variable("b", trainable=False)
        assert variable("w") is one
    assert variable("w") is not one
    assert [v.name for v in store.variables()] == ["b:0", "w:0"]
    assert [v.name for v in store.trainable_variables()] == ["w:0"]
    assert [v.name for v in store.non_trainable_variables()] == ["b:0"]
