"""No letters of a script that isn't the language's, but for what the source quotes."""

import re
from collections.abc import Iterator

from palo import languages
from palo.text.language_of import letters_by_script
from palo.translate.checks.case import CheckCase, Side
from palo.translate.translated import CheckResult, Decision

_WRITTEN_WITH = {
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Jpan": ("Hani", "Kana"),
    "Kore": ("Hang", "Hani"),
}
# Two alphabets whose letters look alike meet within a word only by mistake.
_LATIN_IN_WORD = re.compile("[\u0400-\u04ff][A-Za-z]|[A-Za-z][\u0400-\u04ff]")


def script(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn with letters of a foreign script."""
    wanted = case.language.script
    own = {*_scripts(case.language.code), "Latn"}
    source = _scripts(case.source_language)
    for side in case.sides:
        foreign = _foreign(side, own, source)
        if sum(foreign.values()) > case.limits.foreign_letters:
            names = ", ".join(foreign)
            yield _against(side, f"This turn has letters of a foreign script ({names}).")
        elif wanted == "Cyrl" and (mixed := _LATIN_IN_WORD.search(side.words)):
            yield _against(side, f"A word mixes Latin and Cyrillic letters near {mixed[0]!r}.")


def _scripts(language: str) -> tuple[str, ...]:
    script = languages.get(language).script
    return _WRITTEN_WITH.get(script, (script,))


def _foreign(side: Side, own: set[str], source: tuple[str, ...]) -> dict[str, int]:
    """Counts letters of scripts that nobody can have meant, by script.

    A script that is neither language's may stand where the source has it too.
    """
    found = letters_by_script(side.words)
    if found.keys() <= own:
        return {}
    quoted = letters_by_script(side.locked.text).keys() - {*source}
    return {name: n for name, n in found.items() if name not in own and name not in quoted}


def _against(side: Side, reason: str) -> CheckResult:
    return CheckResult(
        gate="script", decision=Decision.RETRY, reason=reason, turn=side.number, doubt=0.9
    )
