"""Strings split into sparse tensors; values are TensorFlow's."""

import pytest

import everflow as tf

v1 = tf.compat.v1


def rows(sparse):
    result = [[] for _ in range(sparse.dense_shape.numpy()[0])]
    for (row, _), part in zip(sparse.indices.numpy().tolist(), sparse.values.numpy().tolist()):
        result[row].append(part.decode())
    return result


def test_at_any_byte():
    texts = ["hello world", "a b  c ", ""]
    assert rows(v1.string_split(texts)) == [["hello", "world"], ["a", "b", "c"], []]
    assert rows(v1.string_split(texts, skip_empty=False)) == [["hello", "world"], ["a", "b", "", "c", ""], []]
    assert rows(v1.string_split(["a,b;c"], delimiter=",;")) == [["a", "b", "c"]]
    assert rows(v1.string_split(["abc"], "")) == [["a", "b", "c"]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="vector"):
        v1.string_split("a b")


@pytest.mark.parametrize(
    "text,separator,most,expected",
    [
        ("a b  c ", None, -1, ["a", "b", "c"]), ("a b  c ", None, 1, ["a", "b  c "]), (" x", None, 1, ["x", ""]),
        ("", None, -1, []), ("", ",", -1, [""]), ("a,b,,c", ",", -3, ["a", "b", "", "c"]), (" x", None, 0, [" x"]),
        ("a,b,,c", ",", 2, ["a", "b", ",c"]), ("xababyab", "ab", -1, ["x", "", "y", ""]),
    ],
)  # fmt: skip
def test_at_a_separator(text, separator, most, expected):
    assert rows(v1.strings.split([text], separator, most)) == [expected]
    assert rows(v1.strings.split(text, separator, most)) == [expected]


def test_what_needs_ragged_tensors():
    with pytest.raises(NotImplementedError, match="ragged"):
        v1.strings.split([["a b"]])
    with pytest.raises(NotImplementedError, match="ragged"):
        v1.string_split(["a b"], result_type="RaggedTensor")
