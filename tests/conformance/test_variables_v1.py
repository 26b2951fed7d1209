"""Variables of graphs: tf.compat.v1.Variable, get_variable and variable scopes."""

import numpy as np
import pytest
import tensorflow as tf

v1 = tf.compat.v1


@pytest.fixture(params=[False, True], ids=["reference", "resource"])
def use_resource(request):
    """Both kinds of variables of version 1."""
    return request.param


def names(variables):
    return [variable.name for variable in variables]


# ------------------------------------------------------------------ tf.compat.v1.Variable


def test_variable_attributes(graph, use_resource):
    variable = v1.Variable([[1.0, 2.0]], name="w", use_resource=use_resource)
    assert variable.name == "w:0" and variable.op.name == "w"
    assert variable.op.type == ("VarHandleOp" if use_resource else "VariableV2")
    assert variable.shape == [1, 2] and variable.get_shape() == [1, 2]
    assert variable.dtype == (tf.float32 if use_resource else tf.as_dtype("float32_ref"))
    assert variable.dtype.base_dtype is tf.float32
    assert variable.trainable is True and variable.graph is graph
    assert variable.initializer.type == ("AssignVariableOp" if use_resource else "Assign")
    assert variable.initializer.name == "w/Assign"
    inner = "w/Initializer/initial_value" if use_resource else "w/initial_value"
    assert variable.initial_value.op.name == inner
    assert variable.device == ""
    assert isinstance(variable, tf.Variable)
    assert v1.Variable(1, name="w", use_resource=use_resource).name == "w_1:0"
    assert v1.Variable(1, use_resource=use_resource).name == "Variable:0"
    assert v1.Variable(1, use_resource=use_resource).name == "Variable_1:0"
    text = repr(variable)
    kind = "float32" if use_resource else "float32_ref"
    assert text == f"<tf.Variable 'w:0' shape=(1, 2) dtype={kind}>" == str(variable)


def test_operations_of_a_reference_variable(graph):
    v1.Variable([1.0], name="w", use_resource=False)
    assert [(op.name, op.type) for op in graph.get_operations()] == [
        ("w/initial_value", "Const"), ("w", "VariableV2"), ("w/Assign", "Assign"), ("w/read", "Identity"),
    ]  # fmt: skip


def test_operations_of_a_resource_variable(graph):
    v1.Variable([1.0], name="w", use_resource=True)
    assert [(op.name, op.type) for op in graph.get_operations()] == [
        ("w/Initializer/initial_value", "Const"),
        ("w", "VarHandleOp"),
        ("w/IsInitialized/VarIsInitializedOp", "VarIsInitializedOp"),
        ("w/Assign", "AssignVariableOp"),
        ("w/Read/ReadVariableOp", "ReadVariableOp"),
    ]


def test_initial_values(session, use_resource):
    make = [
        v1.Variable(3, use_resource=use_resource),
        v1.Variable(3.0, dtype=tf.float64, use_resource=use_resource),
        v1.Variable(np.ones([2], np.int64), use_resource=use_resource),
        v1.Variable(lambda: tf.fill([2], 5.0), use_resource=use_resource),
        v1.Variable(tf.constant("text"), use_resource=use_resource),
        v1.Variable([True], use_resource=use_resource),
    ]
    assert [variable.dtype.base_dtype for variable in make] == [
        tf.int32, tf.float64, tf.int64, tf.float32, tf.string, tf.bool,
    ]  # fmt: skip
    session.run(v1.global_variables_initializer())
    values = session.run(make)
    assert values[0] == 3 and values[1] == 3.0 and values[2].tolist() == [1, 1]
    assert values[3].tolist() == [5.0, 5.0] and values[4] == b"text" and values[5].tolist() == [True]
    with pytest.raises(ValueError):
        v1.Variable(use_resource=use_resource)
    with pytest.raises(ValueError):
        v1.Variable(None, use_resource=use_resource)


