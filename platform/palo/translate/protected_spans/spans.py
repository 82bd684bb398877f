"""Finds the parts of a text that a translation must not change."""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A part of a text that must stay.

    Attributes:
        start: Number of its first character.
        end: Number of the character after it.
        kind: What it is.
        text: What it says.
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
"""What is found the same way in every language, by kind; where two overlap the earlier kind wins.

A mark that somebody wrote into the source is locked as well, so that it is never taken for ours.
"""


def fixed_spans(text: str, more: Mapping[str, Finder] | None = None) -> list[Span]:
    """Returns the parts of a text that stay, in their order, none overlapping another.

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
