"""Tells the specs of tensors, slices and variables which classes their values have."""

from __future__ import annotations

from everflow._src.framework import type_spec
from everflow._src.framework.conversion import convert
from everflow._src.framework.indexed_slices import IndexedSlices
from everflow._src.framework.tensor import Tensor
from everflow._src.framework.tensor_spec import IndexedSlicesSpec, TensorSpec, VariableSpec, install_value_class
from everflow._src.variables.variable import Variable

install_value_class(TensorSpec, Tensor)
install_value_class(IndexedSlicesSpec, IndexedSlices)
install_value_class(VariableSpec, Variable)
type_spec.install_tensor_converter(convert)
type_spec.register_type_spec_from_value_converter(Variable, VariableSpec.from_value, allow_subclass=True)
