"""What must be true of a verdict before it is saved, whether a page or a file brings it."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from palo.translate.review.decision import LOCK_WRONG, OPINIONS, TAGS, ReviewDecision
from palo.translate.review.protected_spans import missing_spans
from palo.translate.translated import Translated

MAX_CHARACTERS = 100_000
"""Longest text of a turn, and longest note."""
_MAX_NAME = 64

FaultKind = Literal[
    "turns", "empty", "too_long", "unreadable", "lock", "tag", "reviewer", "opinion"
]


class DecisionFault(NamedTuple):
    """What is wrong with a verdict.

    Attributes:
        kind: The kind.
        seen: What was seen.
        turn: Number of the turn, from 0; None for the whole.
    """

    kind: FaultKind
    seen: str
    turn: int | None = None

    def __str__(self) -> str:
        place = "" if self.turn is None else f"turn {self.turn + 1}: "
        return f"{place}{_FACTS[self.kind]} ({self.seen})"


_FACTS: dict[FaultKind, str] = {
    "turns": "the number of turns is wrong",
    "empty": "the text is empty",
    "too_long": "the text is too long",
    "unreadable": "some characters could not be read",
    "lock": "this must stay as it is, or the tag lock_wrong say that it can't",
    "tag": "there is no such kind of fault",
    "reviewer": "the reviewer's name is missing or too long",
    "opinion": "the decision must be accept or reject",
}


def decision_faults(translated: Translated, verdict: ReviewDecision) -> list[DecisionFault]:
    """Returns what is wrong with a verdict; nothing if it can be saved.

    Args:
        translated: The translation that it is about.
        verdict: The verdict.
    """
    return [*_faults_of_form(verdict), *_faults_of_texts(translated, verdict)]


def _faults_of_form(verdict: ReviewDecision) -> Iterator[DecisionFault]:
    name = verdict.reviewer
    if not 0 < len(name.strip()) <= len(name) <= _MAX_NAME or not name.isprintable():
        yield DecisionFault("reviewer", repr(name[:_MAX_NAME]))
    if verdict.opinion not in OPINIONS:
        yield DecisionFault("opinion", repr(verdict.opinion))
    for tag in verdict.tags:
        if tag not in TAGS:
            yield DecisionFault("tag", repr(tag))
    if len(verdict.note) > MAX_CHARACTERS:
        yield DecisionFault("too_long", f"{len(verdict.note):,} characters of a note")
    if not _is_readable(verdict.note):
        yield DecisionFault("unreadable", "in the note")


def _faults_of_texts(translated: Translated, verdict: ReviewDecision) -> Iterator[DecisionFault]:
    if len(verdict.texts) != len(translated.texts):
        seen = f"{len(verdict.texts)} instead of {len(translated.texts)}"
        yield DecisionFault("turns", seen)
        return
    for number, (text, before) in enumerate(zip(verdict.texts, translated.texts, strict=True)):
        if len(text) > MAX_CHARACTERS:
            yield DecisionFault("too_long", f"{len(text):,} characters", number)
        if not _is_readable(text) and text != before:
            yield DecisionFault("unreadable", repr(text[:40]), number)
        if verdict.opinion == "accept" and not text.strip():
            yield DecisionFault("empty", repr(text[:40]), number)
    if verdict.opinion == "accept" and LOCK_WRONG not in verdict.tags:
        for number, seen in missing_spans(translated, verdict.texts):
            yield DecisionFault("lock", seen, number)


def _is_readable(text: str) -> bool:
    """Tells whether a text has no replacement character, half of a pair, or control character."""
    return not any(
        letter == "\ufffd"
        or "\ud800" <= letter <= "\udfff"
        or (letter < " " and letter not in "\t\n\r")
        for letter in text
    )
