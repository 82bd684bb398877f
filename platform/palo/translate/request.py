"""A translation request: a conversation whose parts that must not change are protected."""

from dataclasses import dataclass

from palo.data.records import Record

MOST_SPANS = 1000
"""A turn with more protected spans is a table or an attack: its translation isn't checked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProtectedSpan:
    """A part of a text that a translation must keep.

    Attributes:
        placeholder: Its replacement in the text that a translator sees.
        kind: Its kind, for example "number" or "url".
        text: Its text in the source.
        target: Its text in the translation; differs from `text` for a glossary's terms.
    """

    placeholder: str
    kind: str
    text: str
    target: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ProtectedText:
    """A turn with placeholders in the place of its protected spans.

    Attributes:
        text: The text with the placeholders.
        spans: The protected spans, in their order.
    """

    text: str
    spans: tuple[ProtectedSpan, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslationRequest:
    """One conversation to translate into one language.

    Attributes:
        source: The conversation.
        language: ISO 639-1 code of the target language.
        turns: Its turns, with placeholders.
        attempt: Number of the attempt, from 0.
        reasons: Why the last attempt was refused, as feedback for the translator.
    """

    source: Record
    language: str
    turns: tuple[ProtectedText, ...]
    attempt: int = 0
    reasons: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Name of the translation in a job: the record and the target language."""
        return f"{self.source.record_id}>{self.language}"
