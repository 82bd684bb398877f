"""Texts that a spreadsheet must not take for formulas, and characters that XLSX can't hold.

Source: OWASP, CSV injection; ECMA-376, part 1, 22.9.2.19 (ST_Xstring).
"""

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r＝＋－＠]")
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_WRITTEN = re.compile(r"_x([0-9A-Fa-f]{4})_")


def as_words(text: str) -> str:
    """Returns a text with an apostrophe before what a spreadsheet would calculate."""
    return f"'{text}" if _FORMULA.match(text) else text


def from_words(cell: str) -> str:
    """Returns the text that `as_words` was given; others are left as they are."""
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell


def for_xlsx(text: str) -> str:
    """Returns a text whose control characters are written as XLSX wants them."""
    return _UNWRITABLE.sub(lambda found: f"_x{ord(found[0]):04X}_", text)


def from_xlsx(cell: str) -> str:
    """Returns the text that `for_xlsx` was given."""
    return _WRITTEN.sub(lambda found: chr(int(found[1], 16)), cell)
