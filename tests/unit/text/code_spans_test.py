import re
from random import Random

import pytest

from palo.text.code_spans import CodeSpans, code_spans

# What the scanner finds, as a regular expression, which is quadratic on what never ends.
_AS_PATTERN = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]+`|\$\$.+?\$\$|\\\[.+?\\\]|\\\(.+?\\\)|\$(?=\S)[^$\n]*?\S\$(?!\d)"
    r"|\\begin\{(\w+\*?)\}.+?\\end\{\1\}",
    re.DOTALL,
)
_SIGNS = (
    *("`", "```", "$", "$$", "\\[", "\\]", "\\(", "\\)", "\\", "{", "}", "a", "5", " ", "\n"),
    *("\\begin{a}", "\\end{a}", "\\begin{b*}", "\\end{b*}", "www.", "<", ">"),
)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("no code", []),
        ("`a` and ```b\nc```", ["`a`", "```b\nc```"]),
        ("```never ended", ["```never ended"]),
        ("$x$ costs $5 or $6", ["$x$"]),
        ("$$a$$ $$$$ $$", ["$$a$$", "$$$$ $$"]),
        (r"\[a\] \(b\) \[\] \[", [r"\[a\]", r"\(b\)"]),
        (r"\begin{a}x\begin{b}\end{a} \begin{b}", [r"\begin{a}x\begin{b}\end{a}"]),
    ],
)
def test_spans_of_code_and_mathematics(text, spans):
    assert [text[start:end] for start, end in code_spans(text)] == spans


def test_what_else_counts_is_found_where_no_code_begins():
    spans = CodeSpans(besides=r"www\.\S+").find("`www.a` www.b`c` d `e`")
    assert list(spans) == [(0, 7), (8, 16), (19, 22)]


def test_spans_are_those_of_the_regular_expression():
    draw = Random(0)
    for _ in range(3000):
        text = "".join(draw.choices(_SIGNS, k=draw.randint(1, 20)))
        expected = [match.span() for match in _AS_PATTERN.finditer(text)]
        assert list(code_spans(text)) == expected, text
