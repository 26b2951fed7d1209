"""The optimizers of version 1 that programs use most: gradient descent, momentum, Adam."""

import numpy as np
import pytest
import tensorflow as tf

tf1 = tf.compat.v1
train = tf1.train

GRADIENTS = [[0.1, -0.3], [0.2, 0.4], [-0.5, 0.1], [0.7, 0.7], [0.0, -0.2]]
START = [1.0, 2.0]


def descend(gradients, rate=0.1):
    value = np.array(START)
    for gradient in gradients:
        value = value - rate * np.array(gradient)
        yield value


def momentum(gradients, rate=0.1, decay=0.9, nesterov=False):
    value, velocity = np.array(START), np.zeros(2)
    for gradient in gradients:
        gradient = np.array(gradient)
        velocity = decay * velocity + gradient
        value = value - rate * (gradient + decay * velocity if nesterov else velocity)
        yield value


def adam(gradients, rate=0.1, beta1=0.9, beta2=0.999, epsilon=1e-8):
    value, m, v = np.array(START), np.zeros(2), np.zeros(2)
    for step, gradient in enumerate(gradients, 1):
        gradient = np.array(gradient)
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * gradient**2
        corrected_rate = rate * np.sqrt(1 - beta2**step) / (1 - beta1**step)
        value = value - corrected_rate * m / (np.sqrt(v) + epsilon)
        yield value


CASES = {
    "descent": (lambda: train.GradientDescentOptimizer(0.1), descend),
    "momentum": (lambda: train.MomentumOptimizer(0.1, 0.9), momentum),
    "nesterov": (
        lambda: train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
        lambda gradients: momentum(gradients, nesterov=True),
    ),
    "adam": (lambda: train.AdamOptimizer(0.1), adam),
    "adam with other settings": (
        lambda: train.AdamOptimizer(0.05, beta1=0.8, beta2=0.9, epsilon=0.1),
        lambda gradients: adam(gradients, 0.05, 0.8, 0.9, 0.1),
    ),
}


# ------------------------------------------------------------------ exact values


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("use_resource", [True, False])
def test_values_in_a_session(graph, case, dtype, use_resource):
    make, formula = CASES[case]
    v = tf1.get_variable("v", initializer=np.array(START, dtype), use_resource=use_resource)
    gradient = tf1.placeholder(dtype, [2])
    step = make().apply_gradients([(gradient, v)])
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        for fed, expected in zip(GRADIENTS, formula(GRADIENTS), strict=True):
            session.run(step, {gradient: fed})
            np.testing.assert_allclose(session.run(v), expected, rtol=1e-5 if dtype == "float32" else 1e-6)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("way", ["eager", "function"])
