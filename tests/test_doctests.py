"""The examples in the documentation strings do what they say."""

import doctest
import importlib
import pathlib

import pytest

import everflow as tf

ROOT = pathlib.Path(__file__).parents[1]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "everflow").rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    # A 2.x name in use keeps `import everflow.compat.v1` in an example from switching this process.
    assert tf.float32.name == "float32"
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=FLAGS)
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples of {name} failed"