def test_assign_family(session, use_resource):
    variable = v1.Variable([1.0, 2.0], use_resource=use_resource)
    session.run(variable.initializer)
    assert session.run(variable.assign([3.0, 4.0])).tolist() == [3.0, 4.0]
    assert session.run(variable.assign_add([1.0, 1.0])).tolist() == [4.0, 5.0]
    assert session.run(variable.assign_sub([2.0, 0.0])).tolist() == [2.0, 5.0]
    assert session.run(v1.assign(variable, [0.0, 1.0])).tolist() == [0.0, 1.0]
    assert session.run(v1.assign_add(variable, [1.0, 1.0])).tolist() == [1.0, 2.0]
    assert session.run(v1.assign_sub(variable, [1.0, 1.0])).tolist() == [0.0, 1.0]
    assert session.run(variable).tolist() == [0.0, 1.0]
    variable.load([7.0, 8.0], session)
    assert session.run(variable.value()).tolist() == [7.0, 8.0]
    assert session.run(variable.read_value()).tolist() == [7.0, 8.0]
    assert variable.eval().tolist() == [7.0, 8.0]
    operation = variable.assign([0.0, 0.0], read_value=False)
    session.run(operation)
    assert session.run(variable).tolist() == [0.0, 0.0]


def test_assign_operations(graph):
    variable = v1.Variable([1.0], name="w", use_resource=False)
    assigned = v1.assign(variable, [2.0], name="set")
    assert assigned.op.type == "Assign" and assigned.name == "set:0"
    assert v1.assign_add(variable, [2.0]).op.type == "AssignAdd"
    assert v1.assign_sub(variable, [2.0]).name == "AssignSub:0"
    resource = v1.Variable([1.0], name="r", use_resource=True)
    assert resource.assign([2.0], read_value=False).type == "AssignVariableOp"


def test_assign_checks(graph, use_resource):
    variable = v1.Variable([1.0, 2.0], name="w", use_resource=use_resource)
    with pytest.raises(ValueError):
        variable.assign([1.0, 2.0, 3.0])
    with pytest.raises((TypeError, ValueError)):
        variable.assign(tf.constant([1, 2]))
    with pytest.raises((TypeError, ValueError)):
        variable.assign(["a", "b"])


def test_validate_shape(session):
    variable = v1.Variable([1.0, 2.0], validate_shape=False, use_resource=False)
    assert variable.shape.rank is None
    session.run(variable.initializer)
    assert session.run(v1.assign(variable, [1.0], validate_shape=False)).tolist() == [1.0]
    assert session.run(tf.shape(variable)).tolist() == [1]


def test_scatter_updates(session, use_resource):
    variable = v1.Variable(tf.zeros([3, 2]), use_resource=use_resource)
    session.run(variable.initializer)
    session.run(v1.scatter_update(variable, [0], [[1.0, 1.0]]))
    session.run(v1.scatter_add(variable, [0, 2, 2], [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]))
    session.run(v1.scatter_sub(variable, 2, [1.0, 0.0]))
    assert session.run(variable).tolist() == [[2.0, 2.0], [0.0, 0.0], [4.0, 5.0]]
    session.run(variable.scatter_add(tf.IndexedSlices(tf.constant([[1.0, 1.0]]), tf.constant([1]))))
    assert session.run(variable)[1].tolist() == [1.0, 1.0]


def test_count_up_to(session):
    variable = v1.Variable(0, use_resource=False)
    session.run(variable.initializer)
    count = v1.count_up_to(variable, 2)
    assert [session.run(count), session.run(count)] == [0, 1]
    with pytest.raises(tf.errors.OutOfRangeError):
        session.run(count)


def test_slices_of_variables_assign(session, use_resource):
    variable = v1.Variable([1.0, 2.0, 3.0], use_resource=use_resource)
    session.run(variable.initializer)
    assert session.run(variable[1:]).tolist() == [2.0, 3.0]
    session.run(variable[1:].assign([8.0, 9.0]))
    assert session.run(variable).tolist() == [1.0, 8.0, 9.0]


