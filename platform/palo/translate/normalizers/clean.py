"""Cleans translations: Unicode's composed form, no residue, and the rules of the language."""

from collections.abc import Iterable, Iterator

from palo import languages
from palo.text.normal_form import normal_form
from palo.translate.normalizers.by_script import normalizers_of
from palo.translate.normalizers.normalizer import HIDDEN
from palo.translate.protected_spans.protect import VISIBLE_KINDS
from palo.translate.protected_spans.spans import Finder, Span, fixed_spans
from palo.translate.request import MOST_LOCKS, ProtectedSpan

_MOST_ROUNDS = 4


def normalize_translation(text: str, language: str, locks: Iterable[ProtectedSpan] = ()) -> str:
    """Returns a translation as its language is written; one that is so already, as it is.

    Markup, addresses and code stay as they are, and so does what the locks say. A text with more
    locks than `MOST_LOCKS` stays as it is.

    Args:
        text: A translation, marks replaced or not.
        language: ISO 639-1 code.
        locks: What else must not be touched.
    """
    wanted = {lock.wanted for lock in locks if lock.kind not in VISIBLE_KINDS}
    if len(wanted) > MOST_LOCKS:
        return text
    spans = fixed_spans(text, {"lock": _finder(wanted)} if wanted else None)
    shown = _hide(text, spans)
    script = languages.get(language).script
    for _ in range(_MOST_ROUNDS):
        before, shown = shown, normal_form(shown, script)
        for rule in normalizers_of(language):
            shown = rule.apply(shown)
        if shown == before:
            break
    pieces = shown.split(HIDDEN)
    if len(pieces) != len(spans) + 1:
        raise ValueError(f"a rule of {language} has touched a lock in {text[:80]!r}")
    parts = [pieces[0]]
    for span, piece in zip(spans, pieces[1:], strict=True):
        parts += [span.text, piece]
    return "".join(parts)


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
