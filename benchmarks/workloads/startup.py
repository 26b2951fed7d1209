"""What importing costs, in fresh processes: time, and memory that is resident afterwards."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.registry import FRAMEWORKS, Task, Workload

TIME = Workload("import, fresh process", unit="s fresh", tolerance=None)
MEMORY = Workload("resident memory after import", unit="MiB", tolerance=None)
FIRST = Workload("start to first eager result", unit="s fresh", tolerance=None)

REPORT_TIME = "import time; start = time.perf_counter(); {body}; print(time.perf_counter() - start)"
REPORT_MEMORY = (
    "{body}\nimport os\n"
    "print(int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 2**20)"
)
FIRST_RESULT = {
    "everflow": "import everflow as tf; (tf.constant([1.0, 2.0]) + 1.0).numpy()",
    "tensorflow": "import tensorflow as tf; (tf.constant([1.0, 2.0]) + 1.0).numpy()",
    "torch": "import torch; (torch.tensor([1.0, 2.0]) + 1.0).numpy()",
    "jax": "import jax; (jax.numpy.array([1.0, 2.0]) + 1.0).block_until_ready()",
}


def _fresh(code: str) -> Callable[[Any], Task]:
    def build(module: Any) -> Task:
        def step() -> float:
            # The interpreter and the environment are those of this worker.
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(done.stderr.strip().splitlines()[-1])
            return float(done.stdout.split()[-1])

        return Task(step, lambda value: value)

    return build


for _framework, _module in FRAMEWORKS.items():
    TIME.on(_framework)(_fresh(REPORT_TIME.format(body=f"import {_module}")))
    MEMORY.on(_framework)(_fresh(REPORT_MEMORY.format(body=f"import {_module}")))
    FIRST.on(_framework)(_fresh(REPORT_TIME.format(body=FIRST_RESULT[_framework])))
