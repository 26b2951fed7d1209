"""What third-party code imports from TensorFlow's internals and what no public name provides.

Small utilities (`deprecation`, `tf_inspect`, `tf_decorator`, ...): decorators that libraries put on
their own functions, and questions about the state of the process.  See `internal_paths.py`.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import importlib
import inspect
import sys
import types
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from everflow._src.framework import context as framework_context
from everflow._src.framework.context import STATE
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.runtime import devices

ArgSpec = collections.namedtuple("ArgSpec", "args varargs keywords defaults")
FullArgSpec = inspect.FullArgSpec


# ---- tensorflow.python.tf2, tensorflow.python.eager.context


def enabled() -> bool:
    """True when the process behaves as TensorFlow 2.x."""
    return STATE.v2_behavior


class _Context:
    """The few questions that are asked of TensorFlow's process-wide context."""

    def executing_eagerly(self) -> bool:
        return framework_context.executing_eagerly()

    def in_eager_mode(self) -> bool:
        return framework_context.executing_eagerly()

    def ensure_initialized(self) -> None:
        """There is nothing to initialize: devices are found when first used."""


_context = _Context()


def context() -> _Context:
    """The process-wide context."""
    return _context


def ensure_initialized() -> None:
    """There is nothing to initialize: devices are found when first used."""


def in_graph_mode() -> bool:
    return not framework_context.executing_eagerly()


# ---- tensorflow.python.client.device_lib


class LocalDevice(NamedTuple):
    """One device, by the fields of TensorFlow's `DeviceAttributes` message."""

    name: str
    device_type: str
    memory_limit: int
    incarnation: int
    physical_device_desc: str = ""


def _short_name(name: str) -> str:
    return "/device:" + name.rpartition("/device:")[2]


def list_local_devices(session_config: Any = None) -> list[LocalDevice]:
    """The CPU and the GPUs of this machine."""
    return [
        LocalDevice(_short_name(d.name), d.device_type, d.memory_limit_bytes, d.incarnation)
        for d in devices.describe_devices()
    ]


# ---- tensorflow.python.ops.control_flow_util: nothing is ever placed in an XLA context of its own


def GraphOrParentsInXlaContext(graph: Any) -> bool:
    return False


def GetContainingXLAContext(ctxt: Any) -> None:
    return None


def get_enclosing_xla_context() -> None:
    return None


def EnableControlFlowV2(graph: Any) -> bool:
    """True when conditionals and loops added to `graph` are functional operations."""
    return STATE.v2_control_flow or bool(getattr(graph, "building_function", False))


# ---- tensorflow.python.layers.utils


def convert_data_format(data_format: str, ndim: int) -> str:
    """The layout string of convolutions for a Keras data format: ("channels_last", 4) is "NHWC".

    Raises:
      ValueError: the format or the number of dimensions is not known.
    """
    spatial = {3: "W", 4: "HW", 5: "DHW"}.get(ndim)
    if spatial is None:
        raise ValueError(f"ndim is 3, 4 or 5, received {ndim}")
    if data_format == "channels_last":
        return f"N{spatial}C"
    if data_format == "channels_first":
        return f"NC{spatial}"
    raise ValueError(f"data_format is 'channels_last' or 'channels_first', received {data_format!r}")


def normalize_tuple(value: Any, n: int, name: str) -> tuple[int, ...]:
    """`value` as a tuple of `n` integers; one integer stands for all of them.

    Raises:
      ValueError: `value` is neither an integer nor `n` of them.
    """
    if isinstance(value, int):
        return (value,) * n
    try:
        values = tuple(int(v) for v in value)
    except (TypeError, ValueError):
        values = ()
    if len(values) != n:
        raise ValueError(f"The argument {name!r} must be an integer or {n} integers, received {value!r}")
    return values


def conv_output_length(
    input_length: int | None, filter_size: int, padding: str, stride: int, dilation: int = 1
) -> int | None:
    """Length of a convolution's output along one dimension; padding is "same", "valid" or "full"."""
    if input_length is None:
        return None
    extent = filter_size + (filter_size - 1) * (dilation - 1)
    length = {
        "same": input_length,
        "valid": input_length - extent + 1,
        "full": input_length + extent - 1,
    }[padding]
    return (length + stride - 1) // stride


# ---- tensorflow.python.util.deprecation: notices of TensorFlow's own history, which nobody can act on here


def _decorator_that_keeps(*args: Any, **kwargs: Any) -> Callable[[Any], Any]:
    return lambda target: target


deprecated = _decorator_that_keeps
deprecated_args = _decorator_that_keeps
deprecated_arg_values = _decorator_that_keeps
deprecated_endpoints = _decorator_that_keeps


def deprecated_alias(deprecated_name: str, name: str, func_or_class: Any, warn_once: bool = True) -> Any:
    return func_or_class


