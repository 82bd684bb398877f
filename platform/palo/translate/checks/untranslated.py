"""Nothing of the source is left untranslated."""

import re
from collections.abc import Iterator
from itertools import pairwise

from palo.translate.checks.case import CheckCase, Side
from palo.translate.translated import CheckResult, Decision

# Vowel signs and other marks belong to words, but are no letters for regular expressions.
_WORD = re.compile(r"[^\W\d_][^\s\d.,;:!?…\"“”«»()\[\]،؛؟۔।、，。：；（）/—–]*")
_BRACKETS = re.compile(r"[(（][^()（）]*[)）]")
_LONGEST_NAME = 2


def untranslated(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn that repeats words of its source one after another.

    Names may stay: words with a capital letter don't count.
    """
    most = case.limits.untranslated_words
    for side in case.sides:
        left = _left(side, most)
        if left:
            yield CheckResult(
                gate="untranslated",
                decision=Decision.RETRY,
                reason=f'"{left}" is left in the source\'s language.',
                turn=side.number,
                doubt=0.9,
            )


def _left(side: Side, most: int) -> str:
    """Returns the longest run of the source's words in a translation, "" if it is short enough."""
    source = [match[0] for match in _WORD.finditer(side.source)]
    if len(source) > _LONGEST_NAME and side.words.strip() == side.source.strip():
        return side.source.strip()
    runs = set(pairwise(word.lower() for word in source))
    longest, run = "", list[str]()
    # What stands in brackets explains a translation.
    found = [match[0] for match in _WORD.finditer(_BRACKETS.sub(" ", side.words))]
    for word in [*found, ""]:
        if run and (run[-1].lower(), word.lower()) in runs:
            run.append(word)
            continue
        small = sum(one == one.lower() for one in run)
        if small > most and len(" ".join(run)) > len(longest):
            longest = " ".join(run)
        run = [word]
    return longest
