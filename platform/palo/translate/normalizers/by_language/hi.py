"""Hindi: danda, nukta, the rest as everywhere."""

from palo.translate.normalizers.normalizer import replacing
from palo.translate.normalizers.parts.danda import danda_rules
from palo.translate.normalizers.parts.spacing import SPACING, no_space_before

RULES = (
    replacing("nukta once", "\u093c{2,}", "\u093c"),
    *danda_rules(
        "\u0900-\u0963\u0970-\u097f",
        sentence_ends="है हैं था थी थे हो गए गई गया लें दें दो लो",
        abbreviations="प्रो श्री मिस मिसेज कि.मी मिली सेमी किमी",
    ),
    *SPACING,
    no_space_before(",;:!?"),
)
