"""Objects whose parts a checkpoint can find."""

from __future__ import annotations

from typing import Any


class Trackable:
    """Base of objects that checkpoints save: variables, and objects that hold them."""

    def _trackable_children(self, save_type: str = "checkpoint", **kwargs: Any) -> dict[str, Any]:
        """The parts by name."""
        return {}
