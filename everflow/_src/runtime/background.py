"""One thread that compiles programs while NumPy carries on.

Jobs run one after the other.  What they do with everflow's own state they do in turns that a fork waits for, so
that a child never starts with a lock that a thread of its parent holds; compiling itself and importing jax,
which take long, happen `aside` of these turns.  A child has no use for XLA's threads, which stay with its
parent: it runs everything with NumPy.  At exit no further job starts, and the one that runs is waited for.

`EVERFLOW_BACKGROUND=0` and `tf.config.experimental.enable_op_determinism()` switch it off: a program then waits
until it is compiled, and which of its runs is the first compiled one does not depend on time.
"""

from __future__ import annotations

import atexit
import collections
import contextlib
import os
import threading
from collections.abc import Callable, Iterator

from everflow._src.runtime.jax_backend import is_left_behind

_OFF = ("0", "false", "off", "no")

Job = Callable[[], None]


class Background:
    """The thread, the jobs that wait for it, and what was decided about compiling in this process."""

    def __init__(self) -> None:
        self.deterministic = False
        # True in a child of a process that had loaded XLA, whose threads a child does not have.
        self.only_numpy = False
        # Jobs that were submitted before a fork are nothing to wait for in the child.
        self.generation = 0
        self._start()

    def _start(self) -> None:
        self.generation += 1
        self._jobs: collections.deque[Job] = collections.deque()
        self._changed = threading.Condition()
        self._turn = threading.Lock()
        self._thread: threading.Thread | None = None
        self._running = False
        self.stopping = False

    def is_wanted(self) -> bool:
        """Whether programs may be compiled while they run with NumPy."""
        if self.deterministic or self.stopping:
            return False
        return os.environ.get("EVERFLOW_BACKGROUND", "1").strip().lower() not in _OFF

    def submit(self, job: Job) -> None:
        """Has `job` run by the thread; what it raises is lost."""
        with self._changed:
            self._jobs.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="everflow-compiler", daemon=True)
                self._thread.start()
                self.guard_exit()
            self._changed.notify_all()

    def guard_exit(self) -> None:
        """Has the thread end before what was loaded until now ends: exit handlers run in reverse order."""
        atexit.register(self.stop)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._jobs:
                    self._changed.wait()
                job = self._jobs.popleft()
                self._running = True
            try:
                with self._turn:
                    job()
            except Exception:  # a job reports what concerns its program; this thread has nobody to tell
                pass
            finally:
                del job
                with self._changed:
                    self._running = False
                    self._changed.notify_all()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """In a job: around what touches nothing of everflow's and takes long.  Elsewhere it does nothing."""
        if threading.current_thread() is not self._thread:
            yield
            return
        turn = self._turn
        turn.release()
        try:
            yield
        finally:
            turn.acquire()

    def wait(self, seconds: float | None = None) -> bool:
        """Waits until there is nothing left to do; False when time ran out first."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._running and not self._jobs, seconds)

    def stop(self) -> None:
        """Starts no further job, and waits for the one that runs."""
        self.stopping = True
        with self._changed:
            self._jobs.clear()
        self.wait()

    # ---- fork

    def before_fork(self) -> None:
        self._turn.acquire()

    def after_fork_in_parent(self) -> None:
        self._turn.release()

    def after_fork_in_child(self) -> None:
        self.only_numpy = is_left_behind() or self.only_numpy
        self._start()


BACKGROUND = Background()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=BACKGROUND.before_fork, after_in_parent=BACKGROUND.after_fork_in_parent,
        after_in_child=BACKGROUND.after_fork_in_child,
    )

