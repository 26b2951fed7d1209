"""Strings: their lengths, case, joins, parts, numbers, patterns and codes; values are TensorFlow's."""

import numpy as np
import pytest

import everflow as tf

v1 = tf.compat.v1
INVALID = tf.errors.InvalidArgumentError


def of(tensor):
    return tensor.numpy().tolist() if tensor.shape.rank else tensor.numpy()


def test_lengths():
    assert of(tf.strings.length(["a", "é漢", b"\xff\x80"])) == [1, 5, 2]
    assert of(tf.strings.length(["a", "é漢", b"\xff\x80"], unit="UTF8_CHAR")) == [1, 2, 1]
    assert of(v1.strings.length("é", None, "UTF8_CHAR")) == 1
    with pytest.raises(INVALID, match="unit"):
        tf.strings.length("a", unit="X")
    with tf.Graph().as_default(), pytest.raises(ValueError, match="unit"):
        tf.strings.length("a", unit="X")


def test_case_and_blanks():
    assert of(tf.strings.lower("AÉ")).decode() == "aÉ"
    assert of(tf.strings.lower("AÉΣ", encoding="utf-8")).decode() == "aéς"
    assert of(tf.strings.upper("aéß", encoding="utf-8")).decode() == "AÉSS"
    assert of(tf.strings.upper(b"a\xff\xc3b", encoding="utf-8")).decode() == "A\ufffd\ufffdB"
    assert of(tf.strings.strip([b" \t\n\v\f\r\0a b\0 ", "\u00a0a"])) == [b"\0a b\0", b"\xc2\xa0a"]
    with pytest.raises(INVALID, match="latin"):
        tf.strings.lower("a", encoding="latin")


def test_join():
    assert of(tf.strings.join(["a", ["b", "c"]], separator="-")) == [b"a-b", b"a-c"]
    assert of(v1.string_join(["a", "b"])) == b"ab" and of(tf.strings.join([])) == b""
    with pytest.raises(INVALID, match="shapes"):
        tf.strings.join([["a", "b"], ["c"]])
    with pytest.raises(TypeError):
        tf.strings.join("ab")
    with tf.Graph().as_default():
        parts = [v1.placeholder(tf.string, s) for s in ([2, None], [None, 3], [])]
        assert tf.strings.join(parts).shape == [2, 3]
        with pytest.raises(ValueError, match="3"):
            tf.strings.join([parts[1], v1.placeholder(tf.string, [2, 2])])


@pytest.mark.parametrize(
    "axis,expected",
    [
        (None, b"a.b.c.d"), (0, [b"a.c", b"b.d"]), (-1, [b"a.b", b"c.d"]), ([0, 1], b"a.c.b.d"),
        ([1, 0], b"a.b.c.d"), ([], [[b"a", b"b"], [b"c", b"d"]]),
    ],
)  # fmt: skip
def test_reduce_join(axis, expected):
    strings = [["a", "b"], ["c", "d"]]
    assert of(tf.strings.reduce_join(strings, axis, separator=".")) == expected
    assert of(v1.reduce_join(strings, axis, separator=".")) == expected
    assert tf.strings.reduce_join(strings, axis, keepdims=True).shape.rank == 2


def test_reduce_join_of_nothing_and_errors():
    assert of(tf.strings.reduce_join(tf.zeros([0, 2], tf.string), 0, separator="x")) == [b"", b""]
    with pytest.raises(tf.errors.OutOfRangeError):
        tf.strings.reduce_join(["a"], 1)
    with pytest.raises(INVALID, match="Duplicate"):
        tf.strings.reduce_join(["a"], [0, 0])
    with pytest.raises(ValueError, match="both"):
        v1.reduce_join(["a"], axis=0, reduction_indices=0)


def test_reduce_join_in_a_graph():
    with tf.Graph().as_default() as graph:
        joined = tf.strings.reduce_join(v1.placeholder(tf.string, [2, 3], name="x"))
        assert joined.shape == []
        assert [op.name for op in graph.get_operations()] == ["x", "ReduceJoin/Const", "ReduceJoin/ReduceJoin"]
        unknown = v1.placeholder(tf.string, None)
        with v1.Session() as session:
            joined = tf.strings.reduce_join(unknown)
            assert session.run(joined, {unknown: [["a", "b"], ["c", "d"]]}) == b"abcd"


