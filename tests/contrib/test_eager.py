"""tf.contrib.eager: derivatives of functions, defun, and whole 1.x programs that execute eagerly."""

import pathlib
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import everflow as tf

tfe = tf.compat.v1.contrib.eager
ROOT = pathlib.Path(__file__).resolve().parents[2]


def numbers(gradients):
    return [None if g is None else g.numpy().tolist() for g in gradients]


# ------------------------------------------------------------------ gradients by arguments


def test_gradients_function():
    def f(x, y):
        return x * x * y

    assert numbers(tfe.gradients_function(f)(3.0, 2.0)) == [12.0, 9.0]
    assert numbers(tfe.gradients_function(f, params=["y"])(3.0, 2.0)) == [9.0]
    assert numbers(tfe.gradients_function(f, params=[1, 0])(3.0, 2.0)) == [9.0, 12.0]
    assert numbers(tfe.gradients_function(f)(3.0, 2.0, dy=10.0)) == [120.0, 90.0]
    assert numbers(tfe.gradients_function(lambda x, y: x * 2.0)(3.0, 2.0)) == [2.0, None]


def test_an_argument_given_twice_is_two():
    x = tf.constant(3.0)
    assert numbers(tfe.gradients_function(lambda a, b: a * a * b)(x, x)) == [18.0, 9.0]


def test_an_argument_that_is_returned():
    assert numbers(tfe.gradients_function(lambda x: x)(3.0)) == [1.0]


def test_derivatives_of_higher_order():
    first = tfe.gradients_function(lambda x: x * x)
    second = tfe.gradients_function(lambda x: first(x)[0])
    third = tfe.gradients_function(lambda x: second(x)[0])
    assert [numbers(g(3.0)) for g in (first, second, third)] == [[6.0], [2.0], [None]]


def test_python_control_flow():
    gradient = tfe.gradients_function(lambda x: x if x > 0.0 else -x)
    assert numbers(gradient(3.0)) == [1.0] and numbers(gradient(-3.0)) == [-1.0]


def test_value_and_gradients_function():
    value, gradients = tfe.value_and_gradients_function(lambda x: tf.square(x))(tf.constant([1.0, 2.0]))
    assert value.numpy().tolist() == [1.0, 4.0] and numbers(gradients) == [[2.0, 4.0]]
    value, gradients = tfe.value_and_gradients_function(lambda v: v * v)(tf.Variable(3.0))
    assert float(value) == 9.0 and numbers(gradients) == [6.0]


def test_methods_and_callable_objects():
    class Squarer:
        def __call__(self, x):
            return x * x

        def twice(self, x, y):
            return x * 2.0 * y

    squarer = Squarer()
    assert numbers(tfe.gradients_function(squarer)(3.0)) == [6.0]
    assert numbers(tfe.gradients_function(squarer.twice, params=["y"])(3.0, 1.0)) == [6.0]
    assert numbers(tfe.gradients_function(tf.function(lambda x: x * x))(3.0)) == [6.0]


def test_what_cannot_be_differentiated():
    with pytest.raises(ValueError, match="keyword arguments"):
        tfe.gradients_function(lambda x: x)(x=1.0)
    with pytest.raises(ValueError, match="returns None"):
        tfe.gradients_function(lambda x: None)(1.0)
    with pytest.raises(ValueError, match="all strings or all integers"):
        tfe.gradients_function(lambda x, y: x, params=["x", 1])(1.0, 2.0)
    with pytest.raises(ValueError, match="no argument 'z'"):
        tfe.gradients_function(lambda x: x, params=["z"])(1.0)


# ------------------------------------------------------------------ gradients by variables


def test_implicit_gradients():
    w, b, unused = tfe.Variable(2.0), tfe.Variable(1.0), tfe.Variable(0.0)

    def loss(x):
        return tf.square(w * x + b)

    value, pairs = tfe.implicit_value_and_gradients(loss)(3.0)
    assert float(value) == 49.0 and [float(g) for g, _ in pairs] == [42.0, 14.0]
    assert [v is e for (_, v), e in zip(pairs, (w, b))] == [True, True] and float(unused) == 0.0
    assert [float(g) for g, _ in tfe.implicit_gradients(loss)(3.0)] == [42.0, 14.0]
    optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.5)
    optimizer.apply_gradients(tfe.implicit_gradients(loss)(0.0))
    assert (float(w), float(b)) == (2.0, 0.0)


def test_implicit_gradients_need_a_value_and_variables():
    with pytest.raises(ValueError, match="No trainable variables"):
        tfe.implicit_gradients(lambda x: x)(tf.constant(1.0))
    with pytest.raises(ValueError, match="returns None"):
        tfe.implicit_gradients(lambda: None)()


# ------------------------------------------------------------------ functions


def test_defun():
    traces = []

    @tfe.defun
    def double(x):
        traces.append(x)
        return x * 2.0

    assert float(double(tf.constant(3.0))) == 6.0 and float(double(tf.constant(4.0))) == 8.0
    assert len(traces) == 1
    relaxed = tfe.defun(lambda x: x, experimental_relax_shapes=True)
    for size in (1, 2, 3):
        relaxed(tf.ones([size]))
    assert relaxed.experimental_get_tracing_count() == 2
    declared = tfe.defun(input_signature=[tfe.TensorSpec([None])])(tf.reduce_sum)
    assert float(declared(np.ones(3, np.float32))) == 3.0
    with pytest.raises(TypeError):
        tfe.defun(3)


