"""A translation is about as long as its language lets expect, and ends as its source."""

import math
import re
from collections.abc import Iterator

from palo.translate.checks.case import CheckCase, Side
from palo.translate.translated import CheckResult, Decision

_ENDS = frozenset(".!?…。！？؟۔।॥:：;；")
_QUESTIONS = frozenset("?？؟")
_QUOTES = "\"'“”‘’„»」』"
_CLOSERS = _QUOTES + "）)]*_ \u00a0\u202f\u200f"
# A short text varies more: by this many standard deviations, over the root of its length.
_CHANCE = 1.5
# With a sentence more or less than the source, this share of the usual limit holds.
_WITH_OTHER_SENTENCES = 0.55
_SENTENCE_END = re.compile(r"[.!?](?=[\s\"'”’»)]|$)|[。！？۔؟।॥]")
_SHORTER, _MUCH_SHORTER = 0.0, -1.5


def length(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn that is far too short or too long."""
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
            yield CheckResult(
                gate="length",
                decision=Decision.RETRY,
                reason=(
                    f"This turn is too {what}: {len(side.text)} characters"
                    f" for {len(side.source)} of the source."
                ),
                turn=side.number,
                doubt=max(0.5, doubt),
            )
        elif doubt > 0.25:
            yield CheckResult(gate="length", turn=side.number, doubt=doubt)


def ending(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn that breaks off, or whose question has become none."""
    if not case.language.full_stop:
        return
    for side in case.sides:
        before, after = _last(side.source), _last(side.words)
        if before not in _ENDS:
            continue
        asks = not _QUESTIONS.isdisjoint(side.words)
        if before in _QUESTIONS and not asks:
            yield _against(side, "The source ends in a question, the translation has none.")
        elif after in _QUESTIONS and _QUESTIONS.isdisjoint(side.source):
            yield CheckResult(gate="ending", turn=side.number, doubt=0.4)
        elif after not in _ENDS:
            if _breaks_off(case, side):
                yield _against(side, "The translation breaks off: nothing ends its last sentence.")
            else:
                yield CheckResult(gate="ending", turn=side.number, doubt=0.4)


def _num_sentences(text: str) -> int:
    return sum(1 for part in _SENTENCE_END.split(text) if any(map(str.isalnum, part)))


def _breaks_off(case: CheckCase, side: Side) -> bool:
    """Tells whether a turn without a mark at its end is so short that some of it is missing."""
    text = side.words.rstrip()
    if text.endswith(tuple(_QUOTES)) and side.source.rstrip().endswith(tuple(_QUOTES)):
        return False
    spreads = _spreads(case, side)
    finals = case.facts.finals
    whole = bool(finals) and text.rstrip(_CLOSERS).endswith(finals)
    return spreads is not None and spreads < (_MUCH_SHORTER if whole else _SHORTER)


def _spreads(case: CheckCase, side: Side) -> float | None:
    """Returns by how many standard deviations a translation is too long; None if nobody can say."""
    before, after = len(side.source.strip()), len(side.words.strip())
    if before < case.limits.shortest or not after:
        return None
    expected = case.facts.length - case.source_facts.length
    spread = math.hypot(case.facts.length_spread, _CHANCE / math.sqrt(before))
    return (math.log(after / before) - expected) / spread


def _last(text: str) -> str:
    return text.rstrip(_CLOSERS)[-1:]


def _against(side: Side, reason: str) -> CheckResult:
    return CheckResult(
        gate="ending", decision=Decision.RETRY, reason=reason, turn=side.number, doubt=0.8
    )
