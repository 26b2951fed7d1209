"""What to say when a program asks for a public name that everflow does not have.

The names that TensorFlow ever made public stand in `public_names.txt.gz`, written by
`tools/collect_public_names.py`.  Everything here runs only when an error message is printed.
"""

from __future__ import annotations

import difflib
import functools
import gzip
import pathlib
from typing import Any

_TABLE = pathlib.Path(__file__).with_name("public_names.txt.gz")

# Names of the releases before 1.0, which the listings of the API no longer hold.
RENAMED = {
    "all_variables": "global_variables",
    "audio_summary": "summary.audio",
    "batch_cholesky": "cholesky",
    "batch_matmul": "matmul",
    "complex_abs": "abs",
    "concat_v2": "concat",
    "histogram_summary": "summary.histogram",
    "image_summary": "summary.image",
    "initialize_all_tables": "tables_initializer",
    "initialize_all_variables": "global_variables_initializer",
    "initialize_local_variables": "local_variables_initializer",
    "initialize_variables": "variables_initializer",
    "inv": "reciprocal",
    "listdiff": "setdiff1d",
    "merge_all_summaries": "summary.merge_all",
    "merge_summary": "summary.merge",
    "mul": "multiply",
    "neg": "negative",
    "pack": "stack",
    "python_io.tf_record_iterator": "compat.v1.io.tf_record_iterator",
    "scalar_summary": "summary.scalar",
    "select": "where",
    "sub": "subtract",
    "train.SummaryWriter": "summary.FileWriter",
    "unpack": "unstack",
}


@functools.cache
def table() -> dict[str, str]:
    """Every public name of TensorFlow -> in which listings it stands: "1", "2", "c" for contrib."""
    names: dict[str, str] = {}
    for line in gzip.decompress(_TABLE.read_bytes()).decode().splitlines():
        name, _, marks = line.rpartition(" ")
        names[name] = marks
        while "." in name:  # the namespaces above it
            name = name.rpartition(".")[0]
            names[name] = "".join(sorted(set(names.get(name, "")) | set(marks)))
    return names


def was_public(generation: int, name: str) -> bool:
    """True when some release of TensorFlow had `tf.<name>`."""
    return name in table() or (generation == 1 and name in RENAMED)


def explain(root: str, generation: int, name: str, manifest: Any) -> str:
    """The message for a missing `tf.<name>`: whose name it was, and what to use instead.

    Args:
      root: the module that serves the generation, such as "everflow.compat.v1".
      generation: 1 or 2, the generation that was asked.
      name: the dotted name, without `tf.`.
      manifest: the module with the tables V1, V2 and OPS.
    """
    marks = table().get(name, "")
    if not marks and name in RENAMED and "1" in table().get(RENAMED[name], "1"):
        return f"tf.{name} was renamed tf.{RENAMED[name]} in TensorFlow 1.0: use that{_in_v1(generation)}"
    if not marks:
        return _never_was(root, generation, name, manifest)
    here, other = (manifest.V1, manifest.V2) if generation == 1 else (manifest.V2, manifest.V1)
    if name.startswith("raw_ops."):
        return f"tf.{name}: everflow does not have the operation {name[8:]} yet"
    if "c" in marks and "2" not in marks and generation == 2:
        start = f"tf.{name} belongs to TensorFlow 1.x: tf.contrib was removed in 2.0"
    elif str(generation) in marks or (generation == 1 and "c" in marks):
        start = f"tf.{name} is a name of TensorFlow {generation}.x that everflow does not have yet"
    else:
        start = f"tf.{name} belongs to TensorFlow {3 - generation}.x; this is the {generation}.x namespace"
    return start + _advice(generation, name, here, other)


def _advice(generation: int, name: str, here: dict[str, str], other: dict[str, str]) -> str:
    target = other.get(name)
    is_namespace = any(n.startswith(name + ".") for n in other)
    if target is None and not is_namespace:
        if generation == 2 and "2" not in table()[name]:
            return ", and everflow does not have it there either"
        return ""
    same = sorted((n for n, t in here.items() if target and t == target), key=lambda n: (n.count("."), n))
    if same:
        return f": the same object is tf.{same[0]} here"
    if generation == 2:
        where = f"tf.compat.v1.{name}"
        return (
            f": use {where}, or run the whole program as 1.x "
            "(`import everflow.compat.v1 as tf`, or `everflow run --tf 1 SCRIPT`)"
        )
    return f": use tf.compat.v2.{name}, or run the whole program as 2.x (`import everflow as tf`)"


def _in_v1(generation: int) -> str:
    return "" if generation == 1 else " (1.x names: tf.compat.v1)"


def _never_was(root: str, generation: int, name: str, manifest: Any) -> str:
    path, _, last = name.rpartition(".")
    module = f"{root}.{path}" if path else root
    names = manifest.V1 if generation == 1 else manifest.V2
    prefix = path + "." if path else ""
    siblings = {n[len(prefix):].partition(".")[0] for n in names if n.startswith(prefix)}
    if path == "raw_ops":
        siblings = set(manifest.OPS)
    close = [f"tf.{prefix}{n}" for n in difflib.get_close_matches(last, siblings, n=3, cutoff=0.75)]
    # The right name in the wrong place: tf.softmax for tf.nn.softmax.
    elsewhere = sorted(
        (f"tf.{n}" for n in names if n.rpartition(".")[2] == last), key=lambda n: (n.count("."), n)
    )
    found = list(dict.fromkeys(elsewhere[:2] + close))[:3]
    hint = f". Close names: {', '.join(found)}" if found else ""
    return f"module {module!r} has no attribute {last!r}{hint}"
