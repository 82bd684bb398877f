"""Hallucination: objects that the image doesn't have (CHAIR), and scores of yes/no answers (POPE).

Sources: A. Rohrbach et al., Object hallucination in image captioning (2018), CHAIR; Y. Li et al.,
    Evaluating object hallucination in large vision-language models (2023), POPE.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from palo.metrics.matching import folded
from palo.metrics.yes_no import YesOrNo


@dataclass(frozen=True, kw_only=True, slots=True)
class YesNoScores:
    """Scores of yes/no questions; shares are from 0 to 1, yes is the positive class.

    Attributes:
        num_questions: How many.
        accuracy: Share of right answers; one with neither yes nor no is wrong.
        precision: Of the answers that say yes, the share of right ones; 0 if none does.
        recall: Of the questions whose answer is yes, the share answered so; 0 if there is none.
        f1: Harmonic mean of the two.
        says_yes: Share of answers that say yes; far above that of the right ones is hallucination.
        undecided: Share of answers that say neither.
    """

    num_questions: int
    accuracy: float
    precision: float
    recall: float
    f1: float
    says_yes: float
    undecided: float


def yes_no_scores(pairs: Iterable[tuple[YesOrNo, YesOrNo | None]]) -> YesNoScores:
    """Scores yes/no answers.

    Args:
        pairs: At least one pair of the right answer and the given one.
    """
    answers = list(pairs)
    total = len(answers)
    right_yes = sum(right == given == "yes" for right, given in answers)
    num_yes = sum(given == "yes" for _, given in answers)
    num_positive = sum(right == "yes" for right, _ in answers)
    return YesNoScores(
        num_questions=total,
        accuracy=sum(right == given for right, given in answers) / total,
        precision=right_yes / num_yes if num_yes else 0.0,
        recall=right_yes / num_positive if num_positive else 0.0,
        f1=2 * right_yes / (num_yes + num_positive) if num_yes + num_positive else 0.0,
        says_yes=num_yes / total,
        undecided=sum(given is None for _, given in answers) / total,
    )


class Mentions(NamedTuple):
    """Objects that an answer mentions.

    Attributes:
        mentioned: All of them that have a name in the vocabulary, in its order.
        hallucinated: Those that neither the objects nor the captions of the image have.
    """

    mentioned: tuple[str, ...]
    hallucinated: tuple[str, ...]


def mentions(
    answer: str, objects: Sequence[str], captions: Sequence[str], vocabulary: Sequence[str]
) -> Mentions:
    """Finds the objects in an answer.

    Args:
        answer: The answer.
        objects: Names of the objects in the image.
        captions: Captions of the image.
        vocabulary: Names to look for, in the answer's language.
    """
    found = [name for name in vocabulary if _mentions(answer, name)]
    text = " ".join(captions)
    missing = [name for name in found if name not in objects and not _mentions(text, name)]
    return Mentions(tuple(found), tuple(missing))


def _mentions(text: str, name: str) -> bool:
    """Returns whether a text has a name as a whole word, or in its regular English plural."""
    words = re.escape(folded(name))
    return re.search(rf"(?<!\w){words}(?:e?s)?(?!\w)", folded(text)) is not None
