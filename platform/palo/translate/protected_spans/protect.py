"""Puts marks in the place of what must not change, and back.

Numbers and units stay visible to the translator, who needs them for plurals and cases: the mark of
such a lock is its own text, and nothing is put in its place. Everything else becomes a mark like
`⟦1⟧`, which Apertium leaves alone and a language model can be told to.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from palo.data.records import Record
from palo.translate.glossary import Glossary
from palo.translate.protected_spans.numbers import amounts
from palo.translate.protected_spans.quantities import unit_behind
from palo.translate.protected_spans.spans import Finder, fixed_spans, quotations
from palo.translate.request import ProtectedSpan, ProtectedText, TranslationRequest

VISIBLE_KINDS = ("number", "unit")
"""Kinds whose locks stand in the text as they are."""

# Translators add spaces, write other digits, or take the brackets of their own script.
_MARK = re.compile(r"[⟦〚]\s*(\d+)\s*[⟧〛]")


@dataclass(frozen=True, kw_only=True, slots=True)
class ProtectionSettings:
    """What is locked besides markup, addresses and code.

    Attributes:
        numbers: Lock numbers and units.
        quotations: Lock quoted text that stands in the image.
        glossary: Terms with a translation that is settled.
    """

    numbers: bool = True
    quotations: bool = True
    glossary: Glossary = field(default_factory=Glossary)


_DEFAULT = ProtectionSettings()


def protect_text(
    text: str,
    language: str,
    *,
    source_language: str = "en",
    settings: ProtectionSettings = _DEFAULT,
    first: int = 1,
) -> ProtectedText:
    """Locks a text for its translation.

    Args:
        text: What somebody said.
        language: ISO 639-1 code of the language wanted.
        source_language: ISO 639-1 code of the text's own language.
        settings: What is locked.
        first: Number of the first mark.
    """
    terms = settings.glossary.terms(source_language, language)
    more: dict[str, Finder] = {"term": terms.spans}
    if settings.quotations:
        more["quotation"] = quotations
    if settings.numbers:
        more |= _visible_finders(source_language)
    pieces, locks, end, number = [], [], 0, first
    for span in fixed_spans(text, more):
        wanted = terms.wanted(span.text) if span.kind == "term" else span.text
        mark = span.text
        if span.kind not in VISIBLE_KINDS:
            mark, number = f"⟦{number}⟧", number + 1
        pieces += [text[end : span.start], mark]
        locks.append(ProtectedSpan(mark=mark, kind=span.kind, text=span.text, wanted=wanted))
        end = span.end
    return ProtectedText(text="".join([*pieces, text[end:]]), locks=tuple(locks))


def protect_record(
    record: Record, language: str, *, settings: ProtectionSettings = _DEFAULT, attempt: int = 0
) -> TranslationRequest:
    """Locks every turn of a record; marks are numbered through the whole conversation."""
    turns: list[ProtectedText] = []
    first = 1
    for turn in record.turns:
        locked = protect_text(
            turn.text, language, source_language=record.language, settings=settings, first=first
        )
        first += sum(protect_text.mark != protect_text.text for protect_text in locked.locks)
        turns.append(locked)
    return TranslationRequest(source=record, language=language, turns=tuple(turns), attempt=attempt)


def restore_text(text: str, locks: Iterable[ProtectedSpan]) -> str:
    """Puts into a translation what its marks stand for; a mark that stands for nothing stays.

    Args:
        text: What a translator made of a locked text.
        locks: The locks of that text.
    """
    wanted = {one.mark: one.wanted for one in locks if one.mark != one.text}

    def put(match: re.Match[str]) -> str:
        return wanted.get(f"⟦{_plain(match[1])}⟧", match[0])

    return _MARK.sub(put, text) if wanted else text


def stray_marks(text: str) -> Iterator[str]:
    """Yields the marks that are left in a text."""
    yield from (match[0] for match in _MARK.finditer(text))


def without_marks(text: str) -> str:
    """Returns a text with a space in the place of every mark."""
    return _MARK.sub(" ", text)


def _plain(digits: str) -> str:
    return "".join(str(unicodedata.decimal(digit)) for digit in digits).lstrip("0") or "0"


def _visible_finders(language: str) -> Mapping[str, Finder]:
    def with_units(text: str) -> Iterator[tuple[int, int]]:
        for amount in amounts(text, language):
            if (unit := unit_behind(text, amount.end, language)) is not None:
                yield amount.start, unit[1]

    def alone(text: str) -> Iterator[tuple[int, int]]:
        yield from ((amount.start, amount.end) for amount in amounts(text, language))

    return {"unit": with_units, "number": alone}
