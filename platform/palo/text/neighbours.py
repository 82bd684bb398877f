"""Languages besides those of the platform that a text of a script may turn out to be in.

Without them Ukrainian would pass as Russian, the only language here with its script, and German as
the likeliest of English, French and Spanish.
"""

from collections.abc import Mapping

NEIGHBOURS: Mapping[str, Mapping[str, str]] = {
    "Latn": {
        "af": "Afrikaans", "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German",
        "en": "English", "es": "Spanish", "fi": "Finnish", "fr": "French", "gl": "Galician",
        "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "nl": "Dutch", "no": "Norwegian",
        "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "sv": "Swedish", "sw": "Swahili",
        "tr": "Turkish", "vi": "Vietnamese",
    },
    "Cyrl": {
        "ba": "Bashkir", "be": "Belarusian", "bg": "Bulgarian", "kk": "Kazakh", "ky": "Kyrgyz",
        "mk": "Macedonian", "mn": "Mongolian", "ru": "Russian", "sr": "Serbian", "tg": "Tajik",
        "tt": "Tatar", "uk": "Ukrainian",
    },
    "Arab": {
        "ar": "Arabic", "fa": "Persian", "ku": "Kurdish", "ps": "Pashto",
        "sdh": "Southern Kurdish", "ug": "Uyghur", "ur": "Urdu",
    },
    "Deva": {"hi": "Hindi", "mr": "Marathi", "ne": "Nepali", "sa": "Sanskrit"},
    "Beng": {"as": "Assamese", "bn": "Bengali"},
}  # fmt: skip
"""Names of languages that the identifier knows, by ISO 639 code, by script."""

UNWRITTEN: Mapping[str, frozenset[str]] = {
    "ru": frozenset("іїєґўјљњђћџѓќѕәғқңөұүһҗҡҙҫӣӯҳҷІЇЄҐЎЈЉЊЂЋЏЃЌЅӘҒҚҢӨҰҮҺҖҠҘҪӢӮҲҶ"),
    "bn": frozenset("ৰৱ"),
    "hi": frozenset("ऱऴ"),
    "ar": frozenset("ٹڈڑںےۓټډړږښځڅېۍګڼۇۆۈۋەێڵڕٻڀٺٽٿڃڄڇڊڏڌڍڙڦڪڱڳڻ"),
    "ur": frozenset("ټډړږښځڅۍګڼۇۆۈۋەێڵڕٻڀٺٽٿڃڄڇڊڏڌڍڙڦڪڱڳڻ"),
}
"""Letters of its script that a language doesn't write though its neighbours do."""

SETTLING: Mapping[str, str] = {"ar": "ة"}
"""Letters that by themselves show the language, beyond its own ones in `palo.languages`."""

ENGLISH_ANSWERS = frozenset(
    "yes no not one two three four five six seven eight nine ten black white red green blue yellow "
    "brown orange pink purple gray grey big small large left right top bottom center centre middle "
    "front behind man woman boy girl people person child dog cat car tree house water".split()
)
"""Words that answer questions about images; none is a name, a brand or an abbreviation."""

ENGLISH_PARTICLES = frozenset(
    "a an the this that these those it he she they there is are was were has have of in on at to "
    "from with by for and or but".split()
)
"""Words that stand between them."""


def name_of(code: str) -> str | None:
    """Returns the English name of a neighbour.

    Args:
        code: ISO 639 code.
    """
    return next((names[code] for names in NEIGHBOURS.values() if code in names), None)
