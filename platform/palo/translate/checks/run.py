"""Judges translations: asks every gate, and decides what a fault means after some attempts."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from palo import languages
from palo.text.language_of import LanguageFinder
from palo.translate.checks.case import CheckCase, CheckLimits, Evidence, Gate
from palo.translate.checks.fidelity import agreement, locks, round_trip
from palo.translate.checks.form import ending, layout, length, repetition, turns
from palo.translate.checks.wording import (
    chatter,
    language,
    refusal,
    script,
    terms,
    untranslated,
)
from palo.translate.request import TranslationRequest
from palo.translate.translated import CheckResult, Decision

GATES: Mapping[str, Gate] = {
    "turns": turns,
    "locks": locks,
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
"""Every gate by its name."""

_EVIDENCE = {"round_trip": "round_trip", "agreement": "second"}
"""What gates judge by besides the translation; without it they have no say."""

_HOPELESS = ("turns", "language", "refusal")
"""Gates whose faults leave nothing that a reviewer could correct."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckSettings:
    """Which gates judge, and how.

    Attributes:
        gates: Names of the gates.
        retries: How often a faulty translation is asked for again. After that it goes to review, or
            to quarantine where there is nothing to review.
        limits: How strict the gates are.
        by_language: Other limits for single languages, by ISO 639-1 code.
    """

    gates: tuple[str, ...] = tuple(GATES)
    retries: int = 2
    limits: CheckLimits = field(default_factory=CheckLimits)
    by_language: tuple[tuple[str, CheckLimits], ...] = ()

    def faults(self) -> Iterator[str]:
        """Yields gates that nobody knows, and values that are out of range."""
        for name in self.gates:
            if name not in GATES:
                yield f"gates names {name}, which is none of {', '.join(GATES)}"
        if "turns" not in self.gates:
            yield "gates lacks turns, without which no other gate can work"
        if self.retries < 0:
            yield f"retries is {self.retries} but must not be negative"
        for code, limits in self.by_language:
            if not languages.known(code):
                yield f"by_language names the unknown language {code}"
            yield from (f"by_language {code}: {fault}" for fault in limits.faults())


_DEFAULT = CheckSettings()
_NOTHING = Evidence()


def run_checks(
    unit: TranslationRequest,
    texts: tuple[str, ...],
    settings: CheckSettings = _DEFAULT,
    evidence: Evidence = _NOTHING,
) -> tuple[CheckResult, ...]:
    """Asks every gate about a translation.

    Args:
        unit: What was to be translated.
        texts: Its translation: turn by turn, marks replaced, cleaned.
        settings: Which gates, and how strict.
        evidence: What else is known of it.

    Returns:
        For each gate what it has against the translation, the gravest last, or that it accepts.
        With the wrong number of turns, or an empty one, the other gates aren't asked, and those
        that need evidence only where there is some.
    """
    case = CheckCase(
        unit=unit,
        texts=texts,
        limits=dict(settings.by_language).get(unit.language, settings.limits),
        evidence=evidence,
        finder=_finder(languages.codes()),
    )
    counted = tuple(turns(case))
    if counted:
        return tuple(_settled(result, unit, settings) for result in counted)
    results: list[CheckResult] = []
    for name in settings.gates:
        if name in _EVIDENCE and getattr(evidence, _EVIDENCE[name]) is None:
            continue
        found = sorted(GATES[name](case), key=lambda result: (result.decision, result.doubt))
        results += found or [CheckResult(gate=name)]
    return tuple(_settled(result, unit, settings) for result in results)


def _settled(result: CheckResult, unit: TranslationRequest, settings: CheckSettings) -> CheckResult:
    """Asks for no further attempt after the last one."""
    if result.decision is not Decision.RETRY or unit.attempt < settings.retries:
        return result
    last = Decision.QUARANTINE if result.gate in _HOPELESS else Decision.REVIEW
    return dataclasses.replace(result, decision=last)


@cache
def _finder(codes: tuple[str, ...]) -> LanguageFinder:
    return LanguageFinder([languages.get(code) for code in codes])
