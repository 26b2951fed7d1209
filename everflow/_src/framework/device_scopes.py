"""Which device the scopes around an operation ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def canonical_device(device: str) -> str:
    """The full spelling of a device string: "/cpu:0" is "/device:CPU:0"."""
    return device


def device_from_scope(scopes: Sequence[Any], op: Any) -> str:
    """The device that nested scopes, outermost first, give to `op`; inner parts win."""
    result = ""
    for scope in scopes:
        result = scope if isinstance(scope, str) else scope(op) if callable(scope) else str(scope)
    return result
