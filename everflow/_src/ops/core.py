"""Loads every operation: the cards, and the methods and operators of tensors.

The manifest finds public names without this; tensors need it, since their operators are installed by ops/.
"""

from everflow._src.ops import constants  # noqa: F401
from everflow._src.ops import control_flow  # noqa: F401
from everflow._src.ops import state  # noqa: F401
from everflow._src.ops import while_loop  # noqa: F401
