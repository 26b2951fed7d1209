"""Coordinators: how threads stop together, and how the error of one reaches who waits for all."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from everflow._src.framework.errors import OutOfRangeError
from everflow._src.framework.export import export


@export(v1=["train.Coordinator"])
class Coordinator:
    """Stops a set of threads: whoever calls `request_stop` ends all that ask `should_stop`.

    Args:
      clean_stop_exception_types: exceptions that end the threads without being errors, the end of the input
        (tf.errors.OutOfRangeError) when None.

    >>> import everflow as tf
    >>> coordinator = tf.compat.v1.train.Coordinator()
    >>> coordinator.should_stop()
    False
    >>> coordinator.request_stop()
    >>> coordinator.should_stop()
    True
    """

    def __init__(self, clean_stop_exception_types: Iterable[type[BaseException]] | None = None) -> None:
        clean = (OutOfRangeError,) if clean_stop_exception_types is None else clean_stop_exception_types
        self._clean_stop_exception_types = tuple(clean)
        self._lock = threading.Lock()
        self._stop_event = threading.Event()
        self._error: BaseException | None = None
        self._registered: set[threading.Thread] = set()
        self._joined = False

    def request_stop(self, ex: Any = None) -> None:
        """Asks all threads to stop.

        Args:
          ex: why: an exception or the triple of `sys.exc_info()`, which `join` raises again in the thread
            that waits, unless it is one of the clean ones.
        """
        if isinstance(ex, tuple):
            ex = ex[1]
        with self._lock:
            if self._joined:
                # Who has joined sees no error any more: it is raised here instead of being lost.
                if ex is not None and not isinstance(ex, self._clean_stop_exception_types):
                    raise ex
                return
            if self._stop_event.is_set():
                return
            if ex is not None and not isinstance(ex, self._clean_stop_exception_types):
                self._error = ex
            self._stop_event.set()

    def clear_stop(self) -> None:
        """Makes the coordinator ready for another round."""
        with self._lock:
            self._joined = False
            self._error = None
            self._stop_event.clear()

    def should_stop(self) -> bool:
        """True once a stop was requested."""
        return self._stop_event.is_set()

    @contextlib.contextmanager
    def stop_on_exception(self) -> Iterator[None]:
        """A context manager that turns an exception into a request to stop."""
        try:
            yield
        except Exception:
            self.request_stop(sys.exc_info())

    def wait_for_stop(self, timeout: float | None = None) -> bool:
        """Waits until a stop is requested; False when `timeout` seconds passed before."""
        return self._stop_event.wait(timeout)

    def register_thread(self, thread: threading.Thread) -> None:
        """Makes `join` wait for `thread` too."""
        with self._lock:
            self._registered.add(thread)

    def join(
        self,
        threads: Iterable[threading.Thread] | None = None,
        stop_grace_period_secs: float = 120,
        ignore_live_threads: bool = False,
    ) -> None:
        """Waits for all threads to end, and raises the error that a thread reported.

        Args:
          threads: threads to wait for, besides the registered ones.
          stop_grace_period_secs: how long threads may go on after a stop was requested.
          ignore_live_threads: True gives up silently on those that go on for longer.

        Raises:
          RuntimeError: a thread goes on after the grace period.
        """
        with self._lock:
            waiting = [*self._registered, *(t for t in threads or () if t not in self._registered)]
        while any(thread.is_alive() for thread in waiting) and not self.wait_for_stop(0.1):
            pass
        deadline = time.monotonic() + stop_grace_period_secs
        for thread in waiting:
            thread.join(max(deadline - time.monotonic(), 0.0))
        alive = [thread.name for thread in waiting if thread.is_alive()]
        with self._lock:
            self._joined = True
            self._registered.clear()
            error = self._error
        if error is not None:
            raise error
        if alive and not ignore_live_threads:
            raise RuntimeError(f"Coordinator stopped with threads still running: {' '.join(alive)}")

    @property
    def joined(self) -> bool:
        """True once `join` has waited for all threads."""
        return self._joined

    def raise_requested_exception(self) -> None:
        """Raises the error with which a stop was requested, if there is one."""
        with self._lock:
            error = self._error
        if error is not None:
            raise error


@export(v1=["train.LooperThread"])
class LooperThread(threading.Thread):
    """A thread that does something again and again until its coordinator stops.

    Args:
      coord: the Coordinator, which also learns of exceptions.
      timer_interval_secs: seconds between the starts of two calls; None for no pause.
      target: what to do; subclasses may override `run_loop` instead.
      args, kwargs: its arguments.

    Raises:
      ValueError: `coord` is no Coordinator, or there are arguments without a target.
    """

    def __init__(
        self,
        coord: Coordinator,
        timer_interval_secs: float | None,
        target: Callable[..., Any] | None = None,
        args: Iterable[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        if not isinstance(coord, Coordinator):
            raise ValueError(f"'coord' argument must be a Coordinator: {coord!r}")
        if target is None and (args is not None or kwargs is not None):
            raise ValueError("'args' and 'kwargs' need a 'target' to receive them")
        super().__init__(daemon=True)
        self._coordinator = coord
        self._interval = timer_interval_secs
        self._work = target
        self._arguments = tuple(args or ())
        self._keywords = dict(kwargs or {})
        coord.register_thread(self)

    @staticmethod
    def loop(
        coord: Coordinator,
        timer_interval_secs: float | None,
        target: Callable[..., Any],
        args: Iterable[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> LooperThread:
        """A LooperThread that is already running."""
        thread = LooperThread(coord, timer_interval_secs, target=target, args=args, kwargs=kwargs)
        thread.start()
        return thread

    def run(self) -> None:
        """The body of the thread."""
        with self._coordinator.stop_on_exception():
            self.start_loop()
            if self._interval is None:
                while not self._coordinator.should_stop():
                    self.run_loop()
            else:
                following = time.monotonic()
                while not self._coordinator.wait_for_stop(max(following - time.monotonic(), 0.0)):
                    following += self._interval
                    self.run_loop()
            self.stop_loop()

    def start_loop(self) -> None:
        """Called once before the loop."""

    def stop_loop(self) -> None:
        """Called once after the loop."""

    def run_loop(self) -> None:
        """Called again and again."""
        if self._work is not None:
            self._work(*self._arguments, **self._keywords)
