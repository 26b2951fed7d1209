"""Where the native kernels come from, and that everything works where they are missing."""

import platform
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import jax
import numpy as np
import pytest

import everflow as tf
from everflow._src.runtime.native import convolution as native
from everflow._src.runtime.native import library as module
from everflow._src.runtime.native.convolution import FORWARD
from tests.runtime.native.cases import Case, check, needs_native, python_environment

CASE = Case((2, 12, 10, 8), (3, 3, 8, 16), (1, 1), (1, 1), "SAME")
SWITCHED_OFF = python_environment()[module.SWITCH] == "0"


@pytest.mark.skipif(SWITCHED_OFF, reason=f"{module.SWITCH}=0")
@pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="built for Linux on x86-64")
@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="there is no C++ compiler")
def test_they_are_here():
    """The tests that need the kernels are skipped without them; where they should be, this one says so aloud."""
    status = module.status()
    assert status.available, f"{status.what}; to mend it: {status.fix}"


@needs_native
def test_status():
    status = module.status()
    assert status.what == f"oneDNN {module.library().version} at {module.library().onednn}"
    assert status.fix == ""
    assert module.library() is module.library()
    assert module.compiled_library(jax) is module.library()
    assert module.library().register(jax)


@pytest.fixture
def not_looked_for(monkeypatch):
    """As in a process that has not asked for the library yet."""
    monkeypatch.setattr(module, "_library", None)
    monkeypatch.setattr(module, "_status", None)
    monkeypatch.delenv(module.SWITCH, raising=False)
    return monkeypatch


def check_without():
    """The library is missing, and convolutions are right, eagerly and compiled."""
    assert module.library() is None
    assert module.compiled_library(jax) is None
    random = np.random.default_rng(0)
    x, w = CASE.operands(FORWARD, random)
    assert native.eager(FORWARD, x, w, CASE.x_shape, CASE.w_shape, CASE.geometry) is None
    function = tf.function(lambda x, w: tf.nn.conv2d(x, w, 1, "SAME"), jit_compile=True)
    for call in (function.python_function, function):
        check(FORWARD, CASE, x, w, call(tf.constant(x), tf.constant(w)).numpy())
    return module.status()


def test_switched_off(not_looked_for):
    not_looked_for.setenv(module.SWITCH, "0")
    status = check_without()
    assert (status.available, status.what, status.fix) == (
        False, "switched off by EVERFLOW_NATIVE=0", "unset EVERFLOW_NATIVE")


@pytest.fixture
def copy(tmp_path):
    """The library in use once more, in another file: this one has not been told where oneDNN lies."""
    path = tmp_path / "another.so"
    path.write_bytes(Path(module.library().functions._name).read_bytes())
    return path


@needs_native
def test_another_build(copy, not_looked_for):
    not_looked_for.setattr(module, "_built_file", lambda: copy)
    for switch in ("1", str(copy)):
        not_looked_for.setenv(module.SWITCH, switch)
        not_looked_for.setattr(module, "_status", None)
        assert module.library().functions._name == str(copy)
    not_looked_for.setenv(module.SWITCH, str(copy.parent / "nothing.so"))
    not_looked_for.setattr(module, "_status", None)
    assert check_without().what.startswith("do not load: ")


def test_not_built(not_looked_for):
    not_looked_for.setattr(module, "_built_file", lambda: None)
    status = check_without()
    assert status.what.startswith("not built")
    assert "C++17 compiler" in status.fix


def test_without_onednn(not_looked_for):
    not_looked_for.setattr(module, "_built_file", lambda: Path("built"))
    not_looked_for.setattr(module, "_onednn_file", lambda: None)
    status = check_without()
    assert "libdnnl.so.3" in status.what
    assert status.fix == "pip install onednn-cpu-gomp"


def test_a_file_that_is_no_library(not_looked_for, tmp_path):
    broken = tmp_path / "_kernels.so"
    broken.write_bytes(b"not a library")
    not_looked_for.setattr(module, "_built_file", lambda: broken)
    not_looked_for.setattr(module, "_onednn_file", lambda: broken)
    status = check_without()
    assert status.what.startswith("do not load: ")
    assert "--force-reinstall" in status.fix


