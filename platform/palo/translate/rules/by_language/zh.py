"""Chinese: full-width marks and its own quotation marks."""

from palo.translate.rules.parts import han
from palo.translate.rules.parts.quotes import quotes
from palo.translate.rules.rule import replacing

RULES = (
    *han.WIDTHS,
    han.wide("comma", ",", "，"),
    replacing("comma", r"(?<=[A-Za-z]),(?=[A-Z][A-Za-z' ]*(?:，|,[A-Z]|[\u4e00-\u9fff]))", "，"),
    han.wide("colon", ":", "："),
    *han.MARKS,
    replacing("ellipsis", rf"(?<=[{han.SIGNS}{han.CLOSED}])(?:\.{{3,}}|。{{2,}})", "……"),
    quotes("zh"),
)
