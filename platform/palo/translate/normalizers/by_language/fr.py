"""French: spaces that don't break at its marks, guillemets, the curved apostrophe."""

from palo.translate.normalizers.normalizer import replacing
from palo.translate.normalizers.parts.quotes import quotes
from palo.translate.normalizers.parts.spacing import SPACING, no_space_before

_SPACE = "[ \u00a0\u202f]*"

RULES = (
    quotes("fr"),
    replacing("apostrophe", r"(?<=[^\W\d_])'(?=[^\W\d_])", "’"),
    *SPACING,
    no_space_before(".,"),
    replacing(
        "space before a high mark",
        rf"(?<=[^\s;:!?.(¿¡]){_SPACE}(?=[;!?]+(?:\s|$|[\u00a0\u202f»”\")]))(?<![\u00a0\u202f])"
        rf"|(?<=[^\s;:!?.(]){_SPACE}(?=:(?:\s|$))(?<![\u00a0\u202f])",
        "\u00a0",
    ),
    replacing("space within guillemets", r"(?<=«)[ \u202f]*(?=[^\s])", "\u00a0"),
    replacing("space within guillemets", r"(?<=[^\s])[ \u202f]*(?=»)(?<!\u00a0)", "\u00a0"),
)
