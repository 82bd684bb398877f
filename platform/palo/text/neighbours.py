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

# Everyday words of neighbours that a language hasn't: a few words may look alike otherwise.
_TELLTALES = {
    "ru": {
        "bg": "това този тази тези със няма който която които беше също масата",
        "be": "гэта гэты гэтая ёсць які якая якія вельмі таксама",
    },
    "hi": {
        "ne": "एउटा एउटी छैन छन् हुन्छ गर्छ गरेको भएको राखेको",
        "mr": "आहे आहेत आणि म्हणून नाहीत",
    },
    "bn": {"as": "এইটো আৰু কৰে হৈছে"},
}
_TELLTALE_WORDS: Mapping[str, Mapping[str, frozenset[str]]] = {
    code: {other: frozenset(words.split()) for other, words in others.items()}
    for code, others in _TELLTALES.items()
}
_WORDS_PER_TELLTALE = 6
_EDGES = ".,;:!?।॥()«»“”\"'…"

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


def neighbour_by_words(text: str, code: str, num_words: int) -> str | None:
    """Returns the neighbour of a language whose everyday words stand in a text, None for none.

    Args:
        text: Any text.
        code: ISO 639-1 code of the language that it should be in.
        num_words: How many words it has.
    """
    found = {word.strip(_EDGES) for word in text.lower().split()}
    for other, words in _TELLTALE_WORDS.get(code, {}).items():
        if _WORDS_PER_TELLTALE * len(found & words) >= num_words:
            return other
    return None
