"""`tf.Variable`: what all kinds of variables share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from everflow._src.framework.context import STATE, current_graph, executing_eagerly_outside_functions
from everflow._src.framework.conversion import convert, register_tensor_conversion_function
from everflow._src.framework.dtypes import DType, as_dtype
from everflow._src.framework.export import export
from everflow._src.framework.tensor import Reference, Tensor
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.runtime.session import get_default_session
from everflow._src.variables.creation import VariableAggregation, VariableSynchronization, create

_AUTO, _NONE = VariableSynchronization.AUTO, VariableAggregation.NONE


class VariableMeta(type):
    """Calling `tf.Variable` makes a variable of the kind that fits where it is called."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is Variable:
            return create(**_arguments_v2(*args, **kwargs))
        if cls is VariableV1:
            return create(**_arguments_v1(*args, **kwargs))
        return super().__call__(*args, **kwargs)

    def __instancecheck__(cls, instance: Any) -> bool:
        # In TensorFlow 2.15 both generations name one class.
        if cls is VariableV1:
            return isinstance(instance, Variable)
        return super().__instancecheck__(instance)


def _arguments_v2(
    initial_value: Any = None, trainable: bool | None = None, validate_shape: bool = True, caching_device: Any = None,
    name: str | None = None, variable_def: Any = None, dtype: Any = None, import_scope: str | None = None,
    constraint: Any = None, synchronization: Any = _AUTO, aggregation: Any = _NONE, shape: Any = None,
    experimental_enable_variable_lifting: bool = True,
) -> dict[str, Any]:
    if variable_def is not None:
        raise NotImplementedError("tf.Variable(variable_def=...) is not in everflow yet")
    if initial_value is None:
        raise ValueError("The `initial_value` arg to `tf.Variable` must be specified except when you are not "
                         "providing a `variable_def`. You provided neither.")
    return {
        "initial_value": initial_value, "trainable": trainable, "validate_shape": validate_shape,
        "caching_device": caching_device, "name": name, "dtype": dtype, "constraint": constraint,
        "synchronization": synchronization, "aggregation": aggregation, "shape": shape,
    }


def _arguments_v1(
    initial_value: Any = None, trainable: bool | None = None, collections: Any = None, validate_shape: bool = True,
    caching_device: Any = None, name: str | None = None, variable_def: Any = None, dtype: Any = None,
    expected_shape: Any = None, import_scope: str | None = None, constraint: Any = None,
    use_resource: bool | None = None, synchronization: Any = _AUTO, aggregation: Any = _NONE, shape: Any = None,
) -> dict[str, Any]:
    arguments = _arguments_v2(initial_value, trainable, validate_shape, caching_device, name, variable_def, dtype,
                              import_scope, constraint, synchronization, aggregation, shape)
    return {**arguments, "collections": collections, "use_resource": use_resource}


