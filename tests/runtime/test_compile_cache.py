"""The cache of compiled programs on disk: what is kept, who may use it, and that nobody notices when it fails."""

import multiprocessing
import os
import pathlib
import subprocess
import sys
import threading

import pytest

from everflow._src.runtime import compile_cache
from everflow._src.runtime.compile_cache import CompileCache, distrust, folder

KEY = "0123456789abcdef"


@pytest.fixture
def cache(tmp_path):
    return CompileCache(tmp_path / "cache")


def files_of(cache):
    return sorted(p for p in cache.path.rglob("*") if p.is_file())


# ---- entries and notes


def test_what_was_put_is_found_by_another_process(cache):
    assert cache.get(KEY) is None
    cache.put(KEY, {"outputs": [1, 2]}, b"code" * 1000)
    later = CompileCache(cache.path)
    assert later.get(KEY) == ({"outputs": [1, 2]}, b"code" * 1000)
    assert later.get(KEY[::-1]) is None
    assert (later.hits, later.misses) == (1, 1)


def test_notes(cache):
    assert not cache.has_notes() and cache.note(KEY) is None
    cache.put_note(KEY, {"tier": "compiled"})
    later = CompileCache(cache.path)
    assert later.has_notes() and later.note(KEY) == {"tier": "compiled"} and later.note(KEY[::-1]) is None


@pytest.mark.parametrize("damage", [
    lambda data: b"", lambda data: data[:10], lambda data: data[:-1], lambda data: data + b"x",
    lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:], lambda data: b"x" * len(data),
])
def test_damaged_files_are_dropped(cache, damage):
    cache.put(KEY, {"outputs": []}, b"code" * 100)
    cache.put_note(KEY, {"tier": "compiled"})
    for path in files_of(cache):
        path.write_bytes(damage(path.read_bytes()))
    later = CompileCache(cache.path)
    assert later.get(KEY) is None and later.note(KEY) is None
    assert not files_of(cache)
    later.put(KEY, {"outputs": []}, b"code")
    assert later.get(KEY) == ({"outputs": []}, b"code")


def test_files_that_are_whole_but_say_nothing(cache):
    cache.put(KEY, {}, b"")
    cache._write(KEY + ".step", b"\xff\xff\xff\xff")
    cache._write(KEY + ".note", b"[1]")
    later = CompileCache(cache.path)
    assert later.get(KEY) is None and later.note(KEY) is None


def test_another_version_does_not_find_it(cache, monkeypatch):
    cache.put(KEY, {}, b"code")
    monkeypatch.setattr(compile_cache.versions, "EVERFLOW_VERSION", "0.0.1")
    assert CompileCache(cache.path).get(KEY) is None


@pytest.mark.parametrize("variable", ["XLA_FLAGS", "NPROC", "JAX_DEFAULT_MATMUL_PRECISION", "EVERFLOW_NATIVE"])
def test_settings_that_change_the_code_change_the_place(variable, monkeypatch):
    before = compile_cache.environment()
    assert compile_cache.environment() == before
    monkeypatch.setenv(variable, os.environ.get(variable, "") + "7")
    assert compile_cache.environment() != before


# ---- size


def test_the_least_recently_used_goes_first(tmp_path):
    cache = CompileCache(tmp_path / "cache")
    payload = os.urandom(10_000)
    names = [f"{n:016x}" for n in range(8)]
    for name in names[:4]:
        cache.put(name, {}, payload)
    for age, name in enumerate(names[:4]):
        (path,) = cache.path.rglob(name + ".step")
        os.utime(path, (1000 + age, 1000 + age))
    assert cache.get(names[0]) is not None  # used now
    cache.largest = 42_000
    cache.put(names[4], {}, payload)
    assert cache.size() <= cache.largest
    assert [cache.get(n) is not None for n in names[:5]] == [True, False, False, True, True]


def test_what_other_versions_left_counts_and_goes(cache):
    old = cache.path / "older"
    cache.put(KEY, {}, os.urandom(1000))
    old.mkdir()
    stale = old / "f.step"
    stale.write_bytes(b"x" * 5000)
    os.utime(stale, (1, 1))
    cache.largest = 4000
    cache.put(KEY[::-1], {}, os.urandom(1000))
    assert not old.exists() and cache.get(KEY) and cache.get(KEY[::-1])


# ---- whose folder it is


def test_the_folder_is_its_owners_alone(cache):
    cache.put(KEY, {}, b"code")
    for path in [cache.path, *cache.path.iterdir()]:
        assert path.stat().st_mode & 0o777 == 0o700
    for path in files_of(cache):
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722])
def test_a_folder_that_others_may_write_to_is_not_used(cache, mode):
    cache.put(KEY, {}, b"code")
    cache.path.chmod(mode)
    later = CompileCache(cache.path)
    assert "written to by others" in distrust(cache.path)
    assert later.get(KEY) is None
    later.put(KEY[::-1], {}, b"code")
    cache.path.chmod(0o700)
    assert CompileCache(cache.path).get(KEY[::-1]) is None and CompileCache(cache.path).get(KEY)


