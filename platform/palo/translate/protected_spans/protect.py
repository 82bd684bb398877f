"""Replaces the spans that a translation must keep by placeholders, and puts them back.

Numbers and units stay visible to the translator, who needs them for plurals and cases: the
placeholder of such a span is its own text. Everything else becomes a placeholder like `⟦1⟧`, which
Apertium leaves alone and a language model can be told to keep.
"""

import dataclasses
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from palo.data.records import Record
from palo.text.messages import Turn
from palo.translate.glossary import Glossary
from palo.translate.protected_spans.numbers import amounts
from palo.translate.protected_spans.quantities import unit_behind
from palo.translate.protected_spans.spans import Finder, fixed_spans, quotations
from palo.translate.request import ProtectedSpan, ProtectedText, TranslationRequest

VISIBLE_KINDS = ("number", "unit")
"""Kinds of spans that have no placeholder."""

# Translators add spaces, write other digits, or take the brackets of their own script.
_PLACEHOLDER = re.compile(r"[⟦〚]\s*(\d+)\s*[⟧〛]")


@dataclass(frozen=True, kw_only=True, slots=True)
class ProtectionSettings:
    """Which spans are protected besides markup, addresses and code.

    Attributes:
        numbers: Protects numbers and units.
        quotations: Protects quotations of text in the image.
        glossary: Terms with a fixed translation.
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
    """Replaces the protected spans of a text by placeholders.

    Args:
        text: The text of a turn.
        language: ISO 639-1 code of the target language.
        source_language: ISO 639-1 code of the text's own language.
        settings: Which spans are protected.
        first: Number of the first placeholder.

    Returns:
        The text and its protected spans.
    """
    terms = settings.glossary.terms(source_language, language)
    more: dict[str, Finder] = {"term": terms.spans}
    if settings.quotations:
        more["quotation"] = quotations
    if settings.numbers:
        more |= _visible_finders(source_language)
    pieces, spans, end, number = [], [], 0, first
    for span in fixed_spans(text, more):
        target = terms.wanted(span.text) if span.kind == "term" else span.text
        placeholder = span.text
        if span.kind not in VISIBLE_KINDS:
            placeholder, number = f"⟦{number}⟧", number + 1
        pieces += [text[end : span.start], placeholder]
        spans.append(
            ProtectedSpan(placeholder=placeholder, kind=span.kind, text=span.text, target=target)
        )
        end = span.end
    return ProtectedText(text="".join([*pieces, text[end:]]), spans=tuple(spans))


def protect_record(
    record: Record, language: str, *, settings: ProtectionSettings = _DEFAULT, attempt: int = 0
) -> TranslationRequest:
    """Returns the request to translate a record.

    Placeholders are numbered through the whole conversation.

    Args:
        record: The conversation.
        language: ISO 639-1 code of the target language.
        settings: Which spans are protected.
        attempt: Number of the attempt, from 0.
    """
    turns: list[ProtectedText] = []
    first = 1
    for turn in record.turns:
        protected = protect_text(
            turn.text, language, source_language=record.language, settings=settings, first=first
        )
        first += sum(span.placeholder != span.text for span in protected.spans)
        turns.append(protected)
    return TranslationRequest(source=record, language=language, turns=tuple(turns), attempt=attempt)


def back_translation(request: TranslationRequest, texts: Sequence[str]) -> TranslationRequest:
    """Returns the request to translate a translation back into the language of its source.

    Args:
        request: The conversation that was translated.
        texts: Its translation, turn by turn.
    """
    turns = tuple(
        Turn(turn.role, text, turn.num_images)
        for turn, text in zip(request.source.turns, texts, strict=True)
    )
    translated = dataclasses.replace(
        request.source, record_id=request.key, language=request.language, turns=turns
    )
    return protect_record(translated, request.source.language)


def restore_text(text: str, spans: Iterable[ProtectedSpan]) -> str:
    """Replaces the placeholders in a translation; an unknown placeholder stays.

    Args:
        text: The translation of a protected text.
        spans: The protected spans of that text.
    """
    targets = {span.placeholder: span.target for span in spans if span.placeholder != span.text}

    def put(match: re.Match[str]) -> str:
        return targets.get(f"⟦{_plain(match[1])}⟧", match[0])

    return _PLACEHOLDER.sub(put, text) if targets else text


def stray_placeholders(text: str) -> Iterator[str]:
    """Yields the placeholders in a text.

    Args:
        text: Any text.
    """
    yield from (match[0] for match in _PLACEHOLDER.finditer(text))


def without_placeholders(text: str) -> str:
    """Returns a text with a space in the place of every placeholder.

    Args:
        text: Any text.
    """
    return _PLACEHOLDER.sub(" ", text)


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
