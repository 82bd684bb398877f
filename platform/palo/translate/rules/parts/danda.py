"""What Hindi and Bengali share: the danda that ends a sentence, and the nukta."""

import re

from palo.translate.rules.rule import Rule, replacing

_SHORTEST = 4


def danda_rules(letters: str, *, sentence_ends: str, abbreviations: str) -> tuple[Rule, ...]:
    """Returns the rules for a script.

    Args:
        letters: Its letters and signs, for use between square brackets.
        sentence_ends: Short words that end sentences; other short words may be abbreviations.
        abbreviations: Longer words that are abbreviated with a full stop.
    """
    short, long = frozenset(sentence_ends.split()), frozenset(abbreviations.split())
    stop = re.compile(rf"([{letters}]+)([\"”’)]*)[ \u00a0]*\.(?=[\"”’)]*(?:$|(\s)))", re.MULTILINE)

    def ended(match: re.Match[str]) -> str:
        word = match[1]
        is_word = word in short or (len(word) >= _SHORTEST and word not in long)
        before = match.string[match.start() - 1 : match.start()]
        if before == "." or (match[3] not in (None, "\n") and not is_word):
            return match[0]
        return f"{word}{match[2]}।"

    return (
        replacing("danda", rf"(?<=[{letters}])[ \u00a0]*\|(?=\s|$|[\"”’)])", "।"),
        Rule(name="danda", apply=lambda text: stop.sub(ended, text)),
        replacing("no space before a danda", r"(?<=\S)[ \u00a0]+(?=[।॥])", ""),
    )
