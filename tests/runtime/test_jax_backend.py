"""The settings that jax gets when something first compiles."""

import subprocess
import sys

import numpy as np
import pytest

from everflow._src.runtime import jax_backend

PROGRAM = """
import everflow as tf
tf.function(lambda x: x + 1, jit_compile=True)(1.0)
import jax
print(jax.config.read("jax_cpu_enable_async_dispatch"), jax.numpy.asarray(1.0).dtype)
"""


def test_settings_in_a_fresh_process():
    """Small programs run on the thread that calls them; a user's own jax keeps its 32-bit types."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "float32"]


def step(variable, x, y):
    """Reads the old value of what it updates: in the gradient by the input, and in the update."""
    old = variable
    return old - 0.1 * (x.T @ y), y @ old.T


ARRAYS = [np.ones((256, 128), np.float32), np.ones((64, 256), np.float32), np.ones((64, 128), np.float32)]


def test_steps_do_not_copy_what_they_update():
    modules = jax_backend.jax_modules()
    lowered = modules.jit(step, donate_argnums=0).lower(*ARRAYS)
    assert " copy(" in lowered.compile().as_text()
    compiled = jax_backend.compile_for_cpu(lowered)
    assert " copy(" not in compiled.as_text()
    updated, gradient = compiled(*(modules.numpy.asarray(a) for a in ARRAYS))
    np.testing.assert_allclose(updated, 1 - 0.1 * 64, rtol=1e-5)
    np.testing.assert_allclose(gradient, 128)


def test_an_xla_without_the_options(monkeypatch):
    monkeypatch.setattr(jax_backend, "_cpu_options", {"xla_cpu_of_another_time": True})
    modules = jax_backend.jax_modules()
    for _ in range(2):
        compiled = jax_backend.compile_for_cpu(modules.jit(step).lower(*ARRAYS))
        np.testing.assert_allclose(compiled(*ARRAYS)[1], 128)
        assert not jax_backend._cpu_options


def test_other_failures_are_not_taken_for_that(monkeypatch):
    class Broken:
        def compile(self, compiler_options=None):
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        jax_backend.compile_for_cpu(Broken())
    assert jax_backend._cpu_options
