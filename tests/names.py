"""Names of parametrised tests."""

import re


def shown(value):
    """repr without addresses: every process that runs a share of the tests must know them by the same name."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
