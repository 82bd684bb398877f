"""Russian: its quotation marks, and a dash where a hyphen stands between spaces."""

from palo.translate.rules.parts.quotes import quotes
from palo.translate.rules.parts.spacing import SPACING, no_space_before
from palo.translate.rules.rule import replacing

RULES = (
    quotes("ru"),
    replacing("dash", r"(?<=[^\s\d|])[ ](?:--?|–)[ ](?=[^\s|-])", " — "),
    *SPACING,
    no_space_before(".,;:!?"),
)
