"""The public namespaces: lazy, importable, and clear about what they do not have."""

import importlib
import importlib.util
import pathlib
import subprocess
import sys
import textwrap

import pytest

import everflow as tf
from everflow import _manifest

ROOT = pathlib.Path(__file__).parents[1]


def run(source):
    """Runs a program in a fresh process; returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(source)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_importing_loads_nothing_and_prints_nothing():
    printed = run(
        """
        import sys
        before = set(sys.modules)
        import everflow as tf
        import everflow.nn, everflow.compat.v2
        loaded = sorted(set(sys.modules) - before)
        heavy = {"jax", "jaxlib", "keras", "numpy", "tensorboard"} & {m.partition(".")[0] for m in loaded}
        ours = [m for m in loaded if m.startswith("everflow._src")]
        print(sorted(heavy), ours)
        """
    )
    assert printed == "[] []\n"


def test_a_1x_program_starts_in_graph_mode():
    printed = run(
        """
        import sys
        import everflow.compat.v1 as tf
        print(tf.executing_eagerly(), tf.__version__, tf.VERSION)
        print([m for m in sys.modules if m.partition(".")[0] in ("jax", "tensorboard")])
        print([m for m in sys.modules if m.startswith("everflow._src.ops.")])
        """
    )
    assert printed == "False 1.15.5 1.15.5\n[]\n[]\n"


@pytest.mark.parametrize(
    "statement", ["import everflow.compat.v1 as tf", "from everflow.compat import v1 as tf"]
)
def test_both_spellings_of_the_import_choose_the_generation(statement):
    assert run(f"{statement}\nprint(tf.executing_eagerly())") == "False\n"


def test_attribute_access_does_not_choose_the_generation():
    printed = run(
        """
        import everflow as tf
        print(tf.compat.v1.executing_eagerly(), tf.compat.v1.__version__, tf.__version__)
        """
    )
    assert printed == "True 2.15.1 2.15.1\n"


def test_a_running_2x_program_is_never_switched():
    printed = run(
        """
        import everflow as tf
        dtype = tf.float32
        import everflow.compat.v1 as tf1
        print(tf.executing_eagerly(), tf1 is tf.compat.v1)
        """
    )
    assert printed == "True True\n"


def test_behaviour_switches():
    printed = run(
        """
        import everflow as tf
        v1 = tf.compat.v1
        def state():
            return (tf.executing_eagerly(), v1.control_flow_v2_enabled(), v1.resource_variables_enabled())
        print(state())
        v1.disable_v2_behavior()
        print(state(), type(tf.TensorShape([1])[0]) is v1.Dimension)
        v1.enable_v2_behavior()
        print(state(), type(tf.TensorShape([1])[0]) is int)
        v1.disable_eager_execution(); v1.disable_control_flow_v2()
        print(state())
        tf.compat.v2.enable_v2_behavior()
        print(state())
        """
    )
    on, off = "(True, True, True)", "(False, False, False)"
    assert printed == f"{on}\n{off} True\n{on} True\n(False, False, True)\n{on}\n"


def test_names_resolve_once():
    assert tf.errors.NotFoundError is tf.errors.NotFoundError
    assert "NotFoundError" in vars(tf.errors)
    assert tf.errors.NotFoundError is tf.compat.v1.errors.NotFoundError


def test_dir_lists_all_names():
    assert {"float32", "errors", "compat", "raw_ops", "__version__"} <= set(dir(tf))
    assert "NotFoundError" in dir(tf.errors)
    assert "Dimension" in dir(tf.compat.v1) and "Dimension" not in dir(tf)
    assert dir(tf.raw_ops) == sorted(_manifest.OPS)


def test_namespaces_are_importable():
    errors = importlib.import_module("everflow.errors")
    assert errors is tf.errors
    assert errors.__name__ == errors.__spec__.name == "everflow.errors"
    assert importlib.import_module("everflow.compat.v1.errors") is tf.compat.v1.errors
    assert importlib.import_module("everflow.compat.v1.compat.v2") is tf.compat.v2
    assert importlib.util.find_spec("everflow.compat.v1.errors") is not None
    assert importlib.reload(errors) is errors


def test_star_import():
    names = {}
    exec("from everflow.errors import *", names)
    assert names["NotFoundError"] is tf.errors.NotFoundError


def test_version_is_parsed_by_programs():
    assert [int(part) for part in tf.__version__.split(".")] == [2, 15, 1]
    assert tf.version.VERSION == tf.__version__


def test_raw_operations():
    assert int(tf.raw_ops.AddV2(x=1, y=2)) == 3
    with pytest.raises(TypeError, match="only takes keyword args"):
        tf.raw_ops.AddV2(1, 2)
    with pytest.raises(TypeError, match="'z'"):
        tf.raw_ops.AddV2(x=1, y=2, z=3)
    with pytest.raises(TypeError, match="DstT"):
        tf.raw_ops.Cast(x=1)


# ---- what is missing


def message(namespace, name):
    with pytest.raises(AttributeError) as caught:
        getattr(namespace, name)
    return str(caught.value)


def test_hasattr_is_false_for_what_is_missing():
    assert not hasattr(tf, "contrib")
    assert not hasattr(tf, "there_never_was_such_a_name")
    assert getattr(tf.errors, "nothing", None) is None


def test_a_name_of_the_other_generation_says_where_it_is():
    assert "tf.Dimension belongs to TensorFlow 1.x" in message(tf, "Dimension")
    assert "use tf.compat.v1.Dimension" in message(tf, "Dimension")
    assert "`everflow run --tf 1" in message(tf, "Dimension")


def test_an_object_that_moved_is_named_by_its_new_name():
    assert "the same object is tf.errors.OpError here" in message(tf, "OpError")


def test_contrib_was_removed():
    assert "tf.contrib was removed in 2.0" in message(tf, "contrib")


def test_names_before_1_0():
    assert "renamed tf.multiply" in message(tf.compat.v1, "mul")


def test_a_name_that_never_was_gets_close_ones():
    assert message(tf, "flaot32") == "module 'everflow' has no attribute 'flaot32'. Close names: tf.float32"
    assert "tf.errors.NotFoundError" in message(tf, "NotFoundError")
    assert message(tf.errors, "qqqq") == "module 'everflow.errors' has no attribute 'qqqq'"


def test_imports_that_fail_say_the_same():
    with pytest.raises(ImportError, match=r"tf.Dimension belongs to TensorFlow 1.x"):
        exec("from everflow import Dimension")
    with pytest.raises(ModuleNotFoundError, match=r"tf.contrib was removed in 2.0"):
        importlib.import_module("everflow.contrib")
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'everflow.errors.NotFoundError'"):
        importlib.import_module("everflow.errors.NotFoundError")
    assert importlib.util.find_spec("everflow.there_never_was_such_a_module") is None


def test_any_operation_completes_tensors():
    source = ROOT / "everflow" / "_src" / "ops"
    installing = {
        f"everflow._src.ops.{path.stem}"
        for path in source.glob("*.py")
        if "\ninstall_method(" in path.read_text(encoding="utf-8")
    }
    printed = run("import sys, everflow; everflow.constant; print(*sys.modules)")
    assert installing <= set(printed.split())
