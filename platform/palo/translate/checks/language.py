"""The translation is in the language that was asked for."""

from collections.abc import Iterator

from palo import languages
from palo.translate.checks.case import CheckCase
from palo.translate.translated import CheckResult, Decision


def language(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn that is in another language."""
    wanted = case.language
    for side in case.sides:
        found = case.finder.find(side.words, wanted.code)
        if found is None or found == wanted.code:
            continue
        name = languages.get(found).name if languages.known(found) else f"the script {found}"
        yield CheckResult(
            gate="language",
            decision=Decision.RETRY,
            reason=f"This turn is in {name}, not in {wanted.name}.",
            turn=side.number,
            doubt=1.0,
        )
