"""One way of writing for text that was scraped or translated.

Unicode's composed form, LF alone, no invisible residue, no leftover markup. What is there for a
reason stays: joiners where scripts and emoji need them, code and mathematics.
"""

import re
from array import array
from collections.abc import Iterable, Mapping
from html import unescape

import numpy as np

from palo.text.code_spans import code_spans
from palo.text.unicode_forms import normalized

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
# From the first of some spaces on, and all of them or none: else each would be tried as the first.
_TRAILING = re.compile("(?<![ \t\u00a0\u3000])[ \t\u00a0\u3000]++(?=\n)")

_OPENERS: Mapping[str, str] = dict.fromkeys("\u202a\u202b\u202d\u202e", "\u202c") | dict.fromkeys(
    "\u2066\u2067\u2068", "\u2069"
)
_MARK_OF_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
_MARK_OR_LINE_END = re.compile("[\u202a-\u202e\u2066-\u2069\n]")
_ISOLATE_END = "\u2069"

# A `<` that was escaped to keep a tag from being one stays escaped, and so does its `>`: `<image>`,
# above all, never comes from words.
_ENTITY = re.compile(r"&(?:amp|quot|apos|nbsp|#(?!0*6[02];)\d{2,6}|#[xX](?!0*3[cCeE];)\w{2,5});")
_ANGLE = re.compile(r"&(?:[lg]t|#0*6[02]|#[xX]0*3[cCeE]);")
_ESCAPED_TAG = re.compile(r"&(?:lt|#0*60|#[xX]0*3[cC]);[/!]?[A-Za-z]")
_OTHER_TAG = re.compile(r"<(?!br\b)/?[a-z][\w-]*(?:\s[^<>]*)?/?>", re.IGNORECASE)
_BREAK = re.compile(
    r"(?:(?<![ \t])[ \t]++)?<br\s*/?>(?!\s*(?:tag|element)s?\b)[ \t]*\n?", re.IGNORECASE
)
_WRAPPED = re.compile(r"\s*<([^<>]+)>\s*")
_LIKE_A_TAG = re.compile(r"[!/?]|[A-Za-z][\w:-]*(?:\s+[\w:-]+\s*=.*)?\s*/?$", re.DOTALL)


_MOST_ROUNDS = 8
"""What is escaped or hidden more often than this stays so: nobody writes like that to be read."""


def normal_form(text: str, script: str) -> str:
    """Returns a text in the one way of writing it; a text that already is in it stays as it is.

    Args:
        text: What somebody said: without the image's markup.
        script: ISO 15924 code of the script of its language.
    """
    if _is_plain(text) or (
        _SUSPECT.search(text) is None and not any(sign in text for sign in "`$\\")
    ):
        return normalized("NFC", text)  # nearly all texts: no loop, nothing to spare
    after = text
    for _ in range(_MOST_ROUNDS):  # What was escaped twice, or hidden by residue, shows only now.
        before, after = after, _once(after, script)
        if after == before:
            break
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
    for start, stop in code_spans(text):
        parts += [_without_residue(text[end:start], script, breaks=breaks), text[start:stop]]
        end = stop
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
    return _TRAILING.sub("", normalized("NFC", text))


def _balanced(text: str) -> str:
    """Leaves out embeddings, overrides and isolates that aren't closed in their line, and closers.

    Source: Unicode Standard Annex 9, rules BD9 and X1 to X8: the end of an isolate also closes what
    was opened within it, the end of an embedding closes nothing across an isolate's start.
    """
    if _MARK_OF_DIRECTION.search(text) is None:
        return text
    kept = bytearray(b"\1") * len(text)
    opened = array("q")  # places of what is open, and how many isolates are among them
    num_isolates = 0

    def leave_out(places: Iterable[int]) -> None:
        for place in places:
            kept[place] = False

    for match in _MARK_OR_LINE_END.finditer(text):
        mark, place = match[0], match.start()
        if mark in _OPENERS:
            opened.append(place)
            num_isolates += _OPENERS[mark] == _ISOLATE_END
        elif mark == "\n":
            leave_out(opened)
            del opened[:]
            num_isolates = 0
        elif mark == _ISOLATE_END and num_isolates:
            while _OPENERS[text[opened[-1]]] != _ISOLATE_END:
                kept[opened.pop()] = False
            opened.pop()
            num_isolates -= 1
        elif opened and _OPENERS[text[opened[-1]]] == mark:
            opened.pop()
        else:
            kept[place] = False
    leave_out(opened)
    if b"\0" not in kept:
        return text
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    return points[np.frombuffer(kept, np.bool_)].tobytes().decode("utf-32-le", "surrogatepass")
