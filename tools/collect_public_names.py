"""Writes the table of all names that TensorFlow ever made public.

    python -m tools.collect_public_names FOLDER --tensorflow PYTHON

FOLDER holds `tf1.txt`, `tf2.txt` and `contrib.txt`: one public name per unindented line, as
`tf.name(signature)`, `class tf.Name(...)` or `tf.NAME = <type>`; and `ops.txt`, whose lines begin with
the name of an operation, `AddV2(...`.  PYTHON is an interpreter in which TensorFlow 2.15.1 is installed;
the names that its namespaces offer are added, since the listings name each object once.  The table goes
into the package, where `everflow/_src/compat/public_names.py` reads it to explain names that are missing.
"""

import argparse
import gzip
import json
import os
import pathlib
import re
import subprocess
import sys

TARGET = pathlib.Path(__file__).parents[1] / "everflow" / "_src" / "compat" / "public_names.txt.gz"
LISTINGS = {"tf1.txt": "1", "tf2.txt": "2", "contrib.txt": "c"}
_LINE = re.compile(r"(?:class )?tf\.([A-Za-z_][\w.]*)")
_OPERATION = re.compile(r"([A-Z]\w*)\(")

# Modules that lie in TensorFlow's namespaces without being public.
_NOT_PUBLIC = re.compile(
    r"(?:core|dtensor\.proto|security|tools|tsl|compat\.v[12])\.|(?:.*\.)?(?:python|tf_decorator|\w*_pb2)\."
)


def names_of_tensorflow() -> list[list[str]]:
    """The names that the installed TensorFlow offers, of 1.x and of 2.x; runs in its interpreter."""
    import types

    import tensorflow

    def walk(module, path, found, above=()):
        for name in dir(module):
            inner = f"{path}.{name}" if path else name
            if name.startswith("_") or _NOT_PUBLIC.match(inner + "."):
                continue
            try:
                value = getattr(module, name)
            except Exception:
                continue  # parts that want another package
            if not isinstance(value, types.ModuleType):
                found.append(inner)
            elif re.match("tensorflow|keras|tensorboard.*summary", value.__name__):
                if value not in above and len(above) < 6:  # some modules hold those that hold them
                    walk(value, inner, found, (*above, value))
        return found

    return [walk(tensorflow.compat.v1, "", []), walk(tensorflow, "", [])]


def collect(folder: pathlib.Path, python: str) -> str:
    """Lines of `name marks`, sorted; the marks are those of LISTINGS."""
    marks: dict[str, set[str]] = {}
    for listing, mark in LISTINGS.items():
        for line in (folder / listing).read_text(encoding="utf-8").splitlines():
            match = _LINE.match(line)
            if match:
                marks.setdefault(match[1], set()).add(mark)
    for line in (folder / "ops.txt").read_text(encoding="utf-8").splitlines():
        operation = _OPERATION.match(line)
        if operation:
            marks[f"raw_ops.{operation[1]}"] = {"1", "2"}
    done = subprocess.run(
        [python, __file__, "--names"],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    for mark, names in zip("12", json.loads(done.stdout), strict=True):
        for name in names:
            marks.setdefault(name, set()).add(mark)
    return "".join(f"{name} {''.join(sorted(marks[name]))}\n" for name in sorted(marks))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--tensorflow", metavar="PYTHON", required=True)
    arguments = parser.parse_args()
    text = collect(arguments.folder, arguments.tensorflow)
    TARGET.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{text.count(chr(10))} names, {TARGET.stat().st_size} bytes in {TARGET.name}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--names"]:
        print(json.dumps(names_of_tensorflow()))
    else:
        main()
