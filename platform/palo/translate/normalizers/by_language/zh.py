"""Chinese: full-width marks and its own quotation marks."""

from palo.translate.normalizers.normalizer import replacing
from palo.translate.normalizers.parts import han
from palo.translate.normalizers.parts.quotes import quotes

RULES = (
    *han.WIDTHS,
    han.wide("comma", ",", "，"),
    replacing("comma", r"(?<=[A-Za-z]),(?=[A-Z][A-Za-z' ]*(?:，|,[A-Z]|[\u4e00-\u9fff]))", "，"),
    han.wide("colon", ":", "："),
    *han.MARKS,
    replacing("ellipsis", rf"(?<=[{han.SIGNS}{han.CLOSED}])(?:\.{{3,}}|。{{2,}})", "……"),
    quotes("zh"),
)
