"""A translation is about as long as its language lets expect, and ends as its source."""

import math
from collections.abc import Iterator

from palo.translate.gates.case import Case, Side
from palo.translate.translated import Decision, GateResult

_ENDS = frozenset(".!?…。！？؟۔।॥:：;；")
_QUESTIONS = frozenset("?？؟")
_CLOSERS = "\"'”’»」』）)]*_ \u00a0\u202f\u200f"
# A short text varies more: about as if each stood for this many characters' chance.
_CHANCE = 1.4
_SHORTER = -0.6


def length(case: Case) -> Iterator[GateResult]:
    """Yields each turn that is far too short or too long."""
    for side in case.sides:
        spreads = _spreads(case, side)
        if spreads is None:
            continue
        doubt = min(1.0, abs(spreads) / (2 * case.limits.length_spreads))
        if abs(spreads) > case.limits.length_spreads:
            what = "short" if spreads < 0 else "long"
            yield GateResult(
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
            yield GateResult(gate="length", turn=side.number, doubt=doubt)


def ending(case: Case) -> Iterator[GateResult]:
    """Yields each turn that breaks off, or whose question has become none."""
    if not case.language.full_stop:
        return
    for side in case.sides:
        before, after = _last(side.source), _last(side.text)
        if before not in _ENDS:
            continue
        if (before in _QUESTIONS) != (after in _QUESTIONS):
            reason = "The source ends in a question, the translation doesn't."
            if after in _QUESTIONS:
                reason = "The translation ends in a question, the source doesn't."
            yield _against(side, reason)
        elif after not in _ENDS:
            spreads = _spreads(case, side)
            if spreads is not None and spreads < _SHORTER:
                yield _against(side, "The translation breaks off: nothing ends its last sentence.")
            else:
                yield GateResult(gate="ending", turn=side.number, doubt=0.4)


def _spreads(case: Case, side: Side) -> float | None:
    """Returns by how many standard deviations a translation is too long; None if nobody can say."""
    before, after = len(side.source.strip()), len(side.words.strip())
    if before < case.limits.shortest or not after:
        return None
    expected = case.facts.length - case.source_facts.length
    spread = math.hypot(case.facts.length_spread, _CHANCE / math.sqrt(before))
    return (math.log(after / before) - expected) / spread


def _last(text: str) -> str:
    return text.rstrip(_CLOSERS)[-1:]


def _against(side: Side, reason: str) -> GateResult:
    return GateResult(
        gate="ending", decision=Decision.RETRY, reason=reason, turn=side.number, doubt=0.8
    )
