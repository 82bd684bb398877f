"""What a reviewer says of a translation, and which faults they can name."""

from dataclasses import dataclass
from typing import Literal

Opinion = Literal["accept", "reject"]
OPINIONS: tuple[Opinion, Opinion] = ("accept", "reject")

LOCK_WRONG = "lock_wrong"
"""With this tag a locked part may be changed: it shouldn't be locked."""

TAGS = (
    "meaning",
    "omission",
    "addition",
    "untranslated",
    "grammar",
    "agreement",
    "register",
    "term",
    "script",
    "punctuation",
    "lock",
    LOCK_WRONG,
)
"""Kinds of faults."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewDecision:
    """What one reviewer says of one translation.

    Attributes:
        key: Names the translation.
        edition: Hash of the translation that the reviewer saw.
        reviewer: Who.
        opinion: Whether it is good as it is in `texts`.
        texts: The turns' texts as the reviewer left them.
        tags: Kinds of the faults that were found, of `TAGS`.
        note: What else the reviewer wants to say.
        time: When, in UTC.
    """

    key: str
    edition: str
    reviewer: str
    opinion: Opinion
    texts: tuple[str, ...]
    tags: tuple[str, ...] = ()
    note: str = ""
    time: str = ""
