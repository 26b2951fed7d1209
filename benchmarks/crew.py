"""The workers as the controller sees them: finding interpreters, starting, asking, stopping."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.registry import FRAMEWORKS

ROOT = Path(__file__).resolve().parent.parent
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}


def environment() -> dict[str, str]:
    """What workers run with: the peers' own defaults, less their log lines."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    result = {**os.environ, **QUIET, "PYTHONPATH": path}
    # Installed packages come with their byte code; a checkout makes its own at the first import.
    result.pop("PYTHONDONTWRITEBYTECODE", None)
    return result


def interpreters(options: list[str]) -> dict[str, str]:
    """The interpreter of every framework: from `--python NAME=PATH`, the environment, or this one.

    Raises:
      ValueError: an option that is not NAME=PATH, or names an unknown framework.
    """
    chosen = {}
    for option in options:
        name, equals, path = option.partition("=")
        if not equals or name not in FRAMEWORKS:
            raise ValueError(f"--python expects one of {list(FRAMEWORKS)} as NAME=PATH, received {option!r}")
        chosen[name] = path
    return {
        name: chosen.get(name) or os.environ.get(f"EVERFLOW_BENCH_{name.upper()}") or sys.executable
        for name in FRAMEWORKS
    }


def importable(python: str, module: str) -> bool:
    """Whether that interpreter finds the module; it is not imported."""
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    try:
        return subprocess.run([python, "-c", code], cwd=ROOT, env=environment(), check=False).returncode == 0
    except OSError:
        return False


class Member:
    """A worker process of one framework."""

    def __init__(self, framework: str, python: str, cores: int) -> None:
        self.framework = framework
        self.python = python
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        allowed = sorted(os.sched_getaffinity(0))[:cores] if hasattr(os, "sched_getaffinity") else None
        self.process = subprocess.Popen(
            [python, "-m", "benchmarks.worker", framework],
            cwd=ROOT, env=environment(), text=True, encoding="utf-8",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
        )
        if allowed:
            # Before the framework is imported: pools of threads take their size from the affinity.
            os.sched_setaffinity(self.process.pid, allowed)

    def ask(self, action: str, **arguments: Any) -> dict[str, Any]:
        """Sends one request and waits for its reply.

        Raises:
          RuntimeError: the process died; the end of what it printed is in the message.
        """
        try:
            self.process.stdin.write(json.dumps({"do": action, **arguments}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.process.wait()
            self.log.seek(0)
            raise RuntimeError(
                f"the {self.framework} worker ended with status {self.process.returncode}: "
                + self.log.read()[-2000:]
            )
        return json.loads(line)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.stdin.write('{"do": "stop"}\n')
            self.process.stdin.close()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.log.close()
