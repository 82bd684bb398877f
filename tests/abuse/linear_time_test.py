"""Every parser of text that comes from others takes linear time and little memory.

A parser is registered by one line in `jobs/bench/abuse_parts/parsers.py`.
"""

import re

import pytest
from tests.abuse.linear_time import PARSERS, assert_linear, hostile_texts, peak_bytes

from palo.text.normal_form import normal_form

_SIZE, _MOST_BYTES = 2**14, 1000
"""Characters of the texts whose memory is measured, and most bytes for each of them."""


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_a_parser_takes_linear_time(parser):
    """Regression: a few kilobytes of brackets, marks, spaces or escapes took seconds."""
    assert_linear(parser.build())


@pytest.mark.parametrize(
    "name",
    [
        *(["'\\\\['", "'a'", "'`a'", "'&#1;'", "'\\u202a\\u2066'", "'\\u0301\\u0323'"]),
        *("random signs", "isolates, then ends of embeddings", "'&' and many 'amp;'"),
    ],
)
def test_the_normal_form_takes_at_most_fifty_bytes_for_each_character(name):
    size = 2**17
    peak = peak_bytes(lambda text: normal_form(text, "Latn"), hostile_texts()[name](size))
    assert peak < 50 * size


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_a_parser_takes_little_memory(parser):
    parse = parser.build()
    texts = hostile_texts()
    names = ("random signs", "words, each another", "numbers, each another")
    for name in names:
        parse(texts[name](64))  # what is loaded once
    peaks = {name: peak_bytes(parse, texts[name](_SIZE)) / _SIZE for name in names}
    assert max(peaks.values()) < _MOST_BYTES, peaks


def test_what_is_not_linear_is_found():
    assert_linear(len)
    trailing = re.compile(r"\s+$")
    with pytest.raises(AssertionError, match="16 times as much of spaces takes inf times as long"):
        assert_linear(trailing.search, {"spaces": lambda size: " " * (size // 4) + "x"})
