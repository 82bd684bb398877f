"""Arabic and Urdu: marks that face left, letters in one form, own letters and digits."""

import re
import unicodedata

from palo.translate.normalizers.normalizer import (
    HIDDEN,
    SPACING,
    Normalizer,
    full_stop,
    mapping,
    no_space_before,
    replacing,
)

_LETTERS = "\u0620-\u065f\u066e-\u06d3\u06d5-\u06ed\u06fa-\u06ff\u0750-\u077f"
"""Letters of the script with the marks on them, for use between square brackets."""

_LETTER = re.compile(f"[{_LETTERS}]")
# Ligatures from U+FDFA on are signs of their own, which nobody spells out.
_FORMS = re.compile("[\ufb50-\ufdf9\ufe70-\ufefc]+")


def _mark(name: str, latin: str, own: str) -> Normalizer:
    behind = rf"(?<=[{_LETTERS}{HIDDEN}»”\")])"
    return replacing(
        name,
        rf"{behind}[ \u00a0]*{re.escape(latin)}(?=\s|$|[{_LETTERS}{HIDDEN}\"”»)])"
        rf"|{re.escape(latin)}(?=[ \u00a0]+[{_LETTERS}])",
        own,
    )


def _asked(line: str) -> str:
    return f"{line[:-1]}؟" if line.endswith("?") and _LETTER.search(line) else line


def _spelled_out(text: str) -> str:
    return _FORMS.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)


_MARKS = (
    _mark("comma", ",", "،"),
    _mark("semicolon", ";", "؛"),
    _mark("question mark", "?", "؟"),
    # A mark behind a word of another script, at the end of what is Arabic otherwise.
    Normalizer(name="question mark", apply=lambda text: "\n".join(map(_asked, text.split("\n")))),
)
_FORMS_OF_LETTERS = (
    Normalizer(name="presentation forms", apply=_spelled_out),
    # At the end of a word it is meant: it keeps a lone letter in its joined form.
    replacing("stretching", rf"(?<=[{_LETTERS}])\u0640+(?=[{_LETTERS}])", ""),
    replacing("doubled mark", r"([\u064b-\u0652])\1+", r"\1"),
    replacing("mark apart from its letter", r"(?<=[\u0620-\u064a])[ ]+(?=[\u064b-\u0652])", ""),
)

_ARABIC = (
    *_FORMS_OF_LETTERS,
    # Persian keyboards have letters that look the same as Arabic's within a word.
    mapping("own letters", "کیۀ", "كيه"),
    mapping("own digits", "۰۱۲۳۴۵۶۷۸۹", "٠١٢٣٤٥٦٧٨٩"),
    replacing("nunation once", "\u064b\u0627\u064b", "\u064b\u0627"),
    *_MARKS,
    replacing("full stop", rf"(?<=[{_LETTERS}])[ ]*۔(?=\s|$|[\"”»)])", "."),
    *SPACING,
    no_space_before(".,:!؟،؛"),
)

_URDU = (
    *_FORMS_OF_LETTERS,
    mapping("own letters", "كيىهة", "کییہۃ"),
    mapping("own digits", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹"),
    *_MARKS,
    full_stop(
        "۔",
        _LETTERS,
        sentence_ends="ہے ہو تھا تھی تھے گا گی گے دے لے",
        abbreviations="ایم ایس ایف ایل این ایچ ایکس ڈاکٹر",
    ),
    replacing("full stop", r"(?<=\d)\.(?=[\"”’»)]*$)", "۔"),
    *SPACING,
    no_space_before("۔:!؟،؛"),
)

BY_LANGUAGE = {"ar": _ARABIC, "ur": _URDU}
BY_SCRIPT = {"Arab": (*_FORMS_OF_LETTERS, *_MARKS, *SPACING)}