def test_a_folder_or_a_file_of_somebody_else_is_not_used(cache, monkeypatch):
    cache.put(KEY, {}, b"code")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert distrust(cache.path) == "belongs to another user"
    later = CompileCache(cache.path)
    later.put(KEY[::-1], {}, b"code")
    assert later.get(KEY) is None and len(files_of(cache)) == 1


def test_a_file_that_others_may_write_to_is_not_used(cache):
    cache.put(KEY, {}, b"code")
    files_of(cache)[0].chmod(0o666)
    assert CompileCache(cache.path).get(KEY) is None


def test_a_link_is_not_followed(cache, tmp_path):
    cache.put(KEY, {}, b"code")
    link = tmp_path / "link"
    link.symlink_to(cache.path)
    assert distrust(link) == "is no folder" and CompileCache(link).get(KEY) is None


@pytest.mark.parametrize("where", ["file/cache", "file"])
def test_a_folder_that_cannot_be_made_is_silent(tmp_path, where):
    (tmp_path / "file").write_text("")
    cache = CompileCache(tmp_path / where)
    cache.put(KEY, {}, b"code")
    cache.put_note(KEY, {})
    assert cache.get(KEY) is None and not cache.has_notes() and cache.size() == 0


def test_a_full_disk_is_silent(cache, monkeypatch):
    cache.put(KEY, {}, b"code")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    cache.put(KEY[::-1], {}, b"code")
    monkeypatch.undo()
    assert cache.get(KEY[::-1]) is None and len(files_of(cache)) == 1


def test_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("EVERFLOW_CACHE_DIR", str(tmp_path / "here"))
    assert folder() == tmp_path / "here"
    monkeypatch.delenv("EVERFLOW_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert folder() == tmp_path / "everflow"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder() == tmp_path / ".cache" / "everflow"


def test_opting_out(monkeypatch, tmp_path):
    monkeypatch.setenv("EVERFLOW_CACHE_DIR", str(tmp_path / "c"))
    monkeypatch.setenv("EVERFLOW_CACHE", "0")
    assert compile_cache.compile_cache().path is None
    compile_cache.compile_cache().put(KEY, {}, b"code")
    assert compile_cache.compile_cache().get(KEY) is None and not (tmp_path / "c").exists()
    monkeypatch.setenv("EVERFLOW_CACHE", "1")
    assert compile_cache.compile_cache().path == tmp_path / "c"


# ---- several at once


def _write_and_read(path, worker):
    cache = CompileCache(pathlib.Path(path), largest=200_000)
    for n in range(60):
        key = f"{n % 12:016x}"
        cache.put(key, {"n": n % 12}, bytes([n % 12]) * 20_000)
        found = cache.get(key)
        assert found is None or found == ({"n": n % 12}, bytes([n % 12]) * 20_000)


def test_threads_and_processes_share_the_folder(tmp_path):
    path = str(tmp_path / "cache")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write_and_read, args=(path, n)) for n in range(2)]
    failures = []

    def guarded(n):
        try:
            _write_and_read(path, n)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(3)]
    for runner in (*processes, *threads):
        runner.start()
    for runner in (*processes, *threads):
        runner.join()
    assert not failures and [p.exitcode for p in processes] == [0, 0]
    assert not list((tmp_path / "cache").rglob("*.new"))


# ---- whole scripts

SCRIPT = """
import sys
import numpy as np
import everflow as tf
from everflow._src.runtime import compile_cache, executables
from everflow._src.runtime.background import BACKGROUND

compile_cache.WORTH_KEEPING = executables.WORTH_KEEPING = 0.0
traced = []
trace = executables.Executable._trace
executables.Executable._trace = lambda self, *a: (traced.append(1), trace(self, *a))[1]

generator = np.random.default_rng(0)
weights = [tf.Variable(generator.normal(size=s).astype("f") * 0.1) for s in ((64, 256), (256, 256), (256, 1))]
count = tf.Variable(0, dtype=tf.int64)

@tf.function(jit_compile=JIT)
def train(x):
    with tf.GradientTape() as tape:
        h = x
        for w in weights:
            h = tf.tanh(h @ w)
        if tf.reduce_sum(x) > 1e9:
            h = h * 2.0
        n = tf.shape(h)[0]
        loss = tf.reduce_mean(tf.square(h - 1.0)) + 0.0 * tf.reduce_mean(tf.random.normal([3], seed=4))
    for w, g in zip(weights, tape.gradient(loss, weights)):
        w.assign_sub(0.1 * g)
    count.assign_add(1)
    kept = tf.boolean_mask(x[:, 0], x[:, 0] > 0.0)  # needs the host: its shape depends on data
    return loss, n, tf.size(kept), tf.reduce_sum(tf.exp(x * 1e-3))

x = tf.constant(generator.normal(size=(512, 64)), tf.float32)
results = []
for _ in range(6):
    results.append(train(x))
    if JIT is None:
        BACKGROUND.wait(100)
print(len(traced), compile_cache.compile_cache().hits, int(count), int(results[-1][1]), int(results[-1][2]),
      train.explain().traces[0].compiled_runs, train.explain().traces[0].numpy_runs)
print(" ".join(f"{float(r[0]):.5f}" for r in results), f"{float(results[-1][3]):.3f}")
"""


