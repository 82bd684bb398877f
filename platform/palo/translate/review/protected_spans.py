"""The locks of translations under review: what reviewers must leave as it is."""

from collections.abc import Iterator
from functools import lru_cache

from palo.translate.protected_spans.protect import protect_text
from palo.translate.protected_spans.verify import LanguagePair, verify_spans
from palo.translate.request import ProtectedSpan, ProtectedText
from palo.translate.translated import Translated


def spans_of(translated: Translated) -> tuple[tuple[ProtectedSpan, ...], ...]:
    """Returns the locks of each turn's source."""
    return tuple(locked.spans for locked in _locked(translated))


def missing_spans(translated: Translated, texts: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Yields the number of a turn and what is wrong with a lock in its text.

    Args:
        translated: The translation.
        texts: What its turns say now, as many as it has.
    """
    pair = LanguagePair(source=translated.source.language, target=translated.language)
    for number, (locked, text) in enumerate(zip(_locked(translated), texts, strict=True)):
        for fault in verify_spans(locked, text, pair):
            yield number, fault.span.target if fault.span else fault.reason


def _locked(translated: Translated) -> tuple[ProtectedText, ...]:
    source = translated.source
    texts = tuple(turn.text for turn in source.turns)
    return _locked_texts(texts, translated.language, source.language)


@lru_cache(maxsize=512)
def _locked_texts(
    texts: tuple[str, ...], language: str, source_language: str
) -> tuple[ProtectedText, ...]:
    return tuple(protect_text(text, language, source_language=source_language) for text in texts)
