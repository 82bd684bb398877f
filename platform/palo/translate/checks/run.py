"""Runs the quality checks, and decides what follows from a fault after each attempt."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from palo import languages
from palo.text.language_of import LanguageFinder
from palo.translate.checks.case import Check, CheckCase, CheckLimits, Evidence
from palo.translate.checks.comments import chatter, refusal
from palo.translate.checks.fidelity import agreement, protected_spans, round_trip
from palo.translate.checks.form import ending, layout, length, turns
from palo.translate.checks.leftovers import untranslated
from palo.translate.checks.repetition import repetition
from palo.translate.checks.residue import residue
from palo.translate.checks.wording import language, script, terms
from palo.translate.request import TranslationRequest
from palo.translate.translated import CheckResult, Decision

CHECKS: Mapping[str, Check] = {
    "turns": turns,
    "protected_spans": protected_spans,
    "residue": residue,
    "language": language,
    "script": script,
    "untranslated": untranslated,
    "length": length,
    "ending": ending,
    "repetition": repetition,
    "chatter": chatter,
    "refusal": refusal,
    "layout": layout,
    "terms": terms,
    "round_trip": round_trip,
    "agreement": agreement,
}
"""All checks by name."""

_EVIDENCE = {"round_trip": "round_trip", "agreement": "second"}
"""Checks that need a second opinion, by the field of `Evidence` that holds it."""

_HOPELESS = ("turns", "language", "refusal")
"""Checks whose faults leave nothing to correct, where they are sure."""
_SURE = 0.9


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckSettings:
    """Which checks run, and how.

    Attributes:
        names: Names of the checks.
        retries: Most further attempts. After them a faulty translation goes to review, or to
            quarantine where there is nothing to correct.
        limits: The limits of the checks.
        by_language: Other limits for single languages, by ISO 639-1 code.
    """

    names: tuple[str, ...] = tuple(CHECKS)
    retries: int = 2
    limits: CheckLimits = field(default_factory=CheckLimits)
    by_language: tuple[tuple[str, CheckLimits], ...] = ()

    def faults(self) -> Iterator[str]:
        """Yields unknown checks, and values that are out of range."""
        for name in self.names:
            if name not in CHECKS:
                yield f"names has {name}, which is none of {', '.join(CHECKS)}"
        if "turns" not in self.names:
            yield "names lacks turns, without which no other check can work"
        if self.retries < 0:
            yield f"retries is {self.retries} but must not be negative"
        for code, limits in self.by_language:
            if not languages.known(code):
                yield f"by_language names the unknown language {code}"
            yield from (f"by_language {code}: {fault}" for fault in limits.faults())


_DEFAULT = CheckSettings()
_NOTHING = Evidence()


def run_checks(
    request: TranslationRequest,
    texts: tuple[str, ...],
    settings: CheckSettings = _DEFAULT,
    evidence: Evidence = _NOTHING,
    drafts: tuple[str, ...] | None = None,
) -> tuple[CheckResult, ...]:
    """Runs all checks of a translation.

    Args:
        request: The request that it answers.
        texts: Its turns, placeholders replaced and normalized.
        settings: Which checks run, and how.
        evidence: Second opinions, if there are any.
        drafts: Its turns before they were normalized; None where they weren't. The language is
            judged by them: normalizers write its own letters in the place of another language's.

    Returns:
        For each check its objections, the most severe last, or one acceptance. With missing or
        empty turns the other checks don't run; those that need evidence run only where there is
        some.
    """
    case = CheckCase(
        request=request,
        texts=texts,
        limits=dict(settings.by_language).get(request.language, settings.limits),
        evidence=evidence,
        finder=_finder(languages.codes()),
        drafts=drafts,
    )
    counted = tuple(turns(case))
    if counted:
        return tuple(_settled(result, request, settings) for result in counted)
    results: list[CheckResult] = []
    for name in settings.names:
        if name in _EVIDENCE and getattr(evidence, _EVIDENCE[name]) is None:
            continue
        found = sorted(CHECKS[name](case), key=lambda result: (result.decision, result.doubt))
        results += found or [CheckResult(check=name)]
    return tuple(_settled(result, request, settings) for result in results)


def _settled(
    result: CheckResult, request: TranslationRequest, settings: CheckSettings
) -> CheckResult:
    """Replaces the wish for another attempt after the last one."""
    if result.decision is not Decision.RETRY or request.attempt < settings.retries:
        return result
    is_hopeless = result.check in _HOPELESS and result.doubt >= _SURE
    last = Decision.QUARANTINE if is_hopeless else Decision.REVIEW
    return dataclasses.replace(result, decision=last)


@cache
def _finder(codes: tuple[str, ...]) -> LanguageFinder:
    return LanguageFinder([languages.get(code) for code in codes])
