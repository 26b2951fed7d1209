"""The checked-in manifest is what the generator would write, and the export table refuses collisions."""

import pathlib
import subprocess
import sys

import pytest

from everflow import _manifest
from everflow._src.framework import export as export_module
from everflow._src.framework.export import export, export_constant

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture
def empty_tables(monkeypatch):
    monkeypatch.setattr(export_module, "V2_EXPORTS", {})
    monkeypatch.setattr(export_module, "V1_EXPORTS", {})
    return export_module


def test_is_up_to_date():
    # In a process of its own: here, tests may have registered operations.
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tools.generate_manifest", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("table", ["V1", "V2", "OPS"])
def test_is_sorted(table):
    entries = getattr(_manifest, table)
    assert entries and list(entries) == sorted(entries)


@pytest.mark.parametrize("table", ["V1", "V2"])
def test_no_name_is_also_a_namespace(table):
    names = getattr(_manifest, table)
    namespaces = {name[:i] for name in names for i, letter in enumerate(name) if letter == "."}
    assert not namespaces & set(names)


def softplus():
    pass


def softmax():
    pass


def test_one_list_of_names_serves_both_generations(empty_tables):
    assert export("math.softplus", "nn.softplus")(softplus) is softplus
    assert list(empty_tables.V2_EXPORTS) == list(empty_tables.V1_EXPORTS) == ["math.softplus", "nn.softplus"]
    assert empty_tables.V2_EXPORTS["nn.softplus"].target == f"{__name__}:softplus"


def test_names_of_one_generation(empty_tables):
    export("a", v1=[])(softplus)
    export(v1=["b"])(softplus)
    export("c", v1=["d"])(softplus)
    assert list(empty_tables.V2_EXPORTS) == ["a", "c"]
    assert list(empty_tables.V1_EXPORTS) == ["b", "d"]


def test_a_name_given_twice_names_the_first(empty_tables):
    export("nn.softplus")(softplus)
    export("nn.softplus")(softplus)  # the same object again, as when a module is reloaded
    with pytest.raises(ValueError, match=rf"first as .*:softplus at {__file__}:\d+"):
        export("nn.softplus")(softmax)


def test_constants_are_found_by_attribute(empty_tables):
    export_constant(__name__, "ROOT", "root")
    assert empty_tables.V1_EXPORTS["root"].target == f"{__name__}:ROOT"


@pytest.mark.parametrize("name", ["tf.nn.relu", "nn.", ".nn", "a b", ""])
def test_what_is_no_name_is_refused(empty_tables, name):
    with pytest.raises(ValueError, match="not a public name"):
        export(name)(softplus)


def test_what_no_module_holds_by_name_is_refused(empty_tables):
    with pytest.raises(ValueError, match="export_constant"):
        export("f")(lambda: None)
    with pytest.raises(ValueError, match="list of names"):
        export("f", v1="f")(softplus)
