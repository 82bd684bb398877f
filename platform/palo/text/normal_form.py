"""One way of writing for text that was scraped or translated.

Unicode's composed form, LF alone, no invisible residue, no leftover markup. What is there for a
reason stays: joiners where scripts and emoji need them, code and mathematics.
"""

import re
import unicodedata
from collections.abc import Mapping
from html import unescape

CODE_OR_MATHEMATICS = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]+`|\$\$.+?\$\$|\\\[.+?\\\]|\\\(.+?\\\)|\$(?=\S)[^$\n]*?\S\$(?!\d)"
    r"|\\begin\{(\w+\*?)\}.+?\\end\{\1\}",
    re.DOTALL,
)
"""Spans of a text in which markup, spaces and rare characters may be meant."""

_JOINING = frozenset(
    ("Arab", "Deva", "Beng", "Guru", "Gujr", "Orya", "Taml", "Telu", "Knda", "Mlym", "Sinh")
)
"""Scripts in which an invisible joiner or non-joiner changes what is read."""
_UNSPACED = frozenset(("Thai", "Laoo", "Khmr", "Mymr", "Tibt"))
"""Scripts that mark the ends of words with an invisible space."""

# What no text needs that is in normal form; most texts have none of it.
_SUSPECT = re.compile(
    "[\x00-\x08\v-\x1f\x7f-\x9f\u00ad\u200b-\u200d\u2028-\u202e\u2060\u2066-\u2069\ufeff&<]"
    "|[ \t\u00a0\u3000]\n|\\s\\Z"
)
_LINE_ENDS = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufeff]")
_ZERO_WIDTH = re.compile("[\u00ad\u2060]")
_ZERO_WIDTH_SPACE = re.compile("\u200b")
# At the start, after ASCII, or after letters of scripts that don't join a joiner says nothing;
# after others, emoji among them, it may.
_JOINERS = re.compile("(?:^|(?<=[\x00-\u058f\u3000-\u9fff\uac00-\ud7af]))[\u200c\u200d]+")
_TRAILING = re.compile("[ \t\u00a0\u3000]+(?=\n)")

_OPENERS: Mapping[str, str] = dict.fromkeys("\u202a\u202b\u202d\u202e", "\u202c") | dict.fromkeys(
    "\u2066\u2067\u2068", "\u2069"
)
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069\n]")

# A `<` that was escaped to keep a tag from being one stays escaped, and so does its `>`: `<image>`,
# above all, never comes from words.
_ENTITY = re.compile(r"&(?:amp|quot|apos|nbsp|#(?!0*6[02];)\d{2,6}|#[xX](?!0*3[cCeE];)\w{2,5});")
_ANGLE = re.compile(r"&(?:[lg]t|#0*6[02]|#[xX]0*3[cCeE]);")
_ESCAPED_TAG = re.compile(r"&(?:lt|#0*60|#[xX]0*3[cC]);[/!]?[A-Za-z]")
_OTHER_TAG = re.compile(r"<(?!br\b)/?[a-z][\w-]*(?:\s[^<>]*)?/?>", re.IGNORECASE)
_BREAK = re.compile(r"[ \t]*<br\s*/?>(?!\s*(?:tag|element)s?\b)[ \t]*\n?", re.IGNORECASE)
_WRAPPED = re.compile(r"\s*<([^<>]+)>\s*")
_LIKE_A_TAG = re.compile(r"[!/?]|[A-Za-z][\w:-]*(?:\s+[\w:-]+\s*=.*)?\s*/?$", re.DOTALL)


def normal_form(text: str, script: str) -> str:
    """Returns a text in the one way of writing it; a text that already is in it stays as it is.

    Args:
        text: What somebody said: without the picture's markup.
        script: ISO 15924 code of the script of its language.
    """
    if _is_plain(text) or (
        _SUSPECT.search(text) is None and not any(sign in text for sign in "`$\\")
    ):
        return unicodedata.normalize("NFC", text)  # nearly all texts: no loop, nothing to spare
    before, after = text, _once(text, script)
    while after != before:  # What was escaped twice, or hidden by residue, shows only now.
        before, after = after, _once(after, script)
    return text if "<image>" in after and "<image>" not in text else after


def _is_plain(text: str) -> bool:
    """Tells, five times faster than `_SUSPECT`, that a text surely has nothing suspect.

    What nobody can see is not printable in Unicode's terms, line breaks included.
    """
    return (
        text.replace("\n", "").isprintable()
        and not any(sign in text for sign in ("&", "<", "`", "$", "\\", " \n"))
        and not text[-1:].isspace()
    )


def _once(text: str, script: str) -> str:
    text = _balanced(_CONTROLS.sub("", _LINE_ENDS.sub("\n", text)))
    # A table needs its breaks, and a text about HTML means them.
    breaks = "|" not in text and _OTHER_TAG.search(text) is None
    parts, end = [], 0
    for span in CODE_OR_MATHEMATICS.finditer(text):
        parts += [_without_residue(text[end : span.start()], script, breaks=breaks), span[0]]
        end = span.end()
    parts.append(_without_residue(text[end:], script, breaks=breaks))
    text = "".join(parts).rstrip()
    wrapped = _WRAPPED.fullmatch(text)
    return text if wrapped is None or _LIKE_A_TAG.match(wrapped[1]) else wrapped[1].strip()


def _without_residue(text: str, script: str, *, breaks: bool) -> str:
    """Cleans words: no code, no mathematics."""
    text = _ENTITY.sub(lambda entity: unescape(entity[0]), text)
    if _ESCAPED_TAG.search(text) is None:
        text = _ANGLE.sub(lambda entity: unescape(entity[0]), text)
    if breaks:
        text = _BREAK.sub("\n", text)
    text = _ZERO_WIDTH.sub("", text)
    if script not in _UNSPACED:
        text = _ZERO_WIDTH_SPACE.sub("", text)
    if script not in _JOINING:
        text = _JOINERS.sub("", text)
    return _TRAILING.sub("", unicodedata.normalize("NFC", text))


def _balanced(text: str) -> str:
    """Leaves out embeddings, overrides and isolates that aren't closed in their line, and closers.

    Source: Unicode Standard Annex 9, rules BD9 and X1 to X8: the end of an isolate also closes what
    was opened within it, the end of an embedding closes nothing across an isolate's start.
    """
    stray: set[int] = set()
    opened: list[tuple[str, int]] = []
    for mark in _BIDI.finditer(text):
        if mark[0] in _OPENERS:
            opened.append((_OPENERS[mark[0]], mark.start()))
            continue
        if mark[0] == "\n":
            stray.update(place for _, place in opened)
            opened.clear()
            continue
        closes = [number for number, (closer, _) in enumerate(opened) if closer == mark[0]]
        if not closes or (mark[0] == "\u202c" and closes[-1] != len(opened) - 1):
            stray.add(mark.start())
            continue
        stray.update(place for _, place in opened[closes[-1] + 1 :])
        del opened[closes[-1] :]
    stray.update(place for _, place in opened)
    return "".join(c for n, c in enumerate(text) if n not in stray) if stray else text
