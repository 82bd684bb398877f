"""Spanish: the marks that open questions and exclamations, where it is sure that one is missing."""

import re
from itertools import islice

from palo.translate.normalizers.normalizer import (
    SPACING,
    Normalizer,
    is_prose,
    no_space_before,
    prose,
    vocabulary,
)

_MOST_MARKS = 100
"""A line with more of them is no prose, and what is behind them stays."""
_OPENING = {"?": "¿", "!": "¡"}
_MARKS = re.compile(r"[¿¡]+|[?!]+")
_BEHIND = re.compile(r"[\"”’»)\]*_~]*+(?:$|\s+(?:[\"“‘«(\[—–-]\s?)*(?P<next>.)|(?=\S))")
_ABBREVIATIONS = vocabulary(
    "sr sra srta sres sras d da dr dra drs dres prof profa lic licda ing arq abg gral gen cap"
    " capt cnel cmdte tte sgto mons fr hno hna rvdo rvda excmo excma ilmo ilma sto sta pdte pdta"
    " dir av avda avd c cta pza pl pje ctra urb edif dpto depto núm num n no tel tlf ext pág"
    " págs p pp vol vols art arts fig figs ed eds trad cf cfr vid ej etc aprox máx mín h hs hr"
    " km kg cm mm m g l a b e s ss sc ac dc ca cía cia ltda inc corp co uu ee ff aa rr nn jj oo"
    " bs as ap apdo op cit ibíd id esp lat ene feb mar abr may jun jul ago sep sept oct nov dic"
    " jr st vs fco mª fdez hdez glez mtez izq izqda dcha dta atte ud uds vd vds v q r i"
)
_LAST_WORD = re.compile(r"(?<![^\W\d_])([^\W\d_]++)\.$")
_END = re.compile(r"(?:(?<![.!?])[.!?]++|…)[\"”’»)\]]*+\s++(?=[\"“‘«(\[—–-]?\s?[^\W\d_])")
_NEAR = 8
_LEAD = re.compile(r"[\s\"“‘«(\[—–>#*_~-]*(?:(?:\d+[.)]|[-*•])\s+[*_~]*)?")
_OPEN_BRACKETS = (("(", ")"), ("[", "]"), ("«", "»"), ("“", "”"), ("‘", "’"))
_WORDS_THAT_ASK = (
    "qué|quién|quiénes|cuál|cuáles|cómo|dónde|adónde|cuándo|cuánto|cuánta|cuántos|cuántas"
)
_PREPOSITIONS = "a|ante|con|contra|de|desde|en|entre|hacia|hasta|para|por|según|sobre|y|o|pero"
_ASKS = re.compile(
    rf"(?:(?:{_PREPOSITIONS})\s+){{0,2}}(?:{_WORDS_THAT_ASK}|que|quien|cual|como|donde|cuando|cuanto|cuantos|cuanta"
    r"|cuantas|quienes|cuales)(?!\w)",
    re.IGNORECASE,
)
_ASKS_BEHIND_A_COMMA = re.compile(
    rf"[,;:][*_]*\s+(?=(?:(?:{_PREPOSITIONS})\s+){{0,2}}(?:{_WORDS_THAT_ASK})(?!\w))",
    re.IGNORECASE,
)
_TAG = re.compile(
    r",\s+(?=(?:no|verdad|cierto|vale|eh|sí|o no|de acuerdo|está bien|a que (?:sí|no)|no es"
    r" (?:así|cierto|verdad)|no crees?|no (?:te|le) parece)$)",
    re.IGNORECASE,
)
_CALLS = re.compile(
    r"(?:hola|gracias|felicidades|enhorabuena|adiós|bienvenid[oa]s?|cuidado|ay|oh|ah|eh|vaya|viva|vamos|feliz"
    r"|buen|buenos|buena|buenas|qué|cuánto|cuánta|cómo|bravo|salud|socorro|ojalá|claro|perfecto|genial|sí)(?!\w)",
    re.IGNORECASE,
)
# What stands between may belong to another part of the sentence, or to a formula.
_DIVIDED = re.compile(r"[,;:](?=\s)|…|\s[—–-]\s|\.\.\.|=")
# A name, a number or a variable may have the mark for its own.
_NAME = re.compile(r"(?<!\w)\w$|(?<=\s)[A-ZÁÉÍÓÚÑÜ][\w'’-]*$|\d$")


