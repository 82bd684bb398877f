"""Arabic: its own marks and letters, nunation written once."""

from palo.translate.normalizers.normalizer import mapping, replacing
from palo.translate.normalizers.parts import arabic_script
from palo.translate.normalizers.parts.spacing import SPACING, no_space_before

RULES = (
    *arabic_script.LETTERS,
    # Persian keyboards have letters that look the same as Arabic's within a word.
    mapping("own letters", "کیۀ", "كيه"),
    mapping("own digits", "۰۱۲۳۴۵۶۷۸۹", "٠١٢٣٤٥٦٧٨٩"),
    replacing("nunation once", "\u064b\u0627\u064b", "\u064b\u0627"),
    *arabic_script.MARKS,
    replacing("full stop", rf"(?<=[{arabic_script.LETTER}])[ ]*۔(?=\s|$|[\"”»)])", "."),
    *SPACING,
    no_space_before(".,:!؟،؛"),
)