def test_variables_in_arithmetic(session, use_resource):
    variable = v1.Variable([1.0, 2.0], use_resource=use_resource)
    session.run(variable.initializer)
    results = [
        variable + 1.0, 2.0 * variable, variable / variable, -variable, variable**2, abs(variable),
        variable[0], tf.add(variable, variable), tf.stack([variable, variable]), 1.0 - variable,
        tf.convert_to_tensor(variable), tf.reduce_sum(variable), variable > 1.5,
    ]  # fmt: skip
    values = session.run(results)
    assert [np.asarray(value).tolist() for value in values] == [
        [2.0, 3.0], [2.0, 4.0], [1.0, 1.0], [-1.0, -2.0], [1.0, 4.0], [1.0, 2.0],
        1.0, [2.0, 4.0], [[1.0, 2.0], [1.0, 2.0]], [0.0, -1.0], [1.0, 2.0], 3.0, [False, True],
    ]  # fmt: skip
    with pytest.raises(TypeError):
        iter(variable)
    with pytest.raises(TypeError):
        bool(variable > 1.0)


def test_control_dependencies_order_reads_and_writes(session):
    variable = v1.Variable(1.0, use_resource=True)
    session.run(variable.initializer)
    before = tf.identity(variable.read_value())
    with tf.control_dependencies([before]):
        add = v1.assign_add(variable, 10.0)
    with tf.control_dependencies([add]):
        after = variable.read_value()
    assert session.run([before, after]) == [1.0, 11.0]
    assert session.run([before, after]) == [11.0, 21.0]


def test_initialized_value_and_dependent_initializers(session):
    first = v1.Variable(tf.random.uniform([3]), name="first", use_resource=False)
    second = v1.Variable(first.initialized_value() * 2.0, name="second")
    session.run(first.initializer)
    session.run(second.initializer)
    one, two = session.run([first, second])
    np.testing.assert_array_equal(one * 2.0, two)


def test_uninitialized_variables(session, use_resource):
    first = v1.Variable(1.0, name="first", use_resource=use_resource)
    second = v1.Variable(2.0, name="second", use_resource=use_resource)
    with pytest.raises(tf.errors.FailedPreconditionError, match="first"):
        session.run(first + 1.0)
    if not use_resource:
        with pytest.raises(tf.errors.FailedPreconditionError, match="first"):
            session.run(first)
    report = v1.report_uninitialized_variables()
    assert session.run(report).tolist() == [b"first", b"second"]
    assert session.run(v1.is_variable_initialized(first)) == False  # noqa: E712
    session.run(first.initializer)
    assert session.run(v1.is_variable_initialized(first)) == True  # noqa: E712
    assert session.run(report).tolist() == [b"second"]
    assert session.run(v1.report_uninitialized_variables([first])).tolist() == []
    session.run(v1.variables_initializer([second]))
    assert session.run([first, second]) == [1.0, 2.0]
    session.run(v1.initialize_all_variables())


def test_initializers_of_nothing(session):
    tf.constant(1)
    initializer = v1.global_variables_initializer()
    assert session.run(initializer) is None
    assert initializer.type == "NoOp" and initializer.name == "init"
    assert session.run(v1.local_variables_initializer()) is None


# ------------------------------------------------------------------ collections


def test_collections_of_variables(graph):
    one = v1.Variable(1.0, name="one")
    two = v1.Variable(1.0, name="two", trainable=False)
    three = v1.Variable(1.0, name="three", collections=[v1.GraphKeys.LOCAL_VARIABLES])
    four = v1.get_variable("four", [], collections=["mine"], trainable=False)
    assert names(v1.global_variables()) == ["one:0", "two:0"] == names(v1.all_variables())
    assert names(v1.trainable_variables()) == ["one:0", "three:0"]
    assert names(v1.local_variables()) == ["three:0"]
    assert v1.get_collection("mine") == [four]
    assert v1.get_collection(v1.GraphKeys.GLOBAL_VARIABLES) == [one, two]
    assert one in v1.global_variables() and three not in v1.global_variables()
    with v1.variable_scope("scope"):
        v1.get_variable("five", [])
    assert names(v1.global_variables("scope")) == ["scope/five:0"]
    assert names(v1.trainable_variables(scope="sc.*/")) == ["scope/five:0"]
    assert names(v1.model_variables()) == []


