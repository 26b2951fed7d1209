"""Initializers by name and as plain values: `get`, `serialize` and `deserialize` of `tf.initializers`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from everflow._src.framework.export import export
from everflow._src.variables import initializers_stateless
from everflow._src.variables.initializers_stateless import Initializer

_MODULE = "keras.initializers"
_CLASSES = (
    "Zeros", "Ones", "Constant", "RandomUniform", "RandomNormal", "TruncatedNormal", "VarianceScaling",
    "GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform", "LecunNormal", "Orthogonal", "Identity",
)


def _snake(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


def _named_classes() -> dict[str, type[Initializer]]:
    named = {}
    for name in _CLASSES:
        # Files of older versions say GlorotUniformV2 and the like.
        for known in (name, name + "V2", _snake(name)):
            named[known] = getattr(initializers_stateless, name)
    for short, name in (("zero", "zeros"), ("one", "ones"), ("normal", "random_normal"), ("uniform", "random_uniform")):
        named[short] = named[name]
    return named


INITIALIZERS = _named_classes()


def _plain(value: Any) -> Any:
    """A value of a configuration in such types as JSON has."""
    if isinstance(value, np.ndarray):
        return {"class_name": "__numpy__", "config": {"value": value.tolist(), "dtype": value.dtype.name}}
    return value.item() if isinstance(value, np.generic) else value


def _restored(value: Any) -> Any:
    if isinstance(value, dict) and value.get("class_name") == "__numpy__":
        return np.array(value["config"]["value"], value["config"]["dtype"])
    return value


@export("initializers.serialize", v1=[])
def serialize(initializer: Any, use_legacy_format: bool = False) -> Any:
    """An initializer as a dictionary that `deserialize` takes.

    Args:
      initializer: an object with `get_config`, or None.
      use_legacy_format: True for the shorter dictionary of older versions.

    Raises:
      ValueError: it has no `get_config`.

    >>> import everflow as tf
    >>> tf.initializers.serialize(tf.initializers.Constant(2), use_legacy_format=True)
    {'class_name': 'Constant', 'config': {'value': 2}}
    """
    if initializer is None:
        return None
    if isinstance(initializer, type) or not hasattr(initializer, "get_config"):
        raise ValueError(
            f"tf.initializers.serialize expects an object with get_config(). Received: {initializer!r}"
        )
    kind = type(initializer)
    if use_legacy_format:
        return {"class_name": kind.__name__, "config": initializer.get_config()}
    known = INITIALIZERS.get(kind.__name__) is kind
    # A class of the main program is found by its name alone.
    module = None if kind.__module__ == "__main__" else kind.__module__
    return {
        "module": _MODULE if known else module,
        "class_name": kind.__name__,
        "config": {key: _plain(value) for key, value in initializer.get_config().items()},
        "registered_name": None if known else kind.__name__,
    }


def _find(name: str, custom_objects: dict[str, Any] | None) -> Callable[..., Any]:
    found = (custom_objects or {}).get(name) or INITIALIZERS.get(name)
    if found is None:
        raise ValueError(
            f"Unknown initializer: {name!r}. Expected one of {sorted(INITIALIZERS)}, or a name in `custom_objects`."
        )
    return found


@export("initializers.deserialize", v1=[])
def deserialize(config: Any, custom_objects: dict[str, Any] | None = None, use_legacy_format: bool = False) -> Any:
    """The initializer that a dictionary of `serialize` describes, or that a name stands for.

    Args:
      config: the dictionary, in the format of today or of older versions, or a name such as "glorot_uniform".
        None and initializers come back as they are.
      custom_objects: more classes, or functions that serve as initializers, by name.
      use_legacy_format: accepted; both formats are recognized.

    Raises:
      ValueError: no initializer has that name, or the dictionary lacks "class_name" or "config".

    >>> import everflow as tf
    >>> tf.initializers.deserialize({"class_name": "Constant", "config": {"value": 2}}).value
    2
    """
    if config is None or isinstance(config, Initializer):
        return config
    if isinstance(config, str):
        config = {"class_name": config, "config": {}}
    if not isinstance(config, dict) or "class_name" not in config or "config" not in config:
        raise ValueError(
            "An initializer is described by a name or by a dictionary with `class_name` and `config`. "
            f"Received: {config!r}"
        )
    found = _find(config["class_name"], custom_objects)
    arguments = {key: _restored(value) for key, value in config["config"].items()}
    if isinstance(found, type) and hasattr(found, "from_config"):
        return found.from_config(arguments)  # type: ignore[attr-defined]
    return found(**arguments) if isinstance(found, type) else found


@export("initializers.get", v1=[])
def get(identifier: Any) -> Any:
    """An initializer, found by what stands for it.

    Args:
      identifier: a name such as "HeNormal" or "he_normal", a dictionary of `serialize`, a class (an object of
        it is made, without arguments), a callable (returned as it is) or None.

    Returns:
      The initializer; None for None.

    Raises:
      ValueError: the identifier is none of these, or no initializer has that name.

    >>> import everflow as tf
    >>> type(tf.initializers.get("he_normal")).__name__
    'HeNormal'
    """
    if identifier is None:
        return None
    if isinstance(identifier, (dict, str)):
        return deserialize(identifier)
    if isinstance(identifier, type):
        return identifier()
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret initializer identifier: {identifier!r}")
