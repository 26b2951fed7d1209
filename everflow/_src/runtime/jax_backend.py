"""jax, loaded when something first compiles, with the few settings everflow needs.

64-bit types are switched on around everflow's own calls only, so that a user's jax code in the same process
keeps its settings.  A GPU's memory is taken as it is needed.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np

from everflow._src.runtime.memory import MALLOC

# Words in the names of jax's settings that say nothing about the code it makes.
_WITHOUT_EFFECT = ("cache", "log", "dump", "traceback", "explain", "distributed", "coordination")

# A step that updates a variable in place, whose old value something else reads too, copies it first, unless XLA looks
# at the order in which they run.
_cpu_options: dict[str, Any] = {"xla_cpu_copy_insertion_use_region_analysis": True}

_modules: Any = None
_lock = threading.Lock()


class Formed:
    """Results of a traced function with a form, which jax keeps with the trace and returns with its results."""

    __slots__ = ("arrays", "form")

    def __init__(self, arrays: Any, form: Any) -> None:
        self.arrays = arrays
        self.form = form


def jax_modules() -> Any:
    """The jax modules and classes that compiling needs."""
    global _modules
    if _modules is None:
        with _lock:
            if _modules is None:
                _modules = _load()
    return _modules


def jax_is_loaded() -> bool:
    """True once something was compiled."""
    return _modules is not None


def is_left_behind() -> bool:
    """In a forked child: whether the parent had loaded jax, or was at it.

    XLA's threads stay with the parent, and so does a thread that is importing jax, with the lock that it holds.
    """
    global _lock
    was_loading = _lock.locked()
    _lock = threading.Lock()
    return was_loading or "jax" in sys.modules


def _run_small_programs_at_once(jax: Any) -> None:
    """Has XLA run programs that need no second thread on the thread that calls them, as far as a CPU is concerned.

    Handing them to another thread, and waiting for it to wake up, takes longer than most of them do. Where jax was
    used before, it has started as it was told then.
    """
    with contextlib.suppress(AttributeError):  # a jax without this setting
        jax.config.update("jax_cpu_enable_async_dispatch", False)


def compile_for_cpu(lowered: Any) -> Any:
    """What jax's lowered program compiles to, with the options that everflow wants on a CPU."""
    if _cpu_options:
        try:
            return lowered.compile(compiler_options=_cpu_options)
        except Exception as error:
            if not any(name in str(error) for name in _cpu_options):
                raise
            _cpu_options.clear()  # an XLA without them
    return lowered.compile()


def _load() -> Any:
    # TensorFlow and jax both used to take all of a GPU's memory at once; everflow does not.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    MALLOC.keep_freed_memory()
    import jax
    import jax.extend.core
    import jax.numpy as jnp

    _run_small_programs_at_once(jax)
    x64: Any = getattr(jax, "enable_x64", None)
    if not callable(x64):
        import jax.experimental

        x64 = jax.experimental.enable_x64  # type: ignore[attr-defined]
    tracer = jax.core.Tracer
    needs_value = (
        jax.errors.ConcretizationTypeError,
        jax.errors.TracerArrayConversionError,
        jax.errors.TracerIntegerConversionError,
        jax.errors.TracerBoolConversionError,
        jax.errors.NonConcreteBooleanIndexError,
    )

    on_cpu = jax.default_backend() == "cpu"

    def copy(value: Any) -> Any:
        """A value that a compiled step may take for a variable that it overwrites: XLA copies NumPy's arrays."""
        if isinstance(value, (np.ndarray, np.generic)):
            return value
        return np.asarray(value) if on_cpu else jax.device_put(value, may_alias=False)

    def own_copy(value: Any) -> Any:
        """Inside of a traced function: a result with memory of its own."""
        return jnp.array(value, copy=True)

    def settings() -> list[tuple[str, str]]:
        """Settings of jax that change what a program compiles to."""
        values = jax.config.values
        return sorted((k, repr(v)) for k, v in values.items() if not any(word in k for word in _WITHOUT_EFFECT))

    def settle() -> None:
        """Waits for what XLA's threads compute: a forked child has the arrays, and no such threads."""
        for array in jax.live_arrays():
            if not array.is_deleted():
                array.block_until_ready()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=settle)
    jax.tree_util.register_pytree_node(Formed, lambda f: (f.arrays, f.form), lambda form, arrays: Formed(arrays, form))

    return SimpleNamespace(
        Formed=Formed, jax=jax, numpy=jnp, jit=jax.jit, x64=lambda: x64(True), needs_value=needs_value, copy=copy,
        own_copy=own_copy, is_tracer=lambda v: isinstance(v, tracer), on_cpu=on_cpu,
        settings=settings, compile_for_cpu=compile_for_cpu,
    )
