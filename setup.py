"""Builds the one piece of native code, where it can be built; everything else about the package is in pyproject.toml.

The library of kernels calls oneDNN and serves XLA (everflow/_src/runtime/native). It needs a C++17 compiler, oneDNN's
headers and XLA's; without one of them everflow is installed all the same and runs on XLA's own kernels.
`everflow doctor` tells which it is.
"""

import importlib.metadata
import importlib.util
import sys
from pathlib import Path

from setuptools import Extension, setup

FOLDER = Path("everflow/_src/runtime/native/kernels")


def xla_headers():
    """The folder of the headers of XLA's foreign-function interface, or None."""
    found = importlib.util.find_spec("jaxlib")  # not imported: jax.ffi.include_dir() would load all of it
    for place in found.submodule_search_locations if found else ():
        if (Path(place) / "include/xla/ffi/api/ffi.h").is_file():
            return Path(place) / "include"
    return None


def dnnl_headers():
    """The folder of oneDNN's headers, or None."""
    try:
        files = importlib.metadata.files("onednn-devel-cpu-gomp") or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.parts[-2:] == ("include", "dnnl.h"):
            return Path(file.locate()).resolve().parent
    return None


def extensions():
    folders = {"XLA's headers (jaxlib)": xla_headers(), "oneDNN's headers (onednn-devel-cpu-gomp)": dnnl_headers()}
    missing = [name for name, folder in folders.items() if folder is None]
    if missing or sys.platform != "linux":
        reason = ", ".join(missing) or "not on this platform"
        print(f"everflow: built without native kernels: {reason}", file=sys.stderr)
        return []
    xla, dnnl = (str(folder) for folder in folders.values())
    return [Extension(
        "everflow._src.runtime.native._kernels",
        sources=sorted(map(str, FOLDER.glob("*.cc"))),
        depends=sorted(map(str, FOLDER.glob("*.h"))),
        include_dirs=[dnnl],
        extra_compile_args=["-std=c++17", "-O3", "-fno-trapping-math", "-g0", "-Wall", "-isystem", xla],
        libraries=["dl", "pthread"],
        optional=True,  # a compiler that is missing or too old is a notice, not a failed installation
    )]


if __name__ == "__main__":  # tools/sanitize.py reads the rest
    setup(ext_modules=extensions())
