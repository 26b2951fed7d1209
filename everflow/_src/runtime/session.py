"""Sessions: running the part of a graph that some fetches need, with state that the session owns."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.context import LOCAL, default_graph, graph_mode
from everflow._src.framework.conversion import to_numpy
from everflow._src.framework.export import export
from everflow._src.framework.graph import Graph
from everflow._src.framework.operation import Operation, install_runner
from everflow._src.framework.sparse_tensor import SparseTensor, install_sparse_evaluator, parts_of
from everflow._src.framework.tensor import EagerTensor, SymbolicTensor, install_evaluator
from everflow._src.runtime.devices import describe_devices
from everflow._src.runtime.fetches import FetchPlan
from everflow._src.runtime.frames import HostFrame
from everflow._src.runtime.program import Program
from everflow._src.runtime.resources import Resource, Store
from everflow._src.runtime.step_stats import run_traced, wants_trace

# Outputs of these may share memory with their first input.
_PASS_ON = frozenset({
    "Identity", "IdentityN", "Reshape", "ExpandDims", "Squeeze", "StopGradient", "PlaceholderWithDefault", "Cast",
    "StridedSlice", "Slice", "Transpose", "Snapshot", "EnsureShape", "CheckNumerics", "PreventGradient",
})

_feed_expansions: list[tuple[type, Callable[[Any, Any], Sequence[tuple[Any, Any]]]]] = []


def register_feed_expansion(cls: type, expand: Callable[[Any, Any], Sequence[tuple[Any, Any]]]) -> None:
    """Lets composite objects (sparse tensors) be fed: `expand(key, value)` gives (tensor, value) pairs."""
    _feed_expansions.append((cls, expand))


class BaseSession:
    """Runs operations of one graph."""

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None) -> None:
        if graph is not None and not isinstance(graph, Graph):
            raise TypeError(f"Argument `graph` must be a tf.Graph, but got \"{type(graph).__name__}\"")
        if target is not None and not isinstance(target, (str, bytes)):
            raise TypeError(f"Argument `target` must be a string, but got \"{type(target).__name__}\"")
        if config is not None and not hasattr(config, "SerializeToString"):
            raise TypeError(f"Argument `config` must be a tf.ConfigProto, but got \"{type(config).__name__}\"")
        self._graph = graph if graph is not None else default_graph()
        self._target = target
        self._config = config
        self._store = Store()
        self._frame = HostFrame(self._store)
        self._closed = False
        self._plans: dict[Any, tuple[int, FetchPlan, Program, list[SymbolicTensor]]] = {}
        self._lock = threading.RLock()

    @property
    def graph(self) -> Graph:
        """The graph that this session runs."""
        return self._graph

    @property
    def graph_def(self) -> Any:
        """The graph as a GraphDef message."""
        return self._graph.as_graph_def(add_shapes=True)

    @property
    def sess_str(self) -> bytes:
        """The target, as bytes."""
        return self._target.encode() if isinstance(self._target, str) else self._target

    def close(self) -> None:
        """Ends the session and frees its variables.  Running it afterwards is an error."""
        self._closed = True
        self._plans.clear()
        self._store.clear()

    # ---- running

    def run(self, fetches: Any, feed_dict: dict[Any, Any] | None = None, options: Any = None,
            run_metadata: Any = None) -> Any:
        """Computes `fetches` and returns their values in the same structure.

        Args:
          fetches: a tensor, operation, variable or name, or any nesting of lists, tuples, named tuples and
            dicts of these.
          feed_dict: values that replace tensors, by tensor or name.
          options: a RunOptions message; with a `trace_level` the run is traced.
          run_metadata: a RunMetadata message, filled with the time of each operation if the run is traced.

        Returns:
          NumPy arrays in the structure of `fetches`; None for operations.

        Raises:
          RuntimeError: the session is closed, or its graph is empty.
          TypeError, ValueError: a fetch or a feed does not fit.
          tf.errors.OpError: an operation failed.
        """
        if self._closed:
            raise RuntimeError("Attempted to use a closed Session.")
        graph = self._graph
        if feed_dict is not None and not hasattr(feed_dict, "items"):
            raise TypeError(f"feed_dict must be a dictionary, received {feed_dict!r}")
        if not graph._operations:
            raise RuntimeError("The Session graph is empty. Add operations to the graph before calling run().")
        try:
            key = (_fetch_key(fetches), tuple([id(k) if not isinstance(k, str) else k for k in feed_dict])
                   if feed_dict else ())
        except TypeError:
            key = None
        entry = self._plans.get(key) if key is not None else None
        if entry is None or entry[0] != graph._version:
            entry = self._prepare(fetches, feed_dict, key)
        _, plan, program, feeds = entry
        if feed_dict:
            arguments = self._feed(feed_dict, feeds)
            for index in plan.kept_feeds:
                arguments[index] = _own(arguments[index])
        else:
            arguments = []
        if wants_trace(options, run_metadata):
            results = run_traced(program, arguments, self._frame, run_metadata)
        else:
            results = program.execute(arguments, self._frame)
        return plan.build([_public(r) for r in results])

    def _prepare(self, fetches: Any, feed_dict: dict[Any, Any] | None, key: Any
                 ) -> tuple[int, FetchPlan, Program, list[SymbolicTensor]]:
        graph = self._graph
        version = graph._version
        plan = FetchPlan(graph, fetches)
        for element in (*plan.tensors, *plan.operations):
            if not graph.is_fetchable(element):
                op: Any = getattr(element, "op", element)
                raise ValueError(f"Operation {op.name!r} has been marked as not fetchable.")
        feeds = [self._feed_tensor(t) for k, v in (feed_dict or {}).items() for t, _ in _expand_feed(k, v)]
        program = Program(feeds, plan.tensors, plan.operations)
        plan.kept_feeds = _kept(feeds, program.operations)
        entry = (version, plan, program, feeds)
        if key is not None:
            # The key holds identities: the objects are kept alive with the entry.
            plan.keep = (fetches, list(feed_dict or ()))  # type: ignore[attr-defined]
            with self._lock:
                self._plans[key] = entry
        return entry

    def _feed_tensor(self, key: Any) -> SymbolicTensor:
        try:
            tensor = self._graph.as_graph_element(key, allow_tensor=True, allow_operation=False)
        except (KeyError, ValueError, TypeError) as error:
            raise TypeError(f"Cannot interpret feed_dict key as Tensor: {error.args[0]}") from None
        if not self._graph.is_feedable(tensor):
            raise ValueError(f"Tensor {tensor} may not be fed.")
        return tensor

    def _feed(self, feed_dict: dict[Any, Any], feeds: list[SymbolicTensor]) -> list[Any]:
        arguments = []
        index = 0
        for key, value in feed_dict.items():
            for _, part in _expand_feed(key, value):
                arguments.append(_feed_value(feeds[index], part))
                index += 1
        return arguments

    def make_callable(self, fetches: Any, feed_list: Sequence[Any] | None = None, accept_options: bool = False
                      ) -> Callable[..., Any]:
        """A function that runs `fetches` with values for `feed_list` as its arguments.

        Raises:
          TypeError: `feed_list` is no list.
        """
        if feed_list is not None and not isinstance(feed_list, (list, tuple)):
            raise TypeError("Argument `feed_list` must be a list or tuple.")
        keys = list(feed_list or ())
        state: dict[str, Any] = {"entry": self._prepare(fetches, dict.fromkeys(_unique(keys)), None)}

        def call(*values: Any, **keywords: Any) -> Any:
            if self._closed:
                raise RuntimeError("Attempted to use a closed Session.")
            if len(values) - (1 if accept_options and len(values) > len(keys) else 0) != len(keys):
                raise TypeError(f"The function takes {len(keys)} values, one per element of feed_list, received "
                                f"{len(values)}")
            entry = state["entry"]
            if entry[0] != self._graph._version:
                entry = state["entry"] = self._prepare(fetches, dict.fromkeys(_unique(keys)), None)
            _, plan, program, feeds = entry
            arguments = [_feed_value(t, v) for t, v in zip(feeds, values)]
            for index in plan.kept_feeds:
                arguments[index] = _own(arguments[index])
            return plan.build([_public(r) for r in program.execute(arguments, self._frame)])

        return call

    def partial_run_setup(self, fetches: Any, feeds: Any = None) -> Any:
        raise NotImplementedError("Session.partial_run_setup is not in everflow yet; use Session.run")

    def list_devices(self) -> list[Any]:
        """The devices that operations of this session can ask for."""
        return describe_devices()

    # ---- being the default

    @contextlib.contextmanager
    def as_default(self) -> Iterator[BaseSession]:
        """Makes this the session of `Tensor.eval` and `Operation.run` in the block; does not close it."""
        LOCAL.session_stack = (*LOCAL.session_stack, self)
        try:
            with graph_mode(self._graph):
                yield self
        finally:
            LOCAL.session_stack = LOCAL.session_stack[:-1]


@export(v1=["Session"])
class Session(BaseSession):
    """Runs the operations of a graph.

    Args:
      target: the execution engine; only this process ("") so far.
      graph: the graph to run; the default graph when None.
      config: a ConfigProto message.

    >>> import everflow as tf
    >>> with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    ...     x = tf.compat.v1.placeholder(tf.float32)
    ...     print(session.run(x * 2, {x: [1., 2.]}))
    [2. 4.]
    """

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None) -> None:
        super().__init__(target, graph, config)
        self._contexts: list[Any] = []

    def __enter__(self) -> Session:
        manager = self.as_default()
        self._contexts.append(manager)
        return manager.__enter__()  # type: ignore[return-value]

    def __exit__(self, *exception: Any) -> None:
        self._contexts.pop().__exit__(*exception)
        if not self._contexts:
            self.close()

    @staticmethod
    def reset(target: str, containers: Any = None, config: Any = None) -> None:
        """Clears resource containers of a remote target; sessions of this process own their state alone."""


@export(v1=["InteractiveSession"])
class InteractiveSession(BaseSession):
    """A session that is the default from its construction until `close()`."""

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None) -> None:
        super().__init__(target, graph, config)
        self._manager: Any = self.as_default()
        self._manager.__enter__()

    def close(self) -> None:
        """Ends the session, which is no longer the default."""
        super().close()
        if self._manager is not None:
            manager, self._manager = self._manager, None
            manager.__exit__(None, None, None)


@export(v1=["get_default_session"])
def get_default_session() -> BaseSession | None:
    """The innermost session that was made the default in this thread, or None."""
    stack = LOCAL.session_stack
    return stack[-1] if stack else None


def _unique(keys: Sequence[Any]) -> list[Any]:
    return list({id(k) if not isinstance(k, str) else k: k for k in keys}.values())


def _fetch_key(fetches: Any) -> Any:
    """A key that is equal for the same fetches in the same structure."""
    if isinstance(fetches, (list, tuple)):
        return (type(fetches), tuple([_fetch_key(f) for f in fetches]))
    if isinstance(fetches, dict):
        return (type(fetches), tuple([(k, _fetch_key(f)) for k, f in fetches.items()]))
    if isinstance(fetches, (str, bytes)):
        return fetches
    return id(fetches)


def _expand_feed(key: Any, value: Any) -> Sequence[tuple[Any, Any]]:
    for cls, expand in _feed_expansions:
        if isinstance(key, cls):
            return expand(key, value)
    return ((key, value),)


def _feed_value(tensor: SymbolicTensor, value: Any) -> Any:
    """A fed value as an array of the tensor's dtype.

    Raises:
      TypeError: a tensor of a graph cannot be fed.
      ValueError: the shape does not fit.
    """
    dtype = tensor._dtype.base_dtype
    if isinstance(value, np.ndarray) and value.dtype == dtype.numpy_dtype and dtype != dtypes.string:
        array = value
    elif isinstance(value, Resource):
        return value
    elif isinstance(value, EagerTensor):
        if value.dtype != dtype:
            raise TypeError(f"Cannot feed a tensor of dtype {value.dtype.name} for {tensor.name!r} of {dtype.name}")
        array = value._value
    elif isinstance(value, SymbolicTensor):
        raise TypeError(
            f"The value of a feed cannot be a tf.Tensor object: {value!r} is symbolic. Acceptable feed values include "
            "Python scalars, strings, lists, numpy ndarrays, or TensorHandles."
        )
    else:
        if isinstance(value, int) and not isinstance(value, bool) and dtype.is_integer and \
                not dtype.min <= value <= dtype.max:
            raise TypeError(f"Type of feed value {value} with type {type(value)} is not compatible with Tensor type "
                            f"{dtype.numpy_dtype}. Try explicitly setting the type of the feed tensor to a larger "
                            "type (e.g. int64).")
        try:
            array = _loosely(value, dtype)
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"Cannot feed {value!r} for tensor {tensor.name!r} of dtype {dtype.name}: {error}"
            ) from None
    shape = tensor._shape
    if shape._dims is not None and not _fits(array.shape, shape._dims):
        raise ValueError(f"Cannot feed value of shape {tuple(array.shape)} for Tensor {tensor.name}, which has shape "
                         f"{shape}")
    return array


def _kept(feeds: Sequence[SymbolicTensor], operations: Sequence[Operation]) -> list[int]:
    """Which feeds an operation with effects (an assignment, an enqueueing) receives as they are."""
    running = {id(op) for op in operations}
    result = []
    for index, feed in enumerate(feeds):
        waiting, seen = [feed], {id(feed)}
        while waiting:
            consumers = [op for op in waiting.pop()._consumers if id(op) in running]
            if any(op.card.stateful and not op.card.reads_only for op in consumers):
                result.append(index)
                break
            for tensor in (t for op in consumers if op.type in _PASS_ON for t in op._outputs):
                if id(tensor) not in seen:
                    seen.add(id(tensor))
                    waiting.append(tensor)
    return result


def _own(value: Any) -> Any:
    """A copy of what the user fed: he may write into it while a variable or a queue keeps it."""
    return value.copy() if isinstance(value, np.ndarray) else value


def _loosely(value: Any, dtype: Any) -> np.ndarray:
    """Feeds are converted as NumPy converts: floats may become integers, unlike in constants."""
    if dtype == dtypes.string:
        return np.asarray(to_numpy(value, dtypes.string))
    return np.asarray(value, dtype=dtype.numpy_dtype)


def _fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    if len(shape) != len(wanted):
        return False
    for have, want in zip(shape, wanted):
        if want is not None and have != want:
            return False
    return True


def _public(value: Any) -> Any:
    """A result as `run` returns it: arrays, and NumPy scalars where there are no dimensions."""
    if isinstance(value, np.ndarray):
        # A copy: the array may be a variable's, a constant's, or what was fed.
        return value.copy() if value.ndim else value[()]
    if hasattr(value, "addressable_data"):
        array = np.array(value)
        return array[()] if array.ndim == 0 else array
    return value


def _session_for(element: Any, session: Any, what: str) -> Any:
    if session is None:
        session = get_default_session()
        if session is None:
            raise ValueError(
                f"Cannot {what}: No default session is registered. Use `with sess.as_default()` or pass an explicit "
                "session"
            )
        if session.graph is not element.graph:
            raise ValueError(
                f"Cannot use the default session to {what}: the tensor's graph is different from the session's "
                "graph. Pass an explicit session"
            )
    elif session.graph is not element.graph:
        raise ValueError(f"Cannot use the given session to {what}: the tensor's graph is different from the session's "
                         "graph.")
    return session


def _evaluate(tensor: SymbolicTensor, feed_dict: Any, session: Any) -> Any:
    return _session_for(tensor, session, "evaluate tensor using `eval()`").run(tensor, feed_dict)


def _run_operation(op: Operation, feed_dict: Any, session: Any) -> None:
    _session_for(op, session, "execute operation using `run()`").run(op, feed_dict)


def _expand_sparse_feed(key: SparseTensor, value: Any) -> Sequence[tuple[Any, Any]]:
    parts = value if isinstance(value, (list, tuple)) else parts_of(value)
    if len(parts) != 3:
        raise ValueError(f"A sparse tensor is fed indices, values and dense_shape. Received: {value!r}")
    return tuple(zip(parts_of(key), parts))


register_feed_expansion(SparseTensor, _expand_sparse_feed)
install_evaluator(_evaluate)
install_sparse_evaluator(_evaluate)
install_runner(_run_operation)
