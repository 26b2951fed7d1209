"""Records TensorFlow's outputs into tests/conformance/data/*.npz.

Run it with an interpreter that has TensorFlow 2.15.1, numpy and pytest:

    python tools/record_conformance.py tests/conformance/test_random.py

The tests named (all of tests/conformance by default) run on TensorFlow, and each value they pass to
`Recorded.check` is stored. A file is rewritten whole, so name whole test files, not single tests.
"""

import os
import pathlib
import sys

import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[1]


def main(arguments):
    os.environ["EVERFLOW_RECORD_CONFORMANCE"] = "1"
    os.environ["EVERFLOW_CONFORMANCE"] = "tensorflow"
    import tensorflow

    if not tensorflow.__version__.startswith("2.15."):
        raise SystemExit(f"expected TensorFlow 2.15, found {tensorflow.__version__}")
    os.chdir(_ROOT)
    return pytest.main(["-q", *(arguments or ["tests/conformance"])])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
