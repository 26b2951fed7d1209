"""What a workload is: a name and one builder per framework.

A builder receives the framework's module, makes everything that is not to be timed, and returns a
`Task`: a step, called over and over, and a way to read the step's output as NumPy has it.  The same
reading is what the results of all frameworks are compared by, so that nobody measures different work.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any, NamedTuple

# Every framework that has a column, and the module that its builders receive.
FRAMEWORKS = {"everflow": "everflow", "tensorflow": "tensorflow", "torch": "torch", "jax": "jax"}
# everflow runs TensorFlow programs: one source, with the module passed in.
TENSORFLOW = ("tensorflow", "everflow")

WORKLOADS: dict[str, Workload] = {}


class Task(NamedTuple):
    """One framework's side of a workload, ready to be timed."""

    step: Callable[[], Any]
    value: Callable[[Any], Any]


class Workload:
    """One row of the table.

    Args:
      name: what the row is called; `--only` matches it.
      unit: "s" when steps are timed.  Otherwise a step returns a number of this unit ("MiB", or "s fresh"
        for times taken inside a fresh process), and the numbers themselves are the samples.
      tolerance: largest relative difference between the results of two frameworks, or None when there
        is no result to compare.
      check_steps: how many steps from the initial state are run before the results are compared.
      at_most: the largest ratio everflow / peer that everflow aims at, by peer.
    """

    def __init__(
        self,
        name: str,
        *,
        unit: str = "s",
        tolerance: float | None = 1e-4,
        check_steps: int = 3,
        at_most: dict[str, float] | None = None,
    ) -> None:
        if name in WORKLOADS:
            raise ValueError(f"workload {name!r} is declared twice")
        self.name = name
        self.unit = unit
        self.tolerance = tolerance
        self.check_steps = check_steps
        self.at_most = at_most or {}
        self.builders: dict[str, Callable[[Any], Task]] = {}
        WORKLOADS[name] = self

    def on(self, *frameworks: str) -> Callable[[Callable[[Any], Task]], Callable[[Any], Task]]:
        """Declares the decorated function as the builder for these frameworks."""

        def register(builder: Callable[[Any], Task]) -> Callable[[Any], Task]:
            for framework in frameworks:
                if framework not in FRAMEWORKS:
                    raise ValueError(f"{self.name}: {framework!r} is none of {list(FRAMEWORKS)}")
                self.builders[framework] = builder
            return builder

        return register


def load_workloads() -> dict[str, Workload]:
    """Imports every file of `benchmarks/workloads` and returns what they declare, in file order."""
    package = importlib.import_module("benchmarks.workloads")
    for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"benchmarks.workloads.{module}")
    return WORKLOADS
