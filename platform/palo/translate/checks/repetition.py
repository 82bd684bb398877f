"""Nothing is said again and again that the source says once."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from palo.translate.checks.case import CheckCase
from palo.translate.translated import CheckResult, Decision

_WORDS, _CHARACTERS = 3, 8
_MOST_SAME_WORDS = 2
# A long name that is said again is no fault.
_MOST_TOKENS = 50_000
"""What comes behind so many words or characters isn't looked at."""
_FEW_WORDS, _FEW_CHARACTERS = 2, 6


def repetition(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn that repeats itself more than its source."""
    size = _CHARACTERS if case.is_spaceless else _WORDS
    for side in case.sides:
        tokens: Sequence[str] = side.words if case.is_spaceless else side.words.split()
        tokens, source = tokens[:_MOST_TOKENS], side.source.split()[:_MOST_TOKENS]
        repeated, num = _repeated(tokens, size)
        stutter = _stutter(tokens) if not case.is_spaceless else 0
        if num > max(
            _FEW_CHARACTERS if case.is_spaceless else _FEW_WORDS, _repeated(source, _WORDS)[1] * 2
        ) or stutter > max(_MOST_SAME_WORDS, _stutter(source)):
            yield CheckResult(
                gate="repetition",
                decision=Decision.RETRY,
                reason=f"This turn repeats itself: {repeated!r}.",
                turn=side.number,
                doubt=0.9,
            )


def _repeated(tokens: Sequence[str], size: int) -> tuple[str, int]:
    """Returns the most frequent run of some tokens, and how many runs are there again."""
    count = Counter(tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1))
    if not count:
        return "", 0
    most = max(count, key=lambda run: count[run])
    joint = "" if isinstance(tokens, str) else " "
    return joint.join(most), sum(number - 1 for number in count.values())


def _stutter(tokens: Sequence[str]) -> int:
    """Returns how often the same word follows itself at most, itself included."""
    longest = run = min(1, len(tokens))
    for before, after in pairwise(tokens):
        run = run + 1 if before == after else 1
        longest = max(longest, run)
    return longest