def test_global_step(session):
    assert v1.train.get_global_step() is None
    step = v1.train.get_or_create_global_step()
    assert step.name == "global_step:0" and step.dtype.base_dtype is tf.int64 and not step.trainable
    assert v1.train.get_or_create_global_step() is step is v1.train.get_global_step()
    session.run(step.initializer)
    assert v1.train.global_step(session, step) == 0
    with pytest.raises(ValueError):
        v1.train.create_global_step()


# ------------------------------------------------------------------ get_variable and scopes


def test_get_variable(session, use_resource):
    variable = v1.get_variable("w", [2, 3], use_resource=use_resource)
    assert variable.name == "w:0" and variable.shape == [2, 3] and variable.dtype.base_dtype is tf.float32
    assert variable.op.type == ("VarHandleOp" if use_resource else "VariableV2")
    assert v1.get_variable("i", initializer=tf.constant([1, 2]), use_resource=use_resource).shape == [2]
    scalar = v1.get_variable("s", initializer=3.0, use_resource=use_resource)
    ones = v1.get_variable("o", [2], tf.int32, v1.ones_initializer(), use_resource=use_resource)
    integers = v1.get_variable("z", [2], tf.int32, use_resource=use_resource)
    called = v1.get_variable("c", initializer=lambda: tf.fill([2], 4.0), use_resource=use_resource)
    array = v1.get_variable("n", initializer=np.eye(2, dtype=np.float32), use_resource=use_resource)
    session.run(v1.global_variables_initializer())
    weights = session.run(variable)
    limit = np.sqrt(6.0 / 5.0)
    assert np.abs(weights).max() <= limit and weights.std() > 0
    values = session.run([scalar, ones, integers, called, array])
    assert [value.tolist() for value in values] == [
        3.0, [1, 1], [0, 0], [4.0, 4.0], [[1.0, 0.0], [0.0, 1.0]],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "make",
    [
        lambda: v1.get_variable("w", [2]),
        lambda: v1.get_variable("v"),
        lambda: v1.get_variable("v", [None, 2]),
        lambda: v1.get_variable("v", [2], initializer=tf.constant([1.0, 2.0])),
        lambda: v1.get_variable("v", [2], tf.variant),
    ],
)
def test_bad_get_variable(graph, make):
    v1.get_variable("w", [2])
    with pytest.raises(ValueError):
        make()


def test_an_existing_variable_is_named(graph):
    with v1.variable_scope("a"):
        v1.get_variable("w", [2])
    with v1.variable_scope("a"), pytest.raises(ValueError, match="a/w"):
        v1.get_variable("w", [2])
    with v1.variable_scope("a", reuse=True):
        with pytest.raises(ValueError, match="a/absent"):
            v1.get_variable("absent", [2])
        with pytest.raises(ValueError, match="a/w"):
            v1.get_variable("w", [3])
        with pytest.raises(ValueError, match="a/w"):
            v1.get_variable("w", [2], tf.int32)


def test_reuse(graph):
    with v1.variable_scope("a") as scope:
        first = v1.get_variable("w", [2])
        assert not scope.reuse
        scope.reuse_variables()
        assert scope.reuse is True
        assert v1.get_variable("w", [2]) is first and v1.get_variable("w") is first
    with v1.variable_scope("a", reuse=True):
        assert v1.get_variable("w") is first
        with v1.variable_scope("b"):
            assert v1.get_variable_scope().reuse is True
            with pytest.raises(ValueError):
                v1.get_variable("new", [1])
    with v1.variable_scope(scope, reuse=True):
        assert v1.get_variable("w", [2]) is first
    with v1.variable_scope("a", reuse=v1.AUTO_REUSE):
        assert v1.get_variable("w", [2]) is first
        new = v1.get_variable("new", [1])
        assert v1.get_variable("new", [1]) is new
    v1.get_variable_scope().reuse_variables()
    with pytest.raises(ValueError):
        v1.get_variable("top", [1])


