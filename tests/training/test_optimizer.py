"""The base of optimizers: names, order, slots, and what subclasses may define."""

import numpy as np
import pytest

import everflow as tf

v1 = tf.compat.v1
train = v1.train


@pytest.fixture
def graph():
    with tf.Graph().as_default() as fresh:
        yield fresh


@pytest.mark.parametrize("use_resource", [False, True])
def test_operations_of_a_step(graph, use_resource):
    v = v1.get_variable("v", initializer=[1.0, 2.0], use_resource=use_resource)
    step = train.get_or_create_global_step()
    pairs = [(tf.constant([1.0, 1.0]), v)]
    before = len(graph.get_operations())
    assert train.AdamOptimizer().apply_gradients(pairs, global_step=step).name == "Adam"
    names = [o.name for o in graph.get_operations()[before:] if o.name.startswith("Adam/")]
    read = ["Adam/update_v/ResourceApplyAdam/ReadVariableOp", "Adam/update_v/ResourceApplyAdam/ReadVariableOp_1"]
    if use_resource:
        assert names == [
            "Adam/learning_rate", "Adam/beta1", "Adam/beta2", "Adam/epsilon", *read, "Adam/update_v/ResourceApplyAdam",
            "Adam/ReadVariableOp", "Adam/mul", "Adam/AssignVariableOp", "Adam/ReadVariableOp_1",
            "Adam/ReadVariableOp_2", "Adam/mul_1", "Adam/AssignVariableOp_1", "Adam/ReadVariableOp_3", "Adam/update",
            "Adam/Const",
        ]  # fmt: skip
    else:
        assert names == [
            "Adam/learning_rate", "Adam/beta1", "Adam/beta2", "Adam/epsilon", "Adam/update_v/ApplyAdam", "Adam/mul",
            "Adam/Assign", "Adam/mul_1", "Adam/Assign_1", "Adam/update", "Adam/Const",
        ]  # fmt: skip
    assert [v.name for v in v1.global_variables()] == [
        "v:0", "global_step:0", "beta1_power:0", "beta2_power:0", "v/Adam:0", "v/Adam_1:0",
    ]  # fmt: skip


def test_scopes_around_a_step(graph):
    x = v1.get_variable("x", initializer=[1.0])
    optimizer = train.MomentumOptimizer(0.1, 0.9)
    with v1.variable_scope("outer"), tf.name_scope("n"):
        assert optimizer.minimize(tf.reduce_sum(x)).name == "outer/n/Momentum"
        assert train.AdamOptimizer().minimize(tf.reduce_sum(x), name="go").name == "outer/n/go"
    assert optimizer.get_slot(x, "momentum").name == "outer/x/Momentum:0"
    assert [v.name for v in v1.global_variables()][2:4] == ["outer/n/beta1_power:0", "outer/n/beta2_power:0"]
    assert [o.name for o in v1.get_collection(v1.GraphKeys.TRAIN_OP)] == ["outer/n/Momentum", "outer/n/go"]


def test_slots_stand_where_their_variable_does(graph):
    v = v1.get_variable("v", initializer=[1.0])
    train.MomentumOptimizer(0.1, 0.9).minimize(v)
    slot = graph.get_operation_by_name("v/Momentum")
    assert slot.colocation_groups() == [b"loc:@v"] and slot.type == "VarHandleOp"


def test_names_of_eager_slots_are_unique():
    v = tf.Variable([1.0], name="unique_eager")
    for expected in (
        ["unique_eager/Adam:0", "unique_eager/Adam_1:0"],
        ["unique_eager/Adam_2:0", "unique_eager/Adam_3:0"],
    ):
        optimizer = train.AdamOptimizer()
        optimizer.apply_gradients([(tf.constant([1.0]), v)])
        assert [s.name for s in optimizer.variables()][2:] == expected


