"""Normalizes translations: Unicode's composed form, and the conventions of the language."""

from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from palo import languages
from palo.text.normal_form import normal_form
from palo.translate.normalizers import scripts
from palo.translate.normalizers.normalizer import HIDDEN, SPACING, Normalizer, no_space_before
from palo.translate.protected_spans.protect import VISIBLE_KINDS
from palo.translate.protected_spans.spans import Finder, Span, fixed_spans
from palo.translate.request import MOST_SPANS, ProtectedSpan

_MOST_ROUNDS = 4
_DEFAULT = (*SPACING, no_space_before(",;!?"))


def normalize_translation(text: str, language: str, protected: Iterable[ProtectedSpan] = ()) -> str:
    """Returns a translation in the conventions of its language.

    Markup, addresses, code and the protected spans stay unchanged. So does a whole text with more
    spans than `MOST_SPANS`.

    Args:
        text: A translation, placeholders replaced or not.
        language: ISO 639-1 code.
        protected: The protected spans of its source.

    Raises:
        ValueError: If a normalizer has changed a protected part.
    """
    wanted = {span.target for span in protected if span.kind not in VISIBLE_KINDS}
    if len(wanted) > MOST_SPANS:
        return text
    spans = fixed_spans(text, {"protected": _finder(wanted)} if wanted else None)
    *_, (_, shown) = _steps(_hide(text, spans), language)
    pieces = shown.split(HIDDEN)
    if len(pieces) != len(spans) + 1:
        raise ValueError(
            f"a normalizer of {language} has touched a protected part of {text[:80]!r}"
        )
    parts = [pieces[0]]
    for span, piece in zip(spans, pieces[1:], strict=True):
        parts += [span.text, piece]
    return "".join(parts)


def rules_applied(text: str, language: str) -> tuple[str, ...]:
    """Returns the names of the normalizers that change a text, beyond Unicode's composed form.

    Args:
        text: A text.
        language: ISO 639-1 code.
    """
    steps = _steps(_hide(text, fixed_spans(text)), language)
    return tuple(dict.fromkeys(name for name, _ in steps if name))


def _steps(shown: str, language: str) -> Iterator[tuple[str, str]]:
    """Yields each change to a text: the normalizer's name, "" for the normal form; and the text."""
    script = languages.get(language).script
    for _ in range(_MOST_ROUNDS):
        before, shown = shown, normal_form(shown, script)
        yield "", shown
        for normalizer in normalizers_of(language):
            changed = normalizer.apply(shown)
            if changed != shown:
                shown = changed
                yield normalizer.name, shown
        if shown == before:
            return


@cache
def normalizers_of(language: str) -> tuple[Normalizer, ...]:
    """Returns the normalizers of a language, else those of its script, else the default ones.

    Args:
        language: ISO 639-1 code.

    Returns:
        The normalizers in the order in which they work.
    """
    modules = [
        import_module(f"{scripts.__name__}.{one.name}") for one in iter_modules(scripts.__path__)
    ]
    own: dict[str, tuple[Normalizer, ...]] = {}
    by_script: dict[str, tuple[Normalizer, ...]] = {}
    for module in modules:
        own |= module.BY_LANGUAGE
        by_script |= getattr(module, "BY_SCRIPT", {})
    return own.get(language) or by_script.get(languages.get(language).script, _DEFAULT)


def _hide(text: str, spans: Iterable[Span]) -> str:
    pieces, end = [], 0
    for span in spans:
        pieces += [text[end : span.start], HIDDEN]
        end = span.end
    return "".join([*pieces, text[end:]])


def _finder(wanted: set[str]) -> Finder:
    def find(text: str) -> Iterator[tuple[int, int]]:
        for words in sorted(wanted, key=len, reverse=True):
            place = text.find(words)
            while place >= 0:
                yield place, place + len(words)
                place = text.find(words, place + len(words))

    return find
