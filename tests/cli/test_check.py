"""`everflow check` reads a program and names what everflow lacks."""

import textwrap

import pytest

from everflow._src.cli.check import find_missing
from everflow._src.cli.main import main


@pytest.fixture
def problems(tmp_path):
    def problems(source, generation=2):
        path = tmp_path / "script.py"
        path.write_text(textwrap.dedent(source))
        return [(missing.line, missing.message) for missing in find_missing(str(path), generation)]

    return problems


def test_what_is_there_is_not_reported(problems):
    source = """
        import tensorflow as tf
        import tensorflow.compat.v1 as tf1
        from tensorflow.python.framework import ops, dtypes
        from tensorflow.errors import NotFoundError as NFE
        print(tf.float32.name, tf.errors.OpError.anything, tf1.Dimension(1).value, dtypes.int32, ops.Tensor)
        tf.compat.v1.executing_eagerly()
        np.anything, NFE.anything
        """
    assert problems(source) == []


def test_what_is_missing_is_reported_once_with_its_first_line(problems):
    source = """\
        import tensorflow as tf
        x = tf.Dimension(3)
        y = [tf.Dimension(4), tf.errors.NoSuchError]
        """
    (first_line, first), (second_line, second) = problems(source)
    assert (first_line, second_line) == (2, 3)
    assert "use tf.compat.v1.Dimension" in first
    assert second == "module 'everflow.errors' has no attribute 'NoSuchError'"


def test_imports_are_looked_at(problems):
    found = problems("import tensorflow.contrib.slim\nfrom tensorflow.python.framework.ops import uid")
    assert [line for line, _ in found] == [1, 2]
    assert "tf.contrib was removed in 2.0" in found[0][1]
    assert "tensorflow.python.framework.ops.uid is internal" in found[1][1]


def test_the_generation_matters(problems):
    source = "import tensorflow as tf\ntf.Dimension(1)"
    assert problems(source, 1) == [] and len(problems(source, 2)) == 1
    assert problems(source, None) == []


def test_command(tmp_path, capsys):
    good, bad, broken = (tmp_path / name for name in ("good.py", "bad.py", "broken.py"))
    good.write_text("import tensorflow as tf\ntf.float32")
    bad.write_text("import tensorflow as tf\ntf.Dimension")
    broken.write_text("print 'Python 2'")
    assert main(["check", str(good)]) == 0
    assert capsys.readouterr().out == ""
    assert main(["check", "--tf", "2", str(good), str(bad)]) == 1
    assert capsys.readouterr().out.startswith(f"{bad}:2: tf.Dimension belongs to TensorFlow 1.x")
    assert main(["check", str(broken), str(bad)]) == 2
    assert capsys.readouterr().err.startswith(f"everflow: {broken}: Missing parentheses")
