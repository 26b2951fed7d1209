"""Names of operations that public functions of several operations make in a graph."""

from __future__ import annotations

import contextlib
from typing import Any

from everflow._src.framework.context import STATE, current_graph

_NO_SCOPE = contextlib.nullcontext("")


def name_scope(name: str | None, default_name: str) -> Any:
    """A name scope around the operations of one public function; nothing in eager mode.

    Yields the scope with its slash: an operation of that name is called as the scope is.
    """
    graph = current_graph() if STATE.busy else None
    if graph is None:
        return _NO_SCOPE
    return graph.name_scope(name or default_name)
