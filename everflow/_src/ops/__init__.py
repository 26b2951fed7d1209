"""The operations, one file per TensorFlow namespace.

Loading any of them makes tensors complete: the files imported here install the methods of tensors
(`a + b`, `a[0]`), which the floors above know nothing of.
"""

from everflow._src.ops import array_shape as array_shape
from everflow._src.ops import array_slicing as array_slicing
from everflow._src.ops import operators as operators
