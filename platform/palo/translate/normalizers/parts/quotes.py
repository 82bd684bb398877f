"""Straight quotation marks become those of the language, where it is sure which is which."""

import re

from palo import languages
from palo.translate.normalizers.normalizer import Normalizer

_BEFORE = re.compile(r"(?:^|[\s(\[—–\-,，、。：:«“「/])$|[\u3040-\u30ff\u4e00-\u9fff]$")
_BEHIND = re.compile(
    r"^(?:$|[\s)(（\].,;:!?…—–\-/»”」，、。！？；：’'])|^[\u3040-\u30ff\u4e00-\u9fff]"
)


def quotes(language: str) -> Normalizer:
    """Returns the rule for a language whose quotation marks the registry knows."""
    opening, closing = languages.get(language).quotes

    def apply(text: str) -> str:
        return "\n".join(_curved(line, opening, closing) for line in text.split("\n"))

    return Normalizer(name="quotation marks", apply=apply)


def _curved(line: str, opening: str, closing: str) -> str:
    parts = line.split('"')
    if len(parts) < 3 or len(parts) % 2 == 0:
        return line
    outside, within = parts[::2], parts[1::2]
    sure = all(map(_BEFORE.search, (part[-1:] for part in outside[:-1]))) and all(
        map(_BEHIND.match, (part[:1] for part in outside[1:]))
    )
    # What is empty, or has spaces at its edges, may be anything: inches, for example.
    if not sure or any(not part or part != part.strip() for part in within):
        return line
    if any(mark.strip() in part for part in within for mark in (opening, closing)):
        return line  # a quotation within a quotation wants other marks
    pieces = [outside[0]]
    for inner, outer in zip(within, outside[1:], strict=True):
        pieces += [opening, inner, closing, outer]
    return "".join(pieces)