@needs_native
def test_a_library_of_something_else(not_looked_for):
    """One that loads and lacks the functions: what an older version left behind."""
    other = module._onednn_file()
    not_looked_for.setattr(module, "_built_file", lambda: other)
    status = check_without()
    assert status.what.startswith("do not load: ")
    assert "everflow_load" in status.what
    assert "--force-reinstall" in status.fix


@needs_native
def test_an_onednn_that_does_not_load(copy, not_looked_for, tmp_path):
    broken = tmp_path / "libdnnl.so.3"
    not_looked_for.setattr(module, "_built_file", lambda: copy)
    not_looked_for.setattr(module, "_onednn_file", lambda: broken)
    for content in (b"not a library", copy.read_bytes()):
        broken.write_bytes(content)
        not_looked_for.setattr(module, "_status", None)
        status = check_without()
        assert status.what.startswith("do not load: ")
        assert "--force-reinstall onednn-cpu-gomp" in status.fix


def test_without_libgomp(not_looked_for):
    def load(path):
        raise OSError("libgomp.so.1: cannot open shared object file: No such file or directory")

    not_looked_for.setattr(module, "_built_file", lambda: Path("built"))
    not_looked_for.setattr(module, "_onednn_file", lambda: Path("libdnnl.so.3"))
    not_looked_for.setattr(module.ctypes, "CDLL", load)
    assert check_without().fix.startswith("apt-get install libgomp1")


@needs_native
def test_a_jax_that_does_not_take_them(copy, not_looked_for):
    def refuse(name, handler, platform):
        raise ValueError("unsupported version of the interface\nand more")

    not_looked_for.setattr(module, "_built_file", lambda: copy)
    found = module.library()
    not_looked_for.setattr(jax.ffi, "register_ffi_target", refuse)
    assert module.compiled_library(jax) is None
    assert module.library() is found  # eager calls do not need XLA
    status = module.status()
    assert not status.available
    assert "unsupported version of the interface" in status.what
    assert "--force-reinstall" in status.fix


def test_onednn_is_found_by_its_package(monkeypatch, tmp_path):
    class File:
        name = "libdnnl.so.3"

        def locate(self):
            return tmp_path / self.name

    for name in ("prefix", "base_prefix"):
        monkeypatch.setattr(module.sys, name, str(tmp_path / "nothing"))
    monkeypatch.setattr(module.site, "USER_BASE", None)
    monkeypatch.setattr(module.importlib.metadata, "files", lambda name: [File()])
    assert module._onednn_file() is None
    (tmp_path / "libdnnl.so.3").touch()
    assert module._onednn_file() == (tmp_path / "libdnnl.so.3").resolve()

    def no_package(name):
        raise module.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(module.importlib.metadata, "files", no_package)
    assert module._onednn_file() is None


PROGRAM = """
    import sys
    import numpy as np
    import everflow as tf

    random = np.random.default_rng(0)
    x = tf.constant(random.standard_normal((6, 24, 24, 3)), tf.float32)
    shapes = [(5, 5, 3, 16), (3, 3, 16, 24), (3, 3, 24, 8)]
    filters = [tf.constant(random.standard_normal(s) / 5, tf.float32) for s in shapes]

    def step(x, filters):
        with tf.GradientTape() as tape:
            tape.watch([x, *filters])
            y = x
            for w in filters:
                y = tf.nn.max_pool2d(tf.nn.relu(tf.nn.conv2d(y, w, 1, "SAME")), 2, 2, "VALID")
            loss = tf.reduce_mean(y ** 2)
        return [y, loss, *tape.gradient(loss, [x, *filters])]

    results = [*step(x, filters), *tf.function(step, jit_compile=True)(x, filters)]
    np.savez(sys.argv[1], *[r.numpy() for r in results])
    from everflow._src.runtime.native.library import status
    print(status().what)
"""


def test_the_same_values_without(tmp_path):
    values = []
    for number, switch in enumerate([{module.SWITCH: "0"}, {}]):
        target = tmp_path / f"values{number}.npz"
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(PROGRAM), target], capture_output=True, text=True,
                              env=python_environment(**switch), timeout=600)
        assert (done.returncode, done.stderr) == (0, "")
        assert (done.stdout == "switched off by EVERFLOW_NATIVE=0\n") == (bool(switch) or SWITCHED_OFF)
        values.append(dict(np.load(target)))
    without, with_them = values
    for name, value in without.items():
        np.testing.assert_allclose(with_them[name], value, rtol=1e-3, atol=1e-5 * np.abs(value).max(), err_msg=name)
