"""Urdu: its own letters, digits and full stop."""

from palo.translate.rules.parts import arabic_script
from palo.translate.rules.parts.spacing import SPACING, no_space_before
from palo.translate.rules.rule import mapping, replacing

_LETTER = arabic_script.LETTER

RULES = (
    *arabic_script.LETTERS,
    mapping("own letters", "كيىهة", "کییہۃ"),
    mapping("own digits", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹"),
    *arabic_script.MARKS,
    # Behind few letters it may be an abbreviation's.
    replacing(
        "full stop",
        rf"(?:(?<=[{_LETTER}]{{4}})|(?<= ہے)|(?<= ہیں)|(?<= تھا)|(?<= تھی)|(?<= تھے))"
        rf"[ ]*\.(?=\s+[{_LETTER}])"
        rf"|(?<=[{_LETTER}\d])[ ]*\.(?=[\"”’»)]*$)|(?<=[{_LETTER}][\"”’»)])\.$",
        "۔",
    ),
    *SPACING,
    no_space_before("۔:!؟،؛"),
)
