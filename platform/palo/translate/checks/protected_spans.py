"""What was locked stands in the translation, and no number that the source hasn't."""

from collections.abc import Iterator
from itertools import islice

from palo.translate.checks.case import Case
from palo.translate.protected_spans.verify import Tongues, prove
from palo.translate.translated import Decision, GateResult

_MOST_FAULTS = 100
"""A turn with more is told only these: nobody reads the others."""


def locks(case: Case) -> Iterator[GateResult]:
    """Yields each lock that is lost, doubled or changed."""
    tongues = Tongues(
        source=case.source_language,
        target=case.language.code,
        conversions=case.limits.conversions,
    )
    for side in case.sides:
        for fault in islice(prove(side.locked, side.text, tongues), _MOST_FAULTS):
            yield GateResult(
                gate="locks",
                decision=Decision.RETRY,
                reason=fault.reason,
                turn=side.number,
                doubt=0.9,
            )
