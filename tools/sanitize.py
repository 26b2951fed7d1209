"""Runs the tests of the native kernels over AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer.

    python -m tools.sanitize [arguments of pytest]

Needs g++ with its sanitizers, and oneDNN's headers (pip install onednn-devel-cpu-gomp). The first two sanitizers watch
the library while Python's own tests use it; the third, and the search for leaks, watch `threads.cc`, a program of its
own, since neither knows what to make of Python and XLA. oneDNN itself, and the code that it makes at run time, are
not instrumented: seen are all accesses of the kernels, and allocations everywhere.
"""

import os
import runpy
import subprocess
import sys
from pathlib import Path

from everflow._src.runtime.native import library

ROOT = Path(__file__).parents[1]
SETUP = runpy.run_path(str(ROOT / "setup.py"))
KERNELS = ROOT / SETUP["FOLDER"]
DRIVER = ROOT / "tests/runtime/native/sanitize/threads.cc"
BUILD = ROOT / "build/sanitize"
COMMON = ["-std=c++17", "-O1", "-g", "-fno-omit-frame-pointer", "-fPIC", "-Wall", "-Wextra", "-Wno-unused-parameter"]
ADDRESS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
THREAD = ["-fsanitize=thread"]


def run(command, **environment):
    print("+", " ".join(command), flush=True)
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment})
    if done.returncode:
        sys.exit(done.returncode)


def build(target, sources, flags):
    folders = SETUP["dnnl_headers"](), SETUP["xla_headers"]()
    if None in folders:
        sys.exit("The headers of oneDNN or of XLA are missing: pip install onednn-devel-cpu-gomp jaxlib")
    dnnl, xla = folders
    BUILD.mkdir(parents=True, exist_ok=True)
    run(["g++", *COMMON, *flags, f"-I{dnnl}", f"-I{KERNELS}", "-isystem", str(xla), *map(str, sources), "-ldl",
         "-lpthread", "-o", str(BUILD / target)])
    return str(BUILD / target)


def shared_library(name):
    """The path of a library that comes with the compiler."""
    done = subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return str(Path(done.stdout.strip()).resolve())


def main():
    onednn = library._onednn_file()
    if onednn is None:
        sys.exit("oneDNN is missing: pip install onednn-cpu-gomp")
    without_xla = [s for s in sorted(KERNELS.glob("*.cc")) if s.name != "compiled.cc"]
    for name, flags in (("threads-address", ADDRESS), ("threads-thread", THREAD)):
        program = build(name, [DRIVER, *without_xla], flags)
        run([program, str(onednn)], TSAN_OPTIONS="halt_on_error=1", ASAN_OPTIONS="detect_leaks=1")
    kernels = build("kernels.so", sorted(KERNELS.glob("*.cc")), ["-shared", *ADDRESS])
    run(
        # What a sanitizer says on its way out is not for pytest to catch.
        [sys.executable, "-m", "pytest", "-x", "--capture=sys", *(sys.argv[1:] or ["tests/runtime/native"])],
        EVERFLOW_NATIVE=kernels,
        LD_PRELOAD=f"{shared_library('libasan.so')} {shared_library('libstdc++.so.6')}",
        # Python keeps memory until its end, and takes care of its stack by itself.
        ASAN_OPTIONS="detect_leaks=0:detect_stack_use_after_return=0:allocator_may_return_null=1",
    )


if __name__ == "__main__":
    main()
