"""Values recorded from TensorFlow, for tests whose expected numbers are too many to state.

A test calls `RECORDED.check("some key", value)`. Normally that compares with `data/<name>.npz`. While
`tools/record_conformance.py` runs the tests on TensorFlow, it stores the value instead.

A file holds one flat array per dtype, and an index in JSON: key -> [dtype, offset, shape]. One array per key
would be mostly headers.
"""

import atexit
import json
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
        self._index = None
        self._flat = {}
        self._new = {}
        if RECORDING:
            atexit.register(self._save)

    def check(self, key, value, rtol=None, atol=None):
        """Compares `value` (a tensor or array) with what TensorFlow gave for `key`: dtype, shape, numbers."""
        value = np.asarray(value)
        if RECORDING:
            value_before = self._new.setdefault(key, value)
            assert_same(value, value_before, rtol, atol, message=key)
            return
        if self._index is None:
            self._load()
        if key not in self._index:
            raise KeyError(f"{key!r} is not recorded in {self._path.name}; run tools/record_conformance.py")
        dtype, offset, shape = self._index[key]
        assert str(value.dtype) == dtype, f"{key}: dtype {value.dtype}, recorded {dtype}"
        flat = self._flat[dtype][offset : offset + int(np.prod(shape, dtype=int))]
        expected = flat.reshape(shape).astype(value.dtype)
        assert_same(value, expected, rtol, atol, message=key)

    def _load(self):
        with np.load(self._path) as archive:
            self._flat = {dtype: archive[dtype] for dtype in archive.files if dtype != "index"}
            self._index = json.loads(str(archive["index"]))

    def _save(self):
        if not self._new:
            return
        index, parts, sizes = {}, {}, {}
        for key in sorted(self._new):
            value = self._new[key]
            dtype = str(value.dtype)
            index[key] = [dtype, sizes.get(dtype, 0), list(value.shape)]
            sizes[dtype] = sizes.get(dtype, 0) + value.size
            stored = value.astype(np.float32) if dtype == "bfloat16" else value  # npy has no bfloat16
            parts.setdefault(dtype, []).append(stored.ravel())
        flat = {dtype: np.concatenate(arrays) for dtype, arrays in parts.items()}
        _DATA.mkdir(exist_ok=True)
        np.savez_compressed(self._path, index=np.asarray(json.dumps(index)), **flat)