def test_sparse_training_compiles_and_agrees(graph):
    """Many steps of one shape are compiled, with duplicate rows among them."""
    table = v1.get_variable("table", initializer=np.ones((5, 2), np.float32))
    ids = v1.placeholder(tf.int32, [None])
    step = train.AdamOptimizer(0.1).minimize(tf.reduce_sum(tf.square(tf.gather(table, ids))))
    feeds = [[0, 2, 2], [1, 4, 1], [3, 3, 3], [0, 1, 2]] * 3
    m, v, expected = np.zeros((5, 2)), np.zeros((5, 2)), np.ones((5, 2))
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for count, fed in enumerate(feeds, 1):
            gradient = np.zeros((5, 2))
            np.add.at(gradient, fed, 2 * expected[fed])
            m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
            expected = expected - 0.1 * np.sqrt(1 - 0.999**count) / (1 - 0.9**count) * m / (np.sqrt(v) + 1e-8)
            session.run(step, {ids: fed})
        np.testing.assert_allclose(session.run(table), expected, rtol=1e-4)


class HalfStep(train.Optimizer):
    """An optimizer as programs define them."""

    def __init__(self):
        super().__init__(False, "HalfStep")
        self.calls = []

    def _prepare(self):
        self.calls.append("prepare")

    def _apply_dense(self, grad, var):
        return v1.assign_sub(var, 0.5 * grad).op

    def _resource_apply_dense(self, grad, handle):
        return handle.assign_sub(0.5 * grad, read_value=False)

    def _resource_apply_sparse(self, grad, handle, indices):
        return handle.scatter_sub(tf.IndexedSlices(0.5 * grad, indices))

    def _finish(self, update_ops, name_scope):
        self.calls.append(len(update_ops))
        return super()._finish(update_ops, name_scope)


@pytest.mark.parametrize("use_resource", [False, True])
def test_a_subclass_in_a_graph(graph, use_resource):
    v = v1.get_variable("v", initializer=[2.0], use_resource=use_resource)
    optimizer = HalfStep()
    step = optimizer.minimize(tf.reduce_sum(v * v))
    with v1.Session() as session:
        session.run(v.initializer)
        session.run(step)
        assert session.run(v) == [0.0] and optimizer.calls == ["prepare", 1]


def test_a_subclass_eagerly():
    v = tf.Variable([[2.0], [4.0]])
    optimizer = HalfStep()
    optimizer.apply_gradients([(tf.IndexedSlices(tf.constant([[2.0], [2.0]]), tf.constant([1, 1])), v)])
    assert v.numpy().tolist() == [[2.0], [2.0]]
    optimizer.minimize(lambda: tf.reduce_sum(v * v))
    assert v.numpy().tolist() == [[0.0], [0.0]]


def test_what_is_missing_is_named():
    v = tf.Variable([1.0])
    with pytest.raises(NotImplementedError, match="_resource_apply_dense"):
        train.Optimizer(False, "plain").apply_gradients([(tf.constant([1.0]), v)])
    with pytest.raises(NotImplementedError, match="only variables"):
        train.GradientDescentOptimizer(0.1).apply_gradients([(tf.constant([1.0]), tf.constant([1.0]))])
    with pytest.raises(RuntimeError, match="constraint"):
        constrained = tf.Variable([1.0], constraint=tf.abs)
        slices = tf.IndexedSlices(tf.constant([1.0]), tf.constant([0]))
        train.GradientDescentOptimizer(0.1).apply_gradients([(slices, constrained)])
    with pytest.raises(TypeError, match="Gradient must be convertible"):
        train.GradientDescentOptimizer(0.1).apply_gradients([(object(), v)])


def test_gradients_of_half_precision(graph):
    v = v1.get_variable("v", initializer=np.ones(2, np.float16))
    step = train.AdamOptimizer(0.5).minimize(tf.reduce_sum(v * v))
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        session.run(step)
        assert session.run(v).dtype == np.float16 and (session.run(v) == 0.5).all()


def test_settings_are_checked():
    for make in (
        lambda: train.AdagradOptimizer(0.1, initial_accumulator_value=0.0),
        lambda: train.FtrlOptimizer(0.1, learning_rate_power=1.0),
        lambda: train.FtrlOptimizer(0.1, l1_regularization_strength=-1.0),
        lambda: train.ProximalAdagradOptimizer(0.1, initial_accumulator_value=-1.0),
        lambda: train.AdagradDAOptimizer(0.1, tf.Variable(0), initial_gradient_squared_accumulator_value=0.0),
    ):
        with pytest.raises(ValueError):
            make()
