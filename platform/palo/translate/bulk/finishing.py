"""From a draft to what becomes of it: marks replaced, cleaned, judged, tried again or done."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat

from palo.translate.bulk.ledger import CachedDraft
from palo.translate.checks.case import Evidence
from palo.translate.checks.run import CheckSettings, run_checks
from palo.translate.normalizers.clean import normalize_translation
from palo.translate.protected_spans.protect import restore_text
from palo.translate.request import TranslationRequest
from palo.translate.translated import CheckResult, Decision, Translated, decide


@dataclass(frozen=True, kw_only=True, slots=True)
class FinishSettings:
    """How drafts are finished.

    Attributes:
        gates: The gates, and how often a refused translation is tried again.
        review_all: Sends everything to review that isn't past it.
    """

    gates: CheckSettings = field(default_factory=CheckSettings)
    review_all: bool = False


_NOTHING = Evidence()


def texts_of(unit: TranslationRequest, made: CachedDraft) -> tuple[str, ...]:
    """Returns the turns of a draft, marks replaced and cleaned.

    Args:
        unit: What was to be translated.
        made: What the translator made of it.
    """
    # A draft may have turns too few or too many, for a gate to find.
    locks = chain((turn.locks for turn in unit.turns), repeat(()))
    return tuple(
        normalize_translation(restore_text(text, own), unit.language, own)
        for text, own in zip(made.draft.texts, locks, strict=False)
    )


def finish(
    unit: TranslationRequest,
    made: CachedDraft,
    settings: FinishSettings,
    evidence: Evidence = _NOTHING,
) -> Translated | TranslationRequest:
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
    unit: TranslationRequest,
    texts: tuple[str, ...],
    made: CachedDraft,
    settings: FinishSettings,
    evidence: Evidence,
) -> Iterator[CheckResult]:
    if made.draft.fault:
        is_last = made.draft.is_hopeless or unit.attempt >= settings.gates.retries
        yield CheckResult(
            gate="reply",
            decision=Decision.QUARANTINE if is_last else Decision.RETRY,
            reason=made.draft.fault,
            doubt=1.0,
        )
        return
    yield from run_checks(unit, texts, settings.gates, evidence)
    if settings.review_all:
        reason = "Every translation of this job is reviewed."
        yield CheckResult(gate="every_row", decision=Decision.REVIEW, reason=reason)


def _reason(result: CheckResult) -> str:
    return result.reason if result.turn is None else f"Turn {result.turn + 1}: {result.reason}"
