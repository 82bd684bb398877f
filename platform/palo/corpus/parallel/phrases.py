"""What a user says before a text to translate or to go on with: in English, and in the language.

`phrases/<code>.toml` has both wishes in the language itself, and so has `words.toml` of a language
that a user adds; a language without a file is asked for in English alone.
"""

import zlib
from pathlib import Path

from palo import languages
from palo.language_files import added_codes, language_words

_FOLDER = Path(__file__).parent / "phrases"


def translation_wish(code: str, key: str) -> str:
    """Returns words that ask for a translation, in English or in the language, by turns.

    Args:
        code: ISO 639-1 code of the language to translate into.
        key: Decides which of both, always the same.
    """
    return _wish(code, key, "translate", f"Translate into {languages.get(code).name}:")


def continuation_wish(code: str, key: str) -> str:
    """Returns words that ask to go on with a text, in English or in its language, by turns.

    Args:
        code: ISO 639-1 code of the text's language.
        key: Decides which of both, always the same.
    """
    return _wish(code, key, "go_on", f"Go on in {languages.get(code).name}:")


def added_wishes() -> dict[str, tuple[str, str]]:
    """Returns both wishes of each added language that has them: rows depend on these."""
    own = {code: language_words(code) for code in added_codes()}
    return {code: (w.translate, w.go_on) for code, w in own.items() if w.translate or w.go_on}


def _wish(code: str, key: str, name: str, english: str) -> str:
    own = getattr(language_words(code, _FOLDER), name)
    return str(own or english) if zlib.crc32(key.encode()) & 1 else english
