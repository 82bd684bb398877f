"""A Latin full stop that ends a sentence becomes the language's own; an abbreviation keeps it."""

import re

from palo.translate.normalizers.normalizer import Normalizer

_SHORTEST = 3


def full_stop(stop: str, letters: str, *, sentence_ends: str, abbreviations: str) -> Normalizer:
    """Returns the rule for a language.

    Args:
        stop: Its full stop.
        letters: Letters and signs of its script, for use between square brackets.
        sentence_ends: Short words that end sentences; other short words may be abbreviations.
        abbreviations: Longer words that are abbreviated with a Latin full stop.
    """
    short, long = frozenset(sentence_ends.split()), frozenset(abbreviations.split())
    # Whole words only: else each letter would be tried as the first of one.
    latin = re.compile(
        rf"(?<![{letters}])([{letters}]++)([\"”’)]*+)[ \u00a0]*+\.(?=[\"”’)]*+(?:$|(\s)))",
        re.MULTILINE,
    )

    def ended(match: re.Match[str]) -> str:
        word = match[1]
        is_word = word in short or (len(word) >= _SHORTEST and word not in long)
        before = match.string[match.start() - 1 : match.start()]
        if before == "." or (match[3] not in (None, "\n") and not is_word):
            return match[0]
        return f"{word}{match[2]}{stop}"

    return Normalizer(name="full stop", apply=lambda text: latin.sub(ended, text))
