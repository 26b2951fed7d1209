"""Which generation a program was written for is read from its source."""

import textwrap

import pytest

from everflow._src.cli.generation import detect

PROGRAMS = {
    "a session": (1, "import tensorflow as tf\nwith tf.Session() as session: pass"),
    "another alias": (1, "import tensorflow\ntensorflow.placeholder(tensorflow.float32)"),
    "contrib": (1, "import tensorflow as tf\ntf.contrib.layers.flatten(x)"),
    "an import of contrib": (1, "import tensorflow.contrib.slim as slim"),
    "a from-import of contrib": (1, "from tensorflow.contrib import rnn"),
    "the tutorials": (1, "from tensorflow.examples.tutorials.mnist import input_data"),
    "1.x layers": (1, "import tensorflow as tf\ntf.layers.dense(x, 10)"),
    "1.x eager execution": (1, "import tensorflow as tf\ntf.enable_eager_execution()\ntf.GradientTape()"),
    "an old keyword": (1, "import tensorflow as tf\ntf.reduce_sum(x, keep_dims=True)"),
    "names before 1.0": (1, "import tensorflow as tf\ntf.mul(x, y)"),
    "1.x app": (1, "import tensorflow as tf\ntf.app.run()"),
    "graphs through compat.v1 alone": (
        1,
        "import tensorflow.compat.v1 as tf\nx = tf.placeholder(tf.float32)\ntf.Session().run(x)",
    ),
    "a function": (2, "import tensorflow as tf\n@tf.function\ndef f(x): return x"),
    "keras": (2, "import tensorflow as tf\ntf.keras.Sequential()"),
    "from keras": (2, "from tensorflow.keras import layers\nlayers.Dense(3)"),
    "2.x names": (2, "import tensorflow as tf\ntf.random.set_seed(1)"),
    "2.x summaries": (2, "import tensorflow as tf\ntf.summary.create_file_writer('x')"),
    "nothing in particular": (2, "import tensorflow as tf\nprint(tf.constant(1))"),
    "no tensorflow at all": (2, "print(1)"),
    "compat.v1 that switches by itself": (
        2,
        "import tensorflow.compat.v1 as tf\ntf.disable_v2_behavior()\nx = tf.placeholder(tf.float32)",
    ),
    "2.x with a 1.x part": (
        2,
        "import tensorflow as tf\ntf.compat.v1.disable_eager_execution()\ntf.compat.v1.Session()",
    ),
    "mostly 1.x, with a guard": (
        1,
        """
        import tensorflow as tf
        if tf.__version__.startswith("2"):
            tf.random.set_seed(1)
        else:
            tf.set_random_seed(1)
        tf.Session(); tf.placeholder(tf.float32)
        """,
    ),
    "a local name that shadows nothing": (2, "import numpy as tf\ntf.placeholder"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_detect(tmp_path, name):
    generation, source = PROGRAMS[name]
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(source))
    assert detect(str(path)) == generation


@pytest.mark.parametrize(
    ("statement", "file"),
    [
        ("import model", "model.py"),
        ("from model import Net", "model.py"),
        ("from nets import cnn", "nets/cnn.py"),
        ("import nets.cnn", "nets/cnn.py"),
        ("import nets", "nets/__init__.py"),
    ],
)
def test_modules_beside_the_script_count(tmp_path, statement, file):
    (tmp_path / "nets").mkdir()
    (tmp_path / file).write_text("import tensorflow as tf\nx = tf.get_variable('x')")
    script = tmp_path / "script.py"
    script.write_text(f"import tensorflow as tf\n{statement}\nprint(tf.float32)")
    assert detect(str(script)) == 1


def test_a_broken_module_beside_the_script_is_passed_over(tmp_path):
    (tmp_path / "model.py").write_text("def (:")
    script = tmp_path / "script.py"
    script.write_text("import model\nimport tensorflow as tf\ntf.Session")
    assert detect(str(script)) == 1
