"""Objects that an answer speaks of and that the image doesn't have (CHAIR)."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from palo.evaluate.benches.item import BenchItem
from palo.metrics.matching import folded


class Mentions(NamedTuple):
    """Objects that an answer speaks of.

    Attributes:
        mentioned: All of them that the bench has a name for, in alphabetical order.
        hallucinated: Those that neither the objects nor the captions of the image have.
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
        None if it isn't known what the image shows.

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
