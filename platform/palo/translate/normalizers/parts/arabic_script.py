"""What Arabic and Urdu share: marks that look to the right, and letters in one form."""

import re
import unicodedata

from palo.translate.normalizers.normalizer import HIDDEN, Normalizer, replacing

LETTER = "\u0620-\u065f\u066e-\u06d3\u06d5-\u06ed\u06fa-\u06ff\u0750-\u077f"
"""Letters of the script with the marks on them, for use between square brackets."""

_LETTER = re.compile(f"[{LETTER}]")
# Ligatures from U+FDFA on are signs of their own, which nobody spells out.
_FORMS = re.compile("[\ufb50-\ufdf9\ufe70-\ufefc]+")


def _mark(name: str, latin: str, own: str) -> Normalizer:
    behind = rf"(?<=[{LETTER}{HIDDEN}»”\")])"
    return replacing(
        name,
        rf"{behind}[ \u00a0]*{re.escape(latin)}(?=\s|$|[{LETTER}{HIDDEN}\"”»)])"
        rf"|{re.escape(latin)}(?=[ \u00a0]+[{LETTER}])",
        own,
    )


def _asked(line: str) -> str:
    return f"{line[:-1]}؟" if line.endswith("?") and _LETTER.search(line) else line


def _spelled_out(text: str) -> str:
    return _FORMS.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)


MARKS = (
    _mark("comma", ",", "،"),
    _mark("semicolon", ";", "؛"),
    _mark("question mark", "?", "؟"),
    # A mark behind a word of another script, at the end of what is Arabic otherwise.
    Normalizer(name="question mark", apply=lambda text: "\n".join(map(_asked, text.split("\n")))),
)
LETTERS = (
    Normalizer(name="presentation forms", apply=_spelled_out),
    # At the end of a word it is meant: it keeps a lone letter in its joined form.
    replacing("stretching", rf"(?<=[{LETTER}])\u0640+(?=[{LETTER}])", ""),
    replacing("doubled mark", r"([\u064b-\u0652])\1+", r"\1"),
    replacing("mark apart from its letter", r"(?<=[\u0620-\u064a])[ ]+(?=[\u064b-\u0652])", ""),
)
