"""Writes the table of all names that TensorFlow ever made public, from listings of its API.

    python -m tools.collect_public_names FOLDER

FOLDER holds `tf1.txt`, `tf2.txt` and `contrib.txt`: one public name per unindented line, as
`tf.name(signature)`, `class tf.Name(...)` or `tf.NAME = <type>`.  The table goes into the package,
where `everflow/_src/compat/public_names.py` reads it to explain names that are missing.
"""

import argparse
import gzip
import pathlib
import re

TARGET = pathlib.Path(__file__).parents[1] / "everflow" / "_src" / "compat" / "public_names.txt.gz"
LISTINGS = {"tf1.txt": "1", "tf2.txt": "2", "contrib.txt": "c"}
_LINE = re.compile(r"(?:class )?tf\.([A-Za-z_][\w.]*)")


def collect(folder: pathlib.Path) -> str:
    """Lines of `name marks`, sorted; the marks are those of LISTINGS."""
    marks: dict[str, str] = {}
    for listing, mark in LISTINGS.items():
        for line in (folder / listing).read_text(encoding="utf-8").splitlines():
            match = _LINE.match(line)
            if match and mark not in marks.get(match[1], ""):
                marks[match[1]] = marks.get(match[1], "") + mark
    return "".join(f"{name} {marks[name]}\n" for name in sorted(marks))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    text = collect(parser.parse_args().folder)
    TARGET.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{text.count(chr(10))} names, {TARGET.stat().st_size} bytes in {TARGET.name}")


if __name__ == "__main__":
    main()
