"""One framework's process: it waits for JSON lines, sets workloads up and measures when it is asked to.

Requests: {"do": "prepare" | "turn" | "drop" | "stop", ...}; every reply is one line, {"error": text}
when something went wrong.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import math
import os
import sys
import traceback
from typing import Any

import numpy as np

from benchmarks import measure
from benchmarks.registry import FRAMEWORKS, Task, load_workloads


def fingerprint(value: Any) -> list[list[float]]:
    """A few numbers of each array in a list, or of one array: they tell whether frameworks computed the same."""
    found = []
    for array in value if isinstance(value, list) else [value]:
        flat = np.asarray(array, np.float64).ravel()
        found.append([float(flat.mean()), float(np.abs(flat).mean()), *(float(v) for v in flat[:8])])
    return found


class Worker:
    """Holds the framework, and the workload whose turn it is."""

    def __init__(self, framework: str) -> None:
        self.framework = framework
        self.module = importlib.import_module(FRAMEWORKS[framework])
        self.workloads = load_workloads()
        self.task: Task | None = None
        self.per_step = math.nan
        self.timed = True

    def _wait(self, output: Any) -> None:
        # Reading a large JAX array is more than waiting for it.
        if self.framework == "jax":
            self.module.block_until_ready(output)
        else:
            self.task.value(output)

    def hello(self) -> dict[str, Any]:
        return {"version": getattr(self.module, "__version__", "?"), "python": sys.version.split()[0]}

    def prepare(self, name: str) -> dict[str, Any]:
        """Builds the workload, runs its first steps for comparison with the others, and warms up."""
        workload = self.workloads[name]
        measure.reset_peak()
        self.timed = workload.unit == "s"
        self.task = workload.builders[self.framework](self.module)
        reply: dict[str, Any] = {}
        if workload.tolerance is not None:
            for _ in range(workload.check_steps):
                output = self.task.step()
            reply["fingerprint"] = fingerprint(self.task.value(output))
        if self.timed:
            self.per_step = measure.warm_up(self.task.step, self._wait)
        else:
            self.task.step()
        return reply

    def turn(self, batches: int, seconds: float) -> dict[str, Any]:
        if self.timed:
            return measure.turn(self.task.step, self._wait, self.per_step, batches, seconds)
        return {"wall": [float(self.task.step())], "processor": [], "steps": 1}

    def drop(self) -> dict[str, Any]:
        """Forgets the workload, so that the next one finds the memory free."""
        peak = measure.peak_bytes()
        self.task = None
        gc.collect()
        return {"peak": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("framework", choices=list(FRAMEWORKS))
    # Frameworks print to the standard output; the conversation keeps the real one to itself.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = None
    framework = parser.parse_args().framework
    for line in sys.stdin:
        request = json.loads(line)
        action = request.pop("do")
        if action == "stop":
            break
        try:
            if worker is None:
                worker = Worker(framework)
            reply = getattr(worker, action)(**request)
        # Whatever a framework raises belongs into the table, and the other rows are still wanted.
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