def test_values_without_a_session(case, way):
    make, formula = CASES[case]
    v = tf.Variable(START)
    optimizer = make()

    def step(gradient):
        optimizer.apply_gradients([(gradient, v)])

    run = step if way == "eager" else tf.function(step)
    for gradient, expected in zip(GRADIENTS, formula(GRADIENTS), strict=True):
        run(tf.constant(gradient))
        np.testing.assert_allclose(v.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_minimize_follows_the_loss(graph, case):
    make, formula = CASES[case]
    v = tf1.get_variable("v", initializer=START)
    step = make().minimize(tf.reduce_sum(v * v) / 2.0)
    values = [np.array(START)]
    for _ in range(6):
        values = [np.array(START), *formula(values)]
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        for expected in values[1:6]:
            session.run(step)
            np.testing.assert_allclose(session.run(v), expected, rtol=1e-4)


# ------------------------------------------------------------------ sparse gradients

SPARSE = [([[1.0], [1.0]], [0, 0]), ([[1.0], [3.0]], [2, 1]), ([[-1.0], [2.0]], [2, 2])]


def rows_touched(case):
    """What the formulas give when a row without a gradient is left alone (momentum) or decays (Adam)."""
    values, m, v = np.array([[1.0], [2.0], [3.0]]), np.zeros([3, 1]), np.zeros([3, 1])
    for step, (rows, indices) in enumerate(SPARSE, 1):
        gradient = np.zeros([3, 1])
        np.add.at(gradient, indices, rows)
        touched = np.isin(np.arange(3), indices)[:, None]
        if case == "descent":
            values = values - 0.1 * gradient
        elif case in ("momentum", "nesterov"):
            m = np.where(touched, 0.9 * m + gradient, m)
            update = gradient + 0.9 * m if case == "nesterov" else m
            values = np.where(touched, values - 0.1 * update, values)
        else:
            m = 0.9 * m + 0.1 * gradient
            v = 0.999 * v + 0.001 * gradient**2
            rate = 0.1 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            values = values - rate * m / (np.sqrt(v) + 1e-8)
        yield values


@pytest.mark.parametrize("case", ["descent", "momentum", "nesterov", "adam"])
def test_sparse_gradients(graph, case):
    table = tf1.get_variable("table", initializer=[[1.0], [2.0], [3.0]], use_resource=True)
    rows, indices = tf1.placeholder(tf.float32, [None, 1]), tf1.placeholder(tf.int32, [None])
    gradient = tf.IndexedSlices(rows, indices, tf.constant([3, 1]))
    step = CASES[case][0]().apply_gradients([(gradient, table)])
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        for (fed_rows, fed_indices), expected in zip(SPARSE, rows_touched(case), strict=True):
            session.run(step, {rows: fed_rows, indices: fed_indices})
            np.testing.assert_allclose(session.run(table), expected, rtol=1e-5)


@pytest.mark.parametrize("case", ["descent", "momentum", "adam"])
def test_sparse_gradients_eagerly(case):
    table = tf.Variable([[1.0], [2.0], [3.0]])
    optimizer = CASES[case][0]()
    for (rows, indices), expected in zip(SPARSE, rows_touched(case), strict=True):
        slices = tf.IndexedSlices(tf.constant(rows), tf.constant(indices), tf.constant([3, 1]))
        optimizer.apply_gradients([(slices, table)])
        np.testing.assert_allclose(table.numpy(), expected, rtol=1e-5)


def test_embedding_is_trained_where_it_is_looked_up(graph):
    table = tf1.get_variable("table", initializer=tf.ones([4, 2]))
    ids = tf1.placeholder(tf.int32, [None])
    step = train.GradientDescentOptimizer(0.5).minimize(tf.reduce_sum(tf.nn.embedding_lookup(table, ids)))
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        session.run(step, {ids: [1, 3, 1]})
        assert session.run(table).tolist() == [[1.0, 1.0], [0.0, 0.0], [1.0, 1.0], [0.5, 0.5]]


# ------------------------------------------------------------------ computing and applying gradients


@pytest.fixture
def problem(graph):
    """Three variables, one of them unused, and a loss with a placeholder."""
    x = tf1.placeholder(tf.float32, [])
    a = tf1.get_variable("a", initializer=1.0)
    b = tf1.get_variable("b", initializer=[1.0, 2.0])
    unused = tf1.get_variable("unused", initializer=3.0)
    frozen = tf1.get_variable("frozen", initializer=5.0, trainable=False)
    return x, a, b, unused, a * a * x + tf.reduce_sum(b * b) * frozen


def test_compute_gradients(problem):
    x, a, b, unused, loss = problem
    optimizer = train.GradientDescentOptimizer(0.1)
    pairs = optimizer.compute_gradients(loss)
    assert [variable.name for _, variable in pairs] == ["a:0", "b:0", "unused:0"]
    assert pairs[2][0] is None and pairs[0][0].shape == []
    assert [variable.name for _, variable in optimizer.compute_gradients(loss, var_list=[b, a])] == [
        "b:0",
        "a:0",
    ]
    assert optimizer.compute_gradients(loss, [x])[0][1] is x
    assert len(optimizer.compute_gradients(loss, var_list=a)) == 1
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        assert session.run([pairs[0][0], pairs[1][0]], {x: 4.0})[0] == 8.0


def test_grad_loss(problem):
    _, _, b, _, _ = problem
    optimizer = train.GradientDescentOptimizer(0.1)
    ((gradient, _),) = optimizer.compute_gradients(b * b, [b], grad_loss=tf.constant([1.0, 10.0]))
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        assert session.run(gradient).tolist() == [2.0, 40.0]


def test_gradients_can_be_processed(problem):
    x, a, b, unused, loss = problem
    optimizer = train.GradientDescentOptimizer(1.0)
    clipped = [
        (tf.clip_by_value(gradient, -0.5, 0.5), variable)
        for gradient, variable in optimizer.compute_gradients(loss)
        if gradient is not None
    ]
    step = optimizer.apply_gradients(clipped)
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        session.run(step, {x: 1.0})
        assert session.run([a, unused]) == [0.5, 3.0] and session.run(b).tolist() == [0.5, 1.5]


def test_global_step(problem):
    x, *_, loss = problem
    global_step = train.get_or_create_global_step()
    assert global_step.dtype == tf.int64 and global_step.name == "global_step:0"
    step = train.AdamOptimizer(0.1).minimize(loss, global_step=global_step)
    plain = train.AdamOptimizer(0.1).minimize(loss)
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        for _ in range(3):
            session.run(step, {x: 1.0})
        session.run(plain, {x: 1.0})
        assert session.run(global_step) == 3 and train.global_step(session, global_step) == 3


def test_var_list(problem):
    x, a, b, unused, loss = problem
    step = train.GradientDescentOptimizer(0.5).minimize(loss, var_list=[a])
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        session.run(step, {x: 1.0})
        assert session.run(a) == 0.0 and session.run(b).tolist() == [1.0, 2.0]


def test_errors(problem):
    x, a, b, unused, loss = problem
    optimizer = train.GradientDescentOptimizer(0.1)
    with pytest.raises(ValueError, match="[Nn]o gradients.*unused"):
        optimizer.minimize(loss, var_list=[unused])
    with pytest.raises(ValueError, match="[Nn]o gradients"):
        optimizer.apply_gradients([(None, a)])
    with pytest.raises(ValueError, match="[Nn]o variables"):
        optimizer.apply_gradients([])
    with pytest.raises(ValueError, match="[Nn]o variables"):
        optimizer.compute_gradients(loss, [])
    with pytest.raises(ValueError, match="gate_gradients"):
        optimizer.compute_gradients(loss, [a], gate_gradients=7)
    with pytest.raises(ValueError, match="int32"):
        optimizer.compute_gradients(tf.constant(1), [a])
    with pytest.raises(ValueError):
        optimizer.apply_gradients([(tf.constant([1.0, 2.0]), a)])
    with pytest.raises(TypeError):
        train.GradientDescentOptimizer()
    with pytest.raises(ValueError):
        train.Optimizer(use_locking=False, name=None)


def test_gates_and_names(problem):
    *_, loss = problem
    optimizer = train.GradientDescentOptimizer(0.1)
    assert (optimizer.GATE_NONE, optimizer.GATE_OP, optimizer.GATE_GRAPH) == (0, 1, 2)
    for gate in (0, 1, 2):
        assert optimizer.minimize(loss, gate_gradients=gate, colocate_gradients_with_ops=True) is not None
    assert optimizer.get_name() == "GradientDescent"
    assert train.AdamOptimizer(name="Mine").get_name() == "Mine"
    assert optimizer.minimize(loss, name="step").name == "step"


# ------------------------------------------------------------------ slots


def test_slots_of_adam(problem):
    x, a, b, unused, loss = problem
    optimizer = train.AdamOptimizer(0.1)
    assert optimizer.get_slot_names() == [] and optimizer.get_slot(a, "m") is None
    with tf1.variable_scope("scope"):
        scoped = tf1.get_variable("v", initializer=1.0)
    step = optimizer.minimize(loss + scoped)
    assert step.name == "Adam" and step.type == "NoOp"
    assert optimizer.get_slot_names() == ["m", "v"]
    names = [variable.name for variable in optimizer.variables()]
    assert names == [
        "a/Adam:0", "a/Adam_1:0", "b/Adam:0", "b/Adam_1:0", "beta1_power:0", "beta2_power:0",
        "scope/v/Adam:0", "scope/v/Adam_1:0",
    ]  # fmt: skip
    assert optimizer.get_slot(b, "m").name == "b/Adam:0" and optimizer.get_slot(b, "v").shape == [2]
    assert optimizer.get_slot(unused, "m") is None
    assert len(tf1.trainable_variables()) == 4 and len(tf1.global_variables()) == 13
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        session.run(step, {x: 1.0})
        np.testing.assert_allclose(session.run(optimizer.get_slot(a, "m")), 0.2, rtol=1e-6)
        np.testing.assert_allclose(session.run(optimizer.get_slot(a, "v")), 0.004, rtol=1e-4)
        powers = session.run([variable for variable in optimizer.variables() if "power" in variable.name])
        np.testing.assert_allclose(powers, [0.81, 0.998001], rtol=1e-6)


def test_slots_of_momentum_and_descent(problem):
    x, a, b, unused, loss = problem
    optimizer = train.MomentumOptimizer(0.1, 0.9)
    step = optimizer.minimize(loss)
    assert step.name == "Momentum" and optimizer.get_slot_names() == ["momentum"]
    assert [variable.name for variable in optimizer.variables()] == ["a/Momentum:0", "b/Momentum:0"]
    assert not optimizer.get_slot(a, "momentum").trainable
    plain = train.GradientDescentOptimizer(0.1)
    plain.minimize(loss)
    assert plain.variables() == [] and plain.get_slot_names() == []


def test_names_of_second_optimizers(problem):
    x, a, b, unused, loss = problem
    train.AdamOptimizer(0.1).minimize(loss, var_list=[a])
    train.AdamOptimizer(0.1, name="Mine").minimize(loss, var_list=[a])
    train.AdamOptimizer(0.1).minimize(loss, var_list=[a])
    names = {variable.name for variable in tf1.global_variables()}
    assert {"a/Adam:0", "a/Adam_1:0", "a/Mine:0", "a/Mine_1:0", "a/Adam_2:0", "a/Adam_3:0"} <= names
    assert {"beta1_power:0", "beta1_power_1:0", "beta1_power_2:0", "beta2_power_2:0"} <= names


def test_types_of_update_operations(problem):
    *_, loss = problem
    step = train.AdamOptimizer(0.1).minimize(loss)
    types = [operation.type for operation in tf1.get_default_graph().get_operations()]
    assert types.count("ResourceApplyAdam") == 2
    assert "Adam/update_a/ResourceApplyAdam" in [operation.name for operation in step.control_inputs]
    train.MomentumOptimizer(0.1, 0.9).minimize(loss)
    train.GradientDescentOptimizer(0.1).minimize(loss)
    types = [operation.type for operation in tf1.get_default_graph().get_operations()]
    assert types.count("ResourceApplyMomentum") == 2 and types.count("ResourceApplyGradientDescent") == 2


# ------------------------------------------------------------------ learning rates


def test_learning_rate_that_is_a_placeholder(graph):
    rate = tf1.placeholder(tf.float32, [])
    v = tf1.get_variable("v", initializer=1.0)
    step = train.GradientDescentOptimizer(rate).minimize(v * 2.0)
    with tf1.Session() as session:
        session.run(v.initializer)
        session.run(step, {rate: 0.25})
        assert session.run(v) == 0.5
        session.run(step, {rate: 1.0})
        assert session.run(v) == -1.5


@pytest.mark.parametrize("case", ["descent", "momentum", "adam"])
def test_learning_rate_that_decays(graph, case):
    global_step = train.get_or_create_global_step()
    rate = train.exponential_decay(1.0, global_step, 1, 0.5)
    v = tf1.get_variable("v", initializer=10.0)
    optimizer = {
        "descent": train.GradientDescentOptimizer,
        "momentum": lambda rate: train.MomentumOptimizer(rate, 0.0),
        "adam": train.AdamOptimizer,
    }[case](rate)
    step = optimizer.minimize(v * 1.0, global_step=global_step)
    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        values = []
        for _ in range(3):
            session.run(step)
            values.append(float(session.run(v)))
    np.testing.assert_allclose(values, [9.0, 8.5, 8.25], rtol=1e-5)


def test_learning_rate_that_is_called():
    rates = [0.5]
    v = tf.Variable(1.0)
    optimizer = train.GradientDescentOptimizer(lambda: rates[0])
    optimizer.apply_gradients([(tf.constant(1.0), v)])
    assert float(v) == 0.5
    rates[0] = 0.125
    optimizer.apply_gradients([(tf.constant(1.0), v)])
    assert float(v) == 0.375


# ------------------------------------------------------------------ eager use


def test_minimize_of_a_callable():
    v, w = tf.Variable([1.0, 2.0]), tf.Variable(3.0)
    optimizer = train.GradientDescentOptimizer(0.25)
    global_step = tf.Variable(0, dtype=tf.int64)
    optimizer.minimize(lambda: tf.reduce_sum(v * v) + w * 0.0, var_list=[v], global_step=global_step)
    optimizer.minimize(lambda: tf.reduce_sum(v * v) + w, global_step=global_step)
    assert v.numpy().tolist() == [0.25, 0.5] and float(w) == 2.75 and int(global_step) == 2
    with pytest.raises(RuntimeError, match="function"):
        optimizer.minimize(tf.reduce_sum(v * v))
    with pytest.raises(ValueError, match="[Nn]o gradients"):
        optimizer.minimize(lambda: tf.constant(1.0), var_list=[v])


def test_eager_slots():
    v = tf.Variable([1.0, 2.0], name="weights")
    optimizer = train.AdamOptimizer(0.1)
    optimizer.apply_gradients([(tf.constant([1.0, 2.0]), v)])
    assert optimizer.get_slot_names() == ["m", "v"]
    np.testing.assert_allclose(optimizer.get_slot(v, "m").numpy(), [0.1, 0.2], rtol=1e-6)
    assert sorted(variable.name for variable in optimizer.variables()) == [
        "beta1_power:0", "beta2_power:0", "weights/Adam:0", "weights/Adam_1:0",
    ]  # fmt: skip


def test_training_loop_in_a_function():
    w = tf.Variable(tf.zeros([2, 1]))
    optimizer = train.AdamOptimizer(0.1)
    inputs = np.random.RandomState(0).randn(32, 2).astype(np.float32)
    targets = inputs @ np.array([[1.0], [-1.0]], np.float32)

    @tf.function
    def step(x, t):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((x @ w - t) ** 2)
        optimizer.apply_gradients(zip(tape.gradient(loss, [w]), [w]))
        return loss

    losses = [float(step(inputs, targets)) for _ in range(120)]
    assert losses[-1] < 1e-2 < 1.0 < losses[0] and step.experimental_get_tracing_count() <= 2
    np.testing.assert_allclose(w.numpy(), [[1.0], [-1.0]], atol=0.1)


def test_constraint_is_applied(graph):
    v = tf1.get_variable("v", initializer=1.0, constraint=lambda x: tf.clip_by_value(x, 0.0, 2.0))
    step = train.GradientDescentOptimizer(10.0).minimize(-v)
    with tf1.Session() as session:
        session.run(v.initializer)
        session.run(step)
        assert session.run(v) == 2.0
