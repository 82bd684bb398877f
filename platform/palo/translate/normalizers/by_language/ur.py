"""Urdu: its own letters, digits and full stop."""

from palo.translate.normalizers.normalizer import mapping, replacing
from palo.translate.normalizers.parts import arabic_script
from palo.translate.normalizers.parts.full_stop import full_stop
from palo.translate.normalizers.parts.spacing import SPACING, no_space_before

RULES = (
    *arabic_script.LETTERS,
    mapping("own letters", "كيىهة", "کییہۃ"),
    mapping("own digits", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹"),
    *arabic_script.MARKS,
    full_stop(
        "۔",
        arabic_script.LETTER,
        sentence_ends="ہے ہو تھا تھی تھے گا گی گے دے لے",
        abbreviations="ایم ایس ایف ایل این ایچ ایکس ڈاکٹر",
    ),
    replacing("full stop", r"(?<=\d)\.(?=[\"”’»)]*$)", "۔"),
    *SPACING,
    no_space_before("۔:!؟،؛"),
)
