"""Queue runners: threads that keep queues full."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from typing import Any

from everflow._src.framework import logging
from everflow._src.framework.context import default_graph, executing_eagerly
from everflow._src.framework.errors import CancelledError, OutOfRangeError
from everflow._src.framework.export import export
from everflow._src.framework.graph_collections import GraphKeys
from everflow._src.ops.queues import QueueBase
from everflow._src.runtime.session import BaseSession, get_default_session
from everflow._src.training.coordinator import Coordinator


@export(v1=["train.QueueRunner", "train.queue_runner.QueueRunner"])
class QueueRunner:
    """Runs the enqueue operations of a queue, each in a thread of its own, until there is no more input.

    Args:
      queue: the queue.
      enqueue_ops: operations that add elements to it; one that stands there twice has two threads.
      close_op: operation that closes the queue when the input ends; `queue.close()` when None.
      cancel_op: operation that closes it at once; `queue.close(cancel_pending_enqueues=True)` when None.
      queue_closed_exception_types: exceptions that mean the end of the input.

    Raises:
      RuntimeError: execution is eager.
      ValueError: there is no queue, or nothing to run.
    """

    def __init__(
        self,
        queue: QueueBase | None = None,
        enqueue_ops: Sequence[Any] | None = None,
        close_op: Any = None,
        cancel_op: Any = None,
        queue_closed_exception_types: tuple[type[BaseException], ...] | None = None,
        queue_runner_def: Any = None,
        import_scope: str | None = None,
    ) -> None:
        if executing_eagerly():
            raise RuntimeError(
                "QueueRunners are not supported when eager execution is enabled: feed the program by tf.data"
            )
        if queue_runner_def is not None:
            raise NotImplementedError("QueueRunner from a QueueRunnerDef message is not in everflow yet")
        if queue is None or not enqueue_ops:
            raise ValueError("Must provide queue and enqueue_ops.")
        if queue_closed_exception_types is None:
            queue_closed_exception_types = (OutOfRangeError,)
        if not isinstance(queue_closed_exception_types, tuple) or not all(
            isinstance(t, type) and issubclass(t, BaseException) for t in queue_closed_exception_types
        ):
            raise TypeError(
                "queue_closed_exception_types must be a tuple of exception classes, received "
                f"{queue_closed_exception_types!r}"
            )
        self._queue = queue
        self._enqueue_ops = list(enqueue_ops)
        self._close_op = queue.close() if close_op is None else close_op
        self._cancel_op = queue.close(cancel_pending_enqueues=True) if cancel_op is None else cancel_op
        self._end_of_input = queue_closed_exception_types
        self._lock = threading.Lock()
        self._runs_per_session: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._exceptions_raised: list[BaseException] = []

    @property
    def queue(self) -> QueueBase:
        """The queue that is kept full."""
        return self._queue

    @property
    def enqueue_ops(self) -> list[Any]:
        """The operations that add elements."""
        return self._enqueue_ops

    @property
    def close_op(self) -> Any:
        """The operation that closes the queue."""
        return self._close_op

    @property
    def cancel_op(self) -> Any:
        """The operation that closes the queue at once."""
        return self._cancel_op

    @property
    def queue_closed_exception_types(self) -> tuple[type[BaseException], ...]:
        """Exceptions that mean the end of the input."""
        return self._end_of_input

    @property
    def exceptions_raised(self) -> list[BaseException]:
        """Errors of threads that had no coordinator to report them to."""
        return self._exceptions_raised

    @property
    def name(self) -> str:
        """The name of the queue."""
        return self._queue.name

    def _run(self, session: Any, enqueue_op: Any, coordinator: Coordinator | None) -> None:
        """The body of an enqueueing thread."""
        counted = True
        try:
            enqueue = session.make_callable(enqueue_op)
            while coordinator is None or not coordinator.should_stop():
                try:
                    enqueue()
                except self._end_of_input:
                    counted = False
                    if self._leave(session):
                        self._close(session)
                    return
        except CancelledError:
            # The queue was closed under the thread, by its coordinator's stop or by the end of the session.
            if coordinator is not None:
                coordinator.request_stop()
        except Exception as error:
            if coordinator is not None:
                coordinator.request_stop(error)
            else:
                logging.error("Exception in QueueRunner: %s", error)
                with self._lock:
                    self._exceptions_raised.append(error)
                raise
        finally:
            if counted:
                self._leave(session)

    def _leave(self, session: Any) -> bool:
        """Counts one thread less; True for the last one."""
        with self._lock:
            self._runs_per_session[session] -= 1
            return self._runs_per_session[session] == 0

    def _close(self, session: Any) -> None:
        try:
            session.run(self._close_op)
        except Exception as error:  # the session may be gone: there is nobody left to wait for the queue
            logging.vlog(1, "Ignored exception: %s", error)

    def _close_on_stop(self, session: Any, coordinator: Coordinator) -> None:
        coordinator.wait_for_stop()
        try:
            session.run(self._cancel_op)
        except Exception as error:  # as above
            logging.vlog(1, "Ignored exception: %s", error)

    def create_threads(
        self, sess: Any, coord: Coordinator | None = None, daemon: bool = False, start: bool = False
    ) -> list[threading.Thread]:
        """Threads that run the enqueue operations in `sess`; none when they are running already.

        Args:
          sess: the session.
          coord: a Coordinator that stops them and learns of their errors.
          daemon: whether the threads let the process end while they run.
          start: True starts them.
        """
        with self._lock:
            if self._runs_per_session.get(sess, 0) > 0:
                return []
            self._runs_per_session[sess] = len(self._enqueue_ops)
            self._exceptions_raised = []
        threads = [
            threading.Thread(
                target=self._run, args=(sess, op, coord), name=f"QueueRunnerThread-{self.name}-{op.name}"
            )
            for op in self._enqueue_ops
        ]
        if coord is not None:
            name = f"QueueRunnerThread-{self.name}-close_on_stop"
            threads.append(threading.Thread(target=self._close_on_stop, args=(sess, coord), name=name))
        for thread in threads:
            if coord is not None:
                coord.register_thread(thread)
            thread.daemon = daemon
            if start:
                thread.start()
        return threads


@export(v1=["train.add_queue_runner", "train.queue_runner.add_queue_runner"])
def add_queue_runner(qr: QueueRunner, collection: str = GraphKeys.QUEUE_RUNNERS) -> None:
    """Adds a queue runner to a collection of the default graph, which `start_queue_runners` starts."""
    default_graph().add_to_collection(collection, qr)


@export(v1=["train.start_queue_runners", "train.queue_runner.start_queue_runners"])
def start_queue_runners(
    sess: Any = None,
    coord: Coordinator | None = None,
    daemon: bool = True,
    start: bool = True,
    collection: str = GraphKeys.QUEUE_RUNNERS,
) -> list[threading.Thread]:
    """Starts the queue runners of a collection of the graph.

    Args:
      sess: the session that they run in; the default session when None.
      coord: a Coordinator that stops them and learns of their errors.
      daemon: whether the threads let the process end while they run.
      start: False only makes the threads.
      collection: the name of the collection.

    Returns:
      The threads.

    Raises:
      RuntimeError: execution is eager.
      ValueError: there is no session.
      TypeError: `sess` is no session.
    """
    if executing_eagerly():
        raise RuntimeError("Queue runners need a session; eager execution has none: use tf.data")
    if sess is None:
        sess = get_default_session()
        if sess is None:
            raise ValueError(
                "Cannot start queue runners: No default session is registered. Use `with sess.as_default()` "
                "or pass an explicit session to tf.start_queue_runners(sess=sess)"
            )
    if not isinstance(sess, BaseSession):
        # A monitored session runs operations as a session does.
        if not hasattr(sess, "run") or not hasattr(sess, "graph"):
            raise TypeError(f"sess must be a `tf.Session` object, received {type(sess).__name__}")
    threads = []
    with sess.graph.as_default():
        for runner in sess.graph.get_collection(collection):
            threads.extend(runner.create_threads(sess, coord=coord, daemon=daemon, start=start))
    return threads
