"""From a draft to what becomes of it: marks replaced, cleaned, judged, tried again or done."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat

from palo.translate.bulk.ledger import Made
from palo.translate.checks.case import Evidence
from palo.translate.checks.run import GateSettings, judge
from palo.translate.normalizers.clean import clean
from palo.translate.protected_spans.protect import unlock
from palo.translate.request import Unit
from palo.translate.translated import Decision, GateResult, Translated, decide


@dataclass(frozen=True, kw_only=True, slots=True)
class FinishSettings:
    """How drafts are finished.

    Attributes:
        gates: The gates, and how often a refused translation is tried again.
        review_all: Sends everything to review that isn't past it.
    """

    gates: GateSettings = field(default_factory=GateSettings)
    review_all: bool = False


_NOTHING = Evidence()


def texts_of(unit: Unit, made: Made) -> tuple[str, ...]:
    """Returns the turns of a draft, marks replaced and cleaned.

    Args:
        unit: What was to be translated.
        made: What the translator made of it.
    """
    # A draft may have turns too few or too many, for a gate to find.
    locks = chain((turn.locks for turn in unit.turns), repeat(()))
    return tuple(
        clean(unlock(text, own), unit.language, own)
        for text, own in zip(made.draft.texts, locks, strict=False)
    )


def finish(
    unit: Unit, made: Made, settings: FinishSettings, evidence: Evidence = _NOTHING
) -> Translated | Unit:
    """Returns the translation, judged; or the unit with which to try again.

    Args:
        unit: What was to be translated.
        made: What the translator made of it.
        settings: How it is judged.
        evidence: What else is known of it.
    """
    texts = texts_of(unit, made)
    results = tuple(_results(unit, texts, made, settings, evidence))
    if decide(results) is Decision.RETRY:
        reasons = tuple(dict.fromkeys(_reason(result) for result in results if result.reason))
        return dataclasses.replace(unit, attempt=unit.attempt + 1, reasons=reasons)
    return Translated(
        source=unit.source,
        language=unit.language,
        texts=texts,
        translator=made.translator,
        prompt_hash=made.prompt_hash,
        attempt=unit.attempt,
        gates=results,
    )


def _results(
    unit: Unit,
    texts: tuple[str, ...],
    made: Made,
    settings: FinishSettings,
    evidence: Evidence,
) -> Iterator[GateResult]:
    if made.draft.fault:
        is_last = made.draft.is_hopeless or unit.attempt >= settings.gates.retries
        yield GateResult(
            gate="reply",
            decision=Decision.QUARANTINE if is_last else Decision.RETRY,
            reason=made.draft.fault,
            doubt=1.0,
        )
        return
    yield from judge(unit, texts, settings.gates, evidence)
    if settings.review_all:
        reason = "Every translation of this job is reviewed."
        yield GateResult(gate="every_row", decision=Decision.REVIEW, reason=reason)


def _reason(result: GateResult) -> str:
    return result.reason if result.turn is None else f"Turn {result.turn + 1}: {result.reason}"
