"""No letters of a script that is neither the language's nor the source's."""

import re
from collections.abc import Iterator

from palo.text.scripts import letters_by_script
from palo.translate.gates.case import Case, Side
from palo.translate.translated import Decision, GateResult

_WRITTEN_WITH = {
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Jpan": ("Hani", "Kana"),
    "Kore": ("Hang", "Hani"),
}
# Two alphabets whose letters look alike meet within a word only by mistake.
_LATIN_IN_WORD = re.compile("[\u0400-\u04ff][A-Za-z]|[A-Za-z][\u0400-\u04ff]")


def script(case: Case) -> Iterator[GateResult]:
    """Yields each turn with letters of a foreign script."""
    wanted = case.language.script
    own = {*_WRITTEN_WITH.get(wanted, (wanted,)), "Latn"}
    for side in case.sides:
        foreign = _foreign(side, own)
        if sum(foreign.values()) > case.limits.foreign_letters:
            names = ", ".join(foreign)
            yield _against(side, f"This turn has letters of a foreign script ({names}).")
        elif wanted == "Cyrl" and (mixed := _LATIN_IN_WORD.search(side.words)):
            yield _against(side, f"A word mixes Latin and Cyrillic letters near {mixed[0]!r}.")


def _foreign(side: Side, own: set[str]) -> dict[str, int]:
    found = letters_by_script(side.words)
    if found.keys() <= own:
        return {}
    known = letters_by_script(side.locked.text)
    return {name: n for name, n in found.items() if name not in own and name not in known}


def _against(side: Side, reason: str) -> GateResult:
    return GateResult(
        gate="script", decision=Decision.RETRY, reason=reason, turn=side.number, doubt=0.9
    )
