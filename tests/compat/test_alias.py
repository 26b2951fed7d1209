"""`import tensorflow` served by everflow."""

import importlib
import importlib.util
import pathlib
import subprocess
import sys
import textwrap
import types

import pytest

import everflow
from everflow._src.compat import alias, internal_modules
from everflow._src.compat.internal_paths import NAMES, SEARCHED, WHOLE

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def installed():
    """The alias for 2.x, whatever other tests of this process have installed before."""
    before = alias.installed_generation()
    alias.uninstall()
    alias.install()
    yield
    alias.uninstall()
    if before is not None:
        alias.install(before)


def run(source):
    """Runs a program in a fresh process; returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(source)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_serves_everflow_itself(installed):
    tensorflow = importlib.import_module("tensorflow")
    assert tensorflow is everflow
    assert importlib.import_module("tensorflow.errors") is everflow.errors
    assert importlib.import_module("tensorflow.compat.v1") is everflow.compat.v1
    assert importlib.import_module("tensorflow.compat.v1.errors") is everflow.compat.v1.errors


def test_everflow_keeps_its_own_specs(installed):
    importlib.import_module("tensorflow.errors")
    assert everflow.__spec__.name == "everflow"
    assert everflow.errors.__spec__.name == "everflow.errors"


def test_is_found_before_it_is_imported(installed):
    assert importlib.util.find_spec("tensorflow") is not None
    assert importlib.util.find_spec("tensorflow.python.framework.ops") is not None
    assert importlib.util.find_spec("tensorflow.there_never_was_such_a_module") is None


def test_uninstall_takes_everything_back(installed):
    importlib.import_module("tensorflow.compat.v1")
    alias.uninstall()
    assert not [name for name in sys.modules if name.partition(".")[0] == "tensorflow"]
    assert alias.installed_generation() is None
    alias.uninstall()  # a second time does nothing


def test_a_tensorflow_that_is_loaded_is_not_shadowed(installed, monkeypatch):
    alias.uninstall()
    real = types.ModuleType("tensorflow")
    real.__file__ = "/site-packages/tensorflow/__init__.py"
    monkeypatch.setitem(sys.modules, "tensorflow", real)
    with pytest.raises(ImportError, match="imported already, from /site-packages/tensorflow"):
        alias.install()


def test_one_generation_at_a_time(installed):
    importlib.import_module("tensorflow")
    alias.install(2)  # the same again is fine
    with pytest.raises(ImportError, match=r"as the 2.x namespace of everflow: call uninstall\(\) first"):
        alias.install(1)
    with pytest.raises(ValueError, match="received 3"):
        alias.install(3)


def test_compat_v1_does_not_switch_a_2x_process():
    printed = run(
        """
        from everflow.compat import alias
        alias.install()
        import tensorflow.compat.v1 as tf
        from tensorflow.compat import v1
        print(tf.executing_eagerly(), tf is v1, tf.__version__)
        tf.disable_v2_behavior()
        print(tf.executing_eagerly())
        """
    )
    assert printed == "True True 2.15.1\nFalse\n"


def test_generation_1():
    printed = run(
        """
        from everflow.compat import alias
        alias.install(generation=1)
        import tensorflow as tf
        import tensorflow.compat.v1 as v1
        import tensorflow.errors
        from tensorflow.python.framework import ops
        print(tf.executing_eagerly(), tf is v1, tf.__version__, tensorflow.errors is tf.errors)
        """
    )
    assert printed == "False True 1.15.5 True\n"


def test_internal_paths(installed):
    dtypes = importlib.import_module("tensorflow.python.framework.dtypes")
    assert dtypes.float32 is everflow.float32
    assert dtypes.float32_ref == everflow.float32._as_ref
    from_import = {}
    exec("from tensorflow.python.framework import errors_impl, dtypes", from_import)
    assert from_import["errors_impl"].NotFoundError is everflow.errors.NotFoundError
    assert from_import["dtypes"] is dtypes
    assert "float32" in dir(dtypes)


def test_attribute_chains_reach_internal_paths(installed):
    tensorflow = importlib.import_module("tensorflow")
    assert tensorflow.python.framework.dtypes.int32 is everflow.int32


def test_generated_operation_modules_take_positional_arguments(installed):
    gen_math_ops = importlib.import_module("tensorflow.python.ops.gen_math_ops")
    assert int(gen_math_ops.add_v2(1, 2)) == 3


def test_messages_of_the_protocol_buffers(installed):
    graph_pb2 = importlib.import_module("tensorflow.core.framework.graph_pb2")
    assert graph_pb2.GraphDef.DESCRIPTOR.name == "GraphDef"


def test_what_is_missing_says_so(installed):
    with pytest.raises(ImportError, match="tensorflow.python.framework.ops.uid is internal to TensorFlow"):
        exec("from tensorflow.python.framework.ops import uid")
    with pytest.raises(AttributeError, match="nothing in place of this name"):
        _ = importlib.import_module("tensorflow.python.framework.ops").uid
    with pytest.raises(ModuleNotFoundError, match="tensorflow.python.no_such is internal"):
        importlib.import_module("tensorflow.python.no_such")
    with pytest.raises(ImportError, match="tf.contrib was removed in 2.0"):
        exec("import tensorflow.contrib.slim as slim")
    with pytest.raises(ModuleNotFoundError, match="No module named 'tensorflow.foo'"):
        importlib.import_module("tensorflow.foo")


@pytest.mark.parametrize("path", sorted([*SEARCHED, "python.keras.layers", "python.keras.engine.base_layer"]))
def test_every_path_of_the_table_lists_its_names(path):
    names = dir(internal_modules.module(path))
    assert names == sorted(set(names))


def test_single_names_stand_in_modules_of_the_table():
    assert {name.rpartition(".")[0] for name in NAMES} <= set(SEARCHED)


@pytest.mark.parametrize("path", sorted(WHOLE))
def test_whole_modules_import(path):
    assert isinstance(internal_modules.module(path), types.ModuleType)
