"""The random tensors that initializers ask for."""

from __future__ import annotations

from everflow._src.ops.random_functions import normal as random_normal
from everflow._src.ops.random_functions import truncated_normal
from everflow._src.ops.random_functions import uniform as random_uniform

__all__ = ["random_normal", "random_uniform", "truncated_normal"]
