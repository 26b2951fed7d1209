"""NumPy's floating point warnings, switched off for the length of a kernel.

TensorFlow divides by zero without a word.  `np.errstate` costs 0.7 microseconds, more than a small kernel;
the context variable behind it costs a tenth of that.  Where NumPy no longer has that variable, `np.errstate`
does the work.
"""

from __future__ import annotations

from typing import Any

import numpy as np

try:
    from numpy._core.umath import _extobj_contextvar as _variable  # type: ignore[attr-defined]

    with np.errstate(all="ignore"):
        _quiet_state: Any = _variable.get()

    def be_quiet() -> Any:
        """Switches warnings off; pass what it returns to `be_loud`."""
        return _variable.set(_quiet_state)

    def be_loud(token: Any) -> None:
        """Restores what `be_quiet` changed."""
        _variable.reset(token)

except (ImportError, LookupError, AttributeError):

    def be_quiet() -> Any:
        """Switches warnings off; pass what it returns to `be_loud`."""
        manager = np.errstate(all="ignore")
        manager.__enter__()
        return manager

    def be_loud(token: Any) -> None:
        """Restores what `be_quiet` changed."""
        token.__exit__(None, None, None)
