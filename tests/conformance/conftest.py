"""Conformance tests speak only the public API, through `import tensorflow as tf`.

They run on everflow, through its alias, unless the environment says EVERFLOW_CONFORMANCE=tensorflow: then
they run on the real TensorFlow 2.15.1 that is installed. A test that fails there is wrong.
"""

import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

ON_TENSORFLOW = os.environ.get("EVERFLOW_CONFORMANCE") == "tensorflow"
ROOT = pathlib.Path(__file__).resolve().parents[2]
INSTALL_ALIAS = "from everflow.compat import alias; alias.install()"

if not ON_TENSORFLOW:
    from everflow.compat import alias

    alias.install()

import tensorflow as tf  # noqa: E402


@pytest.fixture
def graph():
    """A fresh default graph for a test that builds one."""
    with tf.Graph().as_default() as fresh:
        yield fresh


@pytest.fixture
def session(graph):
    """A session of the fresh default graph, itself the default session."""
    with tf.compat.v1.Session(graph=graph) as fresh:
        yield fresh


@pytest.fixture
def run_script(tmp_path):
    """Runs a program in its own process, where it may switch global behaviour; returns what it prints."""

    def run(source):
        path = tmp_path / "script.py"
        path.write_text(textwrap.dedent(source))
        prelude = "" if ON_TENSORFLOW else INSTALL_ALIAS + "; "
        program = f"{prelude}import runpy; runpy.run_path({str(path)!r}, run_name='__main__')"
        environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=120
        )
        if done.returncode:
            raise RuntimeError(f"script ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    return run
