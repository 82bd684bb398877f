"""Checks against the source: protected spans, and second opinions."""

from collections.abc import Iterator
from itertools import islice

from palo.metrics.chrf import chrf
from palo.translate.checks.case import CheckCase, fault
from palo.translate.protected_spans.verify import LanguagePair, verify_spans
from palo.translate.translated import CheckResult, Decision

_MOST_FAULTS = 100
"""Most faults that are reported for a turn."""


def protected_spans(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each protected span that is lost, doubled or changed, and each added number.

    Args:
        case: The translation and its source.
    """
    pair = LanguagePair(
        source=case.source_language,
        target=case.language.code,
        conversions=case.limits.conversions,
    )
    for side in case.sides:
        for found in islice(verify_spans(side.protected, side.text, pair), _MOST_FAULTS):
            yield fault("protected_spans", side, found.reason, 0.9)


def round_trip(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn whose back translation differs much from the source.

    Args:
        case: The translation and its source.
    """
    sources = tuple(turn.text for turn in case.request.source.turns)
    yield from _compared(
        "round_trip", sources, case.evidence.round_trip, case.limits.round_trip, "translated back"
    )


def agreement(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn that another backend translates differently.

    Args:
        case: The translation and its source.
    """
    yield from _compared(
        "agreement", case.texts, case.evidence.second, case.limits.agreement, "of a second backend"
    )


def _compared(
    check: str,
    expected: tuple[str, ...],
    texts: tuple[str, ...] | None,
    least: float,
    what: str,
) -> Iterator[CheckResult]:
    if texts is None:
        return
    if len(texts) != len(expected):
        reason = f"The conversation {what} has {len(texts)} turns, not {len(expected)}."
        yield CheckResult(check=check, decision=Decision.REVIEW, reason=reason, doubt=0.5)
        return
    for number, (wanted, text) in enumerate(zip(expected, texts, strict=True)):
        score = chrf(text, [wanted])
        doubt = min(1.0, max(0.0, 1 - score / 100))
        if score < least:
            yield CheckResult(
                check=check,
                decision=Decision.REVIEW,
                reason=f"The turn {what} has chrF {score:.0f}, less than {least:.0f}.",
                turn=number,
                doubt=doubt,
            )
        else:
            yield CheckResult(check=check, turn=number, doubt=doubt / 2)