def deprecated_argument_lookup(new_name: str, new_value: Any, old_name: str, old_value: Any) -> Any:
    """Whichever of the two spellings of an argument was given.

    Raises:
      ValueError: both were given.
    """
    if old_value is not None and new_value is not None:
        raise ValueError(f"Cannot specify both {old_name!r} and {new_name!r}")
    return new_value if old_value is None else old_value


def hide_attribute_from_api(target: Any) -> Any:
    return target


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Nothing is printed about deprecations, inside or outside."""
    yield


# ---- tensorflow.python.util.tf_export, dispatch, all_util: registration in TensorFlow's own API tables

tf_export = _decorator_that_keeps
keras_export = _decorator_that_keeps
estimator_export = _decorator_that_keeps
api_export = _decorator_that_keeps
dispatch_for_api = _decorator_that_keeps
dispatch_for_types = _decorator_that_keeps


def add_dispatch_support(target: Any = None, iterable_parameters: Any = None) -> Any:
    return (lambda function: function) if target is None else target


def make_all(module_name: str, doc_string_modules: Iterable[types.ModuleType] | None = None) -> list[str]:
    """The names that `module_name` defines without a leading underscore."""
    module = sys.modules[module_name]
    return sorted(name for name in vars(module) if not name.startswith("_"))


def remove_undocumented(
    module_name: str, allowed_exception_list: Any = None, doc_string_modules: Any = None
) -> None:
    """Leaves the module as it is: what TensorFlow hides this way does no harm when visible."""


# ---- tensorflow.python.util.tf_inspect, tf_decorator, function_utils


def getargspec(target: Callable) -> ArgSpec:
    """Names and defaults of the positional parameters, in the form that Python 2 had."""
    full = inspect.getfullargspec(unwrap(target)[1])
    return ArgSpec(full.args, full.varargs, full.varkw, full.defaults)


def getfullargspec(target: Callable) -> inspect.FullArgSpec:
    return inspect.getfullargspec(unwrap(target)[1])


def make_decorator(
    target: Callable,
    decorator_func: Callable,
    decorator_name: str | None = None,
    decorator_doc: str = "",
    decorator_argspec: Any = None,
) -> Callable:
    """`decorator_func` with the name and documentation of `target`, which `unwrap` finds again."""
    functools.update_wrapper(decorator_func, target)
    return decorator_func


def unwrap(maybe_decorated: Callable) -> tuple[list[Callable], Callable]:
    """(the decorators from the outside in, the function below them)."""
    decorators = []
    while hasattr(maybe_decorated, "__wrapped__"):
        decorators.append(maybe_decorated)
        maybe_decorated = maybe_decorated.__wrapped__
    return decorators, maybe_decorated


def fn_args(function: Callable) -> tuple[str, ...]:
    """Names of the arguments that a caller of `function` gives (`self` of a bound method is not one)."""
    if isinstance(function, functools.partial):
        bound = set(function.keywords)
        return tuple(a for a in fn_args(function.func)[len(function.args) :] if a not in bound)
    target = function if inspect.isroutine(function) else type(function).__call__
    names = inspect.getfullargspec(unwrap(target)[1]).args
    is_bound = inspect.ismethod(function) or target is not function
    return tuple(names[1:] if is_bound else names)


def has_kwargs(function: Callable) -> bool:
    """True when `function` takes `**kwargs`."""
    return inspect.getfullargspec(unwrap(function)[1]).varkw is not None


def get_func_name(function: Callable) -> str:
    return getattr(unwrap(function)[1], "__name__", type(function).__name__)


# ---- tensorflow.python.util.lazy_loader, object_identity, serialization


class LazyLoader(types.ModuleType):
    """A module that is imported when one of its attributes is first used."""

    def __init__(self, local_name: str, parent_module_globals: dict[str, Any], name: str) -> None:
        super().__init__(name)
        self._local_name = local_name
        self._parent_module_globals = parent_module_globals

    def __getattr__(self, item: str) -> Any:
        if item.startswith("__"):
            raise AttributeError(item)
        module = importlib.import_module(self.__name__)
        self._parent_module_globals[self._local_name] = module
        return getattr(module, item)


class ObjectIdentityDictionary(collections.abc.MutableMapping):
    """A dictionary whose keys are compared by identity."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._entries: dict[int, tuple[Any, Any]] = {}
        self.update(*args, **kwargs)

    def __getitem__(self, key: Any) -> Any:
        if id(key) not in self._entries:
            raise KeyError(key)
        return self._entries[id(key)][1]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._entries[id(key)] = (key, value)  # holding the key keeps its id its own

    def __delitem__(self, key: Any) -> None:
        if id(key) not in self._entries:
            raise KeyError(key)
        del self._entries[id(key)]

    def __iter__(self) -> Iterator[Any]:
        return (key for key, _ in list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)


