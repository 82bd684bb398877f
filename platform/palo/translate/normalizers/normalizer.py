"""Normalizers, the functions that make them, and those that many languages share."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from palo import languages

HIDDEN = "\ue000"
"""Takes the place of each protected part in the text that normalizers see; they leave it there."""

_SHORTEST = 3
_BEFORE = re.compile(r"(?:^|[\s(\[—–\-,，、。：:«“「/])$|[\u3040-\u30ff\u4e00-\u9fff]$")
_BEHIND = re.compile(
    r"^(?:$|[\s)(（\].,;:!?…—–\-/»”」，、。！？；：’'])|^[\u3040-\u30ff\u4e00-\u9fff]"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Normalizer:
    """One convention of a language's writing.

    Attributes:
        name: What it is about.
        apply: Returns a text in this convention; a text that follows it already, unchanged.
    """

    name: str
    apply: Callable[[str], str]


def replacing(name: str, pattern: str, replacement: str) -> Normalizer:
    """Returns a normalizer that replaces the matches of a regular expression.

    Args:
        name: What it is about.
        pattern: The expression; `^` and `$` match at every line.
        replacement: What replaces a match, as in `re.sub`.
    """
    compiled = re.compile(pattern, re.MULTILINE)
    return Normalizer(name=name, apply=lambda text: compiled.sub(replacement, text))


def mapping(name: str, before: str, after: str) -> Normalizer:
    """Returns a normalizer that replaces single characters by others.

    Args:
        name: What it is about.
        before: The characters.
        after: Their replacements, in the same order.
    """
    table = str.maketrans(before, after)
    return Normalizer(name=name, apply=lambda text: text.translate(table))


def no_space_before(marks: str) -> Normalizer:
    """Returns a normalizer that removes spaces before some marks where they end something.

    Args:
        marks: The marks, for use between square brackets.
    """
    return replacing(
        "no space before a mark",
        rf"(?<=[^\s.,;:!?|])[ \u00a0\u202f]+(?=[{marks}]+(?:\s|$|[\"”’»)]))",
        "",
    )


SPACING = (
    replacing("single spaces", r"(?<=[^\s|])[ \u00a0]{2,}(?=[^\s|])", " "),
    replacing("no space within brackets", r"(?<=[(\[])[ \u00a0]+(?=[^\s\])xX])", ""),
    replacing("no space within brackets", r"(?<=[^\s(\[])[ \u00a0]+(?=[)\]])", ""),
)
"""For every script that puts spaces between its words."""


def full_stop(stop: str, letters: str, *, sentence_ends: str, abbreviations: str) -> Normalizer:
    """Returns a normalizer that replaces a Latin full stop at the end of a sentence.

    An abbreviation keeps it.

    Args:
        stop: The language's full stop.
        letters: Letters and signs of its script, for use between square brackets.
        sentence_ends: Short words that end sentences; other short words may be abbreviations.
        abbreviations: Longer words that are abbreviated with a Latin full stop.
    """
    short, long = frozenset(sentence_ends.split()), frozenset(abbreviations.split())
    # Whole words only: else each letter would be tried as the first of one.
    latin = re.compile(
        rf"(?<![{letters}])([{letters}]++)([\"”’)]*+)[ \u00a0]*+\.(?=[\"”’)]*+(?:$|(\s)))",
        re.MULTILINE,
    )

    def ended(match: re.Match[str]) -> str:
        word = match[1]
        is_word = word in short or (len(word) >= _SHORTEST and word not in long)
        before = match.string[match.start() - 1 : match.start()]
        if before == "." or (match[3] not in (None, "\n") and not is_word):
            return match[0]
        return f"{word}{match[2]}{stop}"

    return Normalizer(name="full stop", apply=lambda text: latin.sub(ended, text))


def quotes(language: str) -> Normalizer:
    """Returns a normalizer that replaces straight quotation marks, where it is sure which is which.

    Args:
        language: ISO 639-1 code; its quotation marks are in the registry of languages.
    """
    opening, closing = languages.get(language).quotes

    def apply(text: str) -> str:
        return "\n".join(_curved(line, opening, closing) for line in text.split("\n"))

    return Normalizer(name="quotation marks", apply=apply)


def _curved(line: str, opening: str, closing: str) -> str:
    parts = line.split('"')
    if len(parts) < 3 or len(parts) % 2 == 0:
        return line
    outside, within = parts[::2], parts[1::2]
    sure = all(map(_BEFORE.search, (part[-1:] for part in outside[:-1]))) and all(
        map(_BEHIND.match, (part[:1] for part in outside[1:]))
    )
    # What is empty, or has spaces at its edges, may be anything: inches, for example.
    if not sure or any(not part or part != part.strip() for part in within):
        return line
    if any(mark.strip() in part for part in within for mark in (opening, closing)):
        return line  # a quotation within a quotation wants other marks
    pieces = [outside[0]]
    for inner, outer in zip(within, outside[1:], strict=True):
        pieces += [opening, inner, closing, outer]
    return "".join(pieces)