def test_substr():
    assert of(tf.strings.substr(["hello", "hi"], 1, 10)) == [b"ello", b"i"]
    assert of(tf.strings.substr("hello", -3, 2)) == b"ll"
    assert of(tf.strings.substr(["hello", "wörld"], [-1, -4], [2, 3], unit="UTF8_CHAR")) == [b"o", "örl".encode()]
    assert of(tf.strings.substr(b"a\xff\x80b\xc3c", 1, 3, unit="UTF8_CHAR")) == b"\xff\x80b\xc3"
    assert of(tf.strings.substr("hello", [1, 2], [2, 3])) == [b"el", b"llo"]
    assert of(v1.substr("hello", 5, 2)) == b""
    for position in (6, -6):
        with pytest.raises(INVALID, match="out of range"):
            tf.strings.substr("hello", position, 1)
    with pytest.raises(INVALID, match="same shape"):
        tf.strings.substr("a", [0], 1)
    with pytest.raises(INVALID, match="shapes"):
        tf.strings.substr(["a", "b"], [0, 0, 0], [1, 1, 1])


@pytest.mark.parametrize(
    "text,number",
    [("1", 1), (" 12 ", 12), ("+4", 4), ("1e3", 1000), (".5", 0.5), ("0x10", 16), ("-inf", -np.inf), ("1e39", np.inf),
     ("  ", 0)],
)  # fmt: skip
def test_numbers(text, number):
    assert of(tf.strings.to_number(text)) == number
    assert of(v1.string_to_number(input=text)) == number


@pytest.mark.parametrize("text", ["", "abc", "1 2", "1_000", "1e", "Infinity", "0x1.8p1", "٣"])
def test_what_is_no_number(text):
    for dtype in (tf.float32, tf.float64, tf.int32, tf.int64):
        with pytest.raises(INVALID, match="correctly convert"):
            tf.strings.to_number(text, dtype)


def test_integers():
    assert of(tf.strings.to_number(["-3", " 16777217\n"], tf.int32)) == [-3, 16777217]
    assert of(tf.strings.to_number("3000000000", tf.int64)) == 3000000000
    for text in ("3000000000", "+4", "1.5"):
        with pytest.raises(INVALID):
            tf.strings.to_number(text, tf.int32)


@pytest.mark.parametrize(
    "value,options,expected",
    [
        (np.float32([1.5, np.nan, 1e-7]), {}, [b"1.500000", b"nan", b"0.000000"]),
        (np.float32([1.5, np.inf]), {"width": 8, "fill": "0", "precision": 1}, [b"000001.5", b"     inf"]),
        (np.float64([1e10, 0.1]), {"shortest": True}, [b"1e+10", b"0.1"]),
        (np.float64([-2.25]), {"scientific": True}, [b"-2.250000e+00"]),
        (np.int32([3, -4]), {"width": 4, "fill": "-"}, [b"3   ", b"-4  "]),
        (np.uint8([200]), {"fill": "+"}, [b"200"]),
        (np.array([True, False]), {"width": 9}, [b"true", b"false"]),
        (np.complex64([1.5 - 2j]), {"precision": 1}, [b"(1.5,-2.0)"]),
        (["ab"], {"width": 4, "fill": "0"}, [b"  ab"]),
    ],
)
def test_as_string(value, options, expected):
    assert of(tf.as_string(value, **options)) == expected


def test_as_string_errors():
    for value, options in ((1, {"precision": 2}), (1, {"shortest": True}), (1.0, {"fill": "x"}), (1.0, {"fill": "ab"}),
                           (1.0, {"shortest": True, "scientific": True})):
        with pytest.raises(INVALID):
            tf.as_string(value, **options)


def test_base_64():
    texts = [b"a", b"ab", b"abc", b"\xff\xfe?>"]
    assert of(tf.io.encode_base64(texts)) == [b"YQ", b"YWI", b"YWJj", b"__4_Pg"]
    assert of(tf.io.encode_base64(texts, pad=True)) == [b"YQ==", b"YWI=", b"YWJj", b"__4_Pg=="]
    for pad in (False, True):
        assert of(tf.io.decode_base64(tf.io.encode_base64(texts, pad=pad))) == texts
    for wrong in ("A", "YQ=", "YWJ+", "YW Jj", "====", "Y==="):
        with pytest.raises(INVALID):
            tf.io.decode_base64(wrong)
