"""Where the calling thread stands: building a graph or computing eagerly, and who is recording.

The eager fast path asks one question, `STATE.busy`: a count of everything in the process that makes
an operation more than a computation (a graph being built, a tape, a device scope, graph mode itself).
While it is zero no thread-local look-up is needed.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from everflow._src.framework.export import export


class State:
    """Process-wide switches."""

    __slots__ = ("busy", "eager_by_default", "equality", "resource_variables", "v2_behavior",
                 "eager_was_chosen", "v2_control_flow")

    def __init__(self) -> None:
        self.busy = 0
        self.eager_by_default = True
        self.eager_was_chosen = False
        self.equality = True
        self.resource_variables = True
        self.v2_behavior = True
        self.v2_control_flow = True


STATE = State()
_LOCK = threading.Lock()


class Local(threading.local):
    """What is set in this thread alone."""

    graph: Any = None  # the graph being built, entered explicitly
    forced_eager: bool = False  # inside init_scope or eager_mode
    recorders: tuple[Any, ...] = ()  # active tapes and accumulators
    device: Any = None  # device scope in eager mode
    eager_scope: str = ""  # name scope in eager mode
    session_stack: tuple[Any, ...] = ()
    default_graph: Any = None
    needed: Any = None  # while a gradient rule runs: which inputs' gradients somebody asked for; None for all


LOCAL = Local()


def is_needed(position: int) -> bool:
    """Whether the gradient rule that runs in this thread is asked for the gradient of an input.

    Rules whose parts are costly and independent (products, convolutions, loops) ask, and return None for the
    others.
    """
    needed = LOCAL.needed
    return needed is None or position >= len(needed) or needed[position]


def enter_busy() -> None:
    with _LOCK:
        STATE.busy += 1


def leave_busy() -> None:
    with _LOCK:
        STATE.busy -= 1


_make_default_graph: Any = None  # installed by framework/graph: a graph needs this module
_global_default_graph: Any = None


def install_graph_factory(factory: Any) -> None:
    global _make_default_graph
    _make_default_graph = factory


def current_graph() -> Any:
    """The graph that operations of this thread go into, or None when they compute at once."""
    graph = LOCAL.graph
    if graph is not None:
        return graph
    if STATE.eager_by_default or LOCAL.forced_eager:
        return None
    return default_graph()


def default_graph() -> Any:
    """The innermost graph that was entered, else the process's default graph."""
    global _global_default_graph
    if LOCAL.graph is not None:
        return LOCAL.graph
    if _global_default_graph is None:
        _global_default_graph = _make_default_graph()
    return _global_default_graph


def reset_global_default_graph() -> None:
    global _global_default_graph
    _global_default_graph = _make_default_graph()


@export("executing_eagerly", v1=["executing_eagerly"])
def executing_eagerly() -> bool:
    """True when operations of this thread compute at once instead of going into a graph.

    >>> import everflow as tf
    >>> tf.executing_eagerly()
    True
    """
    # Asked of a fresh 1.x program, this must not make its default graph.
    return STATE.busy == 0 or (LOCAL.graph is None and (STATE.eager_by_default or LOCAL.forced_eager))


@contextlib.contextmanager
def graph_mode(graph: Any) -> Iterator[Any]:
    """Operations of this thread go into `graph`."""
    previous, forced = LOCAL.graph, LOCAL.forced_eager
    LOCAL.graph, LOCAL.forced_eager = graph, False
    enter_busy()
    try:
        yield graph
    finally:
        leave_busy()
        LOCAL.graph, LOCAL.forced_eager = previous, forced


@contextlib.contextmanager
def eager_mode() -> Iterator[None]:
    """Operations of this thread compute at once, whatever surrounds them."""
    previous, forced = LOCAL.graph, LOCAL.forced_eager
    LOCAL.graph, LOCAL.forced_eager = None, True
    try:
        yield
    finally:
        LOCAL.graph, LOCAL.forced_eager = previous, forced


@contextlib.contextmanager
def recorders(active: tuple[Any, ...]) -> Iterator[None]:
    """Replaces the active recorders of this thread, for example by none."""
    previous = LOCAL.recorders
    LOCAL.recorders = active
    try:
        yield
    finally:
        LOCAL.recorders = previous


def push_recorder(recorder: Any) -> None:
    LOCAL.recorders = (*LOCAL.recorders, recorder)
    enter_busy()


def pop_recorder(recorder: Any) -> None:
    LOCAL.recorders = tuple(r for r in LOCAL.recorders if r is not recorder)
    leave_busy()


@contextlib.contextmanager
def init_scope() -> Iterator[None]:
    """Lifts operations out of the functions being traced: into the outermost plain graph, or eager mode.

    Tapes do not see what happens inside, and control dependencies of the surrounding scopes do not apply.
    """
    graph = current_graph()
    scope = graph.current_name_scope() if graph is not None else LOCAL.eager_scope
    while graph is not None and graph.building_function:
        graph = graph.outer_graph
    with recorders(()):
        if graph is None:
            with eager_mode():
                previous, LOCAL.eager_scope = LOCAL.eager_scope, scope
                try:
                    yield
                finally:
                    LOCAL.eager_scope = previous
        else:
            with graph_mode(graph), graph.control_dependencies(None), \
                    graph.name_scope(scope + "/" if scope and not scope.endswith("/") else scope or None):
                yield


export("init_scope", v1=["init_scope"])(init_scope)


@export(v1=["executing_eagerly_outside_functions"])
def executing_eagerly_outside_functions() -> bool:
    """True when operations compute at once once every function being traced is left."""
    graph = LOCAL.graph
    if graph is None:
        return STATE.eager_by_default or LOCAL.forced_eager
    while graph is not None and graph.building_function:
        graph = graph.outer_graph
    return graph is None


@export("inside_function", v1=[])
def inside_function() -> bool:
    """True while a function is traced."""
    return LOCAL.graph is not None and LOCAL.graph.building_function


@export(v1=["disable_eager_execution"])
def disable_eager_execution() -> None:
    """Makes graph construction the default of this process, as TensorFlow 1.x has it."""
    if STATE.eager_by_default:
        STATE.eager_by_default = False
        enter_busy()


@export(v1=["enable_eager_execution"])
def enable_eager_execution(config: Any = None, device_policy: Any = None, execution_mode: Any = None) -> None:
    """Makes eager execution the default of this process, as TensorFlow 2.x has it.

    Args:
      config: a ConfigProto; accepted, since devices are chosen by the operations' device scopes.
      device_policy: accepted; tensors move between devices silently.
      execution_mode: accepted; execution is synchronous on a CPU.

    Raises:
      ValueError: a graph has already been built in this process's default graph.
    """
    if not STATE.eager_by_default:
        if _global_default_graph is not None and _global_default_graph.num_operations:
            raise ValueError(
                "tf.enable_eager_execution must be called at program startup: the default graph already "
                f"holds {_global_default_graph.num_operations} operations"
            )
        STATE.eager_by_default = True
        leave_busy()
