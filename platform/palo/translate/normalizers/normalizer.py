"""Normalizers, the functions that make them, and those that many languages share."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from palo import languages

HIDDEN = "\ue000"
"""Takes the place of each protected part in the text that normalizers see; they leave it there."""

_FEWEST_LETTERS = 4
"""So many letters, marks not counted, are more than abbreviations have."""
_MOST_BARS = 1
"""A line with more vertical bars is a row of a table."""
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


def by_line(normalizer: Normalizer, is_meant: Callable[[str], bool]) -> Normalizer:
    """Returns a normalizer that looks at some lines only.

    Args:
        normalizer: What it does there.
        is_meant: Returns whether a line is one of them.
    """

    def apply(text: str) -> str:
        lines = text.split("\n")
        return "\n".join(normalizer.apply(line) if is_meant(line) else line for line in lines)

    return Normalizer(name=normalizer.name, apply=apply)


def sparing(
    normalizer: Normalizer, parts: re.Pattern[str], is_spared: Callable[[str], bool]
) -> Normalizer:
    """Returns a normalizer that leaves some parts of a text alone.

    Args:
        normalizer: What it does elsewhere.
        parts: Matches parts that may stay.
        is_spared: Returns whether one of them stays.
    """

    def apply(text: str) -> str:
        pieces, end = [], 0
        for match in parts.finditer(text):
            if not is_spared(match[0]):
                continue
            pieces += [normalizer.apply(text[end : match.start()]), match[0]]
            end = match.end()
        return "".join([*pieces, normalizer.apply(text[end:])])

    return Normalizer(name=normalizer.name, apply=apply)


def is_prose(line: str) -> bool:
    """Returns whether a line is no row of a table.

    Args:
        line: A line.
    """
    return line.count("|") <= _MOST_BARS and not line.lstrip().startswith("|")


def prose(*normalizers: Normalizer) -> tuple[Normalizer, ...]:
    """Returns normalizers that leave the rows of tables alone.

    Args:
        normalizers: What they do elsewhere.
    """
    return tuple(by_line(one, is_prose) for one in normalizers)


def no_space_before(marks: str) -> Normalizer:
    """Returns a normalizer that removes spaces before some marks where they end something.

    The colon of a ratio keeps its spaces, and so does a smiley the one before it, and a mark that
    is spoken of or stands for something: behind an equals sign, before words in small letters.

    Args:
        marks: The marks, for use between square brackets.
    """
    ratio = r"(?<=\d)[ \u00a0\u202f]+:[ \u00a0\u202f]+\d|(?<=\b\w)[ \u00a0\u202f]+::? +\w\b"
    return replacing(
        "no space before a mark",
        rf"(?!{ratio})(?<=[^\s.,;:!?|=])[ \u00a0\u202f]+"
        r"(?![:;] ?\)|[.,:!?] [.,:!?]|[?!](?:\.(?!\.)|:| +[a-zß-öø-ÿа-яё]))"
        rf"(?=[{marks}]+(?:\s|$|[\"”’»)]))",
        "",
    )


def _is_not_aligned(line: str) -> bool:
    """Returns whether a line has no columns: no tab, and no wide gaps between its words."""
    return "\t" not in line and _WIDE_GAP.search(line) is None


_WIDE_GAP = re.compile(r"\S[ \u00a0]{3,}\S")
_EYES = r"(?<![:;=][(\[])(?<![:;=][-'^][(\[])"

SPACING = prose(
    by_line(replacing("single spaces", r"(?<=[^\s|])[ \u00a0]{2}(?=[^\s|])", " "), _is_not_aligned),
    # An opening bracket may be the mouth of a smiley.
    replacing("no space within brackets", rf"{_EYES}(?<=[(\[])[ \u00a0]+(?=[^\s\])xX])", ""),
    replacing("no space within brackets", r"(?<=[^\s(\[:;=])(?<!\[ [xX])[ \u00a0]+(?=[)\]])", ""),
)
"""For every script that puts spaces between its words."""


def vocabulary(words: str) -> frozenset[str]:
    """Returns words in Unicode's composed form, which is what normalizers see.

    Args:
        words: The words, with spaces between them.
    """
    return frozenset(unicodedata.normalize("NFC", words).split())


@dataclass(frozen=True, kw_only=True, slots=True)
class SentenceEnds:
    """What tells the last word of a sentence from an abbreviation, where nothing else does.

    Attributes:
        letters: Letters and signs of the script, for use between square brackets.
        words: Verbs that end sentences, whatever their length.
        answers: Answers that are sentences of their own.
        endings: Ends of verbs that stand at the end of sentences.
        abbreviations: Words that are abbreviated with a Latin full stop.
    """

    letters: str
    words: frozenset[str]
    answers: frozenset[str] = frozenset()
    endings: tuple[str, ...] = ()
    abbreviations: frozenset[str]

    def is_verb(self, word: str) -> bool:
        """Returns whether a word surely is the verb that ends a sentence.

        Args:
            word: A word of the script.
        """
        return word in self.words or (
            word not in self.abbreviations and word.endswith(self.endings or ("\0",))
        )

    def ends(self, word: str, *, is_last: bool) -> bool:
        """Returns whether a word before a full stop surely ends a sentence.

        Args:
            word: A word of the script.
            is_last: Whether nothing follows the full stop in its line.
        """
        if word in self.words or word in self.answers:
            return True
        if word in self.abbreviations:
            return False
        num_letters = sum(unicodedata.category(sign)[0] == "L" for sign in word)
        if num_letters < 2:
            return False
        return is_last or num_letters >= _FEWEST_LETTERS or word.endswith(self.endings or ("\0",))


def full_stop(stop: str, sentences: SentenceEnds) -> Normalizer:
    """Returns a normalizer that replaces a Latin full stop at the end of a sentence.

    An abbreviation keeps it.

    Args:
        stop: The language's full stop.
        sentences: How its sentences end.
    """
    # Whole words only: else each letter would be tried as the first of one.
    latin = re.compile(
        rf"(?<![{sentences.letters}])([{sentences.letters}]++)([\"”’)]*+)[ \u00a0]*+\."
        r"(?=[\"”’)]*+(?:$|(\s)))",
        re.MULTILINE,
    )

    def ended(match: re.Match[str]) -> str:
        word, closed, space = match.groups()
        is_last = space in (None, "\n")
        before = match.string[match.start() - 1 : match.start()]
        if before == "." or not (closed or sentences.ends(word, is_last=is_last)):
            return match[0]
        return f"{word}{closed}{stop}"

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
