"""The check for repetitions: loops of a model, and turns that repeat one another."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from palo.translate.checks.case import CheckCase, Side, fault
from palo.translate.translated import CheckResult

_WORDS, _CHARACTERS = 3, 8
_MOST_SAME_WORDS = 2
_MOST_TOKENS = 50_000
"""Later words or characters of a turn aren't checked."""
# A long name that is repeated is no fault.
_FEW_WORDS, _FEW_CHARACTERS = 2, 6
# A letter four times, two to five letters four times, a mark other than a full stop three times.
_LETTER_LOOP = re.compile(r"([^\W\d])\1{3,}|((?=[^\W\d_])\S{2,5}?)\2{3,}")
_MARK_LOOP = re.compile(r"([^\w\s.])\1{2,}|([?？؟!！])\2+|\.{5,}|(?<=\w)[?؟？](?=[^\W\d_])")
_SHOWN = 24
# Marks of Arabic and of India's scripts tell words apart, and are no word characters for `re`.
_NO_LETTERS = re.compile(r"(?:_|[^\w\u064b-\u065f\u0900-\u0963\u0966-\u0dff])+")
_FEWEST_SAME = 8
"""Shorter turns may be the same: yes, and yes."""


def repetition(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn that repeats itself, or the turn before, more than its source.

    Args:
        case: The translation and its source.
    """
    before: Side | None = None
    for side in case.sides:
        if loop := _loop(side):
            yield fault("repetition", side, f"This turn repeats {loop!r}.", 0.9)
        elif repeated := _runs(side, is_spaceless=case.is_spaceless):
            yield fault("repetition", side, f"This turn repeats itself: {repeated!r}.", 0.9)
        elif before is not None and _is_echo(before, side):
            yield fault("repetition", side, "This turn repeats the turn before it.", 0.9)
        elif _is_doubled(side):
            yield fault("repetition", side, "This turn says everything twice.", 0.9)
        before = side


def _loop(side: Side) -> str:
    """Returns letters or marks that follow themselves, "" for none or those of the source."""
    for pattern in (_LETTER_LOOP, _MARK_LOOP):
        found = pattern.search(side.words)
        if found and pattern.search(side.source) is None and not _asks(side, found[0]):
            return found[0][:_SHOWN]
    return ""


def _asks(side: Side, mark: str) -> bool:
    """Returns whether a mark ends a question, though a letter follows: without spaces."""
    return mark == "？" and "?" in side.source


def _letters(text: str) -> str:
    return _NO_LETTERS.sub("", text[:_MOST_TOKENS]).casefold()


def _is_echo(before: Side, side: Side) -> bool:
    """Returns whether a turn holds all of the turn before, which it doesn't in the source."""
    start = before.words.strip()[:_FEWEST_SAME]
    # Most turns are done with here, without a look at each letter.
    if len(start) < _FEWEST_SAME or start not in side.words:
        return False
    if _letters(before.words) not in _letters(side.words):
        return False
    return _letters(before.source) not in _letters(side.source)


def _is_doubled(side: Side) -> bool:
    """Returns whether a turn consists of one text twice, which its source doesn't."""
    start = side.words.strip()[:_FEWEST_SAME]
    if side.words.find(start, side.words.find(start) + 1) < 0:
        return False
    text, source = _letters(side.words), _letters(side.source)
    half = len(text) // 2
    if len(text) < 2 * _FEWEST_SAME or len(text) % 2 or text[:half] != text[half:]:
        return False
    return source[: len(source) // 2] != source[len(source) // 2 :]


def _runs(side: Side, *, is_spaceless: bool) -> str:
    """Returns words, or characters, that come again more often than in the source."""
    size = _CHARACTERS if is_spaceless else _WORDS
    tokens: Sequence[str] = side.words if is_spaceless else side.words.split()
    tokens, source = tokens[:_MOST_TOKENS], side.source.split()[:_MOST_TOKENS]
    repeated, num = _repeated(tokens, size)
    stutter = _stutter(side.words.split()[:_MOST_TOKENS] if is_spaceless else tokens)
    few = _FEW_CHARACTERS if is_spaceless else _FEW_WORDS
    if num > max(few, _repeated(source, _WORDS)[1] * 2):
        return repeated
    return repeated if stutter > max(_MOST_SAME_WORDS, _stutter(source)) else ""


def _repeated(tokens: Sequence[str], size: int) -> tuple[str, int]:
    """Returns the most frequent run of some tokens, and how many runs are there again."""
    count = Counter(tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1))
    if not count:
        return "", 0
    most = max(count, key=lambda run: count[run])
    joint = "" if isinstance(tokens, str) else " "
    return joint.join(most), sum(number - 1 for number in count.values())


def _stutter(tokens: Sequence[str]) -> int:
    """Returns how often the same word follows itself at most, itself included."""
    longest = run = min(1, len(tokens))
    for before, after in pairwise(tokens):
        run = run + 1 if before == after else 1
        longest = max(longest, run)
    return longest
