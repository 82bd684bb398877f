"""Spanish, French and Russian: opening marks, guillemets, dashes, and spaces at marks."""

import re

from palo.translate.normalizers.normalizer import (
    SPACING,
    Normalizer,
    no_space_before,
    quotes,
    replacing,
)

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


_SPANISH = (
    *SPACING,
    no_space_before(".,;:!?"),
    Normalizer(name="opening question mark", apply=lambda text: _opened(text, "?", "¿")),
    Normalizer(name="opening exclamation mark", apply=lambda text: _opened(text, "!", "¡")),
)

_SPACE = "[ \u00a0\u202f]*"

_FRENCH = (
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

_RUSSIAN = (
    quotes("ru"),
    replacing("dash", r"(?<=[^\s\d|])[ ](?:--?|–)[ ](?=[^\s|-])", " — "),
    *SPACING,
    no_space_before(".,;:!?"),
)

BY_LANGUAGE = {"es": _SPANISH, "fr": _FRENCH, "ru": _RUSSIAN}
