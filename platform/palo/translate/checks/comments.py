"""Checks for what a translator says by itself: comments on its work, and refusals.

Most of its phrases are everyday words as well. They count as they are written, with their marks, at
the edges of a turn, and only where the source says nothing of the kind.
"""

import re
from collections.abc import Iterator
from functools import cache

from palo import languages
from palo.translate.checks.case import CheckCase, Side, fault
from palo.translate.language_profiles.profile import language_profile
from palo.translate.translated import CheckResult, Decision

_SENTENCE = re.compile(r"[\n.!?。！？۔।؟(（]+")
# What stands before a first colon.
_COLON = re.compile("[:：]")
_HEAD = re.compile(r"[^:：\n]{2,50}[:：]")
_MOST_WORDS_OF_A_HEADING = 4
_CALL = re.compile(r"\s*[!！]")
_NO_WORD = re.compile(r"[^\w']+")
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "’": "'"})
_SURE, _LIKELY, _UNSURE = 1.0, 0.8, 0.6
_STOPS = ".。۔।"
_WRAPS = (
    ('"', '"'), ("“", "”"), ("„", "“"), ("«", "»"), ("‹", "›"), ("‘", "’"), ("'", "'"),
    ("「", "」"), ("『", "』"), ("(", ")"), ("（", "）"), ("<", ">"), ("```", "```"), ("**", "**"),
)  # fmt: skip
_QUOTES = tuple({mark[0] for pair in _WRAPS for mark in pair})


def chatter(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn that begins or ends with words about the translation, or wraps it.

    Words that may be a translation's own, such as an assent or a note, send it to review.

    Args:
        case: The translation and its source.
    """
    for side in case.sides:
        text = _plain(side.text)
        if phrase := _of_its_work(case, side, text):
            yield fault("chatter", side, f'The translator speaks of its work: "{phrase}".', _SURE)
        elif phrase := _aside(case, side, text):
            yield CheckResult(
                check="chatter",
                decision=Decision.REVIEW,
                reason=f'The translator may speak of its work: "{phrase}".',
                turn=side.number,
                doubt=_UNSURE,
            )
        elif _is_wrapped(side.text) and _is_unquoted(side.source):
            yield fault("chatter", side, "The translation stands between marks of its own.", _SURE)


def refusal(case: CheckCase) -> Iterator[CheckResult]:
    """Yields each turn that says why it isn't translated, where its source refuses nothing.

    Args:
        case: The translation and its source.
    """
    for side in case.sides:
        text = _plain(side.text)
        for kind, doubt in (("refusal", _SURE), ("apology", _LIKELY)):
            found = (one for code in _codes(case) for one in _phrases(code, kind) if one in text)
            phrase = next(found, "")
            if phrase and not is_excused(case, side, kind):
                yield fault("refusal", side, f'The translator refuses: "{phrase}".', doubt)
                break


def _of_its_work(case: CheckCase, side: Side, text: str) -> str:
    """Returns words that surely speak of the translation, "" for none."""
    edges = _edges(text)
    if is_excused(case, side, "work"):
        return ""
    for code in _codes(case):
        starts = _phrases(code, "work")
        if said := next((one for one in edges if one.startswith(starts)), ""):
            return next(start for start in starts if said.startswith(start))
    return _heading(case, side, text)


def _heading(case: CheckCase, side: Side, text: str) -> str:
    """Returns a heading that names the translation or its language, "" for none."""
    head = _HEAD.match(text)
    if head is None or _COLON.search(side.source) is not None:
        return ""
    heading, source = head[0], side.source.lower()
    for code in _codes(case):
        stems = (one.rstrip(":： ") for one in _phrases(code, "work"))
        if stem := next((one for one in stems if one in heading), ""):
            return stem
    if len(heading.split()) > _MOST_WORDS_OF_A_HEADING:
        return ""
    for one in (case.language, languages.get(case.source_language)):
        names = (one.name.lower(), one.native_name.lower())
        if any(name in heading for name in names) and not any(name in source for name in names):
            return heading.strip()
    return ""


def _aside(case: CheckCase, side: Side, text: str) -> str:
    """Returns closing words, an assent or a note that the source hasn't, "" for none."""
    codes, edges = _codes(case), _edges(text)
    if not is_excused(case, side, "closing"):
        for phrase in (one for code in codes for one in _phrases(code, "closing")):
            if any(edge.startswith(phrase) for edge in edges):
                return phrase
    if "!" not in side.source and not is_excused(case, side, "assent"):
        start = text.lstrip("*# \"'(（¡")
        for phrase in (one for code in codes for one in _phrases(code, "assent")):
            if start.startswith(phrase) and _CALL.match(start, len(phrase)):
                return phrase
    if not is_excused(case, side, "note"):
        for phrase in (one for code in codes for one in _phrases(code, "note")):
            for edge in edges:
                if edge.startswith(phrase) and edge[len(phrase) :].lstrip()[:1] in (":", "："):
                    return phrase
    return ""


def _edges(text: str) -> tuple[str, ...]:
    """Returns the first two sentences and the last two, in small letters."""
    sentences = [one.strip("*# \"'(（¡") for one in _SENTENCE.split(text)]
    return (*sentences[:2], *sentences[-2:])


def is_excused(case: CheckCase, side: Side, kind: str) -> bool:
    """Returns whether the source itself says what a phrase of a kind is about.

    Args:
        case: The translation and its source.
        side: The turn.
        kind: A kind of comment, as profiles of languages name them.
    """
    source = _plain(side.source)
    words = f" {_NO_WORD.sub(' ', source)} "
    return any(one in source or one in words for one in _excuses(case.source_language, kind))


def _codes(case: CheckCase) -> tuple[str, ...]:
    """Returns the languages in which a translator may speak."""
    return tuple(dict.fromkeys((case.language.code, case.source_language, "en")))


@cache
def _phrases(language: str, kind: str) -> tuple[str, ...]:
    return tuple(map(_plain, language_profile(language).comments.get(kind, ())))


@cache
def _excuses(language: str, kind: str) -> tuple[str, ...]:
    excuses = language_profile(language).excuses.get(kind, ())
    return (*map(_plain, excuses), *_phrases(language, kind))


def _plain(text: str) -> str:
    """Returns a text in small letters, with ordinary spaces and apostrophes."""
    return text.translate(_SPACES).lower()


def _is_unquoted(source: str) -> bool:
    source = source.strip()
    return not source.startswith(_QUOTES) and not source.endswith(_QUOTES)


def _is_wrapped(text: str) -> bool:
    text = text.strip().rstrip(_STOPS)
    return any(
        len(text) > len(first) + len(last)
        and text.startswith(first)
        and text.endswith(last)
        and first not in text[len(first) : -len(last)]
        for first, last in _WRAPS
    )