def run_script(tmp_path, jit, **environment):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.replace("JIT", repr(jit)))
    root = str(pathlib.Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)], capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "PYTHONPATH": root, "EVERFLOW_CACHE": "1", "EVERFLOW_CACHE_DIR": str(tmp_path / "cache"),
             **environment},
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    numbers, values = done.stdout.strip().splitlines()
    return list(map(int, numbers.split())), [float(v) for v in values.split()]


@pytest.mark.parametrize("jit", [True, None])
def test_the_second_run_of_a_script_does_not_trace_its_programs(tmp_path, jit):
    (traced, hits, *first), losses = run_script(tmp_path, jit)
    assert traced >= 2 and hits == 0
    (traced_again, hits, *second), losses_again = run_script(tmp_path, jit)
    assert hits >= 2 and traced_again < traced
    assert first[:3] == second[:3] and losses_again == pytest.approx(losses, rel=1e-4)
    assert first[0] == 6 and sum(first[-2:]) == sum(second[-2:]) == 6
    assert losses[0] > losses[-2]
    if jit is None:
        assert second[-2] >= first[-2] and second[-1] <= 2
        assert traced_again == 0


def test_scripts_run_the_same_with_a_cache_that_does_not_work(tmp_path):
    (traced, _, *first), losses = run_script(tmp_path, True)
    for path in (tmp_path / "cache").rglob("*.step"):
        path.write_bytes(path.read_bytes()[:-100])
    found = [run_script(tmp_path, True)]
    (tmp_path / "file").write_text("")
    found.append(run_script(tmp_path, True, EVERFLOW_CACHE_DIR=str(tmp_path / "file" / "cache")))
    found.append(run_script(tmp_path, True, EVERFLOW_CACHE="0"))
    for (traced_again, hits, *numbers), losses_again in found:
        assert (traced_again, hits) == (traced, 0)
        assert numbers == first and losses_again == pytest.approx(losses, rel=1e-4)


def test_code_that_is_whole_and_of_another_make_is_compiled_anew(tmp_path):
    (traced, _, *first), losses = run_script(tmp_path, True)
    cache = CompileCache(tmp_path / "cache")
    names = [p.stem for p in (tmp_path / "cache").rglob("*.step")]
    for name in names:
        header, _ = cache.get(name)
        cache.put(name, header, b"no code at all")
    (traced_again, hits, *numbers), losses_again = run_script(tmp_path, True)
    assert traced_again == traced and hits == len(names) and numbers == first
    assert losses_again == pytest.approx(losses, rel=1e-4)


CALLS = """
import numpy as np
import everflow as tf
from everflow._src.runtime import compile_cache, executables

executables.WORTH_KEEPING = 0.0
x = tf.constant(np.diag([4.0, 9.0, 16.0]), tf.float32)
for function in (tf.linalg.cholesky, lambda x: tf.linalg.svd(x, compute_uv=False), tf.linalg.inv, tf.sort,
                 lambda x: tf.nn.top_k(x, 2)[0], lambda x: tf.abs(tf.signal.fft(tf.cast(x, tf.complex64))),
                 lambda x: tf.nn.conv2d(tf.ones([8, 16, 16, 8]) * x[0, 0], tf.ones([3, 3, 8, 8]), 1, "SAME")[0, 0]):
    print(f"{float(tf.reduce_sum(tf.function(function, jit_compile=True)(x))):.4f}")
print(compile_cache.compile_cache().hits)
"""


def test_code_that_calls_functions_of_libraries(tmp_path):
    found = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", CALLS], capture_output=True, text=True, check=False, timeout=300,
            env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[2]), "EVERFLOW_CACHE": "1",
                 "EVERFLOW_CACHE_DIR": str(tmp_path / "cache")},
        )
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.split())
    assert found[0][:-1] == found[1][:-1]
    # LAPACK's functions are found while tracing: such code is compiled in each process.
    assert found[0][-1] == "0" and int(found[1][-1]) == 4
