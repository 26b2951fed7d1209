"""Fingerprints: equal for programs that are built alike, different for whatever changes the code."""

import numpy as np
import pytest

import everflow as tf
from everflow._src.runtime import executables, fingerprint
from everflow._src.runtime.compile_cache import CompileCache
from everflow._src.runtime.compiler import cut
from everflow._src.runtime.fingerprint import NoFingerprint
from everflow._src.runtime.frames import HOST_FRAME, program_of

X = tf.TensorSpec([3, 4])


def of(function, *specs):
    """The fingerprint of the program of a function."""
    program = program_of(tf.function(function).get_concrete_function(*(specs or (X,))).function)
    constants = [(s, program.template[s]) for s in sorted(program.constants)]
    return fingerprint.of_instructions(program.instructions, program.input_slots, program.output_slots, constants)


def loop(limit, step):
    def f(x):
        return tf.while_loop(lambda i, y: i < limit, lambda i, y: (i + 1, y * step), [tf.constant(0), x])[1]

    return f


def test_building_again_gives_the_same():
    def f(x):
        y = tf.transpose(tf.matmul(x, x, transpose_b=True), [1, 0])
        return tf.reduce_sum(y, axis=0, keepdims=True) * 2.0

    assert of(f) == of(f) == of(lambda x: f(x))
    assert of(loop(3, 2.0)) == of(loop(3, 2.0))


VARIANTS = {
    "operation": lambda x: tf.exp(x),
    "another operation": lambda x: tf.sin(x),
    "twice": lambda x: tf.exp(tf.exp(x)),
    "two outputs": lambda x: (tf.exp(x), tf.exp(x)),
    "attr": lambda x: tf.matmul(x, x, transpose_a=True),
    "another attr": lambda x: tf.matmul(x, x, transpose_b=True),
    "constant": lambda x: x * 2.0,
    "another constant": lambda x: x * 3.0,
    "operands": lambda x: x - tf.exp(x),
    "operands the other way": lambda x: tf.exp(x) - x,
    "axis": lambda x: tf.reduce_sum(x, 0),
    "another axis": lambda x: tf.reduce_sum(x, 1),
    "type": lambda x: tf.cast(x, tf.int32),
    "another type": lambda x: tf.cast(x, tf.int64),
    "list": lambda x: tf.concat([x, x], 0),
    "longer list": lambda x: tf.concat([x, x, x], 0),
    "loop": loop(3, 2.0),
    "condition of a loop": loop(4, 2.0),
    "body of a loop": loop(3, 2.5),
    "random": lambda x: x + tf.random.uniform([3, 4], seed=1),
    "another seed": lambda x: x + tf.random.uniform([3, 4], seed=2),
    "slice": lambda x: x[1:],
    "another slice": lambda x: x[:-1],
}


def test_whatever_changes_the_code_changes_the_fingerprint():
    found = {name: of(function) for name, function in VARIANTS.items()}
    assert len(set(found.values())) == len(VARIANTS)
    assert of(lambda x: tf.exp(x), tf.TensorSpec([4, 3])) != found["operation"]
    assert of(lambda x: tf.exp(x), tf.TensorSpec([3, 4], tf.float64)) != found["operation"]


def test_values_of_no_fixed_form_have_none():
    def f(x):
        return tf.exp(x)

    program = program_of(tf.function(f).get_concrete_function(X).function)
    with pytest.raises(NoFingerprint, match="function has no fixed form"):
        fingerprint.of_instructions(program.instructions, f)
    with pytest.raises(NoFingerprint, match="Python objects"):
        fingerprint.of_instructions(program.instructions, np.array([f], object))
    assert fingerprint.of_instructions(program.instructions, np.array(["a", b"b"], object))


@pytest.fixture
def name_of(monkeypatch, tmp_path):
    """The name in the cache of the only step of a function."""
    monkeypatch.setattr(executables, "compile_cache", lambda: CompileCache(tmp_path))

    def name(function, *arguments):
        concrete = tf.function(function).get_concrete_function(*arguments)
        program = program_of(concrete.function)
        env = program.environment([*(a._value for a in arguments), *(t._value for t in concrete.captured_inputs)])
        (step,) = cut(program, program.instructions)
        executable = step.executable(env, HOST_FRAME)
        inputs = [env[s] for s in step.input_slots]
        return executable._fingerprint(
            [[r.value for r in executable.written], [r.value for r in executable.read], inputs])

    return name


def test_variables_count_by_what_happens_to_them(name_of):
    a, b, wide = tf.Variable([1.0, 2.0]), tf.Variable([3.0, 4.0]), tf.Variable([[1.0, 2.0]])
    other = tf.Variable([5.0, 6.0])
    x = tf.constant([1.0, 1.0])
    names = [
        name_of(lambda x: a.assign_add(x), x), name_of(lambda x: a + x, x), name_of(lambda x: wide + x, x),
        name_of(lambda x: a.assign(b + x), x), name_of(lambda x: a.assign(a + x), x),
        name_of(lambda x: (a.assign(b + x), b.assign(x))[0], x), name_of(lambda x: a + x, tf.constant([[1.0, 1.0]])),
    ]
    assert None not in names and len(set(names)) == len(names)
    # Which variable it is does not matter, its value neither.
    assert name_of(lambda x: other + x, x) == names[1] == name_of(lambda x: b + x, x)
    assert name_of(lambda x: other.assign(b + x), x) == names[3]


def test_settings_of_jax_count(name_of):
    jax = executables.jax_modules().jax
    x = tf.ones([4, 4])
    before = name_of(lambda x: x @ x, x)
    jax.config.update("jax_default_matmul_precision", "highest")
    try:
        assert name_of(lambda x: x @ x, x) != before
    finally:
        jax.config.update("jax_default_matmul_precision", None)
    assert name_of(lambda x: x @ x, x) == before
