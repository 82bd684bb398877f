"""Chinese and Japanese: full-width marks, and no spaces between characters."""

import re
import unicodedata

from palo.translate.normalizers.normalizer import HIDDEN, Normalizer, quotes, replacing

_SIGNS = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Han characters and kana, for use between square brackets."""
_CLOSED = "”’』」）》】〉〗"
_WIDE_MARKS = "，。！？；：、"
_WIDE_ASCII = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]+")


def _wide(name: str, mark: str, own: str) -> Normalizer:
    """Returns the rule that a mark behind the script, or before it, has full width."""
    plain = re.escape(mark)
    return replacing(
        name,
        rf"(?<=[{_SIGNS}{_CLOSED}])[ ]*{plain}(?![\w{plain}])[ ]*"
        rf"(?=[{_SIGNS}{_CLOSED}“‘「『（《\n\"]|$)"
        rf"|(?<=[{_SIGNS}{_CLOSED}])[ ]*{plain}(?!{plain})[ ]*(?=[\w{HIDDEN}])"
        rf"|(?<=[\w)%{HIDDEN}])[ ]*{plain}[ ]*(?=[{_SIGNS}])",
        own,
    )


def _ascii(text: str) -> str:
    return _WIDE_ASCII.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)


_MARKS = (
    _wide("exclamation mark", "!", "！"),
    _wide("question mark", "?", "？"),
    _wide("semicolon", ";", "；"),
    replacing(
        "full stop",
        rf"(?<=[{_SIGNS}{_CLOSED}])[ ]*\.(?![.A-Za-z])",
        "。",
    ),
    replacing(
        "brackets",
        rf"(?<=[{_SIGNS}{_CLOSED}])[ ]*\(([^()\n]*)\)[ ]*(?=[{_SIGNS}{_CLOSED}{_WIDE_MARKS}]|$)"
        rf"|\(((?=[^()\n]*[{_SIGNS}])[^()\n]*+)\)",
        r"（\1\2）",
    ),
)
_WIDTHS = (
    Normalizer(name="narrow letters and digits", apply=_ascii),
    replacing("no space between characters", rf"(?<=[{_SIGNS}])[ \u3000]+(?=[{_SIGNS}])", ""),
    replacing(
        "no space at a mark", rf"(?<=\S)[ ]+(?=[{_WIDE_MARKS}])|(?<=[{_WIDE_MARKS}])[ ]+", ""
    ),
)

_CHINESE = (
    *_WIDTHS,
    _wide("comma", ",", "，"),
    replacing("comma", r"(?<=[A-Za-z]),(?=[A-Z][A-Za-z' ]*(?:，|,[A-Z]|[\u4e00-\u9fff]))", "，"),
    _wide("colon", ":", "："),
    *_MARKS,
    replacing("ellipsis", rf"(?<=[{_SIGNS}{_CLOSED}])(?:\.{{3,}}|。{{2,}})", "……"),
    quotes("zh"),
)

_NARROW = re.compile("[\uff61-\uff9f]+")


def _full_width(text: str) -> str:
    return _NARROW.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)


_JAPANESE = (
    Normalizer(name="full-width kana", apply=_full_width),
    *_WIDTHS,
    _wide("comma", ",", "、"),
    # Names in Latin letters one after another, as Japanese lists them.
    replacing("comma", r"(?<=[A-Za-z]),(?=[A-Z][A-Za-z' ]*(?:、|,[A-Z]|[\u3040-\u30ff]))", "、"),
    replacing("comma", rf"(?<=[{_SIGNS}{_CLOSED}])，", "、"),
    replacing("full stop", rf"(?<=[{_SIGNS}{_CLOSED}])．(?!\d)", "。"),
    *_MARKS,
    quotes("ja"),
)

_ANY = (*_WIDTHS, *_MARKS)
BY_LANGUAGE = {"zh": _CHINESE, "ja": _JAPANESE}
BY_SCRIPT = {"Hans": _ANY, "Hant": _ANY, "Jpan": _ANY}
