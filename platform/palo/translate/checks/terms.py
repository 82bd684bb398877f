"""A name is written the same way throughout a conversation."""

import re
from collections import defaultdict
from collections.abc import Iterator

from palo.translate.checks.case import CheckCase
from palo.translate.translated import CheckResult, Decision

_WORD = re.compile(r"[A-Za-z]+")
_ALONE = re.compile(r"(?<![A-Za-z])(?<![A-Za-z] )[A-Za-z]++(?! [A-Za-z])")
_NAME = re.compile(r"(?<![.!?\"“] )(?<!^)\b[A-Z][a-zA-Z]{2,}\b")
_MOST_NAMES = 1000
"""A conversation with more names is none: it isn't looked at."""


def terms(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each name that some turns keep in Latin letters and others write in the language's."""
    if len(case.sides) < 2 or case.language.script == "Latn":
        return
    # A word that begins a sentence is a name if it has its capital letter within another one.
    names = {name for side in case.sides for name in _NAME.findall(side.source)}
    turns: defaultdict[str, list[int]] = defaultdict(list)
    for side in case.sides:
        words = set(_WORD.findall(side.source))
        for name in names & words:
            turns[name].append(side.number)
    if len(turns) > _MOST_NAMES:
        return
    alone = [set(_ALONE.findall(text)) for text in case.texts]
    for name, numbers in turns.items():
        kept = {number for number in numbers if name in alone[number]}
        # As a part of a longer name it is something else.
        numbers = [n for n in numbers if n in kept or name not in case.texts[n]]
        if kept and len(kept) < len(numbers):
            others = ", ".join(str(number + 1) for number in numbers if number not in kept)
            yield CheckResult(
                gate="terms",
                decision=Decision.REVIEW,
                reason=f"{name} is kept in some turns but not in turn {others}.",
                turn=next(number for number in numbers if number not in kept),
                doubt=0.6,
            )
