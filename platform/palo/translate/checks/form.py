"""Checks of the form: turns, lines, lengths, ends of sentences, repetitions."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from palo.translate.checks.case import CheckCase, Side, fault
from palo.translate.request import MOST_SPANS
from palo.translate.translated import CheckResult, Decision

_ITEM = re.compile(r"^[^\S\n]*+(?:[-*•]|\d+[.)])\s", re.MULTILINE)
_BRACKET_PAIRS = (("(（", ")）"), ("[", "]"))
_ENDS = frozenset(".!?…。！？؟۔।॥:：;；")
_QUESTIONS = frozenset("?？؟")
_QUOTES = "\"'“”‘’„»」』"
_CLOSERS = _QUOTES + "）)]*_ \u00a0\u202f\u200f"
# Short texts vary more: this is divided by the root of the length, and added to the spread.
_CHANCE = 1.5
# With a sentence more or less than the source, this share of the usual limit holds.
_WITH_OTHER_SENTENCES = 0.55
_SENTENCE_END = re.compile(r"[.!?](?=[\s\"'”’»)]|$)|[。！？۔؟।॥]")
_SHORTER, _MUCH_SHORTER = 0.0, -1.5
_WORDS, _CHARACTERS = 3, 8
_MOST_SAME_WORDS = 2
_MOST_TOKENS = 50_000
"""Later words or characters of a turn aren't checked."""
# A long name that is repeated is no fault.
_FEW_WORDS, _FEW_CHARACTERS = 2, 6


def turns(case: CheckCase) -> Iterator[CheckResult]:
    """Yields missing, surplus and empty turns, and turns with too many protected spans.

    Args:
        case: The translation and its source.
    """
    wanted, got = len(case.request.turns), len(case.texts)
    if wanted != got:
        reason = f"The translation has {got} turns, the source {wanted}."
        yield CheckResult(check="turns", decision=Decision.RETRY, reason=reason, doubt=1.0)
        return
    for number, (protected, text) in enumerate(zip(case.request.turns, case.texts, strict=True)):
        if len(protected.spans) > MOST_SPANS:
            count = len(protected.spans)
            yield CheckResult(
                check="turns",
                decision=Decision.QUARANTINE,
                reason=f"The source of this turn holds {count} parts that must stay.",
                turn=number,
                doubt=1.0,
            )
        elif protected.text.strip() and not any(map(str.isalnum, text)):
            yield CheckResult(
                check="turns",
                decision=Decision.RETRY,
                reason="The translation of this turn is empty.",
                turn=number,
                doubt=1.0,
            )


def layout(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn with other lines or list items than its source, or unclosed brackets.

    Args:
        case: The translation and its source.
    """
    for side in case.sides:
        source, text = side.protected.text, side.text
        before, after = _num_lines(source), _num_lines(text)
        items = len(_ITEM.findall(source)), len(_ITEM.findall(text))
        reason = ""
        if before != after:
            reason = f"The translation has {after} lines, the source {before}."
        elif items[0] != items[1]:
            reason = f"The translation has {items[1]} list items, the source {items[0]}."
        elif (bracket := _unclosed(text)) and not _unclosed(source):
            reason = f"The brackets {bracket} of the translation don't match."
        if reason:
            yield fault("layout", side, reason, 0.7)


def _num_lines(text: str) -> int:
    return sum(1 for line in text.split("\n") if line.strip())


def _unclosed(text: str) -> str:
    """Returns a pair of brackets that doesn't match, "" if all do.

    Quotation marks aren't looked at: a turn may begin or end within a quotation.
    """
    for opening, closing in _BRACKET_PAIRS:
        if sum(map(text.count, opening)) != sum(map(text.count, closing)):
            return f"{opening[0]}{closing[0]}"
    return ""


def length(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn that is far too short or too long.

    Args:
        case: The translation and its source.
    """
    for side in case.sides:
        spreads = _spreads(case, side)
        if spreads is None:
            continue
        doubt = min(1.0, abs(spreads) / (2 * case.limits.length_spreads))
        most = case.limits.length_spreads
        more = _num_sentences(side.words) - _num_sentences(side.source)
        if more * spreads > 0:
            most *= _WITH_OTHER_SENTENCES
        if abs(spreads) > most:
            what = "short" if spreads < 0 else "long"
            reason = (
                f"This turn is too {what}: {len(side.text)} characters"
                f" for {len(side.source)} of the source."
            )
            yield fault("length", side, reason, max(0.5, doubt))
        elif doubt > 0.25:
            yield CheckResult(check="length", turn=side.number, doubt=doubt)


def ending(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn that breaks off, or has lost its question.

    Args:
        case: The translation and its source.
    """
    if not case.language.full_stop:
        return
    for side in case.sides:
        before, after = _last(side.source), _last(side.words)
        if before not in _ENDS:
            continue
        asks = not _QUESTIONS.isdisjoint(side.words)
        if before in _QUESTIONS and not asks:
            yield fault(
                "ending", side, "The source ends in a question, the translation has none.", 0.8
            )
        elif after in _QUESTIONS and _QUESTIONS.isdisjoint(side.source):
            yield CheckResult(check="ending", turn=side.number, doubt=0.4)
        elif after not in _ENDS:
            if _breaks_off(case, side):
                yield fault(
                    "ending",
                    side,
                    "The translation breaks off: nothing ends its last sentence.",
                    0.8,
                )
            else:
                yield CheckResult(check="ending", turn=side.number, doubt=0.4)


def _num_sentences(text: str) -> int:
    return sum(1 for part in _SENTENCE_END.split(text) if any(map(str.isalnum, part)))


def _breaks_off(case: CheckCase, side: Side) -> bool:
    """Returns whether a turn without a mark at its end is so short that some of it is missing."""
    text = side.words.rstrip()
    if text.endswith(tuple(_QUOTES)) and side.source.rstrip().endswith(tuple(_QUOTES)):
        return False
    spreads = _spreads(case, side)
    finals = case.profile.finals
    whole = bool(finals) and text.rstrip(_CLOSERS).endswith(finals)
    return spreads is not None and spreads < (_MUCH_SHORTER if whole else _SHORTER)


def _spreads(case: CheckCase, side: Side) -> float | None:
    """Returns the standard deviations from the expected length; None for a short source."""
    before, after = len(side.source.strip()), len(side.words.strip())
    if before < case.limits.shortest or not after:
        return None
    expected = case.profile.length - case.source_profile.length
    spread = math.hypot(case.profile.length_spread, _CHANCE / math.sqrt(before))
    return (math.log(after / before) - expected) / spread


def _last(text: str) -> str:
    return text.rstrip(_CLOSERS)[-1:]


def repetition(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn that repeats itself more than its source.

    Args:
        case: The translation and its source.
    """
    size = _CHARACTERS if case.is_spaceless else _WORDS
    for side in case.sides:
        tokens: Sequence[str] = side.words if case.is_spaceless else side.words.split()
        tokens, source = tokens[:_MOST_TOKENS], side.source.split()[:_MOST_TOKENS]
        repeated, num = _repeated(tokens, size)
        stutter = _stutter(tokens) if not case.is_spaceless else 0
        if num > max(
            _FEW_CHARACTERS if case.is_spaceless else _FEW_WORDS, _repeated(source, _WORDS)[1] * 2
        ) or stutter > max(_MOST_SAME_WORDS, _stutter(source)):
            yield fault("repetition", side, f"This turn repeats itself: {repeated!r}.", 0.9)


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
