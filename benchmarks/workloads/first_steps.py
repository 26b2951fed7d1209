"""First steps, in fresh processes: from the start of a script to its first results, and the slowest of the next steps.

Each script runs with an empty cache of compiled programs and, in the rows that say "again", with one that a run before
it has filled.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from benchmarks.registry import FRAMEWORKS, Task, Workload

MODELS = {
    "MNIST CNN, tf.function": ("convolution", {"tensorflow": "function", "everflow": "function",
                                               "torch": "train_torch", "jax": "train_jax"}),
    "MNIST CNN, Session.run": ("convolution", {"tensorflow": "session", "everflow": "session"}),
}
STEPS = 12

# Prints seconds: from the start to the first result, the first step alone, and the slowest of those after it.
SCRIPT = """
import time
started = time.perf_counter()
import {module} as framework
from benchmarks.workloads import {workload} as workload
task = workload.{builder}(framework)
built = time.perf_counter()
task.step()
first = time.perf_counter()
slowest = 0.0
for _ in range({steps}):
    before = time.perf_counter()
    task.step()
    slowest = max(slowest, time.perf_counter() - before)
print(first - started, first - built, slowest)
"""
FIGURES = ("start to first step's result", "first step", f"slowest of the next {STEPS} steps")


def _run(module: str, workload: str, builder: str, cache: str) -> list[float]:
    code = SCRIPT.format(module=module, workload=workload, builder=builder, steps=STEPS)
    # The interpreter and the environment are those of this worker.
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env={**os.environ, "EVERFLOW_CACHE": "1", "EVERFLOW_CACHE_DIR": cache},
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return [float(v) for v in done.stdout.split()[-3:]]


def _fresh(framework: str, workload: str, builder: str, figure: int, warm: bool) -> Callable[[Any], Task]:
    def build(module: Any) -> Task:
        def step() -> float:
            folder = tempfile.mkdtemp(prefix="everflow-first-steps-")
            try:
                seconds = _run(FRAMEWORKS[framework], workload, builder, folder)[figure]
                if warm:
                    seconds = _run(FRAMEWORKS[framework], workload, builder, folder)[figure]
                return seconds
            finally:
                shutil.rmtree(folder, ignore_errors=True)

        return Task(step, lambda value: value)

    return build


for _model, (_file, _builders) in MODELS.items():
    for _index, _figure in enumerate(FIGURES):
        for _warm in (False, True):
            _row = Workload(f"{_figure}, {_model}{', again' if _warm else ''}", unit="s fresh", tolerance=None)
            for _framework, _builder in _builders.items():
                _row.on(_framework)(_fresh(_framework, _file, _builder, _index, _warm))
