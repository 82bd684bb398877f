"""Languages besides those of the platform that a text of a script may turn out to be in.

Without them Ukrainian would pass as Russian, the only language here with its script, and German as
the likeliest of English, French and Spanish.
"""

from collections.abc import Mapping

from palo import languages

NEIGHBOURS: Mapping[str, Mapping[str, str]] = {
    "Latn": {
        "af": "Afrikaans", "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German",
        "fi": "Finnish", "gl": "Galician", "hu": "Hungarian", "id": "Indonesian", "it": "Italian",
        "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian",
        "sv": "Swedish", "sw": "Swahili", "tr": "Turkish", "vi": "Vietnamese",
    },
    "Cyrl": {
        "ba": "Bashkir", "be": "Belarusian", "bg": "Bulgarian", "kk": "Kazakh", "ky": "Kyrgyz",
        "mk": "Macedonian", "mn": "Mongolian", "sr": "Serbian", "tg": "Tajik", "tt": "Tatar",
        "uk": "Ukrainian",
    },
    "Arab": {
        "fa": "Persian", "ku": "Kurdish", "ps": "Pashto", "sdh": "Southern Kurdish",
        "ug": "Uyghur",
    },
    "Deva": {"mr": "Marathi", "ne": "Nepali", "sa": "Sanskrit"},
    "Beng": {"as": "Assamese"},
}  # fmt: skip
"""Names of languages that the identifier knows, by ISO 639 code, by script."""

_ANSWERS = """
    yes no not one two three four five six seven eight nine ten black white red green blue yellow
    brown orange pink purple gray grey big small large left right top bottom center centre middle
    front behind man woman boy girl people person child dog cat car tree house water
"""
ENGLISH_ANSWERS = frozenset(_ANSWERS.split())
"""Words that answer questions about images; none is a name, a brand or an abbreviation."""

_PARTICLES = """
    a an the this that these those it he she they there is are was were has have of in on at to
    from with by for and or but
"""
ENGLISH_PARTICLES = frozenset(_PARTICLES.split())
"""Words that stand between them."""


def name_of(code: str) -> str | None:
    """Returns the English name of a language of the platform, or of a neighbour.

    Args:
        code: ISO 639 code.
    """
    if languages.known(code):
        return languages.get(code).name
    return next((names[code] for names in NEIGHBOURS.values() if code in names), None)
