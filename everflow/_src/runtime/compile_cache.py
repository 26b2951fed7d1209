"""The cache of compiled programs on disk, so that the second run of a script starts compiled.

An entry is a compiled step, found by the fingerprint of its instructions (runtime/fingerprint): a script that
runs again neither traces nor compiles it.  A note says of a program that it was worth compiling, and how long it
took in either tier, so that the next run of the script need not find that out.

Entries are native code, so the folder must belong to this user alone: one that others own or may write to is
not used.  Every file carries a checksum; what is damaged is dropped and compiled again.  Whatever goes wrong
with the cache is silent: programs compile as if there was none.

The folder is `$EVERFLOW_CACHE_DIR`, else `everflow` in `$XDG_CACHE_HOME`, else in `~/.cache`; `EVERFLOW_CACHE=0`
switches the cache off.  What was not used for longest goes when the folder is full.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import pathlib
import platform
import stat
import sys
import tempfile
import threading
import zlib
from collections.abc import Iterator
from typing import Any

from everflow._src.framework import versions

# Bytes that the folder may hold.
LARGEST_FOLDER = 512 * 2**20
# Steps that trace and compile in less than this many seconds are not worth a file.
WORTH_KEEPING = 0.03

_MAGIC = b"everflow compiled step 1\n"
_DIGEST = hashlib.sha256().digest_size
_STEP, _NOTE = ".step", ".note"
_OFF = ("0", "false", "off", "no")


def is_wanted() -> bool:
    """Whether the environment leaves the cache on."""
    return os.environ.get("EVERFLOW_CACHE", "1").strip().lower() not in _OFF


def folder() -> pathlib.Path | None:
    """Where the cache is, or would be; None when this user has no folder for caches."""
    chosen = os.environ.get("EVERFLOW_CACHE_DIR")
    if chosen:
        return pathlib.Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    if base and os.path.isabs(base):
        return pathlib.Path(base) / "everflow"
    try:
        return pathlib.Path.home() / ".cache" / "everflow"
    except RuntimeError:
        return None


def distrust(path: pathlib.Path) -> str:
    """Why a folder must not be used: others could put native code there.  "" when there is no reason."""
    try:
        found = os.lstat(path)
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"
    if not stat.S_ISDIR(found.st_mode):
        return "is no folder"
    return _distrust_owner(found)


def _distrust_owner(found: os.stat_result) -> str:
    if hasattr(os, "geteuid"):
        if found.st_uid != os.geteuid():
            return "belongs to another user"
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return "can be written to by others"
    return ""


# ---- what a compiled program depends on besides itself


def _sources() -> Iterator[str]:
    """Names, sizes and times of everflow's own files: a kernel that changed makes other code."""
    root = pathlib.Path(__file__).parents[1]
    waiting = [str(root)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                if entry.is_dir():
                    if entry.name != "__pycache__":
                        waiting.append(entry.path)
                elif entry.name.endswith((".py", ".so")):
                    found = entry.stat()
                    yield f"{entry.path[len(str(root)):]} {found.st_size} {found.st_mtime_ns}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            names = ("flags", "Features", "model name")
            found = {}
            for line in lines:
                if not line.strip():
                    break
                name, _, value = line.partition(":")
                if name.strip() in names:
                    found[name.strip()] = value.strip()
            return repr(sorted(found.items()))
    except OSError:
        return platform.processor()


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def environment() -> str:
    """A text that is the same for two processes which compile a program to the same code."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    settings = sorted(
        f"{k}={v}" for k, v in os.environ.items()
        if k == "NPROC" or k.startswith(("XLA_", "JAX_", "EVERFLOW_NATIVE")) and not k.startswith("XLA_PYTHON_CLIENT")
    )
    parts = [
        versions.EVERFLOW_VERSION, *map(_version, ("jax", "jaxlib", "numpy")), sys.version, platform.machine(),
        platform.system(), _processor(), str(cores), *settings, *_sources(),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


# ---- the folder


class CompileCache:
    """Entries and notes in a folder, which other processes may use at the same time.

    Args:
      path: the folder; None for a cache that keeps nothing.
      largest: how many bytes the folder may hold.
    """

    def __init__(self, path: pathlib.Path | None, largest: int = LARGEST_FOLDER) -> None:
        self.path = path
        self.largest = largest
        self.hits = 0
        self.misses = 0
        self._lock = threading.Lock()
        self._place: pathlib.Path | None = None
        self._notes: set[str] | None = None

    def _find(self) -> pathlib.Path | None:
        """The folder for programs that were compiled as this process would compile them."""
        if self.path is None:
            return None
        if self._place is None:
            with self._lock:
                if distrust(self.path):
                    return None
                self._place = self.path / environment()
        return self._place if not distrust(self._place) else None

    def _make(self) -> pathlib.Path | None:
        if self.path is None:
            return None
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self._find()
        if found is None and self._place is not None:
            self._place.mkdir(mode=0o700, exist_ok=True)
            found = self._find()
        return found

    # ---- entries

    def get(self, key: str) -> tuple[dict[str, Any], bytes] | None:
        """What was put under `key`: what is known of a step, and its code."""
        data = self._read(key + _STEP)
        if data is None:
            self.misses += 1
            return None
        try:
            length = int.from_bytes(data[:4], "little")
            result = json.loads(data[4:4 + length]), zlib.decompress(data[4 + length:])
        except (ValueError, zlib.error):
            self.misses += 1
            return None
        self.hits += 1
        return result

    def put(self, key: str, header: dict[str, Any], payload: bytes) -> None:
        """Keeps a compiled step."""
        text = json.dumps(header).encode()
        self._write(key + _STEP, len(text).to_bytes(4, "little") + text + zlib.compress(payload, 1))
        self._shrink()

    # ---- notes

    def note(self, key: str) -> dict[str, Any] | None:
        """What earlier processes found out about a program."""
        if key not in self._known_notes():
            return None
        data = self._read(key + _NOTE)
        try:
            note = json.loads(data) if data is not None else None
        except ValueError:
            return None
        return note if isinstance(note, dict) else None

    def has_notes(self) -> bool:
        """False when there is nothing to look for, so that nobody need make a key."""
        return bool(self._known_notes())

    def put_note(self, key: str, note: dict[str, Any]) -> None:
        """Tells later processes about a program."""
        self._write(key + _NOTE, json.dumps(note).encode())

    def _known_notes(self) -> set[str]:
        if self._notes is None:
            names: list[str] = []
            with contextlib.suppress(OSError):
                place = self._find()
                names = os.listdir(place) if place is not None else []
            self._notes = {n.removesuffix(_NOTE) for n in names if n.endswith(_NOTE)}
        return self._notes

    # ---- files

    def _read(self, name: str) -> bytes | None:
        try:
            place = self._find()
            if place is None:
                return None
            with open(place / name, "rb") as file:
                if _distrust_owner(os.fstat(file.fileno())):
                    return None
                data = file.read()
            start = len(_MAGIC) + _DIGEST
            body = data[start:]
            if not data.startswith(_MAGIC) or hashlib.sha256(body).digest() != data[len(_MAGIC):start]:
                os.unlink(place / name)
                return None
            os.utime(place / name)  # used: it is the last to go
            return body
        except OSError:
            return None

    def _write(self, name: str, body: bytes) -> None:
        with contextlib.suppress(OSError):
            place = self._make()
            if place is None:
                return
            # Under its name at once: other processes never see half of it.
            handle, temporary = tempfile.mkstemp(suffix=".new", dir=place)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_MAGIC + hashlib.sha256(body).digest() + body)
                os.replace(temporary, place / name)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise

    def _files(self) -> list[tuple[float, int, str]]:
        """(time of last use, size, path) of all files, those of other versions too."""
        found = []
        for parent, _, names in os.walk(self.path or ""):
            for name in names:
                with contextlib.suppress(OSError):
                    path = os.path.join(parent, name)
                    state = os.lstat(path)
                    if name.endswith((_STEP, _NOTE, ".new")):
                        found.append((state.st_mtime, state.st_size, path))
        return found

    def size(self) -> int:
        """Bytes in the folder."""
        return sum(size for _, size, _ in self._files())

    def _shrink(self) -> None:
        """Removes what was not used for longest, until a tenth of the folder is free again."""
        files = self._files()
        total = sum(size for _, size, _ in files)
        if total <= self.largest:
            return
        for _, size, path in sorted(files):
            with contextlib.suppress(OSError):
                os.unlink(path)
            with contextlib.suppress(OSError):
                os.rmdir(os.path.dirname(path))  # of another version, and empty now
            total -= size
            if total <= self.largest * 0.9:
                return


_CACHE: CompileCache | None = None
_OPENED_FOR: Any = None


def compile_cache() -> CompileCache:
    """The cache of this process, as the environment variables say."""
    global _CACHE, _OPENED_FOR
    wanted = tuple(map(os.environ.get, ("EVERFLOW_CACHE", "EVERFLOW_CACHE_DIR", "XDG_CACHE_HOME")))
    if _CACHE is None or wanted != _OPENED_FOR:
        _CACHE = CompileCache(folder() if is_wanted() else None)
        _OPENED_FOR = wanted
    return _CACHE
