"""Memory of the process: how long malloc keeps what compiled programs free, and how much there is.

XLA takes the temporaries of a program from malloc at every call.  glibc asks the kernel for blocks above 32 MB and
gives them back as soon as they are free, so that each call pays for every page anew: a quarter of the time of a
transformer's training step, two fifths of a convolutional network's.  It does the same, whatever the size, with what
other threads than the first have freed, which take from areas of their own.  `keep_freed_memory` has glibc keep what is
free, up to `MOST_KEPT` bytes, and one area for all threads; `give_back` returns what lies between blocks in use, where
glibc itself would keep it.

`EVERFLOW_MALLOC=0` leaves malloc alone.  Other C libraries are left alone too.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import time
from typing import Any

# Free bytes that may stay with the process.
MOST_KEPT = 256 * 2**20
# Programs whose shapes change all the time return memory no more often than after so many seconds.
_BETWEEN_RETURNS = 1.0

# Parameters of mallopt, see malloc.h of glibc.
_TRIM_THRESHOLD, _MOST_MMAPS, _MOST_ARENAS = -1, -4, -8
_OFF = ("0", "false", "off", "no")


class _Mallinfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
    )]


class Malloc:
    """glibc's malloc as far as it can be set; everywhere else every method does nothing."""

    def __init__(self) -> None:
        self.is_set = False
        self._library: Any = None
        self._returned = 0.0

    def is_wanted(self) -> bool:
        """Whether the environment leaves malloc to be set."""
        return os.environ.get("EVERFLOW_MALLOC", "1").strip().lower() not in _OFF

    def keep_freed_memory(self) -> bool:
        """Sets malloc, before XLA starts; False where it stays as it was."""
        if self.is_set or not self.is_wanted():
            return self.is_set
        if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
            return False
        try:
            library = ctypes.CDLL(None)
            mallopt = library.mallopt
            self.is_set = bool(
                mallopt(_MOST_MMAPS, 0) and mallopt(_TRIM_THRESHOLD, MOST_KEPT) and mallopt(_MOST_ARENAS, 1))
            self._library = library
            library.mallinfo2.restype = _Mallinfo2
        except (OSError, AttributeError):  # an older glibc cannot tell what is free
            self._library = None
        return self.is_set

    def kept(self) -> int:
        """Free bytes that malloc holds; 0 where it cannot tell."""
        return self._library.mallinfo2().fordblks if self._library is not None else 0

    def give_back(self) -> bool:
        """Returns memory to the kernel when more is free than may be kept."""
        if self._library is None or self.kept() <= MOST_KEPT:
            return False
        now = time.monotonic()
        if now - self._returned < _BETWEEN_RETURNS:
            return False
        self._returned = now
        return bool(self._library.malloc_trim(0))


MALLOC = Malloc()


def _status(name: str) -> int | None:
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith(name):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def resident() -> int:
    """Bytes of this process in memory; 0 where the system does not tell."""
    return _status("VmRSS:") or 0


def peak() -> int:
    """The most bytes of this process that were in memory at once; 0 where the system does not tell."""
    found = _status("VmHWM:")
    if found is not None:
        return found
    try:
        import resource
    except ImportError:
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def forget_peak() -> bool:
    """Starts the peak anew from what is in memory now; False where the system cannot."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except OSError:
        return False
    return True
