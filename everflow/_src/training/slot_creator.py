"""Slots: variables that belong to a variable, such as the moments that an optimizer keeps of its gradient."""

from __future__ import annotations

from typing import Any

from everflow._src.framework.context import current_graph
from everflow._src.framework.scopes import colocate_with
from everflow._src.framework.tensor_shape import TensorShape
from everflow._src.variables.initializers import Zeros
from everflow._src.variables.scope import get_variable_scope, no_name_scope, variable_scope
from everflow._src.variables.variable import Variable, VariableV1


def is_reference(variable: Any) -> bool:
    """True for reference variables of 1.x."""
    return variable.dtype._is_ref_dtype


def _name(primary: Any) -> str:
    if current_graph() is None:
        return primary._shared_name if isinstance(primary, Variable) else "slot"
    return primary.op.name


def _create(primary: Any, value: Any, name: str, dtype: Any) -> Any:
    """A variable `<primary>/<name>`, of the kind that `primary` is."""
    use_resource = not is_reference(primary) if isinstance(primary, Variable) else None
    if current_graph() is None or not isinstance(primary, Variable):
        with variable_scope(None, f"{_name(primary)}/{name}"):
            return _variable(value, dtype, use_resource)
    with variable_scope(None, f"{_name(primary)}/{name}"), colocate_with(primary.op):
        return _variable(value, dtype, use_resource)


def _variable(value: Any, dtype: Any, use_resource: bool | None) -> Any:
    name = get_variable_scope().name
    with no_name_scope():
        if current_graph() is not None:
            name += "/"  # the scope of that name is open already: this is its own name
        return VariableV1(value, trainable=False, name=name, dtype=dtype, use_resource=use_resource)


def create_slot(primary: Any, val: Any, name: str, colocate_with_primary: bool = True) -> Any:
    """A slot of `primary` with a given initial value.

    Args:
      primary: the variable that the slot belongs to.
      val: the initial value: a tensor, an array or a number.
      name: name of the slot.
      colocate_with_primary: accepted; slots always stand where their variable does.
    """
    return _create(primary, val, name, None)


def create_slot_with_initializer(
    primary: Any, initializer: Any, shape: Any, dtype: Any, name: str, colocate_with_primary: bool = True
) -> Any:
    """A slot of `primary` that an initializer fills.

    Args:
      primary: the variable that the slot belongs to.
      initializer: is called with `shape` and `dtype`.
      shape: shape of the slot.
      dtype: dtype of the slot.
      name: name of the slot.
      colocate_with_primary: accepted; slots always stand where their variable does.
    """
    dims = TensorShape(shape).as_list()
    return _create(primary, lambda: initializer(dims, dtype=dtype), name, dtype)


def create_zeros_slot(primary: Any, name: str, dtype: Any = None, colocate_with_primary: bool = True) -> Any:
    """A slot of zeros with the shape of `primary`."""
    dtype = primary.dtype.base_dtype if dtype is None else dtype
    return create_slot_with_initializer(primary, Zeros(), primary.shape, dtype, name)


