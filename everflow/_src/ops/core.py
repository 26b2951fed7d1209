"""Loads every operation: the cards, and the methods and operators of tensors.

The manifest finds public names without this; tensors need it, since their operators are installed by ops/.
"""

from everflow._src.ops import (  # noqa: F401
    array_creation,
    array_gather,
    array_joining,
    array_layout,
    array_shape,
    array_slicing,
    array_sorting,
    clipping,
    comparison,
    constants,
    control_flow,
    counting,
    cumulative,
    einsum,
    indexed_slices,
    linalg_products,
    linalg_structure,
    math_arithmetic,
    math_functions,
    math_special,
    norms,
    operators,
    queues,
    reductions,
    segments,
    state,
    training_ops,
    while_loop,
)
