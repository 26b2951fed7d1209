"""The native kernels: oneDNN's convolutions and products, for eager calls and inside of compiled programs.

The library beside this file (built from `kernels/`) finds oneDNN in a Python package of its own. Where either is
missing everything runs without, on NumPy and on XLA's own kernels; `status()` says why, and what to do.

Compiled programs call it through XLA's foreign-function interface, on XLA's own threads. Eager calls come through
ctypes and share a few threads that the library keeps.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import os
import site
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from everflow._src.runtime.memory import MALLOC

# "0" does without the native kernels; the path of another build takes that one.
SWITCH = "EVERFLOW_NATIVE"
_ONEDNN = "onednn-cpu-gomp"
_ONEDNN_FILE = "libdnnl.so.3"
_MESSAGE_BYTES = 256
# Handlers by the names under which XLA knows them.
_HANDLERS = {f"everflow_{name}": f"everflow_compiled_{name}" for name in (
    "convolution", "product", "pooling", "recurrent", "channel_moments", "channel_products", "channel_affine")}


class Status(NamedTuple):
    """Whether the native kernels are in use; otherwise why not, and how to mend it."""

    available: bool
    what: str
    fix: str = ""


class Library:
    """The loaded library."""

    def __init__(self, functions: ctypes.CDLL, onednn: Path) -> None:
        self.functions = functions
        self.onednn = onednn
        message = ctypes.create_string_buffer(_MESSAGE_BYTES)
        if functions.everflow_load(str(onednn).encode(), message):
            raise OSError(message.value.decode(errors="replace"))
        numbers = [ctypes.c_int() for _ in range(3)]
        functions.everflow_version(*[ctypes.byref(n) for n in numbers])
        self.version = ".".join(str(n.value) for n in numbers)
        functions.everflow_scratch_bytes.restype = ctypes.c_int64
        self._registered: bool | None = None

    def call(self, function: str, numbers: np.ndarray, *arrays: np.ndarray | None) -> None:
        """Calls an eager entry point; the last of `arrays` takes the result, None stands for one left out.

        Raises:
          RuntimeError: the kernel refuses; the message is its own.
        """
        self._call(function, numbers, arrays,
                   [None if a is None else ctypes.c_void_p(a.ctypes.data) for a in arrays])

    def call_with_table(self, function: str, numbers: np.ndarray, *arrays: np.ndarray) -> None:
        """The same of an entry point that takes the addresses of any number of arrays as a table.

        Raises:
          RuntimeError: the kernel refuses; the message is its own.
        """
        # Much faster than `ctypes.data` of each array.
        table = (ctypes.c_void_p * len(arrays))(*[a.__array_interface__["data"][0] for a in arrays])
        self._call(function, numbers, arrays, [table, ctypes.c_int64(len(arrays))])

    def _call(self, function: str, numbers: np.ndarray, arrays: Sequence[np.ndarray | None], given: list[Any]) -> None:
        message = ctypes.create_string_buffer(_MESSAGE_BYTES)
        sizes = (ctypes.c_int64 * len(arrays))(*[0 if a is None else a.nbytes for a in arrays])
        failed = getattr(self.functions, function)(
            ctypes.c_void_p(numbers.ctypes.data), ctypes.c_int64(numbers.size), *given,
            sizes, message,
        )
        if failed:
            raise RuntimeError(message.value.decode(errors="replace"))

    def convolution_implementation(self, numbers: np.ndarray) -> str:
        """oneDNN's name of what would compute a convolution; empty where it has nothing worth using."""
        return self._implementation("everflow_convolution_implementation", numbers)

    def product_implementation(self, numbers: np.ndarray) -> str:
        """oneDNN's name of what would compute products of matrices; empty where it has nothing worth using."""
        return self._implementation("everflow_product_implementation", numbers)

    def _implementation(self, function: str, numbers: np.ndarray) -> str:
        name = ctypes.create_string_buffer(_MESSAGE_BYTES)
        refused = getattr(self.functions, function)(
            ctypes.c_void_p(numbers.ctypes.data), ctypes.c_int64(numbers.size), name)
        return "" if refused else name.value.decode(errors="replace")

    def register(self, jax: Any) -> bool:
        """Makes the handlers known to XLA, once; False when this jax does not take them."""
        if self._registered is None:
            with _LOCK:
                if self._registered is None:
                    self._registered = self._register(jax)
        return self._registered

    def _register(self, jax: Any) -> bool:
        try:
            for name, symbol in _HANDLERS.items():
                handler = jax.ffi.pycapsule(getattr(self.functions, symbol))
                jax.ffi.register_ffi_target(name, handler, platform="cpu")
        except Exception as error:  # jax raises what its XLA says, a version that does not fit among it
            global _status
            _status = Status(False, f"jax {jax.__version__} does not take the kernels: {str(error).splitlines()[0]}",
                             "pip install --force-reinstall --no-deps everflow")
            return False
        return True


_LOCK = threading.RLock()
_library: Library | None = None
_status: Status | None = None


def library() -> Library | None:
    """The native kernels, or None where there are none."""
    if _status is None:
        _load()
    return _library


def status() -> Status:
    """Whether the native kernels are in use, and why not."""
    if _status is None:
        _load()
    return _status  # type: ignore[return-value]


def compiled_library(jax: Any) -> Library | None:
    """The native kernels, known to XLA, for a program that is being compiled for the CPU; otherwise None."""
    found = library()
    if found is None or jax.default_backend() != "cpu" or not found.register(jax):
        return None
    return found


def _load() -> None:
    global _library, _status
    with _LOCK:
        if _status is None:
            _library, _status = _find()


def _find() -> tuple[Library | None, Status]:
    switch = os.environ.get(SWITCH, "")
    if switch == "0":
        return None, Status(False, f"switched off by {SWITCH}=0", f"unset {SWITCH}")
    built = Path(switch) if switch not in ("", "1") else _built_file()
    if built is None:
        return None, Status(
            False, "not built: convolutions run on XLA's own kernels, several times slower",
            "install a C++17 compiler (g++ or clang++), then pip install --force-reinstall --no-deps everflow "
            "(native kernels exist for Linux on x86-64)")
    onednn = _onednn_file()
    if onednn is None:
        return None, Status(False, f"oneDNN ({_ONEDNN_FILE}) is not installed", f"pip install {_ONEDNN}")
    try:
        found = Library(ctypes.CDLL(str(built)), onednn)
    except (OSError, AttributeError) as error:  # AttributeError: a file without our functions in it
        reason = str(error).splitlines()[0]
        fix = ("apt-get install libgomp1 (or what brings libgomp.so.1 here)" if "libgomp" in reason
               else f"pip install --force-reinstall {_ONEDNN} everflow")
        return None, Status(False, f"do not load: {reason}", fix)
    MALLOC.keep_freed_memory()  # kernels take memory for the time of a call
    return found, Status(True, f"oneDNN {found.version} at {onednn}")


def _built_file() -> Path | None:
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = Path(__file__).with_name("_kernels" + suffix)
        if path.is_file():
            return path
    return None


def _onednn_file() -> Path | None:
    folders = [Path(sys.prefix) / "lib", Path(site.USER_BASE or sys.prefix) / "lib", Path(sys.base_prefix) / "lib"]
    for folder in folders:
        if (folder / _ONEDNN_FILE).is_file():
            return folder / _ONEDNN_FILE
    try:
        files = importlib.metadata.files(_ONEDNN) or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name == _ONEDNN_FILE and Path(str(file.locate())).is_file():
            return Path(str(file.locate())).resolve()
    return None
