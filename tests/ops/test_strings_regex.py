"""Regular expressions in the syntax of RE2; values are TensorFlow's."""

import pytest

import everflow as tf

v1 = tf.compat.v1
INVALID = tf.errors.InvalidArgumentError


@pytest.mark.parametrize(
    "text,pattern,rewrite,expected",
    [
        ("hello", "(l+)o", r"[\1\0]", "he[llllo]"), ("b", "(a)|b", r"<\1>", "<>"), ("aaa", "a", r"\1", "aaa"),
        ("aaa", "a", "\\\\", "\\\\\\"), ("abc", "", "-", "-a-b-c-"), ("abc", "b*", "-", "-a-c-"),
        ("baac", "a*", "-", "-b-c-"), ("é漢", "", "-", "-é-漢-"), ("é漢a", ".", "x", "xxx"),
        ("ab1 é_", r"\w", "x", "xxx éx"),
        ("ab1 ,.", "[[:punct:]]", "x", "ab1 xx"), ("ab1 ,.", "[^[:alpha:][:space:]]", "x", "abx xx"),
        ("abÉ é1", r"\p{Lu}", "x", "abx é1"), ("a\nb\n", "$", "x", "a\nb\nx"), ("a\nb\n", "(?m)^", "x", "xa\nxb\nx"),
        ("a.b", r"\Q.\E", "x", "axb"), ("aaa", "(?U)a+", "x", "xxx"), ("aAb", "a(?i)a", "x", "xb"),
        ("aé", r"\x{e9}", "x", "ax"), ("a\vb c", r"\s", "x", "a\vbxc"), ("é a", r"\b", "|", "é |a|"),
        ("Éé", "(?i)é", "x", "xx"), ("aa", "(?P<n>a)", r"<\1>", "<a><a>"), ("a[b]&&", "[[&&]", "x", "axb]xx"),
    ],
)  # fmt: skip
def test_replacement(text, pattern, rewrite, expected):
    assert tf.strings.regex_replace(text, pattern, rewrite).numpy().decode() == expected
    dynamic = tf.strings.regex_replace(text, tf.constant(pattern), tf.constant(rewrite))
    assert dynamic.numpy().decode() == expected


def test_stray_bytes_and_single_replacement():
    assert tf.strings.regex_replace(b"\xffa\x80", ".", "x").numpy() == b"\xffx\x80"
    assert v1.regex_replace("aaa", "a", "b", replace_global=False).numpy() == b"baa"


@pytest.mark.parametrize(
    "pattern", ["(a", "a)", r"\n\Z", "a(?=b)", r"(a)\1", "(?<n>a)", "a++", "b**", "a{1001}", "*", "[a", "[b-a]", "\\"]
)
def test_wrong_patterns(pattern):
    with pytest.raises(INVALID, match="Invalid pattern"):
        tf.strings.regex_replace("a", pattern, "")
    with pytest.raises(INVALID, match="Invalid pattern"):
        tf.strings.regex_full_match("a", tf.constant(pattern))


def test_full_match():
    assert tf.strings.regex_full_match(["abc", "abcd", "ab\n"], "ab.?").numpy().tolist() == [True, False, False]
    assert tf.strings.regex_full_match(["a", "ab"], tf.constant("a|ab")).numpy().tolist() == [True, True]
    with pytest.raises(INVALID, match="scalar"):
        tf.strings.regex_full_match(["a"], ["a"])


def test_in_a_graph():
    with tf.Graph().as_default(), v1.Session() as session:
        text, pattern = v1.placeholder(tf.string, [2]), v1.placeholder(tf.string, [])
        fixed, free = tf.strings.regex_replace(text, "a", "b"), tf.strings.regex_replace(text, pattern, "b")
        assert fixed.op.type == "StaticRegexReplace" and free.op.type == "RegexReplace"
        assert fixed.shape == free.shape == [2]
        assert session.run(free, {text: ["xa", "y"], pattern: "[xy]"}).tolist() == [b"ba", b"b"]
        with pytest.raises(ValueError, match="rank"):
            tf.strings.regex_replace(text, text, "b")
