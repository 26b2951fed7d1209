"""Tracebacks of a program's own frames: what called it and what it called inside everflow is left out."""

from __future__ import annotations

import os
import pathlib
import sys
import types

_PACKAGE = str(pathlib.Path(__file__).parents[2]) + os.sep
_COMMAND_LINE = str(pathlib.Path(__file__).parent) + os.sep

# Errors that everflow raises on purpose: their message says it all. Any other error that comes out of
# everflow is a bug of it, whose place must stay visible.
_EXPECTED = (ValueError, TypeError, NotImplementedError, RuntimeError, ImportError, OSError, StopIteration)


def install(full: bool = False) -> None:
    """Has uncaught exceptions shown without the frames of the command line and of everflow.

    Args:
      full: leave out the frames of the command line alone.
    """

    def show(kind: type[BaseException], error: BaseException, trace: types.TracebackType | None) -> None:
        _trim_chain(error, full, set())
        sys.__excepthook__(kind, error, error.__traceback__)

    sys.excepthook = show


def _trim_chain(error: BaseException | None, full: bool, seen: set[int]) -> None:
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.__traceback__ = trim(error, full)
        _trim_chain(error.__cause__, full, seen)
        error = error.__context__


def trim(error: BaseException, full: bool) -> types.TracebackType | None:
    """The traceback of `error` without frames that mean nothing to who wrote the program."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(trace)
        trace = trace.tb_next
    # From the outside in: the command's own file, then frames of the command line (and of the import
    # system between them), until the program's first frame.
    own = [i for i, t in enumerate(frames) if t.tb_frame.f_code.co_filename.startswith(_COMMAND_LINE)]
    if own:
        frames = frames[own[-1] + 1 :]
    if not full and (isinstance(error, _EXPECTED) or _is_public_error(error)):
        program = [t for t in frames if not _is_internal(t)]
        frames = program or frames
    result = None
    for trace in reversed(frames):
        result = types.TracebackType(result, trace.tb_frame, trace.tb_lasti, trace.tb_lineno)
    return result


def _is_internal(trace: types.TracebackType) -> bool:
    name = trace.tb_frame.f_code.co_filename
    return name.startswith((_PACKAGE, "<frozen importlib"))


def _is_public_error(error: BaseException) -> bool:
    """Errors that everflow defines itself: `tf.errors.*`, names that are missing."""
    return type(error).__module__.partition(".")[0] == "everflow"
