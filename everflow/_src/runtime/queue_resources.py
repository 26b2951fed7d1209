"""What queues are made of: elements, a capacity, and threads that wait for one another.

A queue waits on a condition of its own and holds no other lock while it does, so that a run that blocks on an
empty queue lets the run that fills it go on.
"""

from __future__ import annotations

import collections
import heapq
import itertools
import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework.errors import CancelledError, OutOfRangeError
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.runtime.failures import invalid
from everflow._src.runtime.resources import Resource

Element = tuple[Any, ...]


class QueueResource(Resource):
    """A queue that gives its elements in the order in which they came.

    Args:
      name: its name, for messages.
      component_types: dtypes of the components of an element.
      shapes: their shapes, empty when they may differ between elements.
      capacity: how many elements it holds; negative for any number.
    """

    kind = "FIFOQueue"

    def __init__(
        self, name: str, component_types: Sequence[Any], shapes: Sequence[TensorShape], capacity: int
    ) -> None:
        super().__init__(name)
        self.component_types = tuple(component_types)
        self.shapes = tuple(shapes)
        self.capacity = capacity if capacity >= 0 else None
        self.closed = False
        self._cancelled = False  # by the end of the session
        self._refuse_pending = False  # closed together with the enqueueing that waits
        self._pending = 0
        self._condition = threading.Condition()
        # Who comes first is served first, also when he wants many elements.
        self._putting = threading.Lock()
        self._taking = threading.Lock()
        self._make_store()

    # ---- the order of elements, which the kinds of queues differ in

    def _make_store(self) -> None:
        self._elements: Any = collections.deque()

    def _add(self, element: Element) -> None:
        self._elements.append(element)

    def _pop(self) -> Element:
        return self._elements.popleft()

    def _restore(self, elements: Sequence[Element]) -> None:
        self._elements.extendleft(reversed(elements))

    def _reserve(self) -> int:
        """How many elements must stay behind while the queue is open."""
        return 0

    # ---- putting

    def put(self, elements: Iterable[Element]) -> None:
        """Adds elements, waiting while the queue is full.

        Raises:
          CancelledError: the queue is closed.
          InvalidArgumentError: an element does not have the shapes of the queue.
        """
        elements = [self._checked(element) for element in elements]
        with self._condition:
            if self.closed:
                raise self._is_closed()
            self._pending += 1
        try:
            with self._putting, self._condition:
                for element in elements:
                    while self.capacity is not None and len(self._elements) >= self.capacity:
                        if self._refuse_pending or self._cancelled:
                            raise self._is_closed("Enqueue operation was cancelled")
                        self._condition.wait()
                    if self._refuse_pending or self._cancelled:
                        raise self._is_closed("Enqueue operation was cancelled")
                    self._add(element)
                    self._condition.notify_all()
        finally:
            with self._condition:
                self._pending -= 1
                self._condition.notify_all()

    def _checked(self, element: Element) -> Element:
        for index, (value, shape) in enumerate(zip(element, self.shapes)):
            if not shape.is_compatible_with(TensorShape(value.shape)):
                raise invalid(
                    f"Shape mismatch in tuple component {index}. Expected {shape}, got {tuple(value.shape)}"
                )
        return element

    # ---- taking

    def take(self, count: int, up_to: bool = False) -> list[Element]:
        """Removes `count` elements, waiting until they are there.

        Args:
          count: how many.
          up_to: True returns fewer, but at least one, when the queue is closed and holds no more.

        Raises:
          OutOfRangeError: the queue is closed and holds too few.
          CancelledError: the session ended.
        """
        taken: list[Element] = []
        with self._taking, self._condition:
            while len(taken) < count:
                final = self.closed and not self._pending
                if self._elements and (final or self.closed or len(self._elements) > self._reserve()):
                    taken.append(self._pop())
                    self._condition.notify_all()
                elif self._cancelled:
                    self._restore(taken)
                    raise self._is_closed("Dequeue operation was cancelled")
                elif final:
                    if up_to and taken:
                        break
                    self._restore(taken)
                    raise OutOfRangeError(
                        None,
                        None,
                        f"{self.kind} '{self.name}' is closed and has insufficient elements "
                        f"(requested {count}, current size {len(self._elements)})",
                    )
                else:
                    self._condition.wait()
        return taken

    # ---- the rest

    def length(self) -> int:  # type: ignore[override]
        """How many elements it holds."""
        with self._condition:
            return len(self._elements)

    def close(self, cancel_pending: bool = False) -> None:
        """No more elements are accepted; those that wait to enter still do, unless `cancel_pending`."""
        with self._condition:
            self.closed = True
            self._refuse_pending = self._refuse_pending or cancel_pending
            self._condition.notify_all()

    def cancel(self) -> None:
        """Ends all waiting: the session that owns the queue is closed."""
        with self._condition:
            self.closed = self._cancelled = True
            self._condition.notify_all()

    def _is_closed(self, what: str | None = None) -> CancelledError:
        return CancelledError(None, None, what or f"{self.kind} '{self.name}' is closed.")

    def batch(self, elements: Sequence[Element]) -> tuple[Any, ...]:
        """The components of several elements, stacked."""
        if not elements:
            shapes = [[0, *(size or 0 for size in shape.as_list())] for shape in self.shapes]
            pairs = zip(shapes, self.component_types)
            return tuple(np.zeros(shape, dtype.as_numpy_dtype) for shape, dtype in pairs)
        return tuple(np.stack(column) for column in zip(*elements))