@export("Variable", v1=[])
class Variable(metaclass=VariableMeta):
    """State that operations read and assign.

    Args:
      initial_value: anything convertible to a tensor, or a function of no arguments that returns it.
      trainable: True (the default) lets optimizers and tapes find it.
      validate_shape: False allows values of any shape.
      name: a name; made unique in graphs.
      dtype: the dtype; that of the initial value when None.
      constraint: a function applied to the value after each update by an optimizer.
      shape: the static shape, when it is less specific than that of the initial value.

    Raises:
      ValueError: there is no initial value, or it does not fit `shape`.

    >>> import everflow as tf
    >>> v = tf.Variable([1., 2.])
    >>> v.assign_add([10., 10.]).numpy()
    array([11., 12.], dtype=float32)
    >>> (v * 2.).numpy()
    array([22., 24.], dtype=float32)
    """

    __array_priority__ = 100

    _dtype: DType
    _shape: TensorShape
    _trainable: bool = True
    _name: str = "Variable"
    _constraint: Any = None
    _synchronization: Any = _AUTO
    _aggregation: Any = _NONE
    _save_slice_info: Any = None

    # ---- what it is

    @property
    def name(self) -> str:
        """The name, with `:0` as tensors have it."""
        return f"{self._name}:0"

    @property
    def _shared_name(self) -> str:
        return self._name

    @property
    def dtype(self) -> DType:
        """The dtype of the values."""
        return self._dtype

    @property
    def shape(self) -> TensorShape:
        """The static shape of the values."""
        return self._shape

    def get_shape(self) -> TensorShape:
        """The same as `.shape`."""
        return self._shape

    def set_shape(self, shape: Any) -> None:
        """Merges what is known of the shape with `shape`."""
        self._shape = self._shape.merge_with(TensorShape(shape))

    def _shape_as_list(self) -> list[int | None]:
        return self._shape.as_list()

    @property
    def trainable(self) -> bool:
        """Whether optimizers and tapes take notice of it."""
        return self._trainable

    @property
    def constraint(self) -> Any:
        """The function applied after an optimizer's update, or None."""
        return self._constraint

    @property
    def synchronization(self) -> Any:
        return self._synchronization

    @property
    def aggregation(self) -> Any:
        return self._aggregation

    def ref(self) -> Reference:
        """A hashable reference, for dictionaries and sets."""
        return Reference(self)

    experimental_ref = ref

    def __hash__(self) -> int:
        if STATE.equality and executing_eagerly_outside_functions():
            raise TypeError("Variable is unhashable: it compares by value. Use variable.ref() as the key instead")
        return id(self)

    # ---- its value

    def value(self) -> Any:
        """A tensor of the value."""
        raise NotImplementedError

    def read_value(self) -> Any:
        """A tensor of the value, read here and now (in a graph: at this place of the program)."""
        raise NotImplementedError

    def _dense_var_to_tensor(self, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Any:
        if dtype is not None and not as_dtype(dtype).is_compatible_with(self.dtype.base_dtype):
            raise ValueError(
                f"Incompatible type conversion requested to type {as_dtype(dtype).name!r} for `tf.Variable of type "
                f"{self.dtype.name!r}'. (Variable: {self})"
            )
        return self.value()

    def initialized_value(self) -> Any:
        """In a graph, the initial value while the variable has none yet, and its value after."""
        raise NotImplementedError

    def eval(self, session: Any = None) -> Any:
        """In a graph, the value that a session holds.

        Raises:
          NotImplementedError: the variable is eager, and `numpy()` gives its value.
        """
        if current_graph() is None:
            raise NotImplementedError("eval() needs a graph and a session; numpy() gives an eager variable's value")
        return self._as_graph_element().eval(session=session)

    def _as_graph_element(self) -> Any:
        raise NotImplementedError

    # ---- changing it: subclasses define assign, assign_add, assign_sub and the scatter updates

    def assign(self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True) -> Any:
        """Replaces the value.

        Args:
          value: the new value.
          use_locking: accepted; updates are atomic.
          name: name of the operation in a graph.
          read_value: False returns the operation (None in eager mode) in place of the variable.

        Raises:
          ValueError: the shape does not fit.
        """
        raise NotImplementedError

    def assign_add(self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
                   ) -> Any:
        """Adds `delta` to the value; see `assign`."""
        raise NotImplementedError

    def assign_sub(self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
                   ) -> Any:
        """Subtracts `delta` from the value; see `assign`."""
        raise NotImplementedError

    def load(self, value: Any, session: Any = None) -> None:
        """In a graph, gives the variable of a session a value.

        Raises:
          ValueError: there is no session.
        """
        session = session or get_default_session()
        if session is None:
            raise ValueError("Either session argument should be provided or default session should be established")
        session.run(self.initializer, {self.initializer.inputs[1]: value})

    initializer: Any

    # ---- as Python sees it

    def numpy(self) -> Any:
        """The value as a NumPy array, in eager mode."""
        raise NotImplementedError("numpy() is only available when eager execution is enabled.")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.value().__array__(dtype, copy)

    def __int__(self) -> int:
        return int(self.value())

    def __float__(self) -> float:
        return float(self.value())

    def __complex__(self) -> complex:
        return complex(self.value())

    def __bool__(self) -> bool:
        return bool(self.value())

    __nonzero__ = __bool__

    def __index__(self) -> int:
        return self.value().__index__()

    def __iter__(self) -> Any:
        if current_graph() is not None:
            raise TypeError("'Variable' object is not iterable.")
        return iter(self.value())

    def __getitem__(self, index: Any) -> Any:
        return _slice(self, index)

    def __eq__(self, other: Any) -> Any:
        if STATE.equality and executing_eagerly_outside_functions():
            return self.value() == other if other is not None else False
        return self is other

    def __ne__(self, other: Any) -> Any:
        if STATE.equality and executing_eagerly_outside_functions():
            return self.value() != other if other is not None else True
        return self is not other

    def __str__(self) -> str:
        return self.__repr__()

    @classmethod
    def _OverloadAllOperators(cls) -> None:
        """Operators are inherited."""

    class SaveSliceInfo:
        """Where a variable stands in a larger one that was partitioned."""

        def __init__(self, full_name: str | None = None, full_shape: Sequence[int] | None = None,
                     var_offset: Sequence[int] | None = None, var_shape: Sequence[int] | None = None,
                     save_slice_info_def: Any = None, import_scope: str | None = None) -> None:
            self.full_name = full_name
            self.full_shape = full_shape
            self.var_offset = var_offset
            self.var_shape = var_shape

        @property
        def spec(self) -> str:
            """The slice as checkpoints write it."""
            full = " ".join(str(d) for d in self.full_shape or ()) + " "
            return full + ":".join(f"{o},{s}" for o, s in zip(self.var_offset or (), self.var_shape or ()))

    def _set_save_slice_info(self, save_slice_info: Any) -> None:
        self._save_slice_info = save_slice_info

    def _get_save_slice_info(self) -> Any:
        return self._save_slice_info

    # ---- rows; how they are scattered is each kind's own

    def _scatter(self, kind: str, sparse_delta: Any, name: str | None) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no rows to scatter")

    def scatter_add(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Adds `tf.IndexedSlices` to rows of the value."""
        return self._scatter("add", sparse_delta, name)

    def scatter_sub(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Subtracts `tf.IndexedSlices` from rows of the value."""
        return self._scatter("sub", sparse_delta, name)

    def scatter_mul(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Multiplies rows of the value by `tf.IndexedSlices`."""
        return self._scatter("mul", sparse_delta, name)

    def scatter_div(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Divides rows of the value by `tf.IndexedSlices`."""
        return self._scatter("div", sparse_delta, name)

    def scatter_max(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Rows become the larger of the value and `tf.IndexedSlices`."""
        return self._scatter("max", sparse_delta, name)

    def scatter_min(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Rows become the smaller of the value and `tf.IndexedSlices`."""
        return self._scatter("min", sparse_delta, name)

    def scatter_update(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Replaces rows of the value by `tf.IndexedSlices`."""
        return self._scatter("update", sparse_delta, name)


@export(v1=["Variable"])
class VariableV1(Variable):
    """State that operations read and assign; the 1.x constructor, with `collections` and `use_resource`."""


def _slice(variable: Variable, index: Any) -> Any:
    result = variable.value()[index]
    if isinstance(result, Tensor):
        # `v[1:].assign(...)` assigns to the slice of the variable.
        result.assign = SliceAssigner(variable, index)  # type: ignore[attr-defined]
    return result


class SliceAssigner:
    """The `assign` of a slice of a variable."""

    __slots__ = ("variable", "index")

    def __init__(self, variable: Variable, index: Any) -> None:
        self.variable = variable
        self.index = index

    def __call__(self, value: Any, name: str | None = None) -> Any:
        """Assigns `value` to the slice and returns the variable."""
        return self.variable._slice_assign(self.index, value, name)  # type: ignore[attr-defined]


def _operator(name: str) -> Any:
    def apply(self: Variable, *args: Any) -> Any:
        return getattr(self.value(), name)(*args)

    apply.__name__ = name
    return apply


# Operators act on the value: written once, on tensors.
for _name in Tensor.OVERLOADABLE_OPERATORS - {"__eq__", "__ne__", "__getitem__", "__div__", "__rdiv__"}:
    setattr(Variable, _name, _operator(_name))


def _convert_variable(variable: Variable, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Any:
    return variable._dense_var_to_tensor(dtype, name, as_ref)


register_tensor_conversion_function(Variable, _convert_variable)


def initial_dtype(dtype: Any) -> DType | None:
    """The dtype argument of a variable as a DType."""
    return as_dtype(dtype).base_dtype if dtype is not None else None


def make_initial_value(initial_value: Any, dtype: DType | None, name: str = "initial_value") -> Any:
    """The initial value as a tensor, from a value or from a function."""
    if callable(initial_value) and not isinstance(initial_value, (Tensor, Variable)):
        initial_value = initial_value()
    if isinstance(initial_value, Tensor) and dtype is not None and initial_value.dtype.base_dtype != dtype:
        raise ValueError(f"Tensor conversion requested dtype {dtype.name} for Tensor with dtype "
                         f"{initial_value.dtype.name}: {initial_value!r}")
    if hasattr(initial_value, "__array__") and not hasattr(initial_value, "dtype"):
        initial_value = initial_value.__array__()
    return convert(initial_value, dtype, name)
