"""What holds for every test: warnings are errors, on everflow."""

import importlib
import os

ON_TENSORFLOW = os.environ.get("EVERFLOW_CONFORMANCE") == "tensorflow"


def pytest_configure(config):
    # Compiled programs of earlier runs must not decide what a test sees; those of the cache make their own.
    os.environ.setdefault("EVERFLOW_CACHE", "0")
    if not ON_TENSORFLOW:  # TensorFlow's own warnings are not ours to fix
        config.addinivalue_line("filterwarnings", "error")
        # A 2.x name in use: from here on, `import everflow.compat.v1` switches nothing in this process.
        importlib.import_module("everflow").executing_eagerly()
