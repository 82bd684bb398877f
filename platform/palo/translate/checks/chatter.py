"""The translator translates, and neither talks about it nor refuses."""

import re
from collections.abc import Iterator
from functools import cache

from palo import languages
from palo.translate.checks.case import CheckCase, Side
from palo.translate.language_profiles.profile import language_profile
from palo.translate.translated import CheckResult, Decision

_SENTENCE = re.compile(r"[\n.!?。！？۔।؟(（]+")
# What stands before a first colon.
_COLON = re.compile("[:：]")
_HEAD = re.compile(r"[^:：\n]{2,50}[:：]")
_QUOTES = tuple("\"'“‘«「<*`’”»」")
_WRAPS = (
    ('"', '"'),
    ("“", "”"),
    ("«", "»"),
    ("「", "」"),
    ("<", ">"),
    ("```", "```"),
    ("**", "**"),
)


def chatter(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn that begins or ends with words about the translation, or wraps it."""
    for side in case.sides:
        if _says(side.source, case.source_facts.spoken):
            continue
        phrase = _spoken(case, side.text, side.source)
        if phrase:
            yield _against("chatter", side, f'The translator speaks of its work: "{phrase}".')
        elif _is_wrapped(side.text) and _is_unquoted(side.source):
            yield _against("chatter", side, "The translation stands between marks of its own.")


def refusal(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn that says why it isn't translated."""
    for side in case.sides:
        if _says(side.source, case.source_facts.refused):
            continue
        phrase = next(
            (
                phrase
                for code in {case.language.code, case.source_language, "en"}
                if (phrase := _says(side.text, language_profile(code).refused))
            ),
            "",
        )
        if phrase:
            yield _against("refusal", side, f'The translator refuses: "{phrase}".')


def _spoken(case: CheckCase, text: str, source: str) -> str:
    head = _HEAD.match(text)
    heading = head[0].lower() if head else ""
    is_new = heading and _COLON.search(source) is None
    sentences = [one.strip("*# \"'(（¡").lower() for one in _SENTENCE.split(text.replace("’", "'"))]
    edges = (*sentences[:2], *sentences[-2:])
    for code in {case.language.code, case.source_language, "en"}:
        starts, stems = _phrases(code)
        if said := next((one for one in edges if one.startswith(starts)), ""):
            return next(start for start in starts if said.startswith(start))
        if is_new and (stem := next((one for one in stems if one in heading), "")):
            return stem
    names = {
        name.lower()
        for one in (case.language, languages.get(case.source_language))
        for name in (one.name, one.native_name)
    }
    if any(name in heading and name not in source.lower() for name in names):
        return heading.strip()
    return ""


@cache
def _phrases(language: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns how sentences about a translation begin, and what its headings hold."""
    spoken = language_profile(language).spoken
    return tuple(one.rstrip("!") for one in spoken), tuple(one.rstrip(":：!,") for one in spoken)


def _says(text: str, phrases: tuple[str, ...]) -> str:
    """Returns the first phrase that a text has, "" for none."""
    lower = text.lower().replace("’", "'")
    return next((phrase for phrase in phrases if phrase in lower), "")


def _is_unquoted(source: str) -> bool:
    source = source.strip()
    return not source.startswith(_QUOTES) and not source.endswith(_QUOTES)


def _is_wrapped(text: str) -> bool:
    text = text.strip()
    return any(
        len(text) > len(first) + len(last)
        and text.startswith(first)
        and text.endswith(last)
        and first not in text[len(first) : -len(last)]
        for first, last in _WRAPS
    )


def _against(gate: str, side: Side, reason: str) -> CheckResult:
    return CheckResult(
        gate=gate, decision=Decision.RETRY, reason=reason, turn=side.number, doubt=1.0
    )
