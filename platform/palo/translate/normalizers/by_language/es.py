"""Spanish: marks that open questions and exclamations, and no space before any mark."""

import re

from palo.translate.normalizers.normalizer import Normalizer
from palo.translate.normalizers.parts.spacing import SPACING, no_space_before

_SENTENCE = re.compile(r"[^.!?…\n]*[.!?…]+[\"”’»)]*|[^.!?…\n]+")
_LEAD = re.compile(r"^[\s\"“‘«(\[—–-]*(?:(?:\d+[.)]|[-*•])\s+)?")


def _opened(text: str, closing: str, opening: str) -> str:
    """Puts the opening mark before each sentence that ends in the closing one and has none."""

    def sentence(match: re.Match[str]) -> str:
        said = match[0]
        if not said.rstrip('"”’»)').endswith(closing) or opening in said:
            return said
        lead = _LEAD.match(said)
        place = lead.end() if lead else 0
        has_words = any(map(str.isalpha, said[place:]))
        return f"{said[:place]}{opening}{said[place:]}" if has_words else said

    return _SENTENCE.sub(sentence, text)


RULES = (
    *SPACING,
    no_space_before(".,;:!?"),
    Normalizer(name="opening question mark", apply=lambda text: _opened(text, "?", "¿")),
    Normalizer(name="opening exclamation mark", apply=lambda text: _opened(text, "!", "¡")),
)
