"""Variables that control flow passes around: undefined ones, and what of a value is tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from everflow._src.framework import dtypes, nest
from everflow._src.framework.context import recorders
from everflow._src.framework.conversion import convert
from everflow._src.framework.func_graph import FuncGraph
from everflow._src.framework.tensor import SymbolicTensor, Tensor
from everflow._src.framework.tensor_shape import TensorShape


class Undefined:
    """The value of a variable that has none yet.  Using it is the NameError that Python would raise."""

    __slots__ = ("symbol",)

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol

    def _fail(self, *args: Any, **kwargs: Any) -> Any:
        raise UnboundLocalError(f"local variable '{self.symbol}' referenced before assignment")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__") or name.startswith("_tf") or name == "_type_spec":
            raise AttributeError(name)
        self._fail()

    __call__ = __getitem__ = __setitem__ = __bool__ = __len__ = __iter__ = __int__ = __float__ = __index__ = _fail
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _fail
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __matmul__ = __rmatmul__ = _fail
    __lt__ = __le__ = __gt__ = __ge__ = __neg__ = __abs__ = __invert__ = __and__ = __or__ = __xor__ = _fail

    def __repr__(self) -> str:
        return f"<undefined variable {self.symbol!r}>"


class UndefinedReturnValue(Undefined):
    """The value of a function that has not returned yet.

    Of a function that certainly returns, it is `promised`: any value may stand for it until then.
    """

    __slots__ = ("promised",)

    def __init__(self, promised: bool = False) -> None:
        super().__init__("return value")
        self.promised = promised


def is_defined(value: Any) -> bool:
    """False for `Undefined` values."""
    return not isinstance(value, Undefined)


def ldu(load: Callable[[], Any], name: str) -> Any:
    """The value of a variable or place, or `Undefined` where it has none."""
    try:
        return load()
    except (UnboundLocalError, NameError, AttributeError, KeyError, IndexError):
        return Undefined(name)


def ld(value: Any) -> Any:
    """The value of a variable.

    Raises:
      UnboundLocalError: it has none.
    """
    if isinstance(value, Undefined):
        value._fail()
    return value


def returned(value: Any) -> Any:
    """What a function returns whose returns became assignments."""
    return None if isinstance(value, UndefinedReturnValue) else value


def is_symbolic(value: Any) -> bool:
    """True for a tensor whose value is not known: Python cannot decide on it."""
    return isinstance(value, SymbolicTensor)


def can_be_tensor(value: Any) -> bool:
    """True for values that enter control flow as tensors: tensors, variables, numbers, arrays."""
    return isinstance(value, (Tensor, bool, int, float, complex, np.ndarray, np.generic))


def flatten(value: Any) -> list[Any]:
    """The leaves of a structure."""
    return nest.flatten(value, expand_composites=True)


def pack(structure: Any, leaves: Sequence[Any]) -> Any:
    """The structure with other leaves."""
    return nest.pack_sequence_as(structure, list(leaves), expand_composites=True)


def same_structure(first: Any, second: Any) -> bool:
    """True when two values are nested alike."""
    try:
        nest.assert_same_structure(first, second, expand_composites=True)
    except (ValueError, TypeError):
        return False
    return True


def as_tensor(value: Any) -> Any:
    return convert(value)


def covers(general: TensorShape, specific: TensorShape) -> bool:
    """True when every shape that fits `specific` fits `general`."""
    if general.rank is None:
        return True
    if specific.rank != general.rank:
        return False
    return all(g is None or g == s for g, s in zip(general.as_list(), specific.as_list()))


def copied(state: Sequence[Any]) -> tuple:
    """The state with lists of its own: what one branch appends is not seen by the other."""
    return tuple(list(v) if type(v) is list else v for v in state)


def tensorlike(value: Any) -> bool:
    return can_be_tensor(value) or hasattr(value, "_dense_var_to_tensor") or isinstance(value, (str, bytes))


def dtype_of(value: Any) -> Any:
    if isinstance(value, Tensor) or hasattr(value, "_dense_var_to_tensor"):
        return value.dtype.base_dtype
    with recorders(()):
        scratch = FuncGraph("dtype")
        with scratch.as_default():
            return convert(value).dtype


def zeros_like(symbol: str, value: Any) -> tuple[Any, list[tuple[Any, TensorShape]]]:
    """Zeros in the place of `value`, and the shapes of those of which only these are known."""
    partly: list[tuple[Any, TensorShape]] = []

    def zeros(leaf: Any) -> Any:
        if not tensorlike(leaf):
            raise ValueError(f"'{symbol}' must be defined before the loop: it becomes {leaf!r} there, no tensor")
        dtype = dtype_of(leaf)
        shape = leaf.shape if isinstance(leaf, Tensor) else TensorShape(np.shape(leaf))
        dims = [d or 0 for d in shape.as_list()] if shape.rank is not None else []
        if dtype == dtypes.string:
            result = convert(np.full(dims, b"", object), dtype)
        elif dtype == dtypes.variant:
            raise ValueError(f"'{symbol}' must be defined before the loop")
        else:
            result = convert(np.zeros(dims, dtype.numpy_dtype), dtype)
        if not shape.is_fully_defined():
            partly.append((result, shape))
        return result

    return pack(value, [zeros(v) for v in flatten(value)]), partly
