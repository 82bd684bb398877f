"""Objects that an answer speaks of and that the picture doesn't have (CHAIR), and yes/no (POPE)."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from palo.evaluate.benches.item import BenchItem
from palo.evaluate.metrics.matching import folded


class Mentions(NamedTuple):
    """Objects that an answer speaks of.

    Attributes:
        mentioned: All of them that the bench has a name for, in alphabetical order.
        hallucinated: Those that neither the objects nor the captions of the picture have.
    """

    mentioned: tuple[str, ...]
    hallucinated: tuple[str, ...]


def vocabulary(items: Iterable[BenchItem], language: str) -> tuple[str, ...]:
    """Returns the names of objects that the questions of one language know of."""
    known = {name for item in items if item.language == language for name in (item.objects or ())}
    return tuple(sorted(known))


def mentions(answer: str, item: BenchItem, names: Sequence[str]) -> Mentions | None:
    """Finds the objects in an answer.

    Args:
        answer: The answer.
        item: Its question.
        names: Names to look for, in the answer's language.

    Returns:
        None if it isn't known what the picture shows.

    Source: A. Rohrbach et al., Object hallucination in image captioning (2018).
    """
    if item.objects is None:
        return None
    found = [name for name in names if _says(answer, name)]
    captions = " ".join(item.context)
    missing = [name for name in found if name not in item.objects and not _says(captions, name)]
    return Mentions(tuple(found), tuple(missing))


def _says(text: str, name: str) -> bool:
    """Tells whether a text has a name as a word of its own, or in the plural that English forms."""
    words = re.escape(folded(name))
    return re.search(rf"(?<!\w){words}(?:e?s)?(?!\w)", folded(text)) is not None


class YesNo(NamedTuple):
    """Answers to questions whether something is in the picture.

    Attributes:
        accuracy: Share of right answers; what is neither yes nor no is wrong.
        precision: Of those that say yes, the share where it is there; 0.0 if none says yes.
        recall: Of those where it is there, the share that says yes; 0.0 if it is nowhere.
        f1: Harmonic mean of both.
        yes_share: Share that says yes.
    """

    accuracy: float
    precision: float
    recall: float
    f1: float
    yes_share: float


def yes_no(answers: Sequence[str], right: Sequence[str], yes: str) -> YesNo:
    """Scores yes/no answers by their first word.

    Args:
        answers: At least one answer.
        right: The right answer to each.
        yes: The word for yes in this language.

    Source: Y. Li et al., Evaluating object hallucination in large vision-language models (2023).
    """
    said = [_first_word(answer) for answer in answers]
    truth = [_first_word(answer) for answer in right]
    word = _first_word(yes)
    says = [one == word for one in said]
    there = [one == word for one in truth]
    both = sum(a and b for a, b in zip(says, there, strict=True))
    precision = both / sum(says) if any(says) else 0.0
    recall = both / sum(there) if any(there) else 0.0
    return YesNo(
        accuracy=sum(a == b for a, b in zip(said, truth, strict=True)) / len(said),
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / (precision + recall) if both else 0.0,
        yes_share=sum(says) / len(says),
    )


def _first_word(text: str) -> str:
    return folded(text).partition(" ")[0]
