"""`everflow doctor`: what is installed, what is missing and how to mend it."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

from everflow._src.framework import versions
from everflow._src.runtime import compile_cache
from everflow._src.runtime.memory import MALLOC, MOST_KEPT
from everflow._src.runtime.native import library as native

OLDEST_PYTHON = (3, 11)

# distribution, module, what it is for
REQUIRED = (
    ("numpy", "numpy", "tensors"),
    ("ml_dtypes", "ml_dtypes", "bfloat16 and other small types"),
    ("jax", "jax", "compiled programs"),
    ("jaxlib", "jaxlib", "compiled programs"),
    ("optree", "optree", "nested structures"),
    ("opt_einsum", "opt_einsum", "tf.einsum"),
    ("protobuf", "google.protobuf", "GraphDef, event files"),
    ("tensorboard", "tensorboard", "event files and the messages of the graph format"),
    ("pillow", "PIL", "image files"),
    ("google-crc32c", "google_crc32c", "record files"),
    ("h5py", "h5py", "Keras files"),
    ("absl-py", "absl", "flags, logging, tf.compat.v1.app.run"),
    ("wrapt", "wrapt", "tracked lists and dictionaries"),
)
OPTIONAL = (
    ("scikit-learn", "sklearn", "programs that use it; the tests of everflow"),
    ("pandas", "pandas", "data frames as inputs of Estimators and Keras"),
)


class Finding(NamedTuple):
    """One line of the report; `fix` is empty where there is nothing to mend."""

    subject: str
    what: str
    fix: str = ""
    fatal: bool = False


def examine() -> Iterator[Finding]:
    """Looks at everything, one finding at a time."""
    yield from _python()
    yield Finding(
        "everflow", f"{versions.EVERFLOW_VERSION}, with the API of TensorFlow {versions.VERSION_2} and "
        f"{versions.VERSION_1}"
    )
    for distribution, module, purpose in REQUIRED:
        yield _library(distribution, module, purpose, fatal=True)
    for distribution, module, purpose in OPTIONAL:
        yield _library(distribution, module, purpose, fatal=False)
    yield from _devices()
    yield _native_kernels()
    yield _cache()
    yield _memory()
    yield _tensorflow()


def _python() -> Iterator[Finding]:
    version = platform.python_version()
    oldest = ".".join(map(str, OLDEST_PYTHON))
    if sys.version_info < OLDEST_PYTHON:
        yield Finding("Python", version, f"everflow needs Python {oldest} or newer", fatal=True)
    else:
        yield Finding("Python", f"{version} ({platform.python_implementation()}) at {sys.executable}")
    yield Finding("platform", f"{platform.platform()}, {os.cpu_count()} CPU cores")


def _library(distribution: str, module: str, purpose: str, fatal: bool) -> Finding:
    fix = f"pip install {distribution}"
    if importlib.util.find_spec(module.partition(".")[0]) is None:
        word = "missing" if fatal else "not installed (optional)"
        return Finding(distribution, f"{word}: {purpose}", fix, fatal)
    try:
        importlib.import_module(module)
    except Exception as error:  # a broken installation may raise anything
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return Finding(
            distribution, f"does not import: {reason}", f"pip install --force-reinstall {distribution}", fatal
        )
    try:
        return Finding(distribution, importlib.metadata.version(distribution))
    except importlib.metadata.PackageNotFoundError:
        return Finding(distribution, "found")


def _devices() -> Iterator[Finding]:
    try:
        jax = importlib.import_module("jax")
        devices = jax.devices()
    except Exception as error:
        if importlib.util.find_spec("jax") is not None:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            yield Finding("devices", f"jax finds none: {reason}", "JAX_PLATFORMS=cpu everflow doctor", True)
        return
    yield Finding("devices", ", ".join(f"{d.platform}:{d.id} ({d.device_kind})" for d in devices))
    name = _nvidia_gpu()
    if name and all(d.platform == "cpu" for d in devices):
        yield Finding("GPU", f"{name}: present, and jax does not use it", "pip install 'everflow[cuda]'")
    elif not name and all(d.platform == "cpu" for d in devices):
        yield Finding("GPU", "none in this machine")


def _native_kernels() -> Finding:
    try:  # known to XLA only then; a version that does not fit shows itself here
        native.compiled_library(importlib.import_module("jax"))
    except Exception:
        pass  # reported above
    status = native.status()
    return Finding("native kernels", status.what, status.fix)


def _nvidia_gpu() -> str:
    """The name of the first NVIDIA GPU, or an empty string."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return ""
    try:
        done = subprocess.run(
            [command, "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.partition("\n")[0].strip()


def _cache() -> Finding:
    """Where compiled programs are kept."""
    path = compile_cache.folder()
    if not compile_cache.is_wanted():
        return Finding("cache", "switched off by EVERFLOW_CACHE: programs are compiled in every process")
    if path is None:
        return Finding("cache", "no home folder to keep compiled programs in", "set EVERFLOW_CACHE_DIR")
    if not path.exists():
        return Finding("cache", f"{path}, made when a program is first compiled")
    reason = compile_cache.distrust(path)
    if reason:
        return Finding("cache", f"{path} {reason}: not used", f"chmod 700 {path}, or set EVERFLOW_CACHE_DIR")
    if not os.access(path, os.W_OK):
        return Finding("cache", f"{path} cannot be written to: nothing is kept", "set EVERFLOW_CACHE_DIR")
    size = compile_cache.CompileCache(path).size() / 2**20
    return Finding("cache", f"{path}, {size:.1f} of {compile_cache.LARGEST_FOLDER / 2**20:.0f} MiB")


def _memory() -> Finding:
    """What malloc does with memory that compiled programs free."""
    if not MALLOC.is_wanted():
        return Finding("malloc", "left alone (EVERFLOW_MALLOC)")
    if not MALLOC.keep_freed_memory():
        return Finding("malloc", "left alone: not glibc")
    return Finding("malloc", f"keeps up to {MOST_KEPT / 2**20:.0f} MiB that programs free; EVERFLOW_MALLOC=0 ends that")


def _tensorflow() -> Finding:
    for distribution in ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-macos"):
        try:
            version = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
        return Finding(
            distribution, f"{version} is installed too; only `everflow run` and the alias go before it"
        )
    return Finding("tensorflow", "not installed, and not needed")


def main() -> int:
    """Prints the report; returns 1 when something that everflow needs is missing."""
    fatal = False
    for finding in examine():
        mark = "ok" if not finding.fix else ("MISSING" if finding.fatal else "note")
        print(f"{mark:8}{finding.subject:16}{finding.what}")
        if finding.fix:
            print(f"{'':24}fix: {finding.fix}")
        fatal = fatal or finding.fatal
    print("Something that everflow needs is missing." if fatal else "Everything that everflow needs is here.")
    return int(fatal)
