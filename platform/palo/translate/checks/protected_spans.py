"""What was locked stands in the translation, and no number that the source hasn't."""

from collections.abc import Iterator
from itertools import islice

from palo.translate.checks.case import CheckCase
from palo.translate.protected_spans.verify import LanguagePair, verify_spans
from palo.translate.translated import CheckResult, Decision

_MOST_FAULTS = 100
"""A turn with more is told only these: nobody reads the others."""


def locks(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each lock that is lost, doubled or changed."""
    tongues = LanguagePair(
        source=case.source_language,
        target=case.language.code,
        conversions=case.limits.conversions,
    )
    for side in case.sides:
        for fault in islice(verify_spans(side.locked, side.text, tongues), _MOST_FAULTS):
            yield CheckResult(
                gate="locks",
                decision=Decision.RETRY,
                reason=fault.reason,
                turn=side.number,
                doubt=0.9,
            )
