"""The logger of everflow, named "tensorflow", and `tf.compat.v1.logging`."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from typing import Any

from everflow._src.framework.export import export, export_constant

DEBUG = logging.DEBUG
INFO = logging.INFO
WARN = logging.WARNING
ERROR = logging.ERROR
FATAL = logging.FATAL

for _level in ("DEBUG", "INFO", "WARN", "ERROR", "FATAL"):
    export_constant(__name__, _level, v1=[f"logging.{_level}"])

_lock = threading.Lock()
_logger: logging.Logger | None = None
_counts: dict[tuple[str, int], int] = {}


def _caller(stack_info: bool = False, stacklevel: int = 1) -> tuple[str, int, str, str | None]:
    """The first frame outside of the logging machinery: records name the line that logged."""
    frame: Any = sys._getframe(1)
    own = (os.path.normcase(__file__), os.path.normcase(logging.__file__))
    while frame.f_back is not None and os.path.normcase(frame.f_code.co_filename) in own:
        frame = frame.f_back
    code = frame.f_code
    text = "".join(traceback.format_stack(frame)).rstrip() if stack_info else None
    return code.co_filename, frame.f_lineno, code.co_name, text


@export("get_logger", v1=["get_logger"])
def get_logger() -> logging.Logger:
    """The logger through which everflow reports, a `logging.Logger` named "tensorflow".

    It shows warnings and worse on stderr, unless the program has set up handlers of its own.

    >>> import everflow as tf
    >>> tf.get_logger().name
    'tensorflow'
    """
    global _logger
    if _logger is not None:
        return _logger
    with _lock:
        if _logger is None:
            logger = logging.getLogger("tensorflow")
            logger.findCaller = _caller  # type: ignore[method-assign]
            if logger.level == logging.NOTSET:
                logger.setLevel(WARN)
            if not logging.getLogger().handlers and not logger.handlers:
                handler = logging.StreamHandler(sys.stderr)
                handler.setFormatter(logging.Formatter(logging.BASIC_FORMAT, None))
                logger.addHandler(handler)
            _logger = logger
    return _logger


@export(v1=["logging.log"])
def log(level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
    """Logs `msg % args` at a level."""
    get_logger().log(level, msg, *args, **kwargs)


@export(v1=["logging.debug"])
def debug(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Logs `msg % args` at the level DEBUG."""
    get_logger().debug(msg, *args, **kwargs)


@export(v1=["logging.info"])
def info(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Logs `msg % args` at the level INFO."""
    get_logger().info(msg, *args, **kwargs)


@export(v1=["logging.warn"])
def warn(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Logs `msg % args` at the level WARN."""
    get_logger().warning(msg, *args, **kwargs)


@export(v1=["logging.warning"])
def warning(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Logs `msg % args` at the level WARN."""
    get_logger().warning(msg, *args, **kwargs)


@export(v1=["logging.error"])
def error(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Logs `msg % args` at the level ERROR."""
    get_logger().error(msg, *args, **kwargs)


@export(v1=["logging.fatal"])
def fatal(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Logs `msg % args` at the level FATAL; the program goes on."""
    get_logger().critical(msg, *args, **kwargs)


@export(v1=["logging.vlog"])
def vlog(level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
    """Logs `msg % args` at a level."""
    get_logger().log(level, msg, *args, **kwargs)


@export(v1=["logging.TaskLevelStatusMessage"])
def task_level_status_message(msg: Any) -> None:
    """Logs a message about the state of a task, at the level ERROR."""
    error(msg)


@export(v1=["logging.flush"])
def flush() -> None:
    """Writes out what the handlers of the logger hold back."""
    for handler in get_logger().handlers:
        handler.flush()


def _next_count() -> int:
    """How often the calling line has come here before."""
    place = _caller()[:2]
    with _lock:
        count = _counts.get(place, 0)
        _counts[place] = count + 1
    return count


@export(v1=["logging.log_every_n"])
def log_every_n(level: int, msg: Any, n: int, *args: Any) -> None:
    """Logs `msg % args` at the first, and then every n-th, call from one line of the program."""
    log_if(level, msg, _next_count() % n == 0, *args)


@export(v1=["logging.log_first_n"])
def log_first_n(level: int, msg: Any, n: int, *args: Any) -> None:
    """Logs `msg % args` at the first n calls from one line of the program."""
    log_if(level, msg, _next_count() < n, *args)


@export(v1=["logging.log_if"])
def log_if(level: int, msg: Any, condition: Any, *args: Any) -> None:
    """Logs `msg % args` if `condition` holds."""
    if condition:
        log(level, msg, *args)


@export(v1=["logging.get_verbosity"])
def get_verbosity() -> int:
    """The level below which nothing is shown."""
    return get_logger().getEffectiveLevel()


@export(v1=["logging.set_verbosity"])
def set_verbosity(v: Any) -> None:
    """Sets the level below which nothing is shown: a number, or a name such as "INFO"."""
    get_logger().setLevel(v)
