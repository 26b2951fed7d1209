"""Values recorded from TensorFlow, for tests whose expected numbers are too many to state.

A test calls `RECORDED.check("some key", value)`. Normally that compares with `data/<name>.npz`. While
`tools/record_conformance.py` runs the tests on TensorFlow, it stores the value instead.
"""

import atexit
import os
import pathlib

import numpy as np

from .three_ways import assert_same

_DATA = pathlib.Path(__file__).parent / "data"
RECORDING = os.environ.get("EVERFLOW_RECORD_CONFORMANCE") == "1"


class Recorded:
    """The recorded values of one test file, loaded when first needed."""

    def __init__(self, name):
        self._path = _DATA / f"{name}.npz"
        self._values = None
        if RECORDING:
            self._values = {}
            atexit.register(self._save)

    def check(self, key, value, rtol=None, atol=None):
        """Compares `value` (an array) with what TensorFlow gave for `key`: dtype, shape, numbers."""
        value = np.asarray(value)
        if RECORDING and key not in self._values:
            self._values[key] = self._storable(value)
            self._values[key + "|dtype"] = np.asarray(str(value.dtype))
        if self._values is None:
            with np.load(self._path) as archive:
                self._values = dict(archive)
        if key not in self._values:
            raise KeyError(f"{key!r} is not recorded in {self._path.name}; run tools/record_conformance.py")
        dtype = str(self._values[key + "|dtype"])
        assert str(value.dtype) == dtype, f"{key}: dtype {value.dtype}, recorded {dtype}"
        assert_same(
            value,
            self._values[key].tolist() if value.dtype.kind in "SO" else self._restore(key, value),
            rtol,
            atol,
            message=key,
        )

    def _restore(self, key, value):
        return self._values[key].astype(value.dtype)

    @staticmethod
    def _storable(value):
        if str(value.dtype) == "bfloat16":
            return value.astype(np.float32)
        if value.dtype.kind == "O":
            return value.astype(bytes)
        return value

    def _save(self):
        if not self._values:
            return
        _DATA.mkdir(exist_ok=True)
        np.savez_compressed(self._path, **{key: self._values[key] for key in sorted(self._values)})
