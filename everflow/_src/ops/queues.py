"""Queues: `tf.queue.FIFOQueue` and its kin, which hand elements from one thread's run to another's."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework import shape_rules as shapes
from everflow._src.framework.constant_value import constant_value
from everflow._src.framework.context import current_graph
from everflow._src.framework.conversion import convert
from everflow._src.framework.dtypes import as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.registry import SHAPES, TYPES, op
from everflow._src.framework.tensor import SymbolicTensor, Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.ops.array_gather import gather
from everflow._src.ops.array_joining import stack
from everflow._src.runtime.failures import invalid
from everflow._src.runtime.queue_resources import (
    PaddingQueueResource,
    PriorityQueueResource,
    QueueResource,
    ShuffleQueueResource,
)

# ---- cards


def _find(frame: Any, op: Any, container: str, shared_name: str, make: Callable[[str], QueueResource]) -> Any:
    """The queue of an operation: of the session for a graph, a new one for each eager call without a name."""
    name = shared_name or op.name
    if not name:
        return make("queue")
    return frame.store.get("queue", container, name, lambda: make(name))


def _queue_card(name: str, kind: type[QueueResource], doc: str, **more: Any) -> Any:
    def kernel(
        xp: Any,
        *,
        component_types: Any,
        shapes: Any,
        capacity: int,
        container: str,
        shared_name: str,
        op: Any,
        frame: Any,
    ) -> Any:
        keywords: dict[str, Any] = {}
        if "min_after_dequeue" in more:
            keywords["min_after_dequeue"] = op._attrs["min_after_dequeue"]
            keywords["seeds"] = (op._attrs["seed"], op._attrs["seed2"])
        def make(name: str) -> QueueResource:
            return kind(name, component_types, shapes, capacity, **keywords)

        return _find(frame, op, container, shared_name, make)

    return op(
        name,
        "-> handle: resource",
        component_types=TYPES,
        shapes=SHAPES,
        capacity=-1,
        container="",
        shared_name="",
        kernel=kernel,
        shape=_scalar,
        host=True,
        stateful=True,
        reads_only=True,
        no_gradient=True,
        doc=doc,
        **more,
    )


_scalar = shapes.scalar

FIFOQueueV2 = _queue_card("FIFOQueueV2", QueueResource, "A queue: first in, first out.")
PaddingFIFOQueueV2 = _queue_card(
    "PaddingFIFOQueueV2", PaddingQueueResource, "A queue whose batches are padded to the largest element."
)
PriorityQueueV2 = _queue_card(
    "PriorityQueueV2", PriorityQueueResource, "A queue ordered by its first component."
)
RandomShuffleQueueV2 = _queue_card(
    "RandomShuffleQueueV2",
    ShuffleQueueResource,
    "A queue that gives its elements in random order.",
    min_after_dequeue=0,
    seed=0,
    seed2=0,
)


def _enqueue(xp: Any, handle: QueueResource, components: Sequence[Any]) -> None:
    handle.put([tuple(np.asarray(component) for component in components)])


def _enqueue_many(xp: Any, handle: QueueResource, components: Sequence[Any]) -> None:
    counts = {component.shape[0] if component.ndim else -1 for component in components}
    if -1 in counts or len(counts) != 1:
        raise invalid("The components of enqueue_many need the same number of elements in dimension 0")
    columns = [np.asarray(component) for component in components]
    handle.put([tuple(np.asarray(column[i]) for column in columns) for i in range(counts.pop())])


def _dequeue(xp: Any, handle: QueueResource, *, component_types: Any) -> tuple[Any, ...]:
    _check_types(handle, component_types)
    return handle.take(1)[0]


def _check_types(handle: QueueResource, wanted: Sequence[Any]) -> None:
    if tuple(wanted) != handle.component_types:
        held, asked = ([dtype.name for dtype in types] for types in (handle.component_types, wanted))
        raise invalid(f"{handle.kind} '{handle.name}' holds elements of {held}, asked for {asked}")


def _dequeue_many(up_to: bool) -> Callable[..., tuple[Any, ...]]:
    def kernel(xp: Any, handle: QueueResource, n: Any, *, component_types: Any) -> tuple[Any, ...]:
        _check_types(handle, component_types)
        count = int(n)
        if count < 0:
            raise invalid(f"{handle.kind} '{handle.name}' cannot give {count} elements")
        if not handle.shapes:
            raise invalid(f"{handle.kind} '{handle.name}' was made without shapes, which a batch needs")
        return handle.batch(handle.take(count, up_to))

    return kernel


def _on_queue(name: str, signature: str, kernel: Callable[..., Any], doc: str, **more: Any) -> Any:
    @functools.wraps(kernel)  # the engine reads the names that the kernel asks for
    def on_element(xp: Any, handle: Any, *arguments: Any, **keywords: Any) -> Any:
        # `QueueBase.from_list` picks the handle out of an array of handles.
        return kernel(xp, handle.item() if isinstance(handle, np.ndarray) else handle, *arguments, **keywords)

    return op(name, signature, kernel=on_element, host=True, stateful=True, no_gradient=True, doc=doc, **more)


QueueEnqueueV2 = _on_queue(
    "QueueEnqueueV2",
    "handle: resource, components: *Tcomponents ->",
    _enqueue,
    "Adds an element, waiting for room.",
    timeout_ms=-1,
)
QueueEnqueueManyV2 = _on_queue(
    "QueueEnqueueManyV2",
    "handle: resource, components: *Tcomponents ->",
    _enqueue_many,
    "Adds the rows of tensors as elements, waiting for room.",
    timeout_ms=-1,
)
QueueDequeueV2 = _on_queue(
    "QueueDequeueV2",
    "handle: resource -> components: *component_types",
    _dequeue,
    "Takes an element, waiting for one.",
    timeout_ms=-1,
)
QueueDequeueManyV2 = _on_queue(
    "QueueDequeueManyV2",
    "handle: resource, n: int32 -> components: *component_types",
    _dequeue_many(False),
    "Takes n elements as one batch, waiting for them.",
    timeout_ms=-1,
)
QueueDequeueUpToV2 = _on_queue(
    "QueueDequeueUpToV2",
    "handle: resource, n: int32 -> components: *component_types",
    _dequeue_many(True),
    "Takes n elements as one batch, or what is left of a closed queue.",
    timeout_ms=-1,
)
QueueCloseV2 = _on_queue(
    "QueueCloseV2",
    "handle: resource ->",
    lambda xp, handle, *, cancel_pending_enqueues: handle.close(cancel_pending_enqueues),
    "Lets no more elements in.",
    cancel_pending_enqueues=False,
)
QueueSizeV2 = _on_queue(
    "QueueSizeV2",
    "handle: resource -> size: int32",
    lambda xp, handle: np.array(handle.length(), np.int32),
    "How many elements the queue holds.",
    shape=_scalar,
)
QueueIsClosedV2 = _on_queue(
    "QueueIsClosedV2",
    "handle: resource -> is_closed: bool",
    lambda xp, handle: np.array(handle.closed),
    "Whether the queue is closed.",
    shape=_scalar,
)


# ---- classes


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _shapes_of(given: Any, types: Sequence[Any], unknown: bool = False) -> list[TensorShape] | None:
    """The shapes of the components, None when they are not given.

    Raises:
      ValueError: there are not as many shapes as dtypes, or (unless `unknown`) one is not fully defined.
    """
    if given is None:
        return None
    if isinstance(given, TensorShape) or not isinstance(given, (list, tuple)) or _is_one_shape(given):
        given = [given]
    result = [TensorShape(shape) for shape in given]
    if len(result) != len(types):
        raise ValueError(f"Queue shapes must have the same length as dtypes, received {result}")
    for shape in result:
        if not unknown and not shape.is_fully_defined():
            raise ValueError(f"All shapes must be fully defined: {shape}")
        if shape.rank is None:
            raise ValueError("Queue shapes need a known rank; dimensions alone may be None")
    return result


def _is_one_shape(given: Sequence[Any]) -> bool:
    """True for `[2, 3]`, which means one component of that shape; `[]` means one scalar component."""
    return all(size is None or isinstance(size, (int, np.integer)) for size in given)


@export("queue.QueueBase", v1=["queue.QueueBase", "QueueBase", "io.QueueBase"])
class QueueBase:
    """A queue of elements, each a tuple of tensors.

    Queues are made by their kinds, such as `tf.queue.FIFOQueue`.  The operations of one queue may run in
    different threads: enqueueing waits while the queue is full, dequeueing while it is empty.
    """

    def __init__(self, dtypes: Any, shapes: Any, names: Any, queue_ref: Any) -> None:
        self._dtypes = [as_dtype(dtype) for dtype in _as_list(dtypes)]
        self._shapes = shapes if shapes is not None else [TensorShape(None)] * len(self._dtypes)
        self._names = _as_list(names) if names is not None else None
        if self._names is not None and len(self._names) != len(self._dtypes):
            raise ValueError(f"Queue names must have the same length as dtypes, received {self._names}")
        if len(self._shapes) != len(self._dtypes):
            raise ValueError(f"Queue shapes must have the same length as dtypes, received {self._shapes}")
        self._queue_ref = queue_ref
        self._name = queue_ref.op.name if isinstance(queue_ref, SymbolicTensor) else "queue"

    @staticmethod
    def from_list(index: Any, queues: Sequence[QueueBase]) -> QueueBase:
        """The queue at `index`, an integer tensor, of several queues with the same components.

        Raises:
          TypeError: `queues` is no list of queues, or their components differ in dtype or names.
        """
        if not isinstance(queues, (list, tuple)) or not queues:
            raise TypeError(f"A list of queues expected, received {queues!r}")
        if not all(isinstance(queue, QueueBase) for queue in queues):
            raise TypeError(f"A list of queues expected, received {queues!r}")
        first = queues[0]
        if any(q.dtypes != first.dtypes for q in queues):
            raise TypeError("Queues do not have matching component dtypes.")
        if any(q.names != first.names for q in queues):
            raise TypeError("Queues do not have matching component names.")
        columns = zip(*[q.shapes for q in queues])
        common = [_common_shape(column) for column in columns]
        handle = gather(stack([q.queue_ref for q in queues]), index)
        return QueueBase(first.dtypes, common, first.names, handle)

    @property
    def queue_ref(self) -> Tensor:
        """The handle of the queue."""
        return self._queue_ref

    @property
    def name(self) -> str:
        """The name of the operation that makes the queue."""
        return self._name

    @property
    def dtypes(self) -> list[Any]:
        """The dtypes of the components."""
        return self._dtypes

    @property
    def shapes(self) -> list[TensorShape]:
        """The shapes of the components."""
        return self._shapes

    @property
    def names(self) -> list[str] | None:
        """The names of the components, None when they have none."""
        return self._names

    # ---- putting

    def _components(self, values: Any, name: str) -> list[Tensor]:
        if isinstance(values, dict):
            if self._names is None:
                raise ValueError("Queue must have names to enqueue a dictionary")
            if sorted(self._names) != sorted(values):
                raise ValueError(f"The queue has components {self._names}, received {sorted(values)}")
            values = [values[key] for key in self._names]
        else:
            if self._names is not None:
                raise ValueError("You must enqueue a dictionary in a Queue with names")
            values = _as_list(values)
        if len(values) != len(self._dtypes) and len(self._dtypes) == 1:
            values = [values]
        if len(values) != len(self._dtypes):
            raise ValueError(f"{name} takes {len(self._dtypes)} components, received {len(values)}")
        pairs = enumerate(zip(values, self._dtypes))
        return [convert(value, dtype, name=f"component_{index}") for index, (value, dtype) in pairs]

    def _named(self, name: str | None, default: str) -> str:
        return f"{self._name}_{default}" if name is None else name

    def _in_scope(self, name: str, values: Any) -> tuple[list[Tensor], str]:
        graph = current_graph()
        if graph is None:
            return self._components(values, name), name
        with graph.name_scope(name) as scope:
            return self._components(values, name), scope

    def enqueue(self, vals: Any, name: str | None = None) -> Any:
        """Adds one element; waits while the queue is full.

        Args:
          vals: a tensor, a tuple or list of tensors, or a dictionary if the components have names.
          name: name of the operation.

        Returns:
          The operation; None in eager mode.

        Raises:
          ValueError: a component has the wrong shape, or there is a wrong number of them.
          tf.errors.CancelledError (when it runs): the queue is closed.
        """
        components, scope = self._in_scope(self._named(name, "enqueue"), vals)
        for component, shape in zip(components, self._shapes):
            component.shape.assert_is_compatible_with(shape)
        return QueueEnqueueV2(self._queue_ref, components, name=scope)

    def enqueue_many(self, vals: Any, name: str | None = None) -> Any:
        """Adds the rows of tensors as elements; waits while the queue is full.

        Args:
          vals: as for `enqueue`; each component has one more dimension, the first.
          name: name of the operation.

        Returns:
          The operation; None in eager mode.
        """
        components, scope = self._in_scope(self._named(name, "EnqueueMany"), vals)
        rows = TensorShape([None])
        for component, shape in zip(components, self._shapes):
            if component.shape.rank is not None:
                rows = rows.merge_with(component.shape[:1])
            component.shape.assert_is_compatible_with(TensorShape([None]).concatenate(shape))
        return QueueEnqueueManyV2(self._queue_ref, components, name=scope)

    # ---- taking

    def _result(self, tensors: Any, rows: int | None = None, many: bool = False) -> Any:
        tensors = list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
        for tensor, shape in zip(tensors, self._shapes):
            if isinstance(tensor, SymbolicTensor):
                tensor.set_shape(TensorShape([rows]).concatenate(shape) if many else shape)
        if self._names is not None:
            return dict(zip(self._names, tensors))
        return tensors[0] if len(tensors) == 1 else tensors

    def dequeue(self, name: str | None = None) -> Any:
        """Takes one element; waits while the queue is empty.

        Returns:
          A tensor, a list of tensors, or a dictionary if the components have names.

        Raises:
          tf.errors.OutOfRangeError (when it runs): the queue is closed and empty.
        """
        name = self._named(name, "Dequeue")
        return self._result(QueueDequeueV2(self._queue_ref, component_types=self._dtypes, name=name))

    def dequeue_many(self, n: Any, name: str | None = None) -> Any:
        """Takes `n` elements, stacked along a new first dimension; waits until there are as many.

        Raises:
          tf.errors.OutOfRangeError (when it runs): the queue is closed and holds fewer.
        """
        name = self._named(name, "DequeueMany")
        result = QueueDequeueManyV2(self._queue_ref, n, component_types=self._dtypes, name=name)
        return self._result(result, _static_count(result), many=True)

    def dequeue_up_to(self, n: Any, name: str | None = None) -> Any:
        """Takes `n` elements, or those that are left when the queue is closed.

        Raises:
          tf.errors.OutOfRangeError (when it runs): the queue is closed and empty.
        """
        name = self._named(name, "DequeueUpTo")
        result = QueueDequeueUpToV2(self._queue_ref, n, component_types=self._dtypes, name=name)
        return self._result(result, None, many=True)

    # ---- the rest

    def close(self, cancel_pending_enqueues: bool = False, name: str | None = None) -> Any:
        """Lets no more elements in.

        Args:
          cancel_pending_enqueues: True also sends away those that wait for room.
          name: name of the operation.
        """
        name = self._named(name, "Close")
        return QueueCloseV2(self._queue_ref, cancel_pending_enqueues=cancel_pending_enqueues, name=name)

    def is_closed(self, name: str | None = None) -> Tensor:
        """Whether the queue is closed."""
        return QueueIsClosedV2(self._queue_ref, name=self._named(name, "Is_Closed"))

    def size(self, name: str | None = None) -> Tensor:
        """How many elements the queue holds."""
        return QueueSizeV2(self._queue_ref, name=self._named(name, "Size"))


def _common_shape(column: Sequence[TensorShape]) -> TensorShape:
    result = column[0]
    for shape in column[1:]:
        result = result.most_specific_compatible_shape(shape)
    return result


def _static_count(result: Any) -> int | None:
    """The number of elements that a DequeueMany takes, where the graph says it."""
    first = result[0] if isinstance(result, (list, tuple)) else result
    if not isinstance(first, SymbolicTensor):
        return None
    value = constant_value(first.op.inputs[1])
    return None if value is None else int(value)


def _make(
    card: Any, types: list[Any], shape_list: Any, capacity: int, shared_name: Any, name: str, **more: Any
) -> Any:
    return card(
        component_types=types,
        shapes=shape_list or (),
        capacity=capacity,
        shared_name=shared_name or "",
        name=name,
        **more,
    )


@export("queue.FIFOQueue", v1=["queue.FIFOQueue", "FIFOQueue"])
class FIFOQueue(QueueBase):
    """A queue that gives its elements in the order in which they came.

    Args:
      capacity: how many elements it holds; enqueueing waits while it is full.
      dtypes: the dtype of each component of an element.
      shapes: the shapes of the components, which `dequeue_many` needs; None for any.
      names: names of the components; elements are dictionaries then.
      shared_name: queues of one session with the same shared name are one queue.
      name: name of the operation.

    >>> import everflow as tf
    >>> queue = tf.queue.FIFOQueue(3, tf.float32)
    >>> queue.enqueue(1.5)
    >>> queue.size().numpy(), queue.dequeue().numpy()
    (1, 1.5)
    """

    def __init__(
        self,
        capacity: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "fifo_queue",
    ) -> None:
        types = [as_dtype(dtype) for dtype in _as_list(dtypes)]
        shape_list = _shapes_of(shapes, types)
        handle = _make(FIFOQueueV2, types, shape_list, capacity, shared_name, name)
        super().__init__(types, shape_list, names, handle)


@export("queue.PaddingFIFOQueue", v1=["queue.PaddingFIFOQueue", "PaddingFIFOQueue", "io.PaddingFIFOQueue"])
class PaddingFIFOQueue(QueueBase):
    """A FIFO queue of elements of varying size, whose batches are padded to the largest of them.

    Args:
      capacity: how many elements it holds.
      dtypes: the dtype of each component of an element.
      shapes: the shapes of the components, with None for dimensions that vary.
      names: names of the components; elements are dictionaries then.
      shared_name: queues of one session with the same shared name are one queue.
      name: name of the operation.

    Raises:
      ValueError: there are not as many shapes as dtypes.
    """

    def __init__(
        self,
        capacity: int,
        dtypes: Any,
        shapes: Any,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "padding_fifo_queue",
    ) -> None:
        types = [as_dtype(dtype) for dtype in _as_list(dtypes)]
        shape_list = _shapes_of(shapes, types, unknown=True)
        handle = _make(PaddingFIFOQueueV2, types, shape_list, capacity, shared_name, name)
        super().__init__(types, shape_list, names, handle)


@export(
    "queue.RandomShuffleQueue", v1=["queue.RandomShuffleQueue", "RandomShuffleQueue", "io.RandomShuffleQueue"]
)
class RandomShuffleQueue(QueueBase):
    """A queue that gives its elements in random order.

    Args:
      capacity: how many elements it holds.
      min_after_dequeue: how many stay behind after dequeueing, so that there is something to draw from;
        closing the queue releases them.
      dtypes: the dtype of each component of an element.
      shapes: the shapes of the components, which `dequeue_many` needs; None for any.
      names: names of the components; elements are dictionaries then.
      seed: seed of the order.
      shared_name: queues of one session with the same shared name are one queue.
      name: name of the operation.
    """

    def __init__(
        self,
        capacity: int,
        min_after_dequeue: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        seed: int | None = None,
        shared_name: str | None = None,
        name: str = "random_shuffle_queue",
    ) -> None:
        types = [as_dtype(dtype) for dtype in _as_list(dtypes)]
        shape_list = _shapes_of(shapes, types)
        graph = current_graph()
        graph_seed = graph.seed if graph is not None else None
        seeds = {"seed": graph_seed or 0, "seed2": 0 if seed is None else seed}
        handle = _make(
            RandomShuffleQueueV2,
            types,
            shape_list,
            capacity,
            shared_name,
            name,
            min_after_dequeue=int(min_after_dequeue),
            **seeds,
        )
        super().__init__(types, shape_list, names, handle)


@export("queue.PriorityQueue", v1=["queue.PriorityQueue", "PriorityQueue", "io.PriorityQueue"])
class PriorityQueue(QueueBase):
    """A queue that gives the element of the smallest priority; the priority is its first component.

    Args:
      capacity: how many elements it holds.
      types: the dtypes of the components after the priority, which is a scalar int64.
      shapes: the shapes of the components after the priority; scalars when None.
      names: names of all components; elements are dictionaries then.
      shared_name: queues of one session with the same shared name are one queue.
      name: name of the operation.
    """

    def __init__(
        self,
        capacity: int,
        types: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "priority_queue",
    ) -> None:
        others = [as_dtype(dtype) for dtype in _as_list(types)]
        shape_list = _shapes_of(shapes, others) if shapes is not None else [TensorShape([])] * len(others)
        all_types, all_shapes = [dtypes.int64, *others], [TensorShape([]), *(shape_list or ())]
        handle = _make(PriorityQueueV2, all_types, all_shapes, capacity, shared_name, name)
        super().__init__(all_types, all_shapes, names, handle)


