"""The normal form of text that was scraped or translated.

Unicode's composed form, LF alone, no invisible residue, no leftover markup. Joiners stay where
scripts and emoji need them, and so do code and mathematics.

`unicodedata.normalize` alone takes the square of the number of marks on a letter, eleven seconds
for 64,000, since it moves each past its neighbours; marks that are in order already cost nothing.
"""

import re
import sys
import unicodedata
from array import array
from collections.abc import Iterable, Mapping
from functools import cache
from html import unescape
from typing import Literal

import numpy as np

from palo.text.code_spans import code_spans

Form = Literal["NFC", "NFKC"]

# In a shorter text no order of marks takes longer than a millisecond.
_SHORT = 1024
# No language puts so many marks on one letter: Unicode's stream-safe format ends at 30.
_MANY = 64
_STEP = 8
_DECOMPOSED: Mapping[Form, Literal["NFD", "NFKD"]] = {"NFC": "NFD", "NFKC": "NFKD"}
# Characters that are no marks themselves but become nothing else once they are decomposed.
_LIKE_MARKS: Mapping[Form, str] = {
    "NFC": "\u0f73\u0f75\u0f81",
    "NFKC": "\u0f73\u0f75\u0f81\uff9e\uff9f",
}
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
"""Text that is escaped or hidden more often than this stays as it is."""


def normalized(form: Form, text: str) -> str:
    """Returns what `unicodedata.normalize` does, in linear time however many marks a letter has.

    Args:
        form: NFC or NFKC.
        text: Any text.
    """
    if len(text) > _SHORT and not text.isascii() and _may_have_many_marks(form, text):
        text = _many_marks(form).sub(lambda marks: _in_order(form, marks[0]), text)
    return unicodedata.normalize(form, text)


def _may_have_many_marks(form: Form, text: str) -> bool:
    """Samples every eighth character, ten times faster than all, to decide on a closer check."""
    are_marks = bytes(map(_marks(form).__contains__, text[::_STEP]))
    return b"\1" * (_MANY // _STEP) in are_marks


def _in_order(form: Form, marks: str) -> str:
    """Returns marks in canonical order: by class, those of one class as they were."""
    marks = marks.translate(_decompositions(form))
    classes = np.fromiter(map(unicodedata.combining, marks), np.uint8, len(marks))
    points = np.frombuffer(marks.encode("utf-32-le"), "<u4")
    return points[np.argsort(classes, kind="stable")].tobytes().decode("utf-32-le")


@cache
def _marks(form: Form) -> frozenset[str]:
    combining = filter(unicodedata.combining, map(chr, range(sys.maxunicode + 1)))
    return frozenset(combining) | frozenset(_LIKE_MARKS[form])


@cache
def _many_marks(form: Form) -> re.Pattern[str]:
    return re.compile(f"[{''.join(sorted(_marks(form)))}]{{{_MANY},}}")


@cache
def _decompositions(form: Form) -> Mapping[int, str]:
    return {ord(m): unicodedata.normalize(_DECOMPOSED[form], m) for m in _marks(form)}


def normal_form(text: str, script: str) -> str:
    """Returns a text in normal form; a text that has it already stays as it is.

    Args:
        text: The words of a turn, without markup for images.
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
    """Returns, five times faster than `_SUSPECT`, whether a text surely has nothing suspect.

    Invisible characters are not printable in Unicode's terms, line breaks included.
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
