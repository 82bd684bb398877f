"""A reviewer's decision about a translation, and its checks before it is saved."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from palo.translate.protected_spans.protect import protect_text
from palo.translate.protected_spans.verify import LanguagePair, verify_spans
from palo.translate.request import ProtectedSpan, ProtectedText
from palo.translate.translated import Translated

Outcome = Literal["accept", "reject"]
OUTCOMES: tuple[Outcome, Outcome] = ("accept", "reject")

SPAN_WRONG = "span_wrong"
"""With this tag a protected span may be changed: it shouldn't be protected."""

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
    "span",
    SPAN_WRONG,
)
"""Kinds of faults."""

MAX_CHARACTERS = 100_000
"""Longest text of a turn, and longest note."""
_MAX_NAME = 64

FaultKind = Literal[
    "turns", "empty", "too_long", "unreadable", "span", "tag", "reviewer", "outcome"
]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewDecision:
    """The decision of one reviewer about one translation.

    Attributes:
        key: Names the translation.
        edition: Hash of the translation that the reviewer saw.
        reviewer: Name of the reviewer.
        outcome: Whether it is good as it is in `texts`.
        texts: The turns' texts as the reviewer left them.
        tags: Kinds of the faults that were found, of `TAGS`.
        note: Remarks of the reviewer.
        time: Time of the decision, in UTC.
    """

    key: str
    edition: str
    reviewer: str
    outcome: Outcome
    texts: tuple[str, ...]
    tags: tuple[str, ...] = ()
    note: str = ""
    time: str = ""


class DecisionFault(NamedTuple):
    """A reason why a decision can't be saved.

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
    "span": "this must stay as it is, or the tag span_wrong say that it can't",
    "tag": "there is no such kind of fault",
    "reviewer": "the reviewer's name is missing or too long",
    "outcome": "the decision must be accept or reject",
}


def decision_faults(translated: Translated, decision: ReviewDecision) -> list[DecisionFault]:
    """Returns the faults of a decision; none if it can be saved.

    Args:
        translated: The translation that it is about.
        decision: The decision.
    """
    return [*_faults_of_form(decision), *_faults_of_texts(translated, decision)]


def _faults_of_form(decision: ReviewDecision) -> Iterator[DecisionFault]:
    name = decision.reviewer
    if not 0 < len(name.strip()) <= len(name) <= _MAX_NAME or not name.isprintable():
        yield DecisionFault("reviewer", repr(name[:_MAX_NAME]))
    if decision.outcome not in OUTCOMES:
        yield DecisionFault("outcome", repr(decision.outcome))
    for tag in decision.tags:
        if tag not in TAGS:
            yield DecisionFault("tag", repr(tag))
    if len(decision.note) > MAX_CHARACTERS:
        yield DecisionFault("too_long", f"{len(decision.note):,} characters of a note")
    if not _is_readable(decision.note):
        yield DecisionFault("unreadable", "in the note")


def _faults_of_texts(translated: Translated, decision: ReviewDecision) -> Iterator[DecisionFault]:
    if len(decision.texts) != len(translated.texts):
        seen = f"{len(decision.texts)} instead of {len(translated.texts)}"
        yield DecisionFault("turns", seen)
        return
    for number, (text, before) in enumerate(zip(decision.texts, translated.texts, strict=True)):
        if len(text) > MAX_CHARACTERS:
            yield DecisionFault("too_long", f"{len(text):,} characters", number)
        if not _is_readable(text) and text != before:
            yield DecisionFault("unreadable", repr(text[:40]), number)
        if decision.outcome == "accept" and not text.strip():
            yield DecisionFault("empty", repr(text[:40]), number)
    if decision.outcome == "accept" and SPAN_WRONG not in decision.tags:
        for number, seen in missing_spans(translated, decision.texts):
            yield DecisionFault("span", seen, number)


def _is_readable(text: str) -> bool:
    """Tells whether a text has no replacement character, half of a pair, or control character."""
    return not any(
        letter == "\ufffd"
        or "\ud800" <= letter <= "\udfff"
        or (letter < " " and letter not in "\t\n\r")
        for letter in text
    )


def spans_of(translated: Translated) -> tuple[tuple[ProtectedSpan, ...], ...]:
    """Returns the protected spans of each turn's source.

    Args:
        translated: The translation.
    """
    return tuple(protected.spans for protected in _protected(translated))


def missing_spans(translated: Translated, texts: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Yields the protected spans that texts lack, each with the number of its turn.

    Args:
        translated: The translation.
        texts: Texts of its turns, as many as it has.
    """
    pair = LanguagePair(source=translated.source.language, target=translated.language)
    for number, (protected, text) in enumerate(zip(_protected(translated), texts, strict=True)):
        for fault in verify_spans(protected, text, pair):
            yield number, fault.span.target if fault.span else fault.reason


def _protected(translated: Translated) -> tuple[ProtectedText, ...]:
    source = translated.source
    texts = tuple(turn.text for turn in source.turns)
    return _protected_texts(texts, translated.language, source.language)


@lru_cache(maxsize=512)
def _protected_texts(
    texts: tuple[str, ...], language: str, source_language: str
) -> tuple[ProtectedText, ...]:
    return tuple(protect_text(text, language, source_language=source_language) for text in texts)
