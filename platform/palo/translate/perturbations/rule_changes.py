"""What the rules of a language change in sentences that people wrote."""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from palo.translate.normalizers.normalize import normalize_translation


@dataclass(frozen=True, kw_only=True, slots=True)
class Changed:
    """A sentence that the rules of its language change.

    Attributes:
        before: As it was.
        after: As the rules have it.
    """

    before: str
    after: str


def changed_by_normalizers(texts: Iterable[str], language: str) -> Iterator[Changed]:
    """Yields what the rules change, beyond Unicode's composed form.

    Args:
        texts: Sentences that people wrote.
        language: ISO 639-1 code.
    """
    for text in texts:
        before, after = unicodedata.normalize("NFC", text), normalize_translation(text, language)
        if before != after:
            yield Changed(before=before, after=after)