def test_scope_names(graph):
    with v1.variable_scope("a") as a:
        assert a.name == "a" and a.original_name_scope == "a/"
        assert v1.get_variable("w", [1]).name == "a/w:0"
        assert (tf.constant(1.0, name="c")).name == "a/c:0"
        with v1.variable_scope("b") as b:
            assert b.name == "a/b"
            assert v1.get_variable("w", [1]).name == "a/b/w:0"
        assert v1.get_variable_scope().name == "a"
    with v1.variable_scope("a") as again:
        assert again.name == "a" and again.original_name_scope == "a_1/"
        assert tf.constant(1.0, name="c").name == "a_1/c:0"
        assert v1.get_variable("x", [1]).name == "a/x:0"
        assert v1.Variable(1.0, name="y").name == "a_1/y:0"
    assert v1.get_variable_scope().name == ""


def test_reentering_a_scope_object(graph):
    with v1.variable_scope("a") as a:
        pass
    with v1.variable_scope("other"):
        with v1.variable_scope(a) as inside:
            assert inside.name == "a"
            assert v1.get_variable("w", [1]).name == "a/w:0"
            assert tf.constant(1, name="c").name == "other/a/c:0"
        with v1.variable_scope(a, auxiliary_name_scope=False):
            assert tf.constant(1, name="c").name == "other/c:0"
            assert v1.get_variable("v", [1]).name == "a/v:0"
    with tf.name_scope(a.original_name_scope):
        assert tf.constant(1, name="c").name == "a/c:0"


def test_name_scopes_do_not_touch_get_variable(graph):
    with tf.name_scope("n"):
        assert v1.get_variable("w", [1]).name == "w:0"
        assert v1.Variable(1.0, name="v").name == "n/v:0"
        with v1.variable_scope("s"):
            assert v1.get_variable("w", [1]).name == "s/w:0"
            assert tf.constant(1, name="c").name == "n/s/c:0"


def test_default_names(graph):
    made = []
    for _ in range(3):
        with v1.variable_scope(None, "dense") as scope:
            made.append((scope.name, v1.get_variable("kernel", [1]).name))
    assert made == [
        ("dense", "dense/kernel:0"), ("dense_1", "dense_1/kernel:0"), ("dense_2", "dense_2/kernel:0"),
    ]  # fmt: skip
    with v1.variable_scope("given", "dense") as scope:
        assert scope.name == "given"
    with pytest.raises(TypeError):
        with v1.variable_scope(None):
            pass
    with v1.variable_scope("dense", reuse=True):
        assert v1.get_variable("kernel").name == "dense/kernel:0"


def test_scope_defaults_are_inherited(session):
    initializer = v1.constant_initializer(7.0)
    with v1.variable_scope("a", initializer=initializer, dtype=tf.float64) as scope:
        assert scope.initializer is initializer and scope.dtype is tf.float64
        first = v1.get_variable("first", [2])
        with v1.variable_scope("b"):
            second = v1.get_variable("second", [])
            third = v1.get_variable("third", [], initializer=v1.zeros_initializer())
            v1.get_variable_scope().set_initializer(v1.ones_initializer())
            fourth = v1.get_variable("fourth", [])
        fifth = v1.get_variable("fifth", [])
        scope.set_dtype(tf.int32)
        sixth = v1.get_variable("sixth", [], initializer=v1.zeros_initializer())
        assert sixth.dtype.base_dtype is tf.int32
    session.run(v1.global_variables_initializer())
    assert first.dtype.base_dtype is second.dtype.base_dtype is tf.float64
    assert session.run([second, third, fourth, fifth]) == [7.0, 0.0, 1.0, 7.0]


def test_regularizers(session):
    def regularizer(weights):
        return tf.reduce_sum(tf.square(weights)) * 0.5

    with v1.variable_scope("a", regularizer=regularizer):
        v1.get_variable("w", initializer=tf.constant([2.0, 4.0]))
        v1.get_variable("free", initializer=tf.constant([2.0]), regularizer=None)
        with v1.variable_scope("b"):
            v1.get_variable("w", initializer=tf.constant([1.0]), regularizer=lambda w: tf.constant(100.0))
    with v1.variable_scope("a", reuse=True):
        v1.get_variable("w")
    losses = v1.get_collection(v1.GraphKeys.REGULARIZATION_LOSSES)
    assert losses[0].name.startswith("a/w/Regularizer/")
    session.run(v1.global_variables_initializer())
    assert [float(loss) for loss in session.run(losses)] == [10.0, 2.0, 100.0]


