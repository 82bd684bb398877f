"""Russian: its quotation marks, and a dash where a hyphen stands between spaces."""

from palo.translate.normalizers.normalizer import replacing
from palo.translate.normalizers.parts.quotes import quotes
from palo.translate.normalizers.parts.spacing import SPACING, no_space_before

RULES = (
    quotes("ru"),
    replacing("dash", r"(?<=[^\s\d|])[ ](?:--?|–)[ ](?=[^\s|-])", " — "),
    *SPACING,
    no_space_before(".,;:!?"),
)
