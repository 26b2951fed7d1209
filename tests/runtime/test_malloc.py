"""What malloc keeps for compiled programs."""

import pathlib
import subprocess
import sys
import types

import pytest

import everflow as tf
from everflow._src.runtime import executables, memory
from everflow._src.runtime.memory import Malloc


class Library:
    """Stands for glibc; notes what it was told."""

    def __init__(self, free, works=1):
        self.told, self.free, self.works = [], free, works
        self.mallinfo2 = Mallinfo(self)

    def mallopt(self, parameter, value):
        self.told.append((parameter, value))
        return self.works

    def malloc_trim(self, pad):
        self.told.append(("trim", pad))
        return 1


class Mallinfo:
    """Its function that tells what is free; ctypes lets the type of its result be set."""

    def __init__(self, library):
        self.library = library

    def __call__(self):
        return types.SimpleNamespace(fordblks=self.library.free)


@pytest.fixture
def glibc(monkeypatch):
    monkeypatch.delenv("EVERFLOW_MALLOC", raising=False)
    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("glibc", "2.36"))

    def install(library):
        monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: library)
        return Malloc()

    return install


def test_it_is_set_once_and_gives_back_what_is_too_much(glibc, monkeypatch):
    library = Library(free=memory.MOST_KEPT + 1)
    malloc = glibc(library)
    assert malloc.keep_freed_memory() and malloc.keep_freed_memory()
    assert library.told == [(-4, 0), (-1, memory.MOST_KEPT), (-8, 1)]
    clock = iter([10.0, 10.5, 11.5])
    monkeypatch.setattr(memory.time, "monotonic", lambda: next(clock))
    assert [malloc.give_back() for _ in range(3)] == [True, False, True]
    library.free = memory.MOST_KEPT
    assert not malloc.give_back() and malloc.kept() == memory.MOST_KEPT
    assert library.told.count(("trim", 0)) == 2


@pytest.mark.parametrize("where", ["switched off", "musl", "mac", "refused"])
def test_elsewhere_nothing_happens(glibc, monkeypatch, where):
    library = Library(free=2**40, works=int(where != "refused"))
    malloc = glibc(library)
    if where == "switched off":
        monkeypatch.setenv("EVERFLOW_MALLOC", "0")
    elif where == "musl":
        monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("", ""))
    elif where == "mac":
        monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert not malloc.keep_freed_memory()
    assert ("trim", 0) not in library.told
    assert not library.told or where == "refused"
    if where != "refused":
        assert not malloc.give_back() and malloc.kept() == 0


def test_an_old_glibc_that_cannot_tell_what_is_free(glibc):
    class Old:
        mallopt = staticmethod(lambda parameter, value: 1)

    malloc = glibc(Old())
    assert malloc.keep_freed_memory() and not malloc.give_back() and malloc.kept() == 0


def test_compiled_calls_give_back_when_their_shapes_change(monkeypatch):
    asked = []
    monkeypatch.setattr(executables, "MALLOC", types.SimpleNamespace(give_back=lambda: asked.append(1)))
    f = tf.function(lambda x: tf.exp(x), jit_compile=True, input_signature=[tf.TensorSpec([None])])
    for size, expected in ((3, 1), (3, 1), (3, 1), (4, 2), (3, 3), (3, 3)):
        f(tf.zeros([size]))
        assert len(asked) == expected


def test_figures_of_this_process():
    assert 2**20 < memory.resident() <= memory.peak()


@pytest.mark.skipif(memory.platform.libc_ver()[0] != "glibc", reason="glibc's malloc")
def test_numpy_alone_leaves_malloc_as_it_is():
    script = """
import everflow as tf
from everflow._src.runtime.memory import MALLOC
tf.function(lambda x: x + 1.0, jit_compile=False)(tf.constant(1.0))
print(MALLOC.is_set)
tf.function(lambda x: x + 1.0, jit_compile=True)(tf.constant(1.0))
print(MALLOC.is_set, MALLOC.kept() > 0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True,
                          cwd=pathlib.Path(__file__).parents[2])
    assert done.stdout.split() == ["False", "True", "True"]
