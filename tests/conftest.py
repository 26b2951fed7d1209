"""What holds for every test: warnings are errors, on everflow."""

import os

ON_TENSORFLOW = os.environ.get("EVERFLOW_CONFORMANCE") == "tensorflow"


def pytest_configure(config):
    if not ON_TENSORFLOW:  # TensorFlow's own warnings are not ours to fix
        config.addinivalue_line("filterwarnings", "error")
