"""everflow: TensorFlow programs of every generation on one small engine.

`import everflow as tf` is the 2.x namespace, `import everflow.compat.v1 as tf` the 1.x one.  Public
names are resolved on first use (see `_namespaces.py`), so importing this costs next to nothing.
"""

from everflow import _namespaces
from everflow._namespaces import PublicNameError as PublicNameError

__getattr__, __dir__ = _namespaces.attribute_functions(__name__)

_namespaces.install()
