"""Loads every operation: the cards, and the methods and operators of tensors.

The manifest finds public names without this; tensors need it, since their operators are installed by ops/.
"""

from everflow._src.ops import (  # noqa: F401
    comparison,
    constants,
    control_flow,
    linalg_products,
    math_arithmetic,
    operators,
    reductions,
    state,
    while_loop,
)
