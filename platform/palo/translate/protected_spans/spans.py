"""Finds the spans of a text that a translation must keep."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from palo.text.code_spans import code_spans

_MARK = re.compile(r"⟦[^⟦⟧]*⟧|[⟦⟧]")
_MARKUP = re.compile(r"<image>|</?[A-Za-z][\w-]*(?:\s[^<>]*)?/?>")
_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"“”«»「」،。，；]+")
_DOMAIN = re.compile(r"(?<![\w@.-])[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|edu|gov|io)\b", re.ASCII)
_AFTER_URL = ".,;:!?)]}'’؟۔।！？）"
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII)
_HANDLE = re.compile(r"(?<![\w@#])[@#][A-Za-z_]\w*", re.ASCII)
_PLACEHOLDER = re.compile(r"\{\w*\}|%(?:\(\w+\))?[sd](?!\w)", re.ASCII)
_FILE = re.compile(
    r"(?<![\w./-])[\w-]+\.(?:jpe?g|png|gif|webp|pdf|docx?|xlsx?|csv|txt|py|html?|json|mp[34]|zip)\b",
    re.ASCII,
)
_PRIVATE = re.compile("[\ue000-\uf8ff]+")
_QUOTED = re.compile(r"\"([^\"\n]{1,120})\"|“([^”\n]{1,120})”|(?<!\w)'([^'\n]{1,120})'(?!\w)")
_CUE = re.compile(
    r"\b(?:signs?|signboard|labels?|label(?:l?ed|l?ing)|text|words?|letters?|lettering|logo|title|titled"
    r"|caption|posters?|banner|plate|plaque|brand|branded|inscription|inscribed|written|writing"
    r"|reads|reading|printed|spell(?:s|ed|ing)?|displays?|screen|shirt|jersey|cover|packag(?:e|ing)"
    r"|numbered|marked|message|slogan|headline|billboard|graffiti|engraved)\b",
    re.IGNORECASE,
)
_NEAR_BEFORE, _NEAR_BEHIND = 60, 30
_SENTENCE_END = re.compile(r"[.!?]\s")


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A span that a translation must keep.

    Attributes:
        start: Number of its first character.
        end: Number of the character after it.
        kind: Its kind, a key of `FINDERS` for example.
        text: Its text.
    """

    start: int
    end: int
    kind: str
    text: str


Finder = Callable[[str], Iterator[tuple[int, int]]]


def _urls(text: str) -> Iterator[tuple[int, int]]:
    for match in _URL.finditer(text):
        yield match.start(), match.start() + len(match[0].rstrip(_AFTER_URL))


def _all(pattern: re.Pattern[str]) -> Finder:
    return lambda text: (match.span() for match in pattern.finditer(text))


FINDERS: Mapping[str, Finder] = {
    "mark": _all(_MARK),
    "code": code_spans,
    "markup": _all(_MARKUP),
    "url": _urls,
    "email": _all(_EMAIL),
    "domain": _all(_DOMAIN),
    "handle": _all(_HANDLE),
    "placeholder": _all(_PLACEHOLDER),
    "file": _all(_FILE),
    "private": _all(_PRIVATE),
}
"""Finders for every language, by kind; where two spans overlap, the earlier kind wins.

A placeholder in the source is protected as well, so that it is never taken for one of ours.
"""


def fixed_spans(text: str, more: Mapping[str, Finder] | None = None) -> list[Span]:
    """Returns the spans of a text that a translation must keep, in order and without overlaps.

    Args:
        text: Any text.
        more: Further kinds to look for, after the fixed ones.
    """
    found: list[Span] = []
    taken = bytearray(len(text))
    for kind, finder in (*FINDERS.items(), *(more or {}).items()):
        for start, end in finder(text):
            if start < end and not any(taken[start:end]):
                taken[start:end] = b"\1" * (end - start)
                found.append(Span(start=start, end=end, kind=kind, text=text[start:end]))
    return sorted(found, key=lambda span: span.start)


def quotations(text: str) -> Iterator[tuple[int, int]]:
    """Yields quotations near English words for writing, such as "sign" or "label".

    Quotations in capital letters throughout are yielded wherever they are.

    Args:
        text: Any text.
    """
    for match in _QUOTED.finditer(text):
        start, end = match.span(match.lastindex or 0)
        before = _SENTENCE_END.split(text[max(0, match.start() - _NEAR_BEFORE) : match.start()])[-1]
        behind = _SENTENCE_END.split(text[match.end() : match.end() + _NEAR_BEHIND])[0]
        quoted = text[start:end]
        in_capitals = quoted.isupper() and len(quoted) > 1
        if in_capitals or _CUE.search(before) or _CUE.match(behind.lstrip(" ,")):
            yield start, end
