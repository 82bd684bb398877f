"""As many turns as the source has, and words in each."""

from collections.abc import Iterator

from palo.translate.gates.case import Case
from palo.translate.translated import Decision, GateResult


def turns(case: Case) -> Iterator[GateResult]:
    """Yields that turns are missing, too many, or empty."""
    wanted, got = len(case.unit.turns), len(case.texts)
    if wanted != got:
        reason = f"The translation has {got} turns, the source {wanted}."
        yield GateResult(gate="turns", decision=Decision.RETRY, reason=reason, doubt=1.0)
        return
    for number, (locked, text) in enumerate(zip(case.unit.turns, case.texts, strict=True)):
        if locked.text.strip() and not any(map(str.isalnum, text)):
            yield GateResult(
                gate="turns",
                decision=Decision.RETRY,
                reason="The translation of this turn is empty.",
                turn=number,
                doubt=1.0,
            )