def test_custom_getter(graph):
    asked = []

    def rename(getter, name, *arguments, **keywords):
        asked.append(name)
        return getter(name + "_got", *arguments, **keywords)

    with v1.variable_scope("a", custom_getter=rename):
        assert v1.get_variable("w", [1]).name == "a/w_got:0"
        with v1.variable_scope("b"):
            assert v1.get_variable("w", [1]).name == "a/b/w_got:0"
    assert v1.get_variable("plain", [1]).name == "plain:0"
    assert asked == ["a/w", "a/b/w"]


def test_scope_collections_and_use_resource(graph):
    with v1.variable_scope("a", use_resource=True) as scope:
        variable = v1.get_variable("w", [1])
        assert variable.op.type == "VarHandleOp" and scope.use_resource is True
        assert [v.name for v in scope.global_variables()] == ["a/w:0"]
        assert [v.name for v in scope.trainable_variables()] == ["a/w:0"]
        assert scope.get_collection(v1.GraphKeys.GLOBAL_VARIABLES) == [variable]
    local = v1.get_local_variable("l", [1])
    assert local in v1.local_variables() and local not in v1.trainable_variables()


def test_variable_creator_scope(graph):
    seen = []

    def creator(next_creator, **keywords):
        seen.append(keywords["name"])
        keywords["name"] = "renamed"
        return next_creator(**keywords)

    with v1.variable_creator_scope(creator):
        assert v1.Variable(1.0, name="w").name == "renamed:0"
    assert seen == ["w"]


def test_templates(session):
    def layer(x):
        weight = v1.get_variable("w", [], initializer=v1.random_uniform_initializer())
        return x * weight

    shared = v1.make_template("shared", layer)
    one, two = shared(tf.constant(1.0)), shared(tf.constant(1.0))
    assert names(v1.global_variables()) == ["shared/w:0"] == names(shared.variables)
    session.run(v1.global_variables_initializer())
    first, second = session.run([one, two])
    assert first == second
    other = v1.make_template("shared", layer)
    other(tf.constant(1.0))
    assert names(other.variables) == ["shared_1/w:0"]


def test_constraints(session):
    variable = v1.get_variable("w", initializer=[-1.0, 2.0], constraint=tf.nn.relu)
    assert variable.constraint is tf.nn.relu
    train = v1.train.GradientDescentOptimizer(1.0).minimize(tf.reduce_sum(variable))
    session.run(v1.global_variables_initializer())
    session.run(train)
    assert session.run(variable).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("resource", [False, True])
def test_gradient_descent_on_both_kinds(session, resource):
    variable = v1.get_variable("w", initializer=[1.0, 2.0], use_resource=resource)
    loss = tf.reduce_sum(tf.square(variable))
    (gradient,) = tf.gradients(loss, variable)
    train = v1.train.GradientDescentOptimizer(0.25).minimize(loss)
    session.run(v1.global_variables_initializer())
    assert session.run(gradient).tolist() == [2.0, 4.0]
    session.run(train)
    assert session.run(variable).tolist() == [0.5, 1.0]


def test_variables_of_version_2_in_a_graph(session):
    variable = tf.Variable([1.0, 2.0], name="w")
    assert variable.name == "w:0" and v1.global_variables() == [variable]
    session.run(v1.global_variables_initializer())
    session.run(variable.assign_add([1.0, 1.0]))
    assert session.run(variable).tolist() == [2.0, 3.0]


def test_switches_of_behaviour(run_script):
    printed = run_script(
        """
        import tensorflow.compat.v1 as tf
        tf.disable_v2_behavior()
        print(tf.executing_eagerly(), tf.resource_variables_enabled())
        variable = tf.Variable(1.0, name="v")
        print(variable)
        print(tf.get_variable("w", [2]).op.type, tf.zeros([2, 3]).shape[1])
        tf.enable_resource_variables()
        print(tf.get_variable("x", [2]).op.type)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            print(session.run(variable + 1.0))
        """
    )
    assert printed.splitlines() == [
        "False False",
        "<tf.Variable 'v:0' shape=() dtype=float32_ref>",
        "VariableV2 3",
        "VarHandleOp",
        "2.0",
    ]
