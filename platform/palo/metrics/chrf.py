"""chrF of answers, as sacrebleu computes it: characters, so that it needs no words."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sacrebleu.metrics.chrf import CHRF


_MOST_CHARACTERS = 50_000
"""Longer texts are compared by their beginnings: each character costs six entries in memory."""


def chrf(answer: str, references: Sequence[str]) -> float:
    """Returns the chrF2 of an answer, from 0 to 100; the best of its references counts.

    Args:
        answer: The answer.
        references: At least one reference.

    Source: M. Popović, chrF: character n-gram F-score for automatic MT evaluation (2015).
    """
    return float(_metric().sentence_score(*_beginnings(answer, references)).score)


def _beginnings(answer: str, references: Sequence[str]) -> tuple[str, list[str]]:
    return answer[:_MOST_CHARACTERS], [one[:_MOST_CHARACTERS] for one in references]


def signature() -> str:
    """Returns sacrebleu's own words for how chrF was computed."""
    _metric().sentence_score("a", ["a"])
    return str(_metric().get_signature())


@cache
def _metric() -> "CHRF":
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()
