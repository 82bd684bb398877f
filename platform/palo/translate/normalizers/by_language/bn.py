"""Bengali: danda, nukta, khanda ta, and no letters of Assamese."""

from palo.translate.normalizers.normalizer import mapping, replacing
from palo.translate.normalizers.parts.danda import danda_rules
from palo.translate.normalizers.parts.spacing import SPACING, no_space_before

RULES = (
    mapping("own letters", "ৰ৷", "র।"),
    replacing("khanda ta", "\u09a4\u09cd\u200d", "\u09ce"),
    replacing("nukta once", "\u09bc{2,}", "\u09bc"),
    *danda_rules(
        "\u0980-\u09fe",
        sentence_ends="হয় নয় নেই নাই ছিল আছে না",
        abbreviations="কিমি সেমি মিমি প্রো মোঃ",
    ),
    *SPACING,
    no_space_before(",;:!?"),
)
