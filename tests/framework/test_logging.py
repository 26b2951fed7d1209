"""tf.get_logger and tf.compat.v1.logging: levels, lines, counts."""

import logging

import pytest

import everflow as tf

v1 = tf.compat.v1


@pytest.fixture
def records():
    found = []

    class Handler(logging.Handler):
        def emit(self, record):
            found.append(record)

    handler, level = Handler(), v1.logging.get_verbosity()
    tf.get_logger().addHandler(handler)
    yield found
    tf.get_logger().removeHandler(handler)
    v1.logging.set_verbosity(level)


def test_levels_and_texts(records):
    v1.logging.set_verbosity(v1.logging.WARN)
    v1.logging.info("hidden")
    v1.logging.warn("shown %d", 2)
    v1.logging.set_verbosity(v1.logging.INFO)
    v1.logging.info("now %s", "too")
    v1.logging.fatal("end")
    assert [(r.name, r.levelname, r.getMessage()) for r in records] == [
        ("tensorflow", "WARNING", "shown 2"), ("tensorflow", "INFO", "now too"), ("tensorflow", "CRITICAL", "end")
    ]
    assert {r.filename for r in records} == {"test_logging.py"}


def test_counts_belong_to_lines(records):
    for i in range(5):
        v1.logging.log_every_n(v1.logging.ERROR, "every %d", 2, i)
        v1.logging.log_first_n(v1.logging.ERROR, "first %d", 2, i)
        v1.logging.log_if(v1.logging.ERROR, "if %d", i > 3, i)
    texts = [r.getMessage() for r in records]
    assert texts == ["every 0", "first 0", "first 1", "every 2", "every 4", "if 4"]