class PaddingQueueResource(QueueResource):
    """A queue whose batches are filled up to the largest element, with zeros or empty strings."""

    kind = "PaddingFIFOQueue"

    def batch(self, elements: Sequence[Element]) -> tuple[Any, ...]:
        """The components of several elements, padded and stacked."""
        return super().batch(elements) if not elements else tuple(_padded(c) for c in zip(*elements))


def _padded(values: Sequence[np.ndarray]) -> np.ndarray:
    shape = np.max([value.shape for value in values], axis=0).astype(int)
    dtype = values[0].dtype
    result = np.full([len(values), *shape], b"" if dtype.kind == "O" else 0, dtype)
    for row, value in zip(result, values):
        if shape.size:
            row[tuple(slice(size) for size in value.shape)] = value
    if not shape.size:
        result[:] = values
    return result


class ShuffleQueueResource(QueueResource):
    """A queue that gives its elements in random order, and keeps some behind to draw from."""

    kind = "RandomShuffleQueue"

    def __init__(self, *arguments: Any, min_after_dequeue: int = 0, seeds: tuple[int, int] = (0, 0)) -> None:
        self._min_after_dequeue = min_after_dequeue
        self._random = np.random.Generator(np.random.Philox(list(seeds) if any(seeds) else None))
        super().__init__(*arguments)

    def _make_store(self) -> None:
        self._elements = []

    def _pop(self) -> Element:
        index = int(self._random.integers(len(self._elements)))
        self._elements[index], self._elements[-1] = self._elements[-1], self._elements[index]
        return self._elements.pop()

    def _restore(self, elements: Sequence[Element]) -> None:
        self._elements.extend(elements)

    def _reserve(self) -> int:
        return self._min_after_dequeue


class PriorityQueueResource(QueueResource):
    """A queue that gives the element with the smallest first component, among equals the oldest."""

    kind = "PriorityQueue"

    def _make_store(self) -> None:
        self._elements = []
        self._count = itertools.count()

    def _add(self, element: Element) -> None:
        heapq.heappush(self._elements, (int(element[0]), next(self._count), element))

    def _pop(self) -> Element:
        return heapq.heappop(self._elements)[2]

    def _restore(self, elements: Sequence[Element]) -> None:
        for element in elements:
            self._add(element)
