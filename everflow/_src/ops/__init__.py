"""The operations, one file per TensorFlow namespace.

Loading any of them loads all: the files install the methods of tensors (`a + b`, `a[0]`), which the floors
above know nothing of, and gradients of one file use operations of another.
"""

from everflow._src.ops import core as core
