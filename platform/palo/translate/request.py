"""What a translator is given: a conversation whose unchangeable parts are locked."""

from dataclasses import dataclass

from palo.data.records import Record

MOST_LOCKS = 1000
"""A turn with more parts that must stay is a table or an attack: its translation isn't judged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProtectedSpan:
    """A part of a text that a translation must keep as it is.

    Attributes:
        mark: What stands for it in the text that a translator sees.
        kind: What it is, for example "number" or "url".
        text: What it says.
        wanted: What must stand in the translation; differs from `text` for a glossary's terms.
    """

    mark: str
    kind: str
    text: str
    wanted: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ProtectedText:
    """A turn with marks in the place of its locks.

    Attributes:
        text: The words with the marks.
        locks: What the marks stand for, in their order.
    """

    text: str
    locks: tuple[ProtectedSpan, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslationRequest:
    """One conversation to translate into one language.

    Attributes:
        source: The conversation.
        language: ISO 639-1 code of the language wanted.
        turns: Its turns, locked.
        attempt: How often it has been tried before.
        reasons: Why the last attempt was refused, for the translator to do better.
    """

    source: Record
    language: str
    turns: tuple[ProtectedText, ...]
    attempt: int = 0
    reasons: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Names the unit in a job: the record and the language."""
        return f"{self.source.record_id}>{self.language}"
