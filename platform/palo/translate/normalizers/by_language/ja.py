"""Japanese: full-width marks and kana, its own comma and quotation marks."""

import re
import unicodedata

from palo.translate.normalizers.normalizer import Normalizer, replacing
from palo.translate.normalizers.parts import han
from palo.translate.normalizers.parts.quotes import quotes

_NARROW = re.compile("[\uff61-\uff9f]+")


def _full_width(text: str) -> str:
    return _NARROW.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)


RULES = (
    Normalizer(name="full-width kana", apply=_full_width),
    *han.WIDTHS,
    han.wide("comma", ",", "、"),
    # Names in Latin letters one after another, as Japanese lists them.
    replacing("comma", r"(?<=[A-Za-z]),(?=[A-Z][A-Za-z' ]*(?:、|,[A-Z]|[\u3040-\u30ff]))", "、"),
    replacing("comma", rf"(?<=[{han.SIGNS}{han.CLOSED}])，", "、"),
    replacing("full stop", rf"(?<=[{han.SIGNS}{han.CLOSED}])．(?!\d)", "。"),
    *han.MARKS,
    quotes("ja"),
)
