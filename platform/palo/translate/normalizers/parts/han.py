"""What Chinese and Japanese share: full-width marks, and no spaces between their characters."""

import re
import unicodedata

from palo.translate.normalizers.normalizer import HIDDEN, Normalizer, replacing

SIGNS = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Han characters and kana, for use between square brackets."""
CLOSED = "”’』」）》】〉〗"
_WIDE_MARKS = "，。！？；：、"
_WIDE_ASCII = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]+")


def wide(name: str, mark: str, own: str) -> Normalizer:
    """Returns the rule that a mark behind the script, or before it, has full width."""
    plain = re.escape(mark)
    return replacing(
        name,
        rf"(?<=[{SIGNS}{CLOSED}])[ ]*{plain}(?![\w{plain}])[ ]*"
        rf"(?=[{SIGNS}{CLOSED}“‘「『（《\n\"]|$)"
        rf"|(?<=[{SIGNS}{CLOSED}])[ ]*{plain}(?!{plain})[ ]*(?=[\w{HIDDEN}])"
        rf"|(?<=[\w)%{HIDDEN}])[ ]*{plain}[ ]*(?=[{SIGNS}])",
        own,
    )


def _ascii(text: str) -> str:
    return _WIDE_ASCII.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)


MARKS = (
    wide("exclamation mark", "!", "！"),
    wide("question mark", "?", "？"),
    wide("semicolon", ";", "；"),
    replacing(
        "full stop",
        rf"(?<=[{SIGNS}{CLOSED}])[ ]*\.(?![.A-Za-z])",
        "。",
    ),
    replacing(
        "brackets",
        rf"(?<=[{SIGNS}{CLOSED}])[ ]*\(([^()\n]*)\)[ ]*(?=[{SIGNS}{CLOSED}{_WIDE_MARKS}]|$)"
        rf"|\(((?=[^()\n]*[{SIGNS}])[^()\n]*+)\)",
        r"（\1\2）",
    ),
)
WIDTHS = (
    Normalizer(name="narrow letters and digits", apply=_ascii),
    replacing("no space between characters", rf"(?<=[{SIGNS}])[ \u3000]+(?=[{SIGNS}])", ""),
    replacing(
        "no space at a mark", rf"(?<=\S)[ ]+(?=[{_WIDE_MARKS}])|(?<=[{_WIDE_MARKS}])[ ]+", ""
    ),
)
