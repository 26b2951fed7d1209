"""Resources: what a program's state is made of, and the stores that own it.

A store belongs to a session or, in eager mode, to the process; an eager variable's resource dies with its
Python object.  A resource travels through programs as the value of a tensor of dtype resource.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from everflow._src.framework import dtypes
from everflow._src.framework.dtypes import DType
from everflow._src.framework.errors import FailedPreconditionError
from everflow._src.framework.tensor_shape import TensorShape

# Held while a compiled step takes variables' memory and puts the new values in place, and while a reader takes
# a value that such a step might overwrite.
STATE_LOCK = threading.RLock()


class _HandleType:
    """Stands where a NumPy array has its dtype, so that `tensor.dtype` needs no case of its own."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


RESOURCE_TYPE = _HandleType("resource")
VARIANT_TYPE = _HandleType("variant")
dtypes.BY_NUMPY[RESOURCE_TYPE] = dtypes.resource  # type: ignore[index]
dtypes.BY_NUMPY[VARIANT_TYPE] = dtypes.variant  # type: ignore[index]


class Resource:
    """Something with an identity that operations act on.  Subclasses hold the state."""

    dtype = RESOURCE_TYPE
    shape = ()
    size = 1
    ndim = 0

    def __init__(self, name: str = "", container: str = "") -> None:
        self.name = name
        self.container = container

    def cancel(self) -> None:
        """Ends all waiting: the session that owns the resource is closed."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


class Variant:
    """A value of dtype variant: a list of tensors, an optional, a dataset.  Subclasses hold it."""

    dtype = VARIANT_TYPE
    shape = ()
    size = 1
    ndim = 0


class VariableResource(Resource):
    """The storage of a variable.

    `value` is a NumPy or jax array, or None before initialization.  `shared` says that somebody besides
    this storage holds the array, so that a compiled step must not overwrite its memory.
    """

    def __init__(
        self,
        value: Any = None,
        value_dtype: DType | None = None,
        value_shape: TensorShape | None = None,
        name: str = "",
        container: str = "",
    ) -> None:
        self.name = name
        self.container = container
        self.value = value
        self.value_dtype = value_dtype
        self.value_shape = value_shape
        self.shared = True

    def read(self) -> Any:
        """The value, which the caller may keep.

        Raises:
          FailedPreconditionError: the variable has no value yet.
        """
        value = self.value
        if isinstance(value, (np.ndarray, np.generic)):
            self.shared = True
            return value
        if value is None:
            raise uninitialized(self)
        with STATE_LOCK:
            self.shared = True
            return self.value

    def peek(self) -> Any:
        """The value as a NumPy array for a look that keeps nothing."""
        if self.value is None:
            raise uninitialized(self)
        return np.asarray(self.value)

    def assign(self, value: Any) -> None:
        self.value = value
        self.shared = True

    @property
    def is_initialized(self) -> bool:
        return self.value is not None


def uninitialized(resource: VariableResource) -> FailedPreconditionError:
    return FailedPreconditionError(
        None, None,
        f"Attempting to use uninitialized value {resource.name}. Could not find variable {resource.name}: run "
        "its initializer first (tf.compat.v1.global_variables_initializer() in a Session). This could also mean "
        "that the variable has been deleted",
    )


class Store:
    """The resources of one session, or of eager mode, by container and name."""

    def __init__(self) -> None:
        self._resources: dict[tuple[str, str, str], Resource] = {}
        self._lock = threading.RLock()
        self.closed = False

    def get(self, kind: str, container: str, name: str, make: Callable[[], Any]) -> Any:
        """The resource of that kind and name, made by `make` when it is asked for the first time."""
        key = (kind, container, name)
        found = self._resources.get(key)
        if found is None:
            with self._lock:
                found = self._resources.get(key)
                if found is None:
                    found = self._resources[key] = make()
        return found

    def find(self, kind: str, container: str, name: str) -> Any:
        """The resource, or None."""
        return self._resources.get((kind, container, name))

    def remove(self, kind: str, container: str, name: str) -> None:
        """Forgets a resource; those who hold it keep it."""
        self._resources.pop((kind, container, name), None)

    def clear(self, container: str | None = None) -> None:
        """Forgets all resources, or those of one container."""
        with self._lock:
            for key in [k for k in self._resources if container is None or k[1] == container]:
                self._resources.pop(key).cancel()


EAGER_STORE = Store()
