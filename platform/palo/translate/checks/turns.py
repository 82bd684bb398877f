"""As many turns as the source has, words in each, and no more locks than can be proved."""

from collections.abc import Iterator

from palo.translate.checks.case import CheckCase
from palo.translate.request import MOST_LOCKS
from palo.translate.translated import CheckResult, Decision


def turns(case: CheckCase) -> Iterator[CheckResult]:
    """Yields that turns are missing, too many, or empty, or hold too much that must stay."""
    wanted, got = len(case.unit.turns), len(case.texts)
    if wanted != got:
        reason = f"The translation has {got} turns, the source {wanted}."
        yield CheckResult(gate="turns", decision=Decision.RETRY, reason=reason, doubt=1.0)
        return
    for number, (locked, text) in enumerate(zip(case.unit.turns, case.texts, strict=True)):
        if len(locked.locks) > MOST_LOCKS:
            yield CheckResult(
                gate="turns",
                decision=Decision.QUARANTINE,
                reason=f"The source of this turn holds {len(locked.locks)} parts that must stay.",
                turn=number,
                doubt=1.0,
            )
        elif locked.text.strip() and not any(map(str.isalnum, text)):
            yield CheckResult(
                gate="turns",
                decision=Decision.RETRY,
                reason="The translation of this turn is empty.",
                turn=number,
                doubt=1.0,
            )