def test_a_trace_keeps_its_variables():
    @tfe.defun
    def count(x):
        total = tf.Variable(10.0)
        return total.assign_add(tf.reduce_sum(x))

    scalar, vector = tf.constant(1.0), tf.constant([1.0, 1.0])
    assert [float(count(x)) for x in (scalar, scalar, vector, scalar)] == [11.0, 12.0, 12.0, 13.0]


def test_py_func():
    x = tf.constant(3.0)
    with tfe.GradientTape() as tape:
        tape.watch(x)
        y = tfe.py_func(lambda a: a * a, [x], tf.float32)
    assert float(y) == 9.0 and float(tape.gradient(y, x)) == 6.0


# ------------------------------------------------------------------ modes, devices, programs


def test_modes_and_devices():
    assert tfe.executing_eagerly() and tfe.in_eager_mode() and not tfe.in_graph_mode()
    with tf.Graph().as_default():
        assert tfe.in_graph_mode() and not tfe.in_eager_mode()
    with tfe.execution_mode(tfe.ASYNC):
        assert float(tf.constant(1.0) + 1.0) == 2.0
    tfe.set_execution_mode(tfe.SYNC)
    tfe.async_wait()
    tfe.async_clear_error()
    with pytest.raises(ValueError, match="execution mode"):
        tfe.set_execution_mode(7)
    devices = tfe.list_devices()
    assert devices[0] == "/job:localhost/replica:0/task:0/device:CPU:0"
    assert tfe.num_gpus() == len(devices) - 1


def test_optimizer_variables():
    v = tfe.Variable(1.0)
    optimizer = tf.compat.v1.train.AdamOptimizer()
    optimizer.apply_gradients([(tf.constant(1.0), v)])
    assert len(tfe.get_optimizer_variables(optimizer)) == len(optimizer.variables()) > 2


@pytest.mark.parametrize("name", ["Network", "seterr"])
def test_what_is_missing_is_named(name):
    with pytest.raises(AttributeError, match=rf"tf.contrib.eager.{name} is a name of TensorFlow 1.x"):
        getattr(tfe, name)


PROGRAM = """
    import tensorflow as tf
    tfe = tf.contrib.eager
    tf.enable_eager_execution()
    print(tf.executing_eagerly(), tfe.in_eager_mode())
    a = tf.constant([[1, 2], [3, 4]])
    print(a.numpy().tolist(), (a * a + 1).numpy().tolist(), a.cpu().device[-5:], tfe.num_gpus() >= 0)
    gradient = tfe.gradients_function(lambda x: x * x)
    print([float(g) for g in gradient(3.0)])
    w, b = tfe.Variable(5.0), tfe.Variable(10.0)
    x = tf.constant([-1.0, 0.0, 1.0, 2.0])
    y = x * 3.0 + 2.0
    loss = lambda: tf.reduce_mean(tf.square(x * w + b - y))
    optimizer = tf.train.GradientDescentOptimizer(0.1)
    step = tf.train.get_or_create_global_step()
    for _ in range(200):
        value, pairs = tfe.implicit_value_and_gradients(loss)()
        optimizer.apply_gradients(pairs, global_step=step)
    print(round(float(w), 3), round(float(b), 3), int(step))
    store = tfe.EagerVariableStore()
    with store.as_default():
        print(tf.get_variable("v", [2]) is tf.get_variable("v", [2]), [v.name for v in store.variables()])
    with tf.Graph().as_default(), tf.Session() as session:
        p = tf.placeholder(tf.float32)
        print(session.run(tfe.py_func(lambda t: t + 1.0, [p], tf.float32), {p: 2.0}))
"""
OUTPUT = """\
True True
[[1, 2], [3, 4]] [[2, 5], [10, 17]] CPU:0 True
[6.0]
3.0 2.0 200
True ['v:0']
3.0
"""


def run(tmp_path, source, *command):
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(source))
    done = subprocess.run(
        [sys.executable, *command, str(path)], capture_output=True, text=True, cwd=ROOT, timeout=120,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_program_by_the_command(tmp_path):
    assert run(tmp_path, PROGRAM, "-m", "everflow", "run", "--tf", "1") == OUTPUT


def test_program_that_imports_everflow(tmp_path):
    source = PROGRAM.replace("import tensorflow as tf", "import everflow.compat.v1 as tf")
    assert run(tmp_path, source) == OUTPUT


def test_run(tmp_path):
    source = """
        import everflow.compat.v1 as tf

        def main(arguments):
            print(tf.executing_eagerly(), len(arguments))

        tf.contrib.eager.run()
    """
    assert run(tmp_path, source) == "True 1\n"


def test_make_template():
    v1 = tf.compat.v1
    template = tfe.make_template("t", lambda x: v1.get_variable("w", [], initializer=v1.ones_initializer()) * x)
    assert [float(template(2.0)), float(template(3.0))] == [2.0, 3.0] and len(template.variables) == 1
