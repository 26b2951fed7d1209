"""The settings that jax gets when something first compiles."""

import subprocess
import sys

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