class ObjectIdentitySet(collections.abc.MutableSet):
    """A set whose members are compared by identity."""

    def __init__(self, members: Iterable[Any] = ()) -> None:
        self._members = {id(member): member for member in members}

    def __contains__(self, member: object) -> bool:
        return id(member) in self._members

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._members.values()))

    def __len__(self) -> int:
        return len(self._members)

    def add(self, value: Any) -> None:
        self._members[id(value)] = value

    def discard(self, value: Any) -> None:
        self._members.pop(id(value), None)


class ObjectIdentityWeakSet(collections.abc.MutableSet):
    """A set whose members are compared by identity and not kept alive."""

    def __init__(self, members: Iterable[Any] = ()) -> None:
        self._references: dict[int, weakref.ref] = {}
        for member in members:
            self.add(member)

    def __contains__(self, member: object) -> bool:
        return id(member) in self._references

    def __iter__(self) -> Iterator[Any]:
        members = [reference() for reference in list(self._references.values())]
        return (member for member in members if member is not None)

    def __len__(self) -> int:
        return len(self._references)

    def add(self, value: Any) -> None:
        key = id(value)
        self._references[key] = weakref.ref(value, lambda _: self._references.pop(key, None))

    def discard(self, value: Any) -> None:
        self._references.pop(id(value), None)


def get_json_type(obj: Any) -> Any:
    """What `json.dumps(..., default=get_json_type)` writes for objects of the framework.

    Raises:
      TypeError: there is no JSON form of `obj`.
    """
    if hasattr(obj, "get_config"):
        return {"class_name": type(obj).__name__, "config": obj.get_config()}
    if isinstance(obj, TensorShape):
        return obj.as_list()
    if type(obj).__module__ == "numpy":
        return obj.tolist() if hasattr(obj, "tolist") else str(obj)
    if callable(obj):
        return obj.__name__
    if isinstance(obj, collections.abc.Mapping):
        return dict(obj)
    if hasattr(obj, "as_numpy_dtype"):
        return obj.name
    raise TypeError(f"Object {obj!r} of type {type(obj).__name__} has no JSON form")


# ---- tensorflow.python.framework.test_util


def is_xla_enabled() -> bool:
    return False


def is_mlir_bridge_enabled() -> bool:
    return False


def _each_test_method(decorator: Callable) -> Callable[[type], type]:
    def decorate(cls: type) -> type:
        for name, value in list(vars(cls).items()):
            if name.startswith("test") and name != "test_session" and callable(value):
                setattr(cls, name, decorator(value))
        return cls

    return decorate


def run_deprecated_v1(function: Callable) -> Callable:
    """Runs a test (or each test of a class) inside of a graph."""
    if inspect.isclass(function):
        return _each_test_method(run_deprecated_v1)(function)

    @functools.wraps(function)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        with framework_context.graph_mode(framework_context._make_default_graph()):
            return function(*args, **kwargs)

    return decorated


deprecated_graph_mode_only = run_deprecated_v1


def run_v1_only(reason: str, func: Callable | None = None) -> Callable:
    """Skips a test (or each test of a class) unless the process behaves as TensorFlow 1.x."""

    def decorate(function: Callable) -> Callable:
        if inspect.isclass(function):
            return _each_test_method(decorate)(function)

        @functools.wraps(function)
        def decorated(self: Any, *args: Any, **kwargs: Any) -> Any:
            if STATE.v2_behavior:
                self.skipTest(reason)
            return function(self, *args, **kwargs)

        return decorated

    return decorate if func is None else decorate(func)


def run_in_graph_and_eager_modes(
    func: Callable | None = None,
    config: Any = None,
    use_gpu: bool = True,
    assert_no_eager_garbage: bool = False,
) -> Callable:
    """Runs a test twice: in a graph with a session as `self.evaluate` makes it, and eagerly."""

    def decorate(function: Callable) -> Callable:
        if inspect.isclass(function):
            raise ValueError("run_in_graph_and_eager_modes is for methods: run_all_in_graph_and_eager_modes")

        @functools.wraps(function)
        def decorated(self: Any, *args: Any, **kwargs: Any) -> None:
            with framework_context.graph_mode(framework_context._make_default_graph()):
                function(self, *args, **kwargs)
            self.tearDown()
            with framework_context.eager_mode():
                self.setUp()
                function(self, *args, **kwargs)

        return decorated

    return decorate if func is None else decorate(func)


def run_all_in_graph_and_eager_modes(cls: type) -> type:
    """Applies `run_in_graph_and_eager_modes` to every test method of a class."""
    return _each_test_method(run_in_graph_and_eager_modes)(cls)
