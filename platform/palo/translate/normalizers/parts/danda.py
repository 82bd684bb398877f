"""What Hindi and Bengali share: the danda that ends a sentence, and the nukta."""

from palo.translate.normalizers.normalizer import Normalizer, replacing
from palo.translate.normalizers.parts.full_stop import full_stop


def danda_rules(letters: str, *, sentence_ends: str, abbreviations: str) -> tuple[Normalizer, ...]:
    """Returns the rules for a script.

    Args:
        letters: Its letters and signs, for use between square brackets.
        sentence_ends: Short words that end sentences; other short words may be abbreviations.
        abbreviations: Longer words that are abbreviated with a full stop.
    """
    return (
        replacing("danda", rf"(?<=[{letters}])[ \u00a0]*\|(?=\s|$|[\"”’)])", "।"),
        full_stop("।", letters, sentence_ends=sentence_ends, abbreviations=abbreviations),
        replacing("no space before a danda", r"(?<=\S)[ \u00a0]+(?=[।॥])", ""),
    )