def _opened(text: str) -> str:
    """Opens each question and exclamation that nothing opens, if it is sure where it begins."""
    if "?" not in text and "!" not in text:
        return text
    lines, still_open = [], list[str]()
    for line in text.split("\n"):
        if not (line.strip() and is_prose(line)):
            still_open.clear()
            lines.append(line)
        else:
            lines.append(_opened_line(line, still_open))
    return "\n".join(lines)


def _opened_line(line: str, still_open: list[str]) -> str:
    """Opens the questions and exclamations of a line.

    Args:
        line: A line.
        still_open: Marks that no mark has closed yet, earlier lines' included; brought up to date.
    """
    pieces, end = [], 0
    for match in islice(_MARKS.finditer(line), _MOST_MARKS):
        marks = match[0]
        if marks[0] in "¿¡":
            still_open.append(marks)
        elif not still_open:
            place = _place(line, match)
            if place is not None and place >= end:
                pieces += [line[end:place], _OPENING[marks[0]]]
                end = place
        # Another mark within may belong to a quotation or a name: «¿Quién dijo “¡ay!”?»
        elif any(_OPENING[mark] in still_open[-1] for mark in marks):
            still_open.pop()
    return "".join([*pieces, line[end:]])


def _place(line: str, closing: re.Match[str]) -> int | None:
    """Returns where the sentence begins that a mark closes; None where that isn't sure."""
    if len({*closing[0]}) > 1:
        return None
    behind = _BEHIND.match(line, closing.end())
    # A sentence that goes on, and a mark within a name or an address, may have ended nothing.
    if behind is None or (behind.end() < len(line) and not behind["next"]):
        return None
    if behind["next"] and behind["next"].islower():
        return None
    start = _start(line, closing.start())
    if start is None:
        return None
    words = line[start : closing.start()]
    if not any(map(str.isalpha, words)):
        return None
    return _within(words, closing[0][0], start)


def _within(words: str, mark: str, start: int) -> int | None:
    """Returns the place before the part of a sentence that a mark is about; None if unsure."""
    if mark == "!":
        calls = _CALLS.match(words) is not None
        is_sure = calls or not (_DIVIDED.search(words) or _NAME.search(words))
        return start if is_sure else None
    if _ASKS.match(words):
        return start
    if tag := _TAG.search(words):
        return start + tag.end()
    behind = [*_ASKS_BEHIND_A_COMMA.finditer(words)]
    if behind:
        return start + behind[0].end() if len(behind) == 1 else None
    return None if _DIVIDED.search(words) else start


def _start(line: str, end: int) -> int | None:
    """Returns where the words before a mark begin: behind the last sentence, bracket or quote."""
    start = 0
    for stop in _END.finditer(line, 0, end):
        sentence = line[start : stop.end()].rstrip('"”’»)] ')
        asks = sentence.endswith(("!", "?"))
        if line[stop.end() : stop.end() + _NEAR].lstrip('"“‘«([—–- ')[:1].islower():
            if asks:
                return None
        elif asks or sentence.endswith(("…", "...")) or _is_sentence_end(sentence):
            start = stop.end()
        elif not _is_abbreviated(sentence):
            return None
    lead = _LEAD.match(line, start, end)
    start = lead.end() if lead else start
    for opening, closing in _OPEN_BRACKETS:
        place = line.rfind(opening, start, end)
        if place >= 0 and line.find(closing, place, end) < 0:
            start = max(start, place + 1)
    if line.count('"', start, end) % 2:
        start = max(start, line.rfind('"', start, end) + 1)
    return start


def _is_sentence_end(sentence: str) -> bool:
    """Returns whether the full stop at the end of some words surely ends a sentence."""
    word = _LAST_WORD.search(sentence)
    if word is None:
        return sentence[-2:-1].isdecimal() or sentence[-2:-1] in '"”’»)]%'
    return word[1].islower() and len(word[1]) > 3 and word[1] not in _ABBREVIATIONS


def _is_abbreviated(sentence: str) -> bool:
    """Returns whether some words end in an abbreviation."""
    word = _LAST_WORD.search(sentence)
    return word is not None and word[1].lower() in _ABBREVIATIONS


_SPANISH = (
    *SPACING,
    *prose(no_space_before(".,;:!?")),
    Normalizer(name="opening mark", apply=_opened),
)

BY_LANGUAGE = {"es": _SPANISH}
