"""The `everflow` command: programs run as `python` would run them."""

import os
import pathlib
import signal
import subprocess
import sys
import textwrap

import pytest

from everflow._src.cli import doctor
from everflow._src.cli.main import main
from everflow._src.runtime.native import library
from everflow._src.runtime.native.library import Status

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def write(tmp_path):
    def write(name, source):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
        return path

    return write


def everflow(*arguments, cwd):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    return subprocess.run(
        [sys.executable, "-m", "everflow", *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_runs_a_script_as_main(write, tmp_path):
    write("helper.py", "import tensorflow as tf\nversion = tf.__version__\n")
    script = write(
        "folder/../script.py",
        """
        import sys
        import helper
        import tensorflow as tf
        print(__name__, __file__, sys.argv, sys.path[0], __package__, __spec__)
        print(helper.version, sys.modules["__main__"].tf is tf)
        """,
    ).resolve()
    done = everflow("run", "script.py", "--steps", "3", "-m", cwd=tmp_path)
    assert done.stderr == ""
    first, second = done.stdout.splitlines()
    assert first == f"__main__ {script} ['script.py', '--steps', '3', '-m'] {tmp_path} None None"
    assert second == "2.15.1 True"


def test_runs_a_module(write, tmp_path):
    write("package/__init__.py", "import tensorflow")
    write("package/__main__.py", "import sys; print(__package__, __spec__.name, sys.argv[1:], sys.path[0])")
    write("package/train.py", "from . import __file__ as f; import tensorflow as tf; print(tf.__version__)")
    done = everflow("run", "-m", "package", "--steps", "3", cwd=tmp_path)
    assert (done.stdout, done.stderr) == (f"package package.__main__ ['--steps', '3'] {tmp_path}\n", "")
    assert everflow("run", "--tf", "2", "-m", "package.train", cwd=tmp_path).stdout == "2.15.1\n"


def test_runs_a_folder(write, tmp_path):
    write("program/__main__.py", "import sys; print(sys.path[0], __name__)")
    assert everflow("run", "program", cwd=tmp_path).stdout == f"{tmp_path / 'program'} __main__\n"


@pytest.mark.parametrize("generation", ["1", "2"])
def test_the_generation_can_be_given(write, tmp_path, generation):
    write("script.py", "import tensorflow as tf; print(tf.__version__, tf.executing_eagerly())")
    expected = {"1": "1.15.5 False\n", "2": "2.15.1 True\n"}
    assert everflow("run", "--tf", generation, "script.py", cwd=tmp_path).stdout == expected[generation]


def test_the_generation_is_read_from_the_script(write, tmp_path):
    write("old.py", "import tensorflow as tf\nif 0: tf.placeholder(tf.float32)\nprint(tf.__version__)")
    assert everflow("run", "old.py", cwd=tmp_path).stdout == "1.15.5\n"


@pytest.mark.parametrize(
    ("statement", "status", "printed"),
    [
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('stopped')", 1, "stopped\n"),
        ("raise SystemExit", 0, ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, ""),
    ],
)
def test_exit_status_is_that_of_the_program(write, tmp_path, statement, status, printed):
    write("script.py", statement)
    done = everflow("run", "script.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (status, printed)


def test_tracebacks_begin_with_the_program(write, tmp_path):
    path = write("script.py", "def f():\n    return 1 / 0\nf()\n")
    done = everflow("run", "script.py", cwd=tmp_path)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "^" not in line and "~" not in line]
    assert lines == [
        "Traceback (most recent call last):",
        f'  File "{path}", line 3, in <module>',
        "    f()",
        f'  File "{path}", line 2, in f',
        "    return 1 / 0",
        "ZeroDivisionError: division by zero",
    ]


def test_errors_on_purpose_hide_everflow(write, tmp_path):
    source = """\
        import tensorflow as tf
        try:
            tf.as_dtype("nonsense")
        except TypeError as error:
            raise ValueError("outer") from error
        """
    path = write("script.py", source)
    short = everflow("run", "script.py", cwd=tmp_path).stderr
    assert [line for line in short.splitlines() if "File" in line] == [
        f'  File "{path}", line 3, in <module>',
        f'  File "{path}", line 5, in <module>',
    ]
    full = everflow("run", "--full-traceback", "script.py", cwd=tmp_path).stderr
    assert "dtypes.py" in full and "cli" not in full


def test_errors_of_syntax_look_as_in_python(write, tmp_path):
    path = write("script.py", "x = (\n")
    done = everflow("run", "script.py", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == f'  File "{path}", line 1'
    assert done.stderr.endswith("SyntaxError: '(' was never closed\n")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["missing.py"], 2, "can't open file '{}/missing.py': [Errno 2] No such file or directory"),
        (["-m", "missing"], 1, "No module named missing"),
        (["-m", "missing.inner"], 1, "Error while finding module specification for 'missing.inner'"),
        (["empty"], 1, "can't find '__main__' module in 'empty'"),
        (["-m", "namesake"], 1, "No module named namesake.__main__; 'namesake' is a package"),
    ],
)
def test_programs_that_are_not_there(write, tmp_path, arguments, status, message):
    write("empty/readme.txt", "")
    write("namesake/__init__.py", "")
    done = everflow("run", *arguments, cwd=tmp_path)
    assert done.returncode == status
    assert done.stderr.startswith("everflow: " + message.format(tmp_path))


def test_wrong_command_lines(capsys):
    for arguments in (["run"], ["run", "-m"], ["run", "--tf", "3", "x.py"], [], ["walk"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
        assert capsys.readouterr().err.startswith("usage: everflow")


def test_help_and_version(capsys):
    for arguments, expected in ((["--help"], "everflow run train.py"), (["--version"], "everflow 0.")):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        assert expected in capsys.readouterr().out


def test_doctor_finds_everything_here(capsys):
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert "ok      jax " in printed
    assert "cpu:0" in printed
    assert "native kernels" in printed
    assert printed.endswith("Everything that everflow needs is here.\n")


def test_doctor_names_what_is_missing_and_the_fix(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "REQUIRED", (("no-such-library", "no_such_library", "tests"),))
    assert main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "MISSING no-such-library" in printed
    assert "fix: pip install no-such-library" in printed


def test_doctor_does_not_mind_what_is_optional(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "OPTIONAL", (("no-such-library", "no_such_library", "tests"),))
    assert main(["doctor"]) == 0
    assert "not installed (optional): tests" in capsys.readouterr().out


@pytest.mark.parametrize("status", [
    Status(True, "oneDNN 3.2.0 at /a/path"), Status(False, "not built", "install a C++17 compiler"),
])
def test_doctor_shows_the_native_kernels_and_does_not_need_them(capsys, monkeypatch, status):
    monkeypatch.setattr(library, "_status", status)
    monkeypatch.setattr(library, "_library", None)
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    mark = "ok" if status.available else "note"
    assert f"{mark:8}native kernels  {status.what}\n" in printed
    assert (f"fix: {status.fix}\n" in printed) == (not status.available)
