"""Taking samples inside a worker, and summing them up in the controller."""

from __future__ import annotations

import gc
import os
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any


def resident_bytes() -> int:
    """Memory of this process that is in main memory now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak_bytes() -> int:
    """Largest resident memory of this process since `reset_peak`, or since its start."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def reset_peak() -> None:
    """Starts the search for the peak anew, where the kernel allows it."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except OSError:
        pass


def time_steps(step: Callable[[], Any], wait: Callable[[Any], Any], count: int) -> tuple[float, float]:
    """Runs `count` steps; returns seconds per step by the wall clock and of processor time."""
    output = None
    processor = time.process_time()
    start = time.perf_counter()
    for _ in repeat(None, count):
        output = step()
    # Frameworks that compute in the background owe their last result before the clock stops.
    wait(output)
    elapsed = time.perf_counter() - start
    return elapsed / count, (time.process_time() - processor) / count


def warm_up(
    step: Callable[[], Any], wait: Callable[[Any], Any], seconds: float = 0.3, least: int = 6
) -> float:
    """Runs steps until caches, compilers and clocks have settled; returns seconds per step, roughly."""
    start, count, best = time.perf_counter(), 0, float("inf")
    while count < least or time.perf_counter() - start < seconds:
        size = 1 if count < least else max(1, min(count, int(seconds / 4 / best)))
        best = min(best, time_steps(step, wait, size)[0])
        count += size
    return best


def turn(
    step: Callable[[], Any], wait: Callable[[Any], Any], per_step: float, batches: int, seconds: float
) -> dict[str, Any]:
    """One turn of one framework: `batches` samples that together take about `seconds`."""
    gc.collect()
    count = max(1, int(seconds / batches / max(per_step, 1e-9)))
    samples = [time_steps(step, wait, count) for _ in range(batches)]
    return {
        "wall": [wall for wall, _ in samples],
        "processor": [processor for _, processor in samples],
        "steps": count * batches,
    }


def summary(samples: Sequence[float]) -> dict[str, float]:
    """Median, quartiles and the lowest sample."""
    if len(samples) == 1:
        low = high = samples[0]
    else:
        low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    return {"median": statistics.median(samples), "lower_quartile": low, "upper_quartile": high,
            "lowest": min(samples)}
