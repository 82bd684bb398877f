"""How likely a text is to be in one language or in another of the same script, by py3langid.

py3langid's probabilities are calibrated for texts of any length; it takes about a microsecond a
byte. So a text that is clearly in the expected language is only sampled.
"""

import math
from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from palo.text.normal_form import normalized

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

_LEAST_PROBABILITY = 1e-9
CERTAIN = 0.9
"""A language of such a probability is surely the right one."""

_FIRST_LOOK, _SECOND_LOOK = 60, 240
_PIECES = 3


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How likely a text is to be in each of some languages.

    Attributes:
        expected: ISO 639-1 code of the language that it should be in.
        probabilities: By ISO 639 code, the likeliest first.
    """

    expected: str
    probabilities: Mapping[str, float]

    @property
    def probability(self) -> float:
        """Probability of the expected language."""
        return self.probabilities[self.expected]

    @property
    def other(self) -> str:
        """Code of the likeliest other language."""
        return next(code for code in self.probabilities if code != self.expected)

    @property
    def log_odds(self) -> float:
        """Natural logarithm of the odds of that language against the expected one."""
        own = max(self.probability, _LEAST_PROBABILITY)
        return math.log(max(self.probabilities[self.other], _LEAST_PROBABILITY) / own)

    def is_likeliest(self, codes: Collection[str]) -> bool:
        """Returns whether the expected language is the likeliest of some.

        Args:
            codes: Codes of the languages.
        """
        return self.expected == next(code for code in self.probabilities if code in codes)


def likelihood(text: str, expected: str, candidates: tuple[str, ...]) -> Likelihood | None:
    """Compares languages by a sample of a text.

    Args:
        text: Words; code and addresses would count as such.
        expected: ISO 639 code.
        candidates: Codes of all languages that it may be in.

    Returns:
        None if the expected language isn't known to the identifier, or is the only one.
    """
    identifier, known = _identifier(candidates)
    if expected not in known or len(known) == 1:
        return None
    found = _ranked(identifier, spread(text, _FIRST_LOOK), expected)
    if found.probability >= CERTAIN or len(text) <= _FIRST_LOOK:
        return found
    return _ranked(identifier, spread(text, _SECOND_LOOK), expected)


def likeliest(text: str, candidates: tuple[str, ...]) -> tuple[str, float] | None:
    """Returns the likeliest of some languages, and its probability.

    Args:
        text: Words.
        candidates: ISO 639 codes.

    Returns:
        None if the identifier knows none of them.
    """
    identifier, known = _identifier(candidates)
    if not known:
        return None
    code, probability = identifier.classify(_composed(spread(text, _SECOND_LOOK)))
    return str(code), float(probability)


def spread(text: str, num_characters: int) -> str:
    """Returns some characters of a text, in pieces from all over it.

    Args:
        text: Any text.
        num_characters: How many.
    """
    size = num_characters // _PIECES
    if len(text) <= num_characters:
        return text
    starts = [number * (len(text) - size) // (_PIECES - 1) for number in range(_PIECES)]
    return " ".join(text[start : start + size] for start in starts)


def _ranked(identifier: "LanguageIdentifier", text: str, expected: str) -> Likelihood:
    return Likelihood(expected, dict(identifier.rank(_composed(text))))


def _composed(text: str) -> str:
    """Composes characters; py3langid's own way is quadratic for many marks in no order."""
    return normalized("NFC", text)


@cache
def _identifier(codes: tuple[str, ...]) -> "tuple[LanguageIdentifier, frozenset[str]]":
    """Returns py3langid for some of the languages that it knows, and which it knows."""
    identifier = copy(_model())
    known = frozenset(codes) & frozenset(identifier.labels)
    identifier.set_languages(sorted(known))
    return identifier, known


@cache
def _model() -> "LanguageIdentifier":
    """Returns py3langid for all its languages; reading it takes half a second."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
